"""A team as an environment of verifiers: its agents, our prompts, the team's reward and credit.

verifiers finds an environment by the name of a top-level module. Write one, ``ccpo_team.py``, of
this line, and pass ``ccpo_team`` as the id of the taskset:

from baselines.integrations.verifiers_env import MessageHarness, TeamEnv, TeamTaskset, __all__
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import compress
from typing import Any, Literal

from baselines.integrations.credited import CreditedRow
from baselines.integrations.session_settings import OtherTrainer, team_settings
from baselines.integrations.sessions import play_group
from baselines.policies.base import Completion, Prompt, Sampling
from baselines.rollouts.team_env import TeamSettings, team_env
from baselines.train.config import TrainConfig
from ccpo_env.conversation import Conversation
from ccpo_env.tasks import resolve_tasks

try:
    import verifiers.v1 as vf
    from openai import AsyncOpenAI
except ImportError as error:
    raise ImportError(
        f"the environment for verifiers must have the package verifiers 0.4 installed, got "
        f"{error}; pip install verifiers in a separate environment, see docs/ecosystem.md"
    ) from error

__all__ = ["MessageHarness", "TeamEnv", "TeamTaskset"]

REWARD = "team_reward"
"""Name of the reward in the traces: the same for every agent, once."""
ADVANTAGE = "advantage"
"""Name of the advantage of a trace, in its info and its metrics."""
MAX_TOKENS = 2**20
"""No limit: the sampling of each agent sets one."""
VERIFIERS = OtherTrainer(
    name="a trainer with verifiers", key="env", flag="--env.", loss="that trainer"
)
TEAM = tuple(each for each in fields(TeamSettings) if each.name != "unsafe_no_namespaces")
"""Settings of the team."""
ROLES = ("thinker", "solver", "voter", "debater")


class TeamTasksetConfig(vf.TasksetConfig):  # type: ignore[misc]  # verifiers is not installed here
    """What the team answers."""

    tasks: str = "arithmetic"
    """A registered name, or a .jsonl or .parquet path; see `ccpo_env.load_tasks`."""


class TeamTaskset(vf.Taskset[vf.Task, TeamTasksetConfig]):  # type: ignore[misc]
    """Tasks of ours by their id; the gold answers stay here."""

    def __init__(self, config: TeamTasksetConfig) -> None:
        super().__init__(config)
        self.tasks = {task.id: task for task in resolve_tasks(config.tasks)}

    def load(self) -> Iterable[vf.Task]:
        """Return a task for each of ours, with its question as the prompt."""
        for task in self.tasks.values():
            yield vf.Task(vf.TaskData(id=task.id, prompt=task.question), self.config.task)


class MessageHarness(vf.Harness[vf.HarnessConfig]):  # type: ignore[misc]
    """Samples one message, with one request from this process: no tools, and no program."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Send the chat messages of a turn to the endpoint, which records the reply."""
        messages = [message.model_dump(include={"role", "content"}) for message in data.prompt]
        async with AsyncOpenAI(base_url=endpoint, api_key=secret) as client:
            await client.chat.completions.create(model=ctx.model, messages=messages)
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")


def _seat() -> vf.AgentConfig:
    return vf.AgentConfig(runtime=vf.SubprocessConfig())


class TeamEnvConfig(vf.EnvConfig):  # type: ignore[misc]
    """The team, its credit, and an agent of verifiers for each role; other roles are not used."""

    topology: Literal["think_solve", "vote", "debate"] = "think_solve"
    num_thinkers: int = 1
    num_voters: int = 3
    num_debaters: int = 2
    num_rounds: int = 2
    verifier: str = TeamSettings.verifier
    group_size: int = 1
    """Rollouts of the team in an episode. 1: no credit; more: credit for each agent in each."""
    allocator: str = TrainConfig.allocator
    optimizer: str = "grpo"
    """Whose advantage is recorded; one that whitens over a step is refused."""
    removed_samples: int = TrainConfig.removed_samples
    branch_samples: int = TrainConfig.branch_samples
    thinker: vf.AgentConfig = _seat()
    solver: vf.AgentConfig = _seat()
    voter: vf.AgentConfig = _seat()
    debater: vf.AgentConfig = _seat()


class TeamEnv(vf.Env[TeamEnvConfig]):  # type: ignore[misc]
    """An episode of a team, or a group of them with credit: a run of an agent for each turn."""

    def __init__(self, config: TeamEnvConfig) -> None:
        super().__init__(config)
        names = set(TeamEnvConfig.model_fields) - set(vf.EnvConfig.model_fields) - set(ROLES)
        settings: dict[str, Any] = {name: getattr(config, name) for name in names}
        given = {"optimizer", *(names & config.model_fields_set)}
        self._credit = (
            team_settings({name: settings[name] for name in given}, VERIFIERS)
            if config.group_size > 1
            else None
        )
        team = TeamSettings(**{each.name: settings[each.name] for each in TEAM})
        self._team = team_env(team, list(self.taskset.tasks.values())).unwrapped

    async def setup(self, agents: vf.Agents) -> None:
        """Leave roles with a model or a server of their own out of training."""
        for role in ROLES:
            seat: vf.AgentConfig = getattr(self.config, role)
            if seat.model is not None or seat.client is not None:
                getattr(agents, role).trainable = False

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        """Play an episode, or a group of them, and record the reward in the trace of every turn.

        In a group, its advantage is recorded, too. Runs without an agent and continuations, which
        credit needs, have neither, and are not trained on.

        Raises:
            RuntimeError: If an agent failed, or the answer could not be verified: verifiers then
                counts the episode as failed, and may repeat it.
        """
        own = self.taskset.tasks[task.data.id]
        if self._credit is None:
            await self._play_one(self._team.conversation(own), agents)
            return
        traces: dict[int, tuple[Completion, vf.Trace]] = {}

        async def complete(role: str, prompt: Prompt, _: Sampling) -> Completion:
            trace = await _ask(role, prompt.messages, agents)
            completion = _completion_of(trace)
            traces[id(completion)] = completion, trace
            return completion

        group = await play_group(self._credit, own, complete, max_tokens=MAX_TOKENS)
        if not group.rows:
            raise RuntimeError(
                f"a group must hold rollouts to compare, got too few that were measured of task "
                f"{own.id!r}; drop the episode"
            )
        turns = len(self._team.topology.turns)
        for place, row in enumerate(group.rows):
            _, trace = traces.pop(id(row.completion))
            _record(trace, row, rollout=place // turns, turn=place % turns)
        for _, trace in traces.values():
            trace.agent.trainable = False

    async def _play_one(self, conversation: Conversation, agents: vf.Agents) -> None:
        traces = []
        while conversation.verdict is None:
            trace = await self._take_turn(conversation, agents)
            traces.append(trace)
            reply = str(trace.assistant_messages[-1].content or "")
            # In a thread: a verifier may take seconds, while other episodes go on.
            conversation = await asyncio.to_thread(conversation.add_message, reply)
        reward = conversation.verdict.reward
        if reward is None:
            raise RuntimeError(
                f"the answer must be verified, got {conversation.verdict.status!r} "
                f"({conversation.verdict.detail}); drop the episode"
            )
        for trace in traces:
            trace.record_reward(REWARD, reward)

    async def _take_turn(self, conversation: Conversation, agents: vf.Agents) -> vf.Trace:
        """Return the trace of the speaker's run, whose only message is its turn."""
        place = len(conversation.messages)
        info = conversation.infos(conversation.prompt_parts(place))[conversation.speaker]
        trace = await _ask(info["role"], info["messages"], agents)
        if not trace.ok or not trace.assistant_messages:
            raise RuntimeError(
                f"{conversation.speaker} must send a message, got {trace.last_error}; see the "
                f"errors of its trace"
            )
        trace.info["agent"], trace.info["turn"] = conversation.speaker, place
        return trace


async def _ask(role: str, messages: Iterable[Mapping[str, str]], agents: vf.Agents) -> vf.Trace:
    """Return the trace of a run of an agent on chat messages."""
    prompt = [
        (vf.SystemMessage if message["role"] == "system" else vf.UserMessage)(
            content=message["content"]
        )
        for message in messages
    ]
    return await getattr(agents, role).run(vf.Task(vf.TaskData(prompt=prompt)))


def _completion_of(trace: vf.Trace) -> Completion:
    """Return what an agent said, with the tokens if the server of the model returned them."""
    if not trace.ok or not trace.assistant_messages:
        return Completion("", failure=f"an agent of verifiers sent no message: {trace.last_error}")
    text = str(trace.assistant_messages[-1].content or "")
    ids = [token for node in trace.nodes for token in node.token_ids]
    is_said = [said for node in trace.nodes for said in node.mask]
    said = tuple(compress(ids, is_said))
    logprobs = tuple(number for node in trace.nodes for number in node.logprobs)
    return Completion(text, tuple(ids[: len(ids) - len(said)]), said, logprobs)


def _record(trace: vf.Trace, row: CreditedRow, *, rollout: int, turn: int) -> None:
    trace.record_reward(REWARD, row.reward)
    trace.record_metric(ADVANTAGE, row.advantage)
    trace.info |= {
        "agent": row.agent,
        "turn": turn,
        "rollout": rollout,
        ADVANTAGE: row.advantage,
    }
