"""The surfaces of a scene: textured parallelograms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quads:
    """Parallelograms seen from one side; from there edge_u points right and edge_v down.

    Attributes:
        origin: (Q, 3) upper left corner, metres, ENU.
        edge_u: (Q, 3) from the upper left to the upper right corner.
        edge_v: (Q, 3) from the upper left to the lower left corner.
        texture: (Q,) texture numbers.
        texel_origin: (Q, 2) column and row in the texture at the upper left corner.
        texel_span: (Q, 2) columns along edge_u and rows along edge_v.
        tint: (Q, 3) factor on the texture's colour.
    """

    origin: Floats
    edge_u: Floats
    edge_v: Floats
    texture: NDArray[np.int64]
    texel_origin: Floats
    texel_span: Floats
    tint: Floats

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def normal(self) -> Floats:
        """(Q, 3) unit vectors out of the visible side."""
        normal = np.cross(self.edge_v, self.edge_u)
        return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))

    @property
    def num_bytes(self) -> int:
        """Memory it takes."""
        return sum(int(getattr(self, name).nbytes) for name in self.__dataclass_fields__)

    def chosen(self, mask: NDArray[np.bool_]) -> Quads:
        """Those that a mask (Q,) picks."""
        return Quads(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def renumbered(self, least: int, shift: int) -> Quads:
        """With the numbers of the textures from `least` on shifted."""
        return replace(self, texture=np.where(self.texture >= least, self.texture + shift, self.texture))

    def joined(self, other: Quads) -> Quads:
        """Both sets; they must speak of the same textures."""
        names = self.__dataclass_fields__
        return Quads(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in names))


@dataclass(frozen=True)
class Skin:
    """What a surface is covered with.

    Attributes:
        texture: Texture number.
        texel_m: Size of a texel on the surface, metres.
        tint: Factor on the texture's colour.
        offset: Column and row at the surface's upper left corner.
    """

    texture: int
    texel_m: float
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    def at(self, column: float, row: float) -> Skin:
        """The same skin from another texel on."""
        return Skin(self.texture, self.texel_m, self.tint, (column, row))

    def tinted(self, *factor: float) -> Skin:
        """The same skin, its colour multiplied by one factor or three."""
        red, green, blue = factor * 3 if len(factor) == 1 else factor
        tint = (self.tint[0] * red, self.tint[1] * green, self.tint[2] * blue)
        return Skin(self.texture, self.texel_m, tint, self.offset)


@dataclass(frozen=True)
class Frame:
    """A place to build at: right, out (towards the viewer) and up, seen from the street.

    Attributes:
        origin: (3,) ENU, metres.
        right: (3,) unit vector.
        out: (3,) unit vector.
    """

    origin: Floats
    right: Floats
    out: Floats

    def point(self, right_m: float, out_m: float, up_m: float) -> Floats:
        """(3,) ENU."""
        return np.asarray(self.origin + right_m * self.right + out_m * self.out + np.array([0.0, 0.0, up_m]))

    def moved(self, right_m: float, out_m: float, up_m: float) -> Frame:
        """The frame shifted along its own axes."""
        return Frame(self.point(right_m, out_m, up_m), self.right, self.out)


@dataclass(frozen=True)
class Block:
    """A box in a Frame: ranges along right, out and up in metres."""

    right: tuple[float, float]
    out: tuple[float, float]
    up: tuple[float, float]


@dataclass
class QuadBuilder:
    """Collects surfaces; `build` freezes them."""

    _rows: list[tuple[Floats, Floats, Floats, Skin]] = field(default_factory=list)

    def add(self, origin: Floats, edge_u: Floats, edge_v: Floats, skin: Skin) -> None:
        """One parallelogram; see `Quads` for the corners' order."""
        self._rows.append((origin, edge_u, edge_v, skin))

    def corners(self, upper_left: Floats, upper_right: Floats, lower_left: Floats, skin: Skin) -> None:
        """One parallelogram from three of its corners."""
        self.add(upper_left, upper_right - upper_left, lower_left - upper_left, skin)

    def front(self, frame: Frame, block: Block, skin: Skin) -> None:
        """The side of a box that looks out."""
        (r0, r1), (_, o1), (u0, u1) = block.right, block.out, block.up
        point = frame.point
        self.corners(point(r0, o1, u1), point(r1, o1, u1), point(r0, o1, u0), skin)

    def sides(self, frame: Frame, block: Block, skin: Skin) -> None:
        """All sides of a box but front and back."""
        self.ends(frame, block, skin)
        self.levels(frame, block, skin)

    def ends(self, frame: Frame, block: Block, skin: Skin) -> None:
        """The left and the right side of a box."""
        (r0, r1), (o0, o1), (u0, u1) = block.right, block.out, block.up
        point = frame.point
        self.corners(point(r0, o0, u1), point(r0, o1, u1), point(r0, o0, u0), skin)
        self.corners(point(r1, o1, u1), point(r1, o0, u1), point(r1, o1, u0), skin)

    def levels(self, frame: Frame, block: Block, skin: Skin) -> None:
        """The top and the bottom of a box."""
        (r0, r1), (o0, o1), (u0, u1) = block.right, block.out, block.up
        point = frame.point
        self.corners(point(r0, o0, u1), point(r1, o0, u1), point(r0, o1, u1), skin)
        self.corners(point(r0, o1, u0), point(r1, o1, u0), point(r0, o0, u0), skin)

    def back(self, frame: Frame, block: Block, skin: Skin) -> None:
        """The side of a box that looks in."""
        (r0, r1), (o0, _), (u0, u1) = block.right, block.out, block.up
        point = frame.point
        self.corners(point(r1, o0, u1), point(r0, o0, u1), point(r1, o0, u0), skin)

    def reveal(self, frame: Frame, block: Block, skin: Skin) -> None:
        """The four inner sides of a hole: of a box seen from inside through its front."""
        (r0, r1), (o0, o1), (u0, u1) = block.right, block.out, block.up
        point = frame.point
        self.corners(point(r0, o1, u1), point(r0, o0, u1), point(r0, o1, u0), skin)
        self.corners(point(r1, o0, u1), point(r1, o1, u1), point(r1, o0, u0), skin)
        self.corners(point(r0, o1, u1), point(r1, o1, u1), point(r0, o0, u1), skin.tinted(0.6))
        self.corners(point(r0, o0, u0), point(r1, o0, u0), point(r0, o1, u0), skin)

    def build(self) -> Quads:
        """Freeze the surfaces."""
        origin, edge_u, edge_v = (np.array([row[i] for row in self._rows], dtype=np.float64) for i in range(3))
        skins = [row[3] for row in self._rows]
        texel_m = np.array([skin.texel_m for skin in skins])[:, None]
        lengths = np.stack([np.linalg.norm(edge_u, axis=1), np.linalg.norm(edge_v, axis=1)], axis=1)
        return Quads(
            origin,
            edge_u,
            edge_v,
            np.array([skin.texture for skin in skins], np.int64),
            np.array([skin.offset for skin in skins], np.float64),
            lengths / texel_m,
            np.array([skin.tint for skin in skins], np.float64),
        )
