"""What `check` and `answer` hand back: whether it was right, and a few sentences."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether an exercise is solved, and what to tell the reader: `print` it, or put it last in a cell.

    sentences: plain text; code stands between backticks. `bool(verdict)` is True where it is right.
    """

    right: bool
    sentences: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = (re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(sentence)) for sentence in self.sentences)
        return f'<div class="verdict verdict-{"right" if self.right else "wrong"}">{"<br>".join(lines)}</div>'


def not_yet(sentence: str, *more: str) -> Verdict:
    """The verdict on what is wrong, with what to say about it."""
    return Verdict(False, (f"Not yet. {sentence}", *more))
