"""Pictures of episodes: what they show, of which size, and what is said without pillow."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

import ccpo_env  # noqa: F401  registers the ids
from ccpo_env import think_solve_v0
from ccpo_env.picture import (
    FONT_FILE,
    LINE_HEIGHT,
    MARGIN,
    NUM_LINES,
    SIZE,
    fitting,
    font,
    picture,
)

PAPER = 255


def rows(frame: Any) -> list[int]:
    """Return the numbers of the lines that are not empty."""
    lines = frame[MARGIN : MARGIN + NUM_LINES * LINE_HEIGHT].reshape(NUM_LINES, LINE_HEIGHT, -1)
    return np.flatnonzero((lines != PAPER).any(axis=(1, 2))).tolist()


@settings(max_examples=5)
@given(text=st.text(max_size=5000))
def test_every_text_gives_a_picture_of_one_size(text: str) -> None:
    frame = picture(text)
    assert (frame.shape, frame.dtype) == ((SIZE[1], SIZE[0], 3), np.uint8)


def test_picture_has_a_row_for_each_line() -> None:
    assert rows(picture("Task\n\nsolver_0:\n  text\n\n=> correct")) == [0, 2, 3, 5]


def test_long_transcript_keeps_its_beginning_and_its_end() -> None:
    lines = [f"line {number}" for number in range(500)]
    frame, changed = (
        picture("\n".join(lines)),
        picture("\n".join([*lines[:250], "x", *lines[251:]])),
    )
    assert np.array_equal(frame, changed)  # of what is left out
    assert rows(frame) == list(range(NUM_LINES))
    shown = [line for line, _ in fitting(lines)]
    number = int(shown[NUM_LINES // 3].split()[1])  # "… 471 lines are left out …"
    assert len(shown) - 1 + number == len(lines)
    assert shown[0] == lines[0]
    assert shown[-1] == lines[-1]
    for place in (0, -1):
        other = [*lines]
        other[place] = "another"
        assert not np.array_equal(frame, picture("\n".join(other)))


def ink(line: str) -> tuple[int, ...]:
    """Return the colour of the letters of a line that follows a task."""
    frame = picture(f"Task\n\n{line}")[MARGIN + 2 * LINE_HEIGHT :].reshape(-1, 3)
    return tuple(frame[frame.sum(axis=1).argmin()].tolist())


def test_no_message_has_the_colour_of_a_verdict() -> None:
    verdict = "=> correct, reward +1"
    wrong, message, agent = "=> wrong, reward -1", f"  {verdict}", "solver_0:"
    assert len({ink(line) for line in (verdict, wrong, message, agent)}) == 4
    assert ink(message) == ink("  text")


@pytest.mark.parametrize("num_found", [0, 1, 2])
def test_font_is_of_the_system_else_of_matplotlib_else_of_pillow(
    num_found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="its font is the second choice")
    load, tried = ImageFont.truetype, []

    def truetype(file: Any, *arguments: Any, **settings: Any) -> Any:
        tried.append(file)
        if isinstance(file, str) and len(tried) <= 2 - num_found:
            raise OSError("no such font")
        return load(file, *arguments, **settings)

    monkeypatch.setattr(ImageFont, "truetype", truetype)
    font.cache_clear()
    assert font().getlength("iii") > 0
    font.cache_clear()
    assert [str(file).endswith(FONT_FILE) for file in tried[:2]] == [True, True][: 3 - num_found]


def test_sizes_of_pictures_make_a_video() -> None:
    assert [size % 16 for size in SIZE] == [0, 0]


def test_missing_pillow_is_named_when_a_picture_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    env = think_solve_v0([("1+1", "2")], render_mode="rgb_array", verifier="exact")
    env.reset()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"package pillow installed, got none; run pip install"):
        env.render()


def test_frames_show_how_an_episode_goes_on() -> None:
    env = gymnasium.make("ccpo_env/Signal-v0", render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    first, last = env.render()
    assert rows(first) == [0]
    assert rows(last) == [0, 2, 3, 5, 6, 7]
