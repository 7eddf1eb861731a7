"""Say beside every numbered equation how it was checked, list all of them, and break the build where one was not.

The checks are `ddpm_edu.equations`. An equation with a label and no check, a check whose label the book does not
print, and a residual above its tolerance are each a warning, and the book is built with warnings as errors. The checks run
once; their results are kept in the build folder until the package or a chapter changes.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from build import fingerprint
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from ddpm_edu import equations

LOGGER = logging.getLogger(__name__)
WAYS = {
    "parsed": "checked as printed",
    "algebra": "checked by algebra",
    "mpmath": "checked to fifty digits",
    "quadrature": "checked by quadrature",
    "monte carlo": "checked by simulation",
}
MARK = re.compile(r"(?P<code>\b[a-z_]+\.[A-Za-z]\w+(?:\.\w+)*)|(?<=[\w\u0302-\u0304])_(?P<index>\{[^}]+\}|\w)(?!\w)")
MARKUP = {nodes.Text: "{}", nodes.literal: "<code>{}</code>", nodes.subscript: "<sub>{}</sub>"}
DIGITS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class EquationCheck(nodes.General, nodes.Element):
    """The note below an equation; its attributes are those of an `equations.Result`."""


class EquationError(nodes.General, nodes.Inline, nodes.Element):
    """The error of the equation `label`, in a table that is made before the checks have run."""


class CheckedEquations(SphinxDirective):
    """A section for each chapter that has numbered equations, and a row for each of them."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        chapters = Path(self.env.srcdir) / "book"
        for path in sorted(chapters.glob("*.md")):
            self.env.note_dependency(str(path))
        return [self.section(chapters, *each) for each in equations.register.by_chapter(chapters).items()]

    def section(self, chapters: Path, chapter: str, found: list[Any]) -> nodes.section:
        """A chapter's title and its table."""
        title = heading((chapters / f"{chapter}.md").read_text("utf8"))
        section = nodes.section("", nodes.title("", title), ids=[f"equations-{chapter}"], names=[])
        head = row(*([nodes.Text(words)] for words in ("Equation", "What is compared", "Error ≤\u00a0allowed")))
        body = []
        for check, page in found:
            number = [self.link(page), nodes.Text(" "), nodes.emphasis("", check.kind)]
            error = [EquationError("", label=page.label), nodes.Text(f" ≤\u00a0{size(check.tolerance)}")]
            body.append(row(number, marked(check.how), error))
        columns = [nodes.colspec(colwidth=width) for width in (18, 62, 20)]
        group = nodes.tgroup("", *columns, nodes.thead("", head), nodes.tbody("", *body), cols=3)
        section += nodes.table("", group, classes=["checked-equations"])
        return section

    def link(self, page: Any) -> nodes.Node:
        """The equation's number, which leads to it; its label where its chapter is not in this build."""
        label = nodes.Text(page.label)
        if f"book/{page.chapter}" not in self.env.found_docs:
            return label
        return pending_xref(
            "", label, refdomain="math", reftype="eq", reftarget=page.label, refdoc=self.env.docname, refwarn=True
        )


def row(*cells: list[nodes.Node]) -> nodes.row:
    """A row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def marked(sentence: str) -> list[nodes.Node]:
    """A sentence with names of the package set as code, and indices set low: x_t, ᾱ_{t−1}."""
    parts: list[nodes.Node] = []
    end = 0
    for found in MARK.finditer(sentence):
        parts.append(nodes.Text(sentence[end : found.start("code") if found["code"] else found.start("index") - 1]))
        parts.append(
            nodes.literal("", found["code"]) if found["code"] else nodes.subscript("", found["index"].strip("{}"))
        )
        end = found.end()
    return [*parts, nodes.Text(sentence[end:])]


def heading(text: str) -> str:
    """The title of a chapter."""
    return next(line[2:].strip() for line in text.splitlines() if line.startswith("# "))


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

    for place in list(doctree.findall(EquationError)):
        known = results.get(place["label"])
        place.replace_self(nodes.Text(size(known.residual) if known else "not checked"))


def _html(self: Any, node: EquationCheck) -> None:
    result = node["result"]
    how = f"{result.how.rstrip('.')}. Allowed: {size(result.tolerance)}."
    more = "".join(MARKUP[type(part)].format(html.escape(part.astext())) for part in marked(how[0].upper() + how[1:]))
    self.body.append(
        f'<details class="equation-check"><summary>{html.escape(note(result))}</summary><p>{more}</p></details>\n'
    )
    raise nodes.SkipNode


def _skip(self: Any, node: EquationCheck) -> None:
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_node(EquationCheck, html=(_html, None), latex=(_skip, None), text=(_skip, None))
    app.add_directive("checked-equations", CheckedEquations)
    app.connect("env-check-consistency", _check)
    app.connect("doctree-resolved", _annotate)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
