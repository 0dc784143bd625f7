"""The page of transcripts: data stays data, and a browser shows and filters it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from baselines.common.rollout_file import MIN_CHARS
from baselines.evaluate import transcripts_page
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.tables import Grid
from baselines.evaluate.transcripts_page import evaluation_page, longest_shown, page_data
from ccpo_env import think_solve_v0
from ccpo_env.types import Message, Status, Task, Verdict

SINGLE_PROCESS = TeamPath("without", ("thinker_0",))
SHUFFLED = TeamPath("shuffled", ("thinker_0",))
TOPOLOGY = think_solve_v0(tasks=[("1", "1")]).unwrapped.topology
ATTACK = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)><!--<script>'
STRANGE = f"{ATTACK} \u2028\u2029 \x00 \ud800 ünïcödé 漢字 \u202e {{{{ 7*7 }}}} {'long' * 5000}"
CHROMIUM = shutil.which("chromium")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def episode(task: Task, status: Status, path=JOINT, *, sample=0, text="hm", benchmark="b"):
    messages = [Message("thinker_0", text), Message("solver_0", text)]
    said = tuple(m for m in messages if m.agent not in path.removed)
    answer = "9" if status in ("correct", "wrong") else None
    detail = "it took too long" if status == "timeout" else ""
    return Episode(benchmark, task, sample, path, said, Verdict(status, answer, detail))


def pairs(*statuses: tuple[Status, Status], text="hm", **tags: str) -> list[Episode]:
    """Episodes of the whole team and without the thinker, one task per pair."""
    tasks = [
        Task(f"t/{i}", f"question {i} {text}", "1", tags=tuple(tags.items()))
        for i in range(len(statuses))
    ]
    return [
        episode(task, own[place], path, text=f"{path.label} {i} {text}")
        for place, path in enumerate((JOINT, SINGLE_PROCESS))
        for i, (task, own) in enumerate(zip(tasks, statuses, strict=True))
    ]


EVERY_KIND = [
    ("correct", "wrong"),
    ("correct", "no_answer"),
    ("wrong", "correct"),
    ("correct", "correct"),
    ("no_answer", "wrong"),
    ("timeout", "correct"),
]


def page_of(episodes, **arguments) -> str:
    return evaluation_page("tiny on b", episodes, topology=TOPOLOGY, **arguments)


class Reader(HTMLParser):
    """Collects tags, attributes and the text of scripts, as a browser's parser tells them apart."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and not self.scripts[-1]:
            self.scripts[-1] = data


def parsed(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_page_keeps_what_a_model_wrote_as_data():
    episodes = pairs(("correct", "wrong"), text=STRANGE)
    page = page_of(episodes, grids=[Grid(ATTACK, (ATTACK,), ((ATTACK,),), ATTACK)], notes=[ATTACK])
    reader = parsed(page)
    assert [tag for tag, _ in reader.tags].count("script") == 3  # the data, and two that run
    assert not [tag for tag, _ in reader.tags if tag == "img"]
    assert not [name for _, given in reader.tags for name in given if name.startswith("on")]
    data = json.loads(reader.scripts[0])
    expected = STRANGE.replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    assert data["items"][0]["episodes"][0]["messages"][0] == ["thinker_0", f"joint 0 {expected}"]
    assert data["tasks"][0]["question"] == f"question 0 {expected}"


def test_page_loads_nothing_and_runs_only_its_own_script():
    reader = parsed(page_of(pairs(("correct", "wrong"))))
    assert not [given for _, given in reader.tags if {"src", "href", "action"} & set(given)]
    (policy,) = (g["content"] for t, g in reader.tags if t == "meta" and "http-equiv" in g)
    _, *scripts = reader.scripts
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}"
    unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\("
    assert not [script for script in scripts if re.search(unsafe, script)]


def test_page_labels_every_control():
    reader = parsed(page_of(pairs(("correct", "wrong"))))
    labelled = {given.get("for") for tag, given in reader.tags if tag == "label"}
    controls = [g["id"] for tag, g in reader.tags if tag in ("select", "input")]
    assert controls
    assert set(controls) <= labelled
    assert ("html", {"lang": "en"}) in reader.tags


def test_page_data_puts_the_paths_of_a_sample_side_by_side():
    task = Task("t/0", "q", "1", tags=(("level", "5"),))
    paths = (JOINT, SINGLE_PROCESS, SHUFFLED)
    episodes = [
        episode(task, "wrong", path, sample=sample, benchmark=name)
        for name in ("b", "c")
        for path in paths
        for sample in (0, 1)
    ]
    data = page_data(episodes, TOPOLOGY)
    assert data["paths"] == ["joint", "without thinker_0", "shuffled thinker_0"]
    assert data["num_samples"] == 2
    assert data["groups"] == ["b", "c", "level 5"]
    assert [(i["task"], i["sample"]) for i in data["items"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [e["num_given"] for e in data["items"][0]["episodes"]] == [0, 0, 1]


def test_page_data_tells_what_an_episode_shares_with_the_whole_team():
    task = Task("t/0", "q", "1")
    recounted = replace(episode(task, "wrong", SINGLE_PROCESS), num_shared=1)
    (item,) = page_data([episode(task, "wrong"), recounted], TOPOLOGY)["items"]
    assert [e["num_shared"] for e in item["episodes"]] == [0, 1]


def browse(page: str, folder: Path, address: str = "") -> str:
    """Return the page as headless Chromium has it after its script has run."""
    file = folder / "page.html"
    file.write_text(page.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000"]
    done = subprocess.run(
        [*command, f"{file.as_uri()}#{address}"],
        capture_output=True,
        text=True,
        timeout=170,
        check=True,
    )
    return done.stdout


def counts_in(dom: str) -> dict[str, int]:
    found = re.findall(r'id="count-(\w+)" class="muted">\((\d+)\)<', dom)
    return {name: int(number) for name, number in found}


def cards_in(dom: str) -> list[str]:
    """Return the label of each card that is drawn."""
    return re.findall(r'<summary><span class="badge \w+">[^< ]* ([\w ]+)</span>', dom)


@in_browser
def test_browser_filters_by_outcome_and_searches(tmp_path):
    page = page_of(pairs(*EVERY_KIND))
    dom = browse(page, tmp_path)
    kinds = {"helped": 2, "hurt": 1, "both_right": 1, "both_wrong": 1, "unmeasured": 1}
    assert counts_in(dom) == {"all": 6, **kinds}
    assert "6 of 6 transcripts" in dom
    team, other = "only the team right", "only the other right"
    labels = [team, team, other, "both right", "both wrong", "not measured"]
    assert cards_in(dom) == labels
    assert cards_in(browse(page, tmp_path, "kind=helped")) == [team] * 2
    assert cards_in(browse(page, tmp_path, "kind=hurt&q=JOINT+2")) == [other]
    assert cards_in(browse(page, tmp_path, "q=took+too+long")) == ["not measured"]
    assert cards_in(browse(page, tmp_path, "kind=toString")) == labels  # a name of every object


@in_browser
def test_browser_shows_an_attack_as_text(tmp_path):
    dom = browse(page_of(pairs(("correct", "wrong"), text=STRANGE)), tmp_path)
    assert "<title>Evaluation: tiny on b</title>" in dom
    assert "<img" not in dom
    assert html.escape("</script><script>", quote=False) in dom
    assert cards_in(dom) == ["only the team right"]


@in_browser
def test_browser_draws_only_the_first_of_many_transcripts(tmp_path):
    many = pairs(*[("correct", "wrong")] * 2000, text="word " * 300)
    page = page_of(many)
    dom = browse(page, tmp_path)
    assert "2000 of 2000 transcripts" in dom
    # One more block may be drawn as soon as the end of the first comes near.
    assert len(cards_in(dom)) in (50, 100)
    assert len(re.findall("<pre", dom)) == 0  # texts are drawn when a card is opened


@in_browser
def test_browser_tells_right_from_wrong_where_only_the_whole_team_played(tmp_path):
    joint = [e for e in pairs(*EVERY_KIND) if e.path == JOINT]
    dom = browse(page_of(joint), tmp_path)
    assert counts_in(dom) == {"all": 6, "right": 3, "wrong": 2, "unmeasured": 1}


def test_a_page_that_would_be_too_large_shortens_the_longest_texts_and_says_so(monkeypatch):
    episodes = pairs(*[("correct", "wrong")] * 4, text="a" + 4000 * "b" + "c")
    assert longest_shown(episodes) is None
    assert "shortened" not in page_of(episodes)
    monkeypatch.setattr(transcripts_page, "PAGE_CHARS", 10_000)
    page = page_of(episodes, notes=["95 %"])
    assert "95 %" in page
    longest = longest_shown(episodes)
    assert f"texts of more than {longest:,} characters are shortened in the middle" in page
    texts = [text for e in episodes for text in (*(m.text for m in e.messages), e.task.question)]
    assert not any(text in page for text in texts)
    assert page.count("characters left out") == 4 + 4 * 2 + 4  # questions; joint; solver alone
    monkeypatch.setattr(transcripts_page, "PAGE_CHARS", 1)
    assert longest_shown(episodes) == MIN_CHARS
