r"""What helps a reader to find the way: the map of the derivation, the time a chapter takes, links that set a widget.

``{derivation-map}`` draws `book/map.yml`, twice: three columns wide, and two for a phone. ``{reading-times}`` lists all
chapters with their times. ``{state}`words <chapter#lab.alpha=1&lab.controls=t>``` leads to a chapter whose widget is
then set as the address says.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

BOOK = Path(__file__).resolve().parents[1]
MAP = BOOK / "map.yml"
LAYOUTS = {"wide": (216.0, 36.0), "narrow": (168.0, 16.0)}  # the width of a box and of the gap beside it
BOX_HEIGHT, ROW = 66.0, 98.0
WORDS_A_MINUTE = 170
SECONDS = {"equation": 30, "figure": 40, "line of code": 4, "widget": 180}
MINUTES = {"predict": 3, "exercise": 6}
STATE = re.compile(r"^(?P<words>.+?)\s*<(?P<chapter>[a-z0-9-]+)#(?P<state>[^<>\s]+)>$", re.DOTALL)
SYMBOLS = {"α": "alpha", "β": "beta", "ε": "varepsilon", "x₀": "x-0", "ᾱ": "alpha"}


class WayfindingError(ValueError):
    """A map or a link that leads nowhere; the message says which."""


# ------------------------------------------------------------------------------------------------------ how long it takes


@dataclass(frozen=True)
class Times:
    """Minutes to read a chapter, and to do its exercises."""

    reading: int
    exercises: int


def times(chapter: str) -> Times:
    """Estimate both from the chapter's source: words, equations, figures, lines of code, widgets, exercises.

    170 words a minute; half a minute for a displayed equation, 40 seconds for a figure, 4 for a line of code that is not
    folded, 3 minutes for a widget; 3 for a prediction, 6 for another exercise. Rounded up to five minutes.
    """
    text = (BOOK / f"{chapter}.md").read_text("utf8").split("\n---\n", 1)[-1]
    exercises = sum(
        minutes * len(re.findall(rf"^```+\{{{name}\}}", text, re.MULTILINE)) for name, minutes in MINUTES.items()
    )
    text = re.sub(
        r"^(`{3,})\{(?:solution|predict|exercise|bibliography)\}.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE
    )
    seconds = 0.0
    for cell in re.findall(r"^```\{code-cell\}.*?^```$", text, re.DOTALL | re.MULTILINE):
        folded = re.search(r"hide-|remove-", cell) is not None
        seconds += 0 if folded else SECONDS["line of code"] * (cell.count("\n") - 1)
        seconds += SECONDS["figure"] * ("figure:" in cell) + SECONDS["widget"] * (
            re.search(r"tags:.*widget", cell) is not None
        )
    text = re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    displayed = re.findall(r"^```\{math\}.*?^```$|\$\$.*?\$\$", text, re.DOTALL | re.MULTILINE)
    seconds += SECONDS["equation"] * len(displayed)
    seconds += SECONDS["figure"] * len(re.findall(r"^```+\{(?:figure|literalinclude)\}", text, re.MULTILINE))
    text = re.sub(r"^```\{math\}.*?^```$|\$\$.*?\$\$", "", text, flags=re.DOTALL | re.MULTILINE)
    seconds += 60 * len(re.findall(r"\w+", text)) / WORDS_A_MINUTE
    return Times(_fives(seconds / 60), _fives(exercises))


def _fives(minutes: float) -> int:
    """Minutes, rounded up to five."""
    return 5 * -int(-minutes // 5)


def chapters(env: Any) -> list[tuple[str, str, list[str]]]:
    """The parts of the book that are numbered: caption, and the chapters' names in their order."""
    parts = []
    root = env.get_doctree(env.config.root_doc)
    for toctree in root.findall(addnodes.toctree):
        if toctree.get("numbered"):
            parts.append((toctree["caption"], "", [Path(name).name for _, name in toctree["entries"]]))
    return parts


# ---------------------------------------------------------------------------------------------------------------- the map


@dataclass(frozen=True)
class Place:
    """One box of the map."""

    id: str
    title: str
    formula: str
    chapter: str
    equation: str = ""
    come_from: tuple[str, ...] = ()
    at: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where the box leads, from another page of the book."""
        return f"{self.chapter}.html" + (f"#equation-{self.equation}" if self.equation else "")


def read_map(path: Path = MAP) -> list[Place]:
    """The map's boxes. Raises WayfindingError for an arrow from nowhere, a chapter that is not there, two boxes in one place."""
    places: list[Place] = []
    for entry in yaml.safe_load(path.read_text("utf8")):
        at = {layout: (int(entry[layout][0]), int(entry[layout][1])) for layout in LAYOUTS}
        place = Place(
            entry["id"],
            entry["title"],
            entry["formula"],
            entry["chapter"],
            entry.get("equation", ""),
            tuple(entry["from"]),
            at,
        )
        if missing := [name for name in place.come_from if name not in {other.id for other in places}]:
            raise WayfindingError(
                f"the map's box {place.id!r} comes from {missing[0]!r}, which no box above it is called"
            )
        source = BOOK / f"{place.chapter}.md"
        if not source.exists():
            raise WayfindingError(
                f"the map's box {place.id!r} leads to a chapter {place.chapter!r}, which does not exist"
            )
        if place.equation and f":label: {place.equation}\n" not in source.read_text("utf8"):
            raise WayfindingError(f"the map's box {place.id!r}: {place.chapter} has no equation {place.equation!r}")
        if taken := [other.id for other in places for layout in LAYOUTS if other.at[layout] == at[layout]]:
            raise WayfindingError(f"the map's boxes {taken[0]!r} and {place.id!r} lie on one another")
        places.append(place)
    return places


def corner(place: Place, layout: str) -> tuple[float, float]:
    """The upper left corner of a box."""
    width, gap = LAYOUTS[layout]
    column, row = place.at[layout]
    return 1 + column * (width + gap), 1 + row * ROW


def arrow(start: Place, end: Place, layout: str) -> str:
    """The path of an arrow: downwards from box to box, or across where they stand side by side."""
    width, _ = LAYOUTS[layout]
    (x, y), (u, v) = corner(start, layout), corner(end, layout)
    if y == v:
        side = width if u > x else 0.0
        return f"M{x + side:g} {y + BOX_HEIGHT / 2:g}H{u + width - side + (-7 if u > x else 7):g}"
    bend = (v - y - BOX_HEIGHT) / 2
    # beside one another's middles, so that arrows that meet stay apart
    lean = 24.0 * ((u > x) - (u < x))
    x, y, u, v = x + width / 2 + lean, y + BOX_HEIGHT, u + width / 2 - lean, v - 7
    return f"M{x:g} {y:g}C{x:g} {y + bend:g} {u:g} {v - bend:g} {u:g} {v:g}"


def blocked(start: Place, end: Place, places: list[Place], layout: str) -> bool:
    """Whether an arrow straight down would run through a box; a longer way leads there then, and it is left out."""
    (column, above), (other, below) = start.at[layout], end.at[layout]
    return column == other and any(p.at[layout][0] == column and above < p.at[layout][1] < below for p in places)


def drawing(places: list[Place], layout: str, numbers: dict[str, str]) -> str:
    """The map as SVG. numbers: what stands before a chapter's time, under the chapter's name."""
    width, gap = LAYOUTS[layout]
    columns = 1 + max(place.at[layout][0] for place in places)
    rows = 1 + max(place.at[layout][1] for place in places)
    by_id = {place.id: place for place in places}
    across, down = columns * (width + gap) - gap + 2, (rows - 1) * ROW + BOX_HEIGHT + 2
    head = f"map-head-{layout}"
    parts = [
        f'<svg class="{layout}" viewBox="0 0 {across:g} {down:g}" role="group" aria-label="Map of the derivation">',
        f'<defs><marker id="{head}" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8Z"/></marker></defs>',
    ]
    for place in places:
        for name in place.come_from:
            if blocked(by_id[name], place, places, layout):
                continue
            parts.append(f'<path class="way" d="{arrow(by_id[name], place, layout)}" marker-end="url(#{head})"/>')
    for place in places:
        x, y = corner(place, layout)
        middle, line = x + width / 2, html.escape(numbers[place.chapter])
        after = ", ".join(by_id[name].title for name in place.come_from)
        label = html.escape(f"{place.title}, chapter {line}" + (f"; follows from: {after}" if after else ""))
        parts.append(
            f'<a href="{place.address}" aria-label="{label}">'
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{BOX_HEIGHT:g}" rx="4"/>'
            f'<text class="title" x="{middle:g}" y="{y + 20:g}">{coloured(place.title)}</text>'
            f'<text class="formula" x="{middle:g}" y="{y + 39:g}">{coloured(place.formula)}</text>'
            f'<text class="time" x="{middle:g}" y="{y + 57:g}">{line}</text></a>'
        )
    return "".join((*parts, "</svg>"))


def coloured(text: str) -> str:
    """A line of a box: α, β, ε and x₀ in the colours that they have everywhere, a letter behind _ set low."""
    pattern = "|".join(SYMBOLS)
    text = re.sub(
        pattern, lambda found: f'<tspan class="sym-{SYMBOLS[found[0]]}">{found[0]}</tspan>', html.escape(text)
    )
    return re.sub(r"_(\w)", r'<tspan class="low" dy="3">\1</tspan><tspan dy="-3">&#8203;</tspan>', text)


class DerivationMap(SphinxDirective):
    """Marks the place of the map; it is drawn when the chapters' numbers are known."""

    def run(self) -> list[nodes.Node]:
        """A node to be filled in."""
        self.env.note_dependency(str(MAP))
        return [_Map()]


class ReadingTimes(SphinxDirective):
    """Marks the place of the list of times."""

    def run(self) -> list[nodes.Node]:
        """A node to be filled in."""
        for source in BOOK.glob("*.md"):
            self.env.note_dependency(str(source))
        return [_Times()]


class _Map(nodes.General, nodes.Element):
    """The place of the map."""


class _Times(nodes.General, nodes.Element):
    """The place of the list of times."""


class State(SphinxRole):
    """A link to a chapter with its widget set as the address says."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A link within the book; a warning for what is not one."""
        found = STATE.match(self.text)
        if not found or not (BOOK / f"{found['chapter']}.md").exists():
            message = self.inliner.reporter.warning(  # type: ignore[attr-defined]
                f"a state is written `words <chapter#lab.t=5>` with a chapter of this book; this was {self.text!r}",
                line=self.lineno,
            )
            return [nodes.literal("", self.text)], [message]
        address = f"{found['chapter']}.html#{found['state']}"
        return [nodes.reference("", found["words"], refuri=address, internal=True)], []


# --------------------------------------------------------------------------------------------------------- into the page


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    env = app.env
    sections = env.toc_secnumbers

    def number(chapter: str) -> str:
        return ".".join(map(str, sections.get(f"book/{chapter}", {}).get("", ())))

    for place in list(doctree.findall(_Map)):
        if app.builder.format != "html":
            place.parent.remove(place)
            continue
        places = read_map()
        lines = {p.chapter: f"{number(p.chapter)} · {times(p.chapter).reading} min" for p in places}
        pictures = "".join(drawing(places, layout, lines) for layout in LAYOUTS)
        place.replace_self(
            nodes.raw(
                "", f'<nav class="derivation-map" aria-label="Map of the derivation">{pictures}</nav>', format="html"
            )
        )
    for place in list(doctree.findall(_Times)):
        place.replace_self(_times_table(app, number))
    chapter = Path(docname).name
    title = next(iter(doctree.findall(nodes.title)), None)
    if number(chapter) and title is not None:
        needed = times(chapter)
        line = f"About {needed.reading} minutes" + (
            f", and {needed.exercises} for the exercises" if needed.exercises else ""
        )
        title.parent.insert(title.parent.index(title) + 1, nodes.paragraph("", line + ".", classes=["reading-time"]))


def _times_table(app: Sphinx, number: Any) -> nodes.Node:
    """All numbered chapters with their times, part by part."""
    rows = []
    total = Times(0, 0)
    for caption, _, names in chapters(app.env):
        rows.append(f'<tr class="part"><th scope="rowgroup" colspan="4">{html.escape(caption)}</th></tr>')
        for name in names:
            needed = times(name)
            total = Times(total.reading + needed.reading, total.exercises + needed.exercises)
            title = html.escape(app.env.titles[f"book/{name}"].astext())
            rows.append(
                f'<tr><td>{number(name)}</td><th scope="row"><a href="{name}.html">{title}</a></th>'
                f"<td>{needed.reading}</td><td>{needed.exercises}</td></tr>"
            )
    table = (
        '<div class="pst-scrollable-table-container"><table class="table reading-times"><thead><tr><td></td><th scope="col">chapter</th>'
        '<th scope="col">minutes</th><th scope="col">and for the exercises</th></tr></thead><tbody>'
        + "".join(rows)
        + f'</tbody><tfoot><tr><td></td><th scope="row">together</th><td>{hours(total.reading)}</td>'
        f"<td>{hours(total.exercises)}</td></tr></tfoot></table></div>"
    )
    return nodes.raw("", table, format="html")


def hours(minutes: int) -> str:
    """Minutes as hours and minutes."""
    return f"{minutes // 60} h {minutes % 60:02d}"


def markdown_map() -> str:
    """The map as a list for a notebook."""
    places = read_map()
    by_id = {place.id: place for place in places}
    lines = []
    for place in places:
        after = ", ".join(by_id[name].title for name in place.come_from)
        lines.append(
            f"- [{place.title}]({place.chapter}.ipynb): {place.formula}" + (f" (from: {after})" if after else "")
        )
    return "\n".join(lines)


def markdown_times(numbered: list[str], title: Any) -> str:
    """The table of times for a notebook."""
    rows = ["| chapter | minutes | and for the exercises |", "| :-- | --: | --: |"]
    for name in numbered:
        needed = times(name)
        rows.append(f"| [{title(name)}]({name}.ipynb) | {needed.reading} | {needed.exercises} |")
    return "\n".join(rows)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_directive("derivation-map", DerivationMap)
    app.add_directive("reading-times", ReadingTimes)
    app.add_role("state", State())
    app.add_node(_Map)
    app.add_node(_Times)
    app.add_css_file("wayfinding.css", priority=901)
    app.connect("doctree-resolved", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
