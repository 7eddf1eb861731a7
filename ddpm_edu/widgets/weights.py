"""The trained network as the page carries it: its weights in half precision, its shape, and the compiled layers.

The built page loads them as scripts, since a page opened as a file may not fetch one; a notebook's widget asks its
kernel. Neither does so before the reader presses the button.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

#: The run whose network draws in the page.
RUN = "page"

#: Scripts that the weights are cut into, so that a slow connection shows progress.
PIECES = 8


class Parcel(NamedTuple):
    """What unet.js needs to be the network."""

    description: dict[str, Any]
    """run, unet (UNetConfig as plain values), T, beta (β_0 … β_T), tensors (name and shape, in the weights' order), parameters."""
    program: bytes
    """unet.wasm."""
    weights: bytes
    """All weights one after the other, float16, little-endian."""


@cache
def parcel(name: str = RUN) -> Parcel:
    """Pack the network of a recorded run.

    Raises FileNotFoundError if there is no such run, ValueError if the page cannot run its network: one that answers with
    anything but ε, that has attention or Fourier features, or whose weights do not fit half precision.
    """
    from .. import record

    folder = record.find_run(name)
    network, config = record.load_run(folder)
    if config.target != "eps":
        raise ValueError(f"name must be a run whose target is 'eps', but that of {name!r} is {config.target!r}")
    unet = config.unet
    if unet.attention or unet.fourier or unet.outputs != 1:
        raise ValueError(
            "name must be a run without attention, without Fourier features and with one output, "
            f"but {name!r} has attention {unet.attention}, fourier {unet.fourier} and {unet.outputs} outputs"
        )
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    with np.errstate(over="ignore"):
        halves = np.concatenate([tensor.astype("<f2").ravel() for tensor in tensors.values()])
    if not np.isfinite(halves).all():
        raise ValueError(f"name must be a run whose weights fit half precision, but {name!r} has larger ones")
    schedule = config.make_schedule()
    description = {
        "run": name,
        "unet": asdict(unet),
        "T": schedule.T,
        "beta": schedule.beta.tolist(),
        "tensors": [[key, list(value.shape)] for key, value in tensors.items()],
        "parameters": len(halves),
    }
    return Parcel(description, (Path(__file__).parent / "unet.wasm").read_bytes(), halves.tobytes())


def scripts(name: str = RUN) -> dict[str, str]:
    """Return the classic scripts that put the parcel into a page, under their file names.

    The first holds the description, the program and the number of the others, which hold the weights in base64.
    """
    description, program, weights = parcel(name)
    text = base64.b64encode(weights).decode()
    size = -(-len(text) // PIECES // 4) * 4  # fours of letters stand for whole bytes
    pieces: list[Any] = [{"description": description, "program": base64.b64encode(program).decode(), "count": PIECES}]
    pieces += [text[size * k : size * (k + 1)] for k in range(PIECES)]
    return {
        f"digits-weights-{k}.js": f"(window.ddpmWeights = window.ddpmWeights || [])[{k}] = {json.dumps(piece)};\n"
        for k, piece in enumerate(pieces)
    }


def write_scripts(folder: str | Path, name: str = RUN) -> None:
    """Write the scripts into a folder, which is made if it is missing; files that hold the same already stay."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in scripts(name).items():
        path = folder / file
        if not path.exists() or path.read_text("utf8") != text:
            path.write_text(text, "utf8")


@cache
def size(name: str = RUN) -> int:
    """How many bytes a page loads, uncompressed; 0 where the run is missing or is none that a page can run."""
    try:
        return sum(len(text) for text in scripts(name).values())
    except (OSError, ValueError):
        return 0


def answer(widget: Any, content: Any, buffers: Any) -> None:
    """Send the parcel to a notebook's widget that asks for its weights; a handler for `on_msg`."""
    if not isinstance(content, dict) or content.get("type") != "weights":
        return
    try:
        description, program, weights = parcel()
    except (OSError, ValueError) as error:
        widget.send({"type": "weights", "error": f"The network’s weights could not be read: {error}"})
        return
    widget.send({"type": "weights", "description": description}, buffers=[program, weights])
