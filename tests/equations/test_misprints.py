"""The checks can fail: mechanical misprints of every printed equation are caught, and so are wrong formulas."""

from __future__ import annotations

import re

import pytest

from ddpm_edu.equations import GrammarError, book, parse, register
from ddpm_edu.equations.misprints import misprints
from ddpm_edu.equations.register import FunctionCheck, ParsedCheck

MATCHED = register.matched()
PARSED = [(check, page) for check, page in MATCHED if isinstance(check, ParsedCheck)]
FUNCTION = [check for check, _ in MATCHED if isinstance(check, FunctionCheck)]

# Misprints that no check can catch, because what they print is true as well: (label, what) → why.
EQUIVALENT = {
    ("alpha-bar", "begun one early"): "α_0 = 1, so that a product from s = 0 is the same.",
    ("cosine-schedule", "a factor 2"): "The factor is in f(t) and in f(0) alike, and their ratio is the same.",
}


def caught(check: ParsedCheck, text: str) -> str:
    """How a misprint is caught: by its value, by the notation, or not at all ("")."""
    try:
        residual = check.residual(text)
    except (ValueError, IndexError):
        return "refused"
    return "" if residual <= check.tolerance else "value"


def test_misprints_are_caught(shares: list[str]) -> None:
    counts = {"value": 0, "refused": 0, "": 0}
    survivors = []
    for check, page in PARSED:
        made = misprints(page.latex)
        assert len(made) >= 4, f"{page.label} has only {len(made)} misprints"
        for misprint in made:
            how = caught(check, misprint.text)
            counts[how] += 1
            if not how:
                survivors.append((page.label, misprint))
    total = sum(counts.values())
    share = (total - counts[""]) / total
    shares.append(
        f"{total - counts['']} of {total} misprints of {len(PARSED)} parsed equations are caught ({share:.1%}): "
        f"{counts['value']} by their value, {counts['refused']} because a name in them has no meaning there"
    )
    shares.append(f"{len(PARSED)} of {len(MATCHED)} numbered equations are parsed ({len(PARSED) / len(MATCHED):.0%})")
    for label, misprint in survivors:
        reason = EQUIVALENT.get((label, misprint.what), "NOT EXPLAINED")
        shares.append(f"  lives: {label}, {misprint.what}: {misprint.text} ({reason})")
    assert share >= 0.95
    assert {(label, misprint.what) for label, misprint in survivors} <= set(EQUIVALENT)


@pytest.mark.parametrize(("check", "page"), PARSED, ids=[page.label for _, page in PARSED])
def test_no_sign_on_the_page_is_skipped(check: ParsedCheck, page: book.Printed) -> None:
    """Whatever sign is left out of the page's text, the check notices: no part of it is read over."""
    spacing = re.compile(r"\\[,;:!>]|\\q?quad|\\(left|right)$|\\[bB]igg?[lr]$|\\cdot$|[\s.,{}]|I$|\\mathbf\{I\}|\\text")
    tokens = [match for match in re.finditer(r"\\[A-Za-z]+(\{[A-Za-z]+\})?|\\.|\S", page.latex)]
    for token in tokens:
        if spacing.match(token[0]):
            continue
        text = page.latex[: token.start()] + " " + page.latex[token.end() :]
        if (page.label, token[0]) not in LEFT_OUT:
            assert caught(check, text), f"without {token[0]} at {token.start()} the check of {page.label} still passes"


# Signs that may be left out of a page's text without making it wrong: (label, sign) → why.
LEFT_OUT: dict[tuple[str, str], str] = {}


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


def test_every_misprint_is_in_the_notation_and_differs() -> None:
    text = r"v_t = \alpha^t v_0 + \beta \sum_{k=0}^{t-1} \alpha^k"
    made = misprints(text)
    trees = [parse(misprint.text) for misprint in made]
    assert len(trees) == len({*trees, parse(text)}) - 1
