"""Rules on the names under which libraries are found."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.links import leaf_of
from native_lib.check.rule import ERROR, WARNING, Finding, Rule, WheelSet
from native_lib.check.system import is_taken
from native_lib.check.wheel import root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Wheel


def _provided(wheels: WheelSet, format: str) -> Iterator[tuple[Wheel, Library, Binary]]:
    for wheel in wheels.wheels:
        for library, binary in wheel.made_libraries:
            if binary.format == format:
                yield wheel, library, binary


def soname_missing(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, library, binary in _provided(wheels, "ELF"):
        if not binary.runtime_name:
            yield Finding(
                *(wheel.path.name, binary.path, library.runtime_name),
                f"has no SONAME; consumers look for {library.runtime_name}",
            )


def soname_differs(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, _, binary in _provided(wheels, "ELF"):
        if binary.runtime_name and binary.runtime_name != binary.leaf:
            yield Finding(
                *(wheel.path.name, binary.path, binary.runtime_name),
                f"the SONAME is {binary.runtime_name}, the file's name {binary.leaf}",
            )


def install_name(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, _, binary in _provided(wheels, "Mach-O"):
        if binary.runtime_name != f"@rpath/{binary.leaf}":
            yield Finding(
                *(wheel.path.name, binary.path, binary.runtime_name),
                f"the install name is {binary.runtime_name or 'missing'}, not @rpath/{binary.leaf}",
            )


def dll_name(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, library, binary in _provided(wheels, "PE"):
        # A finished DLL keeps its old name inside; its new import library has the right one.
        imported = b"".join(wheel.link_files.get(file, b"") for file in library.link_files)
        if f"{binary.leaf}\0".encode() in imported:
            continue
        # A DLL without exports has no name in it, and needs none.
        if binary.runtime_name and binary.runtime_name.lower() != binary.leaf.lower():
            yield Finding(
                *(wheel.path.name, binary.path, binary.runtime_name),
                f"the file is {binary.leaf}; consumers import {binary.runtime_name}",
            )


def manifest_differs(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        binaries = {binary.path: binary for binary in wheel.binaries}
        for manifest in wheel.manifests:
            for library in manifest.libraries:
                binary = binaries.get(library.file)
                if library.file in wheel.unread_files:
                    continue
                if binary is None:
                    message = f"names {library.file}, which is not a library in the wheel"
                    yield Finding(wheel.path.name, manifest.path, library.file, message)
                    continue
                if _lacks_probe(library, binary):
                    yield Finding(
                        *(wheel.path.name, manifest.path, library.probe_symbol),
                        f"says that {library.file} exports {library.probe_symbol}; it does not",
                    )
                true = binary.known_as
                if true and true != library.runtime_name:
                    yield Finding(
                        *(wheel.path.name, manifest.path, library.runtime_name),
                        f"says that {library.file} is {library.runtime_name}; it is {true}",
                    )
            for what, path in manifest.others:
                if not any(file == path or file.startswith(f"{path}/") for file in wheel.files):
                    message = f"names {path} ({what}), which is not in the wheel"
                    yield Finding(wheel.path.name, manifest.path, path, message)


def _lacks_probe(library: Library, binary: Binary) -> bool:
    symbol = library.probe_symbol
    return bool(symbol) and binary.format == "ELF" and symbol not in binary.versions_by_name


def record_missing(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        installed = {root_of(path) for path in wheel.files}
        for path, names in wheel.imports.items():
            package = PurePosixPath(root_of(path)).parent
            for name in names:
                if str(package / f"{name}.py") not in installed:
                    message = f"imports {name}, which is not in the wheel"
                    yield Finding(wheel.path.name, path, name, message)


def link_file(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        libraries = [each for manifest in wheel.manifests for each in manifest.libraries]
        for library, path in [(each, path) for each in libraries for path in each.link_files]:
            name = leaf_of(library.runtime_name)
            # A linker script, a text stub and an import library all have the name in them.
            if path not in wheel.files:
                message = f"is not in the wheel: builds that link {name} by name take the system's"
            elif name.encode() not in wheel.link_files[path]:
                message = f"does not lead to {name}"
            elif library.file not in wheel.files:
                message = f"leads to {name}, which is not in the wheel"
            else:
                continue
            yield Finding(wheel.path.name, path, name, message)


def name_taken(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            name = binary.known_as
            # On macOS a name with a folder cannot collide.
            if binary.format == "Mach-O" and not name.startswith("@rpath/"):
                continue
            if is_taken(leaf_of(name), binary.format):
                yield Finding(
                    *(wheel.path.name, binary.path, name),
                    f"has the name {name}, which operating systems and interpreters use",
                )


def library_twice(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for path in wheel.symlinks:
            message = f"{path} is a symlink: installers write a text file instead"
            yield Finding(wheel.path.name, path, path, message)
        same: defaultdict[tuple[str, str], list[Binary]] = defaultdict(list)
        for binary in wheel.binaries:
            if not binary.is_library:
                continue
            # DLLs are found by their file's name, and have no links.
            name = "" if binary.format == "PE" else binary.runtime_name
            same[binary.platform, name or wheel.digests.get(binary.path, binary.path)].append(
                binary
            )
        for found in same.values():
            # In a folder of its own, another file of that name is another library: for another machine.
            binaries = [b for b in found if any(_is_copy(wheel, b, o) for o in found if o is not b)]
            if binaries:
                others = ", ".join(binary.path for binary in binaries[1:])
                name = binaries[0].runtime_name or binaries[0].leaf
                yield Finding(
                    *(wheel.path.name, binaries[0].path, name),
                    f"is in the wheel again as {others}: {len(binaries)} copies of {name}",
                )


def _is_copy(wheel: Wheel, binary: Binary, other: Binary) -> bool:
    content = wheel.digests.get(binary.path, binary.path)
    return binary.folder == other.folder or content == wheel.digests.get(other.path, other.path)


RULES = (
    Rule("soname-missing", ERROR, soname_missing),
    Rule("soname-differs", ERROR, soname_differs),
    Rule("install-name", ERROR, install_name),
    Rule("dll-name", ERROR, dll_name),
    Rule("manifest-differs", ERROR, manifest_differs),
    Rule("record-missing", ERROR, record_missing),
    Rule("link-file", ERROR, link_file),
    Rule("name-taken", WARNING, name_taken),
    Rule("library-twice", ERROR, library_twice),
)
