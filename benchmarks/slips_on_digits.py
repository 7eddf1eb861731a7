"""What each slip of the museum does to digits: grids and Fréchet distances of the run `cpu`, written to runs/slips/.

Run it with `.venv/bin/python benchmarks/slips_on_digits.py` for everything, or name the rows that are to be made anew:
`… slips_on_digits.py no-root last-noise`. Each row's digits are drawn and kept; then all that are kept are measured, and record.json
and a picture NAME.png of each row's first 24 digits are written. `--draw` only draws, `--measure` only measures, and
`--bits` does neither.

Nothing is trained. All rows start from the same noise and draw with the same network: a slip in sampling is made by the
sampler, and a slip in training by `slips.learnt`, which turns the network's answers into those that training would have led to.
The chain is the one of the run, looked at 100 times. The rows of `kept-range` have 50 steps of schedules of their own, and
tell the network the time whose signal-to-noise ratio is nearest. `--bits` asks test digits what some slips cost in bits per
dimension, with all 1000 steps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ablations import KEPT, N_REFERENCE, Judge, respaced, spaced
from PIL import Image

from ddpm_edu import data, diffusion, likelihood, plotting, record, schedules, slips

FOLDER = Path(__file__).resolve().parents[1] / "runs" / "slips"
N = 256  # digits a row
TOGETHER = 64  # of them drawn at once
STEPS = 100
VARIANCE = "beta_tilde"
DIGITS, GROUPS, REPEATS = 200, 4, 10  # test digits in a group, groups, and questions about each digit: for the bits


class Row(NamedTuple):
    """One way of drawing: a slip in training, the same or none in sampling, and how strong it is."""

    trained: slips.Slip
    sampled: slips.Slip
    strength: float | None = None


def _rows() -> dict[str, Row]:
    rows = {"none": Row(slips.RIGHT, slips.RIGHT), "none-50": Row(slips.RIGHT, slips.RIGHT)}
    rows |= {slip.name: Row(slip, slip) for slip in slips.SLIPS}
    clip, never = slips.BY_NAME["unused-clip"], slips.BY_NAME["never-visited"]
    rows["unused-clip-mended"] = Row(clip, slips.RIGHT)  # the same error of the network, and a clip that is used
    rows["unused-clip-no-error"] = Row(clip, clip, 0.0)
    rows["never-visited-once"] = Row(never, never, 0.0)
    return rows


ROWS = _rows()


def main(arguments: list[str]) -> None:
    flags, names = ([a for a in arguments if a.startswith("--") == flag] for flag in (True, False))
    unknown = (set(names) - set(ROWS)) | (set(flags) - {"--draw", "--measure", "--bits"})
    if unknown:
        sys.exit(f"rows must be of {', '.join(ROWS)}, but there was {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    network, config = record.load_run(record.find_run("cpu"))
    schedule = config.make_schedule()
    if not {"--measure", "--bits"} & set(flags):
        for name in names or ROWS:
            images, facts = drawn(name, network, schedule)
            record.save_tensors(FOLDER / f"drawn-{name}.safetensors", {"images": torch.from_numpy(images)})
            write({name: facts})
            print(f"{name:24} {facts['seconds']} s", flush=True)
    if not {"--draw", "--bits"} & set(flags):
        measure()
    if not {"--draw", "--measure"} & set(flags):
        count_bits(network, schedule)


def drawn(name: str, network: diffusion.Model, schedule: schedules.NoiseSchedule) -> tuple[np.ndarray, dict[str, Any]]:
    """The digits of a row, uint8 (N, 28, 28), and how they were drawn."""
    row, started = ROWS[name], time.process_time()
    if name in ("none-50", "kept-range"):
        chain = row.sampled.schedule(slips.BY_NAME["kept-range"].T)
        model = at_nearest(network, chain, schedule)
    else:
        model, chain = respaced(network, spaced("even", STEPS, schedule), schedule)
    model = slips.learnt(model, chain, row.trained, row.strength)
    clip = name != "unit-interval"  # its data does not reach −1, and the border at 1 would be the wrong one
    strength = row.strength if row.sampled.strength else None
    images = draw(lambda x_T, noise: _last(model, x_T, chain, noise, row.sampled, strength, clip))
    power = row.trained.strength_of(row.strength) if row.trained.strength else None
    return images, {
        "steps": chain.T,
        "alpha_bar_T": float(chain.alpha_bar[-1]),
        "clip": clip,
        "strength": power,
        "seconds": round(time.process_time() - started, 1),
    }


def _last(
    model: diffusion.Model,
    x_T: torch.Tensor,
    chain: schedules.NoiseSchedule,
    noise: torch.Generator,
    slip: slips.Slip,
    strength: float | None,
    clip: bool,
) -> torch.Tensor:
    *_, sample = slips.ancestral(model, x_T, chain.to("cpu"), noise, slip, strength, VARIANCE, clip)
    return sample.x_t


def at_nearest(
    network: diffusion.Model, chain: schedules.NoiseSchedule, known: schedules.NoiseSchedule
) -> diffusion.Model:
    """The network at the times of another schedule: it is told that one of its own with the nearest signal-to-noise ratio."""
    gaps = np.abs(np.log(chain.snr[1:])[:, None] - np.log(known.snr[1:]))
    asked = torch.tensor([0, *(1 + gaps.argmin(axis=1)).tolist()])
    return lambda x_t, t: network(x_t, asked[t])


def draw(walk: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> np.ndarray:
    """N digits, uint8 (N, 28, 28): what the walk makes of the starting noise, which is the same for all rows."""
    start, noise = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    parts = []
    for first in range(0, N, TOGETHER):
        x_T = torch.randn(min(TOGETHER, N - first), 1, 28, 28, generator=start)
        with torch.inference_mode():
            x_0 = walk(x_T.contiguous(memory_format=torch.channels_last), noise).nan_to_num()
        parts.append(((x_0.clip(-1, 1) + 1) * 127.5).round().to(torch.uint8)[:, 0].numpy())
    return np.concatenate(parts)


def measure() -> None:
    """Measure all digits that are kept, and write what was found and the pictures."""
    judge = Judge(N)
    for name in ROWS:
        path = FOLDER / f"drawn-{name}.safetensors"
        if not path.is_file():
            continue
        images = record.load_tensors(path)["images"].numpy()
        Image.fromarray(plotting.grid(images[:KEPT], columns=6)).save(FOLDER / f"{name}.png", optimize=True)
        facts = judge.measure(images)
        write({name: facts}, {"floor": round(judge.floor, 3), "floor_spread": round(judge.floor_spread, 3)})
        print(f"{name:24} {facts['frechet']:8.2f} ± {facts['stderr']:.2f}", flush=True)


def count_bits(network: diffusion.Model, schedule: schedules.NoiseSchedule) -> None:
    """What a slip costs in bits per dimension: the difference from none on the same digits with the same times and noise."""
    x_0 = torch.from_numpy(data.to_unit_range(data.mnist("test").images[: DIGITS * GROUPS]))
    models: dict[str, tuple[diffusion.Model, Any]] = {
        "none": (network, VARIANCE),
        "no-root": (network, likelihood.variances(VARIANCE, schedule) ** 2),
        "time-early": (lambda x_t, t: network(x_t, t - 1), VARIANCE),
        "never-visited-once": (lambda x_t, t: network(x_t, t) * (t < schedule.T)[:, None, None, None], VARIANCE),
    }
    found, right = {}, np.zeros(GROUPS)
    for name, (model, variance) in models.items():
        totals = []
        for group, part in enumerate(x_0.split(DIGITS)):
            rng = torch.Generator().manual_seed(group)
            with torch.inference_mode():
                totals.append(likelihood.ledger(model, schedule.to("cpu"), part, variance, REPEATS, rng).bits_per_dim)
        right = np.array(totals) if name == "none" else right
        more = np.array(totals) - right
        found[name] = {"bits_per_dim": round(float(np.mean(totals)), 4), "bits_more": round(float(more.mean()), 4)}
        found[name]["bits_more_stderr"] = round(float(more.std(ddof=1) / GROUPS**0.5), 4)
        print(f"{name:24} {found[name]['bits_per_dim']} bits", flush=True)
    asked = {"digits": DIGITS * GROUPS, "questions": DIGITS * GROUPS * (REPEATS + 1), "steps": schedule.T}
    write(found, {"bits": asked})


def write(rows: dict[str, dict[str, Any]], also: dict[str, Any] | None = None) -> None:
    """Add what is known of some rows, and what holds for all, to record.json."""
    path = FOLDER / "record.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": {}}
    content |= {
        "n": N,
        "reference": f"the first {N_REFERENCE:,} training digits",
        "run": "cpu",
        "weights_sha256": record.sha256(record.find_run("cpu") / "weights.safetensors"),
        "sampler": f"ancestral, {STEPS} of the 1000 steps, evenly spaced, σ² = β̃",
        "seeds": {"x_T": 0, "z": 1},
        "machine": record.machine(torch.device("cpu")),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    } | (also or {})
    for row, facts in rows.items():
        content["rows"][row] = content["rows"].get(row, {}) | facts
    record.write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
