# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""The consumer's build asks its providers, and records their answers.

Two callers ask the same questions here and get the same answers. The build back end, through the
dynamic-metadata protocol, wants the wheel's dependencies: ``libfoo>=1.4.2,<2``, from the provider
that is installed while the wheel is built. NativeLibrary.cmake runs this file to find that
provider and to write ``_native_requires.py``. pyproject.toml names the providers for both:

    [[tool.dynamic-metadata]]
    provider = { path = "native-lib", module = "native_library_metadata" }  # or "native_library"
    libraries = { foo = "libfoo" }  # CMake package = the distribution that provides it

A system library is used only on request, never as a silent fallback: ``NATIVE_LIB_SYSTEM=foo`` (several
with commas, or ``all``) in the build's environment. It is an environment variable because the protocol
has no other way to pass a setting for one build.

``native-lib vendor`` updates this file.
"""

from __future__ import annotations

import importlib
import json
import os
import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

# The format of manifests and records; this file cannot read a newer one.
FORMAT = 1
# How pyproject.toml names this file: as the entry point, or as a file in the project's own folder.
_ENTRY_POINT = "native_library"
_VENDORED = '{ path = "native-lib", module = "native_library_metadata" }'

_state = "wheel"


def build_state(state: str) -> None:
    """Hook: the back end calls this before it asks for the metadata, and says what it builds."""
    global _state
    _state = state


def get_requires_for_dynamic_metadata(settings: Mapping[str, Any]) -> list[str]:
    """Hook: the providers are build requirements; build-system.requires need not list them."""
    return list(dict.fromkeys(_providers(settings).values()))


def dynamic_metadata(
    settings: Mapping[str, Any], project: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Hook: a wheel requires the providers that it was built against, in a range that fits.

    An sdist does not: a wheel that is built from it may use another provider.
    """
    if _state == "sdist":
        return {"dependencies": []}
    bounds = []
    for package, named in _providers(settings).items():
        manifest = _manifest(package, named)
        _insist_on(named, manifest)
        bounds.append(manifest.REQUIREMENT)
    return {"dependencies": list(dict.fromkeys(bounds))}


def dynamic_wheel(settings: Mapping[str, Any]) -> dict[str, bool]:
    """Hook: the wheel's dependencies differ from the sdist's (``Dynamic: Requires-Dist``)."""
    return {"dependencies": True}


def _providers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return each provider's requirement by CMake package, without packages of the system."""
    libraries = settings.get("libraries")
    if (
        not isinstance(libraries, dict)
        or not libraries
        or not all(isinstance(named, str) for named in libraries.values())
    ):
        sys.exit(
            "native_library_metadata: pyproject.toml names no provider. Write, for example, "
            'libraries = { foo = "libfoo" } into its [[tool.dynamic-metadata]] table.'
        )
    return {package: named for package, named in libraries.items() if not is_from_system(package)}


def is_from_system(package: str) -> bool:
    """Tell whether NATIVE_LIB_SYSTEM asks for the system's copy of a library."""
    asked = re.split(r"[,;\s]+", os.environ.get("NATIVE_LIB_SYSTEM", "").lower())
    return "all" in asked or package.lower() in asked


def _manifest(package: str, requirement: str) -> ModuleType:
    """Return the manifest of the provider that is installed where this build runs."""
    provider = _import_name(requirement)
    name = f"{provider}._native_libs"
    try:
        manifest = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (provider, name):
            raise
        sys.exit(
            f"The library {package} is needed, and its provider {requirement} is not installed "
            f"where this build runs ({sys.executable}). Either install the provider there "
            "(a build in isolation does it by itself), or ask for the system's copy: "
            f"NATIVE_LIB_SYSTEM={package} in the environment."
        )
    if manifest.FORMAT > FORMAT:
        sys.exit(
            f"{manifest.__file__} has format {manifest.FORMAT}, and this build reads formats up to "
            f"{FORMAT}: update {Path(__file__).name} with `native-lib vendor`, or native-lib-loader "
            "in build-system.requires."
        )
    return manifest


def _insist_on(requirement: str, manifest: ModuleType) -> None:
    """Stop if the installed provider does not have the version that pyproject.toml asks for."""
    # The back end installs packaging; if CMake alone runs this file, it may not be installed.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        specifier = Requirement(requirement).specifier
    except InvalidRequirement:
        sys.exit(f"native_library_metadata: {requirement!r} in pyproject.toml is no requirement.")
    if not specifier.contains(manifest.VERSION, prereleases=True):
        sys.exit(
            f"pyproject.toml asks for {requirement}, and {manifest.DISTRIBUTION} {manifest.VERSION} "
            f"is installed where this build runs ({sys.executable}). Either install what it asks for "
            "there (a build in isolation does it by itself), or correct libraries in its "
            "[[tool.dynamic-metadata]] table."
        )


def _import_name(requirement: str) -> str:
    """Return a provider's import name, from its distribution's: native_zlib for native-zlib>=1.3."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-._]+", "_", found[0]).lower() if found else requirement


def _libraries(folder: Path) -> dict[str, str]:
    """Return the libraries in the nearest pyproject.toml, in a folder or above it."""
    # Before Python 3.11, scikit-build-core requires tomli.
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    for file in (parent / "pyproject.toml" for parent in (folder, *folder.parents)):
        if file.is_file():
            break
    else:
        sys.exit(f"There is no pyproject.toml in {folder} or above it.")
    tables = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    for table in tables.get("dynamic-metadata", []):
        hook = table.get("provider")
        module = hook.get("module") if isinstance(hook, dict) else hook
        if module in (_ENTRY_POINT, Path(__file__).stem):
            libraries: dict[str, str] = table.get("libraries", {})
            return libraries
    return {}


def locate(folder: Path, package: str) -> dict[str, str]:
    """Return where CMake must find a package, and the names of the provider's own package.

    Args:
        folder: the consumer's, with its pyproject.toml in it or above it.
        package: the CMake package.

    Raises:
        SystemExit: pyproject.toml does not name the package, or its provider is not installed.
    """
    libraries = _libraries(folder)
    if package not in libraries:
        is_vendored = Path(__file__).parent.name != "support"
        hook = _VENDORED if is_vendored else f'"{_ENTRY_POINT}"'
        sys.exit(
            f"pyproject.toml does not say who provides {package}: write {package} = "
            f'"<distribution>" into libraries of a [[tool.dynamic-metadata]] table whose provider '
            f"is {hook}."
        )
    if is_from_system(package):
        folder_to_avoid = _installed_folder(libraries[package]) or ""
        return {"source": "system", "folder": folder_to_avoid, "names": package}
    manifest = _manifest(package, libraries[package])
    found = Path(manifest.__file__ or "").parent.as_posix()
    # A provider that was built by an older version of this project has no other names.
    names = dict.fromkeys((manifest.PACKAGE, *getattr(manifest, "NAMES", ())))
    return {"source": "provider", "folder": found, "names": ";".join(names)}


def _installed_folder(requirement: str) -> str | None:
    """Return the folder of an installed provider, so that CMake can ignore it."""
    try:
        manifest = importlib.import_module(f"{_import_name(requirement)}._native_libs")
    except ImportError:
        return None
    return Path(manifest.__file__ or "").parent.as_posix()


def package_folder(destination: str, wheel: str) -> str:
    """Return the folder of a package in the wheel, in one form for every way to write it.

    Args:
        destination: the argument of native_library_consumer().
        wheel: the folder whose files become the wheel; a path below it may be absolute.

    Raises:
        SystemExit: it leads out of the wheel, onto the machine that builds.
    """
    folder, root = destination, posixpath.normpath(wheel)
    whole = posixpath.normpath(destination)
    if wheel and (whole == root or whole.startswith(f"{root}/")):
        folder = posixpath.relpath(whole, root)
    if re.search(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)", folder):
        sys.exit(
            f"native_library_consumer: DESTINATION '{destination}' leads out of the wheel: write a "
            "relative path without '..'"
        )
    return posixpath.normpath(folder)


def requirements(folder: Path, targets: list[str]) -> list[dict[str, object]]:
    """Return what ``_native_requires.py`` says about CMake targets: a dictionary for each provider.

    Args:
        folder: the consumer's, with its pyproject.toml in it or above it.
        targets: what the extension modules link, as ``package::library``.

    Raises:
        SystemExit: a provider is not installed, or has no such library.
    """
    libraries = _libraries(folder)
    needs: dict[str, dict[str, object]] = {}
    for target in dict.fromkeys(targets):
        package = target.partition("::")[0]
        if is_from_system(package):
            continue
        manifest = _manifest(package, libraries[package])
        names = [
            name
            for name, facts in manifest.LIBRARIES.items()
            if target in (facts["target"], *facts.get("aliases", ()))
        ]
        if not names:
            offered = ", ".join(facts["target"] for facts in manifest.LIBRARIES.values())
            sys.exit(f"{manifest.DISTRIBUTION} has no target {target}; it has {offered}.")
        need = needs.setdefault(
            manifest.DISTRIBUTION,
            {
                "provider": _import_name(manifest.DISTRIBUTION),
                "distribution": manifest.DISTRIBUTION,
                "version": manifest.VERSION,
                "compatibility": manifest.COMPATIBILITY,
                "requirement": manifest.REQUIREMENT,
                "libraries": (),
            },
        )
        need["libraries"] = (*need["libraries"], *names)  # type: ignore[misc]
    return list(needs.values())


def record(needs: list[dict[str, object]], writer: str) -> bytes:
    """Return the content of ``_native_requires.py``, with the same bytes on every system.

    Only what names files of packages that were not made with native-lib is of the newer format.
    """
    has_foreign = any("files" in need for need in needs)
    seen = [f"import {need['provider']}" for need in needs if need["provider"]]
    seen += ["from . import _shared_lib_foreign"] if has_foreign else []
    lines = [
        f"# Written by {writer}: what the extension modules here were linked against.",
        f"FORMAT = {FORMAT + has_foreign}",
        "REQUIRES = (",
        *(line for need in needs for line in _literal(need)),
        ")",
        *_seen_by_freezers(seen),
    ]
    return "\n".join([*lines, ""]).encode("utf-8")


def _write_requirements(output: Path, needs: list[dict[str, object]]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(record(needs, "NativeLibrary.cmake"))


def _literal(need: dict[str, object]) -> list[str]:
    return ["    {", *(f"        {key!r}: {fact!r}," for key, fact in need.items()), "    },"]


def _seen_by_freezers(imports: list[str]) -> list[str]:
    """Return a function that imports the providers: the loader's import of a name is not seen."""
    # Freezers read the bytecode, which has no body of an `if False:`.
    head = ["", "", "def _seen_by_freezers():  # never called; PyInstaller and others read it"]
    return [*head, *(f"    {each}" for each in imports)] if imports else []


def _main(command: str, folder: str, *arguments: str) -> None:
    """Answer NativeLibraryConsumer.cmake.

    locate FOLDER PACKAGE, package_folder FOLDER --wheel=ROOT DESTINATION LIBRARY..., or
    record FOLDER OUTPUT LIBRARY...
    """
    first, *libraries = arguments
    if command == "locate":
        print(json.dumps(locate(Path(folder), first)))
    elif command == "package_folder":
        destination, *libraries = libraries
        print(package_folder(destination, first.partition("=")[2]), end="")
        for library in libraries:
            if not re.fullmatch(r"[^:]+::[^:]+", library):
                sys.exit(
                    "native_library_consumer: LIBRARIES requires <package>::<library>, not "
                    f"'{library}'"
                )
    else:
        _write_requirements(Path(first), requirements(Path(folder), libraries))


if __name__ == "__main__":
    _main(*sys.argv[1:])
