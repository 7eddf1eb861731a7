"""From data to noise: the chain, its variances, and the jump, against algebra, 50 digits, sampling and diffusers."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu import forward, schedules

from .oracles import Scripted, assert_law, assert_mean, assert_variance, betas_of, floats

LINEAR = schedules.linear()
shares = st.floats(0, 1.1)


# --- one step ---


@given(st.floats(0, 2), st.floats(0, 2))
def test_the_step_scales_by_roots(alpha, beta):
    x, eps = np.array([[0.3, -2.0], [1.0, 5.0]]), np.array([[1.0, -1.0], [0.5, 0.0]])
    expected = np.sqrt(alpha) * x + np.sqrt(beta) * eps
    np.testing.assert_allclose(forward.kernel_step(x, alpha, beta, Scripted(eps)), expected, rtol=1e-14)


def test_the_step_has_the_mean_and_variance_of_the_kernel():
    x = forward.kernel_step(np.full(100_000, 1.5), 0.7, 0.4, np.random.default_rng(1))
    assert_mean(x, math.sqrt(0.7) * 1.5, 0.4)
    assert_variance(x, 0.4)
    assert_law((x - math.sqrt(0.7) * 1.5) / math.sqrt(0.4), "norm")


def test_each_entry_gets_noise_of_its_own():
    x = forward.kernel_step(np.zeros((2, 50_000)), 0.5, 1.0, np.random.default_rng(2))
    assert_mean(x[0] * x[1], 0, 1)


def test_one_jump_to_a_gaussian():
    x = forward.kernel_step(np.full(50_000, 1e6), 0, 1, np.random.default_rng(3))
    assert_law(x, "norm")


def test_the_step_does_not_change_its_input_and_takes_lists_and_numbers():
    x = np.array([1.0, 2.0])
    forward.kernel_step(x, 0.5, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(x, [1, 2])
    assert forward.kernel_step([1, 2], 1, 0, np.random.default_rng(0)).tolist() == [1, 2]
    assert forward.kernel_step(4.0, 0.25, 0, np.random.default_rng(0)) == 2


def test_unrolling_the_chain():
    # x_T = (1−β)^{T/2} x_0 + Σ_k √β (1−β)^{k/2} ε_{T−k}, and the squared factors of the noise sum to 1 − (1−β)^T.
    T, beta, x_0 = 9, 0.15, np.array([2.0, -1.0])
    eps = np.random.default_rng(0).standard_normal((T, 2))
    rng = Scripted(*eps)
    x = x_0
    for _ in range(T):
        x = forward.kernel_step(x, 1 - beta, beta, rng)
    factors = [math.sqrt(beta) * (1 - beta) ** (k / 2) for k in range(T)]
    expected = (1 - beta) ** (T / 2) * x_0 + sum(factors[k] * eps[T - 1 - k] for k in range(T))
    np.testing.assert_allclose(x, expected, rtol=1e-13)
    assert sum(f**2 for f in factors) == pytest.approx(1 - (1 - beta) ** T, rel=1e-13)


# --- the variances ---


@given(st.floats(0, 5), st.floats(0, 1.2), st.floats(0, 2), st.integers(0, 60))
def test_variance_path_is_the_geometric_series(v_0, alpha, beta, steps):
    path = forward.variance_path(v_0, alpha, beta, steps)
    a, b, v = mpmath.mpf(alpha), mpmath.mpf(beta), mpmath.mpf(v_0)
    expected = [a**t * v + b * sum((a**k for k in range(t)), mpmath.mpf(0)) for t in range(steps + 1)]
    assert path.shape == (steps + 1,)
    np.testing.assert_allclose(path, floats(expected), rtol=1e-12)


def test_variance_path_at_alpha_1_is_a_line():
    np.testing.assert_allclose(forward.variance_path(0.5, 1, 0.25, 100), 0.5 + 0.25 * np.arange(101))


@given(st.floats(0, 0.9), st.floats(0, 2), st.floats(0, 10))
def test_variance_path_tends_to_the_limit(alpha, beta, v_0):
    limit = forward.variance_limit(alpha, beta)
    path = forward.variance_path(v_0, alpha, beta, 500)
    assert path[-1] == pytest.approx(limit, rel=1e-12, abs=1e-12)
    assert abs(path - limit).argmax() == 0


@given(st.floats(0, 0.999999))
def test_the_limit_is_1_if_beta_is_1_minus_alpha(alpha):
    assert forward.variance_limit(alpha, 1 - alpha) == pytest.approx(1, rel=1e-9)
    assert forward.variance_limit(alpha, 1.01 * (1 - alpha)) == pytest.approx(1.01, rel=1e-9)
    np.testing.assert_allclose(forward.variance_path(1, alpha, 1 - alpha, 50), 1, rtol=1e-12)  # unit variance is kept


def test_the_regimes():
    assert forward.variance_limit(0, 1) == 1
    assert forward.variance_limit(0, 0) == 0
    assert forward.variance_limit(0.99, 1.0) == pytest.approx(100)
    assert forward.variance_limit(1, 0.01) == math.inf
    assert forward.variance_limit(1.01, 0.01) == math.inf
    assert forward.variance_limit(1.01, 0) == math.inf


def test_the_variance_along_a_schedule():
    v = 0.3
    for t in range(1, 1001):
        v = forward.variance_path(v, LINEAR.alpha[t], LINEAR.beta[t], 1)[1]
        if t in (1, 500, 1000):
            assert v == pytest.approx(1 + LINEAR.alpha_bar[t] * (0.3 - 1), rel=1e-12)


def test_an_explosion_says_where():
    steps = int(math.log(1.7976931348623157e308) / math.log(1.1))  # the last power of 1.1 below the largest float
    assert math.isfinite(forward.variance_path(1, 1.1, 0, steps)[-1])
    with pytest.raises(OverflowError, match=rf"outgrew a float at step {steps + 1}: alpha was 1\.1"):
        forward.variance_path(1, 1.1, 0, steps + 5)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_bad_numbers_are_named(bad):
    rng = np.random.default_rng(0)
    allowed = f"must be a finite number of at least 0, but it was {bad}"
    for name, call in (
        ("alpha", lambda: forward.kernel_step([1.0], bad, 0.1, rng)),
        ("beta", lambda: forward.kernel_step([1.0], 0.1, bad, rng)),
        ("v_0", lambda: forward.variance_path(bad, 0.9, 0.1, 3)),
        ("alpha", lambda: forward.variance_path(1, bad, 0.1, 3)),
        ("beta", lambda: forward.variance_path(1, 0.9, bad, 3)),
        ("alpha", lambda: forward.variance_limit(bad, 0.1)),
        ("beta", lambda: forward.variance_limit(0.1, bad)),
    ):
        with pytest.raises(ValueError, match=f"{name} {allowed}"):
            call()


def test_other_bad_input():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="x must hold finite numbers only, but one of them was nan"):
        forward.kernel_step([0, math.nan], 0.9, 0.1, rng)
    with pytest.raises(ValueError, match="steps must be at least 0, but it was -1"):
        forward.variance_path(1, 0.9, 0.1, -1)
    with pytest.raises(TypeError, match=r"steps must be a whole number, but it was 1\.5"):
        forward.variance_path(1, 0.9, 0.1, 1.5)
    together = "^alpha and beta must not be 1 and 0 together: nothing moves, and the limit is v_0 itself$"
    with pytest.raises(ValueError, match=together):
        forward.variance_limit(1, 0)
    with pytest.raises(TypeError, match="alpha must be a number, but it was 'red'"):
        forward.kernel_step([1.0], "red", 0.1, rng)


# --- the jump ---


@given(betas_of(), st.data())
def test_q_sample_to_twelve_digits(betas, data):
    schedule = schedules.from_betas(betas)
    t = data.draw(st.integers(1, len(betas)))
    alpha_bar = mpmath.fprod(1 - mpmath.mpf(b) for b in betas[:t])
    x_0, eps = np.array([0.7, -3.0]), np.array([-1.1, 0.2])
    expected = [
        float(mpmath.sqrt(alpha_bar) * mpmath.mpf(a) + mpmath.sqrt(1 - alpha_bar) * mpmath.mpf(e))
        for a, e in zip(x_0, eps, strict=True)
    ]
    np.testing.assert_allclose(forward.q_sample(x_0, t, schedule, eps), expected, rtol=1e-9)


def test_the_jump_has_the_law_of_the_chain():
    # 12 steps of the chain and one jump, on fresh noise: the same Gaussian.
    schedule, n, rng = schedules.linear(12, 0.05, 0.4), 100_000, np.random.default_rng(4)
    x = np.full(n, 2.0)
    for t in range(1, 13):
        x = forward.kernel_step(x, schedule.alpha[t], schedule.beta[t], rng)
    jump = forward.q_sample(np.full(n, 2.0), 12, schedule, rng.standard_normal(n))
    mean, variance = math.sqrt(schedule.alpha_bar[12]) * 2, 1 - schedule.alpha_bar[12]
    for draws in (x, jump):
        assert_mean(draws, mean, variance)
        assert_variance(draws, variance)
        assert_law((draws - mean) / math.sqrt(variance), "norm")


def test_each_item_has_its_own_t():
    x_0, eps = np.random.default_rng(0).standard_normal((2, 3, 1, 4, 4))
    t = np.array([1, 500, 1000])
    together = forward.q_sample(x_0, t, LINEAR, eps)
    assert together.shape == x_0.shape
    for i in range(3):
        np.testing.assert_array_equal(together[i], forward.q_sample(x_0[i], int(t[i]), LINEAR, eps[i]))


def test_against_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    rng = torch.Generator().manual_seed(0)
    x_0, eps = torch.randn(1000, 1, 4, 4, generator=rng), torch.randn(1000, 1, 4, 4, generator=rng)
    t = torch.arange(1, 1001)
    ours = forward.q_sample(x_0, t, LINEAR.to("cpu"), eps)
    # Both are float32, in which √(1 − ᾱ_1) = 0.01 is right to 2e-6; elsewhere they agree to their rounding.
    np.testing.assert_allclose(ours, theirs.add_noise(x_0, eps, t - 1), atol=1e-5)
    np.testing.assert_allclose(ours[20:], theirs.add_noise(x_0, eps, t - 1)[20:], atol=4e-6)


@given(betas_of(min_size=3))
def test_arrays_and_tensors_give_the_same_numbers(betas):
    schedule = schedules.from_betas(betas)
    x_0, eps = np.random.default_rng(0).standard_normal((2, 3, 2))
    t = np.array([1, 2, 3])
    tensors = forward.q_sample(torch.tensor(x_0), torch.tensor(t), schedule.to("cpu", torch.float64), torch.tensor(eps))
    np.testing.assert_allclose(tensors.numpy(), forward.q_sample(x_0, t, schedule, eps), rtol=1e-13)


def test_float32_stays_float32():
    x = torch.zeros(2, 1, 4, 4)
    assert forward.q_sample(x, torch.tensor([1, 2]), LINEAR.to("cpu"), x).dtype == torch.float32


@pytest.mark.parametrize("t", [0, 1001, -1])
def test_t_outside_the_schedule(t):
    with pytest.raises(ValueError, match=f"t must lie in 1…1000, but it was {t}"):
        forward.q_sample(np.zeros(2), t, LINEAR, np.zeros(2))
    with pytest.raises(ValueError, match=f"t must lie in 1…1000, but it was {t}"):
        forward.q_sample(torch.zeros(2), torch.tensor([5, t]), LINEAR.to("cpu"), torch.zeros(2))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"eps must have x_0's shape \(2, 3\), but its shape was \(3,\)"):
        forward.q_sample(np.zeros((2, 3)), 1, LINEAR, np.zeros(3))
    with pytest.raises(ValueError, match=r"eps must have x_0's shape \(2, 3\), but its shape was \(2, 1\)"):
        forward.q_sample(torch.zeros(2, 3), 1, LINEAR.to("cpu"), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"t had shape \(3,\) and x \(2, 3\)"):
        forward.q_sample(np.zeros((2, 3)), np.array([1, 2, 3]), LINEAR, np.zeros((2, 3)))
    with pytest.raises(TypeError, match="t must be whole numbers"):
        forward.q_sample(np.zeros(2), 1.5, LINEAR, np.zeros(2))
