"""Densities of one variable against mpmath, scipy's laws, quadrature of the convolution, and closed forms of the distances."""

import dataclasses
import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import integrate, stats

from ddpm_edu import densities, forward
from ddpm_edu.densities import Histogram, Mixture

from .oracles import Scripted, assert_law, assert_mean

TWO_HUMPS = Mixture([1, 3], [-2.0, 1.0], [0.3, 0.8])
BARS = Histogram([-2.0, -1.0, -0.5, 1.0, 3.0], [0.5, 2.0, 0.0, 0.25])
BLURRED = Histogram(BARS.edges, BARS.heights, 0.04)
SMOOTH = [TWO_HUMPS, BLURRED]
ALL = [*SMOOTH, BARS]
X = np.linspace(-6, 6, 41)

mixtures = st.lists(st.tuples(st.floats(0.05, 1), st.floats(-3, 3), st.floats(0.05, 2)), min_size=1, max_size=4).map(
    lambda parts: Mixture(*zip(*parts, strict=True))
)
histograms = st.lists(st.tuples(st.floats(0.05, 1.5), st.floats(0, 2)), min_size=1, max_size=6).flatmap(
    lambda bars: st.builds(
        lambda start, noise: Histogram(
            start + np.concatenate([[0], np.cumsum([width for width, _ in bars])]),
            [height + 0.01 for _, height in bars],
            noise,
        ),
        st.floats(-4, 0),
        st.sampled_from([0.0, 1e-4, 0.01, 0.3, 4.0]),
    )
)
laws = st.one_of(mixtures, histograms)


def exact_pdf(law, x):
    """The density at one point in 50 digits, straight from its definition; x is taken as it is."""
    x = mpmath.mpf(x)
    if isinstance(law, Mixture):
        return mpmath.fsum(
            mpmath.mpf(w) * mpmath.npdf(x, mpmath.mpf(m), mpmath.mpf(s))
            for w, m, s in zip(law.weights.tolist(), law.means.tolist(), law.stds.tolist(), strict=True)
        )
    root = mpmath.sqrt(2 * mpmath.mpf(law.noise))
    total = mpmath.mpf(0)
    for height, a, b in zip(law.heights.tolist(), law.edges[:-1].tolist(), law.edges[1:].tolist(), strict=True):
        near, far = sorted((abs(x - a), abs(x - b)))
        if a < x < b:  # the whole minus both tails
            share = 1 - (mpmath.erfc((x - a) / root) + mpmath.erfc((b - x) / root)) / 2
        else:  # one tail minus the part beyond the bar
            share = (mpmath.erfc(near / root) - mpmath.erfc(far / root)) / 2
        total += mpmath.mpf(height) * share
    return total


def pieces(law):
    """Intervals on which a quadrature of the density is easy."""
    points = law.breakpoints()
    return list(itertools.pairwise(points))


def integral(f, law):
    nodes, weights = np.polynomial.legendre.leggauss(40)
    return sum((b - a) / 2 * weights @ f((a + b) / 2 + (b - a) / 2 * nodes) for a, b in pieces(law))


# --- density, cdf, score, moments ---


@pytest.mark.parametrize("law", SMOOTH)
def test_pdf_to_twelve_digits(law):
    expected = np.array([float(exact_pdf(law, x)) for x in X])
    np.testing.assert_allclose(law.pdf(X), expected, rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(law.log_pdf(X), np.log(expected), rtol=1e-11)


@pytest.mark.parametrize("law", SMOOTH)
@pytest.mark.parametrize("x", [-60.0, -25.0, 25.0, 60.0])
def test_log_pdf_far_out_where_the_density_underflows(law, x):
    assert law.log_pdf(x) == pytest.approx(float(mpmath.log(exact_pdf(law, x))), rel=1e-11)


@pytest.mark.parametrize("law", SMOOTH)
def test_score_is_the_slope_of_the_log_density(law):
    for x in (-30.0, -3.0, -1.0, 0.0, 0.4, 2.0, 7.0, 30.0):
        h = mpmath.mpf(10) ** -18
        slope = float((mpmath.log(exact_pdf(law, x + h)) - mpmath.log(exact_pdf(law, x - h))) / (2 * h))
        assert law.score(x) == pytest.approx(slope, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("law", SMOOTH)
def test_score_slope_is_the_second_derivative_of_the_log_density(law):
    for x in (-9.0, -3.0, -1.0, 0.0, 0.4, 2.0, 7.0):
        h = mpmath.mpf(10) ** -12
        low, middle, high = (mpmath.log(exact_pdf(law, x + k * h)) for k in (-1, 0, 1))
        assert law.score_slope(x) == pytest.approx(float((low - 2 * middle + high) / h**2), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("law", SMOOTH)
def test_far_out_the_score_has_the_slope_of_the_widest_gaussian(law):
    # Beyond a blurred bar's edge, at distance d, the tail is a Gaussian's over d: −1/noise + 1/d² to leading order.
    for x in (-60.0, 60.0):
        expected = -1 / 0.8**2 if law is TWO_HUMPS else -1 / 0.04 + 1 / (x - np.clip(x, -2, 3)) ** 2
        assert law.score_slope(x) == pytest.approx(expected, rel=1e-5)


def test_the_score_beside_an_empty_bar():
    # All mass lies 100 standard deviations of the noise away, and the empty bar's far edge is here.
    law = Histogram([-1.0, 0.0, 1.0], [0.0, 1.0], 1e-4)
    for x in (-1.0, -0.5):
        h = mpmath.mpf(10) ** -15
        low, middle, high = (mpmath.log(exact_pdf(law, x + k * h)) for k in (-1, 0, 1))
        assert law.score(x) == pytest.approx(float((high - low) / (2 * h)), rel=1e-9)
        assert law.score_slope(x) == pytest.approx(float((low - 2 * middle + high) / h**2), rel=1e-6)


@given(laws, st.floats(0.01, 2))
def test_the_score_slope_has_the_mean_of_fisher(law, noise):
    # ∫ p·(log p)″ = −∫ p·((log p)′)²
    law = law.push(1, noise)
    fisher = integral(lambda x: law.pdf(x) * law.score(x) ** 2, law)
    assert integral(lambda x: law.pdf(x) * law.score_slope(x), law) == pytest.approx(-fisher, rel=1e-8)


def test_score_of_one_gaussian():
    np.testing.assert_allclose(Mixture([1], [2.0], [3.0]).score_slope(X), -1 / 9)
    np.testing.assert_allclose(Mixture([1], [2.0], [3.0]).score(X), -(X - 2) / 9)


@pytest.mark.parametrize("law", ALL)
def test_cdf_is_the_area_under_the_density(law):
    for x in (-2.5, -1.7, -0.6, 0.1, 1.0, 2.9, 4.0):
        area = sum(
            integrate.quad(law.pdf, a, min(b, x), epsabs=1e-13, epsrel=1e-12)[0] for a, b in pieces(law) if a < x
        )
        assert law.cdf(x) == pytest.approx(area, abs=1e-10)


@given(laws)
def test_area_mean_and_variance_by_quadrature(law):
    assert integral(law.pdf, law) == pytest.approx(1, abs=1e-10)
    assert integral(lambda x: x * law.pdf(x), law) == pytest.approx(law.mean, abs=1e-9)
    assert integral(lambda x: (x - law.mean) ** 2 * law.pdf(x), law) == pytest.approx(law.variance, rel=1e-9)


@given(laws)
def test_cdf_rises_from_0_to_1(law):
    points = law.breakpoints()
    x = np.linspace(points[0] - 1, points[-1] + 1, 200)
    values = law.cdf(x)
    assert (np.diff(values) > -1e-13).all()
    assert values[0] == pytest.approx(0, abs=1e-13)
    assert values[-1] == pytest.approx(1, abs=1e-13)


def test_bars_are_what_was_drawn():
    # Masses 0.5, 1, 0, 0.5 → shares 1/4, 1/2, 0, 1/4 of the whole.
    np.testing.assert_allclose(BARS.masses, [0.25, 0.5, 0, 0.25])
    np.testing.assert_allclose(BARS.heights, [0.25, 1.0, 0, 0.125])
    np.testing.assert_allclose(BARS.pdf([-2.1, -2, -1.5, -1, -0.75, -0.5, 0, 1, 2.9, 3]), [0, 0.25, 0.25, 1, 1, 0, 0, 0.125, 0.125, 0])  # fmt: skip
    np.testing.assert_allclose(BARS.cdf([-9, -2, -1.5, -1, -0.5, 0, 1, 2, 3, 9]), [0, 0, 0.125, 0.25, 0.75, 0.75, 0.75, 0.875, 1, 1])  # fmt: skip
    np.testing.assert_allclose(BARS.log_pdf([-1.5, 0.0]), [math.log(0.25), -math.inf])
    assert BARS.mean == pytest.approx(0.25 * -1.5 + 0.5 * -0.75 + 0.25 * 2)
    assert BARS.noise == 0


def test_a_uniform_law_has_a_twelfth():
    law = Histogram([2, 5], [7])
    assert law.mean == 3.5
    assert law.variance == pytest.approx(9 / 12)
    assert Histogram([2, 5], [7], 0.25).variance == pytest.approx(9 / 12 + 0.25)
    assert isinstance(Histogram([2, 5], [7], 1).noise, float)


def test_weights_are_shares():
    np.testing.assert_allclose(TWO_HUMPS.weights, [0.25, 0.75])
    assert TWO_HUMPS.mean == pytest.approx(0.25 * -2 + 0.75)
    assert TWO_HUMPS.variance == pytest.approx(0.25 * (4 + 0.09) + 0.75 * (1 + 0.64) - 0.25**2)


def test_laws_are_told_apart_by_identity():
    for law in ALL:
        assert law != law.push(1, 0)
        assert len({law, law}) == 1


def test_laws_do_not_change():
    for law, name in ((TWO_HUMPS, "weights"), (BARS, "heights")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(law, name, None)


def test_an_empty_component_or_bar_is_no_trouble():
    law = Mixture([0, 1], [9.0, 0.0], [0.1, 1.0])
    np.testing.assert_allclose(law.pdf(X), stats.norm.pdf(X))
    np.testing.assert_allclose(law.score(X), -X)
    law = Histogram([-1, 0, 1], [0, 1], 0.5)
    assert np.isfinite(law.log_pdf(X)).all()
    assert np.isfinite(law.score(X)).all()
    assert np.isfinite(law.score_slope(X)).all()


@pytest.mark.parametrize("law", ALL)
def test_shapes_follow_x(law):
    functions = [law.pdf, law.log_pdf, law.cdf] + ([law.score, law.score_slope] if law is not BARS else [])
    for f in functions:
        assert np.shape(f(0.3)) == ()
        assert f(np.full((2, 3), 0.3)).shape == (2, 3)
        np.testing.assert_allclose(f(np.array([[0.3], [0.6]]))[:, 0], [f(0.3), f(0.6)])
        assert f([0, 1]).shape == (2,)


# --- samples ---


@pytest.mark.parametrize("law", ALL)
def test_samples_follow_the_law(law):
    x = law.sample(50_000, np.random.default_rng(5))
    assert x.shape == (50_000,)
    assert_law(x, law.cdf)
    assert_mean(x, law.mean, law.variance)
    assert_mean((x - law.mean) ** 2, law.variance, np.var((x - law.mean) ** 2))


@pytest.mark.parametrize("law", ALL)
def test_samples_repeat_by_their_generator(law):
    first, again, other = (law.sample(50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert law.sample(0, np.random.default_rng(1)).shape == (0,)


def test_what_samples_are_made_of():
    # Scripted noise: a draw is a mean plus a std times it, or a place in a bar plus √noise times it; plain bars need none.
    assert Mixture([1], [2.0], [3.0]).sample(2, Scripted([1.0, -0.5])).tolist() == [5.0, 0.5]
    moved = [BLURRED.sample(3, Scripted(np.full(3, noise))) for noise in (0.0, 2.0)]
    np.testing.assert_allclose(moved[1] - moved[0], 2 * 0.2, rtol=1e-12)
    np.testing.assert_array_equal(BARS.sample(3, Scripted()), moved[0])


# --- pushing ---


@pytest.mark.parametrize("law", ALL)
@pytest.mark.parametrize(("scale", "variance"), [(0.9, 0.19), (0.5, 0.02), (1.1, 1.4), (1, 0.3)])
def test_pushing_is_the_convolution(law, scale, variance):
    pushed = law.push(scale, variance)
    for y in (-3.0, -1.2, 0.0, 0.7, 2.5):
        convolved = integral(lambda x: law.pdf(x) * stats.norm.pdf(y, scale * x, math.sqrt(variance)), law)  # noqa: B023
        assert pushed.pdf(y) == pytest.approx(convolved, rel=1e-10, abs=1e-13)


@given(laws, st.floats(0, 1.2), st.floats(0.001, 2))
def test_pushing_moves_the_moments(law, scale, variance):
    pushed = law.push(scale, variance)
    assert pushed.mean == pytest.approx(scale * law.mean, abs=1e-12)
    assert pushed.variance == pytest.approx(scale**2 * law.variance + variance, rel=1e-10)


@given(laws, st.floats(0.3, 1.1), st.floats(0.01, 1), st.floats(0.3, 1.1), st.floats(0.01, 1))
def test_two_pushes_are_one(law, s_1, v_1, s_2, v_2):
    twice, once = law.push(s_1, v_1).push(s_2, v_2), law.push(s_2 * s_1, s_2**2 * v_1 + v_2)
    np.testing.assert_allclose(twice.pdf(X), once.pdf(X), rtol=1e-8, atol=1e-14)


def test_pushing_without_noise_only_scales():
    for law in ALL:
        np.testing.assert_allclose(law.push(0.5, 0).pdf(X / 2), 2 * law.pdf(X), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(law.push(1, 0).pdf(X), law.pdf(X))


def test_pushing_with_scale_0_forgets_everything():
    for law in ALL:
        np.testing.assert_allclose(law.push(0, 0.25).pdf(X), stats.norm.pdf(X, 0, 0.5), rtol=1e-10, atol=1e-300)


def test_the_chain_of_the_laboratory():
    # 300 steps of x_t = √α·x_{t−1} + √β·ε: one push, 300 pushes and the variance recursion agree.
    alpha, beta = 0.99, 0.02
    law = BARS
    for _ in range(300):
        law = law.push(math.sqrt(alpha), beta)
    jump = BARS.push(alpha**150, beta * (1 - alpha**300) / (1 - alpha))
    np.testing.assert_allclose(law.pdf(X), jump.pdf(X), rtol=1e-7, atol=1e-12)
    assert jump.variance == pytest.approx(forward.variance_path(BARS.variance, alpha, beta, 300)[-1], rel=1e-12)


@pytest.mark.parametrize("power", range(-40, 3))
def test_shrunken_bars_stay_exact(power):
    # Bars of width 10^power in unit noise: from wide bars to bars that no float can tell apart.
    scale = 10.0**power
    pushed = BARS.push(scale, 1.0)
    spread = math.sqrt(1 + scale**2 * BARS.variance)
    if power <= -3:
        np.testing.assert_allclose(
            pushed.pdf(X),
            stats.norm.pdf(X, scale * BARS.mean, spread),
            rtol=3e-5 * 10 ** (2 * max(0, power + 4)) + 1e-6,
            atol=1e-9,
        )
    assert integral(pushed.pdf, pushed) == pytest.approx(1, abs=1e-9)
    assert pushed.variance == pytest.approx(1 + scale**2 * BARS.variance, rel=1e-10)
    assert isinstance(pushed, Mixture if power < -4 else Histogram)


def test_bars_narrow_beside_their_own_noise_become_a_gaussian_of_the_same_variance():
    law = Histogram([0, 1e-3], [1], 1e4).push(1, 0)
    assert isinstance(law, Mixture)
    assert law.variance == pytest.approx(1e4 + 1e-6 / 12, rel=1e-14)


def test_the_change_from_bars_to_a_gaussian_is_not_seen():
    # On either side of the switch (all bars together are 1e-4 of the noise wide) both give the same density.
    span = np.ptp(BARS.edges)
    before, after = BARS.push(1.01e-4 / span, 1.0), BARS.push(0.99e-4 / span, 1.0)
    assert isinstance(before, Histogram)
    assert isinstance(after, Mixture)
    np.testing.assert_allclose(before.pdf(X), after.pdf(X), rtol=1e-5, atol=1e-12)


# --- distances to N(0, 1) ---

NORMAL = Mixture([1], [0.0], [1.0])


@given(st.floats(-6, 6))
@example(0.25)  # the densities cross on a point of the grid
def test_distances_of_a_shifted_normal(m):
    law = Mixture([1], [m], [1.0])
    assert densities.total_variation(law) == pytest.approx(2 * stats.norm.cdf(abs(m) / 2) - 1, abs=1e-11)
    assert densities.kl(law) == pytest.approx(m**2 / 2, abs=1e-9)


@given(st.floats(0.02, 5).filter(lambda s: abs(s - 1) > 0.01))
def test_distances_of_a_normal_of_another_width(s):
    law = Mixture([1], [0.0], [s])
    crossing = math.sqrt(2 * math.log(s) / (1 - 1 / s**2))
    expected = 2 * abs(stats.norm.cdf(crossing) - stats.norm.cdf(crossing / s))
    assert densities.total_variation(law) == pytest.approx(expected, abs=1e-11)
    assert densities.kl(law) == pytest.approx((s**2 - 1) / 2 - math.log(s), abs=1e-8)


@given(st.floats(-3, 3), st.floats(0.1, 3))
def test_distances_of_a_uniform_law(start, width):
    law = Histogram([start, start + width], [1])
    a, b = start, start + width
    assert densities.kl(law) == pytest.approx(
        -math.log(width) + math.log(2 * math.pi) / 2 + (b**3 - a**3) / (6 * width), rel=1e-10
    )
    # Half the area between: the bar's excess over φ where 1/width > φ.
    cuts = [a, b]
    level = 1 / (width)
    if level * math.sqrt(2 * math.pi) < 1:
        z = math.sqrt(-2 * math.log(level * math.sqrt(2 * math.pi)))
        cuts += [c for c in (-z, z) if a < c < b]
    cuts.sort()
    excess = sum(
        max(0.0, (q - p) * level - (stats.norm.cdf(q) - stats.norm.cdf(p))) for p, q in itertools.pairwise(cuts)
    )
    assert densities.total_variation(law) == pytest.approx(excess, abs=1e-10)


@given(laws)
def test_distances_by_quadrature(law):
    cut = sorted({float(c) for c in np.clip(law.breakpoints(), -40, 40)} | {float(c) for c in np.linspace(-12, 12, 49)})
    nodes, weights = np.polynomial.legendre.leggauss(12)
    fine = np.unique(np.concatenate([np.linspace(a, b, 9) for a, b in itertools.pairwise(cut)]))
    half = np.diff(fine)[:, None] / 2
    x = fine[:-1, None] + half * (1 + nodes)
    p, q = law.pdf(x), stats.norm.pdf(x)
    total_variation = float((np.abs(p - q) * weights * half).sum()) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = float((np.where(p > 0, p * (np.log(p) - stats.norm.logpdf(x)), 0) * weights * half).sum())
    assert densities.total_variation(law) == pytest.approx(total_variation, abs=2e-5)
    assert densities.kl(law) == pytest.approx(kl, rel=1e-6, abs=1e-8)


def test_no_distance_from_itself_and_the_whole_distance_far_away():
    assert densities.total_variation(NORMAL) == pytest.approx(0, abs=1e-12)
    assert densities.kl(NORMAL) == pytest.approx(0, abs=1e-12)
    assert densities.total_variation(Mixture([1], [90.0], [1.0])) == pytest.approx(1, abs=1e-12)
    assert densities.total_variation(Histogram([50, 51], [1])) == pytest.approx(1, abs=1e-12)


def test_a_gulf_where_both_densities_are_0():
    # A tenth of the mass lies 60 away, in a bar of its own; the other bar swaps places with φ at z, where φ(z) = 0.3.
    law = Histogram([-60, -59, 0, 3], [0.1, 0, 0.3])
    z = math.sqrt(-2 * math.log(0.3 * math.sqrt(2 * math.pi)))
    expected = 0.1 + 0.3 * (3 - z) - (stats.norm.cdf(3) - stats.norm.cdf(z))
    assert densities.total_variation(law) == pytest.approx(expected, abs=1e-12)


def test_the_distances_fall_along_the_chain():
    laws = [BARS.push(0.99 ** (t / 2), 1 - 0.99**t) for t in (1, 10, 100, 300, 600)]
    for distance in (densities.total_variation, densities.kl):
        values = [distance(law) for law in laws]
        assert values == sorted(values, reverse=True)
    # Near the end the mean is all that is left: TV → |m|/√(2π), KL → m²/2.
    end = BARS.push(0.99 ** (600 / 2), 1 - 0.99**600)
    assert densities.total_variation(end) == pytest.approx(abs(end.mean) / math.sqrt(2 * math.pi), rel=0.1)


# --- bad input ---


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([1, 2], [0.0], [1.0]), "weights, means and stds must have one length, but they had 2, 1 and 1"),
        (([1], [0.0, 1.0], [1.0]), "weights, means and stds must have one length, but they had 1, 2 and 1"),
        (([1], [0.0], [1.0, 2.0]), "weights, means and stds must have one length, but they had 1, 1 and 2"),
        (([1, -0.5], [0, 1], [1, 1]), r"weights must be at least 0, but one of them was -0\.5"),
        (([0, 0], [0, 1], [1, 1]), r"weights must have a sum above 0, but it was 0\.0"),
        (([], [], []), r"weights must have a sum above 0, but it was 0\.0"),
        (([1], [0.0], [0.0]), r"stds must be above 0, but one of them was 0\.0"),
        (([1, 1], [0, 0], [1, -2]), r"stds must be above 0, but one of them was -2\.0"),
        (([1], [math.nan], [1.0]), "means must hold finite numbers only, but one of them was nan"),
        (([math.inf], [0.0], [1.0]), "weights must hold finite numbers only, but one of them was inf"),
        (([1], [0.0], [math.nan]), "stds must hold finite numbers only, but one of them was nan"),
        ((1, [0.0], [1.0]), r"weights must have 1 axis/axes, but its shape was \(\)"),
    ],
)
def test_a_mixture_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        Mixture(*arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([0, 1], [1, 2]), "edges must hold one number more than heights, but they had lengths 2 and 2"),
        (([0], []), "edges must hold one number more than heights, but they had lengths 1 and 0"),
        (([0, 1, 1], [1, 2]), "edges must rise from each to the next, but they were"),
        (([0, 2, 1], [1, 2]), "edges must rise from each to the next, but they were"),
        (([0, 1, 2], [1, -2]), r"heights must be at least 0, but one of them was -2"),
        (([0, 1, 2], [0, 0]), r"heights must have a sum above 0, but it was 0\.0"),
        (([0, 1], [math.nan]), "heights must hold finite numbers only, but one of them was nan"),
        (([0, math.inf], [1]), "edges must hold finite numbers only, but one of them was inf"),
        (([0, 1], [1], -0.1), r"noise must be a finite number of at least 0, but it was -0\.1"),
        (([[0, 1]], [1]), r"edges must have 1 axis/axes, but its shape was \(1, 2\)"),
        (([0, 1], [[1]]), r"heights must have 1 axis/axes, but its shape was \(1, 1\)"),
        (([0, 1], [1], math.nan), "noise must be a finite number of at least 0, but it was nan"),
    ],
)
def test_a_histogram_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        Histogram(*arguments)


def test_weights_must_have_a_finite_sum():
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match=r"^weights must have a sum above 0, but it was inf$"),
    ):
        Mixture([1e308, 1e308], [0, 1], [1, 1])


def test_the_height_that_is_named_is_the_one_given():
    with pytest.raises(ValueError, match=r"one of them was -2\.0"):
        Histogram([0, 0.5, 1], [1, -2])


@pytest.mark.parametrize("law", ALL)
def test_push_and_sample_refuse(law):
    with pytest.raises(ValueError, match=r"scale must be a finite number of at least 0, but it was -0\.5"):
        law.push(-0.5, 1)
    with pytest.raises(ValueError, match="variance must be a finite number of at least 0, but it was nan"):
        law.push(0.5, math.nan)
    no_density = "^scale and variance must not both be 0: all mass would sit in one point, which has no density$"
    with pytest.raises(ValueError, match=no_density):
        law.push(0, 0)
    with pytest.raises(ValueError, match="n must be at least 0, but it was -1"):
        law.sample(-1, np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"n must be a whole number, but it was 1\.5"):
        law.sample(1.5, np.random.default_rng(0))


def test_bars_have_no_slope():
    for slope in (BARS.score, BARS.score_slope):
        with pytest.raises(
            ValueError,
            match=r"^noise must be above 0 for a score, but it was 0: the density of bars jumps at their edges$",
        ):
            slope(0.0)


def test_empty_bars_far_from_the_mass_do_not_overflow():
    """The edges of empty bars may be a hundred σ nearer to x than the only full one, whose far tail has a slope known."""
    law = Histogram(np.linspace(-3, 3, 33), np.eye(32)[22], noise=1e-3)
    far = Histogram([1.125, 1.3125], [1], noise=1e-3)
    for x in (-4.0, 3.0, 5.0):
        assert law.score(x) == pytest.approx(far.score(x), rel=1e-9)
        assert law.score_slope(x) == pytest.approx(far.score_slope(x), rel=1e-6)
