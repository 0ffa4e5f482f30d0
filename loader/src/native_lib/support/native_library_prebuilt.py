# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""A finished shared library under another name, without linking it again.

NativeLibraryArchive.cmake runs this file:

    check --target=foo ...         checks the arguments of native_library_prebuilt()
    link @FACTS -- COMMAND...      runs the linker, and then puts the finished library over its result
    rename @FACTS DLL LIB          does the latter alone, and writes an import library (Windows)

``native-lib vendor`` updates this file.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_APPLE = ("Darwin", "iOS", "tvOS", "visionOS", "watchOS")
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
# Machines of PE files, as llvm-dlltool and lib.exe call them.
_MACHINES = {0x8664: ("i386:x86-64", "X64"), 0xAA64: ("arm64", "ARM64"), 0x14C: ("i386", "X86")}
_CODE = 0x20000000


class PrebuiltError(ValueError):
    """The library cannot be renamed; the message says why."""


@dataclass(frozen=True)
class Needed:
    """Another target of native_library_prebuilt(): its file, and the name that it gets."""

    target: str
    file: Path
    name: str


@dataclass(frozen=True)
class Prebuilt:
    """What native_library_prebuilt() was told, and CMake's names of tools."""

    target: str
    # CMAKE_SYSTEM_NAME.
    system: str
    file: Path
    import_library: Path | None
    needs: tuple[Needed, ...]
    tools: dict[str, str]

    @property
    def is_for_windows(self) -> bool:
        """Whether the file must be a DLL."""
        return self.system.startswith("Windows")


class Dll:
    """What a PE file exports and imports."""

    def __init__(self, file: Path) -> None:
        self._data = data = file.read_bytes()
        header = self._number(0x3C, "<I")
        if data[:2] != b"MZ" or data[header : header + 4] != b"PE\0\0":
            raise PrebuiltError(f"{file} is not a DLL")
        self.machine = self._number(header + 4, "<H")
        optional = header + 24
        is_64_bit = self._number(optional, "<H") == 0x20B
        self._directories = optional + (112 if is_64_bit else 96)
        start = optional + self._number(header + 20, "<H")
        # Address, size, place in the file, and what it holds.
        self._sections: list[tuple[int, int, int, int]] = []
        for index in range(self._number(header + 6, "<H")):
            size, address, raw_size, place = self._numbers(start + 40 * index + 8, "<IIII")
            flags = self._number(start + 40 * index + 36, "<I")
            self._sections.append((address, max(size, raw_size), place, flags))

    def _number(self, place: int, form: str) -> int:
        return self._numbers(place, form)[0]

    def _numbers(self, place: int, form: str) -> tuple[int, ...]:
        try:
            return struct.unpack_from(form, self._data, place)
        except struct.error:
            raise PrebuiltError("the DLL is cut off") from None

    def _place(self, address: int) -> int:
        for start, size, place, _ in self._sections:
            if start <= address < start + size:
                return address - start + place
        raise PrebuiltError("the DLL's tables lead out of the file")

    def _text(self, address: int) -> str:
        text, end, _ = self._data[self._place(address) :].partition(b"\0")
        if not end:
            raise PrebuiltError("the DLL is cut off")
        return text.decode("utf-8", "replace")

    def exports(self) -> dict[str, bool]:
        """Return the names that the DLL exports, each with whether it is a function."""
        address = self._number(self._directories, "<I")
        if not address:
            return {}
        table = self._place(address)
        count, functions, names, ordinals = self._numbers(table + 24, "<IIII")
        found = {}
        for index in range(count):
            name = self._text(self._number(self._place(names) + 4 * index, "<I"))
            ordinal = self._number(self._place(ordinals) + 2 * index, "<H")
            target = self._number(self._place(functions) + 4 * ordinal, "<I")
            flags = [f for start, size, _, f in self._sections if start <= target < start + size]
            # What is passed on to another DLL lies in the table itself.
            end = address + self._number(self._directories + 4, "<I")
            found[name] = address <= target < end or bool(flags and flags[0] & _CODE)
        return found

    def imports(self) -> list[str]:
        """Return the names of the DLLs that it needs."""
        address = self._number(self._directories + 8, "<I")
        found: list[str] = []
        while address:
            name = self._number(self._place(address) + 12, "<I")
            if not name:
                break
            found.append(self._text(name))
            address += 20
        return found


def check(library: Prebuilt, unknown: list[str]) -> None:
    """Stop if the arguments are wrong, or if the file cannot be renamed.

    Raises:
        PrebuiltError: they are, or it cannot.
    """
    if unknown or library.file == Path():
        said = f"; not understood: {' '.join(unknown)}" if unknown else ""
        raise PrebuiltError(
            f"write native_library_prebuilt({library.target} FILE <library> [HEADERS <folder>...] "
            f"[NEEDS <target>...] [IMPLIB <file>]){said}"
        )
    for file in (library.file, library.import_library):
        if file and not file.is_file():
            raise PrebuiltError(f"{file} does not exist")
    for other in library.needs:
        if not other.file.is_file():
            raise PrebuiltError(
                f"NEEDS {other.target}, which is no target of native_library_prebuilt() above"
            )
    with library.file.open("rb") as opened:
        magic = opened.read(4)
    is_elf, is_mach_o, is_pe = magic == b"\x7fELF", magic in _MACH_O, magic[:2] == b"MZ"
    right = is_pe if library.is_for_windows else is_mach_o if library.system in _APPLE else is_elf
    if not right:
        raise PrebuiltError(f"{library.file} is not a shared library for {library.system}")
    if library.is_for_windows:
        theirs = {name.lower() for name in Dll(library.file).imports()}
        for other in library.needs:
            if other.file.name.lower() in theirs:
                raise PrebuiltError(
                    f"{library.file.name} needs {other.file.name}, and only a linker can write another "
                    "name into a DLL: have both built from source, or give each a wheel with PLAIN_NAMES"
                )
    elif library.system in _APPLE:
        _tool(library, "INSTALL_NAME_TOOL", "install_name_tool", "llvm-install-name-tool")
    else:
        _tool(library, "PATCHELF", "patchelf")


def rename(library: Prebuilt, out: Path, import_library: Path | None = None) -> None:
    """Write the library under a new name.

    Args:
        library: the library.
        out: its new file, whose name is its run-time name, too.
        import_library: Windows: where its import library goes.

    Raises:
        PrebuiltError: a tool says that this cannot be done.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        work = Path(folder, out.name)
        # The owner may write: tools change the file in its place.
        work.write_bytes(library.file.read_bytes())
        work.chmod(0o755)
        if library.is_for_windows:
            assert import_library
            _write_import_library(library, out.name, Path(folder), import_library)
        elif library.system in _APPLE:
            _rename_mach_o(library, work)
        else:
            _rename_elf(library, work)
        work.replace(out)


def _rename_elf(library: Prebuilt, file: Path) -> None:
    patchelf = _tool(library, "PATCHELF", "patchelf")
    changes = [["--set-soname", file.name]]
    for other in library.needs:
        # Without a SONAME, the file's name was recorded.
        old = _run(patchelf, "--print-soname", str(other.file)).strip() or other.file.name
        changes.append(["--replace-needed", old, other.name])
    # A folder of the machine that built it leads nowhere, or to another copy.
    old_path = _run(patchelf, "--print-rpath", str(file)).strip()
    path = [entry for entry in old_path.split(":") if entry.startswith(("$ORIGIN", "${ORIGIN}"))]
    if old_path:
        changes.append(["--set-rpath", ":".join(path)] if path else ["--remove-rpath"])
    # One after the other: of two in one call, patchelf 0.19 writes the second name for both.
    for change in changes:
        _run(patchelf, *change, str(file))


def _rename_mach_o(library: Prebuilt, file: Path) -> None:
    rename = _tool(library, "INSTALL_NAME_TOOL", "install_name_tool", "llvm-install-name-tool")
    otool = _tool(library, "OTOOL", "otool", "llvm-otool")
    new = {f"@rpath/{other.name}": _names(otool, other.file) for other in library.needs}
    options = ["-id", f"@rpath/{file.name}"]
    for name in _names(otool, file)[1:]:
        for replacement, theirs in new.items():
            if theirs and Path(name).name == Path(theirs[0]).name:
                options += ["-change", name, replacement]
    said = _run(otool, "-l", str(file))
    for path in dict.fromkeys(re.findall(r"cmd LC_RPATH\n.*\n\s+path (.*) \(offset", said)):
        if not path.startswith("@loader_path"):
            options += ["-delete_rpath", path]
    _run(rename, *options, str(file))
    # What is changed is no longer signed, and arm64 runs nothing that is not.
    codesign = shutil.which("codesign")
    if codesign:
        _run(codesign, "--force", "--sign", "-", str(file))


def _names(otool: str, file: Path) -> list[str]:
    """Return a library's install name and those of what it needs."""
    said = _run(otool, "-L", str(file))
    return list(dict.fromkeys(re.findall(r"^\s+(.*) \(compat", said, re.MULTILINE)))


def _write_import_library(library: Prebuilt, name: str, folder: Path, out: Path) -> None:
    dll = Dll(library.file)
    exports = dll.exports()
    if library.import_library:
        # An import library has a symbol __imp_foo for each, and its names end with a zero.
        listed = library.import_library.read_bytes()
        exports = {
            each: kind for each, kind in exports.items() if f"__imp_{each}\0".encode() in listed
        }
    if not exports:
        raise PrebuiltError(f"{library.file} exports no function by its name")
    if dll.machine not in _MACHINES:
        raise PrebuiltError(f"{library.file} is for an unknown machine, {dll.machine:#x}")
    gnu, microsoft = _MACHINES[dll.machine]
    lines = [f"    {each}{'' if is_code else ' DATA'}" for each, is_code in sorted(exports.items())]
    definition = folder / "exports.def"
    definition.write_text("\n".join([f"LIBRARY {name}", "EXPORTS", *lines, ""]), encoding="utf-8")
    archiver = library.tools.get("AR", "")
    if Path(archiver).stem.lower() == "lib":
        _run(archiver, "/nologo", f"/def:{definition}", f"/machine:{microsoft}", f"/out:{out}")
        return
    dlltool = _tool(library, "DLLTOOL", "llvm-dlltool", "dlltool")
    _run(dlltool, "-m", gnu, "-D", name, "-d", str(definition), "-l", str(out))


def _tool(library: Prebuilt, variable: str, *names: str) -> str:
    """Return a program: CMake's, or the first of these names."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = library.tools.get(variable) or next(
        filter(None, (shutil.which(n, path=beside) for n in names)), None
    )
    if not found:
        hint = 'add "patchelf" to build-system.requires' if variable == "PATCHELF" else "install it"
        raise PrebuiltError(f"{names[0]} is not installed; {hint}")
    return found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise PrebuiltError(f"{Path(command[0]).name} failed for {command[-1]}: {said}")
    return done.stdout


def _main(command: str, *arguments: str) -> int:
    separator = arguments.index("--") if command == "link" else len(arguments)
    # @file has an argument a line.
    parser = argparse.ArgumentParser(allow_abbrev=False, fromfile_prefix_chars="@")
    tools = ("INSTALL_NAME_TOOL", "OTOOL", "DLLTOOL", "AR")
    for name in ("target", "system", "FILE", "IMPLIB", *tools):
        parser.add_argument(f"--{name}", default="")
    # Target, file and new name.
    parser.add_argument("--NEEDS", action="append", default=[])
    parser.add_argument("--unknown", nargs="*", default=[])
    parser.add_argument("outputs", nargs="*")
    given = parser.parse_args(arguments[:separator])
    library = Prebuilt(
        given.target,
        given.system,
        Path(given.FILE),
        Path(given.IMPLIB) if given.IMPLIB else None,
        tuple(map(_needed, given.NEEDS)),
        {name: getattr(given, name) for name in tools},
    )
    linker = arguments[separator + 1 :]
    try:
        if command == "check":
            check(library, given.unknown)
        elif command == "rename":
            rename(library, *map(Path, given.outputs))
        elif status := subprocess.run(linker, check=False).returncode:
            return status
        else:
            rename(library, Path(linker[linker.index("-o") + 1]))
    except PrebuiltError as error:
        sys.exit(f"native_library_prebuilt({given.target}): {error}")
    return 0


def _needed(text: str) -> Needed:
    target, _, rest = text.partition("=")
    file, _, name = rest.rpartition("=")
    return Needed(target, Path(file), name)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
