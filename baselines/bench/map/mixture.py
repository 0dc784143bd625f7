"""Tasks of one team that share parameters: the games of the map, with rarity, noise and votes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from baselines.bench.credit.games.chain import CORRECT, Chain
from baselines.bench.credit.games.turn_game import TabularGame
from baselines.bench.credit.games.vote_game import Vote
from baselines.bench.map.enumerated import Enumerated
from baselines.common.checks import expect_shape
from baselines.common.types import FloatArray, IntArray

Trained: TypeAlias = Literal["thinkers", "team"]

FROZEN = -1
"""Parameter row of a row of a game that is not trained."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Kinds of tasks of one team, whose policies share trained parameters.

    A group of rollouts belongs to one task, whose kind is drawn by the weights.

    Args:
        tasks: One game per kind Z, of the same agents and number of choices C. The rows of its
            policy that are trained hold any values.
        weights: Probability of each kind, shape (Z,).
        parameters: For each kind, the parameter row of each row of its policy, shape (rows,);
            FROZEN: the row is not trained.
        policy: Probabilities of the trained rows, shape (P, C); their logits are the parameters.

    Raises:
        ValueError: If a shape is wrong, weights do not sum to 1, or two agents share a parameter.
    """

    tasks: tuple[TabularGame, ...]
    weights: FloatArray
    parameters: tuple[IntArray, ...]
    policy: FloatArray

    def __post_init__(self) -> None:
        """Check shapes and owners."""
        remedy = "give one per kind of task"
        expect_shape("weights", self.weights, (len(self.tasks),), remedy=remedy)
        if not np.isclose(self.weights.sum(), 1.0):
            raise ValueError(f"weights must sum to 1, got {self.weights.sum():g}; divide by it")
        owners: dict[int, int] = {}
        for index, (task, rows) in enumerate(zip(self.tasks, self.parameters, strict=True)):
            expect_shape(f"parameters[{index}]", rows, (len(task.policy),), remedy=remedy)
            for row, agent in zip(rows.tolist(), task.owners.tolist(), strict=True):
                if row != FROZEN and owners.setdefault(row, agent) != agent:
                    raise ValueError(
                        f"parameters must belong to one agent each, got row {row} for "
                        f"{self.agents[owners[row]]} and {self.agents[agent]}; give each its own"
                    )

    @cached_property
    def enumerated(self) -> list[Enumerated]:
        """All outcomes of each kind of task."""
        return [Enumerated(task) for task in self.tasks]

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in speaking order."""
        return self.tasks[0].agents

    @property
    def trained(self) -> tuple[int, ...]:
        """Positions of the agents that have parameters."""
        found = {
            int(agent)
            for task, rows in zip(self.tasks, self.parameters, strict=True)
            for agent in task.owners[rows >= 0]
        }
        return tuple(sorted(found))

    def with_policy(self, policy: FloatArray) -> Mixture:
        """Return the same tasks with another policy, shape (P, C)."""
        changed = replace(self, policy=policy)
        changed.__dict__["enumerated"] = self.enumerated  # it depends on the tasks alone
        return changed

    def tables(self, policy: FloatArray | None = None) -> list[FloatArray]:
        """Return the whole policy of each kind of task, each of shape (..., rows, C).

        Args:
            policy: Probabilities of the trained rows, shape (..., P, C); None: those of this.
        """
        given = self.policy if policy is None else policy
        tables = []
        for task, rows in zip(self.tasks, self.parameters, strict=True):
            frozen = np.broadcast_to(task.policy, (*given.shape[:-2], *task.policy.shape))
            tables.append(np.where((rows >= 0)[:, None], given[..., rows, :], frozen))
        return tables

    def games(self, policy: FloatArray | None = None) -> list[TabularGame]:
        """Return a game per kind of task that can be played, with this policy, shape (P, C)."""
        return [
            Vote(table) if isinstance(task, Vote) else Chain(len(task.agents), table)
            for task, table in zip(self.tasks, self.tables(policy), strict=True)
        ]

    def on_parameters(self, kind: int, gradients: FloatArray) -> FloatArray:
        """Add gradients in the rows of a game, shape (..., rows, C), up to (..., P, C)."""
        rows = self.parameters[kind]
        num_rows, num_choices = self.policy.shape
        total = np.zeros((num_rows, *gradients.shape[:-2], num_choices))
        np.add.at(total, rows[rows >= 0], np.moveaxis(gradients[..., rows >= 0, :], -2, 0))
        return np.moveaxis(total, 0, -2)


def single(game: TabularGame) -> Mixture:
    """Return a mixture of one task, every row of which is trained."""
    return Mixture((game,), np.ones(1), (np.arange(len(game.policy)),), game.policy)


def chain_mixture(
    num_thinkers: int,
    *,
    need: float = 1.0,
    reliability: float = 0.9,
    interaction: float = 0.0,
    specialists: bool = False,
    skill: float = 0.5,
    phrasings: int = 2,
    hopeless: float = 0.0,
    trained: Trained = "thinkers",
) -> Mixture:
    """Return tasks of a chain: K thinkers, whose messages are useful or useless, and a solver.

    P(solver is correct) = 1 - reliability + (2 * reliability - 1) * u
    u = (1 - |interaction|) * (useful / K) + |interaction| * [all are useful]     interaction >= 0
                                             ... + |interaction| * [any is useful]  below 0

    A thinker does not read the others, nor whether it is needed: it has one row of parameters for
    all tasks. The solver reads all messages; a removed thinker counts as useless.

    Args:
        num_thinkers: K, at least 1.
        need: Share of tasks in which the thoughts matter. In the others, u = 1 whatever they are
            or, in a share `hopeless` of these, u = 0.
        reliability: Probability that the solver does what the thoughts suggest, .5 (noise) to 1.
        interaction: From -1 (any useful thought suffices) over 0 (additive) to 1 (all are needed).
        specialists: Whether each task needs one thinker, equally often each: then u is 1 if its
            thought is useful, else 0.
        skill: Probability of a useful message before training.
        phrasings: Number of ways to say a useful message, and a useless one; they differ to a
            thinker's policy and mean the same to the solver.
        hopeless: Share of the tasks without need that cannot be solved.
        trained: "thinkers", or "team": the solver as well, with a row for each task kind and
            pattern of messages.

    Raises:
        ValueError: If a value is out of range.
    """
    _expect_range("num_thinkers", num_thinkers, 1, 5)
    _expect_range("phrasings", phrasings, 1, 4)
    for name, value, low in (
        ("need", need, 0.0),
        ("reliability", reliability, 0.5),
        ("interaction", interaction, -1.0),
        ("skill", skill, 0.0),
        ("hopeless", hopeless, 0.0),
    ):
        _expect_range(name, value, low, 1.0)
    useful = _useful(num_thinkers)  # (2 ** K, K)
    if specialists:
        kinds = [(need / num_thinkers, useful[:, k].astype(float)) for k in range(num_thinkers)]
    else:
        kinds = [(need, _combined(useful, interaction))]
    kinds += [
        ((1.0 - need) * (1.0 - hopeless), np.ones(len(useful))),
        ((1.0 - need) * hopeless, np.zeros(len(useful))),
    ]
    kinds = [(weight, u) for weight, u in kinds if weight > 0.0]
    trains_solver = trained == "team"
    thinkers = np.repeat([[skill, 1.0 - skill]], phrasings, axis=1) / phrasings
    thinkers = np.tile(thinkers, (num_thinkers, 1))
    blocks, tasks, parameters = [thinkers], [], []
    for _, u in kinds:
        correct = 1.0 - reliability + (2.0 * reliability - 1.0) * u
        first = sum(map(len, blocks)) if trains_solver else FROZEN
        blocks += [_answers(correct, thinkers.shape[1])] if trains_solver else []
        task, rows = _chain_task(thinkers, correct, first)
        tasks.append(task)
        parameters.append(rows)
    weights = np.array([weight for weight, _ in kinds])
    return Mixture(tuple(tasks), weights, tuple(parameters), np.concatenate(blocks))


def vote_mixture(
    num_voters: int, *, skill: float = 0.4, spread: float = 0.0, num_choices: int = 3
) -> Mixture:
    """Return the task of a vote, in which each voter has one row of parameters.

    Args:
        num_voters: Number of agents, at least 2.
        skill: Mean probability of the correct answer before training; wrong answers are equally
            probable.
        spread: Largest difference of a voter's skill from the mean; skills are equidistant.
        num_choices: Number of answers.

    Raises:
        ValueError: If a value is out of range.
    """
    _expect_range("num_voters", num_voters, 2, 12)
    _expect_range("num_choices", num_choices, 2, 10)
    _expect_range("skill - spread", skill - spread, 0.0, 1.0)
    _expect_range("skill + spread", skill + spread, 0.0, 1.0)
    correct = np.linspace(skill - spread, skill + spread, num_voters)[:, None]
    wrong = np.tile((1.0 - correct) / (num_choices - 1), (1, num_choices - 1))
    return single(Vote(np.concatenate([correct, wrong], axis=1)))


def _useful(num_thinkers: int) -> IntArray:
    """Return whether each thinker's message is useful in each pattern, shape (2 ** K, K)."""
    return 1 - np.indices((2,) * num_thinkers).reshape(num_thinkers, -1).T


def _answers(correct: FloatArray, num_choices: int) -> FloatArray:
    """Return the policy of a solver that is correct with these probabilities, shape (n, C)."""
    answers = np.repeat(((1.0 - correct) / (num_choices - 1))[:, None], num_choices, axis=1)
    answers[:, CORRECT] = correct
    return answers


def _combined(useful: IntArray, interaction: float) -> FloatArray:
    together = useful.all(axis=1) if interaction >= 0.0 else useful.any(axis=1)
    mean: FloatArray = useful.mean(axis=1)
    return (1.0 - abs(interaction)) * mean + abs(interaction) * together


def _chain_task(thinkers: FloatArray, correct: FloatArray, first: int) -> tuple[Chain, IntArray]:
    """Return a chain with these answers of the solver, and the parameter row of each of its rows.

    Args:
        thinkers: Probabilities of the messages of each thinker, shape (K, C); the first half of
            the messages is useful.
        correct: Probability that the solver is correct, by pattern of messages, shape (2 ** K,).
        first: Parameter row of the solver's first pattern, or FROZEN.

    Note: An agent whose later agents are removed answers as the solver would without its message.
    """
    num_thinkers, num_choices = thinkers.shape
    table, rows = [], []
    for turn in range(num_thinkers + 1):
        num_patterns = (num_choices + 1) ** turn
        read = np.indices((num_choices + 1,) * turn).reshape(turn, num_patterns)
        pattern = np.zeros(num_patterns, dtype=np.int64)
        for earlier in range(num_thinkers):
            is_useless = read[earlier] >= num_choices // 2 if earlier < turn else True
            pattern = 2 * pattern + is_useless
        answers = _answers(correct[pattern], num_choices)
        frozen = np.full(len(pattern), FROZEN)
        if turn == num_thinkers:
            solver = pattern + first if first != FROZEN else frozen
            table += [answers, answers]
            rows += [solver, solver]  # it is always the last speaker
        else:
            table += [np.tile(thinkers[turn], (len(pattern), 1)), answers]
            rows += [np.full(len(pattern), turn), frozen]
    return Chain(num_thinkers + 1, np.concatenate(table)), np.concatenate(rows)


def _expect_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(
            f"{name} must be between {low:g} and {high:g}, got {value:g}; choose one within it"
        )
