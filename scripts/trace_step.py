"""Trace one default training step: rooms and files that run, and calls between rooms.

A room is a top-level folder of `baselines`, or `ccpo_env` as one. A room switch is a call from a
function in one room to a function in another; frames of other packages in between are ignored.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import baselines
import ccpo_env
from baselines.common.metrics import MetricRow
from baselines.train.config import TrainConfig
from baselines.train.logging.trackers import NoTracker
from baselines.train.trainer import Trainer

PACKAGES = {
    str(Path(package.__file__ or "").parent): package.__name__ for package in (ccpo_env, baselines)
}
"""Names of the packages by folder."""
TASKS, GROUP_SIZE = 2, 4
TRACED_STEP = 2
"""The first step also evaluates, and runs lazy imports."""


@dataclass(slots=True)
class StepTrace:
    """Calls during a step.

    Args:
        files: Number of function calls by file.
        switches: Number of calls by caller and callee in different rooms. The caller is the
            nearest function of the project on the stack.
    """

    files: Counter[str] = field(default_factory=Counter)
    switches: Counter[tuple[CodeType, CodeType]] = field(default_factory=Counter)

    @property
    def rooms(self) -> list[str]:
        """The rooms with at least one call."""
        return sorted({room for file in self.files if (room := room_of(file))})

    @property
    def num_switches(self) -> int:
        """Number of calls between rooms."""
        return self.switches.total()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Count a call; a profile function for `sys.setprofile`."""
        if event != "call" or (room := room_of(frame.f_code.co_filename)) is None:
            return
        self.files[frame.f_code.co_filename] += 1
        caller = _our_caller(frame)
        if caller is not None and room_of(caller.co_filename) != room:
            self.switches[caller, frame.f_code] += 1

    def by_rooms(self) -> Counter[str]:
        """Return the number of calls from one room to another, keyed "from → to"."""
        counts: Counter[str] = Counter()
        for (caller, callee), number in self.switches.items():
            counts[f"{room_of(caller.co_filename)} → {room_of(callee.co_filename)}"] += number
        return counts

    def by_functions(self) -> Counter[str]:
        """Return the number of calls between rooms, keyed by the two functions."""
        return Counter(
            {f"{_name(a)} → {_name(b)}": number for (a, b), number in self.switches.items()}
        )


def room_of(file: str) -> str | None:
    """Return the top-level folder of `baselines` that a file is in; `ccpo_env` is one room.

    None: the file is neither in `ccpo_env` nor in a folder of `baselines`.
    """
    for folder, package in PACKAGES.items():
        if file.startswith(f"{folder}/"):
            if package == "ccpo_env":
                return package
            room, is_folder, _ = file.removeprefix(f"{folder}/").partition("/")
            return room if is_folder else None
    return None


def trace_step() -> StepTrace:
    """Train two steps of the default team, two tasks of four rollouts each, and trace the second.

    The trace ends when the metrics of the step are written and reported.
    """
    trace = StepTrace()

    def on_step(row: MetricRow) -> None:
        sys.setprofile(trace if row["step"] == TRACED_STEP - 1 else None)

    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            tasks_per_step=TASKS, group_size=GROUP_SIZE, steps=TRACED_STEP, num_eval_tasks=4
        )
        trainer = Trainer(config, Path(folder))
        try:
            trainer.run(
                on_step=on_step,
                on_warning=lambda _: None,
                should_stop=lambda: False,
                tracker=NoTracker(Path(folder)),
            )
        finally:
            sys.setprofile(None)
    return trace


def report(trace: StepTrace, num_pairs: int) -> str:
    """Return the trace as text."""
    lines = [
        f"{len(trace.rooms)} rooms, {len(trace.files)} files, {trace.num_switches} room switches "
        f"in {trace.files.total()} calls ({TASKS} tasks x {GROUP_SIZE} rollouts)",
        f"rooms: {', '.join(trace.rooms)}",
    ]
    found = trace.by_functions() if num_pairs else trace.by_rooms()
    lines += [f"{number:5}  {pair}" for pair, number in found.most_common(num_pairs or None)]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trace a step and print the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=0, help="number of pairs to print")
    print(report(trace_step(), parser.parse_args(arguments).pairs))


def _our_caller(frame: FrameType) -> CodeType | None:
    caller = frame.f_back
    while caller is not None and room_of(caller.f_code.co_filename) is None:
        caller = caller.f_back
    return None if caller is None else caller.f_code


def _name(code: CodeType) -> str:
    return f"{room_of(code.co_filename)}/{Path(code.co_filename).stem}.{code.co_qualname}"


if __name__ == "__main__":
    main()
