"""Exercises on the page: a field and a button for a number that is asked for, kinds in their heads, a list of all.

    ```{predict} closed-form-half
    After which share of the steps is half of the variance gone?
    ```

The answer, its tolerance, the slips and the reason come from `ddpm_edu.exercises`, and an unknown name breaks the build.
Without JavaScript the answer stands folded below the question; `exercises.js` puts a form in its place, and remembers
for every exercise of the book how far the reader has come.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import checked_equations
import twins
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.directive import ExerciseDirective
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node

from ddpm_edu import exercises as checked

CITED = re.compile(r"\{(?P<name>cite(?::[pt])?)\}`(?P<text>[^`]+)`")


class Form(nodes.General, nodes.Element):
    """What stands below the question of a `{predict}`: its data, and the folded answer."""


class Progress(nodes.General, nodes.Element):
    """Where the script shows how much is done, and offers to save it."""


class Predict(ExerciseDirective):
    """``{predict} name``: an exercise, numbered with the others, that asks for a number."""

    required_arguments = 1
    optional_arguments = 0
    final_argument_whitespace = False
    option_spec = {}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """The exercise and its form."""
        (name,) = self.arguments
        try:
            data = checked.page_data(name)
        except LookupError as error:
            raise self.error(str(error.args[0])) from None
        except (TypeError, ValueError) as error:
            raise self.error(str(error)) from None
        self.arguments = []
        self.name = "exercise"
        self.options["label"] = f"ex-{name}"
        found = super().run()
        if not found:
            raise self.error(f"the exercise {name!r} stands twice")
        (exercise,) = found
        exercise["classes"].append("predict")
        exercise += Form("", why(data["why"]), data=page_data(data))
        return [exercise]


class AllExercises(SphinxDirective):
    """``{all-exercises}``: a section for each chapter that has exercises, and an entry for each of them."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        self.book = book = twins.read_book(Path(self.env.srcdir))
        for name in book.names:
            self.env.note_dependency(str(book.folder / f"{name}.md"))
        sections: list[nodes.Node] = []
        for chapter in book.names:
            entries = [entry for entry in book.exercises if entry.chapter == chapter]
            if entries:
                title = nodes.title("", "", *self.inline(book.titles[chapter]))
                section = nodes.section("", title, ids=[f"exercises-{chapter}"], names=[])
                section += nodes.bullet_list("", *map(self.entry, entries), classes=["all-exercises"])
                sections.append(section)
        return sections

    def entry(self, entry: twins.Exercise) -> nodes.list_item:
        """Number, kind and first sentence of one exercise."""
        paragraph = nodes.paragraph("", "", self.link(entry), nodes.Text(" "))
        paragraph += nodes.inline("", entry.kind, classes=["exercise-kind"])
        paragraph += nodes.Text(" ")
        opening = CITED.sub(twins.Rewriter(self.book, entry.chapter).role, entry.opening)  # this page lists no works
        paragraph += nodes.inline("", "", *self.inline(opening), classes=["exercise-opening"])
        return nodes.list_item("", paragraph, ids=[f"progress-{entry.name}"], classes=[f"kind-{entry.kind}"])

    def link(self, entry: twins.Exercise) -> nodes.Node:
        """The exercise's number, which leads to it; without a link where its chapter is not in this build."""
        if f"book/{entry.chapter}" not in self.env.found_docs:
            return nodes.Text(entry.number)
        number = nodes.literal("", "%s", classes=["xref", "std", "std-numref"])
        return pending_xref(
            "",
            number,
            refdomain="std",
            reftype="numref",
            reftarget=entry.label,
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )

    def inline(self, text: str) -> list[nodes.Node]:
        """The nodes of one sentence of Markdown."""
        holder = nodes.Element()
        self.state.nested_parse(StringList([text], source=self.env.docname), self.content_offset, holder)
        return [child for paragraph in holder.children for child in paragraph.children]


class ExerciseProgress(SphinxDirective):
    """``{exercise-progress}``: the place of the count and of the buttons; nothing without JavaScript."""

    def run(self) -> list[nodes.Node]:
        """The place."""
        return [Progress("")]


def value_text(value: float) -> str:
    """A number with four digits, and without zeros that say nothing: 0.3142, 674, −2.5 · 10⁻⁵."""
    mantissa, exponent = f"{abs(value):.3e}".split("e")
    power = int(exponent)
    sign = "−" if value < 0 else ""
    if value and (power < -3 or power >= 6):
        small = str(power).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        return f"{sign}{float(mantissa):g} · 10{small}"
    text = f"{abs(value):.{max(0, 3 - power)}f}"
    return sign + (text.rstrip("0").rstrip(".") if "." in text else text)


def page_data(data: dict[str, Any]) -> dict[str, Any]:
    """What the script needs of a prediction: `answers.page_data`, in few digits and with the answer as it is shown."""
    short = {key: _short(value) for key, value in data.items() if key in {"answer", "tolerance", "relative", "near"}}
    lists = {
        key: [
            {**entry, "value": _short(entry["value"]), "tolerance": _short(entry["tolerance"])} for entry in data[key]
        ]
        for key in ("slips", "confusions")
    }
    return {**short, "shown": value_text(float(data["answer"])), **lists}


def why(text: str) -> nodes.paragraph:
    """The reason below an answer: plain text, with code between backticks and indices that are set low."""
    paragraph = nodes.paragraph("", classes=["predict-why"])
    for at, part in enumerate(text.split("`")):
        paragraph += [nodes.literal("", part)] if at % 2 else checked_equations.marked(part)
    return paragraph


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{float(value):.10g}")


def _open(self: Any, node: Form) -> None:
    data = node["data"]
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    self.body.append(
        '<div class="predict-form">\n'
        f'<script type="application/json" class="predict-data">{text}</script>\n'
        '<details class="predict-answer"><summary>Answer</summary>\n'
        f'<p class="predict-value">{html.escape(data["shown"])}</p>\n'
    )


def _close(self: Any, node: Form) -> None:
    self.body.append("</details>\n</div>\n")


def _progress(self: Any, node: Progress) -> None:
    self.body.append('<div class="exercise-progress"></div>\n')
    raise nodes.SkipNode


def _pass(self: Any, node: nodes.Element) -> None:
    pass


def _heads(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Say in each exercise's head of which kind it is, and give its text an id of its own."""
    for node in doctree.findall(lambda n: isinstance(n, exercise_node | exercise_enumerable_node)):
        assert isinstance(node, nodes.Element)
        title, section = node.children[:2]
        assert isinstance(title, nodes.Element)
        assert isinstance(section, nodes.Element)
        kind = "predict" if "predict" in node["classes"] else twins.kind(node["label"])
        node["classes"].append(f"kind-{kind}")
        section["ids"] = [f"{node['label']}-text"]
        title += nodes.inline("", kind, classes=["exercise-kind"])
    for node in doctree.findall(lambda n: n.__class__.__name__ == "solution_node"):
        assert isinstance(node, nodes.Element)
        for section in node.findall(nodes.section):
            section["ids"] = [f"{node['target_label']}-solution"]
            break


def _files(app: Sphinx) -> None:
    app.add_css_file("exercises.css", priority=910)
    app.add_js_file("exercises.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.setup_extension("sphinx_exercise")
    app.add_node(Form, html=(_open, _close), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_node(Progress, html=(_progress, None), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_directive("predict", Predict)
    app.add_directive("all-exercises", AllExercises)
    app.add_directive("exercise-progress", ExerciseProgress)
    app.connect("builder-inited", _files)
    app.connect("doctree-resolved", _heads)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
