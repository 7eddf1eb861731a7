"""The network that guesses the noise: a U-Net with residual blocks, told the time at every one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import arguments


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a U-Net. Raises ValueError if the sizes do not fit together.

    Source: Ho et al. 2020, appendix B, made small.
    """

    image_size: int = 28
    """Height and width of the images, in pixels."""
    channels: int = 24
    """Feature channels at full resolution."""
    multipliers: tuple[int, ...] = (1, 2, 2)
    """Channels of each resolution, as multiples of `channels`; each resolution halves the one before."""
    blocks: int = 1
    """Residual blocks at each resolution on the way down; one more on the way up."""
    attention: tuple[int, ...] = ()
    """Image sizes at which pixels attend to one another, such as (7,)."""
    groups: int = 8
    """Groups of the group normalisation; divides `channels`."""
    dropout: float = 0.0
    """The share of features that each residual block forgets at random while training."""
    fourier: tuple[int, ...] = ()
    """Exponents n for which sin(2ⁿπx) and cos(2ⁿπx) of each pixel are inputs too, so that fine shades can be told apart."""
    outputs: int = 1
    """Channels of the answer: 2 where the network says something about the variance as well."""

    def __post_init__(self) -> None:
        arguments.integer("image_size", self.image_size, 1)
        arguments.integer("channels", self.channels, 1)
        arguments.integer("blocks", self.blocks, 1)
        arguments.integer("groups", self.groups, 1)
        arguments.integer("outputs", self.outputs, 1)
        object.__setattr__(self, "dropout", arguments.number("dropout", self.dropout, 0, 1))
        object.__setattr__(self, "fourier", tuple(arguments.integer("fourier", n, 0, 16) for n in self.fourier))
        object.__setattr__(self, "multipliers", tuple(arguments.integer("multipliers", m, 1) for m in self.multipliers))
        object.__setattr__(self, "attention", tuple(arguments.integer("attention", size, 1) for size in self.attention))
        if not self.multipliers:
            raise ValueError("multipliers must hold at least one number, but it was empty")
        if self.channels % self.groups or self.channels % 2:
            raise ValueError(
                f"channels must be even and a multiple of groups ({self.groups}), but it was {self.channels}"
            )
        if self.image_size % 2 ** (len(self.multipliers) - 1):
            raise ValueError(
                f"image_size must be divisible by {2 ** (len(self.multipliers) - 1)}, since multipliers has "
                f"{len(self.multipliers)} resolutions, but it was {self.image_size}"
            )
        missing = set(self.attention) - set(self.sizes)
        if missing:
            raise ValueError(f"attention must name sizes among {self.sizes}, but it held {sorted(missing)}")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The image size at each resolution."""
        return tuple(self.image_size // 2**level for level in range(len(self.multipliers)))


def time_embedding(t: Tensor, channels: int) -> Tensor:
    """Turn each step number into `channels` waves of it: sines and cosines from fast to slow.

    t: (B,), whole numbers. channels: even. Returns (B, channels), float32.

    Source: Vaswani et al. 2017, section 3.5, as used by Ho et al. 2020.
    """
    half = channels // 2
    frequency = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angle = t[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def fourier_features(x: Tensor, exponents: tuple[int, ...]) -> Tensor:
    """Add to x, for each exponent n, sin(2ⁿπx) and cos(2ⁿπx) as further channels.

    x: (B, C, H, W). Returns (B, C·(1 + 2·len(exponents)), H, W).

    Source: Kingma et al. 2021, appendix C.
    """
    waves = [wave(2**n * math.pi * x) for n in exponents for wave in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], dim=1)


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to their input; the time scales and shifts what passes between them."""

    def __init__(self, c_in: int, c_out: int, c_time: int, config: UNetConfig) -> None:
        super().__init__()
        self.norm_1 = nn.GroupNorm(config.groups, c_in)
        self.conv_1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(c_time, 2 * c_out)
        self.norm_2 = nn.GroupNorm(config.groups, c_out)
        self.dropout = nn.Dropout(config.dropout)
        self.conv_2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x: (B, c_in, H, W). time: (B, c_time). Returns (B, c_out, H, W)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm_2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv_2(self.dropout(h))


class Attention(nn.Module):
    """Each pixel gathers from all others, by how well its query fits their keys; the result is added to the input."""

    def __init__(self, channels: int, config: UNetConfig) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W). Returns the same shape."""
        pixels = self.query_key_value(self.norm(x)).flatten(2).transpose(1, 2)  # (B, H·W, 3·C)
        query, key, value = pixels[:, None].chunk(3, dim=3)  # one head: the fast kernels want an axis for it
        gathered = F.scaled_dot_product_attention(query, key, value)[:, 0]
        return x + self.out(gathered.transpose(1, 2).reshape(x.shape))


class Stage(nn.Module):
    """A residual block, followed by attention where the configuration asks for it at this image size."""

    def __init__(self, c_in: int, c_out: int, c_time: int, size: int, config: UNetConfig) -> None:
        super().__init__()
        self.block = ResidualBlock(c_in, c_out, c_time, config)
        self.attention = Attention(c_out, config) if size in config.attention else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x: (B, c_in, size, size). Returns (B, c_out, size, size)."""
        return self.attention(self.block(x, time))


class UNet(nn.Module):
    """eps_theta(x_t, t): the noise that the network sees in x_t.

    On the way down every feature map is kept; on the way up each is joined again to the map of its size,
    so that coarse context and fine detail meet.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width, c_time = config.channels, 4 * config.channels
        self.time = nn.Sequential(nn.Linear(width, c_time), nn.SiLU(), nn.Linear(c_time, c_time), nn.SiLU())
        self.first = nn.Conv2d(1 + 2 * len(config.fourier), width, 3, padding=1)

        levels = [(width * m, size) for m, size in zip(config.multipliers, config.sizes, strict=True)]
        kept, c = [width], width
        self.down = nn.ModuleList()
        for level, (c_level, size) in enumerate(levels):
            if level > 0:
                self.down.append(nn.Conv2d(c, c, 3, stride=2, padding=1))
                kept.append(c)
            for _ in range(config.blocks):
                self.down.append(Stage(c, c_level, c_time, size, config))
                c = c_level
                kept.append(c)

        self.middle = nn.ModuleList([Stage(c, c, c_time, levels[-1][1], config), ResidualBlock(c, c, c_time, config)])

        self.up = nn.ModuleList()
        for level, (c_level, size) in reversed(list(enumerate(levels))):
            for _ in range(config.blocks + 1):
                self.up.append(Stage(c + kept.pop(), c_level, c_time, size, config))
                c = c_level
            if level > 0:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1)))

        answer = nn.Conv2d(c, config.outputs, 3, padding=1)
        nn.init.zeros_(answer.weight)
        self.last = nn.Sequential(nn.GroupNorm(config.groups, c), nn.SiLU(), answer)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x_t: (B, 1, size, size). t: (B,), whole numbers from 1…T. Returns (B, outputs, size, size)."""
        size = self.config.image_size
        if x_t.shape[1:] != (1, size, size):
            raise ValueError(f"x_t must have shape (B, 1, {size}, {size}), but its shape was {tuple(x_t.shape)}")
        if t.shape != x_t.shape[:1]:
            raise ValueError(f"t must have shape ({len(x_t)},), one for each image, but its shape was {tuple(t.shape)}")
        time = self.time(time_embedding(t, self.config.channels))
        h = self.first(fourier_features(x_t, self.config.fourier))
        kept = [h]
        for layer in self.down:
            h = layer(h, time) if isinstance(layer, Stage) else layer(h)
            kept.append(h)
        for layer in self.middle:
            h = layer(h, time)
        for layer in self.up:
            h = layer(torch.cat([h, kept.pop()], dim=1), time) if isinstance(layer, Stage) else layer(h)
        return self.last(h)


def parameter_count(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(math.prod(parameter.shape) for parameter in network.parameters())
