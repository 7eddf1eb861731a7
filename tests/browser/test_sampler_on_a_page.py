"""The sampler in a page of its own: every control, every way in, and what must never be seen."""

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

from ddpm_edu import widgets


@pytest.fixture
def page(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Visit:
    return walked(visit(harness(widgets.Sampler(T=30, particles=200))))


def walked(page: Visit) -> Visit:
    """Waits until all particles have walked."""
    page.page.wait_for_function(
        "() => { const cell = document.querySelector('.gauges td:last-child'); return /\\d/.test(cell.textContent); }"
    )
    page.settle()
    return page


def end(page: Visit) -> float:
    walked(page)
    return number(page.numbers()["total variation at the end"])


def test_it_shows_an_end_near_that_of_true_draws(page: Visit) -> None:
    numbers = page.numbers()
    floor = number(numbers["the same for true draws, on average"])
    masses = np.array(widgets.TWO_HUMPS) / sum(widgets.TWO_HUMPS)
    draws = np.random.default_rng(1).multinomial(200, masses, size=3000)
    assert floor == pytest.approx((np.abs(draws / 200 - masses).sum(axis=1) / 2).mean(), rel=0.02)
    assert floor / 2 < end(page) < 2 * floor
    assert "walked from N(0, 1) back to the data in 30 steps" in page.says()


def test_one_step_says_why_there_is_little_to_see(page: Visit) -> None:
    page.typed("T").fill("1")
    assert end(page) > 0.9
    assert "lands on the mean of all" in page.says()
    assert page.broken_words() == []


def test_schedules_and_noises_give_other_walks(page: Visit) -> None:
    seen = {end(page)}
    for name in ("cosine", "σ² = β̃", "nothing (DDIM)", "linear", "New noise"):
        page.press(name)
        seen.add(end(page))
        assert page.broken_words() == []
    assert len(seen) >= 5
    # the same seed brings the same walks back
    before = page.numbers()["mean of the particles at t"]
    page.press("New noise")
    end(page)
    page.page.evaluate("location.hash = '#sampler.seed=2'")
    page.page.wait_for_function("location.hash === '#sampler.seed=2'")
    end(page)
    assert page.numbers()["mean of the particles at t"] == before


def test_play_step_and_reset(page: Visit) -> None:
    t = page.typed("t")
    page.press("Reset")
    assert t.input_value() == "30"
    assert "nothing has happened" in page.says()
    page.press("Step")
    assert t.input_value() == "29"
    page.press("Play")
    page.page.wait_for_function("t => Number(t.value) < 25", arg=t.element_handle())
    page.press("Pause")
    stopped = t.input_value()
    page.page.wait_for_timeout(200)
    assert t.input_value() == stopped
    page.press("Play")
    page.page.wait_for_function("t => t.value === '0'", arg=t.element_handle())
    page.widget.get_by_role("button", name="Play", exact=True).wait_for()


def test_t_by_dragging_on_the_walks(page: Visit) -> None:
    locator = page.widget.locator(".walks svg")
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    mouse = page.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.6 * box["height"])
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.4 * box["height"], steps=4)
    middle = number(page.numbers()["t"])
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 2 * box["height"])
    mouse.up()
    assert 10 < middle < 28
    assert page.numbers()["t"] == "0"


def test_pointing_at_a_walk_marks_it(page: Visit) -> None:
    marked = page.widget.locator(".walks path.marked")
    first = marked.get_attribute("d")
    box = page.widget.locator(".walks svg").bounding_box()
    seen = {first}
    for share in (0.3, 0.4, 0.5, 0.6, 0.7):
        page.page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        page.settle()
        seen.add(marked.get_attribute("d"))
    assert len(seen) >= 4
    page.page.mouse.move(5, 5)
    last = marked.get_attribute("d")
    page.press("Mark another")
    assert marked.get_attribute("d") != last


def test_the_equation_is_the_marked_particle_s_step(page: Visit) -> None:
    page.typed("t").fill("11")
    page.settle()
    assert "step from t = 12" in page.widget.locator(".equation-name").inner_text()
    value = dict(
        label.rsplit(": ", 1)
        for label in page.widget.locator(".equation:not([hidden]) .term").evaluate_all(
            "terms => terms.map(t => t.getAttribute('aria-label'))"
        )
    )
    parts = {name: number(text) for name, text in value.items()}
    taken = parts["weight of the noise"] * parts["best guess of the noise"]
    mean = (parts["x at t"] - taken) / parts["square root of α"]
    assert parts["x at t minus 1"] == pytest.approx(mean + parts["σ at t"] * parts["fresh noise"], abs=0.02)
    guess = parts["minus the square root of 1 minus ᾱ"] * parts["score of x at t"]
    assert parts["best guess of the noise"] == pytest.approx(guess, rel=0.02, abs=0.005)
    page.press("nothing (DDIM)")
    walked(page)
    shown = page.widget.locator(".equation:not([hidden])")
    assert shown.count() == 2
    assert "data seen behind" in (shown.first.locator(".term.part-x-0").get_attribute("aria-label") or "")


def test_terms_light_what_they_do(page: Visit) -> None:
    page.page.emulate_media(reduced_motion="reduce")
    page.typed("t").fill("12")
    page.settle()
    opacity = "element => Number(getComputedStyle(element).opacity)"
    guess, kick = page.widget.locator(".walks path.guess"), page.widget.locator(".walks path.kick")
    assert guess.evaluate(opacity) == kick.evaluate(opacity) == 0
    page.widget.locator(".equation:not([hidden]) .term.part-epsilon").first.hover()
    page.settle()
    assert guess.evaluate(opacity) == 1
    assert guess.get_attribute("d").startswith("M")
    page.widget.locator(".equation:not([hidden]) .term.part-sigma").first.hover()
    page.settle()
    assert kick.evaluate(opacity) == 1
    page.page.mouse.move(5, 5)
    page.widget.locator(".law .key").first.hover()
    assert page.widget.get_attribute("data-lit") == "law"


def test_redrawing_the_data_by_mouse_and_keys(page: Visit) -> None:
    page.press("spike")
    assert end(page) == 0
    assert "There is one bar, and all are in it" in page.says()
    box = page.widget.locator(".start svg").bounding_box()
    mouse = page.page.mouse
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.4 * box["height"], steps=3)
    mouse.up()
    walked(page)
    drawn = page.numbers()["mean of the histogram"]
    page.page.keyboard.press("Home")
    walked(page)
    assert page.numbers()["mean of the histogram"] != drawn
    assert page.broken_words() == []


def test_the_curve_of_t_fills_in(page: Visit) -> None:
    page.page.wait_for_function(
        "() => (document.querySelector('.tried').getAttribute('d').match(/M/g) || []).length >= 10"
    )
    lengths = page.widget.locator(".tries path.exact").get_attribute("d")
    assert lengths.count("L") >= 9


def test_nothing_is_worked_out_off_screen(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Sampler(T=1000, particles=4000)))
    page.page.evaluate(
        "document.querySelector('main').prepend(Object.assign(document.createElement('div'), { style: 'height: 5000px' })), scrollTo(0, 0)"
    )
    page.page.wait_for_timeout(400)
    before = page.numbers()["walked so far"]
    page.page.wait_for_timeout(600)
    assert page.numbers()["walked so far"] == before
    page.page.evaluate("document.querySelector('.ddpm').scrollIntoView()")
    page.page.wait_for_timeout(900)
    assert number(page.numbers()["walked so far"]) > number(before)


@pytest.mark.parametrize("fragment", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_changes_nothing(
    visit: Callable[..., Visit], harness: Callable[..., Path], fragment: str
) -> None:
    hostile = (
        fragment.replace("lab.alpha=5", "lab.n=5")
        .replace("lab.alpha", "lab.T")
        .replace("lab.beta", "lab.seed")
        .replace("lab.t=", "lab.kind=")
    )
    page = visit(harness(widgets.Sampler(T=20, particles=50)), hostile.replace("lab.", "sampler."))
    numbers = page.numbers()
    assert (numbers["T"], numbers["particles"], numbers["seed"], numbers["t"]) == ("20", "50", "1", "0")
    assert page.broken_words() == []


def test_the_address_follows_and_leads(page: Visit) -> None:
    page.typed("T").fill("12")
    page.typed("T").blur()
    page.page.wait_for_function("location.hash.includes('sampler.T=12')")
    page.page.evaluate(
        "location.hash = '#sampler.T=40&sampler.t=17&sampler.n=120&sampler.kind=cosine&sampler.noise=beta-tilde&sampler.x0=skewed'"
    )
    page.page.wait_for_function("document.querySelectorAll('.ddpm input.typed')[1].value === '40'")
    numbers = page.numbers()
    assert (numbers["T"], numbers["t"], numbers["particles"]) == ("40", "17", "120")
    for name in ("cosine", "σ² = β̃", "skewed"):
        assert page.widget.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"


def test_what_the_address_set_outlasts_the_next_move(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Sampler(T=30, particles=50)), "#sampler.T=40&sampler.t=17&sampler.kind=cosine")
    page.press("Step")
    assert (page.typed("T").input_value(), page.typed("t").input_value()) == ("40", "16")
    page.page.evaluate("location.hash = '#sampler.T=50&sampler.t=20'")
    page.page.wait_for_function("document.querySelectorAll('.ddpm input.typed')[1].value === '50'")
    page.press("Step")
    assert (page.typed("T").input_value(), page.typed("t").input_value()) == ("50", "19")
    assert page.widget.get_by_role("button", name="cosine").get_attribute("aria-pressed") == "true"


def test_extremes_show_no_broken_number(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Sampler(T=1, particles=10)))
    for T in (1, 2, 1000):
        for t in (0, 1, 1000):
            for noise, kind in (("beta", "linear"), ("none", "cosine")):
                for start in ("spike", "comb"):
                    page.page.evaluate(
                        "hash => { location.hash = hash; }",
                        f"#sampler.T={T}&sampler.t={t}&sampler.n=10&sampler.noise={noise}&sampler.kind={kind}&sampler.x0={start}",
                    )
                    page.settle()
                    page.numbers()
                    assert page.broken_words() == [], (T, t, noise, kind, start)
                    assert len(page.says()) > 60


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 390, "touch": True}], ids=["light", "dark", "phone"])
def test_looks(visit: Callable[..., Visit], harness: Callable[..., Path], look: dict[str, object]) -> None:
    page = walked(visit(harness(widgets.Sampler(T=10, particles=60)), **look))
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.widget.locator("details.numbers").evaluate("details => { details.open = true; }")
    found = [v["id"] for v in Axe().run(page.page, options={"preload": False}).response["violations"]]
    assert found == []


def test_the_walks_take_the_theme_s_ink(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = walked(visit(harness(widgets.Sampler(T=10, particles=60))))
    brightest = """() => { const c = document.querySelector('.walks canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let m = 0, n = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 0) { m = Math.max(m, d[i]); n += 1; } return [m, n]; }"""
    light, drawn = page.page.evaluate(brightest)
    assert drawn > 500
    page.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.settle()
    dark, _ = page.page.evaluate(brightest)
    assert light < 80 < 200 < dark


def test_python_and_the_page_hold_the_same_limits(mathematics: Page) -> None:
    limits, kinds, fresh = mathematics.evaluate("() => [M.SAMPLER_LIMITS, M.SAMPLER_KINDS, M.FRESH]")
    assert {name: tuple(pair) for name, pair in limits.items()} == widgets.SAMPLER_LIMITS
    assert (tuple(kinds), tuple(fresh)) == (widgets.SAMPLER_KINDS, widgets.FRESH)
    state = {"T": 77, "t": 5, "particles": 300, "seed": 9, "kind": "cosine", "noise": "beta_tilde"}
    state["histogram"] = mathematics.evaluate("() => M.STARTS.skewed")
    written = mathematics.evaluate("s => M.writeAddress('', 'sampler', M.samplerEntries(s))", state)
    assert mathematics.evaluate("f => M.samplerFrom(f)", written) == state


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("T", 0, "T must be a whole number from 1 to 1000, but it was 0"),
        ("T", 2.5, "T must be a whole number from 1 to 1000, but it was 2.5"),
        ("t", -1, "t must be a whole number from 0 to 1000, but it was -1"),
        ("particles", 9, "particles must be a whole number from 10 to 4000, but it was 9"),
        ("seed", math.nan, "seed must be a whole number from 0 to 2.14748e+09, but it was nan"),
        ("kind", "drawn", "kind must be one of 'linear', 'cosine', but it was 'drawn'"),
        ("noise", "eta", "noise must be one of 'beta', 'beta_tilde', 'none', but it was 'eta'"),
    ],
)
def test_a_wrong_trait_is_named(name: str, value: object, message: str) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        widgets.Sampler(**{name: value})
    assert str(error.value) == message


def test_the_last_walk_may_use_up_the_time(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    """On a slow machine all have walked before their distance is known; it is then not shown, instead of as NaN."""
    page = visit(harness(widgets.Sampler(T=5, particles=20)))
    page.page.evaluate("() => { let now = performance.now(); performance.now = () => (now += 1000); }")
    for particles in (10, 11, 12, 13):
        broken = page.page.evaluate(
            """async particles => {
                location.hash = `#sampler.T=${particles}&sampler.n=${particles}`;
                let broken = 0;
                for (let frame = 0; frame < 60; frame += 1) {
                    await new Promise(requestAnimationFrame);
                    broken += /NaN|undefined/.test(document.querySelector('.ddpm').innerText);
                }
                return broken;
            }""",
            particles,
        )
        assert broken == 0
        assert page.numbers()["walked so far"] == str(particles)
