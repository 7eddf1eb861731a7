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
from .evaluate import Moments, World, defines, evaluate
from .grammar import Call, Draw, Equation, Law, Node, Statement, Symbol, expression, latex, parse

CHAPTERS = (
    "why_diffusion",
    "one_dimensional_laboratory",
    "geometric_series",
    "schedules",
    "closed_form",
    "reverse_process",
    "posterior",
    "unet",
    "training",
    "sampling",
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
    """One random instance: what the letters stand for, and the value that the package gives to the left side."""

    world: World
    truths: Sequence[Any]


@dataclass(frozen=True)
class ParsedCheck:
    """The check of an equation that the grammar reads.

    subjects: what the page may print on the left (empty: no side is a name, and all of them are compared).
    case: draws a `Case` from a generator. trials: how many.
    """

    label: str
    chapter: str
    how: str
    subjects: tuple[str, ...]
    case: Callable[[np.random.Generator], Case]
    tolerance: float = 1e-9
    trials: int = 24
    kind: str = "parsed"

    def residual(self, text: str) -> float:
        """The largest relative error of any side of the equation `text`; a trial above the tolerance is the last.

        Raises ValueError if the text is not in the notation, or does not say what the check is about.
        """
        statements = parse(text)
        claim = self._claim(statements)
        worst = 0.0
        for trial in range(self.trials):
            case = self.case(np.random.default_rng([zlib.crc32(self.label.encode()), trial]))
            world = _define(statements, case.world)
            blind = replace(world, hidden=world.hidden | _names(claim))
            for statement in statements:
                if statement is claim:
                    worst = max(worst, _claimed(claim, case.truths, blind, bool(self.subjects)))
                else:
                    worst = max(worst, _also_said(statement, world))
            if worst > self.tolerance:
                break
        return worst

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
    label: str, *subjects: str, how: str, tolerance: float = 1e-9, trials: int = 24
) -> Callable[[Callable[[np.random.Generator], Case]], Callable[[np.random.Generator], Case]]:
    """Register the decorated function, which draws a `Case`, as the check of the equation `label`."""

    def decorate(case: Callable[[np.random.Generator], Case]) -> Callable[[np.random.Generator], Case]:
        add(ParsedCheck(label, chapter_name(case.__module__), how, subjects, case, tolerance, trials))
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
    truth = np.asarray(truth, dtype=float)
    error = float(np.max(np.abs(np.asarray(value, dtype=float) - truth)))
    scale = float(np.max(np.abs(truth)))
    result = error / scale if scale > 0 else error
    return result if math.isfinite(result) else math.inf


def _names(claim: Statement) -> frozenset[str]:
    first = claim.sides[0] if isinstance(claim, Equation) else claim.variable
    return frozenset({first.key}) if isinstance(first, Symbol | Call) else frozenset()


def _define(statements: Sequence[Statement], world: World) -> World:
    """The world with the functions that the equation itself defines: f(t) = …"""
    for statement in statements:
        if isinstance(statement, Equation) and len(statement.sides) == 2:
            first, body = statement.sides
            if isinstance(first, Call) and first.name == "f" and first.key not in world.functions:
                world = defines(first, body, world)
    return world


def _claimed(claim: Statement, truths: Sequence[Any], world: World, named: bool) -> float:
    if isinstance(claim, Draw):
        sides: Sequence[Node] = (claim.law,)
    else:
        sides = claim.sides[1:] if named else claim.sides
        first = claim.sides[0]
        for side in sides:
            if isinstance(side, Law) and not (isinstance(first, Call) and side.variable == first.arguments[0]):
                raise ValueError(f"the law must be of {latex(first)}'s variable, but it was {latex(side)}")
    return max(distance(evaluate(side, world), truth) for side in sides for truth in truths)


def _also_said(statement: Statement, world: World) -> float:
    if isinstance(statement, Draw):
        variable = statement.variable
        if not isinstance(variable, Symbol) or variable.key not in world.laws:
            raise ValueError(f"{latex(variable)} has no law here")
        return distance(evaluate(statement.law, world), Moments(*world.laws[variable.key]))
    first = statement.sides[0]
    if isinstance(first, Call) and first.name == "f":
        return 0.0  # a definition, which the claim uses
    values = [evaluate(side, world) for side in statement.sides]
    return max(distance(value, values[0]) for value in values[1:])
