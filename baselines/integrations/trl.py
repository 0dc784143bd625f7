"""Train a team with TRL: its GRPOTrainer, with our rollouts and advantages.

The completions of all roles are rows of one TRL group, each with its own prompt. TRL 1.16 has no
public API for external advantages, but its loss takes those of a subclass: see `CreditGRPOTrainer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.common.processes import SINGLE_PROCESS, AccelerateGroup
from baselines.integrations.credited import CreditedGroup, CreditedRollouts, CreditedRow
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.sharding import unsharded
from baselines.train.config import TrainConfig
from ccpo_env.types import Task

try:
    from trl import GRPOConfig, GRPOTrainer
    from trl.models import unwrap_model_for_generation
except ImportError as error:
    raise ImportError(
        "the TRL adapter must have the package trl 1.16 installed, got none; "
        "pip install 'ccpo-env[trl]'"
    ) from error

if TYPE_CHECKING:
    from accelerate.state import AcceleratorState
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HOOK = "_generate_and_score_completions"
"""The private method of TRL that is overridden, for which the version is pinned."""
if not hasattr(GRPOTrainer, HOOK):
    raise ImportError(
        f"the TRL adapter must have the package trl 1.16 installed, got one without {HOOK}; "
        f"pip install 'ccpo-env[trl]'"
    )
REWARD, AGENT, TOKENS = "team_reward", "agent", "num_tokens"
"""Names of the team reward, the agent and the number of completion tokens in TRL's logs."""
ROLLOUT_STREAM = 1
"""Index of the random stream, as in our trainer."""


class CreditGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL is not annotated
    """TRL's GRPOTrainer on a team, with advantages from an allocator.

    All roles share one policy. A group of num_generations rows holds the group_size rollouts of
    one task, with one row per turn. Only the loss is TRL's, as selected by args.loss_type,
    args.importance_sampling_level and args.epsilon.

    Args:
        model: The policy.
        config: Team, allocator, advantage and rollout settings; see `CreditedRollouts`. Learning
            rate, steps, seed and loss are those of args.
        tasks: Tasks to train on.
        args: TRL's arguments; num_generations must be group_size times the turns of a rollout,
            and a process must hold whole groups.
        tokenizer: Tokenizer of the model.
        **other: Passed to GRPOTrainer, such as callbacks and peft_config.

    Raises:
        ValueError: If config and args do not fit, or the launcher shards the weights in a way in
            which they cannot be gathered for sampling.

    Note: Weights that FSDP 2 or DeepSpeed's ZeRO 3 shards are gathered while groups are played,
        so that each process holds the whole model then.

    Note: Unmeasured completions and missing rows of a group are padded with rows of one token
        without advantage; loss types that divide by a number of rows count them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        config: TrainConfig,
        tasks: Sequence[Task],
        args: GRPOConfig,
        tokenizer: PreTrainedTokenizerBase,
        **other: Any,
    ) -> None:
        from datasets.arrow_dataset import Dataset

        self._tasks: Mapping[str, Task] = {task.id: task for task in tasks}
        if len(self._tasks) != len(tasks):
            raise ValueError(
                f"tasks must have ids that differ, got {len(self._tasks)} ids for {len(tasks)} "
                f"tasks; number them"
            )
        self._rollouts = CreditedRollouts(
            config,
            _SamplingPolicy(self),
            tasks,
            max_tokens=args.max_completion_length,
            processes=AccelerateGroup() if args.world_size > 1 else SINGLE_PROCESS,
        )
        _check_arguments(args, self._rollouts.rows_per_group, config)
        self._pending: list[CreditedRow] = []
        self._whole: PreTrainedModel | None = None
        super().__init__(
            model=model,
            reward_funcs=team_reward,
            args=args,
            train_dataset=Dataset.from_list([{"prompt": task.id} for task in tasks]),
            processing_class=tokenizer,
            rollout_func=_play,
            **other,
        )
        _check_sharding(self.accelerator.state)

    @property
    def whole_model(self) -> PreTrainedModel:
        """The model without wrappers, with all its weights in this process."""
        if self._whole is None:
            raise RuntimeError(
                "the model must be gathered to sample from it, got none; call play() of the trainer"
            )
        return self._whole

    def play(self, task_ids: Sequence[str]) -> list[CreditedGroup]:
        """Play a group for each task of this process with the current policy."""
        step = [self.args.seed, ROLLOUT_STREAM, self.state.global_step, self._step]
        rng = np.random.default_rng([*step, self.accelerator.process_index])
        with self._gathered():
            return self._rollouts.play([self._tasks[task_id] for task_id in task_ids], rng=rng)

    @contextmanager
    def _gathered(self) -> Iterator[None]:
        """Gather the weights in every process, once, as the processes sample unequally often."""
        with unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        ) as model:
            was_training = model.training
            with unsharded([model]):
                self._whole = model
                try:
                    yield
                finally:
                    self._whole = None
            model.train(was_training)

    def rollout_rows(self, prompts: Sequence[str]) -> list[CreditedRow]:
        """Return a row for each prompt of a batch, in which equal task ids are contiguous."""
        size = self._rollouts.rows_per_group
        task_ids = list(prompts[::size])
        if list(prompts) != [task_id for task_id in task_ids for _ in range(size)]:
            raise ValueError(
                f"a batch must hold whole groups of {size} rows, got {len(prompts)} rows of "
                f"{len(set(prompts))} tasks; make per_device_train_batch_size times "
                f"steps_per_generation a multiple of {size}"
            )
        end = self.processing_class.eos_token_id
        filler = CreditedRow("-", Completion("", (end,), (end,), (0.0,)), 0.0, float("nan"))
        self._pending = []
        for group in self.play(task_ids):
            self._pending += [*group.rows, *[filler] * (size - len(group.rows))]
        return self._pending

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Return TRL's batch with our advantages in place of its own."""
        import torch

        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        own: Tensor = batch["advantages"]
        ours = [row.advantage for row in self._pending]
        batch["advantages"] = torch.tensor(ours, dtype=own.dtype, device=own.device)
        # TRL has logged its own: those of log_completions are the ones that train, too.
        logged: list[float] = self.accelerator.gather(batch["advantages"]).tolist()
        self._logs["advantages"].extend(logged)
        return batch


class _SamplingPolicy:
    """Samples from the model of a trainer while it plays."""

    def __init__(self, trainer: CreditGRPOTrainer) -> None:
        self._trainer = trainer

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, at TRL's temperature and length."""
        trainer = self._trainer
        own = Sampling(
            temperature=trainer.args.temperature,
            max_tokens=sampling.max_tokens or trainer.args.max_completion_length,
            stop=sampling.stop,
        )
        policy = HFPolicy(trainer.whole_model, trainer.processing_class)
        return policy.sample(prompts, sampling=own, rng=rng)


def team_reward(
    *,
    team_reward: Sequence[float],
    agent: Sequence[str],
    num_tokens: Sequence[int],
    log_extra: Callable[[str, Sequence[object]], None],
    **columns: object,  # noqa: ARG001  TRL passes all columns
) -> list[float | None]:
    """Return the team reward of each row for TRL's logs; None for padding rows.

    Logs the agent and the length of each row.
    """
    log_extra(AGENT, agent)
    log_extra(TOKENS, num_tokens)
    return [None if np.isnan(reward) else reward for reward in team_reward]


def _play(prompts: Sequence[str], trainer: CreditGRPOTrainer) -> dict[str, list[Any]]:
    """Return rows in the format of TRL's rollout_func."""
    rows = trainer.rollout_rows(prompts)
    return {
        "prompt_ids": [list(row.completion.prompt_ids) for row in rows],
        "completion_ids": [list(row.completion.token_ids) for row in rows],
        "logprobs": [list(row.completion.logprobs) for row in rows],
        REWARD: [row.reward for row in rows],
        AGENT: [row.agent for row in rows],
        TOKENS: [len(row.completion.token_ids) for row in rows],
    }


def _check_arguments(args: GRPOConfig, rows_per_group: int, config: TrainConfig) -> None:
    if args.num_generations != rows_per_group:
        turns = rows_per_group // config.group_size
        raise ValueError(
            f"num_generations must be group_size times the turns of a rollout, "
            f"{config.group_size} x {turns}, got {args.num_generations}; pass "
            f"num_generations={rows_per_group}"
        )
    rows = args.per_device_train_batch_size * args.steps_per_generation
    if rows % rows_per_group:
        raise ValueError(
            f"a process must hold whole groups of {rows_per_group} rows, got "
            f"per_device_train_batch_size x steps_per_generation = {rows}; make it a multiple"
        )
    if args.use_vllm:
        raise ValueError(
            "use_vllm must be False, got True; this adapter samples from the trained model itself"
        )


def _check_sharding(state: AcceleratorState) -> None:
    plugin = getattr(state, "fsdp_plugin", None)
    if plugin is not None and plugin.fsdp_version != 2:
        raise ValueError(
            f"sharded weights must be those of FSDP 2 or DeepSpeed, which can be gathered to "
            f"sample, got FSDP {plugin.fsdp_version}; pass --fsdp_version 2 to accelerate launch"
        )
