"""What ``geonav map`` prints: the parts, the references that moved most, and what holds by little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from geonav.cli.output import counted, number, table_width, write_json, write_remarks, write_table

if TYPE_CHECKING:
    from geonav.pipeline.mapping.report import MapReport, ViewReport

_ROWS_SHOWN = 10
_WIDE = 110  # columns of a terminal that takes every figure


def write_map_report(report: MapReport, *, as_json: bool, show_all: bool = False) -> None:
    """Print a map's report: as tables of the ten worst references, or of all; or as one JSON object."""
    if as_json:
        write_json(report)
        return
    from geonav.pipeline.mapping.reading import summary_line

    typer.echo(summary_line(report))
    if report.parts:
        _write_parts(report)
        _write_views(report, show_all=show_all)
        _write_sequences(report)
        _write_weak_links(report, show_all=show_all)
    _write_what_remains(report)


def _write_parts(report: MapReport) -> None:
    columns = ["part", ">references", ">points", ">residual px", ">moved m", ">weak tilt deg", ">suspect", "version"]
    rows = [
        (
            str(rank),
            f"{part.num_views:,}",
            f"{part.num_points:,}",
            number(part.residual_px, 2),
            number(part.median_moved_m, 2),
            number(part.weak_tilt_deg, 2),
            str(len(part.suspects)),
            part.part,
        )
        for rank, part in enumerate(report.parts, start=1)
    ]
    shown = slice(None if _is_wide() else -1)
    typer.echo()
    write_table(columns[shown], [row[shown] for row in rows])


def _is_wide() -> bool:
    return table_width() >= _WIDE


def _write_views(report: MapReport, *, show_all: bool) -> None:
    """Those that moved most standard deviations of their source, then in a line each kind the other suspects."""
    from geonav.pipeline.mapping.reading import worst_first

    views = worst_first(report)
    shown, rest = (views, []) if show_all else (views[:_ROWS_SHOWN], views[_ROWS_SHOWN:])
    several, wide = len(report.parts) > 1, _is_wide()
    columns = ["part"] * several + ["reference", ">moved m", ">sigmas", ">turned deg", ">sigmas"]
    columns += [">up m", ">points", ">links"] * wide + [""]
    typer.echo()
    write_table(columns, [[str(rank)] * several + _view(view, wide=wide) for rank, view in shown])
    if rest:
        typer.echo(f"\nand {counted(len(rest), 'reference')} that moved less: geonav map report --all")
    write_remarks([(view.uid, view.suspect) for _, view in rest if view.suspect], "suspect, ")


def _view(view: ViewReport, *, wide: bool) -> list[str]:
    from geonav.pipeline.mapping.reading import distance_moved_m

    further = [number(view.moved_m[2], 2), str(view.num_points), str(view.num_links)]
    return [
        view.uid,
        number(distance_moved_m(view), 2),
        number(view.position_sigmas, 1),
        number(view.turned_deg, 2),
        number(view.heading_sigmas, 1),
        *(further if wide else []),
        "" if view.suspect is None else f"suspect: {view.suspect}",
    ]


def _write_sequences(report: MapReport) -> None:
    rows = [
        (str(rank), each.name, str(each.num_views), *map(_offset, each.offset_m, each.offset_std_m))
        for rank, part in enumerate(report.parts, start=1)
        for each in part.sequences
    ]
    if rows:
        typer.echo()
        write_table(["part", "sequence", ">references", ">east m", ">north m", ">up m"], rows)


def _offset(metres: float, std_m: float) -> str:
    return f"{metres:z.2f} ±{std_m:.2f}"


def _write_weak_links(report: MapReport, *, show_all: bool) -> None:
    """The weakest of all parts first."""
    links = sorted(
        ((rank, link) for rank, part in enumerate(report.parts, start=1) for link in part.weak_links),
        key=lambda each: (each[1].num_matches, each[1].first, each[1].second),
    )
    if not links:
        return
    shown = links if show_all else links[:_ROWS_SHOWN]
    typer.echo()
    write_table(
        ["part", "weak link", "", ">matches"],
        [(str(rank), link.first, link.second, str(link.num_matches)) for rank, link in shown],
    )
    if len(shown) < len(links):
        typer.echo(f"\nand {counted(len(links) - len(shown), 'weak link')} more: geonav map report --all")


def _write_what_remains(report: MapReport) -> None:
    from geonav.pipeline.mapping.reading import apart_line

    apart = apart_line(report)
    notes = [(_name(rank, report), note) for rank, part in enumerate(report.parts, start=1) for note in part.notes]
    if apart is not None or notes or report.alone:
        typer.echo()
    if apart is not None:
        typer.echo(apart)
    write_remarks(report.alone, "in no part, ")
    write_remarks(notes, "note, ")
    if report.seconds:
        typer.echo("\nseconds: " + ", ".join(f"{stage} {taken:.1f}" for stage, taken in report.seconds.items()))


def _name(rank: int, report: MapReport) -> str:
    return "the map" if len(report.parts) == 1 else f"part {rank}"
