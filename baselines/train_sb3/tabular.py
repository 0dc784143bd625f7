"""Allocators with optimizers on the signal game, for a tabular thinker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from baselines.common.types import FloatArray, IntArray, TokenBatch
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from baselines.train_sb3.exact_values import worth
from baselines.train_sb3.game import MIXES, SignalGame, draw
from baselines.train_sb3.measured_credit import CreditPlan, CreditSource, Rollouts
from baselines.train_sb3.signal_runs import SignalRunKey, SignalRunResult

if TYPE_CHECKING:
    from torch import Tensor

LEARNING_RATES = (0.03, 0.1, 0.3, 1.0)
"""Candidates; the best one is selected for each method and setting."""
CURVE_EVERY = 5
SEPARATOR = " x "
"""Separator of allocator and optimizer in the name of a method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectConfig:
    """Settings of all runs.

    Args:
        num_answers_drawn: Budget of sampled answers, including replays and continuations; a run
            ends with the step that reaches it.
        tasks_per_step: Groups per update.
        group_size: Rollouts per group.
        num_samples: Replays per task without the thinker, or continuations per message.
    """

    num_answers_drawn: int = 20_000
    tasks_per_step: int = 8
    group_size: int = 8
    num_samples: int = 4


class SymbolTable:
    """A tabular thinker with one softmax per pair of numbers and position in the message.

    Args:
        game: The game.
        learning_rate: Learning rate of Adam on the logits, which are initialized to 0.
    """

    def __init__(self, game: SignalGame, learning_rate: float) -> None:
        import torch

        self._game = game
        shape = (game.num_rows[0], game.num_symbols, game.alphabet_size)
        self.logits = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        self._adam = torch.optim.Adam([self.logits], lr=learning_rate)

    def table(self) -> FloatArray:
        """Return the probability of each message in each row."""
        probabilities: FloatArray = self.logits.detach().softmax(dim=-1).numpy()
        places = np.arange(self._game.num_symbols)
        product: FloatArray = probabilities[:, places, self._game.symbols].prod(axis=-1)
        return product

    def update(
        self,
        rows: IntArray,
        messages: IntArray,
        advantages: FloatArray,
        optimizer: PolicyOptimizer,
    ) -> None:
        """Update once on completions of K tokens (symbols); all arguments have shape (B,)."""
        import torch

        symbols = torch.as_tensor(self._game.symbols[messages])  # (B, K)
        logprobs = self._logprobs(torch.as_tensor(rows), symbols)
        num_tokens = [self._game.num_symbols] * len(rows)
        batch = TokenBatch(
            old_logprobs=logprobs.detach(),
            advantages=torch.as_tensor(advantages)[:, None].expand_as(logprobs),
            completion_mask=torch.ones_like(symbols, dtype=torch.bool),
            normalizer=optimizer.normalizer(num_tokens),
        )
        self._adam.zero_grad()
        optimizer.loss(logprobs, batch).loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()

    def _logprobs(self, rows: Tensor, symbols: Tensor) -> Tensor:
        chosen = self.logits.log_softmax(dim=-1)[rows]  # (B, K, S)
        return chosen.gather(-1, symbols[..., None])[..., 0]


def learn(
    game: SignalGame,
    thinker: SymbolTable,
    source: CreditSource,
    optimizer: PolicyOptimizer,
    config: DirectConfig,
    rng: np.random.Generator,
) -> list[float]:
    """Train a thinker with a solver that uses complete messages and otherwise guesses.

    Args:
        game: The game.
        thinker: The thinker, updated in place.
        source: Source of credit.
        optimizer: Advantage estimator and loss.
        config: Sizes and budget.
        rng: Random generator of tasks and rollouts.

    Returns:
        Exact contribution / ceiling before every CURVE_EVERY-th step.
    """
    solver = game.expert_solver()
    curve = []
    step = 0
    while source.num_answers_drawn < config.num_answers_drawn:
        table = thinker.table()
        if step % CURVE_EVERY == 0:
            curve.append(worth(game, table, solver).share("thinker"))
        step += 1
        rollouts = play(game, table, solver, config, rng)
        credit = source.credit(rollouts, solver)[..., :1]  # (N, G, 1): the thinker's
        num_tokens = [np.full(group.shape, game.num_symbols) for group in credit]
        advantages = np.stack(optimizer.advantage(list(credit), num_tokens))
        rows = np.repeat(game.thinker_rows(rollouts.tasks), config.group_size)
        thinker.update(rows, rollouts.messages.ravel(), advantages.ravel(), optimizer)
        optimizer = optimizer.after(list(credit))
    return curve


def run_once(key: SignalRunKey, *, config: DirectConfig) -> SignalRunResult:
    """Train one thinker and return its contribution.

    Args:
        key: Key of the run; its setting is a mix, its method "<allocator> x <optimizer>".
        config: Settings of all runs.

    Note: Removals are measured per task, as with language models, so credit from removals is
        constant in a group.
    """
    import torch

    torch.set_num_threads(1)
    started = time.process_time()
    game = SignalGame(MIXES[key.setting])
    allocator, optimizer = key.method.split(SEPARATOR)
    plan = CreditPlan(allocator=allocator, replay="task", num_samples=config.num_samples)
    source = CreditSource(game, plan, np.random.default_rng([key.seed, 1]))
    thinker = SymbolTable(game, key.learning_rate)
    rng = np.random.default_rng([key.seed, 0])
    curve = learn(game, thinker, source, OPTIMIZERS[optimizer], config, rng)
    team = worth(game, thinker.table(), game.expert_solver())
    return SignalRunResult(
        key,
        contribution=team.contribution("thinker"),
        ceiling=team.ceiling("thinker"),
        team=team.team,
        mean_share=float(np.mean(curve)),
        num_answers_drawn=source.num_answers_drawn,
        cpu_s=time.process_time() - started,
    )


def play(
    game: SignalGame,
    thinker: FloatArray,
    solver: FloatArray,
    config: DirectConfig,
    rng: np.random.Generator,
) -> Rollouts:
    """Sample the groups of one step from two tables."""
    shape = (config.tasks_per_step, config.group_size)
    tasks = game.draw_tasks(config.tasks_per_step, rng)
    each = tasks.repeat(config.group_size)  # (N, G)
    messages = draw(thinker[game.thinker_rows(each)], rng.random(shape))
    coins = rng.random(shape)
    answers = draw(solver[game.solver_rows(each, messages)], coins)
    return Rollouts(tasks, coins, messages, answers, game.rewards(each, answers))
