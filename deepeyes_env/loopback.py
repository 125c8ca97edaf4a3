"""Whether a host is this machine itself, and how it is reached."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` or an address that never leaves this machine (127.0.0.0/8, ::1)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def direct_mounts(url: str) -> dict[str, None]:
    """What httpx takes as `mounts` to reach an address on this machine, to which no proxy leads.

    Whoever sets a proxy seldom excepts this machine. Other addresses go on as the environment says.

    Args:
        url: The address; a malformed one counts as another machine's.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return {}
    if not is_loopback(host):
        return {}
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None}
