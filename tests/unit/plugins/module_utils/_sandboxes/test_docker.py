# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the answers of Docker's daemon, sensible or not, and of none at all."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import docker, found

ID = "404db3075fe68e989bf00280b8f46d8caa67b2600eb894a08defe57218bace35"
STOPPED = {
    "Id": ID,
    "Name": "/web",
    "State": {"Running": False, "Pid": 0},
    "NetworkSettings": {"SandboxKey": "/run/docker/netns/168e973fda07"},
}


def described(**changes):
    return json.dumps({**STOPPED, **changes}).encode()


@contextlib.contextmanager
def daemon(path, behave):
    """Something that listens where Docker should, and does `behave(connection)` to whoever asks."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve():
        connection, _peer = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            behave(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.close()
        thread.join(5)


@pytest.fixture
def address(tmp_path, monkeypatch):
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


def test_a_stopped_container_is_known_by_its_name_without_the_slash():
    expected = found.Found("docker", "web", None, "/run/docker/netns/168e973fda07", ID)
    assert docker.found_in("web", 200, described()) == expected
    assert docker.found_in(ID[:12], 200, described()) == expected


def test_a_container_that_is_being_restarted_does_not_run():
    restarting = described(State={"Running": True, "Restarting": True, "Pid": 0})
    assert docker.found_in("web", 200, restarting).path is None


def test_the_container_of_another_name_that_the_daemon_guessed_is_not_taken():
    assert docker.found_in("404d", 200, described()) is None


def test_404_means_that_there_is_none():
    assert docker.found_in("web", 404, b'{"message":"No such container: web"}') is None


def test_digits_that_several_ids_begin_with_are_no_container():
    assert docker.found_in("4", 400, b'{"message":"Multiple IDs found with provided prefix: 4"}') is None


def test_an_error_of_the_daemon_is_passed_on_in_its_words():
    with pytest.raises(NetloomError) as refused:
        docker.found_in("web", 500, b'{"message":"layer does not exist"}')
    assert refused.value.code == "driver_error"
    assert refused.value.message == "container: Docker refuses to describe 'web': layer does not exist"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"Id": 1}',
        b'{"Id":"a","Name":"/web","State":null}',
        b"\xff\xfe",
        b"[" * 100000,
    ],
)
def test_a_body_that_describes_no_container_is_not_understood(body):
    with pytest.raises(NetloomError, match="Docker's answer is not understood") as refused:
        docker.found_in("web", 200, body)
    assert refused.value.code == "driver_error"
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200", b"HTTP/1.1 2000 OK\r\n\r"])
def test_an_answer_that_is_not_http_is_not_understood(answer):
    with pytest.raises(NetloomError, match="Docker's answer is not understood"):
        docker.split(answer)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/json?x=", "a\r\nHost:", "é", "a" * 256])
def test_what_is_no_docker_name_never_reaches_the_daemon(name):
    assert not docker.accepts(name)


def test_the_daemon_is_asked_for_exactly_the_name(address):
    asked = []

    def behave(connection):
        asked.append(connection)
        connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n{}")

    with daemon(address, behave):
        assert docker.find("web", chosen=True) is None
    assert len(asked) == 1


def test_the_daemon_tells_names_and_ids_of_all_containers(address):
    listing = json.dumps([{"Id": ID, "Names": ["/web", "/proxy/web"]}, {"Id": "b" * 64, "Names": ["/db"]}]).encode()
    with daemon(address, lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + listing)):
        assert docker.names() == {ID, "web", "proxy/web", "b" * 64, "db"}


@pytest.mark.parametrize("answer", [b"500 Oops\r\n\r\n{}", b"200 OK\r\n\r\n[{}]", b"200 OK\r\n\r\nnull"])
def test_a_list_that_is_none_is_not_understood(address, answer):
    with daemon(address, lambda connection: connection.sendall(b"HTTP/1.0 " + answer)):
        with pytest.raises(NetloomError, match="Docker's answer is not understood"):
            docker.names()


def test_a_daemon_that_hangs_is_left_after_the_time_limit(address, monkeypatch):
    monkeypatch.setattr(docker, "TIMEOUT_SECONDS", 0.2)
    with daemon(address, lambda connection: time.sleep(1)), pytest.raises(NetloomError) as refused:
        docker.find("web", chosen=True)
    assert refused.value.code == "driver_timeout"
    assert "did not answer within 0.2 seconds" in refused.value.message


def test_a_daemon_that_trickles_is_left_after_the_time_limit(address, monkeypatch):
    def trickle(connection):
        for _piece in range(100):
            connection.sendall(b"H")
            time.sleep(0.02)

    monkeypatch.setattr(docker, "TIMEOUT_SECONDS", 0.2)
    started = time.monotonic()
    with daemon(address, trickle), pytest.raises(NetloomError) as refused:
        docker.find("web", chosen=True)
    assert refused.value.code == "driver_timeout"
    assert time.monotonic() - started < 1.5


def test_a_daemon_that_talks_without_end_is_cut_short(address, monkeypatch):
    def talk(connection):
        while True:
            connection.sendall(b"x" * 65536)

    monkeypatch.setattr(docker, "ANSWER_MAX_BYTES", 1 << 20)
    with daemon(address, talk), pytest.raises(NetloomError) as refused:
        docker.find("web", chosen=True)
    assert refused.value.code == "driver_error"


def test_a_daemon_that_dies_while_it_answers_is_an_error(address):
    half = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + described()[:40]
    with daemon(address, lambda connection: connection.sendall(half)), pytest.raises(NetloomError) as refused:
        docker.find("web", chosen=True)
    assert refused.value.code == "driver_error"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_socket_that_nobody_listens_at_means_that_docker_does_not_run(address, chosen):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(address))  # and the file stays
    with pytest.raises(NetloomError, match="Docker does not run") as refused:
        docker.find("web", chosen=chosen)
    assert refused.value.code == "netns_not_found"


def test_a_missing_socket_matters_only_when_docker_was_chosen(address):
    assert docker.find("web", chosen=False) is None
    with pytest.raises(NetloomError, match=r"cannot ask Docker for 'web': no socket at .*docker\.sock") as refused:
        docker.find("web", chosen=True)
    assert refused.value.code == "netns_not_found"


def test_a_daemon_on_another_host_has_no_containers_here(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert docker.find("web", chosen=False) is None
    with pytest.raises(NetloomError, match=r"DOCKER_HOST=tcp://192\.0\.2\.1:2375, which is not a Unix socket"):
        docker.find("web", chosen=True)
