"""The reverse kernel of the widget, run in Chromium from the bundled text, against the package and mpmath."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from playwright.sync_api import Page

from ddpm_edu import densities, reverse

EDGES = np.linspace(-3, 3, 33)
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
STARTS = {
    "two humps": np.exp(-2 * (MIDDLES + 1.3) ** 2) + 1.5 * np.exp(-2 * (MIDDLES - 1.4) ** 2),
    "spike": np.where(np.arange(32) == 22, 1.0, 0.0),
    "comb": np.where(np.arange(32) % 5 == 3, 1.0, 0.0),
    "ragged": np.random.default_rng(3).random(32) ** 4,
    "normal": np.exp(-(MIDDLES**2) / 2),
}
KERNEL = """([heights, noise, beta, xt, fine]) => {
    const law = M.noisyBars(M.makeHistogram(heights), noise);
    const k = M.reverseKernel(law, beta, xt, fine);
    return { mean: k.mean, variance: k.variance, kl: k.kl, humps: M.humps(k), tweedie: M.tweedie(law, beta, xt) };
}"""


def law_of(heights: np.ndarray, noise: float) -> densities.Histogram:
    return densities.Histogram(math.sqrt(1 - noise) * EDGES, heights, noise)


def kernel(page: Page, heights: np.ndarray, noise: float, beta: float, x_t: float, fine: int = 6) -> dict[str, Any]:
    return page.evaluate(KERNEL, [heights.tolist(), noise, beta, x_t, fine])


def cases() -> list[tuple[str, float, float, float]]:
    rng = np.random.default_rng(20261124)
    noises = [0.0, 1e-3, 0.02, 0.1, 0.5, 0.95]
    drawn = [(name, noise, 10 ** rng.uniform(-4, -0.001), rng.uniform(-4, 4)) for name in STARTS for noise in noises]
    return [*drawn, ("two humps", 0.05, 1.0, 0.3), ("comb", 0.0, 1.0, -2.0), ("ragged", 0.2, 0.3, 12.0)]


@pytest.mark.parametrize(("name", "noise", "beta", "x_t"), cases())
def test_the_kernel_is_the_package_s(mathematics: Page, name: str, noise: float, beta: float, x_t: float) -> None:
    """Moments to 1e-9, the divergence to 2e-6 of itself (and 1e-14 nats); the coarse one of the trace to a hundredth."""
    found = kernel(mathematics, STARTS[name], noise, beta, x_t)
    wanted = reverse.Kernel(law_of(STARTS[name], noise), 1 - beta, beta, x_t)
    kl = wanted.kl_to_gaussian()
    assert found["mean"] == pytest.approx(wanted.mean, abs=1e-9 * math.sqrt(wanted.variance))
    assert found["variance"] == pytest.approx(wanted.variance, rel=1e-9)
    assert found["kl"] == pytest.approx(kl, rel=2e-6, abs=1e-14)
    assert kernel(mathematics, STARTS[name], noise, beta, x_t, 3)["kl"] == pytest.approx(kl, rel=1e-2, abs=1e-12)


def test_the_divergence_against_mpmath_where_it_is_tiny(mathematics: Page) -> None:
    """By sums over evenly spaced points at 40 digits, which converge faster than any power for this integrand."""
    heights, noise = STARTS["two humps"], 0.02
    for beta, x_t in [(1e-4, 0.4), (2e-3, -1.1), (0.02, 1.6)]:
        with mpmath.workdps(40):
            s, sigma, root = (
                mpmath.sqrt(1 - mpmath.mpf(noise)),
                mpmath.sqrt(mpmath.mpf(noise)),
                mpmath.sqrt(1 - mpmath.mpf(beta)),
            )
            edges = [s * (-3 + k * mpmath.mpf(6) / 32) for k in range(33)]

            def log_joint(
                x: Any, beta: float = beta, x_t: float = x_t, edges: Any = edges, sigma: Any = sigma, root: Any = root
            ) -> Any:
                cdfs = [mpmath.ncdf((x - edge) / sigma) for edge in edges]
                density = mpmath.fsum(
                    mpmath.mpf(h) * (a - b) for h, a, b in zip(heights, cdfs[:-1], cdfs[1:], strict=True)
                )
                return mpmath.log(density) - (x_t - root * x) ** 2 / (2 * mpmath.mpf(beta))

            step = mpmath.sqrt(beta) / root / 10
            points = [x_t / root + i * step for i in range(-90, 91)]
            logs = [log_joint(x) for x in points]
            weights = [mpmath.exp(value) * step for value in logs]
            total = mpmath.fsum(weights)
            mean = mpmath.fsum(w * x for w, x in zip(weights, points, strict=True)) / total
            variance = mpmath.fsum(w * (x - mean) ** 2 for w, x in zip(weights, points, strict=True)) / total
            ratios = [
                value - mpmath.log(total) + (x - mean) ** 2 / (2 * variance) + mpmath.log(2 * mpmath.pi * variance) / 2
                for value, x in zip(logs, points, strict=True)
            ]
            kl = mpmath.fsum(w * r for w, r in zip(weights, ratios, strict=True)) / total
        found = kernel(mathematics, heights, noise, beta, x_t)
        assert found["kl"] == pytest.approx(float(kl), rel=1e-6)
        assert found["mean"] == pytest.approx(float(mean), rel=1e-12)
        assert found["variance"] == pytest.approx(float(variance), rel=1e-11)


@pytest.mark.parametrize(("name", "noise"), [("two humps", 0.02), ("comb", 0.1), ("ragged", 0.5), ("spike", 0.0)])
def test_tweedie_is_the_quadrature(mathematics: Page, name: str, noise: float) -> None:
    for beta, x_t in [(1e-4, 0.7), (0.01, 1.2), (0.3, -1.0), (0.9, 2.0), (0.999, 0.1)]:
        found = kernel(mathematics, STARTS[name], noise, beta, x_t)
        assert found["tweedie"]["mean"] == pytest.approx(found["mean"], abs=1e-8 * math.sqrt(found["variance"]))
        assert found["tweedie"]["variance"] == pytest.approx(found["variance"], rel=1e-7)
        score = law_of(STARTS[name], noise).push(math.sqrt(1 - beta), beta)
        assert found["tweedie"]["score"] == pytest.approx(float(score.score(x_t)), rel=1e-9, abs=1e-9)


def test_beta_1_returns_the_law_itself_and_has_no_tweedie(mathematics: Page) -> None:
    start = law_of(STARTS["two humps"], 0.1)
    for x_t in (-3.0, 0.0, 40.0):
        found = kernel(mathematics, STARTS["two humps"], 0.1, 1.0, x_t)
        assert found["mean"] == pytest.approx(start.mean, rel=1e-12)
        assert found["variance"] == pytest.approx(start.variance, rel=1e-12)
        assert found["tweedie"] is None


def test_a_spike_without_noise_is_a_piece_of_one_gaussian(mathematics: Page) -> None:
    """A truncated normal law, whose moments are closed forms."""
    low, high = EDGES[22], EDGES[23]
    for beta, x_t in [(0.5, 0.0), (0.01, 1.25), (0.01, 1.0), (1e-4, 1.3)]:
        centre, width = x_t / math.sqrt(1 - beta), math.sqrt(beta / (1 - beta))
        with mpmath.workdps(60):
            a, b = (mpmath.mpf(low) - centre) / width, (mpmath.mpf(high) - centre) / width
            mass = mpmath.ncdf(b) - mpmath.ncdf(a)
            shift = (mpmath.npdf(a) - mpmath.npdf(b)) / mass
            variance = width**2 * (1 + (a * mpmath.npdf(a) - b * mpmath.npdf(b)) / mass - shift**2)
            mean = centre + width * shift
        found = kernel(mathematics, STARTS["spike"], 0.0, beta, x_t)
        assert found["mean"] == pytest.approx(float(mean), rel=1e-12)
        assert found["variance"] == pytest.approx(float(variance), rel=1e-10)
        assert found["kl"] >= 0


def test_far_out_everything_is_finite(mathematics: Page) -> None:
    for noise in (0.0, 1e-3, 0.5):
        for beta in (1e-6, 1e-4, 0.01, 0.9, 0.999999):
            for x_t in (-50.0, 8.0, 50.0):
                found = kernel(mathematics, STARTS["comb"], noise, beta, x_t)
                numbers = [found["mean"], found["variance"], found["kl"], found["tweedie"]["mean"]]
                assert all(map(math.isfinite, numbers)), (noise, beta, x_t, numbers)
                assert found["variance"] > 0
                if noise == 0:
                    assert -3 <= found["mean"] <= 3


def test_log_densities_and_scores_are_the_package_s(mathematics: Page) -> None:
    x = np.linspace(-5, 5, 81)
    for name, heights in STARTS.items():
        for noise in (1e-3, 0.05, 0.5, 0.99):
            law = law_of(heights, noise)
            found = mathematics.evaluate(
                "([heights, noise, x]) => { const law = M.noisyBars(M.makeHistogram(heights), noise); return x.map(v => { const f = M.scoreOf(law, v); return [M.logDensity(law, v), f.score, f.slope]; }); }",
                [heights.tolist(), noise, x.tolist()],
            )
            log_p, score, slope = np.array(found).T
            np.testing.assert_allclose(log_p, law.log_pdf(x), rtol=1e-11, atol=1e-11, err_msg=name)
            np.testing.assert_allclose(score, law.score(x), rtol=1e-9, atol=1e-9 / math.sqrt(noise), err_msg=name)
            np.testing.assert_allclose(
                slope, law.score_slope(x), rtol=1e-7, atol=1e-8 / noise + 1e-11 * (score**2).max()
            )


def test_one_bar_s_log_density_and_score_against_mpmath(mathematics: Page) -> None:
    """Narrow and wide beside σ, near and 300σ away; the score's slope from mpmath's derivative."""
    rng = np.random.default_rng(5)
    low, high = EDGES[22], EDGES[23]
    for _ in range(150):
        noise = 10 ** rng.uniform(-4, -0.01)
        s, sigma = math.sqrt(1 - noise), math.sqrt(noise)
        x = float(rng.choice([rng.uniform(-3, 3), s * low + sigma * rng.uniform(-300, 300)]))
        log_p, score, slope = mathematics.evaluate(
            "([heights, noise, x]) => { const law = M.noisyBars(M.makeHistogram(heights), noise); const f = M.scoreOf(law, x); return [M.logDensity(law, x), f.score, f.slope]; }",
            [STARTS["spike"].tolist(), noise, x],
        )
        with mpmath.workdps(60):
            a, b = (x - s * mpmath.mpf(high)) / sigma, (x - s * mpmath.mpf(low)) / sigma
            if a + b > 0:
                mass = (mpmath.erfc(a / mpmath.sqrt(2)) - mpmath.erfc(b / mpmath.sqrt(2))) / 2
            else:
                mass = (mpmath.erfc(-b / mpmath.sqrt(2)) - mpmath.erfc(-a / mpmath.sqrt(2))) / 2
            wanted = mpmath.log(mass / (s * (high - low)))
            first = (mpmath.npdf(b) - mpmath.npdf(a)) / (sigma * mass)
            second = (a * mpmath.npdf(a) - b * mpmath.npdf(b)) / (sigma**2 * mass) - first**2
        assert log_p == pytest.approx(float(wanted), rel=1e-12, abs=1e-11)
        assert score == pytest.approx(float(first), rel=1e-11, abs=1e-10 / sigma)
        assert slope == pytest.approx(float(second), rel=1e-9, abs=1e-11 * float(first) ** 2 + 1e-10 / noise)


def test_the_divergence_falls_as_the_cube_of_beta(mathematics: Page) -> None:
    """Halving β divides it by 8 where the law is smooth, and its size is β³ s″² / 12, with s the score of x_t."""
    heights, noise, x_t = STARTS["two humps"], 0.1, 0.6
    kls = [kernel(mathematics, heights, noise, beta, x_t)["kl"] for beta in (4e-4, 2e-4, 1e-4)]
    assert kls[0] / kls[1] == pytest.approx(8, rel=0.01)
    assert kls[1] / kls[2] == pytest.approx(8, rel=0.005)
    h = 1e-3
    law = law_of(heights, noise)
    bend = float(law.score_slope(x_t + h) - law.score_slope(x_t - h)) / (2 * h)
    assert kls[2] == pytest.approx(1e-12 * bend**2 / 12, rel=0.01)


def test_humps_are_counted(mathematics: Page) -> None:
    assert kernel(mathematics, STARTS["two humps"], 0.02, 0.5, 0.2)["humps"] == 2
    assert kernel(mathematics, STARTS["two humps"], 0.02, 0.005, 0.2)["humps"] == 1
    assert kernel(mathematics, STARTS["comb"], 1e-3, 0.95, 0.0)["humps"] == 6
    assert kernel(mathematics, STARTS["normal"], 0.3, 0.9, 1.0)["humps"] == 1
