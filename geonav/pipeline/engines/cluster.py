"""The engine that has its work done by processes of a Ray cluster (the extra ``ray``).

Ray moves what is to be done and what came of it between processes and machines; what is stored, workers write into the
database themselves. A cluster is joined, or one of this machine alone is started, bound to the loopback address, and
ended with the run.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

from geonav.config import GeonavConfig
from geonav.errors import GeonavError, MissingError, NetworkError, UsageError
from geonav.pipeline.engines.base import Done, Work, Worker
from geonav.pipeline.engines.crew import Crew, Shape
from geonav.pipeline.engines.dispatch import Dispatch
from geonav.settings.engine import EngineConfig

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

# Pictures are read and features written by the workers: little passes through Ray's own memory.
_STORE_BYTES = 100 << 20
_CONNECT_S = 5.0
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class RayEngine:
    """Workers are actors that hold the networks; they stay from one kind of work to the next."""

    is_local = False

    def __init__(self, section: EngineConfig, device: str) -> None:
        """Import Ray.

        Raises:
            MissingError: it is not installed.
            UsageError: the address is none that can be joined.
        """
        self._ray = _ray()
        self._section = section
        self._device = device
        self._is_ours = False
        self._crew: Crew | None = None
        if section.ray_address is not None and "://" in section.ray_address:
            msg = f"--ray-address {section.ray_address} is no HOST:PORT: run on a machine of the cluster, and give auto"
            raise UsageError(msg)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The engine of ``[engine]``; see :meth:`__init__`."""
        return cls(config.engine, config.device)

    @staticmethod
    def here(config: GeonavConfig) -> GeonavConfig:
        """On the CPU: the machine that asks need not have what the workers' machines have."""
        return config.model_copy(update={"device": "cpu"})

    def __enter__(self) -> Self:
        """Join or start the cluster.

        Raises:
            NetworkError: it cannot be reached, or is another Ray's.
            UsageError: it has no room for a worker.
        """
        if not self._ray.is_initialized():
            self._join() if self._section.ray_address is not None else self._start()
        try:
            self._crew = Crew(self._ray, self._shape())
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the workers, and the cluster if it was started for them."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None
        self._leave()

    def run(
        self, work: Work[Item, Result], items: Sequence[Item], own: Worker[Item, Result] | None = None
    ) -> Generator[Done[Item, Result], None, None]:
        """In the order in which items are done; ``own`` is left alone.

        Raises:
            PartialError: workers end again and again without finishing anything.
            GeonavError: a worker could not open the work, or raised it.
        """
        del own
        if self._crew is None:
            msg = "an engine is entered before it works"
            raise GeonavError(msg)
        if items:
            yield from Dispatch(self._ray, self._crew, work, items, self._section).results()

    def _start(self) -> None:
        """A cluster on this machine, for as long as this engine."""
        shape = self._section
        cpus = max(usable_cpus(), (shape.workers or 1) * (shape.threads or 1))
        threads = shape.threads or max(1, cpus // (shape.workers or cpus))
        # The number of threads is for libraries that ask before a worker can tell them.
        with _loopback_alone(self._ray), _environment(OMP_NUM_THREADS=str(threads)):
            self._init(
                address="local",  # whatever else runs on this machine
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                _node_ip_address="127.0.0.1",
            )

    def _join(self) -> None:
        address = str(self._section.ray_address)
        if address != "auto":
            _check_answers(address)
        with _environment(RAY_gcs_server_port_wait_time_s="1"):  # one try of 40 seconds, not twenty
            self._init(address=address)

    def _init(self, **options: Any) -> None:  # noqa: ANN401 - as Ray types them
        try:
            self._ray.init(log_to_driver=False, logging_level=logging.CRITICAL, namespace="geonav", **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            where = self._section.ray_address
            if where is None:
                msg = f"no Ray cluster can be started here: {reason}"
            else:
                msg = (
                    f"there is no Ray cluster at {where} to join ({reason}): start one by 'ray start --head', or leave"
                )
                msg += " --ray-address out"
            raise NetworkError(msg) from error
        self._is_ours = True

    def _leave(self) -> None:
        if self._is_ours:
            self._ray.shutdown()
            self._is_ours = False

    def _shape(self) -> Shape:
        """How many workers of which size the cluster has room for.

        Raises:
            UsageError: it has room for none.
        """
        found = self._ray.cluster_resources()
        cpus, graphics = int(found.get("CPU", 0)), float(found.get("GPU", 0.0))
        section = self._section
        gpus = section.gpus if section.gpus is not None else float(graphics > 0 and self._device != "cpu")
        wanted = section.workers or (int(graphics / gpus) if gpus else cpus // (section.threads or 1))
        threads = section.threads or max(1, cpus // max(wanted, 1))
        room = cpus // threads if not gpus else min(cpus // threads, int(graphics / gpus + 1e-9))
        if room < 1:
            msg = (
                f"the Ray cluster has {cpus} CPUs and {graphics:g} graphics processors, and a worker takes {threads}"
                f" and {gpus:g}: lower engine.threads or engine.gpus, or add machines"
            )
            raise UsageError(msg)
        if room < wanted:
            logger.warning("the Ray cluster has room for %d workers of %d threads, not %d", room, threads, wanted)
        return Shape(min(room, max(wanted, 1)), threads, gpus)


def usable_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ray() -> ModuleType:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        msg = "--engine ray needs Ray: pip install 'geonav[ray]', or leave it out"
        raise MissingError(msg) from error
    return ray


def _check_answers(address: str) -> None:
    """Find out in seconds what Ray takes a minute to say.

    Raises:
        UsageError: it is no address.
        NetworkError: nothing answers there.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        msg = f"--ray-address {address} is neither auto nor HOST:PORT, such as 10.0.0.1:6379"
        raise UsageError(msg)
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except OSError as error:
        msg = f"there is no Ray cluster at {address} to join ({error}): start one by 'ray start --head', or leave"
        msg += " --ray-address out"
        raise NetworkError(msg) from error


@contextmanager
def _loopback_alone(ray: ModuleType) -> Iterator[None]:
    """Have what is started inside listen on the loopback address.

    Ray takes the address 127.0.0.1 for the machine's outer one, and then listens on all, unless it is told that there
    can be no cluster beyond this machine; its own switch for that is read when it is imported.
    """
    constants = ray._private.ray_constants
    before = constants.ENABLE_RAY_CLUSTER
    with _environment(**{constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}):
        constants.ENABLE_RAY_CLUSTER = False
        try:
            yield
        finally:
            constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """With these variables for the processes that are started inside; a value that is there stays."""
    before = {name: os.environ.get(name) for name in variables}
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
