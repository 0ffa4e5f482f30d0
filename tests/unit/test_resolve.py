"""Where doctor finds a library: as this system's loader would, which is asked for it here."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import building
import pytest
import wheels
from native_lib.check.read import read_binary
from native_lib.doctor import resolve

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="Linux only: compares with its loader"
)

OPEN = """
import ctypes, os, sys
ctypes.CDLL(sys.argv[1])
print(*(line.split()[-1] for line in open("/proc/self/maps") if sys.argv[2] in line), sep="\\n")
"""


class Search:
    """An extension module and copies of the library that it needs, in folders that one can search."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.against = building.compile_library(
            wheels.LIBRARY, folder / "against.so", soname="libsearched.so.1"
        )
        for name in ("beside", "own", "given"):
            (folder / name).mkdir()
            copy = folder / name / "libsearched.so.1"
            copy.write_bytes(self.against.read_bytes())

    def extension(self, *options: str) -> Path:
        return building.compile_library(
            wheels.EXTENSION, self.folder / "beside" / "_ext.so", str(self.against), *options
        )

    def found(self, extension: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """Return the folder of what doctor finds, once the loader has found it there, too."""
        monkeypatch.setenv("LD_LIBRARY_PATH", given)
        path = found_by_doctor(extension, "libsearched.so.1")
        assert found_by_loader(extension, "libsearched", LD_LIBRARY_PATH=given) == path
        return path and str(Path(path).parent.relative_to(self.folder.resolve()))


def found_by_doctor(extension: Path, name: str) -> str:
    (binary,) = read_binary(str(extension), extension.read_bytes())
    path = resolve.find(binary, extension, name)
    return path and str(Path(path).resolve())


def found_by_loader(extension: Path, name: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, extension, name],
        env={**building.environment(None), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        assert "cannot open shared object file" in done.stderr
        return ""
    return done.stdout.splitlines()[0]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


OLD, NEW = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"


@pytest.mark.parametrize(
    ("tags", "path", "given", "serves"),
    [
        (NEW, "", "", ""),
        (NEW, "", "{given}", "given"),
        (NEW, "{own}", "", "own"),
        (NEW, "{own}", "{given}", "given"),
        (OLD, "{own}", "{given}", "own"),
        (NEW, "$ORIGIN", "", "beside"),
        (NEW, "${{ORIGIN}}", "", "beside"),
        (NEW, "$ORIGIN/../own:$ORIGIN", "", "own"),
        (NEW, "/absent:{own}", "/absent", "own"),
    ],
)
def test_folders_are_searched_in_the_loaders_order(
    search: Search,
    monkeypatch: pytest.MonkeyPatch,
    tags: str,
    path: str,
    given: str,
    serves: str,
) -> None:
    folders = {name: search.folder / name for name in ("own", "given")}
    options = [tags, f"-Wl,-rpath,{path.format(**folders)}"] if path else []
    found = search.found(search.extension(*options), given.format(**folders), monkeypatch)
    assert found == serves


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="musl keeps no list of libraries")
def test_systems_libraries_are_those_of_its_cache(tmp_path: Path) -> None:
    extension = building.compile_library("int one(void) { return 1; }", tmp_path / "_ext.so")
    path = found_by_doctor(extension, "libc.so.6")
    assert found_by_loader(extension, "/libc.so.6") == path
