"""The widgets in the built book, opened as files with the network off, in light, dark and at phone width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from widget_pages import HOSTILE, Visit

PAGES = (
    "one-dimensional-laboratory",
    "schedules",
    "reverse-process",
    "posterior",
    "ddpm-in-one-dimension",
    "bug-museum",
    "which-slip",
    "index",
)
LOOKS: dict[str, dict[str, object]] = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390}}


@pytest.fixture(scope="module", params=[(name, look) for name in PAGES for look in LOOKS], ids="-".join)
def opened(request: pytest.FixtureRequest, browser: Browser, book: Path) -> Iterator[Visit]:
    """Each page in each look, opened once and used by every test; its errors and requests are counted at the end."""
    name, look = request.param
    one = Visit(browser, book / f"{name}.html", **LOOKS[look])
    yield one
    one.close()
    assert one.errors == []
    assert one.foreign == []


def asks(page: Visit) -> bool:
    """Whether the widget is the quiz, which has answers to pick instead of sliders to pull."""
    return bool(page.widget.locator("input[type=radio]").count())


def shown(page: Visit) -> str:
    """Everything that the widget says and every number in it."""
    page.settle()
    fields = page.widget.evaluate("w => [...w.querySelectorAll('input.typed')].map(i => i.value).join()")
    return page.widget.inner_text() + fields


def test_every_slider_by_mouse_and_by_keyboard(opened: Visit) -> None:
    page = opened
    if asks(page):
        return
    page.widget.scroll_into_view_if_needed()
    assert page.sliders.count() >= 2
    for index in range(page.sliders.count()):
        slider = page.sliders.nth(index)
        slider.scroll_into_view_if_needed()
        assert slider.evaluate("input => input.labels.length === 1 && input.labels[0].innerText.trim() !== ''")
        before = shown(page)
        box = slider.bounding_box()
        y = box["y"] + box["height"] / 2
        page.page.mouse.move(box["x"] + 0.55 * box["width"], y)
        page.page.mouse.down()
        pressed = shown(page)
        page.page.mouse.move(box["x"] + 0.75 * box["width"], y, steps=3)
        page.page.mouse.up()
        dragged = shown(page)
        slider.focus()
        page.page.keyboard.press("ArrowLeft")
        stepped = shown(page)
        page.page.keyboard.press("Home")
        at_home = shown(page)
        assert len({before, dragged}) == len({pressed, dragged}) == len({dragged, stepped, at_home}) - 1 == 2
    assert page.broken_words() == []


def test_every_button_works(opened: Visit) -> None:
    """Each button of the widget changes what is shown, or is pressed already."""
    page = opened
    count = page.widget.locator("button.chip").count()
    assert count >= 7
    for index in range(count):
        button = page.widget.locator("button.chip").nth(index)
        if button.is_disabled():
            continue
        pressed = "true" in (button.get_attribute("aria-pressed"), button.get_attribute("aria-current"))
        label = button.inner_text()
        before = shown(page) + str(
            page.widget.locator("button.chip").evaluate_all("all => all.map(b => b.ariaPressed)")
        )
        button.click()
        page.settle()
        after = shown(page) + str(page.widget.locator("button.chip").evaluate_all("all => all.map(b => b.ariaPressed)"))
        assert pressed or before != after, label
        if label == "Play":
            button.click()
    assert page.broken_words() == []


def test_redrawing_in_the_book(opened: Visit) -> None:
    page = opened
    if page.widget.locator(".start svg").count() == 0:
        return  # the schedule explorer has points to draw instead
    page.press("two humps")
    page.press("Reset")
    plot = page.widget.locator(".start svg")
    plot.scroll_into_view_if_needed()
    follows = {"variance of x_t", "mean of x_t−1 given x_t", "mean of the histogram"}  # one of them in each widget
    (name,) = follows & set(page.numbers())
    before = page.numbers()[name]
    box = plot.bounding_box()
    page.page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 60, box["y"] + 40, steps=3)
    page.page.mouse.up()
    drawn = page.numbers()[name]
    page.page.keyboard.press("PageDown")
    keyed = page.numbers()[name]
    assert len({before, drawn, keyed}) == 3


@pytest.mark.parametrize("fragment", HOSTILE[4:6], ids=range(4, 6))
def test_a_hostile_address_in_the_book(visit: Callable[..., Visit], book: Path, fragment: str) -> None:
    page = visit(book / "one-dimensional-laboratory.html", fragment)
    numbers = page.numbers()
    assert (numbers["α"], numbers["β"]) == ("0.99", "0.01")
    assert page.broken_words() == []


def test_no_axe_finding(opened: Visit) -> None:
    """Nothing but the theme's own `region`, about the sidebar's first item."""
    page = opened
    page.widget.locator("details.numbers").evaluate("details => { details.open = true; }")
    page.page.mouse.move(2, 2)
    page.page.evaluate("scrollTo(0, 0)")
    page.page.wait_for_timeout(600)  # the theme's button that leads back to the top fades out
    found = {}
    for violation in Axe().run(page.page, options={"preload": False}).response["violations"]:
        targets = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        if violation["id"] == "region" and all("sidebar" in target or "navbar" in target for target in targets):
            continue
        found[violation["id"]] = targets
    assert found == {}


def test_nothing_sticks_out(opened: Visit) -> None:
    """No sideways scrolling, no text of a widget outside it, none below 12 px."""
    page = opened
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside, small = page.widget.evaluate(
        """widget => {
            const frame = widget.getBoundingClientRect();
            const texts = [...widget.querySelectorAll('text, p, label, button, figcaption, th, td, .term')]
                .filter(e => e.textContent.trim() && e.getClientRects().length);
            return [
                texts.filter(e => { const r = e.getBoundingClientRect(); return r.left < frame.left - 2 || r.right > frame.right + 2; }).map(e => e.outerHTML.slice(0, 120)),
                texts.filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.outerHTML.slice(0, 120)),
            ];
        }"""
    )
    assert outside == []
    assert small == []


def test_nothing_that_can_be_pressed_is_cut_off(opened: Visit) -> None:
    """The theme styles class names of its own: one of them, on a row of buttons, hid the lower half of each."""
    cut = opened.widget.evaluate(
        """widget => [...widget.querySelectorAll('button, input, summary, a')].filter(e => e.getClientRects().length).filter(e => {
            const own = e.getBoundingClientRect();
            for (let box = e.parentElement; box && box !== widget.parentElement; box = box.parentElement) {
                const frame = box.getBoundingClientRect();
                const hides = getComputedStyle(box).overflow !== 'visible';
                if (hides && (own.top < frame.top - 1 || own.bottom > frame.bottom + 1)) return true;
            }
            return false;
        }).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert cut == []


def test_a_picture_stands_before_the_widget(opened: Visit) -> None:
    page = opened
    if asks(page):
        return  # a still would give the answer away
    above = page.page.evaluate(
        """() => { const place = document.querySelector('.ddpm').getBoundingClientRect();
            return [...document.querySelectorAll('article img')].filter(i => i.getBoundingClientRect().top < place.top).length; }"""
    )
    assert above >= 1
