"""One GET over HTTP: bounded in time and size, redirects kept in hand.

No exception of the HTTP library leaves this module, not even as a cause: its text holds whole addresses, keys
and all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from geonav import __version__

Params = Mapping[str, str | int | float]

USER_AGENT = f"geonav/{__version__}"
# An answer that trickles in for longer than this many time-outs is given up.
_TIMEOUTS_PER_BODY = 15
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_CHUNK_BYTES = 1 << 16


class TransferError(Exception):
    """Nothing whole came back; the text says why and holds no address."""

    def __init__(self, reason: str, *, again: bool = True, status: int | None = None) -> None:
        """``again`` tells whether another try may help; ``status`` is HTTP's where the answer had begun."""
        super().__init__(reason)
        self.again = again
        self.status = status


@dataclass(frozen=True)
class HttpResponse:
    """An answer, whole.

    Attributes:
        status: of HTTP.
        content: the body, decompressed.
        headers: names in any case.
    """

    status: int
    content: bytes
    headers: Mapping[str, str]


class Transfer:
    """GETs with the headers of one service; each thread keeps its own connections."""

    def __init__(self, base_url: str, headers: Mapping[str, str], timeout_s: float, max_bytes: int) -> None:
        """``headers`` go to the host of ``base_url`` alone; ``timeout_s`` is the longest silence."""
        self._origin = origin(base_url)
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._local = threading.local()

    def get(self, url: str, params: Params | None = None) -> HttpResponse:
        """The answer of an http(s) address, whatever its status.

        Raises:
            TransferError: there is none, or not a whole one.
        """
        # The status of the answer that is being read; each thread has its own.
        self._local.status = None
        try:
            return self._following(url, params)
        except TransferError as error:
            error.status = self._local.status
            raise
        except requests.exceptions.SSLError:
            failure = TransferError("its certificate cannot be verified: check this machine's clock", again=False)
        except requests.Timeout:
            failure = TransferError(f"no answer within {self._timeout_s:g} s")
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            failure = TransferError("the answer broke off")
        except requests.ConnectionError:
            failure = TransferError("cannot be reached")
        except (requests.RequestException, ValueError) as error:
            failure = TransferError(f"the address cannot be used ({type(error).__name__})", again=False)
        # Raised out here, where the exception with the address in it is no longer its context.
        failure.status = self._local.status
        raise failure

    def _following(self, url: str, params: Params | None) -> HttpResponse:
        for _ in range(_MAX_REDIRECTS + 1):
            with self._sent(url, params) as response:
                target = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or not target:
                    self._local.status = response.status_code
                    return HttpResponse(response.status_code, self._body(response), response.headers)
            url, params = urljoin(url, target), None
            if origin(url) is None:
                reason = "redirects to an address that is not http(s)"
                raise TransferError(reason, again=False)
        reason = f"redirects more than {_MAX_REDIRECTS} times"
        raise TransferError(reason, again=False)

    def _sent(self, url: str, params: Params | None) -> requests.Response:
        session, here = self._session(), origin(url)
        request = requests.Request(
            "GET",
            url,
            params=params,
            headers=self._headers if here == self._origin else None,
            # Without this, ~/.netrc is read at every call, and what it holds replaces our own headers.
            auth=None if "@" in urlsplit(url).netloc else _as_it_is,
        )
        surroundings = self._local.surroundings
        if here not in surroundings:
            # Proxies and certificates as the environment names them: a fifth of a call's time, so once for each host.
            surroundings[here] = session.merge_environment_settings(url, {}, True, None, None)
        prepared = session.prepare_request(request)
        return session.send(prepared, timeout=self._timeout_s, allow_redirects=False, **surroundings[here])

    def _body(self, response: requests.Response) -> bytes:
        """Read an answer that neither grows nor takes without bound, and is as long as it says."""
        content = bytearray()
        deadline_s = time.monotonic() + _TIMEOUTS_PER_BODY * self._timeout_s
        for chunk in response.iter_content(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._max_bytes:
                reason = f"answers with more than {self._max_bytes} bytes"
                raise TransferError(reason, again=False)
            if time.monotonic() > deadline_s:
                raise requests.Timeout
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and "Content-Encoding" not in response.headers and int(length) != len(content):
            reason = f"{len(content)} of {length} bytes came"
            raise TransferError(reason)
        return bytes(content)

    def _session(self) -> requests.Session:
        """This thread's own: a session shared between threads mixes up its cookies and fights for its pool."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.headers["User-Agent"] = USER_AGENT
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=2))
            self._local.session, self._local.surroundings = session, {}
        return session


def origin(url: str) -> tuple[str, str] | None:
    """Scheme and host with port of an http(s) address; None of anything else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return (parts.scheme, parts.netloc.lower()) if parts.scheme in {"http", "https"} and host else None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
