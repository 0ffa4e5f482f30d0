"""Read what is installed: the providers, whoever needs them, and nothing else in depth."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import mmap
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from site import getsitepackages, getusersitepackages
from typing import TYPE_CHECKING

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from native_lib.check.binary import Binary, CorruptBinaryError
from native_lib.check.elf import needed_of
from native_lib.check.read import is_binary, read_binary
from native_lib.check.records import (
    VENDORED,
    manifest_of,
    requirements_of,
    requires_of,
)
from native_lib.check.wheel import NewerFormatError, UnusableError, Wheel
from native_lib.literals import MANIFEST, REQUIRES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.markers import Marker
    from packaging.requirements import Requirement

_BINARY = re.compile(r"\.(?:so|dylib|dll|pyd)(?:[.\d]*)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Installed:
    """A distribution, as its metadata tells it.

    Attributes:
        name: normalised.
        version: as text, for there are versions that are none.
        info: its folder of metadata.
        root: what the paths of its files are relative to.
        files: with slashes; those outside of the root are left out.
        origin: what pip took, if that was no index's: a file, a folder, or a repository.
        is_editable: whether its sources are elsewhere.
    """

    name: str
    version: str
    info: Path
    root: Path
    files: tuple[str, ...]
    origin: str
    is_editable: bool

    @property
    def binaries(self) -> tuple[str, ...]:
        """Paths of what looks like a library or an extension module."""
        return tuple(file for file in self.files if _BINARY.search(file))

    @property
    def again(self) -> str:
        """The command that installs it once more."""
        what = f'"{self.origin or f"{self.name}=={self.version}"}"'
        if not self.is_pips:
            return f'python -m pip install --upgrade --target "{self.root}" --no-deps {what}'
        what = f"-e {what}" if self.is_editable else what
        return f"python -m pip install --force-reinstall --no-deps {what}"

    @property
    def packages(self) -> tuple[str, ...]:
        """What it is imported as. An editable install has no more than what the build wrote."""
        marks = ("__init__.py", MANIFEST, REQUIRES)
        parts = (file.split("/") for file in self.files)
        return tuple(dict.fromkeys(p[0] for p in parts if len(p) == 2 and p[1] in marks))

    @property
    def is_pips(self) -> bool:
        """Whether pip installs to where it is, and does not leave it before what pip installs."""
        folders = (*getsitepackages(), getusersitepackages())
        return self.root.resolve() in (Path(folder).resolve() for folder in folders)

    def named(self, *leaves: str) -> tuple[str, ...]:
        """Return the paths of files with one of these names."""
        return tuple(file for file in self.files if file.rpartition("/")[2] in leaves)


@dataclass(frozen=True)
class Unreadable:
    """A file that tells nothing, of a distribution, and why."""

    distribution: str
    file: Path
    reason: str
    is_newer: bool = False  # in a format that this native-lib does not know


@dataclass(frozen=True)
class Environment:
    """What is installed, and what of it has to do with providers.

    Attributes:
        distributions: all, by name, each as the first folder of the path has it.
        shadowed: others of the same names, which Python never sees.
        wheels: providers and consumers, as the rules of `native-lib check` look at them. Paths of
            their files are relative to `root_of`.
        root_of: where a wheel's files are, by distribution.
        unreadable: files of providers and consumers.
    """

    distributions: Mapping[str, Installed]
    shadowed: tuple[Installed, ...]
    wheels: tuple[Wheel, ...]
    unreadable: tuple[Unreadable, ...]

    def root_of(self, distribution: str) -> Path:
        """Return the folder that a distribution's paths are relative to."""
        return self.distributions[distribution].root

    @property
    def providers(self) -> tuple[Wheel, ...]:
        """Those that ship libraries."""
        return tuple(wheel for wheel in self.wheels if wheel.manifests)

    def consumers(self, provider: Wheel) -> tuple[Wheel, ...]:
        """Return those that need a provider: by record, metadata, or what their binaries say."""
        names = {library.runtime_name for m in provider.manifests for library in m.libraries}
        return tuple(
            wheel
            for wheel in self.wheels
            if wheel.distribution != provider.distribution
            and (
                provider.distribution in {required.distribution for required in wheel.requires}
                or wheel.requirement(provider.distribution) is not None
                or any(names.intersection(binary.needed) for binary in wheel.binaries)
            )
        )


def read_environment(paths: Sequence[str] | None = None) -> Environment:
    """Read what is installed.

    Args:
        paths: folders, in the order of sys.path; by default sys.path itself.
    """
    first: dict[str, Installed] = {}
    shadowed: list[Installed] = []
    folders = list(sys.path if paths is None else paths)
    for distribution in importlib.metadata.distributions(path=folders):
        found = _installed(distribution)
        if found is None:
            continue
        if found.name not in first:
            first[found.name] = found
        elif first[found.name].info != found.info:
            shadowed.append(found)
    unreadable: list[Unreadable] = []
    providers = {name: each for name, each in first.items() if each.named(MANIFEST)}
    wheels = list(_wheels(providers.values(), unreadable))
    names = {library.runtime_name for w in wheels for m in w.manifests for library in m.libraries}
    rest = [each for name, each in first.items() if name not in providers]
    consumers = [each for each in rest if _is_consumer(each, providers.keys(), names)]
    wheels += _wheels(consumers, unreadable)
    return Environment(first, tuple(shadowed), tuple(wheels), tuple(unreadable))


def _installed(distribution: importlib.metadata.Distribution) -> Installed | None:
    try:
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
    except (OSError, KeyError, TypeError):
        return None
    if not name:
        return None
    # Not `.files`, which from Python 3.12 on leaves out what is missing, and looks at each file.
    record = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    files = tuple(row[0] for row in record if row and not row[0].startswith(("/", "..")))
    root = Path(str(distribution.locate_file("")))
    info = next((file for file in files if re.fullmatch(r"[^/]+\.dist-info/METADATA", file)), "")
    origin, is_editable = _origin(distribution.read_text("direct_url.json"))
    return Installed(
        name=canonicalize_name(name),
        version=str(version),
        info=(root / info).parent if info else root,
        root=root,
        files=files,
        origin=origin,
        is_editable=is_editable,
    )


def _origin(direct_url: str | None) -> tuple[str, bool]:
    """Read direct_url.json (PEP 610): what pip took, and whether as an editable install."""
    try:
        record = json.loads(direct_url or "{}")
        url = str(record["url"])
        if "vcs_info" in record:
            url = f"{record['vcs_info']['vcs']}+{url}@{record['vcs_info']['commit_id']}"
        if record.get("subdirectory"):
            url += f"#subdirectory={record['subdirectory']}"
        return url, bool(record.get("dir_info", {}).get("editable"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return "", False


def _is_consumer(each: Installed, providers: Iterable[str], runtime_names: set[str]) -> bool:
    if each.named(REQUIRES):
        return True
    metadata = _bytes(each.info / "METADATA")
    # To parse every environment's metadata would take most of the time.
    names = re.findall(rb"^Requires-Dist: *([\w.-]+)", metadata, re.MULTILINE)
    mentioned = {canonicalize_name(name.decode("utf-8", "replace")) for name in names}
    if not mentioned.isdisjoint(providers):
        required = {canonicalize_name(r.name) for r in _requirements(metadata)}
        if not required.isdisjoint(providers):
            return True
    # Only what stands in the dynamic section is read: an environment has thousands of files.
    return any(
        runtime_names.intersection(_needed(each.root / file))
        for file in each.binaries
        if runtime_names
    )


def _requirements(metadata: bytes) -> tuple[Requirement, ...]:
    try:
        return requirements_of(metadata, _holds)
    except UnusableError:
        return ()


def _holds(marker: Marker) -> bool:
    """Tell whether a marker holds here, for what is installed without extras."""
    return marker.evaluate({"extra": ""})


def _needed(file: Path) -> tuple[str, ...]:
    """Return what an ELF file needs. Of others the metadata has to tell: lief takes too long."""
    try:
        with file.open("rb") as opened:
            if opened.read(4) != b"\x7fELF":
                return ()
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return needed_of(content)
    except (OSError, ValueError, CorruptBinaryError):
        return ()


def _wheels(found: Iterable[Installed], unreadable: list[Unreadable]) -> Iterator[Wheel]:
    for each in found:
        try:
            yield _wheel(each, unreadable)
        except (UnusableError, ValueError) as error:  # tags and versions that are none
            is_newer = isinstance(error, NewerFormatError)
            unreadable.append(Unreadable(each.name, each.info, str(error), is_newer))


def _wheel(each: Installed, unreadable: list[Unreadable]) -> Wheel:
    binaries: list[Binary] = []
    for file in each.binaries:
        try:
            content = (each.root / file).read_bytes()
            if is_binary(content[:8]):
                binaries += read_binary(file, content)
            elif not content:
                raise CorruptBinaryError("it is empty")
        except FileNotFoundError:
            pass  # the findings tell that
        except (OSError, CorruptBinaryError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            unreadable.append(Unreadable(each.name, each.root / file, str(reason)))
    tags = re.findall(rb"^Tag: *(\S+)", _bytes(each.info / "WHEEL"), re.MULTILINE)
    return Wheel(
        path=each.info,
        distribution=each.name,
        version=Version(each.version),
        tags=frozenset(tag for line in tags for tag in parse_tag(line.decode())),
        requirements=requirements_of(_bytes(each.info / "METADATA"), _holds),
        files=each.files,
        symlinks=(),
        binaries=tuple(binaries),
        digests={},
        manifests=tuple(manifest_of(f, _text(each.root / f)) for f in each.named(MANIFEST)),
        requires=tuple(
            required
            for f in each.named(REQUIRES)
            for required in requires_of(f, _text(each.root / f))
        ),
        texts={},
        vendored={
            f: _bytes(each.root / f) for f in each.named(*VENDORED) if (each.root / f).exists()
        },
    )


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableError(f"{file}: {error.strerror}") from error


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
