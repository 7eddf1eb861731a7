"""Training the U-Net: the step, its state, and the loop that keeps a record in the run's folder."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import diffusion, distributed, objective, record
from .configuration import TrainingConfig
from .data import to_unit_range
from .distributed import check_device
from .record import Progress
from .unet import UNet, parameter_count


class _Average(AveragedModel):
    """An average of the weights that never makes a card wait.

    The original sends the number of steps to the device at each of them, for a rule that does not ask for it.
    """

    def __init__(self, network: nn.Module, ema: float) -> None:
        super().__init__(network)
        self.follow = get_ema_multi_avg_fn(ema)

    def update_parameters(self, model: nn.Module) -> None:
        mine: list[Tensor] = [*self.module.parameters()]
        others: list[Tensor] = [*model.parameters()]
        with torch.no_grad():
            if self.n_averaged == 0:
                torch._foreach_copy_(mine, others)
            else:
                self.follow(mine, others, self.n_averaged)
        self.n_averaged += 1


class Trainer:
    """A network in training, with all its state: it makes steps, and its state can be written down and taken up again.

    config: what to do. images: uint8, (N, 28, 28), to train on. held_out: the same, for the validation loss.
    device: where to compute. start: the weights to begin from, as `record.load_run` gives them; fresh ones unless given.
    With several processes each of them makes a Trainer of the same arguments; together they make the steps that one would make.
    Raises ValueError if images or start do not fit the network or the batch cannot be shared evenly, TypeError if images
    are not uint8, RuntimeError if CUDA is asked for where there is none.
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
        if config.batch % distributed.world_size():
            raise ValueError(
                f"batch must be a multiple of the number of processes ({distributed.world_size()}), but it was {config.batch}"
            )
        self.x_0 = torch.from_numpy(to_unit_range(images)).to(self.device)
        self.schedule = config.make_schedule().to(self.device)
        self.rng = torch.Generator(self.device).manual_seed(config.seed)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = UNet(config.unet)
        if start is not None:
            record.fill(network, start, "start")
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = _Average(self.network, config.ema)
        on_cuda = self.device.type == "cuda"
        self.model: diffusion.Model = self.network
        if distributed.world_size() > 1:
            self.model = DistributedDataParallel(self.network, device_ids=[self.device.index] if on_cuda else None)
        if config.compile and on_cuda:
            self.model = torch.compile(self.model, dynamic=False)  # the batch is always the same
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
        t = self._times()
        eps = self._noise()
        loss = self._loss(self.model, x_0, t, eps)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.averaged.update_parameters(self.network)
        self.steps_made += 1
        return loss.detach()

    def _integers(self, below: int) -> Tensor:
        """Random numbers from 0 to below − 1, one for each item of this process's share; every process draws the whole batch's."""
        drawn = torch.randint(below, (self.config.batch,), generator=self.rng, device=self.device)
        return drawn[distributed.share(self.config.batch)]

    def _times(self) -> Tensor:
        """Times from 1…T for this process's share: each drawn for itself, or one from each of `batch` equal parts."""
        if self.config.times == "uniform":
            return self._integers(self.config.T) + 1
        batch, T = self.config.batch, self.config.T
        place = torch.arange(batch, device=self.device) + torch.rand(batch, generator=self.rng, device=self.device)
        return 1 + (place * T / batch).long().clamp(max=T - 1)[distributed.share(batch)]

    def _noise(self) -> Tensor:
        """Noise for this process's share of the batch, drawn in the same way."""
        drawn = torch.randn(self.config.batch, *self.x_0.shape[1:], generator=self.rng, device=self.device)
        return drawn[distributed.share(self.config.batch)]

    def _loss(self, model: diffusion.Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """The loss of a batch, computed in the chosen precision."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32), self._dropout():
            return objective.loss(self.config, model, x_0, t, self.schedule, eps)

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """What dropout forgets follows from the seed, the step and the process alone, and not from what ran before."""
        if self.config.unet.dropout == 0:
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            names = (self.config.seed, self.steps_made, distributed.rank())
            torch.manual_seed(int(np.random.SeedSequence(names).generate_state(1, np.uint32)[0]))
            yield

    def validation_loss(self) -> float:
        """L_simple of the averaged weights on the held-out digits, whatever it is that they were trained for."""
        eps_theta = self.config.noise_model(self.averaged.module.eval(), self.schedule)
        x_0, t, eps = self._validation
        mine = torch.arange(len(x_0), device=self.device)[distributed.share(len(x_0))]
        total = 0.0
        with torch.inference_mode():
            for part in mine.split(250):
                loss = diffusion.training_loss(eps_theta, x_0[part], t[part], self.schedule, eps[part])
                total += loss.item() * len(part)
        return distributed.total(torch.tensor(total, dtype=torch.float64, device=self.device)).item() / len(x_0)

    def draw(self, n: int = 64, steps: int = 20) -> Tensor:
        """A quick look at what the averaged weights have learnt: n pictures by DDIM, the same noise every time, (n, 1, H, W)."""
        rng = torch.Generator(self.device).manual_seed(0)
        x_T = torch.randn(n, *self.x_0.shape[1:], generator=rng, device=self.device)
        eps_theta = self.config.noise_model(self.averaged.module.eval(), self.schedule)
        with torch.inference_mode():
            *_, last = diffusion.ddim(eps_theta, x_T, self.schedule, min(steps, self.config.T))
        return last.x_t

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors: copies, which later steps leave alone."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["rng"] = self.rng.get_state()
        tensors["scale"] = torch.tensor(self.scaler.get_scale())
        tensors["steps_made"] = torch.tensor(self.steps_made)
        return {name: _copy(value) for name, value in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `state` returned."""
        self.network.load_state_dict(_under("network.", tensors))
        self.averaged.load_state_dict(_under("averaged.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimiser.", tensors).items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value.clone()  # the optimiser would go on with the tensor given
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.rng.set_state(tensors["rng"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": tensors["scale"].item()})
        self.steps_made = int(tensors["steps_made"])

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, for `UNet.load_state_dict`."""
        return {name: _copy(value) for name, value in self.averaged.module.state_dict().items()}

    def batch_that_fits(self) -> int:
        """The largest half, quarter, … of the batch for which the device has the memory, found by trying; 0 if there is none.

        Nothing is learnt by it, and nothing drawn.
        """
        processes = distributed.world_size()
        share = self.config.batch // processes
        while share > 1:
            share //= 2
            self.optimiser.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                x_0 = torch.zeros(share, *self.x_0.shape[1:], device=self.device)
                t = torch.ones(share, dtype=torch.int64, device=self.device)
                # Adam will want two numbers for each weight, which it has not asked for before its first step.
                spare = [torch.empty_like(p) for p in self.network.parameters() for _ in range(2)]
                self._loss(self.network, x_0, t, torch.zeros_like(x_0)).backward()
                del spare
                return share * processes
            except torch.cuda.OutOfMemoryError:
                continue
            finally:
                self.optimiser.zero_grad()
        return 0

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
    An interrupt (Ctrl-C) lets the step under way end and writes a checkpoint before it stops; a second one stops at once.
    Raises FileExistsError if the folder holds a run and `resume` is not set, or another process is training into it;
    FileNotFoundError if `resume` is set and there is no run; ValueError if the checkpoint belongs to another configuration;
    NotADirectoryError, PermissionError or another OSError if the folder cannot be written; MemoryError if the device's
    memory is too small for the batch; FloatingPointError if the loss stops being a number (the last checkpoint stays).
    """
    directory = Path(directory)
    config = trainer.config
    with ExitStack() as until_the_end:
        if distributed.is_first():
            record.make_folder(directory)
            until_the_end.enter_context(record.lock(directory))
            _open_record(trainer, directory, resume)
        distributed.wait()
        log, sum_of_losses, spent = _take_up(trainer, directory, resume)
        if distributed.is_first():
            record.write_log(directory, log)
        scalars = record.scalars(directory) if distributed.is_first() else None
        finished = False  # whether an interval is
        while trainer.steps_made < config.steps:
            started = time.perf_counter()
            with _interrupts_wait() as interrupted:
                while not interrupted.is_set():
                    sum_of_losses += _step(trainer)
                    if finished := trainer.steps_made % config.interval == 0 or trainer.steps_made == config.steps:
                        break
                sum_so_far = sum_of_losses.item()  # waits for the device
                spent += time.perf_counter() - started
                since = trainer.steps_made - (log[-1].step if log else 0)
                if finished:
                    loss = distributed.total(sum_of_losses).item() / distributed.world_size() / since
                    validation_loss = trainer.validation_loss()
                    _check(loss, validation_loss, trainer, directory, since)
                    progress = Progress(
                        trainer.steps_made,
                        trainer.steps_made * config.batch,
                        round((log[-1].seconds if log else 0.0) + spent, 2),
                        loss,
                        validation_loss,
                        round(since * config.batch / spent, 1),
                    )
                    log.append(progress)
                    sum_of_losses.zero_()
                    spent = 0.0
                else:
                    _check(sum_so_far, 0.0, trainer, directory, since)
                if distributed.is_first():
                    _save(trainer, directory, log, sum_of_losses, spent)
                    if finished and scalars:
                        scalars(progress)
            if interrupted.is_set():
                raise KeyboardInterrupt(
                    f"stopped after step {trainer.steps_made:,}, and saved; --resume goes on from there"
                )
            yield progress


def in_words(progress: Progress, config: TrainingConfig) -> str:
    """A line of the log for people: the step, both losses, the rate, and the time that is left at this rate."""
    left = (config.steps - progress.step) * config.batch / progress.rate
    return (
        f"step {progress.step:6,} of {config.steps:,}   loss {progress.loss:.4f}   held out {progress.validation_loss:.4f}   "
        f"{progress.rate:,.0f} digits/s   {_duration(left)} left"
    )


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
    """Write metrics.json for a finished run: steps, time, losses, the machine, the hash of the weights. Returns what it wrote.

    Where the file is there and tells of the same weights, it stays, with all that has been measured since.
    """
    directory = Path(directory)
    weights = record.sha256(directory / "weights.safetensors")
    before = record.read_metrics(directory)
    if before.get("weights_sha256") == weights:
        return before
    last = record.read_log(directory)[-1]
    metrics = {
        "steps": last.step,
        "images": last.images,
        "training_seconds": last.seconds,
        "loss": last.loss,
        "validation_loss": last.validation_loss,
        "parameters": parameter_count(trainer.network),
        "precision": str(trainer.precision).removeprefix("torch."),
        "processes": distributed.world_size(),
        "weights_sha256": weights,
        "trained_on": record.machine(trainer.device) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    record.write_whole(directory / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return metrics


def _open_record(trainer: Trainer, directory: Path, resume: bool) -> None:
    """Begin the record, or see that it is one of this configuration."""
    path = directory / "config.json"
    if not resume:
        if path.exists():
            raise FileExistsError(
                f"directory must not hold a run unless it is to be resumed, but {str(directory)!r} holds one"
            )
        record.write_whole(path, trainer.config.to_json().encode())
        return
    stored = record.read_config(directory)
    differing = [f.name for f in fields(stored) if getattr(stored, f.name) != getattr(trainer.config, f.name)]
    if differing:
        theirs = ", ".join(f"{name}={getattr(stored, name)!r}" for name in differing)
        raise ValueError(f"config must be the one of the run to resume, but that one has {theirs}")


def _take_up(trainer: Trainer, directory: Path, resume: bool) -> tuple[list[Progress], Tensor, float]:
    """Load the checkpoint; returns the log up to it, and of the interval under way the sum of the losses and the seconds."""
    sum_of_losses, spent = torch.zeros((), device=trainer.device), 0.0
    checkpoint = directory / "checkpoint.safetensors"
    if resume and checkpoint.is_file():  # a run killed in its first interval has none, and starts over
        tensors = record.load_tensors(checkpoint)
        try:
            trainer.load_state(tensors)
        except (RuntimeError, KeyError) as error:
            raise ValueError(
                f"checkpoint.safetensors must be a checkpoint of this run, but it does not fit: {record.in_one_line(error)}"
            ) from None
        # Only what was stopped by hand has an interval under way; and older checkpoints know of none.
        sum_of_losses += tensors.get("interval.sum_of_losses", torch.zeros(())).to(trainer.device)
        spent = float(tensors.get("interval.seconds", torch.zeros(())))
    log = [progress for progress in record.read_log(directory) if progress.step <= trainer.steps_made] if resume else []
    return log, sum_of_losses, spent


def _save(trainer: Trainer, directory: Path, log: list[Progress], sum_of_losses: Tensor, spent: float) -> None:
    """Write the log, the averaged weights and last the checkpoint; then what is only to be looked at."""
    config, step = trainer.config, trainer.steps_made
    record.write_log(directory, log)
    record.save_tensors(directory / "weights.safetensors", trainer.weights())
    if config.keep and step % config.keep == 0:
        record.save_tensors(directory / f"weights-{step:06}.safetensors", trainer.weights())
    under_way = {
        "interval.sum_of_losses": sum_of_losses.cpu(),
        "interval.seconds": torch.tensor(spent, dtype=torch.float64),
    }
    record.save_tensors(directory / "checkpoint.safetensors", trainer.state() | under_way)
    if config.samples and step % config.samples == 0:
        from . import evaluation

        evaluation.save_grid(evaluation.to_grey(trainer.draw()), directory / "samples.png")


def _check(loss: float, validation_loss: float, trainer: Trainer, directory: Path, since: int) -> None:
    if not math.isfinite(loss + validation_loss):
        raise FloatingPointError(
            f"the loss was {loss} between steps {trainer.steps_made - since} and {trainer.steps_made} "
            f"and {validation_loss} on the held-out digits; what {str(directory)!r} holds is from before"
        )


def _step(trainer: Trainer) -> Tensor:
    """A step; where the memory is too small for it, say which batch would do."""
    try:
        return trainer.step()
    except torch.cuda.OutOfMemoryError:
        pass  # by leaving this block the tensors of the step are let go of
    fits = trainer.batch_that_fits()
    advice = f"{fits} would fit: --set batch={fits}" if fits else "not even one digit would fit: try a smaller network"
    raise MemoryError(f"batch must fit the device's memory, but {trainer.config.batch} was too large; {advice}")


@contextmanager
def _interrupts_wait() -> Iterator[threading.Event]:
    """Inside the block an interrupt sets the event instead of raising KeyboardInterrupt; a second one raises it.

    With several processes the first one gets the event, and the others do not hear of interrupts.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # elsewhere, Python lets nobody listen
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def hear(*_: Any) -> None:
        interrupted.set()
        if distributed.world_size() == 1:
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hear if distributed.is_first() else signal.SIG_IGN)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _copy(value: Tensor) -> Tensor:
    """The tensor's numbers in the host's memory, in the plain order, and in a place of their own."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
