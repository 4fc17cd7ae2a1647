"""Names of files and media types from strangers."""

from __future__ import annotations

import re
import unicodedata
import unittest
from urllib.parse import quote, unquote

from hypothesis import example, given
from hypothesis import strategies as st

from xmppd.plugins.http_upload.names import OCTETS, check_pattern, clean, disposition, fits, media_type, served_as
from xmppd.plugins.http_upload.tickets import new_token, path_of, read_path

#: What HTTP/1.1 lets stand in a header field's value.
_FIELD = re.compile(r"[ -~]*")


class CleanTests(unittest.TestCase):
    def test_ordinary_names_stay(self) -> None:
        for name in ("très cool.jpg", "a.tar.gz", "報告書.pdf", "100% & more;#1.txt", "پرونده‌ها.png", "👩‍💻.webp"):
            self.assertEqual(clean(name, 200), name)

    def test_paths(self) -> None:
        for name, kept in (
            ("../../etc/passwd", "passwd"), ("C:\\Users\\romeo\\me.png", "me.png"), ("/", "file"), ("..", "file"),
            (".", "file"), ("a/..", "file"), ("a\\.. ", "file"), (".htaccess", "htaccess"), ("x/.bashrc", "bashrc"),
        ):  # fmt: skip
            self.assertEqual(clean(name, 200), kept, name)

    def test_what_can_not_be_seen(self) -> None:
        for name, kept in (
            ("photo\u202egpj.exe", "photogpj.exe"),  # shown as photoexe.jpg
            ("a\u2066b\u2069.txt", "ab.txt"), ("a\r\nSet-Cookie: b.txt", "aSet-Cookie: b.txt"), ("a\x00.png", "a.png"),
            ("\ufeffa.png", "a.png"), ("a\u2028b.png", "ab.png"), ("\x7f\x9f", "file"), ("a \t  b.png", "a b.png"),
            ("\ue000.png", "png"), ("a\u200b.png", "a.png"),
        ):  # fmt: skip
            self.assertEqual(clean(name, 200), kept, ascii(name))

    def test_long_names_keep_their_ending(self) -> None:
        self.assertEqual(clean("a" * 300 + ".jpeg", 20), "a" * 15 + ".jpeg")
        self.assertEqual(clean("é" * 300 + ".png", 21), "é" * 8 + ".png")
        self.assertEqual(clean("a." + "b" * 300, 20), "a." + "b" * 18)
        self.assertEqual(clean("a" * 300, 20), "a" * 20)

    @given(st.text(), st.integers(16, 300))
    @example("\u0958" * 10 + ".", 16)  # becomes longer by normalization
    @example("ﷺ" * 20, 30)
    def test_any(self, name: str, octets: int) -> None:
        kept = clean(name, octets)
        self.assertTrue(kept)
        self.assertLessEqual(len(kept.encode()), octets)
        self.assertNotIn(kept, (".", ".."))
        self.assertNotRegex(kept, r"[/\\\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
        for character in kept:
            self.assertTrue(
                character in "\u200c\u200d"
                or unicodedata.category(character) == "Cn"
                or unicodedata.category(character)[0] != "C"
            )
        self.assertEqual(clean(kept, octets), kept)

    @given(st.text())
    def test_any_in_a_url(self, name: str) -> None:
        token, kept = new_token(), clean(name, 200)
        path = path_of(token, kept)
        self.assertRegex(path, r"\A[A-Za-z0-9/%._~-]+\Z")
        self.assertEqual(read_path(unquote(path)), (token, kept))
        self.assertEqual(path.count("/"), 3)


class TypeTests(unittest.TestCase):
    def test_media_type(self) -> None:
        for text, expected in (
            ("image/PNG", "image/png"), ("text/plain; charset=utf-8", "text/plain"), ("", ""), (" a/b ;c", "a/b"),
            ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        ):  # fmt: skip
            self.assertEqual(media_type(text), expected)
        for text in ("png", "a/b/c", "a /b", "image/", "/png", "a/b\r\nX: y", "é/b", "a/" + "b" * 200):
            with self.assertRaises(ValueError, msg=text):
                media_type(text)

    def test_fits(self) -> None:
        self.assertTrue(fits("image/png", ("image/*",)))
        self.assertTrue(fits("image/png", ("audio/*", "image/png")))
        self.assertTrue(fits("image/png", ("*/*",)))
        self.assertFalse(fits("image/png", ("image/jpeg", "video/*")))
        self.assertFalse(fits("", ("image/*",)))

    def test_patterns(self) -> None:
        self.assertEqual(check_pattern("Image/*"), "image/*")
        for pattern in ("image", "*/png", "*", "im*/png"):
            with self.assertRaises(ValueError, msg=pattern):
                check_pattern(pattern)

    def test_pictures_are_shown(self) -> None:
        for type_ in ("image/png", "image/jpeg", "audio/ogg", "video/mp4"):
            self.assertEqual(served_as(type_), (type_, True))

    def test_what_browsers_run_is_octets(self) -> None:
        for type_ in (
            "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "text/javascript",
            "application/javascript", "application/ecmascript", "application/x-javascript", "text/css", "text/jscript",
            "application/rss+xml", "application/xml-dtd", "application/mathml+xml", "application/wasm",
            "application/x-shockwave-flash", "application/java-archive", "application/hta", "multipart/related",
            "message/rfc822", "application/vnd.mozilla.xul+xml", "image/svg", "application/manifest+json", "text/x-any",
            "chemical/x-pdb", "x/y", "",
        ):  # fmt: skip
            self.assertEqual(served_as(type_), (OCTETS, False), type_)

    def test_the_rest_is_saved(self) -> None:
        for type_ in ("application/pdf", "application/zip", "image/tiff", "font/woff2",
                      "application/vnd.openxmlformats-officedocument.wordprocessingml.document"):  # fmt: skip
            self.assertEqual(served_as(type_), (type_, False))
        self.assertEqual(served_as("text/plain"), ("text/plain; charset=utf-8", False))


class DispositionTests(unittest.TestCase):
    def test_plain(self) -> None:
        self.assertEqual(disposition("me.png", True), "inline; filename=\"me.png\"; filename*=UTF-8''me.png")

    def test_others(self) -> None:
        self.assertEqual(
            disposition('très "cool".jpg', False),
            "attachment; filename=\"tr_s _cool_.jpg\"; filename*=UTF-8''tr%C3%A8s%20%22cool%22.jpg",
        )

    @given(st.text())
    def test_any(self, name: str) -> None:
        kept = clean(name, 200)
        value = disposition(kept, False)
        self.assertIsNotNone(_FIELD.fullmatch(value))
        self.assertEqual(value.count('"'), 2)
        self.assertEqual(unquote(value.partition("UTF-8''")[2]), kept)
        self.assertNotIn("'", quote(value.partition("UTF-8''")[2], safe="%!#$&+^`|"))
