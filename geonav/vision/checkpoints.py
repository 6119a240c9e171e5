"""Checkpoints read as tensors only, and networks filled from them or refused."""

from __future__ import annotations

import _codecs
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geonav.errors import WeightsError

# A counter of training steps, which evaluation does not look at and old checkpoints lack.
_COUNTER = "num_batches_tracked"


def load_state_dict(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; tensors and arrays only, so that a file can run no code.

    Raises:
        WeightsError: the file cannot be read as a checkpoint.
    """
    try:
        with torch.serialization.safe_globals(_array_types()):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every way a file can be broken
        msg = f"weights {path} cannot be read ({type(error).__name__}): delete the file and run `geonav models pull`"
        raise WeightsError(msg) from error
    if not isinstance(state, dict):
        msg = f"weights {path} hold a {type(state).__name__}, not a state dict: give the network's own checkpoint"
        raise WeightsError(msg)
    return state


def fill_network(network: Any, state: Mapping[str, Any], path: Path) -> None:  # noqa: ANN401 - a torch module
    """Load ``state`` into ``network`` and set it to evaluation; every learned parameter must be there.

    Raises:
        WeightsError: keys are missing or of another shape: the file is another network's.
    """
    parameters = {key for key, _ in network.named_parameters()}
    try:
        outcome = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        msg = f"weights {path} are of another network: {str(error).splitlines()[-1].strip()}"
        raise WeightsError(msg) from error
    missing = sorted(parameters.intersection(outcome.missing_keys))
    if missing:
        msg = f"weights {path} are of another network: {len(missing)} keys are missing, first {missing[0]}"
        raise WeightsError(msg)
    network.eval()


def fill_exactly(network: torch.nn.Module, state: Mapping[str, Any], path: Path, network_name: str) -> None:
    """Load ``state`` into ``network`` and set it to evaluation; keys and shapes must agree, running means included.

    Raises:
        WeightsError: they do not; the message counts what is missing and what is too much and names the first of each.
    """
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith(_COUNTER)]
    spare = [key for key in state if key not in wanted and not key.endswith(_COUNTER)]
    shaped = [key for key in wanted if key in state and getattr(state[key], "shape", None) != wanted[key].shape]
    if missing or spare:
        faults = {"missing": missing, "unexpected": spare}
        parts = [_first(fault, keys) for fault, keys in faults.items() if keys]
        raise WeightsError(_another(path, network_name, "; ".join(parts)))
    if shaped:
        key = shaped[0]
        shape = tuple(getattr(state[key], "shape", ()))
        fault = f"{_first('of another shape', shaped)} is {shape}, not {tuple(wanted[key].shape)}"
        raise WeightsError(_another(path, network_name, fault))
    network.load_state_dict(dict(state), strict=False)
    network.eval()


def _first(fault: str, keys: list[str]) -> str:
    return f"{len(keys)} keys {fault}, first {keys[0]}"


def _another(path: Path, network_name: str, fault: str) -> str:
    return f"weights {path} are not of {network_name}: {fault}; give its own, or their --backbone and --aggregation"


def without_prefix(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """``state`` with ``prefix`` taken off the keys where all have it, as networks trained on several GPUs do."""
    if not all(key.startswith(prefix) for key in state):
        return dict(state)
    return {key.removeprefix(prefix): value for key, value in state.items()}


def part_of(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries whose key begins with ``prefix``, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _array_types() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What a stored numpy array is rebuilt with, under numpy's old and new names; none of it runs code of the file."""
    core = np._core.multiarray  # type: ignore[attr-defined]
    names: Iterable[str] = ("numpy.core.multiarray", "numpy._core.multiarray")
    rebuilt: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (getattr(core, function), f"{module}.{function}") for module in names for function in ("_reconstruct", "scalar")
    ]
    kinds = [type(np.dtype(kind)) for kind in (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)]
    return [*rebuilt, np.ndarray, np.dtype, *kinds, _codecs.encode]
