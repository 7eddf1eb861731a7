"""The book's widgets: one ES module each, the same in a notebook and in the built page.

`Laboratory` and `ScheduleExplorer` are anywidgets: their traits can be read, set and observed from Python, and they are
laid out like any other ipywidget. The sources beside this file are ES modules that import one another;
`bundle.bundled` joins them into the single text that an anywidget carries.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import anywidget
import traitlets

from . import bundle, weights

__all__ = ["Digits", "Laboratory", "Museum", "Posterior", "Quiz", "Reverse", "Sampler", "ScheduleExplorer"]

#: What a trait may be, wider than the sliders; state.js holds the same limits for typed values and the address.
LIMITS: dict[str, tuple[float, float]] = {
    "alpha": (0, 2),
    "beta": (0, 25),
    "t": (0, 1000),
    "bars": (24, 48),
    "T": (2, 4000),
    "betas": (1e-6, 0.999),
    "v_0": (0, 10),
}

#: The reverse widget's own; reverse-state.js holds the same.
REVERSE_LIMITS: dict[str, tuple[float, float]] = {"beta": (0, 1), "x_t": (-50, 50), "noise": (0, 0.99)}

#: The posterior widget's own; posterior-state.js and product.js hold the same.
POSTERIOR_LIMITS: dict[str, tuple[float, float]] = {"x_0": (-20, 20), "x_t": (-20, 20), "t": (1, 1000), "T": (1, 1000)}
POSTERIOR_KINDS = ("linear", "cosine", "constant")

#: The sampler's own; sampler-state.js holds the same.
SAMPLER_LIMITS: dict[str, tuple[float, float]] = {
    "T": (1, 1000),
    "t": (0, 1000),
    "particles": (10, 4000),
    "seed": (0, 2**31 - 1),
}
SAMPLER_KINDS = ("linear", "cosine")
FRESH = ("beta", "beta_tilde", "none")

#: The digits' own; digits-state.js holds the same.
DIGITS_LIMITS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**31 - 1),
    "steps": (1, 1000),
    "eta": (0, 1),
    "count": (1, 16),
    "digit": (1, 16),
    "step": (0, 1000),
}
DIGITS_SAMPLERS = ("ddim", "beta", "beta_tilde")

#: The museum's own; museum-state.js holds the same.
MUSEUM_LIMITS: dict[str, tuple[float, float]] = {
    "T": (40, 1000),
    "t": (0, 1000),
    "strength": (0, 5),
    "seed": (0, 2**31 - 1),
}

#: The quiz's own; quiz-state.js holds the same.
QUIZ_LIMITS: dict[str, tuple[float, float]] = {"question": (1, 13), "seed": (0, 2**31 - 1)}

KINDS = ("constant", "linear", "cosine", "drawn")
COMPARED = ("nothing", "constant", "linear", "constant, same end")

#: Two humps on 32 bars over [-3, 3]: the laboratory's usual start, with variance 2.
TWO_HUMPS = tuple(
    round(math.exp(-2 * (x + 1.3) ** 2) + 1.5 * math.exp(-2 * (x - 1.4) ** 2), 4)
    for x in (-3 + (k + 0.5) * 6 / 32 for k in range(32))
)


class _Number(traitlets.TraitType):
    """A finite number within limits, or a whole one."""

    def __init__(
        self, default: float | None, limits: tuple[float, float], whole: bool = False, or_none: bool = False
    ) -> None:
        super().__init__(default)
        self.limits, self.whole, self.or_none = limits, whole, or_none

    def validate(self, obj: Any, value: Any) -> float | None:
        if self.or_none and value is None:
            return None
        kind = "a whole number" if self.whole else "a number"
        low, high = self.limits
        try:
            result = float(value)
        except (TypeError, ValueError):
            result = math.nan
        wrong_type = isinstance(value, (bool, str)) or (self.whole and not result.is_integer())
        if wrong_type or not low <= result <= high:
            raise traitlets.TraitError(f"{self.name} must be {kind} from {low:g} to {high:g}, but it was {value!r}")
        return int(result) if self.whole else result


class _Choice(traitlets.TraitType):
    """One of a few words."""

    def __init__(self, default: str, allowed: tuple[str, ...]) -> None:
        super().__init__(default)
        self.allowed = allowed

    def validate(self, obj: Any, value: Any) -> str:
        if value not in self.allowed:
            allowed = ", ".join(map(repr, self.allowed))
            raise traitlets.TraitError(f"{self.name} must be one of {allowed}, but it was {value!r}")
        return str(value)


class _Heights(traitlets.TraitType):
    """The heights of a histogram's bars, in any unit."""

    def validate(self, obj: Any, value: Any) -> list[float]:
        few, many = LIMITS["bars"]
        name = self.name
        try:
            heights = [float(height) for height in value]
        except (TypeError, ValueError):
            raise traitlets.TraitError(f"{name} must be a list of heights, but it was {value!r}") from None
        if not few <= len(heights) <= many:
            raise traitlets.TraitError(f"{name} must have {few:g} to {many:g} bars, but it had {len(heights)}")
        for k, height in enumerate(heights):
            if not 0 <= height <= 1e9:
                raise traitlets.TraitError(f"{name} must hold heights from 0 to 1e9, but bar {k} was {height!r}")
        if not any(heights):
            raise traitlets.TraitError(f"{name} must have a bar above 0, but all {len(heights)} were 0")
        return heights


class _Betas(traitlets.TraitType):
    """The β at a drawn schedule's control points."""

    def validate(self, obj: Any, value: Any) -> list[float]:
        low, high = LIMITS["betas"]
        name = self.name
        try:
            betas = [float(beta) for beta in value]
        except (TypeError, ValueError):
            raise traitlets.TraitError(f"{name} must be a list of β, but it was {value!r}") from None
        if not 2 <= len(betas) <= 12:
            raise traitlets.TraitError(f"{name} must have 2 to 12 points, but it had {len(betas)}")
        for k, beta in enumerate(betas):
            if not low <= beta <= high:
                raise traitlets.TraitError(f"{name} must hold β from {low:g} to {high:g}, but point {k} was {beta!r}")
        return betas


class Laboratory(anywidget.AnyWidget):
    """The one-dimensional laboratory: x_t = √α·x_{t−1} + √β·ε from a starting histogram, with independent α and β.

    alpha: from 0 to 2. beta: from 0 to 25. t: a whole number from 0 to 1000.
    histogram: 24 to 48 heights over [-3, 3], none negative, not all 0, in any unit.
    coupled: keep β = 1 − α when one of them is moved in the widget. joined: join the midpoints of the particles' bars.
    compact: fewer controls, for a small place. seed: of the particles. playing: it moves by itself, from t = 0 to 500 and
    round again, until the reader takes hold of it; not where the reader has asked for less motion.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("laboratory.js")
    _css = bundle.stylesheet()

    alpha = _Number(0.99, LIMITS["alpha"]).tag(sync=True)
    beta = _Number(0.01, LIMITS["beta"]).tag(sync=True)
    t = _Number(200, LIMITS["t"], whole=True).tag(sync=True)
    histogram = _Heights().tag(sync=True)
    coupled = traitlets.Bool(False).tag(sync=True)
    joined = traitlets.Bool(False).tag(sync=True)
    compact = traitlets.Bool(False).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    seed = _Number(1, (0, 2**31 - 1), whole=True).tag(sync=True)

    @traitlets.default("histogram")
    def _two_humps(self) -> list[float]:
        return list(TWO_HUMPS)


class ScheduleExplorer(anywidget.AnyWidget):
    """Noise schedules side by side: β_t, ᾱ_t, log-SNR, the rms step and the variance along t.

    kind: "constant", "linear", "cosine" or "drawn". T: steps, from 2 to 4000. t: the marked step, from 0 to T.
    beta: of the constant schedule. beta_1, beta_T: the ends of the linear one. points: β at equally spaced points of
    the drawn one, 2 to 12 of them. v_0: the variance at t = 0, from 0 to 10. compare: what is drawn beside it, "nothing",
    "constant" (β = 0.01), "linear" (the usual one) or "constant, same end" (the constant β with the same ᾱ_T).
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("schedules.js")
    _css = bundle.stylesheet()

    kind = _Choice("linear", KINDS).tag(sync=True)
    compare = _Choice("constant", COMPARED).tag(sync=True)
    T = _Number(1000, LIMITS["T"], whole=True).tag(sync=True)
    t = _Number(500, (0, LIMITS["T"][1]), whole=True).tag(sync=True)
    beta = _Number(0.01, LIMITS["betas"]).tag(sync=True)
    beta_1 = _Number(1e-4, LIMITS["betas"]).tag(sync=True)
    beta_T = _Number(0.02, LIMITS["betas"]).tag(sync=True)
    points = _Betas().tag(sync=True)
    v_0 = _Number(2.0, LIMITS["v_0"]).tag(sync=True)

    @traitlets.default("points")
    def _points(self) -> list[float]:
        return [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2, 5e-2]


class Reverse(anywidget.AnyWidget):
    """The step back in one dimension: q(x_{t−1} | x_t) exactly, for a drawn histogram, beside the best Gaussian.

    x_{t−1} = √(1 − noise)·x_0 + √noise·ε, and x_t = √(1 − β)·x_{t−1} + √β·ε.
    beta: from 0 to 1. x_t: from -50 to 50. noise: 1 − ᾱ_{t−1}, from 0 to 0.99; below 0.0001 it counts as 0.
    histogram: of x_0, 24 to 48 heights over [-3, 3], none negative, not all 0, in any unit.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("reverse.js")
    _css = bundle.stylesheet("reverse.css")

    beta = _Number(0.5, REVERSE_LIMITS["beta"]).tag(sync=True)
    x_t = _Number(0.2, REVERSE_LIMITS["x_t"]).tag(sync=True)
    noise = _Number(0.02, REVERSE_LIMITS["noise"]).tag(sync=True)
    histogram = _Heights().tag(sync=True)

    @traitlets.default("histogram")
    def _two_humps(self) -> list[float]:
        return list(TWO_HUMPS)


class Posterior(anywidget.AnyWidget):
    """The step back when the start is known: q(x_{t−1} | x_t, x_0) as the product of its two factors.

    x_0, x_t: from -20 to 20. T: the number of steps, from 1 to 1000. t: the step, from 1 to 1000; a t above T counts as T.
    kind: the schedule, "linear" or "cosine" as in `ddpm_edu.schedules`, or "constant" with β = 0.01.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("posterior.js")
    _css = bundle.stylesheet("posterior.css")

    x_0 = _Number(1.5, POSTERIOR_LIMITS["x_0"]).tag(sync=True)
    x_t = _Number(-0.5, POSTERIOR_LIMITS["x_t"]).tag(sync=True)
    t = _Number(5, POSTERIOR_LIMITS["t"], whole=True).tag(sync=True)
    T = _Number(10, POSTERIOR_LIMITS["T"], whole=True).tag(sync=True)
    kind = _Choice("cosine", POSTERIOR_KINDS).tag(sync=True)


class Sampler(anywidget.AnyWidget):
    """The whole algorithm in one dimension: particles walk back from N(0, 1) to a drawn histogram with the exact score.

    T: steps, from 1 to 1000. t: where the walk stands, from T at its start to 0 at its end (more than T counts as T).
    kind: "linear" or "cosine", both so that ᾱ_T is near 0 for every T. noise: the variance that a step adds, "beta" or
    "beta_tilde", or "none" for DDIM with η = 0. particles: from 10 to 4000. seed: of all their noise.
    histogram: of x_0, 24 to 48 heights over [-3, 3], none negative, not all 0, in any unit.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("sampler.js")
    _css = bundle.stylesheet("sampler.css")

    T = _Number(100, SAMPLER_LIMITS["T"], whole=True).tag(sync=True)
    t = _Number(0, SAMPLER_LIMITS["t"], whole=True).tag(sync=True)
    kind = _Choice("linear", SAMPLER_KINDS).tag(sync=True)
    noise = _Choice("beta", FRESH).tag(sync=True)
    particles = _Number(500, SAMPLER_LIMITS["particles"], whole=True).tag(sync=True)
    seed = _Number(1, SAMPLER_LIMITS["seed"], whole=True).tag(sync=True)
    histogram = _Heights().tag(sync=True)

    @traitlets.default("histogram")
    def _two_humps(self) -> list[float]:
        return list(TWO_HUMPS)


def exhibits() -> list[dict[str, Any]]:
    """What stands beside each slip, and how strong it can be, as the museum in the page reads it; "none" comes first."""
    from .. import slips

    words = ("name", "title", "where", "wrong", "right", "seen", "why", "T")
    return [
        {name: getattr(slip, name) for name in words}
        | {"strength": None if slip.strength is None else dataclasses.asdict(slip.strength)}
        for slip in (slips.RIGHT, *slips.SLIPS)
    ]


class _Slip(traitlets.TraitType):
    """The name of a slip, or "none"."""

    def validate(self, obj: Any, value: Any) -> str:
        names = [exhibit["name"] for exhibit in exhibits()]
        if value not in names:
            raise traitlets.TraitError(
                f"{self.name} must be one of {', '.join(map(repr, names))}, but it was {value!r}"
            )
        return str(value)


class Museum(anywidget.AnyWidget):
    """The museum of slips in one dimension: what the sampler does when one line of it is wrong; see `ddpm_edu.slips`.

    slip: its name there, or "none". T: steps, from 40 to 1000. t: where the walk stands, from T at its start to 0 at its end
    (more than T counts as T). strength: the slip's own number, held within its limits, or None for the usual one.
    seed: of all the noise. exhibits: the texts, which are the package's own.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("museum.js")
    _css = bundle.stylesheet("museum.css")

    slip = _Slip("no-root").tag(sync=True)
    T = _Number(100, MUSEUM_LIMITS["T"], whole=True).tag(sync=True)
    t = _Number(0, MUSEUM_LIMITS["t"], whole=True).tag(sync=True)
    strength = _Number(None, MUSEUM_LIMITS["strength"], or_none=True).tag(sync=True)
    seed = _Number(1, MUSEUM_LIMITS["seed"], whole=True).tag(sync=True)
    exhibits = traitlets.List(traitlets.Dict(), read_only=True).tag(sync=True)

    @traitlets.default("exhibits")
    def _texts(self) -> list[dict[str, Any]]:
        return exhibits()


class Quiz(anywidget.AnyWidget):
    """A quiz on the museum: a symptom, worked out in the page by the slipped sampler, and four slips to choose from.

    question: from 1 to 13. seed: of the order, of the answers to choose from and of all the noise. What the reader has
    answered is kept by the page, not here. exhibits: the texts, which are the package's own.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("quiz.js")
    _css = bundle.stylesheet("museum.css")

    question = _Number(1, QUIZ_LIMITS["question"], whole=True).tag(sync=True)
    seed = _Number(1, QUIZ_LIMITS["seed"], whole=True).tag(sync=True)
    exhibits = traitlets.List(traitlets.Dict(), read_only=True).tag(sync=True)

    @traitlets.default("exhibits")
    def _texts(self) -> list[dict[str, Any]]:
        return exhibits()


class Digits(anywidget.AnyWidget):
    """The trained U-Net draws digits in the page itself, when its button is pressed; see `weights` for what it loads.

    seed: of all the noise. sampler: "ddim", or the ancestral sampler with σ² = "beta" or "beta_tilde", which takes all T
    steps. steps: of DDIM, from 1 to 1000. eta: DDIM's share of fresh noise, from 0 to 1. clip: hold x̂_0 within [-1, 1].
    count: digits drawn at once, from 1 to 16. digit: the marked one, from 1 to 16, and the one that is drawn when it is one
    alone. step: how many steps have been made where the reader looks; too many means the end.
    A trait that is set to anything else raises TraitError naming it, the value and what is allowed.
    """

    _esm = bundle.bundled("digits.js")
    _css = bundle.stylesheet("digits.css")

    seed = _Number(1, DIGITS_LIMITS["seed"], whole=True).tag(sync=True)
    steps = _Number(50, DIGITS_LIMITS["steps"], whole=True).tag(sync=True)
    eta = _Number(0.0, DIGITS_LIMITS["eta"]).tag(sync=True)
    sampler = _Choice("ddim", DIGITS_SAMPLERS).tag(sync=True)
    clip = traitlets.Bool(True).tag(sync=True)
    count = _Number(16, DIGITS_LIMITS["count"], whole=True).tag(sync=True)
    digit = _Number(1, DIGITS_LIMITS["digit"], whole=True).tag(sync=True)
    step = _Number(1000, DIGITS_LIMITS["step"], whole=True).tag(sync=True)
    bytes = traitlets.Int(help="What a press loads; 0 where that is not known.").tag(sync=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.on_msg(weights.answer)

    @traitlets.default("bytes")
    def _bytes(self) -> int:
        return weights.size()
