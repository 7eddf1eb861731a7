"""Exercises of the chapter on measuring drawn digits."""

from __future__ import annotations

import math

import numpy as np

from .. import distances, ideal, schedules
from .given import arrays, numbers
from .register import Slip, predict, program

_POINTS = np.array([[-1.0], [1.0]]) * math.sqrt(0.5)  # mean 0 and, with the divisor n − 1, variance 1


predict(
    "how-good-frechet",
    lambda: distances.frechet_distance(_POINTS, 1 + 2 * _POINTS),
    [
        Slip(
            "You took the difference of the variances. In the formula it is the roots that are subtracted: "
            "Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½ is the square of σ₁ − σ₂.",
            lambda: 1 + (4 - 1) ** 2,
        ),
        Slip("You left the means out; their gap counts 1² more.", lambda: 1.0),
        Slip(
            "The factor 2 before the root is missing: the last term is 2 · √(1 · 4).", lambda: 1 + 1 + 4 - math.sqrt(4)
        ),
    ],
    why="In one dimension the formula is (μ₁ − μ₂)² + (σ₁ − σ₂)², with standard deviations: 1² + (2 − 1)².",
)

predict(
    "how-good-count",
    lambda: 0.1 * 0.9 / 0.01**2,
    [
        Slip("You left out the factor 1 − r: the variance of one draw is r(1 − r).", lambda: 0.1 / 0.01**2),
        Slip("You did not square the error: n is r(1 − r)/s².", lambda: 0.1 * 0.9 / 0.01),
        Slip(
            "You took the root of n too: that is √(r(1 − r))/s, and n is its square.",
            lambda: math.sqrt(0.1 * 0.9) / 0.01,
        ),
    ],
    why="Solve s² = r(1 − r)/n for n. For half the error it takes four times as many digits.",
)

predict(
    "how-good-nats",
    lambda: 1.4 * 784 * math.log(2),
    [
        Slip("Those are bits for the whole digit; a bit is ln 2 nats.", lambda: 1.4 * 784),
        Slip(
            "You divided by ln 2. A bit is less than a nat, so there are fewer nats than bits.",
            lambda: 1.4 * 784 / math.log(2),
        ),
        Slip("That is the nats for one pixel; a digit has 784.", lambda: 1.4 * math.log(2)),
    ],
    why="b = L/(D ln 2), so L = 1.4 · 784 · ln 2: bits of one pixel, times pixels, times nats in a bit.",
)


def _denoised(x_t: float, points: np.ndarray, alpha_bar: float) -> float:
    schedule = schedules.from_betas([1 - alpha_bar])
    return float(ideal.Denoiser(points[:, None], schedule).mean(np.array([[x_t]]), np.array([1]))[0, 0])


def _weighted(exponents: np.ndarray, points: np.ndarray) -> float:
    weights = np.exp(exponents - exponents.max())
    return float((weights * points).sum() / weights.sum())


program(
    "ideal-denoiser",
    _denoised,
    {"x_t": numbers(-2, 2), "points": arrays(-1, 1), "alpha_bar": numbers(0.1, 0.9)},
    [
        Slip(
            "A root is missing: the points are to be multiplied by √ᾱ_t before they are compared with x_t.",
            lambda x_t, y, a: _weighted(-((x_t - a * y) ** 2) / (2 * (1 - a)), y),
        ),
        Slip(
            "The 2 below the fraction is missing.",
            lambda x_t, y, a: _weighted(-((x_t - math.sqrt(a) * y) ** 2) / (1 - a), y),
        ),
        Slip(
            "You compared x_t with the clean points. In x_t they have the factor √ᾱ_t.",
            lambda x_t, y, a: _weighted(-((x_t - y) ** 2) / (2 * (1 - a)), y),
        ),
        Slip(
            "You divided by the standard deviation √(1 − ᾱ_t) where the variance belongs.",
            lambda x_t, y, a: _weighted(-((x_t - math.sqrt(a) * y) ** 2) / (2 * math.sqrt(1 - a)), y),
        ),
        Slip(
            "You gave the nearest point. The answer is a mean of all, in which the nearest has the largest weight.",
            lambda x_t, y, a: float(y[np.argmin(np.abs(x_t - math.sqrt(a) * y))]),
        ),
        Slip(
            "Your mean is that of √ᾱ_t y, the points as they stand in x_t; asked for is the clean x_0.",
            lambda x_t, y, a: math.sqrt(a) * _weighted(-((x_t - math.sqrt(a) * y) ** 2) / (2 * (1 - a)), y),
        ),
    ],
    relative=1e-5,
)
