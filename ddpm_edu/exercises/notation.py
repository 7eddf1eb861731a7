"""Exercises of the page on notation."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from .. import schedules
from .given import numbers
from .register import Slip, predict, program


def _density_at_mean(variance: float) -> float:
    return 1 / math.sqrt(2 * math.pi * variance)


predict(
    "notation-density",
    lambda: _density_at_mean(2**2),
    [
        Slip(
            "You took 2 for the variance. It is the standard deviation; the second argument of 𝒩 is its square, 4.",
            lambda: _density_at_mean(2),
        ),
        Slip(
            "You gave the density of ε at its mean. Twice as wide means half as high.",
            lambda: _density_at_mean(1),
        ),
        Slip(
            "You divided by the variance outside of the root: it is √(2π · 4), and not √(2π) · 4.",
            lambda: _density_at_mean(1) / 4,
        ),
    ],
    why="The law is 𝒩(3, 4), since the standard deviation is 2. At the mean the exponential is 1, and what is left is 1/√(2π · 4).",
)

predict(
    "notation-index",
    lambda: schedules.constant(10, 0.2).alpha_bar[4],
    [
        Slip(
            "You counted as this book does. There, the step with number 3 is the fourth.",
            lambda: schedules.constant(10, 0.2).alpha_bar[3],
        ),
        Slip(
            "You went back by one instead of forward: number 0 has made a step already, and number 3 is the fourth.",
            lambda: schedules.constant(10, 0.2).alpha_bar[2],
        ),
        Slip(
            "You subtracted 0.2 four times. Each step takes a fifth of what is left, so the shares multiply.",
            lambda: 1 - 4 * 0.2,
        ),
        Slip("You multiplied the β. What is kept is 1 − β, four times.", lambda: 0.2**4),
    ],
    why="The step with number 3 is the fourth, and each keeps 0.8 of the variance: 0.8⁴. In this book that is ᾱ_4, and at index 4.",
)

predict(
    "notation-nats",
    lambda: special.expit(-2),
    [
        Slip(
            "That is the ratio of signal to noise, e⁻². The share of the signal in the whole is ratio/(1 + ratio).",
            lambda: math.exp(-2),
        ),
        Slip(
            "You raised 2 to the power −2, as if the 2 were bits. Nats belong to e.",
            lambda: 2**-2 / (1 + 2**-2),
        ),
        Slip("You raised 10 to the power −2. Nats belong to e.", lambda: 10**-2 / (1 + 10**-2)),
    ],
    why="The ratio is e⁻², about 0.135, and of 1.135 parts in all 0.135 are signal. So ᾱ_t = SNR_t/(1 + SNR_t).",
)

program(
    "notation-log-snr",
    lambda alpha_bar: np.log(alpha_bar / (1 - alpha_bar)),
    {"alpha_bar": numbers(0.01, 0.99)},
    [
        Slip("You took the decimal logarithm; nats belong to the natural one.", lambda a: np.log10(a / (1 - a))),
        Slip(
            "You took the logarithm to base 2, which gives bits; nats belong to base e.", lambda a: np.log2(a / (1 - a))
        ),
        Slip("You left the noise out: the signal ᾱ_t is to be divided by 1 − ᾱ_t.", lambda a: np.log(a)),
        Slip("You divided the noise by the signal. The sign is turned round.", lambda a: np.log((1 - a) / a)),
        Slip("That is the ratio itself; its natural logarithm is asked for.", lambda a: a / (1 - a)),
    ],
)
