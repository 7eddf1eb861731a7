"""Exercises of the chapter simple-loss."""

from __future__ import annotations

import math
from typing import Any

from .. import bounds
from . import given
from .register import Slip, predict, program

# four-times-too-wide: the true step has the variance 1 and the model's 4, with the same mean.


def _lost(v_1: float, v_2: float) -> float:
    return float(bounds.gaussian_kl(0.0, v_1, 0.0, v_2))


predict(
    "four-times-too-wide",
    lambda: _lost(1, 4),
    [
        Slip(
            "You took the divergence the other way round: the true step comes first, and the model, which is too wide, second.",
            lambda: _lost(4, 1),
        ),
        Slip(
            "That is in bits: the question is about nats, without the division by ln 2.",
            lambda: bounds.bits(_lost(1, 4)),
        ),
        Slip(
            "You took the quotient of the standard deviations, ½: the formula has that of the variances, ¼.",
            lambda: _lost(1, 2),
        ),
        Slip("You forgot the factor ½ in front.", lambda: 2 * _lost(1, 4)),
    ],
    why="The quotient v_1/v_2 is ¼, and ½(¼ − 1 + ln 4) is what it costs. "
    f"A model four times too narrow would lose {_lost(4, 1):.1f} nats.",
)


def _gaussian_kl(m_1: float, v_1: float, m_2: float, v_2: float) -> float:
    return ((m_1 - m_2) ** 2 / v_2 + v_1 / v_2 - 1 - math.log(v_1 / v_2)) / 2


program(
    "gaussian-kl",
    _gaussian_kl,
    {
        "m_1": given.numbers(-3, 3),
        "v_1": given.numbers(0.1, 4),
        "m_2": given.numbers(-3, 3),
        "v_2": given.numbers(0.1, 4),
    },
    [
        Slip(
            "You have the divergence the other way round: from the second Gaussian to the first. It is the first that is averaged over.",
            lambda m_1, v_1, m_2, v_2: _gaussian_kl(m_2, v_2, m_1, v_1),
        ),
        Slip(
            "You return bits: leave out the division by ln 2, or take `math.log` in the place of `math.log2`.",
            lambda m_1, v_1, m_2, v_2: bounds.bits(_gaussian_kl(m_1, v_1, m_2, v_2)),
        ),
        Slip(
            "You used `math.log2` for the quotient of the variances: in nats it is the natural logarithm, `math.log`.",
            lambda m_1, v_1, m_2, v_2: ((m_1 - m_2) ** 2 / v_2 + v_1 / v_2 - 1 - math.log2(v_1 / v_2)) / 2,
        ),
        Slip(
            "You forgot the factor ½ in front of the bracket.",
            lambda m_1, v_1, m_2, v_2: 2 * _gaussian_kl(m_1, v_1, m_2, v_2),
        ),
        Slip(
            "You divided the distance of the means by v_1: it is measured in widths of the second Gaussian, so divide by v_2.",
            lambda m_1, v_1, m_2, v_2: ((m_1 - m_2) ** 2 / v_1 + v_1 / v_2 - 1 - math.log(v_1 / v_2)) / 2,
        ),
        Slip(
            "Your arguments are taken for standard deviations and squared: v_1 and v_2 are variances already.",
            lambda m_1, v_1, m_2, v_2: _gaussian_kl(m_1, v_1**2, m_2, v_2**2),
        ),
    ],
    why="Every middle term of the bound is this function of four numbers, summed over the pixels.",
)

# error-exchange: ᾱ_t = 0.1, and the mean squared error of the guessed noise is 0.02.
_KEPT, _ERROR = 0.1, 0.02

predict(
    "error-exchange",
    lambda: (1 - _KEPT) / _KEPT * _ERROR,
    [
        Slip(
            "You multiplied by the signal-to-noise ratio: the rate is one over it, since faint data is enlarged, with the error.",
            lambda: _KEPT / (1 - _KEPT) * _ERROR,
        ),
        Slip(
            "You exchanged the errors themselves: these are squares, so leave the root out.",
            lambda: ((1 - _KEPT) / _KEPT) ** 0.5 * _ERROR,
        ),
        Slip(
            "You divided by ᾱ_t alone: the noise is also scaled, by √(1 − ᾱ_t), before it is taken away.",
            lambda: _ERROR / _KEPT,
        ),
    ],
    why="The rate is (1 − ᾱ_t)/ᾱ_t, here 9: what is a small error of the noise is a large one of the picture.",
)


def _mean_from_eps(x_t: Any, eps: Any, alpha_t: float, alpha_bar_t: float) -> Any:
    return (x_t - (1 - alpha_t) / (1 - alpha_bar_t) ** 0.5 * eps) / alpha_t**0.5


program(
    "mean-from-eps",
    _mean_from_eps,
    {
        "x_t": given.number_or_array(-3, 3),
        "eps": lambda x_t: given.like(x_t, -3, 3),
        "alpha_t": given.numbers(0.5, 0.99),
        "alpha_bar_t": lambda alpha_t: given.numbers(0.05, alpha_t),
    },
    [
        Slip(
            "A root is missing below the noise: β_t is divided by √(1 − ᾱ_t), not by 1 − ᾱ_t.",
            lambda x_t, eps, alpha_t, alpha_bar_t: (x_t - (1 - alpha_t) / (1 - alpha_bar_t) * eps) / alpha_t**0.5,
        ),
        Slip(
            "You took out √β_t times the noise: it is β_t, without the root, over √(1 − ᾱ_t).",
            lambda x_t, eps, alpha_t, alpha_bar_t: (
                (x_t - ((1 - alpha_t) / (1 - alpha_bar_t)) ** 0.5 * eps) / alpha_t**0.5
            ),
        ),
        Slip(
            "You put the noise in: it must be taken out, with a minus sign.",
            lambda x_t, eps, alpha_t, alpha_bar_t: (
                (x_t + (1 - alpha_t) / (1 - alpha_bar_t) ** 0.5 * eps) / alpha_t**0.5
            ),
        ),
        Slip(
            "You divided by √ᾱ_t, which would undo the shrinking of all steps: only step t is undone, by √α_t.",
            lambda x_t, eps, alpha_t, alpha_bar_t: (
                (x_t - (1 - alpha_t) / (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5
            ),
        ),
        Slip(
            "A root is missing in front: the step had shrunk by √α_t, so divide by that and not by α_t.",
            lambda x_t, eps, alpha_t, alpha_bar_t: (x_t - (1 - alpha_t) / (1 - alpha_bar_t) ** 0.5 * eps) / alpha_t,
        ),
        Slip(
            "You returned the guess of x_0, which takes out all of the noise at once: one step takes out β_t/√(1 − ᾱ_t) of it.",
            lambda x_t, eps, alpha_t, alpha_bar_t: (x_t - (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5,
        ),
    ],
    why="This is the one line in which a sampler turns what the network says into a step.",
)

# silent-network: pictures of 28 × 28 pixels, of mean square 0.9.
_PIXELS, _MEAN_SQUARE = 28 * 28, 0.9

predict(
    "silent-network",
    lambda: float(_PIXELS),
    [
        Slip(
            "That is the mean over the pixels, as most programs take it: the two bars in the equation stand for the sum over all of them.",
            1.0,
        ),
        Slip(
            "You paid for the picture: the network is asked for the noise, whose pixels have mean square 1 whatever the data are.",
            lambda: _PIXELS * _MEAN_SQUARE,
        ),
        Slip(
            "You took the length of the noise, the root of the sum of squares: the loss has the square of it.",
            lambda: _PIXELS**0.5,
        ),
    ],
    why="The error is ε itself, and each of the 784 pixels of ε has mean square 1, at every t and for all data.",
)
