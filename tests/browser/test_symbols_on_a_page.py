"""Letters and words that say what they mean: by pointer, by touch and by keyboard, in light, in the dark, on a phone."""

from __future__ import annotations

import functools
import html
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace
from widget_pages import Visit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import page as look  # noqa: E402
import symbols  # noqa: E402

TEXT = r"""# A chapter

The noise schedule has $\beta_t$ and, in a formula, $\bar\alpha_t = 1 - \beta_t$; more words follow here, so that the line is long.

$$
q(x_{t-1} \mid x_t, x_0) = \mathcal{N}(x_{t-1}; \tilde\mu_t, \tilde\beta_t I)
$$

Words between the two, and the score.

$$
\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t + \alpha^T
$$

A number without a letter, $2$, and the last formula, $\hat{x}_0$ of $x_0$.
"""
WORDS = "#symbol-note"
HEIGHT = 900


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book of one chapter, with the extension, MathJax and the book's style."""
    folder = tmp_path_factory.mktemp("symbols")
    (folder / "book").mkdir()
    (folder / "book" / "posterior.md").write_text(TEXT, "utf8")
    (folder / "index.md").write_text("# Index\n\n```{toctree}\nbook/posterior\n```\n", "utf8")
    (folder / "palette").mkdir()
    palette = {"light": {"alpha": "#0072B2"}, "dark": {"alpha": "#5cb8ee"}}
    (folder / "palette" / "palette.css").write_text(look.palette_css(palette), "utf8")
    settings = {
        "extensions": ["myst_parser", "sphinx-mathjax-offline", "glossary"],
        "myst_enable_extensions": ["dollarmath"],
        "html_theme": "basic",
        "html_static_path": [str(ROOT / "book" / "_static"), str(folder / "palette")],
        "html_css_files": ["palette.css", "book.css"],
        "html_js_files": ["book.js"],
        "mathjax3_config": {
            "loader": {"load": ["[tex]/html"]},
            "tex": {"packages": {"[+]": ["html"]}},
            "options": {"enableMenu": False},
        },
        "language": "en",
    }
    warnings = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, docutils_namespace():
        patch.setattr("warnings.showwarning", lambda *_: None)
        places = (folder, None, folder / "html", folder / "doctrees", "html")
        Sphinx(*places, confoverrides=settings, status=None, warning=warnings).build()
    assert warnings.getvalue() == ""
    return folder / "html"


class Reader:
    """Somebody who reads the chapter."""

    def __init__(self, visit: Visit) -> None:
        self.page = visit.page
        self.page.evaluate("MathJax.startup.promise")
        self.page.wait_for_selector("mjx-container[data-symbols]")
        self.page.evaluate("document.documentElement.dataset.theme ||= 'light'")
        ground = "body { background: var(--pst-color-background); color: var(--pst-color-text-base); }"
        self.page.add_style_tag(content=ground)

    def letter(self, key: str, at: int = 0) -> Locator:
        return self.page.locator(f"mjx-math .sy-{key}").nth(at)

    def displayed(self, at: int) -> Locator:
        return self.page.locator("mjx-container[display=true]").nth(at)

    def note(self) -> str | None:
        """The text of the note, None where there is none."""
        words = self.page.locator(WORDS)
        return re.sub(r"\s+", " ", words.inner_text()) if words.is_visible() else None

    def wait(self) -> str:
        self.page.wait_for_selector(WORDS, state="visible")
        return str(self.note())

    def gone(self) -> None:
        self.page.wait_for_selector(WORDS, state="hidden")

    def press(self, *keys: str) -> str | None:
        for key in keys:
            self.page.keyboard.press(key)
        return self.note()


@pytest.fixture
def read(visit: Callable[..., Visit], folder: Path) -> Callable[..., Reader]:
    return lambda **options: Reader(visit(folder / "book" / "posterior.html", ready="h1", **options))


def test_pointing_at_a_letter_shows_its_meaning(read: Callable[..., Reader]) -> None:
    reader = read()
    assert reader.note() is None
    reader.letter("q-posterior").hover()
    assert "a Gaussian for every β" in reader.wait()
    reader.letter("alpha-bar-t", 1).hover()  # the first of the second formula
    reader.page.wait_for_function("document.querySelector('#symbol-note strong').textContent.startsWith('alpha bar')")
    said = reader.wait()
    assert "alpha bar sub t minus 1" in said
    assert "the share of the data’s variance" in said
    assert "0.079 at 500" in said
    assert "schedule.alpha_bar[t]" in said
    reader.page.mouse.move(2, 2)
    reader.gone()


def test_the_pointer_may_go_to_the_note_and_escape_closes_it(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.letter("mu-tilde-t").hover()
    reader.wait()
    reader.page.locator(WORDS).hover()
    reader.page.wait_for_timeout(500)
    assert "mu tilde sub t" in str(reader.note())
    address = reader.page.locator(f"{WORDS} a").get_attribute("href")
    assert address == "../book/notation.html#symbol-mu-tilde-t"
    reader.press("Escape")
    assert reader.note() is None


def test_a_note_never_leaves_the_window(read: Callable[..., Reader]) -> None:
    reader = read(width=360)
    for letter in reader.page.locator("mjx-math .sy").all():
        letter.scroll_into_view_if_needed()
        letter.evaluate("letter => window.ddpmSymbols.show(letter)")
        box = reader.page.locator(WORDS).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= HEIGHT


def test_the_arrow_keys_walk_through_a_formula(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.displayed(0).focus()
    assert reader.note() is None
    assert "q of x sub t minus 1 given" in str(reader.press("ArrowRight"))
    assert "x sub t minus 1" in str(reader.press("ArrowRight"))
    assert "x sub t what" in str(reader.press("ArrowRight"))
    assert "clean data" in str(reader.press("ArrowRight"))
    assert "x sub t what" in str(reader.press("ArrowLeft"))
    assert "identity matrix" in str(reader.press("End"))
    assert "identity matrix" in str(reader.press("ArrowRight"))  # there is no further one
    assert "q of x sub t minus 1 given" in str(reader.press("Home"))
    spoken = reader.page.get_by_role("status").filter(has_text="q of x")
    assert spoken.inner_text().startswith("q of x sub t minus 1 given x sub t and x sub 0: the step back")
    reader.press("Escape")
    assert reader.note() is None
    assert reader.displayed(0).evaluate("formula => formula === document.activeElement")


def test_tab_stops_at_displayed_formulas_and_the_arrows_reach_the_others(read: Callable[..., Reader]) -> None:
    reader = read()
    stops = "() => [...document.querySelectorAll('mjx-container[tabindex=\"0\"]')].length"
    assert reader.page.evaluate(stops) == 2
    reader.displayed(0).focus()
    reader.press("Tab", "Tab")  # the link of the score stands between the two
    assert reader.displayed(1).evaluate("formula => formula === document.activeElement")
    said = reader.press("ArrowDown")  # past the number 2, which holds no letter, and past links
    assert "beta tilde" not in str(said)
    said = reader.press("ArrowUp", "ArrowUp", "ArrowUp")
    assert "alpha bar sub t" in str(said)  # the formula in the first line of text
    reader.page.set_viewport_size({"width": 700, "height": HEIGHT})  # book.js looks anew for what scrolls
    assert reader.page.evaluate(stops) >= 2


def test_enter_leads_to_the_row(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.displayed(1).focus()
    reader.press("ArrowRight")
    with reader.page.expect_request(re.compile(r"notation\.html")) as request:
        reader.page.keyboard.press("Enter")
    assert request.value.url.split("#")[0].endswith("/book/notation.html")


def test_words_and_letters_with_a_link_show_theirs_on_focus(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.page.keyboard.press("Tab")
    link = reader.page.locator("a.term-link").first
    for _ in range(12):
        if link.evaluate("link => link === document.activeElement"):
            break
        reader.page.keyboard.press("Tab")
    assert "the list of the noise variances" in reader.wait().lower()
    assert link.get_attribute("aria-describedby") == "symbol-note"
    reader.press("Tab")
    assert "beta sub t" in reader.wait()
    assert link.get_attribute("aria-describedby") is None


def test_a_tap_shows_and_a_tap_elsewhere_hides(read: Callable[..., Reader]) -> None:
    reader = read(width=390, touch=True)
    reader.letter("beta-tilde-t").tap()
    assert "beta tilde sub t" in reader.wait()
    box = reader.letter("normal").bounding_box()
    reader.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] - 5)  # a finger beside the letter
    assert "normal density" in str(reader.note())
    reader.page.touchscreen.tap(200, 880)
    reader.gone()
    link = reader.page.locator("a.term-link").first
    link.tap()
    assert "noise schedule" in reader.wait()
    assert reader.page.url.endswith("posterior.html")  # the first tap explains
    with reader.page.expect_request(re.compile(r"glossary\.html")):
        link.tap()


@pytest.mark.parametrize("how", [{}, {"dark": True}, {"width": 360}, {"width": 390, "dark": True, "touch": True}])
def test_the_page_with_a_note_is_accessible(read: Callable[..., Reader], how: dict[str, Any]) -> None:
    reader = read(**how)
    width = reader.page.evaluate("document.documentElement.scrollWidth")
    reader.displayed(1).focus()
    reader.press("ArrowRight", "ArrowRight")
    assert reader.note()
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width
    run = functools.partial(Axe().run, reader.page)
    options = {"runOnly": ["wcag2a", "wcag2aa", "best-practice"], "preload": False}
    theirs = {"region", "landmark-one-main", "color-contrast"}  # the plain theme's; colours are looked at in the note
    wrong = {
        violation["id"] for context in (".body", WORDS) for violation in run(context, options).response["violations"]
    }
    assert wrong - theirs == set()
    options = {"runOnly": ["color-contrast"], "preload": False}
    assert run(WORDS, options).response["violations"] == []
    ground, ink = (
        reader.page.locator(WORDS).evaluate(f"note => getComputedStyle(note).{name}")
        for name in ("backgroundColor", "color")
    )
    assert ground != ink


def test_a_reader_of_mathml_hears_the_same_as_before(read: Callable[..., Reader]) -> None:
    reader = read()
    formulas = reader.page.locator("mjx-container")
    assert formulas.locator("mjx-assistive-mml math").count() == formulas.count()
    said = reader.displayed(1).locator("mjx-assistive-mml").inner_text()
    assert "class" not in said
    assert "sy" not in said


def test_a_page_without_a_script_has_its_links(visit: Callable[..., Visit], folder: Path) -> None:
    page = visit(folder / "book" / "posterior.html", ready="h1", script=False).page
    assert page.locator("a.term-link").first.get_attribute("href") == "glossary.html#term-noise-schedule"


MARKED = r"""
\bar\alpha_{t-1}^2 | \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t | \hat{x}_0^2 + \hat x_0
\varepsilon_\theta(x_t, t) | q(x_{t-1} \mid x_t, x_0) | \mathcal{N}\left(x; \sqrt{\bar\alpha_t}\,x_0, (1-\bar\alpha_t)I\right)
\sum_{k=0}^{T-1} \sqrt{\beta}\,\alpha^{k/2}\,\varepsilon_{T-k} | \prod_{s=1}^{t}\alpha_s | \int p(x)\,dx = 1 | s_t'(x) + s_t''
\mathbb{E}_{q(z \mid x)}\left[\log\frac{p(x, z)}{q(z \mid x)}\right] | \mathrm{KL}(p \,\|\, q) | e^{-(\beta_1 + \dots + \beta_T)}
x^k_{T-1} | \sqrt\beta | \|x_0\|^2 | -x_t - -\beta | \mathrm{Var}(x) | \lambda_t = \log\mathrm{SNR}_t | \theta x T \log x
\underbrace{\sqrt{\beta_t}\,\varepsilon}_{\text{noise}} | \begin{aligned} x_t &= \alpha \\[0.6em] &= \beta \end{aligned} | 2^t
"""


def test_a_formula_looks_exactly_as_without_classes(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """Every formula is set twice, plain and marked, and the two have the same box and the same ink."""
    formulas = [each.strip() for line in MARKED.strip().splitlines() for each in line.split(" | ")]
    shown = [(plain, symbols.mark(plain, "posterior")) for plain in map(look.colour_symbols, formulas)]
    assert sum(marked.count(r"\class{sy ") for _, marked in shown) > 60
    source = (folder / "book" / "posterior.html").read_text("utf8")
    scripts = "".join(
        re.findall(r"<script>window.MathJax = .*?</script>|<script[^>]*src=\"[^\"]*mathjax[^>]*></script>", source)
    )
    scripts = scripts.replace('src="..', f'src="{folder.as_uri()}')
    rows = "".join(rf"<p>\({html.escape(text)}\)</p>" for pair in shown for text in pair)
    path = tmp_path / "formulas.html"
    path.write_text(
        f"<!doctype html><meta charset='utf8'><style>p {{ height: 90px; margin: 0 }} mjx-container {{ display: inline-block }}</style>{scripts}{rows}",
        "utf8",
    )
    page = browser.new_page(viewport={"width": 900, "height": 7000})
    page.goto(path.as_uri())
    page.evaluate("MathJax.startup.promise")
    assert page.locator("mjx-merror").count() == 0
    found = page.locator("mjx-container")
    assert found.count() == 2 * len(shown)
    for at, (plain, _) in enumerate(shown):
        one, two = found.nth(2 * at), found.nth(2 * at + 1)
        sizes = [
            each.evaluate("e => [e.offsetWidth, e.getBoundingClientRect().width, e.offsetHeight]")
            for each in (one, two)
        ]
        assert sizes[0] == pytest.approx(sizes[1], abs=0.01), plain
        assert one.screenshot() == two.screenshot(), plain
    page.close()


@pytest.mark.parametrize("name", ["posterior", "faster-sampling", "notation"])
def test_the_built_page_explains_its_letters(visit: Callable[..., Visit], book: Path, name: str) -> None:
    page = visit(book / f"{name}.html", ready="article mjx-container .sy").page
    page.evaluate("MathJax.startup.promise")
    page.wait_for_selector("mjx-container[data-symbols]")
    unknown = page.evaluate(
        """() => [...document.querySelectorAll('mjx-math .sy')].map(letter =>
            [...letter.classList].find(name => name.startsWith('sy-')).slice(3)).filter(key => !(key in ddpmWords.symbols))"""
    )
    assert unknown == []
    page.locator("article mjx-container[display=true]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(WORDS).is_visible()
    found = Axe().run(page, context="article", options={"runOnly": ["wcag2a", "wcag2aa"], "preload": False})
    assert [violation["id"] for violation in found.response["violations"]] == []
