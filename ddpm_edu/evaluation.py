"""Drawing digits from a trained run, and measuring how near they come to real ones.

The measure is the Fréchet distance between Gaussians fitted to features of real and of drawn digits. The features are
those of a small classifier trained on MNIST by this package; the distance says nothing across classifiers, so it is
always reported beside its floor: what real test digits score at the same n.
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
from torch import Tensor, nn
from torch.nn import functional as F

from . import arguments, data, diffusion, schedules, training
from .plotting import grid
from .unet import UNet

N_FEATURES = 64


class Classifier(nn.Module):
    """Four convolutions and two linear layers that tell the ten digits apart; the features stand before the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_convolution(1, 32), *_convolution(32, 32), nn.MaxPool2d(2),
            *_convolution(32, 64), *_convolution(64, 64), nn.MaxPool2d(2),
        )  # fmt: skip
        self.to_features = nn.Linear(64 * 7 * 7, N_FEATURES)
        self.to_scores = nn.Linear(N_FEATURES, 10)

    def features(self, x: Tensor) -> Tensor:
        """x: (B, 1, 28, 28) in [−1, 1]. Returns (B, 64)."""
        return F.relu(self.to_features(self.convolutions(x).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 1, 28, 28) in [−1, 1]. Returns (B, 10), a score for each digit."""
        return self.to_scores(F.dropout(self.features(x), 0.3, self.training))


def frechet_distance(features_1: np.ndarray, features_2: np.ndarray) -> float:
    """The squared Fréchet distance between Gaussians fitted to two sets of features.

    features_1: (N, D); features_2: (M, D), with N and M above 1. Returns ‖μ₁−μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½); it is 0 for equal
    sets, and for two samples of the same law it falls about as 1/n. Raises ValueError if the shapes do not fit.

    Source: Heusel et al. 2017, equation 6.
    """
    features_1, features_2 = (
        arguments.array(name, features, 2)
        for name, features in (("features_1", features_1), ("features_2", features_2))
    )
    if features_1.shape[1] != features_2.shape[1] or min(len(features_1), len(features_2)) < 2:
        raise ValueError(
            "features_1 and features_2 must have shapes (N, D) and (M, D) with N, M ≥ 2, "
            f"but they had {features_1.shape} and {features_2.shape}"
        )
    mean_gap = features_1.mean(axis=0) - features_2.mean(axis=0)
    covariance_1, covariance_2 = (np.atleast_2d(np.cov(f, rowvar=False)) for f in (features_1, features_2))
    # tr (Σ₁Σ₂)^½ is the sum of the square roots of the eigenvalues of the symmetric Σ₁^½ Σ₂ Σ₁^½.
    values, vectors = np.linalg.eigh(covariance_1)
    root_1 = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root_1 @ covariance_2 @ root_1).clip(0)).sum()
    return float(mean_gap @ mean_gap + np.trace(covariance_1) + np.trace(covariance_2) - 2 * cross)


def draw(
    network: UNet,
    config: training.TrainingConfig,
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
        kept = training.load_tensors(keep)
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
            training.save_tensors(keep, {"images": torch.from_numpy(drawn), "rng": rng.get_state()})
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


def features_of(images: np.ndarray, classifier: Classifier) -> np.ndarray:
    """The classifier's features of images, uint8 (N, 28, 28): float64, (N, 64)."""
    device = next(classifier.parameters()).device
    with torch.inference_mode():
        parts = [
            classifier.features(torch.from_numpy(data.to_unit_range(part)).to(device)).cpu().numpy()
            for part in np.split(images, range(1000, len(images), 1000))
        ]
    return np.concatenate(parts).astype(np.float64)


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
    network, config = training.load_run(run, device)
    classifier = load_classifier(device)
    train, test = data.mnist("train").images, data.mnist("test").images
    weights = training.sha256(run / "weights.safetensors")
    samples = draw(
        network, config, n, seed=seed, progress=progress, keep=run / f"drawn-{weights[:8]}-{seed}.safetensors"
    )
    save_grid(samples[:64], run / "samples.png")

    reference, real = features_of(train, classifier), features_of(test, classifier)
    order = np.random.default_rng(seed).permutation(len(real))
    floors = [frechet_distance(real[order[i : i + n]], reference) for i in range(0, len(real) - n + 1, n)]
    path = run / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    metrics |= {
        "frechet": frechet_distance(features_of(samples, classifier), reference),
        "frechet_floor": float(np.mean(floors)),
        "frechet_n": n,
        "sampler": f"ancestral, {config.T} steps, σ² = β, clipped",
        "seed": seed,
        "classifier_sha256": training.sha256(training.find_run("classifier") / "weights.safetensors"),
        "evaluated_on": training.machine(torch.device(device)) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    training.write_whole(path, (json.dumps(metrics, indent=2, ensure_ascii=False) + "\n").encode())
    return metrics


def load_classifier(device: str = "cpu") -> Classifier:
    """The recorded classifier. Raises FileNotFoundError if there is none, ValueError if its weights are cut or foreign."""
    classifier = Classifier()
    try:
        classifier.load_state_dict(training.load_tensors(training.find_run("classifier") / "weights.safetensors"))
    except RuntimeError as error:
        raise ValueError(
            f"weights.safetensors must fit the classifier, but it does not: {training.in_one_line(error)}"
        ) from None
    return classifier.to(training.check_device(device)).eval()


def train_classifier(
    directory: str | Path, device: str = "cpu", epochs: int = 8, progress: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Train the classifier on MNIST's training digits, shifted at random by up to two pixels, and record it in `directory`.

    Returns what it writes to metrics.json: the accuracy on the test digits, which training never sees, and the machine.
    Raises ValueError if epochs is below 1.
    """
    directory = Path(directory)
    epochs = arguments.integer("epochs", epochs, 1)
    on = training.check_device(device)
    training.make_folder(directory)
    train, test = data.mnist("train"), data.mnist("test")
    x, labels = (
        torch.from_numpy(data.to_unit_range(train.images)).to(on),
        torch.from_numpy(train.labels.astype(int)).to(on),
    )
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = Classifier().to(on).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(classifier.parameters(), weight_decay=0.01)
        batch = 128
        per_epoch = len(x) // batch
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * per_epoch)
        for epoch in range(epochs):
            order = torch.randperm(len(x), generator=rng).to(on)
            for chosen in order[: per_epoch * batch].split(batch):
                top, left = torch.randint(0, 5, (2,), generator=rng).tolist()
                shifted = F.pad(x[chosen], (2, 2, 2, 2), value=-1.0)[:, :, top : top + 28, left : left + 28]
                loss = F.cross_entropy(classifier(shifted), labels[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate.step()
            if progress:
                progress(f"epoch {epoch + 1} of {epochs}: loss {loss.item():.4f}")
    classifier.eval()
    features = torch.from_numpy(features_of(test.images, classifier)).to(on, torch.float32)
    with torch.inference_mode():
        accuracy = float((classifier.to_scores(features).argmax(1).cpu().numpy() == test.labels).mean())
    tensors = {name: value.detach().cpu().contiguous() for name, value in classifier.state_dict().items()}
    training.save_tensors(directory / "weights.safetensors", tensors)
    metrics = {
        "test_accuracy": accuracy,
        "epochs": epochs,
        "weights_sha256": training.sha256(directory / "weights.safetensors"),
        "trained_on": training.machine(on) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    training.write_whole(directory / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return metrics


def _convolution(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
