"""What the demo city must not cost more of: seconds a picture, and memory however large it is."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from geonav.providers.demo.city import CityPlan, DemoCity
from geonav.providers.demo.city_world import MAX_SITES_BYTES

pytestmark = pytest.mark.slow

NUM_PANORAMAS, NUM_VIEWS = 5000, 40
# Of the last scenes, what all streets share and the picture in the making.
BESIDES_SITES_BYTES = 3 << 29
LOOK_AROUND = f"""
import re
from pathlib import Path
from geonav.providers.demo.city import CityPlan, DemoCity

def peak_bytes():
    # Not getrusage: its peak begins with that of the process that started this one.
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

city = DemoCity(CityPlan(num_panoramas={NUM_PANORAMAS}))
assert len(city.panoramas) == {NUM_PANORAMAS}
laid_out = peak_bytes()
for panorama in city.panoramas[:: {NUM_PANORAMAS // NUM_VIEWS}]:
    city.view(panorama.pano_id, 45.0, 0.0, 90.0, 320, 320)
print(laid_out, peak_bytes())
"""


def test_two_pictures_a_second_on_two_threads() -> None:
    city = DemoCity(CityPlan())

    def take(which: tuple[int, float]) -> bytes:
        return city.view(city.panoramas[which[0]].pano_id, which[1], 0.0, 90.0, 640, 640)

    take((0, 0.0))
    wanted = [(number, 45.0 * turn) for number in range(3) for turn in range(8)]
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        pictures = list(pool.map(take, wanted))
    rate = len(pictures) / (time.perf_counter() - began)
    assert rate >= 2.0, f"{rate:.2f} pictures of 640x640 a second"


def test_memory_is_bounded_in_a_city_of_five_thousand_panoramas() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from /proc")
    ended = subprocess.run(
        [sys.executable, "-c", LOOK_AROUND], capture_output=True, text=True, timeout=3600, check=False
    )
    assert ended.returncode == 0, ended.stderr
    laid_out, after = (int(word) for word in ended.stdout.split())
    told = f"{laid_out >> 20} MiB laid out, {after >> 20} MiB after {NUM_VIEWS} views"
    assert laid_out < 256 << 20, told
    assert after - laid_out < MAX_SITES_BYTES + BESIDES_SITES_BYTES, told
