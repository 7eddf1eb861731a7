"""What the page gets of a trained network: every weight in half precision, in pieces that fit together again."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ddpm_edu import configuration, record
from ddpm_edu.unet import UNet, UNetConfig
from ddpm_edu.widgets import weights


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    largest: float = 1.0,
    shape: dict[str, Any] | None = None,
    **settings: Any,
) -> str:
    """Write a small run with random weights; its name."""
    unet = UNetConfig(channels=8, multipliers=(1, 2), **(shape or {}))
    config = configuration.TrainingConfig(unet, **settings)
    network = UNet(unet)
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter)
    network.last[2].bias.data.fill_(largest)
    folder.mkdir()
    (folder / "config.json").write_text(config.to_json(), "utf8")
    record.save_tensors(folder / "weights.safetensors", dict(network.state_dict()))
    monkeypatch.setattr(record, "find_run", lambda name: folder)
    return str(folder)


def unpacked(scripts: dict[str, str]) -> tuple[dict, bytes, np.ndarray]:
    """Put the scripts' pieces together as the page does."""
    pieces = {}
    for name, text in scripts.items():
        found = re.fullmatch(r"\(window\.ddpmWeights = window\.ddpmWeights \|\| \[\]\)\[(\d+)\] = (.*);\n", text)
        assert found
        assert name == f"digits-weights-{found[1]}.js"
        pieces[int(found[1])] = json.loads(found[2])
    first = pieces.pop(0)
    assert sorted(pieces) == list(range(1, first["count"] + 1))
    data = b"".join(base64.b64decode(pieces[k], validate=True) for k in sorted(pieces))
    return first["description"], base64.b64decode(first["program"]), np.frombuffer(data, "<f2")


def test_the_scripts_hold_every_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = run(tmp_path / "run", monkeypatch, schedule="log_linear", T=60)
    description, program, halves = unpacked(weights.scripts(name))
    network, config = record.load_run(tmp_path / "run")
    assert program == (Path(weights.__file__).parent / "unet.wasm").read_bytes()
    assert program[:4] == b"\0asm"
    assert description["T"] == 60
    assert description["beta"] == config.make_schedule().beta.tolist()
    assert configuration.UNetConfig(**description["unet"]) == config.unet
    assert description["parameters"] == len(halves) == sum(p.numel() for p in network.parameters())
    place = 0
    for (name, shape), (wanted, tensor) in zip(description["tensors"], network.state_dict().items(), strict=True):
        assert (name, shape) == (wanted, list(tensor.shape))
        found = halves[place : place + tensor.numel()].reshape(shape).astype(np.float32)
        np.testing.assert_array_equal(found, tensor.half().float().numpy())
        place += tensor.numel()
    assert place == len(halves)


def test_the_scripts_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = run(tmp_path / "run", monkeypatch)
    weights.write_scripts(tmp_path / "new" / "pages", name)
    files = sorted((tmp_path / "new" / "pages").iterdir())
    assert len(files) == weights.PIECES + 1
    assert sum(path.stat().st_size for path in files) == weights.size(name)
    (files[2]).write_text("spoilt", "utf8")
    before = files[1].stat().st_mtime_ns
    weights.write_scripts(tmp_path / "new" / "pages", name)
    assert files[2].read_text("utf8") == weights.scripts(name)[files[2].name]
    assert files[1].stat().st_mtime_ns == before


def test_runs_that_the_page_cannot_draw_with_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = run(tmp_path / "v", monkeypatch, target="v")
    with pytest.raises(ValueError, match=r"target is 'eps', but that of .* is 'v'"):
        weights.parcel(other)
    assert weights.size(other) == 0
    two = run(tmp_path / "two", monkeypatch, shape={"outputs": 2}, variance="learned")
    with pytest.raises(ValueError, match=r"one output, but .* 2 outputs"):
        weights.parcel(two)
    for k, shape in enumerate([{"attention": (14,)}, {"fourier": (3,)}]):
        other = run(tmp_path / str(k), monkeypatch, shape=shape)
        with pytest.raises(ValueError, match=r"without attention, without Fourier features"):
            weights.parcel(other)
    large = run(tmp_path / "large", monkeypatch, largest=70000.0)
    with pytest.raises(ValueError, match="half precision"):
        weights.parcel(large)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match="name must be a recorded run"):
        weights.parcel("no such run")


def test_the_page_s_run_can_be_packed() -> None:
    description, _, halves = weights.parcel()
    assert description["run"] == weights.RUN
    assert len(halves) == 2 * description["parameters"]
    assert 1_000_000 < weights.size() < 2_000_000
