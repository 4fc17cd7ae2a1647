"""Signed URLs of S3."""

from __future__ import annotations

import unittest
from urllib.parse import parse_qs, urlsplit

from xmppd.plugins.http_upload.signing import Signer

#: 2013-05-24T00:00:00Z
_MAY = 1_369_353_600.0
#: The key of Amazon's documentation.
_SIGNER = Signer(
    "https://examplebucket.s3.amazonaws.com", "us-east-1", "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)  # fmt: skip


def fields(url: str) -> dict[str, str]:
    """Return the parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class SigningTests(unittest.TestCase):
    def test_the_documented_example(self) -> None:
        self.assertEqual(
            _SIGNER.url("GET", "test.txt", _MAY, 86400),
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
            "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        )

    def test_everything_is_bound(self) -> None:
        seen = set()
        for arguments in (
            ("GET", "a/b", _MAY, 60), ("PUT", "a/b", _MAY, 60), ("GET", "a/c", _MAY, 60), ("GET", "a/b", _MAY + 1, 60),
            ("GET", "a/b", _MAY, 61), ("GET", "a/b", _MAY, 60, {"content-length": "1"}),
            ("GET", "a/b", _MAY, 60, {"content-length": "2"}), ("GET", "a/b", _MAY, 60, None, {"x": "1"}),
            ("GET", "a/b", _MAY, 60, None, {"x": "2"}),
        ):  # fmt: skip
            seen.add(fields(_SIGNER.url(*arguments))["X-Amz-Signature"])
        self.assertEqual(len(seen), 9)

    def test_headers(self) -> None:
        url = _SIGNER.url("PUT", "k", _MAY, 60, {"content-length": "5", "content-type": "image/png"})
        self.assertEqual(fields(url)["X-Amz-SignedHeaders"], "content-length;content-type;host")
        self.assertNotIn("image", url)

    def test_odd_characters(self) -> None:
        url = Signer("http://127.0.0.1:9000/a-bucket", "eu", "k", "s").url(
            "GET", "é ~/x+y", _MAY, 60, query={"response-content-disposition": 'inline; filename="a b.png"'}
        )
        self.assertTrue(url.startswith("http://127.0.0.1:9000/a-bucket/%C3%A9%20~/x%2By?X-Amz"), url)
        self.assertIn("&response-content-disposition=inline%3B%20filename%3D%22a%20b.png%22&", url)
