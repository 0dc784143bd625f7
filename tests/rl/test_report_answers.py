"""What the report says of a run: only what its paired tests show, and all that they show."""

from __future__ import annotations

import math
import re
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.evaluation_file import BenchmarkOutcomes, RecordedEvaluation
from baselines.common.stats import Estimate, holm, mcnemar, paired, proportion
from baselines.common.stats.paired import PairedDifference
from baselines.common.stats.significance import mcnemar_p_values
from baselines.evaluate.correctness import Correctness
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.summary import summarize
from baselines.report import outcomes
from baselines.report.curves import held_out_points
from baselines.report.held_out import RunRecord, comparison, comparisons
from baselines.report.narrative import answers, remarks
from baselines.report.outcomes import (
    CountedOutcomes,
    TaskOutcomes,
    change,
    each_adds,
    widest_difference,
)
from baselines.report.run_audit import AgentAudit, RunMean
from baselines.report.wording import listed, points, points_with_p
from ccpo_env.types import Task
from tests.rl.report_runs import CONFIG, evaluation, summary_of

NAN = np.nan
NO_AUDIT: dict[str, AgentAudit] = {}


def end(step, joint, without=None):
    """Return an evaluation with one sample per task from rows of 0 and 1."""
    rows = {"joint": joint, **{f"without {name}": row for name, row in (without or {}).items()}}
    arrays = {path: np.atleast_2d(np.array(row, dtype=float)) for path, row in rows.items()}
    num_tasks = arrays["joint"].shape[1]
    tasks = tuple(f"t/{k}" for k in range(num_tasks))
    return TaskOutcomes(RecordedEvaluation(step, 0, {"b": BenchmarkOutcomes(tasks, arrays)}))


def run_of(*ends, **changes):
    last = ends[-1].step if ends else 30
    summary = summary_of(steps_done=last, initial=None, final=None, warnings=[], **changes)
    return RunRecord(CONFIG, [], summary, ends)


def counted(step, joint, without, total=400):
    return CountedOutcomes(step, evaluation(joint, without, total=total))


def said(run, number, audits=NO_AUDIT):
    return answers(run, audits)[number].sentences


def split(helped, hurt, both, neither=0):
    """Return the team's row and that without an agent, from the counts of a table of pairs."""
    team = [1] * both + [1] * helped + [0] * hurt + [0] * neither
    left = [1] * both + [0] * helped + [1] * hurt + [0] * neither
    return team, left


def test_nine_helped_and_none_hurt_of_400_helps_although_the_intervals_overlap():
    team, left = split(9, 0, both=300, neither=91)
    assert not proportion(309, 400).is_above(proportion(300, 400))
    run = run_of(end(0, team, {"thinker_0": left}))
    (sentence,) = said(run, 1)
    # Two-sided exact McNemar: 2 * 0.5 ** 9 = 0.0039.
    assert sentence.startswith("thinker_0 helps: it adds +2.2 points")
    assert sentence.endswith(", exact p = 0.004.")
    counts = {"num_tasks": 400, "joint": {"successes": 309, "total": 400}, "unmeasured": 0}
    for name, number in (("without", 300), ("help", 9), ("hurt", 0)):
        counts[name] = {"thinker_0": {"successes": number, "total": 400}}
    assert said(run_of(CountedOutcomes(0, counts)), 1) == (sentence,)


def test_learning_is_tested_on_the_same_tasks_before_and_after():
    team, left = split(9, 0, both=300, neither=91)
    run = run_of(end(0, left), end(20, [0] * 400), end(30, team))
    (sentence,) = said(run, 0)
    assert sentence == (
        "Held-out accuracy rose from 75.0 % to 77.2 % in 30 steps: +2.2 points [+1.2, +4.2], "
        "exact p = 0.004."
    )
    assert said(run_of(end(0, team), end(30, left)), 0)[0].startswith(
        "Held-out accuracy fell from 77.2 % to 75.0 % in 30 steps: -2.2 points [-4.2, -1.2]"
    )
    again = run_of(end(0, team), end(30, team))
    assert said(again, 0)[0].startswith(
        "Inconclusive: held-out accuracy is 77.2 % before and after 30 steps, +0.0 points"
    )


def test_a_run_in_which_one_end_was_not_evaluated_states_the_other():
    team = [1, 0] * 10
    assert said(run_of(), 0) == ("There was no evaluation on held-out tasks.",)
    assert said(run_of(), 1) == ("No agent was removed in an evaluation.",)
    assert said(run_of(), 2) == ("No credit was measured.",)
    first = said(run_of(end(0, team)), 0)
    assert first == ("Held-out accuracy before training is 50.0 % [29.9, 70.1].",)
    last = said(run_of(end(7, team)), 0)
    assert last == ("Held-out accuracy after 7 steps is 50.0 % [29.9, 70.1].",)


def test_a_gain_that_is_partly_a_loss_without_the_agent_says_so():
    n = 100
    before = end(0, [1] * 70 + [0] * 30, {"thinker_0": [1] * 60 + [0] * 40})
    after = end(30, [1] * 90 + [0] * 10, {"thinker_0": [1] * 40 + [0] * 60})
    (sentence,) = said(run_of(before, after), 1)
    assert "thinker_0 helps: it adds +50.0 points" in sentence
    assert "accuracy without thinker_0 fell in training by -20.0 points" in sentence
    steady = end(30, [1] * 90 + [0] * 10, {"thinker_0": [1] * 60 + [0] * 40})
    assert "loss" not in said(run_of(before, steady), 1)[0]
    assert n == len(before.values("joint"))


def test_agents_that_were_not_removed_are_named():
    team, left = split(9, 0, both=91)
    known = RunMean(1.0, 1.0, 1.0, 30)
    audit = AgentAudit(known, known, known, RunMean(0.5, None, None, 30), 0.0)
    run = run_of(end(0, team, {"thinker_0": left}))
    assert said(run, 1, {"thinker_0": audit, "solver_0": audit})[-1] == "solver_0 was not removed."


def test_a_large_team_is_grouped_by_what_the_tests_say():
    team, worse = split(20, 0, both=70, neither=10)
    better = [1] * 100
    rows = {f"thinker_{k}": row for k, row in enumerate([worse, better, worse, better, team])}
    assert said(run_of(end(0, team, rows)), 1) == (
        "thinker_0 and thinker_2 help: +20.0 to +20.0 points, p < 0.05 each.",
        "thinker_1 and thinker_3 hurt: -10.0 to -10.0 points, p < 0.05 each.",
        "Inconclusive: thinker_4 (+0.0 to +0.0 points).",
        "p-values: Holm over 5 tests.",
    )


def test_remarks_tell_what_was_trained_on_besides_the_rollouts():
    rows = [
        {"step": step, "cost/tokens_generated": 100, "cost/tokens_probe": 20}
        | {"retrospect/sign_probability": sign}
        for step, sign in ((1, None), (2, 0.5), (3, 1.0))
    ]
    config = {**CONFIG, "train_on": "all", "retrospect": 2}
    summary = summary_of(steps_done=3, initial=None, final=None, warnings=[])
    assert remarks(RunRecord(config, rows, summary, ())) == [
        "The messages of replays were training samples as well (--train-on all).",
        "In 2 of 3 steps, the last update was judged on a probe set (--retrospect): mean sign "
        "probability 0.75; the probe set took 20.0 % of the sampled tokens.",
    ]
    first = RunRecord({**CONFIG, "retrospect": 2}, rows[:1], summary, ())
    assert remarks(first)[0].startswith("No update has been judged on the probe set")
    assert not any("--retrospect" in said for said in remarks(RunRecord(CONFIG, rows, summary, ())))


def test_remarks_tell_what_is_missing():
    team = [1.0, NAN, 0.0, NAN]
    assert remarks(run_of(end(1, team), status="interrupted")) == [
        "2 held-out answers could not be verified and are excluded.",
        "The run was interrupted after 1 step.",
    ]
    going = RunRecord(CONFIG, [{"step": 5}], summary_of(status="unfinished", steps_done=0), ())
    assert remarks(going) == ["The run has not finished: step 5 of 80 is its latest."]
    both = run_of(counted(0, 0.4, {}), counted(30, 0.5, {}))
    assert remarks(both)[0].startswith("Only the counts before and after training are known")


@given(st.integers(0, 30), st.integers(0, 30))
def test_counts_alone_give_the_pairing_that_is_hardest_to_tell_apart(first, second):
    total = 30
    found = widest_difference(first, second, total)
    p_values = []
    for both in range(max(0, first + second - total), min(first, second) + 1):
        lost, won = first - both, second - both
        tail = sum(math.comb(lost + won, k) for k in range(min(lost, won) + 1))
        p_values.append(min(1.0, 2.0 * tail / 2 ** (lost + won)))
    assert found.p_value == pytest.approx(max(p_values))
    assert found.value == pytest.approx((second - first) / total)


def test_counts_alone_are_called_a_bound():
    run = run_of(counted(0, 0.40, {}), counted(30, 0.47, {}))
    # 160 and 188 of 400: at most 28 more lost than won of 348 tasks in one of them only.
    assert re.search(r"from 40.0 % to 47.0 % in 30 steps, .* exact p <= 0\.\d+", said(run, 0)[0])
    sure = run_of(counted(0, 0.40, {}), counted(30, 0.95, {}))
    assert said(sure, 0)[0].startswith("Held-out accuracy rose from 40.0 % to 95.0 % in 30 steps")


def test_comparisons_list_each_quantity_before_and_after():
    team, left = split(30, 5, both=50, neither=15)
    run = run_of(end(0, left, {"thinker_0": left}), end(30, team, {"thinker_0": left}))
    found = {one.label: one for one in comparisons(run)}
    assert list(found) == [
        "whole team",
        "without thinker_0",
        "thinker_0 adds",
        "right only with thinker_0",
        "right only without thinker_0",
    ]
    assert [one.verdict for one in found.values()] == ["rose", None, "helps", None, None]
    adds = found["thinker_0 adds"]
    assert (adds.effect, adds.num_effects) == (adds.after, 1)
    assert (adds.before.value, adds.after.value) == (0.0, 0.25)
    assert adds.change.value == pytest.approx(0.25)
    assert adds.change.test == "sign flip"
    assert found["right only with thinker_0"].after.value == 0.30
    assert found["right only without thinker_0"].change.p_value == 0.0625  # five coins of a kind


def test_agents_are_judged_together_as_an_evaluation_judges_them():
    """One of three thinkers has an exact p of 0.039; in the three tests of evaluate it is 0.117."""
    team = [1] * 39 + [0]
    rows = {"thinker_0": [0] * 8 + [1] * 32, "thinker_1": [1] * 36 + [0] * 3 + [1]}
    rows["thinker_2"] = team
    run = run_of(end(0, team, rows))
    rewards = {JOINT: team, **{TeamPath("without", (name,)): row for name, row in rows.items()}}
    signs = {path: np.array([row], dtype=float).T * 2 - 1 for path, row in rewards.items()}
    tasks = tuple(Task(str(k), "q", "1") for k in range(40))
    (summary,) = summarize({"b": Correctness(tasks, signs, {}, frozenset())})
    found = each_adds(run.latest)
    for name, own in found.items():
        row = summary.find("net_gain", TeamPath("without", (name,)))
        assert (own.p_value, own.value) == (row.adjusted, row.estimate.value)
        assert comparison(run, "adds", name).verdict == row.verdict
    assert mcnemar(1, 8) < 0.05 <= found["thinker_0"].p_value == pytest.approx(3 * 20 / 512)
    assert said(run, 1)[0] == (
        "Inconclusive: thinker_0 adds +17.5 points [+3.5, +32.9], exact p = 0.117."
    )
    assert said(run, 1)[-1] == "p-values: Holm over 3 tests."
    assert " ".join(said(run, 1)).count("Holm") == 1
    alone = run_of(end(0, team, {"thinker_0": rows["thinker_0"]}))
    assert said(alone, 1)[0].startswith("thinker_0 helps: it adds +17.5 points")
    assert said(alone, 1)[0].endswith("exact p = 0.039.")


def test_what_an_agent_adds_is_the_mean_gain_whatever_the_samples():
    rng = np.random.default_rng(0)
    team, left = (rng.integers(2, size=(3, 40)).astype(float) for _ in range(2))
    own = end(0, team, {"x_0": left})
    gains = team.mean(axis=0) - left.mean(axis=0)
    assert own.added("x_0").value == pytest.approx(gains.mean())
    assert list(own.values("adds", "x_0").values()) == pytest.approx(gains)
    helps, hurts = (np.mean(list(own.values(kind, "x_0").values())) for kind in ("help", "hurt"))
    assert helps - hurts == pytest.approx(gains.mean())


def test_differences_leave_out_tasks_that_one_side_did_not_measure():
    found = change(end(0, [1, NAN, 0, 0]), end(5, [1, 1, 1, NAN]), "joint")
    assert (found.num_units, found.value) == (2, 0.5)
    assert change(end(0, [NAN, NAN]), end(5, [1, 1]), "joint") is None
    assert change(None, end(5, [1]), "joint") is None


def test_numbers_never_show_a_negative_zero():
    found = PairedDifference(-0.0001, -0.01, 0.0002, 400, 1.0, "McNemar", 1, 0)
    assert points(found) == "+0.0 points [-1.0, +0.0]"
    assert points_with_p(found, at_most=True) == "+0.0 points [-1.0, +0.0], exact p <= 1.000"
    assert listed(["a", "b", "c"], "or") == "a, b or c"


def test_figures_of_a_long_run_compute_only_the_evaluations_that_they_draw():
    rows = {"x_0": [1, 0, 0, 0], "x_1": [1, 1, 0, 0]}
    run = run_of(*(end(step, [1, 1, 1, 0], rows) for step in range(100)))
    found = held_out_points(run)
    for points_ in found.values():
        assert (len(points_), points_[0].steps, points_[-1].steps) == (21, 0, 99)
    rates = {kind: points_[7].rate for kind, points_ in found.items()}
    assert rates == {"joint": 0.75, "without": 0.375, "help": 0.375, "hurt": 0.0}


# Bar: of 2,000 runs without a difference, at most 6 % get a wrong verdict of each kind; with one,
# a verdict is found wherever the exact test of McNemar finds it.

NUM_RUNS, NUM_TASKS, LIMIT = 2_000, 40, 0.06
SIDES = {
    "rose": "better", "fell": "worse", "helps": "better", "hurts": "worse", "help": "better",
    "hurt": "worse",
}  # fmt: skip


def learned(first, second):
    """Return what is claimed of the team, which solved the first row before, the second after."""
    return said(run_of(end(0, first), end(30, second)), 0)[0]


def helped(first, second):
    """Return what is claimed of an agent, without which the first row is solved."""
    return said(run_of(end(0, second, {"x_0": first})), 1)[0]


def grouped(first, second):
    """Return what is claimed of one of four agents; the others change nothing."""
    rows = {f"x_{k}": first if k == 1 else second for k in range(4)}
    sentences = said(run_of(end(0, second, rows)), 1)
    return next(sentence for sentence in sentences if "x_1" in sentence).replace("Inconclusive", "")


def listed_as(first, second):
    """Return what the table claims of an agent, without which the first row is solved."""
    return comparison(run_of(end(0, second, {"x_0": first})), "adds", "x_0").verdict


def explained(first, second):
    """Return whether a part of what an agent adds is called a loss without it."""
    ends = (end(step, [1] * len(first), {"x_0": row}) for step, row in ((0, first), (30, second)))
    sentence = said(run_of(*ends), 1)[0]
    return "fell" if "fell in training" in sentence else ""


CLAIMS = [learned, helped, grouped, listed_as, explained]
ADJUSTED = [grouped, explained]
"""Claims that need more than the exact test: among several agents, and of one that helps."""


def tables(rng, shares):
    """Draw tables of pairs, only the first and only the second right, and count equal ones."""
    drawn = rng.multinomial(NUM_TASKS, shares, NUM_RUNS)[:, :2]
    unique, counts = np.unique(drawn, axis=0, return_counts=True)
    return unique.tolist(), counts


def side(text):
    """Return the direction of a claim, or None."""
    words = re.findall(r"[a-z]+", text)
    return next((SIDES[word] for word in words if word in SIDES), None)


@pytest.fixture(scope="module")
def _each_table_once():
    """Compute the statistics of each table of pairs once for all claims."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "paired_counts", cache(paired.paired_counts))
        patch.setattr(outcomes, "mean_rate", lambda v: Estimate(v.mean(), 0.0, 1.0, len(v)))
        yield


@pytest.mark.usefixtures("_each_table_once")
@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("differing", [0.1, 0.5])
def test_no_verdict_is_wrong_in_more_than_six_percent_of_runs_without_a_difference(
    claim, differing
):
    rng = np.random.default_rng([11, round(10 * differing)])
    found, counts = tables(rng, (differing / 2, differing / 2, 1.0 - differing))
    wrong = 0
    for (only_first, only_second), count in zip(found, counts, strict=True):
        both = (NUM_TASKS - only_first - only_second) // 2
        rest = NUM_TASKS - only_first - only_second - both
        second, first = split(only_second, only_first, both, rest)
        wrong += count * (side(claim(first, second)) is not None)
    assert wrong / NUM_RUNS <= LIMIT


@pytest.mark.usefixtures("_each_table_once")
@pytest.mark.parametrize("claim", [own for own in CLAIMS if own not in ADJUSTED])
def test_a_verdict_is_found_wherever_the_exact_test_finds_one(claim):
    found, _ = tables(np.random.default_rng(12), (0.05, 0.25, 0.7))
    num_found = 0
    for only_first, only_second in found:
        rest = NUM_TASKS - only_first - only_second
        second, first = split(only_second, only_first, rest // 2, rest - rest // 2)
        total = only_first + only_second
        tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
        is_found = min(1.0, 2.0 * tail / 2**total) < 0.05
        better = "better" if only_second > only_first else "worse"
        assert side(claim(first, second)) == (better if is_found else None)
        num_found += is_found
    assert num_found > 20


@pytest.mark.parametrize("num_agents", [3, 8])
def test_no_agent_is_judged_wrongly_in_more_than_six_percent_of_runs(num_agents):
    """Of 2,000 teams no member of which makes a difference, and which solve 3 of 5 tasks."""
    rng = np.random.default_rng(num_agents)
    right = rng.random((NUM_RUNS, 1 + num_agents, 100)) < 0.6
    team, left = right[:, :1], right[:, 1:]
    lost, won = (left & ~team).sum(axis=2), (team & ~left).sum(axis=2)
    p_values = mcnemar_p_values(lost, won)
    judged = [min(holm(own)) < 0.05 for own in p_values.tolist()]
    assert 0.005 < np.mean(judged) <= LIMIT < (p_values < 0.05).any(axis=1).mean()
    for place in [*np.flatnonzero(judged)[:5], *range(5)]:
        rows = {f"x_{k}": row for k, row in enumerate(left[place])}
        sentences = " ".join(said(run_of(end(0, team[place, 0], rows)), 1))
        assert bool(re.search(r" (helps?|hurts?): ", sentences)) == judged[place]


def test_what_agents_add_changes_in_at_most_six_percent_of_runs_without_a_change(monkeypatch):
    # With an interval that never contains 0, only the test of the differences decides.
    def narrow(differences, rng):  # noqa: ARG001
        return Estimate(*[differences.mean()] * 3, len(differences))

    monkeypatch.setattr(paired, "mean_difference", narrow)
    few = partial(paired.sign_flip_p_value, num_resamples=99)
    monkeypatch.setattr(paired, "sign_flip_p_value", few)
    rng = np.random.default_rng(13)
    wrong = 0
    for _ in range(NUM_RUNS):
        ends = (end(step, rng.random(20) < 0.7, {"x_0": rng.random(20) < 0.4}) for step in (0, 30))
        wrong += change(*ends, "adds", "x_0").verdict != "inconclusive"
    assert 0.01 < wrong / NUM_RUNS <= LIMIT
