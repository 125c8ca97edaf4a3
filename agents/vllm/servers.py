"""vLLM servers as one `Policy`: turns of one conversation go to one server, and a dead server's to others.

    policy = VllmServers(["http://gpu1:8000", "http://gpu2:8000"], vocabulary, width, weights=folder)
    sample = await policy.generate(request, params)
    await policy.update_weights(model)

Turns that are under way are never mixed with new weights, and stale servers are noticed by their answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agents.policy import GenerationRequest, PolicyError, Sample, SamplingParams
from agents.vllm.loop import BackgroundLoop
from agents.vllm.requests import Dialect, PromptCount
from agents.vllm.server import ServerDown, VllmServer, tell_all
from agents.vllm.settings import TOKEN_VARIABLE
from agents.vllm.weights import WeightChannel, WeightFolder
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import require_url
from deepeyes_env.secret import read_secret


class VllmServers:
    """A `Policy` on one or several vLLM servers with the same model, started by `deepeyes serve vllm`.

    Args:
        urls: Where they are.
        vocabulary: The model's tokenizer by its names.
        width: `V`, width of the model's logits (`config.text_config.vocab_size`).
        weights: How new weights reach the servers; None is a temporary folder, for servers on this machine.

    Raises:
        ConfigError: An address is none, or holds a password.
        PolicyError: A server is not there.
        EngineMismatch: A server was started with other flags.

    Attributes:
        vocabulary: As given.
        prompts: Prompt tokens so far, and how many of them came from prefix caches.
    """

    def __init__(
        self,
        urls: Sequence[str],
        vocabulary: Vocabulary,
        width: int,
        *,
        weights: WeightChannel | None = None,
    ) -> None:
        for url in urls:
            require_url("urls", url)
        self.vocabulary = vocabulary
        self._dialect = Dialect(vocabulary, width)
        self.prompts: PromptCount = self._dialect.count
        self._weights = WeightFolder() if weights is None else weights
        self._loop = BackgroundLoop("vllm-servers")
        token = read_secret(TOKEN_VARIABLE)
        self._servers = [VllmServer(url, self._dialect, token) for url in urls]
        self._has_new_weights = False
        self._updating = asyncio.Lock()
        self._recall = asyncio.Lock()
        self._recalls = 0
        try:
            self._loop.block(self._open())
        except BaseException:
            self._shut()
            raise

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        """Sample one turn; see `Policy.generate`.

        Raises:
            PolicyError: No server is left, a server failed at this turn alone, or the turn was broken off.
            EngineMismatch: The servers cannot do what is asked.
            ValueError: The temperature is neither 0 nor 1.
        """
        return await self._loop.run(self._generate(request, params))

    async def update_weights(self, model: Any) -> None:
        """Give all servers the weights of `model`; dead ones that have come back are used again.

        Running turns are finished first; turns that are asked for meanwhile wait.

        Raises:
            PolicyError: No server took the weights.
        """
        await self._loop.run(self._update(model))

    async def adopt_weights(self) -> None:
        """Go on with the weights that another process has handed over; see `SharedPolicy`.

        Raises:
            PolicyError: No server is there.
        """
        await self._loop.run(self._adopt())

    async def sleep(self, level: int = 1) -> None:
        """Give the servers' accelerators free, after running turns.

        Args:
            level: 1 keeps the weights in main memory, 2 drops them, so that `update_weights` has to follow.

        Raises:
            EngineMismatch: A server was started without --enable-sleep-mode.
        """
        await self._loop.run(self._sleep(level))

    async def wake(self) -> None:
        """Undo `sleep`."""
        await self._loop.run(tell_all(self._servers, "/wake_up"))

    async def close(self) -> None:
        """Close all connections; the servers go on. Idempotent."""
        await asyncio.to_thread(self._shut)

    # --- In the background loop ----------------------------------------------------------------------------

    async def _open(self) -> None:
        await asyncio.gather(*(server.check() for server in self._servers))

    async def _generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        reasons: list[str] = []
        sample = await self._ask_in_turn(request, params, reasons)
        if sample is None and await self._recall_servers():
            sample = await self._ask_in_turn(request, params, reasons)
        if sample is None:
            raise PolicyError(
                f"no server is left for conversation {request.conversation!r}: "
                f"{'; '.join(reasons) or 'all have failed before'}; start them again, then update their "
                "weights"
            )
        return sample

    async def _ask_in_turn(
        self, request: GenerationRequest, params: SamplingParams, reasons: list[str]
    ) -> Sample | None:
        """The first server's sample, or None without any; why servers failed is added to `reasons`."""
        for server in self._preferred(request):
            # Asked when its turn comes: another request may have found it dead meanwhile.
            if not server.alive or server.awaits_weights:
                continue
            try:
                answer = await server.generate(request, params)
            except ServerDown as error:
                server.alive = False
                reasons.append(str(error))
                continue
            if answer.weight_versions <= {server.version}:
                return self._dialect.sample(request, params, answer)
            server.alive = False
            reasons.append(
                f"{server.url} has the weights {sorted(answer.weight_versions)}, not {server.version!r}: "
                "it was started anew, or somebody else changes its weights"
            )
        return None

    async def _recall_servers(self) -> bool:
        """Ask dead servers once more; whether any is left.

        Only while they have the weights that they were started with: one that was started anew has no others.
        """
        seen = self._recalls
        async with self._recall:
            # Of all the conversations that find no server at the same time, one asks.
            if seen == self._recalls and not self._has_new_weights:
                await asyncio.gather(*(_revive_unchanged(server) for server in self._servers))
                self._recalls += 1
        return any(server.alive for server in self._servers)

    def _preferred(self, request: GenerationRequest) -> list[VllmServer]:
        """The servers in the conversation's own order (rendezvous hashing); the first knows it."""
        name = request.conversation or str(request.seed)
        return sorted(self._servers, key=lambda s: hashlib.sha256(f"{name}\n{s.url}".encode()).digest())

    async def _update(self, model: Any) -> None:
        async with self._updating:
            await self._update_all(model)

    async def _update_all(self, model: Any) -> None:
        self._has_new_weights = True
        for server in self._servers:
            # Once it is back it has the weights that it was started with, and is not to be asked yet.
            server.awaits_weights |= not server.alive
        await asyncio.gather(*(_revive(server) for server in self._servers))
        async with _paused(self._servers):
            await self._weights.send(model, self._servers)
            for cache in ("prefix", "mm", "encoder"):
                await tell_all(self._servers, f"/reset_{cache}_cache")
            version = uuid.uuid4().hex
            await tell_all(self._servers, "/update_weight_version", {"new_version": version})
            for server in self._servers:
                server.version, server.awaits_weights = version, False
        if not any(server.alive for server in self._servers):
            raise PolicyError("no server is left: none goes on after it was given weights; start them again")

    async def _adopt(self) -> None:
        self._has_new_weights = True
        for server in self._servers:
            # All are asked again: which of them took the weights, only the process that gave them knows.
            server.alive = False
        await asyncio.gather(*(_revive(server) for server in self._servers))
        if not any(server.alive for server in self._servers):
            raise PolicyError("no server is there to take weights from; start them again, then resume")

    async def _sleep(self, level: int) -> None:
        for server in self._servers:
            if server.alive:
                (await server.settings()).check_sleep()
        await tell_all(self._servers, "/sleep", level=level, mode="wait")

    async def _settled(self) -> None:
        """Wait for an update that was given up: it lets the servers go on first."""
        async with self._updating:
            pass

    # --- Any thread ----------------------------------------------------------------------------------------

    def _shut(self) -> None:
        if self._loop.running:
            self._loop.block(self._settled())
            for server in self._servers:
                self._loop.block(server.close())
            self._loop.stop()
            self._weights.close()


@asynccontextmanager
async def _paused(servers: Sequence[VllmServer]) -> AsyncIterator[None]:
    """Servers that have finished their running turns and begin no others meanwhile.

    Raises:
        PolicyError: No server is left that could be paused.
    """
    asked = [server for server in servers if server.alive]
    for server in asked:
        server.paused = True
    try:
        await tell_all(asked, "/pause", mode="wait")
        yield
    finally:
        # Those too that have failed meanwhile: they would keep all requests of whoever asks them next.
        await asyncio.gather(*(server.resume() for server in asked))


async def _revive(server: VllmServer) -> None:
    """See whether a server that failed is back; with old weights perhaps, so only when it gets new ones."""
    if not server.alive:
        try:
            await server.check()
        except ServerDown:
            return
        server.alive = True


async def _revive_unchanged(server: VllmServer) -> None:
    """See whether a server that failed is back with the very weights that it had."""
    before = server.version
    await _revive(server)
    if server.version != before:
        server.version, server.alive = before, False
