"""``geonav evaluate sweep``: the same queries under every combination of some settings, a run folder each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes, atomic_write_json, storage_errors
from geonav.data.progress import OnProgress
from geonav.errors import DatabaseError, GeonavError, StorageError, UsageError
from geonav.evaluation import provenance
from geonav.evaluation.experiment import Experiment, evaluate
from geonav.evaluation.query_set import joined, read_distractors, read_query_set
from geonav.evaluation.run_folder import read_run
from geonav.evaluation.sweep_plan import Combination, SweepPlan
from geonav.pipeline.index import index_global

SWEEP_FILE, TABLE_FILE = "sweep.json", "sweep.csv"
_SUMMARY_FILE = "summary.json"  # written when a run is finished
OnRow = Callable[["Row"], None]


@dataclass(frozen=True)
class Row:
    """One combination and what came of it.

    Attributes:
        name: of its folder.
        values: the value of each axis.
        summary: the figures; empty where it failed.
        error: why it failed; None where it did not.
        is_reused: whether it was there already.
    """

    name: str
    values: Mapping[str, Any]
    summary: Mapping[str, Any]
    error: str | None = None
    is_reused: bool = False


@dataclass(frozen=True)
class SweepReport:
    """All combinations.

    Attributes:
        folder: of the runs.
        table: ``sweep.csv``: a row a combination, a column an axis and a figure.
        rows: in the order of the axes.
    """

    folder: Path
    table: Path
    rows: tuple[Row, ...]


def run_sweep(
    plan: SweepPlan,
    *,
    config_path: Path | None = None,
    on_progress: OnProgress | None = None,
    on_row: OnRow | None = None,
) -> SweepReport:
    """Run every combination; what is finished is taken as it is, what was interrupted goes on.

    The references are indexed as a combination needs it, of which nothing is computed that is there already. A
    combination that fails does not keep the others from running.

    Args:
        plan: as :func:`geonav.evaluation.sweep_plan.read_plan` gives it.
        config_path: configuration beneath the plan's settings; see :func:`geonav.config.load_config`.
        on_progress: called after each photo.
        on_row: called after each combination.

    Raises:
        ConfigError: a combination is no valid configuration; nothing was run.
        InputError: a query set is broken; nothing was run.
        UsageError: the folder holds a sweep of other sets or settings.
        StorageError: the disk does not take it.
    """
    references = Database.open(plan.reference_set)
    queries = joined(read_query_set(plan.query_set).queries, read_distractors(plan.distractors))
    planned = [(each, load_config(config_path, _merged(plan.settings, each.overrides))) for each in plan.combinations()]
    _remember(plan, planned)
    rows: list[Row] = []
    for combination, config in planned:
        rows.append(_row(plan, combination, config, (references, len(queries)), on_progress))
        _write_table(plan, rows)
        if on_row is not None:
            on_row(rows[-1])
    return SweepReport(plan.output, plan.output / TABLE_FILE, tuple(rows))


def _row(
    plan: SweepPlan,
    combination: Combination,
    config: GeonavConfig,
    sets: tuple[Database, int],
    on_progress: OnProgress | None,
) -> Row:
    folder, name, (references, num_queries) = plan.output / combination.name, combination.name, sets
    try:
        is_finished = _is_finished(folder, num_queries)
        index_global(references, config, on_progress)
        experiment = Experiment(name, plan.distractors, plan.thresholds, ("evaluate", "sweep"))
        report = evaluate(
            plan.query_set, references, config, experiment=experiment, output=folder, on_progress=on_progress
        )
    except StorageError:
        raise
    except GeonavError as error:
        return Row(name, combination.values, {}, error=str(error))
    return Row(name, combination.values, report.summary, is_reused=is_finished)


def _is_finished(folder: Path, num_queries: int) -> bool:
    """Whether a run has come to its end; that it is the same one is checked when it is gone on with."""
    return (folder / _SUMMARY_FILE).is_file() and len(read_run(folder).records) == num_queries


def _remember(plan: SweepPlan, planned: Sequence[tuple[Combination, GeonavConfig]]) -> None:
    """Note what the runs are of; runs of other axes may stand beside them, of other sets or settings they may not."""
    path = plan.output / SWEEP_FILE
    sets: dict[str, Any] = {
        "query_set": str(plan.query_set.resolve()),
        "reference_set": str(plan.reference_set.resolve()),
        "distractors": [str(each.resolve()) for each in plan.distractors],
    }
    runs = {each.name: provenance.configuration(config) for each, config in planned}
    old = _read(path)
    if old is not None:
        for name, value in sets.items():
            if old.get(name) != value:
                _refuse(plan, f"{name}: {old.get(name)} there, {value} now")
        before = old.get("runs", {})
        for name in sorted(runs.keys() & before.keys()):
            if runs[name] != before[name]:
                _refuse(plan, f"settings of {name}: {_first_difference(before[name], runs[name])}")
        runs = {**before, **runs}
    elif plan.output.is_dir() and any(plan.output.iterdir()):
        msg = f"{plan.output} is no folder of a sweep and not empty: choose another --output"
        raise UsageError(msg)
    with storage_errors(plan.output):
        plan.output.mkdir(parents=True, exist_ok=True)
    atomic_write_json(path, {**sets, "runs": runs})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read ({error}): choose another --output"
        raise DatabaseError(msg) from error
    if not isinstance(data, dict) or not isinstance(data.get("runs", {}), dict):
        msg = f"{path} is no record of a sweep: choose another --output"
        raise DatabaseError(msg)
    return data


def _refuse(plan: SweepPlan, difference: str) -> None:
    msg = f"{plan.output} holds another sweep ({difference}): choose another --output, or remove the folder"
    raise UsageError(msg)


def _first_difference(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> str:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return _first_difference(old, new, f"{prefix}{name}.")
        if old != new:
            return f"{prefix}{name} {old} there, {new} now"
    return ""


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings, those of the second winning."""
    found = dict(first)
    for name, value in second.items():
        old = found.get(name)
        found[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


def _write_table(plan: SweepPlan, rows: Sequence[Row]) -> None:
    """One row a combination: the axes, then every figure that is a number."""
    figures = [_numbers(row.summary) for row in rows]
    columns = list(dict.fromkeys(name for each in figures for name in each))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *plan.axes, *columns, "error"])
    for row, found in zip(rows, figures, strict=True):
        values = [found.get(name, "") for name in columns]
        writer.writerow([row.name, *(row.values[name] for name in plan.axes), *values, row.error or ""])
    atomic_write_bytes(plan.output / TABLE_FILE, text.getvalue().encode("utf-8", "backslashreplace"))


def _numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for section, prefix in ((summary, ""), (summary.get("trust", {}), "trust_"), (summary.get("open_set", {}), "")):
        found |= {f"{prefix}{name}": value for name, value in section.items() if type(value) in {int, float}}
    return found
