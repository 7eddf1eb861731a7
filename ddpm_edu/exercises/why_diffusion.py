"""Exercises of the chapter why-diffusion."""

from __future__ import annotations

import math

from .. import forward
from .given import numbers
from .register import Slip, predict, program

predict(
    "diffusion-pull-and-kick",
    lambda: 4 / (0.001 * 3**2),
    [
        Slip(
            "You set the pulls of one particle at x = 1 equal to its kicks, 4/β; at x = 3 every pull is three times as "
            "strong (section “A pull and a kick”).",
            lambda: 4 / 0.001,
        ),
        Slip(
            "You divided 4/β by 3, but the pull enters squared: n pulls stand against √n kicks, so it is √n that is "
            "divided by 3 (section “A pull and a kick”).",
            lambda: 4 / (0.001 * 3),
        ),
        Slip(
            "You took βx for the pull; it is ½βx, since √(1−β) − 1 is about −β/2 (section “A pull and a kick”).",
            lambda: 1 / (0.001 * 3**2),
        ),
    ],
    why="Set n pulls of ½βx equal to √n kicks of √β: n · ½βx = √(nβ), so n = 4/(βx²). Far out the pull wins soon, near 0 late.",
)

predict(
    "diffusion-tied-spread",
    lambda: math.sqrt(forward.variance_path(0, 0.99, 0.01, 50)[-1]),
    [
        Slip(
            "You gave the variance, 1 − (1−β)⁵⁰; the standard deviation is its root.",
            lambda: forward.variance_path(0, 0.99, 0.01, 50)[-1],
        ),
        Slip(
            "You let the kicks add up as in dye, to a variance of 50β; the pull shrinks the older ones on the way "
            "(section “Dye in water”).",
            lambda: math.sqrt(forward.variance_path(0, 1, 0.01, 50)[-1]),
        ),
        Slip(
            "You added up 50 kicks of size √β as if all pointed the same way; it is their variances that add "
            "(section “A pull and a kick”).",
            lambda: 50 * math.sqrt(0.01),
        ),
    ],
    why="The place is known at first, so the variance starts at 0, and after t tied steps it is 1 − (1−β)ᵗ; take the root. "
    "Where the walk started plays no part in it.",
)

predict(
    "diffusion-finer",
    lambda: 1 - 0.5**0.25,
    [
        Slip(
            "You divided β by 4. It is B = −ln(1−β) that is divided evenly "
            "(section “The step is an exact stretch”); four steps with β/4 keep more than half.",
            lambda: 0.5 / 4,
        ),
        Slip(
            "You gave α, the share that each new step keeps; its β is 1 minus that.",
            lambda: 0.5**0.25,
        ),
        Slip(
            "You gave B for each new step, −ln(0.5)/4; its β is 1 − exp(−B), which is a little less "
            "(section “The step is an exact stretch”).",
            lambda: -math.log(0.5) / 4,
        ),
    ],
    why="Four new steps must keep what an old one keeps, so (1−β)⁴ = 0.5. The size of B is divided by 4, that of β is not.",
)


def _stretch(x: float, B: float, eps: float) -> float:
    return math.exp(-B / 2) * x + math.sqrt(-math.expm1(-B)) * eps


program(
    "exact-stretch",
    _stretch,
    {"x": numbers(-3, 3), "B": numbers(0.01, 3), "eps": numbers(-2, 2)},
    [
        Slip(
            "You shrink x by exp(−B). That is what becomes of its variance; x itself is multiplied by exp(−B/2).",
            lambda x, B, eps: math.exp(-B) * x + math.sqrt(-math.expm1(-B)) * eps,
        ),
        Slip(
            "This is one step of Euler–Maruyama, a pull of ½Bx and a kick of √B. It comes near for small B only; "
            "the exact stretch has exponentials in it.",
            lambda x, B, eps: (1 - B / 2) * x + math.sqrt(B) * eps,
        ),
        Slip(
            "You scaled the noise by its variance, 1 − exp(−B); a draw is scaled by the standard deviation, the root of it.",
            lambda x, B, eps: math.exp(-B / 2) * x - math.expm1(-B) * eps,
        ),
        Slip(
            "You gave the noise the factor √B. While it comes in, the pull is at work on it too, and what is left of it has "
            "the variance 1 − exp(−B).",
            lambda x, B, eps: math.exp(-B / 2) * x + math.sqrt(B) * eps,
        ),
    ],
    why="One draw is enough for a stretch of any length, and nothing in it is approximate.",
)
