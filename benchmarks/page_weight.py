"""What a reader's browser loads for each page of the book, in bytes after gzip: ours, the theme's and MathJax's.

    python benchmarks/page_weight.py               every page; writes page_weight.json
    python benchmarks/page_weight.py NAME …        these pages only; prints every file, writes nothing

Each built page is opened in headless Chromium, every file that it asks for is noted, and its size taken as a server would
send it: text through gzip, pictures and fonts (which are compressed already) as they are. The page's own text holds that
of its widgets.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
OURS = {"palette.css", "icons.css", *(path.name for path in (ROOT / "book" / "_static").iterdir())}
COMPRESSED = {".png", ".jpg", ".woff", ".woff2", ".webp", ".gif"}
LIMITS = {"ours": 200_000, "all": 1_000_000}


def chromium() -> str:
    """Where Chromium is. Raises FileNotFoundError, saying how to get it, where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("Chromium is missing; as root: apt-get install chromium")


def requested(browser: Browser, page: Path) -> list[Path]:
    """Every file that the page loads, itself included."""
    urls: set[str] = set()
    tab = browser.new_page(viewport={"width": 1300, "height": 900})
    tab.on("request", lambda request: urls.add(request.url))
    tab.goto(page.as_uri(), timeout=120_000)
    if "tex-chtml.js" in page.read_text("utf8"):
        tab.wait_for_function("window.MathJax?.startup?.promise !== undefined", timeout=120_000)
        tab.evaluate("window.MathJax.startup.promise.then(() => null)")
    tab.evaluate("document.querySelectorAll('img').forEach((picture) => picture.setAttribute('loading', 'eager'))")
    tab.wait_for_timeout(2000)
    tab.close()
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


def measure(browser: Browser, page: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The bytes of one page by owner, and of each file, the heaviest first."""
    totals: dict[str, int] = defaultdict(int)
    files: dict[str, int] = {}
    for path in requested(browser, page):
        files[path.relative_to(HTML).as_posix()] = weight(path)
        totals[owner(path, page)] += weight(path)
    heaviest = dict(sorted(files.items(), key=lambda item: -item[1]))
    return {"all": sum(totals.values()), **dict(sorted(totals.items()))}, heaviest


def main(names: list[str]) -> int:
    """Measure, print, write the record; the exit status is 1 where a page passes a limit."""
    pages = [HTML / "book" / f"{name}.html" for name in names] or sorted((HTML / "book").glob("*.html"))
    if missing := [page.stem for page in pages if not page.exists()]:
        raise SystemExit(f"these pages are not built: {', '.join(missing)}; run `make book`")
    if not pages:
        raise SystemExit("there are no built pages; run `make book`")
    record, met = {}, True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        for page in pages:
            total, files = measure(browser, page)
            own = sum(size for name, size in files.items() if "_images" in name)
            record[page.stem] = {
                **total,
                "page": files[page.relative_to(HTML).as_posix()],
                "pictures": own,
                "requests": len(files),
            }
            heavy = any(total.get(part, 0) > limit for part, limit in LIMITS.items())
            met = met and not heavy
            shown = ", ".join(f"{part} {size / 1000:.0f} kB" for part, size in total.items())
            print(f"{page.stem:28} {shown}{'   above the limit' if heavy else ''}", flush=True)
            for name, size in files.items() if names else ():
                print(f"    {size:8} {name}")
        browser.close()
    if not names:
        text = json.dumps({"limits": LIMITS, "met": met, "bytes": record}, indent=2)
        (ROOT / "benchmarks" / "page_weight.json").write_text(text + "\n", "utf8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
