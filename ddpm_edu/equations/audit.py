"""How much the checks would notice: how many misprints of the book's equations they catch, and how many wrong formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import register
from .misprints import Misprint, misprints
from .register import FunctionCheck, ParsedCheck


class Tally(NamedTuple):
    """What became of the misprints of one equation."""

    label: str
    value: int
    """Caught because a side has another value."""
    refused: int
    """Caught because something in them has no meaning there."""
    lives: tuple[Misprint, ...]
    """Not caught."""


@dataclass(frozen=True)
class Shares:
    """Counts over all numbered equations; `str` of it is a summary of a few lines."""

    equations: int
    tallies: tuple[Tally, ...]
    """One for each parsed equation."""
    reasons: dict[tuple[str, str], str]
    """Why a misprint may live: (label, what) → a sentence, from the checks."""
    variants: int
    """Wrong formulas of the function checks."""
    rejected: int

    @property
    def parsed(self) -> int:
        """How many equations are checked by reading what the page prints."""
        return len(self.tallies)

    @property
    def caught(self) -> int:
        """How many misprints are caught."""
        return sum(tally.value + tally.refused for tally in self.tallies)

    @property
    def made(self) -> int:
        """How many misprints were made."""
        return self.caught + sum(len(tally.lives) for tally in self.tallies)

    def __str__(self) -> str:
        refused = sum(tally.refused for tally in self.tallies)
        lines = [
            f"{self.parsed} of {self.equations} numbered equations are parsed ({self.parsed / self.equations:.0%})",
            f"{self.caught:,} of {self.made:,} misprints of them are caught ({self.caught / self.made:.1%}):",
            f"  {self.caught - refused:,} by their value, {refused:,} because something in them has no meaning there",
        ]
        for tally in self.tallies:
            for what, count in Counter(misprint.what for misprint in tally.lives).items():
                why = self.reasons.get((tally.label, what), "Not explained.")
                lines += [f"  not caught: {what} in {tally.label}{', twice' if count == 2 else ''}.", f"    {why}"]
        functions = self.equations - self.parsed
        lines.append(f"{self.rejected} of {self.variants} wrong variants of the other {functions} are rejected")
        return "\n".join(lines)


def shares(where: Path | None = None) -> Shares:
    """Misprint every parsed equation in every way, and try every wrong variant; takes some seconds.

    where: the folder of the chapters (default: the book's). Raises LookupError if labels and checks do not match.
    """
    matched = register.matched(where)
    functions = [check for check, _ in matched if isinstance(check, FunctionCheck)]
    parsed = [(check, page) for check, page in matched if isinstance(check, ParsedCheck)]
    return Shares(
        equations=len(matched),
        tallies=tuple(tally(check, page.latex) for check, page in parsed),
        reasons={(check.label, what): why for check, _ in parsed for what, why in check.harmless.items()},
        variants=sum(len(check.wrong) for check in functions),
        rejected=sum(rejects(check, what) for check in functions for what in check.wrong),
    )


def tally(check: ParsedCheck, text: str) -> Tally:
    """Try all misprints of an equation's `text`."""
    caught = {"value": 0, "refused": 0}
    lives = []
    for misprint in misprints(text):
        how = caught_by(check, misprint.text)
        if how:
            caught[how] += 1
        else:
            lives.append(misprint)
    return Tally(check.label, caught["value"], caught["refused"], tuple(lives))


def caught_by(check: ParsedCheck, text: str) -> str:
    """How a misprint is caught: by its "value", "refused" by the notation or for a name without meaning, or not: ""."""
    try:
        residual = check.residual(text)
    except (ValueError, IndexError):
        return "refused"
    return "" if residual <= check.tolerance else "value"


def rejects(check: FunctionCheck, what: str) -> bool:
    """Whether a wrong variant is off by more than the tolerance, and by more than a thousandth."""
    return not check.error(check.wrong[what]) <= max(check.tolerance, 1e-3)
