"""Build the book: ``python book/_ext/build.py [--chapter NAME]``; ``make book`` calls it.

Pages are always written anew, which takes seconds; what takes minutes is running the chapters, and their outputs are
kept in ``_build/.jupyter_cache``. That cache looks at a chapter's code only, so it is emptied here when anything
changes that the code depends on: the package, the recorded runs, the pinned versions, the place of the data.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml
from jupyter_book.sphinx import build_sphinx
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.util.console import nocolor

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
# No log below an error, and pictures with two pixels for one: page.py gives each screen those that it can show.
KERNEL_SETTINGS = 'c.IPKernelApp.log_level = 40\nc.InlineBackend.figure_formats = {"retina"}\n'


def fingerprint() -> str:
    """A hash over everything besides its own text that a chapter's outputs depend on."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {os.environ.get('DDPM_EDU_DATA', '')}{KERNEL_SETTINGS}".encode())
    files = [ROOT / "requirements.txt"]
    for folder in ("ddpm_edu", "runs"):
        files += [p for p in sorted((ROOT / folder).rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
    for path in files:
        if path.suffix != ".tmp" and path.exists():
            digest.update(path.relative_to(ROOT).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def empty_stale_cache(build: Path) -> bool:
    """Empty the execution cache if it was filled by another state of the package; say whether it was."""
    note = build / "fingerprint.txt"
    now = fingerprint()
    if note.exists() and note.read_text("utf8") == now:
        return False
    shutil.rmtree(build / ".jupyter_cache", ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    note.write_text(now, "utf8")
    return True


def build_wheel(folder: Path) -> None:
    """Put the package as a wheel into ``folder``, without a network."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)


def copy_notebooks(folder: Path) -> None:
    """Offer the notebook twins of the chapters for download."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for twin in sorted((ROOT / "book").glob("*.ipynb")):
        shutil.copy(twin, folder / twin.name)


def quiet_kernels(build: Path) -> None:
    """Give the kernels settings of their own, and no reader's start-up files."""
    profile = build.resolve() / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_SETTINGS, "utf8")
    os.environ["IPYTHONDIR"] = str(profile.parent)


def run_chapters(build: Path) -> None:
    """Run the chapters that the cache does not know, as many at once as there are processors.

    Jupyter Book, which would run them one after another, then finds their outputs. A chapter that fails is not kept:
    Jupyter Book comes to it again, and says what is wrong.
    """
    cache = get_cache(build / ".jupyter_cache")
    texts = {str(path): path.read_text("utf8") for path in sorted((ROOT / "book").glob("*.md"))}
    chapters = [path for path, text in texts.items() if "{code-cell}" in text and "execution_mode: force" not in text]
    for chapter in chapters:
        cache.add_nb_to_project(chapter, read_data={"type": "plugin", "name": "myst_nb_md"})
    quiet = logging.getLogger("chapters")
    quiet.setLevel(logging.CRITICAL)
    load_executor("local-parallel", cache, quiet).run_and_cache(filter_uris=chapters, timeout=1800)


def run_jupyter_book(build: Path, toc: Path, strict: bool) -> int:
    """Run Jupyter Book over the whole table of contents and return its exit status."""
    result = build_sphinx(
        ROOT,
        build / "html",
        use_external_toc=True,
        noconfig=True,
        path_config=ROOT / "_config.yml",
        confoverrides={"external_toc_path": toc.as_posix(), "latex_individualpages": False, "nitpicky": strict},
        builder="html",
        warningiserror=strict,
        keep_going=strict,
        freshenv=True,
    )
    if isinstance(result, Exception):
        print(f"{type(result).__name__}: {result}\n{result.__cause__ or ''}")
        return 1
    return int(result)


def main() -> int:
    """Build; print the page to open last; return 0 only where there was no warning."""
    parser = argparse.ArgumentParser(description="Build the book.")
    parser.add_argument("--chapter", help="build this one chapter, without treating warnings as errors")
    chapter: str | None = parser.parse_args().chapter
    start = time.monotonic()
    if chapter:
        if not (ROOT / "book" / f"{chapter}.md").exists():
            parser.error(f"--chapter names a file book/NAME.md, and book/{chapter}.md does not exist")
        build = BUILD / "chapters" / chapter / "_build"
        build.mkdir(parents=True, exist_ok=True)
        toc = build / "_toc.yml"
        toc.write_text(yaml.safe_dump({"format": "jb-book", "root": f"book/{chapter}"}), "utf8")
    else:
        build, toc = BUILD, ROOT / "_toc.yml"
    build.mkdir(parents=True, exist_ok=True)
    lock = (build / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would spoil each other's pages
    if not sys.stdout.isatty():
        nocolor()
    quiet_kernels(build)
    if empty_stale_cache(build):
        print(
            "Every chapter is run now, for some minutes; the next build runs only those whose code has changed.",
            flush=True,
        )
    html = build / "html"
    printed = [path.name for path in sorted((html / "downloads").glob("*.pdf"))]
    for stale in (html, build / "jupyter_execute"):
        shutil.rmtree(stale, ignore_errors=True)
    if not chapter:
        build_wheel(html / "downloads")
        copy_notebooks(html / "notebooks")
        run_chapters(build)
    status = run_jupyter_book(build, toc, strict=not chapter)
    seconds = round(time.monotonic() - start, 1)
    if not chapter:
        (build / "status.json").write_text(json.dumps({"status": status, "seconds": seconds}) + "\n", "utf8")
    if status:
        print(f"\nThe book was not built cleanly (status {status}): the warnings above say why.")
    else:
        if printed:
            print(f"{printed[0]} was of the build before this one and is gone; `make pdf` prints the book anew.")
        page = html / "book" / f"{chapter or 'index'}.html"
        print(f"\nBuilt in {seconds} s. Open this page in a browser:\n{page}")
    return status


if __name__ == "__main__":
    sys.exit(main())
