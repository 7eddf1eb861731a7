"""Checks of the chapter closed-form: from many steps to one jump."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import forward
from .evaluate import Moments
from .register import Case, parsed
from .worlds import affine_law, scheduled


@parsed(
    "forward-kernel",
    r"q(x_t \mid x_{t-1})",
    how="The printed law is compared with the mean and the variance of forward.kernel_step with the schedule's α_t and β_t.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    before = it.x[it.t - 1]
    seed = int(rng.integers(2**32))
    alpha, beta = it.schedule.alpha[it.t], it.schedule.beta[it.t]
    eps = np.random.default_rng(seed).standard_normal(before.shape)
    noise = forward.kernel_step(np.zeros_like(before), alpha, beta, np.random.default_rng(seed))
    mean = forward.kernel_step(before, alpha, 0.0, np.random.default_rng(seed))
    return Case(it.world, [Moments(mean, (noise / eps) ** 2)])


@parsed(
    "merge",
    how="Both sides are compared with the variance that two steps of forward.variance_path add to a single point.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    variance = 0.0
    for s in (it.t - 1, it.t):
        variance = float(forward.variance_path(variance, it.schedule.alpha[s], it.schedule.beta[s], 1)[1])
    return Case(it.world, [variance])


@parsed(
    "closed-form",
    r"q(x_t \mid x_0)",
    how="The printed law is compared with that of forward.q_sample, and with t single steps composed one by one.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    mean, variance = it.x[0], 0.0
    for s in range(1, it.t + 1):
        mean = forward.kernel_step(mean, it.schedule.alpha[s], 0.0, rng)
        variance = float(forward.variance_path(variance, it.schedule.alpha[s], it.schedule.beta[s], 1)[1])

    def jump(x: Any, eps: Any) -> Any:
        return forward.q_sample(x, it.t, it.schedule, eps)

    return Case(it.world, [Moments(mean, variance), Moments(*affine_law(jump, it.x[0]))])


@parsed("q-sample", "x_t", how="The printed jump is compared with forward.q_sample on the same noise.")
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    eps = rng.normal(size=it.x[0].shape)
    truth = forward.q_sample(it.x[0], it.t, it.schedule, eps)
    return Case(replace(it.world, values={**it.world.values, "eps": eps}), [truth])
