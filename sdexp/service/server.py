"""The whole service: API, page and guard, and how it is started."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from sdexp.ground.errors import ConfigError, SdexpError
from sdexp.launch.app_settings import AppSettings
from sdexp.service.catalogue import Catalogue
from sdexp.service.desk import Desk
from sdexp.service.guard import App, Guard
from sdexp.service.house import House
from sdexp.service.older import older_routes
from sdexp.service.refusals import Refusal
from sdexp.service.routes import picture_routes
from sdexp.service.run_routes import run_routes

STATIC = Path(__file__).parent / "static"
TOKEN = "SDEXP_APP_TOKEN"
# What a cookie and an address can hold as it is.
TOKEN_PATTERN = re.compile(r"[A-Za-z0-9._~-]{16,}")
TITLE = "sdexp"
PAGE_METHODS = ["GET", "HEAD"]
WELCOME = "sdexp: original and finetuned pictures of the same noise; /api/docs tells how to ask."


def token_of(settings: AppSettings) -> str | None:
    """What clients have to know; raises `ConfigError` where others could reach us without it."""
    token = os.environ[TOKEN] if TOKEN in os.environ else ""
    if token and not TOKEN_PATTERN.fullmatch(token):
        raise ConfigError(f"{TOKEN}: allowed are 16 or more of A-Z a-z 0-9 . _ ~ -")
    if not token and not settings.is_local:
        raise ConfigError(
            f"host={settings.host}: others could use this machine; set {TOKEN} in the environment, "
            "or host=127.0.0.1"
        )
    return token or None


def make_house(settings: AppSettings, root: Path) -> House:
    """The state of a service over a folder of runs."""
    catalogue = Catalogue(root)
    catalogue.refresh()
    return House(settings, catalogue, Desk(settings, catalogue))


def make_app(house: House, token: str | None) -> App:
    """The application as a server runs it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = {asyncio.create_task(w) for w in (house.desk.run(), house.keep_looking())}
        for task in tasks:
            # A fault of ours ends the service instead of letting all jobs wait for ever.
            task.add_done_callback(_end_with)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    app = FastAPI(
        title=TITLE,
        version=version("sdexp"),
        description=WELCOME,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
    )
    app.include_router(picture_routes(house))
    app.include_router(run_routes(house))
    app.include_router(older_routes(house))
    _add_pages(app)
    _add_errors(app, house)
    hosts = [house.settings.host, *house.settings.allowed_hosts]
    return Guard(app, hosts, token, 1000 * house.settings.max_body_kb)


def _end_with(work: "asyncio.Task[None]") -> None:
    if not work.cancelled() and work.exception() is not None:
        work.get_loop().call_exception_handler(
            {"message": "the desk is gone", "exception": work.exception()}
        )
        os._exit(70)


def _add_pages(app: FastAPI) -> None:
    files = {file.name: file for file in STATIC.iterdir() if file.is_file()}

    @app.api_route("/", methods=PAGE_METHODS, include_in_schema=False)
    async def index(request: Request) -> Response:
        """The page; programs are told in JSON that somebody is there."""
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(files["index.html"], headers={"cache-control": "no-cache"})
        return JSONResponse({"message": WELCOME})

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return FileResponse(files["icon.svg"])

    @app.api_route("/api/docs", methods=PAGE_METHODS, include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(files["docs.html"], headers={"cache-control": "no-cache"})

    @app.api_route("/static/{name}", methods=PAGE_METHODS, include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in files:
            raise Refusal(404, "no such file")
        return FileResponse(files[name], headers={"cache-control": "no-cache"})


def _add_errors(app: FastAPI, house: House) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        return JSONResponse({"detail": error.detail}, error.status, headers)

    @app.exception_handler(SdexpError)
    async def unreadable(request: Request, error: SdexpError) -> JSONResponse:
        """A run that is damaged, or a disk that is full: nothing that the client has done."""
        detail = house.catalogue.shortened(str(error).splitlines()[0])
        return JSONResponse({"detail": detail}, 503, {"retry-after": "60"})

    @app.exception_handler(OSError)
    async def gone(request: Request, error: OSError) -> JSONResponse:
        """A file that was there a moment ago."""
        told = {"detail": "a file of the run cannot be read any more"}
        return JSONResponse(told, 503, {"retry-after": "60"})

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        """What was sent is not repeated: it may be no text at all."""
        return JSONResponse({"detail": _told(error)}, 422)


def _told(error: RequestValidationError) -> str:
    """Each fault once, by the name of its field."""
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query"))
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {message}" if place else message)
    told = "; ".join(dict.fromkeys(lines))
    return told.encode("ascii", "replace").decode()
