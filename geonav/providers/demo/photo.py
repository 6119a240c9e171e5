"""From a scene to a photograph: light, exposure, sensor noise, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.providers.demo.atlas import Atlas, AtlasBuilder
from geonav.providers.demo.render import radiance, shaded
from geonav.providers.demo.textures import fractal_noise

if TYPE_CHECKING:
    from geonav.geometry.camera import Camera
    from geonav.providers.demo.scene import Scene

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_CLOUDS_PX = 512


@dataclass(frozen=True)
class Light:
    """Sun and sky.

    Attributes:
        sun_azimuth_deg: Where the sun stands, clockwise from north.
        sun_elevation_deg: Its height above the horizon.
        sun: Brightness of a surface that faces the sun, less the ambient light.
        ambient: Brightness of a surface in shade.
        cloud_cover: Contrast of the clouds; 0 is a clear sky.
        cloud_seed: Which clouds.
    """

    sun_azimuth_deg: float = 200.0
    sun_elevation_deg: float = 50.0
    sun: float = 0.5
    ambient: float = 0.62
    cloud_cover: float = 0.6
    cloud_seed: int = 0

    def shade(self, normals: Floats) -> Floats:
        """(Q, 1) light on surfaces with unit normals (Q, 3): ambient plus Lambert's cosine."""
        azimuth, elevation = np.radians([self.sun_azimuth_deg, self.sun_elevation_deg])
        level = np.cos(elevation)
        sun = np.array([np.sin(azimuth) * level, np.cos(azimuth) * level, np.sin(elevation)])
        # Some of the ambient light comes from above: it tells the sides of a box apart in shade.
        ambient = self.ambient * (1 + 0.12 * normals[:, 2] + 0.05 * normals[:, 0])
        return np.asarray((ambient + self.sun * np.clip(normals @ sun, 0, None))[:, None])

    def sky(self, rays: Singles) -> Singles:
        """(N, 3) colours of directions (N, 3) in ENU, of any length."""
        rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        up = np.clip(rays[:, 2], 0, 1)[:, None]
        horizon, zenith = np.array([222.0, 228.0, 232.0]), np.array([118.0, 158.0, 214.0])
        blue = horizon + (zenith - horizon) * np.sqrt(up)
        # Clouds on a plane far above, so that they thicken towards the horizon.
        clouds = _clouds(self.cloud_seed)
        scale = 90.0 / (np.clip(rays[:, 2], 0, 1) + 0.18)
        none = np.zeros(len(rays), np.int64)
        white = clouds.sample(none, rays[:, 0] * scale, rays[:, 1] * scale, np.zeros_like(scale))
        white = np.clip(self.cloud_cover / 255 * white[:, :1], 0, 1)
        return np.asarray(blue + (np.array([246.0, 246.0, 248.0]) - blue) * white, np.float32)


@lru_cache(maxsize=4)
def _clouds(seed: int) -> Atlas:
    noise = fractal_noise(np.random.default_rng([seed, 77]), (_CLOUDS_PX, _CLOUDS_PX), slope=2.0)
    builder = AtlasBuilder()
    builder.add(np.repeat(255 * np.clip(noise * 0.6 + 0.2, 0, 1)[..., None], 3, axis=2), wraps=True)
    return builder.build()


@dataclass(frozen=True)
class Exposure:
    """What camera and file make of the light.

    Attributes:
        gain: Factor on the brightness.
        gamma: Exponent on the brightness (of 255); above 1 darkens the mid-tones.
        white_balance: Factor on red, green and blue.
        read_noise: Standard deviation of the noise in the dark, in grey levels.
        shot_noise: Standard deviation of the noise at white, in grey levels; grows as the root.
        vignetting: Loss of light in the corners, as a fraction.
        samples_per_pixel: Samples along each side of a pixel, at the edges of surfaces.
        jpeg_quality: 1 to 100.
    """

    gain: float = 1.0
    gamma: float = 1.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    read_noise: float = 1.0
    shot_noise: float = 2.0
    vignetting: float = 0.08
    samples_per_pixel: int = 2
    jpeg_quality: int = 90

    @classmethod
    def exact(cls) -> Exposure:
        """No noise, no fall-off: for measuring the renderer."""
        return cls(read_noise=0.0, shot_noise=0.0, vignetting=0.0, jpeg_quality=100)


@dataclass(frozen=True)
class Conditions:
    """Under which a photo is taken."""

    light: Light = field(default_factory=Light)
    exposure: Exposure = field(default_factory=Exposure)

    @classmethod
    def random(cls, rng: np.random.Generator, *, change: float = 1.0) -> Conditions:
        """Another day and another camera.

        Args:
            rng: Source of randomness.
            change: 0 is the standard light and exposure, 1 another day, 2 hard.
        """
        light = Light(
            sun_azimuth_deg=float(200 + change * rng.uniform(-90, 90)),
            sun_elevation_deg=float(np.clip(50 + change * rng.uniform(-25, 15), 10, 80)),
            sun=float(max(0.0, 0.5 + change * rng.uniform(-0.3, 0.2))),
            ambient=float(0.62 + change * rng.uniform(-0.1, 0.1)),
            cloud_seed=int(rng.integers(1 << 30)) if change else 0,
        )
        exposure = Exposure(
            gain=float(1 + change * rng.uniform(-0.15, 0.15)),
            gamma=float(np.exp(change * rng.uniform(-0.25, 0.25))),
            white_balance=tuple(float(x) for x in 1 + change * rng.uniform(-0.06, 0.06, 3)),  # type: ignore[arg-type]
            read_noise=float(1 + change * rng.uniform(0, 1.5)),
            shot_noise=float(2 + change * rng.uniform(0, 3)),
        )
        return cls(light, exposure)

    def with_quality(self, jpeg_quality: int) -> Conditions:
        """The same with another JPEG quality."""
        return replace(self, exposure=replace(self.exposure, jpeg_quality=jpeg_quality))


def render(
    scene: Scene,
    camera: Camera,
    E: ArrayLike,
    conditions: Conditions | None = None,
    rng: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Photograph a scene.

    Args:
        scene: What stands there.
        camera: Intrinsics; any of COLMAP's models whose every pixel looks forward.
        E: (4, 4) camera_from_world, world in ENU metres.
        conditions: Light and exposure; the standard ones where None.
        rng: Source of the sensor noise; a fixed one where None.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        UsageError: The camera looks to the side or back at some pixels.
    """
    conditions = conditions or Conditions()
    exposure = conditions.exposure
    view = shaded(scene.quads, scene.atlas, conditions.light, camera, np.asarray(E, float))
    picture = radiance(view, camera, exposure.samples_per_pixel)
    return exposed(picture, exposure, rng or np.random.default_rng(0))


def exposed(picture: Singles, exposure: Exposure, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What the sensor makes of a noise-free picture (h, w, 3), 0 to 255."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    falloff = 1 - exposure.vignetting * (x * x + y * y) / 2
    white = np.asarray(exposure.white_balance, np.float32)
    level = np.clip(picture * (falloff[..., None] * (exposure.gain * white / 255)), 0, 1)
    level = level**exposure.gamma
    variance = exposure.read_noise**2 + exposure.shot_noise**2 * level
    noise = rng.standard_normal(level.shape, dtype=np.float32)
    grey = level * 255 + noise * np.sqrt(variance)
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


def jpeg_bytes(picture: NDArray[np.uint8], quality: int, exif: bytes = b"") -> bytes:
    """Encode (h, w, 3) uint8 as a JPEG, colour at full resolution from quality 90 on."""
    from PIL import Image

    buffer = io.BytesIO()
    subsampling = 0 if quality >= 90 else 2
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=subsampling, exif=exif)
    return buffer.getvalue()
