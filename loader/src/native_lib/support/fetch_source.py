"""Get upstream's sources, and tell the build what they are.

    python fetch_source.py                     what source.toml lists
    python fetch_source.py --archive FILE      the same, from a file that is here already

Each archive is checked by its hash before it is unpacked into upstream/, which git ignores and the
sdist contains. The build asks here, too: the back end for the wheel's version, which upstream's own
header tells, and NativeLibrary.cmake for what the wheel's SBOM says of upstream.

This file is made to be vendored, and needs the standard library only; ``native-lib vendor`` updates
it. Where it comes from: https://github.com/org/native-lib-template
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import importlib
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

try:
    from lzma import LZMAError
except ImportError:  # Python was built without; then it unpacks no .xz
    LZMAError = tarfile.ReadError  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parent
COMMAND = "python fetch_source.py"
RECORD = "native_library_source.json"
WAITS = (2, 8)  # seconds before the second and the third try of a download
CHUNK = 1 << 16
NO_HASH = "(no sha256)"
# What unpacking a damaged, encrypted or unknown archive raises: each kind has errors of its own.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError),
    *(EOFError, LookupError, OSError, RuntimeError, ValueError),
)
TEXTS = ("name", "version", "license", "purl", "version-file", "version-pattern")


class SourceError(Exception):
    """The sources cannot be had or used; the message says why, and what to do."""


@dataclass(frozen=True)
class Archive:
    """One file that upstream publishes: where it is, and what its content must hash to."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Fetched:
    """What was unpacked for an archive.

    Attributes:
        url: the archive's; of a local file with another hash, its name.
        sha256: what it hashed to.
        listed: what source.toml said that it must hash to.
        version: what source.toml said that upstream/ holds; empty if nobody wrote that down.
    """

    url: str
    sha256: str
    listed: str
    version: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether it is what source.toml lists."""
        return self.sha256 == self.listed


@dataclass(frozen=True)
class Source:
    """What source.toml says.

    Attributes:
        name, version, license, purl: upstream's, the licence as SPDX expression. In the package URL
            ``{version}`` stands for the version.
        post: the packaging revision: 1 makes wheel 1.4.2.post1 of the same 1.4.2.
        version_file: upstream's file, below upstream/, that tells the version.
        version_pattern: a regular expression; what its groups match there is joined with dots.
        archives: all that is needed; together they are upstream/.
    """

    name: str
    version: str
    license: str
    purl: str
    post: int
    version_file: str
    version_pattern: str
    archives: tuple[Archive, ...]


def read_source(root: Path) -> Source:
    """Read source.toml.

    Args:
        root: the folder that holds it.

    Raises:
        SourceError: it is missing, or not as it must be.
    """
    file = root / "source.toml"
    try:
        # Before Python 3.11 there is tomli, which scikit-build-core requires there.
        tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError as error:
        raise SourceError(
            f"Python before 3.11 needs tomli here: {sys.executable} -m pip install tomli"
        ) from error
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"there is no {file}, which says what upstream is") from None
    except ValueError as error:
        raise SourceError(f"{file} is no TOML: {error}") from None
    problem = _problem(table)
    if problem:
        raise SourceError(f"{file}: {problem}")
    return Source(
        **{key.replace("-", "_"): table[key] for key in TEXTS},
        post=table["post"],
        archives=tuple(
            Archive(entry["url"].replace("{version}", table["version"]), entry["sha256"].lower())
            for entry in table["archive"]
        ),
    )


def _problem(table: dict[str, Any]) -> str:
    """Return what is wrong with source.toml, or an empty string."""
    wrong = [key for key in TEXTS if not isinstance(table.get(key), str)]
    if wrong:
        return f"missing, or no text: {', '.join(wrong)}"
    if not table["license"]:
        return "license is upstream's SPDX expression, and is empty"
    if not re.fullmatch(r'pkg:[^\s"\\]+', table["purl"]):
        return "purl is a package URL such as pkg:generic/foo@{version}"
    post = table.get("post")
    if type(post) is not int or post < 0:
        return f"post is the packaging revision, 0 or more, not {post!r}"
    archives = table.get("archive")
    if not isinstance(archives, list) or not archives:
        return "there is no [[archive]]"
    for archive in archives:
        if not isinstance(archive, dict) or not all(
            isinstance(archive.get(key), str) for key in ("url", "sha256")
        ):
            return "an [[archive]] has a url and a sha256, both as text"
        if not re.fullmatch(r"([0-9a-fA-F]{64})?", archive["sha256"]):
            return f"sha256 is 64 hexadecimal digits, not {archive['sha256']!r}"
    return ""


# Fetching ----------------------------------------------------------------------------------------


def fetch(root: Path, local: Sequence[Path] = (), unpinned: bool = False) -> list[Fetched]:
    """Download the archives, check them, and unpack them into upstream/, all or nothing.

    Args:
        root: the folder with source.toml; upstream/ is made there.
        local: files to take instead of downloading; each stands for the archive with its hash.
        unpinned: admit a local file whose hash is not listed, for the archive of its name.

    Returns:
        What upstream/ was made of.

    Raises:
        SourceError: a download failed, a hash differs, or an archive would lead outside of
            upstream/. What was there before is untouched, as it is after an OSError.
    """
    source = read_source(root)
    upstream = root / "upstream"
    if os.path.lexists(upstream) and not (upstream / RECORD).is_file():
        raise SourceError(
            f"{upstream} was not made by this command, which would replace it: move it away"
        )
    stand_ins = _stand_ins(source, local, unpinned)
    try:
        # Beside upstream/, so that moving it there is one rename.
        part = tempfile.TemporaryDirectory(prefix="upstream.part-", dir=root)
    except OSError as error:
        raise SourceError(f"upstream/ cannot be made in {root}: {error.strerror}") from None
    with part as folder:
        made = Path(folder, "upstream")
        made.mkdir()
        fetched = []
        for number, archive in enumerate(source.archives):
            if archive in stand_ins:
                file, used = stand_ins[archive]
            else:
                file = Path(folder, f"{number}-{_leaf(archive.url)}")
                _download(archive, file)
                used = Fetched(archive.url, archive.sha256, archive.sha256, source.version)
            _unpack(file, made)
            fetched.append(used)
        version = _header_version(source, made)
        if version != source.version and all(archive.is_pinned for archive in fetched):
            raise SourceError(
                f"source.toml says {source.name} {source.version}, and {source.version_file} in the "
                f"archive says {version}: correct version in source.toml"
            )
        for used, archive in zip(fetched, source.archives):
            if not used.is_pinned:
                _warn(source, archive, used, version)
        record = json.dumps([asdict(archive) for archive in fetched], indent=2)
        (made / RECORD).write_text(record + "\n", encoding="utf-8")
        _replace(upstream, made, Path(folder, "before"))
    return fetched


def _warn(source: Source, archive: Archive, used: Fetched, version: str) -> None:
    """Say that an archive is not the one listed, and what that makes of the wheel's version."""
    other = (
        f", and {source.version_file} says {source.name} {version}, not the {source.version} that "
        "source.toml lists"
    )
    print(
        f"warning: {used.url} is not pinned{other if version != source.version else ''}\n"
        f"  file:   {used.sha256}\n  listed: {archive.sha256 or NO_HASH} {archive.url}",
        file=sys.stderr,
    )


def _replace(folder: Path, new: Path, before: Path) -> None:
    """Move a folder to the place of another; if that fails, for whatever reason, undo it."""
    try:
        if os.path.lexists(folder):
            folder.rename(before)
        new.rename(folder)
    except BaseException as error:
        if os.path.lexists(before):
            before.rename(folder)
        if isinstance(error, OSError):
            raise SourceError(f"{folder} cannot be replaced: {error}") from None
        raise


def _stand_ins(
    source: Source, local: Sequence[Path], unpinned: bool
) -> dict[Archive, tuple[Path, Fetched]]:
    """Return the local file, and what it is, for the archives that are not to be downloaded."""
    found = {}
    for file in local:
        try:
            if not file.is_file():
                raise SourceError(f"--archive {file}: this is no file")
            sha256 = _hash(file)
        except OSError as error:
            raise SourceError(f"--archive {file} cannot be read: {error.strerror}") from None
        by_hash = [archive for archive in source.archives if archive.sha256 == sha256]
        by_name = [archive for archive in source.archives if _leaf(archive.url) == file.name]
        if by_hash:
            found[by_hash[0]] = (file, Fetched(by_hash[0].url, sha256, sha256, source.version))
            continue
        # With one archive there is no doubt which one is meant.
        meant = source.archives if len(source.archives) == 1 else by_name
        if not unpinned:
            listed = "".join(
                f"\n  listed: {archive.sha256 or NO_HASH} {archive.url}"
                for archive in meant or source.archives
            )
            raise SourceError(
                f"{file} is not what source.toml lists\n  file:   {sha256}{listed}\n"
                "If that is the hash which upstream publishes, write it into source.toml. To use "
                "another file all the same, say so with --unpinned."
            )
        if not meant:
            raise SourceError(f"{file}: source.toml lists no archive of this name")
        found[meant[0]] = (file, Fetched(file.name, sha256, meant[0].sha256, source.version))
    return found


def _leaf(url: str) -> str:
    return PurePosixPath(url.partition("?")[0]).name


def _hash(file: Path) -> str:
    hasher = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def _download(archive: Archive, file: Path) -> None:
    for wait in (*WAITS, None):
        try:
            _download_once(archive.url, file)
            break
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}: {error}"
            is_final = isinstance(error, ValueError)  # no URL
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the response, too
                is_final = error.code < 500
            if wait is None or is_final:
                came = f"  downloaded: {_hash(file)}\n" if file.exists() else ""
                raise SourceError(
                    f"{archive.url} cannot be downloaded: {reason}\n"
                    f"  listed:     {archive.sha256 or NO_HASH}\n{came}"
                    f"If you have the file, {COMMAND} --archive FILE takes it."
                ) from None
            print(f"{archive.url}: {reason}; again in {wait} s", file=sys.stderr)
            time.sleep(wait)
    sha256 = _hash(file)
    if sha256 != archive.sha256:
        raise SourceError(
            f"{archive.url} is not what source.toml lists\n"
            f"  listed:     {archive.sha256 or NO_HASH}\n  downloaded: {sha256}\n"
            "Find out which one upstream publishes before you change anything."
        )


def _download_once(url: str, file: Path) -> None:
    with urllib.request.urlopen(url, timeout=60) as response, file.open("wb") as opened:
        length = int(response.headers.get("Content-Length") or 0)
        done = 0
        while chunk := response.read(CHUNK):
            opened.write(chunk)
            done += len(chunk)
            _show_progress(_leaf(url), done, length)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if length and done != length:
            raise OSError(f"it ended after {done} of {length} bytes")


def _show_progress(name: str, done: int, length: int) -> None:
    if not sys.stderr.isatty():
        return
    width = 30
    bar = ("#" * (width * done // length)).ljust(width, ".") if length else "?"
    print(f"\r{name} [{bar}] {done / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)


# Unpacking ---------------------------------------------------------------------------------------


def _unpack(file: Path, into: Path) -> None:
    """Unpack an archive without its one top folder, if it has one."""
    with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
        folder = Path(temporary)
        try:
            # In this order: a tar archive may end with a zip archive, and look like one.
            if not tarfile.is_tarfile(file) and zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as zipped:
                    _refuse_escapes(file, zipped.namelist())
                    for member in zipped.infolist():
                        path = Path(zipped.extract(member, folder))
                        # Else upstream's configure could not be run.
                        path.chmod(path.stat().st_mode | member.external_attr >> 16 & 0o111)
            else:
                _unpack_tar(file, folder)
        except DAMAGE as error:
            raise SourceError(f"{file.name} cannot be unpacked: {error}") from None
        entries = list(folder.iterdir())
        top = entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
        for entry in top.iterdir():
            if entry.name == RECORD:
                raise SourceError(f"{file.name} has a {RECORD}, which this command writes itself")
            if os.path.lexists(into / entry.name):
                raise SourceError(f"{entry.name} comes out of two archives")
            shutil.move(str(entry), str(into / entry.name))
    _refuse_links_out(file, into)


def _unpack_tar(file: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise SourceError(
            f"Python {sys.version.split()[0]} cannot unpack archives safely (tarfile.data_filter): "
            "use 3.9.17, 3.10.12, 3.11.4, or anything newer"
        )
    with tarfile.open(file) as tar:
        _refuse_escapes(file, tar.getnames())
        # Looks at links and devices, too.
        tar.extractall(folder, filter="data")


def _refuse_escapes(file: Path, names: Sequence[str]) -> None:
    for name in names:
        path = PureWindowsPath(name)  # takes / and \ for separators
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise SourceError(f"{file.name} would write outside of upstream/: {name!r}")


def _refuse_links_out(file: Path, folder: Path) -> None:
    """Judge links, as tarfile did, by where they are now: without the top folder."""
    inside = os.path.realpath(folder)
    for path in folder.rglob("*"):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
            link = f"{path.relative_to(folder).as_posix()} -> {path.readlink()}"
            raise SourceError(f"{file.name} has a link that leads outside of upstream/: {link!r}")


# What the build asks -----------------------------------------------------------------------------


def facts(root: Path) -> dict[str, Any]:
    """Return what upstream/ holds.

    Args:
        root: the folder with source.toml and upstream/.

    Returns:
        name, version, license, purl and archives; wheel_version, which has the packaging's revision,
        too; and component, which is what an SBOM says of all that, in CycloneDX.

    Raises:
        SourceError: upstream/ is not there, or is not what source.toml lists.
    """
    source = read_source(root)
    upstream = root / "upstream"
    try:
        record = json.loads((upstream / RECORD).read_text(encoding="utf-8"))
        fetched = [Fetched(**archive) for archive in record]
    except FileNotFoundError:
        raise SourceError(
            f"the sources of {source.name} {source.version} are not in {upstream}; "
            f"this gets them: {COMMAND}"
        ) from None
    except (ValueError, TypeError) as error:
        raise SourceError(f"{upstream / RECORD}: {error}; again: {COMMAND}") from None
    version = _header_version(source, upstream)
    if all(archive.is_pinned for archive in fetched) and version != source.version:
        raise SourceError(
            f"{upstream} holds {source.name} {version}, and source.toml lists {source.version}; "
            f"this gets it: {COMMAND}"
        )
    then = [(archive.listed, archive.version or source.version) for archive in fetched]
    if then != [(archive.sha256, source.version) for archive in source.archives]:
        raise SourceError(
            f"{upstream} was made of other archives than source.toml lists; "
            f"this gets those: {COMMAND}"
        )
    purl = source.purl.replace("{version}", version)
    return {
        "name": source.name,
        "version": version,
        "wheel_version": version + (f".post{source.post}" if source.post else ""),
        "license": source.license,
        "purl": purl,
        "archives": [asdict(archive) for archive in fetched],
        "component": _component(source, version, purl, fetched),
    }


def _header_version(source: Source, upstream: Path) -> str:
    file = upstream / source.version_file
    if not file.is_file():
        of_that_name = sorted(upstream.rglob(file.name)) or sorted(upstream.iterdir())
        there = ", ".join(path.relative_to(upstream).as_posix() for path in of_that_name[:9])
        raise SourceError(
            f"version-file {source.version_file!r} of source.toml is not among the sources; "
            f"there are {there}"
        )
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        found = re.findall(source.version_pattern, text)
    except re.error as error:
        raise SourceError(f"source.toml: version-pattern: {error}") from None
    groups = (part for match in found for part in ([match] if isinstance(match, str) else match))
    version = ".".join(part for part in groups if part)
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", version):
        raise SourceError(
            f"{source.version_file} tells no version by the version-pattern of source.toml "
            f"({source.version_pattern}): it gives {version!r}"
        )
    return version


def _component(
    source: Source, version: str, purl: str, fetched: Sequence[Fetched]
) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": source.name,
        "version": version,
        "licenses": [{"expression": source.license}],
        "purl": purl,
        "externalReferences": [
            {
                "type": "source-distribution",
                "url": archive.url,
                "hashes": [{"alg": "SHA-256", "content": archive.sha256}],
            }
            for archive in fetched
        ],
    }
    if not all(archive.is_pinned for archive in fetched):
        component["properties"] = [{"name": "native-lib:pinned", "value": "false"}]
    return component


def dynamic_metadata(settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, str]:
    """Hook of the back end: version and licence of the distribution.

    Args:
        settings: of the ``[[tool.dynamic-metadata]]`` table; ``license`` is the packaging's own.
        project: the ``[project]`` table.
    """
    try:
        upstream = facts(ROOT)
    except (SourceError, OSError) as error:
        sys.exit(f"{ROOT.name}: {error}")
    licenses = dict.fromkeys((upstream["license"], settings.get("license", upstream["license"])))
    expression = " AND ".join(
        f"({name})" if " OR " in name and len(licenses) > 1 else name for name in licenses
    )
    return {"version": upstream["wheel_version"], "license": expression}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line above.

    Returns:
        The exit status: 1 where the sources cannot be had, 2 for a command line that says nothing.
    """
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Get upstream's sources, as source.toml lists them."
    )
    parser.add_argument(
        "--archive",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="take this file instead of downloading it; may be given several times",
    )
    parser.add_argument(
        "--unpinned",
        action="store_true",
        help="admit an --archive whose hash source.toml does not list",
    )
    parser.add_argument(
        "--facts", action="store_true", help="fetch nothing; print what upstream/ holds, as JSON"
    )
    options = parser.parse_args(arguments)
    if options.unpinned and not options.archive:
        print("fetch_source.py: --unpinned takes an --archive, which it admits", file=sys.stderr)
        return 2
    try:
        if options.facts:
            print(json.dumps(facts(ROOT)))
        else:
            for archive in fetch(ROOT, options.archive, options.unpinned):
                print(f"upstream/: {archive.url} {archive.sha256}")
    except (SourceError, OSError) as error:
        print(f"fetch_source.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
