"""Why something was not fetched."""

from __future__ import annotations

from enum import StrEnum

from deepeyes_env.errors import Portable


class FetchFault(StrEnum):
    """What stood in the way."""

    REFUSED = "refused"
    """The guard forbids the address: its scheme, port or host, or where it resolves or redirects to."""
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    """More bytes than allowed."""
    WRONG_TYPE = "wrong_type"
    """Not the kind of content asked for."""
    BAD_IMAGE = "bad_image"
    """A picture that does not decode, has too many pixels, or an impossible shape."""
    STATUS = "status"
    """The server answered with another status than 200."""
    UNREACHABLE = "unreachable"
    """The name does not resolve, no connection came about, or it broke."""
    BROKEN = "broken"
    """What came is no HTTP, or not what its own headers say."""


class FetchError(Portable):
    """Something was not fetched.

    Attributes:
        fault: What stood in the way.
        detail: The same for people.
    """

    def __init__(self, fault: FetchFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
