"""Log-probabilities of given rows of tokens after others, by requests for single tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np

from baselines.common.errors import RolloutError
from baselines.common.types import FloatArray
from baselines.policies.endpoint.client import EndpointClient, EndpointError
from baselines.policies.endpoint.next_token import MOST_LISTED, read_tokens, token_body
from baselines.policies.endpoint.policy import EndpointPolicy

TokenIds = tuple[int, ...]


def option_logprobs(
    policy: EndpointPolicy,
    prompts: Sequence[TokenIds],
    options: Sequence[TokenIds],
    *,
    temperature: float,
) -> FloatArray:
    """Return log-probabilities of each option after each prompt.

    One request per prompt and distinct beginning of an option lists the tokens that follow it.

    Args:
        policy: A policy that vLLM serves, from 0.32 on.
        prompts: N rows of token ids, none empty.
        options: K rows of token ids, none empty.
        temperature: Divides the logits, > 0.

    Returns:
        Shape (N, K), nats.

    Raises:
        RolloutError: If a request fails after all retries, or the server lists the
            log-probabilities of another temperature.
    """
    given = policy.config.logprobs
    if given == "none" or (given == "raw" and temperature != 1):
        raise RolloutError(
            f"a server must list log-probabilities at the temperature of the options, "
            f"{temperature}, got logprobs={given}; start vLLM with --logprobs-mode "
            f"processed_logprobs and pass logprobs=processed"
        )
    following: defaultdict[TokenIds, set[int]] = defaultdict(set)
    for option in options:
        for place, token in enumerate(option):
            following[option[:place]].add(token)
    parts = [
        (start, sorted(tokens)[first : first + MOST_LISTED])
        for start, tokens in following.items()
        for first in range(0, len(tokens), MOST_LISTED)
    ]
    asked = [(row, *part) for row in range(len(prompts)) for part in parts]

    async def ask(
        row: int, start: TokenIds, wanted: list[int], client: EndpointClient
    ) -> dict[int, float]:
        tokens = prompts[row] + start
        body = token_body(tokens, wanted, model=policy.model, temperature=temperature)
        body = {**policy.config.kind.fields, **body}
        return await client.send("POST", "/completions", body, partial(read_tokens, wanted=wanted))

    try:
        answers = policy.talk([partial(ask, *place) for place in asked])
    except EndpointError as error:
        raise RolloutError(
            f"a server must list log-probabilities of given tokens, got {error} from "
            f"{policy.config.url}; use vLLM from 0.32 on"
        ) from None
    found: defaultdict[tuple[int, TokenIds], dict[int, float]] = defaultdict(dict)
    for (row, start, _), answer in zip(asked, answers, strict=True):
        found[row, start].update(answer)
    table = [
        [sum(found[row, own[:at]][token] for at, token in enumerate(own)) for own in options]
        for row in range(len(prompts))
    ]
    return np.array(table, dtype=np.float64).reshape(len(prompts), len(options))
