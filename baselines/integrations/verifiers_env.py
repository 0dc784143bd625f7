"""A team as an environment of verifiers: its agents, our prompts and the team's reward.

verifiers finds an environment by the name of a top-level module. Write one, ``ccpo_team.py``, of
this line, and pass ``ccpo_team`` as the id of the taskset:

from baselines.integrations.verifiers_env import MessageHarness, TeamEnv, TeamTaskset, __all__
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Literal

from baselines.rollouts.team_env import TeamSettings, team_env
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
    """The team, and an agent of verifiers for each role; roles that it lacks are not used."""

    topology: Literal["think_solve", "vote", "debate"] = "think_solve"
    num_thinkers: int = 1
    num_voters: int = 3
    num_debaters: int = 2
    num_rounds: int = 2
    verifier: str = TeamSettings.verifier
    thinker: vf.AgentConfig = _seat()
    solver: vf.AgentConfig = _seat()
    voter: vf.AgentConfig = _seat()
    debater: vf.AgentConfig = _seat()


class TeamEnv(vf.Env[TeamEnvConfig]):  # type: ignore[misc]
    """An episode of a team: a run of an agent for each turn, and one reward for all of them."""

    def __init__(self, config: TeamEnvConfig) -> None:
        super().__init__(config)
        names = set(TeamEnvConfig.model_fields) - set(vf.EnvConfig.model_fields) - set(ROLES)
        settings: dict[str, Any] = {name: getattr(config, name) for name in names}
        tasks = list(self.taskset.tasks.values())
        self._team = team_env(TeamSettings(**settings), tasks).unwrapped

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        """Play an episode and record its reward in the trace of every turn.

        Raises:
            RuntimeError: If an agent failed, or the answer could not be verified: verifiers then
                counts the episode as failed, and may repeat it.
        """
        conversation = self._team.conversation(self.taskset.tasks[task.data.id])
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
        prompt = [
            (vf.SystemMessage if message["role"] == "system" else vf.UserMessage)(
                content=message["content"]
            )
            for message in info["messages"]
        ]
        trace = await getattr(agents, info["role"]).run(vf.Task(vf.TaskData(prompt=prompt)))
        if not trace.ok or not trace.assistant_messages:
            raise RuntimeError(
                f"{conversation.speaker} must send a message, got {trace.last_error}; see the "
                f"errors of its trace"
            )
        trace.info["agent"], trace.info["turn"] = conversation.speaker, place
        return trace
