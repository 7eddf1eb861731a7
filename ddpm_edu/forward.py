"""From data to noise: one step with free α and β, the variance along the way, and the jump to any t."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import arguments
from .schedules import NoiseSchedule, at


def kernel_step(x: Any, alpha: float, beta: float, rng: np.random.Generator) -> np.ndarray:
    """One step of the laboratory's chain, x_t = √α·x_{t−1} + √β·ε, with α and β independent.

    x: any shape. alpha, beta: at least 0; α = 1 − β is DDPM's step. rng: draws ε ~ N(0, 1), one for each entry of x.
    Returns an array of x's shape. Raises ValueError if α or β is negative or not finite, or x holds such a number.

    Source: Ho et al. 2020, equation 2, with the two coefficients set free.
    """
    alpha = arguments.number("alpha", alpha, 0)
    beta = arguments.number("beta", beta, 0)
    x = arguments.array("x", x)
    return alpha**0.5 * x + beta**0.5 * rng.standard_normal(x.shape)


def variance_path(v_0: float, alpha: float, beta: float, steps: int) -> np.ndarray:
    """The variances v_0 … v_steps under v_t = α·v_{t−1} + β.

    Returns shape (steps + 1,). Raises ValueError if v_0, α, β or steps is negative or not finite,
    OverflowError if the variance outgrows what a float can hold.
    """
    v_0 = arguments.number("v_0", v_0, 0)
    alpha = arguments.number("alpha", alpha, 0)
    beta = arguments.number("beta", beta, 0)
    steps = arguments.integer("steps", steps, 0)
    v = np.empty(steps + 1)
    v[0] = v_0
    for t in range(1, steps + 1):
        v[t] = alpha * float(v[t - 1]) + beta
    if not math.isfinite(v[-1]):
        raise OverflowError(
            f"the variance outgrew a float at step {int(np.argmax(~np.isfinite(v)))}: alpha was {alpha}"
        )
    return v


def variance_limit(alpha: float, beta: float) -> float:
    """Where v_t = α·v_{t−1} + β settles: β/(1−α) if α < 1, and infinity if α ≥ 1 (from any v_0 > 0).

    Raises ValueError if α or β is negative or not finite, or if α = 1 and β = 0, where v_0 simply stays.
    """
    alpha = arguments.number("alpha", alpha, 0)
    beta = arguments.number("beta", beta, 0)
    if alpha < 1:
        return beta / (1 - alpha)
    if alpha == 1 and beta == 0:
        raise ValueError("alpha and beta must not be 1 and 0 together: nothing moves, and the limit is v_0 itself")
    return math.inf


def q_sample(x_0: Any, t: Any, schedule: NoiseSchedule, eps: Any) -> Any:
    """Jump from x_0 to x_t in one go: x_t = √ᾱ_t·x_0 + √(1−ᾱ_t)·ε.

    x_0: arrays or tensors, (B, …) or any shape. t: one step from 1…T, or one for each of the B items.
    eps: noise from N(0, I), of x_0's shape. Returns x_0's shape.
    Raises ValueError if t is outside 1…T or shapes do not fit, TypeError if t is no whole number.

    Source: Ho et al. 2020, equation 4.
    """
    arguments.same_shape("eps", eps, "x_0", x_0)
    alpha_bar, noise = at(schedule.alpha_bar, t, x_0), at(schedule.noise, t, x_0)
    return alpha_bar**0.5 * x_0 + noise**0.5 * eps
