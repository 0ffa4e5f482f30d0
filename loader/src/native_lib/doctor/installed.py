"""Read what is installed: providers and consumers in depth, and little of the rest."""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import mmap
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from native_lib.check.binary import Binary, CorruptBinaryError
from native_lib.check.elf import needed_of, soname_of
from native_lib.check.read import damage, is_binary, is_named_as_library, read_binary
from native_lib.check.records import (
    VENDORED,
    code_with_loader,
    imported_by,
    imports_of,
    manifest_of,
    opens_for_all,
    requirements_of,
    requires_of,
)
from native_lib.check.wheel import UnusableError, Wheel
from native_lib.known.manifest import manifest_of_known
from native_lib.known.read import known
from native_lib.literals import MANIFEST, REQUIRES, NewerFormatError
from native_lib.names import import_name
from native_lib.paths import is_file, is_folder, is_there
from native_lib.support.shared_lib_fixes import is_as_installed, is_pips, pip
from native_lib.vendor import VendorError, changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.markers import Marker
    from packaging.requirements import Requirement


@dataclass(frozen=True)
class Installed:
    """A distribution, as its metadata describes it.

    Attributes:
        name: normalised.
        version: as text, because some are not valid versions.
        info: its folder of metadata.
        root: what the paths of its files are relative to.
        files: with slashes; those outside of the root are left out.
        origin: the file, folder or repository that pip installed from; empty if it was an index.
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
        """Paths of files that look like a library or an extension module."""
        return tuple(file for file in self.files if is_named_as_library(file))

    @property
    def source(self) -> Path | None:
        """The file or folder of this machine that pip installed from, if it did."""
        parts = urlsplit(self.origin)
        if parts.scheme != "file":
            return None
        path = unquote(parts.path)
        return Path(path.lstrip("/") if sys.platform == "win32" else path)

    @property
    def again(self) -> str:
        """The command that reinstalls it."""
        if not is_folder(self.root):
            return "unpack the archive, and put its folder on sys.path instead"
        named = f'"{self.name}=={self.version}"'
        # The wheel was on the machine that built a conda package or a container.
        is_gone = self.source is not None and not is_there(self.source)
        what = f'"{self.origin}"' if self.origin and not is_gone else named
        if not self.is_pips:
            return pip(f'install --upgrade --target "{self.root}" --no-deps {what}')
        what = f"-e {what}" if self.is_editable and not is_gone else what
        return pip(f"install --force-reinstall --no-deps {what}")

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that it is imported as. An editable install lists only what the build wrote."""
        marks = ("__init__.py", MANIFEST, REQUIRES)
        parts = (file.split("/") for file in self.files)
        return tuple(dict.fromkeys(p[0] for p in parts if len(p) == 2 and p[1] in marks))

    @property
    def is_pips(self) -> bool:
        """Whether it is in a folder that pip installs into, so that pip can replace it."""
        return is_pips(str(self.root))

    def is_intact(self, file: str | Path) -> bool:
        """Whether a file is what RECORD says, so that to install it again changes nothing."""
        return is_as_installed(self.name, str(file))

    def named(self, *leaves: str) -> tuple[str, ...]:
        """Return the paths of files with one of these names."""
        return tuple(file for file in self.files if file.rpartition("/")[2] in leaves)


@dataclass(frozen=True)
class Unreadable:
    """A distribution's file that cannot be read, and why."""

    distribution: str
    file: Path
    reason: str
    is_newer: bool = False  # in a format that this native-lib does not know


@dataclass(frozen=True)
class Stranger:
    """A file that has the run-time name of a provider's library, in a distribution that does not use it."""

    distribution: str
    runtime_name: str


@dataclass(frozen=True)
class Environment:
    """What is installed, and the part of it that provides or uses libraries.

    Attributes:
        distributions: all, by name; of several with one name, the first on the path.
        shadowed: the others of the same names, which Python never imports.
        wheels: providers and consumers, as the rules of `native-lib check` look at them. Paths of
            their files are relative to `root_of`.
        root_of: where a wheel's files are, by distribution.
        unreadable: files of providers and consumers.
        strangers: files of other distributions with a provider's run-time name.
    """

    distributions: Mapping[str, Installed]
    shadowed: tuple[Installed, ...]
    wheels: tuple[Wheel, ...]
    unreadable: tuple[Unreadable, ...]
    strangers: tuple[Stranger, ...] = ()

    def root_of(self, distribution: str) -> Path:
        """Return the folder that a distribution's paths are relative to."""
        return self.distributions[distribution].root

    @property
    def providers(self) -> tuple[Wheel, ...]:
        """The distributions that ship libraries."""
        return tuple(wheel for wheel in self.wheels if wheel.manifests)

    def consumers(self, provider: Wheel) -> tuple[Wheel, ...]:
        """Return the distributions that need a provider, by record, metadata, or their binaries."""
        names = {library.runtime_name for m in provider.manifests for library in m.libraries}
        return tuple(
            wheel
            for wheel in self.wheels
            if wheel.distribution != provider.distribution
            and (
                wheel.uses(provider.distribution)
                or any(names.intersection(binary.needed) for binary in wheel.binaries)
            )
        )

    def providers_of(self, consumer: Wheel) -> tuple[Wheel, ...]:
        """Return the providers that one needs."""
        return tuple(each for each in self.providers if consumer in self.consumers(each))

    def requirement(self, consumer: Wheel, provider: Wheel) -> str:
        """Return what a consumer requires of a provider, by its record or its metadata."""
        record = [r for r in consumer.requires if r.distribution == provider.distribution]
        lines = consumer.requirements_on(provider.distribution)
        told = [required.requirement for required in record]
        told += [f"{line.name}{line.specifier}" for line in lines]
        return next(iter(told), "")


def read_environment(paths: Sequence[str] | None = None) -> Environment:
    """Read what is installed.

    Args:
        paths: folders, in the order of sys.path; by default sys.path itself.
    """
    first, shadowed = all_installed(paths)
    unreadable: list[Unreadable] = []
    providers = {name: each for name, each in first.items() if each.named(MANIFEST)}
    wheels = list(wheels_of(providers.values(), unreadable))
    names = {library.runtime_name for w in wheels for m in w.manifests for library in m.libraries}
    # The names of the libraries of packages that were not made here; reading those takes seconds.
    foreign = {name: _known_names(each) for name, each in first.items() if name not in providers}
    foreign = {name: theirs for name, theirs in foreign.items() if theirs}
    every = names.union(*foreign.values())
    consumers: list[Installed] = []
    strangers: list[Stranger] = []
    used: set[str] = set()
    for each in (each for name, each in first.items() if name not in {*providers, *foreign}):
        is_told = _says_that_it_needs(each, providers.keys())
        if is_told and not foreign:
            consumers.append(each)
        elif every:
            # Only the dynamic section is read: an environment has thousands of files.
            found_in = [_dynamic_names(each.root / file) for file in each.binaries]
            needed = {name for _, needs in found_in for name in needs} & every
            used |= needed
            if is_told or needed:
                consumers.append(each)
            else:
                strangers += (Stranger(each.name, own) for own, _ in found_in if own in names)
    wheels += wheels_of(consumers, unreadable)
    told = {required.distribution for wheel in wheels for required in wheel.requires}
    wheels += wheels_of(
        (first[name] for name, theirs in foreign.items() if name in told or theirs & used),
        unreadable,
    )
    return Environment(first, tuple(shadowed), tuple(wheels), tuple(unreadable), tuple(strangers))


def _known_names(each: Installed) -> frozenset[str]:
    """Return the file names of the libraries of a package that was not made here."""
    it = known(each.name)
    paths = (file for file in each.files if it and it.chooses(file, sys.platform))
    return frozenset(path.rpartition("/")[2] for path in paths)


def all_installed(
    paths: Sequence[str] | None = None,
) -> tuple[dict[str, Installed], list[Installed]]:
    """Return the distributions by name, and the others of the same names, which Python never imports.

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
        # Fedora's virtual environments have lib and lib64 on the path, which are the same folder.
        elif first[found.name].info.resolve() != found.info.resolve():
            shadowed.append(found)
    return first, shadowed


def find_installed(name: str) -> Installed | None:
    """Find one distribution of this environment by its name."""
    try:
        found = _installed(importlib.metadata.distribution(name))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    if found and found.is_editable and not found.named(MANIFEST):
        spec = importlib.util.find_spec(import_name(name))  # imports nothing
        for folder in (spec and spec.submodule_search_locations) or ():
            root = Path(folder).parent
            found = replace(found, root=root, files=tuple(_package(root, name)))
    return found


def read_installed(each: Installed) -> Wheel:
    """Read what a distribution has, all of it.

    Raises:
        UnusableError: one of its files cannot be read.
    """
    unreadable: list[Unreadable] = []
    wheel = next(wheels_of([each], unreadable), None)
    for file in unreadable:
        raise UnusableError(f"{file.file}: {file.reason}")
    assert wheel is not None
    return wheel


def _installed(distribution: importlib.metadata.Distribution) -> Installed | None:
    try:
        metadata = _read(distribution, "METADATA") or _read(distribution, "PKG-INFO")
        listed = _read(distribution, "RECORD")
        origin, is_editable = _origin(_read(distribution, "direct_url.json"))
    except OSError:
        return None
    head = metadata.partition("\n\n")[0]
    fields = dict(re.findall(r"^(Name|Version): *(\S+)", head, re.MULTILINE))
    if "Name" not in fields:
        return None
    name, root = fields["Name"], Path(str(distribution.locate_file("")))
    files = tuple(_recorded(listed)) if listed else tuple(_package(root, name))
    info = next((file for file in files if re.fullmatch(r"[^/]+\.dist-info/METADATA", file)), "")
    return Installed(
        name=canonicalize_name(name),
        version=fields.get("Version", ""),
        info=(root / info).parent if info else Path(str(getattr(distribution, "_path", root))),
        root=root,
        files=files,
        origin=origin,
        is_editable=is_editable,
    )


def _read(distribution: importlib.metadata.Distribution, name: str) -> str:
    """Read a file of metadata; a file that is not UTF-8 must not end the command."""
    try:
        return distribution.read_text(name) or ""
    except UnicodeDecodeError:
        folder = str(getattr(distribution, "_path", ""))
        return Path(folder, name).read_text(encoding="utf-8", errors="replace")


def _recorded(listed: str) -> Iterator[str]:
    """Return the paths that RECORD lists, below the root.

    Not importlib's `files`: since Python 3.12 it leaves out missing files, and looks at each one.
    """
    with suppress(csv.Error):  # damaged from there on
        for row in csv.reader(listed.splitlines()):
            if row and not row[0].startswith(("/", "..")):
                yield row[0]


def _package(root: Path, name: str) -> Iterator[str]:
    """Return the files of the package with this name, for distributions without RECORD (Debian)."""
    for stem in dict.fromkeys((import_name(name), name)):
        if not re.fullmatch(r"\w[\w.-]*", stem):
            continue
        for file in (root / stem).rglob("*"):
            if is_file(file):
                yield file.relative_to(root).as_posix()


def _origin(direct_url: str) -> tuple[str, bool]:
    """Read direct_url.json (PEP 610): where pip installed from, and whether as an editable install."""
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


def _says_that_it_needs(each: Installed, providers: Iterable[str]) -> bool:
    if each.named(REQUIRES):
        return True
    metadata = _bytes(each.info / "METADATA")
    # Parsing all metadata would take most of the time.
    names = re.findall(rb"^Requires-Dist: *([\w.-]+)", metadata, re.MULTILINE)
    mentioned = {canonicalize_name(name.decode("utf-8", "replace")) for name in names}
    if mentioned.isdisjoint(providers):
        return False
    required = {canonicalize_name(r.name) for r in _requirements(metadata)}
    return not required.isdisjoint(providers)


def _requirements(metadata: bytes) -> tuple[Requirement, ...]:
    try:
        return requirements_of(metadata, _holds)
    except (UnusableError, LookupError, ValueError):  # markers that packaging cannot evaluate
        return ()


def _holds(marker: Marker) -> bool:
    """Tell whether a marker holds here, without extras."""
    return marker.evaluate({"extra": ""})


def _dynamic_names(file: Path) -> tuple[str, tuple[str, ...]]:
    """Return an ELF file's SONAME, and what it needs. Other formats need lief, which is too slow here."""
    try:
        with file.open("rb") as opened:
            if opened.read(4) != b"\x7fELF":
                return "", ()
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return soname_of(content), needed_of(content)
    except (OSError, ValueError, CorruptBinaryError):
        return "", ()


def wheels_of(found: Iterable[Installed], unreadable: list[Unreadable]) -> Iterator[Wheel]:
    """Read what distributions have; what cannot be read is added to the list."""
    for each in found:
        try:
            yield _wheel(each, unreadable)
        except (UnusableError, LookupError, ValueError) as error:  # tags and versions that are none
            is_newer = isinstance(error.__cause__, NewerFormatError)
            unreadable.append(Unreadable(each.name, each.info, str(error), is_newer))


def _wheel(each: Installed, unreadable: list[Unreadable]) -> Wheel:
    binaries: list[Binary] = []
    for file in each.binaries:
        try:
            content = (each.root / file).read_bytes()
            if is_binary(content[:8]):
                binaries += read_binary(file, content)
            elif wrong := damage(file, content[:8]):
                raise CorruptBinaryError(wrong)
        except FileNotFoundError:
            pass  # the findings report that
        except (OSError, CorruptBinaryError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            unreadable.append(Unreadable(each.name, each.root / file, str(reason)))
    manifests = tuple(manifest_of(f, _text(each.root / f)) for f in each.named(MANIFEST))
    version = Version(each.version)
    manifests = manifests or manifest_of_known(
        each.name, version, each.files, binaries, lambda file: _bytes(each.root / file)
    )
    link_files = [f for m in manifests for library in m.libraries for f in library.link_files]
    packages = {f: _bytes(each.root / f) for f in each.named("__init__.py")}
    tags = re.findall(rb"^Tag: *(\S+)", _bytes(each.info / "WHEEL"), re.MULTILINE)
    return Wheel(
        path=each.info,
        distribution=each.name,
        version=version,
        tags=frozenset(tag for line in tags for tag in parse_tag(line.decode())),
        requirements=requirements_of(_bytes(each.info / "METADATA"), _holds),
        files=each.files,
        symlinks=(),
        binaries=tuple(binaries),
        digests={},
        manifests=manifests,
        requires=tuple(
            required
            for f in each.named(REQUIRES)
            for required in requires_of(f, _text(each.root / f))
        ),
        texts={},
        vendored={
            file: _bytes(each.root / file)
            for file in (*each.named(*VENDORED), *_vendored_sources(each))
            if is_there(each.root / file)
        },
        imports={f: imports_of(source) for f, source in packages.items()},
        link_files={file: _bytes(each.root / file) for file in link_files},
        imported=_imported(each),
        opens_for_all=any(map(opens_for_all, packages.values())),
    )


def _imported(each: Installed) -> frozenset[str]:
    """Return what its code imports, as far as rules ask; RECORD does not list an editable install's."""
    sources = (_bytes(each.root / file) for file in code_with_loader(each.files))
    names = frozenset(name for source in sources for name in imported_by(source))
    return names | {"load_requirements"} if each.is_editable else names


def _vendored_sources(each: Installed) -> Iterator[str]:
    """Return the loaders in the sources of an editable install, which RECORD does not list."""
    if each.is_editable and each.source:
        with suppress(VendorError):
            for change in changes(each.source):
                if change.path.name in VENDORED and is_file(change.path):
                    yield change.path.as_posix()


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
