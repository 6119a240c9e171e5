"""Networks that their authors publish as code and weights together, through ``torch.hub``.

The code comes from the authors' repository and runs here: it is fetched only for a descriptor that was asked for by
name, and a log line names the repository and its licence. A licence that asks something of those who use the network
must be accepted in the configuration first. ``TORCH_HOME`` says where code and weights are kept; offline, only what
lies there is used, or a clone named with ``--checkpoint``.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.error import URLError

import torch
from torch import nn

from geonav.config import GeonavConfig
from geonav.errors import GeonavError, NetworkError, UsageError, WeightsError
from geonav.vision.descriptors.pixels import Model, PixelDescriptor, state_sha256
from geonav.vision.descriptors.preprocess import Preprocess
from geonav.vision.devices import pick_device
from geonav.vision.licences import require_accepted

logger = logging.getLogger(__name__)

Variants = Mapping[str, tuple[Mapping[str, Any], int]]
_BRANCHES = ("main", "master")
# Of packages that the repositories use and geonav does not.
_NETWORK_ERRORS = ("ConnectError", "ConnectionError", "LocalEntryNotFoundError")


class HubDescriptor(PixelDescriptor):
    """A network behind an entry point of a repository's ``hubconf.py``."""

    repository: str
    entry: str
    licence: str
    is_permissive: bool = True
    # By the name of --backbone: what the entry point is told, and the side of the square that the network sees.
    variants: ClassVar[Variants]
    multiple = 14

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the network.

        Raises:
            UsageError: an unknown backbone, a licence not accepted, or a package that the repository needs.
            WeightsError: offline and not there, or the repository's code fails.
            NetworkError: the repository or its weights cannot be fetched.
        """
        section = config.retrieval
        backbone = section.backbone or next(iter(cls.variants))
        if backbone not in cls.variants:
            msg = f"{cls.name} has no backbone '{backbone}': choose one of {', '.join(cls.variants)}"
            raise UsageError(msg)
        if not cls.is_permissive:
            require_accepted(cls.licence, cls.name, config)
        arguments, side_px = cls.variants[backbone]
        network = cls._load(config, arguments)
        device = pick_device(config.device)
        preprocess = Preprocess("stretch", side_px, side_px, multiple=cls.multiple).with_size(section.image_size)
        settings = {"backbone": backbone, "repository": cls.repository, "state_sha256": state_sha256(network)}
        return cls(Model(_FirstOutput(network).eval().to(device), preprocess, device, settings))

    @classmethod
    def _load(cls, config: GeonavConfig, arguments: Mapping[str, Any]) -> nn.Module:
        """The network itself; what its code prints goes to stderr."""
        where, kind = cls._where(config)
        logger.warning("%s: running code of github.com/%s (%s) from %s", cls.name, cls.repository, cls.licence, where)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                network = torch.hub.load(  # type: ignore[no-untyped-call]
                    where, cls.entry, source=kind, trust_repo=True, skip_validation=True, verbose=False, **arguments
                )
        except Exception as error:  # whatever the repository's code raises
            raise cls._explained(error) from error
        if not isinstance(network, nn.Module):
            msg = f"{cls.name}: {cls.entry} of {cls.repository} gave a {type(network).__name__}, not a network"
            raise WeightsError(msg)
        return network

    @classmethod
    def _where(cls, config: GeonavConfig) -> tuple[str, str]:
        """What ``torch.hub.load`` is asked for and whether that is a folder or a repository."""
        own = config.retrieval.checkpoint
        if own is not None:
            if not (own / "hubconf.py").is_file():
                msg = f"{own} is no clone of github.com/{cls.repository} (no hubconf.py): correct --checkpoint"
                raise WeightsError(msg)
            return str(own), "local"
        kept = [path for path in cls._kept_folders() if (path / "hubconf.py").is_file()]
        if kept:
            return str(kept[0]), "local"
        if config.weights.offline:
            msg = (
                f"{cls.name} is not in {torch.hub.get_dir()} and geonav is offline: set TORCH_HOME, or clone "
                f"github.com/{cls.repository} and name the folder with --checkpoint"
            )
            raise WeightsError(msg)
        return cls.repository, "github"

    @classmethod
    def _kept_folders(cls) -> list[Path]:
        folder = Path(torch.hub.get_dir())
        return [folder / f"{cls.repository.replace('/', '_')}_{branch}" for branch in _BRANCHES]

    @classmethod
    def _explained(cls, error: Exception) -> GeonavError:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if _is_network(error):
            return NetworkError(
                f"{cls.name} cannot be fetched from github.com/{cls.repository} ({reason}): try again, or clone it and "
                f"name the folder with --checkpoint"
            )
        if isinstance(error, ImportError) or "dependenc" in reason.lower():
            return UsageError(f"{cls.name} needs packages that its repository asks for ({reason}): pip install them")
        return WeightsError(f"the code of github.com/{cls.repository} fails ({type(error).__name__}: {reason})")


def _is_network(error: BaseException | None) -> bool:
    """Whether a fault of the network lies anywhere behind ``error``; torch and the model hubs wrap it."""
    while error is not None:
        if isinstance(error, (URLError, TimeoutError, ConnectionError)) or type(error).__name__ in _NETWORK_ERRORS:
            return True
        error = error.__cause__ or error.__context__
    return False


class _FirstOutput(nn.Module):
    """A network's vectors alone, where it gives attention maps with them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, D)."""
        found = self.network(batch)
        rows: torch.Tensor = found[0] if isinstance(found, (tuple, list)) else found
        return rows.flatten(1)
