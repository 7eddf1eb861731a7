"""Exercises of the chapter schedules."""

from __future__ import annotations

import math

import numpy as np

from .. import schedules
from .given import alpha_bars, betas
from .register import Slip, predict, program


def _first(share: float) -> float:
    return float(np.argmax(schedules.linear().alpha_bar <= share))


predict(
    "schedules-nine-tenths",
    lambda: _first(0.1),
    [
        Slip(
            "You found where one tenth is lost, ᾱ = 0.9. Nine tenths are lost where one tenth is left.",
            lambda: _first(0.9),
        ),
        Slip(
            "You let the factor √ᾱ fall to 0.1. The share of the variance is ᾱ itself.",
            lambda: _first(0.01),
        ),
        Slip(
            "You let the sum of the β reach 0.9. They are shares of what is left, so they multiply: "
            "ᾱ is about e to the minus sum, and the sum has to reach ln 10.",
            lambda: float(np.argmax(np.cumsum(schedules.linear().beta) >= 0.9)),
        ),
    ],
    why="The sum of the β up to t is about 10⁻⁵ t², and it must reach ln 10, so t is about 480. "
    "Counting gives a little less, because β₁ is not 0 and the true product is smaller than the exponential.",
)

predict(
    "schedules-fewer-steps",
    lambda: schedules.linear(200).alpha_bar[200],
    [
        Slip(
            "You took ᾱ after 200 of 1,000 steps, where β has only reached 0.004. With T = 200 and the same range it climbs "
            "to 0.02 within these 200 steps (section “Fewer steps, same β”).",
            lambda: schedules.linear(1000).alpha_bar[200],
        ),
        Slip(
            "You gave the end of 1,000 steps. The range of β alone does not settle where the chain ends: fewer steps have a "
            "smaller sum of β, and keep more (section “Fewer steps, same β”).",
            lambda: schedules.linear(1000).alpha_bar[1000],
        ),
        Slip(
            "You took 0.02 for the β of every step. It rises to that from almost 0, and is about 0.01 on average.",
            lambda: schedules.constant(200, 0.02).alpha_bar[200],
        ),
        Slip(
            "You gave √ᾱ, the factor of x_0; the share of the variance is its square.",
            lambda: math.sqrt(schedules.linear(200).alpha_bar[200]),
        ),
    ],
    relative=0.04,
    why="The mean β is 0.01005, so the sum of all is about 2, and ᾱ is about e to the minus sum. "
    "To end where 1,000 steps end, β would have to be five times as large.",
)


def _snr(alpha_bar: float) -> float:
    return alpha_bar / (1 - alpha_bar)


predict(
    "schedules-nats",
    lambda: math.log(_snr(0.5) / _snr(0.5 * 0.8)),
    [
        Slip(
            "You took the logarithm of ᾱ only, −ln(1−β). The signal shrinks by that, but the noise 1 − ᾱ grows as well, and the "
            "ratio falls by both.",
            lambda: -math.log(0.8),
        ),
        Slip(
            "You gave the difference of the two ratios; the fall in nats is the difference of their logarithms.",
            lambda: _snr(0.5) - _snr(0.5 * 0.8),
        ),
        Slip(
            "You took the logarithm to base 10; nats belong to the natural one.",
            lambda: math.log10(_snr(0.5) / _snr(0.5 * 0.8)),
        ),
        Slip(
            "You took ᾱ − β for the new ᾱ. A step takes the share β of what is left, so that it is ᾱ(1−β).",
            lambda: math.log(_snr(0.5) / _snr(0.5 - 0.2)),
        ),
    ],
    why="ᾱ goes from 0.5 to 0.5 · 0.8 = 0.4, so the ratio goes from 1 to 2/3. Where ᾱ is nearly 1 the same β is a much larger step "
    "in nats: it multiplies the little noise that there is.",
)


program(
    "schedules-alpha-bar",
    lambda beta: np.cumprod(1 - beta),
    {"beta": betas()},
    [
        Slip(
            "Your product stops at step t − 1. ᾱ_t has α_t in it; only at t = 0 is the product empty.",
            lambda beta: np.append(1.0, np.cumprod(1 - beta)[:-1]),
        ),
        Slip(
            "You gave α_t, what one step keeps. ᾱ_t is the product of all of them up to t.",
            lambda beta: 1 - beta,
        ),
        Slip(
            "You multiplied the β. A product of many small numbers is next to nothing; the factors are 1 − β.",
            lambda beta: np.cumprod(beta),
        ),
        Slip(
            "You subtracted the β one after the other. Each takes its share of what is left, not of the whole, so it is "
            "1 − β that is multiplied.",
            lambda beta: 1 - np.cumsum(beta),
        ),
        Slip(
            "This is e to the minus sum of the β. It comes near where all β are small; the exact product is a little smaller.",
            lambda beta: np.exp(-np.cumsum(beta)),
        ),
    ],
    why="Because β_0 = 0 stands at index 0, no product has to be shifted.",
)

program(
    "schedules-beta",
    lambda alpha_bar: np.append(0.0, 1 - alpha_bar[1:] / alpha_bar[:-1]),
    {"alpha_bar": alpha_bars()},
    [
        Slip(
            "You subtracted neighbours. ᾱ_{t−1} − ᾱ_t is what step t takes of the whole, and β_t its share of what was left: "
            "divide by ᾱ_{t−1}.",
            lambda alpha_bar: np.append(0.0, alpha_bar[:-1] - alpha_bar[1:]),
        ),
        Slip(
            "You gave 1 − ᾱ_t, all the noise so far. β_t belongs to one step.",
            lambda alpha_bar: 1 - alpha_bar,
        ),
        Slip(
            "You gave the quotients themselves, which are α_t; β_t is 1 minus that.",
            lambda alpha_bar: np.append(1.0, alpha_bar[1:] / alpha_bar[:-1]),
        ),
        Slip(
            "You divided by ᾱ_t. The share is one of what was there before the step, ᾱ_{t−1}.",
            lambda alpha_bar: np.append(0.0, alpha_bar[:-1] / alpha_bar[1:] - 1),
        ),
    ],
    why="A schedule can be told by its β or by its ᾱ; either gives the other.",
)
