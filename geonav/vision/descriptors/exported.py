"""A network of one's own, exported to one file.

It takes a float picture (1, 3, H, W), RGB normalised as ImageNet's, and its first output has one vector a picture. A
network exported for one size gets pictures stretched to that size; any other gets them in their own proportions, 640
pixels along the longer side at most.
"""

from __future__ import annotations

from pathlib import Path

from geonav.config import GeonavConfig
from geonav.errors import UsageError, WeightsError
from geonav.vision.descriptors.preprocess import Preprocess
from geonav.vision.descriptors.published import Checkpoint
from geonav.vision.registries import DESCRIPTORS
from geonav.vision.weights import sha256_of

_LONGER_SIDE_PX = 640


def exported_file(config: GeonavConfig) -> tuple[str, Checkpoint]:
    """The name for stored files and the file that the descriptor's name carries behind its colon.

    Raises:
        WeightsError: the file does not exist.
    """
    name = config.retrieval.descriptor
    kind, argument = DESCRIPTORS.split(name)
    path = Path(argument).expanduser()
    if not path.is_file():
        msg = f"the network {path} of --descriptor {kind} does not exist: correct the path behind the colon"
        raise WeightsError(msg)
    return DESCRIPTORS.stem(name), Checkpoint(path, sha256_of(path))


def exported_preprocess(fixed: tuple[int, int] | None, config: GeonavConfig, name: str) -> Preprocess:
    """Resizing for a network made for ``fixed`` (height, width), or for any size.

    Raises:
        UsageError: another ``image_size`` is asked for than the network was exported with.
    """
    asked = config.retrieval.image_size
    if fixed is None:
        return Preprocess("longer_side", _LONGER_SIDE_PX, _LONGER_SIDE_PX).with_size(asked)
    if asked not in {None, max(fixed)}:
        msg = (
            f"{name} was exported for {fixed[1]} x {fixed[0]} pixels: leave --image-size out, or export it for any size"
        )
        raise UsageError(msg)
    return Preprocess("stretch", *fixed)


def cannot_run(name: str, path: Path, error: Exception) -> WeightsError:
    """The error for a network that loads and then fails on a picture."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return WeightsError(f"{name}: the network {path} fails on a picture ({reason}): see what --image-size it takes")
