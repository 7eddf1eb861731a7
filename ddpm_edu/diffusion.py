"""Denoising diffusion over any model of the noise: the loss it is trained with, and the ways to sample from it.

A model of the noise is a callable eps_theta(x_t, t). x_t has shape (B, …); t has shape (B,) and holds whole numbers
from 1…T; the answer has x_t's shape. NumPy arrays and tensors both work: the schedule must hold the same kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import arguments, posterior
from .forward import q_sample
from .schedules import NoiseSchedule, at

Model = Callable[[Any, Any], Any]


class Sample(NamedTuple):
    """Where a sampler stands after one step."""

    t: int
    """The time it has reached: T − 1 after the first ancestral step, 0 at the end."""
    x_t: Any
    """The samples at this time, shape (B, …)."""
    x_0: Any
    """x̂_0, the clean data that the model saw behind the step just made, shape (B, …)."""


def training_loss(eps_theta: Model, x_0: Any, t: Any, schedule: NoiseSchedule, eps: Any) -> Any:
    """L_simple on one batch: the mean squared difference between the noise and the model's guess of it.

    x_0: clean data, (B, …). t: (B,), from 1…T. eps: noise from N(0, I), of x_0's shape. Returns one number.
    The mean runs over items and entries, so a model that always answers 0 scores about 1.

    Raises ValueError if t is outside 1…T or shapes do not fit, the answer's included.

    Source: Ho et al. 2020, equation 14 and algorithm 1.
    """
    x_t = q_sample(x_0, t, schedule, eps)
    guess = eps_theta(x_t, t)
    arguments.same_shape("eps_theta's answer", guess, "eps", eps)
    return ((eps - guess) ** 2).mean()


def x_0_from_eps(x_t: Any, eps: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """x̂_0, the clean data behind x_t if `eps` is the noise in it: q_sample solved for x_0.

    x_t, eps: the same shape, (B, …) where t is (B,). Raises ValueError if t is outside 1…T or shapes do not fit.

    Source: Ho et al. 2020, equation 15, which is equation 4 solved for x_0.
    """
    arguments.same_shape("eps", eps, "x_t", x_t)
    alpha_bar = at(schedule.alpha_bar, t, x_t)
    return (x_t - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5


def mean_from_eps(x_t: Any, eps: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """μ_θ, the mean of the step back, from the model's guess of the noise.

    x_t, eps: the same shape, (B, …) where t is (B,). Raises ValueError if t is outside 1…T or shapes do not fit.

    Source: Ho et al. 2020, equation 11.
    """
    arguments.same_shape("eps", eps, "x_t", x_t)
    alpha, alpha_bar = at(schedule.alpha, t, x_t), at(schedule.alpha_bar, t, x_t)
    beta = at(schedule.beta, t, x_t)
    return (x_t - beta / (1 - alpha_bar) ** 0.5 * eps) / alpha**0.5


def p_sample(
    eps_theta: Model,
    x_t: Any,
    t: int,
    schedule: NoiseSchedule,
    rng: Any,
    variance: str = "beta",
    clip: bool = True,
) -> Sample:
    """One step back, from x_t to x_{t−1} = mean + σ_t·z, with z = 0 at t = 1.

    x_t: (B, …). rng: a NumPy or torch generator, as x_t is. variance: σ_t² is "beta" or "beta_tilde".
    clip: hold x̂_0 within [−1, 1], the range of the data, and take the mean from that; without clipping
    the mean is `mean_from_eps`. Raises ValueError if t is outside 1…T or variance is neither.

    Source: Ho et al. 2020, algorithm 2.
    """
    arguments.choice("variance", variance, ("beta", "beta_tilde"))
    eps = eps_theta(x_t, _repeat(t, x_t))
    x_0 = x_0_from_eps(x_t, eps, t, schedule)
    if clip:
        x_0 = x_0.clip(-1, 1)
        mean = posterior.mean(x_t, x_0, t, schedule)
    else:
        mean = mean_from_eps(x_t, eps, t, schedule)
    if t == 1:
        return Sample(0, mean, x_0)
    sigma = getattr(schedule, variance)[t] ** 0.5
    return Sample(t - 1, mean + sigma * noise_like(x_t, rng), x_0)


def ancestral(
    eps_theta: Model,
    x_T: Any,
    schedule: NoiseSchedule,
    rng: Any,
    variance: str = "beta",
    clip: bool = True,
) -> Iterator[Sample]:
    """Walk back from noise to data, T steps, yielding a `Sample` after each.

    x_T: a draw from N(0, I), (B, …). The other arguments are `p_sample`'s. The last x_t is the result.

    Source: Ho et al. 2020, algorithm 2.
    """
    x_t = x_T
    for t in range(schedule.T, 0, -1):
        sample = p_sample(eps_theta, x_t, t, schedule, rng, variance, clip)
        x_t = sample.x_t
        yield sample


def ddim(
    eps_theta: Model,
    x_T: Any,
    schedule: NoiseSchedule,
    steps: int = 50,
    eta: float = 0.0,
    rng: Any = None,
    clip: bool = True,
) -> Iterator[Sample]:
    """Walk back in fewer, longer steps, yielding a `Sample` after each.

    x_T: a draw from N(0, I), (B, …). steps: how many, from 1…T, evenly spaced, the first one from T.
    eta: the share of fresh noise; 0 adds none, and then the result depends on x_T alone; 1 with all T steps is
    ancestral sampling with σ² = β̃. rng: needed where eta > 0. clip: hold x̂_0 within [−1, 1] and
    recompute the noise that goes with it. Raises ValueError if steps or eta is out of range or rng is missing.

    Source: Song, Meng and Ermon 2021, equation 12.
    """
    steps = arguments.integer("steps", steps, 1, schedule.T)
    eta = arguments.number("eta", eta, 0, 1)
    if eta > 0 and rng is None:
        raise ValueError(f"rng must be a generator where eta > 0, but it was None and eta {eta}")
    times = [round(schedule.T * i / steps) for i in range(steps, -1, -1)]
    x_t = x_T
    for t, s in itertools.pairwise(times):  # s is the time to reach, the paper's τ_{i−1}
        alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
        eps = eps_theta(x_t, _repeat(t, x_t))
        x_0 = x_0_from_eps(x_t, eps, t, schedule)
        if clip:
            x_0 = x_0.clip(-1, 1)
            eps = (x_t - alpha_bar_t**0.5 * x_0) / (1 - alpha_bar_t) ** 0.5
        variance = eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)
        x_t = alpha_bar_s**0.5 * x_0 + (1 - alpha_bar_s - variance) ** 0.5 * eps
        if eta > 0 and s > 0:
            x_t = x_t + variance**0.5 * noise_like(x_t, rng)
        yield Sample(s, x_t, x_0)


def noise_like(x: Any, rng: Any) -> Any:
    """Noise from N(0, I) of x's shape, drawn by `rng`: a NumPy generator for arrays, a torch generator for tensors.

    Arrays get float64, tensors their own type on their own device. Raises TypeError if `rng` is of the other kind.
    """
    if isinstance(x, np.ndarray):
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng must be a numpy.random.Generator for arrays, but it was {type(rng).__name__}")
        return rng.standard_normal(x.shape)
    import torch

    if not isinstance(rng, torch.Generator):
        raise TypeError(f"rng must be a torch.Generator for tensors, but it was {type(rng).__name__}")
    return torch.randn(x.shape, generator=rng, dtype=x.dtype, device=x.device)


def _repeat(t: int, x: Any) -> Any:
    """T for each of x's items, shape (B,), of x's kind."""
    if isinstance(x, np.ndarray):
        return np.full(len(x), t)
    import torch

    return torch.full((len(x),), t, device=x.device)
