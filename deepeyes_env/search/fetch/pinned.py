"""Connections to addresses that were checked, within one budget of time and bytes.

Only the TCP connection goes to the address: the request names the host, and TLS verifies the host's name.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from deepeyes_env.search.fetch.error import FetchError, FetchFault
from deepeyes_env.search.fetch.guard import IPAddress
from deepeyes_env.search.patience import Deadline


class Allowance:
    """Bytes that may still be received."""

    def __init__(self, count: int) -> None:
        self._limit = self._left = count

    def spend(self, count: int) -> None:
        """Take note of received bytes.

        Raises:
            FetchError: `TOO_LARGE`.
        """
        self._left -= count
        if self._left < 0:
            raise FetchError(FetchFault.TOO_LARGE, f"more than {self._limit} bytes came")


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to given addresses, whatever the host's name is. For one exchange."""

    def __init__(self, addresses: Sequence[IPAddress], deadline: Deadline, allowance: Allowance) -> None:
        """Nothing is connected yet.

        Args:
            addresses: Where to connect to: the first that answers.
            deadline: When the exchange has to be over; each read is cut off there, so nothing drips past it.
            allowance: What may be received, headers included, as it comes over the wire but for TLS.
        """
        self._addresses = addresses
        self._deadline = deadline
        self._allowance = allowance
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers."""
        problem: Exception | None = None
        for address in self._addresses:
            try:
                stream = self._tcp.connect_tcp(
                    str(address), port, self._deadline.left(), local_address, socket_options
                )
                return _MeasuredStream(stream, self._deadline, self._allowance)
            except httpcore.ConnectError as error:
                problem = error
        assert problem is not None, "a located target has an address"
        raise problem


class _MeasuredStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline, allowance: Allowance) -> None:
        self._stream = stream
        self._deadline = deadline
        self._allowance = allowance

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._deadline.left())
        self._allowance.spend(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _MeasuredStream(stream, self._deadline, self._allowance)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
