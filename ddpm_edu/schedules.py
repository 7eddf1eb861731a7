"""Noise schedules: how much noise each of the T steps adds.

Every array has length T + 1. Index 0 is the clean data, index t is step t, so that
`schedule.alpha_bar[t]` reads like the formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from . import arguments


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The variances of a diffusion of T steps, and what follows from them.

    Each field is an array of shape (T + 1,) whose index 0 belongs to the clean data: float64 on NumPy,
    or tensors after `to`. Build one with `linear`, `constant`, `cosine` or `from_betas`.

    Source: Ho et al. 2020, section 2; SNR as in Kingma et al. 2021, section 3.1.
    """

    beta: Any
    """β_t, the variance of the noise that step t adds; β_0 = 0."""
    alpha: Any
    """α_t = 1 − β_t, the share of variance that step t keeps; α_0 = 1."""
    alpha_bar: Any
    """ᾱ_t, the product of α_1 … α_t: the share of the data's variance left after t steps; ᾱ_0 = 1."""
    noise: Any
    """1 − ᾱ_t, the share of noise in x_t: exact also near t = 0, where the subtraction would lose its digits; 0 at t = 0."""
    snr: Any
    """ᾱ_t / (1 − ᾱ_t), the signal-to-noise ratio for data of unit variance; infinite at t = 0."""
    beta_tilde: Any
    """β̃_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t), the variance of q(x_{t−1} | x_t, x_0); 0 at t = 0 and t = 1."""

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.beta) - 1

    def to(self, device: Any, dtype: Any = None) -> NoiseSchedule:
        """The same schedule holding tensors on `device` (a torch device or its name), float32 unless `dtype` says otherwise.

        In float32 a difference like 1 − ᾱ_t would keep three digits at t = 1; that is what `noise` is for.
        """
        import torch

        tensors = {
            field.name: torch.as_tensor(getattr(self, field.name), dtype=dtype or torch.float32, device=device)
            for field in fields(self)
        }
        return NoiseSchedule(**tensors)

    def __repr__(self) -> str:
        return (
            f"NoiseSchedule(T={self.T}, beta_1={float(self.beta[1]):.3g}, beta_T={float(self.beta[-1]):.3g}, "
            f"alpha_bar_T={float(self.alpha_bar[-1]):.3g})"
        )


def from_betas(betas: Any) -> NoiseSchedule:
    """The schedule with the given β_1 … β_T.

    betas: shape (T,), each with 0 < β ≤ 1.
    Raises ValueError if `betas` is empty, or one of them is not a number in that range.
    """
    betas = arguments.array("betas", betas, ndim=1)
    if len(betas) == 0:
        raise ValueError("betas must hold at least one value, but it was empty")
    if (betas <= 0).any() or (betas > 1).any():
        t = int(np.argmax((betas <= 0) | (betas > 1))) + 1
        raise ValueError(f"betas must lie in 0 < β ≤ 1, but β_{t} was {float(betas[t - 1])!r}")
    beta = np.concatenate([[0.0], betas])
    alpha = 1 - beta
    alpha_bar = np.cumprod(alpha)
    with np.errstate(divide="ignore"):  # log(0) at β = 1, 1/0 at t = 0: both mean infinity here
        noise = -np.expm1(np.cumsum(np.log1p(-beta)))
        snr = alpha_bar / noise
    beta_tilde = np.zeros_like(beta)
    beta_tilde[1:] = beta[1:] * noise[:-1] / noise[1:]
    return NoiseSchedule(beta, alpha, alpha_bar, noise, snr, beta_tilde)


def linear(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> NoiseSchedule:
    """β rises in a straight line from `beta_1` at t = 1 to `beta_T` at t = T.

    Source: Ho et al. 2020, section 4, with their T = 1000, β_1 = 1e-4 and β_T = 0.02 as defaults.
    Raises TypeError if T is no whole number, ValueError if T < 1 or a β is not in 0 < β ≤ 1.
    """
    T = arguments.integer("T", T, 1)
    beta_1 = arguments.number("beta_1", beta_1, 0, 1)
    beta_T = arguments.number("beta_T", beta_T, 0, 1)
    return from_betas(np.linspace(beta_1, beta_T, T))


def constant(T: int, beta: float) -> NoiseSchedule:
    """The same β at every step.

    Raises TypeError if T is no whole number, ValueError if T < 1 or β is not in 0 < β ≤ 1.
    """
    T = arguments.integer("T", T, 1)
    beta = arguments.number("beta", beta, 0, 1)
    return from_betas(np.full(T, beta))


def cosine(T: int, s: float = 0.008, beta_max: float = 0.999) -> NoiseSchedule:
    """ᾱ_t follows a squared cosine; each β_t is cut off at `beta_max`.

    Source: Nichol and Dhariwal 2021, equation 17, with their s = 0.008 and cut-off 0.999 as defaults.
    Raises TypeError if T is no whole number, ValueError if T < 1, s < 0 or beta_max is not in 0 < β ≤ 1.
    """
    T = arguments.integer("T", T, 1)
    s = arguments.number("s", s, 0)
    beta_max = arguments.number("beta_max", beta_max, 0, 1)
    t = np.arange(T + 1)
    f = np.cos((t / T + s) / (1 + s) * np.pi / 2) ** 2
    return from_betas(np.minimum(1 - f[1:] / f[:-1], beta_max))


def log_linear(T: int = 1000, log_snr_1: float = 13.3, log_snr_T: float = -6.0) -> NoiseSchedule:
    """The logarithm of the signal-to-noise ratio falls in a straight line, from `log_snr_1` at t = 1 to `log_snr_T` at t = T.

    Both in nats; the defaults are near the ends that Kingma et al. learned, with a little more noise at t = T.
    Raises TypeError if T is no whole number, ValueError if T < 2 or the ends do not fall.

    Source: Kingma et al. 2021, section 3.1 and appendix D (their γ is −log SNR).
    """
    T = arguments.integer("T", T, 2)
    log_snr_T = arguments.number("log_snr_T", log_snr_T)
    log_snr_1 = arguments.number("log_snr_1", log_snr_1)
    if log_snr_1 <= log_snr_T:
        raise ValueError(f"log_snr_1 must be above log_snr_T ({log_snr_T}), but it was {log_snr_1}")
    log_alpha_bar = -np.logaddexp(0, -np.linspace(log_snr_1, log_snr_T, T))
    return from_betas(-np.expm1(np.diff(log_alpha_bar, prepend=0.0)))


BY_NAME: dict[str, Callable[..., NoiseSchedule]] = {
    "linear": linear,
    "constant": constant,
    "cosine": cosine,
    "log_linear": log_linear,
}
"""The families of schedules; each takes T first."""


def by_name(name: str, T: int, **values: float) -> NoiseSchedule:
    """The schedule of that family; raises ValueError if there is none of that name, TypeError if a value is not one of its own."""
    return BY_NAME[arguments.choice("schedule", name, tuple(BY_NAME))](T, **values)


def at(values: Any, t: Any, x: Any, back: int = 0) -> Any:
    """values[t − back], shaped to multiply `x`: one t for all of x, or one for each item along x's first axis.

    values: shape (T + 1,). t: whole numbers from 1 to T, shape () or (B,). x: any shape, or (B, …) where t is (B,).
    Returns shape () or (B, 1, …, 1). Raises ValueError if t is out of range (tensors on a GPU are not looked
    at, since that would make the host wait for the device) or the shapes do not fit; TypeError if t is no whole number.
    """
    _check_t(t, len(values) - 1)
    return align(values[t - back if back else t], x)


def align(picked: Any, x: Any) -> Any:
    """One number for all of `x`, or one for each item along its first axis, shaped to multiply `x`.

    picked: shape () or (B,). x: any shape, or (B, …). Returns shape () or (B, 1, …, 1).
    Raises ValueError if the first axes differ.
    """
    shape, x_shape = tuple(getattr(picked, "shape", ())), tuple(getattr(x, "shape", ()))
    if not shape:
        return picked
    if x_shape[:1] != shape:
        raise ValueError(f"t must be one number or one for each item of x, but t had shape {shape} and x {x_shape}")
    return picked.reshape(shape + (1,) * (len(x_shape) - 1))


def _check_t(t: Any, T: int) -> None:
    if isinstance(t, (int, np.integer)) and not isinstance(t, bool):
        low = high = int(t)
    elif hasattr(t, "is_floating_point"):  # a tensor
        # A tensor of bytes or bools would not pick items but mask them.
        if t.is_floating_point() or t.is_complex() or t.itemsize < 4 or t.ndim > 1:
            raise TypeError(
                "t must be whole numbers of 32 or 64 bits and shape () or (B,), "
                f"but it was {t.dtype} of shape {tuple(t.shape)}"
            )
        if t.device.type != "cpu" or t.numel() == 0:
            return
        low, high = int(t.min()), int(t.max())
    else:
        steps = np.asarray(t)
        if isinstance(t, (list, tuple)) or steps.dtype.kind not in "iu" or steps.ndim > 1:
            raise TypeError(f"t must be whole numbers of shape () or (B,), but it was {t!r}")
        if steps.size == 0:
            return
        low, high = int(steps.min()), int(steps.max())
    if low < 1 or high > T:
        raise ValueError(f"t must lie in 1…{T}, but it was {low if low < 1 else high}")
