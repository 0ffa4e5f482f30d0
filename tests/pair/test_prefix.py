"""A prefix of the pair's provider, as a build uses one: linked, opened, and from an editable install."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import building
import pytest
from elf import dynamic

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links ELF files")

MAIN = """
#include <foo/foo.h>
#include <stdio.h>
int main(void) { return printf("%s %g\\n", foo_version(), foo_square(3)) < 0; }
"""
# h5py and PyTables ask a library for its version like that, while they are built.
ASK = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.foo_version.restype = ctypes.c_char_p
print(library.foo_version().decode())
"""


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_prefix_is_linked_and_opened(pair: building.Pair, tmp_path: Path, how: str) -> None:
    env = building.new_environment(tmp_path / "env")
    out = tmp_path / "a prefix"
    env.install(*(["-e", pair.folder / "libfoo"] if how == "editable" else [pair.provider]))
    path = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    building.run(env.python, "-m", "native_lib", "prefix", out, "libfoo", env=path)
    served = env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert served.is_file()
    for name in ("libfoo.so", served.name):
        assert (out / "lib" / name).resolve() == served
        assert building.run(env.python, "-c", ASK, out / "lib" / name) == "1.0.0\n"
    (tmp_path / "main.c").write_text(MAIN, encoding="utf-8")
    folders = (f"-I{out / 'include'}", f"-L{out / 'lib'}")
    building.run("cc", "-o", tmp_path / "main", tmp_path / "main.c", *folders, "-lfoo")
    with (tmp_path / "main").open("rb") as opened:
        assert "libfoo__foo.so.1" in dynamic(opened)["NEEDED"]
    variables = {"LD_LIBRARY_PATH": str(out / "lib")}
    assert building.run(tmp_path / "main", env=variables) == "1.0.0 9\n"


def test_variables_are_all_that_a_build_needs(pair: building.Pair, tmp_path: Path) -> None:
    """In one shell, as the page says: eval, then compile, and run what was compiled."""
    env = building.new_environment(tmp_path / "env", pair.provider)
    (tmp_path / "main.c").write_text(MAIN, encoding="utf-8")
    command = f'eval "$("{env.python}" -m native_lib env libfoo)" && cc main.c -lfoo && ./a.out'
    variables = {
        "PYTHONPATH": str(building.ROOT / "loader" / "src"),
        "NATIVE_LIB_CACHE": str(tmp_path / "the cache"),
    }
    assert building.run("sh", "-c", command, cwd=tmp_path, env=variables) == "1.0.0 9\n"
