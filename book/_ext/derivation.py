r"""Derivations that a reader can step through: the directive ``{derivation}``.

A derivation is a list of lines. Each has its formula, in which ``\moved{…}`` marks what this line moved, a sentence
that says what was done, and, where the directive names a set of ``numbers``, values for the reader's settings. All of
it stands on the page as it is; ``_static/derivation.js`` adds the buttons and the sliders.

A number is written in the notation of `ddpm_edu.equations.grammar`. It is evaluated here, for the page that stands
without JavaScript, and travels in the page as a small tree that the script evaluates for other settings. A number
written with ``==`` must have the same value in every line that names it: this is tried at fifty random settings, and
a derivation that fails is an error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ddpm_edu import posterior, schedules
from ddpm_edu.equations import grammar
from ddpm_edu.equations import tree as trees
from ddpm_edu.equations.evaluate import ELEMENTARY, World, evaluate

NUMBER = re.compile(r"^(?P<same>==?)\s*(?P<words>[^:=][^:]*):\s*(?P<latex>.+)$")
CLOSE = 1e-9
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NO_VALUE = "no value here"
STEPS = 1000


class DerivationError(ValueError):
    """A derivation that cannot be shown; the message says which line and why."""


# ------------------------------------------------------------------------------------------------- what has a value


@dataclass(frozen=True)
class Setting:
    """A number that the reader sets: its key in the grammar, how it is shown, its slider's stops, what is allowed.

    runs: stretches [start, end, step] of the slider, each beginning where the last one ended.
    tried: the range of the random settings at which ``==`` is tried.
    """

    key: str
    symbol: str
    name: str
    colour: str
    value: float
    runs: tuple[tuple[float, float, float], ...]
    limits: tuple[float, float]
    tried: tuple[float, float]
    whole: bool = False

    @property
    def address(self) -> str:
        """The key in the page's address: letters and digits only."""
        return re.sub(r"[^A-Za-z0-9]", "", self.key.replace("t-1", "b"))


def fixed_noise() -> np.ndarray:
    """ε_1 … ε_1000, the same on every machine and in every language: shape (1001,), index 0 unused.

    Each is the sum of twelve uniform numbers less 6; these come from s → 48271 s mod 2³¹ − 1, begun at s = 1.
    """
    eps, s = np.zeros(STEPS + 1), 1
    for t in range(1, STEPS + 1):
        total = 0.0
        for _ in range(12):
            s = s * 48271 % 2147483647
            total += s / 2147483647
        eps[t] = total - 6
    return eps


NOISE = fixed_noise()
X_0 = 1.5


def series_world(settings: Mapping[str, float]) -> World:
    """α, β, T, and one chain x_0 … x_T that obeys the kernel x_t = √α·x_{t−1} + √β·ε_t with fixed noise."""
    alpha, beta, T = settings["alpha"], settings["beta"], int(settings["T"])
    x = np.empty(T + 1)
    x[0] = X_0
    for t in range(1, T + 1):
        x[t] = alpha**0.5 * x[t - 1] + beta**0.5 * NOISE[t]
    return World(values={"alpha": alpha, "beta": beta, "T": float(T)}, sequences={"x": x, "eps": NOISE[: T + 1].copy()})


def posterior_world(settings: Mapping[str, float]) -> World:
    """t, x_0, x_t, x_{t−1}, the usual linear schedule, μ̃_t, and the ε that leads from x_0 to x_t."""
    t, x_0, x_t = int(settings["t"]), settings["x_0"], settings["x_t"]
    schedule = schedules.linear(STEPS)
    return World(
        values={
            **settings,
            "T": float(STEPS),
            "mu_tilde_t": posterior.mean(x_t, x_0, t, schedule),
            "eps": (x_t - schedule.alpha_bar[t] ** 0.5 * x_0) / (1 - schedule.alpha_bar[t]) ** 0.5,
        },
        sequences={
            "alpha": schedule.alpha,
            "beta": schedule.beta,
            "alpha_bar": schedule.alpha_bar,
            "beta_tilde": schedule.beta_tilde,
        },
    )


@dataclass(frozen=True)
class Numbers:
    """The letters that have values in a derivation: the reader's settings, and the world that follows from them."""

    settings: tuple[Setting, ...]
    world: Callable[[Mapping[str, float]], World]
    about: str

    def start(self) -> dict[str, float]:
        """The settings that the page opens with."""
        return {setting.key: float(setting.value) for setting in self.settings}

    def random(self, rng: np.random.Generator) -> dict[str, float]:
        """Random settings for the trial of ``==``."""
        drawn = {}
        for setting in self.settings:
            low, high = setting.tried
            drawn[setting.key] = float(
                rng.integers(int(low), int(high) + 1) if setting.whole else rng.uniform(low, high)
            )
        return drawn


ALPHA_RUNS = ((0, 0.9, 0.01), (0.9, 0.99, 0.002), (0.99, 1.01, 0.0005), (1.01, 1.1, 0.005))
BETA_RUNS = ((0, 0.001, 0.0001), (0.001, 0.01, 0.0005), (0.01, 0.1, 0.002), (0.1, 1, 0.01), (1, 1.5, 0.02))
LENGTH_RUNS = ((6, 20, 1), (20, 100, 5), (100, STEPS, 50))

NUMBERS = {
    "series": Numbers(
        (
            Setting("alpha", "α", "what a step keeps", "alpha", 0.98, ALPHA_RUNS, (0, 1.1), (0.3, 0.99)),
            Setting("beta", "β", "noise a step adds", "beta", 0.02, BETA_RUNS, (0, 1.5), (0.01, 1)),
            Setting("T", "T", "number of steps", "x-t", 200, LENGTH_RUNS, (6, STEPS), (6, 40), whole=True),
        ),
        series_world,
        "The values of $x_t$ and $\\varepsilon_t$ are those of one chain, drawn once; only $\\alpha$, $\\beta$ and $T$ change.",
    ),
    "posterior": Numbers(
        (
            Setting("t", "t", "the step", "x-t", 200, ((2, STEPS, 1),), (2, STEPS), (2, STEPS), whole=True),
            Setting("x_0", "x_0", "where it began", "x-0", 1.0, ((-3, 3, 0.05),), (-3, 3), (-3, 3)),
            Setting("x_t", "x_t", "where it is", "x-t", 0.5, ((-4, 4, 0.05),), (-4, 4), (-4, 4)),
            Setting("x_{t-1}", "x_t−1", "where we ask", "x-t", 0.6, ((-4, 4, 0.05),), (-4, 4), (-4, 4)),
        ),
        posterior_world,
        "The schedule is the linear one with 1000 steps.",
    ),
}


# ------------------------------------------------------------------------------------------------------- the source


@dataclass(frozen=True)
class Number:
    """A number beside a line: its words, the LaTeX that gives its value, and whether ``==`` was written."""

    words: str
    latex: str
    node: trees.Node
    same: bool


@dataclass(frozen=True)
class Line:
    """A line: the formula with its marks, the sentence, the numbers."""

    latex: str
    text: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Derivation:
    """A derivation as it is written."""

    title: str
    name: str
    lines: tuple[Line, ...]
    numbers: Numbers | None = None
    lets: tuple[tuple[str, trees.Node], ...] = field(default=())

    def values(self, settings: Mapping[str, float]) -> list[list[float]]:
        """The numbers of each line at these settings; what has no value there is nan or infinite."""
        if self.numbers is None:
            return [[] for _ in self.lines]
        world = self.numbers.world(settings)
        for key, node in self.lets:
            world = World({**world.values, key: _value(node, world)}, world.sequences)
        return [[_value(number.node, world) for number in line.numbers] for line in self.lines]

    @cached_property
    def offered(self) -> list[Setting]:
        """The settings that change a number; the others get no slider."""
        if self.numbers is None:
            return []
        rng = np.random.default_rng(0)
        moves: set[str] = set()
        for _ in range(5):
            settings = self.numbers.random(rng)
            before, elsewhere = self.values(settings), self.numbers.random(rng)
            for setting in self.numbers.settings:
                after = self.values({**settings, setting.key: elsewhere[setting.key]})
                if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True)):
                    moves.add(setting.key)
        return [setting for setting in self.numbers.settings if setting.key in moves]

    def data(self) -> dict[str, Any]:
        """What the script needs: sliders, letters, and each line's numbers as trees."""
        if self.numbers is None:
            return {"name": self.name}
        kind = next(kind for kind, numbers in NUMBERS.items() if numbers is self.numbers)
        fixed = {setting.key: setting.value for setting in self.numbers.settings if setting not in self.offered}
        sliders = [
            {
                "key": setting.key,
                "address": setting.address,
                "symbol": setting.symbol,
                "name": setting.name,
                "colour": setting.colour,
                "value": setting.value,
                "runs": setting.runs,
                "limits": setting.limits,
                "whole": setting.whole,
            }
            for setting in self.offered
        ]
        return {
            "name": self.name,
            "kind": kind,
            "sliders": sliders,
            "fixed": fixed,
            "lets": [[key, tree(node)] for key, node in self.lets],
            "lines": [[tree(number.node) for number in line.numbers] for line in self.lines],
        }

    def disagreement(self, trials: int = 50) -> str:
        """What is wrong with the numbers that should be the same in every line; empty where nothing is."""
        if self.numbers is None:
            return ""
        rng = np.random.default_rng(len(self.lines))
        for _ in range(trials):
            settings = self.numbers.random(rng)
            first: dict[str, tuple[int, float]] = {}
            for at, (line, values) in enumerate(zip(self.lines, self.values(settings), strict=True), 1):
                for number, value in zip(line.numbers, values, strict=True):
                    if not number.same:
                        continue
                    where, other = first.setdefault(number.words, (at, value))
                    if not abs(value - other) <= CLOSE * max(1, abs(value), abs(other)):
                        shown = ", ".join(f"{key} = {setting:.4g}" for key, setting in settings.items())
                        return (
                            f"{number.words!r} is {other!r} in line {where} and {value!r} in line {at}, "
                            f"which should be the same ({shown})"
                        )
        return ""


def read(title: str, body: str, options: Mapping[str, str]) -> Derivation:
    """A derivation from the directive's argument, text and options. Raises DerivationError naming the line."""
    name = options.get("name", "").strip()
    where = f"derivation {name or title!r}"
    if not title.strip():
        raise DerivationError(f"{where} needs a title behind the directive's name")
    if not re.fullmatch(r"[a-z]{2,20}", name):
        raise DerivationError(f"{where} needs :name:, one word of lower-case letters")
    kind = options.get("numbers", "").strip()
    if kind and kind not in NUMBERS:
        raise DerivationError(f"{where}: :numbers: must be one of {', '.join(NUMBERS)}, but it was {kind!r}")
    lets = []
    for part in filter(None, (part.strip() for part in options.get("let", "").split(";"))):
        letter, sign, latex = part.partition("=")
        symbol = _parsed(letter.strip(), f"{where}, :let:")
        if not sign or not isinstance(symbol, trees.Symbol):
            raise DerivationError(f"{where}: :let: is written A = …, but it was {part!r}")
        lets.append((symbol.key, _parsed(latex, f"{where}, :let: {symbol.key}")))
    lines: list[Line] = []
    for formula, words in _pieces(body, where):
        place = f"{where}, line {len(lines) + 1}"
        text, numbers = [], []
        for row in words.splitlines():
            found = NUMBER.match(row.strip())
            if row.strip().startswith("=") and not found:
                raise DerivationError(f"{place}: a number is written '= words: LaTeX', but it was {row.strip()!r}")
            if not found:
                text.append(row.strip())
                continue
            latex = found["latex"].strip()
            if latex in {"left", "right"}:
                latex = side(formula, latex, place)
            node = _parsed(latex, f"{place}, {found['words']}")
            numbers.append(Number(found["words"].strip(), latex, node, found["same"] == "=="))
        sentence = "\n".join(text).strip()
        if not sentence:
            raise DerivationError(f"{place} has no sentence that says what was done")
        if numbers and not kind:
            raise DerivationError(f"{place} has numbers, but the directive does not say which: :numbers:")
        lines.append(Line(formula, sentence, tuple(numbers)))
    if not 2 <= len(lines) <= 20:
        raise DerivationError(f"{where} must have 2 to 20 lines, but it had {len(lines)}")
    result = Derivation(title.strip(), name, tuple(lines), NUMBERS.get(kind), tuple(lets))
    try:
        problem = result.disagreement()
    except ValueError as error:
        raise DerivationError(f"{where}: {error}") from None
    if problem:
        raise DerivationError(f"{where}: {problem}")
    if kind and not result.offered:
        raise DerivationError(f"{where} names the numbers {kind!r}, but no number in it depends on a setting")
    return result


def _pieces(body: str, where: str) -> list[tuple[str, str]]:
    """The formulas between double dollars, each with the words behind it."""
    before, *rest = re.split(r"^[ \t]*\$\$[ \t]*$", body, flags=re.MULTILINE)
    if before.strip():
        raise DerivationError(f"{where} begins with a formula between $$ on lines of their own, but it was {before!r}")
    if len(rest) % 2:
        raise DerivationError(f"{where}: a $$ is left open")
    return [(rest[at].strip(), rest[at + 1].strip()) for at in range(0, len(rest), 2)]


def unmarked(latex: str, command: str = "") -> str:
    r"""The LaTeX with ``\moved{X}`` replaced by X, or by another command at X."""
    while (at := latex.find(r"\moved{")) >= 0:
        start = at + len(r"\moved{")
        depth, end = 1, start
        while end < len(latex) and depth:
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            depth -= {r"\{": 1, r"\}": -1}.get(latex[end - 1 : end + 1], 0)
            end += 1
        if depth:
            raise DerivationError(rf"a \moved{{ is left open: {latex!r}")
        inner = latex[start : end - 1]
        latex = latex[:at] + (f"{command}{{{inner}}}" if command else inner) + latex[end:]
    return latex


def side(formula: str, which: str, place: str) -> str:
    r"""What stands before or after the only ``=`` or ``\propto`` of a printed line."""
    text = unmarked(formula)
    depth, found = 0, []
    for at, sign in enumerate(text):
        depth += {"{": 1, "}": -1}.get(sign, 0) if at == 0 or text[at - 1] != "\\" else 0
        if depth == 0 and sign == "=":
            found.append((at, at + 1))
        elif depth == 0 and text.startswith(r"\propto", at):
            found.append((at, at + len(r"\propto")))
    if len(found) != 1:
        raise DerivationError(f"{place}: {which} needs a line with one = in it, but it has {len(found)}")
    start, end = found[0]
    return re.sub(r"(\\[,;:! ]|[\s.,;])+$", "", text[:start] if which == "left" else text[end:]).strip()


def _parsed(latex: str, where: str) -> trees.Node:
    try:
        node = grammar.expression(latex)
        tree(node)
    except (grammar.GrammarError, AssertionError) as error:
        raise DerivationError(f"{where}: {error}") from None
    return node


def tree(node: trees.Node | trees.Range | None) -> Any:
    """An expression as nested lists for the script. Raises GrammarError for what it does not evaluate."""
    match node:
        case None:
            return None
        case trees.Number(text):
            return float(text)
        case trees.Symbol():
            return ["s", node.key] if node.index is None else ["s", node.key, node.base, tree(node.index)]
        case trees.Sum(terms):
            return ["+", *([sign, tree(term)] for sign, term in terms)]
        case trees.Product(factors):
            return ["*", *map(tree, factors)]
        case trees.Fraction(numerator, denominator):
            return ["/", tree(numerator), tree(denominator)]
        case trees.Power(base, exponent):
            return ["^", tree(base), tree(exponent)]
        case trees.Root(radicand, degree):
            return ["r", tree(radicand), tree(degree)]
        case trees.Big(kind, variable, lower, upper, body):
            return [kind, variable.key, tree(lower), tree(upper), tree(body)]
        case trees.Norm(vector):  # one number is a vector of length 1
            return ["^", tree(vector), 2.0]
        case trees.Law(variable, mean, variance) if variable is not None:
            away = ["+", [1, tree(variable)], [-1, tree(mean)]]
            exponent = ["/", ["^", away, 2.0], ["*", -2.0, tree(variance)]]
            return ["/", ["f", "exp", exponent], ["r", ["*", 2.0, ["s", "pi"], tree(variance)], None]]
        case trees.Call(name, (argument,)) if not node.given and node.key in ELEMENTARY and name != "Phi":
            return ["f", name, tree(argument)]
    raise grammar.GrammarError("a number beside a derivation cannot hold this", trees.latex(node), 0)


def _value(node: trees.Node, world: World) -> float:
    try:
        return float(evaluate(node, world))
    except (IndexError, OverflowError):
        return math.nan


def say(x: float, digits: int = 4) -> str:
    """A number as a reader writes it, as derivation.js does: 0.01230, 4.500×10⁻⁶; what is not finite in words."""
    if not math.isfinite(x):
        return NO_VALUE
    if x == 0:
        return "0"
    sign = "−" if x < 0 else ""
    mantissa, exponent = f"{abs(x):.{digits - 1}e}".split("e")
    power = int(exponent)
    if power < -3 or power >= 5:
        return f"{sign}{mantissa}×10{str(power).translate(SUPERSCRIPT)}"
    return f"{sign}{abs(x):.{max(0, digits - 1 - power)}f}"


def settings_text(settings: list[Setting]) -> str:
    """The settings that the page opens with, as a sentence in Markdown."""
    shown = []
    for setting in settings:
        symbol = {"x_t−1": "x_{t-1}", "α": r"\alpha", "β": r"\beta"}.get(setting.symbol, setting.symbol)
        shown.append(f"${symbol} = {setting.value:g}$")
    return f"Numbers for {' and '.join(filter(None, (', '.join(shown[:-1]), shown[-1])))}."


def markdown(derivation: Derivation) -> str:
    """The derivation in plain Markdown, for the notebooks: numbered sentences, formulas, numbers."""
    opening = f"**{derivation.title}.**"
    if derivation.numbers:
        opening += f" {settings_text(derivation.offered)} {derivation.numbers.about}"
    parts = [opening]
    values = derivation.values(derivation.numbers.start()) if derivation.numbers else [[] for _ in derivation.lines]
    for at, (line, row) in enumerate(zip(derivation.lines, values, strict=True), 1):
        parts.append(f"**Line {at}.** {line.text}")
        parts.append(f"$$\n{unmarked(line.latex, chr(92) + 'underline')}\n$$")
        if row:
            pairs = zip(line.numbers, row, strict=True)
            parts.append("; ".join(f"{number.words}: {say(value)}" for number, value in pairs) + ".")
    return "\n\n".join(parts)


# ---------------------------------------------------------------------------------------------------------- Sphinx


class Shown(nodes.General, nodes.Element):
    """A derivation on the page."""


class DerivationDirective(SphinxDirective):
    """``{derivation}``: see the module."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {  # noqa: RUF012
        "name": directives.unchanged_required,
        "numbers": directives.unchanged_required,
        "let": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """The derivation's nodes."""
        try:
            derivation = read(self.arguments[0], "\n".join(self.content), self.options)
        except DerivationError as error:
            raise self.error(str(error)) from None
        used = self.env.temp_data.setdefault("derivations", set())
        if derivation.name in used:
            raise self.error(f"the page has two derivations named {derivation.name!r}")
        used.add(derivation.name)
        shown = Shown("", name=derivation.name, data=derivation.data())
        shown += nodes.paragraph("", "", *self.inline(derivation.title), classes=["derivation-title"])
        values: list[list[float]] = [[] for _ in derivation.lines]
        if derivation.numbers:
            values = derivation.values(derivation.numbers.start())
            for words, kind in ((settings_text(derivation.offered), "settings"), (derivation.numbers.about, "about")):
                shown += nodes.paragraph("", "", *self.inline(words), classes=[f"derivation-{kind}"])
        rows = nodes.enumerated_list("", classes=["derivation-lines"], enumtype="arabic", prefix="", suffix=".")
        for line, row in zip(derivation.lines, values, strict=True):
            item = nodes.list_item("")
            item += nodes.math_block("", line.latex, nowrap=False, number=None, docname=self.env.docname)
            item += nodes.paragraph("", "", *self.inline(line.text), classes=["derivation-move"])
            if row:
                item += self.numbers(line.numbers, row)
            rows += item
        shown += rows
        return [shown]

    def inline(self, text: str) -> list[nodes.Node]:
        """The nodes of one paragraph of Markdown."""
        holder = nodes.Element()
        self.state.nested_parse(StringList(text.splitlines(), source=self.env.docname), self.content_offset, holder)
        if len(holder.children) != 1 or not isinstance(holder.children[0], nodes.paragraph):
            raise self.error(f"a derivation's sentence is one paragraph, but it was {text!r}")
        return list(holder.children[0].children)

    def numbers(self, numbers: tuple[Number, ...], values: list[float]) -> nodes.definition_list:
        """The numbers of one line."""
        found = nodes.definition_list("", classes=["derivation-numbers"])
        for number, value in zip(numbers, values, strict=True):
            term = nodes.term("", "", *self.inline(number.words))
            found += nodes.definition_list_item(
                "", term, nodes.definition("", nodes.paragraph("", "", nodes.Text(say(value))))
            )
        return found


def _open(self: Any, node: Shown) -> None:
    self.body.append(f'<div class="derivation" id="derivation-{node["name"]}">\n')


def _close(self: Any, node: Shown) -> None:
    data = json.dumps(node["data"], separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    self.body.append(f'<script type="application/json" class="derivation-data">{data}</script>\n</div>\n')


def _pass(self: Any, node: Shown) -> None:
    pass


def _macro(app: Sphinx, config: Any) -> None:
    config.mathjax3_config = config.mathjax3_config or {}
    macros = config.mathjax3_config.setdefault("tex", {}).setdefault("macros", {})
    macros["moved"] = [r"\class{moved}{#1}", 1]


def _script(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is not None and next(doctree.findall(Shown), None) is not None:
        app.add_js_file("derivation.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_node(Shown, html=(_open, _close), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_directive("derivation", DerivationDirective)
    app.connect("config-inited", _macro, priority=20)
    app.connect("html-page-context", _script)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
