"""Settings of a pilot; the dataclass defines the flags and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from baselines.advise.measurable import MIN_TASKS
from baselines.advise.pilot_data import SKETCH_SIZE
from baselines.common.checks import require_at_least, require_known, require_positive
from baselines.common.flags import Choices
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.rollouts.categories import CATEGORIES, find_categorize
from baselines.rollouts.team_env import TeamOverrides
from baselines.train.config import TrainConfig
from baselines.train.settings import Weights
from ccpo_env.tasks import TASK_SOURCES
from ccpo_env.types import Topology

MAX_SKETCH_BYTES = 2**30
"""Largest memory of the sketches of a pilot, of which a scaled copy is made."""


@dataclass(frozen=True, kw_only=True)
class CandidateSettings:
    """What is compared."""

    allocators: Annotated[tuple[str, ...], Choices(ALLOCATORS)] = ()
    """Allocators to compare with the shared reward. None given: all that can be measured."""
    optimizers: Annotated[tuple[str, ...], Choices(OPTIMIZERS)] = ()
    """Optimizers to compare. None given: all."""
    optimizer: Annotated[str, Choices(OPTIMIZERS)] = TrainConfig.optimizer
    """Optimizer of the first table, and of the shared reward that setups are compared with."""
    ratings: bool = False
    """Have the agents rate each other, for credit by self-evaluation."""
    message_categories: Annotated[str, Choices((*CATEGORIES, "module:function"))] = "answer"
    """Categories of messages, for credit that compares them; as in ccpo train."""


@dataclass(frozen=True, kw_only=True)
class PilotSettings:
    """Pilot."""

    groups: int = 64
    """Tasks, each with one group of rollouts. The first quantity to raise where a row cannot be
    measured."""
    group_size: int = 8
    """Rollouts per task; smaller groups are subsampled from them."""
    samples: int = 4
    """Replays per removed agent and continuations per turn; 1 is compared as well."""
    seed: int = 0
    """Random seed of the tasks, the rollouts and the resamples."""
    out_dir: Path | None = None
    """Folder for advice.json and advice.html. None: nothing is written."""


@dataclass(frozen=True, kw_only=True)
class WeightSettings:
    """Weights and sampling."""

    weights: Weights = "separate"
    """What would be trained. separate: weights for each role. shared: one policy for all roles.
    lora: a low-rank adapter for each role."""
    lora_rank: int = 16
    """Rank of the LoRA adapters, with --weights lora."""
    temperature: float = 1.0
    """Sampling temperature."""
    max_tokens: int | None = None
    """Maximum completion length per turn, in tokens. None: the model's default."""
    micro_batch_tokens: int = 16384
    """Tokens per forward and backward pass, including padding. Decrease it if memory runs out."""


@dataclass(frozen=True, kw_only=True)
class SubjectSettings:
    """Model and tasks."""

    policy: str | None = None
    """Model of all roles, or the folder of a run whose newest checkpoint speaks: "tiny",
    "tiny_choice", "tiny_teams", "smollm2", a folder, a .gguf file, a name on the Hugging Face hub,
    or endpoint:URL. None: that of --from, with which it is not given, else tiny."""
    trust_remote_code: bool = False
    """Run the code that the folder or hub repository of a model holds, also that of the base model
    of an adapter. Read it first: it can do whatever you can."""
    tasks: Annotated[str | None, Choices((*TASK_SOURCES, "a .jsonl or .parquet file"))] = None
    """Tasks, from the split "train". None: those of the run, else arithmetic."""
    shuffle_choices: int | None = None
    """Random seed of another order of the options of multiple-choice tasks. None: as in the run
    whose tasks they are, else their own."""
    from_: Path | None = None
    """Folder of a run whose recorded rollouts are used, in place of new ones: the newest that
    rollouts.jsonl holds, with what was measured on them."""


@dataclass(frozen=True, kw_only=True)
class AdviseConfig(
    CandidateSettings, WeightSettings, TeamOverrides, PilotSettings, SubjectSettings
):
    """Measure, before training, which credit, optimizer and group size are worth their tokens."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        super().check()
        for allocator in self.allocators:
            require_known("allocator", allocator, ALLOCATORS)
        for optimizer in (*self.optimizers, self.optimizer):
            require_known("optimizer", optimizer, OPTIMIZERS)
        require_at_least("groups", self.groups, MIN_TASKS, why="the error is estimated over them")
        require_at_least("group_size", self.group_size, 2, why="it is compared with smaller ones")
        for name in ("samples", "lora_rank", "micro_batch_tokens"):
            require_at_least(name, getattr(self, name), 1)
        require_at_least("seed", self.seed, 0)
        require_positive("temperature", self.temperature, such_as=1.0)
        find_categorize(self.message_categories)

    def check_memory(self, topology: Topology) -> None:
        """Raise ValueError if the sketches of all completions need too much memory."""
        per_group = 2 * self.group_size * len(topology.turns) * SKETCH_SIZE * 4
        if self.groups * per_group > MAX_SKETCH_BYTES:
            raise ValueError(
                f"groups must be <= {MAX_SKETCH_BYTES // per_group} for sketches of at most "
                f"{MAX_SKETCH_BYTES >> 30} GiB of this team, got {self.groups}; lower --groups or "
                f"--group-size"
            )

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the allocators to compare, the shared reward first."""
        named = self.allocators or tuple(ALLOCATORS)
        return tuple(dict.fromkeys(("shared", *named)))

    @property
    def compared_optimizers(self) -> tuple[str, ...]:
        """Names of the optimizers to compare, that of the reference first."""
        return tuple(dict.fromkeys((self.optimizer, *(self.optimizers or OPTIMIZERS))))

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Group sizes to compare: that of the pilot, half of it, and so on down to 1."""
        return tuple(self.group_size >> n for n in range(self.group_size.bit_length()))
