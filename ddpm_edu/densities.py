"""Densities of one variable, pushed exactly through x ↦ scale·x + √variance·ε, and their distance to N(0, 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, xlogy

from . import arguments

_SQRT_2_PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A weighted sum of Gaussians.

    weights, means, stds: shape (K,); weights are at least 0 and are scaled to sum to 1, stds are above 0.
    Raises ValueError if the shapes differ, a weight is negative, all are 0, or a std is not above 0.
    """

    weights: Any
    means: Any
    stds: Any

    def __post_init__(self) -> None:
        weights, means, stds = (arguments.array(name, getattr(self, name), 1) for name in ("weights", "means", "stds"))
        if not weights.shape == means.shape == stds.shape:
            raise ValueError(
                f"weights, means and stds must have one length, but they had {len(weights)}, {len(means)} and {len(stds)}"
            )
        object.__setattr__(self, "weights", _shares("weights", weights))
        object.__setattr__(self, "means", means)
        if (stds <= 0).any():
            raise ValueError(f"stds must be above 0, but one of them was {stds.min()}")
        object.__setattr__(self, "stds", stds)

    @property
    def mean(self) -> float:
        """The mean."""
        return float(self.weights @ self.means)

    @property
    def variance(self) -> float:
        """The variance."""
        return float(self.weights @ (self.stds**2 + (self.means - self.mean) ** 2))

    def pdf(self, x: Any) -> np.ndarray:
        """The density at x, of x's shape."""
        return np.exp(self.log_pdf(x))

    def log_pdf(self, x: Any) -> np.ndarray:
        """The logarithm of the density at x, of x's shape; finite even where the density underflows."""
        return logsumexp(self._log_parts(x), axis=-1)

    def cdf(self, x: Any) -> np.ndarray:
        """The probability of lying at or below x, of x's shape."""
        return ndtr(self._z(x)) @ self.weights

    def score(self, x: Any) -> np.ndarray:
        """The slope of the log-density at x, of x's shape."""
        return (self._shares_at(x) * (-self._z(x) / self.stds)).sum(axis=-1)

    def score_slope(self, x: Any) -> np.ndarray:
        """The derivative of the score at x, of x's shape: how the log-density bends."""
        shares, slopes = self._shares_at(x), -self._z(x) / self.stds
        spread = (slopes - (shares * slopes).sum(axis=-1, keepdims=True)) ** 2
        return (shares * (spread - 1 / self.stds**2)).sum(axis=-1)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """N draws, shape (n,)."""
        n = arguments.integer("n", n, 0)
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        return self.means[which] + self.stds[which] * rng.standard_normal(n)

    def push(self, scale: float, variance: float) -> Mixture:
        """The density of scale·x + √variance·ε.

        Raises ValueError if scale or variance is negative or not finite, or both are 0.
        """
        scale, variance = _check_push(scale, variance)
        return Mixture(self.weights, scale * self.means, np.sqrt(scale**2 * self.stds**2 + variance))

    def breakpoints(self) -> np.ndarray:
        """Where the density changes at its finest scale, for quadrature: sorted points that cover its mass."""
        return np.unique(np.add.outer(self.means, np.outer(self.stds, np.arange(-10, 11)).ravel()).ravel())

    def _z(self, x: Any) -> np.ndarray:
        return (np.asarray(x, dtype=np.float64)[..., None] - self.means) / self.stds

    def _shares_at(self, x: Any) -> np.ndarray:
        """What part of the density at x each Gaussian supplies, shape (…, K)."""
        parts = self._log_parts(x)
        return np.exp(parts - logsumexp(parts, axis=-1, keepdims=True))

    def _log_parts(self, x: Any) -> np.ndarray:
        with np.errstate(divide="ignore"):  # a weight of 0 has the logarithm −∞, and logsumexp knows it
            return np.log(self.weights) - np.log(self.stds * _SQRT_2_PI) - self._z(x) ** 2 / 2


@dataclass(frozen=True, eq=False)
class Histogram:
    """Bars, blurred by Gaussian noise of variance `noise` (0: the bars themselves).

    edges: shape (K + 1,), rising. heights: shape (K,), at least 0; a bar's mass is its height × width, and the
    heights are scaled until the masses sum to 1. noise: at least 0.
    Raises ValueError if the shapes do not fit, edges do not rise, a height is negative, all are 0, or noise is negative.
    """

    edges: Any
    heights: Any
    noise: float = 0.0

    def __post_init__(self) -> None:
        edges = arguments.array("edges", self.edges, 1)
        heights = arguments.array("heights", self.heights, 1)
        if len(edges) != len(heights) + 1 or len(heights) == 0:
            raise ValueError(
                f"edges must hold one number more than heights, but they had lengths {len(edges)} and {len(heights)}"
            )
        if (np.diff(edges) <= 0).any():
            raise ValueError(f"edges must rise from each to the next, but they were {edges}")
        object.__setattr__(self, "edges", edges)
        if (heights < 0).any():
            raise ValueError(f"heights must be at least 0, but one of them was {heights.min()}")
        object.__setattr__(self, "heights", _shares("heights", heights * np.diff(edges)) / np.diff(edges))
        object.__setattr__(self, "noise", arguments.number("noise", self.noise, 0))

    @property
    def masses(self) -> np.ndarray:
        """The probability of each bar, shape (K,)."""
        return self.heights * np.diff(self.edges)

    @property
    def mean(self) -> float:
        """The mean."""
        return float(self.masses @ (self.edges[:-1] + self.edges[1:]) / 2)

    @property
    def variance(self) -> float:
        """The variance: of the bars' midpoints, within the bars, and of the noise."""
        middles, widths = (self.edges[:-1] + self.edges[1:]) / 2, np.diff(self.edges)
        return float(self.masses @ ((middles - self.mean) ** 2 + widths**2 / 12)) + self.noise

    def pdf(self, x: Any) -> np.ndarray:
        """The density at x, of x's shape."""
        if self.noise == 0:
            bar = np.searchsorted(self.edges, x, side="right") - 1
            inside = (bar >= 0) & (bar < len(self.heights))
            return np.where(inside, self.heights[np.clip(bar, 0, len(self.heights) - 1)], 0.0)
        z = self._z(x)
        lower, upper = z[..., 1:], z[..., :-1]  # (x − b_k)/σ < (x − a_k)/σ
        flip = lower > 0  # take the difference in the tail where both are small
        return (np.where(flip, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower)) * self.heights).sum(axis=-1)

    def log_pdf(self, x: Any) -> np.ndarray:
        """The logarithm of the density at x, of x's shape; with noise, finite even where the density underflows."""
        if self.noise == 0:
            with np.errstate(divide="ignore"):
                return np.log(self.pdf(x))
        return logsumexp(self._log_parts(x), axis=-1)

    def cdf(self, x: Any) -> np.ndarray:
        """The probability of lying at or below x, of x's shape."""
        if self.noise == 0:
            return np.interp(x, self.edges, np.concatenate([[0.0], np.cumsum(self.masses)]))
        # The integral of Φ is zΦ(z) + φ(z): a uniform bar's cdf is a difference of two of them.
        z = self._z(x)
        integral = z * ndtr(z) + np.exp(-(z**2) / 2) / _SQRT_2_PI
        return ((integral[..., :-1] - integral[..., 1:]) * math.sqrt(self.noise) * self.heights).sum(axis=-1)

    def score(self, x: Any) -> np.ndarray:
        """The slope of the log-density at x, of x's shape. Raises ValueError if there is no noise: bars have no slope."""
        bells, sigma = self._bells_at(x), math.sqrt(self.noise)
        return (self.heights * (bells[..., :-1] - bells[..., 1:])).sum(axis=-1) / sigma

    def score_slope(self, x: Any) -> np.ndarray:
        """The derivative of the score at x, of x's shape: how the log-density bends.

        Raises ValueError if there is no noise.
        """
        bent = self._bells_at(x) * self._z(x)
        return (self.heights * (bent[..., 1:] - bent[..., :-1])).sum(axis=-1) / self.noise - self.score(x) ** 2

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """N draws, shape (n,)."""
        n = arguments.integer("n", n, 0)
        which = rng.choice(len(self.heights), size=n, p=self.masses)
        x = self.edges[which] + np.diff(self.edges)[which] * rng.random(n)
        return x + math.sqrt(self.noise) * rng.standard_normal(n) if self.noise else x

    def push(self, scale: float, variance: float) -> Histogram | Mixture:
        """The density of scale·x + √variance·ε: narrower or wider bars with more noise, or at scale 0 a Gaussian.

        Raises ValueError if scale or variance is negative or not finite, or both are 0.
        """
        scale, variance = _check_push(scale, variance)
        noise = scale**2 * self.noise + variance
        edges = scale * self.edges
        if np.ptp(edges) < 1e-4 * math.sqrt(noise):
            # The bars have shrunk so far that a Gaussian of their mean and variance differs by 1e-11 at most, less than
            # the differences of neighbouring cdfs would lose to rounding.
            return Mixture([1.0], [scale * self.mean], [math.sqrt(noise + scale**2 * (self.variance - self.noise))])
        return Histogram(edges, self.heights, noise)

    def breakpoints(self) -> np.ndarray:
        """Where the density changes at its finest scale, for quadrature: sorted points that cover its mass."""
        if self.noise == 0:
            return self.edges
        return np.unique(np.add.outer(self.edges, math.sqrt(self.noise) * np.arange(-10, 11)).ravel())

    def _z(self, x: Any) -> np.ndarray:
        return (np.asarray(x, dtype=np.float64)[..., None] - self.edges) / math.sqrt(self.noise)

    def _bells_at(self, x: Any) -> np.ndarray:
        """The standard normal density at each edge's z, divided by the density at x, shape (…, K + 1)."""
        if self.noise == 0:
            raise ValueError(
                "noise must be above 0 for a score, but it was 0: the density of bars jumps at their edges"
            )
        log_bells = -(self._z(x) ** 2) / 2 - logsumexp(self._log_parts(x), axis=-1, keepdims=True)
        # beside an empty bar, which counts for nothing, an edge may be so much nearer than all mass that exp would overflow
        return np.exp(np.minimum(log_bells, 600)) / _SQRT_2_PI

    def _log_parts(self, x: Any) -> np.ndarray:
        """The logarithm of each bar's share of the density at x, shape (…, K)."""
        z = self._z(x)
        lower, upper = z[..., 1:], z[..., :-1]
        flip = lower > 0
        larger = log_ndtr(np.where(flip, -lower, upper))
        smaller = log_ndtr(np.where(flip, -upper, lower))
        with np.errstate(divide="ignore"):  # an empty bar, or one too far away for its two edges to differ: −∞
            return np.log(self.heights) + larger + np.log(-np.expm1(np.minimum(smaller - larger, 0.0)))


Density = Histogram | Mixture


def total_variation(density: Density) -> float:
    """Half the area between the density and that of N(0, 1): 0 if they agree, 1 if they do not overlap.

    Exact up to where the two densities cross, which is found to about 1e-12.
    """
    crossings = np.concatenate([[-np.inf], _crossings(density), [np.inf]])
    gap = np.diff(_cdf_with_ends(density, crossings) - ndtr(crossings))
    return float(np.abs(gap).sum() / 2)


def kl(density: Density) -> float:
    """The Kullback–Leibler divergence from the density to N(0, 1), in nats: ∫ p log(p/φ).

    By Gauss–Legendre quadrature of −p log p between the density's breakpoints; the rest, E[log φ], is exact.
    """
    points = density.breakpoints()
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(points)[:, None] / 2
    x = points[:-1, None] + half * (1 + nodes)
    p = density.pdf(x)
    entropy = -float((xlogy(p, p) * weights * half).sum())
    return (density.variance + density.mean**2 + math.log(2 * math.pi)) / 2 - entropy


def _crossings(density: Density) -> np.ndarray:
    """Where the density and that of N(0, 1) swap places, in order."""
    points = np.union1d(density.breakpoints(), np.linspace(-9, 9, 181))
    grid = np.unique((points[:-1, None] + np.diff(points)[:, None] * np.arange(4) / 4).ravel())
    gap = _gap(density, grid)
    grid, gap = grid[gap != 0], gap[gap != 0]  # a crossing on the grid itself, or a gulf where both densities are 0
    where = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    low, high = grid[where], grid[where + 1]
    for _ in range(60):
        middle = (low + high) / 2
        same = np.sign(_gap(density, middle)) == np.sign(gap[where])
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high


def _gap(density: Density, x: np.ndarray) -> np.ndarray:
    return density.pdf(x) - np.exp(-(x**2) / 2) / _SQRT_2_PI


def _cdf_with_ends(density: Density, x: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], density.cdf(x[1:-1]), [1.0]])


def _shares(name: str, masses: np.ndarray) -> np.ndarray:
    if (masses < 0).any():
        raise ValueError(f"{name} must be at least 0, but one of them was {masses.min()}")
    total = masses.sum()
    if not 0 < total < math.inf:
        raise ValueError(f"{name} must have a sum above 0, but it was {total}")
    return masses / total


def _check_push(scale: float, variance: float) -> tuple[float, float]:
    scale = arguments.number("scale", scale, 0)
    variance = arguments.number("variance", variance, 0)
    if scale == 0 and variance == 0:
        raise ValueError("scale and variance must not both be 0: all mass would sit in one point, which has no density")
    return scale, variance
