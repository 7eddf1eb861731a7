"""Training the U-Net: the step, its state, and the loop that keeps a record in the run's folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import record, schedules
from .configuration import TrainingConfig
from .data import to_unit_range
from .diffusion import training_loss
from .distributed import check_device
from .record import Progress
from .unet import UNet, parameter_count


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
            record.fill(network, start, "start")
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
            record.write_log(directory, log)
            record.save_tensors(directory / "weights.safetensors", trainer.weights())
            record.save_tensors(directory / "checkpoint.safetensors", trainer.state())
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


def describe(trainer: Trainer, directory: str | Path) -> dict[str, Any]:
    """Write metrics.json for a finished run: steps, time, losses, the machine, the hash of the weights. Returns what it wrote."""
    directory = Path(directory)
    last = record.read_log(directory)[-1]
    metrics = {
        "steps": last.step,
        "images": last.images,
        "training_seconds": last.seconds,
        "loss": last.loss,
        "validation_loss": last.validation_loss,
        "parameters": parameter_count(trainer.network),
        "weights_sha256": record.sha256(directory / "weights.safetensors"),
        "trained_on": record.machine(trainer.device) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    record.write_whole(directory / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return metrics


def _open_record(trainer: Trainer, directory: Path, resume: bool) -> tuple[list[Progress], float]:
    """Make the folder ready; returns the log so far and the seconds that it accounts for."""
    record.make_folder(directory)
    path = directory / "config.json"
    if not resume:
        if path.exists():
            raise FileExistsError(
                f"directory must not hold a run unless it is to be resumed, but {str(directory)!r} holds one"
            )
        record.write_whole(path, trainer.config.to_json().encode())
        return [], 0.0
    stored = record.read_config(directory)
    differing = [f.name for f in fields(stored) if getattr(stored, f.name) != getattr(trainer.config, f.name)]
    if differing:
        theirs = ", ".join(f"{name}={getattr(stored, name)!r}" for name in differing)
        raise ValueError(f"config must be the one of the run to resume, but that one has {theirs}")
    checkpoint = directory / "checkpoint.safetensors"
    if checkpoint.is_file():  # a run killed in its first interval has none, and starts over
        try:
            trainer.load_state(record.load_tensors(checkpoint))
        except (RuntimeError, KeyError) as error:
            raise ValueError(
                f"checkpoint.safetensors must be a checkpoint of this run, but it does not fit: {record.in_one_line(error)}"
            ) from None
    log = [progress for progress in record.read_log(directory) if progress.step <= trainer.steps_made]
    record.write_log(directory, log)
    return log, log[-1].seconds if log else 0.0


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
