"""Write the notebook twins: from each chapter ``book/NAME.md`` an executed ``book/NAME.ipynb`` in plain Markdown.

``python book/_ext/twins.py [--text] [NAME …]``; ``make notebooks`` calls it. Colab shows MyST's roles and directives as raw text, so
they are rewritten: a numbered equation keeps its number as ``\\tag{n}``, a reference becomes a number or a link, an
exercise, a note, a figure and a shown function become plain Markdown. What this module does not know is an error.
"""

from __future__ import annotations

import argparse
import ast
import base64
import mimetypes
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import checked_equations
import derivation
import jupytext
import nbformat
import symbols
import wayfinding
import yaml
from build import BUILD, quiet_kernels
from nbclient import NotebookClient
from pybtex.database import Entry, parse_string

from ddpm_edu import equations
from ddpm_edu.exercises import register

ROOT = Path(__file__).resolve().parents[2]
ADMONITIONS = {"note": "Note", "tip": "Tip", "warning": "Warning", "important": "Important", "seealso": "See also"}
UNWALKED = {"math", "literalinclude", "bibliography", "code-block", "derivation"}
ROLE = re.compile(r"\{(?P<name>[a-z][\w:.-]*)\}`(?P<text>[^`]+)`")
TARGETED = re.compile(r"^(?P<text>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
ASKS = re.compile(r"\?$|\b(Write|Show|Derive|Find|Prove|Solve|Repeat|[Ss]how that)\b")
LEFTOVER = re.compile(r"^[\s>]*(?:`{3,}|~{3,}|:{3,})\s*\{|\{[a-z][\w:.-]*\}`|^\([\w-]+\)=\s*$|^:{3,}\s*$", re.MULTILINE)
SETUP = """\
# In Colab this cell installs the book's package. Anywhere else it does nothing.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("ddpm_edu") is None:
    source = "git+{url}@{branch}"
    if subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source]).returncode:
        print("The package could not be installed from {url}.")
        print("The built book offers it in its download menu, as a file ddpm_edu-….whl.")
        print("Upload that file here (the folder symbol at the left), run %pip install ddpm_edu-*.whl, then go on.")
"""


class TwinError(ValueError):
    """A chapter holds something that has no plain Markdown form; the message says where and what."""


@dataclass
class Block:
    """A stretch of a chapter's Markdown: running text, a fenced code block, or a directive with its parts."""

    kind: str  # "text", "code" or "directive"
    text: str
    name: str = ""
    argument: str = ""
    options: dict[str, str] = field(default_factory=dict)


def blocks(text: str) -> Iterator[Block]:
    """Split Markdown into running text, code and directives. Raises TwinError if a fence is left open."""
    lines = text.split("\n")
    run: list[str] = []
    row = 0
    while row < len(lines):
        opening = re.match(r"^(?P<fence>`{3,}|~{3,}|:{3,})\s*(?P<rest>.*)$", lines[row])
        if not opening:
            run.append(lines[row])
            row += 1
            continue
        if run:
            yield Block("text", "\n".join(run))
            run = []
        fence = opening["fence"]
        closing = re.compile(rf"^{re.escape(fence[0])}{{{len(fence)},}}\s*$")
        end = next((at for at in range(row + 1, len(lines)) if closing.match(lines[at])), None)
        if end is None:
            raise TwinError(f"a fence is left open: {lines[row]!r}")
        body = "\n".join(lines[row + 1 : end])
        directive = re.match(r"^\{(?P<name>[\w:-]+)\}\s*(?P<argument>.*)$", opening["rest"])
        if directive:
            options, rest = split_options(body)
            yield Block("directive", rest, directive["name"], directive["argument"].strip(), options)
        else:
            yield Block("code", "\n".join(lines[row : end + 1]))
        row = end + 1
    if run:
        yield Block("text", "\n".join(run))


def split_options(body: str) -> tuple[dict[str, str], str]:
    """A directive's options, in either spelling, and what follows them."""
    if body.startswith("---\n"):
        head, _, rest = body[4:].partition("\n---")
        return {key: str(value) for key, value in (yaml.safe_load(head) or {}).items()}, rest.strip("\n")
    options = {}
    lines = body.split("\n")
    while lines and (option := re.match(r"^:([\w-]+):\s*(.*)$", lines[0])):
        options[option[1]] = option[2].strip()
        lines.pop(0)
    return options, "\n".join(lines).strip("\n")


@dataclass(frozen=True)
class Exercise:
    """An exercise of the book: `opening` is its question, in Markdown, and `kind` predict, prove or program."""

    label: str
    chapter: str
    kind: str
    number: str
    opening: str

    @property
    def name(self) -> str:
        """Its name where it is checked and where progress is kept."""
        return self.label.removeprefix("ex-")


def kind(label: str) -> str:
    """Whether an exercise that is no prediction asks for a program, which can be checked, or for a proof."""
    return "program" if label.removeprefix("ex-") in register.names() else "prove"


def opening(text: str) -> str:
    """An exercise up to the sentence that asks for something; the book's sources have a sentence a line."""
    lines = text.strip().partition("\n\n")[0].split("\n")
    asking = next((at for at, line in enumerate(lines) if ASKS.search(line)), 0)
    return " ".join(lines[: asking + 1])


@dataclass
class Book:
    """What a chapter's references need to know of all the others: titles, numbers, sections, bibliography, address."""

    folder: Path
    config: dict[str, Any]
    names: list[str]
    titles: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)  # of equations, figures and exercises, by label
    homes: dict[str, str] = field(default_factory=dict)  # the chapter of each label
    sections: dict[str, str] = field(default_factory=dict)  # the heading behind each label
    entries: dict[str, Entry] = field(default_factory=dict)
    numbered: list[str] = field(default_factory=list)  # the chapters of the numbered parts
    exercises: list[Exercise] = field(default_factory=list)

    def text(self, name: str) -> str:
        """A chapter's source."""
        return (self.folder / f"{name}.md").read_text("utf8")


def read_book(root: Path = ROOT) -> Book:
    """Number everything in the order of the table of contents, as Sphinx does."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    config = yaml.safe_load((root / "_config.yml").read_text("utf8"))
    listed: list[tuple[str, str]] = [(Path(toc["root"]).name, "")]
    count = 0
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            count += bool(part.get("numbered"))
            listed.append((Path(chapter["file"]).name, str(count) if part.get("numbered") else ""))
    book = Book(root / "book", config, [name for name, _ in listed if (root / "book" / f"{name}.md").exists()])
    book.numbered = [name for name, section in listed if section and name in book.names]
    bibliography = root / "book" / "references.bib"
    if bibliography.exists():
        book.entries = dict(parse_string(bibliography.read_text("utf8"), "bibtex").entries)
    counters: dict[tuple[str, str], int] = defaultdict(int)

    def number(kind: str, label: str, name: str, section: str) -> None:
        counters[kind, section] += 1
        value = counters[kind, section]
        book.numbers[label] = f"{section}.{value}" if section else str(value)
        book.homes[label] = name

    for name, section in listed:
        if name not in book.names:
            continue
        notebook = jupytext.reads(book.text(name), fmt="md:myst")
        for cell in notebook.cells:
            if cell.cell_type == "code":
                figure = cell.metadata.get("mystnb", {}).get("figure", {})
                if figure.get("caption") and figure.get("name"):
                    number("figure", figure["name"], name, section)
                continue
            for block in walk(cell.source):
                label = block.options.get("label") or block.options.get("name", "")
                if block.kind == "text":
                    scan_text(block.text, name, section, book, number)
                elif block.name == "math" and label:
                    number("equation", label, name, section)
                elif block.name == "figure" and label:
                    number("figure", label, name, section)
                elif block.name in {"exercise", "predict"} and "nonumber" not in block.options:
                    label = f"ex-{block.argument}" if block.name == "predict" else label
                    number("exercise", label or f"{name}-{counters['exercise', section]}", name, section)
                    if label:
                        form = "predict" if block.name == "predict" else kind(label)
                        book.exercises.append(Exercise(label, name, form, book.numbers[label], opening(block.text)))
    return book


def walk(text: str) -> Iterator[Block]:
    """All blocks, those inside directives included, in the order of the text."""
    for block in blocks(text):
        yield block
        if block.kind == "directive" and block.name not in UNWALKED:
            yield from walk(block.text)


def scan_text(text: str, name: str, section: str, book: Book, number: Any) -> None:
    """Find titles, labelled headings and equations between dollars with a label behind them."""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    if title and name not in book.titles:
        book.titles[name] = title[1].strip()
    for label, heading in re.findall(r"^\(([\w-]+)\)=\s*\n+#+ (.+)$", text, re.MULTILINE):
        book.sections[label] = heading.strip()
        book.homes[label] = name
    for label in re.findall(r"\$\$\s*\(([\w-]+)\)\s*$", text, re.MULTILINE):
        number("equation", label, name, section)


class Rewriter:
    """Rewrites one chapter's Markdown cells."""

    def __init__(self, book: Book, name: str) -> None:
        self.book = book
        self.name = name
        self.cited: list[str] = []
        self.attachments: dict[str, dict[str, str]] = {}

    def markdown(self, text: str) -> str:
        """One cell's text in plain Markdown."""
        parts = []
        for block in blocks(text):
            if block.kind == "code":
                parts.append(block.text)
            elif block.kind == "text":
                parts.append(self.running(block.text))
            else:
                parts.append(self.directive(block))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip("\n")

    def running(self, text: str) -> str:
        """Running text: roles, labels, links to chapters, equations between dollars, definition lists."""
        text = re.sub(r"^\([\w-]+\)=\s*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^% .*\n?", "", text, flags=re.MULTILINE)
        text = re.sub(
            r"\$\$(?P<latex>(?:(?!\$\$).)*?)\$\$\s*\((?P<label>[\w-]+)\)[ \t]*$",
            lambda found: self.equation(found["latex"], found["label"]),
            text,
            flags=re.DOTALL | re.MULTILINE,
        )
        text = re.sub(r"^(?P<term>\S.*)\n: +(?P<meaning>.+)$", r"**\g<term>**: \g<meaning>", text, flags=re.MULTILINE)
        text = re.sub(r"\[(?P<text>[^\]]*)\]\((?P<name>[\w-]+)\.md(?:#[\w-]*)?\)", self.link, text)
        return ROLE.sub(self.role, text)

    def link(self, found: re.Match[str]) -> str:
        """A link to a chapter's source becomes one to its twin."""
        return f"[{found['text'] or self.title(found['name'])}]({found['name']}.ipynb)"

    def title(self, name: str) -> str:
        """A chapter's title."""
        if name not in self.book.titles:
            raise self.error(f"there is no chapter {name!r}")
        return self.book.titles[name]

    def error(self, message: str) -> TwinError:
        """An error that says where it was."""
        return TwinError(f"book/{self.name}.md: {message}")

    def numbered(self, label: str) -> str:
        """The number of an equation, a figure or an exercise."""
        if label not in self.book.numbers:
            raise self.error(f"nothing numbered has the label {label!r}")
        return self.book.numbers[label]

    def to(self, label: str, text: str) -> str:
        """The text, linked where the label stands in another chapter."""
        home = self.book.homes[label]
        return text if home == self.name else f"[{text}]({home}.ipynb)"

    def role(self, found: re.Match[str]) -> str:
        """One role as plain Markdown."""
        name, text = found["name"], found["text"].strip()
        targeted = TARGETED.match(text)
        words, target = (targeted["text"], targeted["target"]) if targeted else ("", text)
        if name == "eq":
            return self.to(target, f"({self.numbered(target)})")
        if name in {"numref", "prf:ref"}:
            shown = (words or "Fig. %s").replace("%s", "{number}").replace("{number}", self.numbered(target))
            return self.to(target, shown)
        if name == "ref":
            if target in self.book.sections:
                return self.to(target, words or self.book.sections[target])
            return self.to(target, words or f"{self.kind(target)} {self.numbered(target)}")
        if name == "doc":
            chapter = Path(target).name
            return f"[{words or self.title(chapter)}]({chapter}.ipynb)"
        if name in {"cite:p", "cite", "cite:t"}:
            return self.citation(name, [key.strip() for key in text.split(",")])
        if name == "download":
            return words or f"`{Path(target).name}`"
        if name == "abbr":
            return text
        if name == "state":
            state = wayfinding.STATE.match(text)
            if not state:
                raise self.error(f"a state is written `words <chapter#lab.t=5>`, and this was {text!r}")
            return f"[{state['words']}]({state['chapter']}.ipynb)"
        if name == "math":
            return f"${text}$"
        if name in {"sub", "sup"}:
            return f"<{name}>{text}</{name}>"
        raise self.error(f"the role {{{name}}} has no plain form")

    def kind(self, label: str) -> str:
        """What a number is the number of."""
        return "Exercise" if label.startswith("ex") else "Fig."

    def citation(self, name: str, keys: list[str]) -> str:
        """A citation as author and year, linked where the entry has an address."""
        shown = []
        for key in keys:
            if key not in self.book.entries:
                raise self.error(f"references.bib has no entry {key!r}")
            self.cited += [] if key in self.cited else [key]
            entry = self.book.entries[key]
            year, address = entry.fields["year"], entry.fields.get("url")
            text = f"{authors(entry)} ({year})" if name == "cite:t" else f"{authors(entry)}, {year}"
            shown.append(f"[{text}]({address})" if address else text)
        return ", ".join(shown) if name == "cite:t" else f"({'; '.join(shown)})"

    def equation(self, latex: str, label: str = "") -> str:
        """A displayed equation with the number that it has in the book."""
        tag = f" \\tag{{{self.numbered(label)}}}" if label else ""
        return f"\n$$\n{latex.strip()}{tag}\n$$\n"

    def directive(self, block: Block) -> str:
        """One directive as plain Markdown."""
        name, options = block.name, block.options
        if name == "math":
            argument = f"{block.argument}\n" if block.argument else ""
            return self.equation(argument + block.text, options.get("label", ""))
        if name in ADMONITIONS or name == "admonition":
            title = self.running(block.argument) if name == "admonition" else ADMONITIONS[name]
            return quote(f"**{title}.** {self.markdown(self.lead(block))}")
        if name == "margin":
            return quote(self.markdown("\n".join(filter(None, [block.argument, block.text]))))
        if name == "exercise":
            number = f" {self.numbered(options['label'])}" if options.get("label") and "nonumber" not in options else ""
            title = f" ({self.running(block.argument)})" if block.argument else ""
            return f"\n**Exercise{number}{title}.** {self.markdown(block.text)}\n"
        if name == "predict":
            return self.prediction(block)
        if name == "all-exercises":
            return self.all_exercises()
        if name == "exercise-progress":
            return ""
        if name == "solution":
            summary = f"Solution to exercise {self.numbered(block.argument)}"
            return f"\n<details>\n<summary>{summary}</summary>\n\n{self.markdown(block.text)}\n\n</details>\n"
        if name == "derivation":
            return self.derivation(block)
        if name == "literalinclude":
            return self.shown_code(block)
        if name in {"figure", "image"}:
            return self.figure(block)
        if name in {"code-block", "code", "sourcecode"}:
            return f"\n```{block.argument or 'text'}\n{block.text}\n```\n"
        if name == "bibliography":
            return self.references()
        if name == "checked-equations":
            return self.checked_equations()
        if name == "symbols":
            return f"\n{self.running(symbols.markdown_table())}\n"
        if name == "derivation-map":
            return f"\n{wayfinding.markdown_map()}\n"
        if name == "reading-times":
            return f"\n{wayfinding.markdown_times(self.book.numbered, self.title)}\n"
        if name == "tableofcontents":
            lines = [
                f"- [{self.title(chapter)}]({chapter}.ipynb)" for chapter in self.book.names if chapter != self.name
            ]
            return "\n".join(lines)
        raise self.error(f"the directive {{{name}}} has no plain form")

    def prediction(self, block: Block) -> str:
        """A number that is asked for, and the cell in which it can be checked."""
        code = f'from ddpm_edu import exercises\n\nexercises.answer("{block.argument}", 0.5)'
        how = "To check your number, put it in place of 0.5 in a new cell:"
        number = self.numbered(f"ex-{block.argument}")
        question = self.markdown(block.text)
        return f"\n**Exercise {number} (predict).** {question}\n\n{how}\n\n```python\n{code}\n```\n"

    def all_exercises(self) -> str:
        """Every exercise of the book, by chapter, each with its first sentence."""
        parts = []
        for chapter in self.book.names:
            found = [entry for entry in self.book.exercises if entry.chapter == chapter]
            if found:
                parts.append(f"\n### [{self.title(chapter)}]({chapter}.ipynb)\n")
                parts += [f"- {entry.number} *{entry.kind}* {self.running(entry.opening)}" for entry in found]
        return "\n".join(parts) + "\n"

    def lead(self, block: Block) -> str:
        """A note's text, where it begins on the line of its name too."""
        return block.text if block.name == "admonition" else "\n".join(filter(None, [block.argument, block.text]))

    def derivation(self, block: Block) -> str:
        """A derivation, all its lines below one another."""
        try:
            lines = derivation.markdown(derivation.read(block.argument, block.text, block.options))
        except derivation.DerivationError as error:
            raise self.error(str(error)) from None
        return f"\n{self.running(lines)}\n"

    def shown_code(self, block: Block) -> str:
        """A piece of the package, with the name of its file."""
        unknown = set(block.options) - {"language", "pyobject", "caption", "name", "class"}
        if unknown:
            raise self.error(f"literalinclude with {sorted(unknown)} has no plain form")
        path = (self.book.folder / block.argument).resolve()
        source = path.read_text("utf8")
        if "pyobject" in block.options:
            source = python_object(source, block.options["pyobject"])
        shown = path.relative_to(self.book.folder.parent.resolve()).as_posix()
        return f"\n`{shown}`\n\n```{block.options.get('language', 'python')}\n{source}\n```\n"

    def figure(self, block: Block) -> str:
        """A picture from a file, carried inside the notebook, with its number and caption."""
        path = self.book.folder / block.argument
        kind = mimetypes.guess_type(path.name)[0] or "image/png"
        self.attachments[path.name] = {kind: base64.b64encode(path.read_bytes()).decode()}
        picture = f"![{block.options.get('alt', '')}](attachment:{path.name})"
        return f"\n{picture}\n\n{self.caption(block.options.get('name', ''), block.text)}\n"

    def caption(self, label: str, text: str) -> str:
        """A figure's number and caption."""
        number = f"**Fig. {self.book.numbers[label]}** " if label in self.book.numbers else ""
        return f"{number}{self.markdown(text.strip())}"

    def checked_equations(self) -> str:
        """All checked equations, by chapter, without the errors, which differ from machine to machine."""
        parts = []
        for chapter, found in equations.register.by_chapter(self.book.folder).items():
            parts.append(f"\n### {self.title(chapter)}\n\n| Equation | What is compared |\n| :-- | :-- |")
            for check, page in found:
                number = f"[({self.numbered(page.label)})]({chapter}.ipynb)"
                parts.append(f"| {number} {check.kind} | {in_markdown(check.how)} |")
        return "\n".join(parts) + "\n"

    def references(self) -> str:
        """The works that the chapter has cited, one a line."""
        keys = sorted(self.cited, key=lambda key: (authors(self.book.entries[key]), key))
        return "\n" + "\n".join(f"- {reference(self.book.entries[key])}" for key in keys) + "\n"


def in_markdown(sentence: str) -> str:
    """What a check says of itself, with code as code and indices set low."""
    forms = {"literal": "`{}`", "subscript": "<sub>{}</sub>"}
    parts = checked_equations.marked(sentence)
    return "".join(forms.get(part.tagname, "{}").format(part.astext()) for part in parts).replace("|", r"\|")


def quote(text: str) -> str:
    """A block quotation."""
    return "\n" + "\n".join(f"> {line}".rstrip() for line in text.split("\n")) + "\n"


def plain(text: str) -> str:
    """A BibTeX field without braces and accents' commands."""
    text = re.sub(r"\{?\\'\{?e\}?\}?", "é", text)
    text = text.replace("{\\L}", "Ł").replace("--", "–")
    return re.sub(r"[{}]", "", text)


def authors(entry: Entry) -> str:
    """The authors' family names: all of two, the first of more."""
    names = [plain(" ".join(person.prelast_names + person.last_names)) for person in entry.persons["author"]]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


def reference(entry: Entry) -> str:
    """A work: authors, title, where, when, address."""
    people = [
        plain(" ".join(p.first_names + p.middle_names + p.prelast_names + p.last_names))
        for p in entry.persons["author"]
    ]
    where = plain(entry.fields.get("journal", entry.fields.get("booktitle", "")))
    rest = f" *{where}*, {entry.fields['year']}." if where else f" {entry.fields['year']}."
    address = f" <{entry.fields['url']}>" if "url" in entry.fields else ""
    return f"{', '.join(people)}. {plain(entry.fields['title'])}.{rest}{address}"


def python_object(source: str, name: str) -> str:
    """The text of a function, a class or a method, decorators included. Raises TwinError if there is none."""
    body: list[ast.stmt] = ast.parse(source).body
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((node for node in body if getattr(node, "name", None) == part), None)
        if found is None:
            raise TwinError(f"there is no {name!r} to show")
        body = getattr(found, "body", [])
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    lines = source.splitlines()[first - 1 : found.end_lineno]
    return "\n".join(line[found.col_offset :] if line.strip() else "" for line in lines)


def setup_cell(config: dict[str, Any]) -> str:
    """The first cell's code."""
    repository = config["repository"]
    return SETUP.replace("{url}", repository["url"]).replace("{branch}", repository["branch"]).rstrip("\n")


def twin(name: str, book: Book) -> nbformat.NotebookNode:
    """The twin of one chapter, not yet executed."""
    rewriter = Rewriter(book, name)
    source = jupytext.reads(book.text(name), fmt="md:myst")
    cells = [nbformat.v4.new_code_cell(setup_cell(book.config), metadata={"tags": ["setup"]})]
    for cell in source.cells:
        if cell.cell_type == "code":
            tags = list(cell.metadata.get("tags", []))
            if "widget" in tags:  # a notebook keeps no widget, so there is nothing that nbval could compare
                tags.append("nbval-ignore-output")
            metadata: dict[str, Any] = {"tags": tags} if tags else {}
            if {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(tags):
                metadata["jupyter"] = {"source_hidden": True}
            cells.append(nbformat.v4.new_code_cell(cell.source, metadata=metadata))
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            if figure.get("caption"):
                caption = rewriter.caption(figure.get("name", ""), figure["caption"])
                cells.append(nbformat.v4.new_markdown_cell(caption))
        elif text := rewriter.markdown(cell.source):
            left = LEFTOVER.search(re.sub(r"^```(?!\{).*?^```\s*$", "", text, flags=re.DOTALL | re.MULTILINE))
            if left:
                raise rewriter.error(f"this is left over: {left.group(0)!r}")
            cells.append(nbformat.v4.new_markdown_cell(text))
            if rewriter.attachments:
                cells[-1]["attachments"] = dict(rewriter.attachments)
                rewriter.attachments.clear()
    for at, cell in enumerate(cells):
        cell["id"] = f"cell-{at}"
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a twin in its folder and tidy what it stored: no widgets, no times, no paths of this machine."""
    NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        kept = []
        for output in cell.outputs:
            if output.get("name") == "stderr":
                raise TwinError(f"a cell wrote to standard error:\n{cell.source}\n{output['text']}")
            if any("widget" in kind for kind in output.get("data", {})):
                continue
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            for place in (str(ROOT), str(Path.home())):
                if place != "/" and place in text:
                    raise TwinError(f"a cell printed a path of this machine:\n{cell.source}\n{text}")
            kept.append(output)
        cell["outputs"] = kept


def keep_outputs(notebook: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> None:
    """Take over the outputs of a stored twin. Raises TwinError unless its code cells are the same ones."""
    new, old = ([cell for cell in book.cells if cell.cell_type == "code"] for book in (notebook, stored))
    if [(cell.source, cell.metadata) for cell in new] != [(cell.source, cell.metadata) for cell in old]:
        raise TwinError("the code has changed, so the notebook must be run: leave --text out")
    for fresh, kept in zip(new, old, strict=True):
        fresh["outputs"], fresh["execution_count"] = kept.outputs, kept.execution_count


def main(arguments: list[str]) -> int:
    """Write the twins of all chapters, or of those that are named."""
    parser = argparse.ArgumentParser(description="Write and execute the notebook twins of the chapters.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters (default: all)")
    parser.add_argument("--text", action="store_true", help="renew the text only, and keep the stored outputs")
    options = parser.parse_args(arguments)
    quiet_kernels(BUILD)
    book = read_book()
    names = options.names or book.names
    for name in names:
        if name not in book.names:
            parser.error(f"NAME must be one of {', '.join(book.names)}, but it was {name!r}")
        print(f"book/{name}.ipynb", flush=True)
        notebook = twin(name, book)
        if options.text:
            keep_outputs(notebook, nbformat.read(book.folder / f"{name}.ipynb", as_version=4))
        else:
            execute(notebook, book.folder)
        nbformat.validate(notebook)
        nbformat.write(notebook, book.folder / f"{name}.ipynb")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
