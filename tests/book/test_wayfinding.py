"""The map of the derivation, the estimated times, and links that set a widget: what is read, what is refused, what the page holds."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pages
import pytest
import wayfinding
import yaml
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ENTRY = {"id": "a", "title": "A", "formula": "α", "chapter": "schedules", "from": [], "wide": [0, 0], "narrow": [0, 0]}
BELOW = {**ENTRY, "id": "b", "from": ["a"], "wide": [1, 1], "narrow": [0, 1]}
HEAD = "---\njupytext:\n  formats: md:myst\n---\n\n"


def written(folder: Path, *entries: dict[str, object]) -> Path:
    path = folder / "map.yml"
    path.write_text(yaml.safe_dump(list(entries), allow_unicode=True), "utf8")
    return path


def test_every_numbered_chapter_of_the_derivation_is_on_the_map() -> None:
    places = wayfinding.read_map()
    toc = yaml.safe_load((pages.ROOT / "_toc.yml").read_text("utf8"))
    numbered = [Path(c["file"]).name for part in toc["parts"] if part.get("numbered") for c in part["chapters"]]
    # the word "diffusion" is explained before anything is derived
    assert [place.chapter for place in places if place.chapter in numbered] == [place.chapter for place in places]
    assert set(numbered) - {place.chapter for place in places} == {"why-diffusion"}


def test_no_arrow_leads_upwards_and_what_is_left_out_has_another_way() -> None:
    places = wayfinding.read_map()
    by_id = {place.id: place for place in places}
    for layout in wayfinding.LAYOUTS:
        for place in places:
            for name in place.come_from:
                (x, y), (u, v) = by_id[name].at[layout], place.at[layout]
                assert v > y or (v == y and abs(u - x) == 1)
                if wayfinding.blocked(by_id[name], place, places, layout):
                    assert name in before(place, by_id, without=name)


def before(place: wayfinding.Place, by_id: dict[str, wayfinding.Place], without: str = "") -> set[str]:
    """The boxes from which a way leads to this one, not by the arrow from `without` itself."""
    found: set[str] = set()
    for name in place.come_from:
        if name != without:
            found |= {name} | before(by_id[name], by_id)
    return found


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"from": ["c"]}, "'b' comes from 'c', which no box above it"),
        ({"chapter": "nowhere"}, "'b' leads to a chapter 'nowhere'"),
        ({"equation": "nothing"}, "schedules has no equation 'nothing'"),
        ({"narrow": [0, 0]}, "'a' and 'b' lie on one another"),
    ],
)
def test_a_map_that_leads_nowhere_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    assert len(wayfinding.read_map(written(tmp_path, ENTRY, BELOW))) == 2
    with pytest.raises(wayfinding.WayfindingError, match=complaint):
        wayfinding.read_map(written(tmp_path, ENTRY, {**BELOW, **change}))


def test_arrows_begin_and_end_at_boxes(tmp_path: Path) -> None:
    a, b = wayfinding.read_map(written(tmp_path, ENTRY, BELOW))
    width, gap = wayfinding.LAYOUTS["wide"]
    numbers = list(map(float, re.findall(r"-?[\d.]+", wayfinding.arrow(a, b, "wide"))))
    assert 1 < numbers[0] < 1 + width
    assert numbers[1] == 1 + wayfinding.BOX_HEIGHT
    assert 1 + width + gap < numbers[-2] < 1 + 2 * width + gap
    assert numbers[-1] < 1 + wayfinding.ROW
    beside = wayfinding.Place("c", "C", "", "schedules", at={"wide": (1, 0), "narrow": (1, 0)})
    assert wayfinding.arrow(a, beside, "wide").startswith(f"M{1 + width:g} ")


def test_times_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayfinding, "BOOK", tmp_path)

    def minutes(text: str) -> wayfinding.Times:
        (tmp_path / "chapter.md").write_text(HEAD + text, "utf8")
        return wayfinding.times("chapter")

    words = "word " * wayfinding.WORDS_A_MINUTE
    assert minutes(words * 5) == wayfinding.Times(5, 0)
    assert minutes(words * 6) == wayfinding.Times(10, 0)
    equation = "\n```{math}\n:label: x\n" + words + "\n```\n"
    assert minutes(words * 4 + equation * 2) == wayfinding.Times(5, 0)  # words in an equation do not count
    assert minutes(words * 4 + equation * 3) == wayfinding.Times(10, 0)
    assert minutes(words * 4 + "\n$$\nx\n$$\n" * 3) == wayfinding.Times(10, 0)
    code = "\n```{code-cell} ipython3\n" + "x = 1\n" * 15 + "```\n"
    assert minutes(words * 4 + code) == wayfinding.Times(5, 0)
    assert minutes(words * 4 + code + "word") == wayfinding.Times(10, 0)
    folded = code.replace("ipython3\n", "ipython3\n:tags: [hide-input]\n")
    assert minutes(words * 4 + folded * 9) == wayfinding.Times(5, 0)
    widget = "\n```{code-cell} ipython3\n:tags: [hide-input, widget]\n\nwidgets.Laboratory()\n```\n"
    assert minutes(words * 2 + widget) == wayfinding.Times(5, 0)
    assert minutes(words * 2 + widget + "word") == wayfinding.Times(10, 0)
    exercises = (
        "\n```{predict} a\n"
        + words
        + "```\n\n```{exercise}\n:label: ex-b\nx\n```\n\n````{solution} ex-b\n"
        + words
        + "\n````\n"
    )
    assert minutes(words * 5 + exercises) == wayfinding.Times(5, 10)


def test_a_link_that_sets_a_widget(tmp_path: Path) -> None:
    text = "# A page\n\nSee {state}`linear growth <schedules#schedule.t=5>`."
    page, warnings = built(tmp_path / "right", text)
    assert '<a class="reference internal" href="schedules.html#schedule.t=5">linear growth</a>' in page
    assert warnings == ""
    for wrong in ("words", "words <schedules>", "words <nowhere#lab.t=5>"):
        page, warnings = built(tmp_path / wrong[-8:-2], text.replace("linear growth <schedules#schedule.t=5>", wrong))
        assert "a state is written" in warnings


def built(folder: Path, text: str) -> tuple[str, str]:
    """One page built by Sphinx, and its warnings."""
    source = folder / "source"
    source.mkdir(parents=True)
    (source / "conf.py").write_text("", "utf8")
    (source / "index.md").write_text(text, "utf8")
    warnings = io.StringIO()
    overrides = {"extensions": ["myst_parser", "wayfinding"]}
    with docutils_namespace():
        app = Sphinx(
            source, source, folder / "html", folder / "trees", "html", overrides, status=None, warning=warnings
        )
        app.build()
    return (folder / "html" / "index.html").read_text("utf8"), warnings.getvalue()


def test_the_map_stands_on_the_front_page() -> None:
    page = pages.soup(pages.HTML / "book" / "index.html")
    places = wayfinding.read_map()
    for layout in wayfinding.LAYOUTS:
        links = page.select(f".derivation-map svg.{layout} a")
        assert [link["href"] for link in links] == [place.address for place in places]
        for link, place in zip(links, places, strict=True):
            assert link["aria-label"].startswith(place.title)
            assert re.search(r"\d+ · \d+ min", link.get_text())


def test_each_chapter_says_how_long_it_takes() -> None:
    page = pages.soup(pages.HTML / "book" / "index.html")
    rows = {
        row.a["href"]: [cell.get_text() for cell in row.find_all("td")]
        for row in page.select("table.reading-times tbody tr")
        if row.a
    }
    assert len(rows) == 16
    for address, (number, reading, exercises) in rows.items():
        chapter = pages.soup(pages.HTML / "book" / address)
        said = chapter.select_one("p.reading-time").get_text()
        assert said == f"About {reading} minutes, and {exercises} for the exercises."
        assert chapter.select_one("h1 .section-number").get_text().strip(". ") == number.strip(". ")
    together = [cell.get_text() for cell in page.select("table.reading-times tfoot td")][1:]
    assert together == [wayfinding.hours(sum(int(row[k]) for row in rows.values())) for k in (1, 2)]
