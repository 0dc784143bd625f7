"""The documents' command lines: every flag exists, every file and target they name is there."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from baselines import __main__ as cli
from baselines.common import command_line
from scripts.measure_results import MEASURED

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(console|bash|)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RECIPES = re.compile(r'^```python title="([^" ]+)"$', re.MULTILINE)
RECIPE = re.compile(r"^\| [^|]+ \| `([^`]+)` \| (\S[^|]*) \|$", re.MULTILINE)
"""A row of docs/howto/recipes.md: the question, the command and its time."""
CONFIG = re.compile(r"^```toml title=\"mine.toml\"\n(.*?)^```", re.DOTALL | re.MULTILINE)
TARGET = re.compile(r"^([a-z0-9]+):", re.MULTILINE)
RECIPES_PAGE = ROOT / "docs" / "howto" / "recipes.md"
NEW_NAMES = {
    **{"equal_split": "shared", "group_reinforce": "grpo"},
    **{"review": "think_solve", "products": "arithmetic"},
}
"""What the recipes of CONTRIBUTING.md register, and what stands for it here."""


def lines_of(page: Path) -> list[str]:
    """Return the lines of the shell blocks of a page, those that go on joined, and its recipes."""
    text = page.read_text(encoding="utf-8")
    blocks = [code for _, code in BLOCK.findall(text)]
    lines = [line for code in blocks for line in code.replace("\\\n", " ").splitlines()]
    return lines + [command for command, _ in RECIPE.findall(text) if page == RECIPES_PAGE]


def own_command(line: str) -> tuple[str, list[str]] | None:
    """Return the module of ours that a line runs, and its arguments; None if it runs none."""
    code = re.sub(r"(^|\s)#.*", "", line)  # within a word, # is no comment
    try:
        words = shlex.split(code.rpartition(" | ")[2])
    except ValueError:  # no command but a formula or a sentence
        return None
    if words and words[0] == "ccpo":
        return "baselines.__main__", words[1:]
    modules = [
        place for place, word in enumerate(words) if word == "-m" and "python" in words[: place + 1]
    ]
    modules += [place for place, word in enumerate(words) if word == "-m" and "accelerate" in words]
    for place in modules:
        if words[place + 1].startswith("baselines."):
            return words[place + 1], words[place + 2 :]
    return None


COMMANDS = [
    (f"{page.relative_to(ROOT)}: {' '.join(command[1])}", command)
    for page in PAGES
    for line in lines_of(page)
    if (command := own_command(line)) is not None
] + [
    (f"results: {name}", (measured.module, [*measured.flags, "--out-dir", "runs/x"]))
    for name, measured in MEASURED.items()
]


class ParsedError(Exception):
    """The command line was read; what follows would run it."""


@pytest.fixture
def parse_only(monkeypatch, tmp_path):
    """Make every command stop after its flags are read and checked, beside README's config file."""
    (config,) = CONFIG.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    (tmp_path / "mine.toml").write_text(config, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read, read_argparse = command_line.checked, argparse.ArgumentParser.parse_args

    def checked(config):
        read(config)
        raise ParsedError

    def arguments_of(*given, **settings):
        read_argparse(*given, **settings)
        raise ParsedError

    monkeypatch.setattr(command_line, "checked", checked)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", arguments_of)


def main_of(module: str):
    """Return the function that ``python -m module`` calls."""
    is_folder = (ROOT / module.replace(".", "/")).is_dir()
    return importlib.import_module(f"{module}.__main__" if is_folder else module).main


def call(monkeypatch, module: str, arguments: Sequence[str]) -> None:
    words = (re.sub(r"\$\w+", "0", word) for word in arguments)  # a variable of a loop
    text = shlex.join(NEW_NAMES.get(word, word) for word in words)
    given = shlex.split(re.sub(r"--num-processes \d+", "--num-processes 1", text))  # no launcher
    monkeypatch.setattr(sys, "argv", [module, *given])
    main_of(module)()


@pytest.mark.usefixtures("parse_only")
@pytest.mark.parametrize(
    ("module", "arguments"), [command for _, command in COMMANDS], ids=[n for n, _ in COMMANDS]
)
def test_command_of_the_documents_has_flags_that_exist(monkeypatch, module, arguments):
    with pytest.raises(ParsedError):
        call(monkeypatch, module, arguments)


@pytest.mark.parametrize("flags", [["--no-such-flag", "1"], ["--steps", "many"]])
@pytest.mark.usefixtures("parse_only")
def test_a_flag_that_does_not_exist_is_seen(monkeypatch, flags, capsys):
    with pytest.raises(SystemExit):
        call(monkeypatch, "baselines.__main__", ["train", *flags])
    assert flags[0] in capsys.readouterr().err


def test_the_pages_have_commands_of_every_script():
    scripts = {module.rpartition(".")[2] for _, (module, _) in COMMANDS}
    subcommands = {
        arguments[0] for _, (module, arguments) in COMMANDS if module.endswith(".__main__")
    }
    assert set(cli.COMMANDS) <= scripts | subcommands


def test_every_recipe_has_a_command_that_is_tested_and_a_time():
    text = RECIPES_PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]
    recipes = [command for command, _ in RECIPE.findall(text)]
    assert len(recipes) == len(rows) > 20
    own = [command for command in map(own_command, recipes) if command is not None]
    makes = [command for command in recipes if command.startswith("make ")]
    assert len(own) + len(makes) == len(recipes)
    assert {arguments[0] for _, arguments in own} == set(cli.COMMANDS)


@pytest.mark.usefixtures("parse_only")
def test_settings_of_the_config_file_of_the_readme_are_read(monkeypatch):
    read = []

    def stop(config):
        read.append(config)
        raise ParsedError

    monkeypatch.setattr(command_line, "checked", stop)
    with pytest.raises(ParsedError):
        call(monkeypatch, "baselines.__main__", ["train", "--config", "mine.toml"])
    (config,) = read
    settings = tomllib.loads(Path("mine.toml").read_text(encoding="utf-8"))
    assert len(settings) > 5
    for name, value in settings.items():
        assert getattr(config, name) == (Path(value) if name == "out_dir" else value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_targets_of_commands_exist(page):
    recipes = set(RECIPES.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for line in lines_of(page):
        for path in re.findall(r"(?:tests|scripts)/[\w/]+\.py", line):
            assert path in recipes or (ROOT / path).exists(), f"{page.name} names {path}"
        for target in re.findall(r"^make ([a-z0-9]+)", line):
            assert target in targets, f"{page.name} names make {target}"
