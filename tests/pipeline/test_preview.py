"""What a preview counts, prices and writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.points import read_points
from geonav.data.survey import SamplePoint
from geonav.errors import UsageError
from geonav.geometry.plane import MetricPlane
from geonav.pipeline.preview import expected_panoramas, preview
from geonav.pipeline.pricing import price
from geonav.pipeline.sampling import SampleRequest, Sampling, sample

CONFIG = GeonavConfig()


def config(**sections: dict[str, object]) -> GeonavConfig:
    return GeonavConfig.model_validate(sections)


def grid(spacing_m: float, radius_m: float = 1000.0) -> tuple[Sampling, GeonavConfig]:
    settings = config(sampling={"spacing_m": spacing_m, "grid": "square"})
    return sample(SampleRequest(point=(48.94, 8.40), radius_m=radius_m), settings), settings


def test_calls_and_money_follow_from_the_points() -> None:
    sampling, settings = grid(10.0, 1500.0)
    report = preview(sampling, settings)
    google, mapillary, panoramax = report.providers
    assert report.num_points == google.searches == len(sampling.points)
    assert google.panoramas == report.expected_panoramas
    assert google.pictures == 8 * report.expected_panoramas
    assert google.height_calls == -(-report.expected_panoramas // 512)
    assert google.cost_usd == pytest.approx(
        price(google.pictures, settings.prices.street_view) + price(google.height_calls, settings.prices.elevation)
    )
    assert google.cost_usd > 500
    assert (mapillary.cost_usd, panoramax.cost_usd) == (0.0, 0.0)
    assert mapillary.searches is not None
    assert panoramax.searches is not None
    assert 2 <= mapillary.searches < panoramax.searches < 100


def test_heights_of_another_source_cost_nothing() -> None:
    settings = config(
        sampling={"spacing_m": 10.0}, elevation={"source": "constant"}, prices={"elevation": [[1e12, 1e6]]}
    )
    sampling = sample(SampleRequest(point=(48.94, 8.40), radius_m=500.0), settings)
    assert preview(sampling, settings).providers[0].cost_usd < 1000
    paid = settings.model_copy(update={"elevation": CONFIG.elevation})
    assert preview(sampling, paid).providers[0].cost_usd >= 1000


@pytest.mark.parametrize(("spacing_m", "low", "high"), [(50, 0.14, 0.18), (25, 0.34, 0.38), (10, 0.94, 0.98)])
def test_the_grid_s_yield_is_what_was_measured(spacing_m: float, low: float, high: float) -> None:
    sampling, settings = grid(spacing_m)
    found = expected_panoramas(sampling, settings, along_streets=False)
    assert low <= found / (1900 * sampling.area_km2) <= high


def test_a_call_finds_no_more_than_one_panorama() -> None:
    sampling, settings = grid(500.0)
    assert expected_panoramas(sampling, settings, along_streets=False) <= len(sampling.points)
    assert expected_panoramas(sampling, settings, along_streets=True) == len(sampling.points)
    sampling, settings = grid(5.0, 100.0)
    assert expected_panoramas(sampling, settings, along_streets=True) == round(len(sampling.points) / 2)


def test_points_and_map_are_written(tmp_path: Path) -> None:
    sampling, settings = grid(100.0)
    outputs = tuple(tmp_path / "new" / name for name in ("a.html", "a.geojson", "a.CSV"))
    assert preview(sampling, settings, outputs=outputs).files == outputs
    assert "geonavMap.start" in outputs[0].read_text(encoding="utf-8")
    for path in outputs[1:]:
        points = read_points(path, 10_000)
        assert [(p.lat, p.lng) for p in points] == [
            (pytest.approx(p.lat, abs=1e-7), pytest.approx(p.lng, abs=1e-7)) for p in sampling.points
        ]


def test_an_area_too_large_for_tiles_says_so() -> None:
    plane = MetricPlane(0.0, 0.0)
    from shapely.geometry import Point

    area = plane.unproject(Point(0, 0).buffer(2e6))
    huge = Sampling(area, (0.0, 0.0), (SamplePoint(0.0, 0.0),), 1.2e7, "Huge")
    assert [item.searches for item in preview(huge, CONFIG).providers] == [1, None, None]


@pytest.mark.parametrize("name", ["a.txt", "a", "folder.html", "file/a.csv"])
def test_outputs_that_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").write_text("")
    sampling, settings = grid(500.0)
    with pytest.raises(UsageError, match="--output "):
        preview(sampling, settings, outputs=(tmp_path / name,))
