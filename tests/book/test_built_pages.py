"""The built book: it was built cleanly, its links lead somewhere, it asks no other host, its pictures have words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import exercises
import pages
import pytest
import twins
import yaml
from bs4 import Tag

from ddpm_edu import exercises as checked

BOOK = twins.read_book()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A small book with one page, to be spoilt by a test."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "icons.css").write_text(".fa-moon { --icon: url() }")
    page = '<html><body><article id="top"><a href="#top">x</a><img src="a.png" alt="A line that rises."></article></body></html>'
    (tmp_path / "book" / "page.html").write_text(page)
    (tmp_path / "book" / "a.png").write_bytes(b"")
    return tmp_path


def spoil(folder: Path, addition: str) -> None:
    path = folder / "book" / "page.html"
    path.write_text(path.read_text("utf8").replace("</article>", addition + "</article>"))
    pages.soup.cache_clear()


def test_the_last_build_was_clean() -> None:
    status = json.loads((pages.ROOT / "_build" / "status.json").read_text("utf8"))
    assert status["status"] == 0, "make book ended with warnings or errors"


def test_every_chapter_of_the_contents_is_a_page_and_nothing_else_is() -> None:
    toc = yaml.safe_load((pages.ROOT / "_toc.yml").read_text("utf8"))
    listed = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    assert {f"{Path(name).name}.html" for name in listed} == {path.name for path in pages.chapters()}


def test_every_link_and_anchor_resolves() -> None:
    assert pages.dead_links(pages.HTML) == []


@pytest.mark.parametrize(
    "link", ['<a href="none.html">x</a>', '<a href="#nowhere">x</a>', '<a href="page.html#no">x</a>']
)
def test_a_dead_link_is_found(copy: Path, link: str) -> None:
    assert pages.dead_links(copy) == []
    spoil(copy, link)
    assert len(pages.dead_links(copy)) == 1


def test_nothing_is_asked_of_another_host() -> None:
    assert pages.foreign_requests(pages.HTML) == []


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://unpkg.com/x.js"></script>',
        '<link rel="stylesheet" href="//example.org/x.css">',
        '<img src="http://example.org/a.png" alt="A picture of something.">',
        '<script>const URL = "https://example.org/lib/index.js";</script>',
    ],
)
def test_a_foreign_request_is_found(copy: Path, element: str) -> None:
    assert pages.foreign_requests(copy) == []
    spoil(copy, element)
    assert len(pages.foreign_requests(copy)) == 1


def test_a_foreign_style_is_found(copy: Path) -> None:
    (copy / "_static" / "x.css").write_text('@font-face { src: url("https://fonts.example.org/a.woff2") }')
    assert len(pages.foreign_requests(copy)) == 1


def test_every_picture_has_words() -> None:
    assert pages.pictures_without_words(pages.HTML) == []


@pytest.mark.parametrize("words", ["", "../_images/0123.png", "figure"])
def test_a_picture_without_words_is_found(copy: Path, words: str) -> None:
    assert pages.pictures_without_words(copy) == []
    spoil(copy, f'<img src="a.png" alt="{words}">')
    assert len(pages.pictures_without_words(copy)) == 1


def test_every_icon_has_an_outline() -> None:
    assert pages.icons_without_outline(pages.HTML) == set()


def test_an_icon_without_outline_is_found(copy: Path) -> None:
    spoil(copy, '<i class="fa-solid fa-moon"></i><i class="fa-solid fa-rocket"></i>')
    assert pages.icons_without_outline(copy) == {"rocket"}


def test_figures_have_captions_and_names() -> None:
    without = []
    for name in BOOK.names:
        for cell in twins.jupytext.reads(BOOK.text(name), fmt="md:myst").cells:
            options = cell.metadata.get("mystnb", {})
            if options.get("image") and not {"caption", "name"} <= set(options.get("figure", {})):
                without.append(f"{name}: {options['image'].get('alt', cell.source[:60])}")
    assert without == []


def numbers_on(path: Path, kind: str) -> dict[str, str]:
    """The numbers that a page shows, by label."""
    article = pages.soup(path).find("article")
    assert isinstance(article, Tag)
    if kind == "equation":
        found = [
            (m["id"].removeprefix("equation-"), m.find(class_="eqno")) for m in article.find_all("div", "math", id=True)
        ]
        return {label: number.get_text().strip("()#¶\n ") for label, number in found if number}
    if kind == "exercise":
        boxes = [(box["id"], box.find(class_="caption-number")) for box in article.find_all("div", "exercise", id=True)]
        return {label: number.get_text().removeprefix("Exercise").strip() for label, number in boxes if number}
    figures = [(f.get("id"), f.find(class_="caption-number")) for f in article.find_all("figure")]
    return {str(label): number.get_text().removeprefix("Fig.").strip() for label, number in figures if number}


@pytest.mark.parametrize("kind", ["equation", "figure", "exercise"])
def test_the_twins_number_as_the_pages_do(kind: str) -> None:
    for path in pages.chapters():
        shown = numbers_on(path, kind)
        assert shown == {label: BOOK.numbers.get(label) for label in shown}
    total = sum(len(numbers_on(path, kind)) for path in pages.chapters())
    kinds = {"fig": "figure", "ex-": "exercise"}
    assert total == sum(kinds.get(label[:3], "equation") == kind for label in BOOK.numbers)


def test_every_exercise_is_listed_with_a_link() -> None:
    page = pages.soup(pages.HTML / "book" / "exercises.html")
    links = {
        str(link["href"]) for item in page.select("ul.all-exercises > li") for link in item.find_all("a", href=True)
    }
    assert {f"{entry.chapter}.html#{entry.label}" for entry in BOOK.exercises} <= links
    assert len(page.select("ul.all-exercises > li")) == len(BOOK.exercises)


def test_every_prediction_is_judged_by_what_the_register_says() -> None:
    found = {}
    for path in pages.chapters():
        for data in pages.soup(path).select("div.predict script.predict-data"):
            found[data.find_parent("div", id=True)["id"].removeprefix("ex-")] = json.loads(data.text)
    wanted = [entry.name for entry in BOOK.exercises if entry.kind == "predict"]
    assert found == {name: exercises.page_data(checked.page_data(name)) for name in wanted}


def test_every_numbered_equation_says_how_it_was_checked() -> None:
    without = []
    for path in pages.chapters():
        article = pages.soup(path).find("article")
        assert isinstance(article, Tag)
        for equation in article.find_all("div", class_="math", id=re.compile("^equation-")):
            note = equation.find_next_sibling()
            if note is None or "equation-check" not in (note.get("class") or []) or "error" not in note.get_text():
                without.append(f"{path.name}: {equation['id']}")
    assert without == []


def test_the_buttons_lead_to_the_twins_and_the_package() -> None:
    config = yaml.safe_load((pages.ROOT / "_config.yml").read_text("utf8"))
    repository = config["repository"]["url"].removeprefix("https://github.com/")
    branch = config["repository"]["branch"]
    for path in pages.chapters():
        links = [str(link["href"]) for link in pages.soup(path).find_all("a", href=True)]
        colab = f"https://colab.research.google.com/github/{repository}/blob/{branch}/book/{path.stem}.ipynb"
        assert colab in links
        assert f"../notebooks/{path.stem}.ipynb" in links
        assert any(re.fullmatch(r"\.\./downloads/ddpm_edu-.*\.whl", link) for link in links)


def test_the_address_of_the_repository_stands_in_one_place() -> None:
    config = yaml.safe_load((pages.ROOT / "_config.yml").read_text("utf8"))
    address = config["repository"]["url"]
    places = []
    for folder in (
        ".",
        "book",
        "book/_ext",
        "ddpm_edu",
        "ddpm_edu/widgets",
        "tests/book",
        "tests/notebooks",
        "benchmarks",
    ):
        for path in (pages.ROOT / folder).glob("*"):
            if path.is_file() and path.suffix in {".py", ".md", ".toml", ".yml", ".cff", ".js", ".txt", ""}:
                places += [path.name] if address in path.read_text("utf8", errors="ignore") else []
    assert places == ["_config.yml"]


def test_search_works_from_a_file() -> None:
    index = (pages.HTML / "searchindex.js").read_text("utf8")
    assert index.startswith("Search.setIndex(")
    assert "one-dimensional-laboratory" in index
