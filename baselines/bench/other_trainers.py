"""The trainers of TRL and CoMLRL on the embedded model, one step at a time."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.bench.stepwise import LEARNING_RATE, TINY_STEP, StepwiseLoop
from baselines.policies.base import TrainablePolicy
from baselines.policies.registry import load_policy
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from ccpo_env import load_tasks
from ccpo_env.env import TeamAnswerEnv

if TYPE_CHECKING:
    from torch import Tensor

NUM_TASKS, GROUP_SIZE, MAX_NEW_TOKENS = 32, 8, 24
"""Size of one step, in all trainers."""
TEAM_OF_ONE = replace(
    TINY_STEP,
    topology="vote",
    num_voters=1,
    allocator="shared",
    optimizer="grpo",
    tasks_per_step=NUM_TASKS,
    group_size=GROUP_SIZE,
    max_tokens=MAX_NEW_TOKENS,
)
"""One agent and one policy, as in GRPOTrainer."""
TEAM_OF_TWO = replace(TEAM_OF_ONE, topology="think_solve", num_thinkers=1)
"""Two agents with a policy each, as in MAGRPOTrainer, whose agents speak simultaneously."""


class TokenCount:
    """Counts the tokens that ``generate`` of transformers samples, without padding."""

    def __init__(self) -> None:
        self._num_tokens = 0

    def watch(self, module: Any) -> None:
        """Count the tokens that this model generates from now on."""
        generate = module.generate
        ends = module.generation_config.eos_token_id

        def counted(*args: Any, **kwargs: Any) -> Any:
            output = generate(*args, **kwargs)
            sequences: Tensor = getattr(output, "sequences", output)
            self._num_tokens += _num_useful(sequences[:, kwargs["input_ids"].shape[1] :], ends)
            return output

        module.generate = counted

    def take(self) -> int:
        """Return the number of tokens since the last call."""
        num_tokens, self._num_tokens = self._num_tokens, 0
        return num_tokens


def _num_useful(completions: Tensor, ends: int | Sequence[int]) -> int:
    """Return the number of tokens of completions (B, T) up to and including the end token."""
    import torch

    is_end = torch.isin(completions, torch.tensor(ends))
    lengths = torch.where(is_end.any(1), is_end.int().argmax(1) + 1, completions.shape[1])
    return int(lengths.sum())


@dataclass(frozen=True, slots=True)
class OtherTrainer:
    """A trainer to compare ours with.

    Args:
        name: Name in the table.
        package: Name of its package for import.
        install: Requirement for pip.
        ours: Config of our trainer for the same work.
        train: Runs its training loop, counts its tokens and pauses after each step.
        bar: Upper bound of our step's time relative to its step's.
    """

    name: str
    package: str
    install: str
    ours: TrainConfig
    train: Callable[[TokenCount, Callable[[], None]], None]
    bar: float

    @property
    def is_installed(self) -> bool:
        """Whether its package is installed."""
        return importlib.util.find_spec(self.package) is not None

    def stepwise(self, count: TokenCount) -> StepwiseLoop:
        """Return its training loop, which makes single steps."""
        return StepwiseLoop(lambda pause: self.train(count, pause))


def _train_trl(count: TokenCount, pause: Callable[[], None]) -> None:
    from datasets.arrow_dataset import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    env = team_env(TEAM_OF_ONE, load_tasks(TEAM_OF_ONE.tasks, split="train")).unwrapped
    policy = load_policy("tiny")
    count.watch(policy.module)

    def team_reward(completions: list[str], answer: list[str], **_: Any) -> list[float]:
        return _rewards(env, completions, answer)

    class Pausing(TrainerCallback):
        def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            pause()

    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder,
            num_generations=GROUP_SIZE,
            per_device_train_batch_size=NUM_TASKS * GROUP_SIZE,
            max_completion_length=MAX_NEW_TOKENS,
            max_steps=1_000_000,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            loss_type="grpo",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        rows = [
            {"prompt": prompt, "answer": task.answer}
            for task, prompt in zip(env.tasks, _prompts(env, "voter_0"), strict=True)
        ]
        GRPOTrainer(
            model=policy.module,
            reward_funcs=team_reward,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=_tokenizer(policy),
            callbacks=[Pausing()],
        ).train()


def _train_comlrl(count: TokenCount, pause: Callable[[], None]) -> None:
    from comlrl.trainers.reinforce import MAGRPOConfig, MAGRPOTrainer

    env = team_env(TEAM_OF_TWO, load_tasks(TEAM_OF_TWO.tasks, split="train")).unwrapped
    policies = [load_policy("tiny") for _ in range(2)]
    for policy in policies:
        count.watch(policy.module)
    rows = [
        {"thinker": thinker, "solver": solver, "answer": task.answer}
        for task, thinker, solver in zip(
            env.tasks, _prompts(env, "thinker_0"), _prompts(env, "solver_0"), strict=True
        )
    ]

    def team_reward(
        _thoughts: list[str], completions: list[str], *, batch_items: list[dict[str, str]]
    ) -> list[float]:
        return _rewards(env, completions, [item["answer"] for item in batch_items])

    arguments = MAGRPOConfig(
        num_train_epochs=1,
        agent_learning_rate=LEARNING_RATE,
        agent_devices="cpu",
        num_generations=GROUP_SIZE,
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        num_turns=1,
        eval_interval=0,
        rollout_buffer_size=NUM_TASKS,
        train_batch_size=NUM_TASKS,
    )
    trainer = MAGRPOTrainer(
        agents=[policy.module for policy in policies],
        num_agents=2,
        tokenizer=[_tokenizer(policy) for policy in policies],
        reward_func=team_reward,
        formatters=[lambda item: item["thinker"], lambda item: item["solver"]],
        train_dataset=[],
        args=arguments,
    )
    trainer.verbose = False
    rng = np.random.default_rng(0)
    while True:
        # One pass over this number of tasks fills each agent's buffer once: one update each.
        chosen = rng.choice(len(rows), NUM_TASKS, replace=False)
        trainer.train_dataset = [rows[index] for index in chosen]
        trainer.train()
        pause()


def _prompts(env: TeamAnswerEnv, agent: str) -> Iterator[str]:
    """Yield an agent's prompt of each task before the first message."""
    for index in range(len(env.tasks)):
        env.reset(options={"task": index})
        yield env.observe(agent)["prompt"]


def _rewards(env: TeamAnswerEnv, completions: Sequence[str], answers: Sequence[str]) -> list[float]:
    return [
        env.verifier(completion, answer).reward or 0.0
        for completion, answer in zip(completions, answers, strict=True)
    ]


def _tokenizer(policy: TrainablePolicy) -> Any:
    tokenizer = policy.tokenizer  # type: ignore[attr-defined]  # a model of transformers has one
    tokenizer.padding_side = "left"
    return tokenizer


OTHER_TRAINERS: Mapping[str, OtherTrainer] = {
    "trl": OtherTrainer("TRL GRPOTrainer", "trl", "trl==1.16.0", TEAM_OF_ONE, _train_trl, bar=0.5),
    "comlrl": OtherTrainer(
        "CoMLRL MAGRPOTrainer", "comlrl", "comlrl==1.4.3", TEAM_OF_TWO, _train_comlrl, bar=0.35
    ),
}
"""All trainers that ours is compared with."""
