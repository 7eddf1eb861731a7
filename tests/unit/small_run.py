"""A run so small that it ends in a moment, for the tests of training and its record."""

import numpy as np

from ddpm_edu import training
from ddpm_edu.configuration import TrainingConfig
from ddpm_edu.training import Trainer
from ddpm_edu.unet import UNetConfig

TINY_NET = UNetConfig(image_size=8, channels=4, multipliers=(1, 2), attention=(4,), groups=2)
CONFIG = TrainingConfig(TINY_NET, T=50, beta_T=0.2, steps=12, batch=4, warmup=3, ema=0.8, interval=3, clip=0.5)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
HELD_OUT = np.random.default_rng(1).integers(0, 256, (7, 8, 8), dtype=np.uint8)


def trainer(config=CONFIG):
    return Trainer(config, IMAGES, HELD_OUT)


def run(directory, config=CONFIG, resume=False):
    made = trainer(config)
    list(training.train(made, directory, resume))
    return made


def run_steps(made, n):
    for _ in range(n):
        made.step()
    return made


def bits(tensors):
    return {name: value.numpy().tobytes() for name, value in tensors.items()}


def timeless(log):
    """The log without what a clock measured."""
    return [entry._replace(seconds=0, rate=0) for entry in log]
