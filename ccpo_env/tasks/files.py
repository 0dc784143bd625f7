"""Rows of local .jsonl and .parquet files, read as they are asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ccpo_env.errors import TaskFileError
from ccpo_env.strict_json import RepeatedKeyError, other_encoding, unique_keys
from ccpo_env.tasks.columnar import BATCH_ROWS, check_unique, read, rows_of_batch
from ccpo_env.tasks.origin import Origin, Row

_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys)


def file_rows(path: Path, *, all_columns: bool = False) -> Iterator[Row]:
    """Return the numbered rows of a file whose ending is in READERS.

    Args:
        path: The file.
        all_columns: Whether to read columns of a .parquet file that hold no field of a task.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If it is a .parquet file and pyarrow is not installed.
        TaskFileError: While reading, if it is damaged or a line is not JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"tasks must be an existing file, got {str(path)!r}; check the path"
        )
    return READERS[path.suffix](path, all_columns)


def _jsonl_rows(path: Path, _all_columns: bool) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            if number == 1 and (encoding := other_encoding(line)):
                raise TaskFileError(
                    f"tasks must be UTF-8, got {encoding} in {path}; save it as UTF-8"
                )
            try:
                row = _DECODER.decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except RepeatedKeyError as error:
                raise TaskFileError(error.within(f"line {number} of {path}")) from None
            except UnicodeDecodeError as error:
                raise TaskFileError(
                    f"tasks must be UTF-8, got byte 0x{error.object[error.start]:02x} in line "
                    f"{number} of {path}; save it as UTF-8"
                ) from None
            except (ValueError, RecursionError) as error:
                text = line.decode(errors="replace").strip()
                raise Origin.of_file(path).malformed(number, _rule(error), text) from None
            yield number, row


def _rule(error: Exception) -> str:
    """Return the rule that a line breaks which cannot be read."""
    if isinstance(error, RecursionError):
        return "be a JSON object that is not nested so deep"
    if isinstance(error, json.JSONDecodeError):
        return "be a JSON object"
    return f"have whole numbers of at most {sys.get_int_max_str_digits()} digits"


def _parquet_rows(path: Path, all_columns: bool) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError(
            f"tasks in a .parquet file must be read with the package pyarrow, got none for {path}; "
            f"run pip install 'ccpo-env[parquet]', or convert the file to .jsonl"
        ) from None
    number = 0
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            check_unique(names, path)
            names = names if all_columns else read(names)
            for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                for row in rows_of_batch(batch, names):
                    number += 1
                    yield number, row
    except (pa.lib.ArrowException, OSError, UnicodeDecodeError) as error:
        if path.stat().st_size == 0:
            return
        reason = str(error).splitlines()[0]
        raise TaskFileError(
            f"a .parquet file must be readable as Parquet, got {reason!r} in {path}; "
            f"write the file again"
        ) from None


READERS: Mapping[str, Callable[[Path, bool], Iterator[Row]]] = {
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}
"""Reader of each supported file ending."""
