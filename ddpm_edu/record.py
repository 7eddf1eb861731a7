"""The record of a run: a folder with its configuration, log, weights, checkpoint and measurements, and how each is written and read.

A run's folder holds config.json, log.jsonl (one line an interval), weights.safetensors (the averaged weights),
checkpoint.safetensors (everything needed to go on) and metrics.json. Each is written beside its place and then renamed,
so that a run killed at any moment leaves whole files.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from .configuration import TrainingConfig
from .distributed import check_device
from .unet import UNet


class Progress(NamedTuple):
    """One line of the log: where training stands at the end of an interval."""

    step: int
    """Training steps made."""
    images: int
    """Digits seen."""
    seconds: float
    """Time spent on training, earlier parts of a resumed run included."""
    loss: float
    """The training loss averaged over the interval: L_simple, or in bits per dimension where the bound is trained with."""
    validation_loss: float
    """L_simple of the averaged weights on held-out digits, with the same times and noise every time."""
    rate: float
    """Digits a second in this interval."""


def find_run(name: str) -> Path:
    """The folder of a recorded run: in the repository's runs/, or in the copy that the installed package carries.

    Raises FileNotFoundError if there is none, naming those that there are.
    """
    here = Path(__file__).parent
    shelves = [shelf for shelf in (here.parent / "runs", here / "runs") if shelf.is_dir()]
    for shelf in shelves:
        if (shelf / name / "weights.safetensors").is_file():
            return shelf / name
    known = sorted(path.parent.name for shelf in shelves for path in shelf.glob("*/weights.safetensors"))
    raise FileNotFoundError(f"name must be a recorded run, one of {known}, but it was {name!r}")


def load_run(directory: str | Path, device: str = "cpu") -> tuple[UNet, TrainingConfig]:
    """The trained network of a run, ready to sample from, and its configuration.

    Raises FileNotFoundError if the folder lacks config.json or weights.safetensors, ValueError if the weights belong to another
    configuration or to another run, RuntimeError if CUDA is asked for where there is none.
    """
    directory = Path(directory)
    config = read_config(directory)
    network = UNet(config.unet)
    fill(network, load_weights(directory), "weights.safetensors")
    return network.to(check_device(device)).to(memory_format=torch.channels_last).eval(), config  # type: ignore[call-overload]


def load_weights(directory: str | Path) -> dict[str, Tensor]:
    """The weights in a run's folder.

    Raises FileNotFoundError if there are none, ValueError if they are cut, foreign, or not those of the run's metrics.json.
    """
    path = Path(directory) / "weights.safetensors"
    weights = load_tensors(path)
    expected = read_metrics(directory).get("weights_sha256")
    if expected is not None and sha256(path) != expected:
        raise ValueError(
            f"weights.safetensors must be those of the run's metrics.json, with SHA-256 {expected}, but it is not"
        )
    return weights


def fill(network: UNet, weights: dict[str, Tensor], name: str) -> None:
    """Put weights into a network; raises ValueError if they do not fit, calling them `name`."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{name} must fit the U-Net of config.json, but it does not: {in_one_line(error)}") from None


def read_config(directory: str | Path) -> TrainingConfig:
    """The configuration of a run's folder; raises FileNotFoundError if it has none, ValueError if it is damaged."""
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"directory must hold a run (a config.json), but it was {str(directory)!r}")
    return TrainingConfig.from_json(path.read_text(encoding="utf-8"))


def read_metrics(directory: str | Path) -> dict[str, Any]:
    """What was measured of a finished run: the content of its metrics.json; empty where it has none.

    Raises ValueError if the file is damaged.
    """
    path = Path(directory) / "metrics.json"
    if not path.is_file():
        return {}
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"metrics.json must be JSON, but it is not: {error}") from None
    if not isinstance(metrics, dict):
        raise ValueError(f"metrics.json must hold names and values, but it holds {metrics!r}")
    return metrics


def read_log(directory: str | Path) -> list[Progress]:
    """The lines of a run's log; a last line cut short is left out."""
    path = Path(directory) / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [f for f in Progress._fields]
    log = []
    for line in lines:
        try:
            entry = json.loads(line)
            log.append(Progress(*(entry[name] for name in names)))
        except (json.JSONDecodeError, KeyError, TypeError):
            break
    return log


def write_log(directory: Path, log: list[Progress]) -> None:
    """Write a run's whole log."""
    text = "".join(json.dumps(progress._asdict()) + "\n" for progress in log)
    write_whole(directory / "log.jsonl", text.encode())


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, whole or not at all."""
    write_whole(path, safetensors.torch.save(tensors))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; raises FileNotFoundError if there is none, ValueError if it is cut or foreign."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} must be in the run's folder, but {str(path.parent)!r} has none")
    try:
        return safetensors.torch.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} must be a whole safetensors file, but it is cut or foreign: {error}") from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, then rename it there: readers find the old content or the new, never a part.

    Raises OSError if the disk is full or cannot be written to; then the old content is still there.
    """
    beside = path.with_name(path.name + ".part")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)  # the rest of the disk may be wanted elsewhere
        if error.errno == errno.ENOSPC:
            raise OSError(
                errno.ENOSPC, f"the disk must have room for {path.name}, but it is full; what was there before still is"
            ) from None
        raise


@contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Hold a run's folder for this process, until the end of the block.

    The system lets go of the lock when the process ends, however it ends: a file `lock` left by one that was killed holds nobody up.
    Raises FileExistsError if another process holds the folder.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; there it is the reader who must take care
        yield
        return
    path = directory / "lock"
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise FileExistsError(
                f"directory must be trained into by one process at a time, but {str(directory)!r} is in use by process {holder}"
            ) from None
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # its holder has just removed it: this was the lock of nothing
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def scalars(directory: Path) -> Callable[[Progress], None] | None:
    """Where TensorBoard is installed, a function that shows it a line of the log; else None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    writer = SummaryWriter(str(directory / "tensorboard"))

    def show(progress: Progress) -> None:
        for name in ("loss", "validation_loss", "rate"):
            writer.add_scalar(name, getattr(progress, name), progress.step)
        writer.flush()

    return show


def make_folder(directory: Path) -> None:
    """Make a folder to write to, unless it is there; raises NotADirectoryError or PermissionError where that cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"directory must be a folder, but {str(directory)!r} is or lies in a file") from None
    except PermissionError:
        raise PermissionError(f"directory must be a folder that can be made, but {str(directory)!r} cannot") from None
    if not os.access(directory, os.W_OK):
        raise PermissionError(f"directory must be a folder that can be written to, but {str(directory)!r} cannot")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def machine(device: torch.device) -> dict[str, str]:
    """What a run was made with: the processor or card, and the versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {"device": name, "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def in_one_line(error: Exception) -> str:
    """The error's message without line breaks, and not longer than 300 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.machine()
    return f"{name}, {os.cpu_count()} cores"
