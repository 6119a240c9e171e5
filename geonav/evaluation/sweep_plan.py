"""What a sweep runs over: a file that names sets, axes and settings, and every combination of them."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geonav.config import setting_names
from geonav.errors import ConfigError
from geonav.evaluation.metrics import Threshold

# What people call an axis; any other setting goes by its own name.
SHORT_NAMES = {
    "descriptor": "global.descriptor",
    "rerank": "search.rerank",
    "top_k": "localize.top_k",
    "model": "local.model",
    "matcher": "local.matcher",
}
_OWN = {"query_set", "reference_set", "distractors", "output", "thresholds", "axes", "settings"}
# File names end at 255 bytes, and a folder of runs lies beneath others.
_LONGEST_NAME = 80
_MOST = 1000
_MOST_DEG = 180.0
Value = str | int | float | bool


@dataclass(frozen=True)
class Combination:
    """One run of a sweep.

    Attributes:
        name: of its folder.
        values: the value of each axis, by the setting's full name.
    """

    name: str
    values: Mapping[str, Value]

    @property
    def overrides(self) -> dict[str, Any]:
        """The values as nested settings."""
        return _nested(self.values)


@dataclass(frozen=True)
class SweepPlan:
    """A sweep as its file says.

    Attributes:
        query_set: see :func:`geonav.evaluation.query_set.read_query_set`.
        reference_set: the database to locate against.
        axes: values of each setting, by its full name; the first axis changes slowest.
        output: folder of the runs and the table.
        distractors: photos from elsewhere.
        settings: nested settings of all runs.
        thresholds: metres and degrees to count by, besides the usual ones.
    """

    query_set: Path
    reference_set: Path
    axes: Mapping[str, tuple[Value, ...]]
    output: Path
    distractors: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    thresholds: tuple[Threshold, ...] = ()

    def combinations(self) -> tuple[Combination, ...]:
        """Every combination, in the order of the axes."""
        found = []
        for values in itertools.product(*self.axes.values()):
            chosen = dict(zip(self.axes, values, strict=True))
            found.append(Combination(_folder_name(chosen), chosen))
        return tuple(found)


def read_plan(path: Path, output: Path | None = None) -> SweepPlan:
    """Read a sweep's file; paths in it are relative to the file.

    Args:
        path: a TOML file with ``query_set``, ``reference_set`` and ``[axes]``; further ``distractors``, ``output``,
            ``thresholds`` and ``[settings]``.
        output: folder of the runs in place of the file's, which is ``runs/<name of the file>`` if it names none.

    Raises:
        ConfigError: the file cannot be read, names what does not exist, or has no combinations.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"the sweep {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ConfigError(msg) from error
    unknown = sorted(data.keys() - _OWN)
    if unknown:
        msg = f"{path}: '{unknown[0]}' is none of {', '.join(sorted(_OWN))}; settings of geonav go under [settings]"
        raise ConfigError(msg)
    folder, distractors = path.parent, data.get("distractors", [])
    named = [distractors] if isinstance(distractors, str) else distractors
    default = str(Path.cwd() / "runs" / path.stem)
    plan = SweepPlan(
        query_set=folder / _text(path, "query_set", data.get("query_set")),
        reference_set=folder / _text(path, "reference_set", data.get("reference_set")),
        axes=_axes(path, data.get("axes")),
        output=output or folder / _text(path, "output", data.get("output", default)),
        distractors=tuple(folder / _text(path, "distractors", each) for each in _list(path, "distractors", named)),
        settings=_table(path, "settings", data.get("settings", {})),
        thresholds=tuple(_threshold(path, each) for each in _list(path, "thresholds", data.get("thresholds", []))),
    )
    count = math.prod(len(values) for values in plan.axes.values())
    if count > _MOST:
        msg = f"{path}: {count} combinations are more than {_MOST}: take fewer values, or several sweeps"
        raise ConfigError(msg)
    return plan


def _axes(path: Path, table: object) -> dict[str, tuple[Value, ...]]:
    found: dict[str, tuple[Value, ...]] = {}
    for written, values in _flat(_table(path, "axes", table)).items():
        name = written.replace("-", "_")
        name = SHORT_NAMES.get(name, name)
        if name not in setting_names() or name == "database":
            msg = f"{path}: the axis '{written}' is no setting; `geonav config show` lists them"
            raise ConfigError(msg)
        some = values if isinstance(values, list) else [values]
        if name in found or not some or not all(isinstance(value, Value) for value in some):
            msg = f"{path}: the axis '{written}' needs a list of values, once, as in rerank = ['none', 'gnn']"
            raise ConfigError(msg)
        if len(set(map(repr, some))) < len(some):
            msg = f"{path}: the axis '{written}' has a value twice: leave one out"
            raise ConfigError(msg)
        found[name] = tuple(some)
    if not found:
        msg = f"{path} has no [axes]: name settings and their values there, as in rerank = ['none', 'gnn']"
        raise ConfigError(msg)
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _nested(values: Mapping[str, Value]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        table = found
        for section in sections:
            table = table.setdefault(section, {})
        table[last] = value
    return found


def _folder_name(values: Mapping[str, Value]) -> str:
    """Readable where that is short and unmistakable, with a hash of the whole where it is not."""
    whole = "_".join(f"{name.rpartition('.')[2]}-{value}" for name, value in values.items())
    name = re.sub(r"[^\w.-]+", "-", whole, flags=re.ASCII)
    if name == whole and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(whole.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{name[:_LONGEST_NAME]}-{digest}"


def _text(path: Path, name: str, value: object) -> Path:
    if not isinstance(value, str) or not value:
        msg = f"{path}: {name} needs a path in quotes"
        raise ConfigError(msg)
    return Path(value).expanduser()


def _list(path: Path, name: str, value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        msg = f"{path}: {name} needs a list"
        raise ConfigError(msg)
    return value


def _table(path: Path, name: str, value: object) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        msg = f"{path}: {name} needs a table, [{name}]"
        raise ConfigError(msg)
    return value or {}


def _threshold(path: Path, value: object) -> Threshold:
    if isinstance(value, list) and len(value) == 2 and all(type(each) in {int, float} and each > 0 for each in value):
        metres, degrees = float(value[0]), float(value[1])
        if math.isfinite(metres) and degrees <= _MOST_DEG:
            return metres, degrees
    msg = f"{path}: thresholds are metres and degrees up to 180, as in [[0.25, 2], [5, 10]], not {value}"
    raise ConfigError(msg)
