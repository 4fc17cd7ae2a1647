"""XEP-0045 section 16.5: the fields that are registered for each form, with their types."""

from __future__ import annotations

from collections.abc import Iterator

from tests.plugins.muc.coven import MUC, ROOM, CovenTestCase
from xmppd.api import Element

#: Sections 16.5.1 to 16.5.4; muc#roominfo_ldapgroup is left out, as nothing here knows of LDAP.
REGISTER = {
    "muc#register_email": "text-single",
    "muc#register_faqentry": "text-multi",
    "muc#register_first": "text-single",
    "muc#register_last": "text-single",
    "muc#register_roomnick": "text-single",
    "muc#register_url": "text-single",
}
REQUEST = {
    "muc#role": "list-single",
    "muc#jid": "jid-single",
    "muc#roomnick": "text-single",
    "muc#request_allow": "boolean",
}
ROOMCONFIG = {
    "muc#maxhistoryfetch": "text-single",
    "muc#roomconfig_allowpm": "list-single",
    "muc#roomconfig_allowinvites": "boolean",
    "muc#roomconfig_changesubject": "boolean",
    "muc#roomconfig_enablelogging": "boolean",
    "muc#roomconfig_getmemberlist": "list-multi",
    "muc#roomconfig_lang": "text-single",
    "muc#roomconfig_pubsub": "text-single",
    "muc#roomconfig_maxusers": "list-single",
    "muc#roomconfig_membersonly": "boolean",
    "muc#roomconfig_moderatedroom": "boolean",
    "muc#roomconfig_passwordprotectedroom": "boolean",
    "muc#roomconfig_persistentroom": "boolean",
    "muc#roomconfig_presencebroadcast": "list-multi",
    "muc#roomconfig_publicroom": "boolean",
    "muc#roomconfig_roomadmins": "jid-multi",
    "muc#roomconfig_roomdesc": "text-single",
    "muc#roomconfig_roomname": "text-single",
    "muc#roomconfig_roomowners": "jid-multi",
    "muc#roomconfig_roomsecret": "text-private",
    "muc#roomconfig_whois": "list-single",
}
ROOMINFO = {
    "muc#maxhistoryfetch": "text-single",
    "muc#roominfo_contactjid": "jid-multi",
    "muc#roominfo_description": "text-single",
    "muc#roominfo_lang": "text-single",
    "muc#roominfo_logs": "text-single",
    "muc#roominfo_occupants": "text-single",
    "muc#roominfo_subject": "text-single",
    "muc#roominfo_subjectmod": "boolean",
}
#: Lists, and what can be chosen from them (example 157).
CHOICES = {
    "muc#roomconfig_allowpm": {"anyone", "participants", "moderators", "none"},
    "muc#roomconfig_getmemberlist": {"moderator", "participant", "visitor"},
    "muc#roomconfig_presencebroadcast": {"moderator", "participant", "visitor"},
    "muc#roomconfig_whois": {"moderators", "anyone"},
}


def descendants(element: Element) -> Iterator[Element]:
    """Return all elements in another one."""
    for child in element.elements():
        yield child
        yield from descendants(child)


class RegisteredFields(CovenTestCase):
    def fields(self, answer: Element, form_type: str) -> dict[str, Element]:
        """Return the fields of the form in a stanza, and see that it is of that kind."""
        fields = {one["var"]: one for one in descendants(answer) if one.name == "field" and one.hasAttribute("var")}
        form = fields.pop("FORM_TYPE")
        self.assertEqual((form["type"], str(form.firstChildElement())), ("hidden", f"{MUC}#{form_type}"))
        return fields

    def have(self, fields: dict[str, Element], registered: dict[str, str]) -> None:
        """All that are registered are there, as they are registered, and say what they are."""
        self.assertEqual({var: fields[var]["type"] for var in registered if var in fields}, registered)
        self.assertEqual([var for var in registered if not fields[var].getAttribute("label")], [])

    def test_register(self) -> None:
        """16.5.1, with muc#register_allow where it is approved."""
        self.create(membersonly="1")
        hag = self.hag()
        hag.send(f"<iq type='get' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'/></iq>")
        self.have(self.fields(hag.take(), "register"), REGISTER)
        self.crone.clear()
        nick = "<field var='muc#register_roomnick'><value>thirdwitch</value></field>"
        form = f"<field var='FORM_TYPE'><value>{MUC}#register</value></field>{nick}"
        x = f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
        hag.send(f"<iq type='set' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'>{x}</query></iq>")
        fields = self.fields(self.crone.take(), "register")
        self.have(fields, {**REGISTER, "muc#register_allow": "boolean"})
        self.assertEqual(str(fields["muc#register_allow"].firstChildElement()), "0")

    def test_request(self) -> None:
        """16.5.2."""
        self.create(moderatedroom="1")
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        form = f"<field var='FORM_TYPE'><value>{MUC}#request</value></field>"
        role = "<field var='muc#role'><value>participant</value></field>"
        hag.send(f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{form}{role}</x></message>")
        self.have(self.fields(self.crone.take(), "request"), REQUEST)

    def asked(self) -> dict[str, Element]:
        self.crone.clear()
        self.crone.send(f"<iq type='get' id='f' to='{ROOM}'><query xmlns='{MUC}#owner'/></iq>")
        return self.fields(self.crone.take(), "roomconfig")

    def test_roomconfig(self) -> None:
        """16.5.3; example 157."""
        self.create()
        fields = self.asked()
        self.have(fields, ROOMCONFIG)
        for var, values in CHOICES.items():
            options = {str(one.firstChildElement()) for one in fields[var].elements() if one.name == "option"}
            self.assertEqual(options, values, var)

    def test_lists_offer_what_is_chosen(self) -> None:
        self.create(maxusers="12")
        for var, field in self.asked().items():
            if field["type"].startswith("list"):
                chosen = {str(one) for one in field.elements() if one.name == "value"}
                options = {str(one.firstChildElement()) for one in field.elements() if one.name == "option"}
                self.assertLessEqual(chosen, options, var)

    def test_form_can_be_sent_back(self) -> None:
        """What is not changed is confirmed as it is: nothing changes, and nobody is told of anything."""
        self.create(roomname="A Dark Cave", lang="en", maxusers="30", whois="anyone", membersonly="1")
        before = self.asked()
        fields = "".join(
            f"<field var='{var}'>{''.join(one.toXml() for one in field.elements() if one.name == 'value')}</field>"
            for var, field in before.items()
        )
        type_ = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
        x = f"<x xmlns='jabber:x:data' type='submit'>{type_}{fields}</x>"
        self.crone.send(f"<iq type='set' id='s' to='{ROOM}'><query xmlns='{MUC}#owner'>{x}</query></iq>")
        self.crone.expect("<iq type='result' id='s'/>")
        self.crone.expect_nothing()
        after = self.asked()
        self.assertEqual({k: v.toXml() for k, v in after.items()}, {k: v.toXml() for k, v in before.items()})

    def test_roominfo(self) -> None:
        """16.5.4."""
        self.create(
            roomdesc="All good witches", lang="en", contactjid="bard@example.org", logs="https://example.org/logs"
        )
        self.crone.send(f"<message type='groupchat' to='{ROOM}'><subject>Fire burn</subject></message>")
        self.crone.clear()
        self.crone.send(
            f"<iq type='get' id='i' to='{ROOM}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        fields = self.fields(self.crone.take(), "roominfo")
        self.assertEqual(set(ROOMINFO) - set(fields), set())
        for var, field in fields.items():
            if var in ROOMINFO and field.hasAttribute("type"):
                self.assertEqual(field["type"], ROOMINFO[var], var)
