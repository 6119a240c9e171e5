"""What the fields of a form ask for."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geonav.data.metadata import problems_of
from geonav.errors import GeonavError
from geonav.geometry.camera import Camera
from geonav.serving.refusals import RefusedError

_PRIOR = ("lat", "lng", "within_m")


class Asked(BaseModel):
    """The fields beside the photo."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lat: float | None = Field(
        None, ge=-90, le=90, description="search around this latitude, degrees; with lng, within_m"
    )
    lng: float | None = Field(None, ge=-180, le=180, description="search around this longitude, degrees")
    within_m: float | None = Field(None, gt=0, le=1e7, description="how far around, metres")
    k: int | None = Field(None, ge=1, le=100, description="references to retrieve; the server's setting if left out")
    camera: str | None = Field(
        None, max_length=500, description="calibration with COLMAP's names: PINHOLE,w,h,fx,fy,cx,cy"
    )
    matches: bool = Field(False, description="send the matched pixels of each reference along")

    @model_validator(mode="after")
    def _has_a_whole_prior(self) -> Asked:
        given = [name for name in _PRIOR if getattr(self, name) is not None]
        if given and len(given) < len(_PRIOR):
            msg = f"give {', '.join(_PRIOR)} together: {', '.join(given)} alone says no place"
            raise ValueError(msg)
        return self

    @property
    def search(self) -> dict[str, Any]:
        """What replaces settings of ``[search]``."""
        return {} if self.lat is None else {"near": (self.lat, self.lng), "within_m": self.within_m}

    def camera_for(self, size: tuple[int, int]) -> Camera | None:
        """The given calibration of a photo of this width and height.

        Raises:
            RefusedError: it is none, or of another size.
        """
        if self.camera is None:
            return None
        try:
            camera = Camera.parse(self.camera)
        except GeonavError as error:
            raise RefusedError(422, f"camera: {error}") from error
        if sorted((camera.width, camera.height)) != sorted(size):
            what = f"camera is for {camera.width}x{camera.height}, the photo is {size[0]}x{size[1]}: give its own"
            raise RefusedError(422, what)
        return camera


def asked_of(fields: dict[str, str]) -> Asked:
    """What a form's fields say; one that is empty counts as left out.

    Raises:
        RefusedError: one is unknown or does not fit.
    """
    try:
        return Asked.model_validate({name: text for name, text in fields.items() if text.strip()})
    except ValidationError as error:
        raise RefusedError(422, "; ".join(problems_of(error, ":"))[:500]) from error
