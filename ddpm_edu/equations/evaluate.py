"""The value of a printed expression: its syntax tree, with the letters given numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .grammar import GrammarError
from .joints import Joint
from .tree import (
    Big,
    Call,
    Derivative,
    Divergence,
    Fraction,
    Law,
    Mean,
    Node,
    Norm,
    Number,
    Power,
    Product,
    Range,
    Root,
    Sum,
    Symbol,
    latex,
)

CONSTANTS = {"pi": math.pi, "e": math.e}
LAST_TERM = 10_000  # where an infinite sum that is still not settled is given up
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
QUADRATURE = [(float(node), float(weight)) for node, weight in zip(NODES, WEIGHTS / WEIGHTS.sum(), strict=True)]


@dataclass(frozen=True)
class World:
    """What the letters of an equation stand for; names are `Symbol.key` and `Symbol.base`.

    values: names with their index, as printed ("alpha", "x_t", "eps_theta"): floats or arrays.
    sequences: names without it ("alpha_bar"), each an array whose entry i is the value at index i.
    functions: "f", "p_t", "eps_theta", "s_t'": called with the values of their arguments.
    laws: what a letter is drawn from, as (mean, variance).
    weights: how the entries of an array are averaged by an expectation; its shape is that of the arrays.
    averages: the same for an expectation that tells what it is over, by `Mean.key`: "q(x_t|x_0)", "x_0,eps".
    joints: "q", "p", "p_theta": joint laws, from which every density of their letters has a value.
    hidden: names and parts that may not be used, since the equation is to tell their value.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    sequences: Mapping[str, Sequence[Any] | np.ndarray] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    laws: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    weights: np.ndarray | None = None
    averages: Mapping[str, np.ndarray] = field(default_factory=dict)
    joints: Mapping[str, Joint] = field(default_factory=dict)
    hidden: frozenset[str | Node] = frozenset()


@dataclass(frozen=True)
class Moments:
    """A normal law: mean and variance of each component."""

    mean: Any
    variance: Any


class UnknownName(ValueError):
    """The equation uses a letter that the chapter has given no meaning."""


def evaluate(node: Node, world: World) -> Any:
    """The value of `node`: a float or an array. A normal law is its density, of each component alone.

    Raises UnknownName for a letter without a value, IndexError for an index outside its sequence,
    ValueError for a sum whose bounds are no whole numbers or that does not settle. A root of a negative number is nan.
    """
    with np.errstate(all="ignore"):
        return _value(node, world)


def moments(law: Law, world: World) -> Moments:
    """The mean and the variance of a printed normal law. Raises as `evaluate` does."""
    return Moments(evaluate(law.mean, world), evaluate(law.variance, world))


def _value(node: Node, world: World) -> Any:
    if node in world.hidden:
        raise UnknownName(f"{latex(node)} is what the equation is to tell")
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
        case Norm(vector):
            return np.sum(np.atleast_1d(_value(vector, world)) ** 2, axis=-1)
        case Big():
            return _big(node, world)
        case Derivative(variable, body):
            return _slope(variable, body, world)
        case Call():
            return _call(node, world)
        case Mean():
            return _mean(node, world)
        case Law(variable, mean, variance):
            if variable is None:
                raise ValueError(f"{latex(node)} names no variable, so it has no density here")
            return normal(*(_value(part, world) for part in (variable, mean, variance)))
        case Divergence(first, second):
            return _divergence(first, second, world)
    raise TypeError(f"node must be a part of an equation, but it was {node!r}")


def _symbol(symbol: Symbol, world: World) -> Any:
    key = symbol.key
    if key not in world.hidden:
        if key in world.values:
            return world.values[key]
        if isinstance(symbol.index, Range):
            raise ValueError(f"{latex(symbol)} is several letters, and has a place only in a density")
        if symbol.index is not None and symbol.base in world.sequences:
            sequence = world.sequences[symbol.base]
            index = whole(_value(symbol.index, world), f"the index of {key}")
            if not 0 <= index < len(sequence):
                raise IndexError(f"{key} needs an index from 0 to {len(sequence) - 1}, but it was {index}")
            return sequence[index]
        if key in CONSTANTS:
            return CONSTANTS[key]
    raise UnknownName(f"{key} has no value here (position {symbol.position})")


def _big(node: Big, world: World) -> Any:
    lower = whole(_value(node.lower, world), "the lower bound")
    endless = node.upper == Symbol("infty")
    upper = lower + LAST_TERM if endless else whole(_value(node.upper, world), "the upper bound")
    result: Any = 0.0 if node.kind == "sum" else 1.0
    for index in range(lower, upper + 1):
        inner = replace(world, values={**world.values, node.variable.key: float(index)})
        term = _value(node.body, inner)
        before, result = result, result + term if node.kind == "sum" else result * term
        if endless and index > lower and np.all(result == before) and np.all(np.isfinite(result)):
            return result
    if endless:
        raise ValueError(f"{latex(node)} does not settle")
    return result


def _slope(variable: Symbol, body: Node, world: World) -> Any:
    """The derivative from four neighbours, off by about 1e-11 where the expression varies over distances near 1."""
    x, h = _symbol(variable, world), 2e-3

    def at(steps: int) -> Any:
        return _value(body, replace(world, values={**world.values, variable.key: x + steps * h}))

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


def _call(call: Call, world: World) -> Any:
    functions = {**ELEMENTARY, **world.functions}
    if call.key in functions and not call.given:
        return functions[call.key](*(_value(argument, world) for argument in call.arguments))
    if call.key in world.joints:
        point, free, given = _letters(call, world)
        return world.joints[call.key].density(free, given, point)
    raise UnknownName(f"{call.key} has no meaning as a function here (position {call.position})")


def _letters(call: Call, world: World) -> tuple[dict[str, Any], list[str], list[str]]:
    """The letters that a density is of: their values by name ("x_3"), the names of the free and of the given ones."""
    point: dict[str, Any] = {}
    free: list[str] = []
    given: list[str] = []
    known = world.joints[call.key].names
    for side, arguments in ((free, call.arguments), (given, call.given)):
        for argument in arguments:
            for name, letter in _spelt_out(argument, world):
                if name in point:
                    raise ValueError(f"{name} must stand once in a density, but it stands twice in {latex(call)}")
                if name not in known:
                    raise UnknownName(f"{name} is no letter of {call.key}, which is a law of {', '.join(known)}")
                point[name] = _symbol(letter, world)
                side.append(name)
    if not free:
        raise ValueError(f"a density must be of one letter at least, but it was {latex(call)}")
    return point, free, given


def _spelt_out(argument: Node, world: World) -> list[tuple[str, Symbol]]:
    """The names of an argument's letters, and the letters: x_{1:3} is x_1, x_2 and x_3."""
    if not isinstance(argument, Symbol):
        raise ValueError(f"a density is of letters, but it was of {latex(argument)}")
    if argument.index is None:
        return [(argument.key, argument)]
    if isinstance(argument.index, Range):
        lower, upper = (
            whole(_value(bound, world), f"the index of {argument.key}")
            for bound in (argument.index.lower, argument.index.upper)
        )
        letters = [replace(argument, index=Number(str(index))) for index in range(lower, upper + 1)]
        return [(letter.key, letter) for letter in letters]
    index = whole(_value(argument.index, world), f"the index of {argument.key}")
    return [(replace(argument, index=Number(str(index))).key, argument)]


def _mean(node: Mean, world: World) -> Any:
    values, average = _value(node.body, world), _average(node, world)
    mean = average(values)
    return mean if node.kind == "E" else average((values - mean) ** 2)


def _average(node: Mean, world: World) -> Callable[[Any], Any]:
    """How an expectation averages: by the world's weights, or over letters of a joint law.

    E[x | y] is over all letters of the law q but y.
    """
    if node.given and node.over:
        raise ValueError(f"{latex(node)} says twice what it averages over")
    weights = world.averages.get(node.key) if node.over else world.weights
    if weights is not None and not node.given:
        return lambda values: np.sum(weights * values)
    if node.given and "q" in world.joints:
        _, given, _ = _letters(Call("q", node.given), world)
        joint = world.joints["q"]
        return lambda values: joint.average(values, [name for name in joint.names if name not in given], given)
    if node.over and isinstance(node.over[0], Call) and node.over[0].key in world.joints:
        joint = world.joints[node.over[0].key]
        _, free, given = _letters(node.over[0], world)
        return lambda values: joint.average(values, free, given)
    raise UnknownName(f"no expectation over {node.key or 'everything'} is defined here")


def _divergence(first: Call | Law, second: Call | Law, world: World) -> Any:
    """The mean of log first/second: over the states of a table, or for normal laws by a quadrature that is exact."""
    if isinstance(first, Law) and isinstance(second, Law):
        if first.variable != second.variable:
            raise ValueError(f"two laws must be of one letter, but they were {latex(first)} and {latex(second)}")
        p, q = moments(first, world), moments(second, world)
        total: Any = 0.0
        for node, weight in QUADRATURE:
            x = p.mean + np.sqrt(p.variance) * node
            total = total + weight * (log_normal(x, p.mean, p.variance) - log_normal(x, q.mean, q.variance))
        return total
    if isinstance(first, Call) and isinstance(second, Call) and {first.key, second.key} <= set(world.joints):
        (_, free, given), (_, others, _) = _letters(first, world), _letters(second, world)
        if set(free) != set(others):
            raise ValueError(f"two laws must be of the same letters, but they were {latex(first)} and {latex(second)}")
        ratio = np.log(_call(first, world) / _call(second, world))
        return world.joints[first.key].average(ratio, free, given)
    raise UnknownName(f"no divergence of {latex(first)} from {latex(second)} is defined here")


def log_normal(x: Any, mean: Any, variance: Any) -> Any:
    """The logarithm of the density of N(mean, variance) at x."""
    return -((x - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2


def normal(x: Any, mean: Any, variance: Any) -> Any:
    """The density of N(mean, variance) at x."""
    return np.exp(log_normal(x, mean, variance))


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
        raise GrammarError("a function is defined for one letter", latex(call), 0)
    letter = call.arguments[0].key

    def function(value: Any) -> Any:
        return _value(body, replace(world, values={**world.values, letter: value}))

    return replace(world, functions={**world.functions, call.key: function})
