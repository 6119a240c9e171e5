"""What a real browser shows of a page, at the width of a desktop and of a phone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.evaluation.report.page import Heading, write_page
from geonav.evaluation.report.rows import PagePhoto
from geonav.evaluation.report.run_report import write_run_report
from geonav.evaluation.run_folder import Run
from geonav.evaluation.summary import summarise
from tests.evaluation.report.conftest import Look, browse
from tests.evaluation.report.made import ATTACK, SCORES, located, matches
from tests.evaluation.report.test_page import thousand

pytestmark = pytest.mark.slow

# What is on the screen: nodes that have an extent.
SEEN = "const n=(s)=>[...d.querySelectorAll(s)].filter((e)=>e.getClientRects().length).length;"
TEXTS = "const t=(s)=>[...d.querySelectorAll(s)].map((e)=>e.textContent);"


@pytest.mark.parametrize("width", [1280, 390])
def test_photo_matches_and_map_are_seen(
    tmp_path: Path, photos: list[PagePhoto], references: Database, look: Look, width: int
) -> None:
    write_page(tmp_path / "page.html", Heading("a <page>"), photos, references)
    script = (
        SEEN + "return {title:d.title,rows:n('#rows li'),agree:n('.pair line.in'),not:n('.pair line.out'),"
        "pictures:n('.pair image'),ellipses:n('#map .confidence'),errors:n('#map .error'),truths:n('#map .truth'),"
        "cards:n('.hits li'),close:n('.near'),fits:d.documentElement.scrollWidth<=f.clientWidth,"
        "wide:d.querySelector('.pair').clientWidth>340,"
        "stacked:d.querySelectorAll('.pair image')[1].x.baseVal.value===0,"
        "box:(({x,y,width,height})=>[x,y,x+width,y+height])(d.querySelector('#rows img').getBoundingClientRect())}"
    )
    shot = tmp_path / "shot.png"
    seen = json.loads(look(tmp_path / "page.html", script, width, shot))
    box = seen.pop("box")
    assert seen == {
        "title": "a <page>", "rows": 2, "agree": 20, "not": 10, "pictures": 2, "ellipses": 1, "errors": 1, "truths": 2,
        "cards": 2, "close": 1, "fits": True, "wide": True, "stacked": width < 600,
    }  # fmt: skip
    with Image.open(shot) as picture:
        # Pictures of the list are loaded when they are on the screen: noise, where their place was grey.
        assert np.asarray(picture.convert("L").crop(tuple(int(edge) for edge in box))).std() > 15
        colours = np.asarray(picture.convert("RGB"))[:, :width].reshape(-1, 3).astype(int)
    # Of the photos' noise, the lines over them and the marks on the map; thin lines blend with what is below.
    assert len(np.unique(colours // 32, axis=0)) > 100
    assert (colours[:, 1] - colours[:, 0] > 60).sum() > 100


@pytest.mark.parametrize("width", [1280, 390])
def test_a_run_is_seen_whole_however_long_its_names(run: Run, references: Database, look: Look, width: int) -> None:
    names = {"query_set": "queries/" * 20, "weights": {"disk": "ab" * 32}, "name": "night" * 20}
    groups = [{"light" * 20: word * 30} for word in ("day", "night", "day", "day", "day")]
    records = tuple(
        record.model_copy(update={"groups": some}) for record, some in zip(run.records, groups, strict=True)
    )
    long = replace(run, info=run.info.model_copy(update=names), records=records)
    page = run.folder / "report.html"
    # A group with a name as long, and tables that are wider than a phone.
    scores = tuple(score.model_copy(update={"groups": some}) for score, some in zip(SCORES, groups, strict=True))
    summary = summarise(scores, results=run.results) | {"more": {"row": {f"a_long_name_{i}": i for i in range(12)}}}
    write_run_report(long, scores, summary, page, references)
    script = (
        SEEN + TEXTS + "d.querySelectorAll('details').forEach((e)=>{e.open=true});"
        "d.querySelector('[data-outcome=no_geometry]').click();"
        "return [n('.tile'),n('.chart'),n('.outcome button'),t('#rows b'),d.documentElement.scrollWidth<=f.clientWidth]"
    )
    assert json.loads(look(page, script, width)) == [7, 5, 4, ["c"], True]


def test_charts_tell_their_figures_under_the_pointer(run: Run, references: Database, look: Look) -> None:
    page = run.folder / "report.html"
    write_run_report(run, SCORES, {}, page, references)
    script = (
        TEXTS + "const c=d.querySelector('.chart svg'),b=c.getBoundingClientRect(),before=t('.chart:first-child b')[0];"
        # Half of the axis from 1 cm to 100 m is 1 m; one of three is within 10 cm, two within 30 cm.
        "const at=(x)=>{c.dispatchEvent(new w.PointerEvent('pointermove',{clientX:b.left+b.width*(46+344*x)/416,"
        "clientY:b.top+20}));return [t('text.needle')[0],t('.chart:first-child b')[0]]};"
        "const seen=[at(0.5),at(0.3),at(0.1)];c.dispatchEvent(new w.PointerEvent('pointerleave'));"
        "return [...seen,before===t('.chart:first-child b')[0]]"
    )
    assert json.loads(look(page, script)) == [["1 m", "67 %"], ["0.16 m", "33 %"], ["0.025 m", "0 %"], True]


def test_failures_are_listed_by_kind_with_their_pictures(
    tmp_path: Path, photos: list[PagePhoto], references: Database, look: Look
) -> None:
    write_page(tmp_path / "page.html", Heading("failures"), photos, references)
    script = (
        SEEN + TEXTS + "d.querySelector('[data-kind=not_matched]').click();"
        "return {rows:t('#rows b'),truths:n('#map .truth'),head:t('#detail h3'),pictures:n('.pair image'),"
        "references:t('.hits b'),kinds:t('#kinds button'),"
        "reason:d.getElementById('detail').textContent.includes('too dark')}"
    )
    assert json.loads(look(tmp_path / "page.html", script)) == {
        "rows": [ATTACK], "truths": 1, "head": [ATTACK], "pictures": 1, "references": ["1. r1", "2. r0"],
        "kinds": ["all 2", "right 1", "not matched 1"], "reason": True,
    }  # fmt: skip


def test_words_groups_and_order_choose_photos(
    tmp_path: Path, photos: list[PagePhoto], references: Database, look: Look
) -> None:
    write_page(tmp_path / "page.html", Heading("filters"), photos, references)
    script = (
        TEXTS + "const set=(e,v,k)=>{e.value=v;e.dispatchEvent(new w.Event(k));return t('#rows b')};"
        "const by=d.querySelector('select[name=light]'),find=d.getElementById('find'),order=d.getElementById('order');"
        "return [set(by,'night','change').length,set(by,'','change').length,set(find,'GOOD','input'),"
        "set(find,'','input').length,set(order,'name','change')[1]]"
    )
    assert json.loads(look(tmp_path / "page.html", script)) == [1, 2, ["good"], 2, "good"]


def test_a_reference_that_is_chosen_stands_beside_the_photo(
    tmp_path: Path, photos: list[PagePhoto], references: Database, look: Look
) -> None:
    write_page(tmp_path / "page.html", Heading("pairs"), photos, references)
    script = (
        SEEN + "const said=()=>d.querySelector('.match').getAttribute('aria-label');const first=said();"
        "d.querySelectorAll('.hits button')[1].click();const second=said();"
        "d.querySelectorAll('.hits button')[0].click();d.querySelector('label.out input').click();"
        "return [first,second,n('.pair line.in'),n('.pair line.out')]"
    )
    assert json.loads(look(tmp_path / "page.html", script)) == [
        "20 of 30 matches with r1 agree", "no matches with r0 are drawn", 20, 0,
    ]  # fmt: skip


def test_one_photo_comes_without_a_list(tmp_path: Path, photo: Path, references: Database, look: Look) -> None:
    alone = PagePhoto(located(str(photo), 2.0, 3.4), [matches("r1", 30)])
    write_page(tmp_path / "page.html", Heading("photo.jpg"), [alone], references)
    script = (
        SEEN + "return [n('#rows'),n('#list'),n('.pair line'),n('#map .estimate'),n('#map .truth'),n('.stages span')]"
    )
    assert json.loads(look(tmp_path / "page.html", script)) == [0, 0, 30, 1, 0, 2]


def test_the_map_zooms_and_finds_the_photo(
    tmp_path: Path, photos: list[PagePhoto], references: Database, look: Look
) -> None:
    write_page(tmp_path / "page.html", Heading("map"), photos, references)
    script = (
        "const width=()=>+d.getElementById('map').getAttribute('viewBox').split(' ')[2],seen=[width()];"
        "for(const id of ['nearer','there','whole']){d.getElementById(id).click();seen.push(width())}"
        "const bar=d.getElementById('scale'),share=parseFloat(bar.style.width)/d.getElementById('map').clientWidth;"
        "return [...seen,bar.textContent,share*width()]"
    )
    whole, nearer, there, again, scale, length = json.loads(look(tmp_path / "page.html", script))
    assert whole == again > nearer == pytest.approx(0.6 * whole)
    assert nearer > there > 1
    assert (scale, length) == ("50 cm", pytest.approx(0.5, rel=1e-3))


def test_names_run_nothing(tmp_path: Path, photos: list[PagePhoto], references: Database, look: Look) -> None:
    write_page(tmp_path / "page.html", Heading("fine"), photos[::-1], references)
    assert json.loads(look(tmp_path / "page.html", "return [d.title,d.querySelector('#detail h3').textContent]")) == [
        "fine",
        ATTACK,
    ]


def test_a_thousand_photos_open(tmp_path: Path, references: Database, look: Look) -> None:
    thousand(tmp_path, references)
    page = tmp_path / "page.html"
    # Asking for a height makes the browser lay the whole page out before it goes on.
    probe = "document.title=document.body.offsetHeight>0&&data.photos.length+' photos, '+"
    probe += "document.querySelectorAll('#map .truth').length+' marks, '+Math.round(performance.now())+' ms'"
    page.write_text(page.read_text("utf-8").replace("</body>", f"<script>{probe}</script></body>"), "utf-8")
    shown = browse(tmp_path, "--dump-dom", page.as_uri())
    title = re.search(r"<title>(\d+) photos, (\d+) marks, (\d+) ms</title>", shown)
    assert title is not None
    assert title.groups()[:2] == ("1000", "1000")
    print(f"opened in {title[3]} ms")  # noqa: T201 - the figure, for whoever runs it with -s
