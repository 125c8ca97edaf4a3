"""Search: what the `search` and `image_search` tools ask."""
