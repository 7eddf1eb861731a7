"""Random instances that several checks share: histograms, schedules and what goes with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import diffusion, forward, schedules
from ..densities import Histogram, Mixture
from .evaluate import World


class Scheduled(NamedTuple):
    """A world with a schedule, and the objects behind it."""

    world: World
    schedule: schedules.NoiseSchedule
    t: int
    x: np.ndarray
    """The chain x_0 … x_T, shape (T + 1, 4)."""
    eps: np.ndarray
    """The noise that leads from x_0 to x_t in one jump, shape (4,)."""


def histogram(rng: np.random.Generator) -> Histogram:
    """Bars of random widths and heights, off centre."""
    edges = np.cumsum(rng.uniform(0.2, 1.0, 8)) - rng.uniform(0, 2)
    return Histogram(edges, rng.uniform(0.1, 1.0, 7))


def pushed(density: Histogram | Mixture, alpha: float, beta: float, steps: int) -> Histogram | Mixture:
    """The density after so many steps of the chain, one after the other."""
    for _ in range(steps):
        density = density.push(alpha**0.5, beta)
    return density


def eps_theta(x: Any, t: Any) -> Any:
    """A stand-in for the trained network: some smooth function of both arguments."""
    return np.sin(1.3 * x + 0.4 * np.asarray(t)) - 0.2 * x


def scheduled(rng: np.random.Generator, t_min: int = 1) -> Scheduled:
    """A schedule of 5 to 11 steps with β from 0.03 to 0.6, a time t from t_min to T, a chain, and a network."""
    T = int(rng.integers(max(5, t_min), 12))
    t = int(rng.integers(t_min, T + 1))
    schedule = schedules.from_betas(rng.uniform(0.03, 0.6, T))
    x = [rng.normal(0.4, 1.2, 4)]
    for s in range(1, T + 1):
        x.append(forward.kernel_step(x[-1], schedule.alpha[s], schedule.beta[s], rng))
    chain = np.array(x)
    eps = (chain[t] - schedule.alpha_bar[t] ** 0.5 * chain[0]) / (1 - schedule.alpha_bar[t]) ** 0.5
    noise = eps_theta(chain[t], t)
    world = World(
        values={
            "t": t,
            "T": T,
            "eps": eps,
            "eps_theta": noise,
            "x_hat_0": diffusion.x_0_from_eps(chain[t], noise, t, schedule),
        },
        sequences={
            "alpha": schedule.alpha,
            "beta": schedule.beta,
            "alpha_bar": schedule.alpha_bar,
            "beta_tilde": schedule.beta_tilde,
            "SNR": schedule.snr,
            "x": chain,
        },
        functions={"eps_theta": eps_theta},
        laws={"eps": (0, 1)},
    )
    return Scheduled(world, schedule, t, chain, eps)


def affine_law(step: Any, x: np.ndarray) -> tuple[Any, Any]:
    """Mean and variance of a·x + b·ε, read from the function `step`(x, ε) at ε = 0 and at x = 0, ε = 1."""
    return step(x, np.zeros_like(x)), step(np.zeros_like(x), np.ones_like(x)) ** 2
