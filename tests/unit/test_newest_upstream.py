"""reference-packages/newest_upstream.py, with a server of the test's own for upstream's."""

from __future__ import annotations

import functools
import hashlib
import http.server
import re
import shutil
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
import newest_upstream
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

SOURCE = """# A comment about {version}.
name = "{name}"
version = "{version}"
post = 2

[[archive]]
url = "{host}/files/{version}/{name}-{version}.tar.gz"
sha256 = "0000"
"""
ZLIB, LIBPNG = "madler/zlib", "pnggroup/libpng"


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer as ever, or as a server that has no answer just now."""
        if self.path.endswith("-1.3.500.tar.gz"):
            self.send_error(500)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@dataclass(frozen=True)
class Server:
    """Upstream's repositories and archives, and packages that wrap 1.3.2 and 1.6.59."""

    folder: Path
    packages: Path
    host: str

    def tag(self, repository: str, *versions: str) -> None:
        """Make the tags of a repository, as git finds them on a server that knows nothing of git."""
        lines = [f"{number:040x}\trefs/tags/{v}\n" for number, v in enumerate(versions, start=1)]
        refs = self.folder / repository / "info" / "refs"
        refs.parent.mkdir(parents=True, exist_ok=True)
        refs.write_bytes("".join(lines).encode())
        (self.folder / repository / "HEAD").write_bytes(b"ref: refs/heads/main\n")

    def put(self, name: str, version: str) -> str:
        """Publish an archive, and return its hash."""
        file = self.folder / "files" / version / f"{name}-{version}.tar.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name} {version}", encoding="utf-8")
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def source(self, name: str) -> str:
        """What a package's source.toml says."""
        return (self.packages / name / "source.toml").read_text("utf-8")

    def run(self) -> int:
        """Run the script over the packages."""
        return newest_upstream.main(["--packages", str(self.packages), "--host", self.host])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    two = {name: newest_upstream.UPSTREAMS[name] for name in ("zlib", "libpng")}
    monkeypatch.setattr(newest_upstream, "UPSTREAMS", two)
    folder, packages = tmp_path / "server", tmp_path / "packages"
    folder.mkdir()
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        host = f"http://127.0.0.1:{running.server_port}"
        for name, version in (("zlib", "1.3.2"), ("libpng", "1.6.59")):
            (packages / name).mkdir(parents=True)
            text = SOURCE.format(name=name, version=version, host=host)
            (packages / name / "source.toml").write_text(text, encoding="utf-8")
        made = Server(folder, packages, host)
        made.tag(ZLIB, "v1.3.2")
        made.tag(LIBPNG, "v1.6.59")
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield made
        running.shutdown()


@pytest.mark.parametrize(
    ("name", "tag", "version"),
    [
        ("zlib", "v1.4.1.2", "1.4.1.2"),
        ("libpng", "v1.7.0", ""),
        ("sodium", "1.0.23-RELEASE", "1.0.23"),
        ("sodium", "1.0.23-FINAL", ""),
        ("sodium", "1.1.0-RELEASE", ""),
        ("zmq", "v4.4.0", "4.4.0"),
        ("zmq", "v4.3.6-rc1", ""),
        ("zmq", "v5.0.0", ""),
        ("hdf5", "hdf5_1.14.7", "1.14.7"),
        ("hdf5", "hdf5_1.14.4.3", ""),
        ("hdf5", "hdf5-1_14_3", ""),
        ("hdf5", "2.0.0", ""),
    ],
)
def test_tags_that_are_releases(name: str, tag: str, version: str) -> None:
    found = re.fullmatch(newest_upstream.UPSTREAMS[name].tags, f"refs/tags/{tag}")
    assert (found[1] if found else "") == version


def test_every_provider_has_an_upstream() -> None:
    sources = {path.parent.name for path in newest_upstream.ROOT.glob("*/source.toml")}
    assert set(newest_upstream.UPSTREAMS) == sources


def test_nothing_newer(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    before = server.source("zlib"), server.source("libpng")
    assert server.run() == 0
    assert capsys.readouterr().out == "zlib: nothing newer\nlibpng: nothing newer\n"
    assert (server.source("zlib"), server.source("libpng")) == before


def test_newer(
    server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    # Neither the order of a list nor that of letters is the order of versions.
    server.tag(ZLIB, "v1.3.9", "v1.3.10", "v1.3.2")
    hashes = [server.put("zlib", version) for version in ("1.3.9", "1.3.10")]
    before = server.source("libpng")
    assert server.run() == 0
    assert capsys.readouterr().out == "zlib: 1.3.10\nlibpng: nothing newer\n"
    assert server.source("zlib") == (
        "# A comment about 1.3.2.\n"
        'name = "zlib"\nversion = "1.3.10"\npost = 0\n\n[[archive]]\n'
        f'url = "{server.host}/files/1.3.10/zlib-1.3.10.tar.gz"\nsha256 = "{hashes[1]}"\n'
    )
    assert server.source("libpng") == before
    assert [file.name for file in (server.packages / "zlib").iterdir()] == ["source.toml"]
    assert (tmp_path / "output").read_text("utf-8") == "changed=zlib 1.3.10\n"


def test_pre_releases_and_other_abis_are_ignored(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tag(ZLIB, "v1.3.2", "v1.4.0-rc1", "v2.0.0", "1.9", "v1.3.3beta")
    server.tag(LIBPNG, "v1.6.59", "v1.6.60rc01", "v1.7.0beta89", "v1.8.0", "libpng-1.6.61-signed")
    assert server.run() == 0
    assert capsys.readouterr().out == "zlib: nothing newer\nlibpng: nothing newer\n"


def test_release_without_an_archive(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.tag(LIBPNG, "v1.6.61", "v1.6.60", "v1.6.59")
    server.put("libpng", "1.6.60")
    assert server.run() == 0
    url = f"{server.host}/files/1.6.61/libpng-1.6.61.tar.gz"
    assert capsys.readouterr().out == (
        f"libpng: 1.6.61 has a tag and no {url}: passed over\nzlib: nothing newer\nlibpng: 1.6.60\n"
    )
    assert 'version = "1.6.60"' in server.source("libpng")


def test_nothing_is_changed_when_one_of_them_does_not_answer(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tag(ZLIB, "v1.3.3")
    server.put("zlib", "1.3.3")
    (server.folder / LIBPNG / "info" / "refs").unlink()
    before = server.source("zlib")
    assert server.run() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{server.host}/{LIBPNG} cannot be asked for its tags: " in said
    assert server.source("zlib") == before


def test_no_tags(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.tag(ZLIB, "v0.9")
    assert server.run() == 2
    assert f"{server.host}/{ZLIB} has no tag of a release" in capsys.readouterr().err


def test_server_is_down(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--packages", str(server.packages), "--host", "http://127.0.0.1:9"]
    assert newest_upstream.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "newest_upstream.py: http://127.0.0.1:9/madler/zlib cannot be asked for its tags: "
    )
    assert said.count("\n") == 1


def test_download_fails(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.tag(ZLIB, "v1.3.3")
    source = server.packages / "zlib" / "source.toml"
    text = server.source("zlib").replace(server.host, "http://127.0.0.1:9")
    source.write_text(text, encoding="utf-8")
    assert server.run() == 2
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9/files/1.3.3/zlib-1.3.3.tar.gz cannot be downloaded: " in said
    assert server.source("zlib") == text


def test_only_what_is_not_found_is_passed_over(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server with a fault of its own must not make an older release the newest."""
    server.tag(ZLIB, "v1.3.3", "v1.3.500")
    server.put("zlib", "1.3.3")
    before = server.source("zlib")
    assert server.run() == 2
    assert "zlib-1.3.500.tar.gz cannot be downloaded: HTTP Error 500" in capsys.readouterr().err
    assert server.source("zlib") == before


def test_two_lines_of_one_key(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    source = server.packages / "zlib" / "source.toml"
    text = server.source("zlib") + 'version = "1.3.2"\n'
    source.write_text(text, encoding="utf-8")
    assert server.run() == 2
    assert f"{source} has 2 lines of version, not one" in capsys.readouterr().err
    assert server.source("zlib") == text


@pytest.mark.parametrize("name", newest_upstream.UPSTREAMS)
def test_our_own_files_are_such(name: str) -> None:
    """The script finds its lines in them, and the version in the URL."""
    source = (building.ROOT / "reference-packages" / name / "source.toml").read_text("utf-8")
    found = {key: re.findall(p, source, re.MULTILINE) for key, p in newest_upstream.KEYS.items()}
    assert {key: len(lines) for key, lines in found.items()} == dict.fromkeys(found, 1)
    assert found["version"][0] in found["url"][0]
