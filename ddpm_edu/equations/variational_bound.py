"""Checks of the chapter variational-bound: from the probability of the data to three terms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import bounds, densities, diffusion, schedules
from .evaluate import Moments, World
from .register import Case, parsed
from .worlds import Chain, chain, latent, scheduled

TABLE = "worked out by brute force over a table of probabilities"


@parsed(
    "likelihood-kl",
    how=f"Both sides are {TABLE}, for a model and data with four states.",
)
def _(rng: np.random.Generator) -> Case:
    return Case(latent(rng))


@parsed(
    "jensen",
    how="The two sides are compared for random positive values and probabilities, and must agree where all values are one.",
)
def _(rng: np.random.Generator) -> Case:
    tight = bool(rng.integers(2))
    w = np.full(5, rng.uniform(0.2, 4)) if tight else rng.uniform(0.2, 4, 5)
    return Case(World({"w": w}, weights=rng.dirichlet(np.ones(5))), tight=tight)


@parsed(
    "vae-elbo",
    r"\log p(x)",
    how=f"All sides are {TABLE}, for random laws of x and z; they must agree where q(z | x) is the true law of the codes.",
    harmless={"p and q confused": "p(x, z) / p(z | x) is p(x) for every z, so that is true as well."},
)
def _(rng: np.random.Generator) -> Case:
    tight = bool(rng.integers(2))
    return Case(latent(rng, tight), tight=tight)


@parsed("vae-gap", r"\log p(x)", how=f"Both sides are {TABLE}, for random laws of x and z.")
def _(rng: np.random.Generator) -> Case:
    return Case(latent(rng))


@parsed("vae-bound", how=f"Both sides are {TABLE}, for random laws of x and z.")
def _(rng: np.random.Generator) -> Case:
    return Case(latent(rng))


@parsed(
    "gaussian-decoder",
    r"\log p(x \mid z)",
    how="The printed sum is compared with the log-densities of densities.Mixture, one for each of d pixels.",
)
def _(rng: np.random.Generator) -> Case:
    d = int(rng.integers(2, 7))
    x, z, s = rng.normal(size=d), rng.normal(size=d), rng.uniform(0.3, 2)

    def mu_theta(z: Any) -> Any:
        return np.tanh(1.7 * z) - 0.4

    pixels = zip(x, mu_theta(z), strict=True)
    truth = sum(float(densities.Mixture([1], [mean], [s]).log_pdf(pixel)) for pixel, mean in pixels)
    return Case(World({"x": x, "z": z, "s": s, "d": d}, functions={"mu_theta": mu_theta}), [truth])


@parsed("chain-p", r"p_\theta(x_{0:T})", how=f"Both sides are {TABLE}, for a random chain from x_T to x_0.")
def _(rng: np.random.Generator) -> Case:
    return Case(chain(rng).world)


@parsed("chain-q", r"q(x_{1:T} \mid x_0)", how=f"Both sides are {TABLE}, for a random chain from x_0 to x_T.")
def _(rng: np.random.Generator) -> Case:
    return Case(chain(rng).world)


@parsed(
    "elbo",
    r"\log p_\theta(x_0)",
    how=f"Both sides are {TABLE}, for two random chains; they must agree where both have the same paths to x_0.",
    harmless={"p and q confused": "p(x_0…x_T) / p(x_1…x_T | x_0) is p(x_0), so that is true as well."},
)
def _(rng: np.random.Generator) -> Case:
    tight = bool(rng.integers(2))
    return Case(chain(rng, tight=tight).world, tight=tight)


@parsed("gap", r"\log p_\theta(x_0)", how=f"Both sides are {TABLE}, for two random chains.")
def _(rng: np.random.Generator) -> Case:
    it = chain(rng)
    return Case(replace(it.world, values={**it.world.values, "L": _negative_bound(it)}))


@parsed(
    "idle-condition",
    r"q(x_t \mid x_{t-1})",
    how=f"Both sides are {TABLE}, for a random chain from x_0 to x_T.",
)
def _(rng: np.random.Generator) -> Case:
    return Case(chain(rng, t_min=2).world)


@parsed(
    "bayes-given-x-0",
    r"q(x_t \mid x_{t-1}, x_0)",
    how=f"Both sides are {TABLE}, for a random chain from x_0 to x_T and t ≥ 2.",
)
def _(rng: np.random.Generator) -> Case:
    return Case(chain(rng, t_min=2).world)


@parsed(
    "telescoped",
    r"q(x_{1:T} \mid x_0)",
    how=f"Both sides are {TABLE}, for a random chain from x_0 to x_T.",
)
def _(rng: np.random.Generator) -> Case:
    return Case(chain(rng).world)


@parsed("log-ratio", how=f"Both sides are {TABLE}, for two random chains, on every path.")
def _(rng: np.random.Generator) -> Case:
    return Case(chain(rng).world)


@parsed(
    "three-terms",
    "L",
    how=f"The printed sum of the terms is compared with the whole bound, both {TABLE} for two random chains.",
)
def _(rng: np.random.Generator) -> Case:
    it = chain(rng)
    values = {**it.world.values, "L_T": _end(it)}
    steps = [_last(it), *(_step(it, t) for t in range(2, it.T + 1))]
    world = replace(it.world, values=values, sequences={**it.world.sequences, "L": steps})
    return Case(world, [_negative_bound(it)])


@parsed("term-end", "L_T", how=f"The printed divergence is compared with the same sum, {TABLE}.")
def _(rng: np.random.Generator) -> Case:
    it = chain(rng)
    return Case(it.world, [_end(it)])


@parsed("term-step", "L_{t-1}", how=f"The printed average is compared with that over whole paths, {TABLE}.")
def _(rng: np.random.Generator) -> Case:
    it = chain(rng, t_min=2)
    return Case(it.world, [_step(it, it.t)])


@parsed("term-last", "L_0", how=f"The printed average is compared with that over whole paths, {TABLE}.")
def _(rng: np.random.Generator) -> Case:
    it = chain(rng)
    return Case(it.world, [_last(it)])


def _over_paths(it: Chain, values: Any) -> Any:
    """The mean over all paths that q takes from each x_0: the terms' averages before any is done by itself."""
    paths = it.q.probabilities / it.q.probabilities.sum(axis=tuple(range(1, it.T + 1)), keepdims=True)
    return (paths * values).sum(axis=tuple(range(1, it.T + 1)), keepdims=True)


def _negative_bound(it: Chain) -> Any:
    paths = it.q.probabilities / it.q.probabilities.sum(axis=tuple(range(1, it.T + 1)), keepdims=True)
    return _over_paths(it, np.log(paths) - np.log(it.p.probabilities))


def _end(it: Chain) -> Any:
    last = f"x_{it.T}"
    return _over_paths(it, np.log(it.q.density([last], ["x_0"], {}) / it.p.density([last], [], {})))


def _step(it: Chain, t: int) -> Any:
    before, after = f"x_{t - 1}", f"x_{t}"
    return _over_paths(it, np.log(it.q.density([before], [after, "x_0"], {}) / it.p.density([before], [after], {})))


def _last(it: Chain) -> Any:
    return _over_paths(it, -np.log(it.p.density(["x_0"], ["x_1"], {})))


@parsed(
    "prior-term",
    "L_T",
    how="The printed term is compared with bounds.prior_term, and with the quadrature densities.kl, averaged over data "
    "that is one of two numbers.",
    tolerance=1e-8,
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    data = rng.normal(size=2)
    kept = it.schedule.alpha_bar[-1]
    last = [densities.Mixture([1], [kept**0.5 * x_0], [(1 - kept) ** 0.5]) for x_0 in data]
    moment = float(np.mean(data**2))
    world = replace(it.world, values={**it.world.values, "M": moment})
    return Case(world, [bounds.prior_term(moment, it.schedule), np.mean([densities.kl(law) for law in last])])


def _gaussian_data(rng: np.random.Generator) -> tuple[World, schedules.NoiseSchedule, int, float]:
    """A schedule, data from N(0, v_0), and a chain back that guesses the noise as well as it can be guessed."""
    it = scheduled(rng, t_min=2)
    schedule, t = it.schedule, it.t
    v = [float(rng.uniform(0.05, 2))]
    for s in range(1, schedule.T + 1):
        v.append(schedule.alpha[s] * v[-1] + schedule.beta[s])
    guess = (1 - schedule.alpha_bar[t]) ** 0.5 / v[t]  # the covariance of ε and x_t, divided by the variance of x_t
    factor = float(diffusion.mean_from_eps(1.0, guess, t, schedule))
    u, sigma = float(rng.uniform(0.2, 2)), float(rng.uniform(0.2, 1))
    values = {**it.world.values, "a_t": factor, "u_t": u, "u_{t-1}": factor**2 * u + sigma**2, "sigma_t": sigma}
    world = replace(it.world, values=values, sequences={**it.world.sequences, "v": v})
    return world, schedule, t, factor


@parsed(
    "model-factor",
    "a_t",
    how="The printed factor is compared with diffusion.mean_from_eps for the best guess of the noise, and with the mean of "
    "the true step back from two jointly Gaussian numbers.",
)
def _(rng: np.random.Generator) -> Case:
    world, schedule, t, factor = _gaussian_data(rng)
    v = world.sequences["v"]
    return Case(world, [factor, schedule.alpha[t] ** 0.5 * v[t - 1] / v[t]])


@parsed(
    "model-variance",
    "u_{t-1}",
    how="The printed variance is compared with that of diffusion.p_sample, over every sign of x_t and of the noise it adds.",
)
def _(rng: np.random.Generator) -> Case:
    world, schedule, t, factor = _gaussian_data(rng)

    def eps_theta(x_t: Any, t: Any) -> Any:
        return (1 - schedule.alpha_bar[t]) ** 0.5 / np.asarray(world.sequences["v"])[t] * x_t

    u, seed = world.values["u_t"], int(rng.integers(2**32))
    x_t = u**0.5 * np.array([1.0, -1.0])
    mean = diffusion.p_sample(eps_theta, x_t, t, schedule, np.random.default_rng(seed), clip=False).x_t
    z = np.random.default_rng(seed).standard_normal(2)
    sigma = (mean - factor * x_t) / z  # what is left is the noise
    truth = float(np.mean((factor * x_t) ** 2) + np.mean(sigma**2))
    return Case(replace(world, values={**world.values, "sigma_t": float(sigma[0])}), [truth])


@parsed(
    "model-out",
    r"p_\theta(x_t \mid x_{t-1})",
    how="The printed law is compared with conditioning the joint Gaussian of x_{t−1} and x_t in the model.",
)
def _(rng: np.random.Generator) -> Case:
    world, _, t, factor = _gaussian_data(rng)
    u, sigma = world.values["u_t"], world.values["sigma_t"]
    joint = np.array([[u, factor * u], [factor * u, factor**2 * u + sigma**2]])  # of x_t and x_{t−1}
    before = world.sequences["x"][t - 1]
    gain = joint[0, 1] / joint[1, 1]
    return Case(world, [Moments(gain * before, joint[0, 0] - gain * joint[0, 1])])
