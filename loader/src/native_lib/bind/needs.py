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
from native_lib.check.rule import WheelSet
from native_lib.check.rules_set import library_copied
from native_lib.check.wheel import root_of
from native_lib.names import import_name

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
    found: dict[str, list[Need]] = {}
    names: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for link in links.links_of(user, wheels):
        if not link.distribution or link.distribution == wheel.distribution:
            continue
        if link.kind != links.PROVIDER:
            raise BindError(_not_answered(link, providers))
        stem = _VERSION.sub("", links.leaf_of(link.needed)).lower()
        names[link.distribution, stem].setdefault(link.needed, link.binary.path)
        need = _library(link)
        if need:
            found.setdefault(link.binary.path, []).append(need)
    for used in names.values():
        if len(used) > 1:
            told = " and ".join(f"{path} needs {name}" for name, path in used.items())
            raise BindError(f"needs two versions of one library: {told}; build all against one")
    _refuse_copies(
        user, providers, {manifest.distribution for each in found.values() for manifest, _ in each}
    )
    return found


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
            f"{needs}, and {name} is not installed here: python -m pip install {name}, or name its "
            "wheel with --provider"
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
        by_leaf.setdefault(binary.leaf, []).append(binary)

    def reached(binary: Binary) -> dict[str, Binary]:
        """Return a binary and the libraries of the wheel that are loaded with it."""
        found, waiting = {binary.path: binary}, [binary]
        for each in waiting:
            for name in each.needed:
                for other in by_leaf.get(links.leaf_of(name), ()):
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
        package = None if _is_program(binary) else _package(wheel, binary, read)
        if package is None:
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


def _package(wheel: Wheel, binary: Binary, read: Callable[[str], bytes]) -> str | None:
    """Return the folder of the package that is imported first on the way to a binary."""
    files = {root_of(file): file for file in wheel.files}
    folders = [*reversed(PurePosixPath(root_of(binary.path)).parents)][1:]
    found = []
    for folder in map(str, folders):
        compiled = [f for f in files if _is_in(f, folder) and _INIT_MODULE.fullmatch(_leaf(f))]
        init = files.get(f"{folder}/__init__.py")
        # Python prefers an extension module to a source, and a source to a .pyc.
        compiled = [f for f in compiled if init is None or not f.endswith(".pyc")]
        if compiled:
            raise BindError(
                f"{compiled[0]} is compiled, so the call that loads the libraries cannot be put into it: "
                "make it a module beside an __init__.py that imports it"
            )
        if init and not is_namespace(read(init)):
            found.append(str(PurePosixPath(init).parent))
    with_record = {str(PurePosixPath(required.path).parent) for required in wheel.requires}
    return next((folder for folder in found if folder in with_record), found[0] if found else None)


def _is_in(file: str, folder: str) -> bool:
    return file.rpartition("/")[0] == folder


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
