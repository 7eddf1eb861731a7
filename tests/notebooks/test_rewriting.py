"""What the twin generator makes of each directive and role, on small chapters written here."""

from __future__ import annotations

import textwrap
from pathlib import Path

import nbformat
import pytest
import twins

from ddpm_edu.equations import register
from ddpm_edu.equations.book import Printed

HEADER = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\nkernelspec:\n  display_name: Python 3\n  name: python3\n---\n\n"
FIRST = """
# First chapter

```{math}
:label: one
x_t = \\sqrt{\\alpha}\\,x_{t-1}
```

```{math}
:label: two
v_t = \\beta
```

(a-place)=
## A place

```{code-cell} ipython3
---
tags: [hide-input, nbval-ignore-output]
mystnb:
  image:
    alt: A line.
  figure:
    caption: |
      A caption with $x$.
    name: fig-line
---
print(1)
```

```{exercise}
:label: ex-one

Why?
```
"""
SECOND = """
# Second chapter

```{math}
:label: three
w = 1
```
"""
MODULE = '''
"""A module."""
import functools


@functools.cache
def shown(x):
    """Say x."""
    return x


def hidden():
    return None


class Thing:
    """A thing."""

    def method(self):
        """Say one."""
        return 1
'''
BIB = """
@article{two1999, author = {Curie, Marie and Noether, Emmy}, title = {On {Things}}, journal = {A Journal}, year = {1999}}
@article{many2001, author = {Ada, A. and Bob, B. and Cy, C.}, title = {More}, journal = {B}, year = {2001}, url = {https://example.org/x}}
"""


@pytest.fixture
def book(tmp_path: Path) -> twins.Book:
    (tmp_path / "book").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(MODULE)
    (tmp_path / "book" / "references.bib").write_text(BIB)
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://example.org/owner/name\n  branch: trunk\n")
    (tmp_path / "_toc.yml").write_text(
        "root: book/index\nparts:\n- chapters:\n  - file: book/front\n"
        "- numbered: 1\n  chapters:\n  - file: book/first\n- numbered: 1\n  chapters:\n  - file: book/second\n"
    )
    for name, text in {"index": "# The book\n", "front": "# Front\n", "first": FIRST, "second": SECOND}.items():
        (tmp_path / "book" / f"{name}.md").write_text(HEADER + text)
    return twins.read_book(tmp_path)


def rewrite(book: twins.Book, text: str, name: str = "first") -> str:
    return twins.Rewriter(book, name).markdown(textwrap.dedent(text).strip("\n")).strip()


def test_numbers_follow_the_table_of_contents(book: twins.Book) -> None:
    assert book.numbers == {"one": "1.1", "two": "1.2", "fig-line": "1.1", "ex-one": "1.1", "three": "2.1"}
    assert book.titles["second"] == "Second chapter"
    assert book.sections == {"a-place": "A place"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("```{math}\n:label: two\nv_t = \\beta\n```", "$$\nv_t = \\beta \\tag{1.2}\n$$"),
        ("```{math}\nv_t = \\beta\n```", "$$\nv_t = \\beta\n$$"),
        ("$$\nx\n$$ (three)", "$$\nx \\tag{2.1}\n$$"),
        ("$$\nx\n$$", "$$\nx\n$$"),
        ("see {eq}`one`.", "see (1.1)."),
        ("see {eq}`three`.", "see [(2.1)](second.ipynb)."),
        ("{numref}`fig-line` and {numref}`figure %s <fig-line>`", "Fig. 1.1 and figure 1.1"),
        ("{ref}`a-place`, {ref}`there <a-place>`, {ref}`ex-one`", "A place, there, Exercise 1.1"),
        ("{doc}`second` or {doc}`the next <second>`", "[Second chapter](second.ipynb) or [the next](second.ipynb)"),
        ("[](second.md) or [it](second.md#w)", "[Second chapter](second.ipynb) or [it](second.ipynb)"),
        ("{cite:t}`two1999`", "Curie and Noether (1999)"),
        ("{cite:p}`two1999,many2001`", "(Curie and Noether, 1999; [Ada et al., 2001](https://example.org/x))"),
        ("{abbr}`EMA (moving average)` {download}`it <a/b.py>`", "EMA (moving average) it"),
        ("```{note}\nMind {eq}`one`.\n```", "> **Note.** Mind (1.1)."),
        (":::{note}\nMind.\n:::", "> **Note.** Mind."),
        ("```{admonition} On $x$\nMind.\n\nTwice.\n```", "> **On $x$.** Mind.\n>\n> Twice."),
        ("```{margin}\nAside.\n```", "> Aside."),
        ("```{exercise} Title\n:label: ex-one\n\nWhy?\n```", "**Exercise 1.1 (Title).** Why?"),
        (
            "````{solution} ex-one\n:class: dropdown\n\nSo {eq}`one`.\n\n```python\n1\n```\n````",
            "<details>\n<summary>Solution to exercise 1.1</summary>\n\nSo (1.1).\n\n```python\n1\n```\n\n</details>",
        ),
        (
            "```{literalinclude} ../package/module.py\n:language: python\n:pyobject: shown\n:caption: x\n```",
            '`package/module.py`\n\n```python\n@functools.cache\ndef shown(x):\n    """Say x."""\n    return x\n```',
        ),
        (
            "```{literalinclude} ../package/module.py\n:pyobject: Thing.method\n```",
            '`package/module.py`\n\n```python\ndef method(self):\n    """Say one."""\n    return 1\n```',
        ),
        (
            "```{derivation} Two lines\n:name: two\n:numbers: series\n\n$$\nx = \\moved{\\alpha}\n$$\n"
            "By {eq}`one`.\n= value: right\n= noise: \\beta\n\n$$\nx = 1\n$$\nSo it is.\n```",
            "**Two lines.** Numbers for $\\alpha = 0.98$ and $\\beta = 0.02$. The values of $x_t$ and "
            "$\\varepsilon_t$ are those of one chain, drawn once; only $\\alpha$, $\\beta$ and $T$ change.\n\n"
            "**Line 1.** By (1.1).\n\n$$\nx = \\underline{\\alpha}\n$$\n\nvalue: 0.9800; noise: 0.02000.\n\n"
            "**Line 2.** So it is.\n\n$$\nx = 1\n$$",
        ),
        ("(a-place)=\n## A place\n\n% a comment\nText.", "## A place\n\nText."),
        ("term\n: what it means", "**term**: what it means"),
        ("```python\n{eq}`one`\n```", "```python\n{eq}`one`\n```"),
    ],
)
def test_directives_and_roles(book: twins.Book, source: str, expected: str) -> None:
    assert rewrite(book, source) == expected


def test_predictions_are_numbered_listed_and_say_how_they_are_checked(
    book: twins.Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins.register, "names", lambda: ("half", "code"))
    first = FIRST + "\n```{predict} half\nBy {eq}`one`, how much?\nTwo digits.\n```\n"
    second = SECOND + "\n```{exercise}\n:label: ex-code\n\nWrite `f(x)`.\n```\n"
    for name, text in {"first": first, "second": second}.items():
        (book.folder / f"{name}.md").write_text(HEADER + text)
    book = twins.read_book(book.folder.parent)
    assert [(each.name, each.kind, each.number) for each in book.exercises] == [
        ("one", "prove", "1.1"),
        ("half", "predict", "1.2"),
        ("code", "program", "2.1"),
    ]
    assert rewrite(book, "```{predict} half\nBy {eq}`one`, how much?\nTwo digits.\n```\n\nSee {ref}`ex-half`.") == (
        "**Exercise 1.2 (predict).** By (1.1), how much?\nTwo digits.\n\n"
        "To check your number, put it in place of 0.5 in a new cell:\n\n"
        '```python\nfrom ddpm_edu import exercises\n\nexercises.answer("half", 0.5)\n```\n\nSee Exercise 1.2.'
    )
    assert rewrite(book, "```{exercise-progress}\n```\n\n```{all-exercises}\n```", "second") == (
        "### [First chapter](first.ipynb)\n\n- 1.1 *prove* Why?\n- 1.2 *predict* By [(1.1)](first.ipynb), how much?\n\n"
        "### [Second chapter](second.ipynb)\n\n- 2.1 *program* Write `f(x)`."
    )
    with pytest.raises(twins.TwinError, match="ex-other"):
        rewrite(book, "```{predict} other\nHow much?\n```")


def test_checked_equations_become_a_table_for_each_chapter(book: twins.Book, monkeypatch: pytest.MonkeyPatch) -> None:
    check = register.FunctionCheck("three", "second", "forward.step at x_{t−1} | x_t.", "mpmath", "", abs, abs)
    found = [(check, Printed("three", "second", "", 1))]
    monkeypatch.setattr(register, "by_chapter", lambda where: {"second": found} if where == book.folder else {})
    assert rewrite(book, "```{checked-equations}\n```") == (
        "### Second chapter\n\n| Equation | What is compared |\n| :-- | :-- |\n"
        "| [(2.1)](second.ipynb) mpmath | `forward.step` at x<sub>t−1</sub> \\| x<sub>t</sub>. |"
    )


def test_bibliography_lists_what_was_cited_and_nothing_else(book: twins.Book) -> None:
    text = rewrite(book, "{cite:t}`many2001` says so.\n\n```{bibliography}\n:filter: docname in docnames\n```")
    assert text.endswith("- A. Ada, B. Bob, C. Cy. More. *B*, 2001. <https://example.org/x>")
    assert "Noether" not in text


def test_a_figure_from_a_file_travels_in_the_notebook(book: twins.Book) -> None:
    (book.folder / "dot.png").write_bytes(b"\x89PNG")
    rewriter = twins.Rewriter(book, "first")
    text = rewriter.markdown("```{figure} dot.png\n:alt: A dot.\n:name: fig-line\n\nThe dot.\n```")
    assert text == "![A dot.](attachment:dot.png)\n\n**Fig. 1.1** The dot."
    assert rewriter.attachments == {"dot.png": {"image/png": "iVBORw=="}}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("```{tab-set}\nx\n```", "the directive {tab-set}"),
        ("{kbd}`x`", "the role {kbd}"),
        ("{eq}`nothing`", "has the label 'nothing'"),
        ("{cite:p}`nobody`", "no entry 'nobody'"),
        ("{doc}`nowhere`", "no chapter 'nowhere'"),
        ("```{note}\nnever closed", "left open"),
        ("```{derivation} One line\n:name: one\n\n$$\nx\n$$\nIt.\n```", "2 to 20 lines"),
        ("```{literalinclude} ../package/module.py\n:pyobject: absent\n```", "no 'absent'"),
        ("```{literalinclude} ../package/module.py\n:lines: 1-2\n```", "lines"),
    ],
)
def test_what_has_no_plain_form_is_an_error(book: twins.Book, source: str, message: str) -> None:
    with pytest.raises(twins.TwinError, match=message.replace("{", r"\{").replace("}", r"\}")):
        rewrite(book, source)


def test_a_twin_has_the_setup_cell_the_caption_and_the_tags(book: twins.Book) -> None:
    notebook = twins.twin("first", book)
    nbformat.validate(notebook)
    setup, *rest = notebook.cells
    assert "git+https://example.org/owner/name@trunk" in setup.source
    code = next(cell for cell in rest if cell.cell_type == "code")
    assert code.source == "print(1)"
    assert code.metadata["tags"] == ["hide-input", "nbval-ignore-output"]
    after = rest[rest.index(code) + 1]
    assert (after.cell_type, after.source) == ("markdown", "**Fig. 1.1** A caption with $x$.")
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert "jupytext" not in notebook.metadata


def test_myst_that_slips_through_is_an_error(book: twins.Book) -> None:
    (book.folder / "second.md").write_text(HEADER + SECOND + "\nA {role with space}`x` and {eq}``three``.\n")
    (book.folder / "first.md").write_text(HEADER + FIRST + "\n> ```{note}\n> In a quotation.\n> ```\n")
    with pytest.raises(twins.TwinError, match="left over"):
        twins.twin("first", book)


def test_execution_drops_widgets_and_refuses_paths_and_warnings(tmp_path: Path) -> None:
    def run(code: str) -> nbformat.NotebookNode:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        twins.execute(notebook, tmp_path)
        return notebook

    notebook = run("import ipywidgets\nprint(3)\nipywidgets.IntSlider()")
    assert [output.get("text") for output in notebook.cells[0].outputs] == ["3\n"]
    assert "widgets" not in notebook.metadata
    with pytest.raises(twins.TwinError, match="standard error"):
        run("import sys\nprint('x', file=sys.stderr)")
    with pytest.raises(twins.TwinError, match="path of this machine"):
        run("from pathlib import Path\nprint(Path.home() / 'x')")


def test_outputs_are_kept_for_the_same_code_and_for_no_other() -> None:
    def notebook(code: str, words: str) -> nbformat.NotebookNode:
        cells = [nbformat.v4.new_markdown_cell(words), nbformat.v4.new_code_cell(code)]
        return nbformat.v4.new_notebook(cells=cells)

    stored, fresh = notebook("print(1)", "Old."), notebook("print(1)", "New.")
    stored.cells[1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    stored.cells[1].execution_count = 7
    twins.keep_outputs(fresh, stored)
    assert (fresh.cells[1].outputs, fresh.cells[1].execution_count) == (stored.cells[1].outputs, 7)
    assert fresh.cells[0].source == "New."
    with pytest.raises(twins.TwinError, match="must be run"):
        twins.keep_outputs(notebook("print(2)", "New."), stored)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How many?\nGive two digits.\n\nMore.", "How many?"),
        ("A chain has 9 steps.\nIt is short.\nHow short?\nGuess.", "A chain has 9 steps. It is short. How short?"),
        ("You find 2.\nWrite `f`.\nCheck it.", "You find 2. Write `f`."),
        ("Try it.\nThen again.\n\nWhy?", "Try it."),
    ],
)
def test_an_exercise_is_listed_up_to_its_question(text: str, expected: str) -> None:
    assert twins.opening(text) == expected
