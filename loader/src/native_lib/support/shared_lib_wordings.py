# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""The messages of the operating systems' loaders: what they mean, and what helps.

For the provider's side only, which opens files: ``..._explain`` imports it to explain why one was not
opened. `native-lib doctor` uses it for every file.
"""

import os
import re
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

MISSING, SYMBOL, VERSION, MACHINE = "missing", "symbol", "version", "machine"
DAMAGED, TLS, SIGNATURE, DENIED = "damaged", "static TLS", "signature", "denied"
RELOCATION, NEWER, MAPPED, NOEXEC = "relocation", "newer", "mapped", "noexec"
POLICY, STACK, TEXT, PAGES = "policy", "stack", "text", "pages"
FOLDER, ARCHIVE, FILES, MEMORY, DISK = "folder", "archive", "files", "memory", "disk"
PROCESSOR, START, RUNTIME = "processor", "start", "runtime"
# A path, with spaces if it is absolute: sentences come before it, and a colon ends it.
_FILE = r"(?:/[^\n:]+|(?<![^\s:])[^\s:]+)"
_FOR = rf"(?P<file>{_FILE}): "
# glibc and musl, before the system's reason why a file could not be opened or read.
_REFUSED = (
    rf"(?P<musl>Error loading shared library )?{_FOR}"
    r"(?(musl)|cannot (?:open shared object file|read file data|stat shared object): )"
)
# glibc, about a file whose content it does not accept.
_NO_LIBRARY = (
    r"invalid ELF header|file too short|Exec format error|cannot read file data(?!:)|ELF file[^\n]*"
    r"|only ET_DYN and ET_EXEC can be loaded|(?:object file has )?no (?:loadable segments|dynamic section)"
    r"|cannot dynamically load [\w -]*executable|nonzero padding in e_ident"
    r"|unsupported version (?:\d+ )?of Ver\w+ record"
)
_NOT_FOUND = r"' not found \(required by (?P<by>[^)]+)\)"
_DLL = r"(?:DLL load failed while importing (?P<by>\w+): "
# Each loader's messages (glibc, musl, dyld, Windows, Wine); the first one that matches counts.
WORDINGS = (
    (NEWER, rf"{_FOR}version `(?P<version>(?:GLIBC|GLIBCXX|CXXABI|GCC)_[^']+){_NOT_FOUND}"),
    (VERSION, rf"{_FOR}version `(?P<version>[^']+){_NOT_FOUND}"),
    (
        SYMBOL,
        rf"(?P<by>{_FILE}): undefined symbol: (?P<symbol>[^\s,]+)(?:, version (?P<version>\S+))?",
    ),
    (SYMBOL, r"symbol (?P<symbol>\S+), version (?P<version>\S+) not defined in file (?P<name>\S+)"),
    (SYMBOL, r"Error relocating (?P<by>[^:]+): (?P<symbol>\S+): symbol not found"),
    (RELOCATION, r"Error relocating (?P<file>[^:]+): unsupported relocation type \d+"),
    (RELOCATION, rf"{_FOR}unexpected (?:PLT )?reloc type \w+"),
    (NEWER, r"built for newer (?:macOS|Mac OS X|OS X)|load command \w+ is unknown"),
    (NEWER, r"\(which was built for (?:mac|Mac )OS X? ?[\d.]+\)\s+Expected in: /usr/lib/"),
    (SYMBOL, r"[Ss]ymbol not found(?: in flat namespace)?:? \(?'?_?(?P<symbol>[\w$.]+)"),
    (SYMBOL, r"specified procedure could not be found"),
    (MACHINE, rf"{_FOR}(?:wrong ELF class|for another machine)"),
    (
        MACHINE,
        (
            r"(?:incompatible|missing compatible) architecture "
            r"\(have '(?P<have>[^']+)', need '(?P<need>[^']+)'"
        ),
    ),
    (MACHINE, rf"(?:{_FOR})?mach-o, but (?:wrong architecture|built for simulator)"),
    (MACHINE, r"not a valid Win32 application"),
    (PROCESSOR, rf"{_FOR}CPU ISA level is lower than required"),
    (
        SIGNATURE,
        r"code signature[^'\n]*(?:in|not valid)|code signature invalid|code signing blocked",
    ),
    (PAGES, rf"{_FOR}ELF load command [\w/ ]+ not page-aligned"),
    (DAMAGED, rf"{_FOR}(?:{_NO_LIBRARY})"),
    (DAMAGED, r"Error loading shared library (?P<file>[^:\n]+): No error information"),
    (DAMAGED, r"ELF load command[^\n]*|'(?P<file>[^']+)' \((?:file too short|not a mach-o file)"),
    (DAMAGED, r"not a mach-o file|slice is not valid mach-o|file too short"),
    (TLS, rf"{_FOR}cannot (?:allocate memory in|load any more object with) static TLS"),
    (STACK, rf"{_FOR}cannot enable executable stack as shared object requires"),
    (TEXT, rf"{_FOR}cannot (?:restore segment prot|make segment writable)"),
    (MEMORY, rf"{_FOR}failed to map segment[^:\n]*: Cannot allocate memory"),
    (MEMORY, rf"{_REFUSED}(?:Cannot allocate|Out of) memory"),
    (MAPPED, rf"{_FOR}failed to map segment from shared object"),
    (MAPPED, r"Error loading shared library (?P<file>[^:\n]+): Operation not permitted"),
    (DENIED, rf"{_REFUSED}(?:Permission denied|Operation not permitted)"),
    (DENIED, r"'(?P<file>[^']+)' \((?:errno=13|[^()\n]*sandbox blocked)"),
    (DENIED, r"DLL load failed[^\n]*Access is denied"),
    (FOLDER, rf"{_REFUSED}Is a directory"),
    (ARCHIVE, rf"{_REFUSED}Not a directory"),
    (FILES, rf"{_REFUSED}(?:Too many open files|No file descriptors available)"),
    (DISK, rf"{_REFUSED}(?:Input/output error|I/O error|Stale file handle)"),
    (MISSING, rf"(?P<name>{_FILE}): cannot open shared object file: No such file or directory"),
    (
        MISSING,
        (
            r"Error loading shared library (?P<name>[^:]+): No such file[^(\n]*"
            r"(?:\(needed by (?P<by>[^)]+)\))?"
        ),
    ),
    (
        MISSING,
        r"Library not loaded: (?P<name>[^\n]+)(?:\n *Referenced from: (?:<[^>]*> )?(?P<by>[^\n]+))?",
    ),
    (MISSING, r"tried: '(?P<name>[^']+)' \(no such file\)"),
    (MISSING, r"Could not find module '(?P<name>[^']+)' \(or one of its dependencies\)"),
    (
        MISSING,
        rf"{_DLL}|\[WinError 126\] )(?:The specified module could not be|Module not) found",
    ),
    (START, rf"{_DLL}[^\n]*)?\(DLL\) initialization routine failed"),
    (POLICY, r"Application Control policy has blocked this file"),
)
# Windows' messages are in the user's language; its error numbers are the same everywhere.
WINDOWS_CODES = dict.fromkeys((193, 216), MACHINE)
WINDOWS_CODES.update(dict.fromkeys((225, 577, 4551), POLICY))
WINDOWS_CODES.update({5: DENIED, 126: MISSING, 127: SYMBOL, 1114: START, 1455: MEMORY})
WINDOWS_CODES[14001] = RUNTIME

# What each kind means, and what helps. A kind that is not here depends on other files.
HELP = {
    TLS: (
        "requires memory that glibc can reserve only when the program starts (static TLS)",
        (
            "import it before other large libraries, or set GLIBC_TUNABLES=glibc.rtld.optional_static_"
            "tls=65536 (bytes) before Python starts; its authors can compile it without "
            "-ftls-model=initial-exec"
        ),
    ),
    NOEXEC: (
        "is on a file system mounted noexec, where no code may run",
        "have it mounted without noexec, or install into a folder elsewhere",
    ),
    MAPPED: (
        "may not be run: its file system is mounted noexec, or a policy such as SELinux forbids it",
        "findmnt --target {file} shows how it is mounted; the audit log shows what was forbidden",
    ),
    NEWER: (
        "was built for a newer system than this one",
        (
            "install a release that was built for this system or an older one, or have it built here "
            "(pip's --no-binary)"
        ),
    ),
    STACK: (
        "requires an executable stack, which this system does not allow",
        (
            "the requirement is usually a mistake: patchelf --clear-execstack removes it, and its "
            "authors can link with -Wl,-z,noexecstack"
        ),
    ),
    TEXT: (
        "requires that the loader changes its code, which this system forbids (SELinux)",
        "install another release; its authors must compile all of it with -fPIC",
    ),
    MACHINE: (
        "is for another architecture than this Python",
        (
            "install a build for this Python's machine; an environment that was copied from another "
            "machine must be made anew"
        ),
    ),
    RELOCATION: (
        "was built for another C library than this Python's (glibc or musl)",
        "install a release that was built for this system",
    ),
    PROCESSOR: (
        "was built for a newer processor than this one",
        "install a release that was built for this processor, or have it built here",
    ),
    PAGES: (
        "is built for smaller memory pages than this system has",
        "install a newer release; its authors must link it with -Wl,-z,max-page-size=65536",
    ),
    DENIED: (
        "may not be opened by this user",
        (
            "give this user the right to read and execute it and to enter the folders above it; if the "
            "user has it, a policy forbids the access (SELinux, a sandbox, a virus scanner)"
        ),
    ),
    POLICY: (
        "is forbidden by this computer's policy (application control, a virus scanner, signatures)",
        "ask the administrator of this computer to allow the file, or install a signed release",
    ),
    SIGNATURE: (
        "has a signature that macOS does not accept",
        "its authors must sign it after every change: codesign --force --sign -",
    ),
    START: (
        "was found, but failed to start",
        (
            "install its compiler's runtime (Visual C++ Redistributable); if that does not help, ask "
            "its authors what it does when it is loaded"
        ),
    ),
    RUNTIME: (
        "requires, in its manifest, a runtime that is not installed",
        "install the runtime of its compiler (Visual C++ Redistributable)",
    ),
    ARCHIVE: (
        "is inside an archive, or its folder is a file; the system cannot open a library there",
        "unpack the archive, and put the unpacked folder on sys.path",
    ),
    FILES: (
        "could not be opened, because this process has too many open files",
        "raise the limit (ulimit -n), or find what leaves files open",
    ),
    MEMORY: (
        (
            "could not be loaded, because there is not enough memory, or this process has reached its "
            "limit"
        ),
        "raise the limit (ulimit -v, the container's, Windows' paging file), or load less at once",
    ),
    DISK: (
        "could not be read from its disk or from the network",
        "check the disk or the mount (dmesg)",
    ),
}
# The content of the file is what the loader does not like: whether it was changed decides.
OF_CONTENT = (DAMAGED, FOLDER, MACHINE, SIGNATURE, DISK)


def recognise(text: str) -> "tuple[str, dict[str, str]]":
    """Return the kind of a loader's message, and the names in it; "" if it is not known."""
    names = r"(?:importing (?P<by>\w+))?(?:[^\n']*'(?P<file>[^']+)')?"
    kind_of_code = WINDOWS_CODES.get(_windows_code(text), "")
    by_code = (kind_of_code, rf"(?:DLL load failed while |\[WinError){names}")
    for kind, wording in (*WORDINGS, *([by_code] if kind_of_code else [])):
        found = re.search(wording, text)
        if found:
            words = {key: value for key, value in found.groupdict().items() if value}
            if kind == MAPPED and _is_noexec(words["file"]):
                kind = NOEXEC
            return kind, words
    return "", {}


def _windows_code(text: str) -> int:
    number = re.search(r"\[WinError (\d+)\]", text)
    if number:
        return int(number[1])
    if "DLL load failed" in text:
        import ctypes

        # An ImportError does not have the number, but its text is FormatError's.
        said = getattr(ctypes, "FormatError", None)
        return next((c for c in WINDOWS_CODES if said and said(c).strip(" .") in text), 0)
    return 0


def _is_noexec(file: str) -> bool:
    try:
        return sys.platform == "linux" and bool(os.statvfs(file).f_flag & os.ST_NOEXEC)
    except OSError:  # a name without a folder
        return False


def of_file(
    loader: "Any", library: "Any", text: str, is_foreign: bool, fixes: "Any"
) -> "tuple[str, str]":
    """Say what a loader's message about a provider's own file means, and what helps.

    Args:
        loader: the provider's.
        library: the one that was not opened.
        text: the system's message.
        is_foreign: whether it is an ELF file for another machine than Python's.
        fixes: the module ``..._fixes`` that is beside this one.

    Returns:
        The meaning, which may be empty, and the fix.
    """
    kind, words = recognise(text)
    # glibc calls that "No such file or directory".
    kind = MACHINE if is_foreign else kind
    files = [file for file in (library.path, library.anchor) if file]
    is_intact = all(fixes.is_as_installed(loader.distribution, file) for file in files)
    is_about_user = kind in (NEWER, SYMBOL, VERSION) and "by" in words
    named = words["by"] if is_about_user else words.get("file") or words.get("name", library.path)
    is_ours = named in files
    means, fix = HELP.get(kind, ("", ""))
    means = means and f"{'this file' if is_ours else named} {means}"
    if kind == NEWER and fixes.is_frozen():
        fix = "build this program again on a system that is as old as this one"
    if kind == MISSING and (is_intact or not is_ours):
        fix = "install what `system` names, in the version it names"
        if is_ours:  # Windows does not say which file it looked for
            fix = "install what it needs: native-lib doctor lists that, and what is missing"
        is_intact = is_intact or sys.platform == "linux"  # it stumbled over the other file
    elif kind in (SYMBOL, VERSION):
        fix = "install what `system` names, in the version that this library was built against"
    elif not is_intact and (not kind or kind == MISSING or (kind in OF_CONTENT and is_ours)):
        return means, fixes.again(loader.distribution, loader.version)
    elif not fix:
        fix = f"report this to the authors of {loader.distribution}; only another release can help"
    return means, ("this file is intact; " if is_intact else "") + fix.format(file=named)


def of_program(loader: "Any", path: str, error: OSError, fixes: "Any") -> "tuple[str, str]":
    """Say why the system does not run a provider's program, and what helps.

    Args:
        loader: the provider's.
        path: the program.
        error: the system's.
        fixes: the module ``..._fixes`` that is beside this one.

    Returns:
        The meaning, which may be empty, and the fix.
    """
    import errno

    if isinstance(error, PermissionError):
        if os.path.exists(path) and not os.stat(path).st_mode & 0o111:
            return "", f'chmod +x "{path}"'
        kind = NOEXEC if _is_noexec(path) else DENIED
    elif fixes.is_as_installed(loader.distribution, path):
        # The file that does not exist is the loader that the program names: its C library's.
        kind = {errno.ENOENT: RELOCATION, errno.ENOEXEC: MACHINE}.get(error.errno or 0, "")
    else:
        return "", fixes.again(loader.distribution, loader.version)
    means, fix = HELP.get(kind, ("is intact", "`system` says what to look for"))
    return f"this file {means}", fix
