"""Exercises of the chapter on fewer steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import diffusion, schedules
from .given import like, number_or_array, numbers
from .register import Slip, predict, program

_CONSTANT = schedules.constant(50, 0.02)


predict(
    "fewer-merged-beta",
    lambda: 1 - _CONSTANT.alpha_bar[50] / _CONSTANT.alpha_bar[0],
    [
        Slip("You added the β, 50 · 0.02. It is the α that multiply; β is 1 minus their product.", lambda: 50 * 0.02),
        Slip(
            "That is the α of the merged step, the share that it keeps; its β is the rest.",
            lambda: _CONSTANT.alpha_bar[50],
        ),
        Slip(
            "You took the factor of x, the root of the product. β belongs with the product itself.",
            lambda: 1 - math.sqrt(_CONSTANT.alpha_bar[50]),
        ),
    ],
    why="The merged α is 0.98⁵⁰, about e⁻¹, and β is 1 minus that. The β of small steps may nearly be added, those of long ones not.",
)


def _one_jump(t: float) -> float:
    """The standard deviation of what one DDIM step makes of data from N(0, 1), from a level of noise with κ = t."""
    schedule = schedules.from_betas([t**2 / (1 + t**2)])
    x_t = np.array([1.0])  # x_t has variance 1, and what is returned is proportional to it
    best = schedule.noise[1] ** 0.5 * x_t
    *_, last = diffusion.ddim(lambda *_: best, x_t, schedule, 1, clip=False)
    return float(last.x_t[0])


predict(
    "fewer-one-jump",
    lambda: _one_jump(3.0),
    [
        Slip("That is where the exact curve leads. One long step of Euler's method does not follow it.", lambda: 1.0),
        Slip(
            "You gave the factor by which y is multiplied. At κ = 3 the crowd is √10 wide, and that is what is multiplied.",
            lambda: 1 / 10,
        ),
        Slip("That is how wide y is at the beginning, √(1 + κ²).", lambda: math.sqrt(10)),
    ],
    why="The factor is 1/(1 + κ²) = 1/10 and the start is √10 wide, which makes 1/√10. One jump ends at x̂_0, a mean of "
    "what might have been there, and means are less spread than what they are means of.",
)

predict(
    "fewer-how-many",
    lambda: 10 * 0.04 / 0.001,
    [
        Slip(
            "You let the error fall with the square of the number of steps. That is how it falls in each step; DDIM has slope −1.",
            lambda: 10 * math.sqrt(0.04 / 0.001),
        ),
        Slip("That is the factor; it multiplies the 10 steps that there are.", lambda: 0.04 / 0.001),
        Slip(
            "You took the factor 40 to the square. With slope −1 the steps are multiplied by it once.",
            lambda: 10 * (0.04 / 0.001) ** 2,
        ),
    ],
    why="With slope −1 the error times the number of steps stays the same: 0.4. A method with slope −2 would need 64 steps.",
)


def _ddim_step(x_t: Any, eps: Any, alpha_bar_t: float, alpha_bar_s: float) -> Any:
    schedule = schedules.from_betas([1 - alpha_bar_s, 1 - alpha_bar_t / alpha_bar_s])
    x_0 = diffusion.x_0_from_eps(x_t, eps, 2, schedule)
    return schedule.alpha_bar[1] ** 0.5 * x_0 + schedule.noise[1] ** 0.5 * eps


def _clean(x_t: Any, eps: Any, a: float) -> Any:
    return (x_t - math.sqrt(1 - a) * eps) / math.sqrt(a)


program(
    "ddim-step",
    _ddim_step,
    {
        "x_t": number_or_array(-2, 2),
        "eps": lambda x_t: like(x_t, -2, 2),
        "alpha_bar_t": numbers(0.05, 0.45),
        "alpha_bar_s": numbers(0.55, 0.95),
    },
    [
        Slip(
            "The noise is that of t: mix it in again as it belongs to s, with √(1 − ᾱ_s).",
            lambda x, e, t, s: math.sqrt(s) * _clean(x, e, t) + math.sqrt(1 - t) * e,
        ),
        Slip(
            "A root is missing: the noise is to be multiplied by √(1 − ᾱ_s), since 1 − ᾱ_s is its variance.",
            lambda x, e, t, s: math.sqrt(s) * _clean(x, e, t) + (1 - s) * e,
        ),
        Slip(
            "You forgot to divide by √ᾱ_t. Take the noise out of x_t, and what is left is √ᾱ_t x_0.",
            lambda x, e, t, s: math.sqrt(s) * (x - math.sqrt(1 - t) * e) + math.sqrt(1 - s) * e,
        ),
        Slip(
            "You stopped at x̂_0. The noise that belongs to s has to be mixed in again.",
            lambda x, e, t, s: _clean(x, e, t),
        ),
        Slip(
            "x̂_0 lacks the factor √ᾱ_s, the strength that it should have at s.",
            lambda x, e, t, s: _clean(x, e, t) + math.sqrt(1 - s) * e,
        ),
        Slip(
            "You did not take the noise out of x_t before you scaled it, so that it is in there twice.",
            lambda x, e, t, s: math.sqrt(s / t) * x + math.sqrt(1 - s) * e,
        ),
    ],
)
