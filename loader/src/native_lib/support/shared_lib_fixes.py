# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""What helps: the loaders' messages and their fixes, and the commands that install a provider again.

``..._explain`` imports this file when it has an error to explain; `native-lib doctor` uses it too.
"""

import os
import re
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

# The loaders' messages. -------------------------------------------------------------------------

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


def of_file(loader: "Any", library: "Any", text: str, is_foreign: bool) -> "tuple[str, str]":
    """Say what a loader's message about a provider's own file means, and what helps.

    Args:
        loader: the provider's.
        library: the one that was not opened.
        text: the system's message.
        is_foreign: whether it is an ELF file for another machine than Python's.

    Returns:
        The meaning, which may be empty, and the fix.
    """
    kind, words = recognise(text)
    # glibc calls that "No such file or directory".
    kind = MACHINE if is_foreign else kind
    files = [file for file in (library.path, library.anchor) if file]
    is_intact = all(is_as_installed(loader.distribution, file) for file in files)
    is_about_user = kind in (NEWER, SYMBOL, VERSION) and "by" in words
    named = words["by"] if is_about_user else words.get("file") or words.get("name", library.path)
    is_ours = named in files
    means, fix = HELP.get(kind, ("", ""))
    means = means and f"{'this file' if is_ours else named} {means}"
    if kind == MISSING and (is_intact or not is_ours):
        fix = "install what `system` names, in the version it names"
        if is_ours:  # Windows does not say which file it looked for
            fix = "install what it needs: native-lib doctor lists that, and what is missing"
        is_intact = is_intact or sys.platform == "linux"  # it stumbled over the other file
    elif kind in (SYMBOL, VERSION):
        fix = "install what `system` names, in the version that this library was built against"
    elif not is_intact and (not kind or kind == MISSING or (kind in OF_CONTENT and is_ours)):
        return means, again(loader.distribution, loader.version)
    elif not fix:
        fix = f"report this to the authors of {loader.distribution}; only another release can help"
    return means, ("this file is intact; " if is_intact else "") + fix.format(file=named)


def is_as_installed(distribution: str, path: str) -> bool:
    """Tell whether a file is what the installer wrote down in RECORD; False if that is not known."""
    try:
        from base64 import urlsafe_b64encode
        from hashlib import sha256
        from importlib.metadata import distribution as metadata_of

        files = metadata_of(distribution).files or ()
        for each in (each for each in files if each.name == os.path.basename(path)):
            recorded = each.hash
            if recorded and _real(str(each.locate())) == _real(path):
                with open(path, "rb") as file:
                    digest = urlsafe_b64encode(sha256(file.read()).digest()).rstrip(b"=").decode()
                return (recorded.mode, recorded.value) == ("sha256", digest)
    except (OSError, *_UNKNOWN):
        pass
    return False


# The process and the disk. -----------------------------------------------------------------------


def restart(loader: "Any") -> str:
    """Say that a provider was replaced on disk since this process imported it, or return "".

    Whatever is wrong then, what is installed now was not tried yet.
    """
    installed = "" if is_frozen() else _installed(loader)
    if installed in ("", loader.version):
        return ""
    return (
        f"restart this process: it has {loader.distribution} {loader.version}, and {installed} was "
        "installed since"
    )


def _installed(loader: "Any") -> str:
    """Return the version that an import would find now."""
    manifest = sys.modules.get(f"{loader.provider}._native_libs")
    file = getattr(manifest, "__file__", None)
    if not file:
        return ""  # written by hand: nobody says which version is which
    try:
        with open(file, encoding="utf-8") as opened:
            found = re.search(r"^VERSION = ['\"](.*)['\"]", opened.read(), re.MULTILINE)
        return found[1] if found else ""
    except OSError:
        pass
    try:
        from importlib.metadata import version

        return version(loader.distribution)
    except _UNKNOWN:
        return ""


def appeared(name: str, there: "Any") -> str:
    """Say that a provider was installed since this process looked for it, or return ""."""
    if is_frozen():
        return ""
    from importlib import invalidate_caches
    from importlib.machinery import PathFinder

    invalidate_caches()
    try:
        spec = PathFinder.find_spec(name)
    except _UNKNOWN:
        return ""
    if spec is None or not spec.has_location or spec.origin == getattr(there, "__file__", None):
        return ""
    return f"restart this process: {spec.origin} was installed since"


# What a freezer does. ------------------------------------------------------------------------------


def is_frozen() -> bool:
    """Tell whether a freezer made this program: pip cannot change it. Nuitka has the second."""
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in globals()


def _freeze(distribution: str, requirement: str) -> str:
    package = distribution.replace("-", "_")
    return (
        f"build this program again where {requirement} is installed, with all files of the package "
        f"{package} (PyInstaller: --collect-all {package}; cx_Freeze: --packages {package}; Nuitka: "
        f"--include-package={package} --include-package-data={package})"
    )


# What pip does. importlib.metadata imports zlib, bz2 and lzma, and the system's libz, libbz2 and ---
# liblzma have these names from then on, for as long as the process lives.

_UNKNOWN = (AttributeError, ImportError, LookupError, TypeError, ValueError)


def install(distribution: str, requirement: str, option: str = "", in_its_place: str = "") -> str:
    """Say what brings a provider, and what keeps pip from that.

    Args:
        distribution: the provider's.
        requirement: what pip is to install.
        option: makes pip install what has metadata, of which it leaves alone what fits.
        in_its_place: a file that was imported by the provider's name.
    """
    if is_frozen():
        return _freeze(distribution, requirement)
    plain = pip(f'install "{requirement}"')
    shadow = "rename or remove that file; it shadows the provider"
    try:
        from importlib.metadata import distribution as metadata_of

        root = str(metadata_of(distribution).locate_file(""))
        is_replaceable = is_pips(root)
    except _UNKNOWN:
        return f"{shadow}, then: {plain}" if in_its_place else plain
    if in_its_place and not _real(in_its_place).startswith(os.path.join(_real(root), "")):
        return f"{shadow}, which is installed"
    if not is_replaceable:
        return f"remove {root} from sys.path; pip does not install there, then: {plain}"
    return pip(f'install {option} "{requirement}"') if option else plain


def again(distribution: str, version: str) -> str:
    """Say what installs again what was installed (PEP 610), which no index may have."""
    if is_frozen():
        return _freeze(distribution, distribution)
    where = "--force-reinstall --no-deps"
    what = f"{distribution}=={version}" if version else distribution
    try:
        from importlib.metadata import distribution as metadata_of
        from json import loads

        metadata = metadata_of(distribution)
        root = str(metadata.locate_file(""))
        if not is_pips(root):
            where = f'--upgrade --target "{root}" --no-deps'
        record = loads(metadata.read_text("direct_url.json") or "{}")
        url = record["url"]
        if _is_gone(url):
            return pip(f'install {where} "{what}"')
        if "vcs_info" in record:
            url = f"{record['vcs_info']['vcs']}+{url}@{record['vcs_info']['commit_id']}"
        if record.get("subdirectory"):
            url += f"#subdirectory={record['subdirectory']}"
        if record.get("dir_info", {}).get("editable"):
            where += " -e"
        what = url
    except _UNKNOWN:
        pass  # no metadata, or no such record: it was an index's
    return pip(f'install {where} "{what}"')


def build_again(consumer: str, built: str, provider: str, installed: str) -> str:
    """Say how to build a consumer again that was built here, before its provider's new version.

    Args:
        consumer: its import name.
        built: the provider's version that it was built against.
        provider: the provider's distribution.
        installed: its version now.

    Returns:
        The fix; empty if the consumer came from elsewhere, or the provider is older.
    """
    try:
        from importlib.metadata import distribution as metadata_of
        from json import loads

        metadata = metadata_of(consumer.partition(".")[0])
        record, name = (
            loads(metadata.read_text("direct_url.json") or "{}"),
            metadata.metadata["Name"],
        )
        is_newer = _numbers(installed) > _numbers(built)
        if is_frozen() or "dir_info" not in record or _is_gone(record["url"]) or not is_newer:
            return ""
    except _UNKNOWN:
        return ""
    # In isolation, it would be built against another copy of the provider, an index's.
    editable = "-e " if record["dir_info"].get("editable") else ""
    options = "--force-reinstall --no-deps --no-build-isolation"
    command = pip(f'install {options} {editable}"{record["url"]}"')
    return (
        f"build {name} again, against {provider} {installed}: in a uv workspace with `uv sync "
        f"--reinstall-package {name}`, else {command}"
    )


def _numbers(version: str) -> "list[int]":
    return [int(part) for part in version.split(".") if part.isdigit()]


def pip(arguments: str) -> str:
    """Return a command of pip's, or what this environment has in its place (uv's have no pip)."""
    from importlib.util import find_spec
    from shutil import which

    command = f"python -m pip {arguments}"
    if find_spec("pip"):
        return command
    if which("uv") or _is_uvs():
        verb, _, rest = arguments.partition(" ")
        # uv keeps a version that it finds in --target. Its cache may have the damaged file itself,
        # for it links files into environments.
        rest = rest.replace("--upgrade --target", "--reinstall --target")
        rest = rest.replace("--force-reinstall", "--reinstall --no-cache")
        return f'uv pip {verb} --python "{sys.executable}" {rest}'
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        return f"conda install pip, then: {command}"
    if find_spec("ensurepip"):
        return f"python -m ensurepip, then: {command}"
    return f"install pip (this Python has none), then: {command}"


def _is_uvs() -> bool:
    try:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            return re.search(r"^uv *=", file.read(), re.MULTILINE) is not None
    except OSError:
        return False


def is_pips(folder: str) -> bool:
    """Tell whether pip installs into a folder, so that it can replace what is there."""
    from site import ENABLE_USER_SITE, getsitepackages, getusersitepackages

    # A virtual environment's pip leaves the user's folder alone, wherever PYTHONPATH has it.
    users = [getusersitepackages()] if ENABLE_USER_SITE else []
    return _real(folder) in map(_real, (*getsitepackages(), *users))


def _real(path: str) -> str:
    """Return a path as it can be compared; Windows makes no difference between c: and C:."""
    return os.path.normcase(os.path.realpath(path))


def _is_gone(url: str) -> bool:
    """Whether a URL names a file that is gone: conda and Docker remove what they built from."""
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if sys.platform == "win32":  # file:///C:/folder, or file://server/folder
        path = f"//{parts.netloc}{path}" if parts.netloc else path[1:]
    return parts.scheme == "file" and not os.path.exists(path)
