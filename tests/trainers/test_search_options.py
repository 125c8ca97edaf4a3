"""The search tools' engine as options of a command."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

from deepeyes_env.config import EnvConfig
from deepeyes_env.search import LiveSearchConfig, RecordingConfig
from trainers.arguments import parse_options

EXAMPLE = """
[env.search.engine]
kind = "live"
[[env.search.engine.providers]]
kind = "serper"
[[env.search.engine.providers]]
kind = "ddgs"

[env.search.recording]
path = "searches.sqlite"
mode = "replay"
max_miss_rate = 0.01
"""


@dataclass(frozen=True)
class Options:
    """A command's options, as those of `deepeyes dapo`."""

    env: EnvConfig = field(default_factory=EnvConfig)


def test_a_command_takes_it_from_a_file_and_from_flags(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(EXAMPLE)
    flags = ["--config", str(tmp_path / "a.toml"), "--env.search.recording.mode", "record"]
    with warnings.catch_warnings(action="error"):
        options = parse_options(Options, flags, "test")
    assert options.env.search is not None
    assert options.env.search.recording == RecordingConfig("searches.sqlite", "record", max_miss_rate=0.01)
    assert isinstance(options.env.search.engine, LiveSearchConfig)
