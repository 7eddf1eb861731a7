"""Exercises of the chapter unet."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .given import arrays, one_of, whole
from .register import Slip, predict, program


def _block(counted: Callable[[str], bool] = lambda name: True) -> int:
    """How many numbers a residual block from 24 to 48 channels learns, of the parts that are counted."""
    from .. import unet

    block = unet.ResidualBlock(24, 48, 96, unet.UNetConfig())
    return sum(math.prod(values.shape) for name, values in block.named_parameters() if counted(name))


predict(
    "block-parameters",
    _block,
    [
        Slip(
            "144 are missing. So many are the biases of the three convolutions, one for each channel that comes out, and so many "
            "also are the scales and shifts of the normalisations.",
            lambda: _block(lambda name: "norm" not in name),
        ),
        Slip(
            "You left out the skip: 24 channels cannot be added to 48, so a 1×1 convolution widens them first.",
            lambda: _block(lambda name: "skip" not in name),
        ),
        Slip(
            "The linear layer for the time gives two numbers for each of the 48 channels, one to scale by and one to shift by.",
            lambda: _block() - 48 * 97,
        ),
        Slip(
            "You gave the second convolution 24 channels to read. It comes after the first, which has made 48 of them.",
            lambda: _block() - 24 * 48 * 9,
        ),
    ],
    absolute=0.5,
    why="Normalisations 2·24 and 2·48, convolutions 24·48·9 + 48 and 48·48·9 + 48, time 96·96 + 96, skip 24·48 + 48. "
    "Half of it is the second convolution, which reads 48 channels and writes 48.",
)

predict(
    "slowest-clock",
    lambda: 2 * math.pi * 10000 ** (22 / 24),
    [
        Slip(
            "You gave 1/ω. In so many steps the clock moves by one radian; a whole round takes 2π of them.",
            lambda: 10000 ** (22 / 24),
        ),
        Slip(
            "You took the last exponent for −1. The clocks are numbered from 0, so the last of twelve is i = 11, with −22/24.",
            lambda: 2 * math.pi * 10000,
        ),
        Slip(
            "You wrote −i/d in the exponent. There are only d/2 clocks, and with −2i/d they spread over the whole range.",
            lambda: 2 * math.pi * 10000 ** (11 / 24),
        ),
    ],
    why="The last of twelve clocks is i = 11, with ω = 10000^(−22/24); a round takes 2π/ω steps. In the thousand steps of a walk "
    "it turns by a few per cent of a round, so that it tells early from late without ever coming back.",
)


def _embedding(t: int, channels: int) -> np.ndarray:
    half = channels // 2
    return _waves(t * 10000.0 ** (-np.arange(half) / half))


def _waves(angle: np.ndarray) -> np.ndarray:
    return np.concatenate([np.sin(angle), np.cos(angle)])


def _woven(t: int, channels: int) -> np.ndarray:
    sines, cosines = np.split(_embedding(t, channels), 2)
    return np.stack([sines, cosines], axis=1).ravel()


program(
    "time-embedding",
    _embedding,
    {"t": whole(1, 1000), "channels": one_of([4, 6, 8, 24])},
    [
        Slip(
            "Your waves have −i/d in the exponent where −2i/d belongs: the slowest clock then stops at the root of the range.",
            lambda t, channels: _waves(t * 10000.0 ** (-np.arange(channels // 2) / channels)),
        ),
        Slip(
            "You spread the clocks until the last has exactly ω = 1/10000, dividing by d/2 − 1. Much code does that, and it works "
            "as well; the equation divides by d/2.",
            lambda t, channels: _waves(t * 10000.0 ** (-np.arange(channels // 2) / (channels // 2 - 1))),
        ),
        Slip(
            "You wove sines and cosines into one another. A network does not mind the order, but weights that were trained "
            "with one order are lost with the other: here all sines come first.",
            _woven,
        ),
        Slip(
            "The cosines stand first. The equation has the sines in the first half.",
            lambda t, channels: np.roll(_embedding(t, channels), channels // 2),
        ),
        Slip(
            "You turned ω into rounds, with a factor 2π. Here ω·t is the angle itself, in radians.",
            lambda t, channels: _waves(2 * np.pi * t * 10000.0 ** (-2 * np.arange(channels // 2) / channels)),
        ),
        Slip(
            "You numbered the clocks from 1. They begin with i = 0, whose ω is 1, the fastest.",
            lambda t, channels: _waves(t * 10000.0 ** (-2 * np.arange(1, channels // 2 + 1) / channels)),
        ),
    ],
    why="The book's `unet.time_embedding` does it for a whole batch of steps at once.",
)


def _normalise(x: np.ndarray, groups: int) -> np.ndarray:
    rows = x.reshape(groups, -1)
    return _centred(rows, 1).reshape(x.shape)


def _centred(x: np.ndarray, axis: int | tuple[int, ...], power: float = 0.5) -> np.ndarray:
    mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return np.asarray((x - mean) / (variance + 1e-5) ** power)


def _strided(x: np.ndarray, groups: int) -> np.ndarray:
    rows = x.reshape(-1, groups, *x.shape[1:])
    return _centred(rows, (0, 2, 3)).reshape(x.shape)


program(
    "group-norm",
    _normalise,
    {"x": arrays(-3, 3, (4, 1, 2)), "groups": one_of([2, 1, 4])},
    [
        Slip(
            "You normalised every channel by itself. A group is several channels, and they share one mean and one variance.",
            lambda x, groups: _centred(x, (1, 2)),
        ),
        Slip(
            "You normalised the whole image at once. Each group has a mean and a variance of its own.",
            lambda x, groups: _centred(x, (0, 1, 2)),
        ),
        Slip(
            "You divided by the variance; to bring the variance to 1, divide by its root.",
            lambda x, groups: _centred(x.reshape(groups, -1), 1, 1.0).reshape(x.shape),
        ),
        Slip(
            "You left the mean where it was. It is taken away first, then the rest is scaled.",
            lambda x, groups: _normalise(x, groups) + _shift(x, groups),
        ),
        Slip(
            "You put every second, third, … channel into a group. Channels that stand beside each other form one.",
            _strided,
        ),
        Slip(
            "You normalised each pixel over the channels of its group. The mean runs over the pixels as well.",
            lambda x, groups: _centred(x.reshape(groups, -1, *x.shape[1:]), 1).reshape(x.shape),
        ),
    ],
    relative=1e-7,
    why="Nothing in it looks at another image of the batch, so that an image at t = 10 and one at t = 900 do not disturb each other.",
)


def _shift(x: np.ndarray, groups: int) -> np.ndarray:
    rows = x.reshape(groups, -1)
    shift = rows.mean(1, keepdims=True) / (rows.var(1, keepdims=True) + 1e-5) ** 0.5
    return np.asarray((np.zeros_like(rows) + shift).reshape(x.shape))
