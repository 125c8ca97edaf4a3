"""Wrappers around a search engine, one idea each, each a search engine itself.

`deepeyes_env.search.open_search` puts them together as

    Sanitised(Blocklisted(Recorded(Retried(Fallback(Budgeted(RateLimited(provider)), ...)))))

From the inside out: every request that leaves, retries included, counts against its provider's rate and the
run's budget; a failing provider costs no waiting while another one can answer, so the pause before a retry
comes after all of them; an answer is recorded as the service gave it, so that better caps and a longer
blocklist also work on old recordings.
"""
