"""The register of exercises: what is asked under which name, what is right, and the slips that have a sentence of their own.

A chapter's module calls `predict` and `program` when it is imported. Everything that costs time waits until it is asked
for: answers are functions, and the module of a chapter is imported when its first exercise is looked up.
"""

from __future__ import annotations

import importlib
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import arguments

CHAPTERS = (
    "notation",
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
    "training",
    "sampling",
    "how_good",
    "faster_sampling",
    "ablations",
)
"""The chapters' modules in the order of the book; each is named like its page, with underscores."""


@dataclass(frozen=True)
class Slip:
    """A mistake that people make, and what to tell them.

    says: one or two sentences to the reader, in plain text: Greek letters as letters, code between backticks, no LaTeX.
    result: what comes of the mistake: for a prediction the number, or a function without parameters that works it out;
    for a program a function with the parameters of the right one.
    """

    says: str
    result: Any

    def __post_init__(self) -> None:
        _plain("says", self.says)


@dataclass(frozen=True)
class Prediction:
    """An exercise that asks for one number; made by `predict`."""

    name: str
    chapter: str
    compute: Callable[[], float]
    slips: tuple[Slip, ...]
    relative: float | None
    absolute: float | None
    why: str

    @cached_property
    def answer(self) -> float:
        """The right number. Raises ValueError if it is not finite."""
        return arguments.number(f"the answer of {self.name}", self.compute())

    @cached_property
    def wrong(self) -> tuple[tuple[float, str], ...]:
        """The value of each slip with its sentence.

        Raises ValueError if a slip's value is not finite, or so near to the answer or to another slip that a number
        could be taken for both.
        """
        found: list[tuple[float, str]] = []
        for slip in self.slips:
            value = slip.result() if callable(slip.result) else slip.result
            value = arguments.number(f"the result of a slip of {self.name}", value)
            for other in [self.answer, *(known for known, _ in found)]:
                if abs(value - other) <= self.tolerance(value) + self.tolerance(other):
                    raise ValueError(
                        f"a slip of {self.name} must differ by more than the tolerance from the answer and from other "
                        f"slips, but it gives {value:.6g} beside {other:.6g}"
                    )
            found.append((value, slip.says))
        return tuple(found)

    def tolerance(self, value: float) -> float:
        """How far a number may be from `value` and still count as it."""
        return self.absolute if self.absolute is not None else (self.relative or 0) * abs(value)


@dataclass(frozen=True)
class Program:
    """An exercise that asks for a function; made by `program`."""

    name: str
    chapter: str
    truth: Callable[..., Any]
    given: Mapping[str, Any]
    slips: tuple[Slip, ...]
    relative: float
    why: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the function's parameters, in order."""
        return tuple(inspect.signature(self.truth).parameters)


Exercise = Prediction | Program

_known: dict[str, Exercise] = {}


def predict(
    name: str,
    answer: Callable[[], float],
    slips: Sequence[Slip] = (),
    *,
    relative: float | None = None,
    absolute: float | None = None,
    why: str,
) -> None:
    """Register an exercise that asks for a number; called by the module of its chapter.

    answer: works the number out with the package. relative or absolute: how far off a right number may be; 2 per cent
    of the answer where neither is given. why: one or two sentences that say how one gets there, shown when it is right.

    Raises ValueError if the name is taken or not in kebab case, or both tolerances are given, or one is not above 0.
    """
    if relative is not None and absolute is not None:
        raise ValueError(f"relative and absolute must not both be given, but {name} has {relative} and {absolute}")
    if relative is None and absolute is None:
        relative = 0.02
    for what, tolerance in (("relative", relative), ("absolute", absolute)):
        if tolerance is not None and not 0 < tolerance < math.inf:
            raise ValueError(f"{what} must be above 0, but it was {tolerance!r}")
    if not callable(answer):
        raise TypeError(f"answer must be a function without parameters, but it was {answer!r}")
    _plain("why", why)
    _add(Prediction(name, _caller(), answer, tuple(slips), relative, absolute, why))


def program(
    name: str,
    truth: Callable[..., Any],
    given: Mapping[str, Any],
    slips: Sequence[Slip] = (),
    *,
    relative: float = 1e-9,
    why: str = "",
) -> None:
    """Register an exercise that asks for a function; called by the module of its chapter.

    truth: the right function; its parameters are those that the reader's function must have.
    given: for each parameter how it is drawn: a strategy (see `given`), or a function of parameters that stand before it
    in `given`, which returns one: `{"alpha_bar": alpha_bars(), "t": lambda alpha_bar: steps(len(alpha_bar) - 1)}`.
    relative: how far off a right number may be, as a share of the largest number in the right result.
    why: what the exercise was for, in a sentence, told to whoever has solved it; in plain text, and may be left out.

    Raises ValueError if the name is taken or not in kebab case, or `given` and the slips do not fit truth's parameters.
    """
    exercise = Program(name, _caller(), truth, dict(given), tuple(slips), relative, why)
    if why:
        _plain("why", why)
    if set(exercise.given) != set(exercise.parameters):
        raise ValueError(f"given must have {name}'s parameters {exercise.parameters}, but it has {tuple(given)}")
    for slip in slips:
        if not callable(slip.result):
            raise TypeError(f"a slip of {name} must have a function as result, but it was {slip.result!r}")
        if len(inspect.signature(slip.result).parameters) != len(exercise.parameters):
            raise ValueError(f"a slip of {name} must have the parameters {exercise.parameters}: {slip.says!r}")
    _add(exercise)


def find(name: str) -> Exercise:
    """The exercise of that name; chapters are imported, in order, until one has it.

    Raises LookupError, with the nearest name, if no chapter has it.
    """
    for chapter in CHAPTERS:
        if name in _known:
            return _known[name]
        load(chapter)
    if name in _known:
        return _known[name]
    raise LookupError(
        f"There is no exercise called {name!r}{arguments.nearest(name, _known)}; `exercises.names()` lists all of them."
    )


def load(chapter: str) -> None:
    """Import the module of a chapter, which registers its exercises; does nothing the second time."""
    importlib.import_module(f"{__package__}.{chapter}")


def exercises(chapter: str | None = None) -> tuple[Exercise, ...]:
    """The exercises of a chapter, named like its page or its module, or those of the whole book, in order.

    Raises ValueError if there is no such chapter.
    """
    if chapter is None:
        return tuple(exercise for each in CHAPTERS for exercise in exercises(each))
    module = str(chapter).replace("-", "_")
    arguments.choice("chapter", module, CHAPTERS)
    load(module)
    return tuple(exercise for exercise in _known.values() if exercise.chapter == module.replace("_", "-"))


def names(chapter: str | None = None) -> tuple[str, ...]:
    """The names that `check` and `answer` know, of one chapter (`"closed-form"`) or of the whole book."""
    return tuple(exercise.name for exercise in exercises(chapter))


def _add(exercise: Exercise) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", exercise.name):
        raise ValueError(f"name must be in kebab case, like 'q-sample', but it was {exercise.name!r}")
    if exercise.name in _known:
        raise ValueError(
            f"name must be unique, but {exercise.name!r} stands in {_known[exercise.name].chapter} and in {exercise.chapter}"
        )
    _known[exercise.name] = exercise


def _caller() -> str:
    """The chapter, spelt like its page, whose module called `predict` or `program`."""
    module = sys._getframe(2).f_globals["__name__"]
    return str(module).rpartition(".")[2].replace("_", "-")


def _plain(name: str, text: str) -> None:
    if not text.strip() or "$" in text or "\\" in text:
        raise ValueError(f"{name} must be plain text without LaTeX, but it was {text!r}")
