r"""The book's letters: what `symbols.yml` says of them, and where they stand in a formula.

A formula is read sign by sign, without a grammar, so that every formula of the book can be read, integrals and moved
terms included. What is found are *atoms*: a letter with its accent, strokes, index, power and, for a function, the
bracket behind it. Each atom is looked up from its longest form to its shortest, and what is known is wrapped into
``\class{sy sy-KEY}{…}``; taking these out again gives back the text, sign by sign.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ddpm_edu import schedules

SOURCE = Path(__file__).resolve().parents[1] / "symbols.yml"
FIELDS = {"key", "latex", "forms", "name", "means", "code", "values", "chapter", "only"}
GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "varepsilon": "ε",
    "epsilon": "ϵ",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "varphi": "φ",
    "phi": "ϕ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Lambda": "Λ",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
}
ACCENTS = {r"\bar": "\u0304", r"\tilde": "\u0303", r"\hat": "\u0302"}
FONTS = {r"\mathcal", r"\mathbb", r"\mathrm", r"\mathbf", r"\mathsf", r"\mathtt", r"\operatorname"}
SKIPPED = {r"\text", r"\label", r"\tag", r"\begin", r"\end", r"\class", r"\array"}
TAKING = {r"\frac", r"\tfrac", r"\dfrac", r"\sqrt", "_", "^"}
WIDTHS = {r"\left", r"\right", r"\bigl", r"\bigr", r"\Bigl", r"\Bigr", r"\biggl", r"\biggr"}
SPACES = {r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad"}
SIGNS = {
    r"\cdot": "·",
    r"\cdots": "⋯",
    r"\dots": "…",
    r"\le": "≤",
    r"\ge": "≥",
    r"\approx": "≈",
    r"\sim": "∼",
    r"\mid": " | ",
    r"\infty": "∞",
    r"\int": "∫",
    r"\sum": "∑",
    r"\prod": "∏",
    r"\nabla": "∇",
    r"\partial": "∂",
    r"\Vert": "‖",
    r"\lVert": "‖",
    r"\rVert": "‖",
    r"\|": "‖",
    r"\times": "×",
    r"\to": "→",
    r"\pm": "±",
    r"\ln": "ln ",
    r"\log": "log ",
    r"\exp": "exp",
    r"\{": "{",
    r"\}": "}",
    r"\%": "%",
}
ALPHABETS = {r"\mathcal": {"N": "𝒩"}, r"\mathbb": {"E": "𝔼"}}
MANY = {"exercises"}  # pages that repeat formulas of many chapters: a letter that has two meanings is left alone there
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
LETTER = re.compile(r"[A-Za-z]")
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SPOKEN = {"+": "plus", "-": "minus", ":": "to", "/": "over", ",": "and", r"\infty": "infinity"}


class SymbolError(ValueError):
    """An entry or a formula that cannot be read; the message says which and why."""


@dataclass(frozen=True)
class Symbol:
    """One entry of symbols.yml; see its head for the fields."""

    key: str
    latex: str
    forms: tuple[str, ...]
    name: str
    means: str
    chapter: str
    group: str
    code: str = ""
    values: str = ""
    only: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The name of its row on the page of the notation."""
        return f"symbol-{self.key}"


@dataclass(frozen=True)
class Atom:
    """A letter in a formula and all that belongs to it; places count signs of the formula.

    base: the letter with its accent or alphabet, in normal spelling. script: its index, power: its power, each without
    braces and in normal spelling; primes: its strokes. bracket: what stands in the round bracket behind it.
    """

    base: str
    start: int
    base_end: int
    end: int
    primes: str = ""
    script: str = ""
    power: str = ""
    bracket: str = ""
    power_at: tuple[int, int] = (0, 0)
    bare: bool = False
    differential: str = ""


@dataclass(frozen=True)
class Match:
    """A stretch of a formula that is a known letter. index: as it is spoken, where it differs from the entry's own."""

    symbol: Symbol
    start: int
    end: int
    index: str = ""
    bare: bool = False


# ------------------------------------------------------------------------------------------------------- the source


def read(path: Path = SOURCE) -> tuple[Symbol, ...]:
    """All entries, in the order of the file. Raises SymbolError naming the entry and what is wrong."""
    found: dict[str, Symbol] = {}
    for group in yaml.safe_load(path.read_text("utf8")):
        for fields in group["symbols"]:
            key = str(fields.get("key", ""))
            where = f"symbols.yml, {key or fields!r}"
            if not re.fullmatch(r"[A-Za-z0-9-]+", key):
                raise SymbolError(f"{where}: key is letters, digits and hyphens")
            if key in found:
                raise SymbolError(f"{where} stands twice")
            if unknown := set(fields) - FIELDS:
                raise SymbolError(
                    f"{where}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(FIELDS))}"
                )
            if missing := {"latex", "name", "means", "chapter"} - set(fields):
                raise SymbolError(f"{where}: {', '.join(sorted(missing))} is missing")
            forms = tuple(canonical(form) for form in fields.get("forms", [fields["latex"]]))
            rest = {name: fields[name] for name in ("code", "values") if name in fields}
            means = str(fields["means"]).strip()
            if means.endswith("."):
                raise SymbolError(f"{where}: means ends without a stop")
            found[key] = Symbol(
                key,
                str(fields["latex"]),
                forms,
                str(fields["name"]),
                means,
                str(fields["chapter"]),
                str(group["group"]),
                only=tuple(fields.get("only", ())),
                **rest,
            )
    return tuple(found.values())


@functools.cache
def entries() -> tuple[Symbol, ...]:
    """The book's entries."""
    return read()


@functools.cache
def table(chapter: str) -> dict[str, Symbol]:
    """The letters of a chapter by their form; a meaning confined to it goes before one that holds everywhere."""
    known: dict[str, Symbol] = {}
    for confined in (False, True):
        mine: dict[str, Symbol] = {}
        for symbol in entries():
            if bool(symbol.only) is not confined or (confined and chapter not in symbol.only):
                continue
            for form in symbol.forms:
                if form in mine:
                    raise SymbolError(f"{form} is both {mine[form].key} and {symbol.key} in {chapter or 'the book'}")
                mine[form] = symbol
        known |= mine
    if chapter in MANY:
        confined_forms = {form for symbol in entries() if symbol.only for form in symbol.forms}
        known = {form: symbol for form, symbol in known.items() if form not in confined_forms}
    return known


@functools.cache
def namespace() -> dict[str, Any]:
    """What a ``values`` may name: the arrays of the linear schedule of 1000 steps."""
    schedule = schedules.linear(1000)
    arrays = {name: getattr(schedule, name) for name in ("beta", "alpha", "alpha_bar", "noise", "snr", "beta_tilde")}
    with np.errstate(divide="ignore"):
        return {"T": schedule.T, **arrays, "log_snr": np.log(schedule.snr)}


def example(symbol: Symbol) -> str:
    """An entry's example with its numbers. Raises SymbolError where it names something unknown."""
    try:
        shown = symbol.values.format(**namespace())
        return re.sub(r"e-0?(\d+)", lambda power: f"·10⁻{power[1].translate(RAISED)}", shown).replace("-", "−")
    except (KeyError, IndexError, ValueError) as error:
        raise SymbolError(f"symbols.yml, {symbol.key}: values {symbol.values!r}: {error!r}") from None


# -------------------------------------------------------------------------------------------------- reading formulas


def tokens(latex: str) -> list[tuple[str, int, int]]:
    """The signs of a formula with their places."""
    return [(found.group(), found.start(), found.end()) for found in TOKEN.finditer(latex)]


def normal(latex: str) -> str:
    r"""One spelling of a form: no spaces, no braces around one sign, no sizes, ``\bar{\alpha}`` as ``\bar\alpha``."""
    latex = re.sub(r"\\class\s*\{[^{}]*\}", "", latex).replace(r"\lvert", "|").replace(r"\mid", "|")
    latex = latex.replace(r"\epsilon", r"\varepsilon")
    signs = [text for text, _, _ in tokens(latex) if not text.isspace() and text not in SPACES | WIDTHS]
    before: list[str] = []
    while before != signs:
        before, signs = signs, _unbraced(signs)
    return "".join(signs)


def _unbraced(signs: list[str]) -> list[str]:
    """Take away braces around one sign, around one sign with a font or an accent, and double ones."""
    kept: list[str] = []
    at = 0
    while at < len(signs):
        if signs[at] == "{":
            end = _closing(signs, at)
            inner = signs[at + 1 : end]
            single = len(inner) == 1 and not (kept and kept[-1] in FONTS)
            double = bool(inner) and inner[0] == "{" and _closing(inner, 0) == len(inner) - 1
            free = not kept or kept[-1] not in {"_", "^", *FONTS, *ACCENTS, *TAKING}
            accented = bool(kept) and kept[-1] in ACCENTS and inner and inner[0] in FONTS | set(ACCENTS)
            if single or double or accented or (free and kept[-1:] != ["}"]):
                kept += inner
                at = end + 1
                continue
        kept.append(signs[at])
        at += 1
    return kept


def _closing(signs: list[str], at: int) -> int:
    """Where the brace that opens at ``at`` is closed. Raises SymbolError where it is not."""
    depth = 0
    for place in range(at, len(signs)):
        depth += {"{": 1, "}": -1}.get(signs[place], 0)
        if depth == 0:
            return place
    raise SymbolError(f"a brace is left open: {''.join(signs)!r}")


class _Reader:
    """Finds the atoms of one formula."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = tokens(latex)
        self.signs = [text for text, _, _ in self.tokens]

    def place(self, at: int) -> int:
        """Where in the formula the sign with number ``at`` begins."""
        return self.tokens[at][1] if at < len(self.tokens) else len(self.latex)

    def skip(self, at: int) -> int:
        """The next sign that is no space."""
        while at < len(self.signs) and self.signs[at].isspace():
            at += 1
        return at

    def argument(self, at: int) -> tuple[int, int, int]:
        """The argument behind the sign before ``at``: from which sign to which it goes, and the one after it."""
        at = self.skip(at)
        if at >= len(self.signs):
            raise SymbolError(f"something is missing at the end of {self.latex!r}")
        if self.signs[at] == "{":
            end = _closing(self.signs, at)
            return at + 1, end, end + 1
        if self.signs[at] in FONTS | set(ACCENTS) | {r"\class"}:
            end = self.head(at)[1]
            return at, end, end
        return at, at + 1, at + 1

    def head(self, at: int) -> tuple[str, int]:
        """The letter that begins at ``at``, with accent or alphabet, and the sign after it."""
        sign = self.signs[at]
        if sign == r"\class":
            *_, at = self.argument(at + 1)
            start, end, after = self.argument(at)
            return self.text(start, end), after
        if sign in FONTS | set(ACCENTS):
            start, end, after = self.argument(at + 1)
            return normal(f"{sign}{{{self.text(start, end)}}}"), after
        return sign, at + 1

    def text(self, start: int, end: int) -> str:
        """The formula from one sign to another."""
        return self.latex[self.place(start) : self.place(end)]

    def atoms(self, start: int = 0, end: int | None = None) -> Iterator[Atom]:
        """The atoms between two signs, in their order; those in an index or a power follow the one that bears it."""
        at, end = start, len(self.signs) if end is None else end
        before = ""
        while at < end:
            sign = self.signs[at]
            if sign.isspace():
                at += 1
                continue
            if sign in SKIPPED:
                *_, at = self.argument(at + 1)
                before = sign
                continue
            if sign == r"\\" and self.signs[at + 1 : at + 2] == ["["]:  # the space below a row: \\[0.6em]
                at = self.signs.index("]", at)
            if LETTER.fullmatch(sign) or sign[1:] in GREEK or sign in FONTS | set(ACCENTS):
                atom, after = self.atom(at, end, before in TAKING)
                yield atom
                at = after
                before = "}"
                continue
            before = sign
            at += 1

    def atom(self, at: int, end: int, bare: bool) -> tuple[Atom, int]:
        """The atom that begins at ``at``, and the sign after the part of it that no further atom stands in."""
        start = self.place(at)
        base, at = self.head(at)
        base_end = self.tokens[at - 1][2]
        if bare:  # the one sign that an index, a power or a root without braces takes
            return Atom(base, start, base_end, base_end, bare=True), at
        differential = ""
        if base == "d" and at < end and (LETTER.fullmatch(self.signs[at]) or self.signs[at][1:] in GREEK):
            differential = self.signs[at]
        primes, script, power = "", "", ""
        power_at, after_base, last = (0, 0), at, at
        inner: list[tuple[int, int]] = []
        while (look := self.skip(at)) < end and self.signs[look] in {"'", "_", "^"}:
            if self.signs[look] == "'":
                primes += "'"
                at = look + 1
                last = at
                continue
            first, stop, at = self.argument(look + 1)
            if self.signs[look] == "_":
                script = normal(self.text(first, stop))
            else:
                power, power_at = normal(self.text(first, stop)), (first, stop)
            inner.append((first, stop))
            last = at
        bracket = self.bracket(last, end)
        atom = Atom(
            base,
            start,
            base_end,
            self.tokens[last - 1][2],
            primes,
            script,
            power,
            bracket,
            power_at,
            differential=differential,
        )
        return atom, after_base

    def bracket(self, at: int, end: int) -> str:
        """What stands in the round bracket that follows, in normal spelling; empty where none does."""
        while at < end and (self.signs[at].isspace() or self.signs[at] in SPACES | WIDTHS):
            at += 1
        if at >= end or self.signs[at] != "(":
            return ""
        depth = 0
        for place in range(at, end):
            depth += {"(": 1, ")": -1}.get(self.signs[place], 0)
            if depth == 0:
                return normal(self.text(at + 1, place).removesuffix(r"\right"))
        return ""


def _forms(atom: Atom) -> Iterator[tuple[str, bool]]:
    """The forms under which an atom may be known, the longest first, and whether its index belongs to them."""
    if atom.differential:
        yield "d*", False
    name = atom.base + atom.primes
    indexed = f"{name}_{braced(atom.script)}" if atom.script else name
    if atom.bracket:
        yield f"{indexed}({atom.bracket})", bool(atom.script)
    yield indexed, True
    if atom.script:
        yield f"{name}_*", True
        yield name, False
    if atom.primes:
        yield atom.base, False


def canonical(form: str) -> str:
    """A form of symbols.yml as `_forms` spells it. Raises SymbolError where it is more than one letter."""
    if form == "d*":
        return form
    reader = _Reader(form)
    atom = next(reader.atoms(), None)
    spelled = next(_forms(atom))[0] if atom else ""
    if not atom or atom.power or normal(form) not in {spelled, spelled.replace("'", "") + atom.primes}:
        raise SymbolError(f"symbols.yml: {form!r} is not one letter with strokes, an index or a bracket")
    return spelled


def braced(text: str) -> str:
    """An index as a form writes it: in braces unless it is one sign."""
    return text if len(tokens(text)) == 1 else f"{{{text}}}"


def matches(latex: str, chapter: str = "", unknown: Callable[[str], None] | None = None) -> list[Match]:
    """The known letters of a formula, in their order; ``unknown`` is told the others."""
    known = table(chapter)
    reader = _Reader(latex)
    found: list[Match] = []
    covered = 0  # up to here the formula belongs to a letter that was found
    inside: tuple[int, int] = (0, 0)  # a power within it, in which letters count for themselves
    for atom in reader.atoms():
        if atom.start < covered and not inside[0] <= atom.start < inside[1]:
            continue
        form, indexed = next(((form, indexed) for form, indexed in _forms(atom) if form in known), ("", False))
        if not form:
            if unknown:
                unknown(atom.base + (f"_{braced(atom.script)}" if atom.script else ""))
            continue
        symbol, end = known[form], atom.base_end
        if indexed and (
            atom.script or atom.primes
        ):  # a power stands above an index, so that it must be wrapped as well
            end = atom.end
            inside = (reader.place(atom.power_at[0]), reader.place(atom.power_at[1])) if atom.power else (0, 0)
        index = spoken(atom.script) if "_*" in form and atom.script != _index(symbol.latex) else ""
        covered = max(covered, end)
        found.append(Match(symbol, atom.start, end, index, atom.bare))
    return found


def _index(latex: str) -> str:
    """The index in the form that an entry shows."""
    atom = next(_Reader(latex).atoms(), None)
    return atom.script if atom else ""


def spoken(index: str) -> str:
    """An index in words: t-1 is "t minus 1"; a capital is called one."""
    words = []
    for sign, _, _ in tokens(index):
        if sign in {"{", "}"} or sign in FONTS:
            continue
        name = SPOKEN.get(sign, sign.lstrip("\\"))
        words.append(f"capital {name}" if LETTER.fullmatch(name) and name.isupper() else name)
    return re.sub(r"(?<=\d) (?=\d)", "", " ".join(words))


def mark(latex: str, chapter: str = "") -> str:
    r"""The formula with every known letter in ``\class{sy sy-KEY}{…}``, and ``i:INDEX`` where it has one of its own."""
    pieces: list[tuple[int, int, str]] = []
    for match in matches(latex, chapter):
        index = f" i:{match.index.replace(' ', '_')}" if match.index else ""
        opening, closing = rf"\class{{sy sy-{match.symbol.key}{index}}}{{", "}"
        if match.bare:
            opening, closing = "{" + opening, closing + "}"
        pieces.append((match.start, 1, opening))
        pieces.append((match.end, 0, closing))
    for place, _, text in sorted(pieces, key=lambda piece: piece[:2], reverse=True):
        latex = latex[:place] + text + latex[place:]
    return latex


def whole(latex: str, chapter: str = "") -> Symbol | None:
    """The entry of a formula that is one known letter and nothing else, its bracket included; None otherwise."""
    found = matches(latex, chapter)
    if not found or found[0].start != len(latex) - len(latex.lstrip()):
        return None
    symbol, rest = found[0].symbol, latex[found[0].end :].strip()
    atom = next(_Reader(latex).atoms())
    function = symbol.latex.endswith(")") and bool(atom.bracket) and normal(rest) == f"({atom.bracket})"
    return symbol if function or not rest else None


# -------------------------------------------------------------------------------------------------- formulas as text


def in_html(latex: str) -> str:
    """A short formula as HTML without a script: letters, indices, fractions in a line. Raises SymbolError otherwise."""
    return unicodedata.normalize("NFC", _html(_Reader(latex), 0, None))


def _html(reader: _Reader, at: int, end: int | None, tight: bool = False) -> str:
    end = len(reader.signs) if end is None else end
    parts: list[str] = []
    while at < end:
        sign = reader.signs[at]
        at += 1
        if sign.isspace() or sign in WIDTHS or sign in {r"\!", "{", "}"}:
            continue
        if sign in SPACES:
            parts.append("\u2009")
        elif sign in {"_", "^"}:
            first, stop, at = reader.argument(at)
            tag = "sub" if sign == "_" else "sup"
            parts.append(f"<{tag}>{_html(reader, first, stop, True)}</{tag}>")
        elif sign == r"\sqrt":
            first, stop, at = reader.argument(at)
            parts.append(f"√{_grouped(reader, first, stop)}")
        elif sign in {r"\frac", r"\tfrac"}:
            first, stop, at = reader.argument(at)
            above = _grouped(reader, first, stop)
            first, stop, at = reader.argument(at)
            parts.append(f"{above}/{_grouped(reader, first, stop)}")
        elif sign in ACCENTS:
            first, stop, at = reader.argument(at)
            inner = _html(reader, first, stop)
            parts.append(re.sub(r"([^<>/&;](?=</)|[^<>/&;]$)", rf"\1{ACCENTS[sign]}", inner, count=1))
        elif sign in FONTS:
            first, stop, at = reader.argument(at)
            text = reader.text(first, stop)
            text = ALPHABETS.get(sign, {}).get(text, text)
            parts.append(f"<b>{text}</b>" if sign == r"\mathbf" else html.escape(text))
        elif sign[1:] in GREEK:
            parts.append(f"<i>{GREEK[sign[1:]]}</i>" if sign[1].islower() else GREEK[sign[1:]])
        elif sign in SIGNS:
            parts.append(html.escape(SIGNS[sign]))
        elif sign.startswith("\\"):
            raise SymbolError(f"{sign} has no plain form: {reader.latex!r}")
        elif LETTER.fullmatch(sign):
            parts.append(f"<i>{sign}</i>")
        elif sign in "+-" and not tight and parts and parts[-1][-1] not in "([{=,;| ":
            parts.append(f" {sign.replace('-', '−')} ")
        else:
            parts.append(
                {"-": "−", "'": "′", "=": " = ", "<": " &lt; ", ">": " &gt; ", ",": ", ", ";": "; "}.get(
                    sign, html.escape(sign)
                )
            )
    return re.sub(r" {2,}", " ", "".join(parts)).strip()


def _grouped(reader: _Reader, first: int, stop: int) -> str:
    """A part of a fraction or a root, in brackets where it is more than a letter or a number."""
    inner = _html(reader, first, stop)
    plain = re.sub(r"<(sub|sup)>.*?</\1>|<[^>]+>", "", inner)
    return inner if len(plain.replace("\u0304", "").replace("\u0303", "")) == 1 or plain.isdigit() else f"({inner})"


def text_in_html(text: str) -> str:
    """A sentence of Markdown as HTML: formulas, code, emphasis; links lose their address."""
    parts = re.split(r"(\$[^$]+\$|`[^`]+`)", text)
    shown = []
    for part in parts:
        if part.startswith("$"):
            shown.append(in_html(part[1:-1]))
        elif part.startswith("`"):
            shown.append(f"<code>{html.escape(part[1:-1])}</code>")
        else:
            part = html.escape(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", part), quote=False)
            part = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", part)
            shown.append(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", part))
    return "".join(shown)


# ------------------------------------------------------------------------------------------------------- the table


def markdown_table() -> str:
    """The table of the notation in Markdown, a heading for each group."""
    parts: list[str] = []
    for group in dict.fromkeys(symbol.group for symbol in entries()):
        rows = [symbol for symbol in entries() if symbol.group == group]
        parts.append(f"**{group}**\n\n| symbol | what it is | in the code | from |\n| --- | --- | --- | --- |")
        parts[-1] += "".join(f"\n{row(symbol)}" for symbol in rows)
    return "\n\n".join(parts)


def row(symbol: Symbol) -> str:
    """One row of it."""
    code = ", ".join(f"`{name.strip()}`" for name in symbol.code.split(",")) if symbol.code else ""
    latex = symbol.latex.replace("|", r"\mid ")
    return f"| ${latex}$ | *{symbol.name}*: {symbol.means} | {code} | {{doc}}`{symbol.chapter}` |"
