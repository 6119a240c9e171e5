"""Scores pose files, ``name qw qx qy qz tx ty tz`` a line, with nothing of geonav in it."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation


def read(path):  # type: ignore[no-untyped-def]
    rows = [line.split() for line in Path(path).read_text("utf-8").splitlines()]
    return {r[0]: (Rotation.from_quat(np.roll(np.array(r[1:5], float), -1)), np.array(r[5:], float)) for r in rows}


def score(found_path, truth_path, limits=((0.25, 2), (0.5, 5), (5, 10))):  # type: ignore[no-untyped-def]
    found, true = read(found_path), read(truth_path)
    m = {n: np.linalg.norm(r.inv().apply(t) - true[n][0].inv().apply(true[n][1])) for n, (r, t) in found.items()}
    deg = {n: np.degrees((r * true[n][0].inv()).magnitude()) for n, (r, _) in found.items()}
    return m, deg, [sum(m[n] <= most and deg[n] <= turn for n in m) / len(true) for most, turn in limits]
