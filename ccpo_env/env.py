"""The text environment: the agents of a team speak in turn and answer one question."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from gymnasium import spaces

from ccpo_env.content.quoting import MAX_GROWTH
from ccpo_env.conversation import Conversation, Rules
from ccpo_env.cycles import is_simultaneous
from ccpo_env.episode import EpisodeState
from ccpo_env.errors import unknown_name
from ccpo_env.prompts import LETTERS, plain_text, with_answer_form
from ccpo_env.render import transcript
from ccpo_env.shared_reward import SharedRewardEnv, snapshot_before_reset
from ccpo_env.spaces import TextSpace
from ccpo_env.starting import EpisodeStarter, Stream
from ccpo_env.tasks import resolve_tasks
from ccpo_env.types import (
    Message,
    Observation,
    PromptTemplate,
    Task,
    TaskInput,
    Topology,
    Verdict,
    Verifier,
)
from ccpo_env.verifiers.auto import AUTO
from ccpo_env.verifiers.registry import answer_form, check_tasks, resolve_verifier, start_early
from ccpo_env.voting import Ballot

DEFAULT_MAX_CHARS = 65_536
HEADING_CHARS = 64
"""Characters allowed for the heading of a question, passage, option or message in a prompt."""
CHANGED_IN_PLACE = (
    *("agents", "rewards", "_cumulative_rewards", "terminations", "truncations", "infos"),
)
"""Attributes that an episode modifies in place; all others are replaced, so fork shares them."""


class TeamAnswerEnv(SharedRewardEnv[Observation, str, EpisodeState]):
    r"""A team answers one question; its agents speak in the order of a topology.

    Observation: ``{"prompt": str}``, all that the acting agent may read, as plain text: the
        question, its passages and options, and messages, none of which can pass for another.
        ``infos[agent]["messages"]`` holds it as chat messages while it is the agent's turn.
    Action: str, the agent's completion. Any text is legal; lone surrogates are replaced, and the
        middle of a text longer than max_chars is cut, which ``infos`` reports in ``clipped_chars``,
        a mapping from "question", "context", "choices" or an agent to a number of characters. With
        strip_leaks, stated answers are removed before the others read it, and ``leak`` in the
        speaker's info counts the removals.
    Reward: the verifier's, +1 or -1, to every agent, once, after the last turn.
    Termination: after the last turn.
    Truncation: after the last turn if the verifier could not decide; the episode has no
        measured reward and must be dropped.
    Options: ``task`` an index, id or Task; ``removed`` agents that do not exist in this episode
        (the last one left answers); ``prefix`` messages of the first turns, in turn order. A reset
        without ``task`` draws the next task of the seeded stream; a reset with it draws nothing.
    Versions: v0.

    Args:
        topology: Who speaks when and who reads what.
        tasks: A registered name, a .jsonl or .parquet path, or tasks.
        verifier: A name from VERIFIERS, or a callable ``(response, gold) -> Verdict``; "auto": the
            one that the tasks need, see `ccpo_env.verifiers.auto`.
        render_mode: None, "ansi" (`render` returns the transcript), "human" (prints it) or
            "rgb_array" (returns a picture of it).
        removed: Agents removed in every episode, unless the options of reset say otherwise.
        prompts: The instructions of the roles; None: those of the topology, which ask for the
            answer in the form that the verifier reads.
        strip_leaks: Whether answers stated before the last turn are hidden from the others;
            None: the topology's default.
        max_chars: Longest question and message, and most characters of all passages and of all
            options, in characters.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        tasks: TaskInput = "arithmetic",
        verifier: str | Verifier = AUTO,
        render_mode: str | None = None,
        removed: Iterable[str] = (),
        prompts: PromptTemplate | None = None,
        strip_leaks: bool | None = None,
        max_chars: int = DEFAULT_MAX_CHARS,
    ) -> None:
        if not isinstance(topology, Topology):
            raise TypeError(f"topology must be a Topology, got {topology!r}; pass e.g. debate()")
        if prompts is not None:
            topology.check_prompts(prompts)
        super().__init__(topology.agents, removed=removed, render_mode=render_mode)
        self.metadata = {
            **self.metadata,
            "name": f"{topology.name}_v0",
            "is_parallelizable": is_simultaneous(topology.turns),
        }
        self.topology = topology
        self.tasks = resolve_tasks(tasks)
        index_of = {task.id: index for index, task in enumerate(self.tasks)}
        resolved = resolve_verifier(verifier, self.tasks)
        check_tasks(verifier, self.tasks)
        self._rules = Rules(
            topology,
            prompts or with_answer_form(topology.prompts, answer_form(resolved)),
            resolved,
            topology.has_secret_answer if strip_leaks is None else strip_leaks,
            max_chars,
        )
        self.action_spaces = {agent: TextSpace(max_chars) for agent in self.possible_agents}
        longest_instruction = max(
            len(self._rules.prompts.instruction(role, answers=answers))
            for role in topology.roles
            for answers in (False, True)
        )
        num_texts = len(topology.turns) + 3  # question, passages, options, and a message per turn
        longest_text = HEADING_CHARS * len(LETTERS) + MAX_GROWTH * max_chars
        longest_prompt = longest_instruction + longest_text * num_texts
        self.observation_spaces = {
            agent: spaces.Dict({"prompt": TextSpace(longest_prompt)})
            for agent in self.possible_agents
        }
        self.starter = EpisodeStarter(
            self._rules, self.possible_agents, self.tasks, index_of, self._default_removed
        )
        self._stream: Stream | None = None
        start_early(self._rules.verifier)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode; see the class for the options.

        Args:
            seed: Restarts the stream of tasks; None continues it. A first reset without a seed
                takes one from the entropy of the operating system.
            options: ``task``, ``removed`` and ``prefix``, in any combination.
        """
        start = self.starter.start(self._stream, seed, options)
        conversation = self.starter.conversation(
            start.task, removed=start.removed, prefix=start.prefix
        )
        self._stream = start.stream
        self._begin(conversation)

    def conversation(
        self, task: Task, *, removed: Iterable[str] = (), prefix: Sequence[str] = ()
    ) -> Conversation:
        """Return a new conversation that is independent of the environment's own episode.

        Args:
            task: The task.
            removed: Agents that do not exist in the episode.
            prefix: Messages of the first turns, in turn order.

        Raises:
            ValueError: If an agent is unknown, or no agent is left to answer.
        """
        return self.starter.conversation(task, removed=removed, prefix=prefix)

    def step(self, action: str | None) -> None:
        """Take the acting agent's turn; after the end, pass None for each agent."""
        agent = self.agent_selection
        if self.verdict is not None:
            self._was_dead_step(action)  # type: ignore[arg-type]
            return
        if not isinstance(action, str):
            raise TypeError(
                f"an action of {agent} must be a str, got {type(action).__name__}; "
                f"pass the completion as text"
            )
        # Before anything changes: a verifier that raises leaves the episode as it was.
        self._show(self._conversation.add_message(action))

    def observe(self, agent: str) -> Observation:
        """Return an agent's observation in its next turn, or in its last one if none is left.

        A removed agent reads an empty prompt.

        Raises:
            ValueError: If there is no such agent.
        """
        if agent not in self.possible_agents:
            raise unknown_name("agent", agent, self.possible_agents)
        if self.verdict is None and agent == self._conversation.speaker:  # nearly always
            return {"prompt": plain_text(*self._prompt_parts)}
        turn_index = self._conversation.turn_of(agent)
        if turn_index is None:
            return {"prompt": ""}
        parts = self._past_prompts.get(turn_index) or self._conversation.prompt_parts(turn_index)
        return {"prompt": plain_text(*parts)}

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages of this episode in turn order, the prefix included."""
        return self._conversation.messages

    def snapshot(self) -> EpisodeState:
        """Return the exact state of the episode and of the stream of tasks.

        Returns:
            An immutable, picklable value that `restore` takes back, here or in another
            environment of the same topology.

        Raises:
            RuntimeError: Before the first reset.
        """
        if self._stream is None:
            raise snapshot_before_reset()
        return self.starter.state(self._conversation, self._stream, self._num_left)

    def restore(self, state: EpisodeState) -> None:
        """Return to a snapshot: the same actions then lead to the same episode.

        Raises:
            ValueError: If the snapshot is of another topology.
        """
        conversation, self._stream = self.starter.resume(state)
        self._begin(conversation)
        self._take_dead_steps(state.num_left)

    def fork(self) -> TeamAnswerEnv:
        """Return an independent copy of the environment at the same point of the same episode.

        Equivalent to a deepcopy at a fraction of the cost: immutable parts are shared.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        for name in CHANGED_IN_PLACE:
            setattr(twin, name, self.__dict__[name].copy())
        return twin

    @property
    def verifier(self) -> Verifier:
        """The verifier that compares answers."""
        return self._rules.verifier

    def __deepcopy__(self, memo: dict[int, Any]) -> TeamAnswerEnv:
        """Copy the episode; share the immutable parts (tasks, topology, verifier)."""
        twin = copy.copy(self)
        memo[id(self)] = twin
        for shared in (self.tasks, self.topology, self._rules, self.starter):
            memo[id(shared)] = shared
        if self._stream is not None:
            memo[id(self._conversation)] = self._conversation
        for name, value in vars(self).items():
            setattr(twin, name, copy.deepcopy(value, memo))
        return twin

    def _begin(self, conversation: Conversation) -> None:
        """Start an episode from a conversation, which may have ended already."""
        self.task = conversation.opening.task
        self._past_prompts: dict[int, tuple[str, str]] = {}
        self._start(conversation.opening.removed, {})
        self._show(conversation)

    def _show(self, conversation: Conversation) -> None:
        """Set PettingZoo's attributes from a conversation."""
        self._conversation = conversation
        self.verdict: Verdict | None = conversation.verdict
        self.ballot: Ballot | None = conversation.ballot
        if self.verdict is None:
            place = len(conversation.messages)
            self._prompt_parts = conversation.prompt_parts(place)
            self._past_prompts = {**self._past_prompts, place: self._prompt_parts}
            self.infos = conversation.infos(self._prompt_parts)
            self.agent_selection = conversation.speaker
        else:
            self.infos = conversation.infos(None)
            self._end_episode(self.verdict.reward, verdict=self.verdict, answer=self.verdict.answer)

    def _as_text(self) -> str:
        return transcript(self.task, self.messages, self.removed, self.verdict)
