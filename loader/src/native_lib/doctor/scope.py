"""Which file answers for a symbol: ELF's global scope, and what C++ has once in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native_lib.check.leaks import is_standard
from native_lib.check.links import leaf_of
from native_lib.check.rule import ERROR, WARNING, some_of
from native_lib.check.system import has_versions_throughout
from native_lib.doctor import process
from native_lib.doctor.problem import Problem, binary_of, is_same_file, libraries_of
from native_lib.doctor.resolve import has_private_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Wheel
    from native_lib.doctor.attempt import Attempt
    from native_lib.doctor.installed import Environment


def symbols_of(provider: Wheel, library: Library) -> set[str]:
    """Return the symbols of a library that nobody else may define in the global scope."""
    ours = _binary_of(provider, library)
    # C++ puts the same weak symbol into many files. The loader still looks for its probe symbol.
    return {
        export.name
        for export in (ours.own_exports if ours else ())
        if not export.is_weak or export.name == library.probe_symbol
    }


def symbols_taken(
    environment: Environment,
    provider: Wheel,
    library: Library,
    found: Mapping[str, Sequence[str]],
    module: str = "",
) -> Iterator[Problem]:
    """Find symbols of a library that other files define in the global scope, which is searched first.

    Args:
        environment: in which the provider is installed.
        provider, library: whose symbols they are.
        found: the files in the global scope that define symbols, and which ones.
        module: after whose import they were looked for; a bare interpreter's if it is empty.
    """
    ours = _binary_of(provider, library)
    if ours is None:
        return  # missing or damaged, which is another problem
    names = symbols_of(provider, library)
    for file, symbols in found.items():
        if has_versions_throughout(process.name_of(file)):
            continue  # a newer system has the function too; either definition will do
        if is_same_file(file, environment.root_of(provider.distribution) / library.file):
            continue  # it is the right file, whoever opened it
        other = binary_of(file) if not library.anchor else None  # musl looks at names only
        taken = [
            name
            for name in symbols
            if name in names and not _versions_keep_apart(name, ours, other)
        ]
        if not taken:
            continue
        where = "this interpreter's global scope"
        fix = "find out what loads that file (LD_PRELOAD, the interpreter), and remove it"
        if module:
            where = f"the global scope once {module} is imported"
            fix = (
                f"have that file opened without RTLD_GLOBAL (by {module}, or what it imports); until "
                f"then, import the users of {provider.distribution} before {module}"
            )
        message = (
            f"{file} already defines {some_of(taken)} in {where}: "
            f"calls meant for {leaf_of(library.runtime_name)} would go there"
        )
        # The provider's loader refuses where it is the probe symbol. Of the others it knows nothing,
        # and a consumer that calls them gets wrong results.
        used = {
            each.name
            for consumer in environment.consumers(provider)
            for binary in consumer.binaries
            for each in binary.imports
        }
        severity = ERROR if used.union([library.probe_symbol]).intersection(taken) else WARNING
        yield Problem(severity, "symbol-taken", provider.distribution, message, fix)


def after_import(environment: Environment, attempt: Attempt) -> Iterator[Problem]:
    """Find what a module's import did to the providers' libraries, though it went well."""
    for provider, library in libraries_of(environment):
        if has_private_name(library):
            found = attempt.scope
            yield from symbols_taken(environment, provider, library, found, attempt.module)
        yield from _state_shared(environment, provider, library, attempt)


def _state_shared(
    environment: Environment, provider: Wheel, library: Library, attempt: Attempt
) -> Iterator[Problem]:
    """Find C++ state that a library and a stranger's copy of it have once, although they are two files.

    glibc binds a symbol of STB_GNU_UNIQUE (an inline or template's static variable) to one definition
    in the whole process, also between files that were opened with RTLD_LOCAL.
    """
    ours = _binary_of(provider, library)
    mine = _unique(ours)
    path = environment.root_of(provider.distribution) / library.file
    if not mine or not any(is_same_file(file, path) for file in attempt.files):
        return
    users = [provider, *environment.consumers(provider)]
    known = [environment.root_of(w.distribution) / b.path for w in users for b in w.binaries]
    for file in attempt.files:
        other = binary_of(file) if ".so" in file else None
        shared = sorted(mine & _unique(other))
        if not shared or (other and library.runtime_name in other.needed):
            continue  # it includes the library's headers, and is to share what they define
        if not any(is_same_file(file, each) for each in known):
            message = (
                f"{file} and {path} share the C++ state {some_of(shared)} (STB_GNU_UNIQUE) once "
                f"{attempt.module} is imported, although they are two libraries"
            )
            fix = (
                "use one copy of the library, or build one of the two with -fno-gnu-unique or in "
                "another namespace"
            )
            yield Problem(WARNING, "state-shared", provider.distribution, message, fix)


def _unique(binary: Binary | None) -> set[str]:
    exports = binary.exports if binary else ()
    return {e.name for e in exports if e.is_unique and not is_standard(e.name)}


def _binary_of(provider: Wheel, library: Library) -> Binary | None:
    return next((each for each in provider.binaries if each.path == library.file), None)


def _versions_keep_apart(symbol: str, ours: Binary, other: Binary | None) -> bool:
    """Tell whether symbol versions keep the other file's symbol from being used for ours.

    glibc, `check_match`: a reference with a version takes that version, the base version, and
    anything of a file without versions.
    """
    versions = ours.versions_by_name[symbol]
    others = other.versions_by_name.get(symbol, {""}) if other else {""}
    return "" not in versions | others and versions.isdisjoint(others)
