"""Truth from elsewhere: schedules in 50 digits, sums of random numbers with a stated rate of false alarms, scripted noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import mpmath
import numpy as np
from hypothesis import strategies as st
from scipy import stats

mpmath.mp.dps = 50

FALSE_ALARM = 1e-9
"""How often a right program would fail one statistical check, were its seed drawn anew."""


class Exact(NamedTuple):
    """A schedule in 50 digits; index 0 is the clean data."""

    beta: list
    alpha: list
    alpha_bar: list
    noise: list
    snr: list
    beta_tilde: list


def exact_schedule(betas) -> Exact:
    """What follows from β_1 … β_T, each taken as the float that it is, by the definitions alone."""
    beta = [mpmath.mpf(0)] + [mpmath.mpf(float(b)) for b in betas]
    alpha = [1 - b for b in beta]
    alpha_bar = [mpmath.mpf(1)]
    for a in alpha[1:]:
        alpha_bar.append(alpha_bar[-1] * a)
    noise = [1 - a for a in alpha_bar]
    snr = [mpmath.inf] + [a / (1 - a) for a in alpha_bar[1:]]
    # The variance of a product of two Gaussians in x_{t−1}: precisions add. One from the step, one from x_0.
    beta_tilde = [mpmath.mpf(0), mpmath.mpf(0)]
    for t in range(2, len(beta)):
        before = 1 - alpha_bar[t - 1]
        beta_tilde.append(1 / (alpha[t] / beta[t] + 1 / before))
    return Exact(beta, alpha, alpha_bar, noise, snr, beta_tilde)


def floats(numbers) -> np.ndarray:
    """50-digit numbers, rounded once."""
    return np.array([float(number) for number in numbers])


def betas_of(min_size: int = 1, max_size: int = 12, low: float = 1e-6, high: float = 0.95):
    """Lists of β_1 … β_T for property tests, spread over orders of magnitude."""
    exponents = st.floats(math.log10(low), math.log10(high), allow_nan=False)
    return st.lists(exponents.map(lambda e: 10.0**e), min_size=min_size, max_size=max_size)


def assert_mean(samples: np.ndarray, mean: float, variance: float) -> None:
    """The mean of independent draws is `mean`, given their true variance; wrong alarms at the rate FALSE_ALARM."""
    z = (np.mean(samples) - mean) / math.sqrt(variance / len(samples))
    limit = stats.norm.isf(FALSE_ALARM / 2)
    assert abs(z) < limit, f"mean {np.mean(samples)} instead of {mean}: z = {z:.1f}"


def assert_variance(samples: np.ndarray, variance: float) -> None:
    """The variance of independent Gaussian draws is `variance` (χ² law); wrong alarms at the rate FALSE_ALARM."""
    n = len(samples)
    ratio = (n - 1) * np.var(samples, ddof=1) / variance
    low, high = stats.chi2.ppf(FALSE_ALARM / 2, n - 1), stats.chi2.isf(FALSE_ALARM / 2, n - 1)
    assert low < ratio < high, f"variance {np.var(samples, ddof=1)} instead of {variance}"


def assert_law(samples: np.ndarray, cdf) -> None:
    """Independent draws follow a law (Kolmogorov and Smirnov's test); wrong alarms at the rate FALSE_ALARM."""
    p = stats.kstest(samples, cdf).pvalue
    assert p > FALSE_ALARM, f"p = {p:.1e}"


class Scripted(np.random.Generator):
    """A generator whose normal draws are written down beforehand, in order; running out of them is an error."""

    def __init__(self, *draws) -> None:
        super().__init__(np.random.PCG64(0))
        self.draws = [np.asarray(draw, dtype=float) for draw in draws]

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        draw = self.draws.pop(0)
        assert draw.shape == tuple(np.atleast_1d(size)) or draw.shape == size
        return draw
