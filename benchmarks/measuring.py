"""What the benchmarks share: their command line, a clock that waits for the card, turns in rounds, and the record they write."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ddpm_edu import distributed, record, training


def parser(text: str, script: str) -> argparse.ArgumentParser:
    """The options that every benchmark takes; the record stands beside the script unless --out names another file."""
    options = argparse.ArgumentParser(description=text.splitlines()[0], allow_abbrev=False)
    options.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    options.add_argument("--quick", action="store_true", help="a dry run of seconds, whose numbers mean nothing")
    options.add_argument("--out", type=Path, default=Path(script).with_suffix(".json"), help="the record to write")
    return options


def prepare(name: str) -> torch.device:
    """The device, made ready: one thread on a CPU, the quickest convolutions on a card."""
    device = distributed.check_device(name)
    torch.set_num_threads(1)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        from torch._dynamo import config

        # One forward is compiled for many networks and batches; past the limit it would in silence be compiled no more.
        config.recompile_limit, config.fail_on_recompile_limit_hit = 100, True
    return device


def precision(device: torch.device) -> torch.autocast:
    """The numbers to train with: float32 on a CPU, on a card what `training.precision` chooses."""
    kind = training.precision(device)
    return torch.autocast(device.type, kind, enabled=kind != torch.float32)


def seconds(call: Callable[[], Any], device: torch.device) -> float:
    """The wall time of one call, the card's work included."""
    synchronise(device)
    started = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - started


def turns(calls: dict[str, Callable[[], Any]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """The times of all calls, taken in turns (A B C A B C …), so that a busy machine is unfair to none."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            spent[name].append(seconds(call, device))
    return spent


def rate(spent: Sequence[float], items: int) -> dict[str, float]:
    """Items a second, from the times of several calls: at the median, and at the quickest."""
    return {"median": figures(items / statistics.median(spent)), "best": figures(items / min(spent))}


def figures(value: float, digits: int = 3) -> float:
    """The value with as many figures as a clock on a shared machine deserves."""
    return float(f"{value:.{digits}g}")


def shown(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a result, each printed as soon as it is measured."""
    seen = []
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), flush=True)
        seen.append(row)
    return seen


def synchronise(device: torch.device) -> None:
    """Wait until the card has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_mebibytes(call: Callable[[], Any], device: torch.device) -> float | None:
    """The most memory on the card during a call, in MiB; None on a CPU, where the process holds much else."""
    if device.type != "cuda":
        call()
        return None
    torch.cuda.reset_peak_memory_stats()
    call()
    synchronise(device)
    return round(torch.cuda.max_memory_allocated() / 2**20, 1)


def parameters(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def write(options: argparse.Namespace, device: torch.device, versions: dict[str, str], result: dict[str, Any]) -> None:
    """Put the result into the record under the device's kind, beside what stands there of the other kind and of other parts."""
    book = json.loads(options.out.read_text("utf-8")) if options.out.is_file() else {}
    made = {
        "machine": record.machine(device) | {"threads": torch.get_num_threads()},
        "versions": versions,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "quick": options.quick,
    }
    book[device.type] = book.get(device.type, {}) | made | result
    text = json.dumps(book, indent=2, ensure_ascii=False) + "\n"
    record.write_whole(options.out, text.encode())
