"""Run the lines of docs/scaling.md and docs/integrations.md that can run here, with a small model.

    make engines
    python -m scripts.run_engine_lines --venv .venv-vllm=/opt/vllm --section "One node"

Prints a table of the lines and exits with 1 if one failed. `scripts.documented_lines` reads the
pages and says in which small forms their lines run. Commands are those of this repository.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from scripts.documented_lines import PAGES, ROOT, Block, blocks_of, ports_in, served_port, small

LINE_TIMEOUT_S = 2000
"""More than `gpu_check.sh --tiny` takes at most; most lines take 10 to 20 s on a quiet core."""
SERVER_TIMEOUT_S = 1200
"""A server took 75 s to start on two quiet cores, and up to 930 s on busy ones."""
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n\n{% endfor %}"
"""Of the small model: a server refuses messages without one."""
LAUNCHED = "-m baselines."
MOST_SHOWN = 90
"""Characters of a line in the table."""
LAST_LINES = 12
"""Lines of output that are shown of a command that failed."""
CPU_SETTINGS: Mapping[str, str] = {
    **{"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"},
    "CCPO_VERL": "1",  # without it, the test of verl's launch is skipped
    # Of vLLM: its cache, and no thread bound to a core that another process uses.
    **{"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a line.

    Args:
        section: Heading above it.
        line: The line as the page has it.
        where: Its virtual environment.
        status: "ok", or how it failed.
        seconds: Its time.
        output: The end of its output, if it failed.
    """

    section: str
    line: str
    where: str
    status: str
    seconds: float
    output: str = ""


@dataclass(slots=True)
class Section:
    """Runs the blocks of a section in a folder of its own, with its servers.

    Args:
        folder: An empty folder.
        model: Folder of the small model.
        venvs: Folders of the virtual environments by their names in the pages.
        ports: Free ports by those of the page.
        servers: Ends the servers of the section.
    """

    folder: Path
    model: Path
    venvs: Mapping[str, Path]
    ports: Mapping[str, int]
    servers: ExitStack = field(default_factory=ExitStack)

    def run(self, block: Block) -> Iterator[Result]:
        """Run each line of a block, until one fails."""
        venv = self.venvs.get(block.where, ROOT / block.where)
        if not (venv / "bin" / "python").exists():
            line = _shown(block.lines[0])
            made = block.where.removeprefix(".venv-").replace("/", " ARGS=")
            status = f"{block.where} is missing: make {made}"
            yield Result(block.section, line, block.where, status, 0.0)
            return
        for line in block.lines:
            started = time.monotonic()
            status, output = self._run_line(block, line, venv)
            seconds = time.monotonic() - started
            shown = block.file or _shown(line)
            yield Result(block.section, shown, block.where, status, seconds, output)
            if status != "ok":
                return

    def _run_line(self, block: Block, line: str, venv: Path) -> tuple[str, str]:
        line = small(line, model=self.model, port_of=self.ports)
        if block.use == "test":
            line = f"cd {ROOT} && python -m pytest -q -p no:cacheprovider {block.file}"
        elif block.is_python:
            path = self.folder / (block.file or "block.py")
            path.write_text(line, encoding="utf-8")
            if block.use == "save":
                return "ok", ""
            line = f"python {path.name}"
        environment = _environment(venv)
        logs = [self.folder / f"log_{time.monotonic_ns()}" for _ in range(_copies(block))]
        processes = [_started(line, self.folder, environment, log) for log in logs]
        for process in processes:
            self.servers.callback(_end, process)
        if block.use == "background":
            status = _wait_for_server(processes[0], served_port(line))
        else:
            deadline = time.monotonic() + LINE_TIMEOUT_S
            statuses = [_wait(process, deadline) for process in processes]
            status = next((status for status in statuses if status != "ok"), "ok")
        output = "" if status == "ok" else "\n".join(map(_end_of, logs))
        return status, output


def _copies(block: Block) -> int:
    return 2 if block.use == "twice" else 1


def _environment(venv: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME")}
    path = f"{venv / 'bin'}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, **CPU_SETTINGS, "PATH": path, "PYTHONPATH": str(ROOT)}


def _started(
    line: str, folder: Path, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all of its processes end with it
        )


def _wait(process: subprocess.Popen[bytes], deadline: float) -> str:
    try:
        code = process.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return f"not done in {LINE_TIMEOUT_S} s"
    return "ok" if code == 0 else f"exit code {code}"


def _wait_for_server(process: subprocess.Popen[bytes], port: int | None) -> str:
    """Wait until a server lists its models."""
    if port is None:
        return "names no --port"
    deadline = time.monotonic() + SERVER_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"exit code {process.returncode}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
                return "ok"
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    return f"no answer in {SERVER_TIMEOUT_S} s"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with all of its processes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])


def _shown(line: str) -> str:
    """Return the beginning of a line, from the module that is run."""
    first = line.strip().splitlines()[0].replace("|", "\\|")
    if LAUNCHED in first:
        first = f"{first.split()[0]} … {first[first.index(LAUNCHED) :]}"
    return first if len(first) <= MOST_SHOWN else f"{first[: MOST_SHOWN - 1]}…"


@contextmanager
def free_ports(wanted: Sequence[str]) -> Iterator[dict[str, int]]:
    """Yield a free port in place of each of a page's."""
    with ExitStack() as open_sockets:
        found = {}
        for port in wanted:
            taken = open_sockets.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            found[port] = taken.getsockname()[1]
    yield found


def make_model(folder: Path) -> Path:
    """Write a random Llama that vLLM serves on a CPU, with the embedded model's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from baselines.policies.local.hf import HFPolicy
    from baselines.policies.local.loading import quiet_transformers
    from baselines.policies.registry import load_policy

    tiny = load_policy("tiny")
    assert isinstance(tiny, HFPolicy)
    tiny.tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tiny.module.config.vocab_size,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,  # heads of 32: vLLM has no attention for smaller ones on a CPU
        max_position_embeddings=512,
        eos_token_id=tiny.module.config.eos_token_id,
        bos_token_id=tiny.module.config.bos_token_id,
        pad_token_id=tiny.module.config.pad_token_id,
    )
    with quiet_transformers():
        LlamaForCausalLM(config).save_pretrained(folder)
        tiny.tokenizer.save_pretrained(folder)
    return folder


def run_all(blocks: Sequence[Block], *, venvs: Mapping[str, Path], folder: Path) -> list[Result]:
    """Run the tested blocks, section by section, and print each line as it ends."""
    model = make_model(folder / "model")
    results = []
    for index, (_, section) in enumerate(groupby(blocks, key=lambda b: (b.page, b.section))):
        chosen = [block for block in section if block.use not in ("install", "untested")]
        own = folder / f"section_{index}"
        own.mkdir()
        (own / "scripts").symlink_to(ROOT / "scripts")
        with free_ports(ports_in(chosen)) as ports, ExitStack() as servers:
            running = Section(own, model, venvs, ports, servers)
            for block in chosen:
                for result in running.run(block):
                    print(f"{result.status}: {result.line} ({result.seconds:.0f} s)", flush=True)
                    results.append(result)
    return results


def table(blocks: Sequence[Block], results: Sequence[Result]) -> str:
    """Return the lines, their status and time as Markdown, and what was not run."""
    rows = [
        f"| {result.section} | `{result.line}` | {result.where} | {result.status} "
        f"| {result.seconds:.0f} |"
        for result in results
    ]
    untested = [f"- `{_shown(b.lines[0])}`: {b.where}" for b in blocks if b.use == "untested"]
    installs = sum(block.use == "install" for block in blocks)
    failed = sum(result.status != "ok" for result in results)
    summary = (
        f"{len(results)} lines were run, {failed} failed; {len(untested)} blocks are labelled as "
        f"not tested, {installs} as installations."
    )
    head = ["| section | line | environment | status | seconds |", "|---|---|---|---|---:|"]
    return "\n".join([*head, *rows, "", summary, *untested])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lines; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Run the lines of the pages on engines.")
    parser.add_argument("--venv", action="append", default=[], help="NAME=FOLDER of another one")
    parser.add_argument("--page", choices=[page.name for page in PAGES], help="only this page")
    parser.add_argument("--section", action="append", default=[], help="only sections of this name")
    given = parser.parse_args(arguments)
    venvs = {name: Path(path) for name, path in (pair.split("=", 1) for pair in given.venv)}
    blocks = [
        block
        for page in PAGES
        if given.page in (None, page.name)
        for block in blocks_of(page)
        if not given.section or block.section in given.section
    ]
    with tempfile.TemporaryDirectory(prefix="engine_lines_") as folder:
        results = run_all(blocks, venvs=venvs, folder=Path(folder))
    print(f"\n{table(blocks, results)}")
    failed = [result for result in results if result.status != "ok"]
    for result in failed:
        print(f"\n{result.line}: {result.status}\n{result.output}", file=sys.stderr)
    return 1 if failed or not results else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # ends servers as well
    sys.exit(main())
