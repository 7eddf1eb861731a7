"""Code style and types: of the package, of the tests, of the book's tools, and of the chapters' cells in the twins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_style_and_types(command: list[str]) -> None:
    arguments = ["."] if command[0] == "ruff" else []
    done = subprocess.run([sys.executable, "-m", *command, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_misformatted_notebook_is_found(tmp_path: Path) -> None:
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = [1,2]\nimport os")])
    nbformat.write(notebook, tmp_path / "x.ipynb")
    for command in (["check"], ["format", "--check"]):
        arguments = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
        assert subprocess.run(arguments, capture_output=True).returncode == 1
