"""The register: each label one check, each check one label, and a check that can fail."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ddpm_edu import bounds, diffusion, equations, forward, posterior, reverse
from ddpm_edu.equations import book, register
from ddpm_edu.equations.evaluate import Moments, World
from ddpm_edu.equations.register import Case, FunctionCheck, ParsedCheck, distance

ROOT = Path(book.__file__).parents[2]


def test_every_numbered_equation_of_the_book_is_checked() -> None:
    results = equations.run_all()
    assert [result.label for result in results] == [check.label for check, _ in register.matched()]
    failed = [
        f"{result.label}: {result.residual:.1e} > {result.tolerance:.0e}; {result.how}"
        for result in results
        if not result.passed
    ]
    assert not failed, "\n".join(failed)
    for result in results:
        assert result.kind in register.KINDS
        assert math.isfinite(result.residual)
        assert result.how.endswith(".")
        assert equations.check(result.label) == result


def test_run_all_is_the_same_every_time_and_fast() -> None:
    """Within five seconds, or on a slow processor in the time of 1.3e8 turns of a loop."""
    first = equations.run_all()
    start = time.process_time()
    sum(i * i for i in range(10**7))
    loop = time.process_time() - start
    start = time.process_time()
    again = equations.run_all()
    assert time.process_time() - start < max(5, 13 * loop)
    assert again == first


def test_only_the_chapters_carry_labels() -> None:
    for page in (ROOT / "index.md", ROOT / "README.md"):
        if page.exists():
            assert book.read(page.stem, page.read_text(encoding="utf-8")) == []


def test_command_line() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "ddpm_edu", "equations", "--json"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.returncode == 0, run.stderr
    records = json.loads(run.stdout)
    assert [record["label"] for record in records] == [check.label for check, _ in register.matched()]
    assert {"label", "chapter", "kind", "residual", "tolerance"} <= set(records[0])


CHAPTER = r"""# A chapter

```{math}
:label: alpha-from-beta
\alpha_t = 1 - \beta_t
```
"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A book of one chapter, and a register of its one check."""
    register.checks()  # fills the register
    monkeypatch.setattr(register, "_CHECKS", {"alpha-from-beta": register._CHECKS["alpha-from-beta"]})
    (tmp_path / "schedules.md").write_text(CHAPTER, encoding="utf-8")
    return tmp_path


def test_a_small_book_passes(small: Path) -> None:
    (result,) = equations.run_all(small)
    assert result.passed
    assert result.label == "alpha-from-beta"
    assert result.chapter == "schedules"
    assert result.kind == "parsed"


def test_a_label_without_a_check_and_a_check_without_a_label(small: Path) -> None:
    (small / "schedules.md").write_text(CHAPTER.replace("alpha-from-beta", "alpha-from-nothing"), encoding="utf-8")
    with pytest.raises(LookupError, match=r"alpha-from-nothing.*has no check") as caught:
        equations.run_all(small)
    assert "alpha-from-beta has a check, but schedules.md has no equation" in str(caught.value)


def test_a_label_in_another_chapter(small: Path) -> None:
    (small / "schedules.md").write_text("# Nothing\n", encoding="utf-8")
    (small / "training.md").write_text(CHAPTER, encoding="utf-8")
    with pytest.raises(LookupError, match=r"is checked for schedules\.md, but stands in training\.md"):
        equations.run_all(small)


def test_only_the_chapters_that_exist_count(small: Path) -> None:
    (small / "schedules.md").rename(small / "other.md")
    (small / "other.md").write_text("# Nothing\n", encoding="utf-8")
    assert equations.run_all(small) == []


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (r"\alpha_t = 1 + \beta_t", "compared with"),
        (r"\alpha_t = \alpha_t", "no value here"),
        (r"\alpha_t = 1 - \gamma_t", "gamma_t has no value"),
        (r"\beta_t = 1 - \alpha_t", "must tell"),
        (r"\alpha_t = 1 - \beta_{t+20}", "needs an index"),
        (r"\alpha_t = 1 - \foo", "does not allow"),
        (r"\alpha_t = 1 - \beta_t, \quad \alpha_T = \beta_T", "compared with"),
        (r"\alpha_t = 1 - \beta_t, \quad \varepsilon \sim \mathcal{N}(0, 2)", "compared with"),
        (r"\alpha_t = 1 - \beta_t, \quad z \sim \mathcal{N}(0, 1)", "z has no law"),
        (r"\alpha_t = \mathcal{N}(0, 1)", "must be of"),
    ],
)
def test_a_misprint_fails_and_says_why(small: Path, printed: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "schedules.md").write_text(CHAPTER.replace(r"\alpha_t = 1 - \beta_t", printed), encoding="utf-8")
    (result,) = equations.run_all(small)
    assert not result.passed
    assert why in result.how


def test_report_says_what_failed(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(book, "folder", lambda: small)
    assert equations.report() == 0
    assert "1 equations checked, 0 failed" in capsys.readouterr().out
    (small / "schedules.md").write_text(CHAPTER.replace("1 - ", r"\foo - "), encoding="utf-8")
    assert equations.report() == 1
    assert "FAILED" in capsys.readouterr().out
    assert equations.report(as_json=True) == 1
    (record,) = json.loads(capsys.readouterr().out)
    assert record["residual"] is None
    assert record["passed"] is False


def outcome(text: str, *subjects: str, truths: tuple[float, ...] = (), tight: bool = False) -> str:
    """ "passes", "fails", or why the check of `text` refuses it; a and b are numbers with a > b, x is several."""

    def case(rng: np.random.Generator) -> Case:
        b = rng.uniform(1, 2)
        a = b if tight and rng.integers(2) else b + rng.uniform(0.5, 1)
        x = rng.uniform(1, 2, 4)
        return Case(World({"a": a, "b": b, "x": x, "y": 3 * a * x, "z": 2.0}), truths, tight and a == b)

    result = register.run(ParsedCheck("new", "schedules", "Compared.", subjects, case), text)
    return "passes" if result.passed else "fails" if result.how == "Compared." else result.how


def test_an_inequality_must_hold_and_be_attained() -> None:
    assert outcome(r"a \ge b", "a", tight=True) == "passes"
    assert outcome(r"b \le a", "b", tight=True) == "passes"
    assert outcome(r"a \ge b", tight=True) == "passes"
    assert outcome(r"a = a \ge b = b", tight=True) == "passes"
    for wrong in (r"a \le b", r"b \ge a", r"a \ge 2 b", r"a \ge b - 1", r"a \ge b = a", r"a = b", r"a = b \ge b"):
        assert outcome(wrong, tight=True) == "fails"
    assert "must be an equality in some trial" in outcome(r"a \ge b", "a")
    assert "since it is an inequality" in outcome(r"z = 2, \quad a \ge b", "z", truths=(2.0,), tight=True)


def test_a_proportion_is_the_same_everywhere() -> None:
    assert outcome(r"y \propto x") == "passes"
    assert outcome(r"y \propto x \propto 2x = x + x", "y") == "passes"
    for wrong in (r"y \propto x + a", r"y \propto x^2", r"y \propto x = 2 x", r"y \propto a"):
        assert outcome(wrong) == "fails"
    assert "three places" in outcome(r"a \propto b")


def test_without_truths_the_world_tells_the_left_side() -> None:
    assert outcome("y = 3 a x") == outcome("y = 3 a x", "y") == outcome("a + b = b + a") == "passes"
    assert outcome("y = 2 a x") == outcome("y = 2 a x", "y") == "fails"
    assert outcome("a = 2", "a", truths=(2.0,)) == "passes"
    assert outcome("a = 2", truths=(2.0,)) == "fails"  # no side is a name, so the left one is compared as well
    assert outcome("z = 2", truths=(2.0, 2.5)) == "fails"  # every truth counts


def test_what_an_equation_tells_does_not_stand_on_its_right() -> None:
    assert "a has no value" in outcome("a = a", "a")
    assert "is what the equation is to tell" in outcome(r"\log a = 1 \cdot \log a", r"\log a")
    assert outcome(r"\log a = \log b + \log\frac{a}{b}", r"\log a") == "passes"


def test_check_names_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="label must be one of"):
        equations.check("nothing")


def test_a_label_has_one_check() -> None:
    register.checks()
    check = register._CHECKS["alpha-bar"]
    with pytest.raises(ValueError, match="must have one check"):
        register.add(check)
    with pytest.raises(ValueError, match="kind must be one of"):
        register.add(ParsedCheck("new", "schedules", "How.", (), lambda rng: Case(World(), [0]), kind="belief"))


def test_a_function_check_is_bound_to_what_is_printed() -> None:
    check = FunctionCheck("new", "schedules", "How.", "algebra", "a = b", lambda formula: formula, 0.0)
    assert register.run(check, " a =\n b ").passed
    changed = register.run(check, "a = c")
    assert not changed.passed
    assert "ddpm_edu/equations/schedules.py" in changed.how


def test_excess_and_unevenness() -> None:
    assert register.excess(1.0, 2.0) == 0
    assert register.excess(3.0, 2.0) == pytest.approx(0.5)
    assert register.excess(np.array([1.0, 5.0]), np.array([2.0, -4.0])) == pytest.approx(9 / 4)
    assert register.excess(math.nan, 1.0) == register.excess(1.0, math.nan) == math.inf
    assert register.excess(1.0, math.inf) == register.excess(math.inf, 1.0) == math.inf
    assert (register.excess(1.0, 0.0), register.excess(-1.0, 0.0)) == (1, 0)
    assert register.unevenness(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0])) == 0
    assert register.unevenness(np.array([2.0, 4.0, 6.6]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="three places"):
        register.unevenness(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
    assert register.unevenness(np.ones(3), np.zeros(3)) == register.unevenness(np.zeros(3), np.zeros(3)) == math.inf


def test_distance() -> None:
    assert distance(1.1, 1.0) == pytest.approx(0.1)
    assert distance(2e-9, 1e-9) == pytest.approx(1)  # small truths count like large ones
    assert distance(0.5, 0.0) == 0.5
    assert distance(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(0.5)
    assert distance(math.nan, 1.0) == distance(math.inf, math.inf) == distance(1.0, math.inf) == math.inf
    assert distance(Moments(1.0, 2.0), Moments(1.0, 1.0)) == 1
    assert distance(Moments(1.0, 2.0), 1.0) == math.inf
    assert distance(1.0, Moments(1.0, 2.0)) == math.inf


@pytest.mark.parametrize(
    ("label", "module", "name"),
    [
        ("q-sample", forward, "q_sample"),
        ("closed-form", forward, "q_sample"),
        ("kernel", forward, "kernel_step"),
        ("variance-limit", forward, "variance_limit"),
        ("posterior-mean", posterior, "mean"),
        ("beta-tilde", posterior, "variance"),
        ("posterior-bayes", posterior, "mean"),
        ("weight-of-x-0", posterior, "weights"),
        ("ou-transition", forward, "kernel_step"),
        ("unrolled", forward, "kernel_step"),
        ("noise-variance", forward, "variance_path"),
        ("tweedie-mean", reverse, "tweedie"),
        ("tweedie-variance", reverse, "tweedie"),
        ("gaussian-kl", bounds, "gaussian_kl"),
        ("prior-term", bounds, "prior_term"),
        ("x-0-loss", bounds, "x_0_weight"),
        ("eps-loss", bounds, "eps_weight"),
        ("variance-cost", bounds, "variance_cost"),
        ("discretised-gaussian", bounds, "discretised_log_likelihood"),
        ("mean-from-eps", diffusion, "mean_from_eps"),
        ("x-0-from-eps", diffusion, "x_0_from_eps"),
        ("simple-loss", diffusion, "training_loss"),
    ],
)
def test_a_wrong_function_fails_too(label: str, module: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is compared with the package: if the package goes wrong, the check says so as well."""
    right = getattr(module, name)

    def wrong(*arguments: object) -> object:
        answer = right(*arguments)
        return tuple(1.001 * part for part in answer) if isinstance(answer, tuple) else 1.001 * answer

    monkeypatch.setattr(module, name, wrong)
    assert not equations.check(label).passed
