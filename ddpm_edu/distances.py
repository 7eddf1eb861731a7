"""How far two crowds of digits are from each other, or one crowd from what it should be.

A crowd is an array whose first axis runs over its digits: features of a classifier, labels, or pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import arguments


class Estimate(NamedTuple):
    """A measured value and how much it would vary from one sample to the next."""

    value: float
    """The value."""
    stderr: float
    """Its standard error."""


class PrecisionRecall(NamedTuple):
    """How much of one crowd lies where the other does, from 0 to 1."""

    precision: float
    """The share of drawn digits that lie among real ones: are they good?"""
    recall: float
    """The share of real digits that lie among drawn ones: do all kinds come?"""


class Balance(NamedTuple):
    """How often each digit comes, and how often it should."""

    counts: np.ndarray
    """How many there are of each digit, shape (10,)."""
    expected: np.ndarray
    """How many there would be at the wanted proportions, shape (10,)."""
    total_variation: float
    """The share of digits that would have to be others for the proportions to be right."""
    p_value: float
    """How often a fair draw of as many would be at least as far off, by Pearson's χ²."""


class Nearest(NamedTuple):
    """For each item of a crowd, the nearest one of another crowd."""

    which: np.ndarray
    """Its place in the other crowd, shape (N,)."""
    distance: np.ndarray
    """How far it is, shape (N,)."""


def frechet_distance(features_1: np.ndarray, features_2: np.ndarray) -> float:
    """The squared Fréchet distance between Gaussians fitted to two sets of features.

    features_1: (N, D); features_2: (M, D), with N and M above 1. Returns ‖μ₁−μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½); it is 0 for equal
    sets, and for two samples of the same law it falls about as 1/n. Raises ValueError if the shapes do not fit.

    Source: Heusel et al. 2017, equation 6.
    """
    features_1, features_2 = _pair(features_1, features_2)
    mean_gap = features_1.mean(axis=0) - features_2.mean(axis=0)
    covariance_1, covariance_2 = (np.atleast_2d(np.cov(f, rowvar=False)) for f in (features_1, features_2))
    # tr (Σ₁Σ₂)^½ is the sum of the square roots of the eigenvalues of the symmetric Σ₁^½ Σ₂ Σ₁^½.
    values, vectors = np.linalg.eigh(covariance_1)
    root_1 = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root_1 @ covariance_2 @ root_1).clip(0)).sum()
    return float(mean_gap @ mean_gap + np.trace(covariance_1) + np.trace(covariance_2) - 2 * cross)


def kernel_distance(features_1: np.ndarray, features_2: np.ndarray, blocks: int = 10) -> Estimate:
    """The squared maximum mean discrepancy of two sets of features, for the kernel (x·y/D + 1)³, without bias.

    features_1: (N, D); features_2: (M, D). Both are cut into `blocks` parts in the order in which they stand, so shuffle what is
    sorted; each pair of parts gives an estimate, the value is the mean of those and the standard error follows from their spread.
    It is 0 on average for two samples of one law, whatever N and M are, and may come out below 0.
    Raises ValueError if the shapes do not fit, there are fewer than 2 blocks, or a block would hold fewer than 2 of a set.

    Source: Bińkowski et al. 2018, section 4; the estimate without bias is lemma 6 of Gretton et al. 2012.
    """
    features_1, features_2 = _pair(features_1, features_2)
    fewest = min(len(features_1), len(features_2))
    blocks = arguments.integer("blocks", blocks, 2)
    if fewest < 2 * blocks:
        raise ValueError(
            f"blocks must be at most {fewest // 2}, so that each holds 2 of the {fewest} features, but it was {blocks}"
        )
    parts = zip(np.array_split(features_1, blocks), np.array_split(features_2, blocks), strict=True)
    values = np.array([_kernel_mean(x) + _kernel_mean(y) - 2 * _kernel_mean(x, y) for x, y in parts])
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(blocks)))


def precision_recall(real: np.ndarray, drawn: np.ndarray, k: int = 3) -> PrecisionRecall:
    """How many drawn digits lie among real ones, and how many real ones among drawn ones.

    A crowd covers a ball around each of its members that reaches to the member's k-th nearest fellow. Precision is the share of
    drawn digits in a ball of the real ones, recall the share of real ones in a ball of the drawn ones.

    real: features, (N, D); drawn: (M, D), best as many; both more than k. Two samples of one law score below 1.
    Raises ValueError if the shapes do not fit or k is out of range.

    Source: Kynkäänniemi et al. 2019, equations 1 and 2.
    """
    real, drawn = _pair(real, drawn, "real", "drawn")
    k = arguments.integer("k", k, 1, min(len(real), len(drawn)) - 1)
    return PrecisionRecall(_share_covered(drawn, real, k), _share_covered(real, drawn, k))


def label_balance(labels: np.ndarray, wanted: np.ndarray) -> Balance:
    """How the ten digits are represented, compared with the proportions in another set of labels.

    labels: whole numbers from 0…9, (N,) with N ≥ 1. wanted: the same, (M,), each digit at least once: their proportions are taken as exact.
    Raises ValueError if labels are out of range or a digit is missing from wanted.
    """
    counts, theirs = (_counts(name, given) for name, given in (("labels", labels), ("wanted", wanted)))
    if (theirs == 0).any():
        raise ValueError(f"wanted must hold each digit at least once, but it had no {int(np.argmin(theirs))}")
    expected = theirs / theirs.sum() * counts.sum()
    from scipy import stats

    p_value = float(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))
    return Balance(counts, expected, float(np.abs(counts - expected).sum() / 2 / counts.sum()), p_value)


def nearest(items: np.ndarray, among: np.ndarray) -> Nearest:
    """For each item the nearest one in another crowd, and their Euclidean distance.

    items: (N, …); among: (M, …) with M ≥ 1 and the same axes after the first: pixels, or features. The search is in float32, and
    among items that are equally near to six digits it may take any; the distance itself is exact.
    Raises ValueError if the shapes do not fit.
    """
    items, among = np.asarray(items), np.asarray(among)
    if items.shape[1:] != among.shape[1:] or len(among) == 0 or items.ndim < 2:
        raise ValueError(
            f"items and among must have shapes (N, …) and (M, …) with M ≥ 1, but they had {items.shape} and {among.shape}"
        )
    rows, others = (part.reshape(len(part), -1).astype(np.float32) for part in (items, among))
    centre = others.mean(axis=0)
    rows, others = rows - centre, others - centre
    half_squares = (others**2).sum(axis=1) / 2
    which = np.concatenate([(half_squares - part @ others.T).argmin(axis=1) for part in _in_parts(rows, len(others))])
    gaps = items.reshape(len(items), -1).astype(np.float64) - among[which].reshape(len(items), -1)
    return Nearest(which, np.sqrt((gaps**2).sum(axis=1)))


def jackknife(statistic: Callable[[np.ndarray], float], crowd: np.ndarray, blocks: int = 10) -> float:
    """The standard error of a statistic of a crowd: from how it changes when one of `blocks` parts is left out.

    statistic: a function of (N, …). crowd: (N, …), in random order. Raises ValueError if there are fewer than 2 blocks or more than items.

    Source: Efron and Tibshirani 1993, equation 11.5, for blocks in place of single items.
    """
    blocks = arguments.integer("blocks", blocks, 2, len(crowd))
    parts = np.array_split(np.arange(len(crowd)), blocks)
    values = np.array([statistic(np.delete(crowd, part, axis=0)) for part in parts])
    return math.sqrt((blocks - 1) / blocks * ((values - values.mean()) ** 2).sum())


def _pair(
    first: Any, second: Any, name_1: str = "features_1", name_2: str = "features_2"
) -> tuple[np.ndarray, np.ndarray]:
    first, second = arguments.array(name_1, first, 2), arguments.array(name_2, second, 2)
    if first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(
            f"{name_1} and {name_2} must have shapes (N, D) and (M, D) with N, M ≥ 2, "
            f"but they had {first.shape} and {second.shape}"
        )
    return first, second


def _kernel_mean(x: np.ndarray, y: np.ndarray | None = None) -> float:
    """The kernel's mean over all pairs of x and y, or over the pairs of different members of x."""
    others = x if y is None else y
    total = sum(float(_kernel(part, others).sum()) for part in _in_parts(x, len(others)))
    if y is not None:
        return total / (len(x) * len(y))
    alone = ((x**2).sum(axis=1) / x.shape[1] + 1) ** 3
    return (total - float(alone.sum())) / (len(x) * (len(x) - 1))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _share_covered(points: np.ndarray, crowd: np.ndarray, k: int) -> float:
    """The share of points that lie in a ball around a member of the crowd, as wide as to its k-th nearest fellow."""
    radii = np.concatenate(
        # the nearest of all is the member itself
        [np.partition(_squares(part, crowd), k, axis=1)[:, k] for part in _in_parts(crowd, len(crowd))]
    )
    covered = [(_squares(part, crowd) <= radii).any(axis=1) for part in _in_parts(points, len(crowd))]
    return float(np.concatenate(covered).mean())


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The squared distance of each x from each y, shape (len(x), len(y))."""
    from scipy.spatial.distance import cdist

    return cdist(x, y, "sqeuclidean")


def _in_parts(items: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """The items, so many at a time that a table of them by `width` stays below a hundred megabytes or so."""
    size = max(1, 10_000_000 // width)
    return (items[i : i + size] for i in range(0, len(items), size))


def _counts(name: str, labels: Any) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be whole numbers of shape (N,) with N ≥ 1, but it was {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(
            f"{name} must lie in 0…9, but one of them was {labels.min() if labels.min() < 0 else labels.max()}"
        )
    return np.bincount(labels, minlength=10)
