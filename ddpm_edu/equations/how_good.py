"""Checks of the chapter how-good: distances of crowds, the denoiser of the training set, and the bound in bits."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import bounds, densities, diffusion, forward, posterior, schedules
from .evaluate import World
from .register import Case, function, parsed
from .worlds import eps_theta, scheduled, sequences

NETWORK = "with a smooth function in the network's place"


@function(
    "frechet-distance",
    "mpmath",
    how="distances.frechet_distance is compared with the printed formula, worked out with 50 digits by mpmath: "
    "means, covariances and the root of the matrix.",
    prints=r"d^2 = \|\mu_1 - \mu_2\|^2 + \mathrm{tr}\left(\Sigma_1 + \Sigma_2 - 2\,(\Sigma_1 \Sigma_2)^{1/2}\right)",
    right=lambda gap, first, second, root: gap + _trace(first + second - 2 * root(first * second)),
    wrong={
        "the distance for its square": lambda gap, first, second, root: (
            gap**0.5 + _trace(first + second - 2 * root(first * second))
        ),
        "the means left out": lambda gap, first, second, root: _trace(first + second - 2 * root(first * second)),
        "without the root": lambda gap, first, second, root: gap + _trace(first + second - 2 * first * second),
        "without the 2": lambda gap, first, second, root: gap + _trace(first + second - root(first * second)),
        "with a plus": lambda gap, first, second, root: gap + _trace(first + second + 2 * root(first * second)),
        "one covariance twice": lambda gap, first, second, root: gap + _trace(2 * first - 2 * root(first * second)),
    },
)
def _(distance: Any) -> float:
    import mpmath

    from .. import distances

    rng = np.random.default_rng(7)
    worst = 0.0
    for n, m in ((6, 9), (12, 5)):
        crowds = [rng.normal(rng.normal(), 1, (size, 3)) @ rng.normal(size=(3, 3)) for size in (n, m)]
        with mpmath.workdps(50):
            means, covariances = zip(*(_moments(mpmath.matrix(crowd.tolist())) for crowd in crowds), strict=True)
            gap = means[0] - means[1]
            exact = float(mpmath.re(distance((gap.T * gap)[0], *covariances, mpmath.sqrtm)))
        worst = max(worst, abs(distances.frechet_distance(*crowds) - exact) / abs(exact))
    return worst


def _moments(rows: Any) -> tuple[Any, Any]:
    """Mean and unbiased covariance of the rows of an mpmath matrix."""
    import mpmath

    mean = rows.T * mpmath.ones(rows.rows, 1) / rows.rows
    centred = rows - mpmath.ones(rows.rows, 1) * mean.T
    return mean, centred.T * centred / (rows.rows - 1)


def _trace(matrix: Any) -> Any:
    return sum(matrix[place, place] for place in range(matrix.rows))


def _sum_of_means(xx: float, yy: float, xy: float) -> float:
    return xx + yy - 2 * xy


def _cubic(inner: float, D: int) -> float:
    return (inner / D + 1) ** 3


@function(
    "kernel-distance",
    "algebra",
    how="The printed formula, with its means as sums over two laws of two points each, is compared with the mean of "
    "distances.kernel_distance over all crowds of four that can be drawn from them: it must be right on average.",
    prints=r"d_k^2 = \mathbb{E}[k(x, x')] + \mathbb{E}[k(y, y')] - 2\,\mathbb{E}[k(x, y)] "
    r"\quad\text{with}\quad k(x, y) = \left(\frac{x^\top y}{D} + 1\right)^3",
    right=(_sum_of_means, _cubic),
    wrong={
        "without the 2": (lambda xx, yy, xy: xx + yy - xy, _cubic),
        "with a plus": (lambda xx, yy, xy: xx + yy + 2 * xy, _cubic),
        "one crowd twice": (lambda xx, yy, xy: 2 * xx - 2 * xy, _cubic),
        "a square for the third power": (_sum_of_means, lambda inner, D: (inner / D + 1) ** 2),
        "without the 1": (_sum_of_means, lambda inner, D: (inner / D) ** 3),
        "without the D": (_sum_of_means, lambda inner, D: (inner + 1) ** 3),
    },
)
def _(formula: Any) -> float:
    from .. import distances

    combine, kernel = formula
    points = np.array([[[1.0, 0.5, -0.3], [-0.2, 0.7, 1.1]], [[0.4, -0.6, 0.9], [1.3, 0.8, 0.1]]])
    chances = np.array([[0.3, 0.7], [0.6, 0.4]])

    def mean(one: int, other: int) -> float:
        inner = points[one] @ points[other].T
        return float(chances[one] @ kernel(inner, points.shape[2]) @ chances[other])

    on_average = 0.0
    for x in itertools.product((0, 1), repeat=4):
        for y in itertools.product((0, 1), repeat=4):
            chance = chances[0][list(x)].prod() * chances[1][list(y)].prod()
            on_average += chance * distances.kernel_distance(points[0][list(x)], points[1][list(y)], blocks=2).value
    exact = combine(mean(0, 0), mean(1, 1), mean(0, 1))
    return abs(on_average - exact) / abs(exact)


@parsed(
    "share-error",
    "s",
    how="The printed deviation is compared with that of a share over all outcomes of n draws, weighted with the binomial law.",
)
def _(rng: np.random.Generator) -> Case:
    n, share = int(rng.integers(2, 12)), float(rng.uniform(0.05, 0.95))
    k = np.arange(n + 1)
    law = np.array([math.comb(n, i) for i in k]) * share**k * (1 - share) ** (n - k)
    mean = (law * k / n).sum()
    return Case(World({"n": n, "r": share}), [float((law * (k / n - mean) ** 2).sum() ** 0.5)])


class _List(NamedTuple):
    """A list of a few digits of one or of four pixels, in a world at a time t."""

    world: World
    denoiser: Any
    digits: np.ndarray
    """Shape (N, pixels)."""
    x_t: np.ndarray
    """Shape (1, pixels)."""
    t: int
    kept: float
    """ᾱ_t."""
    noise: float
    """1 − ᾱ_t."""


def _list(rng: np.random.Generator) -> _List:
    from .. import ideal

    it = scheduled(rng)
    N, pixels = int(rng.integers(3, 8)), int(rng.choice([1, 4]))
    digits, x_t = rng.uniform(-1, 1, (N, pixels)), rng.normal(0, 0.7, (1, pixels))
    kept, noise = float(it.schedule.alpha_bar[it.t]), float(it.schedule.noise[it.t])
    values = {**it.world.values, "N": N, "i": int(rng.integers(1, N + 1)), "x_t": x_t[0]}
    sequences = {**it.world.sequences, "y": [np.nan * digits[0], *digits]}  # a list begins at 1
    world = replace(it.world, values=values, sequences=sequences)
    return _List(world, ideal.Denoiser(digits, it.schedule), digits, x_t, it.t, kept, noise)


@parsed(
    "ideal-exponent",
    "d_i",
    how="The printed exponent is compared with the drop of the Gaussian's log-density from its peak, summed over the pixels, "
    "and its differences with the logarithms of the quotients of ideal.Denoiser's probabilities.",
)
def _(rng: np.random.Generator) -> Case:
    it = _list(rng)
    i = it.world.values["i"]
    drops = []
    for digit in it.digits:
        laws = [densities.Mixture([1], [it.kept**0.5 * pixel], [it.noise**0.5]) for pixel in digit]
        drops.append(sum(float(law.log_pdf(law.mean) - law.log_pdf(x)) for law, x in zip(laws, it.x_t[0], strict=True)))
    shares = it.denoiser.probabilities(it.x_t, it.t)[0]
    return Case(it.world, [drops[i - 1], drops[0] + float(np.log(shares[0] / shares[i - 1]))])


@parsed(
    "ideal-denoiser",
    r"\mathbb{E}[x_0 \mid x_t]",
    how="The printed mean is compared with ideal.Denoiser; and, for digits of a single pixel, with what the score of the "
    "mixture of Gaussians around them says, in which no weights occur.",
)
def _(rng: np.random.Generator) -> Case:
    it = _list(rng)
    d = ((it.x_t - it.kept**0.5 * it.digits) ** 2).sum(axis=1) / (2 * it.noise)
    w = it.denoiser.probabilities(it.x_t, it.t)[0]
    world = replace(it.world, sequences={**it.world.sequences, "w": [np.nan, *w], "d": [np.nan, *d]})
    truths = [it.denoiser.mean(it.x_t, it.t)[0]]
    if it.digits.shape[1] == 1:
        means, N = it.kept**0.5 * it.digits[:, 0], len(it.digits)
        law = densities.Mixture(np.full(N, 1 / N), means, np.full(N, it.noise**0.5))
        truths.append((it.x_t[0] + it.noise * law.score(it.x_t[0])) / it.kept**0.5)
    return Case(world, truths)


@parsed("bits-per-dimension", "b", how="The printed quotient is compared with bounds.bits.")
def _(rng: np.random.Generator) -> Case:
    nats, dimensions = float(rng.uniform(100, 2000)), int(rng.integers(2, 1000))
    return Case(World({"L": nats, "D": dimensions}), [bounds.bits(nats, dimensions)])


class _Draws(NamedTuple):
    """A world with several draws of ε for pictures of three pixels, and the means of the step that follow from them."""

    world: World
    """Expectations are over the draws."""
    schedule: schedules.NoiseSchedule
    t: int
    x_0: np.ndarray
    eps: np.ndarray
    """Shape (K, D), as x_0."""
    target: np.ndarray
    """The mean of q(x_{t−1} | x_t, x_0), shape (K, D)."""
    mean: np.ndarray
    """The model's mean, shape (K, D)."""


def _draws(rng: np.random.Generator, schedule: schedules.NoiseSchedule, **values: float) -> _Draws:
    t, shape = int(rng.integers(2, schedule.T + 1)), (int(rng.integers(2, 6)), 3)
    x_0, eps = rng.uniform(-1, 1, shape), rng.standard_normal(shape)
    x_t = forward.q_sample(x_0, t, schedule, eps)
    guess = eps_theta(x_t, t)
    target = posterior.mean(x_t, x_0, t, schedule)
    mean = diffusion.mean_from_eps(x_t, guess, t, schedule)
    world = World(
        {**values, "t": t, "T": schedule.T, "D": shape[1], "eps": eps, "eps_theta": guess, "x_t": x_t},
        sequences=sequences(schedule),
        functions={"eps_theta": eps_theta},
        weights=np.full(shape[0], 1 / shape[0]),
    )
    return _Draws(world, schedule, t, x_0, eps, target, mean)


def _any_schedule(rng: np.random.Generator) -> schedules.NoiseSchedule:
    return schedules.from_betas(rng.uniform(0.03, 0.6, int(rng.integers(4, 10))))


@parsed(
    "best-variance",
    r"\sigma_t^2",
    how="The printed variance is compared with the one at which a search finds the smallest mean of bounds.gaussian_kl, "
    f"and with the mean square of x_{{t−1}} − μ_θ when x_0 is known, {NETWORK}.",
    tolerance=1e-6,
)
def _(rng: np.random.Generator) -> Case:
    from scipy.optimize import minimize_scalar

    it = _draws(rng, _any_schedule(rng))
    narrow = it.schedule.beta_tilde[it.t]

    def cost(log_variance: float) -> float:
        return float(np.mean(bounds.gaussian_kl(it.target, narrow, it.mean, math.exp(log_variance))))

    found = math.exp(minimize_scalar(cost, bracket=(-3, 1), tol=1e-12).x)
    ends = [it.target + sign * narrow**0.5 for sign in (1, -1)]  # two places with the law's mean and variance
    return Case(it.world, [found, float(np.mean([(end - it.mean) ** 2 for end in ends]))])


@parsed(
    "best-cost",
    "L_{t-1}",
    how=f"The printed logarithm is compared with the mean of bounds.gaussian_kl at the best variance, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    it = _draws(rng, _any_schedule(rng))
    narrow = it.schedule.beta_tilde[it.t]
    best = narrow + float(np.mean((it.target - it.mean) ** 2))
    nats = bounds.gaussian_kl(it.target, narrow, it.mean, best).sum(axis=1).mean()
    return Case(replace(it.world, values={**it.world.values, "sigma_t": best**0.5}), [float(nats)])


@parsed(
    "noise-floor",
    "P",
    how="The printed probability is compared with bounds.discretised_log_likelihood, and with the error function of the "
    "standard library.",
)
def _(rng: np.random.Generator) -> Case:
    snr, level = float(np.exp(rng.uniform(8, 13))), int(rng.integers(1, 255))
    x_0 = -1 + 2 * level / 255
    packaged = float(np.exp(bounds.discretised_log_likelihood(x_0, x_0, 1 / snr)))
    return Case(World({}, {"SNR": [math.inf, snr]}), [packaged, math.erf((snr / 2) ** 0.5 / 255)])


@parsed(
    "eps-weight-snr",
    how="Both sides are compared with bounds.eps_weight at σ² = β̃.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    return Case(it.world, [bounds.eps_weight(it.t, it.schedule, it.schedule.beta_tilde[it.t])])


def _straight(rng: np.random.Generator) -> tuple[schedules.NoiseSchedule, dict[str, float]]:
    """A schedule that is straight in log SNR, and its two ends by their names in the equations."""
    first, last = float(rng.uniform(1, 6)), float(rng.uniform(-5, 0))
    return schedules.log_linear(int(rng.integers(4, 12)), first, last), {"lambda_1": first, "lambda_T": last}


@parsed(
    "log-linear",
    r"\log\mathrm{SNR}_t",
    how="The printed line is compared with the logarithm of the signal-to-noise ratio of schedules.log_linear.",
)
def _(rng: np.random.Generator) -> Case:
    schedule, ends = _straight(rng)
    t = int(rng.integers(1, schedule.T + 1))
    return Case(World({**ends, "t": t, "T": schedule.T}), [float(np.log(schedule.snr[t]))])


@parsed(
    "bound-is-simple",
    "L_{t-1}",
    how="The printed mean is compared with that of bounds.step_term at σ² = β̃ along schedules.log_linear, and the printed "
    f"factor must fit every t, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    schedule, ends = _straight(rng)
    it = _draws(rng, schedule, **ends)
    terms = bounds.step_term(
        lambda x, t: eps_theta(x, t[0]), it.x_0, np.full(len(it.x_0), it.t), schedule, it.eps, variance="beta_tilde"
    )
    return Case(it.world, [float(terms.mean())])


@parsed(
    "belief",
    r"\hat{x}_0",
    how="The printed mean is compared with belief.posterior_mean, which works with six digits, and with what the score of a "
    "mixture of 256 Gaussians says, in which the quotient does not occur.",
    tolerance=1e-4,
)
def _(rng: np.random.Generator) -> Case:
    import torch

    from .. import belief

    schedule = schedules.from_betas(rng.uniform(0.03, 0.6, 6))
    t = int(rng.integers(1, 7))
    answer = rng.normal(0, 0.5, len(belief.KNOTS))
    spread = np.log([belief.BLACK] + 255 * [(1 - belief.BLACK) / 255])
    spread += belief.SHARPNESS * np.interp(np.arange(256), belief.KNOTS, answer)
    r = np.exp(spread) / np.exp(spread).sum()
    v = np.linspace(-1, 1, 256)
    kept, noise = schedule.alpha_bar[t], schedule.noise[t]
    x_t = float(kept**0.5 * rng.uniform(-1, 1) + noise**0.5 * rng.normal())
    packaged = belief.posterior_mean(
        torch.tensor(answer, dtype=torch.float32)[None, :, None, None],
        torch.full((1, 1, 1, 1), x_t),
        torch.tensor([t]),
        schedule.to("cpu"),
    )
    law = densities.Mixture(r, kept**0.5 * v, np.full(256, noise**0.5))
    world = World(
        {"x_t": x_t, "t": t},
        {"alpha_bar": schedule.alpha_bar, "beta": schedule.beta, "alpha": schedule.alpha, "r": r, "v": v},
    )
    return Case(world, [float(packaged), float((x_t + noise * law.score(x_t)) / kept**0.5)])
