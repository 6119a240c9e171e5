"""IVF: rows in lists around centres, of which a search looks at the nearest; with 1 byte a number or product codes.

Vectors are first turned to the principal axes of a sample, the first :data:`_MAX_DIM` of them: distances stay, and
product codes get axes of like weight in each of their parts (Ge et al., CVPR 2013, the parametric solution).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import faiss
import numpy as np
from numpy.typing import NDArray

from geonav.retrieval.approximate import ApproximateIndex, float_chunks, spread_sample
from geonav.retrieval.axes import principal_axes
from geonav.retrieval.rows import GrowingRows, Rows

_MAX_DIM = 512
_AXES_PER_PART = 4
# A list for each so many rows at least, of which k-means sees no more.
_ROWS_PER_LIST = 40
_MAX_LISTS = 1 << 14
_MIN_PROBES = 8
_SHARE_PROBED = 16
_ITERATIONS = 8


class ListsIndex(ApproximateIndex):
    """Inverted lists; ``effort`` is the number of lists that a search looks at (nprobe)."""

    affordable: ClassVar[int] = 50_000
    """Rows that a search may look at by default; the time it takes goes by them."""

    @abstractmethod
    def _quantizer(self, centres: Any, dim: int, num_lists: int) -> Any:  # noqa: ANN401 - faiss indexes
        """The faiss index with its lists, not yet trained."""

    def _learned(self, sample: Rows, count: int) -> Any:  # noqa: ANN401 - faiss index
        num_lists = _num_lists(count)
        some = spread_sample(sample, max(num_lists * _ROWS_PER_LIST, 10_000))
        axes = _turned(some)
        turn = faiss.LinearTransform(sample.dim, len(axes), False)
        faiss.copy_array_to_vector(np.ascontiguousarray(axes, np.float32).ravel(), turn.A)
        turn.is_trained = True
        turned = GrowingRows(len(axes), "fp32")
        for chunk in float_chunks(some):
            turned.append(chunk @ axes.T)
        centres = faiss.IndexFlatIP(len(axes))
        lists = self._quantizer(centres, len(axes), num_lists)
        lists.cp.niter = _ITERATIONS
        lists.train(turned.array)
        return faiss.IndexPreTransform(turn, lists)

    def _default_effort(self, lists: Any) -> int:  # noqa: ANN401 - faiss index
        num_lists = int(faiss.extract_index_ivf(lists).nlist)
        share = max(self.affordable / max(lists.ntotal, 1), 1 / _SHARE_PROBED)
        return min(num_lists, max(_MIN_PROBES, int(share * num_lists)))

    def _parameters(self, effort: int, chosen: Any) -> Any:  # noqa: ANN401 - faiss objects
        lists = faiss.SearchParametersIVF(nprobe=effort, sel=chosen)  # type: ignore[call-arg]
        return faiss.SearchParametersPreTransform(index_params=lists)  # type: ignore[call-arg]


class InvertedIndex(ListsIndex):
    """1 byte a number: little is lost, and the lists are mapped from their file."""

    kind = "ivf"
    reading = faiss.IO_FLAG_MMAP

    def _quantizer(self, centres: Any, dim: int, num_lists: int) -> Any:  # noqa: ANN401 - faiss indexes
        bits = faiss.ScalarQuantizer.QT_8bit
        return faiss.IndexIVFScalarQuantizer(centres, dim, num_lists, bits, faiss.METRIC_INNER_PRODUCT)


class ProductIndex(ListsIndex):
    """4 bits for every 4 axes: 64 bytes for 512 numbers, in memory, and many candidates to compare in full."""

    kind = "ivfpq"
    candidates = 1000
    affordable = 375_000

    def _quantizer(self, centres: Any, dim: int, num_lists: int) -> Any:  # noqa: ANN401 - faiss indexes
        parts = dim // _AXES_PER_PART if dim % _AXES_PER_PART == 0 else dim
        return faiss.IndexIVFPQFastScan(centres, dim, num_lists, parts, 4, faiss.METRIC_INNER_PRODUCT)


def _num_lists(count: int) -> int:
    """About twice the root of the number of rows, a power of two."""
    most = min(2.05 * count**0.5, count / _ROWS_PER_LIST, _MAX_LISTS)
    return int(2 ** np.floor(np.log2(max(most, 1))))


def _turned(sample: Rows) -> NDArray[np.float32]:
    """Principal axes (M, D) in such an order that the parts of a product code carry like weight."""
    dim = min(_MAX_DIM, sample.dim)
    if dim > _AXES_PER_PART:
        dim -= dim % _AXES_PER_PART
    axes, weights = principal_axes(sample.array, dim)
    return axes[_balanced(weights, dim // _AXES_PER_PART if dim % _AXES_PER_PART == 0 else dim)]


def _balanced(weights: NDArray[np.float64], num_parts: int) -> NDArray[np.int64]:
    """Deal falling weights out to parts of one size so that the products of the parts are alike."""
    gains = np.log(np.maximum(weights, 1e-12 * weights[0]) / np.maximum(weights[-1], 1e-12 * weights[0])) + 1e-9
    size = len(weights) // num_parts
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    sums = np.zeros(num_parts)
    for axis, gain in enumerate(gains):
        part = int(np.argmin(np.where([len(some) < size for some in parts], sums, np.inf)))
        parts[part].append(axis)
        sums[part] += gain
    return np.concatenate([np.array(some, np.int64) for some in parts])
