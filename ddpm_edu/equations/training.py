"""Checks of the chapter training."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import diffusion, schedules
from .register import Case, function, parsed
from .worlds import scheduled


@parsed(
    "x-0-from-eps",
    r"\hat{x}_0",
    how="The printed estimate is compared with diffusion.x_0_from_eps, with a smooth function in the network's place.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    noise = it.world.values["eps_theta"]
    return Case(it.world, [diffusion.x_0_from_eps(it.x[it.t], noise, it.t, it.schedule)])


@function(
    "simple-loss",
    "quadrature",
    how="diffusion.training_loss, over all t and over two-point data and noise (whose first three moments are a Gaussian's), "
    "is compared with the expectation worked out for a linear network.",
    prints=r"L_{\mathrm{simple}} = \mathbb{E}\,\|\varepsilon - \varepsilon_\theta(x_t, t)\|^2",
    right=lambda schedule, c: 1 - 2 * c * (1 - schedule.alpha_bar) ** 0.5 + c**2,
    wrong={
        "the noise scaled by its variance": lambda schedule, c: 1 - 2 * c * (1 - schedule.alpha_bar) + c**2,
        "halved": lambda schedule, c: (1 - 2 * c * (1 - schedule.alpha_bar) ** 0.5 + c**2) / 2,
        "a root too many": lambda schedule, c: (1 - 2 * c * (1 - schedule.alpha_bar) ** 0.5 + c**2) ** 0.5,
        "the data in place of the noise": lambda schedule, c: 1 - 2 * c * schedule.alpha_bar**0.5 + c**2,
    },
)
def _(expected: Any) -> float:
    schedule = schedules.from_betas(np.random.default_rng(5).uniform(0.03, 0.6, 9))
    signs = np.array(list(itertools.product(range(1, schedule.T + 1), [-1.0, 1.0], [-1.0, 1.0])))
    t, x_0, eps = signs[:, 0].astype(int), signs[:, 1:2], signs[:, 2:]
    worst = 0.0
    for c in (0.0, 0.3, 0.8):

        def network(x: Any, t: Any, c: float = c) -> Any:
            return c * x

        loss = diffusion.training_loss(network, x_0, t, schedule, eps)
        worst = max(worst, abs(loss - np.mean(expected(schedule, c)[1:])))
    return worst
