"""docs/how-to/any-build-system.md: each recipe makes a wheel of a library of its kind, which is used."""

from __future__ import annotations

import io
import re
import shutil
import sys
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import building
import docs_pages
import elf
import pytest
from native_lib.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the recipes were run on Linux")

PAGE = (docs_pages.HOW_TO / "any-build-system.md").read_text("utf-8")
HEADER = '#define FOO_VERSION "1.0.0"\nconst char *foo_version(void);\nint foo_add(int, int);\n'
SOURCE = """#include "foo.h"
const char *foo_version(void) { return FOO_VERSION; }
int foo_inner(int a) { return a; }
int foo_add(int a, int b) { return foo_inner(a) + b; }
int not_for_others;
"""
# What autotools would write: no more than is used of it.
CONFIGURE = r"""#!/bin/sh
set -e
for each; do
  case $each in
    --prefix=*) prefix=${each#*=} ;; --libdir=*) libdir=${each#*=} ;;
    CC=*) CC=${each#*=} ;; CFLAGS=*) CFLAGS=${each#*=} ;;
    --disable-shared | --with-pic) ;; *) echo "unknown: $each" >&2; exit 1 ;;
  esac
done
source=$(dirname "$0")
printf '%s\n' "CC = $CC" "CFLAGS = $CFLAGS -I$source/include" "prefix = $prefix" "libdir = $libdir" \
  "VPATH = $source/src" "S = $source" > Makefile
cat >> Makefile <<'END'
libfoo.a: foo.o
	$(AR) rcs $@ $^
install: libfoo.a
	install -d $(prefix)/include $(libdir)
	install -m 644 $(S)/include/foo.h $(prefix)/include
	install -m 644 libfoo.a $(libdir)
END
"""
MESON = """project('foo', 'c', version: '1.0.0')
static_library('foo', 'src/foo.c', include_directories: 'include', install: true)
install_headers('include/foo.h')
"""
CARGO = """[package]
name = "foo"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["staticlib"]
"""
RUST = """use std::collections::HashMap;

#[no_mangle]
pub extern "C" fn foo_version() -> *const u8 {
    b"1.0.0\\0".as_ptr()
}

#[no_mangle]
pub extern "C" fn foo_add(a: i32, b: i32) -> i32 {
    let parts: HashMap<i32, i32> = HashMap::from([(0, a), (1, b)]);
    parts.values().sum()
}
"""


@dataclass(frozen=True)
class Recipe:
    """A section of the page, and an upstream of its kind."""

    heading: str
    files: Mapping[str, str]
    # Programs that it needs, and build requirements, as the page says.
    program: str = "make"
    requires: tuple[str, ...] = ()
    exports: frozenset[str] = field(default=frozenset({"foo_version", "foo_add", "foo_inner"}))


C = {"src/foo.c": SOURCE}
RECIPES = (
    Recipe("Autotools", {**C, "configure": CONFIGURE}),
    Recipe("Meson", {**C, "meson.build": MESON}, "sh", ("meson", "ninja")),
    Recipe(
        "Cargo",
        {"Cargo.toml": CARGO, "src/lib.rs": RUST},
        "cargo",
        exports=frozenset({"foo_version", "foo_add"}),
    ),
    Recipe(
        "Plain make",
        {
            "foo.c": SOURCE.replace("foo.h", "include/foo.h"),
            "Makefile": "libfoo.a: foo.o\n\tar rcs $@ $^\n",
        },
    ),
    Recipe("A vendor's binary release", {}, "cc", ("patchelf",)),
)


def archive(folder: Path, recipe: Recipe) -> Path:
    """Pack foo 1.0.0 as its authors would."""
    contents = {**recipe.files, "include/foo.h": HEADER, "LICENSE": "Do what you want.\n"}
    data = {name: text.encode() for name, text in contents.items()}
    if not recipe.files:
        options = ("-I", str(folder), "-fvisibility=hidden", "-g")
        (folder / "foo.h").write_text(HEADER, encoding="utf-8")
        visible = (
            '#pragma GCC visibility push(default)\n#include "foo.h"\n#pragma GCC visibility pop\n'
        )
        source = SOURCE.replace('#include "foo.h"\n', visible)
        library = building.compile_library(source, folder / "x.so", *options, soname="libfoo.so.1")
        data["lib/libfoo.so.1"] = library.read_bytes()
    packed = folder / "foo-1.0.0.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for name, content in data.items():
            member = tarfile.TarInfo(f"foo-1.0.0/{name}")
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return packed


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.heading for recipe in RECIPES])
def test_recipe(upstream_pair: building.Pair, tmp_path: Path, recipe: Recipe) -> None:
    if not shutil.which(recipe.program):
        pytest.skip(f"requires {recipe.program} (Debian: {recipe.program})")
    provider = shutil.copytree(upstream_pair.folder / "libfoo", tmp_path / "libfoo")
    shutil.rmtree(provider / "upstream")
    building.fetch_upstream(provider, archive(tmp_path, recipe))
    block = docs_pages.block(docs_pages.section(PAGE, recipe.heading), "cmake", "native_library_")
    lists = provider / "CMakeLists.txt"
    replaced = re.sub(
        "(?s)^# Adapt to upstream.*?(?=^# Names the files)",
        lambda _: block + "\n",
        lists.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    assert block in replaced
    lists.write_text(replaced, encoding="utf-8")
    if recipe.requires:
        words = ", ".join(f'"{name}"' for name in recipe.requires)
        assert f"add `{words}` to `requires`" in PAGE
        settings = provider / "pyproject.toml"
        text = settings.read_text("utf-8").replace("requires = [", f"requires = [{words}, ", 1)
        settings.write_text(text, encoding="utf-8")
    assert main(["vendor", str(provider)]) == 0
    # native-lib check looks at it here, too.
    wheel = building.build(provider, tmp_path / "dist")
    env = building.new_environment(tmp_path / "env", wheel, upstream_pair.consumer)
    code = "import foo_ext; assert foo_ext.version() == '1.0.0'"
    served = env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert building.mapped(env, code, "foo.so") == [str(served)]
    with served.open("rb") as file:
        expected = recipe.exports - ({"foo_inner"} if not recipe.files else set())
        assert elf.exports(file) == expected
    assert (env.site_packages / "libfoo" / "include" / "foo.h").is_file()
