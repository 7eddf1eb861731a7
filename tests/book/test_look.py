"""The pages as Chromium draws them, opened as files with the network off: look, phone width, dark mode, search."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHAPTERS = pages.chapters()
TYPESET = "window.MathJax.startup.promise.then(() => null)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])


def show(browser: Browser, path: Path, width: int = 1300, scheme: str = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(path.as_uri())
    return page


def colour(page: Page, selector: str) -> str:
    return page.locator(selector).first.evaluate("element => getComputedStyle(element).color")


@pytest.fixture(scope="module")
def laboratory(browser: Browser) -> Page:
    page = show(browser, pages.HTML / "book" / "one-dimensional-laboratory.html")
    page.evaluate(TYPESET)
    return page


def test_a_line_holds_some_seventy_characters(laboratory: Page) -> None:
    """The paragraph's text over the number of its lines, for the longest paragraphs."""
    measured = laboratory.evaluate(
        """[...document.querySelectorAll('article > section p')].filter(p => p.textContent.length > 300 && !p.querySelector('mjx-container'))
        .map(p => p.textContent.length / (p.getBoundingClientRect().height / parseFloat(getComputedStyle(p).lineHeight)))"""
    )
    assert len(measured) >= 3
    assert 58 <= sorted(measured)[len(measured) // 2] <= 78


def test_symbols_have_the_palette_s_colours(browser: Browser, laboratory: Page) -> None:
    dark = show(browser, pages.HTML / "book" / "one-dimensional-laboratory.html", scheme="dark")
    dark.evaluate(TYPESET)
    palette = json.loads((pages.ROOT / "ddpm_edu" / "palette.json").read_text("utf8"))
    for page, scheme in ((laboratory, "light"), (dark, "dark")):
        for symbol, name in {"alpha": "alpha", "beta": "beta", "varepsilon": "epsilon", "x-0": "x_0"}.items():
            wanted = tuple(int(palette[scheme][name][at : at + 2], 16) for at in (1, 3, 5))
            assert colour(page, f"mjx-container .sym-{symbol}") == f"rgb{wanted}"


def test_figures_are_turned_dark_and_photographs_are_not(browser: Browser) -> None:
    kinds: dict[str, set[str]] = {"figure": set(), "photograph": set()}
    for path in CHAPTERS:
        page = show(browser, path, scheme="dark")
        found = page.evaluate(
            """[...document.querySelectorAll('article img')].map(i => [i.classList.contains('photograph')
            || i.closest('.photograph') !== null, getComputedStyle(i).filter])"""
        )
        for is_photograph, applied in found:
            kinds["photograph" if is_photograph else "figure"].add(applied)
        page.context.close()
    assert kinds == {"figure": {"invert(1) hue-rotate(180deg)"}, "photograph": {"none"}}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_page_is_wider_than_a_phone(browser: Browser, path: Path) -> None:
    page = show(browser, path, width=390)
    page.evaluate(TYPESET)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_there_is_one_search_field_and_no_second_header(laboratory: Page) -> None:
    assert laboratory.locator("header.bd-header").is_hidden()
    assert laboratory.locator(".search-button__button:visible").count() == 1


def test_search_finds_a_word_in_a_file(browser: Browser) -> None:
    page = show(browser, pages.HTML / "search.html")
    page.goto((pages.HTML / "search.html").as_uri() + "?q=variance")
    page.wait_for_selector("#search-results li a")
    assert re.search(r"one-dimensional-laboratory", page.locator("#search-results").inner_html())
    page.context.close()


def test_formulas_are_typeset_without_errors(browser: Browser) -> None:
    for path in CHAPTERS:
        page = show(browser, path)
        page.evaluate(TYPESET)
        assert page.locator("mjx-merror").count() == 0, path.stem
        page.context.close()
