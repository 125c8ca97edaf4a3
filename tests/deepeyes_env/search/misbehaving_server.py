"""A real HTTP server on the loopback device that misbehaves in every way, for whoever talks HTTP.

The first segment of a path names the behaviour, so a base address is `server.url("drip")` and a client may
add what it likes: `/drip/search?q=x` drips too. GET, POST and anything else are the same.

    with MisbehavingServer() as server:
        ask(server.url("rate_limited"))            # 429 with Retry-After: 7
        server.behaviours["good"] = reply(200, b'{"organic": []}')
        ask(server.url("good"))
        assert server.requests[-1].headers["x-api-key"] == "..."
"""

from __future__ import annotations

import io
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from PIL import Image

TICK_SECONDS = 0.05
"""Between two bytes of what drips: any timeout that starts anew with each byte never ends."""

RETRY_SECONDS = 7
"""What `rate_limited` and `rate_limited_date` ask to wait."""

BOMB_BYTES = 16 << 20
"""What `gzip_bomb` unpacks to: three times what anybody takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One request and the socket to answer it on."""

    def __init__(self, server: MisbehavingServer, sock: socket.socket, request: Request) -> None:
        self.server = server
        self.request = request
        self._sock = sock

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def head(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
        self.send("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))

    def pause(self, seconds: float) -> None:
        """Sleep, but never longer than the server lives."""
        if self.server.closing.wait(seconds):
            raise ConnectionAbortedError

    def stall(self) -> None:
        """Say no more until the server closes."""
        self.pause(60.0)

    def reset(self) -> None:
        """End with a TCP reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


Behaviour = Callable[[Connection], None]


def reply(status: int, body: bytes | str = b"", type: str = "application/json", **headers: str) -> Behaviour:
    """A well-formed reply; an underscore in a header's name is a hyphen."""
    data = body.encode() if isinstance(body, str) else body

    def behave(connection: Connection) -> None:
        extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
        connection.head(status, [("Content-Type", type), ("Content-Length", str(len(data))), *extra])
        connection.send(data)

    return behave


def redirect(location: str) -> Behaviour:
    return reply(302, b"", "text/plain", Location=location)


def _dripping(start: bytes, letter: bytes) -> Behaviour:
    def behave(connection: Connection) -> None:
        connection.send(start)
        while True:
            connection.pause(TICK_SECONDS)
            connection.send(letter)

    return behave


def _endless(type: str) -> Behaviour:
    def behave(connection: Connection) -> None:
        connection.head(200, [("Content-Type", type)])
        while not connection.server.closing.is_set():
            connection.send(b" " * 65_536)

    return behave


def _endless_headers(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.server.closing.is_set():
        connection.send(b"X-More: " + b"x" * 1000 + b"\r\n")


def _truncated(connection: Connection) -> None:
    connection.head(200, [("Content-Type", "application/json"), ("Content-Length", "1000")])
    connection.send(b'{"organic": [')


def _reset_midway(connection: Connection) -> None:
    connection.head(200, [("Content-Type", "application/json"), ("Content-Length", "1000")])
    connection.send(b'{"organic": [')
    connection.reset()


def _gzip_bomb(connection: Connection) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(BOMB_BYTES >> 20)) + packer.flush()
    reply(200, data, "text/html", Content_Encoding="gzip")(connection)


def _retry_at_a_date(connection: Connection) -> None:
    reply(429, b"{}", Retry_After=formatdate(time.time() + RETRY_SECONDS, usegmt=True))(connection)


def _status(connection: Connection) -> None:
    reply(int(connection.request.path.split("/")[2]), b'{"message": "as asked"}')(connection)


def _redirect_loop(connection: Connection) -> None:
    redirect(connection.server.url("redirect_loop"))(connection)


def _redirect_to_hello(connection: Connection) -> None:
    redirect(connection.server.url("hello"))(connection)


def _redirect_four_times(connection: Connection) -> None:
    left = int(connection.request.query.get("left", "4"))
    again = f"{connection.server.url('redirect_four_times')}?left={left - 1}"
    redirect(again if left > 1 else connection.server.url("hello"))(connection)


def png(width: int, height: int) -> bytes:
    """A picture with a gradient, so that it is not one colour."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def image_bomb() -> bytes:
    """A small PNG that says that it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))


NULLS = {"title": None, "link": None, "url": None, "snippet": None, "content": None, "date": None}
NUMBERS = {"title": 7, "link": 8, "url": 9, "snippet": 1.5, "content": 2, "date": 3}


def results(*items: Any) -> str:
    """A reply in every provider's shape at once, so that one server serves all."""
    names = ("organic", "organic_results", "visual_matches", "results")
    return json.dumps({name: list(items) for name in names})


BEHAVIOURS: dict[str, Behaviour] = {
    "hello": reply(200, b"<html><title>Hello</title><p>Hello.</p></html>", "text/html; charset=utf-8"),
    "picture": reply(200, png(640, 480), "image/png"),
    # Late.
    "slow_headers": lambda connection: connection.stall(),
    "drip": _dripping(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", b"x"),
    "drip_json": _dripping(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "),
    "drip_image": _dripping(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", b"x"),
    "drip_headers": _dripping(b"HTTP/1.1 200 OK\r\nX-More: ", b"x"),
    # Refusals: `/status/503` is any status.
    "status": _status,
    "rate_limited": reply(429, b"{}", Retry_After=str(RETRY_SECONDS)),
    "rate_limited_date": _retry_at_a_date,
    "rate_limited_nonsense": reply(429, b"{}", Retry_After="soon"),
    # Elsewhere.
    "redirect_to_hello": _redirect_to_hello,
    "redirect_four_times": _redirect_four_times,
    "redirect_loop": _redirect_loop,
    "redirect_private": redirect("http://10.0.0.1/"),
    "redirect_metadata": redirect("http://169.254.169.254/latest/meta-data/"),
    "redirect_file": redirect("file:///etc/passwd"),
    "redirect_nowhere": reply(302, b""),
    # Too much.
    "endless": _endless("text/html"),
    "endless_json": _endless("application/json"),
    "endless_headers": _endless_headers,
    "gzip_bomb": _gzip_bomb,
    "huge_json": reply(200, b'{"organic": []' + b" " * (32 << 20) + b"}"),
    "deep_json": reply(200, b"[" * 200_000),
    # Broken.
    "reset": lambda connection: connection.reset(),
    "reset_midway": _reset_midway,
    "silence": lambda connection: None,
    "garbage": lambda connection: connection.send(b"\x00\xff not HTTP at all\r\n\r\n"),
    "truncated": _truncated,
    "bad_gzip": reply(200, b"not gzip", "text/html", Content_Encoding="gzip"),
    "wrong_type": reply(200, b"MZ\x90", "application/x-msdownload"),
    "invalid_json": reply(200, b'{"organic": [}'),
    "html_for_json": reply(200, b"<html>Please log in</html>", "text/html"),
    "invalid_utf8": reply(200, b'{"organic": [{"title": "\xff\xfe"}]}'),
    # JSON of another shape.
    "json_list": reply(200, b"[]"),
    "json_null": reply(200, b"null"),
    "json_text_for_list": reply(200, json.dumps(dict.fromkeys(json.loads(results()), "none"))),
    "json_list_of_texts": reply(200, results("a", None, 3)),
    "json_null_fields": reply(200, results(NULLS)),
    "json_numbers": reply(200, results(NUMBERS)),
    # Pictures.
    "image_bomb": reply(200, image_bomb(), "image/png"),
    "not_an_image": reply(200, b"<html>no picture</html>", "image/png"),
    "truncated_image": reply(200, png(640, 480)[:600], "image/png"),
}


class MisbehavingServer:
    """Serves `behaviours` from threads until the `with` block ends."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Bind to a free port.

        Args:
            tls: Speak TLS with this context. Also spoken after a `CONNECT`, to which the server answers as a
                proxy that leads every host to itself.
        """
        self.behaviours = dict(BEHAVIOURS)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def url(self, behaviour: str) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/{behaviour}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(60.0)
            # A browser or proxy client begins in plain text, a TLS client with a handshake record (22).
            if self._tls and sock.recv(1, socket.MSG_PEEK) == b"\x16":
                sock = self._tls.wrap_socket(sock, server_side=True)
            request = _read_request(sock)
            if request.method == "CONNECT":
                assert self._tls, "CONNECT needs `tls`"
                self.requests.append(request)
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                sock = self._tls.wrap_socket(sock, server_side=True)
                request = _read_request(sock)
            self.requests.append(request)
            name = request.path.split("/")[1]
            self.behaviours.get(name, reply(404, b"{}"))(Connection(self, sock, request))
        except (OSError, EOFError):  # the client has left, as many do
            pass
        finally:
            _close(sock)


def _read_request(sock: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _some(sock)
    return Request(method, target, headers, body)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise EOFError
    return data


def _close(sock: socket.socket) -> None:
    """Close without a reset, which the system sends where a request has not been read to its end."""
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock = sock.unwrap()
        sock.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        pass
    finally:
        sock.close()
