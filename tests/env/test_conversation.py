from __future__ import annotations

import pytest

from ccpo_env import debate_v0, think_solve_v0, vote_v0
from ccpo_env.types import Message, Task, Verdict

TASK = Task("t/0", "1 + 1? Put your answer in \\boxed{}.", "2")
MAKERS = (think_solve_v0.raw_env, vote_v0.raw_env, debate_v0.raw_env)
SAID = (r"Thought: \boxed{7}", "x" * 90, r"the answer is \boxed{2}")


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("is_first_removed", [False, True])
def test_conversation_shows_what_the_environment_shows(make, is_first_removed):
    env = make(tasks=[TASK], max_chars=70)
    removed = env.possible_agents[:1] if is_first_removed else []
    env.reset(seed=0, options={"removed": removed})
    conversation = env.conversation(TASK, removed=removed)
    while conversation.verdict is None:
        place = len(conversation.messages)
        assert conversation.speaker == env.agent_selection
        instruction, problem = conversation.prompt_parts(place)
        messages = env.infos[env.agent_selection]["messages"]
        assert [message["content"] for message in messages] == [instruction, problem]
        assert conversation.infos((instruction, problem)) == env.infos
        text = SAID[place % len(SAID)]
        env.step(text)
        conversation = conversation.add_message(text)
        assert conversation.messages == env.messages
    assert (conversation.verdict, conversation.ballot) == (env.verdict, env.ballot)
    assert len(conversation.messages) == len(conversation.opening.turns)


def test_several_episodes_continue_from_one_conversation():
    env = think_solve_v0.raw_env(tasks=[TASK], verifier="exact")
    start = env.conversation(TASK)
    thought = start.add_message("one and one")
    right, wrong = thought.add_message(r"\boxed{2}"), thought.add_message(r"\boxed{3}")
    assert (right.verdict.status, wrong.verdict.status) == ("correct", "wrong")
    assert start.messages == ()
    assert thought.messages == (Message("thinker_0", "one and one"),)
    assert thought.verdict is None
    assert right.messages[0] is wrong.messages[0]


def test_verifier_is_called_for_every_last_message_and_no_other():
    asked = []

    def verify(response: str, gold: str) -> Verdict:
        asked.append((response, gold))
        return Verdict("wrong")

    env = think_solve_v0.raw_env(tasks=[TASK], verifier=verify, num_thinkers=2)
    thoughts = env.conversation(TASK, prefix=["a", "b"])
    assert asked == []
    thoughts.add_message("c")
    thoughts.add_message("c")
    assert asked == [("c", "2")] * 2


def test_replayed_conversation_is_the_one_that_was_saved_without_calling_the_verifier():
    env = think_solve_v0.raw_env(tasks=[TASK], max_chars=70)
    begun = env.conversation(TASK)
    over = begun.add_message(SAID[0]).add_message(SAID[1])
    again = begun.replay(over.messages, over.clipped, Verdict("correct", "2"), None)
    assert again.verdict == Verdict("correct", "2")
    for name in ("messages", "read", "clipped", "leaks"):
        assert getattr(again, name) == getattr(over, name)
    assert over.leaks == {"thinker_0": 1}
    assert over.clipped == {"solver_0": over.clipped["solver_0"]} != {"solver_0": 0}


def test_conversation_refuses_what_reset_refuses():
    env = think_solve_v0.raw_env(tasks=[TASK])
    with pytest.raises(ValueError, match="did you mean 'solver_0'"):
        env.conversation(TASK, removed=["solver_1"])
    with pytest.raises(ValueError, match="prefix must leave at least one of the 2 turns"):
        env.conversation(TASK, prefix=["a", "b"])


def test_reset_that_is_refused_draws_no_task():
    env, other = (think_solve_v0.raw_env() for _ in range(2))
    env.reset(seed=3)
    other.reset(seed=3)
    with pytest.raises(ValueError, match="prefix"):
        env.reset(options={"prefix": ["a", "b"]})
    with pytest.raises(ValueError, match="removed"):
        env.reset(seed=4, options={"removed": ["nobody"]})
    env.reset()
    other.reset()
    assert env.task == other.task
