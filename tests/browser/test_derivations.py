"""Derivations on a page: all lines without the script; with it one move a click, numbers, address, keyboard, looks."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace
from widget_pages import Visit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import derivation  # noqa: E402

TEXT = r"""# A page

Words before.

```{derivation} Unrolling
:name: unrolling
:numbers: series

$$
x_T = \sqrt{\alpha}\,x_{T-1} + \moved{\sqrt{\beta}\,\varepsilon_T}
$$
The last step; the noise $\varepsilon_T$ is fresh.
== right side: right
= noise so far: \beta

$$
x_T = \sqrt{\alpha}\,\moved{\left(\sqrt{\alpha}\,x_{T-2} + \sqrt{\beta}\,\varepsilon_{T-1}\right)} + \sqrt{\beta}\,\varepsilon_T
$$
The step before it is put in for $x_{T-1}$.
== right side: right
= noise so far: \beta + \alpha\,\beta

$$
x_T = \moved{\alpha^{T/2}}\,x_0 + \sqrt{\beta}\left(\varepsilon_T + \alpha^{1/2}\,\varepsilon_{T-1} + \alpha\,\varepsilon_{T-2} + \alpha^{3/2}\,\varepsilon_{T-3} + \dots + \alpha^{(T-1)/2}\,\varepsilon_1\right)
$$
Down to the start.
= density: \mathcal{N}(x_0; \alpha, \beta) + \|x_T\|^2
== right side: \alpha^{T/2}\,x_0 + \sqrt{\beta}\,\left(\sum_{k=0}^{T-1} \alpha^{k/2}\,\varepsilon_{T-k}\right)
= noise so far: \beta\,\frac{1-\alpha^T}{1-\alpha}
= all: \exp(-\log(T)) + \cos(\pi) - \left(\prod_{k=1}^{3} \sqrt[3]{k}\right)
```

Words between.

```{derivation} Completing the square
:name: square
:numbers: posterior
:let: A = \frac{\alpha_t}{\beta_t} + \frac{1}{1-\bar\alpha_{t-1}} ; B = \frac{\sqrt{\alpha_t}}{\beta_t}\,x_t + \frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,x_0

$$
E = -\frac{1}{2}\left(A\,x_{t-1}^2 - \moved{2\,B\,x_{t-1}}\right)
$$
Only what holds $x_{t-1}$ is kept.
== exponent: right
= noise: \varepsilon

$$
E = -\frac{A}{2}\left(\moved{\left(x_{t-1} - \frac{B}{A}\right)^2} - \frac{B^2}{A^2}\right)
$$
The square is completed.
== exponent: right
== peak: \frac{B}{A}
== peak: \tilde\mu_t
== variance: 1/A
== variance: \tilde\beta_t
```

```{derivation} No numbers
:name: plain

$$
S = \moved{a_1 - a_0} + a_2 - a_1
$$
A sum.

$$
S = a_2 - a_0
$$
Two terms are left.
```

Words after.
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book with the extension, its script and the book's style."""
    folder = tmp_path_factory.mktemp("derivations")
    (folder / "index.md").write_text(TEXT, "utf8")
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_parser", "sphinx-mathjax-offline", "derivation"],
        "myst_enable_extensions": ["dollarmath"],
        "html_theme": "basic",
        "html_static_path": [str(ROOT / "book" / "_static")],
        "html_css_files": ["book.css"],
        "mathjax3_config": {"loader": {"load": ["[tex]/html"]}, "tex": {"packages": {"[+]": ["html"]}}},
        "language": "en",
    }
    with pytest.MonkeyPatch.context() as patch, docutils_namespace():
        patch.setattr("warnings.showwarning", lambda *_: None)
        places = (folder, None, folder / "html", folder / "doctrees", "html")
        Sphinx(*places, confoverrides=settings, status=None, warning=warnings).build()
    assert warnings.getvalue() == ""
    return folder / "html"


@pytest.fixture
def open_page(visit: Callable[..., Visit], folder: Path) -> Callable[..., Stepper]:
    def open_page(fragment: str = "", name: str = "unrolling", **options: object) -> Stepper:
        page = visit(folder / "index.html", fragment, ready=".derivation", **options)
        if options.get("script", True):
            page.page.evaluate("MathJax.startup.promise")
            page.page.evaluate("document.documentElement.dataset.theme ||= 'light'")
            ground = "body { background: var(--pst-color-background); color: var(--pst-color-text-base); }"
            page.page.add_style_tag(content=ground)
        return Stepper(page, name)

    return open_page


class Stepper:
    """One derivation on an open page."""

    def __init__(self, visit: Visit, name: str) -> None:
        self.visit, self.page, self.name = visit, visit.page, name
        self.root = visit.page.locator(f"#derivation-{name}")
        self.lines = self.root.locator(".derivation-lines > li")

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def visible(self) -> list[bool]:
        return self.lines.evaluate_all("all => all.map(li => getComputedStyle(li).visibility === 'visible')")

    def status(self) -> str:
        return self.root.locator(".derivation-status").inner_text()

    def numbers(self) -> list[list[str]]:
        self.visit.settle()
        return self.lines.evaluate_all(
            "all => all.map(li => [...li.querySelectorAll('dd')].map(dd => dd.textContent.trim()))"
        )

    def type(self, symbol: str, text: str) -> None:
        field = self.root.get_by_role("textbox", name=re.compile(rf"^{re.escape(symbol)}, "))
        field.fill(text)
        self.visit.settle()


def source(name: str, text: str = TEXT) -> derivation.Derivation:
    """A derivation as Python reads it."""
    for title, options, body in re.findall(
        r"^`{3,}\{derivation\} (.*)\n((?::.*\n)*)([\s\S]*?)^`{3,}$", text, re.MULTILINE
    ):
        found = dict(re.findall(r"^:(\w+): (.*)$", options, re.MULTILINE))
        if found["name"] == name:
            return derivation.read(title, body, found)
    raise AssertionError(f"no derivation {name}")


def test_without_the_script_all_lines_stand_there(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page(script=False)
    text = stepper.root.inner_text()
    for sentence in ("Numbers for", "is fresh.", "is put in for", "Down to the start.", "0.03960"):
        assert sentence in text
    assert text.count(r"\moved{") == 3
    assert stepper.root.locator("button, input").count() == 0
    assert all(box.is_visible() for box in stepper.lines.all())


def test_one_move_a_click(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    assert stepper.visible() == [True] * 3
    assert stepper.status() == "All 3 lines"
    height = stepper.root.bounding_box()["height"]
    for at in (1, 2, 3):
        stepper.press("Next")
        assert stepper.visible() == [True] * at + [False] * (3 - at)
        assert stepper.status() == f"Line {at} of 3"
        assert (
            stepper.root.locator("[aria-current=step]").evaluate("li => [...li.parentNode.children].indexOf(li)")
            == at - 1
        )
        assert stepper.root.bounding_box()["height"] == height  # nothing jumps
    button = stepper.root.get_by_role("button", name="Next")
    assert button.get_attribute("aria-disabled") == "true"
    button.evaluate("button => button.click()")
    assert stepper.status() == "Line 3 of 3"
    stepper.press("Back")
    assert stepper.visible() == [True, True, False]
    stepper.press("All")
    assert stepper.visible() == [True] * 3
    assert stepper.root.get_by_role("button", name="All").get_attribute("aria-pressed") == "true"
    assert Stepper(stepper.visit, "plain").visible() == [True] * 2  # the others stay as they are


MARK = """li => [...li.querySelectorAll('mjx-math .moved')].map(m => {
    const s = getComputedStyle(m); return [s.boxShadow !== 'none', s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 1];
})"""


def test_the_moved_term_is_marked_by_more_than_colour(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    assert [line.evaluate(MARK) for line in stepper.lines.all()] == [[[True, False]]] * 3
    stepper.press("Next")
    stepper.press("Next")
    assert stepper.lines.nth(0).evaluate(MARK) == [[False, False]]
    assert stepper.lines.nth(1).evaluate(MARK) == [[True, True]]
    marked = stepper.lines.nth(1).locator("mjx-math .moved").bounding_box()
    assert 60 < marked["width"] < stepper.lines.nth(1).bounding_box()["width"] / 2


def test_keys(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    stepper.root.get_by_role("button", name="Next").focus()
    for key, status in [
        ("Enter", "Line 1 of 3"),
        ("Space", "Line 2 of 3"),
        ("ArrowRight", "Line 3 of 3"),
        ("ArrowRight", "Line 3 of 3"),
        ("ArrowLeft", "Line 2 of 3"),
    ]:
        stepper.page.keyboard.press(key)
        assert stepper.status() == status
    assert stepper.page.evaluate("document.activeElement.textContent") == "Next"
    spoken = stepper.root.locator("[role=status][aria-live=polite]").inner_text()
    assert spoken.startswith("Line 2 of 3. The step before it is put in for ")
    slider = stepper.root.get_by_role("slider", name="α what a step keeps")
    slider.focus()
    stepper.page.keyboard.press("ArrowRight")
    stepper.visit.settle()
    assert slider.get_attribute("aria-valuetext") == "0.982"


def test_touch(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page(touch=True, width=390)
    button = stepper.root.get_by_role("button", name="Next")
    button.tap()
    button.tap()
    assert stepper.status() == "Line 2 of 3"
    assert button.bounding_box()["height"] >= 40


@pytest.mark.parametrize("name", ["unrolling", "square"])
def test_numbers_are_the_package_s(open_page: Callable[..., Stepper], name: str) -> None:
    """Every number of every line at random settings, from the script, against the grammar's evaluation in Python."""
    stepper = open_page()
    read = source(name)
    assert stepper.root.count() == 1
    rng = np.random.default_rng(3)
    assert read.numbers is not None
    for settings in [read.numbers.start(), *(read.numbers.random(rng) for _ in range(40))]:
        found = stepper.page.evaluate(
            "([name, s]) => { const data = document.querySelector(`#derivation-${name} .derivation-data`);"
            " return ddpmDerivation.valuesOf(JSON.parse(data.textContent), s); }",
            [name, settings],
        )
        for row, wanted in zip(found, read.values(settings), strict=True):
            assert row == pytest.approx(wanted, rel=1e-9, abs=1e-11)


def test_the_script_writes_numbers_as_python_does(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    rng = np.random.default_rng(5)
    numbers = [0.0, 1.0, -1.0, 99999.6, 1e-3, 9.9999e-4, *(rng.normal(size=200) * 10.0 ** rng.integers(-9, 9, 200))]
    said = stepper.page.evaluate("numbers => numbers.map(x => ddpmDerivation.say(x))", [float(x) for x in numbers])
    assert said == [derivation.say(float(x)) for x in numbers]


def test_numbers_follow_the_sliders(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    read = source("unrolling")

    def wanted(**changes: float) -> list[list[str]]:
        settings = {**read.numbers.start(), **changes}  # type: ignore[union-attr]
        return [[derivation.say(value) for value in row] for row in read.values(settings)]

    assert stepper.numbers() == wanted()
    stepper.type("α", "0.5")
    stepper.type("T", "12")
    stepper.type("β", "0,25")
    assert stepper.numbers() == wanted(alpha=0.5, T=12, beta=0.25)
    stepper.type("β", "7")
    assert stepper.root.get_by_text("β is a number from 0 to 1.5").is_visible()
    assert stepper.numbers() == wanted(alpha=0.5, T=12, beta=0.25)
    stepper.type("T", "12.5")
    assert stepper.root.get_by_text("T is a whole number from 6 to 1000").is_visible()
    slider = stepper.root.get_by_role("slider", name="α what a step keeps")
    box = slider.bounding_box()
    stepper.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert stepper.numbers() == wanted(alpha=1.1, T=12, beta=0.25)


def test_where_there_is_no_number_words_say_so(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    stepper.type("α", "1")
    assert stepper.numbers()[2][2] == "no value here"
    assert not re.search(r"NaN|Infinity|undefined|null", stepper.root.inner_text())


def test_the_address_follows_and_leads(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page()
    stepper.press("Next")
    stepper.press("Next")
    stepper.type("T", "30")
    stepper.page.wait_for_function("location.hash === '#unrolling.line=2&unrolling.T=30'")
    other = Stepper(stepper.visit, "plain")
    other.press("Next")
    stepper.page.wait_for_function("location.hash === '#plain.line=1&unrolling.line=2&unrolling.T=30'")
    stepper.press("All")
    stepper.page.wait_for_function("location.hash === '#unrolling.T=30&plain.line=1'")
    shared = open_page("#unrolling.line=1&unrolling.alpha=0.5&square.xb=-1.25")
    assert shared.status() == "Line 1 of 3"
    assert shared.numbers()[1][1] == derivation.say(0.02 + 0.5 * 0.02)
    square = Stepper(shared.visit, "square")
    assert square.root.get_by_role("textbox", name="x_t−1, where we ask, typed").input_value() == "−1.25"
    shared.page.evaluate("location.hash = '#unrolling.line=3'")
    shared.page.wait_for_function("document.querySelector('.derivation-status').textContent === 'Line 3 of 3'")


@pytest.mark.parametrize(
    "fragment",
    [
        "#unrolling.line=0",
        "#unrolling.line=4&unrolling.alpha=NaN&unrolling.T=7.5",
        "#unrolling.line=1e999&unrolling.beta=-1&unrolling.T=<img src=x onerror=alert(1)>",
        "#unrolling.line&unrolling.=3&=&unrolling",
        "#" + "unrolling.alpha=5&" * 3000,
    ],
)
def test_nonsense_in_the_address_changes_nothing(open_page: Callable[..., Stepper], fragment: str) -> None:
    stepper = open_page(fragment)
    assert stepper.visible() == [True] * 3
    read = source("unrolling")
    wanted = read.values(read.numbers.start())  # type: ignore[union-attr]
    assert stepper.numbers() == [[derivation.say(value) for value in row] for row in wanted]


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 390}], ids=["light", "dark", "phone"])
def test_looks(open_page: Callable[..., Stepper], look: dict[str, object]) -> None:
    """No sideways scrolling, long lines scroll in their own box and can be reached by keys, no axe finding."""
    stepper = open_page(**look)
    stepper.press("Next")
    stepper.press("Next")
    stepper.page.wait_for_timeout(400)
    assert stepper.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if look.get("width"):
        scrolls = "li => [li, ...li.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)).length"
        assert stepper.lines.nth(2).evaluate(scrolls) >= 1
    options = {"runOnly": ["wcag2a", "wcag2aa", "best-practice"], "preload": False}
    found = Axe().run(stepper.page, context="#derivation-unrolling", options=options).response["violations"]
    theirs = {"region", "landmark-one-main", "page-has-heading-one"}
    assert [violation["id"] for violation in found if violation["id"] not in theirs] == []


def test_a_line_out_of_sight_comes_into_sight_without_easing(open_page: Callable[..., Stepper]) -> None:
    stepper = open_page(still=True, width=390)
    stepper.page.set_viewport_size({"width": 390, "height": 420})
    for at in range(3):
        stepper.press("Next")
        box = stepper.lines.nth(at).bounding_box()
        assert box["y"] + box["height"] > 0
        assert box["y"] < 420
        bar = stepper.root.locator(".derivation-bar").bounding_box()
        assert 0 <= bar["y"] <= 420 - bar["height"] + 1


def derivations_of_the_book() -> list[tuple[str, str]]:
    return [
        (path.stem, name)
        for path in sorted((ROOT / "book").glob("*.md"))
        for name in re.findall(r"^`{3,}\{derivation\} .*\n:name: (\w+)", path.read_text("utf8"), re.MULTILINE)
    ]


@pytest.mark.parametrize(("chapter", "name"), derivations_of_the_book())
def test_the_book_s_derivations(visit: Callable[..., Visit], book: Path, chapter: str, name: str) -> None:
    """Every derivation of the book steps through to its last line; its numbers are those that Python computes."""
    page = visit(book / f"{chapter}.html", ready=f"#derivation-{name} .derivation-bar")
    page.page.evaluate("MathJax.startup.promise")
    stepper = Stepper(page, name)
    read = source(name, (ROOT / "book" / f"{chapter}.md").read_text("utf8"))
    assert stepper.lines.count() == len(read.lines)
    assert stepper.lines.locator("mjx-merror").count() == 0
    for at in range(1, len(read.lines) + 1):
        stepper.press("Next")
        assert stepper.status() == f"Line {at} of {len(read.lines)}"
    assert stepper.lines.locator("mjx-math .moved").count() >= len(read.lines) - 1
    if read.numbers is None:
        return
    rng = np.random.default_rng(7)
    data = json.loads(stepper.root.locator(".derivation-data").text_content() or "")
    for settings in [read.numbers.start(), *(read.numbers.random(rng) for _ in range(10))]:
        found = page.page.evaluate("([data, s]) => ddpmDerivation.valuesOf(data, s)", [data, settings])
        for row, wanted in zip(found, read.values(settings), strict=True):
            assert row == pytest.approx(wanted, rel=1e-9, abs=1e-11)
