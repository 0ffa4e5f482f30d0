# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""What a provider's build records: names, versions, the bound, and the texts of its files.

NativeLibraryProvider.cmake runs this file:

    provider FOLDER --provider libfoo ...    checks the arguments of native_library_provider(),
                                             writes texts into FOLDER, prints names as JSON
    sbom FOLDER FACTS DISTRIBUTION VERSION   writes the wheel's SBOM (PEP 770, CycloneDX)

What only CMake knows is in the texts as a generator expression, such as $<TARGET_FILE_NAME:foo>.
``native-lib vendor`` updates this file.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
_APPLE = ("Darwin", "iOS", "tvOS", "visionOS", "watchOS")
# One "__" separates provider and library in the names, so that they can be split again.
_PROVIDER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What a CMake package or target may be called.
_NAME = r"[A-Za-z0-9_+.-]+"
# Arguments that give a target other names, with what such a name looks like.
_OTHER_NAMES = {
    "LINK_NAMES": (_NAME, "a name to link by, like z for -lz"),
    "ALIASES": (rf"{_NAME}(::{_NAME})*", "a CMake target's name, like libzmq or SQLite::SQLite3"),
}
_VERSION = re.compile(
    r"(?P<base>(?P<release>[0-9]+(\.[0-9]+)*)((a|b|rc)[0-9]+)?)"
    r"(?P<post>\.post[0-9]+)?(?P<dev>\.dev[0-9]+)?(\+[a-z0-9.]+)?"
)


class ProviderError(ValueError):
    """native_library_provider() was called with a wrong argument; the message says which."""


@dataclass(frozen=True)
class Version:
    """A provider's version, and what follows from it."""

    full: str
    # The release is 1.4.2. The base is the oldest version that consumers may get, such as 1.4.2rc1.
    release: str
    base: str

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version, and write it as pip would.

        Raises:
            ProviderError: the text is not a version, or has an epoch.
        """
        # scikit-build-core passes on a version such as 2024.01.02 unchanged; pip drops leading zeros.
        text = re.sub(r"(^|[^0-9])0+([0-9])", r"\1\2", text)
        found = _VERSION.fullmatch(text)
        if not found:
            raise ProviderError(
                f"VERSION '{text}' is not a version like 1.4.2, 1.4.2rc1 or 1.4.2.post1"
            )
        # A packaging revision does not change the library; a development version comes before its
        # release.
        base = found["base"] if found["post"] else found["base"] + (found["dev"] or "")
        return cls(text, found["release"], base)


@dataclass(frozen=True)
class Compatibility:
    """Which versions can replace a version: as a suffix of names, and as a bound."""

    abi: str
    specifier: str

    @classmethod
    def of(cls, version: Version, word: str) -> Compatibility:
        """Return what one of CMake's compatibility words means for a version.

        Raises:
            ProviderError: the word is none of them.
        """
        major, minor, patch = (int(part) for part in f"{version.release}.0.0".split(".")[:3])
        if word == "SameMajorVersion":
            return cls(f"{major}", f">={version.base},<{major + 1}")
        if word == "SameMinorVersion":
            return cls(f"{major}.{minor}", f">={version.base},<{major}.{minor + 1}")
        if word == "ExactVersion":
            abi = f"{major}.{minor}.{patch}"
            is_lowest = version.base == abi or f"{version.base}.0" == abi
            return cls(abi, f"=={abi}.*" + ("" if is_lowest else f",>={version.base}"))
        raise ProviderError(
            f"COMPATIBILITY is SameMajorVersion, SameMinorVersion or ExactVersion, not '{word}'"
        )


@dataclass(frozen=True)
class Library:
    """One shared library target."""

    target: str
    # Upstream's OUTPUT_NAME and EXPORT_NAME.
    name: str
    export_name: str
    # Other targets of the same call that it links to.
    links: tuple[str, ...] = ()
    probe_symbol: str = ""
    # Further names by which builds look for it (-lpng for png16).
    link_names: tuple[str, ...] = ()
    # Other names for it in CMake, such as libzmq or SQLite::SQLite3.
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """One executable target."""

    target: str
    # Upstream's OUTPUT_NAME and EXPORT_NAME.
    name: str
    export_name: str


@dataclass(frozen=True)
class Provider:
    """What native_library_provider() makes."""

    name: str
    version: Version
    compatibility: str
    package: str
    libraries: tuple[Library, ...]
    # CMAKE_SYSTEM_NAME.
    system: str = "Linux"
    on_musl: bool = False
    description: str = ""
    dependencies: tuple[str, ...] = ()
    # The number in the system's name, if the libraries keep the system's names.
    plain_abi: str | None = None
    # Other names of the CMake package.
    names: tuple[str, ...] = ()
    programs: tuple[Program, ...] = ()
    # Paths below the provider's folder, by environment variable.
    data_env: tuple[tuple[str, str], ...] = ()

    @property
    def distribution(self) -> str:
        """The distribution's name."""
        return self.name.replace("_", "-")

    @property
    def abi(self) -> str:
        """The suffix of the libraries' names."""
        found = Compatibility.of(self.version, self.compatibility).abi
        return found if self.plain_abi is None else self.plain_abi

    @property
    def requirement(self) -> str:
        """What consumers require."""
        return self.distribution + Compatibility.of(self.version, self.compatibility).specifier

    @property
    def is_for_windows(self) -> bool:
        """Whether the libraries are DLLs."""
        return self.system.startswith("Windows")

    @property
    def is_for_macos(self) -> bool:
        """Whether the libraries are Mach-O files."""
        return self.system in _APPLE

    @property
    def programs_folder(self) -> str:
        """The folder of the programs. Windows finds DLLs beside a program, and not relative to it."""
        return "lib" if self.is_for_windows else "bin"

    @property
    def above_programs(self) -> str:
        """The provider's folder, as a program's search path writes it."""
        return "@loader_path/.." if self.is_for_macos else "$ORIGIN/.."

    def file_stem(self, library: Library) -> str:
        """Return the name of a library's files, without suffixes."""
        if self.plain_abi is None:
            return f"{self.name}__{library.name}"
        return library.name if self.is_for_windows else f"lib{library.name}"

    def link_files(self, library: Library) -> tuple[str, ...]:
        """Return the files by which a linker finds a library, as -l<name>."""
        name = "{}.lib" if self.is_for_windows else "lib{}.tbd" if self.is_for_macos else "lib{}.so"
        names = dict.fromkeys((library.name, *library.link_names))
        return tuple(name.format(each) for each in names)

    def target(self, library: Library) -> str:
        """Return the imported target of a library."""
        return f"{self.package}::{library.export_name}"

    def aliases(self, library: Library) -> tuple[str, ...]:
        """Return the other imported targets that are a library: its own, and for each name some."""
        found = [*library.aliases, *(f"{name}::{library.export_name}" for name in self.names)]
        if library == self.libraries[0]:
            # What most consumers write, whatever the library is called: SQLite3::SQLite3.
            others = [each.export_name for each in self.libraries[1:]]
            found += [f"{name}::{name}" for name in self.names if name not in others]
        ours = [self.target(each) for each in self.libraries]
        return tuple(alias for alias in dict.fromkeys(found) if alias not in ours)

    def file_of(self, library: Library) -> str:
        """Return the file that a build links, as a generator expression below the folder lib."""
        kind = "TARGET_LINKER_FILE_NAME" if self.is_for_windows else "TARGET_FILE_NAME"
        return f"$<{kind}:{library.target}>"

    def anchor(self, library: Library) -> str:
        """Return the name of a library's anchor, which only musl needs; else an empty string."""
        return f"{self.file_stem(library)}-anchor" if self.on_musl else ""


def check_targets(described: list[list[str]], others: list[str]) -> None:
    """Stop if there is no target, or if one is not a shared library.

    Args:
        described: for each target its name, then its type if the target exists.
        others: the library targets that there are, for the message.

    Raises:
        ProviderError: no target, or a wrong one.
    """
    if not described:
        raise ProviderError("name the shared library targets first")
    for target, *facts in described:
        if not facts:
            there_are = f"; the library targets are {', '.join(others)}" if others else ""
            raise ProviderError(f"{target} is not a target{there_are}")
        if facts[0] == "IMPORTED":
            raise ProviderError(
                f"{target} is imported, not built here: give its file to native_library_prebuilt() "
                "and name that target instead"
            )
        if facts[0] == "EXECUTABLE":
            raise ProviderError(f"{target} is a program; write PROGRAMS {target}")
        if facts[0] != "SHARED_LIBRARY":
            raise ProviderError(
                f"{target} is a {facts[0]}; write add_library({target} SHARED ...), or "
                "set(BUILD_SHARED_LIBS ON) before upstream's add_subdirectory(), or upstream's "
                "equivalent option"
            )


def check_number(argument: str, values: list[str], targets: int) -> None:
    """Stop if an argument has more values than there are targets.

    Raises:
        ProviderError: there are too many values.
    """
    if len(values) > targets:
        # A misspelled keyword is one of the values.
        raise ProviderError(
            f"{argument} names {len(values)} for {targets} targets: {', '.join(values)}"
        )


def names_of(target: str, argument: str, given: list[str], targets: list[str]) -> tuple[str, ...]:
    """Return the values of LINK_NAMES or ALIASES that are for a target.

    Args:
        target: one of the targets.
        argument: which of the two.
        given: its values: <name> where there is one target, <target>=<name> where there are several.
        targets: all of them.

    Raises:
        ProviderError: a value is no name, or does not say which of several targets it is for.
    """
    form, what = _OTHER_NAMES[argument]
    names = []
    for value in given:
        owner, _, name = value.rpartition("=")
        if not re.fullmatch(form, name):
            raise ProviderError(f"{argument} '{value}' is not {what}")
        if (owner or len(targets) > 1) and owner not in targets:
            raise ProviderError(
                f"{argument} '{value}' does not say which target it is for: write "
                f"{targets[0]}={name}"
            )
        if owner in ("", target):
            names.append(name)
    return tuple(names)


def check_link_files(provider: Provider) -> None:
    """Stop if builds would find two libraries by one name.

    Raises:
        ProviderError: they would.
    """
    owners: dict[str, str] = {}
    for library in provider.libraries:
        for file in provider.link_files(library):
            if file in owners:
                raise ProviderError(
                    f"{owners[file]} and {library.target} would both have the link file {file}: give "
                    "one of them another OUTPUT_NAME, or other LINK_NAMES"
                )
            owners[file] = library.target


def check_headers(headers: list[str]) -> None:
    """Stop if a header would be written outside the wheel, onto the machine that builds.

    Raises:
        ProviderError: a path leads out of the wheel.
    """
    for header in headers:
        if _leads_out(header):
            raise ProviderError(
                f"EXPORT_HEADER '{header}' leads out of the wheel: write a relative path without '..'"
            )


def check_package_names(names: list[str]) -> None:
    """Stop if one of NAMES cannot be the name of a CMake package.

    Raises:
        ProviderError: one is not.
    """
    for name in names:
        if not re.fullmatch(_NAME, name):
            raise ProviderError(f"NAMES '{name}' is not the name of a CMake package")


def read_programs(described: list[list[str]]) -> tuple[Program, ...]:
    """Return the programs, or stop if one is not an executable target.

    Args:
        described: for each target its name, then its type, OUTPUT_NAME and EXPORT_NAME if it exists.

    Raises:
        ProviderError: a wrong target.
    """
    for target, *facts in described:
        if not facts:
            raise ProviderError(f"PROGRAMS: {target} is not a target")
        if facts[0] != "EXECUTABLE":
            raise ProviderError(f"PROGRAMS: {target} is a {facts[0]}, and not an executable")
    return tuple(
        Program(target, _or(name, target), _or(export_name, target))
        for target, _, name, export_name, *_ in described
    )


def read_data_env(settings: list[str]) -> tuple[tuple[str, str], ...]:
    """Return variables and the paths that they are set to, below the provider's folder.

    Raises:
        ProviderError: one is not written as VARIABLE=path, comes twice, or leads out of the wheel.
    """
    found: dict[str, str] = {}
    for setting in settings:
        variable, _, path = setting.partition("=")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable) or not path:
            raise ProviderError(
                f"DATA_ENV '{setting}' is not <variable>=<path>, such as PROJ_DATA=share/proj"
            )
        if _leads_out(path):
            raise ProviderError(
                f"DATA_ENV '{setting}' leads out of the wheel: write a path below the provider's "
                "folder, without '..'"
            )
        if variable in found:
            raise ProviderError(f"DATA_ENV names {variable} twice")
        found[variable] = path
    return tuple(found.items())


def _leads_out(path: str) -> bool:
    return bool(re.search(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)", path))


def check_names(provider: str, distribution: str) -> None:
    """Stop if consumers could not find the import package by the distribution's name.

    Args:
        provider: the import name.
        distribution: the distribution's name; empty if there is none.

    Raises:
        ProviderError: the import name is not valid, or does not match the distribution's name.
    """
    if not _PROVIDER.fullmatch(provider):
        raise ProviderError(
            "PROVIDER is the import name of the Python package, lower-case letters and digits with "
            f"single underscores, not '{provider}'"
        )
    if distribution and re.sub(r"[-_.]+", "_", distribution).lower() != provider:
        raise ProviderError(
            f"PROVIDER {provider} and the distribution's name {distribution} differ; consumers find "
            "the one by the other"
        )


def check_plain_names(is_plain: bool, abi: str | None, libraries: tuple[Library, ...]) -> None:
    """Stop if the ABI suffix is missing, or is given although it follows from the version.

    Raises:
        ProviderError: the suffix is wrong, or a library's name looks like a private one.
    """
    if is_plain and abi is None:
        raise ProviderError(
            "PLAIN_NAMES needs ABI_SUFFIX, the number in the system's name (16 for libpng16.so.16)"
        )
    if abi is not None and not is_plain:
        raise ProviderError(
            "ABI_SUFFIX goes with PLAIN_NAMES only; private names take it from the version and "
            "COMPATIBILITY"
        )
    for library in libraries:
        if is_plain and "__" in library.name:
            raise ProviderError(
                f"{library.name} has two underscores, which only private names have"
            )


def choose_version(given: str, wheels: str, projects: str) -> Version:
    """Return the version to use.

    Args:
        given: the argument VERSION.
        wheels: the wheel's full version, where there is a wheel.
        projects: CMake's PROJECT_VERSION.

    Raises:
        ProviderError: there is none, it is not a version, or VERSION is not the wheel's.
    """
    # Only the wheel's version shows whether this is a pre-release or a packaging revision.
    if given and wheels and _numbers(given) != _numbers(wheels):
        raise ProviderError(
            f"VERSION {given} and the wheel's version {wheels} differ; consumers require the one and "
            "would get the other: remove VERSION, or correct the version in pyproject.toml"
        )
    if not (wheels or given or projects):
        raise ProviderError(
            "there is no version; outside of scikit-build-core, configure with "
            "-DSKBUILD_PROJECT_VERSION=1.0.0"
        )
    return Version.parse(wheels or given or projects)


def _numbers(version: str) -> list[int]:
    found = re.match(r"[0-9.]*", version)
    numbers = [int(part) for part in (found[0] if found else "").split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def manifest(provider: Provider) -> str:
    """Return the text of ``_native_libs.py``.

    Raises:
        ProviderError: a library comes before one that it links to.
    """
    lines = [
        "# Written by NativeLibrary.cmake: the libraries that this distribution provides.",
        f"FORMAT = {FORMAT}",
        f'DISTRIBUTION = "{provider.distribution}"',
        f'VERSION = "{provider.version.full}"',
        f'COMPATIBILITY = "{provider.compatibility}"',
        f'REQUIREMENT = "{provider.requirement}"',
        f'PACKAGE = "{provider.package}"',
        f"NAMES = {_literal(provider.names)}",
        "LIBRARIES = {",
    ]
    # Only ELF searches a global scope first, and plain names accept another copy anyway.
    is_elf = not provider.is_for_windows and not provider.is_for_macos
    has_probes = is_elf and provider.plain_abi is None
    names: dict[str, str] = {}
    for library in provider.libraries:
        links = [each.target for each in provider.libraries if each.target in library.links]
        for other in links:
            if other not in names:
                raise ProviderError(
                    f"name {other} before {library.target}, which links to it: libraries are loaded "
                    "in the order of the targets"
                )
        file = f"$<TARGET_FILE_NAME:{library.target}>"
        runtime_name = f"@rpath/{file}" if provider.is_for_macos else file
        anchor = provider.anchor(library)
        anchor = f"lib/{anchor}.so" if anchor else ""
        link_files = _literal(f"lib/{each}" for each in provider.link_files(library))
        needs = _literal(names[other] for other in links)
        lines += [
            f'    "{library.name}": {{',
            f'        "target": "{provider.target(library)}",',
            f'        "aliases": {_literal(provider.aliases(library))},',
            f'        "file": "lib/{file}",',
            f'        "link_files": {link_files},',
            f'        "runtime_name": "{runtime_name}",',
            f'        "anchor": "{anchor}",',
            f'        "probe_symbol": "{library.probe_symbol if has_probes else ""}",',
            f'        "needs": {needs},',
            "    },",
        ]
        names[library.target] = library.name
    lines.append("}")
    if provider.programs:
        folder = provider.programs_folder
        files = [
            (each.name, f"{folder}/$<TARGET_FILE_NAME:{each.target}>") for each in provider.programs
        ]
        lines += _dictionary("PROGRAMS", files)
    if provider.data_env:
        lines += _dictionary("DATA_ENV", provider.data_env)
    return "\n".join([*lines, ""])


def _dictionary(name: str, items: Iterable[tuple[str, str]]) -> list[str]:
    texts = (f"    {json.dumps(key)}: {json.dumps(value)}," for key, value in items)
    return [f"{name} = {{", *texts, "}"]


def _literal(texts: Iterable[str]) -> str:
    """Return a tuple of texts as the manifest has it."""
    quoted = [f'"{text}"' for text in texts]
    return f"({', '.join(quoted)}{',' if len(quoted) == 1 else ''})"


def cmake_package(provider: Provider) -> str:
    """Return the text of ``<package>Config.cmake``."""
    targets = [provider.target(library) for library in provider.libraries]
    names = [each for name in (provider.package, *provider.names) for each in (name, name.upper())]
    names += ["${CMAKE_FIND_PACKAGE_NAME}", "${_native_upper}"]
    # As CMake's manual for Find modules has it: what X_LIBRARIES holds is linked, so it is the imported
    # targets, which an upstream that installs its own package can name; X_LIBRARY is a path.
    variables = {
        "FOUND": "1",
        "VERSION": provider.version.release,
        "VERSION_STRING": provider.version.release,
        "LIBRARIES": ";".join(targets),
        "LIBRARY": f"${{_native_folder}}/lib/{provider.file_of(provider.libraries[0])}",
        "INCLUDE_DIRS": "${_native_include}",
        "INCLUDE_DIR": "${_native_include}",
    }
    lines = [
        "include(CMakeFindDependencyMacro)",
        *(f"find_dependency({dependency} CONFIG)" for dependency in provider.dependencies),
        f'include("${{CMAKE_CURRENT_LIST_DIR}}/{provider.package}Targets.cmake")',
        'get_filename_component(_native_folder "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)',
        'set(_native_include "")',
        'if(IS_DIRECTORY "${_native_folder}/include")',
        '    set(_native_include "${_native_folder}/include")',
        *(f'    target_include_directories({t} INTERFACE "${{_native_include}}")' for t in targets),
        "endif()",
    ]
    for library in provider.libraries:
        for alias in provider.aliases(library):
            lines += [
                f"if(NOT TARGET {alias})",
                f"    add_library({alias} ALIAS {provider.target(library)})",
                "endif()",
            ]
    lines += [
        "# For builds that read variables, whichever way they write the name.",
        'string(TOUPPER "${CMAKE_FIND_PACKAGE_NAME}" _native_upper)',
        f"foreach(_native_name IN ITEMS {' '.join(dict.fromkeys(names))})",
        *(f'    set(${{_native_name}}_{name} "{text}")' for name, text in variables.items()),
        "endforeach()",
        *(f"unset(_native_{name})" for name in ("folder", "include", "name", "upper")),
    ]
    return "\n".join([*lines, ""])


def forwards(provider: Provider) -> dict[str, str]:
    """Return the files below ``lib/cmake`` by which the package is found under its other names.

    One in lower case answers every spelling. A name that differs from the package's in case only shares
    its folder: on macOS and Windows two such folders would be one.
    """
    texts = {}
    for name in (name.lower() for name in provider.names):
        folder = provider.package if name == provider.package.lower() else name
        main = f"${{CMAKE_CURRENT_LIST_DIR}}/../{provider.package}/{provider.package}Config"
        texts[f"{folder}/{name}-config.cmake"] = f'include("{main}.cmake")\n'
        texts[f"{folder}/{name}-config-version.cmake"] = f'include("{main}Version.cmake")\n'
    return texts


def pkg_config(provider: Provider) -> str:
    """Return the text of the .pc file."""
    # No quotes: pkgconf itself escapes spaces in pcfiledir.
    libraries = [f"${{libdir}}/{provider.file_of(each)}" for each in reversed(provider.libraries)]
    # By name, and not by its file's path: what builds put before the objects, --as-needed drops.
    links = " ".join(f"-l{each.name}" for each in reversed(provider.libraries))
    requires = ", ".join(provider.dependencies).lower()
    lines = [
        "prefix=${pcfiledir}/../..",
        "includedir=${prefix}/include",
        "libdir=${prefix}/lib",
        # A build that must not use the system's library asks for the first. One that links without
        # `Libs` asks for the second: Meson writes the folder of a dependency's library into RUNPATH.
        f"provider={provider.name}",
        f"libraries={' '.join(libraries)}",
        "",
        f"Name: {provider.package}",
        f"Description: {provider.description}",
        f"Version: {provider.version.release}",
        *([f"Requires: {requires}"] if requires else []),
        "Cflags: -I${includedir}",
        f"Libs: -L${{libdir}} {links}",
    ]
    return "\n".join([*lines, ""])


def link_texts(provider: Provider) -> dict[str, str]:
    """Return the texts of the link files on ELF: linker scripts, as in C libraries' own libc.so."""
    if provider.is_for_windows or provider.is_for_macos:
        return {}
    return {
        f"{file}.in": f"INPUT($<TARGET_FILE_NAME:{library.target}>)\n"
        for library in provider.libraries
        for file in provider.link_files(library)
    }


def sbom(facts: dict[str, object], distribution: str, version: str) -> tuple[str, str]:
    """Return the wheel's SBOM: the name of its file, and its text.

    Args:
        facts: what fetch_source.py says about upstream's sources.
        distribution: the wheel's name.
        version: its full version.
    """
    # The form that package URLs use.
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    purl = f"pkg:pypi/{name}@{version}"
    component = {"type": "library", "name": name, "version": version, "purl": purl}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**component, "bom-ref": purl}},
        "components": [facts["component"]],
        "dependencies": [{"ref": purl, "dependsOn": [facts["purl"]]}],
    }
    return f"{name}.cdx.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_arguments(arguments: list[str]) -> tuple[Provider, str]:
    """Read and check what NativeLibraryProvider.cmake passes on.

    Args:
        arguments: those of native_library_provider(), and what CMake adds, as options.

    Returns:
        The provider, and the name of its .pc file.

    Raises:
        ProviderError: an argument is wrong.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in (
        *("PROVIDER", "COMPATIBILITY", "VERSION", "PACKAGE", "PKG_CONFIG_NAME", "DESCRIPTION"),
        *("PLAIN_NAMES", "wheel-name", "wheel-version", "project-version", "project-description"),
        *("system", "musl"),
    ):
        parser.add_argument(f"--{name}", nargs="?", default="", const="")
    parser.add_argument("--ABI_SUFFIX")
    for name in (
        *("ALIASES", "DATA_ENV", "DEPENDENCIES", "EXPORT_HEADER", "LINK_NAMES", "NAMES"),
        *("PROBE_SYMBOL", "others"),
    ):
        parser.add_argument(f"--{name}", nargs="*", default=[])
    # Name, type, OUTPUT_NAME, EXPORT_NAME, and the other targets that it links to.
    parser.add_argument("--target", action="append", default=[], nargs="+")
    parser.add_argument("--program", action="append", default=[], nargs="+")
    given = parser.parse_args(arguments)
    check_targets(given.target, given.others)
    for name in ("EXPORT_HEADER", "PROBE_SYMBOL"):
        check_number(name, getattr(given, name), len(given.target))
    check_headers(given.EXPORT_HEADER)
    check_names(given.PROVIDER, given.wheel_name)
    check_package_names(given.NAMES)
    targets = [target for target, *_ in given.target]
    probes = [*given.PROBE_SYMBOL, *("" for _ in targets)]
    libraries = tuple(
        _library(
            *(described, probe),
            *(names_of(described[0], name, getattr(given, name), targets) for name in _OTHER_NAMES),
        )
        for described, probe in zip(given.target, probes)
    )
    check_plain_names(given.PLAIN_NAMES == "TRUE", given.ABI_SUFFIX, libraries)
    provider = Provider(
        given.PROVIDER,
        choose_version(given.VERSION, given.wheel_version, given.project_version),
        given.COMPATIBILITY,
        given.PACKAGE or libraries[0].target,
        libraries,
        given.system,
        given.musl == "1",
        given.DESCRIPTION or given.project_description,
        tuple(given.DEPENDENCIES),
        given.ABI_SUFFIX,
        tuple(given.NAMES),
        read_programs(given.program),
        read_data_env(given.DATA_ENV),
    )
    check_link_files(provider)
    return provider, f"{given.PKG_CONFIG_NAME or provider.package.lower()}.pc"


def _library(
    described: list[str], probe_symbol: str, link_names: tuple[str, ...], aliases: tuple[str, ...]
) -> Library:
    target, _, name, export_name, *links = described
    names = (_or(name, target), _or(export_name, target))
    return Library(target, *names, tuple(links), probe_symbol, link_names, aliases)


def _or(value: str, default: str) -> str:
    # CMake's value for a property that is not set.
    return default if value.endswith("-NOTFOUND") else value


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # The same bytes on every system.
    file.write_bytes(text.encode("utf-8", "surrogateescape"))


def _main(command: str, *arguments: str) -> None:
    if command == "sbom":
        folder, facts, distribution, version = arguments
        name, text = sbom(json.loads(facts), distribution, version)
        _write(Path(folder, name), text)
        print(name, end="")
        return
    output, *rest = arguments
    try:
        provider, pc_file = read_arguments(rest)
        texts = {
            "_native_libs.py.in": manifest(provider),
            f"{provider.package}Config.cmake.in": cmake_package(provider),
            f"{pc_file}.in": pkg_config(provider),
            **link_texts(provider),
        }
    except ProviderError as error:
        sys.exit(f"native_library_provider: {error}")
    # An editable install builds in one folder again and again.
    shutil.rmtree(Path(output, "forwards"), ignore_errors=True)
    texts.update((f"forwards/{file}", text) for file, text in forwards(provider).items())
    for file, text in texts.items():
        _write(Path(output, file), text)
    answer = {
        "release": provider.version.release,
        "abi": provider.abi,
        "package": provider.package,
        "pc_file": pc_file,
        "programs": {
            "folder": provider.programs_folder,
            "above": provider.above_programs,
            "export_names": {each.target: each.export_name for each in provider.programs},
        },
        "targets": {
            library.target: {
                "file_stem": provider.file_stem(library),
                "export_name": library.export_name,
                "anchor": provider.anchor(library),
                "link_files": ";".join(provider.link_files(library)),
            }
            for library in provider.libraries
        },
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
