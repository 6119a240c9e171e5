"""What a summary says first: the figures that matter most, and tables of accuracy, retrieval, groups and time."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from geonav.evaluation.report.figures import Tile, grid, tiles
from geonav.evaluation.report.words import degrees, metres

Summary = Mapping[str, Any]
_WITHIN = re.compile(r"within_([\d.e+-]+)m_([\d.e+-]+)deg")
_RECALL = re.compile(r"recall_at_(\d+)")
_KINDS = {
    "position_m": "position in 3D",
    "horizontal_m": "horizontal",
    "vertical_m": "vertical",
    "rotation_deg": "orientation",
    "azimuth_deg": "heading",
}
_QUANTILES = {"q25": "25 %", "q50": "median", "q75": "75 %", "q90": "90 %", "q95": "95 %", "worst": "worst"}


def overview(summary: Summary) -> str:
    """Tiles and tables of a summary, of what it holds."""
    parts = [_accuracy(summary), _errors(summary), _retrieval(summary), *_groups(summary), _seconds(summary)]
    found = "".join(parts)
    note = "<p class=soft>In brackets 95 % intervals.</p>"
    return f"{tiles(_tiles(summary))}<div class=tables>{found}</div>{note}" if found else tiles(_tiles(summary))


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A share with its interval: ``80 % [55 to 93]``."""
    if value is None:
        return "-"
    low_high = "" if not interval else f" [{100 * interval[0]:.0f} to {100 * interval[1]:.0f}]"
    return f"{100 * value:.{1 if 0 < value < 1 else 0}f} %{low_high}"


def _tiles(summary: Summary) -> list[Tile]:
    asked, intervals = summary.get("num_queries", 0), summary.get("intervals_95", {})
    found: list[Tile] = []
    if asked:
        text = f"located: {summary['num_located']} of {asked}{_between(intervals.get('located'))}"
        found.append((percent(summary["located"]), text, ""))
    first = next((name for name in summary if _WITHIN.fullmatch(name) and name.startswith("within_0.25m")), None)
    if first is not None and summary.get("median_m") is not None:
        text = f"within {_threshold(first)}{_between(intervals.get(first))}"
        found.append((percent(summary[first]), text, ""))
    for name, said, word in (("median_m", metres, "position"), ("median_deg", degrees, "orientation")):
        if summary.get(name) is not None:
            ends = " to ".join(said(end) for end in intervals.get(name) or ())
            text = f"median {word} error of the located{ends and f' [{ends}]'}"
            found.append((said(summary[name]), text, ""))
    return [*found, *_trusted(summary)]


def _trusted(summary: Summary) -> list[Tile]:
    found: list[Tile] = []
    coverage = summary.get("trust", {}).get("ellipse_coverage")
    if coverage:
        text = f"of truths inside the 95 % ellipse{_between([coverage['low'], coverage['high']])}"
        found.append((percent(coverage["value"]), text, ""))
    elsewhere = summary.get("open_set", {})
    if elsewhere:
        wrong, num = elsewhere["num_false_accepts"], elsewhere["num_distractors"]
        text = f"photos from elsewhere answered; at most {percent(elsewhere['false_accepts_at_most'])} in truth"
        found.append((f"{wrong} of {num}", text, "bad" if wrong else "good"))
    if summary.get("median_seconds"):
        found.append((f"{summary['median_seconds']:.2f} s", "a photo, median", ""))
    return found


def _between(interval: Sequence[float] | None) -> str:
    return "" if not interval else f" [{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %]"


def _threshold(name: str) -> str:
    found = _WITHIN.fullmatch(name)
    return name if found is None else f"{float(found[1]):g} m and {float(found[2]):g}°"


def _accuracy(summary: Summary) -> str:
    intervals = summary.get("intervals_95", {})
    rows = [
        (_threshold(name), {"of all queries": percent(summary[name], intervals.get(name))})
        for name in summary
        if _WITHIN.fullmatch(name)
    ]
    return grid("Located within", rows) if rows and summary.get("median_m") is not None else ""


def _errors(summary: Summary) -> str:
    rows = []
    for name, errors in summary.get("errors", {}).items():
        said = metres if name.endswith("_m") else degrees
        values = {word: said(errors[key]) for key, word in _QUANTILES.items() if key in errors}
        rows.append((_KINDS.get(name, name), values))
    return grid("Errors of the located", rows) if rows else ""


def _retrieval(summary: Summary) -> str:
    intervals = summary.get("recall_intervals_95", {})
    rows = []
    for name in summary:
        rank = _RECALL.fullmatch(name)
        if rank is None or not summary.get("num_retrieval_queries"):
            continue
        among = f"recall_with_positive_at_{rank[1]}"
        columns = {
            f"of all {summary['num_retrieval_queries']}": percent(summary[name], intervals.get(name)),
            "of those with a right reference": percent(summary.get(among), intervals.get(among)),
        }
        rows.append((f"recall@{rank[1]}", columns))
    return grid(f"A reference within {summary.get('recall_within_m', 0):g} m of the truth", rows) if rows else ""


def _groups(summary: Summary) -> list[str]:
    found = []
    for column, values in summary.get("groups", {}).items():
        rows = []
        for value, figures in values.items():
            intervals = figures.get("intervals_95", {})
            cells = {"queries": figures.get("num_queries"), "located": percent(figures.get("located"))}
            cells |= {
                _threshold(name): percent(figures[name], intervals.get(name))
                for name in figures
                if _WITHIN.fullmatch(name) and name in ("within_0.25m_2deg", "within_5m_10deg")
            }
            if figures.get("median_m") is not None:
                cells["median"] = metres(figures["median_m"])
            rows.append((value or "(none)", cells))
        found.append(grid(f"By {column}", rows))
    found += [
        f"<p class=soft>Not grouped by {html.escape(column)}: it has {count} values."
        for column, count in summary.get("num_values_of_ungrouped", {}).items()
    ]
    return found


def _seconds(summary: Summary) -> str:
    rows = [
        (stage, {"median": f"{taken['median']:.2f} s", "95 % within": f"{taken['p95']:.2f} s"})
        for stage, taken in summary.get("seconds", {}).items()
    ]
    memory = summary.get("peak_memory_bytes")
    note = f"<p class=soft>Most memory: {html.escape(f'{memory / 1e9:.2f} GB')}" if memory else ""
    return f"<div>{grid('Time a photo', rows)}{note}</div>" if rows else ""
