"""A run that is stopped at any moment and resumed against one that never was."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from ddpm_edu import record, training
from ddpm_edu.record import Progress
from ddpm_edu.unet import UNetConfig

from .small_run import CONFIG, TINY_NET, bits, run, timeless, trainer


@pytest.fixture(autouse=True)
def heard():
    """Interrupts are heard as in a terminal, also where a shell has started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("uninterrupted")
    made = run(directory)
    torch.set_num_threads(threads)
    return made, record.read_log(directory), (directory / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("stop", range(12))
def test_stopped_after_any_step_and_resumed(stop, tmp_path, uninterrupted):
    made = trainer()
    step = made.step

    def stopping():
        if made.steps_made == stop:
            raise KeyboardInterrupt
        return step()

    made.step = stopping
    with pytest.raises(KeyboardInterrupt):
        list(training.train(made, tmp_path))
    resumed = run(tmp_path, resume=True)
    whole, log, weights = uninterrupted
    assert bits(resumed.state()) == bits(whole.state())
    assert timeless(record.read_log(tmp_path)) == timeless(log)
    assert (tmp_path / "weights.safetensors").read_bytes() == weights
    seconds = [entry.seconds for entry in record.read_log(tmp_path)]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("file", ["log.jsonl", "weights.safetensors", "checkpoint.safetensors"])
@pytest.mark.parametrize("interval", [1, 2, 4])
def test_stopped_between_two_files(file, interval, tmp_path, uninterrupted, monkeypatch):
    # The power fails after the part has been written and before it gets its name.
    replace, seen = os.replace, []

    def failing(source, target):
        if Path(target).name == file:
            seen.append(target)
            if len(seen) == interval:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert (tmp_path / f"{file}.part").exists()
    resumed = run(tmp_path, resume=True)
    whole, log, weights = uninterrupted
    assert bits(resumed.state()) == bits(whole.state())
    assert timeless(record.read_log(tmp_path)) == timeless(log)
    assert (tmp_path / "weights.safetensors").read_bytes() == weights


def test_resuming_a_finished_run_changes_nothing(tmp_path, uninterrupted):
    run(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again = run(tmp_path, resume=True)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert again.steps_made == 12


def test_a_log_that_runs_ahead_of_the_checkpoint_is_cut_back(tmp_path, uninterrupted):
    run(tmp_path, dataclasses.replace(CONFIG))
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write(json.dumps(Progress(15, 60, 9.0, 0.1, 0.1, 1.0)._asdict()) + "\n" + '{"step": 18, "ima')
    run(tmp_path, resume=True)
    assert timeless(record.read_log(tmp_path)) == timeless(uninterrupted[1])
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 4


WORKER = """
import sys
import numpy as np, torch
torch.set_num_threads(1)
from ddpm_edu import training
from tests.unit.small_run import HELD_OUT, IMAGES
from tests.unit.test_resume import KILLED
for _ in training.train(training.Trainer(KILLED, IMAGES, HELD_OUT), sys.argv[1], sys.argv[2] == "resume"):
    pass
"""
KILLED = dataclasses.replace(CONFIG, steps=120, interval=2, T=20)


def test_killed_at_random_moments_and_resumed(tmp_path):
    # SIGKILL, four times, at moments drawn at random while the process writes again and again.
    directory, rng = tmp_path / "run", np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    root = Path(__file__).resolve().parents[2]
    reached, killed = 0, 0
    for attempt in range(40):
        before = (directory / "log.jsonl").stat().st_mtime_ns if (directory / "log.jsonl").exists() else None
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(directory), "resume" if attempt else "new"],
            cwd=root,
            stderr=subprocess.PIPE,
        )
        log = directory / "log.jsonl"
        while process.poll() is None and (not log.exists() or log.stat().st_mtime_ns == before):
            time.sleep(0.002)  # until it writes, or ends
        time.sleep(rng.uniform(0, 0.25))
        if killed < 4:
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=600)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors.decode()
        killed += 1
        # Whatever has its name is whole.
        assert record.read_config(directory) == KILLED
        lines = log.read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        assert steps == list(range(2, 2 * len(steps) + 1, 2))
        for path in directory.glob("*.safetensors"):
            safetensors.torch.load(path.read_bytes())
        if (directory / "checkpoint.safetensors").exists():
            stands = int(record.load_tensors(directory / "checkpoint.safetensors")["steps_made"])
            assert stands >= reached
            assert stands in (steps[-1], steps[-1] - 2)
            reached = stands
    assert killed >= 1
    whole = run(tmp_path / "whole", KILLED)
    assert (directory / "weights.safetensors").read_bytes() == (tmp_path / "whole" / "weights.safetensors").read_bytes()
    assert timeless(record.read_log(directory)) == timeless(record.read_log(tmp_path / "whole"))
    left = bits(record.load_tensors(directory / "checkpoint.safetensors"))
    assert {name: left[name] for name in left if not name.startswith("interval.")} == bits(whole.state())


@pytest.mark.parametrize("stop", [1, 2, 3, 7, 11])
def test_an_interrupt_saves_the_step_where_it_stops(stop, tmp_path, uninterrupted):
    # Ctrl-C in the middle of a step: the step ends, is saved, and the run that goes on is the one that never stopped.
    made = trainer()
    loss = made._loss

    def interrupted(*args):
        value = loss(*args)
        if made.steps_made == stop - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return value

    made._loss = interrupted
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {stop}, and saved; --resume goes on from there"):
        list(training.train(made, tmp_path))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    tensors = record.load_tensors(tmp_path / "checkpoint.safetensors")
    assert int(tensors["steps_made"]) == stop
    assert bits(record.load_run(tmp_path)[0].state_dict()) == bits(made.weights())
    assert len(record.read_log(tmp_path)) == stop // 3
    resumed = run(tmp_path, resume=True)
    whole, log, weights = uninterrupted
    assert bits(resumed.state()) == bits(whole.state())
    assert timeless(record.read_log(tmp_path)) == timeless(log)
    assert (tmp_path / "weights.safetensors").read_bytes() == weights


def test_a_second_interrupt_stops_at_once(tmp_path):
    made, reached = trainer(), []

    def step():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("second")

    made.step = step
    with pytest.raises(KeyboardInterrupt) as stopped:
        list(training.train(made, tmp_path))
    assert str(stopped.value) == ""
    assert reached == ["first"]
    assert not (tmp_path / "checkpoint.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_no_number_is_not_saved_by_an_interrupt(tmp_path):
    made = trainer()
    step = made.step

    def ruined():
        loss = step()
        if made.steps_made == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return loss * math.nan if made.steps_made == 4 else loss

    made.step = ruined
    with pytest.raises(FloatingPointError, match="the loss was nan between steps 3 and 5"):
        list(training.train(made, tmp_path))
    assert int(record.load_tensors(tmp_path / "checkpoint.safetensors")["steps_made"]) == 3


def test_training_in_a_thread_leaves_interrupts_to_others(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: len(list(training.train(trainer(), tmp_path)))).result() == 4


def test_dropout_too_is_resumed_exactly(tmp_path):
    config = dataclasses.replace(CONFIG, unet=dataclasses.replace(TINY_NET, dropout=0.3), steps=6)
    before = torch.get_rng_state()
    whole = run(tmp_path / "whole", config)
    assert torch.equal(torch.get_rng_state(), before)
    made = trainer(config)
    progress = training.train(made, tmp_path / "parts")
    next(progress)
    progress.close()
    torch.manual_seed(1)  # global state has no say
    resumed = run(tmp_path / "parts", config, resume=True)
    torch.set_rng_state(before)
    assert bits(resumed.state()) == bits(whole.state())
    without = run(tmp_path / "without", dataclasses.replace(config, unet=TINY_NET))
    assert bits(without.weights()) != bits(whole.weights())


def test_a_checkpoint_of_before_goes_on(tmp_path, uninterrupted):
    # Checkpoints used not to know of an interval under way, and configurations not of targets and schedules.
    progress = training.train(trainer(), tmp_path)
    next(progress)
    progress.close()
    path = tmp_path / "checkpoint.safetensors"
    tensors = record.load_tensors(path)
    record.save_tensors(path, {name: tensors[name] for name in tensors if not name.startswith("interval.")})
    values = json.loads((tmp_path / "config.json").read_text())
    old = (
        "unet",
        "T",
        "beta_1",
        "beta_T",
        "steps",
        "batch",
        "learning_rate",
        "warmup",
        "clip",
        "ema",
        "interval",
        "seed",
    )
    (tmp_path / "config.json").write_text(json.dumps({name: values[name] for name in old}))
    assert bits(run(tmp_path, resume=True).state()) == bits(uninterrupted[0].state())


# --- two at once ---


def test_two_runs_into_one_folder(tmp_path):
    first = training.train(trainer(), tmp_path)
    next(first)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    for resume in (False, True):
        with pytest.raises(
            FileExistsError, match=f"trained into by one process at a time, but .* process {os.getpid()}"
        ):
            run(tmp_path, resume=resume)
    list(first)
    assert not (tmp_path / "lock").exists()
    assert len(record.read_log(tmp_path)) == 4


def test_a_lock_left_by_a_killed_process_holds_nobody_up(tmp_path, uninterrupted):
    holder = "import sys, time; from pathlib import Path; from ddpm_edu import record\n"
    holder += "with record.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(FileExistsError, match=f"is in use by process {process.pid}"):
        run(tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / "lock").read_text() == f"{process.pid}\n"
    assert bits(run(tmp_path).state()) == bits(uninterrupted[0].state())
    assert not (tmp_path / "lock").exists()


def test_a_run_is_not_overwritten(tmp_path):
    run(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(
        FileExistsError, match=r"directory must not hold a run unless it is to be resumed, but .* holds one"
    ):
        run(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"directory must hold a run \(a config.json\), but it was '.*nowhere'"):
        run(tmp_path / "nowhere", resume=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": 20}, "steps=12"),
        ({"seed": 5}, "seed=0"),
        ({"learning_rate": 0.5, "T": 40}, r"T=50, learning_rate=0\.001"),
        ({"unet": UNetConfig(image_size=8, channels=8)}, r"unet=UNetConfig\(image_size=8, channels=4"),
    ],
)
def test_another_configuration_is_not_resumed(change, named, tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match=f"config must be the one of the run to resume, but that one has {named}"):
        run(tmp_path, dataclasses.replace(CONFIG, **change), resume=True)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path, monkeypatch, uninterrupted):
    fsync, left = os.fsync, [8]

    def full(file):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            OSError, match=r"the disk must have room for .*, but it is full; what was there before still is"
        ):
            run(tmp_path)
    assert int(record.load_tensors(tmp_path / "checkpoint.safetensors")["steps_made"]) == 6
    resumed = run(tmp_path, resume=True)
    assert bits(resumed.state()) == bits(uninterrupted[0].state())
