"""The credit explorer in Chromium: it loads, filters, slides, links, and everybody can use it."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from baselines.common.rollout_file import ROLLOUTS_FILE, read_rollouts
from baselines.explore import write_explorer
from tests.rl.explore_runs import make_run
from tests.rl.test_report_browser import browser, violations  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.figures, pytest.mark.first, pytest.mark.slow]
WIDE, NARROW = 1280, 390


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("explorer") / "run", num_steps=6, tasks_per_step=40)


@pytest.fixture(scope="module")
def explorer(run):
    return write_explorer(run)


@pytest.fixture
def opened(browser, explorer):  # noqa: F811
    """Return a function that opens the page at a view; the page must run without an error."""
    pages, failures = [], []

    def open_at(view="", *, width=WIDE, scheme="light", bypass_csp=False):
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=bypass_csp
        )
        pages.append(page)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda said: failures.append(said.text))
        page.on("request", lambda r: None if r.url.startswith("file:") else failures.append(r.url))
        page.goto(f"{explorer.as_uri()}#{view}")
        page.locator("#title").wait_for()
        return page

    yield open_at
    for page in pages:
        page.close()
    assert failures == []


def address(page):
    return {k: v for k, (v,) in parse_qs(page.evaluate("location.hash").lstrip("#")).items()}


def rows(page):
    return page.locator("#tasks [role=option]")


def slide(page, place):
    page.locator("#step").evaluate(
        "(slider, place) => { slider.value = place; for (const kind of ['input', 'change'])"
        " slider.dispatchEvent(new Event(kind, { bubbles: true })); }",
        place,
    )


def test_the_first_view_is_the_task_on_which_reward_and_credit_disagree_most(opened, run):
    page = opened()
    amounts = [float(text) for text in page.locator("#tasks .amount").all_inner_texts()]
    assert amounts == sorted(amounts, reverse=True)
    assert page.locator("#tasks").evaluate("box => box.scrollTop") == 0
    assert rows(page).first.get_attribute("aria-selected") == "true"
    task = page.locator("#title").inner_text()
    (group,) = [
        g for g in read_rollouts(run / ROLLOUTS_FILE) if (g["step"], g["task_id"]) == (1, task)
    ]
    rollout = int(page.locator("[aria-pressed=true]").inner_text()) - 1
    message = page.get_by_role("group", name="thinker_0", exact=True).first
    assert message.locator("pre").inner_text() == group["messages"][rollout][0]
    shown = [
        text.replace("\N{MINUS SIGN}", "-")
        for text in message.locator(".chips dd").all_inner_texts()
    ]
    kinds = ("credit", "advantage", "shared_advantage")
    assert list(map(float, shown)) == [
        pytest.approx(group[kind][rollout][0], abs=0.006) for kind in kinds
    ]
    beside = page.get_by_role("region", name="Comparison")
    assert "1 of 2 episodes right" in beside.inner_text()
    assert beside.locator("pre").all_inner_texts() == [r"\boxed{1}", r"\boxed{2}"]


def test_messages_of_an_agent_that_speaks_again_are_numbered_as_turns_are(opened):
    page = opened()
    first, second = page.evaluate("AGENTS.slice(0, 2)")
    assert page.evaluate("messageNames([0, 1, 0])") == [f"{first}#1", second, f"{first}#2"]


def test_a_replay_says_which_messages_of_the_rollout_it_keeps(opened):
    replays = [
        {"without": [0], "rollout": -1, "kept": []},
        {"without": [0], "rollout": 0, "kept": [1]},
        {"without": [1], "rollout": 0, "kept": [0]},
        {"without": [], "rollout": 0, "kept": [0]},
    ]
    labels = opened().evaluate(
        "(replays) => comparisons({ replays }, 0).map((own) => own.label)", replays
    )
    assert labels == [
        "without thinker_0",
        "without thinker_0, with the same solver_0",
        "without solver_0, after thinker_0",
        "continued after thinker_0",
    ]


def test_only_the_rows_in_view_exist_and_the_keyboard_reaches_all(opened):
    page = opened("scope=all")
    assert page.locator("#found").inner_text() == "240 of 240 tasks"
    assert rows(page).count() < 40
    box = page.locator("#tasks").bounding_box()
    assert box is not None
    assert box["height"] == 34 * 16
    page.locator("#tasks").focus()
    page.keyboard.press("End")
    page.locator("#row-239[aria-selected=true]").wait_for()
    assert page.locator("#tasks").get_attribute("aria-activedescendant") == "row-239"
    assert page.locator("#row-239").inner_text().count(address(page)["task"]) == 1
    page.keyboard.press("ArrowUp")
    page.locator("#row-238[aria-selected=true]").wait_for()


def test_filters_and_search_list_what_they_promise(opened, run):
    groups = [g for g in read_rollouts(run / ROLLOUTS_FILE) if g["step"] == 2]
    page = opened("step=2")
    mixed = sum(len(set(group["rewards"])) == 2 for group in groups)
    page.locator("#filter").select_option("mixed")
    page.get_by_text(f"{mixed} of 40 tasks").wait_for()
    page.locator("#filter").select_option("all")
    wanted = groups[7]["messages"][3][1][4:24]  # in a message that no list shows
    page.locator("#q").fill(wanted.upper())
    page.get_by_text("1 of 40 tasks").wait_for()
    assert page.locator("#tasks").evaluate("box => box.clientHeight") == 64  # its one row
    page.get_by_role("heading", name=groups[7]["task_id"], exact=True).wait_for()
    assert address(page)["q"] == wanted.upper()
    page.locator("#q").fill("no such text")
    page.locator("#nothing").wait_for()
    assert not page.locator("#tasks").is_visible()


def test_the_slider_moves_the_audit_and_the_credit(opened):
    page = opened()
    card = page.locator("#cards section").first
    before = card.inner_text()
    slide(page, 4)
    page.locator("#step-name", has_text="step 5").wait_for()
    assert address(page) == {"step": "5"}
    assert page.locator("#step").get_attribute("aria-valuetext") == "step 5"
    assert "+0.900" in card.inner_text()  # 1 - 0.5 / 5
    assert "degenerate\nno" in card.inner_text()
    assert card.inner_text() != before
    page.get_by_text("Step 5: 40 tasks").wait_for()  # for screen readers


def test_a_link_leads_to_the_view_and_back_to_the_one_before(opened):
    page = opened("step=3&task=sums/5&rollout=2&agent=solver_0&filter=mixed&sort=step")
    assert page.locator("#title").inner_text() == "sums/5"
    assert page.locator("[aria-pressed=true]").inner_text() == "2"
    assert page.locator("#agent").input_value() == "solver_0"
    page.get_by_role("button", name="Rollout 4").click()
    page.locator("[aria-pressed=true][aria-label='Rollout 4']").wait_for()
    again = opened(page.evaluate("location.hash").lstrip("#"))
    assert again.locator("[aria-pressed=true]").inner_text() == "4"
    page.go_back()
    page.locator("[aria-pressed=true][aria-label='Rollout 2']").wait_for()
    page.get_by_role("link", name="6", exact=True).click()  # the same task, three steps later
    page.locator("#step-name", has_text="step 6").wait_for()
    assert page.locator("#title").inner_text() == "sums/5"
    page.go_back()
    page.locator("#step-name", has_text="step 3").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_explorer_passes_axe_and_fits_the_screen(opened, width, scheme):
    page = opened("filter=opposed", width=width, scheme=scheme, bypass_csp=True)
    page.locator(".rollouts tr", has=page.locator("td", has_text="⇄")).first.get_by_role(
        "button"
    ).click()
    page.locator(".flag").first.wait_for()
    marked = page.locator(".rollouts td", has_text="⇄").count()
    assert marked == page.evaluate("opposedOf(shown[0], '')")  # the marks are those of the list
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_browser_that_cannot_decompress_says_so(browser, explorer):  # noqa: F811
    page = browser.new_page()
    page.add_init_script("delete globalThis.DecompressionStream;")
    page.goto(explorer.as_uri())
    page.get_by_text("cannot decompress").wait_for()
    page.close()
