"""Pages with widgets: a small one written for a test, and any page opened as a file with the network off."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page

HOST = Path(__file__).resolve().parents[2] / "book" / "_static" / "widget-host.js"
LOCAL = ("file:", "blob:", "data:", "about:")
#: Jupyter Book declares THEBE_JS_URL twice on some pages; no other page error is accepted.
THEIRS = re.compile(r"THEBE_JS_URL")

#: Addresses that must change nothing.
HOSTILE = [
    "#",
    "#lab",
    "#lab.alpha=NaN&lab.beta=Infinity&lab.t=-Infinity",
    "#lab.alpha=1e999&lab.beta=-0.1&lab.t=4001",
    "#lab.alpha=0x1&lab.beta=1_0&lab.t=1e-400000",
    "#lab.alpha=<script>alert(1)</script>&lab.x0=<img src=x onerror=alert(1)>",
    "#lab.alpha=%E0%A4%A&lab.t=%00",
    "#lab.x0=" + "0" * 32,
    "#lab.x0=" + "z" * 10_000,
    "#lab.x0=__proto__&lab.__proto__=1&lab.constructor=2&lab.toString=3",
    "#lab.x0=constructor",
    "#" + "lab.alpha=5&" * 10_000,
    "#lab.alpha=&lab.beta==&lab.t=1;2&&&=",
    "#other.alpha=0.5&LAB.alpha=0.5&xlab.alpha=0.5",
]


def page_with(*widgets: Any) -> str:
    """An HTML page holding widgets the way myst-nb writes them."""
    models = {
        widget.model_id: {
            "model_name": "AnyModel",
            "model_module": "anywidget",
            "state": {name: value for name, value in widget.get_state().items() if name != "layout"},
        }
        for widget in widgets
    }
    state = json.dumps({"state": models, "version_major": 2}).replace("</script", r"<\/script")
    view = '<script type="application/vnd.jupyter.widget-view+json">{}</script>'
    views = "".join(view.format(json.dumps({"version_major": 2, "model_id": widget.model_id})) for widget in widgets)
    return (
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><style>body { margin: 16px; } '
        "html[data-theme=dark] body { background: #14181e; color: #e8e8e8; }</style></head>"
        f"<body><main><h1>A page</h1>{views}</main>"
        f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>'
        f"<script>{HOST.read_text('utf8')}</script></body></html>"
    )


class Visit:
    """A page opened as a file, offline, with its errors and requests on record."""

    def __init__(
        self,
        browser: Browser,
        path: Path,
        fragment: str = "",
        width: int = 1280,
        dark: bool = False,
        still: bool = False,
        touch: bool = False,
        ready: str = ".ddpm .says",
        script: bool = True,
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if still else "no-preference",
            has_touch=touch,
            java_script_enabled=script,
            offline=True,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: THEIRS.search(str(error)) or self.errors.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith(LOCAL) or self.foreign.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector(ready)
        if not script:
            return
        if dark:
            self.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        self.settle()

    def close(self) -> None:
        self.context.close()

    def settle(self) -> None:
        """Waits until what was changed has been drawn."""
        self.page.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        )

    @property
    def widget(self) -> Locator:
        return self.page.locator(".ddpm").first

    @property
    def sliders(self) -> Locator:
        return self.widget.locator("input[type=range]:visible")

    def typed(self, symbol: str) -> Locator:
        """The field in which the value of α, β or t is typed."""
        return self.slider(symbol).locator("xpath=ancestor::div[contains(@class, 'slider')]").locator("input.typed")

    def slider(self, symbol: str) -> Locator:
        return self.widget.get_by_role("slider", name=re.compile(rf"^{symbol} "))

    def press(self, name: str) -> None:
        self.widget.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def says(self) -> str:
        self.settle()
        return self.widget.locator(".says").inner_text().replace("\u00a0", " ")

    def numbers(self) -> dict[str, str]:
        """The table of numbers."""
        self.settle()
        return dict(
            self.widget.evaluate(
                """widget => {
                    widget.querySelector('details.numbers').open = true;
                    return new Promise(done => requestAnimationFrame(() => setTimeout(() => done(
                        [...widget.querySelectorAll('details.numbers tr')].map(row => [...row.cells].map(c => c.textContent))))));
                }"""
            )
        )

    def broken_words(self) -> list[str]:
        """Everything a reader should never see or hear."""
        return self.widget.evaluate(
            """widget => {
                const bad = /NaN|undefined|null|Infinity|\\[object/;
                const texts = [widget.innerText];
                for (const element of widget.querySelectorAll('*')) {
                    for (const { name, value } of element.attributes) texts.push(`${element.tagName} ${name}=${value}`);
                }
                return texts.filter(text => bad.test(text)).map(text => text.slice(0, 200));
            }"""
        )


def number(text: str) -> float:
    """A number back from the way the widgets write it."""
    superscripts = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    plain = text.replace("−", "-").replace(",", "").replace("∞", "inf")
    found = re.fullmatch(r"(.*?)×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", plain)
    return float(found[1]) * 10.0 ** int(found[2].translate(superscripts)) if found else float(plain)
