"""One real Ray cluster of two nodes, several processes each, for all tests of engines."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

from geonav.config import GeonavConfig, load_config

pytest.importorskip("ray", reason="the extra 'ray' is not installed")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
_NODE: dict[str, Any] = {
    "num_cpus": 1,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 << 20,
    "include_dashboard": False,
}


@pytest.fixture(scope="session")
def cluster_address() -> Iterator[str]:
    """Of a head and one more node with a processor each, on the loopback address."""
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    # Ray takes the loopback address for the machine's outer one, unless it is told that this is no cluster.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    monkeypatch.setenv(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0")
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    cluster = Cluster(initialize_head=True, head_node_args=_NODE)
    try:
        cluster.add_node(**_NODE)
        yield str(cluster.address)
    finally:
        cluster.shutdown()
        monkeypatch.undo()


@pytest.fixture
def by_ray(cluster_address: str) -> GeonavConfig:
    """Settings that join the cluster with two workers of one thread."""
    return with_engine(cluster_address)


def with_engine(address: str, **more: Any) -> GeonavConfig:
    """Settings that join the cluster at ``address``."""
    engine = {"name": "ray", "ray_address": address, "workers": 2, "threads": 1, **more}
    return load_config(overrides={"engine": engine})
