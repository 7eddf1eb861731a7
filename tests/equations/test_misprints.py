"""The checks can fail: mechanical misprints of every printed equation are caught, and so are wrong formulas."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ddpm_edu import equations
from ddpm_edu.equations import GrammarError, book, parse, register
from ddpm_edu.equations.audit import Shares, Tally, caught_by, rejects, tally
from ddpm_edu.equations.misprints import misprints
from ddpm_edu.equations.register import FunctionCheck, ParsedCheck
from ddpm_edu.equations.tree import latex

MATCHED = register.matched()
PARSED = [(check, page) for check, page in MATCHED if isinstance(check, ParsedCheck)]
FUNCTION = [check for check, _ in MATCHED if isinstance(check, FunctionCheck)]


def test_at_least_two_thirds_are_parsed_and_their_misprints_are_caught(shares: list[str]) -> None:
    counted = equations.shares()
    shares.extend(str(counted).splitlines())
    assert counted.equations == len(MATCHED)
    assert counted.parsed == len(PARSED) >= 2 / 3 * counted.equations
    assert counted.caught >= 0.95 * counted.made
    assert counted.rejected == counted.variants == sum(len(check.wrong) for check in FUNCTION)
    for each in counted.tallies:
        assert each.value + each.refused + len(each.lives) >= 4, f"{each.label} has too few misprints"
    lives = {(each.label, misprint.what) for each in counted.tallies for misprint in each.lives}
    assert lives == set(counted.reasons), "what lives has a reason, and what has a reason lives"


@pytest.mark.parametrize(("check", "page"), PARSED, ids=[page.label for _, page in PARSED])
def test_no_sign_on_the_page_is_skipped(check: ParsedCheck, page: book.Printed) -> None:
    """Whatever sign is left out of the page's text, the check notices: no part of it is read over."""
    spacing = re.compile(r"\\[,;:!>]|\\q?quad|\\(left|right)$|\\[bB]igg?[lr]$|\\cdot$|[\s.,{}]|I$|\\mathbf\{I\}|\\text")
    tokens = [match for match in re.finditer(r"\\[A-Za-z]+(\{[A-Za-z]+\})?|\\.|\S", page.latex)]
    for token in tokens:
        if spacing.match(token[0]):
            continue
        text = page.latex[: token.start()] + " " + page.latex[token.end() :]
        assert caught_by(check, text), f"without {token[0]} at {token.start()} the check of {page.label} still passes"


@pytest.mark.parametrize("check", FUNCTION, ids=[check.label for check in FUNCTION])
def test_wrong_variants_are_rejected(check: FunctionCheck) -> None:
    assert len(check.wrong) >= 2
    assert check.error(check.right) <= check.tolerance
    for what, formula in check.wrong.items():
        error = check.error(formula)
        assert not error <= check.tolerance, f"{check.label} accepts a wrong variant: {what} ({error:.1e})"
        assert not error <= 1e-3, f"{check.label}: {what} is rejected by too little to trust ({error:.1e})"


@pytest.mark.parametrize("check", FUNCTION, ids=[check.label for check in FUNCTION])
def test_the_grammar_cannot_read_what_a_function_checks(check: FunctionCheck) -> None:
    """Whatever can be parsed is parsed."""
    with pytest.raises(GrammarError):
        parse(check.prints)


def test_each_kind_of_misprint_is_made() -> None:
    text = r"x_t = \frac{\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \beta_{t-1}^2}(a + b)}{2} \prod_{s=1}^{t} \cos(\alpha_s)"
    kinds = {misprint.what for misprint in misprints(text)}
    assert kinds == {
        "a root dropped",
        "a root cut short",
        "brackets dropped",
        "an accent dropped",
        "an accent added",
        "α and β confused",
        "another function",
        "a function dropped",
        "t−1 for t",
        "t for t−1",
        "0 for t",
        "t for 0",
        "an index shifted",
        "an index dropped",
        "a sign",
        "a term dropped",
        "a factor 2",
        "a factor dropped",
        "a fraction upside down",
        "a denominator dropped",
        "a numerator dropped",
        "an exponent dropped",
        "an exponent doubled",
        "an exponent raised by one",
        "a sum for a product, or the other way round",
        "begun one late",
        "begun one early",
        "ended one late",
        "ended one early",
        "a number",
    }
    law = r"q(x_t \mid x_0) = \mathcal{N}(x_t; x_0, \beta_t I)"
    assert {
        "mean and variance swapped",
        "a deviation for a variance",
        "a variance squared",
        "a mean left out",
    } <= {misprint.what for misprint in misprints(law)}


def test_misprints_of_densities_means_and_inequalities() -> None:
    text = (
        r"\log p(x \mid z) \ge \mathbb{E}_{q(z \mid x)}[\frac{\partial}{\partial x} x^2] "
        r"- \mathrm{KL}(q(z \mid x) \,\|\, p(z))"
    )
    made = {(misprint.what, misprint.text) for misprint in misprints(text)}
    right = latex(parse(text)[0])
    given = r"\left(z \mid x\right)"
    for what, part, wrong in [
        ("an inequality turned round", r"\ge", r"\le"),
        ("a condition dropped", r"\log\left(p\left(x \mid z", r"\log\left(p\left(x"),
        ("a condition dropped", "_{q" + given, r"_{q\left(z\right)"),
        ("p and q confused", "_{q" + given, "_{p" + given),
        ("p and q confused", r"\log\left(p", r"\log\left(q"),
        ("a function dropped", r"\log\left(p\left(x \mid z\right)\right)", r"p\left(x \mid z\right)"),
        (
            "a mean dropped",
            r"\mathbb{E}_{q" + given + r"}\left[\frac{\partial}{\partial x} x^2\right]",
            r"\frac{\partial}{\partial x} x^2",
        ),
        ("a derivative dropped", r"\frac{\partial}{\partial x} x^2", "x^2"),
        ("two laws swapped", "q" + given + r" \,\|\, p\left(z\right)", r"p\left(z\right) \,\|\, q" + given),
    ]:
        assert part in right
        assert (what, right.replace(part, wrong)) in made, what


def test_every_misprint_is_in_the_notation_and_differs() -> None:
    text = r"v_t = \alpha^t v_0 + \beta \sum_{k=0}^{t-1} \alpha^k"
    made = misprints(text)
    trees = [parse(misprint.text) for misprint in made]
    assert len(trees) == len({*trees, parse(text)}) - 1


def test_the_summary_says_what_lives_and_why() -> None:
    lives = (misprints("a = b")[0], misprints("a = b")[0], misprints(r"a = \log b")[1])
    tallies = (Tally("one", 3, 1, ()), Tally("two", 2, 1, lives))
    shares = Shares(3, tallies, {("two", lives[0].what): "That is true as well."}, 5, 4)
    assert (shares.parsed, shares.caught, shares.made) == (2, 7, 10)
    assert str(shares).splitlines() == [
        "2 of 3 numbered equations are parsed (67%)",
        "7 of 10 misprints of them are caught (70.0%):",
        "  5 by their value, 2 because something in them has no meaning there",
        f"  not caught: {lives[0].what} in two, twice.",
        "    That is true as well.",
        f"  not caught: {lives[2].what} in two.",
        "    Not explained.",
        "4 of 5 wrong variants of the other 1 are rejected",
    ]


def test_a_check_that_compares_nothing_catches_nothing() -> None:
    """The audit can fail: a check with a tolerance of everything lets misprints live and wrong variants pass."""
    right = register.checks()["alpha-from-beta"]
    assert isinstance(right, ParsedCheck)
    loose = tally(replace(right, tolerance=1e9), r"\alpha_t = 1 - \beta_t")
    assert loose.value == 0
    assert len(loose.lives) + loose.refused == len(misprints(r"\alpha_t = 1 - \beta_t"))
    assert not tally(right, r"\alpha_t = 1 - \beta_t").lives
    nothing = FunctionCheck(
        "none", "schedules", "How.", "algebra", "", lambda formula: formula, 0.0, {"small": 9e-4, "big": 2e-3}
    )
    assert [rejects(nothing, what) for what in nothing.wrong] == [False, True]
