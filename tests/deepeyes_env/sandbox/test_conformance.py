"""Every backend against every check, each through its real client and, where there is one, a real server.

The dialects of the code server leave nothing out here, because the server is ours; what the original's own
servers cannot do is told in `deepeyes_env.sandbox.http`.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from unittest import mock

import pytest
from e2b_server import KEY, E2BServer
from PIL import Image
from serving import serving

from deepeyes_env.sandbox import (
    E2BSandboxConfig,
    HttpSandboxConfig,
    LocalSandbox,
    LocalSandboxConfig,
    Sandbox,
    SandboxLimits,
    conformance,
    open_sandbox,
)
from deepeyes_env.sandbox.conformance import CHECKS, Check
from deepeyes_env.sandbox.local import LocalSession
from deepeyes_env.sandbox.server.app import make_app
from deepeyes_env.testing import check_sandbox

HASTY = {conformance.a_timeout_keeps_the_state, conformance.a_stubborn_cell_is_killed}
"""Checks that wait for the end of a cell's time; all others have time enough on a busy machine."""


@contextmanager
def local(limits: SandboxLimits) -> Iterator[Sandbox]:
    yield open_sandbox(LocalSandboxConfig(), limits)


@contextmanager
def http_v1(limits: SandboxLimits) -> Iterator[Sandbox]:
    with serving(make_app(LocalSandbox(limits))) as url:
        yield open_sandbox(HttpSandboxConfig(url=url, dialect="jupyter_sandbox"), limits)


@contextmanager
def http_v2(limits: SandboxLimits) -> Iterator[Sandbox]:
    with serving(make_app(LocalSandbox(limits))) as url:
        yield open_sandbox(HttpSandboxConfig(url=url, dialect="run_jupyter"), limits)


@contextmanager
def e2b(limits: SandboxLimits) -> Iterator[Sandbox]:
    kernels = LocalSandbox(replace(limits, cell_seconds=limits.cell_seconds / 2, images_per_cell=20))
    with serving(E2BServer(kernels).app) as url:
        address = {"E2B_API_KEY": KEY, "E2B_API_URL": url, "E2B_SANDBOX_URL": url}
        with mock.patch.dict(os.environ, address):
            yield open_sandbox(E2BSandboxConfig(), limits)
    kernels.close()


Backend = Callable[[SandboxLimits], AbstractContextManager[Sandbox]]
BACKENDS: tuple[Backend, ...] = (local, http_v1, http_v2, e2b)


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[[Backend, float], Sandbox]]:
    """Gives the sandbox of a backend with that many seconds for a cell; each is opened once."""
    made: dict[tuple[Backend, float], Sandbox] = {}
    with ExitStack() as stack:

        def give(backend: Backend, seconds: float) -> Sandbox:
            key = (backend, seconds)
            if key not in made:
                made[key] = stack.enter_context(backend(SandboxLimits(cell_seconds=seconds)))
                stack.callback(made[key].close)
            return made[key]

        yield give


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.__name__)
def test_backend(backend: Backend, check: Check, opened: Callable[[Backend, float], Sandbox]) -> None:
    check(opened(backend, 2.0 if check in HASTY else 30.0))


class Deaf(LocalSandbox):
    """Takes no images."""

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> LocalSession:
        return super().open([], seed)


def test_the_kit_passes_what_conforms_and_names_what_does_not(
    opened: Callable[[Backend, float], Sandbox],
) -> None:
    check_sandbox(opened(local, 30.0), leave_out=[*HASTY])
    deaf = Deaf()
    with pytest.raises(AssertionError, match="images_come_in: "):
        check_sandbox(deaf)
    deaf.close()
