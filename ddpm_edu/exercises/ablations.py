"""Exercises of the atlas of ablations."""

from __future__ import annotations

import math
from typing import Any

from .. import diffusion, schedules
from .given import like, number_or_array, numbers
from .register import Slip, predict, program

_SHORT = schedules.linear(50)


predict(
    "ablations-seeds",
    lambda: 2 * 10**2 / (10 / 2) ** 2,
    [
        Slip(
            "You took the error of one mean, 10/√n. Both settings have one, and their variances add: 10 √(2/n).",
            lambda: 10**2 / (10 / 2) ** 2,
        ),
        Slip(
            "That many make the difference as large as its standard error; it is to be twice that.",
            lambda: 2 * 10**2 / 10**2,
        ),
        Slip(
            "That is the number of trainings in all; asked for is the number for each setting.",
            lambda: 2 * 2 * 10**2 / (10 / 2) ** 2,
        ),
    ],
    absolute=0.4,
    why="The variances add, so the difference has the standard error 10 √(2/n), and for n = 8 this is 5. For a single training of each "
    "it is 14: more than the difference. Sixteen trainings for one comparison is why so many comparisons are never made.",
)

predict(
    "ablations-black",
    lambda: -(_SHORT.alpha_bar[50] ** 0.5),
    [
        Slip(
            "You gave −ᾱ_T, a share of variance. The value itself keeps the root of that.",
            lambda: -_SHORT.alpha_bar[50],
        ),
        Slip(
            "That is the mean with T = 1000, almost 0. With T = 50 and β as it was, much of the picture is left.",
            lambda: -(schedules.linear().alpha_bar[1000] ** 0.5),
        ),
        Slip(
            "That is the standard deviation of the noise in the pixel, √(1 − ᾱ_T), and it has no sign.",
            lambda: _SHORT.noise[50] ** 0.5,
        ),
    ],
    why="x_T = √ᾱ_T x_0 + noise, and x_0 is −1 with certainty. The sampler begins with mean 0 instead: to the network, every "
    "black pixel of such a start is grey.",
)


def _x_0_from_v(v: Any, x_t: Any, alpha_bar: float) -> Any:
    schedule = schedules.from_betas([1 - alpha_bar])
    return diffusion.x_0_from_eps(x_t, diffusion.eps_from("v", v, x_t, 1, schedule), 1, schedule)


program(
    "x-0-from-v",
    _x_0_from_v,
    {"v": number_or_array(-2, 2), "x_t": lambda v: like(v, -2, 2), "alpha_bar": numbers(0.05, 0.95)},
    [
        Slip(
            "The roots are swapped: √ᾱ_t belongs to x_t here, and √(1 − ᾱ_t) to v.",
            lambda v, x, a: math.sqrt(1 - a) * x - math.sqrt(a) * v,
        ),
        Slip("The sign of v is turned round.", lambda v, x, a: math.sqrt(a) * x + math.sqrt(1 - a) * v),
        Slip("The roots are missing: ᾱ_t and 1 − ᾱ_t are shares of variance.", lambda v, x, a: a * x - (1 - a) * v),
        Slip("That is ε, the noise in x_t; asked for is x_0.", lambda v, x, a: math.sqrt(1 - a) * x + math.sqrt(a) * v),
        Slip(
            "You took v for ε. It has to be turned round with the equation of v first.",
            lambda v, x, a: (x - math.sqrt(1 - a) * v) / math.sqrt(a),
        ),
    ],
)
