"""The widgets in a page of their own: every control by mouse, by key and by touch, and what must never be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from widget_pages import HOST, HOSTILE, Visit, number

from ddpm_edu.widgets import Laboratory, ScheduleExplorer


@pytest.fixture
def laboratory(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Visit:
    return visit(harness(Laboratory()))


def test_ready_made_regimes(laboratory: Visit) -> None:
    wanted = {
        "one jump": ("0", "1", "exactly N(0, 1): all noise, in one jump"),
        "linear growth": ("1", "0.01", "It has grown in a straight line"),
        "explosion": ("1.02", "0.01", "so the variance grows faster with every step"),
        "too wide": ("0.98", "0.2", "That is too wide for N(0, 1)"),
        "smooth": ("0.99", "0.01", "Because β = 1 − α, the variance settles at 1"),
    }
    for name, (alpha, beta, sentence) in wanted.items():
        laboratory.press(name)
        assert sentence in laboratory.says()
        assert (laboratory.typed("α").input_value(), laboratory.typed("β").input_value()) == (alpha, beta)
        assert laboratory.widget.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"
        numbers = laboratory.numbers()
        assert (numbers["α"], numbers["β"]) == (alpha, beta)
    assert "logarithmic" in laboratory.widget.locator(".along .note").inner_text()


def test_an_explosion_is_drawn_on_a_log_axis_and_says_so(
    visit: Callable[..., Visit], harness: Callable[..., Path]
) -> None:
    page = visit(harness(Laboratory(alpha=1.1, beta=1.5, t=1000)))
    assert (
        page.widget.locator(".along .note").inner_text()
        == "The variance axis is logarithmic, and so is that of the distances."
    )
    assert "N(0, 1) is the thin spike" in page.widget.locator(".law .note").inner_text()
    assert number(page.numbers()["variance of x_t"]) > 1e42
    assert page.broken_words() == []


def test_ready_made_starts(laboratory: Visit) -> None:
    seen = set()
    for name in ("comb", "spike", "skewed", "normal", "two humps"):
        laboratory.press(name)
        laboratory.press("Reset")
        seen.add(laboratory.numbers()["variance of x_t"])
    assert len(seen) == 5
    assert number(laboratory.numbers()["variance of x_t"]) == pytest.approx(2, abs=0.01)


def test_play_pause_step_and_reset(laboratory: Visit) -> None:
    t = laboratory.typed("t")
    laboratory.press("Reset")
    assert t.input_value() == "0"
    laboratory.press("Step")
    assert t.input_value() == "1"
    laboratory.press("Play")
    laboratory.page.wait_for_function("t => Number(t.value) > 5", arg=t.element_handle())
    laboratory.press("Pause")
    stopped = t.input_value()
    laboratory.page.wait_for_timeout(200)
    assert t.input_value() == stopped
    laboratory.press("Play")
    laboratory.page.wait_for_function("([t, n]) => Number(t.value) > n", arg=[t.element_handle(), int(stopped)])
    laboratory.press("Reset")
    assert t.input_value() == "0"
    assert laboratory.widget.get_by_role("button", name="Play").count() == 1


def test_play_ends_at_the_end(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(Laboratory(t=990)))
    page.press("Play")
    page.page.wait_for_function("t => t.value === '1000'", arg=page.typed("t").element_handle())
    page.widget.get_by_role("button", name="Play").wait_for()


def test_nothing_moves_by_itself_and_playing_stops_out_of_sight(laboratory: Visit) -> None:
    t = laboratory.typed("t")
    before = t.input_value()
    laboratory.page.wait_for_timeout(300)
    assert t.input_value() == before
    laboratory.press("Play")
    laboratory.page.evaluate(
        "document.querySelector('main').prepend(Object.assign(document.createElement('div'), { style: 'height: 5000px' })), scrollTo(0, 0)"
    )
    laboratory.page.wait_for_timeout(300)
    hidden = t.input_value()
    laboratory.page.wait_for_timeout(300)
    assert t.input_value() == hidden
    laboratory.page.evaluate("document.querySelector('.ddpm').scrollIntoView()")
    laboratory.page.wait_for_function("([t, n]) => t.value !== n", arg=[t.element_handle(), hidden])


def test_reduced_motion_takes_large_steps_without_easing(
    visit: Callable[..., Visit], harness: Callable[..., Path]
) -> None:
    page = visit(harness(Laboratory(t=0)), still=True)
    page.press("Play")
    page.page.wait_for_function("t => Number(t.value) >= 50", arg=page.typed("t").element_handle())
    page.press("Pause")
    assert int(page.typed("t").input_value()) % 25 == 0
    durations = page.widget.evaluate(
        "w => [...w.querySelectorAll('*')].map(e => getComputedStyle(e).transitionDuration)"
    )
    assert set(durations) == {"0s"}


def test_coupling(laboratory: Visit) -> None:
    box = laboratory.widget.get_by_label("keep β = 1 − α")
    laboratory.press("too wide")
    box.check()
    laboratory.settle()
    assert laboratory.typed("β").input_value() == "0.02"
    laboratory.slider("β").press("End")
    laboratory.settle()
    assert (laboratory.typed("α").input_value(), laboratory.typed("β").input_value()) == ("0", "1")
    laboratory.slider("α").press("End")
    laboratory.settle()
    assert (laboratory.typed("α").input_value(), laboratory.typed("β").input_value()) == ("1", "0")
    laboratory.typed("α").fill("0.97")
    laboratory.settle()
    assert laboratory.typed("β").input_value() == "0.03"
    box.uncheck()
    laboratory.slider("α").press("End")
    laboratory.settle()
    assert laboratory.typed("β").input_value() == "0.03"


def test_typed_values(laboratory: Visit) -> None:
    field = laboratory.typed("α")
    field.fill("1,5")  # beyond the slider, with a comma
    assert laboratory.numbers()["α"] == "1.5"
    for nonsense in ("3", "-1", "many", "", "1e99", "NaN"):
        field.fill(nonsense)
        assert field.get_attribute("aria-invalid") == "true"
        assert laboratory.widget.locator(".warning").first.inner_text() == "α is a number from 0 to 2"
        assert laboratory.numbers()["α"] == "1.5"
    field.blur()
    assert field.input_value() == "1.5"
    assert field.get_attribute("aria-invalid") == "false"
    laboratory.typed("t").fill("12.5")
    assert laboratory.typed("t").get_attribute("aria-invalid") == "true"


def test_redrawing_the_start_by_mouse(laboratory: Visit) -> None:
    laboratory.press("Reset")
    before = laboratory.numbers()
    box = laboratory.widget.locator(".start svg").bounding_box()
    mouse = laboratory.page.mouse
    mouse.move(box["x"] + 0.15 * box["width"], box["y"] + 0.3 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=3)
    laboratory.settle()
    during = laboratory.numbers()
    mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"])
    mouse.up()
    after = laboratory.numbers()
    assert before["mean of x_t"] != during["mean of x_t"] != after["mean of x_t"]
    # a fast stroke leaves no bar between two pointer positions out
    values = laboratory.widget.locator(".bars rect").evaluate_all(
        "bars => bars.map(b => Number(b.getAttribute('aria-valuenow')))"
    )
    assert min(values[5:28]) > 30
    assert max(values) == 100
    assert laboratory.broken_words() == []


def test_redrawing_the_start_by_keys(laboratory: Visit) -> None:
    laboratory.press("spike")
    bars = laboratory.widget.locator(".bars rect")
    assert bars.evaluate_all("bars => bars.filter(b => b.tabIndex === 0).length") == 1
    bars.first.focus()
    keyboard = laboratory.page.keyboard
    for _ in range(3):
        keyboard.press("ArrowRight")
    assert (
        laboratory.page.evaluate("document.activeElement.getAttribute('aria-label')")
        == "Bar 4 of 32, x from −2.44 to −2.25"
    )
    for key, wanted in [
        ("End", 100),
        ("ArrowDown", 98),
        ("PageDown", 78),
        ("ArrowUp", 80),
        ("PageUp", 100),
        ("Home", 0),
    ]:
        keyboard.press(key)
        laboratory.settle()
        assert bars.nth(3).get_attribute("aria-valuenow") == str(wanted)
    # the last bar cannot be taken away: something must remain
    laboratory.widget.locator(".bars rect").nth(22).focus()
    keyboard.press("Home")
    laboratory.settle()
    assert bars.nth(22).get_attribute("aria-valuenow") == "100"


def test_redrawing_and_dragging_by_touch(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(Laboratory(t=0)), width=390, touch=True)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    before = page.numbers()["mean of x_t"]
    cdp = page.context.new_cdp_session(page.page)

    def drag(selector: str, points: list[tuple[float, float]]) -> None:
        page.widget.locator(selector).scroll_into_view_if_needed()
        box = page.widget.locator(selector).bounding_box()
        touches = [[{"x": box["x"] + fx * box["width"], "y": box["y"] + fy * box["height"]}] for fx, fy in points]
        cdp.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": touches[0]})
        for touch in touches[1:]:
            cdp.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": touch})
        cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    drag(".start svg", [(0.8, 0.3), (0.9, 0.1), (0.95, 0.2)])
    assert page.numbers()["mean of x_t"] != before
    drag(".along svg", [(0.4, 0.5), (0.5, 0.5), (0.6, 0.5)])
    assert 300 < number(page.numbers()["t"]) < 700


def test_dragging_t_along_the_time_axis(laboratory: Visit) -> None:
    box = laboratory.widget.locator(".along svg").bounding_box()
    mouse = laboratory.page.mouse
    mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 100)
    mouse.down()
    first = laboratory.numbers()["t"]
    mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 150, steps=4)
    second = laboratory.numbers()["t"]
    mouse.move(box["x"] + 3 * box["width"], box["y"] + 150)
    third = laboratory.numbers()["t"]
    mouse.up()
    assert number(first) < number(second) < number(third) == 1000


def test_terms_and_figures_light_each_other(laboratory: Visit) -> None:
    widget = laboratory.widget
    ghost = widget.locator(".ghost-alpha")
    opacity = "element => Number(getComputedStyle(element).opacity)"
    laboratory.page.emulate_media(reduced_motion="reduce")  # no fading to wait for
    assert ghost.evaluate(opacity) == 0
    widget.locator(".term.part-alpha").first.hover()
    laboratory.settle()
    assert widget.get_attribute("data-lit") == "alpha"
    assert ghost.evaluate(opacity) == 1
    assert len(ghost.get_attribute("d")) > 50
    assert widget.locator(".area-beta").evaluate(opacity) < 0.5
    assert "blue area its variance" in widget.locator(".hint").inner_text()
    laboratory.page.mouse.move(5, 5)
    assert widget.get_attribute("data-lit") is None
    # the other way round: from the figure to the term
    widget.locator(".along .key").nth(1).hover()
    assert widget.get_attribute("data-lit") == "beta"
    lit = widget.locator(".term.part-beta").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert lit != widget.locator(".term.part-alpha").first.evaluate("e => getComputedStyle(e).backgroundColor")
    # by keyboard, and pinned by a press
    laboratory.page.mouse.move(5, 5)
    widget.locator(".term.part-epsilon").first.focus()
    assert widget.get_attribute("data-lit") == "epsilon"
    laboratory.page.keyboard.press("Enter")
    laboratory.page.keyboard.press("Tab")
    widget.locator(".chip").first.focus()
    assert widget.get_attribute("data-lit") == "epsilon"


def test_every_term_shows_its_present_value(laboratory: Visit) -> None:
    laboratory.typed("α").fill("0.25")
    laboratory.typed("β").fill("0.09")
    laboratory.typed("t").fill("2")
    laboratory.settle()
    values = laboratory.widget.locator(".term").evaluate_all("terms => terms.map(t => t.getAttribute('aria-label'))")
    # √α, √β; α^{t/2} = 0.25; √(β(1 + α)) = √0.1125
    for wanted in (
        "square root of α: 0.500",
        "square root of β: 0.300",
        "α to the power t/2: 0.250",
        "square root of the noise added in t steps: 0.335",
    ):
        assert wanted in values


@pytest.mark.parametrize("fragment", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_leaves_the_page_as_it_is(
    visit: Callable[..., Visit], harness: Callable[..., Path], fragment: str
) -> None:
    page = visit(harness(Laboratory()), fragment)
    numbers = page.numbers()
    assert (numbers["α"], numbers["β"], numbers["t"]) == ("0.99", "0.01", "200")
    assert page.broken_words() == []


def test_the_address_follows_and_leads(laboratory: Visit) -> None:
    assert laboratory.page.evaluate("location.hash") == ""
    laboratory.press("explosion")
    laboratory.page.wait_for_function("location.hash.includes('lab.alpha=1.02')")
    laboratory.page.evaluate("location.hash = '#lab.alpha=0.5&lab.t=3&lab.x0=comb'")
    laboratory.page.wait_for_function("document.querySelector('.ddpm input.typed').value === '0.5'")
    numbers = laboratory.numbers()
    assert (numbers["α"], numbers["t"]) == ("0.5", "3")
    assert laboratory.widget.get_by_role("button", name="comb").get_attribute("aria-pressed") == "true"


def test_two_widgets_on_a_page_do_not_fight(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(Laboratory(), Laboratory(alpha=0.5, t=3), ScheduleExplorer()), "#lab.alpha=0.9&schedule.T=300")
    first, second, third = (page.page.locator(".ddpm").nth(i) for i in range(3))
    third.locator(".says").wait_for()
    page.settle()
    field = "input.typed"
    assert first.locator(field).first.input_value() == "0.9"
    assert second.locator(field).first.input_value() == "0.5"
    second.get_by_role("button", name="explosion").click()
    page.page.wait_for_timeout(700)
    assert page.page.evaluate("location.hash") == "#lab.alpha=0.9&schedule.T=300"
    first.get_by_role("button", name="smooth").click()
    page.page.wait_for_function("location.hash.includes('lab.alpha=0.99')")
    assert "schedule.T=300" in page.page.evaluate("location.hash")
    ids = page.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_extremes_show_no_broken_number(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(Laboratory()))
    for alpha in ("0", "0.000001", "1", "1.1", "2"):
        for beta in ("0", "1e-12", "1", "25"):
            for t, start in (("0", "comb"), ("1", "spike"), ("1000", "two-humps")):
                page.page.evaluate(
                    "hash => { location.hash = hash; }", f"#lab.alpha={alpha}&lab.beta={beta}&lab.t={t}&lab.x0={start}"
                )
                page.settle()
                page.numbers()
                assert page.broken_words() == [], (alpha, beta, t)


def test_python_and_the_page_move_each_other(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    """The module on a model as a notebook gives it: what is set from outside is drawn, what is dragged is saved."""
    page = visit(harness(Laboratory()))
    result = page.page.evaluate(
        """async () => {
            const script = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]');
            const { state } = Object.values(JSON.parse(script.textContent).state)[0];
            const { default: widget } = await import(URL.createObjectURL(new Blob([state._esm], { type: 'text/javascript' })));
            const calls = {}; let saved = 0;
            const model = { get: n => state[n], set: (n, v) => { state[n] = v; }, save_changes: () => { saved += 1; },
                on: (n, f) => { calls[n] = f; }, off: n => { delete calls[n]; } };
            const el = document.createElement('div'); document.querySelector('main').append(el);
            const drawn = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
            const end = widget.render({ model, el }); await drawn();
            state.alpha = 0.5; calls['change:alpha'](); await drawn();
            const typed = el.querySelector('input.typed').value;
            const range = el.querySelector('input[type=range]');
            range.value = '0'; range.dispatchEvent(new Event('input')); await drawn();
            state.histogram = [1, NaN]; state.beta = NaN; calls['change:histogram'](); await drawn();
            const beta = el.querySelectorAll('input.typed')[1].value;
            end();
            return [typed, state.alpha, saved, beta, Object.keys(calls).length, location.hash];
        }"""
    )
    assert result == ["0.5", 0, 1, "0.01", 0, ""]


def test_the_live_region_waits_until_it_is_quiet(laboratory: Visit) -> None:
    live = laboratory.widget.locator("[aria-live=polite]")
    assert live.text_content() == ""
    for key in ("ArrowRight",) * 6:
        laboratory.slider("α").press(key)
    laboratory.page.wait_for_function("document.querySelector('.ddpm [aria-live=polite]').textContent !== ''")
    assert (
        live.text_content()
        == laboratory.widget.locator(".says").text_content().replace("\u00a0", " ").replace("xt", "x_t")
        or "variance settles" in live.text_content()
    )


# --------------------------------------------------------------------------------------------- the schedule explorer


@pytest.fixture
def explorer(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Visit:
    return visit(harness(ScheduleExplorer()))


def reading(explorer: Visit) -> dict[str, list[str]]:
    explorer.settle()
    rows = explorer.widget.locator(".reading tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    return {name: values for name, *values in rows}


def test_the_lecture_s_comparison_is_what_stands_there_first(explorer: Visit) -> None:
    values = reading(explorer)
    assert values["ᾱ"] == ["0.0786", "0.00657"]
    assert values["within 1 % of 1 from"] == ["674", "459"]
    explorer.press("constant, same end")
    assert reading(explorer)[""] == ["linear", "constant 0.010067"]


def test_every_schedule_and_its_company(explorer: Visit) -> None:
    seen = set()
    for kind in ("constant", "cosine", "draw your own", "linear"):
        explorer.widget.get_by_role("group", name="Schedule").last.get_by_role("button", name=kind, exact=True).click()
        for other in ("nothing", "constant 0.01", "constant, same end"):
            explorer.press(other)
            assert explorer.broken_words() == []
            seen.add((explorer.says(), str(reading(explorer))))
    assert len(seen) == 12


def test_the_sliders_of_a_schedule(explorer: Visit) -> None:
    for index in range(explorer.sliders.count()):
        slider = explorer.sliders.nth(index)
        before = (explorer.says(), str(reading(explorer)))
        slider.press("ArrowRight")
        assert (explorer.says(), str(reading(explorer))) != before


def test_fewer_steps_with_the_same_betas_stop_short(explorer: Visit) -> None:
    explorer.typed("T").fill("300")
    assert "αT = 0.048" in explorer.says().replace("\n", "")
    assert explorer.slider("t").get_attribute("max") == "300"


def test_drawing_a_schedule_by_mouse_and_by_keys(explorer: Visit) -> None:
    explorer.press("draw your own")
    points = explorer.widget.locator(".point")
    assert points.count() == 7
    middle = points.nth(3)
    before = float(middle.get_attribute("aria-valuenow"))
    box = middle.bounding_box()
    mouse = explorer.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"], box["y"] - 25, steps=2)
    mouse.up()
    explorer.settle()
    dragged = float(middle.get_attribute("aria-valuenow"))
    assert dragged > 2 * before
    points.nth(6).focus()
    for key in ("ArrowUp", "PageUp", "PageUp", "PageUp", "PageUp", "PageUp", "PageUp", "PageUp"):
        explorer.page.keyboard.press(key)
    explorer.settle()
    assert points.nth(6).get_attribute("aria-valuenow") == "0.999"
    assert explorer.broken_words() == []
    explorer.page.wait_for_function("/points=[^&]*_0.999(&|$)/.test(location.hash)")  # the address lags behind the hand
    again = re.search(r"points=([^&]+)", explorer.page.evaluate("location.hash"))[1].split("_")
    assert float(again[3]) == pytest.approx(dragged, rel=1e-3)


def test_t_is_shared_by_all_panels(explorer: Visit) -> None:
    panel = explorer.widget.locator("svg.panel").nth(3)
    box = panel.bounding_box()
    before = reading(explorer)
    explorer.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 60)
    hovered = reading(explorer)
    places = explorer.widget.locator("svg.panel .marker").evaluate_all(
        "lines => lines.map(l => (l.getAttribute('x1') - 46) / (l.ownerSVGElement.clientWidth - 58))"
    )
    assert max(places) - min(places) < 0.01
    explorer.page.mouse.move(5, 5)
    assert reading(explorer) == before != hovered
    explorer.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 60)
    explorer.page.mouse.down()
    explorer.page.mouse.up()
    explorer.page.mouse.move(5, 5)
    assert reading(explorer) == hovered


def test_the_host_does_nothing_without_widgets(visit: Callable[..., Visit], tmp_path: Path) -> None:
    path = tmp_path / "plain.html"
    path.write_text(
        f"<!doctype html><title>x</title><body><div class='ddpm'><p class='says'>plain</p></div><script>{HOST.read_text('utf8')}</script>",
        "utf8",
    )
    page = visit(path)
    assert page.page.locator("style, .widget-place").count() == 0
