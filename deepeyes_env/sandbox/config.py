"""Which sandbox runs the cells: one frozen configuration per kind.

Secrets are not settings: a configuration names the environment variable that holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from deepeyes_env.errors import ConfigError, require, require_seconds

TOKEN_VARIABLE = "DEEPEYES_SANDBOX_TOKEN"
"""Environment variable with the token that a code server asks for."""

MAX_REPLY_BYTES = 256 << 20
"""Bytes of one reply: ten lossless photographs of 10 megapixels in base64, far above what plots take."""


LevelName = Literal["full", "no-namespaces"]
"""The values of `Level`; `test_config.py` compares them."""


@dataclass(frozen=True, slots=True)
class LocalSandboxConfig:
    """Isolated processes on this machine.

    Attributes:
        kind: Tag of this backend.
        extras: Libraries in the sandbox beyond NumPy, Pillow and Matplotlib (`sandbox.local.tree.EXTRAS`).
        min_level: The lowest isolation to accept: `full`, or `no-namespaces`, which takes over with a warning
            where namespaces are refused (Docker's default profile, Ubuntu since 23.10).
        ahead: Processes that are forked in advance and wait for an episode, at some 3 MiB each.
        max_sessions: Sessions that may be open at the same time.
        memory_share: Share of the machine's memory, or of the surrounding cgroup's, that all sessions may
            take together, where a cgroup can be made (`LocalSandbox.cgroup` says whether).
    """

    kind: Literal["local"] = "local"
    extras: tuple[str, ...] = ()
    min_level: LevelName = "no-namespaces"
    ahead: int = 8
    max_sessions: int = 4_096
    memory_share: float = 0.8

    def __post_init__(self) -> None:
        from deepeyes_env.sandbox.local.tree import EXTRAS

        require(self.ahead >= 0, "ahead", self.ahead, "at least 0")
        require(self.max_sessions >= 1, "max_sessions", self.max_sessions, "at least 1")

        for name in self.extras:
            require(name in EXTRAS, "extras", name, f"one of {', '.join(sorted(EXTRAS))}")
        require(0 < self.memory_share <= 1, "memory_share", self.memory_share, "above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class HttpSandboxConfig:
    """A code server: the original's, or `deepeyes serve sandbox` (reference 2.1).

    Attributes:
        kind: Tag of this backend.
        url: Address of the server, without the dialect's path.
        dialect: `jupyter_sandbox` (v1, what the released environment speaks) or `run_jupyter` (v2).
        token_variable: Environment variable with the token to send; unset means none.
        patience_seconds: Wall time that a reply may take beyond the cell's own: transfer, and waiting for its
            turn on a busy server.
        retry_seconds: How long a request that the server did not take on (connection refused, or "busy, come
            back later") is tried again. One that may have run is never repeated.
        max_reply_bytes: Bytes of one reply; a longer one fails.
    """

    kind: Literal["http"] = "http"
    url: str = "http://127.0.0.1:18901"
    dialect: Literal["jupyter_sandbox", "run_jupyter"] = "jupyter_sandbox"
    token_variable: str = TOKEN_VARIABLE
    patience_seconds: float = 60.0
    retry_seconds: float = 30.0
    max_reply_bytes: int = MAX_REPLY_BYTES

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        require(parts.scheme in ("http", "https") and bool(parts.hostname), "url", self.url, "an http(s) URL")
        if parts.username or parts.password:
            raise ConfigError(f"url: no credentials in it; put a token into ${self.token_variable}")
        require_seconds("patience_seconds", self.patience_seconds)
        require_seconds("retry_seconds", self.retry_seconds, may_be_zero=True)
        require(self.max_reply_bytes > 0, "max_reply_bytes", self.max_reply_bytes, "above 0")


@dataclass(frozen=True, slots=True)
class E2BSandboxConfig:
    """E2B's cloud, or anything that speaks its protocol: one virtual machine per session.

    `E2B_DOMAIN` and the SDK's other environment variables choose another installation than E2B's own.

    Attributes:
        kind: Tag of this backend.
        template: Template of the machine; None takes the SDK's code interpreter.
        api_key_variable: Environment variable with the key.
        session_seconds: Lifetime after which E2B ends a machine that was not closed (1 h is the most that its
            free plan allows).
        request_seconds: Wall time of one request other than a cell.
        max_reply_bytes: Bytes of one cell's output stream; the rest is cut and the cell interrupted.
    """

    kind: Literal["e2b"] = "e2b"
    template: str | None = None
    api_key_variable: str = "E2B_API_KEY"
    session_seconds: int = 3600
    request_seconds: float = 60.0
    max_reply_bytes: int = MAX_REPLY_BYTES

    def __post_init__(self) -> None:
        require(self.session_seconds >= 1, "session_seconds", self.session_seconds, "at least 1")
        require_seconds("request_seconds", self.request_seconds)
        require(self.max_reply_bytes > 0, "max_reply_bytes", self.max_reply_bytes, "above 0")


def _with_kind(config: object) -> object:
    return {"kind": LocalSandboxConfig().kind} | dict(config) if isinstance(config, Mapping) else config


SandboxConfig = Annotated[
    LocalSandboxConfig | HttpSandboxConfig | E2BSandboxConfig,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
"""The configuration of any sandbox, told apart by `kind`; without one it is the local sandbox."""
