"""Pictures of every kind are read upright, and bad ones give one line."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from geonav.data.images import PictureBytes, check_header, prepare_image, read_image, read_mask
from geonav.errors import ImageError, ImageKindError, ImageTooLargeError
from tests.data.photos import exif, jpeg, pixels, write_jpeg


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_a_jpeg_is_stored_byte_for_byte(tmp_path: Path) -> None:
    path = write_jpeg(tmp_path / "a.JPG", tags=exif({274: 6}))
    stored = prepare_image(path)
    assert stored.jpeg == path.read_bytes()
    assert (stored.stored_size, stored.size) == ((96, 64), (64, 96))
    assert stored.sha256 == read_image(path).sha256


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: Any) -> None:
    path = write_jpeg(tmp_path / "a.jpg", tags=exif({274: orientation}))
    photo = read_image(path)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(photo.pixels, expected)
    assert photo.size == (expected.shape[1], expected.shape[0])
    assert photo.orientation == orientation


def test_what_is_no_jpeg_becomes_an_upright_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(pixels()), exif=exif({274: 8}))
    stored = prepare_image(path)
    assert (stored.stored_size, stored.size) == ((96, 64), (64, 96))
    with Image.open(io.BytesIO(stored.jpeg)) as image:
        assert image.format == "JPEG"
        assert image.getexif().get(274, 1) == 1
        difference = np.asarray(image, float) - read_image(path).pixels
    assert np.abs(difference).mean() < 2


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L")


def sixteen_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size).point(lambda value: 255 if value > 127 else 0))
    return image


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("grey.jpg", grey),
        ("cmyk.jpg", lambda image: image.convert("CMYK")),
        ("cmyk.tif", lambda image: image.convert("CMYK")),
        ("grey16.png", sixteen_bit),
        ("grey16.tif", sixteen_bit),
        ("float.tif", lambda image: image.convert("L").convert("F")),
        ("palette.png", lambda image: image.convert("P")),
        ("palette.gif", lambda image: image.convert("P")),
        ("bilevel.png", lambda image: image.convert("1")),
        ("alpha.png", with_alpha),
        ("greyalpha.png", lambda image: with_alpha(image).convert("LA")),
        ("plain.webp", lambda image: image),
        ("plain.bmp", lambda image: image),
    ],
)
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, name: Any, change: Any) -> None:
    original = Image.fromarray(pixels())
    path = save(tmp_path / name, change(original))
    photo = read_image(path)
    assert photo.pixels.shape == (64, 96, 3)
    assert photo.pixels.dtype == np.uint8
    expected = np.asarray(original.convert("L"), float)
    found = np.asarray(Image.fromarray(photo.pixels).convert("L"), float)
    rows = slice(40, 64) if "alpha" in name else slice(0, 64)
    assert np.corrcoef(expected[rows].ravel(), found[rows].ravel())[0, 1] > (0.25 if name == "bilevel.png" else 0.9)
    assert 0.5 < found[rows].std() / expected[rows].std() < (4 if name == "bilevel.png" else 2)
    assert prepare_image(path).size == (96, 64)


def test_what_is_transparent_is_flat(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", with_alpha(Image.fromarray(pixels())))
    assert (read_image(path).pixels[:24] == 128).all()


def huge_png(width: int, height: int, rows: bytes = bytes(99)) -> bytes:
    """A PNG whose header announces more pixels than it has, or others."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


BAD = {
    "text.jpg": (b"this is no picture at all", "not a picture"),
    "empty.jpg": (b"", "is empty"),
    "truncated.jpg": (jpeg()[:-900], "cannot be decoded"),
    "header.jpg": (jpeg()[:20], "cannot be decoded|not a picture"),
    "tiny.jpg": (jpeg((1, 1)), "too small"),
    "bomb.png": (huge_png(40_000, 40_000), "1600 million pixels, more than the 100"),
    "large.png": (huge_png(11_000, 10_000), "11000x10000 pixels, more than the 100"),
    "cut.png": (huge_png(640, 480), "cannot be decoded"),
    "image.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99, r"geonav\[heif\]"),
    "page.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not a picture"),
}


@pytest.mark.parametrize("read", [read_image, prepare_image])
@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_pictures_give_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any, read: Any) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # the plug-in may be there on this machine
    content, expected = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError, match=expected) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_heic_photo_is_read_upright_with_its_exif(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[:, None, None] * 4, 96, axis=1).repeat(3, axis=2)
    tags = Image.Exif()
    tags[0x0112] = 6  # the camera was turned: the first row is the right edge of the upright picture
    tags.get_ifd(0x8769)[0xA405] = 28
    tags.get_ifd(0x8825).update({1: "N", 2: (48.0, 30.0, 0.0), 3: "E", 4: (8.0, 15.0, 0.0)})
    path = tmp_path / "a.heic"
    Image.fromarray(ramp).save(path, exif=tags.tobytes(), quality=95)

    photo = read_image(path)
    assert photo.pixels.shape == (96, 64, 3)
    np.testing.assert_allclose(photo.pixels[48, ::-1].astype(float), ramp[:, 48], atol=6)
    assert photo.exif.focal_35mm_mm == 28
    assert (photo.exif.lat_deg, photo.exif.lng_deg) == (48.5, 8.25)
    stored = prepare_image(path)
    assert stored.jpeg[:2] == b"\xff\xd8"
    assert stored.size == (64, 96)


@pytest.mark.parametrize("read", [read_image, prepare_image])
def test_a_png_whose_pixels_make_no_sense_is_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(huge_png(64, 64, np.random.default_rng(1).bytes(64 * 193)))
    with pytest.raises(ImageError, match="cannot be decoded"):
        read(path)


def test_every_truncation_of_a_jpeg_is_refused_or_read(tmp_path: Path) -> None:
    whole = jpeg()
    path = tmp_path / "a.jpg"
    outcomes = set()
    for length in range(0, len(whole), 151):
        path.write_bytes(whole[:length])
        try:
            outcomes.add(read_image(path).size)
        except ImageError:
            outcomes.add("refused")
    assert outcomes == {"refused"}


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot read"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "missing.jpg")


def test_a_mask_is_true_where_it_is_not_black(tmp_path: Path) -> None:
    values = np.zeros((64, 96), np.uint8)
    values[:, 48:] = 255
    path = save(tmp_path / "mask.png", Image.fromarray(values))
    mask = read_mask(path, (96, 64))
    assert mask is not None
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, values > 0)
    half = read_mask(path, (48, 32))
    assert half is not None
    assert half.shape == (32, 48)
    assert not half[:, :24].any()
    assert half[:, 24:].all()


def test_a_mask_of_another_shape_or_kind(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", Image.new("1", (64, 96), 1))
    with pytest.raises(ImageError, match="64x96, its upright picture 96x64"):
        read_mask(path, (96, 64))
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError, match="not a picture"):
        read_mask(path, (96, 64))
    assert read_mask(None, (96, 64)) is None
    assert read_mask(tmp_path / "missing.png", (96, 64)) is None


def _large_jpeg(path: Path, size: tuple[int, int], orientation: int = 1) -> None:
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0]).astype(np.uint8)
    tags = Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(np.dstack([ramp, ramp[::-1], ramp])).save(path, quality=95, exif=tags)


@pytest.mark.parametrize(
    ("size", "least", "reduced"),
    [((800, 600), 400, 2), ((800, 600), 401, 1), ((800, 600), 100, 8), ((800, 600), None, 1), ((801, 600), 100, 1),
     ((804, 600), 100, 4)],
)  # fmt: skip
def test_a_jpeg_is_decoded_no_larger_than_needed(
    tmp_path: Path, size: tuple[int, int], least: int | None, reduced: int
) -> None:
    _large_jpeg(tmp_path / "a.jpg", size)
    photo = read_image(tmp_path / "a.jpg", least_side_px=least)
    assert (photo.reduced, photo.size) == (reduced, size)
    assert photo.pixels.shape[:2] == (size[1] // reduced, size[0] // reduced)
    whole = Image.fromarray(read_image(tmp_path / "a.jpg").pixels)
    smaller = whole.resize((size[0] // reduced, size[1] // reduced), Image.Resampling.BOX)
    assert np.abs(np.asarray(smaller).astype(int) - photo.pixels).mean() < 2.0


def test_a_turned_jpeg_is_reduced_and_upright(tmp_path: Path) -> None:
    _large_jpeg(tmp_path / "a.jpg", (800, 600), orientation=6)
    photo = read_image(tmp_path / "a.jpg", least_side_px=400)
    assert (photo.size, photo.reduced, photo.pixels.shape) == ((600, 800), 2, (400, 300, 3))


def test_other_formats_are_read_whole(tmp_path: Path) -> None:
    Image.new("RGB", (800, 600)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", least_side_px=100).reduced == 1


@pytest.mark.parametrize("least_side_px", [None, 12])
def test_a_picture_in_memory_is_read_as_its_file(tmp_path: Path, least_side_px: int | None) -> None:
    path = write_jpeg(tmp_path / "a.jpg", tags=exif({274: 6}))
    file = read_image(path, least_side_px=least_side_px)
    memory = read_image(PictureBytes(path.read_bytes(), "any/name"), least_side_px=least_side_px)
    np.testing.assert_array_equal(memory.pixels, file.pixels)
    same = ("exif", "sha256", "orientation", "reduced", "size")
    assert [getattr(memory, name) for name in same] == [getattr(file, name) for name in same]
    assert memory.path == Path("any/name")


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ImageKindError, "a is not a picture"),
        (jpeg((96, 64)), ImageTooLargeError, "a is 96x64 pixels, more than"),
        (huge_png(40_000, 40_000), ImageTooLargeError, "million pixels"),
        (jpeg((8, 8)), ImageError, "too small"),
    ],
)
def test_the_header_of_a_picture_in_memory_says_whether_to_decode_it(
    content: bytes, kind: type[ImageError], message: str
) -> None:
    picture = PictureBytes(content, "a", max_pixels=5000)
    for read in (check_header, read_image):
        with pytest.raises(kind, match=message):
            read(picture)
    assert check_header(PictureBytes(jpeg((96, 64)), "a", max_pixels=6144)) == (96, 64)


def test_deep_grey_counts_eightfold_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(buffer, "PNG")
    assert check_header(PictureBytes(buffer.getvalue(), "a", max_pixels=8 * 4096)) == (64, 64)
    with pytest.raises(ImageTooLargeError):
        check_header(PictureBytes(buffer.getvalue(), "a", max_pixels=8 * 4096 - 8))
