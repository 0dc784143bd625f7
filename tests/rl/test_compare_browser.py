"""The page of a comparison in a real browser: accessible, as wide as the screen, and sortable."""

from __future__ import annotations

import pytest

from baselines.compare import command as script
from tests.rl.compare_cases import write_evaluation, write_run
from tests.rl.teams import quietly
from tests.rl.test_report_browser import NARROW, WIDE, browser, opened, violations

__all__ = ["browser"]  # the fixture
pytestmark = [pytest.mark.figures, pytest.mark.first]
LOW, HIGH = "0" * 9 + "1" * 11, "1" * 20


def two_runs(folder):
    write_run(folder / "a", {0: LOW, 500: LOW})
    write_run(folder / "b", {0: LOW, 500: HIGH, 900: HIGH}, allocator="branch")


def seeds(folder):
    for name in ("shared", "branch", "counterfactual"):
        for seed in range(2):
            curve = {0: LOW, 500: HIGH if seed else LOW}
            write_run(folder / f"{name}-{seed}", curve, allocator=name, seed=seed)


def evaluations(folder):
    for name, outcomes in (("a", LOW), ("b", HIGH)):
        paths = {"joint": outcomes, "without thinker_0": LOW}
        write_evaluation(folder / name, paths, text="word " * 80)


def mixture(folder):
    two_runs(folder)
    write_evaluation(folder / "base", {"joint": LOW}, text="word " * 80)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "screens"),
    [
        (two_runs, [NARROW]),
        (seeds, [NARROW]),
        (evaluations, [NARROW]),
        (mixture, [WIDE, NARROW]),  # with the parts of the others
    ],
)
def test_comparison_passes_axe_and_fits_the_screen(browser, tmp_path, inputs, screens):
    inputs(tmp_path / "in")
    assert quietly(script.main, tmp_path / "in", "--out-dir", tmp_path / "out")[0] == 0
    for width, scheme in screens:
        page = opened(browser, tmp_path / "out" / "compare.html", width=width, scheme=scheme)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


@pytest.mark.slow
def test_tables_are_sorted_with_the_keyboard(browser, tmp_path):
    seeds(tmp_path / "in")
    assert quietly(script.main, tmp_path / "in", "--out-dir", tmp_path / "out")[0] == 0
    page = browser.new_page()  # with the policy of the page
    page.goto((tmp_path / "out" / "compare.html").as_uri())
    table = page.get_by_role("table", name="Compared", exact=True)
    header = table.locator("thead th").first
    assert header.get_attribute("aria-sort") == "none"
    names = table.locator("tbody th")
    unsorted = names.all_inner_texts()
    header.locator("button").focus()
    for order, expected in (
        ("ascending", sorted(unsorted)),
        ("descending", sorted(unsorted, reverse=True)),
        ("none", unsorted),
    ):
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") == order
        assert names.all_inner_texts() == expected
    page.close()
