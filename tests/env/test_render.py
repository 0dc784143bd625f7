from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ccpo_env import Message, Task, Verdict
from ccpo_env.render import INDENT, WIDTH, transcript

TASK = Task("sum/1", "What is 1+1?", "2")
any_text = st.text(st.characters(), max_size=300)


def said(*texts: str, verdict: Verdict | None = None, removed: tuple[str, ...] = ()) -> str:
    messages = [Message(f"thinker_{k}", text) for k, text in enumerate(texts)]
    return transcript(TASK, messages, removed, verdict)


def test_transcript_shows_question_messages_and_verdict() -> None:
    assert said("Count.", "Two:\n\\boxed{2}", verdict=Verdict("correct", "2")) == (
        "Task sum/1\n"
        "What is 1+1?\n"
        "\n"
        "thinker_0:\n"
        "  Count.\n"
        "\n"
        "thinker_1:\n"
        "  Two:\n"
        "  \\boxed{2}\n"
        "=> correct, reward +1 (answer 2, gold 2)"
    )


def test_transcript_shows_options_and_counts_passages() -> None:
    task = Task("t", "Which?", "B", choices=("one", "two"), context=("A passage.", "Another"))
    assert transcript(task, [Message("solver_0", "B")], (), None) == (
        "Task t\nWhich?\n\nOptions:\nA. one\nB. two\n\n"
        "(2 passages of 17 characters together)\n\nsolver_0:\n  B"
    )


def test_transcript_lists_removed_agents_in_order() -> None:
    assert said(removed=("b_0", "a_0")).endswith("\n\n(a_0 is removed)\n(b_0 is removed)")


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (Verdict("wrong", "3"), "=> wrong, reward -1 (answer 3, gold 2)"),
        (Verdict("no_answer"), "=> no_answer, reward -1 (no answer, gold 2)"),
        (Verdict("timeout", "3", "5 s"), "=> timeout, not measured (answer 3, gold 2): 5 s"),
        (Verdict("wrong", "3\n=> correct"), "=> wrong, reward -1 (answer 3␊=> correct, gold 2)"),
    ],
)
def test_transcript_ends_with_one_line_for_the_verdict(verdict: Verdict, line: str) -> None:
    assert said("a", verdict=verdict).splitlines()[-1] == line


def test_transcript_marks_empty_messages() -> None:
    assert said(" \n").endswith("\n\nthinker_0: (empty message)")


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/]", "[link=https://a.b]c[/link]", ":smile:"])
def test_transcript_never_reads_markup(text: str) -> None:
    assert said(text).endswith(f"\n  {text}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\x00b\x7f", "a␀b␡"),
        ("wiped\rout", "wiped␍out"),
        ("one\r\ntwo", "one\n  two"),
        ("\u202eback", "\\u202eback"),
        ("a\x85b\u2028c", "a\\x85b\\u2028c"),
        ("\ud800", "\ufffd"),
        ("a\tb", "a       b"),
        ("👩‍🔬 你好 é", "👩‍🔬 你好 é"),
    ],
)
def test_transcript_shows_control_characters_and_keeps_scripts(text: str, shown: str) -> None:
    assert said(text).endswith(f"thinker_0:\n  {shown}")


@pytest.mark.parametrize("text", ["word " * 40, "x" * 200, "数" * 100])
def test_transcript_wraps_a_long_text_without_losing_any_of_it(text: str) -> None:
    lines = said(text).split("thinker_0:\n")[1].splitlines()
    assert len(lines) > 1
    assert max(map(cell_len, lines)) <= WIDTH
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(question=any_text, texts=st.lists(any_text, max_size=3), answer=any_text)
def test_transcript_keeps_its_layout_for_any_text(
    question: str, texts: list[str], answer: str
) -> None:
    messages = [Message(f"thinker_{k}", text) for k, text in enumerate(texts)]
    task = Task("any", question, answer)
    shown = transcript(task, messages, (), Verdict("wrong", answer))
    assert shown.encode().decode() == shown
    assert all(cell_len(line) <= WIDTH for line in shown.split("\n"))
    assert shown.splitlines() == shown.split("\n")
    if texts:
        spoken = shown.split("\nthinker_0:", 1)[1].split("\n=> ")[0].split("\n")[1:]
        assert all(line.startswith((INDENT, "thinker_")) or not line for line in spoken)


def test_transcript_is_the_same_in_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = said("word " * 40)
    for name, value in {"COLUMNS": "20", "FORCE_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    assert said("word " * 40) == plain
