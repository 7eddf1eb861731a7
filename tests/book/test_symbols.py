"""The register of letters: it knows every letter of every formula, the right one, and leaves the formula as it was."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import page
import pytest
import symbols
import twins

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTERS = sorted(path.stem for path in BOOK.glob("*.md"))
FENCE = re.compile(r"^(`{3,})(?P<kind>\{[\w-]+\}|\w*).*\n(?P<body>[\s\S]*?)^\1\s*$", re.MULTILINE)
FORMULA = re.compile(
    r"^`{3,}\{math\}\n(?::.*\n)*(?P<block>[\s\S]*?)^`{3,}|\$\$(?P<display>[\s\S]+?)\$\$|(?<![\\$])\$(?P<inline>[^$]+?)\$",
    re.MULTILINE,
)


def without_code(text: str) -> str:
    """A chapter without its programs; of a cell only the head is left, in which captions stand."""

    def shown(found: re.Match[str]) -> str:
        if found["kind"] == "{code-cell}":
            return found["body"].split("\n---\n")[0] if found["body"].startswith("---\n") else ""
        programs = {"python", "text", "bash", "{literalinclude}", "{bibliography}", "{code-block}"}
        if found["kind"] in programs or found["kind"] == "{math}":
            return found.group() if found["kind"] == "{math}" else ""
        return FENCE.sub(shown, found["body"])

    return re.sub(r"`[^`\n]+`", "", FENCE.sub(shown, text.split("\n---\n", 1)[1]).replace("```{math}", "\0")).replace(
        "\0", "```{math}"
    )


def formulas(chapter: str) -> list[str]:
    """Every formula of a chapter, derivations, captions and exercises included."""
    text = without_code((BOOK / f"{chapter}.md").read_text("utf8"))
    return [next(filter(None, found.groups())) for found in FORMULA.finditer(text)]


def marked(latex: str, chapter: str = "") -> list[tuple[str, str]]:
    """The keys of the letters in a formula, each with the stretch that it covers."""
    return [(match.symbol.key, latex[match.start : match.end]) for match in symbols.matches(latex, chapter)]


def strip(latex: str) -> str:
    r"""Take out every ``\class{sy …}{…}`` again, with the braces that were put around it."""
    while (at := latex.find(r"\class{sy ")) >= 0:
        start = latex.index("}", at) + 2
        depth, end = 1, start
        while depth:
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            depth -= {r"\{": 1, r"\}": -1}.get(latex[end - 1 : end + 1], 0)
            end += 1
        latex = latex[:at] + latex[start : end - 1] + latex[end:]
    return latex


def test_the_formulas_of_the_book_are_found() -> None:
    assert sum(len(formulas(chapter)) for chapter in CHAPTERS) > 2000
    assert r"\mathcal{N}(x; m, v)" in formulas("notation")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_letter_is_in_the_register(chapter: str) -> None:
    unknown: dict[str, str] = {}
    for latex in formulas(chapter) if chapter not in symbols.MANY else []:
        symbols.matches(latex, chapter, lambda letter, latex=latex: unknown.setdefault(letter, latex.strip()))
    assert unknown == {}, f"book/symbols.yml has no entry for these letters of {chapter}"


@pytest.mark.parametrize("latex", ["x_t + Y", r"\bar\zeta", r"\psi_t", r"\frac{1}{2}U^2", r"\mathrm{HAT}(x)"])
def test_an_unknown_letter_is_told(latex: str) -> None:
    unknown: list[str] = []
    symbols.matches(latex, "posterior", unknown.append)
    assert len(unknown) == 1


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_formula_without_its_classes_is_the_formula(chapter: str) -> None:
    for latex in formulas(chapter):
        if r"^\varepsilon" in latex:
            continue
        plain = re.sub(r"(?<=[_^])\{([A-Za-z]|\\[A-Za-z]+)\}", r"\1", latex)
        again = re.sub(r"(?<=[_^])\{([A-Za-z]|\\[A-Za-z]+)\}", r"\1", strip(symbols.mark(latex, chapter)))
        assert again == plain
        assert symbols.mark(latex, chapter).count("{") - symbols.mark(latex, chapter).count("}") == 0


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\bar\alpha_{t-1}", [("alpha-bar-t", r"\bar\alpha_{t-1}")]),
        (r"\bar{\alpha}_t^2", [("alpha-bar-t", r"\bar{\alpha}_t^2")]),
        (r"\tilde\beta_t", [("beta-tilde-t", r"\tilde\beta_t")]),
        (r"\hat x_0 + \hat{x}_0", [("x-0-hat", r"\hat x_0"), ("x-0-hat", r"\hat{x}_0")]),
        (r"x_0^2 x_1", [("x-0", "x_0^2"), ("x-t", "x_1")]),
        (r"\varepsilon_\theta(x_t, t)", [("eps-theta", r"\varepsilon_\theta"), ("x-t", "x_t"), ("t", "t")]),
        (r"q(x_t \mid x_0)", [("q-sample", "q"), ("x-t", "x_t"), ("x-0", "x_0")]),
        (r"q\left(x_t \mid x_{t-1}\right)", [("q-step", "q"), ("x-t", "x_t"), ("x-t", "x_{t-1}")]),
        (r"q(x_{t-1} \mid x_t, x_0)", [("q-posterior", "q"), ("x-t", "x_{t-1}"), ("x-t", "x_t"), ("x-0", "x_0")]),
        (r"q(z)", [("q", "q"), ("z", "z")]),
        (r"\mathcal{N}(0, I)", [("normal", r"\mathcal{N}"), ("I", "I")]),
        (r"\sqrt\beta + \frac\alpha 2", [("beta", r"\beta"), ("alpha", r"\alpha")]),
        (r"\alpha^{T-k}", [("alpha", r"\alpha"), ("T", "T"), ("k", "k")]),
        (r"x^k_{T-1}", [("x-t", "x^k_{T-1}"), ("k", "k")]),
        (r"s_t'(x) + s_t", [("score-slope", "s_t'"), ("x", "x"), ("score", "s_t")]),
        (r"\int f\,dx_t", [("differential", "d"), ("x-t", "x_t")]),
        (r"\text{with } t \label{x}", [("t", "t")]),
        (r"t \\[0.6em] T", [("t", "t"), ("T", "T")]),
        (r"\moved{\sqrt{\beta_t}\,z}", [("beta-t", r"\beta_t"), ("z", "z")]),
    ],
)
def test_the_largest_form_wins(latex: str, expected: list[tuple[str, str]]) -> None:
    assert [each for each in marked(latex) if each[0] != "f"] == expected


@pytest.mark.parametrize(
    ("latex", "chapter", "key"),
    [
        ("v", "how-good", "v-level"),
        ("v", "ablations", "v-velocity"),
        ("v", "notation", "v"),
        ("z", "variational-bound", "z-code"),
        ("z", "sampling", "z"),
        (r"\kappa", "faster-sampling", "kappa-noise"),
        (r"\kappa", "reverse-process", "kappa-third"),
        (r"\sigma_t^2", "geometric-series", "sigma-exploding"),
        (r"\sigma_t^2", "simple-loss", "sigma-t"),
        (r"\beta(s)", "why-diffusion", "beta-of-s"),
        (r"s", "closed-form", "s"),
        (r"s", "why-diffusion", "s-time"),
    ],
)
def test_a_letter_means_what_it_means_in_its_chapter(latex: str, chapter: str, key: str) -> None:
    assert marked(latex, chapter)[0][0] == key


def test_a_letter_with_two_meanings_is_left_alone_where_formulas_of_many_chapters_stand() -> None:
    assert marked(r"v + \sigma_t + \beta_t", "exercises") == [("t", "t"), ("beta-t", r"\beta_t")]


def test_the_classes_name_the_letter_and_its_index() -> None:
    assert symbols.mark(r"\bar\alpha_t") == r"\class{sy sy-alpha-bar-t}{\bar\alpha_t}"
    assert symbols.mark(r"\bar\alpha_{t-1}") == r"\class{sy sy-alpha-bar-t i:t_minus_1}{\bar\alpha_{t-1}}"
    assert symbols.mark(r"x_{T-1}") == r"\class{sy sy-x-t i:capital_T_minus_1}{x_{T-1}}"
    assert symbols.mark(r"2^t") == r"2^{\class{sy sy-t}{t}}"  # TeX would take the command alone for the power


def test_the_page_s_colours_stay() -> None:
    coloured = page.colour_symbols(r"q(x_t \mid x_0) + \hat{x}_0^2")
    shown = symbols.mark(coloured)
    assert shown.count(r"\class{sym-x-0}") == 2
    assert r"\class{sy sy-q-sample}{q}" in shown  # the colour's class does not hide what q is of
    assert r"{\class{sym-x-0}{\class{sy sy-x-0-hat}{\hat{x}_0^2}}}" in shown


@pytest.mark.parametrize(
    ("latex", "key"),
    [
        (r"\beta_t", "beta-t"),
        (r" q(x_t \mid x_0) ", "q-sample"),
        (r"\varepsilon_\theta(x_t, t)", "eps-theta"),
        (r"\beta_t = 1", None),
        (r"\beta_t\,\varepsilon", None),
        (r"2t", None),
        (r"q(x_t \mid x_0) + q(x_T)", None),
    ],
)
def test_a_formula_that_is_one_letter_is_known(latex: str, key: str | None) -> None:
    found = symbols.whole(latex)
    assert (found.key if found else None) == key


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\bar\alpha_{t-1}", "<i>ᾱ</i><sub><i>t</i>−1</sub>"),
        (r"1 - \beta_t", "1 − <i>β</i><sub><i>t</i></sub>"),
        (r"\frac{\beta_t}{1-\bar\alpha_t}", "<i>β</i><sub><i>t</i></sub>/(1 − <i>ᾱ</i><sub><i>t</i></sub>)"),
        (r"\sqrt{1-\beta}", "√(1 − <i>β</i>)"),
        (r"\mathcal{N}(0, I)", "𝒩(0, <i>I</i>)"),
        (r"s < t", "<i>s</i> &lt; <i>t</i>"),
    ],
)
def test_a_short_formula_as_text(latex: str, text: str) -> None:
    assert symbols.in_html(latex) == text


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(symbols.SymbolError, match="underbrace"):
        symbols.in_html(r"\underbrace{x}")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{key: a, latex: a, name: a, chapter: posterior}", "means is missing"),
        ("{key: a b, latex: a, name: a, means: it, chapter: posterior}", "letters, digits"),
        ("{key: a, latex: a, name: a, means: It stops., chapter: posterior}", "without a stop"),
        ("{key: a, latex: a, name: a, means: it, chapter: posterior, colour: red}", "unknown colour"),
        ("{key: a, latex: a + b, name: a, means: it, chapter: posterior}", "not one letter"),
    ],
)
def test_a_bad_entry_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "symbols.yml").write_text(f"- group: A\n  symbols:\n    - {entry}\n", "utf8")
    with pytest.raises(symbols.SymbolError, match=message):
        symbols.read(tmp_path / "symbols.yml")


def test_the_examples_are_the_linear_schedule_s() -> None:
    beta = np.linspace(1e-4, 0.02, 1000)
    alpha_bar = np.exp(np.cumsum(np.log1p(-beta)))  # by another way than the package's
    shown = {symbol.key: symbols.example(symbol) for symbol in symbols.entries() if symbol.values}
    assert f"{alpha_bar[499]:.3f} at 500" in shown["alpha-bar-t"]
    assert f"{np.log(alpha_bar[499] / (1 - alpha_bar[499])):.2f}".replace("-", "−") + " at 500" in shown["log-snr"]
    assert "4·10⁻⁵ at 1000" in shown["alpha-bar-t"]
    assert 3.5e-5 < alpha_bar[-1] < 4.5e-5
    assert not any("{" in text or "e-" in text for text in shown.values())


def test_every_entry_is_used_where_it_says() -> None:
    used: dict[str, set[str]] = {}
    for chapter in CHAPTERS:
        for latex in formulas(chapter):
            for match in symbols.matches(latex, chapter):
                used.setdefault(match.symbol.key, set()).add(chapter)
    unused = {s.key for s in symbols.entries() if s.forms and s.chapter not in used.get(s.key, set())}
    assert unused == set(), "these letters do not occur in the chapter that is said to introduce them"
    idle = {
        (s.key, chapter)
        for s in symbols.entries()
        if s.forms
        for chapter in s.only
        if chapter not in used.get(s.key, set())
    }
    assert idle == set(), "these meanings are confined to chapters that do not use them"


def test_every_name_of_the_package_is_one() -> None:
    for symbol in symbols.entries():
        for name in filter(None, (part.strip() for part in symbol.code.split(","))):
            module, dot, attribute = name.partition(".")
            if not dot or module in {"schedule", "scipy", ""}:
                continue
            assert hasattr(importlib.import_module(f"ddpm_edu.{module}"), attribute), name


def test_the_table_has_a_row_for_each_entry() -> None:
    rows = [line for line in symbols.markdown_table().splitlines() if line.startswith("| $")]
    assert len(rows) == len(symbols.entries())
    assert all(symbol.chapter in CHAPTERS for symbol in symbols.entries())
    twin = "\n".join(cell.source for cell in twins.twin("notation", twins.read_book()).cells)
    for symbol in symbols.entries():
        assert f"*{symbol.name}*" in twin
