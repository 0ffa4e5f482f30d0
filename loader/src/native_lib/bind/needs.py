"""Find which libraries of which providers each package of a wheel needs."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from native_lib.bind import BindError
from native_lib.bind.init_file import is_namespace
from native_lib.check import links
from native_lib.check.read import read_binary
from native_lib.check.rule import WheelSet
from native_lib.check.rules_set import library_copied
from native_lib.check.wheel import root_of
from native_lib.known.manifest import promised
from native_lib.names import import_name
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from native_lib.bind.providers import Provider
    from native_lib.check.binary import Binary
    from native_lib.check.links import Link
    from native_lib.check.wheel import Library, Manifest, Wheel

    Need = tuple[Manifest, Library]  # a library of a provider

_VERSION = re.compile(r"(?:\.so[\d.]*|[-.][\d.]+\.(?:dylib|dll))$")
_INIT_MODULE = re.compile(r"__init__\.(?:.*\.)?(?:so|pyd|pyc)")


def needs_of(wheel: Wheel, providers: Sequence[Provider]) -> dict[str, list[Need]]:
    """Return what the binaries of a wheel need of providers, by the path of the binary.

    Raises:
        BindError: a provider is not available or has no such library, or the wheel has a copy of it, or
            needs two versions of it.
    """
    named = [each.wheel.distribution for each in providers if each.is_named]
    # A plain name is a provider's only for a wheel that uses that provider, and naming it says so.
    user = replace(wheel, requirements=(*wheel.requirements, *map(Requirement, named)))
    wheels = (user, *(each.wheel for each in providers))
    theirs = [
        link
        for link in links.links_of(user, wheels)
        if link.distribution not in ("", wheel.distribution)
    ]
    _refuse_two_versions(theirs)
    found: dict[str, list[Need]] = {}
    for link in theirs:
        if link.kind != links.PROVIDER:
            raise BindError(_not_answered(link, providers))
        need = _library(link)
        if need:
            found.setdefault(link.binary.path, []).append(need)
    found = _without_brought(found)
    _refuse_copies(
        user, providers, {manifest.distribution for each in found.values() for manifest, _ in each}
    )
    return found


def _without_brought(needs: dict[str, list[Need]]) -> dict[str, list[Need]]:
    """Leave out what comes along with a package that is needed as well, and that opens it."""
    known = [m.known for each in needs.values() for m, _ in each if m.known]
    left = {
        path: [
            need for need in each if not any(it.is_brought(need[0].distribution) for it in known)
        ]
        for path, each in needs.items()
    }
    return {path: each for path, each in left.items() if each}


def with_promises(
    needs: dict[str, list[Need]], providers: Sequence[Provider], read: Callable[[str], bytes]
) -> dict[str, list[Need]]:
    """Return needs with what each provider promises to these binaries.

    A package that was not made here may have a stable ABI, and promises more to who uses only that.

    Args:
        needs: what `needs_of` returns.
        providers: the providers.
        read: reads a file of the wheel.
    """
    promises: dict[str, Manifest] = {}
    for provider in providers:
        for manifest in provider.wheel.manifests if provider.wheel.known else ():
            name = manifest.distribution
            paths = [p for p, each in needs.items() if any(m.distribution == name for m, _ in each)]
            users = [binary for path in paths for binary in read_binary(path, read(path))]
            promises[name] = promised(manifest, provider.wheel, users)
    return {
        path: [
            (promises.get(manifest.distribution, manifest), library) for manifest, library in each
        ]
        for path, each in needs.items()
    }


def _refuse_two_versions(needed: Iterable[Link]) -> None:
    names: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for link in needed:
        name = links.leaf_of(link.needed)
        library = link.distribution, _VERSION.sub("", name).lower()
        names[library].setdefault(name, link.binary.path)
    for used in names.values():
        if len(used) > 1:
            told = " and ".join(f"{path} needs {name}" for name, path in used.items())
            raise BindError(f"needs two versions of one library: {told}; build all against one")


def _library(link: Link) -> Need | None:
    provider, binary = link.answers[0]
    for manifest in provider.manifests:
        for library in manifest.libraries:
            if library.file == binary.path:
                return manifest, library
    return None


def _not_answered(link: Link, providers: Iterable[Provider]) -> str:
    """Say why no provider has what a binary needs."""
    needs = f"{link.binary.path} needs {links.leaf_of(link.needed)}"
    mine = [each.wheel for each in providers if each.wheel.distribution == link.distribution]
    if not mine:
        name = link.distribution
        return (
            f"{needs}, and {name} is not installed here: {pip(f'install {name}')}, or name its wheel "
            "with --provider"
        )
    there = f"{mine[0].distribution} {mine[0].version}"
    if link.kind == links.UNFIT:
        return f"{needs} for {link.binary.platform}, and {there} here is for another: name a wheel of it with --provider"
    has = ", ".join(
        links.leaf_of(library.runtime_name) for m in mine[0].manifests for library in m.libraries
    )
    return f"{needs}, and {there} has {has}: bind with the provider that it was linked against"


def _refuse_copies(wheel: Wheel, providers: Sequence[Provider], linked: set[str]) -> None:
    user = replace(wheel, requirements=(*wheel.requirements, *map(Requirement, linked)))
    for found in library_copied(WheelSet((user, *(each.wheel for each in providers)))):
        if found.wheel == wheel.path.name:
            raise BindError(
                f"{found.file} {found.message}: exclude it when the wheel is repaired (native-lib "
                "repair does)"
            )
    names = {
        library.runtime_name: each.wheel
        for each in providers
        for library, _ in each.wheel.libraries
    }
    for binary in wheel.binaries:
        owner = names.get(binary.known_as)
        if owner and owner.distribution != wheel.distribution:
            raise BindError(
                f"{binary.path} is a copy of a library of {owner.distribution}: leave it out"
            )


def packages_of(
    wheel: Wheel, needs: Mapping[str, list[Need]], read: Callable[[str], bytes]
) -> dict[str, list[Need]]:
    """Return what each package is to load, by the folder with its ``__init__.py``.

    Every import of a module passes the packages above it, so the call goes into the outermost one; or
    into the one that has a record already.

    Raises:
        BindError: a binary is used, and no package is above it.
    """
    by_leaf: dict[str, list[Binary]] = {}
    for binary in wheel.binaries:
        by_leaf.setdefault(binary.leaf.lower(), []).append(binary)
    inits = {root_of(file): file for file in wheel.files if _leaf(file).startswith("__init__.")}
    with_record = {_folder(required.path) for required in wheel.requires}

    def reached(binary: Binary) -> dict[str, Binary]:
        """Return a binary and the libraries of the wheel that are loaded with it."""
        found, waiting = {binary.path: binary}, [binary]
        for each in waiting:
            for name in each.needed:
                for other in by_leaf.get(links.leaf_of(name).lower(), ()):
                    if other.path not in found:
                        found[other.path] = other
                        waiting.append(other)
        return found

    served: set[str] = set()
    found: dict[str, list[Need]] = {}
    homeless: list[tuple[Binary, Need]] = []
    for binary in wheel.binaries:
        loaded = reached(binary)
        libraries = [need for path in loaded for need in needs.get(path, ())]
        if not libraries:
            continue
        above = [] if _is_program(binary) else _packages_above(binary, inits, read)
        package = next((each for each in above if each in with_record), above[0] if above else "")
        if not package:
            homeless.append((binary, libraries[0]))
        else:
            found.setdefault(package, []).extend(libraries)
            served |= loaded.keys()
    for binary, need in homeless:
        if binary.path not in served and not _finds(binary, need):
            raise BindError(_homeless(binary, need))
    return found


def _finds(binary: Binary, need: Need) -> bool:
    """Tell whether a program finds a library by a path that is relative to itself."""
    folder = f"/{import_name(need[0].distribution)}/lib"
    return any(
        not p.startswith("/") and p.rstrip("/").endswith(folder) for p in binary.search_paths
    )


def _is_program(binary: Binary) -> bool:
    is_library = binary.is_extension_module or binary.is_library
    return not is_library and not binary.leaf.lower().endswith((".pyd", ".dll"))


def _packages_above(
    binary: Binary, inits: Mapping[str, str], read: Callable[[str], bytes]
) -> list[str]:
    """Return the folders of the packages that are imported on the way to a binary, in that order.

    Args:
        binary: the binary.
        inits: the wheel's files ``__init__.*``, by their paths below site-packages.
        read: reads a file of the wheel.
    """
    found = []
    for folder in [*reversed(PurePosixPath(root_of(binary.path)).parents)][1:]:
        here = [file for path, file in inits.items() if _folder(path) == str(folder)]
        init = inits.get(f"{folder}/__init__.py")
        for file in here:
            # Python prefers an extension module to a source, and a source to a .pyc.
            if _INIT_MODULE.fullmatch(_leaf(file)) and not (init and file.endswith(".pyc")):
                raise BindError(
                    f"{file} is compiled, so the call that loads the libraries cannot be put into it: "
                    "make it a module beside an __init__.py that imports it"
                )
        if init and not is_namespace(read(init)):
            found.append(_folder(init))
    return found


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _leaf(file: str) -> str:
    return file.rpartition("/")[2]


def _homeless(binary: Binary, need: Need) -> str:
    manifest, library = need
    name = links.leaf_of(library.runtime_name)
    if _is_program(binary):
        return (
            f"{binary.path} is a program and needs {name} of {manifest.distribution}, which nobody loads "
            "for it: link it statically, or leave it out of the wheel"
        )
    if binary.is_extension_module:
        return (
            f"{binary.path} needs {name} and is in no package with an __init__.py, so nothing can load "
            "the library before it is imported: move it into a package, beside a module that imports it"
        )
    return f"{binary.path} needs {name}, and no extension module in a package of the wheel needs it"
