"""Copies of a database in object storage: pushed and pulled, incrementally, checked by hash.

    s3://bucket/city/
    |- generations/0000000012.json    a root: names the shards; the highest number counts; written last, never changed
    |- shards/<sha256>                gzip of JSON: files of about a thousand entries, and where their bytes lie
    `- packs/<sha256>                 the bytes of files, one after another, about ``storage.pack_mb`` in each

Packs and shards are named by the SHA-256 of their content and never change either, so that whoever reads a generation
reads all of it or none. A new generation is made by writing a key that must not be there yet: of two pushes at the same
time, one wins.
"""

from __future__ import annotations

from geonav.pipeline.syncing.pull import PullOptions, PullReport, pull_database
from geonav.pipeline.syncing.push import PushOptions, PushReport, push_database

__all__ = ["PullOptions", "PullReport", "PushOptions", "PushReport", "pull_database", "push_database"]
