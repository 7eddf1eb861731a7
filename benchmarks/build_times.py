"""How long the two commands of the README take: the book from nothing, the book after an edit, all tests.

    python benchmarks/build_times.py      writes benchmarks/build_times.json; takes as long as it says

Run it on a machine that does nothing else. The edit is a sentence added to one chapter's prose, and taken away again.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "book" / "schedules.md"
TARGETS = {"book cold": 600, "book warm": 30, "test": 900}


def seconds(*command: str) -> float:
    """The wall time of a command, which must succeed."""
    start = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True)
    return round(time.monotonic() - start, 1)


def processor() -> str:
    """The processor's name as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> int:
    """Measure in the order in which a reader meets them."""
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    taken = {"book cold": seconds("make", "book")}
    text = CHAPTER.read_text("utf8")
    try:
        CHAPTER.write_text(text + "\nOne more sentence.\n", "utf8")
        taken["book warm"] = seconds("make", "book")
    finally:
        CHAPTER.write_text(text, "utf8")
    taken["test"] = seconds("make", "test")
    machine = {"cores": os.cpu_count(), "processor": processor(), "python": platform.python_version()}
    record = {"seconds": taken, "targets": TARGETS, "machine": machine}
    (ROOT / "benchmarks" / "build_times.json").write_text(json.dumps(record, indent=2) + "\n", "utf8")
    print(json.dumps(taken))
    return 0


if __name__ == "__main__":
    sys.exit(main())
