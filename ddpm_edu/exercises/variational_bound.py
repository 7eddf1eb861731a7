"""Exercises of the chapter variational-bound."""

from __future__ import annotations

import math

import numpy as np

from .. import bounds
from . import given
from .register import Slip, predict, program

# terms-with-theta: a chain of a thousand steps.
_STEPS = range(2, 1001)

predict(
    "terms-with-theta",
    lambda: len(_STEPS) + 1,
    [
        Slip("You counted L_T: it compares two laws that are both fixed, and holds no θ.", lambda: len(_STEPS) + 2),
        Slip("You counted the kinds of terms: each L_{t−1} under the sum is a term of its own.", 2.0),
        Slip("You left out L_0: the model's last step has no divergence, but it has a term.", lambda: len(_STEPS)),
    ],
    absolute=0.4,
    why="There are 999 divergences, for t = 2 to 1000, and L_0, one for each of the model's thousand steps; L_T holds no θ.",
)


def _naive(log_w: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(np.exp(log_w).mean()))


def _log_of_mean(log_w: np.ndarray) -> float:
    top = log_w.max()
    return float(top + np.log(np.exp(log_w - top).mean()))


program(
    "log-of-mean",
    _log_of_mean,
    {"log_w": given.arrays(-2000, -1000)},
    [
        Slip(
            "You returned the mean of the logarithms: that is the bound, which by Jensen's inequality is never above the logarithm of the mean.",
            lambda log_w: log_w.mean(),
        ),
        Slip(
            "You took the logarithm of the sum: for the mean, divide by the number of draws, or subtract its logarithm.",
            lambda log_w: _log_of_mean(log_w) + math.log(len(log_w)),
        ),
        Slip(
            "Each of your w is so small that it was rounded to 0, whose logarithm is −∞: "
            "subtract the largest `log_w` from all before `np.exp`, and add it to the logarithm at the end.",
            _naive,
        ),
    ],
    why="With many draws this tends to log p(x) itself, while the mean of the logarithms tends to the bound, below it.",
)

# wide-proposals: from N(0.8, 10 · 0.2) to the true codes, N(0.8, 0.2).
_TRUE, _WIDER = 0.2, 10


def _gap(ratio: float) -> float:
    """The divergence from proposals of `ratio` times the variance of the true codes."""
    return float(bounds.gaussian_kl(0.8, ratio * _TRUE, 0.8, _TRUE))


predict(
    "wide-proposals",
    lambda: _gap(_WIDER),
    [
        Slip(
            "You took the divergence the other way round, or the proposals too narrow: here one draws from the wide law, which is q, "
            "and averages the logarithm of q over the true one.",
            lambda: _gap(1 / _WIDER),
        ),
        Slip("That is the gap in bits: leave out the division by ln 2.", lambda: bounds.bits(_gap(_WIDER))),
        Slip("You forgot the factor ½ in front.", lambda: 2 * _gap(_WIDER)),
    ],
    why="With r = 10 for the quotient of the variances the gap is ½(r − 1 − ln r). "
    f"Proposals with a tenth of the variance, r = 0.1, lose only {_gap(1 / _WIDER):.1f} nats: they miss some codes that fit, "
    "but wide ones propose codes that could hardly have led to x.",
)

# prior-bits: pixels of −1 and 1, so that the mean square is 1, and ᾱ_T = 0.05.
_LEFT = 0.05


def _prior(second_moment: float) -> float:
    """L_T in nats, from equation prior-term."""
    return (_LEFT * second_moment - _LEFT - math.log(1 - _LEFT)) / 2


predict(
    "prior-bits",
    lambda: bounds.bits(_prior(1)),
    [
        Slip("That is L_T in nats: divide by ln 2 to have bits.", lambda: _prior(1)),
        Slip("You forgot the factor ½ in front.", lambda: 2 * bounds.bits(_prior(1))),
        Slip(
            "That is for a whole picture: it was asked for one pixel, one of 784 dimensions.",
            lambda: 784 * bounds.bits(_prior(1)),
        ),
        Slip(
            "You took M = 0, as if all pixels were grey: the square of −1 and of 1 is 1.",
            lambda: bounds.bits(_prior(0)),
        ),
    ],
    why="For pixels of mean square 1 the first two terms cancel, and −½ log₂(1 − ᾱ_T) is left.",
)
