"""`deepeyes serve sandbox`: the local sandbox as a code server."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import tyro

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import open_local
from deepeyes_env.sandbox.base import SandboxError, SandboxLimits
from deepeyes_env.sandbox.config import TOKEN_VARIABLE, LocalSandboxConfig
from deepeyes_env.secret import read_secret

try:
    from deepeyes_env.sandbox.server.app import ServerLimits, make_app
    from deepeyes_env.serving.listener import listen, run
except ImportError as error:
    raise ConfigError("a server needs FastAPI and uvicorn: pip install 'deepeyes-gym[serve]'") from error

CELL_SECONDS = 200.0
"""Longest cell: what the released RL environment asks for (reference 1.5)."""


@dataclass(frozen=True, slots=True)
class ServeSandboxArgs:
    """Offer this machine's sandbox to trainers, at /jupyter_sandbox and /run_jupyter.

    With a token in DEEPEYES_SANDBOX_TOKEN, clients must send it as `Authorization: Bearer`.

    Attributes:
        host: Address to listen at; other than a loopback address only with a token.
        port: Port to listen at (the original's first); 0 takes a free one.
        sandbox: Its libraries, its isolation, and what it takes of the machine.
        limits: Limits of each session; `cell_seconds` bounds the timeout that a request may ask for.
        server: How much the server takes on.
    """

    host: str = "127.0.0.1"
    port: int = 18901
    sandbox: LocalSandboxConfig = field(default_factory=LocalSandboxConfig)
    limits: SandboxLimits = field(default_factory=lambda: SandboxLimits(cell_seconds=CELL_SECONDS))
    server: ServerLimits = field(default_factory=ServerLimits)


def main(argv: list[str]) -> int:
    """Serve until interrupted.

    Args:
        argv: Command-line arguments.

    Returns:
        0 after a clean stop, 1 if this machine cannot isolate or the server does not start.

    Raises:
        ConfigError: The address cannot be used, or is open to others without a token.
    """
    args = tyro.cli(ServeSandboxArgs, prog="deepeyes serve sandbox", args=argv)
    token = read_secret(TOKEN_VARIABLE)
    danger = f"whoever reaches it could run code; set {TOKEN_VARIABLE} to a secret"
    listener = listen(args.host, args.port, token, danger)
    sandbox = open_local(args.sandbox, args.limits, slots=args.server.cells)
    try:
        sandbox.open([]).close()
    except SandboxError as error:
        print(f"deepeyes serve sandbox: {error}", file=sys.stderr)
        return 1
    return run(make_app(sandbox, args.server, token), listener, "the sandbox")
