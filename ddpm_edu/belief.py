"""A model of the noise that says what it believes of each pixel, and lets Bayes' rule do the rest.

A pixel has 256 levels of grey. The network answers how likely each of them is, from what it sees around the pixel; the pixel's own
x_t is evidence whose law is known, for the noise is Gaussian. Together they give x̂_0, the mean of x_0 given x_t, and with
it the noise. Where little noise is left, the evidence alone picks the level, exactly; no network could learn to be so precise.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .diffusion import NoiseModel, eps_from
from .schedules import NoiseSchedule

KNOTS = (0, 1, 3, 8, 18, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 238, 248, 252, 253, 254, 255)
"""The levels of grey for which the network answers; close together at the ends, where black and full ink lie."""

SHARPNESS = 3.0
"""How many nats of belief the network's answer 1 stands for."""

BLACK = 0.8
"""How likely black is where the network answers 0 throughout: four fifths of the pixels of MNIST are black."""


class Belief(NoiseModel):
    """eps_theta(x_t, t) over a network that answers, for each pixel, with a belief about its level of grey.

    network: a callable (x_t, t), for x_t (B, 1, H, W), whose answer is (B, 24, H, W): the logarithm of each knot's probability, in units of 3 nats and
    on top of what `BLACK` says; between the knots it runs straight. schedule: as tensors, on the network's device.

    Source: Kingma et al. 2021 let Bayes' rule choose among the levels in the same way in the last step, without a belief.
    """

    def __init__(self, network: Any, schedule: NoiseSchedule) -> None:
        super().__init__(network, schedule)

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        """ε_θ(x_t, t), of x_t's shape."""
        return eps_from("x_0", self.x_0(x_t, t), x_t, t, self.schedule)

    def x_0(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂_0, the mean of x_0 given x_t under the network's belief, of x_t's shape."""
        answer = self.network(x_t, t)
        with torch.autocast(x_t.device.type, enabled=False):
            return posterior_mean(answer.float(), x_t, t, self.schedule)


def posterior_mean(answer: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The mean of x_0, pixel by pixel, where the belief before seeing the pixel's own x_t is what `answer` says.

    p(v | x_t) ∝ p(v) · N(x_t; √ᾱ_t·v, 1−ᾱ_t) over the 256 levels v.

    answer: (B, 24, H, W). x_t: (B, 1, H, W). t: (B,), from 1…T. Returns x_t's shape. Raises ValueError if answer has another shape.

    Source: Bayes' rule; the law of x_t is equation 4 of Ho et al. 2020.
    """
    if answer.shape != (len(x_t), len(KNOTS), *x_t.shape[2:]):
        raise ValueError(
            f"answer must have shape {(len(x_t), len(KNOTS), *x_t.shape[2:])}, but its shape was {tuple(answer.shape)}"
        )
    basis, start, v = _constants(answer.device, answer.dtype)
    pixels = answer.permute(0, 2, 3, 1)
    signal, noise = schedule.alpha_bar[t] ** 0.5, schedule.noise[t]

    def mean(pixels: Tensor, x_t: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
        evidence = (x_t[..., None] - signal[:, None, None, None] * v) ** 2 / (2 * noise[:, None, None, None])
        return ((start + pixels @ basis - evidence).softmax(dim=-1) * v).sum(dim=-1)  # a product of matrices may round

    together = 1 if x_t.device.type == "cpu" else len(x_t)  # one picture's 200,704 numbers stay in a CPU's cache
    parts = zip(*(a.split(together) for a in (pixels, x_t[:, 0], signal, noise)), strict=True)
    return torch.cat([mean(*part) for part in parts])[:, None]


@functools.cache
def _constants(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """What each knot's answer adds to each level, (24, 256); what is there before any answer, (256,); and the levels, (256,).

    The first are hats that are 1 at their knot and 0 at its neighbours. Made once for each device, which need not wait for them again.
    """
    hats = np.stack([np.interp(np.arange(256), KNOTS, hat) for hat in np.eye(len(KNOTS))])
    start = np.log([BLACK] + 255 * [(1 - BLACK) / 255])
    with torch.inference_mode(False):  # so that they can be trained with, whoever asks first
        return tuple(torch.from_numpy(a).to(device, dtype) for a in (SHARPNESS * hats, start, np.linspace(-1, 1, 256)))  # type: ignore[return-value]
