"""Credit of a team as an algorithm of prime-rl: the advantages that our environment has recorded.

Written against the recorded interface of prime-rl, and never launched: its trainer is in no package
index. The environment is that of `baselines.integrations.verifiers_env` with a group_size above 1,
whose episodes are groups of rollouts; prime-rl needs one episode for each task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

try:
    from prime_rl.orchestrator.algo.base import Algorithm
except ImportError as error:
    raise ImportError(
        f"the algorithm for prime-rl must have prime-rl installed, got {error}; see "
        f"docs/integrations.md"
    ) from error

NAME = "ccpo"
"""Name of the algorithm: orchestrator.train.algo.type."""
ADVANTAGE = "advantage"
"""Name of the advantage in the info of a trace, as our environment writes it."""


class CreditAlgorithm(Algorithm):  # type: ignore[misc]  # prime-rl is not installed here
    """Gives each token of a trace the advantage that the environment has computed for it.

    Traces without one, as of runs without an agent that credit needs, stay without, and so do
    those of a role with a model of its own, so that prime-rl does not train on them.
    """

    async def score_group(self, group: Iterable[Any]) -> None:
        """Write the advantages of all traces of some episodes.

        Raises:
            ValueError: If no trace has one, or one is not finite.
        """
        traces = [trace for episode in group for trace in episode.traces]
        credited = [trace for trace in traces if ADVANTAGE in trace.info]
        if traces and not credited:
            raise ValueError(
                f"traces must have an advantage in their info, got none in {len(traces)}; set "
                f"env.group_size of the source above 1"
            )
        for trace in credited:
            if not trace.agent.trainable:
                continue
            advantage = float(trace.info[ADVANTAGE])
            if not math.isfinite(advantage):
                raise ValueError(f"advantage of a trace must be finite, got {advantage}; drop it")
            for node in trace.nodes:
                num_sampled = sum(node.mask)
                if num_sampled:
                    node.advantages = [advantage] * num_sampled
