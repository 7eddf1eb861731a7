r"""The book's notation, read strictly: LaTeX in, a small syntax tree out.

What the grammar does not know is a `GrammarError` with its position; nothing is ever skipped. Where two readers could
disagree, the grammar takes one reading and refuses the text that would suggest another:

- A product is written by juxtaposition or with `\cdot`. It binds stronger than `+` and `-`, weaker than a power.
- `\sum`, `\prod` and `\frac{\partial}{\partial x}` take what follows them up to the next `+` or `-` of the same level, as
  one product: `\sum_{k=0}^{t-1} \alpha^k x + 1` is (Σ α^k x) + 1. What stands before the sign multiplies it.
- `a/b` divides the whole product before the slash by the one factor after it, and ends the product: `a/b c` is an error.
- A function without brackets takes one factor and ends the product: `\log x y` is an error, `\log(x)\,y` is not.
- A script without braces is one sign: `x^12` is an error, since TeX prints x¹2. Braces never group a factor, since TeX
  prints `{a+b}c` without brackets.
- A number follows a factor only after `\cdot`: `2\,3` is an error.
- `\left` pairs with `\right` and `\bigl` with `\bigr`.
- The letters f, p and q, ε or μ with the index θ before a bracket, and s with an index before a bracket, are functions:
  `\varepsilon_\theta(x_t, t)`, `s_t(x)`. A d before a letter is a differential, and refused; so is a word before a bracket,
  which would be a function, as `\mathrm{tr}(x)`.
- An expectation takes square brackets: `\mathbb{E}(x)^2` is refused. What it averages over is a density with all its
  letters, `\mathbb{E}_{q(x_t \mid x_0)}`, or the letters themselves: `\mathbb{E}_q` is refused.
- A length is printed with its square: `\|x\|^2`. A prime takes no power.
- `I`, the identity, stands only at the end of a normal law's variance, and means: every component alike.
- A chain of sides runs one way: `\ge` and `\le` in one chain are refused. `\approx` always is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from .tree import (
    FUNCTIONS,
    GREEK,
    NAMES,
    Big,
    Call,
    Derivative,
    Divergence,
    Draw,
    Equation,
    Fraction,
    Law,
    Mean,
    Node,
    Norm,
    Number,
    Power,
    Product,
    Range,
    Root,
    Statement,
    Sum,
    Symbol,
)

GRAMMAR = r"""
start: statement (_separator statement)* (_separator | ".")?
_separator: "," | ";" | _JOIN | "," _JOIN
statement: sum (relation sum)+ -> equation
         | sum _SIM law        -> draw
relation: _EQUAL -> equal | _GE -> at_least | _LE -> at_most | _PROPTO -> proportional

?sum: term | "-" term -> negative | sum "+" term -> plus | sum "-" term -> minus
?term: product | product "/" factor -> quotient | last | product last -> times | product _CDOT last -> times
?last: big | bare | derivative
?product: factor | product item -> times | product _CDOT factor -> times
big: BIG "_" "{" symbol _EQUAL sum "}" "^" script term
derivative: _FRAC "{" _PARTIAL "}" "{" _PARTIAL symbol "}" term
bare: FUNCTION ["^" script] simple -> call
?simple: number | symbol | power | fraction | root | big | _called

?factor: number | number "^" script -> power | item
?item: symbol | power | fraction | root | norm | call | _called | group | group "^" script -> power
_called: named | mean | law | divergence
number: NUMBER
symbol: base ["_" script] | base "_" script PRIME -> primed | base PRIME ["_" script] -> primed_first
?power: base "^" script -> symbol_power | base "_" script "^" script -> index_power
      | base "^" script "_" script -> power_index | root "^" script -> power
?base: letter | ACCENT (letter | "{" letter "}") -> accented
letter: LETTER | GREEK | WORD
?script: DIGITS -> digit | letter -> symbol | "{" sum "}" | "{" sum ":" sum "}" -> range
fraction: _FRAC "{" sum "}" "{" sum "}"
root: _SQRT ["[" sum "]"] "{" sum "}"
norm: _BARS sum _END_BARS "^" _TWO | _LEFT _BARS sum _RIGHT _END_BARS "^" _TWO | _BIGL _BARS sum _BIGR _END_BARS "^" _TWO
call: FUNCTION ["^" script] group
named: NAMED ["_" script] _round{arguments} | NETWORK _round{arguments} -> network
     | SCORE "_" script [PRIME] _round{arguments} -> score | SCORE PRIME "_" script _round{arguments} -> score_primed
arguments: list [_MID list]
list: sum ("," sum)*
mean: MEAN ["_" over] _square{_averaged}
_averaged: sum [_MID list]
over: letter -> one | "{" (named | symbol ("," symbol)*) "}"
law: _NORMAL _round{_law}
_law: [sum ";"] sum "," variance
?variance: sum | product _IDENTITY | _IDENTITY -> identity
divergence: _KL _round{_pair}
_pair: (named | law) _BARS (named | law)

?group: _round{sum} | _square{sum} | _curly{sum}
_round{x}: "(" x ")" | _LEFT "(" x _RIGHT ")" | _BIGL "(" x _BIGR ")"
_square{x}: "[" x "]" | _LEFT "[" x _RIGHT "]" | _BIGL "[" x _BIGR "]"
_curly{x}: "\\{" x "\\}" | _LEFT "\\{" x _RIGHT "\\}" | _BIGL "\\{" x _BIGR "\\}"

DIGITS: /\d/
NUMBER: /\d+(\.\d+)?/
LETTER: /[A-EGHJ-Za-ceg-or-z]|d(?![A-Za-z])/
GREEK: /\\(<GREEK>)(?![A-Za-z])/
WORD: /\\(mathrm|operatorname)\{[A-Za-z]+\}(?!<BRACKET>)/
ACCENT: /\\(bar|tilde|hat)(?![A-Za-z])/
PRIME: /'+/
BIG: /\\(sum|prod)(?![A-Za-z])/
FUNCTION: /\\(<FUNCTIONS>)(?![A-Za-z])/
NAMED: /[fpq]/
NETWORK.2: /\\(varepsilon|mu)_(\\theta|\{\\theta\})(?=<BRACKET>)/
SCORE.2: /s(?='*_([^\W_]|\\[A-Za-z]+|\{[^{}]*\})'*<BRACKET>)/
MEAN.2: /\\mathbb\{E\}|\\mathrm\{Var\}/
_KL.2: /\\mathrm\{KL\}/
_EQUAL: "="
_GE: /\\geq?(?![A-Za-z])/
_LE: /\\leq?(?![A-Za-z])/
_PROPTO: /\\propto(?![A-Za-z])/
_FRAC: /\\[td]?frac(?![A-Za-z])/
_PARTIAL: /\\partial(?![A-Za-z])/
_SQRT: /\\sqrt(?![A-Za-z])/
_BARS: /\\\|(?!\s*\^)/
_END_BARS: /\\\|(?=\s*\^)/
_TWO: "2"
_NORMAL: /\\mathcal\{N\}/
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
"""
GRAMMAR = GRAMMAR.replace("<BRACKET>", r"(\\[!,]|\s)*(\\left|\\[bB]igg?l)?\s*\(")
GRAMMAR = GRAMMAR.replace("<GREEK>", GREEK).replace("<FUNCTIONS>", FUNCTIONS)


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
    """From Lark's tree to the tree of `tree`."""

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

    def equation(self, *parts: Any) -> Equation:
        sides, relations = parts[::2], parts[1::2]
        kinds = {relation for relation in relations if relation != "="}
        if len(kinds) > 1:
            raise GrammarError(
                f"a chain must run one way, but this one has {' and '.join(sorted(kinds))}", self.text, 0
            )
        return Equation(sides, relations if kinds else ())

    def equal(self) -> str:
        return "="

    def at_least(self) -> str:
        return r"\ge"

    def at_most(self) -> str:
        return r"\le"

    def proportional(self) -> str:
        return r"\propto"

    def draw(self, variable: Node, law: Law) -> Draw:
        return Draw(variable, law)

    def law(self, variable: Node | None, mean: Node, variance: Node) -> Law:
        return Law(variable, mean, variance)

    def identity(self) -> Number:
        return Number("1")

    def divergence(self, first: Call | Law, second: Call | Law) -> Divergence:
        return Divergence(first, second)

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

    def norm(self, vector: Node) -> Norm:
        return Norm(vector)

    def big(self, kind: Token, variable: Symbol, lower: Node, upper: Node, body: Node) -> Big:
        return Big(kind[1:], variable, lower, upper, body)

    def derivative(self, variable: Symbol, body: Node) -> Derivative:
        return Derivative(variable, body)

    def number(self, text: Token) -> Number:
        return Number(str(text))

    digit = number

    def range(self, lower: Node, upper: Node) -> Range:
        return Range(lower, upper)

    def letter(self, token: Token) -> Symbol:
        name = token.split("{")[1][:-1] if "{" in token else token.lstrip("\\")
        return Symbol(NAMES.get(name, name), position=token.start_pos or 0)

    def accented(self, accent: Token, letter: Symbol) -> Symbol:
        return Symbol(letter.name, accent[1:], position=accent.start_pos or 0)

    def symbol(self, base: Symbol, index: Node | None = None) -> Symbol:
        return Symbol(base.name, base.accent, index, base.position)

    def primed(self, base: Symbol, index: Node | None, prime: Token) -> Symbol:
        if base.accent:
            raise GrammarError("a letter has one accent", self.text, prime.start_pos or 0)
        return Symbol(base.name, str(prime), index, base.position)

    def primed_first(self, base: Symbol, prime: Token, index: Node | None) -> Symbol:
        return self.primed(base, index, prime)

    def call(self, name: Token, power: Node | None, argument: Node) -> Node:
        call = Call(name[1:], (argument,), position=name.start_pos or 0)
        if power is None:
            return call
        if not isinstance(power, Number):
            raise GrammarError(f"a power on {name} must be a plain number", self.text, call.position)
        return Power(call, power)

    def named(self, name: Token, index: Node | None, arguments: tuple[tuple[Node, ...], tuple[Node, ...]]) -> Call:
        return Call(str(name), *arguments, index, position=name.start_pos or 0)

    def network(self, name: Token, arguments: tuple[tuple[Node, ...], tuple[Node, ...]]) -> Call:
        letter = name.split("_")[0][1:]
        return Call(NAMES.get(letter, letter), *arguments, Symbol("theta"), position=name.start_pos or 0)

    def score(
        self, name: Token, index: Node, prime: Token | None, arguments: tuple[tuple[Node, ...], tuple[Node, ...]]
    ) -> Call:
        return Call("s", *arguments, index, str(prime or ""), name.start_pos or 0)

    def score_primed(self, name: Token, prime: Token, index: Node, arguments: Any) -> Call:
        return self.score(name, index, prime, arguments)

    def arguments(self, free: tuple[Node, ...], given: tuple[Node, ...] | None) -> Any:
        return free, given or ()

    def list(self, *values: Node) -> tuple[Node, ...]:
        return values

    over = one = list

    def mean(self, kind: Token, over: tuple[Node, ...] | None, body: Node, given: tuple[Node, ...] | None) -> Mean:
        return Mean("E" if "E" in kind else "Var", body, given or (), over or ())


def _terms(node: Node) -> tuple[tuple[int, Node], ...]:
    return node.terms if isinstance(node, Sum) else ((1, node),)
