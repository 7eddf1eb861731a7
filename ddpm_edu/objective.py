"""What a training step makes smaller: the simple loss, the variational bound, or a mixture of the two.

Everything here is for tensors, and looks at no value, so that a graphics card is never kept waiting.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import posterior
from .bounds import bits, discretised_log_likelihood, gaussian_kl
from .configuration import TrainingConfig
from .diffusion import Model, eps_and_variance, learned_range, mean_from_eps, target
from .forward import q_sample
from .schedules import NoiseSchedule, align


def loss(
    config: TrainingConfig, network: Model, x_0: Tensor, t: Tensor, schedule: NoiseSchedule, eps: Tensor
) -> Tensor:
    """The loss of one batch, as the configuration wants it: one number.

    x_0: clean data, (B, 1, H, W). t: (B,), from 1…T. eps: noise from N(0, I), of x_0's shape.
    With a learned variance the bound is added to the simple loss, in a small share, and may move the variance only.

    Source: Ho et al. 2020, equation 14; Nichol and Dhariwal 2021, equation 16, for the mixture.
    """
    x_t = q_sample(x_0, t, schedule, eps)
    answer = network(x_t, t).float()
    if config.weighting == "simple":
        if config.target == "belief":
            return ((eps - config.noise_model(lambda *_: answer, schedule)(x_t, t)) ** 2).mean()
        simple = ((target(config.target, x_0, eps, t, schedule) - answer[:, :1]) ** 2).mean()
        if config.variance != "learned":
            return simple
    model = config.noise_model(lambda *_: answer, schedule)
    guess, sigma_squared = eps_and_variance(model, x_t, t, schedule, config.variance)
    if config.weighting == "bound":
        return bound(x_0, x_t, t, schedule, guess, sigma_squared)
    return simple + config.bound_share * bound(x_0, x_t, t, schedule, guess.detach(), sigma_squared)


def bound(x_0: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule, guess: Tensor, sigma_squared: Tensor) -> Tensor:
    """The variational bound without L_T, estimated from one time for each item, in bits per dimension: one number.

    x_0: (B, …), grey values of 256 levels in [−1, 1]. x_t: of x_0's shape. t: (B,), drawn evenly from 1…T.
    guess: the model's noise in x_t. sigma_squared: its variance, of a shape that fits; where it is 0, as β̃_1 is, β̃_2 stands in.
    The mean of T·L_{t−1} over the items is the sum over the steps on average.

    Source: Ho et al. 2020, equations 5 and 13; Nichol and Dhariwal 2021, section 3.1.
    """
    first = align(t == 1, x_0)
    least = align(learned_range(t, schedule)[0], x_0)  # β̃_t
    sigma_squared = torch.where(sigma_squared == 0, least, sigma_squared)
    mean = mean_from_eps(x_t, guess, t, schedule)
    divergence = gaussian_kl(posterior.mean(x_t, x_0, t, schedule), least, mean, sigma_squared)
    # At t > 1 the likelihood is not wanted; it is given the truth there, so that it and its gradient stay finite.
    likelihood = discretised_log_likelihood(x_0, torch.where(first, mean, x_0), torch.where(first, sigma_squared, 1.0))
    return bits(schedule.T * torch.where(first, -likelihood, divergence).mean())
