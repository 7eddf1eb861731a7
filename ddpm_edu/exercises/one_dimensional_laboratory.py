"""Exercises of the chapter one-dimensional-laboratory."""

from __future__ import annotations

import math

import numpy as np

from .. import densities, forward
from .given import numbers, steps
from .register import Slip, predict, program


def _bars() -> densities.Histogram:
    return densities.Histogram([-3, -1, 1, 3], [3, 0, 1])


predict(
    "lab-histogram-variance",
    lambda: _bars().variance,
    [
        Slip(
            "You put all the mass of a bar into its middle. A bar of width w also spreads it out, and adds w²/12 to the "
            "variance.",
            lambda: _bars().variance - 2**2 / 12,
        ),
        Slip(
            "You gave the mean square. The variance is measured about the mean, which is not 0 here: subtract its square.",
            lambda: _bars().variance + _bars().mean ** 2,
        ),
        Slip(
            "You gave the standard deviation; the variance is its square.",
            lambda: math.sqrt(_bars().variance),
        ),
    ],
    why="Three quarters of the mass lie about −2 and one quarter about 2, so the mean is −1 and the two middles have "
    "variance 3; within each bar 2²/12 comes on top.",
)

predict(
    "lab-mean-half",
    lambda: math.log(0.5) / math.log(math.sqrt(0.96)),
    [
        Slip(
            "You counted until αᵗ is one half. That is the pace of the variance's gap; the mean loses only the factor √α "
            "in a step (section “Mean and variance”).",
            lambda: math.log(0.5) / math.log(0.96),
        ),
        Slip(
            "You took the same amount off the mean in every step. Each step takes the same share of what is left, so the "
            "mean falls more and more slowly: (√α)ᵗ (section “Mean and variance”).",
            lambda: 0.5 / (1 - math.sqrt(0.96)),
        ),
    ],
    why="After t steps (√α)ᵗ of the mean is left. That is one half at t = 2 ln 2 / (−ln α), twice as late as for the "
    "variance's gap. What β is and where the mean starts does not matter.",
)


def _within(v_0: float, alpha: float, beta: float, gap: float) -> float:
    path = forward.variance_path(v_0, alpha, beta, 1000)
    return float(np.argmax(np.abs(path - forward.variance_limit(alpha, beta)) <= gap))


predict(
    "lab-one-per-cent",
    lambda: _within(12, 0.98, 0.04, 0.01 * forward.variance_limit(0.98, 0.04)),
    [
        Slip(
            "You counted until 0.98ᵗ falls to 0.01. That leaves one per cent of the first gap, which is 10 here, "
            "while one per cent of the limit was asked for.",
            lambda: math.log(0.01) / math.log(0.98),
        ),
        Slip(
            "You let the gap fall to 0.01. One per cent of the limit is 0.02, since the limit is β/(1−α) = 2 "
            "(section “Mean and variance”).",
            lambda: _within(12, 0.98, 0.04, 0.01),
        ),
        Slip(
            "You shrank the gap by √α in each step, as the mean; the variance's gap shrinks by α "
            "(section “Mean and variance”).",
            lambda: _within(12, 0.98**0.5, 2 * (1 - 0.98**0.5), 0.02),
        ),
    ],
    why="The limit is β/(1−α) = 2 and the gap 10 at first; it has to fall to 0.02, so 0.98ᵗ = 0.002. "
    "In general t = ln(100 · gap / limit) / (−ln α), rounded up.",
)


def _variance(v_0: float, alpha: float, beta: float, t: int) -> float:
    return alpha**t * v_0 + beta * sum(alpha**k for k in range(t))


program(
    "lab-variance",
    _variance,
    {"v_0": numbers(0, 5), "alpha": numbers(0, 1.2), "beta": numbers(0, 1), "t": steps(20)},
    [
        Slip(
            "You multiply by √α in each step. That is for x and its mean; a factor comes out of a variance squared.",
            lambda v_0, alpha, beta, t: alpha ** (t / 2) * v_0 + beta * sum(alpha ** (k / 2) for k in range(t)),
        ),
        Slip(
            "You let the sum run from k = 1 to t. The last draw has not been shrunk at all, so the sum runs from k = 0 to t − 1.",
            lambda v_0, alpha, beta, t: alpha**t * v_0 + beta * sum(alpha**k for k in range(1, t + 1)),
        ),
        Slip(
            "You let the sum run from k = 0 to t, which is one draw too many: t steps add t draws, from k = 0 to t − 1.",
            lambda v_0, alpha, beta, t: alpha**t * v_0 + beta * sum(alpha**k for k in range(t + 1)),
        ),
        Slip(
            "You add √β in each step. That is the noise's standard deviation; variances add, and its variance is β.",
            lambda v_0, alpha, beta, t: alpha**t * v_0 + math.sqrt(beta) * sum(alpha**k for k in range(t)),
        ),
        Slip(
            "You add β t times, unshrunk. What one step adds is multiplied by α in every later step.",
            lambda v_0, alpha, beta, t: alpha**t * v_0 + beta * t,
        ),
    ],
    why="It holds for every α: the quotient β(1−αᵗ)/(1−α), which is shorter, has no value at α = 1.",
)
