"""XEP-0100: a gateway to mail. Messages become mails (RFC 5322), and answers to them messages.

:mod:`.composing` writes a mail and :mod:`.smtp_out` hands it over, :mod:`.smtp_in` takes one, :mod:`.judging` says what
it is, :mod:`.reading` what is in it; :mod:`.store` has the addresses for answers, and the conversations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xmppd.api import Condition, Jid, StanzaError
from xmppd.api.gateway import Gateway, Outgoing, RegistrationField, TryAgain
from xmppd.api.limits import Window
from xmppd.api.network import IPort, NoConnection
from xmppd.api.waiting import settled
from xmppd.plugins.email import store
from xmppd.plugins.email.addresses import is_within, parse_address, split_address
from xmppd.plugins.email.composing import Draft, compose, one_line
from xmppd.plugins.email.inbox import Answer, Inbox
from xmppd.plugins.email.judging import Report, goes_in_circles, is_authenticated, is_automatic, read_report
from xmppd.plugins.email.options import MailOptions
from xmppd.plugins.email.reading import BadMail, Letter, parse, read_letter
from xmppd.plugins.email.store import Store, Thread

if TYPE_CHECKING:
    from xmppd.plugins.email.smtp_in import Receiver

_HOUR = 3600.0
_DAY = 86400.0
_LONGEST_THREAD = 200  # characters of a name that is kept; messages with a longer one are taken as without
_LATE = 300.0  # seconds after which a mail is stamped with when it was sent
_TAKEN = Answer(250, "2.0.0 Delivered")
_DROPPED = Answer(250, "2.0.0 Taken, and not delivered: it is automatic")


class Email(Gateway):
    """Let users write to mail addresses, and get the answers as messages."""

    default = False
    network = "smtp"
    title = "Mail"
    instructions = "Register to write mails. Answers to them come to you as messages."
    prompt = "Mail address"
    prompt_help = "Please enter the mail address of the person you would like to write to."
    fields = (RegistrationField("name", "Your name, as recipients see it", required=False),)
    tables = (store.ADDRESSES, store.THREADS)
    concurrency = 5

    class Options(MailOptions):
        """Where mail goes to, where it comes from, and what is taken."""

    async def start(self) -> None:
        """Open the port that answers come to."""
        await super().start()
        self._port: IPort | None = None
        self._receiver: Receiver | None = None
        self._prepare()
        self.every(_HOUR, self._expire_threads)
        await self._open()

    def _prepare(self) -> None:
        self._store = Store(self.db, str(self.jid))
        self._lately = Window(self.options.mails_per_hour, _HOUR)
        self.mail_domain = split_address(parse_address(f"x@{self.options.mail_domain or self.jid.domain}"))[1]

    async def _open(self) -> None:
        from xmppd.plugins.email.smtp_in import Receiver  # see there why not before

        options = self.options
        if options.listen:
            self._receiver = Receiver(
                Inbox(
                    self.mail_domain, self.clock, self._exists, self._take,
                    options.max_octets, options.connections, options.smtp_seconds,
                )
            )  # fmt: skip
            self._port = await self.host.network.listen(options.listen, self._receiver)

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await settled(port.stopListening())
        if self._receiver is not None:
            self._receiver.close()

    async def stop(self) -> None:
        """Close the port."""
        await self._close()
        await super().stop()

    async def reconfigured(self, options: Options) -> None:
        """Open the port anew."""
        await super().reconfigured(options)
        await self._close()
        self._prepare()
        await self._open()

    async def _expire_threads(self) -> None:
        await self._store.expire(self.clock.seconds() - self.options.thread_days * _DAY)

    async def unregistered(self, user: Jid) -> None:
        """Take no more answers."""
        await self._store.forget(user)

    # To mail

    def address(self, text: str) -> str:
        """Return a mail address that users may write to."""
        address = parse_address(text)
        domain = split_address(address)[1]
        if domain == self.mail_domain:
            raise ValueError("this address belongs to the gateway")
        if self.options.recipients and not is_within(domain, self.options.recipients):
            raise ValueError(f"users may not write to {domain}")
        return address

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> str:
        """Hand a mail over to the mail server. A report may come by its Message-ID, to the address it came from."""
        from xmppd.plugins.email.smtp_out import Submission  # see there why not before

        content, token, id = await self._write(user, contact, message)
        options = self.options
        submission = Submission(
            self.clock,
            sender=f"{token}@{self.mail_domain}",
            recipient=contact,
            content=content,
            identity=self.mail_domain,
            login=(options.username, options.password.get_secret_value()) if options.username else None,
            starttls=options.starttls_name,
            timeout=options.smtp_seconds,
        )
        try:
            await self.host.network.connect(options.smarthost, submission, options.smtp_seconds)
        except NoConnection as error:
            raise TryAgain(f"the mail server: {error}") from None
        await submission.outcome
        return f"{token} {id}"

    async def _write(self, user: Jid, contact: str, message: Outgoing) -> tuple[bytes, str, str]:
        """Return the mail, the localpart of the address for answers, and the Message-ID.

        The Message-ID is the same when it is tried again, so that the recipient's programs can see that.
        """
        id = f"<{message.key}@{self.mail_domain}>"
        self._check_there(user)
        token = await self._store.token_for(user, contact)
        thread = await self._thread(user, contact, message)
        before = [known for known in thread.ids if known != id]
        subject = one_line(message.subject)
        if not subject:
            subject = _answer_to(thread.subject) if before else self.options.subject.replace("{user}", user)
        self._check_there(user)
        await self._store.put_thread(
            user,
            contact,
            Thread(thread.name, thread.subject or subject, thread.ids).with_mail(id, self.clock.seconds()),
        )
        draft = Draft(
            name=self.registrations[user].values.get("name") or user,
            sender=f"{token}@{self.mail_domain}",
            recipient=contact,
            subject=subject,
            text=message.body,
            footer=self.options.footer.replace("{user}", user),
            id=id,
            references=before,
            date=message.accepted_at,
            domain=self.mail_domain,
        )
        return compose(draft), token, id

    def _check_there(self, user: Jid) -> None:
        """Nothing is stored any more, nor sent, for who has unregistered meanwhile."""
        if user not in self.registrations:
            raise StanzaError(Condition.REGISTRATION_REQUIRED)

    async def _thread(self, user: Jid, contact: str, message: Outgoing) -> Thread:
        known = {thread.name: thread for thread in await self._store.threads(user, contact)}
        name = message.thread if len(message.thread) <= _LONGEST_THREAD else ""
        thread = known.get(name, Thread(name))
        silence = self.clock.seconds() - thread.at
        if not name and silence > self.options.conversation_hours * _HOUR:
            return Thread("")
        return thread

    # From mail

    async def _exists(self, address: str) -> bool:
        return await self._owner(address) is not None

    async def _owner(self, address: str) -> tuple[Jid, str] | None:
        local, domain = split_address(address.lower())
        if domain != self.mail_domain:
            return None
        owner = await self._store.owner_of(local)
        return owner if owner is not None and owner[0] in self.registrations else None

    async def _take(self, sender: str, recipients: Sequence[str], content: bytes) -> Answer:
        """Take a mail that another server has brought."""
        options = self.options
        try:
            mail = parse(content)
        except BadMail as error:
            return Answer(554, f"5.6.0 {error}")
        if goes_in_circles(mail, self.mail_domain, options.hops):
            return Answer(554, "5.4.6 This mail goes in circles")
        report = None if sender else read_report(mail)
        if report is not None:
            return await self._reported(report, recipients)
        if not options.automatic and (not sender or is_automatic(mail)):
            self.log.info("an automatic mail for {recipients} is dropped", recipients=", ".join(recipients))
            return _DROPPED
        letter = read_letter(mail)
        if options.authserv_id and not is_authenticated(mail, options.authserv_id, letter.sender):
            return Answer(550, "5.7.26 It is not proven that the mail is from whom it says")
        key = letter.id or hashlib.sha256(content).hexdigest()
        refusals: list[Answer] = []
        for recipient in recipients:
            answer = await self._hand_over(recipient, letter, key)
            if answer is not None and answer.code < 500:
                return answer  # all of it comes again, and who has it gets it no more
            refusals += [answer] if answer is not None else []
        return refusals[0] if refusals and len(refusals) == len(recipients) else _TAKEN

    async def _reported(self, report: Report, recipients: Sequence[str]) -> Answer:
        """Take a report; who doesn't know the address that a mail came from can't report on it."""
        tokens = {split_address(recipient.lower())[0] for recipient in recipients}
        for reference in [f"{token} {id}" for token in sorted(tokens) for id in report.about]:
            if report.action == "failed":
                await self.failed(reference, report.error)
            elif report.action == "delivered":
                await self.delivered(reference)
        return _TAKEN

    async def _hand_over(self, recipient: str, letter: Letter, key: str) -> Answer | None:
        """Deliver a mail to one recipient; return an answer only if that is not possible."""
        owner = await self._owner(recipient)
        if owner is None:
            return Answer(550, "5.1.1 There is no such address")
        user, contact = owner
        now, pair = self.clock.seconds(), f"{user} {contact}"
        if self._lately.full(pair, now):
            return Answer(451, "4.7.1 There are too many mails to this address; try again later")
        self._lately.add(pair, now)
        thread = _thread_of(letter, await self._store.threads(user, contact))
        new = not thread.ids or _bare(letter.subject) != _bare(thread.subject)
        try:
            await self.deliver(
                user, contact, self._text(letter, contact), subject=letter.subject if new else "", thread=thread.name,
                key=f"{contact} {key}",
                sent_at=letter.date if letter.date is not None and letter.date < now - _LATE else None,
            )  # fmt: skip
        except StanzaError as error:
            return Answer(550 if error.condition is Condition.REGISTRATION_REQUIRED else 451, "5.1.1 Not delivered")
        if user in self.registrations:  # still
            await self._store.put_thread(user, contact, thread.with_mail(letter.id, now))
        return None

    def _text(self, letter: Letter, contact: str) -> str:
        """Return what the user reads. Whoever it says it is from, it is shown as from whom the address was made for."""
        text = letter.text
        if len(text) > self.options.max_characters:
            text = text[: self.options.max_characters] + " [the rest is left out]"
        lines = [] if letter.sender == contact else [f"[from {one_line(f'{letter.name} {letter.sender}') or 'nobody'}]"]
        return "\n".join([*lines, *([text] if text else []), *letter.attachments]) or "[an empty mail]"


def _thread_of(letter: Letter, known: Sequence[Thread]) -> Thread:
    """Return the conversation that a mail belongs to: one with a mail that it answers, or that began as it did."""
    name = hashlib.sha256(letter.root.encode()).hexdigest()[:16] if letter.root else ""
    answered = (thread for thread in known if set(thread.ids) & set(letter.answers))
    begun_alike = (thread for thread in known if name and thread.name == name)
    return next(answered, None) or next(begun_alike, None) or Thread(name, letter.subject)


def _bare(subject: str) -> str:
    """Return a subject without what mail programs put before it when they answer."""
    bare = subject.strip().lower()
    while bare.partition(":")[0] in ("re", "aw", "sv", "antw", "fwd", "fw", "wg"):
        bare = bare.partition(":")[2].strip()
    return bare


def _answer_to(subject: str) -> str:
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"
