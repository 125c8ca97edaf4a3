"""What others have published: the paper's Tables 1 to 10 and independent re-runs, one TOML file a table.

    published_for("realx")   every figure of a suite, with source and protocol

A file holds columns (suite, subset, items), rows (model, tools, values as printed; "–" where there is none)
and notes on what is misprinted or odd. Nothing is corrected: a misprint stands as printed, with its note.
"""

from benchmarks.published.figure import Figure, Protocol
from benchmarks.published.reader import known_suites, published_for, read_table, tables

__all__ = ["Figure", "Protocol", "known_suites", "published_for", "read_table", "tables"]
