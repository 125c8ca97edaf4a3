"""What goes wrong between an environment and the server of its episodes."""

from __future__ import annotations

TOKEN_VARIABLE = "DEEPEYES_ENV_TOKEN"
"""Environment variable with the token that an environment server asks for."""


class RemoteError(ConnectionError):
    """The server gave no usable reply: it is gone, full, or another one. Never the policy's fault."""


class ConnectionBroken(RemoteError):
    """A request may or may not have arrived; what can be done twice may be tried again."""


class Unreachable(RemoteError):
    """No connection was made, so nothing was sent; the session may well live."""


class SessionLost(RemoteError):
    """The server knows the session no more; a new one may work."""
