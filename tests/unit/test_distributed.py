"""Devices, and several processes against one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed.run import get_args_parser

from ddpm_edu import __main__, distributed, record
from ddpm_edu.training import Trainer

from .small_run import CONFIG, HELD_OUT, IMAGES, run, trainer

ROOT = Path(__file__).resolve().parents[2]

# --- devices ---


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


def test_each_process_has_a_card_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed.check_device("cuda") == torch.device("cuda")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.check_device("cuda") == torch.device("cuda", 1)
    assert distributed.check_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(RuntimeError, match="a CUDA card for each process, but process 2 of this machine found 2"):
        distributed.check_device("cuda")


# --- one process, and shares ---


def test_one_process_does_everything():
    with distributed.join("cpu"):
        assert (distributed.rank(), distributed.world_size(), distributed.is_first()) == (0, 1, True)
        assert distributed.share(7) == slice(0, 7)
        mine = np.arange(3)
        assert distributed.gather(mine) is mine
        assert distributed.total(torch.tensor(2.0)).item() == 2
        distributed.wait()


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_shares_are_even_and_everything(processes, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: processes)
    for n in (0, 1, 7, 8, 64):
        parts = []
        for number in range(processes):
            monkeypatch.setattr(distributed, "rank", lambda number=number: number)
            parts.append(list(range(n))[distributed.share(n)])
        assert [thing for part in parts for thing in part] == list(range(n))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_that_cannot_be_shared_evenly(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    with pytest.raises(ValueError, match=r"batch must be a multiple of the number of processes \(3\), but it was 4"):
        trainer()


# --- two processes ---


@pytest.mark.parametrize("page", ["README.md", "book/training.md"])
def test_torchrun_understands_what_the_reader_is_told(page):
    # Without the two dashes it takes --run for an abbreviation of its own --run-path.
    (line,) = re.findall(r"^torchrun (.*?)(?: +#.*)?$", (ROOT / page).read_text("utf8"), re.MULTILINE)
    understood = get_args_parser().parse_args(line.split())
    assert (understood.module, understood.training_script) == (True, "ddpm_edu")
    ours = __main__._parser().parse_args(understood.training_script_args)
    assert (ours.preset, ours.run) == ("gpu", Path("runs/mine"))


WORKER = """
import json, os, signal, sys
import numpy as np, torch
torch.set_num_threads(1)
from ddpm_edu import distributed, training
from tests.unit.small_run import CONFIG, HELD_OUT, IMAGES
directory, killed = sys.argv[1], int(sys.argv[2])
with distributed.join("cpu"):
    trainer = training.Trainer(CONFIG, IMAGES, HELD_OUT)
    step = trainer.step
    def ending():
        if trainer.steps_made == killed and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return step()
    trainer.step = ending
    for _ in training.train(trainer, directory):
        pass
    weights = torch.cat([value.flatten() for value in trainer.weights().values()])
    everyones = distributed.gather(weights.numpy()[None])
    found = {
        "same": bool((everyones == everyones[0]).all()),
        "processes": len(everyones),
        "gathered": distributed.gather(np.arange(7)[distributed.share(7)] * 10).tolist(),
        "total": distributed.total(torch.tensor([1.0, float(distributed.rank())])).tolist(),
        "first": distributed.gather(np.array([distributed.is_first()])).tolist(),
    }
    if distributed.is_first():
        print(json.dumps(found))
"""


def together(directory, killed=-1):
    """Start two processes that train into the folder; process 1 kills itself after `killed` steps."""
    script = directory.parent / "worker.py"
    script.write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, str(directory), str(killed)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_two_processes_are_as_good_as_one(tmp_path):
    done = together(tmp_path / "two")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "same": True,
        "processes": 2,
        "gathered": [0, 10, 20, 30, 40, 50, 60],
        "total": [2, 1],
        "first": [True, False],
    }
    alone = run(tmp_path / "one")
    two, one = record.read_log(tmp_path / "two"), record.read_log(tmp_path / "one")
    assert [entry.images for entry in two] == [entry.images for entry in one]
    for theirs, ours in zip(two, one, strict=True):
        assert theirs.loss == pytest.approx(ours.loss, rel=1e-5)
        assert theirs.validation_loss == pytest.approx(ours.validation_loss, rel=1e-5)
    weights = record.load_tensors(tmp_path / "two" / "weights.safetensors")
    for name, value in alone.weights().items():
        # Adam's quotient amplifies rounding where a gradient is about 1e-8.
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=2e-5)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}


def test_a_killed_process_ends_the_run_which_can_go_on(tmp_path):
    done = together(tmp_path / "two", killed=7)
    assert done.returncode != 0
    assert re.search(r"exitcode\s*: -9", done.stderr)
    assert int(record.load_tensors(tmp_path / "two" / "checkpoint.safetensors")["steps_made"]) == 6
    assert [entry.step for entry in record.read_log(tmp_path / "two")] == [3, 6]
    resumed = run(tmp_path / "two", resume=True)  # with one process; how many there are decides nothing
    alone = run(tmp_path / "one")
    assert [entry.step for entry in record.read_log(tmp_path / "two")] == [3, 6, 9, 12]
    for name, value in alone.weights().items():
        torch.testing.assert_close(resumed.weights()[name], value, rtol=1e-4, atol=2e-5)
