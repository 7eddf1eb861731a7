r"""Say what each letter and each word means, where the reader meets it.

Terms: ``book/glossary.md`` is a definition list; the first use of a term in a chapter becomes a link to its entry. Letters:
``book/symbols.yml`` (see `symbols`); in every formula the known ones are wrapped in a class, and a formula that is one
letter links, at its first use in a chapter, to its row of the table in ``book/notation.md``, which the directive
``{symbols}`` writes. What the page shows on pointing, by keyboard and by touch is ``_static/symbols.js``; its texts are one
script for the whole book, `symbols-data.js`, written here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import symbols
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SOURCE = Path(__file__).resolve().parents[1] / "glossary.md"
GLOSSARY, NOTATION = "book/glossary", "book/notation"
LIST = "book/exercises"  # first sentences of the chapters; nothing is used there for the first time
ENTRY = re.compile(r"^(?P<forms>\S.*)\n: +(?P<meaning>.+(?:\n  .+)*)", re.MULTILINE)
CHAPTER = re.compile(r"\s*Explained in \{doc\}`(?P<chapter>[\w-]+)`\.$")
ELSEWHERE = re.compile(r"^% elsewhere (?P<chapter>[\w-]+): (?P<words>.+)$", re.MULTILINE)
# No link is made inside these: headings, captions, links, code, what is typed or clicked, and the lists of words themselves.
CLOSED: tuple[type[nodes.Node], ...] = (
    nodes.title,
    nodes.rubric,
    nodes.caption,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.term,
    nodes.thead,
    nodes.footnote_reference,
    nodes.citation,
    nodes.comment,
    nodes.system_message,
)
CLOSED_CLASSES = {"derivation-title", "admonition-title", "no-terms"}


@dataclass(frozen=True)
class Term:
    """An entry of the glossary: how it may be written, the first form being its name; what it means; where it is introduced."""

    forms: tuple[str, ...]
    meaning: str
    chapter: str

    @property
    def anchor(self) -> str:
        """The name of its entry on the page of the glossary."""
        return anchor(self.forms[0])


def anchor(name: str) -> str:
    """The name of a term's entry on its page."""
    plain = name.lower().translate(str.maketrans("éàü’–", "eau'-")).replace("'", "")
    return "term-" + re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def read(text: str) -> tuple[Term, ...]:
    """The terms of the glossary's Markdown. Raises ValueError for one without a chapter, and for a form with two entries."""
    found: list[Term] = []
    owners: dict[str, str] = {}
    for entry in ENTRY.finditer(text):
        forms = tuple(form.strip() for form in entry["forms"].split(","))
        meaning = " ".join(line.strip() for line in entry["meaning"].splitlines())
        chapter = CHAPTER.search(meaning)
        if not chapter:
            raise ValueError(f"glossary.md: {forms[0]!r} must end with 'Explained in {{doc}}`chapter`.'")
        for form in forms:
            if form in owners:
                raise ValueError(f"glossary.md: {form!r} is in the entries of {owners[form]!r} and {forms[0]!r}")
            owners[form] = forms[0]
        found.append(Term(forms, meaning[: chapter.start()], chapter["chapter"]))
    return tuple(found)


@functools.cache
def terms() -> tuple[Term, ...]:
    """The book's terms."""
    return read(SOURCE.read_text("utf8"))


@functools.cache
def elsewhere() -> dict[str, set[str]]:
    """The words that mean something else in a chapter, by chapter."""
    return {
        found["chapter"]: {word.strip() for word in found["words"].split(",")}
        for found in ELSEWHERE.finditer(SOURCE.read_text("utf8"))
    }


def plurals(form: str) -> list[str]:
    """A form and its plural, of its last word; of a noun before "of", "per" or "to" none."""
    if re.search(r"[^aeiou]y$", form):
        return [form, f"{form[:-1]}ies"]
    if re.search(r"(s|x|ch|sh)$", form):
        return [form, f"{form}es"]
    return [form, f"{form}s"]


def pattern(words: dict[str, Term]) -> re.Pattern[str]:
    """Finds the words, the longest first, as whole words; a space may be a line's end, an apostrophe either kind."""
    alternatives = []
    for word in sorted(words, key=len, reverse=True):
        spelled = re.escape(word).replace(r"\ ", r"\s+").replace("’", "[’']")
        first = word[0]
        if word[1:] == word[1:].lower():  # not a name or an acronym: it may begin a sentence
            spelled = f"[{first.lower()}{first.upper()}]{spelled[1:]}" if first.isalpha() else spelled
        alternatives.append(spelled)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(alternatives)})(?![\w-])")


def vocabulary(chapter: str = "") -> dict[str, Term]:
    """Every written form of every term that a chapter uses in the glossary's sense."""
    left_out = elsewhere().get(chapter, set())
    return {word: term for term in terms() for form in term.forms if form not in left_out for word in plurals(form)}


def key(text: str) -> str:
    """A found word as the vocabulary spells it, but for the case of its first letter."""
    return re.sub(r"\s+", " ", text).replace("'", "’")


def first_uses(texts: Iterator[str], chapter: str = "") -> list[list[tuple[int, int, Term]]]:
    """For each stretch of text, where a term is used for the first time in the whole row of them."""
    words = vocabulary(chapter)
    finder = pattern(words)
    lower = {word[0].lower() + word[1:]: term for word, term in words.items()}
    seen: set[str] = set()
    uses = []
    for text in texts:
        here = []
        for found in finder.finditer(text):
            word = key(found.group())
            term = words.get(word) or lower[word[0].lower() + word[1:]]
            if term.anchor not in seen:
                seen.add(term.anchor)
                here.append((found.start(), found.end(), term))
        uses.append(here)
    return uses


# ----------------------------------------------------------------------------------------------------- in the doctree


def open_texts(doctree: nodes.document) -> list[nodes.Text]:
    """The stretches of running text in which a link may stand."""
    return [text for text in doctree.findall(nodes.Text) if text.parent is not None and not _closed(text)]


def _closed(node: nodes.Node) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, CLOSED) or CLOSED_CLASSES & set(getattr(parent, "get", lambda *_: ())("classes", ())):
            return True
        if parent.__class__.__name__ in {"CellNode", "CellOutputNode", "exercise_title", "download_reference"}:
            return True
        if isinstance(parent, nodes.Element) and parent.tagname in {"exercise_title", "download_reference", "button"}:
            return True
        parent = parent.parent
    return False


def link_terms(doctree: nodes.document, chapter: str, address: str) -> None:
    """Make the first use of each term a link to its entry."""
    stretches = open_texts(doctree)
    for text, uses in zip(stretches, first_uses((t.astext() for t in stretches), chapter), strict=True):
        if not uses:
            continue
        whole, pieces, end = text.astext(), [], 0
        for start, stop, term in uses:
            pieces += [nodes.Text(whole[end:start])] if start > end else []
            link = nodes.reference(
                "",
                "",
                nodes.Text(whole[start:stop]),
                internal=True,
                refuri=f"{address}#{term.anchor}",
                classes=["term-link"],
            )
            pieces.append(link)
            end = stop
        pieces += [nodes.Text(whole[end:])] if end < len(whole) else []
        text.parent.replace(text, pieces)


def link_symbols(doctree: nodes.document, chapter: str, address: str) -> None:
    """Make the first formula that is one letter, and nothing else, a link to the letter's row."""
    seen: set[str] = set()
    for formula in list(doctree.findall(nodes.math)):
        symbol = None if _closed(formula) else symbols.whole(formula.astext(), chapter)
        if symbol is None or symbol.key in seen:
            continue
        seen.add(symbol.key)
        link = nodes.reference("", "", internal=True, refuri=f"{address}#{symbol.anchor}", classes=["symbol-link"])
        formula.parent.replace(formula, link)
        link += formula


def _link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format != "html" or not docname.startswith("book/"):
        return
    chapter = docname.removeprefix("book/")
    alone = "book/index" not in app.env.found_docs  # one chapter, built for a look
    for target, link in ((GLOSSARY, link_terms), (NOTATION, link_symbols)):
        if docname not in {GLOSSARY, LIST, target} and (alone or target in app.env.found_docs):
            link(doctree, chapter, app.builder.get_relative_uri(docname, target))


def _name_entries(app: Sphinx, doctree: nodes.document) -> None:
    """Give the entries of the glossary their anchors, and take the other forms out of the way."""
    if app.env.docname != GLOSSARY:
        return
    for node in doctree.findall(nodes.term):
        name, _, others = node.astext().partition(",")
        node["ids"] = [anchor(name)]
        node.children = [nodes.Text(name)]
        for child in node.children:
            child.parent = node
        if shown := [form.strip() for form in others.split(",") if _worth_showing(form.strip(), name)]:
            node += nodes.inline("", f", {', '.join(shown)}", classes=["term-also"])


def _worth_showing(form: str, name: str) -> bool:
    """Whether another form is another word, and not the same one bent."""
    return bool(form) and form[:4].lower() != name[:4].lower() and form.removeprefix("the ") not in name


class SymbolTable(SphinxDirective):
    """``{symbols}``: the table of all letters, a row for each entry of symbols.yml."""

    def run(self) -> list[nodes.Node]:
        """The table, its rows named so that a link can lead there."""
        self.env.note_dependency(str(symbols.SOURCE))
        holder = nodes.container("", classes=["symbol-table", "no-terms"])
        text = StringList(symbols.markdown_table().splitlines(), source=self.env.docname)
        self.state.nested_parse(text, self.content_offset, holder)
        rows = [row for body in holder.findall(nodes.tbody) for row in body.findall(nodes.row)]
        for row, symbol in zip(rows, symbols.entries(), strict=True):
            row["ids"] = [symbol.anchor]
        return [holder]


# --------------------------------------------------------------------------------------------------------- formulas


def marking(visit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """A writer of formulas that wraps the letters it knows before it hands on."""

    def marked(self: Any, node: Any) -> None:
        docname = getattr(self.builder, "current_docname", "") or ""
        copy = node.deepcopy()
        try:
            latex = symbols.mark(node.astext(), docname.removeprefix("book/"))
        except symbols.SymbolError:
            latex = node.astext()  # a formula that MathJax cannot read either; its own message is the better one
        copy.children = [nodes.Text(latex)]
        visit(self, copy)

    return marked


def _mark_formulas(app: Sphinx) -> None:
    for renderers in (app.registry.html_inline_math_renderers, app.registry.html_block_math_renderers):
        if "mathjax" in renderers:
            visit, depart = renderers["mathjax"]
            renderers["mathjax"] = (marking(visit), depart)


def data() -> dict[str, Any]:
    """What symbols.js shows: of each letter sign, name, meaning, code, example; of each term name and meaning."""
    letters = {}
    for symbol in symbols.entries():
        row = [
            symbols.in_html(symbol.latex),
            symbol.name,
            symbols.text_in_html(symbol.means),
            symbol.code,
            symbols.example(symbol),
        ]
        while not row[-1]:
            row.pop()
        letters[symbol.key] = row
    words = {term.anchor: [term.forms[0], symbols.text_in_html(term.meaning)] for term in terms()}
    return {"symbols": letters, "terms": words}


def _configure(app: Sphinx, config: Any) -> None:
    generated = Path(app.outdir).parent / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data(), ensure_ascii=False, separators=(",", ":"))
    path, script = generated / "symbols-data.js", f"window.ddpmWords={text};\n"
    if not path.exists() or path.read_text("utf8") != script:
        path.write_text(script, "utf8")
    if str(generated) not in config.html_static_path:
        config.html_static_path.append(str(generated))


def _start(app: Sphinx) -> None:
    _mark_formulas(app)
    app.add_css_file("symbols.css", priority=901)
    app.add_js_file("symbols-data.js", loading_method="defer")
    app.add_js_file("symbols.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_directive("symbols", SymbolTable)
    app.connect("config-inited", _configure, priority=11)
    app.connect("builder-inited", _start)
    app.connect("doctree-read", _name_entries)
    app.connect("doctree-resolved", _link, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
