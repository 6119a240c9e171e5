"""A provider's answer becomes the checked pictures of views; runs in the threads that fetch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.data.images import decode, encode_jpeg, prepare_content
from geonav.data.manifest_rows import StoredPanorama, StoredView
from geonav.errors import ImageError
from geonav.providers.base import Provider

# Cutting needs several times a panorama's size in memory and keeps a core busy.
_CUTTERS = threading.BoundedSemaphore(2)
_BLANK_SHARE = 0.95
_SAME_LEVELS = 4
_GREY_SPREAD = 12


@dataclass(frozen=True)
class PictureJob:
    """One download.

    Attributes:
        stored: the panorama.
        views: what it is for: one view that the provider cuts, or all that are cut from one picture.
    """

    stored: StoredPanorama
    views: tuple[StoredView, ...]


def jobs_of(stored: StoredPanorama, pending: Sequence[StoredView]) -> list[PictureJob]:
    """The downloads that give the views of a panorama that are pending."""
    if stored.panorama.projection == "cut_by_provider":
        return [PictureJob(stored, (view,)) for view in pending]
    return [PictureJob(stored, tuple(pending))] if pending else []


def download(provider: Provider, job: PictureJob) -> list[bytes]:
    """The JPEGs of a job's views.

    Raises:
        ImageError: what came is no picture, has another size or shows nothing.
        GeonavError: as :class:`Provider` says.
    """
    panorama = job.stored.panorama
    where = Path(job.views[0].uid)
    if panorama.projection == "cut_by_provider":
        spec = job.views[0].spec
        return [_checked(provider.picture(panorama, spec), (spec.width, spec.height), where)]
    content = provider.picture(panorama, None)
    if panorama.projection == "camera":
        spec = job.views[0].spec
        return [_checked(content, (spec.width, spec.height), where)]
    return _cut(content, job, where)


def _cut(content: bytes, job: PictureJob, where: Path) -> list[bytes]:
    from geonav.vision.equirectangular import cut_views

    panorama = job.stored.panorama
    with _CUTTERS:
        picture = decode(content, where)
        if _is_blank(picture):
            raise ImageError(_blank(where))
        cut = cut_views(
            picture,
            [view.spec for view in job.views],
            heading_deg=panorama.heading_deg or 0.0,
            pitch_deg=panorama.pitch_deg,
            roll_deg=panorama.roll_deg,
        )
        return [encode_jpeg(pixels) for pixels in cut]


def _checked(content: bytes, size: tuple[int, int], where: Path) -> bytes:
    picture = prepare_content(content, where)
    if picture.size != size:
        msg = f"{where} is {picture.size[0]}x{picture.size[1]} pixels, not the {size[0]}x{size[1]} asked for"
        raise ImageError(msg)
    if _is_blank(decode(picture.jpeg, where)):
        raise ImageError(_blank(where))
    return picture.jpeg


def _is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Whether nearly all of a picture is one grey, as where a provider says that it has no imagery."""
    sample = pixels[::8, ::8].reshape(-1, 3).astype(np.int16)
    usual = np.median(sample, axis=0)
    share = (np.abs(sample - usual).max(axis=1) <= _SAME_LEVELS).mean()
    return bool(share >= _BLANK_SHARE and np.ptp(usual) <= _GREY_SPREAD)


def _blank(where: Path) -> str:
    return f"{where} is one grey area: the provider's way to say that it has no picture"
