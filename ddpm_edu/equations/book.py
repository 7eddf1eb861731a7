r"""What the book prints: every labelled equation, read from the chapters' Markdown.

Two spellings carry a label: a directive, and dollars with the label behind them.

    ```{math}
    :label: alpha-bar
    \bar\alpha_t = \prod_{s=1}^{t} \alpha_s
    ```

    $$
    \bar\alpha_t = \prod_{s=1}^{t} \alpha_s
    $$ (alpha-bar)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}|:{3,})\s*(?P<rest>.*)$")
DIRECTIVE = re.compile(r"^\{(?P<name>[\w:+.-]+)\}\s*(?P<argument>.*)$")
CODE = {"code-cell", "code", "code-block", "literalinclude", "raw", "eval-rst"}


@dataclass(frozen=True)
class Printed:
    """A labelled equation as it stands in a chapter: `latex` is its text, `line` where it begins, counted from 1."""

    label: str
    chapter: str
    latex: str
    line: int


def folder() -> Path:
    """The folder of the chapters: the repository's `book`, or the copy that an installed wheel carries.

    Raises FileNotFoundError if there is neither.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package.parent / "book", package / "_book"):
        if any(candidate.glob("*.md")):
            return candidate
    raise FileNotFoundError(
        f"the chapters must be in {package.parent / 'book'} or {package / '_book'}, but neither holds one"
    )


def chapters(where: Path | None = None) -> list[str]:
    """The names of the chapters in the folder `where` (default: `folder()`), sorted."""
    return sorted(path.stem for path in (where or folder()).glob("*.md"))


def printed(where: Path | None = None) -> dict[str, Printed]:
    """All labelled equations, by label, chapter by chapter.

    Raises ValueError if a label stands twice or a fence is left open.
    """
    where = where or folder()
    result: dict[str, Printed] = {}
    for chapter in chapters(where):
        for equation in read(chapter, (where / f"{chapter}.md").read_text(encoding="utf-8")):
            if equation.label in result:
                raise ValueError(
                    f"the label {equation.label} must stand once, but it stands in "
                    f"{result[equation.label].chapter}.md and in {chapter}.md, line {equation.line}"
                )
            result[equation.label] = equation
    return result


def read(chapter: str, text: str) -> list[Printed]:
    """The labelled equations of one chapter's Markdown, in order.

    Raises ValueError if an equation or a block of code is not closed.
    """
    found = []
    lines = text.splitlines()
    row = 0
    while row < len(lines):
        start, line = row, lines[row].strip()
        row += 1
        fence = FENCE.match(line)
        if fence:
            directive = DIRECTIVE.match(fence["rest"])
            plain = directive is None and fence["rest"] != "" and fence["fence"][0] != ":"
            if plain or (directive is not None and directive["name"] in {"math", *CODE}):
                end = _closing(lines, row, fence["fence"], chapter)
                if directive is not None and directive["name"] == "math":
                    label, latex = _directive([directive["argument"], *lines[row:end]])
                    if label:
                        found.append(Printed(label, chapter, latex, start + 1))
                row = end + 1
        elif line.startswith("$$"):
            block = line[2:]
            while "$$" not in block:
                if row == len(lines):
                    raise ValueError(f"{chapter}.md: the equation that begins in line {start + 1} must end with $$")
                block += "\n" + lines[row]
                row += 1
            latex, _, rest = block.partition("$$")
            name = re.match(r"^\s*\(([\w:-]+)\)", rest)
            if name:
                found.append(Printed(name[1], chapter, latex.strip("\n"), start + 1))
    return found


def _closing(lines: list[str], row: int, fence: str, chapter: str) -> int:
    for end in range(row, len(lines)):
        line = lines[end].strip()
        if line.startswith(fence) and set(line) == {fence[0]}:
            return end
    raise ValueError(f"{chapter}.md: the block that begins in line {row} must end with {fence}")


def _directive(lines: list[str]) -> tuple[str, str]:
    label = ""
    body: list[str] = []
    for line in lines:
        option = re.match(r"^\s*:(\w+):\s*(.*)$", line)
        if option and not any(part.strip() for part in body):
            label = option[2].strip() if option[1] == "label" else label
        else:
            body.append(line)
    return label, "\n".join(body).strip("\n")
