"""One turn from a chat server: streamed, paced, tried again, and paid for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import pydantic
import tenacity

from agents.chat.account import Account, Usage
from agents.chat.config import ChatConfig
from agents.chat.messages import Message
from agents.chat.pace import Pace
from agents.chat.refused import ChatRefused
from agents.chat.reply import Reply
from agents.policy import PolicyError, SamplingParams
from agents.transcript import ContextFull
from deepeyes_env.errors import ConfigError
from deepeyes_env.loopback import direct_mounts
from deepeyes_env.search.live.failure import DETAIL_CHARS, on_one_line, seconds_to_wait
from deepeyes_env.secret import read_secret

if TYPE_CHECKING:
    import openai

OnText = Callable[[str], None]
"""Called with the text of a turn so far, whenever it has grown; it is shorter again when a request that broke
is made anew."""

Waiting = Callable[[], AbstractContextManager[None]]
"""Entered while a request must not be made yet: its pace or a pause between attempts holds it back."""

NO_KEY = "none"
"""Sent where there is no key, since the openai package demands one."""

PASSING = (408, 409, 429)
"""Statuses below 500 that may pass (the openai package's own rule); from 500 on all may."""

MENDS = {
    400: "it does not take the request as configured: see `stop`, `sampling` and `length_key`",
    401: "set the environment variable {variable} to a valid key",
    402: "the account is used up",
    403: "set the environment variable {variable} to a key that may use this model",
    404: "check `base_url` (up to and including /v1) and the model's name (GET {base_url}/models lists them)",
    413: "its pictures are too large for this server: lower the environment's `max_pixels`",
    422: "it does not take the request as configured: see `stop`, `sampling` and `length_key`",
}
"""What to do about statuses that do not pass."""


ENDS = (
    dict.fromkeys(("stop", "stop_sequence"), "stop")
    | dict.fromkeys(("eos", "eos_token", "end_turn", "complete"), "end_turn")
    | dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_calls")
    | dict.fromkeys(("length", "max_tokens", "model_length", "repetition"), "length")
)
"""Reasons for the end of a turn that are the model's own, in the words of OpenAI, Anthropic, Mistral, TGI,
Cohere and vLLM, and what they are called here. Any other is the service's doing, with status 200: vLLM's
`abort` and `error`, DeepSeek's `insufficient_system_resource`, a `content_filter`."""

MOST_CHARS, MOST_CHARS_PER_TOKEN = 1024, 16
"""A turn may have the first so many characters and so many more for each of its tokens, four times what texts
have; a server that does not mind the limit of tokens would stream until the time is up."""


class BrokenStream(Exception):
    """A stream that ended before its turn, or was none."""


class ChatClient:
    """Asks one model of one server. Cancelling a call closes its stream.

    Attributes:
        config: Which model, and how it is asked.
        account: What has been used up.
    """

    def __init__(self, config: ChatConfig, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Connect to nothing yet.

        Args:
            config: Which model, and how it is asked.
            sleep: Waits, between attempts and for turns.

        Raises:
            ConfigError: The openai package is missing, or the key has characters that no key has.
        """
        self.config = config
        self.account = Account(config.prices, config.budget)
        self._openai = _package()
        self._key = read_secret(config.api_key_variable) or NO_KEY
        direct = direct_mounts(config.base_url)
        self._client = self._openai.AsyncOpenAI(
            base_url=config.base_url,
            api_key=self._key,
            timeout=config.timeout_seconds,
            max_retries=0,  # it would not try again what breaks after the first byte
            http_client=self._openai.DefaultAsyncHttpxClient(mounts=direct) if direct else None,
        )
        self._requests = Pace(config.rates.requests_per_minute, sleep)
        self._tokens = Pace(config.rates.tokens_per_minute, sleep)
        self._sleep, retry = sleep, config.retry
        self._stop = tenacity.stop_after_attempt(retry.attempts) | tenacity.stop_before_delay(
            retry.total_seconds
        )
        self._jitter = tenacity.wait_random_exponential(
            multiplier=retry.first_seconds, max=retry.longest_seconds
        )

    async def turn(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        seed: int = 0,
        prompt_tokens: int = 0,
        on_text: OnText | None = None,
        waiting: Waiting = nullcontext,
    ) -> Reply:
        """Ask for the next turn.

        Args:
            messages: The conversation, ending with the user's message.
            params: How to sample.
            seed: Seeds the sampling, where the server can.
            prompt_tokens: About how many tokens the conversation has, for the pace and where the server does
                not tell.
            on_text: Follows the text as it comes.
            waiting: Entered while the service must not be asked yet.

        Returns:
            The finished turn.

        Raises:
            ChatRefused: Asking again would not help.
            ContextFull: The conversation is too long for the model.
            PolicyError: It failed however often it was tried.
        """

        async def pause(seconds: float) -> None:
            with waiting():
                await self._sleep(seconds)

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._may_pass),
            stop=self._stop,
            wait=self._pause,
            sleep=pause,
        )
        request = self._request(messages, params, seed)
        try:
            return await retrying(self._attempt, request, params.stop, prompt_tokens, on_text, waiting)
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            raise PolicyError(
                f"{self.config.model} at {self.config.base_url} gave no turn in "
                f"{error.last_attempt.attempt_number} attempts; the last failure: {self._said(last)}; "
                "see whether the server is there (--urls, base_url) and well"
            ) from last
        except self._openai.APIStatusError as error:
            raise self._final(error) from error

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._client.close()

    # --- Inside --------------------------------------------------------------------------------------------

    def _request(self, messages: Sequence[Message], params: SamplingParams, seed: int) -> dict[str, Any]:
        config = self.config
        request: dict[str, Any] = {"model": config.model, "messages": list(messages), "stream": True}
        request |= {"stream_options": {"include_usage": True}, config.length_key: params.max_tokens}
        if config.stop and params.stop:
            request["stop"] = list(params.stop)
        if config.sampling:
            request |= {"temperature": params.temperature, "seed": seed}
        return request

    async def _attempt(
        self,
        request: dict[str, Any],
        stop: Sequence[str],
        prompt_tokens: int,
        on_text: OnText | None,
        waiting: Waiting,
    ) -> Reply:
        self.account.require_room()
        expected = prompt_tokens + self.account.mean_output
        with waiting():
            await self._tokens.take(expected)
        reply = Reply()
        try:
            with waiting():
                await self._requests.take()
            async with asyncio.timeout(self.config.timeout_seconds):
                await self._read(reply, request, stop, on_text)
                reply.finish_reason = _end(reply.finish_reason)
        finally:
            self._book(reply, prompt_tokens, expected)
        return reply

    async def _read(
        self, reply: Reply, request: dict[str, Any], stop: Sequence[str], on_text: OnText | None
    ) -> None:
        most = MOST_CHARS + MOST_CHARS_PER_TOKEN * request[self.config.length_key]
        async with await self._client.chat.completions.create(**request) as stream:
            async for chunk in stream:
                before = reply.pieces
                reply.add(
                    chunk.model_dump(warnings=False) if isinstance(chunk, pydantic.BaseModel) else chunk
                )
                if reply.pieces == before:
                    continue
                if on_text is not None:
                    on_text(reply.so_far(stop))
                if not self.config.stop and reply.has_stopped(stop):
                    reply.finish_reason = "stop"
                    return
                if reply.finish_reason is None and reply.written > most:
                    reply.finish_reason = "length"
                    return

    def _book(self, reply: Reply, prompt_tokens: int, expected: float) -> None:
        """Count what was used, also by an attempt that broke after it had begun."""
        if reply.usage is not None:
            self.account.add(reply.usage, estimated=False)
        elif reply.pieces:
            self.account.add(Usage(prompt_tokens, reply.pieces), estimated=True)
        used = reply.usage.total if reply.usage else (prompt_tokens + reply.pieces if reply.pieces else 0)
        self._tokens.correct(used - expected)

    def _may_pass(self, error: BaseException) -> bool:
        if isinstance(error, self._openai.APIStatusError):
            spent = error.code == "insufficient_quota"  # OpenAI says so with status 429
            return not spent and (error.status_code in PASSING or error.status_code >= 500)
        return isinstance(
            error,
            self._openai.APIError
            | TimeoutError
            | BrokenStream
            | json.JSONDecodeError
            | UnicodeDecodeError
            | pydantic.ValidationError,
        )

    def _pause(self, state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        response = getattr(state.outcome.exception(), "response", None)
        told = None if response is None else seconds_to_wait(response.headers.get("retry-after"))
        return (told or 0.0) + self._jitter(state)

    def _said(self, error: BaseException | None) -> str:
        """The failure for people, without the key, which some services repeat."""
        text = str(error) if self._key == NO_KEY else str(error).replace(self._key, "[secret]")
        return f"{type(error).__name__}: {on_one_line(text)[:DETAIL_CHARS]}"

    def _final(self, error: openai.APIStatusError) -> Exception:
        config, said = self.config, f"status {error.status_code}: {self._said(error)}"
        if error.status_code in (400, 413) and _is_too_long(error):
            return ContextFull(said)
        mend = MENDS[402] if error.code == "insufficient_quota" else MENDS.get(error.status_code, "")
        mend = mend.format(variable=config.api_key_variable, base_url=config.base_url)
        return ChatRefused(f"{config.base_url} refuses {config.model!r} ({said})" + (mend and f"; {mend}"))


def _end(reason: str | None) -> str:
    """What the end of a turn is called here.

    Raises:
        BrokenStream: It is no end of the model's.
    """
    if reason is None:
        raise BrokenStream("the stream ended in the middle of the turn")
    if (end := ENDS.get(reason.lower())) is None:
        raise BrokenStream(f"the service broke the turn off (finish_reason {reason!r})")
    return end


_TOO_LONG = ("context length", "context size", "prompt is too long", "input token count", "too many tokens")
"""How vLLM and SGLang, llama.cpp, Anthropic, Gemini and others say it."""


def _is_too_long(error: openai.APIStatusError) -> bool:
    """OpenAI has a code for it, others have words."""
    said = str(error).lower()
    return error.code == "context_length_exceeded" or any(words in said for words in _TOO_LONG)


def _package() -> Any:
    try:
        import openai
    except ImportError as error:
        raise ConfigError("a chat API needs the openai package: pip install 'deepeyes-gym[api]'") from error
    return openai
