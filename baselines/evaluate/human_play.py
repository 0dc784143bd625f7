"""``python -m baselines.play``: take the place of one agent and play with the rest of the team."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TextIO

import numpy as np

from baselines.common.checks import require_at_least
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import as_written
from baselines.common.flags import Choices
from baselines.policies.base import Prompt, Sampling
from baselines.policies.local.remote_code import remote_code
from baselines.rollouts.plan import first_kept_turns, removals_are_recounts, turns_of
from baselines.rollouts.rollout import RolloutRequest
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.saved_settings import saved_settings
from baselines.rollouts.team_env import TeamOverrides, order_of_run, taskless_env, with_verifier
from ccpo_env import load_tasks
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.errors import unknown_name
from ccpo_env.render import transcript
from ccpo_env.tasks import TASK_SOURCES
from ccpo_env.text import printable
from ccpo_env.types import Message, Task, Verdict

PLAY_STREAM, WITHOUT_STREAM = range(2)
"""Random streams of an episode: with the person, and without."""

EFFECTS = {
    (1.0, -1.0): "You helped: without you the team was wrong.",
    (-1.0, 1.0): "You hurt: without you the team was right.",
    (1.0, 1.0): "The team was right with and without you.",
    (-1.0, -1.0): "The team was wrong with and without you.",
}
"""Message for each pair of rewards with and without the person."""


@dataclass(frozen=True, kw_only=True)
class EpisodeSettings:
    """Sampling of the other agents."""

    temperature: float = 1.0
    """Sampling temperature; 0 is greedy."""
    max_tokens: int | None = None
    """Maximum completion length per turn, in tokens. None: the model's default."""
    seed: int = 0
    """Random seed of the choice of tasks and of sampling."""


@dataclass(frozen=True, kw_only=True)
class SeatSettings:
    """Agent, policy and tasks."""

    agent: str | None = None
    """Agent that you play, such as solver_0. None: the first speaker."""
    policy: str = "tiny"
    """Policy of the other agents: folder of a run, model or endpoint, as in ccpo evaluate."""
    trust_remote_code: bool = False
    """Run the code that the folder or hub repository of a model holds, also that of the base model
    of an adapter. Read it first: it can do whatever you can."""
    tasks: Annotated[str | None, Choices((*TASK_SOURCES, "a .jsonl or .parquet file"))] = None
    """Tasks to play. None: the tasks of the run, or arithmetic."""
    num_tasks: int = 1
    """Number of tasks, played one after the other."""
    shuffle_choices: int | None = None
    """Random seed of another order of the options of multiple-choice tasks. None: as in the run
    whose tasks they are, else their own."""


@dataclass(frozen=True, kw_only=True)
class PlayConfig(EpisodeSettings, TeamOverrides, SeatSettings):
    """Play one agent of a team yourself; a policy plays the others."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        super().check()
        require_at_least("num_tasks", self.num_tasks, 1)
        require_at_least("seed", self.seed, 0)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and play; flags and their help come from PlayConfig."""
    config = parse(PlayConfig, arguments, "ccpo play")
    with exit_on_bad_input():
        with as_written(Path(config.policy)):
            config = of_run(config)
            config.check()
        assert config.tasks is not None
        split = "test" if config.tasks in TASK_SOURCES else None
        tasks = load_tasks(config.tasks, split=split, shuffle_choices=config.shuffle_choices)
        with remote_code(trusted=config.trust_remote_code):
            session = PlaySession(with_verifier(config, tasks))
    rng = np.random.default_rng([config.seed])
    places = rng.choice(len(tasks), size=min(config.num_tasks, len(tasks)), replace=False)
    try:
        for place in places:
            session.play(tasks[place], [config.seed, int(place)], read=sys.stdin, write=sys.stdout)
    except (EOFError, KeyboardInterrupt) as error:
        print(f"\nstopped: {error or 'by the keyboard'}")
    return 0


def of_run(config: PlayConfig) -> PlayConfig:
    """Return the config, with the tasks and the team of the run if the policy is a run."""
    saved = saved_settings(config.policy)
    tasks = config.tasks or saved.get("tasks", "arithmetic")
    team = config.of_run(saved, has_other_tasks=bool(config.tasks))
    return replace(team, tasks=tasks, shuffle_choices=order_of_run(config, saved))


class PlaySession:
    """A team in which a person plays one agent.

    Args:
        config: The config, with all team settings filled in.

    Raises:
        ValueError: If the team has no such agent, or its policies cannot be loaded.
    """

    def __init__(self, config: PlayConfig) -> None:
        from baselines.policies.team import load_samplers  # loads torch

        self._env: TeamAnswerEnv = taskless_env(config.team).unwrapped
        agents = tuple(self._env.possible_agents)
        self.person = agents[0] if config.agent is None else config.agent
        if self.person not in agents:
            raise unknown_name("agent", self.person, agents)
        roles = self._env.topology.roles
        self._policies = load_samplers(config.policy, roles)
        self._sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
        self._runner = RolloutRunner(
            self._env, self._policies, dict.fromkeys(roles, self._sampling)
        )

    def play(self, task: Task, seed: Sequence[int], *, read: TextIO, write: TextIO) -> None:
        """Play one episode, then one without the person, and print a comparison.

        Args:
            task: The task.
            seed: Seed of the sampling of the other agents.
            read: Input of the person; an empty line or the end of the input ends a message.
            write: Output for prompts, verdict and comparison.

        Raises:
            EOFError: If the input ends before a message, or a policy returns no completion.
        """
        env, person = self._env, self.person
        rng = np.random.default_rng([*seed, PLAY_STREAM])
        env.reset(seed=0, options={"task": task})
        while env.verdict is None:
            speaker = env.agent_selection
            prompt = env.observe(speaker)["prompt"]
            if speaker == person:
                print(
                    f"--- you are {person}; your prompt:\n{printable(prompt).rstrip()}\n",
                    file=write,
                )
                env.step(read_message(read, write))
            else:
                print(f"--- {speaker} speaks", file=write)
                env.step(self._completion(speaker, prompt, rng))
        print(f"\n{transcript(task, env.messages, (), env.verdict)}\n", file=write)
        self._compare(task, np.random.default_rng([*seed, WITHOUT_STREAM]), write)

    def _completion(self, speaker: str, prompt: str, rng: np.random.Generator) -> str:
        info = self._env.infos[speaker]
        request = Prompt(prompt, tuple(info["messages"]))
        policy = self._runner.policies[info["role"]]
        (completion,) = policy.sample([request], sampling=self._sampling, rng=rng)
        if completion.failure is not None:
            raise EOFError(f"{speaker} returned no completion: {completion.failure}")
        return completion.text

    def _compare(self, task: Task, rng: np.random.Generator, write: TextIO) -> None:
        """Show the team without the person, with the same messages before its first turn.

        In a vote these are all messages of the others, and the ballots are recounted.
        """
        env = self._env
        removed = frozenset({self.person})
        if len(env.possible_agents) == 1:
            print("The team has no other agent, so there is no comparison without you.", file=write)
            return
        messages, verdict = self._without(task, removed, rng)
        print(f"Without {self.person}:", file=write)
        print(f"{transcript(task, messages, removed, verdict)}\n", file=write)
        assert env.verdict is not None
        print(effect(env.verdict.reward, verdict.reward), file=write)

    def _without(
        self, task: Task, removed: frozenset[str], rng: np.random.Generator
    ) -> tuple[tuple[Message, ...], Verdict]:
        env = self._env
        if removals_are_recounts(env.topology):
            assert env.ballot is not None
            messages = tuple(m for m in env.messages if m.agent not in removed)
            return messages, env.ballot.verdict(turns_of(env.topology, removed))
        kept = first_kept_turns(env.topology, removed)
        prefix = tuple(env.messages[turn].text for turn in kept)
        (without,) = self._runner.play([RolloutRequest(task, removed, prefix)], rng=rng)
        return without.messages, without.verdict


def effect(together: float | None, without: float | None) -> str:
    """Return a sentence on the rewards with and without the person."""
    if together is None or without is None:
        return "One of the answers could not be verified, so there is no comparison."
    return EFFECTS[together, without]


def read_message(read: TextIO, write: TextIO) -> str:
    """Read a message: lines up to an empty one or the end of the input.

    Leading empty lines are skipped; a single dot is the empty message.

    Raises:
        EOFError: If the input ends before a line with words.
    """
    print(
        "(end your message with an empty line; a single dot sends an empty message)",
        file=write,
        flush=True,
    )
    lines: list[str] = []
    for line in read:
        text = line.rstrip("\r\n")
        if text.strip() == "." and not lines:
            return ""
        if text.strip():
            lines.append(text)
        elif lines:
            break
    if not lines:
        raise EOFError("the input ended before a message")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
