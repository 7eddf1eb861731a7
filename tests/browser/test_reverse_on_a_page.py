"""The reverse widget in a page of its own: every control, every way in, and what must never be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import traitlets
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from widget_pages import HOSTILE, Visit, number

from ddpm_edu import densities, reverse, widgets


@pytest.fixture
def page(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Visit:
    return visit(harness(widgets.Reverse()))


def move(page: Visit, selector: str, *points: tuple[float, float]) -> None:
    """Drags the mouse over a figure, through places given as shares of its width and height."""
    locator = page.widget.locator(selector)
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    places = [(box["x"] + fx * box["width"], box["y"] + fy * box["height"]) for fx, fy in points]
    page.page.mouse.move(*places[0])
    page.page.mouse.down()
    for place in places[1:]:
        page.page.mouse.move(*place, steps=3)
    page.page.mouse.up()
    page.settle()


def test_it_shows_the_package_s_numbers(page: Visit) -> None:
    numbers = page.numbers()
    law = densities.Histogram(math.sqrt(0.98) * np.linspace(-3, 3, 33), np.array(widgets.TWO_HUMPS), 0.02)
    kernel = reverse.Kernel(law, 0.5, 0.5, 0.2)
    mean, variance = reverse.tweedie(law, 0.5, 0.5, 0.2)
    assert number(numbers["mean of x_t−1 given x_t"]) == pytest.approx(kernel.mean, rel=1e-4)
    assert number(numbers["variance of x_t−1 given x_t"]) == pytest.approx(kernel.variance, rel=1e-4)
    assert number(numbers["the same by Tweedie"]) == pytest.approx(float(mean), rel=1e-4)
    assert number(numbers["the same by Tweedie, variance"]) == pytest.approx(float(variance), rel=1e-4)
    assert number(numbers["KL to the best Gaussian, nats"]) == pytest.approx(kernel.kl_to_gaussian(), rel=1e-3)
    assert "It has two humps" in page.says()


def test_ready_made_sights(page: Visit) -> None:
    wanted = {
        "leaning": "one hump, but not a Gaussian's",
        "small step": "By eye it is its best Gaussian",
        "all forgotten": "wherever x",
        "sharp edges": "its bars keep sharp edges",
        "large step": "no Gaussian has more than one",
    }
    for name, sentence in wanted.items():
        page.widget.locator(".moves").get_by_role("button", name=name, exact=True).click()
        assert sentence in page.says()
        assert page.broken_words() == []


def test_dragging_x_t_beta_and_the_bars(page: Visit) -> None:
    before = page.numbers()
    move(page, ".whole svg", (0.5, 0.5), (0.7, 0.5))
    moved = page.numbers()
    assert number(moved["x_t"]) == pytest.approx(1.63, abs=0.1)
    assert moved["mean of x_t−1 given x_t"] != before["mean of x_t−1 given x_t"]
    move(page, ".meter svg", (0.9, 0.5), (0.35, 0.3))
    shrunk = page.numbers()
    assert 1e-4 < number(shrunk["β"]) < 0.01
    assert number(shrunk["KL to the best Gaussian, nats"]) < 1e-3
    move(page, ".meter svg", (0.5, 0.5), (-3.0, 0.5))
    assert page.numbers()["β"] == "0.0001"
    move(page, ".start svg", (0.1, 0.2), (0.9, 0.4))
    assert page.numbers()["mean of x_t−1 given x_t"] != shrunk["mean of x_t−1 given x_t"]
    assert page.broken_words() == []


def test_the_trace_follows_x_t_and_the_point_follows_beta(page: Visit) -> None:
    trace, dot = page.widget.locator(".meter path.exact"), page.widget.locator(".meter circle")
    first, place = trace.get_attribute("d"), dot.get_attribute("cy")
    page.press("Halve β")
    assert page.numbers()["β"] == "0.25"
    assert trace.get_attribute("d") == first
    assert float(dot.get_attribute("cy")) > float(place)
    page.typed("xt").fill("1.5")
    page.settle()
    assert trace.get_attribute("d") != first


def test_play_shrinks_beta_and_reset_returns(page: Visit) -> None:
    field = page.typed("β")
    page.press("Play")
    page.page.wait_for_function("f => Number(f.value) < 0.3", arg=field.element_handle())
    page.press("Pause")
    stopped = field.input_value()
    page.page.wait_for_timeout(200)
    assert field.input_value() == stopped
    page.press("Reset")
    assert field.input_value() == "0.5"
    page.typed("β").fill("0.00013")
    page.press("Play")
    page.typed("β").blur()
    page.page.wait_for_function("f => f.value === '0.0001'", arg=field.element_handle())
    page.widget.get_by_role("button", name="Play", exact=True).wait_for()


def test_reduced_motion_takes_large_steps(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Reverse()), still=True)
    page.press("Play")
    page.page.wait_for_function("f => Number(f.value) < 0.5", arg=page.typed("β").element_handle())
    assert float(page.typed("β").input_value()) < 0.2


def test_terms_and_figures_light_each_other(page: Visit) -> None:
    widget = page.widget
    page.page.emulate_media(reduced_motion="reduce")
    opacity = "element => Number(getComputedStyle(element).opacity)"
    widget.locator(".term.part-likelihood").hover()
    page.settle()
    assert widget.get_attribute("data-lit") == "likelihood"
    assert widget.locator(".whole path.likelihood").evaluate(opacity) == 1
    assert widget.locator(".whole path.gaussian").evaluate(opacity) < 0.5
    widget.locator(".term.part-score").first.hover()
    page.settle()
    assert len(widget.locator(".whole path.later").get_attribute("d")) > 100
    assert widget.locator(".whole path.arrow").get_attribute("d").startswith("M")
    page.page.mouse.move(5, 5)
    widget.locator(".whole .key").nth(1).hover()
    assert widget.get_attribute("data-lit") == "gaussian"
    assert "no other Gaussian is nearer" in widget.locator(".hint").inner_text()
    labels = widget.locator(".term").evaluate_all("terms => terms.map(t => t.getAttribute('aria-label'))")
    assert "square root of α: 0.707" in labels
    assert "x at t: 0.2" in labels


@pytest.mark.parametrize("fragment", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_changes_nothing(
    visit: Callable[..., Visit], harness: Callable[..., Path], fragment: str
) -> None:
    hostile = fragment.replace("lab.alpha", "reverse.beta").replace("lab.t", "reverse.xt").replace("lab.", "reverse.")
    if "reverse.beta=NaN" not in hostile and ("reverse.beta=5" in hostile or hostile.count("reverse.") == 0):
        hostile = hostile.replace("reverse.beta=5", "reverse.beta=-5")
    page = visit(harness(widgets.Reverse()), hostile.replace("reverse.xt=1;2", "reverse.xt=one"))
    numbers = page.numbers()
    assert (numbers["β"], numbers["x_t"], numbers["noise in x_t−1"]) == ("0.5", "0.2", "0.02")
    assert page.broken_words() == []


def test_the_address_follows_and_leads(page: Visit) -> None:
    assert page.page.evaluate("location.hash") == ""
    page.typed("β").fill("0.03")
    page.typed("β").blur()
    page.page.wait_for_function("location.hash.includes('reverse.beta=0.03')")
    page.page.evaluate("location.hash = '#reverse.beta=0.2&reverse.xt=-1.5&reverse.noise=0.1&reverse.x0=comb'")
    page.page.wait_for_function("document.querySelector('.ddpm input.typed').value === '0.2'")
    numbers = page.numbers()
    assert (numbers["x_t"], numbers["noise in x_t−1"]) == ("−1.5", "0.1")
    assert page.widget.get_by_role("button", name="comb").get_attribute("aria-pressed") == "true"


def test_extremes_show_no_broken_number_and_no_empty_figure(
    visit: Callable[..., Visit], harness: Callable[..., Path]
) -> None:
    page = visit(harness(widgets.Reverse()))
    for beta in ("0", "0.000001", "0.0001", "0.5", "0.999999", "1"):
        for noise in ("0", "0.00001", "0.001", "0.99"):
            for x_t, start in (("0", "comb"), ("1.2", "spike"), ("-50", "two-humps"), ("50", "spike")):
                page.page.evaluate(
                    "hash => { location.hash = hash; }",
                    f"#reverse.beta={beta}&reverse.noise={noise}&reverse.xt={x_t}&reverse.x0={start}",
                )
                page.settle()
                page.numbers()
                assert page.broken_words() == [], (beta, noise, x_t, start)
                for figure in (".whole", ".close"):
                    assert len(page.widget.locator(f"{figure} path.exact").get_attribute("d")) > 8, (beta, noise, x_t)
                assert len(page.says()) > 60


def test_beta_0_and_1_say_why_there_is_little_to_see(page: Visit) -> None:
    page.typed("β").fill("0")
    assert "a point has no shape to compare with a Gaussian's" in page.says()
    page.typed("β").fill("1")
    assert "tells nothing about it" in page.says()
    assert page.numbers()["the same by Tweedie"] == "needs α > 0"


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 390, "touch": True}], ids=["light", "dark", "phone"])
def test_looks(visit: Callable[..., Visit], harness: Callable[..., Path], look: dict[str, object]) -> None:
    page = visit(harness(widgets.Reverse()), **look)
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.widget.locator("details.numbers").evaluate("details => { details.open = true; }")
    found = [v["id"] for v in Axe().run(page.page, options={"preload": False}).response["violations"]]
    assert found == []


def test_a_finger_moves_x_t(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Reverse()), width=390, touch=True)
    locator = page.widget.locator(".whole svg")
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    cdp = page.context.new_cdp_session(page.page)
    for kind, share in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.8)):
        touch = {"x": box["x"] + share * box["width"], "y": box["y"] + 0.5 * box["height"]}
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [touch]})
    cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.settle()
    assert 1.5 < number(page.numbers()["x_t"]) < 3.5


def test_python_and_the_page_hold_the_same_limits(mathematics: Page) -> None:
    limits = mathematics.evaluate("() => M.REVERSE_LIMITS")
    assert {name: tuple(pair) for name, pair in limits.items()} == widgets.REVERSE_LIMITS
    state = {"beta": 0.003, "x_t": -2.25, "noise": 0.4, "histogram": mathematics.evaluate("() => M.STARTS.comb")}
    written = mathematics.evaluate("s => M.writeAddress('', 'reverse', M.reverseEntries(s))", state)
    assert mathematics.evaluate("f => M.reverseFrom(f)", written) == state


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("beta", 1.5, "beta must be a number from 0 to 1, but it was 1.5"),
        ("beta", math.nan, "beta must be a number from 0 to 1, but it was nan"),
        ("x_t", -51, "x_t must be a number from -50 to 50, but it was -51"),
        ("noise", 1, "noise must be a number from 0 to 0.99, but it was 1"),
        ("noise", "0.1", "noise must be a number from 0 to 0.99, but it was '0.1'"),
        ("histogram", [0] * 32, "histogram must have a bar above 0, but all 32 were 0"),
    ],
)
def test_a_wrong_trait_is_named(name: str, value: object, message: str) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        widgets.Reverse(**{name: value})
    assert str(error.value) == message
