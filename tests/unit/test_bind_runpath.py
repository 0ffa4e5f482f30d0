"""Search paths that `native-lib bind` takes out of binaries."""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import zipfile
from typing import TYPE_CHECKING, Callable

import building
import elf as elf_reader
import macho_and_pe
import pytest
import wheels
from native_lib.bind import BindError
from native_lib.bind.bind import bind
from native_lib.bind.runpath import without_paths
from native_lib.check.read import read_binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BAD = "/tmp/pip-build-env-x1/overlay/lib/python3.11/site-packages/libfoo/lib"
TAGS = {"--enable-new-dtags": "RUNPATH", "--disable-new-dtags": "RPATH"}


def is_bad(path: str) -> bool:
    return path == BAD


def compile_with(
    folder: Path, paths: Sequence[str], *options: str, source: str = "int a;"
) -> bytes:
    rpath = f"-Wl,-rpath,{':'.join(paths)}"
    return building.compile_library(source, folder / "a.so", rpath, *options).read_bytes()


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    "paths",
    [
        (BAD,),
        (BAD, "$ORIGIN"),
        ("$ORIGIN", BAD),
        ("$ORIGIN/a", BAD, "$ORIGIN/b"),
        ("$ORIGIN",),
        (BAD, BAD),
    ],
)
def test_elf(tag: str, paths: tuple[str, ...], elf: wheels.Elf, tmp_path: Path) -> None:
    content = compile_with(elf.folder, paths, f"-Wl,{tag}")
    made = without_paths("a.so", content, is_bad)
    before, after = (elf_reader.dynamic(io.BytesIO(data)) for data in (content, made))
    kept = [path for path in paths if path != BAD]
    assert after.pop(TAGS[tag], []) == ([":".join(kept)] if kept else [])
    del before[TAGS[tag]]
    before.pop("NULL", None)
    after.pop("NULL", None)
    assert after == before  # all else, in its order
    assert len(made) == len(content)
    # The operating system loads it, and finds its symbol.
    file = tmp_path / "made.so"
    file.write_bytes(made)
    code = f"import ctypes; ctypes.c_int.in_dll(ctypes.CDLL({str(file)!r}), 'a')"
    building.run(sys.executable, "-c", code)


@pytest.mark.parametrize(("bits", "order"), [("32", "<"), ("32", ">"), ("64", ">")])
def test_elf_of_other_machines(bits: str, order: str, tmp_path: Path) -> None:
    if not macho_and_pe.is_available():
        pytest.skip("not available: ziglang, which compiles for other machines")
    target = {
        ("32", "<"): "x86-linux-gnu.2.17",
        ("32", ">"): "powerpc-linux-musleabi",
        ("64", ">"): "s390x-linux-gnu.2.17",
    }[bits, order]
    (tmp_path / "a.c").write_text("int a;\n", encoding="utf-8")
    command = (
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        target,
        "-nostdlib",
        "-shared",
        "a.c",
    )
    building.run(*command, f"-Wl,-rpath,$ORIGIN:{BAD}", "-o", "a.so", cwd=tmp_path)
    content = (tmp_path / "a.so").read_bytes()
    (binary,) = read_binary("a.so", content)
    assert BAD in binary.search_paths
    (binary,) = read_binary("a.so", without_paths("a.so", content, is_bad))
    assert binary.search_paths == ("$ORIGIN",)
    (binary,) = read_binary("a.so", without_paths("a.so", content, lambda _: True))
    assert binary.search_paths == ()


def test_name_that_shares_the_bytes_is_not_cut(elf: wheels.Elf) -> None:
    """Linkers let a symbol's name be the end of another text: here of the last path."""
    content = compile_with(elf.folder, ("$ORIGIN", BAD, "x/tail_"), source="int tail_;")
    if content.count(b"tail_\0") > 1 and b"\0tail_\0" in content.replace(b"\0tail_\0", b"", 1):
        pytest.skip("not available: this linker shares no tails")
    with pytest.raises(
        BindError, match=r"^a\.so has a search path that cannot be shortened in place"
    ):
        without_paths("a.so", content, is_bad)
    # Where the end stays, or all goes, nothing is overwritten.
    content = compile_with(elf.folder, (BAD, "x/tail_"), source="int tail_;")
    made = without_paths("a.so", content, is_bad)
    assert elf_reader.dynamic(io.BytesIO(made))["RUNPATH"] == ["x/tail_"]
    assert "tail_" in elf_reader.exports(io.BytesIO(made))


@pytest.fixture(scope="module")
def macho(
    foreign_binaries: macho_and_pe.Foreign,
    once: Callable[[str, Callable[[Path], tuple[bytes, bytes]]], tuple[bytes, bytes]],
) -> tuple[bytes, bytes]:
    """A library for x86_64 and one for arm64, which is signed, each with search paths."""

    def make(folder: Path) -> tuple[bytes, bytes]:
        (folder / "a.c").write_text("int a;\n", encoding="utf-8")
        for cpu in ("x86_64", "aarch64"):
            building.run(
                *(sys.executable, "-m", "ziglang", "cc", "-target", f"{cpu}-macos.11.0"),
                *("-dynamiclib", "a.c", "-install_name", "@rpath/a.dylib", "-o", f"{cpu}.dylib"),
                *(f"-Wl,-rpath,{BAD}", "-Wl,-rpath,@loader_path/."),
                cwd=folder,
            )
        return (folder / "x86_64.dylib").read_bytes(), (folder / "aarch64.dylib").read_bytes()

    return once("macho-rpath", make)


def test_macho_alone_and_universal(macho: tuple[bytes, bytes]) -> None:
    for content in (*macho, wheels.universal(*macho)):
        made = without_paths("a.dylib", content, is_bad)
        assert len(made) == len(content)
        for before, after in zip(read_binary("a", content), read_binary("a", made)):
            assert before.rpath == (BAD, "@loader_path/.")
            assert after.rpath == ("@loader_path/.",)
            assert (after.exports, after.needed) == (before.exports, before.needed)
        assert without_paths("a.dylib", made, is_bad) == made


def hashes_are_right(content: bytes) -> bool:
    """Tell whether the pages of a signed Mach-O file are what its signature says; dyld kills others."""
    count = struct.unpack_from("<I", content, 16)[0]
    at = 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", content, at)
        if command == 0x1D:
            break
        at += size
    else:
        raise AssertionError("not signed")
    signature = struct.unpack_from("<I", content, at + 8)[0]
    directory = content.index(struct.pack(">I", 0xFADE0C02), signature)
    hashes, _, _, pages, limit = struct.unpack_from(">5I", content, directory + 16)
    width, kind, _, shift = struct.unpack_from("4B", content, directory + 36)
    assert (width, kind) == (32, 2)
    for page in range(pages):
        data = content[page << shift : min((page + 1) << shift, limit)]
        place = directory + hashes + page * width
        if hashlib.sha256(data).digest() != content[place : place + width]:
            return False
    return bool(pages > 0)


def test_macho_is_signed_anew(macho: tuple[bytes, bytes]) -> None:
    _, content = macho
    assert hashes_are_right(content)
    made = without_paths("a.dylib", content, is_bad)
    assert hashes_are_right(made)
    damaged = bytearray(made)
    damaged[100] ^= 1
    assert not hashes_are_right(bytes(damaged))  # so that the test can fail


def test_certificate_is_refused(macho: tuple[bytes, bytes]) -> None:
    """An ad-hoc signature has an empty one, or none: here it is as long as a real one."""
    content = bytearray(macho[1])
    at = content.index(struct.pack(">I", 0xFADE0CC0))
    count = struct.unpack_from(">I", content, at + 8)[0]
    end = struct.unpack_from(">I", content, at + 4)[0]
    struct.pack_into(">II", content, at + 12 + 8 * (count - 1), 0x10000, end)
    content += b"\0" * max(0, at + end + 64 - len(content))
    struct.pack_into(">II", content, at + end, 0xFADE0B01, 64)
    with pytest.raises(BindError, match=r"^a\.dylib is signed with a certificate"):
        without_paths("a.dylib", bytes(content), is_bad)


def search_paths(elf: wheels.Elf, folder: Path, path: str) -> tuple[str, ...]:
    """Bind a wheel whose module has a search path, and return what is left of it."""
    extension = elf.extension(f"-Wl,-rpath,{path}")
    files: dict[str, bytes | str] = {"foo_ext/__init__.py": "", "foo_ext/_ext.abi3.so": extension}
    wheel = wheels.make_wheel(folder, "foo-ext", files, tag=wheels.LINUX)
    (made,) = bind([wheel], folder / "out", [str(elf.provider(folder / "p"))])
    with zipfile.ZipFile(made) as archive:
        (binary,) = read_binary("m", archive.read("foo_ext/_ext.abi3.so"))
    return binary.search_paths


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        (BAD, True),
        ("/home/me/.venv/lib/python3.11/site-packages/libfoo/lib", True),
        ("/home/me/.cache/native-lib/prefix/0123456789abcdef/lib", True),
        ("/home/me/.cache/uv/builds-v0/.tmpa1/lib", True),
        ("/root/.pyenv/versions/3.11.7/lib", True),
        ("/opt/hostedtoolcache/Python/3.12.1/x64/lib", True),
        ("/private/var/folders/xy/T/a/lib", True),
        ("$ORIGIN/../libfoo/lib", False),
        ("/opt/vendor/lib", False),
        ("/home/me/libfoo/library", False),
    ],
)
def test_paths_that_go(path: str, goes: bool, elf: wheels.Elf, tmp_path: Path) -> None:
    assert search_paths(elf, tmp_path, path) == (() if goes else (path,))
