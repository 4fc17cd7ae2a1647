"""Rooms: those there are, who is in them, and what can be done with them."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Done, FormError, Group, View, action, marked, page, view
from xmppd.plugins.console.views.users import address

_MOST = 200
_AFFILIATIONS = {
    "owner": marked("Owner"), "admin": marked("Administrator"), "member": marked("Member"), "none": marked("Nothing"),
    "outcast": marked("Banned"),
}  # fmt: skip


@page("rooms", title=marked("Rooms"), group=Group.PEOPLE, icon="rooms", order=30, needs=("room list",))
async def rooms(asked: Asked) -> View:
    """The rooms, by name."""
    search, occupied = asked.query.get("search", "").strip(), asked.query.get("occupied") == "yes"
    rows = await asked.run("room list", search=search, occupied=occupied, limit=_MOST)
    return view("rooms/list.html", rows=rows, search=search, occupied=occupied, most=_MOST)


@page("rooms/new", title=marked("New room"), within="rooms", needs=("room create",))
async def new(asked: Asked) -> View:
    """The form for a new room."""
    service = next(
        (str(jid) for jid, name in asked.host.components().items() if str(jid).startswith("conference.")),
        f"conference.{asked.host.jid}",
    )
    return view("rooms/new.html", service=service)


@action("rooms/new", needs=("room create",))
async def create(asked: Asked) -> Done:
    """Make a room."""
    room = asked.form.get("room", "").strip()
    if "@" not in room:
        room = f"{room}@{asked.form.get('service', '')}"
    await asked.run(
        "room create", room=room, owner=address(asked, asked.form.get("owner", ""), "owner"),
        name=asked.form.get("name", ""),
    )  # fmt: skip
    return Done(asked.gettext("%(room)s is there.", room=room), to=f"rooms/{room}")


@page("rooms/{room}", title=marked("Room"), within="rooms", needs=("room show",))
async def room(asked: Asked, room: str) -> View:
    """All that is known of a room."""
    shown = await asked.run("room show", room=room)
    affiliations = {name: asked.gettext(title) for name, title in _AFFILIATIONS.items()}
    return view("rooms/room.html", room=room, shown=shown, affiliations=affiliations)


@action("rooms/{room}/kick", needs=("room kick",), again="rooms/{room}")
async def kick(asked: Asked, room: str) -> Done:
    """Remove somebody from a room; they may come again."""
    nickname = asked.form.get("nickname", "")
    await asked.run("room kick", room=room, nickname=nickname)
    return Done(asked.gettext("%(name)s is not in the room any more.", name=nickname), to=f"rooms/{room}")


@action("rooms/{room}/affiliate", needs=("room affiliate",), again="rooms/{room}")
async def affiliate(asked: Asked, room: str) -> Done:
    """Make somebody something to a room, or nothing."""
    who, what = asked.form.get("who", ""), asked.form.get("affiliation", "")
    await asked.run("room affiliate", room=room, who=who, affiliation=what)
    return Done(asked.gettext("%(who)s has another place in the room.", who=who), to=f"rooms/{room}")


@action("rooms/{room}/announce", needs=("room announce",), again="rooms/{room}")
async def announce(asked: Asked, room: str) -> Done:
    """Say something to everybody in a room."""
    text = asked.form.get("text", "").strip()
    if not text:
        raise FormError({"text": asked.gettext("There is nothing to send yet.")})
    await asked.run("room announce", room=room, text=text)
    return Done(asked.gettext("Those in the room were told."), to=f"rooms/{room}")


@page("rooms/{room}/destroy", title=marked("Destroy a room"), within="rooms", needs=("room destroy", "room show"))
async def confirm(asked: Asked, room: str) -> View:
    """Ask whether that is meant."""
    return view("rooms/destroy.html", room=room, shown=await asked.run("room show", room=room))


@action("rooms/{room}/destroy", needs=("room destroy",))
async def destroy(asked: Asked, room: str) -> Done:
    """Destroy a room, if its address was typed."""
    if asked.form.get("sure", "").strip().lower() != room:
        raise FormError({"sure": asked.gettext("Type the address as it is above.")})
    await asked.run(
        "room destroy", room=room, reason=asked.form.get("reason", ""), venue=asked.form.get("venue", "").strip()
    )
    return Done(asked.gettext("%(room)s is no more.", room=room), to="rooms")
