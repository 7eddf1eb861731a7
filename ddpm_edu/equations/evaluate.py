"""The value of a printed expression: its syntax tree, with the letters given numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .grammar import (
    Big,
    Call,
    Expectation,
    Fraction,
    GrammarError,
    Law,
    Node,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    latex,
)


@dataclass(frozen=True)
class World:
    """What the letters of an equation stand for; names are `Symbol.key` and `Symbol.base`.

    values: names with their index, as printed ("alpha", "x_t", "eps_theta"): floats or arrays.
    sequences: names without it ("alpha_bar"), each an array whose entry i is the value at index i.
    functions: "f", "p_t", "eps_theta": called with the values of their arguments. A density given something is named as
      it is printed, "q(x_t|x_{t-1})", and called with the values of both.
    laws: what a letter is drawn from, as (mean, variance).
    weights: how the entries of an array are averaged by an expectation; its shape is that of the arrays.
    hidden: names that may not be used, since the equation is to tell their value.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    sequences: Mapping[str, Sequence[Any] | np.ndarray] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    laws: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    weights: np.ndarray | None = None
    hidden: frozenset[str] = frozenset()

    def __contains__(self, key: str) -> bool:
        return key in self.values and key not in self.hidden


@dataclass(frozen=True)
class Moments:
    """The value of a normal law: mean and variance of each component."""

    mean: Any
    variance: Any


class UnknownName(ValueError):
    """The equation uses a letter that the chapter has given no meaning."""


def evaluate(node: Node, world: World) -> Any:
    """The value of `node`: a float, an array, or `Moments` for a normal law.

    Raises UnknownName for a letter without a value, IndexError for an index outside its sequence,
    ValueError for a sum whose bounds are no whole numbers. A root of a negative number is nan.
    """
    with np.errstate(all="ignore"):
        return _value(node, world)


def _value(node: Node, world: World) -> Any:
    match node:
        case Number(text):
            return float(text)
        case Symbol():
            return _symbol(node, world)
        case Sum(terms):
            return sum(sign * _value(term, world) for sign, term in terms)
        case Product(factors):
            result = _value(factors[0], world)
            for factor in factors[1:]:
                result = result * _value(factor, world)
            return result
        case Fraction(numerator, denominator):
            return np.divide(_value(numerator, world), _value(denominator, world))
        case Power(base, exponent):
            return np.power(np.asarray(_value(base, world), dtype=float), _value(exponent, world))
        case Root(radicand, degree):
            inner = _value(radicand, world)
            return np.sqrt(inner) if degree is None else np.power(inner, 1 / _value(degree, world))
        case Big():
            return _big(node, world)
        case Call():
            return _call(node, world)
        case Expectation(body):
            if world.weights is None:
                raise UnknownName("no expectation is defined here")
            return np.sum(world.weights * _value(body, world))
        case Law(_, mean, variance):
            return Moments(_value(mean, world), _value(variance, world))
    raise TypeError(f"node must be a part of an equation, but it was {node!r}")


def _symbol(symbol: Symbol, world: World) -> Any:
    key = symbol.key
    if key not in world.hidden:
        if key in world.values:
            return world.values[key]
        if symbol.index is not None and symbol.base in world.sequences:
            sequence = world.sequences[symbol.base]
            index = whole(_value(symbol.index, world), f"the index of {key}")
            if not 0 <= index < len(sequence):
                raise IndexError(f"{key} needs an index from 0 to {len(sequence) - 1}, but it was {index}")
            return sequence[index]
        if key == "pi":
            return math.pi
    raise UnknownName(f"{key} has no value here (position {symbol.position})")


def _big(node: Big, world: World) -> Any:
    lower = whole(_value(node.lower, world), "the lower bound")
    upper = whole(_value(node.upper, world), "the upper bound")
    result: Any = 0.0 if node.kind == "sum" else 1.0
    for index in range(lower, upper + 1):
        inner = replace(world, values={**world.values, node.variable.key: float(index)})
        term = _value(node.body, inner)
        result = result + term if node.kind == "sum" else result * term
    return result


def _call(call: Call, world: World) -> Any:
    functions = {**ELEMENTARY, **world.functions}
    key = f"{call.key}({_names(call.arguments)}|{_names(call.given)})" if call.given else call.key
    if key not in functions:
        raise UnknownName(f"{key} has no meaning as a function here (position {call.position})")
    return functions[key](*(_value(argument, world) for argument in (*call.arguments, *call.given)))


def _names(arguments: Sequence[Node]) -> str:
    return ",".join(node.key if isinstance(node, Symbol) else latex(node) for node in arguments)


def _normal_cdf(x: Any) -> Any:
    from scipy.special import ndtr

    return ndtr(x)


ELEMENTARY: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "ln": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "Phi": _normal_cdf,
}


def whole(value: Any, what: str) -> int:
    """`value` as an int. Raises ValueError naming `what` if it is no whole number."""
    number = float(value) if np.ndim(value) == 0 else math.nan
    if not math.isfinite(number) or number != round(number):
        raise ValueError(f"{what} must be a whole number, but it was {number}")
    return round(number)


def defines(call: Node, body: Node, world: World) -> World:
    """The world in which `call`, a function of one letter, has the value of `body`: f(t) = …

    Raises GrammarError if the call's argument is not a single letter.
    """
    if not isinstance(call, Call) or len(call.arguments) != 1 or not isinstance(call.arguments[0], Symbol):
        raise GrammarError("a function is defined for one letter", str(call), 0)
    letter = call.arguments[0].key

    def function(value: Any) -> Any:
        return _value(body, replace(world, values={**world.values, letter: value}))

    return replace(world, functions={**world.functions, call.key: function})
