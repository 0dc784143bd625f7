"""Left padding of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return padded token ids and their mask, True at tokens, both of shape (B, longest row)."""
    width = max(len(row) for row in rows)
    padded = [[0] * (width - len(row)) + list(row) for row in rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    is_token = torch.arange(width, device=device) >= width - lengths[:, None]
    return torch.tensor(padded, device=device), is_token


def positions(is_token: Tensor) -> Tensor:
    """Return the position of each token in its row, counted from 0; padding has 0."""
    return (is_token.long().cumsum(dim=1) - 1).clamp(min=0)
