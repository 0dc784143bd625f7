"""Read the rows of a dump, JSON Lines or Parquet; errors name the line."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from baselines.common.rollout_file import ROLLOUTS_FILE
from ccpo_env.strict_json import RepeatedKeyError, expect_unique, other_encoding, unique_keys

Row: TypeAlias = dict[str, Any]
Explode: TypeAlias = Callable[[Row], Iterable[Row]]
"""Turns an object of a nested file into flat rows."""

SAMPLE_ROWS = 1000
"""Rows from which the columns of a file, and so its format, are read."""
KNOWN_FILES = (ROLLOUTS_FILE, "completions.jsonl", "traces.jsonl", "results.jsonl")
"""Files of our runs and of verifiers, in the order in which a folder is searched for them."""
JSON_LINES, PARQUET = (".jsonl", ".ndjson", ".json"), ".parquet"


@dataclass(slots=True)
class Table:
    """Columns of a dump.

    Args:
        columns: Values by column; None where a row has none.
        sources: The files, and in each the number of rows before it.
        numbers: Number of the line, or row, of its file that each row is from.
        notes: What a reader should know, such as a last line that was cut off.
    """

    columns: dict[str, list[Any]]
    sources: list[tuple[Path, int]] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    notes: list[str] = field(default_factory=list)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.numbers)

    def where(self, row: int) -> str:
        """Return the line and the file of a row, for a message."""
        place = bisect_right([start for _, start in self.sources], row) - 1
        path = self.sources[place][0]
        return f"{'row' if path.suffix == PARQUET else 'line'} {self.numbers[row]} of {path}"


def find_files(path: Path) -> list[Path]:
    """Return the files of a dump: the file itself, or those of a folder.

    A folder is that of one of our runs, of an evaluation of verifiers, TRL's output_dir, or one
    whose files are all JSON Lines or all Parquet; they are read in the order of their numbers.

    Raises:
        ValueError: If there is no such file, or a folder has both kinds.
    """
    if path.is_file():
        if path.suffix not in (*JSON_LINES, PARQUET):
            raise ValueError(
                f"FILE must be .jsonl or .parquet, got {path.suffix or 'no ending'!r} in {path}; "
                f"convert it"
            )
        return [path]
    if not path.is_dir():
        raise ValueError(f"FILE must exist, got {path}; pass a .jsonl or .parquet file or a folder")
    for name in KNOWN_FILES:
        if (path / name).is_file():
            return [path / name]
    folder = path / "completions" if (path / "completions").is_dir() else path
    kinds = [sorted(folder.glob(f"*{ending}"), key=_number) for ending in (PARQUET, ".jsonl")]
    if not any(kinds) or all(kinds):
        found = ", ".join(sorted(each.name for each in folder.iterdir())[:8]) or "nothing"
        raise ValueError(
            f"a folder must hold .parquet files or .jsonl files of one kind, got {found} in "
            f"{folder}; pass one of its files"
        )
    return kinds[0] or kinds[1]


def sample_rows(paths: Sequence[Path]) -> list[Row]:
    """Return the first rows of a dump, as they are in the file, at most SAMPLE_ROWS.

    Raises:
        ValueError: If there are none, or one is not a JSON object.
        ImportError: If a .parquet file is read without pyarrow.
    """
    rows: list[Row] = []
    for path in paths:
        if path.suffix == PARQUET:
            with _parquet(path) as file:
                batches = file.iter_batches(batch_size=SAMPLE_ROWS)
                rows += next((batch.to_pylist() for batch in batches), [])
        else:
            for _, row in _json_rows(path, []):
                rows.append(row)
                if len(rows) == SAMPLE_ROWS:
                    break
        if len(rows) >= SAMPLE_ROWS:
            break
    if not rows:
        raise ValueError(f"FILE must have rows, got none in {paths[0]}; pass a file of a trainer")
    return rows[:SAMPLE_ROWS]


def read_table(paths: Sequence[Path], names: Sequence[str], explode: Explode | None) -> Table:
    """Return the named columns of all files; a value that a row lacks is None.

    Args:
        paths: The files, in order.
        names: Columns to read.
        explode: Turns an object of the file into rows; None: it is a row.

    Raises:
        ValueError: If a line is not a JSON object, or a .parquet file is damaged.
    """
    table = Table({name: [] for name in names})
    for path in paths:
        table.sources.append((path, table.num_rows))
        if path.suffix == PARQUET and explode is None:
            _add_parquet(table, path)
        else:
            rows = _parquet_rows(path) if path.suffix == PARQUET else _json_rows(path, table.notes)
            _add_rows(table, rows, explode)
    return table


def exploded(explode: Explode, row: Row, number: int, path: Path) -> list[Row]:
    """Return the rows of an object of a nested file.

    Raises:
        ValueError: If the object is not as its format is; the message names its line.
    """
    try:
        return list(explode(row))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"an object must be as its trainer writes it, got one that cannot be read "
            f"({type(error).__name__}: {error}) in line {number} of {path}; correct or remove it"
        ) from None


def _add_rows(table: Table, rows: Iterator[tuple[int, Row]], explode: Explode | None) -> None:
    columns, numbers = list(table.columns.items()), table.numbers
    for number, row in rows:
        place = table.sources[-1][0]
        for flat in (row,) if explode is None else exploded(explode, row, number, place):
            numbers.append(number)
            for name, values in columns:
                values.append(flat.get(name))


def _add_parquet(table: Table, path: Path) -> None:
    import pyarrow as pa

    with _parquet(path) as file:
        num_rows = file.metadata.num_rows
        known = [name for name in table.columns if name in file.schema_arrow.names]
        read = file.read(columns=known)
        for name, values in table.columns.items():
            if name not in known:
                values += [None] * num_rows
                continue
            column = read.column(name).combine_chunks()
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                texts = column.dictionary_encode()  # equal texts, such as prompts, are stored once
                known_texts = texts.dictionary.to_pylist()
                codes = texts.indices.to_pylist()
                values += [None if code is None else known_texts[code] for code in codes]
            else:
                values += column.to_pylist()
        table.numbers.extend(range(1, num_rows + 1))


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with _parquet(path) as file:
        yield from enumerate(file.read().to_pylist(), start=1)


def _parquet(path: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError(
            f"a .parquet file must be read with the package pyarrow, got none for {path}; run pip "
            f"install 'ccpo-env[parquet]', or convert the file to .jsonl"
        ) from None
    try:
        file = pq.ParquetFile(path)
        expect_unique(file.schema_arrow.names, path)
        return file
    except (pa.lib.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"a .parquet file must be readable as Parquet, got {reason!r} in {path}; write it again"
        ) from None


def _json_rows(path: Path, notes: list[str]) -> Iterator[tuple[int, Row]]:
    """Yield the objects of a file and their lines; a last line that was cut off is noted."""
    # json.loads looks for the encoding of each line.
    decode = json.JSONDecoder(object_pairs_hook=unique_keys).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                if encoding := other_encoding(line):
                    raise ValueError(
                        f"FILE must be UTF-8, got {encoding} in {path}; save it as UTF-8"
                    )
                line = line.removeprefix(BOM_UTF8)
            if line.isspace():
                continue
            try:
                row = decode(line.decode())
            except RepeatedKeyError as error:
                raise ValueError(error.within(f"line {number} of {path}")) from None
            except (ValueError, RecursionError):  # malformed, not UTF-8, or nested without end
                row = None
            if isinstance(row, dict):
                yield number, row
            elif row is None and number > 1 and not line.endswith(b"\n"):
                notes.append(f"line {number} of {path.name} is cut off and left out")
            else:
                shown = line.decode(errors="replace").strip()[:80]
                raise ValueError(
                    f"each line must be a JSON object, got {shown!r} in line {number} of {path}; "
                    f"correct or remove that line"
                )


def _number(path: Path) -> tuple[int, str]:
    """Return the order of a file: by the digits of its name, such as a step, then by name."""
    digits = "".join(char for char in path.stem if char in "0123456789")
    return int(digits or 0), path.name
