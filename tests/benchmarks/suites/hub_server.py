"""As much of the Hugging Face hub as loading a data set asks for, on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""Of the main branch, where a test names no other."""

EARLIER = "037cf89" + COMMIT[7:]
"""One before it."""


@contextmanager
def hub(
    repositories: Mapping[str, Mapping[str, bytes]], newest: Callable[[], str] = lambda: COMMIT
) -> Iterator[str]:
    """Serve data sets, each with its files by path, the same at every commit; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            for name, files in repositories.items():
                if path.startswith(f"/api/datasets/{name}"):
                    return self._api(name, files, path.removeprefix(f"/api/datasets/{name}"))
                if path.startswith(f"/datasets/{name}/resolve/"):
                    revision, _, file = path.removeprefix(f"/datasets/{name}/resolve/").partition("/")
                    return self._file(files, file, _commit(revision, newest()))
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def do_POST(self) -> None:
            self.asked = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self.do_GET()

        def _api(self, name: str, files: Mapping[str, bytes], rest: str) -> None:
            entries = _entries(files)
            if rest.startswith("/paths-info/"):
                fields = parse_qs(self.asked)
                paths = fields["paths"] if "paths" in fields else json.loads(self.asked)["paths"]
                return self._send(
                    200, json.dumps([entries[path] for path in paths if path in entries]).encode()
                )
            if rest.startswith("/tree/"):
                return self._tree(entries, rest.removeprefix("/tree/").partition("/")[2])
            if rest.startswith("/commits/"):
                said = {"title": "Upload", "message": "", "date": "2025-01-01T00:00:00.000Z", "authors": []}
                return self._send(
                    200, json.dumps([{"id": one} | said for one in (newest(), EARLIER)]).encode()
                )
            commit = _commit(rest.removeprefix("/revision/"), newest())
            known = {"_id": "1", "id": name, "sha": commit, "private": False, "downloads": 0, "tags": []}
            known["siblings"] = [{"rfilename": path} for path in files]
            return self._send(200, json.dumps(known).encode())

        def _tree(self, entries: Mapping[str, dict], folder: str) -> None:
            if folder and folder not in entries:
                return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            inside = folder + "/" if folder else ""
            listed = [entry for path, entry in entries.items() if path.startswith(inside)]
            if "recursive=True" not in self.path and "recursive=true" not in self.path:
                listed = [entry for entry in listed if "/" not in entry["path"].removeprefix(inside)]
            return self._send(200, json.dumps(listed).encode())

        def _file(self, files: Mapping[str, bytes], path: str, commit: str) -> None:
            if path not in files:
                return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return self._send(200, files[path], {"X-Repo-Commit": commit, "ETag": f'"{_oid(files[path])}"'})

        def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _commit(revision: str, newest: str) -> str:
    return revision if len(revision) == len(newest) else newest


def _oid(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _entries(files: Mapping[str, bytes]) -> dict[str, dict]:
    """All files and folders by path."""
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."}
    entries = {path: {"type": "directory", "path": path, "size": 0, "oid": _oid(b"")} for path in folders}
    for path, data in files.items():
        entries[path] = {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
    return entries
