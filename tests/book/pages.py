"""The built book as the tests read it."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
LOADING = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
}
#: The widgets that an address can set, by the prefix of their part of it.
WIDGETS = {
    "lab": "Laboratory",
    "schedule": "ScheduleExplorer",
    "reverse": "Reverse",
    "posterior": "Posterior",
    "sampler": "Sampler",
    "digits": "Digits",
    "museum": "Museum",
    "quiz": "Quiz",
}
LOADED_LINKS = {"stylesheet", "preload", "modulepreload", "prefetch", "icon", "shortcut", "manifest", "preconnect"}


def all_pages(folder: Path = HTML) -> list[Path]:
    """Every page of the built book."""
    return sorted(path for path in folder.rglob("*.html") if "_static" not in path.relative_to(folder).parts)


def chapters(folder: Path = HTML) -> list[Path]:
    """The pages that readers read."""
    return sorted((folder / "book").glob("*.html"))


@functools.cache
def soup(path: Path) -> BeautifulSoup:
    """A page, parsed once."""
    return BeautifulSoup(path.read_text("utf8"), "html.parser")


def is_foreign(address: str) -> bool:
    """Whether an address names another host."""
    return bool(urlsplit(address).netloc) or address.startswith("//")


def dead_links(folder: Path) -> list[str]:
    """Internal links of the book whose page or anchor does not exist."""
    dead = []
    for path in all_pages(folder):
        for link in soup(path).find_all(["a", "link", "img", "script"]):
            address = str(link.get("href") or link.get("src") or "")
            parts = urlsplit(address)
            if not address or parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                dead.append(f"{path.relative_to(folder)}: {address}")
            elif parts.fragment and target.suffix == ".html":
                page = soup(target)
                name = unquote(parts.fragment)
                state = re.match(r"([a-z]+)\.[a-zA-Z0-9-]+=", name)
                if state:
                    if f"ddpm_edu.widgets.{WIDGETS.get(state[1])}" not in target.read_text("utf8"):
                        dead.append(f"{path.relative_to(folder)}: {address} (no such widget)")
                elif name and not page.find(id=name) and not page.find("a", attrs={"name": name}):
                    dead.append(f"{path.relative_to(folder)}: {address} (no such anchor)")
    return dead


def foreign_requests(folder: Path) -> list[str]:
    """What a browser would ask another host for: elements that load, and addresses in style sheets."""
    found = []
    for path in all_pages(folder):
        for element in soup(path).find_all(list(LOADING)):
            assert isinstance(element, Tag)
            address = str(element.get(LOADING[element.name]) or "")
            relation = set(element.get("rel") or [])
            if is_foreign(address) and (element.name != "link" or relation & LOADED_LINKS):
                found.append(f"{path.relative_to(folder)}: <{element.name}> {address}")
        for script in soup(path).find_all("script"):
            if not script.get("type") or "javascript" in str(script["type"]) or script["type"] == "module":
                found += [
                    f"{path.relative_to(folder)}: {a}" for a in re.findall(r"https?://[^\s\"']+\.js", script.text)
                ]
    for path in folder.rglob("*.css"):
        for address in re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", path.read_text("utf8")):
            found.append(f"{path.relative_to(folder)}: {address}")
    return found


def pictures_without_words(folder: Path) -> list[str]:
    """Pictures of chapters without a text alternative, or with one that MyST-NB made from a file's name."""
    found = []
    for path in chapters(folder):
        article = soup(path).find("article")
        assert isinstance(article, Tag)
        for picture in article.find_all("img"):
            words = str(picture.get("alt") or "").strip()
            if len(words.split()) < 3 or "_images" in words or re.search(r"\.(png|svg|jpe?g)$", words):
                found.append(f"{path.name}: {picture.get('src')} alt={words!r}")
    return found


def icons_without_outline(folder: Path) -> set[str]:
    """Icon classes that a page uses and the style sheet of icons does not know."""
    known = set(re.findall(r"\.fa-([a-z-]+) \{ --icon", (folder / "_static" / "icons.css").read_text("utf8")))
    used: set[str] = set()
    for path in all_pages(folder):
        used |= set(re.findall(r"\bfa-([a-z-]+)", path.read_text("utf8")))
    return used - known - {"solid", "brands", "regular", "lg", "fw"}
