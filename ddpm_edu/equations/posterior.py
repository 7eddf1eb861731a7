"""Checks of the chapter posterior: q(x_{t−1} | x_t, x_0), the step back when the start is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import posterior
from .evaluate import Moments, normal
from .register import Case, parsed
from .worlds import Scheduled, line, scheduled


def _conditioned(it: Scheduled) -> tuple[Any, float]:
    """Mean and variance of x_{t−1} given x_t and x_0, from the joint law of the two: no product is formed.

    Given x_0, both are Gaussian, and x_t = √α_t·x_{t−1} + noise; so Cov(x_{t−1}, x_t) = √α_t·Var(x_{t−1}).
    """
    mean, variance = it.x[0], 0.0
    for s in range(1, it.t):
        mean, variance = it.schedule.alpha[s] ** 0.5 * mean, it.schedule.alpha[s] * variance + it.schedule.beta[s]
    alpha = it.schedule.alpha[it.t]
    after_mean, after_variance = alpha**0.5 * mean, alpha * variance + it.schedule.beta[it.t]
    gain = alpha**0.5 * variance / after_variance
    return mean + gain * (it.x[it.t] - after_mean), variance - gain**2 * after_variance


def _weighted(rng: np.random.Generator, t_min: int = 1) -> tuple[Scheduled, Any]:
    """The shared world with the two weights in it, and its mean and variance."""
    it = scheduled(rng, t_min)
    on_x_0, on_x_t = posterior.weights(it.t, it.schedule)
    values = {**it.world.values, "w_0": float(on_x_0), "w_t": float(on_x_t)}
    values["mu_tilde_t"] = posterior.mean(it.x[it.t], it.x[0], it.t, it.schedule)
    return it._replace(world=replace(it.world, values=values)), values


@parsed(
    "posterior-bayes",
    r"q(x_{t-1} \mid x_t, x_0)",
    how="The printed quotient, each of its densities from the joint law of x_0, x_{t−1} and x_t, is compared at seven places "
    "with the normal density of posterior.mean and posterior.variance.",
)
def _(rng: np.random.Generator) -> Case:
    it = line(rng, t_min=2)
    mean, variance = posterior.mean(it.x[it.t], it.x[0], it.t, it.schedule), posterior.variance(it.t, it.schedule)
    return Case(it.world, [normal(it.x[it.t - 1], mean, variance)])


@parsed(
    "posterior-precision",
    r"\frac{1}{\tilde\beta_t}",
    how="The printed sum is compared with one over posterior.variance, and with conditioning the joint Gaussian.",
)
def _(rng: np.random.Generator) -> Case:
    it, _ = _weighted(rng, t_min=2)
    return Case(it.world, [1 / posterior.variance(it.t, it.schedule), 1 / _conditioned(it)[1]])


@parsed(
    "beta-tilde",
    r"\tilde\beta_t",
    how="The printed variance is compared with posterior.variance, and with conditioning the joint Gaussian.",
)
def _(rng: np.random.Generator) -> Case:
    it, _ = _weighted(rng)
    return Case(it.world, [posterior.variance(it.t, it.schedule), _conditioned(it)[1]])


@parsed(
    "posterior-mean",
    r"\tilde\mu_t",
    how="The printed mean is compared with posterior.mean, and with conditioning the joint Gaussian.",
)
def _(rng: np.random.Generator) -> Case:
    it, _ = _weighted(rng)
    return Case(it.world, [posterior.mean(it.x[it.t], it.x[0], it.t, it.schedule), _conditioned(it)[0]])


@parsed(
    "left-over",
    how="Both sides are compared with the square of posterior.mean over posterior.variance.",
)
def _(rng: np.random.Generator) -> Case:
    it, values = _weighted(rng, t_min=2)
    return Case(it.world, [values["mu_tilde_t"] ** 2 / posterior.variance(it.t, it.schedule)])


@parsed(
    "posterior-law",
    r"q(x_{t-1} \mid x_t, x_0)",
    how="The printed law is compared with that of conditioning the joint Gaussian of x_{t−1} and x_t, given x_0.",
)
def _(rng: np.random.Generator) -> Case:
    it, _ = _weighted(rng)
    return Case(it.world, [Moments(*_conditioned(it))])


@parsed(
    "weight-of-x-0",
    "w_0",
    how="The printed weight is compared with the first one of posterior.weights.",
)
def _(rng: np.random.Generator) -> Case:
    it, values = _weighted(rng)
    return Case(it.world, [values["w_0"]])


@parsed(
    "weights-sum",
    "w_0 + w_t",
    how="The printed fraction is compared with the sum of the two posterior.weights.",
)
def _(rng: np.random.Generator) -> Case:
    it, values = _weighted(rng)
    return Case(it.world, [values["w_0"] + values["w_t"]])


@parsed(
    "posterior-average",
    r"\tilde\mu_t",
    how="The printed average is compared with posterior.mean, and with conditioning the joint Gaussian.",
)
def _(rng: np.random.Generator) -> Case:
    it, _ = _weighted(rng)
    return Case(it.world, [posterior.mean(it.x[it.t], it.x[0], it.t, it.schedule), _conditioned(it)[0]])
