"""Exercises of the chapter posterior."""

from __future__ import annotations

import numpy as np

from .. import posterior, schedules
from . import given
from .register import Slip, predict, program

# equal-ends: two steps, √ᾱ_1 = 0.8 and √α_2 = 0.6, and both ends at 1.
_TWO = schedules.from_betas([0.36, 0.64])


def _equal_ends(root: float, before: float) -> float:
    """The sum of the weights, with `root` for √ᾱ_{t−1} and `before` for 1 − ᾱ_{t−1}."""
    return (root * _TWO.beta[2] + _TWO.alpha[2] ** 0.5 * before) / _TWO.noise[2]


predict(
    "equal-ends",
    lambda: float(posterior.mean(1.0, 1.0, 2, _TWO)),
    [
        Slip(
            "An average of 1 and 1 would be 1, but the two weights do not sum to 1: "
            "x_0, x_1 and x_2 are on different scales, since each step shrinks.",
            1.0,
        ),
        Slip(
            "You used ᾱ_2 under the root before x_0: there stands √ᾱ_1, what the jump to the step before has left of x_0.",
            lambda: _equal_ends(_TWO.alpha_bar[2] ** 0.5, _TWO.noise[1]),
        ),
        Slip(
            "You used 1 − ᾱ_2 in the weight of x_2, where it cancels the denominator: there stands 1 − ᾱ_1, the noise before the step.",
            lambda: _equal_ends(_TWO.alpha_bar[1] ** 0.5, _TWO.noise[2]),
        ),
    ],
    relative=0.01,
    why="With √ᾱ_1 = 0.8 and √α_2 = 0.6 the weights sum to (0.8 + 0.6)/(1 + 0.8 · 0.6). "
    "They sum to 1 only if one of the two is 1, as at t = 1.",
)


def _early(t: int) -> float:
    tiny = schedules.constant(T=t, beta=1e-6)
    return float(posterior.variance(t, tiny) / tiny.beta[t])


predict(
    "early-share",
    lambda: _early(4),
    [
        Slip(
            "The two are nearly the same only where the noise that came before is much more than that of one step: at t = 4 it is three steps' worth.",
            1.0,
        ),
        Slip(
            "You are one step late: the quotient is (1 − ᾱ_{t−1})/(1 − ᾱ_t), not (1 − ᾱ_t)/(1 − ᾱ_{t+1}).",
            lambda: _early(5),
        ),
        Slip(
            "You turned the quotient upside down: whoever knows x_0 is less unsure, so β̃_t is below β_t.",
            lambda: 1 / _early(4),
        ),
    ],
    why="While there is little noise, 1 − ᾱ_t is nearly t·β, so the quotient is (t − 1)/t, however small β is: "
    "more steps do not bring β̃_t nearer to β_t at a given t.",
)


def _posterior(x_t: float, x_0: float, t: int, beta: np.ndarray) -> tuple[float, float]:
    alpha = 1 - beta
    alpha_bar = np.cumprod(alpha)
    noise, before = 1 - alpha_bar[t], 1 - alpha_bar[t - 1]
    mean = (alpha_bar[t - 1] ** 0.5 * beta[t] * x_0 + alpha[t] ** 0.5 * before * x_t) / noise
    return mean, beta[t] * before / noise


def _late(x_t: float, x_0: float, t: int, beta: np.ndarray) -> tuple[float, float]:
    alpha_bar = np.cumprod(1 - beta)
    mean = alpha_bar[t] ** 0.5 * beta[t] * x_0 / (1 - alpha_bar[t]) + (1 - beta[t]) ** 0.5 * x_t
    return mean, beta[t]


def _no_roots(x_t: float, x_0: float, t: int, beta: np.ndarray) -> tuple[float, float]:
    alpha_bar = np.cumprod(1 - beta)
    noise, before = 1 - alpha_bar[t], 1 - alpha_bar[t - 1]
    mean = (alpha_bar[t - 1] * beta[t] * x_0 + (1 - beta[t]) * before * x_t) / noise
    return mean, beta[t] * before / noise


def _half_late(x_t: float, x_0: float, t: int, beta: np.ndarray) -> tuple[float, float]:
    alpha_bar = np.cumprod(1 - beta)
    mean, variance = _posterior(x_t, x_0, t, beta)
    shift = (alpha_bar[t] ** 0.5 - alpha_bar[t - 1] ** 0.5) * beta[t] * x_0 / (1 - alpha_bar[t])
    return mean + shift, variance


program(
    "posterior",
    _posterior,
    {
        "x_t": given.numbers(-3, 3),
        "x_0": given.numbers(-1, 1),
        "beta": given.betas(),
        "t": lambda beta: given.steps(len(beta) - 1),
    },
    [
        Slip(
            "Your mean is right, but your variance is β_t, that of the step out: knowing x_0 narrows it to β̃_t = β_t·(1 − ᾱ_{t−1})/(1 − ᾱ_t).",
            lambda x_t, x_0, t, beta: (_posterior(x_t, x_0, t, beta)[0], beta[t]),
        ),
        Slip(
            "Your variance is right, but before x_0 you took the root of ᾱ_t: there belongs √ᾱ_{t−1}.",
            _half_late,
        ),
        Slip(
            "You used ᾱ_t wherever ᾱ_{t−1} belongs: look up `alpha_bar[t - 1]` in the weights and in the variance.",
            _late,
        ),
        Slip(
            "Roots are missing in your mean: the weights have √ᾱ_{t−1} before x_0 and √α_t before x_t.",
            _no_roots,
        ),
        Slip(
            "Your second result is the standard deviation: the exercise asks for the variance, without the root.",
            lambda x_t, x_0, t, beta: (_posterior(x_t, x_0, t, beta)[0], _posterior(x_t, x_0, t, beta)[1] ** 0.5),
        ),
    ],
    why="Of the data only x_0 enters, and nothing is approximate: this is what training can compare with.",
)


def _kept() -> float:
    schedule = schedules.linear()
    return float(posterior.variance(2, schedule) / schedule.beta[2])


predict(
    "unknown-start",
    lambda: 1 - _kept(),
    [
        Slip("That is the share that remains when x_0 is known, β̃_2/β_2: the question is about the rest.", _kept),
        Slip(
            "You compared standard deviations: it is variances that add, so leave the root out.",
            lambda: 1 - _kept() ** 0.5,
        ),
        Slip(
            "Not all of it: even someone who knows x_0 does not know the noise of the first step.",
            1.0,
        ),
    ],
    why="For such data the whole variance is β_2 and the part with x_0 known is β̃_2, which is β_2·β_1/(β_1 + β_2) but for a hair. "
    "So the share is nearly β_2/(β_1 + β_2).",
)
