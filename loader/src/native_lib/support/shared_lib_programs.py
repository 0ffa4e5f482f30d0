# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""The provider's side: programs that come with the libraries, run by their names.

For each program of the manifest this module has a function of that name, for pyproject.toml:

    [project.scripts]
    footool = "libfoo._shared_lib_programs:footool"

The function becomes the program (POSIX), or runs it and returns its exit status (Windows).
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_PROVIDER = __name__.rpartition(".")[0]


def __getattr__(name: str) -> "Callable[[], int]":
    """Return the function that runs a program."""
    programs = {} if name.startswith("__") else _manifest(_PROVIDER).PROGRAMS
    for program, file in programs.items():
        if name == function_name(program):
            return lambda: _run(program, file)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def function_name(program: str) -> str:
    """Return the name of a program's function: protoc_gen_x for protoc-gen-x, _7z for 7z."""
    name = "".join(letter if letter.isalnum() else "_" for letter in program)
    return f"_{name}" if name[:1].isdigit() else name


def _run(program: str, file: str) -> int:
    loader = _import(_PROVIDER).loader
    path = _below(_manifest(_PROVIDER), file)
    try:
        if loader._requires is not None:
            loader._load_required_providers(loader._requires)
    except ImportError as error:
        sys.exit(f"{program}: {error}")
    loader._set_data_env()
    _show_required_libraries()
    loader._debug(f"{program} is {path}")
    try:
        return _start(path, sys.argv[1:])
    except OSError as error:
        explain = _import(f"{_PROVIDER}._shared_lib_explain")
        sys.stderr.write(f"{explain.no_program(loader, program, path, error)}\n")
        # What a shell returns then.
        return 127 if isinstance(error, FileNotFoundError) else 126


def _show_required_libraries() -> None:
    """Let the program find other providers' libraries: its own search path ends at its wheel.

    macOS and Windows search these variables for a library's name, too. Programs that this one starts
    inherit them; the names in these folders are private ones.
    """
    folders = list(dict.fromkeys(_required_folders(_PROVIDER)))
    if folders:
        variables = {"win32": "PATH", "darwin": "DYLD_LIBRARY_PATH"}
        variable = variables.get(sys.platform, "LD_LIBRARY_PATH")
        # An empty part would be the current folder.
        before = [os.environ[variable]] if os.environ.get(variable) else []
        os.environ[variable] = os.pathsep.join(folders + before)


def _required_folders(package: str) -> "Iterator[str]":
    """Yield the folders of the libraries that a package requires, then those that these require."""
    try:
        requires = _import(f"{package}._native_requires").REQUIRES
    except ModuleNotFoundError:
        return  # it requires none
    for need in requires:
        manifest = _manifest(need["provider"])
        yield from (
            os.path.dirname(_below(manifest, f["file"])) for f in manifest.LIBRARIES.values()
        )
        yield from _required_folders(need["provider"])


def _import(name: str) -> "Any":
    # `importlib` and the public `signal` are not loaded in a bare interpreter, and double its start.
    __import__(name)
    return sys.modules[name]


def _manifest(provider: str) -> "Any":
    return _import(f"{provider}._native_libs")


def _below(manifest: "Any", path: str) -> str:
    """Return a path of a manifest as a path of this system."""
    folder = os.path.dirname(os.path.abspath(manifest.__file__))
    return os.path.join(folder, os.path.normpath(path))


def _start(path: str, arguments: "list[str]") -> int:
    if sys.platform != "win32":
        signal = _import("_signal")
        # Python ignores these, and what is ignored stays so: `footool | head` would not end.
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.execv(path, [path, *arguments])
    import signal
    import subprocess

    # Windows has no exec. The console tells Ctrl-C to both processes; the answer is the program's.
    for left_to_the_program in (signal.SIGINT, signal.SIGBREAK):
        signal.signal(left_to_the_program, signal.SIG_IGN)
    status = subprocess.call([path, *arguments])
    # sys.exit() accepts 0xC0000005 with a sign only; Windows sees the same 32 bits.
    return status - (1 << 32) if status >> 31 else status
