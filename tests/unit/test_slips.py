"""The slips against recursions written down anew for Gaussian data, and the right sampler against the package's own.

For x_0 ~ N(m, v) every slipped sampler is an affine map of its noise, so that unit impulses instead of draws read off its
exact mean and variance, and a recursion over t gives both once more.
"""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_edu import densities, diffusion, schedules, slips

from .oracles import assert_law, assert_mean, assert_variance


class Impulses(np.random.Generator):
    """Gives out rows written down beforehand, as normal draws and as uniform ones."""

    def __init__(self, rows) -> None:
        super().__init__(np.random.PCG64(0))
        self.rows = list(rows)

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        return self.rows.pop(0)

    def random(self, size=None, dtype=np.float64, out=None):
        return self.rows.pop(0)


def moments(slip, strength, m, v, T, variance, clip=False):
    """The exact mean and variance of where the sampler ends, from its answers to impulses."""
    schedule = slip.schedule(T)
    model = slips.BestGuess(densities.Mixture([1], [m], [math.sqrt(v)]), schedule, slip, strength)
    last = slip.noise_at_the_end
    impulses = np.eye(T + 1 + last)[:, 1:]
    rng = Impulses(impulses[:, 1:].T)
    *_, end = slips.ancestral(model, impulses[:, 0].copy(), schedule, rng, slip, strength, variance, clip)
    assert rng.rows == []
    response = end.x_t[1:] - end.x_t[0]
    if slip.uniform:
        response[1:] /= math.sqrt(12)  # of variance 1/12 and mean 1/2
        return end.x_t[0] + math.sqrt(12) * response[1:].sum() / 2, float(response @ response)
    return end.x_t[0], float(response @ response)


def guess(name, t, s, m, v, k):
    """E[asked | x_t] = slope·x_t + shift by the regression of one Gaussian on another, for each slip in words of its own."""
    a, n, b, T = s.alpha_bar[t], 1 - s.alpha_bar[t], s.beta[t], s.T
    if name == "time-early":
        if t - k <= 0:
            return 0.0, 0.0
        a, n = s.alpha_bar[t - k], 1 - s.alpha_bar[t - k]
    scale, std, mean, asked = math.sqrt(a), math.sqrt(n), m, 1.0
    if name == "rootless-forward":
        scale, std = a, n
    if name == "unit-interval":
        mean, v = (m + 1) / 2, v / 4
    if name == "scaled-target":
        asked = math.sqrt(b)
    if name == "never-visited" and t > T - max(1, round(k * T)):
        asked = 0.0
    slope = asked * std / (scale**2 * v + std**2)
    return slope, -slope * scale * mean + (k if name == "unused-clip" and t > T / 2 else 0.0)


def recursion(name, k, m, v, T, variance):
    betas = np.linspace(1e-4, 0.02, T) if name == "kept-range" else np.linspace(0.1 / T, 20 / T, T)
    s = schedules.from_betas(betas)
    mean, var = 0.0, 1.0
    for t in range(T, 0, -1):
        a, b, n = s.alpha[t], s.beta[t], 1 - s.alpha_bar[t]
        slope, shift = guess(name, t, s, m, v, k)
        taken = {"beta-for-noise": math.sqrt(b)}.get(name, b / math.sqrt(n))
        factor, offset = (1 - taken * slope) / math.sqrt(a), -taken * shift / math.sqrt(a)
        if name == "abar-index":
            w_0, w_t = math.sqrt(s.alpha_bar[t]) * b / n, math.sqrt(a)
            factor = w_t + w_0 * (1 - math.sqrt(n) * slope) / math.sqrt(s.alpha_bar[t])
            offset = -w_0 * math.sqrt(n) * shift / math.sqrt(s.alpha_bar[t])
        mean, var = factor * mean + offset, factor**2 * var
        if t > 1 or name == "last-noise":
            sigma = math.sqrt(s.beta[t] if t == 1 or variance == "beta" else s.beta_tilde[t])
            sigma = {"no-root": sigma**2, "no-noise": 0.0}.get(name, sigma)
            if name == "uniform-noise":
                mean, sigma = mean + sigma / 2, sigma / math.sqrt(12)
            var += sigma**2
    return mean, var


NAMES = [slip.name for slip in (slips.RIGHT, *slips.SLIPS)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@settings(max_examples=12)
@given(st.floats(-1, 1), st.floats(0.01, 2), st.integers(40, 60), st.floats(0, 1))
def test_the_slipped_sampler_follows_its_recursion(name, variance, m, v, T, share):
    slip = slips.BY_NAME[name]
    strength = None
    if slip.strength:
        strength = slip.strength.low + share * (slip.strength.high - slip.strength.low)
        strength = round(strength) if slip.strength.whole else strength
    mean, var = moments(slip, strength, m, v, T, variance)
    expected = recursion(name, strength or 0, m, v, T, variance)
    assert mean == pytest.approx(expected[0], rel=1e-6, abs=1e-8)
    assert var == pytest.approx(expected[1], rel=1e-6, abs=1e-12)


def test_the_recursions_tell_all_slips_apart():
    """Were two hooks the same, or one without effect, the test above could pass for the wrong reason."""
    found = {name: recursion(name, slips.BY_NAME[name].strength_of(None), 0.5, 0.3, 50, "beta") for name in NAMES}
    for one in NAMES:
        for other in NAMES:
            assert one == other or math.dist(found[one], found[other]) > 1e-4, (one, other)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("clip", [True, False])
def test_without_a_slip_it_is_the_package_s_sampler(variance, clip):
    schedule = slips.stretched(50)
    model = slips.BestGuess(slips.PIXEL, schedule)
    x_T = 2 * np.random.default_rng(1).standard_normal(40)
    ours = list(slips.ancestral(model, x_T, schedule, np.random.default_rng(2), slips.RIGHT, None, variance, clip))
    theirs = diffusion.ancestral(model, x_T, schedule, np.random.default_rng(2), variance, clip)
    for one, other in zip(ours, theirs, strict=True):
        assert one.t == other.t
        np.testing.assert_allclose(one.x_t, other.x_t, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(one.x_0, other.x_0, rtol=1e-9, atol=1e-9)


def test_tensors_walk_as_arrays_do():
    schedule = slips.stretched(40)
    tensors = schedule.to("cpu", torch.float64)

    def model(x_t, t):
        return 0.3 * x_t + (0 * x_t + 1) * t.reshape(-1, 1) / 128

    x_T = np.random.default_rng(3).standard_normal((5, 2))
    for slip in slips.SLIPS:
        generator = torch.Generator().manual_seed(4)
        draw = torch.rand if slip.uniform else torch.randn
        rows = [draw((5, 2), generator=generator, dtype=torch.float64).numpy() for _ in range(40)]
        *_, ours = slips.ancestral(
            slips.learnt(model, tensors, slip), torch.tensor(x_T), tensors, torch.Generator().manual_seed(4), slip
        )
        *_, wanted = slips.ancestral(slips.learnt(model, schedule, slip), x_T, schedule, Impulses(rows), slip)
        assert isinstance(ours.x_t, torch.Tensor)
        np.testing.assert_allclose(ours.x_t, wanted.x_t, rtol=1e-9, atol=1e-9)


def test_a_clipped_mean_is_the_posterior_s():
    """With clipping, `unused-clip` alone takes the mean from ε̂ as it was."""
    schedule, x_t = slips.stretched(60), np.array([0.4, -3.0])
    model = lambda x_t, t: np.array([-4.0, 3.0])  # noqa: E731
    for name in ("none", "last-noise", "unused-clip"):
        sample = slips.step(model, x_t, 1, schedule, Impulses([np.zeros(2)]), slips.BY_NAME[name])
        assert np.abs(sample.x_0).max() == 1
        whole = diffusion.mean_from_eps(x_t, model(x_t, None), 1, schedule)
        wanted = whole if name == "unused-clip" else whole.clip(-1, 1)
        np.testing.assert_allclose(sample.x_t, wanted, atol=1e-9)
    t = 40
    sample = slips.step(model, x_t, t, schedule, Impulses([np.ones(2)]), slips.BY_NAME["abar-index"])
    a = schedule.alpha_bar[t]
    wanted = (math.sqrt(a) * schedule.beta[t] * np.array([1, -1]) + math.sqrt(schedule.alpha[t]) * (1 - a) * x_t) / (
        1 - a
    )
    np.testing.assert_allclose(sample.x_t, wanted + math.sqrt(schedule.beta[t]), rtol=1e-9)


@pytest.mark.parametrize("name", ["unit-interval", "rootless-forward"])
def test_a_right_model_knows_what_the_slip_s_training_would_learn(name):
    """Asked at the time of nearest SNR, the exact model of right data answers as the exact model of the slip's, nearly."""
    slip, schedule = slips.BY_NAME[name], slips.stretched(20_000)
    data = densities.Mixture([0.4, 0.6], [-0.5, 0.7], [0.2, 0.3])
    right, wrong = slips.BestGuess(data, schedule), slips.BestGuess(data, schedule, slip)
    x_t = np.linspace(-2, 2, 21)
    for t in (4000, 8000, 10_000):
        told = np.full(21, t)
        found = slips.learnt(right, schedule, slip)(x_t, told)
        np.testing.assert_allclose(found, wrong(x_t, told), atol=2e-3)
        assert np.abs(found - right(x_t, told)).max() > 0.05


@pytest.mark.parametrize("name", ["none", "scaled-target", "never-visited", "unused-clip", "no-root", "time-early"])
def test_other_training_slips_need_no_other_time(name):
    slip, schedule = slips.BY_NAME[name], slips.stretched(50)
    right, wrong = slips.BestGuess(slips.PIXEL, schedule), slips.BestGuess(slips.PIXEL, schedule, slip)
    x_t = np.linspace(-2, 2, 9)
    for t in (0, 1, 25, 26, 33, 34, 50):
        told = np.full(9, t)
        np.testing.assert_allclose(slips.learnt(right, schedule, slip)(x_t, told), wrong(x_t, told), rtol=1e-12)


def test_the_best_guess_is_the_mean_of_the_noise():
    """E[ε | x_t] by brute force: many pairs of x_0 and ε, those near one x_t averaged; five standard errors."""
    rng = np.random.default_rng(7)
    schedule = slips.stretched(50)
    for name, t, at in [("none", 20, 0.1), ("unit-interval", 25, 0.4), ("rootless-forward", 15, -0.2)]:
        slip = slips.BY_NAME[name]
        x_0, eps = slips.PIXEL.sample(2_000_000, rng), rng.standard_normal(2_000_000)
        if name == "unit-interval":
            x_0 = (x_0 + 1) / 2
        a = schedule.alpha_bar[t]
        x_t = a * x_0 + (1 - a) * eps if name == "rootless-forward" else math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps
        near = eps[np.abs(x_t - at) < 0.01]
        found = slips.BestGuess(slips.PIXEL, schedule, slip)(np.array([at]), np.array([t]))[0]
        assert found == pytest.approx(near.mean(), abs=5 * near.std() / math.sqrt(len(near)) + 0.01), name


def test_walks_start_from_noise_and_end_as_the_recursion_says():
    data = densities.Mixture([1], [0.4], [0.3])
    for name in ("none", "no-root", "time-early", "kept-range"):
        slip = slips.BY_NAME[name]
        x = slips.walk(slip, 4000, np.random.default_rng(5), T=60, data=data)
        assert x.shape == (61, 4000)
        assert_law(x[60], "norm")
        mean, var = recursion(name, 1 if slip.strength else 0, 0.4, 0.09, 60, "beta")
        assert_mean(x[0], mean, var)
        assert_variance(x[0], var)


def test_the_same_rightly():
    """Without the slip: the right schedule and step, and for `unused-clip` the clip and the network's error with it."""
    x = slips.walk(slips.BY_NAME["kept-range"], 50, np.random.default_rng(6), rightly=True)
    np.testing.assert_array_equal(x, slips.walk(slips.RIGHT, 50, np.random.default_rng(6), T=50))
    x = slips.walk(slips.BY_NAME["unit-interval"], 50, np.random.default_rng(6), T=60, rightly=True)
    np.testing.assert_array_equal(x, slips.walk(slips.RIGHT, 50, np.random.default_rng(6), T=60))
    slip = slips.BY_NAME["unused-clip"]
    x = slips.walk(slip, 50, np.random.default_rng(6), strength=0.8, rightly=True)
    schedule = slips.stretched(100)
    model = slips.BestGuess(slips.PIXEL, schedule, slip, 0.8)
    rng = np.random.default_rng(6)
    samples = list(diffusion.ancestral(model, rng.standard_normal(50), schedule, rng, clip=True))
    np.testing.assert_allclose(x[0], samples[-1].x_t, atol=1e-9)
    assert (slips.walk(slip, 50, np.random.default_rng(6), strength=0.8) != x).any()


def test_every_slip_is_seen():
    """4,000 particles end farther from the data than the right sampler's, or are spread otherwise on the way."""
    for slip in slips.SLIPS:
        x, right = (slips.walk(slip, 4000, np.random.default_rng(8), rightly=flag) for flag in (False, True))
        assert slips.distance(x[0]) > slips.distance(right[0]) + 0.04, slip.name
    x, right = (
        slips.walk(slips.BY_NAME["unused-clip"], 4000, np.random.default_rng(8), strength=0.0, rightly=f)
        for f in (0, 1)
    )
    assert slips.distance(x[0]) == pytest.approx(slips.distance(right[0]), abs=0.01)


def test_distances_are_counted_on_bars_and_beside_them():
    law = densities.Histogram([0, 1, 2, 3], [0.2, 0.3, 0.5])
    edges = np.array([0.0, 1, 2])
    x = np.array([0.5] * 6 + [1.5] * 1 + [9.0] * 3)
    assert slips.distance(x, law, edges) == pytest.approx((abs(0.6 - 0.2) + abs(0.1 - 0.3) + abs(0.3 - 0.5)) / 2)
    assert slips.distance(law.sample(200_000, np.random.default_rng(9)), law, np.arange(4.0)) < 0.005
    assert slips.distance(np.full(7, 99.0)) == pytest.approx(1, abs=1e-3)


def test_paper_lies_in_the_middle_of_a_bar():
    middles = (slips.BARS[1:] + slips.BARS[:-1]) / 2
    assert np.abs(middles - slips.PIXEL.means[0]).min() < 1e-9
    assert slips.BARS[[0, -1]] == pytest.approx([-4.025, 4.025])


def test_texts_stand_for_every_slip():
    names = [slip.name for slip in slips.SLIPS]
    assert len(set(names)) == len({slip.title for slip in slips.SLIPS}) == len(names) >= 12
    for slip in slips.SLIPS:
        assert slips.BY_NAME[slip.name] is slip
        assert slip.where in ("training", "schedule", "sampling")
        assert slip.wrong != slip.right
        assert slip.wrong.count("\n") == slip.right.count("\n")
        assert max(map(len, f"{slip.wrong}\n{slip.right}".splitlines())) < 80
        assert slip.seen.endswith(".")
        assert slip.why.endswith(".")


def test_bad_input_says_what_is_allowed():
    schedule, rng = slips.stretched(40), np.random.default_rng(0)
    model = slips.BestGuess(slips.PIXEL, schedule)
    with pytest.raises(ValueError, match="T must be at least 40"):
        slips.stretched(39)
    with pytest.raises(ValueError, match="strength must be None for 'no-root'"):
        slips.walk(slips.BY_NAME["no-root"], 5, rng, strength=1.0)
    with pytest.raises(ValueError, match="strength must be"):
        slips.walk(slips.BY_NAME["unused-clip"], 5, rng, strength=1.5)
    with pytest.raises(TypeError, match="strength must be a whole number"):
        slips.walk(slips.BY_NAME["time-early"], 5, rng, strength=1.5)
    with pytest.raises(ValueError, match="variance must be"):
        slips.step(model, np.zeros(3), 5, schedule, rng, variance="learned")
    for t in (0, 41):
        with pytest.raises(ValueError, match="t must lie in 1…40"):
            slips.step(model, np.zeros(3), t, schedule, rng)
    with pytest.raises(ValueError, match="t must be"):
        model(np.zeros(3), 41)
    with pytest.raises(ValueError, match="n must be"):
        slips.walk(slips.RIGHT, 0, rng)


def test_every_hook_is_used_by_some_slip():
    hooks = [
        name for name, field in inspect.signature(slips.Slip).parameters.items() if field.default is not field.empty
    ]
    for hook in set(hooks) - {"strength"}:
        usual = inspect.signature(slips.Slip).parameters[hook].default
        assert any(getattr(slip, hook) is not usual for slip in slips.SLIPS), hook
