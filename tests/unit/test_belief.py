"""Bayes' rule over the levels of grey, by brute force; a model whose data is drawn from its own belief; precision where little noise is left."""

import math

import numpy as np
import pytest
import torch

from ddpm_edu import belief, configuration, likelihood, objective, schedules, training
from ddpm_edu.configuration import TrainingConfig
from ddpm_edu.unet import UNet, UNetConfig

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


# --- in training ---


SMALL = TrainingConfig(
    UNetConfig(image_size=8, channels=8, multipliers=(1,), outputs=24),
    target="belief",
    variance="beta_tilde",
    weighting="bound",
    times="stratified",
    schedule="log_linear",
    log_snr_1=14.5,
    steps=30,
    batch=16,
    learning_rate=1e-2,
    warmup=2,
    interval=10,
)
DIGITS = np.where(np.random.default_rng(7).random((64, 8, 8)) < 0.5, 0, 208).astype(np.uint8)


def test_the_preset_has_a_belief():
    config = configuration.preset("likelihood")
    assert isinstance(config.noise_model(UNet(config.unet), config.make_schedule().to("cpu")), belief.Belief)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"unet.outputs": "1"},
            "unet.outputs must be 2 where variance is 'learned', 24 where target is 'belief', else 1",
        ),
        (
            {"variance": "learned"},
            "variance must be 'beta' or 'beta_tilde' where target is 'belief', but it was 'learned'",
        ),
        ({"times": "often"}, "times must be one of 'uniform', 'stratified', but it was 'often'"),
    ],
)
def test_a_configuration_that_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        configuration.change(SMALL, changes)


@pytest.mark.parametrize("weighting", ["simple", "bound"])
def test_the_loss_is_the_error_of_the_noise(weighting):
    """Where log-SNR falls in a straight line by Δ a step, the bound with σ² = β̃ is the simple loss times T·(e^Δ − 1)/(2·ln 2)."""
    config = configuration.change(SMALL, {"weighting": weighting})
    rng = torch.Generator().manual_seed(8)
    answer = torch.randn(6, 24, 8, 8, generator=rng)
    x_0 = torch.randint(256, (6, 1, 8, 8), generator=rng) / 127.5 - 1
    eps, t = torch.randn(x_0.shape, generator=rng), torch.tensor([1000, 800, 600, 400, 300, 250])
    exact = config.make_schedule()
    a, noise = (torch.from_numpy(values[t]).float()[:, None, None, None] for values in (exact.alpha_bar, exact.noise))
    x_t = a**0.5 * x_0 + noise**0.5 * eps
    tensors = exact.to("cpu")
    simple = ((eps - (x_t - a**0.5 * belief.posterior_mean(answer, x_t, t, tensors)) / noise**0.5) ** 2).mean().item()
    factor = 1.0 if weighting == "simple" else 1000 * math.expm1(20.5 / 999) / 2 / math.log(2)
    loss = objective.loss(config, lambda x, t: answer, x_0, t, tensors, eps).item()
    assert loss == pytest.approx(factor * simple, rel=1e-3)


def test_a_network_learns_its_belief():
    """Pixels that are black or 208, as a coin falls: the bound of one bit each comes in sight within a few steps."""
    trainer = training.Trainer(configuration.change(SMALL, {"steps": "1000"}), DIGITS, DIGITS)
    losses = [trainer.step().item() for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])


def test_the_times_of_a_batch_are_spread():
    trainer = training.Trainer(SMALL, DIGITS, DIGITS)
    times = torch.stack([trainer._times() for _ in range(2000)]).numpy()
    assert times.min() == 1
    assert times.max() == 1000
    assert ((times - 1) * 16 // 1000 == np.arange(16)).mean() > 0.98  # 1000 is no multiple of 16: parts share a time
    counts = np.histogram(times, bins=np.linspace(0.5, 1000.5, 41))[0]
    assert abs(counts / times.size * 40 - 1).max() < 0.1
    assert len(np.unique(times[:, 0])) > 50
