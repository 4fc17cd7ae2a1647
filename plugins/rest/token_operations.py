"""Operations on tokens: ``token add``, ``token list``, ``token delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmppd.api.operations import OperationError, Result, operation
from xmppd.api.scopes import check_scope
from xmppd.plugins.rest import idempotency, tokens
from xmppd.plugins.rest.tokens import Token
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition

if TYPE_CHECKING:
    from xmppd.api import IClock, IDatabase, IHost
    from xmppd.plugins.rest.options import RestOptions

__all__ = ["TokenOperations"]

_DAY = 86_400.0
_MOST_DAYS = 36_500
_LONGEST = 64  # characters of a label
#: Who runs operations by the admin socket, and how programs are called that do it by this plugin.
_OPERATOR, _PROGRAM = "operator", "token "


class TokenOperations:
    """Base of the plugin."""

    if TYPE_CHECKING:
        host: IHost
        clock: IClock
        db: IDatabase
        options: RestOptions

    @operation(
        "token add",
        examples=("ci --scopes 'read'", "billing --scopes 'user:*, session list' --days 30", "backup --server-wide"),
    )
    async def add_token(
        self,
        label: str,
        *,
        scopes: str = "read",
        days: int | None = None,
        server_wide: bool = False,
        host: str | None = None,
        actor: str = _OPERATOR,
    ) -> Result:
        """Make a token by which a program may use the HTTP interface. It is shown once, and not stored.

        :param label: what it is for; the log names it.
        :param scopes: what it may do, separated by commas: `read`, `user:read`, `user:*`, `user add` or `*`.
        :param days: how long it can be used; 0 is for ever. A year, unless the options of the server say otherwise.
        :param server_wide: for all hosts, and for what is the operator's alone.
        :param host: the domain it is for.
        """
        if actor.startswith(_PROGRAM):
            raise OperationError("a token can't make tokens", Condition.FORBIDDEN)
        if server_wide and not _is_operator(actor):
            raise OperationError(
                "only the operator can make a token for the whole server, by xmppctl", Condition.FORBIDDEN
            )
        lasts = self.options.token_days if days is None else days
        if not 0 <= lasts <= _MOST_DAYS:
            raise OperationError(f"days: between 0 and {_MOST_DAYS} are possible")
        text, now = tokens.new_text(), self.clock.seconds()
        token = Token(
            tokens.id_of(text),
            tokens.digest_of(text),
            "" if server_wide else str(self.host.jid),
            _checked_label(label),
            _checked_scopes(scopes),
            now,
            actor,
            now + lasts * _DAY if lasts else None,
        )
        await self.db.write(lambda c: tokens.add(c, token))
        return {"id": token.id, "token": text, **_shown(token)}

    @operation("token list", safe=True, examples=("",))
    async def list_tokens(
        self, *, limit: int = 0, after: str = "", host: str | None = None, actor: str = _OPERATOR
    ) -> list[dict[str, Any]]:
        """List the tokens there are: what they may do, and when they were used. Those for the whole server are shown
        to its operator.

        :param limit: at most so many; 0 is no limit.
        :param after: those behind this id only.
        :param host: the domain they are for.
        """
        hosts = self._hosts(actor)
        found = await self.db.read(lambda c: tokens.listing(c, hosts, max(0, limit), after))
        return [{"id": token.id, **_shown(token)} for token in found]

    @operation("token delete", examples=("0123456789abcdef",))
    async def delete_token(self, id: str, *, host: str | None = None, actor: str = _OPERATOR) -> Result:
        """Delete a token. Whoever uses it is refused from now on.

        :param id: its id, as in the list.
        :param host: the domain it is for.
        """
        hosts = self._hosts(actor)

        def remove(connection: Any) -> bool:
            found = tokens.delete_by_id(connection, id, hosts)
            if found:
                idempotency.forget(connection, id)
            return found

        if not await self.db.write(remove):
            raise OperationError(f"there is no token {id}", Condition.ITEM_NOT_FOUND)
        return f"Deleted the token {id}."

    def _hosts(self, actor: str) -> list[str]:
        return [str(self.host.jid), *([""] if _is_operator(actor) else [])]


def _is_operator(actor: str) -> bool:
    """Is it who may use the admin socket? They are called ``operator (alice)``, where the system tells a name."""
    return actor == _OPERATOR or actor.startswith(f"{_OPERATOR} (")


def _checked_label(label: str) -> str:
    if not 0 < len(label.strip()) <= _LONGEST or not label.isprintable():
        raise OperationError(f"label: a text of 1 to {_LONGEST} characters is expected")
    return label.strip()


def _checked_scopes(text: str) -> tuple[str, ...]:
    try:
        found = tuple(dict.fromkeys(check_scope(scope.strip()) for scope in text.split(",") if scope.strip()))
    except ValueError as error:
        raise OperationError(f"scopes: {error}") from None
    if not found:
        raise OperationError("scopes: there is none; a token that may do nothing is of no use")
    return found


def _shown(token: Token) -> dict[str, Any]:
    return {
        "label": token.label,
        "host": token.host or "(server)",
        "scopes": ", ".join(token.scopes),
        "created": format_datetime(token.created_at),
        "by": token.created_by,
        "expires": "" if token.expires_at is None else format_datetime(token.expires_at),
        "used": "" if token.used_at is None else format_datetime(token.used_at),
    }
