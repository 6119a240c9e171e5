"""One part of the map: structure from the pictures, brought to Earth by what their sources say, adjusted to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.mapping.views import MapView
from geonav.pose.alignment import Aligned, align
from geonav.pose.bundle import COMMON_SHARE, Bundle, BundleProblem, Scene, Sightings
from geonav.pose.priors import Priors
from geonav.pose.structure import Picture, Structure
from geonav.pose.tracks import Ints

Array = NDArray[np.float64]
Links = Mapping[tuple[str, str], NDArray[np.integer]]
_GATE_SIGMA = 6.0
# Two cameras and their positions alone say nothing that could be checked.
MIN_FRAMES = 3


@dataclass(frozen=True)
class Adjusted:
    """Some references after adjustment.

    Attributes:
        views: those that the part holds.
        cameras: of each; solved for where they were not known.
        poses: ``E`` (V, 4, 4).
        frames: (V,) number of each view's frame.
        priors: of the frames.
        drives: names of the sequences, by number.
        bundle: state and covariance of the frames.
        own_std: (F, 2) radians and metres, see ``MapPart``.
        aligned: the similarity it started from.
        view: (O,) of each observation, which are sorted by point.
        keypoint: (O,).
        point: (O,).
        pixels: (O, 2).
        errors_px: (O,) distance of each keypoint from its point.
    """

    views: list[MapView]
    cameras: list[Camera]
    poses: Array
    frames: Ints
    priors: Priors
    drives: list[str]
    bundle: Bundle
    own_std: Array
    aligned: Aligned
    view: Ints
    keypoint: Ints
    point: Ints
    pixels: Array
    errors_px: Array


@dataclass(frozen=True)
class PartInput:
    """What a part is made of.

    Attributes:
        views: its references.
        keypoints: (N, 2) pixels of each, by uid.
        noise_px: standard deviation of each one's keypoints, by uid.
        links: verified pairs of keypoints of two references.
        sequence_std_m: of a drive's offset.
        seed: of the random draws.
    """

    views: Sequence[MapView]
    keypoints: Mapping[str, Array]
    noise_px: Mapping[str, float]
    links: Links
    sequence_std_m: float
    seed: int = 0


def pictures_of(part: PartInput) -> list[Picture]:
    """The references as the mapper takes them."""
    first_of = _firsts(part.views)
    return [
        Picture(
            name=view.uid,
            camera=view.camera,
            keypoints=part.keypoints[view.uid],
            is_calibrated=view.is_calibrated or view.frame != view.uid,
            frame=view.frame,
            cam_from_frame=view.rotation @ first_of[view.frame].rotation.T,
        )
        for view in part.views
    ]


def _firsts(views: Sequence[MapView]) -> dict[str, MapView]:
    """Of each frame the view whose axes are the frame's."""
    firsts: dict[str, MapView] = {}
    for view in views:
        firsts.setdefault(view.frame, view)
    return firsts


def pairs_of(part: PartInput) -> dict[tuple[int, int], NDArray[np.integer]]:
    """Its links, by the references' numbers."""
    number = {view.uid: index for index, view in enumerate(part.views)}
    return {(number[a], number[b]): pairs for (a, b), pairs in part.links.items() if a in number and b in number}


@dataclass(frozen=True)
class Frames:
    """The frames of some views.

    Attributes:
        number: (V,) of each view's frame.
        own: (V, 3, 3) camera_from_frame.
        lead: (F,) the view of each frame that stands for it.
        priors: of the frames.
        drives: names of their sequences, by number.
    """

    number: Ints
    own: Array
    lead: Ints
    priors: Priors
    drives: list[str]

    @classmethod
    def of(cls, part: PartInput, views: Sequence[MapView]) -> Frames:
        """Of some of a part's references."""
        firsts = _firsts(part.views)
        names = list(dict.fromkeys(view.frame for view in views))
        number = np.array([names.index(view.frame) for view in views])
        drives = sorted({firsts[name].sequence for name in names} - {""})
        numbers = {name: index for index, name in enumerate(drives)} | {"": -1}
        said = [firsts[name].prior(numbers[firsts[name].sequence]) for name in names]
        return cls(
            number=number,
            own=np.array([view.rotation @ firsts[view.frame].rotation.T for view in views]),
            lead=np.array([int(np.flatnonzero(number == index)[0]) for index in range(len(names))]),
            priors=Priors.of(said, part.sequence_std_m),
            drives=drives,
        )

    def rotations(self, structure: Structure) -> Array:
        """frame_from_model (F, 3, 3)."""
        turned: Array = np.swapaxes(self.own[self.lead], 1, 2) @ structure.rotations[self.lead]
        return turned


def align_structure(part: PartInput, structure: Structure) -> Aligned | None:
    """A structure on Earth; None where nothing says where, or too little holds together."""
    frames = Frames.of(part, [part.views[index] for index in structure.pictures])
    if len(frames.lead) < MIN_FRAMES:
        return None
    return align(frames.rotations(structure), structure.centers[frames.lead], frames.priors, part.seed)


def adjust_structure(part: PartInput, structure: Structure, aligned: Aligned) -> Adjusted:
    """A structure adjusted to the keypoints and to what the sources say."""
    views = [part.views[index] for index in structure.pictures]
    of = Frames.of(part, views)
    frames, own, priors, drives = of.number, of.own, of.priors, of.drives
    to_world = aligned.similarity
    scene = Scene(
        to_world.rotations(of.rotations(structure)),
        to_world.points(structure.centers[of.lead]),
        to_world.points(structure.points),
        np.zeros((len(drives), 3)),
    )
    observed = _Observed.of(part, structure, views)
    problem = BundleProblem(
        Sightings(frames[observed.view], observed.point, observed.rays(own), observed.noise_rad), priors
    )
    problem, scene, kept = problem.without_outliers(scene, _GATE_SIGMA)
    bundle = problem.adjust(scene)
    observed = observed.select(kept)
    poses = np.array(
        [pose_from_center(own[i] @ bundle.scene.rotations[f], bundle.scene.centers[f]) for i, f in enumerate(frames)]
    )
    return Adjusted(
        views=views,
        cameras=list(structure.cameras),
        poses=poses,
        frames=frames,
        priors=priors,
        drives=drives,
        bundle=bundle,
        own_std=_own_std(problem.sightings, bundle.scene),
        aligned=aligned,
        view=observed.view,
        keypoint=observed.keypoint,
        point=problem.sightings.point,
        pixels=observed.pixels,
        errors_px=bundle.sigmas * observed.noise_px,
    )


def _own_std(sightings: Sightings, scene: Scene) -> Array:
    """What each frame (F, 2) may be off alone: radians, and metres at the distance of what it sees."""
    found = np.zeros((len(scene.centers), 2))
    for frame in range(len(found)):
        rows = np.flatnonzero(sightings.frame == frame)
        if len(rows):
            away = np.linalg.norm(scene.points[sightings.point[rows]] - scene.centers[frame], axis=1)
            turn = COMMON_SHARE * float(np.median(sightings.noise_rad[rows]))
            found[frame] = turn, turn * float(np.median(away))
    return found


@dataclass(frozen=True)
class _Observed:
    """Who saw what where; sorted by point."""

    view: Ints
    keypoint: Ints
    point: Ints
    pixels: Array
    directions: Array  # in the camera's axes
    noise_px: Array
    noise_rad: Array

    @classmethod
    def of(cls, part: PartInput, structure: Structure, views: Sequence[MapView]) -> _Observed:
        order = np.argsort(structure.point, kind="stable")
        view, keypoint = structure.picture[order], structure.keypoint[order]
        pixels, directions = np.zeros((len(order), 2)), np.zeros((len(order), 3))
        noise_px, noise_rad = np.zeros(len(order)), np.zeros(len(order))
        for number, (of, camera) in enumerate(zip(views, structure.cameras, strict=True)):
            rows = np.flatnonzero(view == number)
            pixels[rows] = part.keypoints[of.uid][keypoint[rows]]
            directions[rows] = camera.rays_from_pixels(pixels[rows])
            noise_px[rows] = part.noise_px[of.uid]
            noise_rad[rows] = part.noise_px[of.uid] / camera.focal_px
        return cls(view, keypoint, structure.point[order], pixels, directions, noise_px, noise_rad)

    def rays(self, cam_from_frame: Array) -> Array:
        """Directions (O, 3) in the frames' axes."""
        turned: Array = (self.directions[:, None] @ cam_from_frame[self.view])[:, 0]
        return turned

    def select(self, keep: NDArray[np.bool_]) -> _Observed:
        """Only some observations."""
        return _Observed(
            self.view[keep],
            self.keypoint[keep],
            self.point[keep],
            self.pixels[keep],
            self.directions[keep],
            self.noise_px[keep],
            self.noise_rad[keep],
        )
