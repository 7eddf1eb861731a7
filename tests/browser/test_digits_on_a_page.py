"""The trained network in a page of its own: a press draws digits, the reader stops, looks, draws others; and what can fail."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from widget_pages import HOSTILE, Visit, number

from ddpm_edu import diffusion, record, schedules, widgets
from ddpm_edu.widgets import weights

Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def scripts() -> dict[str, str]:
    return weights.scripts()


@pytest.fixture
def opened(visit: Open, harness: Callable[..., Path], scripts: dict[str, str]) -> Open:
    """Opens a page with the widget, its weights beside it."""

    def opened(fragment: str = "", look: dict[str, Any] | None = None, **settings: Any) -> Visit:
        path = harness(widgets.Digits(**{"steps": 3, "count": 4, **settings}))
        folder = path.parent / "_static"
        if not folder.exists():
            folder.mkdir()
            for name, text in scripts.items():
                (folder / name).write_text(text, "utf8")
        return visit(path, fragment, **(look or {}))

    return opened


def press(page: Visit) -> None:
    page.widget.locator("[data-action=sample]").click()


def state(page: Visit) -> str:
    page.settle()
    return page.widget.get_attribute("data-state") or ""


def reach(page: Visit, name: str) -> Visit:
    page.page.wait_for_selector(f".ddpm[data-state={name}]")
    page.settle()
    return page


def drawn(page: Visit) -> Visit:
    """Presses and waits for the end, which may come before the page has said that it draws: a row of digits is added."""
    page.page.evaluate("document.querySelectorAll('.rows li').forEach(row => { row.dataset.seen = ''; })")
    press(page)
    page.page.wait_for_selector(".rows li:not([data-seen])", state="attached")
    return reach(page, "done")


def grid(page: Visit, part: str) -> np.ndarray:
    """The grey values of a square of digits, with the ground between them."""
    width, values = page.widget.locator(f".grid.part-{part} canvas").evaluate(
        """c => [c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0)]"""
    )
    return np.array(values).reshape(-1, width)


def digits(page: Visit, part: str = "x-t") -> np.ndarray:
    """The digits in a square, shape (n, 28, 28)."""
    values = grid(page, part)
    side = values.shape[0] // 29
    return np.stack([values[1 + 29 * r :, 1 + 29 * c :][:28, :28] for r in range(side) for c in range(side)])


def crew(page: Visit) -> int:
    """How many workers one network has on this machine."""
    return page.page.evaluate("Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1))")


def made(page: Visit) -> int:
    return int(number(page.numbers()["steps made"]))


def at_rest(page: Visit) -> int:
    """The steps made, once no more are made; complains when that goes on."""
    for _ in range(10):
        before = made(page)
        page.page.wait_for_timeout(400)
        if made(page) == before:
            return before
    pytest.fail("the walk went on")


def without_workers(page: Visit) -> bool:
    """Whether all workers end within some seconds."""
    for _ in range(50):
        if not page.page.workers:
            return True
        page.page.wait_for_timeout(100)
    return False


# ------------------------------------------------------------------------------------------------------------- the press


def test_a_press_draws_digits(opened: Open) -> None:
    page = opened()
    assert state(page) == "idle"
    assert "Nothing has been drawn yet. A press loads the network, 1.7 MB, and draws 4 digits" in page.says()
    assert "the network is asked 12 times" in page.says()
    drawn(page)
    numbers = page.numbers()
    assert (numbers["steps made"], numbers["t"], numbers["evaluations of the network"]) == ("3", "0", "12")
    assert number(numbers["evaluations a second"]) > 1
    assert re.match(r"4 digits by DDIM with η = 0, in 3 steps: the network was asked 12 times in [\d.]+ s", page.says())
    ends = digits(page)
    assert np.array_equal(ends, digits(page, "x-0"))
    for end in ends:  # ink on black, and none of it at the border
        assert 0.03 < (end > 128).mean() < 0.5
        assert (end < 40).mean() > 0.5
        assert end[0].max() < 90
    assert page.broken_words() == []


def test_what_is_shown_is_what_python_draws(opened: Open, mathematics: Page) -> None:
    """Digit 3 of seed 7 against `diffusion.ddim` with the same weights, as they are in half precision, and noise."""
    page = drawn(opened(seed=7, digit=3, count=1, steps=4, clip=False))
    noise = mathematics.evaluate(
        "() => [...M.denoise(null, null, { seed: 7, number: 2, size: 784, times: [1] }).next().value.x_t]"
    )
    network, config = record.load_run(record.find_run(weights.RUN))
    network.half().float()
    schedule = schedules.linear(config.T, config.beta_1, config.beta_T).to("cpu")
    x_T = torch.tensor(noise).reshape(1, 1, 28, 28)
    with torch.inference_mode():
        chain = list(diffusion.ddim(network, x_T, schedule, 4, clip=False))

    def grey(x: torch.Tensor) -> np.ndarray:
        return np.round(127.5 * (x[0, 0].clip(-1, 1).numpy() + 1))

    assert np.abs(digits(page)[0] - grey(chain[-1].x_t)).max() <= 1
    for k in (0, 1, 3):
        page.slider("k").fill(str(k))
        page.settle()
        assert np.abs(digits(page, "x-0")[0] - grey(chain[k].x_0)).max() <= 1
        assert np.abs(digits(page)[0] - grey([x_T, *(s.x_t for s in chain)][k])).max() <= 1
        assert page.numbers()["t"] == str([1000, 750, 500, 250][k])
        outside = (chain[k].x_0.abs() > 1.05).float().mean().item()
        # two digits are shown, and a pixel may lie on the border
        shown = number(page.numbers()["pixels of x̂_0 outside [−1, 1]"].rstrip(" %"))
        assert shown == pytest.approx(100 * outside, abs=0.6 if outside > 0.1 else 0.2)


def test_the_same_seed_gives_the_same_digits(opened: Open) -> None:
    page = drawn(opened(seed=5))
    first = digits(page)
    drawn(page)
    assert np.array_equal(digits(page), first)
    page.press("New noise")
    drawn(page)
    assert page.numbers()["seed"] == "6"
    assert np.abs(digits(page) - first).max() > 100
    # digit 3 of the four, alone
    page.typed("seed").fill("5")
    page.typed("digit").fill("3")
    page.press("one digit")
    drawn(page)
    assert np.array_equal(digits(page)[0], first[2])
    rows = page.widget.locator(".rows li")
    assert rows.count() == 4
    assert rows.first.inner_text() == "DDIM, η = 0, 3 steps, seed 5"


def test_the_noise_stands_there_before_the_press(opened: Open) -> None:
    """What the walk starts from is shown at once, and nothing moves or is asked for."""
    page = opened()
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))
    page.page.reload()
    page.page.wait_for_selector(".ddpm .says")
    page.settle()
    noise = grid(page, "x-t")
    page.page.wait_for_timeout(300)
    assert np.array_equal(grid(page, "x-t"), noise)
    assert page.page.workers == []
    assert [url for url in asked if "weights" in url] == []
    assert len(np.unique(digits(page, "x-0"))) == 1
    drawn(page)
    assert len([url for url in asked if "weights" in url]) == weights.PIECES + 1
    page.slider("k").press("Home")
    page.settle()
    assert np.array_equal(grid(page, "x-t"), noise)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"eta": 0.75, "clip": False}, {"sampler": "ddim", "steps": 3, "eta": 0.75, "clip": False, "count": 4}),
        ({"sampler": "beta", "seed": 11}, {"sampler": "ancestral", "variance": "beta", "clip": True, "seed": 11}),
        ({"sampler": "beta_tilde"}, {"sampler": "ancestral", "variance": "beta_tilde", "count": 4, "number": 0}),
        ({"count": 1, "digit": 9}, {"sampler": "ddim", "eta": 0, "count": 1, "number": 8, "seed": 1}),
    ],
)
def test_the_settings_reach_the_worker(opened: Open, settings: dict[str, Any], wanted: dict[str, Any]) -> None:
    page = opened(**settings)
    page.page.evaluate(
        """() => { const send = Worker.prototype.postMessage; window.sent = [];
            Worker.prototype.postMessage = function (message, ...rest) { sent.push(message); return send.call(this, message, ...rest); }; }"""
    )
    press(page)
    page.page.wait_for_function("sent.some(message => message.type === 'start')")
    orders = page.page.evaluate("sent.filter(message => message.type === 'start')")
    for name in set(wanted) - {"count", "number"}:
        assert {order[name] for order in orders} == {wanted[name]}
    # several workers share the images
    if "count" in wanted:
        assert sum(order["count"] for order in orders) == wanted["count"]
    if "number" in wanted:
        assert min(order["number"] for order in orders) == wanted["number"]


# ------------------------------------------------------------------------------------------------- stopping and looking


def test_pause_go_on_and_stop(opened: Open) -> None:
    page = opened(sampler="beta", count=1)
    press(page)
    reach(page, "running")  # while the network loads, the bar shows that
    page.page.wait_for_function("document.querySelector('.ddpm progress').value > 0.01")
    page.press("Pause")
    assert state(page) == "paused"
    held = at_rest(page)
    shown = digits(page)
    assert np.array_equal(digits(page), shown)
    assert "Paused: " in page.says()
    # the part of the chain that is there can be looked at
    page.slider("k").press("Home")
    assert page.numbers()["t"] == "1000"
    page.slider("k").press("End")
    assert number(page.numbers()["t"]) >= 1000 - held
    page.press("Go on")
    page.page.wait_for_function("held => document.querySelector('.ddpm progress').value > (held + 5) / 1000", arg=held)
    page.press("Stop")
    assert state(page) == "stopped"
    assert held < at_rest(page) < 1000
    assert "Stopped: " in page.says()
    assert page.broken_words() == []


def test_a_press_while_it_draws_begins_anew_with_one_network(opened: Open) -> None:
    page = opened(sampler="beta_tilde")
    press(page)
    reach(page, "running")
    page.page.wait_for_function("document.querySelector('.ddpm progress').value > 0")
    assert len(page.page.workers) == crew(page)
    page.press("DDIM")
    assert "The controls have been moved since" in page.says()
    press(page)
    press(page)
    reach(page, "done")
    page.page.wait_for_timeout(200)
    assert state(page) == "done"
    assert len(page.page.workers) == crew(page)
    assert page.widget.locator(".rows li").count() == 1
    numbers = page.numbers()
    assert (numbers["steps made"], numbers["evaluations of the network"]) == ("3", "12")
    alone = drawn(opened())
    assert np.array_equal(digits(alone), digits(page))


def test_two_presses_while_it_loads_are_one_network(opened: Open) -> None:
    page = opened()
    page.page.evaluate("const b = document.querySelector('[data-action=sample]'); b.click(); b.click(); b.click();")
    reach(page, "done")
    assert len(page.page.workers) == crew(page)
    assert page.widget.locator(".rows li").count() == 1


#: Presses the button, and stops before the network is there.
STOPPED_AT_ONCE = """async () => { const at = name => document.querySelector(`[data-action=${name}]`); at('sample').click();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done))); at('stop').click(); }"""


def test_stopped_while_it_loads(opened: Open) -> None:
    page = opened()
    page.page.evaluate(STOPPED_AT_ONCE)
    assert state(page) == "idle"
    page.page.wait_for_timeout(600)
    assert state(page) == "idle"
    drawn(page)
    assert len(page.page.workers) == crew(page)


def test_leaving_the_page_ends_the_worker(opened: Open) -> None:
    page = opened(sampler="beta")
    press(page)
    reach(page, "running")
    assert len(page.page.workers) == crew(page)
    page.page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert without_workers(page)
    assert state(page) in ("stopped", "idle")
    # and who comes back can draw
    page.press("DDIM")
    drawn(page)
    assert len(page.page.workers) == crew(page)
    # what has been drawn is what there is when the network is not waited for
    page.page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert state(page) == "done"
    page.page.evaluate(STOPPED_AT_ONCE)
    assert state(page) == "done"
    assert page.says().startswith("4 digits by DDIM")


def test_looking_back_over_the_chain(opened: Open) -> None:
    page = drawn(opened(steps=6))
    assert page.slider("k").get_attribute("aria-valuetext") == "6 of 6, t = 0"
    page.slider("k").press("ArrowLeft")
    assert page.numbers()["t"] == "167"
    assert "Shown is t = 167, after 5 steps" in page.says()
    page.typed("k").fill("2")
    assert page.numbers()["t"] == "667"
    assert page.widget.locator(".equation-name").inner_text() == "the step from t = 667 to s = 500"
    film = page.widget.locator(".strip canvas")
    film.scroll_into_view_if_needed()
    box = film.bounding_box()
    page.page.mouse.click(box["x"] + 4.5 / 7 * box["width"], box["y"] + 5)
    assert page.numbers()["t"] == "333"
    plot = page.widget.locator(".settling svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 5, box["y"] + 60, steps=3)
    page.page.mouse.up()
    assert page.numbers()["t"] == "1000"
    far = number(page.numbers()["x̂_0 to its end, marked digit, rms"])
    ends, seen = {}, {}
    for k in (0, 6):
        page.slider("k").fill(str(k))
        page.settle()
        ends[k], seen[k] = digits(page), digits(page, "x-0")
    assert far == pytest.approx(np.sqrt(((seen[0][0] - ends[6][0]) ** 2).mean()) / 127.5, rel=0.02)
    # another digit is marked by a click on it, and by its slider
    square = page.widget.locator(".grid.part-x-0 canvas")
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    page.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    page.settle()
    assert page.typed("digit").input_value() == "4"
    assert "Step by step, digit 4" in page.widget.inner_text()
    label = page.widget.locator(".strip canvas").get_attribute("aria-label")
    assert label.startswith("Digit 4 at 7 moments from t = 1000 to 0")


def test_the_equation_has_the_numbers_of_the_step(opened: Open) -> None:
    page = drawn(opened(steps=4, eta=0.5, count=1))
    page.typed("k").fill("1")
    page.settle()
    schedule = schedules.linear()
    t, s = 750, 500
    variance = 0.25 * schedule.noise[s] / schedule.noise[t] * (1 - schedule.alpha_bar[t] / schedule.alpha_bar[s])
    shown = [number(text) for text in page.widget.locator(".term:visible .term-value").all_inner_texts() if text]
    assert shown == pytest.approx(
        [
            schedule.noise[t] ** 0.5,
            schedule.alpha_bar[t] ** 0.5,
            schedule.alpha_bar[s] ** 0.5,
            (schedule.noise[s] - variance) ** 0.5,
            variance**0.5,
        ],
        rel=0.006,
    )
    page.page.emulate_media(reduced_motion="reduce")
    opacity = "element => Number(getComputedStyle(element).opacity)"
    page.widget.locator(".term.part-x-0").first.hover()
    page.settle()
    assert page.widget.locator(".grid.part-x-0").evaluate(opacity) == 1
    assert page.widget.locator(".grid.part-x-t").evaluate(opacity) < 0.5


def test_the_things_to_try_set_the_controls(opened: Open) -> None:
    page = opened()
    button = page.widget.locator("[data-action=sample]")
    for name, text in {
        "5 steps": "Draw 16 digits in 5 steps",
        "20 steps": "Draw 16 digits in 20 steps",
        "one digit, every step": "Draw one digit in 1000 steps",
        "fresh noise": "Draw 16 digits in 50 steps",
        "x̂₀ left free": "Draw 16 digits in 20 steps",
    }.items():
        page.press(name)
        assert button.inner_text() == text
        assert page.widget.get_by_role("button", name=name, exact=True).get_attribute("aria-pressed") == "true"
        assert page.widget.locator(".chips", has_text="Try").locator("[aria-pressed=true]").count() == 1
    assert state(page) == "idle"
    assert page.page.workers == []
    page.typed("S").fill("2")
    drawn(page)
    assert "x0 left free, in 2 steps" in page.says()


# ------------------------------------------------------------------------------------------------------------- failures


def test_missing_weights_are_named_and_a_second_try_works(
    opened: Open, scripts: dict[str, str], tmp_path: Path
) -> None:
    page = opened()
    missing = tmp_path / "_static" / "digits-weights-3.js"
    missing.unlink()
    press(page)
    reach(page, "failed")
    alert = page.widget.get_by_role("alert").inner_text()
    assert "could not be loaded" in alert
    assert "digits-weights-3.js is missing" in alert
    assert page.says() == "The digits could not be drawn."
    assert page.page.workers == []
    assert [error for error in page.errors if "ERR_FILE_NOT_FOUND" not in error] == []
    page.errors.clear()
    missing.write_text(scripts[missing.name], "utf8")
    drawn(page)
    assert page.widget.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("delete window.WebAssembly", "it has no WebAssembly"),
        ("delete window.Worker", "it has no workers"),
        ("WebAssembly.validate = () => false", "no WebAssembly with vectors of 128 bits (SIMD)"),
        (
            "window.Worker = class { constructor() { setTimeout(() => this.onerror()); } postMessage() {} terminate() {} }",
            "could not start the network’s worker",
        ),
    ],
    ids=["no WebAssembly", "no Worker", "no SIMD", "a worker that does not start"],
)
def test_a_browser_that_cannot_says_so(opened: Open, spoil: str, message: str) -> None:
    page = opened()
    page.page.evaluate(f"() => {{ {spoil} }}")
    press(page)
    reach(page, "failed")
    assert message in page.widget.get_by_role("alert").inner_text()
    assert page.page.workers == []


def test_a_worker_that_dies_is_replaced_at_the_next_press(opened: Open) -> None:
    page = opened(sampler="beta")
    page.page.evaluate(
        "() => { const Real = Worker; window.Worker = class extends Real { constructor(a) { super(a); window.started = this; } } }"
    )
    press(page)
    reach(page, "running")
    page.page.evaluate("started.onerror(new ErrorEvent('error'))")
    reach(page, "failed")
    assert "worker has stopped working" in page.widget.get_by_role("alert").inner_text()
    assert without_workers(page)
    page.press("DDIM")
    drawn(page)
    assert len(page.page.workers) == crew(page)


# ------------------------------------------------------------------------------------------- who reads, hears and types


LOOKS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"dark": True}, "phone": {"width": 360, "touch": True}}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_looks(opened: Open, look: dict[str, Any]) -> None:
    page = opened(look=look)
    for _ in range(2):  # before and after
        assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.widget.locator("details.numbers").evaluate("details => { details.open = true; }")
        page.page.mouse.move(2, 2)
        found = [v["id"] for v in Axe().run(page.page, options={"preload": False}).response["violations"]]
        assert found == []
        drawn(page)
    small = page.widget.evaluate(
        "w => [...w.querySelectorAll('span, p, label, button, text, th, td')].filter(e => e.textContent.trim() && e.getClientRects().length && parseFloat(getComputedStyle(e).fontSize) < 12 && !e.closest('.symbol, .indexed, .term-symbol')).map(e => e.outerHTML)"
    )
    assert small == []


def test_every_control_has_a_name(opened: Open) -> None:
    page = drawn(opened())
    controls = page.widget.locator("button, input, progress, summary")
    assert controls.count() > 30
    unnamed = controls.evaluate_all(
        """all => all.filter(e => !(e.getAttribute('aria-label') || e.innerText || (e.labels && [...e.labels].map(l => l.innerText).join(''))).trim()).map(e => e.outerHTML)"""
    )
    assert unnamed == []
    for canvas in page.widget.locator("canvas").all():
        assert canvas.get_attribute("role") == "img"
        assert len(canvas.get_attribute("aria-label") or "") > 15


def test_by_keyboard_alone(opened: Open) -> None:
    page = opened()
    reached = set()
    for _ in range(40):
        page.page.keyboard.press("Tab")
        reached.add(page.page.evaluate("document.activeElement.dataset.action || document.activeElement.type"))
        if "sample" in reached:
            break
    page.page.keyboard.press("Enter")
    reach(page, "done")
    assert {"range", "text", "button", "checkbox"} <= reached


def test_what_is_said_aloud_does_not_chatter(opened: Open) -> None:
    page = opened(steps=40)
    page.page.evaluate(
        """() => { window.heard = []; const live = document.querySelector('.ddpm [aria-live]');
            new MutationObserver(() => heard.push(live.textContent)).observe(live, { childList: true, characterData: true, subtree: true }); }"""
    )
    drawn(page)
    page.page.wait_for_function("heard.length >= 3")
    page.page.wait_for_timeout(1000)
    heard = page.page.evaluate("heard")
    assert heard[:2] == ["Loading the network.", "Drawing 4 digits in 40 steps."]
    assert len(heard) == 3
    assert heard[2].startswith("4 digits by DDIM with η = 0, in 40 steps")


def test_with_reduced_motion_the_pictures_follow_twice_a_second(opened: Open) -> None:
    for still in (True, False):
        page = opened(look={"still": still}, sampler="beta", count=1)
        press(page)
        reach(page, "running")
        changes, seconds = page.page.evaluate(
            """async () => {
                let changes = 0;
                const begun = performance.now();
                const made = () => document.querySelector('.ddpm progress').value;
                new MutationObserver(() => { changes += 1; })
                    .observe(document.querySelector('.square .at'), { childList: true, characterData: true, subtree: true });
                for (const first = made(); made() < first + 0.06 || performance.now() < begun + 1100;) await new Promise(done => setTimeout(done, 50));
                return [changes, (performance.now() - begun) / 1000];
            }"""
        )
        page.press("Stop")
        if still:
            assert 1 <= changes <= 2 * seconds + 2
        else:
            assert changes >= 12


# ------------------------------------------------------------------------------------------------ the address and Python


def test_the_address_follows_and_leads(opened: Open) -> None:
    fragment = "#digits.seed=9&digits.steps=2&digits.eta=0.25&digits.n=1&digits.digit=6&digits.step=1&digits.sampler=ddim&digits.clip=no"
    page = opened(fragment)
    drawn(page)
    numbers = page.numbers()
    assert (numbers["seed"], numbers["steps"], numbers["t"]) == ("9", "2", "500")
    assert (page.typed("η").input_value(), page.typed("digit").input_value()) == ("0.25", "6")
    assert page.widget.get_by_role("checkbox").is_checked() is False
    # what a move writes is the same state again
    page.widget.get_by_role("checkbox").click()
    page.widget.get_by_role("checkbox").click()
    page.page.wait_for_function(f"location.hash === '{fragment}'")
    page.page.evaluate("location.hash = '#digits.sampler=beta-tilde&digits.n=16'")
    page.widget.get_by_role("button", name="Draw 16 digits in 1000 steps").wait_for()
    assert page.slider("η").count() == 0


@pytest.mark.parametrize("fragment", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_changes_nothing(opened: Open, fragment: str) -> None:
    hostile = (
        fragment.replace("lab.alpha=5", "lab.n=50")
        .replace("lab.alpha", "lab.steps")
        .replace("lab.beta", "lab.eta")
        .replace("lab.t=", "lab.sampler=")
        .replace("lab.x0", "lab.clip")
        .replace("lab.", "digits.")
    )
    page = opened(hostile, steps=7, eta=0.5)
    assert (page.typed("S").input_value(), page.typed("η").input_value()) == ("7", "0.5")
    assert page.widget.locator("[data-action=sample]").inner_text() == "Draw 4 digits in 7 steps"
    assert page.widget.get_by_role("checkbox").is_checked()
    assert page.broken_words() == []


@pytest.mark.parametrize("sampler", widgets.DIGITS_SAMPLERS)
def test_the_shortest_walks_show_no_broken_number(opened: Open, sampler: str) -> None:
    page = opened(sampler=sampler, steps=1, count=1, eta=1.0)
    press(page)
    if sampler == "ddim":
        reach(page, "done")
        assert "in 1 step: the network was asked once" in page.says()
    else:
        page.page.wait_for_function("document.querySelector('.ddpm progress').value > 0.003")
        page.press("Stop")
    for k in ("Home", "End"):
        page.slider("k").press(k)
        page.numbers()
        assert page.broken_words() == []


def test_python_and_the_page_hold_the_same_limits(mathematics: Page) -> None:
    limits, samplers = mathematics.evaluate("() => [M.DIGITS_LIMITS, M.DIGITS_SAMPLERS]")
    assert {name: tuple(pair) for name, pair in limits.items()} == widgets.DIGITS_LIMITS
    assert tuple(samplers) == widgets.DIGITS_SAMPLERS
    written = {
        "seed": 3,
        "steps": 12,
        "eta": 0.35,
        "count": 7,
        "digit": 2,
        "step": 4,
        "sampler": "beta_tilde",
        "clip": False,
    }
    address = mathematics.evaluate("s => M.writeAddress('', 'digits', M.digitsEntries(s))", written)
    assert mathematics.evaluate("f => M.digitsFrom(f)", address) == written


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", -1, "seed must be a whole number from 0 to 2.14748e+09, but it was -1"),
        ("steps", 0, "steps must be a whole number from 1 to 1000, but it was 0"),
        ("eta", 1.5, "eta must be a number from 0 to 1, but it was 1.5"),
        ("eta", math.nan, "eta must be a number from 0 to 1, but it was nan"),
        ("count", 17, "count must be a whole number from 1 to 16, but it was 17"),
        ("digit", 2.5, "digit must be a whole number from 1 to 16, but it was 2.5"),
        ("sampler", "ancestral", "sampler must be one of 'ddim', 'beta', 'beta_tilde', but it was 'ancestral'"),
    ],
)
def test_a_wrong_trait_is_named(name: str, value: object, message: str) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        widgets.Digits(**{name: value})
    assert str(error.value) == message


def test_a_notebook_s_widget_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page asks for reaches Python, and the answer holds all the weights."""
    widget = widgets.Digits()
    sent: list[tuple[Any, Any]] = []
    monkeypatch.setattr(widgets.Digits, "send", lambda self, content, buffers=None: sent.append((content, buffers)))
    widget._handle_custom_msg({"type": "weights"}, [])
    ((content, buffers),) = sent
    assert content["type"] == "weights"
    assert len(buffers[1]) == 2 * content["description"]["parameters"] > 1e6


# ------------------------------------------------------------------------------------------- what is read from a chain


def test_a_chain_counts_and_measures_as_numpy_does(mathematics: Page) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (4, 2 * 784)).astype(np.float32)
    seen = rng.normal(0, 0.7, (3, 2 * 784)).astype(np.float32)
    greys, guesses, distances, beyond, furthest, known = mathematics.evaluate(
        """([x, seen]) => { const chain = M.makeChain(2, 3); const known = [];
            for (let k = 0; k <= 3; k++) { chain.add(k, 30 - 10 * k, x[k], k ? seen[k - 1] : null); known.push([chain.known, chain.complete]); }
            return [chain.states.map(s => [...s]), chain.guesses.map(s => [...s]), [0, 1].map(i => M.distancesToEnd(chain, i)), chain.beyond, chain.furthest, known]; }""",
        [x.tolist(), seen.tolist()],
    )
    grey = np.floor(127.5 * (np.clip(x.astype(float), -1, 1) + 1) + 0.5)
    grey_seen = np.floor(127.5 * (np.clip(seen.astype(float), -1, 1) + 1) + 0.5)
    assert np.array_equal(greys, grey)
    assert np.array_equal(guesses, [*grey_seen, grey[3]])
    wanted = [
        [np.sqrt(np.mean((row.reshape(2, 784)[i] - grey[3].reshape(2, 784)[i]) ** 2)) / 127.5 for row in guesses_of]
        for i in (0, 1)
        for guesses_of in [[*grey_seen, grey[3]]]
    ]
    np.testing.assert_allclose(distances, wanted, rtol=1e-12)
    np.testing.assert_allclose(beyond, (np.abs(seen) > 1.05).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(furthest, np.abs(seen).max(axis=1), rtol=1e-6)
    assert known == [[-1, False], [0, False], [1, False], [3, True]]
    settled = mathematics.evaluate(
        "() => [M.settledAt([8, 1, 3, 2, 0]), M.settledAt([8, 7, 6, 0]), M.settledAt([0, 0])]"
    )
    assert settled == [3, 3, 0]


@pytest.mark.parametrize(("t", "s"), [(1000, 999), (500, 499), (2, 1), (1, 0), (1000, 800), (40, 0)])
def test_the_shares_of_a_step_are_those_of_the_package(mathematics: Page, t: int, s: int) -> None:
    """A step of the package's own samplers, where the model's answer is known, taken apart by its three inputs."""
    schedule = schedules.linear()

    def shares(sampler: str, eta: float) -> dict[str, float]:
        return mathematics.evaluate(
            "([sampler, eta, t, s]) => M.sharesOfStep(M.scheduleOf(M.linearBetas(1000)), { sampler, eta }, t, s)",
            [sampler, eta, t, s],
        )

    def mean_of(sampler: str, x_0: float, eps: float, eta: float) -> float:
        x_t = np.array([schedule.alpha_bar[t] ** 0.5 * x_0 + schedule.noise[t] ** 0.5 * eps])

        def model(x: np.ndarray, _: object) -> np.ndarray:
            return np.full_like(x, eps)

        if sampler == "ddim":
            rng = NoNoise(np.random.PCG64(0))
            return float(next(diffusion.ddim(model, x_t, schedule, times_of(t, s), eta, rng, False)).x_t[0])
        return float(diffusion.p_sample(model, x_t, t, schedule, NoNoise(np.random.PCG64(0)), sampler, False).x_t[0])

    cases = [("ddim", 0.0), ("ddim", 0.6), ("ddim", 1.0)] + [("beta", 0.0), ("beta_tilde", 0.0)] * (s == t - 1)
    for sampler, eta in cases:
        found = shares(sampler, eta)
        assert found["signal"] == pytest.approx(mean_of(sampler, 1.0, 0.0, eta), rel=1e-9)
        assert found["guess"] == pytest.approx(mean_of(sampler, 0.0, 1.0, eta), rel=1e-9, abs=1e-9)
        if s > 0:
            total = found["signal"] ** 2 + found["guess"] ** 2 + found["fresh"] ** 2
            if sampler != "beta":
                assert total == pytest.approx(1, rel=1e-9)
            else:
                assert found["fresh"] == pytest.approx(schedule.beta[t] ** 0.5, rel=1e-9)
        else:
            assert found["fresh"] == 0


def times_of(t: int, s: int) -> list[int]:
    """The step from t to s as times for `diffusion.ddim`, which leads on to 0."""
    return [t, s] if s > 0 else [t]


class NoNoise(np.random.Generator):
    """Draws zeros, so that what a step adds without noise is seen."""

    def standard_normal(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return np.zeros(size)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bytes": 0}, "A press draws 16 digits"),
        (
            {"state": {"count": 1, "sampler": "beta"}},
            "draws one digit by the ancestral sampler with σ² = β, in 1000 steps",
        ),
        ({"state": {"eta": 0.5, "clip": False}}, "by DDIM with η = 0.5 and x̂_0 left free, in 50 steps"),
        ({"phase": "loading"}, "The network is on its way: 1.7 MB, loaded once for this page."),
        ({"phase": "failed"}, "The digits could not be drawn."),
    ],
)
def test_the_sentence_before_there_is_a_walk(mathematics: Page, change: dict[str, Any], words: str) -> None:
    usual = {"sampler": "ddim", "steps": 50, "eta": 0, "clip": True, "count": 16, "seed": 1}
    now = {"phase": "idle", "bytes": 1_690_000, "run": None, **change, "state": {**usual, **change.get("state", {})}}
    assert words in mathematics.evaluate("now => M.describeDigits(now)", now)


# --------------------------------------------------------------------------------------------------- in the built book


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_in_the_built_book(visit: Open, book: Path, look: dict[str, Any]) -> None:
    """A digit is drawn on the chapter's own page, opened as a file, offline; a figure stands before the widget."""
    page = visit(book / "sampling.html", "#digits.n=1&digits.steps=2", **look)
    assert page.page.workers == []
    drawn(page)
    assert 0.02 < (digits(page) > 128).mean() < 0.5
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside = page.widget.evaluate(
        """widget => { const frame = widget.getBoundingClientRect();
            return [...widget.querySelectorAll('text, p, label, button, figcaption, th, td, canvas, progress')].filter(e => e.getClientRects().length)
                .filter(e => { const r = e.getBoundingClientRect(); return r.left < frame.left - 2 || r.right > frame.right + 2; }).map(e => e.outerHTML.slice(0, 120)); }"""
    )
    assert outside == []
    above = page.page.evaluate(
        """() => { const place = document.querySelector('.ddpm').getBoundingClientRect();
            return [...document.querySelectorAll('article img')].filter(i => i.getBoundingClientRect().top < place.top).length; }"""
    )
    assert above >= 1
    page.page.mouse.move(2, 2)
    page.page.evaluate("scrollTo(0, 0)")
    page.page.wait_for_timeout(600)  # the theme's button that leads back to the top fades out
    violations = Axe().run(page.page, options={"preload": False}).response["violations"]
    theirs = [v for v in violations if v["id"] == "region" and "sidebar" in str(v["nodes"][0]["target"])]
    assert [v["id"] for v in violations if v not in theirs] == []
