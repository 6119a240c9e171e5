"""How a map's report is read: who moved most, and which parts nothing but their sources holds together."""

from __future__ import annotations

import math

from geonav.pipeline.mapping.report import MapReport, ViewReport


def sigmas(view: ViewReport) -> float:
    """How far a reference moved or turned, in standard deviations of its source; the larger of both."""
    return max(view.position_sigmas, view.heading_sigmas or 0.0)


def distance_moved_m(view: ViewReport) -> float | None:
    """Metres between a reference and where its source put it, as far as that said; None where it said nothing."""
    known = [shift for shift in view.moved_m if shift is not None]
    return math.hypot(*known) if known else None


def worst_first(report: MapReport) -> list[tuple[int, ViewReport]]:
    """The references of all parts with the number of their part, those that moved most standard deviations first."""
    views = [(number, view) for number, part in enumerate(report.parts, start=1) for view in part.views]
    return sorted(views, key=lambda each: (-sigmas(each[1]), each[1].uid, each[0]))


def pieces(report: MapReport) -> list[list[int]]:
    """Numbers of the parts, from 1, that hang together through references they share; largest pieces first."""
    found: list[tuple[list[int], set[str]]] = []
    for number, part in enumerate(report.parts, start=1):
        numbers, uids = [number], {view.uid for view in part.views}
        apart = []
        for others, theirs in found:
            if uids.isdisjoint(theirs):
                apart.append((others, theirs))
            else:
                numbers, uids = [*others, *numbers], uids | theirs
        found = [*apart, (sorted(numbers), uids)]
    return [numbers for numbers, uids in sorted(found, key=lambda piece: (-len(piece[1]), piece[0]))]


def apart_line(report: MapReport) -> str | None:
    """Which parts stay apart; None where they hang together."""
    found = pieces(report)
    if len(found) < 2:
        return None
    told = " | ".join(", ".join(map(str, numbers)) for numbers in found)
    return f"parts that stay apart, with nothing but their sources to say how they stand to each other: {told}"


def summary_line(report: MapReport) -> str:
    """How much of the database is mapped, and how much of it is suspect."""
    suspects = {view.uid for part in report.parts for view in part.suspects}
    total = report.num_mapped + len({uid for uid, _ in report.alone})
    parts = "1 part" if len(report.parts) == 1 else f"{len(report.parts)} parts"
    line = f"{report.num_mapped:,} of {total:,} references in {parts}, {len(suspects):,} suspect"
    if not report.num_pairs:
        return line
    return f"{line}; {report.num_links:,} of {report.num_pairs:,} pairs show one rigid scene"
