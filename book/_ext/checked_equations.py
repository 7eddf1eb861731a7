"""Say beside every numbered equation how it was checked, and break the build where it was not.

The checks are `ddpm_edu.equations`. An equation with a label and no check, a check whose label the book does not
print, and a residual above its tolerance are each a warning, and the book is built with warnings as errors. The checks run
once; their results are kept in the build folder until the package or a chapter changes.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from build import fingerprint
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from ddpm_edu import equations

LOGGER = logging.getLogger(__name__)
WAYS = {
    "parsed": "checked as printed",
    "algebra": "checked by algebra",
    "mpmath": "checked to fifty digits",
    "quadrature": "checked by quadrature",
    "monte carlo": "checked by simulation",
}
DIGITS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class EquationCheck(nodes.General, nodes.Element):
    """The note below an equation; its attributes are those of an `equations.Result`."""


def size(number: float) -> str:
    """A small number as text: 0, 2·10⁻¹⁶, 0.004."""
    if number == 0:
        return "0"
    if not math.isfinite(number):
        return "infinite"
    if number >= 1e-3:
        return f"{number:.1g}"
    mantissa, exponent = f"{number:.0e}".split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(DIGITS)}"


def note(result: equations.Result) -> str:
    """The note's one visible line."""
    return f"{WAYS[result.kind]}, error {size(result.residual)}"


def labelled(doctree: nodes.Node) -> Iterator[nodes.math_block]:
    """The numbered equations of a page."""
    return (node for node in doctree.findall(nodes.math_block) if node.get("label"))


def run_checks(build: Path, chapters: Path) -> dict[str, equations.Result]:
    """The results of all checks by label, from the build folder's note where that is current."""
    text = "".join(path.read_text("utf8") for path in sorted(chapters.glob("*.md")))
    key = hashlib.sha256((fingerprint() + text).encode()).hexdigest()
    stored = build / "equations.json"
    if stored.exists():
        kept = json.loads(stored.read_text("utf8"))
        if kept["key"] == key:
            return {record["label"]: equations.Result(**record) for record in kept["results"]}
    checks, pages = equations.register.checks(chapters), equations.printed(chapters)
    results = [equations.register.run(checks[label], pages[label].latex) for label in checks if label in pages]
    stored.write_text(json.dumps({"key": key, "results": [asdict(result) for result in results]}), "utf8")
    return {result.label: result for result in results}


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    chapters = Path(app.srcdir) / "book"
    results = run_checks(Path(app.outdir).parent, chapters)
    checks = equations.register.checks(chapters)
    env.equation_results = results  # type: ignore[attr-defined]
    printed: dict[str, str] = {}
    for docname in sorted(env.found_docs):
        for node in labelled(env.get_doctree(docname)):
            label = node["label"]
            printed[label] = docname
            where = (docname, node.line)
            if label not in checks:
                LOGGER.warning("equation %r has no check in ddpm_edu.equations", label, location=where)
            elif label not in results:
                LOGGER.warning("equation %r is not found by ddpm_edu.equations.printed", label, location=where)
            elif not results[label].passed:
                result = results[label]
                problem = "equation %r fails its check: error %s, allowed %s (%s)"
                values = (label, size(result.residual), size(result.tolerance), result.how)
                LOGGER.warning(problem, *values, location=where)
    for label, check in checks.items():
        if f"book/{check.chapter}" in env.found_docs and printed.get(label) != f"book/{check.chapter}":
            LOGGER.warning("check %r is of no equation in the chapter %s", label, check.chapter)


def _annotate(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    results = getattr(app.env, "equation_results", {})
    for node in list(labelled(doctree)):
        if node["label"] in results:
            parent = node.parent
            parent.insert(parent.index(node) + 1, EquationCheck("", result=results[node["label"]]))


def _html(self: Any, node: EquationCheck) -> None:
    result = node["result"]
    more = f"{result.how.rstrip('.')}. Allowed: {size(result.tolerance)}."
    self.body.append(
        f'<details class="equation-check"><summary>{html.escape(note(result))}</summary>'
        f"<p>{html.escape(more[0].upper() + more[1:])}</p></details>\n"
    )
    raise nodes.SkipNode


def _skip(self: Any, node: EquationCheck) -> None:
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_node(EquationCheck, html=(_html, None), latex=(_skip, None), text=(_skip, None))
    app.connect("env-check-consistency", _check)
    app.connect("doctree-resolved", _annotate)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
