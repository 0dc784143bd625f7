"""The data of the credit explorer: what is in the files is on the page."""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselines.common.files import CONFIG_FILE
from baselines.common.rollout_file import ROLLOUTS_FILE, read_rollouts
from baselines.explore import write_explorer
from baselines.explore.command import main
from baselines.explore.disagreement import disagreement
from baselines.explore.packing import pack, thinned
from baselines.explore.run_data import read_run
from tests.rl.explore_runs import TEAM, group_of, make_run
from tests.rl.teams import quietly

COLUMNS = {"thinker_0": [0], "solver_0": [1]}


def unpacked(text):
    return json.loads(zlib.decompress(base64.b64decode(text)))


def data_of(page):
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def groups_in(data):
    """Return the groups on a page as they were recorded, without their numbers' names."""
    chunks = [unpacked(chunk) for chunk in data["chunks"]]
    texts = [text for chunk in chunks for text in chunk["strings"]]
    index = unpacked(data["index"])

    def named(number):
        return None if number < 0 else texts[number]

    found = []
    for step, chunk in zip(data["steps"], chunks, strict=True):
        for group in chunk["groups"]:
            task_id, _, gold = index["tasks"][group["task"]]
            row = {
                **{"step": step, "task_id": task_id, "gold": gold, "turns": data["turns"]},
                "question": named(group["question"]),
                "messages": [list(map(named, row)) for row in group["messages"]],
                "answers": list(map(named, group["answers"])),
                **{name: group[name] for name in ("rewards", "credit", "advantage")},
                "shared_advantage": group["shared"],
                "replays": [
                    {
                        **own,
                        "without": [data["agents"][agent] for agent in own["without"]],
                        "rollout": None if own["rollout"] < 0 else own["rollout"],
                        "speakers": [data["agents"][agent] for agent in own["speakers"]],
                        "messages": [list(map(named, row)) for row in own["messages"]],
                        "answers": list(map(named, own["answers"])),
                    }
                    for own in group["replays"]
                ],
            }
            if "votes" in group:
                row["votes"] = [list(map(named, row)) for row in group["votes"]]
                row["recounts"] = dict(zip(data["agents"], group["recounts"], strict=True))
            found.append(row)
    return found


def vote_of(step):
    group = group_of(step, 0, num_rollouts=2)
    group["turns"] = ["voter_0", "voter_1"]
    group["replays"] = []
    group["votes"] = [["1", None], ["2", "2"]]
    group["recounts"] = {"voter_0": [-1, 1], "voter_1": [1, -1]}
    return group


def write_run(folder, groups):
    folder.mkdir(exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps({"allocator": "shared", "steps": 9}))
    lines = "".join(json.dumps(group) + "\n" for group in groups)
    (folder / ROLLOUTS_FILE).write_text(lines, encoding="utf-8")
    return folder


def test_explorer_holds_every_recorded_group(tmp_path):
    run = make_run(tmp_path / "run")
    data = data_of(write_explorer(run))
    assert groups_in(data) == read_rollouts(run / ROLLOUTS_FILE)
    assert data["steps"] == data["audit"]["steps"] == [1, 2, 3, 4]
    assert data["audit"]["agents"]["solver_0"]["correlation_vs_shared"] == [
        0.5,
        0.75,
        0.8333,
        0.875,
    ]
    index = unpacked(data["index"])
    assert index["total"] == [8] * 24
    assert index["step"] == [step for step in range(4) for _ in range(6)]


def test_explorer_of_a_vote_has_votes_and_recounts(tmp_path):
    run = write_run(tmp_path / "run", [vote_of(1), vote_of(2)])
    assert groups_in(data_of(write_explorer(run))) == read_rollouts(run / ROLLOUTS_FILE)


@given(
    texts=st.lists(st.text(max_size=30), min_size=4, max_size=4),
    answer=st.none() | st.text(max_size=5),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
def test_explorer_keeps_any_text_of_a_model(tmp_path, texts, answer):
    group = group_of(1, 0, num_rollouts=2)
    group["messages"], group["answers"] = [texts[:2], texts[2:]], [answer, "</script>"]
    page = write_explorer(write_run(tmp_path / "run", [group]))
    assert groups_in(data_of(page)) == [group]
    assert page.read_text(encoding="utf-8").count("</script>") == 7


def test_a_text_that_is_repeated_is_stored_once(tmp_path):
    groups = [group_of(step, 0) for step in (1, 2, 3)]
    for group in groups:
        group["messages"] = [["the same thought", "9"]] * 8
        group["question"] = "the same question"
    data = data_of(write_explorer(write_run(tmp_path / "run", groups)))
    texts = [text for chunk in data["chunks"] for text in unpacked(chunk)["strings"]]
    assert len(texts) == len(set(texts))
    assert texts.count("the same thought") == 1


def test_explorer_of_a_run_that_goes_on_reads_whole_lines_and_is_refreshed(tmp_path):
    run = make_run(tmp_path / "run", num_steps=2)
    whole = (run / ROLLOUTS_FILE).read_text()
    first = whole.index('{"step": 2')
    (run / ROLLOUTS_FILE).write_text(whole[: first + 40])
    page = write_explorer(run)
    assert data_of(page)["steps"] == [1]
    assert "This run has not finished: 2 of 2 steps" in page.read_text()
    (run / ROLLOUTS_FILE).write_text(whole)
    (run / "summary.json").write_text(json.dumps({"status": "finished"}))
    assert write_explorer(run) == page
    assert data_of(page)["steps"] == [1, 2]
    assert "has not finished" not in page.read_text()
    assert "is incomplete and left out" not in page.read_text()
    with (run / ROLLOUTS_FILE).open("a") as file:
        file.write('{"step": 3')
    note = (
        "The last line of rollouts.jsonl is incomplete and left out, although the run has finished"
    )
    assert note in write_explorer(run).read_text()


def test_explore_without_a_run_says_what_to_pass_in_one_sentence(capsys):
    code, _ = quietly(main)
    message = (
        "error: run must be given, got nothing; pass folder of a training run, which may still"
    )
    printed = capsys.readouterr().err
    assert (code, printed.startswith(message), printed.count("\n")) == (2, True, 1)


def test_disagreement_by_hand():
    group = group_of(1, 0, num_rollouts=2)
    group["shared_advantage"] = [[1, 1], [-1, -1]]
    group["advantage"] = [[2, -1], [-2, -1]]
    found = disagreement([group], COLUMNS)
    np.testing.assert_allclose(found.slopes, [2, 0])
    np.testing.assert_allclose(found.distances, [[0, 1]])  # the solver's is -1 whatever the reward
    assert found.num_opposed.tolist() == [[0, 1]]


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_advantages_near_zero_are_not_against_the_reward(scale):
    group = group_of(1, 0, num_rollouts=4)
    group["shared_advantage"] = [[1, 1], [-1, -1], [1, 1], [-1, -1]]
    own = np.array([[1, 1], [-1, -1], [-0.03, -0.2], [0.03, 0.2]])
    group["advantage"] = (scale * own).tolist()
    found = disagreement([group], COLUMNS)
    assert found.num_opposed.tolist() == [[0, 2]]
    size = np.sqrt((own**2).mean(axis=0))
    np.testing.assert_allclose(found.least, [0.05 * scale * size, [0.05, 0.05]])


def test_disagreement_is_zero_where_credit_rescales_the_reward():
    groups = [group_of(1, task) for task in range(5)]
    for group in groups:
        group["advantage"] = (3 * np.array(group["shared_advantage"])).tolist()
    found = disagreement(groups, COLUMNS)
    np.testing.assert_allclose(found.distances, 0, atol=1e-12)
    assert not found.num_opposed.any()


def test_a_large_run_fits_into_the_size_and_the_page_says_what_it_leaves_out(tmp_path):
    run = make_run(tmp_path / "run", num_chars=3000)
    page = write_explorer(run, max_bytes=200_000)
    assert page.stat().st_size < 200_000
    text = page.read_text(encoding="utf-8")
    most = int(re.search(r"texts of more than ([\d,]+) characters", text)[1].replace(",", ""))
    shown = groups_in(data_of(page))
    assert len(shown) == 24
    message = shown[0]["messages"][0][0]
    assert f"[{3000 - most:,} characters left out]" in message


def test_a_run_too_large_for_its_texts_shows_fewer_groups(tmp_path):
    run = read_run(make_run(tmp_path / "run", num_steps=9))
    packed = pack(run.steps, run.speakers, max_bytes=12_000)
    assert packed.num_bytes <= 12_000
    assert packed.steps[0] == 1
    assert packed.steps[-1] == 9
    assert packed.num_groups < 9 * 6


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.integers(1, 300))
def test_thinned_keeps_the_ends_and_no_more_rollouts_than_it_may(sizes, most):
    group = group_of(1, 0, num_chars=1)
    steps = {step: [group] * size for step, size in enumerate(sizes, start=1)}
    kept = thinned(steps, most)
    assert {1, len(sizes)} <= set(kept)
    assert all(groups for groups in kept.values())
    num_rollouts = 8 * sum(map(len, kept.values()))
    assert num_rollouts <= most or num_rollouts == 8 * len(kept)
    if 8 * sum(sizes) <= most // len(sizes):
        assert kept == steps


def test_explore_writes_the_same_page_again_and_elsewhere(tmp_path):
    run = make_run(tmp_path / "run")
    code, printed = quietly(main, run)
    assert (code, printed) == (0, f"explorer {run / 'explore.html'}\n")
    other = write_explorer(run, path=tmp_path / "other.html")
    assert other.read_bytes() == (run / "explore.html").read_bytes()
    assert other.stat().st_size < 150_000


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "RUN must be the folder of a training run"),
        ({CONFIG_FILE: "{}"}, "run must have recorded rollouts"),
        ({CONFIG_FILE: "{}", ROLLOUTS_FILE: '{"step": 1'}, "run must have recorded rollouts"),
        ({CONFIG_FILE: "{}", ROLLOUTS_FILE: '{"x": 1}\n'}, "must be that of a run of this version"),
        ({CONFIG_FILE: "{}", ROLLOUTS_FILE: "x\n"}, "each line must be a JSON object"),
    ],
)
def test_explore_refuses_what_it_cannot_show_in_one_line(tmp_path, capsys, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    code, _ = quietly(main, tmp_path)
    printed = capsys.readouterr().err
    assert code == 2
    assert message in printed
    assert printed.count("\n") == 1


def test_team_of_the_synthetic_run_is_that_of_its_rollouts(tmp_path):
    run = read_run(make_run(tmp_path / "run"))
    assert run.agents == run.turns == TEAM
