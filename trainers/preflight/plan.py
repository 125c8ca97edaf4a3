"""How much memory and arithmetic a training step takes, on paper, before a GPU is touched.

Pure functions of a model's configuration and of what is trained. Bytes and floating-point operations
throughout; where a number is an assumption and not counted, it is a constant here and printed with the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GIB = 2**30

PEAK_FLOPS = 989e12
"""Dense bfloat16 operations per second of an H100 or H200 (NVIDIA's data sheet)."""

PEAK_SHARE = 0.35
"""Share of the peak that training reaches (stack notes section 7, for the 7B model on 8 to 32 H100)."""

GENERATED_PER_SECOND = 10_000.0
"""Tokens that one GPU samples in a second with the 7B model under vLLM, of 8,000 to 15,000 (stack notes
section 7); other sizes in inverse proportion."""

MEAN_SHARE = 1 / 6
"""Mean length of a conversation over its limit (`max_tokens`): 4,096 of 24,576 tokens (stack notes
section 7)."""

SAMPLED_SHARE = 0.5
"""Share of a conversation's tokens that the policy samples; the rest is prompt, pictures and tool output."""

LOGIT_ENTRIES = 2**27
"""Entries of a chunk of logits whose log-probabilities are computed at once (`agents.chunked_logprobs`)."""

LOGIT_BUFFERS = 4
"""Float32 buffers of a chunk's size that its backward pass holds (same source)."""

SEVEN_BILLION = 7.6e9
"""Parameters of the 7B model's language model, which `GENERATED_PER_SECOND` speaks of."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """A Qwen2.5-VL in numbers.

    Attributes:
        layers: Layers of the language model.
        hidden: Its width.
        inner: Width of its gated MLPs.
        keys: Width of its keys, and of its values.
        vocabulary: Rows of its embedding.
        decoder: Parameters of its layers and last norm.
        embeddings: Parameters of the embedding and of the output layer, once where they are tied.
        vision: Parameters of the vision tower and its projector.
        vision_layers: Layers of the vision tower.
        vision_hidden: Its width.
        vision_inner: Width of its gated MLPs.
    """

    layers: int
    hidden: int
    inner: int
    keys: int
    vocabulary: int
    decoder: int
    embeddings: int
    vision: int
    vision_layers: int
    vision_hidden: int
    vision_inner: int

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.decoder + self.embeddings + self.vision

    @property
    def layer(self) -> int:
        """Parameters of one layer of the language model."""
        return (self.decoder - self.hidden) // self.layers

    def adapters(self, rank: int) -> int:
        """Parameters of LoRA's factors beside every linear layer of the language model."""
        sides = 2 * self.hidden  # q and o: hidden x hidden
        factors = 2 * sides + 2 * (self.hidden + self.keys) + 3 * (self.hidden + self.inner)
        return self.layers * rank * factors


def model_size(config: Any) -> ModelSize:
    """Count a model's parameters from its configuration.

    Args:
        config: A `Qwen2_5_VLConfig`.
    """
    text, vision = config.text_config, config.vision_config
    h, inner, heads = text.hidden_size, text.intermediate_size, text.num_attention_heads
    keys = text.num_key_value_heads * (h // heads)
    attention = h * h + h + 2 * (h * keys + keys) + h * h  # q, k and v with a bias, o without
    layer = attention + 3 * h * inner + 2 * h
    v, v_inner, merged = vision.hidden_size, vision.intermediate_size, 4 * vision.hidden_size
    block = 4 * v * v + 4 * v + 3 * v * v_inner + 2 * v_inner + v + 2 * v
    patches = 3 * vision.temporal_patch_size * vision.patch_size**2 * v
    projector = v + merged * merged + merged + merged * vision.out_hidden_size + vision.out_hidden_size
    tied = config.tie_word_embeddings
    return ModelSize(
        layers=text.num_hidden_layers,
        hidden=h,
        inner=inner,
        keys=keys,
        vocabulary=text.vocab_size,
        decoder=text.num_hidden_layers * layer + h,
        embeddings=text.vocab_size * h * (1 if tied else 2),
        vision=patches + vision.depth * block + projector,
        vision_layers=vision.depth,
        vision_hidden=v,
        vision_inner=v_inner,
    )


@dataclass(frozen=True, slots=True)
class Training:
    """What decides how much a forward and backward pass takes.

    Attributes:
        tokens: Tokens of the longest forward pass, images expanded.
        visual_tokens: How many of them are images'.
        weight_bytes: Bytes of a weight: 4 or, where only adapters are trained, 2.
        compute_bytes: Bytes of an activation: 2 in bfloat16.
        freeze_vision: Whether the vision tower stays as it is.
        lora_rank: Rank of adapters that are trained instead of the weights; 0 for none.
        checkpointing: Whether activations are computed again on the way back.
        packed: Tokens of a row that holds several conversations, kept apart by a mask; 0 for none.
    """

    tokens: int
    visual_tokens: int = 0
    weight_bytes: int = 4
    compute_bytes: int = 2
    freeze_vision: bool = False
    lora_rank: int = 0
    checkpointing: bool = False
    packed: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU, by what they are for.

    Attributes:
        weights: The weights.
        casts: Their copies in the precision of the arithmetic, while a pass needs them.
        gradients: Float32 gradients of what is trained.
        optimizer: AdamW's two moments, float32.
        activations: What the forward pass keeps for the backward pass, at the longest sequence.
        logits: One chunk of logits and what its backward pass holds.
    """

    weights: float
    casts: float
    gradients: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All together; allocators take some percent more."""
        return self.weights + self.casts + self.gradients + self.optimizer + self.activations + self.logits


def training_memory(size: ModelSize, training: Training, shards: int = 1) -> Memory:
    """What one GPU holds at the height of a backward pass.

    Args:
        size: The model.
        training: What is trained, on how long a sequence.
        shards: GPUs that weights, gradients and optimiser are spread over (FSDP2, ZeRO-3); 1 keeps all of
            them on every GPU, as data parallelism does.
    """
    trained = trained_parameters(size, training)
    held = size.parameters * training.weight_bytes + 4 * size.adapters(training.lora_rank)
    if training.compute_bytes == training.weight_bytes and shards == 1:
        casts = 0.0
    elif shards == 1:
        casts = size.parameters * training.compute_bytes  # autocast keeps them until the pass ends
    else:
        casts = (2 * size.layer + size.embeddings) * training.compute_bytes  # this layer and the next
    chunk = min(LOGIT_ENTRIES, training.tokens * size.vocabulary)
    return Memory(
        weights=held / shards,
        casts=casts,
        gradients=4 * trained / shards,
        optimizer=8 * trained / shards,
        activations=activation_bytes(size, training),
        logits=4 * LOGIT_BUFFERS * chunk,
    )


def trained_parameters(size: ModelSize, training: Training) -> int:
    """How many parameters get a gradient."""
    if training.lora_rank:
        return size.adapters(training.lora_rank)
    return size.decoder + size.embeddings + (0 if training.freeze_vision else size.vision)


def activation_bytes(size: ModelSize, training: Training) -> float:
    """What the forward pass keeps for the backward pass.

    Per token and layer that is, in entries: input, normalised input and output of both norms, queries, keys
    and values after rotation, the attention's result, gate, activated gate, up projection and their product.
    Checkpointing keeps the input of every layer, and the rest of one layer at a time.
    """
    entries, vision_entries = layer_entries(size), vision_layer_entries(size)
    patches = 0 if training.freeze_vision or training.lora_rank else 4 * training.visual_tokens
    if training.checkpointing:
        text = training.tokens * (size.layers * size.hidden + entries)
        vision = patches * (size.vision_layers * size.vision_hidden + vision_entries)
    else:
        text = training.tokens * size.layers * entries
        vision = patches * size.vision_layers * vision_entries
    mask = training.packed**2 * (1 + training.compute_bytes)  # SDPA's, and its copy in the precision at work
    return float((text + vision) * training.compute_bytes + mask)


def layer_entries(size: ModelSize) -> int:
    """Entries that a layer of the language model keeps for each token."""
    return 9 * size.hidden + 2 * size.keys + 4 * size.inner


def vision_layer_entries(size: ModelSize) -> int:
    """Entries that a layer of the vision tower keeps for each patch."""
    return 11 * size.vision_hidden + 4 * size.vision_inner


def cache_bytes(size: ModelSize, tokens: int) -> float:
    """Keys and values of `tokens` tokens in bfloat16."""
    return float(2 * size.layers * size.keys * 2 * tokens)


def training_flops(size: ModelSize, training: Training, sequences: float, tokens: float) -> float:
    """Operations of forward and backward passes over some sequences.

    Two a weight and token forward, twice that backward for all that is trained, once for what only hands
    gradients on (LoRA), and the forward pass again with checkpointing. Causal attention looks at half of the
    sequence on average; with a mask, SDPA computes the whole square of a packed row.

    Args:
        size: The model.
        training: What is trained.
        sequences: How many.
        tokens: Tokens of each.
    """
    passes = (2 if training.lora_rank else 3) + training.checkpointing
    vision_passes = 1 if training.freeze_vision or training.lora_rank else passes
    text, vision = _forward_flops(size, training, tokens)
    return sequences * (passes * text + vision_passes * vision)


def scoring_flops(size: ModelSize, training: Training, sequences: float, tokens: float) -> float:
    """Operations of forward passes alone, as a correction of the sampler's log-probabilities needs them."""
    return sequences * sum(_forward_flops(size, training, tokens))


def _forward_flops(size: ModelSize, training: Training, tokens: float) -> tuple[float, float]:
    """Of one sequence: of the language model, and of the vision tower."""
    text = 2 * (size.decoder + size.vocabulary * size.hidden) * tokens
    row = 2 * training.packed if tokens <= training.packed else tokens
    text += 2 * size.layers * size.hidden * tokens * row
    seen = tokens * min(1.0, training.visual_tokens / training.tokens)
    return text, 2 * size.vision * 4 * seen


def training_seconds(flops: float, gpus: int) -> float:
    """Wall time of so much arithmetic, at `PEAK_SHARE` of the peak."""
    return flops / (gpus * PEAK_FLOPS * PEAK_SHARE)


def generation_seconds(size: ModelSize, tokens: float, gpus: int) -> float:
    """Wall time of sampling so many tokens with all GPUs busy; tools and the longest turn come on top."""
    speed = GENERATED_PER_SECOND * SEVEN_BILLION / (size.decoder + size.embeddings)
    return tokens / (gpus * speed)
