"""What made a run: configuration, versions, weights, the state of the references, the machine and the source code."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import read_json_object
from geonav.data.stamps import stamp
from geonav.errors import DatabaseError
from geonav.retrieval.shelf import STAMP_FILE

_PACKAGES = ("torch", "kornia", "faiss-cpu", "pycolmap", "numpy", "pyproj", "pillow", "transformers", "onnxruntime")
# Settings that say where things lie and who computes, not what is computed.
_PLACES = ("database", "cache_dir", "engine")
_GIT_SECONDS = 5.0


def configuration(config: GeonavConfig) -> dict[str, Any]:
    """The settings as JSON, keys hidden."""
    settings: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    return {name: value for name, value in settings.items() if name not in _PLACES}


def versions() -> dict[str, str]:
    """Of geonav, Python and the packages that compute."""
    found = {"geonav": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def weights(settings: Mapping[str, Any]) -> dict[str, str]:
    """The sha256 of every file of weights that a localizer's settings name, by stage."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            nested = weights(value)
            found |= {name if inner == "" else f"{name}.{inner}": digest for inner, digest in nested.items()}
        elif name.endswith("sha256") and value:
            found[""] = str(value)
    return found


def stamps(references: Database, config: GeonavConfig) -> dict[str, Any]:
    """What tells one state of the references' features and index from another."""
    found: dict[str, Any] = {"schema_version": references.schema_version}
    local = references.local_settings(config.local.model)
    if local is not None:
        found["local"] = {"model": config.local.model, "stamp": stamp(local)}
    folder = references.index_dir(config.retrieval.descriptor)
    for name, file in (("index", STAMP_FILE), ("global", "settings.json")):
        with suppress(DatabaseError):
            found[name] = read_json_object(folder / file)
    return found


def machine(config: GeonavConfig) -> dict[str, Any]:
    """What computed."""
    found: dict[str, Any] = {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": config.device,
        "precision": config.precision,
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        from geonav.vision.devices import pick_device, pick_dtype

        found["threads"] = torch.get_num_threads()
        found["precision"] = str(pick_dtype(pick_device(config.device), config.precision)).removeprefix("torch.")
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that geonav runs from, and whether files were changed; None where it is installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit, changed = (_git(root, *words) for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno")))
    return None if commit is None else {"commit": commit, "changed": bool(changed)}


def peak_memory_bytes() -> int | None:
    """The most memory this process has held; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(root), *words],  # noqa: S607 - the user's own git
            capture_output=True, text=True, timeout=_GIT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
