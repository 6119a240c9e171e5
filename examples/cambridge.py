"""Make databases of references and queries from a scene of Cambridge Landmarks.

python examples/cambridge.py cambridge/ShopFacade runs/shop
geonav index global --database runs/shop/references
geonav evaluate --query-set runs/shop/queries --reference-set runs/shop/references

SCENE is laid out as published: dataset_train.txt and dataset_test.txt (three lines of header, then 'image X Y Z W P Q
R': the camera's centre and the quaternion camera_from_world), reconstruction.nvm (focal lengths) and the frames in
seq1, seq2, ... The scene's world has metres but no place on Earth: it is taken for East-North-Up at 0, 0. VisualSFM's
radial distortion is another model than COLMAP's and is left out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import PIL.Image

import geonav
from geonav.errors import GeonavError, InputError
from geonav.formats.quaternions import rotation_from_quaternion
from geonav.geometry.pose import pose_from_center

HEADER_LINES = 3
LISTS = {"references": "dataset_train.txt", "queries": "dataset_test.txt"}


def lines_of(path: Path) -> list[str]:
    """The lines of a file of the dataset."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise InputError(msg) from error


def focal_lengths(path: Path) -> dict[str, float]:
    """Focal lengths in pixels by image, without suffix: the model names .jpg what is published as .png."""
    focal = {}
    for line in lines_of(path)[3:]:
        fields = line.split()
        if len(fields) < 11:  # behind the images come the points
            break
        focal[str(Path(fields[0]).with_suffix(""))] = float(fields[1])
    return focal


def read_list(scene: Path, name: str, focal: dict[str, float]) -> list[geonav.ListedImage]:
    """The images of one list with camera and pose."""
    images = []
    for number, line in enumerate(lines_of(scene / name)[HEADER_LINES:], HEADER_LINES + 1):
        try:
            image, *numbers = line.split()
            x, y, z, *quaternion = (float(value) for value in numbers)
            pose = pose_from_center(rotation_from_quaternion(quaternion), (x, y, z))
            focal_px = focal[str(Path(image).with_suffix(""))]
        except KeyError:
            msg = f"{scene / name}, line {number}: reconstruction.nvm has no {image}"
            raise InputError(msg) from None
        except ValueError as error:
            msg = f"{scene / name}, line {number}: not image X Y Z W P Q R ({error})"
            raise InputError(msg) from error
        path = scene / image
        if not path.is_file():
            msg = f"{scene / name}, line {number}: there is no {path}"
            raise InputError(msg)
        with PIL.Image.open(path) as opened:
            size = opened.size
        camera = geonav.Camera.from_focal(*size, focal_px)
        images.append(geonav.ListedImage(image, path, size, camera, pose))
    return images


def main() -> None:
    """Import both lists; what is there already is left alone."""
    parser = argparse.ArgumentParser(
        description="Make databases of references and queries from a scene of Cambridge Landmarks."
    )
    parser.add_argument("scene", type=Path, help="folder of the scene")
    parser.add_argument("output", type=Path, help="folder for the databases")
    options = parser.parse_args()

    focal = focal_lengths(options.scene / "reconstruction.nvm")
    source = geonav.ListImport(origin=geonav.GeoPoint(0.0, 0.0, 0.0), alt_datum="local", provider="cambridge")
    for role, name in LISTS.items():
        imported = geonav.import_list(options.output / role, read_list(options.scene, name, focal), source)
        print(f"{role}: {len(imported.added)} imported, {len(imported.failed)} failed")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
