"""The anchor: on musl a library that was opened by its path has no name that others could find.

Built with musl-gcc and run with a small host program that does with dlopen what the loader does.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from typing import TYPE_CHECKING, Callable

import building
import pytest
from elf import dynamic

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("musl-gcc"),
    reason="requires musl-gcc (Debian: musl-tools)",
)

HOST = """#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **paths) {
  void *handle = 0;
  for (int i = 1; i < count; i++) {
    handle = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle) { puts(dlerror()); return 1; }
  }
  printf("%g\\n", ((double (*)(double))dlsym(handle, "asked"))(3));
  return 0;
}
"""


@pytest.fixture(scope="session")
def tree(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """The provider built for musl, laid out as its wheel; a consumer elsewhere; a host program."""

    def make(folder: Path) -> Path:
        project = building.generate(folder) / "libfoo"
        cmake, build = building.tool("cmake"), folder / "build"
        building.run(
            *(cmake, "-G", "Ninja", "-S", str(project), "-B", str(build)),
            *("-DCMAKE_C_COMPILER=musl-gcc", "-DSKBUILD_PROJECT_VERSION=1.0.0"),
            "-DCMAKE_BUILD_TYPE=Release",
        )
        building.run(cmake, "--build", build)
        building.run(cmake, "--install", build, "--prefix", folder / "site-packages")
        library = folder / "site-packages" / "libfoo" / "lib" / "libfoo__foo.so.1"
        building.compile_library(
            "double foo_square(double); double asked(double x) { return foo_square(x); }",
            folder / "elsewhere" / "consumer.so",
            str(library),
            compiler="musl-gcc",
        )
        (folder / "host.c").write_text(HOST, encoding="utf-8")
        building.run("musl-gcc", "-o", folder / "host", folder / "host.c")
        return folder

    return once("musl", make)


def library(tree: Path) -> Path:
    return tree / "site-packages" / "libfoo" / "lib" / "libfoo__foo.so.1"


def anchor(tree: Path) -> Path:
    return tree / "site-packages" / "libfoo" / "lib" / "libfoo__foo-anchor.so"


def test_anchor_and_manifest(tree: Path) -> None:
    with anchor(tree).open("rb") as file:
        section = dynamic(file)
    assert "libfoo__foo.so.1" in section["NEEDED"]
    assert section["RUNPATH"] == ["$ORIGIN"]
    assert "SONAME" not in section
    with library(tree).open("rb") as file:
        assert "RUNPATH" not in dynamic(file)
    manifest = (tree / "site-packages" / "libfoo" / "_native_libs.py").read_text("utf-8")
    assert '"anchor": "lib/libfoo__foo-anchor.so"' in manifest


def test_no_anchor_on_glibc(pair: building.Pair) -> None:
    with zipfile.ZipFile(pair.provider) as archive:
        assert '"anchor": ""' in archive.read("libfoo/_native_libs.py").decode()
        assert not [name for name in archive.namelist() if "anchor" in name]


def test_without_the_anchor_a_preload_satisfies_nobody(tree: Path) -> None:
    said = building.run(
        tree / "host", library(tree), tree / "elsewhere" / "consumer.so", fails=True
    )
    assert "Error loading shared library libfoo__foo.so.1" in said


def test_with_the_anchor_the_consumer_is_served(tree: Path) -> None:
    consumer = tree / "elsewhere" / "consumer.so"
    assert building.run(tree / "host", anchor(tree), library(tree), consumer) == "9\n"
