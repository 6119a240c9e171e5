"""Heights go from one datum to another exactly or not at all."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from geonav.errors import UsageError
from geonav.pipeline.fetching.datums import check_convertible, converted_height_m


def test_the_same_datum_needs_nothing() -> None:
    assert converted_height_m(12.5, (48.0, 8.0), ("local", "local")) == 12.5
    check_convertible("egm96", "egm96")


@pytest.mark.parametrize("datums", [("local", "egm96"), ("wgs84", "local")])
def test_local_heights_cannot_be_converted(datums: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=r"cannot be taken to the database's .*convert them yourself"):
        check_convertible(*datums)


@pytest.fixture
def in_a_process(tmp_path: Path):
    """What a process prints whose only PROJ grid is a geoid 40 m above the ellipsoid everywhere, or none."""

    def run(code: str, *, with_grid: bool) -> str:
        if with_grid:
            rows, columns = 19, 37
            header = struct.pack(">4d2i", -90.0, -180.0, 10.0, 10.0, rows, columns)
            (tmp_path / "egm96_15.gtx").write_bytes(header + struct.pack(">f", 40.0) * (rows * columns))
        setup = f"import pyproj; pyproj.datadir.append_data_dir({str(tmp_path)!r}); "
        environment = {**os.environ, "PROJ_NETWORK": "OFF", "PROJ_USER_WRITABLE_DIRECTORY": str(tmp_path)}
        imports = "from geonav.pipeline.fetching.datums import converted_height_m as f; "
        command = [sys.executable, "-c", setup + imports + code]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        return ended.stdout.strip() or ended.stderr.strip().splitlines()[-1]

    return run


def test_a_grid_converts(in_a_process) -> None:
    up = "print(round(f(100.0, (48.0, 8.0), ('egm96', 'wgs84')), 6))"
    down = "print(round(f(100.0, (-33.0, -70.0), ('wgs84', 'egm96')), 6))"
    assert in_a_process(f"{up}; {down}", with_grid=True) == "140.0\n60.0"


def test_without_a_grid_nothing_is_made_up(in_a_process) -> None:
    said = in_a_process("print(f(100.0, (48.0, 8.0), ('egm96', 'wgs84')))", with_grid=False)
    assert "UsageError: heights in egm96 cannot be taken to the database's wgs84: install" in said
    assert "'pyproj sync --file us_nga_egm96_15'" in said
