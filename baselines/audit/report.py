"""Audit a file: read it, audit its agents, and return what is printed and written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.audit.audit import DEFAULT_TOLERANCE, AgentAudit, audit_rows
from baselines.audit.columns import Columns, NamedColumns, choose_columns
from baselines.audit.files import Table, find_files, read_table, sample_rows
from baselines.audit.formats import Format, flat_rows, format_of
from baselines.audit.narrative import notes, reason, sentence
from baselines.audit.rows import Rows, rows_of
from baselines.common.files import CONFIG_FILE, read_object
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAudit:
    """The audit of a dump.

    Args:
        path: The file, or the folder.
        kind: Its format.
        columns: Which column means what.
        rows: Its rows.
        tolerance: Tolerance, in units of the spread of an agent's advantages.
        agents: The audit of each agent.
        notes: What limits it, in sentences.
    """

    path: Path
    kind: Format
    columns: Columns
    rows: Rows
    tolerance: float
    agents: tuple[AgentAudit, ...]
    notes: tuple[str, ...]

    def sentence(self, audit: AgentAudit) -> str:
        """Return the sentence on an agent."""
        return sentence(audit, is_alone=len(self.agents) == 1, kind=self.kind)

    def to_json(self) -> dict[str, object]:
        """Return the audit as JSON values; what was not measured is None."""
        return {
            "file": str(self.path),
            "format": self.kind.name,
            "tolerance": self.tolerance,
            "columns": {
                "group": list(self.columns.group),
                "reward": list(self.columns.reward),
                "advantage": self.columns.advantage,
                "agent": self.columns.agent,
                "step": self.columns.step,
                "removed": self.columns.removed,
                "tokens": self.columns.tokens,
            },
            "num_rows": len(self.rows.reward),
            "num_groups": self.rows.num_groups,
            "num_steps": self.rows.num_steps,
            "num_unmeasured": self.rows.num_unmeasured,
            "agents": {audit.agent: self._agent(audit) for audit in self.agents},
            "notes": list(self.notes),
        }

    def _agent(self, audit: AgentAudit) -> dict[str, object]:
        compared, match, found = audit.comparison, audit.match, audit.found
        signal = audit.mixed_rate if compared is None else compared.signal_rate
        return {
            "degenerate": audit.degenerate,
            "slope": None if compared is None else _number(compared.slope),
            "correlation": None if compared is None else _number(compared.correlation),
            "sign_agreement": None if compared is None else _number(compared.sign_agreement),
            "variance_ratio": None if compared is None else _number(compared.variance_ratio),
            "signal_rate": signal,
            "formula": audit.name,
            "settings": None if match is None else dict(match.formula.settings),
            "credit": None if match is None else match.credit,
            "credit_settings": None if match is None else dict(match.credit_settings),
            "also": list(audit.other_names),
            "alternatives": [
                {
                    "formula": each.formula.names[0],
                    "settings": dict(each.formula.settings),
                    "credit": each.credit,
                    "description": each.formula.text,
                }
                for each in audit.alternatives
            ],
            "description": None if match is None else match.formula.text,
            "reason": None if match is not None else reason(audit, self.kind),
            "max_error": None if match is None else match.fit.error,
            "num_support": None if match is None else match.fit.num_support,
            "num_support_groups": None if match is None else match.fit.num_support_groups,
            "num_zeroed": None if match is None else match.fit.num_zeroed,
            "clipped_at": None if match is None else match.fit.clipped_at,
            "allowed_error": None if found is None else found.tolerance.allowed,
            "decimals": None if found is None else found.tolerance.decimals,
            "precision": None if found is None else found.tolerance.precision,
            "compared_under": None if audit.reference is None else audit.reference.text,
            "num_rows": audit.num_rows,
            "num_groups": audit.num_groups,
            "num_single_groups": audit.num_single,
            "num_uniform_groups": audit.num_uniform,
            "num_missing": audit.num_missing,
            "num_varying": audit.num_varying,
            "reward_mean": _number(audit.reward_mean),
            "reward_std": _number(audit.reward_std),
            "mixed_rate": audit.mixed_rate,
            "sentence": self.sentence(audit),
        }


def audit_file(
    path: Path,
    *,
    named: NamedColumns | None = None,
    weights: Sequence[float] = (),
    tolerance: float = DEFAULT_TOLERANCE,
) -> FileAudit:
    """Audit the rewards and advantages of a file or folder.

    Args:
        path: A .jsonl or .parquet file, or a folder; see `find_files`.
        named: Columns by name, where they are not found by themselves.
        weights: Weights of the columns of rewards; none: all are 1.
        tolerance: Tolerance, in units of the spread of an agent's advantages.

    Raises:
        ValueError: If the file cannot be read, or has no column of groups or rewards.
        ImportError: If a .parquet file is read without pyarrow.
    """
    paths = find_files(path)
    sample = sample_rows(paths)
    kind = format_of(sample)
    columns = choose_columns(
        flat_rows(sample, kind, paths[0]), kind, named or NamedColumns(), paths[0].name
    )
    table = read_table(paths, columns.read, kind.explode)
    rows = rows_of(table, columns, weights)
    allocator, optimizer = _methods_of(paths[0].parent, kind)
    audits = audit_rows(rows, tolerance=tolerance, prefer=optimizer)
    return FileAudit(
        path=path,
        kind=kind,
        columns=columns,
        rows=rows,
        tolerance=tolerance,
        agents=tuple(audits),
        notes=(
            *notes(rows, audits, columns, kind),
            *_trained_with(allocator, optimizer, audits),
            *_sentences(table),
        ),
    )


def _sentences(table: Table) -> list[str]:
    return [f"{note[0].upper()}{note[1:]}." for note in table.notes]


def _trained_with(
    allocator: str | None, optimizer: str | None, audits: Sequence[AgentAudit]
) -> Iterator[str]:
    """Yield what a run of this package was trained with, if the file does not allow to tell it."""
    is_open = any(audit.found is not None and audit.found.is_open for audit in audits)
    if allocator is not None and optimizer is not None and is_open:
        yield (
            f"This run was trained with {allocator} and {optimizer}, whose credit the file does "
            f"not allow to recompute."
        )


def _methods_of(folder: Path, kind: Format) -> tuple[str | None, str | None]:
    """Return the allocator and the optimizer of a run of this package, None of others."""
    if not kind.name.startswith("ccpo") or not (folder / CONFIG_FILE).is_file():
        return None, None
    config = read_object(folder / CONFIG_FILE)
    given = config if isinstance(config, Mapping) else {}
    allocator, optimizer = given.get("allocator"), given.get("optimizer")
    return (
        allocator if isinstance(allocator, str) and allocator in ALLOCATORS else None,
        optimizer if isinstance(optimizer, str) and optimizer in OPTIMIZERS else None,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
