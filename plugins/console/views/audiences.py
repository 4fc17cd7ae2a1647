"""What audiences are made of: segments, groups, tags and aliases."""

from __future__ import annotations

from xmppd.plugins.console.option_forms import run
from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view
from xmppd.plugins.console.views.users import address

__all__ = [
    "add_alias", "add_member", "add_segment", "aliases", "delete_alias", "delete_segment", "group", "groups",
    "remove_group", "remove_member", "segments", "set_tags", "tags",
]  # fmt: skip

_PAGE = 100
_TABS = {
    "audiences": (marked("Segments"), "segment list"), "audiences/groups": (marked("Groups"), "group list"),
    "audiences/tags": (marked("Tags"), "tag list"), "audiences/aliases": (marked("Aliases"), "alias list"),
}  # fmt: skip


def _tabbed(asked: Asked, template: str, here: str, **data: object) -> View:
    tabs = {path: title for path, (title, needed) in _TABS.items() if asked.may(needed)}
    return view(f"audiences/{template}", tabs=tabs, here=here, **data)


@page("audiences", title=marked("Audiences"), group=Group.PUSH, icon="audience", order=20, needs=("segment list",))
async def segments(asked: Asked) -> View:
    """Saved audiences."""
    return _tabbed(asked, "segments.html", "audiences", rows=await asked.run("segment list", limit=1000))


@action("audiences", needs=("segment add",))
async def add_segment(asked: Asked) -> Done:
    """Save an audience."""
    name = asked.form.get("name", "").strip()
    await asked.run("segment add", name=name, expression=asked.form.get("expression", ""))
    return Done(asked.gettext("The segment %(name)s is saved.", name=name), to="audiences")


@action("audiences/segments/{name}/delete", needs=("segment delete",), again="audiences")
async def delete_segment(asked: Asked, name: str) -> Done:
    """Delete one."""
    await asked.run("segment delete", name=name)
    return Done(asked.gettext("The segment %(name)s is deleted.", name=name), to="audiences")


@page("audiences/groups", title=marked("Groups"), within="audiences", needs=("group list",))
async def groups(asked: Asked) -> View:
    """Groups of accounts."""
    rows = await asked.run("group list", limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["name"] if len(rows) > _PAGE else ""
    return _tabbed(asked, "groups.html", "audiences/groups", rows=rows[:_PAGE], more=more)


@action("audiences/groups", needs=("group add",))
async def add_member(asked: Asked) -> Done:
    """Put somebody into a group, or a whole list."""
    name, who = asked.form.get("name", "").strip(), asked.form.get("account", "").strip()
    account = address(asked, who, "account") if who else None
    said = await asked.run("group add", name=name, account=account, csv=asked.form.get("csv", ""))
    return Done(said, to=f"audiences/groups/{name}")


@page("audiences/groups/{name}", title=marked("Group"), within="audiences", needs=("group list",))
async def group(asked: Asked, name: str) -> View:
    """Who is in it."""
    rows = await asked.run("group list", name=name, limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["account"] if len(rows) > _PAGE else ""
    return view("audiences/group.html", name=name, rows=rows[:_PAGE], more=more)


@action("audiences/groups/{name}/remove", needs=("group remove",), again="audiences/groups/{name}")
async def remove_member(asked: Asked, name: str) -> Done:
    """Take somebody out."""
    account = address(asked, asked.form.get("account", ""), "account")
    return Done(await asked.run("group remove", name=name, account=account), to=f"audiences/groups/{name}")


@action("audiences/groups/{name}/delete", needs=("group remove",), again="audiences/groups/{name}")
async def remove_group(asked: Asked, name: str) -> Done:
    """Delete a group."""
    await asked.run("group remove", name=name)
    return Done(asked.gettext("The group %(name)s is deleted.", name=name), to="audiences/groups")


@page("audiences/tags", title=marked("Tags"), within="audiences", needs=("tag list",))
async def tags(asked: Asked) -> View:
    """Tags, and how many have them; or those of one account."""
    who = asked.query.get("account", "").strip()
    account = address(asked, who, "account") if who else ""
    rows = await asked.run("tag list", account=account, limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["tag"] if len(rows) > _PAGE else ""
    return _tabbed(asked, "tags.html", "audiences/tags", rows=rows[:_PAGE], more=more, account=account)


@action("audiences/tags", needs=("tag set",))
async def set_tags(asked: Asked) -> Done:
    """Give an account tags."""
    account = address(asked, asked.form.get("account", ""), "account")
    await run(asked, "tag set", account=account, tags=asked.form.get("tags", ""), add="add" in asked.form)
    return Done(asked.gettext("%(account)s has its tags.", account=account), to="audiences/tags")


@page("audiences/aliases", title=marked("Aliases"), within="audiences", needs=("alias list",))
async def aliases(asked: Asked) -> View:
    """Other names of accounts."""
    rows = await asked.run("alias list", limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["alias"] if len(rows) > _PAGE else ""
    return _tabbed(asked, "aliases.html", "audiences/aliases", rows=rows[:_PAGE], more=more)


@action("audiences/aliases", needs=("alias set",))
async def add_alias(asked: Asked) -> Done:
    """Give an account an alias."""
    account = address(asked, asked.form.get("account", ""), "account")
    return Done(await asked.run("alias set", account=account, alias=asked.form.get("alias", "").strip()),
                to="audiences/aliases")  # fmt: skip


@action("audiences/aliases/{alias}/delete", needs=("alias delete",), again="audiences/aliases")
async def delete_alias(asked: Asked, alias: str) -> Done:
    """Take one away."""
    await asked.run("alias delete", alias=alias)
    return Done(asked.gettext("The alias %(alias)s is deleted.", alias=alias), to="audiences/aliases")
