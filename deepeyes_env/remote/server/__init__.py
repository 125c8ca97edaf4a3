"""The server of remote environments."""
