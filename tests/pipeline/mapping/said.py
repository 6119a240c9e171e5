"""References as their sources describe them, made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from geonav.geometry.orientation import rotation_from_angles
from geonav.pipeline.mapping.views import MapView
from tests.pipeline.mapping.made_map import CAMERA

USUAL = MapView(
    uid="",
    camera=CAMERA,
    is_calibrated=True,
    position_m=np.zeros(3),
    position_std_m=np.array([1.0, 1.0, 2.0]),
    rotation=rotation_from_angles(0.0),
    heading_std_deg=2.0,
    tilt_std_deg=(2.0, 2.0),
    sequence="",
    frame="",
    stamp="s",
)


def said(uid: str, place: tuple[float, float], azimuth_deg: float | None = 0.0, frame: str = "") -> MapView:
    """A reference at a place of the plane; looking anywhere if its azimuth is None."""
    return replace(
        USUAL,
        uid=uid,
        frame=frame or uid,
        position_m=np.array([*place, 2.0]),
        rotation=rotation_from_angles(azimuth_deg or 0.0),
        heading_std_deg=np.inf if azimuth_deg is None else 2.0,
    )


PLACES = st.tuples(st.floats(0, 300), st.floats(0, 300))


@st.composite
def anywhere(draw: st.DrawFn, max_size: int = 40) -> list[MapView]:
    """References spread or crowded, with headings or without, some of one panorama."""
    count, spread = draw(st.integers(0, max_size)), draw(st.sampled_from([1e-3, 0.05, 1.0, 10.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    per_frame = draw(st.integers(1, 4))
    azimuths = rng.uniform(0, 360, count)
    places = rng.uniform(0, 300, (count, 2)) * spread
    known = rng.random(count) < draw(st.sampled_from([0.0, 0.7, 1.0]))
    return [
        said(
            f"v{row:03}",
            tuple(places[row - row % per_frame]),
            float(azimuths[row]) if known[row] else None,
            f"p{row // per_frame}" if per_frame > 1 else "",
        )
        for row in range(count)
    ]
