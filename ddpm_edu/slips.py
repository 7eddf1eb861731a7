"""A museum of slips: what DDPM does when one line of it is wrong, in one dimension with the network that would be learnt.

Each slip is a value with hooks, and `step` is `diffusion.p_sample` with those hooks; with `RIGHT` they are the same.
A slip in sampling works on any model of the noise. A slip in training is computed too: `BestGuess` is the network that
training with the slip would end at, for a mixture of Gaussians, and `learnt` makes it of any model that was trained rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import arguments, diffusion, schedules
from .densities import Histogram, Mixture
from .schedules import NoiseSchedule

PIXEL = Mixture([0.7, 0.3], [-0.9, 0.5], [0.015, 0.15])
"""The museum's data, one pixel of a picture: mostly paper, which is nearly always the same, and sometimes ink."""

BARS = (np.arange(162) - 80.5) * 0.05
"""The edges of 161 bars on which values are counted; paper has a bar of its own, in the middle of which it lies."""


def stretched(T: int) -> NoiseSchedule:
    """The linear schedule for any number of steps: β changes with T, so that x_T keeps next to nothing of x_0.

    T: at least 40, where the last β is ½. Raises ValueError if it is less.
    """
    T = arguments.integer("T", T, 40)
    return schedules.linear(T, 0.1 / T, 20 / T)


@dataclass(frozen=True)
class Strength:
    """One number that makes a slip worse or milder."""

    symbol: str
    """How it is written: k, s, δ."""
    name: str
    """What it is, in a few words."""
    usual: float
    low: float
    high: float
    whole: bool = False


def _noised(alpha_bar: float) -> tuple[float, float, float]:
    return alpha_bar**0.5, 0.0, (1 - alpha_bar) ** 0.5


def _on_time(t: int, strength: float) -> int:
    return t


def _everywhere(t: int, T: int, strength: float) -> bool:
    return True


def _unit(beta_t: float) -> float:
    return 1.0


def _mean(x_t: Any, x_0: Any, eps: Any, t: int, schedule: NoiseSchedule) -> Any:
    return diffusion.mean_from_eps(x_t, eps, t, schedule)


def _scaled(sigma: Any, z: Any) -> Any:
    return sigma * z


@dataclass(frozen=True, eq=False)
class Slip:
    """One wrong line: what it is, what one sees, why, and what it changes.

    The first fields are for the reader. The others are hooks, all right unless given:

    noised: ᾱ_t ↦ (scale, shift, std). Training shows the network x_t = scale·x_0 + shift + std·ε.
    target: β_t ↦ the factor of ε in what the network learns to answer.
    visited: (t, T, strength) ↦ whether training ever asks for t. Where it does not, the network answers 0.
    schedule: T ↦ the schedule, of training and sampling.
    error: strength ↦ what the network adds to the best guess in the noisier half of the steps.
    told: (t, strength) ↦ the time that the sampler tells the network.
    mean: (x_t, x̂_0, ε̂, t, schedule) ↦ the mean of the step back.
    scaled: (σ_t, z) ↦ the noise of the step. uniform: z is drawn from U(0, 1).
    noise_at_the_end: noise is added at t = 1 too. clip_is_used: ε̂ follows x̂_0 when that is clipped.
    """

    name: str
    title: str
    where: str
    """In which algorithm the line stands: "training", "schedule" or "sampling"."""
    wrong: str
    """The wrong line of code."""
    right: str
    """The right one."""
    seen: str
    """What one sees."""
    why: str
    """Where it comes from."""
    strength: Strength | None = None
    T: int = 100
    """With how many steps it is best seen."""
    noised: Callable[[float], tuple[float, float, float]] = _noised
    target: Callable[[float], float] = _unit
    visited: Callable[[int, int, float], bool] = _everywhere
    schedule: Callable[[int], NoiseSchedule] = stretched
    error: Callable[[float], float] = lambda strength: 0.0
    told: Callable[[int, float], int] = _on_time
    mean: Callable[[Any, Any, Any, int, NoiseSchedule], Any] = _mean
    scaled: Callable[[Any, Any], Any] = _scaled
    uniform: bool = False
    noise_at_the_end: bool = False
    clip_is_used: bool = True

    def strength_of(self, given: float | None) -> float:
        """The given strength, or the usual one. Raises ValueError if it is out of range, or the slip has none."""
        if self.strength is None:
            if given is not None:
                raise ValueError(f"strength must be None for {self.name!r}, which has none, but it was {given!r}")
            return 0.0
        if given is None:
            return self.strength.usual
        if self.strength.whole:
            return arguments.integer("strength", given, int(self.strength.low), int(self.strength.high))
        return arguments.number("strength", given, self.strength.low, self.strength.high)


RIGHT = Slip(
    "none",
    "none, as it should be",
    "sampling",
    "",
    "",
    "The particles end where the data lies, as nearly as so many steps can bring them.",
    "Nothing is wrong.",
)

SLIPS: tuple[Slip, ...] = (
    Slip(
        "no-root",
        "variance in place of σ",
        "sampling",
        "x = mean + beta[t] * z",
        "x = mean + sqrt(beta[t]) * z",
        "Far too little noise: almost all particles end on the commonest value, and the rarer kind is lost.",
        "Noise is multiplied by a standard deviation. β_t is a variance, and below 1 it is smaller than its root.",
        scaled=lambda sigma, z: sigma**2 * z,
    ),
    Slip(
        "no-noise",
        "no noise on the way",
        "sampling",
        "x = mean",
        "x = mean + sigma[t] * z",
        "All particles draw together into one point while x_t is still nearly noise, and all end on the same value.",
        "Each mean lies nearer to the middle than a draw does. Without noise nothing makes up for it; DDIM, which adds none "
        "either, has another mean.",
        scaled=lambda sigma, z: 0 * z,
    ),
    Slip(
        "last-noise",
        "noise at the last step too",
        "sampling",
        "x = mean + sigma[t] * z",
        "x = mean + (sigma[t] * z if t > 1 else 0)",
        "The right values in the right numbers, but all are blurred by one and the same width, σ_1. The fewer the steps, the wider.",
        "The last mean is the result. The noise of a step is there for the next one to work on, and there is none.",
        noise_at_the_end=True,
    ),
    Slip(
        "uniform-noise",
        "uniform noise in place of normal",
        "sampling",
        "z = torch.rand_like(x)",
        "z = torch.randn_like(x)",
        "Everything drifts to one side and ends bright, with no two kinds left.",
        "U(0, 1) has mean ½ and variance 1/12, so that every step pushes upwards and hardly spreads.",
        uniform=True,
    ),
    Slip(
        "time-early",
        "the time told too early",
        "sampling",
        "eps = eps_theta(x, t - 1)",
        "eps = eps_theta(x, t)",
        "Grain: the kinds come in the right numbers, but each is blurred, and wider along the last stretch of the way.",
        "The network believes that there is less noise than there is. It was trained on t from 1, and the loop counts from 0. "
        "At t = 0 it sees clean data, in which there is no noise to guess: it answers 0, and the last step removes nothing.",
        Strength("k", "steps too early", 1, 1, 5, whole=True),
        told=lambda t, k: max(t - int(k), 0),
    ),
    Slip(
        "abar-index",
        "ᾱ_t where ᾱ_t−1 belongs",
        "sampling",
        "w_0 = sqrt(abar[t]) * beta[t] / (1 - abar[t])\nw_t = sqrt(alpha[t]) * (1 - abar[t]) / (1 - abar[t])",
        "w_0 = sqrt(abar[t-1]) * beta[t] / (1 - abar[t])\nw_t = sqrt(alpha[t]) * (1 - abar[t-1]) / (1 - abar[t])",
        "All is well for half of the way and more, and then the values run away, far beyond ±1.",
        "The two weights must give up as much of x_t as they take of x̂_0. With the wrong index x_t keeps its full weight, and "
        "near the end, where β_t is a large part of 1 − ᾱ_t, a large part of x̂_0 is added to it in every step.",
        mean=lambda x_t, x_0, eps, t, s: s.alpha_bar[t] ** 0.5 * s.beta[t] / s.noise[t] * x_0 + s.alpha[t] ** 0.5 * x_t,
    ),
    Slip(
        "beta-for-noise",
        "β_t where 1 − ᾱ_t belongs",
        "sampling",
        "mean = (x - beta[t] / sqrt(beta[t]) * eps) / sqrt(alpha[t])",
        "mean = (x - beta[t] / sqrt(1 - abar[t]) * eps) / sqrt(alpha[t])",
        "Too narrow for nearly all of the way, and then the commonest kind takes nearly everything.",
        "√β_t is larger than β_t/√(1 − ᾱ_t), many times so while x_t is noisy, and as much more of the guess is taken away. "
        "At t = 1 both are the same, so that the result looks clean.",
        mean=lambda x_t, x_0, eps, t, s: (x_t - s.beta[t] ** 0.5 * eps) / s.alpha[t] ** 0.5,
    ),
    Slip(
        "unused-clip",
        "x̂_0 clipped, the mean from ε̂",
        "sampling",
        "x_0 = x_0.clip(-1, 1)\nmean = (x - beta[t] / sqrt(1 - abar[t]) * eps) / sqrt(alpha[t])",
        "x_0 = x_0.clip(-1, 1)\nmean = w_0[t] * x_0 + w_t[t] * x",
        "As if nothing were clipped: what the network gets wrong while x_t is nearly noise is let through, and the kinds come in "
        "wrong numbers. With a network that makes no mistake there is nothing to see.",
        "Clipping is a repair of x̂_0. The mean that is used was worked out from ε̂, which nobody repaired.",
        Strength("δ", "error of the network in the noisier half", 0.6, 0.0, 1.0),
        error=lambda delta: delta,
        clip_is_used=False,
    ),
    Slip(
        "kept-range",
        "T changed, the range of β kept",
        "schedule",
        "beta = linspace(1e-4, 0.02, T)",
        "beta = linspace(0.1 / T, 20 / T, T)",
        "The walk begins too wide, at noise where data shows through, and it ends with the kinds in wrong numbers.",
        "So few small steps never reach N(0, 1): with T = 50 six tenths of the variance of x_0 are left in x_T. Sampling "
        "begins at N(0, 1) all the same, with values that the network was never shown.",
        schedule=schedules.linear,
        T=50,
    ),
    Slip(
        "never-visited",
        "times that training never visits",
        "training",
        "t = rng.integers(1, T, size=n)",
        "t = rng.integers(1, T + 1, size=n)",
        "Where the network knows nothing the particles run apart. One step of it does no harm that could be seen; many do, "
        "and the kinds come in wrong numbers.",
        "The last T is left out, and sampling starts there. The network here has a row of its own for each t and a last layer "
        "that starts at 0, so that it answers 0 for a t that it never saw, and each such step only adds noise.",
        Strength("s", "share of the steps never visited, from T down", 0.33, 0.0, 0.6),
        visited=lambda t, T, share: t <= T - max(1, round(share * T)),
    ),
    Slip(
        "unit-interval",
        "data left in [0, 1]",
        "training",
        "x_0 = pixels / 255",
        "x_0 = pixels / 127.5 - 1",
        "A faultless copy of the data at half its width, between 0 and 1. What was black comes out grey.",
        "The network learns what it is shown. Its data has a quarter of the variance, and so at each t a quarter of the "
        "signal for the same noise.",
        noised=lambda alpha_bar: (alpha_bar**0.5 / 2, alpha_bar**0.5 / 2, (1 - alpha_bar) ** 0.5),
    ),
    Slip(
        "scaled-target",
        "the target is √β_t ε",
        "training",
        "loss = (sqrt(beta[t]) * eps - eps_theta(x_t, t)) ** 2",
        "loss = (eps - eps_theta(x_t, t)) ** 2",
        "The noise is hardly removed, and each step adds more: the particles fly apart.",
        "The sampler takes the answer for ε. It is √β_t times that, a few hundredths of it near the end, and as little is "
        "taken away.",
        target=lambda beta_t: beta_t**0.5,
    ),
    Slip(
        "rootless-forward",
        "x_t noised without the roots",
        "training",
        "x_t = abar[t] * x_0 + (1 - abar[t]) * eps",
        "x_t = sqrt(abar[t]) * x_0 + sqrt(1 - abar[t]) * eps",
        "Grain on everything, and too much of the rarer kind.",
        "1 − ᾱ_t is smaller than its root, most of all near the end. The network is trained on x_t with too little noise, "
        "takes the sampler's noise for data, and leaves it in.",
        noised=lambda alpha_bar: (alpha_bar, 0.0, 1 - alpha_bar),
    ),
)
"""The museum's slips, in its order."""

BY_NAME: dict[str, Slip] = {slip.name: slip for slip in (RIGHT, *SLIPS)}
"""All of them by name, `RIGHT` as "none"."""


class BestGuess:
    """The network that training with a slip ends at, exactly, for data of one variable: E[what it is asked for | x_t].

    data: the law of x_0 as it should be, a mixture or a histogram. schedule: the slip's own. strength: as for the slip.
    With `RIGHT` it is −√(1−ᾱ_t) times the score of q_t. At t = 0, where x is clean and tells nothing of any noise, it answers 0.
    """

    def __init__(
        self,
        data: Mixture | Histogram,
        schedule: NoiseSchedule,
        slip: Slip = RIGHT,
        strength: float | None = None,
    ) -> None:
        self.data, self.schedule, self.slip = data, schedule, slip
        self.strength = slip.strength_of(strength)

    def __call__(self, x_t: np.ndarray, t: Any) -> np.ndarray:
        """The answer, of x_t's shape (B,). t: whole numbers from 0…T, all the same, shape () or (B,)."""
        t = int(np.ravel(t)[0])
        arguments.integer("t", t, 0, self.schedule.T)
        slip, T = self.slip, self.schedule.T
        if t == 0 or not slip.visited(t, T, self.strength):
            return np.zeros_like(x_t)
        scale, shift, std = slip.noised(float(self.schedule.alpha_bar[t]))
        eps = -std * self.data.push(scale, std**2).score(x_t - shift)
        off = slip.error(self.strength) if t > T / 2 else 0.0
        return slip.target(float(self.schedule.beta[t])) * (eps + off)


def learnt(
    eps_theta: diffusion.Model, schedule: NoiseSchedule, slip: Slip, strength: float | None = None
) -> diffusion.Model:
    """What training with the slip would have made of a model that was trained rightly, as nearly as the model can say.

    eps_theta: a model of the noise, trained with `schedule`, of its kind. Returns a model (x_t, t), t all the same, shape (B,).
    Other data or other noise is the right x_t at another time, up to a scale and a shift: the model is asked at the time
    whose signal-to-noise ratio is nearest, between 1 and T. Of `BestGuess` this is what is left without knowing the data.
    """
    power = slip.strength_of(strength)
    log_snr = np.log(np.asarray(schedule.snr[1:], dtype=np.float64))

    def model(x_t: Any, t: Any) -> Any:
        now = int(t[0])
        if now == 0:
            return eps_theta(x_t, t)
        if not slip.visited(now, schedule.T, power):
            return 0 * x_t
        scale, shift, std = slip.noised(float(schedule.alpha_bar[now]))
        if slip.noised is _noised:
            eps = eps_theta(x_t, t)
        else:
            told = 1 + int(np.argmin(np.abs(log_snr - 2 * np.log(scale / std))))
            eps = eps_theta((x_t - shift) * (float(schedule.alpha_bar[told]) ** 0.5 / scale), 0 * t + told)
        off = slip.error(power) if now > schedule.T / 2 else 0.0
        return slip.target(float(schedule.beta[now])) * (eps + off)

    return model


def step(
    eps_theta: diffusion.Model,
    x_t: Any,
    t: int,
    schedule: NoiseSchedule,
    rng: Any,
    slip: Slip = RIGHT,
    strength: float | None = None,
    variance: str = "beta",
    clip: bool = True,
) -> diffusion.Sample:
    """`diffusion.p_sample` with a slip: one step back, from x_t, (B, …), to x_t−1.

    variance: σ_t², "beta" or "beta_tilde". The other arguments are `p_sample`'s. Raises ValueError if t is outside 1…T, the
    variance is another or the strength is out of range.
    """
    power = slip.strength_of(strength)
    arguments.choice("variance", variance, ("beta", "beta_tilde"))
    schedules.at(schedule.beta, t, x_t)
    eps = eps_theta(x_t, _times(slip.told(t, power), x_t))
    x_0 = diffusion.x_0_from_eps(x_t, eps, t, schedule)
    if clip:
        x_0 = x_0.clip(-1, 1)
        if slip.clip_is_used:
            eps = (x_t - schedule.alpha_bar[t] ** 0.5 * x_0) / schedule.noise[t] ** 0.5
    mean = slip.mean(x_t, x_0, eps, t, schedule)
    if t == 1 and not slip.noise_at_the_end:
        return diffusion.Sample(0, mean, x_0)
    sigma = (schedule.beta if t == 1 else getattr(schedule, variance))[t] ** 0.5  # β̃_1 is 0, and would hide the slip
    z = uniform_like(x_t, rng) if slip.uniform else diffusion.noise_like(x_t, rng)
    return diffusion.Sample(t - 1, mean + slip.scaled(sigma, z), x_0)


def ancestral(
    eps_theta: diffusion.Model,
    x_T: Any,
    schedule: NoiseSchedule,
    rng: Any,
    slip: Slip = RIGHT,
    strength: float | None = None,
    variance: str = "beta",
    clip: bool = True,
) -> Iterator[diffusion.Sample]:
    """`diffusion.ancestral` with a slip: T steps from x_T, a draw from N(0, I), (B, …), yielding a `Sample` after each."""
    x_t = x_T
    for t in range(schedule.T, 0, -1):
        sample = step(eps_theta, x_t, t, schedule, rng, slip, strength, variance, clip)
        x_t = sample.x_t
        yield sample


def walk(
    slip: Slip,
    n: int,
    rng: np.random.Generator,
    T: int | None = None,
    strength: float | None = None,
    data: Mixture | Histogram = PIXEL,
    rightly: bool = False,
) -> np.ndarray:
    """The ways of n particles in one dimension, with the network that the slip's training would end at: x_0 … x_T, (T + 1, n).

    T: the slip's own unless given. rightly: the same schedule's T, network's error and clipping without the slip, to compare.
    x̂_0 is clipped where the slip is about clipping; elsewhere the best guess needs none.
    Raises ValueError if an argument is out of range.
    """
    n = arguments.integer("n", n, 1)
    T = slip.T if T is None else arguments.integer("T", T, 40)
    power = slip.strength_of(strength)
    clip = not slip.clip_is_used
    schedule = (RIGHT if rightly else slip).schedule(T)
    model: diffusion.Model
    if rightly and slip.error(power) == 0:
        model = BestGuess(data, schedule)
    else:
        model = BestGuess(data, schedule, slip, strength)
    x = np.empty((T + 1, n))
    x[T] = rng.standard_normal(n)
    used = (RIGHT, None) if rightly else (slip, strength)
    for sample in ancestral(model, x[T], schedule, rng, *used, clip=clip):
        x[sample.t] = sample.x_t
    return x


def distance(x: np.ndarray, law: Mixture | Histogram = PIXEL, edges: np.ndarray = BARS) -> float:
    """The total variation between particles, shape (n,), and a law, counted on bars and on what lies beside them; 0…1."""
    masses = np.diff(law.cdf(edges))
    shares = np.histogram(x, edges)[0] / len(x)
    beside = abs((1 - shares.sum()) - (1 - masses.sum()))
    return float((np.abs(shares - masses).sum() + beside) / 2)


def uniform_like(x: Any, rng: Any) -> Any:
    """Draws from U(0, 1) of x's shape, by a NumPy generator for arrays, a torch generator for tensors."""
    if isinstance(x, np.ndarray):
        return rng.random(x.shape)
    import torch

    return torch.rand(x.shape, generator=rng, dtype=x.dtype, device=x.device)


def _times(t: int, x: Any) -> Any:
    """T for each of x's items, shape (B,), of x's kind."""
    if isinstance(x, np.ndarray):
        return np.full(len(x), t)
    import torch

    return torch.full((len(x),), t, device=x.device)
