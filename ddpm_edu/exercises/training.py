"""Exercises of the chapter training."""

from __future__ import annotations

import math

import numpy as np

from .. import schedules
from .given import arrays, numbers, whole
from .register import Slip, predict, program


def _same_snr(factor: float) -> float:
    """The t of the linear schedule whose signal-to-noise ratio is nearest to `factor` times that of t = 500."""
    snr = schedules.linear().snr
    return float(np.argmin(np.abs(np.log(snr[1:] / (factor * snr[500])))) + 1)


predict(
    "unit-interval",
    lambda: _same_snr(4),
    [
        Slip(
            "You halved the signal-to-noise ratio. The data is half as wide, and the ratio is one of variances: a quarter.",
            lambda: _same_snr(2),
        ),
        Slip(
            "You went the wrong way. Narrow data is lost in the noise sooner, so the same ratio comes at an earlier step.",
            lambda: _same_snr(1 / 4),
        ),
        Slip(
            "You divided the step by four. It is the ratio that falls by that factor, and it is no straight line in t.",
            125,
        ),
    ],
    absolute=1.5,
    why="Halving the data quarters its variance and moves the log-SNR of every step by ln 4. The step whose ratio was four times "
    "that of t = 500 now has the ratio of 500, and more of the thousand steps go where nothing is left to see.",
)

predict(
    "average-half-life",
    lambda: math.log(2) / -math.log(0.999),
    [
        Slip(
            "You let it lose the same amount at every step. It loses a thousandth of what is left, and that grows less and less.",
            500,
        ),
        Slip(
            "After 1/0.001 steps a share of 1/e is left, which is 37 per cent; half of it is left earlier.",
            1000,
        ),
        Slip(
            "So many steps with 0.98, the value of the short run, would do. The question is for 0.999.",
            lambda: math.log(2) / -math.log(0.98),
        ),
    ],
    why="0.999^n = 1/2 at n = ln 2 / −ln 0.999. That is why the averaged weights of the recorded run look so bad at first, and why "
    "the run of two hundred steps averages with 0.98.",
)


program(
    "even-times",
    lambda u, T: math.floor(u * T) + 1,
    {"u": numbers(0, 0.999), "T": whole(1, 10)},
    [
        Slip(
            "Yours runs from 0 to T − 1: the network would be asked about step 0, which adds no noise, and would never be "
            "trained at T, where every sample starts.",
            lambda u, T: math.floor(u * T),
        ),
        Slip(
            "Yours never reaches T: u is below 1, and T − 1 intervals make T − 1 steps. Sampling starts at T.",
            lambda u, T: math.floor(u * (T - 1)) + 1,
        ),
        Slip(
            "You rounded to the nearest: that gives T + 1 numbers, from 0 to T, and the two at the ends half as often.",
            lambda u, T: round(u * T),
        ),
        Slip(
            "You rounded up. That is right nearly always, but u can be 0, and then it gives step 0.",
            lambda u, T: math.ceil(u * T),
        ),
        Slip(
            "You rounded u·(T − 1) + 1 to the nearest step: every step is reached, but 1 and T only half as often as the others.",
            lambda u, T: round(u * (T - 1)) + 1,
        ),
        Slip(
            "The step must be a whole number: round down before you add 1.",
            lambda u, T: u * T + 1,
        ),
    ],
    why="Each of the steps 1 to T is met for one T-th of all u. Where the sampler asks for a step that training never drew, "
    "the network answers by guesswork.",
)


def _average(weights: np.ndarray, keep: float) -> float:
    average = weights[0]
    for weight in weights[1:]:
        average = keep * average + (1 - keep) * weight
    return float(average)


def _from_zero(weights: np.ndarray, keep: float) -> float:
    return _average(np.append(0.0, weights), keep)


program(
    "moving-average",
    _average,
    {"weights": arrays(-3, 3), "keep": numbers(0.01, 0.99)},
    [
        Slip(
            "You exchanged the two factors: the average keeps `keep` of itself, nearly all, and takes 1 − `keep` from the weight.",
            lambda weights, keep: _average(weights, 1 - keep),
        ),
        Slip(
            "You started from 0. The average then is too small until it has forgotten that start; it begins with the first weight.",
            _from_zero,
        ),
        Slip(
            "You took the plain mean of all steps, which remembers the untrained weights as well as the newest.",
            lambda weights, keep: float(np.mean(weights)),
        ),
        Slip(
            "You added the whole new weight. The two factors must have the sum 1, or it is no average.",
            lambda weights, keep: float(sum(keep**n * weight for n, weight in enumerate(weights[::-1]))),
        ),
    ],
    why="One line, and no list of old weights: each fades by itself, by the factor `keep` at every step.",
)


def _rate(step: int, steps: int, warmup: int) -> float:
    return _rate_of(step, steps, warmup, lambda through: 0.5 * (1 + math.cos(math.pi * through)))


def _rate_of(step: int, steps: int, warmup: int, fall: object) -> float:
    assert callable(fall)
    return float((step + 1) / warmup if step < warmup else fall((step - warmup) / (steps - warmup)))


program(
    "rate-factor",
    _rate,
    {"warmup": whole(1, 5), "steps": lambda warmup: whole(warmup + 1, 20), "step": lambda steps: whole(0, steps - 1)},
    [
        Slip(
            "Your first step has the rate 0 and teaches nothing: after `step` steps, the next is number `step` + 1.",
            lambda step, steps, warmup: step / warmup if step < warmup else _rate(step, steps, warmup),
        ),
        Slip(
            "Your cosine falls from 1 to −1, and from its middle on the steps go uphill. Half of it, lifted by a half, ends at 0.",
            lambda step, steps, warmup: _rate_of(step, steps, warmup, lambda through: math.cos(math.pi * through)),
        ),
        Slip(
            "You measured the cosine from the first step of all, so that it begins below 1. It sets in where the rise ends.",
            lambda step, steps, warmup: (
                (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * step / steps))
            ),
        ),
        Slip(
            "You took a quarter of a wave, cos(πx/2). It ends at 0 too, but falls fastest there, where the steps should settle.",
            lambda step, steps, warmup: _rate_of(step, steps, warmup, lambda through: math.cos(math.pi * through / 2)),
        ),
        Slip(
            "You let the rate fall in a straight line. The cosine stays high for longer, and is flat at both ends.",
            lambda step, steps, warmup: _rate_of(step, steps, warmup, lambda through: 1 - through),
        ),
    ],
    why="At the end of the rise the two pieces meet at 1, and the last steps are as small as they can be.",
)
