"""What is wrong in an environment, and the command that fixes it."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from native_lib.check.binary import CorruptBinaryError
from native_lib.check.links import leaf_of, looks_like
from native_lib.check.read import read_binary
from native_lib.check.rule import ERROR, NOTE, WARNING, WheelSet
from native_lib.check.rules import RULES
from native_lib.doctor import process, scope
from native_lib.doctor.neighbours import plugins_unfound
from native_lib.doctor.problem import Problem, is_same_file, libraries_of, report_to_authors
from native_lib.doctor.resolve import NOBODY, Need, has_private_name, variable_of
from native_lib.paths import is_file, is_folder
from native_lib.support import shared_lib_wordings as messages
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Required, Wheel
    from native_lib.doctor.installed import Environment, Installed

# The rules of `native-lib check` that apply to installed files. A reinstallation fixes _DAMAGED, only
# another release fixes _MADE_SO. A name that differs from the manifest counts as damage.
_DAMAGED = {"manifest-differs", "link-file", "unsigned"}
_NAMES = {"soname-missing", "soname-differs", "install-name", "dll-name"}
_MADE_SO = {
    *("library-copied", "symbol-missing", "anchor-missing", "executable-stack", "loader-differs"),
    *("duplicate-rpath", "record-missing"),
    *_NAMES,
}


def problems_of(environment: Environment, needs: tuple[Need, ...]) -> tuple[Problem, ...]:
    """Return what is wrong with the providers and consumers of an environment."""
    lost = [*_unreadable(environment), *_missing_files(environment)]
    checked = list(_checked(environment, {problem.distribution for problem in lost}))
    damaged = {p.distribution for p in lost}
    damaged |= {p.distribution for p in checked if p.id in _DAMAGED}
    found = [
        *lost,
        *_requirements(environment),
        *_unanswered(environment, needs, damaged),
        *_architectures(environment),
        *checked,
        *_names_twice(environment),
        *_in_this_process(environment),
        *_copies(environment),
        *_shadowed(environment),
        *_elsewhere(environment),
        *_editable(environment),
        *_foreign(environment),
        *plugins_unfound(environment),
    ]
    return tuple(dict.fromkeys(found))


def _unreadable(environment: Environment) -> Iterator[Problem]:
    for each in environment.unreadable:
        message = f"{each.file} cannot be read: {each.reason}"
        owner = environment.distributions[each.distribution]
        fix = report_to_authors(each.distribution) if owner.is_intact(each.file) else owner.again
        if each.is_newer:  # its own loader may well read it
            fix = pip('install --upgrade "native-lib-loader[tools]"')
        severity = WARNING if each.is_newer else ERROR
        yield Problem(severity, "unreadable", each.distribution, message, fix)


def _missing_files(environment: Environment) -> Iterator[Problem]:
    for wheel in environment.wheels:
        each = environment.distributions[wheel.distribution]
        libraries = (library.file for m in wheel.manifests for library in m.libraries)
        # Of a package that was not made here, people remove tests and headers.
        files = () if wheel.known else each.files
        # Python writes and removes .pyc files, and installers differ in the metadata that they write.
        listed = (f for f in files if not re.search(r"\.pyc$|^[^/]+\.dist-info/", f))
        paths = dict.fromkeys((*libraries, *listed))
        missing = [path for path in paths if not is_file(each.root / path)]
        if missing:
            more = f", and so are {len(missing) - 1} more of its files" if missing[1:] else ""
            message = f"{each.root / missing[0]} is missing{more}"
            yield Problem(ERROR, "file-missing", each.name, message, each.again)


def _requirements(environment: Environment) -> Iterator[Problem]:
    """Compare the versions in a consumer's record and metadata with what is installed."""
    providers = {provider.distribution: provider for provider in environment.providers}
    for wheel in environment.wheels:
        told = set()
        for required in wheel.requires:
            name, wanted = required.distribution, required.requirement
            fix = _install(environment, name, wanted)
            if name not in environment.distributions:
                message = f"requires {wanted}, and {name} is not installed"
                yield Problem(ERROR, "provider-missing", wheel.distribution, message, fix)
            elif name in providers and not _fits(providers[name].version, required):
                message = (
                    f"was built against {name} {required.version} ({required.compatibility}), "
                    f"and {providers[name].version} is installed"
                )
                told.add(name)
                yield Problem(ERROR, "provider-version", wheel.distribution, message, fix)
        for requirement in wheel.requirements:
            provider = providers.get(canonicalize_name(requirement.name))
            if provider is None or provider.distribution in told:
                continue
            if not requirement.specifier.contains(provider.version, prereleases=True):
                wanted = f"{requirement.name}{requirement.specifier}"
                message = f"requires {wanted}, and {provider.version} is installed"
                fix = _install(environment, provider.distribution, wanted)
                yield Problem(ERROR, "provider-version", wheel.distribution, message, fix)


def _install(environment: Environment, provider: str, wanted: str, option: str = "") -> str:
    """Return the command that installs a provider, and what to do first if pip cannot replace it."""
    command = pip(f'install {option}"{wanted}"')
    there = environment.distributions.get(provider)
    if there is None or there.is_pips:
        return command
    return f"remove {there.root} from sys.path; pip does not install there, then: {command}"


def _fits(version: Version, required: Required) -> bool:
    """Tell whether the consumer's loader would accept a version."""
    return required.admits(version)


def _unanswered(
    environment: Environment, needs: tuple[Need, ...], damaged: set[str]
) -> Iterator[Problem]:
    providers = {provider.distribution for provider in environment.providers}
    known = {provider.distribution for provider in environment.providers if provider.known}
    requirements = {
        (w.distribution, r.distribution): r.requirement
        for w in environment.wheels
        for r in w.requires
    }
    for need in needs:
        if need.by != NOBODY or need.distribution in damaged or _is_told(environment, need):
            continue
        where = need.file.relative_to(environment.root_of(need.consumer)).as_posix()
        message = f"{where} needs {need.name}, and nothing here provides it"
        fix = environment.distributions[need.consumer].again
        if need.distribution in environment.distributions:
            version = environment.distributions[need.distribution].version
            message = (
                f"{where} needs {need.name}, which {need.distribution} {version} does not have"
            )
            if need.distribution in known:
                same = f"{need.distribution}=={version.partition('+')[0]}"
                wanted = requirements.get((need.consumer, need.distribution), same)
                fix = _install(environment, need.distribution, wanted, "--force-reinstall ")
                fix += f" (from the index that has the variant with {leaf_of(need.name)})"
            elif need.distribution not in providers:  # something else has its name
                wanted = requirements.get((need.consumer, need.distribution), need.distribution)
                fix = _install(environment, need.distribution, wanted, "--force-reinstall ")
        elif need.distribution:
            message = f"{where} needs {need.name} of {need.distribution}, which is not installed"
            fix = pip(f"install {need.distribution}")
        yield Problem(ERROR, "needed-unanswered", need.consumer, message, fix)


def _is_told(environment: Environment, need: Need) -> bool:
    """Tell whether another problem is the reason: a provider that is missing or too old."""
    wheel = next(wheel for wheel in environment.wheels if wheel.distribution == need.consumer)
    required = next((r for r in wheel.requires if r.distribution == need.distribution), None)
    if need.distribution not in environment.distributions:
        return required is not None
    provider = next((p for p in environment.providers if p.distribution == need.distribution), None)
    return required is not None and provider is not None and not _fits(provider.version, required)


def _architectures(environment: Environment) -> Iterator[Problem]:
    python = _interpreter()
    if python is None:
        return
    for wheel in environment.wheels:
        fitting = {binary.path for binary in wheel.binaries if binary.fits(python)}
        ours = {library.file for manifest in wheel.manifests for library in manifest.libraries}
        for binary in wheel.binaries:
            # A file for another system is there on purpose: a helper, or what a debugger injects.
            is_other = fitting and binary.path not in ours and binary.format != python.format
            if binary.path not in fitting and not is_other:
                message = (
                    f"{binary.path} is for {binary.platform}, this Python for {python.platform}"
                )
                owner = environment.distributions[wheel.distribution]
                is_intact = owner.is_intact(owner.root / binary.path)
                fix = messages.HELP[messages.MACHINE][1] if is_intact else owner.again
                yield Problem(ERROR, "architecture", wheel.distribution, message, fix)


def _interpreter() -> Binary | None:
    """Return this interpreter's program; None if it is a script or cannot be read."""
    try:
        found = read_binary(sys.executable, Path(sys.executable).read_bytes())
    except (OSError, CorruptBinaryError):
        return None
    return found[0] if len(found) == 1 else None


def _checked(environment: Environment, lost: set[str]) -> Iterator[Problem]:
    """Run the rules, and leave out what only follows from a missing or a wrong file."""
    # How a package is made that was not made here is the affair of those who made it.
    ours = (wheel for wheel in environment.wheels if not wheel.known)
    by_info = {wheel.path.name: wheel.distribution for wheel in ours}
    found = [
        (rule, finding, by_info[finding.wheel])
        for rule in RULES
        if rule.id in _DAMAGED | _MADE_SO
        for finding in rule.find(WheelSet(environment.wheels, is_complete=True))
        if finding.wheel in by_info
    ]
    differing = {name for rule, _, name in found if rule.id == "manifest-differs"}
    for rule, finding, name in found:
        if (rule.id in ("manifest-differs", "link-file") and name in lost) or (
            rule.id in _NAMES and name in differing
        ):
            continue
        where = f"{finding.file}: " if finding.file else ""
        fix = report_to_authors(name)
        installed = environment.distributions[name]
        if rule.id in _DAMAGED and not installed.is_intact(installed.root / finding.file):
            fix = installed.again
        elif rule.id == "loader-differs" and installed.is_editable:
            fix = f'native-lib vendor "{installed.source}"'
        elif rule.id == "symbol-missing":
            fix = as_built(environment, name) or fix
        severity = rule.severity_of(finding)
        yield Problem(severity, rule.id, name, f"{where}{finding.message}", fix)


def _version_of(each: Installed) -> Version | None:
    try:
        return Version(each.version)
    except InvalidVersion:
        return None


def as_built(environment: Environment, consumer: str) -> str:
    """Return the command that installs what a consumer was built against, if it has a record."""
    records = (wheel.requires for wheel in environment.wheels if wheel.distribution == consumer)
    built = [required for record in records for required in record]
    for each in built:
        there = environment.distributions.get(each.distribution)
        if there and len(built) == 1 and _version_of(there) == each.version:
            if there.binaries and all(there.is_intact(there.root / f) for f in there.binaries):
                return ""
            return there.again  # its origin may be a file
    those = " ".join(f'"{each.distribution}=={each.version}"' for each in built)
    return pip(f"install --force-reinstall --no-deps {those}") if built else ""


def _names_twice(environment: Environment) -> Iterator[Problem]:
    """Find a run-time name of two distributions: the first one loaded serves the consumers of both."""
    providers: defaultdict[str, set[str]] = defaultdict(set)
    others: defaultdict[str, set[str]] = defaultdict(set)
    for provider, library in libraries_of(environment):
        providers[library.runtime_name].add(provider.distribution)
        users = environment.consumers(provider)  # another rule reports copies in these
        for wheel in environment.wheels:
            names = {binary.known_as for binary in wheel.binaries}
            if library.runtime_name in names and wheel not in users:
                others[library.runtime_name].add(wheel.distribution)
    for stranger in environment.strangers:
        others[stranger.runtime_name].add(stranger.distribution)
    for name, distributions in providers.items():
        those = sorted(distributions | others[name])
        if len(those) > 1:
            message = (
                f"{' and '.join(those)} both ship {name}: the one that is loaded first serves "
                "the users of both"
            )
            away = max(others[name] - distributions, default=those[-1])
            fix = f"uninstall one of them: {pip(f'uninstall {away}')}"
            severity = ERROR if "__" in leaf_of(name) else WARNING  # plain names allow for it
            yield Problem(severity, "name-twice", min(distributions), message, fix)


def _in_this_process(environment: Environment) -> Iterator[Problem]:
    loaded, named = process.loaded_files(), process.loaded_names()
    python = _interpreter()
    # On musl a file that was opened by its path has no name that others could find.
    has_names = python is None or python.libc != "musl"
    for provider, library in libraries_of(environment):
        if provider.known:
            continue  # nobody here decides which file it opens
        ours = environment.root_of(provider.distribution) / library.file
        yield from _override(provider, library, ours)
        if any(is_same_file(file, ours) for file in loaded):
            continue  # it is the right file, whoever opened it
        leaf = leaf_of(library.runtime_name)
        if leaf in named and has_names:
            message = f"this interpreter has already loaded {named[leaf]}, which has the name {leaf} of {ours}"
            fix = "find out what loads it (LD_PRELOAD, sitecustomize), and remove that"
            if has_private_name(library):
                yield Problem(ERROR, "name-taken", provider.distribution, message, fix)
            else:
                note = f"{message}; it is used instead, as plain names allow"
                yield Problem(NOTE, "name-taken", provider.distribution, note)
        if has_private_name(library):
            ours_has = scope.symbols_of(provider, library)
            found = process.files_of_symbols(sorted(ours_has))
            yield from scope.symbols_taken(environment, provider, library, found)


def _override(provider: Wheel, library: Library, ours: Path) -> Iterator[Problem]:
    """Look for NATIVE_LIB_<NAME>_PATH, which names a file that the loader opens instead."""
    variable = variable_of(library)
    path = os.environ.get(variable)
    if path:
        fault = _fault(Path(path), library.runtime_name)
        message = f"{variable} names {path}, {fault or f'which is used instead of {ours}'}"
        fix = f"correct or unset {variable}"
        severity = ERROR if fault else WARNING
        yield Problem(severity, "override", provider.distribution, message, fix)


def _fault(file: Path, runtime_name: str) -> str:
    """Say why a file cannot replace a provider's library; return an empty text if it can."""
    try:
        names = {binary.known_as for binary in read_binary(str(file), file.read_bytes())}
    except OSError as error:
        return f"which cannot be read: {error.strerror}"
    except CorruptBinaryError as error:
        return f"which is damaged: {error}"
    if not names:
        return "which is not a library"
    if runtime_name not in names:
        return f"whose run-time name is {' and '.join(names)}, not {runtime_name}"
    return ""


def _copies(environment: Environment) -> Iterator[Problem]:
    """Find copies of a provider's library in packages that do not use the provider."""
    told = {stranger.distribution for stranger in environment.strangers}
    for provider, library in libraries_of(environment):
        if provider.known:
            continue
        users = {wheel.distribution for wheel in environment.consumers(provider)}
        for each in environment.distributions.values():
            if each.name not in {provider.distribution, *users, *told}:
                for file in filter(lambda file: looks_like(file, library), each.binaries):
                    whose = f"{library.name}, which {provider.distribution} ships"
                    message = f"{file} looks like a copy of {whose}"
                    yield Problem(NOTE, "bundled-copy", each.name, message)


def _shadowed(environment: Environment) -> Iterator[Problem]:
    interesting = {wheel.distribution for wheel in environment.wheels}
    for other in environment.shadowed:
        first = environment.distributions[other.name]
        # pip installs into the user's folder what the system or the environment already has.
        is_pips = first.is_pips and other.is_pips and first.root != other.root
        if other.name in interesting and not is_pips and not _is_in_place_of_bases(first, other):
            message = (
                f"{other.version} in {other.root} is never imported: {first.version} in "
                f"{first.root} comes first"
            )
            # No command: pip would uninstall the one that is imported.
            strays = [each.root for each in (first, other) if not each.is_pips]
            fix = f"remove {other.name} from one of the two"
            if first.root == other.root:
                fix = f"uninstall {other.name} until pip finds none, then install it once"
            elif strays:
                fix = f"remove {strays[0]} from sys.path (PYTHONPATH, --target)"
            yield Problem(WARNING, "shadowed", other.name, message, fix)


def _is_in_place_of_bases(first: Installed, other: Installed) -> bool:
    """Tell whether a virtual environment has its own copy of what its base Python has; that is fine."""
    prefix, base = Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()
    ours, theirs = first.root.resolve(), other.root.resolve()
    is_own = prefix != base and ours.is_relative_to(prefix)
    return is_own and theirs.is_relative_to(base) and not theirs.is_relative_to(prefix)


def _elsewhere(environment: Environment) -> Iterator[Problem]:
    """Find what would be imported instead of an installed package, without importing anything."""
    for wheel in environment.wheels:
        each = environment.distributions[wheel.distribution]
        for package in () if each.is_editable else each.packages:
            spec = PathFinder.find_spec(package)
            if spec is None or spec.origin is None:  # gone, or a mere folder
                continue
            origin, root = Path(spec.origin), each.root
            # Also unresolved: uv, Nix and Bazel install links to files elsewhere.
            if not (
                origin.absolute().is_relative_to(root.absolute())
                or origin.resolve().is_relative_to(root.resolve())
            ):
                message = f"import {package} finds {spec.origin}, not the package in {each.root}"
                fix = "rename or remove that file, or run Python in another folder"
                yield Problem(ERROR, "imported-elsewhere", each.name, message, fix)


def _editable(environment: Environment) -> Iterator[Problem]:
    for wheel in environment.wheels:
        each = environment.distributions[wheel.distribution]
        if not each.is_editable:
            continue
        if each.source and not is_folder(each.source):
            message = f"is an editable install of {each.source}, which does not exist"
            fix = "in the folder where it is now: " + pip('install -e "."')
            yield Problem(ERROR, "file-missing", each.name, message, fix)
        else:
            message = "is an editable install: after a change in C or CMake, install it again"
            yield Problem(NOTE, "editable", each.name, message)


def _foreign(environment: Environment) -> Iterator[Problem]:
    """Find providers that open their libraries without the vendored loader."""
    loader = "_shared_lib_manager.py"
    for provider in environment.providers:
        if provider.known:
            continue
        files = (*environment.distributions[provider.distribution].files, *provider.vendored)
        if not any(PurePosixPath(file).name == loader for file in files):
            message = f"has no {loader}, so native-lib cannot tell how it opens its libraries"
            yield Problem(NOTE, "loader-foreign", provider.distribution, message)
