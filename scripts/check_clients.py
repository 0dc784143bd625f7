"""Run the tests of every client in an environment of its own, and write docs/ecosystem.md's table.

A virtual environment in .venv-clients/ holds one client and what it needs, on top of the packages
of this interpreter: torch is never installed anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv-clients"
TESTS = ROOT / "tests" / "clients"
RESULTS = TESTS / "results.json"
PAGE = ROOT / "docs" / "ecosystem.md"
TABLE = re.compile(r"(<!-- clients: .*?-->\n).*?(<!-- end of clients -->)", re.DOTALL)

ENVIRONMENTS: Mapping[str, str] = {
    "think_solve-v0": "AEC, text",
    "vote-v0": "AEC, text",
    "vote-v0 parallel": "parallel, text",
    "debate-v0": "AEC, text",
    "signal-v0": "AEC, arrays",
    "ThinkSolve-v0": "Gymnasium, text",
    "Signal-v0": "Gymnasium, arrays",
}
"""The environments by id, without `ccpo_env/`, and what they are."""


@dataclass(frozen=True)
class Client:
    """A package that somebody else wrote, and that takes our environments.

    Args:
        package: Its name, the version of which the table shows.
        install: What its virtual environment needs; nothing: this interpreter has it.
        reasons: Why it cannot take an environment, for those for which there is no test.
    """

    package: str
    install: tuple[str, ...] = ()
    reasons: Mapping[str, str] | None = None


AEC = ("think_solve-v0", "vote-v0", "debate-v0", "signal-v0")
TEAMS = (*AEC, "vote-v0 parallel")
VIEWS = ("ThinkSolve-v0", "Signal-v0")
NOT_PETTINGZOO = dict.fromkeys(
    VIEWS, "This is one agent's view of a team, for Gymnasium; PettingZoo has the team."
)
ONE_AGENT = dict.fromkeys(
    TEAMS, "It trains one agent: use the Gymnasium id, or SuperSuit for both agents of Signal."
)
NO_TEXT_POLICY = {"ThinkSolve-v0": "Its policies take boxes and numbers, no text."}
TENSOR_ACTIONS = dict.fromkeys(
    ("think_solve-v0", "vote-v0", "vote-v0 parallel", "debate-v0"),
    "The PettingZooWrapper of torchrl takes tensors as actions, no text; with ThinkSolve-v0 one "
    "agent writes text.",
)
ARRAYS = "verifiers samples messages of language models; the actions of Signal are arrays."
WHOLE_TEAM = "Agents of verifiers play all roles of the team: use think_solve-v0."

CLIENTS: Mapping[str, Client] = {
    "PettingZoo": Client("pettingzoo", (), NOT_PETTINGZOO),
    "Gymnasium": Client(
        "gymnasium",
        ("moviepy>=2", "pygame>=2.6"),
        dict.fromkeys(TEAMS, "Gymnasium has no environments of several agents."),
    ),
    "Stable-Baselines3": Client("stable-baselines3", (), {**ONE_AGENT, **NO_TEXT_POLICY}),
    "sb3-contrib": Client("sb3-contrib", ("sb3-contrib>=2.4",), {**ONE_AGENT, **NO_TEXT_POLICY}),
    "SuperSuit": Client("supersuit", ("supersuit>=3.11",)),
    "torchrl": Client("torchrl", ("torchrl>=0.14",), TENSOR_ACTIONS),
    "tianshou": Client(
        "tianshou",
        ("tianshou>=2",),
        {"vote-v0 parallel": "The PettingZooEnv of tianshou takes AEC environments: use vote-v0."},
    ),
    "RLlib": Client(
        "ray",
        ("ray[rllib]>=2.50",),
        {
            "ThinkSolve-v0": "The runners of RLlib take batches of actions apart as arrays, text "
            "too; its wrapper for PettingZoo plays think_solve-v0."
        },
    ),
    "verifiers": Client(
        "verifiers",
        ("verifiers>=0.4,<0.5",),
        {
            "vote-v0 parallel": "The environment for verifiers plays turn by turn: use vote-v0, "
            "which is the same episode.",
            "signal-v0": ARRAYS,
            "Signal-v0": ARRAYS,
            "ThinkSolve-v0": WHOLE_TEAM,
        },
    ),
}

Results = Mapping[str, Mapping[str, object]]


def file_of(client: str) -> Path:
    """Return the file with the tests of a client."""
    return TESTS / f"test_{re.sub('[^a-z0-9]', '_', client.lower())}.py"


def table(results: Results) -> str:
    """Return the table of clients and environments, and the reasons of its empty cells.

    Args:
        results: By client, ``version`` and ``cells``: whether all tests of an environment passed.
    """
    head = ["client", *(f"`{name}`<br>{kind}" for name, kind in ENVIRONMENTS.items())]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    reasons: list[str] = []
    for name, client in CLIENTS.items():
        result = results[name]
        row = [f"{name} {result['version']}"]
        for environment in ENVIRONMENTS:
            cells = result["cells"]
            assert isinstance(cells, Mapping)
            if environment in cells:
                row.append("works" if cells[environment] else "fails")
                continue
            reason = (client.reasons or {})[environment]
            if reason not in reasons:
                reasons.append(reason)
            row.append(f"[reason {reasons.index(reason) + 1}](#reasons)")
        lines.append(f"| {' | '.join(row)} |")
    listed = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", "### Reasons", "", *listed])


def environment_of(client: str, folder: Path) -> str:
    """Return the interpreter for a client, after installing what it needs on top of this one."""
    needed = CLIENTS[client].install
    if not needed:
        return sys.executable
    venv = folder / file_of(client).stem.removeprefix("test_")
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        packages = next((venv / "lib").glob("python*")) / "site-packages"
        shared = sysconfig.get_path("purelib")
        (packages / "shared.pth").write_text(f"{shared}\n", encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write(f"torch=={version('torch')}\n")
        constraints.flush()
        install = [str(python), "-m", "pip", "install", "--quiet", "-c", constraints.name]
        subprocess.run([*install, *needed], check=True)
    return str(python)


def run_tests(client: str, folder: Path) -> dict[str, object]:
    """Run a client's tests; return its version and the outcome of each cell."""
    python = environment_of(client, folder)
    code = f"from importlib.metadata import version; print(version({CLIENTS[client].package!r}))"
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as temporary:
        record = Path(temporary) / "cells.json"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CCPO_CELLS": str(record)}
        pytest = ["-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider"]
        command = [python, *pytest, str(file_of(client))]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        cells = json.loads(record.read_text(encoding="utf-8")).get(client, {})
    if done.returncode:
        print(f"{client}: its tests exit with {done.returncode}", file=sys.stderr)
    return {"version": found.stdout.strip(), "cells": dict(sorted(cells.items()))}


def ecosystem_page(page: str) -> str:
    """Return docs/ecosystem.md with the table of the results that were recorded."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    return TABLE.sub(lambda match: f"{match[1]}\n{table(results)}\n\n{match[2]}", page)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tests of some clients, or of all; 1: a cell fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clients", nargs="*", help=f"some of {', '.join(CLIENTS)} (all)")
    parser.add_argument("--venvs", type=Path, default=VENVS, help="folder of the environments")
    args = parser.parse_args(argv)
    unknown = set(args.clients) - CLIENTS.keys()
    if unknown:
        parser.error(f"unknown clients {sorted(unknown)}; available: {', '.join(CLIENTS)}")
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for client in args.clients or CLIENTS:
        print(f"== {client}", flush=True)
        known[client] = run_tests(client, args.venvs)
        RESULTS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(ecosystem_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    cells = [cell for client in known.values() for cell in client["cells"].values()]
    print(f"{sum(cells)} of {len(cells)} cells work: {PAGE.relative_to(ROOT)}")
    return 0 if all(cells) else 1


if __name__ == "__main__":
    sys.exit(main())
