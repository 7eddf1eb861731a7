"""Denoising diffusion over any model of the noise: the loss it is trained with, and the ways to sample from it.

A model of the noise is a callable eps_theta(x_t, t). x_t has shape (B, …); t has shape (B,) and holds whole numbers
from 1…T; the answer has x_t's shape. NumPy arrays and tensors both work: the schedule must hold the same kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import arguments, posterior
from .forward import q_sample
from .schedules import NoiseSchedule, align, at

Model = Callable[[Any, Any], Any]


class Sample(NamedTuple):
    """Where a sampler stands after one step."""

    t: int
    """The time it has reached: T − 1 after the first ancestral step, 0 at the end."""
    x_t: Any
    """The samples at this time, shape (B, …)."""
    x_0: Any
    """x̂_0, the clean data that the model saw behind the step just made, shape (B, …)."""


def training_loss(eps_theta: Model, x_0: Any, t: Any, schedule: NoiseSchedule, eps: Any) -> Any:
    """L_simple on one batch: the mean squared difference between the noise and the model's guess of it.

    x_0: clean data, (B, …). t: (B,), from 1…T. eps: noise from N(0, I), of x_0's shape. Returns one number.
    The mean runs over items and entries, so a model that always answers 0 scores about 1.

    Raises ValueError if t is outside 1…T or shapes do not fit, the answer's included.

    Source: Ho et al. 2020, equation 14 and algorithm 1.
    """
    x_t = q_sample(x_0, t, schedule, eps)
    guess = eps_theta(x_t, t)
    arguments.same_shape("eps_theta's answer", guess, "eps", eps)
    return ((eps - guess) ** 2).mean()


def x_0_from_eps(x_t: Any, eps: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """x̂_0, the clean data behind x_t if `eps` is the noise in it: q_sample solved for x_0.

    x_t, eps: the same shape, (B, …) where t is (B,). Raises ValueError if t is outside 1…T or shapes do not fit.

    Source: Ho et al. 2020, equation 15, which is equation 4 solved for x_0.
    """
    arguments.same_shape("eps", eps, "x_t", x_t)
    alpha_bar, noise = at(schedule.alpha_bar, t, x_t), at(schedule.noise, t, x_t)
    return (x_t - noise**0.5 * eps) / alpha_bar**0.5


def mean_from_eps(x_t: Any, eps: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """μ_θ, the mean of the step back, from the model's guess of the noise.

    x_t, eps: the same shape, (B, …) where t is (B,). Raises ValueError if t is outside 1…T or shapes do not fit.

    Source: Ho et al. 2020, equation 11.
    """
    arguments.same_shape("eps", eps, "x_t", x_t)
    alpha, beta, noise = (at(values, t, x_t) for values in (schedule.alpha, schedule.beta, schedule.noise))
    return (x_t - beta / noise**0.5 * eps) / alpha**0.5


TARGETS = ("eps", "x_0", "v")
"""What a network can be trained to answer: the noise, the clean data, or v, a mixture of both."""


def target(name: str, x_0: Any, eps: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """What the network is to answer: ε, x_0, or v = √ᾱ_t·ε − √(1−ᾱ_t)·x_0.

    name: "eps", "x_0" or "v". x_0, eps: the same shape, (B, …) where t is (B,). Returns that shape.
    Raises ValueError if the name is another, t is outside 1…T or shapes do not fit.

    Source: Salimans and Ho 2022, section 4 and appendix D.
    """
    arguments.choice("target", name, TARGETS)
    arguments.same_shape("eps", eps, "x_0", x_0)
    if name == "v":
        return at(schedule.alpha_bar, t, x_0) ** 0.5 * eps - at(schedule.noise, t, x_0) ** 0.5 * x_0
    return eps if name == "eps" else x_0


def eps_from(name: str, answer: Any, x_t: Any, t: Any, schedule: NoiseSchedule) -> Any:
    """The noise in x_t, if `answer` is what the network says of it: `target` turned round.

    name: "eps", "x_0" or "v". answer, x_t: the same shape, (B, …) where t is (B,). Returns that shape.
    Raises ValueError if the name is another, t is outside 1…T or shapes do not fit.

    Source: Salimans and Ho 2022, section 4 and appendix D.
    """
    arguments.choice("target", name, TARGETS)
    arguments.same_shape("answer", answer, "x_t", x_t)
    if name == "eps":
        return answer
    alpha_bar, noise = at(schedule.alpha_bar, t, x_t), at(schedule.noise, t, x_t)
    if name == "x_0":
        return (x_t - alpha_bar**0.5 * answer) / noise**0.5
    return noise**0.5 * x_t + alpha_bar**0.5 * answer


class NoiseModel:
    """A model of the noise over a network that answers something else, or something more.

    network: a callable (x_t, t) whose answer has x_t's shape (B, C, …), or (B, 2C, …) where it answers for the variance too.
    schedule: what it was trained with, of the network's kind. name: what it answers, "eps", "x_0" or "v".
    """

    def __init__(
        self, network: Model, schedule: NoiseSchedule, name: str = "eps", learned_variance: bool = False
    ) -> None:
        self.network = network
        self.schedule = schedule
        self.name = arguments.choice("name", name, TARGETS)
        self.learned_variance = learned_variance

    def __call__(self, x_t: Any, t: Any) -> Any:
        """ε_θ(x_t, t), of x_t's shape."""
        answer = self.network(x_t, t)
        return eps_from(self.name, self._halves(answer)[0], x_t, t, self.schedule)

    def eps_and_variance(self, x_t: Any, t: Any) -> tuple[Any, Any]:
        """ε_θ(x_t, t) and σ_θ², one for each entry: log σ² lies between log β̃_t (at the answer −1) and log β_t (at 1).

        At t = 1, where β̃ is 0, β̃_2 stands in. Raises ValueError if the network answers for no variance.

        Source: Nichol and Dhariwal 2021, equation 15.
        """
        if not self.learned_variance:
            raise ValueError("variance must be fixed with this network, which answers for none, but it was 'learned'")
        answer, share = self._halves(self.network(x_t, t))
        low, high = learned_range(t, self.schedule)
        share = (share + 1) / 2
        sigma_squared = align(low, x_t) * align(high / low, x_t) ** share
        return eps_from(self.name, answer, x_t, t, self.schedule), sigma_squared

    def _halves(self, answer: Any) -> tuple[Any, Any]:
        channels = answer.shape[1] // 2
        return (answer[:, :channels], answer[:, channels:]) if self.learned_variance else (answer, None)


def learned_range(t: Any, schedule: NoiseSchedule) -> tuple[Any, Any]:
    """Between which variances a learned σ_t² lies: β̃_t, with β̃_2 at t = 1, and β_t.

    t: steps from 1…T, shape () or (B,). Returns two of t's shape. Raises ValueError if t is outside 1…T.

    Source: Nichol and Dhariwal 2021, section 3.1.
    """
    first = schedule.beta_tilde[2] if schedule.T > 1 else schedule.beta[1]
    low = at(schedule.beta_tilde, t, t)
    return low + (low == 0) * first, at(schedule.beta, t, t)


def eps_and_variance(eps_theta: Model, x_t: Any, t: Any, schedule: NoiseSchedule, variance: Any) -> tuple[Any, Any]:
    """The model's noise in x_t, and the variance σ_t² of its step back, shaped to multiply x_t.

    x_t: (B, …). t: one step from 1…T, or one for each of the B items. variance: "beta", "beta_tilde", "learned" (eps_theta is a
    `NoiseModel` of a network that answers for it), or T + 1 numbers, one for each t, of the schedule's kind.
    Raises ValueError if t is outside 1…T or variance is none of these.

    Source: Ho et al. 2020, section 3.2; Nichol and Dhariwal 2021, section 3.1.
    """
    steps = t if np.shape(t) else _repeat(t, x_t)
    if isinstance(variance, str):
        arguments.choice("variance", variance, ("beta", "beta_tilde", "learned"))
        if variance == "learned":
            if not isinstance(eps_theta, NoiseModel):
                raise ValueError("variance must be fixed unless eps_theta is a NoiseModel, but it was 'learned'")
            return eps_theta.eps_and_variance(x_t, steps)
        values = getattr(schedule, variance)
    else:
        values = variance
        if np.shape(values) != (schedule.T + 1,):
            raise ValueError(
                f"variance must be a name or {schedule.T + 1} numbers, one for each t, but its shape was {np.shape(values)}"
            )
    return eps_theta(x_t, steps), at(values, t, x_t)


def p_sample(
    eps_theta: Model,
    x_t: Any,
    t: int,
    schedule: NoiseSchedule,
    rng: Any,
    variance: Any = "beta",
    clip: bool = True,
) -> Sample:
    """One step back, from x_t to x_{t−1} = mean + σ_t·z, with z = 0 at t = 1.

    x_t: (B, …). rng: a NumPy or torch generator, as x_t is. variance: σ_t² is "beta", "beta_tilde", "learned" (eps_theta is
    a `NoiseModel` of a network that answers for it), or T + 1 numbers, one for each t.
    clip: hold x̂_0 within [−1, 1], the range of the data, and take the mean from that; without clipping
    the mean is `mean_from_eps`. Raises ValueError if t is outside 1…T or variance is none of these.

    Source: Ho et al. 2020, algorithm 2.
    """
    eps, sigma_squared = eps_and_variance(eps_theta, x_t, t, schedule, variance)
    x_0 = x_0_from_eps(x_t, eps, t, schedule)
    if clip:
        x_0 = x_0.clip(-1, 1)
        mean = posterior.mean(x_t, x_0, t, schedule)
    else:
        mean = mean_from_eps(x_t, eps, t, schedule)
    if t == 1:
        return Sample(0, mean, x_0)
    return Sample(t - 1, mean + sigma_squared**0.5 * noise_like(x_t, rng), x_0)


def ancestral(
    eps_theta: Model,
    x_T: Any,
    schedule: NoiseSchedule,
    rng: Any,
    variance: Any = "beta",
    clip: bool = True,
    start: int | None = None,
) -> Iterator[Sample]:
    """Walk back from noise to data, T steps, yielding a `Sample` after each.

    x_T: a draw from N(0, I), (B, …). start: the time of x_T, T unless given, so that a chain can go on from any x_t.
    The other arguments are `p_sample`'s. The last x_t is the result.

    Source: Ho et al. 2020, algorithm 2.
    """
    x_t = x_T
    for t in range(_start(start, schedule), 0, -1):
        sample = p_sample(eps_theta, x_t, t, schedule, rng, variance, clip)
        x_t = sample.x_t
        yield sample


def ddim(
    eps_theta: Model,
    x_T: Any,
    schedule: NoiseSchedule,
    steps: int | Sequence[int] = 50,
    eta: float = 0.0,
    rng: Any = None,
    clip: bool = True,
    start: int | None = None,
) -> Iterator[Sample]:
    """Walk back in fewer, longer steps, yielding a `Sample` after each.

    x_T: a draw from N(0, I), (B, …). steps: how many, from 1…T, evenly spaced, the first one from T; or the times
    themselves at which the model is asked, falling. start: the time of x_T, if it is not T: the times after it are left out.
    eta: the share of fresh noise; 0 adds none, and then the result depends on x_T alone; 1 with all T steps is
    ancestral sampling with σ² = β̃. rng: needed where eta > 0. clip: hold x̂_0 within [−1, 1] and
    recompute the noise that goes with it. Raises ValueError if steps, start or eta is out of range or rng is missing.

    Source: Song, Meng and Ermon 2021, equation 12.
    """
    times = _times(steps, start, schedule)
    eta = arguments.number("eta", eta, 0, 1)
    if eta > 0 and rng is None:
        raise ValueError(f"rng must be a generator where eta > 0, but it was None and eta {eta}")
    x_t = x_T
    for t, s in itertools.pairwise(times):  # s is the time to reach, the paper's τ_{i−1}
        alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
        noise_t, noise_s = schedule.noise[t], schedule.noise[s]
        eps = eps_theta(x_t, _repeat(t, x_t))
        x_0 = x_0_from_eps(x_t, eps, t, schedule)
        if clip:
            x_0 = x_0.clip(-1, 1)
            eps = (x_t - alpha_bar_t**0.5 * x_0) / noise_t**0.5
        variance = eta**2 * noise_s / noise_t * (noise_t - noise_s) / alpha_bar_s  # the last factors are 1 − ᾱ_t/ᾱ_s
        x_t = alpha_bar_s**0.5 * x_0 + (noise_s - variance).clip(0) ** 0.5 * eps
        if eta > 0 and s > 0:
            x_t = x_t + variance**0.5 * noise_like(x_t, rng)
        yield Sample(s, x_t, x_0)


def noise_like(x: Any, rng: Any) -> Any:
    """Noise from N(0, I) of x's shape, drawn by `rng`: a NumPy generator for arrays, a torch generator for tensors.

    Arrays get float64, tensors their own type on their own device. Raises TypeError if `rng` is of the other kind.
    """
    if isinstance(x, np.ndarray):
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng must be a numpy.random.Generator for arrays, but it was {type(rng).__name__}")
        return rng.standard_normal(x.shape)
    import torch

    if not isinstance(rng, torch.Generator):
        raise TypeError(f"rng must be a torch.Generator for tensors, but it was {type(rng).__name__}")
    return torch.randn(x.shape, generator=rng, dtype=x.dtype, device=x.device)


def _repeat(t: int, x: Any) -> Any:
    """T for each of x's items, shape (B,), of x's kind."""
    if isinstance(x, np.ndarray):
        return np.full(len(x), t)
    import torch

    return torch.full((len(x),), t, device=x.device)


def _start(start: int | None, schedule: NoiseSchedule) -> int:
    return schedule.T if start is None else arguments.integer("start", start, 1, schedule.T)


def _times(steps: int | Sequence[int], start: int | None, schedule: NoiseSchedule) -> list[int]:
    """The times from the first at which the model is asked down to 0."""
    first = _start(start, schedule)
    if isinstance(steps, Sequence | np.ndarray) and not isinstance(steps, str):
        times = [*(arguments.integer("steps", t, 1, schedule.T) for t in steps), 0]
        if len(times) == 1 or any(t <= s for t, s in itertools.pairwise(times)):
            raise ValueError(f"steps must be times that fall, at least one, but they were {list(steps)}")
    else:
        count = arguments.integer("steps", steps, 1, schedule.T)
        times = [round(schedule.T * i / count) for i in range(count, -1, -1)]
    if start is not None and first not in times:
        raise ValueError(f"start must be one of the sampler's times {times[:-1]}, but it was {start}")
    if start is not None:
        times = times[times.index(first) :]
    return times
