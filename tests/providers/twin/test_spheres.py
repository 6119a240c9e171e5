"""Whole panoramas are rendered once, however often and however impatiently they are asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from geonav.errors import InputError
from geonav.providers.demo.twin.spheres import Spheres
from tests.providers.twin.stand_in import StandInCity


class SlowCity(StandInCity):
    """Renders when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.rendered: list[tuple[str, int]] = []
        self.may_go_on = threading.Event()

    def equirectangular(self, pano_id: str, width: int) -> bytes:
        self.rendered.append((pano_id, width))
        assert self.may_go_on.wait(20)
        if pano_id == "none":
            msg = "there is no such panorama"
            raise InputError(msg)
        return f"{pano_id} {width}".encode()


def test_calls_for_a_picture_under_way_wait_for_it():
    city = SlowCity()
    spheres = Spheres(city)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(spheres.picture, "a0", 64) for _ in range(6)]
        while not city.rendered:
            time.sleep(0.001)
        city.may_go_on.set()
        assert {call.result(20) for call in asked} == {b"a0 64"}
    assert spheres.picture("a0", 64) == b"a0 64"
    assert spheres.picture("a0", 128) == b"a0 128"
    assert city.rendered == [("a0", 64), ("a0", 128)]


def test_a_failure_is_not_kept():
    city = SlowCity()
    city.may_go_on.set()
    spheres = Spheres(city)
    for _ in range(2):
        with pytest.raises(InputError, match="no such panorama"):
            spheres.picture("none", 64)
    assert len(city.rendered) == 2


def test_old_pictures_are_forgotten():
    city = SlowCity()
    city.may_go_on.set()
    spheres = Spheres(city)
    for width in (*range(100), 99, 0):
        spheres.picture("a0", width)
    assert len(city.rendered) == 101, "the newest is still there, the oldest is not"
