"""The server: connections kept and ended, addresses, errors."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest
import requests

from geonav.errors import NetworkError
from geonav.providers.demo.twin import Twin
from tests.providers.twin.stand_in import StandInCity


def test_one_connection_serves_many_calls(twin_of):
    connection = http.client.HTTPConnection(twin_of().base_url.removeprefix("http://"), timeout=5)
    connection.connect()
    mine = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", "/maps/api/streetview/metadata?pano=a0&key=k")
        response = connection.getresponse()
        assert len(response.read()) == int(response.headers["Content-Length"])
        assert response.version == 11
    assert connection.sock.getsockname() == mine
    connection.close()


def test_it_ends_with_clients_still_connected_and_leaves_no_thread():
    before = threading.active_count()
    twin = Twin(StandInCity())
    host, port = twin.start().removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as idle:
        idle.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
        twin.stop()
    assert threading.active_count() == before
    assert twin.base_url == ""
    twin.stop()


def test_it_starts_again_after_its_end(twin_of):
    twin = twin_of()
    twin.stop()
    assert requests.get(f"{twin.start()}/status", timeout=5).text == "OK"


def test_a_taken_port_is_said_in_one_line(twin_of):
    port = int(twin_of().base_url.rpartition(":")[2])
    with pytest.raises(NetworkError, match=rf"cannot listen at 127.0.0.1:{port}: .*--port"):
        Twin(StandInCity()).start(port=port)


def test_unknown_addresses_and_oversized_bodies_are_refused(twin_of):
    twin = twin_of()
    assert requests.get(f"{twin.base_url}/nowhere", timeout=5).status_code == 404
    assert twin.calls.services == {"unknown": 1}
    connection = http.client.HTTPConnection(twin.base_url.removeprefix("http://"), timeout=5)
    connection.putrequest("POST", "/api/search")
    connection.putheader("Content-Length", str(1 << 30))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_city_that_fails_is_answered_with_500(twin_of, caplog):
    city = StandInCity()
    city.view = lambda *_: 1 / 0
    twin = twin_of(city=city)
    response = requests.get(f"{twin.base_url}/maps/api/streetview?pano=a0&size=64x64&key=secret", timeout=5)
    assert response.status_code == 500
    assert "secret" not in caplog.text


def test_nothing_is_written_to_the_terminal(twin_of, capfd):
    twin = twin_of()
    requests.get(f"{twin.base_url}/maps/api/streetview/metadata?pano=a0&key=secret", timeout=5)
    requests.get(f"{twin.base_url}/nowhere", timeout=5)
    assert capfd.readouterr() == ("", "")
