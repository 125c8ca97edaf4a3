"""What the guard lets through: nothing but the open internet, however an address is written."""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.search.caps import URL_CHARS
from deepeyes_env.search.fetch import FetchError, FetchFault
from deepeyes_env.search.fetch.guard import Guard, is_public
from deepeyes_env.search.patience import Deadline

NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "168.63.129.16",
    "::ffff:192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "2001:0:808:808::",
    "100::1",
    "4000::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]

private_v4 = st.sampled_from([text for text in NOT_PUBLIC if ":" not in text]).map(IPv4Address)


def resolving(*addresses: str) -> Guard:
    return Guard(resolve=lambda host, port: addresses)


def fault_of(url: str, guard: Guard | None = None) -> FetchFault | None:
    guard = guard or Guard()
    try:
        guard.locate(guard.check_url(url), Deadline(20))
    except FetchError as error:
        return error.fault
    return None


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_addresses_of_networks_that_are_not_everybodys_are_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    assert fault_of("http://innocent.example/", resolving(text)) == FetchFault.REFUSED
    assert fault_of("http://innocent.example/", resolving("8.8.8.8", text)) == FetchFault.REFUSED


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_pass(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
    assert fault_of("https://innocent.example/", resolving(text)) is None


@given(private_v4)
def test_an_address_inside_another_is_seen(address: IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | int(address)))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_of_version_6_only_global_unicast_and_the_translated_pass(address: IPv6Address) -> None:
    known = ("2000::/3", "::ffff:0:0/96", "64:ff9b::/96")
    if is_public(address):
        assert any(address in IPv6Network(network) for network in known)


@given(private_v4, st.sampled_from(["dotted", "decimal", "hex", "octal", "hex_parts", "two_parts", "mapped"]))
def test_every_way_to_write_a_private_address_is_refused(address: IPv4Address, form: str) -> None:
    """By the system's own resolver, which reads all of them and needs no network for it."""
    number, parts = int(address), address.packed
    host = {
        "dotted": str(address),
        "decimal": str(number),
        "hex": hex(number),
        "octal": f"0{number:o}",
        "hex_parts": ".".join(hex(part) for part in parts),
        "two_parts": f"{parts[0]}.{number & 0xFFFFFF}",
        "mapped": f"[::ffff:{address}]",
    }[form]
    assert fault_of(f"http://{host}/") in (FetchFault.REFUSED, FetchFault.UNREACHABLE)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://localhost/",
        "http://LOCALHOST/",
    ],
)
def test_the_loopback_device_is_refused_under_all_its_names(url: str) -> None:
    assert fault_of(url) == FetchFault.REFUSED


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com:80/",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http://user@example.com/",
        "http://user:word@example.com/",
        "http://@example.com/",
        "http://example.com:22/",
        "http://example.com:8080/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:http/",
        "http://exa mple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com\\@127.0.0.1/",
        "http://example.com\t/",
        "http://[::1/",
        "http://[example.com]/",
        "http://[fe80::1%25eth0]/",
        "http://¨/",
        "http://a|b/",
        "http://%31%32%37.0.0.1/",
        "http://" + "ä" * 300 + ".example/",
        "http://example.com/" + "x" * URL_CHARS,
    ],
)
def test_addresses_that_are_none_or_of_other_services_are_refused(url: str) -> None:
    assert fault_of(url, resolving("8.8.8.8")) == FetchFault.REFUSED


def test_a_name_that_does_not_resolve_or_to_nothing_is_unreachable() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert fault_of("http://nowhere.example/", Guard(resolve=unknown)) == FetchFault.UNREACHABLE
    assert fault_of("http://nowhere.example/", resolving()) == FetchFault.UNREACHABLE
    assert fault_of("http://" + "a" * 300 + "/") == FetchFault.UNREACHABLE


def test_names_and_paths_of_other_scripts_are_written_in_ascii() -> None:
    target = Guard().check_url("https://bücher.example/straße?q=ä%20b&c=d#part")
    assert (target.host, target.port) == ("xn--bcher-kva.example", 443)
    assert target.path == "/stra%C3%9Fe?q=%C3%A4%20b&c=d"


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://[", "http://a:"]))
def test_no_text_breaks_the_guard(text: str, start: str) -> None:
    try:
        target = Guard().check_url(start + text)
    except FetchError:
        return
    assert target.host.isascii()
    assert target.path.isascii()
    assert not set(target.host + target.path) & set(" \r\n\t")
