"""The widgets' mathematics, run in Chromium from the bundled text, against the package, mpmath and quadrature."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from playwright.sync_api import Page
from scipy.stats import kstest, norm

from ddpm_edu import densities, forward, schedules

EDGES = {count: np.linspace(-3, 3, count + 1) for count in (24, 31, 32, 48)}
rng = np.random.default_rng(20260301)


def starts() -> list[np.ndarray]:
    """Smooth, ragged, comb-like and spiked histograms."""
    spike = np.zeros(32)
    spike[20] = 1
    comb = np.where(np.arange(48) % 5 == 1, 1.0, 0.0)
    middles = (EDGES[32][1:] + EDGES[32][:-1]) / 2
    humps = np.exp(-2 * (middles + 1.3) ** 2) + 1.5 * np.exp(-2 * (middles - 1.4) ** 2)
    return [spike, comb, humps, np.exp(-(middles**2) / 2), rng.random(24), rng.random(31) ** 6]


def kernels() -> list[tuple[float, float, int]]:
    """α, β, t from every regime, with σ > 0 and at least a bar of finite width left."""
    fixed = [(0.99, 0.01, 1), (0.99, 0.01, 400), (0.9, 1.0, 30), (1.0, 0.01, 500), (1.1, 1.5, 60), (0.0, 1.0, 1)]
    fixed += [(0.999, 1e-5, 1), (0.98, 0.2, 1000), (0.5, 0.3, 7), (1.02, 0.001, 3), (0.7, 2.5, 2)]
    drawn = [(1 - 10 ** rng.uniform(-4, -0.3), 10 ** rng.uniform(-4, 0), int(rng.integers(1, 300))) for _ in range(6)]
    return fixed + drawn


def geometric_sum(alpha: float, t: int) -> float:
    return float(t) if alpha == 1 else (1 - alpha**t) / (1 - alpha)


CASES = [(heights, *kernel) for i, heights in enumerate(starts()) for kernel in kernels()[i % 2 :: 2]]


def test_erfc_is_right_to_the_last_digits(mathematics: Page) -> None:
    x = np.concatenate([rng.uniform(-6, 6, 200), rng.uniform(0, 26.5, 200), [0.0, 1e-300, 1e-9, 3.75]])
    found = mathematics.evaluate("x => x.map(M.erfc)", x.tolist())
    with mpmath.workdps(40):
        wanted = [mpmath.erfc(mpmath.mpf(value)) for value in x]
        errors = [abs(mpmath.mpf(f) / w - 1) for f, w in zip(found, wanted, strict=True)]
    assert max(errors) < 2e-15


def test_differences_of_cdfs_do_not_cancel(mathematics: Page) -> None:
    z = rng.uniform(-37, 37, 400)
    h = 10 ** rng.uniform(-12, 1.3, 400)
    found = mathematics.evaluate(
        "([z, h]) => z.map((a, i) => M.normalCdfDifference(a, h[i]))", [z.tolist(), h.tolist()]
    )
    with mpmath.workdps(40):
        wanted = []
        for a, b in zip(z, h, strict=True):
            low, high = mpmath.mpf(a) / mpmath.sqrt(2), (mpmath.mpf(a) + mpmath.mpf(b)) / mpmath.sqrt(2)
            if low + high > 0:  # take both in the tail where they are small
                low, high = -high, -low
            wanted.append((mpmath.erfc(-high) - mpmath.erfc(-low)) / 2)
        errors = [abs(mpmath.mpf(f) / w - 1) for f, w in zip(found, wanted, strict=True) if w > 1e-300]
    assert len(errors) > 350
    assert max(errors) < 1e-12


def test_moments_are_those_of_the_recursion(mathematics: Page) -> None:
    cases = [*kernels(), (0.5, 0.0, 40), (1.0, 0.0, 7), (1.1, 0.3, 1000), (0.0, 0.0, 3), (0.2, 0.7, 0)]
    for alpha, beta, t in cases:
        m = mathematics.evaluate(
            "([a, b, t]) => { const h = M.makeHistogram([...Array(24).keys()]); return [h.mean, h.variance, M.momentsAt(h, a, b, t), M.varianceLimit(h, a, b)]; }",
            [alpha, beta, t],
        )
        start = densities.Histogram(EDGES[24], np.arange(24.0))
        assert m[0] == pytest.approx(start.mean, rel=1e-13)
        assert m[1] == pytest.approx(start.variance, rel=1e-13)
        assert m[2]["variance"] == pytest.approx(forward.variance_path(start.variance, alpha, beta, t)[t], rel=1e-10)
        assert m[2]["mean"] == pytest.approx(alpha ** (t / 2) * start.mean, rel=1e-12)
        if (alpha, beta) != (1.0, 0.0):
            assert m[3] == pytest.approx(forward.variance_limit(alpha, beta), rel=1e-13)


def test_densities_are_the_package_s(mathematics: Page) -> None:
    """To 1e-9 of themselves, and 1e-13 of the highest value."""
    for heights, alpha, beta, t in CASES:
        start = densities.Histogram(EDGES[len(heights)], heights)
        law = start.push(alpha ** (t / 2), beta * geometric_sum(alpha, t))
        width = math.sqrt(law.variance)
        x = law.mean + width * rng.uniform(-6, 6, 40)
        found = mathematics.evaluate(
            "([heights, a, b, t, x]) => { const h = M.makeHistogram(heights); const m = M.momentsAt(h, a, b, t); return x.map(v => M.densityAt(h, m, v)); }",
            [heights.tolist(), alpha, beta, t, x.tolist()],
        )
        wanted = law.pdf(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11 * wanted.max())


def test_drawn_points_lie_on_the_density(mathematics: Page) -> None:
    """The nodes on lattices and around edges, from which curves are drawn, agree with the density at one point."""
    for heights, alpha, beta, t in CASES:
        worst = mathematics.evaluate(
            """([heights, a, b, t]) => {
                const h = M.makeHistogram(heights); const m = M.momentsAt(h, a, b, t);
                if (m.s === 0) return 0;
                const { y, p } = M.smear(h, m.sigma / m.s);
                const top = Math.max(...p);
                return Math.max(...Array.from(y, (v, i) => Math.abs(p[i] - m.s * M.densityAt(h, m, m.s * v)) / top));
            }""",
            [heights.tolist(), alpha, beta, t],
        )
        assert worst < 1e-11


def distances(page: Page, heights: np.ndarray, alpha: float, beta: float, t: int) -> list[float]:
    return page.evaluate(
        """([heights, a, b, t]) => { const h = M.makeHistogram(heights); const m = M.momentsAt(h, a, b, t);
            return [M.totalVariation(h, m), M.klToNormal(h, m), M.totalVariationRoughly(h, m), M.klRoughly(h, m)]; }""",
        [heights.tolist(), alpha, beta, t],
    )


def test_distances_are_the_package_s(mathematics: Page) -> None:
    for heights, alpha, beta, t in CASES:
        law = densities.Histogram(EDGES[len(heights)], heights).push(alpha ** (t / 2), beta * geometric_sum(alpha, t))
        tv, kl, rough_tv, rough_kl = distances(mathematics, heights, alpha, beta, t)
        assert tv == pytest.approx(densities.total_variation(law), abs=1e-9)
        assert kl == pytest.approx(densities.kl(law), rel=1e-8, abs=1e-9)
        assert rough_tv == pytest.approx(tv, rel=0.04, abs=2e-5)
        assert rough_kl == pytest.approx(kl, rel=1e-3, abs=1e-8)


@pytest.mark.parametrize("which", [0, 1, 4])
def test_distances_of_the_histogram_itself(mathematics: Page, which: int) -> None:
    """At t = 0 the density jumps: the distances against mpmath's quadrature between the jumps and the crossings."""
    heights = starts()[which]
    edges = EDGES[len(heights)]
    p = heights / heights.sum() / (edges[1] - edges[0])
    tv, kl, _, _ = distances(mathematics, heights, 0.9, 0.1, 0)
    with mpmath.workdps(30):
        q = lambda x: mpmath.npdf(x)  # noqa: E731
        area = mpmath.ncdf(-3) + mpmath.ncdf(-3)
        divergence = mpmath.mpf(0)
        for height, a, b in zip(p, edges[:-1], edges[1:], strict=True):
            cuts = [mpmath.mpf(a)]
            if 0 < height < 0.398:
                c = mpmath.sqrt(-2 * mpmath.log(mpmath.mpf(height) * mpmath.sqrt(2 * mpmath.pi)))
                cuts += sorted(x for x in (-c, c) if a < x < b)
            cuts.append(mpmath.mpf(b))
            area += mpmath.quad(lambda x, height=height: abs(height - q(x)), cuts)
            if height:
                divergence += mpmath.quad(lambda x, height=height: height * mpmath.log(height / q(x)), cuts)
    assert tv == pytest.approx(float(area / 2), abs=1e-11)
    assert kl == pytest.approx(float(divergence), rel=1e-11)


def test_distances_against_quadrature_at_high_precision(mathematics: Page) -> None:
    """A spike in faint noise, where a coarse grid would step over it: KL by mpmath, about the two edges."""
    heights, alpha, beta, t = starts()[0], 0.99, 1e-4, 3
    s, sigma = mpmath.mpf(alpha) ** (mpmath.mpf(t) / 2), mpmath.sqrt(mpmath.mpf(beta) * geometric_sum(alpha, t))
    a, b = s * EDGES[32][20], s * EDGES[32][21]
    height = 1 / (b - a)

    def integrand(x: Any) -> Any:
        p = height * (mpmath.ncdf((x - a) / sigma) - mpmath.ncdf((x - b) / sigma))
        return p * (mpmath.log(p) + x * x / 2 + mpmath.log(2 * mpmath.pi) / 2)

    with mpmath.workdps(20):
        cuts = [
            a - 9 * sigma,
            a - 3 * sigma,
            a,
            a + 3 * sigma,
            (a + b) / 2,
            b - 3 * sigma,
            b,
            b + 3 * sigma,
            b + 9 * sigma,
        ]
        wanted = mpmath.quad(integrand, cuts, maxdegree=5)
    assert distances(mathematics, heights, alpha, beta, t)[1] == pytest.approx(float(wanted), abs=1e-9)


def test_gaussians_apart(mathematics: Page) -> None:
    for mean, sigma in [(0, 1), (0.3, 1), (0, 2), (0, 0.1), (-2, 0.7), (1e-6, 1), (0, 1 + 1e-9), (0, 1e8), (5, 1e-5)]:
        found = mathematics.evaluate("([m, s]) => M.gaussianTotalVariation(m, s)", [mean, sigma])
        with mpmath.workdps(40):
            m, s = mpmath.mpf(mean), mpmath.mpf(sigma)
            a, b, c = (1 - 1 / s**2) / 2, m / s**2, -(m**2) / (2 * s**2) - mpmath.log(s)
            roots = [-c / b] if a == 0 and b else [] if a == 0 else mpmath.polyroots([a, b, c])
            gaps = sorted(mpmath.ncdf((r - m) / s) - mpmath.ncdf(r) for r in map(mpmath.re, roots))
            wanted = 0 if not gaps else abs(gaps[0]) if len(gaps) == 1 else abs(gaps[1] - gaps[0])
        assert found == pytest.approx(float(wanted), rel=1e-6, abs=1e-15)


def test_a_point_and_an_explosion(mathematics: Page) -> None:
    heights = starts()[2]
    assert distances(mathematics, heights, 0, 0, 3)[0] == 1
    assert mathematics.evaluate(
        "h => M.klToNormal(M.makeHistogram(h), M.momentsAt(M.makeHistogram(h), 0, 0, 3)) === Infinity", heights.tolist()
    )
    tv, kl, rough, _ = distances(mathematics, heights, 2.0, 25.0, 1000)
    assert tv == rough == 1
    assert 1e300 < kl < math.inf
    tv, kl, _, _ = distances(mathematics, heights, 0.1, 0.0, 1000)
    start = densities.Histogram(EDGES[32], heights)
    shape = densities.kl(start) - (start.variance + start.mean**2) / 2
    assert tv == 1
    assert kl == pytest.approx(shape - 500 * math.log(0.1), rel=1e-12)  # KL moves by −log s and the second moment goes


# ------------------------------------------------------------------------------------------------------- particles


def particles(page: Page, alpha: float, beta: float, times: list[int], seed: int = 3) -> list[np.ndarray]:
    found = page.evaluate(
        """([heights, a, b, times, seed]) => { const h = M.makeHistogram(heights); const P = new M.Particles(seed);
            return times.map(t => Array.from(P.at(h, a, b, t))); }""",
        [starts()[2].tolist(), alpha, beta, times, seed],
    )
    return [np.array(x) for x in found]


def test_particles_are_the_same_from_wherever_t_comes(mathematics: Page) -> None:
    there, back, step, straight = particles(mathematics, 0.97, 0.02, [130, 41, 42, 130])
    np.testing.assert_array_equal(there, straight)
    alone = particles(mathematics, 0.97, 0.02, [41])[0]
    np.testing.assert_array_equal(back, alone)
    assert not np.array_equal(alone, particles(mathematics, 0.97, 0.02, [41], seed=4)[0])
    assert not np.array_equal(step, back)


def test_every_step_is_the_kernel(mathematics: Page) -> None:
    """What a step adds, after √α times the last value is taken away, is √β times a standard normal: KS at 1e-4 each."""
    alpha, beta = 0.97, 0.02
    path = particles(mathematics, alpha, beta, list(range(0, 61)))
    steps = [(now - math.sqrt(alpha) * last) / math.sqrt(beta) for last, now in itertools.pairwise(path)]
    assert all(kstest(eps, norm.cdf).pvalue > 1e-4 for eps in steps)
    both = np.array(steps)
    assert abs(np.corrcoef(both)[np.triu_indices(60, 1)]).max() < 5 / math.sqrt(2000)
    assert abs(np.corrcoef(path[0], both.mean(axis=0))[0, 1]) < 5 / math.sqrt(2000)


def test_particles_follow_the_exact_law(mathematics: Page) -> None:
    """KS against the package's cdf, at 1e-4 for each of five times."""
    alpha, beta = 0.99, 0.02
    start = densities.Histogram(EDGES[32], starts()[2])
    times = [0, 1, 30, 200, 1000]
    for t, x in zip(times, particles(mathematics, alpha, beta, times), strict=True):
        law = start if t == 0 else start.push(alpha ** (t / 2), beta * geometric_sum(alpha, t))
        assert kstest(x, law.cdf).pvalue > 1e-4


# ------------------------------------------------------------------------------------------------------- schedules


def schedule_of(page: Page, betas: str) -> dict[str, np.ndarray]:
    found = page.evaluate(
        f"() => {{ const s = M.scheduleOf({betas}); return [s.beta, s.alphaBar, s.noiseShare, s.logSnr, s.rmsStep].map(a => Array.from(a, String)); }}"
    )
    names = ("beta", "alpha_bar", "noise", "log_snr", "rms_step")
    return {
        name: np.array([float(v.replace("Infinity", "inf")) for v in a]) for name, a in zip(names, found, strict=True)
    }


@pytest.mark.parametrize("T", [2, 50, 300, 1000])
def test_schedules_are_the_package_s(mathematics: Page, T: int) -> None:
    pairs = {
        f"M.linearBetas({T})": schedules.linear(T),
        f"M.linearBetas({T}, 0.001, 0.3)": schedules.linear(T, 0.001, 0.3),
        f"M.constantBetas({T}, 0.01)": schedules.constant(T, 0.01),
        f"M.cosineBetas({T})": schedules.cosine(T),
    }
    for text, wanted in pairs.items():
        found = schedule_of(mathematics, text)
        np.testing.assert_allclose(found["beta"], wanted.beta, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(found["alpha_bar"], wanted.alpha_bar, rtol=1e-9)
        np.testing.assert_allclose(found["log_snr"][1:], np.log(wanted.snr[1:]), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found["rms_step"] ** 2, 2 * (1 - np.sqrt(wanted.alpha)), rtol=1e-9, atol=1e-15)


def test_the_lecture_s_numbers(mathematics: Page) -> None:
    """A fixed β against the linear schedule, as the chapter prints them."""
    found = mathematics.evaluate(
        """() => {
            const linear = M.scheduleOf(M.linearBetas(1000)), constant = M.scheduleOf(M.constantBetas(1000, 0.01));
            return [linear.alphaBar[500], M.equalConstant(linear), M.settledFrom(M.varianceAlong(linear, 2)),
                M.settledFrom(M.varianceAlong(constant, 2)), M.scheduleOf(M.linearBetas(300)).alphaBar[300],
                linear.logSnr[1] - linear.logSnr[2], linear.logSnr[499] - linear.logSnr[500]];
        }"""
    )
    wanted = [(0.0786, 4), (0.010067, 6), (674, 0), (459, 0), (0.048, 3), (0.79, 2), (0.011, 3)]
    for value, (printed, digits) in zip(found, wanted, strict=True):
        assert round(value, digits) == printed


def test_drawn_schedules_pass_through_their_points(mathematics: Page) -> None:
    betas = np.array(mathematics.evaluate("() => Array.from(M.drawnBetas(101, [[0, 1e-4], [0.5, 0.01], [1, 0.2]]))"))
    assert betas[[0, 1, 51, 101]] == pytest.approx([0, 1e-4, 0.01, 0.2], rel=1e-12)
    assert np.ptp(np.diff(np.log(betas[1:52]))) < 1e-12
