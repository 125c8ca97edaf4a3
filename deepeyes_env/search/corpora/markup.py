"""The title and the words of an HTML or Markdown file."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

from markdown_it import MarkdownIt

HIDDEN = {"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "nav", "title"}
"""Elements whose text is not a part of the page; the title is read apart."""

INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins"),
    *("kbd", "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var"),
    "wbr",
}
"""HTML's elements inside a line; all others stand apart from what is around them."""


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
    title = _one_line(reader.titles["title"]) or _one_line(reader.titles["h1"])
    lines = "".join(reader.text).split(_BREAK)
    return title, "\n".join(line for line in (_one_line([line]) for line in lines) if line)


def read_markdown(text: str) -> tuple[str, str]:
    """Title (the first heading of level 1, else nothing) and text of a Markdown file."""
    without_front_matter = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return read_html(MarkdownIt("commonmark").enable("table").render(without_front_matter))


_BREAK = "\x1d"
"""ASCII's group separator, which no text has: between blocks, for line ends of the source are only spaces."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.titles: dict[str, list[str]] = {"title": [], "h1": []}
        self._title: list[str] | None = None
        self._hidden: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._part(tag)
        if tag in HIDDEN:
            self._hidden[tag] += 1
        if not self.titles.get(tag, True):
            self._title = self.titles[tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._part(tag)

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        if tag in self.titles:
            self._title = None
        self._hidden -= Counter([tag])  # never less than none

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
        if not self._hidden:
            self.text.append(data)

    def _part(self, tag: str) -> None:
        if tag not in INLINE:
            self.text.append(_BREAK)


def _one_line(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())
