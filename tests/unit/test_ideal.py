"""The denoiser of a training set, against sums in 50 digits, the mathematics of mixtures, and what it must do in the end."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu import bounds, data, diffusion, forward, ideal, schedules
from ddpm_edu.densities import Mixture
from ddpm_edu.ideal import Denoiser

from .oracles import betas_of

SCHEDULE = schedules.linear(1000)


def exact(x_0, x_t, t, schedule):
    """E[x_0 | x_t] and the probability of each item, by Bayes' rule in 50 digits."""
    signal, noise = mpmath.sqrt(mpmath.mpf(float(schedule.alpha_bar[t]))), mpmath.mpf(float(schedule.noise[t]))
    densities = []
    for item in x_0.reshape(len(x_0), -1):
        square = sum(
            (mpmath.mpf(float(a)) - signal * mpmath.mpf(float(b))) ** 2 for a, b in zip(x_t.ravel(), item, strict=True)
        )
        densities.append(mpmath.exp(-square / (2 * noise)))
    shares = [density / sum(densities) for density in densities]
    mean = [
        sum(share * mpmath.mpf(float(value)) for share, value in zip(shares, column, strict=True))
        for column in x_0.reshape(len(x_0), -1).T
    ]
    return np.array(mean, dtype=float).reshape(x_0.shape[1:]), np.array(shares, dtype=float)


@given(betas_of(min_size=2, low=1e-4), st.integers(0, 1000), st.sampled_from([(1,), (3,), (1, 2, 2)]))
def test_the_mean_in_50_digits(betas, seed, shape):
    schedule, rng = schedules.from_betas(betas), np.random.default_rng(seed)
    x_0 = rng.uniform(-1, 1, (7, *shape))
    t = rng.integers(1, schedule.T + 1, 3)
    x_t = forward.q_sample(x_0[:3], t, schedule, rng.standard_normal((3, *shape)))
    denoiser = Denoiser(x_0, schedule)
    mean, probabilities, eps = denoiser.mean(x_t, t), denoiser.probabilities(x_t, t), denoiser(x_t, t)
    assert mean.shape == eps.shape == x_t.shape
    assert probabilities.shape == (3, 7)
    for i in range(3):
        expected, shares = exact(x_0, x_t[i], t[i], schedule)
        np.testing.assert_allclose(mean[i], expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(probabilities[i], shares, rtol=1e-8, atol=1e-12)
        signal, noise = schedule.alpha_bar[t[i]] ** 0.5, schedule.noise[t[i]] ** 0.5
        np.testing.assert_allclose(noise * eps[i] + signal * expected, x_t[i], atol=1e-9)
    np.testing.assert_allclose(denoiser.mean(x_t[:1], int(t[0])), mean[:1], rtol=1e-12)


@pytest.mark.parametrize("t", [1, 30, 400, 1000])
def test_one_number_an_item_is_a_mixture(t):
    """The noise that it answers is −√(1−ᾱ) times the slope of the mixture's log-density."""
    values = np.array([-0.9, -0.2, 0.1, 0.15, 0.8])
    law = Mixture(np.ones(5), values, np.full(5, 1e-9)).push(SCHEDULE.alpha_bar[t] ** 0.5, SCHEDULE.noise[t])
    x_t = np.linspace(-2, 2, 41)
    eps = Denoiser(values[:, None], SCHEDULE)(x_t[:, None], np.full(41, t))
    np.testing.assert_allclose(eps[:, 0], -(SCHEDULE.noise[t] ** 0.5) * law.score(x_t), rtol=1e-6, atol=1e-7)


def test_no_other_answer_has_a_smaller_loss():
    """At a few x_t: the loss, summed over the items that may be behind it, is smallest at the denoiser's answer."""
    rng = np.random.default_rng(0)
    x_0, t = rng.uniform(-1, 1, (6, 4)), 300
    signal, noise = SCHEDULE.alpha_bar[t] ** 0.5, SCHEDULE.noise[t] ** 0.5
    denoiser = Denoiser(x_0, SCHEDULE)
    for x_t in rng.normal(0, 1, (5, 4)):
        weights = np.exp(-((x_t - signal * x_0) ** 2).sum(axis=1) / (2 * noise**2))

        def loss(eps, x_t=x_t, weights=weights):
            return (weights @ ((((x_t - signal * x_0) / noise) - eps) ** 2).sum(axis=1)) / weights.sum()

        best = denoiser(x_t[None], np.array([t]))[0]
        for step in rng.normal(0, 0.1, (20, 4)):
            # the loss is a parabola: from its lowest point it rises by the square of the step
            assert loss(best + step) - loss(best) == pytest.approx((step**2).sum(), rel=1e-6)


@pytest.fixture(scope="module")
def digits():
    return torch.from_numpy(data.to_unit_range(data._stand_in("train").images[:300]))


def test_at_the_last_step_it_returns_the_nearest_item(digits):
    schedule = SCHEDULE.to("cpu")
    x_1 = digits[[5, 70, 299]] + 0.05 * torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = Denoiser(digits, schedule).mean(x_1, torch.ones(3, dtype=torch.int64))
    torch.testing.assert_close(found, digits[[5, 70, 299]], atol=1e-5, rtol=0)


def test_at_the_first_step_it_is_almost_the_mean_of_all(digits):
    schedule = schedules.linear(1000, 1e-4, 0.03).to("cpu")  # with ᾱ_T below 1e-6
    x_T = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = Denoiser(digits, schedule).mean(x_T, torch.full((4,), 1000))
    assert (found - digits.mean(dim=0)).abs().max() < 0.05


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_its_samples_are_items(digits, sampler):
    schedule = (schedules.linear(1000) if sampler == "ddim" else schedules.linear(40, 1e-4, 0.4)).to("cpu")
    rng = torch.Generator().manual_seed(1)
    x_T = torch.randn(6, 1, 28, 28, generator=rng)
    denoiser = Denoiser(digits, schedule)
    if sampler == "ddim":
        *_, last = diffusion.ddim(denoiser, x_T, schedule, 20)
    else:
        *_, last = diffusion.ancestral(denoiser, x_T, schedule, rng)
    gaps = (last.x_t[:, None] - digits[None]).abs().amax(dim=(2, 3, 4))
    assert (gaps.amin(dim=1) < 0.01).all()
    assert len(set(gaps.argmin(dim=1).tolist())) > 1


def test_its_loss_is_below_that_of_any_network(digits):
    """On the training items; on others it is far higher, since it believes in none but its own."""
    schedule = SCHEDULE.to("cpu")
    rng = torch.Generator().manual_seed(0)
    denoiser, mean = Denoiser(digits[:200], schedule), digits[:200].mean(dim=0)
    t = torch.randint(1, 1001, (100,), generator=rng)
    eps = torch.randn(100, 1, 28, 28, generator=rng)

    def of_the_mean(x_t, t):
        return diffusion.eps_from("x_0", mean.expand_as(x_t), x_t, t, schedule)

    own = diffusion.training_loss(denoiser, digits[:100], t, schedule, eps)
    others = diffusion.training_loss(denoiser, digits[200:], t, schedule, eps)
    assert own < others / 10
    assert own < diffusion.training_loss(of_the_mean, digits[:100], t, schedule, eps) / 10


def test_its_bound_is_the_price_of_picking_an_item():
    """The steps from noise to one of four items cost log 4 in all, as naming it does, and a little more for steps that are not small."""
    values = np.array([-1.0, -1 / 3, 1 / 3, 1.0])
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)  # quadrature over ε
    weights = weights / weights.sum()
    costs = []
    for T in (400, 1600):
        schedule = schedules.log_linear(T, 9.0, -9.0)
        t, x_0, eps = (part.ravel() for part in np.meshgrid(np.arange(2, T + 1), values, nodes, indexing="ij"))
        denoiser = Denoiser(values[:, None], schedule)
        terms = bounds.step_term(denoiser, x_0[:, None], t, schedule, eps[:, None], variance="beta_tilde")
        costs.append((np.reshape(terms, (T - 1, 4, 60)) @ weights).mean(axis=1).sum())
    assert costs[0] > costs[1] > math.log(4)
    assert costs[1] == pytest.approx(math.log(4), rel=0.01)
    assert (costs[0] - math.log(4)) / (costs[1] - math.log(4)) == pytest.approx(4, rel=0.05)


def test_in_parts_it_is_the_same(digits, monkeypatch):
    schedule = SCHEDULE.to("cpu")
    rng = torch.Generator().manual_seed(2)
    t = torch.tensor([1, 200, 600, 1000])
    x_t = forward.q_sample(digits[:4], t, schedule, torch.randn(4, 1, 28, 28, generator=rng))
    denoiser = Denoiser(digits, schedule)
    whole, probabilities = denoiser.mean(x_t, t), denoiser.probabilities(x_t, t)
    parts = Denoiser._parts
    monkeypatch.setattr(Denoiser, "_parts", lambda self, x_t, t: parts(self, x_t, t, 7))
    torch.testing.assert_close(denoiser.mean(x_t, t), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(denoiser.probabilities(x_t, t), probabilities, atol=1e-6, rtol=1e-5)


def test_float32_keeps_what_matters(digits):
    """The probabilities in float32, beside those in float64, at times where several items are likely and where one is."""
    rng = torch.Generator().manual_seed(3)
    t = torch.tensor([100, 300, 500, 700, 900])
    eps = torch.randn(5, 1, 28, 28, generator=rng, dtype=torch.float64)
    double = SCHEDULE.to("cpu", torch.float64)
    x_t = forward.q_sample(digits[:5].double(), t, double, eps)
    exactly = Denoiser(digits.double(), double).probabilities(x_t, t)
    roughly = Denoiser(digits, SCHEDULE.to("cpu")).probabilities(x_t.float(), t)
    assert roughly.dtype == torch.float32
    assert (roughly - exactly).abs().max() < 1e-3
    # items in float64 make the sums exact, whatever x_t is, and the answer is of x_t's type
    mixed = Denoiser(digits.double(), SCHEDULE.to("cpu")).mean(x_t.float(), t)
    assert mixed.dtype == torch.float32


@pytest.mark.parametrize(
    ("x_0", "match"),
    [
        (np.zeros((0, 3)), r"x_0 must have shape \(N, …\) with N ≥ 1, but its shape was \(0, 3\)"),
        (np.zeros(4), r"x_0 must have shape \(N, …\) with N ≥ 1, but its shape was \(4,\)"),
    ],
)
def test_no_items(x_0, match):
    with pytest.raises(ValueError, match=match):
        Denoiser(x_0, SCHEDULE)


def test_items_of_another_shape():
    denoiser = ideal.Denoiser(np.zeros((5, 1, 4)), SCHEDULE)
    for method in (denoiser, denoiser.mean, denoiser.probabilities):
        with pytest.raises(
            ValueError, match=r"x_t must have shape \(B, …\) with items of shape \(1, 4\), as x_0 has, but .* \(2, 4\)"
        ):
            method(np.zeros((2, 4)), np.array([1, 2]))
        with pytest.raises(ValueError, match=r"t must lie in 1…1000, but it was 0"):
            method(np.zeros((2, 1, 4)), np.array([1, 0]))
