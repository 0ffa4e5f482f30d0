"""Bind a wheel: wheel in, wheel out."""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from native_lib import support
from native_lib.bind import BindError
from native_lib.bind.init_file import with_call
from native_lib.bind.metadata import with_components, with_requirements
from native_lib.bind.needs import needs_of, packages_of, with_promises
from native_lib.bind.providers import providers_for, read_named
from native_lib.bind.runpath import without_paths
from native_lib.bind.wheel_file import record, rewrite
from native_lib.check import elf
from native_lib.check.compatibility import incompatible
from native_lib.check.markers import always_holds
from native_lib.check.read import read_binary
from native_lib.check.read_wheel import read_wheel
from native_lib.check.wheel import UnusableError, root_of
from native_lib.literals import REQUIRES, read_literals
from native_lib.names import import_name
from native_lib.support.native_library_metadata import record as requires_text
from native_lib.support.shared_lib_consumer import REQUIREMENTS_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from packaging.tags import Tag

    from native_lib.bind.needs import Need
    from native_lib.bind.providers import Provider
    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Manifest, Wheel

_LOADER = {
    "_shared_lib_consumer.py": "shared_lib_consumer.py",
    "_shared_lib_explain.py": "shared_lib_explain.py",
    "_shared_lib_fixes.py": "shared_lib_fixes.py",
    "_shared_lib_LICENSE": "LICENSE",
}
_FOREIGN = {"_shared_lib_foreign.py": "shared_lib_foreign.py"}
# Where builds happen: pip, build, uv, cibuildwheel, the cache of `native-lib prefix`, the Pythons of
# pyenv, uv, GitHub and manylinux (setuptools writes their folders down), temporary folders.
_BUILDS = re.compile(
    r"/(?:pip-(?:build|req|install|wheel)-|build-env-|builds-v0/|cibw-|prefix/[0-9a-f]{16}(?:/|$))"
    r"|/(?:\.pyenv/versions|uv/python|hostedtoolcache|opt/_internal|opt/python)/"
    r"|^(?:/private)?(?:/var)?/(?:tmp|folders)/"
)


@dataclass(frozen=True)
class Plan:
    """What binding changes in a wheel.

    Attributes:
        wheel: what is in the wheel.
        providers: those that it needs, and those that they need.
        needed: the distributions of the former.
        files: new contents by path; empty if nothing is to be done.
        model: a file of the wheel, whose time and mode the added files get.
        warnings: what the authors of providers do not promise.
    """

    wheel: Wheel
    providers: tuple[Provider, ...]
    needed: frozenset[str] = frozenset()
    files: Mapping[str, bytes] = field(default_factory=dict)
    model: str = ""
    warnings: tuple[str, ...] = ()

    def warn(self) -> None:
        """Print what the authors of providers do not promise."""
        for line in dict.fromkeys(self.warnings):
            print(f"native-lib: warning: {line}", file=sys.stderr)

    def write(self, folder: Path) -> Path:
        """Write the bound wheel into a folder, and return its path."""
        output = folder / self.wheel.path.name
        rewrite(self.wheel.path, output, self.files, self.model)
        return output


def bind(wheels: Iterable[Path], folder: Path, providers: Iterable[str] = ()) -> list[Path]:
    """Write bound wheels into a folder: all of them, or none.

    Args:
        wheels: wheels of any platform.
        folder: where they go, under the same names.
        providers: wheels, or distributions that are installed here, beside those that are found by the
            names that the binaries need.

    Returns:
        The paths of the new wheels.

    Raises:
        BindError: one cannot be bound.
    """
    named = read_named(providers)
    plans = [plan_of(wheel, named) for wheel in wheels]
    for plan in plans:
        plan.warn()
    return [plan.write(folder) for plan in plans]


def plan_of(path: Path, named: Sequence[Provider] = ()) -> Plan:
    """Find what has to change in a wheel.

    Raises:
        BindError: it cannot be bound.
    """
    try:
        wheel = read_wheel(path, read, has_hashes=False)
        with zipfile.ZipFile(path) as archive:
            return _plan(wheel, archive, named)
    except (UnusableError, BindError) as error:
        raise BindError(" ".join(f"{path.name}: {error}".split())) from None


def read(path: str, content: bytes) -> tuple[Binary, ...]:
    """Read a binary, but no symbols of ELF files that are no extension modules: they take long."""
    if content.startswith(b"\x7fELF"):
        return elf.read(path, content, symbols_of=(b"PyInit", b"PyModExport"))
    return read_binary(path, content)


def _plan(wheel: Wheel, archive: zipfile.ZipFile, named: Sequence[Provider]) -> Plan:
    providers = providers_for(wheel, named)
    needs = with_promises(needs_of(wheel, providers), providers, archive.read)
    manifests = [manifest for libraries in needs.values() for manifest, _ in libraries]
    needed = frozenset(manifest.distribution for manifest in manifests)
    used = _used(providers, needed)
    warnings = tuple(
        f"{m.distribution}: {m.known.warning}; the wheel will require {m.requirement}"
        for m in manifests
        if m.known and m.known.warning
    )
    plan = Plan(wheel, used, needed, warnings=warnings)
    if not needs:
        return plan
    metadata = next(f for f in wheel.files if re.fullmatch(r"[^/]+\.dist-info/METADATA", f))
    info = metadata.partition("/")[0]
    files: dict[str, bytes] = {}
    # A program that finds a library by itself is in no package, and requires the provider as well.
    requirements = entries_of(manifests)
    for package, libraries in packages_of(wheel, needs, archive.read).items():
        entries = _entries(wheel, package, libraries, archive)
        requirements.update({entry["distribution"]: entry for entry in entries})
        files.update(_package_files(wheel, package, entries, archive.read))
    files[metadata] = with_requirements(
        archive.read(metadata),
        missing_bounds(wheel.requirements, wheel.tags, requirements.values()),
    )
    versions = [(entry["distribution"], entry["version"]) for entry in requirements.values()]
    for file in wheel.files:
        if re.fullmatch(rf"{re.escape(info)}/sboms/[^/]+\.json", file):
            files[file] = with_components(archive.read(file), wheel.distribution, versions)
    theirs = {root_of(each.file).rpartition("/")[0] for m in manifests for each in m.libraries}
    files.update(_without_builders(wheel, theirs, archive.read))
    there = set(wheel.files)
    files = {f: new for f, new in files.items() if f not in there or archive.read(f) != new}
    if not files:
        return plan
    signed = [f for f in wheel.files if f in (f"{info}/RECORD.jws", f"{info}/RECORD.p7s")]
    if signed:
        raise BindError(f"is signed ({signed[0]}), and binding changes it: bind first, then sign")
    if f"{info}/RECORD" not in there:
        raise BindError("has no RECORD")
    files[f"{info}/RECORD"] = record(archive.read(f"{info}/RECORD"), files)
    return Plan(wheel, used, needed, files, metadata, warnings)


def _used(providers: Sequence[Provider], needed: Iterable[str]) -> tuple[Provider, ...]:
    names: list[str] = [canonicalize_name(name) for name in needed]
    for name in names:
        found = [each.wheel for each in providers if each.wheel.distribution == name]
        names += [more for wheel in found for more in wheel.recorded if more not in names]
    return tuple(each for each in providers if each.wheel.distribution in names)


def _entries(
    wheel: Wheel, package: str, libraries: Iterable[Need], archive: zipfile.ZipFile
) -> list[dict[str, Any]]:
    """Return what the record of a package is to say: what it says, and what is missing in it."""
    path = f"{package}/{REQUIRES}"
    is_there = path in wheel.files
    known = read_literals(path, archive.read(path), REQUIREMENTS_FORMAT) if is_there else {}
    entries = {entry["distribution"]: dict(entry) for entry in known.get("REQUIRES", ())}
    # By name, and the libraries of each in the order in which they are loaded.
    for manifest, library in sorted(
        libraries, key=lambda need: (need[0].distribution, need[0].libraries.index(need[1]))
    ):
        entry = entries.setdefault(manifest.distribution, _entry(manifest))
        if library.name not in entry["libraries"]:
            add_library(entry, manifest, library)
    return list(entries.values())


def entries_of(manifests: Iterable[Manifest]) -> dict[str, dict[str, Any]]:
    """Return what a record says of providers, by distribution, without libraries."""
    every = sorted({manifest.distribution: manifest for manifest in manifests}.items())
    return {name: _entry(manifest) for name, manifest in every}


def add_library(entry: dict[str, Any], manifest: Manifest, library: Library) -> None:
    """Add a library to what a record says of its provider."""
    entry["libraries"] = (*entry["libraries"], library.name)
    if manifest.known:
        # Nobody else tells the consumer's loader where the file is, and who opens it.
        entry["files"] = {**entry["files"], library.name: root_of(library.file)}
        if manifest.known.is_by_path(library.name):
            entry["by_path"] = (*entry["by_path"], library.name)


def _entry(manifest: Manifest) -> dict[str, Any]:
    """Return what a record says of a provider, without libraries."""
    it = manifest.known
    more = {"attribute": it.attribute, "files": {}, "by_path": ()} if it else {}
    return {
        "provider": it.module if it else import_name(manifest.distribution),
        "distribution": manifest.distribution,
        "version": str(manifest.version),
        "compatibility": manifest.compatibility,
        "requirement": manifest.requirement,
        "libraries": (),
        **more,
    }


def _package_files(
    wheel: Wheel, package: str, entries: list[dict[str, Any]], read: Callable[[str], bytes]
) -> dict[str, bytes]:
    init, path = f"{package}/__init__.py", f"{package}/{REQUIRES}"
    files = {init: with_call(init, read(init)), path: requires_text(entries, "native-lib")}
    there = set(wheel.files)
    told = read_literals(path, read(path), REQUIREMENTS_FORMAT) if path in there else {}
    if told.get("REQUIRES") == tuple(entries):
        del files[path]
    loader = loader_files(entries)
    # They belong together: a loader that is there stays, whatever its version, if nothing is missing.
    parts = [name for name in loader if not name.endswith(("_fixes.py", "_LICENSE"))]
    if not there.issuperset(f"{package}/{name}" for name in parts):
        files.update({f"{package}/{name}": text for name, text in loader.items()})
    return files


def loader_files(entries: Iterable[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the consumer's loader for what its record says: contents by file name."""
    has_foreign = any("files" in entry for entry in entries)
    folder = Path(support.__file__ or "").parent
    files = {**_LOADER, **(_FOREIGN if has_foreign else {})}
    return {name: (folder / source).read_bytes() for name, source in files.items()}


def missing_bounds(
    requirements: Iterable[Requirement],
    tags: frozenset[Tag],
    entries: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Return the requirements that Requires-Dist lacks.

    Args:
        requirements: what it says.
        tags: the wheel's.
        entries: what its record says.

    Raises:
        BindError: it excludes what the wheel was linked against.
    """
    missing = []
    for entry in entries:
        name, version = canonicalize_name(entry["distribution"]), Version(entry["version"])
        lines = [
            line
            for line in requirements
            if canonicalize_name(line.name) == name
            and (line.marker is None or always_holds(line.marker, tags))
        ]
        told = SpecifierSet(",".join(str(line.specifier) for line in lines))
        if not told.contains(version, prereleases=True):
            raise BindError(
                f"Requires-Dist: {lines[0]} excludes {name} {version}, which the wheel was linked against: "
                "correct the requirement, or build against a version that it admits"
            )
        # A project can admit more than the rule does.
        bound = Requirement(entry["requirement"]).specifier
        if not bound.contains(version, prereleases=True):
            raise BindError(
                f"[tool.native-lib]: bounds has {entry['requirement']}, and the wheel was linked against "
                f"{version}: correct it, or build against a version that it admits"
            )
        excluded = (
            each
            for each in incompatible(version, entry["compatibility"])
            if not bound.contains(each, prereleases=True)
        )
        if not lines or any(told.contains(each, prereleases=True) for each in excluded):
            missing.append(entry["requirement"])
    return missing


def _without_builders(
    wheel: Wheel, folders_of: Iterable[str], read: Callable[[str], bytes]
) -> dict[str, bytes]:
    """Return the binaries without search paths that lead to where they were built.

    On that machine they would hide that the library is not loaded.
    """
    folders = "|".join(map(re.escape, sorted(folders_of)))
    theirs = re.compile(rf"/(?:{folders})(?:/|$)")
    temporary = Path(tempfile.gettempdir()).as_posix() + "/"

    def unwanted(path: str) -> bool:
        if not path.startswith("/"):
            return False
        is_builds = _BUILDS.search(path) or path.startswith(temporary)
        return bool(is_builds or theirs.search(path))

    found = dict.fromkeys(b.path for b in wheel.binaries if any(map(unwanted, b.search_paths)))
    return {path: without_paths(path, read(path), unwanted) for path in found}
