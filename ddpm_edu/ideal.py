"""The denoiser at which the training loss is smallest: exact, where the data are precisely the digits of a training set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import diffusion
from .schedules import NoiseSchedule, at


class Denoiser:
    """eps_theta(x_t, t) without a network: what the minimum of L_simple answers for a training set of N items.

    The law of x_t is then a mixture of N Gaussians, one around each √ᾱ_t·x_0, and E[x_0 | x_t] is the mean of all items, each
    counted with the probability that it is the one behind x_t. All samplers work on it, and in the end they repeat items.

    x_0: clean data in [−1, 1], (N, …) with N ≥ 1. schedule: of x_0's kind, NumPy arrays or tensors.
    The sums are worked out in x_0's precision, wherever x_t has less. In float32 a probability at t = 1 is good to a tenth or so,
    which matters only for items that are almost equally near; later ones are good to many digits.
    Raises ValueError if x_0 is empty or has no axis besides the first.

    Source: Karras et al. 2022, equation 57 in appendix B.3, in this book's notation.
    """

    def __init__(self, x_0: Any, schedule: NoiseSchedule) -> None:
        if x_0.ndim < 2 or len(x_0) == 0:
            raise ValueError(f"x_0 must have shape (N, …) with N ≥ 1, but its shape was {tuple(x_0.shape)}")
        self.x_0 = x_0
        self.schedule = schedule
        items = torch.as_tensor(x_0).reshape(len(x_0), -1)
        self._centre = items.mean(dim=0)  # products of centred items are smaller, and lose fewer digits
        self._items = items - self._centre
        self._squares = self._items.square().sum(dim=1)

    def __call__(self, x_t: Any, t: Any) -> Any:
        """The noise in x_t, (B, …), of which E[x_0 | x_t] is the rest. t: (B,), or one for all. Raises as `mean` does."""
        return diffusion.eps_from("x_0", self.mean(x_t, t), x_t, t, self.schedule)

    def mean(self, x_t: Any, t: Any) -> Any:
        """E[x_0 | x_t], of x_t's shape (B, …). t: (B,), or one for all, from 1…T.

        Goes through the items in parts, so that it needs little memory however many they are.
        Raises ValueError if x_t's items have another shape than x_0's, or t is outside 1…T.
        """
        highest, total, weighted = (self._squares.new_full((1,), start) for start in (-torch.inf, 0.0, 0.0))
        for part, logits in self._parts(x_t, t):
            above = torch.maximum(highest, logits.amax(dim=1, keepdim=True))
            weights, earlier = (logits - above).exp(), (highest - above).exp()
            total = earlier * total + weights.sum(dim=1, keepdim=True)
            weighted = earlier * weighted + weights @ part
            highest = above
        return _like(x_t, (weighted / total + self._centre).reshape(x_t.shape))

    def probabilities(self, x_t: Any, t: Any) -> Any:
        """How probable it is that each item is the one behind x_t: (B, N), rows of sum 1. Arguments and errors as `mean`."""
        logits = torch.cat([logits for _, logits in self._parts(x_t, t)], dim=1)
        return _like(x_t, logits.softmax(dim=1))

    def _parts(self, x_t: Any, t: Any, size: int = 5000) -> Iterator[tuple[Tensor, Tensor]]:
        """Some items at a time, and for each of them −‖x_t − √ᾱ_t·x_0‖² / 2(1−ᾱ_t), up to a number that is the same for all items."""
        if x_t.shape[1:] != self.x_0.shape[1:]:
            raise ValueError(
                f"x_t must have shape (B, …) with items of shape {tuple(self.x_0.shape[1:])}, as x_0 has, "
                f"but its shape was {tuple(x_t.shape)}"
            )
        flat = torch.as_tensor(x_t).reshape(len(x_t), -1).to(self._items)
        alpha_bar, noise = (
            torch.as_tensor(at(values, t, flat)).to(flat) for values in (self.schedule.alpha_bar, self.schedule.noise)
        )
        signal = alpha_bar.sqrt()
        for part, squares in zip(self._items.split(size), self._squares.split(size), strict=True):
            products = (flat - signal * self._centre) @ part.T
            yield part, (signal * products - alpha_bar * squares / 2) / noise


def _like(x: Any, result: Tensor) -> Any:
    """A tensor as what x is: an array, or a tensor of x's type."""
    return result.numpy().astype(x.dtype) if isinstance(x, np.ndarray) else result.to(x.dtype)
