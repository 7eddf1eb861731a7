"""Checks of the chapter geometric-series: T steps of the kernel unrolled, and what ties β to 1 − α."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import forward, schedules
from ..densities import Mixture
from .evaluate import World
from .register import Case, parsed
from .worlds import histogram, pushed


class Walk(NamedTuple):
    """Steps of forward.kernel_step with their noise kept."""

    world: World
    x: np.ndarray
    """x_0 … x_T, shape (T + 1, 4)."""
    alpha: float
    beta: float
    T: int


def _walk(rng: np.random.Generator, balanced: bool) -> Walk:
    """Two to eight steps of one kernel; ε_t is the noise of step t."""
    T = int(rng.integers(2, 9))
    beta = rng.uniform(0.1, 0.8)
    alpha = 1 - beta if balanced else rng.uniform(0.3, 1.2)
    x, noise = [rng.normal(0.4, 1.2, 4)], [np.full(4, np.nan)]
    for _ in range(T):
        seed = int(rng.integers(2**32))
        noise.append(np.random.default_rng(seed).standard_normal(4))
        x.append(forward.kernel_step(x[-1], alpha, beta, np.random.default_rng(seed)))
    values = {"alpha": rng.uniform(0.2, 0.9) if balanced else alpha, "beta": beta, "T": T, "t": T}
    return Walk(World(values, {"eps": noise, "x": x}), np.array(x), alpha, beta, T)


@parsed(
    "unrolled",
    "x_T",
    how="The printed sum is compared with T calls of forward.kernel_step at α = 1 − β, whose noises are kept.",
)
def _(rng: np.random.Generator) -> Case:
    walk = _walk(rng, balanced=True)
    return Case(walk.world, [walk.x[-1]])


@parsed(
    "unrolled-alpha",
    "x_T",
    how="The printed sum is compared with T calls of forward.kernel_step with α and β free, whose noises are kept.",
)
def _(rng: np.random.Generator) -> Case:
    walk = _walk(rng, balanced=False)
    return Case(walk.world, [walk.x[-1]])


@parsed(
    "geometric-sum",
    how="Both sides are compared with the variance that forward.variance_path gives a single point after T steps.",
)
def _(rng: np.random.Generator) -> Case:
    walk = _walk(rng, balanced=True)
    return Case(walk.world, [forward.variance_path(0.0, walk.alpha, walk.beta, walk.T)[-1]])


@parsed(
    "noise-variance",
    how="Both sides are compared with the variance that forward.variance_path gives a single point after T steps, "
    "with α and β free.",
)
def _(rng: np.random.Generator) -> Case:
    walk = _walk(rng, balanced=False)
    return Case(walk.world, [forward.variance_path(0.0, walk.alpha, walk.beta, walk.T)[-1]])


@parsed(
    "unit-variance",
    "v_t",
    how="The printed variance is compared with forward.variance_path and with that of a histogram pushed t times.",
)
def _(rng: np.random.Generator) -> Case:
    density, t, beta = histogram(rng), int(rng.integers(1, 7)), rng.uniform(0.1, 0.8)
    v = forward.variance_path(density.variance, 1 - beta, beta, t)
    world = World({"alpha": rng.uniform(0.2, 0.9), "beta": beta, "t": t}, {"v": v})
    return Case(world, [v[-1], pushed(density, 1 - beta, beta, t).variance])


@parsed(
    "detailed-balance",
    how="Both sides are compared with the density of N(0, 1) at x times that of forward.kernel_step's law at y, at 49 pairs "
    "of places.",
)
def _(rng: np.random.Generator) -> Case:
    beta = rng.uniform(0.1, 0.9)
    x, y = (places.ravel() for places in np.meshgrid(rng.normal(size=7), rng.normal(size=7)))
    eps = np.random.default_rng(0).standard_normal(1)
    mean = forward.kernel_step(x, 1 - beta, 0.0, rng)
    deviation = forward.kernel_step(np.zeros(1), 1 - beta, beta, np.random.default_rng(0)) / eps
    standard = Mixture([1.0], [0.0], [1.0])
    flow = standard.pdf(x) * standard.pdf((y - mean) / deviation) / deviation
    return Case(World({"alpha": rng.uniform(0.2, 0.9), "beta": beta, "x": x, "y": y}), [flow])


@parsed(
    "second-moment",
    r"\mathbb{E}\left[x_t^2\right]",
    how="The printed mean square is compared with that of a histogram pushed t times, one step at a time.",
)
def _(rng: np.random.Generator) -> Case:
    density, t, beta = histogram(rng), int(rng.integers(1, 7)), rng.uniform(0.1, 0.8)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    half = np.diff(density.edges)[:, None] / 2
    x_0 = density.edges[:-1, None] + half * (1 + nodes)
    weight = density.heights[:, None] * half * weights
    law = pushed(density, 1 - beta, beta, t)
    values = {"alpha": rng.uniform(0.2, 0.9), "beta": beta, "t": t, "x_0": x_0, "x_t": rng.normal(size=x_0.shape)}
    return Case(World(values, weights=weight), [law.variance + law.mean**2])


def _scaled(rng: np.random.Generator) -> tuple[World, np.ndarray, int]:
    """A chain with a β for each step, divided by √ᾱ_t: y_0 … y_T, and some t."""
    T = int(rng.integers(3, 9))
    t = int(rng.integers(2, T + 1))
    schedule = schedules.from_betas(rng.uniform(0.05, 0.6, T))
    x, noise = [rng.normal(0.4, 1.2, 4)], [np.full(4, np.nan)]
    for alpha, beta in zip(schedule.alpha[1:], schedule.beta[1:], strict=True):
        seed = int(rng.integers(2**32))
        noise.append(np.random.default_rng(seed).standard_normal(4))
        x.append(forward.kernel_step(x[-1], alpha, beta, np.random.default_rng(seed)))
    alpha_bar = schedule.alpha_bar
    y = np.array(x) / alpha_bar[:, None] ** 0.5
    sigma = np.concatenate([[0.0], schedule.snr[1:] ** -0.5])
    merged = (x[t] - alpha_bar[t] ** 0.5 * x[0]) / (1 - alpha_bar[t]) ** 0.5
    sequences = {"x": x, "y": y, "sigma": sigma, "alpha": schedule.alpha, "beta": schedule.beta, "eps": noise}
    world = World(
        {"t": t, "T": T, "eps": merged},
        {**sequences, "alpha_bar": alpha_bar, "beta_tilde": schedule.beta_tilde, "SNR": schedule.snr},
    )
    return world, y, t


@parsed(
    "variance-exploding",
    "y_t",
    how="The printed value is compared with forward.kernel_step's chain divided by √ᾱ_t, whose noises are merged to one; "
    "the printed σ² with the inverse of the schedule's SNR.",
)
def _(rng: np.random.Generator) -> Case:
    world, y, t = _scaled(rng)
    return Case(world, [y[t]])


@parsed(
    "variance-exploding-step",
    "y_t",
    how="The printed step is compared with a step of forward.kernel_step, divided by √ᾱ before it and after it.",
)
def _(rng: np.random.Generator) -> Case:
    world, y, t = _scaled(rng)
    return Case(world, [y[t]])
