"""Where a server listens, and how it runs until it is interrupted."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import uvicorn

from deepeyes_env.errors import ConfigError, require

STOP_SECONDS = 3
"""Time that running requests have to end after an interrupt."""


def listen(host: str, port: int, token: str | None, danger: str) -> socket.socket:
    """Open a listening socket.

    Args:
        host: Address to listen at.
        port: Port; 0 takes a free one.
        token: What clients must send; without one, only a loopback address is listened at.
        danger: What would happen at another address, and the mend.

    Raises:
        ConfigError: The address cannot be used, or is open to others without a token.
    """
    require(0 <= port <= 65535, "port", port, "from 0 to 65535")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if token is None and not ipaddress.ip_address(address[0]).is_loopback:
            raise ConfigError(f"host = {host!r}: {danger}, or stay on 127.0.0.1")
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, UnicodeError) as error:  # a name that is none, such as a..b, is the latter
        raise ConfigError(f"cannot listen at {host}:{port}: {error}") from error


def run(app: Any, listener: socket.socket, what: str) -> int:
    """Serve until interrupted.

    Args:
        app: An ASGI application.
        listener: The listening socket.
        what: What is served, for the line that tells where.

    Returns:
        0 after a clean stop, 1 if the server did not start.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    print(f"serving {what} at http://{name}:{port}; Ctrl-C stops it", flush=True)
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else 1
