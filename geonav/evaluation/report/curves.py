"""Curves over all photos as SVG: how large errors are, and whether the reported uncertainty is true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geonav.data.results import LocalizationResult
from geonav.geometry.pose import camera_center

Found = Sequence[tuple[LocalizationResult, NDArray[np.float64]]]
Points = NDArray[np.float64]
# Squared Mahalanobis distance in the plane that 95 % stay below: -2 ln 0.05.
_ELLIPSE_95 = -2.0 * np.log(0.05)
_ERRORS_M = (0.01, 100.0)
_LEFT, _TOP, _WIDTH, _HEIGHT = 44, 10, 340, 180


def curves(found: Found) -> str:
    """Cumulative error and calibration; nothing where no photo has a truth.

    Args:
        found: results with the true ``E`` (4, 4) of each photo.
    """
    if not found:
        return ""
    plots = [
        _plot("Share of all photos within an error", cumulative(found), ["1 cm", "10 cm", "1 m", "10 m", "100 m"]),
    ]
    calibrated = calibration(found)
    if len(calibrated):
        ticks = ["0 %", "25 %", "50 %", "75 %", "100 %"]
        plots.append(
            _plot("Share of truths inside the ellipse of a claimed probability", calibrated, ticks, ideal=True)
        )
    return f"<section><h2>Curves</h2><div class=plots>{''.join(plots)}</div></section>"


def cumulative(found: Found) -> Points:
    """Points (P, 2): logarithm of the error from 1 cm (0) to 100 m (1), and the share of all photos within it."""
    errors = sorted(_offset_m(result, truth) for result, truth in found if result.E is not None)
    low, high = np.log10(_ERRORS_M)
    x = np.clip((np.log10(np.maximum(errors, 1e-9)) - low) / (high - low), 0, 1)
    share = np.arange(1, len(errors) + 1) / len(found)
    steps = np.repeat(np.column_stack([x, share]), 2, axis=0)
    steps[::2, 1] = np.concatenate([[0], share])[: len(errors)]
    last = share[-1] if len(share) else 0.0
    return np.vstack([[0.0, 0.0], steps, [1.0, last]])


def calibration(found: Found) -> Points:
    """Points (P, 2): claimed probability, and the share of located photos whose truth the ellipse of it holds."""
    levels = np.sort([_claimed(result, truth) for result, truth in found if result.ellipse_95 is not None])
    if not len(levels):
        return np.empty((0, 2))
    probability = np.linspace(0, 1, 101)
    return np.column_stack([probability, np.searchsorted(levels, probability, side="right") / len(levels)])


def _offset_m(result: LocalizationResult, truth: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(camera_center(np.array(result.E)) - camera_center(truth)))


def _claimed(result: LocalizationResult, truth: NDArray[np.float64]) -> float:
    """Probability of the smallest ellipse that holds the truth, if the reported one is right."""
    ellipse = result.ellipse_95
    if ellipse is None:
        return 1.0
    east, north = (camera_center(np.array(result.E)) - camera_center(truth))[:2]
    angle = np.radians(ellipse.azimuth_deg)
    along = (east * np.sin(angle) + north * np.cos(angle)) / ellipse.semi_major_m
    across = (east * np.cos(angle) - north * np.sin(angle)) / ellipse.semi_minor_m
    return float(1 - np.exp(-_ELLIPSE_95 * (along**2 + across**2) / 2))


def _plot(title: str, points: Points, ticks: Sequence[str], *, ideal: bool = False) -> str:
    x, y = _LEFT + points[:, 0] * _WIDTH, _TOP + (1 - points[:, 1]) * _HEIGHT
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    bottom = _TOP + _HEIGHT
    marks = [f"<rect class=axis x={_LEFT} y={_TOP} width={_WIDTH} height={_HEIGHT} />"]
    for i, tick in enumerate(ticks):
        at = _LEFT + i * _WIDTH / (len(ticks) - 1)
        marks.append(f"<text class=tick x={at:.0f} y={bottom + 16} text-anchor=middle>{tick}</text>")
    for share in (0.0, 0.5, 1.0):
        at = bottom - share * _HEIGHT + 4
        marks.append(f"<text class=tick x={_LEFT - 5} y={at:.0f} text-anchor=end>{share:.0%}</text>")
    if ideal:
        marks.append(f"<line class=ideal x1={_LEFT} y1={bottom} x2={_LEFT + _WIDTH} y2={_TOP} />")
    drawn = f"<polyline class=curve points='{line}' />"
    box = f"0 0 {_LEFT + _WIDTH + 26} {bottom + 24}"
    return (
        f"<div><h3>{title}</h3><svg viewBox='{box}' role=img aria-label='{title}'>{''.join(marks)}{drawn}</svg></div>"
    )
