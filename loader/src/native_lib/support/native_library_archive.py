# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""A shared library of a static archive: what it exports, in the words of each system's linker.

NativeLibraryArchive.cmake runs this file:

    check --target=foo ...               checks the arguments of native_library_archive(), and prints
                                         the files that the next command writes and the linker's options
    copy --target=foo ...                copies the archive into the build folder, and writes there what
                                         limits the exports; leaves alone what has not changed
    link --target=foo ... -- COMMAND...  runs the linker, and says what its complaint about code that is
                                         not position-independent means

``native-lib vendor`` updates this file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

_APPLE = ("Darwin", "iOS", "tvOS", "visionOS", "watchOS")
# What C and C++ name on Windows; not the compiler's constants, nor what stands for another DLL's.
_NAME = re.compile(r"(?!__imp_)[A-Za-z_][^@]*$|\?(?!\?_C@)")
_HEADER = struct.Struct("16s12s6s6s8s10s2s")


class ArchiveError(ValueError):
    """The archive cannot become a shared library; the message says why."""


@dataclass(frozen=True)
class Archive:
    """What native_library_archive() was told."""

    target: str
    # CMAKE_SYSTEM_NAME.
    system: str
    # Where copies go.
    folder: Path
    file: Path
    exports: tuple[str, ...] = ()
    version_script: Path | None = None
    is_for_msvc: bool = False

    @property
    def copy(self) -> Path:
        """The archive in the build folder."""
        return self.folder / f"lib{self.target}.a"

    @property
    def limits(self) -> Path | None:
        """The file that limits the exports; None if there is no limit."""
        if self.system.startswith("Windows"):
            # There a DLL exports nothing unless something says so.
            return self.folder / f"{self.target}.def"
        if not self.exports and not self.version_script:
            return None
        suffix = "exports" if self.system in _APPLE else "map"
        return self.folder / f"{self.target}.{suffix}"

    @property
    def whole_archive(self) -> list[str]:
        """What to link, so that all objects are taken: no other object asks for any."""
        # CMake's own feature WHOLE_ARCHIVE asks for --push-state, which zig's linker does not know.
        if self.is_for_msvc:
            return [f"/WHOLEARCHIVE:{self.copy}"]
        if self.system in _APPLE:
            return [f"-Wl,-force_load,{self.copy}"]
        return ["-Wl,--whole-archive", str(self.copy), "-Wl,--no-whole-archive"]

    @property
    def options(self) -> list[str]:
        """The linker's options. What no export reaches is left out."""
        if self.limits is None or self.system.startswith("Windows"):
            return []
        if self.system in _APPLE:
            return [f"-Wl,-exported_symbols_list,{self.limits}", "-Wl,-dead_strip"]
        return [f"-Wl,--version-script={self.limits}", "-Wl,--gc-sections"]


def symbols(file: Path) -> set[str]:
    """Return the symbols that an archive's own index lists, as all linkers read it.

    Args:
        file: an archive of ELF, Mach-O or COFF objects, or an import library.

    Raises:
        ArchiveError: the file is no archive, is thin, or has no index.
    """
    with file.open("rb") as archive:
        magic = archive.read(8)
        if magic == b"!<thin>\n":
            raise ArchiveError(
                f"{file} is a thin archive, whose objects lie elsewhere; have a full one made (Meson: "
                "install: true, or prelink; make: ar without T)"
            )
        if magic != b"!<arch>\n":
            raise ArchiveError(f"{file} is not a static archive of one architecture")
        header = archive.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ArchiveError(f"{file} is an empty archive")
        name, *_, size, _ = _HEADER.unpack(header)
        if not size.strip().isdigit():
            raise ArchiveError(f"{file} is a damaged archive")
        content = archive.read(int(size))
    if name.startswith(b"#1/"):
        length = int(name[3:])
        name, content = content[:length], content[length:]
    name = name.rstrip(b" \0")
    # GNU's and Microsoft's: a number, so many offsets, the names. BSD's and Apple's: two tables.
    if name in (b"/", b"/SYM64/"):
        width = 8 if b"64" in name else 4
        count = int.from_bytes(content[:width], "big")
        names = content[width * (count + 1) :].split(b"\0")[:count]
    elif name.startswith(b"__.SYMDEF"):
        width = 8 if b"64" in name else 4
        start = 2 * width + int.from_bytes(content[:width], "little")
        names = content[start:].split(b"\0")
    else:
        raise ArchiveError(f"{file} has no index of its symbols; run: ranlib {file}")
    return {each.decode("utf-8", "replace") for each in names if each}


def listed_globals(version_script: str) -> list[str]:
    """Return the patterns of a version script that name what is exported."""
    text = re.sub(r"/\*.*?\*/|#[^\n]*", "", version_script, flags=re.DOTALL)
    text = re.sub(r'extern\s+"C"\s*\{([^}]*)\}', r"\1", text)
    found = []
    for body in re.findall(r"\{([^{}]*)\}", text):
        # What comes before the first label is global, too.
        for kind, part in re.findall(
            r"(?:\b(global|local)\s*:)?([^:]*)(?=\b(?:global|local)\s*:|$)", body
        ):
            if kind != "local":
                found += [name.strip().strip('"') for name in part.split(";") if name.strip()]
    return found


def limit_text(archive: Archive, defined: set[str]) -> str:
    """Return the text of what limits the exports.

    Args:
        archive: the archive.
        defined: the symbols that it defines.

    Raises:
        ArchiveError: a pattern of EXPORTS matches none.
    """
    is_for_apple = archive.system in _APPLE
    # There, C's names have an underscore in front.
    names = {name[1:] for name in defined if name[:1] == "_"} if is_for_apple else defined
    for pattern in archive.exports:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ArchiveError(f"EXPORTS {pattern} matches no symbol of {archive.file}")
    script = archive.version_script.read_text("utf-8") if archive.version_script else ""
    if archive.system.startswith("Windows"):
        # Without a list all that C can name.
        patterns = archive.exports or listed_globals(script) or ["[A-Za-z_]*"]
        chosen = sorted(
            name
            for name in names
            if any(fnmatchcase(name, pattern) for pattern in patterns) and _NAME.match(name)
        )
        return "\n".join(["EXPORTS", *(f"    {name}" for name in chosen), ""])
    if is_for_apple:
        patterns = archive.exports or listed_globals(script)
        matching = (p for p in patterns if any(fnmatchcase(name, p) for name in names))
        return "".join(f"_{pattern}\n" for pattern in matching)
    if script:
        return script
    return f"{{ global: {' '.join(f'{pattern};' for pattern in archive.exports)} local: *; }};\n"


def check(archive: Archive, depends: list[str], unknown: list[str]) -> None:
    """Stop if the arguments are wrong, as far as this can be told before the build.

    Raises:
        ArchiveError: they are.
    """
    if unknown or archive.file == Path():
        said = f"; not understood: {' '.join(unknown)}" if unknown else ""
        raise ArchiveError(
            f"write native_library_archive({archive.target} ARCHIVE <file> [EXPORTS <pattern>... or "
            "VERSION_SCRIPT <file>] [LINK_LIBRARIES <item>...] [HEADERS <folder>...] "
            f"[DEPENDS <target>...]){said}"
        )
    if archive.exports and archive.version_script:
        raise ArchiveError("EXPORTS and VERSION_SCRIPT both say what is exported: give one of them")
    if "$<" not in str(archive.file) and not archive.file.is_file() and not depends:
        raise ArchiveError(
            f"{archive.file} does not exist, and no DEPENDS names the target that makes it"
        )


def copy(archive: Archive) -> None:
    """Copy the archive, and write what limits its exports, where they have changed.

    Raises:
        ArchiveError: there is no archive, or it cannot become a shared library.
    """
    for file in (archive.file, archive.version_script):
        if file and not file.is_file():
            raise ArchiveError(f"{file} does not exist; what DEPENDS names has not made it")
    defined = symbols(archive.file)
    # First what can fail.
    text = limit_text(archive, defined) if archive.limits else ""
    _write(archive.copy, archive.file.read_bytes())
    if archive.limits:
        _write(archive.limits, text.encode())


def _write(file: Path, content: bytes) -> None:
    if not file.is_file() or file.read_bytes() != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def link(archive: Archive, command: list[str]) -> int:
    """Run the linker and return its exit status.

    Raises:
        ArchiveError: it says that the code is not position-independent.
    """
    done = subprocess.run(
        command, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}, check=False
    )
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode and "recompile with -f" in said:
        line = next(line for line in said.splitlines() if "recompile with -f" in line)
        raise ArchiveError(
            f"{archive.file} is not position-independent; build it with -fPIC (configure --with-pic, "
            "CMAKE_POSITION_INDEPENDENT_CODE, Meson's b_staticpic, CFLAGS). "
            f"The linker: {line.strip()}"
        )
    sys.stderr.write(said)
    return done.returncode


def _main(command: str, *arguments: str) -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("target", "system", "folder", "msvc", "ARCHIVE", "VERSION_SCRIPT"):
        parser.add_argument(f"--{name}", default="")
    for name in ("EXPORTS", "DEPENDS", "unknown"):
        parser.add_argument(f"--{name}", nargs="*", default=[])
    separator = arguments.index("--") if command == "link" else len(arguments)
    given = parser.parse_args(arguments[:separator])
    archive = Archive(
        given.target,
        given.system,
        Path(given.folder),
        Path(given.ARCHIVE),
        tuple(given.EXPORTS),
        Path(given.VERSION_SCRIPT) if given.VERSION_SCRIPT else None,
        given.msvc == "1",
    )
    try:
        if command == "link":
            return link(archive, list(arguments[separator + 1 :]))
        if command == "copy":
            copy(archive)
            return 0
        check(archive, given.DEPENDS, given.unknown)
    except ArchiveError as error:
        sys.exit(f"native_library_archive({given.target}): {error}")
    answer = {
        "archive": archive.copy.as_posix(),
        "exports": archive.limits.as_posix() if archive.limits else "",
        "whole_archive": ";".join(archive.whole_archive),
        "options": ";".join(archive.options),
    }
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
