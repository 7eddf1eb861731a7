"""What each change brought in bits per dimension: small networks, equal but for one choice after another, written to benchmarks/likelihood.json.

Run it with `.venv/bin/python benchmarks/likelihood.py` for everything, or name the rows that are to be made anew.
Each row changes one thing in the row before it, trains a network from scratch on the same digits with the same seed for the same
number of steps, and measures the bound on the same test digits with the same noise. All networks are trained for a minute or less, far from
the end, so the rows say what a choice is worth early on; the run `likelihood` says where the last row leads.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddpm_edu import configuration, data, likelihood, record, training, unet

PATH = Path(__file__).with_suffix(".json")
STEPS, DIGITS, REPEATS, CALIBRATION = 200, 500, 4, 500

CHANGES: dict[str, dict[str, str]] = {
    "linear": {
        "target": "eps",
        "unet.outputs": "1",
        "unet.fourier": "",
        "weighting": "simple",
        "times": "uniform",
        "schedule": "linear",
    },
    "log_linear": {"schedule": "log_linear"},
    "belief": {"target": "belief", "unet.outputs": "24", "weighting": "bound"},
    "stratified": {"times": "stratified"},
    "fourier": {"unet.fourier": "6,7"},
}
"""What each row changes in the row before it; the first one starts from the preset `likelihood`, and so the last one is that preset."""


def main(names: list[str]) -> None:
    unknown = set(names) - set(CHANGES)
    if unknown:
        sys.exit(f"rows must be of {', '.join(CHANGES)}, but there was {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    for name in names or list(CHANGES):
        row = measure(config_of(name))
        write(name, row)
        print(f"{name:12} {row['bits_per_dim']:.3f} ± {row['stderr']:.3f}   {row['seconds']} s", flush=True)


def config_of(name: str) -> configuration.TrainingConfig:
    """The configuration of a row: the changes of all rows down to it, one after another."""
    texts: dict[str, str] = {"steps": str(STEPS), "warmup": "20", "ema": "0.98", "interval": str(STEPS)}
    for row, changes in CHANGES.items():
        texts |= changes
        if row == name:
            break
    return configuration.change(configuration.preset("likelihood"), texts)


def measure(config: configuration.TrainingConfig) -> dict[str, Any]:
    """Train a network, and find its bits per dimension with each choice of the variances."""
    started = time.process_time()
    train, test = data.mnist("train").images, data.mnist("test").images[:DIGITS]
    trainer = training.Trainer(config, train, test[:2])
    for _ in range(STEPS):
        trainer.step()
    seconds = time.process_time() - started
    model = config.noise_model(trainer.averaged.module.eval(), trainer.schedule)

    def ask(images: np.ndarray, seed: int) -> likelihood.Errors:
        x_0 = torch.from_numpy(data.to_unit_range(images))
        rng = torch.Generator().manual_seed(seed)
        return likelihood.errors(model, trainer.schedule, x_0, REPEATS, rng, batch=50)

    best = ask(train[-CALIBRATION:], 1).best_variance()
    found = ask(test, 2)
    ledgers = {
        name: found.ledger(value) for name, value in (("beta", "beta"), ("beta_tilde", "beta_tilde"), ("best", best))
    }
    top = ledgers["best"]
    return {
        "bits_per_dim": round(top.bits_per_dim, 4),
        "stderr": round(top.stderr, 4),
        "L_T": round(top.L_T, 5),
        "L_t": round(float(top.L_t.sum()), 4),
        "L_0": round(top.L_0, 4),
        "beta": round(ledgers["beta"].bits_per_dim, 4),
        "beta_tilde": round(ledgers["beta_tilde"].bits_per_dim, 4),
        "seconds": round(seconds, 1),
    }


def write(name: str, row: dict[str, Any]) -> None:
    """Put a row into the record, and what holds for all of them."""
    content = json.loads(PATH.read_text(encoding="utf-8")) if PATH.is_file() else {"rows": {}}
    config = config_of(name)
    content |= {
        "training": {
            "steps": STEPS,
            "batch": config.batch,
            "rate": config.learning_rate,
            "channels": config.unet.channels,
        },
        "parameters": unet.parameter_count(unet.UNet(config.unet)),
        "measured": {"digits": DIGITS, "evaluations": DIGITS * (REPEATS + 1), "best_variance_from": CALIBRATION},
        "seconds": "of one thread, for training",
        "machine": record.machine(torch.device("cpu")),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    rows = content["rows"] | {name: {"changed": CHANGES[name]} | row}
    content["rows"] = {row: rows[row] for row in CHANGES if row in rows}
    PATH.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
