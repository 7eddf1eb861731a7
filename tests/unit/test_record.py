"""The files of a run: whole or not at all, and refused where they are damaged, foreign or in use."""

import dataclasses
import errno
import fcntl
import json
import os
import sys
import types
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ddpm_edu import record, training
from ddpm_edu.record import Progress
from ddpm_edu.unet import UNet, parameter_count

from .small_run import CONFIG, TINY_NET, run


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


def other_net():
    return UNet(dataclasses.replace(TINY_NET, channels=8))


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


def test_weights_of_another_run_are_refused(tmp_path):
    # The same shape, so only the hash can tell.
    made = run(tmp_path)
    training.describe(made, tmp_path)
    record.load_run(tmp_path)
    path = tmp_path / "weights.safetensors"
    tensors = record.load_tensors(path)
    tensors["first.bias"] = tensors["first.bias"] + 1e-3
    record.save_tensors(path, tensors)
    with pytest.raises(
        ValueError, match=r"weights\.safetensors must be those of the run's metrics\.json, with SHA-256 \w{64}"
    ):
        record.load_run(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "must be JSON, but it is not: "), ("[1]", r"must hold names and values, but it holds \[1\]")],
)
def test_damaged_metrics_are_named(text, said, tmp_path):
    run(tmp_path)
    assert record.read_metrics(tmp_path) == {}
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.json " + said):
        record.load_run(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new(tmp_path, monkeypatch):
    path = tmp_path / "file"
    record.write_whole(path, b"old")

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match="the disk must have room for file, but it is full; what was there before still is"
    ):
        record.write_whole(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_lock_that_was_just_removed_is_taken_anew(tmp_path, monkeypatch):
    # Between opening the file and locking it, its holder removes it and another takes the name.
    path, removals = tmp_path / "lock", []
    flock = fcntl.flock

    def late(file, how):
        if not removals:
            removals.append(path)
            path.unlink()
            path.write_text("another's")
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with record.lock(tmp_path):
        assert path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(FileExistsError, match="is in use by process"), record.lock(tmp_path):
            raise AssertionError("two hold the folder")
    assert removals == [path]
    assert not path.exists()


def test_tensorboard_sees_the_log_where_it_is_installed(tmp_path, monkeypatch):
    shown = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            shown.append((self.folder, name, value, step))

        def flush(self):
            shown.append("flushed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run(tmp_path)
    last = record.read_log(tmp_path)[-1]
    folder = str(tmp_path / "tensorboard")
    assert shown[-4:-1] == [(folder, name, getattr(last, name), 12) for name in ("loss", "validation_loss", "rate")]
    assert shown.count("flushed") == 4
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # which is: cannot be imported
    assert record.scalars(tmp_path) is None
