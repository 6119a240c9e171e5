"""Pictures: read safely, turned upright, and made ready to store.

Nothing is decoded before the sizes of file and picture were looked at; whatever Pillow raises becomes one line.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from geonav.data.exif import ExifInfo
from geonav.data.exif_reader import exif_from_image
from geonav.data.pixels import as_rgb, eight_bit, upright
from geonav.errors import ImageError, ImageKindError, ImageTooLargeError

MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 500_000_000
MIN_SIDE_PX = 16
_FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "WEBP", "BMP", "PPM", "GIF", "JPEG2000", "AVIF", "HEIF")
_JPEG_QUALITY = 95
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


@dataclass(frozen=True)
class Photo:
    """A decoded picture.

    Attributes:
        path: the file.
        pixels: (H, W, 3) uint8, RGB, upright; each side a ``reduced``-th of the file's.
        exif: what its EXIF says.
        sha256: of the file's bytes, hexadecimal.
        orientation: EXIF's; already applied to ``pixels``.
        reduced: 1 for the full size, else 2, 4 or 8.
    """

    path: Path
    pixels: NDArray[np.uint8]
    exif: ExifInfo
    sha256: str
    orientation: int
    reduced: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture in pixels, as the file has it."""
        return self.pixels.shape[1] * self.reduced, self.pixels.shape[0] * self.reduced


@dataclass(frozen=True)
class StorableImage:
    """A checked picture, to be stored as ``image.jpg``.

    Attributes:
        jpeg: the file's own bytes where it is a JPEG, otherwise the upright picture as a new one.
        stored_size: width and height of the source's pixels before its EXIF orientation is applied.
        size: width and height of the upright picture.
        exif: what the source's EXIF says.
        sha256: of the source file's bytes, hexadecimal.
    """

    jpeg: bytes
    stored_size: tuple[int, int]
    size: tuple[int, int]
    exif: ExifInfo
    sha256: str


@dataclass(frozen=True)
class PictureBytes:
    """A picture in memory, to be read where a file could be.

    Attributes:
        content: what the file would hold.
        name: what messages and results call it; never opened.
        max_pixels: of a larger one nothing is decoded.
    """

    content: bytes
    name: str
    max_pixels: int = MAX_PIXELS


Picture = Path | str | PictureBytes


def read_image(picture: Picture, max_pixels: int = MAX_PIXELS, least_side_px: int | None = None) -> Photo:
    """Decode a picture; a JPEG at a half, a quarter or an eighth where ``least_side_px`` lets its longer side.

    Raises:
        ImageError: missing, not a picture, truncated, too large or too small.
    """
    if isinstance(picture, PictureBytes):
        file, content, max_pixels = Path(picture.name), picture.content, min(max_pixels, picture.max_pixels)
    else:
        file = Path(picture)
        content = read_image_bytes(file)
    with _opened(file, content, max_pixels) as image:
        exif = exif_from_image(image)
        reduced = 1 if least_side_px is None else _reduced(image, least_side_px)
        pixels = np.asarray(upright(as_rgb(image), exif.orientation))
    return Photo(file, pixels, exif, hashlib.sha256(content).hexdigest(), exif.orientation, reduced)


def _reduced(image: Image, least_side_px: int) -> int:
    """Have a JPEG decoded at a fraction of its size, unless that would cut pixels: positions must not move."""
    width, height = image.size
    for factor in (8, 4, 2) if image.format in {"JPEG", "MPO"} else ():
        if width % factor == 0 == height % factor and max(width, height) >= factor * least_side_px:
            image.draft(None, (width // factor, height // factor))
            return width // image.width
    return 1


def decode(content: bytes, where: Path) -> NDArray[np.uint8]:
    """The upright pixels (H, W, 3) of a picture whose bytes came from ``where``, which error messages name.

    Raises:
        ImageError: not a picture, truncated, too large or too small.
    """
    with _opened(where, content, MAX_PIXELS) as image:
        return np.asarray(upright(as_rgb(image), exif_from_image(image).orientation))


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (H, W, 3) as a JPEG; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def read_exif(path: Path | str) -> ExifInfo:
    """The EXIF of a picture file, without decoding the picture.

    Raises:
        ImageError: missing, not a picture, too large or too small.
    """
    file = Path(path)
    with _opened(file, read_image_bytes(file), MAX_PIXELS) as image:
        return exif_from_image(image)


def prepare_image(path: Path | str) -> StorableImage:
    """Check that a picture can be decoded and give the JPEG to store for it.

    Raises:
        ImageError: missing, not a picture, truncated, too large or too small.
    """
    file = Path(path)
    return prepare_content(read_image_bytes(file), file)


def prepare_content(content: bytes, where: Path) -> StorableImage:
    """The same for bytes that came from ``where``, which error messages name; raises the same."""
    sha256 = hashlib.sha256(content).hexdigest()
    with _opened(where, content, MAX_PIXELS) as image:
        exif, (width, height) = exif_from_image(image), image.size
        upright_size = (height, width) if exif.orientation >= 5 else (width, height)
        if image.format in {"JPEG", "MPO"}:
            image.draft(None, (max(width // 8, 1), max(height // 8, 1)))  # decodes all, transforms little
            image.load()
            return StorableImage(content, (width, height), upright_size, exif, sha256)
        buffer = io.BytesIO()
        upright(as_rgb(image), exif.orientation).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return StorableImage(buffer.getvalue(), (width, height), upright_size, exif, sha256)


def check_header(picture: PictureBytes) -> tuple[int, int]:
    """Width and height as stored, decoding nothing: what is no picture, or too large a one, ends here.

    A grey picture of 16 bits or more takes eight times the memory of one with 8, and counts as so many pixels.

    Raises:
        ImageKindError: not a picture of a kind that is read.
        ImageTooLargeError: more pixels than allowed.
        ImageError: broken or too small.
    """
    where = Path(picture.name)
    with _opened(where, picture.content, picture.max_pixels) as image:
        width, height = image.size
        if image.mode.startswith(("I", "F")):
            _check_size(where, width, height, picture.max_pixels // 8, MIN_SIDE_PX)
        return width, height


def upright_size(path: Path | str) -> tuple[int, int]:
    """Width and height of the upright picture, from the file's header alone.

    Raises:
        ImageError: missing, not a picture, too large or too small.
    """
    file = Path(path)
    with _opened(file, read_image_bytes(file), MAX_PIXELS) as image:
        width, height = image.size
        return (height, width) if exif_from_image(image).orientation >= 5 else (width, height)


def read_mask(path: Path | str | None, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Which pixels of an upright picture may be used: (H, W), True where the mask is not black.

    A mask of another size but the same shape is resized; without a file there is no mask.

    Raises:
        ImageError: the mask cannot be read or has another shape than the picture.
    """
    if path is None or not Path(path).exists():
        return None
    file = Path(path)
    width, height = size
    with _opened(file, read_image_bytes(file), MAX_PIXELS, min_side=1) as image:
        grey = eight_bit(image).convert("L")
        if abs(grey.width * height - grey.height * width) > max(width, height) + max(grey.size):
            shapes = f"{grey.width}x{grey.height}, its upright picture {width}x{height}"
            msg = f"mask {file} is {shapes}: give one of the same shape"
            raise ImageError(msg)
        return np.asarray(grey.resize(size, Resampling.NEAREST)) > 0


def read_image_bytes(path: Path) -> bytes:
    """The bytes of a picture file of a bearable size.

    Raises:
        ImageError: missing, unreadable, empty or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            msg = f"{path} has {size / 1e6:.0f} MB, more than the {MAX_FILE_BYTES / 1e6:.0f} MB a picture may have"
            raise ImageError(msg)
        content = path.read_bytes()
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise ImageError(msg) from error
    if not content:
        msg = f"{path} is empty: copy or download it again"
        raise ImageError(msg)
    return content


@contextmanager
def _opened(path: Path, content: bytes, max_pixels: int, min_side: int = MIN_SIDE_PX) -> Iterator[Image]:
    """An image whose header was read and found bearable; decoding errors inside become ImageError."""
    formats = _formats(path, content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd metadata; checked below
            with PIL.Image.open(io.BytesIO(content), formats=formats) as image:
                _check_size(path, image.width, image.height, max_pixels, min_side)
                yield image
    except ImageError:
        raise
    except PIL.UnidentifiedImageError as error:
        msg = f"{path} is not a picture that can be read: use JPEG, PNG, TIFF, WebP or HEIC"
        raise ImageKindError(msg) from error
    except PIL.Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        size = f"{int(count.group()) / 1e6:.0f}" if count else "too many"
        msg = f"{path} has {size} million pixels, more than the {max_pixels / 1e6:.0f} allowed: scale it down"
        raise ImageTooLargeError(msg) from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, IndexError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"{path} cannot be decoded ({reason[:120]}): copy or download it again"
        raise ImageError(msg) from error


def _check_size(path: Path, width: int, height: int, max_pixels: int, min_side: int) -> None:
    if width * height > max_pixels:
        msg = f"{path} is {width}x{height} pixels, more than the {max_pixels / 1e6:.0f} million allowed: scale it down"
        raise ImageTooLargeError(msg)
    if min(width, height) < min_side:
        msg = f"{path} is {width}x{height} pixels, too small: each side needs at least {min_side}"
        raise ImageError(msg)


def _formats(path: Path, content: bytes) -> list[str]:
    """The formats to try; HEIC's plug-in is loaded where the file needs it."""
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS and b"avif" not in content[8:64]:
        try:
            import pillow_heif
        except ImportError as error:
            msg = f"{path} is HEIC, which needs a plug-in: pip install 'geonav[heif]', or convert it to JPEG"
            raise ImageKindError(msg) from error
        pillow_heif.register_heif_opener()
    PIL.Image.init()
    return [name for name in _FORMATS if name in PIL.Image.OPEN]
