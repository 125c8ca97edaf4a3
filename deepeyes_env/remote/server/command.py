"""`deepeyes serve env`: this machine's episodes for environments elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError
from deepeyes_env.remote.error import TOKEN_VARIABLE
from deepeyes_env.sandbox import shared_sandbox
from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.secret import read_secret

try:
    from deepeyes_env.remote.server.app import EnvServerLimits, make_app
    from deepeyes_env.serving.listener import listen, run
except ImportError as error:
    raise ConfigError("a server needs FastAPI and uvicorn: pip install 'deepeyes-gym[serve]'") from error


@dataclass(frozen=True, slots=True)
class ServeEnvArgs:
    """Run episodes for environments elsewhere: `gym.make("DeepEyes-v0", remote="http://this-machine:18910")`.

    With a token in DEEPEYES_ENV_TOKEN, clients must have the same there.

    Attributes:
        env: Settings of the environment, a TOML file; the defaults when left out.
        host: Address to listen at; other than a loopback address only with a token.
        port: Port to listen at; 0 takes a free one.
        server: How much the server takes on.
    """

    env: Path | None = None
    host: str = "127.0.0.1"
    port: int = 18910
    server: EnvServerLimits = field(default_factory=EnvServerLimits)


def main(argv: list[str]) -> int:
    """Serve until interrupted.

    Args:
        argv: Command-line arguments.

    Returns:
        0 after a clean stop, 1 if there is no sandbox or the server does not start.

    Raises:
        ConfigError: The settings, the token or the address cannot be used, or it is open to others without a
            token.
    """
    args = tyro.cli(ServeEnvArgs, prog="deepeyes serve env", args=argv)
    config = load_config(EnvConfig, args.env)
    token = read_secret(TOKEN_VARIABLE)
    danger = f"whoever reaches it could run code; set {TOKEN_VARIABLE} to a secret"
    listener = listen(args.host, args.port, token, danger)
    try:
        shared_sandbox(config.sandbox_backend, config.limits).open([]).close()
    except SandboxError as error:
        print(f"deepeyes serve env: {error}", file=sys.stderr)
        return 1
    return run(make_app(config, args.server, token), listener, "the environment")
