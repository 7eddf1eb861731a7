"""The loss and the samplers, driven by models whose answer is exact: on Gaussian data every moment is known.

For x_0 ~ N(m, v) the best guess of the noise is linear in x_t, so a sampler is an affine map of its noise. Feeding it
unit impulses instead of draws reads off the map, and with it the exact mean and variance of what it samples.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu import diffusion, forward, posterior, schedules

from .oracles import Scripted, assert_law, assert_mean, assert_variance, betas_of

LINEAR = schedules.linear()
SHORT = schedules.linear(20, 0.01, 0.5)


def best_guess(schedule, m, v):
    """ε*(x_t, t) = E[ε | x_t] when the data is N(m, v): √(1−ᾱ)·(x_t − √ᾱ·m)/(ᾱ·v + 1 − ᾱ)."""

    def eps_theta(x_t, t):
        a = schedule.alpha_bar[t]
        a = a.reshape(a.shape + (1,) * (x_t.ndim - 1))
        return (1 - a) ** 0.5 * (x_t - a**0.5 * m) / (a * v + 1 - a)

    return eps_theta


class Spy:
    """A model that writes down what it is asked, and answers by another."""

    def __init__(self, model) -> None:
        self.model, self.times = model, []

    def __call__(self, x_t, t):
        assert type(t) is type(x_t)
        assert t.shape == (len(x_t),)
        assert len(set(t.tolist())) == 1
        self.times.append(int(t[0]))
        return self.model(x_t, t)


def moments(sampler, draws):
    """The exact mean and variance of what an affine sampler returns for x_T ~ N(0, 1) and `draws` further normal draws.

    Item 0 of the batch gets no noise, item 1 a unit impulse in x_T, item 2 + k one in the k-th draw.
    """
    impulses = np.eye(draws + 2)[:, 1:]
    *_, last = sampler(impulses[:, 0].copy(), Scripted(*impulses[:, 1:].T))
    response = last.x_t[1:] - last.x_t[0]
    return last.x_t[0], float(response @ response)


# --- the loss ---


def test_the_loss_is_the_mean_squared_error_of_the_noise():
    x_0, eps = np.random.default_rng(0).standard_normal((2, 3, 1, 2, 2))
    t = np.array([1, 10, 20])
    asked = []

    def eps_theta(x_t, times):
        asked.append((x_t, times))
        return 0.5 * x_t

    loss = diffusion.training_loss(eps_theta, x_0, t, SHORT, eps)
    total = 0.0
    for i in range(3):
        a = math.prod(1 - SHORT.beta[1 : t[i] + 1])
        x_t = math.sqrt(a) * x_0[i] + math.sqrt(1 - a) * eps[i]
        np.testing.assert_allclose(asked[0][0][i], x_t, rtol=1e-12)
        total += ((eps[i] - 0.5 * x_t) ** 2).sum()
    assert loss == pytest.approx(total / 12, rel=1e-12)
    np.testing.assert_array_equal(asked[0][1], t)


def test_the_loss_of_a_perfect_and_of_an_idle_model():
    rng = np.random.default_rng(0)
    x_0, eps, t = rng.standard_normal(20_000), rng.standard_normal(20_000), rng.integers(1, 21, 20_000)
    assert diffusion.training_loss(lambda x_t, t: eps, x_0, t, SHORT, eps) == 0
    idle = diffusion.training_loss(lambda x_t, t: 0 * x_t, x_0, t, SHORT, eps)
    assert idle == pytest.approx((eps**2).mean(), rel=1e-14)
    assert_mean(eps**2, 1, 2)


def test_the_best_guess_reaches_the_known_floor():
    # E(ε − E[ε|x_t])² = ᾱv/(ᾱv + 1 − ᾱ) at each t.
    v, n, rng = 0.3, 100_000, np.random.default_rng(1)
    for t in (1, 10, 20):
        a = SHORT.alpha_bar[t]
        x_0, eps = 2 + math.sqrt(v) * rng.standard_normal(n), rng.standard_normal(n)
        residual = eps - best_guess(SHORT, 2, v)(forward.q_sample(x_0, t, SHORT, eps), np.full(n, t))
        loss = diffusion.training_loss(best_guess(SHORT, 2, v), x_0, np.full(n, t), SHORT, eps)
        assert loss == pytest.approx((residual**2).mean())
        assert_variance(residual, a * v / (a * v + 1 - a))


def test_gradient_descent_on_the_loss_lowers_it():
    weight = torch.zeros((), requires_grad=True)
    rng = torch.Generator().manual_seed(0)
    x_0, eps = torch.randn(100, generator=rng), torch.randn(100, generator=rng)
    t, schedule = torch.randint(1, 21, (100,), generator=rng), SHORT.to("cpu")
    loss = diffusion.training_loss(lambda x_t, t: weight * x_t, x_0, t, schedule, eps)
    loss.backward()
    x_t = forward.q_sample(x_0, t, schedule, eps)
    assert weight.grad.item() == pytest.approx(-2 * (eps * x_t).mean().item(), rel=1e-5)
    assert weight.grad < 0  # x_t holds ε with a positive sign


# --- x̂_0 and the mean ---


@given(betas_of(), st.data())
def test_x_0_from_eps_undoes_q_sample(betas, data):
    schedule = schedules.from_betas(betas)
    t = np.array(data.draw(st.lists(st.integers(1, len(betas)), min_size=3, max_size=3)))
    x_0, eps = np.random.default_rng(0).standard_normal((2, 3, 2))
    x_t = forward.q_sample(x_0, t, schedule, eps)
    tolerance = 1e-13 / schedule.alpha_bar[t].min() ** 0.5
    np.testing.assert_allclose(diffusion.x_0_from_eps(x_t, eps, t, schedule), x_0, rtol=1e-9, atol=tolerance)


@given(betas_of(low=1e-4), st.data())
def test_the_mean_from_eps_is_the_posterior_mean_at_x_hat_0(betas, data):
    schedule = schedules.from_betas(betas)
    t = np.array(data.draw(st.lists(st.integers(1, len(betas)), min_size=3, max_size=3)))
    x_t, eps = np.random.default_rng(0).standard_normal((2, 3, 2))
    x_0 = diffusion.x_0_from_eps(x_t, eps, t, schedule)
    mean = posterior.mean(x_t, x_0, t, schedule)
    np.testing.assert_allclose(diffusion.mean_from_eps(x_t, eps, t, schedule), mean, rtol=1e-7, atol=1e-9)


def test_the_mean_of_the_exact_reverse_kernel():
    # With ε* on Gaussian data, μ = E[x_{t−1} | x_t] by Gaussian regression, whatever β is.
    m, v = 0.7, 0.2
    for t in (1, 2, 11, 20):
        a_before, alpha, beta = SHORT.alpha_bar[t - 1], SHORT.alpha[t], SHORT.beta[t]
        variance_before = a_before * v + 1 - a_before
        gain = math.sqrt(alpha) * variance_before / (alpha * variance_before + beta)
        x_t = np.array([-1.0, 0.3, 2.0])
        expected = math.sqrt(a_before) * m + gain * (x_t - math.sqrt(alpha * a_before) * m)
        eps = best_guess(SHORT, m, v)(x_t, np.full(3, t))
        np.testing.assert_allclose(diffusion.mean_from_eps(x_t, eps, t, SHORT), expected, rtol=1e-11)


@pytest.mark.parametrize("function", [diffusion.x_0_from_eps, diffusion.mean_from_eps])
def test_bad_t_and_shapes(function):
    x = np.zeros((2, 3))
    for bad in (0, 21, -1):
        with pytest.raises(ValueError, match=f"t must lie in 1…20, but it was {bad}"):
            function(x, x, bad, SHORT)
    with pytest.raises(ValueError, match=r"t had shape \(3,\) and x \(2, 3\)"):
        function(x, x, np.array([1, 2, 3]), SHORT)
    with pytest.raises(TypeError, match="t must be whole numbers"):
        function(x, x, 1.0, SHORT)
    with pytest.raises(ValueError, match=r"eps must have x_t's shape \(2, 3\), but its shape was \(3,\)"):
        function(x, np.zeros(3), 1, SHORT)


def test_an_answer_of_another_shape_is_not_broadcast():
    x, t = np.zeros(3), np.array([1, 2, 3])
    with pytest.raises(
        ValueError, match=r"eps_theta's answer must have eps's shape \(3,\), but its shape was \(3, 1\)"
    ):
        diffusion.training_loss(lambda x_t, t: x_t[:, None], x, t, SHORT, x)
    with pytest.raises(ValueError, match=r"eps must have x_t's shape \(3,\), but its shape was \(3, 1\)"):
        next(diffusion.ancestral(lambda x_t, t: x_t[:, None], x, SHORT, np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"eps must have x_0's shape \(3,\), but its shape was \(1,\)"):
        diffusion.training_loss(lambda x_t, t: x_t, x, t, SHORT, np.zeros(1))


def test_an_error_in_eps_is_an_error_in_x_0_of_known_size():
    # ‖x_0 − x̂_0‖² = (1 − ᾱ)/ᾱ · ‖ε − ε̂‖²: predicting one or the other differs by a weight only.
    x_0, eps, guess = np.random.default_rng(0).standard_normal((3, 50))
    for t in (1, 10, 20):
        x_t = forward.q_sample(x_0, t, SHORT, eps)
        error = x_0 - diffusion.x_0_from_eps(x_t, guess, t, SHORT)
        a = SHORT.alpha_bar[t]
        assert error @ error == pytest.approx((1 - a) / a * ((eps - guess) @ (eps - guess)), rel=1e-10)


# --- one step back ---


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("t", [2, 11, 20])
def test_the_step_adds_noise_of_the_named_variance(variance, t):
    x_t, z = np.array([0.3, -0.8]), np.array([1.0, -2.0])
    model = best_guess(SHORT, 0.7, 0.2)
    sample = diffusion.p_sample(model, x_t, t, SHORT, Scripted(z), variance, clip=False)
    a, a_before, beta = SHORT.alpha_bar[t], SHORT.alpha_bar[t - 1], SHORT.beta[t]
    sigma = {"beta": math.sqrt(beta), "beta_tilde": math.sqrt(beta * (1 - a_before) / (1 - a))}[variance]
    mean = (x_t - beta / math.sqrt(1 - a) * model(x_t, np.full(2, t))) / math.sqrt(1 - beta)
    np.testing.assert_allclose(sample.x_t, mean + sigma * z, rtol=1e-12)
    assert sample.t == t - 1


def test_sigma_squared_is_beta_unless_told_otherwise():
    z, model = np.ones(1), best_guess(SHORT, 0, 1)
    default = diffusion.p_sample(model, np.zeros(1), 11, SHORT, Scripted(z)).x_t
    assert default == diffusion.p_sample(model, np.zeros(1), 11, SHORT, Scripted(z), "beta").x_t
    assert default == pytest.approx(math.sqrt(SHORT.beta[11]))


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("clip", [True, False])
def test_no_noise_at_the_last_step(variance, clip):
    x_1 = np.array([0.3, -0.8])
    model = best_guess(SHORT, 0.7, 0.2)
    sample = diffusion.p_sample(model, x_1, 1, SHORT, Scripted(), variance, clip)  # no draw is written down
    x_0 = diffusion.x_0_from_eps(x_1, model(x_1, np.full(2, 1)), 1, SHORT)
    assert sample.t == 0
    np.testing.assert_allclose(sample.x_t, x_0, rtol=1e-12)
    np.testing.assert_allclose(sample.x_0, x_0, rtol=1e-12)


def test_clipping_holds_x_hat_0_and_moves_the_mean():
    # A model that sees no noise at all: x̂_0 = x_t/√ᾱ leaves [−1, 1] at once.
    x_t = np.array([[3.0, -0.1], [-2.0, 0.5]])
    t = 15
    sample = diffusion.p_sample(lambda x, t: 0 * x, x_t, t, SHORT, Scripted(np.zeros((2, 2))))
    x_0 = np.clip(x_t / math.sqrt(SHORT.alpha_bar[t]), -1, 1)
    np.testing.assert_allclose(sample.x_0, x_0)
    assert np.abs(sample.x_0).max() == 1
    np.testing.assert_allclose(sample.x_t, posterior.mean(x_t, x_0, t, SHORT), rtol=1e-12)
    free = diffusion.p_sample(lambda x, t: 0 * x, x_t, t, SHORT, Scripted(np.zeros((2, 2))), clip=False)
    np.testing.assert_allclose(free.x_0, x_t / math.sqrt(SHORT.alpha_bar[t]))
    np.testing.assert_allclose(free.x_t, x_t / math.sqrt(SHORT.alpha[t]))
    assert (np.abs(free.x_t - sample.x_t) > 0.1).tolist() == [[True, False], [True, True]]  # −0.1/√ᾱ is within


def test_every_sampler_clips_unless_told_otherwise():
    x_T = np.array([3.0, -0.1])
    for sampler, more in ((diffusion.ancestral, (np.random.default_rng(0),)), (diffusion.ddim, (5,))):
        assert np.abs(next(sampler(lambda x, t: 0 * x, x_T, SHORT, *more)).x_0).max() == 1
        assert np.abs(next(sampler(lambda x, t: 0 * x, x_T, SHORT, *more, clip=False)).x_0).max() > 1


def test_clipping_changes_nothing_within_the_range():
    model, x_t = best_guess(LINEAR, 0, 1e-4), np.array([0.05, -0.02])
    for t in (1, 2, 500, 1000):
        z = [np.ones(2)] if t > 1 else []
        clipped, free = (diffusion.p_sample(model, x_t, t, LINEAR, Scripted(*z), clip=c) for c in (True, False))
        np.testing.assert_allclose(clipped.x_t, free.x_t, rtol=1e-9)


@pytest.mark.parametrize(("variance", "theirs"), [("beta", "fixed_large"), ("beta_tilde", "fixed_small")])
@pytest.mark.parametrize("clip", [True, False])
def test_the_step_against_diffusers(variance, theirs, clip):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(
        1000,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        variance_type=theirs,
        clip_sample=clip,
    )
    scheduler.alphas_cumprod = torch.tensor(LINEAR.alpha_bar[1:])  # theirs in float32 are right to 5 digits only
    schedule = LINEAR.to("cpu", torch.float64)
    rng = torch.Generator().manual_seed(0)
    for t in (1, 2, 3, 250, 999, 1000):
        x_t, eps = torch.randn(2, 4, 1, 3, 3, generator=rng, dtype=torch.float64)
        ours = diffusion.p_sample(
            lambda x, t: eps,  # noqa: B023
            x_t,
            t,
            schedule,
            torch.Generator().manual_seed(t),
            variance,
            clip,
        )
        step = scheduler.step(eps, t - 1, x_t, generator=torch.Generator().manual_seed(t))
        torch.testing.assert_close(ours.x_0, step.pred_original_sample, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(ours.x_t, step.prev_sample, rtol=1e-8, atol=1e-8)


def test_p_sample_refuses():
    x, rng = np.zeros(2), np.random.default_rng(0)
    with pytest.raises(ValueError, match="variance must be one of 'beta', 'beta_tilde', 'learned', but it was 'alpha'"):
        diffusion.p_sample(best_guess(SHORT, 0, 1), x, 5, SHORT, rng, "alpha")
    for bad in (0, 21, -1):
        with pytest.raises(ValueError, match=f"t must lie in 1…20, but it was {bad}"):
            diffusion.p_sample(lambda x, t: x, x, bad, SHORT, rng)


# --- the whole way back, in 1-D, exactly ---


def recursion(schedule, m, v, sigma_squared, mean=0.0, variance=1.0):
    """Mean and variance of ancestral sampling on N(m, v) data, step by step, from the law at T."""
    for t in range(schedule.T, 0, -1):
        a, beta = schedule.alpha_bar[t], schedule.beta[t]
        slope = (1 - beta / (a * v + 1 - a)) / math.sqrt(1 - beta)
        shift = beta * math.sqrt(a) * m / (a * v + 1 - a) / math.sqrt(1 - beta)
        mean = slope * mean + shift
        variance = slope**2 * variance + (sigma_squared[t] if t > 1 else 0)
    return mean, variance


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@given(betas_of(min_size=1, max_size=10), st.floats(-2, 2), st.floats(0.05, 4))
def test_ancestral_moments(variance, betas, m, v):
    schedule = schedules.from_betas(betas)

    def sampler(x_T, rng):
        return diffusion.ancestral(best_guess(schedule, m, v), x_T, schedule, rng, variance, clip=False)

    mean, var = moments(sampler, schedule.T - 1)
    expected = recursion(schedule, m, v, getattr(schedule, variance))
    assert mean == pytest.approx(expected[0], rel=1e-7, abs=1e-9)
    assert var == pytest.approx(expected[1], rel=1e-7, abs=1e-9)


@given(betas_of(min_size=2))
def test_beta_is_right_for_standard_normal_data(betas):
    # μ = √α_t·x_t and σ² = β_t: each x_t is N(0, 1) again; the last step returns the mean, whose variance is α_1.
    schedule = schedules.from_betas(betas)

    def sampler(x_T, rng):
        return diffusion.ancestral(best_guess(schedule, 0, 1), x_T, schedule, rng, "beta", clip=False)

    mean, variance = moments(sampler, schedule.T - 1)
    assert mean == pytest.approx(0, abs=1e-12)
    assert variance == pytest.approx(schedule.alpha[1], rel=1e-9)


@given(betas_of(min_size=2, low=1e-3), st.floats(-1, 1))
def test_beta_tilde_is_right_for_a_point_mass(betas, m):
    # Started from q(x_T | m), every x_t has the law q(x_t | m), and the end is m itself.
    schedule = schedules.from_betas(betas)
    a = schedule.alpha_bar
    impulses = np.eye(schedule.T + 1)[:, 1:]
    x_T = math.sqrt(a[-1]) * m + math.sqrt(1 - a[-1]) * impulses[:, 0]
    rng = Scripted(*impulses[:, 1:].T)
    for sample in diffusion.ancestral(best_guess(schedule, m, 0), x_T, schedule, rng, "beta_tilde", clip=False):
        response = sample.x_t[1:] - sample.x_t[0]
        assert sample.x_t[0] == pytest.approx(math.sqrt(a[sample.t]) * m, abs=1e-9)
        assert response @ response == pytest.approx(1 - a[sample.t], rel=1e-7, abs=1e-12)
        np.testing.assert_allclose(sample.x_0, m, atol=1e-6)
    np.testing.assert_allclose(sample.x_t, m, atol=1e-6)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_a_thousand_steps_bring_the_data_back(variance):
    # The default schedule: nearly the moments of the data, and those of the recursion, by draws.
    m, v, n = 0.4, 0.09, 20_000
    x_T = np.random.default_rng(7).standard_normal(n)
    rng = np.random.default_rng(8)
    *_, last = diffusion.ancestral(best_guess(LINEAR, m, v), x_T, LINEAR, rng, variance, clip=False)
    expected = recursion(LINEAR, m, v, getattr(LINEAR, variance))
    assert expected[0] == pytest.approx(m, abs=0.005)
    assert expected[1] == pytest.approx(v, rel=0.03)
    assert_mean(last.x_t, *expected)
    assert_variance(last.x_t, expected[1])
    assert_law((last.x_t - expected[0]) / math.sqrt(expected[1]), "norm")


def test_every_t_is_visited_once_from_T_to_1():
    spy = Spy(best_guess(SHORT, 0, 1))
    samples = list(diffusion.ancestral(spy, np.zeros((3, 2)), SHORT, np.random.default_rng(0)))
    assert spy.times == list(range(20, 0, -1))
    assert [sample.t for sample in samples] == list(range(19, -1, -1))
    assert all(sample.x_t.shape == sample.x_0.shape == (3, 2) for sample in samples)


def test_a_chain_of_one_step():
    schedule = schedules.constant(1, 0.5)
    x_T = np.array([0.2])
    (only,) = diffusion.ancestral(best_guess(schedule, 0, 1), x_T, schedule, Scripted())
    assert only.t == 0
    np.testing.assert_allclose(only.x_t, math.sqrt(0.5) * 0.2)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("clip", [True, False])
def test_ancestral_is_p_sample_again_and_again(variance, clip):
    x_T, model = np.random.default_rng(1).standard_normal((3, 2)), best_guess(SHORT, 0.7, 0.2)
    rng, again = np.random.default_rng(2), np.random.default_rng(2)
    x_t = x_T
    for sample in diffusion.ancestral(model, x_T, SHORT, rng, variance, clip):
        x_t = diffusion.p_sample(model, x_t, sample.t + 1, SHORT, again, variance, clip).x_t
        np.testing.assert_array_equal(sample.x_t, x_t)


# --- fewer, longer steps ---


def ddim_recursion(schedule, m, v, steps, eta, mean=0.0, variance=1.0):
    """Mean and variance of DDIM on N(m, v) data; x_s = √ᾱ_s·x̂_0 + √(1−ᾱ_s−σ²)·ε + σz, Song et al. 2021, equation 12."""
    times = [round(schedule.T * i / steps) for i in range(steps, -1, -1)]
    for t, s in itertools.pairwise(times):
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
        sigma_2 = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
        on_eps = math.sqrt(max(0.0, 1 - b - sigma_2)) - math.sqrt(b) * math.sqrt(1 - a) / math.sqrt(a)
        gain = math.sqrt(1 - a) / (a * v + 1 - a)  # ε* = gain·(x − √a·m)
        slope = math.sqrt(b / a) + on_eps * gain
        mean = slope * mean - on_eps * gain * math.sqrt(a) * m
        variance = slope**2 * variance + sigma_2
    return mean, variance


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 3, 7, 20])
@pytest.mark.parametrize(("m", "v"), [(0.0, 1.0), (0.7, 0.2), (-1.5, 3.0)])
def test_ddim_moments(eta, steps, m, v):
    def sampler(x_T, rng):
        return diffusion.ddim(best_guess(SHORT, m, v), x_T, SHORT, steps, eta, rng, clip=False)

    mean, variance = moments(sampler, steps - 1 if eta > 0 else 0)
    expected = ddim_recursion(SHORT, m, v, steps, eta)
    assert mean == pytest.approx(expected[0], rel=1e-9, abs=1e-11)
    assert variance == pytest.approx(expected[1], rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("steps", [1, 2, 4, 20])
def test_ddim_on_standard_normal_data_is_a_product_of_cosines(steps):
    # x̂_0 = cos θ_t·x and ε = sin θ_t·x with cos² θ_t = ᾱ_t, so each step multiplies x by cos(θ_t − θ_s).
    angle = np.arccos(np.sqrt(SHORT.alpha_bar))[:: 20 // steps]
    *_, last = diffusion.ddim(best_guess(SHORT, 0, 1), np.array([1.0, -2.0]), SHORT, steps, clip=False)
    factor = np.prod(np.cos(np.diff(angle)))
    np.testing.assert_allclose(last.x_t, factor * np.array([1.0, -2.0]), rtol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_ddim_finds_a_point_mass_in_any_number_of_steps(eta, steps):
    # From q(x_T | m), each x_s has the law q(x_s | m): true for every η (Song et al. 2021, lemma 1).
    m, a = -0.6, SHORT.alpha_bar
    impulses = np.eye(steps + 1)[:, 1:]
    x_T = math.sqrt(a[-1]) * m + math.sqrt(1 - a[-1]) * impulses[:, 0]
    for sample in diffusion.ddim(best_guess(SHORT, m, 0), x_T, SHORT, steps, eta, Scripted(*impulses[:, 1:].T)):
        response = sample.x_t[1:] - sample.x_t[0]
        assert sample.x_t[0] == pytest.approx(math.sqrt(a[sample.t]) * m, abs=1e-12)
        assert response @ response == pytest.approx(1 - a[sample.t], abs=1e-12)
    np.testing.assert_allclose(sample.x_t, m, atol=1e-10)


@pytest.mark.parametrize("clip", [True, False])
def test_ddim_with_all_steps_and_all_noise_is_ancestral_with_beta_tilde(clip):
    x_T, model = np.random.default_rng(1).standard_normal(50), best_guess(SHORT, 0.7, 0.2)
    ancestral = diffusion.ancestral(model, x_T, SHORT, np.random.default_rng(2), "beta_tilde", clip)
    ddim = diffusion.ddim(model, x_T, SHORT, 20, 1.0, np.random.default_rng(2), clip)
    for one, other in zip(ancestral, ddim, strict=True):
        assert one.t == other.t
        np.testing.assert_allclose(one.x_t, other.x_t, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(one.x_0, other.x_0, rtol=1e-9, atol=1e-10)


@given(st.integers(1, 300), st.data())
def test_ddim_times(T, data):
    steps = data.draw(st.integers(1, T))
    spy = Spy(lambda x, t: 0 * x)
    reached = [s.t for s in diffusion.ddim(spy, np.zeros(1), schedules.constant(T, 0.01), steps)]
    assert len(reached) == steps
    assert spy.times == [T, *reached[:-1]]
    assert reached[-1] == 0
    gaps = -np.diff([T, *reached])
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1  # as even as whole numbers can be


def test_ddim_at_times_of_ones_own():
    spy = Spy(best_guess(SHORT, 0, 1))
    *_, last = diffusion.ddim(spy, np.array([1.0, -2.0]), SHORT, [20, 13, 12, 3], clip=False)
    assert spy.times == [20, 13, 12, 3]
    angle = np.arccos(np.sqrt(SHORT.alpha_bar))[[0, 3, 12, 13, 20]]
    np.testing.assert_allclose(last.x_t, np.prod(np.cos(np.diff(angle))) * np.array([1.0, -2.0]), rtol=1e-12)


@pytest.mark.parametrize("sampler", [diffusion.ancestral, diffusion.ddim])
def test_a_chain_can_be_stopped_and_go_on(sampler):
    model, rng, short = best_guess(SHORT, 0.7, 0.2), np.random.default_rng(1), [9, 5, 2]
    few = {"steps": [20, 14, *short], "eta": 0.5} if sampler is diffusion.ddim else {}
    chain = sampler(model, np.ones(3), SHORT, rng=rng, **few)
    middle = next(sample for sample in chain if sample.t == 9)
    state = rng.bit_generator.state
    ends = list(chain)
    rng.bit_generator.state = state
    again = list(sampler(model, middle.x_t, SHORT, rng=rng, start=9, **few))
    assert [sample.t for sample in again] == ([5, 2, 0] if few else list(range(8, -1, -1)))
    for one, other in zip(ends, again, strict=True):
        np.testing.assert_array_equal(one.x_t, other.x_t)
    with pytest.raises(ValueError, match="start must be a whole number from 1 to 20, but it was 21"):
        next(sampler(model, np.ones(3), SHORT, rng=rng, start=21, **few))


def test_ddim_takes_50_steps_without_noise_unless_told_otherwise():
    samples = list(diffusion.ddim(best_guess(LINEAR, 0, 0.1), np.ones(1), LINEAR))
    assert [s.t for s in samples] == list(range(980, -1, -20))
    again = list(diffusion.ddim(best_guess(LINEAR, 0, 0.1), np.ones(1), LINEAR, 50, 0.0, np.random.default_rng(3)))
    np.testing.assert_array_equal(samples[-1].x_t, again[-1].x_t)


@pytest.mark.parametrize("eta", [0.0, 0.7])
@pytest.mark.parametrize("clip", [True, False])
def test_ddim_against_diffusers(eta, clip):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        1000,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        clip_sample=clip,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(25)
    scheduler.alphas_cumprod = torch.tensor(LINEAR.alpha_bar[1:])
    schedule = LINEAR.to("cpu", torch.float64)
    model = best_guess(schedule, 0.2, 0.5)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rng, theirs = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    spy = Spy(model)
    samples = list(diffusion.ddim(spy, x, schedule, 25, eta, rng, clip))
    assert spy.times == [int(t) + 1 for t in scheduler.timesteps]
    for t, sample in zip(scheduler.timesteps, samples, strict=True):
        eps = model(x, torch.full((4,), int(t) + 1))
        x = scheduler.step(eps, int(t), x, eta=eta, use_clipped_model_output=True, generator=theirs).prev_sample
        torch.testing.assert_close(sample.x_t, x, rtol=1e-9, atol=1e-9)


def test_ddim_clips_x_hat_0_and_the_noise_with_it():
    x_t = np.array([3.0, -0.1])
    first = next(diffusion.ddim(lambda x, t: 0 * x, x_t, SHORT, 2))
    a, b = SHORT.alpha_bar[20], SHORT.alpha_bar[10]
    x_0 = np.clip(x_t / math.sqrt(a), -1, 1)
    eps = (x_t - math.sqrt(a) * x_0) / math.sqrt(1 - a)
    np.testing.assert_allclose(first.x_0, x_0)
    np.testing.assert_allclose(first.x_t, math.sqrt(b) * x_0 + math.sqrt(1 - b) * eps, rtol=1e-12)
    free = next(diffusion.ddim(lambda x, t: 0 * x, x_t, SHORT, 2, clip=False))
    np.testing.assert_allclose(free.x_t, math.sqrt(b / a) * x_t, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"steps": 0}, ValueError, "steps must be a whole number from 1 to 20, but it was 0"),
        ({"steps": 21}, ValueError, "steps must be a whole number from 1 to 20, but it was 21"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number, but it was 2.5"),
        ({"steps": [20, 5, 0]}, ValueError, "steps must be a whole number from 1 to 20, but it was 0"),
        ({"steps": [21, 5]}, ValueError, "steps must be a whole number from 1 to 20, but it was 21"),
        ({"steps": [5, 5]}, ValueError, r"steps must be times that fall, at least one, but they were \[5, 5\]"),
        ({"steps": []}, ValueError, r"steps must be times that fall, at least one, but they were \[\]"),
        ({"steps": "all"}, TypeError, "steps must be a whole number, but it was 'all'"),
        (
            {"steps": 4, "start": 7},
            ValueError,
            r"start must be one of the sampler's times \[20, 15, 10, 5\], but it was 7",
        ),
        ({"steps": 4, "start": 0}, ValueError, "start must be a whole number from 1 to 20, but it was 0"),
        ({"steps": 5, "eta": -0.1}, ValueError, "eta must be a number from 0 to 1, but it was -0.1"),
        ({"steps": 5, "eta": 1.1}, ValueError, "eta must be a number from 0 to 1, but it was 1.1"),
        ({"steps": 5, "eta": math.nan}, ValueError, "eta must be a number from 0 to 1, but it was nan"),
        ({"steps": 5, "eta": 0.5}, ValueError, "rng must be a generator where eta > 0, but it was None and eta 0.5"),
    ],
)
def test_ddim_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        next(diffusion.ddim(lambda x, t: x, np.zeros(1), SHORT, **arguments))


# --- other targets, learned variances ---


def test_v_is_how_x_t_turns_with_the_angle():
    # With √ᾱ = cos φ and √(1 − ᾱ) = sin φ, v is the derivative of cos φ·x_0 + sin φ·ε by φ.
    rng, t = np.random.default_rng(0), np.array([1, 9, 20])
    x_0, eps = rng.standard_normal((2, 3, 4))
    phi = np.arccos(np.sqrt(SHORT.alpha_bar[t]))[:, None]
    h = 1e-5
    slope = ((np.cos(phi + h) - np.cos(phi - h)) * x_0 + (np.sin(phi + h) - np.sin(phi - h)) * eps) / (2 * h)
    np.testing.assert_allclose(diffusion.target("v", x_0, eps, t, SHORT), slope, rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(diffusion.target("eps", x_0, eps, t, SHORT), eps)
    np.testing.assert_array_equal(diffusion.target("x_0", x_0, eps, t, SHORT), x_0)


@pytest.mark.parametrize("name", diffusion.TARGETS)
def test_the_noise_behind_an_answer(name):
    # Two equations for two unknowns: x_t is one mixture of x_0 and ε, the answer another.
    rng, t = np.random.default_rng(0), np.array([1, 9, 20])
    x_t, answer = rng.standard_normal((2, 3, 4))
    found = diffusion.eps_from(name, answer, x_t, t, SHORT)
    for i, step in enumerate(t):
        c, s = math.sqrt(SHORT.alpha_bar[step]), math.sqrt(1 - SHORT.alpha_bar[step])
        second = {"eps": [0, 1], "x_0": [1, 0], "v": [-s, c]}[name]
        _, eps = np.linalg.solve([[c, s], second], [x_t[i], answer[i]])
        np.testing.assert_allclose(found[i], eps, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", diffusion.TARGETS)
def test_a_noise_model_turns_the_best_answer_into_the_best_guess(name):
    m, v, t, x_t = 0.7, 0.2, np.array([2, 19]), np.array([[0.3, -2.0], [1.1, 0.4]])
    guess = best_guess(SHORT, m, v)
    a = SHORT.alpha_bar[t][:, None]

    def network(x, t):
        x_0 = m + a**0.5 * v / (a * v + 1 - a) * (x - a**0.5 * m)  # E[x_0 | x_t]
        eps = guess(x, t)
        return {"eps": eps, "x_0": x_0, "v": a**0.5 * eps - (1 - a) ** 0.5 * x_0}[name]

    model = diffusion.NoiseModel(network, SHORT, name)
    np.testing.assert_allclose(model(x_t, t), guess(x_t, t), rtol=1e-10)


@pytest.mark.parametrize("numbers", [np.array, torch.tensor])
def test_a_learned_variance_lies_between_beta_tilde_and_beta(numbers):
    schedule = SHORT if numbers is np.array else SHORT.to("cpu", torch.float64)
    t, eps = numbers([1, 2, 20]), numbers([[[0.5]], [[-0.1]], [[2.0]]])
    for share, expected in (
        (-1.0, [SHORT.beta_tilde[2], SHORT.beta_tilde[2], SHORT.beta_tilde[20]]),
        (1.0, SHORT.beta[[1, 2, 20]]),
        (0.0, np.sqrt(SHORT.beta[[1, 2, 20]] * np.maximum(SHORT.beta_tilde, SHORT.beta_tilde[2])[[1, 2, 20]])),
    ):

        def network(x, t, share=share):
            both = np.concatenate if isinstance(x, np.ndarray) else torch.cat
            return both([eps, 0 * eps + share], 1)

        model = diffusion.NoiseModel(network, schedule, learned_variance=True)
        guess, sigma_squared = model.eps_and_variance(0 * eps, t)
        np.testing.assert_allclose(np.asarray(sigma_squared)[:, 0, 0], expected, rtol=1e-12)
        np.testing.assert_array_equal(np.asarray(guess), np.asarray(eps))
        np.testing.assert_array_equal(np.asarray(model(0 * eps, t)), np.asarray(eps))


def test_the_step_adds_noise_of_the_variance_given_or_learned():
    x, z = np.array([[[0.2]], [[-0.4]]]), np.array([[[1.0]], [[-2.0]]])
    learned = diffusion.NoiseModel(lambda x, t: np.concatenate([0 * x, 0 * x + 1], 1), SHORT, learned_variance=True)
    variances = np.linspace(0.1, 2, 21)
    for model, variance, sigma_squared in (
        (learned, "learned", SHORT.beta[7]),
        (lambda x, t: 0 * x, variances, variances[7]),
        (lambda x, t: 0 * x, SHORT.beta_tilde, SHORT.beta_tilde[7]),
    ):
        still = diffusion.p_sample(model, x, 7, SHORT, Scripted(0 * z), variance).x_t
        moved = diffusion.p_sample(model, x, 7, SHORT, Scripted(z), variance).x_t
        np.testing.assert_allclose(moved - still, math.sqrt(sigma_squared) * z, rtol=1e-12)


def test_variances_and_targets_that_are_none():
    x, rng = np.zeros((2, 1)), np.random.default_rng(0)
    with pytest.raises(
        ValueError, match=r"variance must be a name or 21 numbers, one for each t, but its shape was \(20,\)"
    ):
        diffusion.p_sample(lambda x, t: x, x, 3, SHORT, rng, np.ones(20))
    with pytest.raises(
        ValueError, match="variance must be fixed unless eps_theta is a NoiseModel, but it was 'learned'"
    ):
        diffusion.p_sample(lambda x, t: x, x, 3, SHORT, rng, "learned")
    with pytest.raises(ValueError, match="variance must be fixed with this network, which answers for none"):
        diffusion.p_sample(diffusion.NoiseModel(lambda x, t: x, SHORT), x, 3, SHORT, rng, "learned")
    with pytest.raises(ValueError, match="target must be one of 'eps', 'x_0', 'v', but it was 'score'"):
        diffusion.target("score", x, x, 3, SHORT)
    with pytest.raises(ValueError, match="answer must have x_t's shape"):
        diffusion.eps_from("v", x[:, 0], x, 3, SHORT)


def test_float32_keeps_the_digits_of_little_noise():
    # At t = 1 of this schedule 1 − ᾱ is 1.7e-6; computed in float32 by subtraction it would be off by some per cent.
    schedule, x = schedules.log_linear(), np.zeros((1, 2))
    eps = np.array([[1.0, -2.0]])
    single = schedule.to("cpu")
    x_t = forward.q_sample(torch.zeros(1, 2), 1, single, torch.tensor(eps, dtype=torch.float32))
    np.testing.assert_allclose(x_t, forward.q_sample(x, 1, schedule, eps), rtol=1e-6)
    for t in (1, 2, 500):
        np.testing.assert_allclose(posterior.weights(t, single), posterior.weights(t, schedule), rtol=1e-6)


def test_all_fresh_noise_in_float32():
    # With η = 1 the share of old noise, noise_s − σ², can be rounded to below 0 where a step takes nearly everything.
    schedule, x_T = schedules.cosine(1000), torch.randn(4, 1, generator=torch.Generator().manual_seed(0))
    for steps in (10, 50):
        chain = diffusion.ddim(lambda x, t: x, x_T, schedule.to("cpu"), steps, 1.0, torch.Generator().manual_seed(1))
        for sample in chain:
            assert torch.isfinite(sample.x_t).all(), f"{steps} steps, t = {sample.t}"


# --- tensors ---


@pytest.mark.parametrize("clip", [True, False])
def test_arrays_and_tensors_give_the_same_numbers(clip, monkeypatch):
    x_T = np.random.default_rng(0).standard_normal((3, 2))
    noise = np.random.default_rng(1).standard_normal((19, 3, 2))
    numpy = diffusion.ancestral(best_guess(SHORT, 0.7, 0.2), x_T, SHORT, Scripted(*noise), "beta_tilde", clip)
    numpy, schedule = list(numpy), SHORT.to("cpu", torch.float64)
    left = list(noise)
    monkeypatch.setattr(diffusion, "noise_like", lambda x, rng: torch.tensor(left.pop(0)))
    model = best_guess(schedule, 0.7, 0.2)
    for one, other in zip(
        numpy, diffusion.ancestral(model, torch.tensor(x_T), schedule, None, "beta_tilde", clip), strict=True
    ):
        np.testing.assert_allclose(other.x_t.numpy(), one.x_t, rtol=1e-12, atol=1e-13)
    ddim = [
        *zip(
            diffusion.ddim(best_guess(SHORT, 0.7, 0.2), x_T, SHORT, 7, clip=clip),
            diffusion.ddim(model, torch.tensor(x_T), schedule, 7, clip=clip),
            strict=True,
        )
    ]
    for one, other in ddim:
        np.testing.assert_allclose(other.x_t.numpy(), one.x_t, rtol=1e-12, atol=1e-13)


def test_noise_is_of_xs_kind_and_shape():
    tensor = torch.zeros(2, 3, dtype=torch.float16)
    noise = diffusion.noise_like(tensor, torch.Generator().manual_seed(0))
    assert (noise.shape, noise.dtype) == (tensor.shape, tensor.dtype)
    noise = diffusion.noise_like(np.zeros((2, 3), np.float32), np.random.default_rng(0))
    assert (noise.shape, noise.dtype) == ((2, 3), np.float64)
    assert_law(diffusion.noise_like(np.zeros(20_000), np.random.default_rng(9)), "norm")
    assert_law(diffusion.noise_like(torch.zeros(20_000), torch.Generator().manual_seed(9)).numpy(), "norm")


def test_everything_stays_on_xs_device():
    # "meta" is a device without memory that every machine has.
    x_T, schedule, devices = torch.zeros(2, 3, device="meta"), SHORT.to("cpu"), []

    def model(x_t, t):
        devices.append(t.device.type)
        return x_t

    assert diffusion.noise_like(x_T, torch.Generator()).device.type == "meta"
    for chain in (
        diffusion.ancestral(model, x_T, schedule, torch.Generator()),
        diffusion.ddim(model, x_T, schedule, 4),
    ):
        assert {sample.x_t.device.type for sample in chain} == {"meta"}
    assert set(devices) == {"meta"}


def test_a_generator_of_the_other_kind_is_refused():
    with pytest.raises(TypeError, match=r"rng must be a torch\.Generator for tensors, but it was Generator"):
        diffusion.noise_like(torch.zeros(2), np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator for arrays, but it was Generator"):
        diffusion.noise_like(np.zeros(2), torch.Generator())
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator for arrays, but it was NoneType"):
        diffusion.noise_like(np.zeros(2), None)


def test_float32_digits_stay_float32():
    schedule = SHORT.to("cpu")
    model = best_guess(schedule, 0, 1)
    x_T = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for chain in (
        diffusion.ancestral(model, x_T, schedule, torch.Generator().manual_seed(1)),
        diffusion.ddim(model, x_T, schedule, 4, 1.0, torch.Generator().manual_seed(1)),
    ):
        assert {sample.x_t.dtype for sample in chain} == {torch.float32}


# --- slips that teach: each is seen in the moments ---


def test_noise_at_the_last_step_would_be_seen():
    # Were z added at t = 1, N(0, 1) data would come out with variance α_1 + β_1 = 1, not α_1.
    schedule = schedules.constant(4, 0.3)

    def sampler(x_T, rng):
        return diffusion.ancestral(best_guess(schedule, 0, 1), x_T, schedule, rng, clip=False)

    assert moments(sampler, 3)[1] == pytest.approx(0.7)


def test_a_chain_of_few_steps_with_small_betas_ends_elsewhere():
    # With v = 1 an error in the mean shrinks by √α_t at each step, so starting from N(0, 1) instead of
    # N(√ᾱ_T·m, 1) leaves m·(1 − ᾱ_T): T = 50 with the β range of T = 1000 brings back 0.4·m.
    for schedule, share in ((schedules.linear(50), 0.40), (LINEAR, 1.0)):

        def sampler(x_T, rng):
            return diffusion.ancestral(best_guess(schedule, 2.0, 1.0), x_T, schedule, rng, clip=False)  # noqa: B023

        mean, _ = moments(sampler, schedule.T - 1)
        assert mean == pytest.approx(2 * (1 - schedule.alpha_bar[-1]), rel=1e-9)
        assert mean / 2 == pytest.approx(share, abs=5e-3)
