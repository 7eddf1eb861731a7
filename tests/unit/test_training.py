"""Training against one step by hand, and a run that is stopped at any moment against one that never was."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy import stats

from ddpm_edu import configuration, distributed, record, schedules, training
from ddpm_edu.configuration import TrainingConfig
from ddpm_edu.record import Progress
from ddpm_edu.training import Trainer
from ddpm_edu.unet import UNet, UNetConfig, parameter_count

from .oracles import FALSE_ALARM, assert_law

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


def bits(tensors):
    return {name: value.numpy().tobytes() for name, value in tensors.items()}


def timeless(log):
    """The log without what a clock measured."""
    return [entry._replace(seconds=0, rate=0) for entry in log]


# --- one step, by hand ---


def test_steps_by_hand():
    # Adam with β = (0.9, 0.999), warm-up and cosine, clipping, and the average of the weights, as written in the papers.
    config = dataclasses.replace(CONFIG, clip=0.05, steps=6, warmup=2)
    made = trainer(config)
    rng = torch.Generator().manual_seed(config.seed)
    beta = np.linspace(1e-4, 0.2, 50)
    alpha_bar = torch.tensor(np.cumprod(1 - beta), dtype=torch.float32)
    net = UNet(config.unet)
    net.load_state_dict(made.network.state_dict())
    names = [name for name, _ in net.named_parameters()]
    m = {name: 0.0 for name in names}
    v = {name: 0.0 for name in names}
    average = {}
    shortened = 0
    for k in range(6):
        x_0 = torch.tensor(IMAGES / 127.5 - 1, dtype=torch.float32)[torch.randint(40, (4,), generator=rng)][:, None]
        t = torch.randint(50, (4,), generator=rng) + 1
        eps = torch.randn(4, 1, 8, 8, generator=rng)
        a = alpha_bar[t - 1][:, None, None, None]  # this array counts from t = 1
        loss = ((eps - net(a.sqrt() * x_0 + (1 - a).sqrt() * eps, t)) ** 2).mean()
        gradients = dict(zip(names, torch.autograd.grad(loss, list(net.parameters())), strict=True))
        length = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients.values()))
        shortened += length > 0.05
        rate = 1e-3 * ((k + 1) / 2 if k < 2 else 0.5 * (1 + math.cos(math.pi * (k - 2) / 4)))
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                g = gradients[name].double() * min(1.0, 0.05 / length)
                m[name] = 0.9 * m[name] + 0.1 * g
                v[name] = 0.999 * v[name] + 0.001 * g**2
                mean, square = m[name] / (1 - 0.9 ** (k + 1)), v[name] / (1 - 0.999 ** (k + 1))
                parameter -= rate * mean / (square.sqrt() + 1e-8)
                average[name] = parameter.clone() if k == 0 else 0.8 * average[name] + 0.2 * parameter
        assert made.step().item() == pytest.approx(loss.item(), rel=1e-4)
        for name, parameter in made.network.named_parameters():
            # Where a gradient is about 1e-8, Adam's quotient amplifies rounding: hence the small absolute part.
            torch.testing.assert_close(parameter, dict(net.named_parameters())[name], rtol=1e-4, atol=2e-5)
        for name, parameter in made.averaged.module.named_parameters():
            torch.testing.assert_close(parameter, average[name], rtol=1e-4, atol=2e-5)
    assert shortened == 6


@pytest.mark.parametrize(("step", "factor"), [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (54, 0.5), (104, 0.0)])
def test_the_rate_rises_in_a_line_and_falls_along_a_cosine(step, factor):
    config = dataclasses.replace(CONFIG, warmup=4, steps=104)
    assert training.rate_factor(step, config) == pytest.approx(factor, abs=1e-12)


def test_the_rate_without_a_warm_up_and_with_nothing_but():
    assert training.rate_factor(0, dataclasses.replace(CONFIG, warmup=0)) == 1
    short = dataclasses.replace(CONFIG, warmup=12, steps=12)
    assert [training.rate_factor(k, short) for k in (0, 11)] == [1 / 12, 1]
    falling = [training.rate_factor(k, dataclasses.replace(CONFIG, steps=100)) for k in range(3, 100)]
    assert falling == sorted(falling, reverse=True)
    assert 0 < falling[-1] < 0.01


def test_what_the_loss_is_given(monkeypatch):
    # Data in [−1, 1], each t from 1…T equally often, noise from N(0, 1), all images: nothing left out, nothing twice.
    asked = []

    def loss(model, x_0, t, schedule, eps):
        asked.append((x_0, t, eps))
        return next(model.parameters()).sum()

    monkeypatch.setattr(training, "training_loss", loss)
    config = dataclasses.replace(CONFIG, T=6, batch=20, steps=200)
    made = trainer(config)
    for _ in range(200):
        made.step()
    x_0, t, eps = (torch.cat(parts) for parts in zip(*asked, strict=True))
    assert x_0.shape == (4000, 1, 8, 8)
    assert (x_0.min(), x_0.max()) == (-1, 1)
    assert set(t.tolist()) == {1, 2, 3, 4, 5, 6}
    assert stats.chisquare(np.bincount(t)[1:]).pvalue > FALSE_ALARM
    seen = np.unique(((x_0 + 1) * 127.5).round().numpy().astype(np.uint8).reshape(4000, -1), axis=0, return_counts=True)
    assert len(seen[0]) == 40
    assert stats.chisquare(seen[1]).pvalue > FALSE_ALARM
    assert_law(eps.flatten()[:50_000].numpy(), "norm")
    assert not torch.equal(eps[0], eps[1])
    assert {tuple(row) for row in seen[0].tolist()} == {tuple(image.ravel().tolist()) for image in IMAGES}


def test_the_schedule_is_the_configured_one():
    made = trainer()
    expected = schedules.linear(50, 1e-4, 0.2)
    np.testing.assert_allclose(made.schedule.alpha_bar.numpy(), expected.alpha_bar, rtol=1e-6)


def test_the_seed_decides_everything_and_nothing_else_is_touched():
    before = torch.get_rng_state()
    one, other = trainer(), trainer()
    losses = [made.step().item() for made in (one, other)]
    torch.manual_seed(99)  # global state has no say
    losses += [made.step().item() for made in (one, other)]
    torch.set_rng_state(before)
    one.step()
    other.step()
    assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[1]
    assert losses[2] == losses[3]
    assert bits(one.state()) == bits(other.state())
    third = trainer(dataclasses.replace(CONFIG, seed=1))
    assert third.step().item() != losses[0]


def test_one_batch_can_be_learnt():
    # Four pictures, again and again: the loss falls far below 1, what a model that answers 0 gets.
    config = dataclasses.replace(CONFIG, unet=UNetConfig(image_size=8, channels=16, multipliers=(1, 2)), T=10, beta_T=0.6, steps=200, batch=16, learning_rate=1e-2)  # fmt: skip
    made = Trainer(config, IMAGES[:4], HELD_OUT)
    losses = [made.step().item() for _ in range(200)]
    assert losses[0] == pytest.approx(1, abs=0.25)
    assert np.mean(losses[-20:]) < 0.35


# --- validation ---


def test_the_validation_loss_by_hand():
    made = run_steps(trainer(), 3)
    eps = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    schedule = schedules.linear(50, 1e-4, 0.2)
    total = 0.0
    for i, t in enumerate([1, 8, 15, 22, 29, 36, 43]):  # evenly over 1…50
        a = schedule.alpha_bar[t]
        x_0 = torch.tensor(HELD_OUT[i] / 127.5 - 1, dtype=torch.float32)
        x_t = math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps[i]
        with torch.no_grad():
            total += float(((made.averaged.module(x_t[None], torch.tensor([t])) - eps[i]) ** 2).mean())
    assert made.validation_loss() == pytest.approx(total / 7, rel=1e-5)
    assert made.validation_loss() == made.validation_loss()


def run_steps(made, n):
    for _ in range(n):
        made.step()
    return made


def test_validation_takes_all_of_many_digits_and_leaves_training_alone():
    many = np.random.default_rng(2).integers(0, 256, (501, 8, 8), dtype=np.uint8)
    one, other = Trainer(CONFIG, IMAGES, many), Trainer(CONFIG, IMAGES, many)
    x_0, t, eps = one._validation
    assert (t.min(), t.max()) == (1, 50)
    whole = training.training_loss(one.averaged.module, x_0, t, one.schedule, eps).item()
    assert one.validation_loss() == pytest.approx(whole, rel=1e-5)
    run_steps(one, 2)
    run_steps(other, 2)
    assert bits(one.state()) == bits(other.state())


# --- a run and its record ---


def test_a_run_leaves_a_whole_record(tmp_path):
    directory = tmp_path / "new" / "run"
    made = trainer()
    entries = list(training.train(made, directory))
    assert [e.step for e in entries] == [3, 6, 9, 12]
    assert [e.images for e in entries] == [12, 24, 36, 48]
    assert all(e.rate > 0 for e in entries)
    assert [e.seconds for e in entries] == sorted(e.seconds for e in entries)
    assert record.read_log(directory) == entries
    assert {p.name for p in directory.iterdir()} == {
        "config.json",
        "log.jsonl",
        "weights.safetensors",
        "checkpoint.safetensors",
    }
    assert record.read_config(directory) == CONFIG
    network, config = record.load_run(directory)
    assert config == CONFIG
    assert not network.training
    assert bits(network.state_dict()) == bits(made.averaged.module.state_dict()) == bits(made.weights())
    lines = (directory / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6, 9, 12]


def test_the_log_averages_the_interval(tmp_path):
    made, losses = trainer(), []
    step = made.step
    made.step = lambda: losses.append(step()) or losses[-1]
    entries = list(training.train(made, tmp_path))
    for i, entry in enumerate(entries):
        assert entry.loss == pytest.approx(np.mean([loss.item() for loss in losses[3 * i : 3 * i + 3]]), rel=1e-6)
    assert entries[-1].validation_loss == made.validation_loss()


def test_an_interval_that_does_not_divide_the_steps(tmp_path):
    entries = list(training.train(trainer(dataclasses.replace(CONFIG, steps=7)), tmp_path))
    assert [e.step for e in entries] == [3, 6, 7]


def test_the_metrics_of_a_finished_run(tmp_path):
    made = run(tmp_path)
    metrics = training.describe(made, tmp_path)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    last = record.read_log(tmp_path)[-1]
    assert metrics["steps"] == 12
    assert metrics["images"] == 48
    assert metrics["loss"] == last.loss
    assert metrics["validation_loss"] == last.validation_loss
    assert metrics["training_seconds"] == last.seconds
    assert metrics["parameters"] == parameter_count(made.network)
    assert metrics["weights_sha256"] == record.sha256(tmp_path / "weights.safetensors")
    assert metrics["trained_on"]["torch"] == torch.__version__
    assert set(metrics["trained_on"]) == {"device", "python", "torch", "numpy", "date"}
    assert str(tmp_path) not in (tmp_path / "metrics.json").read_text()


# --- stopping and going on ---


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
from tests.unit.test_training import KILLED, IMAGES, HELD_OUT
for _ in training.train(training.Trainer(KILLED, IMAGES, HELD_OUT), sys.argv[1], sys.argv[2] == "resume"):
    pass
"""
KILLED = dataclasses.replace(CONFIG, steps=300, interval=2, T=20)


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
    assert bits(record.load_tensors(directory / "checkpoint.safetensors")) == bits(whole.state())


# --- what is refused ---


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


def other_net():
    return UNet(dataclasses.replace(TINY_NET, channels=8))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "must be a whole safetensors file, but it is cut or foreign"),
        (b"PK\x03\x04 something else", "must be a whole safetensors file, but it is cut or foreign"),
        ("cut", "must be a whole safetensors file, but it is cut or foreign"),
        ("long", "must be a whole safetensors file, but it is cut or foreign"),
        ("other", "does not fit: "),
        ("nothing", "does not fit: "),
    ],
)
def test_a_damaged_or_foreign_file_is_named(content, match, tmp_path):
    made = run(tmp_path)
    foreign = other_net().state_dict()
    for name, tensors in (
        ("weights.safetensors", foreign),
        ("checkpoint.safetensors", {f"network.{key}": value for key, value in foreign.items()}),
    ):
        path = tmp_path / name
        whole = path.read_bytes()
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            replacement = {
                "cut": whole[: len(whole) // 2],
                "long": whole + b"\0" * 8,
                "other": safetensors.torch.save(tensors),
                "nothing": safetensors.torch.save({}),
            }
            path.write_bytes(replacement[content])
        pattern = f"{name} must .*" if content in ("other", "nothing") else f"{name} {match}"
        with pytest.raises(ValueError, match=pattern) as error:
            record.load_run(tmp_path) if name.startswith("weights") else run(tmp_path, resume=True)
        assert "\n" not in str(error.value)
        path.write_bytes(whole)
    assert made.steps_made == 12


def test_a_cut_anywhere_is_noticed(tmp_path):
    path = tmp_path / "weights.safetensors"
    record.save_tensors(path, {"a": torch.arange(10.0), "b": torch.ones(3, dtype=torch.int64)})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"weights\.safetensors must be a whole safetensors file"):
            record.load_tensors(path)


def test_missing_weights_and_runs_are_named(tmp_path):
    run(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.safetensors must be in the run's folder, but .* has none"):
        record.load_run(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"directory must hold a run \(a config\.json\), but it was '.*elsewhere'"
    ):
        record.load_run(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"name must be a recorded run, one of \[.*\], but it was 'nobody'"):
        record.find_run("nobody")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '"config"',
        "{}",
        '{"unet": 3}',
        '{"unet": {}, "colour": 1}',
        '{"unet": {"colour": 1}}',
    ],
)
def test_a_damaged_configuration_is_named(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"config\.json must be a configuration written by this package, but it is not"
    ):
        record.read_config(tmp_path)


def test_a_configuration_with_a_value_out_of_range_is_named(tmp_path):
    (tmp_path / "config.json").write_text(CONFIG.to_json().replace('"T": 50', '"T": 0'))
    with pytest.raises(ValueError, match="T must be at least 1, but it was 0"):
        record.read_config(tmp_path)


@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_the_folders_place(below, tmp_path):
    path = tmp_path / "run"
    path.write_text("not a folder")
    with pytest.raises(NotADirectoryError, match=r"directory must be a folder, but '.*run.*' is or lies in a file"):
        run(path / "deeper" if below else path)
    assert path.read_text() == "not a folder"


def test_a_folder_that_cannot_be_made_or_written(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(PermissionError, match=r"directory must be a folder that can be made, but '.*run' cannot"):
            run(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        with pytest.raises(
            PermissionError, match=r"directory must be a folder that can be written to, but '.*run' cannot"
        ):
            run(tmp_path / "run")


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path, monkeypatch, uninterrupted):
    fsync, left = os.fsync, [8]

    def full(file):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path)
    assert int(record.load_tensors(tmp_path / "checkpoint.safetensors")["steps_made"]) == 6
    resumed = run(tmp_path, resume=True)
    assert bits(resumed.state()) == bits(uninterrupted[0].state())


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    record.write_whole(path, b"old")
    (tmp_path / "file.part").write_bytes(b"left over from a run that was killed, and longer")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("stopped")))
        with pytest.raises(OSError, match="stopped"):
            record.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    record.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert not (tmp_path / "file.part").exists()


def test_the_new_content_is_on_the_disk_before_it_gets_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: order.append("sync") or fsync(file))
    monkeypatch.setattr(os, "replace", lambda a, b: order.append("rename") or replace(a, b))
    record.write_whole(tmp_path / "file", b"new")
    assert order == ["sync", "rename"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(bad, tmp_path):
    made = trainer()
    step = made.step
    made.step = lambda: step() * (bad if made.steps_made == 8 else 1)
    with pytest.raises(FloatingPointError, match=f"the loss was {bad} between steps 6 and 9"):
        list(training.train(made, tmp_path))
    assert int(record.load_tensors(tmp_path / "checkpoint.safetensors")["steps_made"]) == 6
    assert [entry.step for entry in record.read_log(tmp_path)] == [3, 6]


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    # The last step of an interval ruins the weights: its own loss is still a number.
    made = trainer()
    step = made.step

    def ruin():
        loss = step()
        if made.steps_made == 6:
            with torch.no_grad():
                for parameter in made.averaged.module.parameters():
                    parameter.fill_(math.nan)
        return loss

    made.step = ruin
    with pytest.raises(FloatingPointError, match="and nan on the held-out digits"):
        list(training.train(made, tmp_path))
    assert [entry.step for entry in record.read_log(tmp_path)] == [3]
    for name in ("weights", "checkpoint"):
        tensors = record.load_tensors(tmp_path / f"{name}.safetensors")
        assert all(torch.isfinite(value.float()).all() for value in tensors.values())


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


def test_the_type_to_compute_in(monkeypatch):
    assert training.precision(torch.device("cpu")) == torch.float32
    for has_bf16, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)  # noqa: B023
        assert training.precision(torch.device("cuda")) == expected
    made = trainer(dataclasses.replace(CONFIG, mixed_precision=True, compile=True))
    assert made.precision == torch.float32  # both are for a card
    assert made.eps_theta is made.network


@pytest.mark.parametrize("shape", [(5, 8, 7), (5, 28, 28), (0, 8, 8), (5, 1, 8, 8), (8, 8)])
def test_pictures_that_do_not_fit_the_network(shape):
    pictures = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=r"images must have shape \(N, 8, 8\) with N ≥ 1, but its shape was \("):
        Trainer(CONFIG, pictures, HELD_OUT)
    with pytest.raises(ValueError, match=r"held_out must have shape \(N, 8, 8\) with N ≥ 1, but its shape was \("):
        Trainer(CONFIG, IMAGES, pictures)


def test_pictures_that_were_already_scaled():
    with pytest.raises(TypeError, match="images must be uint8, but it was float64"):
        Trainer(CONFIG, IMAGES / 255, HELD_OUT)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, but it was 0"),
        ({"steps": 1.5}, TypeError, r"steps must be a whole number, but it was 1\.5"),
        ({"batch": 0}, ValueError, "batch must be at least 1, but it was 0"),
        ({"interval": -1}, ValueError, "interval must be at least 1, but it was -1"),
        ({"warmup": -1}, ValueError, "warmup must be at least 0, but it was -1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, but it was -1"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number of at least 1e-12, but it was 0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must be .* but it was nan"),
        ({"clip": -1.0}, ValueError, r"clip must be .* but it was -1\.0"),
        ({"ema": 1.1}, ValueError, r"ema must be a number from 0 to 1, but it was 1\.1"),
        ({"ema": -0.1}, ValueError, r"ema must be a number from 0 to 1, but it was -0\.1"),
        ({"T": 0}, ValueError, "T must be at least 1, but it was 0"),
        ({"beta_1": 0.0}, ValueError, r"β_1 was 0\.0"),
        ({"beta_T": 1.5}, ValueError, r"beta_T must be a number from 0 to 1, but it was 1\.5"),
    ],
)
def test_a_configuration_refuses(change, error, match):
    with pytest.raises(error, match=match):
        dataclasses.replace(CONFIG, **change)


# --- small things ---


def test_a_configuration_survives_its_file():
    for config in (CONFIG, *configuration.PRESETS.values()):
        assert TrainingConfig.from_json(config.to_json()) == config
    assert json.loads(CONFIG.to_json())["unet"]["attention"] == [4]


def test_presets():
    assert set(configuration.PRESETS) == {"tiny", "cpu", "page", "gpu"}
    for config in configuration.PRESETS.values():
        assert config.T == 1000
        assert (config.beta_1, config.beta_T) == (1e-4, 0.02)
        assert config.unet.image_size == 28
    assert configuration.preset("gpu").unet.attention == (7,)
    assert configuration.preset("gpu").mixed_precision
    with pytest.raises(ValueError, match="preset must be one of 'tiny', 'cpu', 'page', 'gpu', but it was 'huge'"):
        configuration.preset("huge")


def test_override_changes_what_is_given():
    assert configuration.override(CONFIG, steps=None, seed=None) == CONFIG
    assert configuration.override(CONFIG, steps=5, seed=0) == dataclasses.replace(CONFIG, steps=5)
    with pytest.raises(ValueError, match="steps must be at least 1, but it was 0"):
        configuration.override(CONFIG, steps=0)


def test_read_log_stops_at_a_damaged_line(tmp_path):
    assert record.read_log(tmp_path) == []
    good = [Progress(i, i, 1.0, 0.5, 0.5, 9.0) for i in (1, 2)]
    text = "".join(json.dumps(entry._asdict()) + "\n" for entry in good)
    for tail in ("", '{"step": 3', '{"step": 3}\n', "[1]\n", "3\n"):
        (tmp_path / "log.jsonl").write_text(text + tail)
        assert record.read_log(tmp_path) == good


def test_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert record.sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_in_one_line():
    assert record.in_one_line(ValueError("a\n\tb   c")) == "a b c"
    assert record.in_one_line(ValueError("x" * 300)) == "x" * 300
    assert record.in_one_line(ValueError("x" * 301)) == "x" * 297 + "..."


def test_recorded_runs_are_found_and_load():
    try:
        directory = record.find_run("cpu")
    except FileNotFoundError:
        pytest.skip("the run cpu is not recorded yet")
    if not (directory / "metrics.json").is_file():
        pytest.skip("the run cpu is not finished yet")
    network, config = record.load_run(directory)
    assert config.unet == network.config
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["weights_sha256"] == record.sha256(directory / "weights.safetensors")
    assert metrics["parameters"] == parameter_count(network)
    assert [entry.step for entry in record.read_log(directory)][-1] == config.steps == metrics["steps"]


def test_a_network_of_one_resolution_trains():
    made = Trainer(
        dataclasses.replace(CONFIG, unet=UNetConfig(image_size=8, channels=4, multipliers=(1,), groups=2)),
        IMAGES,
        HELD_OUT,
    )
    first = made.step().item()
    assert math.isfinite(first)
