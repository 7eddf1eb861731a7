"""Devices, and several processes against one."""

import pytest
import torch

from ddpm_edu import distributed, record
from ddpm_edu.training import Trainer

from .small_run import CONFIG, HELD_OUT, IMAGES, run


def test_devices():
    assert distributed.check_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device must be one of 'cpu', 'cuda', but it was 'tpu'"):
        distributed.check_device("tpu")
    with pytest.raises(ValueError, match="device must be one of 'cpu', 'cuda', but it was 'tpu'"):
        Trainer(CONFIG, IMAGES, HELD_OUT, "tpu")


def test_cuda_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run(tmp_path)
    message = "device must be one that this machine has, but it was 'cuda' and torch finds no CUDA card; use 'cpu'"
    for call in (
        lambda: distributed.check_device("cuda"),
        lambda: Trainer(CONFIG, IMAGES, HELD_OUT, "cuda"),
        lambda: record.load_run(tmp_path, "cuda"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call()
