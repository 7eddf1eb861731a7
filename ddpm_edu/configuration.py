"""The configuration of a training run, and the presets: plain values that can be printed, stored and changed one by one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from . import arguments, schedules
from .unet import UNetConfig


@dataclass(frozen=True)
class TrainingConfig:
    """All that decides how a run goes. Raises ValueError if a value is out of range."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    """The network's shape."""
    T: int = 1000
    """Steps of the diffusion."""
    beta_1: float = 1e-4
    """The first β of the linear schedule."""
    beta_T: float = 0.02
    """Its last."""
    steps: int = 10_000
    """Training steps, each on one batch."""
    batch: int = 64
    """Digits in a batch."""
    learning_rate: float = 1e-3
    """Adam's rate after the warm-up, before it decays along half a cosine."""
    warmup: int = 200
    """Steps over which the rate rises from 0."""
    clip: float = 1.0
    """The longest gradient let through; longer ones are shortened to it."""
    ema: float = 0.999
    """How much of the averaged weights each step keeps."""
    interval: int = 200
    """Steps from one line of the log, and one checkpoint, to the next."""
    seed: int = 0
    """Decides the first weights, the batches, the times and the noise."""
    mixed_precision: bool = False
    """On CUDA, compute in bfloat16 where the card has it, else in float16 with scaled losses."""
    compile: bool = False
    """On CUDA, let torch.compile fuse the network."""
    start: str = ""
    """The SHA-256 of the weights that training began from; empty where it began from fresh ones."""

    def __post_init__(self) -> None:
        schedules.linear(self.T, self.beta_1, self.beta_T)
        for name in ("steps", "batch", "interval"):
            arguments.integer(name, getattr(self, name), 1)
        arguments.integer("warmup", self.warmup, 0)
        arguments.integer("seed", self.seed, 0)
        for name in ("learning_rate", "clip"):
            arguments.number(name, getattr(self, name), 1e-12)
        arguments.number("ema", self.ema, 0, 1)

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> TrainingConfig:
        """The configuration that `to_json` wrote; raises ValueError if the text is no such thing."""
        try:
            values = json.loads(text)
            return TrainingConfig(**{**values, "unet": UNetConfig(**values["unet"])})
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(
                f"config.json must be a configuration written by this package, but it is not: {error}"
            ) from None


PRESETS = {
    "tiny": TrainingConfig(
        UNetConfig(channels=8, multipliers=(1, 2)), steps=40, batch=16, warmup=5, ema=0.9, interval=10
    ),
    "cpu": TrainingConfig(),
    "page": TrainingConfig(steps=6000, learning_rate=5e-4, ema=0.9995),
    "gpu": TrainingConfig(
        UNetConfig(channels=64, multipliers=(1, 2, 4), blocks=2, attention=(7,)),
        steps=40_000,
        batch=256,
        learning_rate=5e-4,
        warmup=1000,
        ema=0.9995,
        interval=500,
        mixed_precision=True,
        compile=True,
    ),
}
"""tiny: seconds, for tests. cpu: two cores, about an hour. page: another round for the weights of cpu. gpu: one CUDA card."""


def preset(name: str) -> TrainingConfig:
    """The configuration of that name; raises ValueError if there is none."""
    return PRESETS[arguments.choice("preset", name, tuple(PRESETS))]


def override(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """The configuration with some values changed; None changes nothing."""
    return replace(config, **{name: value for name, value in changes.items() if value is not None})
