"""Bits per dimension: the variational bound on −log₂ p_θ(x_0), term by term, measured on pictures that training never saw.

The bound has a term for every step, and its mean over all steps, noises and pictures is what is wanted. `errors` draws a few
steps for each picture so that all steps are asked equally often; `Errors.ledger` turns what it found into the bound, for any choice of the variances σ_t²,
with a standard error. It is an upper bound: the picture's true −log₂ p_θ is no larger.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import arguments, bounds, data, distributed, posterior, record
from .diffusion import Model, NoiseModel, noise_like, x_0_from_eps
from .forward import q_sample
from .schedules import NoiseSchedule

VARIANCES = ("beta", "beta_tilde", "learned")


class Ledger(NamedTuple):
    """The bound of a model, term by term, in bits per dimension, averaged over pictures."""

    L_T: float
    """What it costs that x_T is not quite noise; exact, for these pictures."""
    L_t: np.ndarray
    """What the steps back from t = 2…T cost: L_{t−1} of Ho et al. 2020, shape (T − 1,), the step from t = 2 first."""
    L_0: float
    """What the last step costs, from x_1 to the levels of grey."""
    bits_per_dim: float
    """The sum of all: an upper bound on −log₂ p_θ(x_0) / D."""
    stderr: float
    """Its standard error, over the draw of the pictures, of the times and of the noise."""


@dataclass(frozen=True)
class Errors:
    """What a model answered about N pictures of D entries: the raw material of every ledger."""

    x_0: np.ndarray
    """The pictures, (N, D), among equally spaced levels from −1 to 1."""
    t: np.ndarray
    """The times asked, (N, R), from 2…T."""
    squared: np.ndarray
    """‖ε − ε_θ(x_t, t)‖² at these times, summed over the entries, (N, R)."""
    gap: np.ndarray
    """μ_θ(x_1, 1) − x_0, entry by entry, (N, D)."""
    schedule: NoiseSchedule
    """The schedule, as float64 arrays."""
    levels: int
    """How many levels of grey an entry can have."""
    learned: np.ndarray | None = None
    """L_{t−1} with the variances that the network answers, in nats, (N, R); None where it answers for none."""
    learned_last: np.ndarray | None = None
    """L_0 with the variances that the network answers, in nats, (N,)."""

    def ledger(self, variance: Any = "beta_tilde") -> Ledger:
        """The bound where the model's steps have the variances σ_t².

        variance: "beta", "beta_tilde" (with β̃_2 at t = 1, where β̃ is 0), "learned", or T + 1 numbers, that of t = 0 unused.
        Raises ValueError if it is none of these, or "learned" with a network that answers for none.
        """
        schedule, (items, dimensions) = self.schedule, self.x_0.shape
        prior = bounds.prior_term((self.x_0**2).mean(axis=1), schedule) * dimensions
        if isinstance(variance, str) and arguments.choice("variance", variance, VARIANCES) == "learned":
            if self.learned is None or self.learned_last is None:
                raise ValueError("variance must be fixed with a network that answers for none, but it was 'learned'")
            steps, last = self.learned, self.learned_last
        else:
            sigma_squared = variances(variance, schedule)
            every, chosen = np.arange(2, schedule.T + 1), sigma_squared[2:]
            cost = dimensions * bounds.gaussian_kl(0.0, schedule.beta_tilde[2:], 0.0, chosen)
            weight = bounds.eps_weight(every, schedule, chosen)
            steps = cost[self.t - 2] + weight[self.t - 2] * self.squared
            last = _last(self.x_0, self.gap, sigma_squared[1], self.levels)
        mean, count = _by_time(self.t, steps, schedule.T)
        bit = dimensions * math.log(2)
        total = float(prior.mean() + mean.sum() + last.mean())
        # How far each picture moves the total: its own steps against the mean of their times, and its own ends.
        spread = np.sqrt(count / (count - 1)) / count
        moves = ((steps - mean[self.t - 2]) * spread[self.t - 2]).sum(axis=1) * items
        moves = moves + (prior - prior.mean()) + (last - last.mean())
        stderr = math.sqrt(float((moves**2).sum()) / (items * (items - 1)))
        return Ledger(float(prior.mean()) / bit, mean / bit, float(last.mean()) / bit, total / bit, stderr / bit)

    def best_variance(self) -> np.ndarray:
        """The variance of each step that makes the bound lowest for these pictures, shape (T + 1,), 0 at t = 0.

        To be taken from other pictures than those that are measured. At t ≥ 2 it is β̃_t plus what the model's error adds;
        at t = 1 it is searched for.

        Source: Bao et al. 2022, theorem 1, with the mean over pictures for the score's second moment.
        """
        schedule, dimensions = self.schedule, self.x_0.shape[1]
        squared, _ = _by_time(self.t, self.squared, schedule.T)
        t = np.arange(2, schedule.T + 1)
        best = np.zeros(schedule.T + 1)
        best[2:] = schedule.beta_tilde[2:] + 2 * bounds.eps_weight(t, schedule, 1.0) * squared / dimensions
        best[1] = _best_last(self.x_0, self.gap, self.levels)
        return best


def errors(
    model: Model,
    schedule: NoiseSchedule,
    x_0: Any,
    repeats: int = 10,
    rng: Any = None,
    levels: int = 256,
    clip: bool = True,
    batch: int = 250,
    progress: Callable[[str], Any] | None = None,
    keep: Path | None = None,
) -> Errors:
    """Ask a model about each picture at `repeats` times from 2…T, and at t = 1.

    The times 2…T are cut into `repeats` equal parts and each picture gets one from every part; over all pictures each time comes
    equally often, up to one. So the mean at each time is unbiased, and so is their sum.

    model: eps_theta(x_t, t). schedule: what it was trained with, arrays or tensors as the model takes them. x_0: (N, …), among
    `levels` equally spaced values from −1 to 1, array or tensor. rng: a NumPy or torch generator, as x_0 is. clip: hold x̂_0
    within [−1, 1], as `ancestral` does. batch: pictures asked at once.
    progress: called with a line of text now and then. keep: a file (.npz) for what has been found so far, so that a measurement that was stopped goes
    on from there; it is for one model, set of pictures and seed.
    Raises ValueError if an argument is out of range, or N · repeats is too small to ask each time twice.

    Source: Kingma et al. 2021, appendix I, for times that are spread evenly; here over pictures and within each.
    """
    items, T = len(x_0), schedule.T
    repeats = arguments.integer("repeats", repeats, 1, T - 1)
    batch = arguments.integer("batch", batch, 1)
    if items < 2 or items * repeats < 2 * (T - 1):
        raise ValueError(
            f"repeats must be at least {math.ceil(2 * (T - 1) / max(items, 1))}, so that {items} pictures ask each of "
            f"{T - 1} times twice, but it was {repeats}"
        )
    seed = _whole_number(rng)
    t = spread_times(items, repeats, T, np.random.default_rng(seed))
    flat = _to_numpy(x_0).reshape(items, -1)
    check_levels(flat, levels)
    found: dict[str, Any] = {"squared": np.zeros((items, repeats)), "gap": np.zeros(flat.shape, np.float32)}
    if isinstance(model, NoiseModel) and model.learned_variance:
        found |= {"learned": np.zeros((items, repeats)), "learned_last": np.zeros(items)}

    done = _take_up(keep, found, seed)
    started, before = time.perf_counter(), done
    while done < items:
        these = slice(done, min(done + batch, items))
        noise = _generator(rng, seed + 1 + done)
        for column in range(repeats):
            answer = _ask(model, x_0[these], t[these, column], schedule, noise, clip)
            found["squared"][these, column] = answer.squared
            if answer.variance is not None:
                found["learned"][these, column] = _learned_step(answer, t[these, column], schedule)
        answer = _ask(model, x_0[these], np.ones(these.stop - these.start, dtype=np.int64), schedule, noise, clip)
        found["gap"][these] = answer.gap
        if answer.variance is not None:
            found["learned_last"][these] = _last(flat[these], answer.gap, answer.variance, levels)
        done = these.stop
        if keep is not None:
            _put_down(keep, found, seed, done)
        if progress:
            left = (time.perf_counter() - started) / (done - before) * (items - done)
            progress(f"{done:,} of {items:,} pictures asked about, {left / 60:.0f} min left")
    return Errors(flat, t, schedule=as_float64(schedule), levels=levels, **found)


def ledger(
    model: Model,
    schedule: NoiseSchedule,
    x_0: Any,
    variance: Any = "beta_tilde",
    repeats: int = 10,
    rng: Any = None,
    levels: int = 256,
    clip: bool = True,
) -> Ledger:
    """The bound of a model on −log₂ p_θ(x_0), term by term, in bits per dimension: `errors`, then `Errors.ledger`."""
    return errors(model, schedule, x_0, repeats, rng, levels, clip).ledger(variance)


def evaluate(
    run: str | Path,
    device: str = "cpu",
    progress: Callable[[str], Any] | None = None,
    digits: int = 10_000,
    repeats: int = 9,
) -> dict[str, Any]:
    """Bits per dimension of a run's network on MNIST's test digits, ready for its metrics.json.

    Each digit is asked about `repeats` times, and once more at t = 1. The best variance of each step is found on 1,000 training
    digits. With several processes each asks about its share. What has been found is kept in the run's folder, so that a
    measurement that was stopped goes on from there.

    digits: how many test digits, the first ones, up to 10,000. Returns bits_per_dim, bits_per_dim_stderr and ledger (L_T, L_t, L_0), all
    of them with the best variances, and likelihood: the same sums for each choice of the variances, and what was measured.
    Raises FileNotFoundError if the run is missing, ValueError if an argument is out of range.
    """
    import torch

    run, digits = Path(run), arguments.integer("digits", digits, 2, 10_000)
    network, config = record.load_run(run, device)
    on = next(network.parameters()).device
    schedule = config.make_schedule().to(on)
    model = config.noise_model(network, schedule)
    weights = record.sha256(run / "weights.safetensors")
    tell = progress or (lambda line: None)
    started = time.perf_counter()

    def ask(split: str, images: np.ndarray, seed: int) -> Errors:
        mine = images[distributed.share(len(images))]
        rank = f"-{distributed.rank()}of{distributed.world_size()}" if distributed.world_size() > 1 else ""
        found = errors(
            model,
            schedule,
            torch.from_numpy(data.to_unit_range(mine)).to(on),
            repeats,
            torch.Generator(on).manual_seed(1000 * seed + distributed.rank()),
            batch=64 if on.type == "cpu" else 1000,  # as in `draw`: 64 keep a CPU's caches warm
            progress=lambda line: tell(f"{split} digits: {line}"),
            keep=run / f"asked-{weights[:8]}-{split}-{len(images)}x{repeats}{rank}.npz",
        )
        arrays = ("x_0", "t", "squared", "gap", *(("learned", "learned_last") if found.learned is not None else ()))
        joined: dict[str, Any] = {name: distributed.gather(getattr(found, name)) for name in arrays}
        return replace(found, **joined)

    train, test = data.mnist("train").images, data.mnist("test").images[:digits]
    best = ask("training", train[np.random.default_rng(0).permutation(len(train))[:1000]], 1).best_variance()
    found = ask("test", test, 2)
    choices: dict[str, Any] = {"beta": "beta", "beta_tilde": "beta_tilde", "best": best}
    if found.learned is not None:
        choices["learned"] = "learned"
    ledgers = {name: found.ledger(variance) for name, variance in choices.items()}
    machine = record.machine(on)
    top = ledgers["best"]
    return {
        "bits_per_dim": top.bits_per_dim,
        "bits_per_dim_stderr": top.stderr,
        "ledger": {"L_T": top.L_T, "L_t": _short(top.L_t), "L_0": top.L_0},
        "likelihood": {
            "bound": "upper bound on −log₂ p(x_0) / D",
            "dimensions": found.x_0.shape[1],
            "levels": found.levels,
            "digits": len(test),
            "evaluations": len(test) * (repeats + 1),
            "variances": {
                name: {
                    "bits_per_dim": one.bits_per_dim,
                    "stderr": one.stderr,
                    "L_T": one.L_T,
                    "L_t": float(one.L_t.sum()),
                    "L_0": one.L_0,
                }
                for name, one in ledgers.items()
            },
            "best_variance": _short(best),
            "seconds": round(time.perf_counter() - started, 1),
            "device": machine.pop("device"),
            "versions": machine,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "measured_sha256": weights,
        },
    }


def spread_times(items: int, repeats: int, T: int, rng: np.random.Generator) -> np.ndarray:
    """Times from 2…T for each item, (items, repeats): one from each of `repeats` equal parts, and over all items each equally often.

    Each single time is uniform on 2…T; the counts of two times differ by one at most.
    """
    place = np.stack([rng.permutation(items) for _ in range(repeats)], axis=1) + items * np.arange(repeats)
    share = (place + rng.random()) / (items * repeats)
    return 2 + np.minimum((share * (T - 1)).astype(np.int64), T - 2)


def variances(variance: Any, schedule: NoiseSchedule) -> np.ndarray:
    """σ_t² for t = 0…T as an array: "beta", "beta_tilde" (with β̃_2 at t = 1), or the T + 1 numbers themselves.

    Raises ValueError if it is none of these, or a number at t ≥ 1 is not above 0.
    """
    if isinstance(variance, str):
        arguments.choice("variance", variance, ("beta", "beta_tilde"))
        chosen = np.array(getattr(schedule, variance))
        if chosen[1] == 0:
            chosen[1] = chosen[2]
        return chosen
    chosen = arguments.array("variance", variance, 1)
    if len(chosen) != schedule.T + 1 or not (chosen[1:] > 0).all():
        raise ValueError(
            f"variance must be a name or {schedule.T + 1} numbers, above 0 from t = 1 on, "
            f"but it was {len(chosen)} numbers from {chosen.min():g}"
        )
    return chosen


def as_float64(schedule: NoiseSchedule) -> NoiseSchedule:
    """The schedule as float64 arrays, whatever it held."""
    return NoiseSchedule(*(np.asarray(_to_numpy(getattr(schedule, f.name)), np.float64) for f in fields(schedule)))


def check_levels(x_0: np.ndarray, levels: int) -> None:
    """Raise ValueError unless all entries are among `levels` equally spaced values from −1 to 1."""
    step = (x_0.astype(np.float64) + 1) * (arguments.integer("levels", levels, 2) - 1) / 2
    if not (abs(step - step.round()).max() < 1e-3 and step.min() > -0.5 and step.max() < levels - 0.5):
        raise ValueError(
            f"x_0 must be among {levels} equally spaced values from −1 to 1, but it held others, from {x_0.min():g} to {x_0.max():g}"
        )


class _Answer(NamedTuple):
    """What a model says of one batch, (B, D), as float64 arrays on the CPU."""

    squared: np.ndarray
    """‖ε − ε_θ‖², (B,)."""
    gap: np.ndarray
    """x̂_0 − x_0."""
    variance: np.ndarray | None
    """σ_θ², where the model answers for it."""


def _ask(model: Model, x_0: Any, t: np.ndarray, schedule: NoiseSchedule, rng: Any, clip: bool) -> _Answer:
    steps = _like(t, x_0)
    x_t = q_sample(x_0, steps, schedule, noise_like(x_0, rng))
    variance = None
    with _inference(x_0):
        if isinstance(model, NoiseModel) and model.learned_variance:
            eps, sigma_squared = model.eps_and_variance(x_t, steps)
            variance = _to_numpy(sigma_squared).reshape(len(x_0), -1).astype(np.float64)
        else:
            eps = model(x_t, steps)
    arguments.same_shape("model's answer", eps, "x_0", x_0)
    guess = x_0_from_eps(x_t, eps, steps, schedule)
    if clip:
        guess = guess.clip(-1, 1)
    gap = _to_numpy(guess - x_0).reshape(len(x_0), -1).astype(np.float64)
    snr = np.asarray(_to_numpy(schedule.snr[steps]), np.float64)
    return _Answer(snr * (gap**2).sum(axis=1), gap, variance)  # ε − ε_θ is √SNR times x̂_0 − x_0


def _learned_step(answer: _Answer, t: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """L_{t−1} in nats, (B,), with the variances that the network answers."""
    exact = as_float64(schedule)
    on_x_0, _ = posterior.weights(t, exact)
    apart = on_x_0[:, None] * answer.gap
    return bounds.gaussian_kl(0.0, exact.beta_tilde[t][:, None], apart, answer.variance).sum(axis=1)


def _last(x_0: np.ndarray, gap: np.ndarray, variance: Any, levels: int) -> np.ndarray:
    """L_0 in nats, (N,): what the discretised Gaussian of mean x_0 + gap says of x_0. A thousand pictures at a time."""
    wide = np.broadcast_to(variance, x_0.shape)
    parts = [
        -bounds.discretised_log_likelihood(x, x + g, v, levels).sum(axis=1)
        for x, g, v in zip(
            *(np.split(a, range(1000, len(a), 1000)) for a in (x_0.astype(np.float64), gap, wide)), strict=True
        )
    ]
    return np.concatenate(parts)


def _best_last(x_0: np.ndarray, gap: np.ndarray, levels: int) -> float:
    """The variance of the last step that makes L_0 lowest, between a thousandth of a level and the whole range."""
    from scipy.optimize import minimize_scalar

    x_0, gap = x_0[:1000], gap[:1000]
    level = 2 / (levels - 1)
    found = minimize_scalar(
        lambda log_sigma: _last(x_0, gap, math.exp(2 * log_sigma), levels).mean(),
        bounds=(math.log(level / 1000), 0.0),
        method="bounded",
    )
    return math.exp(2 * found.x)


def _by_time(t: np.ndarray, values: np.ndarray, T: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the values at each time 2…T, and how many there are, both (T − 1,)."""
    count = np.bincount(t.ravel() - 2, minlength=T - 1)
    return np.bincount(t.ravel() - 2, values.ravel(), minlength=T - 1) / count, count


def _short(values: np.ndarray) -> list[float]:
    """Numbers to six digits, to be written down."""
    return [float(f"{value:.6g}") for value in values]


def _take_up(keep: Path | None, found: dict[str, np.ndarray], seed: int) -> int:
    """Fill in what `_put_down` wrote; returns for how many pictures it holds."""
    if keep is None or not keep.is_file():
        return 0
    with np.load(keep) as kept:
        if int(kept["seed"]) != seed or any(kept[name].shape[1:] != a.shape[1:] for name, a in found.items()):
            raise ValueError(f"keep must be a file of this measurement, but {keep.name!r} is of another")
        done = int(kept["done"])
        for name, values in found.items():
            values[:done] = kept[name]
    return done


def _put_down(keep: Path, found: dict[str, np.ndarray], seed: int, done: int) -> None:
    buffer = io.BytesIO()
    content: dict[str, Any] = {name: values[:done] for name, values in found.items()}
    np.savez(buffer, seed=seed, done=done, **content)
    record.write_whole(keep, buffer.getvalue())


# What NumPy and torch do differently.


def _to_numpy(x: Any) -> np.ndarray:
    return x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)


def _like(t: np.ndarray, x: Any) -> Any:
    """The times as x is: an array, or a tensor on its device."""
    if isinstance(x, np.ndarray):
        return t
    import torch

    return torch.from_numpy(t).to(x.device)


def _inference(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return contextlib.nullcontext()
    import torch

    return torch.inference_mode()


def _whole_number(rng: Any) -> int:
    """A whole number drawn by the generator, from which all else follows."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**40))
    import torch

    if not isinstance(rng, torch.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator or a torch.Generator, but it was {type(rng).__name__}")
    return int(torch.randint(2**40, (1,), generator=rng, device=rng.device))


def _generator(rng: Any, seed: int) -> Any:
    """A fresh generator of the same kind."""
    if isinstance(rng, np.random.Generator):
        return np.random.default_rng(seed)
    import torch

    return torch.Generator(rng.device).manual_seed(seed)
