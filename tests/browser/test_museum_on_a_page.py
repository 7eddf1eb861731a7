"""The museum and its quiz in pages of their own: every control, every way in, and what must never be seen."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import traitlets
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from widget_pages import HOSTILE, Visit, number

from ddpm_edu import slips, widgets

#: Stands in for exercises.js: keeps what it is told, and can be told in advance.
KEEPER = """kept => {
    window.told = [];
    window.ddpmProgress = { get: name => kept[name] || null };
    document.addEventListener('ddpm:progress', ({ detail }) => {
        window.told.push(detail);
        if (detail.state === null) delete kept[detail.name];
        else kept[detail.name] = { ...detail };
    });
}"""


@pytest.fixture
def page(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Visit:
    return walked(visit(harness(widgets.Museum())))


@pytest.fixture
def quiz(visit: Callable[..., Visit], harness: Callable[..., Path]) -> Visit:
    quiz = walked(visit(harness(widgets.Quiz())))
    quiz.page.evaluate(KEEPER, {})
    return quiz


def walked(page: Visit) -> Visit:
    """Waits until all particles have walked."""
    page.settle()
    page.page.wait_for_function(
        "() => { const says = document.querySelector('.says').innerText; return says && !/walking/.test(says); }"
    )
    page.settle()
    return page


def shown(page: Visit) -> dict[str, str]:
    walked(page)
    return page.numbers()


def plain(text: str) -> str:
    """The longest stretch of a text that the page sets as it stands, without symbols."""
    return max(re.split(r"[^A-Za-z ,.]", text), key=len)


def test_the_first_exhibit_says_what_the_package_says(page: Visit) -> None:
    """Mean, spread, share beyond ±1 and distance of 4,000 particles in the page and in Python, at five standard errors."""
    numbers = shown(page)
    x = slips.walk(slips.BY_NAME["no-root"], 4000, np.random.default_rng(2))[0]
    right = slips.walk(slips.RIGHT, 4000, np.random.default_rng(2))[0]
    assert number(numbers["mean"]) == pytest.approx(x.mean(), abs=5 * x.std() * math.sqrt(2 / 4000))
    assert number(numbers["standard deviation"]) == pytest.approx(x.std(), rel=0.4)
    distance = number(numbers["total variation to the law it ought to have"])
    assert distance == pytest.approx(slips.distance(x), abs=0.02)
    assert number(numbers["the same without the slip"]) == pytest.approx(slips.distance(right), abs=0.03)
    assert number(numbers["mean as it ought to be"]) == pytest.approx(slips.PIXEL.mean, abs=0.001)
    assert "At the end, after 100 steps, the 4000 particles have mean" in page.says()
    code = page.widget.locator(".code-pair")
    assert code.locator(".wrong").inner_text() == slips.BY_NAME["no-root"].wrong
    assert code.locator(".right").inner_text() == slips.BY_NAME["no-root"].right
    assert code.locator("del").inner_text() == "beta[t]"
    assert code.locator("ins").inner_text() == "sqrt(beta[t])"


def test_every_exhibit_can_be_entered(page: Visit) -> None:
    seen, told = set(), set()
    for label in page.widget.locator(".exhibits .chip").all():
        label.click()
        numbers = shown(page)
        assert label.get_attribute("aria-pressed") == "true"
        slip = next(s for s in (slips.RIGHT, *slips.SLIPS) if s.title == numbers["slip"])
        assert numbers["T"] == str(slip.T)
        told.add(slip.name)
        seen.add((numbers["mean"], numbers["standard deviation"]))
        assert page.widget.locator(".code-pair").is_visible() == bool(slip.wrong)
        assert page.widget.locator(".slider:visible").count() == 2 + (slip.strength is not None)
        account = page.widget.inner_text().replace("\u00a0", " ")
        assert plain(slip.why) in account or slip is slips.RIGHT
        ends = number(numbers["total variation to the law it ought to have"])
        floor = number(numbers["the same without the slip"])
        assert ends == floor if slip is slips.RIGHT else ends > floor + 0.03
        assert page.broken_words() == []
    assert told == set(slips.BY_NAME)
    assert len(seen) >= 13


def test_a_strength_matters_and_is_kept_within_limits(page: Visit) -> None:
    page.page.evaluate("location.hash = '#museum.slip=unused-clip'")
    page.page.wait_for_function("document.querySelector('.ddpm .title').innerText.includes('clipped')")
    usual = number(shown(page)["total variation to the law it ought to have"])
    slider = page.slider("δ")
    assert slider.get_attribute("aria-valuetext") == "0.6"
    slider.press("Home")
    none = shown(page)
    assert number(none["total variation to the law it ought to have"]) == pytest.approx(
        number(none["the same without the slip"]), abs=0.02
    )
    assert "does not show in the end" in page.says()
    slider.press("End")
    assert number(shown(page)["total variation to the law it ought to have"]) > usual
    field = page.typed("δ")
    field.fill("7")
    assert "δ is a number from 0 to 1" in page.widget.inner_text()
    field.fill("0.3")
    field.press("Enter")
    assert shown(page)["δ, error of the network in the noisier half"] == "0.3"
    page.page.wait_for_function("location.hash.includes('museum.strength=0.3')")
    page.press("uniform noise in place of normal")
    page.page.wait_for_function("!location.hash.includes('museum.strength')")


def test_play_step_and_reset(page: Visit) -> None:
    t = page.typed("t")
    page.press("Reset")
    assert t.input_value() == "100"
    assert "nothing has happened yet" in page.says()
    page.press("Step")
    assert t.input_value() == "99"
    page.press("Play")
    page.page.wait_for_function("t => Number(t.value) < 90", arg=t.element_handle())
    page.press("Pause")
    stopped = t.input_value()
    page.page.wait_for_timeout(200)
    assert t.input_value() == stopped
    page.press("Play")
    page.page.wait_for_function("t => t.value === '0'", arg=t.element_handle())
    page.widget.get_by_role("button", name="Play", exact=True).wait_for()


@pytest.mark.parametrize("figure", ["ways", "spreads"])
def test_t_by_dragging_on_the_figures(page: Visit, figure: str) -> None:
    plot = page.widget.locator(f".{figure} svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    mouse = page.page.mouse
    middle = (box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    mouse.move(*middle)
    mouse.down()
    mouse.move(middle[0] + 3, middle[1] + 3, steps=3)
    half = number(page.numbers()["t"])
    mouse.move(box["x"] + 2 * box["width"], box["y"] + 2 * box["height"])
    mouse.up()
    assert 35 < half < 65
    assert page.numbers()["t"] == "0"


def test_new_noise_and_the_same_again(page: Visit) -> None:
    before = shown(page)["mean"]
    page.press("New noise")
    assert shown(page)["mean"] != before
    page.page.evaluate("location.hash = '#museum.seed=1'")
    page.page.wait_for_function("location.hash === '#museum.seed=1'")
    assert shown(page)["mean"] == before


def test_the_address_follows_and_leads(page: Visit) -> None:
    page.press("noise at the last step too")
    page.typed("T").fill("50")
    page.typed("T").blur()
    page.page.wait_for_function("location.hash.includes('museum.slip=last-noise&museum.T=50')")
    page.page.evaluate(
        "location.hash = '#museum.slip=time-early&museum.T=60&museum.t=7&museum.strength=2&museum.seed=5'"
    )
    page.page.wait_for_function("document.querySelector('.ddpm .title').innerText.includes('too early')")
    numbers = shown(page)
    assert (numbers["T"], numbers["t"], numbers["seed"], numbers["k, steps too early"]) == ("60", "7", "5", "2")
    page.press("Step")
    assert (page.typed("T").input_value(), page.typed("t").input_value()) == ("60", "6")


def test_hostile_addresses_change_nothing(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    path = harness(widgets.Museum(), widgets.Quiz())
    wanted = {"slip": "variance in place of σ", "T": "100", "seed": "1", "t": "0"}
    names = {"alpha=5": "T=5", "alpha": "T", "beta": "strength", "x0": "slip"}
    fragments = []
    for fragment in HOSTILE:
        for old, new in names.items():
            fragment = fragment.replace(f"lab.{old}", f"lab.{new}")
        fragments.append(fragment.replace("lab.", "museum."))
    page = visit(path, fragments[4])
    for fragment in fragments:
        page.page.evaluate("hash => { location.hash = hash; }", fragment)
        assert page.numbers().items() >= wanted.items(), fragment[:80]
        assert page.broken_words() == []


def test_extremes_show_no_broken_number(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Museum()))
    for name in ("abar-index", "scaled-target", "never-visited", "no-noise"):
        for T, t in ((40, 0), (40, 40), (1000, 500)):
            page.page.evaluate(
                "hash => { location.hash = hash; }", f"#museum.slip={name}&museum.T={T}&museum.t={t}&museum.strength=5"
            )
            page.settle()
            page.numbers()
            assert page.broken_words() == [], (name, T, t)


def test_nothing_is_worked_out_off_screen(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Museum(T=1000)))
    page.page.evaluate(
        "document.querySelector('main').prepend(Object.assign(document.createElement('div'), { style: 'height: 5000px' })), scrollTo(0, 0)"
    )
    page.page.wait_for_timeout(400)
    before = page.numbers()["particles"]
    page.page.wait_for_timeout(500)
    assert page.numbers()["particles"] == before
    page.page.evaluate("document.querySelector('.ddpm').scrollIntoView()")
    page.page.wait_for_timeout(700)
    assert number(page.numbers()["particles"]) > number(before) or number(before) == 4000


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360, "touch": True}], ids=["light", "dark", "phone"])
@pytest.mark.parametrize("kind", ["Museum", "Quiz"])
def test_looks(visit: Callable[..., Visit], harness: Callable[..., Path], look: dict[str, object], kind: str) -> None:
    page = walked(visit(harness(getattr(widgets, kind)()), "#museum.slip=abar-index", **look))
    if kind == "Quiz":
        page.widget.locator("input[type=radio]").first.check()
        page.press("Show which it is")
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.widget.locator("details.numbers").evaluate("details => { details.open = true; }")
    found = Axe().run(page.page, options={"preload": False}).response["violations"]
    assert [(v["id"], [node["html"][:150] for node in v["nodes"]]) for v in found] == []
    small = page.widget.evaluate(
        """w => [...w.querySelectorAll('text, p, label, button, th, td, code')].filter(e => e.getClientRects().length && parseFloat(getComputedStyle(e).fontSize) < 12).length"""
    )
    assert small == 0


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        ("Museum", "T", 39, "T must be a whole number from 40 to 1000, but it was 39"),
        ("Museum", "t", -1, "t must be a whole number from 0 to 1000, but it was -1"),
        ("Museum", "strength", 6, "strength must be a number from 0 to 5, but it was 6"),
        ("Museum", "strength", "1", "strength must be a number from 0 to 5, but it was '1'"),
        ("Museum", "seed", math.nan, "seed must be a whole number from 0 to 2.14748e+09, but it was nan"),
        ("Museum", "slip", "typo", f"slip must be one of {', '.join(map(repr, slips.BY_NAME))}, but it was 'typo'"),
        ("Quiz", "question", 14, "question must be a whole number from 1 to 13, but it was 14"),
        ("Quiz", "seed", -1, "seed must be a whole number from 0 to 2.14748e+09, but it was -1"),
    ],
)
def test_a_wrong_trait_is_named(kind: str, name: str, value: object, message: str) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        getattr(widgets, kind)(**{name: value})
    assert str(error.value) == message


def test_traits_reach_the_page(visit: Callable[..., Visit], harness: Callable[..., Path]) -> None:
    page = visit(harness(widgets.Museum(slip="time-early", T=60, t=30, strength=4, seed=8)))
    numbers = shown(page)
    assert numbers["slip"] == "the time told too early"
    assert (numbers["T"], numbers["t"], numbers["seed"], numbers["k, steps too early"]) == ("60", "30", "8", "4")
    assert widgets.Museum(strength=None).strength is None


# --- the quiz ---


def question(mathematics: Page, seed: int, which: int) -> tuple[str, list[str]]:
    asked = mathematics.evaluate("([s, q]) => M.questionsOf(s)[q - 1]", [seed, which])
    return asked["slip"], [name for name in asked["answers"] if name != asked["slip"]]


def answer(quiz: Visit, name: str) -> None:
    quiz.widget.locator(f"input[value={name}]").check()
    quiz.press("Check")


def verdict(quiz: Visit) -> str:
    quiz.settle()
    return quiz.widget.locator(".outcome").inner_text().replace("\u00a0", " ")


def test_a_wrong_pick_is_drawn_beside_the_symptom(quiz: Visit, mathematics: Page) -> None:
    slip, wrong = question(mathematics, 1, 1)
    assert quiz.widget.get_by_role("button", name="Check").is_disabled()
    answer(quiz, wrong[0])
    other = quiz.widget.locator(".counts path.other-slip")
    quiz.page.wait_for_function("document.querySelector('.counts path.other-slip').getAttribute('d').length > 100")
    drawn = other.get_attribute("d")
    text = verdict(quiz)
    assert text.startswith("No. Look again")
    assert "would have looked otherwise." in text
    assert plain(slips.BY_NAME[wrong[0]].seen) in text
    assert not quiz.widget.locator(".code-pair").is_visible()
    answer(quiz, wrong[1])
    quiz.page.wait_for_function(
        "d => document.querySelector('.counts path.other-slip').getAttribute('d') !== d", arg=drawn
    )
    answer(quiz, slip)
    assert verdict(quiz).startswith("Right.")
    assert plain(slips.BY_NAME[slip].why) in verdict(quiz)
    assert quiz.widget.locator(".code-pair .wrong").inner_text() == slips.BY_NAME[slip].wrong
    assert other.get_attribute("d") == ""
    assert "1 of 13 right, 0 of them at the first try" in quiz.widget.inner_text()
    told = quiz.page.evaluate("window.told")
    name = f"museum-{slip}"
    assert told == [
        {"name": name, "kind": "quiz", "state": "tried", "tries": 1, "answer": wrong[0]},
        {"name": name, "kind": "quiz", "state": "tried", "tries": 2, "answer": wrong[1]},
        {"name": name, "kind": "quiz", "state": "right", "tries": 3, "answer": slip},
    ]
    assert all(len(entry["name"]) <= 60 for entry in told)
    # afterwards the others can still be looked at
    quiz.widget.locator(f"input[value={wrong[2]}]").check()
    quiz.page.wait_for_function("document.querySelector('.counts path.other-slip').getAttribute('d').length > 100")
    assert verdict(quiz).startswith("Right.")
    assert quiz.broken_words() == []


def test_showing_counts_as_shown(quiz: Visit, mathematics: Page) -> None:
    slip, _ = question(mathematics, 1, 1)
    quiz.press("Show which it is")
    assert verdict(quiz).startswith("It is this:")
    assert "0 of 13 right; 1 shown; 12 to go." in quiz.widget.inner_text()
    assert quiz.page.evaluate("window.told.at(-1)")["state"] == "shown"
    assert quiz.page.evaluate("window.told.at(-1)")["name"] == f"museum-{slip}"
    assert quiz.widget.locator(".question-row .chip").first.get_attribute("aria-label") == "Question 1, shown"
    for name in ("Check", "Show which it is"):
        assert quiz.widget.get_by_role("button", name=name).is_disabled()


def test_all_symptoms_by_keyboard(quiz: Visit, mathematics: Page) -> None:
    """Every question, answered rightly without a mouse."""
    for which in range(1, 14):
        slip, _ = question(mathematics, 1, which)
        assert f"Symptom {which} of 13" in quiz.widget.inner_text()
        assert "After T = 50 steps" in walked(quiz).says()
        inputs = quiz.widget.locator("input[type=radio]")
        place = inputs.evaluate_all("(all, name) => all.findIndex(i => i.value === name)", slip)
        inputs.first.focus()
        quiz.page.keyboard.press("Space")
        for _ in range(place):
            quiz.page.keyboard.press("ArrowDown")
        quiz.page.keyboard.press("Tab")
        quiz.settle()
        quiz.widget.get_by_role("button", name="Check").focus()
        quiz.page.keyboard.press("Enter")
        assert verdict(quiz).startswith("Right."), slip
        assert quiz.broken_words() == []
        quiz.widget.get_by_role("button", name="Next").focus()
        quiz.page.keyboard.press("Enter")
        quiz.settle()
    assert "13 of 13 right, 13 of them at the first try." in quiz.widget.inner_text()
    assert "Symptom 1 of 13" in quiz.widget.inner_text()
    assert verdict(quiz).startswith("Right.")


def test_starting_again_forgets_and_other_questions_differ(quiz: Visit, mathematics: Page) -> None:
    slip, _ = question(mathematics, 1, 1)
    answer(quiz, slip)
    quiz.press("Start again")
    assert verdict(quiz) == ""
    assert "0 of 13 right." in quiz.widget.inner_text()
    assert quiz.widget.locator("input[type=radio]:checked").count() == 0
    assert quiz.page.evaluate("window.told.filter(e => e.state === null).length") == 13
    before = quiz.widget.locator("input[type=radio]").evaluate_all("all => all.map(i => i.value)")
    says = walked(quiz).says()
    quiz.press("Other questions")
    assert walked(quiz).says() != says
    assert quiz.widget.locator("input[type=radio]").evaluate_all("all => all.map(i => i.value)") != before
    quiz.page.wait_for_function("location.hash.includes('quiz.seed=2')")


def test_what_was_kept_comes_back(quiz: Visit, mathematics: Page) -> None:
    (slip, _), (second, wrong) = question(mathematics, 1, 1), question(mathematics, 1, 2)
    quiz.page.evaluate(
        KEEPER,
        {
            f"museum-{slip}": {"kind": "quiz", "state": "right", "tries": 1, "answer": slip},
            f"museum-{second}": {"kind": "quiz", "state": "tried", "tries": 2, "answer": wrong[0]},
        },
    )
    quiz.page.evaluate("document.dispatchEvent(new CustomEvent('ddpm:progress-changed'))")
    assert verdict(quiz).startswith("Right.")
    assert quiz.widget.locator(f"input[value={slip}]").is_checked()
    assert "1 of 13 right, 1 of them at the first try; 12 to go." in quiz.widget.inner_text()
    quiz.press("Next")
    assert verdict(quiz) == ""
    answer(quiz, second)
    assert quiz.page.evaluate("window.told.at(-1)")["tries"] == 3
    quiz.page.evaluate(KEEPER, {})
    quiz.page.evaluate("document.dispatchEvent(new CustomEvent('ddpm:progress-changed'))")
    quiz.settle()
    assert "0 of 13 right." in quiz.widget.inner_text()


def test_the_quiz_s_address(visit: Callable[..., Visit], harness: Callable[..., Path], mathematics: Page) -> None:
    quiz = walked(visit(harness(widgets.Quiz()), "#quiz.question=4&quiz.seed=9"))
    assert "Symptom 4 of 13" in quiz.widget.inner_text()
    slip, wrong = question(mathematics, 9, 4)
    shown = quiz.widget.locator("input[type=radio]").evaluate_all("all => all.map(i => i.value)")
    assert sorted(shown) == sorted([slip, *wrong])
    for fragment in ("#quiz.question=0", "#quiz.question=14&quiz.seed=x", "#quiz.question=<b>"):
        quiz.page.evaluate("hash => { location.hash = hash; }", fragment)
        quiz.settle()
        assert "Symptom 4 of 13" in quiz.widget.inner_text()
