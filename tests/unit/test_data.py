"""The digits: IDX files made here byte by byte, every way to damage one, and the real ones by their hash."""

import gzip
import hashlib
import logging
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu import data

PICTURES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array, kind=0x08):
    """An IDX file by its specification: 00 00, the type, the number of axes, each axis big-endian, the bytes."""
    head = bytes([0, 0, kind, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


@pytest.fixture
def file(tmp_path):
    def write(content, name="digits.idx"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


# --- reading ---


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "array", [PICTURES, PICTURES.ravel(), np.zeros((0, 3, 4), np.uint8), np.full((1, 1), 255, np.uint8)]
)
def test_an_idx_file_gives_its_array(array, pack, file):
    result = data.read_idx(file(pack(idx(array))))
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, array)


def test_sizes_are_big_endian(file):
    content = bytes.fromhex("00000801 00000102") + bytes(range(256)) + b"\7\10"
    result = data.read_idx(str(file(content)))
    assert result.shape == (258,)
    assert result[-2:].tolist() == [7, 8]


def test_the_hash_is_that_of_the_unpacked_content(file):
    content = idx(PICTURES)
    sha256 = hashlib.sha256(content).hexdigest()
    for packed in (content, gzip.compress(content, 1), gzip.compress(content, 9)):
        np.testing.assert_array_equal(data.read_idx(file(packed), sha256), PICTURES)


# --- damage ---


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"digits\.idx must be an IDX file of unsigned bytes, .* but it begins with nothing"),
        (b"\0\0\x08", "but it begins with 00 00 08$"),
        (b"\x89PNG\r\n", "must be an IDX file of unsigned bytes, .* but it begins with 89 50 4e 47"),
        (b"\1" + idx(PICTURES)[1:], "but it begins with 01 00 08 03"),
        (b"\0\1" + idx(PICTURES)[2:], "but it begins with 00 01 08 03"),
        (idx(PICTURES, kind=0x0D), "but it begins with 00 00 0d 03"),  # floats
        (idx(PICTURES, kind=0x09), "but it begins with 00 00 09 03"),  # signed bytes
        (b"\0\0\x08\0", "but it begins with 00 00 08 00"),  # no axes
        (idx(PICTURES)[:-1], "must hold 40 bytes, as its header says, but it holds 39"),
        (idx(PICTURES) + b"\0", "must hold 40 bytes, as its header says, but it holds 41"),
        (idx(PICTURES)[:16], "must hold 40 bytes, as its header says, but it holds 16"),
        (idx(PICTURES)[:10], "must hold .* bytes, as its header says, but it holds 10"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "must hold 79,228,162,458,924,105,385,300,197,391 bytes"),  # no overflow
    ],
)
def test_a_file_that_is_no_whole_idx(content, match, file):
    with pytest.raises(ValueError, match=match):
        data.read_idx(file(content))
    with pytest.raises(ValueError, match=match):
        data.read_idx(file(gzip.compress(content)))


def test_a_gzip_file_cut_anywhere(file):
    packed = gzip.compress(idx(PICTURES))
    for length in range(2, len(packed)):
        with pytest.raises(ValueError, match=r"digits\.idx must be a whole gzip file, but it is cut or damaged"):
            data.read_idx(file(packed[:length]))


def test_a_gzip_file_with_any_byte_changed(file):
    # Only the header's fields for time, level and system carry no meaning; every other change is noticed.
    content = idx(np.random.default_rng(0).integers(0, 9, (20, 20), dtype=np.uint8))
    packed, sha256 = gzip.compress(content), hashlib.sha256(content).hexdigest()
    with pytest.raises(zlib.error):  # such damage raises neither OSError nor EOFError by itself
        gzip.decompress(packed[:10] + b"\xff" + packed[11:])
    for i in [0, 1, 2, 3, *range(10, len(packed))]:
        damaged = bytearray(packed)
        damaged[i] ^= 0xFF
        with pytest.raises(ValueError, match=r"digits\.idx must"):
            data.read_idx(file(bytes(damaged)), sha256)


def test_something_after_the_gzip_file(file):
    with pytest.raises(ValueError, match="must be a whole gzip file"):
        data.read_idx(file(gzip.compress(idx(PICTURES)) + b"more"))


@given(st.integers(0, 39), st.integers(1, 255))
def test_any_changed_byte_changes_the_hash(i, change):
    content = bytearray(idx(PICTURES))
    sha256 = hashlib.sha256(content).hexdigest()
    content[i] ^= change
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.idx"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"digits\.idx must"):
            data.read_idx(path, sha256)


def test_another_content_of_the_right_form(file):
    right = hashlib.sha256(idx(PICTURES)).hexdigest()
    other = idx(PICTURES[::-1])
    with pytest.raises(ValueError, match=f"SHA-256 {right}, but its content has {hashlib.sha256(other).hexdigest()}"):
        data.read_idx(file(other), right)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.idx"):
        data.read_idx(tmp_path / "nowhere.idx")


# --- finding MNIST ---


@pytest.fixture
def small_mnist(monkeypatch):
    """Four small files with MNIST's names and the hashes that the package then expects."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": np.array([3, 1, 4, 1, 5], np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.array([9, 2], np.uint8),
    }
    monkeypatch.setattr(data, "SHA256", {name: hashlib.sha256(idx(a)).hexdigest() for name, a in arrays.items()})
    return arrays


@pytest.mark.parametrize("packed", [True, False])
def test_files_in_the_named_folder(packed, small_mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(tmp_path))
    for name, array in small_mnist.items():
        content = idx(array)
        (tmp_path / (name + ".gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    train, test = data.mnist(), data.mnist("test")
    np.testing.assert_array_equal(train.images, small_mnist["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(train.labels, [3, 1, 4, 1, 5])
    np.testing.assert_array_equal(test.images, small_mnist["t10k-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.labels, [9, 2])
    assert train.source == "MNIST, 5 training digits"
    assert test.source == "MNIST, 2 test digits"
    assert data.digits("test").source == test.source


def test_a_named_folder_without_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"DDPM_EDU_DATA must name a folder that holds train-images-idx3-ubyte or train-images-idx3-ubyte\.gz, but it was '"):  # fmt: skip
        data.mnist()


def test_damaged_files_in_the_named_folder_are_not_replaced_in_silence(small_mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(tmp_path))
    for name, array in small_mnist.items():
        (tmp_path / name).write_bytes(idx(array)[:-1])
    for load in (data.mnist, data.digits):
        with pytest.raises(ValueError, match="train-images-idx3-ubyte must hold 3,936 bytes"):
            load()


@pytest.mark.parametrize("load", [data.mnist, data.digits])
def test_the_split_is_checked(load):
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', but it was 'validation'"):
        load("validation")


class Mirrors:
    """Stands in for pooch: files that lie in a folder are "downloaded" from there; every call is written down."""

    def __init__(self, cache, shelves):
        self.cache, self.shelves, self.asked = cache, shelves, []

    def os_cache(self, name):
        return self.cache / name

    @staticmethod
    def get_logger():
        return logging.getLogger("unit.mirrors")

    def retrieve(self, url, known_hash, fname, path, **_):
        self.asked.append(url)
        target = Path(path) / fname
        if not target.exists():
            content = self.shelves.get(url)
            if content is None:
                raise OSError("no such host")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return str(target)


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    import sys

    monkeypatch.delenv("DDPM_EDU_DATA", raising=False)
    standing_in = Mirrors(tmp_path / "cache", {})
    monkeypatch.setitem(sys.modules, "pooch", standing_in)
    return standing_in


def on_shelf(mirrors, small_mnist, mirror):
    for name, array in small_mnist.items():
        mirrors.shelves[f"{mirror}{name}.gz"] = gzip.compress(idx(array))


@pytest.mark.parametrize("which", [0, 1])
def test_a_mirror_that_answers(which, small_mnist, mirrors):
    on_shelf(mirrors, small_mnist, data.MIRRORS[which])
    np.testing.assert_array_equal(data.mnist("test").labels, [9, 2])
    assert len(mirrors.asked) == 2 * (which + 1)
    assert (mirrors.cache / "ddpm_edu" / "t10k-labels-idx1-ubyte.gz").is_file()
    mirrors.shelves.clear()  # the second time it is in the cache
    np.testing.assert_array_equal(data.mnist("test").labels, [9, 2])


def test_no_mirror_answers(mirrors):
    with pytest.raises(ConnectionError, match=r"MNIST's train-images-idx3-ubyte\.gz is not cached and no mirror could be reached \(.*: OSError; .*: OSError\)\. Set DDPM_EDU_DATA"):  # fmt: skip
        data.mnist()
    assert mirrors.asked == [mirror + "train-images-idx3-ubyte.gz" for mirror in data.MIRRORS]


def test_a_mirror_that_sends_something_else(small_mnist, mirrors):
    # A portal's page under the file's name: the next mirror is asked, and the page is not kept.
    for name in small_mnist:
        mirrors.shelves[f"{data.MIRRORS[0]}{name}.gz"] = b"<html>please log in</html>"
    with pytest.raises(ConnectionError, match=r"not the right content; .*: OSError"):
        data.mnist()
    assert not list(mirrors.cache.rglob("*.gz"))
    on_shelf(mirrors, small_mnist, data.MIRRORS[1])
    np.testing.assert_array_equal(data.mnist().labels, [3, 1, 4, 1, 5])


def test_pooch_itself_from_a_file(small_mnist, tmp_path, monkeypatch, capfd):
    # The real library, its cache in a folder of ours, with mirrors of which one is closed and one is a folder.
    import pooch

    monkeypatch.delenv("DDPM_EDU_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(data, "MIRRORS", ("file:///closed/", "mirror://open/"))

    def fetch(url, output_file, pooch):
        if not url.startswith("mirror://open/"):
            raise OSError("closed")
        array = small_mnist[url.rsplit("/", 1)[1].removesuffix(".gz")]
        Path(output_file).write_bytes(gzip.compress(idx(array)))

    monkeypatch.setattr("pooch.core.choose_downloader", lambda url, progressbar=False: fetch)
    np.testing.assert_array_equal(data.mnist("test").labels, [9, 2])
    np.testing.assert_array_equal(data.mnist("test").labels, [9, 2])
    out, errors = capfd.readouterr()
    assert out == errors == ""  # a chapter prints nothing it does not mean to


# --- the stand-in ---


def test_the_stand_in_is_made_of_real_digits(mirrors):
    from sklearn.datasets import load_digits

    small = load_digits()
    train, test = data.digits(), data.digits("test")
    for part, n in ((train, 1497), (test, 300)):
        assert part.images.shape == (n, 28, 28)
        assert part.images.dtype == part.labels.dtype == np.uint8
        assert part.source == f"scikit-learn's digits enlarged from 8×8, {n:,} of them (MNIST could not be had)"
        assert (part.images.min(), part.images.max()) == (0, 255)
        border = part.images.copy()
        border[:, 2:26, 2:26] = 0
        assert not border.any()
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), small.target)
    for part, first in ((train, 0), (test, 1497)):
        for k in (0, 1, 299):
            for row, column in ((0, 2), (3, 4), (7, 5)):
                square = part.images[k, 2 + 3 * row : 5 + 3 * row, 2 + 3 * column : 5 + 3 * column]
                assert (square == round(small.images[first + k, row, column] * 255 / 16)).all()


def test_the_stand_in_where_the_named_folder_is_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(tmp_path))
    assert "MNIST could not be had" in data.digits().source


# --- for the network ---


def test_grey_values_become_minus_1_to_1():
    scaled = data.to_unit_range(np.array([[[0, 255], [51, 204]]], np.uint8))
    assert scaled.dtype == np.float32
    assert scaled.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(scaled.ravel(), [-1, 1, -0.6, 0.6], rtol=1e-6)
    every = data.to_unit_range(np.arange(256, dtype=np.uint8).reshape(1, 16, 16)).ravel()
    np.testing.assert_allclose(every, 2 * np.arange(256) / 255 - 1, atol=1e-7)


@pytest.mark.parametrize("bad", [np.zeros((1, 2, 2)), np.zeros((1, 2, 2), np.int64), [[[0.5]]]])
def test_other_types_are_refused(bad):
    with pytest.raises(TypeError, match=r"images must be uint8, but it was (float64|int64)"):
        data.to_unit_range(bad)


@pytest.mark.parametrize("shape", [(2, 2), (1, 1, 2, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"images must have shape \(N, H, W\), but its shape was \("):
        data.to_unit_range(np.zeros(shape, np.uint8))


# --- the real ones ---


def test_real_mnist(mnist_folder, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(mnist_folder))
    train, test = data.mnist("train"), data.mnist("test")
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert train.source == "MNIST, 60,000 training digits"
    # Counts of each digit, as LeCun's page and every textbook give them.
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
