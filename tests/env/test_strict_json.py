from __future__ import annotations

import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.audit.files import find_files, sample_rows
from baselines.common.files import read_json, read_object
from baselines.common.jsonl import read_rows
from baselines.train.config_file import read_settings
from ccpo_env import load_tasks
from ccpo_env.strict_json import decoded, expect_unique, parse

TWICE = '{"seed": 1, "steps": 2, "seed": 3}'
ENCODINGS = {"utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_decoded_names_another_encoding(encoding):
    with pytest.raises(ValueError, match=f"must be UTF-8, got {ENCODINGS[encoding]}; save"):
        decoded(TWICE.encode(encoding))


def test_decoded_names_the_line_of_a_byte_that_is_no_text():
    with pytest.raises(ValueError, match="got byte 0xff in line 3; save the file"):
        decoded(b"a\nb\nc \xff")


@given(st.text())
def test_decoded_returns_utf_8_with_or_without_a_mark(text):
    if len(text) < 3 or "\0" not in text[:64]:
        assert decoded(text.encode()) == text.removeprefix("\ufeff")
        assert decoded(codecs.BOM_UTF8 + text.encode()) == text


@settings(max_examples=25)
@given(st.recursive(st.integers() | st.text(), lambda own: st.dictionaries(st.text(), own)))
def test_parse_is_that_of_json_where_keys_are_unique(value):
    assert parse(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TWICE, "a key must be there once, got 'seed' twice"),
        ('[{"a": {"b": 1, "b": 1}}]', "got 'b' twice"),
        ("[" * 200_000, "must not be nested without end"),
        ("{", "Expecting property name"),
    ],
)
def test_parse_says_what_is_wrong(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse(text)


def test_columns_of_one_name_are_named(tmp_path):
    expect_unique(["a", "b"], tmp_path)
    with pytest.raises(ValueError, match="must have different names, got 'a' twice"):
        expect_unique(["a", "b", "a"], tmp_path)


READERS = {
    "a.json": read_json,
    "b.json": read_object,
    "a.jsonl": read_rows,
    "config.json": read_settings,
    "config.toml": read_settings,
    "config.yaml": read_settings,
    "audited.jsonl": lambda path: sample_rows(find_files(path)),
    "tasks.jsonl": load_tasks,
}


@pytest.mark.parametrize("name", READERS)
def test_reader_names_the_encoding_of_a_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes('{"seed": 1}\n'.encode("utf-16"))
    with pytest.raises(ValueError, match="got UTF-16") as refused:
        READERS[name](path)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"a.jsonl", "config.toml"}))
def test_reader_names_a_key_that_is_there_twice(tmp_path, name):
    if name.endswith(".yaml"):
        pytest.importorskip("yaml", reason="the package pyyaml is not installed")
    path = tmp_path / name
    path.write_text(TWICE + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="got 'seed' twice") as refused:
        READERS[name](path)
    assert str(tmp_path) in str(refused.value)


def test_object_is_read_and_another_value_is_named(tmp_path):
    path = tmp_path / "config.json"
    for text, kind in (("[]", "list"), ("null", "NoneType"), ("7", "int"), ('"x"', "str")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=f"must hold a JSON object, got {kind} in"):
            read_object(path)


def test_yaml_that_refers_to_itself_a_billion_times_is_refused_at_once(tmp_path):
    pytest.importorskip("yaml", reason="the package pyyaml is not installed")
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join([*lines, "steps: *a11"]).replace("a0:", "seed:", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="unknown setting 'a1'"):
        read_settings(path)


def test_parquet_file_with_two_columns_of_one_name_is_named(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["question", "question"])
    pq.write_table(table, tmp_path / "tasks.parquet")
    with pytest.raises(ValueError, match="must have different names, got 'question' twice"):
        load_tasks(tmp_path / "tasks.parquet")
    with pytest.raises(ValueError, match="must have different names, got 'question' twice"):
        load_tasks(table)
    with pytest.raises(ValueError, match="must have different names, got 'question' twice"):
        sample_rows([tmp_path / "tasks.parquet"])
