"""XEP-0133 Service Administration: the commands on users, lists of users, announcements, and the end of the service."""

from __future__ import annotations

from xmppd.api import (
    AccountDeleted,
    Field,
    IRoster,
    Plugin,
    SessionBound,
    need,
    observe,
    use,
)
from xmppd.api.commands import ICommands
from xmppd.plugins.admin_commands.command import AdminCommand, Declaration
from xmppd.plugins.admin_commands.lists import list_commands
from xmppd.plugins.admin_commands.logins import LOGINS, Logins
from xmppd.plugins.admin_commands.messages import message_commands, shutdown_command
from xmppd.plugins.admin_commands.users import user_commands


class AdminCommands(Plugin):
    """Let administrators manage users from their clients, by the standard commands that clients have menus for."""

    xep = (133, "1.3.1")
    tables = (LOGINS,)

    commands = need(ICommands)
    roster = use(IRoster)

    class Options(Plugin.Options):
        """What administrators are shown and allowed."""

        idle_seconds: float = Field(
            600.0, gt=0, description="Users whose devices have sent nothing for so many seconds are idle."
        )
        longest_list: int = Field(1_000, ge=1, description="Users shown in a list at most.")
        save_seconds: float = Field(60.0, gt=0, description="How often the times of log-ins are written down.")
        shutdown: bool = Field(
            False, description="Let administrators of this host shut the server down, all hosts of it."
        )

    async def start(self) -> None:
        """Offer the commands."""
        self._logins = Logins(self.db)
        self._offered: list[AdminCommand] = []
        self._offer()
        self.every(self.options.save_seconds, self._logins.save)

    async def stop(self) -> None:
        """Take the commands back."""
        self._withdraw()
        await self._logins.save()

    async def reconfigured(self, options: object) -> None:
        """Offer what is allowed now."""
        self._withdraw()
        self._offer()

    def _declared(self) -> list[Declaration]:
        declared = [
            *user_commands(self._logins, lambda: self.roster),
            *list_commands(self.host, lambda: self.options.idle_seconds, lambda: self.options.longest_list),
            *message_commands(),
        ]
        return [*declared, shutdown_command()] if self.options.shutdown else declared

    def _offer(self) -> None:
        for declaration in self._declared():
            command = AdminCommand(self.host, declaration)
            self.commands.add(command, covers=declaration.needs if declaration.covers else ())
            self._offered.append(command)

    def _withdraw(self) -> None:
        for command in self._offered:
            self.commands.remove(command)
        self._offered = []

    @observe(SessionBound)
    def note_login(self, event: SessionBound) -> None:
        """Keep the time."""
        if not event.restored:
            self._logins.note(event.session.account, event.session.bound_at)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete when the account last logged in."""
        await self._logins.forget(event.account)
