"""The benchmarks in a dry run of seconds: that they still fit the package, and that their records say what they should."""

import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch

from ddpm_edu import __main__ as command_line
from ddpm_edu.unet import UNet, UNetConfig

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Imports a script of the folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def quick(module, out, *options):
    assert module.main(["--quick", "--out", str(out), *options]) == 0
    book = json.loads(out.read_text("utf-8"))
    assert set(book) == {"cpu"}
    assert book["cpu"]["quick"] is True
    assert book["cpu"]["machine"]["threads"] == 1
    return book["cpu"]


def test_training_speed(script, tmp_path):
    module = script("training_speed")
    out = tmp_path / "record.json"
    quick(module, out, "--only", "speed")
    result = quick(module, out, "--only", "loss", "--seconds", "0.4")  # adds to the record
    names = {row["name"] for row in result["speed"]}
    assert {"ours, cpu", "diffusers UNet2DModel"} <= names
    assert names | set(result["left_out"]) == {c.name for c in script("contestants").small()}
    for row in result["speed"]:
        assert "failed" not in row
        assert 0 < row["images_per_second"]["median"] <= row["images_per_second"]["best"]
        assert row["parameters"] == pytest.approx(633_649, rel=0.1)
    assert {run["rate"] for run in result["loss"]["runs"]} == set(module.RATES)
    for run in result["loss"]["runs"]:
        assert len(run["way"]) == module.MARKS
        assert run["way"][-1]["loss"] < run["way"][0]["loss"] + 0.05
        assert run["way"][-1]["seconds"] >= 0.4


def test_all_see_the_same(script):
    training_speed, contestants = script("training_speed"), script("contestants")
    x_0 = torch.rand(50, 1, 28, 28)
    here, _ = contestants.present(contestants.small())
    learners = [training_speed.Learner(contestant, x_0, torch.device("cpu")) for contestant in here[:2]]
    for learner in learners:
        learner.train(4, 1e-3, 0.2, 0.2, 1)
        learner.begin()
    assert learners[0].steps == learners[1].steps == 0
    first, second = (learner.batch(5) for learner in learners)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
    for learner in learners:
        weights = learner.network.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in learner.first_weights.items())


def test_sampling_speed(script, tmp_path):
    pytest.importorskip("diffusers")
    module = script("sampling_speed")
    result = quick(module, tmp_path / "record.json")
    (sampling,) = result["sampling"]
    for walk in ("ddim", "ancestral"):
        assert sampling[walk]["difference"] < 1e-4  # the same digits from both samplers
        assert min(sampling[walk]["seconds"].values()) > 0
    assert result["mnist_ready"]["mebibytes_peak"] > result["mnist_ready"]["mebibytes_before"]


def test_size(script, tmp_path):
    module = script("size")
    (row,) = quick(module, tmp_path / "record.json")["rows"]
    assert 0 < row["share_of_matrix_rate"]["train"] < 1.5


def test_operations_counted_by_hand(script):
    # One resolution, one block: the first and last convolutions, three blocks down, two in the middle, two up, the linear layers.
    shape = UNetConfig(image_size=8, channels=8, multipliers=(1,), groups=8)
    network, pixels, seen = UNet(shape), 64, 0
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            seen += 2 * pixels * module.weight.numel()  # each weight meets each pixel once
        elif isinstance(module, torch.nn.Linear):
            seen += 2 * module.weight.numel()
    assert script("size").operations(shape)[0] == seen


def test_commands_for_a_card_are_commands():
    shown = subprocess.run(
        ["bash", str(FOLDER / "gpu.sh"), "show"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    ).stdout
    commands = [shlex.split(line) for line in shown.splitlines()]
    ours = [command[3:] for command in commands if command[1:3] == ["-m", "ddpm_edu"]]
    assert {command[0] for command in ours} >= {"train", "evaluate"}
    for command in ours:
        command_line._parser().parse_args(command)
    scripts = [command[1] for command in commands if command[1:2] and re.match(r"benchmarks/.*\.py$", command[1])]
    assert {Path(name).stem for name in scripts} == {"training_speed", "sampling_speed", "size"}
    assert all((FOLDER / Path(name).name).is_file() for name in scripts)
