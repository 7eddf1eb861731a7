"""A small network that guesses the noise in data of one number each, and its training, which takes seconds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from . import arguments
from .densities import Density, Histogram, Mixture
from .diffusion import training_loss
from .schedules import NoiseSchedule
from .unet import time_embedding


class Perceptron(nn.Module):
    """eps_theta(x_t, t) for items of one number each: layers of weighted sums, bent by SiLU, and the time as waves.

    width: numbers in each hidden layer. layers: hidden layers. waves: time features, an even number of them.
    seed: decides the first weights, and touches no global state. All at least 1 (waves 2, seed 0).
    Raises ValueError or TypeError naming the argument that is out of range.
    """

    def __init__(self, width: int = 64, layers: int = 3, waves: int = 32, seed: int = 0) -> None:
        super().__init__()
        width, layers = arguments.integer("width", width, 1), arguments.integer("layers", layers, 1)
        self.waves = arguments.integer("waves", waves, 2)
        if waves % 2:
            raise ValueError(f"waves must be even, since half are sines and half cosines, but it was {waves}")
        sizes = [1 + waves] + [width] * layers
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(arguments.integer("seed", seed, 0))
            hidden = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())]
            self.stack = nn.Sequential(*hidden, nn.Linear(width, 1))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x_t: (B,). t: (B,), whole numbers from 1…T. Returns (B,). Raises ValueError if the shapes are others."""
        if x_t.ndim != 1:
            raise ValueError(f"x_t must have shape (B,), one number an item, but its shape was {tuple(x_t.shape)}")
        if t.shape != x_t.shape:
            raise ValueError(f"t must have shape ({len(x_t)},), one for each item, but its shape was {tuple(t.shape)}")
        inputs = torch.cat([x_t[:, None], time_embedding(t, self.waves)], dim=1)
        return self.stack(inputs)[:, 0]


class Progress(NamedTuple):
    """Where training stands after a step."""

    step: int
    """Training steps made."""
    loss: float
    """L_simple on the batch of this step."""


def fit(
    model: nn.Module,
    density: Density,
    schedule: NoiseSchedule,
    steps: int,
    rng: np.random.Generator,
    batch: int = 512,
    rate: float = 0.01,
) -> Iterator[Progress]:
    """Train `model` in place on fresh draws from `density`, yielding a `Progress` after each step.

    model: eps_theta on tensors of shape (B,). density: a Histogram or a Mixture. schedule: on NumPy.
    steps, batch: at least 1. rng: draws data, times and noise. rate: Adam's, above 0; it falls to 0 along half a cosine.
    Raises TypeError if density, schedule or rng is of another kind, ValueError if a number is out of range.

    Source: Ho et al. 2020, algorithm 1.
    """
    _of_kind("density", density, Histogram, Mixture)
    _of_kind("schedule", schedule, NoiseSchedule)
    _of_kind("rng", rng, np.random.Generator)
    steps, batch = arguments.integer("steps", steps, 1), arguments.integer("batch", batch, 1)
    rate = arguments.number("rate", rate, 1e-12)
    tensors = schedule.to("cpu")
    optimiser = torch.optim.Adam(model.parameters())
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * (step - 1) / steps)) / 2
        x_0 = torch.from_numpy(density.sample(batch, rng)).float()
        t = torch.from_numpy(rng.integers(1, schedule.T, batch, endpoint=True))
        eps = torch.from_numpy(rng.standard_normal(batch)).float()
        loss = training_loss(model, x_0, t, tensors, eps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield Progress(step, loss.item())


def _of_kind(name: str, value: object, *kinds: type) -> None:
    if not isinstance(value, kinds):
        allowed = " or ".join(f"a {kind.__name__}" for kind in kinds)
        raise TypeError(f"{name} must be {allowed}, but it was {value!r}")
