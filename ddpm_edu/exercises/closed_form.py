"""Exercises of the chapter closed-form."""

from __future__ import annotations

import math

import numpy as np

from .. import schedules
from .given import alpha_bars, arrays, like, steps, whole
from .register import Slip, predict, program


def _kept(t: int) -> float:
    return float(schedules.constant(50, 0.02).alpha_bar[t])


predict(
    "closed-form-covariance",
    lambda: math.sqrt(_kept(50) / _kept(20)) * (1 - _kept(20)),
    [
        Slip(
            "That would be right for two jumps, each with a draw of its own. On one walk the noise of the first 20 steps is "
            "in both (section “Two steps”).",
            lambda: 0.0,
        ),
        Slip(
            "You gave the variance of x₂₀, the noise that both share. On the way to x₅₀ it is shrunk by √(ᾱ₅₀/ᾱ₂₀).",
            lambda: 1 - _kept(20),
        ),
        Slip(
            "You shrank the shared noise by ᾱ₅₀/ᾱ₂₀. Only one of the two is shrunk, x₅₀, and by the root of that.",
            lambda: _kept(50) / _kept(20) * (1 - _kept(20)),
        ),
        Slip(
            "You shrank the shared noise by √ᾱ₅₀, as if all 50 steps lay behind it. After x₂₀ only 30 steps follow: "
            "ᾱ₅₀/ᾱ₂₀ takes the place of ᾱ₅₀.",
            lambda: math.sqrt(_kept(50)) * (1 - _kept(20)),
        ),
    ],
    why="On one walk x₅₀ is √(ᾱ₅₀/ᾱ₂₀) x₂₀ plus noise that is independent of x₂₀, and the variance of x₂₀ is 1 − ᾱ₂₀. "
    "With β = 0.02 throughout, ᾱ₂₀ = 0.98²⁰ and ᾱ₅₀/ᾱ₂₀ = 0.98³⁰.",
)


def _rootless() -> np.ndarray:
    kept = schedules.linear().alpha_bar
    return kept + (1 - kept) ** 2


predict(
    "closed-form-root",
    lambda: float(np.min(_rootless())),
    [
        Slip(
            "You gave ᾱ_t where the variance is smallest; the variance there is ᾱ_t + (1−ᾱ_t)².",
            lambda: float(schedules.linear().alpha_bar[np.argmin(_rootless())]),
        ),
        Slip(
            "You gave the variance of the right recipe. Here ε has the factor 1 − ᾱ_t, whose square is the variance.",
            lambda: 1.0,
        ),
        Slip(
            "You gave the standard deviation; the variance is its square.",
            lambda: math.sqrt(np.min(_rootless())),
        ),
        Slip(
            "You left the data out and gave the variance of the noise alone. ᾱ_t comes from the data.",
            lambda: float((1 - schedules.linear().alpha_bar[np.argmin(_rootless())]) ** 2),
        ),
    ],
    why="The variance is ᾱ + (1−ᾱ)² = 1 − ᾱ + ᾱ², smallest at ᾱ = 1/2. At both ends it is 1: start and end of the chain look "
    "right, and only the middle has too little noise, which is why the slip survives.",
)

predict(
    "closed-form-neighbours",
    lambda: 0.5 * 0.4 / (0.5 * 0.5 + 0.5),
    [
        Slip(
            "You gave the covariance. The correlation is the covariance divided by the variance of a pixel, "
            "ᾱ_t v + 1 − ᾱ_t.",
            lambda: 0.5 * 0.4,
        ),
        Slip(
            "You let the variances shrink as the covariance does. The noise adds 1 − ᾱ_t to each of them, and nothing to the "
            "covariance (section “Pixels at the end”).",
            lambda: 0.4 / 0.5,
        ),
        Slip(
            "You multiplied the correlation by ᾱ_t. That is what becomes of the covariance; the correlation also feels the "
            "variances, which are ᾱ_t v + 1 − ᾱ_t (section “Pixels at the end”).",
            lambda: 0.5 * 0.4 / 0.5,
        ),
    ],
    why="The covariance becomes ᾱ c = 0.2 and each variance ᾱ v + 1 − ᾱ = 0.75. "
    "The correlation falls faster than ᾱ here, because v is less than the 1 to which the variances go.",
)


def _q_sample(x_0: np.ndarray, t: int, alpha_bar: np.ndarray, eps: np.ndarray) -> np.ndarray:
    return _mix(x_0, alpha_bar[t], eps)


def _mix(x: np.ndarray, kept: float, eps: np.ndarray) -> np.ndarray:
    return kept**0.5 * x + (1 - kept) ** 0.5 * eps


program(
    "q-sample",
    _q_sample,
    {
        "alpha_bar": alpha_bars(),
        "t": lambda alpha_bar: steps(len(alpha_bar) - 1),
        "x_0": arrays(-2, 2),
        "eps": lambda x_0: like(x_0, -2, 2),
    },
    [
        Slip(
            "You scaled the noise by its variance, 1 − ᾱ_t; ε has variance 1 and is scaled by the standard deviation, the root.",
            lambda x_0, t, alpha_bar, eps: alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) * eps,
        ),
        Slip(
            "You multiplied x_0 by ᾱ_t. That is the share of its variance that is left; x_0 itself keeps the root, √ᾱ_t.",
            lambda x_0, t, alpha_bar, eps: alpha_bar[t] * x_0 + (1 - alpha_bar[t]) ** 0.5 * eps,
        ),
        Slip(
            "Both roots are missing: ᾱ_t and 1 − ᾱ_t are variances, and the factors are their roots.",
            lambda x_0, t, alpha_bar, eps: alpha_bar[t] * x_0 + (1 - alpha_bar[t]) * eps,
        ),
        Slip(
            "You counted t from 0 and took ᾱ_{t−1}. Index 0 of `alpha_bar` is the clean data, so that `alpha_bar[t]` is ᾱ_t.",
            lambda x_0, t, alpha_bar, eps: _mix(x_0, alpha_bar[t - 1], eps),
        ),
        Slip(
            "You used α_t, which takes x_0 one step on. The jump from x_0 to x_t needs the product of all steps, ᾱ_t.",
            lambda x_0, t, alpha_bar, eps: _mix(x_0, alpha_bar[t] / alpha_bar[t - 1], eps),
        ),
        Slip(
            "You exchanged the two factors: the data get √ᾱ_t, which falls with t, and the noise √(1−ᾱ_t), which rises.",
            lambda x_0, t, alpha_bar, eps: (1 - alpha_bar[t]) ** 0.5 * x_0 + alpha_bar[t] ** 0.5 * eps,
        ),
    ],
    why="All of training rests on this line: one draw, however large t is.",
)

program(
    "jump-on",
    lambda x_s, s, t, alpha_bar, eps: _mix(x_s, alpha_bar[t] / alpha_bar[s], eps),
    {
        "alpha_bar": arrays(0.01, 0.5, (5,)).map(lambda beta: np.cumprod(np.append(1.0, 1 - beta))),
        "t": whole(2, 5),
        "s": lambda t: whole(0, t - 1),
        "x_s": arrays(-2, 2),
        "eps": lambda x_s: like(x_s, -2, 2),
    },
    [
        Slip(
            "You used ᾱ_t, which starts from clean data. x_s has s steps behind it already; ᾱ_t/ᾱ_s is what the rest keeps.",
            lambda x_s, s, t, alpha_bar, eps: _mix(x_s, alpha_bar[t], eps),
        ),
        Slip(
            "You shrank x_s rightly and then added the noise of all t steps. x_s brings the noise of its own s steps along; "
            "what is added has variance 1 − ᾱ_t/ᾱ_s.",
            lambda x_s, s, t, alpha_bar, eps: (
                (alpha_bar[t] / alpha_bar[s]) ** 0.5 * x_s + (1 - alpha_bar[t]) ** 0.5 * eps
            ),
        ),
        Slip(
            "You added noise of variance ᾱ_s − ᾱ_t, the difference of 1 − ᾱ_t and 1 − ᾱ_s. But the noise in x_s is shrunk on the "
            "way, so that more is needed: 1 − ᾱ_t/ᾱ_s.",
            lambda x_s, s, t, alpha_bar, eps: (
                (alpha_bar[t] / alpha_bar[s]) ** 0.5 * x_s + (alpha_bar[s] - alpha_bar[t]) ** 0.5 * eps
            ),
        ),
        Slip(
            "You used ᾱ_{t−s}, as if all stretches of t − s steps were alike. That is so only where every step has the same β.",
            lambda x_s, s, t, alpha_bar, eps: _mix(x_s, alpha_bar[t - s], eps),
        ),
    ],
    why="With s = 0 it is the jump from clean data, and with s = t − 1 a single step.",
)
