"""A picture of an episode's transcript, for recordings and windows."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ccpo_env.render import WIDTH as NUM_COLUMNS

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

SIZE = (768, 576)
"""Width and height in pixels of every picture, so that they make a video."""
MARGIN, LINE_HEIGHT = 16, 17
NUM_LINES = (SIZE[1] - 2 * MARGIN) // LINE_HEIGHT
"""Lines that a picture holds; of a longer transcript the middle is left out."""
FONT_FILE, FONT_SIZE = "DejaVuSansMono.ttf", 13

_PAPER, _TEXT, _AGENT = (255, 255, 255), (31, 35, 40), (9, 80, 160)
_CORRECT, _WRONG, _OTHER = (0, 110, 80), (179, 60, 0), (89, 99, 110)


def picture(transcript: str) -> npt.NDArray[np.uint8]:
    """Return a transcript as a picture.

    Args:
        transcript: Text of `ccpo_env.render.transcript`, or of that form.

    Returns:
        Red, green and blue of each pixel, shape (576, 768, 3).

    Raises:
        ImportError: If the package pillow is not installed.

    Note: Of characters that the font lacks an empty box is shown. The font is DejaVu Sans Mono, of
        the system or of matplotlib; without both it is that of Pillow, which has Latin letters
        only.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise _missing_pillow() from error
    image = Image.new("RGB", SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    for row, (line, colour) in enumerate(fitting(transcript.split("\n"))):
        place = (MARGIN, MARGIN + row * LINE_HEIGHT)
        draw.text(place, line[:NUM_COLUMNS], fill=colour, font=font())
    return np.array(image, np.uint8)


def _missing_pillow() -> ImportError:
    return ImportError(
        "render_mode='rgb_array' must have the package pillow installed, got none; run "
        "pip install 'ccpo-env[render]', or pass render_mode='ansi'"
    )


def fitting(lines: list[str]) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the lines that a picture shows, each with its colour."""
    end_of_task = lines.index("") if "" in lines else len(lines)
    shown = [(line, _colour(line, place < end_of_task)) for place, line in enumerate(lines)]
    num_left_out = len(shown) - NUM_LINES
    if num_left_out <= 0:
        return shown
    head = NUM_LINES // 3
    tail = NUM_LINES - head - 1
    note = (f"… {num_left_out + 1} lines are left out …", _OTHER)
    return [*shown[:head], note, *shown[-tail:]]


def _colour(line: str, of_task: bool) -> tuple[int, int, int]:
    """Return a colour; lines of messages are indented, so none can pass for a verdict."""
    if of_task or line.startswith(" "):
        return _TEXT
    if line.startswith("=> "):
        return _CORRECT if line.startswith("=> correct") else _WRONG
    return _AGENT


@lru_cache(maxsize=1)
def font() -> FreeTypeFont | Any:
    """Return the font of the pictures: see `picture`."""
    from PIL import ImageFont

    matplotlib = importlib.util.find_spec("matplotlib")
    files = [FONT_FILE]
    if matplotlib is not None and matplotlib.origin is not None:
        files.append(str(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf" / FONT_FILE))
    for file in files:
        try:
            # The other engine refuses some texts, and is not everywhere.
            return ImageFont.truetype(file, FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            continue
    return ImageFont.load_default(FONT_SIZE)
