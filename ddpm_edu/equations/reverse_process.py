"""Checks of the chapter reverse-process: q(x_{t−1} | x_t) when nothing but x_t is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import densities, diffusion, reverse
from .evaluate import Moments, World
from .register import Case, function, parsed
from .worlds import eps_theta, histogram, pushed, scheduled


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


def _moments(step: _Step, steps: int = 4000) -> tuple[float, float]:
    """Mean and variance of x_{t−1} given x_t: Bayes' rule on an even grid, which knows nothing of scores."""
    middle, width = step.x_t / step.alpha**0.5, (step.beta / step.alpha) ** 0.5
    x = middle + width * np.linspace(-12, 12, steps)
    mass = step.before.pdf(x) * np.exp(-((step.x_t - step.alpha**0.5 * x) ** 2) / (2 * step.beta))
    mass /= mass.sum()
    mean = float(mass @ x)
    return mean, float(mass @ (x - mean) ** 2)


@parsed(
    "reverse-bayes",
    r"q(x_{t-1} \mid x_t)",
    how="The printed quotient is compared, at five places, with reverse.Kernel, whose area is made 1 by quadrature.",
)
def _(rng: np.random.Generator) -> Case:
    it = _step(rng)
    x = it.kernel.mean + it.kernel.variance**0.5 * np.array([-1.7, -0.6, 0.1, 0.9, 2.2])
    functions: dict[str, Any] = {
        "q(x_t|x_{t-1})": lambda x_t, before: (
            np.exp(-((x_t - it.alpha**0.5 * before) ** 2) / (2 * it.beta)) / (2 * np.pi * it.beta) ** 0.5
        ),
        "q_{t-1}": it.before.pdf,
        "q_t": it.after.pdf,
    }
    values = {**it.world.values, "x_{t-1}": x}
    return Case(replace(it.world, values=values, functions={**it.world.functions, **functions}), [it.kernel.pdf(x)])


@function(
    "reverse-log",
    "quadrature",
    how="The printed sum is compared with reverse.Kernel.log_pdf; the two differ by one number, the same at every place.",
    prints=r"\log q(x_{t-1} \mid x_t) = -\frac{(x_t - \sqrt{\alpha_t}\,x_{t-1})^2}{2\beta_t} "
    r"+ \log q_{t-1}(x_{t-1}) + c",
    right=lambda x_t, x, alpha, beta, log_before: -((x_t - alpha**0.5 * x) ** 2) / (2 * beta) + log_before,
    wrong={
        "without the 2": lambda x_t, x, alpha, beta, log_before: -((x_t - alpha**0.5 * x) ** 2) / beta + log_before,
        "without the root": lambda x_t, x, alpha, beta, log_before: -((x_t - alpha * x) ** 2) / (2 * beta) + log_before,
        "a sign": lambda x_t, x, alpha, beta, log_before: (x_t - alpha**0.5 * x) ** 2 / (2 * beta) + log_before,
        "the two places swapped": lambda x_t, x, alpha, beta, log_before: (
            -((x - alpha**0.5 * x_t) ** 2) / (2 * beta) + log_before
        ),
        "β squared": lambda x_t, x, alpha, beta, log_before: (
            -((x_t - alpha**0.5 * x) ** 2) / (2 * beta**2) + log_before
        ),
        "the log-density subtracted": lambda x_t, x, alpha, beta, log_before: (
            -((x_t - alpha**0.5 * x) ** 2) / (2 * beta) - log_before
        ),
        "the log-density left out": lambda x_t, x, alpha, beta, log_before: -((x_t - alpha**0.5 * x) ** 2) / (2 * beta),
    },
)
def _(log_density: Any) -> float:
    worst = 0.0
    for seed in range(8):
        it = _step(np.random.default_rng(seed))
        kernel = it.kernel
        x = kernel.mean + kernel.variance**0.5 * np.linspace(-3, 3, 13)
        apart = kernel.log_pdf(x) - log_density(it.x_t, x, it.alpha, it.beta, it.before.log_pdf(x))
        worst = max(worst, float(np.ptp(apart)))
    return worst


@parsed(
    "tweedie-mean",
    "m",
    how="The printed mean is compared with reverse.tweedie, with reverse.Kernel, and with Bayes' rule on an even grid.",
)
def _(rng: np.random.Generator) -> Case:
    it = _step(rng)
    printed = float(reverse.tweedie(it.before, it.alpha, it.beta, it.x_t)[0])
    return Case(it.world, [printed, it.kernel.mean, _moments(it)[0]])


@function(
    "tweedie-variance",
    "quadrature",
    how="The printed variance is compared with reverse.tweedie, with reverse.Kernel, and with Bayes' rule on an even grid.",
    prints=r"v = \frac{\beta_t}{\alpha_t}\left(1 + \beta_t\,s_t'\right)",
    right=lambda alpha, beta, slope: beta / alpha * (1 + beta * slope),
    wrong={
        "the score's slope left out": lambda alpha, beta, slope: beta / alpha,
        "a sign": lambda alpha, beta, slope: beta / alpha * (1 - beta * slope),
        "not divided by α": lambda alpha, beta, slope: beta * (1 + beta * slope),
        "divided by its root": lambda alpha, beta, slope: beta / alpha**0.5 * (1 + beta * slope),
        "the slope without β": lambda alpha, beta, slope: beta / alpha * (1 + slope),
    },
)
def _(variance: Any) -> float:
    worst = 0.0
    for seed in range(16):
        it = _step(np.random.default_rng(seed))
        printed = variance(it.alpha, it.beta, it.world.values["s_t'"])
        package = reverse.tweedie(it.before, it.alpha, it.beta, it.x_t)[1]
        for truth in (float(package), it.kernel.variance, _moments(it)[1]):
            worst = max(worst, abs(printed / truth - 1))
    return worst


def _second_slope(density: Any, x: float, step: float = 2e-3) -> float:
    """The second derivative of the score, by central differences of its slope: exact but for step⁶."""
    weights = {1: 45, 2: -9, 3: 1}
    return sum(
        w * float(density.score_slope(x + k * step) - density.score_slope(x - k * step)) for k, w in weights.items()
    ) / (60 * step)


@function(
    "third-cumulant",
    "quadrature",
    how="The printed cumulant is compared with the mean cube of x_{t−1}'s distance from its mean, by Bayes' rule on an even grid.",
    prints=r"\kappa = \left(\frac{\beta_t}{\sqrt{\alpha_t}}\right)^3 s_t''",
    right=lambda alpha, beta, bend: (beta / alpha**0.5) ** 3 * bend,
    wrong={
        "without the root": lambda alpha, beta, bend: (beta / alpha) ** 3 * bend,
        "a square": lambda alpha, beta, bend: (beta / alpha**0.5) ** 2 * bend,
        "a sign": lambda alpha, beta, bend: -((beta / alpha**0.5) ** 3) * bend,
        "β alone cubed": lambda alpha, beta, bend: beta**3 / alpha**0.5 * bend,
        "a factor 2": lambda alpha, beta, bend: 2 * (beta / alpha**0.5) ** 3 * bend,
    },
    tolerance=1e-9,
)
def _(cumulant: Any) -> float:
    worst = 0.0
    for seed in range(12):
        it = _step(np.random.default_rng(seed))
        middle, width = it.x_t / it.alpha**0.5, (it.beta / it.alpha) ** 0.5
        x = middle + width * np.linspace(-12, 12, 4000)
        mass = it.before.pdf(x) * np.exp(-((it.x_t - it.alpha**0.5 * x) ** 2) / (2 * it.beta))
        mass /= mass.sum()
        truth = float(mass @ (x - mass @ x) ** 3)
        value = cumulant(it.alpha, it.beta, _second_slope(it.after, it.x_t))
        worst = max(worst, abs(value - truth) / it.kernel.variance**1.5)
    return worst


@function(
    "reverse-kl",
    "quadrature",
    how="reverse.Kernel.kl_to_gaussian is divided by the printed law for two small β, and the ratio continued to β = 0: it is 1.",
    prints=r"\mathrm{KL} \approx \frac{\kappa^2}{12\,v^3} \approx \frac{\beta_t^3\,(s_t'')^2}{12}",
    right=lambda alpha, beta, bend: beta**3 * bend**2 / 12,
    wrong={
        "a square of β": lambda alpha, beta, bend: beta**2 * bend**2 / 12,
        "a fourth power of β": lambda alpha, beta, bend: beta**4 * bend**2 / 12,
        "24 for 12": lambda alpha, beta, bend: beta**3 * bend**2 / 24,
        "6 for 12": lambda alpha, beta, bend: beta**3 * bend**2 / 6,
        "no square": lambda alpha, beta, bend: beta**3 * abs(bend) / 12,
    },
    tolerance=1e-4,
)
def _(law: Any) -> float:
    worst = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        before = pushed(histogram(rng), 0.9, 0.1, 3)
        x_t = before.mean + before.variance**0.5 * rng.uniform(0.5, 1.2)
        ratios = []
        for beta in (2e-4, 1e-4):
            kernel = reverse.Kernel(before, 1 - beta, beta, x_t)
            bend = _second_slope(before.push((1 - beta) ** 0.5, beta), x_t)
            ratios.append(kernel.kl_to_gaussian() / law(1 - beta, beta, bend))
        worst = max(worst, abs(2 * ratios[1] - ratios[0] - 1))
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
