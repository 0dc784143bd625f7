"""The headline of an evaluation: what it says of the team and of each agent."""

from __future__ import annotations

import pytest

from baselines.evaluate.headline import MAX_TOLD, sentences
from baselines.evaluate.headline_figures import figures
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.summary import Summary, summarize
from tests.rl.test_evaluation_summary import choice_tasks, correctness


def overall(**paths: str) -> Summary:
    return summarize({"b": correctness(**paths)})[-1]


def test_headline_counts_the_tasks_that_need_the_agent_in_words():
    summary = overall(joint="+ " * 9 + "+ " * 30 + "-", alone="- " * 9 + "+ " * 30 + "-")
    team, agent = sentences(summary)
    assert team.startswith("The whole team is right on 39 of 40 tasks: 0.975 [")
    assert agent.startswith("thinker_0 helps: +0.225 [")
    assert "exact McNemar p = 0.004" in agent  # 2 / 2**9
    assert agent.endswith("9 tasks right only with thinker_0, 0 right only without it, of 40.")
    assert "Holm" not in agent


def test_headline_says_what_guessing_would_score():
    tasks = choice_tasks("BBA", [2, 4, 4])
    own = correctness(tasks, joint="+ + -", alone="- - -")
    assert sentences(summarize({"b": own})[-1])[1] == (
        "On these tasks a random guess is right with a probability of 0.333 on average, and always "
        "answering B, their most frequent gold letter, on 2 of 3 (0.667)."
    )


@pytest.mark.parametrize(
    ("joint", "alone", "word"),
    [
        ("+ + -", "- + +", "Whether thinker_0 helps is inconclusive:"),
        ("- " * 8, "+ " * 8, "thinker_0 hurts:"),
        ("+ " * 8, "- " * 8, "thinker_0 helps:"),
    ],
)
def test_headline_has_the_verdict_of_the_paired_test(joint, alone, word):
    assert f"{word} " in sentences(overall(joint=joint, alone=alone))[1]


def test_headline_of_several_samples_gives_rates_of_pairs():
    _, agent = sentences(overall(joint="++ +- ++", alone="-- -- +-"))
    # task by task, right with it times wrong without it: 1, 1/2, 1/2; the reverse never
    assert "66.7 % of the pairs of samples right only with thinker_0" in agent
    assert "0.0 % right only without it, on 3 tasks" in agent
    assert "sign-flip test p = " in agent


def test_headline_names_the_test_of_unequal_numbers_of_samples():
    whole, rest = ["+++++++-", "++++++--"] * 5, ["+???????"] * 10
    told = sentences(overall(joint=" ".join(whole), alone=" ".join(rest)))[1]
    assert told.startswith("Whether thinker_0 helps is inconclusive: -0.188 [")
    assert "(permutation of samples p = " in told


def test_headline_compares_a_message_with_its_control():
    _, control = sentences(overall(joint="+ " * 8, empty="- " * 8))
    assert control.startswith("The message of thinker_0, compared with an empty one, helps: +1.000")
    assert control.endswith(
        "8 tasks right only with its own message, 0 right only with an empty one, of 8."
    )


def test_headline_says_that_nothing_was_measured():
    assert sentences(overall(joint="? ?", alone="+ -")) == [
        "No answer of the whole team could be verified."
    ]


def test_headline_names_a_few_of_many_agents():
    own = correctness(joint="+ -")
    paths = [TeamPath("without", (f"voter_{i}",)) for i in range(MAX_TOLD + 2)]
    rewards = {JOINT: own.rewards[JOINT], **dict.fromkeys(paths, own.rewards[JOINT])}
    (summary,) = summarize({"b": type(own)(own.tasks, rewards, {})})
    told = sentences(summary)
    assert len(told) == 1 + MAX_TOLD + 1
    assert told[-1] == "The table has 2 more."
    assert "adjusted by Holm's method" in told[1]


def test_figures_draw_each_rate_and_each_difference_once():
    accuracy, gains = figures(overall(joint="+ + + -", alone="- + - -", empty="+ - + -"))
    assert [row[0] for row in accuracy.rows] == [
        "whole team",
        "without thinker_0",
        "empty message, of thinker_0",
    ]
    assert [row[1].partition(" ")[0] for row in accuracy.rows] == ["0.750", "0.250", "0.500"]
    assert [row[1].partition(" ")[0] for row in gains.rows] == ["+0.500", "+0.250"]
    assert all("inconclusive" in row[-1] for row in gains.rows)
    assert [plot.title for plot in figures(overall(joint="+ -"))] == ["Accuracy"]
