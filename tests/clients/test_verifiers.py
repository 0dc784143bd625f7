"""Episodes of each team as an environment of theirs, against a local chat server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verifiers")

import verifiers.v1 as vf

from tests.rl.launching import ROOT
from tests.rl.recorded_trainers import modules

pytestmark = [pytest.mark.client("verifiers"), pytest.mark.filterwarnings("ignore")]
PLUGIN = (
    "from baselines.integrations.verifiers_env import MessageHarness, TeamEnv, TeamTaskset, __all__"
)
RIGHT = r"The answer is \boxed{2}."
HINT, WRONG = "Look closely.", "I do not know."


def always_right(*_: object) -> str:
    return RIGHT


def right_with_a_hint(prompt: str, number: int) -> str:
    """A thinker that gives a hint every other time it is asked, and a solver that needs it."""
    if "boxed" in prompt:
        return RIGHT if HINT in prompt else WRONG
    return HINT if number % 2 else WRONG


class ChatServer(BaseHTTPRequestHandler):
    """Answers prompts, and keeps them."""

    prompts: list[list[dict[str, str]]] = []  # noqa: RUF012  one server at a time
    answer = staticmethod(always_right)

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.prompts.append(request["messages"])
        text = "\n".join(message["content"] for message in request["messages"])
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {
                        "role": "assistant",
                        "content": self.answer(text, len(self.prompts)),
                    },
                }
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    ChatServer.prompts.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), ChatServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write tasks, and the module of one line that verifiers imports."""
    (tmp_path / "ccpo_team.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "sums.jsonl"
    rows = [{"question": "1+1", "answer": "2"}, {"question": "2+2", "answer": "4"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


async def play(settings: dict[str, Any], address: str) -> list[vf.Episode]:
    env = vf.load_environment(vf.resolve_env_config(settings))
    client = vf.EvalClientConfig(base_url=address, api_key_var="NO_KEY")
    context = vf.ModelContext(model="any", client=client)
    async with env.serving():
        return [await env.run_slot(env.slots(task)[0], context) for task in env.taskset]


@pytest.mark.parametrize(
    ("settings", "speakers"),
    [
        pytest.param(
            {"topology": "think_solve", "num_thinkers": 2},
            ["thinker_0", "thinker_1", "solver_0"],
            marks=pytest.mark.environment("think_solve-v0"),
        ),
        pytest.param(
            {"topology": "vote", "num_voters": 2},
            ["voter_0", "voter_1"],
            marks=pytest.mark.environment("vote-v0"),
        ),
        pytest.param(
            {"topology": "debate", "num_rounds": 1},
            ["debater_0", "debater_1"],
            marks=pytest.mark.environment("debate-v0"),
        ),
    ],
)
def test_team_is_played_and_paid(
    settings: dict[str, Any], speakers: list[str], address: str, tasks: Path
) -> None:
    taskset = {"id": "ccpo_team", "tasks": str(tasks)}
    episodes = asyncio.run(play({"taskset": taskset, **settings}, address))
    for episode, reward in zip(episodes, (1.0, -1.0), strict=True):
        assert episode.ok
        assert [trace.info["agent"] for trace in episode.traces] == speakers
        assert [trace.agent.name for trace in episode.traces] == [
            speaker.split("_")[0] for speaker in speakers
        ]
        assert [trace.reward for trace in episode.traces] == [reward] * len(speakers)
    last = ChatServer.prompts[len(speakers) - 1]
    assert [message["role"] for message in last] == ["system", "user"]
    if settings["topology"] == "think_solve":
        assert "Message of thinker_1:" in last[1]["content"]
        assert "boxed" not in last[1]["content"]  # the stated answer is hidden from the solver


@pytest.mark.environment("think_solve-v0")
def test_group_is_credited_per_agent(
    address: str, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChatServer, "answer", staticmethod(right_with_a_hint))
    settings = {
        "taskset": {"id": "ccpo_team", "tasks": str(tasks)},
        "group_size": 4,
        "allocator": "leave_one_out",
        "optimizer": "dr_grpo",
        "removed_samples": 1,
    }
    episode, _ = asyncio.run(play(settings, address))
    assert episode.ok
    rows = [trace for trace in episode.traces if trace.agent.trainable]
    others = [trace for trace in episode.traces if not trace.agent.trainable]
    assert sorted((trace.info["rollout"], trace.info["agent"]) for trace in rows) == [
        (rollout, agent) for rollout in range(4) for agent in ("solver_0", "thinker_0")
    ]
    # Alone the solver fails: a hint adds 2 and no hint 0. A thinker alone gives no answer.
    for trace in rows:
        expected = 1.0 if trace.reward > 0 else -1.0
        assert trace.info["advantage"] == trace.metrics["advantage"] == pytest.approx(expected)
    assert sorted(trace.agent.name for trace in others) == ["solver", "thinker"]  # each alone
    assert all("advantage" not in trace.info and not trace.rewards for trace in others)


@pytest.mark.environment("think_solve-v0")
def test_advantages_reach_the_tokens_of_prime_rl(
    address: str, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real traces, with the tokens that a renderer would add, in a stand-in for prime-rl."""
    monkeypatch.setattr(ChatServer, "answer", staticmethod(right_with_a_hint))
    for name, module in modules("prime_rl").items():
        monkeypatch.setitem(sys.modules, name, module)
    from baselines.integrations.prime_rl import ADVANTAGE, CreditAlgorithm
    from baselines.integrations.verifiers_env import ADVANTAGE as RECORDED
    from baselines.integrations.verifiers_env import _completion_of

    settings = {"taskset": {"id": "ccpo_team", "tasks": str(tasks)}, "group_size": 4}
    episodes = asyncio.run(play(settings, address))
    for trace in (trace for episode in episodes for trace in episode.traces):
        *asked, said = trace.nodes
        for number, node in enumerate(asked):
            node.token_ids, node.mask = [number], [False]
        said.token_ids, said.mask, said.logprobs = [7, 8, 9], [False, True, True], [-1.0, -2.0]
        completion = _completion_of(trace)
        assert completion.prompt_ids == (*range(len(asked)), 7)
        assert (completion.token_ids, completion.logprobs) == ((8, 9), (-1.0, -2.0))
    assert ADVANTAGE == RECORDED
    asyncio.run(CreditAlgorithm(None, None).score_group(episodes))
    for trace in (trace for episode in episodes for trace in episode.traces):
        (branch,) = trace.branches
        if trace.agent.trainable:
            own = trace.info["advantage"]
            assert branch.advantages == [*[0.0] * len(trace.nodes), own, own]
        else:
            assert branch.advantages is None


@pytest.mark.environment("think_solve-v0")
def test_role_with_a_model_of_its_own_is_not_trained(address: str, tasks: Path) -> None:
    taskset = {"id": "ccpo_team", "tasks": str(tasks)}
    settings = {"taskset": taskset, "group_size": 2, "solver": {"model": "frozen"}}
    for episode in asyncio.run(play(settings, address)):
        rows = [trace for trace in episode.traces if "advantage" in trace.info]
        assert {(trace.agent.name, trace.agent.trainable) for trace in rows} == {
            ("thinker", True),
            ("solver", False),
        }


@pytest.mark.environment("think_solve-v0")
def test_evaluation_shows_the_credit_of_each_agent(
    address: str, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChatServer, "answer", staticmethod(right_with_a_hint))
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^```bash\n(vf-eval .*?)^```", page, re.DOTALL | re.MULTILINE)
    line = line.replace("http://127.0.0.1:8000/v1", address).replace("arithmetic", tasks.name)
    program, *arguments = shlex.split(line.replace("\\\n", ""))
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=tasks.parent,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tasks.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tasks.parent / "evaluated").glob("*/traces.jsonl")
    episodes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for episode in episodes:
        found = [trace for trace in episode["traces"] if "advantage" in trace["info"]]
        assert {trace["info"]["agent"] for trace in found} == {"thinker_0", "solver_0"}
        assert len(found) == 8
    assert "thinker: advantage" in done.stdout


@pytest.mark.environment("think_solve-v0")
def test_failed_agent_fails_the_episode(tasks: Path) -> None:
    taskset = {"id": "ccpo_team", "tasks": str(tasks)}
    for episode in asyncio.run(play({"taskset": taskset}, "http://127.0.0.1:9/v1")):
        assert not episode.ok
        assert "thinker_0 must send a message" in episode.errors[0].message
