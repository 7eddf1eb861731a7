"""How the arguments of a program are drawn: strategies of hypothesis that keep to round numbers.

Every strategy shrinks towards the simplest value that it has: 0, or the end of its range nearest to 0; step 1; the
shortest array. Numbers have at most three decimals more than they need, so that a counterexample can be read and typed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies

from .. import arguments

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy


def numbers(low: float, high: float) -> SearchStrategy[float]:
    """Numbers from `low` to `high`, both ends among them; whole ones first.

    Raises ValueError if low is above high or one of them is not finite.
    """
    low = arguments.number("low", low)
    high = arguments.number("high", high, low)
    fewest = 0
    while math.floor(high * 10**fewest + 1e-9) < math.ceil(low * 10**fewest - 1e-9):
        fewest += 1
    return _decimal(low, high, fewest)


def whole(low: int, high: int) -> SearchStrategy[int]:
    """Whole numbers from `low` to `high`, both ends among them."""
    return strategies.integers(low, high)


def steps(T: int) -> SearchStrategy[int]:
    """A step t from 1 to T; 1 first, and T more often than by chance, because programs stumble there."""
    arguments.integer("T", T, 1)
    return strategies.integers(1, T + T // 2 + 1).map(lambda t: min(t, T))


def one_of(values: Sequence[Any]) -> SearchStrategy[Any]:
    """One of the values; the first is the simplest."""
    return strategies.sampled_from(list(values))


def arrays(low: float, high: float, shape: tuple[int, ...] | None = None) -> SearchStrategy[np.ndarray]:
    """float64 arrays of numbers from `low` to `high`, of the given shape or of 1 to 5 values in a row."""
    lengths = strategies.integers(1, 5).map(lambda length: (length,)) if shape is None else strategies.just(shape)
    return lengths.flatmap(lambda each: _filled(numbers(low, high), each))


def number_or_array(low: float, high: float) -> SearchStrategy[Any]:
    """A number from `low` to `high`, or a row of 1 to 5 of them; numbers first."""
    return strategies.one_of(numbers(low, high), arrays(low, high))


def like(other: Any, low: float, high: float) -> SearchStrategy[Any]:
    """What has the shape of `other`: a number for a number, an array for an array; values from `low` to `high`."""
    return arrays(low, high, np.shape(other)) if np.ndim(other) else numbers(low, high)


def betas(low: float = 0.01, high: float = 0.5, longest: int = 6) -> SearchStrategy[np.ndarray]:
    """β of a schedule of 1 to `longest` steps: shape (T + 1,), β_0 = 0 and the others from `low` to `high`, in any order."""
    steps = strategies.integers(1, longest).flatmap(lambda T: _filled(numbers(low, high), (T,)))
    return steps.map(lambda row: np.concatenate([[0.0], row]))


def alpha_bars(low: float = 0.01, high: float = 0.5, longest: int = 6) -> SearchStrategy[np.ndarray]:
    """ᾱ of such a schedule: shape (T + 1,), ᾱ_0 = 1, falling."""
    return betas(low, high, longest).map(lambda beta: np.cumprod(1 - beta))


def tensors(low: float, high: float, shape: tuple[int, ...]) -> SearchStrategy[Any]:
    """float32 torch tensors of the given shape; compare with a `relative` of 1e-5 or so."""

    def tensor(values: np.ndarray) -> Any:
        import torch

        return torch.as_tensor(values, dtype=torch.float32)

    return arrays(low, high, shape).map(tensor)


def generators() -> SearchStrategy[Generator]:
    """Generators of random numbers for a parameter `rng`, a fresh one for each call; printed as they would be typed."""
    return strategies.integers(0, 99).map(Generator)


class Generator(np.random.Generator):
    """`np.random.default_rng(seed)` that knows its seed, so that it can be printed and begun again."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.seed = seed

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.seed})"

    def __deepcopy__(self, memo: Any) -> Generator:
        return Generator(self.seed)


def _decimal(low: float, high: float, fewest: int) -> SearchStrategy[float]:
    def grid(decimals: int) -> SearchStrategy[float]:
        scale = 10**decimals
        first, last = math.ceil(low * scale - 1e-9), math.floor(high * scale + 1e-9)
        return strategies.integers(first, last).map(lambda k: min(max(k / scale, low), high))

    return strategies.integers(fewest, fewest + 3).flatmap(grid)


@strategies.composite
def _filled(draw: DrawFn, elements: SearchStrategy[float], shape: tuple[int, ...]) -> np.ndarray:
    values = [draw(elements) for _ in range(math.prod(shape))]
    return np.array(values, dtype=np.float64).reshape(shape)
