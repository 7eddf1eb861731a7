"""The small network of one dimension: its shapes, its seed, its gradient, and a training that finds what can be known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ddpm_edu import densities, perceptron, schedules
from ddpm_edu.perceptron import Perceptron, Progress
from ddpm_edu.unet import time_embedding

from .oracles import FALSE_ALARM, assert_law

T = 20
SCHEDULE = schedules.linear(T, 5e-3, 0.5)
HUMPS = densities.Mixture([1, 2], [-0.8, 0.6], [0.1, 0.3])


def fit(model, density=HUMPS, steps=5, seed=0, schedule=SCHEDULE, **more):
    return list(perceptron.fit(model, density, schedule, steps, np.random.default_rng(seed), **more))


def weights(model):
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


# --- the network ---


def test_the_network_by_hand():
    model = Perceptron(width=3, layers=2, waves=4, seed=1)
    x_t, t = torch.tensor([0.3, -1.2]), torch.tensor([1, 17])
    (w_1, b_1, w_2, b_2, w_3, b_3) = (parameter.detach().double().numpy() for parameter in model.parameters())
    for x, step, answer in zip(x_t, t, model(x_t, t), strict=True):
        waves = [math.sin(step), math.sin(step / 100), math.cos(step), math.cos(step / 100)]
        h = np.array([float(x), *waves])
        for w, b in ((w_1, b_1), (w_2, b_2)):
            z = w @ h + b
            h = z / (1 + np.exp(-z))
        assert float(answer.detach()) == pytest.approx((w_3 @ h + b_3).item(), rel=1e-5)


@pytest.mark.parametrize(("width", "layers", "waves"), [(64, 3, 32), (1, 1, 2), (5, 4, 6)])
def test_sizes(width, layers, waves):
    model = Perceptron(width, layers, waves)
    count = (1 + waves + 1) * width + (layers - 1) * (width + 1) * width + width + 1
    assert len(weights(model)) == count
    assert model(torch.zeros(7), torch.arange(1, 8)).shape == (7,)
    assert model(torch.zeros(0), torch.zeros(0, dtype=torch.int64)).shape == (0,)


def test_each_item_is_answered_for_itself_and_time_matters():
    model = Perceptron(seed=3)
    x_t, t = torch.linspace(-2, 2, 9), torch.arange(1, 10)
    together = model(x_t, t)
    for i in range(9):
        torch.testing.assert_close(model(x_t[i : i + 1], t[i : i + 1])[0], together[i])
    assert (model(x_t, t + 1) - together).abs().min() > 0
    assert time_embedding(t, 32).shape == (9, 32)


def test_the_seed_decides_the_weights_and_touches_nothing():
    before = torch.get_rng_state()
    one, same, other = Perceptron(seed=5), Perceptron(seed=5), Perceptron(seed=6)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert torch.equal(weights(Perceptron()), weights(Perceptron(seed=0)))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"width": 0}, ValueError, "width must be at least 1, but it was 0"),
        ({"width": 2.5}, TypeError, "width must be a whole number, but it was 2.5"),
        ({"layers": 0}, ValueError, "layers must be at least 1, but it was 0"),
        ({"waves": 0}, ValueError, "waves must be at least 2, but it was 0"),
        ({"waves": 5}, ValueError, "waves must be even, since half are sines and half cosines, but it was 5"),
        ({"seed": -1}, ValueError, "seed must be at least 0, but it was -1"),
    ],
)
def test_a_network_that_cannot_be(arguments, error, match):
    with pytest.raises(error, match=match):
        Perceptron(**arguments)


def test_shapes_that_do_not_fit():
    model = Perceptron(4, 1, 2)
    with pytest.raises(ValueError, match=r"x_t must have shape \(B,\), one number an item, but its shape was \(3, 1\)"):
        model(torch.zeros(3, 1), torch.ones(3))
    with pytest.raises(ValueError, match=r"t must have shape \(3,\), one for each item, but its shape was \(2,\)"):
        model(torch.zeros(3), torch.ones(2))
    with pytest.raises(ValueError, match=r"t must have shape \(3,\), one for each item, but its shape was \(\)"):
        model(torch.zeros(3), torch.tensor(1))


# --- training ---


def test_the_gradient_and_the_first_step_of_adam():
    # Adam's first step moves each weight by rate·g/(|g| + 1e-8): its two averages, made unbiased, are g and g².
    model = Perceptron(5, 2, 4, seed=2)
    start = Perceptron(5, 2, 4, seed=2).double()
    (only,) = fit(model, steps=1, seed=9, batch=16, rate=0.02)
    rng = np.random.default_rng(9)
    x_0 = HUMPS.sample(16, rng)
    t = rng.integers(1, T + 1, 16)
    eps = rng.standard_normal(16)
    alpha_bar = np.cumprod(1 - np.linspace(5e-3, 0.5, T))[t - 1]  # this array counts from t = 1
    x_t = torch.tensor(np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * eps)

    def loss():
        return float(((torch.tensor(eps) - start(x_t, torch.tensor(t))) ** 2).mean().detach())

    assert only == Progress(1, pytest.approx(loss(), rel=1e-5))
    h = 1e-6
    for parameter, moved in zip(start.parameters(), model.parameters(), strict=True):
        for place in range(parameter.numel()):
            flat, before = parameter.data.view(-1), float(parameter.data.view(-1)[place])
            flat[place] = before + h
            above = loss()
            flat[place] = before - h
            slope = (above - loss()) / (2 * h)
            flat[place] = before
            if abs(slope) > 1e-4:  # elsewhere the sign hangs on rounding
                step = float(moved.detach().view(-1)[place]) - before
                assert step == pytest.approx(-0.02 * math.copysign(1, slope), rel=1e-2)


def test_the_rate_falls_along_half_a_cosine(monkeypatch):
    rates, made = [], torch.optim.Adam.step

    def step(self, *arguments):
        rates.extend(group["lr"] for group in self.param_groups)
        return made(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    fit(Perceptron(2, 1, 2), steps=8, rate=0.3, batch=4)
    expected = 0.3 * np.cos(np.pi * np.arange(8) / 16) ** 2
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_what_the_loss_is_given(monkeypatch):
    asked = []

    def loss(model, x_0, t, schedule, eps):
        asked.append((x_0, t, eps))
        assert schedule.alpha_bar.dtype == torch.float32
        np.testing.assert_allclose(schedule.alpha_bar.numpy(), SCHEDULE.alpha_bar, rtol=1e-6)
        return next(model.parameters()).sum()

    monkeypatch.setattr(perceptron, "training_loss", loss)
    fit(Perceptron(2, 1, 2), steps=40, batch=500)
    assert {x_0.dtype for x_0, _, _ in asked} == {eps.dtype for _, _, eps in asked} == {torch.float32}
    x_0, t, eps = (torch.cat(parts).numpy() for parts in zip(*asked, strict=True))
    assert set(t.tolist()) == set(range(1, T + 1))
    assert stats.chisquare(np.bincount(t)[1:]).pvalue > FALSE_ALARM
    assert_law(x_0, HUMPS.cdf)
    assert_law(eps, "norm")
    assert len(np.unique(x_0)) > 19_900  # fresh draws at every step


def test_a_point_is_learnt():
    # Data in one place leaves nothing to guess: ε = (x_t − √ᾱ_t·m)/√(1−ᾱ_t), and the loss goes to 0.
    point = densities.Mixture([1], [0.4], [1e-6])
    progress = fit(Perceptron(32, 2, 8), point, steps=600, batch=128)
    losses = [each.loss for each in progress]
    assert [each.step for each in progress] == list(range(1, 601))
    assert np.mean(losses[:3]) > 0.7
    assert np.mean(losses[-50:]) < 0.05


def test_the_best_linear_answer_is_found_for_gaussian_data():
    # For N(m, v) the best guess is √(1−ᾱ_t)·(x_t − √ᾱ_t·m)/(ᾱ_t·v + 1 − ᾱ_t); what is paid beside it is small.
    m, v = 0.5, 0.25
    model = Perceptron(32, 2, 16)
    fit(model, densities.Mixture([1], [m], [v**0.5]), steps=1000)
    worst = 0.0
    for t in range(1, T + 1):
        a = SCHEDULE.alpha_bar[t]
        spread = (a * v + 1 - a) ** 0.5
        x = a**0.5 * m + spread * np.linspace(-2.5, 2.5, 101)
        best = (1 - a) ** 0.5 * (x - a**0.5 * m) / spread**2
        with torch.inference_mode():
            guess = model(torch.tensor(x, dtype=torch.float32), torch.full((101,), t)).numpy()
        mass = stats.norm.pdf(np.linspace(-2.5, 2.5, 101))
        worst = max(worst, float(np.average((guess - best) ** 2, weights=mass)))
    assert worst < 0.01


def test_the_seed_decides_the_training():
    before = torch.get_rng_state()
    one, same, other = Perceptron(8, 2, 4), Perceptron(8, 2, 4), Perceptron(8, 2, 4)
    assert fit(one, seed=1) == fit(same, seed=1) != fit(other, seed=2)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_happens_before_the_first_step_is_asked_for():
    model = Perceptron(4, 1, 2)
    before = weights(model)
    walk = perceptron.fit(model, HUMPS, SCHEDULE, 3, np.random.default_rng(0))
    assert torch.equal(weights(model), before)
    first = next(walk)
    assert first.step == 1
    assert not torch.equal(weights(model), before)


def test_batches_of_one_and_chains_of_one_step():
    schedule = schedules.constant(1, 0.5)
    (only,) = fit(Perceptron(2, 1, 2), steps=1, batch=1, schedule=schedule)
    assert math.isfinite(only.loss)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"density": [1, 2]}, TypeError, r"density must be a Histogram or a Mixture, but it was \[1, 2\]"),
        ({"schedule": 1000}, TypeError, "schedule must be a NoiseSchedule, but it was 1000"),
        ({"rng": 0}, TypeError, "rng must be a Generator, but it was 0"),
        ({"rng": torch.Generator()}, TypeError, "rng must be a Generator, but it was <torch"),
        ({"steps": 0}, ValueError, "steps must be at least 1, but it was 0"),
        ({"steps": 1.5}, TypeError, "steps must be a whole number, but it was 1.5"),
        ({"batch": 0}, ValueError, "batch must be at least 1, but it was 0"),
        ({"rate": 0}, ValueError, "rate must be a finite number of at least 1e-12, but it was 0"),
        ({"rate": math.nan}, ValueError, "rate must be a finite number of at least 1e-12, but it was nan"),
    ],
)
def test_a_training_that_cannot_be(arguments, error, match):
    given = {"density": HUMPS, "schedule": SCHEDULE, "steps": 3, "rng": np.random.default_rng(0), **arguments}
    with pytest.raises(error, match=match):
        next(perceptron.fit(Perceptron(2, 1, 2), **given))
