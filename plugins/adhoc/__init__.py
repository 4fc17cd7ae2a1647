"""XEP-0050 Ad-Hoc Commands: the host's operations, and commands of other plugins, for clients with forms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xmppd.api import Condition, Field, Iq, Jid, Plugin, SessionEnded, StanzaError, iq_set, observe
from xmppd.api.commands import NS, Ask, Filled, ICommand, ICommands
from xmppd.api.disco import DiscoInfo, DiscoItems, Identity, Item
from xmppd.plugins.adhoc import requests
from xmppd.plugins.adhoc.operation_commands import OperationCommand, name_of
from xmppd.plugins.adhoc.requests import LANG, Action, Request
from xmppd.plugins.adhoc.sessions import CommandSession, Sessions
from xmppd.wire import ns


class Adhoc(Plugin):
    """Let clients run commands: administrators what xmppctl can, everybody what is for everybody."""

    xep = (50, "1.3.0")
    features = (NS,)
    provides = (ICommands,)

    class Options(Plugin.Options):
        """Executions that wait for their user."""

        session_seconds: float = Field(600.0, gt=0, description="How long a command waits for a form, in seconds.")
        sessions_per_account: int = Field(
            10, ge=1, description="Commands one account may have under way; a further one ends the oldest."
        )
        sessions: int = Field(1_000, ge=1, description="Commands that may be under way in total.")
        only_english: bool = Field(
            False,
            description="Refuse requests in another language (bad-locale), as the XEP recommends. Otherwise they are"
            " answered in English, the only language there is.",
        )

    async def start(self) -> None:
        """Begin without commands of other plugins."""
        self._commands: dict[str, tuple[ICommand, frozenset[str]]] = {}
        self._sessions = self._new_sessions()

    async def reconfigured(self, options: object) -> None:
        """Begin anew with other limits; executions that are under way expire."""
        self._sessions = self._new_sessions()

    def _new_sessions(self) -> Sessions:
        options = self.options
        return Sessions(options.session_seconds, options.sessions_per_account, options.sessions)

    # ICommands

    def add(self, command: ICommand, covers: Collection[str] = ()) -> None:
        """See :class:`xmppd.api.commands.ICommands`."""
        if command.node in self._commands:
            raise ValueError(f"there is a command {command.node} already")
        self._commands[command.node] = (command, frozenset(covers))

    def remove(self, command: ICommand) -> None:
        """See :class:`xmppd.api.commands.ICommands`."""
        self._commands.pop(command.node, None)

    def _all_for(self, requester: Jid) -> list[ICommand]:
        """The commands that `requester` may execute, by name."""
        added = [(command, covers) for command, covers in self._commands.values() if command.allowed(requester)]
        covered = frozenset[str]().union(*(covers for _, covers in added))
        operations = self.host.operations
        found: list[ICommand] = [command for command, _ in added]
        found += [OperationCommand(operations, o) for o in operations.list(requester) if o.name not in covered]
        return sorted(found, key=lambda command: command.name)

    def _find(self, node: str) -> ICommand | None:
        if node in self._commands:
            return self._commands[node][0]
        name = name_of(node)
        operation = self.host.operations.find(name) if name else None
        return OperationCommand(self.host.operations, operation) if operation else None

    # Discovery (section 2)

    @observe(DiscoItems)
    def list_commands(self, event: DiscoItems) -> None:
        """Answer disco#items for the list of commands with those the asker may execute (section 2.2)."""
        if event.entity == self.host.jid and event.node == NS:
            event.known = True
            event.items += [Item(self.host.jid, c.name, c.node) for c in self._all_for(event.asker)]

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Answer disco#info for the list, or for one command (section 2.2)."""
        if event.entity != self.host.jid or not event.node or event.asker is None:
            return
        if event.node == NS:
            event.identities.append(Identity("automation", "command-list", "Commands"))
            return
        command = self._find(event.node)
        if command is None:
            return
        if command.allowed(event.asker):
            event.identities.append(Identity("automation", "command-node", command.name))
            event.features += [NS, ns.DATA_FORMS]
        else:
            event.refusal = StanzaError(Condition.FORBIDDEN)

    # Execution (section 2.4)

    @iq_set(NS, "command")
    async def execute(self, iq: Iq) -> Iq:
        """Begin a command, go on with one, or cancel it (section 2.4)."""
        request = self._read(iq)
        return await self._execute(self._find(request.node), request, ())

    async def answer(self, iq: Iq, commands: Mapping[str, ICommand]) -> Iq:
        """See :class:`xmppd.api.commands.ICommands`."""
        request = self._read(iq)
        filled = () if request.filled is None else (request.filled,)
        return await self._execute(commands.get(request.node), request, filled)

    def _read(self, iq: Iq) -> Request:
        request = requests.read(iq)
        if self.options.only_english and request.lang and request.lang.lower().partition("-")[0] != LANG:
            raise requests.refuse("bad-locale", "there is nothing but English here")
        return request

    async def _execute(self, command: ICommand | None, request: Request, filled: Sequence[Filled]) -> Iq:
        if command is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text=f"there is no command {request.node}")
        requester = request.iq.sender
        if not command.allowed(requester):
            raise StanzaError(Condition.FORBIDDEN, "cancel", "you may not execute this command")
        if request.session is None:
            return await self._begin(command, request, requester, filled)
        session = self._sessions.find(request.session, requester, request.node, self.clock.seconds())
        session.busy = True
        try:
            return await self._go_on(command, request, session)
        finally:
            session.busy = False

    async def _begin(self, command: ICommand, request: Request, requester: Jid, filled: Sequence[Filled]) -> Iq:
        if request.action is not Action.EXECUTE:
            raise requests.refuse("bad-action", "a command begins with execute")
        outcome = await command.step(requester, filled)
        if not isinstance(outcome, Ask):
            id = self._sessions.new_id()
            self._sessions.note_ended(id)
            return requests.done(request, id, outcome)
        session = self._sessions.begin(requester, request.node, self.clock.seconds())
        session.filled, session.last = filled, outcome.last
        return requests.ask(request, session.id, len(filled), outcome)

    async def _go_on(self, command: ICommand, request: Request, session: CommandSession) -> Iq:
        action = requests.resolve(request.action, len(session.filled), session.last)
        if action is Action.CANCEL:
            self._sessions.end(session)
            return requests.cancelled(request, session.id)
        filled = session.filled[:-1] if action is Action.PREV else (*session.filled, request.filled or {})
        outcome = await command.step(session.owner, filled)
        if not isinstance(outcome, Ask):
            self._sessions.end(session)
            return requests.done(request, session.id, outcome)
        session.filled, session.last = filled, outcome.last
        return requests.ask(request, session.id, len(filled), outcome)

    @observe(SessionEnded)
    def forget(self, event: SessionEnded) -> None:
        """End what the device had begun."""
        self._sessions.end_all_of(event.session.jid)
