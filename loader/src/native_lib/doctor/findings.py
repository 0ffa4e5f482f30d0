"""What is wrong in an environment, and the command that mends it."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from native_lib.check.binary import CorruptBinaryError
from native_lib.check.compatibility import next_incompatible
from native_lib.check.links import leaf_of
from native_lib.check.read import read_binary
from native_lib.check.rule import ERROR, NOTE, WARNING, WheelSet
from native_lib.check.rules import RULES
from native_lib.doctor import process
from native_lib.doctor.resolve import NOBODY, Need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Required, Wheel
    from native_lib.doctor.installed import Environment, Installed

# The rules of `native-lib check` that say something of what is installed.
_REINSTALL = "{again}"
_UPDATE = "python -m pip install --upgrade {name}, or tell its authors: native-lib vendor"
_REBUILT = "python -m pip install --upgrade {name}, or tell its authors"
_CHECKED = {
    "library-copied": _REBUILT,
    "symbol-missing": _REBUILT,
    "manifest-differs": _REINSTALL,
    "soname-missing": _REBUILT,
    "soname-differs": _REBUILT,
    "install-name": _REBUILT,
    "dll-name": _REBUILT,
    "anchor-missing": _REBUILT,
    "unsigned": _REINSTALL,
    "executable-stack": _REBUILT,
    "loader-differs": _UPDATE,
}
# What repair tools put into a copy's name.
_MANGLED = re.compile(r"-[0-9a-f]{8,64}(?=\.)")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, or that one should know.

    Attributes:
        severity: ERROR, WARNING or NOTE.
        id: what kind of thing it is.
        distribution: with which it is wrong.
        message: one line that names files and versions.
        mend: the command, or what else to do; empty for a note.
    """

    severity: str
    id: str
    distribution: str
    message: str
    mend: str = ""


def problems_of(environment: Environment, needs: tuple[Need, ...]) -> tuple[Problem, ...]:
    """Return what is wrong with the providers and consumers of an environment."""
    found = [
        *_unreadable(environment),
        *_missing_files(environment),
        *_requirements(environment),
        *_unanswered(environment, needs),
        *_architectures(environment),
        *_checked(environment),
        *_names_twice(environment),
        *_in_this_process(environment),
        *_copies(environment),
        *_shadowed(environment),
        *_editable(environment),
    ]
    return tuple(dict.fromkeys(found))


def _unreadable(environment: Environment) -> Iterator[Problem]:
    for file, reason in environment.unreadable:
        owner = next(
            (d for d in environment.distributions.values() if d.root in file.parents), None
        )
        name = owner.name if owner else ""
        for each in environment.distributions.values():
            if each.info == file or any(each.root / path == file for path in each.binaries):
                name = each.name
        mend = environment.distributions[name].again if name else "install it again"
        yield Problem(ERROR, "unreadable", name, f"{file} cannot be read: {reason}", mend)


def _missing_files(environment: Environment) -> Iterator[Problem]:
    for provider, library in _libraries(environment):
        file = environment.root_of(provider.distribution) / library.file
        if not file.is_file():
            mend = environment.distributions[provider.distribution].again
            message = f"{file} is not there"
            yield Problem(ERROR, "library-missing", provider.distribution, message, mend)


def _is_whole(environment: Environment, distribution: str) -> bool:
    """Tell whether a provider is installed with all that it ships, and can be read."""
    each = environment.distributions.get(distribution)
    return each is not None and not any(
        not (environment.root_of(provider.distribution) / library.file).is_file()
        or any(each.root / library.file == file for file, _ in environment.unreadable)
        for provider, library in _libraries(environment)
        if provider.distribution == distribution
    )


def _requirements(environment: Environment) -> Iterator[Problem]:
    """Versions: what a consumer's metadata and its record say, against what is installed."""
    for wheel in environment.wheels:
        for required in wheel.requires:
            name = canonicalize_name(required.distribution)
            wanted = _wanted(wheel, required)
            mend = f'python -m pip install "{wanted}"'
            installed = environment.distributions.get(name)
            if installed is None:
                message = f"requires {wanted}, and {name} is not installed"
                yield Problem(ERROR, "provider-missing", wheel.distribution, message, mend)
                continue
            provider = next((w for w in environment.wheels if w.distribution == name), None)
            if provider and not _fits(provider.version, required):
                message = (
                    f"was built against {name} {required.version} ({required.compatibility}), "
                    f"and {provider.version} is installed"
                )
                yield Problem(ERROR, "provider-version", wheel.distribution, message, mend)
        for requirement in wheel.requirements:
            name = canonicalize_name(requirement.name)
            provider = next((p for p in environment.providers if p.distribution == name), None)
            recorded = {canonicalize_name(required.distribution) for required in wheel.requires}
            if provider is None or name in recorded:
                continue
            if not requirement.specifier.contains(provider.version, prereleases=True):
                message = f"requires {requirement}, and {provider.version} is installed"
                mend = f'python -m pip install "{requirement}"'
                yield Problem(ERROR, "provider-version", wheel.distribution, message, mend)


def _wanted(wheel: Wheel, required: Required) -> str:
    requirement = wheel.requirement(required.distribution)
    if requirement is not None:
        return str(requirement)
    limit = next_incompatible(required.version, required.compatibility)
    return f"{required.distribution}>={required.version.base_version},<{limit}"


def _fits(version: Version, required: Required) -> bool:
    """Tell what the consumer's loader will: docs/reference/files.md has the rule."""
    limit = next_incompatible(required.version, required.compatibility)
    return _packaged(required.version) <= _packaged(version) and (
        Version(version.base_version) < limit
    )


def _packaged(version: Version) -> Version:
    """Return a version without what says how it was packaged."""
    return Version(re.sub(r"\.post\d+|\+.*", "", str(version)))


def _unanswered(environment: Environment, needs: tuple[Need, ...]) -> Iterator[Problem]:
    for need in needs:
        # A provider that is missing or damaged is told as such, once.
        recorded = {canonicalize_name(r.distribution) for r in _wheel(environment, need).requires}
        told = not _is_whole(environment, need.distribution) and (
            need.distribution in environment.distributions or need.distribution in recorded
        )
        if need.by != NOBODY or told or _is_of_another_version(environment, need):
            continue
        where = need.file.relative_to(environment.root_of(need.consumer)).as_posix()
        message = f"{where} needs {need.name}, and nothing here answers to it"
        mend = environment.distributions[need.consumer].again
        if need.distribution in environment.distributions:
            version = environment.distributions[need.distribution].version
            message = (
                f"{where} needs {need.name}, which {need.distribution} {version} does not have"
            )
        elif need.distribution:
            message = f"{where} needs {need.name} of {need.distribution}, which is not installed"
            mend = f"python -m pip install {need.distribution}"
        yield Problem(ERROR, "needed-unanswered", need.consumer, message, mend)


def _is_of_another_version(environment: Environment, need: Need) -> bool:
    """Tell whether the consumer's record says that it was built for another version."""
    provider = next((p for p in environment.providers if p.distribution == need.distribution), None)
    return provider is not None and any(
        canonicalize_name(required.distribution) == need.distribution
        and not _fits(provider.version, required)
        for required in _wheel(environment, need).requires
    )


def _wheel(environment: Environment, need: Need) -> Wheel:
    return next(w for w in environment.wheels if w.distribution == need.consumer)


def _architectures(environment: Environment) -> Iterator[Problem]:
    python = _interpreter()
    for wheel in environment.wheels:
        fitting = {binary.path for binary in wheel.binaries if python and binary.fits(python)}
        for binary in wheel.binaries:
            if python and binary.path not in fitting:
                message = (
                    f"{binary.path} is for {binary.platform}, this Python for {python.platform}"
                )
                mend = environment.distributions[wheel.distribution].again
                yield Problem(ERROR, "architecture", wheel.distribution, message, mend)


def _interpreter() -> Binary | None:
    """Return the program that runs this; None where it is a script or cannot be read."""
    try:
        found = read_binary(sys.executable, Path(sys.executable).read_bytes())
    except (OSError, CorruptBinaryError):
        return None
    return found[0] if len(found) == 1 else None


def _checked(environment: Environment) -> Iterator[Problem]:
    together = WheelSet(environment.wheels)
    by_info = {wheel.path.name: wheel for wheel in environment.wheels}
    for rule in RULES:
        if rule.id not in _CHECKED:
            continue
        for finding in rule.find(together):
            wheel = by_info[finding.wheel]
            if rule.id == "manifest-differs" and not _is_whole(environment, wheel.distribution):
                continue
            where = f"{finding.file}: " if finding.file else ""
            mend = _CHECKED[rule.id].format(
                name=wheel.distribution, again=environment.distributions[wheel.distribution].again
            )
            yield Problem(
                rule.severity, rule.id, wheel.distribution, f"{where}{finding.message}", mend
            )


def _names_twice(environment: Environment) -> Iterator[Problem]:
    """One run-time name of two distributions: whoever comes first serves both's consumers."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for provider in environment.providers:
        for manifest in provider.manifests:
            for library in manifest.libraries:
                owners[library.runtime_name].add(provider.distribution)
    for name, distributions in owners.items():
        if len(distributions) > 1:
            those = " and ".join(sorted(distributions))
            message = f"{those} both ship {name}: the one that is loaded first serves both's users"
            mend = f"python -m pip uninstall one of {those}"
            yield Problem(ERROR, "name-twice", min(distributions), message, mend)


def _in_this_process(environment: Environment) -> Iterator[Problem]:
    files = {PurePosixPath(file).name: file for file in process.loaded_files()}
    for provider, library in _libraries(environment):
        ours = str(environment.root_of(provider.distribution) / library.file)
        leaf = leaf_of(library.runtime_name)
        if leaf in files and Path(files[leaf]) != Path(ours):
            message = (
                f"{files[leaf]} is in this interpreter already, under the name {leaf} of {ours}"
            )
            mend = "find out who loads it (LD_PRELOAD, sitecustomize), and remove it"
            yield Problem(ERROR, "name-taken", provider.distribution, message, mend)
        if library.probe_symbol and process.has_symbol(library.probe_symbol):
            message = (
                f"{library.probe_symbol} is in this interpreter's global scope already: consumers "
                f"of {leaf} would get that one"
            )
            mend = "find out who brings it (LD_PRELOAD, the interpreter), and remove it"
            yield Problem(ERROR, "symbol-taken", provider.distribution, message, mend)


def _libraries(environment: Environment) -> Iterator[tuple[Wheel, Library]]:
    for provider in environment.providers:
        for manifest in provider.manifests:
            for library in manifest.libraries:
                yield provider, library


def _copies(environment: Environment) -> Iterator[Problem]:
    """Copies of what a provider ships, in packages that do not use it."""
    needing = {wheel.distribution for wheel in environment.wheels}
    for provider, library in _libraries(environment):
        plain = {f"lib{library.name}", library.name, leaf_of(library.runtime_name).split(".")[0]}
        for each in environment.distributions.values():
            if each.name not in needing:
                yield from _copies_in(each, provider, library, plain)


def _copies_in(
    each: Installed, provider: Wheel, library: Library, plain: set[str]
) -> Iterator[Problem]:
    for file in each.binaries:
        leaf = _MANGLED.sub("", PurePosixPath(file).name)
        # Names end in the ABI: foo-1.dll, libpng16.so.16.
        if re.split(r"\.|-?\d", leaf)[0] in plain and "/" in file:
            message = (
                f"{file} looks like a copy of {library.name}, which {provider.distribution} ships"
            )
            yield Problem(NOTE, "bundled-copy", each.name, message)


def _shadowed(environment: Environment) -> Iterator[Problem]:
    interesting = {wheel.distribution for wheel in environment.wheels}
    for other in environment.shadowed:
        if other.name in interesting:
            first = environment.distributions[other.name]
            message = (
                f"{other.version} in {other.root} is never seen: {first.version} in {first.root} "
                "comes first"
            )
            mend = f"python -m pip uninstall {other.name}, as often as it is found, and install it once"
            yield Problem(WARNING, "shadowed", other.name, message, mend)


def _editable(environment: Environment) -> Iterator[Problem]:
    for wheel in environment.wheels:
        if environment.distributions[wheel.distribution].is_editable:
            message = "is an editable install: after a change in C or CMake, install it again"
            yield Problem(NOTE, "editable", wheel.distribution, message)
