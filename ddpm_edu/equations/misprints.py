"""Mechanical misprints of an equation: what a tired typesetter does, once each, at every place where it can be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, NamedTuple

from .grammar import parse
from .tree import (
    FUNCTIONS,
    Big,
    Call,
    Derivative,
    Divergence,
    Equation,
    Fraction,
    Law,
    Mean,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    latex,
)


class Misprint(NamedTuple):
    """One misprint: what was done, and the equation with it."""

    what: str
    text: str


T = Symbol("t")
BEFORE = Sum(((1, T), (-1, Number("1"))))
TURNED = {r"\ge": r"\le", r"\le": r"\ge"}
OTHER = {"alpha": "beta", "beta": "alpha", "sin": "cos", "cos": "sin", "exp": "log", "log": "exp"}
LAWS = {"p": "q", "q": "p"}
ACCENTED = {"alpha": "bar", "beta": "tilde"}


def misprints(text: str) -> list[Misprint]:
    """All misprints of the equation `text`, each a different text and none of them the equation itself."""
    statements = parse(text)
    seen = {_join(statements)}
    found = []
    for what, changed in _anywhere(statements):
        wrong = _join(changed)
        if wrong not in seen:
            seen.add(wrong)
            found.append(Misprint(what, wrong))
    return found


def _join(statements: Any) -> str:
    return r", \quad ".join(latex(statement) for statement in statements)


def _anywhere(node: Any, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Each way to change `node` or one node below it. `inside` tells what holds it."""
    if isinstance(node, tuple):
        for place, part in enumerate(node):
            for what, changed in _anywhere(part, inside):
                yield what, (*node[:place], changed, *node[place + 1 :])
        return
    yield from _here(node, inside)
    if hasattr(node, "__dataclass_fields__"):
        for field in fields(node):
            if isinstance(node, Big) and field.name == "variable":
                continue  # renaming the running variable is no misprint of its own
            holder = field.name if field.name in {"index", "lower", "upper", "exponent"} else inside
            for what, changed in _anywhere(getattr(node, field.name), holder):
                yield what, replace(node, **{field.name: changed})


def _here(node: Any, inside: str) -> Iterator[tuple[str, Any]]:
    match node:
        case Equation(sides, relations):
            for place in range(1, len(sides)):
                if not isinstance(sides[place], Law):
                    doubled = Product((Number("2"), sides[place]))
                    yield "a factor 2", replace(node, sides=(*sides[:place], doubled, *sides[place + 1 :]))
            if any(relation in TURNED for relation in relations):
                turned = tuple(TURNED.get(relation, relation) for relation in relations)
                yield "an inequality turned round", replace(node, relations=turned)
        case Root(radicand, None):
            yield "a root dropped", radicand
            if isinstance(radicand, Sum):
                (sign, first), *rest = radicand.terms
                if rest and sign > 0:
                    yield "a root cut short", Sum(((1, Root(first)), *rest))
        case Symbol(name, accent, index):
            if accent:
                yield "an accent dropped", replace(node, accent="")
            elif index is not None and name in ACCENTED:
                yield "an accent added", replace(node, accent=ACCENTED[name])
            if name in OTHER:
                yield "α and β confused", replace(node, name=OTHER[name])
            if index == T:
                yield "t−1 for t", replace(node, index=BEFORE)
                yield "0 for t", replace(node, index=Number("0"))
            elif index == BEFORE:
                yield "t for t−1", replace(node, index=T)
            elif isinstance(index, Symbol) and index.name in {"s", "k", "i"}:
                yield "an index shifted", replace(node, index=Sum(((1, index), (-1, Number("1")))))
            elif index == Number("0"):
                yield "t for 0", replace(node, index=T)
            if index is not None and not inside:
                yield "an index dropped", replace(node, index=None)
        case Sum(terms) if inside != "index":
            for place, (sign, term) in enumerate(terms):
                others = (*terms[:place], *terms[place + 1 :])
                yield "a sign", Sum((*terms[:place], (-sign, term), *terms[place + 1 :]))
                if others:
                    yield "a term dropped", Sum(others) if others[0][0] < 0 or len(others) > 1 else others[0][1]
                doubled = Product((Number("2"), term))
                yield "a factor 2", Sum((*terms[:place], (sign, doubled), *terms[place + 1 :]))
        case Product(factors):
            for place in range(len(factors)):
                left = (*factors[:place], *factors[place + 1 :])
                yield "a factor dropped", Product(left) if len(left) > 1 else left[0]
            for place, factor in enumerate(factors):
                if isinstance(factor, Sum):
                    (sign, first), *inner = factor.terms
                    last = factors[place + 1 :]
                    front = Product((*factors[:place], first)) if place else first
                    (end_sign, end), middle = inner[-1] if inner else (1, first), inner[:-1]
                    if inner:
                        back = Product((end, *last)) if last else end
                        yield "brackets dropped", Sum(((sign, front), *middle, (end_sign, back)))
        case Fraction(numerator, denominator):
            yield "a fraction upside down", Fraction(denominator, numerator)
            yield "a denominator dropped", numerator
            yield "a numerator dropped", Fraction(Number("1"), denominator)
        case Power(base, exponent):
            yield "an exponent dropped", base
            yield "an exponent doubled", Power(base, Product((Number("2"), exponent)))
            yield "an exponent raised by one", Power(base, Sum(((1, exponent), (1, Number("1")))))
        case Call(name, arguments, given):
            if name in OTHER:
                yield "another function", replace(node, name=OTHER[name])
            if name in LAWS:
                yield "p and q confused", replace(node, name=LAWS[name])
            if name in FUNCTIONS.split("|"):
                yield "a function dropped", arguments[0]
            for place in range(len(given)):
                yield "a condition dropped", replace(node, given=(*given[:place], *given[place + 1 :]))
        case Mean(_, body):
            yield "a mean dropped", body
        case Derivative(_, body):
            yield "a derivative dropped", body
        case Divergence(first, second):
            yield "two laws swapped", Divergence(second, first)
        case Big(kind, _, lower, upper, _):
            yield (
                "a sum for a product, or the other way round",
                replace(node, kind={"sum": "prod", "prod": "sum"}[kind]),
            )
            for sign, word in ((1, "late"), (-1, "early")):
                yield f"begun one {word}", replace(node, lower=Sum(((1, lower), (sign, Number("1")))))
                yield f"ended one {word}", replace(node, upper=Sum(((1, upper), (sign, Number("1")))))
        case Law(_, mean, variance):
            yield "mean and variance swapped", replace(node, mean=variance, variance=mean)
            if variance != Number("1"):
                yield "a deviation for a variance", replace(node, variance=Root(variance))
                yield "a variance squared", replace(node, variance=Power(variance, Number("2")))
            yield "a mean left out", replace(node, mean=Number("0"))
        case Number(text) if inside != "index" and "." not in text:
            yield "a number", Number(str(int(text) + 1))
