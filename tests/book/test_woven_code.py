"""The code that the book explains is shown from the package: each public function in full, in exactly one chapter."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
import twins

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "schedules",
    "forward",
    "densities",
    "reverse",
    "posterior",
    "bounds",
    "diffusion",
    "perceptron",
    "unet",
    "objective",
    "distances",
    "ideal",
    "slips",
)
ALSO = {"training.Trainer.step"}  # the training step; the rest of its module is files and bookkeeping


def public(module: str, source: str) -> dict[str, list[str]]:
    """A module's public functions and classes; for a class, its public methods and properties as well."""
    found: dict[str, list[str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            members = [
                f"{module}.{node.name}.{member.name}"
                for member in (node.body if isinstance(node, ast.ClassDef) else [])
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_")
            ]
            found[f"{module}.{node.name}"] = members
    return found


def shown(texts: dict[str, str]) -> dict[str, list[str]]:
    """What the chapters show of the package: for each object the chapters that show it."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, text in texts.items():
        for block in twins.walk(text):
            if block.kind == "directive" and block.name == "literalinclude":
                module = Path(block.argument).stem
                target = block.options.get("pyobject")
                places[f"{module}.{target}" if target else module].append(name)
    return places


def missing(objects: dict[str, list[str]], places: dict[str, list[str]]) -> list[str]:
    """Public objects that no chapter shows: neither whole nor, for a class, method by method."""
    result = []
    for name, members in objects.items():
        if name in places or name.split(".")[0] in places:
            continue
        left = [member for member in members if member not in places]
        if left or not members:
            result += left or [name]
    return result


def chapters() -> dict[str, str]:
    book = twins.read_book()
    return {name: re.sub(r"\A---\n.*?\n---\n", "", book.text(name), flags=re.DOTALL) for name in book.names}


def test_each_public_function_is_shown() -> None:
    objects: dict[str, list[str]] = {name: [] for name in ALSO}
    for module in MODULES:
        objects |= public(module, (ROOT / "ddpm_edu" / f"{module}.py").read_text("utf8"))
    assert missing(objects, shown(chapters())) == []


def test_nothing_is_shown_in_two_chapters() -> None:
    assert {name: places for name, places in shown(chapters()).items() if len(places) > 1} == {}


def test_every_object_shown_is_in_its_file() -> None:
    book = twins.read_book()
    for name, text in chapters().items():
        for block in twins.walk(text):
            if block.kind == "directive" and block.name == "literalinclude":
                source = (book.folder / block.argument).resolve().read_text("utf8")
                assert block.options.get("caption") == block.argument.removeprefix("../"), f"{name}: {block.argument}"
                assert twins.python_object(source, block.options["pyobject"])


@pytest.mark.parametrize(
    ("objects", "text", "expected"),
    [
        ({"m.f": []}, "", ["m.f"]),
        ({"m.f": []}, "```{literalinclude} ../p/m.py\n:pyobject: f\n```", []),
        ({"m.C": ["m.C.a", "m.C.b"]}, "```{literalinclude} ../p/m.py\n:pyobject: C.a\n```", ["m.C.b"]),
        ({"m.C": ["m.C.a", "m.C.b"]}, "```{literalinclude} ../p/m.py\n:pyobject: C\n```", []),
        ({"m.C": []}, "````{note}\n```{literalinclude} ../p/m.py\n:pyobject: C\n```\n````", []),
    ],
)
def test_what_is_missing_is_found(objects: dict[str, list[str]], text: str, expected: list[str]) -> None:
    assert missing(objects, shown({"chapter": text})) == expected


def test_chapters_and_equations_that_docstrings_name_exist() -> None:
    book = twins.read_book()
    for path in sorted((ROOT / "ddpm_edu").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                words = ast.get_docstring(node) or ""
                for chapter in re.findall(r"chapter[ :]+`([\w-]+)`", words):
                    assert chapter in book.names, f"{path.name}: {chapter}"
                for label in re.findall(r"equation[ :]+`([\w-]+)`", words):
                    assert label in book.numbers, f"{path.name}: {label}"
