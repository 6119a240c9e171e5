"""One frozen configuration, one section per stage; the descriptions of the fields are its manual.

:class:`GeonavConfig` itself is plain data: ``GeonavConfig()`` holds the defaults whatever the environment says.
:func:`load_config` reads, in rising precedence, ``geonav.toml``, ``.env``, ``GEONAV_*`` environment variables
(sections by two underscores: ``GEONAV_LOCAL__MAX_KEYPOINTS=4096``) and overrides, which is what the command line
gives. A name that no setting has is refused with the nearest one that exists.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from geonav.errors import ConfigError
from geonav.settings.base import Section
from geonav.settings.engine import EngineConfig
from geonav.settings.fetching import (
    ElevationConfig,
    FetchConfig,
    GoogleConfig,
    MapillaryConfig,
    MapsConfig,
    OpenStreetMapConfig,
    PanoramaxConfig,
    PricesConfig,
    SamplingConfig,
)
from geonav.settings.mapping import MapConfig
from geonav.settings.milvus import MilvusConfig
from geonav.settings.search import SearchConfig
from geonav.settings.serving import ServeConfig
from geonav.settings.stages import GlobalConfig, LocalConfig, LocalizeConfig, WeightsConfig
from geonav.settings.storage import StorageConfig

CONFIG_FILE = "geonav.toml"
ENV_PREFIX = "GEONAV_"
# Variables with the prefix that are no settings: which file to read, and shell completion's own.
OTHER_VARIABLES = ("GEONAV_CONFIG", "_GEONAV_COMPLETE")
# The names under which services' own documentation keeps their keys.
CREDENTIAL_VARIABLES = {
    "GOOGLE_MAPS_API_KEY": ("google", "api_key"),
    "GOOGLE_MAPS_SIGNING_SECRET": ("google", "signing_secret"),
    "MAPILLARY_ACCESS_TOKEN": ("mapillary", "access_token"),
}
# Settings that no message shows.
_SECRETS = (
    *CREDENTIAL_VARIABLES.values(),
    ("storage", "key"),
    ("storage", "secret"),
    ("storage", "token"),
    ("serve", "api_key"),
    ("milvus", "token"),
)
# One variable for each weights file of one's own: GEONAV_WEIGHTS__PATHS__DISK=/my/disk.pth
_PATHS_VARIABLE = "GEONAV_WEIGHTS__PATHS__"
# Settings that are paths, alone or in a table: in a file they are relative to the file, not to where the command runs.
_PATHS = (
    "database",
    "cache_dir",
    "weights.dir",
    "weights.paths",
    "elevation.geotiff",
    "global.checkpoint",
    "serve.keep_uploads",
)


class GeonavConfig(Section):
    """Everything that can be set."""

    database: Path | None = Field(None, description="folder of the database")
    cache_dir: Path | None = Field(None, description="folder for what is fetched; the system's own place if not given")
    device: str = Field("auto", description="where networks run: auto, cpu, cuda, cuda:N or mps")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="numbers that networks compute with: auto (what the processor is fastest in and is exact enough), "
        "float32, bfloat16 or float16",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of every random choice")
    local: LocalConfig = Field(default_factory=LocalConfig, description="local features")
    retrieval: GlobalConfig = Field(default_factory=GlobalConfig, alias="global", description="global descriptors")
    search: SearchConfig = Field(default_factory=SearchConfig, description="which references are found")
    localize: LocalizeConfig = Field(default_factory=LocalizeConfig, description="localisation")
    mapping: MapConfig = Field(default_factory=MapConfig, alias="map", description="references among themselves")
    engine: EngineConfig = Field(default_factory=EngineConfig, description="who does the work")
    weights: WeightsConfig = Field(default_factory=WeightsConfig, description="weights of the networks")
    sampling: SamplingConfig = Field(default_factory=SamplingConfig, description="points to ask for imagery at")
    fetch: FetchConfig = Field(default_factory=FetchConfig, description="fetching of references")
    google: GoogleConfig = Field(default_factory=GoogleConfig, description="Google Street View and Elevation")
    mapillary: MapillaryConfig = Field(default_factory=MapillaryConfig, description="Mapillary")
    panoramax: PanoramaxConfig = Field(default_factory=PanoramaxConfig, description="Panoramax")
    osm: OpenStreetMapConfig = Field(default_factory=OpenStreetMapConfig, description="places and streets")
    elevation: ElevationConfig = Field(default_factory=ElevationConfig, description="heights of the ground")
    prices: PricesConfig = Field(default_factory=PricesConfig, description="what paid calls cost")
    maps: MapsConfig = Field(default_factory=MapsConfig, description="maps as HTML files")
    storage: StorageConfig = Field(default_factory=StorageConfig, description="copies in object storage")
    serve: ServeConfig = Field(default_factory=ServeConfig, description="answering over HTTP")
    milvus: MilvusConfig = Field(default_factory=MilvusConfig, description="vectors in Milvus")

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            msg = f"unknown device '{value}', use auto, cpu, cuda, cuda:N or mps"
            raise ValueError(msg)
        return value


Settings = Mapping[str, Any]


def setting_names() -> list[str]:
    """Every setting with its section as in ``local.max_keypoints``, in the order of the manual."""
    return list(_names(GeonavConfig))


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{key}.")
        else:
            yield key


def load_config(path: Path | str | None = None, overrides: Settings | None = None) -> GeonavConfig:
    """Read the configuration from all its sources.

    Args:
        path: the file to read; ``geonav.toml`` of the working folder, where there is one, if None.
        overrides: nested settings that win over all others; those that are None are left out.

    Raises:
        ConfigError: an unknown name, a value that does not fit, or a file that cannot be read.
    """
    sources = {
        str(path or CONFIG_FILE): _from_file(path),
        **_from_environment(),
        "options": _by_alias(_without_none(overrides or {})),
    }
    merged: dict[str, Any] = {}
    for label, settings in sources.items():
        _refuse_unknown(label, settings)
        merged = _merged(merged, settings)
    try:
        return GeonavConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, sources)) from error


def _from_file(path: Path | str | None) -> Settings:
    file = Path(path or CONFIG_FILE).expanduser()
    if path is None and not file.exists():
        return {}
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"configuration {file} cannot be read: {reason}"
        raise ConfigError(msg) from error
    return _with_paths_from(settings, file.parent)


def _with_paths_from(settings: Settings, folder: Path, at: str = "") -> Settings:
    def place(name: str, value: object) -> object:
        if isinstance(value, dict):
            return _with_paths_from(value, folder, f"{at}{name}.")
        is_path = f"{at}{name}" in _PATHS or at.removesuffix(".") in _PATHS
        return folder / Path(value).expanduser() if is_path and isinstance(value, str) else value

    return {name: place(name, value) for name, value in settings.items()}


def _from_environment() -> dict[str, Settings]:
    """Settings in ``.env`` and in the environment, by the name of their source."""
    from pydantic_settings import (
        BaseSettings,
        DotEnvSettingsSource,
        EnvSettingsSource,
        SettingsConfigDict,
        SettingsError,
    )

    class Environment(BaseSettings, GeonavConfig):
        """The names to look for, read by pydantic-settings."""

        model_config = SettingsConfigDict(
            env_prefix=ENV_PREFIX,
            env_prefix_target="all",
            env_nested_delimiter="__",
            env_ignore_empty=True,
            extra="ignore",
        )

    sources = {
        ".env": DotEnvSettingsSource(Environment, env_file=".env"),
        "the environment": EnvSettingsSource(Environment),
    }
    try:
        for label, source in sources.items():
            _refuse_unknown_variables(label, source.env_vars)
        found = {
            label: _merged(_credentials(source.env_vars), _by_alias(source())) for label, source in sources.items()
        }
    except (SettingsError, OSError, UnicodeDecodeError) as error:
        msg = f"the environment cannot be read: {str(error).splitlines()[0]}"
        raise ConfigError(msg) from error
    sections = {name.partition(".")[0] for name in setting_names()}
    # A .env file holds other programs' variables too, which its source passes on.
    return {label: {key: data[key] for key in data if key in sections} for label, data in found.items()}


def _credentials(variables: Mapping[str, str | None]) -> dict[str, Any]:
    """Settings out of the variables under which services' own documentation keeps their keys."""
    found: dict[str, Any] = {}
    for name, (section, setting) in CREDENTIAL_VARIABLES.items():
        value = variables.get(name) or variables.get(name.lower())
        if value:
            found.setdefault(section, {})[setting] = value
    return found


def _refuse_unknown_variables(label: str, variables: Mapping[str, Any]) -> None:
    known = {ENV_PREFIX + name.upper().replace(".", "__") for name in setting_names()}
    known |= {name.rpartition("__")[0] for name in known if "__" in name} | set(OTHER_VARIABLES)
    for name in (name.upper() for name in variables):
        if name.startswith(ENV_PREFIX) and not (name in known or name.startswith(_PATHS_VARIABLE)):
            raise ConfigError(_unknown(label, "variable", name, sorted(known)))


def _refuse_unknown(label: str, settings: Settings, model: type[BaseModel] = GeonavConfig, at: str = "") -> None:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for name, value in settings.items():
        if name not in fields:
            candidates = [at + key for key in fields] + setting_names()
            kind = "section" if isinstance(value, Mapping) else "setting"
            raise ConfigError(_unknown(label, kind, at + name, candidates))
        section = fields[name].annotation
        if isinstance(value, Mapping) and isinstance(section, type) and issubclass(section, BaseModel):
            _refuse_unknown(label, value, section, f"{at}{name}.")


def _unknown(label: str, kind: str, name: str, candidates: list[str]) -> str:
    near = get_close_matches(name, candidates, n=1, cutoff=0.5)
    if not near:  # the right name in the wrong section
        near = [key for key in candidates if key.rpartition(".")[2] == name.rpartition(".")[2]]
    hint = f"did you mean '{near[0]}'?" if near else "'geonav config show' lists all"
    return f"{label}: unknown {kind} '{name}': {hint}"


def _first_problem(error: ValidationError, sources: Mapping[str, Settings]) -> str:
    problem = error.errors(include_url=False)[0]
    keys = [str(key) for key in problem["loc"]]
    labels = [label for label, settings in sources.items() if _has(settings, keys)]
    reason = problem["msg"].removeprefix("Value error, ")
    value = "(hidden)" if tuple(keys[:2]) in _SECRETS else repr(problem["input"])
    return f"{labels[-1] if labels else 'configuration'}: {'.'.join(keys)} = {value}: {reason}"


def _has(settings: object, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(settings, Mapping) or key not in settings:
            return False
        settings = settings[key]
    return True


def _by_alias(settings: Settings) -> Settings:
    """Sections under their names in files: ``global`` is a keyword of Python, so its field has another name."""
    fields = GeonavConfig.model_fields
    return {(fields[key].alias or key) if key in fields else key: value for key, value in settings.items()}


def _without_none(settings: Settings) -> Settings:
    nested = {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in settings.items()}
    return {key: value for key, value in nested.items() if value is not None}


def _merged(base: Settings, top: Settings) -> dict[str, Any]:
    both = dict(base)
    for key, value in top.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both
