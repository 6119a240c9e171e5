"""The parts of vision that can be chosen by name; one line adds one, and the contract tests pick it up."""

from __future__ import annotations

from geonav.registry import Registry

EXTRACTORS = Registry(
    "local feature model",
    {
        "aliked": "geonav.vision.aliked:AlikedExtractor",
        "disk": "geonav.vision.disk:DiskExtractor",
        "xfeat": "geonav.vision.xfeat:XFeatExtractor",
    },
)

MATCHERS = Registry(
    "matcher",
    {
        "lightglue": "geonav.vision.lightglue:LightGlueMatcher",
        "mutual_nn": "geonav.vision.mutual_nn:MutualNearestNeighbor",
    },
)

DESCRIPTORS = Registry(
    "global descriptor",
    {
        "vlad": "geonav.vision.vlad:VladDescriptor",
    },
)
