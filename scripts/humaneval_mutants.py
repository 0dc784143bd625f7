"""Make one mutant of each canonical solution of HumanEval: one operator replaced, tests that fail.

    python scripts/humaneval_mutants.py tests/env/humaneval_mutants.json

A mutant is stored as the number of its problem, a position in the canonical solution, the operator
there ("" for none) and its replacement. That its tests fail is checked by plain execution, without
the verifier: in a process of its own, with the text of the problem, the mutant and the tests.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

from ccpo_env.tasks.human_eval import human_eval_rows

REPLACEMENTS: Mapping[str, str] = {
    **{"+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "*", "**": "*"},
    **{"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="},
    **{"+=": "-=", "-=": "+=", "*=": "+=", "and": "or", "or": "and", "in": "not in", "not": ""},
}
INSERTED: Mapping[str, tuple[str, ...]] = {"return": (" not", " -")}
"""Operators to insert after a word, where a solution has none that its tests notice."""
LIMIT_S = 5.0
"""Time limit of one execution: a mutant that takes longer is not used."""

Mutant = tuple[int, str, str]


def mutants_of(prompt: str, solution: str) -> Iterator[Mutant]:
    """Yield the mutants of a solution: position in it, operator, replacement."""
    source = prompt + solution
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    inserted: list[Mutant] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        position = starts[token.start[0] - 1] + token.start[1] - len(prompt)
        if position < 0 or token.type not in (tokenize.OP, tokenize.NAME):
            continue
        if token.string in REPLACEMENTS:
            yield position, token.string, REPLACEMENTS[token.string]
        end = position + len(token.string)
        inserted += [(end, "", new) for new in INSERTED.get(token.string, ())]
    yield from inserted


def applied(solution: str, mutant: Mutant) -> str:
    """Return a solution with one operator replaced."""
    position, old, new = mutant
    assert solution[position : position + len(old)] == old
    return solution[:position] + new + solution[position + len(old) :]


def passes(program: str) -> bool | None:
    """Return whether a program and its tests run to the end; None: not within the limit."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode == 0


def main() -> None:
    """Write the list to the file that is named."""
    rows: list[tuple[int, int, str, str]] = []
    for problem in human_eval_rows():
        name, prompt, solution = (
            problem[key] for key in ("task_id", "prompt", "canonical_solution")
        )
        tests = f"\n{problem['test']}\ncheck({problem['entry_point']})\n"
        for mutant in mutants_of(prompt, solution):
            program = prompt + applied(solution, mutant)
            if passes(program) and passes(program + tests) is False:  # it runs, its tests do not
                rows.append((int(name.partition("/")[2]), *mutant))
                break
        else:
            print(f"{name}: no mutant fails its tests", file=sys.stderr)
    lines = ",\n".join(map(json.dumps, rows))
    Path(sys.argv[1]).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
