"""The ledger of all processes that share a recording."""

from __future__ import annotations

import time

from deepeyes_env.search.ledger import next_turn, within
from deepeyes_env.search.recording.database import Database


class RecordedLedger:
    """A ledger in a recording's file: it holds over processes, and over the restarts of a run.

    Turns follow the wall clock, the only one that processes share.
    """

    def __init__(self, database: Database) -> None:
        """Keep the ledger of a recording, which must be writable."""
        self._database = database

    def book(self, queries: int | None, dollars: float | None) -> bool:
        """Count one request, unless a limit is reached."""
        with self._database.transaction() as connection:
            requests, money = connection.execute("SELECT queries, dollars FROM spent").fetchone()
            granted = within(requests, queries) and within(money, dollars)
            if granted:
                connection.execute("UPDATE spent SET queries = queries + 1")
            return granted

    def pay(self, dollars: float) -> None:
        """Add the cost of a request."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE spent SET dollars = dollars + ?", (dollars,))

    def spent(self) -> tuple[int, float]:
        """Requests and US dollars so far."""
        with self._database.transaction(write=False) as connection:
            queries, dollars = connection.execute("SELECT queries, dollars FROM spent").fetchone()
            return queries, dollars

    def take_turn(self, name: str, interval: float, burst: int, patience: float) -> float:
        """Take the next free moment of the service `name`, or none if it is too far off."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT free FROM turns WHERE name = ?", (name,)).fetchone()
            free, now = row[0] if row else 0.0, time.time()
            if free > now + patience + burst * interval:
                free = now  # nobody took such a turn: the clock was set back
            wait, free = next_turn(free, now, interval, burst)
            if wait <= patience:
                connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?)", (name, free))
            return wait
