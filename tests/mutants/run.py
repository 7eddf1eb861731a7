"""Mutation testing: change the package in every way a slip could, one at a time, and see whether the tests notice.

    python tests/mutants/run.py               all rooms, from scratch
    python tests/mutants/run.py posterior     one room, from scratch
    python tests/mutants/run.py --survivors   what survived the last run, against the tests of today
    python tests/mutants/run.py --report      what the last runs found, without running anything

Once every room has been run as it stands today, the result is written to benchmarks/mutants.json.

The library is mutmut. Each room is mutated in a copy of its own below _build/mutants and meets only its own quick
tests. mutmut passes over functions with a decorator; in the copy a `@property` is written as a call below the function,
which is the same to Python and makes it fair game. It changes function bodies and plain defaults only: constants of a
module (the text of the grammar), defaults of a dataclass and the one function with `@cache`, which builds the parser,
stay as they are.

A mutant that survives must stand in equivalent.toml with the reason why no test can tell it from the original.
Exits with 1 if less than 95 % of a room's other mutants are killed, or a survivor has no reason there.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
from _pytest.config import default_plugins

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "_build" / "mutants"
RECORD = ROOT / "benchmarks" / "mutants.json"
REASONS = Path(__file__).with_name("equivalent.toml")
SHARE = 0.95

GRAMMAR = [f"tests/equations/test_{name}.py" for name in ("grammar", "grammar_errors", "tree")]
ROOMS = {
    "schedules": ("schedules.py", ["tests/unit/test_schedules.py"]),
    "forward": ("forward.py", ["tests/unit/test_forward.py"]),
    "densities": ("densities.py", ["tests/unit/test_densities.py"]),
    "reverse": ("reverse.py", ["tests/unit/test_reverse.py"]),
    "posterior": ("posterior.py", ["tests/unit/test_posterior.py"]),
    "bounds": ("bounds.py", ["tests/unit/test_bounds.py"]),
    "diffusion": ("diffusion.py", ["tests/unit/test_diffusion.py"]),
    "grammar": ("equations/grammar.py", GRAMMAR),
    "tree": ("equations/tree.py", GRAMMAR),
    "evaluate": ("equations/evaluate.py", [*GRAMMAR, "tests/equations/test_joints.py"]),
    "joints": ("equations/joints.py", ["tests/equations/test_joints.py"]),
}
# What every test needs is imported once; each mutant is tried in a fork of that process, and `freeze` keeps the
# garbage collector from touching, and thereby copying, all of it.
PRELOAD = ["_hypothesis_pytestplugin", "hypothesis.strategies", "scipy.stats", "scipy.integrate", "mpmath", "torch"]
PRELOAD += ["diffusers.schedulers.scheduling_ddpm", "diffusers.schedulers.scheduling_ddim", "lark", "sympy", "pytest"]
PRELOAD += ["torch._meta_registrations"]
PRELOAD += [*(f"_pytest.{plugin}" for plugin in default_plugins), "freeze"]
FREEZE = "import gc\n\ngc.collect()\ngc.freeze()\n"

PROJECT = """
[tool.mutmut]
source_paths = ["ddpm_edu"]
only_mutate = ["ddpm_edu/{file}"]
also_copy = ["conftest.py", "freeze.py"]
pytest_add_cli_args = ["-p", "hypothesispytest", "-p", "no:cacheprovider", "--assert=plain", "--hypothesis-profile=mutants"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver"
forkserver_warmup = "import"
preload_modules_file = "preload.txt"
timeout_multiplier = 2.0
timeout_constant = 10.0
use_git_change_detection = false

[tool.pytest.ini_options]
filterwarnings = ["error"]
"""
# Few examples, none of them made smaller once one fails, the fastest tests first, and none that takes
# three seconds.
CONFTEST = """
import json
from pathlib import Path

from hypothesis import Phase, settings

settings.register_profile(
    "mutants", derandomize=True, deadline=None, max_examples=12, database=None, phases=[Phase.explicit, Phase.generate]
)


def pytest_collection_modifyitems(items):
    stats = Path("mutmut-stats.json")
    seconds = json.loads(stats.read_text())["duration_by_test"] if stats.exists() else {}

    def took(item):
        return seconds.get(item.nodeid, 0)

    items[:] = sorted((item for item in items if took(item) < 3), key=took)
"""


class Mutant(NamedTuple):
    """One change: where, what stood there, what stands there instead (lines without indentation), and its fate."""

    function: str
    old: str
    new: str
    status: str
    name: str


class Undecorate(cst.CSTTransformer):
    """`@property def f` becomes `def f` and `f = property(f)`."""

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        match updated_node.decorators:
            case [cst.Decorator(decorator=cst.Name("property"))]:
                name = updated_node.name.value
                call = cst.parse_statement(f"{name} = property({name})")
                return cst.FlattenSentinel([updated_node.with_changes(decorators=[]), call])
        return updated_node


def lay_out(room: str) -> Path:
    """The room's own copy of package and tests; what an earlier run found in it stays."""
    file, tests = ROOMS[room]
    place = WORK / room
    place.mkdir(parents=True, exist_ok=True)
    for folder in ("ddpm_edu", "tests/unit", "tests/equations"):
        shutil.rmtree(place / folder, ignore_errors=True)
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(place / "mutants" / "tests", ignore_errors=True)
    source = place / "ddpm_edu" / file
    source.write_text(cst.parse_module(source.read_text("utf-8")).visit(Undecorate()).code, "utf-8")
    (place / "pyproject.toml").write_text(PROJECT.format(file=file, tests=json.dumps(tests)))
    (place / "conftest.py").write_text(CONFTEST)
    (place / "freeze.py").write_text(FREEZE)
    (place / "preload.txt").write_text("\n".join(PRELOAD))
    return place


def mutate(room: str, survivors_only: bool) -> None:
    """Run mutmut over the room: all of it from scratch, or what survived the last run of the same source."""
    place = WORK / room
    survivors_only = survivors_only and past(room)["source"] == fingerprint(room)
    names = [mutant.name for mutant in look(room) if mutant.status != "killed"] if survivors_only else []
    if survivors_only and not names:
        return
    if not survivors_only:
        shutil.rmtree(place, ignore_errors=True)
    source = fingerprint(room)
    lay_out(room)
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, not for each mutant
    started = time.monotonic()
    with open(place / "mutmut.log", "w") as log:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
        done = subprocess.run(command, cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"mutmut stopped in {room}:\n" + (place / "mutmut.log").read_text()[-3000:])
    seconds = time.monotonic() - started + (past(room)["seconds"] if survivors_only else 0)
    (place / "run.json").write_text(json.dumps({"source": source, "seconds": seconds}))


def fingerprint(room: str) -> str:
    """What the room's source says now, comments and docstrings aside, and how it is tried."""
    tree = ast.parse((ROOT / "ddpm_edu" / ROOMS[room][0]).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body.pop(0)
    return hashlib.sha256(f"{ast.dump(tree)} {ROOMS[room]} {PROJECT}".encode()).hexdigest()


def past(room: str) -> dict[str, Any]:
    """Of which source the room's last run was, and how long it took."""
    path = WORK / room / "run.json"
    return json.loads(path.read_text()) if path.exists() else {"source": "", "seconds": 0.0}


def look(room: str) -> list[Mutant]:
    """All mutants of the room with their fates, from the files that mutmut keeps."""
    from mutmut.stats import status_by_exit_code

    path = WORK / room / "mutants" / "ddpm_edu" / ROOMS[room][0]
    fates = json.loads(path.with_name(path.name + ".meta").read_text("utf-8"))["exit_code_by_key"]
    bodies = _bodies(path.read_text("utf-8"))
    mutants = []
    for name, fate in fates.items():
        mutated = name.rpartition(".")[2]
        stem = mutated.partition("__mutmut_")[0]
        old, new = _difference(bodies[f"{stem}__mutmut_orig"], bodies[mutated])
        function = stem.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        status = status_by_exit_code[fate]
        # "timeout" is what mutmut calls a file of tests that cannot even be imported, and an endless loop.
        status = "killed" if status in ("killed", "timeout", "segfault") else status
        mutants.append(Mutant(f"{room}.{function}", old, new, status, name))
    return mutants


def _bodies(source: str) -> dict[str, list[str]]:
    """The lines of each function that mutmut wrote, without indentation, and with one name for all variants."""
    lines = source.splitlines()
    return {
        node.name: [line.strip().replace(node.name, "f") for line in lines[node.lineno - 1 : node.end_lineno]]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name
    }


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    changes = [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
    old, new = ("\n".join(line[2:] for line in changes if line[0] == sign) for sign in "-+")
    return old, new


def explained() -> dict[tuple[str, str, str], str]:
    """The reasons on record, by function, old and new text."""
    if not REASONS.exists():
        return {}
    entries = tomllib.loads(REASONS.read_text("utf-8"))["mutant"]
    return {(entry["function"], entry["old"].strip(), entry["new"].strip()): entry["reason"] for entry in entries}


def report(rooms: list[str]) -> tuple[dict[str, Any], bool]:
    """Print what survived and the share of each room; the record, and whether all is well."""
    reasons, seen, fine = explained(), set(), True
    record: dict[str, Any] = {
        "tool": f"mutmut {version('mutmut')}",
        "python": platform.python_version(),
        "processor": f"{platform.machine()}, one worker at low priority",
        "rooms": {},
    }
    for room in rooms:
        if past(room)["source"] != fingerprint(room):
            print(f"{room} was not run as it stands now")
            fine = False
            continue
        mutants = look(room)
        survivors = [mutant for mutant in mutants if mutant.status != "killed"]
        open_ones = [mutant for mutant in survivors if mutant[:3] not in reasons]
        waiting = [mutant for mutant in open_ones if mutant.status == "not checked"]
        if waiting:
            print(f"{room}: {len(waiting)} mutants were not tried; run the room from scratch")
        seen |= {mutant[:3] for mutant in survivors}
        for mutant in (mutant for mutant in open_ones if mutant.status != "not checked"):
            print(f"{mutant.status}: {mutant.function}  ({mutant.name.rpartition('.')[2]})")
            print("\n".join(f"  - {line}" for line in mutant.old.split("\n")))
            print("\n".join(f"  + {line}" for line in mutant.new.split("\n")))
        killed, equivalent = len(mutants) - len(survivors), len(survivors) - len(open_ones)
        fine &= not open_ones and killed / (len(mutants) - equivalent) >= SHARE
        record["rooms"][room] = {
            "mutants": len(mutants),
            "killed": killed,
            "equivalent": equivalent,
            "survived": len(open_ones),
            "seconds": round(past(room)["seconds"]),
        }
        print(
            f"{room:10} {len(mutants):4} mutants, {killed} killed ({killed / len(mutants):.1%}), "
            f"{equivalent} equivalent, {len(open_ones)} survived"
        )
    for function, old, new in reasons.keys() - seen:
        if function.partition(".")[0] in record["rooms"]:
            print(f"equivalent.toml explains a mutant that does not survive: {function}\n  - {old}\n  + {new}")
            fine = False
    counts = record["rooms"].values()
    record["all"] = {
        key: sum(each[key] for each in counts) for key in ("mutants", "killed", "equivalent", "survived", "seconds")
    }
    if record["all"]["mutants"]:
        print(
            f"{'all':10} {record['all']['mutants']:4} mutants, {record['all']['killed'] / record['all']['mutants']:.1%} killed"
        )
    return record, fine


def main() -> int:
    parser = argparse.ArgumentParser(description="Change the package and see whether the tests notice.")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"among {', '.join(ROOMS)}; all unless named")
    parser.add_argument("--survivors", action="store_true", help="only what survived the last run")
    parser.add_argument("--report", action="store_true", help="run nothing, read what the last runs left")
    arguments = parser.parse_args()
    if unknown := set(arguments.rooms) - set(ROOMS):
        parser.error(f"no such room: {', '.join(sorted(unknown))}; there are {', '.join(ROOMS)}")
    rooms = arguments.rooms or list(ROOMS)
    for room in rooms if not arguments.report else []:
        mutate(room, arguments.survivors)
    record, fine = report(rooms)
    if list(record["rooms"]) == list(ROOMS):
        RECORD.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        print(f"written to {RECORD.relative_to(ROOT)}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
