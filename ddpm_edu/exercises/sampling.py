"""Exercises of the chapter sampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import schedules
from .given import arrays, betas, like, number_or_array, numbers, one_of
from .register import Slip, predict, program


def _grey_values(t: int, power: float = 0.5) -> float:
    """The spread of σ_t, with σ² = β, in steps of 1/127.5, which is one of 256 shades."""
    return float(127.5 * schedules.linear().beta[t] ** power)


predict(
    "last-noise",
    lambda: _grey_values(1),
    [
        Slip(
            "You spread 255 shades over a length of 1. From −1 to 1 the length is 2, so that 1 stands for 127.5 shades.",
            lambda: 2 * _grey_values(1),
        ),
        Slip(
            "You took β_1 itself, which is a variance. The pixels tremble by its root, σ_1.", lambda: _grey_values(1, 1)
        ),
        Slip(
            "That is what σ_1000 would do, the noise of the first step that the sampler makes. The last step is t = 1.",
            lambda: _grey_values(1000),
        ),
        Slip(
            "You gave σ_1 as it stands, in the units of [−1, 1]. One shade is 1/127.5 of that.",
            lambda: _grey_values(1) / 127.5,
        ),
    ],
    why="σ_1 = √β_1 = 0.01, times 127.5 shades: nothing that you see, but a classifier or a score may. Who counts from 0 and "
    f"takes σ_1000 there by mistake gets {_grey_values(1000):.0f} shades, and every picture is grainy.",
)


def _sigmas(t: int) -> float:
    schedule = schedules.linear()
    return float((schedule.beta[t] / schedule.beta_tilde[t]) ** 0.5)


predict(
    "two-sigmas",
    lambda: _sigmas(2),
    [
        Slip("You compared the variances. σ is the root of one, and so is the quotient.", lambda: _sigmas(2) ** 2),
        Slip(
            "You turned the quotient round: β̃ is the smaller of the two, since x_0 is known to it.",
            lambda: 1 / _sigmas(2),
        ),
        Slip(
            "You took both steps for equally noisy, ᾱ_1 = 1 − β and ᾱ_2 = (1 − β)². On the linear schedule β_2 is a fifth larger "
            "than β_1.",
            math.sqrt(2),
        ),
        Slip("At t = 3 they would be so far apart. The question is for t = 2.", lambda: _sigmas(3)),
    ],
    why="β_2/β̃_2 = (1 − ᾱ_2)/(1 − ᾱ_1), nearly (β_1 + β_2)/β_1. No later step has the two so far apart, and this is one of "
    "the smallest steps: for the eye there is little to choose.",
)


def _clipped_eps(x_t: Any, eps: Any, alpha_bar_t: float) -> Any:
    x_0 = np.clip((x_t - (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5, -1, 1)
    return (x_t - alpha_bar_t**0.5 * x_0) / (1 - alpha_bar_t) ** 0.5


def _unrooted(x_t: Any, eps: Any, alpha_bar_t: float) -> Any:
    return _clipped_eps(x_t, eps, alpha_bar_t) / (1 - alpha_bar_t) ** 0.5


program(
    "clipped-eps",
    _clipped_eps,
    {
        "x_t": number_or_array(-3, 3),
        "eps": lambda x_t: like(x_t, -3, 3),
        "alpha_bar_t": numbers(0.05, 0.95),
    },
    [
        Slip(
            "You handed back the ε that came in. It still says the unclipped x̂_0, so the clipping does nothing at all.",
            lambda x_t, eps, alpha_bar_t: eps,
        ),
        Slip(
            "You clipped the noise. It is x̂_0 that is held within [−1, 1], the range of the data; noise has no such range.",
            lambda x_t, eps, alpha_bar_t: np.clip(eps, -1, 1),
        ),
        Slip(
            "You returned the clipped x̂_0; the ε that belongs to it is asked for.",
            lambda x_t, eps, alpha_bar_t: np.clip((x_t - (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5, -1, 1),
        ),
        Slip("You divided by 1 − ᾱ_t on the way back. The factor of ε is its root.", _unrooted),
        Slip(
            "You clipped x_t instead of x̂_0. x_t holds noise and may lie far outside.",
            lambda x_t, eps, alpha_bar_t: (
                (np.clip(x_t, -1, 1) - (x_t - (1 - alpha_bar_t) ** 0.5 * eps)) / (1 - alpha_bar_t) ** 0.5
            ),
        ),
    ],
    why="Where x̂_0 was within [−1, 1] the ε comes back as it was; elsewhere it says the nearest digit that there can be. "
    "DDIM goes on with this ε.",
)


def _walk(x_T: float, z: np.ndarray, beta: np.ndarray, v: float) -> float:
    return _walk_over(x_T, z, beta, v, range(len(beta) - 1, 0, -1))


def _walk_over(
    x: float, z: np.ndarray, beta: np.ndarray, v: float, times: range, power: float = 0.5, last: float = 0.0
) -> float:
    """Walk back over the given times; σ_t = β_t^power, and `last` times that at t = 1."""
    alpha_bar = np.cumprod(1 - beta)
    for t in times:
        eps = (1 - alpha_bar[t]) ** 0.5 * x / (1 + alpha_bar[t] * (v - 1))
        mean = (x - beta[t] / (1 - alpha_bar[t]) ** 0.5 * eps) / (1 - beta[t]) ** 0.5
        x = mean + (1.0 if t > 1 else last) * beta[t] ** power * z[t]
    return float(x)


program(
    "whole-walk",
    _walk,
    {
        "beta": betas(longest=4),
        "x_T": numbers(-3, 3),
        "z": lambda beta: arrays(-2, 2, beta.shape),
        "v": one_of([1.0, 0.25, 4.0]),
    },
    [
        Slip(
            "You add noise at the last step, t = 1, and nothing takes it away again: there z is 0.",
            lambda x_T, z, beta, v: _walk_over(x_T, z, beta, v, range(len(beta) - 1, 0, -1), last=1.0),
        ),
        Slip(
            "You stop one step early: `range(T, 1, -1)` ends with t = 2, and what you return is x_1.",
            lambda x_T, z, beta, v: _walk_over(x_T, z, beta, v, range(len(beta) - 1, 1, -1)),
        ),
        Slip(
            "Your first step is the one from T − 1: the steps are T, T − 1, …, 1, and `range(T, 0, -1)` has them all.",
            lambda x_T, z, beta, v: _walk_over(x_T, z, beta, v, range(len(beta) - 2, 0, -1)),
        ),
        Slip(
            "You walk forwards, from t = 1 to T. The way back begins at T.",
            lambda x_T, z, beta, v: _walk_over(x_T, z, beta, v, range(1, len(beta))),
        ),
        Slip(
            "A root is missing: z is multiplied by σ_t = √β_t, and you multiplied it by β_t.",
            lambda x_T, z, beta, v: _walk_over(x_T, z, beta, v, range(len(beta) - 1, 0, -1), power=1.0),
        ),
        Slip(
            "You add no noise at any step: x_{t−1} is then too narrow for the next guess, and the samples huddle together.",
            lambda x_T, z, beta, v: _walk_over(x_T, 0 * z, beta, v, range(len(beta) - 1, 0, -1)),
        ),
    ],
    why="It is the whole of ancestral sampling; for digits, a network takes the place of the formula for ε.",
)
