"""The trainers of TRL and CoMLRL on the embedded model, one step at a time."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from baselines.bench.stepwise import LEARNING_RATE, TINY_STEP, StepwiseLoop
from baselines.bench.trl_step import TokenCount, prompts_of, rewards, tokenizer_of, train_trl
from baselines.policies.registry import load_policy
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from ccpo_env import load_tasks

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
    config = replace(
        TEAM_OF_ONE, tasks_per_step=NUM_TASKS, group_size=GROUP_SIZE, max_tokens=MAX_NEW_TOKENS
    )
    train_trl(config, count, pause)


def _train_comlrl(count: TokenCount, pause: Callable[[], None]) -> None:
    from comlrl.trainers.reinforce import MAGRPOConfig, MAGRPOTrainer

    env = team_env(TEAM_OF_TWO, load_tasks(TEAM_OF_TWO.tasks, split="train")).unwrapped
    policies = [load_policy("tiny") for _ in range(2)]
    for policy in policies:
        count.watch(policy.module)
    rows = [
        {"thinker": thinker, "solver": solver, "answer": task.answer}
        for task, (thinker, _), (solver, _) in zip(
            env.tasks, prompts_of(env, "thinker_0"), prompts_of(env, "solver_0"), strict=True
        )
    ]

    def team_reward(
        _thoughts: list[str], completions: list[str], *, batch_items: list[dict[str, str]]
    ) -> list[float]:
        return rewards(env, completions, [item["answer"] for item in batch_items])

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
        tokenizer=[tokenizer_of(policy) for policy in policies],
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


OTHER_TRAINERS: Mapping[str, OtherTrainer] = {
    "trl": OtherTrainer("TRL GRPOTrainer", "trl", "trl==1.16.0", TEAM_OF_ONE, _train_trl, bar=0.5),
    "comlrl": OtherTrainer(
        "CoMLRL MAGRPOTrainer", "comlrl", "comlrl==1.4.3", TEAM_OF_TWO, _train_comlrl, bar=0.35
    ),
}
"""All trainers that ours is compared with."""
