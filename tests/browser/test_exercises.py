"""Exercises on a page: numbers judged as in Python, progress kept, listed, saved and cleared; keyboard, looks, no script."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace
from widget_pages import LOCAL, Visit

from ddpm_edu.exercises import answers, register

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import exercises  # noqa: E402

KEY = "ddpm-edu-progress"
FIRST = r"""# First

```{predict} one-half
Which share of the variance $\bar\alpha_t$ is left?
Give two digits.
```

```{predict} tiny
And how small is $\beta_1 - \beta_2$?
```

```{exercise}
:label: ex-proof

Show it for $T = 2$.
```

````{solution} ex-proof
:class: dropdown

By hand.
````

```{exercise}
:label: ex-code

Write `my_code(x)`.
```
"""
SECOND = """# Second

```{exercise}
:label: ex-other

Why?
```
"""
LIST = """# All

```{exercise-progress}
```

```{all-exercises}
```
"""
TOC = "root: book/index\nparts:\n- numbered: 1\n  chapters:\n  - file: book/first\n- numbered: 1\n  chapters:\n  - file: book/second\n- chapters:\n  - file: book/exercises\n"
STYLE = """body { background: var(--pst-color-background); color: var(--pst-color-text-base); }
a { color: var(--pst-color-link); } div.body { min-width: 0; }"""  # what the book's theme does, and the tests' plain one does not
PREDICTIONS = {
    "one-half": register.Prediction(
        "one-half",
        "first",
        lambda: 0.3142,
        (
            register.Slip("You used β_t where `beta_tilde[t]` belongs.", lambda: 0.44),
            register.Slip("You stopped a step early: that is ᾱ_{t−1}, <b>not</b> ᾱ_t.", 0.21),
        ),
        0.02,
        None,
        "By the chapter's first equation ᾱ_t = ᾱ_{t−1} α_t, see `schedule.alpha_bar`.",
    ),
    "tiny": register.Prediction("tiny", "first", lambda: -2.5e-5, (), 0.02, None, "One minus the other."),
    "whole": register.Prediction("whole", "first", lambda: 50.0, (), None, 0.5, "Counting."),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book with the extension, its script and the book's style."""
    folder = tmp_path_factory.mktemp("exercises")
    (folder / "book").mkdir()
    pages = {"first": FIRST, "second": SECOND, "exercises": LIST}
    index = "# The book\n\n```{toctree}\n:numbered: 1\nfirst\nsecond\nexercises\n```\n"
    for name, text in {"index": index, **pages}.items():
        (folder / "book" / f"{name}.md").write_text(text, "utf8")
    (folder / "_toc.yml").write_text(TOC)
    (folder / "_config.yml").write_text("repository:\n  url: https://example.org/owner/name\n  branch: trunk\n")
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_parser", "sphinx-mathjax-offline", "exercises"],
        "myst_enable_extensions": ["dollarmath"],
        "master_doc": "book/index",
        "html_theme": "basic",
        "html_static_path": [str(ROOT / "book" / "_static")],
        "html_css_files": ["book.css"],
        "language": "en",
        "numfig": True,
        "numfig_secnum_depth": 1,
    }
    with pytest.MonkeyPatch.context() as patch, docutils_namespace():
        patch.setattr("warnings.showwarning", lambda *_: None)
        answers.page_data.cache_clear()
        patch.setattr(register, "find", lambda name: PREDICTIONS[name])
        patch.setattr(register, "names", lambda: ("one-half", "tiny", "code"))
        places = (folder, None, folder / "html", folder / "doctrees", "html")
        Sphinx(*places, confoverrides=settings, status=None, warning=warnings).build()
        answers.page_data.cache_clear()
    assert warnings.getvalue() == ""
    return folder / "html" / "book"


@pytest.fixture
def open_page(visit: Callable[..., Visit], folder: Path) -> Callable[..., Page]:
    def open_page(name: str = "first", **options: object) -> Page:
        page = visit(folder / f"{name}.html", ready="h1", **options).page
        page.set_default_timeout(20_000)
        if options.get("script", True):
            page.evaluate("MathJax.startup.promise")
            page.evaluate("document.documentElement.dataset.theme ||= 'light'")
            page.evaluate("document.body.classList.add('bd-article')")
            page.add_style_tag(content=STYLE)
        return page

    return open_page


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One browser with several pages, offline; no error and no request is let pass."""
    context = browser.new_context(offline=True)
    wrong: list[str] = []
    context.on("page", lambda page: page.on("pageerror", lambda error: wrong.append(f"{error} {error.stack}")))
    context.on("request", lambda request: request.url.startswith(LOCAL) or wrong.append(request.url))
    yield context
    context.close()
    assert [message for message in wrong if "sphinx_highlight.js" not in message] == []  # Sphinx expects a storage


def root(page: Page, name: str = "one-half") -> Locator:
    return page.locator(f"#ex-{name}")


def type_in(page: Page, text: str, name: str = "one-half") -> str:
    """Types a number, presses Check and returns what is said."""
    root(page, name).get_by_label("Your number").fill(text)
    root(page, name).get_by_role("button", name="Check").click()
    return said(page, name)


def said(page: Page, name: str = "one-half") -> str:
    return root(page, name).locator(".predict-says").inner_text()


def tab_to(page: Page, selector: str) -> None:
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the Tab key does not lead to {selector}")


def stored(page: Page) -> dict[str, Any]:
    return json.loads(page.evaluate(f"localStorage.getItem('{KEY}')") or '{"exercises": {}}')["exercises"]


# ------------------------------------------------------------------------------------------------ judging, as in Python

WORDS = """0.31 0,3142 ,31 .3142 0.44 .21 31.4 31% 31.42 % 314.2% 3.142 -0.3142 −0.3142 –0.3 +0.3142 0.6858 3.183 0.5605 0.0987
1/3 10/32 22/70 1/0 0/5 1/ /2 1//2 1/2/3 3e-1 3.142E-1 3,142e-1 1e400 1e-400 -1e400 1e 10^-1 10**-1 2*10^-1 3.142·10⁻¹ 3.142×10^-1
3.142x10^(-1) 10⁻¹ 10⁴ 2·10⁻⁵ −2.5·10⁻⁵ -2.5e-5 2.5e-5 -2.5*10**-5 1,000 1,000,000 1,234.5 12,34 0,125 1'000 1_000 1.5.2 1e5e
50 50% 50.4 50,4 50per~cent 50~percent 50percentage 0.5 5000 0.02 -50 49.5 51 52 48 600 7 NaN inf -∞ Infinity abc 0x10 3+4 two sqrt(2)
~0.3142 ≈0.3142 =0.3142 about~0.31 ca.~0.31 ~ -- 1~000 12~345.6 1~00 0.3~1 % 5%% 0.316 0.3205 0.33 0.34 0.35 0.7235 0.1365 0.2178 0.4533
<b>0.3</b> 0.31` 0.31\u00a0% ０.３ ٣ ½ 1\u2009000 0.31! $0.31 x 1e-5 1e5 ."""
TEXTS = WORDS.split()


@pytest.mark.parametrize("name", sorted(PREDICTIONS))
def test_the_page_judges_as_python_does(open_page: Callable[..., Page], name: str) -> None:
    """The words of the verdict too, but for quotation marks and the number of digits."""
    rng = random.Random(4)
    texts = [text.replace("~", " ") if len(text) > 1 else text for text in TEXTS]
    texts += [f"{PREDICTIONS[name].answer * rng.choice([1, -1]) * 2 ** rng.uniform(-5, 5):.4g}" for _ in range(200)]
    texts += ["", "   ", "0.31 apples and a very long story about them", "\t0.31\n", "x" * 60]
    page = open_page()
    with pytest.MonkeyPatch.context() as patch:
        answers.page_data.cache_clear()
        patch.setattr(register, "find", lambda name: PREDICTIONS[name])
        data = exercises.page_data(answers.page_data(name))
        verdicts = [answers.answer(name, text) for text in texts]
        answers.page_data.cache_clear()
    found = page.evaluate("([data, texts]) => texts.map(text => ddpmProgress.judge(data, text))", [data, texts])
    assert sum(verdict.right for verdict in verdicts) >= 4
    for text, verdict, judged in zip(texts, verdicts, found, strict=True):
        assert judged["right"] == verdict.right, text
        if not verdict.right and not text.startswith(("x" * 60, "0.31 apples")):
            expected = str(verdict).replace("`'", "`").replace("'`", "`").replace('`"', "`").replace('"`', "`")
            assert judged["says"] == expected, text


@pytest.mark.parametrize(
    ("text", "number"),
    [("0,5", 0.5), ("1/2", 0.5), ("50 %", 0.5), ("1e-3", 0.001), ("−3", -3), ("10⁻⁴", 1e-4), ("2·10⁴", 2e4)],
)
def test_numbers_are_read(open_page: Callable[..., Page], text: str, number: float) -> None:
    assert open_page().evaluate("text => ddpmProgress.read(text)[0]", text) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3142, "0.3142"), (674.0, "674"), (-2.5e-5, "−2.5 · 10⁻⁵"), (0.5, "0.5"), (1234.56, "1235"), (0.0, "0"), (20, "20")],
)  # fmt: skip
def test_answers_are_shown_in_few_digits(value: float, text: str) -> None:
    assert exercises.value_text(value) == text


# ---------------------------------------------------------------------------------------------------------- the form


def test_right(open_page: Callable[..., Page]) -> None:
    page = open_page()
    assert not root(page).locator("details").is_visible()
    assert type_in(page, "0.315") == "Right. More exactly: 0.3142."
    why = root(page).locator(".predict-why")
    assert why.is_visible()
    assert why.locator("code").inner_text() == "schedule.alpha_bar"
    assert why.locator("sub").all_inner_texts() == ["t", "t−1", "t"]
    assert root(page).locator(".admonition-title .exercise-state").inner_text() == "✓ right"
    assert stored(page)["one-half"] == {"kind": "predict", "state": "right", "tries": 1, "answer": "0.315"}
    assert "Not yet" in type_in(page, "0.9")  # whoever tries on keeps what was right
    assert stored(page)["one-half"]["answer"] == "0.315"
    assert root(page).locator(".admonition-title .exercise-state").inner_text() == "✓ right"


def test_slips_are_named(open_page: Callable[..., Page]) -> None:
    page = open_page()
    assert type_in(page, "0.44") == "Not yet. You used βt where beta_tilde[t] belongs."
    assert root(page).locator(".predict-says code").inner_text() == "beta_tilde[t]"
    assert root(page).locator(".predict-says sub").inner_text() == "t"
    assert "<b>not</b>" in type_in(page, "0,21")
    assert root(page).locator(".predict-says b").count() == 0
    assert "per cent" in type_in(page, "31.4")


def test_no_number_is_no_try(open_page: Callable[..., Page]) -> None:
    page = open_page()
    for text in ("apples", "", "1/0"):
        assert type_in(page, text).startswith("Not yet. ")
    assert "one-half" not in stored(page) or stored(page)["one-half"]["tries"] == 0
    assert not root(page).get_by_role("button", name="Show the answer").is_visible()


def test_what_is_said_stays_while_another_is_answered(open_page: Callable[..., Page]) -> None:
    """Else the page would move under the finger, and a press be lost."""
    page = open_page()
    type_in(page, "0.44")
    words = type_in(page, "apples")
    type_in(page, "1", "tiny")
    type_in(page, "2", "tiny")
    page.get_by_role("checkbox", name="Done: Exercise 1.3").check()
    assert said(page) == words
    assert stored(page)["tiny"]["tries"] == 2


def test_the_answer_is_shown_after_two_wrong_tries(open_page: Callable[..., Page]) -> None:
    page = open_page()
    show = root(page).get_by_role("button", name="Show the answer")
    type_in(page, "7")
    assert not show.is_visible()
    type_in(page, "8")
    show.click()
    assert not show.is_visible()
    assert said(page) == "The answer is 0.3142."
    assert root(page).locator(".predict-why").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"  # the pressed button is gone, the focus is not
    assert stored(page)["one-half"]["state"] == "shown"
    type_in(page, "0.3142")
    assert stored(page)["one-half"]["state"] == "shown"  # typing it off is not finding it


def test_by_keyboard_alone(open_page: Callable[..., Page]) -> None:
    page = open_page()
    root(page).get_by_label("Your number").focus()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    assert said(page).startswith("Not yet. Too large")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # Check
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Show the answer
    assert stored(page)["one-half"] == {"kind": "predict", "state": "shown", "tries": 2, "answer": "9"}
    tab_to(page, "#number-tiny")
    page.keyboard.type("-2,5e-5")
    page.keyboard.press("Enter")
    assert said(page, "tiny") == "Right. More exactly: −2.5 · 10⁻⁵."
    tab_to(page, "#ex-proof input")
    page.keyboard.press("Space")
    assert stored(page)["proof"] == {"kind": "prove", "state": "done", "tries": 0}


def test_a_phone_s_keys(open_page: Callable[..., Page]) -> None:
    """A decimal pad, but where a minus sign or a power of ten may be wanted, which it has not."""
    page = open_page()
    assert root(page).get_by_label("Your number").get_attribute("inputmode") == "decimal"
    assert root(page, "tiny").get_by_label("Your number").get_attribute("inputmode") == "text"


def test_kinds_and_boxes(open_page: Callable[..., Page]) -> None:
    page = open_page()
    kinds = page.locator("div.exercise").evaluate_all(
        "all => all.map(e => [e.querySelector('.caption-number').innerText.trim(), e.querySelector('.exercise-kind').innerText,"
        " !!e.querySelector('input[type=checkbox]')])"
    )
    assert kinds == [
        ["Exercise 1.1", "predict", False],
        ["Exercise 1.2", "predict", False],
        ["Exercise 1.3", "prove", True],
        ["Exercise 1.4", "program", True],
    ]
    box = page.get_by_role("checkbox", name="Done: Exercise 1.3")
    box.check()
    assert stored(page)["proof"]["state"] == "done"
    box.uncheck()
    assert "proof" not in stored(page)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


# -------------------------------------------------------------------------------------------------------- what is kept


def test_a_reload_brings_everything_back(open_page: Callable[..., Page]) -> None:
    page = open_page()
    words = type_in(page, "0.44")
    type_in(page, "-2.5e-5", "tiny")
    page.get_by_role("checkbox", name="Done: Exercise 1.4").check()
    page.reload()
    assert root(page).get_by_label("Your number").input_value() == "0.44"
    assert said(page) == words
    assert said(page, "tiny").startswith("Right.")
    assert root(page, "tiny").locator(".predict-why").is_visible()
    assert page.get_by_role("checkbox", name="Done: Exercise 1.4").is_checked()
    root(page).get_by_label("Your number").fill("0.3")  # typed, not checked
    root(page).get_by_label("Your number").blur()
    page.reload()
    assert root(page).get_by_label("Your number").input_value() == "0.3"
    assert stored(page)["one-half"]["tries"] == 1


def test_two_tabs(context: BrowserContext, folder: Path) -> None:
    one, two = context.new_page(), context.new_page()
    one.goto((folder / "first.html").as_uri())
    two.goto((folder / "exercises.html").as_uri())
    type_in(one, "0.3142")
    two.locator("#progress-one-half .exercise-state", has_text="✓ right").wait_for()
    assert two.locator(".exercise-total").inner_text() == "1 of 5 done."
    third = context.new_page()
    third.goto((folder / "first.html").as_uri())
    third.get_by_role("checkbox", name="Done: Exercise 1.3").check()
    type_in(one, "3", "tiny")  # an old tab does not write over what a newer one has kept
    assert set(stored(one)) == {"one-half", "proof", "tiny"}
    one.wait_for_function("document.querySelector('#ex-proof input').checked")
    two.on("dialog", lambda dialog: dialog.accept())
    two.get_by_role("button", name="Clear").click()
    one.wait_for_function("!document.querySelector('#ex-proof input').checked")
    assert root(one).get_by_label("Your number").input_value() == ""
    assert not root(one).locator(".predict-why").is_visible()


def test_nothing_is_written_over_that_was_not_heard_of(open_page: Callable[..., Page]) -> None:
    """A tab that slept, and so missed what another one wrote, reads again before it writes."""
    page = open_page()
    type_in(page, "5")
    other = {"version": 1, "exercises": {"proof": {"kind": "prove", "state": "done", "tries": 0}}}
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, json.dumps(other)])
    page.get_by_role("checkbox", name="Done: Exercise 1.4").check()
    assert set(stored(page)) == {"proof", "code"}


def test_the_list(open_page: Callable[..., Page]) -> None:
    page = open_page("exercises")
    assert page.locator("h2").evaluate_all("all => all.map(h => h.firstChild.textContent)") == ["First", "Second"]
    rows = page.locator("ul.all-exercises > li p").evaluate_all(
        "all => all.map(p => [...p.children].map(e => e.innerText.trim()))"
    )
    assert [row[:2] for row in rows] == [
        ["1.1", "predict"],
        ["1.2", "predict"],
        ["1.3", "prove"],
        ["1.4", "program"],
        ["2.1", "prove"],
    ]
    assert rows[4][2] == "Why?"
    assert page.locator("#progress-one-half mjx-container").count() == 1
    assert page.locator(".exercise-count").all_inner_texts() == ["0 of 4 done", "0 of 1 done"]
    page.get_by_role("link", name="1.3").click()
    page.wait_for_url("**/first.html#ex-proof")


def test_export_import_clear(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    type_in(page, "0.3142")
    type_in(page, "1", "tiny")
    page.goto(page.url.replace("first", "exercises"))
    assert page.locator(".exercise-total").inner_text() == "1 of 5 done."
    assert page.locator("#progress-tiny .exercise-state").inner_text() == "begun"
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert json.loads(saved.read_text())["exercises"].keys() == {"one-half", "tiny"}

    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".exercise-total").inner_text() == "1 of 5 done."
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".exercise-total").inner_text() == "0 of 5 done."

    other = json.loads(saved.read_text())
    other["exercises"]["tiny"]["state"] = "shown"
    other["exercises"]["proof"] = {"kind": "prove", "state": "done", "tries": 0}
    other["exercises"]["Bad Name"] = {"kind": "prove", "state": "done", "tries": 0}
    other["exercises"]["code"] = {"kind": "program", "state": "wild", "tries": "x"}
    saved.write_text(json.dumps(other))
    for path, message in [(saved, "holds 3 exercises; 3 of them were not here yet"), (saved, "0 of them")]:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Import").click()
        chooser.value.set_files(path)
        page.locator(".exercise-message", has_text=message).wait_for()
    assert page.locator(".exercise-total").inner_text() == "3 of 5 done, 1 of them with the answer shown."
    assert set(stored(page)) == {"one-half", "tiny", "proof"}


BAD_FILES = ["", "nonsense {", "[]", "null", '{"version": 2, "exercises": {}}', "3", '{"version":1}']


def test_a_bad_file_changes_nothing(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("exercises")
    for k, content in enumerate(BAD_FILES):
        (tmp_path / f"notes-{k}.txt").write_text(content)
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Import").click()
        chooser.value.set_files(tmp_path / f"notes-{k}.txt")
        page.locator(".exercise-message", has_text=f"notes-{k}.txt holds no progress of this book").wait_for()
        assert stored(page) == {}


FOREIGN = [
    "{",
    "null",
    "[1, 2]",
    '"text"',
    '{"version": 1, "exercises": null}',
    '{"version": 1, "exercises": {"one-half": 7, "proof": {"kind": "prove"}}}',
    '{"version": 1, "exercises": {"tiny": {"kind": "predict", "state": "tried", "tries": -1, "answer": 5}}}',
    '{"version": 1, "exercises": {"__proto__": {"kind": "prove", "state": "done"}}}',
    '{"version": 1, "exercises": {"one-half": {"kind": "predict", "state": "x"}}}',
]


def test_foreign_text_under_the_key(open_page: Callable[..., Page]) -> None:
    page = open_page()
    for text in FOREIGN:
        page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, text])
        page.reload()
        assert root(page).get_by_label("Your number").input_value() == "", text
        assert not page.get_by_role("checkbox", name="Done: Exercise 1.3").is_checked(), text
        assert type_in(page, "0.3142").startswith("Right"), text
        assert stored(page)["one-half"]["state"] == "right", text


@pytest.mark.parametrize("broken", ["get localStorage() { throw new Error('no') }", "full"])
def test_storage_that_refuses(context: BrowserContext, folder: Path, broken: str) -> None:
    """Private windows and full stores: all works until the page is left, and it is said once that nothing is kept."""
    page = context.new_page()
    script = (
        "Storage.prototype.setItem = () => { throw new DOMException('full') }"
        if broken == "full"
        else f"Object.defineProperties(window, Object.getOwnPropertyDescriptors({{ {broken} }}))"
    )
    page.add_init_script(script)
    page.goto((folder / "first.html").as_uri())
    assert page.locator(".exercise-refused").count() == 0
    assert type_in(page, "0.3142").startswith("Right")
    assert "refuses to keep" in page.locator(".exercise-refused").inner_text()
    type_in(page, "4", "tiny")
    page.get_by_role("checkbox", name="Done: Exercise 1.3").check()
    assert page.get_by_role("checkbox", name="Done: Exercise 1.3").is_checked()
    assert page.locator(".exercise-refused").count() == 1
    assert root(page).locator(".admonition-title .exercise-state").inner_text() == "✓ right"


def test_a_quiz_keeps_its_results_too(context: BrowserContext, folder: Path) -> None:
    page, other = context.new_page(), context.new_page()
    page.goto((folder / "first.html").as_uri())
    other.goto((folder / "exercises.html").as_uri())
    send = "detail => document.dispatchEvent(new CustomEvent('ddpm:progress', { detail }))"
    entry = {"name": "museum-3", "kind": "quiz", "state": "right", "tries": 2, "answer": "missing-root"}
    for detail in (entry, {**entry, "name": "Bad Name"}, {**entry, "name": "museum-4", "state": "?"}, None, 3):
        page.evaluate(send, detail)
    assert set(stored(page)) == {"museum-3"}
    assert page.evaluate("[ddpmProgress.get('museum-3').tries, ddpmProgress.get('museum-9')]") == [2, None]
    other.locator(".exercise-total", has_text="0 of 5 done. In the bug museum’s quiz: 1 right.").wait_for()
    page.evaluate(
        "document.addEventListener('ddpm:progress-changed', () => { window.heard = ddpmProgress.get('museum-3') })"
    )
    other.on("dialog", lambda dialog: dialog.accept())
    other.get_by_role("button", name="Clear").click()
    page.wait_for_function("window.heard === null")
    page.evaluate(send, entry)
    page.evaluate(send, {"name": "museum-3", "kind": "quiz", "state": None})
    assert stored(page) == {}


# ------------------------------------------------------------------------------------------------------------- looks


def test_without_the_script_the_answer_is_folded(open_page: Callable[..., Page]) -> None:
    page = open_page(script=False)
    details = root(page).locator("details")
    assert details.locator("summary").inner_text() == "Answer"
    details.locator("summary").click()
    assert "0.3142" in details.inner_text()
    assert "first equation ᾱt = ᾱt−1 αt" in details.inner_text()
    assert root(page).locator("input, button").count() == 0


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360}], ids=["light", "dark", "phone"])
@pytest.mark.parametrize("name", ["first", "exercises"])
def test_looks(open_page: Callable[..., Page], look: dict[str, object], name: str) -> None:
    """Nothing sticks out, targets are large enough, no axe finding, in all states."""
    page = open_page(**look)
    type_in(page, "0.3142")
    type_in(page, "7", "tiny")
    type_in(page, "0.2", "tiny")
    if name == "exercises":
        page.goto(page.url.replace("first", name))
        page.evaluate("MathJax.startup.promise")
        page.evaluate(
            "theme => { document.documentElement.dataset.theme = theme; document.body.classList.add('bd-article') }",
            "dark" if look.get("dark") else "light",
        )
        page.add_style_tag(content=STYLE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for box in page.locator(":is(.predict-form, .exercise-progress) :is(button, input):visible").all():
        assert box.bounding_box()["height"] >= 24
    context = ":is(.exercise, .exercise-progress, .all-exercises)"
    options = {"runOnly": ["wcag2a", "wcag2aa", "best-practice"], "preload": False}
    found = Axe().run(page, context=context, options=options).response["violations"]
    theirs = {"region", "landmark-one-main", "page-has-heading-one", "heading-order"}
    assert [violation["id"] for violation in found if violation["id"] not in theirs] == []


def test_an_unknown_name_and_a_program_are_refused(tmp_path: Path) -> None:
    for name in ("none-such", "one-half"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "index.md").write_text(f"# A page\n\n```{{predict}} {name}\nHow much?\n```\n", "utf8")
        warnings = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, docutils_namespace():
            patch.setattr("warnings.showwarning", lambda *_: None)
            answers.page_data.cache_clear()
            if name == "one-half":
                found = register.Program(name, "first", lambda x: x, {"x": None}, (), 1e-9)
                patch.setattr(register, "find", lambda _, found=found: found)
            places = (folder, None, folder / "html", folder / "doctrees", "html")
            Sphinx(
                *places, confoverrides={"extensions": ["myst_parser", "exercises"]}, status=None, warning=warnings
            ).build()
            answers.page_data.cache_clear()
        assert ("no exercise called" if name == "none-such" else "asks for a function") in warnings.getvalue()


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360}], ids=["light", "dark", "phone"])
def test_in_the_built_book(visit: Callable[..., Visit], book: Path, look: dict[str, object]) -> None:
    """On a chapter's page, and from there on the page that lists them all, opened as files."""
    page = visit(book / "notation.html", ready=".predict-row", **look).page
    page.evaluate("MathJax.startup.promise")
    assert type_in(page, str(0.8**4), "notation-index").startswith("Right.")
    assert "variance" in type_in(page, "0.282", "notation-density")
    page.locator("#ex-notation-shift").get_by_role("checkbox").check()
    options = {"runOnly": ["wcag2a", "wcag2aa", "best-practice"], "preload": False}
    found = Axe().run(page, context="#exercises", options=options).response["violations"]
    assert [violation["id"] for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto((book / "exercises.html").as_uri())
    page.locator("#progress-notation-index .exercise-state", has_text="✓ right").wait_for()
    assert page.locator(".exercise-total").inner_text().startswith("2 of ")
    found = (
        Axe().run(page, context=":is(.exercise-progress, #exercises-notation)", options=options).response["violations"]
    )
    assert [violation["id"] for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
