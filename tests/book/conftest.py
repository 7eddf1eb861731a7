"""The tests of the book's own tools import them from where Sphinx does."""

import sys
from pathlib import Path

EXTENSIONS = str(Path(__file__).resolve().parents[2] / "book" / "_ext")
if EXTENSIONS not in sys.path:
    sys.path.insert(0, EXTENSIONS)
