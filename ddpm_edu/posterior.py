"""The step back when the clean data is known: q(x_{t−1} | x_t, x_0), which is exactly Gaussian."""

from __future__ import annotations

from typing import Any

from . import arguments
from .schedules import NoiseSchedule, align, at


def weights(t: Any, schedule: NoiseSchedule) -> tuple[Any, Any]:
    """The factors that the posterior mean gives to x_0 and to x_t, in this order.

    t: steps from 1…T, shape () or (B,). Returns two of t's shape; they do not sum to 1.
    Raises ValueError if t is outside 1…T, TypeError if it is no whole number.

    Source: Ho et al. 2020, equation 7.
    """
    alpha, beta = at(schedule.alpha, t, t), at(schedule.beta, t, t)
    noise, noise_before = at(schedule.noise, t, t), at(schedule.noise, t, t, back=1)  # 1 − ᾱ_t, 1 − ᾱ_{t−1}
    on_x_0 = at(schedule.alpha_bar, t, t, back=1) ** 0.5 * beta / noise
    on_x_t = alpha**0.5 * noise_before / noise
    return on_x_0, on_x_t


def mean(x_t: Any, x_0: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """μ̃_t, the mean of q(x_{t−1} | x_t, x_0): a mixture of the noisy and the clean data.

    x_t, x_0: the same shape, (B, …) where t is (B,). Returns that shape.
    Raises ValueError if t is outside 1…T or shapes do not fit.

    Source: Ho et al. 2020, equation 7.
    """
    arguments.same_shape("x_0", x_0, "x_t", x_t)
    on_x_0, on_x_t = weights(t, schedule)
    return align(on_x_0, x_t) * x_0 + align(on_x_t, x_t) * x_t


def variance(t: Any, schedule: NoiseSchedule) -> Any:
    """β̃_t, the variance of q(x_{t−1} | x_t, x_0); 0 at t = 1, where x_0 itself is the answer.

    t: steps from 1…T, shape () or (B,). Returns t's shape. Raises ValueError if t is outside 1…T.

    Source: Ho et al. 2020, equation 7.
    """
    return at(schedule.beta_tilde, t, t)
