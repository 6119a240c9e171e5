"""The summary of a run as HTML: what became of the queries, the figures that matter most, and all others as tables."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from geonav.evaluation.report.outcomes import Outcome, counted

Tile = tuple[str, str, str]
# Longer lists are curves: they are drawn, and stand in summary.json.
_LONGEST = 12


def outcome_bar(keys: Sequence[str]) -> str:
    """How many queries came to which end, as parts of a bar that choose photos, and in words."""
    kinds = counted(keys)
    parts = "".join(_part(kind, count) for kind, count in kinds)
    words = "".join(
        f"<li class={kind.tone} style='--c:var(--tone)' title='{html.escape(kind.meaning)}'>"
        f"{html.escape(kind.label)} <b>{count}</b>"
        for kind, count in kinds
    )
    return f"<div class=outcome>{parts}</div><ul class=legend>{words}</ul>" if kinds else ""


def _part(kind: Outcome, count: int) -> str:
    label = html.escape(f"{count} {kind.label}")
    return (
        f"<button type=button class={kind.tone} style='flex:{count} 0 0' title='{label}' aria-label='{label}' "
        f"data-outcome='{html.escape(kind.key)}'>{count}</button>"
    )


def tiles(shown: Sequence[Tile]) -> str:
    """The figures that matter most.

    Args:
        shown: figure, what it is, and its tone (``good``, ``weak``, ``bad`` or empty).
    """
    boxes = "".join(
        f"<div class='tile {tone}'><b>{html.escape(figure)}</b><span>{html.escape(text)}</span></div>"
        for figure, text, tone in shown
    )
    return f"<div class=tiles>{boxes}</div>" if boxes else ""


def tables(summary: Mapping[str, Any]) -> str:
    """All figures: those that stand alone in one table, every group of them in a table of its own."""
    alone = {name: value for name, value in summary.items() if _is_plain(value)}
    parts = [_rows("", alone)] if alone else []
    parts += [_table(name, value) for name, value in summary.items() if name not in alone]
    return f"<div class=tables>{''.join(parts)}</div>"


def _table(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a summary holds
    if isinstance(value, Mapping):
        if value and all(_is_row(inner) for inner in value.values()):
            return grid(name, [(key, inner) for key, inner in value.items()])
        plain = {key: inner for key, inner in value.items() if _is_plain(inner)}
        deeper = "".join(_table(f"{name}: {key}", inner) for key, inner in value.items() if key not in plain)
        return (_rows(name, plain) if plain else "") + deeper
    if isinstance(value, Sequence) and value and all(isinstance(inner, Mapping) for inner in value):
        return grid(name, [("", inner) for inner in value]) if len(value) <= _LONGEST else ""
    return ""


def _rows(name: str, values: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th scope=row>{_words(key)}<td>{_said(value)}" for key, value in values.items())
    return f"<div>{_heading(name)}<div class=scroll><table>{rows}</table></div></div>"


def grid(name: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A table of figures.

    Args:
        name: above it.
        rows: name of each, empty for none, and its cells by their columns.
    """
    columns = list(dict.fromkeys(key for _, row in rows for key, value in row.items() if _is_plain(value)))
    named = any(key for key, _ in rows)
    corner = "<th>" if named else ""
    head = corner + "".join(f"<th scope=col>{_words(column)}" for column in columns)
    body = "".join(
        "<tr>"
        + (f"<th scope=row>{html.escape(str(key))}" if named else "")
        + "".join(f"<td>{_said(row.get(column))}" for column in columns)
        for key, row in rows
    )
    return (
        f"<div>{_heading(name)}<div class=scroll><table class=grid><thead><tr>{head}<tbody>{body}</table></div></div>"
    )


def _heading(name: str) -> str:
    return f"<h4>{_words(name)}</h4>" if name else ""


def _is_interval(value: object) -> bool:
    return isinstance(value, Mapping) and {"low", "high"} <= set(value)


def _is_row(value: object) -> bool:
    """Whether it is a group of figures, and no group of groups."""
    return isinstance(value, Mapping) and not _is_interval(value) and any(_is_plain(inner) for inner in value.values())


def _is_plain(value: object) -> bool:
    """Whether it fits a cell."""
    if _is_interval(value) or value is None or isinstance(value, str | bool | int | float):
        return True
    if isinstance(value, Sequence):
        return len(value) <= _LONGEST and all(isinstance(inner, str | int | float) or inner is None for inner in value)
    return False


def _said(value: Any) -> str:  # noqa: ANN401 - whatever a summary holds
    if isinstance(value, Mapping):
        middle = next((value[key] for key in ("value", "estimate", "median", "share") if key in value), None)
        return f"{_said(middle)} <span class=soft>[{_said(value['low'])}, {_said(value['high'])}]</span>"
    if isinstance(value, list | tuple):
        return ", ".join(_said(inner) for inner in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    words = {"None": "-", "True": "yes", "False": "no"}
    return html.escape(words.get(repr(value), str(value)))


def _words(name: str) -> str:
    return html.escape(name.replace("_", " "))
