"""Builds for every platform that link -lfoo and know nothing of providers: what they record."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Callable

import building
import pytest
import wheels
from platforms import binary, cross
from platforms.wine import windows_path

if TYPE_CHECKING:
    from pathlib import Path

    from platforms.wine import Wine

STRANGER = """
#include <foo/foo.h>
#ifdef _WIN32
__declspec(dllexport)
#endif
double stranger(void) { return foo_square(2.0); }
"""


@pytest.mark.parametrize("where", ["wheel", "prefix"])
@pytest.mark.parametrize("target", cross.TARGETS)
def test_private_name_is_recorded(
    packed: Callable[[str, str], list[Path]], tmp_path: Path, target: str, where: str
) -> None:
    site, platform = tmp_path / "site", cross.TARGETS[target]
    (provider,) = (wheel for wheel in packed(target, "c") if wheel.name.startswith("libfoo-"))
    wheels.unpack(provider, site)
    root = site / "libfoo"
    if where == "prefix":
        root = tmp_path / "prefix"
        path = os.pathsep.join([str(building.ROOT / "loader" / "src"), str(site)])
        command = (sys.executable, "-m", "native_lib", "prefix", root, "libfoo")
        building.run(*command, env={"PYTHONPATH": path})
    link(root, platform, tmp_path)


def link(root: Path, platform: cross.Target, folder: Path) -> None:
    """Link -lfoo, with include and lib of a folder, and look at what was recorded."""
    source = folder / "stranger.c"
    source.write_text(STRANGER, encoding="utf-8")
    made = folder / "stranger.bin"
    compiler = (str(cross.zig()), "cc", "-target", platform.zig, "-shared", "-s", "-o", made)
    building.run(*compiler, source, f"-I{root / 'include'}", f"-L{root / 'lib'}", "-lfoo")
    found = binary.read(made)
    assert found.needs("foo") == {platform.runtime_name("libfoo__foo", "1")}
    assert found.search_paths == ()


PREFIX = """
from native_lib.cli import main
assert main(["prefix", {out!r}, "libfoo"]) == 0
assert main(["env", "libfoo", "--format", "json"]) == 0
"""
ASK = """
import ctypes
library = ctypes.CDLL({file!r})
library.foo_version.restype = ctypes.c_char_p
print(library.foo_version().decode())
"""


def test_prefix_that_windows_makes(
    packed: Callable[[str, str], list[Path]], wine: Callable[[str], Wine], tmp_path: Path
) -> None:
    """Copies, because not every user of Windows may make links; it can be opened, as on Linux."""
    windows, platform = wine("3.13"), cross.TARGETS["windows-x86_64"]
    site, out = tmp_path / "site", tmp_path / "a prefix"
    (provider,) = (w for w in packed("windows-x86_64", "c") if w.name.startswith("libfoo-"))
    wheels.unpack(provider, site)
    code = PREFIX.format(out=windows_path(out))
    paths = (building.ROOT / "loader" / "src", site)
    cache = windows_path(tmp_path / "cache")
    said = windows.run(code, *paths, NATIVE_LIB_CACHE=cache, LIB="own")
    made, _, told = said.partition("\n")
    assert made == f"{windows_path(out)}: libfoo 1.0.0"
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    there = site / "libfoo" / "lib"
    for copy, file in (
        ("bin/libfoo__foo-1.dll", "libfoo__foo-1.dll"),
        ("lib/libfoo__foo.lib", "libfoo__foo.lib"),
        ("lib/foo.lib", "foo.lib"),
    ):
        assert (out / copy).read_bytes() == (there / file).read_bytes()
    file = windows_path(out / "bin" / "libfoo__foo-1.dll")
    assert windows.run(ASK.format(file=file)) == "1.0.0\n"
    link(out, platform, tmp_path)
    variables = json.loads(told)
    prefix = variables["foo_ROOT"]
    assert variables["LIB"] == f"{prefix}\\lib;own"
    assert variables["INCLUDE"] == variables["CPATH"] == f"{prefix}\\include"
    before = [(path, path.stat().st_mtime_ns) for path in sorted(tmp_path.rglob("*"))]
    assert windows.run(code, *paths, NATIVE_LIB_CACHE=cache, LIB="own") == said
    assert before == [(path, path.stat().st_mtime_ns) for path in sorted(tmp_path.rglob("*"))]
