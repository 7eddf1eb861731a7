"""Checks of the chapter sampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from .register import function


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
