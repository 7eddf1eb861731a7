"""Checks of the chapter ablations: what a network can be asked for, and what each target weighs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import diffusion
from .register import Case, parsed
from .worlds import Scheduled, scheduled


def _with(it: Scheduled, **values: Any) -> Any:
    return replace(it.world, values={**it.world.values, **values})


@parsed(
    "velocity",
    "v",
    how="The printed mixture is compared with diffusion.target, and with the slope of √ᾱ x_0 + √(1−ᾱ) ε along the quarter of "
    "a circle on which the two roots are cosine and sine.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    x_0 = it.x[0]
    angle, h = np.arccos(it.schedule.alpha_bar[it.t] ** 0.5), 1e-3

    def at(steps: int) -> Any:
        return np.cos(angle + steps * h) * x_0 + np.sin(angle + steps * h) * it.eps

    slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
    return Case(it.world, [diffusion.target("v", x_0, it.eps, it.t, it.schedule), slope])


@parsed(
    "eps-from-v",
    r"\varepsilon",
    how="The printed noise is compared with diffusion.eps_from, and with the noise that x_t and v were made with.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    v = diffusion.target("v", it.x[0], it.eps, it.t, it.schedule)
    return Case(_with(it, v=v), [diffusion.eps_from("v", v, it.x[it.t], it.t, it.schedule), it.eps])


@parsed(
    "v-error",
    how="All sides are compared with the squared error of v by diffusion.target and diffusion.eps_from, for any guess of it.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    x_t, x_0 = it.x[it.t], it.x[0]
    v = diffusion.target("v", x_0, it.eps, it.t, it.schedule)
    guess = v + rng.normal(size=v.shape)
    noise = diffusion.eps_from("v", guess, x_t, it.t, it.schedule)
    clean = diffusion.x_0_from_eps(x_t, noise, it.t, it.schedule)
    world = _with(it, v=v, v_hat=guess, eps_theta=noise, x_hat_0=clean)
    return Case(world, [float(((v - guess) ** 2).sum())])


@parsed(
    "learned-variance",
    r"\log \sigma_t^2",
    how="The printed mixture is compared with the logarithm of the variance that diffusion.NoiseModel gives for a network that "
    "answers for the share u.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    x_t, share = it.x[it.t][None, None], float(rng.uniform(0, 1))

    def network(x: Any, t: Any) -> Any:
        return np.concatenate([np.sin(x), np.full_like(x, 2 * share - 1)], axis=1)

    model = diffusion.NoiseModel(network, it.schedule, learned_variance=True)
    _, sigma_squared = model.eps_and_variance(x_t, np.array([it.t]))
    return Case(_with(it, u=share), [float(np.log(sigma_squared[0, 0, 0]))])
