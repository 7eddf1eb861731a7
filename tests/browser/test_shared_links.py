"""Links that open a widget in a state, with its controls put away; and the laboratory that plays by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from widget_pages import Visit

from ddpm_edu import widgets

Open = Callable[..., Visit]
T = """Number(document.querySelector('.ddpm input.typed[aria-label^="t,"]').value)"""
STATE = "#lab.alpha=1&lab.beta=0.01&lab.t=500"


@pytest.fixture
def opened(visit: Open, harness: Callable[..., Path]) -> Open:
    """Opens a page with one widget at an address."""

    def opened(fragment: str, widget: object | None = None, **look: object) -> Visit:
        return visit(harness(widget or widgets.Laboratory()), fragment, **look)

    return opened


def shown(page: Visit) -> list[str]:
    """The names of all controls that can be seen."""
    controls = page.widget.locator("input:visible, button:visible:not(.term)")
    return [
        control.evaluate("c => c.getAttribute('aria-label') || (c.labels && c.labels[0] || c).textContent.trim()")
        for control in controls.all()
    ]


def test_no_controls(opened: Open) -> None:
    page = opened(f"{STATE}&lab.controls=none")
    assert shown(page) == ["Show the controls"]
    assert float(page.numbers()["variance of x_t"]) == pytest.approx(2 + 500 * 0.01, rel=1e-3)
    assert page.page.locator(".ddpm svg.plot:visible").count() >= 2


def test_some_controls(opened: Open) -> None:
    page = opened(f"{STATE}&lab.controls=t,play")
    assert shown(page) == ["t, steps taken, typed", "t steps taken", "Play", "Step", "Reset", "Show the controls"]
    page.press("Step")
    assert page.numbers()["t"] == "501"
    page.page.wait_for_function("location.hash.includes('lab.t=501')")
    assert "lab.controls=t%2Cplay" in page.page.evaluate("location.hash")


def test_the_controls_come_back(opened: Open) -> None:
    page = opened(f"{STATE}&lab.controls=none")
    page.press("Show the controls")
    assert len(shown(page)) > 15
    assert "Show the controls" not in shown(page)
    page.page.wait_for_function("!location.hash.includes('controls')")
    assert page.page.evaluate("document.activeElement.matches('.ddpm input, .ddpm button')")
    assert page.numbers()["t"] == "500"


def test_a_name_that_no_control_has_keeps_none(opened: Open) -> None:
    assert shown(opened("#lab.controls=<b>,nothing")) == ["Show the controls"]


@pytest.mark.parametrize(
    ("key", "make", "kept", "name"),
    [
        ("schedule", widgets.ScheduleExplorer, "v0", "v0 variance at the start"),
        ("reverse", widgets.Reverse, "noise", "noise before it"),
        ("posterior", widgets.Posterior, "xt", "xt where it is"),
        ("sampler", widgets.Sampler, "play", "Play"),
    ],
)
def test_every_widget_can_put_its_controls_away(opened: Open, key: str, make: type, kept: str, name: str) -> None:
    assert shown(opened(f"#{key}.controls=none", make())) == ["Show the controls"]
    some = shown(opened(f"#{key}.controls={kept}", make()))
    assert any(name in one for one in some)
    assert len(some) <= 6


def test_axe_finds_nothing_without_controls(opened: Open) -> None:
    page = opened(f"{STATE}&lab.controls=none", width=390)
    assert Axe().run(page.page, context=".ddpm").response["violations"] == []


# ------------------------------------------------------------------------------------------------------ playing by itself


def t(page: Visit) -> int:
    return int(page.numbers()["t"])


def test_it_moves_by_itself_until_the_reader_takes_hold(opened: Open) -> None:
    page = opened("", widgets.Laboratory(playing=True, compact=True))
    page.page.wait_for_function(f"{T} > 5")
    assert page.page.evaluate("location.hash") == ""  # nothing of the show is kept
    page.slider("α").press("ArrowRight")
    stopped = t(page)
    page.page.wait_for_timeout(300)
    assert t(page) == stopped
    page.press("Play")
    page.page.wait_for_function(f"{T} > {stopped}")


def test_a_press_on_pause_pauses(opened: Open) -> None:
    page = opened("", widgets.Laboratory(playing=True))
    page.press("Pause")
    stopped = t(page)
    page.page.wait_for_timeout(300)
    assert t(page) == stopped
    assert page.widget.get_by_role("button", name="Play", exact=True).count() == 1


def test_it_rests_where_less_motion_is_asked_for_and_where_a_link_has_set_it(opened: Open) -> None:
    page = opened("", widgets.Laboratory(playing=True), still=True)
    assert t(page) == 200
    assert page.widget.get_by_role("button", name="Play", exact=True).count() == 1
    page = opened("#lab.t=77", widgets.Laboratory(playing=True))
    page.page.wait_for_timeout(200)
    assert t(page) == 77


def test_a_link_leads_to_its_widget(visit: Open, harness: Callable[..., Path]) -> None:
    path = harness(widgets.Laboratory(), widgets.Posterior())
    text = path.read_text("utf8").replace(
        "<h1>", '<p style="height: 3000px"><a href="#posterior.t=3">there</a></p><h1>'
    )
    path.write_text(text, "utf8")
    top = "document.querySelector('[data-address=posterior]').getBoundingClientRect().top"
    assert visit(path).page.evaluate(top) > 1000
    page = visit(path, "#posterior.t=4").page
    page.wait_for_function(f"Math.abs({top}) < 900 && scrollY > 1000")
    page = visit(path).page
    page.get_by_role("link", name="there").click()
    page.wait_for_function("scrollY > 1000")
