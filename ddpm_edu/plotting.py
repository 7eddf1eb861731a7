"""One style and one palette for every figure; each function takes `ax` and returns it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import arguments
from .densities import Density

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .unet import UNetConfig

PALETTE: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "palette.json").read_text(encoding="utf-8"))
"""The colours of page, figures and widgets, for a light and a dark ground."""

COLOURS: dict[str, str] = PALETTE["light"]
"""The colours of figures: alpha, beta, epsilon, x_0, x_t and normal. The page turns them round on a dark ground."""


def use_style() -> None:
    """Set Matplotlib's defaults for the book: a transparent ground, few lines, text of the page's size."""
    import matplotlib as mpl
    from cycler import cycler

    ink = COLOURS["x_t"]
    mpl.rcParams.update(
        {
            "figure.figsize": (7.2, 3.0),
            "figure.dpi": 110,
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "none",
            "savefig.dpi": 160,
            "axes.facecolor": "none",
            "axes.edgecolor": COLOURS["normal"],
            "axes.labelcolor": ink,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.prop_cycle": cycler(color=[COLOURS[name] for name in ("alpha", "beta", "epsilon", "x_0")]),
            "font.size": 10,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "lines.linewidth": 2,
            "text.color": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
        }
    )


def density(ax: Axes, law: Density, x: np.ndarray, label: str = "x_t", **style: Any) -> Axes:
    """Draw a density over x, shape (N,), as a filled curve in the colour of x_t unless `style` says otherwise."""
    style = {"color": COLOURS["x_t"], **style}
    p = law.pdf(x)
    ax.plot(x, p, label=label, **style)
    ax.fill_between(x, p, color=style["color"], alpha=0.12, linewidth=0)
    ax.set_ylim(bottom=0)
    return ax


def standard_normal(ax: Axes, x: np.ndarray, label: str = "N(0, 1)") -> Axes:
    """Draw the density of N(0, 1) over x, shape (N,), as a dashed grey line."""
    ax.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), "--", color=COLOURS["normal"], label=label)
    return ax


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Images, (N, H, W), side by side in rows with a pixel of black between them: one image, of their type.

    columns: how many in a row, about √N unless given. Raises ValueError if there are no images or columns is below 1.
    """
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images must have shape (N, H, W) with N ≥ 1, but its shape was {images.shape}")
    n, height, width = images.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else arguments.integer("columns", columns, 1)
    rows = math.ceil(n / columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1), images.dtype)
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet


def images(ax: Axes, pictures: np.ndarray, columns: int | None = None) -> Axes:
    """Draw grey images, uint8 (N, H, W), as a grid without axes."""
    ax.imshow(grid(pictures, columns), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_axis_off()
    return ax


def strip(ax: Axes, x: np.ndarray, labels: Sequence[str]) -> Axes:
    """Draw pictures, float (N, H, W) in [−1, 1], in one row on a dark ground like a strip of film, with a label below each.

    Values beyond −1 and 1 are drawn as black and white. The ground is the whole figure's.
    Raises ValueError if there is not one label for each picture.
    """
    x = np.asarray(x)
    if len(labels) != len(x):
        raise ValueError(f"labels must be one for each of the {len(x)} pictures, but there were {len(labels)}")
    images(ax, np.round(127.5 * (np.clip(x, -1, 1) + 1)).astype(np.uint8), columns=len(x))
    height, width = x.shape[1:]
    for place, label in enumerate(labels):
        middle = place * (width + 1) + (width - 1) / 2
        ax.text(middle, height + 1, label, color=PALETTE["dark"]["x_t"], ha="center", va="top", fontsize=9)
    ax.set_ylim(height + 6, -1)
    ax.figure.set_facecolor("#161616")
    return ax


def midpoints(ax: Axes, x: np.ndarray, edges: np.ndarray, label: str = "particles", **style: Any) -> Axes:
    """Draw the histogram of particles, shape (n,), over bars with `edges`, shape (K + 1,), and join the bars' midpoints."""
    style = {"color": COLOURS["x_t"], "linewidth": 1.2, "marker": "o", "markersize": 3, **style}
    heights, _ = np.histogram(x, edges, density=True)
    ax.stairs(heights, edges, fill=True, color=style["color"], alpha=0.15)
    ax.plot((edges[:-1] + edges[1:]) / 2, heights, label=label, **style)
    ax.set_ylim(bottom=0)
    return ax


def u_net(ax: Axes, config: UNetConfig) -> Axes:
    """Draw a U-Net: a box for every feature map, as tall as its image and as wide as its channels, and the joins dashed."""
    from matplotlib.patches import Rectangle

    channels = [config.channels * m for m in config.multipliers]
    maps = [(0, config.channels)]  # (resolution, channels) of every feature map, in the order of `UNet.forward`
    for level, c in enumerate(channels):
        maps += [(level, channels[level - 1])] * (level > 0) + [(level, c)] * config.blocks
    n_kept, last = len(maps), len(channels) - 1
    maps += [(last, channels[-1])] * 2
    for level in range(last, -1, -1):
        maps += [(level, channels[level])] * (config.blocks + 1)

    widths = np.array([0.25 + 0.5 * c / max(channels) for _, c in maps])
    left = np.cumsum(widths + 0.55) - widths
    heights = 2.0 ** -np.arange(last + 1)
    floor = -np.cumsum(heights + 0.75)
    ink, grey = COLOURS["x_t"], COLOURS["normal"]
    arrow = {"arrowstyle": "-|>", "color": ink, "lw": 1.2, "shrinkA": 1, "shrinkB": 1}
    for i, (level, c) in enumerate(maps):
        ax.add_patch(Rectangle((left[i], floor[level]), widths[i], heights[level], fc="#0072B222", ec=ink, lw=1.2))
        ax.text(left[i] + widths[i] / 2, floor[level] - 0.06, str(c), ha="center", va="top", fontsize=9)
        if i:
            before = maps[i - 1][0]
            start = (left[i - 1] + widths[i - 1], floor[before] + heights[before] / 2)
            ax.annotate("", (left[i], floor[level] + heights[level] / 2), start, arrowprops=arrow)
    for source, target in zip(reversed(range(n_kept)), range(n_kept + 2, len(maps)), strict=True):
        level = maps[source][0]
        top = floor[level] + heights[level]
        x = [left[source] + widths[source] / 2, left[target] + widths[target] / 2]
        lift = top + 0.14 + 0.13 * (sum(maps[j][0] == level for j in range(source, n_kept)) - 1)
        ax.plot([x[0], x[0], x[1]], [top, lift, lift], "--", color=grey, lw=1.3)
        ax.annotate("", (x[1], top), (x[1], lift), arrowprops=arrow | {"color": grey, "shrinkA": 0})
    for level in range(last + 1):
        size = config.image_size // 2**level
        ax.text(left[0] - 1.15, floor[level] + heights[level] / 2, f"{size}×{size}", ha="right", va="center")
    top = floor[0] + heights[0] / 2
    ax.annotate("$x_t$", (left[0], top), (left[0] - 0.5, top), arrowprops=arrow, ha="right", va="center")
    end = left[-1] + widths[-1]
    back = arrow | {"arrowstyle": "<|-"}
    ax.annotate("$\\varepsilon_\\theta$", (end, top), (end + 0.5, top), arrowprops=back, va="center")
    ax.set(xlim=(left[0] - 2.4, end + 1.1), ylim=(floor[-1] - 0.35, floor[0] + heights[0] + 0.6))
    ax.set_axis_off()
    return ax


def strips(ax: Axes, rows: Sequence[np.ndarray], labels: Sequence[str]) -> Axes:
    """Draw rows of pictures, each float (N, H, W) in [−1, 1], as one `strip`: what belongs together stands in one column."""
    bar = -np.ones((len(labels), 1, np.shape(rows[0])[-1]))
    parts = [part for row in rows for part in (bar, np.asarray(row))]
    return strip(ax, np.concatenate(parts[1:], axis=1), labels)
