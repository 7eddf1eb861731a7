"""Exercises of the chapter geometric-series."""

from __future__ import annotations

import math

import numpy as np

from .. import forward, schedules
from .given import betas
from .register import Slip, predict, program

predict(
    "series-last-draws",
    lambda: math.log(0.1) / math.log(0.98),
    [
        Slip(
            "You solved (1−β)ⁿ = 0.9. This power is the share of what came before; the last n draws have 1 minus it "
            "(section “The rest is one Gaussian”).",
            lambda: math.log(0.9) / math.log(0.98),
        ),
        Slip(
            "You used the factors of the draws, which shrink like (√(1−β))ᵏ. Their variances are the squares of these.",
            lambda: math.log(0.1) / math.log(math.sqrt(0.98)),
        ),
        Slip(
            "You let every draw count with β. Only the last one does; each older one has been shrunk once more "
            "(section “What the end is made of”).",
            lambda: 0.9 / 0.02,
        ),
    ],
    absolute=1.5,
    why="The last n draws have the variance 1 − (1−β)ⁿ, so (1−β)ⁿ = 0.1 and n = ln 0.1 / ln 0.98. "
    "T does not occur: what lies further back is forgotten, the start included.",
)

predict(
    "series-root",
    lambda: forward.variance_limit(0.8**2, 0.2),
    [
        Slip(
            "You gave the end of the right kernel. This one multiplies the variance by (1−β)² in a step, which is less "
            "than 1 − β, so it ends too narrow.",
            lambda: forward.variance_limit(0.8, 0.2),
        ),
        Slip(
            "You gave the standard deviation; the variance is its square.",
            lambda: math.sqrt(forward.variance_limit(0.8**2, 0.2)),
        ),
        Slip(
            "You squared the factor once too often. It multiplies x, so it comes out of the variance squared: "
            "α is (1−β)² in β/(1−α).",
            lambda: forward.variance_limit(0.8**4, 0.2),
        ),
    ],
    why="It is the laboratory's kernel with α = (1−β)², which settles at β/(1 − (1−β)²) = 1/(2−β). "
    "For small β that is about one half: hard to see in a picture, easy to see in a number.",
)

predict(
    "series-untied-ratio",
    lambda: 0.98**50 / forward.variance_path(0, 0.98, 0.04, 50)[-1],
    [
        Slip(
            "You took 1 − αᵀ for the variance of the noise. That holds where β = 1 − α; in general it is "
            "β(1−αᵀ)/(1−α), which is twice as much here (section “The rest is one Gaussian”).",
            lambda: 0.98**50 / (1 - 0.98**50),
        ),
        Slip(
            "You took Tβ for the variance of the noise, but the older draws have been shrunk on the way "
            "(section “What the end is made of”).",
            lambda: 0.98**50 / (50 * 0.04),
        ),
        Slip(
            "You divided the factor of the start by the noise's standard deviation. The ratio is one of variances, the "
            "square of that.",
            lambda: math.sqrt(0.98**50 / forward.variance_path(0, 0.98, 0.04, 50)[-1]),
        ),
    ],
    why="Of the start αᵀ is left, and the noise has β(1−αᵀ)/(1−α). Doubling β halves the ratio at every T, "
    "and no choice of scale brings that back.",
)


def _exploding(t: int) -> float:
    schedule = schedules.constant(t, 0.01)
    return schedule.noise[t] / schedule.alpha_bar[t]


predict(
    "series-exploding",
    lambda: math.sqrt(_exploding(200)),
    [
        Slip(
            "You gave σ², the variance of the noise; the standard deviation is its root.",
            lambda: _exploding(200),
        ),
        Slip(
            "You divided signal by noise. On this scale the start has factor 1, and the noise is divided by √ᾱ "
            "(section “Fifth answer: otherwise it is a matter of scale”).",
            lambda: 1 / math.sqrt(_exploding(200)),
        ),
        Slip(
            "You added β in each step. Seen on this scale, the step at t adds β/ᾱ_t, because everything is divided by √ᾱ_t "
            "(section “Fifth answer: otherwise it is a matter of scale”).",
            lambda: math.sqrt(200 * 0.01),
        ),
    ],
    why="ᾱ after 200 steps is 0.99²⁰⁰, and σ² = (1−ᾱ)/ᾱ. The noise in x itself never has more than variance 1; "
    "it is the division that makes it large.",
)


def _contributions(beta: np.ndarray) -> np.ndarray:
    return np.array([beta[s] * np.prod(1 - beta[s + 1 :]) for s in range(len(beta))])


program(
    "series-contributions",
    _contributions,
    {"beta": betas()},
    [
        Slip(
            "You shrink the draw of step s by its own α_s too. It comes in after that shrinking; only steps s + 1, …, T shrink it.",
            lambda beta: np.array([beta[s] * np.prod(1 - beta[s:]) for s in range(len(beta))]),
        ),
        Slip(
            "You multiply β_s by the α of the steps before it. A draw is shrunk by the steps that come after it.",
            lambda beta: np.array([beta[s] * np.prod(1 - beta[:s]) for s in range(len(beta))]),
        ),
        Slip(
            "You shrink by √α. That is what happens to the draw; its variance is multiplied by α.",
            lambda beta: np.sqrt(beta * _contributions(beta)),
        ),
        Slip(
            "These are the factors of the draws. A factor comes out of the variance squared, so square them.",
            lambda beta: np.sqrt(_contributions(beta)),
        ),
        Slip(
            "You gave the β alone. That is what each draw brings in; after that it is shrunk by every later step.",
            lambda beta: beta,
        ),
    ],
    why="Added up they give 1 − ᾱ_T, whatever the β are; the next exercise proves it.",
)
