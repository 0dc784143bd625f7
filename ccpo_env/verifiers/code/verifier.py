"""Decide whether a program that a model wrote passes the tests of its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ccpo_env.types import Task, Verdict, Verifier
from ccpo_env.verifiers.code.blocks import program_lines, program_texts, same_program
from ccpo_env.verifiers.code.isolated import run_isolated
from ccpo_env.verifiers.math.verifier import check_timeout

MAX_PROGRAM_CHARS = 200_000
"""Longest text that is run; a longer one is wrong."""
MIN_MEMORY_MB = 64
"""Smallest address space in which an interpreter can run."""
_HARMLESS = Task("harmless", "Add.", "", tests="assert add(1, 2) == 3")


@dataclass(frozen=True, slots=True)
class CodeVerifier:
    """The verifier "code": a response is right if its program passes the tests of the task.

    It runs programs that a model wrote, isolated by the kernel, whose faults could let one out: use
    a machine without secrets.

    Args:
        timeout_s: Seconds that a program and its tests may take together, in (0, 3600]; time in
            which they wait for a core does not count, time in which they sleep does.
        memory_mb: Address space of the program, in MiB, at least 64.
        partial: Whether a wrong program is paid for the share of the assertions that it passes:
            share - 1, below 0, and else -1.
        unsafe_no_namespaces: Whether programs run without namespaces, where the kernel allows none.
            Only root may, as they then run as user 65523, which keeps them from its processes and
            files: they can read, change and delete what any user of this machine can, see its
            processes and their arguments, and reach the memory of other processes of that user.

    Raises:
        ValueError: If timeout_s or memory_mb is out of range.
    """

    timeout_s: float = 5.0
    memory_mb: int = 512
    partial: bool = False
    unsafe_no_namespaces: bool = False

    def __post_init__(self) -> None:
        check_timeout(self.timeout_s)
        if self.memory_mb < MIN_MEMORY_MB:
            raise ValueError(
                f"memory_mb must be at least {MIN_MEMORY_MB}, got {self.memory_mb}; leave it out "
                f"for 512"
            )

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return "error": programs are compared by the tests of a task."""
        detail = "verifier 'code' must get the task with its tests, got a gold answer; pass task="
        return Verdict("error", detail=detail)

    def in_force(self) -> str:
        """Return what keeps a program in on this machine, as tried with a harmless one."""
        result = self.run(["def add(a, b): return a + b"], True, _HARMLESS)
        if result["outcome"] != "passed":
            return f"nothing, so that programs are not run: {result.get('reason', 'too slow')}"
        where = (
            "this machine's namespaces" if self.unsafe_no_namespaces else "namespaces of its own"
        )
        return f"{where}; no other process by {' and '.join(result['in_force'])}"

    def run(self, blocks: list[str], is_fenced: bool, task: Task) -> dict[str, Any]:
        """Run the tests of a task against the program of a response; see `run_isolated`.

        Args:
            blocks: Texts of the response that may be the program.
            is_fenced: Whether they are fenced blocks.
            task: The task.
        """
        job = {
            "blocks": blocks,
            "fenced": is_fenced,
            "question": task.question,
            "gold": task.answer,
            "tests": task.tests,
            "goes_on": self.partial,
        }
        return run_isolated(
            job,
            timeout_s=self.timeout_s,
            memory_mb=self.memory_mb,
            namespaces=not self.unsafe_no_namespaces,
        )

    def for_task(self, task: Task) -> Verifier:
        """Return the verifier of the programs for one task."""
        return _TaskCodeVerifier(self, task)


@dataclass(frozen=True, slots=True)
class _TaskCodeVerifier:
    settings: CodeVerifier
    task: Task

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return whether the program of a response passes the tests of the task.

        Args:
            response: Full response of a model.
            gold: The gold answer of the task. With any other text, such as a voter's program, the
                programs are compared as texts, and nothing is run.
        """
        if not self.task.tests.strip():
            detail = f"tests of task {self.task.id!r} must be a program, got none"
            return Verdict("error", detail=detail)
        blocks, is_fenced = program_texts(response) if isinstance(response, str) else ([], False)
        if not blocks:
            return Verdict("no_answer")
        if gold != self.task.answer:
            is_same = any(same_program(block, gold) for block in blocks)
            return Verdict("correct" if is_same else "wrong", blocks[-1])
        if sum(map(len, blocks)) > MAX_PROGRAM_CHARS:
            return Verdict("wrong", blocks[-1][:MAX_PROGRAM_CHARS])
        return self._verdict(self.settings.run(blocks, is_fenced, self.task), blocks)

    def _verdict(self, result: dict[str, Any], blocks: list[str]) -> Verdict:
        answer = blocks[result.get("block", -1)]
        outcome = result["outcome"]
        if outcome == "no_program":
            return Verdict("no_answer")
        if outcome == "passed":
            return Verdict("correct", answer)
        if outcome == "failed":
            return Verdict("wrong", answer, score=self._share(result))
        if outcome == "timeout":
            detail = (
                f"program must get a core for {self.settings.timeout_s} s, got too little time on "
                f"a busy machine; drop the rollout"
            )
            return Verdict("timeout", answer, detail)
        if outcome == "not_isolated":
            detail = (
                f"program must run isolated, got {result['reason']!r}; allow namespaces on this "
                f"machine, or pass --unsafe-no-namespaces"
            )
            return Verdict("error", answer, detail)
        return Verdict("error", answer, f"{result['reason']} (task {self.task.id!r})")

    def _share(self, result: dict[str, Any]) -> float | None:
        """Return the share of the assertions that a wrong program passes, if it is paid for."""
        if not self.settings.partial:
            return None
        passed, total = int(result.get("passed", 0)), max(int(result.get("total", 0)), 1)
        return min(passed, total - 1) / total  # what fails outside of assertions is not all right

    def category(self, answer: str) -> str:
        """Return the lines of a program without blank ones: what votes for it are counted by."""
        return "\n".join(program_lines(answer))
