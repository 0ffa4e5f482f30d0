"""Why an import fails, from what the operating system's loader says, in each loader's words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from native_lib.check.links import leaf_of, private_distribution
from native_lib.check.rule import ERROR
from native_lib.doctor.findings import Problem, as_built, variable_of

if TYPE_CHECKING:
    from native_lib.doctor.installed import Environment

# Runs in a process of its own: an import may print, hang, or end it. What it says goes into a file, for
# stdout is the module's. Arguments: module, file, and whether to open a provider's libraries, too.
_TRY = """
import importlib, json, sys
module, file, load = sys.argv[1:]
said = {}
try:
    imported = importlib.import_module(module)
    if load:
        imported.loader.load()
except BaseException as error:
    said = {"error": type(error).__name__, "message": str(error), "name": getattr(error, "name", "")}
try:
    with open("/proc/self/maps", errors="surrogateescape") as maps:
        said["files"] = sorted({line.split(None, 5)[5].strip() for line in maps if "/" in line})
except OSError:
    pass
with open(file, "w") as out:
    json.dump(said, out)
"""
_SECONDS = 120

MISSING, SYMBOL, VERSION, MACHINE = "missing", "symbol", "version", "machine"
DAMAGED, TLS, SIGNATURE, WINDOWS = "damaged", "static TLS", "signature", "Windows"
SOURCES = "sources"
# A path, with spaces if it is absolute: sentences come before it, and a colon ends it.
_FILE = r"(?:/[^\n:]+|[^\s:]+)"
# Each loader's wording, the first that is found: glibc, musl, dyld, Windows, Wine.
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
    (SYMBOL, r"[Ss]ymbol not found(?: in flat namespace)?:? \(?'?_?(?P<symbol>[\w$.]+)"),
    (SYMBOL, r"specified procedure could not be found|WinError 127"),
    (MACHINE, rf"(?P<file>{_FILE}): wrong ELF class: \w+"),
    (MACHINE, r"incompatible architecture \(have '(?P<have>[^']+)', need '(?P<need>[^']+)'"),
    (MACHINE, r"not a valid Win32 application|WinError 193"),
    (SIGNATURE, r"code signature[^'\n]*(?:in|not valid)[^'\n]*"),
    (DAMAGED, rf"(?P<file>{_FILE}): (?:invalid ELF header|file too short|Exec format error)"),
    (DAMAGED, r"ELF load command[^\n]*|not a mach-o file|slice is not valid mach-o"),
    (TLS, rf"(?P<file>{_FILE}): cannot allocate memory in static TLS block"),
    (MISSING, rf"(?P<name>{_FILE}): cannot open shared object file: No such file or directory"),
    (
        MISSING,
        r"Error loading shared library (?P<name>[^:]+): No such file[^(\n]*\(needed by (?P<by>[^)]+)\)",
    ),
    (
        MISSING,
        r"Library not loaded: (?P<name>[^\n]+)(?:\n *Referenced from: (?:<[^>]*> )?(?P<by>[^\n]+))?",
    ),
    (
        MISSING,
        r"(?:importing (?P<by>\w+): )?(?:The specified module could not|Module not) (?:be )?found",
    ),
    (MISSING, r"WinError 126"),
    (
        SOURCES,
        r"from partially initialized module '(?P<module>[\w.]+)'[^\n]*\((?P<file>[^()\n]+)\)$",
    ),
    (WINDOWS, r"DLL load failed while importing (?P<by>\w+)"),
)


# The vendored loader's, of which some say in their first line what to do.
OUR_ERRORS = {
    *("NativeLibraryError", "LibraryNotFoundError", "LibraryConflictError", "LibraryVersionError"),
}


@dataclass(frozen=True)
class Attempt:
    """How an import ended.

    Attributes:
        module: what was imported.
        error: the exception's type; empty if there was none.
        message: its text, or how the process ended.
        missing: the module that was not found, if that was it.
        files: what the process had mapped then, where the system tells.
    """

    module: str
    error: str = ""
    message: str = ""
    missing: str = ""
    files: tuple[str, ...] = ()


def try_import(module: str, *, load: bool = False) -> Attempt:
    """Import a module in another process; have its loader open its libraries, if told to."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "said.json")
        try:
            done = subprocess.run(
                [sys.executable, "-c", _TRY, module, str(file), "load" if load else ""],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Attempt(module, "Timeout", f"not done after {_SECONDS} seconds")
        if not file.exists():
            ended = f"the process ended with {done.returncode}: {done.stderr}"
            return Attempt(module, "Ended", ended)
        said = json.loads(file.read_text())
    files = tuple(said.get("files", ()))
    if "error" not in said:
        return Attempt(module, files=files)
    missing = str(said["name"]) if said["error"] == "ModuleNotFoundError" else ""
    return Attempt(module, said["error"], said["message"], missing, files)


def explain(attempt: Attempt, environment: Environment) -> Problem:
    """Say why an import failed.

    Args:
        attempt: one that failed.
        environment: in which it did.
    """
    text = attempt.message
    if re.search(r"^ *mend: ", text, re.MULTILINE):
        # The vendored loader's own error knows more than anybody: it was there.
        first, _, rest = text.partition("\n")
        mend = re.search(r"^ *mend: *(.*)$", rest, re.MULTILINE)
        assert mend is not None
        facts = " ".join(line.strip() for line in rest.splitlines() if "mend:" not in line)
        return _problem(attempt, f"{first} {facts}".strip(), mend[1])
    if attempt.missing:
        top, _, rest = attempt.missing.partition(".")
        owner = next((e for e in environment.distributions.values() if top in e.packages), None)
        if owner and rest:
            message = (
                f"{text}: {owner.name} {owner.version} has lost it, or has it for another Python"
            )
            return _problem(attempt, message, owner.again)
        each = environment.distributions.get(canonicalize_name(attempt.missing))
        if each and each.packages and attempt.missing not in each.packages:
            return _problem(attempt, text, f"the module is called {', '.join(each.packages)}")
        return _problem(
            attempt, text, f"install the distribution that has the module {attempt.missing}"
        )
    if text.endswith("has no attribute 'loader'"):
        owner = next(
            (e for e in environment.distributions.values() if attempt.module in e.packages), None
        )
        if owner:
            return _problem(attempt, f"{text}: it is something else, or was changed", owner.again)
    for kind, wording in WORDINGS:
        found = re.search(wording, text)
        if found:
            words = {key: value for key, value in found.groupdict().items() if value}
            return _problem(attempt, *_EXPLAINED[kind](words, environment, text))
    is_ours = attempt.error in OUR_ERRORS
    advice = "what the message says" if is_ours else "not an error of a library's loading"
    return _problem(attempt, f"{attempt.error}: {text.strip()}", advice)


def _problem(attempt: Attempt, message: str, mend: str) -> Problem:
    line = " ".join(message.split())
    return Problem(ERROR, "import-failed", attempt.module, f"import {attempt.module}: {line}", mend)


def _missing(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    name = leaf_of(words.get("name", ""))
    if words.get("name", "").startswith("/"):
        # The file itself, by its path. glibc says the same of one for another architecture.
        there = Path(words["name"]).exists()
        state = "is for another machine than this Python" if there else "is gone"
        return f"{words['name']} {state}", _again(words["name"], environment)
    by = words.get("by", "an extension module")
    if not name:
        return (
            f"a DLL that {by} needs was not found (Windows does not say which one)",
            (
                "see what each file needs: native-lib doctor without a module; the DLL that nobody answers "
                "to is the one"
            ),
        )
    for provider in environment.providers:
        for manifest in provider.manifests:
            for library in manifest.libraries:
                if leaf_of(library.runtime_name) == name:
                    file = environment.root_of(provider.distribution) / library.file
                    if not file.exists():
                        return (
                            f"{by} needs {name}, and {file} of {provider.distribution} is gone",
                            environment.distributions[provider.distribution].again,
                        )
                    variable = variable_of(library)
                    if variable in os.environ:
                        return (
                            f"{by} needs {name}, and {variable} names another file",
                            f"correct or unset {variable}",
                        )
                    names = {b.known_as for b in provider.binaries if b.path == library.file}
                    if names and library.runtime_name not in names:
                        return (
                            f"{by} needs {name}, and {file} has another name: it was changed",
                            environment.distributions[provider.distribution].again,
                        )
                    return (
                        (
                            f"{by} needs {name}. {provider.distribution} {provider.version} ships it "
                            f"({file}), and nobody opened it first: the importing package does not call "
                            "the loader, or calls it after the extension module"
                        ),
                        (
                            f"import {manifest.path.split('/')[0]} and call its loader.load() first, "
                            "or install the package that needs it again"
                        ),
                    )
    distribution = private_distribution(name)
    if distribution in environment.distributions:
        version = environment.distributions[distribution].version
        required = (r for wheel in environment.wheels for r in wheel.requires)
        wanted = next((r.requirement for r in required if r.distribution == distribution), "")
        why = "it is another version than the one that was built against"
        return (
            f"{by} needs {name}, which {distribution} {version} does not have: {why}",
            f'python -m pip install "{wanted or distribution}"',
        )
    if distribution:
        return (
            f"{by} needs {name} of {distribution}, which is not installed",
            f"python -m pip install {distribution}",
        )
    return (
        f"{by} needs {name}, which no provider here ships and the system does not have",
        "install the system's package that has it, or a wheel that brings it",
    )


def _symbol(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    by = words.get("by", "an extension module")
    named = words.get("symbol", "a function (Windows does not say which one)")
    if "version" in words:
        named += f", version {words['version']}"
    return (
        (
            f"{by} calls {named}, and the library that serves it has no such function: it is older or "
            "newer than the one that it was built against, or another copy serves"
        ),
        as_built(environment, _owner(by, environment))
        or "find out which library serves: native-lib doctor --load",
    )


def _version(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    needed = f"{words['by']} needs version {words['version']}, and {words['file']} does not have it"
    if words["version"].startswith(("GLIBC_", "GLIBCXX_", "CXXABI_")):
        owner = _owner(words["by"], environment)
        return (
            f"{needed}: it was built for a newer system than this one",
            f"python -m pip install --only-binary :all: --force-reinstall {owner}"
            if owner
            else "install a release of the package that was built for this system",
        )
    return (
        f"{needed}: another copy of the library was loaded first",
        "find out who loads that file, and load the provider before: native-lib doctor --load",
    )


def _machine(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    told = f" (have {words['have']}, need {words['need']})" if "have" in words else ""
    return (
        f"a library is for another machine than this Python{told}: {text.strip()}",
        _again(words.get("file", ""), environment),
    )


def _damaged(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    file = words.get("file", "")
    return f"{file or 'a library'} is damaged: {text.strip()}", _again(file, environment)


def _tls(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return (
        f"{words['file']} wants memory that glibc hands out at the start only: {text.strip()}",
        (
            "import it before other large libraries, or set GLIBC_TUNABLES="
            "glibc.rtld.optional_static_tls=4096"
        ),
    )


def _signature(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return (
        f"macOS does not accept a library's signature: {text.strip()}",
        (
            "install again what the file belongs to; its authors sign it after every change: "
            "codesign --force --sign -"
        ),
    )


def _windows(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return (
        f"Windows could not load {words['by']}: {text.strip()}",
        "see what each file needs, and what is damaged: native-lib doctor without a module",
    )


def _sources(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    file, top = words["file"], words["module"].partition(".")[0]
    each = next((e for e in environment.distributions.values() if top in e.packages), None)
    if each and Path(file).is_relative_to(each.root):
        return (
            f"{text}: {each.name} {each.version} has lost a file, or is itself at fault",
            each.again,
        )
    return (
        f"{file} is in a source folder, and not what is installed: what the build makes is not there",
        "run Python in another folder",
    )


def _again(file: str, environment: Environment) -> str:
    """Return the command that installs what a file belongs to, if that is known."""
    owner = environment.distributions.get(_owner(file, environment))
    return owner.again if owner else "install again, with this Python, what the file belongs to"


def _owner(file: str, environment: Environment) -> str:
    """Return the distribution that a file is of, as far as its path tells."""
    for each in environment.distributions.values():
        if any(str(each.root / path) == file for path in each.binaries):
            return each.name
    return ""


_EXPLAINED = {
    MISSING: _missing,
    SYMBOL: _symbol,
    VERSION: _version,
    MACHINE: _machine,
    DAMAGED: _damaged,
    TLS: _tls,
    SIGNATURE: _signature,
    WINDOWS: _windows,
    SOURCES: _sources,
}
