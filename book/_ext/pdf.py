"""Print the built book: ``python book/_ext/pdf.py [--chapters NAME …] [--out FILE]``; ``make pdf`` calls it.

All pages become one document: their articles in the order of ``_toc.yml``, ids made unique by the chapter's name, links
between chapters turned into links inside. Chromium opens it as a page for print, MathJax sets its formulas, the widgets
draw the state that their chapter gives them, and then their controls are taken away: what stays is a picture.
It is printed twice: the first time tells the page of every heading, for the table of contents.

Solutions stand together at the end, so that nobody reads one while reading its exercise.
Code that the pages fold away stays away: a page of paper has no button, and the figure is what the chapter speaks of.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import json
import os
import posixpath
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import matplotlib
import yaml
from bs4 import BeautifulSoup, Tag
from page import version_line
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
MISSING = (
    "Chromium is missing, and `make pdf` prints the book with it; as root: apt-get install chromium, "
    "or set CHROMIUM to its path"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH = 638
"""The width of a printed line in CSS pixels: A4 less its side margins, 210 - 2·20.6 mm; pdf.css says the same."""
PATIENCE = 300_000
"""How many milliseconds a step of the printing may take before it counts as stuck."""

# Attributes whose value is the id of another element, or several
_REFERRING = ("id", "for", "aria-labelledby", "aria-describedby", "aria-controls", "headers")
_STATE = {"type": "application/vnd.jupyter.widget-state+json"}
_VIEW = {"type": "application/vnd.jupyter.widget-view+json"}
# What only a screen can use; a prediction's field (.prediction) is drawn anew as a line to write on
_ONLY_ON_SCREEN = (
    "a.headerlink, button, details.hide.above-input, .derivation-bar, .derivation-sliders, script:not([type])"
)


@dataclass(frozen=True)
class Chapter:
    """A page of the book: its name, the part it stands in ("" where that has no name), its number ("" likewise), its title."""

    name: str
    part: str
    number: str
    title: str
    soup: BeautifulSoup

    @property
    def heading(self) -> str:
        """Number and title."""
        return f"{self.number} {self.title}".strip()


def chapters(html: Path, names: list[str] | None = None) -> list[Chapter]:
    """The pages in the order of the contents, or those among them that ``names`` lists.

    Raises ValueError if a name is not in the contents, FileNotFoundError if a page was not built.
    """
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    listed = [(toc["root"], "")]
    listed += [(entry["file"], part.get("caption", "")) for part in toc["parts"] for entry in part["chapters"]]
    known = [Path(file).name for file, _ in listed]
    for name in names or []:
        if name not in known:
            raise ValueError(f"chapters are named as in _toc.yml ({', '.join(known)}), and {name!r} is not there")
    found = []
    for file, part in listed:
        name = Path(file).name
        if names and name not in names:
            continue
        page = html / f"{file}.html"
        if not page.exists():
            raise FileNotFoundError(f"{page} was not built; run `make book` first")
        soup = BeautifulSoup(page.read_text("utf8"), "html.parser")
        title = _one(soup, "article h1")
        number = title.select_one(".section-number")
        words = "".join(_words(copy.copy(title)))
        label = number.get_text().strip().rstrip(".") if number else ""
        found.append(Chapter(name, part, label, words.removeprefix(number.get_text() if number else "").strip(), soup))
    return found


def _words(title: Tag) -> Iterator[str]:
    for link in title.select("a.headerlink"):
        link.decompose()
    yield title.get_text()


def _one(soup: BeautifulSoup | Tag, selector: str) -> Tag:
    found = soup.select_one(selector)
    if found is None:
        raise ValueError(f"a page of the book has no {selector!r}; was it built by another version?")
    return found


def _with_class(soup: BeautifulSoup, name: str, classes: str, **attributes: str) -> Tag:
    tag: Tag = soup.new_tag(name, attrs={"class": classes, **attributes})
    return tag


# ------------------------------------------------------------------------------------------------- one chapter


def article(chapter: Chapter, names: set[str], html: Path, folder: Path) -> tuple[Tag, list[Tag]]:
    """A chapter's text as it stands in the printed book, and the solutions taken out of it.

    ``names`` are the chapters that are printed: links to them become links inside. Pictures and links to other files are
    rewritten so that they work from ``folder``.
    """
    text = _one(chapter.soup, "article")
    for link in text.select("div.code-block-caption a.headerlink, " + _ONLY_ON_SCREEN):
        link.decompose()
    for cell in text.select("div.cell.tag_hide-cell > details.hide, div.cell.tag_hide-output > details.hide"):
        for summary in cell.select(":scope > summary"):
            summary.decompose()
        cell.unwrap()
    for cell in text.select("div.cell"):
        if not cell.get_text().strip() and not cell.select_one("img, svg, script, canvas"):
            cell.decompose()
    for check in text.select("details.equation-check"):
        check.name = "p"
        for part in check.select(":scope > :not(summary)"):
            part.decompose()
        for part in check.select(":scope > summary"):
            part.unwrap()
        equation = check.find_previous_sibling()
        if isinstance(equation, Tag) and "math" in (equation.get("class") or []):
            equation.insert_before(check.extract())  # beside its equation, in the margin
    for fold in text.select("details"):
        fold["open"] = ""
    for code in text.select(".admonition.dropdown:not(.solution) .literal-block-wrapper"):
        _name_the_file(chapter.soup, code)
    for admonition in text.select(".dropdown"):
        admonition["class"] = [name for name in admonition["class"] if name != "dropdown"]
    _rename(text, chapter, names, html, folder)
    for section in text.select("section[id]"):  # a section may begin at the end of a page and its heading on the next
        heading = section.find(["h1", "h2", "h3", "h4"], recursive=False)
        if isinstance(heading, Tag) and not heading.get("id"):
            heading["id"] = section["id"]
            del section["id"]
    return text, _solutions(chapter.soup, text)


def _name_the_file(soup: BeautifulSoup, code: Tag) -> None:
    """In place of code that the page folds away: where it stands."""
    name = soup.new_tag("code", attrs={"class": "literal"})
    name.string = _one(code, ".caption-text").get_text().strip()
    line = _with_class(soup, "p", "folded-code")
    line.extend(["The code stands in ", name, "."])
    before = code.find_previous_sibling()
    if isinstance(before, Tag) and str(before) == str(line):
        code.decompose()  # the line stands there already, for the code before
    else:
        code.replace_with(line)


def _rename(text: Tag, chapter: Chapter, names: set[str], html: Path, folder: Path) -> None:
    """Make ids unique in the whole book and let links and pictures follow."""
    for element in text.find_all(True):
        for attribute in _REFERRING:
            if element.get(attribute):
                value = element[attribute]
                words = value if isinstance(value, list) else str(value).split()
                element[attribute] = " ".join(f"{chapter.name}--{word}" for word in words)
        if element.name == "a" and element.get("name"):
            element["name"] = f"{chapter.name}--{element['name']}"
        if element.name == "img" and element.get("src") and not urlsplit(str(element["src"])).scheme:
            picture = html / "book" / unquote(str(element["src"]))
            finer = picture.with_stem(f"{picture.stem}-2x")
            if finer.exists():
                picture = finer
            element.attrs.pop("srcset", None)
            element["src"] = Path(os.path.relpath(picture, folder)).as_posix()
        if element.name == "a" and element.get("href"):
            address = _address(str(element["href"]), chapter, names)
            if address:
                element["href"] = address
            else:  # a file beside the pages, or a page that is not printed: paper has only its name
                del element["href"]


def _address(address: str, chapter: Chapter, names: set[str]) -> str | None:
    """Where a link of the page leads in the printed book, or None if nowhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return address
    target = posixpath.splitext(posixpath.basename(parts.path))[0] if parts.path else chapter.name
    if target not in names or (parts.path and not parts.path.endswith(".html")):
        return None
    return f"#{target}--{unquote(parts.fragment)}" if parts.fragment else f"#{target}"


def _solutions(soup: BeautifulSoup, text: Tag) -> list[Tag]:
    """Take each solution and each prediction's answer out of the chapter, with the cells that belong to it."""
    taken = []
    for element in text.select("div.solution, .exercise .predict-answer"):
        if "predict-answer" in element["class"]:
            taken.append(_answer(soup, element))
            continue
        following = element.find_next_sibling()
        taken.append(element)
        while isinstance(following, Tag) and "tag_hide-cell" in (following.get("class") or []):
            cell, following = following, following.find_next_sibling()
            taken.append(cell)
    return [element.extract() for element in taken]


def _answer(soup: BeautifulSoup, answer: Tag) -> Tag:
    """The answer to a prediction in the form of a solution, under the number of its exercise."""
    exercise = next(parent for parent in answer.parents if "exercise" in (parent.get("class") or []))
    solution = _with_class(soup, "div", "solution admonition")
    title = _with_class(soup, "p", "admonition-title")
    link = soup.new_tag("a", attrs={"class": "reference internal", "href": f"#{exercise['id']}"})
    link.string = _one(exercise, ".caption-number").get_text().strip()
    title.extend(["Answer to ", link])
    for summary in answer.select(":scope > summary"):
        summary.decompose()
    solution.append(title)
    solution.extend([part.extract() for part in list(answer.children)])
    answer.decompose()
    return solution


# ------------------------------------------------------------------------------------------------- the whole book


def assemble(html: Path, folder: Path, names: list[str] | None = None) -> str:
    """The book, or the chapters named, as one HTML document that works from ``folder``.

    Raises ValueError if a name is unknown, FileNotFoundError if a page is missing.
    """
    printed = chapters(html, names)
    known = {chapter.name for chapter in printed}
    body: list[str] = []
    solved: list[str] = []
    contents: list[str] = []
    rules: list[str] = []
    part = ""
    for chapter in printed:
        if chapter.part != part:
            part = chapter.part
            contents.append(f'<li class="part">{escape(part)}</li>')
        text, solutions = article(chapter, known, html, folder)
        sections = [(str(heading["id"]), heading.get_text()) for heading in text.select("h2[id]")]
        contents += [_line("chapter", chapter.name, chapter.heading)]
        contents += [_line("section", target, title) for target, title in sections]
        body.append(
            f'<section class="chapter" id="{chapter.name}" style="page: {chapter.name}">{text.decode_contents()}</section>'
        )
        rules.append(_running(chapter.name, chapter.heading))
        if solutions:
            inside = "".join(map(str, solutions))
            head = f'<h2 id="solutions--{chapter.name}">{escape(chapter.heading)}</h2>'
            solved.append(f'<section class="solved">{head}{inside}</section>')
    if solved:
        body.append(
            '<section class="chapter" id="solutions" style="page: solutions"><h1>Solutions</h1>'
            + "".join(solved)
            + "</section>"
        )
        rules.append(_running("solutions", "Solutions"))
        contents += ['<li class="part">At the end</li>', _line("chapter", "solutions", "Solutions")]
    return _document(html, folder, printed, _lead_somewhere(body), contents, rules)


def _lead_somewhere(body: list[str]) -> list[str]:
    """Let a link whose place is no id (the state of a widget, say) lead to the head of its chapter."""
    ids = {found for text in body for found in re.findall(r'\bid="([^"]*)"', text)}

    def lead(link: re.Match[str]) -> str:
        return link[0] if link[1] in ids else f'href="#{link[1].partition("--")[0]}"'

    return [re.sub(r'\bhref="#([^"]*)"', lead, text) for text in body]


def _line(kind: str, target: str, title: str) -> str:
    """A line of the table of contents; the number comes when the pages are known."""
    return (
        f'<li class="{kind}"><a href="#{escape(target)}"><span>{escape(title)}</span><span class="at"></span></a></li>'
    )


def _running(name: str, title: str) -> str:
    """The rule that puts a chapter's title at the head of its pages."""
    return f"@page {name} {{ @top-left {{ content: {json.dumps(title, ensure_ascii=False)}; }} }}"


def _document(
    html: Path, folder: Path, printed: list[Chapter], body: list[str], contents: list[str], rules: list[str]
) -> str:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    to_html = Path(os.path.relpath(html, folder)).as_posix()
    first = printed[0].soup
    styles = dict.fromkeys(
        f'<link rel="stylesheet" href="{to_html}/book/{link["href"]}">'
        for chapter in printed
        for link in chapter.soup.select('link[rel="stylesheet"]')
    )
    mathjax = next(s for s in first.select("script:not([src])") if "window.MathJax" in s.get_text())
    engines: dict[str, None] = {}
    for chapter in printed:
        for script in chapter.soup.select("script[src]"):
            source = str(script["src"]).split("?")[0]
            if source.endswith(("/mathjax/tex-chtml.js", "/widget-host.js")):
                engines[f'<script defer src="{to_html}/book/{source}"></script>'] = None
    states = [str(script) for chapter in printed for script in chapter.soup.find_all("script", attrs=_STATE)]
    title, site = str(config["title"]), str(config["html"].get("baseurl") or "")
    where = str(config["repository"]["url"])
    return "\n".join(
        [
            f'<!DOCTYPE html>\n<html lang="en" data-theme="light" data-mode="light" data-content_root="{to_html}/" class="printed">',
            f'<head><meta charset="utf-8"><title>{escape(title)}</title>',
            f'<meta name="author" content="{escape(str(config["author"]))}">',
            *styles,
            f"<style>{typefaces()}{(Path(__file__).with_name('pdf.css')).read_text('utf8')}{' '.join(rules)}</style>",
            str(mathjax),
            *states,
            *engines,
            f'</head><body data-site="{escape(site)}"><main class="bd-main"><div class="bd-content"><div class="bd-article-container">',
            '<article class="bd-article">',
            f'<section class="title-page"><h1>{escape(title)}</h1><p class="author">{escape(str(config["author"]))}</p>',
            f'<div class="imprint"><p>{escape(version_line())}</p>',
            "<p>Every number in this book was computed, and every numbered equation was checked, when it was built. ",
            "Its pages move: they are built with <code>make book</code> from the book’s repository, ",
            f'<a href="{escape(where)}">{escape(where)}</a>.</p>',
            "<p>Text and figures: CC BY 4.0. Code: MIT.</p></div></section>",
            '<section class="contents" style="page: contents"><h1 id="contents">Contents</h1><ol>',
            *contents,
            "</ol></section>",
            *body,
            "</article></div></div></main></body></html>",
        ]
    )


def typefaces() -> str:
    """The typefaces of the printed book, from the files that Matplotlib brings: the same on every machine."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    faces = [("Book Serif", "STIXGeneral", "", "Bol", "Italic", "BolIta")]
    faces += [("Book Sans", "DejaVuSans", "", "-Bold", "-Oblique", "-BoldOblique")]
    faces += [("Book Mono", "DejaVuSansMono", "", "-Bold", "-Oblique", "-BoldOblique")]
    rules = []
    for family, stem, *endings in faces:
        for ending, (weight, style) in zip(
            endings, [(400, "normal"), (700, "normal"), (400, "italic"), (700, "italic")], strict=True
        ):
            file = (folder / f"{stem}{ending}.ttf").as_uri()
            rules.append(
                f'@font-face {{ font-family: "{family}"; src: url("{file}"); font-weight: {weight}; font-style: {style}; }}'
            )
    return "\n".join(rules) + "\n"


# ------------------------------------------------------------------------------------------------- in the browser

FREEZE = """async () => {
  await window.MathJax?.startup.promise;
  await document.fonts.ready;
  const started = Date.now();
  const places = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length;
  const ready = () => document.querySelectorAll('.widget-place > .ddpm').length >= places;
  while (!ready() && Date.now() - started < 60000) await new Promise((go) => setTimeout(go, 100));
  // A widget draws when it is in sight, and may go on working: it is still when what it says and shows stands still.
  const wait = (time) => new Promise((go) => setTimeout(go, time));
  const shows = (place) => place.innerText + [...place.querySelectorAll('path')].map((path) => path.getAttribute('d')).join();
  for (const place of document.querySelectorAll('.widget-place')) {
    place.scrollIntoView();
    await wait(300);
    const begun = Date.now();
    place.querySelector('[data-action=sample]')?.click(); // the network draws its digits only when asked
    for (let calm = 0, last = ''; calm < 4 && Date.now() - begun < 150000; ) {
      await wait(250);
      const now = shows(place);
      calm = now === last && !place.querySelector('[data-state=running], [data-state=loading]') ? calm + 1 : 0;
      last = now;
    }
    // Halfway through their walk the digits show most: what the network is given, and what it sees in that.
    const step = place.querySelector('[data-state=done]') && [...place.querySelectorAll('.slider')].find((slider) => slider.querySelector('.symbol')?.textContent === 'k');
    if (step) {
      step.querySelector('input.typed').value = '20';
      for (const event of ['input', 'change']) step.querySelector('input.typed').dispatchEvent(new Event(event, { bubbles: true }));
      await wait(1000);
    }
  }
  scrollTo(0, 0);
  document.querySelectorAll('.widget-place').forEach((place, number) => {
    const chapter = place.closest('section.chapter');
    const fields = [...place.querySelectorAll('.slider:has(input.typed)')].filter((slider) => !slider.closest('[hidden]'));
    const settings = fields.map((slider) => {
      const label = slider.querySelector('label').cloneNode(true);
      label.querySelector('.name')?.remove();
      const part = document.createElement('span');
      part.className = 'setting ' + slider.className.replace('slider', '');
      part.append(...label.childNodes, ` = ${slider.querySelector('input.typed').value}`);
      return part;
    });
    for (const canvas of place.querySelectorAll('canvas')) {
      const picture = new Image();
      picture.src = canvas.toDataURL();
      picture.alt = canvas.getAttribute('aria-label') || '';
      picture.className = canvas.className + ' photograph';
      picture.style.width = canvas.clientWidth + 'px';
      canvas.replaceWith(picture);
    }
    for (const term of place.querySelectorAll('button.term')) {
      const still = document.createElement('span');
      still.className = term.className;
      still.append(...term.childNodes);
      term.replaceWith(still);
    }
    const unused = 'button, input, select, textarea, dialog, details, .slider, .chips, .transport, .checkbox, .controls, .side, .hint, .visually-hidden, [role=status]';
    for (const element of place.querySelectorAll(unused)) element.remove();
    for (const element of place.querySelectorAll('figcaption .aside')) if (/drag|arrow keys|click/i.test(element.textContent.trim())) element.remove();
    for (const element of place.querySelectorAll('[tabindex]')) element.removeAttribute('tabindex');
    for (const element of place.querySelectorAll('[role=slider]')) element.removeAttribute('role');
    for (const element of place.querySelectorAll('[id]')) {
      const old = element.id;
      element.id = `still-${number}-${old}`;
      for (const user of place.querySelectorAll(`[clip-path="url(#${old})"]`)) user.setAttribute('clip-path', `url(#${element.id})`);
    }
    const line = document.createElement('p');
    line.className = 'still';
    const address = `book/${chapter.id}.html`;
    const site = document.body.dataset.site;
    const name = document.createElement(site ? 'a' : 'code');
    name.textContent = site ? `${site.replace(/\\/$/, '')}/${address}` : address;
    if (site) name.href = name.textContent;
    if (settings.length) {
      line.append('Here ');
      settings.forEach((setting, i) => line.append(...(i ? [i + 1 === settings.length ? ' and ' : ', '] : []), setting));
      line.append('. ');
    }
    line.append('A still picture: in the page ', name, ' it moves.');
    place.append(line);
    place.classList.add('frozen');
  });
  // A formula wider than its line is set smaller.
  for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
    const box = formula.parentElement;
    const number = box.querySelector('.eqno');
    const room = box.clientWidth - (number ? 2 * number.getBoundingClientRect().width + 8 : 0);
    const inner = formula.querySelector('mjx-math');
    const wide = inner ? inner.getBoundingClientRect().width : 0;
    const widest = number ? box.clientWidth - number.getBoundingClientRect().width - 8 : box.clientWidth;
    if (wide > widest) formula.style.setProperty('font-size', `${(105 * widest) / wide}%`, 'important');
  }
  // A picture is printed at nine tenths of its size, in the margin too if it is wide.
  for (const picture of document.querySelectorAll('article img:not(.widget-place img)')) {
    await picture.decode().catch(() => null);
    const set = picture.style.width || picture.getAttribute('width');
    const natural = set && /px|^[0-9]+$/.test(set) ? parseFloat(set) : picture.naturalWidth;
    picture.style.width = `${Math.round(0.9 * natural)}px`;
    picture.style.height = 'auto';
    if (0.9 * natural > COLUMN) (picture.closest('figure') || picture).classList.add('wide');
  }
  return document.querySelectorAll('mjx-merror, article .math.notranslate:not(:has(mjx-container))').length;
}"""


def chromium() -> str:
    """The path of Chromium, found as the browser tests find it; raises FileNotFoundError saying what to install."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not path or not Path(path).exists():
        raise FileNotFoundError(MISSING)
    return path


def stage(browser: Browser, document: Path) -> Page:
    """Open the assembled document as it is printed: formulas set, widgets drawn and frozen.

    Raises RuntimeError if a formula or a widget could not be drawn, or a script failed.
    """
    context = browser.new_context(viewport={"width": WIDTH, "height": 900}, offline=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.emulate_media(media="print")
    page.goto(document.as_uri())
    spoilt = page.evaluate(FREEZE.replace("COLUMN", "456"))
    views = page.locator(f'script[type="{_VIEW["type"]}"]').count()
    drawn = page.locator(".widget-place.frozen").count()
    if errors or spoilt or views != drawn:
        raise RuntimeError(f"{spoilt} formulas and {views - drawn} widgets could not be drawn; {errors[:5]}")
    return page


def print_book(page: Page, out: Path) -> int:
    """Print a staged page, with page numbers in its table of contents; return the number of pages."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        page.pdf(path=str(out), outline=True, tagged=True, print_background=True, prefer_css_page_size=True)
        reader = PdfReader(out)
        places = destinations(reader)
        page.evaluate(
            """places => document.querySelectorAll('.contents a').forEach((a) => {
                a.querySelector('.at').textContent = places[a.getAttribute('href').slice(1)] ?? '';
            })""",
            places,
        )
    return len(reader.pages)


def destinations(reader: PdfReader) -> dict[str, int]:
    """The page, counted from 1, of every place that a link leads to."""
    of_page = {page.indirect_reference.idnum: i + 1 for i, page in enumerate(reader.pages)}  # type: ignore[union-attr]
    found = {}
    for name, place in reader.named_destinations.items():
        reference = place.raw_get("/Page") if "/Page" in place else None
        if reference is not None and getattr(reference, "idnum", None) in of_page:
            found[unquote(name.removeprefix("/"))] = of_page[reference.idnum]
    return found


# ------------------------------------------------------------------------------------------------- in the pages

_ENTRY = re.compile(r'\s*<li class="printed-book">.*?</li>', re.DOTALL)
_MENU = re.compile(r'(<div class="dropdown dropdown-download-buttons">.*?)(\s*</ul>)', re.DOTALL)


def offer(html: Path, pdf: Path) -> int:
    """Put the PDF, which lies below ``html``, into the download menu of every page; return how many have it now."""
    count = 0
    for path in sorted((html / "book").glob("*.html")):
        text = path.read_text("utf8")
        address = Path(os.path.relpath(pdf, path.parent)).as_posix()
        size = pdf.stat().st_size / 1e6
        entry = (
            f'\n<li class="printed-book"><a href="{address}" target="_blank" class="btn btn-sm btn-download-pdf-book-button '
            f'dropdown-item" title="Download the whole book for print ({size:.0f} MB)">\n'
            '<span class="btn__icon-container"><i class="fas fa-file-pdf"></i></span>\n'
            '<span class="btn__text-container">Whole book (.pdf)</span>\n</a></li>'
        )
        text, changed = _MENU.subn(lambda menu, entry=entry: menu[1] + entry + menu[2], _ENTRY.sub("", text), count=1)
        path.write_text(text, "utf8")
        count += changed
    return count


def main() -> int:
    """Print the book into ``_build/html/downloads`` and offer it in the pages; return 0 where that worked."""
    parser = argparse.ArgumentParser(description="Print the built book as one PDF.")
    parser.add_argument("--chapters", nargs="+", metavar="NAME", help="print only these, into --out")
    parser.add_argument("--out", type=Path, help="the file to write")
    given = parser.parse_args()
    if given.chapters and not given.out:
        parser.error("--chapters needs --out: a part of the book is not offered as the book")
    start = time.monotonic()
    version = importlib.metadata.version("ddpm-edu")
    out = (given.out or HTML / "downloads" / f"denoising-diffusion-{version}.pdf").resolve()
    folder = ROOT / "_build" / "pdf"
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "book.html"
    try:
        path = chromium()
        document.write_text(assemble(HTML, folder, given.chapters), "utf8")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            pages = print_book(stage(browser, document), out)
            browser.close()
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        print(f"The book was not printed: {error}")
        return 1
    if not given.out:
        offer(HTML, out)
    seconds = round(time.monotonic() - start)
    print(f"\nPrinted {pages} pages, {out.stat().st_size / 1e6:.1f} MB, in {seconds} s:\n{out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
