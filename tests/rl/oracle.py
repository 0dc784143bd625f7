"""Our methods, each with the function of TRL or verl that must give equal results.

`tests/rl/test_oracle.py` runs the packages if they are installed, and otherwise reads the results
recorded by `scripts/record_oracle_vectors.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from baselines.common.types import TokenBatch
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from baselines.optimizers.advantages import group_mean, group_z_score, leave_one_out
from baselines.optimizers.losses import entropy_loss, kl_estimates
from tests.rl.oracle_peers import (
    MAX_TOKENS,
    Answer,
    Inputs,
    draw_equal_sequences,
    draw_equal_tokens,
    draw_far,
    draw_on_policy,
    draw_sequences,
    draw_step,
    draw_tokens,
    loss_and_gradient,
    mask_of,
    tensor,
    trl_loss,
    trl_rloo_gradient,
    verl_advantages,
    verl_aggregation,
    verl_kl,
    verl_loss,
)
from tests.rl.oracle_trl import (
    BUFFER,
    MAX_LENGTH,
    TRL_EPSILON,
    draw_groups_of_one_size,
    draw_lengths,
    trl_advantages,
    trl_length_penalty,
)


@dataclass(frozen=True)
class Case:
    """A comparison of a method with a reference function.

    Args:
        package: Name on the package index.
        function: Full name of the reference function.
        draw: Returns inputs from a seed.
        ours: Returns our results, nested lists of numbers by name.
        theirs: Returns the reference results.
    """

    package: str
    function: str
    draw: Callable[[int], Inputs]
    ours: Callable[[Inputs], Answer]
    theirs: Callable[[Inputs], Answer]


def our_advantages(method: PolicyOptimizer) -> Callable[[Inputs], Answer]:
    """Advantages of every token, agent by agent, as one flat list each."""

    def answer(inputs: Inputs) -> Answer:
        credit = [np.array(group) for group in inputs["credit"]]
        counts = [np.array(group) for group in inputs["num_tokens"]]
        kl = [np.array(group) for group in inputs["kl"]]
        found = method.token_advantage(credit, counts, kl)
        columns = [
            [
                value
                for group, count in zip(found, counts, strict=True)
                for row, number in zip(group[:, agent], count[:, agent], strict=True)
                for value in row[:number].tolist()
            ]
            for agent in range(2)
        ]
        return {"advantages": columns}

    return answer


def our_loss(method: PolicyOptimizer, *, weighted: bool = False) -> Callable[[Inputs], Answer]:
    """Loss and its gradient to the log-probabilities."""

    def answer(inputs: Inputs) -> Answer:
        mask = mask_of(inputs)
        logprobs = tensor(inputs, "logprobs").requires_grad_()
        batch = TokenBatch(
            old_logprobs=tensor(inputs, "old_logprobs"),
            advantages=tensor(inputs, "advantages"),
            completion_mask=mask,
            normalizer=method.normalizer(inputs["lengths"]),
            row_weights=_row_weights(method, inputs),
            importance_weights=tensor(inputs, "importance_weights") if weighted else None,
            reference_logprobs=tensor(inputs, "reference_logprobs"),
        )
        return loss_and_gradient(method.loss(logprobs, batch).loss, logprobs)

    return answer


def our_gradient(method: PolicyOptimizer) -> Callable[[Inputs], Answer]:
    """The gradient of `our_loss`."""
    return lambda inputs: {"gradient": our_loss(method)(inputs)["gradient"]}


def our_kl(estimator: Any) -> Callable[[Inputs], Answer]:
    """Sum of the KL estimates and its gradient."""

    def answer(inputs: Inputs) -> Answer:
        logprobs = tensor(inputs, "logprobs").requires_grad_()
        reference = tensor(inputs, "reference_logprobs")
        return loss_and_gradient(
            kl_estimates(logprobs, reference, estimator=estimator).sum(), logprobs
        )

    return answer


def our_baseline(function: Callable[..., Any], **arguments: Any) -> Callable[[Inputs], Answer]:
    """Advantages of every completion, agent by agent, as one flat list each."""

    def answer(inputs: Inputs) -> Answer:
        found = function([np.array(group) for group in inputs["credit"]], **arguments)
        return {"advantages": np.concatenate(found).T.tolist()}

    return answer


def our_length_penalty(inputs: Inputs) -> Answer:
    """DAPO's shaped credit of each completion, from a credit of 0."""
    lengths = np.array(inputs["lengths"])[:, None]
    method = OPTIMIZERS["dapo"].with_hyperparameters(overlong_rate=BUFFER / MAX_LENGTH)
    shaped = method.shape(np.zeros(lengths.shape), lengths, MAX_LENGTH)
    return {"reward": shaped[:, 0].tolist()}


def our_aggregation(name: str) -> Callable[[Inputs], Answer]:
    """Token values, as an entropy term, reduced by an aggregation."""
    method = OPTIMIZERS["grpo"].with_hyperparameters(aggregation=name)

    def answer(inputs: Inputs) -> Answer:
        values = tensor(inputs, "logprobs").requires_grad_()
        batch = TokenBatch(
            old_logprobs=torch.zeros_like(values),
            advantages=torch.zeros_like(values),
            completion_mask=mask_of(inputs),
            normalizer=method.normalizer(inputs["lengths"]),
            row_weights=_row_weights(method, inputs),
        )
        return loss_and_gradient(entropy_loss(values, batch).loss, values)

    return answer


def _row_weights(method: PolicyOptimizer, inputs: Inputs) -> torch.Tensor:
    weights = [method.row_weight(length, MAX_TOKENS) for length in inputs["lengths"]]
    return torch.tensor(weights, dtype=torch.float64)


def _advantage_case(name: str, function: str, ours: Inputs | None = None, **theirs: Any) -> Case:
    method = OPTIMIZERS[name].with_hyperparameters(**(ours or {}))
    function = f"compute_{function}_outcome_advantage"
    return Case(
        "verl",
        f"verl.trainer.ppo.core_algos.{function}",
        draw_step,
        our_advantages(method),
        verl_advantages(function, **theirs),
    )


def _verl_loss_case(
    name: str,
    function: str,
    mode: str,
    draw: Callable[[int], Inputs] = draw_tokens,
    weighted: bool = False,
) -> Case:
    method = OPTIMIZERS[name]
    clip = {"low": method.hyperparameters.clip_low, "high": method.hyperparameters.clip_high}
    if method.hyperparameters.dual_clip is not None:
        clip["dual"] = method.hyperparameters.dual_clip
    function = f"compute_policy_loss_{function}"
    return Case(
        "verl",
        f"verl.trainer.ppo.core_algos.{function}",
        draw,
        our_loss(method, weighted=weighted),
        verl_loss(function, mode=mode, weighted=weighted, **clip),
    )


def _trl_case(
    name: str,
    loss_type: str,
    draw: Callable[[int], Inputs] = draw_equal_tokens,
    ours: Inputs | None = None,
    **theirs: Any,
) -> Case:
    method = OPTIMIZERS[name].with_hyperparameters(**(ours or {}))
    clip = {"low": method.hyperparameters.clip_low, "high": method.hyperparameters.clip_high}
    return Case(
        "trl",
        "trl.GRPOTrainer._compute_loss",
        draw,
        our_loss(method),
        trl_loss(loss_type, **clip, **theirs),
    )


def _kl_case(estimator: str) -> Case:
    function = "verl.trainer.ppo.core_algos.kl_penalty_forward"
    return Case("verl", function, draw_tokens, our_kl(estimator), verl_kl(estimator))


def _trl_advantage_case(
    trainer: str, function: Callable[..., Any], ours: Inputs | None = None, **theirs: Any
) -> Case:
    return Case(
        "trl",
        f"trl.{trainer}._generate_and_score_completions",
        draw_groups_of_one_size,
        our_baseline(function, **(ours or {})),
        trl_advantages(trainer, **theirs),
    )


def _aggregation_case(name: str, mode: str) -> Case:
    function = "verl.trainer.ppo.core_algos.agg_loss"
    return Case("verl", function, draw_tokens, our_aggregation(name), verl_aggregation(mode))


PLAIN_GRPO: Inputs = {"dual_clip": None, "aggregation": "completion_token_mean"}
CASES: dict[str, Case] = {
    "advantage/grpo": _advantage_case("grpo", "grpo", norm_adv_by_std_in_grpo=False),
    "advantage/grpo/std": _advantage_case(
        "grpo", "grpo", {"std": True}, norm_adv_by_std_in_grpo=True
    ),
    "advantage/dr_grpo": _advantage_case("dr_grpo", "grpo", norm_adv_by_std_in_grpo=False),
    "advantage/dapo": _advantage_case("dapo", "grpo", norm_adv_by_std_in_grpo=True),
    "advantage/gspo": _advantage_case("gspo", "grpo", norm_adv_by_std_in_grpo=False),
    "advantage/rloo": _advantage_case("rloo", "rloo"),
    "advantage/reinforce_pp": _advantage_case("reinforce_pp", "reinforce_plus_plus", gamma=1.0),
    "advantage/reinforce_pp/gamma_and_kl": _advantage_case(
        "reinforce_pp",
        "reinforce_plus_plus",
        {"gamma": 0.9, "reward_kl": 0.1},
        gamma=0.9,
        reward_kl=0.1,
    ),
    "advantage/reinforce_pp_baseline": _advantage_case(
        "reinforce_pp_baseline", "reinforce_plus_plus_baseline"
    ),
    "loss/grpo": _verl_loss_case("grpo", "vanilla", "token-mean"),
    "loss/grpo/importance_weights": _verl_loss_case("grpo", "vanilla", "token-mean", weighted=True),
    "loss/grpo/far": _verl_loss_case("grpo", "vanilla", "token-mean", draw_far),
    "loss/dr_grpo": _verl_loss_case("dr_grpo", "vanilla", "seq-mean-token-sum-norm"),
    "loss/dapo": _verl_loss_case("dapo", "vanilla", "token-mean"),
    "loss/gspo": _verl_loss_case("gspo", "gspo", "seq-mean-token-mean", draw_sequences),
    "loss/rloo": _verl_loss_case("rloo", "gpg", "seq-mean-token-sum"),
    "loss/reinforce_pp": _verl_loss_case("reinforce_pp", "vanilla", "token-mean"),
    "loss/reinforce_pp_baseline": _verl_loss_case("reinforce_pp_baseline", "vanilla", "token-mean"),
    "aggregation/token_mean": _aggregation_case("token_mean", "token-mean"),
    "aggregation/completion_token_mean": _aggregation_case(
        "completion_token_mean", "seq-mean-token-mean"
    ),
    "aggregation/completion_token_sum": _aggregation_case(
        "completion_token_sum", "seq-mean-token-sum"
    ),
    "aggregation/constant": _aggregation_case("constant", "seq-mean-token-sum-norm"),
    "kl/k1": _kl_case("k1"),
    "kl/k2": _kl_case("k2"),
    "kl/k3": _kl_case("k3"),
    "trl/advantage/group_mean": _trl_advantage_case("GRPOTrainer", group_mean),
    "trl/advantage/group_z_score": _trl_advantage_case(
        "GRPOTrainer", group_z_score, {"epsilon": TRL_EPSILON}, scale_rewards="group"
    ),
    "trl/advantage/leave_one_out": _trl_advantage_case("RLOOTrainer", leave_one_out),
    "trl/length_penalty": Case(
        "trl",
        "trl.rewards.get_soft_overlong_punishment",
        draw_lengths,
        our_length_penalty,
        trl_length_penalty,
    ),
    "trl/grpo": _trl_case("grpo", "grpo", ours=PLAIN_GRPO),
    "trl/grpo/kl": _trl_case("grpo", "grpo", ours={**PLAIN_GRPO, "kl_weight": 0.04}, beta=0.04),
    "trl/dr_grpo": _trl_case("dr_grpo", "dr_grpo"),
    "trl/dapo": _trl_case("dapo", "dapo"),
    "trl/rloo": Case(
        "trl",
        "trl.RLOOTrainer._compute_loss",
        draw_on_policy,
        our_gradient(OPTIMIZERS["rloo"]),
        trl_rloo_gradient,
    ),
    "trl/gspo": _trl_case(
        "gspo", "grpo", draw_equal_sequences, importance_sampling_level="sequence"
    ),
}
