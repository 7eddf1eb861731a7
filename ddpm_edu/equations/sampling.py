"""Checks of the chapter sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import diffusion, posterior
from .register import Case, function, parsed
from .worlds import eps_theta, scheduled

NETWORK = "with a smooth function in the network's place"


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
    "ancestral-step",
    "x_{t-1}",
    how=f"The printed step is compared with diffusion.p_sample without clipping, on the same noise, {NETWORK}.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng, t_min=2)
    x_t = it.x[it.t]
    seed = int(rng.integers(2**32))
    z = np.random.default_rng(seed).standard_normal(x_t.shape)
    truth = diffusion.p_sample(eps_theta, x_t, it.t, it.schedule, np.random.default_rng(seed), clip=False).x_t
    mean = diffusion.mean_from_eps(x_t, it.world.values["eps_theta"], it.t, it.schedule)
    world = replace(
        it.world,
        values={**it.world.values, "z": z, "mu_theta": mean},
        sequences={**it.world.sequences, "sigma": it.schedule.beta**0.5},
        functions={**it.world.functions, "mu_theta": lambda x, t: _mean(x, t, it.schedule)},
        laws={**it.world.laws, "z": (0, 1)},
    )
    return Case(world, [truth])


def _mean(x: np.ndarray, t: float, schedule: object) -> np.ndarray:
    return diffusion.mean_from_eps(x, eps_theta(x, t), int(t), schedule)  # type: ignore[arg-type]


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


@function(
    "frechet-distance",
    "mpmath",
    how="evaluation.frechet_distance is compared with the printed formula, worked out with 50 digits by mpmath: "
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

    from .. import evaluation

    rng = np.random.default_rng(7)
    worst = 0.0
    for n, m in ((6, 9), (12, 5)):
        crowds = [rng.normal(rng.normal(), 1, (size, 3)) @ rng.normal(size=(3, 3)) for size in (n, m)]
        with mpmath.workdps(50):
            means, covariances = zip(*(_moments(mpmath.matrix(crowd.tolist())) for crowd in crowds), strict=True)
            gap = means[0] - means[1]
            exact = float(mpmath.re(distance((gap.T * gap)[0], *covariances, mpmath.sqrtm)))
        worst = max(worst, abs(evaluation.frechet_distance(*crowds) - exact) / abs(exact))
    return worst


def _moments(rows: Any) -> tuple[Any, Any]:
    """Mean and unbiased covariance of the rows of an mpmath matrix."""
    import mpmath

    mean = rows.T * mpmath.ones(rows.rows, 1) / rows.rows
    centred = rows - mpmath.ones(rows.rows, 1) * mean.T
    return mean, centred.T * centred / (rows.rows - 1)


def _trace(matrix: Any) -> Any:
    return sum(matrix[place, place] for place in range(matrix.rows))
