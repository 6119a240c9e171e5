"""Networks in the form of transformers: a folder with ``config.json`` and ``model.safetensors``, here or on its hub."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from geonav.config import GeonavConfig
from geonav.errors import NetworkError, UsageError, WeightsError

logger = logging.getLogger(__name__)

_CONFIG_FILE = "config.json"
_WEIGHTS_FILE = "model.safetensors"


def pretrained_file(name: str, hub_name: str, own: Path | None, config: GeonavConfig) -> Path:
    """The weights' file of a network, its ``config.json`` beside it, fetched first if need be.

    Args:
        name: what geonav calls the network, for messages.
        hub_name: where it lies on the hub.
        own: the user's own folder, which goes first.
        config: says whether anything may be fetched.

    Raises:
        UsageError: transformers is not installed.
        WeightsError: the folder holds no network, or it is not on this machine and geonav is offline.
        NetworkError: it cannot be fetched.
    """
    hub = _transformers(name).utils
    hub.logging.set_verbosity_error()
    hub.logging.disable_progress_bar()
    where = hub_name if own is None else str(own.expanduser())
    is_local = own is not None or config.weights.offline
    try:
        hub.cached_file(where, _CONFIG_FILE, local_files_only=is_local)
        return Path(hub.cached_file(where, _WEIGHTS_FILE, local_files_only=is_local))
    except (OSError, ValueError) as error:
        raise _explained(name, where, own, error, is_offline=config.weights.offline) from error


def read_pretrained(class_name: str, file: Path) -> Any:  # noqa: ANN401 - a network of transformers
    """The network in ``file``, as transformers' class of this name, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is another network's; the message names the keys.
    """
    network_class: Any = getattr(_transformers(class_name), class_name)
    try:
        network, report = network_class.from_pretrained(
            file.parent, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        msg = f"{file.parent} is no folder of a {class_name} ({_first_line(error)}): give another"
        raise WeightsError(msg) from error
    missing = sorted(report["missing_keys"])
    if missing:
        msg = f"{file} is of another network than {class_name}: {len(missing)} keys missing, first {missing[0]}"
        raise WeightsError(msg)
    return network.eval()


def _transformers(name: str) -> Any:  # noqa: ANN401 - the module
    try:
        import transformers
    except ImportError as error:
        msg = f"{name} needs transformers: pip install 'geonav[transformers]'"
        raise UsageError(msg) from error
    return transformers


def _explained(
    name: str, where: str, own: Path | None, error: Exception, *, is_offline: bool
) -> WeightsError | NetworkError:
    if own is not None:
        return WeightsError(f"{where} is no folder of a network ({_first_line(error)}): correct the path of {name}")
    advice = "name a folder that holds it"
    if is_offline:
        return WeightsError(f"{name} ({where}) is not on this machine and geonav is offline: {advice}")
    return NetworkError(f"{name} ({where}) cannot be fetched ({_first_line(error)}): try again, or {advice}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
