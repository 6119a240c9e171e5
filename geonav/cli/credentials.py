"""``--credentials FILE``: keys from a file, so that none stands in the arguments or in a shell's history."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from geonav.config import CREDENTIAL_VARIABLES
from geonav.errors import ConfigError

_TARGETS = CREDENTIAL_VARIABLES | {setting: (section, setting) for section, setting in CREDENTIAL_VARIABLES.values()}
_SECTIONS = {section for section, _ in CREDENTIAL_VARIABLES.values()}


def read_credentials(path: Path | None) -> dict[str, dict[str, str]]:
    """Settings out of a file of keys: TOML, JSON, or lines of ``NAME=value``.

    Names are those of the environment's variables, the settings' own (``api_key``), or stand in a table named as the
    settings' section.

    Raises:
        ConfigError: the file cannot be read, or holds another name; no message shows a value.
    """
    if path is None:
        return {}
    try:
        text = path.expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        msg = f"credentials {path} cannot be read: {reason}"
        raise ConfigError(msg) from None
    found: dict[str, dict[str, str]] = {}
    for name, value in _flat(_parsed(text, path), path):
        section, setting = _target(name, path)
        if not isinstance(value, str) or not value.strip():
            msg = f"credentials {path}: '{name}' must be a text that is not empty"
            raise ConfigError(msg)
        found.setdefault(section, {})[setting] = value.strip()
    if not found:
        msg = f"credentials {path} name no key: write NAME=value lines with {_known()}"
        raise ConfigError(msg)
    return found


def _parsed(text: str, path: Path) -> dict[str, Any]:
    for parse in (json.loads, tomllib.loads, _lines):
        try:
            data = parse(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    msg = f"credentials {path} are neither TOML, JSON nor lines of NAME=value"
    raise ConfigError(msg)


def _lines(text: str) -> dict[str, Any]:
    found = {}
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.removeprefix("export ").partition("=")
        if not sign:
            raise ValueError
        found[name.strip()] = value.strip().strip("\"'")
    return found


def _flat(data: dict[str, Any], path: Path) -> list[tuple[str, Any]]:
    """Names with their values; those of a table carry its name."""
    flat: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            if name not in _SECTIONS:
                msg = f"credentials {path}: unknown table '{name}': use {' or '.join(sorted(_SECTIONS))}"
                raise ConfigError(msg)
            flat += [(f"{name}.{inner}", item) for inner, item in value.items()]
        else:
            flat.append((name, value))
    return flat


def _target(name: str, path: Path) -> tuple[str, str]:
    table, _, setting = name.rpartition(".")
    target = _TARGETS.get(setting) or _TARGETS.get(setting.upper()) or _TARGETS.get(setting.lower())
    if target is None or (table and target[0] != table):
        msg = f"credentials {path}: unknown name '{_shown(name)}': use {_known()}"
        raise ConfigError(msg)
    return target


def _shown(name: str) -> str:
    # What stands where a name should may be the key itself; keys mix capitals, small letters and digits.
    return name if re.fullmatch(r"([A-Z_]{1,40}|[a-z_.]{1,40})", name) else f"{name[:4]}..."


def _known() -> str:
    return ", ".join(CREDENTIAL_VARIABLES)
