"""Checks of the chapter unet."""

from __future__ import annotations

import numpy as np

from .evaluate import World
from .register import Case, parsed


@parsed(
    "time-embedding",
    "e_i",
    how="The printed waves are compared with unet.time_embedding, and the printed frequencies with the angles at t = 1.",
    tolerance=1e-6,  # the package keeps the frequencies in single precision
)
def _(rng: np.random.Generator) -> Case:
    import torch

    from .. import unet

    d = 2 * int(rng.integers(2, 33))
    i = int(rng.integers(0, d // 2))
    t = int(rng.integers(2, 200))
    e, first = unet.time_embedding(torch.tensor([t, 1], dtype=torch.float64), d).numpy()
    omega = np.arctan2(first[: d // 2], first[d // 2 :])
    return Case(World({"d": d, "i": i, "t": t}, {"e": e, "omega": omega}), [e[i]])
