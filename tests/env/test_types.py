"""Values are checked when they are made: tasks, verdicts, templates, turns and topologies."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from ccpo_env import Message, PromptTemplate, SignalTask, Task, Verdict
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.tasks import resolve_tasks
from ccpo_env.tasks.benchmarks import BENCHMARKS, MATH_500
from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote
from ccpo_env.types import Topology, Turn
from ccpo_env.voting import Ballot

TASK: dict[str, Any] = {"id": "a", "question": "1+1", "answer": "2", "source": "s", "tags": ()}
PROMPTS = PromptTemplate({"solver": "You solve."}, "Hand over.", "Answer.")
SOLVER = Turn("solver_0", "solver", ())


@pytest.mark.parametrize("name", ["id", "question", "answer", "source", "tests"])
@pytest.mark.parametrize("value", [2, None, b"2", ["2"]])
def test_a_task_is_made_of_texts(name: str, value: object) -> None:
    message = f"{name} of a Task must be text, got {value!r}; pass a str"
    with pytest.raises(TypeError, match=re.escape(message)):
        Task(**{**TASK, name: value})


@pytest.mark.parametrize("tags", [{"level": "5"}, [("level", "5")], ("level", "5"), None, "level"])
def test_tags_are_a_tuple_of_tuples(tags: object) -> None:
    with pytest.raises(TypeError, match="tags of a Task must be a tuple of pairs of texts, got"):
        Task(**{**TASK, "tags": tags})


@pytest.mark.parametrize("tag", [("level",), ("level", 5), (5, "level"), ("a", "b", "c"), (), "ab"])
def test_a_tag_is_a_pair_of_texts(tag: object) -> None:
    with pytest.raises(TypeError, match="tags of a Task must be a tuple of pairs of texts, got"):
        Task(**{**TASK, "tags": (("subject", "algebra"), tag)})


@pytest.mark.parametrize("name", ["choices", "context", "answers"])
@pytest.mark.parametrize("value", ["A", ["A"], (1,), None])
def test_options_passages_and_further_answers_are_tuples_of_texts(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"{name} of a Task must be a tuple of str, got"):
        Task(**{**TASK, name: value})


def test_tasks_with_the_same_options_are_the_same() -> None:
    both = [Task(**{**TASK, "choices": ("x", "y"), "answers": ("two",)}) for _ in range(2)]
    assert len({*both, Task(**TASK)}) == 2


def test_a_task_of_texts_is_kept_as_it_is() -> None:
    task = Task(**{**TASK, "answer": "", "tags": (("level", "5"), ("subject", "algebra"))})
    assert (task.answer, dict(task.tags)) == ("", {"level": "5", "subject": "algebra"})


class CountedId(str):
    """An id that counts how often ids are compared."""

    __slots__ = ()
    num_compared = 0

    def __eq__(self, other: object) -> bool:
        CountedId.num_compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_duplicate_ids_are_found_with_few_comparisons() -> None:
    tasks = [Task(CountedId(number), "q", "a") for number in range(400)]
    tasks += [Task(CountedId(number), "q", "a") for number in range(399, 0, -1)]
    CountedId.num_compared = 0
    with pytest.raises(ValueError, match="task ids must be unique, got '399' twice; rename one"):
        resolve_tasks(tasks)
    assert CountedId.num_compared < 800


@pytest.mark.parametrize("status", ["Correct", "", "right", None, True, "no answer"])
def test_a_verdict_has_one_of_five_statuses(status: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"unknown status {status!r} of a Verdict;")):
        Verdict(status)


@pytest.mark.parametrize(
    ("status", "reward"),
    [("correct", 1.0), ("wrong", -1.0), ("no_answer", -1.0), ("timeout", None), ("error", None)],
)
def test_the_reward_of_each_status(status: Any, reward: float | None) -> None:
    assert Verdict(status).reward == reward


@pytest.mark.parametrize("answer", [7, 7.0, b"7", True])
def test_the_answer_of_a_verdict_is_text(answer: Any) -> None:
    with pytest.raises(TypeError, match=f"answer of a Verdict must be text, got {answer!r}"):
        Verdict("wrong", answer)


def test_the_detail_of_a_verdict_is_text() -> None:
    with pytest.raises(TypeError, match="detail of a Verdict must be text, got None"):
        Verdict("error", detail=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": None}, TypeError, "name of a Topology must be text, got None"),
        ({"turns": ()}, ValueError, "turns of topology 'team' must hold at least one turn, got"),
        ({"turns": [SOLVER]}, TypeError, "turns of a Topology must be a tuple of Turn, got [Turn("),
        ({"turns": ("solver_0",)}, TypeError, "turns of a Topology must be a tuple of Turn"),
        (
            {"turns": (Turn("solver_0", "solver", ("solver_0", "solver_1")),)},
            ValueError,
            "unknown agent 'solver_1' of what 'solver_0' reads in topology 'team'; available: "
            "solver_0; did you mean 'solver_0'?",
        ),
        (
            {"turns": (SOLVER, Turn("solver_0", "critic", ()))},
            ValueError,
            "roles must instruct every role of the team, got ['solver']; add an entry for 'critic'",
        ),
        ({"prompts": {"solver": "You solve."}}, TypeError, "prompts of topology 'team' must be a"),
        ({"prompts": None}, TypeError, "prompts of topology 'team' must be a PromptTemplate, got"),
        ({"decision": "Majority"}, ValueError, "unknown decision 'Majority' of topology 'team'"),
        ({"decision": None}, ValueError, "unknown decision None of topology 'team'; available: l"),
        ({"has_secret_answer": "no"}, TypeError, "has_secret_answer must be True or False, got"),
    ],
)
def test_a_topology_that_cannot_be_played_is_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments: dict[str, Any] = {"name": "team", "turns": (SOLVER,), "prompts": PROMPTS}
    Topology(**arguments)
    with pytest.raises(error, match=re.escape(message)):
        Topology(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (("solver_0", "solver", "thinker_0"), "reads of a Turn must be a tuple of str, got 'th"),
        (("solver_0", "solver", ["thinker_0"]), "reads of a Turn must be a tuple of str, got ["),
        (("solver_0", "solver", (0,)), "reads of a Turn must be a tuple of str, got (0,); pass"),
        (("solver_0", "solver", None), "reads of a Turn must be a tuple of str, got None"),
        ((0, "solver", ()), "speaker of a Turn must be text, got 0"),
        (("solver_0", None, ()), "role of a Turn must be text, got None"),
    ],
)
def test_a_turn_is_made_of_names(turn: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        Turn(*turn)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"roles": [("solver", "You solve.")]}, "roles of a PromptTemplate must map roles to"),
        ({"roles": {"solver": None}}, "description of the role 'solver' must be text, got None"),
        ({"roles": {0: "You solve."}}, "a role of a PromptTemplate must be text, got 0"),
        ({"hand_over": None}, "hand_over of a PromptTemplate must be text, got None"),
        ({"give_answer": 1}, "give_answer of a PromptTemplate must be text, got 1"),
    ],
)
def test_a_template_is_made_of_texts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        replace(PROMPTS, **changes)


VALUES: list[Any] = [
    *(Task(**TASK), Message("solver_0", "text"), Verdict("correct"), PROMPTS, SOLVER, debate()),
    *(Ballot((0,), ("2",), 0), SignalTask(1, 2, "easy"), BENCHMARKS["math"], MATH_500),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_do_not_change(value: Any) -> None:
    first = fields(value)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(value, first, None)
    assert not hasattr(value, "__dict__")


def test_an_agent_may_read_those_that_have_not_spoken_yet() -> None:
    turns = (replace(SOLVER, reads=("solver_0", "solver_1")), Turn("solver_1", "solver", ()))
    assert Topology("team", turns, PROMPTS).agents == ("solver_0", "solver_1")


@pytest.mark.parametrize("topology", ["debate", debate])
def test_an_environment_needs_a_topology(topology: Any) -> None:
    with pytest.raises(TypeError, match=r"topology must be a Topology, got .*; pass e.g. debate"):
        TeamAnswerEnv(topology)


def test_the_prompts_of_an_environment_are_checked_as_those_of_a_topology() -> None:
    with pytest.raises(TypeError, match="prompts of topology 'debate' must be a PromptTemplate"):
        TeamAnswerEnv(debate(), prompts={})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="add an entry for 'debater'"):
        TeamAnswerEnv(debate(), prompts=PROMPTS)


OTHERS = {
    "name": replace(debate(), name="discussion"),
    "turns": debate(2, 3),
    "reads": replace(debate(), turns=tuple(replace(turn, reads=()) for turn in debate().turns)),
    "decision": replace(debate(), decision="majority"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_snapshot_of_another_topology_with_the_same_agents_is_refused(what: str) -> None:
    env, other = (TeamAnswerEnv(t, tasks=[("q", "a")]) for t in (debate(), OTHERS[what]))
    env.reset(seed=0)
    other.reset(seed=0)
    other.step("a thought")
    before = env.snapshot()
    assert before.agents == other.snapshot().agents == ("debater_0", "debater_1")
    with pytest.raises(ValueError, match=r"a snapshot must be of debate with .*; restore it in"):
        env.restore(other.snapshot())
    assert env.snapshot() == before


@pytest.mark.parametrize("topology", [think_solve(3), debate(3, 2), vote(2)])
def test_agents_and_roles_are_those_of_the_turns(topology: Topology) -> None:
    assert set(topology.agents) == {turn.speaker for turn in topology.turns}
    assert set(topology.roles) == {turn.role for turn in topology.turns}
