"""Exercises of the chapter ddpm-in-one-dimension."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.special import xlogy

from .. import bounds, schedules
from ..densities import Histogram
from . import given
from .register import Slip, predict, program

# least-loss: data from N(0, ¼), and ᾱ_t = 0.4.
_V_0, _KEPT = 0.25, 0.4


def _answered() -> float:
    """The mean square of the best guess, √(1−ᾱ_t)·x_t/v_t."""
    return (1 - _KEPT) / (1 + _KEPT * (_V_0 - 1))


predict(
    "least-loss",
    lambda: 1 - _answered(),
    [
        Slip(
            "Not even the best guess is free of error: many pairs of a number and a noise lead to the same x_t, and it must answer them all alike.",
            0.0,
        ),
        Slip("That is the mean square of the best guess: what it pays is 1 less that.", _answered),
        Slip(
            "That would be right for data of variance 1: here x_t has the variance 1 + ᾱ_t(v_0 − 1), which is 0.7.",
            _KEPT,
        ),
    ],
    absolute=0.004,
    why="The best guess is √0.6·x_t/0.7, its mean square is 0.6/0.7, and what it pays is 1 less that: a loss of 0 cannot be had.",
)


def _ancestral_step(x_t: float, eps: float, z: float, t: int, beta: np.ndarray) -> float:
    return _step(x_t, eps, z, t, beta)


def _step(
    x_t: float, eps: float, z: float, t: int, beta: np.ndarray, sigma: float | None = None, sign: int = 1
) -> float:
    """One step with the given σ_t, or √β_t and none at t = 1."""
    alpha_bar = np.cumprod(1 - beta)
    mean = (x_t - sign * beta[t] / (1 - alpha_bar[t]) ** 0.5 * eps) / (1 - beta[t]) ** 0.5
    if sigma is None:
        sigma = beta[t] ** 0.5 if t > 1 else 0.0
    return float(mean + sigma * z)


def _beta_tilde(t: int, beta: np.ndarray) -> float:
    alpha_bar = np.cumprod(1 - beta)
    return float(beta[t] * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]))


def _shifted(x_t: float, eps: float, z: float, t: int, beta: np.ndarray) -> float:
    alpha_bar = np.cumprod(1 - beta)
    with np.errstate(invalid="ignore"):  # at t = 1 it divides 0 by 0
        mean = (x_t - beta[t - 1] / (1 - alpha_bar[t - 1]) ** 0.5 * eps) / (1 - beta[t - 1]) ** 0.5
    return float(mean + (beta[t - 1] ** 0.5 * z if t > 1 else 0.0))


program(
    "ancestral-step",
    _ancestral_step,
    {
        "x_t": given.numbers(-3, 3),
        "eps": given.numbers(-3, 3),
        "z": given.numbers(-3, 3),
        "beta": given.betas(),
        "t": lambda beta: given.steps(len(beta) - 1),
    },
    [
        Slip(
            "You add noise at the last step too: at t = 1 the mean is returned, since no later step would take the noise away.",
            lambda x_t, eps, z, t, beta: _step(x_t, eps, z, t, beta, beta[t] ** 0.5),
        ),
        Slip(
            "A root is missing: z is multiplied by σ_t = √β_t, and you multiplied it by the variance β_t.",
            lambda x_t, eps, z, t, beta: _step(x_t, eps, z, t, beta, beta[t] if t > 1 else 0.0),
        ),
        Slip(
            "Your noise has the variance β̃_t: a good sampler too, but the exercise asks for σ_t² = β_t.",
            lambda x_t, eps, z, t, beta: _step(x_t, eps, z, t, beta, _beta_tilde(t, beta) ** 0.5),
        ),
        Slip(
            "You return the mean at every step: for t above 1 the fresh noise √β_t·z must be added, or the particles huddle together.",
            lambda x_t, eps, z, t, beta: _step(x_t, eps, z, t, beta, 0.0),
        ),
        Slip(
            "You put the guessed noise in: it is taken out, with a minus sign.",
            lambda x_t, eps, z, t, beta: _step(x_t, eps, z, t, beta, sign=-1),
        ),
        Slip(
            "You read the arrays at t − 1, as if they began with β_1: they begin with the clean data, so that β_t is `beta[t]`.",
            _shifted,
        ),
    ],
    why="Call it for t = T down to 1, with a network's guess and fresh z each time, and you have the whole sampler.",
)


# one-step-sampler: data from N(0, ¼), T = 1 and β_1 = 0.96.
_BETA_1 = 0.96


def _one_step(noise: float) -> float:
    """The standard deviation after a single step from N(0, 1), with the best guess and last noise of that variance."""
    v_1 = (1 - _BETA_1) * _V_0 + _BETA_1
    factor = (1 - _BETA_1 / v_1) / math.sqrt(1 - _BETA_1)
    return math.sqrt(factor**2 + noise)


predict(
    "one-step-sampler",
    lambda: _one_step(0.0),
    [
        Slip(
            "That is the spread of the data, which many steps would reach: one step returns the mean of all that may be behind x_1.",
            lambda: math.sqrt(_V_0),
        ),
        Slip(
            "You added noise of variance β_1 in the last step, which here is the only one: at t = 1 the mean is returned.",
            lambda: _one_step(_BETA_1),
        ),
        Slip("That is the variance: the standard deviation is its root.", lambda: _one_step(0.0) ** 2),
    ],
    why="x_1 has variance v_1 = 0.97, and the mean returned is a_1·x_1 with a_1 = (1 − 0.96/0.97)/0.2, while the walk starts from N(0, 1). "
    "The mean of what may be behind x_1 hardly depends on x_1: all samples lie near the middle.",
)


def _clipped_mean(x_t: float, eps: float, t: int, beta: np.ndarray) -> float:
    alpha_bar = np.cumprod(1 - beta)
    x_0 = np.clip((x_t - (1 - alpha_bar[t]) ** 0.5 * eps) / alpha_bar[t] ** 0.5, -1, 1)
    return _mixture(x_t, float(x_0), t, beta)


def _mixture(x_t: float, x_0: float, t: int, beta: np.ndarray) -> float:
    alpha_bar = np.cumprod(1 - beta)
    on_x_0, on_x_t = alpha_bar[t - 1] ** 0.5 * beta[t], (1 - beta[t]) ** 0.5 * (1 - alpha_bar[t - 1])
    return float((on_x_0 * x_0 + on_x_t * x_t) / (1 - alpha_bar[t]))


def _guess(x_t: float, eps: float, t: int, beta: np.ndarray) -> float:
    alpha_bar = np.cumprod(1 - beta)
    return float((x_t - (1 - alpha_bar[t]) ** 0.5 * eps) / alpha_bar[t] ** 0.5)


def _clipped_late(x_t: float, eps: float, t: int, beta: np.ndarray) -> float:
    return float(np.clip(_mixture(x_t, _guess(x_t, eps, t, beta), t, beta), -1, 1))


program(
    "clipped-mean",
    _clipped_mean,
    {
        "x_t": given.numbers(-3, 3),
        "eps": given.numbers(-3, 3),
        "beta": given.betas(),
        "t": lambda beta: given.steps(len(beta) - 1),
    },
    [
        Slip(
            "You took the mean from the noise as it was guessed, so the clipping has no effect: "
            "once x̂_0 is held in [−1, 1], the mean must be taken from x̂_0, by the weights of the posterior.",
            lambda x_t, eps, t, beta: _mixture(x_t, _guess(x_t, eps, t, beta), t, beta),
        ),
        Slip(
            "You held the mean in [−1, 1]: it is x̂_0, the guess of the data, that must lie there. A noisy mean may lie outside.",
            _clipped_late,
        ),
        Slip(
            "You return x̂_0: it is the end of the way, and a step goes to the posterior's mean between it and x_t.",
            lambda x_t, eps, t, beta: float(np.clip(_guess(x_t, eps, t, beta), -1, 1)),
        ),
    ],
    why="Where x̂_0 is in range this is the mean from the noise; where it is not, the step is held back.",
)

# one-d-steps: the chapter's histogram, and schedules with β_1 = 0.1/T and β_T = 20/T.
_FEW, _MORE = 25, 100


def _two_humps() -> Histogram:
    x = np.linspace(-3, 3, 32, endpoint=False) + 3 / 32
    heights = np.exp(-2 * (x + 1.3) ** 2) + 1.5 * np.exp(-2 * (x - 1.4) ** 2)
    return Histogram(np.linspace(-1, 1, 33), heights)


@cache
def _above_entropy(T: int) -> float:
    """By how many nats the bound of the exact guess lies above the entropy, by quadrature on a fine grid."""
    data, schedule, grid = _two_humps(), schedules.linear(T, 0.1 / T, 20 / T), np.linspace(-5.5, 5.5, 1101)
    nats = float(xlogy(data.masses, data.heights).sum())
    for t in range(1, T + 1):
        noisy = data.push(schedule.alpha_bar[t] ** 0.5, schedule.noise[t])
        square = (noisy.pdf(grid) * noisy.score(grid) ** 2).sum() * (grid[1] - grid[0])
        nats += bounds.eps_weight(t, schedule, schedule.beta[t]) * (1 - schedule.noise[t] * square)
    nats += bounds.variance_cost(np.arange(2, T + 1), schedule).sum()
    nats += math.log(2 * math.pi * schedule.beta[1]) / 2
    return float(nats + bounds.prior_term(data.variance + data.mean**2, schedule))


predict(
    "one-d-steps",
    lambda: _above_entropy(_FEW) / _above_entropy(_MORE),
    [
        Slip(
            "You let the distance fall exactly like 1/T. It is somewhat less: 25 steps are too few for that law, "
            "and the sharp edges of the bars are bad for it.",
            _MORE / _FEW,
        ),
        Slip(
            "You let the distance fall like 1/T², as the departure from the Gaussian form does where the data is smooth. "
            "Here the variance β_t is not quite the right one either, and what that costs falls only like 1/T.",
            (_MORE / _FEW) ** 2,
        ),
        Slip(
            "You let the distance fall like the third power of β. That is what one step loses by its form, "
            "but there are more steps now, and their variance is not quite right either.",
            (_MORE / _FEW) ** 3,
        ),
    ],
    relative=0.05,
    why="T grows by a factor of 4, and the distance falls not quite as 1/T. "
    "Twice the steps, and twice the work, leave a little over half of it.",
)


# entropy-of-one-bar: all mass in one of 32 bars on [−1, 1].
_BARS = 32


def _entropy() -> float:
    """In nats, by equation entropy, with the bar's height from the package."""
    bar = Histogram(np.linspace(-1, 1, _BARS + 1), np.eye(_BARS)[0])
    return -math.log(bar.heights[0])


predict(
    "entropy-of-one-bar",
    lambda: bounds.bits(_entropy()),
    [
        Slip(
            "The sign: the density is above 1 there, so minus its logarithm is negative.",
            lambda: -bounds.bits(_entropy()),
        ),
        Slip(
            "You took each bar for 1/32 wide: 32 of them share an interval of length 2, so each is 1/16 wide and the density is 16.",
            lambda: -math.log2(_BARS),
        ),
        Slip("That is in nats: divide by ln 2 to have bits.", _entropy),
        Slip("An entropy of 0 belongs to one certain value: within the bar every number is equally likely.", 0.0),
    ],
    absolute=0.04,
    why="The density in the bar is 16, and −log₂ 16 is below 0: a precision of 1 would be coarse here. "
    "A bar half as wide has one bit less, and so on without end.",
)
