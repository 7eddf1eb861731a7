"""Sentences, numbers and addresses: right for every setting, and deaf to nonsense."""

from __future__ import annotations

import itertools
import json
import math
import re

import pytest
from playwright.sync_api import Page
from widget_pages import HOSTILE

from ddpm_edu import widgets


def state_of(page: Page, fragment: str) -> dict[str, object]:
    return page.evaluate("fragment => M.laboratoryFrom(fragment)", fragment)


@pytest.mark.parametrize("fragment", HOSTILE, ids=range(len(HOSTILE)))
def test_nonsense_in_the_address_changes_nothing(mathematics: Page, fragment: str) -> None:
    assert state_of(mathematics, fragment) == {}
    assert mathematics.evaluate("f => M.scheduleFrom(f.replaceAll('lab.', 'schedule.'))", fragment) == {}


def test_a_good_part_beside_nonsense_is_taken(mathematics: Page) -> None:
    assert state_of(mathematics, "#lab.alpha=0.5&lab.beta=oops&lab.t=12.4") == {"alpha": 0.5, "t": 12}


def test_an_address_may_pass_the_slider_but_not_the_limit(mathematics: Page) -> None:
    assert state_of(mathematics, "#lab.alpha=1.9&lab.beta=25") == {"alpha": 1.9, "beta": 25}
    assert state_of(mathematics, "#lab.alpha=2.01&lab.beta=25.1") == {}


def test_coupled_addresses_agree_with_themselves(mathematics: Page) -> None:
    assert state_of(mathematics, "#lab.alpha=0.9&lab.beta=0.7&lab.coupled=1") == {
        "alpha": 0.9,
        "beta": 0.1,
        "coupled": True,
    }
    assert state_of(mathematics, "#lab.alpha=1.1&lab.beta=0.7&lab.coupled=1") == {"alpha": 1.1, "beta": 0.7}


def test_what_is_written_is_read_again(mathematics: Page) -> None:
    heights = [round(k * (31 - k) / 240, 4) for k in range(32)]
    state = {"alpha": 1.003, "beta": 0.02, "t": 77, "histogram": heights, "coupled": False, "joined": True}
    fragment = mathematics.evaluate("state => M.writeAddress('#an-anchor', 'lab', M.laboratoryEntries(state))", state)
    back = state_of(mathematics, fragment)
    top = max(heights)
    assert back.pop("histogram") == pytest.approx([h / top for h in heights], abs=0.5 / 61 + 1e-4)
    state.pop("histogram")
    assert back == state
    both = mathematics.evaluate("f => M.writeAddress(f, 'schedule', [['T', '300']])", fragment)
    assert state_of(mathematics, both)["alpha"] == 1.003
    assert mathematics.evaluate("f => M.scheduleFrom(f)", both) == {"T": 300}
    points = {
        "kind": "drawn",
        "compare": "constant, same end",
        "T": 200,
        "t": 9,
        "beta": 0.01,
        "beta_1": 1e-4,
        "beta_T": 0.5,
        "points": [1e-6, 0.2, 0.999],
        "v_0": 0.3,
    }
    assert (
        mathematics.evaluate("s => M.scheduleFrom(M.writeAddress('', 'schedule', M.scheduleEntries(s)))", points)
        == points
    )


def test_the_limits_are_python_s(mathematics: Page) -> None:
    limits = mathematics.evaluate("() => M.LIMITS")
    for name, pair in widgets.LIMITS.items():
        assert tuple(limits[name]) == pair
    assert mathematics.evaluate("() => [M.KINDS, M.COMPARED]") == [list(widgets.KINDS), list(widgets.COMPARED)]
    assert mathematics.evaluate("heights => M.startNamed(heights)", list(widgets.TWO_HUMPS)) == "two humps"


def test_one_arrow_key_is_one_readable_step(mathematics: Page) -> None:
    """The sliders' stops rise, hold the values that matter, and are finest near α = 1 and β = 0."""
    alphas, betas = mathematics.evaluate("() => [M.ALPHA_STOPS, M.BETA_STOPS]")
    for stops, ends, wanted in [
        (alphas, (0, 1.1), (0.5, 0.9, 0.98, 0.99, 0.999, 1)),
        (betas, (0, 1.5), (0.01, 0.02, 0.1, 0.2, 1)),
    ]:
        assert (stops[0], stops[-1]) == ends
        assert all(low < high for low, high in itertools.pairwise(stops))
        assert set(wanted) <= set(stops)
        assert max(len(repr(stop)) for stop in stops) <= 6
    assert alphas[alphas.index(1) + 1] == pytest.approx(1.0001)
    assert alphas[alphas.index(1) - 1] == pytest.approx(0.9999)
    assert betas[1] == pytest.approx(0.0001)


def test_numbers_read_well(mathematics: Page) -> None:
    pairs = {
        0: "0", 1: "1.00", 0.0123456: "0.0123", 1234.5: "1235", 99999: "1.00×10⁵", 4.5e-6: "4.50×10⁻⁶",
        -3.2: "−3.20", 1e41: "1.00×10⁴¹", 0.9999: "1.00", 9.999e-4: "0.00100",
    }  # fmt: skip
    for value, text in pairs.items():
        assert mathematics.evaluate("x => M.say(x)", value) == text
    assert mathematics.evaluate("() => [M.say(Infinity), M.say(-Infinity), M.say(NaN)]") == ["∞", "−∞", "–"]
    exact = {0.99: "0.99", 0.010067: "0.010067", 0.1 + 0.2: "0.3", 1000: "1000", 1e-6: "1.00×10⁻⁶"}
    for value, text in exact.items():
        assert mathematics.evaluate("x => M.sayExactly(x)", value) == text


ALPHAS = (0, 1e-6, 0.3, 0.9, 0.98, 0.99, 0.999, 0.9999, 1, 1.0001, 1.02, 1.1, 2)
BETAS = (0, 1e-12, 0.0001, 0.01, 0.02, 0.1, 0.7, 1, 1.5, 25)
TIMES = (0, 1, 2, 30, 459, 1000)


def test_the_sentence_is_right_for_every_setting(mathematics: Page) -> None:
    """Each claim that the sentence can make, against what must be true where it stands."""
    settings = list(itertools.product(ALPHAS, BETAS, TIMES))
    found = mathematics.evaluate(
        """settings => { const out = []; for (const name of ['two humps', 'spike', 'standard normal']) {
            const h = M.makeHistogram(M.STARTS[name]);
            for (const [alpha, beta, t] of settings) {
                const m = M.momentsAt(h, alpha, beta, t);
                const still = M.momentsAt(h, alpha, beta, 0);
                const now = { alpha, beta, t, v0: h.variance, m, limit: M.varianceLimit(h, alpha, beta), tv: M.totalVariation(h, m),
                    kl: M.klToNormal(h, m), shape: m.s === 0 && m.sigma === 0 ? 0 : M.shapeDistance(h, m), startShape: M.shapeDistance(h, still) };
                out.push([name, alpha, beta, t, h.variance, m.variance, m.s, now.shape, M.describeLaboratory(now)]);
            } } return JSON.stringify(out); }""",
        settings,
    )
    for name, alpha, beta, t, v_0, v_t, s, shape, said in json.loads(found):
        where = f"{name}, α={alpha}, β={beta}, t={t}: {said}"
        limit = beta / (1 - alpha) if alpha < 1 else math.inf

        def claims(pattern: str, said: str = said) -> bool:
            return re.search(pattern, said) is not None

        assert not claims(r"NaN|undefined|Infinity|null"), where
        assert claims(r"Distance to N\(0, 1\): total variation .+, KL .+\.$"), where
        moving = t > 0 and alpha > 0 and beta > 0
        assert claims("no step has been taken") == (t == 0), where
        assert claims("never settles") == (moving and alpha >= 1), where
        assert claims("in a straight line") == (moving and alpha == 1), where
        assert claims("faster with every step") == (alpha > 1 and beta > 0), where
        assert claims("Because β = 1 − α") == (abs(beta - 1 + alpha) < 1e-9 and 0 < alpha < 1 and beta > 0), where
        if moving and alpha < 1:
            assert claims("That is too wide") == (limit > 1.01), where
            assert claims("That is too narrow") == (limit < 0.99), where
            near = abs(v_t - limit) <= 0.01 * limit
            assert claims("is within 1 % of it now") == near, where
            if not near:
                from_t = int(re.search(r"from t = ([\d,]+)", said)[1].replace(",", ""))
                assert from_t > t, where
                gap = abs(v_0 - limit)
                assert alpha**from_t * gap <= 0.01 * limit * (1 + 1e-6), where
                assert from_t == 1 or alpha ** (from_t - 1) * gap > 0.01 * limit * (1 - 1e-6), where
            assert claims("The steps are coarse") == (beta >= 0.2), where
        if alpha == 0 and t > 0:
            assert claims("forgets x_0"), where
            assert claims(r"exactly N\(0, 1\)") == (beta == 1), where
            assert claims("every value is exactly 0") == (beta == 0), where
            assert claims("too wide") == (beta > 1), where
            assert claims("too narrow") == (0 < beta < 1), where
        if beta == 0 and t > 0 and alpha > 0:
            assert claims("nothing moves") == (alpha == 1), where
            assert claims("shrinks x by") == (alpha < 1), where
            assert claims("stretches x by") == (alpha > 1), where
        if moving:
            assert claims("The start still shows") == (name != "standard normal" and shape >= 0.02), where
            assert claims("By eye the shape is Gaussian") == (name != "standard normal" and shape < 1e-3 and s > 0), (
                where
            )
            assert claims("to the eye, from the start") == (name == "standard normal"), where


def test_the_schedule_s_sentence(mathematics: Page) -> None:
    settings = [
        {"kind": kind, "T": T, "t": t, "beta": 0.01, "beta_1": ends[0], "beta_T": ends[1], "v_0": v_0}
        for kind in ("constant", "linear", "cosine")
        for T in (2, 50, 300, 1000)
        for t in (0, T)
        for ends in ((1e-4, 0.02), (0.02, 1e-4), (0.01, 0.01))
        for v_0 in (0, 1, 2)
    ]
    found = mathematics.evaluate(
        """settings => settings.map(now => {
            const betas = { constant: () => M.constantBetas(now.T, now.beta), linear: () => M.linearBetas(now.T, now.beta_1, now.beta_T), cosine: () => M.cosineBetas(now.T) }[now.kind]();
            const own = M.scheduleOf(betas), variance = M.varianceAlong(own, now.v_0), settled = M.settledFrom(variance);
            return [own.alphaBar[now.T], settled, M.describeSchedule({ ...now, own, variance, settled, other: null })];
        })""",
        settings,
    )
    for now, (end, settled, said) in zip(settings, found, strict=True):
        assert not re.search(r"NaN|undefined|Infinity|null", said)
        assert ("the chain stops before it reaches N(0, 1)" in said) == (end >= 0.02), said
        assert ("next to nothing is left" in said) == (end < 1e-3), said
        assert ("never comes within 1 %" in said) == (settled is None), said
        if now["kind"] == "linear":
            rises = now["beta_T"] - now["beta_1"]
            assert ("rises" in said, "falls" in said, "stays" in said) == (rises > 0, rises < 0, rises == 0)
