"""The name under which an answer is recorded: a hash of everything that the answer depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from deepeyes_env.images import pixel_hash
from deepeyes_env.search.normal_form import normal_form
from deepeyes_env.search.request import Request, TextRequest


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a request is put to.

    Attributes:
        backend: Name of the engine with that of its corpus, or names of several in their order.
        version: Names the rest of the engine's state; an answer of another version is not found.
        locale: Language and region that the engine is asked for.
    """

    backend: str
    version: str = ""
    locale: str = ""


def canonical(request: Request, origin: Origin) -> str:
    """The request as JSON, the same for every spelling of the same request; ASCII."""
    content = {
        "backend": origin.backend,
        "k": request.k,
        "locale": origin.locale,
        "op": request.operation.value,
        "version": origin.version,
    }
    if isinstance(request, TextRequest):
        content |= {"query": normal_form(request.query)}
    else:
        region = list(request.region) if request.region else None
        content |= {"pixels": pixel_hash(request.image), "region": region}
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def key_of(text: str) -> str:
    """The key of a canonical request: its SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()
