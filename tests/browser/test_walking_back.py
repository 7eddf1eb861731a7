"""The sampler's walks, run in Chromium from the bundled text, against the package's samplers with the same noise."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from scipy import stats

from ddpm_edu import densities, diffusion, schedules

EDGES = np.linspace(-3, 3, 33)
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
HUMPS = np.exp(-2 * (MIDDLES + 1.3) ** 2) + 1.5 * np.exp(-2 * (MIDDLES - 1.4) ** 2)
SPIKE = np.where(np.arange(32) == 22, 1.0, 0.0)
COMB = np.where(np.arange(32) % 5 == 3, 1.0, 0.0)

WALKS = """([heights, kind, T, fresh, seed, particles]) => {
    const plan = M.planWalk(M.makeHistogram(heights), kind, T, fresh);
    const noise = [], walks = [];
    for (let i = 0; i < particles; i++) {
        const z = M.noiseOf(plan, seed, i), walk = new Float64Array(T + 1);
        M.walkBack(plan, z, walk);
        noise.push(Array.from(z)); walks.push(Array.from(walk));
    }
    return [noise, walks, Array.from(plan.schedule.beta)];
}"""


class Recorded(np.random.Generator):
    """A generator that gives out noise drawn elsewhere."""

    def __init__(self, rows: list[np.ndarray]) -> None:
        super().__init__(np.random.PCG64(0))
        self.rows = iter(rows)

    def standard_normal(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return next(self.rows)


def walks(page: Page, heights: np.ndarray, kind: str, T: int, fresh: str, seed: int = 1, particles: int = 8) -> Any:
    noise, found, beta = page.evaluate(WALKS, [heights.tolist(), kind, T, fresh, seed, particles])
    return np.array(noise), np.array(found), schedules.from_betas(np.array(beta)[1:])


def best_model(heights: np.ndarray, schedule: schedules.NoiseSchedule) -> diffusion.Model:
    """ε* = −√(1 − ᾱ_t)·score of the pushed histogram; 1 − ᾱ_t without cancellation."""
    start = densities.Histogram(EDGES, heights)
    noise_share = -np.expm1(np.cumsum(np.log1p(-schedule.beta)))

    def eps_theta(x_t: Any, t: Any) -> Any:
        law = start.push(math.sqrt(schedule.alpha_bar[t[0]]), noise_share[t[0]])
        return -math.sqrt(noise_share[t[0]]) * law.score(x_t)

    return eps_theta


CASES = [
    (name, kind, T, fresh)
    for (name, kind), T in itertools.product(
        itertools.product(("humps", "spike", "comb"), ("linear", "cosine")), (1, 2, 9, 60)
    )
    for fresh in ("beta", "beta_tilde", "none")
]


@pytest.mark.parametrize(("name", "kind", "T", "fresh"), CASES)
def test_walks_are_the_package_s(mathematics: Page, name: str, kind: str, T: int, fresh: str) -> None:
    """`ancestral` or `ddim`, unclipped, with the exact model and the same noise: every x_t of every walk to 1e-9."""
    heights = {"humps": HUMPS, "spike": SPIKE, "comb": COMB}[name]
    noise, found, schedule = walks(mathematics, heights, kind, T, fresh)
    model = best_model(heights, schedule)
    if fresh == "none":
        samples = list(diffusion.ddim(model, noise[:, 0], schedule, steps=T, clip=False))
    else:
        rng = Recorded([noise[:, T - t + 1] for t in range(T, 1, -1)])
        samples = list(diffusion.ancestral(model, noise[:, 0], schedule, rng, fresh, clip=False))
    assert [sample.t for sample in samples] == list(range(T - 1, -1, -1))
    np.testing.assert_array_equal(found[:, T], noise[:, 0])
    for sample in samples:
        np.testing.assert_allclose(found[:, sample.t], sample.x_t, rtol=1e-9, atol=1e-9)


def test_a_long_walk_is_the_package_s(mathematics: Page) -> None:
    noise, found, schedule = walks(mathematics, HUMPS, "linear", 1000, "beta", particles=4)
    rng = Recorded([noise[:, 1000 - t + 1] for t in range(1000, 1, -1)])
    samples = diffusion.ancestral(best_model(HUMPS, schedule), noise[:, 0], schedule, rng, "beta", clip=False)
    for sample in samples:
        np.testing.assert_allclose(found[:, sample.t], sample.x_t, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fresh", ["beta", "none"])
def test_the_numbers_beside_the_equation_are_one_step(mathematics: Page, fresh: str) -> None:
    parts = mathematics.evaluate(
        """([heights, fresh]) => { const plan = M.planWalk(M.makeHistogram(heights), 'cosine', 40, fresh);
            const walk = new Float64Array(41), z = M.noiseOf(plan, 7, 3); M.walkBack(plan, z, walk);
            return [40, 17, 2, 1].map(t => ({ t, x_t: walk[t], next: walk[t - 1], ...M.stepBack(plan, t, walk[t], z[40 - t + 1] || 0) })); }""",
        [HUMPS.tolist(), fresh],
    )
    _, _, schedule = walks(mathematics, HUMPS, "cosine", 40, fresh, particles=1)
    model = best_model(HUMPS, schedule)
    for part in parts:
        x_t, t = np.array([part["x_t"]]), np.array([part["t"]])
        eps = model(x_t, t)
        assert part["eps"] == pytest.approx(eps[0], rel=1e-9, abs=1e-9)
        assert part["guess"] == pytest.approx(
            diffusion.x_0_from_eps(x_t, eps, part["t"], schedule)[0], rel=1e-7, abs=1e-7
        )
        assert part["x"] == pytest.approx(part["next"], rel=1e-9, abs=1e-9)
        if fresh == "beta":
            assert part["mean"] == pytest.approx(
                diffusion.mean_from_eps(x_t, eps, part["t"], schedule)[0], rel=1e-9, abs=1e-9
            )
            assert part["sigma"] == pytest.approx(math.sqrt(schedule.beta[part["t"]]) if part["t"] > 1 else 0)
        else:
            assert part["sigma"] == 0


def test_scores_far_from_the_bars(mathematics: Page) -> None:
    """Where the density underflows, and in the gaps of a comb under faint noise."""
    x = np.concatenate([np.linspace(-4, 4, 61), [-40.0, -9.0, 9.0, 40.0]])
    for heights in (HUMPS, SPIKE, COMB):
        for t in (1, 2, 10, 50, 100):
            found, beta = mathematics.evaluate(
                "([heights, t, x]) => { const plan = M.planWalk(M.makeHistogram(heights), 'linear', 100, 'beta'); return [x.map(v => M.scoreAt(plan, t, v)), Array.from(plan.schedule.beta)]; }",
                [heights.tolist(), t, x.tolist()],
            )
            log_alpha_bar = np.log1p(-np.array(beta[: t + 1])).sum()
            law = densities.Histogram(EDGES, heights).push(math.exp(log_alpha_bar / 2), -math.expm1(log_alpha_bar))
            np.testing.assert_allclose(found, law.score(x), rtol=1e-9, atol=1e-9)


def test_every_schedule_ends_in_noise(mathematics: Page) -> None:
    for kind, T in itertools.product(("linear", "cosine"), (1, 2, 3, 10, 100, 1000)):
        _, _, schedule = walks(mathematics, HUMPS, kind, T, "none", particles=1)
        assert schedule.T == T
        assert 0 < schedule.alpha_bar[T] < 2e-3
    _, _, stretched = walks(mathematics, HUMPS, "linear", 1000, "none", particles=1)
    np.testing.assert_allclose(stretched.beta, schedules.linear(1000).beta, rtol=0.15, atol=2e-5)
    np.testing.assert_allclose(stretched.alpha_bar, schedules.linear(1000).alpha_bar, atol=2e-3)


@pytest.mark.parametrize(("heights", "kind"), [(HUMPS, "linear"), (COMB, "cosine")], ids=["humps", "comb"])
def test_many_steps_end_at_the_histogram(mathematics: Page, heights: np.ndarray, kind: str) -> None:
    """Chi-squared over the bars with 2,000 walks of 300 steps; by chance it fails once in 10,000 runs of another seed."""
    _, found, _ = walks(mathematics, heights, kind, 300, "beta", seed=11, particles=2000)
    masses = densities.Histogram(EDGES, heights).masses
    grouped = np.add.reduceat(masses, range(0, 32, 2))
    counts = np.add.reduceat(np.histogram(found[:, 0], EDGES)[0], range(0, 32, 2))
    full = grouped * 2000 > 5
    expected = np.append(grouped[full], 1 - grouped[full].sum()) * 2000
    observed = np.append(counts[full], 2000 - counts[full].sum())
    kept = expected > 5
    statistic = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(statistic, kept.sum() - 1) > 1e-4


def test_one_step_lands_on_the_mean(mathematics: Page) -> None:
    """E(x_0 | x_1) with ᾱ_1 near 0: close to the mean of the histogram, whatever x_1 is."""
    _, found, _ = walks(mathematics, HUMPS, "linear", 1, "beta", particles=200)
    start = densities.Histogram(EDGES, HUMPS)
    assert np.abs(found[:, 0] - start.mean).max() < 0.08
    assert np.ptp(found[:, 1]) > 4


def test_noise_belongs_to_seed_and_particle(mathematics: Page) -> None:
    first, _, _ = walks(mathematics, HUMPS, "linear", 20, "beta", seed=5, particles=3)
    longer, _, _ = walks(mathematics, COMB, "cosine", 50, "none", seed=5, particles=6)
    np.testing.assert_array_equal(first[:, :20], longer[:3, :20])
    other, _, _ = walks(mathematics, HUMPS, "linear", 20, "beta", seed=6, particles=3)
    assert not np.isin(first, other).any()
    noise, _, _ = walks(mathematics, SPIKE, "linear", 300, "none", particles=40)
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 1e-4


def test_the_floor_is_what_true_draws_give(mathematics: Page) -> None:
    """E|X − np| in closed form against its sum, and the whole against many multinomial draws, at five standard errors."""
    for n, p in [(10, 0.03), (10, 0.5), (100, 0.01), (500, 0.111), (4000, 1e-5), (4000, 0.7), (7, 0.999)]:
        k = np.arange(n + 1)
        wanted = float((np.abs(k - n * p) * stats.binom.pmf(k, n, p)).sum())
        assert mathematics.evaluate("([n, p]) => M.binomialDeviation(n, p)", [n, p]) == pytest.approx(wanted, rel=1e-9)
    masses = densities.Histogram(EDGES, HUMPS).masses
    draws = np.random.default_rng(2).multinomial(500, masses, size=4000)
    distances = np.abs(draws / 500 - masses).sum(axis=1) / 2
    found = mathematics.evaluate("h => M.expectedDistance(M.makeHistogram(h), 500)", HUMPS.tolist())
    assert found == pytest.approx(distances.mean(), abs=5 * distances.std() / math.sqrt(4000))
    spread = mathematics.evaluate("h => M.distanceSpread(M.makeHistogram(h), 500)", HUMPS.tolist())
    assert spread == pytest.approx(distances.std(), rel=0.1)


def test_distances_count_what_lies_beside_the_bars(mathematics: Page) -> None:
    counts = [0] * 32
    counts[22] = 60
    found = mathematics.evaluate("([h, c]) => M.binnedDistance(M.makeHistogram(h), c, 100)", [SPIKE.tolist(), counts])
    assert found == pytest.approx(0.4)
    counts[22], counts[21] = 0, 100
    assert (
        mathematics.evaluate("([h, c]) => M.binnedDistance(M.makeHistogram(h), c, 100)", [SPIKE.tolist(), counts]) == 1
    )
