"""Configuration: sources, their precedence, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from geonav.config import GeonavConfig, load_config, setting_names
from geonav.errors import ConfigError


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GEONAV_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_sources_the_defaults_hold() -> None:
    assert load_config() == GeonavConfig()


def test_plain_construction_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_SEED", "7")
    assert GeonavConfig().seed == 0
    assert load_config().seed == 7


def test_each_source_wins_over_the_one_below(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("geonav.toml").write_text(
        "[local]\nmax_keypoints = 100\nnms_radius = 3\nbatch_size = 2\n[global]\nnum_clusters = 8\n"
    )
    assert load_config().local.max_keypoints == 100
    Path(".env").write_text("GEONAV_LOCAL__MAX_KEYPOINTS=200\nGEONAV_LOCAL__NMS_RADIUS=4\nOTHER_KEY=1\n")
    assert load_config().local.max_keypoints == 200
    monkeypatch.setenv("GEONAV_LOCAL__MAX_KEYPOINTS", "300")
    assert load_config().local.max_keypoints == 300
    config = load_config(overrides={"local": {"max_keypoints": 400, "nms_radius": None}})
    assert (config.local.max_keypoints, config.local.nms_radius, config.local.batch_size) == (400, 4, 2)
    assert config.retrieval.num_clusters == 8


def test_the_global_section_has_one_name_in_files_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_GLOBAL__NUM_CLUSTERS", "16")
    assert load_config().retrieval.num_clusters == 16
    assert load_config(overrides={"retrieval": {"num_clusters": 4}}).retrieval.num_clusters == 4


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_DATABASE", "")
    assert load_config().database is None


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    file = folder / "geonav.toml"
    file.write_text("database = 'castle'\n[weights]\ndir = '/abs'\n[weights.paths]\ndisk = 'disk.pth'\n")
    config = load_config(file)
    assert config.database == folder / "castle"
    assert config.weights.dir == Path("/abs")
    assert config.weights.paths == {"disk": folder / "disk.pth"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("databse = 'x'", "geonav.toml: unknown setting 'databse': did you mean 'database'?"),
        ("[locl]\nmodel = 'disk'", "geonav.toml: unknown section 'locl': did you mean 'local'?"),
        (
            "[local]\nmax_keypoint = 3",
            "geonav.toml: unknown setting 'local.max_keypoint': did you mean 'local.max_keypoints'?",
        ),
        ("max_keypoints = 3", "geonav.toml: unknown setting 'max_keypoints': did you mean 'local.max_keypoints'?"),
        ("qqqqqq = 3", "geonav.toml: unknown setting 'qqqqqq': 'geonav config show' lists all"),
    ],
)
def test_unknown_names_in_a_file_are_refused(text: str, message: str) -> None:
    Path("geonav.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(caught.value) == message


@pytest.mark.parametrize("dotenv", [True, False])
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("GEONAV_DATABSE", "GEONAV_DATABASE"),
        ("GEONAV_LOCAL__MAX_KEYPOINT", "GEONAV_LOCAL__MAX_KEYPOINTS"),
        ("GEONAV_LOCAL_MAX_KEYPOINTS", "GEONAV_LOCAL__MAX_KEYPOINTS"),
    ],
)
def test_unknown_variables_are_refused(name: str, near: str, dotenv: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if dotenv:
        Path(".env").write_text(f"{name}=1\n")
    else:
        monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError) as caught:
        load_config()
    source = ".env" if dotenv else "the environment"
    assert str(caught.value) == f"{source}: unknown variable '{name}': did you mean '{near}'?"


def test_variables_that_are_no_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_CONFIG", "somewhere.toml")
    monkeypatch.setenv("GEONAV_WEIGHTS__PATHS__DISK", "/my/disk.pth")
    assert load_config().weights.paths == {"disk": Path("/my/disk.pth")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 'x'", "geonav.toml: seed = 'x': Input should be a valid integer"),
        ("seed = -1", "geonav.toml: seed = -1: Input should be greater than or equal to 0"),
        ("device = 'gpu'", "geonav.toml: device = 'gpu': unknown device 'gpu', use auto, cpu, cuda, cuda:N or mps"),
        ("local = 3", "geonav.toml: local = 3: Input should be a valid dictionary"),
        ("weights = 3", "geonav.toml: weights = 3: Input should be a valid dictionary"),
        ("seed =", "configuration geonav.toml cannot be read: "),
        ("\udcff", "configuration geonav.toml cannot be read: "),
    ],
)
def test_values_that_do_not_fit_are_one_line(text: str, message: str) -> None:
    Path("geonav.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["google.api_key", "google.signing_secret", "mapillary.access_token"])
def test_a_key_that_does_not_fit_is_not_shown(name: str) -> None:
    section, setting = name.split(".")
    Path("geonav.toml").write_text(f"[{section}]\n{setting} = 123454321\n", "utf-8")
    with pytest.raises(ConfigError, match=setting) as caught:
        load_config()
    assert "123454321" not in str(caught.value)


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"configuration absent\.toml cannot be read: No such file or directory"):
        load_config("absent.toml")


@pytest.mark.parametrize("value", ["{", "[1"])
def test_a_section_that_is_no_json_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEONAV_LOCAL", value)
    with pytest.raises(ConfigError, match="the environment cannot be read: "):
        load_config()


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        GeonavConfig().local.max_keypoints = 5  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    for section in [
        GeonavConfig,
        *(type(getattr(GeonavConfig(), name)) for name in ("local", "retrieval", "localize", "weights")),
    ]:
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"
    assert "global.num_clusters" in setting_names()
