"""The widgets from Python: traits that can be read, set and observed, clear errors, and the bundle they carry."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import traitlets

from ddpm_edu import widgets
from ddpm_edu.widgets import bundle

WRONG = [
    ("alpha", math.nan, "alpha must be a number from 0 to 2, but it was nan"),
    ("alpha", -0.1, "alpha must be a number from 0 to 2, but it was -0.1"),
    ("alpha", "0.5", "alpha must be a number from 0 to 2, but it was '0.5'"),
    ("beta", 26, "beta must be a number from 0 to 25, but it was 26"),
    ("beta", None, "beta must be a number from 0 to 25, but it was None"),
    ("t", 1001, "t must be a whole number from 0 to 1000, but it was 1001"),
    ("t", 2.5, "t must be a whole number from 0 to 1000, but it was 2.5"),
    ("t", True, "t must be a whole number from 0 to 1000, but it was True"),
    ("histogram", [0] * 32, "histogram must have a bar above 0, but all 32 were 0"),
    ("histogram", [1] * 23, "histogram must have 24 to 48 bars, but it had 23"),
    ("histogram", [1] * 30 + [-1, 1], "histogram must hold heights from 0 to 1e9, but bar 30 was -1.0"),
    ("histogram", [1] * 31 + [math.nan], "histogram must hold heights from 0 to 1e9, but bar 31 was nan"),
    ("histogram", "comb", "histogram must be a list of heights, but it was 'comb'"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_trait_is_named(name: str, value: object, message: str) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        widgets.Laboratory(**{name: value})
    assert str(error.value) == message
    laboratory = widgets.Laboratory()
    before = getattr(laboratory, name)
    with pytest.raises(traitlets.TraitError):
        setattr(laboratory, name, value)
    assert getattr(laboratory, name) == before


def test_a_wrong_schedule_is_named() -> None:
    for name, value, message in [
        ("kind", "quadratic", "kind must be one of 'constant', 'linear', 'cosine', 'drawn', but it was 'quadratic'"),
        ("T", 1, "T must be a whole number from 2 to 4000, but it was 1"),
        ("beta", 0, "beta must be a number from 1e-06 to 0.999, but it was 0"),
        ("points", [0.1], "points must have 2 to 12 points, but it had 1"),
        ("points", [0.1, 2], "points must hold β from 1e-06 to 0.999, but point 1 was 2.0"),
    ]:
        with pytest.raises(traitlets.TraitError) as error:
            widgets.ScheduleExplorer(**{name: value})
        assert str(error.value) == message


def test_traits_take_numpy_and_give_plain_numbers() -> None:
    laboratory = widgets.Laboratory(alpha=np.float64(0.5), t=np.int64(7), histogram=np.linspace(0, 1, 32))
    assert (type(laboratory.alpha), type(laboratory.t), type(laboratory.histogram)) == (float, int, list)
    assert all(type(height) is float for height in laboratory.histogram)


def test_a_move_in_the_widget_is_observed_in_python() -> None:
    laboratory = widgets.Laboratory()
    seen: list[tuple[str, object]] = []
    laboratory.observe(lambda change: seen.append((change["name"], change["new"])), ["alpha", "t", "beta"])
    laboratory.set_state({"alpha": 0.7, "t": 12})  # what a message from the browser ends in
    assert sorted(seen) == [("alpha", 0.7), ("t", 12)]
    assert (laboratory.alpha, laboratory.t) == (0.7, 12)


def test_two_widgets_do_not_share_a_histogram() -> None:
    first, second = widgets.Laboratory(), widgets.Laboratory()
    first.histogram.append(1.0)
    assert len(second.histogram) == 32


def test_the_bundle_has_no_import_and_one_export() -> None:
    for entry in ("laboratory.js", "schedules.js"):
        lines = bundle.bundled(entry).splitlines()
        assert not [line for line in lines if line.startswith("import")]
        assert [line for line in lines if line.startswith("export")] == ["export default { render };"]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"a.js": "import { x } from './b.js';\nexport default { x };\n", "b.js": "export const y = 1;\n"}, "does not export"),
        ({"a.js": "import { x } from './b.js';\nconst z = 1;\nexport default { x };\n", "b.js": "export const x = 1;\nconst z = 2;\n"}, "both declare z"),
        ({"a.js": "import { x } from './b.js';\nexport default { x };\n", "b.js": "import { y } from './a.js';\nexport const x = 1;\n"}, "in a circle"),
        ({"a.js": "import x from './b.js';\nexport default { x };\n", "b.js": "export const x = 1;\n"}, "cannot hold"),
        ({"a.js": "import * as d from 'd3';\nexport default { d };\n"}, "cannot hold"),
        ({"a.js": "export const x = 1;\n"}, "no export default"),
        ({"a.js": "const x = `one\n  // two\n`;\nexport default { x };\n"}, "template over several lines"),
    ],
)  # fmt: skip
def test_the_bundler_is_strict(
    sources: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in sources.items():
        (tmp_path / name).write_text(text, "utf8")
    monkeypatch.setattr(bundle, "_HERE", tmp_path)
    with pytest.raises(ValueError, match=message):
        bundle.bundled.__wrapped__("a.js")


def test_a_bundle_leaves_comments_out_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """// What it is.

/** One
 *  line. */
const x = 'a // b'; // stays
/* and */ const y = `c /* d */`;
function z() {
  // here
  return x + y;
}

export default { z };
"""
    (tmp_path / "a.js").write_text(source, "utf8")
    monkeypatch.setattr(bundle, "_HERE", tmp_path)
    lines = [line for line in bundle.bundled.__wrapped__("a.js").splitlines() if line]
    kept = [
        "const x = 'a // b'; // stays",
        "/* and */ const y = `c /* d */`;",
        "function z() {",
        "  return x + y;",
        "}",
    ]
    assert lines == ["// a.js", *kept, "export default { z };"]


def test_the_colours_stand_in_one_place() -> None:
    """Every symbol's colour in the stylesheet is the palette's, light and dark, and the rules name none."""
    css = bundle.stylesheet()
    rules = (Path(bundle.__file__).parent / "widgets.css").read_text("utf8")
    assert "#" not in rules
    palette = bundle.palette()
    for theme in ("light", "dark"):
        for name, colour in palette[theme].items():
            assert f"--fallback-{name.replace('_', '-')}:{colour};" in css


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_can_be_read_on_its_ground(theme: str) -> None:
    """WCAG AA: 4.5 to 1 for everything that text is set in."""
    colours = bundle.palette()[theme]
    ground = luminance(colours["ground"])
    for name, colour in colours.items():
        if name in ("ground", "hair"):
            continue
        light, dark = sorted((luminance(colour), ground), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name
