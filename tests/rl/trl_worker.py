"""Train a team with TRL's trainer in one of several processes; record the inputs of its loss."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from baselines.integrations.trl import CreditGRPOTrainer
from baselines.policies.local.sharding import is_sharded, shard
from baselines.policies.registry import load_policy
from baselines.train.config import TrainConfig
from ccpo_env import load_tasks

CONFIGS = {
    "counterfactual": TrainConfig(
        weights="shared", group_size=4, removed_samples=2, measure_removed=True
    ),
    # Whitened over the step, so that each process needs the groups of the others.
    "branch": TrainConfig(
        weights="shared",
        allocator="branch",
        optimizer="reinforce_pp",
        group_size=2,
        branch_samples=2,
    ),
}
NUM_STEPS = 3


class RecordingTrainer(CreditGRPOTrainer):
    """Records the played groups and the rows of each loss."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.groups: list[Any] = []
        self.rows: list[Any] = []
        play = self._rollouts._credit.play

        def recorded(*args: Any, **kwargs: Any) -> Any:
            groups = play(*args, **kwargs)
            self.groups.append(groups)
            return groups

        self._rollouts._credit.play = recorded

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        step = []
        for row in range(len(inputs["advantages"])):
            prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row] == 1]
            said = inputs["completion_ids"][row][inputs["completion_mask"][row] == 1]
            advantage = inputs["advantages"][row].item()
            step.append((tuple(prompt.tolist()), tuple(said.tolist()), advantage))
        self.rows.append(step)
        return super()._compute_loss(model, inputs)


def train(name: str, folder: Path) -> None:
    from trl import GRPOConfig

    config = CONFIGS[name]
    set_seed(0)
    policy = load_policy("tiny")
    start = policy.module.lm_head.weight.detach().clone()
    arguments = GRPOConfig(
        output_dir=str(folder / name),
        num_generations=2 * config.group_size,
        per_device_train_batch_size=16,
        max_steps=NUM_STEPS,
        max_completion_length=16,
        learning_rate=1e-3,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
    )
    trainer = RecordingTrainer(
        policy.module,
        config=config,
        tasks=load_tasks("arithmetic", split="train")[:40],
        args=arguments,
        tokenizer=policy.tokenizer,
    )
    trainer.train()
    model = trainer.accelerator.unwrap_model(trainer.model)
    rank = trainer.accelerator.process_index
    seen = {
        "groups": trainer.groups,
        "rows": trainer.rows,
        "weights": torch.cat([p.detach().flatten() for p in model.parameters()]),
        "moved": not torch.equal(start, model.lm_head.weight.detach()),
        "agents": trainer._rollouts.agents,
    }
    (folder / f"{name}.{rank}.pickle").write_bytes(pickle.dumps(seen))


def play_sharded(folder: Path) -> None:
    """Play the same groups from whole weights and from those that the processes share."""
    from peft import LoraConfig
    from trl import GRPOConfig

    policy = load_policy("tiny")
    tasks = load_tasks("arithmetic", split="train")[:2]
    trainer = CreditGRPOTrainer(
        policy.module,
        config=TrainConfig(weights="shared", optimizer="grpo", group_size=2),
        tasks=tasks,
        args=GRPOConfig(
            output_dir=str(folder),
            num_generations=4,
            per_device_train_batch_size=4,
            max_completion_length=16,
            use_cpu=True,
            bf16=False,
            report_to="none",
        ),
        tokenizer=policy.tokenizer,
        peft_config=LoraConfig(r=2, target_modules="all-linear"),
    )
    rank = trainer.accelerator.process_index
    own = [task.id for task in tasks[rank:2]]  # one process plays longer
    whole = trainer.play(own)
    model = trainer.accelerator.unwrap_model(trainer.model_wrapped)
    shard(model, torch.distributed.init_device_mesh("cpu", (2,)))
    assert is_sharded(model)
    shards = trainer.play(own)
    state = (is_sharded(model), model.training)
    (folder / f"sharded.{rank}.pickle").write_bytes(pickle.dumps((whole, shards, state)))


def main() -> None:
    folder = Path(sys.argv[1])
    for name in CONFIGS:
        train(name, folder)
    if torch.distributed.is_initialized():
        play_sharded(folder)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
