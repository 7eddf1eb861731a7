"""Joins the widgets' ES modules into one text each, and their stylesheet with the palette."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r"^import \{([^}]*)\} from '\./([a-z-]+\.js)';\n", re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:const|let|class|function\*?|async function) ([A-Za-z_$][\w$]*)", re.MULTILINE)
_COMMENT = re.compile(r"^[ ]*(?://[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)\n", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:const|let|class|(?:async )?function\*?) ([A-Za-z_$][\w$]*)", re.MULTILINE)

#: Ground, ink and hairlines where the page does not set them; symbols' colours come from palette.json.
_NEUTRALS = {
    "light": {"ground": "#ffffff", "ink": "#222222", "quiet": "#5b5f66", "hair": "#cfd3d8"},
    "dark": {"ground": "#14181e", "ink": "#e8e8e8", "quiet": "#a9afb8", "hair": "#4a515b"},
}


@cache
def bundled(entry: str) -> str:
    """Return one ES module holding `entry` and all it imports, each module once and after those it needs.

    Lines that hold a comment alone are left out, since a page carries the text. The modules may only import names from
    one another, `import { a, b } from './other.js';`, and export declarations; the entry also has its `export default`.
    Raises ValueError where a source does anything else: two modules that declare one name, an import of what is not
    exported, a circle, a template that runs over several lines.
    """
    texts = modules(entry)
    owner: dict[str, str] = {}
    for name, text in texts.items():
        for word in _DECLARED.findall(text):
            if word in owner:
                raise ValueError(f"{owner[word]} and {name} both declare {word}; a bundle needs one name for one thing")
            owner[word] = name
    parts = [f"// {name}\n{text.strip()}\n" for name, text in texts.items()]
    return "\n".join(parts)


def modules(entry: str) -> dict[str, str]:
    """Return the text of each module that a bundle of `entry` holds, under its name, in the bundle's order."""
    texts: dict[str, str] = {}
    _collect(entry, texts, ())
    return texts


def declared(module: str) -> list[str]:
    """Return the names that one module exports, in its order."""
    return _EXPORTED.findall((_HERE / module).read_text(encoding="utf-8"))


def _collect(name: str, texts: dict[str, str], path: tuple[str, ...]) -> None:
    if name in path:
        raise ValueError(f"the modules import one another in a circle: {' → '.join((*path, name))}")
    if name in texts:
        return
    source = (_HERE / name).read_text(encoding="utf-8")
    for names, other in _IMPORT.findall(source):
        _collect(other, texts, (*path, name))
        missing = [wanted for wanted in re.split(r",\s*", names.strip().rstrip(",")) if wanted not in declared(other)]
        if missing:
            raise ValueError(f"{name} imports {', '.join(missing)}, which {other} does not export")
    text = _IMPORT.sub("", source)
    if not path:
        body, found, default = text.rpartition("export default ")
        if not found:
            raise ValueError(f"{name} has no export default")
        text = re.sub(r"^export (?!default)", "", body, flags=re.MULTILINE) + found + default
    else:
        text = re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)
    text = _COMMENT.sub("", text)
    if open_line := next((line for line in text.splitlines() if line.count("`") % 2), None):
        raise ValueError(f"{name} has a template over several lines, where text may look like a comment: {open_line}")
    left = re.findall(r"^(?:import\b.*|export\b.*)", text, flags=re.MULTILINE)
    if len(left) != (0 if path else 1):
        raise ValueError(f"{name} has an import or export that a bundle cannot hold: {left}")
    texts[name] = text


def palette() -> dict[str, dict[str, str]]:
    """Return the colours of symbols, from palette.json, and of ground, ink and lines, for "light" and "dark"."""
    symbols = json.loads((Path(__file__).parents[1] / "palette.json").read_text(encoding="utf-8"))
    return {theme: {**symbols[theme], **_NEUTRALS[theme]} for theme in ("light", "dark")}


@cache
def stylesheet(own: str = "") -> str:
    """Return the widgets' CSS: fallback colours, light and dark, the rules for all, then those of the file `own`."""
    values = {
        theme: "".join(f"--fallback-{name.replace('_', '-')}:{colour};" for name, colour in colours.items())
        for theme, colours in palette().items()
    }
    dark = (
        'html[data-theme="dark"] .ddpm, html[theme="dark"] .ddpm, body[data-jp-theme-light="false"] .ddpm, '
        "body.vscode-dark .ddpm"
    )
    undecided = (
        "html:not([data-theme]):not([theme]) body:not([data-jp-theme-light]):not([data-vscode-theme-kind]) .ddpm"
    )
    return (
        f".ddpm {{{values['light']}color-scheme:light;}}\n"
        f"{dark} {{{values['dark']}color-scheme:dark;}}\n"
        f"@media (prefers-color-scheme: dark) {{ {undecided} {{{values['dark']}color-scheme:dark;}} }}\n"
        + "".join((_HERE / name).read_text(encoding="utf-8") for name in ("widgets.css", own) if name)
    )
