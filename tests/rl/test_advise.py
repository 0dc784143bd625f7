"""Advice: rows, recommendation, files and the command."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.advise import advice, commands, recorded, tables, wording
from baselines.advise.advice import Advice, advise
from baselines.advise.candidates import Variant
from baselines.advise.command import advice_of as advice_of_pilot
from baselines.advise.command import main
from baselines.advise.efficiency import Comparison, Efficiency
from baselines.advise.intervals import Joint, simultaneous
from baselines.advise.pilot import Played
from baselines.advise.pilot_data import PilotData
from baselines.advise.settings import AdviseConfig
from baselines.bench.credit.game_pilots import pilot_of
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.vote_game import make_vote
from baselines.common.types import FloatArray
from baselines.rollouts.team_env import TeamSettings
from ccpo_env import think_solve_v0

TEAM: dict[str, Any] = {"topology": "vote", "num_voters": 5, "num_thinkers": 1}


def advice_of(data: PilotData, allocators: tuple[str, ...]) -> Advice:
    return advise(
        data, allocators=allocators, optimizers=["grpo", "reinforce_pp"], group_sizes=[8, 2, 1]
    )


@pytest.fixture(scope="module")
def vote() -> Advice:
    rng = np.random.default_rng(0)
    return advice_of(pilot_of(make_vote(5, rng), 40, 8, 1, rng), ("shapley", "leave_one_out"))


@pytest.fixture(scope="module")
def chain() -> Advice:
    rng = np.random.default_rng(0)
    return advice_of(pilot_of(make_chain(1, rng), 40, 8, 2, rng), ("branch", "leave_one_out"))


def test_shapley_credit_is_recommended_in_a_vote(vote: Advice) -> None:
    assert vote.beats_shared
    assert vote.best.allocator == "shapley"
    said = wording.recommendation(vote)
    assert said.startswith("Train with shapley credit")
    assert f"; simultaneous 95 % intervals of {vote.num_compared} comparisons" in said
    tested = [own for own in (vote.than_reference, vote.than_shared) if own is not None]
    for own in tested:
        assert own.low > 1.0
        assert f"{own.value:.2f} [{own.low:.2f}, {own.high:.2f}]" in said
    assert "M =" not in said  # votes are recounted


def test_recommended_allocator_is_better_than_the_reference_and_the_best_shared(
    vote: Advice,
) -> None:
    assert vote.than_reference is not None
    assert vote.row(vote.best).overall.value == pytest.approx(vote.than_reference.value)
    shared = vote.row(vote.best_shared).overall.value
    assert shared is not None
    if vote.best_shared == vote.reference:
        assert vote.than_shared is None
    else:
        assert vote.than_shared is not None
        assert vote.than_shared.value == pytest.approx(
            vote.than_reference.value / shared,
            rel=0.2,  # projected apart, so not exactly
        )


@pytest.mark.parametrize("place", [0, 1])
def test_either_of_both_bars_keeps_the_shared_reward(
    vote: Advice, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each comparison of a variant is with the reference first, then with the best shared reward.
    bars = [than for row in vote.rows if row.variant != vote.reference for than in row.tested]
    bar = [vote.reference, vote.best_shared][place]

    def wide_for_one(tested: Sequence[Comparison]) -> list[Joint | None]:
        return [
            found and (replace(found, low=0.99) if than == bar else found)
            for found, than in zip(simultaneous(tested), bars, strict=True)
        ]

    assert vote.best_shared != vote.reference
    monkeypatch.setattr(advice, "simultaneous", wide_for_one)
    rng = np.random.default_rng(0)
    found = advice_of(pilot_of(make_vote(5, rng), 40, 8, 1, rng), ("shapley", "leave_one_out"))
    assert not found.beats_shared


def test_pilot_of_few_tasks_recommends_the_reference() -> None:
    rng = np.random.default_rng(0)
    data = pilot_of(make_vote(5, rng), 15, 8, 1, rng)
    found = advice_of(data, ("shapley", "leave_one_out"))
    assert found.best == found.reference
    said = wording.recommendation(found)
    assert said.startswith("Keep the shared reward (grpo, groups of 8): 15 tasks are too few")
    assert "--groups to 16" in said


def test_what_no_pilot_measured_is_not_said_to_be_beaten(vote: Advice) -> None:
    missing = Efficiency(signal=0.0, signal_error=1.0, noise=1.0)
    kept = replace(vote, best=vote.reference, than_reference=None, than_shared=None)
    rows = [replace(row, efficiency=replace(missing, value=1.0)) for row in vote.rows]
    said = wording.recommendation(replace(kept, rows=rows))
    assert said.startswith("Nothing beats the shared reward significantly: keep")
    assert "measurable" not in said
    rows[1] = replace(rows[1], efficiency=replace(missing, tasks_needed=29))
    said = wording.recommendation(replace(kept, rows=rows))
    assert said.startswith("Nothing that this pilot could measure beats the shared reward")
    assert f"1 of {len(rows)} rows is not measurable with this pilot, for which about 29" in said
    rows[2] = replace(rows[2], efficiency=missing)
    said = wording.recommendation(replace(kept, rows=rows))
    assert "about 29 or more tasks would do" in said
    assert "0 to" not in said


def test_low_cosines_are_named_with_the_optimizer_if_they_are_printed(vote: Advice) -> None:
    def said(low: dict[str, str]) -> str:
        rows = [
            replace(row, efficiency=replace(row.efficiency, cosine=0.5))
            if low.get(row.variant.allocator) == row.variant.optimizer
            else row
            for row in vote.rows
        ]
        kept = replace(vote, rows=rows, best=vote.reference)
        return " ".join(wording.low_cosines(kept))

    own = "0.9: shapley with grpo optimizes something else in part; its efficiency"
    assert own in said({"shapley": "grpo"})
    both = "0.9: leave_one_out with grpo and shapley with grpo optimize something else in part"
    either = said({"shapley": "grpo", "leave_one_out": "grpo"})
    assert both in either or "shapley with grpo and leave_one_out with grpo optimize" in either
    assert "their efficiency" in either
    assert said({"shapley": "reinforce_pp"}) == ""  # not printed


def test_nothing_beats_the_shared_reward_in_a_chain(chain: Advice) -> None:
    assert not chain.beats_shared
    assert chain.best.allocator == "shared"
    assert "Nothing" in wording.recommendation(chain)


def test_reference_rows_are_one(vote: Advice) -> None:
    for row in vote.rows:
        if row.variant.allocator == "shared":
            assert row.efficiency.value == pytest.approx(1.0)
            assert row.degenerate
            assert row.cost_share == 0.0
    assert vote.row(vote.reference).overall.value == pytest.approx(1.0)


def test_rows_of_credit_that_costs_tokens(chain: Advice) -> None:
    row = chain.row(Variant("branch", "grpo", 8, 2))
    assert row.tokens_per_task == 8 * 2 + 8 * 2
    assert row.cost_share == 0.5
    assert not row.degenerate
    exact = chain.row(Variant("leave_one_out", "grpo", 8, 2))  # a mean per task is cancelled
    assert exact.degenerate
    assert exact.efficiency.value == pytest.approx(16 / (16 + 2 * 2))


def test_single_weights_have_efficiencies_of_their_own() -> None:
    rng = np.random.default_rng(0)
    data = replace(
        pilot_of(make_chain(1, rng), 40, 4, 2, rng),
        weights_of=(0, 1),
        weights_names=("thinker", "solver"),
    )
    found = advise(data, allocators=["branch"], optimizers=["grpo"], group_sizes=[4, 2])
    own = found.row(Variant("branch", "grpo", 4, 2)).of_weights
    assert set(own) == {"thinker", "solver"}
    assert found.row(Variant("branch", "grpo", 2, 2)).of_weights == {}
    team = found.row(Variant("branch", "grpo", 4, 2)).efficiency.value
    values = [one.value for one in own.values()]
    assert all(value is not None for value in values)
    # Each has unit noise under the shared reward, so the team is about their harmonic mean.
    harmonic = 2.0 / sum(1.0 / value for value in values if value is not None)
    assert team == pytest.approx(harmonic, rel=0.1)


def test_command_to_train_has_equal_tokens_per_step_and_only_flags_that_count(
    vote: Advice,
) -> None:
    config = AdviseConfig(**TEAM, verifier="math", num_debaters=2, num_rounds=2)
    small = replace(vote, best=Variant("shapley", "reinforce_pp", 2, 1))
    words = commands.train_command(config, small).split()
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    assert flags["--allocator"] == "shapley"
    assert flags["--group-size"] == "2"
    assert flags["--tasks-per-step"] == "128"
    assert flags["--num-voters"] == "5"
    assert not {"--removed-samples", "--branch-samples", "--num-thinkers"} & set(flags)


def test_command_to_train_names_the_hyperparameters_of_the_allocator(chain: Advice) -> None:
    best = Variant("branch", "grpo", 8, 2, (("after", "last"),))
    team = {**TEAM, "topology": "think_solve"}
    config = AdviseConfig(**team, verifier="math", num_debaters=2, num_rounds=2)
    line = commands.train_command(config, replace(chain, best=best))
    assert "--allocator branch --allocator-args after last --optimizer grpo" in line
    assert "--branch-samples 2" in line
    assert wording.setup_text(chain.row(best)).startswith("branch after last credit (grpo, groups")


def test_lines_of_a_command_keep_flags_whole_and_read_the_same() -> None:
    import shlex

    line = shlex.join(["ccpo", "train", "--policy", "a b"])
    line += " " + " ".join(f"--number-{place} {place}" for place in range(12))
    lines = commands.in_lines(line).split("\n")
    assert len(lines) > 2
    assert max(map(len, lines)) <= 80
    assert all(own.endswith(" \\") for own in lines[:-1])
    assert all(own.strip().startswith("--") for own in lines[1:])
    assert shlex.split(" ".join(own.removesuffix("\\") for own in lines)) == shlex.split(line)


def test_command_to_repeat_has_enough_groups_for_the_rows_that_are_printed(vote: Advice) -> None:
    config = AdviseConfig(
        **TEAM, verifier="math", num_debaters=2, num_rounds=2, groups=40, optimizers=("grpo",)
    )
    missing = Efficiency(signal=0.0, signal_error=1.0, noise=1.0)

    def needing(count: int | None) -> Advice:
        own = replace(missing, tasks_needed=count)
        shapley = Variant("shapley", "grpo", 8, 1)
        return replace(
            vote,
            rows=[
                replace(row, efficiency=own if row.variant == shapley else replace(own, value=1.0))
                for row in vote.rows
            ],
        )

    line = str(commands.repeat_command(config, needing(70)))
    assert line.startswith("ccpo advise --policy tiny --tasks arithmetic --topology vote")
    assert "--groups 128" in line
    assert "--optimizers grpo" in line
    assert "--num-thinkers" not in line
    assert commands.repeat_command(config, needing(40 * 8 + 1)) is None
    assert commands.repeat_command(config, needing(None)) is None


def test_verdicts_of_high_correlations_claim_no_difference(vote: Advice) -> None:
    row = replace(vote.row(Variant("shapley", "grpo", 8, 1)), degenerate=False)
    assert wording.verdict_text(replace(row, correlation=0.98)) == "practically shared"
    assert wording.verdict_text(replace(row, correlation=0.9749)) == "differs, r 0.97"


def test_best_of_the_shared_rewards_has_the_joint_interval(vote: Advice) -> None:
    _, sizes = tables.grids(vote)
    for size, optimizer, said, _ in sizes.rows:
        variant = Variant("shared", optimizer, int(size))
        if variant in vote.shared:
            assert said == wording.joint_text(vote.shared[variant])
            alone = vote.row(variant).overall
            assert alone.low is not None
            assert vote.shared[variant].low < alone.low
    assert vote.shared
    assert "together" in sizes.note


def test_axis_of_ratios_has_fractions() -> None:
    from baselines.pages.dots import ratio_label

    assert [ratio_label(2.0**n) for n in range(-4, 3)] == ["1/16", "⅛", "¼", "½", "1", "2", "4"]


def test_figure_is_of_the_colours_of_the_theme(vote: Advice) -> None:
    from baselines.advise.page import _figures
    from baselines.pages.svg import COLOURS

    (plot,) = _figures(vote)
    found = {colour.lower() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", plot.svg)}
    assert found <= {colour.lower() for colour in COLOURS}  # no paper or ink of its own
    assert "var(--ink)" in plot.svg


def test_texts_of_numbers() -> None:
    found = Efficiency(value=1.234, low=0.05, high=200.0, signal=1.0, signal_error=1.0, noise=1.0)
    assert wording.efficiency_text(found) == "1.23 [0.050, >99]"
    missing = replace(found, value=None, low=None, high=None, tasks_needed=1234)
    assert wording.efficiency_text(missing) == "needs ~1,300 tasks"
    assert wording.tasks_text(2_000_000) == "a million or more"
    assert wording.cosine_text(replace(found, cosine=0.85)) == "0.85 !"
    assert wording.cosine_text(found) == "-"
    away = replace(found, value=0.0, low=0.0, high=0.0)
    assert wording.efficiency_text(away) == "0: lowers the reward"


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="groups must be >= 8"):
        AdviseConfig(groups=3).check()
    with pytest.raises(ValueError, match="allocator"):
        AdviseConfig(allocators=("shapely",)).check()
    from baselines.rollouts.team_env import team_env

    topology = team_env(TeamSettings(), [("-", "-")]).unwrapped.topology
    with pytest.raises(ValueError, match="groups must be <= "):
        AdviseConfig(groups=100_000).check_memory(topology)


def run(folder: Path, *more: str) -> dict[str, Any]:
    words = ["--group-size", "2", "--samples", "1", "--optimizers", "grpo", "--optimizer", "grpo"]
    assert main(["--groups", "8", *words, *more, "--out-dir", str(folder)]) == 0
    found: dict[str, Any] = json.loads((folder / "advice.json").read_text())
    return found


def test_command_writes_the_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path, "--ratings")
    assert isinstance(found["recommendation"], str)
    keys = {"allocator", "optimizer", "group_size", "efficiency", "low", "high", "degenerate"}
    assert all(keys <= set(row) for row in found["rows"])
    for row in found["rows"]:
        ends = [row[name] for name in ("low", "efficiency", "high")]
        assert all(end is None for end in ends) or ends == sorted(ends)
        assert row["measurable"] == (row["efficiency"] is not None)
        assert row["measurable"] or row["tasks_needed"] > 8
    names = {row["allocator"] for row in found["rows"]}
    assert {"shared", "leave_one_out", "branch", "self_evaluation", "influence"} <= names
    assert "own_answer" not in names  # in a chain, an answer before the last is a leak
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if str(tmp_path) not in line]  # paths stay whole
    assert max(map(len, lines)) <= 80
    assert "ccpo train --policy tiny" in said
    page = (tmp_path / "advice.html").read_text(encoding="utf-8")
    assert "wrote" in said
    assert commands.in_lines(found["command"]) in page
    assert "No row: own_answer (no answers before the last turn in this team)," in " ".join(
        said.split()
    )
    assert all(line in said for line in wording.LEGEND)
    assert found["tested"] == {"against_reference": None, "against_best_shared": None}
    assert "Content-Security-Policy" in page


def test_recorded_rollouts_of_a_run(tmp_path: Path) -> None:
    from baselines.train.command import main as train

    folder = tmp_path / "run"
    sizes = ["--steps", "2", "--tasks-per-step", "6", "--group-size", "4", "--num-eval-tasks", "4"]
    flags = ["--allocator", "branch", "--branch-samples", "2", "--eval-every", "0"]
    assert train([*sizes, *flags, "--out-dir", str(folder)]) == 0
    words = ["--from", str(folder), "--optimizers", "grpo", "--optimizer", "grpo"]
    assert main([*words, "--out-dir", str(tmp_path / "advice")]) == 0
    found = json.loads((tmp_path / "advice" / "advice.json").read_text())
    assert found["num_tasks"] == 12
    assert "recorded in steps 1 to 2" in found["source"]
    assert any(
        "2 policies" in sentence and "off-policy" in sentence for sentence in found["warnings"]
    )
    assert "self_evaluation (recorded rollouts have no ratings)" in found["missing"]
    names = {row["allocator"] for row in found["rows"]}
    assert {"shared", "branch", "c3"} <= names
    assert "leave_one_out" not in names  # no agent was removed
    (branch,) = [
        row
        for row in found["rows"]
        if (row["allocator"], row["group_size"], row["samples"]) == ("branch", 4, 2)
        and not row["allocator_args"]
    ]
    assert 0.3 < branch["cost_share"] < 0.7


def test_run_without_recorded_rollouts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--from", str(tmp_path)])
    assert stopped.value.code == 2
    assert "--from must be the folder of a run with rollouts.jsonl" in capsys.readouterr().err


def test_run_with_another_policy_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--from", str(tmp_path), "--policy", "tiny"])
    assert stopped.value.code == 2
    assert "--policy must be left out with --from" in capsys.readouterr().err


def test_source_of_too_few_tasks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "one.jsonl"
    source.write_text('{"question": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["--tasks", str(source), "--groups", "8"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"--tasks must have >= 8 tasks for a pilot, got 1 task in {source};" in said


def test_run_with_too_few_recorded_groups_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rollouts.jsonl").write_text("", encoding="utf-8")
    config = AdviseConfig(policy="tiny", from_=tmp_path).of_run({})
    with pytest.raises(ValueError, match="recorded groups that can be read, got 0 of 0; record"):
        recorded.recorded_pilot(config, lambda _: None)


def test_policy_without_gradients_gets_the_advantages_alone() -> None:
    rng = np.random.default_rng(0)
    data = replace(pilot_of(make_vote(5, rng), 40, 4, 1, rng), sketches=None)
    played = Played(
        data=data,
        source="new rollouts",
        policy="endpoint:http://localhost",
        tasks="arithmetic",
        num_left_out=1,
        tokens=100,
        play_s=1.0,
        gradient_s=0.0,
        has_gradients=False,
        estimated_tokens=True,
    )
    config = AdviseConfig(**TEAM, optimizers=("grpo",), optimizer="grpo", group_size=4)
    found = advice_of_pilot(config, played)
    row = found.row(Variant("leave_one_out", "grpo", 4, 1))
    rewards = np.array([own.team_rewards for own in data.outcomes])
    without = [
        [(found - found.mean()).ravel() for found in rewards_without(data, agent)]
        for agent in data.outcomes[0].agents
    ]
    shared = ((rewards - rewards.mean(axis=1, keepdims=True)) ** 2).sum() * len(without)
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    difference = sum(((centred - np.array(own)) ** 2).sum() for own in without)
    assert row.efficiency.value == pytest.approx(shared / difference, rel=0.02)  # less |mean|²
    assert found.row(Variant("shapley", "grpo", 4, 1)).efficiency.value is None
    said = " ".join(wording.warnings(found, played))
    assert "endpoint without gradients" in said
    assert "four characters" in said
    assert "1 group was not measured" in said


def rewards_without(data: PilotData, agent: str) -> list[FloatArray]:
    found = [own.without(agent) for own in data.outcomes]
    return [own for own in found if own is not None]


REPLAY = {"without": ["thinker_0"], "rollout": None, "speakers": ["solver_0"], "kept": []}
RECORDED = {
    "step": 1,
    "task_id": "t",
    "rewards": [1.0, -1.0],
    "messages": [["a", "b"], ["c", "d"]],
    "replays": [{**REPLAY, "messages": [["e"]], "rewards": [None]}],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "one"},
        {"messages": [["a", "b"]]},
        {"messages": [["a"], ["c"]]},
        {"messages": [["a", "b", "c"], ["a", "b", "c"]]},
        {"messages": [[1, 2], [3, 4]]},
        *(
            {"replays": [{**RECORDED["replays"][0], **own}]}
            for own in (
                {"without": ["nobody"]},
                {"speakers": ["nobody"]},
                {"rollout": 2},
                {"rollout": "a"},
                {"rewards": ["x"]},
                {"rewards": [7.0]},
                {"messages": [[1]]},
            )
        ),
    ],
)
def test_damaged_rollouts_are_named_with_their_task_and_step(changes):
    topology = think_solve_v0.env([("1+1", "2")]).unwrapped.topology
    recorded.expect_form(RECORDED, topology)
    row = {**RECORDED, **changes}
    with pytest.raises(ValueError, match=r"must hold groups of this team.*task 't'"):
        recorded.expect_form(row, topology)
