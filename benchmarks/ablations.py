"""What each choice is worth: digits and Fréchet distances with one choice changed at a time, written to runs/ablations/.

Run it with `.venv/bin/python benchmarks/ablations.py` for everything, or name the rows that are to be made anew:
`… ablations.py v cosine ddim-10`. Each row's digits are drawn and kept; then all that are kept are measured, and record.json
and a picture NAME.png of each row's first 24 digits are written. `--draw` only draws, `--measure` only measures.

Two kinds of rows. *Networks* are small ones, trained for a few minutes each, equal in all but what the row names, and all
sampled in the same way. *Samplers* draw from the recorded run `cpu`, in one way each. All start from the same noise.
Two rows are left out unless named: `not-averaged` needs the run's checkpoint, and `ancestral-1000` takes the digits that
`evaluate` has left in the run's folder, since a thousand steps take long.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ddpm_edu import classifier, data, diffusion, distances, forward, plotting, record, schedules, unet

FOLDER = Path(__file__).resolve().parents[1] / "runs" / "ablations"
N = 500  # digits a row
KEPT = 24  # of them go into the picture
N_REFERENCE = 10_000  # training digits that they are compared with
RESAMPLES = 100  # of the drawn digits, for the standard error
BATCH, TRAINING_STEPS, WARM_UP, RATE, KEEP = 32, 400, 40, 2e-3, 0.98
TOGETHER = 64  # digits drawn at once
SHAPE = unet.UNetConfig(channels=16, multipliers=(1, 2, 2))
STEPS = 20  # of the sampler for every network

NETWORKS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "seed-1": {"seed": 1},
    "seed-2": {"seed": 2},
    "v": {"target": "v"},
    "x_0": {"target": "x_0"},
    "T-50": {"T": 50, "beta_1": 0.1 / 50, "beta_T": 20 / 50},
    "T-50-as-it-was": {"T": 50},
    "T-200": {"T": 200, "beta_1": 0.1 / 200, "beta_T": 20 / 200},
    "cosine": {"schedule": "cosine"},
    "log_linear": {"schedule": "log_linear"},
    "constant-rate": {"constant_rate": True},
}
"""What a network has that the baseline has not; the rest is T = 1000, linear, ε, seed 0, a rate that decays to 0."""

SAMPLERS: dict[str, dict[str, Any]] = {
    **{f"ddim-{steps}": {"steps": steps, "eta": 0.0} for steps in (5, 10, 20, 50)},
    **{f"ancestral-{steps}": {"steps": steps, "eta": 1.0} for steps in (5, 10, 20, 50)},
    **{f"beta-{steps}": {"steps": steps, "variance": "beta"} for steps in (10, 20)},
    **{f"ddim-10-{spacing}": {"steps": 10, "eta": 0.0, "spacing": spacing} for spacing in ("quadratic", "log_snr")},
    "ancestral-10-unclipped": {"steps": 10, "eta": 1.0, "clip": False},
    "ancestral-20-unclipped": {"steps": 20, "eta": 1.0, "clip": False},
    "ddim-10-unclipped": {"steps": 10, "eta": 0.0, "clip": False},
    "not-averaged": {"steps": 20, "eta": 1.0, "averaged": False},
    "ancestral-1000": {"steps": 1000, "variance": "beta", "drawn": True},
}
ON_REQUEST = {"not-averaged", "ancestral-1000"}


def main(arguments: list[str]) -> None:
    flags, names = ([a for a in arguments if a.startswith("--") == flag] for flag in (True, False))
    unknown = (set(names) - {*NETWORKS, *SAMPLERS}) | (set(flags) - {"--draw", "--measure"})
    if unknown:
        sys.exit(f"rows must be of {', '.join([*NETWORKS, *SAMPLERS])}, but there was {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if "--measure" not in flags:
        for name in names or [name for name in (*NETWORKS, *SAMPLERS) if name not in ON_REQUEST]:
            for row, images, facts in (trained if name in NETWORKS else sampled)(name):
                record.save_tensors(FOLDER / f"drawn-{row}.safetensors", {"images": torch.from_numpy(images)})
                write({row: facts})
                print(f"{row:24} {facts['seconds']} s", flush=True)
    if "--draw" not in flags:
        measure()


def measure() -> None:
    """Measure all digits that are kept, and write what was found and the pictures."""
    judge = Judge()
    for path in sorted(FOLDER.glob("drawn-*.safetensors")):
        row = path.stem.removeprefix("drawn-")
        images = record.load_tensors(path)["images"].numpy()
        Image.fromarray(plotting.grid(images[:KEPT], columns=6)).save(FOLDER / f"{row}.png", optimize=True)
        facts = judge.measure(images)
        write({row: facts}, {"floor": round(judge.floor, 3), "floor_spread": round(judge.floor_spread, 3)})
        print(f"{row:24} {facts['frechet']:7.2f} ± {facts['stderr']:.2f}", flush=True)


class Judge:
    """The classifier's features of real digits, and the distance of drawn ones from them; the floor is that of n real ones."""

    def __init__(self, n: int = N) -> None:
        self.classifier = classifier.load()
        self.reference = self.features(data.mnist("train").images[:N_REFERENCE])
        real = self.features(data.mnist("test").images)
        floors = [self.distance(real[i : i + n]) for i in range(0, len(real), n)]
        self.floor, self.floor_spread = float(np.mean(floors)), float(np.std(floors, ddof=1))

    def features(self, images: np.ndarray) -> np.ndarray:
        return classifier.features_of(images, self.classifier)

    def distance(self, features: np.ndarray) -> float:
        return distances.frechet_distance(features, self.reference)

    def measure(self, images: np.ndarray) -> dict[str, float]:
        """The distance, and its standard error: how it spreads when the same digits are drawn anew, with repetitions."""
        features, rng = self.features(images), np.random.default_rng(0)
        again = [self.distance(features[rng.integers(len(features), size=len(features))]) for _ in range(RESAMPLES)]
        return {"frechet": round(self.distance(features), 3), "stderr": round(float(np.std(again, ddof=1)), 3)}


def write(rows: dict[str, dict[str, Any]], also: dict[str, Any] | None = None) -> None:
    """Add what is known of some rows, and what holds for all, to record.json."""
    path = FOLDER / "record.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": {}}
    content |= {
        "n": N,
        "reference": f"the first {N_REFERENCE:,} training digits",
        "network": {"channels": SHAPE.channels, "parameters": unet.parameter_count(unet.UNet(SHAPE))},
        "training": {"steps": TRAINING_STEPS, "batch": BATCH, "rate": RATE, "ema": KEEP},
        "sampler": f"{STEPS} steps from T, evenly spaced, η = 1, clipped",
        "machine": record.machine(torch.device("cpu")),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    } | (also or {})
    for row, facts in rows.items():
        content["rows"][row] = content["rows"].get(row, {}) | facts
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def trained(name: str) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Train the network of that name, and draw with its averaged weights; at a constant rate also with the last ones."""
    choice: dict[str, Any] = {
        "target": "eps",
        "schedule": "linear",
        "T": 1000,
        "seed": 0,
        "constant_rate": False,
    } | NETWORKS[name]
    started = time.process_time()
    extra = {key: choice[key] for key in ("beta_1", "beta_T") if key in choice}
    schedule = schedules.by_name(choice["schedule"], choice["T"], **extra)
    network, averaged = train(schedule, choice["target"], choice["seed"], choice["constant_rate"])
    facts = {**choice, "alpha_bar_T": float(schedule.alpha_bar[-1]), "steps": STEPS, "eta": 1.0}
    for row, net in ((name, averaged), (f"{name}-not-averaged", network))[: 1 + choice["constant_rate"]]:
        model = diffusion.NoiseModel(net.eval(), schedule.to("cpu"), choice["target"])
        images = draw(model, schedule.to("cpu"), STEPS, eta=1.0)
        yield row, images, {**facts, "seconds": round(time.process_time() - started, 1)}


def train(
    schedule: schedules.NoiseSchedule, target: str, seed: int, constant_rate: bool
) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A U-Net after all training steps, and the average of its weights: the loop of the chapter on training in short."""
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = unet.UNet(SHAPE).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(KEEP))
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    x_0_all, tensors = data.to_unit_range(data.mnist("train").images), schedule.to("cpu")
    for step in range(TRAINING_STEPS):
        through = max(0.0, (step - WARM_UP) / (TRAINING_STEPS - WARM_UP))
        decay = 1.0 if constant_rate else 0.5 * (1 + np.cos(np.pi * through))
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / WARM_UP) * decay
        x_0 = torch.from_numpy(x_0_all[torch.randint(len(x_0_all), (BATCH,), generator=rng).numpy()])
        t = torch.randint(1, schedule.T + 1, (BATCH,), generator=rng)
        eps = torch.randn(x_0.shape, generator=rng)
        answer = network(forward.q_sample(x_0, t, tensors, eps), t)
        loss = ((answer - diffusion.target(target, x_0, eps, t, tensors)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(network)
    return network, averaged.module


def sampled(name: str) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Draw from the run `cpu` with the sampler of that name."""
    choice: dict[str, Any] = {"spacing": "even", "clip": True, "averaged": True} | SAMPLERS[name]
    run = record.find_run("cpu")
    if choice.pop("drawn", False):
        kept = record.load_tensors(min(run.glob("drawn-*")))
        yield name, kept["images"].numpy()[:N], {**choice, "seconds": None}
        return
    network, config = record.load_run(run)
    if not choice["averaged"]:
        state = record.load_tensors(run / "checkpoint.safetensors")
        last = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
        network.load_state_dict(last)
    schedule = schedules.linear(config.T, config.beta_1, config.beta_T)
    started = time.process_time()
    times = spaced(choice["spacing"], choice["steps"], schedule)
    if "variance" in choice:
        model, schedule = respaced(network, times, schedule)
        chain = {"variance": choice["variance"], "clip": choice["clip"]}
        images = draw(model, schedule.to("cpu"), None, **chain)
    else:
        images = draw(network, schedule.to("cpu"), times, eta=choice["eta"], clip=choice["clip"])
    yield name, images, {**choice, "seconds": round(time.process_time() - started, 1)}


def spaced(spacing: str, steps: int, schedule: schedules.NoiseSchedule) -> list[int]:
    """Falling times from T: evenly spaced in t, in √t, or in the logarithm of the signal-to-noise ratio."""
    share = np.arange(steps, 0, -1) / steps
    if spacing == "log_snr":
        log_snr = np.log(schedule.snr[1:])
        levels = np.linspace(log_snr[-1], log_snr[0], steps)
        times = np.interp(levels, log_snr[::-1], np.arange(schedule.T, 0, -1))
    else:
        times = schedule.T * (share**2 if spacing == "quadratic" else share)
    return [int(t) for t in np.unique(times.round().clip(1))[::-1]]


def respaced(
    network: diffusion.Model, times: list[int], schedule: schedules.NoiseSchedule
) -> tuple[diffusion.Model, schedules.NoiseSchedule]:
    """The chain that is looked at only at the given times: its schedule, and a model that knows which times these are."""
    kept = schedule.alpha_bar[[0, *times[::-1]]]
    asked = torch.tensor([0, *times[::-1]])
    return lambda x_t, t: network(x_t, asked[t]), schedules.from_betas(1 - kept[1:] / kept[:-1])


def draw(
    model: diffusion.Model, schedule: schedules.NoiseSchedule, steps: int | list[int] | None, **options: Any
) -> np.ndarray:
    """N digits, uint8 (N, 28, 28): by `ddim`, or where steps is None by `ancestral`. The same start for all."""
    start, noise = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    parts = []
    for first in range(0, N, TOGETHER):
        x_T = torch.randn(min(TOGETHER, N - first), 1, 28, 28, generator=start)
        x_T = x_T.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            if steps is None:
                chain = diffusion.ancestral(model, x_T, schedule, noise, **options)
            else:
                chain = diffusion.ddim(model, x_T, schedule, steps, rng=noise, **options)
            for sample in chain:
                x_0 = sample.x_t
        parts.append(((x_0.clip(-1, 1) + 1) * 127.5).round().to(torch.uint8)[:, 0].numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    main(sys.argv[1:])
