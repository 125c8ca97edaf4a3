import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import httpx
import pytest

from deepeyes_env.loopback import direct_mounts, is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "example.org", "localhost.example.org", "10.0.0.1", "0.0.0.0", "::2"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
    url = f"http://[{host}]:80" if ":" in host else f"http://{host}:80"
    assert direct_mounts(url) == {}


def test_what_is_no_address_is_no_address_of_this_machine() -> None:
    assert direct_mounts("http://[x/") == {}


@pytest.mark.usefixtures("dead_proxy")
def test_no_proxy_leads_to_this_machine() -> None:
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{server.server_port}/nothing-here"
            with httpx.Client(mounts=direct_mounts(url)) as client:
                assert client.get(url).status_code == 404
                with pytest.raises(httpx.ConnectError):
                    client.get("http://elsewhere.example/")
        server.shutdown()
        thread.join()
