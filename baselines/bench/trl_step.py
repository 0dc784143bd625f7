"""The loop of TRL's GRPOTrainer on the work of a team of one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from baselines.bench.measuring import num_useful
from baselines.bench.stepwise import LEARNING_RATE
from baselines.policies.registry import load_policy
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from ccpo_env import load_tasks
from ccpo_env.env import TeamAnswerEnv

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.policies.base import TrainablePolicy


class TokenCount:
    """Counts the tokens that ``generate`` of transformers samples, without padding.

    Attributes:
        num_read: Prompt tokens of the last call, once for each completion.
    """

    def __init__(self) -> None:
        self._num_tokens = 0
        self.num_read = 0

    def watch(self, module: Any) -> None:
        """Count the tokens that this model generates from now on."""
        generate = module.generate
        ends = module.generation_config.eos_token_id

        def counted(*args: Any, **kwargs: Any) -> Any:
            output = generate(*args, **kwargs)
            sequences: Tensor = getattr(output, "sequences", output)
            self._num_tokens += num_useful(sequences[:, kwargs["input_ids"].shape[1] :], ends)
            if kwargs.get("attention_mask") is not None:
                self.num_read = int(kwargs["attention_mask"].sum())
            return output

        module.generate = counted

    def take(self) -> int:
        """Return the number of tokens since the last call."""
        num_tokens, self._num_tokens = self._num_tokens, 0
        return num_tokens


def train_trl(
    config: TrainConfig,
    count: TokenCount,
    pause: Callable[[], None],
    *,
    min_tokens: int | None = None,
    num_micro_batches: int = 1,
) -> None:
    """Train with GRPOTrainer until pause raises.

    Args:
        config: Config of our trainer for the same work: one agent, one policy.
        count: Counts the tokens that are sampled.
        pause: Called after each step.
        min_tokens: Least number of tokens of a completion. None: 1.
        num_micro_batches: Parts of a step's completions, whose gradients are added up.
    """
    from datasets.arrow_dataset import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    env = team_env(config, load_tasks(config.tasks, split="train")).unwrapped
    policy = load_policy(config.policy)
    count.watch(policy.module)

    def team_reward(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
        return rewards(env, [_text(completion) for completion in completions], answer)

    class Pausing(TrainerCallback):
        def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            pause()

    num_completions = config.tasks_per_step * config.group_size
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder,
            num_generations=config.group_size,
            per_device_train_batch_size=num_completions // num_micro_batches,
            gradient_accumulation_steps=num_micro_batches,
            max_completion_length=config.max_tokens,
            generation_kwargs=None if min_tokens is None else {"min_new_tokens": min_tokens},
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
        has_template = bool(tokenizer_of(policy).chat_template)
        rows = [
            {"prompt": messages if has_template else text, "answer": task.answer}
            for task, (text, messages) in zip(env.tasks, prompts_of(env, "voter_0"), strict=True)
        ]
        GRPOTrainer(
            model=policy.module,
            reward_funcs=team_reward,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer_of(policy),
            callbacks=[Pausing()],
            peft_config=_adapter(config),
        ).train()


def prompts_of(env: TeamAnswerEnv, agent: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield an agent's prompt of each task before the first message, as text and as messages."""
    for index in range(len(env.tasks)):
        env.reset(options={"task": index})
        yield env.observe(agent)["prompt"], list(env.infos[agent]["messages"])


def rewards(env: TeamAnswerEnv, completions: Sequence[str], answers: Sequence[str]) -> list[float]:
    """Return the reward of each completion from the verifier of the environment."""
    return [
        env.verifier(completion, answer).reward or 0.0
        for completion, answer in zip(completions, answers, strict=True)
    ]


def tokenizer_of(policy: TrainablePolicy) -> Any:
    """Return the tokenizer of a local policy, which pads on the left."""
    tokenizer = policy.tokenizer  # type: ignore[attr-defined]  # a model of transformers has one
    tokenizer.padding_side = "left"
    return tokenizer


def _text(completion: str | list[dict[str, str]]) -> str:
    return completion if isinstance(completion, str) else completion[-1]["content"]


def _adapter(config: TrainConfig) -> Any:
    """Return the settings of an adapter like ours, None without adapters."""
    if config.weights != "lora":
        return None
    from peft import LoraConfig

    from baselines.policies.local.lora import ALPHA_PER_RANK

    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=ALPHA_PER_RANK * config.lora_rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
