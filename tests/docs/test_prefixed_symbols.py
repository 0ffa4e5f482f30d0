"""docs/how-to/prefixed-symbols.md: what a prefix breaks in one's own code, and what each fix gives."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("nm"), reason="the page shows Linux, with nm"
)

PAGE = (docs_pages.HOW_TO / "prefixed-symbols.md").read_text("utf-8")
BEFORE_RUST, RUST = PAGE.split("\n## Rust\n")


# What the page says in words: a source, what is compiled with, and what `nm` or the compiler says.
SAID = {
    "member": (
        "struct Codec { int compress(); }; int f(Codec c) { return c.compress(); }",
        *("c++", "U _ZN5Codec8compressEv"),
    ),
    "argument": (
        "#include <zlib.h>\nint f(z_streamp s) { return deflateInit(s, 1); }",
        *("cc", "U z_deflateInit_"),
    ),
    "no function": (
        "#include <zlib.h>\nvoid *f(void) { return (void *)deflateInit; }",
        *("cc", "error: 'z_deflateInit' undeclared"),
    ),
    "pasted": (
        "#include <zlib.h>\n#define MY(name) my_##name\nint MY(crc32)(void) { return 0; }",
        *("cc", "T my_crc32"),
    ),
    "zlib later": (
        "#define compress mine\n#include <zlib.h>\nint f(void) { return compress(0, 0, 0, 0); }",
        *("cc", "U z_compress"),
    ),
    "zlib before": (
        "#include <zlib.h>\n#define compress mine\nint compress(void); int f(void) { return compress(); }",
        *("cc", "U mine"),
    ),
}


@pytest.fixture
def folder(reference_env: building.Environment, tmp_path: Path) -> Path:
    """A folder with the prefix that the page makes first."""
    version = reference_env.run("import native_zlib; print(native_zlib.loader.version, end='')")
    head = PAGE.partition("\n## ")[0].replace("native-zlib 1.3.2", f"native-zlib {version}")
    env = {"NATIVE_LIB_CACHE": str(tmp_path / "cache"), "PYTHONPATH": docs_pages.PYTHONPATH}
    told = {"native-lib": f"{reference_env.python} -m native_lib"}
    assert docs_pages.play(head, tmp_path, env=env, replace=told) == 3
    return tmp_path


def test_every_command_prints_what_is_shown(folder: Path) -> None:
    assert docs_pages.play(BEFORE_RUST.partition("\n## ")[2], folder) == 10


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_in_words(folder: Path, name: str) -> None:
    source, compiler, expected = SAID[name]
    file = folder / ("said.cpp" if compiler == "c++" else "said.c")
    file.write_text(f"{source}\n", encoding="utf-8")
    command = (compiler, "-Iwith-zlib/include", "-c", file, "-o", folder / "said.o")
    env = {"LC_ALL": "C"}
    said = building.run(*command, cwd=folder, env=env, fails="error" in expected)
    assert ('"compress" redefined' in said) == ("compress mine" in source)
    assert expected in (said if "error" in expected else building.run("nm", folder / "said.o"))


@pytest.mark.skipif(not shutil.which("rustc"), reason="rustc is not installed")
def test_rust(folder: Path) -> None:
    assert docs_pages.play(RUST, folder) == 2
    plain = re.sub(r" *#\[link_name.*\n", "", docs_pages.block(RUST, "rust", "crc32"))
    (folder / "checksum.rs").write_text(plain, encoding="utf-8")
    commands = RUST.partition("```console")
    plain_rust = "".join(commands[1:]).replace("U z_crc32", "U crc32")
    assert docs_pages.play(plain_rust, folder) == 2
