"""What the grammar says about text that it does not know: what, where, and the line with the place marked."""

from __future__ import annotations

import pytest

from ddpm_edu.equations.grammar import GrammarError, expression, parse
from ddpm_edu.equations.tree import Call, Equation, Product, Sum, Symbol


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = b ! c", "the book's notation does not allow '! c' here at position 6:\n  a = b ! c\n        ^"),
        ("! a = b", "the book's notation does not allow '! a = b' here at position 0:\n  ! a = b\n  ^"),
        ("a = b ^", "the equation ends too early at position 7:\n  a = b ^\n         ^"),
        ("a = b + \n ", "the equation ends too early at position 7:\n  a = b + \n         ^"),
        ("", "the equation ends too early at position 0:\n  \n  ^"),
        ("\n\n", "the equation ends too early at position 0:\n  \n  ^"),
        ("\na = ! b", "the book's notation does not allow '! b' here at position 5:\n  a = ! b\n      ^"),
        # in the middle of many lines: the row that holds the place and no other
        (
            "a\n= b,\nc = d ! e,\nf\n= g",
            "the book's notation does not allow '! e,' here at position 13:\n  c = d ! e,\n        ^",
        ),
        (
            "a\n= b,\nc = ) e,\nf\n= g",
            "the book's notation does not allow ')' here at position 11:\n  c = ) e,\n      ^",
        ),
        # twelve characters at most are quoted, and none of the next line
        (
            "a = ? 234567890123",
            "the book's notation does not allow '? 2345678901' here at position 4:\n  a = ? 234567890123\n      ^",
        ),
    ],
)
def test_the_message_shows_the_place(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert caught.value.__suppress_context__
    assert isinstance(caught.value, ValueError)


def test_an_expression_has_no_sides() -> None:
    with pytest.raises(GrammarError):
        expression(r"a \sim b")
    with pytest.raises(GrammarError, match="position 4"):
        expression("a + ! b")


@pytest.mark.parametrize("relation", [r"\ge", r"\le", r"\propto"])
def test_relations_are_kept_as_printed(relation: str) -> None:
    (statement,) = parse(f"a = b {relation} c")
    assert isinstance(statement, Equation)
    assert statement.relations == ("=", relation)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"a = \bar x' + b", "a letter has one accent at position 10:\n  a = \\bar x' + b\n            ^"),
        (
            r"a = \cos^{b}(x)",
            "a power on \\cos must be a plain number at position 4:\n  a = \\cos^{b}(x)\n      ^",
        ),
        (
            r"a \ge b \le c",
            "a chain must run one way, but this one has \\ge and \\le at position 0:\n  a \\ge b \\le c\n  ^",
        ),
    ],
)
def test_what_only_the_builder_sees(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_terms_and_factors_stand_side_by_side() -> None:
    a, b, c = (Symbol(name) for name in "abX")
    assert expression("a b X") == Product((a, b, c))
    assert expression("a + b - X") == Sum(((1, a), (1, b), (-1, c)))


@pytest.mark.parametrize(
    "text",
    ["x", "x_t", "x'", "s_t'", r"\bar\alpha_t", r"\exp(x)", "f(x)", "s_t(x)", "s_t'(x)", r"\varepsilon_\theta(x, t)"],
)
def test_letters_and_functions_know_where_they_stand(text: str) -> None:
    alone, later = expression(text), expression(f"a + {text}")
    assert isinstance(alone, Symbol | Call)
    assert isinstance(later, Sum)
    second = later.terms[1][1]
    assert isinstance(second, Symbol | Call)
    assert (alone.position, second.position) == (0, 4)
