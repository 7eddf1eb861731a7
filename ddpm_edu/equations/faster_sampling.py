"""Checks of the chapter faster-sampling: the chain with steps left out, and the family of steps with the same marginals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import diffusion, forward, posterior, schedules
from .evaluate import Moments, normal
from .register import Case, function, parsed
from .worlds import Scheduled, eps_theta, scheduled

NETWORK = "with a smooth function in the network's place"


class _Leap(NamedTuple):
    """A step back from t to some earlier time s, both with x_0 known and with a guess of it."""

    it: Scheduled
    s: int
    joined: schedules.NoiseSchedule
    """The steps s + 1 … t as the second step of a schedule whose first step leads to s."""


def _leap(rng: np.random.Generator) -> _Leap:
    it = scheduled(rng, t_min=2)
    s = int(rng.integers(1, it.t))
    bar = it.schedule.alpha_bar
    joined = schedules.from_betas([1 - bar[s], 1 - bar[it.t] / bar[s]])
    world = replace(it.world, values={**it.world.values, "s": s})
    return _Leap(it._replace(world=world), s, joined)


def _with(leap: _Leap, **values: Any) -> Any:
    return replace(leap.it.world, values={**leap.it.world.values, **values})


def _known(x_0: Any, schedule: schedules.NoiseSchedule) -> diffusion.Model:
    """The model that knows x_0, and so the noise."""

    def model(x_t: Any, t: Any) -> Any:
        return (x_t - schedule.alpha_bar[t[0]] ** 0.5 * x_0) / (1 - schedule.alpha_bar[t[0]]) ** 0.5

    return model


def _step(leap: _Leap, model: Any, x_t: Any, eta: float = 0.0, rng: Any = None) -> Any:
    """The step of diffusion.ddim from t to s."""
    times = [leap.it.t, leap.s]
    chain = diffusion.ddim(model, x_t, leap.it.schedule, times, eta, rng, clip=False)
    return next(chain).x_t


def _sigma(leap: _Leap, eta: float, rng: np.random.Generator) -> float:
    """σ of diffusion.ddim, from two steps that differ in their fresh noise only."""
    x_t, seeds = leap.it.x[leap.it.t], rng.integers(2**32, size=2)
    ends = [_step(leap, eps_theta, x_t, eta, np.random.default_rng(seed)) for seed in seeds]
    z = [np.random.default_rng(seed).standard_normal(x_t.shape) for seed in seeds]
    return float(((ends[0] - ends[1]) / (z[0] - z[1]))[0])


@parsed(
    "respaced-kernel",
    r"q(x_t \mid x_s)",
    how="The printed law is compared with the single steps from s to t, composed one by one.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    it = leap.it
    mean, variance = it.x[leap.s], 0.0
    for u in range(leap.s + 1, it.t + 1):
        mean = forward.kernel_step(mean, it.schedule.alpha[u], 0.0, rng)
        variance = float(forward.variance_path(variance, it.schedule.alpha[u], it.schedule.beta[u], 1)[1])
    return Case(it.world, [Moments(mean, variance)])


@function(
    "ddim-condition",
    "quadrature",
    how="The law of diffusion.ddim's step with x_0 known, averaged over x_t as printed, is compared with q(x_s | x_0), for η "
    "from 0.3 to 1 on an even grid.",
    prints=r"q(x_s \mid x_0) = \int q_\sigma(x_s \mid x_t, x_0)\,q(x_t \mid x_0)\,dx_t",
    right=lambda back, after, before, dx: (back * after).sum(axis=1) * dx,
    wrong={
        "the law of x_s in place of that of x_t": lambda back, after, before, dx: (back * before).sum(axis=1) * dx,
        "no law of x_t": lambda back, after, before, dx: back.sum(axis=1) * dx,
        "over x_s instead": lambda back, after, before, dx: (back * after[:, None]).sum(axis=0) * dx,
        "the step squared": lambda back, after, before, dx: (back**2 * after).sum(axis=1) * dx,
    },
)
def _(average: Any) -> float:
    worst = 0.0
    for trial in range(8):
        rng = np.random.default_rng([3, trial])
        leap = _leap(rng)
        it, s, t, eta = leap.it, leap.s, leap.it.t, float(rng.uniform(0.3, 1))
        x_0, bar = it.x[0][0], it.schedule.alpha_bar
        grid = np.linspace(-14, 14, 2801)
        mean = _step(leap, _known(x_0, it.schedule), grid, 0.0)
        sigma = _sigma(leap, eta, rng)
        # with fresh noise the step keeps less of the noise in x_t
        centre = bar[s] ** 0.5 * x_0
        mean = centre + (mean - centre) * (1 - sigma**2 / (1 - bar[s])) ** 0.5
        back = normal(grid[:, None], mean[None], sigma**2)
        after = normal(grid, bar[t] ** 0.5 * x_0, 1 - bar[t])
        before = normal(grid, centre, 1 - bar[s])
        error = average(back, after, before, grid[1] - grid[0]) - before
        worst = max(worst, float(np.abs(error).max() / before.max()))
    return worst


@parsed(
    "ddim-balance",
    how="Both sides of both equations are compared with the mean and the variance of x_s, where a, b and σ² come from "
    "conditioning a joint law of x_s and x_t that has the right marginals and any covariance.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    means, variances = [], []
    for u in (leap.s, leap.it.t):
        mean, variance = 1.0, 0.0
        for k in range(1, u + 1):
            mean *= leap.it.schedule.alpha[k] ** 0.5
            variance = float(forward.variance_path(variance, leap.it.schedule.alpha[k], leap.it.schedule.beta[k], 1)[1])
        means.append(mean)
        variances.append(variance)
    covariance = float(rng.uniform(0.2, 0.9)) * (variances[0] * variances[1]) ** 0.5
    b = covariance / variances[1]
    sigma = (variances[0] - covariance * b) ** 0.5
    return Case(_with(leap, a=means[0] - b * means[1], b=b, sigma=sigma), [variances[0]])


@parsed(
    "ddim-family",
    r"q_\sigma(x_s \mid x_t, x_0)",
    how="The printed law is compared with conditioning the joint law of x_s and x_t given x_0 that has the right marginals and "
    "the variance σ² left, and at σ² = β̃ with the posterior of the chain that steps from s to t.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    it, bar, x_0, x_t = leap.it, leap.it.schedule.alpha_bar, leap.it.x[0], leap.it.x[leap.it.t]
    if rng.integers(2):
        variance = float(posterior.variance(2, leap.joined))
        law = Moments(posterior.mean(x_t, x_0, 2, leap.joined), variance)
    else:
        variance = float(rng.uniform(0.1, 0.9) * (1 - bar[leap.s]))
        covariance = ((1 - bar[it.t]) * (1 - bar[leap.s] - variance)) ** 0.5
        gain = covariance / (1 - bar[it.t])
        mean = bar[leap.s] ** 0.5 * x_0 + gain * (x_t - bar[it.t] ** 0.5 * x_0)
        law = Moments(mean, 1 - bar[leap.s] - gain * covariance)
    return Case(_with(leap, sigma=variance**0.5), [law])


@parsed(
    "ddim-noise-step",
    "x_s",
    how=f"The printed step is compared with diffusion.ddim, for any η and the same fresh noise, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    eta, seed = float(rng.uniform(0.2, 1)), int(rng.integers(2**32))
    x_t = leap.it.x[leap.it.t]
    end = _step(leap, eps_theta, x_t, eta, np.random.default_rng(seed))
    z = np.random.default_rng(seed).standard_normal(x_t.shape)
    return Case(_with(leap, sigma=_sigma(leap, eta, rng), z=z), [end])


@parsed(
    "ddim-sigma",
    r"\sigma^2",
    how="The printed variance is compared with that of diffusion.ddim, and with η² times β̃ of the chain that steps from s to t.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    eta = float(rng.uniform(0.2, 1))
    return Case(_with(leap, eta=eta), [_sigma(leap, eta, rng) ** 2, eta**2 * float(posterior.variance(2, leap.joined))])


@parsed(
    "eta-one",
    how="Both sides are compared with the square of the weight on x_t in the posterior of the chain that steps from s to t.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    _, on_x_t = posterior.weights(2, leap.joined)
    sigma = float(posterior.variance(2, leap.joined)) ** 0.5
    return Case(_with(leap, sigma=sigma), [float(on_x_t) ** 2])


@parsed(
    "ddim-step",
    "x_s",
    how=f"The printed jump is compared with the first step of diffusion.ddim, for every number of steps, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    x_T, T = it.x[-1], it.schedule.T
    noise = eps_theta(x_T, T)
    x_0 = diffusion.x_0_from_eps(x_T, noise, T, it.schedule)
    jump = next(diffusion.ddim(eps_theta, x_T, it.schedule, int(rng.integers(1, T + 1)), clip=False))
    values = {**it.world.values, "t": T, "s": jump.t, "eps_theta": noise, "x_hat_0": x_0}
    return Case(replace(it.world, values=values), [jump.x_t])


@parsed(
    "ddim-euler",
    "y_s",
    how=f"The printed step is compared with a step of diffusion.ddim without fresh noise, divided by √ᾱ_s, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    leap = _leap(rng)
    end = _step(leap, eps_theta, leap.it.x[leap.it.t])
    bar = leap.it.schedule.alpha_bar
    kappa = ((1 - bar) / bar) ** 0.5
    sequences = {**leap.it.world.sequences, "kappa": kappa, "y": leap.it.x / bar[:, None] ** 0.5}
    return Case(replace(leap.it.world, sequences=sequences), [end / bar[leap.s] ** 0.5])
