"""The messages of the operating systems' loaders, and what they mean."""

from __future__ import annotations

import signal
import sys

MISSING, SYMBOL, VERSION, MACHINE = "missing", "symbol", "version", "machine"
DAMAGED, TLS, SIGNATURE, WINDOWS = "damaged", "static TLS", "signature", "Windows"
SOURCES, RELOCATION, PYTHON, NEWER = "sources", "relocation", "Python", "newer"
DENIED, MAPPED, POLICY, STACK, TEXT = "denied", "mapped", "policy", "stack", "text"
FOLDER, ARCHIVE, FILES, MEMORY, DISK = "folder", "archive", "files", "memory", "disk"
PAGES, PROCESSOR, START, RUNTIME = "pages", "processor", "start", "runtime"
# A path, with spaces if it is absolute: sentences come before it, and a colon ends it.
_FILE = r"(?:/[^\n:]+|(?<![^\s:])[^\s:]+)"
# glibc and musl, before the system's reason why a file could not be opened or read.
_REFUSED = (
    rf"(?P<musl>Error loading shared library )?(?P<file>{_FILE}): "
    r"(?(musl)|cannot (?:open shared object file|read file data|stat shared object): )"
)
# glibc, about a file whose content it does not accept.
_NO_LIBRARY = (
    r"invalid ELF header|file too short|Exec format error|cannot read file data(?!:)|ELF file[^\n]*"
    r"|only ET_DYN and ET_EXEC can be loaded|(?:object file has )?no (?:loadable segments|dynamic section)"
    r"|cannot dynamically load [\w -]*executable|nonzero padding in e_ident"
    r"|unsupported version (?:\d+ )?of Ver\w+ record"
)
# Each loader's messages (glibc, musl, dyld, Windows, Wine); the first one that matches counts.
WORDINGS = (
    (
        VERSION,
        rf"(?P<file>{_FILE}): version `(?P<version>[^']+)' not found \(required by (?P<by>[^)]+)\)",
    ),
    (
        SYMBOL,
        rf"(?P<by>{_FILE}): undefined symbol: (?P<symbol>[^\s,]+)(?:, version (?P<version>\S+))?",
    ),
    (SYMBOL, r"symbol (?P<symbol>\S+), version (?P<version>\S+) not defined in file (?P<name>\S+)"),
    (SYMBOL, r"Error relocating (?P<by>[^:]+): (?P<symbol>\S+): symbol not found"),
    (RELOCATION, r"Error relocating (?P<file>[^:]+): unsupported relocation type \d+"),
    (RELOCATION, rf"(?P<file>{_FILE}): unexpected (?:PLT )?reloc type \w+"),
    (NEWER, r"built for newer (?:macOS|Mac OS X|OS X)|load command \w+ is unknown"),
    (NEWER, r"\(which was built for (?:mac|Mac )OS X? ?[\d.]+\)\s+Expected in: /usr/lib/"),
    (SYMBOL, r"[Ss]ymbol not found(?: in flat namespace)?:? \(?'?_?(?P<symbol>[\w$.]+)"),
    (SYMBOL, r"specified procedure could not be found"),
    (MACHINE, rf"(?P<file>{_FILE}): wrong ELF class"),
    (
        MACHINE,
        (
            r"(?:incompatible|missing compatible) architecture "
            r"\(have '(?P<have>[^']+)', need '(?P<need>[^']+)'"
        ),
    ),
    (
        MACHINE,
        rf"(?:(?P<file>{_FILE}): )?mach-o, but (?:wrong architecture|built for simulator)",
    ),
    (MACHINE, r"not a valid Win32 application"),
    (PROCESSOR, rf"(?P<file>{_FILE}): CPU ISA level is lower than required"),
    (
        SIGNATURE,
        r"code signature[^'\n]*(?:in|not valid)|code signature invalid|code signing blocked",
    ),
    (PAGES, rf"(?P<file>{_FILE}): ELF load command [\w/ ]+ not page-aligned"),
    (DAMAGED, rf"(?P<file>{_FILE}): (?:{_NO_LIBRARY})"),
    (DAMAGED, r"Error loading shared library (?P<file>[^:\n]+): No error information"),
    (DAMAGED, r"ELF load command[^\n]*|'(?P<file>[^']+)' \((?:file too short|not a mach-o file)"),
    (DAMAGED, r"not a mach-o file|slice is not valid mach-o|file too short"),
    (
        TLS,
        rf"(?P<file>{_FILE}): cannot (?:allocate memory in|load any more object with) static TLS",
    ),
    (STACK, rf"(?P<file>{_FILE}): cannot enable executable stack as shared object requires"),
    (TEXT, rf"(?P<file>{_FILE}): cannot (?:restore segment prot|make segment writable)"),
    (MEMORY, rf"(?P<file>{_FILE}): failed to map segment[^:\n]*: Cannot allocate memory"),
    (MEMORY, rf"{_REFUSED}(?:Cannot allocate|Out of) memory"),
    (MAPPED, rf"(?P<file>{_FILE}): failed to map segment from shared object"),
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
        (
            r"(?:DLL load failed while importing (?P<by>\w+): |\[WinError 126\] )"
            r"(?:The specified module could not be|Module not) found"
        ),
    ),
    (
        START,
        (
            r"(?:DLL load failed while importing (?P<by>\w+): [^\n]*)?"
            r"\(DLL\) initialization routine failed"
        ),
    ),
    (POLICY, r"Application Control policy has blocked this file"),
    (PYTHON, r"does not define module export function \((?P<symbol>\w+)\)"),
    (PYTHON, r"Module use of (?P<symbol>python\w+\.dll) conflicts"),
    (
        SOURCES,
        r"from partially initialized module '(?P<module>[\w.]+)'[^\n]*\((?P<file>[^()\n]+)\)$",
    ),
    (WINDOWS, r"DLL load failed while importing (?P<by>\w+)"),
)
# Windows' messages are in the user's language; its error numbers are the same everywhere.
WINDOWS_CODES = dict.fromkeys((193, 216), MACHINE) | dict.fromkeys((225, 577, 4551), POLICY)
WINDOWS_CODES |= {5: DENIED, 126: MISSING, 127: SYMBOL, 1114: START, 1455: MEMORY, 14001: RUNTIME}

_TWICE = (
    "usually two copies of a library, a library with another ABI than the one that was compiled "
    "against, or symbols that another library defines too"
)
_CUT_OFF = "usually a truncated library file"
_NEWER_PROCESSOR = "usually a library that was built for a newer processor than this one"
_GAVE_UP = (
    "a library gave up, usually because of an exception between two C++ runtimes, or a failed check"
)
# How a process ends when native code fails: POSIX signals, and Windows' exit status.
SIGNALS: dict[int, tuple[str, str]] = {
    0xC0000005: ("access violation", _TWICE),
    0xC0000409: ("it stopped itself", _GAVE_UP),
    0xC000001D: ("illegal instruction", _NEWER_PROCESSOR),
    0xC0000006: ("in-page error", _CUT_OFF),
    -signal.SIGSEGV: ("SIGSEGV", _TWICE),
    -signal.SIGABRT: ("SIGABRT", _GAVE_UP),
    -signal.SIGILL: ("SIGILL", _NEWER_PROCESSOR),
    -signal.SIGFPE: ("SIGFPE", "a division by zero in native code"),
}
if sys.platform != "win32":
    SIGNALS |= {
        -signal.SIGBUS: ("SIGBUS", _CUT_OFF),
        -signal.SIGSYS: ("SIGSYS", "a sandbox forbids a system call"),
        -signal.SIGKILL: ("SIGKILL", "it was killed, usually by the out-of-memory killer"),
    }
