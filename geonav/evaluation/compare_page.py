"""The comparison of two runs as one HTML file that opens from disk."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from geonav.data.files import atomic_write_bytes
from geonav.evaluation.compare import Change, Comparison, Difference

_STYLE = """
:root{color-scheme:light dark;font:15px/1.45 system-ui,sans-serif}body{margin:0 auto;max-width:78rem;padding:1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #8884;padding:.3rem .5rem;text-align:left;vertical-align:top}
.t{max-width:22rem;min-width:8rem;overflow-wrap:anywhere}.w{min-width:12rem}
.n{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.better{color:#18794e}.worse{color:#c4302b}@media(prefers-color-scheme:dark){.better{color:#4cc38a}.worse{color:#ff8a80}}
svg{display:block;height:1.2rem;min-width:9rem;width:100%}
"""
_FIGURES = ("figure", "photos", "a", "b", "b - a", "95 % interval", "", "only a", "only b", "p", "test")
_NUMBERS = {"photos", "a", "b", "b - a", "95 % interval", "only a", "only b", "p"}
_CHANGES = ("", "photo", "in a", "in b", "why in a", "why in b")


def write_comparison(path: Path, found: Comparison) -> None:
    """Write the page.

    Raises:
        StorageError: the disk does not take it.
    """
    a, b = html.escape(found.a), html.escape(found.b)
    alone = "".join(
        f"<p>Only in {name}: {html.escape(', '.join(names))}</p>"
        for name, names in ((a, found.only_in_a), (b, found.only_in_b))
        if names
    )
    figures = _table(_FIGURES, [_figure(each) for each in found.differences])
    changes = _table(_CHANGES, [_change(each) for each in found.changes]) if found.changes else ""
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{a} and {b}</title><style>{_STYLE}</style><h1>{a} and {b}</h1>"
        f"<p><b>a</b>: {a}<br><b>b</b>: {b}<br>{found.num_pairs} photos in both, paired by name. "
        "Medians are of the photos that both runs located.</p>"
        f"{alone}{figures}<h2>{len(found.changes)} photos ended otherwise</h2>{changes}</html>\n"
    )
    atomic_write_bytes(path, page.encode("utf-8", "backslashreplace"))


def _table(names: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th{' class=n' if name in _NUMBERS else ''}>{name}" for name in names)
    return f"<div class=scroll><table><tr>{head}{''.join(rows)}</table></div>"


def _figure(found: Difference) -> str:
    is_share = found.only_a is not None

    def said(value: float) -> str:
        return f"{100 * value:.1f} %" if is_share else f"{value:.4g}"

    numbers = [str(found.num), said(found.a), said(found.b), said(found.difference)]
    interval = f"{said(found.low)} to {said(found.high)}"
    counts = ["" if count is None else str(count) for count in (found.only_a, found.only_b)]
    after = [*counts, "" if found.p is None else f"{found.p:.2g}"]
    cells = "".join(f"<td class=n>{cell}" for cell in (*numbers, interval))
    rest = "".join(f"<td class=n>{cell}" for cell in after)
    return (
        f"<tr><th class=t>{html.escape(found.what)}{cells}<td>{_bar(found)}{rest}<td class=n>{html.escape(found.test)}"
    )


def _bar(found: Difference) -> str:
    """The interval as a line over a tick at zero, on a scale of its own."""
    reach = max(abs(found.low), abs(found.high), abs(found.difference)) or 1.0
    low, middle, high = (50 + 48 * value / reach for value in (found.low, found.difference, found.high))
    return (
        "<svg viewBox='0 0 100 10' preserveAspectRatio=none aria-hidden=true stroke=currentColor>"
        "<path d='M50 0V10' stroke-opacity=.4 vector-effect=non-scaling-stroke />"
        f"<path d='M{low:.1f} 5H{high:.1f}M{middle:.1f} 2V8' stroke-width=2 vector-effect=non-scaling-stroke />"
        "</svg>"
    )


def _change(change: Change) -> str:
    kind, sign = {True: ("better", "+"), False: ("worse", "&minus;"), None: ("", "")}[change.is_better]
    ends = "".join(f"<td>{text.replace('_', ' ')}" for text in (change.before, change.after))
    why = "".join(f"<td class=w>{html.escape(text)}" for text in (change.why_before, change.why_after))
    return f"<tr class='{kind}'><td>{sign}<td class=t>{html.escape(change.name)}{ends}{why}"
