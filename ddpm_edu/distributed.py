"""Where the work is done: the device."""

from __future__ import annotations

import torch

from . import arguments


def check_device(device: str) -> torch.device:
    """The device of that name; raises ValueError if it is neither cpu nor cuda, RuntimeError if there is no CUDA card."""
    arguments.choice("device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device must be one that this machine has, but it was 'cuda' and torch finds no CUDA card; use 'cpu'"
        )
    return torch.device(device)
