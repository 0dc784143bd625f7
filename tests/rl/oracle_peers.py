"""Random inputs, and reference results of TRL and verl.

Inputs are sampled from a seed and rounded, so that they can be stored in a file exactly. The
packages are imported inside the functions that need them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

MAX_TOKENS = 11  # maximum completion length; batches are narrower
NO_DUAL_CLIP = 1e12  # verl requires a bound; this one is never reached
Inputs = dict[str, Any]
Answer = dict[str, Any]


def draw_step(seed: int) -> Inputs:
    """Credit of 1 to 4 groups of 2 to 5 rollouts by 2 agents, token counts, and KL per token.

    Each agent's credit differs in at least one place: verl's mean divides by N + 1e-8, so that
    whitening equal credit leaves up to 1e-4 of it there, where ours is 0.
    """
    rng = np.random.default_rng([seed, 0])
    sizes = rng.integers(2, 6, size=rng.integers(1, 5))
    values = [-1.2, -1.0, 1.0, 1.2] if seed % 2 else np.linspace(-1.0, 1.0, 9)
    counts = [rng.integers(1, 7, (size, 2)) for size in sizes]
    credit = [rng.choice(values, (size, 2)) for size in sizes]
    credit[0][:2] = np.column_stack([rng.choice(values, 2, replace=False) for _ in range(2)])
    return {
        "credit": [group.tolist() for group in credit],
        "num_tokens": [count.tolist() for count in counts],
        "kl": [rng.normal(0.0, 0.5, (size, 2, 6)).round(3).tolist() for size in sizes],
    }


def draw_tokens(seed: int, *, scale: float = 0.4, per_token: bool = True) -> Inputs:
    """A batch of completions whose policy has moved by about scale nats per token."""
    rng = np.random.default_rng([seed, 1])
    shape = (int(rng.integers(2, 6)), int(rng.integers(2, 6)))
    lengths = rng.integers(1, shape[1] + 1, shape[0])
    lengths[0] = shape[1]
    old = -rng.exponential(1.0, shape)
    advantages = rng.normal(size=shape) if per_token else rng.normal(size=(shape[0], 1))
    return {
        "logprobs": (old + rng.normal(0.0, scale, shape)).round(8).tolist(),
        "old_logprobs": old.round(8).tolist(),
        "reference_logprobs": (old + rng.normal(0.0, 0.4, shape)).round(8).tolist(),
        "advantages": np.broadcast_to(advantages, shape).round(3).tolist(),
        "importance_weights": rng.uniform(0.2, 2.0, shape).round(3).tolist(),
        "lengths": lengths.tolist(),
    }


def draw_far(seed: int) -> Inputs:
    """A batch so far off-policy that dual clip matters: one ratio in five is above 3."""
    return draw_tokens(seed, scale=1.3)


def draw_sequences(seed: int) -> Inputs:
    """A batch around GSPO's narrow clip range, with advantages per token."""
    return draw_tokens(seed, scale=1e-3)


def draw_equal_tokens(seed: int) -> Inputs:
    """A batch with one advantage per completion."""
    return draw_tokens(seed, per_token=False)


def draw_equal_sequences(seed: int) -> Inputs:
    """A batch around GSPO's narrow clip range, with one advantage per completion."""
    return draw_tokens(seed, scale=1e-3, per_token=False)


def draw_on_policy(seed: int) -> Inputs:
    """An on-policy batch with one advantage per completion."""
    return draw_tokens(seed, scale=0.0, per_token=False)


def verl_advantages(function: str, **arguments: Any) -> Callable[[Inputs], Answer]:
    """Advantages from a function of verl, with agents as separate batches."""

    def answer(inputs: Inputs) -> Answer:
        columns = [_verl_column(function, inputs, agent, **arguments) for agent in range(2)]
        return {"advantages": columns}

    return answer


def _verl_column(
    function: str, inputs: Inputs, agent: int, *, reward_kl: float = 0.0, **arguments: Any
) -> list[float]:
    from verl.trainer.ppo import core_algos

    credit = torch.tensor([r[agent] for g in inputs["credit"] for r in g], dtype=torch.float64)
    counts = torch.tensor([r[agent] for g in inputs["num_tokens"] for r in g])
    kl = torch.tensor([r[agent] for g in inputs["kl"] for r in g], dtype=torch.float64)
    mask = (torch.arange(kl.shape[1]) < counts[:, None]).double()
    rewards = -reward_kl * kl * mask
    rewards[torch.arange(len(counts)), counts - 1] += credit
    index = np.array([i for i, group in enumerate(inputs["credit"]) for _ in group])
    if function != "compute_reinforce_plus_plus_outcome_advantage":
        arguments["index"] = index
    if "gamma" in arguments:
        arguments["config"] = SimpleNamespace(gamma=arguments.pop("gamma"))
    advantages, _ = getattr(core_algos, function)(rewards, mask, **arguments)
    return [float(value) for value in advantages[mask.bool()]]


def verl_loss(
    function: str,
    *,
    low: float,
    high: float,
    mode: str,
    dual: float = NO_DUAL_CLIP,
    weighted: bool = False,
) -> Callable[[Inputs], Answer]:
    """Loss and gradient from one of verl's policy losses."""

    def answer(inputs: Inputs) -> Answer:
        from verl.trainer.ppo import core_algos
        from verl.workers.config import ActorConfig

        config = ActorConfig(
            strategy="fsdp",
            rollout_n=1,
            use_dynamic_bsz=True,
            clip_ratio=low,
            clip_ratio_low=low,
            clip_ratio_high=high,
            clip_ratio_c=dual,
        )
        if mode == "seq-mean-token-sum-norm":
            config.global_batch_info["loss_scale_factor"] = MAX_TOKENS
        logprobs = tensor(inputs, "logprobs").requires_grad_()
        loss, _ = getattr(core_algos, function)(
            old_log_prob=tensor(inputs, "old_logprobs"),
            log_prob=logprobs,
            advantages=tensor(inputs, "advantages"),
            response_mask=mask_of(inputs).double(),
            loss_agg_mode=mode,
            config=config,
            rollout_is_weights=tensor(inputs, "importance_weights") if weighted else None,
        )
        return loss_and_gradient(loss, logprobs)

    return answer


def verl_kl(estimator: str) -> Callable[[Inputs], Answer]:
    """KL estimates and gradient from verl."""

    def answer(inputs: Inputs) -> Answer:
        from verl.trainer.ppo import core_algos

        logprobs = tensor(inputs, "logprobs").requires_grad_()
        reference = tensor(inputs, "reference_logprobs")
        estimates = core_algos.kl_penalty_forward(logprobs, reference, estimator)
        return loss_and_gradient(estimates.sum(), logprobs)

    return answer


def verl_aggregation(mode: str) -> Callable[[Inputs], Answer]:
    """Token values reduced by verl, with the sign of an entropy term."""

    def answer(inputs: Inputs) -> Answer:
        from verl.trainer.ppo import core_algos

        values, mask = tensor(inputs, "logprobs").requires_grad_(), mask_of(inputs).double()
        loss = core_algos.agg_loss(-values, mask, mode, loss_scale_factor=MAX_TOKENS)
        return loss_and_gradient(loss, values)

    return answer


def trl_loss(loss_type: str, *, low: float, high: float, **fields: Any) -> Callable[..., Answer]:
    """Loss and gradient from TRL's GRPOTrainer, run on a stand-in for the trainer."""

    def answer(inputs: Inputs) -> Answer:
        from trl import GRPOTrainer

        mask, logprobs = mask_of(inputs), tensor(inputs, "logprobs").requires_grad_()
        stand_in = _TrlTrainer(logprobs, loss_type, low, high)
        for name, value in fields.items():
            setattr(stand_in, name, value)
        none = torch.zeros(len(mask), 0, dtype=torch.long)
        loss = GRPOTrainer._compute_loss(
            stand_in,
            stand_in.model,
            {
                "prompt_ids": none,
                "prompt_mask": none,
                "completion_ids": mask.long(),
                "completion_mask": mask.long(),
                "advantages": tensor(inputs, "advantages")[:, 0],
                "old_per_token_logps": tensor(inputs, "old_logprobs"),
                "ref_per_token_logps": tensor(inputs, "reference_logprobs"),
                "num_items_in_batch": mask.sum(),
            },
        )
        return loss_and_gradient(loss, logprobs)

    return answer


def trl_rloo_gradient(inputs: Inputs) -> Answer:
    """Gradient from TRL's RLOOTrainer; without clipping, its ratio has the same gradient."""
    from trl import RLOOTrainer

    mask, logprobs = mask_of(inputs), tensor(inputs, "logprobs").requires_grad_()
    stand_in = _TrlTrainer(logprobs, "rloo", 0.2, 0.2)
    none = torch.zeros(len(mask), 0, dtype=torch.long)
    loss = RLOOTrainer._compute_loss(
        stand_in,
        stand_in.model,
        {
            "prompt_ids": none,
            "prompt_mask": none,
            "completion_ids": mask.long(),
            "completion_mask": mask.long(),
            "advantages": tensor(inputs, "advantages")[:, 0],
            "old_logps": (tensor(inputs, "old_logprobs") * mask).sum(dim=1),
        },
    )
    return {"gradient": loss_and_gradient(loss, logprobs)["gradient"]}


class _TrlTrainer:
    """The attributes of GRPOTrainer that its loss reads, for one process and one batch."""

    top_entropy_quantile = 1.0
    off_policy_mask_threshold = None
    importance_sampling_level = "token"
    beta = 0.0
    use_vllm = False
    vllm_importance_sampling_correction = False
    aux_loss_enabled = False
    _entropy_bonus_enabled = False
    current_gradient_accumulation_steps = 1
    max_completion_length = MAX_TOKENS

    def __init__(self, logprobs: torch.Tensor, loss_type: str, low: float, high: float) -> None:
        self._logprobs = logprobs
        self.loss_type = loss_type
        self.epsilon_low, self.epsilon_high = low, high
        self.model = SimpleNamespace(training=True)
        self.args = SimpleNamespace(
            delta=None, use_bias_correction_kl=False, steps_per_generation=1
        )
        self.accelerator = SimpleNamespace(
            num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x
        )
        self._metrics = {"train": _Anything()}

    def _get_per_token_logps_and_entropies(self, *_: Any, **__: Any) -> tuple[Any, Any, None]:
        return self._logprobs, torch.zeros_like(self._logprobs), None


class _Anything(dict[str, list[float]]):
    def __missing__(self, key: str) -> list[float]:
        return []


def tensor(inputs: Inputs, name: str) -> torch.Tensor:
    """One of the inputs in float64."""
    return torch.tensor(inputs[name], dtype=torch.float64)


def mask_of(inputs: Inputs) -> torch.Tensor:
    """True on the tokens of the completions, shape (B, T)."""
    width = len(inputs["logprobs"][0])
    return torch.arange(width) < torch.tensor(inputs["lengths"])[:, None]


def loss_and_gradient(loss: torch.Tensor, logprobs: torch.Tensor) -> Answer:
    """The value of a loss, and its gradient to the log-probabilities."""
    (gradient,) = torch.autograd.grad(loss, logprobs)
    return {"loss": loss.item(), "gradient": gradient.tolist()}
