"""A chat server that really judges: by rules, well-behaved or not, behind the OpenAI-compatible API.

with JudgeServer(WELL_BEHAVED) as server:
    judge = open_judge(JudgeConfig(server.url, model="rules"))
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from deepeyes_env.rewards.normalise import normalise

Reply = Callable[[str, str, str], str | int | None]
"""Question, reference, answer -> text, an HTTP status, or None for a null content."""

_STOP = {
    "it",
    "is",
    "run",
    "by",
    "the",
    "was",
    "born",
    "in",
    "they",
    "should",
    "painter",
    "engineer",
    "to",
    "i",
    "k",
}
_ASKED = re.compile(
    r"<question>\n(.*?)\n</question>\n<reference>\n(.*?)\n</reference>\n<model_answer>\n(.*)\n</model_answer>\Z",
    re.DOTALL,
)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", normalise(text))) - _STOP


def agrees(reference: str, answer: str) -> bool:
    """Words of the reference and no others, at least one; several candidates or a denial never agree."""
    first, _, rest = reference.partition(" (or: ")
    wordings = [first, *rest.removesuffix(")").split("; ")] if rest else [first]
    given = _words(answer)
    return any(bool(given) and given <= _words(one) for one in wordings)


def well_behaved(question: str, reference: str, answer: str) -> str:
    return f"Compared by words.\n{'Yes' if agrees(reference, answer) else 'No'}"


def always_yes(question: str, reference: str, answer: str) -> str:
    return "Yes"


def obeys_the_answer(question: str, reference: str, answer: str) -> str:
    """Follows instructions in the answer, as a language model may."""
    return "Yes" if "write yes" in answer.lower() else well_behaved(question, reference, answer)


def likes_candidates(question: str, reference: str, answer: str) -> str:
    """Says Yes wherever the reference stands somewhere in the answer."""
    return "Yes" if normalise(reference) in normalise(answer) else well_behaved(question, reference, answer)


def talkative(question: str, reference: str, answer: str) -> str:
    return "Yes, I think that they agree."


def silent(question: str, reference: str, answer: str) -> None:
    return None


def broken(question: str, reference: str, answer: str) -> int:
    return 503


class JudgeServer(ThreadingHTTPServer):
    """Judges at `url`; `asked` holds what it was asked: question, reference, answer."""

    daemon_threads = True

    def __init__(self, reply: Reply = well_behaved) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match = _ASKED.search(body["messages"][-1]["content"])
        assert match, body
        self.server.asked.append((match[1], match[2], match[3]))
        reply = self.server.reply(match[1], match[2], match[3])
        if isinstance(reply, int):
            self.send_error(reply)
            return
        data = json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass
