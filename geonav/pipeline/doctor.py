"""Whether this machine and this configuration can do the work: one line a check, with what to do."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import SecretStr

from geonav import __version__
from geonav.config import CONFIG_FILE, CREDENTIAL_VARIABLES, GeonavConfig
from geonav.data.files import TEMPORARY_PREFIX
from geonav.errors import GeonavError

State = Literal["ok", "warn", "fail"]

_PACKAGES = ("torch", "kornia", "faiss-cpu", "pycolmap", "numpy", "pyproj", "shapely", "pillow", "requests")
_EXTRAS = {"streets": "osmnx", "dem": "rasterio", "heif": "pillow_heif", "milvus": "pymilvus", "s3": "s3fs"}
_LEAST_FREE_BYTES = 1 << 30
_GOOGLE_PREFIX = "AIza"


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        state: ok, warn (some work is not possible) or fail (what is configured cannot work).
        found: what is the case; never holds a key.
        advice: what to do; empty where nothing is to be done.
        exit_code: of the error that a failure stands for.
    """

    name: str
    state: State
    found: str
    advice: str = ""
    exit_code: int = 0


def failed(name: str, error: GeonavError, *, is_needed: bool = True) -> Check:
    """What an error means, which says itself what to do: a failure if what failed is needed, else a warning."""
    return Check(name, "fail" if is_needed else "warn", str(error), exit_code=error.exit_code if is_needed else 0)


def examine(config: GeonavConfig, config_path: Path | None = None) -> Iterator[Check]:
    """Look at everything that can be seen without the network, one after another.

    Args:
        config: the effective configuration.
        config_path: the file that was named, if one was.
    """
    checks: tuple[Callable[[], Check], ...] = (
        _system,
        _packages,
        _extras,
        lambda: _configuration(config_path),
        lambda: _device(config),
        lambda: _weights(config),
        lambda: _cache(config),
        lambda: _database(config),
    )
    for check in checks:
        yield check()
    yield from _keys(config)
    yield _imagery(config)
    yield _heights(config)


def _system() -> Check:
    return Check("system", "ok", f"geonav {__version__}, Python {platform.python_version()}, {platform.platform()}")


def _packages() -> Check:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check(
            "packages", "fail", f"missing: {', '.join(missing)}", "install geonav again: pip install geonav", 1
        )
    return Check("packages", "ok", ", ".join(found))


def _extras() -> Check:
    states = (
        f"{extra} ({package}) {'yes' if find_spec(package) else f'no: pip install geonav[{extra}] adds it'}"
        for extra, package in _EXTRAS.items()
    )
    return Check("extras", "ok", "; ".join(states))


def _configuration(path: Path | None) -> Check:
    file = path or Path(CONFIG_FILE)
    if file.exists():
        return Check("configuration", "ok", str(file.resolve()))
    return Check("configuration", "ok", f"no {CONFIG_FILE} in this folder: defaults and the environment hold")


def _device(config: GeonavConfig) -> Check:
    from geonav.vision.devices import available_devices, pick_device

    try:
        chosen = pick_device(config.device)
    except GeonavError as error:
        return failed("device", error)
    return Check("device", "ok", f"{chosen} (this machine has {', '.join(available_devices())})")


def _weights(config: GeonavConfig) -> Check:
    from geonav.vision.registries import EXTRACTORS
    from geonav.vision.weights import list_models

    try:
        model = EXTRACTORS.check(config.local.model)
    except GeonavError as error:
        return failed("weights", error)
    needed = [item for item in list_models(config) if item.weights.name.split("_")[0] == model]
    if not needed:
        return Check("weights", "ok", f"{model}: not geonav's own; transformers loads them when they are used")
    absent = [item.weights.name for item in needed if item.state in ("absent", "corrupted")]
    if not absent:
        return Check("weights", "ok", ", ".join(f"{item.weights.name} {item.state}" for item in needed))
    found = f"of {model}, not on this machine: {', '.join(absent)}"
    if config.weights.offline:
        return Check("weights", "fail", found, "copy them here, or allow to fetch them: weights.offline = false", 3)
    return Check(
        "weights", "warn", found, f"run 'geonav models pull {' '.join(absent)}', or they are fetched when used"
    )


def _cache(config: GeonavConfig) -> Check:
    folder = config.cache_dir or Path(platformdirs.user_cache_dir("geonav"))
    probe = folder / f"{TEMPORARY_PREFIX}doctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"geonav")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror or error})"
        return Check("cache", "fail", found, "make it writable or name another: cache_dir or GEONAV_CACHE_DIR", 8)
    found = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < _LEAST_FREE_BYTES:
        return Check("cache", "warn", found, "free some space: a database of a town takes gigabytes")
    return Check("cache", "ok", found)


def _database(config: GeonavConfig) -> Check:
    from geonav.data.database import Database

    if config.database is None:
        return Check("database", "ok", "none named: commands take --database DIR")
    if not config.database.exists():
        return Check("database", "ok", f"{config.database} does not exist yet: fetch or import makes it")
    try:
        Database.open(config.database)
    except GeonavError as error:
        return failed("database", error)
    return Check("database", "ok", str(config.database))


def _keys(config: GeonavConfig) -> Iterator[Check]:
    for variable, (section, setting) in CREDENTIAL_VARIABLES.items():
        secret: SecretStr | None = getattr(getattr(config, section), setting)
        name, value = f"key {section}.{setting}", secret.get_secret_value().strip() if secret else ""
        if not value:
            yield Check(name, "ok", f"not set; {variable} sets it")
        elif setting == "api_key" and not value.startswith(_GOOGLE_PREFIX):
            yield Check(
                name, "warn", "set, but not of Google's form", f"copy it again: it begins with {_GOOGLE_PREFIX}"
            )
        else:
            yield Check(name, "ok", f"set ({len(value)} characters)")


def _imagery(config: GeonavConfig) -> Check:
    from geonav.providers.registry import PROVIDERS

    try:
        PROVIDERS.load(config.fetch.provider).from_config(config)
    except GeonavError as error:
        # Without it, one can still import photos and locate others; a name that is wrong never works.
        return failed("imagery", error, is_needed=config.fetch.provider not in PROVIDERS.names())
    return Check("imagery", "ok", f"provider {config.fetch.provider} is ready")


def _heights(config: GeonavConfig) -> Check:
    from geonav.providers.registry import HEIGHT_SOURCES

    try:
        HEIGHT_SOURCES.load(config.elevation.source).from_config(config)
    except GeonavError as error:
        return failed("elevation", error, is_needed=False)
    return Check("elevation", "ok", f"source {config.elevation.source} is ready")
