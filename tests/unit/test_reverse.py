"""The exact step back in one dimension: against 50 digits, closed forms, the posterior, sampling, and the law of β³."""

import dataclasses
import itertools
import math
from functools import cache

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from scipy import stats

from ddpm_edu import bounds, densities, posterior, schedules
from ddpm_edu.densities import Histogram, Mixture
from ddpm_edu.reverse import Kernel, tweedie

from .oracles import assert_mean
from .test_densities import exact_pdf

TWO_HUMPS = Mixture([1, 3], [-2.0, 1.0], [0.3, 0.8])
BARS = Histogram([-2.0, -1.0, -0.5, 1.0, 3.0], [0.5, 2.0, 0.0, 0.25])
BLURRED = Histogram(BARS.edges, BARS.heights, 0.04)
SOFT = Histogram([-1.0, 0.5, 1.5], [1.0, 2.0], 0.04)
ONE_BAR = Histogram([-1.0, 1.0], [1.0])
ALL = [TWO_HUMPS, BLURRED, BARS]
EXPONENTIAL = math.log(2 * math.pi * math.e) / 2 - 1
"""The divergence of an exponential law from the Gaussian of its mean and variance, in nats: 0.419."""


def exact_bars(bars, alpha, beta, x_t):
    """Mean, variance and divergence of the kernel over plain bars: truncated Gaussians, in closed form."""
    with mpmath.workdps(70):
        a, b, x = mpf(alpha), mpf(beta), mpf(x_t)
        centre, width = x / mpmath.sqrt(a), mpmath.sqrt(b / a)
        total = first = second = log_height = mpf(0)
        for height, low, high in zip(
            bars.heights.tolist(), bars.edges[:-1].tolist(), bars.edges[1:].tolist(), strict=True
        ):
            if height:
                y, z = (mpf(low) - centre) / width, (mpf(high) - centre) / width
                near, far = sorted((abs(y), abs(z)))
                tails = mpmath.erfc(near / mpmath.sqrt(2)) / 2, mpmath.erfc(far / mpmath.sqrt(2)) / 2
                mass = height * (tails[0] - tails[1] if y * z > 0 else 1 - tails[0] - tails[1])
                total += mass
                first += height * (mpmath.npdf(y) - mpmath.npdf(z))
                second += mass + height * (y * mpmath.npdf(y) - z * mpmath.npdf(z))
                log_height += mass * mpmath.log(height)
        first, second = first / total, second / total
        variance = width**2 * (second - first**2)
        minus_entropy = log_height / total - second / 2 - mpmath.log(width * mpmath.sqrt(2 * mpmath.pi) * total)
        return centre + width * first, variance, minus_entropy + mpmath.log(2 * mpmath.pi * mpmath.e * variance) / 2


def exact_density(law, x):
    """The law's density at one point, in 50 digits where that needs any."""
    return mpf(law.pdf(float(x)).item()) if isinstance(law, Histogram) and law.noise == 0 else exact_pdf(law, x)


def exact_by_quadrature(law, alpha, beta, x_t):
    """The same three and the normaliser for any law by mpmath's quadrature at 50 digits, cut where law or step has an edge."""
    a, b, x = mpf(alpha), mpf(beta), mpf(x_t)
    centre, width = x / mpmath.sqrt(a), mpmath.sqrt(b / a)
    inner = [mpf(p) for p in (law.edges.tolist() if isinstance(law, Histogram) else law.means.tolist())]
    if isinstance(law, Histogram) and law.noise == 0:
        cuts = [p for p in [centre + k * width for k in (-6, -2, 2, 6)] if inner[0] < p < inner[-1]] + inner
    else:
        cuts = [*inner, centre, min([*inner, centre]) - 16, max([*inner, centre]) + 16]
    cuts = sorted(set(cuts))

    @cache  # the four integrals below look at the same points
    def joint(y):
        return exact_density(law, y) * mpmath.exp(-((x - mpmath.sqrt(a) * y) ** 2) / (2 * b))

    def integral(f):
        return mpmath.fsum(mpmath.quad(f, pair) for pair in itertools.pairwise(cuts))

    total = integral(joint)
    mean = integral(lambda y: y * joint(y)) / total
    variance = integral(lambda y: (y - mean) ** 2 * joint(y)) / total

    def minus_entropy(y):
        p = joint(y) / total
        return p * mpmath.log(p) if p > 0 else mpf(0)

    return mean, variance, integral(minus_entropy) + mpmath.log(2 * mpmath.pi * mpmath.e * variance) / 2, total


def assert_close(kernel, mean, variance, divergence):
    """All three within the 1e-10 that the docstring promises."""
    assert abs(kernel.mean - mean) < 1e-10 * mpmath.sqrt(variance)
    assert abs(kernel.variance / variance - 1) < 1e-10
    assert abs(kernel.kl_to_gaussian() - divergence) < 1e-10


# --- against 50 digits ---


@pytest.mark.parametrize("beta", [1e-4, 1e-2, 0.3, 1.0, 50.0])
@pytest.mark.parametrize("widths", [-1000, -30, -3, -0.5, 0, 2, 300])
def test_bars_to_1e_10(beta, widths):
    # x_t so many standard deviations of the noise beyond the right edge of the bars, or before it.
    alpha = 1 - beta if beta < 1 else 1.1
    x_t = math.sqrt(alpha) * 3 + widths * math.sqrt(beta)
    if x_t > math.sqrt(alpha) * -2 - 1000 * math.sqrt(beta):
        assert_close(Kernel(BARS, alpha, beta, x_t), *exact_bars(BARS, alpha, beta, x_t))


@given(st.floats(-4, 0).map(lambda e: 10**e), st.floats(-6, 6), st.floats(0.1, 1.2))
def test_one_bar_to_1e_10(beta, x_t, alpha):
    assert_close(Kernel(ONE_BAR, alpha, beta, x_t), *exact_bars(ONE_BAR, alpha, beta, x_t))


@pytest.mark.parametrize(
    ("law", "alpha", "beta", "x_t"),
    [(TWO_HUMPS, 0.5, 0.5, 0.2), (TWO_HUMPS, 0.98, 0.02, -1.6), (SOFT, 0.7, 0.3, 0.4), (BARS, 0.6, 0.4, 0.3)],
)
def test_by_quadrature_at_fifty_digits(law, alpha, beta, x_t):
    kernel = Kernel(law, alpha, beta, x_t)
    *three, total = exact_by_quadrature(law, alpha, beta, x_t)
    assert_close(kernel, *three)
    for x in (-1.9, -0.7, 0.3, 1.2, 2.9):
        step = mpmath.exp(-((mpf(x_t) - mpmath.sqrt(mpf(alpha)) * x) ** 2) / (2 * mpf(beta)))
        expected = exact_density(law, x) * step / total
        assert kernel.pdf(x) == pytest.approx(float(expected), rel=1e-9, abs=0)


@pytest.mark.parametrize(("beta", "x_t"), [(1e-3, -1.2), (1e-5, -0.6), (1e-6, -0.6), (1e-4, 0.1)])
def test_tiny_divergences_keep_their_digits(beta, x_t):
    # From 1e-6 down to 3e-26, where p·log p taken by itself would leave nothing but rounding.
    a, b, x = 1 - mpf(beta), mpf(beta), mpf(x_t)
    centre, width = x / mpmath.sqrt(a), mpmath.sqrt(b / a)
    cuts = [centre + k * width for k in range(-16, 17, 2)]

    @cache
    def joint(y):
        return exact_pdf(TWO_HUMPS, y) * mpmath.exp(-((x - mpmath.sqrt(a) * y) ** 2) / (2 * b))

    def integral(f):
        return mpmath.fsum(mpmath.quad(f, pair, maxdegree=6) for pair in itertools.pairwise(cuts))

    total = integral(joint)
    mean = integral(lambda y: y * joint(y)) / total
    variance = integral(lambda y: (y - mean) ** 2 * joint(y)) / total

    def integrand(y):
        p = joint(y) / total
        return p * mpmath.log(p / mpmath.npdf(y, mean, mpmath.sqrt(variance)))

    assert Kernel(TWO_HUMPS, 1 - beta, beta, x_t).kl_to_gaussian() == pytest.approx(
        float(integral(integrand)), rel=1e-4
    )


@given(st.floats(0.05, 1.2), st.floats(-5, 1).map(lambda e: 10**e), st.floats(-8, 8))
def test_a_mixture_stays_a_mixture(alpha, beta, x_t):
    # Bayes' rule on each Gaussian: precisions add, and its weight is its density at x_t.
    root = math.sqrt(alpha)
    variances = 1 / (1 / TWO_HUMPS.stds**2 + alpha / beta)
    means = variances * (TWO_HUMPS.means / TWO_HUMPS.stds**2 + root * x_t / beta)
    log_weights = np.log(TWO_HUMPS.weights) + stats.norm.logpdf(
        x_t, root * TWO_HUMPS.means, np.sqrt(alpha * TWO_HUMPS.stds**2 + beta)
    )
    exact = Mixture(np.exp(log_weights - log_weights.max()), means, np.sqrt(variances))
    kernel = Kernel(TWO_HUMPS, alpha, beta, x_t)
    assert kernel.mean == pytest.approx(exact.mean, rel=1e-10, abs=1e-10)
    assert kernel.variance == pytest.approx(exact.variance, rel=1e-9)
    x = exact.mean + math.sqrt(exact.variance) * np.linspace(-4, 4, 9)
    np.testing.assert_allclose(kernel.log_pdf(x), exact.log_pdf(x), atol=1e-7)
    np.testing.assert_allclose(kernel.pdf(x), exact.pdf(x), rtol=1e-7)


@given(
    st.floats(-3, 3), st.floats(0.1, 3), st.floats(0.1, 1.1), st.floats(-6, 1).map(lambda e: 10**e), st.floats(-5, 5)
)
def test_gaussian_data_gives_a_gaussian_kernel(m, std, alpha, beta, x_t):
    kernel = Kernel(Mixture([1], [m], [std]), alpha, beta, x_t)
    variance = 1 / (1 / std**2 + alpha / beta)
    mean = variance * (m / std**2 + math.sqrt(alpha) * x_t / beta)
    assert kernel.mean == pytest.approx(mean, rel=1e-12, abs=1e-12)
    assert kernel.variance == pytest.approx(variance, rel=1e-11)
    assert 0 <= kernel.kl_to_gaussian() < 1e-20
    x = mean + math.sqrt(variance) * np.linspace(-5, 5, 11)
    np.testing.assert_allclose(kernel.log_pdf(x), stats.norm.logpdf(x, mean, math.sqrt(variance)), atol=1e-8)


@pytest.mark.parametrize("x_t", [-30.0, 30.0])
def test_an_x_t_far_from_all_data(x_t):
    kernel = Kernel(Mixture([1], [0], [1]), 1, 0.01, x_t)
    assert kernel.mean == pytest.approx(x_t / 1.01, rel=1e-12)
    assert kernel.variance == pytest.approx(0.01 / 1.01, rel=1e-11)
    assert 0 <= kernel.kl_to_gaussian() < 1e-20


def test_standard_normal_data_keeps_the_variance_of_the_step():
    # The chain is then reversible: backwards it is the same chain.
    for beta in (0.01, 0.3, 0.9):
        kernel = Kernel(Mixture([1], [0], [1]), 1 - beta, beta, 1.3)
        assert kernel.mean == pytest.approx(math.sqrt(1 - beta) * 1.3, rel=1e-12)
        assert kernel.variance == pytest.approx(beta, rel=1e-12)


# --- what the book says about it ---


@pytest.mark.parametrize("law", ALL)
@pytest.mark.parametrize(("alpha", "beta"), [(0.99, 0.01), (0.5, 0.5), (1.1, 3.0), (0.9998, 2e-4)])
def test_tweedie_has_the_moments_of_the_kernel(law, alpha, beta):
    x_t = np.array([-2.5, -1.1, 0.0, 0.8, 3.2])
    mean, variance = tweedie(law, alpha, beta, x_t)
    kernels = [Kernel(law, alpha, beta, x) for x in x_t]
    np.testing.assert_allclose(mean, [kernel.mean for kernel in kernels], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(variance, [kernel.variance for kernel in kernels], rtol=1e-6)
    for i, x in enumerate(x_t):
        np.testing.assert_allclose(tweedie(law, alpha, beta, float(x)), (mean[i], variance[i]), rtol=1e-12)


def test_tweedie_to_eleven_digits():
    mean, variance, *_ = exact_by_quadrature(TWO_HUMPS, 0.6, 0.4, 0.3)
    np.testing.assert_allclose(tweedie(TWO_HUMPS, 0.6, 0.4, 0.3), [float(mean), float(variance)], rtol=1e-11)
    for alpha, beta, x_t in ((0.6, 0.4, 0.3), (0.99, 0.01, 2.9), (1.0, 2.0, -4.0)):
        mean, variance, _ = exact_bars(BARS, alpha, beta, x_t)
        np.testing.assert_allclose(tweedie(BARS, alpha, beta, x_t), [float(mean), float(variance)], rtol=1e-11)


def test_tweedie_on_simulated_pairs():
    # Whatever x_t says, what is left of x_{t−1} has mean 0 and the variance named.
    rng = np.random.default_rng(3)
    before = BARS.sample(200_000, rng)
    x_t = math.sqrt(0.6) * before + math.sqrt(0.4) * rng.standard_normal(before.shape)
    mean, variance = tweedie(BARS, 0.6, 0.4, x_t)
    for weight in (np.ones_like(x_t), x_t, np.cos(3 * x_t)):
        for rest in (before - mean, (before - mean) ** 2 - variance):
            assert_mean(rest * weight, 0, np.var(rest * weight))


def test_tweedie_takes_any_shape():
    x_t = np.linspace(-2, 2, 6).reshape(2, 3)
    for each in tweedie(TWO_HUMPS, 0.9, 0.1, x_t):
        assert each.shape == (2, 3)
    np.testing.assert_allclose(tweedie(BARS, 0.9, 0.1, [0.5]), np.transpose([tweedie(BARS, 0.9, 0.1, 0.5)]))


@pytest.mark.parametrize(("law", "x_t"), [(TWO_HUMPS, -0.6), (TWO_HUMPS, -1.2), (BLURRED, 0.9), (BLURRED, -1.2)])
def test_the_divergence_falls_as_beta_cubed(law, x_t):
    betas = np.array([1e-5, 2e-5, 4e-5])
    divergences = np.array([Kernel(law, 1 - beta, beta, x_t).kl_to_gaussian() for beta in betas])
    slope = np.polyfit(np.log(betas), np.log(divergences), 1)[0]
    assert slope == pytest.approx(3, abs=0.02)
    # The kernel's third cumulant is β³ times the log-density's third derivative, its variance β, and the leading
    # term of the divergence is κ₃² / (12 σ⁶).
    third = mpmath.diff(lambda x: mpmath.log(exact_pdf(law, x)), x_t, 3, h=mpf(10) ** -8)
    assert divergences[0] / betas[0] ** 3 == pytest.approx(float(third**2 / 12), rel=0.01)


def test_two_humps_at_large_beta_and_one_at_small():
    def humps(beta):
        heights = Kernel(TWO_HUMPS, 1 - beta, beta, -0.4).pdf(np.linspace(-6, 6, 4001))
        return int((np.diff(np.sign(np.diff(heights))) < 0).sum())

    assert [humps(beta) for beta in (0.9, 0.7, 0.05, 0.001)] == [2, 2, 1, 1]


def test_it_is_the_mixture_of_posteriors_and_no_posterior_itself():
    # x_0 = ±1: given x_0 the step back is exactly Gaussian for every β; averaged over what x_t leaves of x_0 it is not.
    schedule = schedules.from_betas([0.2, 0.6])
    spread, alpha_bar = math.sqrt(1 - schedule.alpha_bar[1]), schedule.alpha_bar
    law = Mixture([1, 1], [-math.sqrt(alpha_bar[1]), math.sqrt(alpha_bar[1])], [spread, spread])
    x_t, x_0 = 0.3, np.array([-1.0, 1.0])
    likelihood = stats.norm.pdf(x_t, math.sqrt(alpha_bar[2]) * x_0, math.sqrt(1 - alpha_bar[2]))
    means = posterior.mean(np.full(2, x_t), x_0, 2, schedule)
    expected = Mixture(likelihood, means, np.full(2, math.sqrt(posterior.variance(2, schedule))))
    kernel = Kernel(law, schedule.alpha[2], schedule.beta[2], x_t)
    x = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(kernel.pdf(x), expected.pdf(x), rtol=1e-10)
    assert kernel.kl_to_gaussian() > 1e-3
    for each, std in zip(means, expected.stds, strict=True):
        given_x_0 = Kernel(Mixture([1], [math.sqrt(alpha_bar[1]) * np.sign(each)], [spread]), schedule.alpha[2], schedule.beta[2], x_t)  # fmt: skip
        assert (given_x_0.mean, given_x_0.variance) == pytest.approx((each, std**2), rel=1e-10)


@pytest.mark.parametrize(("mean", "variance"), [(0.4, 1.0), (-0.3, 0.2), (1.0, 3.0)])
def test_no_other_gaussian_is_nearer(mean, variance):
    # KL to any Gaussian is KL to the best one plus KL from that to the other; the left side by brute force.
    kernel = Kernel(BLURRED, 0.6, 0.4, 0.3)
    x = np.linspace(-4, 5, 200_001)
    p = kernel.pdf(x)
    direct = np.trapezoid(
        np.where(p > 0, p * (kernel.log_pdf(x) - stats.norm.logpdf(x, mean, math.sqrt(variance))), 0), x
    )
    beyond = bounds.gaussian_kl(kernel.mean, kernel.variance, mean, variance)
    assert direct == pytest.approx(kernel.kl_to_gaussian() + beyond, rel=1e-8)


# --- shapes and edges ---


@pytest.mark.parametrize("law", ALL)
def test_a_density_of_area_1(law):
    kernel = Kernel(law, 0.7, 0.3, 0.4)
    cuts = np.unique(np.concatenate([law.breakpoints(), np.linspace(-12, 12, 97)]))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(cuts)[:, None] / 2
    x = cuts[:-1, None] + half * (1 + nodes)
    p = kernel.pdf(x) * weights * half
    assert p.sum() == pytest.approx(1, abs=1e-10)
    assert (p * x).sum() == pytest.approx(kernel.mean, abs=1e-10)
    assert (p * (x - kernel.mean) ** 2).sum() == pytest.approx(kernel.variance, abs=1e-10)


def test_shapes_follow_x():
    kernel = Kernel(TWO_HUMPS, 0.7, 0.3, 0.4)
    for f in (kernel.pdf, kernel.log_pdf):
        assert np.shape(f(0.3)) == ()
        assert f(np.full((2, 3), 0.3)).shape == (2, 3)
        np.testing.assert_allclose(f([0, 1]), [f(0.0), f(1.0)])
        single = np.array([0.3, -1.7], np.float32)
        np.testing.assert_allclose(f(single), f(single.astype(np.float64)), rtol=1e-12)
    assert isinstance(kernel.mean, float)
    assert isinstance(kernel.variance, float)
    assert isinstance(kernel.kl_to_gaussian(), float)


def test_where_there_is_no_bar_there_is_no_kernel():
    kernel = Kernel(BARS, 0.7, 0.3, 0.4)
    np.testing.assert_array_equal(kernel.pdf([-2.1, 0.0, 3.0, 9.0]), 0)
    np.testing.assert_array_equal(kernel.log_pdf([-2.1, 0.0, 3.0, 9.0]), -math.inf)
    assert (kernel.pdf([-2.0, -0.7, 1.0, 2.9]) > 0).all()


@pytest.mark.parametrize("law", ALL)
def test_alpha_0_leaves_the_data_as_it_was(law):
    # x_t then says nothing.
    for x_t in (0.0, 7.0):
        kernel = Kernel(law, 0, 1, x_t)
        assert kernel.mean == pytest.approx(law.mean, rel=1e-12)
        assert kernel.variance == pytest.approx(law.variance, rel=1e-12)
        np.testing.assert_allclose(kernel.pdf([-1.7, 0.2, 1.5]), law.pdf([-1.7, 0.2, 1.5]), rtol=1e-11)
        # log p/g = log p/φ − log g/φ, whose mean under p is known.
        from_best = bounds.gaussian_kl(law.mean, law.variance, 0.0, 1.0)
        assert kernel.kl_to_gaussian() == pytest.approx(densities.kl(law) - from_best, rel=1e-8)


def test_much_noise_leaves_the_data_as_it_was():
    kernel = Kernel(BARS, 1, 1e10, 5)
    assert kernel.mean == pytest.approx(BARS.mean, rel=1e-8)
    assert kernel.variance == pytest.approx(BARS.variance, rel=1e-8)


def test_little_noise_within_a_bar_gives_a_narrow_gaussian():
    kernel = Kernel(BARS, 1 - 1e-8, 1e-8, 2.2)
    assert kernel.mean == pytest.approx(2.2 / math.sqrt(1 - 1e-8), abs=1e-13)
    assert kernel.variance == pytest.approx(1e-8 / (1 - 1e-8), rel=1e-10)
    assert 0 <= kernel.kl_to_gaussian() < 1e-20


def test_little_noise_between_two_bars_gives_both_halves():
    # On the edge between heights 1 and 2 the kernel is two half Gaussians, of weights 1/3 and 2/3.
    law = Histogram([-1, 0, 1], [1, 2])
    kernel = Kernel(law, 1, 1e-8, 0)
    half = math.sqrt(2 / math.pi) * 1e-4
    assert kernel.mean == pytest.approx(half / 3, rel=1e-10)
    assert kernel.variance == pytest.approx(1e-8 - (half / 3) ** 2, rel=1e-10)
    np.testing.assert_allclose(
        kernel.pdf([-1e-5, 1e-5]), np.array([2, 4]) / 3 * stats.norm.pdf(1e-5, 0, 1e-4), rtol=1e-9
    )


@pytest.mark.parametrize(("edge", "side"), [(3.0, 1), (-2.0, -1)])
@pytest.mark.parametrize("beta", [0.01, 1e-8])
def test_far_out_the_kernel_is_pressed_against_an_edge(edge, side, beta):
    # The Gaussian's tail over a bar is an exponential law of scale β/distance.
    for widths in (1e3, 1e4, 9.9e4):
        kernel = Kernel(BARS, 1, beta, edge + side * widths * math.sqrt(beta))
        scale = math.sqrt(beta) / widths
        assert kernel.mean == pytest.approx(edge - side * scale, abs=1e-3 * scale)
        assert kernel.variance == pytest.approx(scale**2, rel=1e-3)
        assert kernel.kl_to_gaussian() == pytest.approx(EXPONENTIAL, rel=1e-3)


@pytest.mark.parametrize(
    "law",
    [*ALL, ONE_BAR, Histogram([0, 1e-9], [1]), Mixture([1, 1], [-1, 1], [1e-6, 1e-6]), Histogram([0, 1], [1], 1e-8)],
)
def test_any_input_gives_numbers_or_says_why_not(law):
    refused = 0
    for alpha, beta, x_t in itertools.product([0, 1e-9, 0.5, 1, 1.5], [1e-12, 1e-8, 1, 1e6], [-9e4, -300, 0, 5, 9e4]):
        low, high = math.sqrt(alpha) * law.breakpoints()[[0, -1]]
        if max(low - x_t, x_t - high) > 1e5 * math.sqrt(beta):
            refused += 1
            with pytest.raises(ValueError, match=r"^x_t must be within"):
                Kernel(law, alpha, beta, x_t)
            continue
        kernel = Kernel(law, alpha, beta, x_t)
        reached = [*law.breakpoints()[[0, -1]], *([x_t / math.sqrt(alpha)] if alpha else [])]
        assert min(reached) <= kernel.mean <= max(reached)
        assert 0 < kernel.variance <= 1.001 * max(law.variance, np.ptp(law.breakpoints()) ** 2)
        assert -1e-10 <= kernel.kl_to_gaussian() < math.inf
    assert 0 < refused < 60


def test_a_spike_stays_a_spike():
    kernel = Kernel(Histogram([0.5, 0.5 + 1e-6], [1]), 0.9, 0.1, -1.0)
    assert kernel.mean == pytest.approx(0.5 + 5e-7, abs=1e-11)
    assert kernel.variance == pytest.approx(1e-12 / 12, rel=1e-6)


def test_a_blur_below_the_spacing_of_floats_is_no_blur():
    # Around each edge the density falls by many nats from one float to the next.
    for edges in ([1, 2], [0.3, 1.7, 5], [-3, -1, 2.5]):
        law = Histogram(edges, np.ones(len(edges) - 1), 1e-32)
        blurred, plain = Kernel(law, 0.5, 0.5, 0.3), Kernel(Histogram(edges, law.heights), 0.5, 0.5, 0.3)
        assert blurred.mean == pytest.approx(plain.mean, rel=1e-12)
        assert blurred.variance == pytest.approx(plain.variance, rel=1e-12)
        assert blurred.kl_to_gaussian() == pytest.approx(plain.kl_to_gaussian(), rel=1e-11)


def test_a_kernel_does_not_change_and_is_told_apart_by_identity():
    kernel = Kernel(BARS, 0.7, 0.3, 0.4)
    assert all(
        type(number) is float
        for number in (Kernel(BARS, 1, 1, 0).alpha, Kernel(BARS, 1, 1, 0).beta, Kernel(BARS, 1, 1, 0).x_t)
    )
    assert (kernel.density, kernel.alpha, kernel.beta, kernel.x_t) == (BARS, 0.7, 0.3, 0.4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        kernel.mean = 0
    assert kernel != Kernel(BARS, 0.7, 0.3, 0.4)


# --- bad input ---


@pytest.mark.parametrize(
    ("alpha", "beta", "x_t", "error", "match"),
    [
        (-0.1, 0.1, 0, ValueError, "^alpha must be a finite number of at least 0, but it was -0.1$"),
        (math.nan, 0.1, 0, ValueError, "^alpha must be a finite number of at least 0, but it was nan$"),
        (0.9, 0, 0, ValueError, "^beta must be a number above 0, but it was 0$"),
        (0.9, -0.2, 0, ValueError, "^beta must be a number above 0, but it was -0.2$"),
        (0.9, math.inf, 0, ValueError, "^beta must be a finite number, but it was inf$"),
        (0.9, 0.1, math.nan, ValueError, "^x_t must be a finite number, but it was nan$"),
        (0.9, 0.1, [0.1, 0.2], TypeError, r"^x_t must be a number, but it was \[0.1, 0.2\]$"),
        ("a", 0.1, 0, TypeError, "^alpha must be a number, but it was 'a'$"),
        (0.9, None, 0, TypeError, "^beta must be a number, but it was None$"),
        (
            1,
            1e-8,
            13.01,
            ValueError,
            r"^x_t must be within 100000·√beta of -2…3, where the density lies, but it was 13.01$",
        ),
        (
            0.25,
            1e-8,
            -11.01,
            ValueError,
            r"^x_t must be within 100000·√beta of -1…1.5, where the density lies, but it was -11.01$",
        ),
    ],
)
def test_the_kernel_refuses(alpha, beta, x_t, error, match):
    with pytest.raises(error, match=match):
        Kernel(BARS, alpha, beta, x_t)


def test_what_is_just_possible():
    Kernel(BARS, 1, 1e-8, 12.99)
    Kernel(BARS, 0.25, 1e-8, -10.99)
    Kernel(ONE_BAR, 1, 1, 100_001)


def test_tweedie_refuses():
    with pytest.raises(ValueError, match=r"^alpha must be a number above 0, but it was 0$"):
        tweedie(BARS, 0, 0.1, 0.0)
    with pytest.raises(ValueError, match=r"^beta must be a number above 0, but it was 0$"):
        tweedie(TWO_HUMPS, 0.9, 0, 0.0)
    with pytest.raises(ValueError, match=r"^beta must be a finite number, but it was nan$"):
        tweedie(TWO_HUMPS, 0.9, math.nan, 0.0)
