import pytest

from deepeyes_env import ConfigError
from deepeyes_env.secret import read_secret, require_secret


@pytest.mark.parametrize(
    ("value", "secret"), [("", None), (" \n", None), ("k-1", "k-1"), (" k-1\r\n", "k-1")]
)
def test_white_space_around_a_key_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, value: str, secret: str | None
) -> None:
    monkeypatch.setenv("SOME_KEY", value)
    assert read_secret("SOME_KEY") == secret


@pytest.mark.parametrize("value", ["a\nb", "schlüssel", "a\x1fb"])
def test_what_no_header_can_carry_is_refused_and_not_told(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(ConfigError, match="the key in SOME_KEY holds characters") as refused:
        read_secret("SOME_KEY")
    assert value not in str(refused.value)


def test_a_key_that_must_be_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match="set the environment variable SOME_KEY"):
        require_secret("SOME_KEY")
