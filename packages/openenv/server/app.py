"""The server where OpenEnv looks for it; `deepeyes_env.adapters.openenv` is all of it."""

from __future__ import annotations

import uvicorn

from deepeyes_env.adapters.openenv import app as make

app = make()


def main() -> None:
    """Serve on port 8000, as the image does."""
    uvicorn.run(app, host="0.0.0.0", port=8000)


if __name__ == "__main__":
    main()
