"""Mach-O and PE files, built on whatever machine runs the tests."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = """
#ifdef _WIN32
__declspec(dllexport) int foo_one(void) { return 1; }
#else
int foo_one(void) { return 1; }
#endif
"""
EXTENSION = """
#ifdef _WIN32
__declspec(dllimport) int foo_one(void);
__declspec(dllexport)
#else
int foo_one(void);
#endif
int PyInit__ext(void) { return foo_one(); }
"""
DYLIB, DLL = "libfoo__foo.1.dylib", "libfoo__foo-1.dll"


@dataclass(frozen=True)
class Foreign:
    """A library and an extension module that was linked against it, for each platform."""

    macos_x86_64: bytes
    macos_arm64: bytes
    macos_extension: bytes
    windows: bytes
    windows_extension: bytes


def is_available() -> bool:
    """Tell whether the compiler is installed."""
    return importlib.util.find_spec("ziglang") is not None


def build(folder: Path) -> Foreign:
    """Build them; the first time on a machine this takes a minute and a half."""
    for name, source in (("library.c", LIBRARY), ("extension.c", EXTENSION)):
        (folder / name).write_text(source, encoding="utf-8")

    def cc(target: str, *arguments: str) -> None:
        building.run(
            sys.executable, "-m", "ziglang", "cc", "-target", target, *arguments, cwd=folder
        )

    for architecture in ("x86_64", "aarch64"):
        (folder / architecture).mkdir(exist_ok=True)
        dylib = ("-dynamiclib", "-install_name", f"@rpath/{DYLIB}", "library.c")
        cc(f"{architecture}-macos.11.0", *dylib, "-o", f"{architecture}/{DYLIB}")
    extension = ("-dynamiclib", "extension.c", f"x86_64/{DYLIB}", "-o", "_ext.abi3.so")
    cc("x86_64-macos.11.0", *extension)
    cc("x86_64-windows-gnu", "-shared", "library.c", "-o", DLL, "-Wl,--out-implib,libfoo__foo.lib")
    cc("x86_64-windows-gnu", "-shared", "extension.c", "libfoo__foo.lib", "-o", "_ext.pyd")
    names = (f"x86_64/{DYLIB}", f"aarch64/{DYLIB}", "_ext.abi3.so", DLL, "_ext.pyd")
    return Foreign(*((folder / name).read_bytes() for name in names))
