"""What strangers call their files, made harmless: in URLs (XEP-0363 5, RFC 3986) and in HTTP (RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

__all__ = ["OCTETS", "clean", "disposition", "fits", "media_type", "served_as"]

#: What is not known any better.
OCTETS = "application/octet-stream"
#: Controls, formatting (among it what turns the direction of writing), surrogates, private characters, separators.
_HARMFUL = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"  # formatting that many scripts and emoji can't do without
_NAMELESS = "file"
_TYPE = re.compile(r"([!#$&^_.+\-a-z0-9]{1,127})/([!#$&^_.+\-a-z0-9]{1,127})")  # RFC 6838 section 4.2
_PATTERN = re.compile(r"\*/\*|[a-z0-9.+-]+/(?:\*|[!#$&^_.+\-a-z0-9]+)")
#: What browsers run, or take for a page or a part of one, whatever the rest of the answer says.
_ACTIVE = re.compile(
    r"(?:.*\+)?xml(?:-.*)?|xhtml.*|.*html|.*script|.*jscript|x-shockwave-flash|x-java.*|java-.*|hta|wasm|manifest\+json"
    r"|x-ms-application|x-silverlight.*|mathml.*|svg.*"
)
_TEXTS = frozenset(("plain", "csv", "markdown", "calendar", "vcard"))
#: What browsers may show in their own window: they draw or play it, and nothing else.
_SHOWN = frozenset(
    f"{kind}/{subtype}"
    for kind, subtypes in {
        "image": "png jpeg gif webp avif apng bmp heic heif jxl",
        "audio": "mpeg mp4 aac ogg opus webm flac wav wave x-wav x-m4a 3gpp amr",
        "video": "mp4 webm ogg quicktime 3gpp x-matroska mpeg",
    }.items()
    for subtype in subtypes.split()
)


def clean(name: str, octets: int) -> str:
    """Return the name of a file without what could lead somewhere or look like something else.

    Of a path its end counts. Its ending is kept even where it has to be shortened (XEP-0363 section 5).

    :param octets: how long it may be in UTF-8.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(c for c in last if c in _JOINERS or unicodedata.category(c) not in _HARMFUL)
    kept = " ".join(kept.split()).strip(". ") or _NAMELESS
    if len(kept.encode()) <= octets:
        return kept
    stem, dot, ending = kept.rpartition(".")
    if not stem or len(ending.encode()) > octets // 2:
        stem, dot, ending = kept, "", ""
    return _cut(stem, octets - len((dot + ending).encode())).rstrip(". ") + dot + ending


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore")


def media_type(text: str) -> str:
    """Return a media type in lower case, without its parameters; "" for none.

    :raises ValueError: if it is no media type.
    """
    essence = text.partition(";")[0].strip().lower()
    if essence and not _TYPE.fullmatch(essence):
        raise ValueError(f"{text[:100]!r} is no media type")
    return essence


def fits(type: str, patterns: tuple[str, ...]) -> bool:
    """Is a media type, without parameters, one of those that patterns such as ``image/*`` mean?"""
    kind = type.partition("/")[0]
    return any(pattern in (type, f"{kind}/*", "*/*") for pattern in patterns)


def check_pattern(pattern: str) -> str:
    """Return a pattern in lower case. :raises ValueError: if it is none."""
    if not _PATTERN.fullmatch(pattern.lower()):
        raise ValueError(f"{pattern} is no media type; write image/png, image/*")
    return pattern.lower()


def served_as(type: str) -> tuple[str, bool]:
    """Return the Content-Type that a file of a media type is served with, and whether browsers may show it.

    What could do more than be looked at becomes octets: nobody's browser runs what was uploaded.
    """
    kind, _, subtype = type.partition("/")
    if type in _SHOWN:
        return type, True
    if kind == "text":
        return (f"{type}; charset=utf-8", False) if subtype in _TEXTS else (OCTETS, False)
    if kind not in ("application", "image", "audio", "video", "font") or _ACTIVE.fullmatch(subtype):
        return OCTETS, False
    return type, False


def disposition(name: str, shown: bool) -> str:
    """Return the value of Content-Disposition (RFC 6266 section 4), with the name for old clients and others."""
    plain = re.sub(r"[^ !#$&+\-.^_`|~()0-9A-Za-z]", "_", name)
    return (
        f"{'inline' if shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='!#$&+^`|')}"
    )
