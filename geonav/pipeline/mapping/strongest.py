"""The strongest links of each picture: right ones are rarely weaker than those of facades that repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Links = dict[tuple[int, int], NDArray[np.integer]]


def strongest(pairs: Mapping[tuple[int, int], NDArray[np.integer]], frames: Sequence[str], each: int = 3) -> Links:
    """The links that join what is not joined yet, or of which either picture has fewer than so many; strongest first.

    Args:
        pairs: matches (M, 2) of pictures i, j; many make a link strong.
        frames: of each picture; those of one frame are joined anyway.
        each: how many links a picture should have.
    """
    joined = {frame: {frame} for frame in frames}
    have: Counter[int] = Counter()
    kept: Links = {}
    for (i, j), matches in sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0])):
        own, other = joined[frames[i]], joined[frames[j]]
        if own is other and have[i] >= each and have[j] >= each:
            continue
        kept[i, j] = np.asarray(matches)
        have.update((i, j))
        if own is not other:
            own |= other
            joined.update(dict.fromkeys(other, own))
    return kept
