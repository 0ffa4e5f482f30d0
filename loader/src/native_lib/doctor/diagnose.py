"""Explain why an import fails, from the message of the operating system's loader."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from native_lib.check.links import leaf_of, private_distribution
from native_lib.check.rule import ERROR
from native_lib.doctor import wordings
from native_lib.doctor.findings import as_built
from native_lib.doctor.problem import Problem, binary_of, libraries_of, report_to_authors
from native_lib.doctor.resolve import variable_of
from native_lib.paths import is_folder, is_there
from native_lib.support import shared_lib_fixes as fixes
from native_lib.support import shared_lib_wordings as messages
from native_lib.support.shared_lib_wordings import HELP

if TYPE_CHECKING:
    from collections.abc import Callable

    from native_lib.doctor.attempt import Attempt
    from native_lib.doctor.installed import Environment, Installed

    # What a wording names, the environment, and the whole text; the reason, and what fixes it.
    Explanation = Callable[[dict[str, str], Environment, str], tuple[str, str]]

# A library's file in a text.
_LIBRARY = re.compile(
    r"(?:[A-Za-z]:\\|/)?[^\s'\"(),:]+\.(?:so|dylib|dll|pyd)\b[.\d]*", re.IGNORECASE
)
# The vendored loader's errors; some say in their first line what to do.
OUR_ERRORS = {
    *("NativeLibraryError", "LibraryNotFoundError", "LibraryConflictError", "LibraryVersionError"),
}


def explain(attempt: Attempt, environment: Environment) -> Problem:
    """Say why an import failed.

    Args:
        attempt: one that failed.
        environment: in which it did.
    """
    attempt = replace(attempt, message=_shortened(attempt.message))
    message, fix = _reason(attempt, environment)
    line = f"import {attempt.module}: {' '.join(message.split())}"
    return Problem(ERROR, "import-failed", attempt.module, line, fix)


def _reason(attempt: Attempt, environment: Environment) -> tuple[str, str]:
    """Return why an import failed, and what fixes it."""
    text = attempt.message
    if re.search(r"\n *fix: ", text):
        # The vendored loader saw what happened, so its own error knows best.
        first, _, rest = text.partition("\n")
        fix = re.search(r"^ *fix: *(.*)$", rest, re.MULTILINE)
        assert fix is not None
        facts = " ".join(line.strip() for line in rest.splitlines() if "fix:" not in line)
        return f"{first} {facts}".strip(), fix[1]
    each = _distribution_of(attempt.missing or attempt.module, environment)
    sources = each.source if each and each.is_editable else None
    if each and sources and not is_folder(sources):
        return (
            f"{text}: the sources of {each.name}, an editable install, are not there any more: {sources}",
            f"restore {sources}, or install {each.name} from where its sources are now",
        )
    if attempt.status is not None:
        ended = _ended(attempt)
        if ended:
            return ended
    if attempt.missing:
        return _no_module(attempt, each, environment)
    if each and text.endswith("has no attribute 'loader'"):
        return f"{text}: it is something else, or has been modified", each.again
    kind, words = _recognise(text) if attempt.is_loaders else ("", {})
    if kind in _EXPLAINED:
        return _EXPLAINED[kind](words, environment, text)
    if kind:
        means, help = HELP[kind]
        return f"{_subject(words)} {means}: {text.strip()}", help.format(file=_subject(words))
    return _unknown(attempt, environment)


def _shortened(text: str, most: int = 2000) -> str:
    """Leave out the middle of a text that is longer than any loader's message."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _recognise(text: str) -> tuple[str, dict[str, str]]:
    """Recognise a loader's or Python's message: return its kind, and the names in it."""
    kind, words = messages.recognise(text)
    if kind:
        return kind, words
    for kind, wording in wordings.WORDINGS:
        found = re.search(wording, text)
        if found:
            return kind, {key: value for key, value in found.groupdict().items() if value}
    return "", {}


def _ended(attempt: Attempt) -> tuple[str, str] | None:
    """Explain a process that just ended, unless it printed a loader's message."""
    assert attempt.status is not None
    name, reason = wordings.SIGNALS.get(attempt.status, ("", ""))
    if attempt.status < 0 and not name:
        with contextlib.suppress(ValueError):  # it has no name
            name = signal.Signals(-attempt.status).name
    if not name and _recognise(attempt.message)[0]:
        return None
    status = f"{attempt.status} ({name})" if name else str(attempt.status)
    place = f" in {attempt.place}" if attempt.place else ""
    printed = f"; it printed: {attempt.message}" if attempt.message.strip() else ""
    message = f"the process ended with {status}{place}{reason and f': {reason}'}{printed}"
    if not name:
        return message, "find out what ends the process: the module, or something that it imports"
    variables = sorted(v for v in os.environ if re.fullmatch(r"NATIVE_LIB_(\w+_PATH|CONFLICT)", v))
    if variables:
        return message, f"unset {' and '.join(variables)}, and try again"
    return (
        message,
        (
            "look at the other problems listed here (damaged files, copies, symbols), and see which "
            "files are used: native-lib doctor --load"
        ),
    )


def _no_module(
    attempt: Attempt, each: Installed | None, environment: Environment
) -> tuple[str, str]:
    """Explain a module that Python did not find; `each` is the distribution that has it, if known."""
    text, missing = attempt.message, attempt.missing
    path = missing.replace(".", "/")
    if each and each.is_editable:
        why = "was not built, or was built for another Python (it is an editable install)"
        return f"{text}: {each.name} {each.version} {why}", each.again
    if each and "is not a package" in text:
        top = missing.partition(".")[0]
        return text, f'find out which file that is: python -c "import {top}; print({top}.__file__)"'
    if each and not any(re.match(rf"{re.escape(path)}[./]", file) for file in each.files):
        return (
            f"{text}: {each.name} {each.version} has no such module",
            "look up the module's name in its documentation",
        )
    if each:
        return (
            f"{text}: the file of {each.name} {each.version} is missing, or is for another Python",
            each.again,
        )
    other = environment.distributions.get(canonicalize_name(missing))
    if other and other.packages and missing not in other.packages:
        return text, f"the module is called {', '.join(other.packages)}"
    return text, f"install the distribution that contains the module {missing}"


def _unknown(attempt: Attempt, environment: Environment) -> tuple[str, str]:
    """Explain an error that no wording fits; if it names a library file, it may be a loader's."""
    text = attempt.message.strip()
    said = f"{attempt.error}: {text}"
    if attempt.error in OUR_ERRORS:
        return said, "do what the message says"
    if attempt.error == "Timeout":
        place = f", in {attempt.place}" if attempt.place else ""
        return f"{said}{place}", "find out what the module waits for"
    if attempt.error == "ModuleNotFoundError":
        return said, "install what the message names"
    named = _LIBRARY.search(text)
    # Python's own errors about files begin with the number.
    if not named or not attempt.is_loaders or text.startswith("[Errno "):
        return said, "this is not a library loading error: see the message"
    owner = _owner(named[0], environment)
    whose = f" of {owner}" if owner else ""
    state = (
        ", which does not exist" if Path(named[0]).is_absolute() and not is_there(named[0]) else ""
    )
    asked = "DYLD_PRINT_SEARCHING=1" if sys.platform == "darwin" else "LD_DEBUG=libs"
    return (
        f"{said}: unrecognised loader message about {named[0]}{whose}{state}",
        f"look at the other problems listed here; if there are none, set {asked} to see what the loader does",
    )


def _distribution_of(module: str, environment: Environment) -> Installed | None:
    """Return the distribution that has a module; an editable install may record only its name."""
    top = module.partition(".")[0]
    found = next((e for e in environment.distributions.values() if top in e.packages), None)
    named = environment.distributions.get(canonicalize_name(top))
    return found or (named if named and named.is_editable else None)


def _missing(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    path = words.get("name", "")
    name = leaf_of(path)
    if re.match(r"[A-Za-z]:\\", path):
        if not is_there(path):
            return f"{path} is missing", _again(path, environment)
        name, words = "", {"by": path}
    if path.startswith("/"):
        # The file itself is named by its path. glibc says the same about another architecture's file.
        is_another = "cannot open shared object file" in text and is_there(path)
        means, fix = HELP[messages.MACHINE] if is_another else ("is missing", "")
        by = f", which {words['by']} needs" if "by" in words else ""
        return f"{path}{by} {means}", _again(path, environment, fix)
    by = words.get("by", "an extension module")
    if re.match(r"ld-linux|ld64?\.so|ld-musl|libc\.musl", name):
        return _foreign(by, environment, f"{by} needs {name}")
    if not name:
        return (
            f"a DLL that {by} needs was not found (Windows does not say which one)",
            (
                "run native-lib doctor without a module: it lists what each file needs, and which DLL "
                "nothing provides"
            ),
        )
    for provider in environment.providers:
        for manifest in provider.manifests:
            for library in manifest.libraries:
                if leaf_of(library.runtime_name) == name:
                    file = environment.root_of(provider.distribution) / library.file
                    if not is_there(file):
                        return (
                            f"{by} needs {name}, and {file} of {provider.distribution} is missing",
                            environment.distributions[provider.distribution].again,
                        )
                    variable = variable_of(library)
                    if variable in os.environ:
                        return (
                            f"{by} needs {name}, but {variable} names another file",
                            f"correct or unset {variable}",
                        )
                    names = {b.known_as for b in provider.binaries if b.path == library.file}
                    if names and library.runtime_name not in names:
                        return (
                            f"{by} needs {name}, but {file} has another name: it was modified",
                            environment.distributions[provider.distribution].again,
                        )
                    return (
                        (
                            f"{by} needs {name}. {provider.distribution} {provider.version} ships it "
                            f"({file}), but it was not opened first: the importing package does not "
                            "call the loader, or calls it after the import of the extension module"
                        ),
                        (
                            f"import {manifest.path.split('/')[0]} and call its loader.load() first; the "
                            "package that needs it should call load_requirements() in its __init__.py, "
                            "above that import"
                        ),
                    )
    distribution = private_distribution(name)
    if distribution in environment.distributions:
        version = environment.distributions[distribution].version
        required = (r for wheel in environment.wheels for r in wheel.requires)
        wanted = next((r.requirement for r in required if r.distribution == distribution), "")
        why = "this is not the version that it was built against"
        return (
            f"{by} needs {name}, which {distribution} {version} does not have: {why}",
            fixes.pip(f'install "{wanted or distribution}"'),
        )
    if distribution:
        return (
            f"{by} needs {name} of {distribution}, which is not installed",
            fixes.pip(f"install {distribution}"),
        )
    return (
        f"{by} needs {name}, which no provider here ships and the system does not have",
        "install the system package or the wheel that contains it",
    )


def _symbol(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    by = words.get("by", "an extension module")
    named = words.get("symbol", "a function (Windows does not say which one)")
    if "version" in words:
        named += f", version {words['version']}"
    if re.match(r"_?Py[A-Z_]", named):
        return (
            (
                f"{by} calls {named}, which this Python does not have: it was built for another Python "
                "(version, debug or free-threaded build)"
            ),
            _again(by, environment, _FOR_THIS_PYTHON),
        )
    if text.startswith("Error relocating") and re.fullmatch(
        r"__\w+_chk|gnu_get_libc_version", named
    ):
        return _foreign(by, environment, f"{by} calls {named}, which only glibc has")
    unlinked = _unlinked(by, words.get("symbol", ""), environment)
    if unlinked:
        return f"{by} calls {named}, {unlinked}", _LINK
    return (
        (
            f"{by} calls {named}, but the library that it uses has no such function: that library is "
            "older or newer than the one that it was built against, or another copy is used"
        ),
        as_built(environment, _owner(by, environment))
        or "find out which library is used: native-lib doctor --load",
    )


def _unlinked(by: str, symbol: str, environment: Environment) -> str:
    """Say that a file does not need the library that has a symbol; return nothing if it does."""
    binary = binary_of(by)
    if binary is None or not symbol:
        return ""
    needed = set(map(leaf_of, binary.needed))
    libraries = list(libraries_of(environment))
    for provider, library in libraries:
        ours = next((each for each in provider.binaries if each.path == library.file), None)
        name = leaf_of(library.runtime_name)
        if ours and symbol in ours.own_names and name not in needed:
            return f"which {name} of {provider.distribution} has, but the file was not linked to it"
    theirs = {leaf_of(library.runtime_name) for _, library in libraries}
    if needed & theirs or not all(_EVERYWHERE.match(name) for name in needed):
        return ""  # it is linked to a library that may once have had it
    all_needed = ", ".join(sorted(needed)) or "no library"
    return f"but was not linked to a library that has it: it needs {all_needed}"


# What every file may need, whatever it was linked to.
_EVERYWHERE = re.compile(
    r"lib(?:c|m|dl|rt|util|pthread|gcc_s|stdc\+\+|c\+\+|c\+\+abi|python[\d.]*)\.so|ld-|libc\.musl"
)
_LINK = (
    "its authors must link it to that library, for example with native_library_consumer() or "
    "target_link_libraries(); readelf -d shows what it needs"
)
_FOR_THIS_PYTHON = (
    "install a build for this Python; an environment whose Python was replaced must be made anew"
)


def _foreign(by: str, environment: Environment, said: str) -> tuple[str, str]:
    """Explain a file that was built for another C library: glibc's on musl, or the other way round."""
    means, fix = HELP[messages.RELOCATION]
    return f"{said}: it {means}", _again(by, environment, fix)


def _newer(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    means, fix = HELP[messages.NEWER]
    if "by" in words:
        lacks = (
            f"{words['by']} needs version {words['version']}, but {words['file']} does not have it"
        )
        return f"{lacks}: it {means}", fix
    return f"a library {means}: {text.strip()}", fix


def _version(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return (
        (
            f"{words['by']} needs version {words['version']}, but {words['file']} does not have it: "
            "another copy of the library was loaded first"
        ),
        "find out what loads that file, and load the provider first: native-lib doctor --load",
    )


def _machine(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    means, fix = HELP[messages.MACHINE]
    told = f" (have {words['have']}, need {words['need']})" if "have" in words else ""
    # Windows has one message for both.
    whole = ", or is incomplete" if re.search(r"Win32|WinError|DLL load", text) else ""
    file = words.get("file", "")
    return f"a library {means}{told}{whole}: {text.strip()}", _again(file, environment, fix)


def _damaged(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    file = words.get("file", "")
    return (
        f"{file or 'a library'} is damaged, or is not a shared library: {text.strip()}",
        _again(file, environment),
    )


def _signature(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    means, fix = HELP[messages.SIGNATURE]
    return f"a library {means}: {text.strip()}", _again(words.get("file", ""), environment, fix)


def _start(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    means, fix = HELP[messages.START]
    return f"Windows could not load {_subject(words)}: {text.strip(' .')}. It {means}", fix


def _folder(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    file = _subject(words)
    return f"{file} is a folder instead of a library: {text.strip()}", _again(file, environment)


def _python(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return (
        (
            f"{_subject(words)} is not an extension module of this name, or is for another Python: "
            f"{text.strip()}"
        ),
        _again(words.get("file", ""), environment, _FOR_THIS_PYTHON),
    )


def _relocation(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return _foreign(words["file"], environment, text.strip())


def _subject(words: dict[str, str]) -> str:
    return words.get("file") or words.get("by") or "a library"


def _windows(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    return (
        f"Windows could not load {words['by']}: {text.strip()}",
        "see what each file needs, and what is damaged: native-lib doctor without a module",
    )


def _sources(words: dict[str, str], environment: Environment, text: str) -> tuple[str, str]:
    file = Path(words["file"])
    each = _distribution_of(words["module"], environment)
    if each and file.is_relative_to(each.root):
        return (
            f"{text}: {each.name} {each.version} lacks a file, or has a fault of its own",
            each.again,
        )
    if each and each.is_editable and (not each.source or _is_within(file, each.source)):
        return (
            f"{text}: {each.name} {each.version}, an editable install, was not built, or has a fault of its own",
            each.again,
        )
    if each is None:
        why = "a circular import, a missing name, or sources that were not built"
        return (
            f"{text}: {why}",
            "if these are sources, build and install them; otherwise look at what they import",
        )
    return (
        f"{file} is in a source folder, not the installed package: the files that the build makes are missing",
        "run Python in another folder",
    )


def _is_within(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def _again(file: str, environment: Environment, otherwise: str = "") -> str:
    """Return what brings the right file: to install its package again, unless the file is intact.

    Args:
        file: the one that is wrong.
        environment: where it is.
        otherwise: what helps where the file is intact, or nobody knows whose it is.
    """
    owner = environment.distributions.get(_owner(file, environment))
    if owner is None:
        return otherwise or "reinstall, with this Python, the package that the file belongs to"
    if not owner.is_intact(file):
        return owner.again
    return otherwise or report_to_authors(owner.name)


def _owner(file: str, environment: Environment) -> str:
    """Return the distribution that a file belongs to, by its path; empty if unknown."""
    for each in environment.distributions.values():
        if any(str(each.root / path) == file for path in each.binaries):
            return each.name
    return ""


# The kinds whose words or fix depend on what is installed; for the others HELP is enough.
_EXPLAINED: dict[str, Explanation] = {
    messages.MISSING: _missing,
    messages.SYMBOL: _symbol,
    messages.VERSION: _version,
    messages.MACHINE: _machine,
    messages.DAMAGED: _damaged,
    messages.RELOCATION: _relocation,
    messages.NEWER: _newer,
    messages.SIGNATURE: _signature,
    messages.START: _start,
    messages.FOLDER: _folder,
    wordings.PYTHON: _python,
    wordings.SOURCES: _sources,
    wordings.WINDOWS: _windows,
}
