"""The console of every command: texts of models, tasks and servers cannot control a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ccpo_env.text import printable


class Terminal(Console):
    """A console that escapes control characters, and takes no text for markup.

    Colours and the movements of progress bars, which are not in texts, work as in any console.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "highlight": False, "emoji": False, **settings})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of a text or a table, each safe to print."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
