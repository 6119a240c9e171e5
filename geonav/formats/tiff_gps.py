"""The GPS directory of an EXIF block, written anew without touching a byte of anything else.

EXIF is a small TIFF file. The new directory is appended and the pointer to it changed; every other directory stays
where it was, so that tags nobody knows and makers' notes with absolute offsets survive, which a reader that takes
everything apart and a writer that puts it together again would lose.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from geonav.errors import InputError

BYTE, ASCII, RATIONAL, UNDEFINED = 1, 2, 5, 7
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
_GPS_POINTER, _LONG = 0x8825, 4
_EMPTY = b"II*\x00" + struct.pack("<IHI", 8, 0, 0)
_ENTRY_BYTES = 12


@dataclass(frozen=True)
class Field:
    """One value of a directory: TIFF's type and the value's bytes in the file's byte order."""

    kind: int
    value: bytes

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.value) // _TYPE_BYTES[self.kind]


def with_gps(tiff: bytes | None, fields: Mapping[int, Field | tuple[tuple[int, int], ...]], drop: set[int]) -> bytes:
    """A TIFF block whose GPS directory has ``fields``.

    Args:
        tiff: the block so far; None where there was none.
        fields: what to write by tag; rationals as (numerator, denominator), because their bytes depend on the block.
        drop: tags to leave out; all others that the directory had are kept.

    Raises:
        InputError: the block is broken; nothing can then be changed in it safely.
    """
    block = bytearray(_EMPTY if tiff is None else tiff)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(bytes(block[:4]))
    if order is None:
        raise _broken()
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        entries, after = _entries(block, start, order)
        known = _known_gps(block, entries, order)
        known = {tag: field for tag, field in known.items() if tag not in drop}
        for tag, field in fields.items():
            known[tag] = field if isinstance(field, Field) else _rationals(field, order)
        _append_gps(block, known, (start, entries, after), order)
    except struct.error as error:
        raise _broken() from error
    return bytes(block)


def _broken() -> InputError:
    return InputError("its EXIF is broken, so nothing can be added to it: remove the EXIF first")


def _rationals(pairs: tuple[tuple[int, int], ...], order: str) -> Field:
    numbers = [number for pair in pairs for number in pair]
    return Field(RATIONAL, struct.pack(f"{order}{len(numbers)}I", *numbers))


def _entries(block: bytearray, start: int, order: str) -> tuple[list[bytes], int]:
    """The raw entries of a directory, and where its pointer to the next one stands."""
    (count,) = struct.unpack_from(f"{order}H", block, start)
    end = start + 2 + count * _ENTRY_BYTES
    if end + 4 > len(block):
        raise _broken()
    return [bytes(block[at : at + _ENTRY_BYTES]) for at in range(start + 2, end, _ENTRY_BYTES)], end


def _known_gps(block: bytearray, entries: list[bytes], order: str) -> dict[int, Field]:
    """What the old GPS directory holds; a directory that leads nowhere holds nothing."""
    for entry in entries:
        tag, _, _, offset = struct.unpack(f"{order}HHII", entry)
        if tag == _GPS_POINTER:
            try:
                found, _ = _entries(block, offset, order)
            except (InputError, struct.error):
                return {}
            fields = {struct.unpack(f"{order}H", raw[:2])[0]: _field(block, raw, order) for raw in found}
            return {key: field for key, field in fields.items() if field is not None}
    return {}


def _field(block: bytearray, raw: bytes, order: str) -> Field | None:
    _, kind, count, offset = struct.unpack(f"{order}HHII", raw)
    size = _TYPE_BYTES.get(kind, 0) * count
    if size == 0:
        return None
    value = raw[8 : 8 + size] if size <= 4 else bytes(block[offset : offset + size])
    return Field(kind, value) if len(value) == size else None


def _append_gps(
    block: bytearray, fields: Mapping[int, Field], directory: tuple[int, list[bytes], int], order: str
) -> None:
    start, entries, after = directory
    _align(block)
    gps_at = len(block)
    block += _directory(fields, gps_at, order)
    pointer = struct.pack(f"{order}HHII", _GPS_POINTER, _LONG, 1, gps_at)
    tags = [struct.unpack(f"{order}H", entry[:2])[0] for entry in entries]
    if _GPS_POINTER in tags:
        at = start + 2 + tags.index(_GPS_POINTER) * _ENTRY_BYTES
        block[at : at + _ENTRY_BYTES] = pointer
        return
    # There is no room for one more entry: the first directory, not its values, moves to the end.
    _align(block)
    following = bytes(block[after : after + 4])
    moved = sorted([*entries, pointer], key=lambda entry: int(struct.unpack(f"{order}H", entry[:2])[0]))
    struct.pack_into(f"{order}I", block, 4, len(block))
    block += struct.pack(f"{order}H", len(moved)) + b"".join(moved) + following


def _directory(fields: Mapping[int, Field], start: int, order: str) -> bytes:
    entries, values = b"", b""
    values_at = start + 2 + len(fields) * _ENTRY_BYTES + 4
    for tag, field in sorted(fields.items()):
        entries += struct.pack(f"{order}HHI", tag, field.kind, field.count)
        if len(field.value) <= 4:
            entries += field.value.ljust(4, b"\x00")
        else:
            entries += struct.pack(f"{order}I", values_at + len(values))
            values += field.value + b"\x00" * (len(field.value) % 2)
    return struct.pack(f"{order}H", len(fields)) + entries + b"\x00" * 4 + values


def _align(block: bytearray) -> None:
    block += b"\x00" * (len(block) % 2)
