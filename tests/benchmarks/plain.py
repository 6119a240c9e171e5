"""Locating as one would write it over kornia and pycolmap, in full precision: the floor that most people have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pycolmap
import torch
from kornia.feature import DISK, LightGlue

from geonav.config import GeonavConfig
from geonav.geometry.camera import Camera
from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.lightglue import _renamed
from geonav.vision.weights import weights_path

MAX_KEYPOINTS, SIDE_PX = 2048, 1024
_MAX_ERROR_PX = 4.0


@dataclass(frozen=True)
class PlainFeatures:
    """What kornia's DISK gives: keypoints (N, 2) with the centre of the first pixel at 0, descriptors (N, 128)."""

    keypoints: torch.Tensor
    descriptors: torch.Tensor
    size: tuple[int, int]


class Plain:
    """kornia's DISK and LightGlue as published, float32, one picture and one pair at a time."""

    def __init__(self) -> None:
        """Load the same weights that geonav uses."""
        config = GeonavConfig()
        self.disk, self.lightglue = DISK(desc_dim=128).eval(), LightGlue(features=None, input_dim=128).eval()
        path = weights_path("disk", config)
        state = load_state_dict(path)
        fill_network(self.disk, state.get("extractor", state), path)
        path = weights_path("disk_lightglue", config)
        fill_network(self.lightglue, _renamed(load_state_dict(path), self.lightglue.conf.n_layers), path)

    def features(self, pixels: np.ndarray) -> PlainFeatures:
        """Of an RGB picture (H, W, 3) uint8."""
        picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255.0
        with torch.inference_mode():
            found = self.disk(picture, MAX_KEYPOINTS, pad_if_not_divisible=True)[0]
        return PlainFeatures(found.keypoints, found.descriptors, (pixels.shape[1], pixels.shape[0]))

    def match(self, a: PlainFeatures, b: PlainFeatures) -> np.ndarray:
        """Pairs (M, 2) of keypoints."""
        with torch.inference_mode():
            found = self.lightglue({"image0": _input(a), "image1": _input(b)})
        return np.asarray(found["matches"][0].numpy())

    def locate(self, pixels: np.ndarray, camera: Camera, references: Sequence[PlainReference]) -> np.ndarray | None:
        """Camera from world (3, 4) of a picture from points that its references saw twice; None where none is found."""
        query = self.features(pixels)
        points, seen = _triangulated([(each, self.match(query, each.features)) for each in references])
        if len(points) < 4:
            return None
        options = pycolmap.AbsolutePoseEstimationOptions()
        options.ransac.max_error = _MAX_ERROR_PX
        pixels_of_points = query.keypoints.numpy()[seen].astype(float) + 0.5
        found = pycolmap.estimate_and_refine_absolute_pose(pixels_of_points, points, camera.to_pycolmap(), options)
        return None if found is None else np.asarray(found["cam_from_world"].matrix())


@dataclass(frozen=True)
class PlainReference:
    """A reference with its features, intrinsics (3, 3) and pose ``E`` (4, 4)."""

    features: PlainFeatures
    K: np.ndarray
    pose: np.ndarray


def _input(features: PlainFeatures) -> dict[str, Any]:
    return {
        "keypoints": features.keypoints[None],
        "descriptors": features.descriptors[None],
        "image_size": torch.tensor([features.size], dtype=torch.float32),
    }


def _triangulated(matched: Sequence[tuple[PlainReference, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) of the query's keypoints (N,) that two references or more have matched, by linear least squares."""
    rows: dict[int, list[np.ndarray]] = {}
    for reference, pairs in matched:
        projection = reference.K @ reference.pose[:3]
        for own, other in pairs.tolist():
            x, y = reference.features.keypoints[other].tolist()
            equations = np.stack([(x + 0.5) * projection[2] - projection[0], (y + 0.5) * projection[2] - projection[1]])
            rows.setdefault(own, []).append(equations)
    points, seen = [], []
    for own, equations in rows.items():
        if len(equations) > 1:
            solution = np.linalg.svd(np.concatenate(equations))[2][-1]
            points.append(solution[:3] / solution[3])
            seen.append(own)
    return np.array(points).reshape(-1, 3), np.array(seen, int)
