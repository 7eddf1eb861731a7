"""Make every page stand on its own: palette, coloured symbols, icons, no foreign scripts, downloads, footer.

The theme brings scripts that fetch code from other hosts and 700 kB of icon fonts. A reader of this book may be
offline and opens the pages as files, so whatever is not needed is left out here, and what is needed is made local.
"""

from __future__ import annotations

import datetime
import html
import importlib.metadata
import json
import re
import shutil
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.directives.code import LiteralInclude

from ddpm_edu.widgets import weights

ROOT = Path(__file__).resolve().parents[2]
COLOURED_COMMANDS = {"alpha": "α", "beta": "β", "varepsilon": "ε"}
SOLID_ICONS = [
    "angle-left",
    "angle-right",
    "arrow-up",
    "bars",
    "chevron-down",
    "chevron-right",
    "circle-half-stroke",
    "circle-info",
    "code",
    "download",
    "file",
    "file-pdf",
    "list",
    "magnifying-glass",
    "moon",
    "rocket",
    "sun",
]
BRAND_ICONS = ["github"]
SIDEBAR = '<div class="bd-sidebar-primary bd-sidebar" role="complementary" aria-label="Chapters">'
UNWANTED_FILES = ("sphinx-thebe", "design-tabs", "sphinx-design", "thebe")
UNWANTED_OUTPUT = ("vendor/fontawesome", "sphinx-thebe.*", "design-tabs.js", "sphinx-design.*")
FIGURE_DPI = 110
"""Dots per inch at which the page shows figures, as `plotting.use_style` says."""
_PICTURE = re.compile(
    r'(<img\b(?:(?!srcset)[^>])*?) src="([^"]*_images/)([^"/]+\.png)"((?: style="width: \d+px; height: \d+px;")?)'
)
_LINK_TO_PICTURE = re.compile(r'(<a [^>]*image-reference[^>]*href="[^"]*_images/([^"/]+))\.png"')
_FORMULA = re.compile(
    r'([(\[“‘]?)((?:<a class="[^"]*symbol-link[^>]*>)?<span class="math notranslate nohighlight">.*?</span>(?:</a>)?)'
    r"([,.;:!?)\]”’]*)",
    re.DOTALL,
)
_X_0 = re.compile(r"(\\hat\s*\{?\s*x\s*\}?|(?<![A-Za-z\\])x)_(?:0|\{0\})(?!\d)(\^(?:\{[^{}]*\}|\S))?")


def palette_css(palette: dict[str, dict[str, str]]) -> str:
    """The palette as CSS custom properties: light as the default, dark under the theme's attribute."""

    def rules(scheme: str) -> str:
        return " ".join(f"--ddpm-{name.replace('_', '-')}: {colour};" for name, colour in palette[scheme].items())

    return f":root {{ {rules('light')} }}\nhtml[data-theme='dark'] {{ {rules('dark')} }}\n"


def icons_css(bundle: str) -> str:
    """The few icons that the pages use, as CSS masks; their outlines are read from the theme's own icon bundle."""
    rules = [
        ".fa-solid, .fa-brands, .fa-regular, .fas, .fab, .far, .fa { display: inline-block; width: 1em; height: 1em; "
        "background: currentColor; -webkit-mask: var(--icon) center / contain no-repeat; "
        "mask: var(--icon) center / contain no-repeat; vertical-align: -0.125em; }",
        ".fa-lg { font-size: 1.15em; }",
    ]
    for name in (*SOLID_ICONS, *BRAND_ICONS):
        found = re.findall(rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]', bundle)
        if not found:
            raise ValueError(f"the theme's icon bundle has no icon {name!r}")
        width, height, path = found[-1]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><path d="{path}"/></svg>'
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{urllib.parse.quote(svg, safe=" =:/")}"); }}')
    return "\n".join(rules) + "\n"


def colour_symbols(latex: str) -> str:
    r"""Wrap x_0 and \hat{x}_0 in a class, so that the page can colour them; α, β and ε are coloured by macros."""
    return _X_0.sub(lambda match: rf"{{\class{{sym-x-0}}{{{match.group(0)}}}}}", latex)


def trim(page: str) -> str:
    """Take out of a finished page what would load icon fonts or scripts, mend roles, keep stops beside formulas."""
    page = re.sub(r"\s*<link[^>]*fontawesome[^>]*/?>", "", page)
    page = re.sub(r"\s*<script[^>]*fontawesome[^>]*></script>", "", page)
    page = re.sub(r'\s*<script type="text/x-thebe-config">.*?</script>', "", page, flags=re.DOTALL)
    page = re.sub(r"\s*<script>kernelName = '[^']*'</script>", "", page)
    page = page.replace('role="doc-biblioentry"', 'role="listitem"')
    page = page.replace('<div class="bd-sidebar-primary bd-sidebar">', SIDEBAR)
    return _FORMULA.sub(_hold_together, page)


def _hold_together(found: re.Match[str]) -> str:
    """A formula and the bracket or stop beside it, so that no line begins with a comma."""
    before, formula, after = found.groups()
    return f'<span class="unbroken">{before}{formula}{after}</span>' if before or after else formula


def version_line() -> str:
    """Version and, in a git checkout, date and short name of the last commit."""
    version = importlib.metadata.version("ddpm-edu")
    try:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%cs, commit %h"]
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = datetime.date.today().isoformat()
    return f"Version {version} ({commit})"


def report_link(repository: str, page: str, title: str) -> str:
    """The address of a new issue in the repository, its form filled in as far as the page knows: page and version."""
    fields = {
        "template": "erratum.yml",
        "title": f"Erratum: {title}",
        "page": f"{page}.html",
        "version": version_line(),
    }
    return f"{repository.rstrip('/')}/issues/new?{urllib.parse.urlencode(fields)}"


class ShownCode(LiteralInclude):
    """`literalinclude` that sets a method flush left and names the file where the chapter does not."""

    def run(self) -> list[nodes.Node]:
        """Fill in the two options."""
        if "." in self.options.get("pyobject", ""):
            self.options.setdefault("dedent", None)
        self.options.setdefault("caption", self.arguments[0].removeprefix("../"))
        return super().run()


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf8") != text:
        path.write_text(text, "utf8")


def _configure(app: Sphinx, config: Any) -> None:
    generated = Path(app.outdir).parent / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    palette = json.loads((ROOT / "ddpm_edu" / "palette.json").read_text("utf8"))
    _write(generated / "palette.css", palette_css(palette))
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor/fontawesome"
    bundle = next(theme.glob("*/js/all.min.js")).read_text("utf8")
    _write(generated / "icons.css", icons_css(bundle))
    weights.write_scripts(generated)
    config.html_static_path.append(str(generated))
    macros = {command: rf"{{\class{{sym-{command}}}{{{letter}}}}}" for command, letter in COLOURED_COMMANDS.items()}
    config.mathjax3_config = {
        "loader": {"load": ["[tex]/html"]},
        "tex": {"packages": {"[+]": ["html"]}, "macros": macros},
        "options": {"enableMenu": False},
        **(config.mathjax3_config or {}),
    }
    config.html_context.setdefault("default_mode", "auto")
    config.html_theme_options["use_fullscreen_button"] = False


def _drop_unused_extensions(app: Sphinx) -> None:
    """Jupyter Book always loads these extensions; the book uses none of them, and their scripts name other hosts."""
    for listeners in app.events.listeners.values():
        listeners[:] = [entry for entry in listeners if entry.handler.__module__.split(".")[0] != "sphinx_thebe"]


def _start(app: Sphinx) -> None:
    for name in ("palette.css", "icons.css", "book.css"):
        app.add_css_file(name, priority=900)
    app.add_js_file("book.js", loading_method="defer")
    builder: Any = app.builder
    if not hasattr(builder, "templates"):
        return
    render = builder.templates.render
    builder.templates.render = lambda template, context: trim(render(template, context))


def _colour(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(lambda n: isinstance(n, nodes.math | nodes.math_block))):
        assert isinstance(node, nodes.Element)
        node.children = [nodes.Text(colour_symbols(node.astext()))]


def _prepare_page(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    for kind in ("script_files", "css_files"):
        context[kind] = [entry for entry in context[kind] if not _unwanted(entry)]
    stamp = f'<div class="version">{version_line()}</div>'
    repository = app.config.html_theme_options.get("repository_url")
    if repository and pagename.startswith("book/"):
        title = re.sub(r"<[^>]*>", "", str(context.get("title", "")))
        address = html.escape(report_link(repository, pagename, title))
        stamp += f'<div class="report"><a href="{address}">Report an error on this page</a></div>'
    context["theme_extra_footer"] = stamp
    twin = Path(app.srcdir) / f"{pagename}.ipynb"
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["buttons"] = [b for b in group["buttons"] if b.get("label") != "download-notebook-button"]
            if twin.exists():
                notebook = {
                    "type": "link",
                    "url": context["pathto"](f"notebooks/{twin.name}", 1),
                    "text": "Notebook (.ipynb)",
                    "icon": "fas fa-code",
                    "label": "download-notebook-button",
                    "tooltip": "Download this chapter as a notebook",
                }
                group["buttons"].insert(0, notebook)
            for wheel in sorted((Path(app.outdir) / "downloads").glob("*.whl")):
                package = {
                    "type": "link",
                    "url": context["pathto"](f"downloads/{wheel.name}", 1),
                    "text": "Package (.whl)",
                    "icon": "fas fa-download",
                    "label": "download-wheel-button",
                    "tooltip": "Download the package ddpm_edu, to install without a network",
                }
                group["buttons"].append(package)


def _unwanted(entry: Any) -> bool:
    text = str(entry) + str(getattr(entry, "attributes", ""))
    return any(name in text for name in UNWANTED_FILES)


def lighten(image: Image.Image, path: Path) -> None:
    """Save a picture as a WebP without losses, after taking out the colours that nobody can tell apart.

    An opaque picture in greys keeps 17 of them, any other 256 colours; that is a third of the bytes of a full PNG.
    The middle grey is one of the 17: between two of them, a flat ground would be broken into grain.
    """
    image = image.convert("RGBA")
    red, green, blue, alpha = (channel.tobytes() for channel in image.split())
    if red == green == blue and set(alpha) == {255}:
        few = image.convert("L").point([min(16 * round(level / 16), 255) for level in range(256)])
    else:
        few = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).convert("RGBA")
    few.save(path, lossless=True)


def two_sizes(picture: Path) -> tuple[int, int] | None:
    """Put NAME.webp in the place of a cell's NAME.png, and beside it NAME-2x.webp if it has two pixels for one.

    Plain screens show the first, fine ones and print the second. Returns the width and height at which the page shows
    them, or None for a picture that has one pixel for one.
    """
    with Image.open(picture) as image:
        dots = image.info.get("dpi", (0, 0))[0]
        drawn = image.convert("RGBA")
    picture.unlink()
    light = picture.with_suffix(".webp")
    if dots < 1.5 * FIGURE_DPI:
        lighten(drawn, light)
        return None
    plain = drawn.reduce(2)
    lighten(plain, light)
    lighten(drawn, light.with_stem(f"{picture.stem}-2x"))
    return plain.size


def offer_two_sizes(page: str, sizes: dict[str, tuple[int, int] | None]) -> str:
    """Name the WebP of each picture in a page, or both; ``sizes`` gives what `two_sizes` returned, by the PNG's name."""

    def both(found: re.Match[str]) -> str:
        start, folder, name, style = found.groups()
        if name not in sizes:
            return found[0]
        plain, fine = (folder + name.removesuffix(".png") + end for end in (".webp", "-2x.webp"))
        if size := sizes[name]:
            width, height = size
            return f'{start} width="{width}" height="{height}" srcset="{plain} 1x, {fine} 2x" src="{plain}"'
        return f'{start} src="{plain}"{style}'

    def finer(found: re.Match[str]) -> str:
        name = f"{found[2]}.png"
        return f'{found[1]}{"-2x" if sizes[name] else ""}.webp"' if name in sizes else found[0]

    return _LINK_TO_PICTURE.sub(finer, _PICTURE.sub(both, page))


def _finish(app: Sphinx, exception: Exception | None) -> None:
    """Lighten the pictures; take away what no page asks for, and MyST-NB's notebooks: the twins are offered instead."""
    sizes = {picture.name: two_sizes(picture) for picture in (Path(app.outdir) / "_images").glob("*.png")}
    for page in Path(app.outdir).rglob("*.html"):
        page.write_text(offer_two_sizes(page.read_text("utf8"), sizes), "utf8")
    for folder in (Path(app.outdir) / "_sources", Path(app.outdir) / "reports"):
        for path in folder.rglob("*.ipynb"):
            path.unlink()
    for pattern in UNWANTED_OUTPUT:
        for path in (Path(app.outdir) / "_static").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    _drop_unused_extensions(app)
    app.add_directive("literalinclude", ShownCode, override=True)
    app.connect("config-inited", _configure, priority=10)
    app.connect("builder-inited", _start)
    app.connect("doctree-resolved", _colour)
    app.connect("html-page-context", _prepare_page, priority=900)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
