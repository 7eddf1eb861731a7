"""Checks of the chapter why-diffusion: one step as a change, and as a stretch of the Ornstein–Uhlenbeck process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import forward
from .evaluate import Moments, World
from .register import Case, function, parsed


def _step(rng: np.random.Generator) -> tuple[World, np.ndarray, np.ndarray]:
    """Five numbers x_{t−1}, and forward.kernel_step's x_t with β somewhere between 0.05 and 0.9."""
    beta, seed = rng.uniform(0.05, 0.9), int(rng.integers(2**32))
    before = rng.normal(size=5)
    eps = np.random.default_rng(seed).standard_normal(5)
    after = forward.kernel_step(before, 1 - beta, beta, np.random.default_rng(seed))
    values = {"alpha": rng.uniform(0.1, 0.9), "beta": beta, "x_{t-1}": before, "eps": eps}
    return World({**values, "x_0": rng.normal(size=5), "x_t": after}), before, after


@parsed(
    "balanced-step", "x_t", how="The printed step is compared with forward.kernel_step at α = 1 − β, on the same noise."
)
def _(rng: np.random.Generator) -> Case:
    world, _, after = _step(rng)
    return Case(world, [after])


@parsed(
    "change",
    how="Both sides are compared with the change that one call of forward.kernel_step makes, on the same noise.",
)
def _(rng: np.random.Generator) -> Case:
    world, before, after = _step(rng)
    return Case(world, [after - before])


def _moments(
    beta: Callable[[float], float], formula: Any, start: float, end: float, mean: float, variance: float
) -> tuple[float, float]:
    """Mean and variance at time `end` of dx = drift dt + noise dW, by Runge–Kutta steps of order four.

    formula: (β, x) ↦ (drift, noise), the drift being a multiple of x, so that m′ = drift(m) and v′ = 2 drift(v) + noise².
    """

    def slope(time: float, at: np.ndarray) -> np.ndarray:
        b = beta(time)
        return np.array([formula(b, at[0])[0], 2 * formula(b, at[1])[0] + formula(b, at[1])[1] ** 2])

    steps, at = 200, np.array([mean, variance])
    h = (end - start) / steps
    for time in start + h * np.arange(steps):
        k_1 = slope(time, at)
        k_2 = slope(time + h / 2, at + h / 2 * k_1)
        k_3 = slope(time + h / 2, at + h / 2 * k_2)
        k_4 = slope(time + h, at + h * k_3)
        at = at + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
    return float(at[0]), float(at[1])


def _pull(beta: float, x: Any) -> tuple[Any, Any]:
    """Drift and noise of the Ornstein–Uhlenbeck equation."""
    return -beta * x / 2, beta**0.5


@function(
    "ornstein-uhlenbeck",
    "quadrature",
    how="Mean and variance are integrated along the printed equation for a β(t) that rises and falls, "
    "and compared with those of forward.kernel_step at α = exp(−∫β), at four times.",
    prints=r"""dx = \underbrace{-\frac{1}{2}\beta(t)\,x\,dt}_{\text{drift}} + \underbrace{\sqrt{\beta(t)}\,dW}_{\text{diffusion}}""",
    right=_pull,
    wrong={
        "the half forgotten": lambda beta, x: (-beta * x, beta**0.5),
        "the drift pushing away": lambda beta, x: (beta * x / 2, beta**0.5),
        "no drift": lambda beta, x: (0 * x, beta**0.5),
        "the root forgotten": lambda beta, x: (-beta * x / 2, beta),
        "a root over the drift's β": lambda beta, x: (-(beta**0.5) * x / 2, beta**0.5),
    },
    tolerance=1e-8,
)
def _(formula: Any) -> float:
    def beta(time: float) -> float:
        return 0.5 + 0.4 * np.sin(3 * time)

    worst = 0.0
    for end in (0.2, 0.7, 1.5, 3.0):
        area = 0.5 * end + 0.4 * (1 - np.cos(3 * end)) / 3
        alpha = float(np.exp(-area))
        factor, noise = _kernel(alpha, 1 - alpha)
        found = _moments(beta, formula, 0.0, end, 1.7, 0.6)
        truth = (factor * 1.7, factor**2 * 0.6 + noise)
        worst = max(worst, abs(found[0] - truth[0]), abs(found[1] - truth[1]))
    return worst


def _kernel(alpha: float, beta: float) -> tuple[float, float]:
    """What forward.kernel_step multiplies by, and the variance of what it adds."""
    eps = np.random.default_rng(0).standard_normal(1)
    factor = forward.kernel_step(np.ones(1), alpha, 0.0, np.random.default_rng(0))
    noise = forward.kernel_step(np.zeros(1), alpha, beta, np.random.default_rng(0)) / eps
    return float(factor[0]), float(noise[0]) ** 2


def _stretch(rng: np.random.Generator) -> tuple[World, float, np.ndarray, float]:
    """A β(s) along one step from t − 1 to t, its area B_t, five numbers x_{t−1}; and e^{−B/2} and 1 − e^{−B}, integrated."""
    a, b, w = rng.uniform(0.3, 1.0), rng.uniform(0.0, 0.3), rng.uniform(0.5, 6.0)
    t = int(rng.integers(2, 9))

    def beta(time: float) -> float:
        return a + b * np.sin(w * time)

    area = a + b * (np.cos(w * (t - 1)) - np.cos(w * t)) / w
    factor, noise = _moments(beta, _pull, t - 1.0, float(t), 1.0, 0.0)
    before = rng.normal(size=5)
    values = {"B_t": area, "B_0": 0.0, "B_{t-1}": rng.uniform(0.2, 1.0), "t": t, "e": np.e}
    letters = {"alpha_t": factor**2, "beta_t": noise, "x_{t-1}": before, "x_0": rng.normal(size=5)}
    return World({**values, **letters, "x_t": rng.normal(size=5)}), factor, before, noise


@parsed(
    "ou-transition",
    r"q(x_t \mid x_{t-1})",
    how="The printed law is compared with mean and variance integrated along the Ornstein–Uhlenbeck equation for a β(s) "
    "that varies within the step, and with forward.kernel_step at α = exp(−B) and β = 1 − α.",
    tolerance=1e-8,
)
def _(rng: np.random.Generator) -> Case:
    world, factor, before, noise = _stretch(rng)
    alpha = float(np.exp(-world.values["B_t"]))
    kernel = _kernel(alpha, 1 - alpha)
    return Case(world, [Moments(factor * before, noise), Moments(kernel[0] * before, kernel[1])])


@parsed(
    "alpha-from-area",
    r"\alpha_t",
    how="The printed α and β are compared with the square of the factor and the variance that result from integrating "
    "the Ornstein–Uhlenbeck equation over one step.",
    tolerance=1e-8,
)
def _(rng: np.random.Generator) -> Case:
    world, factor, _, _ = _stretch(rng)
    return Case(world, [factor**2])
