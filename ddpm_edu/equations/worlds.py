"""Random instances that several checks share: histograms, schedules and what goes with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import diffusion, forward, schedules
from ..densities import Histogram, Mixture
from .evaluate import World
from .joints import Normals, Table


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


def sequences(schedule: schedules.NoiseSchedule) -> dict[str, Any]:
    """What the book's letters with an index t stand for along a schedule."""
    return {
        "alpha": schedule.alpha,
        "beta": schedule.beta,
        "alpha_bar": schedule.alpha_bar,
        "beta_tilde": schedule.beta_tilde,
        "SNR": schedule.snr,
    }


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
        sequences={**sequences(schedule), "x": chain},
        functions={"eps_theta": eps_theta},
        laws={"eps": (0, 1)},
    )
    return Scheduled(world, schedule, t, chain, eps)


def affine_law(step: Any, x: np.ndarray) -> tuple[Any, Any]:
    """Mean and variance of a·x + b·ε, read from the function `step`(x, ε) at ε = 0 and at x = 0, ε = 1."""
    return step(x, np.zeros_like(x)), step(np.zeros_like(x), np.ones_like(x)) ** 2


class Chain(NamedTuple):
    """A world with a chain of few states, where every density and every mean is a sum over a table."""

    world: World
    q: Table
    """The chain forwards, from random data."""
    p: Table
    """Another chain, backwards from x_T; its densities are called p and p_θ."""
    t: int
    T: int


def chain(rng: np.random.Generator, t_min: int = 1, tight: bool = False) -> Chain:
    """A chain x_0 … x_T over three states with random probabilities, 2 to 4 steps long, and a time t from t_min to T.

    tight: whether q(x_{1:T} | x_0) is p(x_{1:T} | x_0), so that the bound on log p(x_0) is attained.
    """
    states = 3
    T = int(rng.integers(max(2, t_min), 5))
    names = tuple(f"x_{s}" for s in range(T + 1))
    forwards, backwards = _markov(rng, T, states), _markov(rng, T, states)
    p = Table(names, backwards.transpose(range(T, -1, -1)))
    if tight:
        data = p.states("x_0", forwards.sum(axis=tuple(range(1, T + 1))))
        forwards = data * p.density([*names[1:]], ["x_0"], {})
    q = Table(names, forwards)
    t = int(rng.integers(t_min, T + 1))
    values = rng.normal(size=states)
    world = World(
        values={"t": t, "T": T},
        sequences={"x": [q.states(name, values) for name in names]},
        joints={"q": q, "p": p, "p_theta": p},
    )
    return Chain(world, q, p, t, T)


def _markov(rng: np.random.Generator, T: int, states: int) -> np.ndarray:
    """The joint probabilities of a Markov chain with T random kernels, one axis for each time."""
    table = rng.dirichlet(np.ones(states))
    for _ in range(T):
        table = table[..., None] * rng.dirichlet(np.ones(states), states)
    return table


def latent(rng: np.random.Generator, tight: bool = False) -> World:
    """A world with one latent letter: joint laws p(x, z) and q(x, z) over four states of x and three of z.

    tight: whether q(z | x) is p(z | x).
    """
    names = ("x", "z")
    p = Table(names, rng.dirichlet(np.ones(12)).reshape(4, 3))
    q = Table(names, rng.dirichlet(np.ones(12)).reshape(4, 3))
    if tight:
        q = Table(names, rng.dirichlet(np.ones(4))[:, None] * p.density(["z"], ["x"], {}))
    values = {"x": p.states("x", rng.normal(size=4)), "z": p.states("z", rng.normal(size=3))}
    return World(values, joints={"p": p, "q": q, "p_theta": p, "q_phi": q})


class Line(NamedTuple):
    """A world with a chain of numbers whose data is a mixture of two normal laws."""

    world: World
    schedule: schedules.NoiseSchedule
    t: int
    x: list[Any]
    """A number for each of x_0 … x_T, and seven of them for x_{t−1}: what is said of it must hold at all."""
    before: Mixture
    """The law of x_{t−1}."""


def line(rng: np.random.Generator, t_min: int = 1) -> Line:
    """A schedule of 3 to 6 steps on a line, and a time t from t_min to T.

    q is the joint law of x_0 … x_T; p and p_θ are that of a chain backwards from N(0, 1), whose step has the mean
    mu_theta(x, t), linear in x, and the variance σ_t².
    """
    T = int(rng.integers(max(3, t_min), 7))
    t = int(rng.integers(t_min, T + 1))
    schedule = schedules.from_betas(rng.uniform(0.05, 0.6, T))
    data = Mixture(rng.dirichlet([2, 2]), rng.normal(0, 1.2, 2), rng.uniform(0.3, 1.0, 2))
    slopes, shifts, sigma = rng.uniform(0.5, 1.2, T + 1), rng.normal(0, 0.5, T + 1), rng.uniform(0.3, 1.2, T + 1)
    names = tuple(f"x_{s}" for s in range(T + 1))
    parts = [
        _walk(m, s**2, schedule.alpha[1:] ** 0.5, 0 * schedule.beta[1:], schedule.beta[1:])
        for m, s in zip(data.means, data.stds, strict=True)
    ]
    q = Normals(names, data.weights, *map(np.array, zip(*parts, strict=True)))
    mean, covariance = _walk(0.0, 1.0, slopes[:0:-1], shifts[:0:-1], sigma[:0:-1] ** 2)
    p = Normals(names, np.ones(1), mean[None, ::-1], covariance[None, ::-1, ::-1])
    laws = [data]
    for s in range(1, T + 1):
        laws.append(laws[-1].push(schedule.alpha[s] ** 0.5, schedule.beta[s]))
    x: list[Any] = [float(value) for value in rng.normal(0, 1.2, T + 1)]
    x[t - 1] = rng.normal(0, 1.2, 7)
    scores = [law.score(value) for law, value in zip(laws, x, strict=True)]
    slopes_of_scores = [law.score_slope(value) for law, value in zip(laws, x, strict=True)]

    def mu_theta(x: Any, t: float) -> Any:
        return slopes[int(t)] * x + shifts[int(t)]

    world = World(
        values={"t": t, "T": T, "mu_theta": mu_theta(x[t], t)},
        sequences={
            "alpha": schedule.alpha,
            "beta": schedule.beta,
            "alpha_bar": schedule.alpha_bar,
            "beta_tilde": schedule.beta_tilde,
            "sigma": sigma,
            "x": x,
            "s": scores,
            "s'": slopes_of_scores,
        },
        functions={
            "mu_theta": mu_theta,
            "q_t": laws[t].pdf,
            "q_{t-1}": laws[t - 1].pdf,
            "s_t": laws[t].score,
            "s_t'": laws[t].score_slope,
        },
        joints={"q": q, "p": p, "p_theta": p},
    )
    return Line(world, schedule, t, x, laws[t - 1])


def _walk(mean: float, variance: float, slopes: Any, shifts: Any, noise: Any) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances of y_0, y_1, … where y_0 is normal and each next is slope·y + shift + √noise·ε."""
    means, covariance = [mean], np.array([[variance]])
    for slope, shift, added in zip(slopes, shifts, noise, strict=True):
        with_next = slope * covariance[-1]
        last = slope**2 * covariance[-1, -1] + added
        covariance = np.block([[covariance, with_next[:, None]], [with_next[None], np.array([[last]])]])
        means.append(slope * means[-1] + shift)
    return np.array(means), covariance
