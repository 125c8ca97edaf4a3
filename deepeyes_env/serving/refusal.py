"""What a server says of a request that does not have the right form."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


def tell_problems(app: FastAPI) -> None:
    """Answer invalid requests with 422 and what is wrong with them.

    FastAPI itself would send the input back: megabytes, or what JSON cannot hold.
    """

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        return JSONResponse({"detail": problems}, 422)
