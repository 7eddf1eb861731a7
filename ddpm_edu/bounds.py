"""The variational bound on −log p_θ(x_0), term by term: L_T, L_{t−1} for t = 2…T, and L_0, in nats.

The formulas take NumPy arrays and tensors alike; the schedule must hold the same kind.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from . import arguments, posterior
from .diffusion import Model, eps_and_variance, mean_from_eps
from .forward import q_sample
from .schedules import NoiseSchedule, at


def gaussian_kl(mean_1: Any, variance_1: Any, mean_2: Any, variance_2: Any) -> Any:
    """KL(N(mean_1, variance_1) ‖ N(mean_2, variance_2)) in nats, entry by entry.

    All four: numbers or shapes that fit together; the sum over an item's entries is the divergence of the whole.
    Raises ValueError if a variance is not above 0.

    Source: Kingma and Welling 2014, appendix B, for a general second Gaussian.
    """
    _above_0("variance_1", variance_1)
    _above_0("variance_2", variance_2)
    ratio = variance_1 / variance_2
    return ((mean_1 - mean_2) ** 2 / variance_2 + ratio - 1 - _log(ratio)) / 2


def prior_term(second_moment: Any, schedule: NoiseSchedule) -> Any:
    """L_T, the divergence of q(x_T | x_0) from N(0, I), in nats per dimension, on average over the data.

    second_moment: the mean of x_0² over data and dimensions, at least 0, any shape. Returns that shape.
    It has no parameters: only the schedule makes it small. Raises ValueError if second_moment is negative.

    Source: Ho et al. 2020, equation 5, the first term.
    """
    if not np.all(np.asarray(second_moment) >= 0):
        raise ValueError(f"second_moment must be at least 0, but it was {second_moment!r}")
    alpha_bar, noise = schedule.alpha_bar[schedule.T], schedule.noise[schedule.T]
    return (alpha_bar * second_moment - alpha_bar - _log(noise)) / 2


def step_term(eps_theta: Model, x_0: Any, t: Any, schedule: NoiseSchedule, eps: Any, variance: Any = "beta") -> Any:
    """L_{t−1} for one x_t of each item: the divergence of the model's step from q(x_{t−1} | x_t, x_0), in nats.

    x_0: (B, …). t: (B,), from 2…T. eps: the noise in x_t, of x_0's shape; the bound is the mean over it.
    variance: the model's σ_t², as in `diffusion.eps_and_variance`. Returns shape (B,), summed over each item's entries.
    Raises ValueError if t is outside 2…T, variance is none of those, or shapes do not fit.

    Source: Ho et al. 2020, equation 5, the middle terms.
    """
    x_t = q_sample(x_0, t, schedule, eps)
    _from_2("t", t)
    guess, sigma_squared = eps_and_variance(eps_theta, x_t, t, schedule, variance)
    arguments.same_shape("eps_theta's answer", guess, "eps", eps)
    truth = posterior.mean(x_t, x_0, t, schedule), at(schedule.beta_tilde, t, x_t)
    model = mean_from_eps(x_t, guess, t, schedule), sigma_squared
    return _per_item(gaussian_kl(*truth, *model))


def decoder_term(eps_theta: Model, x_0: Any, schedule: NoiseSchedule, eps: Any, sigma_squared: float) -> Any:
    """L_0 for one x_1 of each item, with data that is not discrete: −log N(x_0; μ_θ(x_1, 1), σ²·I), in nats.

    x_0: (B, …). eps: the noise in x_1, of x_0's shape. sigma_squared: the variance of the last step, above 0.
    Returns shape (B,), summed over each item's entries; it is negative where the density is above 1.
    Raises ValueError if sigma_squared is not above 0 or shapes do not fit.

    Source: Ho et al. 2020, equation 5, the last term.
    """
    sigma_squared = arguments.number("sigma_squared", sigma_squared)
    _above_0("sigma_squared", sigma_squared)
    x_1 = q_sample(x_0, 1, schedule, eps)
    guess = eps_theta(x_1, _ones(x_1))
    arguments.same_shape("eps_theta's answer", guess, "eps", eps)
    gap = x_0 - mean_from_eps(x_1, guess, 1, schedule)
    return _per_item(gap**2 / sigma_squared + math.log(2 * math.pi * sigma_squared)) / 2


def discretised_log_likelihood(x_0: Any, mean: Any, variance: Any, levels: int = 256) -> Any:
    """The logarithm of the probability that N(mean, variance) gives to each entry's level of grey, in nats.

    x_0: entries among `levels` equally spaced values from −1 to 1. mean, variance: shapes that fit. Returns x_0's shape.
    A level owns the interval half-way to its neighbours; the darkest and the brightest own the rest of the line.
    Raises ValueError if x_0 is outside [−1, 1], variance is not above 0 or levels is below 2.

    Source: Ho et al. 2020, equation 13.
    """
    levels = arguments.integer("levels", levels, 2)
    _above_0("variance", variance)
    if not _on_a_card(x_0) and bool((abs(x_0) > 1).any() if hasattr(x_0, "any") else abs(x_0) > 1):
        raise ValueError(f"x_0 must lie in [−1, 1], but it went from {np.min(x_0)} to {np.max(x_0)}")
    half, sigma = 1 / (levels - 1), variance**0.5
    far = abs(x_0 - mean) / sigma + 40  # as good as infinite, and no infinity is subtracted
    upper = (x_0 + half - mean) / sigma + (x_0 > 1 - half) * far
    lower = (x_0 - half - mean) / sigma - (x_0 < half - 1) * far
    flip = lower > 0  # take the difference in the tail where both are small
    larger = _log_ndtr(_where(flip, -lower, upper))
    smaller = _log_ndtr(_where(flip, -upper, lower))
    return larger + _log(-_expm1(smaller - larger))


def x_0_weight(t: Any, schedule: NoiseSchedule, sigma_squared: Any) -> Any:
    """What stands before ‖x_0 − x̂_0‖² in L_{t−1}: ᾱ_{t−1}·β_t² / (2σ_t²·(1−ᾱ_t)²).

    t: steps from 1…T, shape () or (B,). sigma_squared: the model's σ_t², above 0, of t's shape. Returns t's shape.
    Raises ValueError if t is out of range or sigma_squared not above 0, as β̃_1 is.

    Source: Ho et al. 2020, equations 7 and 8.
    """
    _above_0("sigma_squared", sigma_squared)
    on_x_0, _ = posterior.weights(t, schedule)
    return on_x_0**2 / (2 * sigma_squared)


def eps_weight(t: Any, schedule: NoiseSchedule, sigma_squared: Any) -> Any:
    """What stands before ‖ε − ε_θ‖² in L_{t−1}: β_t² / (2σ_t²·α_t·(1−ᾱ_t)).

    t: steps from 1…T, shape () or (B,). sigma_squared: the model's σ_t², above 0, of t's shape. Returns t's shape.
    Raises ValueError if t is out of range or sigma_squared not above 0, as β̃_1 is.

    Source: Ho et al. 2020, equation 12.
    """
    _above_0("sigma_squared", sigma_squared)
    alpha, beta, noise = (at(values, t, t) for values in (schedule.alpha, schedule.beta, schedule.noise))
    return beta**2 / (2 * sigma_squared * alpha * noise)


def variance_cost(t: Any, schedule: NoiseSchedule) -> Any:
    """The part of L_{t−1} that no network changes if σ_t² = β_t: ½(β̃/β − 1 − ln(β̃/β)), in nats per dimension.

    t: steps from 2…T, shape () or (B,). Returns t's shape. Raises ValueError if t is outside 2…T.

    Source: `gaussian_kl` with equal means; Ho et al. 2020, section 3.2, name the two choices.
    """
    beta_tilde, beta = at(schedule.beta_tilde, t, t), at(schedule.beta, t, t)
    _from_2("t", t)
    return gaussian_kl(0.0, beta_tilde, 0.0, beta)


def bits(nats: Any, dimensions: int = 1) -> Any:
    """Nats as bits, for each of so many dimensions: 28 · 28 for an MNIST picture.

    Raises ValueError if dimensions is below 1.
    """
    return nats / (arguments.integer("dimensions", dimensions, 1) * math.log(2))


def _per_item(values: Any) -> Any:
    """The sum over all axes but the first, shape (B,)."""
    return values.reshape(len(values), -1).sum(1)


def _on_a_card(value: Any) -> bool:
    """Whether to look would make the host wait for the device; such tensors are not checked."""
    return bool(getattr(value, "is_cuda", False))


def _above_0(name: str, value: Any) -> None:
    if _on_a_card(value):
        return
    lowest = value.min() if hasattr(value, "min") else arguments.number(name, value)
    if not lowest > 0:
        raise ValueError(f"{name} must be above 0, but it was {float(lowest)}")


def _from_2(name: str, t: Any) -> None:
    if _on_a_card(t):
        return
    lowest = t.min() if hasattr(t, "min") else t
    if lowest < 2:
        raise ValueError(f"{name} must lie in 2…T, but it was {int(lowest)}: at t = 1 the posterior has no variance")


def _ones(x: Any) -> Any:
    """The time t = 1 for each item of x, shape (B,)."""
    if isinstance(x, np.ndarray):
        return np.ones(len(x), dtype=np.int64)
    import torch

    return torch.ones(len(x), dtype=torch.int64, device=x.device)


# The few functions that NumPy and torch spell differently: a tensor is what has `log` as a method.


def _log(x: Any) -> Any:
    return x.log() if hasattr(x, "log") else np.log(x)


def _expm1(x: Any) -> Any:
    return x.expm1() if hasattr(x, "expm1") else np.expm1(x)


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return yes.where(condition, no) if hasattr(yes, "where") else np.where(condition, yes, no)


def _log_ndtr(x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic, float)):
        return log_ndtr(x)
    import torch

    return torch.special.log_ndtr(x)
