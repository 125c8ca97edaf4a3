"""ddgs through a proxy on the loopback device that leads every host to the misbehaving server.

The library, its TLS and its parsers are the real ones; only the sites are not.
"""

import pickle
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from misbehaving_server import MisbehavingServer, reply
from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import SearchEngine, SearchErrorKind
from deepeyes_env.search.live import DdgsConfig
from deepeyes_env.search.live.duckduckgo import PROXY_VARIABLE, DdgsEngine

PAGE = """
<html><body><div class="results">
  <div class="result body"><h2><a href="https://one.example/">One</a></h2>
    <a href="https://one.example/">The first
 passage &amp; more.</a></div>
  <div class="result body"><h2><a href="https://duckduckgo.com/y.js?ad=1">Ad</a></h2>
    <a href="https://duckduckgo.com/y.js?ad=1">An advertisement.</a></div>
  <div class="result body"><h2><a href="https://two.example/">Two</a></h2>
    <a href="https://two.example/">The second.</a></div>
</div></body></html>
"""
SITE = "html"
"""First segment of the path that the backend asks for: https://html.duckduckgo.com/html/"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[MisbehavingServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("html.duckduckgo.com").configure_cert(context)
    with MisbehavingServer(context) as server:
        yield server


@pytest.fixture
def engine(
    server: MisbehavingServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DdgsEngine:
    certificates = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(certificates))
    monkeypatch.setenv(PROXY_VARIABLE, f"http://127.0.0.1:{server.port}")
    return DdgsEngine(DdgsConfig(certificates=str(certificates), timeout_seconds=5.0))


def test_a_page_of_results_becomes_hits(server: MisbehavingServer, engine: DdgsEngine) -> None:
    server.behaviours[SITE] = reply(200, PAGE, "text/html")
    response = engine.search_text("what is one", 5)
    assert [(hit.rank, hit.title, hit.url, hit.snippet) for hit in response.hits] == [
        (1, "One", "https://one.example/", "The first passage & more."),
        (2, "Two", "https://two.example/", "The second."),
    ]
    assert (response.error, response.backend, response.cost) == (None, "ddgs/duckduckgo", 0.0)
    connect, asked = server.requests[-2:]
    assert (connect.method, connect.target) == ("CONNECT", "html.duckduckgo.com:443")
    assert b"q=what+is+one" in asked.body
    assert len(engine.search_text("what is one", 1).hits) == 1


def test_the_same_page_gives_the_same_hits(server: MisbehavingServer, engine: DdgsEngine) -> None:
    server.behaviours[SITE] = reply(200, PAGE, "text/html")
    assert engine.search_text("two") == engine.search_text("two")
    assert pickle.loads(pickle.dumps(engine)).search_text("two") == engine.search_text("two")


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("no_hits", SearchErrorKind.NO_RESULTS),
        ("too_many", SearchErrorKind.RATE_LIMITED),
        ("rate_limited", SearchErrorKind.RATE_LIMITED),
        ("forbidden", SearchErrorKind.UNAVAILABLE),
        ("broken_inside", SearchErrorKind.UNAVAILABLE),
        ("empty", SearchErrorKind.UNAVAILABLE),
        ("reset", SearchErrorKind.UNAVAILABLE),
        ("silence", SearchErrorKind.UNAVAILABLE),
        ("garbage", SearchErrorKind.UNAVAILABLE),
        ("truncated", SearchErrorKind.UNAVAILABLE),
        ("bad_gzip", SearchErrorKind.UNAVAILABLE),
    ],
)
def test_a_refusal_is_not_mistaken_for_nothing_found(
    server: MisbehavingServer, engine: DdgsEngine, behaviour: str, kind: SearchErrorKind
) -> None:
    more = {
        "no_hits": reply(200, "<html><body>Nothing.</body></html>", "text/html"),
        "too_many": reply(202, "<html><body>Are you a robot?</body></html>", "text/html"),
        "forbidden": reply(403, "<html></html>", "text/html"),
        "broken_inside": reply(500, "<html></html>", "text/html"),
        "empty": reply(200, "", "text/html"),
    }
    server.behaviours[SITE] = more.get(behaviour) or server.behaviours[behaviour]
    response = engine.search_text("x")
    assert (response.error, response.hits) == (kind, ())
    assert response.backend == "ddgs/duckduckgo"


@pytest.mark.parametrize("behaviour", ["slow_headers", "drip"])
def test_a_slow_site_is_a_timeout(server: MisbehavingServer, behaviour: str, engine: DdgsEngine) -> None:
    server.behaviours[SITE] = server.behaviours[behaviour]
    hasty = DdgsEngine(DdgsConfig(certificates=engine._config.certificates, timeout_seconds=0.5))
    assert hasty.search_text("x").error == SearchErrorKind.TIMEOUT


def test_a_site_with_another_name_is_not_believed(server: MisbehavingServer, engine: DdgsEngine) -> None:
    other = DdgsEngine(DdgsConfig(backend="mojeek", certificates=engine._config.certificates))
    before = len(server.requests)
    assert other.search_text("x").error == SearchErrorKind.UNAVAILABLE
    assert all(request.method == "CONNECT" for request in server.requests[before:])


def test_a_dead_proxy_is_unavailable_and_its_password_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with MisbehavingServer() as gone:
        address = f"http://user:s3cret-word@127.0.0.1:{gone.port}"
    monkeypatch.setenv(PROXY_VARIABLE, address)
    response = DdgsEngine(DdgsConfig()).search_text("x")
    assert response.error == SearchErrorKind.UNAVAILABLE
    assert "s3cret-word" not in response.detail


def test_searching_by_image_says_what_to_do_instead() -> None:
    engine = DdgsEngine(DdgsConfig())
    assert isinstance(engine, SearchEngine)
    response = engine.search_image(Image.new("RGB", (9, 9)))
    assert response.error == SearchErrorKind.UNSUPPORTED
    assert "Serper" in response.detail


def test_what_cannot_be_asked_is_not_sent(server: MisbehavingServer, engine: DdgsEngine) -> None:
    before = len(server.requests)
    assert engine.search_text(" ").error == SearchErrorKind.BAD_REQUEST
    assert engine.search_text("x", 0).error == SearchErrorKind.BAD_REQUEST
    assert len(server.requests) == before


def test_an_unknown_backend_or_region_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="none of brave, duckduckgo"):
        DdgsEngine(DdgsConfig(backend="auto"))
    with pytest.raises(ConfigError, match="region"):
        DdgsEngine(DdgsConfig(region="english"))
