"""Training, side by side: images a second, and the loss reached after equal time on equal data; ours and public U-Nets.

    python benchmarks/training_speed.py                   on a CPU, about ten minutes; writes training_speed.json beside itself
    python benchmarks/training_speed.py --device cuda     on a card, each network as it is and compiled

Speed: forward, backward and optimiser on batches that lie ready, in turns (A B C A B C …); each network in the memory
layout that suits it better, which is tried first. Loss: every network sees the same digits, times and noise in the same
order, and trains until its own clock has run out, at each of two learning rates, which rise and fall with that clock;
then the same held-out digits, times and noise measure it. What is measured is the network, so no weights are averaged.
Packages that are not installed are left out and named; requirements.txt says how to bring them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import contestants
import measuring
import torch
from contestants import Contestant
from torch import Tensor, nn

from ddpm_edu import data, diffusion, schedules

RATES = (1e-3, 3e-4)
HELD_OUT = 400
MARKS = 4  # how often the loss is measured on the way
SLICES = 12  # turns in which the time of the loss is spent
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}

Batch = tuple[Tensor, Tensor, Tensor]


class Learner:
    """A contestant with its optimiser, its own stream of batches, which is the same for all, and its own clock.

    compiled: "" or a mode of torch.compile.
    """

    def __init__(self, contestant: Contestant, x_0: Tensor, device: torch.device, compiled: str = "") -> None:
        self.network = contestants.fresh(contestant).to(device).train()
        self.first_weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.x_0, self.device = x_0, device
        self.schedule = schedules.linear().to(device)
        self.eps_theta: Callable[..., Any] = self.network
        if compiled:
            self.eps_theta = torch.compile(self.network, dynamic=False, mode=compiled)
        self.begin()

    def begin(self, rate: float = 1e-3) -> None:
        """Go back to the first weights, the first batch, and no time spent."""
        self.network.load_state_dict(self.first_weights)
        on_card = self.device.type == "cuda"
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=rate, fused=on_card)
        self.rng = torch.Generator(self.device).manual_seed(0)
        self.spent, self.steps = 0.0, 0

    def lay_out(self, layout: str) -> None:
        """Lay the weights out as the name says."""
        self.network.to(memory_format=LAYOUTS[layout])  # type: ignore[call-overload]

    def batch(self, n: int) -> Batch:
        """The next n digits, their times and their noise."""
        index = torch.randint(len(self.x_0), (n,), generator=self.rng, device=self.device)
        t = 1 + torch.randint(self.schedule.T, (n,), generator=self.rng, device=self.device)
        x_0 = self.x_0[index]
        return x_0, t, torch.randn(x_0.shape, generator=self.rng, device=self.device)

    def step(self, batch: Batch) -> None:
        """Forward, backward, optimiser."""
        x_0, t, eps = batch
        self.optimiser.zero_grad()
        with measuring.precision(self.device):
            loss = diffusion.training_loss(self.eps_theta, x_0, t, self.schedule, eps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1

    def train(self, batch: int, rate: float, until: float, total: float, steps: int) -> None:
        """Train until the clock shows `until` of `total` seconds, looking at it every few steps."""
        while self.spent < until:
            for group in self.optimiser.param_groups:
                group["lr"] = rate * shape(self.spent / total)
            self.spent += measuring.seconds(lambda: [self.step(self.batch(batch)) for _ in range(steps)], self.device)


def shape(through: float) -> float:
    """The share of the learning rate at that share of the time: a rise over the first twentieth, then half a cosine down."""
    return max(0.01, min(1.0, 20 * through)) * 0.5 * (1 + math.cos(math.pi * min(1.0, through)))


def loss_of(network: nn.Module, batch: Batch, schedule: schedules.NoiseSchedule) -> float:
    """L_simple on held-out digits, in float32."""
    network.eval()
    x_0, t, eps = batch
    total = 0.0
    with torch.inference_mode():
        for part in torch.arange(len(x_0), device=x_0.device).split(100):
            total += len(part) * diffusion.training_loss(network, x_0[part], t[part], schedule, eps[part]).item()
    network.train()
    return total / len(x_0)


def held_out(n: int, device: torch.device) -> Batch:
    """Test digits, each with a time and a noise of its own; the times are spread evenly over 1…T."""
    x_0 = torch.from_numpy(data.to_unit_range(data.digits("test").images[:n]))
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(1))
    t = 1 + torch.arange(len(x_0)) * 1000 // len(x_0)
    return x_0.to(device), t.to(device), eps.to(device)


def settle(learner: Learner, batch: Batch) -> str:
    """Warm the network up in each memory layout, leave it in the quicker one, and name that one."""
    spent = {}
    for layout in LAYOUTS:
        learner.lay_out(layout)
        learner.step(batch)
        spent[layout] = min(measuring.seconds(lambda: learner.step(batch), learner.device) for _ in range(2))
    chosen = min(spent, key=lambda layout: spent[layout])
    learner.lay_out(chosen)
    learner.step(batch)
    return chosen


def speed(
    taking_part: list[Contestant], x_0: Tensor, device: torch.device, batches: list[int], rounds: int, modes: list[str]
) -> Iterator[dict[str, Any]]:
    """Images a second of each contestant, at each batch and in each mode; a contestant that fails says why."""
    for mode in modes:
        for size in batches:
            calls: dict[str, Callable[[], None]] = {}
            rows: dict[str, dict[str, Any]] = {}
            for contestant in taking_part:
                row = {"name": contestant.name, "mode": mode or "eager", "batch": size}
                rows[contestant.name] = row
                try:
                    learner = Learner(contestant, x_0, device, mode)
                    batch = learner.batch(size)
                    row["parameters"] = measuring.parameters(learner.network)
                    if mode:
                        learner.lay_out("channels last")
                        row["seconds_to_compile"] = measuring.figures(
                            measuring.seconds(lambda step=learner.step, batch=batch: step(batch), device)
                        )
                        learner.step(batch)
                    row["layout"] = "channels last" if mode else settle(learner, batch)
                    row["peak_mebibytes"] = measuring.peak_mebibytes(
                        lambda step=learner.step, batch=batch: step(batch), device
                    )
                    steps = 1 if device.type == "cpu" else 20
                    calls[contestant.name] = lambda step=learner.step, batch=batch, n=steps: [
                        step(batch) for _ in range(n)
                    ]
                except (
                    Exception
                ) as error:  # one network that cannot be compiled, say, must not lose the others' numbers
                    row["failed"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            for name, spent in measuring.turns(calls, rounds, device).items():
                rows[name]["images_per_second"] = measuring.rate(spent, steps * size)
            yield from rows.values()


def losses(
    taking_part: list[Contestant], x_0: Tensor, device: torch.device, batch: int, total: float, mode: str, n: int
) -> Iterator[dict[str, Any]]:
    """The held-out loss of each contestant on the way through `total` seconds of its own, at each of the rates."""
    validation = held_out(n, device)
    steps = 1 if device.type == "cpu" else 20
    learners = [Learner(contestant, x_0, device, mode) for contestant in taking_part]
    for learner in learners:
        if mode:
            learner.lay_out("channels last")
            learner.step(learner.batch(batch))
        else:
            settle(learner, learner.batch(batch))
    for rate in RATES:
        for learner in learners:
            learner.begin(rate)
        rows: dict[str, list[dict[str, float]]] = {contestant.name: [] for contestant in taking_part}
        for k in range(1, SLICES + 1):
            for contestant, learner in zip(taking_part, learners, strict=True):
                learner.train(batch, rate, total * k / SLICES, total, steps)
                if k * MARKS % SLICES == 0:
                    loss = loss_of(learner.network, validation, learner.schedule)
                    rows[contestant.name].append(
                        {"seconds": round(learner.spent, 2), "images": learner.steps * batch, "loss": round(loss, 5)}
                    )
        for contestant, learner in zip(taking_part, learners, strict=True):
            size = measuring.parameters(learner.network)
            yield {"name": contestant.name, "parameters": size, "rate": rate, "way": rows[contestant.name]}


def main(argv: list[str] | None = None) -> int:
    parser = measuring.parser(__doc__ or "", __file__)
    parser.add_argument(
        "--only", choices=("speed", "loss"), help="measure this part, and leave the other in the record"
    )
    parser.add_argument("--seconds", type=float, help="time for each network and rate (default: 50, on a card 30)")
    parser.add_argument(
        "--size", choices=("small", "large"), help="networks like preset cpu or gpu (default: cpu's on a CPU)"
    )
    parser.add_argument("--modes", nargs="*", help="of torch.compile, on a card (default: default)")
    options = parser.parse_args(argv)
    device = measuring.prepare(options.device)
    on_card = device.type == "cuda"
    size = options.size or ("large" if on_card else "small")
    taking_part, left_out = contestants.present(contestants.large() if size == "large" else contestants.small())
    train = data.digits("train")
    x_0 = torch.from_numpy(data.to_unit_range(train.images)).to(device)
    batches = [4] if options.quick else [64, 512] if on_card else [64]
    modes = ["", *(["default"] if options.modes is None else options.modes)] if on_card else [""]
    total = options.seconds or (0.5 if options.quick else 30.0 if on_card else 50.0)
    result: dict[str, Any] = {"digits": train.source, "left_out": left_out}
    if options.only != "loss":
        rounds = 1 if options.quick else 20 if on_card else 7
        result["speed"] = measuring.shown(speed(taking_part, x_0, device, batches, rounds, modes))
        measuring.write(options, device, contestants.versions(taking_part), result)
    if options.only != "speed":
        n, batch = (16, 4) if options.quick else (HELD_OUT, batches[-1])
        result["loss"] = {
            "batch": batch,
            "seconds": total,
            "held_out": n,
            "mode": modes[-1] or "eager",
            "runs": measuring.shown(losses(taking_part, x_0, device, batch, total, modes[-1], n)),
        }
        measuring.write(options, device, contestants.versions(taking_part), result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
