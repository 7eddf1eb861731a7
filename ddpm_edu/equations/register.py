"""The register: one check for each numbered equation, under the equation's label.

A *parsed* check reads what the page prints, and compares its value on random inputs with what the package computes. Any
other kind is a *function* check: it compares the package with an independent truth, and carries wrong variants that it
must reject and the text it was written for, so that whoever changes the equation meets the check.
"""

from __future__ import annotations

import importlib
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import book
from .evaluate import Moments, World, defines, evaluate, moments
from .grammar import expression, parse
from .tree import Call, Draw, Equation, Law, Node, Statement, Symbol, latex

CHAPTERS = (
    "why_diffusion",
    "one_dimensional_laboratory",
    "geometric_series",
    "schedules",
    "closed_form",
    "reverse_process",
    "posterior",
    "variational_bound",
    "simple_loss",
    "ddpm_in_one_dimension",
    "unet",
    "how_good",
    "faster_sampling",
    "ablations",
)
KINDS = ("parsed", "algebra", "mpmath", "quadrature", "monte carlo")


@dataclass(frozen=True)
class Result:
    """How a check came out. `residual` is the largest error that was seen, `how` says in one sentence what was compared."""

    label: str
    chapter: str
    kind: str
    residual: float
    tolerance: float
    how: str

    @property
    def passed(self) -> bool:
        """Whether the residual is within the tolerance."""
        return self.residual <= self.tolerance


@dataclass(frozen=True)
class Case:
    """One random instance of an equation.

    world: what the letters stand for. truths: the value that the package gives to the left side, worked out in one way
    or in several; empty: the value that the world itself gives to it, which is brute force where it has joint laws.
    tight: whether a printed inequality is an equality in this instance.
    """

    world: World
    truths: Sequence[Any] = ()
    tight: bool = False


@dataclass(frozen=True)
class ParsedCheck:
    """The check of an equation that the grammar reads.

    subjects: what the page may print on the left (empty: no side is a name, and all of them are compared).
    case: draws a `Case` from a generator. trials: how many.
    harmless: misprints that nothing can catch, because what they say is true as well: which → why.
    """

    label: str
    chapter: str
    how: str
    subjects: tuple[str, ...]
    case: Callable[[np.random.Generator], Case]
    tolerance: float = 1e-9
    trials: int = 24
    harmless: Mapping[str, str] = field(default_factory=dict)
    kind: str = "parsed"

    def residual(self, text: str) -> float:
        """The largest relative error of any side of the equation `text`; a trial above the tolerance is the last.

        Raises ValueError if the text is not in the notation, or does not say what the check is about, or is an
        inequality that no trial attains.
        """
        statements = parse(text)
        claim = self._claim(statements)
        worst, attained = 0.0, False
        for trial in range(self.trials):
            case = self.case(np.random.default_rng([zlib.crc32(self.label.encode()), trial]))
            attained = attained or case.tight
            world = _define(statements, case.world)
            for statement in statements:
                error = self._claimed(claim, case, world) if statement is claim else _also_said(statement, world)
                worst = max(worst, error)
            if worst > self.tolerance:
                return worst
        if _is_bound(claim) and not attained:
            raise ValueError(f"{latex(claim)} must be an equality in some trial, or half of it is not checked")
        return worst

    def _claimed(self, claim: Statement, case: Case, world: World) -> float:
        blind = replace(world, hidden=world.hidden | _told(claim)) if self.subjects else world
        if isinstance(claim, Draw):
            return max(distance(moments(claim.law, blind), truth) for truth in case.truths)
        first = claim.sides[0]
        for side in claim.sides[1:]:
            if isinstance(side, Law) and not (isinstance(first, Call) and side.variable == first.arguments[0]):
                raise ValueError(f"the law must be of {latex(first)}'s variable, but it was {latex(side)}")
        truths = case.truths or [evaluate(first, world)]
        steps = claim.steps if self.subjects else [("=", first), *claim.steps]
        return max(_chain(truth, steps, blind, case.tight) for truth in truths)

    def _claim(self, statements: Sequence[Statement]) -> Statement:
        if not self.subjects:
            return statements[0]
        allowed = [expression(subject) for subject in self.subjects]
        for statement in statements:
            first = statement.sides[0] if isinstance(statement, Equation) else statement.variable
            if first in allowed:
                return statement
        raise ValueError(f"{self.label} must tell {' or '.join(self.subjects)}, but it tells {latex(statements[0])}")


@dataclass(frozen=True)
class FunctionCheck:
    """The check of an equation that the grammar does not read.

    error: takes one formula and returns how far it is from the truth; right and wrong: formulas for it.
    prints: the equation that the check was written for.
    """

    label: str
    chapter: str
    how: str
    kind: str
    prints: str
    error: Callable[[Any], float]
    right: Any
    wrong: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-9

    def residual(self, text: str) -> float:
        """The error of the right formula. Raises ValueError if the page prints another equation than `prints`."""
        if "".join(text.split()) != "".join(self.prints.split()):
            raise ValueError(
                f"{self.label} was checked as\n  {self.prints}\nbut the page prints\n  {text}\n"
                f"Whoever changes the equation also looks at its check, in ddpm_edu/equations/{module_name(self.chapter)}.py"
            )
        return self.error(self.right)


Check = ParsedCheck | FunctionCheck
_CHECKS: dict[str, Check] = {}


def parsed(
    label: str,
    *subjects: str,
    how: str,
    tolerance: float = 1e-9,
    trials: int = 24,
    harmless: Mapping[str, str] | None = None,
) -> Callable[[Callable[[np.random.Generator], Case]], Callable[[np.random.Generator], Case]]:
    """Register the decorated function, which draws a `Case`, as the check of the equation `label`."""

    def decorate(case: Callable[[np.random.Generator], Case]) -> Callable[[np.random.Generator], Case]:
        add(ParsedCheck(label, chapter_name(case.__module__), how, subjects, case, tolerance, trials, harmless or {}))
        return case

    return decorate


def function(
    label: str, kind: str, how: str, prints: str, right: Any, wrong: Mapping[str, Any], tolerance: float = 1e-9
) -> Callable[[Callable[[Any], float]], Callable[[Any], float]]:
    """Register the decorated function, which measures a formula's error, as the check of the equation `label`."""

    def decorate(error: Callable[[Any], float]) -> Callable[[Any], float]:
        chapter = chapter_name(error.__module__)
        add(FunctionCheck(label, chapter, how, kind, prints, error, right, wrong, tolerance))
        return error

    return decorate


def add(check: Check) -> None:
    """Put a check into the register. Raises ValueError if its label has one, or its kind is unknown."""
    if check.label in _CHECKS:
        raise ValueError(f"label must have one check, but {check.label} has another in {_CHECKS[check.label].chapter}")
    if check.kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, but it was {check.kind!r}")
    _CHECKS[check.label] = check


def chapter_name(module: str) -> str:
    """The chapter that a module of checks belongs to: "closed_form" → "closed-form"."""
    return module.rsplit(".", 1)[-1].replace("_", "-")


def module_name(chapter: str) -> str:
    """The module with a chapter's checks, the other way round."""
    return chapter.replace("-", "_")


def checks(where: Path | None = None) -> dict[str, Check]:
    """All checks of the chapters in the folder `where` (default: the book's), by label."""
    for module in CHAPTERS:
        importlib.import_module(f"{__package__}.{module}")
    present = book.chapters(where)
    return {label: check for label, check in _CHECKS.items() if check.chapter in present}


def matched(where: Path | None = None) -> list[tuple[Check, book.Printed]]:
    """Each printed equation with its check, in the order of the register.

    Raises LookupError listing every label without a check, every check without a label, and every label that
    stands in another chapter than its check says.
    """
    known, pages = checks(where), book.printed(where)
    faults = [
        f"{label} ({page.chapter}.md, line {page.line}) has no check"
        for label, page in pages.items()
        if label not in known
    ]
    for label, check in known.items():
        if label not in pages:
            faults.append(f"{label} has a check, but {check.chapter}.md has no equation with this label")
        elif pages[label].chapter != check.chapter:
            faults.append(f"{label} is checked for {check.chapter}.md, but stands in {pages[label].chapter}.md")
    if faults:
        raise LookupError("labels and checks do not match:\n  " + "\n  ".join(faults))
    return [(check, pages[label]) for label, check in known.items()]


def by_chapter(where: Path | None = None) -> dict[str, list[tuple[Check, book.Printed]]]:
    """The chapters that have checked equations, in the order of the book, each with its equations in the order of the page.

    A label without a check and a check without a label are left out.
    """
    known, pages = checks(where), book.printed(where)
    result: dict[str, list[tuple[Check, book.Printed]]] = {}
    for chapter in map(chapter_name, CHAPTERS):
        found = [(known[label], page) for label, page in pages.items() if page.chapter == chapter and label in known]
        if found:
            result[chapter] = sorted(found, key=lambda pair: pair[1].line)
    return result


def run(check: Check, text: str) -> Result:
    """Check the equation `text`. What cannot be read or evaluated has an infinite residual, and `how` says why."""
    how = check.how
    try:
        residual = check.residual(text)
    except (ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
        residual, how = math.inf, str(error)
    return Result(check.label, check.chapter, check.kind, float(residual), check.tolerance, how)


def distance(value: Any, truth: Any) -> float:
    """How far `value` is from `truth`, relative to the largest entry of the truth; inf where one is not finite."""
    if isinstance(truth, Moments):
        if not isinstance(value, Moments):
            return math.inf
        return max(distance(value.mean, truth.mean), distance(value.variance, truth.variance))
    if isinstance(value, Moments):
        return math.inf
    with np.errstate(invalid="ignore"):
        error = np.max(np.abs(np.asarray(value, dtype=float) - np.asarray(truth, dtype=float)))
    return _relative(float(error), truth)


def excess(smaller: Any, greater: Any) -> float:
    """By how much what should be the smaller is greater anywhere, relative to the largest entry of the greater."""
    with np.errstate(invalid="ignore"):
        gap = np.max(np.asarray(smaller, dtype=float) - np.asarray(greater, dtype=float))
    return _relative(float(gap) if not gap <= 0 else 0.0, greater)


def unevenness(value: Any, other: Any) -> float:
    """How far the ratio of two arrays is from being the same in all entries, of which there must be several."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(value, dtype=float) / np.asarray(other, dtype=float)
    if ratio.size < 3:
        raise ValueError("a proportion must be tried at three places at least")
    return distance(ratio, ratio.flat[0])


def _relative(error: float, truth: Any) -> float:
    scale = float(np.max(np.abs(truth)))
    result = error / scale if scale > 0 else error
    return result if math.isfinite(result) and math.isfinite(scale) else math.inf


def _told(claim: Statement) -> frozenset[str | Node]:
    """What a claim tells, and may therefore not use."""
    first = claim.sides[0] if isinstance(claim, Equation) else claim.variable
    return frozenset({first.key}) if isinstance(first, Symbol) else frozenset({first})


def _is_bound(claim: Statement) -> bool:
    return isinstance(claim, Equation) and any(relation in {r"\ge", r"\le"} for relation in claim.relations)


def _chain(value: Any, steps: Sequence[tuple[str, Node]], world: World, tight: bool = False) -> float:
    """The largest error of sides that follow a first one of the given value, each compared with the one before."""
    worst = 0.0
    for relation, side in steps:
        after = _worth(side, value, world)
        if relation == "=" or (tight and relation != r"\propto"):
            worst = max(worst, distance(after, value))
            continue
        if relation == r"\propto":
            worst = max(worst, unevenness(after, value))
        else:
            worst = max(worst, excess(after, value) if relation == r"\ge" else excess(value, after))
        value = after
    return worst


def _define(statements: Sequence[Statement], world: World) -> World:
    """The world with the functions that the equation itself defines: f(t) = …"""
    for statement in statements:
        if isinstance(statement, Equation) and len(statement.sides) == 2:
            first, body = statement.sides
            if isinstance(first, Call) and first.name == "f" and first.key not in world.functions:
                world = defines(first, body, world)
    return world


def _worth(side: Node, other: Any, world: World) -> Any:
    """The value of a side that is compared with another: of a normal law, its moments or its density, as the other is."""
    return moments(side, world) if isinstance(side, Law) and isinstance(other, Moments) else evaluate(side, world)


def _also_said(statement: Statement, world: World) -> float:
    if isinstance(statement, Draw):
        variable = statement.variable
        if not isinstance(variable, Symbol) or variable.key not in world.laws:
            raise ValueError(f"{latex(variable)} has no law here")
        return distance(moments(statement.law, world), Moments(*world.laws[variable.key]))
    first = statement.sides[0]
    if isinstance(first, Call) and first.name == "f":
        return 0.0  # a definition, which the claim uses
    if _is_bound(statement):
        raise ValueError(f"{latex(statement)} must be the check's claim, since it is an inequality")
    return _chain(evaluate(first, world), statement.steps, world)
