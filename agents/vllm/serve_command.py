"""`deepeyes serve vllm`: vLLM's own server, with the flags that a policy to be trained needs."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from agents.transcript import MAX_IMAGES
from agents.vllm.settings import MAX_MODEL_LEN, TOKEN_VARIABLE, engine_arguments, server_flags
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import MAX_PIXELS
from deepeyes_env.loopback import is_loopback
from deepeyes_env.secret import read_secret

PYTHON_VARIABLE = "DEEPEYES_VLLM_PYTHON"
"""Environment variable with the interpreter of the environment that has vLLM."""


def _python() -> Path:
    return Path(os.environ.get(PYTHON_VARIABLE) or sys.executable)


@dataclass(frozen=True, slots=True)
class ServeVllmArgs:
    """Serve a checkpoint with vLLM, token-exact and ready for new weights; other flags are handed on to vLLM.

    Attributes:
        checkpoint: A Qwen2.5-VL checkpoint (directory or hub id).
        python: Interpreter of the environment that has vLLM; default: DEEPEYES_VLLM_PYTHON, else this one.
        host: Address to listen at; other than a loopback address only with a key in VLLM_API_KEY.
        port: Port to listen at (vLLM's).
        max_model_len: Tokens of a conversation and its next turn.
        max_images: Images of a conversation.
        max_pixels: Area of the largest picture that the environment shows.
    """

    checkpoint: Annotated[str, tyro.conf.Positional]
    python: Path = field(default_factory=_python)
    host: str = "127.0.0.1"
    port: int = 8000
    max_model_len: int = MAX_MODEL_LEN
    max_images: int = MAX_IMAGES
    max_pixels: int = MAX_PIXELS


def main(argv: list[str]) -> int:
    """Become the server.

    Args:
        argv: Command-line arguments.

    Returns:
        Nothing: this process goes on as vLLM's.

    Raises:
        ConfigError: The interpreter is missing, or the address is open to others without a key.
    """
    args, more = tyro.cli(ServeVllmArgs, prog="deepeyes serve vllm", args=argv, return_unknown_args=True)
    command, environment = server_command(args, more), os.environ | SERVER_ENVIRONMENT
    if not args.python.is_file():
        raise ConfigError(f"python = {str(args.python)!r}: no such interpreter; give the one that has vLLM")
    print(shlex.join([*(f"{k}={v}" for k, v in SERVER_ENVIRONMENT.items()), *command]), flush=True)
    os.execve(args.python, command, environment)


SERVER_ENVIRONMENT = {"VLLM_SERVER_DEV_MODE": "1"}
"""vLLM serves weight updates, cache resets and sleep only in this mode."""


def server_command(args: ServeVllmArgs, more: list[str]) -> list[str]:
    """The command line of the server.

    Args:
        args: What is served, and where.
        more: Further flags of vLLM.

    Raises:
        ConfigError: The address is open to others without a key.
    """
    if not is_loopback(args.host) and read_secret(TOKEN_VARIABLE) is None:
        raise ConfigError(
            f"host = {args.host!r}: whoever reaches it could sample and change the weights; set "
            f"{TOKEN_VARIABLE} to a secret, which guards sampling, and let only trainers reach the port, "
            "because vLLM guards nothing else"
        )
    flags = server_flags(
        **engine_arguments(
            max_model_len=args.max_model_len, max_images=args.max_images, max_pixels=args.max_pixels
        )
    )
    # By module: the console script looks for a distribution `vllm`, and the CPU build has another name.
    program = [str(args.python), "-m", "vllm.entrypoints.openai.api_server", "--model", args.checkpoint]
    return [*program, "--host", args.host, "--port", str(args.port), *flags, *more]
