"""The terms of the bound against quadrature, 50 digits, torch's own divergences, and chains whose likelihood is known."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from scipy import stats

from ddpm_edu import bounds, diffusion, forward, posterior, schedules

from .oracles import betas_of, exact_schedule, floats

LINEAR = schedules.linear()
SHORT = schedules.linear(12, 0.02, 0.5)
STEPS = np.arange(2, 1001)
numbers, widths = st.floats(-3, 3), st.floats(0.05, 5)


def guess_of(schedule, m, v):
    """The best guess of the noise when the data is N(m, v)."""

    def eps_theta(x_t, t):
        a = schedule.alpha_bar[t].reshape(-1, *[1] * (x_t.ndim - 1))
        return (1 - a) ** 0.5 * (x_t - a**0.5 * m) / (a * v + 1 - a)

    return eps_theta


def gauss_hermite(m, v, n=24):
    """Points for x_0 ~ N(m, v) and ε ~ N(0, 1), and their weights: means of polynomials come out exactly."""
    z, w = np.polynomial.hermite_e.hermegauss(n)
    w = w / w.sum()
    x_0, eps = np.meshgrid(m + math.sqrt(v) * z, z, indexing="ij")
    return x_0.ravel(), eps.ravel(), np.outer(w, w).ravel()


def whole_bound(schedule, m, v, variance):
    """The bound on E[−log p(x_0)] for N(m, v) data and the best guess, in nats."""
    x_0, eps, w = gauss_hermite(m, v)
    model = guess_of(schedule, m, v)
    total = float(bounds.prior_term(m**2 + v, schedule))
    for t in range(2, schedule.T + 1):
        total += float(w @ bounds.step_term(model, x_0, np.full(len(x_0), t), schedule, eps, variance))
    return total + float(w @ bounds.decoder_term(model, x_0, schedule, eps, float(schedule.beta[1])))


# --- Gaussian divergences ---


@pytest.mark.parametrize(
    ("mean_1", "variance_1", "mean_2", "variance_2"), [(0.3, 0.5, -1.0, 2.0), (2.0, 3.0, 1.5, 0.2), (0, 1e-3, 0.1, 1)]
)
def test_gaussian_kl_by_quadrature(mean_1, variance_1, mean_2, variance_2):
    def integrand(x):
        p = mpmath.npdf(x, mean_1, mpmath.sqrt(variance_1))
        return p * mpmath.log(p / mpmath.npdf(x, mean_2, mpmath.sqrt(variance_2)))

    std = mpmath.sqrt(variance_1)
    expected = mpmath.quad(integrand, [mean_1 + k * std for k in (-14, -6, -2, 2, 6, 14)])
    assert bounds.gaussian_kl(mean_1, variance_1, mean_2, variance_2) == pytest.approx(float(expected), rel=1e-12)


@given(st.lists(st.tuples(numbers, widths, numbers, widths), min_size=1, max_size=5))
def test_gaussian_kl_is_torchs_entry_by_entry(rows):
    mean_1, variance_1, mean_2, variance_2 = np.array(rows).T
    ours = bounds.gaussian_kl(mean_1, variance_1, mean_2, variance_2)
    first, second = (
        torch.distributions.Normal(torch.tensor(m), torch.tensor(v).sqrt())
        for m, v in ((mean_1, variance_1), (mean_2, variance_2))
    )
    np.testing.assert_allclose(ours, torch.distributions.kl_divergence(first, second), rtol=1e-9, atol=1e-12)
    assert (ours > -1e-15).all()
    tensors = bounds.gaussian_kl(*map(torch.tensor, (mean_1, variance_1, mean_2, variance_2)))
    np.testing.assert_allclose(tensors.numpy(), ours, rtol=1e-12, atol=1e-15)


@given(numbers, widths, numbers)
def test_with_equal_variances_it_is_a_squared_distance(mean_1, variance, mean_2):
    expected = (mean_1 - mean_2) ** 2 / (2 * variance)
    assert bounds.gaussian_kl(mean_1, variance, mean_2, variance) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert bounds.gaussian_kl(mean_1, variance, mean_1, variance) == 0


def test_gaussian_kl_spreads_over_shapes():
    kl = bounds.gaussian_kl(np.zeros((3, 2)), np.ones((3, 1)), 1.0, 2.0)
    assert kl.shape == (3, 2)
    np.testing.assert_allclose(kl, (1 / 2 + 1 / 2 - 1 + math.log(2)) / 2)
    assert bounds.gaussian_kl(0, 1, 0, 2) == pytest.approx((math.log(2) - 1 / 2) / 2)


# --- L_T ---


@given(betas_of(), st.lists(numbers, min_size=1, max_size=5))
def test_prior_term_is_the_mean_divergence_over_the_data(betas, data):
    schedule, x_0 = schedules.from_betas(betas), np.array(data)
    a = float(exact_schedule(betas).alpha_bar[-1])
    expected = bounds.gaussian_kl(math.sqrt(a) * x_0, 1 - a, 0.0, 1.0).mean()
    assert bounds.prior_term((x_0**2).mean(), schedule) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(
        bounds.prior_term(x_0**2, schedule),
        bounds.gaussian_kl(math.sqrt(a) * x_0, 1 - a, 0.0, 1.0),
        rtol=1e-6,
        atol=1e-9,
    )


def test_what_the_last_step_has_left():
    # 2.6e-5 bits per dimension for the linear schedule and data with E x_0² = 0.9.
    assert bounds.bits(bounds.prior_term(0.9, LINEAR)) == pytest.approx(2.6e-5, abs=5e-7)
    a = exact_schedule(LINEAR.beta[1:]).alpha_bar[-1]
    expected = (mpf("0.9") * a - a - mpmath.log(1 - a)) / 2
    assert bounds.prior_term(0.9, LINEAR) == pytest.approx(float(expected), rel=1e-9)
    assert bounds.prior_term(torch.tensor(0.9), LINEAR.to("cpu")).item() == pytest.approx(float(expected), rel=1e-2)
    assert bounds.prior_term(0, schedules.from_betas([0.2, 1.0])) == 0


# --- the weights of the squared errors ---


@given(betas_of(min_size=2))
def test_weights_to_ten_digits(betas):
    schedule, exact, t = schedules.from_betas(betas), exact_schedule(betas), np.arange(2, len(betas) + 1)
    for sigma_squared in ("beta", "beta_tilde"):
        s = getattr(exact, sigma_squared)
        on_x_0 = [exact.alpha_bar[i - 1] * exact.beta[i] ** 2 / (2 * s[i] * (1 - exact.alpha_bar[i]) ** 2) for i in t]
        on_eps = [exact.beta[i] ** 2 / (2 * s[i] * exact.alpha[i] * (1 - exact.alpha_bar[i])) for i in t]
        given_sigma = getattr(schedule, sigma_squared)[t]
        np.testing.assert_allclose(bounds.x_0_weight(t, schedule, given_sigma), floats(on_x_0), rtol=1e-8)
        np.testing.assert_allclose(bounds.eps_weight(t, schedule, given_sigma), floats(on_eps), rtol=1e-8)
        for i in t:
            sigma = getattr(schedule, sigma_squared)[i]
            assert bounds.eps_weight(int(i), schedule, sigma) == pytest.approx(float(on_eps[i - 2]), rel=1e-8)
            assert bounds.x_0_weight(int(i), schedule, sigma) == pytest.approx(float(on_x_0[i - 2]), rel=1e-8)


@given(betas_of(min_size=2))
def test_for_beta_tilde_the_weight_of_x_0_is_half_the_fall_of_the_snr(betas):
    schedule, t = schedules.from_betas(betas), np.arange(2, len(betas) + 1)
    snr = exact_schedule(betas).snr
    expected = floats([(snr[i - 1] - snr[i]) / 2 for i in t])
    np.testing.assert_allclose(bounds.x_0_weight(t, schedule, schedule.beta_tilde[t]), expected, rtol=1e-8)


def test_an_error_weighs_the_same_in_x_0_and_in_eps():
    ratio = (1 - LINEAR.alpha_bar[STEPS]) / LINEAR.alpha_bar[STEPS]
    for sigma_squared in (LINEAR.beta[STEPS], LINEAR.beta_tilde[STEPS]):
        np.testing.assert_allclose(
            bounds.x_0_weight(STEPS, LINEAR, sigma_squared) * ratio,
            bounds.eps_weight(STEPS, LINEAR, sigma_squared),
            rtol=1e-9,
        )


def test_the_weight_that_the_simple_loss_drops():
    t = np.arange(1, 1001)
    weight = bounds.eps_weight(t, LINEAR, LINEAR.beta[t])
    assert weight[0] == pytest.approx(0.50, abs=5e-3)
    assert int(np.argmin(weight)) + 1 == 349
    assert weight.min() == pytest.approx(0.005, abs=5e-4)
    assert weight.max() / weight.min() == pytest.approx(100, rel=0.05)
    # It falls all the way down to t = 349 and rises again to 0.010.
    assert (np.diff(weight[:349]) < 0).all()
    assert (np.diff(weight[348:]) > 0).all()
    assert weight[-1] == pytest.approx(LINEAR.beta[1000] / 2 / 0.98, rel=1e-3)


def test_the_price_of_beta_instead_of_beta_tilde():
    cost = bounds.bits(bounds.variance_cost(STEPS, LINEAR))
    assert cost.sum() == pytest.approx(0.486, abs=5e-4)
    assert cost[STEPS <= 10].sum() / cost.sum() == pytest.approx(0.80, abs=5e-3)
    exact = exact_schedule(LINEAR.beta[1:12])
    for t in (2, 3, 11):
        ratio = exact.beta_tilde[t] / exact.beta[t]
        expected = float((ratio - 1 - mpmath.log(ratio)) / 2)
        assert bounds.variance_cost(t, LINEAR) == pytest.approx(expected, rel=1e-9)
    tensors = bounds.variance_cost(torch.tensor([2, 500]), LINEAR.to("cpu", torch.float64))
    np.testing.assert_allclose(tensors, bounds.variance_cost(np.array([2, 500]), LINEAR), rtol=1e-9)


# --- L_{t−1} and L_0 ---


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_step_term_is_the_weighted_error_and_the_price_of_the_variance(variance):
    rng = np.random.default_rng(0)
    x_0, eps, error = rng.standard_normal((3, 4, 2, 3))
    t = np.array([2, 3, 7, 12])
    sigma_squared = getattr(SHORT, variance)[t]
    terms = bounds.step_term(lambda x_t, t: eps + error, x_0, t, SHORT, eps, variance)
    expected = bounds.eps_weight(t, SHORT, sigma_squared) * (error**2).sum(axis=(1, 2))
    if variance == "beta":
        expected = expected + 6 * bounds.variance_cost(t, SHORT)
    assert terms.shape == (4,)
    np.testing.assert_allclose(terms, expected, rtol=1e-9)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_step_term_by_the_two_gaussians(variance):
    x_0, eps, t = np.array([0.7, -1.2]), np.array([0.4, 1.9]), np.array([5, 9])
    x_t = np.array([forward.q_sample(x_0[i], int(t[i]), SHORT, eps[i]) for i in range(2)])
    seen = []

    def model(x, steps):
        seen.append((x, steps))
        return 0.3 * x + 0.01 * steps

    terms = bounds.step_term(model, x_0, t, SHORT, eps, variance)
    np.testing.assert_allclose(seen[0][0], x_t)
    np.testing.assert_array_equal(seen[0][1], t)
    for i in range(2):
        s, a = SHORT, SHORT.alpha_bar
        guess = 0.3 * x_t[i] + 0.01 * t[i]
        mean = (x_t[i] - s.beta[t[i]] / math.sqrt(1 - a[t[i]]) * guess) / math.sqrt(s.alpha[t[i]])
        truth = torch.distributions.Normal(posterior.mean(x_t[i], x_0[i], int(t[i]), s), math.sqrt(s.beta_tilde[t[i]]))
        ours = torch.distributions.Normal(mean, math.sqrt(getattr(s, variance)[t[i]]))
        assert terms[i] == pytest.approx(torch.distributions.kl_divergence(truth, ours).item(), rel=1e-5)


def test_sigma_squared_is_beta_unless_told_otherwise():
    x, t = np.ones((2, 1)), np.array([2, 3])
    default = bounds.step_term(guess_of(SHORT, 0, 1), x, t, SHORT, x)
    np.testing.assert_array_equal(default, bounds.step_term(guess_of(SHORT, 0, 1), x, t, SHORT, x, "beta"))
    assert (default != bounds.step_term(guess_of(SHORT, 0, 1), x, t, SHORT, x, "beta_tilde")).all()


def test_decoder_term_is_minus_a_gaussian_log_density():
    rng = np.random.default_rng(1)
    x_0, eps = rng.standard_normal((2, 3, 2, 2))
    seen = []

    def model(x, steps):
        seen.append((x, steps))
        return 0.5 * x

    terms = bounds.decoder_term(model, x_0, SHORT, eps, 0.3)
    x_1 = forward.q_sample(x_0, 1, SHORT, eps)
    np.testing.assert_allclose(seen[0][0], x_1)
    assert seen[0][1].tolist() == [1, 1, 1]
    assert seen[0][1].dtype == np.int64
    mean = diffusion.mean_from_eps(x_1, 0.5 * x_1, 1, SHORT)
    np.testing.assert_allclose(terms, -stats.norm.logpdf(x_0, mean, math.sqrt(0.3)).sum(axis=(1, 2)), rtol=1e-12)


@given(betas_of(min_size=1, max_size=8, low=1e-3, high=0.9))
def test_for_standard_normal_data_the_bound_is_the_entropy(betas):
    # With σ² = β the chain backwards is then the chain itself: nothing is lost, and −log p(x_0) is met exactly.
    entropy = math.log(2 * math.pi * math.e) / 2
    schedule = schedules.from_betas(betas)
    assert whole_bound(schedule, 0, 1, "beta") == pytest.approx(entropy, rel=1e-7)
    if len(betas) > 1:
        assert whole_bound(schedule, 0, 1, "beta_tilde") > entropy


@given(betas_of(min_size=2, max_size=8, low=1e-3, high=0.9), st.floats(-1, 1), st.floats(0.05, 3))
def test_for_other_gaussian_data_the_bound_lies_above_the_likelihood(betas, m, v):
    # The model's p(x_0) is then Gaussian too: the steps back are affine. Its cross entropy is at most the bound.
    schedule = schedules.from_betas(betas)
    mean, variance = 0.0, 1.0
    for t in range(schedule.T, 0, -1):
        a, beta = schedule.alpha_bar[t], schedule.beta[t]
        slope = (1 - beta / (a * v + 1 - a)) / math.sqrt(1 - beta)
        mean = slope * mean + beta * math.sqrt(a) * m / (a * v + 1 - a) / math.sqrt(1 - beta)
        variance = slope**2 * variance + beta
    cross_entropy = math.log(2 * math.pi * variance) / 2 + (v + (m - mean) ** 2) / (2 * variance)
    assert whole_bound(schedule, m, v, "beta") >= cross_entropy - 1e-9


@given(betas_of(min_size=2, max_size=8, low=1e-3, high=0.9), st.floats(-1, 1), st.floats(-2, 2))
def test_for_a_point_mass_beta_tilde_is_right(betas, m, noise):
    # The model knows x_0, and every step is the posterior itself; σ² = β costs exactly what variance_cost says.
    schedule = schedules.from_betas(betas)
    t = np.arange(2, schedule.T + 1)
    x_0, eps = np.full(len(t), m), np.full(len(t), noise)
    model = guess_of(schedule, m, 0)
    np.testing.assert_allclose(bounds.step_term(model, x_0, t, schedule, eps, "beta_tilde"), 0, atol=1e-9)
    np.testing.assert_allclose(
        bounds.step_term(model, x_0, t, schedule, eps, "beta"), bounds.variance_cost(t, schedule), atol=1e-9
    )


def test_twice_the_steps_halve_what_the_bound_loses():
    # On N(0, 0.25) data the steps back are Gaussian, but of a variance between β̃ and β.
    entropy = math.log(2 * math.pi * math.e * 0.25) / 2
    schedule, finer = schedules.linear(100, 1e-3, 0.2), schedules.linear(200, 5e-4, 0.1)
    lost, less = (whole_bound(each, 0, 0.25, "beta") - entropy for each in (schedule, finer))
    assert lost / less == pytest.approx(2, rel=0.1)
    assert whole_bound(finer, 0, 0.25, "beta_tilde") - entropy > 100 * less


def test_tensors_give_the_same_terms():
    rng = np.random.default_rng(2)
    x_0, eps, t = *rng.standard_normal((2, 3, 1, 2, 2)), np.array([2, 6, 12])
    schedule = SHORT.to("cpu", torch.float64)
    model, tensors = guess_of(SHORT, 0.2, 0.5), (torch.tensor(x_0), torch.tensor(eps), torch.tensor(t))
    for variance in ("beta", "beta_tilde"):
        ours = bounds.step_term(model, x_0, t, SHORT, eps, variance)
        theirs = bounds.step_term(guess_of(schedule, 0.2, 0.5), tensors[0], tensors[2], schedule, tensors[1], variance)
        np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-9)
        np.testing.assert_allclose(
            bounds.eps_weight(tensors[2], schedule, getattr(schedule, variance)[tensors[2]]),
            bounds.eps_weight(t, SHORT, getattr(SHORT, variance)[t]),
            rtol=1e-12,
        )
    seen = []

    def spy(x, steps):
        seen.append(steps)
        return guess_of(schedule, 0.2, 0.5)(x, steps)

    theirs = bounds.decoder_term(spy, tensors[0], schedule, tensors[1], 0.02)
    np.testing.assert_allclose(theirs.numpy(), bounds.decoder_term(model, x_0, SHORT, eps, 0.02), rtol=1e-9)
    assert seen[0].dtype == torch.int64
    assert seen[0].tolist() == [1, 1, 1]
    meta = torch.zeros(2, 1, device="meta")
    assert bounds._ones(meta).device.type == "meta"


# --- grey levels ---


def exact_level(x_0, mean, variance, levels):
    """The logarithm of the probability of one grey level, in 50 digits; the outermost own the rest of the line."""
    std, half = mpmath.sqrt(mpf(variance)), mpf(1) / (levels - 1)
    lower = -mpmath.inf if x_0 == -1 else (mpf(x_0) - half - mpf(mean)) / std
    upper = mpmath.inf if x_0 == 1 else (mpf(x_0) + half - mpf(mean)) / std
    root = mpmath.sqrt(2)
    if lower > 0:
        return mpmath.log((mpmath.erfc(lower / root) - mpmath.erfc(upper / root)) / 2)
    return mpmath.log((mpmath.erfc(-upper / root) - mpmath.erfc(-lower / root)) / 2)


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("variance", [1e-7, 1e-4, 0.02, 1.0, 100.0])
def test_grey_levels_to_nine_digits(levels, variance):
    grey = 2 * np.arange(levels) / (levels - 1) - 1
    mean = np.array([-3.0, -0.99, 0.001, 0.5, 1.2])[:, None]
    picked = grey[sorted({0, 1, levels // 2, levels - 2, levels - 1})]
    ours = bounds.discretised_log_likelihood(np.tile(picked, (5, 1)), np.tile(mean, (1, len(picked))), variance, levels)
    expected = [[float(exact_level(x, m, variance, levels)) for x in picked] for m in mean.ravel().tolist()]
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)
    tensor = bounds.discretised_log_likelihood(
        torch.tensor(picked), torch.full((len(picked),), 0.5, dtype=torch.float64), torch.tensor(variance), levels
    )
    np.testing.assert_allclose(tensor, ours[3], rtol=1e-6, atol=1e-9)


@given(st.floats(-1.5, 1.5), st.floats(-8, 2).map(lambda e: 10**e), st.sampled_from([2, 5, 256]))
def test_the_levels_share_out_all_probability(mean, variance, levels):
    grey = 2 * np.arange(levels) / (levels - 1) - 1
    logs = bounds.discretised_log_likelihood(grey, np.full(levels, mean), np.full(levels, variance), levels)
    assert np.exp(logs).sum() == pytest.approx(1, rel=1e-10)
    if levels == 256:
        np.testing.assert_array_equal(logs, bounds.discretised_log_likelihood(grey, mean, variance))


def test_one_level_is_a_number_and_float32_will_do():
    middle = bounds.discretised_log_likelihood(1 / 255, 1 / 255, 1e-10)
    assert np.shape(middle) == ()
    assert middle == pytest.approx(0, abs=1e-12)
    for edge in (-1.0, 1.0):
        assert bounds.discretised_log_likelihood(edge, 1.2 * edge, 1e-4) == pytest.approx(0, abs=1e-12)
    pixel = bounds.discretised_log_likelihood(torch.tensor([-1.0, 1 / 255, 1.0]), torch.zeros(3), torch.tensor(1e-3))
    expected = [float(exact_level(x, 0, 1e-3, 256)) for x in (-1, 1 / 255, 1)]
    assert pixel.dtype == torch.float32
    np.testing.assert_allclose(pixel, expected, rtol=1e-4)


# --- units and bad input ---


def test_bits():
    assert bounds.bits(math.log(2)) == pytest.approx(1)
    assert bounds.bits(math.log(8) * 784, 784) == pytest.approx(3)
    np.testing.assert_allclose(bounds.bits(np.array([0.0, 2 * math.log(2)]), 2), [0, 1])
    with pytest.raises(ValueError, match=r"^dimensions must be at least 1, but it was 0$"):
        bounds.bits(1.0, 0)
    with pytest.raises(TypeError, match=r"^dimensions must be a whole number, but it was 1.5$"):
        bounds.bits(1.0, 1.5)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.array([0.5, 0.0]), torch.tensor([-0.1, 1.0]), np.array([np.nan])])
def test_a_variance_must_be_above_0(bad):
    worst = float(bad.min()) if hasattr(bad, "min") else bad
    t = np.array([2, 3])
    for name, call in (
        ("variance_1", lambda: bounds.gaussian_kl(0.0, bad, 0.0, 1.0)),
        ("variance_2", lambda: bounds.gaussian_kl(0.0, 1.0, 0.0, bad)),
        ("sigma_squared", lambda: bounds.x_0_weight(t, LINEAR, bad)),
        ("sigma_squared", lambda: bounds.eps_weight(t, LINEAR, bad)),
        ("variance", lambda: bounds.discretised_log_likelihood(np.zeros(2), 0.0, bad)),
    ):
        with pytest.raises(ValueError, match=f"^{name} must be above 0, but it was {worst}$"):
            call()


def test_bad_input_is_named():
    x, t, guess = np.zeros((2, 3)), np.array([2, 3]), guess_of(LINEAR, 0, 1)
    with pytest.raises(TypeError, match=r"^variance_2 must be a number, but it was 'red'$"):
        bounds.gaussian_kl(0.0, 1.0, 0.0, "red")
    with pytest.raises(ValueError, match=r"^sigma_squared must be above 0, but it was 0.0$"):
        bounds.x_0_weight(1, LINEAR, LINEAR.beta_tilde[1])
    for bad in (0.0, -0.5):
        with pytest.raises(ValueError, match=f"^sigma_squared must be above 0, but it was {bad}$"):
            bounds.decoder_term(guess, x, LINEAR, x, bad)
    with pytest.raises(TypeError, match=r"^sigma_squared must be a number, but it was None$"):
        bounds.decoder_term(guess, x, LINEAR, x, None)
    for bad in (-0.1, math.nan):
        with pytest.raises(ValueError, match=f"^second_moment must be at least 0, but it was {bad}$"):
            bounds.prior_term(bad, LINEAR)
    with pytest.raises(ValueError, match=r"^second_moment must be at least 0, but it was array\(\[ 1., -1.\]\)$"):
        bounds.prior_term(np.array([1.0, -1.0]), LINEAR)
    with pytest.raises(
        ValueError, match=r"^variance must be one of 'beta', 'beta_tilde', 'learned', but it was 'alpha'$"
    ):
        bounds.step_term(guess, x, t, LINEAR, x, "alpha")
    with pytest.raises(ValueError, match=r"^eps must have x_0's shape \(2, 3\), but its shape was \(2, 1\)$"):
        bounds.step_term(guess, x, t, LINEAR, np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"^eps must have x_0's shape \(2, 3\), but its shape was \(2, 1\)$"):
        bounds.decoder_term(guess, x, LINEAR, np.zeros((2, 1)), 0.1)
    answer = r"^eps_theta's answer must have eps's shape \(2, 3\), but its shape was \(2,\)$"
    with pytest.raises(ValueError, match=answer):
        bounds.step_term(lambda x_t, t: np.zeros(2), x, t, LINEAR, x)
    with pytest.raises(ValueError, match=answer):
        bounds.decoder_term(lambda x_t, t: np.zeros(2), x, LINEAR, x, 0.1)
    for bad in (np.array([1, 2]), np.array([5, 1])):
        with pytest.raises(
            ValueError, match=r"^t must lie in 2…T, but it was 1: at t = 1 the posterior has no variance$"
        ):
            bounds.step_term(guess, x, bad, LINEAR, x)
        with pytest.raises(
            ValueError, match=r"^t must lie in 2…T, but it was 1: at t = 1 the posterior has no variance$"
        ):
            bounds.variance_cost(bad, LINEAR)
    with pytest.raises(ValueError, match=r"^t must lie in 2…T, but it was 1: "):
        bounds.variance_cost(1, LINEAR)
    for call in (lambda t: bounds.variance_cost(t, LINEAR), lambda t: bounds.eps_weight(t, LINEAR, 0.1), lambda t: bounds.x_0_weight(t, LINEAR, 0.1)):  # fmt: skip
        with pytest.raises(ValueError, match=r"^t must lie in 1…1000, but it was 1001$"):
            call(1001)
        with pytest.raises(TypeError, match=r"^t must be whole numbers"):
            call(2.5)
    for bad in (1.1, -1.5):
        with pytest.raises(
            ValueError, match=rf"^x_0 must lie in \[−1, 1\], but it went from {min(bad, 0.0)} to {max(bad, 0.0)}$"
        ):
            bounds.discretised_log_likelihood(np.array([0.0, bad]), 0.0, 1.0)
        with pytest.raises(ValueError, match=rf"^x_0 must lie in \[−1, 1\], but it went from {bad} to {bad}$"):
            bounds.discretised_log_likelihood(bad, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"^levels must be at least 2, but it was 1$"):
        bounds.discretised_log_likelihood(x, 0.0, 1.0, 1)
    with pytest.raises(TypeError, match=r"^levels must be a whole number, but it was 2.5$"):
        bounds.discretised_log_likelihood(x, 0.0, 1.0, 2.5)
