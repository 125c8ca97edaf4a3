"""Where servers listen."""

import pytest

from deepeyes_env.config import ConfigError
from deepeyes_env.serving.listener import listen


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=f"port = {port}: must be from 0 to 65535"):
        listen("127.0.0.1", port, None, "anybody could come in: set a token")


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen at a\.\.b"):
        listen("a..b", 0, "secret", "")


def test_a_free_port_is_taken() -> None:
    with listen("127.0.0.1", 0, None, "") as listener:
        assert listener.getsockname()[1] > 0
