"""The classifier whose features describe a digit wherever digits are measured: the network, its training, its record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import arguments, data, distributed, record

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


def load(device: str = "cpu") -> Classifier:
    """The recorded classifier.

    Raises FileNotFoundError if there is none, ValueError if its weights are cut, foreign, or not those of its metrics.json.
    """
    classifier = Classifier()
    try:
        classifier.load_state_dict(record.load_weights(record.find_run("classifier")))
    except RuntimeError as error:
        raise ValueError(
            f"weights.safetensors must fit the classifier, but it does not: {record.in_one_line(error)}"
        ) from None
    return classifier.to(distributed.check_device(device)).eval()


def features_of(images: np.ndarray, classifier: Classifier) -> np.ndarray:
    """The classifier's features of images, uint8 (N, 28, 28): float64, (N, 64)."""
    device = next(classifier.parameters()).device
    with torch.inference_mode():
        parts = [
            classifier.features(torch.from_numpy(data.to_unit_range(part)).to(device)).cpu().numpy()
            for part in np.split(images, range(1000, len(images), 1000))
        ]
    return np.concatenate(parts).astype(np.float64)


def labels_of(images: np.ndarray, classifier: Classifier) -> np.ndarray:
    """Which digit the classifier takes each image for: uint8 (N, 28, 28) becomes whole numbers from 0…9, (N,)."""
    features = torch.from_numpy(features_of(images, classifier)).to(classifier.to_scores.weight)
    with torch.inference_mode():
        return classifier.to_scores(features).argmax(1).cpu().numpy()


def train(
    directory: str | Path, device: str = "cpu", epochs: int = 8, progress: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Train the classifier on MNIST's training digits, shifted at random by up to two pixels, and record it in `directory`.

    Returns what it writes to metrics.json: the accuracy on the test digits, which training never sees, and the machine.
    Raises ValueError if epochs is below 1.
    """
    directory = Path(directory)
    epochs = arguments.integer("epochs", epochs, 1)
    on = distributed.check_device(device)
    record.make_folder(directory)
    digits, test = data.mnist("train"), data.mnist("test")
    x, labels = (
        torch.from_numpy(data.to_unit_range(digits.images)).to(on),
        torch.from_numpy(digits.labels.astype(int)).to(on),
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
    accuracy = float((labels_of(test.images, classifier) == test.labels).mean())
    tensors = {name: value.detach().cpu().contiguous() for name, value in classifier.state_dict().items()}
    record.save_tensors(directory / "weights.safetensors", tensors)
    metrics = {
        "test_accuracy": accuracy,
        "epochs": epochs,
        "weights_sha256": record.sha256(directory / "weights.safetensors"),
        "trained_on": record.machine(on) | {"date": time.strftime("%Y-%m-%d", time.gmtime())},
    }
    record.write_whole(directory / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return metrics


def _convolution(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
