"""What every function says about bad input: the argument's name, what it was, and what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float if it is a finite number with low ≤ value ≤ high.

    Raises TypeError if it is no number, ValueError if it is not finite or out of range.
    """
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, but it was {value!r}") from None
    if not math.isfinite(result) or not low <= result <= high:
        raise ValueError(f"{name} must be {_range(low, high)}, but it was {value!r}")
    return result


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` as an int if it is a whole number with low ≤ value ≤ high.

    Raises TypeError if it is not a whole number, ValueError if it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, but it was {value!r}")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"a whole number from {low} to {high}"
        raise ValueError(f"{name} must be {allowed}, but it was {value!r}")
    return int(value)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`; raises ValueError otherwise, with the nearest of them if one is near."""
    if value not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, allowed))}, but it was {value!r}{nearest(value, allowed)}"
        )
    return str(value)


def nearest(value: Any, known: Iterable[str]) -> str:
    """The known name nearest to `value`, as the end of a message; nothing where none is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(value).lower(), by_lower, 1, 0.5)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def array(name: str, values: Any, ndim: int | None = None) -> np.ndarray:
    """Return `values` as a float64 array of finite numbers, of `ndim` axes where that is given.

    Raises TypeError if they are no numbers, ValueError if one is not finite or the axes do not fit.
    """
    try:
        result = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, but it was {values!r}") from None
    if ndim is not None and result.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axis/axes, but its shape was {result.shape}")
    if not np.isfinite(result).all():
        bad = result[~np.isfinite(result)].flat[0]
        raise ValueError(f"{name} must hold finite numbers only, but one of them was {bad}")
    return result


def same_shape(name: str, value: Any, other_name: str, other: Any) -> None:
    """Raise ValueError unless `value` has the shape of `other`; arrays, tensors and numbers will do."""
    if np.shape(value) != np.shape(other):
        raise ValueError(
            f"{name} must have {other_name}'s shape {tuple(np.shape(other))}, but its shape was {tuple(np.shape(value))}"
        )


def _range(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return "a finite number"
    if high == math.inf:
        return f"a finite number of at least {low:g}"
    if low == -math.inf:
        return f"a finite number of at most {high:g}"
    return f"a number from {low:g} to {high:g}"
