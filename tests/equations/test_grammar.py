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
from ddpm_edu.equations.evaluate import Moments, UnknownName, World, defines, evaluate, moments
from ddpm_edu.equations.grammar import GrammarError, expression, parse
from ddpm_edu.equations.tree import Call, Draw, Equation, Law, Mean, Number, Symbol, latex

VALUES = {
    "a": 2.0,
    "b": 3.0,
    "c": 5.0,
    "d": 6.0,
    "x": 0.7,
    "x'": 9.0,
    "y": np.array([1.0, 2.0, 3.0]),
    "alpha": 0.9,
    "beta": 0.2,
    "t": 3.0,
    "s": 0.25,
    "T": 4.0,
    "s_t": 7.0,
    "s_t'": 8.0,
}
SEQUENCES = {
    "alpha": [1.0, 0.9, 0.8, 0.7, 0.6],
    "beta": [0.0, 0.1, 0.2, 0.3, 0.4],
    "alpha_bar": [1.0, 0.9, 0.72, 0.504, 0.3024],
    "beta_tilde": [0.0, 0.0, 0.05, 0.07, 0.09],
    "x": [1.5, 2.5, 3.5, 4.5, 5.5],
    "s''": [4.0, 5.0, 6.0],
    "SNR": [0.0, 1.0, 2.0, 3.0],
}
FUNCTIONS = {
    "eps_theta": lambda x, t: x + 10 * t,
    "f": lambda t: t**2,
    "p_t": lambda x: -x,
    "s_t": lambda x: 1 + x,
    "s_t'": lambda x: 3 * x,
}
WORLD = World(VALUES, SEQUENCES, FUNCTIONS)


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
        (r"\sum_{k=0}^{\infty} b s^k", 4),
        (r"\sum_{k=0}^{\infty} k s^k", 4 / 9),
        (r"1 + \sum_{k=1}^{\infty} s^k - 1", 1 / 3),
        (r"\prod_{k=1}^{\infty} (1 + s^k)", 1.3559096738634793),
        # functions of one factor, without brackets
        (r"\log f(b) + 1", 1 + math.log(9)),
        (r"2 \log f(b)", 2 * math.log(9)),
        (r"\log\prod_{k=1}^{t} \alpha_k - 1", math.log(0.504) - 1),
        (r"\log\sum_{k=1}^{t} k b + 1", math.log(18) + 1),
        (r"\log\mathcal{N}(x; 0, 1)", -0.245 - math.log(2 * math.pi) / 2),
        # densities, lengths, divergences
        (r"\mathcal{N}(x; a, b)", math.exp(-(1.3**2) / 6) / math.sqrt(6 * math.pi)),
        (r"c\,\mathcal{N}(x; a, b)\,\mathcal{N}(a; x, b I)", 5 * math.exp(-(1.3**2) / 3) / (6 * math.pi)),
        (r"\frac{\mathcal{N}(a; b, c)}{\mathcal{N}(b; a, c)}", 1),
        (r"\|a - b\|^2", 1),
        (r"\frac{1}{2}\|a - c\|^2 b", 13.5),
        (r"\left\|a - c\right\|^2 - \|a\|^2", 5),
        (r"\bigl\|a + \|c\|^2\bigr\|^2", 27**2),
        (r"\|y\|^2", 14),
        (r"\mathrm{KL}(\mathcal{N}(a, b) \,\|\, \mathcal{N}(x, c))", (math.log(5 / 3) + (3 + 1.69) / 5 - 1) / 2),
        (r"\mathrm{KL}\bigl(\mathcal{N}(x; a, b) \| \mathcal{N}(x; a, b)\bigr)", 0),
        # scores, primes and derivatives
        ("s_t", 7),
        ("s_t'", 8),
        ("s'_t", 8),
        ("s_{t-1}''", 6),
        ("(s_t')^2", 64),
        ("2 s_t' s_t", 112),
        ("s_t(x)", 1.7),
        ("b s_t'(x)", 6.3),
        ("s'_{t}\\left(x\\right)", 2.1),
        ("x'", 9),
        (r"\frac{\partial}{\partial x} x^3", 3 * 0.49),
        (r"\frac{\partial}{\partial x} x^2 a + x", 2.8 + 0.7),
        (r"b \frac{\partial}{\partial x_t} \log x_t", 3 / 4.5),
        # words and constants
        (r"\mathrm{SNR}_t (a + b)", 15),
        (r"\mathrm{SNR}_{t-1}[a]", 4),
        (r"\pi e", math.pi * math.e),
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
        # what is new may be misread just as well
        (r"\log q(x) p(x)", 10),
        (r"\log\prod_{k=1}^{2} k\,\log a b", 30),
        (r"\mathbb{E}_q[x]", 11),
        (r"\mathbb{E}_{q}[x]", 13),
        (r"\mathbb{E}_{x + y}[x]", 14),
        (r"\mathbb{E}_{q(x)}(x)", 17),
        (r"\mathrm{Var}(x)", 12),
        (r"\mathbb{E}[x | a]", 13),
        (r"\mathrm{KL}(p \| q)", 14),
        (r"\mathrm{KL}(a \| b)", 12),
        (r"\mathrm{KL}(q(x) \| p(x) a)", 25),
        (r"\mathrm{KL}(q(x), p(x))", 16),
        (r"\mathrm{KL}_t", 11),
        (r"a \mathrm{tr}(x)", 2),
        (r"\operatorname{tr}\,\bigl(x\bigr)", 0),
        (r"\|a\|", 6),
        (r"\|a\|^3", 6),
        (r"\|a", 4),
        (r"a\|^2", 1),
        (r"\left\|a\|^2", 8),
        (r"\|a\|^25", 7),
        ("x_t'^2", 4),
        ("x'^2", 2),
        (r"\bar{x}'", 7),
        ("x_{1:}", 5),
        ("x_{1:2:3}", 6),
        ("x_{:2}", 3),
        ("2:3", 1),
        ("dx", 0),
        (r"x\,dt", 3),
        (r"\frac{\partial x}{\partial a}", 15),
        (r"\frac{\partial}{\partial 2} x", 25),
        (r"\frac{\partial}{\partial x}", 28),
        (r"\frac{d}{dx} x", 9),
        (r"\partial x", 0),
        (r"\underbrace{a}_{c}", 0),
        (r"\nabla x", 0),
        (r"a \approx b", 2),
        (r"a \gets b", 2),
        (r"\mathcal{N}(x; a)", 16),
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


def test_chains_of_relations() -> None:
    (chain,) = parse(r"a = b \ge c = d")
    assert isinstance(chain, Equation)
    assert chain.relations == ("=", r"\ge", "=")
    assert [relation for relation, _ in chain.steps] == ["=", r"\ge", "="]
    assert latex(chain) == r"a = b \ge c = d"
    (plain,) = parse("a = b = c")
    assert isinstance(plain, Equation)
    assert plain.relations == ()
    assert plain.steps == [("=", Symbol("b")), ("=", Symbol("c"))]
    assert parse(r"a \geq b") == parse(r"a \ge b")
    assert parse(r"a \leq b") == parse(r"a \le b") != parse(r"a \ge b")
    assert parse(r"a \propto b") != parse("a = b")
    for mixed in (r"a \ge b \le c", r"a \propto b \ge c", r"a \le b = c \propto d"):
        with pytest.raises(GrammarError, match="must run one way"):
            parse(mixed)


@pytest.mark.parametrize(
    "text",
    [
        r"q(x_{1:T} \mid x_0)",
        r"\mathbb{E}_{q(x_t \mid x_0)}[x_t]",
        r"\mathbb{E}_{x_0, \varepsilon}\left[\|\varepsilon\|^2\right]",
        r"\mathbb{E}_\varepsilon[x]^2",
        r"\mathrm{Var}[x_{t-1} \mid x_t, x_0]",
        r"\mathrm{KL}(q(x_t \mid x_0) \,\|\, p_\theta(x_t))",
        r"\mathrm{KL}(\mathcal{N}(a, b) \| q(x))",
        r"\frac{\partial}{\partial x_t} \log q(x_t)",
        r"\frac{\partial}{\partial x} (a + x)",
        r"b\,(\frac{\partial}{\partial x} x)\,c",
        r"s_{t-1}'(x) + s_t'' + (s_t')^2 + x'",
        r"\|\frac{\|a\|^2}{b}\|^2",
        r"\log(\mathcal{N}(x; a, b))",
    ],
)
def test_what_is_new_prints_and_reads_again(text: str) -> None:
    node = expression(text.removesuffix("^2") if text.endswith("]^2") else text)
    assert expression(latex(node)) == node


def test_names_in_code() -> None:
    keys = {
        r"\bar\alpha_{t-1}": "alpha_bar_{t-1}",
        "s_t'": "s_t'",
        "s''_{t-1}": "s_{t-1}''",
        "x'": "x'",
        "x_{1:T}": "x_{1:T}",
        r"\varepsilon": "eps",
    }
    for text, key in keys.items():
        symbol = expression(text)
        assert isinstance(symbol, Symbol)
        assert symbol.key == key
    call = expression(r"p_\theta(x_{t-1}, a + b \mid x_t, \varepsilon)")
    assert isinstance(call, Call)
    assert (call.key, call.spelling) == ("p_theta", "p_theta(x_{t-1},a+b|x_t,eps)")
    assert expression("s_t'(x)") == Call("s", (Symbol("x"),), (), Symbol("t"), "'")
    mean = expression(r"\mathbb{E}_{x_0, \varepsilon}[x]")
    assert isinstance(mean, Mean)
    assert (mean.kind, mean.key) == ("E", "x_0,eps")
    mean = expression(r"\mathrm{Var}_{q(x_t \mid x_0)}[x]")
    assert isinstance(mean, Mean)
    assert (mean.kind, mean.key) == ("Var", "q(x_t|x_0)")


def test_expectation_needs_weights() -> None:
    node = expression(r"\mathbb{E}\left[x_t^2\right]")
    world = World({"x_t": np.array([1.0, 2.0, 4.0])}, weights=np.array([0.5, 0.25, 0.25]))
    assert evaluate(node, world) == pytest.approx(5.5)
    with pytest.raises(UnknownName):
        evaluate(node, WORLD)


def test_expectations_say_what_they_are_over() -> None:
    world = World(
        {"x_t": np.array([1.0, 2.0, 4.0]), "eps": np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])},
        weights=np.array([0.5, 0.25, 0.25]),
        averages={"q(x_t|x_0)": np.array([0.2, 0.2, 0.6]), "eps": np.array([0.0, 0.5, 0.5])},
    )
    expected = {
        r"\mathbb{E}[x_t]": 2,
        r"\mathrm{Var}[x_t]": 1.5,
        r"\mathbb{E}_{q(x_t \mid x_0)}[x_t]": 3,
        r"\mathrm{Var}_{q(x_t \mid x_0)}[x_t]": 1.6,
        r"\mathbb{E}_\varepsilon\left[\|\varepsilon\|^2\right]": 5,
        r"\mathbb{E}\left[\|\varepsilon\|^2\right] + 1": 6,
    }
    for text, number in expected.items():
        assert evaluate(expression(text), world) == pytest.approx(number)
    for text in (r"\mathbb{E}_{x_t}[x_t]", r"\mathbb{E}_{q(x_t)}[x_t]", r"\mathbb{E}[x_t \mid x_0]"):
        with pytest.raises(UnknownName):
            evaluate(expression(text), world)
    with pytest.raises(ValueError, match="twice"):
        evaluate(expression(r"\mathbb{E}_\varepsilon[x_t \mid x_0]"), world)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("z", UnknownName),
        (r"\mu_t", UnknownName),
        (r"\hat{x}_t", UnknownName),
        ("f_t(x)", UnknownName),
        (r"\mu_\theta(x_t, t)", UnknownName),
        (r"p_t(x \mid a)", UnknownName),
        ("x_{t-4}", IndexError),
        ("x_{T+1}", IndexError),
        ("x_s", ValueError),
        (r"\sum_{k=0}^{s} k", ValueError),
        (r"\sum_{k=0}^{\infty} \frac{1}{k + 1}", ValueError),
        (r"\prod_{k=1}^{\infty} a", ValueError),
        ("x_{0:T}", ValueError),
        ("s_a", UnknownName),
        ("s_t''", IndexError),
        ("s_T(x)", UnknownName),
        (r"q(x_t \mid b, a)", UnknownName),
        (r"q(x_t)", UnknownName),
        (r"\mathcal{N}(a, b)", ValueError),
        (r"\mathrm{KL}(\mathcal{N}(a; a, b) \| \mathcal{N}(x; a, b))", ValueError),
        (r"\mathrm{KL}(\mathcal{N}(a, b) \| p_t(x))", UnknownName),
        (r"\mathrm{KL}(p_t(x) \| p_t(x))", UnknownName),
        (r"\frac{\partial}{\partial z} x", UnknownName),
    ],
)
def test_evaluation_refuses(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        value(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a + z_t", "z_t has no value here (position 4)"),
        (r"a \mu_\theta(x, t)", "mu_theta has no meaning as a function here (position 2)"),
        ("x_{T+1}", "x_{T+1} needs an index from 0 to 4, but it was 5"),
        ("x_{0-1}", "x_{0-1} needs an index from 0 to 4, but it was -1"),
        ("x_s", "the index of x_s must be a whole number, but it was 0.25"),
        ("x_y", "the index of x_y must be a whole number, but it was nan"),
        ("x_{0:T}", r"x_{0:T} is several letters, and has a place only in a density"),
        (r"\sum_{k=s}^{1} k", "the lower bound must be a whole number, but it was 0.25"),
        (r"\sum_{k=0}^{s} k", "the upper bound must be a whole number, but it was 0.25"),
        (r"\sum_{k=0}^{\infty} a", r"\sum_{k=0}^{\infty} a does not settle"),
        (r"\mathcal{N}(a, b)", r"\mathcal{N}(a, b) names no variable, so it has no density here"),
        (r"\mathbb{E}[x]", "no expectation over everything is defined here"),
        (r"\mathbb{E}_{x_0, a}[x]", "no expectation over x_0,a is defined here"),
        (r"\mathbb{E}_{x_0}[x \mid a]", r"\mathbb{E}_{x_0}\left[x \mid a\right] says twice what it averages over"),
        (
            r"\mathrm{KL}(\mathcal{N}(a; a, b) \| \mathcal{N}(x; a, b))",
            r"two laws must be of one letter, but they were \mathcal{N}(a; a, b) and \mathcal{N}(x; a, b)",
        ),
        (
            r"\mathrm{KL}(\mathcal{N}(a, b) \| q(x))",
            r"no divergence of \mathcal{N}(a, b) from q\left(x\right) is defined here",
        ),
    ],
)
def test_evaluation_says_why(text: str, message: str) -> None:
    with pytest.raises((ValueError, IndexError)) as caught:
        value(text)
    assert str(caught.value) == message


def test_only_parts_of_an_equation_have_a_value() -> None:
    with pytest.raises(TypeError, match=r"^node must be a part of an equation, but it was 'a'$"):
        evaluate("a", WORLD)  # type: ignore[arg-type]


def test_an_equation_may_define_a_function() -> None:
    """f(u) = u² + a, of one letter, which is not the letter of the same name outside."""
    world = defines(expression("f(c)"), expression("c^2 + a"), World(VALUES, functions={"p_t": lambda x: -x}))
    assert evaluate(expression("f(b) + f(0) + c"), world) == 11 + 2 + 5
    assert evaluate(expression("p_t(a)"), world) == -2
    for wrong in ("f(a + b)", "f(a, b)", "c"):
        with pytest.raises(GrammarError) as caught:
            defines(expression(wrong), expression("c"), World(VALUES))
        shown = latex(expression(wrong))
        assert str(caught.value) == f"a function is defined for one letter at position 0:\n  {shown}\n  ^"


def test_hidden_names_have_no_value() -> None:
    with pytest.raises(UnknownName):
        evaluate(expression("x_t + 1"), World(VALUES, SEQUENCES, hidden=frozenset({"x_t"})))
    blind = World(VALUES, SEQUENCES, hidden=frozenset({expression(r"\log a")}))
    assert evaluate(expression(r"\log b"), blind) == pytest.approx(math.log(3))
    with pytest.raises(UnknownName, match=r"^\\log\\left\(a\\right\) is what the equation is to tell$"):
        evaluate(expression(r"1 + b \log a"), blind)


def test_whole_numbers_are_numbers() -> None:
    assert evaluate(expression("t^n"), World({"t": 3, "n": -2})) == pytest.approx(1 / 9)


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
