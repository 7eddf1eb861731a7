"""Cost against size: images a second over width and batch, and how near the device comes to its matrix rate.

    python benchmarks/size.py                   on a CPU, about two minutes, widths 16 to 64; writes size.json
    python benchmarks/size.py --device cuda     on a card, widths 32 to 256, as they are and, at one batch, compiled

The networks are the preset's (cpu on a CPU, gpu on a card) at other widths. Operations are counted, not guessed: two for
each multiplication with its addition, in convolutions and matrix products, forward and backward. The matrix rate is that
of one large product in the type that training computes in, measured in the same turns.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import contestants
import measuring
import torch
from contestants import Contestant
from torch.utils.flop_counter import FlopCounterMode
from training_speed import Learner

from ddpm_edu import data, diffusion, training
from ddpm_edu.configuration import preset
from ddpm_edu.unet import UNet, UNetConfig


def operations(shape: UNetConfig) -> tuple[int, int]:
    """Floating-point operations for one image, forward alone and forward with backward, counted on shapes without numbers."""
    with torch.device("meta"):
        network = UNet(shape)
        x, t = torch.empty(1, 1, shape.image_size, shape.image_size), torch.ones(1, dtype=torch.long)
        with FlopCounterMode(display=False) as forward:
            network(x, t)
        with FlopCounterMode(display=False) as both:
            network(x, t).sum().backward()
    return forward.get_total_flops(), both.get_total_flops()


def matrix_product(n: int, device: torch.device) -> Callable[[], Any]:
    """One n×n product of random numbers, in the type that training computes in."""
    left, right = (torch.randn(n, n, device=device).to(training.precision(device)) for _ in range(2))
    result = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=result)


def measure(
    base: str,
    widths: list[int],
    batches: list[int],
    matrix: int,
    rounds: int,
    most: float,
    device: torch.device,
    modes: list[str],
) -> Iterator[dict[str, Any]]:
    """One row for each width, batch and mode: images a second forward and in training, and the share of the matrix rate.

    most: the operations of one training step above which a row is left out.
    """
    x_0 = torch.from_numpy(data.to_unit_range(data.digits("test").images)).to(device)
    product = matrix_product(matrix, device)
    product()
    for width in widths:
        shape = dataclasses.replace(preset(base).unet, channels=width)
        forward, both = operations(shape)
        for batch in batches:
            if both * batch > most:
                continue
            for mode in modes if batch == 256 else modes[:1]:
                row: dict[str, Any] = {"width": width, "batch": batch, "mode": mode or "eager"}
                try:
                    row |= one(shape, batch, mode, (forward, both), (product, matrix), rounds, x_0, device)
                except torch.OutOfMemoryError:
                    row["failed"] = "out of memory"
                    torch.cuda.empty_cache()
                yield row


def one(
    shape: UNetConfig,
    batch: int,
    mode: str,
    operations_an_image: tuple[int, int],
    product: tuple[Callable[[], Any], int],
    rounds: int,
    x_0: torch.Tensor,
    device: torch.device,
) -> dict[str, Any]:
    """One row of `measure`."""
    learner = Learner(Contestant("ours", "", lambda: UNet(shape)), x_0, device, mode)
    learner.lay_out("channels last")
    ready = learner.batch(batch)

    def train() -> None:
        learner.step(ready)

    def forward() -> None:
        with torch.inference_mode(), measuring.precision(device):
            diffusion.training_loss(learner.eps_theta, ready[0], ready[1], learner.schedule, ready[2])

    for warm in (train, train, forward):
        warm()
    many = 1 if device.type == "cpu" else 10
    repeat: dict[str, Callable[[], Any]] = {
        "train": lambda: [train() for _ in range(many)],
        "forward": lambda: [forward() for _ in range(many)],
        "matrix": lambda: [product[0]() for _ in range(many)],
    }
    spent = {name: statistics.median(times) / many for name, times in measuring.turns(repeat, rounds, device).items()}
    matrix_rate = 2 * product[1] ** 3 / spent["matrix"]
    rates = {
        "forward": operations_an_image[0] * batch / spent["forward"],
        "train": operations_an_image[1] * batch / spent["train"],
    }
    return {
        "parameters": measuring.parameters(learner.network),
        "gigaoperations_an_image": measuring.figures(operations_an_image[1] / 1e9),
        "images_per_second": {name: measuring.figures(batch / spent[name]) for name in rates},
        "matrix_gigaoperations_per_second": measuring.figures(matrix_rate / 1e9),
        "share_of_matrix_rate": {name: measuring.figures(rate / matrix_rate) for name, rate in rates.items()},
        "peak_mebibytes": measuring.peak_mebibytes(train, device),
    }


def main(argv: list[str] | None = None) -> int:
    options = measuring.parser(__doc__ or "", __file__).parse_args(argv)
    device = measuring.prepare(options.device)
    base, widths, batches, matrix, rounds, most, modes = (
        ("gpu", [32, 64, 128, 256], [64, 256, 1024], 8192, 5, 1e15, ["", "default"])
        if device.type == "cuda"
        else ("cpu", [16, 32, 64, 128], [16, 64], 2048, 3, 3e11, [""])
    )
    if options.quick:
        widths, batches, matrix, rounds = [8], [2], 128, 1
    kind = str(training.precision(device)).removeprefix("torch.")
    rows = measuring.shown(measure(base, widths, batches, matrix, rounds, most, device, modes))
    result = {"preset": base, "type": kind, "matrix": matrix, "rows": rows}
    measuring.write(options, device, contestants.versions([]), result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
