"""The grammar reads the book's notation one way, and refuses what could be read in two."""

from __future__ import annotations

import logging
import math
import operator

import lark
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_edu.equations import grammar
from ddpm_edu.equations.evaluate import Moments, UnknownName, World, evaluate, moments
from ddpm_edu.equations.grammar import GrammarError, expression, parse
from ddpm_edu.equations.tree import Call, Draw, Equation, Law, Number, Symbol, latex

VALUES = {"a": 2.0, "b": 3.0, "c": 5.0, "x": 0.7, "alpha": 0.9, "beta": 0.2, "t": 3.0, "s": 0.25, "T": 4.0}
SEQUENCES = {
    "alpha": [1.0, 0.9, 0.8, 0.7, 0.6],
    "beta": [0.0, 0.1, 0.2, 0.3, 0.4],
    "alpha_bar": [1.0, 0.9, 0.72, 0.504, 0.3024],
    "beta_tilde": [0.0, 0.0, 0.05, 0.07, 0.09],
    "x": [1.5, 2.5, 3.5, 4.5, 5.5],
}
WORLD = World(VALUES, SEQUENCES, {"eps_theta": lambda x, t: x + 10 * t, "f": lambda t: t**2, "p_t": lambda x: -x})


def value(text: str) -> float:
    return float(evaluate(expression(text), WORLD))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # precedence
        ("a + b c", 17),
        ("a b + c", 11),
        ("-a + b", 1),
        ("-a^2", -4),
        ("a - b - c", -6),
        ("a - (b - c)", 4),
        ("a b^2", 18),
        ("(a b)^2", 36),
        ("2^{a + 1}", 8),
        ("a^{b^{2}}", 512),
        ("a/b", 2 / 3),
        ("a b/c", 6 / 5),
        ("a^{b/2}", 2**1.5),
        ("1 - a/b", 1 / 3),
        (r"a \cdot 3", 6),
        (r"2 \cdot 10^{-3}", 0.002),
        # implicit products
        ("a b c", 30),
        ("ab", 6),
        ("2a", 4),
        ("2(a + b)(a - b)", -10),
        (r"a\,b\;c\quad x", 21),
        (r"a\sqrt{b}c", 10 * math.sqrt(3)),
        # fractions and roots
        (r"\tfrac{1}{2}(a + b)", 2.5),
        (r"\dfrac{a}{b}", 2 / 3),
        (r"\frac{1}{\sqrt{\alpha_t}}\left(a - b\right)", -1 / math.sqrt(0.7)),
        (r"\frac{\frac{a}{b}}{\frac{b}{c}}", 10 / 9),
        (r"\frac{a}{b}c", 10 / 3),
        (r"\sqrt{a + \sqrt{b + \sqrt{c}}}", math.sqrt(2 + math.sqrt(3 + math.sqrt(5)))),
        (r"\sqrt[3]{a^3}", 2),
        (r"\sqrt{a}^{4}", 4),
        # scripts, bars and tildes
        ("x_t", 4.5),
        ("x_{t-1}", 3.5),
        ("x_0", 1.5),
        ("x_T", 5.5),
        ("x_t^2", 20.25),
        ("x^2_t", 20.25),
        ("x", 0.7),
        (r"\bar\alpha_t", 0.504),
        (r"\bar{\alpha}_{t-1}", 0.72),
        (r"\tilde\beta_t", 0.07),
        (r"\tilde{\beta}_{t}", 0.07),
        (r"\bar\alpha_t \alpha_t", 0.504 * 0.7),
        # brackets of all sizes
        (r"\bigl(a + b\bigr)\Bigl[a\Bigr]", 10),
        (r"\left\{a + b\right\} a", 10),
        (r"\biggl(\left(a\right)\biggr)", 2),
        # functions
        (r"\exp(a)", math.e**2),
        (r"\exp\left(-\frac{x^2}{2}\right)", math.exp(-0.245)),
        (r"\log\frac{a}{b}", math.log(2 / 3)),
        (r"a \ln b", 2 * math.log(3)),
        (r"\cos^2\left(x\right)", math.cos(0.7) ** 2),
        (r"\cos^2 x", math.cos(0.7) ** 2),
        (r"\sin\left(\frac{\pi}{2}\right)", 1),
        (r"\Phi(0)", 0.5),
        (r"\Phi(\frac{x - a}{b})", 0.5 * math.erfc(1.3 / 3 / math.sqrt(2))),
        ("f(a)/f(b)", 4 / 9),
        ("p_t(x)", -0.7),
        (r"\varepsilon_\theta(x_t, t)", 34.5),
        (r"a\,\varepsilon_{\theta}\left(x_t, t\right) + 1", 70),
        # what sums and products take
        (r"\sum_{k=0}^{t-1} a^k", 7),
        (r"\sum_{k=0}^{t-1} a^k + 1", 8),
        (r"\sum_{k=0}^{t-1} a^k b", 21),
        (r"\sum_{k=0}^{t-1} (a^k + 1)", 10),
        (r"b \sum_{k=0}^{t-1} a^k", 21),
        (r"1 + b \sum_{k=1}^{2} k - 1", 9),
        (r"\sum_{k=1}^{0} k", 0),
        (r"\prod_{s=1}^{t} \alpha_s", 0.504),
        (r"\prod_{s=1}^{t} (1 - \beta_s)", 0.504),
        (r"\prod_{s=1}^{t} \alpha_s - 1", -0.496),
        (r"\prod_{s=1}^{0} a", 1),
        (r"\sum_{k=1}^{2} \sum_{s=1}^{2} k s", 9),
        (r"\sum_{k=1}^{2} \prod_{s=1}^{k} a s", 10),
        (r"\sum_{k=1}^{t} \frac{x_k}{b}", 10.5 / 3),
    ],
)
def test_reads_as_a_reader_does(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("x^12", 3),
        ("x_10", 3),
        ("x^a^b", 3),
        ("x_t_s", 3),
        ("a/b c", 4),
        ("a/b/c", 3),
        (r"\log x y", 7),
        (r"\exp(x)^2", 7),
        (r"\frac{a}{b}^2", 11),
        ("2 3", 2),
        ("a 3", 2),
        (r"\frac{1}{2} 3", 12),
        ("{a + b}c", 0),
        ("a + {b}", 4),
        (r"\left(a)", 7),
        (r"(a\right)", 2),
        (r"\left(a\right]", 13),
        ("(a", 3),
        ("(a]", 2),
        ("a)", 1),
        ("a +", 4),
        ("a + - b", 4),
        (r"\frac12", 5),
        (r"\frac{a}", 9),
        (r"\sqrt2", 5),
        (r"\epsilon", 0),
        (r"\alphas", 0),
        (r"\bar{\alpha_t}", 11),
        (r"\mathbb{E}(x)", 10),
        (r"\mathbf{x}", 0),
        (r"\int x", 0),
        (r"\cos^{-1}(x)", 0),
        (r"\sum_{k=0} k", 11),
        (r"\sum k", 5),
        (r"\mathcal{N}(0)", 13),
        (r"\Phi", 5),
        ("f", 2),
        (r"a \times b", 2),
        (r"a \pm b", 2),
        ("a & b", 2),
    ],
)
def test_refuses_what_it_does_not_know_and_says_where(text: str, position: int) -> None:
    with pytest.raises(GrammarError) as caught:
        parse(f"{text} = 1")
    assert caught.value.position == position
    assert f"at position {position}:" in str(caught.value)
    assert str(caught.value).endswith("^")


def test_the_error_points_at_the_line_and_the_column() -> None:
    with pytest.raises(GrammarError) as caught:
        parse("a =\n  b + \\foo c")
    assert caught.value.position == 10
    assert str(caught.value).splitlines()[1:] == ["  b + \\foo c".rjust(14), " " * 8 + "^"]


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "= a", "a =", "a = b = ", ", a = b", r"a \sim b"],
)
def test_a_statement_is_an_equation_or_a_draw(text: str) -> None:
    with pytest.raises(GrammarError):
        parse(text)


def test_statements() -> None:
    chain, draw = parse(r"x_t = a + b = c, \qquad \varepsilon \sim \mathcal{N}(0, I).")
    assert isinstance(chain, Equation)
    assert len(chain.sides) == 3
    assert draw == Draw(Symbol("eps"), Law(None, Number("0"), Number("1")))
    assert len(parse(r"a = b \quad\text{with}\quad b = c")) == 2
    assert len(parse(r"a = b, \quad\text{where } b = c,")) == 2


def test_conditional_law() -> None:
    (statement,) = parse(
        r"q(x_t \mid x_{t-1}) = \mathcal{N}\left(x_t; \sqrt{\alpha_t}\,x_{t-1}, (1 - \alpha_t) I\right)"
    )
    assert isinstance(statement, Equation)
    left, law = statement.sides
    assert left == Call("q", (expression("x_t"),), (expression("x_{t-1}"),))
    assert isinstance(law, Law)
    assert law.variable == expression("x_t")
    assert moments(law, WORLD) == Moments(math.sqrt(0.7) * 3.5, pytest.approx(0.3))
    with pytest.raises(UnknownName):
        evaluate(left, WORLD)


def test_expectation_needs_weights() -> None:
    node = expression(r"\mathbb{E}\left[x_t^2\right]")
    world = World({"x_t": np.array([1.0, 2.0, 4.0])}, weights=np.array([0.5, 0.25, 0.25]))
    assert evaluate(node, world) == pytest.approx(5.5)
    with pytest.raises(UnknownName):
        evaluate(node, WORLD)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("y", UnknownName),
        (r"\mu_t", UnknownName),
        (r"\hat{x}_t", UnknownName),
        ("f_t(x)", UnknownName),
        (r"\mu_\theta(x_t, t)", UnknownName),
        (r"p_t(x \mid a)", UnknownName),
        ("x_{t-4}", IndexError),
        ("x_{T+1}", IndexError),
        ("x_s", ValueError),
        (r"\sum_{k=0}^{s} k", ValueError),
    ],
)
def test_evaluation_refuses(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        value(text)


def test_hidden_names_have_no_value() -> None:
    with pytest.raises(UnknownName):
        evaluate(expression("x_t + 1"), World(VALUES, SEQUENCES, hidden=frozenset({"x_t"})))


def test_a_root_of_a_negative_number_is_no_number() -> None:
    assert math.isnan(value(r"\sqrt{a - b}"))
    assert math.isnan(value(r"(a - b)^{s}"))


def test_the_grammar_has_no_conflict(caplog: pytest.LogCaptureFixture) -> None:
    """Lark settles a shift/reduce conflict in silence, and says so only in its log."""
    level = lark.logger.level
    lark.logger.setLevel(logging.DEBUG)
    lark.logger.addHandler(caplog.handler)
    try:
        lark.Lark('start: "a" start | start "b" | "c"', parser="lalr", debug=True)
        assert "Shift/Reduce conflict" in caplog.text
        caplog.clear()
        lark.Lark(grammar.GRAMMAR, parser="lalr", debug=True)
        assert "onflict" not in caplog.text
    finally:
        lark.logger.removeHandler(caplog.handler)
        lark.logger.setLevel(level)


# Random expressions: the text and its value are built side by side, without the grammar's own printer or evaluator.

LEAVES = st.sampled_from(
    [
        ("a", 2.0),
        ("b", 3.0),
        ("x", 0.7),
        (r"\alpha", 0.9),
        (r"\beta", 0.2),
        (r"\bar\alpha_t", 0.504),
        (r"\alpha_{t}", 0.7),
        (r"\tilde{\beta}_{t-1}", 0.05),
        ("x_{t-1}", 3.5),
        ("x_0", 1.5),
    ]
)
SPACES = st.sampled_from([" ", r"\,", r"\;", r" \cdot "])
BRACKETS = st.sampled_from([("(", ")"), (r"\left(", r"\right)"), (r"\bigl[", r"\bigr]"), (r"\left\{", r"\right\}")])


@st.composite
def _wrapped(draw: st.DrawFn, inner: st.SearchStrategy[tuple[str, float]]) -> tuple[str, float]:
    kind = draw(st.sampled_from(["group", "fraction", "root", "power", "exp", "sum"]))
    text, number = draw(inner)
    if kind == "fraction":
        under, divisor = draw(inner)
        command = draw(st.sampled_from([r"\frac", r"\tfrac", r"\dfrac"]))
        return f"{command}{{{text}}}{{{under}}}", number / divisor if divisor else math.nan
    if kind == "root":
        return rf"\sqrt{{{text}}}", math.sqrt(number) if number >= 0 else math.nan
    left, right = draw(BRACKETS)
    group = f"{left}{text}{right}"
    if kind == "power":
        return draw(st.sampled_from([(f"{group}^2", number**2), (f"{group}^{{3}}", number**3)]))
    if kind == "exp":
        return rf"\cos\left({text}\right)", math.cos(number) if math.isfinite(number) else math.nan
    if kind == "sum":
        return rf"\left(\sum_{{k=1}}^{{3}} k {group}\right)", 6 * number
    return group, number


@st.composite
def _joined(draw: st.DrawFn, inner: st.SearchStrategy[tuple[str, float]]) -> tuple[str, float]:
    """A sum of products of the given parts."""
    text, total = "", 0.0
    for place in range(draw(st.integers(1, 3))):
        sign = draw(st.sampled_from(["+", "-"]))
        product, number = draw(inner)
        for _ in range(draw(st.integers(0, 2))):
            factor, other = draw(inner)
            space = draw(SPACES)
            product, number = f"{product}{space}{factor}", number * other
        if place == 0 and sign == "+":
            text, total = product, number
        else:
            text, total = f"{text} {sign} {product}", operator.add(total, number if sign == "+" else -number)
    return text, total


EXPRESSIONS = _joined(st.recursive(LEAVES, lambda inner: _wrapped(_joined(inner)), max_leaves=8))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(EXPRESSIONS)
def test_random_expressions(pair: tuple[str, float]) -> None:
    text, expected = pair
    if math.isfinite(expected) and abs(expected) < 1e12:
        scale = max(1.0, abs(expected))
        assert value(text) == pytest.approx(expected, rel=1e-6, abs=1e-7 * scale)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(EXPRESSIONS)
def test_what_is_read_prints_and_reads_again(pair: tuple[str, float]) -> None:
    (statement,) = parse(f"{pair[0]} = 0")
    assert parse(latex(statement)) == (statement,)
