"""Derivations: how they are read, which numbers stand beside their lines, what is refused, what the page holds."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import derivation
import numpy as np
import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from ddpm_edu import forward, schedules
from ddpm_edu.equations import grammar

FIRST = r"""
$$
x_T = \sqrt{\alpha}\,x_{T-1} + \moved{\sqrt{\beta}\,\varepsilon_T}
$$
The last step; the noise $\varepsilon_T$ is fresh.
== right side: right
= coefficient of $x_{T-1}$: \sqrt{\alpha}
"""
SECOND = r"""
$$
x_T = \sqrt{\alpha}\,\moved{\left(\sqrt{\alpha}\,x_{T-2} + \sqrt{\beta}\,\varepsilon_{T-1}\right)} + \sqrt{\beta}\,\varepsilon_T.
$$
The step before it is put in
for $x_{T-1}$.
== right side: right
= noise so far: \beta + \alpha\,\beta
"""
SERIES = {"name": "unrolling", "numbers": "series"}


def series(second: str = SECOND, **options: str) -> derivation.Derivation:
    return derivation.read("Unrolling", FIRST + second, {**SERIES, **options})


def test_lines_sentences_and_numbers_are_read() -> None:
    read = series()
    assert [len(line.numbers) for line in read.lines] == [2, 2]
    assert read.lines[1].text == "The step before it is put in\nfor $x_{T-1}$."
    assert [number.words for number in read.lines[0].numbers] == ["right side", "coefficient of $x_{T-1}$"]
    assert [number.same for number in read.lines[0].numbers] == [True, False]


def test_the_numbers_are_those_of_a_chain() -> None:
    """The chain obeys the kernel, its noise is noise, and both lines give its last value."""
    settings = {"alpha": 0.9, "beta": 0.3, "T": 7.0}
    world = derivation.series_world(settings)
    x, eps = world.sequences["x"], world.sequences["eps"]
    for t in range(1, 8):
        assert x[t] == pytest.approx(0.9**0.5 * x[t - 1] + 0.3**0.5 * eps[t], rel=1e-15)
    assert series().values(settings) == [
        pytest.approx([x[7], 0.9**0.5]),
        pytest.approx([x[7], 0.3 + 0.9 * 0.3]),
    ]
    noise = derivation.NOISE[1:]  # fixed, so these cannot fail by chance: four standard errors
    assert abs(noise.mean()) < 4 / math.sqrt(1000)
    assert abs(noise.var() - 1) < 4 * math.sqrt(2 / 1000)
    assert abs(np.mean(noise[1:] * noise[:-1])) < 4 / math.sqrt(1000)


def test_the_variance_so_far_is_the_package_s() -> None:
    body = (
        FIRST
        + SECOND
        + "= all: \\beta\\,\\frac{1-\\alpha^T}{1-\\alpha}\n= sum: \\beta\\,\\left(\\sum_{k=0}^{T-1} \\alpha^k\\right)\n"
    )
    read = derivation.read("Unrolling", body, SERIES)
    row = read.values({"alpha": 0.95, "beta": 0.2, "T": 60.0})[1]
    assert row[2:] == pytest.approx([forward.variance_path(0.0, 0.95, 0.2, 60)[-1]] * 2, rel=1e-12)


def test_the_posterior_s_letters() -> None:
    """Against the usual schedule and against quadrature of the two factors."""
    settings = {"t": 300.0, "x_0": 1.2, "x_t": -0.4, "x_{t-1}": 0.3}
    world = derivation.posterior_world(settings)
    schedule = schedules.linear(1000)
    before, alpha, beta = schedule.alpha_bar[299], schedule.alpha[300], schedule.beta[300]
    u = np.linspace(-6, 6, 20001)
    weight = np.exp(-((-0.4 - alpha**0.5 * u) ** 2) / (2 * beta) - (u - before**0.5 * 1.2) ** 2 / (2 * (1 - before)))
    assert world.values["mu_tilde_t"] == pytest.approx((u * weight).sum() / weight.sum(), rel=1e-9)
    bar = schedule.alpha_bar[300]
    assert bar**0.5 * 1.2 + (1 - bar) ** 0.5 * world.values["eps"] == pytest.approx(-0.4)


def test_letters_of_one_s_own() -> None:
    options = {"name": "square", "numbers": "posterior", "let": r"A = 1/\beta_t ; B = A\,x_t"}
    body = "$$\nE = A\n$$\nOne.\n= a: A\n$$\nE = B\n$$\nTwo.\n= b: B\n"
    (a,), (b,) = derivation.read("Square", body, options).values({"t": 1000.0, "x_0": 0.0, "x_t": 3.0, "x_{t-1}": 0.0})
    assert (a, b) == pytest.approx((50, 150))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (r"\sqrt{\alpha}\,x_{T-2}", r"\alpha\,x_{T-2}"),
        (r"x_{T-2}", r"x_{T-1}"),
        (r"\right)} + ", r"\right)} - "),
    ],
)
def test_a_misprinted_line_is_refused(right: str, wrong: str) -> None:
    assert SECOND.count(right) == 1
    with pytest.raises(derivation.DerivationError, match=r"'right side' is .* in line 1 and .* in line 2"):
        series(SECOND.replace(right, wrong))


LINE = "$$\nx = 1\n$$\nIt is.\n"


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        (LINE * 2, {"name": "Two words"}, "needs :name:"),
        (LINE * 2, {"name": "a-b"}, "needs :name:"),
        (LINE * 2, {"numbers": "all"}, "must be one of series, posterior, but it was 'all'"),
        (LINE, {}, "must have 2 to 20 lines, but it had 1"),
        (LINE * 21, {}, "but it had 21"),
        ("Words. " + LINE, {}, "begins with a formula"),
        ("Words.\n" + LINE * 2, {}, "begins with a formula"),
        (LINE + "$$\nx", {}, r"a \$\$ is left open"),
        (LINE + "$$\nx = 2\n$$\n", {}, "line 2 has no sentence"),
        (LINE + LINE + "= a: 1", {}, "does not say which: :numbers:"),
        (LINE + LINE + "= a 1", SERIES, "is written '= words: LaTeX'"),
        (LINE + LINE + "= a: \\beta\\mid\\alpha", SERIES, "line 2, a: .*does not allow"),
        (LINE + LINE + "= a: \\nonsense", SERIES, "line 2, a"),
        (LINE + LINE + "= a: \\Phi(\\alpha)", SERIES, "cannot hold this"),
        (LINE + LINE + "== a: \\gamma", SERIES, "gamma has no value"),
        (LINE + "$$\nx = y = 1\n$$\nTwo signs.\n= a: right", SERIES, "one = in it, but it has 2"),
        (LINE + "$$\nx_0\n$$\nNo sign.\n= a: left", SERIES, "but it has 0"),
        (LINE + "$$\nx = \\moved{1\n$$\nOpen.\n= a: right", SERIES, "is left open"),
        (LINE * 2, {**SERIES, "let": "A"}, "is written A = …"),
        (LINE * 2, {**SERIES, "let": "2 = \\alpha"}, "is written A = …"),
    ],
)
def test_what_cannot_be_shown_is_refused(body: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(derivation.DerivationError, match=message):
        derivation.read("A title", body, {"name": "try", **options})


def test_marks_are_seen_through() -> None:
    latex = r"\moved{\frac{1}{\moved{2}}}\,\{\moved{\{x\}}\} + y"
    assert derivation.unmarked(latex) == r"\frac{1}{2}\,\{\{x\}\} + y"
    assert derivation.unmarked(r"a + \moved{b^{2}}", r"\underline") == r"a + \underline{b^{2}}"


def test_sides() -> None:
    formula = r"q \propto \moved{\sum_{k=0}^{T-1} a^k}\,."
    assert derivation.side(formula, "right", "here") == r"\sum_{k=0}^{T-1} a^k"
    assert derivation.side(formula, "left", "here") == "q"


def test_a_tree_holds_all_that_the_grammar_reads() -> None:
    latex = r"-\sqrt[3]{x_0} + \frac{2.5}{\exp(-\alpha^2)} \cdot 3 - \left(\prod_{k=1}^{T} k\right)\,\bar\alpha_{t-1}"
    assert json.loads(json.dumps(derivation.tree(grammar.expression(latex)))) == [
        "+",
        [-1, ["r", ["s", "x_0", "x", 0.0], 3.0]],
        [1, ["*", ["/", 2.5, ["f", "exp", ["+", [-1, ["^", ["s", "alpha"], 2.0]]]]], 3.0]],
        [-1, ["*", ["prod", "k", 1.0, ["s", "T"], ["s", "k"]], ["s", "alpha_bar_{t-1}", "alpha_bar", ["+", [1, ["s", "t"]], [-1, 1.0]]]]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.02, "−0.02000"),
        (1.5e-7, "1.500×10⁻⁷"),
        (-123456.0, "−1.235×10⁵"),
        (12345.4, "12345"),
        (math.nan, "no value here"),
        (-math.inf, "no value here"),
    ],
)
def test_numbers_read_well(number: float, text: str) -> None:
    assert derivation.say(number) == text


def test_plain_markdown() -> None:
    text = derivation.markdown(series())
    assert text.startswith(r"**Unrolling.** Numbers for $\alpha = 0.98$, $\beta = 0.02$ and $T = 200$. The values")
    assert "\n\n**Line 1.** The last step; the noise $\\varepsilon_T$ is fresh.\n\n$$\nx_T = " in text
    assert r"+ \underline{\sqrt{\beta}\,\varepsilon_T}" in text
    assert text.endswith("; noise so far: 0.03960.")
    assert r"\moved" not in text


@pytest.mark.filterwarnings("ignore")  # Sphinx itself, run inside a test, warns of its own future
@pytest.mark.parametrize("good", [True, False])
def test_the_page(tmp_path: Path, good: bool) -> None:
    body = FIRST + (SECOND if good else SECOND.replace("x_{T-2}", "x_{T-1}"))
    text = f"# A page\n\n````{{derivation}} Unrolling $x_T$\n:name: unrolling\n:numbers: series\n{body}````\n"
    (tmp_path / "index.md").write_text(text, "utf8")
    warnings = io.StringIO()
    with docutils_namespace():
        settings = {"extensions": ["myst_parser", "derivation"], "myst_enable_extensions": ["dollarmath"]}
        folders = (tmp_path, None, tmp_path / "html", tmp_path / "doctrees", "html")
        Sphinx(*folders, confoverrides=settings, status=None, warning=warnings).build()
    html = (tmp_path / "html" / "index.html").read_text("utf8")
    if not good:
        assert "'right side' is" in warnings.getvalue()
        return
    assert warnings.getvalue() == ""
    page = BeautifulSoup(html, "html.parser")
    (root,) = page.select("div.derivation#derivation-unrolling")
    lines = root.select("ol.derivation-lines > li")
    assert len(lines) == 2
    assert all(r"\moved{" in line.select_one("div.math").text for line in lines)
    assert [dd.text.strip() for dd in lines[1].select("dl.derivation-numbers dd")][1] == "0.03960"
    assert re.search(r"α|alpha", root.select_one("p.derivation-settings").text)
    data = json.loads(root.select_one("script.derivation-data").text)
    assert [len(line) for line in data["lines"]] == [2, 2]
    assert page.select_one('script[src*="derivation.js"]')


def test_only_settings_that_change_a_number_get_a_slider() -> None:
    """μ̃_t hangs on t, x_0 and x_t; the weight of x_0 on t alone; the script still gets the others' values."""
    line = "\n$$\na = b\n$$\nA line.\n= number: {}\n"
    for latex, expected in [(r"\tilde\mu_t", ["t", "x_0", "x_t"]), (r"\bar\alpha_t", ["t"]), ("x_{t-1}", ["x_{t-1}"])]:
        read = derivation.read("Some", line.format(latex) * 2, {"name": "some", "numbers": "posterior"})
        assert [setting.key for setting in read.offered] == expected
        data = read.data()
        assert [slider["key"] for slider in data["sliders"]] == expected
        assert {*data["fixed"], *expected} == {"t", "x_0", "x_t", "x_{t-1}"}
    assert derivation.settings_text(read.offered) == "Numbers for $x_{t-1} = 0.6$."


@pytest.mark.parametrize("number", ["", "= number: 2\n"])
def test_numbers_that_depend_on_no_setting_are_refused(number: str) -> None:
    line = f"\n$$\na = b\n$$\nA line.\n{number}"
    with pytest.raises(derivation.DerivationError, match="names the numbers 'series', but no number in it depends"):
        derivation.read("Some", line * 2, {"name": "some", "numbers": "series"})
