"""Options of file uploads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, SecretStr, model_validator

from xmppd.api import Component, Field, Jid, Options
from xmppd.plugins.http_upload.names import check_pattern

__all__ = ["S3", "Bucket", "UploadOptions"]

_MEGABYTE = 1_048_576
_GIGABYTE = 1024 * _MEGABYTE
_WEEK = 604_800


def _addresses(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(("*@" if text.startswith("*@") else "") + str(Jid.parse(text.removeprefix("*@"))) for text in texts)


def _patterns(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(check_pattern(text) for text in texts)


def _web(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise ValueError("write https://HOST, or https://HOST:PORT")
    return url.rstrip("/")


Types = Annotated[tuple[str, ...], AfterValidator(_patterns)]
Addresses = Annotated[tuple[str, ...], AfterValidator(_addresses)]
Url = Annotated[str, AfterValidator(_web)]


class Bucket(Options):
    """Files for one purpose."""

    max_file: int = Field(ge=1, description="Octets that a file may have.")
    quota: int = Field(ge=0, description="Octets that these files of one account may have; 0: none.")
    days: float = Field(0, ge=0, description="Days for which a file is kept; 0: for ever.")


class Profile(Bucket):
    """Pictures of users themselves (`#profile`), which are kept longer."""

    max_file: int = Field(5 * _MEGABYTE, ge=1, description="Octets that a file may have.")
    quota: int = Field(20 * _MEGABYTE, ge=0, description="Octets that these files of one account may have; 0: none.")


class Permanent(Bucket):
    """What clients want kept for ever (`#permanent`)."""

    max_file: int = Field(20 * _MEGABYTE, ge=1, description="Octets that a file may have.")
    quota: int = Field(
        0, ge=0, description="Octets that these files of one account may have; 0: none, it is not offered."
    )


class S3(Options):
    """Keeping files in a bucket of S3, or of what speaks the same: clients send and get them there, by signed URLs."""

    endpoint: Url = Field("", description="Where it is, as `https://s3.eu-central-1.amazonaws.com`. Empty: not in S3.")
    region: str = Field("us-east-1", min_length=1, description="The region, which is part of signatures.")
    bucket: str = Field("", description="The bucket's name.")
    path_style: bool = Field(
        True, description="Is the bucket's name in the path of URLs? Else it stands before the endpoint's host name."
    )
    prefix: str = Field("", pattern=r"^[A-Za-z0-9/_.-]*$", description="What all names of objects begin with.")
    access_key: str = Field("", description="Who signs.")
    secret_key: SecretStr = Field(SecretStr(""), description="What is signed with.")
    get_seconds: int = Field(
        3600, ge=1, le=_WEEK, description="Seconds for which the URL is good that who wants a file is sent on to."
    )
    timeout_seconds: float = Field(30.0, gt=0, description="Seconds after which it is too slow to answer the server.")

    @model_validator(mode="after")
    def _is_whole(self) -> S3:
        if self.endpoint and not (self.bucket and self.access_key and self.secret_key.get_secret_value()):
            raise ValueError("an endpoint needs bucket, access_key and secret_key")
        return self


class UploadOptions(Component.Options):
    """Who may upload what, and where it is kept."""

    domain: str = Field("", description="Domain of the service; empty: upload before the host's name.")
    name: str = Field("HTTP File Upload", description="What clients show of the service.")
    url: Url = Field(
        "",
        description="What the URLs of files begin with, if it is not what those of the host begin with (`http_url`):"
        " another name for the same port, or a reverse proxy of its own.",
    )
    folder: str = Field("", description="Where files are kept; relative to `data_dir`. Empty: `http_upload` in there.")

    anonymous: bool = Field(False, description="May users without an account (SASL ANONYMOUS) upload?")
    hosts: tuple[str, ...] = Field((), description="Other domains of this server whose users may upload.")
    remote: Addresses = Field(
        (),
        description="Users of other servers who may upload: `romeo@example.net`, or all of a server, `*@example.net`.",
    )

    max_file: int = Field(100 * _MEGABYTE, ge=1, description="Octets that a file may have.")
    quota: int = Field(
        2 * _GIGABYTE, ge=1, description="Octets that the files of one account may have, as long as they"
        " are kept."
    )  # fmt: skip
    days: float = Field(31, ge=0, description="Days for which a file is kept; 0: for ever.")
    profile: Profile = Field(Profile(), description="Pictures of users themselves (`#profile`).")
    permanent: Permanent = Field(Permanent(), description="What clients want kept for ever (`#permanent`).")
    files: int = Field(5000, ge=1, description="Files that one account may have.")
    daily_octets: int = Field(_GIGABYTE, ge=1, description="Octets that one account may upload within 24 hours.")
    daily_files: int = Field(1000, ge=1, description="Files that one account may upload within 24 hours.")
    host_quota: int = Field(100 * _GIGABYTE, ge=1, description="Octets that all files of the service may have.")
    free_octets: int = Field(
        _GIGABYTE, ge=0, description="Octets that stay free on the disk: with less there are no more uploads."
    )
    open_slots: int = Field(50, ge=1, description="Uploads of one account that may be under way.")
    slots_per_minute: int = Field(60, ge=1, description="How often one account may ask for a slot in a minute.")
    put_seconds: int = Field(300, ge=1, le=_WEEK, description="Seconds after which an upload must have begun.")
    allowed_types: Types = Field(
        (), description="Media types that are taken, as `image/*`; a client has to say which it is. Empty: all."
    )
    forbidden_types: Types = Field((), description="Media types that are not taken.")
    name_octets: int = Field(
        200, ge=16, le=1000, description="Octets that the name of a file may have; longer ones are shortened."
    )

    purge_seconds: float = Field(60.0, gt=0, description="Seconds from one look at what is to be deleted to the next.")
    purge_files: int = Field(200, ge=1, description="Files that are deleted at a time, before others have a turn.")
    s3: S3 = Field(S3(), description="Keeping files in a bucket of S3.")
