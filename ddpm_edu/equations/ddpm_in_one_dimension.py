"""Checks of the chapter ddpm-in-one-dimension: the step back in code, and the best guess of the noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import densities, diffusion, forward
from .evaluate import World
from .register import Case, parsed
from .worlds import eps_theta, histogram, scheduled

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_EPS, _EPS_WEIGHTS = np.polynomial.hermite_e.hermegauss(120)


@parsed(
    "ancestral-step",
    "x_{t-1}",
    how="The printed step is compared with diffusion.p_sample without clipping, on the same noise, with a smooth function "
    "in the network's place.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    x_t = it.x[it.t]
    seed = int(rng.integers(2**32))
    z = np.random.default_rng(seed).standard_normal(x_t.shape)
    truth = diffusion.p_sample(eps_theta, x_t, it.t, it.schedule, np.random.default_rng(seed), clip=False).x_t
    mean = diffusion.mean_from_eps(x_t, it.world.values["eps_theta"], it.t, it.schedule)
    world = replace(
        it.world,
        values={**it.world.values, "z": z, "mu_theta": mean},
        sequences={**it.world.sequences, "sigma": it.schedule.beta**0.5},
        functions={
            **it.world.functions,
            "mu_theta": lambda x, t: diffusion.mean_from_eps(x, eps_theta(x, t), int(t), it.schedule),
        },
        laws={**it.world.laws, "z": (0, 1)},
    )
    return Case(world, [truth])


class _Joint(NamedTuple):
    """A histogram as the data, a time, and every (x_0, ε) of a fine grid with the weight that it has."""

    world: World
    """With ε, ε_θ, ε̂_t and s_t at each place of the grid."""
    data: densities.Histogram
    after: densities.Histogram | densities.Mixture
    kept: float
    """ᾱ_t."""
    x_t: np.ndarray
    """Shape (N,), as the weights and the values of the world."""


def _joint(rng: np.random.Generator) -> _Joint:
    it = scheduled(rng, t_min=2)
    data = histogram(rng)
    kept = float(it.schedule.alpha_bar[it.t])
    after = data.push(kept**0.5, 1 - kept)
    half = np.diff(data.edges)[:, None] / 2
    places = data.edges[:-1, None] + half * (1 + _NODES)
    masses = (half * _WEIGHTS) * data.heights[:, None]
    x_0, eps = (part.ravel() for part in np.meshgrid(places, _EPS, indexing="ij"))
    weights = np.outer(masses, _EPS_WEIGHTS / _EPS_WEIGHTS.sum()).ravel()
    x_t = forward.q_sample(x_0, it.t, it.schedule, eps)
    s_t = after.score(x_t)
    best = -((1 - kept) ** 0.5) * s_t
    values = {**it.world.values, "x_0": x_0, "x_t": x_t, "eps": eps, "s_t": s_t, "eps_theta": eps_theta(x_t, it.t)}
    sequences = {name: each for name, each in it.world.sequences.items() if name != "x"}
    world = World({**values, "eps_hat_t": best}, sequences, it.world.functions, it.world.laws, weights)
    return _Joint(world, data, after, kept, x_t)


def _over_x_t(it: _Joint, integrand: Any) -> float:
    """The mean of a function of x_t: Gauss–Legendre over fine panels, and no sum over x_0 and ε."""
    edges = np.linspace(-9, 9, 181) * it.after.variance**0.5 + it.after.mean
    half = np.diff(edges)[:, None] / 2
    x = edges[:-1, None] + half * (1 + _NODES)
    return float((integrand(x) * it.after.pdf(x) * _WEIGHTS * half).sum())


@parsed(
    "exact-eps",
    r"\hat\varepsilon_t",
    how="The printed answer, with the score of the pushed histogram, is compared with the mean of ε given x_t, which "
    "Bayes' rule and quadrature over x_0 give without a score.",
    trials=8,
)
def _(rng: np.random.Generator) -> Case:
    it = _joint(rng)
    x_t = it.after.mean + it.after.variance**0.5 * np.linspace(-2, 2, 5)
    half = np.diff(it.data.edges)[:, None] / 2
    x_0 = (it.data.edges[:-1, None] + half * (1 + _NODES)).ravel()
    eps = (x_t[:, None] - it.kept**0.5 * x_0) / (1 - it.kept) ** 0.5
    mass = ((half * _WEIGHTS) * it.data.heights[:, None]).ravel() * np.exp(-(eps**2) / 2)
    truth = (mass * eps).sum(axis=1) / mass.sum(axis=1)
    return Case(replace(it.world, values={**it.world.values, "x_t": x_t, "s_t": it.after.score(x_t)}), [truth])


@parsed(
    "least-loss",
    "r_t",
    how="The printed expectation is compared with the mean over x_t of the variance of ε given x_t, taken from the slope "
    "of the score.",
    trials=8,
)
def _(rng: np.random.Generator) -> Case:
    it = _joint(rng)
    return Case(it.world, [_over_x_t(it, lambda x: 1 + (1 - it.kept) * it.after.score_slope(x))])


@parsed(
    "loss-split",
    how="Both sides are compared with an integral over x_t alone: the variance of ε given x_t, from the slope of the score, "
    "and the squared distance of a smooth function, in the network's place, from the best guess.",
    trials=8,
)
def _(rng: np.random.Generator) -> Case:
    it = _joint(rng)
    rest = _over_x_t(it, lambda x: 1 + (1 - it.kept) * it.after.score_slope(x))
    t = it.world.values["t"]
    excess = _over_x_t(it, lambda x: ((1 - it.kept) ** 0.5 * it.after.score(x) + eps_theta(x, t)) ** 2)
    return Case(replace(it.world, values={**it.world.values, "r_t": rest}), [rest + excess])


@parsed(
    "entropy",
    "H",
    how="The printed sum is compared with densities.kl, the divergence from N(0, 1) by quadrature, and the moments.",
)
def _(rng: np.random.Generator) -> Case:
    data = histogram(rng)
    truth = (data.variance + data.mean**2 + np.log(2 * np.pi)) / 2 - densities.kl(data)
    sequences = {"m": np.concatenate([[np.nan], data.masses]), "h": np.concatenate([[np.nan], data.heights])}
    return Case(World({"K": len(data.heights)}, sequences), [truth])
