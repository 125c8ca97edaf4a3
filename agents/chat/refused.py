"""What asking again does not mend."""

from __future__ import annotations

from deepeyes_env.errors import ConfigError


class ChatRefused(ConfigError):
    """A chat service will not answer, however often it is asked: its key, model, options or budget."""
