"""The title and the words of an HTML or Markdown file."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_HIDDEN = {"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "head", "nav"}
"""Elements whose text nobody reads as part of the page."""

_INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd"),
    *("label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"),
}
"""HTML's elements for phrases: they do not part words. All others do."""

_VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
}
"""HTML's elements without an end."""


def read_html(text: str) -> tuple[str, str]:
    """Title and text of a page.

    Args:
        text: HTML, however broken.

    Returns:
        The title element's text, else that of the first `h1`, else nothing; and the text, one line a block.
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.title, reader.text


def read_markdown(text: str) -> tuple[str, str]:
    """Title (the first `#` heading, else nothing) and text of a Markdown file."""
    from markdown_it import MarkdownIt

    without_front_matter = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return read_html(MarkdownIt("commonmark").enable("table").render(without_front_matter))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._text: list[str] = []
        self._titles: dict[str, list[str]] = {"title": [], "h1": []}
        self._open: list[str] = []

    @property
    def title(self) -> str:
        return next((title for pieces in self._titles.values() if (title := _one_line(pieces))), "")

    @property
    def text(self) -> str:
        lines = (" ".join(line.split()) for line in "".join(self._text).split("\n"))
        return "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._part(tag)
        if tag in _HIDDEN or tag in self._titles:
            # A body ends a head that nobody has closed.
            self._open.append(tag)
        elif tag == "body":
            self._open.clear()
        elif tag == "img":
            self._text.append(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        if tag in self._open:
            del self._open[self._open.index(tag) :]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        for tag in self._titles:
            is_first = tag in self._open and not (tag == "h1" and "\0" in self._titles[tag])
            if is_first:
                self._titles[tag].append(data)
        if not any(tag in _HIDDEN or tag == "title" for tag in self._open):
            self._text.append(data.replace("\n", " "))

    def _part(self, tag: str) -> None:
        if tag not in _INLINE and self._text and self._text[-1] != "\n":
            self._text.append("\n")


def _one_line(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())
