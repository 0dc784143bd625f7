"""What a run is made of: the dataclass is the command line, its help and config.json."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.trackers import TRACKERS
from ccpo_env.errors import unknown_name

EMBEDDED_LEARNING_RATE = 5e-4
"""Measured best for the embedded tiny team; see docs/tiny.md."""
PRETRAINED_LEARNING_RATE = 1e-6
"""Of the reference scripts of arXiv:2603.21563, for models of 1.5 to 8 billion parameters."""

NOT_COMPARED = ("out_dir", "resume", "steps", "tracker")
"""Fields that a resumed run may change: they do not change the steps already made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Train a team of language models with per-agent credit."""

    policy: str = "tiny"
    """Model that every role starts from: "tiny", "smollm2", a folder, a .gguf file or a name."""
    tasks: str = "arithmetic"
    """Tasks to train on: a registered name, or a .jsonl or .parquet file. Its split "train" is
    trained on, its split "test" is held out."""
    num_thinkers: int = 1
    """Thinkers that speak before the solver."""
    allocator: str = "counterfactual"
    """Who earned the team reward: a name from ALLOCATORS."""
    allocator_knobs: dict[str, str] = field(default_factory=dict)
    """Knobs of the allocator by name, such as: weight 0.5 mode margin."""
    optimizer: str = "grpo"
    """How the policies step: a name from OPTIMIZERS."""
    alternate_period: int = 0
    """Steps that one role is trained before the next one's turn; 0: all roles in every step."""
    group_size: int = 8
    """Rollouts of the whole team per task, the G of every shape."""
    tasks_per_step: int = 32
    """Groups per step."""
    removed_samples: int = 4
    """Rollouts per task with an agent removed, for credit that needs them."""
    steps: int = 80
    """Steps of training; in each, every role whose turn it is is updated once."""
    learning_rate: float | None = None
    """Of AdamW, after warm-up. None: 5e-4 for the policy "tiny", 1e-6 for any other."""
    warmup_steps: int = 5
    """Updates over which the learning rate rises."""
    max_grad_norm: float = 1.0
    """A gradient with a larger Euclidean norm is scaled down to it."""
    temperature: float = 1.0
    """Sampling temperature, in training and evaluation."""
    max_tokens: int | None = None
    """Longest completion of a turn, in tokens. None: the model's own default."""
    micro_batch_tokens: int = 16384
    """Padded tokens of one forward and backward pass; lower it if memory runs out."""
    eval_every: int = 10
    """Steps between evaluations on held-out tasks; 0: only before and after training."""
    num_eval_tasks: int = 400
    """Held-out tasks of an evaluation."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    seed: int = 0
    """Seeds tasks and sampling. Same seed and config, same run."""
    out_dir: Path | None = None
    """Folder of the run. None: a new folder under runs/."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on from the newest checkpoint of out_dir."""
    tracker: str = "none"
    """Where metrics go besides metrics.jsonl: a name from TRACKERS."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range.

        Not part of construction, so that a command line gets the plain sentence.
        """
        require_known("allocator", self.allocator, ALLOCATORS)
        require_known("optimizer", self.optimizer, OPTIMIZERS)
        require_known("tracker", self.tracker, TRACKERS)
        require_at_least("group_size", self.group_size, 2, why="a group of 1 has no baseline")
        for name in ("num_thinkers", "tasks_per_step", "removed_samples", "steps"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("num_eval_tasks", "checkpoint_every", "micro_batch_tokens"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("alternate_period", "warmup_steps", "eval_every", "seed"):
            require_at_least(name, getattr(self, name), 0)
        require_positive("max_grad_norm", self.max_grad_norm, such_as=1.0)
        require_positive("temperature", self.temperature, such_as=1.0)
        require_positive("learning_rate", self.learning_rate, such_as=EMBEDDED_LEARNING_RATE)
        if self.resume and self.out_dir is None:
            raise ValueError(
                "--resume must come with the folder of the run, got none; pass --out-dir runs/NAME"
            )
        parse_knobs(self.allocator, self.allocator_knobs)

    @property
    def step_size(self) -> float:
        """The learning rate, its default filled in."""
        if self.learning_rate is not None:
            return self.learning_rate
        return EMBEDDED_LEARNING_RATE if self.policy == "tiny" else PRETRAINED_LEARNING_RATE

    def to_json(self) -> dict[str, Any]:
        """Return the config as config.json holds it, defaults filled in."""
        values = asdict(replace(self, learning_rate=self.step_size))
        del values["resume"], values["out_dir"]
        return values


def require_known(field_name: str, name: str, table: Mapping[str, object]) -> None:
    """Raise ValueError, with the nearest valid name, unless name is in table."""
    if name not in table:
        raise unknown_name(field_name, name, table)


def require_at_least(name: str, value: int, least: int, *, why: str = "") -> None:
    """Raise ValueError unless an integer field is large enough."""
    if value < least:
        flag = f"--{name.replace('_', '-')}"
        reason = f" because {why}" if why else ""
        raise ValueError(
            f"{name} must be >= {least}{reason}, got {value}; pass {flag} {least} or more"
        )


def require_positive(name: str, value: float | None, *, such_as: float) -> None:
    """Raise ValueError unless a number is finite and above 0; None passes."""
    if value is not None and not 0.0 < value < float("inf"):
        flag = f"--{name.replace('_', '-')}"
        raise ValueError(
            f"{name} must be a number above 0, got {value}; pass e.g. {flag} {such_as}"
        )


def parse_knobs(allocator: str, knobs: Mapping[str, str]) -> dict[str, float | str]:
    """Return an allocator's knobs with numbers as numbers.

    Raises:
        ValueError: If the allocator has no knob of that name, or a number is not one.
    """
    parameters = inspect.signature(ALLOCATORS[allocator].credit).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    parsed: dict[str, float | str] = {}
    for name, text in knobs.items():
        if not defaults:
            raise ValueError(
                f"allocator_knobs must be empty for {allocator!r}, got {name!r}; leave it out"
            )
        require_known(f"a knob of {allocator!r}", name, defaults)
        is_text = isinstance(defaults[name], str)
        parsed[name] = text if is_text else _number(name, text)
    return parsed


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"knob {name} must be a number, got {text!r}; pass e.g. 0.2") from None


def check_same_config(config: Mapping[str, Any], saved: Mapping[str, Any], where: Path) -> None:
    """Raise ValueError unless a run may go on from a checkpoint of the saved config.

    Args:
        config: What was asked for, as `TrainConfig.to_json`.
        saved: What the checkpoint was made with.
        where: The checkpoint, for the message.
    """
    for name, value in json.loads(json.dumps(config)).items():
        if name not in NOT_COMPARED and saved.get(name) != value:
            raise ValueError(
                f"{name} must be that of the checkpoint, {saved.get(name)!r}, got {value!r} in "
                f"{where}; {_ask_for(name, saved.get(name))}, or pass another --out-dir"
            )
    if config["steps"] < saved["steps_done"]:
        raise ValueError(
            f"steps must be >= the {saved['steps_done']} steps already made, got "
            f"{config['steps']} in {where}; raise --steps"
        )


def _ask_for(name: str, value: object) -> str:
    """Return how to give a field a value on the command line."""
    flag = f"--{name.replace('_', '-')}"
    if value in (None, {}):
        return f"leave out {flag}"
    if isinstance(value, dict):
        value = " ".join(f"{key} {entry}" for key, entry in value.items())
    return f"pass {flag} {value}"
