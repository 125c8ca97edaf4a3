"""Hostile cells. After each of them the host, a sibling session and a new session must still work."""

import os
from collections.abc import Iterator

import pytest

from deepeyes_env.sandbox import LocalSandbox, SandboxLimits
from deepeyes_env.sandbox.local import LocalSession

LIMITS = SandboxLimits(cell_seconds=10, memory_bytes=256 << 20, threads=8, tmp_bytes=8 << 20, tmp_files=100)
SECRET = "a-secret-of-the-host"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[LocalSandbox]:
    os.environ["DEEPEYES_TEST_SECRET"] = SECRET
    made = LocalSandbox(LIMITS, ahead=0)
    made.open([]).close()
    del os.environ["DEEPEYES_TEST_SECRET"]
    yield made
    made.close()


@pytest.fixture(scope="session")
def sibling(sandbox: LocalSandbox) -> Iterator[LocalSession]:
    session = sandbox.open([])
    session.run("alive = 'alive'\nopen('/tmp/of_the_sibling', 'w').write(alive)")
    yield session
    session.close()


@pytest.fixture
def attacker(sandbox: LocalSandbox, sibling: LocalSession) -> Iterator[LocalSession]:
    session = sandbox.open([])
    yield session
    session.close()
    assert sibling.run("print(alive, open('/tmp/of_the_sibling').read())").stdout == "alive alive\n"
    fresh = sandbox.open([])
    assert fresh.run("print(1 + 1)").stdout == "2\n"
    fresh.close()
