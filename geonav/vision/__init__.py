"""Image in, numbers out: local features, matching, global descriptors, the vector index, and their weights.

Everything that needs torch, kornia or faiss is imported when a class is asked of a registry, never before.
"""

import os

# Pruned keypoints make every pair of photos a new shape, and torch keeps what it prepared for the last thousand shapes:
# over hundreds of photos a gigabyte that is never used again. Read when torch is first used; what the user set, stays.
for _name in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    os.environ.setdefault(_name, "64")
