"""What the U-Net costs in the page: headless Chromium, a page opened as a file, beside PyTorch on one thread in one run.

    python benchmarks/page_network.py       measures; writes page_network.json

From the press: weights read from the file, worker started, 50 DDIM steps of one digit, everything in its own thread as the
reader has it. Per evaluation: the worker's own computing time over 200 steps, after the compiler has seen the program.
How near: the largest difference from PyTorch with the same weights in half precision, on noisy digits at ten times, and
how far the rounding to half precision itself moves the answers.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from playwright.sync_api import sync_playwright

from ddpm_edu import forward, record, schedules
from ddpm_edu.unet import UNet
from ddpm_edu.widgets import bundle, weights

HERE = Path(__file__).resolve().parent
TARGET_MS, TARGET_DIFFERENCE = 8.0, 1e-4
ROUNDS, TIMES = 5, (1, 2, 10, 50, 100, 250, 500, 750, 999, 1000)

WALK = """([options, keep]) => new Promise((done, failed) => {
    const begun = performance.now();
    const seconds = [];
    let last;
    unet.start(options, {
        step: s => { seconds.push(s.seconds); if (keep) last = Array.from(s.x_t); },
        failed,
        done: () => done({ wall: (performance.now() - begun) / 1000, seconds, last }),
    });
})"""


def chromium() -> str:
    """Where Chromium is. Raises FileNotFoundError, saying how to get it, where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("Chromium is missing; as root: apt-get install chromium")


def page(folder: Path) -> Path:
    """A page in which `E` holds `openUNet` and `M` the network itself, its weights beside it."""
    weights.write_scripts(folder / "_static")
    text = bundle.bundled("digits.js") + "\nexport { openUNet, makeUNet };"
    source = json.dumps(text).replace("</", "<\\/")
    blob = f"URL.createObjectURL(new Blob([{source}], {{ type: 'text/javascript' }}))"
    path = folder / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>x</title><script>'
        f"window.ddpmWidgetHost = true; import({blob}).then(E => {{ window.E = E; }})</script>",
        "utf8",
    )
    return path


def in_the_page(x: np.ndarray) -> tuple[dict[str, Any], np.ndarray, str]:
    """Times in seconds, the network's answers to x at TIMES, and the browser's version."""
    presses, evaluations = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = page(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        for _ in range(ROUNDS):
            tab = browser.new_page()
            tab.set_default_timeout(120_000)
            tab.goto(path.as_uri())
            tab.wait_for_function("window.E !== undefined")
            opened = tab.evaluate(
                "async () => { const begun = performance.now(); window.unet = await E.openUNet({}); return (performance.now() - begun) / 1000; }"
            )
            drawn = tab.evaluate(WALK, [{"sampler": "ddim", "steps": 50}, False])
            presses.append((opened, opened + drawn["wall"]))
            steps = tab.evaluate(WALK, [{"sampler": "ddim", "steps": 200}, False])["seconds"]
            evaluations += [1000 * second for second in np.diff(steps)]
            answers = tab.evaluate(
                """async ([xs, times]) => {
                    const { description, program } = ddpmWeights[0];
                    const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
                    const halves = new Uint16Array(bytes(ddpmWeights.slice(1).join('')).buffer);
                    const network = await E.makeUNet(description, halves, await WebAssembly.compile(bytes(program)));
                    return xs.map((x, i) => Array.from(network.eps(Float32Array.from(x), times[i])));
                }""",
                [x.reshape(len(x), -1).tolist(), TIMES],
            )
            tab.close()
        version = browser.version
        browser.close()
    ordered = sorted(evaluations)
    times = {
        "weights_and_worker_s": round(statistics.median(opened for opened, _ in presses), 3),
        "press_to_50_ddim_steps_s": round(statistics.median(drawn for _, drawn in presses), 3),
        "per_evaluation_ms": {
            "least": round(ordered[0], 2),
            "p50": round(statistics.median(ordered), 2),
            "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
            "evaluations": len(ordered),
        },
    }
    return times, np.array(answers).reshape(x.shape), version


@torch.inference_mode()
def in_torch(network: UNet, x: torch.Tensor) -> dict[str, float]:
    """Milliseconds for one digit on one thread."""
    torch.set_num_threads(1)
    spent = []
    for _ in range(100):
        begun = time.perf_counter()
        network(x[:1], torch.tensor([500]))
        spent.append(1000 * (time.perf_counter() - begun))
    return {"least": round(min(spent), 2), "p50": round(statistics.median(spent), 2)}


@torch.inference_mode()
def main() -> int:
    """Measure, compare, write the record; the exit status is 1 where a target is missed."""
    network, config = record.load_run(record.find_run(weights.RUN))
    rounded = UNet(config.unet).eval()
    rounded.load_state_dict({name: value.half().float() for name, value in network.state_dict().items()})
    t, rng = torch.tensor(TIMES), torch.Generator().manual_seed(0)
    strokes = torch.full((len(t), 1, 28, 28), -1.0)
    strokes[:, :, 6:22, 12:16] = 1
    x = forward.q_sample(strokes, t, schedules.linear().to("cpu"), torch.randn(strokes.shape, generator=rng))
    times, answers, version = in_the_page(x.numpy())
    wanted, unrounded = rounded(x, t).numpy(), network(x, t).numpy()
    sizes = {name: len(text) for name, text in weights.scripts().items()}
    program = (Path(weights.__file__).parent / "unet.wasm").read_bytes()
    difference = float(np.abs(answers - wanted).max())
    result = {
        "run": weights.RUN,
        "parameters": weights.parcel().description["parameters"],
        "page": times,
        "torch_per_evaluation_ms": in_torch(network, x),
        "difference_from_torch": float(f"{difference:.2g}"),
        "half_precision_moves": {
            "root_mean_square": float(f"{np.sqrt(((wanted - unrounded) ** 2).mean()):.2g}"),
            "largest": float(f"{np.abs(wanted - unrounded).max():.2g}"),
        },
        "bytes": {
            "program": len(program),
            "program_gzipped": len(gzip.compress(program, 9)),
            "scripts": sum(sizes.values()),
            "scripts_gzipped": sum(len(gzip.compress(text.encode(), 9)) for text in weights.scripts().values()),
        },
        "targets": {"per_evaluation_ms": TARGET_MS, "difference_from_torch": TARGET_DIFFERENCE},
        "met": times["per_evaluation_ms"]["p50"] <= TARGET_MS and difference <= TARGET_DIFFERENCE,
        "machine": {
            **record.machine(torch.device("cpu")),
            "load_average": round(os.getloadavg()[0], 1),
            "chromium": version,
        },
        "date": time.strftime("%Y-%m-%d"),
    }
    (HERE / "page_network.json").write_text(json.dumps(result, indent=2) + "\n", "utf8")
    print(json.dumps(result, indent=2))
    return int(not result["met"])


if __name__ == "__main__":
    sys.exit(main())
