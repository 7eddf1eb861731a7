"""Drawing digits from a trained run, and measuring how near they come to real ones.

The distances are taken between features of real and of drawn digits. The features are those of a small classifier
trained on MNIST by this package; a distance says nothing across classifiers, so it is always reported beside its
floor: what real test digits score at the same n.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import arguments, classifier, data, diffusion, record, schedules
from .configuration import TrainingConfig
from .distances import frechet_distance
from .plotting import grid
from .unet import UNet


def draw(
    network: UNet,
    config: TrainingConfig,
    n: int,
    sampler: str = "ancestral",
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[str], Any] | None = None,
    keep: Path | None = None,
) -> np.ndarray:
    """Draw n digits from a trained network: uint8, (n, 28, 28).

    sampler: "ancestral" (all T steps, σ² = β, x̂_0 clipped) or "ddim" (`steps` of them, 50 unless given, no fresh noise).
    seed: the same seed gives the same digits on the same machine. progress: called with a line of text after each batch.
    keep: a file for the digits drawn so far, so that a drawing that was stopped, or wants more, goes on from there; it is
    for one network, sampler and seed. Raises ValueError if an argument is out of range.
    """
    n = arguments.integer("n", n, 1)
    arguments.choice("sampler", sampler, ("ancestral", "ddim"))
    if sampler == "ancestral" and steps not in (None, config.T):
        raise ValueError(
            f"steps must be left out with the ancestral sampler, which takes all {config.T}, but it was {steps}"
        )
    device = next(network.parameters()).device
    schedule = schedules.linear(config.T, config.beta_1, config.beta_T).to(device)
    rng = torch.Generator(device).manual_seed(arguments.integer("seed", seed, 0))
    size = config.unet.image_size
    drawn = np.empty((0, size, size), np.uint8)
    if keep is not None and keep.is_file():
        kept = record.load_tensors(keep)
        drawn = kept["images"].numpy()
        rng.set_state(kept["rng"])
    started, already = time.perf_counter(), len(drawn)
    together = 64 if device.type == "cpu" else 1000  # 64 keep a CPU's caches warm; a GPU wants many
    while len(drawn) < n:
        x_T = torch.randn(min(together, n - len(drawn)), 1, size, size, generator=rng, device=device)
        x_T = x_T.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            if sampler == "ancestral":
                chain = diffusion.ancestral(network, x_T, schedule, rng)
            else:
                chain = diffusion.ddim(network, x_T, schedule, 50 if steps is None else steps)
            for sample in chain:
                x_0 = sample.x_t
        drawn = np.concatenate([drawn, to_grey(x_0)])
        if keep is not None and len(drawn) % together == 0:
            record.save_tensors(keep, {"images": torch.from_numpy(drawn), "rng": rng.get_state()})
        if progress:
            spent = time.perf_counter() - started
            progress(f"{len(drawn):,} of {n:,} digits drawn, {(len(drawn) - already) / spent:.2f} a second")
    return drawn[:n]


def to_grey(x_0: Tensor) -> np.ndarray:
    """Images in [−1, 1], (B, 1, H, W), as grey values 0…255: uint8, (B, H, W)."""
    return ((x_0.clip(-1, 1) + 1) * 127.5).round().to(torch.uint8)[:, 0].cpu().numpy()


def save_grid(images: np.ndarray, path: str | Path) -> None:
    """Write images, uint8 (N, H, W), as one square-ish grid in a PNG; raises as `check_picture` does."""
    import matplotlib.image

    check_picture(path)
    matplotlib.image.imsave(path, grid(images), cmap="gray", vmin=0, vmax=255)


def check_picture(path: str | Path) -> None:
    """Raise ValueError if the path does not end in .png, FileNotFoundError or PermissionError if its folder cannot be written to."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"out must end in .png, but it was {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"out must lie in a folder that exists, but there is no {str(path.parent)!r}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"out must lie in a folder that can be written to, but {str(path.parent)!r} cannot")


def evaluate(
    run: str | Path, n: int = 2000, device: str = "cpu", seed: int = 0, progress: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Draw n digits from a run, measure them, and add the results to its metrics.json and samples.png.

    The reference is all 60,000 training digits. The floor is the mean distance of disjoint draws of n real test digits
    to the same reference, so both carry the same bias of a finite n.

    n: from 2 to 10,000. Returns the metrics. Raises FileNotFoundError if the run or the classifier is missing, ValueError if n is out of range.
    """
    run = Path(run)
    n = arguments.integer("n", n, 2, 10_000)
    network, config = record.load_run(run, device)
    judge = classifier.load(device)
    train, test = data.mnist("train").images, data.mnist("test").images
    weights = record.sha256(run / "weights.safetensors")
    samples = draw(
        network, config, n, seed=seed, progress=progress, keep=run / f"drawn-{weights[:8]}-{seed}.safetensors"
    )
    save_grid(samples[:64], run / "samples.png")

    reference, real = classifier.features_of(train, judge), classifier.features_of(test, judge)
    order = np.random.default_rng(seed).permutation(len(real))
    floors = [frechet_distance(real[order[i : i + n]], reference) for i in range(0, len(real) - n + 1, n)]
    path = run / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    metrics |= {
        "frechet": frechet_distance(classifier.features_of(samples, judge), reference),
        "frechet_floor": float(np.mean(floors)),
        "frechet_n": n,
        "sampler": f"ancestral, {config.T} steps, σ² = β, clipped",
        "seed": seed,
        "classifier_sha256": record.sha256(record.find_run("classifier") / "weights.safetensors"),
        "evaluated_on": record.machine(torch.device(device)) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    record.write_whole(path, (json.dumps(metrics, indent=2, ensure_ascii=False) + "\n").encode())
    return metrics
