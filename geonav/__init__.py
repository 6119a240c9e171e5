"""geonav: a photo goes in, the position of its camera on Earth comes out.

Start here:

* :func:`sample` gives the points of a place, :func:`fetch_metadata`, :func:`fetch_elevation` and
  :func:`fetch_panoramas` make a database of a provider's imagery there; :func:`preview` and :func:`postview` draw both.
* :func:`import_colmap`, :func:`import_folder`, :func:`import_database` make a :class:`Database` of posed photos.
* :func:`index_local` and :func:`index_global` compute what searching and matching need, and resume where they stopped.
* :class:`Localizer` holds an indexed database open; ``Localizer(database, config).locate("photo.jpg")`` returns a
  :class:`LocalizationResult`. :func:`localize` does the same for one photo in one call.
* :func:`locate_sequence` locates frames taken one after the other, a folder or a video, together, and gives a
  :class:`TrackPoint` each; :class:`SequenceOptions` and :class:`MotionPrior` say how they may have moved.
* :class:`Searcher` and :func:`search` stop at the references that look like a photo and give a :class:`SearchResult`;
  :func:`rerank_gnn` orders vectors of one's own.
* :func:`evaluate` compares the poses found for a query set with its true ones and gives an :class:`EvaluationReport`;
  :func:`evaluate_retrieval` counts how often retrieval alone finds the place and gives a :class:`RecallReport`.
* :func:`load_config` reads ``geonav.toml``, the environment and overrides into one frozen :class:`GeonavConfig`.

Names are imported when first used, so ``import geonav`` loads neither torch nor pycolmap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from geonav.config import GeonavConfig, load_config
    from geonav.data.database import Database
    from geonav.data.results import LocalizationResult
    from geonav.data.track import TrackPoint
    from geonav.geometry.camera import Camera
    from geonav.geometry.geodesy import GeoPoint
    from geonav.pipeline.evaluate import EvaluationReport, evaluate
    from geonav.pipeline.fetching import FetchOptions, FetchReport, fetch_elevation, fetch_metadata, fetch_panoramas
    from geonav.pipeline.importing import (
        ColmapImport,
        DatabaseImport,
        FolderImport,
        import_colmap,
        import_database,
        import_folder,
    )
    from geonav.pipeline.index import index_global, index_local
    from geonav.pipeline.localize import Localizer, localize
    from geonav.pipeline.postview import PostviewFilter, postview
    from geonav.pipeline.preview import preview
    from geonav.pipeline.recall import RecallReport, evaluate_retrieval
    from geonav.pipeline.sampling import SampleRequest, Sampling, sample
    from geonav.pipeline.search import Searcher, SearchResult, search
    from geonav.pipeline.sequence import SequenceOptions, locate_sequence
    from geonav.pose.motion import MotionPrior
    from geonav.retrieval.rerank.gnn import rerank_gnn

_MODULES = {
    "Camera": "geonav.geometry.camera",
    "ColmapImport": "geonav.pipeline.importing",
    "Database": "geonav.data.database",
    "DatabaseImport": "geonav.pipeline.importing",
    "EvaluationReport": "geonav.pipeline.evaluate",
    "FetchOptions": "geonav.pipeline.fetching",
    "FetchReport": "geonav.pipeline.fetching",
    "FolderImport": "geonav.pipeline.importing",
    "GeoPoint": "geonav.geometry.geodesy",
    "GeonavConfig": "geonav.config",
    "LocalizationResult": "geonav.data.results",
    "Localizer": "geonav.pipeline.localize",
    "MotionPrior": "geonav.pose.motion",
    "PostviewFilter": "geonav.pipeline.postview",
    "RecallReport": "geonav.pipeline.recall",
    "SampleRequest": "geonav.pipeline.sampling",
    "Sampling": "geonav.pipeline.sampling",
    "SearchResult": "geonav.pipeline.search",
    "Searcher": "geonav.pipeline.search",
    "SequenceOptions": "geonav.pipeline.sequence",
    "TrackPoint": "geonav.data.track",
    "evaluate": "geonav.pipeline.evaluate",
    "evaluate_retrieval": "geonav.pipeline.recall",
    "fetch_elevation": "geonav.pipeline.fetching",
    "fetch_metadata": "geonav.pipeline.fetching",
    "fetch_panoramas": "geonav.pipeline.fetching",
    "import_colmap": "geonav.pipeline.importing",
    "import_database": "geonav.pipeline.importing",
    "import_folder": "geonav.pipeline.importing",
    "index_global": "geonav.pipeline.index",
    "index_local": "geonav.pipeline.index",
    "load_config": "geonav.config",
    "localize": "geonav.pipeline.localize",
    "locate_sequence": "geonav.pipeline.sequence",
    "postview": "geonav.pipeline.postview",
    "preview": "geonav.pipeline.preview",
    "rerank_gnn": "geonav.retrieval.rerank.gnn",
    "sample": "geonav.pipeline.sampling",
    "search": "geonav.pipeline.search",
}

__all__ = [
    "Camera",
    "ColmapImport",
    "Database",
    "DatabaseImport",
    "EvaluationReport",
    "FetchOptions",
    "FetchReport",
    "FolderImport",
    "GeoPoint",
    "GeonavConfig",
    "LocalizationResult",
    "Localizer",
    "MotionPrior",
    "PostviewFilter",
    "RecallReport",
    "SampleRequest",
    "Sampling",
    "SearchResult",
    "Searcher",
    "SequenceOptions",
    "TrackPoint",
    "evaluate",
    "evaluate_retrieval",
    "fetch_elevation",
    "fetch_metadata",
    "fetch_panoramas",
    "import_colmap",
    "import_database",
    "import_folder",
    "index_global",
    "index_local",
    "load_config",
    "localize",
    "locate_sequence",
    "postview",
    "preview",
    "rerank_gnn",
    "sample",
    "search",
]


def __getattr__(name: str) -> object:
    """Import an exported name on first use (PEP 562)."""
    if name not in _MODULES:
        msg = f"module 'geonav' has no attribute '{name}'"
        raise AttributeError(msg)
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The exported names and the module's own."""
    return sorted({*globals(), *__all__})
