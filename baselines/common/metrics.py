"""Names, units and descriptions of all metrics, and the name of the metrics file."""

from __future__ import annotations

from collections.abc import Mapping

METRICS_FILE = "metrics.jsonl"
"""File name, in the folder of a run; one JSON object per step."""

METRICS: Mapping[str, str] = {
    "step": "Number of the step, from 1.",
    "accuracy/joint": "Rate: rollouts of the whole team answered correctly, before the update.",
    "accuracy/solo": (
        "Rate: rollouts with an agent removed answered correctly (one thinker: the solver "
        "alone). Null if none was sampled: the credit needs none, or none could change the update."
    ),
    "rollout/no_answer_rate": "Rate: rollouts of the whole team that ended without an answer.",
    "rollout/unmeasured_rate": "Rate: episodes, replays included, that could not be verified.",
    "rollout/groups": "Count: groups used by the update, without unmeasured rollouts.",
    "rollout/empty_steps": "Count: steps so far that trained on nothing, without a usable group.",
    "rollout/staleness": (
        "Updates: by how many the trained weights are ahead of those that sampled the rollouts, "
        "mean over groups; with --rollouts-ahead, likewise time/rollouts_s and time/wait_s."
    ),
    "rollout/removed_groups": "Count: groups with at least one measured removal.",
    "rollout/<agent>/tokens": "Tokens: mean length of the agent's completions.",
    "rollout/<agent>/neg_logprob": (
        "Nats per token: mean of minus the log-probability of the agent's sampled tokens, which "
        "estimates the entropy of its policy at the temperature of sampling."
    ),
    "credit/help_rate": (
        "Rate: correct rollouts that the team mostly gets wrong without an agent: in the replays "
        "of the rollout, or of its task if the agent speaks first. Null if nothing was removed."
    ),
    "credit/hurt_rate": (
        "Rate: wrong rollouts that the team mostly gets right without an agent, in the same "
        "replays. Null if nothing was removed."
    ),
    "credit/<agent>/mean": "Reward: mean credit of the agent.",
    "credit/<agent>/std": "Reward: standard deviation of the agent's credit.",
    "credit/<agent>/slope_vs_shared": (
        "Slope of the agent's advantage on the advantage of shared credit, after the optimizer's "
        "normalisation. Null without signal."
    ),
    "credit/<agent>/correlation_vs_shared": "Correlation of the same two. Null without signal.",
    "credit/<agent>/variance_ratio": (
        "Variance of the agent's advantage over that of shared credit's. Null without signal."
    ),
    "credit/<agent>/sign_agreement": (
        "Rate: rollouts whose advantage has the sign of the shared one, where that is not 0."
    ),
    "credit/<agent>/degenerate": (
        "1 if in every group the agent's advantage is a multiple of the shared one, else 0."
    ),
    "credit/<agent>/signal_rate": "Rate: groups in which the agent's advantage is not all zero.",
    "credit/<agent>/advantage_variance": (
        "Variance of the agent's advantage within tasks: mean over rollouts of the squared "
        "deviation from the task's mean, summed over the agent's turns."
    ),
    "rating/<agent>/valid_rate": "Rate: parseable ratings of the agent. Null without ratings.",
    "rating/<agent>/calibration": (
        "Correlation of the agent's rated share with the change of the outcome without it. Null "
        "unless both were measured."
    ),
    "critic/explained_variance": (
        "Fraction of the variance of team rewards that the values before the last turn explain, on "
        "tasks that they were not fitted to, over the last ten steps or so. Null without a critic."
    ),
    "critic/explained_variance_low": "Lower end of its 95 % interval, over tasks.",
    "critic/<agent>/explained_by_messages": (
        "Fraction of the variance within tasks, beyond the value of the question, that the value "
        "after the agent's message explains; of the last speaker, the value before it."
    ),
    "critic/<agent>/weight": (
        "Weight, in [0, 1], of the critic in the agent's credit; the rest is the team reward."
    ),
    "influence/<agent>/nats": (
        "Nats: mean log-probability of the next message that reads the agent's, minus the same "
        "without the agent's message. Null unless measured (--measure-influence)."
    ),
    "influence/<agent>/lazy_rate": (
        "Rate: messages of the agent whose influence is below 0.1 nats, as of a lazy agent: the "
        "next message is about as probable without it. Null unless measured."
    ),
    "update/<role>/loss": (
        "Nats: policy loss; `team` in place of a role if all roles share one policy. Null without "
        "an update, likewise below."
    ),
    "update/<role>/grad_norm": "Euclidean norm of the gradient before clipping.",
    "update/<role>/grad_snr": (
        "Signal-to-noise ratio of the gradient, from the gradients g of this step and h of the "
        "step before: g·h / (|g - h|² / 2). Null where one of them is missing."
    ),
    "update/<role>/clip_rate": "Rate: completion tokens whose ratio was clipped.",
    "update/<role>/approx_kl": "Nats per token: KL of the updated from the sampling policy.",
    "update/<role>/learning_rate": "Learning rate of the last update of the step.",
    "update/<role>/mismatch": (
        "Nats: log-probability gap of sampler and trainer: mean absolute difference per token, "
        "before the update."
    ),
    "update/<role>/mismatch_max": "Nats: the largest such difference.",
    "update/<role>/skipped_updates": "Count: updates skipped because they were not finite.",
    "update/<role>/reference_kl": "Nats per token: KL to the initial policy of the run.",
    "update/<role>/entropy": "Nats per token: entropy of the policy. Null unless in the loss.",
    "retrospect/reward": (
        "Reward: mean over the probe set, before the rollouts of the step; with --retrospect, "
        "likewise below."
    ),
    "retrospect/xi": (
        "Standard deviations: by how much that mean exceeds those of the steps before. Null until "
        "there are enough of these, or if they are all equal."
    ),
    "retrospect/phi": (
        "Factor on the advantages in the pass over the last batch: xi, damped if it is negative."
    ),
    "retrospect/sign_probability": (
        "Probability that the expected reward has changed in the direction of xi, from the probe "
        "tasks, paired. Uniform from 0.5 to 1 if nothing changes: compare its mean with 0.75."
    ),
    "retrospect/<role>/grad_norm": "Euclidean norm of the gradient of that pass before clipping.",
    "retrospect/<role>/clip_rate": "Rate: completion tokens of that pass whose ratio was clipped.",
    "cost/tokens_generated": "Tokens: sampled in this step, for all purposes.",
    "cost/tokens_removed": "Tokens: sampled with an agent removed.",
    "cost/tokens_branch": "Tokens: sampled for continuations of rollouts.",
    "cost/tokens_rating": "Tokens: sampled for ratings; 0 if ratings are scored instead.",
    "cost/tokens_probe": "Tokens: sampled for the probe set, with --retrospect.",
    "cost/tokens_read": "Tokens: prompt tokens, counted once per forward pass over the prompt.",
    "cost/tokens_read_rating": "Tokens: prompt tokens of ratings.",
    "cost/tokens_read_influence": "Tokens: prompt tokens of messages scored again for influence.",
    "cost/forward_passes": (
        "Count: forward passes of a batch while sampling, rating and scoring influence."
    ),
    "cost/verifier_calls": "Count: answers verified in this step, for categories of messages too.",
    "time/step_s": (
        "Seconds: the whole step with its metrics, without evaluation, checkpoints and writing to "
        "files and trackers."
    ),
    "time/generate_s": "Seconds: sampling completions.",
    "time/rollouts_s": (
        "Seconds: playing the rollouts of the step, during the update of the step before; of the "
        "slowest process."
    ),
    "time/wait_s": (
        "Seconds: waiting for these rollouts, and transferring the weights to the servers."
    ),
    "time/rate_s": "Seconds: agents' ratings of each other.",
    "time/verify_s": "Seconds: verification of answers, vote counting and message categories.",
    "time/environment_s": "Seconds: steps of the environment, without verification.",
    "time/critic_s": "Seconds: hidden states that a critic reads.",
    "time/credit_s": "Seconds: credit and advantages.",
    "time/update_s": "Seconds: gradients and updates.",
    "time/tokens_per_s": "Tokens per second of sampling.",
    "eval/accuracy/joint": "Rate: held-out tasks answered correctly, before the update.",
    "eval/accuracy/solo": (
        "Rate: the same with one agent removed, averaged over the agents. The solver of a chain is "
        "never removed."
    ),
    "eval/help_rate": (
        "Rate: held-out tasks correct with the whole team and wrong without an agent, averaged "
        "over the same agents."
    ),
    "eval/hurt_rate": (
        "Rate: held-out tasks wrong with the whole team and correct without an agent, averaged "
        "over the same agents."
    ),
}
"""Description of each metric; ``<agent>`` and ``<role>`` are placeholders."""

MetricRow = Mapping[str, float | int | None]
"""The metrics of one step."""
