"""Joint laws of several letters, from which every density that a page prints follows by brute force.

A density q(free | given) is worked out as the joint law of both, divided by that of the given letters: no rule that a
chapter derives is used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import logsumexp


class Joint(Protocol):
    """A joint law of several letters."""

    @property
    def names(self) -> tuple[str, ...]:
        """The letters: "x_0", "x_1"."""

    def density(self, free: Collection[str], given: Collection[str], point: Mapping[str, Any]) -> Any:
        """The density of the letters `free` where those `given` are known, at `point`, which has a value for each."""

    def average(self, values: Any, free: Collection[str], given: Collection[str]) -> Any:
        """The mean of `values` over the letters `free` where those `given` are known."""


@dataclass(frozen=True)
class Table:
    """A joint law of letters that have a few states each.

    probabilities: one axis for each letter, in the order of `names`. A density is an array over all states at once, with
    length 1 along the axes of letters that are not in it, and so are the values of an expression that is averaged.
    """

    names: tuple[str, ...]
    probabilities: np.ndarray

    def density(self, free: Collection[str], given: Collection[str], point: Mapping[str, Any]) -> np.ndarray:
        """The probability of the letters `free` where those `given` are known; `point` does not matter."""
        return self._share(free, given)

    def average(self, values: Any, free: Collection[str], given: Collection[str]) -> np.ndarray:
        """The sum of probability times value over all states of the letters `free`."""
        return (self._share(free, given) * values).sum(axis=self._axes(free), keepdims=True)

    def states(self, name: str, values: np.ndarray) -> np.ndarray:
        """The values of a letter's states, along its axis."""
        shape = np.ones(len(self.names), dtype=int)
        shape[self.names.index(name)] = len(values)
        return values.reshape(shape)

    def _share(self, free: Collection[str], given: Collection[str]) -> np.ndarray:
        return self._of({*free, *given}) / self._of(given)

    def _of(self, names: Collection[str]) -> np.ndarray:
        others = [name for name in self.names if name not in names]
        return self.probabilities.sum(axis=self._axes(others), keepdims=True)

    def _axes(self, names: Collection[str]) -> tuple[int, ...]:
        return tuple(self.names.index(name) for name in names)


@dataclass(frozen=True)
class Normals:
    """A joint law of numbers that is a weighted sum of K normal laws.

    weights: (K,). means: (K, N). covariances: (K, N, N), N being the number of names.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def density(self, free: Collection[str], given: Collection[str], point: Mapping[str, Any]) -> np.ndarray:
        """The density at a point, whose values are numbers or arrays that fit together."""
        return np.exp(self._log([*free, *given], point) - self._log([*given], point))

    def average(self, values: Any, free: Collection[str], given: Collection[str]) -> np.ndarray:
        """Refused: a mean over a continuum is no brute force."""
        raise ValueError("means over normal laws are not worked out here: use a chain with few states")

    def _log(self, names: list[str], point: Mapping[str, Any]) -> Any:
        if not names:
            return 0.0
        places = [self.names.index(name) for name in names]
        x = np.stack(np.broadcast_arrays(*(point[name] for name in names)), axis=-1)
        parts = []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            block = covariance[np.ix_(places, places)]
            gap = x - mean[places]
            square = np.sum(gap * (gap @ np.linalg.inv(block)), axis=-1)
            parts.append(np.log(weight) - (square + np.linalg.slogdet(2 * np.pi * block)[1]) / 2)
        return logsumexp(parts, axis=0)
