"""The headline of an evaluation: what it says of the team and of each agent."""

from __future__ import annotations

import pytest

from baselines.evaluate.correctness import correctness_of
from baselines.evaluate.episodes import Episode
from baselines.evaluate.headline import MAX_TOLD, sentences
from baselines.evaluate.headline_figures import figures
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.summary import Summary, summarize
from baselines.evaluate.tables import grids
from ccpo_env.types import Verdict
from ccpo_env.verifiers.registry import VERIFIERS
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


def of_voters(*rewards: str) -> Summary:
    """Return the summary of a vote of which voters are removed, with rewards like those of one."""
    own = correctness(joint="+ " * 20)
    paths = [TeamPath("without", (f"voter_{i}",)) for i in range(len(rewards))]
    alone = [correctness(joint=text).rewards[JOINT] for text in rewards]
    everything = {JOINT: own.rewards[JOINT], **dict(zip(paths, alone, strict=True))}
    (summary,) = summarize({"b": type(own)(own.tasks, everything, {})})
    return summary


@pytest.mark.parametrize(
    ("alone", "told"),
    [
        (
            ["+ " * 20, "+ " * 20, "+ " * 19 + "-"],
            "Whether any of voter_0, voter_1, voter_2 helps is inconclusive: from +0.000 to +0.050 "
            "(exact McNemar, smallest p = 1.000, adjusted by Holm's method); the table has each.",
        ),
        (
            ["- " * 20, "- " * 20],
            "Each of voter_0, voter_1 helps: +1.000 (exact McNemar, largest p < 0.001, adjusted by "
            "Holm's method); the table has each.",
        ),
    ],
)
def test_headline_says_once_what_holds_for_every_agent(alone, told):
    assert sentences(of_voters(*alone))[1:] == [told]


@pytest.mark.parametrize(("status", "count"), [("no_answer", "20 of 20"), ("wrong", "0 of 20")])
def test_headline_below_a_guess_counts_answers_without_an_option(status, count):
    tasks = choice_tasks("AB" * 10, [2] * 20)
    played = [Episode("b", own, 0, JOINT, (), Verdict(status)) for own in tasks]
    own = correctness_of(played, verify=VERIFIERS["choice"])
    (summary,) = summarize({"b": own})
    told = f"The accuracy is below that of a random guess; {count} answers held no readable option."
    assert told in sentences(summary)
    (row,) = [row for row in summary.to_json()["rows"] if row["quantity"] == "no_answer"]
    assert f"{row['successes']} of {row['total']}" == count
    (cells,) = [cells for cells in grids([summary])[0].rows if cells[0].startswith("no readable")]
    assert cells[3] == count


def test_headline_at_the_level_of_a_guess_counts_no_answers():
    # 1 of 4 is less than the guess of .5, but not surely so.
    own = correctness(choice_tasks("ABAB", [2] * 4), joint="+ - - -")
    assert not any("below" in told for told in sentences(summarize({"b": own})[-1]))


def test_headline_names_a_few_of_many_agents():
    told = sentences(of_voters("- " * 20, *["+ " * 20] * (MAX_TOLD + 1)))
    assert len(told) == 1 + MAX_TOLD + 1
    assert told[-1] == "The table has 2 more."
    assert "adjusted by Holm's method" in told[1]


def test_figure_of_accuracies_has_a_line_at_the_random_guess():
    own = correctness(choice_tasks("AB", [2, 4]), joint="+ -")
    (guessed,) = figures(summarize({"b": own})[-1])
    assert "The dashed line at 0.375 is what a random guess scores." in guessed.caption
    assert "stroke-dasharray" in guessed.svg
    (free,) = figures(overall(joint="+ -"))
    assert "stroke-dasharray" not in free.svg


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
