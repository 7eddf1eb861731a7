"""The command line: each command once, small, and each bad input: one line that names it, exit status 2."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_edu import __main__, classifier, configuration, data, equations, evaluation, record, training
from ddpm_edu.classifier import Classifier
from ddpm_edu.unet import UNetConfig

ROOT = Path(__file__).resolve().parents[2]
CONFIG = configuration.TrainingConfig(
    UNetConfig(channels=4, multipliers=(1, 2), groups=2), T=6, beta_T=0.5, steps=2, batch=2, interval=1
)


@pytest.fixture
def call(capsys):
    """Run a command in this process; returns its exit status, what it printed, and what it complained of."""

    def run(*argv):
        try:
            status = __main__.main([str(argument) for argument in argv])
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture(autouse=True)
def few_digits(monkeypatch):
    """Forty real digits in MNIST's place."""
    digits = data._stand_in("test")
    some = data.Digits(digits.images[:40], digits.labels[:40], "")
    monkeypatch.setattr(data, "mnist", lambda split="train": some)
    monkeypatch.setitem(configuration.PRESETS, "tiny", CONFIG)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained") / "run"
    digits = data._stand_in("test").images[:40]
    for _ in training.train(training.Trainer(CONFIG, digits, digits), directory):
        pass
    return directory


@pytest.fixture
def run_folder(trained, tmp_path):
    """A finished run, a fresh copy for each test."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


# --- what each command does ---


def test_train(call, tmp_path):
    status, out, errors = call("train", "--preset", "tiny", "--run", tmp_path / "run", "--steps", 3, "--seed", 4)
    assert (status, errors) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("40 digits, 3 steps of 2, on ")
    assert [line.split()[1] for line in lines[1:]] == ["1", "2", "3"]
    assert record.read_config(tmp_path / "run") == dataclasses.replace(CONFIG, steps=3, seed=4)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["steps"] == 3


def test_any_value_can_be_set(call, tmp_path):
    argv = ("--preset", "tiny", "--set", "batch=4", "unet.channels=8", "--set", "target=v")
    status, out, errors = call("train", *argv, "--run", tmp_path / "run")
    assert (status, errors) == (0, "")
    assert out.startswith("40 digits, 2 steps of 4, on ")
    net = dataclasses.replace(CONFIG.unet, channels=8)
    assert record.read_config(tmp_path / "run") == dataclasses.replace(CONFIG, batch=4, unet=net, target="v")


def test_a_configuration_is_shown(call, tmp_path):
    status, out, errors = call("train", "--preset", "gpu", "--show", "--set", "unet.dropout=0.1", "--seed", 3)
    assert (status, errors) == (0, "")
    gpu = configuration.preset("gpu")
    expected = dataclasses.replace(gpu, unet=dataclasses.replace(gpu.unet, dropout=0.1), seed=3)
    assert configuration.TrainingConfig.from_json(out) == expected


def test_a_dry_run_of_the_preset_for_cards(call, tmp_path):
    # Two steps on a CPU, with everything of the preset but its size.
    argv = ("--preset", "gpu", "--steps", 2, "--device", "cpu", "--set", "batch=2", "unet.channels=8")
    status, out, errors = call("train", *argv, "--run", tmp_path / "run")
    assert (status, errors) == (0, "")
    assert len(out.splitlines()) == 2
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["steps"], metrics["precision"], metrics["processes"]) == (2, "float32", 1)


@pytest.mark.parametrize(
    "more", [(), ("--preset", "tiny"), ("--steps", "2"), ("--preset", "tiny", "--steps", "2", "--seed", "0")]
)
def test_train_resumes(more, call, run_folder):
    before = {name: (run_folder / name).read_bytes() for name in ("log.jsonl", "weights.safetensors")}
    status, out, errors = call("train", "--run", run_folder, "--resume", *more)
    assert (status, errors) == (0, "")
    assert len(out.splitlines()) == 1  # nothing was left to do
    assert {name: (run_folder / name).read_bytes() for name in before} == before
    assert (run_folder / "metrics.json").is_file()


@pytest.mark.parametrize("more", [(), ("--sampler", "ddim", "--steps", 2), ("--sampler", "ancestral")])
def test_sample(more, call, run_folder, tmp_path):
    status, out, errors = call("sample", "--run", run_folder, "--out", tmp_path / "a.png", "--n", 3, "--seed", 1, *more)
    assert (status, errors) == (0, "")
    assert out == f"3 digits in {tmp_path / 'a.png'}\n"
    import matplotlib.image

    network, config = record.load_run(run_folder)
    sampler, steps = ("ddim", 2) if "ddim" in more else ("ancestral", None)
    expected = evaluation.grid(evaluation.draw(network, config, 3, sampler, steps, 1))
    read = matplotlib.image.imread(tmp_path / "a.png")
    np.testing.assert_allclose(read[:, :, 0] * 255, expected, atol=1)


def test_evaluate(call, run_folder, tmp_path, monkeypatch):
    shelf = tmp_path / "classifier"
    shelf.mkdir()
    record.save_tensors(shelf / "weights.safetensors", Classifier().state_dict())
    monkeypatch.setattr(record, "find_run", lambda name: tmp_path / name)
    argv = ("evaluate", "--run", run_folder, "--n", 20, "--seeds", 2, "--seed", 2, "--only", "digits")
    status, out, errors = call(*argv)
    assert (status, errors) == (0, "")
    metrics = json.loads(out[out.index("{") :])
    assert metrics["frechet_n"] == 20
    assert metrics["seeds"] == [2, 3]
    assert metrics == json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert (run_folder / "samples.png").is_file()
    status, out, errors = call(*argv, "--sampler", "ddim", "--steps", 3, "--eta", 0.5)
    assert (status, errors) == (0, "")
    assert json.loads(out[out.index("{") :])["sampler"] == "DDIM, 3 steps, η = 0.5, clipped"


def test_evaluate_measures_all_unless_told(call, monkeypatch, run_folder):
    asked = []
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments: asked.append(arguments) or {})
    assert call("evaluate", "--run", run_folder)[0] == 0
    run, n, device, seed, _, *rest = asked[0]
    assert (run, n, device, seed) == (run_folder, 10_000, "cpu", 0)
    assert rest == ["ancestral", None, 0.0, 5, None, 10_000]


def test_classifier(call, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        classifier,
        "train",
        lambda run, device, progress: asked.append((run, device)) or {"test_accuracy": 1.0},
    )
    status, out, errors = call("classifier", "--run", tmp_path / "c")
    assert (status, errors) == (0, "")
    assert asked == [(tmp_path / "c", "cpu")]
    assert json.loads(out) == {"test_accuracy": 1.0}


@pytest.mark.parametrize(("argv", "as_json"), [((), False), (("--json",), True)])
def test_equations(argv, as_json, call, monkeypatch):
    asked = []
    monkeypatch.setattr(equations, "report", lambda as_json: asked.append(as_json) or 1)
    assert call("equations", *argv)[0] == 1
    assert asked == [as_json]


def test_misprints_of_the_equations(call, monkeypatch):
    monkeypatch.setattr(equations, "shares", lambda: "2 of 3 are caught")
    assert call("equations", "--misprints") == (0, "2 of 3 are caught\n", "")
    status, _, errors = call("equations", "--misprints", "--json")
    assert status == 2
    assert "not allowed with" in errors

    def unmatched():
        raise LookupError("labels and checks do not match:\n  merge")

    monkeypatch.setattr(equations, "shares", unmatched)
    assert call("equations", "--misprints") == (1, "", "labels and checks do not match:\n  merge\n")


def test_help(call):
    status, out, errors = call("--help")
    assert (status, errors) == (0, "")
    for command in ("train", "sample", "evaluate", "classifier", "equations"):
        assert command in out
    status, out, _ = call("train", "--help")
    assert status == 0
    for option in ("--preset", "--run", "--steps", "--seed", "--resume", "--device"):
        assert option in out


def test_the_card_is_taken_where_there_is_one(monkeypatch):
    assert __main__._device(None) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert __main__._device(None) == "cuda"
    assert __main__._device("cpu") == "cpu"


def test_stopped_by_hand(call, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", stopped)
    status, _, errors = call("train", "--preset", "tiny", "--run", tmp_path / "run")
    assert status == 130
    assert errors == "\nstopped; what is on disk is whole\n"


def test_an_interrupt_is_one_line_and_the_run_goes_on(call, tmp_path, monkeypatch):
    step = training.Trainer.step

    def interrupted(self):
        if self.steps_made == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    argv = ("train", "--preset", "tiny", "--run", tmp_path / "run", "--set", "steps=4", "interval=4")
    with monkeypatch.context() as patch:
        patch.setattr(training.Trainer, "step", interrupted)
        status, _, errors = call(*argv)
    assert status == 130
    assert errors == "\nstopped after step 2, and saved; --resume goes on from there\n"
    assert call("train", "--run", tmp_path / "run", "--resume")[0] == 0
    assert [entry.step for entry in record.read_log(tmp_path / "run")] == [4]


# --- what each command refuses ---

RUN, OUT = "{run}", "{tmp}/a.png"
TRAIN, SAMPLE, EVALUATE = (
    ("train", "--run", "{tmp}/new"),
    ("sample", "--run", RUN, "--out", OUT),
    ("evaluate", "--run", RUN),
)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "COMMAND"),
        (("dream",), "COMMAND: invalid choice: 'dream'"),
        (("train",), "--run"),
        (
            (*TRAIN, "--preset", "huge"),
            "preset must be one of 'tiny', 'cpu', 'page', 'gpu', 'likelihood', but it was 'huge'",
        ),
        ((*TRAIN, "--preset", "gpus"), "but it was 'gpus' (did you mean 'gpu'?)"),
        ((*TRAIN, "--set", "stepz=3"), "but it was 'stepz' (did you mean 'steps'?)"),
        ((*TRAIN, "--set", "steps"), "set must be given name=value, such as unet.channels=32, but it was 'steps'"),
        ((*TRAIN, "--set", "steps=many"), "steps must be a whole number, but it was 'many'"),
        ((*TRAIN, "--set", "unet.image_size=30"), "image_size must be divisible by 4"),
        ((*TRAIN, "--steps", "0"), "steps must be at least 1, but it was 0"),
        ((*TRAIN, "--steps", "-5"), "steps must be at least 1, but it was -5"),
        ((*TRAIN, "--steps", "many"), "--steps: invalid int value: 'many'"),
        ((*TRAIN, "--steps", "2.5"), "--steps: invalid int value: '2.5'"),
        ((*TRAIN, "--seed", "-1"), "seed must be at least 0, but it was -1"),
        ((*TRAIN, "--device", "tpu"), "device must be one of 'cpu', 'cuda', but it was 'tpu'"),
        ((*TRAIN, "--device", "cuda"), "device must be one that this machine has, but it was 'cuda'"),
        ((*TRAIN, "--colour", "red"), "unrecognized arguments: --colour red"),
        ((*TRAIN, "--resume"), "directory must hold a run (a config.json), but it was '{tmp}/new'"),
        (
            ("train", "--preset", "tiny", "--run", RUN),
            "directory must not hold a run unless it is to be resumed, but '{run}'",
        ),
        (
            ("train", "--run", RUN, "--resume", "--steps", "9"),
            "config must be the one of the run to resume, but that one has steps=2",
        ),
        (
            ("train", "--preset", "cpu", "--run", RUN, "--resume"),
            "config must be the one of the run to resume, but that one has unet=",
        ),
        (
            ("train", "--preset", "tiny", "--run", "{tmp}/file"),
            "directory must be a folder, but '{tmp}/file' is or lies in a file",
        ),
        (
            ("train", "--preset", "tiny", "--run", "{tmp}/file/a/b"),
            "directory must be a folder, but '{tmp}/file/a/b' is or lies in a file",
        ),
        (("sample", "--run", RUN), "--out"),
        ((*SAMPLE, "--n", "0"), "n must be at least 1, but it was 0"),
        ((*SAMPLE, "--n", "x"), "--n: invalid int value: 'x'"),
        ((*SAMPLE, "--sampler", "euler"), "sampler must be one of 'ancestral', 'ddim', but it was 'euler'"),
        (
            (*SAMPLE, "--steps", "3"),
            "steps must be left out with the ancestral sampler, which takes all 6, but it was 3",
        ),
        ((*SAMPLE, "--sampler", "ddim", "--steps", "0"), "steps must be a whole number from 1 to 6, but it was 0"),
        ((*SAMPLE, "--sampler", "ddim", "--steps", "7"), "steps must be a whole number from 1 to 6, but it was 7"),
        ((*SAMPLE, "--seed", "-1"), "seed must be at least 0, but it was -1"),
        ((*SAMPLE, "--eta", "0.5"), "eta must be 0 with the ancestral sampler, whose noise is σ², but it was 0.5"),
        ((*SAMPLE, "--device", "cuda"), "device must be one that this machine has, but it was 'cuda'"),
        (("sample", "--run", RUN, "--out", "{tmp}/a.jpg"), "out must end in .png, but it was 'a.jpg'"),
        (
            ("sample", "--run", RUN, "--out", "{tmp}/no/a.png"),
            "out must lie in a folder that exists, but there is no '{tmp}/no'",
        ),
        (
            ("sample", "--run", "{tmp}/none", "--out", OUT),
            "directory must hold a run (a config.json), but it was '{tmp}/none'",
        ),
        (("sample", "--run", "{tmp}/cut", "--out", OUT), "weights.safetensors must be a whole safetensors file"),
        (("sample", "--run", "{tmp}/foreign", "--out", OUT), "weights.safetensors must fit the U-Net of config.json"),
        (
            ("sample", "--run", "{tmp}/nonsense", "--out", OUT),
            "config.json must be a configuration written by this package",
        ),
        ((*EVALUATE, "--n", "19"), "n must be a whole number from 20 to 10000, but it was 19"),
        ((*EVALUATE, "--n", "10001"), "n must be a whole number from 20 to 10000, but it was 10001"),
        ((*EVALUATE, "--seeds", "0"), "seeds must be a whole number from 1 to 2500, but it was 0"),
        ((*EVALUATE, "--only", "bits"), "only must be one of 'digits', 'likelihood', 'curve', but it was 'bits'"),
        ((*EVALUATE, "--sampler", "eular"), "sampler must be one of 'ancestral', 'ddim', but it was 'eular'"),
        ((*EVALUATE, "--sampler", "ddim", "--eta", "2"), "eta must be a number from 0 to 1, but it was 2.0"),
        (("evaluate", "--run", "{tmp}/none"), "directory must hold a run (a config.json), but it was '{tmp}/none'"),
        (("classifier", "--run", "{tmp}/file"), "directory must be a folder, but '{tmp}/file' is or lies in a file"),
        (
            ("classifier", "--run", "{tmp}/c", "--device", "tpu"),
            "device must be one of 'cpu', 'cuda', but it was 'tpu'",
        ),
    ],
)
def test_bad_input_is_one_line(argv, said, call, run_folder, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("cut", "foreign", "nonsense"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("[]" if name == "nonsense" else CONFIG.to_json())
    whole = (run_folder / "weights.safetensors").read_bytes()
    (tmp_path / "cut" / "weights.safetensors").write_bytes(whole[:100])
    other = Classifier().state_dict()
    record.save_tensors(tmp_path / "foreign" / "weights.safetensors", other)
    before = {path: path.read_bytes() for path in run_folder.iterdir()}

    def fill(text):
        return text.replace("{tmp}", str(tmp_path)).replace("{run}", str(run_folder))

    status, _, errors = call(*map(fill, argv))
    assert status == 2
    assert errors.startswith("ddpm_edu: ")
    assert errors.count("\n") == 1
    assert errors.endswith("\n")
    assert fill(said) in errors
    assert {path: path.read_bytes() for path in run_folder.iterdir()} == before
    assert not (tmp_path / "a.png").exists()


def test_missing_and_damaged_data_are_named(call, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("DDPM_EDU_DATA", str(tmp_path))
    status, _, errors = call("train", "--preset", "tiny", "--run", tmp_path / "run", "--device", "cpu")
    assert status == 2
    assert errors.startswith("ddpm_edu: DDPM_EDU_DATA must name a folder that holds train-images-idx3-ubyte or")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    status, _, errors = call("train", "--preset", "tiny", "--run", tmp_path / "run", "--device", "cpu")
    assert status == 2
    assert errors.startswith("ddpm_edu: train-images-idx3-ubyte must hold")
    assert not (tmp_path / "run").exists()


# --- as a reader types it ---


def test_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "ddpm_edu", "sample", "--run", str(tmp_path), "--out", "a.png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"ddpm_edu: directory must hold a run (a config.json), but it was '{tmp_path}'\n"


def test_real_digits_from_the_command_line(mnist_folder, tmp_path, monkeypatch, call):
    # The real preset on the real files: two steps, then two pictures in three steps.
    monkeypatch.undo()
    monkeypatch.setenv("DDPM_EDU_DATA", str(mnist_folder))
    run = tmp_path / "run"
    status, out, errors = call("train", "--preset", "tiny", "--run", run, "--steps", 2, "--device", "cpu")
    assert (status, errors) == (0, "")
    assert out.startswith("60,000 digits, 2 steps of 16, on ")
    status, _, errors = call(
        "sample",
        "--run",
        run,
        "--out",
        tmp_path / "a.png",
        "--n",
        2,
        "--sampler",
        "ddim",
        "--steps",
        3,
        "--device",
        "cpu",
    )
    assert (status, errors) == (0, "")
    assert (tmp_path / "a.png").stat().st_size > 100
