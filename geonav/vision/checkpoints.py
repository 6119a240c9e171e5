"""Checkpoints read as tensors only, and networks filled from them or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from geonav.errors import WeightsError


def load_state_dict(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; tensors only, so that a file can run no code.

    Raises:
        WeightsError: the file cannot be read as a checkpoint.
    """
    try:
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
