"""Training the U-Net: presets, the step, the loop, and the record that a run leaves in its folder.

A run's folder holds config.json, log.jsonl (one line an interval), weights.safetensors (the averaged weights) and
checkpoint.safetensors (everything needed to go on). Each is written beside its place and then renamed, so that
a run killed at any moment leaves whole files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import arguments, schedules
from .data import to_unit_range
from .diffusion import training_loss
from .unet import UNet, UNetConfig, parameter_count


@dataclass(frozen=True)
class TrainingConfig:
    """All that decides how a run goes. Raises ValueError if a value is out of range."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    """The network's shape."""
    T: int = 1000
    """Steps of the diffusion."""
    beta_1: float = 1e-4
    """The first β of the linear schedule."""
    beta_T: float = 0.02
    """Its last."""
    steps: int = 10_000
    """Training steps, each on one batch."""
    batch: int = 64
    """Digits in a batch."""
    learning_rate: float = 1e-3
    """Adam's rate after the warm-up, before it decays along half a cosine."""
    warmup: int = 200
    """Steps over which the rate rises from 0."""
    clip: float = 1.0
    """The longest gradient let through; longer ones are shortened to it."""
    ema: float = 0.999
    """How much of the averaged weights each step keeps."""
    interval: int = 200
    """Steps from one line of the log, and one checkpoint, to the next."""
    seed: int = 0
    """Decides the first weights, the batches, the times and the noise."""
    mixed_precision: bool = False
    """On CUDA, compute in bfloat16 where the card has it, else in float16 with scaled losses."""
    compile: bool = False
    """On CUDA, let torch.compile fuse the network."""
    start: str = ""
    """The SHA-256 of the weights that training began from; empty where it began from fresh ones."""

    def __post_init__(self) -> None:
        schedules.linear(self.T, self.beta_1, self.beta_T)
        for name in ("steps", "batch", "interval"):
            arguments.integer(name, getattr(self, name), 1)
        arguments.integer("warmup", self.warmup, 0)
        arguments.integer("seed", self.seed, 0)
        for name in ("learning_rate", "clip"):
            arguments.number(name, getattr(self, name), 1e-12)
        arguments.number("ema", self.ema, 0, 1)

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> TrainingConfig:
        """The configuration that `to_json` wrote; raises ValueError if the text is no such thing."""
        try:
            values = json.loads(text)
            return TrainingConfig(**{**values, "unet": UNetConfig(**values["unet"])})
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(
                f"config.json must be a configuration written by this package, but it is not: {error}"
            ) from None


PRESETS = {
    "tiny": TrainingConfig(
        UNetConfig(channels=8, multipliers=(1, 2)), steps=40, batch=16, warmup=5, ema=0.9, interval=10
    ),
    "cpu": TrainingConfig(),
    "page": TrainingConfig(steps=6000, learning_rate=5e-4, ema=0.9995),
    "gpu": TrainingConfig(
        UNetConfig(channels=64, multipliers=(1, 2, 4), blocks=2, attention=(7,)),
        steps=40_000,
        batch=256,
        learning_rate=5e-4,
        warmup=1000,
        ema=0.9995,
        interval=500,
        mixed_precision=True,
        compile=True,
    ),
}
"""tiny: seconds, for tests. cpu: two cores, about an hour. page: another round for the weights of cpu. gpu: one CUDA card."""


def preset(name: str) -> TrainingConfig:
    """The configuration of that name; raises ValueError if there is none."""
    return PRESETS[arguments.choice("preset", name, tuple(PRESETS))]


class Progress(NamedTuple):
    """One line of the log: where training stands at the end of an interval."""

    step: int
    """Training steps made."""
    images: int
    """Digits seen."""
    seconds: float
    """Time spent on training, earlier parts of a resumed run included."""
    loss: float
    """L_simple averaged over the interval."""
    validation_loss: float
    """L_simple of the averaged weights on held-out digits, with the same times and noise every time."""
    rate: float
    """Digits a second in this interval."""


class Trainer:
    """A network in training, with all its state: it makes steps, and its state can be written down and taken up again.

    config: what to do. images: uint8, (N, 28, 28), to train on. held_out: the same, for the validation loss.
    device: where to compute. start: the weights to begin from, as `load_run` gives them; fresh ones unless given.
    Raises ValueError if images or start do not fit the network, RuntimeError if CUDA is asked for where there is none.
    """

    def __init__(
        self,
        config: TrainingConfig,
        images: np.ndarray,
        held_out: np.ndarray,
        device: str = "cpu",
        start: dict[str, Tensor] | None = None,
    ) -> None:
        self.config = config
        self.device = check_device(device)
        size = config.unet.image_size
        for name, given in (("images", images), ("held_out", held_out)):
            if given.shape[1:] != (size, size) or len(given) == 0:
                raise ValueError(
                    f"{name} must have shape (N, {size}, {size}) with N ≥ 1, but its shape was {given.shape}"
                )
        self.x_0 = torch.from_numpy(to_unit_range(images)).to(self.device)
        self.schedule = schedules.linear(config.T, config.beta_1, config.beta_T).to(self.device)
        self.rng = torch.Generator(self.device).manual_seed(config.seed)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = UNet(config.unet)
        if start is not None:
            _fill(network, start, "start")
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        on_cuda = self.device.type == "cuda"
        self.eps_theta: Callable[[Tensor, Tensor], Tensor] = self.network
        if config.compile and on_cuda:
            self.eps_theta = torch.compile(self.network)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=on_cuda)
        self.precision = precision(self.device) if config.mixed_precision else torch.float32
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        self.steps_made = 0
        self._validation = self._hold_out(held_out)

    def step(self) -> Tensor:
        """Make one training step and return its loss, a tensor on the device: algorithm 1 of Ho et al. 2020."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * rate_factor(self.steps_made, self.config)
        x_0 = self.x_0[self._integers(len(self.x_0))]
        t = self._integers(self.config.T) + 1
        eps = torch.randn(x_0.shape, generator=self.rng, device=self.device)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            loss = training_loss(self.eps_theta, x_0, t, self.schedule, eps)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.averaged.update_parameters(self.network)
        self.steps_made += 1
        return loss.detach()

    def validation_loss(self) -> float:
        """L_simple of the averaged weights on the held-out digits."""
        x_0, t, eps = self._validation
        eps_theta = self.averaged.module.eval()
        total = 0.0
        with torch.inference_mode():
            for part in torch.arange(len(x_0), device=self.device).split(250):
                loss = training_loss(eps_theta, x_0[part], t[part], self.schedule, eps[part])
                total += loss.item() * len(part)
        return total / len(x_0)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["rng"] = self.rng.get_state()
        tensors["scale"] = torch.tensor(self.scaler.get_scale())
        tensors["steps_made"] = torch.tensor(self.steps_made)
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `state` returned."""
        self.network.load_state_dict(_under("network.", tensors))
        self.averaged.load_state_dict(_under("averaged.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimiser.", tensors).items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.rng.set_state(tensors["rng"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": tensors["scale"].item()})
        self.steps_made = int(tensors["steps_made"])

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, for `UNet.load_state_dict`."""
        return {name: value.detach().cpu().contiguous() for name, value in self.averaged.module.state_dict().items()}

    def _integers(self, below: int) -> Tensor:
        return torch.randint(below, (self.config.batch,), generator=self.rng, device=self.device)

    def _hold_out(self, images: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Held-out digits, each with a time and a noise of its own; the times are spread evenly over 1…T."""
        rng = torch.Generator().manual_seed(0)
        x_0 = torch.from_numpy(to_unit_range(images))
        t = 1 + torch.arange(len(x_0)) * self.config.T // len(x_0)
        eps = torch.randn(x_0.shape, generator=rng)
        return x_0.to(self.device), t.to(self.device), eps.to(self.device)


def train(trainer: Trainer, directory: str | Path, resume: bool = False) -> Iterator[Progress]:
    """Train to the end of the configuration, keep the record in `directory`, and yield each line of the log.

    resume: go on from the folder's last checkpoint; the result is the same as if it had never stopped.
    Raises FileExistsError if the folder holds a run and `resume` is not set; FileNotFoundError if it is set and there is
    none; ValueError if the checkpoint belongs to another configuration; NotADirectoryError, PermissionError or another OSError
    if the folder cannot be written; FloatingPointError if the loss stops being a number (the last checkpoint stays).
    """
    directory = Path(directory)
    config = trainer.config
    log, seconds = _open_record(trainer, directory, resume)
    sum_of_losses, since = torch.zeros((), device=trainer.device), 0
    started = time.perf_counter()
    while trainer.steps_made < config.steps:
        sum_of_losses += trainer.step()
        since += 1
        if trainer.steps_made % config.interval == 0 or trainer.steps_made == config.steps:
            loss = sum_of_losses.item() / since
            spent = time.perf_counter() - started
            validation_loss = trainer.validation_loss()
            if not math.isfinite(loss + validation_loss):
                raise FloatingPointError(
                    f"the loss was {loss} between steps {trainer.steps_made - since} and {trainer.steps_made} "
                    f"and {validation_loss} on the held-out digits; what {str(directory)!r} holds is from before"
                )
            seconds += spent
            progress = Progress(
                trainer.steps_made,
                trainer.steps_made * config.batch,
                round(seconds, 2),
                loss,
                validation_loss,
                round(since * config.batch / spent, 1),
            )
            log.append(progress)
            _write_log(directory, log)
            save_tensors(directory / "weights.safetensors", trainer.weights())
            save_tensors(directory / "checkpoint.safetensors", trainer.state())
            yield progress
            sum_of_losses.zero_()
            since, started = 0, time.perf_counter()


def rate_factor(step: int, config: TrainingConfig) -> float:
    """The share of the learning rate used for the step after `step` steps: a linear rise, then half a cosine down to 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    through = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.5 * (1 + math.cos(math.pi * through))


def precision(device: torch.device) -> torch.dtype:
    """The type to compute in: bfloat16 where the card has it, float16 on older cards, float32 on a CPU."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def check_device(device: str) -> torch.device:
    """The device of that name; raises ValueError if it is neither cpu nor cuda, RuntimeError if there is no CUDA card."""
    arguments.choice("device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device must be one that this machine has, but it was 'cuda' and torch finds no CUDA card; use 'cpu'"
        )
    return torch.device(device)


def machine(device: torch.device) -> dict[str, str]:
    """What a run was made with: the processor or card, and the versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {"device": name, "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def describe(trainer: Trainer, directory: str | Path) -> dict[str, Any]:
    """Write metrics.json for a finished run: steps, time, losses, the machine, the hash of the weights. Returns what it wrote."""
    directory = Path(directory)
    last = read_log(directory)[-1]
    metrics = {
        "steps": last.step,
        "images": last.images,
        "training_seconds": last.seconds,
        "loss": last.loss,
        "validation_loss": last.validation_loss,
        "parameters": parameter_count(trainer.network),
        "weights_sha256": sha256(directory / "weights.safetensors"),
        "trained_on": machine(trainer.device) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    write_whole(directory / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return metrics


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
    configuration, RuntimeError if CUDA is asked for where there is none.
    """
    directory = Path(directory)
    config = read_config(directory)
    network = UNet(config.unet)
    _fill(network, load_tensors(directory / "weights.safetensors"), "weights.safetensors")
    return network.to(check_device(device)).to(memory_format=torch.channels_last).eval(), config  # type: ignore[call-overload]


def read_config(directory: str | Path) -> TrainingConfig:
    """The configuration of a run's folder; raises FileNotFoundError if it has none, ValueError if it is damaged."""
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"directory must hold a run (a config.json), but it was {str(directory)!r}")
    return TrainingConfig.from_json(path.read_text(encoding="utf-8"))


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
    """Write a file beside its place, then rename it there: readers find the old content or the new, never a part."""
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


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


def in_one_line(error: Exception) -> str:
    """The error's message without line breaks, and not longer than 300 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def override(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """The configuration with some values changed; None changes nothing."""
    return replace(config, **{name: value for name, value in changes.items() if value is not None})


def _open_record(trainer: Trainer, directory: Path, resume: bool) -> tuple[list[Progress], float]:
    """Make the folder ready; returns the log so far and the seconds that it accounts for."""
    make_folder(directory)
    path = directory / "config.json"
    if not resume:
        if path.exists():
            raise FileExistsError(
                f"directory must not hold a run unless it is to be resumed, but {str(directory)!r} holds one"
            )
        write_whole(path, trainer.config.to_json().encode())
        return [], 0.0
    stored = read_config(directory)
    differing = [f.name for f in fields(stored) if getattr(stored, f.name) != getattr(trainer.config, f.name)]
    if differing:
        theirs = ", ".join(f"{name}={getattr(stored, name)!r}" for name in differing)
        raise ValueError(f"config must be the one of the run to resume, but that one has {theirs}")
    checkpoint = directory / "checkpoint.safetensors"
    if checkpoint.is_file():  # a run killed in its first interval has none, and starts over
        try:
            trainer.load_state(load_tensors(checkpoint))
        except (RuntimeError, KeyError) as error:
            raise ValueError(
                f"checkpoint.safetensors must be a checkpoint of this run, but it does not fit: {in_one_line(error)}"
            ) from None
    log = [progress for progress in read_log(directory) if progress.step <= trainer.steps_made]
    _write_log(directory, log)
    return log, log[-1].seconds if log else 0.0


def _write_log(directory: Path, log: list[Progress]) -> None:
    text = "".join(json.dumps(progress._asdict()) + "\n" for progress in log)
    write_whole(directory / "log.jsonl", text.encode())


def _fill(network: UNet, weights: dict[str, Tensor], name: str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{name} must fit the U-Net of config.json, but it does not: {in_one_line(error)}") from None


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.machine()
    return f"{name}, {os.cpu_count()} cores"
