"""Image in, numbers out: local features, matching, global descriptors, the vector index, and their weights.

Everything that needs torch, kornia or faiss is imported when a class is asked of a registry, never before.
"""
