"""The mutation tests: which faults are made, and what is done with a mutant."""

from __future__ import annotations

import ast
import subprocess

import pytest

from scripts.draw_architecture import PACKAGES
from scripts.faults import DropStatement, OtherToken, faults_by_place
from scripts.mutants import (
    ROOT,
    TESTS_OF,
    Mutant,
    copy_checkout,
    draw,
    find_tests,
    main,
    modules_of,
    mutate_code,
    run_mutant,
    run_tests,
)

SOURCE = '''"""Docstring."""
from __future__ import annotations


def top(values: list[int | None], *, most: int = 3) -> int | None:
    """Docstring."""
    kept = [value for value in values if value is not None and value <= most]
    kept = sorted(kept)
    total: int | None = 0
    for value in kept:
        if value in (1, 2) or not value:
            continue
        total += -value
    return total
'''


def mutants_of(source: str) -> dict[str, set[str]]:
    """Return the changed lines by the line as it was."""
    found: dict[str, set[str]] = {}
    for faults in faults_by_place(source).values():
        for operator, occurrence in faults:
            lines = mutate_code(source, operator, occurrence).splitlines()
            for old, new in zip(source.splitlines(), lines, strict=True):
                if old != new:
                    found.setdefault(old.strip(), set()).add(" ".join(new.split()))
    return found


def test_each_kind_of_fault_is_made_and_nothing_that_has_no_effect():
    found = mutants_of(SOURCE)
    assert found["kept = sorted(kept)"] == {"pass"}
    assert found["return total"] == {"pass"}
    assert found["continue"] == {"pass", "break"}
    assert found["total += -value"] == {"pass", "total -= -value", "total += value"}
    assert found["total: int | None = 0"] == {"total: int | None = 1", "total: int | None = -1"}
    assert found["if value in (1, 2) or not value:"] == {
        "if value not in (1, 2) or not value:",
        "if value in (1, 2) and not value:",
        "if value in (1, 2) or value:",
        "if not value in (1, 2) or not value:",
        "if value in ( 2, 2) or not value:",
        "if value in ( 0, 2) or not value:",
        "if value in (1, 3) or not value:",
        "if value in (1, 1) or not value:",
    }
    rest = set(found) - {
        "kept = sorted(kept)",
        "return total",
        "continue",
        "total += -value",
        "total: int | None = 0",
        "if value in (1, 2) or not value:",
    }
    # The signature has a default, but neither its annotations nor its star are changed.
    assert {line.partition(" ")[0] for line in rest} == {"def", "kept"}
    signature = next(line for line in rest if line.startswith("def"))
    assert found[signature] == {signature.replace("= 3", f"= {other}") for other in (2, 4)}


@pytest.mark.parametrize("operator", [OtherToken, DropStatement])
def test_own_operators_do_what_their_examples_say(operator):
    for example in operator.examples():
        changed = mutate_code(example.pre_mutation_code, operator(), example.occurrence)
        assert changed == example.post_mutation_code


def test_assignments_that_bind_a_new_name_are_kept():
    for source in ("x = 1\n", "x = y\n", "x: int\n", "x.y: int\n", "'text'\n", "import x\n"):
        assert mutate_code(source, DropStatement(), 0) is None


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a checkout with a module and its tests, as the one that is mutated."""
    root = tmp_path / "checkout"
    (root / "tests").mkdir(parents=True)
    module = "def count(stop):\n    i = 0\n    while i < stop:\n        i += 1\n    return i\n"
    (root / "counting.py").write_text(module)
    test = "from counting import count\n\n\ndef test_count():\n    assert count(3) == 3\n"
    (root / "tests" / "test_counting.py").write_text(test)
    (root / "ignored.txt").write_text("")
    (root / ".gitignore").write_text("ignored.txt\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    monkeypatch.setattr("scripts.mutants.ROOT", root)
    return root


@pytest.mark.usefixtures("checkout")
def test_draw_is_repeatable_and_draws_no_place_twice():
    drawn = draw(["counting.py"], 5, seed=1)
    assert drawn == draw(["counting.py"], 5, seed=1)
    assert drawn != draw(["counting.py"], 5, seed=2)
    all_places = draw(["counting.py"], 100, seed=0)
    assert len(all_places) == len(faults_by_place(all_places[0].source))
    assert all(ast.parse(mutant.mutated) for mutant in all_places)


def test_mutants_run_in_a_copy_and_are_killed_survive_or_hang(checkout, tmp_path):
    copy = copy_checkout(tmp_path / "copy")
    assert not (copy / "ignored.txt").exists()
    source = (checkout / "counting.py").read_text()

    def outcome(old: str, new: str) -> str:
        mutant = Mutant("counting.py", 1, source, source.replace(old, new))
        return run_mutant(copy, mutant, ["tests"], timeout_s=20)

    assert run_tests(copy, ["tests"], None, cache=True) == "survived"
    assert outcome("i < stop", "i <= stop") == "killed"
    assert outcome("i < stop", "i != stop") == "survived"
    hangs = Mutant("counting.py", 1, source, source.replace("i += 1", "pass"))
    assert run_mutant(copy, hangs, ["tests"], timeout_s=3) == "timeout"
    assert (copy / "counting.py").read_text() == source
    assert (checkout / "counting.py").read_text() == source


def test_command_writes_survivors_as_a_patch(checkout, tmp_path, capsys):
    (checkout / "tests" / "test_counting.py").write_text("def test_nothing():\n    pass\n")
    out = tmp_path / "out"
    out.mkdir()
    (out / "3.diff").write_text("of an earlier command")
    command = ["counting.py", "--tests", "tests", "--number", "2", "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "0 of 2 mutants killed (0%), 0 of them by the time limit; 2 survived" in printed
    assert sorted(path.name for path in out.iterdir()) == ["1.diff", "2.diff"]
    for diff in out.iterdir():
        subprocess.run(["git", "apply", "--check", str(diff)], cwd=checkout, check=True)


def test_command_refuses_tests_that_fail_without_a_fault(checkout, tmp_path):
    (checkout / "tests" / "test_counting.py").write_text("def test_fails():\n    assert False\n")
    command = ["counting.py", "--tests", "tests", "--out", str(tmp_path)]
    with pytest.raises(RuntimeError, match="must pass without a fault"):
        main(command)


@pytest.mark.usefixtures("checkout")
def test_modules_are_files_and_folders_of_the_checkout():
    assert modules_of(["counting.py", "tests/"]) == ["counting.py", "tests/test_counting.py"]
    with pytest.raises(ValueError, match="MODULE must be a Python file"):
        modules_of(["nowhere"])


def test_every_module_has_tests_and_every_pattern_finds_some():
    assert all((ROOT / folder).is_dir() for folder in TESTS_OF)
    for patterns in TESTS_OF.values():
        assert all(list(ROOT.glob(f"tests/{pattern}.py")) for pattern in patterns.split())
    for package in PACKAGES:
        folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / package).glob("*/*.py")}
        assert all(find_tests(f"{folder}/module.py") for folder in folders)
        if package == "baselines":
            assert folders <= set(TESTS_OF)
    assert find_tests("ccpo_env/verifiers/math/compare/single.py") == find_tests(
        "ccpo_env/verifiers/number.py"
    )
    assert "tests/env/test_views.py" in find_tests("ccpo_env/topologies/vote.py")
