"""Curves over all queries of a run: how large errors are, and whether what is claimed of them is true."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from geonav.evaluation.openset import answer_of, open_set_curve
from geonav.evaluation.record import QueryScore, Scored
from geonav.evaluation.report.chart import Chart, Line, Points, draw
from geonav.evaluation.report.words import degrees, metres
from geonav.evaluation.trust import held_by_deviation, held_by_ellipse, held_by_ellipsoid

_METRES = ((0.0, "1 cm"), (0.25, "10 cm"), (0.5, "1 m"), (0.75, "10 m"), (1.0, "100 m"))
_DEGREES = ((0.0, "0.01°"), (0.25, "0.1°"), (0.5, "1°"), (0.75, "10°"), (1.0, "100°"))
_SHARES = ((0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %"))
# Both error axes run over four powers of ten from here.
_LOWEST, _POWERS = 0.01, 4.0
_PERCENT = "linear 0 100 %"
_MOST_HITS = 20


def curves(scored: Sequence[Scored], thresholds: Sequence[tuple[float, float]] = ()) -> str:
    """All charts that can be drawn of a run as a section of HTML; nothing where no query has a truth.

    Args:
        scored: all queries, distractors among them.
        thresholds: metres and degrees, marked on the errors.
    """
    known = [(record, score) for record, _, score in scored if record.truth is not None and not record.is_distractor]
    scores = [score for _, score in known]
    asked = min((record.num_asked for record, _ in known), default=0)
    charts = [
        _positions(scores, [mark for mark, _ in thresholds]),
        _rotations(scores, [mark for _, mark in thresholds]),
        _recall(scores, min(asked, _MOST_HITS)),
        _calibration(scores),
        _open_set([score for _, _, score in scored]),
    ]
    drawn = "".join(draw(chart) for chart in charts if chart is not None)
    return f"<section id=curves><h2>Curves</h2><div class=charts>{drawn}</div></section>" if drawn else ""


def cumulative(errors: Sequence[float | None], lowest: float = _LOWEST) -> Points:
    """Points (P, 2): logarithm of the error, over four powers of ten, and the share of all queries within it.

    Args:
        errors: of each query; None where it was not located.
        lowest: where the axis begins.
    """
    found = np.sort(np.abs([error for error in errors if error is not None]).astype(float))
    x = np.log10(np.maximum(found, 1e-12) / lowest) / _POWERS
    share = np.arange(1, len(found) + 1) / max(1, len(errors))
    steps = np.column_stack([np.repeat(x, 2), np.concatenate([[0.0], np.repeat(share, 2)[:-1]])[: 2 * len(found)]])
    inside = steps[steps[:, 0] <= 1.0]
    before = steps[steps[:, 0] < 0.0]
    start = before[-1, 1] if len(before) else 0.0
    last = inside[-1, 1] if len(inside) else 0.0
    return np.vstack([[0.0, start], inside[inside[:, 0] >= 0.0], [1.0, last]])


def calibration(claimed: Sequence[float]) -> Points:
    """Points (P, 2): claimed probability, and the share of truths that the region of that probability holds.

    Args:
        claimed: of each query, the probability of the smallest region that holds the truth.
    """
    probability = np.linspace(0, 1, 101)
    held = np.searchsorted(np.sort(claimed), probability + 1e-12, side="right") / max(1, len(claimed))
    return np.column_stack([probability, held])


def _positions(scores: Sequence[QueryScore], marks: Sequence[float]) -> Chart | None:
    kinds = (
        ("in 3D", [score.position_error_m for score in scores]),
        ("horizontal", [score.horizontal_error_m for score in scores]),
        ("vertical", [score.vertical_error_m for score in scores]),
    )
    return _errors(("Position error", "log 0.01 100 m"), kinds, _METRES, [(mark, f"{mark:g} m") for mark in marks])


def _rotations(scores: Sequence[QueryScore], marks: Sequence[float]) -> Chart | None:
    kinds = (
        ("orientation", [score.rotation_error_deg for score in scores]),
        ("heading", [score.azimuth_error_deg for score in scores]),
    )
    return _errors(("Rotation error", "log 0.01 100 °"), kinds, _DEGREES, [(mark, f"{mark:g}°") for mark in marks])


def _errors(
    names: tuple[str, str],
    kinds: Sequence[tuple[str, Sequence[float | None]]],
    ticks: Sequence[tuple[float, str]],
    marks: Sequence[tuple[float, str]],
) -> Chart | None:
    said = metres if ticks is _METRES else degrees
    lines = []
    for name, errors in kinds:
        found = [abs(error) for error in errors if error is not None]
        if found:
            lines.append(Line(name, cumulative(errors), f"median {said(float(np.median(found)))}"))
    if not lines:
        return None
    shown = [(math.log10(value / _LOWEST) / _POWERS, word) for value, word in marks if _LOWEST <= value <= 100]
    note = "Share of all queries with a truth; those not located count as farther. Medians are of the located."
    return Chart(names[0], f"{names[0].lower()} at most", names[1], ticks, lines, marks=shown, note=note)


def _recall(scores: Sequence[QueryScore], most: int) -> Chart | None:
    judged = [score for score in scores if score.has_positive is not None]
    if not judged or most < 2:
        return None
    findable = [score for score in judged if score.has_positive]
    ranks = np.arange(1, most + 1)
    lines = []
    kinds = [("of all queries", judged)]
    if 0 < len(findable) < len(judged):
        kinds.append(("of those with a reference near enough", findable))
    for name, some in kinds:
        first = np.array([score.first_right or most + 1 for score in some])
        share = (first[None] <= ranks[:, None]).mean(1)
        lines.append(
            Line(name, np.column_stack([(ranks - 1) / (most - 1), share]), f"first hit {100 * share[0]:.0f} %")
        )
    ticks = [((rank - 1) / (most - 1), str(rank)) for rank in (1, 5, 10, 15, 20) if rank <= most]
    note = "Share of queries with a reference near enough among their best hits."
    return Chart("Retrieval", "best hits looked at", f"rank 1 {most} hits", ticks, lines, note=note)


def _calibration(scores: Sequence[QueryScore]) -> Chart | None:
    known = [score for score in scores if score.status == "located"]
    ellipse = [held_by_ellipse(score.horizontal_nes) for score in known if score.horizontal_nes is not None]
    heading = [held_by_deviation(score.azimuth_nes) for score in known if score.azimuth_nes is not None]
    in_3d = [held_by_ellipsoid(score.position_nes) for score in known if score.position_nes is not None]
    named = [("position, the ellipse", ellipse), ("heading", heading), ("position in 3D", in_3d)]
    lines = []
    for name, claimed in named:
        if claimed:
            curve = calibration(claimed)
            lines.append(Line(name, curve, f"at 95 %: {100 * curve[95, 1]:.0f} %"))
    if not lines:
        return None
    num = len(ellipse) or len(heading)
    p = np.linspace(0, 1, 51)
    reach = 1.96 * np.sqrt(p * (1 - p) / num)
    band = np.vstack([np.column_stack([p, p + reach]), np.column_stack([p, p - reach])[::-1]])
    note = (
        f"Above the diagonal: claims are too careful; below: too bold. In the grey area {num} honest claims would lie, "
        "at each point with 95 %."
    )
    return Chart(
        "Is the uncertainty true?",
        "claimed probability",
        _PERCENT,
        _SHARES,
        lines,
        band=band,
        is_diagonal_right=True,
        note=note,
    )


def _open_set(scores: Sequence[QueryScore]) -> Chart | None:
    false = [score for score in scores if score.is_distractor]
    real = [score for score in scores if not score.is_distractor]
    if not false or not real:
        return None
    curve = open_set_curve([answer_of(score) for score in real], [answer_of(score) for score in false])
    points = np.array([[0.0, 0.0], *([point["answered"], point["false_accepts"]] for point in curve)])
    accepted = sum(score.status == "located" for score in false)
    lines = [Line("distractors answered", points, f"{accepted} of {len(false)} in this run")]
    note = "From the most confident answer (left) to all that were given. Every answer to a distractor is false."
    return Chart("Photos from elsewhere", "share of queries answered", _PERCENT, _SHARES, lines, note=note)
