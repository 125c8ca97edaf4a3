"""The server where OpenEnv looks for it; `deepeyes_env.adapters.openenv` is all of it."""

from __future__ import annotations

import uvicorn

from deepeyes_env.adapters.openenv import app as make

app = make()


def main() -> None:
    """Serve on port 8000 of this machine alone: OpenEnv has no log-in."""
    uvicorn.run(app, host="127.0.0.1", port=8000)


if __name__ == "__main__":
    main()
