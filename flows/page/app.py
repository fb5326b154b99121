"""The page as a web application: a few addresses, each a call of the desk and a template.

Endpoints are plain functions, which FastAPI runs on threads of their own, so that one reviewer's wait for the store is
not the others'.
"""

import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from culpa.flows.page.bodies import Asking, Deciding, Undoing, Wanted
from culpa.flows.page.security import CSRF_HEADER, HEADERS, Door
from culpa.tasks.errors import BadInput, Busy, CulpaError
from culpa.tasks.queue import Desk, Gone, Shown, ask
from culpa.tasks.report import wording
from culpa.tasks.reviews.decide import Decided, Overtaken, Seen

__all__ = ["make_app"]

Next = Callable[[Request], Awaitable[Response]]
CODES: Mapping[type[CulpaError], int] = {Overtaken: 409, Gone: 404, Busy: 503, BadInput: 422}
MOST_CHOICES = 500  # values of one list to choose from


def make_app(desk: Desk, door: Door, by: str | None = None) -> FastAPI:
    """The application; `by` is the reviewer's name where the command was told it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _guard(app, door)
    _explain_failures(app)
    _show(app, desk, door, by)
    _write(app, desk)
    return app


def _guard(app: FastAPI, door: Door) -> None:
    @app.middleware("http")
    async def guard(request: Request, answer: Next) -> Response:
        response = _turned_away(request, door) or await _answered(request, answer)
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response


async def _answered(request: Request, answer: Next) -> Response:
    try:
        return await answer(request)
    except Exception:
        traceback.print_exc()
        return JSONResponse({"message": "something failed that nobody foresaw; the terminal says what"}, 500)


def _turned_away(request: Request, door: Door) -> Response | None:
    refusal = door.refuse_stranger(request.method, request.headers)
    if refusal is not None:
        return JSONResponse({"message": refusal.message}, refusal.code)
    if door.knows(request.cookies.get(door.cookie)):
        return None
    token = request.query_params.get("token")
    if request.method != "GET" or request.url.path != "/" or token is None:
        return _said("Open the address that `culpa review` printed: it holds the key to this page.", 401)
    if not door.knows(token):
        return _said("This key is from an earlier start. Open the address that `culpa review` printed last.", 403)
    response = RedirectResponse("/", 303)  # so that the key does not stay in the address
    response.set_cookie(door.cookie, token, httponly=True, samesite="strict", path="/")
    return response


def _explain_failures(app: FastAPI) -> None:
    def explain(_: Request, error: Exception) -> Response:
        code = next((code for kind, code in CODES.items() if isinstance(error, kind)), 500)
        return JSONResponse({"message": str(error)}, code)

    app.add_exception_handler(CulpaError, explain)


def _show(app: FastAPI, desk: Desk, door: Door, by: str | None) -> None:
    @app.get("/")
    def page() -> Response:
        queue = desk.queue
        choices = {name: queue.values(column)[:MOST_CHOICES] for name, column in LISTS.items()}
        told = {"dataset": desk.dataset, "task": queue.run.task, "classes": queue.classes, "choices": choices}
        return _html("page.html", **told, by=by, header=CSRF_HEADER, secret=door.page_secret)

    @app.get("/page.css")
    def style() -> Response:
        return Response(_beside("page.css"), media_type="text/css")

    @app.get("/page.js")
    def script() -> Response:
        return Response(_beside("page.js"), media_type="text/javascript")

    @app.get("/state")
    def state(row: str | None = None) -> dict[str, Any]:
        progress = desk.progress()
        last_id = None
        if row is not None and row in desk.queue.place:
            last_id = desk.last_id(row)
        return {
            **vars(progress),
            "precision_left": wording.share(progress.precision_left),
            "stamp": desk.stamp,
            "last_id": last_id,
            "busy": desk.busy,
        }

    @app.get("/row")
    def row(wanted: Annotated[Wanted, Depends()], row: str | None = None, step: int = 1) -> dict[str, Any]:
        if step == 0 and row is not None:
            return _row(desk.row(row, wanted.as_filter()))
        shown = desk.step(wanted.as_filter(), row, step)
        return {"row_id": None} if shown is None else _row(shown)

    @app.get("/history")
    def history(row: str) -> Response:
        return _html("history.html", history=desk.history(row))

    @app.post("/ask")
    def answer(asking: Asking) -> Response:
        return _html("answer.html", answer=ask(desk.store, asking.sql))


LISTS = {"label": "given_label", "tag": "tag", "source": "source"}


def _write(app: FastAPI, desk: Desk) -> None:
    @app.post("/decide")
    def decide(body: Deciding) -> dict[str, Any]:
        seen, note = Seen(body.last_id, body.row_hash), (body.note or "").strip() or None
        return _done(desk.decide(body.row_id, body.decision, body.new_label, by=body.by.strip(), note=note, seen=seen))

    @app.post("/undo")
    def undo(body: Undoing) -> dict[str, Any]:
        seen = Seen(body.last_id, body.row_hash)
        return _done(desk.undo(body.row_id, body.decision_id, by=body.by.strip(), seen=seen))


def _done(decided: Decided) -> dict[str, Any]:
    return {"decision_id": decided.last_id, "decision": next(iter(decided.by_decision))}


def _row(shown: Shown) -> dict[str, Any]:
    said = shown.view.said
    return {
        "row_id": said["row_id"],
        "row_hash": said["row_hash"],
        "last_id": shown.last_id,
        "number": shown.number,
        "matching": shown.matching,
        "suggested_label": said["suggested_label"],
        "given_label": said["given_label"],
        "html": _environment().get_template("row.html").render(shown=shown, said=said, view=shown.view),
    }


def _said(message: str, code: int) -> Response:
    return HTMLResponse(_environment().get_template("message.html").render(message=message), code)


def _html(template: str, **values: Any) -> Response:
    return HTMLResponse(_environment().get_template(template).render(**values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("culpa.flows", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # an update of the package must not reach into a page that is open
    )
    environment.filters |= {name: getattr(wording, name) for name in wording.__all__}
    return environment


@cache
def _beside(name: str) -> str:
    return files("culpa.flows.page").joinpath(name).read_text(encoding="utf-8")
