"""The environment: a team answers one question, its agents speaking one after the other."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces

from ccpo_env.base import TeamPaidEnv, snapshot_before_reset
from ccpo_env.episode import EpisodeState, draw_task_index
from ccpo_env.errors import unknown_name
from ccpo_env.leaks import strip_answers
from ccpo_env.options import (
    check_option_names,
    check_prefix,
    check_removed,
    check_seed,
    find_task,
)
from ccpo_env.prompts import (
    chat_messages,
    plain_text,
    problem_text,
    with_answer_form,
    without_answer_request,
)
from ccpo_env.registry import answer_form, resolve_verifier
from ccpo_env.render import transcript
from ccpo_env.spaces import TextSpace
from ccpo_env.tasks import resolve_tasks
from ccpo_env.text import clip_middle, valid_unicode
from ccpo_env.types import (
    Message,
    Observation,
    PromptTemplate,
    Task,
    TaskInput,
    Topology,
    Turn,
    Verdict,
    Verifier,
)
from ccpo_env.voting import Ballot, count_votes

DEFAULT_MAX_CHARS = 65_536
HEADING_CHARS = 64
"""Room for the heading of a question or message in a prompt."""
CHANGED_IN_PLACE = (
    *("agents", "rewards", "_cumulative_rewards", "terminations", "truncations"),
    *("infos", "_messages", "_read"),
)
"""What an episode changes in place, here or in PettingZoo; all else is replaced."""


_stripped = lru_cache(maxsize=512)(strip_answers)
"""The rollouts of a group often say the same, one after the other."""


class TeamAnswerEnv(TeamPaidEnv[Observation, str]):
    r"""A team answers one question, its agents speaking in the order of a topology.

    Observation: ``{"prompt": str}``, all that the acting agent may read, as plain text. The same
        as chat messages stands in ``infos[agent]["messages"]`` while the agent is to act.
    Action: str, the agent's completion. Any text is legal; lone surrogates are replaced, and the
        middle of a text longer than max_chars is cut, which ``infos`` reports in
        ``clipped_chars``, a mapping from "question" or an agent to a number of characters. What
        the others read of it lacks every stated answer if strip_leaks is on, and ``leak`` in the
        speaker's info counts what was taken out.
    Reward: the verifier's, +1 or -1, to every agent, once, after the last turn.
    Termination: after the last turn.
    Truncation: after the last turn if the verifier could not tell; the episode then measures
        nothing and must be dropped.
    Options: ``task`` an index, id or Task; ``removed`` agents that do not exist in this episode
        (the last one left answers); ``prefix`` messages already spoken, in turn order. A reset
        without ``task`` draws the next task of the seeded stream; a reset with it draws nothing.
    Versions: v0.

    Args:
        topology: Who speaks when and reads what.
        tasks: A registered name, a .jsonl or .parquet path, or tasks.
        verifier: A name from VERIFIERS, or a callable ``(response, gold) -> Verdict``.
        render_mode: None, "ansi" (`render` returns the transcript) or "human" (prints it).
        removed: Agents removed in every episode whose options do not say otherwise.
        prompts: The instructions of the roles; None: those of the topology, which ask for the
            answer in the form that the verifier reads.
        strip_leaks: Whether answers stated before the last turn are hidden from the others;
            None: what the topology says.
        max_chars: Longest question and message, in characters.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        tasks: TaskInput = "arithmetic",
        verifier: str | Verifier = "math",
        render_mode: str | None = None,
        removed: Iterable[str] = (),
        prompts: PromptTemplate | None = None,
        strip_leaks: bool | None = None,
        max_chars: int = DEFAULT_MAX_CHARS,
    ) -> None:
        super().__init__(topology.agents, removed=removed, render_mode=render_mode)
        self.metadata = {**self.metadata, "name": f"{topology.name}_v0"}
        self.topology = topology
        self.tasks = resolve_tasks(tasks)
        self._index_of = {task.id: index for index, task in enumerate(self.tasks)}
        self._verify = resolve_verifier(verifier)
        self._is_vote = topology.decision == "majority"
        self._prompts = prompts or with_answer_form(topology.prompts, answer_form(verifier))
        self._strip_leaks = topology.has_secret_answer if strip_leaks is None else strip_leaks
        self._max_chars = max_chars
        self._action_spaces = {agent: TextSpace(max_chars) for agent in self.possible_agents}
        longest_instruction = max(
            len(self._prompts.instruction(role, answers=answers))
            for role in topology.roles
            for answers in (False, True)
        )
        num_texts = len(topology.turns) + 1  # the question, and a message per turn
        longest_prompt = longest_instruction + (HEADING_CHARS + max_chars) * num_texts
        self._observation_spaces = {
            agent: spaces.Dict({"prompt": TextSpace(longest_prompt)})
            for agent in self.possible_agents
        }
        self._stream_seed: int | None = None
        self._stream_index = 0

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode; see the class for the options.

        Args:
            seed: Starts the stream of tasks anew; None goes on with it. The first reset without
                a seed starts it from the entropy of the system.
            options: ``task``, ``removed`` and ``prefix``, in any combination.
        """
        options = options or {}
        check_option_names(options)
        removed = self._default_removed
        if options.get("removed") is not None:
            removed = check_removed(options["removed"], self.possible_agents)
        prefix = () if options.get("prefix") is None else options["prefix"]
        check_prefix(prefix, sum(turn.speaker not in removed for turn in self.topology.turns))
        pinned = options.get("task")
        task = None if pinned is None else find_task(pinned, self.tasks, self._index_of)
        if seed is not None:
            self._stream_seed, self._stream_index = check_seed(seed), 0
        elif self._stream_seed is None:
            self._stream_seed = int(np.random.SeedSequence().generate_state(1)[0])
        if task is None:
            place = draw_task_index(self._stream_seed, self._stream_index, len(self.tasks))
            task = self.tasks[place]
            self._stream_index += 1
        self._begin(task, removed)
        for text in prefix:
            self._say(self._turns[len(self._messages)].speaker, *self._fit(text))
        self._offer_turn()

    def step(self, action: str | None) -> None:
        """Let the acting agent speak, or let an agent leave after the end with None."""
        agent = self.agent_selection
        if self.verdict is not None:
            self._was_dead_step(action)  # type: ignore[arg-type]
            return
        if not isinstance(action, str):
            raise TypeError(
                f"an action of {agent} must be a str, got {type(action).__name__}; "
                f"pass the completion as text"
            )
        text, num_cut = self._fit(action)
        is_last = len(self._messages) == len(self._turns) - 1
        # Before anything changes: a verifier that raises leaves the episode as it was.
        ballot = self._count(text) if is_last and self._is_vote else None
        verdict = self._judge(text, ballot) if is_last else None
        self._say(agent, text, num_cut)
        if verdict is None:
            self._offer_turn()
        else:
            self._finish(verdict, ballot)

    def observe(self, agent: str) -> Observation:
        """Return what an agent reads in its next turn, or read in its last one.

        A removed agent reads an empty prompt.

        Raises:
            ValueError: If there is no such agent.
        """
        if agent not in self.possible_agents:
            raise unknown_name("agent", agent, self.possible_agents)
        turn_index = self._turn_index(agent)
        if turn_index is None:
            return {"prompt": ""}
        if turn_index == self._offered_turn:
            return {"prompt": plain_text(*self._offered_parts)}
        return {"prompt": plain_text(*self._prompt_parts(turn_index))}

    @property
    def messages(self) -> tuple[Message, ...]:
        """What has been said in this episode, in turn order, the prefix included."""
        return tuple(self._messages)

    def snapshot(self) -> EpisodeState:
        """Return the exact state of the episode and of the stream of tasks.

        Returns:
            An immutable, picklable value that `restore` takes back, here or in another
            environment of the same topology.

        Raises:
            RuntimeError: Before the first reset.
        """
        if self._stream_seed is None:
            raise snapshot_before_reset()
        return EpisodeState(
            topology=self.topology.name,
            agents=tuple(self.possible_agents),
            task=self.task,
            removed=self.removed,
            messages=self.messages,
            clipped=tuple(self._clipped.items()),
            verdict=self.verdict,
            ballot=self.ballot,
            num_left=self._num_left,
            stream_seed=self._stream_seed,
            stream_index=self._stream_index,
        )

    def restore(self, state: EpisodeState) -> None:
        """Return to a snapshot: all that follows is as it was from there.

        Raises:
            ValueError: If the snapshot is of another topology.
        """
        if state.agents != tuple(self.possible_agents) or state.topology != self.topology.name:
            raise ValueError(
                f"a snapshot must be of {self.topology.name} with {self.possible_agents}, got "
                f"{state.topology} with {list(state.agents)}; restore it in such an environment"
            )
        self._stream_seed, self._stream_index = state.stream_seed, state.stream_index
        self._begin(state.task, state.removed)
        for message in state.messages:
            self._say(message.agent, message.text, 0)
        self._clipped.update(state.clipped)
        if state.verdict is None:
            self._offer_turn()
            return
        self._finish(state.verdict, state.ballot)
        self._let_leave(state.num_left)

    def fork(self) -> TeamAnswerEnv:
        """Return an environment in the same place of the same episode, which goes on by itself.

        It is what a deepcopy is, at a small part of the cost: what an episode replaces but never
        changes is shared.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        for name in CHANGED_IN_PLACE:
            setattr(twin, name, self.__dict__[name].copy())
        return twin

    @property
    def verifier(self) -> Verifier:
        """What compares the answers."""
        return self._verify

    def with_verifier(self, verifier: Verifier) -> TeamAnswerEnv:
        """Return the same environment with another verifier; reset it before its first episode."""
        twin = copy.copy(self)
        twin._verify = verifier
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> TeamAnswerEnv:
        """Copy the episode; share what never changes (tasks, topology, verifier)."""
        twin = copy.copy(self)
        memo[id(self)] = twin
        for shared in (self.tasks, self._index_of, self.topology, self._verify, self._prompts):
            memo[id(shared)] = shared
        for name, value in vars(self).items():
            setattr(twin, name, copy.deepcopy(value, memo))
        return twin

    def _begin(self, task: Task, removed: frozenset[str]) -> None:
        question, num_cut = self._fit(task.question)
        self.task = task
        self.verdict: Verdict | None = None
        self.ballot: Ballot | None = None
        self._question = question
        self._clipped = {"question": num_cut} if num_cut else {}
        self._turns = tuple(turn for turn in self.topology.turns if turn.speaker not in removed)
        self._messages: list[Message] = []
        self._read: list[Message] = []  # the same as the others read them
        self._offered_turn = -1
        self._offered_parts = ("", "")  # what is read in that turn
        infos = {
            turn.speaker: {
                "role": turn.role,
                "task_id": task.id,
                "removed": sorted(removed),
                "messages": [],
                "clipped_chars": self._clipped,
                "leak": 0,
            }
            for turn in self._turns
        }
        self._start(removed, infos)

    def _as_text(self) -> str:
        return transcript(self.task, self._messages, self.removed, self.verdict)

    def _fit(self, text: str) -> tuple[str, int]:
        return clip_middle(valid_unicode(text), self._max_chars)

    def _count(self, response: str) -> Ballot:
        responses = [*(message.text for message in self._messages), response]
        return count_votes(responses, self.task.answer, self._verify)

    def _judge(self, response: str, ballot: Ballot | None) -> Verdict:
        verdict: object = ballot.verdict() if ballot else self._verify(response, self.task.answer)
        if not isinstance(verdict, Verdict):
            raise TypeError(
                f"a verifier must return a Verdict, got {verdict!r}; return Verdict('correct')"
            )
        return verdict

    def _say(self, agent: str, text: str, num_cut: int) -> None:
        shown, num_leaks = text, 0
        if self._strip_leaks and not self._is_answer(len(self._messages)):
            shown, num_leaks = _stripped(text)
        message = Message(agent, text)
        self._messages.append(message)
        self._read.append(Message(agent, shown) if num_leaks else message)
        self._tell([agent], messages=[], leak=self.infos[agent]["leak"] + num_leaks)
        if num_cut:
            self._clipped = {**self._clipped, agent: self._clipped.get(agent, 0) + num_cut}
            self._tell(self.agents, clipped_chars=self._clipped)

    def _offer_turn(self) -> None:
        turn_index = len(self._messages)
        speaker = self._turns[turn_index].speaker
        self.agent_selection = speaker
        self._offered_turn, self._offered_parts = turn_index, self._prompt_parts(turn_index)
        self._tell([speaker], messages=chat_messages(*self._offered_parts))

    def _finish(self, verdict: Verdict, ballot: Ballot | None) -> None:
        self.verdict, self.ballot = verdict, ballot
        self._pay(verdict.reward, verdict=verdict, answer=verdict.answer)

    def _prompt_parts(self, turn_index: int) -> tuple[str, str]:
        turn: Turn = self._turns[turn_index]
        answers = self._is_answer(turn_index)
        read = [m for m in self._read[:turn_index] if m.agent in turn.reads]
        instruction = self._prompts.instruction(turn.role, answers=answers)
        question = self._question if answers else without_answer_request(self._question)
        return instruction, problem_text(question, read)

    def _is_answer(self, turn_index: int) -> bool:
        return self._is_vote or turn_index == len(self._turns) - 1

    def _turn_index(self, agent: str) -> int | None:
        own = [index for index, turn in enumerate(self._turns) if turn.speaker == agent]
        upcoming = [index for index in own if index >= len(self._messages)]
        return upcoming[0] if upcoming else (own[-1] if own else None)
