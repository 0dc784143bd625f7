"""Log the advantages of a trainer that writes none, as verl, for ``ccpo audit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from baselines.common.jsonl import append_rows


def log_advantages(
    path: Path | str,
    *,
    uid: Sequence[object],
    role: Sequence[str],
    reward: npt.ArrayLike,
    advantage: npt.ArrayLike,
    step: int | None = None,
    num_tokens: Sequence[int] | None = None,
) -> None:
    """Append one row per completion to a JSON Lines file, all in one write.

    Several processes may append to one file.

    Args:
        path: The file; it is created if it does not exist.
        uid: Group of each of n completions, such as verl's non_tensor_batch["uid"].
        role: Role or agent of each completion.
        reward: Reward of each completion, (n,); NaN where it was not measured.
        advantage: Advantage of each completion, (n,).
        step: Number of the training step; None: unknown.
        num_tokens: Completion tokens of each completion; None: unknown.

    Raises:
        ValueError: If these are not of one length, or an advantage is not finite.
        StorageError: If the file cannot be written.
    """
    rewards, advantages = (np.asarray(x, dtype=np.float64) for x in (reward, advantage))
    lengths = {len(uid), len(role), *map(np.size, (rewards, advantages))}
    if num_tokens is not None:
        lengths.add(len(num_tokens))
    if len(lengths) != 1:
        raise ValueError(
            f"uid, role, reward, advantage and num_tokens must have one value per completion, got "
            f"lengths {sorted(lengths)}; sum rewards over tokens, and take one advantage of each "
            f"completion"
        )
    if not np.isfinite(advantages).all():
        raise ValueError(
            f"advantage must be finite, got {(~np.isfinite(advantages)).sum()} NaN or infinite of "
            f"{advantages.size} numbers; leave out completions without an advantage"
        )
    append_rows(
        Path(path),
        [
            {
                **({} if step is None else {"step": int(step)}),
                "uid": str(group),
                "role": str(own),
                "reward": float(x) if np.isfinite(x) else None,
                "advantage": float(y),
                **({} if num_tokens is None else {"num_tokens": int(num_tokens[place])}),
            }
            for place, (group, own, x, y) in enumerate(
                zip(uid, role, rewards.ravel(), advantages.ravel(), strict=True)
            )
        ],
        durable=False,
    )
