"""The page of a map: what is in it, that names stay text, its size, and what a browser shows of it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.data.map_store import MapStore
from geonav.errors import DatabaseError
from geonav.geometry.pose import camera_center
from geonav.pipeline.mapping.page import PAGE_POINTS, write_map_page
from geonav.pipeline.mapping.report import MapReport
from tests.evaluation.report import conftest as browser
from tests.evaluation.report.conftest import Look
from tests.pipeline.mapping.made_map import ATTACK, ORIGIN, made_map, made_part, made_report

look = browser.look
TEXTS = "const t=(s)=>[...d.querySelectorAll(s)].map((e)=>e.textContent);"
# Headless Chromium draws no frames while it dumps a page: it is told to paint.
FRAME = "const frame=()=>w.paint();frame();"
# Pixels of the canvas that differ from its paper, where on average, those that are red; and pixels in a metre.
PIXELS = (
    "const c=d.getElementById('canvas'),bar=d.getElementById('scale');const see=()=>{let some=0,red=0,left=0;"
    "const p=c.getContext('2d').getImageData(0,0,c.width,c.height).data;"
    "for(let i=0;i<p.length;i+=4){if(p[i]!==p[4]||p[i+1]!==p[5]||p[i+2]!==p[6]){some+=1;left+=i/4%c.width}"
    "if(p[i]>150&&p[i+1]<90&&p[i+2]<90)red+=1}"
    "return {some,red,left:Math.round(left/some),scale:parseFloat(bar.style.width)/parseFloat(bar.textContent)}};"
)
FETCHES = "https?://|src=|@import|url\\(|innerHTML|insertAdjacentHTML|eval\\("


def _page(tmp_path: Path, num_views: int = 12, num_points: int = 500) -> str:
    store, report = made_map(tmp_path / "db", num_views, num_points)
    write_map_page(store, report, tmp_path / "map.html", f"Map of {ATTACK}")
    return (tmp_path / "map.html").read_text("utf-8")


def _element(page: str, name: str) -> str:
    found = re.search(rf"<script type=[a-z/]+ id={name}>(.*?)</script>", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_points_and_poses_are_those_of_the_map(tmp_path: Path) -> None:
    page = _page(tmp_path)
    data = json.loads(_element(page, "data"))
    store = MapStore(Database.open(tmp_path / "db"))
    first = store.read("a1b2")
    middle = np.median(camera_center(first.poses), axis=0)
    points = np.frombuffer(base64.b64decode(_element(page, "points0")), "<f4").reshape(-1, 3)
    np.testing.assert_allclose(points + middle, first.points, atol=1e-4)
    view = next(view for view in data["views"] if view["uid"] == "r0003")
    pose = first.poses[first.row_of["r0003"]]
    np.testing.assert_allclose(np.array(view["at"]) + middle, camera_center(pose), atol=1e-3)
    np.testing.assert_allclose(np.reshape(view["axes"], (3, 3)), pose[:3, :3], atol=1e-4)
    assert view["suspect"] == "position, heading"
    assert view["lens"] == [0.7, 0.525]
    between = np.subtract(data["parts"][1]["at"], data["parts"][0]["at"])
    assert between[0] == pytest.approx(40.0, abs=0.5)


def test_the_page_tells_what_the_report_does(tmp_path: Path) -> None:
    page = _page(tmp_path)
    for words in (
        "16 of 18 references in 2 parts, 1 suspect", "All 500 points are drawn", "<td>1.20 ± 0.30</td>",
        "parts that stay apart", "part 1: a note on a1b2", "<td>t0000</td>", "<td>31</td>",
    ):  # fmt: skip
        assert words in page


def test_names_are_text_and_nothing_is_fetched(tmp_path: Path) -> None:
    page = _page(tmp_path)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "\\u003cimg src=x" in page
    assert re.findall(FETCHES, page.replace("img src=x", "")) == []
    assert "default-src 'none'" in page


def test_many_points_are_thinned_evenly_and_it_is_said(tmp_path: Path) -> None:
    page = _page(tmp_path, num_points=400_000)
    assert "Of 400,000 points an even share of 150,000 is drawn" in page
    drawn = [base64.b64decode(_element(page, f"points{number}")) for number in range(2)]
    assert [len(points) // 12 for points in drawn] == [120_000, 30_000]
    assert sum(len(points) // 12 for points in drawn) <= PAGE_POINTS
    assert len(page) < 2_600_000


def test_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    store, report = made_map(tmp_path / "db")
    first = report.parts[0]
    odd = first.views[0].model_copy(update={"heading_std_deg": float("inf"), "moved_m": (None, None, None)})
    told = report.model_copy(update={"parts": [first.model_copy(update={"views": [odd, *first.views[1:]]})]})
    write_map_page(store, told, tmp_path / "map.html", "odd")
    view = json.loads(_element((tmp_path / "map.html").read_text("utf-8"), "data"))["views"][0]
    assert (view["heading_std"], view["moved"]) == (None, [None, None, None])


def test_a_map_without_parts_and_a_part_without_points_have_pages(tmp_path: Path) -> None:
    store = MapStore(Database.create(tmp_path / "db", ORIGIN))
    write_map_page(store, MapReport(parts=[], alone=[("r0", "no match")]), tmp_path / "map.html", "empty")
    page = (tmp_path / "map.html").read_text("utf-8")
    assert json.loads(_element(page, "data")) == {"parts": [], "views": []}
    assert "<td>no match</td>" in page
    part = made_part(["r0", "r1", "r2"], 0)
    store.write("a", part, made_report("a", part).model_dump(mode="json"), Path.mkdir)
    write_map_page(store, MapReport.of(store), tmp_path / "map.html", "no points")
    assert _element((tmp_path / "map.html").read_text("utf-8"), "points0") == ""


def test_a_broken_part_is_one_line(tmp_path: Path) -> None:
    store, report = made_map(tmp_path / "db")
    (store.part_path("a1b2") / "part.npz").write_bytes(b"broken")
    with pytest.raises(DatabaseError, match="geonav map build"):
        write_map_page(store, report, tmp_path / "map.html", "broken")
    assert not (tmp_path / "map.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_map_and_list_are_seen(tmp_path: Path, look: Look, width: int) -> None:
    _page(tmp_path, 30, 5_000)
    script = (
        TEXTS + FRAME + PIXELS + "const s=see();return {title:d.title,rows:t('#views tbody button').length,"
        "first:t('#views tbody tr:first-child td')[0],drawn:s.some>3000,red:s.red>20,scale:t('#scale')[0],"
        "legend:t('#legend span'),sorted:d.querySelector('[aria-sort=descending]').textContent,"
        "fits:d.documentElement.scrollWidth<=f.clientWidth,wide:c.clientWidth>0.8*f.clientWidth}"
    )
    shot = tmp_path / "shot.png"
    seen = json.loads(look(tmp_path / "map.html", script, width, shot))
    assert re.fullmatch(r"\d+ m", seen.pop("scale"))
    assert seen == {
        "title": f"Map of {ATTACK}", "rows": 40, "first": "r0003", "drawn": True, "red": True,
        "legend": ["part 1", "part 2", "suspect"], "sorted": "sigmas ▾", "fits": True, "wide": True,
    }  # fmt: skip
    with Image.open(shot) as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3) // 32, axis=0)) > 20


@pytest.mark.slow
def test_the_picture_is_turned_moved_and_zoomed(tmp_path: Path, look: Look) -> None:
    _page(tmp_path, 30, 5_000)
    script = (
        FRAME + PIXELS + "const seen=[see()];const after=(act)=>{act();frame();seen.push(see())};"
        "const key=(k,shiftKey)=>c.dispatchEvent(new w.KeyboardEvent('keydown',{key:k,shiftKey,bubbles:true}));"
        "const b=c.getBoundingClientRect(),point=(kind,id,x,y)=>c.dispatchEvent(new w.PointerEvent(kind,{pointerId:id,"
        "clientX:b.left+x,clientY:b.top+y,bubbles:true}));"
        "after(()=>key('ArrowRight',true));after(()=>key('0'));after(()=>key('+'));"
        "after(()=>key('0'));after(()=>{for(let i=0;i<4;i+=1)key('ArrowLeft')});after(()=>key('Home'));"
        "after(()=>{point('pointerdown',1,300,200);point('pointermove',1,400,200);point('pointerup',1,400,200)});"
        "after(()=>d.getElementById('whole').click());"
        "after(()=>{point('pointerdown',1,300,200);point('pointerdown',2,400,200);point('pointermove',2,500,200);"
        "point('pointerup',1,300,200);point('pointerup',2,500,200)});"
        "after(()=>{d.getElementById('whole').click();d.getElementById('with-points').click()});return seen"
    )
    start, right, again, nearer, whole, turned, home, dragged, all_of_it, pinched, bare = json.loads(
        look(tmp_path / "map.html", script)
    )
    assert right["left"] < start["left"] - 30
    assert start == again == whole == home == all_of_it
    assert nearer["scale"] == pytest.approx(1.25 * start["scale"], rel=1e-3)
    assert pinched["scale"] == pytest.approx(2.0 * start["scale"], rel=1e-3)
    assert turned != start
    assert dragged != start
    assert bare["some"] < 0.7 * start["some"]


@pytest.mark.slow
def test_the_list_is_sorted_filtered_and_leads_to_the_picture(tmp_path: Path, look: Look) -> None:
    _page(tmp_path, 30, 5_000)
    script = (
        TEXTS + FRAME + PIXELS + "const set=(id,key,value,kind)=>{const e=d.getElementById(id);e[key]=value;"
        "e.dispatchEvent(new w.Event(kind));return t('#views tbody tr td:first-child')};const seen={};"
        "seen.words=set('find','value','R002','input').length;set('find','value','','input');"
        "seen.part=set('part','value','1','change')[0];set('part','value','','change');"
        "seen.suspects=set('suspects','checked',true,'change');set('suspects','checked',false,'change');"
        "d.querySelectorAll('#views thead button')[0].click();seen.rising=t('#views tbody tr td:first-child').at(-1);"
        "seen.focus=d.activeElement.textContent;const before=see();"
        "[...d.querySelectorAll('#views tbody button')].find((e)=>e.textContent.startsWith('<img')).click();frame();"
        "seen.head=t('#chosen h3')[0];seen.current=t('[aria-current=true] td')[0];seen.goes=see().left!==before.left;"
        "seen.facts=t('#chosen dt').length;seen.images=d.images.length;return seen"
    )
    assert json.loads(look(tmp_path / "map.html", script)) == {
        "words": 9, "part": "s0009", "suspects": ["r0003"], "rising": "s0009", "focus": "reference ▴",
        "head": ATTACK, "current": ATTACK, "goes": True, "facts": 12, "images": 0,
    }  # fmt: skip


@pytest.mark.slow
def test_a_click_on_a_reference_chooses_it(tmp_path: Path, look: Look) -> None:
    _page(tmp_path, 30, 5_000)
    script = (
        TEXTS + FRAME + "const c=d.getElementById('canvas'),b=c.getBoundingClientRect();const chosen=new Set();"
        "for(let x=0;x<b.width;x+=8)for(let y=0;y<b.height;y+=8){"
        "c.dispatchEvent(new w.MouseEvent('click',{clientX:b.left+x,clientY:b.top+y}));chosen.add(t('#chosen h3')[0])}"
        "return [...chosen].filter(Boolean).length"
    )
    assert json.loads(look(tmp_path / "map.html", script)) > 30


@pytest.mark.slow
def test_the_largest_page_opens_and_says_how_fast_it_draws(tmp_path: Path, look: Look) -> None:
    _page(tmp_path, 300, 400_000)
    script = FRAME + PIXELS + "const from=performance.now();w.paint();return [see().some,performance.now()-from]"
    drawn, taken_ms = json.loads(look(tmp_path / "map.html", script))
    assert drawn > 10_000
    print(f"150,000 points drawn in {taken_ms:.0f} ms")  # noqa: T201 - the figure, for whoever runs it with -s
