"""Checks of the chapter simple-loss: from divergences of Gaussians to the squared error of the noise."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import bounds, densities, diffusion, forward, posterior, reverse, schedules
from .evaluate import World
from .register import Case, parsed
from .worlds import Scheduled, eps_theta, scheduled

NETWORK = "with a smooth function in the network's place"


@parsed(
    "gaussian-kl",
    r"\mathrm{KL}(\mathcal{N}(x; m_1, v_1)\,\|\,\mathcal{N}(x; m_2, v_2))",
    how="The printed formula is compared with bounds.gaussian_kl, and with the integral of p log p/q on an even grid.",
)
def _(rng: np.random.Generator) -> Case:
    m_1, m_2 = rng.normal(size=2)
    v_1, v_2 = rng.uniform(0.3, 3, 2)
    x = m_1 + v_1**0.5 * np.linspace(-12, 12, 2001)
    first, second = (densities.Mixture([1], [m], [v**0.5]) for m, v in ((m_1, v_1), (m_2, v_2)))
    integral = float((first.pdf(x) * (first.log_pdf(x) - second.log_pdf(x))).sum() * (x[1] - x[0]))
    return Case(
        World({"m_1": m_1, "m_2": m_2, "v_1": v_1, "v_2": v_2}), [bounds.gaussian_kl(m_1, v_1, m_2, v_2), integral]
    )


class _Step(NamedTuple):
    """A step back with its target and its guess, and the divergence of the two in nats."""

    it: Scheduled
    world: World
    sigma_squared: float
    divergence: float


def _step(rng: np.random.Generator) -> _Step:
    it = scheduled(rng, t_min=2)
    x_t, noise = it.x[it.t], it.world.values["eps_theta"]
    target = posterior.mean(x_t, it.x[0], it.t, it.schedule)
    mean = diffusion.mean_from_eps(x_t, noise, it.t, it.schedule)
    sigma = float(rng.uniform(0.1, 0.9))
    values = {**it.world.values, "mu_tilde_t": target, "mu_theta": mean, "sigma_t": sigma}
    divergence = float(bounds.gaussian_kl(target, sigma**2, mean, sigma**2).sum())
    return _Step(it, replace(it.world, values=values), sigma**2, divergence)


@parsed(
    "kl-equal-variance",
    r"\mathrm{KL}(q(x_{t-1} \mid x_t, x_0)\,\|\,p_\theta(x_{t-1} \mid x_t))",
    how="The printed quotient is compared with bounds.gaussian_kl for equal variances, summed over the pixels, and at "
    f"σ² = β̃ with bounds.step_term, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    step = _step(rng)
    it = step.it
    narrow = {**step.world.values, "sigma_t": it.schedule.beta_tilde[it.t] ** 0.5}
    if rng.integers(2):
        return Case(step.world, [step.divergence])
    x_0, t = it.x[:1], np.array([it.t])
    eps = it.eps[None]
    term = bounds.step_term(eps_theta, x_0, t, it.schedule, eps, variance="beta_tilde")
    return Case(replace(step.world, values=narrow), [float(term[0])])


@parsed(
    "x-0-loss",
    how=f"Both sides are compared with the divergence by bounds.gaussian_kl, and with bounds.x_0_weight, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    step = _step(rng)
    it = step.it
    error = float(((it.x[0] - it.world.values["x_hat_0"]) ** 2).sum())
    return Case(step.world, [step.divergence, bounds.x_0_weight(it.t, it.schedule, step.sigma_squared) * error])


@parsed(
    "snr-difference",
    how="Both sides are compared with bounds.x_0_weight at σ² = β̃.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    return Case(it.world, [bounds.x_0_weight(it.t, it.schedule, it.schedule.beta_tilde[it.t])])


@parsed(
    "x-0-from-eps",
    r"\hat{x}_0",
    how=f"The printed estimate is compared with diffusion.x_0_from_eps, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    noise = it.world.values["eps_theta"]
    return Case(it.world, [diffusion.x_0_from_eps(it.x[it.t], noise, it.t, it.schedule)])


@parsed(
    "error-ratio",
    how=f"Both sides are compared with the squared error of diffusion.x_0_from_eps, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    guess = diffusion.x_0_from_eps(it.x[it.t], it.world.values["eps_theta"], it.t, it.schedule)
    return Case(it.world, [float(((it.x[0] - guess) ** 2).sum())])


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
    "eps-loss",
    how=f"Both sides are compared with the divergence by bounds.gaussian_kl, and with bounds.eps_weight, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    step = _step(rng)
    it = step.it
    error = float(((it.eps - it.world.values["eps_theta"]) ** 2).sum())
    return Case(step.world, [step.divergence, bounds.eps_weight(it.t, it.schedule, step.sigma_squared) * error])


@parsed(
    "simple-loss",
    r"L_{\mathrm{simple}}",
    how="The printed expectation, over all t and over data and noise with two values for each of two pixels, is compared with "
    f"diffusion.training_loss times the number of pixels, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    schedule = schedules.from_betas(rng.uniform(0.03, 0.6, 5))
    draws = np.array(list(itertools.product(range(1, 6), *[[-1.0, 1.0]] * 4)))
    t, x_0, eps = draws[:, 0].astype(int), draws[:, 1:3] * rng.uniform(0.2, 2, 2), draws[:, 3:]

    def network(x: Any, t: Any) -> Any:
        return eps_theta(x, np.asarray(t)[:, None])

    values = {"x_t": forward.q_sample(x_0, t, schedule, eps), "t": t, "eps": eps}
    world = World(values, functions={"eps_theta": network}, weights=np.full(len(t), 1 / len(t)))
    return Case(world, [2 * diffusion.training_loss(network, x_0, t, schedule, eps)])


@parsed(
    "right-variance",
    r"\sigma_t^2",
    how="The printed variance is compared with that of reverse.Kernel for Gaussian data, by quadrature.",
    tolerance=1e-8,
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    laws = [densities.Mixture([1], [rng.normal()], [rng.uniform(0.2, 1.5)])]
    for s in range(1, it.t + 1):
        laws.append(laws[-1].push(it.schedule.alpha[s] ** 0.5, it.schedule.beta[s]))
    kernel = reverse.Kernel(laws[it.t - 1], it.schedule.alpha[it.t], it.schedule.beta[it.t], rng.normal())
    v = [law.variance for law in laws]
    return Case(replace(it.world, sequences={**it.world.sequences, "v": v}), [kernel.variance])


@parsed(
    "variance-cost",
    "C_t",
    how="The printed cost is compared with bounds.variance_cost, and with bounds.step_term for a network that knows the noise.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    eps = it.eps[None, :1]
    term = bounds.step_term(lambda x_t, t: eps, it.x[:1, :1], np.array([it.t]), it.schedule, eps, variance="beta")
    return Case(it.world, [bounds.variance_cost(it.t, it.schedule), float(term[0])])


@parsed(
    "discretised-gaussian",
    r"p_\theta(x_0 \mid x_1)",
    how="The printed difference is compared with bounds.discretised_log_likelihood, and with the Gaussian density summed over "
    "the grey value's interval by Gauss–Legendre quadrature.",
)
def _(rng: np.random.Generator) -> Case:
    level, sigma = int(rng.integers(1, 255)), float(rng.uniform(0.005, 0.05))
    x_0 = -1 + 2 * level / 255
    mean = x_0 + sigma * rng.normal()
    nodes, weights = np.polynomial.legendre.leggauss(20)
    density = densities.Mixture([1], [mean], [sigma]).pdf(x_0 + nodes / 255)
    values = {"a": x_0 - 1 / 255, "b": x_0 + 1 / 255, "mu_theta": mean, "sigma_1": sigma}
    packaged = float(np.exp(bounds.discretised_log_likelihood(x_0, mean, sigma**2)))
    return Case(World(values), [packaged, float(weights @ density / 255)])
