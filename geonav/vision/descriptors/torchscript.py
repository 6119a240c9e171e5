"""``torchscript:PATH``: a network exported by ``torch.jit`` (.pt) or ``torch.export`` (.pt2).

Such a file is a program: load only those you trust.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch

from geonav.config import GeonavConfig
from geonav.errors import WeightsError
from geonav.vision.descriptors.exported import cannot_run, exported_file, exported_preprocess
from geonav.vision.descriptors.pixels import Model, PixelDescriptor
from geonav.vision.devices import pick_device

logger = logging.getLogger(__name__)


class TorchScriptDescriptor(PixelDescriptor):
    """An exported program that was made for one size gets pictures of that size."""

    def __init__(self, name: str, model: Model) -> None:
        """Store files under ``name``."""
        super().__init__(model)
        self.name = name

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the file behind the colon of ``descriptor``.

        Raises:
            UsageError: another size is asked for than the network's.
            WeightsError: the file does not exist or is no exported network.
        """
        name, file = exported_file(config)
        device = pick_device(config.device)
        logger.warning("%s: running the program in %s", name, file.path)
        is_program = file.path.suffix == ".pt2"
        network, fixed = (_program if is_program else _script)(file.path, device)
        settings = {"backbone": None, "runtime": "export" if is_program else "torchscript", **file.settings()}
        preprocess = exported_preprocess(fixed, config, name)
        return cls(name, Model(_Checked(network, name, file.path), preprocess, device, settings))


class _Checked:
    """One picture at a time, with failures of the program in one line."""

    def __init__(self, network: Callable[[torch.Tensor], Any], name: str, path: Path) -> None:
        self._network, self._name, self._path = network, name, path

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, D)."""
        try:
            found = [self._network(picture[None]) for picture in batch]
        except Exception as error:  # whatever the program raises
            raise cannot_run(self._name, self._path, error) from error
        rows = [item[0] if isinstance(item, (tuple, list)) else item for item in found]
        return torch.cat([row.reshape(1, -1) for row in rows])


def _script(path: Path, device: torch.device) -> tuple[Callable[[torch.Tensor], Any], None]:
    try:
        with warnings.catch_warnings():
            # torch deprecates the format; files in it live on.
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch raises a different type for every way a file can be broken
        raise _unreadable(path, "TorchScript", error) from error
    return script, None


def _program(path: Path, device: torch.device) -> tuple[Callable[[torch.Tensor], Any], tuple[int, int] | None]:
    """The program and the (height, width) it was exported for, None where it takes any."""
    try:
        exported = torch.export.load(path)
        module = exported.module().to(device)
        shape = next(
            node.meta["val"].shape for node in exported.graph.nodes if node.name in exported.graph_signature.user_inputs
        )
    except Exception as error:  # torch raises a different type for every way a file can be broken
        raise _unreadable(path, "exported", error) from error
    fixed = (int(shape[2]), int(shape[3])) if all(isinstance(side, int) for side in shape[2:]) else None
    return module, fixed


def _unreadable(path: Path, kind: str, error: Exception) -> WeightsError:
    msg = f"{path} cannot be read as an {kind} network ({type(error).__name__}): export it again"
    return WeightsError(msg.replace("an Torch", "a Torch"))
