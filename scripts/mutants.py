"""Mutation tests of a sample: faults that the tests of a module do not notice.

    python -m scripts.mutants ccpo_env/verifiers/number.py --tests tests/env/test_verifier_number.py

A mutant is the code with one fault: another comparison, sign or constant, `and` for `or`, or a
statement left out. Places and faults are drawn at random, and the tests run on each mutant in a
copy of the checkout, which itself is never changed. Mutants that no test notices are printed, and
written to OUT/NUMBER.diff; `git apply` makes the fault in the checkout, to write a test for it.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from cosmic_ray.mutating import mutate_code

from baselines.common.errors import exit_on_bad_input
from scripts.faults import faults_by_place, is_another_program

ROOT = Path(__file__).parent.parent
OUT = ROOT / "runs" / "mutants"
SLOWER, PATIENCE_S = 5, 60
"""Tests that take this many times as long as without a fault, and this much longer, hang."""

TESTS_OF: Mapping[str, str] = {
    "ccpo_env": "env/test_*",
    "ccpo_env/batch": "env/test_batched*",
    "ccpo_env/content": "env/test_leaks* env/test_quoting* env/test_prompts* rl/test_control*",
    "ccpo_env/tasks": "env/test_tasks*",
    "ccpo_env/verifiers": "env/test_extract* env/test_verif*",
    "baselines": "rl/test_play* rl/test_cli* rl/test_start_of_commands*",
    "baselines/advise": "rl/test_advise*",
    "baselines/audit": "rl/test_audit_file*",
    "baselines/bench": "rl/test_games* rl/test_bench*",
    "baselines/common": "rl/test_jsonl* rl/test_hyperparameters* rl/test_stats* rl/test_metrics* "
    "rl/test_command_line* rl/test_folder_lock* rl/test_ending* rl/test_terminal*",
    "baselines/compare": "rl/test_compare*",
    "baselines/credit": "rl/test_group_outcomes* rl/test_audit* rl/test_credit_*",
    "baselines/evaluate": "rl/test_examples* rl/test_evaluation*",
    "baselines/experiment": "rl/test_sweep* rl/test_experiment*",
    "baselines/explore": "rl/test_explore*",
    "baselines/integrations": "rl/test_trl* rl/test_verl* rl/test_sessions* rl/test_recorded* "
    "clients/test_verifiers*",
    "baselines/optimizers": "rl/test_advantages* rl/test_losses* rl/test_optimizers* "
    "rl/test_oracle*",
    "baselines/policies": "rl/test_options* rl/test_scripted* rl/test_policy* rl/test_sampler* "
    "rl/test_team* rl/test_adapted_linear* rl/test_token_tree* rl/test_tree_attention* "
    "rl/test_prompt_cache* "
    "rl/test_checkpoint* rl/test_endpoint* rl/test_hf_policy* rl/test_llama* rl/test_lora* "
    "rl/test_damaged_models*",
    "baselines/pages": "rl/test_pages*",
    "baselines/report": "rl/test_report*",
    "baselines/rollouts": "rl/test_plan* rl/test_ratings* rl/test_removed_cache* rl/test_groups* "
    "rl/test_rollout* rl/test_team_env*",
    "baselines/train": "rl/test_empty_steps* rl/test_measure* rl/test_progress* rl/test_interrupt* "
    "rl/test_gc_tuning* rl/test_schedule* rl/test_config* rl/test_degeneracy* rl/test_batching* "
    "rl/test_critic* rl/test_samples* rl/test_completions* rl/test_rollout_record* "
    "rl/test_credit_stage* "
    "rl/test_scoring* rl/test_replay_samples* rl/test_retrospect* rl/test_updater* "
    "rl/test_step_parts* rl/test_trackers* rl/test_trainer* rl/test_heterogeneous* rl/test_resume*",
    "baselines/train_sb3": "rl/test_train_sb3*",
}
"""Tests of each folder, in `tests`, fast ones first; a folder without its own has its parent's."""

Outcome = Literal["killed", "timeout", "survived"]


@dataclass(frozen=True)
class Mutant:
    """A module of the checkout with one fault."""

    module: str
    """Path in the checkout."""
    line: int
    source: str
    mutated: str

    @property
    def diff(self) -> str:
        """The fault as a unified diff."""
        old, new = self.source.splitlines(True), self.mutated.splitlines(True)
        return "".join(difflib.unified_diff(old, new, f"a/{self.module}", f"b/{self.module}"))


def draw(modules: Sequence[str], number: int, seed: int) -> list[Mutant]:
    """Draw places of modules without replacement, each with one of its faults.

    Returns:
        As many mutants as wanted, or all places if they are fewer; by module and line.
    """
    sources = {module: (ROOT / module).read_text(encoding="utf-8") for module in modules}
    faults = {
        (module, place): each
        for module, source in sources.items()
        for place, each in faults_by_place(source).items()
    }
    random_ = random.Random(seed)
    mutants: list[Mutant] = []
    for module, place in random_.sample(sorted(faults), len(faults)):
        if len(mutants) == number:
            break
        operator, occurrence = random_.choice(faults[module, place])
        mutated = mutate_code(sources[module], operator, occurrence)
        if is_another_program(sources[module], mutated):
            mutants.append(Mutant(module, place[0][0], sources[module], mutated))
    return sorted(mutants, key=lambda mutant: (mutant.module, mutant.line, mutant.mutated))


def files() -> list[str]:
    """Return paths in the checkout of what git tracks, or would."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if (ROOT / name).is_file()]


def copy_checkout(target: Path) -> Path:
    """Copy the files of the checkout, and return the copy."""
    for name in files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target


def run_tests(copy: Path, tests: Sequence[str], timeout_s: float | None, *, cache: bool) -> Outcome:
    """Run the tests in a copy until one fails.

    Args:
        copy: A copy of the checkout.
        tests: Files or names of tests, as pytest takes them.
        timeout_s: How long they may take, in seconds; None: as long as they like.
        cache: Whether to keep compiled modules. Those of a mutant could be taken for the next.
    """
    options = ["-x", "-p", "no:cacheprovider", "--no-cov", "-m", "not slow"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "" if cache else "1",
        "OMP_NUM_THREADS": "1",
        "CI": "true",  # property tests with the same examples each time
    }
    with (copy / "tests.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=copy, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            return "survived" if process.wait(timeout_s) == 0 else "killed"
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            with suppress(ProcessLookupError):  # and what the tests have left running
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_mutant(copy: Path, mutant: Mutant, tests: Sequence[str], timeout_s: float) -> Outcome:
    """Run the tests on a mutant, and put the module of the copy back."""
    path = copy / mutant.module
    path.write_text(mutant.mutated, encoding="utf-8")
    try:
        return run_tests(copy, tests, timeout_s, cache=False)
    finally:
        path.write_text(mutant.source, encoding="utf-8")


def run_all(
    mutants: Sequence[Mutant], tests: Sequence[str], jobs: int, folder: Path
) -> Iterator[tuple[Mutant, Outcome]]:
    """Run the tests without a fault, then on each mutant; yield in the order of the mutants.

    Raises:
        RuntimeError: If a test fails without a fault.
    """
    copies: SimpleQueue[Path] = SimpleQueue()
    for job in range(jobs):
        copies.put(copy_checkout(folder / str(job)))
    first = copies.get()
    start = time.monotonic()
    if run_tests(first, tests, None, cache=True) != "survived":
        log = (first / "tests.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"the tests must pass without a fault; mend them first:\n{log}")
    timeout_s = SLOWER * jobs * (time.monotonic() - start) + PATIENCE_S
    copies.put(first)

    def run(mutant: Mutant) -> Outcome:
        copy = copies.get()
        try:
            return run_mutant(copy, mutant, tests, timeout_s)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(jobs) as pool:
        yield from zip(mutants, pool.map(run, mutants), strict=True)


def modules_of(paths: Sequence[str]) -> list[str]:
    """Return the Python files that are named or lie in named folders, as paths in the checkout.

    Raises:
        ValueError: If a path names none.
    """
    found: set[str] = set()
    for path in paths:
        new = {file for file in files() if file.endswith(".py") and Path(file).is_relative_to(path)}
        if not new:
            raise ValueError(
                f"MODULE must be a Python file, or a folder with some, in {ROOT}, got {path!r}; "
                f"name it as in ccpo_env/verifiers"
            )
        found |= new
    return sorted(found)


def find_tests(module: str) -> list[str]:
    """Return the test files of a module, as paths in the checkout."""
    folder = next(str(each) for each in Path(module).parents if str(each) in TESTS_OF)
    patterns = TESTS_OF[folder].split()
    found = (path for pattern in patterns for path in sorted(ROOT.glob(f"tests/{pattern}.py")))
    return [str(path.relative_to(ROOT)) for path in found]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sample of mutants; 0: done, 1: the tests fail without a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="files or folders to mutate")
    parser.add_argument(
        "--tests", nargs="+", help="their tests, fast ones first (those of TESTS_OF)"
    )
    parser.add_argument("--number", type=int, default=100, help="how many mutants (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which mutants (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="tests run at once (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the diffs (%(default)s)")
    args = parser.parse_args(argv)
    with exit_on_bad_input():
        modules = modules_of(args.modules)
    tests = args.tests or list(dict.fromkeys(test for each in modules for test in find_tests(each)))
    mutants = draw(modules, args.number, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    counts: dict[Outcome, int] = defaultdict(int)
    for old in args.out.glob("*.diff"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        outcomes = run_all(mutants, tests, args.jobs, Path(folder))
        for number, (mutant, outcome) in enumerate(outcomes, 1):
            counts[outcome] += 1
            print(f"{number}/{len(mutants)} {outcome} {mutant.module}:{mutant.line}", flush=True)
            if outcome == "survived":
                print(mutant.diff, flush=True)
                (args.out / f"{number}.diff").write_text(mutant.diff, encoding="utf-8")
    killed = counts["killed"] + counts["timeout"]
    print(
        f"{killed} of {len(mutants)} mutants killed ({killed / max(len(mutants), 1):.0%}), "
        f"{counts['timeout']} of them by the time limit; {counts['survived']} survived: "
        f"{args.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
