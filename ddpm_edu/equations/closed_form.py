"""Checks of the chapter closed-form: from many steps to one jump."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import forward
from .evaluate import Moments
from .register import Case, function, parsed
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


@function(
    "gaussian-sum",
    "mpmath",
    how="The printed integral is worked out with 50 digits in mpmath, and compared with the normal law on the right.",
    prints=r"\int \mathcal{N}(y; m_1, v_1)\,\mathcal{N}(z-y; m_2, v_2)\,dy = \mathcal{N}(z; m_1+m_2, v_1+v_2)",
    right=lambda m_1, v_1, m_2, v_2: (m_1 + m_2, v_1 + v_2),
    wrong={
        "the deviations added": lambda m_1, v_1, m_2, v_2: (m_1 + m_2, (v_1**0.5 + v_2**0.5) ** 2),
        "the variances averaged": lambda m_1, v_1, m_2, v_2: (m_1 + m_2, (v_1 + v_2) / 2),
        "the variances of a product of densities": lambda m_1, v_1, m_2, v_2: (m_1 + m_2, v_1 * v_2 / (v_1 + v_2)),
        "the means subtracted": lambda m_1, v_1, m_2, v_2: (m_1 - m_2, v_1 + v_2),
        "one mean left out": lambda m_1, v_1, m_2, v_2: (m_1, v_1 + v_2),
    },
    tolerance=1e-45,
)
def _(law: Any) -> float:
    import mpmath

    def normal(x: Any, mean: Any, variance: Any) -> Any:
        return mpmath.exp(-((x - mean) ** 2) / (2 * variance)) / mpmath.sqrt(2 * mpmath.pi * variance)

    worst = mpmath.mpf(0)
    with mpmath.workdps(50):
        for m_1, v_1, m_2, v_2, z in ((0.3, 0.5, -0.8, 1.5, 0.1), (-1.0, 2.0, 0.4, 0.7, 1.2)):
            a, v, b, w = map(mpmath.mpf, (m_1, v_1, m_2, v_2))
            middle, width = (a * w + (z - b) * v) / (v + w), mpmath.sqrt(v * w / (v + w))
            # The trapezoidal rule: three points a deviation leave out less than 1e-70, and so does ending at 18 deviations.
            places = [middle + width * step / 3 for step in range(-54, 55)]
            left = sum(normal(y, a, v) * normal(z - y, b, w) for y in places) * width / 3
            right = normal(mpmath.mpf(z), *law(a, v, b, w))
            worst = max(worst, abs(left - right) / left)
    return float(worst)
