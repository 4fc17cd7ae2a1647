"""The server's operations for programs: HTTP (RFC 9110) with JSON, described by OpenAPI 3.1, let in by tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from sqlalchemy import Connection

from xmppd.api import AccountDeleted, Plugin, StorageUnavailable, observe
from xmppd.api.http import Body, BodyLost, Headers, Request, Response, http, http_get, http_stream
from xmppd.api.operations import Operation, OperationError, Permission, Result
from xmppd.plugins.rest import idempotency, results, tokens
from xmppd.plugins.rest.asked import Asked, ask
from xmppd.plugins.rest.gate import Caller, Gate
from xmppd.plugins.rest.idempotency import ANSWERS, Known, Seal
from xmppd.plugins.rest.openapi import document
from xmppd.plugins.rest.options import RestOptions
from xmppd.plugins.rest.problems import Problem, of_operation
from xmppd.plugins.rest.routes import Found, Routes
from xmppd.plugins.rest.token_operations import TokenOperations
from xmppd.plugins.rest.tokens import TOKENS, Token

ROOT = "/api/v1"
_METHODS = frozenset(("POST", "PATCH"))
_UNUSED = 60.0  # seconds after which it is noted again that a token is used
_SWEEP = 3600.0  # seconds
#: What a page of another origin may send, and see of an answer.
_SENT = "authorization, content-type, idempotency-key"
_SHOWN = "idempotent-replayed, link, location, retry-after, www-authenticate"


class Rest(TokenOperations, Plugin):
    """Let programs do what an operator can, over HTTP."""

    tables = (TOKENS, ANSWERS)

    class Options(RestOptions):
        """Limits, and who may ask how."""

    async def start(self) -> None:
        """Begin without knowing anybody."""
        self._gate = self._new_gate()
        self._running: set[tuple[str, str]] = set()
        self._gathered: tuple[Operation, ...] = ()
        self._known = Routes(())
        self.every(_SWEEP, self._sweep)

    async def reconfigured(self, options: object) -> None:
        """Count anew, by other limits."""
        self._gate = self._new_gate()

    def _new_gate(self) -> Gate:
        return Gate(self.options, self._look_up, self.clock.seconds)

    async def _look_up(self, text: str) -> Token | None:
        host = str(self.host.jid)
        token = await self.db.read(lambda c: tokens.find(c, text, host))
        now = self.clock.seconds()
        if token is not None and (token.used_at is None or now - token.used_at >= _UNUSED):
            self.host.spawn(self._note(token.id, now), "noting that a token is used")
        return token

    async def _note(self, id: str, now: float) -> None:
        with suppress(StorageUnavailable):  # who only reads is answered all the same
            await self.db.write(lambda c: tokens.used(c, id, now))

    async def _sweep(self) -> None:
        host, before = str(self.host.jid), self.clock.seconds() - self.options.answer_seconds
        await self.db.write(lambda c: idempotency.forget_before(c, host, before))

    @property
    def _routes(self) -> Routes:
        """Where everything is; made anew when plugins come or go."""
        operations = tuple(self.host.operations.all(Permission.OPERATOR))
        if [id(operation) for operation in operations] != [id(operation) for operation in self._gathered]:
            self._gathered, self._known = operations, Routes(operations)
            for name in self._known.left_out:
                self.log.warn("{operation} is left out: another one is where it would be", operation=name)
        return self._known

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the tokens that an administrator has made who is gone, by whatever way."""
        makers = (str(event.account), f"{event.account} (console)")

        def remove(connection: Connection) -> None:
            for id_ in tokens.delete_of(connection, makers):
                idempotency.forget(connection, id_)

        await self.db.write(remove)

    # Requests

    @http_get(f"{ROOT}/")
    async def get(self, request: Request) -> Response:
        """Run an operation that only reads."""
        return await self._serve(request)

    @http("DELETE", f"{ROOT}/")
    async def delete(self, request: Request) -> Response:
        """Run an operation that deletes something."""
        return await self._serve(request)

    @http_stream("POST", f"{ROOT}/")
    async def post(self, request: Request, body: Body) -> Response:
        """Run an operation. Who may not run it doesn't get to send a body."""
        return await self._serve(request, body)

    @http_stream("PATCH", f"{ROOT}/")
    async def patch(self, request: Request, body: Body) -> Response:
        """Run an operation that changes something."""
        return await self._serve(request, body)

    @http_stream("PUT", f"{ROOT}/")
    async def put(self, request: Request, body: Body) -> Response:
        """Say that nothing is done by this method."""
        return await self._serve(request, body)

    @http("OPTIONS", f"{ROOT}/")
    async def options_of(self, request: Request) -> Response:
        """Say what can be done at a path (RFC 9110 section 9.3.7), and to browsers what pages of theirs may do."""
        return self._for_pages(request, await self._answered(self._allowed, request))

    async def _serve(self, request: Request, body: Body | None = None) -> Response:
        return self._for_pages(request, await self._answered(self._handle, request, body))

    async def _answered(self, handle: Callable[..., Awaitable[Response]], *arguments: object) -> Response:
        try:
            answer = await handle(*arguments)
        except Problem as problem:
            return problem.response()
        except BodyLost:
            raise
        except StorageUnavailable as error:
            self.log.warn("a request could not be handled: {reason}", reason=error.reason)
            wait = {"Retry-After": "10"}
            return Problem(503, "resource-constraint", "The database can't work now.", wait).response()
        except Exception:
            self.log.failure("a request could not be handled")
            return Problem(500, "internal-error", "The request failed; the server's log says why.").response()
        return answer

    async def _allowed(self, request: Request) -> Response:
        methods = sorted({*self._methods(_beneath(request.path)), "OPTIONS"})
        return Response(204, b"", "", Headers({"Allow": ", ".join(methods)}))

    def _methods(self, path: str) -> set[str]:
        own = {"GET", "HEAD"}
        if path in _PAGES:
            return own
        found = set(self._routes.find(path))
        return found | own if "GET" in found else found

    def _for_pages(self, request: Request, answer: Response) -> Response:
        """Let pages of other origins see an answer, as far as the option says (the Fetch standard, section 3.2)."""
        origin, origins = request.headers.get("origin"), self.options.cors_origins
        if not origins:
            return answer
        fields = {**answer.headers, "vary": "Origin"}
        if origin is not None and (origin in origins or "*" in origins):
            fields |= {"access-control-allow-origin": origin, "access-control-expose-headers": _SHOWN,
                       "cross-origin-resource-policy": "cross-origin"}  # fmt: skip
            if request.method == "OPTIONS":
                fields |= {"access-control-allow-methods": fields.get("allow", ""),
                           "access-control-allow-headers": _SENT, "access-control-max-age": "7200"}  # fmt: skip
        return Response(answer.status, answer.body, answer.type, Headers(fields))

    async def _handle(self, request: Request, body: Body | None) -> Response:
        caller = await self._gate.enter(request)
        path = _beneath(request.path)
        if path in _PAGES:
            if request.method != "GET":
                raise _not_allowed(self._methods(path))
            return self._page(path)
        found = self._routes.find(path)
        if not found:
            raise Problem(
                404, "not-found", f"There is nothing at {request.path}; {ROOT}/openapi.json says what there is."
            )
        if request.method not in found:
            raise _not_allowed(self._methods(path))
        here = found[request.method]
        caller.check(here.route.operation)
        asked = await ask(request, body, here, self.options)
        if request.method in _METHODS and asked.key is not None:
            return await self._once(request, caller, here, asked, asked.key)
        return await self._run(request, caller, here, asked)

    def _page(self, path: str) -> Response:
        if path == "/":
            return Response.json({"openapi": f"{ROOT}/openapi.json"})
        content = document(self._routes.all, self.host.web.url(ROOT) or ROOT, self.options.page_rows)
        return Response(200, results.written(content), results.JSON)

    async def _run(self, request: Request, caller: Caller, here: Found, asked: Asked) -> Response:
        operation, own = here.route.operation, str(self.host.jid)
        if caller.token.host and asked.host not in (None, own):
            raise Problem(403, "forbidden", f"This token is for {own}.")
        try:
            result: Result = await self.host.operations.run(
                operation.name, asked.arguments, caller.name, caller.granted, host=asked.host
            )
        except OperationError as error:
            raise of_operation(error) from None
        answer = results.answer(result, here.route, request.path, asked.query, asked.limit)
        subject = operation.name.partition(" ")[0]
        looking = next((r for verb in ("show", "info") if (r := self._routes.of(f"{subject} {verb}"))), None)
        place = results.location(here.route, looking, asked.arguments, result, ROOT)
        return answer if place is None else _with(answer, {"location": place})

    async def _once(self, request: Request, caller: Caller, here: Found, asked: Asked, key: str) -> Response:
        """Run an operation, unless that request was there before (see :mod:`xmppd.plugins.rest.idempotency`)."""
        host, id_, seal, now = str(self.host.jid), caller.token.id, Seal(caller.text), self.clock.seconds()
        parts = (request.method, request.path, request.query)
        told = seal.fingerprint(*(part.encode("utf-8", "surrogatepass") for part in parts), asked.body)
        since = now - self.options.answer_seconds
        known = await self.db.write(lambda c: idempotency.begin(c, host, id_, key, told, now, since))
        if isinstance(known, bytes):
            return _with(seal.open(known, key), {"idempotent-replayed": "true"})
        if known is not Known.NEW:
            raise _already(known, (id_, key) in self._running)
        self._running.add((id_, key))
        try:
            answer = await self._answered(self._run, request, caller, here, asked)
            if answer.status in (429, 503):  # nothing was done
                await self.db.write(lambda c: idempotency.release(c, host, id_, key))
            else:
                kept = seal.close(answer, key)
                await self.db.write(lambda c: idempotency.finish(c, host, id_, key, kept))
        finally:
            self._running.discard((id_, key))
        return answer


_PAGES = frozenset(("/", "/openapi.json"))


def _beneath(path: str) -> str:
    return path.removeprefix(ROOT)


def _with(answer: Response, fields: Mapping[str, str]) -> Response:
    return Response(answer.status, answer.body, answer.type, Headers({**answer.headers, **fields}))


def _not_allowed(methods: set[str]) -> Problem:
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))
    return Problem(405, "method-not-allowed", f"What can be used here is {allowed}.", {"Allow": allowed})


def _already(known: Known, running: bool) -> Problem:
    if known is Known.OTHER:
        return Problem(409, "idempotency-key-reused", "This Idempotency-Key was used with another request.")
    if running:
        return Problem(409, "request-in-progress", "The same request is being carried out.", {"Retry-After": "1"})
    return Problem(409, "outcome-unknown", "The server was stopped while it carried out this request. Look whether it"
                   " was done, and use another Idempotency-Key if it wasn't.")  # fmt: skip
