"""A cell reaches no network, not even this machine's own."""

import os
import socket

import pytest

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local import LocalSession


def test_a_listening_host_is_not_reached(attacker: LocalSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(0.2)
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert attacker.run(code).status is CellStatus.EXCEPTION
        with pytest.raises(TimeoutError):
            server.accept()
        # The control: from the host the same call gets through.
        with socket.create_connection(("127.0.0.1", port), 1):
            server.accept()[0].close()


@pytest.mark.parametrize(
    "arguments",
    [
        "socket.AF_INET, socket.SOCK_STREAM",
        "socket.AF_INET6, socket.SOCK_STREAM",
        "socket.AF_INET, socket.SOCK_DGRAM",
        "socket.AF_UNIX, socket.SOCK_STREAM",
        "socket.AF_NETLINK, socket.SOCK_RAW",
        "socket.AF_PACKET, socket.SOCK_RAW",
        "socket.AF_INET, socket.SOCK_RAW, 1",
        "socket.AF_ALG, socket.SOCK_SEQPACKET",
        "socket.AF_VSOCK, socket.SOCK_STREAM",
    ],
)
def test_no_socket_is_made(attacker: LocalSession, arguments: str) -> None:
    result = attacker.run(f"import socket\nsocket.socket({arguments})")
    assert "PermissionError" in result.stderr
    assert "no network" in result.stderr


def test_abstract_and_host_unix_sockets_are_not_reached(attacker: LocalSession) -> None:
    name = f"\0deepeyes-attack-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        # A socket pair is allowed; connecting one of its ends elsewhere is not.
        code = (
            f"import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.connect({name!r})"
        )
        assert "PermissionError" in attacker.run(code).stderr


@pytest.mark.parametrize(
    "code",
    [
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1')",
        "import socket\nsocket.getaddrinfo('localhost.invalid', 80)",
    ],
)
def test_no_name_or_page_is_fetched(attacker: LocalSession, code: str) -> None:
    assert attacker.run(code).status is CellStatus.EXCEPTION


def test_descriptors_sent_to_the_host_are_dropped(attacker: LocalSession) -> None:
    before = len(os.listdir("/proc/self/fd"))
    code = "import os, socket\nsocket.send_fds(socket.socket(fileno=os.dup(3)), [b'x'], [0, 1, 2])"
    assert attacker.run(code).status is CellStatus.CRASHED
    assert len(os.listdir("/proc/self/fd")) <= before
