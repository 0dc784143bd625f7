"""The pages in a real browser: accessible, and as wide as the screen, by axe in Chromium."""

from __future__ import annotations

import shutil

import pytest

from baselines.evaluate import command as evaluate
from baselines.report.run_page import write_report
from tests.rl.report_runs import make_run
from tests.rl.teams import quietly, write_tasks

pytestmark = [pytest.mark.figures, pytest.mark.first]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
WIDE, NARROW = (1280, "light"), (390, "dark")
TEAMS = {
    "think_solve": (("thinker_0", "solver_0"), (WIDE, NARROW)),
    "large": ((*(f"thinker_{k}" for k in range(8)), "solver_0"), (NARROW,)),
}
"""Agents of a run, and the screens on which its page is looked at: axe takes seconds."""
MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    sync_playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install 'ccpo-env[browser]'"
    ).sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-software-rasterizer"],
        )
        yield chromium
        chromium.close()


def opened(browser, path, *, width, scheme):
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert requested == [path.as_uri()]
    return page


def violations(page):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe: pip install 'ccpo-env[browser]'"
    ).Axe()
    found = axe.run(page, options={"resultTypes": ["violations"]}).response
    assert found["passes"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]]


@pytest.mark.slow
@pytest.mark.parametrize("team", TEAMS)
def test_report_passes_axe_and_fits_the_screen(browser, tmp_path, team):
    agents, screens = TEAMS[team]
    path = write_report(make_run(tmp_path, agents=agents, num_steps=30))
    assert path.stat().st_size < MAX_BYTES
    for width, scheme in screens:
        page = opened(browser, path, width=width, scheme=scheme)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory):
    """Return the page of an evaluation with several samples and controls."""
    folder = tmp_path_factory.mktemp("evaluation")
    tasks = write_tasks(folder / "tasks.jsonl")
    flags = ("--limit", 4, "--num-samples", 2, "--controls", "--max-tokens", 8)
    given = ("--policy", "tiny", "--tasks", tasks, "--out-dir", folder / "out", *flags)
    assert quietly(evaluate.main, *given)[0] == 0
    return folder / "out" / "evaluation.html"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [WIDE, NARROW])
def test_transcripts_pass_axe_fit_the_screen_and_filter(browser, transcripts, width, scheme):
    page = opened(browser, transcripts, width=width, scheme=scheme)
    cards = page.locator("#list > li")
    assert cards.count() == 4 * 2
    page.locator("#list pre").first.wait_for()  # texts are drawn after their card is opened
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for kind in page.locator("input[name=kind]").all():
        kind.check()
        promised = kind.locator("xpath=..").locator("[id^=count-]").inner_text()
        assert promised == f"({cards.count()})"
    page.close()


@pytest.mark.slow
def test_violations_sees_a_page_without_names(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<html><body><img src='data:,'><button></button></body></html>")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert {"image-alt", "button-name", "html-has-lang"} <= {rule for rule, _ in violations(page)}
