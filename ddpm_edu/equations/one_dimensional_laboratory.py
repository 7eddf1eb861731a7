"""Checks of the chapter one-dimensional-laboratory: α and β free, one density on a line."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import densities, forward
from .evaluate import World
from .register import Case, function, parsed
from .worlds import histogram, pushed


def _laboratory(rng: np.random.Generator, alpha_max: float = 1.2) -> tuple[World, densities.Histogram, dict[str, Any]]:
    """A histogram, some t, and α and β independent of each other."""
    density = histogram(rng)
    v: dict[str, Any] = {
        "alpha": rng.uniform(0.3, alpha_max),
        "beta": rng.uniform(0.1, 1.5),
        "t": int(rng.integers(1, 7)),
    }
    chain = [pushed(density, v["alpha"], v["beta"], steps) for steps in range(v["t"] + 1)]
    sequences = {"m": [each.mean for each in chain], "v": [each.variance for each in chain]}
    return World(values=v, sequences=sequences, laws={"eps": (0, 1)}), density, v


@parsed("kernel", "x_t", how="The printed step is compared with forward.kernel_step on the same noise.")
def _(rng: np.random.Generator) -> Case:
    world, _, v = _laboratory(rng)
    seed = int(rng.integers(2**32))
    before = rng.normal(size=5)
    eps = np.random.default_rng(seed).standard_normal(5)
    after = forward.kernel_step(before, v["alpha"], v["beta"], np.random.default_rng(seed))
    values = {**v, "x_{t-1}": before, "x_0": rng.normal(size=5), "x_t": after, "eps": eps}
    return Case(World(values, laws=world.laws), [after])


@parsed(
    "mean-path", "m_t", how="The printed mean is compared with that of a histogram pushed t times, one step at a time."
)
def _(rng: np.random.Generator) -> Case:
    world, density, v = _laboratory(rng)
    return Case(world, [pushed(density, v["alpha"], v["beta"], v["t"]).mean])


@parsed(
    "variance-recursion",
    "v_t",
    how="The printed step is compared with forward.variance_path and with the variances of a histogram pushed step by step.",
)
def _(rng: np.random.Generator) -> Case:
    return _variance(rng)


@parsed(
    "variance-path",
    "v_t",
    how="The printed sum is compared with forward.variance_path and with the variance of a histogram pushed t times.",
)
def _(rng: np.random.Generator) -> Case:
    return _variance(rng)


def _variance(rng: np.random.Generator) -> Case:
    world, density, v = _laboratory(rng)
    path = forward.variance_path(density.variance, v["alpha"], v["beta"], v["t"])
    return Case(world, [path[-1], pushed(density, v["alpha"], v["beta"], v["t"]).variance])


@parsed(
    "variance-limit",
    r"v_\infty",
    how="The printed limit is compared with forward.variance_limit, and with forward.variance_path after 400 steps.",
)
def _(rng: np.random.Generator) -> Case:
    world, density, v = _laboratory(rng, alpha_max=0.9)
    path = forward.variance_path(density.variance, v["alpha"], v["beta"], 400)
    return Case(world, [forward.variance_limit(v["alpha"], v["beta"]), path[-1]])


@parsed(
    "pushed-density",
    "p_t(x)",
    how="The printed density is compared with that of a histogram pushed t times, one step at a time.",
)
def _(rng: np.random.Generator) -> Case:
    world, density, v = _laboratory(rng)
    after = pushed(density, v["alpha"], v["beta"], v["t"])
    x = after.mean + after.variance**0.5 * np.linspace(-2.5, 2.5, 7)
    scale = v["alpha"] ** (v["t"] / 2)
    variance = after.variance - scale**2 * density.variance
    values = {**v, "x": x, "K": len(density.heights), "s": scale, "sigma": variance**0.5}
    sequences = {
        "a": np.concatenate([[np.nan], density.edges[:-1]]),
        "b": np.concatenate([[np.nan], density.edges[1:]]),
        "h": np.concatenate([[np.nan], density.heights]),
        **world.sequences,
    }
    return Case(World(values, sequences), [after.pdf(x)])


def _normal(x: Any) -> Any:
    return np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5


def _integral(integrand: Any, density: Any) -> float:
    """∫ integrand(p(x), q(x)) dx by composite Gauss–Legendre, q being N(0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(-15, 15, 1001)
    half = np.diff(edges)[:, None] / 2
    x = edges[:-1, None] + half * (1 + nodes)
    return float((integrand(density.pdf(x), _normal(x)) * weights * half).sum())


def _density(seed: int) -> densities.Histogram | densities.Mixture:
    rng = np.random.default_rng(seed)
    return pushed(histogram(rng), rng.uniform(0.5, 0.95), rng.uniform(0.1, 0.9), 3)


@function(
    "total-variation",
    "quadrature",
    how="densities.total_variation is compared with the printed integral by Gauss–Legendre quadrature, on five densities.",
    prints=r"\mathrm{TV}(p, q) = \frac{1}{2}\int |p(x)-q(x)|\,dx",
    right=lambda p, q: np.abs(p - q) / 2,
    wrong={
        "without the half": lambda p, q: np.abs(p - q),
        "without the absolute value": lambda p, q: (p - q) / 2,
        "squared": lambda p, q: (p - q) ** 2 / 2,
        "a sum for the difference": lambda p, q: np.abs(p + q) / 2,
    },
    tolerance=1e-6,
)
def _(integrand: Any) -> float:
    return max(
        abs(densities.total_variation(density) - _integral(integrand, density)) for density in map(_density, range(5))
    )


@function(
    "kl-to-normal",
    "quadrature",
    how="densities.kl is compared with the printed integral by Gauss–Legendre quadrature, on five densities.",
    prints=r"\mathrm{KL}(p\|q) = \int p(x)\log\frac{p(x)}{q(x)}\,dx",
    right=lambda p, q: p * np.log(p / q),
    wrong={
        "the two swapped": lambda p, q: q * np.log(q / p),
        "the ratio upside down": lambda p, q: p * np.log(q / p),
        "weighted by q": lambda p, q: q * np.log(p / q),
        "in bits": lambda p, q: p * np.log2(p / q),
    },
    tolerance=1e-9,
)
def _(integrand: Any) -> float:
    def safe(p: Any, q: Any) -> Any:
        inside = p > 1e-290
        return np.where(inside, integrand(np.where(inside, p, 1.0), q), 0.0)

    return max(abs(densities.kl(density) - _integral(safe, density)) for density in map(_density, range(5)))
