"""The printed book: two chapters assembled and printed here, and the whole PDF where `make pdf` has made one."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page
from pypdf import PdfReader
from pypdf.generic import IndirectObject

ROOT = Path(__file__).resolve().parents[2]
EXTENSIONS = str(ROOT / "book" / "_ext")
if EXTENSIONS not in sys.path:
    sys.path.insert(0, EXTENSIONS)
import pdf  # noqa: E402

CHAPTERS = ["closed-form", "posterior"]


@pytest.fixture(scope="module")
def staged(browser: Browser, book: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("staged")
    document = folder / "book.html"
    document.write_text(pdf.assemble(book.parent, folder, CHAPTERS), "utf8")
    page = pdf.stage(browser, document)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def printed(staged: Page, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    out = tmp_path_factory.mktemp("printed") / "two.pdf"
    count = pdf.print_book(staged, out)
    reader = PdfReader(out)
    assert len(reader.pages) == count
    return reader


def links(reader: PdfReader) -> tuple[list[str], list[str]]:
    """The places inside and the addresses outside that the PDF's links name."""
    inside, outside = [], []
    for page in reader.pages:
        for annotation in page.get("/Annots") or []:
            link = annotation.get_object()
            assert link["/Subtype"] == "/Link", "only links, no fields of a form"
            if "/Dest" in link:
                inside.append(str(link["/Dest"]))
            else:
                outside.append(str(link["/A"].get("/URI", link["/A"].get("/D", ""))))
    return inside, outside


def fonts(reader: PdfReader) -> dict[str, bool]:
    """Every font by name, and whether the file carries its letters."""
    found = {}
    for page in reader.pages:
        for font in (page["/Resources"].get("/Font") or {}).values():
            font = font.get_object()
            parts = [font, *(part.get_object() for part in font.get("/DescendantFonts", []))]
            descriptors = [part["/FontDescriptor"] for part in parts if "/FontDescriptor" in part]
            carried = any(key in d for d in descriptors for key in ("/FontFile", "/FontFile2", "/FontFile3"))
            found[str(font.get("/BaseFont", "drawn"))] = carried or font["/Subtype"] == "/Type3"
    return found


def sparse(reader: PdfReader) -> list[int]:
    """Pages, counted from 1, that hold neither thirty words nor a picture."""
    texts = [page.extract_text() for page in reader.pages]
    return [
        number
        for number, text in enumerate(texts, 1)
        if number > 1 and len(text.split()) < 30 and not list(reader.pages[number - 1].images)
    ]


def check(reader: PdfReader) -> None:
    """What holds of any printed part of the book."""
    inside, outside = links(reader)
    assert len(inside) > 30
    assert {name.removeprefix("/") for name in inside} <= {n.removeprefix("/") for n in reader.named_destinations}
    assert [address for address in outside if not re.match(r"https?://|mailto:", address)] == []
    assert "/AcroForm" not in reader.root_object
    assert sparse(reader) == []
    assert [name for name, carried in fonts(reader).items() if not carried] == []
    assert any("STIXGeneral" in name for name in fonts(reader))
    whole = "\n".join(page.extract_text() for page in reader.pages)
    assert "\\(" not in whole
    assert "Show the code" not in whole
    assert str(ROOT) not in whole


def test_the_printed_chapters(printed: PdfReader) -> None:
    check(printed)


def test_every_link_has_its_place(staged: Page) -> None:
    dead = staged.evaluate(
        """() => [...document.querySelectorAll('article a[href^="#"]')].map((a) => decodeURIComponent(a.getAttribute('href').slice(1)))
            .filter((id) => !document.getElementById(id))"""
    )
    assert dead == []
    assert (
        staged.locator("article a:not([href])").count()
        == staged.locator("article a:not([href^='#'], [href^='http'])").count()
    )


def test_every_id_is_unique(staged: Page) -> None:
    ids = staged.evaluate(
        "[...document.querySelectorAll('article [id]')].filter(e => !e.closest('mjx-container')).map(e => e.id)"
    )
    assert len(ids) > 50
    assert sorted(set(ids)) == sorted(ids)


def test_a_chapter_leads_to_the_other(staged: Page) -> None:
    """By an equation or a section of it, not only in the table of contents."""
    earlier, later = CHAPTERS
    assert staged.locator(f"section.chapter#{later} a[href^='#{earlier}']").count() >= 1


def test_no_controls(staged: Page) -> None:
    assert staged.locator("article").locator("button, input, select, textarea, canvas, dialog").count() == 0
    assert staged.locator("[tabindex]").locator("visible=true").count() == 0


def test_every_widget_is_a_still(staged: Page) -> None:
    stills = staged.locator(".widget-place.frozen")
    assert stills.count() == staged.locator(f'script[type="{pdf._VIEW["type"]}"]').count() >= 1
    for still in stills.all():
        chapter = still.evaluate("place => place.closest('section.chapter').id")
        assert still.locator("svg path[d], img").count() >= 3
        assert still.bounding_box()["height"] > 150
        line = still.locator("p.still").inner_text()
        assert f"book/{chapter}.html" in line
        assert re.search(r"\w+ = [−\d.]+", line), "it says the state that the figure shows"


def test_every_formula_is_set(staged: Page, book: Path) -> None:
    wanted = 0
    for name in CHAPTERS:
        article = BeautifulSoup((book / f"{name}.html").read_text("utf8"), "html.parser").select_one("article")
        wanted += len([formula for formula in article.select(".math") if not formula.find_parent(class_="above-input")])
    set_ = staged.locator("section.chapter .math mjx-container").count()
    assert wanted - 8 <= set_ <= wanted + 8, "a few stand in the reasons that the page shows after an answer"
    assert staged.locator("mjx-merror").count() == 0
    assert "\\(" not in staged.locator("article").inner_text()


def test_nothing_is_wider_than_the_paper(staged: Page) -> None:
    """Chromium would shrink the whole book."""
    assert staged.evaluate("document.documentElement.scrollWidth") <= pdf.WIDTH


def test_folded_code_and_buttons_stay_away_and_solutions_stand_at_the_end(staged: Page) -> None:
    assert staged.locator("details.above-input, .toggle-button, a.headerlink").count() == 0
    for name in CHAPTERS:
        assert staged.locator(f"section.chapter#{name} .exercise").count() >= 4
        assert staged.locator(f"section.chapter#{name} :is(div.solution, .predict-answer)").count() == 0
    assert staged.locator("section.chapter#solutions .solution").count() >= 8
    assert staged.locator("section.chapter#solutions h2").count() == len(CHAPTERS)


def test_the_contents_name_the_right_pages(printed: PdfReader, staged: Page) -> None:
    rows = staged.evaluate(
        "[...document.querySelectorAll('.contents a')].map(a => [a.children[0].textContent, a.children[1].textContent])"
    )
    assert len(rows) > 12
    for title, number in rows:
        text = unicodedata.normalize(
            "NFKC", re.sub(r"\s+", "", printed.pages[int(number) - 1].extract_text())
        )  # ﬁ → fi
        words = re.sub(r"\s+", "", re.sub(r"[^\x20-\x7e]", " ", title).rsplit("  ", 1)[-1])
        assert words[-12:] in text, (title, number)


def test_pages_carry_their_number_and_their_chapter(printed: PdfReader) -> None:
    for number, page in enumerate(printed.pages, 1):
        text = page.extract_text()
        if number > 1:
            assert re.search(rf"\b{number}\b", text)
            assert any(
                head in text
                for head in ("Contents", "Any step in one jump", "The step back when the start", "Solutions")
            )


def test_bookmarks_lead_to_chapters_and_sections(printed: PdfReader) -> None:
    titles: list[str] = []

    def walk(items: list[object]) -> None:
        for item in items:
            if isinstance(item, list):
                walk(item)
            else:
                titles.append(item.title)  # type: ignore[attr-defined]

    walk(printed.outline)
    assert any("Any step in one jump" in title for title in titles)
    assert sum("Further reading" in title for title in titles) == 2


def test_a_link_to_an_unprinted_chapter_is_plain_text(book: Path, tmp_path: Path) -> None:
    text = pdf.assemble(book.parent, tmp_path, ["closed-form"])
    assert not re.search(r'<a [^>]*href="[^"#h]', text)
    assert 'href="#posterior' not in text


def test_unknown_and_missing_chapters_are_named(book: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'no-such-chapter' is not there"):
        pdf.assemble(book.parent, tmp_path, ["no-such-chapter"])
    with pytest.raises(FileNotFoundError, match="run `make book` first"):
        pdf.assemble(tmp_path, tmp_path, CHAPTERS)


def test_a_missing_browser_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="apt-get install chromium"):
        pdf.chromium()


@pytest.mark.parametrize("faulty", ["<p>\\(\\frac{1}{\\)</p>", "<script>throw new Error('no')</script>"])
def test_a_formula_or_a_script_that_fails_stops_the_printing(
    browser: Browser, book: Path, tmp_path: Path, faulty: str
) -> None:
    text = pdf.assemble(book.parent, tmp_path, ["closed-form"])
    spoilt = faulty.replace("<p>", '<p><span class="math notranslate nohighlight">').replace("</p>", "</span></p>")
    document = tmp_path / "spoilt.html"
    document.write_text(text.replace("</article>", spoilt + "</article>"), "utf8")
    with pytest.raises(RuntimeError, match="could not be drawn"):
        pdf.stage(browser, document)


def test_the_menu_offers_the_book_once(book: Path, tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "downloads").mkdir()
    for name in CHAPTERS:
        page = (book / f"{name}.html").read_text("utf8")
        (tmp_path / "book" / f"{name}.html").write_text(pdf._ENTRY.sub("", page), "utf8")
    file = tmp_path / "downloads" / "denoising-diffusion-9.pdf"
    file.write_bytes(b"%PDF-1.7" + bytes(3_000_000))
    for _ in range(2):
        assert pdf.offer(tmp_path, file) == len(CHAPTERS)
    for name in CHAPTERS:
        soup = BeautifulSoup((tmp_path / "book" / f"{name}.html").read_text("utf8"), "html.parser")
        (entry,) = soup.select(".dropdown-download-buttons .dropdown-menu li.printed-book a")
        assert (tmp_path / "book" / str(entry["href"])).resolve() == file
        assert entry.get_text(strip=True) == "Whole book (.pdf)"
        assert "3 MB" in str(entry["title"])


def test_the_whole_book_if_it_was_printed(book: Path) -> None:
    """The PDF in the downloads is whole, and each page offers it; without one, no page does."""
    files = list((book.parent / "downloads").glob("*.pdf"))
    offered = [page.name for page in book.glob("*.html") if 'class="printed-book"' in page.read_text("utf8")]
    if not files:
        assert offered == []
        return
    (file,) = files
    assert sorted(offered) == sorted(page.name for page in book.glob("*.html"))
    reader = PdfReader(file)
    check(reader)
    places = pdf.destinations(reader)
    chapters = [chapter.name for chapter in pdf.chapters(book.parent)]
    pages = [places[name] for name in chapters]
    assert pages == sorted(pages)
    assert len(set(pages)) == len(chapters)
    whole = "\n".join(page.extract_text() for page in reader.pages)
    assert whole.count("A still picture") == sum(
        page.read_text("utf8").count("application/vnd.jupyter.widget-view+json") for page in book.glob("*.html")
    )
    assert isinstance(reader.pages[0].indirect_reference, IndirectObject)
