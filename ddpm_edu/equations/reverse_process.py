"""Checks of the chapter reverse-process: q(x_{t−1} | x_t) when nothing but x_t is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import densities, diffusion, reverse
from .evaluate import Moments, World
from .register import Case, function, parsed
from .worlds import Line, eps_theta, histogram, line, pushed, scheduled


class _Step(NamedTuple):
    """A step of a schedule, and the law of one number before it."""

    before: densities.Histogram | densities.Mixture
    alpha: float
    beta: float
    x_t: float
    world: World

    @property
    def after(self) -> densities.Histogram | densities.Mixture:
        return self.before.push(self.alpha**0.5, self.beta)

    @property
    def kernel(self) -> reverse.Kernel:
        return reverse.Kernel(self.before, self.alpha, self.beta, self.x_t)


def _step(rng: np.random.Generator) -> _Step:
    it = scheduled(rng, t_min=2)
    before: Any = histogram(rng)
    for s in range(1, it.t):
        before = before.push(it.schedule.alpha[s] ** 0.5, it.schedule.beta[s])
    alpha, beta = float(it.schedule.alpha[it.t]), float(it.schedule.beta[it.t])
    after = before.push(alpha**0.5, beta)
    x_t = float(after.mean + after.variance**0.5 * rng.uniform(-1.5, 1.5))
    slope = float(after.score_slope(x_t))
    values = {**it.world.values, "x_t": x_t, "s_t": float(after.score(x_t)), "s_t'": slope}
    return _Step(before, alpha, beta, x_t, replace(it.world, values=values))


def _moments(step: _Step, steps: int = 4000) -> tuple[float, float, float]:
    """Mean, variance and third central moment of x_{t−1} given x_t: Bayes' rule on an even grid, without any score."""
    middle, width = step.x_t / step.alpha**0.5, (step.beta / step.alpha) ** 0.5
    x = middle + width * np.linspace(-12, 12, steps)
    mass = step.before.pdf(x) * np.exp(-((step.x_t - step.alpha**0.5 * x) ** 2) / (2 * step.beta))
    mass /= mass.sum()
    mean = float(mass @ x)
    return mean, float(mass @ (x - mean) ** 2), float(mass @ (x - mean) ** 3)


@parsed(
    "reverse-bayes",
    r"q(x_{t-1} \mid x_t)",
    how="The printed quotient is compared, at seven places, with reverse.Kernel, whose area is made 1 by quadrature.",
)
def _(rng: np.random.Generator) -> Case:
    it = line(rng)
    return Case(it.world, [_kernel(it).pdf(it.x[it.t - 1])])


@parsed(
    "reverse-log",
    r"\log q(x_{t-1} \mid x_t)",
    how="The printed sum, with the logarithms of what does not depend on x_{t−1} for its constant, is compared at seven places "
    "with reverse.Kernel.log_pdf, whose area is made 1 by quadrature.",
)
def _(rng: np.random.Generator) -> Case:
    it = line(rng)
    constant = -np.log(2 * np.pi * it.schedule.beta[it.t]) / 2 - np.log(it.world.functions["q_t"](it.x[it.t]))
    world = replace(it.world, values={**it.world.values, "c": constant})
    return Case(world, [_kernel(it).log_pdf(it.x[it.t - 1])])


def _kernel(it: Line) -> reverse.Kernel:
    return reverse.Kernel(it.before, float(it.schedule.alpha[it.t]), float(it.schedule.beta[it.t]), it.x[it.t])


@parsed(
    "tweedie-mean",
    r"\mathbb{E}[x_{t-1} \mid x_t]",
    how="The printed mean is compared with reverse.tweedie, with reverse.Kernel, and with Bayes' rule on an even grid.",
)
def _(rng: np.random.Generator) -> Case:
    it = _step(rng)
    printed = float(reverse.tweedie(it.before, it.alpha, it.beta, it.x_t)[0])
    return Case(it.world, [printed, it.kernel.mean, _moments(it)[0]])


@parsed(
    "tweedie-variance",
    r"\mathrm{Var}[x_{t-1} \mid x_t]",
    how="The printed variance is compared with reverse.tweedie, with reverse.Kernel, and with Bayes' rule on an even grid.",
)
def _(rng: np.random.Generator) -> Case:
    it = _step(rng)
    printed = float(reverse.tweedie(it.before, it.alpha, it.beta, it.x_t)[1])
    return Case(it.world, [printed, it.kernel.variance, _moments(it)[1]])


@parsed(
    "third-cumulant",
    r"\kappa",
    how="The printed moment is compared with the mean cube of x_{t−1}'s distance from its mean, by Bayes' rule on an even grid; "
    "s″ is a difference of densities' score_slope.",
    tolerance=1e-7,
)
def _(rng: np.random.Generator) -> Case:
    it = _step(rng)
    values = {**it.world.values, "s_t''": _second_slope(it.after, it.x_t)}
    return Case(replace(it.world, values=values), [_moments(it)[2]])


def _second_slope(density: Any, x: float, step: float = 2e-3) -> float:
    """The second derivative of the score, by central differences of its slope: exact but for step⁶."""
    weights = {1: 45, 2: -9, 3: 1}
    return sum(
        w * float(density.score_slope(x + k * step) - density.score_slope(x - k * step)) for k, w in weights.items()
    ) / (60 * step)


@function(
    "reverse-kl",
    "quadrature",
    how="reverse.Kernel.kl_to_gaussian is divided by each of the two printed laws for two small β, κ and v being moments on an "
    "even grid, and the ratios are continued to β = 0: they are 1.",
    prints=r"\mathrm{KL} \approx \frac{\kappa^2}{12\,v^3} \approx \frac{\beta_t^3\,(s_t'')^2}{12}",
    right=lambda kappa, v, beta, bend: (kappa**2 / (12 * v**3), beta**3 * bend**2 / 12),
    wrong={
        "a square of β": lambda kappa, v, beta, bend: (kappa**2 / (12 * v**3), beta**2 * bend**2 / 12),
        "a fourth power of β": lambda kappa, v, beta, bend: (kappa**2 / (12 * v**3), beta**4 * bend**2 / 12),
        "24 for 12": lambda kappa, v, beta, bend: (kappa**2 / (24 * v**3), beta**3 * bend**2 / 24),
        "6 for the second 12": lambda kappa, v, beta, bend: (kappa**2 / (12 * v**3), beta**3 * bend**2 / 6),
        "no square of the slope": lambda kappa, v, beta, bend: (kappa**2 / (12 * v**3), beta**3 * abs(bend) / 12),
        "no square of κ": lambda kappa, v, beta, bend: (abs(kappa) / (12 * v**3), beta**3 * bend**2 / 12),
        "a square of v": lambda kappa, v, beta, bend: (kappa**2 / (12 * v**2), beta**3 * bend**2 / 12),
    },
    tolerance=1e-4,
)
def _(law: Any) -> float:
    worst = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        before = pushed(histogram(rng), 0.9, 0.1, 3)
        x_t = float(before.mean + before.variance**0.5 * rng.uniform(0.5, 1.2))
        ratios = []
        for beta in (2e-4, 1e-4):
            step = _Step(before, 1 - beta, beta, x_t, World())
            _, v, kappa = _moments(step)
            laws = law(kappa, v, beta, _second_slope(step.after, x_t))
            ratios.append(step.kernel.kl_to_gaussian() / np.array(laws))
        worst = max(worst, float(np.abs(2 * ratios[1] - ratios[0] - 1).max()))
    return worst


@parsed(
    "model-step",
    r"p_\theta(x_{t-1} \mid x_t)",
    how="The printed law is compared with diffusion.p_sample without clipping: its mean, and the variance of what it adds, "
    "with a smooth function in the network's place.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    x_t = it.x[it.t]
    seed = int(rng.integers(2**32))
    z = np.random.default_rng(seed).standard_normal(x_t.shape)
    mean = diffusion.mean_from_eps(x_t, it.world.values["eps_theta"], it.t, it.schedule)
    drawn = diffusion.p_sample(eps_theta, x_t, it.t, it.schedule, np.random.default_rng(seed), clip=False).x_t

    def network_mean(x: Any, t: Any) -> Any:
        return diffusion.mean_from_eps(x, eps_theta(x, t), int(t), it.schedule)

    world = replace(
        it.world,
        sequences={**it.world.sequences, "sigma": it.schedule.beta**0.5},
        functions={**it.world.functions, "mu_theta": network_mean},
    )
    return Case(world, [Moments(mean, ((drawn - mean) / z) ** 2)])
