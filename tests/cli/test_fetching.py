"""``geonav fetch`` through the program: what it asks before it pays, what it prints, how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from geonav.data.database import Database
from geonav.errors import AuthError, NetworkError
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS
from tests.cli.conftest import Run
from tests.pipeline import fake_sources
from tests.pipeline.fake_sources import KEY, FakeProvider, World, street

HERE = ["--point", "48.5", "8.25", "--radius", "50"]
DB = ["--database", "db"]
SMALL = ["--n-directions", "4", "--fov", "80"]


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(PROVIDERS._targets, "fake", "tests.pipeline.fake_sources:FakeProvider")
    monkeypatch.setitem(HEIGHT_SOURCES._targets, "google", "tests.pipeline.fake_sources:FakeHeights")
    monkeypatch.setattr("geonav.data.manifest.clock", lambda: fake_sources.NOON)
    monkeypatch.setenv("GEONAV_FETCH__PROVIDER", "fake")
    monkeypatch.setenv("GEONAV_FETCH__SIZE_PX", "64")
    made = street(3)
    monkeypatch.setattr(FakeProvider, "world", made)
    return made


def test_step_by_step(run: Run) -> None:
    found = run("fetch", "metadata", *HERE, *DB, "--spacing", "20", "--provider", "fake")
    assert (found.code, found.err) == (0, "")
    assert found.out == "metadata (fake): 3 done; 3 calls of this run\n  3 panoramas\n"
    raised = run("fetch", "elevation", *DB, "--yes")
    assert raised.out == "elevation (slope): 3 done; 1 calls of this run, 1 paid calls, USD 0.00\n"
    fetched = run("fetch", "panoramas", *DB, *SMALL, "--yes")
    assert fetched.out == "panoramas (fake): 12 done; 12 calls of this run, 12 paid calls, USD 0.00\n"
    assert fetched.err == "12 paid calls (street_view): USD 0.00 (prices of 2025-03)\n"
    assert len(Database.open("db")) == 12
    again = run("fetch", "panoramas", *DB, *SMALL)
    assert (again.code, again.err) == (0, ""), "where nothing is paid nobody is asked"


def test_panoramas_of_an_area_do_what_is_missing_before(run: Run, world: World) -> None:
    ended = run("fetch", "panoramas", *HERE, *DB, "--n_directions", "2", "--position-std-m", "0.5", "--yes", "--json")
    assert ended.code == 0
    report = json.loads(ended.out)
    assert [(stage["stage"], stage["counts"]) for stage in report["stages"]] == [
        ("metadata", {"done": 3}), ("elevation", {"done": 3}), ("panoramas", {"done": 6}),
    ]  # fmt: skip
    assert [world.count(kind) for kind in ("search", "heights", "picture")] == [3, 1, 6]
    assert Database.open("db").metadata("fake_p000_00").position_std_m == 0.5


def test_a_dry_run_prices_and_calls_nobody(run: Run, world: World) -> None:
    world.panoramas = street(50).panoramas
    ended = run("fetch", "panoramas", *HERE, *DB, "--dry-run", "--json", "--spacing", "10", "--n-directions", "300")
    plan = json.loads(ended.out)
    assert (ended.code, plan["is_upper_bound"], world.calls) == (0, True, [])
    assert plan["views"] == plan["panoramas"] * 300
    assert plan["cost_usd"] == pytest.approx((plan["views"] - 10_000) * 7 / 1000)
    assert not Path("db").exists()
    world.panoramas = street(3).panoramas
    run("fetch", "metadata", *HERE, *DB)
    world.calls.clear()
    ended = run("fetch", "panoramas", *DB, "--dry-run")
    assert ended.out.splitlines() == [
        "3 panoramas; to be fetched: 24 views",
        "calls: 1 for heights, 24 for pictures",
        "1 paid calls (elevation): USD 0.00 (prices of 2025-03)",
        "24 paid calls (street_view): USD 0.00 (prices of 2025-03)",
        "cost: USD 0.00; nothing was fetched",
    ]
    assert json.loads(run("fetch", "elevation", *DB, "--dry-run", "--json").out)["height_calls"] == 1
    assert world.calls == []


def test_where_only_asking_tells(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeProvider, "searches", "boxes")
    ended = run("fetch", "metadata", *HERE, *DB, "--dry-run")
    assert ended.out == (
        "metadata: 3 calls, 0 answered before; 0 panoramas known\n"
        "how many panoramas there are is known after 'geonav fetch metadata'; nothing was fetched\n"
    )
    plan = json.loads(run("fetch", "metadata", *HERE, *DB, "--dry-run", "--json").out)
    assert (plan["panoramas"], plan["cost_usd"], world.calls) == (None, 0, [])


def test_where_there_is_nothing(run: Run, world: World) -> None:
    world.panoramas = {"q": []}
    ended = run("fetch", "metadata", *HERE, *DB)
    assert (ended.code, ended.out) == (0, "metadata (fake): 1 nothing; 1 calls of this run\n  0 panoramas\n")
    ended = run("fetch", "panoramas", *DB, "--yes")
    assert (ended.code, ended.err.count("\n")) == (3, 1)
    assert ended.err.startswith("error: fake has no panorama where it was asked")


def test_panoramas_of_another_provider(run: Run) -> None:
    run("fetch", "metadata", *HERE, *DB)
    ended = run("fetch", "panoramas", *DB, "--provider", "google")
    assert (ended.code, ended.err) == (
        2, "error: the database has panoramas of fake, none of google: add --provider fake\n",
    )  # fmt: skip


def test_other_views_than_those_there_are_refused_before_anything_is_priced(run: Run) -> None:
    run("fetch", "panoramas", *HERE, *DB, *SMALL, "--yes")
    for asked in (["--dry-run"], []):
        ended = run("fetch", "panoramas", *DB, "--n-directions", "4", "--fov", "40", *asked)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: the database holds 4 views of 80 degrees at pitch 0")
    refreshed = run("fetch", "panoramas", *DB, "--n-directions", "4", "--fov", "40", "--refresh", "--dry-run", "--json")
    assert json.loads(refreshed.out)["views"] == 12


def test_info_tells_a_reader_what_was_fetched_what_failed_and_what_it_cost(run: Run, world: World) -> None:
    world.faults = {f"p001/{index}": lambda: NetworkError("broke off") for index in range(4)}
    run("fetch", "panoramas", *HERE, *DB, *SMALL, "--yes")
    lines = run("database", "info", *DB).out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("fetched of"))
    states = "queries 3 done; panoramas 3 found; heights 3 done; views 8 done, 4 failed"
    assert lines[at:] == [
        f"fetched of fake: {states}; captured 2024-01 to 2024-03",
        "spent in 2026-03: 1 calls (elevation), USD 0.00 (prices of 2025-03)",
        "spent in 2026-03: 8 calls (street_view), USD 0.00 (prices of 2025-03)",
        *(f"failed: fake_p001_{index:02d}: broke off" for index in range(4)),
    ]
    report = json.loads(run("database", "info", *DB, "--json").out)
    assert report["fetched"]["views"] == {"fake": {"done": 8, "failed": 4}}


def test_without_a_provider_it_is_the_one_that_the_database_has(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEONAV_FETCH__PROVIDER")
    run("fetch", "metadata", *HERE, *DB, "--provider", "fake")
    assert json.loads(run("fetch", "panoramas", *DB, *SMALL, "--dry-run", "--json").out)["views"] == 12
    ended = run("fetch", "panoramas", *DB, *SMALL, "--yes", "--json")
    assert ended.code == 0, ended.err
    assert len(Database.open("db")) == 12
    ended = run("fetch", "panoramas", *DB, "--provider", "google")
    assert (ended.code, ended.err) == (
        2, "error: the database has panoramas of fake, none of google: add --provider fake\n",
    )  # fmt: skip


def test_calls_that_cost_nothing_need_no_yes(run: Run, world: World) -> None:
    run("fetch", "metadata", *HERE, *DB)
    ended = run("fetch", "panoramas", *DB)
    assert (ended.code, world.count("picture")) == (0, 24)
    assert ended.err.count("USD 0.00") == 2


def test_paid_calls_need_a_yes(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for sku in ("STREET_VIEW", "ELEVATION"):
        monkeypatch.setenv(f"GEONAV_PRICES__{sku}", "[[1e9, 7.0]]")
    run("fetch", "metadata", *HERE, *DB)
    for command in ("elevation", "panoramas"):
        ended = run("fetch", command, *DB)
        assert (ended.code, ended.out) == (2, "")
        assert "need a yes, and there is no terminal to ask at: add --yes" in ended.err
    assert world.count("heights") == world.count("picture") == 0


def test_the_answer_at_a_terminal_counts(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_PRICES__STREET_VIEW", "[[1e9, 7.0]]")
    run("fetch", "metadata", *HERE, *DB)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr("typer.confirm", lambda *_, **__: next(answers))
    refused = run("fetch", "panoramas", *DB)
    assert (refused.code, world.count("picture")) == (2, 0)
    assert refused.err.endswith("error: not confirmed, so nothing was paid for\n")
    assert run("fetch", "panoramas", *DB).code == 0
    assert world.count("picture") == 24


def test_the_cost_is_bounded(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_PRICES__STREET_VIEW", "[[1e9, 1000.0]]")
    run("fetch", "metadata", *HERE, *DB)
    ended = run("fetch", "panoramas", *DB, "--max-cost", "23.99", "--yes")
    assert ended.code == 2
    assert "would cost USD 24.00, more than the USD 23.99 allowed: raise --max-cost" in ended.err
    assert world.count("picture") == world.count("heights") == 0
    assert run("fetch", "panoramas", *DB, "--max-cost", "24", "--yes").code == 0


def test_failures_are_listed_and_end_with_6(run: Run, world: World) -> None:
    world.faults = {"q001": lambda: NetworkError("the service failed"), "p000/1": lambda: NetworkError("cut short")}
    first = run("fetch", "metadata", *HERE, *DB)
    assert first.code == 6
    assert "  q001: the service failed\n" in first.out
    assert first.err == (
        "error: 1 could not be fetched, the first being metadata of q001: the service failed; "
        "--retry-failed asks for them once more\n"
    )
    ended = run("fetch", "panoramas", *DB, "--yes", "--json")
    assert ended.code == 6
    assert json.loads(ended.out)["stages"][1]["failed"] == [["fake_p000_01", "cut short"]]
    world.faults = {}
    assert run("fetch", "metadata", *HERE, *DB, "--retry-failed").code == 0
    assert run("fetch", "panoramas", *DB, "--yes", "--retry-failed").code == 0


@pytest.mark.parametrize(("error", "code"), [(AuthError("key refused"), 4), (NetworkError("unreachable"), 5)])
def test_what_stops_everything_has_its_code(error: Exception, code: int, run: Run, world: World) -> None:
    world.faults = {"search": lambda: error}
    ended = run("fetch", "metadata", *HERE, *DB)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)


def test_what_does_not_make_sense(run: Run) -> None:
    for arguments, reason in (
        (["metadata", *DB], "no area named: give --point LAT LNG --radius M, --place NAME or --points FILE"),
        (["metadata", *HERE], "no database named"),
        (["metadata", *HERE, *DB, "--provider", "bing"], "unknown provider 'bing'"),
        (["metadata", *HERE, *DB, "--elevation-source", "sea"], "elevation.source = 'sea'"),
        (["metadata", *HERE, *DB, "--credentials", "absent"], "credentials absent cannot be read"),
        (["panoramas", *DB, "--fov", "180"], "fetch.fov_deg = 180.0"),
    ):
        ended = run("fetch", *arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert reason in ended.err
    assert list(Path().iterdir()) == []


def test_without_a_database_there_is_nothing_to_add_to(run: Run) -> None:
    for command in ("elevation", "panoramas"):
        assert run("fetch", command, *DB, "--yes").code == 3


CREDENTIALS: dict[str, Callable[[], str]] = {
    "lines": lambda: f"# my key\nexport GOOGLE_MAPS_API_KEY='{KEY}'\nGOOGLE_MAPS_SIGNING_SECRET = abc=\n",
    "toml": lambda: f'GOOGLE_MAPS_API_KEY = "{KEY}"\n',
    "bare": lambda: f'api_key = "{KEY}"\nsigning_secret = "abc="\n',
    "table": lambda: f'[google]\napi_key = "{KEY}"\n[mapillary]\naccess_token = "MLY"\n',
    "json": lambda: json.dumps({"api_key": KEY, "access_token": "MLY"}),
    "windows": lambda: f"\ufeffGOOGLE_MAPS_API_KEY={KEY}\r\n",
}


@pytest.mark.parametrize("form", sorted(CREDENTIALS))
def test_keys_come_from_a_file(form: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_MAPS_API_KEY", "another, which the file overrules")
    Path("keys").write_text(CREDENTIALS[form](), "utf-8")
    seen = []
    monkeypatch.setattr(FakeProvider, "from_config", classmethod(lambda cls, config: seen.append(config) or cls()))
    assert run("fetch", "metadata", *HERE, *DB, "--credentials", "keys").code == 0
    assert seen[0].google.api_key.get_secret_value() == KEY
    token = seen[0].mapillary.access_token
    assert (token is not None and token.get_secret_value() == "MLY") == (form in {"table", "json"})


@pytest.mark.parametrize(
    "content",
    [KEY, f"API_KEYS={KEY}", f'{{"api_key": ["{KEY}"]}}', f'[googel]\napi_key = "{KEY}"', f"{KEY}=", f"api_key=\n{KEY}",
     f'[mapillary]\napi_key = "{KEY}"', f'api_key = 12345\nother = "{KEY}"', ""],
)  # fmt: skip
def test_a_file_that_is_none_of_keys_does_not_show_them(content: str, run: Run) -> None:
    Path("keys").write_text(content, "utf-8")
    ended = run("--verbose", "fetch", "metadata", *HERE, *DB, "--credentials", "keys")
    assert ended.code == 2
    assert "credentials keys" in ended.err
    assert KEY not in ended.err + ended.out
    assert "12345" not in ended.err + ended.out


def test_the_key_is_nowhere(run: Run, world: World) -> None:
    Path("keys").write_text(f"GOOGLE_MAPS_API_KEY={KEY}\n", "utf-8")
    world.faults = {"p000/0": lambda: NetworkError(f"GET https://host/streetview?pano=p000&key={KEY}")}
    ended = run("--verbose", "fetch", "panoramas", *HERE, *DB, "--credentials", "keys", "--yes")
    assert ended.code == 6
    info = run("database", "info", *DB)
    shown = ended.out + ended.err + info.out + info.err
    files = [path for path in Path().rglob("*") if path.is_file() and path.name != "keys"]
    assert len(files) > 40
    assert KEY not in shown
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_info_reports_what_was_fetched(run: Run, world: World) -> None:
    world.faults = {"p000/1": lambda: NetworkError("cut short")}
    run("fetch", "panoramas", *HERE, *DB, "--n-directions", "2", "--yes")
    fetched = json.loads(run("database", "info", *DB, "--json").out)["fetched"]
    assert fetched == {
        "queries": {"fake": {"done": 3}},
        "panoramas": {"fake": {"found": 3}},
        "heights": {"fake": {"done": 3}},
        "views": {"fake": {"done": 5, "failed": 1}},
        "captured": {"fake": ["2024-01", "2024-03"]},
        "failures": [["fake_p000_01", "cut short"]],
        "spend": [
            {"month": "2026-03", "sku": "elevation", "calls": 1, "cost_usd": 0.0, "prices_as_of": "2025-03"},
            {"month": "2026-03", "sku": "street_view", "calls": 5, "cost_usd": 0.0, "prices_as_of": "2025-03"},
        ],
    }


def test_check_finds_a_fetched_database_sound(run: Run) -> None:
    run("fetch", "panoramas", *HERE, *DB, "--yes")
    ended = run("database", "check", *DB)
    assert (ended.code, ended.out) == (0, "24 entries checked, 0 findings\n")


def test_a_map_is_drawn_on_request(run: Run) -> None:
    ended = run("fetch", "metadata", *HERE, *DB, "-v")
    assert (ended.code, ended.err) == (0, "written: postview.html\n")
    assert "p000" in Path("postview.html").read_text("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX's")
def test_a_disk_that_fills_up_is_one_line(run: Run, tmp_path: Path) -> None:
    import subprocess
    import sys

    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    code = (
        f"{limit}; import sys, tests.pipeline.fetch_run as run; from pathlib import Path\n"
        "try:\n"
        "    run.main(Path(sys.argv[1]), 0.0, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "full")]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("StorageError cannot write ")
    assert "run the command again" in ended.stdout
    before = {path: path.read_bytes() for path in (tmp_path / "full").rglob("image.jpg")}
    command = [sys.executable, "-m", "tests.pipeline.fetch_run", str(tmp_path / "full"), "0"]
    subprocess.run(command, cwd=root, check=True)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(Database.open(tmp_path / "full")) == 48
