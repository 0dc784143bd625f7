"""Draw the packages of the project and their imports: docs/architecture.svg.

python scripts/draw_architecture.py
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ccpo_env", "baselines")
PICTURE = ROOT / "docs" / "architecture.svg"
ENVIRONMENT, DOOR = "ccpo_env", "ccpo"
"""The package below all rooms, and the modules above them, which are not rooms."""


@dataclass(frozen=True, slots=True)
class Place:
    """Position and description of a room in the figure.

    Args:
        column: Column, from the left; None: all columns.
        purpose: Description; it fits a box of one column with at most MOST_CHARS characters.
    """

    column: int | None
    purpose: str


PLACES: Mapping[str, Place] = {
    ENVIRONMENT: Place(None, "the PettingZoo environments, tasks, topologies and verifiers"),
    "common": Place(None, "errors, files, types, checks, statistics, metrics, process groups"),
    "optimizers": Place(0, "advantages and policy losses"),
    "policies": Place(1, "language models and endpoints"),
    "pages": Place(3, "frame and figures of HTML pages"),
    "report": Place(3, "HTML pages from run files"),
    "explore": Place(2, "the page to look at credit"),
    "credit": Place(0, "team reward to credit per agent"),
    "rollouts": Place(1, "batched episodes, removals, costs"),
    "evaluate": Place(1, "accuracy, with paired removals"),
    "compare": Place(0, "significance of differences"),
    "audit": Place(3, "formulas of any trainer's file"),
    "train": Place(2, "trainer, updates, files of a run"),
    "advise": Place(1, "credit that is worth its tokens"),
    "experiment": Place(2, "many runs at equal cost"),
    "integrations": Place(3, "credit inside other trainers"),
    "bench": Place(1, "speed, and accuracy of credit"),
    "train_sb3": Place(2, "SB3 on the signal game"),
    DOOR: Place(None, "the command line: baselines/__main__.py and modules of a few lines"),
}
"""All rooms; their layers follow from the imports."""

COLUMN, LAYER, BOX, HEIGHT, MARGIN = 244, 84, 226, 50, 10
"""Distances of columns and layers, size of a box, and margin of the figure, in pixels."""
MOST_CHARS = 33
"""Longest description in a box of one column, in characters."""
SHIFT = 60
"""Distance from the centre of a box at which a slanted arrow starts and ends."""
WIDTH = 2 * MARGIN + 3 * COLUMN + BOX
STYLE = """
text{fill:#1f2328;font-size:12px}.n{font-weight:600;font-size:14px}.s{fill:#59636e;font-size:11px}
.p{fill:#fff}.b{fill:#f3f6fa;stroke:#8899aa}.e{stroke:#57606a;stroke-width:1.4;fill:none}.m{fill:#57606a}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9ea7b3}.p{fill:#0d1117}
.b{fill:#1c2430;stroke:#4d5a6b}.e{stroke:#8b949e}.m{fill:#8b949e}}
"""


def module_name(path: Path) -> str:
    """Return the dotted name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
"""Files of both packages by dotted name; a package has that of its __init__.py."""
MODULES = {module for module, path in FILES.items() if path.name != "__init__.py"}


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[str, str]]:
    """Yield each imported name, and when: "import" of the module, "call" or "types" only.

    A text that is the name of a module, as in the table of commands, counts as a "call".
    """
    package = module if is_package else module.rpartition(".")[0]
    waiting: list[tuple[ast.AST, str]] = [(ast.parse(source), "import")]
    while waiting:
        node, when = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", when) for alias in node.names)
        elif isinstance(node, ast.Constant) and node.value in MODULES:
            yield node.value, "call"
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += [(child, "types") for child in node.body]
            waiting += [(child, when) for child in node.orelse]
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            later = "call" if is_function and when == "import" else when
            waiting += [(child, later) for child in ast.iter_child_nodes(node)]


def room_of(module: str) -> str:
    """Return the room of a module or of a name in it; ENVIRONMENT or DOOR if it is in no room."""
    package, _, rest = module.partition(".")
    if package == ENVIRONMENT:
        return ENVIRONMENT
    room = rest.partition(".")[0]
    return room if (ROOT / "baselines" / room / "__init__.py").exists() and room else DOOR


def sources() -> dict[str, list[Path]]:
    """Return the modules of each room."""
    found: dict[str, list[Path]] = {}
    for module in sorted(FILES):
        if module != "baselines":
            found.setdefault(room_of(module), []).append(FILES[module])
    return found


def imported_rooms(path: Path) -> Iterator[str]:
    """Yield the room of each import of a module, wherever in it that is."""
    source = path.read_text(encoding="utf-8")
    is_package = path.name == "__init__.py"
    for name, _ in imports(source, module_name(path), is_package=is_package):
        if name.split(".")[0] in PACKAGES:
            yield room_of(name)


def import_graph(modules: Mapping[str, Collection[Path]]) -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    return {
        room: {other for path in paths for other in imported_rooms(path)} - {room}
        for room, paths in modules.items()
    }


def layers(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the layer of each room, from 0: one above the highest layer that it imports.

    Raises:
        ValueError: If imports are circular.
    """
    found: dict[str, int] = {}
    while len(found) < len(graph):
        ready = [r for r in graph if r not in found and graph[r] <= found.keys()]
        if not ready:
            left = sorted(graph.keys() - found.keys())
            raise ValueError(
                f"rooms must not import each other, got {left}; remove the circular import"
            )
        found |= {room: 1 + max((found[o] for o in graph[room]), default=-1) for room in ready}
    return found


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the transitive reduction of the graph."""

    def below(room: str) -> set[str]:
        return set().union(*({other} | below(other) for other in graph[room]))

    return {
        room: {o for o in others if not any(o in below(p) for p in others)}
        for room, others in graph.items()
    }


def picture() -> str:
    """Return the figure as SVG.

    Raises:
        ValueError: If a room has no place in the figure.
    """
    modules = sources()
    if modules.keys() != PLACES.keys():
        other = sorted(modules.keys() ^ PLACES.keys())
        raise ValueError(f"PLACES must hold every room, got {other} in one only; edit PLACES")
    graph = import_graph(modules)
    height_of = layers(graph)
    top = max(height_of.values())
    total = 2 * MARGIN + top * LAYER + HEIGHT
    y_of = {room: MARGIN + (top - layer) * LAYER for room, layer in height_of.items()}
    arrows = [
        _arrow(room, other, y_of)
        for room, others in reduced(graph).items()
        for other in sorted(others)
    ]
    boxes = [_box(room, y_of[room], paths) for room, paths in modules.items()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" '
            f'width="{WIDTH}" height="{total}" role="img" aria-labelledby="t d" '
            'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">',
            '<title id="t">The rooms of the project and their imports</title>',
            f'<desc id="d">{_description(graph, height_of)}</desc>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            'markerHeight="7" orient="auto"><path class="m" d="M0 0 10 5 0 10z"/></marker></defs>',
            f'<rect class="p" width="{WIDTH}" height="{total}"/>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def _description(graph: Mapping[str, set[str]], height_of: Mapping[str, int]) -> str:
    rooms = sorted(graph, key=lambda room: (-height_of[room], room))
    sentences = [
        f"{room} imports {', '.join(sorted(graph[room]))}." for room in rooms if graph[room]
    ]
    return " ".join(sentences)


def _column(room: str, other: str) -> float:
    """Return the column of a room's end of an arrow, if it is in all columns that of the other."""
    columns = [PLACES[name].column for name in (room, other)]
    return next((column for column in columns if column is not None), 1.5)


def _arrow(room: str, other: str, y_of: Mapping[str, int]) -> str:
    columns = _column(room, other), _column(other, room)
    x1, x2 = (MARGIN + column * COLUMN + BOX / 2 for column in columns)
    slant = SHIFT * ((x2 > x1) - (x2 < x1))
    start, end = (x1 + slant, y_of[room] + HEIGHT), (x2 - slant, y_of[other] - 1)
    d = f"M{start[0]:g} {start[1]}L{end[0]:g} {end[1]}"
    return f'<path class="e" marker-end="url(#a)" d="{d}"/>'


def _box(room: str, y: int, paths: Collection[Path]) -> str:
    place = PLACES[room]
    x, width = (MARGIN, WIDTH - 2 * MARGIN)
    if place.column is not None:
        x, width = MARGIN + place.column * COLUMN, BOX
    size = f"{len(paths)} files"
    return (
        f'<rect class="b" x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6"/>'
        f'<text class="n" x="{x + 10}" y="{y + 21}">{room}</text>'
        f'<text class="s" x="{x + width - 10}" y="{y + 21}" text-anchor="end">{size}</text>'
        f'<text x="{x + 10}" y="{y + 40}">{place.purpose}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
