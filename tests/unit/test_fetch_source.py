"""Upstream's sources: downloaded, checked, unpacked all or nothing, and told to the build."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import pytest
from native_lib.support import fetch_source
from native_lib.support.fetch_source import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = building.ROOT / "loader" / "src" / "native_lib" / "support" / "fetch_source.py"
ZEROS = "0" * 64
HEADER = '#define FOO_VERSION "1.4.2"\n'


class Link(str):
    """In an archive: a symbolic link's target."""


class HardLink(Link):
    """In an archive: a hard link's target, by its path in the archive."""


def tar(files: dict[str, str]) -> bytes:
    """Return a tar archive: a text, or a link, for each file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(text, Link):
                member.type = tarfile.LNKTYPE if isinstance(text, HardLink) else tarfile.SYMTYPE
                member.linkname = text
                archive.addfile(member)
            else:
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


GOOD = tar({"foo-1.4.2/include/foo.h": HEADER, "foo-1.4.2/foo.c": "int foo;\n"})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Server:
    """An HTTP server on this machine: what it serves by path, and how often it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked = 0
        self.fails = 0
        self.announced: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                data = outer.files.get(self.path)
                if data is None or outer.asked <= outer.fails:
                    self.send_error(404 if data is None else 503)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(outer.announced or len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever)
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def source_toml(folder: Path, *archives: tuple[str, str], **changes: str) -> Path:
    """Write source.toml with archives of (URL, hash), and lines changed."""
    lines = {
        "name": '"foo"',
        "version": '"1.4.2"',
        "post": "0",
        "license": '"Zlib"',
        "purl": '"pkg:generic/foo@{version}"',
        "version-file": '"include/foo.h"',
        "version-pattern": "'#define FOO_VERSION \"([0-9.]+)\"'",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    text = "".join(f"{name} = {value}\n" for name, value in lines.items() if value)
    for url, digest in archives:
        text += f'[[archive]]\nurl = "{url}"\nsha256 = "{digest}"\n'
    (folder / "source.toml").write_text(text, encoding="utf-8")
    return folder


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


UPSTREAM = {"include/foo.h", "foo.c", fetch_source.RECORD}


def fetched(root: Path, data: bytes = GOOD, /, **changes: str) -> Path:
    """Make upstream/ from a local archive, in a folder of its own."""
    archive = root / "foo.tar.gz"
    archive.write_bytes(data)
    source_toml(root, ("https://example.org/foo.tar.gz", sha256(data)), **changes)
    fetch_source.fetch(root, archive)
    archive.unlink()
    return root


def reference(url: str) -> dict[str, object]:
    """Return how an SBOM says where GOOD came from."""
    hashes = [{"alg": "SHA-256", "content": sha256(GOOD)}]
    return {"type": "source-distribution", "url": url, "hashes": hashes}


# Downloading -------------------------------------------------------------------------------------


def test_download(server: Server, tmp_path: Path) -> None:
    server.files["/foo.tar.gz"] = GOOD
    url = f"{server.url}/foo.tar.gz"
    source_toml(tmp_path, (url, sha256(GOOD).upper()))
    fetch_source.fetch(tmp_path)
    assert tree(tmp_path / "upstream") == UPSTREAM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.toml", "upstream"]
    facts = fetch_source.facts(tmp_path)
    assert (facts["version"], facts["purl"]) == ("1.4.2", "pkg:generic/foo@1.4.2")
    assert facts["component"]["externalReferences"] == [reference(url)]


def test_download_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.files["/foo.tar.gz"] = GOOD
    server.fails = 2
    source_toml(tmp_path, (f"{server.url}/foo.tar.gz", sha256(GOOD)))
    fetch_source.fetch(tmp_path)
    assert server.asked == 3


def test_url_takes_the_version(server: Server, tmp_path: Path) -> None:
    server.files["/v1.4.2/foo-1.4.2.tar.gz"] = GOOD
    url = f"{server.url}/v{{version}}/foo-{{version}}.tar.gz"
    (found,) = fetch_source.fetch(source_toml(tmp_path, (url, sha256(GOOD))))
    assert found["url"] == f"{server.url}/v1.4.2/foo-1.4.2.tar.gz"


def test_several_archives(server: Server, tmp_path: Path) -> None:
    data = zipped({"data-7/data/table.c": "int table;\n"})
    server.files = {"/foo.tar.gz": GOOD, "/data.zip": data}
    archives = [(f"{server.url}{path}", sha256(server.files[path])) for path in server.files]
    fetch_source.fetch(source_toml(tmp_path, *archives))
    assert tree(tmp_path / "upstream") == UPSTREAM | {"data/table.c"}
    server.files["/data.zip"] = clash = zipped({"data-7/foo.c": "int other;\n"})
    source_toml(tmp_path, archives[0], (archives[1][0], sha256(clash)))
    with pytest.raises(SourceError, match=r"foo\.c of .*/foo\.tar\.gz and foo\.c of .*/data\.zip"):
        fetch_source.fetch(tmp_path)
    assert tree(tmp_path / "upstream") == UPSTREAM | {"data/table.c"}


@pytest.mark.parametrize("before", [False, True], ids=["nothing before", "something before"])
@pytest.mark.parametrize("fault", ["wrong hash", "no hash", "truncated", "404", "no network"])
def test_failed_download_leaves_all_as_it_was(
    server: Server,
    tmp_path: Path,
    fault: str,
    before: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if before:
        fetched(tmp_path)
    # Nothing is unpacked before its hash was checked.
    monkeypatch.delattr(fetch_source, "_unpack")
    old = tree(tmp_path / "upstream")
    server.files["/foo.tar.gz"] = GOOD
    url, digest = f"{server.url}/foo.tar.gz", sha256(GOOD)
    if fault == "wrong hash":
        digest = ZEROS
    elif fault == "no hash":
        digest = ""
    elif fault == "truncated":
        server.announced = len(GOOD) * 2
    elif fault == "404":
        url += ".gone"
    else:
        url = "http://127.0.0.1:9/foo.tar.gz"
    source_toml(tmp_path, (url, digest))
    with pytest.raises(SourceError) as failed:
        fetch_source.fetch(tmp_path)
    said = str(failed.value)
    if fault in ("wrong hash", "no hash"):
        assert said.splitlines()[:3] == [
            f"{url} is not what source.toml lists",
            f"  file:   {sha256(GOOD)}",
            f"  listed: {digest or '(no sha256)'} {url}",
        ]
    else:
        assert said.startswith(f"{url} cannot be downloaded: ")
        assert said.endswith("run: python -m native_lib.support.fetch_source --archive FILE")
        assert "\n" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"source.toml", "upstream"}
    assert tree(tmp_path / "upstream") == old
    assert server.asked == {"truncated": 3, "404": 1, "no network": 0}.get(fault, 1)


# Local files -------------------------------------------------------------------------------------


def test_local_archive_stands_for_the_one_with_its_hash(tmp_path: Path) -> None:
    component = fetch_source.facts(fetched(tmp_path))["component"]
    assert component["externalReferences"] == [reference("https://example.org/foo.tar.gz")]
    assert "properties" not in component


def test_unlisted_archive_needs_unpinned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "debians.tar.gz"
    archive.write_bytes(GOOD)
    source_toml(tmp_path, ("https://example.org/foo.tar.gz", ZEROS), version='"1.4.1"')
    with pytest.raises(SourceError) as refused:
        fetch_source.fetch(tmp_path, archive)
    for part in (str(archive), sha256(GOOD), ZEROS, "--unpinned"):
        assert part in str(refused.value)
    assert not (tmp_path / "upstream").exists()
    fetch_source.fetch(tmp_path, archive, unpinned=True)
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {archive} is not what source.toml lists",
        f"  file:   {sha256(GOOD)}",
        f"  listed: {ZEROS} https://example.org/foo.tar.gz",
        "warning: source.toml says 1.4.1, the sources 1.4.2",
    ]
    facts = fetch_source.facts(tmp_path)
    # A build reads what is printed.
    assert capsys.readouterr() == ("", "")
    # What is built says what it is, whatever source.toml lists.
    assert facts["version"] == "1.4.2"
    assert facts["component"]["externalReferences"] == [reference(archive.name)]
    assert facts["component"]["properties"] == [{"name": "native-lib:pinned", "value": "false"}]


def test_unlisted_archive_of_several_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "data.tar.gz").write_bytes(tar({"data-1/table.c": ""}))
    (tmp_path / "foo.tar.gz").write_bytes(GOOD)
    source_toml(
        tmp_path, ("https://x/foo.tar.gz", sha256(GOOD)), ("https://x/data.tar.gz?a", ZEROS)
    )
    files = [tmp_path / "data.tar.gz", tmp_path / "foo.tar.gz"]
    found = fetch_source.fetch(tmp_path, *files, unpinned=True)
    assert [each["sha256"] == each["listed"] for each in found] == [True, False]
    assert [each["url"] for each in found] == ["https://x/foo.tar.gz", "data.tar.gz"]
    (tmp_path / "data.tar.gz").rename(tmp_path / "renamed.tar.gz")
    # Which of two archives it would stand for, nobody can tell.
    with pytest.raises(SourceError, match=r"renamed\.tar\.gz is not what") as refused:
        fetch_source.fetch(tmp_path, tmp_path / "renamed.tar.gz", unpinned=True)
    renamed = sha256((tmp_path / "renamed.tar.gz").read_bytes())
    assert str(refused.value).splitlines()[1:4] == [
        f"  file:   {renamed}",
        f"  listed: {sha256(GOOD)} https://x/foo.tar.gz",
        f"  listed: {ZEROS} https://x/data.tar.gz?a",
    ]


def test_absent_local_archive(tmp_path: Path) -> None:
    source_toml(tmp_path, ("https://x/foo.tar.gz", ZEROS))
    with pytest.raises(FileNotFoundError, match="absent"):
        fetch_source.fetch(tmp_path, tmp_path / "absent")


# Archives that are not what they should be ---------------------------------------------------------


@pytest.mark.parametrize("pack", [tar, zipped])
def test_archive_that_climbs_out_is_refused(
    tmp_path: Path, pack: Callable[[dict[str, str]], bytes]
) -> None:
    root = tmp_path / "deep" / "project"
    root.mkdir(parents=True)
    with pytest.raises(SourceError, match=r"cannot be unpacked: .*outside the destination"):
        fetched(root, pack({"foo/include/foo.h": HEADER, "foo/../../outside": ""}))
    assert [path.name for path in tmp_path.rglob("*outside*")] == []
    assert {path.name for path in root.iterdir()} == {"foo.tar.gz", "source.toml"}


@pytest.mark.parametrize(
    "link",
    [Link("/etc/passwd"), Link("../../outside"), Link("../../foo/foo.c")],
    ids=["absolute", "outside", "by the top folder"],
)
def test_link_that_leads_outside_is_left_out(
    tmp_path: Path, link: Link, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tar({"foo/include/foo.h": HEADER, "foo/tests/evil": link, "foo/foo.c": "int foo;\n"})
    upstream = fetched(tmp_path, data) / "upstream"
    assert tree(upstream) == UPSTREAM
    assert [path for path in upstream.rglob("*") if path.is_symlink()] == []
    (word,) = capsys.readouterr().err.splitlines()
    assert word.startswith("warning: https://example.org/foo.tar.gz: left out: ")
    assert "evil" in word


@pytest.mark.parametrize("pack", [tar, zipped])
def test_names_that_differ_in_case_only_are_refused(
    tmp_path: Path, pack: Callable[[dict[str, str]], bytes]
) -> None:
    with pytest.raises(SourceError) as refused:
        fetched(tmp_path, pack({"foo/include/foo.h": HEADER, "foo/include/FOO.h": ""}))
    url = "https://example.org/foo.tar.gz"
    both = f"include/foo.h of {url} and include/FOO.h of {url} are one file on macOS and Windows"
    assert str(refused.value) == f"foo.tar.gz cannot be unpacked: {both}"
    assert not (tmp_path / "upstream").exists()


def test_zstandard(tmp_path: Path) -> None:
    compressed = b"\x28\xb5\x2f\xfd" + b"0" * 32
    if sys.version_info < (3, 14):
        with pytest.raises(
            SourceError, match=r"\.tar\.zst, which requires Python 3\.14"
        ) as refused:
            fetched(tmp_path, compressed)
        assert "\n" not in str(refused.value)
    else:
        zstd = pytest.importorskip("compression.zstd", reason="Python was built without it")
        fetched(tmp_path, zstd.compress(gzip.decompress(GOOD)))
        assert tree(tmp_path / "upstream") == UPSTREAM


def test_links_that_stay_within(tmp_path: Path) -> None:
    data = tar(
        {
            "foo/include/foo.h": HEADER,
            "foo/foo.h": Link("include/foo.h"),
            "foo/folder/sibling": Link("../include"),
            "foo/folder/top": Link(".."),
            "foo/hard.h": HardLink("foo/include/foo.h"),
        }
    )
    upstream = fetched(tmp_path, data) / "upstream"
    for path in ("foo.h", "folder/sibling/foo.h", "folder/top/foo.h", "hard.h"):
        assert (upstream / path).read_text(encoding="utf-8") == HEADER


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file modes")
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_what_can_be_run_still_can(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    modes = {"foo/include/foo.h": 0o644, "foo/configure": 0o755}
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, mode in modes.items():
                member = tarfile.TarInfo(name)
                member.mode, member.size = mode, len(HEADER)
                archive.addfile(member, io.BytesIO(HEADER.encode()))
    else:
        with zipfile.ZipFile(buffer, "w") as zipped:
            for name, mode in modes.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = mode << 16
                zipped.writestr(entry, HEADER)
    upstream = fetched(tmp_path, buffer.getvalue()) / "upstream"
    assert os.access(upstream / "configure", os.X_OK)
    assert not (upstream / "include" / "foo.h").stat().st_mode & 0o111


# Names of their own: an archive has the time in it, and each process of a run makes one.
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GOOD[: len(GOOD) // 2], "ended before"),
        (b"<html>Not found</html>", "it is not tar or zip, or it is .tar.zst"),
        (b"", "it is not tar or zip, or it is .tar.zst"),
        (tar({"foo/include/foo.h": HEADER, "foo/hard": HardLink("absent")}), "'absent' not found"),
        (
            tar({"foo/folder/link": Link("../foo.c"), "foo/hard": HardLink("foo/folder/link")}),
            "hard is a hard link to a symbolic link",
        ),
    ],
    ids=["half", "a page", "empty", "link to nothing", "link to a link"],
)
def test_damaged_archive(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=r"^foo\.tar\.gz cannot be unpacked: ") as refused:
        fetched(tmp_path, data)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "upstream").exists()


def test_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    inner = zipped({"evil/other.h": ""})
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in (
            ("foo/include/foo.h", HEADER.encode()),
            ("foo/foo.c", b""),
            ("foo/z", inner),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    fetched(tmp_path, buffer.getvalue())
    assert tree(tmp_path / "upstream") == UPSTREAM | {"z"}


@pytest.mark.parametrize("what", ["folder", "submodule", "dangling link"])
def test_what_others_put_there_is_not_replaced(tmp_path: Path, what: str) -> None:
    upstream = tmp_path / "upstream"
    if what == "dangling link":
        upstream.symlink_to("absent")
    else:
        upstream.mkdir()
        (upstream / ("mine.c" if what == "folder" else ".git")).write_text("", encoding="utf-8")
    with pytest.raises(SourceError, match="was not made by this command"):
        fetched(tmp_path)
    assert os.path.lexists(upstream)


@pytest.mark.parametrize("error", [PermissionError("locked"), KeyboardInterrupt()])
def test_what_was_there_comes_back_if_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fetched(tmp_path)
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(type(error)):
        fetched(tmp_path)
    assert tree(tmp_path / "upstream") == UPSTREAM
    assert not list(tmp_path.glob("upstream.part-*"))


def test_old_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(SourceError, match=r"this requires Python 3\.9\.18"):
        fetched(tmp_path)


def test_archive_without_a_top_folder(tmp_path: Path) -> None:
    fetched(tmp_path, tar({"include/foo.h": HEADER, "foo.c": ""}))
    assert tree(tmp_path / "upstream") == UPSTREAM


# source.toml -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "name must be a string, not None"),
        ({"post": ""}, "post must be the packaging revision, 0 or more, not None"),
        ({"post": "-1"}, "post must be the packaging revision, 0 or more, not -1"),
        ({"post": "true"}, "post must be the packaging revision, 0 or more, not True"),
        ({"version": "1.4"}, "version must be numbers joined with dots, not 1.4"),
        (
            {"purl": '"foo"'},
            "purl must be a package URL, as in pkg:generic/foo@{version}, not 'foo'",
        ),
        ({"name": "foo"}, "source.toml cannot be read: "),
        ({"version_pattern": '"("'}, "version-file or version-pattern of source.toml: missing )"),
        ({"version_pattern": '"BAR (.*)"'}, "version-pattern finds '' in include/foo.h"),
        (
            {"version_file": '"absent.h"'},
            "version-file or version-pattern of source.toml: [Errno 2]",
        ),
        ({"license": '""'}, "license must be an SPDX expression, as in MIT OR Apache-2.0, not ''"),
        (
            {"version": '"1.4.1"'},
            "source.toml says foo 1.4.1, and version-pattern finds '1.4.2' in include/foo.h: correct",
        ),
    ],
)
def test_bad_source_toml(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(SourceError) as refused:
        fetched(tmp_path, **changes)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "upstream").exists()


@pytest.mark.parametrize(
    ("expression", "is_right"),
    [
        ("Zlib", True),
        ("GPL-2.0+", True),
        ("LicenseRef-foo", True),
        ("GPL-2.0-or-later WITH GCC-exception-3.1", True),
        ("(MIT OR 0BSD) AND (Zlib OR (BSL-1.0 AND ISC))", True),
        ("MIT AND(Zlib OR ISC)", True),
        ("zlib License", False),
        ("MIT, Zlib", False),
        ("MIT/Zlib", False),
        ("MIT OR", False),
        ("AND MIT", False),
        ("MIT and Zlib", False),
        ("MIT (Zlib)", False),
        ("(MIT OR Zlib", False),
        ("MIT) AND (Zlib", False),
        ("()", False),
    ],
)
def test_form_of_the_licence(tmp_path: Path, expression: str, is_right: bool) -> None:
    source_toml(tmp_path, ("https://x/foo.tar.gz", ZEROS), license=f'"{expression}"')
    # A command that reads the file, and does no more.
    with pytest.raises(SourceError) as refused:
        fetch_source.facts(tmp_path)
    said = f"license must be an SPDX expression, as in MIT OR Apache-2.0, not {expression!r}"
    assert (said in str(refused.value)) == (not is_right)


@pytest.mark.parametrize(
    ("archives", "said"),
    [
        ("", r"has no \[\[archive\]\]"),
        ("archive = []", r"has no \[\[archive\]\]"),
        ("archive = ['https://x/foo.tar.gz']", r"has no \[\[archive\]\]"),
        ("[[archive]]\nurl = 'https://x/y'", "sha256 must be 64 hexadecimal digits, not None"),
        ("[[archive]]\nurl = 'https://x/y'\nsha256 = 'abc'", "hexadecimal digits, not 'abc'"),
        ("[[archive]]\nurl = 'foo.tar.gz'\nsha256 = ''", "url must be an archive's URL, not 'foo"),
    ],
)
def test_source_toml_with_wrong_archives(tmp_path: Path, archives: str, said: str) -> None:
    file = source_toml(tmp_path) / "source.toml"
    file.write_text(f"{file.read_text('utf-8')}{archives}\n", encoding="utf-8")
    with pytest.raises(SourceError, match=said):
        fetch_source.fetch(tmp_path)


def test_tomli_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib" if sys.version_info >= (3, 11) else "tomli", None)
    with pytest.raises(SourceError, match=r"source\.toml cannot be read: .*\btom"):
        fetch_source.fetch(source_toml(tmp_path))


def test_version_of_three_macros(tmp_path: Path) -> None:
    header = "#define FOO_MAJOR 2\n#define FOO_MINOR 0\n#define FOO_PATCH 11\n"
    pattern = "'#define FOO_(?:MAJOR|MINOR|PATCH) ([0-9]+)'"
    data = tar({"foo/include/foo.h": header})
    fetched(tmp_path, data, version='"2.0.11"', version_pattern=pattern)
    assert fetch_source.facts(tmp_path)["version"] == "2.0.11"


# What the build asks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("post", "version"), [("0", "1.4.2"), ("1", "1.4.2.post1"), ("12", "1.4.2.post12")]
)
def test_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, post: str, version: str) -> None:
    monkeypatch.chdir(fetched(tmp_path, post=post))
    found = fetch_source.dynamic_metadata({"license": "MIT"}, {})
    assert found == {"version": version, "license": "Zlib AND MIT"}


@pytest.mark.parametrize(
    ("upstream", "packaging", "expression"),
    [
        ("MIT", "MIT", "MIT"),
        ("MIT OR Apache-2.0", "MIT", "(MIT OR Apache-2.0) AND MIT"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0", "MIT OR Apache-2.0"),
    ],
)
def test_licence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    upstream: str,
    packaging: str,
    expression: str,
) -> None:
    monkeypatch.chdir(fetched(tmp_path, license=f'"{upstream}"'))
    assert fetch_source.dynamic_metadata({"license": packaging}, {})["license"] == expression


@pytest.mark.parametrize(
    "state",
    [
        *("absent", "stale version", "stale hash", "one more archive", "damaged", "no list"),
        "stale version, unpinned",
    ],
)
def test_build_without_the_right_sources_says_which_command_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    root = tmp_path / "libfoo"
    root.mkdir()
    if state == "absent":
        source_toml(root, ("https://x/foo.tar.gz", ZEROS))
    elif state == "stale version, unpinned":
        archive = tmp_path / "foo.tar.gz"
        archive.write_bytes(GOOD)
        source_toml(root, ("https://x/foo.tar.gz", ZEROS), version='"1.4.1"')
        fetch_source.fetch(root, archive, unpinned=True)
        source_toml(root, ("https://x/foo.tar.gz", ZEROS))
    else:
        fetched(root)
        record = root / "upstream" / fetch_source.RECORD
        if state == "stale version":
            source_toml(root, ("https://x/foo.tar.gz", sha256(GOOD)), version='"1.4.3"')
        elif state == "stale hash":
            source_toml(root, ("https://x/foo.tar.gz", ZEROS))
        elif state == "one more archive":
            one = ("https://x/foo.tar.gz", sha256(GOOD))
            source_toml(root, one, ("https://x/data.tar.gz", ZEROS))
        else:
            record.write_text("{" if state == "damaged" else '{"a": 1}', encoding="utf-8")
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as stopped:
        fetch_source.dynamic_metadata({}, {})
    said = str(stopped.value)
    assert "\n" not in said
    assert said.startswith("libfoo: foo 1.4.")
    assert said.endswith("/upstream; run: python -m native_lib.support.fetch_source")


# The command ---------------------------------------------------------------------------------------


def command(
    root: Path, *arguments: str | Path, script: str = "fetch_source.py"
) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script that a project has, from elsewhere."""
    (root / script).parent.mkdir(exist_ok=True)
    (root / script).write_bytes(SCRIPT.read_bytes())
    return run(root.parent, str(root / script), *arguments)


def run(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=building.environment() | {"PYTHONPATH": str(building.ROOT / "loader" / "src")},
    )


@pytest.mark.parametrize("script", ["fetch_source.py", "native-lib/fetch_source.py"])
def test_command(tmp_path: Path, script: str) -> None:
    archive = tmp_path / "foo.tar.gz"
    archive.write_bytes(GOOD)
    source_toml(tmp_path, ("https://x/foo.tar.gz", sha256(GOOD)))
    done = command(tmp_path, "--facts", script=script)
    assert (done.returncode, done.stdout) == (1, "")
    where = f"is not in {tmp_path / 'upstream'}; run: python {script}\n"
    assert done.stderr == f"fetch_source.py: foo 1.4.2 of source.toml {where}"
    done = command(tmp_path, "--archive", archive, script=script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"upstream/: https://x/foo.tar.gz {sha256(GOOD)}\n"
    done = command(tmp_path, "--facts", script=script)
    assert json.loads(done.stdout)["version"] == "1.4.2"


def test_command_of_the_package(tmp_path: Path) -> None:
    source_toml(tmp_path, ("https://x/foo.tar.gz", sha256(GOOD)))
    done = run(tmp_path, "-m", "native_lib.support.fetch_source", "--facts")
    said = f"is not in {tmp_path / 'upstream'}; run: python -m native_lib.support.fetch_source\n"
    assert done.stderr == f"fetch_source.py: foo 1.4.2 of source.toml {said}"


def test_command_has_no_traceback(tmp_path: Path) -> None:
    for source in ("absent", "folder"):
        for arguments in ([], ["--archive", "absent"], ["--facts"]):
            done = command(tmp_path, *arguments)
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert line.startswith("fetch_source.py: ")
            assert "source.toml" in line
        if source == "absent":
            (tmp_path / "source.toml").mkdir()


@pytest.mark.parametrize("refused", ["mkdtemp", "read_bytes", "write_text"])
def test_what_the_system_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    archive = tmp_path / "foo.tar.gz"
    archive.write_bytes(GOOD)
    source_toml(tmp_path, ("https://x/foo.tar.gz", sha256(GOOD)))
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "it")

    # What root may do, too.
    monkeypatch.setattr(tempfile if refused == "mkdtemp" else Path, refused, refuse)
    with pytest.raises(SystemExit) as stopped:
        fetch_source.main(["--archive", str(archive)])
    assert stopped.value.code == "fetch_source.py: [Errno 13] Permission denied: 'it'"
    assert {path.name for path in tmp_path.iterdir()} == {"foo.tar.gz", "source.toml"}
