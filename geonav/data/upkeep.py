"""What lies in a database's folders beside what is asked for by name: for checks and repairs."""

from __future__ import annotations

from pathlib import Path

from geonav.data.database import OWN_FOLDER, Database
from geonav.data.files import is_temporary
from geonav.data.local_store import descriptors_path, keypoints_path


def local_models(database: Database) -> list[str]:
    """The models that local features were made with."""
    return sorted(path.stem for path in (database.path / OWN_FOLDER / "settings").glob("*.json"))


def index_names(database: Database) -> list[str]:
    """The global descriptors that have an index, finished or not."""
    return sorted(path.name for path in (database.path / OWN_FOLDER / "index").glob("*") if path.is_dir())


def feature_files(database: Database, uid: str, model: str) -> list[Path]:
    """The files that hold an entry's local features, those that are there."""
    entry = database.entry_path(uid)
    return [path for path in (keypoints_path(entry, model), descriptors_path(entry, model)) if path.exists()]


def global_file(database: Database, uid: str, name: str) -> Path:
    """The file that holds an entry's global descriptor."""
    return database.entry_path(uid) / f"{name}_descriptor.npy"


def leftovers(database: Database) -> list[Path]:
    """Half-made entries and temporary files of interrupted runs."""
    own = database.path / OWN_FOLDER
    drafts = sorted((own / "tmp").glob("*"))
    folders = [database.path, *(database.path / uid for uid in database.uids())]
    loose = [path for folder in folders for path in folder.iterdir() if is_temporary(path.name)]
    inner = [path for path in own.rglob("*") if is_temporary(path.name) and not path.is_relative_to(own / "tmp")]
    return drafts + sorted(loose) + sorted(inner)
