"""The losses: against their terms one by one, and who may move what in the mixture."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

from ddpm_edu import bounds, objective
from ddpm_edu.configuration import TrainingConfig
from ddpm_edu.diffusion import NoiseModel, learned_range, q_sample
from ddpm_edu.unet import UNetConfig

T = 6
PLAIN = TrainingConfig(UNetConfig(image_size=8, channels=4, groups=2), T=T, beta_T=0.3)
LEARNED = dataclasses.replace(PLAIN, unet=dataclasses.replace(PLAIN.unet, outputs=2), variance="learned")


def batch(n, seed=0, size=8):
    rng = torch.Generator().manual_seed(seed)
    x_0 = torch.randint(0, 256, (n, 1, size, size), generator=rng).float() / 127.5 - 1
    return x_0, torch.arange(n) % T + 1, torch.randn(x_0.shape, generator=rng)


def answers(n, channels=1, seed=1, size=8):
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("name", ["eps", "x_0", "v"])
def test_the_simple_loss_is_the_mean_square_of_the_targets_error(name):
    config = dataclasses.replace(PLAIN, target=name)
    x_0, t, eps = batch(12)
    answer = answers(12)
    a = torch.tensor(np.cumprod(1 - np.linspace(1e-4, 0.3, T)), dtype=torch.float32)[t - 1][:, None, None, None]
    asked = {"eps": eps, "x_0": x_0, "v": a.sqrt() * eps - (1 - a).sqrt() * x_0}[name]
    seen = []

    def network(x_t, steps):
        seen.append((x_t, steps))
        return answer

    value = objective.loss(config, network, x_0, t, config.make_schedule().to("cpu"), eps)
    assert value.item() == pytest.approx(((asked - answer) ** 2).mean().item(), rel=1e-5)
    torch.testing.assert_close(seen[0][0], a.sqrt() * x_0 + (1 - a).sqrt() * eps)
    assert torch.equal(seen[0][1], t)
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["eps", "x_0", "v"])
def test_the_bound_does_not_depend_on_what_the_network_was_asked(name):
    # The same guess of the noise, said in three ways, costs the same.
    config = dataclasses.replace(PLAIN, target=name, weighting="bound")
    x_0, t, eps = batch(12)
    schedule = config.make_schedule().to("cpu", torch.float64)
    x_0, eps, guess = x_0.double(), eps.double(), answers(12).double()
    a = schedule.alpha_bar[t][:, None, None, None]
    x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps
    said = (x_t - (1 - a).sqrt() * guess) / a.sqrt()
    answer = {"eps": guess, "x_0": said, "v": a.sqrt() * guess - (1 - a).sqrt() * said}[name].float()
    value = objective.loss(config, lambda *_: answer, x_0.float(), t, config.make_schedule().to("cpu"), eps.float())
    expected = objective.bound(x_0, x_t, t, schedule, guess, schedule.beta[t][:, None, None, None])
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_the_bound_is_the_mean_of_its_terms(variance):
    x_0, t, eps = (part.double() if part.is_floating_point() else part for part in batch(2 * T))
    schedule = PLAIN.make_schedule().to("cpu", torch.float64)
    guess = answers(len(x_0)).double()
    sigma_squared = getattr(schedule, variance).clone()
    value = objective.bound(
        x_0, q_sample(x_0, t, schedule, eps), t, schedule, guess, sigma_squared[t][:, None, None, None]
    )
    sigma_squared[1] = schedule.beta_tilde[2] if variance == "beta_tilde" else schedule.beta[1]
    nats = []
    for i, step in enumerate(t.tolist()):
        one = slice(i, i + 1)
        if step > 1:
            term = bounds.step_term(
                lambda *_, i=i: guess[i : i + 1], x_0[one], t[one], schedule, eps[one], sigma_squared
            )
            nats.append(term.item())
            continue
        alpha, beta = schedule.alpha[1], schedule.beta[1]
        mean = (q_sample(x_0[one], 1, schedule, eps[one]) - beta.sqrt() * guess[one]) / alpha.sqrt()
        law = stats.norm(mean.detach().numpy(), math.sqrt(sigma_squared[1]))
        grey = x_0[one].numpy()
        below = np.where(grey < -0.999, -np.inf, grey - 1 / 255)
        above = np.where(grey > 0.999, np.inf, grey + 1 / 255)
        nats.append(-np.log(law.cdf(above) - law.cdf(below)).sum())
    assert np.isfinite(nats).all()
    assert value.item() == pytest.approx(T * np.mean(nats) / 64 / math.log(2), rel=1e-6)


def test_the_mixture():
    x_0, t, eps = batch(12)
    schedule = LEARNED.make_schedule().to("cpu")
    answer = answers(12, 2)
    value = objective.loss(LEARNED, lambda *_: answer, x_0, t, schedule, eps)
    (gradient,) = torch.autograd.grad(value, answer)

    simple = ((eps - answer[:, :1]) ** 2).mean()
    (of_simple,) = torch.autograd.grad(simple, answer, retain_graph=True)
    x_t = q_sample(x_0, t, schedule, eps)
    guess, sigma_squared = NoiseModel(lambda *_: answer, schedule, "eps", True).eps_and_variance(x_t, t)
    low, high = (values[:, None, None, None] for values in learned_range(t, schedule))
    share = (answer[:, 1:] + 1) / 2
    torch.testing.assert_close(sigma_squared.log(), share * high.log() + (1 - share) * low.log())
    whole = objective.bound(x_0, x_t, t, schedule, guess, sigma_squared)
    (of_bound,) = torch.autograd.grad(whole, answer)

    assert value.item() == pytest.approx(simple.item() + 0.001 * whole.item(), rel=1e-5)
    # The noise is moved by the simple loss alone, the variance by the bound alone.
    torch.testing.assert_close(gradient[:, :1], of_simple[:, :1])
    torch.testing.assert_close(gradient[:, 1:], 0.001 * of_bound[:, 1:])
    assert of_bound[:, :1].abs().max() > 0
    assert of_bound[:, 1:].abs().min() > 0


def test_the_bound_moves_both_where_it_is_all_there_is():
    config = dataclasses.replace(LEARNED, weighting="bound")
    x_0, t, eps = batch(12)
    answer = answers(12, 2)
    objective.loss(config, lambda *_: answer, x_0, t, config.make_schedule().to("cpu"), eps).backward()
    assert answer.grad.abs().min() > 0


def test_far_off_answers_keep_the_loss_and_its_gradient_finite():
    # The real schedule, a fresh network's answer and worse, at the ends where float32 has least to give.
    for config in (
        dataclasses.replace(LEARNED, T=1000, beta_T=0.02),
        dataclasses.replace(LEARNED, T=1000, schedule="log_linear", weighting="bound"),
    ):
        x_0, _, eps = batch(8)
        t = torch.tensor([1, 1, 1, 2, 2, 3, 999, 1000])
        for scale in (0.0, 1.0, 2.0):
            answer = (scale * answers(8, 2)).detach().requires_grad_()
            value = objective.loss(config, lambda *_, a=answer: a, x_0, t, config.make_schedule().to("cpu"), eps)
            value.backward()
            assert math.isfinite(value.item())
            assert torch.isfinite(answer.grad).all()


def test_half_precision_answers_are_compared_in_full():
    x_0, t, eps = batch(12)
    answer = eps.bfloat16()
    value = objective.loss(PLAIN, lambda *_: answer, x_0, t, PLAIN.make_schedule().to("cpu"), eps)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(((eps - answer.float()) ** 2).mean().item(), rel=1e-6)
