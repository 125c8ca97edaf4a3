from collections.abc import Iterator

import pytest

from deepeyes_env.sandbox import LocalSandbox, SandboxLimits

SMALL = SandboxLimits(
    memory_bytes=256 << 20,
    threads=4,
    output_chars=400,
    images_per_cell=2,
    pixels_per_image=250_000,
    tmp_bytes=4 << 20,
    tmp_files=20,
)
HASTY = SandboxLimits(cell_seconds=0.5)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[LocalSandbox]:
    """A sandbox with the default limits, and like the others here without processes that nobody asked for."""
    made = LocalSandbox(ahead=0)
    yield made
    made.close()


@pytest.fixture(scope="session")
def small() -> Iterator[LocalSandbox]:
    """A sandbox with limits that are easy to meet."""
    made = LocalSandbox(SMALL, ahead=0)
    yield made
    made.close()


@pytest.fixture(scope="session")
def hasty() -> Iterator[LocalSandbox]:
    """A sandbox whose cells have half a second."""
    made = LocalSandbox(HASTY, ahead=0)
    yield made
    made.close()
