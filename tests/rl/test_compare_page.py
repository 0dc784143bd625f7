"""The page, the numbers and the table of a comparison, and the command that writes them."""

from __future__ import annotations

import json

import pytest

from baselines.compare import command as script
from baselines.compare.comparison import compare
from baselines.compare.figures import averaged, figures
from baselines.compare.page import write_comparison
from baselines.compare.tables import DASH, amount, comparison_grid, cost_grid, credit_grid
from baselines.evaluate.tables import Grid
from tests.rl.compare_cases import curve_method, method, run_of, write_evaluation, write_run
from tests.rl.report_runs import Page
from tests.rl.teams import quietly

ATTACK = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>'
LOW, HIGH = "0" * 9 + "1" * 11, "1" * 20


def text_of(page: Page) -> str:
    return " ".join(" ".join(texts) for texts in page.texts.values())


def test_command_compares_two_runs_on_one_page(tmp_path):
    first = write_run(tmp_path / "a", {0: LOW, 500: LOW}, text="first said")
    second = write_run(
        tmp_path / "b", {0: LOW, 500: HIGH, 900: HIGH}, allocator="branch", text="second said"
    )
    out = tmp_path / "out"
    code, printed = quietly(script.main, first, second, "--out-dir", out)
    assert code == 0
    assert max(map(len, printed.splitlines()[:-2])) <= 80  # but for the paths of the two files
    assert printed.splitlines()[-2:] == [
        f"wrote {out / 'compare.html'}",
        f"wrote {out / 'compare.json'}",
    ]
    again = quietly(script.main, first, second, "--out-dir", out)[1].splitlines()[-2:]
    assert again == [f"replaced {out / name}" for name in ("compare.html", "compare.json")]
    sentence = "branch is better than shared: +0.450 ["
    assert sentence in " ".join(printed.split())
    written = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert (written["reference"], written["path"]) == ("shared", "joint")
    equal, end = written["comparisons"]
    assert (equal["when"], equal["verdict"], equal["only_method"]) == ("equal tokens", "better", 9)
    assert equal["p_value_holm"] == equal["p_value"] == pytest.approx(2 / 2**9)
    assert (end["when"], end["verdict"], end["p_value"]) == ("end", None, None)
    assert written["settings_that_differ"] == {
        **{"allocator": {"shared": "shared", "branch": "branch"}},
        "steps": {"shared": 1, "branch": 2},
    }
    points = written["methods"][1]["runs"][0]["points"]
    assert [point["tokens"] for point in points] == [0, 500, 900]
    page = Page((out / "compare.html").read_text(encoding="utf-8"))
    text = text_of(page)
    assert sentence in text
    assert "this compares two runs, not two methods" in text
    assert "branch right, shared wrong: 9 tasks, 5 of them here" in text
    assert page.texts["pre"][:2] == ["first said", "second said"]
    assert not [v for v in page.values("src") + page.values("href") if not v.startswith("#")]


def test_page_keeps_what_a_model_wrote_as_text(tmp_path):
    folders = [
        write_evaluation(
            tmp_path / name, {"joint": outcomes}, text=f"{ATTACK} {'long' * 5000}", question=ATTACK
        )
        for name, outcomes in (("a", LOW), ("b", HIGH))
    ]
    assert quietly(script.main, *folders, "--out-dir", tmp_path / "out")[0] == 0
    page = Page((tmp_path / "out" / "compare.html").read_text(encoding="utf-8"))
    assert "img" not in page.tags
    assert page.tags.count("script") == 1  # the one that sorts
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert any(text.startswith(ATTACK) for text in page.texts["pre"])
    assert all(len(text) < 5000 for text in page.texts["pre"])


def test_evaluations_are_compared_without_training(tmp_path):
    paths = {"joint": LOW, "without thinker_0": "0" * 20}
    folders = [
        write_evaluation(tmp_path / "a", paths),
        write_evaluation(tmp_path / "b", {**paths, "joint": HIGH}),
    ]
    code, printed = quietly(script.main, *folders, "--out-dir", tmp_path / "out")
    assert (code, "Cost of training" in printed) == (0, False)
    assert "What each agent adds" in printed
    assert "mean credit" not in printed
    page = Page((tmp_path / "out" / "compare.html").read_text(encoding="utf-8"))
    assert "Accuracy over tokens" not in page.texts["h3"]
    assert {"Accuracy", "Differences"} <= set(page.texts["h3"])


def test_mixture_shows_the_evaluation_beside_the_curves(tmp_path):
    folders = [
        write_run(tmp_path / "a", {0: LOW, 500: HIGH}),
        write_evaluation(tmp_path / "base", {"joint": LOW}),
    ]
    code, _ = quietly(script.main, *folders, "--out-dir", tmp_path / "out")
    assert code == 0
    page = Page((tmp_path / "out" / "compare.html").read_text(encoding="utf-8"))
    assert "Horizontal: evaluations of their own, without training." in text_of(page)
    assert "base is worse than a on b: " in text_of(page)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a",), "folders must be at least 2"),
        (("a", "other"), "must share held-out tasks, got 't/0' of b in a and 't/0' of c in other"),
        (("a", "reworded"), "a task must have one question, got two for 't/0'"),
        (("a", "start"), "runs must have been evaluated since training began"),
        (("a", "missing"), "missing, which does not exist; pass the --out-dir of ccpo train or"),
        (("a", "empty"), "must hold a training run or a finished evaluation, got neither"),
    ],
)
def test_command_refuses_in_one_sentence(tmp_path, capsys, names, message):
    write_run(tmp_path / "a", {0: LOW, 500: LOW})
    (tmp_path / "empty").mkdir()
    write_run(tmp_path / "start", {0: LOW}, is_finished=False, steps=9)
    write_run(tmp_path / "reworded", {0: LOW, 500: LOW}, question="r", learning_rate=1)
    other = write_run(tmp_path / "other", {0: LOW, 500: LOW}, learning_rate=1)
    for name in ("evaluations.jsonl", "transcripts.jsonl"):
        text = (other / name).read_text(encoding="utf-8")
        (other / name).write_text(text.replace('"b"', '"c"'), encoding="utf-8")
    folders = [tmp_path / name for name in names]
    code, printed = quietly(script.main, *folders, "--out-dir", tmp_path / "out")
    assert (code, printed) == (2, "")
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_methods_of_an_experiment_are_written_without_folders(tmp_path):
    finals = [0.5, 0.6, 0.7, 0.8, 0.9]
    methods = [curve_method("shared", finals), curve_method("branch", [f + 0.05 for f in finals])]
    extra = Grid("Mean accuracy over training", ("method", "area"), (("branch", "0.812"),))
    found = compare(methods)
    page = write_comparison(tmp_path, methods, found, tables=[extra])
    text = text_of(Page(page.read_text(encoding="utf-8")))
    assert "Mean accuracy over training" in text
    assert "0.812" in text
    assert "Examples" not in text  # an experiment keeps no transcripts
    written = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))
    assert [len(own["runs"]) for own in written["methods"]] == [5, 5]
    assert [point["tokens"] for point in written["methods"][0]["curve"]] == [0, 1000]


def test_means_over_seeds_are_drawn_only_where_all_were_evaluated():
    same = curve_method("a", [0.5, 0.7, 0.9], tokens=(0, 480, 1000))
    assert [tokens for tokens, _ in averaged(same)] == [0, 480, 1000]
    assert [found.value for _, found in averaged(same)] == pytest.approx([0.3, 0.3, 0.7])
    apart = method("b", run_of({0: "1", 100: "1"}, seed=0), run_of({0: "1", 900: "1"}, seed=1))
    assert averaged(apart) == []


def test_curve_figure_lists_a_number_for_each_mark_and_no_other():
    methods = [
        method("a", run_of({0: "0011", 100: "0111", 220: "1111"})),
        method("b", run_of({0: "0011", 150: "0001"})),
    ]
    curves, differences = figures(methods, compare(methods))
    assert [row[:2] for row in curves.rows] == [
        *(("a", "0"), ("a", "100"), ("a", "220")),
        *(("b", "0"), ("b", "150")),
    ]
    assert [row[0] for row in differences.rows] == ["b, at 150 tokens", "b, at the end"]


def test_tables_have_a_row_per_method():
    methods = [curve_method("a", [0.5, 0.6]), curve_method("b", [0.7, 0.8])]
    credit, cost = credit_grid(methods), cost_grid(methods)
    assert credit.columns == ("method", "agent", "mean credit", "share", "correlation")
    assert credit.rows[0] == ("a", "thinker_0", "+0.50", "0.50", "0.900")
    assert cost.columns == ("method", "steps", "tokens", "verified", "time")
    assert cost.rows[1] == ("b", "3", "1,000", "10", "2 s")
    grid = comparison_grid(compare(methods), path="without x")
    assert grid.title == "Held-out accuracy (without x), compared with a"
    assert grid.columns == ("method", "difference", "verdict", "when", "accuracy")
    assert grid.rows[0][3:] == ("end: 1,000 tokens, 2 seeds", "0.550 → 0.750")
    assert "Holm" not in grid.note  # two seeds have no p-value


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, DASH), (0, "0"), (9_999, "9,999"), (10_000, "10.0k"), (2_500_000, "2.50M")],
)
def test_amounts_are_short(number, text):
    assert amount(number) == text


def test_names_with_commas_are_told_apart_in_the_title(tmp_path):
    names = ("shared, grpo", "branch, grpo")
    methods = [method(name, run_of({0: LOW, 9: HIGH})) for name in names]
    page = write_comparison(tmp_path, methods, compare(methods))
    title = "<h1>Comparison: shared, grpo; branch, grpo</h1>"
    assert title in page.read_text(encoding="utf-8")
