"""One vLLM server: `/inference/v1/generate`, which takes token ids with images and gives token ids back."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from agents.policy import GenerationRequest, PolicyError, SamplingParams
from agents.vllm.requests import BAN, Answer, Dialect, EngineMismatch, EngineSettings
from deepeyes_env.images import EncodedImage
from deepeyes_env.loopback import direct_mounts

try:
    import httpx
    import tenacity
except ImportError as error:
    raise ImportError("vLLM servers are spoken to with httpx: pip install 'deepeyes-gym[http]'") from error

T = TypeVar("T")

ATTEMPTS = 3
"""How often a request is sent before its server counts as dead: enough for a connection that was dropped."""

CONNECT_SECONDS = 5.0
"""Time to open a connection; httpx's own default."""

TURN_SECONDS = 900.0
"""Longest silence of a server: a turn of 8,192 tokens at 10 tokens a second, which a full server makes."""

RESUME_SECONDS = 60.0
"""Longest silence of a server that is told to go on: its engine may be loading weights until then."""

PAUSE_SECONDS = 120.0
"""How long a server may stay paused while a client wants to begin: another's weights are on their way."""

HEALTH_SECONDS = 10.0
"""Longest silence of a server that is asked whether it is well, which costs it nothing."""

FORCED = 0
"""Any token, to see what a server tells of its log-probability."""


class ServerDown(PolicyError):
    """The server cannot be reached, or failed at every attempt."""


class ServerErred(ServerDown):
    """The server answered every attempt with an error; it may be well but for this request."""


class _Unreadable(Exception):
    """Success by its status, but with something else in it than what vLLM says: a proxy's page, for one."""


class VllmServer:
    """A client of one server.

    Args:
        url: Where it is, e.g. `http://127.0.0.1:8000`.
        dialect: Writes requests and reads answers.
        token: The server's API key, if it has one.

    Attributes:
        url: As given.
        alive: Whether it is to be asked.
        paused: Whether it was told to pause, and has not said since that it goes on.
        awaits_weights: Whether it has been started anew and has not been given the weights of the others yet.
        version: Name of the weights that it has; every answer tells those that it was sampled with.
    """

    def __init__(self, url: str, dialect: Dialect, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.alive = True
        self.paused = False
        self.awaits_weights = False
        self.version = ""
        self._dialect = dialect
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(TURN_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            mounts=direct_mounts(url),
        )

    async def check(self) -> None:
        """See that the server is there and speaks as it has to.

        Raises:
            ServerDown: It is not there, or somebody has paused it and does not let it go on.
            EngineMismatch: It was started with other flags.
        """
        await self._send("GET", "/health", _nothing)
        self.version = await self._send("GET", "/weight_info", lambda body: body["weight_version"])
        if self.paused:
            await self._go_on()
        await self._wait_while_paused()
        # A token that is forced has log-probability 0, unless that of the raw logits is told.
        sampling = {"max_tokens": 1, "logit_bias": {FORCED: -BAN}, "logprobs": 0}
        body = {"token_ids": [FORCED], "sampling_params": sampling}
        if await self._send("POST", "/inference/v1/generate", _first_logprob, json=body) != 0:
            raise EngineMismatch(
                f"{self.url} tells log-probabilities of the raw logits, which include banned tokens; start "
                "it with --logprobs-mode processed_logprobs, or by `deepeyes serve vllm`"
            )

    async def resume(self) -> None:
        """Let a paused server go on; it is dead if it cannot be told, and is told again by `check`."""
        try:
            await self._go_on()
        except (ServerDown, EngineMismatch):
            self.alive = False

    async def settings(self) -> EngineSettings:
        """How it was started."""
        return await self._send("GET", "/server_info", _settings, params={"config_format": "json"})

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Answer:
        """Sample one turn.

        Raises:
            ServerDown: The server failed.
            PolicyError: It failed at this request alone.
            EngineMismatch: It refuses the request.
        """
        body = {
            "token_ids": self._dialect.prompt(request),
            "content_parts": [_content(image) for image in request.images] or None,
            "sampling_params": self._dialect.sampling(request, params),
            "return_token_ids": True,
        }
        try:
            return await self._send("POST", "/inference/v1/generate", _answer, json=body)
        except ServerErred as error:
            # One request that a server cannot bear must not take the servers from all others, one by one.
            if await self._is_well():
                raise PolicyError(
                    f"conversation {request.conversation!r}: {error}; the server says that it is well, so "
                    "others may go on there"
                ) from error
            raise

    async def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Send a request until it is answered; only for requests that may be sent twice.

        Args:
            path: Where.
            body: Sent as JSON.
            query: Query parameters.

        Returns:
            The answer's JSON, None if it has no body.
        """
        return await self._send("POST", path, lambda answer: answer, json=body, params=query)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _go_on(self) -> None:
        await self._send("POST", "/resume", _nothing, timeout=RESUME_SECONDS)
        self.paused = False

    async def _wait_while_paused(self) -> None:
        """A paused server keeps every request until it goes on."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PAUSE_SECONDS
        while await self._is_paused():
            if loop.time() > end:
                raise ServerDown(
                    f"{self.url} stays paused, as a weight update leaves it whose process was killed; if none"
                    f" is under way, start it again, or let it go on: curl -X POST {self.url}/resume"
                )
            await asyncio.sleep(1)

    async def _is_paused(self) -> bool:
        try:
            return await self._send("GET", "/is_paused", lambda body: bool(body["is_paused"]))
        except EngineMismatch:  # started without VLLM_SERVER_DEV_MODE, so nobody can pause it either
            return False

    async def _is_well(self) -> bool:
        try:
            return (await self._http.get("/health", timeout=HEALTH_SECONDS)).is_success
        except httpx.TransportError:
            return False

    async def _send(self, method: str, path: str, read: Callable[[Any], T], **arguments: Any) -> T:
        # With its seed a request gives the same answer again, so one that was lost half-way may be repeated.
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((httpx.RequestError, httpx.HTTPStatusError, _Unreadable)),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
            reraise=True,
        )
        try:
            return await retrying(self._attempt, method, path, read, **arguments)
        except httpx.HTTPStatusError as error:
            what = f"{error.response.status_code} {_reason(error.response)}"
            raise ServerErred(f"{self._failed(path)}: {what}; its log tells why") from error
        except _Unreadable as error:
            raise ServerErred(
                f"{self._failed(path)}: {error}; is this the address of a vLLM server itself?"
            ) from error
        except httpx.RequestError as error:
            raise ServerDown(f"{self._failed(path)}: {error!r}; is the server running?") from error

    def _failed(self, path: str) -> str:
        return f"{self.url}{path} failed {ATTEMPTS} times"

    async def _attempt(self, method: str, path: str, read: Callable[[Any], T], **arguments: Any) -> T:
        response = await self._http.request(method, path, **arguments)
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            response.raise_for_status()
        if response.is_client_error:
            raise EngineMismatch(
                f"{self.url}{path} refuses the request ({response.status_code}): "
                f"{_reason(response)}{_mend(path, response.status_code)}"
            )
        try:
            return read(None if read is _nothing or not response.content else response.json())
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise _Unreadable(f"its answer is none of vLLM's ({_reason(response)!r})") from error


async def tell_all(
    servers: Sequence[VllmServer], path: str, body: Mapping[str, Any] | None = None, **query: Any
) -> None:
    """Send one request to every server that lives; the ones that fail at it are dead afterwards.

    Raises:
        PolicyError: No server is left.
        EngineMismatch: A server refuses the request.
    """
    asked = [server for server in servers if server.alive]
    answers = await asyncio.gather(*(s.post(path, body, **query) for s in asked), return_exceptions=True)
    for server, answer in zip(asked, answers, strict=True):
        if isinstance(answer, ServerDown):
            server.alive = False
        elif isinstance(answer, BaseException):
            raise answer
    if not any(server.alive for server in servers):
        reasons = "; ".join(map(str, answers)) or "all have failed before"
        raise PolicyError(f"no server is left at {path}: {reasons}")


def _nothing(body: None) -> None:
    """Reads an answer of which only the status counts; it need not be JSON."""


def _first_logprob(body: Mapping[str, Any]) -> float:
    return float(body["choices"][0]["logprobs"]["content"][0]["logprob"])


def _settings(body: Mapping[str, Any]) -> EngineSettings:
    config = body["vllm_config"]
    return EngineSettings(
        device=config["device_config"]["device"],
        can_sleep=config["model_config"]["enable_sleep_mode"],
    )


def _content(image: EncodedImage) -> dict[str, str]:
    # vLLM recognises the format by the bytes. The hash names the image in its caches.
    data = base64.b64encode(image.data).decode("ascii")
    return {"type": "image_url", "url": f"data:image/*;base64,{data}", "uuid": image.sha256}


def _answer(body: Mapping[str, Any]) -> Answer:
    [choice] = body["choices"]
    details = body["usage"].get("prompt_tokens_details") or {}
    return Answer(
        prompt_ids=list(body["prompt_token_ids"]),
        token_ids=list(choice["token_ids"]),
        logprobs=[entry["logprob"] for entry in choice["logprobs"]["content"]],
        finish_reason=choice["finish_reason"],
        cached_tokens=details.get("cached_tokens") or 0,
        weight_versions=frozenset(span["version"] for span in choice["weight_versions"] or ()),
    )


def _reason(response: httpx.Response) -> str:
    """What the server says of an error, without whatever else it sends."""
    try:
        body = response.json()
    except ValueError:
        return " ".join(response.text.split())[:500]
    error = body.get("error", body) if isinstance(body, dict) else body
    return str(error.get("message", error) if isinstance(error, dict) else error)[:500]


def _mend(path: str, status: int) -> str:
    if status == httpx.codes.UNAUTHORIZED:
        return "; give its API key in VLLM_API_KEY"
    if status == httpx.codes.NOT_FOUND:
        return "; start it by `deepeyes serve vllm`, or with VLLM_SERVER_DEV_MODE=1 and --enable-scale-out"
    return ""
