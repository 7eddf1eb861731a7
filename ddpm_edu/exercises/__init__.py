"""The book's exercises, checked: `check` judges a function, `answer` a predicted number.

`register` holds the exercises, and one module for each chapter fills it; `given` draws arguments; `checker` runs a reader's
function (`calls` keeps it from doing harm) and `answers` reads a number; both return a `verdict`.
The module of a chapter is imported when an exercise is looked up, so that importing this package costs nothing.
"""

from __future__ import annotations

from .answers import answer, page_data
from .checker import check
from .register import CHAPTERS, names
from .verdict import Verdict

__all__ = ["CHAPTERS", "Verdict", "answer", "check", "names", "page_data"]
