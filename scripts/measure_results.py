"""Measure all results in the documentation, and update it: ``make results``.

    python scripts/measure_results.py --list            # the parts, and how long each of them takes
    python scripts/measure_results.py think_solve/grpo  # a part, without its table
    python scripts/measure_results.py vote              # a result: what is missing, and its table
    python scripts/measure_results.py                   # all results
    python scripts/measure_results.py --keep vote       # its table, from what was measured before
    python scripts/measure_results.py --tiny            # everything in minutes; changes no document

Runs are written to runs/results/CODE/NAME, where CODE identifies the code that was measured: the
same command goes on where it was interrupted, and code that has changed is measured from the start.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ccpo_env.errors import unknown_name

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "results"
RESULTS = ROOT / "docs" / "results"
MEASURED_FILE = "measured.json"
"""In docs/results/: the commit, the date and the time of each result."""
CODE = ("baselines", "ccpo_env")
"""Folders whose contents change results."""
TIMES_FILE = "seconds.json"
"""Seconds that each part took, in the folder of a result."""
FLAGS = KEEP_ONLY, LIST, TINY = "--keep", "--list", "--tiny"
TINY_RUNS = "tiny"
"""Folder of the trial, in place of the code."""
GAMES = (
    *("bandit_4", "bandit_16", "think_solve", "think_think_solve"),
    *("vote_5", "tiny", "hints"),
)
"""Games of the credit bench."""
CREDIT_FILE = "credit.json"
QUANTITIES = ("skill", "spearman", "gain")
"""Quantities of the credit bench in docs/credit.md."""


def keep_credit(folder: Path, name: str) -> None:
    """Store mean and interval of the quantities in docs/credit.md, of all games."""
    files = [folder / game / CREDIT_FILE for game in GAMES]
    found = [json.loads(file.read_text(encoding="utf-8"))["games"] for file in files]
    kept = {
        game: {
            allocator: {
                quantity: [round(value[end], 3) for end in ("value", "low", "high")]
                for quantity in QUANTITIES
                if (value := values.get(quantity)) is not None and value["value"] is not None
            }
            for allocator, values in results["allocators"].items()
        }
        for games in found
        for game, results in games.items()
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def keep_experiment(folder: Path, name: str) -> None:
    """Store the table and the figure of an experiment."""
    shutil.copy(folder / "table.md", RESULTS / f"{name}.txt")
    shutil.copy(folder / "curves.png", RESULTS / f"{name}.png")


def keep_signal(folder: Path, name: str) -> None:
    """Store the tables and the figure of a comparison on the signal game."""
    shutil.copy(folder / "table.md", RESULTS / f"{name}.txt")
    shutil.copy(folder / "shares.png", RESULTS / f"{name}.png")
    if (folder / "spread.md").exists():
        shutil.copy(folder / "spread.md", RESULTS / f"{name}_spread.txt")


def keep_learning(folder: Path, name: str) -> None:
    """Store the table of the learning bench."""
    shutil.copy(folder / "learning.md", RESULTS / f"{name}.txt")


@dataclass(frozen=True, slots=True)
class Measured:
    """How a result is measured.

    Args:
        module: Module to run.
        arguments: Its flags, without the output folder.
        keep: Copies the result to docs/results/, given the output folder and the name.
        minutes: About how long it takes on two idle cores; with parts, of each of them.
        parts: Maps the name of a part to further flags, which select some of the runs.
        tiny: Flags that replace those of the same name, for a trial of minutes.
        done: Name of the file that a part leaves when it is finished, for a command that does not
            resume: each part then has a folder of its own, and is not repeated. Empty: all parts
            share the folder of the result, where the command finds the runs that are finished.
    """

    module: str
    arguments: str
    keep: Callable[[Path, str], None]
    minutes: float
    parts: Mapping[str, str] = field(default_factory=dict)
    tiny: str = ""
    done: str = ""

    @property
    def flags(self) -> list[str]:
        """The flags as a list."""
        return shlex.split(self.arguments)

    @property
    def command(self) -> str:
        """The command to reproduce the result."""
        return f"python -m {self.module} {self.arguments}"


BY_OPTIMIZER = {name: f"--optimizers {name}" for name in ("grpo", "reinforce_pp")}
TINY_EXPERIMENT = (
    "--allocators shared leave_one_out --num-seeds 2 --token-budget 200 "
    "--train.num-eval-tasks 10 --train.tasks-per-step 2"
)
MEASURED = {
    "think_solve": Measured(
        "baselines.experiment", "--num-seeds 10", keep_experiment, 11, BY_OPTIMIZER, TINY_EXPERIMENT
    ),
    "vote": Measured(
        "baselines.experiment",
        "--allocators shared leave_one_out shapley --num-seeds 10 --token-budget 60000 "
        "--num-evaluations 15 --train.topology vote --train.num-voters 5 --train.group-size 4 "
        "--train.tasks-per-step 16",
        keep_experiment,
        5,
        BY_OPTIMIZER,
        TINY_EXPERIMENT,
    ),
    "rare": Measured(
        "baselines.experiment",
        "--allocators shared counterfactual leave_one_out influence --num-seeds 10 "
        "--token-budget 150000 --num-evaluations 20 --train.tasks arithmetic_rare",
        keep_experiment,
        10,
        BY_OPTIMIZER,
        TINY_EXPERIMENT,
    ),
    "specialists": Measured(
        "baselines.experiment",
        "--allocators shared counterfactual leave_one_out influence --optimizers grpo "
        "--num-seeds 10 --token-budget 40000 --num-evaluations 20 --train.topology specialists "
        "--train.policy tiny_teams --train.tasks arithmetic_one_kind "
        "--train.num-eval-tasks 256 --train.learning-rate 4e-4",
        keep_experiment,
        9,
        tiny=TINY_EXPERIMENT,
    ),
    "mixed_vote": Measured(
        "baselines.experiment",
        "--allocators shared leave_one_out shapley own_answer --optimizers grpo --num-seeds 10 "
        "--token-budget 45000 --num-evaluations 15 --train.topology mixed_vote "
        "--train.policy tiny_teams --train.group-size 4 --train.num-eval-tasks 200 "
        "--train.learning-rate 4e-4",
        keep_experiment,
        9,
        tiny=TINY_EXPERIMENT,
    ),
    "free_riding": Measured(
        "baselines.train_sb3",
        "--demonstration --num-seeds 10",
        keep_signal,
        9,
        tiny="--num-seeds 2 --steps 2000 --settings default",
    ),
    "signal": Measured(
        "baselines.train_sb3.comparison",
        "--num-seeds 10",
        keep_signal,
        3,
        tiny="--num-seeds 2 --num-answers 2000 --mixes default --optimizers grpo",
    ),
    "learning": Measured(
        "baselines.bench",
        "learning --steps 40 --good-enough 0.93",
        keep_learning,
        13,
        {part: f"--parts {part}" for part in ("grid", "topologies", "reversed")},
        "--num-seeds 1 --num-topology-seeds 1 --steps 1 --optimizers grpo --allocators shared",
    ),
    "credit": Measured(
        "baselines.bench",
        "credit",
        keep_credit,
        1,
        {game: f"--games {game}" for game in GAMES},
        "--quick",
        CREDIT_FILE,
    ),
}
"""Measurements by the name of the result in docs/results/."""


def main(arguments: Sequence[str]) -> int:
    """Measure the named results or parts, or all, and update the documentation."""
    flags = [word for word in arguments if word.startswith("--")]
    try:
        for flag in flags:
            if flag not in FLAGS:
                raise unknown_name("flag", flag, dict.fromkeys(FLAGS))
        targets = list(_targets([word for word in arguments if word not in flags]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if LIST in flags:
        _print_parts(targets)
        return 0
    code = TINY_RUNS if TINY in flags else code_version()
    if KEEP_ONLY not in flags:
        for name, part in targets:
            _measure(name, part, RUNS / code / name, is_tiny=TINY in flags)
    whole = [name for name, part in targets if not part]
    if whole and TINY not in flags:
        for name in whole:
            MEASURED[name].keep(RUNS / code / name, name)
            _record(name, RUNS / code / name)
        call = [sys.executable, str(ROOT / "scripts" / "write_docs.py")]
        subprocess.run(call, cwd=ROOT, check=True)
    return 0


def _print_parts(targets: Sequence[tuple[str, str]]) -> None:
    for name, part in targets:
        if part or not MEASURED[name].parts:
            shown = f"{name}/{part}" if part else name
            print(f"{shown:<26}{MEASURED[name].minutes:>5.0f} min")


def _targets(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the results and parts to measure: of a result its parts, and then the whole.

    Raises:
        ValueError: If a name is unknown.
    """
    for word in words or list(MEASURED):
        name, _, part = word.partition("/")
        if name not in MEASURED:
            raise unknown_name("result", name, MEASURED)
        parts = MEASURED[name].parts
        if part and part not in parts:
            raise unknown_name(f"part of {name}", part, parts)
        if part:
            yield name, part
            continue
        yield from ((name, own) for own in parts)
        yield name, ""


def _measure(name: str, part: str, folder: Path, *, is_tiny: bool) -> None:
    """Run the command of a result or a part; finished runs in the folder are not repeated."""
    measured = MEASURED[name]
    own = folder / part if measured.done else folder
    if measured.done and (not part or (own / measured.done).exists()):
        return
    flags = measured.flags
    for extra in (measured.parts.get(part, ""), measured.tiny if is_tiny else ""):
        flags = with_flags(flags, shlex.split(extra))
    call = ["-m", measured.module, *flags, "--out-dir", str(own)]
    print(shlex.join(["python", *call]), flush=True)
    started = time.monotonic()
    subprocess.run([sys.executable, *call], cwd=ROOT, check=True)
    times = _times(folder)
    times[part] = times.get(part, 0.0) + time.monotonic() - started
    (folder / TIMES_FILE).write_text(json.dumps(times), encoding="utf-8")


def with_flags(flags: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return flags where further ones are added, in place of those of the same name."""
    return [word for group in {**_by_name(flags), **_by_name(more)}.values() for word in group]


def _by_name(flags: Sequence[str]) -> dict[str, list[str]]:
    """Return each flag with its values, by its name; words before the first flag by themselves."""
    groups: dict[str, list[str]] = {}
    name = ""
    for word in flags:
        name = word if word.startswith("--") or not groups else name
        groups.setdefault(name, []).append(word)
    return groups


def code_version() -> str:
    """Return what identifies the code that is measured, uncommitted changes included."""
    trees = [_git("rev-parse", f"HEAD:{folder}") for folder in CODE]
    changes = _git("diff", "HEAD", "--", *CODE)
    return hashlib.sha256("\n".join([*trees, changes]).encode()).hexdigest()[:12]


def _record(name: str, folder: Path) -> None:
    """Write the commit, the date and the time of a result to MEASURED_FILE."""
    file = RESULTS / MEASURED_FILE
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    is_changed = bool(_git("status", "--porcelain", "--", *CODE))
    commit = _git("rev-parse", "--short", "HEAD") + (" with changes" if is_changed else "")
    minutes = round(sum(_times(folder).values()) / 60.0, 1)
    date, cores = f"{datetime.now(UTC):%Y-%m-%d}", os.cpu_count() or 1
    known[name] = {"commit": commit, "date": date, "minutes": minutes, "cores": cores}
    text = json.dumps(dict(sorted(known.items())), indent=1)
    file.write_text(f"{text}\n", encoding="utf-8")


def _times(folder: Path) -> dict[str, float]:
    path = folder / TIMES_FILE
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
