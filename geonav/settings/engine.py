"""``[engine]``: who does the work of a long command."""

from __future__ import annotations

from pydantic import Field

from geonav.settings.base import Section


class EngineConfig(Section):
    """Where the work of indexing, matching and locating many photos is done."""

    name: str = Field("local", description="who does the work: local (this process) or ray (many processes, machines)")
    ray_address: str | None = Field(
        None, description="Ray cluster to join: auto, or HOST:PORT of its head; not set: one is started on this machine"
    )
    workers: int | None = Field(
        None, ge=1, description="processes that hold the networks; not set: as many as the cluster has room for"
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="threads, and so CPUs of the cluster, of each worker; not set: the CPUs spread over the workers "
        "asked for, else 1",
    )
    gpus: float | None = Field(
        None, ge=0, description="graphics processors of each worker, such as 0.5; not set: 1 where the cluster has any"
    )
    chunk: int = Field(4, ge=1, le=1000, description="photos that a worker is given at a time")
    in_flight: int = Field(2, ge=1, le=100, description="chunks that a worker has or that wait for it")
    tries: int = Field(5, ge=1, le=100, description="times that a photo may end its worker before it is given up")
