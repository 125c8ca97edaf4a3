"""The live viewer over HTTP: what it gives, to whom, and what it refuses."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from sample_trajectories import ByteTokenizer
from viewed_runs import storable, write

from agents.store import IMAGES, RECORDS
from agents.viewer.command import TOKEN_VARIABLE
from agents.viewer.detail import detail
from agents.viewer.page import LIVE_POLICY
from agents.viewer.rows import row
from agents.viewer.run import GrowingRun
from agents.viewer.server import make_app
from agents.viewer.tokens import Words

# The helper of the other servers' tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "deepeyes_env" / "sandbox"))
from serving import serving

HOSTILE = "</script><script>window.pwned=1</script> \ud83d \u202e \u2028"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    write(directory, [storable("code", "answer"), storable("answer", task_id=HOSTILE, family=HOSTILE)])
    return directory


@pytest.fixture(scope="module")
def client(run):
    words = Words(ByteTokenizer)
    with (
        serving(make_app(GrowingRun(run), words, HOSTILE)) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client


def test_rows_come_in_order_and_from_where_they_are_asked_for(client):
    answer = client.get("/rows").json()
    assert answer["total"] == 2
    assert answer["rows"][0] == row(0, storable("code", "answer"))
    assert client.get("/rows?after=1").json()["rows"] == answer["rows"][1:]
    assert client.get("/rows?after=2").json()["rows"] == []


def test_new_trajectories_appear(tmp_path):
    with serving(make_app(GrowingRun(tmp_path), Words(lambda: None), "run")) as address:
        assert httpx.get(f"{address}/rows").json()["total"] == 0
        write(tmp_path, [storable("answer", task_id="first")])
        (seen,) = httpx.get(f"{address}/rows").json()["rows"]
        write(tmp_path, [storable("answer", task_id="second")])
        (later,) = httpx.get(f"{address}/rows?after=1").json()["rows"]
    assert (seen["task_id"], later["task_id"]) == ("first", "second")


def test_a_trajectory_comes_whole_with_the_words_of_its_tokens(client):
    answer = client.get("/trajectories/0").json()
    assert answer["detail"] == json.loads(json.dumps(detail(storable("code", "answer"))))
    assert answer["words"][str(ord("<"))] == "<"
    assert client.get("/trajectories/2").status_code == 404


def test_a_link_to_a_trajectory_needs_no_rows_first(tmp_path):
    write(tmp_path, [storable("answer")])
    with serving(make_app(GrowingRun(tmp_path), Words(lambda: None), "run")) as address:
        assert httpx.get(f"{address}/trajectories/0").status_code == 200


def test_hostile_text_comes_as_ascii_json(client):
    for path in ("/rows", "/trajectories/1"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.content.isascii()
    assert client.get("/rows").json()["rows"][1]["family"] == HOSTILE


def test_the_page_has_its_title_as_text(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "&lt;/script&gt;&lt;script&gt;window.pwned" in page.text
    assert "<script>window" not in page.text


def test_an_image_comes_by_its_hash_with_its_type(client, run):
    (image, *_) = storable("answer").images
    answer = client.get(f"/images/{image.sha256}")
    assert (answer.content, answer.headers["content-type"]) == (image.data, "image/png")
    assert "immutable" in answer.headers["cache-control"]


def test_a_file_that_is_no_image_is_not_given(client, run):
    page = b"<script>window.pwned=1</script>"
    name = hashlib.sha256(page).hexdigest()
    (run / IMAGES / name).write_bytes(page)
    assert client.get(f"/images/{name}").status_code == 415


def test_an_image_whose_bytes_have_changed_is_not_given(client, run):
    name = "cd" * 32
    (run / IMAGES / name).write_bytes(storable("answer").images[0].data)
    answer = client.get(f"/images/{name}")
    assert answer.status_code == 500
    assert "damaged" in answer.json()["detail"]


@pytest.mark.parametrize(
    "name",
    [
        f"../{RECORDS}",
        f"..%2f{RECORDS}",
        f"%2e%2e/{RECORDS}",
        f"..%5c{RECORDS}",
        "..",
        "%00",
        "/etc/passwd",
        "ab" * 31,
        "AB" * 32,
        f"{'ab' * 32}%0a",
        f"{'ab' * 32}/../../{RECORDS}",
    ],
)
def test_nothing_but_an_image_can_be_reached(client, name):
    # As it is written: a browser, and httpx, would tidy the path up.
    connection = HTTPConnection(client.base_url.host, client.base_url.port, timeout=60)
    connection.request("GET", f"/images/{name}")
    answer = connection.getresponse()
    assert answer.status in (404, 422)
    assert b"task_id" not in answer.read()
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/", "/app.js", "/app.css", "/rows", "/rows?after=-1", "/trajectories/0", "/trajectories/x", "/nothing"],
)
def test_every_answer_has_the_headers_that_keep_a_browser_safe(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"] == LIVE_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"


def test_only_reading_is_possible(client):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/rows").status_code == 405
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


def test_another_name_of_this_machine_is_refused(client):
    assert client.get("/rows", headers={"Host": "evil.example"}).status_code == 400


def test_with_a_token_only_those_who_send_it_enter(run):
    with serving(make_app(GrowingRun(run), Words(lambda: None), "run", token="secret: ü")) as address:
        refused = httpx.get(f"{address}/rows")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        assert refused.headers["content-security-policy"] == LIVE_POLICY
        assert httpx.get(f"{address}/rows", auth=("any", "wrong")).status_code == 401
        assert httpx.get(f"{address}/rows", headers={"Authorization": "Basic !"}).status_code == 401
        assert httpx.get(f"{address}/rows", auth=("any", "secret: ü")).json()["total"] == 2
        bearer = {"Authorization": "Bearer secret: ü".encode()}
        assert httpx.get(f"{address}/rows", headers=bearer).json()["total"] == 2


def test_the_command_serves_until_it_is_interrupted(run):
    program = "import sys; from deepeyes_env.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "view", str(run), "--serve", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        assert line.startswith(f"serving the run {run.name} at http://127.0.0.1:")
        address = re.search(r"http://[\d.:]+", line)[0]
        assert httpx.get(f"{address}/rows", timeout=60).json()["total"] == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_a_damaged_record_is_told(tmp_path):
    write(tmp_path, [storable("answer")])
    with (tmp_path / RECORDS).open("ab") as file:
        file.write(b'{"schema": 2}\n')
    with serving(make_app(GrowingRun(tmp_path), Words(lambda: None), "run")) as address:
        answer = httpx.get(f"{address}/rows")
    assert answer.status_code == 500
    assert f"{RECORDS}:2" in answer.json()["detail"]
