"""geonav: a photo goes in, the position of its camera on Earth comes out.

Start here:

* :func:`sample` gives the points of a place, :func:`fetch_metadata`, :func:`fetch_elevation` and
  :func:`fetch_panoramas` make a database of a provider's imagery there; :func:`preview` and :func:`postview` draw both.
* :func:`import_colmap`, :func:`import_folder`, :func:`import_database`, :func:`import_hloc`, :func:`import_kapture`,
  :func:`import_vpr` and :func:`import_list` make a :class:`Database` of posed photos; :func:`export_colmap`,
  :func:`export_hloc`, :func:`export_vpr` and :func:`export_ltvl` write one for other tools.
* :func:`write_exif`, :func:`write_kml` and :func:`write_ltvl` write results into photos, for Google Earth and for the
  long-term benchmark.
* :func:`index_local` and :func:`index_global` compute what searching and matching need, and resume where they stopped.
* :func:`build_map` brings references with doubtful poses together, :func:`add_to_map` lets new ones join; both and
  :func:`map_report` give a :class:`MapReport`.
* :class:`Localizer` holds an indexed database open; ``Localizer(database, config).locate("photo.jpg")`` returns a
  :class:`LocalizationResult`; :class:`PictureBytes` stands for a file where there is none. :func:`localize` does the
  same for one photo in one call.
* :func:`locate_sequence` locates frames taken one after the other, a folder or a video, together, and gives a
  :class:`TrackPoint` each; :class:`SequenceOptions` and :class:`MotionPrior` say how they may have moved.
* :class:`Searcher` and :func:`search` stop at the references that look like a photo and give a :class:`SearchResult`;
  :func:`rerank_gnn` orders vectors of one's own.
* :func:`evaluate` compares the poses found for a query set with its true ones and gives an :class:`EvaluationReport`;
  :class:`Experiment` names it and its distractors, :func:`rescore` scores a run folder anew without locating;
  :func:`evaluate_retrieval` counts how often retrieval alone finds the place and gives a :class:`RecallReport`.
* :func:`push_database` and :func:`pull_database` copy a database to and from object storage, and give a
  :class:`PushReport` and a :class:`PullReport`.
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
    from geonav.data.images import PictureBytes
    from geonav.data.results import LocalizationResult
    from geonav.data.track import TrackPoint
    from geonav.evaluation.experiment import EvaluationReport, Experiment, evaluate, rescore
    from geonav.formats.exif_write import write_exif
    from geonav.formats.hloc import read_query_list
    from geonav.formats.kml import write_kml
    from geonav.formats.ltvl import located_poses, write_ltvl
    from geonav.geometry.camera import Camera
    from geonav.geometry.geodesy import GeoPoint
    from geonav.pipeline.export_hloc import HlocExport, export_hloc
    from geonav.pipeline.export_vpr import export_vpr
    from geonav.pipeline.exporting import export_colmap, export_ltvl
    from geonav.pipeline.fetching import FetchOptions, FetchReport, fetch_elevation, fetch_metadata, fetch_panoramas
    from geonav.pipeline.importing import (
        ColmapImport,
        DatabaseImport,
        FolderImport,
        import_colmap,
        import_database,
        import_folder,
    )
    from geonav.pipeline.importing_hloc import import_hloc
    from geonav.pipeline.importing_lists import (
        KaptureImport,
        ListedImage,
        ListImport,
        VprImport,
        import_kapture,
        import_list,
        import_vpr,
    )
    from geonav.pipeline.index import index_global, index_local
    from geonav.pipeline.localize import Localizer, localize
    from geonav.pipeline.mapping.build import add_to_map, build_map
    from geonav.pipeline.mapping.report import MapReport, map_report
    from geonav.pipeline.postview import PostviewFilter, postview
    from geonav.pipeline.preview import preview
    from geonav.pipeline.recall import RecallReport, evaluate_retrieval
    from geonav.pipeline.sampling import SampleRequest, Sampling, sample
    from geonav.pipeline.search import Searcher, SearchResult, search
    from geonav.pipeline.sequence import SequenceOptions, locate_sequence
    from geonav.pipeline.syncing.pull import PullOptions, PullReport, pull_database
    from geonav.pipeline.syncing.push import PushOptions, PushReport, push_database
    from geonav.pose.motion import MotionPrior
    from geonav.retrieval.rerank.gnn import rerank_gnn

_MODULES = {
    "Camera": "geonav.geometry.camera",
    "ColmapImport": "geonav.pipeline.importing",
    "Database": "geonav.data.database",
    "DatabaseImport": "geonav.pipeline.importing",
    "EvaluationReport": "geonav.evaluation.experiment",
    "Experiment": "geonav.evaluation.experiment",
    "FetchOptions": "geonav.pipeline.fetching",
    "FetchReport": "geonav.pipeline.fetching",
    "FolderImport": "geonav.pipeline.importing",
    "GeoPoint": "geonav.geometry.geodesy",
    "GeonavConfig": "geonav.config",
    "HlocExport": "geonav.pipeline.export_hloc",
    "KaptureImport": "geonav.pipeline.importing_lists",
    "ListImport": "geonav.pipeline.importing_lists",
    "ListedImage": "geonav.pipeline.importing_lists",
    "LocalizationResult": "geonav.data.results",
    "Localizer": "geonav.pipeline.localize",
    "MapReport": "geonav.pipeline.mapping.report",
    "MotionPrior": "geonav.pose.motion",
    "PictureBytes": "geonav.data.images",
    "PostviewFilter": "geonav.pipeline.postview",
    "PullOptions": "geonav.pipeline.syncing.pull",
    "PullReport": "geonav.pipeline.syncing.pull",
    "PushOptions": "geonav.pipeline.syncing.push",
    "PushReport": "geonav.pipeline.syncing.push",
    "RecallReport": "geonav.pipeline.recall",
    "SampleRequest": "geonav.pipeline.sampling",
    "Sampling": "geonav.pipeline.sampling",
    "SearchResult": "geonav.pipeline.search",
    "Searcher": "geonav.pipeline.search",
    "SequenceOptions": "geonav.pipeline.sequence",
    "TrackPoint": "geonav.data.track",
    "VprImport": "geonav.pipeline.importing_lists",
    "add_to_map": "geonav.pipeline.mapping.build",
    "build_map": "geonav.pipeline.mapping.build",
    "evaluate": "geonav.evaluation.experiment",
    "evaluate_retrieval": "geonav.pipeline.recall",
    "export_colmap": "geonav.pipeline.exporting",
    "export_hloc": "geonav.pipeline.export_hloc",
    "export_ltvl": "geonav.pipeline.exporting",
    "export_vpr": "geonav.pipeline.export_vpr",
    "fetch_elevation": "geonav.pipeline.fetching",
    "fetch_metadata": "geonav.pipeline.fetching",
    "fetch_panoramas": "geonav.pipeline.fetching",
    "import_colmap": "geonav.pipeline.importing",
    "import_database": "geonav.pipeline.importing",
    "import_folder": "geonav.pipeline.importing",
    "import_hloc": "geonav.pipeline.importing_hloc",
    "import_kapture": "geonav.pipeline.importing_lists",
    "import_list": "geonav.pipeline.importing_lists",
    "import_vpr": "geonav.pipeline.importing_lists",
    "index_global": "geonav.pipeline.index",
    "index_local": "geonav.pipeline.index",
    "load_config": "geonav.config",
    "localize": "geonav.pipeline.localize",
    "locate_sequence": "geonav.pipeline.sequence",
    "located_poses": "geonav.formats.ltvl",
    "map_report": "geonav.pipeline.mapping.report",
    "postview": "geonav.pipeline.postview",
    "preview": "geonav.pipeline.preview",
    "pull_database": "geonav.pipeline.syncing.pull",
    "push_database": "geonav.pipeline.syncing.push",
    "read_query_list": "geonav.formats.hloc",
    "rerank_gnn": "geonav.retrieval.rerank.gnn",
    "rescore": "geonav.evaluation.experiment",
    "sample": "geonav.pipeline.sampling",
    "search": "geonav.pipeline.search",
    "write_exif": "geonav.formats.exif_write",
    "write_kml": "geonav.formats.kml",
    "write_ltvl": "geonav.formats.ltvl",
}

__all__ = [
    "Camera",
    "ColmapImport",
    "Database",
    "DatabaseImport",
    "EvaluationReport",
    "Experiment",
    "FetchOptions",
    "FetchReport",
    "FolderImport",
    "GeoPoint",
    "GeonavConfig",
    "HlocExport",
    "KaptureImport",
    "ListImport",
    "ListedImage",
    "LocalizationResult",
    "Localizer",
    "MapReport",
    "MotionPrior",
    "PictureBytes",
    "PostviewFilter",
    "PullOptions",
    "PullReport",
    "PushOptions",
    "PushReport",
    "RecallReport",
    "SampleRequest",
    "Sampling",
    "SearchResult",
    "Searcher",
    "SequenceOptions",
    "TrackPoint",
    "VprImport",
    "add_to_map",
    "build_map",
    "evaluate",
    "evaluate_retrieval",
    "export_colmap",
    "export_hloc",
    "export_ltvl",
    "export_vpr",
    "fetch_elevation",
    "fetch_metadata",
    "fetch_panoramas",
    "import_colmap",
    "import_database",
    "import_folder",
    "import_hloc",
    "import_kapture",
    "import_list",
    "import_vpr",
    "index_global",
    "index_local",
    "load_config",
    "localize",
    "locate_sequence",
    "located_poses",
    "map_report",
    "postview",
    "preview",
    "pull_database",
    "push_database",
    "read_query_list",
    "rerank_gnn",
    "rescore",
    "sample",
    "search",
    "write_exif",
    "write_kml",
    "write_ltvl",
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
