"""What the unit tests share: quick, repeatable property tests, one thread, the folder with the real digits."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors gain nothing from a second thread, and with one the sums are the same on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def mnist_folder():
    """The folder with MNIST's four files; the test is skipped where there is none."""
    named = os.environ.get("DDPM_EDU_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "mnist"
    if not folder.is_dir():
        pytest.skip("MNIST is not here: DDPM_EDU_DATA names no folder and there is no ../shared/mnist")
    return folder
