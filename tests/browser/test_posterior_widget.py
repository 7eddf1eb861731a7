"""The posterior widget: its mathematics against the package and quadrature, its words, its controls and figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from playwright.sync_api import Page
from widget_pages import HOSTILE, Visit, number

from ddpm_edu import posterior, schedules, widgets
from ddpm_edu.widgets import Posterior

rng = np.random.default_rng(20260519)


def schedule_of(kind: str, T: int) -> schedules.NoiseSchedule:
    made = {"linear": schedules.linear, "cosine": schedules.cosine, "constant": lambda T: schedules.constant(T, 0.01)}
    return made[kind](T)


def cases(count: int) -> list[tuple[str, int, int, float, float]]:
    """Kind, T, t, x_0, x_t: each kind with long and short chains, the first and the last step among them."""
    drawn = []
    for kind in widgets.POSTERIOR_KINDS:
        for T in (1, 2, 10, 1000, *(int(rng.integers(3, 1000)) for _ in range(count))):
            for t in {1, T, int(rng.integers(1, T + 1))}:
                drawn.append((kind, T, t, float(rng.uniform(-20, 20)), float(rng.normal())))
    return drawn


def product(page: Page, *case: Any) -> dict[str, Any]:
    return page.evaluate("([kind, T, t, x0, xt]) => M.productAt(M.posteriorSchedule(kind, T), t, x0, xt)", list(case))


def test_the_product_is_the_package_s(mathematics: Page) -> None:
    for kind, T, t, x_0, x_t in cases(6):
        schedule = schedule_of(kind, T)
        found = product(mathematics, kind, T, t, x_0, x_t)
        on_x_0, on_x_t = posterior.weights(t, schedule)
        # the package's 1 − ᾱ cancels at small t, by a few 1e-13
        assert found["onStart"] == pytest.approx(on_x_0, rel=1e-9, abs=1e-15)
        assert found["onNow"] == pytest.approx(on_x_t, rel=1e-9, abs=1e-12)
        assert found["mean"] == pytest.approx(posterior.mean(x_t, x_0, t, schedule), rel=1e-9, abs=1e-11)
        assert found["variance"] == pytest.approx(posterior.variance(t, schedule), rel=1e-9, abs=1e-15)
        assert found["sd"] ** 2 == pytest.approx(found["variance"])


def test_the_factors_multiply_to_the_product(mathematics: Page) -> None:
    """By quadrature of the two densities as they are defined, on a grid about the product."""
    for kind, T, t, x_0, x_t in cases(4):
        if t == 1:
            continue
        schedule = schedule_of(kind, T)
        found = product(mathematics, kind, T, t, x_0 / 10, x_t)
        u = found["mean"] + np.linspace(-12, 12, 4001) * found["sd"]
        log_step = -((x_t - schedule.alpha[t] ** 0.5 * u) ** 2) / (2 * schedule.beta[t])
        log_jump = -((u - schedule.alpha_bar[t - 1] ** 0.5 * x_0 / 10) ** 2) / (2 * (1 - schedule.alpha_bar[t - 1]))
        for bell, log_density in ((found["step"], log_step), (found["jump"], log_jump)):
            shape = -0.5 * ((u - bell["centre"]) / bell["sd"]) ** 2
            # the same bell but for a factor: the difference of the logarithms is the same everywhere
            gap = shape - log_density
            assert np.ptp(gap) <= 1e-8 * max(1, np.abs(shape).max())
        weight = np.exp(log_step + log_jump - (log_step + log_jump).max())
        mean = (u * weight).sum() / weight.sum()
        assert found["mean"] == pytest.approx(mean, abs=1e-7 * found["sd"] + 1e-9)
        assert found["variance"] == pytest.approx(((u - mean) ** 2 * weight).sum() / weight.sum(), rel=1e-6)


def test_precisions_add_and_the_first_step_is_a_point(mathematics: Page) -> None:
    found = product(mathematics, "cosine", 10, 5, 1.5, -0.5)
    assert 1 / found["variance"] == pytest.approx(1 / found["step"]["sd"] ** 2 + 1 / found["jump"]["sd"] ** 2)
    gap = abs(found["step"]["centre"] - found["jump"]["centre"])
    assert found["apart"] == pytest.approx(gap / (found["step"]["sd"] ** 2 + found["jump"]["sd"] ** 2) ** 0.5)
    for kind in widgets.POSTERIOR_KINDS:
        first = product(mathematics, kind, 7, 1, 1.25, -3.0)
        assert (first["mean"], first["variance"], first["onStart"], first["onNow"]) == (1.25, 0, 1, 0)


def test_the_stretch_holds_the_product(mathematics: Page) -> None:
    for case in cases(6):
        low, high, found = mathematics.evaluate(
            """([kind, T, t, x0, xt]) => { const p = M.productAt(M.posteriorSchedule(kind, T), t, x0, xt);
                const above = v => { const q = 10 ** Math.floor(Math.log10(v)); return [1, 2, 4, 8, 10].map(f => f * q).find(s => s >= v * (1 - 1e-12)); };
                return [...M.stretch(p, above), p]; }""",
            list(case),
        )
        assert low < found["mean"] - 4 * found["sd"] <= found["mean"] + 4 * found["sd"] < high
        assert np.isfinite([low, high]).all()


WORDS = """([kind, T, t, x0, xt]) => { const s = M.posteriorSchedule(kind, T);
    return M.describePosterior({ kind, T, t, x_0: x0, x_t: xt, alphaBar: s.alphaBar[t - 1], p: M.productAt(s, t, x0, xt) }); }"""


def test_the_sentence_is_right_for_every_setting(mathematics: Page) -> None:
    for kind, T, t, x_0, x_t in cases(8):
        said = mathematics.evaluate(WORDS, [kind, T, t, x_0, x_t])
        assert not re.search(r"NaN|undefined|null|Infinity|∞|e-\d", said)
        if t == 1:
            assert "The product is a spike at x_0 = " in said
            assert ("there is no other step" in said) == (T == 1)
            continue
        schedule = schedule_of(kind, T)
        step = (schedule.beta[t] / schedule.alpha[t]) ** 0.5
        jump = (1 - schedule.alpha_bar[t - 1]) ** 0.5
        assert ("The step is the surer one" in said) == (jump / step > 1.5)
        assert ("The jump from x_0 is the surer one" in said) == (step / jump > 1.5)
        centres = x_t / schedule.alpha[t] ** 0.5, schedule.alpha_bar[t - 1] ** 0.5 * x_0
        apart = abs(centres[0] - centres[1]) / (step**2 + jump**2) ** 0.5
        if abs(apart - 4) > 1e-6:
            assert ("deviations apart" in said) == (apart > 4)
        found = re.search(r"Together they say near ([^ ,]+), give or take ([^ .]+(?:\.\d+)?[^ .]*)", said)
        assert found
        assert number(found[1]) == pytest.approx(posterior.mean(x_t, x_0, t, schedule), rel=6e-3, abs=1e-12)
        assert number(found[2]) == pytest.approx(posterior.variance(t, schedule) ** 0.5, rel=6e-2)


def test_the_limits_are_python_s(mathematics: Page) -> None:
    assert mathematics.evaluate("() => M.POSTERIOR_LIMITS") == {
        name: list(pair) for name, pair in widgets.POSTERIOR_LIMITS.items()
    }
    assert mathematics.evaluate("() => M.POSTERIOR_KINDS") == list(widgets.POSTERIOR_KINDS)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x_0", 21, "x_0 must be a number from -20 to 20, but it was 21"),
        ("x_t", "1", "x_t must be a number from -20 to 20, but it was '1'"),
        ("t", 0, "t must be a whole number from 1 to 1000, but it was 0"),
        ("T", 2.5, "T must be a whole number from 1 to 1000, but it was 2.5"),
        ("kind", "drawn", "kind must be one of 'linear', 'cosine', 'constant', but it was 'drawn'"),
    ],
)
def test_a_wrong_trait_is_named(name: str, value: object, message: str) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        Posterior(**{name: value})
    assert str(error.value) == message


def test_addresses(mathematics: Page) -> None:
    state = {"x_0": -1.25, "x_t": 0.5, "t": 7, "T": 20, "kind": "constant"}
    fragment = mathematics.evaluate("state => M.writeAddress('', 'posterior', M.posteriorEntries(state))", state)
    assert mathematics.evaluate("fragment => M.posteriorFrom(fragment)", fragment) == state
    for hostile in HOSTILE:
        assert mathematics.evaluate("f => M.posteriorFrom(f)", hostile.replace("lab.", "posterior.")) in ({}, {"t": 1})


# ------------------------------------------------------------------------------------------------------- on a page


@pytest.fixture
def shown(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Callable[..., Visit]:
    def shown(fragment: str = "", traits: dict[str, Any] | None = None, **options: object) -> Visit:
        return visit(harness(Posterior(**(traits or {}))), fragment, **options)

    return shown


def test_typed_values_reach_every_number(shown: Callable[..., Visit]) -> None:
    page = shown()
    page.press("linear")
    for symbol, text in (("T", "1000"), ("t", "100"), ("x_0", "0.5"), ("x_t", "-0,25")):
        page.widget.get_by_role("textbox", name=re.compile(rf"^{symbol}, ")).fill(text)
        page.settle()
    schedule = schedules.linear()
    mean, variance = posterior.mean(-0.25, 0.5, 100, schedule), posterior.variance(100, schedule)
    on_x_0, on_x_t = posterior.weights(100, schedule)
    numbers = page.numbers()
    for name, wanted in {
        "mean of the product": mean,
        "variance of the product": variance,
        "weight of x_0": on_x_0,
        "weight of x_t": on_x_t,
        "ᾱ at t − 1": schedule.alpha_bar[99],
    }.items():
        assert number(numbers[name]) == pytest.approx(wanted, rel=6e-4)
    values = page.widget.locator(".term").evaluate_all("terms => terms.map(t => t.getAttribute('aria-label'))")
    assert f"mean of the step back: {mean:.3f}".replace("-", "−") in values
    assert f"weight of x at 0: {on_x_0:.4f}" in values
    precisions = [number(re.sub(r".*: ", "", value)) for value in values if "precision" in value]
    assert precisions[0] == pytest.approx(1 / variance, rel=6e-3)
    assert precisions[0] == pytest.approx(precisions[1] + precisions[2], rel=2e-2)
    page.widget.get_by_role("textbox", name=re.compile("^x_0, ")).fill("21")
    assert page.widget.get_by_text("x_0 is a number from -20 to 20").is_visible()


def drag(page: Visit, from_: tuple[float, float], to: tuple[float, float]) -> None:
    page.page.mouse.move(*from_)
    page.page.mouse.down()
    page.page.mouse.move(*to, steps=6)
    page.page.mouse.up()
    page.settle()


def centre(page: Visit, selector: str) -> tuple[float, float]:
    box = page.widget.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def field(page: Visit, symbol: str) -> float:
    return number(page.widget.get_by_role("textbox", name=re.compile(rf"^{symbol}, ")).input_value())


def test_dragging_the_marks_of_the_chain(shown: Callable[..., Visit]) -> None:
    page = shown()
    page.widget.locator(".chain svg").scroll_into_view_if_needed()
    x, y = centre(page, ".mark-start")
    drag(page, (x, y), (x + 40, y + 60))
    assert field(page, "x_0") < 0.8  # down, and only up and down
    assert (field(page, "x_t"), field(page, "t")) == (-0.5, 5)
    assert centre(page, ".mark-start")[1] == pytest.approx(y + 60, abs=3)
    start = field(page, "x_0")
    x, y = centre(page, ".mark-now")
    drag(page, (x, y), (x + 100, y - 50))
    assert field(page, "x_0") == start
    assert field(page, "x_t") > 0.3
    assert field(page, "t") > 5


def test_dragging_the_feet_of_the_bells(shown: Callable[..., Visit]) -> None:
    page = shown()
    page.widget.locator(".bells svg").scroll_into_view_if_needed()
    for foot, symbol, other in ((".foot-jump", "x_0", "x_t"), (".foot-step", "x_t", "x_0")):
        before, kept = field(page, symbol), field(page, other)
        x, y = centre(page, foot)
        drag(page, (x, y), (x + 30, y))
        assert field(page, symbol) > before + 0.1
        assert field(page, other) == kept
    # the bell's foot stands where the pointer left it: its centre is √ᾱ_{t−1}·x_0
    schedule = schedules.cosine(10)
    numbers = page.numbers()
    assert number(numbers["centre seen from x_0"]) == pytest.approx(
        schedule.alpha_bar[4] ** 0.5 * field(page, "x_0"), rel=1e-3
    )


def test_dragging_t_along_the_weights(shown: Callable[..., Visit]) -> None:
    page = shown(traits={"kind": "linear", "T": 1000, "t": 100})
    plot = page.widget.locator(".weights svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    drag(page, (box["x"] + 80, box["y"] + 60), (box["x"] + 0.8 * box["width"], box["y"] + 60))
    assert 700 < field(page, "t") < 900


def test_touch(shown: Callable[..., Visit]) -> None:
    """A finger on a mark drags it; a finger elsewhere leaves the figure to scrolling."""
    page = shown(touch=True, width=390)
    page.widget.locator(".chain svg").scroll_into_view_if_needed()
    session = page.context.new_cdp_session(page.page)

    def swipe(x: float, y: float, dy: float) -> None:
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for part in (0.3, 0.6, 1):
            points = [{"x": x, "y": y + part * dy}]
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.settle()

    x, y = centre(page, ".mark-start")
    swipe(x, y, 50)
    moved = field(page, "x_0")
    assert moved < 1
    box = page.widget.locator(".chain svg").bounding_box()
    swipe(box["x"] + 0.8 * box["width"], box["y"] + 12, 30)
    assert (field(page, "x_0"), field(page, "t")) == (moved, 5)


def test_walking_back(shown: Callable[..., Visit]) -> None:
    page = shown()
    page.press("One back")
    assert field(page, "t") == 4
    page.press("Play")
    page.widget.get_by_text("The product is a spike at").wait_for()
    page.widget.get_by_role("button", name="Play", exact=True).wait_for()
    assert field(page, "t") == 1
    page.press("One back")
    assert field(page, "t") == 10
    page.press("far apart")
    page.press("Reset")
    assert [field(page, symbol) for symbol in ("x_0", "x_t", "t", "T")] == [1.5, -0.5, 5, 10]


def test_reset_leads_back_to_what_the_cell_set(shown: Callable[..., Visit]) -> None:
    page = shown("#posterior.t=7", traits={"x_0": 0.5, "x_t": 0.55, "t": 10, "T": 1000, "kind": "linear"})
    assert field(page, "t") == 7
    page.press("coarse steps")
    page.press("Reset")
    assert [field(page, symbol) for symbol in ("x_0", "x_t", "t", "T")] == [0.5, 0.55, 10, 1000]


def test_the_chain_shows_the_part_about_t(shown: Callable[..., Visit]) -> None:
    """At t = 10 of 1000 both marks can be taken hold of."""
    page = shown(traits={"x_0": 0.5, "x_t": 0.55, "t": 10, "T": 1000, "kind": "linear"})
    assert centre(page, ".mark-now")[0] - centre(page, ".mark-start")[0] > 60


def test_positions_worth_seeing(shown: Callable[..., Visit]) -> None:
    page = shown()
    for name, sentence in {
        "as sure as each other": "about equally sure",
        "early": "The step is the surer one",
        "late": "The step is the surer one",
        "far apart": "deviations apart",
        "the last step": "The product is a spike at x_0 = 0.5",
        "coarse steps": "about equally sure",
    }.items():
        page.press(name)
        assert sentence in page.says().replace("x\n0\n", "x_0 ").replace("x0", "x_0")
        assert page.widget.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"


def paths(page: Visit) -> dict[str, str]:
    page.settle()
    found = {}
    for name in ("exact", "step", "jump", "band", "on-start"):
        found[name] = page.widget.locator(f"path.{name}").first.get_attribute("d") or ""
    return found


@pytest.mark.parametrize(
    "traits",
    [
        {"t": 1, "T": 1, "kind": "linear"},
        {"t": 1, "T": 1, "kind": "cosine"},
        {"t": 2, "T": 2, "kind": "cosine", "x_0": 20, "x_t": -20},
        {"t": 1, "x_0": 0, "x_t": 0, "T": 1000, "kind": "linear"},
        {"t": 1000, "T": 1000, "kind": "cosine", "x_0": 20, "x_t": 20},
        {"t": 1000, "T": 1000, "kind": "linear", "x_0": -20, "x_t": 20},
        {"t": 2, "T": 1000, "kind": "linear", "x_0": -20, "x_t": 20},
        {"t": 1000, "T": 5, "kind": "constant", "x_0": 0, "x_t": 0},
    ],
)
def test_extremes_work_and_show_no_broken_number(shown: Callable[..., Visit], traits: dict[str, Any]) -> None:
    page = shown(traits=traits)
    assert page.broken_words() == []
    assert page.says()
    drawn = paths(page)
    assert "NaN" not in str(drawn)
    assert drawn["exact"].startswith("M")  # never an empty figure
    assert drawn["step"].startswith("M")
    frame = page.widget.locator(".bells svg").bounding_box()
    box = page.widget.locator("path.exact").bounding_box()
    assert frame["x"] <= box["x"] + box["width"] / 2 <= frame["x"] + frame["width"]
    assert field(page, "t") <= field(page, "T")


def test_terms_and_figures_light_each_other(shown: Callable[..., Visit]) -> None:
    page = shown(still=True)
    widget = page.widget
    opacity = "element => Number(getComputedStyle(element).opacity)"
    for part, lit, dim in (
        ("step", "path.step", "path.jump"),
        ("jump", "path.jump", "path.step"),
        ("on-start", "path.on-start", "path.on-now"),
        ("mean", ".mean-line", "path.step"),
        ("variance", ".bells .spread", "path.jump"),
        ("x-0", ".chain .grip.part-x-0", ".chain .grip.part-x-t"),
        ("x-t", ".chain .grip.part-x-t", ".chain .grip.part-x-0"),
        ("product", ".product-area", "path.step"),
    ):
        widget.locator(f".term.part-{part}").first.hover()
        page.settle()
        assert widget.get_attribute("data-lit") == part
        assert widget.locator(lit).first.evaluate(opacity) == 1, part
        assert widget.locator(dim).first.evaluate(opacity) < 0.6, part
        assert widget.locator(".hint").inner_text() != ""
    page.page.mouse.move(3, 3)
    widget.locator(".bells .key.part-jump").hover()
    assert widget.get_attribute("data-lit") == "jump"
    ground = "element => getComputedStyle(element).backgroundColor"
    assert widget.locator(".term.part-jump").first.evaluate(ground) != widget.locator(".term.part-step").first.evaluate(
        ground
    )


def test_the_address_follows_and_leads(shown: Callable[..., Visit]) -> None:
    page = shown("#posterior.t=3&posterior.x0=-2")
    assert (field(page, "t"), field(page, "x_0")) == (3, -2)
    page.press("late")
    page.page.wait_for_function("location.hash.includes('posterior.t=500') && location.hash.includes('kind=linear')")
    page.page.evaluate("location.hash = '#posterior.T=6&posterior.kind=cosine'")
    page.page.wait_for_function("[...document.querySelectorAll('.ddpm input.typed')].some(i => i.value === '6')")
    assert (field(page, "T"), field(page, "t")) == (6, 6)


def test_the_figures_fit_a_phone_and_the_dark(shown: Callable[..., Visit]) -> None:
    for options in ({"width": 390}, {"width": 320}, {"dark": True}):
        page = shown(**options)
        assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        outside = page.widget.evaluate(
            """widget => { const frame = widget.getBoundingClientRect();
                return [...widget.querySelectorAll('.term, .operator, button, text, p, label')].filter(e => e.getClientRects().length).filter(e => {
                    const r = e.getBoundingClientRect(); return r.left < frame.left - 2 || r.right > frame.right + 2; }).map(e => e.outerHTML.slice(0, 100)); }"""
        )
        assert outside == []
