"""The lines of the pages on large models and other trainers: read, made small, and run."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from baselines.policies.registry import load_policy
from scripts import run_engine_lines
from scripts.documented_lines import PAGES, Block, blocks_of, ports_in, served_port, small
from scripts.model_sizes import MODELS
from scripts.run_engine_lines import Section, free_ports, make_model, run_all, table

PAGE = """
## One

*Tested in .venv.*

```bash
# a comment
first --flag \\
  value
second
```

*Tested in .venv-vllm, in the background.*

```bash
serve --port 8130
```

## Two

*Tested in .venv, twice at once.*

```bash
launch HOST:29500
```

*Tested in .venv-trl.*

```py title="train.py"
print("one")
print("two")
```

*Tested in .venv-verl, by tests/rl/test_verl.py.*

```bash
verl
```

### Three

*Installed by make verl.*

```bash
pip install verl
```

*Not tested: needs several GPUs.*

```bash
train
```

```console
output
```
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_blocks_are_read_with_what_their_labels_say(page):
    found = [(b.section, b.use, b.where, b.file) for b in blocks_of(page)]
    assert found == [
        ("One", "run", ".venv", None),
        ("One", "background", ".venv-vllm", None),
        ("Two", "twice", ".venv", None),
        ("Two", "save", ".venv-trl", "train.py"),
        ("Two", "test", ".venv-verl", "tests/rl/test_verl.py"),
        ("Three", "install", "verl", None),
        ("Three", "untested", "needs several GPUs", None),
    ]


def test_lines_are_whole_commands(page):
    blocks = blocks_of(page)
    assert blocks[0].lines == ("first --flag value", "second")
    assert blocks[3].lines == ('print("one")\nprint("two")\n',)
    assert ports_in(blocks) == ["8130", "29500"]


@pytest.mark.parametrize("label", ["", "*Tested.*\n\n", "*Tested in venv, sometimes.*\n\n"])
def test_a_block_without_a_known_label_is_refused(tmp_path, label):
    path = tmp_path / "page.md"
    path.write_text(f"# Page\n\n{label}```bash\ntrue\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"label above it .* at page\.md:"):
        blocks_of(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_the_pages_is_labelled(page):
    blocks = blocks_of(page)
    assert any(block.use == "run" for block in blocks)
    for block in blocks:
        if block.use == "background":
            (line,) = block.lines
            assert served_port(small(line, model=Path("m"), port_of={}))


SHORT = "--steps 2 --tasks-per-step 2 --group-size 2 --max-tokens 8 --num-eval-tasks 2"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "ccpo train --policy Qwen/Qwen2.5-7B-Instruct --tasks math --steps 100",
            "ccpo train --policy small --tasks arithmetic --steps 2 --tasks-per-step 2 "
            "--group-size 2 --max-tokens 8 --num-eval-tasks 2",
        ),
        (
            "python -m torch.distributed.run --standalone --nproc_per_node 4 "
            "-m baselines.train.engines --num-processes 4",
            "python -m torch.distributed.run --standalone --nproc_per_node 2 "
            f"-m baselines.train.engines --num-processes 2 {SHORT} --tasks arithmetic",
        ),
        (
            "torchrun --nnodes=2 --nproc_per_node=8 --rdzv_endpoint HOST:29500 "
            "-m baselines.train.engines --num-processes 16 --tasks=math",
            "torchrun --nnodes=2 --nproc_per_node=1 --rdzv_endpoint 127.0.0.1:7 "
            f"-m baselines.train.engines --num-processes 2 --tasks arithmetic {SHORT}",
        ),
        (
            "python -m baselines.train.engines.server_weights --policy Qwen/Qwen3-4B-Base --out a",
            "python -m baselines.train.engines.server_weights --policy small --out a",
        ),
        (
            "A=1 vllm serve served --port 8130",
            "A=1 python -m vllm.entrypoints.openai.api_server --model served --port 9 "
            "--dtype float32 --max-model-len 512 --no-enable-chunked-prefill --enforce-eager "
            "--max-num-seqs 16",
        ),
        (".venv-vllm/bin/python -m a --port 8130", "python -m a --port 9"),
        ("train --num-processes 1 /data/a.parquet", "train --num-processes 1 data/a.parquet"),
        (
            "python -m baselines.integrations.verl_data --tasks math --out data",
            "python -m baselines.integrations.verl_data --tasks arithmetic --out data",
        ),
    ],
)
def test_small_lines_differ_as_the_page_says(line, expected):
    made = small(line, model=Path("small"), port_of={"29500": 7, "8130": 9})
    assert sorted(made.split()) == sorted(expected.split())


def test_a_preset_of_the_paper_gets_the_small_model_and_short_completions():
    line = "ccpo train --preset paper/gspo-olmo3-7b"
    made = small(line, model=Path("small"), port_of={})
    assert "--policy small" in made
    assert "--role-max-tokens thinker 8 solver 8" in made


def test_the_small_model_has_heads_that_vllm_serves_and_is_in_no_table(tmp_path):
    policy = load_policy(str(make_model(tmp_path / "model")))
    config = policy.module.config
    assert config.hidden_size // config.num_attention_heads >= 32
    assert sum(p.numel() for p in policy.module.parameters()) == 365_184
    assert policy.tokenizer.chat_template  # without one, a server refuses messages
    assert all(str(tmp_path) not in name for name in MODELS)
    assert "365,184" in PAGES[0].read_text(encoding="utf-8")


@pytest.fixture
def section(tmp_path):
    """A section whose environment is that of the tests."""
    with free_ports(["8000"]) as ports, ExitStack() as servers:
        venvs = {".venv": Path(sys.prefix)}
        yield Section(tmp_path, tmp_path / "model", venvs, ports, servers)


def block(*lines: str, use="run", where=".venv", file=None, is_python=False) -> Block:
    return Block(
        **{"page": "page.md", "section": "One", "use": use, "where": where, "lines": lines},
        file=file,
        is_python=is_python,
    )


def test_lines_run_one_after_the_other_until_one_fails(section, tmp_path):
    ran = list(section.run(block("echo yes > a", "cat a; echo why >&2; exit 3", "touch b")))
    assert [(result.line, result.status) for result in ran] == [
        ("echo yes > a", "ok"),
        ("cat a; echo why >&2; exit 3", "exit code 3"),
    ]
    assert ran[1].output.splitlines() == ["yes", "why"]
    assert not (tmp_path / "b").exists()


def test_a_missing_environment_is_a_failure(section):
    (result,) = section.run(block("true", where=".venv-none"))
    assert result.status == ".venv-none is missing: make none"


def test_a_block_can_be_run_by_a_test(section):
    test = "tests/test_no_such_test.py"
    (result,) = section.run(block("verl", use="test", file=test))
    assert result.status == "exit code 4"  # of pytest, which did not find the file
    assert test in result.output


def test_a_line_runs_twice_at_once(section):
    # Each copy waits for the other.
    line = "mkdir a 2>/dev/null && b=b || { b=a; mkdir b; }; until [ -d $b ]; do sleep .01; done"
    (result,) = section.run(block(line, use="twice"))
    assert result.status == "ok"


def test_a_line_that_does_not_end_is_ended(section, monkeypatch):
    monkeypatch.setattr(run_engine_lines, "LINE_TIMEOUT_S", 0.2)
    (result,) = section.run(block("sleep 60"))
    assert result.status == "not done in 0.2 s"


SERVER = """
import http.server, os, sys
class Models(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
with open("pid", "w") as file:
    file.write(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Models).serve_forever()
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_is_up_until_its_section_ends(section, tmp_path):
    blocks = (
        block(SERVER, use="save", file="server.py", is_python=True),
        block("python server.py --port 8000", use="background"),
        block("kill -0 $(cat pid)"),
    )
    assert [r.status for b in blocks for r in section.run(b)] == ["ok", "ok", "ok"]
    pid = int((tmp_path / "pid").read_text())
    assert is_running(pid)
    section.servers.close()
    assert not is_running(pid)


def test_a_server_that_ends_before_it_answers_is_a_failure(section):
    (result,) = section.run(block("echo no; exit 4 --port 8000", use="background"))
    assert result.status.startswith("exit code")
    assert "no" in result.output


def test_sections_have_folders_of_their_own_and_the_table_counts_what_was_not_run(tmp_path):
    blocks = [
        block("touch here"),
        block("pip install verl", use="install", where="verl"),
        Block(page="p", section="Two", use="run", where=".venv", lines=("test ! -e here",)),
        Block(page="p", section="Two", use="untested", where="needs GPUs", lines=("train",)),
    ]
    results = run_all(blocks, venvs={".venv": Path(sys.prefix)}, folder=tmp_path)
    assert [result.status for result in results] == ["ok", "ok"]
    shown = table(blocks, results)
    assert "| Two | `test ! -e here` | .venv | ok | 0 |" in shown
    assert "2 lines were run, 0 failed; 1 blocks are labelled as not tested, 1 as inst" in shown
    assert "- `train`: needs GPUs" in shown


@pytest.mark.parametrize(("line", "code"), [("true", 0), ("false", 1)])
def test_the_exit_code_says_whether_all_lines_ran(monkeypatch, page, capsys, line, code):
    page.write_text(f"## One\n\n*Tested in .venv.*\n\n```bash\n{line}\n```\n", encoding="utf-8")
    monkeypatch.setattr(run_engine_lines, "PAGES", (page,))
    assert run_engine_lines.main(["--venv", f".venv={sys.prefix}"]) == code
    assert f"| One | `{line}` | .venv |" in capsys.readouterr().out


def test_no_line_at_all_is_a_failure(monkeypatch, page):
    monkeypatch.setattr(run_engine_lines, "PAGES", (page,))
    assert run_engine_lines.main(["--section", "Three"]) == 1
