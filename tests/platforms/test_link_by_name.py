"""Builds for every platform that link -lfoo and know nothing of providers: what they record."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Callable

import building
import pytest
import wheels
from platforms import binary, cross

if TYPE_CHECKING:
    from pathlib import Path

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
    source = tmp_path / "stranger.c"
    source.write_text(STRANGER, encoding="utf-8")
    made = tmp_path / "stranger.bin"
    compiler = (str(cross.zig()), "cc", "-target", platform.zig, "-shared", "-s", "-o", made)
    building.run(*compiler, source, f"-I{root / 'include'}", f"-L{root / 'lib'}", "-lfoo")
    found = binary.read(made)
    assert found.needs("foo") == {platform.runtime_name("libfoo__foo", "1")}
    assert found.search_paths == ()
