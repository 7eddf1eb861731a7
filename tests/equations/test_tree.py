"""The tree prints as LaTeX that reads back to the same tree, and names its parts for the code."""

from __future__ import annotations

import dataclasses

import pytest

from ddpm_edu.equations.grammar import expression, parse
from ddpm_edu.equations.tree import Call, Equation, Number, Symbol, latex


@pytest.mark.parametrize(
    "text",
    [
        r"x \sim \mathcal{N}(a, b)",
        r"x_{t-1} \sim \mathcal{N}(x_{t-1}; \sqrt{a}\,x, 1 - a)",
        r"a = b = c",
        r"a \ge b = c",
        r"a = b \propto c",
    ],
)
def test_statements_print_as_they_were_read(text: str) -> None:
    (statement,) = parse(text)
    assert latex(statement).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "-a + b - c",
        r"a\,b\,x",
        r"2\,a",
        r"a \cdot 2",
        r"a \cdot 2^3",
        r"\left(a + b\right)\,c",
        r"a - \left(b - c\right)",
        r"\frac{a + b}{c}",
        r"\sqrt{a + b}",
        r"\sqrt[3]{a}",
        r"\sqrt{a}^{b + c}",
        r"\left(a + b\right)^2",
        "x_t^2",
        "x_{t - 1}",
        r"\bar{\alpha}_t",
        r"\tilde{\beta}_{t - 1}",
        r"\varepsilon",
        r"\mathrm{SNR}_t",
        "s'_t",
        r"\left(s'_t\right)^2",
        r"\sum_{k=0}^{t - 1} a^k",
        r"\prod_{s=1}^{t} \left(1 - \beta_s\right)",
        r"\left(\sum_{k=0}^{t} a\right)\,b",
        r"b\,\sum_{k=0}^{t} a",
        r"\exp\left(a\right)",
        r"f\left(x, t\right)",
        r"q\left(x_t \mid x_{t - 1}, x_0\right)",
        r"\varepsilon_{\theta}\left(x_t, t\right)",
        r"\|a - b\|^2",
        r"\frac{\partial}{\partial x} x^3",
    ],
)
def test_expressions_print_as_they_were_read(text: str) -> None:
    node = expression(text)
    assert latex(node).replace(" ", "") == text.replace(" ", "")
    assert expression(latex(node)) == node


def test_names_in_code() -> None:
    for text, spelling, key in (("q(x_t)", "q(x_t)", "q"), (r"q(x_t \mid x_0)", "q(x_t|x_0)", "q"), (r"p_\theta(x, t)", "p_theta(x,t)", "p_theta")):  # fmt: skip
        call = expression(text)
        assert isinstance(call, Call)
        assert (call.spelling, call.key) == (spelling, key)


def test_every_side_but_the_first_has_a_relation() -> None:
    a, b = Symbol("a"), Number("2")
    assert Equation((a, b)).steps == [("=", b)]
    assert Equation((a, b, a), (r"\le", "=")).steps == [(r"\le", b), ("=", a)]
    with pytest.raises(ValueError, match="zip"):
        _ = Equation((a, b, a), ("=",)).steps


def test_a_tree_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        expression("a").name = "b"  # type: ignore[union-attr]
