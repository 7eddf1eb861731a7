"""The list of equivalent mutants speaks of the source as it is, and the record of the last run is a good one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text("utf-8"))["mutant"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["function"])
def test_a_reason_speaks_of_lines_that_stand(entry: dict[str, str]) -> None:
    room, _, function = entry["function"].partition(".")
    places = [ROOT / "ddpm_edu" / f"{room}.py", ROOT / "ddpm_edu" / "equations" / f"{room}.py"]
    source = next(place for place in places if place.exists()).read_text("utf-8")
    assert f"def {function.rpartition('.')[2]}(" in source
    lines = {line.strip() for line in source.splitlines()}
    assert set(entry["old"].strip().splitlines()) <= lines
    assert entry["old"].strip() != entry["new"].strip()
    assert len(entry["reason"]) > 10


def test_no_mutant_is_explained_twice() -> None:
    keys = [(entry["function"], entry["old"], entry["new"]) for entry in ENTRIES]
    assert len(set(keys)) == len(keys)


def test_the_record_has_95_percent_and_no_survivor_without_a_reason() -> None:
    record = json.loads((ROOT / "benchmarks" / "mutants.json").read_text("utf-8"))
    for name, room in {**record["rooms"], "all": record["all"]}.items():
        assert room["survived"] == 0, name
        assert room["killed"] + room["equivalent"] == room["mutants"], name
        assert room["killed"] >= 0.95 * (room["mutants"] - room["equivalent"]), name
    assert record["all"]["killed"] >= 0.95 * record["all"]["mutants"]
