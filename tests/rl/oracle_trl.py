"""Reference advantages and length penalties from TRL.

TRL computes advantages in the method that also samples and scores, so the method is run on a
stand-in for the trainer with given samples and rewards. The package is imported inside
the functions that need it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.rl.oracle_peers import Answer, Inputs

MAX_LENGTH, BUFFER = 20, 4
"""Parameters of the length penalty; completions may be longer than the maximum."""
TRL_EPSILON = 1e-4
"""Added to the group standard deviation by TRL; verl and our default add 1e-6."""


def draw_groups_of_one_size(seed: int) -> Inputs:
    """Credit of 1 to 4 groups of equal size, for 2 agents."""
    rng = np.random.default_rng([seed, 2])
    shape = (int(rng.integers(1, 5)), int(rng.integers(2, 6)), 2)
    values = [-1.2, -1.0, 1.0, 1.2] if seed % 2 else np.linspace(-1.0, 1.0, 9)
    return {"credit": rng.choice(values, shape).tolist()}


def draw_lengths(seed: int) -> Inputs:
    """Completion lengths around the maximum."""
    rng = np.random.default_rng([seed, 3])
    return {"lengths": rng.integers(1, MAX_LENGTH + 4, 12).tolist()}


def trl_advantages(trainer: str, **fields: Any) -> Callable[[Inputs], Answer]:
    """Advantages from a trainer of TRL, with agents as separate batches."""

    def answer(inputs: Inputs) -> Answer:
        columns = np.array(inputs["credit"]).transpose(2, 0, 1)  # (A, groups, G)
        return {"advantages": [_trl_column(trainer, column, fields) for column in columns]}

    return answer


def trl_length_penalty(inputs: Inputs) -> Answer:
    """TRL's length penalty, as a reward."""
    from trl.rewards import get_soft_overlong_punishment

    penalty = get_soft_overlong_punishment(MAX_LENGTH, BUFFER)
    return {"reward": penalty(completion_ids=[[0] * length for length in inputs["lengths"]])}


def _trl_column(trainer: str, credit: np.ndarray, fields: dict[str, Any]) -> list[float]:
    import trl
    from accelerate import PartialState

    PartialState(cpu=True)  # TRL gathers its logs through it
    stand_in = _SamplingTrainer(credit, is_rloo=trainer == "RLOOTrainer")
    for name, value in fields.items():
        setattr(stand_in, name, value)
    inputs = [{"prompt": ""} for _ in range(credit.size)]
    found = getattr(trl, trainer)._generate_and_score_completions(stand_in, inputs)
    return [float(value) for value in found["advantages"]]


class _SamplingTrainer:
    """The attributes that TRL's sampling reads, for one process, without tools or images."""

    environment_factories = environments = tools = None
    pad_to_multiple_of = reward_clip_range = None
    mask_truncated_completions = use_vllm = log_multimodal = normalize_advantages = False
    vllm_importance_sampling_correction = False
    num_iterations = 1
    beta = 0.0
    multi_objective_aggregation = "sum_then_normalize"
    scale_rewards = "none"
    reward_func_names = ("credit",)

    def __init__(self, credit: np.ndarray, *, is_rloo: bool) -> None:
        self._is_rloo = is_rloo
        self._rewards = torch.tensor(credit, dtype=torch.float64).reshape(-1, 1)
        self.num_generations = credit.shape[1]
        self.reward_weights = torch.ones(1, dtype=torch.float64)
        self.model = SimpleNamespace(training=True, is_gradient_checkpointing=False)
        self._tokenizer = SimpleNamespace(pad_token_id=0)
        self.args = SimpleNamespace(
            per_device_train_batch_size=credit.size,
            steps_per_generation=1,
            gradient_accumulation_steps=1,
            gradient_checkpointing_kwargs=None,
        )
        self.accelerator = SimpleNamespace(
            device=torch.device("cpu"), process_index=0, gather=lambda x: x
        )
        self._metrics: Any = {"train": defaultdict(list)}
        self._logs: Any = {"rewards": defaultdict(list)}
        self._logs |= {name: [] for name in ("prompt", "completion", "advantages")}
        self._pending_extra_logs: dict[str, Any] = {}
        self._pending_metrics: dict[str, Any] = {}

    def _generate(self, prompts: list[str]) -> tuple[Any, ...]:
        ids, text = [[1]] * len(prompts), [""] * len(prompts)
        return (ids, ids, text) if self._is_rloo else (ids, ids, None, text, None, {}, None, None)

    def _get_per_token_logps_and_entropies(self, *args: Any, **_: Any) -> tuple[Any, None, None]:
        return torch.zeros(args[1].shape[0], args[3]), None, None

    def _calculate_rewards(self, *_: Any) -> torch.Tensor:
        return self._rewards
