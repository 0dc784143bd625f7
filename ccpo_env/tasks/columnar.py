"""Rows of tables in memory: pandas, polars, pyarrow and datasets, without importing any of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ccpo_env.errors import TaskFileError
from ccpo_env.strict_json import expect_unique
from ccpo_env.tasks.fields import ALL_COLUMNS, GOLD_COLUMNS, QUESTION_COLUMNS

BATCH_ROWS = 8192
"""Rows that are turned into Python values at once."""
PLAIN_TYPES = frozenset((str, int, float, bool, type(None)))
"""Types of values that hold no NumPy values and are none."""
Reader = Callable[[Any], Iterator[dict[str, object]]]


def rows_of_columns(
    names: Sequence[str], columns: Sequence[Sequence[object]], num_rows: int
) -> Iterator[dict[str, object]]:
    """Return the rows of columns of equal length; there may be none of them."""
    if not columns:
        yield from ({} for _ in range(num_rows))
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def rows_of_batch(batch: Any, names: Sequence[str]) -> Iterator[dict[str, object]]:
    """Return the rows of a batch of pyarrow, with the columns of these names."""
    columns = [batch.column(name).to_pylist() for name in names]
    return rows_of_columns(names, columns, len(batch))


def read(names: Collection[Any]) -> list[str]:
    """Return the names of the columns that are read, in order.

    All are if those of a question or of a gold answer are missing, so that an error can name them.

    Raises:
        TaskFileError: If one of them is there twice.
    """
    found = [name for name in names if name in ALL_COLUMNS]
    if GOLD_COLUMNS.isdisjoint(found) or not set(QUESTION_COLUMNS) & set(found):
        found = list(names)
    check_unique(found, "the table")
    return found


def check_unique(names: Sequence[str], where: object) -> None:
    """Raise TaskFileError if two columns have one name; where: what it calls the table."""
    try:
        expect_unique(names, where)
    except ValueError as error:
        raise TaskFileError(str(error)) from None


def table_reader(table: object) -> Reader | None:
    """Return what reads the rows of a table; None if it is no table of a known kind."""
    if hasattr(table, "column_names") and hasattr(table, "iter"):
        return _datasets_rows
    if hasattr(table, "column_names") and hasattr(table, "to_batches"):
        return _arrow_rows
    if hasattr(table, "columns") and hasattr(table, "iter_rows"):
        return _polars_rows
    if hasattr(table, "columns") and hasattr(table, "iloc"):
        return _pandas_rows
    return None


def _datasets_rows(dataset: Any) -> Iterator[dict[str, object]]:
    for batch in dataset.iter(BATCH_ROWS):
        names = read(batch)
        num_rows = max(map(len, batch.values()), default=0)
        yield from rows_of_columns(names, [_plain(batch[name]) for name in names], num_rows)


def _arrow_rows(table: Any) -> Iterator[dict[str, object]]:
    names = read(table.column_names)
    for batch in table.select(names).to_batches(BATCH_ROWS):
        yield from rows_of_batch(batch, names)


def _polars_rows(frame: Any) -> Iterator[dict[str, object]]:
    yield from frame.select(read(frame.columns)).iter_rows(named=True)


def _pandas_rows(frame: Any) -> Iterator[dict[str, object]]:
    names = read(frame.columns)
    for start in range(0, len(frame), BATCH_ROWS):
        batch = frame.iloc[start : start + BATCH_ROWS]
        columns = []
        for name in names:
            column = batch[name]
            values = column.astype(object).where(column.notna(), None)
            columns.append(_plain(values.tolist()))
        yield from rows_of_columns(names, columns, len(batch))


def _plain(values: Any) -> list[object]:
    """Return NumPy scalars and arrays as Python values, nested ones included."""
    plain = getattr(values, "tolist", None)
    if plain is not None:
        values = plain()
    return [plain_value(value) for value in values]


def plain_value(value: Any) -> object:
    """Return a NumPy scalar or array as a Python value, within lists and mappings too."""
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, dict):
        return {key: plain_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(inner) for inner in value]
    plain = getattr(value, "tolist", None)
    return value if plain is None else plain_value(plain())
