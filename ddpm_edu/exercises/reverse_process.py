"""Exercises of the chapter reverse-process."""

from __future__ import annotations

import math

from ..densities import Mixture
from ..reverse import tweedie
from . import given
from .register import Slip, predict, program

# step-back-mean: x_{t−1} is N(2, 1), and the step has √α_t = 0.9.
_BEFORE = Mixture([1], [2], [1])
_ALPHA, _BETA, _X_T = 0.81, 0.19, 0.9


def _up(score: float, divisor: float) -> float:
    return (_X_T + _BETA * score) / divisor


def _score_after() -> float:
    return float(_BEFORE.push(math.sqrt(_ALPHA), _BETA).score(_X_T))


predict(
    "step-back-mean",
    lambda: float(tweedie(_BEFORE, _ALPHA, _BETA, _X_T)[0]),
    [
        Slip(
            "You went downhill: β_t times the score is added to x_t, because the score points to where there are more numbers.",
            lambda: _up(-_score_after(), math.sqrt(_ALPHA)),
        ),
        Slip(
            "You divided by α_t: the step had shrunk x_{t−1} by the root √α_t, and this is what is undone.",
            lambda: _up(_score_after(), _ALPHA),
        ),
        Slip(
            "You took the score of q_{t−1}, the density before the step: the exact formula has that of q_t, the density after it.",
            lambda: _up(float(_BEFORE.score(_X_T)), math.sqrt(_ALPHA)),
        ),
    ],
    relative=0.01,
    why="After the step the law is N(1.8, 1), because √α_t is 0.9 and α_t + β_t is 1. "
    "Its score at 0.9 is 1.8 − 0.9 = 0.9, uphill, and the mean is (0.9 + 0.19 · 0.9)/0.9.",
)

# points-variance: the data are −1 and 1, each with probability ½, and x_1 = 0.
_BETA_1 = 0.2


def _two_points(x_1: float, beta: float) -> float:
    """The variance of x_0 given x_1, by Bayes' rule."""
    likelihoods = {x_0: math.exp(-((x_1 - math.sqrt(1 - beta) * x_0) ** 2) / (2 * beta)) for x_0 in (-1, 1)}
    mean = sum(x_0 * weight for x_0, weight in likelihoods.items()) / sum(likelihoods.values())
    return 1 - mean**2  # the square of x_0 is 1


predict(
    "points-variance",
    lambda: _two_points(0.0, _BETA_1),
    [
        Slip(
            "You took β_1/α_1, to which the variance tends if the density is smooth over the width of the step: two points are not.",
            _BETA_1 / (1 - _BETA_1),
        ),
        Slip(
            "You took β_1, the variance of the step out: the step back from here must choose between two points.",
            _BETA_1,
        ),
    ],
    why="By symmetry both points are equally likely, so x_0 is −1 or 1 around the mean 0, and its square is 1, whatever β_1 is. "
    "The formula says the same: in the valley the slope of the score is large and positive.",
)


def _tweedie(x_t: float, score: float, slope: float, beta: float) -> tuple[float, float]:
    alpha = 1 - beta
    return (x_t + beta * score) / math.sqrt(alpha), beta / alpha * (1 + beta * slope)


program(
    "tweedie",
    _tweedie,
    {
        "x_t": given.numbers(-3, 3),
        "score": given.numbers(-5, 5),
        "slope": given.numbers(-1, 5),
        "beta": given.numbers(0.01, 0.9),
    },
    [
        Slip(
            "Your mean goes downhill: β_t times the score is added to x_t, not subtracted from it.",
            lambda x_t, score, slope, beta: (
                (x_t - beta * score) / (1 - beta) ** 0.5,
                _tweedie(x_t, score, slope, beta)[1],
            ),
        ),
        Slip(
            "Your mean is divided by α_t: a root is missing, since the step shrinks by √α_t.",
            lambda x_t, score, slope, beta: ((x_t + beta * score) / (1 - beta), _tweedie(x_t, score, slope, beta)[1]),
        ),
        Slip(
            "Your variance is divided by √α_t: a variance is shrunk by the square of that, which is α_t.",
            lambda x_t, score, slope, beta: (
                _tweedie(x_t, score, slope, beta)[0],
                beta / (1 - beta) ** 0.5 * (1 + beta * slope),
            ),
        ),
        Slip(
            "Your variance is β_t/α_t: this is the leading order, and the exact variance has the factor 1 + β_t·s_t′ as well.",
            lambda x_t, score, slope, beta: (_tweedie(x_t, score, slope, beta)[0], beta / (1 - beta)),
        ),
        Slip(
            "Your variance lacks a factor β_t before the slope of the score: the bracket is 1 + β_t·s_t′.",
            lambda x_t, score, slope, beta: (_tweedie(x_t, score, slope, beta)[0], beta / (1 - beta) * (1 + slope)),
        ),
    ],
    why="Two numbers, the score at x_t and its slope, are all that the first two moments of the step back take from the data.",
)


def _halved(power: int) -> float:
    """What becomes of the sum if there are twice as many steps, each β is halved, and a divergence goes like β^power."""
    return 2 * 0.5**power


predict(
    "halved-steps",
    lambda: _halved(3),
    [
        Slip("That is what becomes of one step's divergence: there are twice as many of them now.", 0.5**3),
        Slip("You let the divergence of a step fall like β²: it falls like β³.", lambda: _halved(2)),
        Slip(
            "You divided the old sum by the new one: the factor is the new one divided by the old.",
            lambda: 1 / _halved(3),
        ),
    ],
    why="Each divergence becomes 2³ = 8 times smaller, and there are twice as many, so the sum goes like 1/T². "
    "With 20 times fewer steps, 50 for 1,000, it grows 20² = 400 times, if the law of the third power holds so far: "
    "a method with so few steps must not rely on the Gaussian form of each.",
)
