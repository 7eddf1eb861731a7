r"""The book's notation, read strictly: LaTeX in, a small syntax tree out.

What the grammar does not know is a `GrammarError` with its position; nothing is ever skipped. Where two readers could
disagree, the grammar takes one reading and refuses the text that would suggest another:

- A product is written by juxtaposition or with `\cdot`. It binds stronger than `+` and `-`, weaker than a power.
- `\sum` and `\prod` take what follows them up to the next `+` or `-` of the same level, as one product:
  `\sum_{k=0}^{t-1} \alpha^k x + 1` is (Σ α^k x) + 1. What stands before the sign multiplies it.
- `a/b` divides the whole product before the slash by the one factor after it, and ends the product: `a/b c` is an error.
- A function without brackets takes one factor and ends the product: `\log x y` is an error, `\log(x)\,y` is not.
- A script without braces is one sign: `x^12` is an error, since TeX prints x¹2. Braces never group a factor, since TeX
  prints `{a+b}c` without brackets.
- A number follows a factor only after `\cdot`: `2\,3` is an error.
- `\left` pairs with `\right` and `\bigl` with `\bigr`.
- The letters f, p and q, and ε or μ with the index θ before a bracket, are functions: `\varepsilon_\theta(x_t, t)`.
- An expectation takes square brackets: `\mathbb{E}(x)^2` is refused.
- `I`, the identity, stands only at the end of a normal law's variance, and means: every component alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

GREEK = "alpha|beta|gamma|delta|varepsilon|eta|theta|kappa|lambda|mu|nu|pi|rho|sigma|tau|omega|Delta|Sigma|Omega|infty"
FUNCTIONS = "exp|log|ln|sin|cos|Phi"
NAMES = {"varepsilon": "eps"}

GRAMMAR = r"""
start: statement (_separator statement)* (_separator | ".")?
_separator: "," | ";" | _JOIN | "," _JOIN
statement: side ("=" side)+ -> equation
         | sum _SIM law     -> draw
?side: sum | law
law: _NORMAL _round{_law}
_law: [sum ";"] sum "," variance
?variance: sum | product _IDENTITY | _IDENTITY -> identity

?sum: term | "-" term -> negative | sum "+" term -> plus | sum "-" term -> minus
?term: product | product "/" factor -> quotient | last | product last -> times | product _CDOT last -> times
?last: big | bare
?product: factor | product item -> times | product _CDOT factor -> times
big: BIG "_" "{" symbol "=" sum "}" "^" script term
bare: FUNCTION ["^" script] simple -> call
?simple: number | symbol | power | fraction | root

?factor: number | number "^" script -> power | item
?item: symbol | power | fraction | root | call | expectation | group | group "^" script -> power
number: NUMBER
symbol: base ["_" script]
?power: base "^" script -> symbol_power | base "_" script "^" script -> index_power
      | base "^" script "_" script -> power_index | root "^" script -> power
?base: letter | ACCENT (letter | "{" letter "}") -> accented
letter: LETTER | GREEK | WORD
?script: DIGITS -> digit | letter -> symbol | "{" sum "}"
fraction: _FRAC "{" sum "}" "{" sum "}"
root: _SQRT ["[" sum "]"] "{" sum "}"
call: FUNCTION ["^" script] group | NAMED ["_" script] _round{arguments} -> named | NETWORK _round{arguments} -> network
arguments: given [_MID given]
given: sum ("," sum)*
expectation: _MEAN _square{sum}

?group: _round{sum} | _square{sum} | _curly{sum}
_round{x}: "(" x ")" | _LEFT "(" x _RIGHT ")" | _BIGL "(" x _BIGR ")"
_square{x}: "[" x "]" | _LEFT "[" x _RIGHT "]" | _BIGL "[" x _BIGR "]"
_curly{x}: "\\{" x "\\}" | _LEFT "\\{" x _RIGHT "\\}" | _BIGL "\\{" x _BIGR "\\}"

DIGITS: /\d/
NUMBER: /\d+(\.\d+)?/
LETTER: /[A-EGHJ-Za-eg-or-z]/
GREEK: /\\(<GREEK>)(?![A-Za-z])/
WORD: /\\(mathrm|operatorname)\{[A-Za-z]+\}/
ACCENT: /\\(bar|tilde|hat)(?![A-Za-z])/
BIG: /\\(sum|prod)(?![A-Za-z])/
FUNCTION: /\\(<FUNCTIONS>)(?![A-Za-z])/
NAMED: /[fpq]/
NETWORK.2: /\\(varepsilon|mu)_(\\theta|\{\\theta\})(?=(\\[!,]|\s)*(\\left|\\[bB]igg?l)?\s*\()/
_FRAC: /\\[td]?frac(?![A-Za-z])/
_SQRT: /\\sqrt(?![A-Za-z])/
_NORMAL: /\\mathcal\{N\}/
_MEAN: /\\mathbb\{E\}/
_IDENTITY: /I|\\mathbf\{I\}/
_SIM: /\\sim(?![A-Za-z])/
_MID: /\\mid(?![A-Za-z])/
_CDOT: /\\cdot(?![A-Za-z])/
_LEFT: /\\left(?![A-Za-z])/
_RIGHT: /\\right(?![A-Za-z])/
_BIGL: /\\[bB]igg?l(?![A-Za-z])/
_BIGR: /\\[bB]igg?r(?![A-Za-z])/
_JOIN: /\\text\{\s*(with|where|and|for)\s*\}/
SPACE: /(\s|~|\\[,;:!> ]|\\q?quad(?![A-Za-z]))+/
%ignore SPACE
""".replace("<GREEK>", GREEK).replace("<FUNCTIONS>", FUNCTIONS)


@dataclass(frozen=True)
class Number:
    """A number as printed."""

    text: str


@dataclass(frozen=True)
class Symbol:
    """A letter with its accent and index: ᾱ_{t−1} is name "alpha", accent "bar", index t − 1."""

    name: str
    accent: str = ""
    index: Node | None = None
    position: int = field(default=0, compare=False)

    @property
    def base(self) -> str:
        """The name in code without the index: "alpha_bar"."""
        return f"{self.name}_{self.accent}" if self.accent else self.name

    @property
    def key(self) -> str:
        """The name in code: "alpha_bar_t", "x_{t-1}", "eps_theta"."""
        if self.index is None:
            return self.base
        index = latex(self.index).replace("\\", "").replace(" ", "")
        return f"{self.base}_{index}" if index.isalnum() else f"{self.base}_{{{index}}}"


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
class Big:
    """A sum ("sum") or product ("prod") over a running variable, and the product it takes."""

    kind: str
    variable: Symbol
    lower: Node
    upper: Node
    body: Node


@dataclass(frozen=True)
class Call:
    r"""A function at its arguments; `given` holds what stands behind `\mid`."""

    name: str
    arguments: tuple[Node, ...]
    given: tuple[Node, ...] = ()
    index: Node | None = None
    position: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """The function's name in code: "exp", "p_t", "eps_theta"."""
        return Symbol(self.name, "", self.index).key


@dataclass(frozen=True)
class Expectation:
    """The mean of an expression."""

    body: Node


@dataclass(frozen=True)
class Law:
    """A normal law's variable (None where none is printed), mean, and variance of each component."""

    variable: Node | None
    mean: Node
    variance: Node


@dataclass(frozen=True)
class Equation:
    """Sides that are printed as equal: two, or a chain of more."""

    sides: tuple[Node, ...]


@dataclass(frozen=True)
class Draw:
    """A quantity drawn from a normal law."""

    variable: Node
    law: Law


Node: TypeAlias = Number | Symbol | Sum | Product | Fraction | Power | Root | Big | Call | Expectation | Law
Statement: TypeAlias = Equation | Draw


class GrammarError(ValueError):
    """The text is not in the book's notation; `position` counts characters from 0."""

    def __init__(self, what: str, text: str, position: int) -> None:
        self.position = position
        line = text.rfind("\n", 0, position) + 1
        end = text.find("\n", position)
        row = text[line : end if end >= 0 else len(text)]
        super().__init__(f"{what} at position {position}:\n  {row}\n  {' ' * (position - line)}^")


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a displayed equation, in order.

    Raises GrammarError with the position of the first sign that the notation does not allow there.
    """
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        position = error.pos_in_stream
        position = len(text.rstrip()) if position is None or position < 0 else position
        token = getattr(error, "token", None)
        if token is not None and token.type == "$END":
            raise GrammarError("the equation ends too early", text, len(text.rstrip())) from None
        sign = str(token) if token is not None else text[position : position + 12].split("\n")[0]
        raise GrammarError(f"the book's notation does not allow {sign!r} here", text, position) from None
    return _Builder(text).build(tree)


def expression(text: str) -> Node:
    """One expression without an equals sign, for a left side or a test.

    Raises GrammarError as `parse` does.
    """
    statement = parse(f"{text} = 0")[0]
    assert isinstance(statement, Equation)
    return statement.sides[0]


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", propagate_positions=False, maybe_placeholders=True)


@v_args(inline=True)
class _Builder(Transformer):
    """From Lark's tree to the dataclasses above."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def build(self, tree: Any) -> tuple[Statement, ...]:
        try:
            return self.transform(tree)
        except VisitError as error:
            raise error.orig_exc from None

    def start(self, *statements: Statement) -> tuple[Statement, ...]:
        return statements

    def equation(self, *sides: Node) -> Equation:
        return Equation(sides)

    def draw(self, variable: Node, law: Law) -> Draw:
        return Draw(variable, law)

    def law(self, variable: Node | None, mean: Node, variance: Node) -> Law:
        return Law(variable, mean, variance)

    def identity(self) -> Number:
        return Number("1")

    def negative(self, term: Node) -> Sum:
        return Sum(((-1, term),))

    def plus(self, left: Node, right: Node) -> Sum:
        return Sum((*_terms(left), (1, right)))

    def minus(self, left: Node, right: Node) -> Sum:
        return Sum((*_terms(left), (-1, right)))

    def quotient(self, numerator: Node, denominator: Node) -> Fraction:
        return Fraction(numerator, denominator)

    def times(self, left: Node, right: Node) -> Product:
        return Product((*(left.factors if isinstance(left, Product) else (left,)), right))

    def fraction(self, numerator: Node, denominator: Node) -> Fraction:
        return Fraction(numerator, denominator)

    def power(self, base: Node, exponent: Node) -> Power:
        return Power(base, exponent)

    def symbol_power(self, base: Symbol, exponent: Node) -> Power:
        return Power(base, exponent)

    def index_power(self, base: Symbol, index: Node, exponent: Node) -> Power:
        return Power(self.symbol(base, index), exponent)

    def power_index(self, base: Symbol, exponent: Node, index: Node) -> Power:
        return Power(self.symbol(base, index), exponent)

    def root(self, degree: Node | None, radicand: Node) -> Root:
        return Root(radicand, degree)

    def big(self, kind: Token, variable: Symbol, lower: Node, upper: Node, body: Node) -> Big:
        return Big(kind[1:], variable, lower, upper, body)

    def number(self, text: Token) -> Number:
        return Number(str(text))

    digit = number

    def letter(self, token: Token) -> Symbol:
        name = token.split("{")[1][:-1] if "{" in token else token.lstrip("\\")
        return Symbol(NAMES.get(name, name), position=token.start_pos or 0)

    def accented(self, accent: Token, letter: Symbol) -> Symbol:
        return Symbol(letter.name, accent[1:], position=accent.start_pos or 0)

    def symbol(self, base: Symbol, index: Node | None = None) -> Symbol:
        return Symbol(base.name, base.accent, index, base.position)

    def call(self, name: Token, power: Node | None, argument: Node) -> Node:
        call = Call(name[1:], (argument,), position=name.start_pos or 0)
        if power is None:
            return call
        if not isinstance(power, Number):
            raise GrammarError(f"a power on {name} must be a plain number", self.text, call.position)
        return Power(call, power)

    def named(self, name: Token, index: Node | None, arguments: tuple[tuple[Node, ...], tuple[Node, ...]]) -> Call:
        return Call(str(name), arguments[0], arguments[1], index, name.start_pos or 0)

    def network(self, name: Token, arguments: tuple[tuple[Node, ...], tuple[Node, ...]]) -> Call:
        letter = name.split("_")[0][1:]
        return Call(NAMES.get(letter, letter), arguments[0], arguments[1], Symbol("theta"), name.start_pos or 0)

    def arguments(self, free: tuple[Node, ...], given: tuple[Node, ...] | None) -> Any:
        return free, given or ()

    def given(self, *values: Node) -> tuple[Node, ...]:
        return values

    def expectation(self, body: Node) -> Expectation:
        return Expectation(body)


def _terms(node: Node) -> tuple[tuple[int, Node], ...]:
    return node.terms if isinstance(node, Sum) else ((1, node),)


def latex(node: Node | Statement) -> str:
    """The tree in LaTeX again, with the brackets it needs; `parse` reads it back to the same tree."""
    match node:
        case Equation(sides):
            return " = ".join(latex(side) for side in sides)
        case Draw(variable, law):
            return rf"{latex(variable)} \sim {latex(law)}"
        case Law(variable, mean, variance):
            of = f"{latex(variable)}; " if variable is not None else ""
            return rf"\mathcal{{N}}({of}{latex(mean)}, {latex(variance)})"
        case Number(text):
            return text
        case Symbol(name, accent, index):
            letter = _letter(name)
            letter = rf"\{accent}{{{letter}}}" if accent else letter
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
                bare = not isinstance(factor, Sum | Product) and (last or not isinstance(factor, Big))
                number = isinstance(factor, Number) or (isinstance(factor, Power) and isinstance(factor.base, Number))
                text += (r" \cdot " if number and place else r"\," if place else "") + (
                    latex(factor) if bare else _brackets(factor)
                )
            return text
        case Fraction(numerator, denominator):
            return rf"\frac{{{latex(numerator)}}}{{{latex(denominator)}}}"
        case Power(base, exponent):
            plain = isinstance(base, Number | Symbol | Root)
            return f"{latex(base) if plain else _brackets(base)}^{_script(exponent)}"
        case Root(radicand, degree):
            return rf"\sqrt{f'[{latex(degree)}]' if degree is not None else ''}{{{latex(radicand)}}}"
        case Big(kind, variable, lower, upper, body):
            inner = latex(body) if _is_term(body) else _brackets(body)
            return rf"\{kind}_{{{latex(variable)}={latex(lower)}}}^{{{latex(upper)}}} {inner}"
        case Call(name, arguments, given, index):
            letter = rf"\{name}" if name in FUNCTIONS.split("|") else _letter(name)
            letter = letter if index is None else f"{letter}_{_script(index)}"
            inner = ", ".join(map(latex, arguments)) + (r" \mid " + ", ".join(map(latex, given)) if given else "")
            return rf"{letter}\left({inner}\right)"
        case Expectation(body):
            return rf"\mathbb{{E}}\left[{latex(body)}\right]"


def _letter(name: str) -> str:
    name = {short: long for long, short in NAMES.items()}.get(name, name)
    if len(name) == 1:
        return name
    return rf"\{name}" if name in GREEK.split("|") else rf"\mathrm{{{name}}}"


def _script(node: Node) -> str:
    text = latex(node)
    return text if len(text) == 1 else f"{{{text}}}"


def _brackets(node: Node) -> str:
    return rf"\left({latex(node)}\right)"


def _is_term(node: Node) -> bool:
    return not isinstance(node, Sum)
