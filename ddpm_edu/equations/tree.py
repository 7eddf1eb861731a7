"""Syntax trees of the book's equations, and the LaTeX that each of them is printed as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

GREEK = "alpha|beta|gamma|delta|varepsilon|eta|theta|kappa|lambda|mu|nu|pi|rho|sigma|tau|omega|Delta|Sigma|Omega|infty"
FUNCTIONS = "exp|log|ln|sin|cos|Phi"
NAMES = {"varepsilon": "eps"}


@dataclass(frozen=True)
class Number:
    """A number as printed."""

    text: str


@dataclass(frozen=True)
class Range:
    """The indices of several letters at once: 1:T in x_{1:T}."""

    lower: Node
    upper: Node


@dataclass(frozen=True)
class Symbol:
    """A letter with its accent and index: ᾱ_{t−1} is name "alpha", accent "bar", index t − 1. Primes are an accent too."""

    name: str
    accent: str = ""
    index: Node | Range | None = None
    position: int = field(default=0, compare=False)

    @property
    def base(self) -> str:
        """The name in code without the index: "alpha_bar", "s'"."""
        return f"{self.name}_{self.accent}" if self.accent and not self.primes else self.name + self.primes

    @property
    def primes(self) -> str:
        """The accent if it is one of primes, or else nothing."""
        return self.accent if self.accent.startswith("'") else ""

    @property
    def key(self) -> str:
        """The name in code: "alpha_bar_t", "x_{t-1}", "eps_theta", "s_t'"."""
        if self.index is None:
            return self.base
        index = latex(self.index).replace("\\", "").replace(" ", "")
        index = index if index.isalnum() else f"{{{index}}}"
        return f"{self.base.removesuffix(self.primes)}_{index}{self.primes}"


@dataclass(frozen=True)
class Sum:
    """Terms, each with its sign +1 or −1."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True)
class Product:
    """Factors side by side."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Fraction:
    """A fraction, written with a bar or a slash."""

    numerator: Node
    denominator: Node


@dataclass(frozen=True)
class Power:
    """A power."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Root:
    """A root; the degree is None for a square root."""

    radicand: Node
    degree: Node | None = None


@dataclass(frozen=True)
class Norm:
    """The square of a vector's length."""

    vector: Node


@dataclass(frozen=True)
class Big:
    """A sum ("sum") or product ("prod") over a running variable, and the product it takes."""

    kind: str
    variable: Symbol
    lower: Node
    upper: Node
    body: Node


@dataclass(frozen=True)
class Derivative:
    """The partial derivative of the product that follows."""

    variable: Symbol
    body: Node


@dataclass(frozen=True)
class Call:
    r"""A function at its arguments, or a density of them; `given` holds what stands behind `\mid`."""

    name: str
    arguments: tuple[Node, ...]
    given: tuple[Node, ...] = ()
    index: Node | None = None
    accent: str = ""
    position: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """The function's name in code: "exp", "p_t", "eps_theta", "s_t'"."""
        return Symbol(self.name, self.accent, self.index).key

    @property
    def spelling(self) -> str:
        """The whole call in code: "q(x_t|x_{t-1},x_0)"."""
        given = f"|{_codes(self.given)}" if self.given else ""
        return f"{self.key}({_codes(self.arguments)}{given})"


@dataclass(frozen=True)
class Mean:
    r"""An expectation ("E") or a variance ("Var"); `given` holds what stands behind `\mid`.

    over: what is averaged, from the index of 𝔼: a density such as q(x_{1:T} | x_0), or letters; empty where none is printed.
    """

    kind: str
    body: Node
    given: tuple[Node, ...] = ()
    over: tuple[Node, ...] = ()

    @property
    def key(self) -> str:
        """What it is over, in code: "q(x_t|x_0)", "x_0,eps"; empty where nothing is printed."""
        return _codes(self.over)


@dataclass(frozen=True)
class Law:
    """A normal law's variable (None where none is printed), mean, and variance of each component."""

    variable: Node | None
    mean: Node
    variance: Node


@dataclass(frozen=True)
class Divergence:
    """The Kullback–Leibler divergence of the first law from the second."""

    first: Call | Law
    second: Call | Law


@dataclass(frozen=True)
class Equation:
    r"""Sides that are printed as equal: two, or a chain of more.

    relations: what stands before each side but the first, "=", "\ge", "\le" or "\propto"; empty if it is "=" everywhere.
    """

    sides: tuple[Node, ...]
    relations: tuple[str, ...] = ()

    @property
    def steps(self) -> list[tuple[str, Node]]:
        """Each side but the first, with the relation before it."""
        return list(zip(self.relations or ("=",) * (len(self.sides) - 1), self.sides[1:], strict=True))


@dataclass(frozen=True)
class Draw:
    """A quantity drawn from a normal law."""

    variable: Node
    law: Law


Node: TypeAlias = (
    Number | Symbol | Sum | Product | Fraction | Power | Root | Norm | Big | Derivative | Call | Mean | Law | Divergence
)
Statement: TypeAlias = Equation | Draw


def latex(node: Node | Range | Statement) -> str:
    """The tree in LaTeX again, with the brackets it needs; `grammar.parse` reads it back to the same tree."""
    match node:
        case Equation(sides):
            return latex(sides[0]) + "".join(f" {relation} {latex(side)}" for relation, side in node.steps)
        case Draw(variable, law):
            return rf"{latex(variable)} \sim {latex(law)}"
        case Law(variable, mean, variance):
            of = f"{latex(variable)}; " if variable is not None else ""
            return rf"\mathcal{{N}}({of}{latex(mean)}, {latex(variance)})"
        case Number(text):
            return text
        case Range(lower, upper):
            return f"{latex(lower)}:{latex(upper)}"
        case Symbol(name, accent, index):
            letter = _accented(_letter(name), accent)
            return letter if index is None else f"{letter}_{_script(index)}"
        case Sum(terms):
            first = latex(terms[0][1]) if _is_term(terms[0][1]) else _brackets(terms[0][1])
            text = f"-{first}" if terms[0][0] < 0 else first
            for sign, term in terms[1:]:
                text += f" {'-' if sign < 0 else '+'} {latex(term) if _is_term(term) else _brackets(term)}"
            return text
        case Product(factors):
            text = ""
            for place, factor in enumerate(factors):
                last = place == len(factors) - 1
                bare = not isinstance(factor, Sum | Product) and (last or not isinstance(factor, Big | Derivative))
                number = isinstance(factor, Number) or (isinstance(factor, Power) and isinstance(factor.base, Number))
                text += (r" \cdot " if number and place else r"\," if place else "") + (
                    latex(factor) if bare else _brackets(factor)
                )
            return text
        case Fraction(numerator, denominator):
            return rf"\frac{{{latex(numerator)}}}{{{latex(denominator)}}}"
        case Power(base, exponent):
            plain = isinstance(base, Number | Root) or (isinstance(base, Symbol) and not base.primes)
            return f"{latex(base) if plain else _brackets(base)}^{_script(exponent)}"
        case Root(radicand, degree):
            return rf"\sqrt{f'[{latex(degree)}]' if degree is not None else ''}{{{latex(radicand)}}}"
        case Norm(vector):
            return rf"\|{latex(vector)}\|^2"
        case Big(kind, variable, lower, upper, body):
            return rf"\{kind}_{{{latex(variable)}={latex(lower)}}}^{{{latex(upper)}}} {_taken(body)}"
        case Derivative(variable, body):
            return rf"\frac{{\partial}}{{\partial {latex(variable)}}} {_taken(body)}"
        case Call(name, arguments, given, index, accent):
            letter = rf"\{name}" if name in FUNCTIONS.split("|") else latex(Symbol(name, accent, index))
            return rf"{letter}\left({', '.join(map(latex, arguments))}{_given(given)}\right)"
        case Mean(kind, body, given, over):
            letter = r"\mathbb{E}" if kind == "E" else rf"\mathrm{{{kind}}}"
            below = f"_{{{', '.join(map(latex, over))}}}" if over else ""
            return rf"{letter}{below}\left[{latex(body)}{_given(given)}\right]"
        case Divergence(first, second):
            return rf"\mathrm{{KL}}\left({latex(first)} \,\|\, {latex(second)}\right)"


def _codes(nodes: tuple[Node, ...]) -> str:
    return ",".join(
        node.key
        if isinstance(node, Symbol)
        else node.spelling
        if isinstance(node, Call)
        else latex(node).replace(" ", "")
        for node in nodes
    )


def _letter(name: str) -> str:
    name = {short: long for long, short in NAMES.items()}.get(name, name)
    if len(name) == 1:
        return name
    return rf"\{name}" if name in GREEK.split("|") else rf"\mathrm{{{name}}}"


def _accented(letter: str, accent: str) -> str:
    if accent.startswith("'"):
        return letter + accent
    return rf"\{accent}{{{letter}}}" if accent else letter


def _given(given: tuple[Node, ...]) -> str:
    return r" \mid " + ", ".join(map(latex, given)) if given else ""


def _script(node: Node | Range) -> str:
    text = latex(node)
    return text if len(text) == 1 else f"{{{text}}}"


def _taken(body: Node) -> str:
    return latex(body) if _is_term(body) else _brackets(body)


def _brackets(node: Node) -> str:
    return rf"\left({latex(node)}\right)"


def _is_term(node: Node) -> bool:
    return not isinstance(node, Sum)
