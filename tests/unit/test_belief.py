"""Bayes' rule over the levels of grey, by brute force; a model whose data is drawn from its own belief; precision where little noise is left."""

import math

import numpy as np
import pytest
import torch

from ddpm_edu import belief, likelihood, schedules

SCHEDULE = schedules.log_linear(60, 14.5, -6.0)
TENSORS = SCHEDULE.to("cpu")
V = np.linspace(-1, 1, 256)


def log_belief(answer):
    """The belief of one pixel, from its 24 numbers: straight lines between the knots, on top of what black starts with."""
    return 3 * np.interp(np.arange(256), belief.KNOTS, answer) + np.log([0.8] + 255 * [0.2 / 255])


def mean_by_hand(answer, x_t, t):
    """x̂_0 of one pixel."""
    exponent = log_belief(answer) - (x_t - math.sqrt(SCHEDULE.alpha_bar[t]) * V) ** 2 / (2 * SCHEDULE.noise[t])
    weight = np.exp(exponent - exponent.max())
    return (weight * V).sum() / weight.sum()


@pytest.mark.parametrize("t", [1, 2, 20, 40, 60])
def test_the_posterior_mean_by_hand(t):
    rng = np.random.default_rng(t)
    answer, eps = rng.standard_normal((3, 24, 2, 4)), rng.standard_normal((3, 1, 2, 4))
    x_0 = rng.choice(V, (3, 1, 2, 4))
    x_t = (math.sqrt(SCHEDULE.alpha_bar[t]) * x_0 + math.sqrt(SCHEDULE.noise[t]) * eps).astype(np.float32)
    found = belief.posterior_mean(torch.from_numpy(answer).float(), torch.from_numpy(x_t), torch.full((3,), t), TENSORS)
    for b, row, column in np.ndindex(3, 2, 4):
        by_hand = mean_by_hand(answer[b, :, row, column], float(x_t[b, 0, row, column]), t)
        assert found[b, 0, row, column].item() == pytest.approx(by_hand, abs=2e-4)


def test_each_picture_has_its_own_time():
    rng = torch.Generator().manual_seed(0)
    answer = torch.randn(4, 24, 3, 3, generator=rng)
    x_t = torch.randn(4, 1, 3, 3, generator=rng)
    t = torch.tensor([60, 5, 33, 5])
    together = belief.posterior_mean(answer, x_t, t, TENSORS)
    for i in range(4):
        alone = belief.posterior_mean(answer[i : i + 1], x_t[i : i + 1], t[i : i + 1], TENSORS)
        assert torch.equal(together[i : i + 1], alone)


def test_where_little_noise_is_left_the_evidence_picks_the_level():
    """At t = 1 the answer is a level of grey, to the last digit, whatever the network believes."""
    rng = torch.Generator().manual_seed(1)
    x_0 = torch.randint(256, (2, 1, 28, 28), generator=rng) / 127.5 - 1
    answer = 2 * torch.randn(2, 24, 28, 28, generator=rng)
    t = torch.ones(2, dtype=torch.int64)
    x_1 = x_0 + SCHEDULE.noise[1] ** 0.5 * torch.randn(x_0.shape, generator=rng)
    assert (belief.posterior_mean(answer, x_1, t, TENSORS) - x_0).abs().max() < 1e-6


def test_the_noise_is_what_the_mean_leaves():
    rng = torch.Generator().manual_seed(2)
    answer, x_t = torch.randn(2, 24, 5, 5, generator=rng), torch.randn(2, 1, 5, 5, generator=rng)
    t = torch.tensor([50, 12])
    model = belief.Belief(lambda x, t: answer, TENSORS)
    a, noise = (values[t][:, None, None, None] for values in (TENSORS.alpha_bar, TENSORS.noise))
    x_0 = model.x_0(x_t, t)
    assert torch.allclose(a**0.5 * x_0 + noise**0.5 * model(x_t, t), x_t, atol=1e-5)


def test_the_bound_of_a_true_belief_nears_its_entropy():
    """Pixels that are independent draws from the belief: the network knows all there is to know, and the bound is their entropy."""
    answer = np.linspace(-1, 1.2, 24) ** 2
    law = np.exp(log_belief(answer))
    law /= law.sum()
    rng = np.random.default_rng(3)
    x_0 = torch.from_numpy(rng.choice(V, p=law, size=(400, 1, 8, 8)).astype(np.float32))
    schedule = schedules.log_linear(400, 14.5, -7.0)
    tensors = schedule.to("cpu")
    constant = torch.from_numpy(answer).float()[None, :, None, None]
    model = belief.Belief(lambda x, t: constant.expand(len(x), 24, 8, 8), tensors)
    ledger = likelihood.ledger(model, tensors, x_0, "beta_tilde", 5, torch.Generator().manual_seed(4))
    entropy = float(-(law * np.log2(law)).sum())
    assert ledger.bits_per_dim == pytest.approx(entropy, abs=0.03 * entropy + 3 * ledger.stderr)
    assert ledger.bits_per_dim > entropy - 3 * ledger.stderr
    assert ledger.L_0 < 1e-3


def test_the_gradient_is_the_slope():
    rng = torch.Generator().manual_seed(5)
    answer = torch.randn(1, 24, 2, 2, generator=rng, dtype=torch.float64).requires_grad_()
    x_t = torch.randn(1, 1, 2, 2, generator=rng, dtype=torch.float64)
    double = SCHEDULE.to("cpu", torch.float64)
    assert torch.autograd.gradcheck(lambda a: belief.posterior_mean(a, x_t, torch.tensor([30]), double), answer)


@pytest.mark.parametrize("t", [1, 60])
def test_the_gradient_is_finite_at_the_ends(t):
    answer = torch.zeros(2, 24, 4, 4, requires_grad=True)
    x_t = torch.full((2, 1, 4, 4), 30.0)  # no level is anywhere near
    belief.posterior_mean(answer, x_t, torch.full((2,), t), TENSORS).sum().backward()
    assert torch.isfinite(answer.grad).all()


def test_half_precision_is_for_the_network_alone():
    answer = torch.randn(1, 24, 4, 4, generator=torch.Generator().manual_seed(6)).bfloat16()
    x_t = torch.full((1, 1, 4, 4), 0.2)
    t = torch.tensor([3])
    model = belief.Belief(lambda x, t: answer, TENSORS)
    plain = belief.posterior_mean(answer.float(), x_t, t, TENSORS)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.x_0(x_t, t), plain)


def test_an_answer_of_another_shape():
    with pytest.raises(ValueError, match=r"answer must have shape \(2, 24, 4, 4\), but its shape was \(2, 1, 4, 4\)"):
        belief.posterior_mean(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), torch.tensor([1, 2]), TENSORS)
