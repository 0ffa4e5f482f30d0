"""upstream_sources.py: which of Debian's versions stands in for upstream's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import upstream_sources

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "newest", "others"),
    [
        ("libpng", "1.6.58-1", ["1.6.9-1", "1.6.39-2+deb12u1"]),
        ("libpng", "1.6.58-10", ["1.6.58-9"]),
        ("zlib", "1:1.3.dfsg+really1.3.2-3", ["1:1.3.dfsg+really1.3.1-1", "1:1.2.13.dfsg-1"]),
        ("zlib", "1:1.3.3.dfsg-1", ["1:1.3.dfsg+really1.3.2-3", "1:1.2.13.dfsg-1"]),
    ],
)
def test_newest_version_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, newest: str, others: list[str]
) -> None:
    assert upstream_sources._newest_first([*others, newest])[0] == newest
    monkeypatch.setattr(upstream_sources, "CACHE", tmp_path)
    for version in (*others, newest):
        upstream_sources._cached(name, version).write_bytes(b"")
    assert upstream_sources.from_debian(name, "") == upstream_sources._cached(name, newest)


@pytest.mark.parametrize("names", [["zlib", "hdf5"], []])
def test_named_packages_or_all(
    names: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def provide(name: str) -> None:
        provided.append(name)
        if name == "hdf5":
            raise upstream_sources.SourcesError("hdf5: this is no Debian")

    provided: list[str] = []
    monkeypatch.setattr(upstream_sources, "provide", provide)
    monkeypatch.setattr("sys.argv", ["upstream_sources.py", *names])
    assert upstream_sources.main() == 1
    assert provided == (names or [*upstream_sources.DEBIAN_SOURCES])
    said = "not available: the sources of hdf5: this is no Debian\n"
    assert capsys.readouterr().err == said
