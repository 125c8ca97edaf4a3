"""Wrappers around a search engine, one idea each, each a search engine itself.

`deepeyes_env.search.open_search` puts them together as

    Sanitised(Blocklisted(Recorded(Retried(Fallback(RateLimited(Budgeted(provider)), ...)))))

and an episode looks at it through `WithoutQuestion`. From the inside out: every request that leaves, retries
included, and no other counts against the run's budget and takes its turn at its provider's rate; a failing
provider costs no waiting while another one can answer, so the pause before a retry comes after all of them;
recorded answers use up nothing; an answer is recorded as the service gave it, so that better caps and a
longer blocklist also work on old recordings.

No wrapper limits the time of a request that is under way: engines do, each in its own way.
"""
