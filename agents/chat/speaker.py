"""A model behind a chat API takes the policy's turns."""

from __future__ import annotations

from agents.chat.client import ChatClient, OnText
from agents.chat.messages import Conversation, chat_messages
from agents.policy import SamplingParams
from agents.speaker import LiveEpisode, turn_seed
from agents.transcript import ContextFull
from agents.vocabulary import Vocabulary
from deepeyes_env.images import PATCH_FACTOR

BYTES_PER_TOKEN = 4
"""Of English prose; a Chinese character is three bytes and a token or less."""


def about_tokens(conversation: Conversation) -> int:
    """About how many tokens a conversation has for a model whose tokenizer is not known here.

    Args:
        conversation: A transcript or a trajectory, its images as the environment shows them.
    """
    said = [part for turn in conversation.turns for part in (turn.text, turn.observation)]
    text = "".join([conversation.system_prompt, conversation.prompt, *said])
    visual = sum(image.pixels // PATCH_FACTOR**2 for image in conversation.images)
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + visual


class ChatSpeaker:
    """Speaks text, so its trajectories are not token-exact: their ids are this side's encoding.

    Attributes:
        client: The server's side.
        vocabulary: Any Qwen2.5-VL tokenizer; the transcript is written with it.
        think_prefill: False: through chat APIs a model begins every turn itself.
        params: How to sample.
        on_text: Follows the text of a turn as it comes.
        max_tokens: About how many tokens a conversation may have, where `vocabulary` does not count as the
            model does; None where it does, and the transcript's own limit holds.
    """

    def __init__(
        self,
        client: ChatClient,
        vocabulary: Vocabulary,
        params: SamplingParams,
        on_text: OnText | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self.client = client
        self.vocabulary = vocabulary
        self.think_prefill = False
        self.params = params
        self.on_text = on_text
        self.max_tokens = max_tokens

    async def speak(self, episode: LiveEpisode) -> str | None:
        """Append the next turn to the episode's transcript; see `agents.speaker.Speaker`.

        Raises:
            ChatRefused: The service will not answer, however often it is asked.
            ContextFull: The conversation is too long for the model, or for `max_tokens`.
            PolicyError: The service failed; the episode can be begun anew.
        """
        transcript = episode.transcript
        tokens = about_tokens(transcript)
        if self.max_tokens is not None and tokens > self.max_tokens:
            raise ContextFull(f"{transcript.name}: about {tokens} tokens exceed {self.max_tokens}")
        try:
            reply = await self.client.turn(
                chat_messages(transcript),
                self.params,
                seed=turn_seed(episode.request.lineage, len(transcript.turns)),
                prompt_tokens=tokens,
                on_text=self.on_text,
                waiting=episode.clock.stopped,
            )
        except ContextFull as error:
            raise ContextFull(f"{transcript.name}: {error}") from error
        text = reply.turn(self.params.stop)
        # A server that goes on after a stop string may reach the limit behind it.
        cut = reply.finish_reason == "length" and not text.endswith(self.params.stop)
        transcript.append_text(text, "length" if cut else "stop")
        return None if cut else text

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self.client.close()
