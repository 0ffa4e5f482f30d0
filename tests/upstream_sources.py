"""Put upstream's sources into the reference packages, also where upstream cannot be reached.

    python tests/upstream_sources.py [NAME ...]

takes what source.toml lists, and where upstream's server cannot be reached, Debian's source package:
the newest suite that has one. Debian's archives are checked by apt, and may be of another version; what
is built from them says so in its version and its SBOM. Downloads are kept in a cache, and its newest
one is used: to have Debian asked again, delete it.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "reference-packages"
FETCH_SOURCE = ROOT / "loader" / "src" / "native_lib" / "support" / "fetch_source.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "native-lib-template"
SUITES = ("sid", "trixie", "bookworm")
DEBIAN_SOURCES = {
    "zlib": "zlib",
    "libpng": "libpng1.6",
    "sodium": "libsodium",
    "zmq": "zeromq3",
    "hdf5": "hdf5",
}
# What Debian leaves out of an archive, and upstream's CMakeLists.txt asks for.
LEFT_OUT = {"zlib": ("contrib/CMakeLists.txt", "win32/zlib1.rc")}


class SourcesError(Exception):
    """Neither upstream nor Debian has the sources; the message says what each answered."""


def provide(name: str) -> None:
    """Make sure that reference-packages/<name>/upstream/ is there.

    Args:
        name: of a provider among the reference packages.

    Raises:
        SourcesError: it cannot be had.
    """
    package = PACKAGES / name
    fetch = [sys.executable, str(FETCH_SOURCE)]
    if _succeeds([*fetch, "--facts"], package)[0]:
        return
    said = "its server cannot be reached"
    if _reachable(package / "source.toml"):
        fetched, said = _succeeds(fetch, package)
        if fetched:
            return
    archive = from_debian(name, said)
    fetched, said = _succeeds([*fetch, "--archive", str(archive), "--unpinned"], package)
    if not fetched:
        raise SourcesError(said)


def _succeeds(command: list[str], folder: Path | None = None) -> tuple[bool, str]:
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout


def _reachable(source: Path) -> bool:
    (url,) = re.findall(r'^url = "(.*)"', source.read_text(encoding="utf-8"), re.MULTILINE)
    try:
        with socket.create_connection((urllib.parse.urlsplit(url).hostname, 443), timeout=5):
            return True
    except OSError:
        return False


def from_debian(name: str, upstream_said: str) -> Path:
    """Return upstream's archive out of Debian's newest source package, or the cache's newest.

    Args:
        name: of a provider among the reference packages, or of another source package of Debian's.
        upstream_said: why upstream's own server does not serve.

    Raises:
        SourcesError: Debian has none either.
    """
    cached = _newest_first([path.name for path in CACHE.glob(f"{name}-*.tar.gz")])
    if cached:
        return CACHE / cached[0]
    if not shutil.which("apt-get"):
        raise SourcesError(f"{name}: {upstream_said}; and this is no Debian")
    said = [upstream_said]
    with tempfile.TemporaryDirectory() as folder:
        # A sources folder of our own: the machine's lists stay as they are.
        work = Path(folder)
        for part in ("sources", "lists/partial", "cache/archives/partial", "found"):
            (work / part).mkdir(parents=True)
        lines = [f"deb-src {_mirror()} {suite} main\n" for suite in SUITES]
        (work / "sources" / "sources.list").write_text("".join(lines), encoding="utf-8")
        options = [
            f"-o=Dir::Etc::sourcelist={work}/sources/sources.list",
            *("-o=Dir::Etc::sourceparts=/dev/null", f"-o=Dir::State::lists={work}/lists"),
            *(f"-o=Dir::Cache={work}/cache", "-o=APT::Sandbox::User=root", "-o=Acquire::Retries=3"),
        ]
        said.append(_succeeds(["apt-get", *options, "-qq", "update"])[1])
        package = DEBIAN_SOURCES.get(name, name)
        listed = _succeeds(["apt-cache", *options, "showsrc", "--only-source", package])[1]
        for version in _newest_first(re.findall(r"^Version: (\S+)$", listed, re.MULTILINE)):
            # A version that the index lists is sometimes missing from the mirror.
            command = ["apt-get", *options, "-qq", "source", "--download-only"]
            done = subprocess.run(
                [*command, f"{package}={version}"],
                cwd=work / "found",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            found = list((work / "found").glob("*.orig.tar.*"))
            if done.returncode == 0 and found:
                return _completed(name, found[0], version)
            said.append(done.stdout)
    raise SourcesError(f"{name}: " + "\n".join(text.strip() for text in said))


def _mirror() -> str:
    """Return the mirror that this machine takes Debian's packages from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    mirrors = _succeeds([*command, "Origin: Debian"])[1].split()
    if not mirrors:
        raise SourcesError("this machine's apt has no list of Debian's packages: apt-get update")
    return next((mirror for mirror in mirrors if mirror.endswith("/debian/")), mirrors[0])


def _newest_first(versions: list[str]) -> list[str]:
    """Order Debian's versions, or the names of the cache's files for them."""

    def number(version: str) -> list[int]:
        # 1:1.3.dfsg+really1.3.2-3 is 1.3.2-3. In a file's name, the epoch's colon is a _.
        upstream = re.sub(r".*really|.*:|^\w+-[0-9]+_", "", version)
        return [int(part) for part in re.findall(r"[0-9]+", upstream)]

    return sorted(dict.fromkeys(versions), key=number, reverse=True)


def _cached(name: str, version: str) -> Path:
    return CACHE / f"{name}-{re.sub('[^0-9a-zA-Z.]', '_', version)}.tar.gz"


def _completed(name: str, archive: Path, version: str) -> Path:
    """Keep an archive, with empty files for what Debian left out and the build asks for."""
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = _cached(name, version)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        made = Path(folder, "archive")
        with tarfile.open(archive) as original, tarfile.open(made, "w:gz") as completed:
            names = set()
            for member in original:
                names.add(member.name)
                completed.addfile(member, original.extractfile(member) if member.isfile() else None)
            (top,) = {path.partition("/")[0] for path in names}
            for path in LEFT_OUT.get(name, ()):
                if f"{top}/{path}" not in names:
                    completed.addfile(tarfile.TarInfo(f"{top}/{path}"), io.BytesIO())
        made.rename(kept)
    return kept


def main() -> int:
    """Provide the sources of these reference packages, or of all; a line for each that cannot be had."""
    status = 0
    for name in sys.argv[1:] or DEBIAN_SOURCES:
        try:
            provide(name)
        except SourcesError as error:
            print(f"not available: the sources of {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
