"""The configuration of a training run, and the presets: plain values that can be printed, stored and changed one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from . import arguments, schedules
from .belief import KNOTS, Belief
from .diffusion import TARGETS, Model, NoiseModel
from .schedules import NoiseSchedule
from .unet import UNetConfig

SCHEDULES = {"linear": ("beta_1", "beta_T"), "cosine": ("s", "beta_max"), "log_linear": ("log_snr_1", "log_snr_T")}
"""The schedules to choose from, and the values of the configuration that each of them takes."""


@dataclass(frozen=True)
class TrainingConfig:
    """All that decides how a run goes. Raises ValueError if a value is out of range or does not go with the others."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    """The network's shape."""
    target: str = "eps"
    """What the network is to answer: "eps", "x_0", "v", or "belief", how likely each pixel's levels of grey are (see `belief`)."""
    variance: str = "beta"
    """σ², the variance of a step back: "beta", "beta_tilde", or "learned", where the network has two outputs."""
    weighting: str = "simple"
    """What is made smaller: "simple" is the mean square of the target's error, "bound" the variational bound itself."""
    bound_share: float = 0.001
    """How much of the bound is added to the simple loss where the variance is learned."""
    T: int = 1000
    """Steps of the diffusion."""
    times: str = "uniform"
    """How the times of a batch are drawn: "uniform", each for itself, or "stratified", one from each of as many equal parts of 1…T."""
    schedule: str = "linear"
    """The noise schedule: "linear", "cosine" or "log_linear"."""
    beta_1: float = 1e-4
    """The first β of the linear schedule."""
    beta_T: float = 0.02
    """Its last."""
    s: float = 0.008
    """The offset of the cosine schedule, which keeps its first β above 0."""
    beta_max: float = 0.999
    """Its largest β."""
    log_snr_1: float = 13.3
    """The log-SNR of the log-linear schedule at t = 1, in nats."""
    log_snr_T: float = -6.0
    """The same at t = T."""
    steps: int = 10_000
    """Training steps, each on one batch."""
    batch: int = 64
    """Digits in a batch; several processes share them."""
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
    samples: int = 0
    """Steps from one grid of samples to the next, a multiple of `interval`; 0 draws none."""
    keep: int = 0
    """Steps from one kept copy of the averaged weights to the next, a multiple of `interval`; 0 keeps none."""
    seed: int = 0
    """Decides the first weights, the batches, the times and the noise."""
    mixed_precision: bool = False
    """On CUDA, compute in bfloat16 where the card has it, else in float16 with scaled losses."""
    compile: bool = False
    """On CUDA, let torch.compile fuse the network."""
    start: str = ""
    """The SHA-256 of the weights that training began from; empty where it began from fresh ones."""

    def __post_init__(self) -> None:
        arguments.choice("target", self.target, (*TARGETS, "belief"))
        arguments.choice("variance", self.variance, ("beta", "beta_tilde", "learned"))
        arguments.choice("weighting", self.weighting, ("simple", "bound"))
        arguments.choice("times", self.times, ("uniform", "stratified"))
        self.make_schedule()
        if self.target == "belief" and self.variance == "learned":
            raise ValueError("variance must be 'beta' or 'beta_tilde' where target is 'belief', but it was 'learned'")
        if self.unet.outputs != self._outputs:
            raise ValueError(
                f"unet.outputs must be 2 where variance is 'learned', {len(KNOTS)} where target is 'belief', else 1, "
                f"but it was {self.unet.outputs} with variance {self.variance!r} and target {self.target!r}"
            )
        for name in ("steps", "batch", "interval"):
            arguments.integer(name, getattr(self, name), 1)
        for name in ("warmup", "seed", "samples", "keep"):
            arguments.integer(name, getattr(self, name), 0)
        for name in ("samples", "keep"):
            if getattr(self, name) % self.interval:
                raise ValueError(
                    f"{name} must be a multiple of interval ({self.interval}), but it was {getattr(self, name)}"
                )
        for name in ("learning_rate", "clip", "bound_share"):
            arguments.number(name, getattr(self, name), 1e-12)
        arguments.number("ema", self.ema, 0, 1)

    def make_schedule(self) -> NoiseSchedule:
        """The noise schedule, in NumPy."""
        names = SCHEDULES[arguments.choice("schedule", self.schedule, tuple(SCHEDULES))]
        return schedules.by_name(self.schedule, self.T, **{name: getattr(self, name) for name in names})

    def noise_model(self, network: Model, schedule: NoiseSchedule) -> NoiseModel:
        """The model of the noise over a network trained with this configuration; the schedule is of the network's kind."""
        if self.target == "belief":
            return Belief(network, schedule)
        return NoiseModel(network, schedule, self.target, self.variance == "learned")

    @property
    def _outputs(self) -> int:
        """How many channels the network's answer must have."""
        if self.target == "belief":
            return len(KNOTS)
        return 2 if self.variance == "learned" else 1

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> TrainingConfig:
        """The configuration that `to_json` wrote; a value that it does not name gets its default.

        Raises ValueError if the text is no such thing.
        """
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
    "cpu": TrainingConfig(samples=1000),
    "page": TrainingConfig(steps=6000, learning_rate=5e-4, ema=0.9995, samples=1000),
    "gpu": TrainingConfig(
        UNetConfig(channels=64, multipliers=(1, 2, 4), blocks=2, attention=(7,)),
        steps=40_000,
        batch=256,
        learning_rate=5e-4,
        warmup=1000,
        ema=0.9995,
        interval=500,
        samples=2000,
        keep=2000,
        mixed_precision=True,
        compile=True,
    ),
    "likelihood": TrainingConfig(
        UNetConfig(channels=16, fourier=(6, 7), outputs=len(KNOTS)),
        target="belief",
        variance="beta_tilde",
        weighting="bound",
        times="stratified",
        schedule="log_linear",
        log_snr_1=14.5,
        steps=8000,
        batch=32,
        learning_rate=2e-3,
        ema=0.998,
        interval=500,
    ),
}
"""tiny: seconds, for tests. cpu: two cores, about an hour. page: another round for the weights of cpu, whose digits the page draws.
gpu: one CUDA card or several. likelihood: made for few bits a pixel."""


def preset(name: str) -> TrainingConfig:
    """The configuration of that name; raises ValueError if there is none, with the name nearest to it."""
    return PRESETS[arguments.choice("preset", name, tuple(PRESETS))]


def override(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """The configuration with some values changed; None changes nothing."""
    return replace(config, **{name: value for name, value in changes.items() if value is not None})


def change(config: TrainingConfig, texts: Mapping[str, str]) -> TrainingConfig:
    """The configuration with some values changed that are given as text, as on the command line.

    texts: names with their values, such as {"steps": "500", "unet.channels": "32", "unet.attention": "14,7", "compile": "false"}.
    Raises ValueError if a name is unknown, with the one nearest to it, if a text is no value of its kind, or as `TrainingConfig` does.
    """
    known = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "unet"}
    known |= {f"unet.{f.name}": getattr(config.unet, f.name) for f in fields(config.unet)}
    values = {}
    for name, text in texts.items():
        if name not in known:
            near = arguments.nearest(name, known)
            raise ValueError(f"a key must be one of the configuration's, but it was {name!r}{near}")
        values[name] = _parse(name, text, known[name])
    unet = {name.removeprefix("unet."): value for name, value in values.items() if name.startswith("unet.")}
    others = {name: value for name, value in values.items() if not name.startswith("unet.")}
    return replace(config, unet=replace(config.unet, **unet), **others)


def _parse(name: str, text: str, current: Any) -> Any:
    """The value that the text means, of the kind of the current one."""
    text = text.strip()
    try:
        if isinstance(current, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(current, tuple):
            return tuple(int(part) for part in text.strip("()[]").split(",") if part.strip())
        return type(current)(text)
    except (KeyError, ValueError):
        kinds = {
            bool: "true or false",
            tuple: "whole numbers with commas between",
            int: "a whole number",
            float: "a number",
        }
        raise ValueError(f"{name} must be {kinds[type(current)]}, but it was {text!r}") from None
