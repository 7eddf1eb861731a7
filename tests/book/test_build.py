"""The build: when it runs the chapters anew, how it treats formulas and pictures, what it says of unchecked equations."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import build
import checked_equations
import numpy as np
import page
import pytest
import yaml
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

RIGHT = r"(1-\alpha_t)+\alpha_t(1-\alpha_{t-1}) = 1-\alpha_t\alpha_{t-1}"
WRONG = r"(1-\alpha_t)+\alpha_t(1-\alpha_{t-1}) = 1-\alpha_t\alpha_t"


def test_the_cache_is_emptied_when_the_package_or_a_run_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    for path in ("ddpm_edu/forward.py", "ddpm_edu/widgets/a.js", "runs/cpu/weights.safetensors", "book/forward.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("one")
    kept = tmp_path / "_build" / ".jupyter_cache" / "outputs"

    def emptied() -> bool:
        kept.mkdir(parents=True, exist_ok=True)
        assert build.empty_stale_cache(tmp_path / "_build") is not kept.exists()
        return not kept.exists()

    assert emptied()
    assert not emptied()
    for path in ("ddpm_edu/forward.py", "ddpm_edu/widgets/a.js", "runs/cpu/weights.safetensors"):
        (tmp_path / path).write_text("two")
        assert emptied()
        assert not emptied()
    (tmp_path / "book" / "forward.md").write_text("two")
    (tmp_path / "ddpm_edu" / "__pycache__").mkdir()
    (tmp_path / "ddpm_edu" / "__pycache__" / "forward.pyc").write_text("x")
    assert not emptied()
    monkeypatch.setenv("DDPM_EDU_DATA", "elsewhere")
    assert emptied()


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"x_0", r"{\class{sym-x-0}{x_0}}"),
        (r"\hat{x}_0", r"{\class{sym-x-0}{\hat{x}_0}}"),
        (r"\hat x_0^2 + x_{0}", r"{\class{sym-x-0}{\hat x_0^2}} + {\class{sym-x-0}{x_{0}}}"),
        (r"x_{0:T} + \max_0 + x_{t-1} + x_01", r"x_{0:T} + \max_0 + x_{t-1} + x_01"),
    ],
)
def test_data_is_coloured_in_formulas(latex: str, expected: str) -> None:
    assert page.colour_symbols(latex) == expected


def test_a_stop_stays_beside_its_formula() -> None:
    formula = r'<span class="math notranslate nohighlight">\(t\)</span>'
    assert page.trim(f"at ({formula}), then") == f'at <span class="unbroken">({formula}),</span> then'
    assert page.trim(f"at {formula} then") == f"at {formula} then"


@pytest.mark.parametrize(("dots", "size"), [(220, (20, 11)), (110, None), (None, None)])
def test_a_picture_of_two_pixels_for_one_is_offered_in_two_sizes(
    tmp_path: Path, dots: int | None, size: tuple[int, int] | None
) -> None:
    path = tmp_path / "a.png"
    drawn = Image.new("RGBA", (40, 22), (0, 114, 178, 255))
    drawn.paste((255, 255, 255, 255), (20, 0, 40, 22))
    drawn.save(path, dpi=(dots, dots) if dots else None)
    assert page.two_sizes(path) == size
    assert not path.exists()
    fine = tmp_path / "a-2x.webp"
    assert fine.exists() is (size is not None)
    with Image.open(tmp_path / "a.webp") as plain:
        assert plain.size == (size or (40, 22))
        assert plain.convert("RGBA").getpixel((0, 0)) == (0, 114, 178, 255)
    if size:
        with Image.open(fine) as finer:
            assert finer.size == (40, 22)


def test_a_page_names_both_sizes_and_leads_to_the_finer() -> None:
    both = '<a class="image-reference" href="../_images/a.png"><img alt="A." src="../_images/a.png" style="width: 9px; height: 5px;" /></a>'
    one = '<a class="image-reference" href="../_images/b.png"><img alt="B." src="../_images/b.png" style="width: 9px; height: 5px;" /></a>'
    other = '<a class="image-reference" href="../_images/c.png"><img alt="C." src="../_images/c.png" /></a>'
    text = page.offer_two_sizes(both + one + other, {"a.png": (9, 5), "b.png": None})
    assert text == (
        '<a class="image-reference" href="../_images/a-2x.webp"><img alt="A." width="9" height="5" '
        'srcset="../_images/a.webp 1x, ../_images/a-2x.webp 2x" src="../_images/a.webp" /></a>'
        + one.replace(".png", ".webp")
        + other
    )
    assert page.offer_two_sizes(text, {"a.png": (9, 5), "b.png": None}) == text


def test_the_footer_s_link_fills_in_the_form() -> None:
    """Each field that it names is one of the form's."""
    address = page.report_link("https://example.org/book/", "book/posterior", "7. A & B: αβ?")
    parts = urlsplit(address)
    fields = {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
    assert address.startswith("https://example.org/book/issues/new?")
    assert fields.pop("template") == "erratum.yml"
    assert fields.pop("title") == "Erratum: 7. A & B: αβ?"
    assert fields == {"page": "book/posterior.html", "version": page.version_line()}
    form = yaml.safe_load((build.ROOT / ".github" / "ISSUE_TEMPLATE" / "erratum.yml").read_text("utf8"))
    assert set(fields) < {part["id"] for part in form["body"] if "id" in part}
    assert re.fullmatch(r"Version \d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d(, commit [0-9a-f]{7,})?\)", page.version_line())


def test_a_picture_is_lightened_and_looks_the_same(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.putpixel((3, 5), (0, 114, 178, 255))
    page.lighten(picture, tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        light = image.convert("RGBA")
    assert light.getpixel((3, 5)) == (0, 114, 178, 255)
    assert light.getpixel((0, 0))[3] == 0


def test_greys_stay_within_half_a_step_and_a_middle_ground_stays_flat(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    page.lighten(Image.fromarray(ramp), tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        light = np.asarray(image.convert("RGB")).astype(int)
    assert (light == light[..., :1]).all()
    assert len(np.unique(light)) == 17
    assert len(np.unique(light.reshape(256, 3)[121:136])) == 1
    assert abs(light[..., 0] - ramp).max() <= 8
    assert light.min() == 0
    assert light.max() == 255


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (2.2e-16, "2·10⁻¹⁶"), (9.96e-10, "1·10⁻⁹"), (0.004, "0.004"), (float("inf"), "infinite")],
)
def test_errors_are_written_small(number: float, text: str) -> None:
    assert checked_equations.size(number) == text


def equation(label: str, latex: str) -> str:
    """A numbered equation, as a chapter has it."""
    return f"```{{math}}\n:label: {label}\n{latex}\n```\n\n"


def warnings_and_page(folder: Path, text: str) -> tuple[str, str]:
    """Build a book whose one chapter is `closed-form`, and return its warnings and its page."""
    (folder / "book").mkdir()
    (folder / "book" / "closed-form.md").write_text(f"# Closed form\n\n{text}")
    warnings = io.StringIO()
    with docutils_namespace():
        app = Sphinx(
            folder,
            None,
            folder / "_build" / "html",
            folder / "_build" / "doctrees",
            "html",
            confoverrides={"extensions": ["myst_parser", "checked_equations"], "master_doc": "book/closed-form"},
            status=None,
            warning=warnings,
        )
        app.build()
    return warnings.getvalue(), (folder / "_build" / "html" / "book" / "closed-form.html").read_text("utf8")


@pytest.mark.filterwarnings("ignore")  # Sphinx itself, run inside a test, warns of its own future
def test_an_equation_without_a_check_a_misprint_and_a_check_without_equation_are_warnings(tmp_path: Path) -> None:
    text = equation("merge", WRONG) + equation("nonsense", r"\beta_t = 1")
    warnings, html = warnings_and_page(tmp_path, text)
    assert "equation 'nonsense' has no check" in warnings
    assert "equation 'merge' fails its check" in warnings
    assert "check 'closed-form' is of no equation in the chapter closed-form" in warnings
    assert html.count('<details class="equation-check">') == 1


@pytest.mark.filterwarnings("ignore")
def test_a_right_equation_is_no_warning_and_carries_a_note(tmp_path: Path) -> None:
    warnings, html = warnings_and_page(tmp_path, equation("merge", RIGHT))
    assert "'merge'" not in warnings
    assert "checked as printed, error" in html


@pytest.mark.filterwarnings("ignore")
def test_the_list_of_equations_has_a_row_for_each_in_the_order_of_the_page(tmp_path: Path) -> None:
    law = r"q(x_t \mid x_{t-1}) = \mathcal{N}(x_t; \sqrt{\alpha_t}\,x_{t-1}, \beta_t I)"
    text = equation("merge", RIGHT) + equation("forward-kernel", law) + equation("nonsense", "a = b")
    _, html = warnings_and_page(tmp_path, text + "## All\n\n```{checked-equations}\n```\n")
    assert re.search(r'<section id="equations-closed-form">\s*<h3>Closed form', html)
    table = html[html.index("<table") : html.index("</table>")]
    rows = [re.sub(r"<[^>]+>", "", row) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)]
    assert len(rows) == 3, "a head, and a row for each equation with a check"
    assert re.search(r"\(1\) parsed\s+Both sides are compared .* ≤\s1·10⁻⁹", rows[1], re.DOTALL)
    assert re.search(
        r"\(2\) parsed\s+The printed law .* schedule’s αt and βt\.\s+\d·10⁻¹⁶ ≤\s1·10⁻⁹", rows[2], re.DOTALL
    )
    assert 'href="#equation-forward-kernel"' in table


def test_a_check_names_code_and_low_indices() -> None:
    parts = checked_equations.marked("With forward.kernel_step at x_{t−1}, ᾱ_t, x̂_0 and s_tx; e.g. not this one.")
    assert [(part.tagname, part.astext()) for part in parts if part.tagname != "#text"] == [
        ("literal", "forward.kernel_step"),
        ("subscript", "t−1"),
        ("subscript", "t"),
        ("subscript", "0"),
    ]
    assert "".join(part.astext() for part in parts) == (
        "With forward.kernel_step at xt−1, ᾱt, x̂0 and s_tx; e.g. not this one."
    )
