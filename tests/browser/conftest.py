"""Chromium, blank pages that hold the widgets' modules, pages that hold widgets, and the built book."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import widget_pages
from playwright.sync_api import Browser, Page, sync_playwright

from ddpm_edu.widgets import bundle

MISSING = (
    "Chromium is missing and the browser tests need it; as root: apt-get install chromium, or set CHROMIUM to its path"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not path or not Path(path).exists():
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


@pytest.fixture(scope="session")
def mathematics(browser: Browser) -> Page:
    """A blank page in which `M` holds what the modules without a DOM declare, from the bundled texts themselves."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.evaluate("window.M = { LIMITS: {} }")
    sources = {path.name: path.read_text("utf8") for path in Path(bundle.__file__).parent.glob("*.js")}
    for entry in (name for name, text in sources.items() if "\nexport default " in text):
        plain = [name for name in bundle.modules(entry) if "No DOM." in sources[name].partition("\n\n")[0]]
        names = [name for module in plain for name in bundle.declared(module)]
        page.evaluate(
            """async text => {
                const { LIMITS, ...rest } = await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
                Object.assign(Object.assign(window.M, rest).LIMITS, LIMITS);
            }""",
            bundle.bundled(entry) + f"\nexport {{ {', '.join(names)} }};",
        )
    return page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., widget_pages.Visit]]:
    """Opens a file with the network off; complains at the end about errors and about any request to a host."""
    visits: list[widget_pages.Visit] = []

    def visit(path: Path, fragment: str = "", **options: object) -> widget_pages.Visit:
        visits.append(widget_pages.Visit(browser, path, fragment, **options))
        return visits[-1]

    yield visit
    for one in visits:
        one.close()
    for one in visits:
        assert one.errors == []
        assert one.foreign == []


@pytest.fixture
def harness(tmp_path: Path) -> Callable[..., Path]:
    """Writes a page that holds the given widgets as myst-nb writes them, with the book's host script."""

    def harness(*widgets: object) -> Path:
        path = tmp_path / "page.html"
        path.write_text(widget_pages.page_with(*widgets), "utf8")
        return path

    return harness


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the built pages."""
    root = Path(__file__).resolve().parents[2]
    pages = Path(os.environ.get("DDPM_EDU_HTML") or root / "_build" / "html") / "book"
    if not (pages / "one-dimensional-laboratory.html").exists():
        pytest.fail("the built book is missing, and these tests open its pages: run `make book` first", pytrace=False)
    return pages
