"""The museum's walks and counts, run in Chromium from the bundled text, against `ddpm_edu.slips` with the same noise."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from scipy.special import ndtr

from ddpm_edu import densities, schedules, slips, widgets

WALKS = """([name, T, strength, without, seed, count]) => {
    const plan = M.planSlip(name, T, strength, without), noise = [], walks = [];
    for (let i = 0; i < count; i++) {
        const z = M.slipNoise(T, seed, i), way = new Float64Array(T + 1);
        M.slipWalk(plan, z, way);
        noise.push(Array.from(z)); walks.push(Array.from(way));
    }
    return [noise, walks];
}"""
NAMES = ["none", *(slip.name for slip in slips.SLIPS)]
QUIZ_T = 50


class Recorded(np.random.Generator):
    """A generator that gives out noise drawn elsewhere; its uniform draws are Φ of that."""

    def __init__(self, rows: list[np.ndarray]) -> None:
        super().__init__(np.random.PCG64(0))
        self.rows = iter(rows)

    def standard_normal(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return next(self.rows)

    def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return ndtr(next(self.rows))


def strengths(slip: slips.Slip) -> list[float | None]:
    if slip.strength is None:
        return [None]
    low, high = slip.strength.low, slip.strength.high
    return [low, slip.strength.usual, 3 if slip.strength.whole else low + 0.617 * (high - low), high]


def walks(page: Page, name: str, T: int, strength: float | None, without: bool, count: int = 6) -> Any:
    noise, found = page.evaluate(WALKS, [name, T, strength or 0, without, 1, count])
    return np.array(noise), np.array(found)


@pytest.mark.parametrize("without", [False, True], ids=["slipped", "rightly"])
@pytest.mark.parametrize("name", NAMES)
def test_walks_are_the_package_s(mathematics: Page, name: str, without: bool) -> None:
    slip = slips.BY_NAME[name]
    for T, strength in itertools.product((40, 77, 150), strengths(slip)):
        noise, found = walks(mathematics, name, T, strength, without)
        draws = Recorded([noise[:, k] for k in range(T + 1)])
        x = slips.walk(slip, 6, draws, T, strength, rightly=without)
        np.testing.assert_allclose(found.T, x, rtol=1e-7, atol=1e-8, err_msg=f"T={T}, strength={strength}")


def test_a_long_walk_is_the_package_s(mathematics: Page) -> None:
    noise, found = walks(mathematics, "rootless-forward", 1000, None, False, 3)
    x = slips.walk(slips.BY_NAME["rootless-forward"], 3, Recorded([noise[:, k] for k in range(1001)]), 1000)
    np.testing.assert_allclose(found.T, x, rtol=1e-7, atol=1e-8)


def test_mixtures_on_random_inputs(mathematics: Page) -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        k = rng.integers(1, 5)
        weights, means, stds = rng.dirichlet(np.ones(k)), rng.normal(size=k), 10 ** rng.uniform(-2, 0.5, k)
        scale, shift, std = rng.uniform(0, 1), rng.normal(), rng.uniform(0.01, 1)
        x = np.concatenate([rng.normal(size=8), [-60.0, 60.0]])
        found = mathematics.evaluate(
            """([law, scale, shift, std, x]) => { const p = M.pushMixture(law, scale, shift, std);
                return { score: x.map(v => M.mixtureScore(p, v)), cdf: x.map(v => M.mixtureCdf(p, v)), ...M.mixtureMoments(p) }; }""",
            [{"weights": list(weights), "means": list(means), "stds": list(stds)}, scale, shift, std, x.tolist()],
        )
        law = densities.Mixture(weights, means, stds).push(scale, std**2)
        np.testing.assert_allclose(found["score"], law.score(x - shift), rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found["cdf"], law.cdf(x - shift), rtol=1e-10, atol=1e-14)
        assert found["mean"] == pytest.approx(law.mean + shift, abs=1e-12)
        assert found["sd"] == pytest.approx(math.sqrt(law.variance), rel=1e-10)


@pytest.mark.parametrize("name", ["last-noise", "abar-index", "kept-range"])
def test_crowds_are_counted_rightly(mathematics: Page, name: str) -> None:
    T, count = 60, 300
    _, x = walks(mathematics, name, T, None, False, count)
    found = mathematics.evaluate(
        """([name, T, count, times]) => { const c = new M.Crowd({ name, T, strength: 0, seed: 1, count, kept: 5 });
            for (let n = 0; n < 1e6 && !c.finished; n++) c.work(0);
            return { done: c.done, ways: c.ways.map(w => Array.from(w)), spreads: Array.from(c.spreads()),
                at: times.map(t => ({ ...c.momentsAt(t), shares: Array.from(c.sharesAt(t)), beside: c.besideAt(t),
                    apart: M.sharesApart(c.sharesAt(t), M.truthAt(T, t).shares) })) }; }""",
        [name, T, count, [0, 1, 30, 60]],
    )
    assert found["done"] == count
    np.testing.assert_allclose(found["ways"], x[:5], rtol=1e-6)
    np.testing.assert_allclose(found["spreads"], x.std(axis=0), rtol=1e-7)
    schedule = slips.stretched(T)
    for t, at in zip((0, 1, 30, 60), found["at"], strict=True):
        assert at["mean"] == pytest.approx(x[:, t].mean(), rel=1e-9)
        assert at["beyond"] == np.mean(np.abs(x[:, t]) > 1)
        np.testing.assert_allclose(at["shares"], np.histogram(x[:, t], slips.BARS)[0] / count, atol=1e-12)
        low, high = at["beside"]
        assert low == np.mean(x[:, t] < slips.BARS[0])
        assert high == pytest.approx(np.mean(x[:, t] > slips.BARS[-1]), abs=1e-12)
        law = slips.PIXEL if t == 0 else slips.PIXEL.push(math.sqrt(schedule.alpha_bar[t]), schedule.noise[t])
        assert at["apart"] == pytest.approx(slips.distance(x[:, t], law), abs=1e-9)


def test_the_truth_is_the_pushed_law(mathematics: Page) -> None:
    for T, t in [(40, 0), (40, 40), (100, 37), (1000, 1)]:
        found = mathematics.evaluate(
            "([T, t]) => { const { shares, ...rest } = M.truthAt(T, t); return { shares: Array.from(shares), spread: M.spreadsOfTruth(T)[t], ...rest }; }",
            [T, t],
        )
        schedule = slips.stretched(T)
        law = slips.PIXEL if t == 0 else slips.PIXEL.push(math.sqrt(schedule.alpha_bar[t]), schedule.noise[t])
        np.testing.assert_allclose(found["shares"], np.diff(law.cdf(slips.BARS)), atol=1e-12)
        assert found["mean"] == pytest.approx(law.mean, rel=1e-9)
        assert found["sd"] == pytest.approx(math.sqrt(law.variance), rel=1e-9)
        assert found["spread"] == pytest.approx(math.sqrt(law.variance), rel=1e-9)
        assert found["beyond"] == pytest.approx(law.cdf(-1) + 1 - law.cdf(1), abs=1e-12)


def test_page_and_package_hold_the_same_museum(mathematics: Page) -> None:
    names, pixel, museum, quiz, steps = mathematics.evaluate(
        "() => [Object.keys(M.HOOKS), M.PIXEL, M.MUSEUM_LIMITS, M.QUIZ_LIMITS, M.QUIZ_T]"
    )
    assert names == NAMES == [exhibit["name"] for exhibit in widgets.exhibits()]
    for name in ("weights", "means", "stds"):
        np.testing.assert_allclose(pixel[name], getattr(slips.PIXEL, name))
    assert {name: tuple(pair) for name, pair in museum.items()} == widgets.MUSEUM_LIMITS
    assert {name: tuple(pair) for name, pair in quiz.items()} == widgets.QUIZ_LIMITS
    assert quiz["question"][1] == len(slips.SLIPS)
    assert steps == QUIZ_T
    assert all(low >= 0 and high <= museum["strength"][1] for s in slips.SLIPS if s.strength for low, high in [(s.strength.low, s.strength.high)])  # fmt: skip
    for T in (40, 60, 1000):
        for name, schedule in (("none", slips.stretched(T)), ("kept-range", schedules.linear(T))):
            found = mathematics.evaluate("([n, T]) => Array.from(M.slipSchedule(n, T).beta)", [name, T])
            np.testing.assert_allclose(found, schedule.beta, rtol=1e-12, atol=1e-15)


def test_addresses_come_back(mathematics: Page) -> None:
    for state in (
        {"slip": "time-early", "T": 77, "t": 5, "seed": 9, "strength": 3},
        {"slip": "none", "T": 40, "t": 0, "seed": 0, "strength": 0.25},
    ):
        written = mathematics.evaluate("s => M.writeAddress('', 'museum', M.museumEntries(s))", state)
        assert mathematics.evaluate("f => M.museumFrom(f)", written) == state
    usual = {"slip": "none", "T": 40, "t": 0, "seed": 0, "strength": None}
    assert "strength" not in mathematics.evaluate("s => M.writeAddress('', 'museum', M.museumEntries(s))", usual)
    state = {"question": 13, "seed": 2**31 - 1}
    written = mathematics.evaluate("s => M.writeAddress('', 'quiz', M.quizEntries(s))", state)
    assert mathematics.evaluate("f => M.quizFrom(f)", written) == state
    wrong = (
        "#museum.slip=toString&museum.T=39&museum.t=-1&museum.seed=x&museum.strength=6&quiz.question=14&quiz.seed=-1"
    )
    assert mathematics.evaluate("f => [M.museumFrom(f), M.quizFrom(f)]", wrong) == [{}, {}]


def test_strengths_are_held_within_limits(mathematics: Page) -> None:
    for exhibit in widgets.exhibits():
        values = mathematics.evaluate("e => [null, -1, 2.4, 99].map(v => M.strengthIn(e, v))", exhibit)
        strength = exhibit["strength"]
        if strength is None:
            assert values == [0, 0, 0, 0]
            continue
        assert (values[0], values[1], values[3]) == (strength["usual"], strength["low"], strength["high"])
        assert values[2] == (2 if strength["whole"] else strength["high"])


def test_what_differs_is_marked(mathematics: Page) -> None:
    for slip in slips.SLIPS:
        differ = 0
        for wrong, right in zip(slip.wrong.split("\n"), slip.right.split("\n"), strict=True):
            one, other = mathematics.evaluate("([w, r]) => M.differenceOf(w, r)", [wrong, right])
            assert ("".join(one), "".join(other)) == (wrong, right)
            assert (one[0], one[2]) == (other[0], other[2])
            assert (one[1] == other[1]) == (wrong == right)
            differ += bool(one[1] and other[1])
        assert differ >= 1, slip.name
    one, other = mathematics.evaluate("() => M.differenceOf('a = f(t)', 'a = f(t - 1)')")
    assert (one[1], other[1]) == ("t", "t - 1")


def test_questions_are_fair(mathematics: Page) -> None:
    """Each slip once, four different answers with the right one among them, in every place; another seed asks otherwise."""
    places, orders, noises = [], set(), set()
    for seed in range(60):
        questions = mathematics.evaluate("s => M.questionsOf(s)", seed)
        assert sorted(q["slip"] for q in questions) == sorted(NAMES[1:])
        for question in questions:
            assert len(set(question["answers"])) == 4
            assert set(question["answers"]) <= set(NAMES[1:])
            places.append(question["answers"].index(question["slip"]))
        orders.add(tuple(q["slip"] for q in questions))
        noises |= {q["noise"] for q in questions}
        assert all(0 <= q["noise"] < 2**31 for q in questions)
    assert len(orders) == 60
    assert len(noises) == 60 * 13
    counts = np.bincount(places, minlength=4)
    expected = len(places) / 4
    assert ((counts - expected) ** 2 / expected).sum() < 21  # χ² with three degrees of freedom: once in 10,000
    assert mathematics.evaluate("s => M.questionsOf(s)", 7) == mathematics.evaluate("s => M.questionsOf(s)", 7)


def test_no_two_symptoms_look_alike(mathematics: Page) -> None:
    """Whatever may stand among the answers to a symptom would look clearly otherwise, other noise set aside.

    Every pair of slips, as the quiz shows them: at least 0.15 apart, and five times as far as the symptom is from itself
    with another seed (the largest of three).
    """
    settings = [[s.name, s.strength_of(None)] for s in slips.SLIPS]
    apart = mathematics.evaluate(
        """([all, T]) => { const walked = (name, strength, seed) => { const c = new M.Crowd({ name, T, strength, seed, count: 4000 }); c.work(Infinity); return c; };
            const first = all.map(([n, s]) => walked(n, s, 1)), others = [2, 3, 4].map(seed => all.map(([n, s]) => walked(n, s, seed)));
            return { noise: first.map((c, i) => Math.max(...others.map(o => M.looksApart(c, o[i])))), pairs: first.map(c => others[0].map(o => M.looksApart(c, o))) }; }""",
        [settings, QUIZ_T],
    )
    pairs, noise = np.array(apart["pairs"]), np.array(apart["noise"])
    np.fill_diagonal(pairs, np.inf)
    for i, row in enumerate(pairs):
        nearest = int(np.argmin(row))
        assert row[nearest] > max(0.15, 5 * noise[i]), (NAMES[1 + i], NAMES[1 + nearest], row[nearest], noise[i])


def test_how_far_two_crowds_look_apart(mathematics: Page) -> None:
    """`looksApart` against its definition, on walks: the total variation, or a third of the greatest log-ratio of spreads."""
    for one, other in [("none", "last-noise"), ("none", "no-noise"), ("abar-index", "scaled-target")]:
        found = mathematics.evaluate(
            """([a, b]) => { const [c, d] = [a, b].map((name, i) => { const c = new M.Crowd({ name, T: 45, strength: 0, seed: 1, count: 200 }); c.work(Infinity); return c; });
                return M.looksApart(c, d); }""",
            [one, other],
        )
        (_, a), (_, b) = (walks(mathematics, name, 45, None, False, 200) for name in (one, other))
        ends = [np.histogram(x[:, 0], np.concatenate([[-np.inf], slips.BARS, [np.inf]]))[0] / 200 for x in (a, b)]
        inside = np.abs(ends[0] - ends[1])[1:-1].sum()
        beside = abs((ends[0] - ends[1])[[0, -1]].sum())
        spread = np.abs(np.log(np.maximum(0.02, a.std(axis=0)) / np.maximum(0.02, b.std(axis=0)))).max()
        assert found == pytest.approx(max((inside + beside) / 2, spread / 3), rel=1e-6)


def test_words_are_right_for_every_setting(mathematics: Page) -> None:
    own = {"mean": -0.8, "sd": 0.0, "beyond": 0.0004, "distance": 0.4}
    other = {"mean": -0.5, "sd": 0.6, "beyond": 0.5, "distance": 0.39}
    truth = {"mean": -0.48, "sd": 0.65, "beyond": 0.0}
    for name, t, given in itertools.product(("none", "no-root"), (0, 30, 50), (own, None)):
        text = mathematics.evaluate(
            "now => M.describeMuseum(now)",
            {"name": name, "T": 50, "t": t, "count": 4000, "own": given, "other": other, "truth": truth},
        )
        assert not set(text.replace("NaN", "\0").replace("undefined", "\0")) & {"\0"}
        assert text.endswith(".")
        if given and name != "none":
            assert "without the slip it is 0.39" in text
            assert ("does not show in the end" in text) == (t == 0)
    assert mathematics.evaluate("() => [0, 0.0004, 0.012, 0.5, 1].map(M.sayShare)") == [
        "0 %",
        "under 0.1 %",
        "1.2 %",
        "50 %",
        "100 %",
    ]
    say = "results => M.describeScore(results)"
    fresh = {"state": None, "tries": 0}
    assert mathematics.evaluate(say, [fresh] * 3) == "0 of 3 right."
    mixed = [{"state": "right", "tries": 1}, {"state": "right", "tries": 2}, {"state": "shown", "tries": 1}, fresh]
    assert mathematics.evaluate(say, mixed) == "2 of 4 right, 1 of them at the first try; 1 shown; 1 to go."
