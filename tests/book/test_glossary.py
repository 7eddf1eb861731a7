"""The glossary: its entries hold together, and the first use of each word in a chapter leads to its entry."""

from __future__ import annotations

import io
import re
from pathlib import Path

import glossary
import pages
import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace
from test_symbols import BOOK, CHAPTERS, without_code

PAGE = r"""# Variances and the score

The noise schedule, a table
of variances, and the score; a schedule again, and **Gaussians** in bold.
Neither `variance` nor [a particle](https://example.org) is one, nor is the underscore.

## A particle in a heading

- The particle of a Gaussian, with $\bar\alpha_t$ and $\bar\alpha_t = 1$ and again $\bar\alpha_{t-1}$.
- Tweedie's formula for $q(x_t \mid x_0)$.

$$
\bar\alpha_t = 1
$$
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book of one chapter, with the extension."""
    folder = tmp_path_factory.mktemp("glossary")
    (folder / "book").mkdir()
    (folder / "book" / "posterior.md").write_text(PAGE, "utf8")
    (folder / "index.md").write_text("# Index\n\n```{toctree}\nbook/posterior\n```\n", "utf8")
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_parser", "sphinx.ext.mathjax", "glossary"],
        "myst_enable_extensions": ["dollarmath"],
        "html_theme": "basic",
        "html_static_path": [str(BOOK / "_static")],
    }
    with pytest.MonkeyPatch.context() as patch, docutils_namespace():
        patch.setattr("warnings.showwarning", lambda *_: None)
        places = (folder, None, folder / "html", folder / "doctrees", "html")
        Sphinx(*places, confoverrides=settings, status=None, warning=warnings).build()
    assert warnings.getvalue() == ""
    return folder / "html"


@pytest.fixture(scope="module")
def page(built: Path) -> BeautifulSoup:
    """The chapter's page."""
    return BeautifulSoup((built / "book" / "posterior.html").read_text("utf8"), "html.parser")


def test_the_first_use_of_a_word_leads_to_its_entry(page: BeautifulSoup) -> None:
    links = [(re.sub(r"\s+", " ", link.get_text()), link["href"]) for link in page.select("a.term-link")]
    assert links == [
        ("noise schedule", "glossary.html#term-noise-schedule"),
        ("variances", "glossary.html#term-variance"),
        ("score", "glossary.html#term-score"),
        ("Gaussians", "glossary.html#term-gaussian"),
        ("particle", "glossary.html#term-particle"),
        ("Tweedie’s formula", "glossary.html#term-tweedies-formula"),
    ]


def test_no_link_stands_in_a_heading_a_link_or_code(page: BeautifulSoup) -> None:
    for selector in ("h1", "h2", "code", "a"):
        assert page.select(f"{selector} a.term-link") == []
    assert page.select_one("h2").get_text().startswith("A particle in a heading")


def test_a_letter_by_itself_leads_to_its_row_once(page: BeautifulSoup) -> None:
    links = page.select("a.symbol-link")
    assert [link["href"] for link in links] == [
        "notation.html#symbol-alpha-bar-t",
        "notation.html#symbol-q-sample",
    ]
    assert r"\class{sy sy-alpha-bar-t}{\bar\alpha_t}" in links[0].get_text()


def test_every_formula_of_the_page_is_marked(page: BeautifulSoup) -> None:
    formulas = page.select(".math")
    assert len(formulas) == 5
    assert all(r"\class{sy sy-" in formula.get_text() for formula in formulas)
    assert r"i:t_minus_1" in formulas[2].get_text()


def test_the_texts_are_one_script_for_the_whole_book(built: Path, page: BeautifulSoup) -> None:
    script = (built / "_static" / "symbols-data.js").read_text("utf8")
    assert script.startswith("window.ddpmWords=")
    assert "the share of the data’s variance" in script
    assert "the share of the data’s variance" not in str(page)
    assert {Path(tag["src"]).name.split("?")[0] for tag in page.select("script[src]")} >= {
        "symbols-data.js",
        "symbols.js",
    }
    assert len(script.encode()) < 60_000


def uses(texts: list[str], chapter: str = "") -> list[list[str]]:
    """The words that are linked in each stretch of text."""
    found = glossary.first_uses(iter(texts), chapter)
    return [[text[start:stop] for start, stop, _ in here] for text, here in zip(texts, found, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the signal-to-noise ratio", ["signal-to-noise ratio"]),  # not "ratio", and not twice
        ("Densities and a density", ["Densities"]),
        ("a Markov chain, then a chain", ["Markov chain"]),
        ("the log-SNR is not the SNR", ["log-SNR", "SNR"]),
        ("snr and Snr are no acronyms", []),
        ("a U-Net, two U-Nets", ["U-Net"]),
        ("the posteriority of scorers", []),
        ("Bayes' rule", ["Bayes' rule"]),
        ("mean squared errors", ["mean squared errors"]),
        ("bits per\ndimension", ["bits per\ndimension"]),
    ],
)
def test_words_are_found_in_their_forms(text: str, expected: list[str]) -> None:
    assert uses([text]) == [expected]


def test_a_word_is_linked_once_over_all_texts() -> None:
    assert uses(["A variance.", "Variances and a score.", "the score"]) == [["variance"], ["score"], []]


def test_a_word_with_another_sense_is_left_alone() -> None:
    assert uses(["a kernel and its score, a particle"], "how-good") == [["particle"]]
    assert uses(["a kernel and its score"], "geometric-series") == [["kernel", "score"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word\n: What it is.\n", "must end with"),
        (
            "word\n: It.\n  Explained in {doc}`posterior`.\n\nother, word\n: It.\n  Explained in {doc}`posterior`.\n",
            "entries of",
        ),
    ],
)
def test_a_bad_entry_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        glossary.read(text)


def test_the_entries_stand_in_their_order_and_are_forty_to_seventy() -> None:
    names = [term.forms[0].lower() for term in glossary.terms()]
    assert names == sorted(names)
    assert 40 <= len(names) <= 70
    assert len({term.anchor for term in glossary.terms()}) == len(names)


def test_no_entry_was_overlooked() -> None:
    assert len(glossary.terms()) == len(re.findall(r"^: ", glossary.SOURCE.read_text("utf8"), re.MULTILINE))


def test_every_word_is_used_in_the_chapter_that_introduces_it() -> None:
    for term in glossary.terms():
        assert term.chapter in CHAPTERS, term.forms[0]
        text = without_code((BOOK / f"{term.chapter}.md").read_text("utf8"))
        found = {use.anchor for here in glossary.first_uses(iter([text]), term.chapter) for *_, use in here}
        assert term.anchor in found, f"{term.forms[0]!r} is not used in {term.chapter}"


def test_meanings_are_one_to_three_sentences_that_can_be_shown() -> None:
    for anchor, (name, meaning) in glossary.data()["terms"].items():
        assert 1 <= len(re.findall(r"[.](?: |$)", meaning)) <= 3, name
        assert not re.search(r"[$`{}\\]", meaning), anchor


def test_the_built_pages_link_each_word_and_letter_once() -> None:
    for path in pages.chapters():
        article = pages.soup(path).find("article")
        for kind in ("term-link", "symbol-link"):
            targets = [str(link["href"]) for link in article.find_all("a", class_=kind)]
            assert len(targets) == len(set(targets)), path.name
    assert sum(len(pages.soup(path).select("article a.term-link")) for path in pages.chapters()) > 150
