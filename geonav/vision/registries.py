"""The parts of vision that can be chosen by name; one line adds one, and the contract tests pick it up."""

from __future__ import annotations

from geonav.registry import Registry

EXTRACTORS = Registry(
    "local feature model",
    {
        "aliked": "geonav.vision.aliked:AlikedExtractor",
        "disk": "geonav.vision.disk:DiskExtractor",
        "superpoint": "geonav.vision.superpoint:SuperPointExtractor",
        "xfeat": "geonav.vision.xfeat:XFeatExtractor",
    },
)

MATCHERS = Registry(
    "matcher",
    {
        "lightglue": "geonav.vision.lightglue:LightGlueMatcher",
        "mutual_nn": "geonav.vision.mutual_nn:MutualNearestNeighbor",
        "superglue": "geonav.vision.superglue:SuperGlueMatcher",
        "superpoint_lightglue": "geonav.vision.superglue:SuperPointLightGlueMatcher",
    },
)

# The matcher of a model's keypoints where none is asked for; lightglue for those not named.
OWN_MATCHERS = {"superpoint": "superglue"}

DESCRIPTORS = Registry(
    "global descriptor",
    {
        "boq": "geonav.vision.descriptors.boq:BoqDescriptor",
        "cosplace": "geonav.vision.descriptors.cosplace:CosPlaceDescriptor",
        "dinov2": "geonav.vision.descriptors.dinov2:Dinov2Descriptor",
        "dvgl": "geonav.vision.descriptors.dvgl:DvglDescriptor",
        "eigenplaces": "geonav.vision.descriptors.eigenplaces:EigenPlacesDescriptor",
        "megaloc": "geonav.vision.descriptors.megaloc:MegaLocDescriptor",
        "netvlad": "geonav.vision.descriptors.netvlad:NetVladDescriptor",
        "onnx": "geonav.vision.descriptors.onnx_file:OnnxDescriptor",
        "radenovic_gldv1": "geonav.vision.descriptors.radenovic:RadenovicGldv1",
        "radenovic_gldv2": "geonav.vision.descriptors.radenovic:RadenovicGldv2",
        "radenovic_sfm120k": "geonav.vision.descriptors.radenovic:RadenovicSfm120k",
        "salad": "geonav.vision.descriptors.salad:SaladDescriptor",
        "torchscript": "geonav.vision.descriptors.torchscript:TorchScriptDescriptor",
        "vlad": "geonav.vision.vlad:VladDescriptor",
    },
    with_argument=("onnx", "torchscript"),
)
