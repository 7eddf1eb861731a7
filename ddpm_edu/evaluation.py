"""Drawing digits from a trained run, and measuring how near they come to real ones.

The distances are taken between features of real and of drawn digits. The features are those of a small classifier
trained on MNIST by this package; a distance says nothing across classifiers, so it is always reported beside its
floor: what real test digits score at the same n.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import arguments, classifier, data, diffusion, distributed, record
from .configuration import TrainingConfig
from .distances import frechet_distance, jackknife, kernel_distance, label_balance, nearest, precision_recall
from .plotting import grid
from .unet import UNet

SAMPLERS = ("ancestral", "ddim")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Which quantiles of the distances to the nearest training digits are recorded."""


def draw(
    network: UNet,
    config: TrainingConfig,
    n: int,
    sampler: str = "ancestral",
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[str], Any] | None = None,
    keep: Path | None = None,
    eta: float = 0.0,
) -> np.ndarray:
    """Draw n digits from a trained network: uint8, (n, 28, 28).

    sampler: "ancestral" (all T steps, with the configuration's σ²) or "ddim" (`steps` of them, 50 unless given, and `eta` as the
    share of fresh noise); x̂_0 is held within [−1, 1]. seed: the same seed gives the same digits on the same machine.
    progress: called with a line of text after each batch.
    keep: a file for the digits drawn so far, so that a drawing that was stopped, or wants more, goes on from there; it is
    for one network, sampler, seed and device. Raises ValueError if an argument is out of range.
    """
    n = arguments.integer("n", n, 1)
    steps = _check_sampler(sampler, steps, eta, config)
    device = next(network.parameters()).device
    schedule = config.make_schedule().to(device)
    eps_theta = config.noise_model(network, schedule)
    rng = torch.Generator(device).manual_seed(arguments.integer("seed", seed, 0))
    size = config.unet.image_size
    together = 64 if device.type == "cpu" else 1000  # 64 keep a CPU's caches warm; a GPU wants many
    drawn, seconds = _take_up(keep, n, together, rng, np.empty((0, size, size), np.uint8))
    already, before = len(drawn), seconds
    state = rng.get_state()
    while len(drawn) < n:
        started = time.perf_counter()
        x_T = torch.randn(min(together, n - len(drawn)), 1, size, size, generator=rng, device=device)
        x_T = x_T.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            if sampler == "ancestral":
                chain = diffusion.ancestral(eps_theta, x_T, schedule, rng, config.variance)
            else:
                chain = diffusion.ddim(eps_theta, x_T, schedule, steps, eta, rng)
            for sample in chain:
                x_0 = sample.x_t
        drawn = np.concatenate([drawn, to_grey(x_0)])
        seconds += time.perf_counter() - started
        if len(drawn) % together == 0:
            state = rng.get_state()
        if keep is not None:
            kept = {"images": torch.from_numpy(drawn), "rng": state, "seconds": torch.tensor(seconds)}
            record.save_tensors(keep, kept)
        if progress:
            rate = (len(drawn) - already) / (seconds - before)
            progress(f"{len(drawn):,} of {n:,} digits drawn, {rate:.2f} a second")
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


def measure(
    drawn: np.ndarray,
    train: data.Digits,
    test: data.Digits,
    judge: classifier.Classifier,
    parts: int = 5,
    progress: Callable[[str], Any] | None = None,
) -> dict[str, Any]:
    """How near drawn digits come to real ones, and the same for real ones that the network has never seen.

    A distance depends on how many are compared, so each goes with its floor: what as many test digits score against the very same
    training digits. The Fréchet distance of n drawn digits is taken against n training digits, as is that of n test digits, and
    averaged over up to ten choices of those n, none of which share a digit. Test digits differ a little from the training digits
    in what the classifier, which was trained on the latter, sees in them; a network that only repeats training digits can go
    below the floor, down to `frechet_copies`.

    drawn: uint8, (n, 28, 28) with n from 20 to the number of test digits and half the number of training digits, in random
    order. judge: the classifier. parts: how many equal parts of the drawn digits are measured on their own as well, from 1 to n / 4.
    Returns, where (real) stands for the same with test digits in place of drawn ones:
    frechet, frechet_stderr, frechet_floor (real), frechet_copies (other training digits), frechet_n;
    frechet_parts: n of a part, and the distances of the drawn and of real parts;
    frechet_all: distances of drawn and real digits from all training digits, not only as many;
    kernel, kernel_stderr, kernel_floor and kernel_floor_stderr (real): against up to 10 n training digits, the floor with all test
    digits, since this distance does not depend on how many are compared; precision, recall, real_precision and real_recall (real);
    labels: counts, expected, total_variation, p_value; nearest: quantiles and, in pixels (an image is 28 × 28 numbers from 0 to 1)
    and in features, the distances to the nearest training digit that belong to them, and the share below the first of the real ones.
    Raises ValueError if n or parts is out of range.
    """
    n = arguments.integer("n", len(drawn), 20, min(len(test.images), len(train.images) // 2))
    parts = arguments.integer("parts", parts, 1, n // 4)
    tell = progress or (lambda line: None)
    train_order, test_order = _orders(train, test)
    tell("features of the drawn, the test and the training digits")
    seen = classifier.features_of(drawn, judge)
    real = classifier.features_of(test.images[test_order], judge)
    known = classifier.features_of(train.images[train_order], judge)

    tell("distances between crowds")
    of_drawn, of_real, copies = _frechet(seen, real, known, n)
    of_parts, of_real_parts, _ = _frechet(seen, real, known, n // parts)
    part = real[:n]
    kernel, kernel_floor = (kernel_distance(crowd, known[: 10 * n]) for crowd in (seen, real))
    shares, real_shares = precision_recall(known[:n], seen), precision_recall(known[:n], part)
    balance = label_balance(classifier.labels_of(drawn, judge), train.labels)
    tell("nearest training digits")
    of_test = test.images[test_order[:n]]
    pixels = [nearest(images, train.images).distance / 255 for images in (drawn, of_test)]
    features = [nearest(crowd, known).distance for crowd in (seen, part)]
    return {
        "frechet": float(np.mean(of_drawn)),
        "frechet_stderr": jackknife(lambda crowd: float(np.mean(_against(crowd, known, n))), seen),
        "frechet_floor": float(np.mean(of_real)),
        "frechet_copies": copies,
        "frechet_n": n,
        "frechet_parts": {"n": n // parts, "drawn": of_parts, "real": of_real_parts},
        "frechet_all": {"drawn": frechet_distance(seen, known), "real": frechet_distance(part, known)},
        "kernel": kernel.value,
        "kernel_stderr": kernel.stderr,
        "kernel_floor": kernel_floor.value,
        "kernel_floor_stderr": kernel_floor.stderr,
        "precision": shares.precision,
        "recall": shares.recall,
        "real_precision": real_shares.precision,
        "real_recall": real_shares.recall,
        "labels": {
            "counts": balance.counts.tolist(),
            "expected": balance.expected.round(2).tolist(),
            "total_variation": balance.total_variation,
            "p_value": balance.p_value,
        },
        "nearest": {"quantiles": QUANTILES, "pixels": _neighbours(*pixels), "features": _neighbours(*features)},
    }


def evaluate(
    run: str | Path,
    n: int = 10_000,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[str], Any] | None = None,
    sampler: str = "ancestral",
    steps: int | None = None,
    eta: float = 0.0,
    seeds: int = 5,
    only: str | None = None,
    digits: int = 10_000,
) -> dict[str, Any]:
    """Measure a run: draw n digits from it and `measure` them, and find the bits per dimension of test digits.

    n: from 20 to 10,000, in equal shares from `seeds` seeds, the first of which is `seed`. sampler, steps, eta: as in `draw`.
    digits: how many test digits for the likelihood, the first ones. only: "digits" or "likelihood" leaves the other out, "curve" takes
    the weights that training kept on its way instead, with DDIM: see `curve`. With several processes, each draws for some of the
    seeds, and the first one measures.

    The results go to the run's metrics.json, and a picture of 64 digits beside it. `samplers` holds one entry for each way of
    sampling the present weights; the one with the most digits, the latest of those, stands at the top level too.
    Returns the metrics. Raises FileNotFoundError if the run or the classifier is missing, ValueError if an argument is out of range.
    """
    run = Path(run)
    n = arguments.integer("n", n, 20, 10_000)
    seeds = arguments.integer("seeds", seeds, 1, n // 4)
    if only is not None:
        arguments.choice("only", only, ("digits", "likelihood", "curve"))
    results: dict[str, Any] = {}
    if only in (None, "digits"):
        results |= _evaluate_digits(run, n, device, seed, progress, sampler, steps, eta, seeds)
    if only == "curve":
        results |= {"curve": curve(run, n, device, seed, progress, 50 if steps is None else steps)}
    if only in (None, "likelihood"):
        from . import likelihood

        results |= likelihood.evaluate(run, device, progress, digits)
    metrics = record.read_metrics(run) | results
    if distributed.is_first():
        record.write_whole(run / "metrics.json", (json.dumps(metrics, indent=2, ensure_ascii=False) + "\n").encode())
    return metrics


def curve(
    run: str | Path,
    n: int = 2000,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[str], Any] | None = None,
    steps: int = 50,
) -> dict[str, Any]:
    """How the Fréchet distance fell while a run was trained: n digits by DDIM from each weights-STEP.safetensors that it kept.

    Several processes share the files. n: from 20 to 10,000. Returns sampler, frechet_n, frechet_floor and points: for each file its
    step, the seconds of training up to there, and its frechet, against the same training digits as in `measure`.
    Raises FileNotFoundError if the run is missing or kept no weights, ValueError if an argument is out of range.
    """
    run = Path(run)
    n = arguments.integer("n", n, 20, 10_000)
    network, config = record.load_run(run, device)
    steps = _check_sampler("ddim", steps, 0.0, config)
    kept = sorted(run.glob("weights-*.safetensors"))
    if not kept:
        raise FileNotFoundError(
            f"run must hold weights that training kept on its way (its value keep), but {str(run)!r} has none"
        )
    judge, train, test = classifier.load(device), data.mnist("train"), data.mnist("test")
    train_order, test_order = _orders(train, test)
    known = classifier.features_of(train.images[train_order[: 10 * n]], judge)
    scores = []
    for path in kept[distributed.share(len(kept))]:
        record.fill(network, record.load_tensors(path), path.name)
        seen = classifier.features_of(draw(network, config, n, "ddim", steps, seed), judge)
        scores.append(float(np.mean(_against(seen, known, n))))
        if progress:
            progress(f"{path.name}: {scores[-1]:.2f}")
    seconds = {line.step: line.seconds for line in record.read_log(run)}
    at = [int(path.stem.removeprefix("weights-")) for path in kept]
    real = classifier.features_of(test.images[test_order], judge)
    return {
        "sampler": f"DDIM, {steps} steps, η = 0, clipped",
        "frechet_n": n,
        "frechet_floor": float(np.mean(_frechet(real[:n], real, known, n)[1])),
        "points": [
            {"step": step, "seconds": seconds[step], "frechet": score}
            for step, score in zip(at, distributed.gather(np.array(scores)).tolist(), strict=True)
        ],
    }


def _orders(train: data.Digits, test: data.Digits) -> tuple[np.ndarray, np.ndarray]:
    """The order in which training and test digits are measured: at random, and the same every time."""
    rng = np.random.default_rng(0)
    return rng.permutation(len(train.images)), rng.permutation(len(test.images))


def _evaluate_digits(
    run: Path,
    n: int,
    device: str,
    seed: int,
    progress: Callable[[str], Any] | None,
    sampler: str,
    steps: int | None,
    eta: float,
    seeds: int,
) -> dict[str, Any]:
    network, config = record.load_run(run, device)
    steps = _check_sampler(sampler, steps, eta, config)
    name = sampler if sampler == "ancestral" else f"ddim-{steps}" + (f"-eta-{eta:g}" if eta else "")
    judge, train, test = classifier.load(device), data.mnist("train"), data.mnist("test")  # what is missing shows now
    on = next(network.parameters()).device
    weights = record.sha256(run / "weights.safetensors")
    all_seeds = range(seed, seed + seeds)
    mine, seconds = [np.empty((0, config.unet.image_size, config.unet.image_size), np.uint8)], 0.0
    for one in all_seeds[distributed.share(seeds)]:
        keep = run / f"drawn-{weights[:8]}-{name}-{one}{'' if on.type == 'cpu' else '-cuda'}.safetensors"
        wanted = n * (one - seed + 1) // seeds - n * (one - seed) // seeds
        tell = None if progress is None else partial(_tell, progress, one)
        mine.append(draw(network, config, wanted, sampler, steps, one, tell, keep, eta))
        seconds += float(record.load_tensors(keep).get("seconds", math.nan))
    drawn = distributed.gather(np.concatenate(mine))
    seconds = float(distributed.gather(np.array([seconds])).sum())
    if not distributed.is_first():
        return {}
    save_grid(drawn[:64], run / ("samples.png" if sampler == "ancestral" else f"samples-{name}.png"))
    words = "ancestral, {} steps, σ² = {}, clipped" if sampler == "ancestral" else "DDIM, {} steps, η = {:g}, clipped"
    variance = {"beta": "β", "beta_tilde": "β̃", "learned": "learned"}[config.variance]
    machine = record.machine(on)
    entry = {
        "sampler": words.format(steps, variance if sampler == "ancestral" else eta),
        **measure(drawn, train, test, judge, seeds, progress),
        "seeds": list(all_seeds),
        "seconds": None if math.isnan(seconds) else round(seconds, 1),
        "device": machine.pop("device"),
        "versions": machine,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "classifier_sha256": record.sha256(record.find_run("classifier") / "weights.safetensors"),
        "measured_sha256": weights,
    }
    others = record.read_metrics(run).get("samplers", {})
    entries = {key: old for key, old in others.items() if key != name and old["measured_sha256"] == weights}
    entries[name] = entry
    top = max(reversed(entries.values()), key=lambda one: one["frechet_n"])
    return {**top, "samplers": entries}


def _tell(progress: Callable[[str], Any], seed: int, line: str) -> None:
    progress(f"seed {seed}: {line}")


def _check_sampler(sampler: str, steps: int | None, eta: float, config: TrainingConfig) -> int:
    """How many steps the sampler takes."""
    arguments.choice("sampler", sampler, SAMPLERS)
    arguments.number("eta", eta, 0, 1)
    if sampler == "ddim":
        return arguments.integer("steps", 50 if steps is None else steps, 1, config.T)
    if steps not in (None, config.T):
        raise ValueError(
            f"steps must be left out with the ancestral sampler, which takes all {config.T}, but it was {steps}"
        )
    if eta:
        raise ValueError(f"eta must be 0 with the ancestral sampler, whose noise is σ², but it was {eta}")
    return config.T


def _take_up(
    keep: Path | None, n: int, together: int, rng: torch.Generator, none: np.ndarray
) -> tuple[np.ndarray, float]:
    """The digits that a file holds and the seconds they took; sets rng to where it was after the last whole batch."""
    if keep is None or not keep.is_file():
        return none, 0.0
    kept = record.load_tensors(keep)
    drawn = kept["images"].numpy()
    rng.set_state(kept["rng"])
    if len(drawn) != n:  # an unfinished batch belongs to its own n alone
        drawn = drawn[: len(drawn) // together * together]
    return drawn, float(kept.get("seconds", math.nan))


def _against(crowd: np.ndarray, known: np.ndarray, n: int) -> list[float]:
    """The Fréchet distances of a crowd from up to ten sets of n known ones."""
    sets = range(0, min(10 * n, len(known) - n + 1), n)
    return [frechet_distance(crowd, known[i : i + n]) for i in sets]


def _frechet(seen: np.ndarray, real: np.ndarray, known: np.ndarray, n: int) -> tuple[list[float], list[float], float]:
    """Fréchet distances from n known ones of each n drawn, of each n real, up to ten, and on average of n other known ones."""
    starts = range(0, min(10 * n, len(known) - n + 1), n)
    of_known = [frechet_distance(known[i : i + n], known[j : j + n]) for i, j in itertools.pairwise(starts)]
    of_drawn, of_real = (
        [float(np.mean(_against(crowd[i : i + n], known, n))) for i in range(0, min(10 * n, len(crowd) - n + 1), n)]
        for crowd in (seen, real)
    )
    return of_drawn, of_real, float(np.mean(of_known))


def _neighbours(drawn: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """The quantiles of distances to the nearest training digit, and which share lies below the first of the real ones."""
    first = np.quantile(real, QUANTILES[0])
    return {
        "drawn": np.quantile(drawn, QUANTILES).round(4).tolist(),
        "real": np.quantile(real, QUANTILES).round(4).tolist(),
        "drawn_below": float((drawn < first).mean()),
        "real_below": float((real < first).mean()),
    }
