"""Where the work is done: on which device, and by how many processes, each with its share.

`torchrun --nproc-per-node=N -m -- ddpm_edu …` starts the same program N times and numbers the copies, 0 … N − 1, in the environment.
Each calls `join`, takes its `share` of whatever there is to do, and gets the results of all by `gather`. Without torchrun there
is one process, whose share is everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import distributed

from . import arguments


def check_device(device: str) -> torch.device:
    """The device of that name; with several processes, the card that belongs to this one.

    Raises ValueError if it is neither cpu nor cuda, RuntimeError if there is no CUDA card, or not one for each process.
    """
    arguments.choice("device", device, ("cpu", "cuda"))
    if device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            "device must be one that this machine has, but it was 'cuda' and torch finds no CUDA card; use 'cpu'"
        )
    if not distributed.is_initialized():
        return torch.device("cuda")
    mine, cards = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if mine >= cards:
        raise RuntimeError(
            f"there must be a CUDA card for each process, but process {mine} of this machine found {cards}"
        )
    return torch.device("cuda", mine)


@contextmanager
def join(device: str) -> Iterator[None]:
    """Be one of the processes that torchrun has started, until the end of the block; without torchrun do nothing.

    device: "cpu" or "cuda", which decides how the processes talk: by gloo or by nccl.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield
        return
    if device == "cuda" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0; the process 0 writes and prints."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return rank() == 0


def wait() -> None:
    """Wait here for all other processes."""
    if world_size() > 1:
        distributed.barrier()


def share(n: int) -> slice:
    """Which of n things this process does: the shares differ by at most one thing, and joined in order they are all n."""
    return slice(n * rank() // world_size(), n * (rank() + 1) // world_size())


def gather(mine: np.ndarray) -> np.ndarray:
    """The arrays of all processes, joined along their first axis in the order of the processes; every process gets them."""
    if world_size() == 1:
        return mine
    parts: list[Any] = [None] * world_size()
    distributed.all_gather_object(parts, mine)
    return np.concatenate(parts)


def total(mine: torch.Tensor) -> torch.Tensor:
    """The sum of the tensors of all processes, which must have the same shape; every process gets it."""
    if world_size() == 1:
        return mine
    result = mine.clone()
    distributed.all_reduce(result)
    return result
