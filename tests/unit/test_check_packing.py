"""RECORD and WHEEL, line by line."""

from __future__ import annotations

import base64
import hashlib

import pytest
from native_lib.check.packing import Line, Packing, is_so, packing_of, record_of
from packaging.tags import Tag

INFO = "foo-1.0.dist-info"
DIGEST = hashlib.sha256(b"text").digest()
TEXT = base64.urlsafe_b64encode(DIGEST).rstrip(b"=").decode()


def packing(names: list[str], record: bytes, wheel: bytes = b"Tag: py3-none-any\n") -> Packing:
    return packing_of(INFO, names, record_of(record), (), wheel)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Line("sha256", TEXT, "4"), True),
        (Line("sha256", TEXT + "=", ""), True),
        (Line("sha256", DIGEST.hex(), "4"), True),
        (Line("sha256", TEXT, "5"), False),
        (Line("sha256", TEXT[::-1], "4"), False),
        (Line("sha256", "", "4"), False),
    ],
)
def test_digest_and_size(line: Line, expected: bool) -> None:
    assert is_so(line, DIGEST, 4) is expected


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "", "no such"])
def test_digests_that_installers_refuse_are_not_compared(algorithm: str) -> None:
    assert Line(algorithm, TEXT, "").hasher() is None


def test_names() -> None:
    lines = f'"foo/a, b.py",,\r\nfoo\\c.py,,\n{INFO}/RECORD,,\nfoo/,,\nonly.py,,\nno line\n'
    own = [f"{INFO}/RECORD", f"{INFO}/RECORD.jws"]
    found = packing(["foo/a, b.py", "foo/c.py", "new.py", *own], lines.encode())
    assert (found.unrecorded, found.absent, found.twice) == (("new.py",), ("only.py",), ())


def test_a_field_without_an_end() -> None:
    assert record_of(b"a.py,,\n" + b"x" * 200_000 + b",,\nb.py,,\n").keys() == {"a.py"}


@pytest.mark.parametrize("line", ["py3-none", "--", "py3-none-any-more"])
def test_what_is_no_tag_is_kept_as_it_is(line: str) -> None:
    wheel = f"Tag: py2.py3-none-any\nTag: {line}\n".encode()
    tags = {Tag("py2", "none", "any"), Tag("py3", "none", "any"), line}
    assert packing([], b"", wheel).tags == tags


def test_neither_file() -> None:
    found = packing_of(INFO, ["foo.py"], None, (), None)
    assert (found.lacks, found.unrecorded, found.tags) == (("RECORD", "WHEEL"), (), frozenset())
