"""Equirectangular pictures, each rendered once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future

from geonav.providers.demo.twin.city import City

# About 300 kB each at their usual width.
_KEPT = 64


class Spheres:
    """Renders the city's panoramas for the services that serve them whole.

    A panorama takes seconds to render. A client whose patience ends before that asks again; it then finds the picture
    that its first call began, instead of one more rendering that slows all others down.
    """

    def __init__(self, city: City) -> None:
        """Nothing is rendered before it is asked for."""
        self._city = city
        self._pictures: dict[tuple[str, int], Future[bytes]] = {}
        self._lock = threading.Lock()
        self._cores = threading.BoundedSemaphore(os.cpu_count() or 1)

    def picture(self, pano_id: str, width: int) -> bytes:
        """JPEG of a whole panorama; waits where another call is rendering it.

        Raises:
            InputError: there is no such panorama.
        """
        key = pano_id, width
        with self._lock:
            future = self._pictures.get(key)
            is_first = future is None
            if future is None:
                future = self._pictures[key] = Future()
                self._forget_oldest()
        if is_first:
            self._render(key, future)
        return future.result()

    def _render(self, key: tuple[str, int], future: Future[bytes]) -> None:
        try:
            with self._cores:
                future.set_result(self._city.equirectangular(*key))
        except BaseException as error:
            with self._lock:
                self._pictures.pop(key, None)
            future.set_exception(error)
            raise

    def _forget_oldest(self) -> None:
        done = [key for key, future in self._pictures.items() if future.done()]
        for key in done[: max(len(self._pictures) - _KEPT, 0)]:
            del self._pictures[key]
