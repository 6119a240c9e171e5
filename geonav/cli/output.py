"""Everything that is printed on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from pydantic import BaseModel

from geonav.errors import InputError, PartialError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.pipeline.check import CheckReport
    from geonav.pipeline.importing import ImportReport
    from geonav.pipeline.index import IndexReport
    from geonav.vision.weights import ModelInfo

_WIDTH_OF_A_FILE = 160  # columns of a table where stdout is no terminal
_NAMES_IN_A_LINE = 3


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Turn a report (dataclass, pydantic, path ...) into what JSON can hold."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(by_alias=True))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def counted(count: int, noun: str) -> str:
    """A number of things, as in ``1 point`` and ``2,000 points``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def write_json(value: object) -> None:
    """One compact JSON object on a line of its own."""
    typer.echo(json.dumps(plain(value), separators=(",", ":")))


def table_width() -> int:
    """Columns that a table may have: the terminal's or $COLUMNS."""
    from rich.console import Console

    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return Console().width if known else _WIDTH_OF_A_FILE


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; long words are folded, never cut. Columns whose name starts with ``>`` are numbers, never folded."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if is_number else "left", overflow="fold", no_wrap=is_number
        )
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False, width=table_width())
    with console.capture() as text:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in text.get().rstrip("\n").split("\n")))


def number(value: float | None, digits: int) -> str:
    """A cell of a table; empty where there is no number, and never ``-0.00``."""
    return "" if value is None else f"{value:z.{digits}f}"


def write_remarks(remarks: Iterable[tuple[str, str]], kind: str = "") -> None:
    """One line a remark, the photos it holds for before it."""
    photos: dict[str, list[str]] = {}
    for name, text in remarks:
        photos.setdefault(text, []).append(name)
    for text, names in photos.items():
        more = len(names) - _NAMES_IN_A_LINE
        shown = ", ".join(names) if more <= 0 else f"{', '.join(names[:_NAMES_IN_A_LINE])} and {more} more"
        typer.echo(f"{kind}{shown}: {text}")


def write_import(report: ImportReport, path: Path, *, as_json: bool) -> None:
    """What an import did.

    Raises:
        InputError: nothing could be imported.
        PartialError: some could not.
    """
    if as_json:
        write_json(report)
    else:
        counts = f"{len(report.added)} added, {len(report.updated)} updated, {len(report.skipped)} there already"
        typer.echo(f"{path}: {counts}, {len(report.failed)} failed")
        _list_reasons([*report.notes, *report.failed])
    done = len(report.added) + len(report.updated) + len(report.skipped)
    _raise_for(report.failed, done=done, task="imported")


def write_index(report: IndexReport, *, as_json: bool) -> None:
    """What indexing did.

    Raises:
        InputError: nothing could be indexed.
        PartialError: some could not.
    """
    if as_json:
        write_json(report)
    else:
        typer.echo(f"{report.computed} computed, {report.reused} there already, {len(report.failed)} failed")
        if report.index is not None:
            typer.echo(str(report.index))
        _list_reasons(report.failed)
    _raise_for(report.failed, done=report.computed + report.reused, task="indexed")


def _list_reasons(reasons: Sequence[tuple[str, str]]) -> None:
    for name, reason in reasons:
        typer.echo(f"  {name}: {reason}")


def _raise_for(failed: Sequence[tuple[str, str]], *, done: int, task: str) -> None:
    if failed:
        name, reason = failed[0]
        msg = f"{len(failed)} of {done + len(failed)} photos were not {task}, the first being {name}: {reason}"
        raise PartialError(msg) if done else InputError(msg)


def write_models(models: Sequence[ModelInfo], *, as_json: bool) -> None:
    """The table of ``geonav models list``."""
    if as_json:
        write_json(models)
        return
    rows = [(m.weights.name, m.state, m.weights.licence, m.weights.source, str(m.path)) for m in models]
    write_table(["weights", "state", "licence", "source", "file"], rows)


def write_info(value: object, *, as_json: bool) -> None:
    """One ``name: value`` a line, or one JSON object."""
    data = plain(value)
    if as_json:
        write_json(data)
        return
    for name, item in data.items():
        typer.echo(f"{name}: {item if isinstance(item, str) else json.dumps(item)}")


def write_check(report: CheckReport, *, as_json: bool) -> None:
    """What a check found.

    Raises:
        PartialError: something stays broken.
    """
    if as_json:
        write_json(report)
    else:
        for finding in report.findings:
            typer.echo(f"{finding.where}: {finding.problem}{' (repaired)' if finding.repaired else ''}")
        typer.echo(f"{report.checked} entries checked, {len(report.findings)} findings")
    left = sum(not finding.repaired for finding in report.findings)
    if left:
        msg = f"{left} of {len(report.findings)} findings are not repaired; --repair does what can be done"
        raise PartialError(msg)


def write_config(config: GeonavConfig, *, as_json: bool) -> None:
    """The configuration as a geonav.toml with its manual in comments; secrets stay hidden."""
    if as_json:
        write_json(config)
        return
    tables = plain(config)
    _write_toml(type(config), {key: item for key, item in tables.items() if not isinstance(item, dict)})
    for name, field in type(config).model_fields.items():
        key = field.alias or name
        if isinstance(tables[key], dict):
            typer.echo(f"\n[{key}]")
            _write_toml(type(getattr(config, name)), tables[key])


def _write_toml(model: Any, settings: Mapping[str, Any]) -> None:  # noqa: ANN401 - a class of pydantic
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in settings.items():
        typer.echo(f"# {fields[key].description}")
        if value is None:
            typer.echo(f"# {key} =")
        else:
            typer.echo(f"{key} = {_toml(value)}")


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
