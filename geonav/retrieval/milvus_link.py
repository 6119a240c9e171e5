"""The file that says in which collection of which Milvus an index's vectors lie; never with which token."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from geonav.errors import DatabaseError
from geonav.retrieval import shelf
from geonav.retrieval.milvus_store import absolute, is_gone
from geonav.retrieval.shelf import Form
from geonav.settings.milvus import MilvusConfig

KIND = "milvus"
FOLDER = "milvus.db"
LINKS = "milvus-*.json"


@dataclass(frozen=True)
class Link:
    """Where the vectors of one generation lie.

    Attributes:
        uri: of Milvus, None for the folder beside this file.
        collection: its name.
        home: the folder of the index that made it; a copy elsewhere reads it and does not write it.
    """

    uri: str | None
    collection: str
    home: str

    @classmethod
    def read(cls, path: Path) -> Link:
        """Read one back.

        Raises:
            DatabaseError: it is missing or broken.
        """
        try:
            link = cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise shelf.broken(path.parent) from error
        texts = (link.uri or "", link.home, link.collection)
        if not all(isinstance(text, str) for text in texts) or not re.fullmatch(r"geonav_\w+", link.collection):
            raise shelf.broken(path.parent)
        return link

    def address(self, directory: Path) -> str:
        """Of Milvus, for an index in a folder."""
        return absolute(self.uri or str(directory / FOLDER))

    def belongs_to(self, directory: Path) -> bool:
        """Whether an index in this folder may change the collection."""
        return self.uri is None or self.home == str(directory.resolve())


def remembered(settings: MilvusConfig, directory: Path) -> MilvusConfig:
    """The settings, with the address that the index in a folder has where they give none."""
    links = sorted(directory.glob(LINKS), key=lambda path: path.stat().st_mtime)
    if settings.uri is not None or not links:
        return settings
    try:
        return settings.model_copy(update={"uri": Link.read(links[-1]).uri})
    except DatabaseError:
        return settings


def link_path(directory: Path, form: Form) -> Path:
    """Where the link of a generation lies."""
    return directory / f"milvus-{form.generation}.json"


def lost_folder(directory: Path) -> str | None:
    """The folder of milvus-lite where the vectors of the index in ``directory`` were and that is not there any more.

    Raises:
        DatabaseError: the index or its link is broken.
    """
    form = shelf.read_form(directory)
    if form.kind != KIND:
        return None
    address = Link.read(link_path(directory, form)).address(directory)
    return address if is_gone(address) else None
