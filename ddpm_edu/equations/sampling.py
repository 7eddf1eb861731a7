"""Checks of the chapter sampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import diffusion, posterior
from .register import Case, parsed
from .worlds import eps_theta, scheduled

NETWORK = "with a smooth function in the network's place"


@parsed(
    "mean-from-eps",
    r"\mu_\theta",
    r"\mu_\theta(x_t, t)",
    how=f"The printed mean is compared with diffusion.mean_from_eps, and with posterior.mean at x̂_0, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    x_t, noise = it.x[it.t], it.world.values["eps_theta"]
    x_0 = diffusion.x_0_from_eps(x_t, noise, it.t, it.schedule)
    return Case(
        it.world,
        [diffusion.mean_from_eps(x_t, noise, it.t, it.schedule), posterior.mean(x_t, x_0, it.t, it.schedule)],
    )


@parsed(
    "ancestral-step",
    "x_{t-1}",
    how=f"The printed step is compared with diffusion.p_sample without clipping, on the same noise, {NETWORK}.",
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
        functions={**it.world.functions, "mu_theta": lambda x, t: _mean(x, t, it.schedule)},
        laws={**it.world.laws, "z": (0, 1)},
    )
    return Case(world, [truth])


def _mean(x: np.ndarray, t: float, schedule: object) -> np.ndarray:
    return diffusion.mean_from_eps(x, eps_theta(x, t), int(t), schedule)  # type: ignore[arg-type]


@parsed("posterior-mean", r"\tilde\mu_t", how="The printed mean is compared with posterior.mean.")
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    return Case(it.world, [posterior.mean(it.x[it.t], it.x[0], it.t, it.schedule)])


@parsed("beta-tilde", r"\tilde\beta_t", how="The printed variance is compared with posterior.variance.")
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    return Case(it.world, [posterior.variance(it.t, it.schedule)])
