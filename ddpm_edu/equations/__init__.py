"""The checked equations: every numbered equation of the book has a check that runs.

`check("closed-form")` runs one, `run_all()` runs all of them, `shares()` counts what they would notice, and
`python -m ddpm_edu equations` prints a table.

`book` finds the LaTeX on the pages, `grammar` reads it into a `tree`, `evaluate` gives it a value in one of the `worlds`
(`joints` holds the joint laws of random letters), `register` holds the checks, `misprints` spoils equations, and one
module for each chapter says what its equations are compared with. `audit` counts.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from . import book, register
from .audit import Shares, shares
from .book import printed
from .grammar import GrammarError, parse
from .register import Result

__all__ = [
    "GrammarError",
    "Result",
    "Shares",
    "book",
    "check",
    "parse",
    "printed",
    "register",
    "report",
    "report_misprints",
    "run_all",
    "shares",
]


def check(label: str, where: Path | None = None) -> Result:
    """Check one equation as its page prints it.

    where: the folder of the chapters (default: the book's). Raises ValueError if the label has no check or no page.
    """
    known = register.checks(where)
    pages = printed(where)
    if label not in known or label not in pages:
        allowed = ", ".join(name for name in known if name in pages)
        raise ValueError(f"label must be one of {allowed}, but it was {label!r}")
    return register.run(known[label], pages[label].latex)


def run_all(where: Path | None = None) -> list[Result]:
    """Check every numbered equation of the chapters in `where` (default: the book's).

    Raises LookupError listing labels without a check and checks without a label.
    """
    return [register.run(known, page.latex) for known, page in register.matched(where)]


def report(as_json: bool = False) -> int:
    """Print all results, as a table or as JSON; returns the exit status, 1 if any check fails or labels do not match."""
    try:
        results = run_all()
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps([_record(result) for result in results], indent=2, ensure_ascii=False))
    else:
        width = max((len(result.label) for result in results), default=0)
        for result in results:
            verdict = "" if result.passed else "   FAILED: " + result.how
            print(f"{result.label:{width}}  {result.kind:11}  {result.residual:8.1e} ≤ {result.tolerance:.0e}{verdict}")
        failed = sum(not result.passed for result in results)
        print(f"{len(results)} equations checked, {failed} failed")
    return int(not all(result.passed for result in results))


def report_misprints() -> int:
    """Print how many misprints the checks catch; returns the exit status, 1 if labels do not match."""
    try:
        print(shares())
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _record(result: Result) -> dict[str, object]:
    return {
        "label": result.label,
        "chapter": result.chapter,
        "kind": result.kind,
        "residual": result.residual if math.isfinite(result.residual) else None,
        "tolerance": result.tolerance,
        "passed": result.passed,
        "how": result.how,
    }
