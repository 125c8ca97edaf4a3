"""Record and replay: the answers of search engines in one SQLite file."""
