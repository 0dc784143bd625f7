"""The lines of code in a page, where they run, and the small forms of them that run here.

Directly above each fenced block of commands or Python stands a label in italics, one of::

    *Tested in .venv.*
    *Tested in .venv-vllm, in the background.*          a server, until its section ends
    *Tested in .venv, twice at once.*                   the same line on two nodes
    *Tested in .venv-verl, by tests/rl/test_file.py.*   a test that reads the block and runs it
    *Installed by make vllm.*
    *Not tested: needs several GPUs.*

Python with a title, ```py title="train.py", is saved under it for the lines below.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.model_sizes import MODELS

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "docs" / "scaling.md", ROOT / "docs" / "integrations.md")

Use = Literal["run", "background", "twice", "test", "save", "install", "untested"]

BLOCK = re.compile(
    r"(?:^\*(?P<label>[^*\n]+)\*\n\n)?^```(?P<language>bash|py|python)"
    r"(?: title=\"(?P<file>[\w.]+)\")?\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
HEADING = re.compile(r"^###? (.+)$", re.MULTILINE)
TESTED = re.compile(
    r"Tested in (?P<venv>\.venv[\w/-]*)"
    r"(?:, (?:(?P<background>in the background)|(?P<twice>twice at once)"
    r"|by (?P<test>tests/[\w/]+\.py)))?\."
)
INSTALLED = re.compile(r"Installed by make (\w+)\.")
NOT_TESTED = re.compile(r"Not tested: (.+)\.")

SHORT: Mapping[str, str] = {
    **{"--steps": "2", "--tasks-per-step": "2", "--group-size": "2", "--max-tokens": "8"},
    **{"--num-eval-tasks": "2", "--tasks": "arithmetic"},
}
"""Flags of training that make a run short, added to a line or in place of its own."""
SHORT_PRESET: Mapping[str, str] = {
    **{"--removed-samples": "2", "--num-minibatches": "2", "--eval-every": "0"},
    "--role-max-tokens": "thinker 8 solver 8",
}
"""The same for the settings of a preset of the paper."""
WRITES_DATA = "-m baselines.integrations.verl_data"
"""Writes tasks for another trainer; those of the hub are replaced by embedded ones."""
TRAINS = re.compile(r"(?:\bccpo train\b|-m baselines\.train(?:\.engines)?(?= ))")
SERVES = "vllm.entrypoints.openai.api_server"
SERVER: Mapping[str, str] = {
    **{"--dtype": "float32", "--max-model-len": "512", "--max-num-seqs": "16"},
    **{"--enforce-eager": "", "--no-enable-chunked-prefill": ""},
}
"""Flags of vLLM on a CPU with a small model; the ports of a page are replaced by free ones."""
PORT = re.compile(r"(?<=:)(?:29\d{3}|8\d{3})\b|(?<=--port )\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Args:
        page: Name of the page.
        section: Heading above it.
        use: What to do with it.
        where: Virtual environment, or make target of an installation, or why it is not tested.
        lines: Its commands, each in one line; Python is one.
        file: Name to save Python under, or the test that runs the block.
        is_python: Whether it is Python.
    """

    page: str
    section: str
    use: Use
    where: str
    lines: tuple[str, ...]
    file: str | None = None
    is_python: bool = False


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, in order.

    Raises:
        ValueError: If a block has no label, or an unknown one.
    """
    text = page.read_text(encoding="utf-8")
    headings = [(match.start(), match[1]) for match in HEADING.finditer(text)]
    found = []
    for match in BLOCK.finditer(text):
        section = next((name for at, name in reversed(headings) if at < match.start()), "")
        number = text.count("\n", 0, match.start("language")) + 1
        is_python = match["language"] != "bash"
        use, where, file = _read(match["label"], f"{page.name}:{number}")
        if match["file"] and use != "untested":
            use, file = "save", match["file"]
        lines = (match["code"],) if is_python else tuple(_commands(match["code"]))
        block = Block(
            page=page.name,
            section=section,
            use=use,
            where=where,
            lines=lines,
            file=file,
            is_python=is_python,
        )
        found.append(block)
    return found


def _read(label: str | None, place: str) -> tuple[Use, str, str | None]:
    label = label or ""
    if match := TESTED.fullmatch(label):
        kinds: dict[Use, str | None] = {
            "background": match["background"],
            "twice": match["twice"],
            "test": match["test"],
        }
        use: Use = next((kind for kind, given in kinds.items() if given), "run")
        return use, match["venv"], match["test"]
    if match := INSTALLED.fullmatch(label):
        return "install", match[1], None
    if match := NOT_TESTED.fullmatch(label):
        return "untested", match[1], None
    raise ValueError(
        f"a block of code must have a label above it such as *Tested in .venv.* or *Not tested: "
        f"needs several GPUs.*, got {label!r} at {place}; see scripts/documented_lines.py"
    )


def _commands(code: str) -> Iterator[str]:
    """Yield the commands of a shell script without functions, loops or here-documents."""
    for line in code.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield re.sub(r"\s+", " ", line).strip()


def small(line: str, *, model: Path, port_of: Mapping[str, int]) -> str:
    """Return the form of a line that runs on two cores.

    Args:
        line: A command of a page.
        model: Folder of a small model, in place of those of the hub.
        port_of: Free ports by the ports of the page.
    """
    if "-m scripts." not in line:
        for name in MODELS:
            line = line.replace(name, str(model))
    line = re.sub(r"\bvllm serve (\S+)", rf"python -m {SERVES} --model \1", line)
    line = re.sub(r"\.venv[\w-]*/bin/", "", line)  # which is the first in the path
    line = line.replace("HOST:", "127.0.0.1:").replace("/data/", "data/")
    line = PORT.sub(lambda match: str(port_of.get(match[0], match[0])), line)
    line = _few_processes(line)
    if TRAINS.search(line):
        line = _with_flags(line, SHORT)
        if "--preset paper/" in line:
            line = _with_flags(line, {**SHORT_PRESET, "--policy": str(model)})
    if WRITES_DATA in line:
        line = _with_flags(line, {"--tasks": SHORT["--tasks"]})
    if SERVES in line:
        line = _with_flags(line, SERVER)
    return line


def _few_processes(line: str) -> str:
    """Return a launch of two processes: on one node, or one on each of two."""
    nodes = re.search(r"--nnodes[ =](\d+)", line)
    here = "1" if nodes and nodes[1] != "1" else "2"
    line = re.sub(r"(--nproc_per_node[ =])\d+", rf"\g<1>{here}", line)
    return re.sub(r"(--num[_-]processes[ =])(?!1\b)\d+", r"\g<1>2", line)


def _with_flags(line: str, flags: Mapping[str, str]) -> str:
    """Return a line with these values of flags, its own or added."""
    for flag, value in flags.items():
        own = re.compile(rf"(?<=\s){re.escape(flag)}(?:[ =](?!-)\S+)?(?=\s|$)")
        wanted = f"{flag} {value}".strip()
        line = own.sub(wanted, line) if own.search(line) else f"{line} {wanted}"
    return line


def ports_in(blocks: list[Block]) -> list[str]:
    """Return the ports that the lines of some blocks name, each once."""
    found = (port for block in blocks for line in block.lines for port in PORT.findall(line))
    return list(dict.fromkeys(found))


def served_port(line: str) -> int | None:
    """Return the port that a server's line names; None if it names none."""
    words = shlex.split(line)
    return int(words[words.index("--port") + 1]) if "--port" in words else None
