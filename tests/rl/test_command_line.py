"""Command lines: what a dataclass makes of words, its help, and its errors of one line."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import pytest

from baselines.bench.credit.credit_config import CreditConfig
from baselines.bench.learning import LearningConfig
from baselines.bench.measuring import BenchConfig
from baselines.common.command_line import parse, read_words
from baselines.common.flags import Alone, Choices, Positional, build, flags_of
from baselines.compare.command import CompareConfig
from baselines.evaluate.command import EvalConfig
from baselines.evaluate.human_play import PlayConfig
from baselines.experiment.command import ExperimentConfig
from baselines.train.command import main as train
from baselines.train.config import FIRST_FLAGS, TrainConfig
from baselines.train.engines.config import EnginesConfig
from baselines.train_sb3.command import Sb3Config
from baselines.train_sb3.comparison import DirectCommandConfig
from tests.rl.teams import quietly

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"one": 1, "other": 2}
CONFIGS = (
    *(TrainConfig, EvalConfig, PlayConfig, CompareConfig, ExperimentConfig, EnginesConfig),
    *(Sb3Config, DirectCommandConfig, BenchConfig, CreditConfig, LearningConfig),
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Numbers of a part."""

    rate: float = 0.5
    """A rate."""


@dataclass(frozen=True, kw_only=True)
class Toy(Inner):
    """A command."""

    places: Annotated[tuple[Path, ...], Positional()]
    """Places. More of them."""
    name: Annotated[str, Choices(NAMES)] = "one"
    """A name,
    in two lines."""
    kind: Literal["a", "b"] = "a"
    """A kind."""
    count: int | None = None
    """A count. None: no count."""
    on: bool = False
    """A switch: 100%."""
    some: dict[str, float] = field(default_factory=dict)
    """Numbers by name."""
    many: tuple[int, ...] = (1, 2)
    """Numbers."""
    mode: Annotated[Literal["no", "yes", "auto"], Alone("yes")] = "no"
    """A mode."""
    part: Inner = field(default_factory=lambda: Inner(rate=0.25))
    """A part."""

    def check(self) -> None:
        """Raise ValueError if the count is negative."""
        if self.count is not None and self.count < 0:
            raise ValueError(f"count must be >= 0, got {self.count}; pass --count 0")


def read(*words: str) -> Toy:
    return parse(Toy, words, "toy")


def given(*words: str) -> dict[str, object]:
    return read_words(words, flags_of(Toy), "toy")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["a", "b"], {"places": (Path("a"), Path("b"))}),
        (["--name", "x", "a"], {"name": "x", "places": (Path("a"),)}),
        (["--rate", "1e-5"], {"rate": 1e-5}),
        (["--rate", "-1e-5"], {"rate": -1e-5}),
        (["--rate=2"], {"rate": 2.0}),
        (["--rate=-1e-5"], {"rate": -1e-5}),
        (["--count", "3"], {"count": 3}),
        (["--count", "None"], {"count": None}),
        (["--on"], {"on": True}),
        (["--no-on"], {"on": False}),
        (["--no_on"], {"on": False}),
        (["a", "--on", "b"], {"on": True, "places": (Path("a"), Path("b"))}),
        (["a", "-hidden", "-1e-5"], {"places": (Path("a"), Path("-hidden"), Path("-1e-5"))}),
        (["--some", "x", "-1", "y", "2"], {"some": {"x": -1.0, "y": 2.0}}),
        (["--some", "x", "-1e-5", "a b", "inf"], {"some": {"x": -1e-5, "a b": math.inf}}),
        (["--some"], {"some": {}}),
        (["--many", "-3", "4"], {"many": (-3, 4)}),
        (["--many", "3", "4", "--on"], {"many": (3, 4), "on": True}),
        (["--mode"], {"mode": "yes"}),
        (["--mode", "auto"], {"mode": "auto"}),
        (["--mode=auto"], {"mode": "auto"}),
        (["--mode", "--on"], {"mode": "yes", "on": True}),
        (["--part.rate", "1"], {"part.rate": 1.0}),
        (["--name", "x", "--name", "y"], {"name": "y"}),
        (["--name=--x"], {"name": "--x"}),
        (["--name=--a_b=c d"], {"name": "--a_b=c d"}),
        (["--name", "-a_b=c d"], {"name": "-a_b=c d"}),
        (["--name", "c d\n"], {"name": "c d\n"}),
        (["--name", ""], {"name": ""}),
        (["--name="], {"name": ""}),
    ],
)
def test_words_are_read_as_the_annotations_say(words, values):
    assert given(*words) == values


def test_what_is_not_given_has_its_default():
    assert read("a") == Toy(places=(Path("a"),))
    assert read("a", "--part.rate", "1").part == Inner(rate=1.0)
    assert read("a").part == Inner(rate=0.25)


def test_underscores_of_a_field_are_accepted():
    flags = flags_of(TrainConfig)
    assert read_words(["--group_size", "4"], flags, "p") == {"group_size": 4}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--nmae", "x"],
            "a flag of toy must be one that it has, got --nmae; did you mean --name?",
        ),
        (["--zzz"], "got --zzz; see toy --help-all"),
        (["--nam", "x"], "got --nam; did you mean --name?"),
        (["--name", "x", "--nmae=c d"], "got --nmae; did you mean --name?"),
        (["--many", "--c d"], "got --c d; see toy --help-all"),
        (["--name", "x", "--no-name"], "got --no-name; did you mean --name?"),
        (["--count", "many"], "--count must be a whole number, got 'many'; pass e.g. --count 1"),
        (["--rate", "x"], "--rate must be a number, got 'x'; pass e.g. --rate 0.5"),
        (["--part.rate", "x"], "--part.rate must be a number, got 'x'; pass e.g. --part.rate 0.25"),
        (["--count"], "--count must have a value, got none; pass e.g. --count 1"),
        (["--name", "--on"], "--name must have a value, got none; choose one of one, other"),
        (["--kind", "c"], "unknown --kind 'c'; available: a, b"),
        (["--some", "x"], "--some must have a value after each name, got 'x'"),
        (["--some", "x", "1", "x", "2"], "x of --some must be given once; drop one of its values"),
        (["--some", "x", "y"], "--some must be a number, got 'y'; pass --some NAME 0.1"),
        (["--many", "x"], "--many must be a whole number, got 'x'"),
        (["--on=yes"], "--on must stand alone, got 'yes'; pass --on or --no-on"),
        (["--help=me"], "--help must stand alone, got 'me'; pass -h or --help"),
        (["a", "--count", "-1"], "count must be >= 0, got -1; pass --count 0"),
        ([], "places must be given, got nothing; pass places"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_code_2(words, message, capsys):
    with pytest.raises(SystemExit) as exited:
        read(*words)
    printed = capsys.readouterr()
    assert exited.value.code == 2
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("error: ")
    assert message in printed.err


def test_a_word_without_a_flag_is_refused(capsys):
    assert quietly(train, "--steps", 3, "more")[0] == 2
    assert "a word of ccpo train must follow the flag" in capsys.readouterr().err


def test_help_shows_sections_choices_and_defaults(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    code, printed = quietly(lambda words: parse(Toy, words, "toy"), "--help")
    assert code == 0
    assert printed.splitlines() == [
        "usage: toy PLACES ... [flags]",
        "",
        "A command.",
        "",
        "numbers of a part:",
        "  --rate FLOAT            A rate. (default: 0.5)",
        "",
        "flags:",
        "  PLACES                  Places. More of them. (required)",
        "  --name NAME             A name, in two lines. (choices: one, other; default: one)",
        "  --kind NAME             A kind. (choices: a, b; default: a)",
        "  --count INT             A count. None: no count.",
        "  --on, --no-on           A switch: 100%.",
        "  --some [NAME VALUE ...]",
        "                          Numbers by name.",
        "  --many [INT ...]        Numbers. (default: 1 2)",
        "  --mode [NAME]           A mode. (choices: no, yes, auto; default: no)",
        "",
        "part: flags:",
        "  --part.rate FLOAT       A rate. (default: 0.25)",
        "",
        "help:",
        "  -h, --help              Show this help.",
    ]


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_flag_has_help_in_a_titled_section(kind):
    flags = flags_of(kind)
    assert len({flag.key for flag in flags}) == len(flags) >= len(fields(kind)) - 1
    for flag in flags:
        assert re.fullmatch(r"[A-Z\"a-z].{7,}[.…]", flag.text), flag
        assert flag.section.islower() or "AdamW" in flag.section, flag.section


def test_help_of_train_shows_what_most_runs_need_and_the_rest_on_request():
    short = quietly(train, "--help")[1]
    every = quietly(train, "--help-all")[1]
    names = [flag.name for flag in flags_of(TrainConfig)]
    listed = re.compile(r"^  (--[a-z0-9-]+)", re.MULTILINE)
    assert {*listed.findall(short)} == {
        *(f"--{key.replace('_', '-')}" for key in FIRST_FLAGS),
        "--help-all",
    }
    assert len(FIRST_FLAGS) == 15
    assert listed.findall(every) == [*names, "--help-all"]
    for name in ("counterfactual", "reinforce_pp_baseline", "debate", "tensorboard", "lora"):
        assert name in short
    assert "number" in every
    assert "ALLOCATORS" not in every


def test_a_required_flag_has_no_default():
    (policy,) = (flag for flag in flags_of(EvalConfig) if flag.key == "policy")
    assert policy.default is MISSING
    with pytest.raises(ValueError, match="--policy must be given, got nothing"):
        build(EvalConfig, {})
