"""Labelled equations are found on the pages, in both spellings, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddpm_edu.equations import book

PAGE = r"""---
title: "$$ (front)"
---
# A page

Inline $a = b$ and a display without a label:

$$
a = b
$$

$$
a = c
$$ (dollars)

$$ a = d $$ (one-line)

```{math}
:label: directive
a = e
  + f
```

```{math}
a = unlabelled
```

:::{math}
:label: colons
:nowrap:

a = g
:::

````{exercise} Something
:label: exercise-something

```{math}
:label: nested
a = h
```
````

```{code-cell} ipython3
text = "$$ a = code $$ (in-code)"
```

~~~text
~~~ is not the end
```{math}
:label: quoted
a = i
```
~~~

:::{note}
$$
a = j
$$ (in-note)
:::
"""


def test_reads_both_spellings() -> None:
    found = book.read("page", PAGE)
    assert [(each.label, each.latex) for each in found] == [
        ("dollars", "a = c"),
        ("one-line", " a = d "),
        ("directive", "a = e\n  + f"),
        ("colons", "a = g"),
        ("nested", "a = h"),
        ("in-note", "a = j"),
    ]
    assert [PAGE.splitlines()[each.line - 1].strip()[:4] for each in found] == [
        "$$",
        "$$ a",
        "```{",
        ":::{",
        "```{",
        "$$",
    ]
    assert {each.chapter for each in found} == {"page"}


@pytest.mark.parametrize("text", ["$$\na = b\n", "```{math}\n:label: a\na = b\n", "```python\n$$\n"])
def test_what_is_not_closed_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"page\.md: .* must end with"):
        book.read("page", text)


def test_a_label_stands_once(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("$$ a = b $$ (same)\n", encoding="utf-8")
    assert book.printed(tmp_path)["same"].chapter == "a"
    (tmp_path / "b.md").write_text("$$ a = c $$ (same)\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"same must stand once, but it stands in a\.md and in b\.md, line 1"):
        book.printed(tmp_path)


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository's chapters come first, then the wheel's copy; with neither it says where it looked."""
    package = tmp_path / "ddpm_edu"
    (package / "equations").mkdir(parents=True)
    monkeypatch.setattr(book, "__file__", str(package / "equations" / "book.py"))
    with pytest.raises(FileNotFoundError, match="neither holds one"):
        book.folder()
    for where in (package / "_book", tmp_path / "book"):
        where.mkdir()
        (where / "a.md").write_text("", encoding="utf-8")
        assert book.folder() == where
