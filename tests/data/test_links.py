"""Stored matches come back as they were, and what is broken or gone counts for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.links import Link, LinkStore
from geonav.errors import StorageError
from geonav.geometry.orientation import rotation_from_angles

TURN = rotation_from_angles(40.0, 5.0, -3.0)
SOME = {
    "b": Link("s1", 40, np.array([[0, 5], [3, 2]], np.int32), TURN),
    "c": Link("s2", 3, np.zeros((0, 2), np.int32)),  # of an unknown turn
}


def same(found: dict[str, Link], expected: dict[str, Link]) -> bool:
    return list(found) == list(expected) and all(
        (found[uid].stamp, found[uid].num_matches) == (link.stamp, link.num_matches)
        and np.array_equal(found[uid].pairs, link.pairs)
        and found[uid].pairs.dtype == np.int32
        and found[uid].pairs.shape == link.pairs.shape
        and np.array_equal(found[uid].rotation, link.rotation, equal_nan=True)
        for uid, link in expected.items()
    )


LINKS = st.builds(
    lambda stamp, more, pairs, turn: Link(stamp, len(pairs) + more, np.array(pairs, np.int32).reshape(-1, 2), turn),
    st.text("0123456789abcdef", min_size=1, max_size=16),
    st.integers(0, 100),
    st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)), max_size=5),
    st.one_of(
        st.just(np.full((3, 3), np.nan)),
        st.lists(st.floats(-180, 180), min_size=3, max_size=3).map(lambda angles: rotation_from_angles(*angles)),
    ),
)
UIDS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(UIDS, LINKS, max_size=5))
def test_links_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, links: dict[str, Link]) -> None:
    store = LinkStore(tmp_path_factory.mktemp("links"))
    store.write("a", links)
    assert same(store.read("a"), links)


def test_each_reference_has_its_own_and_the_last_word_counts(tmp_path: Path) -> None:
    store = LinkStore(tmp_path / "deep" / "links")
    assert store.read("a") == {}
    store.write("a", SOME)
    store.write("x.y", {"z": SOME["b"]})
    store.write("a", {"c": SOME["c"]})
    assert same(store.read("a"), {"c": SOME["c"]})
    assert same(store.read("x.y"), {"z": SOME["b"]})


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.9])
def test_a_file_cut_short_counts_for_nothing(tmp_path: Path, keep: float) -> None:
    store = LinkStore(tmp_path)
    store.write("a", SOME)
    path = tmp_path / "a.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    assert store.read("a") == {}


def test_a_file_with_a_wrong_byte_is_read_or_counts_for_nothing(tmp_path: Path) -> None:
    store = LinkStore(tmp_path)
    store.write("a", SOME)
    content = (tmp_path / "a.npz").read_bytes()
    for at in [*range(0, len(content), 17), *range(len(content) - 400, len(content))]:
        (tmp_path / "a.npz").write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
        found = store.read("a")
        assert found == {} or same(found, SOME)


@pytest.mark.parametrize("name", ["others", "stamps", "counts", "pairs", "num_matches", "rotations"])
def test_a_file_without_one_of_its_arrays_counts_for_nothing(tmp_path: Path, name: str) -> None:
    store = LinkStore(tmp_path)
    store.write("a", SOME)
    with np.load(tmp_path / "a.npz") as arrays:
        rest = {key: arrays[key] for key in arrays.files if key != name}
    np.savez(tmp_path / "a.npz", **rest)
    assert store.read("a") == {}


def test_those_of_references_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    store = LinkStore(tmp_path / "links")
    store.forget_all_but(set())  # nothing there yet
    for uid in ("a", "b.c", "d"):
        store.write(uid, SOME)
    store.forget_all_but({"a", "b.c", "never there"})
    assert sorted(path.name for path in (tmp_path / "links").iterdir()) == ["a.npz", "b.c.npz"]


def test_where_nothing_can_be_written_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("a file")
    with pytest.raises(StorageError) as caught:
        LinkStore(tmp_path / "links").write("a", SOME)
    assert "\n" not in str(caught.value)
