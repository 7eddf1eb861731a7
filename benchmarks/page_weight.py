"""What a reader's browser loads for the laboratory's page, in bytes after gzip: ours, the theme's and MathJax's.

    python benchmarks/page_weight.py [NAME]      writes benchmarks/page_weight.json (for the default page)

The built page is opened in headless Chromium, every file that it asks for is noted, and its size taken as a server would
send it: text through gzip, pictures and fonts (which are compressed already) as they are.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
OURS = {"palette.css", "icons.css", "book.css", "book.js", "widget-host.js"}
COMPRESSED = {".png", ".jpg", ".woff", ".woff2", ".webp", ".gif"}
LIMITS = {"ours": 150_000, "all": 1_000_000}


def chromium() -> str:
    """Where Chromium is. Raises FileNotFoundError, saying how to get it, where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("Chromium is missing; as root: apt-get install chromium")


def requested(page: Path) -> list[Path]:
    """Every file that the page loads, itself included."""
    urls: set[str] = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        tab.on("request", lambda request: urls.add(request.url))
        tab.goto(page.as_uri(), timeout=120_000)
        tab.wait_for_function("window.MathJax?.startup?.promise !== undefined", timeout=120_000)
        tab.evaluate("window.MathJax.startup.promise.then(() => null)")
        tab.evaluate("document.querySelectorAll('img').forEach((picture) => picture.setAttribute('loading', 'eager'))")
        tab.wait_for_timeout(2000)
        browser.close()
    return [Path(unquote(urlsplit(url).path)) for url in sorted(urls) if url.startswith("file:")]


def weight(path: Path) -> int:
    """A file's bytes as a server sends it."""
    content = path.read_bytes()
    return len(content) if path.suffix in COMPRESSED else len(gzip.compress(content, 9))


def owner(path: Path, page: Path) -> str:
    """Whose bytes a file's are."""
    if path == page or path.name in OURS or "_images" in path.parts:
        return "ours"
    return "MathJax" if "mathjax" in path.parts else "theme"


def measure(page: Path) -> dict[str, object]:
    """The record for one page."""
    totals: dict[str, int] = defaultdict(int)
    files: dict[str, int] = {}
    for path in requested(page):
        files[path.relative_to(HTML).as_posix()] = weight(path)
        totals[owner(path, page)] += weight(path)
    heaviest = dict(sorted(files.items(), key=lambda item: -item[1]))
    total = {"all": sum(totals.values()), **dict(sorted(totals.items()))}
    return {
        "page": page.relative_to(HTML).as_posix(),
        "bytes": total,
        "limits": LIMITS,
        "requests": len(files),
        "files": heaviest,
    }


def main(arguments: list[str]) -> int:
    """Measure, print, write the record; the exit status is 1 where a limit is passed."""
    name = arguments[0] if arguments else "one-dimensional-laboratory"
    record = measure(HTML / "book" / f"{name}.html")
    if not arguments:
        (ROOT / "benchmarks" / "page_weight.json").write_text(json.dumps(record, indent=2) + "\n", "utf8")
    total = record["bytes"]
    assert isinstance(total, dict)
    print(", ".join(f"{part} {size / 1000:.0f} kB" for part, size in total.items()))
    return int(any(total[part] > limit for part, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
