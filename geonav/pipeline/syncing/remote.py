"""Generations of a remote: which is the newest, and making the next one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from geonav.errors import DatabaseError, MissingError
from geonav.pipeline.syncing import root
from geonav.pipeline.syncing.root import Root
from geonav.pipeline.syncing.snapshot import GENERATIONS, generation_key
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import ObjectStore

_KEY = re.compile(GENERATIONS + r"/(\d{10})\.json")
_ATTEMPTS = 5


@dataclass(frozen=True)
class Head:
    """The newest generation: its number, the content of its root, and what messages call that."""

    generation: int
    content: bytes
    name: str


def generations(store: ObjectStore) -> list[int]:
    """The numbers of the generations that are there, rising."""
    return sorted(int(found[1]) for key in store.list(GENERATIONS) if (found := _KEY.fullmatch(key)))


def newest(store: ObjectStore) -> Head | None:
    """The newest generation; None where nothing was pushed yet.

    Raises:
        DatabaseError: it is none.
        NetworkError: the remote failed again and again.
        AuthError: it may not be read.
    """
    for _ in range(_ATTEMPTS):
        numbers = generations(store)
        if not numbers:
            return None
        key = generation_key(numbers[-1])
        try:
            content = store.get(key, root.MOST_BYTES)
        except MissingError:  # two newer ones and their pruning since the listing
            continue
        return Head(numbers[-1], content, store.name_of(key))
    msg = f"{store.url}: generations come and go faster than they can be read: run again"
    raise DatabaseError(msg)


def publish(store: ObjectStore, state: SyncState, made: Root) -> None:
    """Make ``made`` the newest generation, or refuse: of two pushes at once one wins.

    Raises:
        DatabaseError: another push came first.
    """
    content = made.encode()
    state.set_pending(content)
    if not store.create(generation_key(made.generation), content):
        msg = f"{store.url}: another push came first (generation {made.generation}): pull it, then push again"
        raise DatabaseError(msg)
    state.set_base(content)
    state.drop_journal()


def settle_pending(store: ObjectStore, state: SyncState) -> None:
    """Find out whether a push that ended at its last moment did become a generation, and remember it if so."""
    content = state.pending()
    if content is None:
        return
    try:
        made = Root.decode(content, "pending.json")
        key = generation_key(made.generation)
        if store.get(key, root.MOST_BYTES) == content:
            state.set_base(content)
            state.drop_journal()
    except (DatabaseError, MissingError):
        return
