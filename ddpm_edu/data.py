"""The digits: MNIST from its IDX files, found, downloaded or refused, and what a network wants of them."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import arguments

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""The hash of each file's decompressed content: the wrapper may differ from mirror to mirror."""

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

_PREFIX = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08


class Digits(NamedTuple):
    """Pictures of digits, and which digits they are."""

    images: np.ndarray
    """uint8, shape (N, 28, 28); 0 is background, 255 full ink."""
    labels: np.ndarray
    """uint8, shape (N,); 0…9."""
    source: str
    """Where they come from, in words."""


def mnist(split: str = "train") -> Digits:
    """The 60,000 training digits or the 10,000 test digits of MNIST.

    Looked for in the folder $DDPM_EDU_DATA, then in the cache, then downloaded from a mirror into the cache.
    The content is compared with its known SHA-256.

    split: "train" or "test". Raises ValueError if split is neither, or a file is cut, foreign or altered;
    FileNotFoundError if $DDPM_EDU_DATA lacks a file; ConnectionError if nothing is cached and no mirror answers.
    """
    prefix = _PREFIX[arguments.choice("split", split, ("train", "test"))]
    images = _read(f"{prefix}-images-idx3-ubyte")
    labels = _read(f"{prefix}-labels-idx1-ubyte")
    return Digits(images, labels, f"MNIST, {len(images):,} {'training' if split == 'train' else 'test'} digits")


def digits(split: str = "train") -> Digits:
    """MNIST, or where it cannot be had, the 1,797 smaller handwritten digits that scikit-learn carries, enlarged.

    The source says which; a chapter prints it. split: "train" or "test"; of the stand-in, the first 1,497 or the last 300.
    Raises ValueError if split is neither, or if MNIST's files are there but damaged.
    """
    arguments.choice("split", split, ("train", "test"))
    try:
        return mnist(split)
    except (ConnectionError, FileNotFoundError):
        return _stand_in(split)


def to_unit_range(images: np.ndarray) -> np.ndarray:
    """Grey values 0…255 as float32 in [−1, 1], with a channel axis: (N, H, W) becomes (N, 1, H, W).

    Raises TypeError if the images are not uint8, ValueError if they have not three axes.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8, but it was {images.dtype}")
    if images.ndim != 3:
        raise ValueError(f"images must have shape (N, H, W), but its shape was {images.shape}")
    return images[:, None].astype(np.float32) / 127.5 - 1


def read_idx(path: str | Path, sha256: str | None = None) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (8 is unsigned byte), the number of axes, each axis as a 32-bit
    big-endian number, then the bytes.

    sha256: what the decompressed content must hash to, where given.
    Raises FileNotFoundError if there is no such file, ValueError if it is not an IDX file of unsigned bytes, is
    longer or shorter than its header says, or hashes to something else.
    """
    path = Path(path)
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise ValueError(f"{path.name} must be a whole gzip file, but it is cut or damaged: {error}") from None
    if len(content) < 4 or content[0] or content[1] or content[2] != _UNSIGNED_BYTE or content[3] == 0:
        raise ValueError(
            f"{path.name} must be an IDX file of unsigned bytes, whose first bytes are 00 00 08 and the number of axes, "
            f"but it begins with {content[:4].hex(' ') or 'nothing'}"
        )
    axes = content[3]
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise ValueError(f"{path.name} must hold {expected:,} bytes, as its header says, but it holds {len(content):,}")
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ValueError(f"{path.name} must have the content with SHA-256 {sha256}, but its content has {found}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read(name: str) -> np.ndarray:
    """The array in one of MNIST's files: in $DDPM_EDU_DATA where that is set, else in the cache, downloaded if need be."""
    folder = os.environ.get("DDPM_EDU_DATA")
    if not folder:
        return _download(name)
    for candidate in (Path(folder) / name, Path(folder) / f"{name}.gz"):
        if candidate.is_file():
            return read_idx(candidate, SHA256[name])
    raise FileNotFoundError(f"DDPM_EDU_DATA must name a folder that holds {name} or {name}.gz, but it was {folder!r}")


def _download(name: str) -> np.ndarray:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it would tell of each download
    packed, trouble = f"{name}.gz", []
    for mirror in MIRRORS:
        try:
            path = pooch.retrieve(mirror + packed, known_hash=None, fname=packed, path=pooch.os_cache("ddpm_edu"))
        except Exception as error:  # requests has many ways to fail, and any of them means: try the next mirror
            trouble.append(f"{mirror}: {type(error).__name__}")
            continue
        try:
            return read_idx(path, SHA256[name])
        except ValueError:  # not MNIST's file: forget it, or it would be found in the cache for ever
            Path(path).unlink()
            trouble.append(f"{mirror}: not the right content")
    raise ConnectionError(
        f"MNIST's {packed} is not cached and no mirror could be reached ({'; '.join(trouble)}). "
        "Set DDPM_EDU_DATA to a folder that holds the four files."
    )


def _stand_in(split: str) -> Digits:
    from sklearn.datasets import load_digits

    small = load_digits()
    part = slice(0, 1497) if split == "train" else slice(1497, None)
    grey = np.round(small.images[part] * (255 / 16)).astype(np.uint8)
    large = np.zeros((len(grey), 28, 28), np.uint8)
    large[:, 2:26, 2:26] = grey.repeat(3, axis=1).repeat(3, axis=2)
    source = f"scikit-learn's digits enlarged from 8×8, {len(large):,} of them (MNIST could not be had)"
    return Digits(large, small.target[part].astype(np.uint8), source)
