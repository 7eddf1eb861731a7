"""The notebook twins as they lie in book/: current, free of MyST, executed, and free of what a machine leaves behind."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
import twins
import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = twins.read_book()
MYST = re.compile(r"^\s*>?\s*(`{3,}|~{3,}|:{3,})\s*\{|\{[a-z][a-z:]*\}`|^\([a-z-]+\)=|\]\([\w-]+\.md", re.MULTILINE)


@pytest.fixture(params=BOOK.names)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def load(name: str) -> nbformat.NotebookNode:
    path = ROOT / "book" / f"{name}.ipynb"
    assert path.exists(), f"book/{name}.ipynb is missing: make notebooks"
    return nbformat.read(path, as_version=4)


def test_there_is_one_twin_for_each_chapter_and_no_other() -> None:
    listed = {path.stem for path in (ROOT / "book").glob("*.ipynb")}
    assert listed == set(BOOK.names)


def test_the_twin_is_current(name: str) -> None:
    stored, fresh = load(name), twins.twin(name, BOOK)
    for notebook in (stored, fresh):
        for cell in notebook.cells:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    assert stored == fresh, f"book/{name}.ipynb is not what its chapter says: make notebooks"


def test_no_myst_is_left(name: str) -> None:
    for cell in load(name).cells:
        if cell.cell_type == "markdown":
            assert not MYST.search(cell.source), cell.source


def test_the_twin_was_executed_without_errors(name: str) -> None:
    counts = [cell.execution_count for cell in load(name).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    for cell in load(name).cells:
        for output in cell.get("outputs", []):
            raises = "raises-exception" in cell.metadata.get("tags", [])
            assert raises or output.output_type != "error", output
            assert output.get("name") != "stderr", output


def test_nothing_of_a_machine_is_stored(name: str) -> None:
    text = (ROOT / "book" / f"{name}.ipynb").read_text("utf8")
    notebook = load(name)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert "vnd.jupyter.widget" not in text
    assert "iopub.execute_input" not in text
    for place in (str(ROOT), str(Path.home()), "/tmp/", "ipykernel_"):
        assert place == "/" or place not in text, f"the path {place} is in book/{name}.ipynb"


def run_setup(monkeypatch: pytest.MonkeyPatch, in_colab: bool, status: int) -> list[list[str]]:
    """Run a twin's first cell with pip replaced, and return the commands that it gave."""
    commands: list[list[str]] = []

    def run(command: list[str]) -> types.SimpleNamespace:
        commands.append(command)
        return types.SimpleNamespace(returncode=status)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    if in_colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec(load(BOOK.names[0]).cells[0].source, {})
    return commands


def test_the_setup_cell_does_nothing_outside_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_setup(monkeypatch, in_colab=False, status=1) == []


def test_the_setup_cell_installs_the_package_in_colab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]
    (command,) = run_setup(monkeypatch, in_colab=True, status=0)
    assert command[-1] == f"git+{repository['url']}@{repository['branch']}"
    assert capsys.readouterr().out == ""


def test_the_setup_cell_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_setup(monkeypatch, in_colab=True, status=1)
    said = capsys.readouterr().out
    assert "ddpm_edu-….whl" in said
    assert "%pip install" in said


def test_every_twin_begins_with_the_setup_cell(name: str) -> None:
    assert load(name).cells[0].source == twins.setup_cell(BOOK.config)


def test_the_list_of_exercises_says_what_each_asks() -> None:
    silent = [exercise.number for exercise in BOOK.exercises if not twins.ASKS.search(exercise.opening)]
    assert len(BOOK.exercises) >= 85
    assert silent == []
