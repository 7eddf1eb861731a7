"""The step back when x_0 is known: against Bayes' rule by quadrature and by precisions, and against the book's table."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ddpm_edu import forward, posterior, schedules

from .oracles import assert_mean, assert_variance, betas_of, exact_schedule, floats

LINEAR = schedules.linear()
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


@given(betas_of(min_size=2), st.data())
def test_bayes_by_quadrature(betas, data):
    # q(x_{t−1} | x_t, x_0) ∝ q(x_t | x_{t−1}) q(x_{t−1} | x_0), as two Gaussian densities on a grid of points.
    schedule = schedules.from_betas(betas)
    t = data.draw(st.integers(2, len(betas)))
    x_0, x_t = 0.8, -0.5
    center, width = posterior.mean(x_t, x_0, t, schedule), math.sqrt(posterior.variance(t, schedule))
    x = center + 12 * width * NODES
    log_p = stats.norm.logpdf(x_t, math.sqrt(schedule.alpha[t]) * x, math.sqrt(schedule.beta[t]))
    log_p += stats.norm.logpdf(x, math.sqrt(schedule.alpha_bar[t - 1]) * x_0, math.sqrt(1 - schedule.alpha_bar[t - 1]))
    p = np.exp(log_p - log_p.max()) * WEIGHTS
    mean = (p @ x) / p.sum()
    assert abs(mean - center) < 1e-6 * width
    assert (p @ (x - mean) ** 2) / p.sum() == pytest.approx(width**2, rel=1e-6)


@given(betas_of())
def test_bayes_by_precisions_to_ten_digits(betas):
    schedule, exact = schedules.from_betas(betas), exact_schedule(betas)
    x_0, x_t = 0.8, -0.5
    for t in range(2, len(betas) + 1):
        before = 1 - exact.alpha_bar[t - 1]
        variance = 1 / (exact.alpha[t] / exact.beta[t] + 1 / before)
        on_x_t = variance * mpmath.sqrt(exact.alpha[t]) / exact.beta[t]
        on_x_0 = variance * mpmath.sqrt(exact.alpha_bar[t - 1]) / before
        assert posterior.variance(t, schedule) == pytest.approx(float(variance), rel=1e-12)
        np.testing.assert_allclose(posterior.weights(t, schedule), floats([on_x_0, on_x_t]), rtol=1e-8)
        expected = on_x_0 * mpmath.mpf(x_0) + on_x_t * mpmath.mpf(x_t)
        assert posterior.mean(x_t, x_0, t, schedule) == pytest.approx(float(expected), rel=1e-8, abs=1e-9)


@given(betas_of())
def test_at_t_1_the_answer_is_x_0(betas):
    schedule = schedules.from_betas(betas)
    on_x_0, on_x_t = posterior.weights(1, schedule)
    assert on_x_0 == pytest.approx(1, rel=1e-9)
    assert on_x_t == 0
    assert posterior.variance(1, schedule) == 0
    np.testing.assert_allclose(posterior.mean(np.array([7.0, 8.0]), np.array([0.1, -0.2]), 1, schedule), [0.1, -0.2])


@given(betas_of(min_size=2), st.data())
def test_going_forward_and_back_keeps_the_marginal(betas, data):
    # x_t from q(x_t | x_0), then x_{t−1} from the posterior: must be q(x_{t−1} | x_0), mean and variance.
    schedule = schedules.from_betas(betas)
    t = data.draw(st.integers(1, len(betas)))
    on_x_0, on_x_t = posterior.weights(t, schedule)
    assert on_x_0 + on_x_t * math.sqrt(schedule.alpha_bar[t]) == pytest.approx(math.sqrt(schedule.alpha_bar[t - 1]))
    variance = on_x_t**2 * (1 - schedule.alpha_bar[t]) + posterior.variance(t, schedule)
    assert variance == pytest.approx(1 - schedule.alpha_bar[t - 1], rel=1e-8, abs=1e-12)


def test_a_step_that_drowns_all_leaves_what_was_known():
    # At β_t = 1 nothing of x_{t−1} is left in x_t: the posterior is q(x_{t−1} | x_0). After it x_0 is forgotten.
    schedule = schedules.from_betas([0.1, 1.0, 0.3])
    np.testing.assert_allclose(posterior.weights(2, schedule), (math.sqrt(0.9), 0), rtol=1e-14)
    assert posterior.variance(2, schedule) == pytest.approx(0.1, rel=1e-14)
    np.testing.assert_allclose(posterior.weights(3, schedule), (0, math.sqrt(0.7)), rtol=1e-14)
    assert posterior.variance(3, schedule) == pytest.approx(0.3, rel=1e-14)


def test_a_chain_of_one_step():
    schedule = schedules.from_betas([0.4])
    np.testing.assert_allclose(posterior.weights(1, schedule), (1, 0), atol=1e-15)
    assert posterior.mean(5.0, 0.25, 1, schedule) == pytest.approx(0.25)


def test_by_conditioning_samples():
    # Regress x_{t−1} on x_t over simulated chains from one x_0: the line and its residual are the posterior.
    schedule, n, rng = schedules.from_betas([0.1, 0.3, 0.2]), 200_000, np.random.default_rng(6)
    before = forward.q_sample(np.full(n, 1.5), 2, schedule, rng.standard_normal(n))
    x_t = forward.kernel_step(before, schedule.alpha[3], schedule.beta[3], rng)
    residual = before - posterior.mean(x_t, np.full(n, 1.5), 3, schedule)
    variance = posterior.variance(3, schedule)
    assert_mean(residual, 0, variance)
    assert_variance(residual, variance)
    assert_mean(residual * (x_t - x_t.mean()), 0, variance * x_t.var())


# --- the numbers in the book ---


def test_the_weight_of_x_0_against_t():
    t = np.array([1, 2, 10, 100, 500, 1000])
    on_x_0, _ = posterior.weights(t, LINEAR)
    np.testing.assert_allclose(on_x_0, [1, 0.545, 0.147, 0.0191, 0.00307, 1.28e-4], rtol=3e-3)
    every, _ = posterior.weights(np.arange(1, 1001), LINEAR)
    assert (np.diff(every) < 0).all()
    assert int(np.argmax(every < 0.01)) + 1 == 194


def test_the_weights_do_not_sum_to_1():
    total = np.add(*posterior.weights(np.arange(1, 1001), LINEAR))
    assert total[0] == pytest.approx(1, abs=1e-9)
    assert total.max() < 1 + 1e-9
    assert total.min() == total[-1] == pytest.approx(0.990, abs=5e-4)


def test_beta_tilde_approaches_beta():
    t = np.arange(2, 1001)
    share = posterior.variance(t, LINEAR) / LINEAR.beta[t]
    assert share[0] == pytest.approx(0.454, abs=1e-3)
    assert (np.diff(share) > 0).all()
    assert share[-1] == pytest.approx(1, abs=1e-5)


# --- shapes, kinds, bad input ---


def test_against_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(
        1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", prediction_type="sample", clip_sample=False
    )
    # float64 on both sides: theirs computes ᾱ in float32, and at small t that is all the difference.
    theirs.alphas_cumprod = torch.tensor(LINEAR.alpha_bar[1:])
    rng = np.random.default_rng(0)
    for t in (1, 2, 50, 999, 1000):
        x_t, x_0 = rng.standard_normal((2, 3, 4))
        noiseless = theirs.step(
            torch.tensor(x_0), t - 1, torch.tensor(x_t), generator=torch.Generator().manual_seed(0)
        ).prev_sample
        again = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        noise = math.sqrt(max(posterior.variance(t, LINEAR), 1e-20)) * again if t > 1 else 0
        np.testing.assert_allclose(posterior.mean(x_t, x_0, t, LINEAR), noiseless - noise, rtol=1e-9, atol=1e-9)


def test_each_item_has_its_own_t():
    rng = np.random.default_rng(0)
    x_t, x_0 = rng.standard_normal((2, 3, 1, 4, 4))
    t = np.array([1, 500, 1000])
    together = posterior.mean(x_t, x_0, t, LINEAR)
    for i in range(3):
        np.testing.assert_allclose(together[i], posterior.mean(x_t[i], x_0[i], int(t[i]), LINEAR), rtol=1e-14)
    assert posterior.variance(t, LINEAR).shape == (3,)
    assert [w.shape for w in posterior.weights(t, LINEAR)] == [(3,), (3,)]


@given(betas_of(min_size=3))
def test_arrays_and_tensors_give_the_same_numbers(betas):
    schedule = schedules.from_betas(betas)
    tensors = schedule.to("cpu", torch.float64)
    x_t, x_0 = np.random.default_rng(0).standard_normal((2, 3, 2))
    t = np.array([1, 2, 3])
    mean = posterior.mean(torch.tensor(x_t), torch.tensor(x_0), torch.tensor(t), tensors)
    np.testing.assert_allclose(mean.numpy(), posterior.mean(x_t, x_0, t, schedule), rtol=1e-13)
    np.testing.assert_array_equal(posterior.variance(torch.tensor(t), tensors), posterior.variance(t, schedule))


def test_bad_t_and_shapes():
    x = np.zeros((2, 3))
    for bad in (0, 1001, -1):
        for call in (
            lambda t: posterior.mean(x, x, t, LINEAR),
            lambda t: posterior.variance(t, LINEAR),
            lambda t: posterior.weights(t, LINEAR),
        ):
            with pytest.raises(ValueError, match=f"t must lie in 1…1000, but it was {bad}"):
                call(bad)
            with pytest.raises(TypeError, match="t must be whole numbers"):
                call(1.5)
    with pytest.raises(ValueError, match=r"t had shape \(3,\) and x \(2, 3\)"):
        posterior.mean(x, x, np.array([1, 2, 3]), LINEAR)
    with pytest.raises(ValueError, match=r"x_0 must have x_t's shape \(2, 3\), but its shape was \(3,\)"):
        posterior.mean(x, np.zeros(3), 1, LINEAR)
