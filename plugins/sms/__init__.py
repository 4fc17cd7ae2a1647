"""A gateway to short messages (SMS): over SMPP, or a provider's HTTP interface (XEP-0100, XEP-0184)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import DeferredLock

from xmppd.api import AccountDeleted, Condition, Jid, JidError, OperationError, Result, StanzaError, observe, operation
from xmppd.api.gateway import Gateway, Outgoing
from xmppd.api.http import Request, Response, http_post
from xmppd.plugins.sms.costs import Costs, in_words
from xmppd.plugins.sms.options import SmsOptions
from xmppd.plugins.sms.parts import Collected, Parts
from xmppd.plugins.sms.provider import Nobody, NoProvider, Provider, Short
from xmppd.plugins.sms.routes import Writers, recipients
from xmppd.plugins.sms.tables import PARTS, SPENT, WRITTEN
from xmppd.plugins.sms.text import Header, count
from xmppd.plugins.sms.web import WebProvider
from xmppd.plugins.sms.webhook import Guard, incoming_in, reports_in

__all__ = ["Sms"]

_EXTRA = "the SMS gateway needs more packages: pip install 'xmppd[sms]'"
_MINUTE, _HOUR = 60.0, 3600.0
_WITHOUT_PLUS = re.compile("[1-9][0-9]{8,14}")  # what is shorter may be a short code


class Sms(Gateway):
    """Let users write short messages to telephones, and get the answers."""

    default = False
    label = "sms"
    network = "sms"
    title = "Short messages"
    instructions = "Register to write short messages to telephones."
    prompt = "Telephone number"
    prompt_help = "Enter the telephone number, beginning with + and the country code."
    receipts = True
    contact_identity = ("client", "sms")
    tables = (SPENT, WRITTEN, PARTS)

    class Options(SmsOptions):
        """How short messages are sent, to whom, and what it may cost."""

    provider: Provider
    guard: Guard | None = None

    # Life

    async def start(self) -> None:
        """Connect to the message centre."""
        self._take_options()
        self._begin_counting()
        self.provider = self._make_provider()
        self.concurrency = self.provider.concurrency
        await super().start()
        await self.costs.load()
        await self.writers.expire()
        self.every(_HOUR, self._expire_here)
        self.every(_MINUTE, self._deliver_incomplete)
        self.provider.start()

    def _take_options(self) -> None:
        options = self.options
        try:
            from xmppd.plugins.sms import numbers
        except ImportError:
            raise ImportError(_EXTRA) from None
        self._numbers = numbers
        try:
            self.owned = {numbers.normal(number): Jid.parse(whose).bare for number, whose in options.numbers.items()}
            self.fallback = [Jid.parse(whose).bare for whose in options.fallback]
        except (ValueError, JidError) as error:
            raise ValueError(f"numbers, or fallback: {error}") from None
        if self.guard is None or self.guard.options != options.webhook:
            self.guard = Guard(options.webhook)
        self._network_options = (options.provider, options.smpp, options.http, options.max_parts)

    def _begin_counting(self) -> None:
        """What is known belongs to the gateway's address; with other options it is counted on."""
        self.costs = Costs(self)
        self.writers = Writers(self)
        self.parts = Parts(self)
        self._senders: dict[str, DeferredLock] = {}
        self._counts_for = self.jid

    async def _expire_here(self) -> None:
        await self.writers.expire()
        await self.costs.expire()

    def _make_provider(self) -> Provider:
        options = self.options
        if options.provider == "http":
            if options.http.url:
                return WebProvider(self.host.network, self.clock, options.http)
            return NoProvider("the option http.url is not set")
        if not options.smpp.endpoint:
            return NoProvider("the option smpp.endpoint is not set")
        try:
            from xmppd.plugins.sms.smpp import SmppProvider
        except ImportError:
            raise ImportError(_EXTRA) from None
        return SmppProvider(self.host.network, self.clock, options.smpp, options.max_parts, self, self.retry)

    async def stop(self) -> None:
        """Take leave of the message centre."""
        await super().stop()
        await self.provider.stop()

    async def reconfigured(self, options: Any) -> None:
        """Take other options: the link is made anew if they are about it."""
        before = self._network_options
        self._take_options()
        if self.jid != self._counts_for:
            self._begin_counting()
            await self.costs.load()
        if before != self._network_options:
            await self.provider.stop()
            self.provider = self._make_provider()
            self.concurrency = self.provider.concurrency
            self.provider.start()
        await super().reconfigured(options)

    # What users send

    def address(self, text: str) -> str:
        """See Gateway."""
        number: str = self._numbers.normal(text, self.options.default_prefix)
        return number

    def source_of(self, user: Jid) -> str:
        """The number, or name, that a user's messages come from."""
        own: str = next((number for number, whose in self.owned.items() if whose == user), self.options.sender)
        return own

    def cost(self, user: Jid, contact: str, body: str) -> int:
        """See Gateway: short messages are counted."""
        smpp = self.options.smpp
        return count(body, smpp.alphabet, smpp.wide_references)

    async def check(self, user: Jid, contact: str, message: Outgoing) -> None:
        """See Gateway: may it be sent to that number, is it short enough, can it be paid?"""
        options = self.options
        if isinstance(self.provider, NoProvider):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, text=f"There is no network: {self.provider.problem}.")
        rules = self._numbers.Rules(
            options.allowed_prefixes, options.denied_prefixes, options.premium, options.short_codes
        )
        refusal = rules.refusal(contact)
        if refusal is not None:
            raise StanzaError(Condition.NOT_ALLOWED, text=refusal)
        if not message.body:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="There is no text.")
        if message.cost > options.max_parts:
            text = f"The text takes {message.cost} short messages, {options.max_parts} are allowed."
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)
        self.costs.check(user, self.costs.amount(contact, message.cost))

    def accepted(self, user: Jid, contact: str, message: Outgoing) -> None:
        """See Gateway."""
        self.costs.spend(message, self.costs.amount(contact, message.cost))
        self.writers.wrote(message, self.source_of(user))

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> Sequence[str] | None:
        """See Gateway."""
        short = Short(self.source_of(user), contact, message.body, message.cost, message)
        return await self.provider.send(short, partial(self.note, message)) or None

    async def unregistered(self, user: Jid) -> None:
        """See Gateway."""
        await self.writers.forget(str(user))

    @observe(AccountDeleted)
    async def account_deleted(self, event: AccountDeleted) -> None:
        """See Gateway."""
        await super().account_deleted(event)
        await self.costs.forget(str(event.account))

    # What comes

    def _contact(self, source: str) -> str:
        """How users know the sender of a message: by a number, or by the name it gives itself."""
        try:
            return self.address(source)
        except ValueError:
            return source.strip() or "unknown"

    async def recipients_of(self, source: str, destination: str) -> list[Jid]:
        """Who gets what comes from `source` to `destination`, a number of ours."""
        contact, own = self._contact(source), self._contact(destination)
        return recipients(
            own,
            numbers=self.owned,
            writers=[writer for writer in await self.writers.to(contact) if writer[1] in self.registrations],
            watchers=(user for user in self.registrations if contact in self.contacts(user)),
            fallback=self.fallback,
        )

    async def received(self, source: str, destination: str, text: str, *, key: str | None = None) -> None:
        """Take a message that has come. Those of one sender are delivered in the order in which they came.

        :param key: a name for it, by which it is known if it comes once more.
        :raises Nobody: it is for nobody.
        """
        lock = self._senders.setdefault(source, DeferredLock())
        await lock.acquire()
        try:
            await self._received(source, destination, text, key)
        finally:
            lock.release()
            if not lock.locked:
                self._senders.pop(source, None)

    async def _received(self, source: str, destination: str, text: str, key: str | None) -> None:
        users = await self.recipients_of(source, destination)
        contact = self._contact(source)
        try:
            self.contact_jid(contact)
        except ValueError:
            contact = "unknown"
        for user in users:
            await self.deliver(user, contact, text, key=key, anybody=True)
        if not users:
            self.log.info("a message from {source} to {own} is for nobody", source=source, own=destination)
            raise Nobody

    async def received_part(self, source: str, destination: str, header: Header, coding: int, data: bytes) -> None:
        """Take a part of a message that has come.

        :raises Nobody: it is for nobody. :raises TooMany: it can't be kept now.
        """
        if not await self.recipients_of(source, destination):
            raise Nobody
        collected = await self.parts.add(source, destination, header, coding, data)
        if collected is not None and collected.complete:
            await self._deliver_parts(collected)

    async def _deliver_parts(self, message: Collected) -> None:
        text = message.text(self.options.smpp.alphabet)
        try:
            await self.received(message.set["source"], message.set["destination"], text, key=message.key)
        except Nobody:
            await self.parts.done(message)
            raise
        await self.parts.done(message)

    async def _deliver_incomplete(self) -> None:
        for message in await self.parts.overdue():
            try:
                await self._deliver_parts(message)
            except Nobody:
                continue

    async def reported(self, name: str, delivered: bool, failure: str | None) -> None:
        """Take a report on a message of ours.

        :param failure: why it will never be delivered.
        """
        if delivered:
            await self.delivered(name)
        elif failure is not None:
            await self.failed(name, StanzaError(Condition.RECIPIENT_UNAVAILABLE, "cancel", failure))

    @http_post("/sms/incoming")
    async def web_incoming(self, request: Request) -> Response:
        """Take messages that a provider passes on."""
        return await self._guarded(request, self._web_incoming)

    async def _web_incoming(self, request: Request) -> Response:
        found = incoming_in(request, self.options.webhook)
        for message in found:
            key = f"web {message.id}" if message.id else None
            try:
                await self.received(self._web_number(message.source), self._web_number(message.destination),
                                    message.text, key=key)  # fmt: skip
            except Nobody:
                continue  # the provider couldn't do anything about it
        return Response.json({"messages": len(found)})

    def _web_number(self, text: str) -> str:
        """Return a number with its plus sign, if the provider writes none."""
        return f"+{text}" if not self.options.http.plus and _WITHOUT_PLUS.fullmatch(text) else text

    @http_post("/sms/report")
    async def web_report(self, request: Request) -> Response:
        """Take a provider's reports."""
        return await self._guarded(request, self._web_report)

    async def _web_report(self, request: Request) -> Response:
        found = reports_in(request, self.options.webhook)
        for report in found:
            await self.reported(report.id, report.delivered, report.failure)
        return Response.json({"reports": len(found)})

    async def _guarded(self, request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        guard = self.guard
        assert guard is not None
        guard.check(request, self.clock.seconds())
        try:
            return await handle(request)
        except Exception:
            guard.forget(request)
            raise

    # Operations

    @operation("sms link", safe=True)
    async def show_link(self) -> Result:
        """Show the link to the message centre, or to the provider, and how many messages wait."""
        return {**self.provider.describe(), "waiting": self.queue.length}

    @operation("sms usage", safe=True, examples=("",))
    async def show_usage(self) -> Result:
        """List who has sent how many short messages today and in this month (UTC), and what it has cost."""
        currency = self.options.currency
        rows: list[dict[str, Any]] = []
        for user in sorted(self.registrations):
            day, month = self.quota.used(str(user))
            spent = in_words(self.costs.spent(str(user)), currency)
            rows.append({"account": str(user), "today": day, "month": month, "spent": spent})
        total = [sum(row[name] for row in rows) for name in ("today", "month")]
        spent = in_words(self.costs.spent(), currency)
        return [*rows, {"account": "(all)", "today": total[0], "month": total[1], "spent": spent}]

    @operation("sms reset", examples=("romeo@example.org",))
    async def reset_usage(self, user: Jid) -> Result:
        """Let a user begin anew: what was sent and spent is forgotten.

        :param user: bare address of the user, who may be one of another server.
        """
        if user not in self.registrations:
            raise OperationError(f"{user} is not registered", Condition.ITEM_NOT_FOUND)
        await self.quota.reset(str(user))
        await self.costs.forget(str(user))
        return f"{user} begins anew."

    @operation("sms route", safe=True, examples=("+491701234567 72524",))
    async def show_route(self, source: str, destination: str = "") -> Result:
        """Say who would get a message.

        :param source: the number it would come from.
        :param destination: the number of ours that it would be sent to.
        """
        return [{"account": str(user)} for user in await self.recipients_of(source, destination)]
