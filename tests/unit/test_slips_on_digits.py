"""The slips on digits: that the command draws what it says, and that the record in runs/slips belongs to the run."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_edu import diffusion, record, schedules, slips

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "runs" / "slips"


@pytest.fixture
def module(monkeypatch):
    """The script, drawing four digits, two at a time."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = importlib.import_module("slips_on_digits")
    monkeypatch.setattr(script, "N", 4)
    monkeypatch.setattr(script, "TOGETHER", 2)
    return script


def guess(x_t, t):
    """A model of the noise that depends on its input and on the time it is told."""
    return x_t * (0.5 + t / 2000)[:, None, None, None]


def by_hand(model, chain):
    """Four digits by the package's own sampler."""
    start, noise, parts = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1), []
    for _ in range(2):
        x_T = torch.randn(2, 1, 28, 28, generator=start)
        *_, last = diffusion.ancestral(model, x_T, chain.to("cpu"), noise, "beta_tilde")
        parts.append(last.x_t)
    return torch.cat(parts)[:, 0].numpy()


def test_without_a_slip_it_is_the_respaced_chain(module):
    schedule = schedules.linear()
    images, facts = module.drawn("none", guess, schedule)
    kept = schedule.alpha_bar[::10]
    chain = schedules.from_betas(1 - kept[1:] / kept[:-1])
    wanted = by_hand(lambda x_t, k: guess(x_t, 10 * k), chain)
    assert facts["steps"] == 100
    assert facts["strength"] is None
    np.testing.assert_allclose(images, 127.5 * (wanted.clip(-1, 1) + 1), atol=0.51)


def test_each_slip_changes_the_digits(module):
    schedule = schedules.linear()
    right, _ = module.drawn("none", guess, schedule)
    for name in ("no-noise", "scaled-target", "unit-interval", "time-early"):
        images, facts = module.drawn(name, guess, schedule)
        assert images.shape == (4, 28, 28)
        assert facts["clip"] == (name != "unit-interval")
        assert (images != right).mean() > 0.01, name


def test_other_schedules_are_told_the_nearest_time(module):
    known, short = schedules.linear(), schedules.linear(50)
    told = []
    model = module.at_nearest(lambda x_t, t: told.append(int(t[0])), short, known)
    for t in range(1, 51):
        model(None, torch.tensor([t]))
    wanted = [min(range(1, 1001), key=lambda s: abs(math.log(known.snr[s] / short.snr[t]))) for t in range(1, 51)]
    assert told == wanted


def test_what_is_no_number_is_drawn_all_the_same(module):
    images = module.draw(lambda x_T, noise: x_T * float("nan"))
    assert images.dtype == np.uint8
    assert (images == 128).all()


def test_unknown_rows_are_refused(module):
    with pytest.raises(SystemExit, match="no-rot"):
        module.main(["no-rot"])


def test_the_record_is_of_all_slips_and_of_the_recorded_weights(module):
    book = json.loads((FOLDER / "record.json").read_text("utf-8"))
    assert set(book["rows"]) == set(module.ROWS) >= {slip.name for slip in slips.SLIPS} | {"none"}
    assert book["weights_sha256"] == record.sha256(ROOT / "runs" / "cpu" / "weights.safetensors")
    for name, row in book["rows"].items():
        assert math.isfinite(row["frechet"]), name
        assert row["stderr"] >= 0, name
        with Image.open(FOLDER / f"{name}.png") as picture:
            assert picture.size == (6 * 29 - 1, 4 * 29 - 1), name
    assert book["rows"]["kept-range"]["alpha_bar_T"] == pytest.approx(
        math.prod(1 - b for b in np.linspace(1e-4, 0.02, 50))
    )
    assert book["rows"]["no-root"]["bits_more"] > book["rows"]["time-early"]["bits_more"] > 0
