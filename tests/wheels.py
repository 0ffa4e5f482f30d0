"""Small wheels for the checker's tests, made of what a compiler makes of three lines of C."""

from __future__ import annotations

import base64
import hashlib
import platform
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
from native_lib.file_names import parse_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LINUX = f"py3-none-linux_{platform.machine()}"
LIBRARY = "int foo_one(void) { return 1; }\nint foo_two(void) { return 2; }\n"
EXTENSION = "int foo_one(void);\nint PyInit__ext(void) { return foo_one(); }\n"
CALL = """from . import _native_requires
from ._shared_lib_consumer import load_requirements

load_requirements(_native_requires)
"""
CALL_BY_NAME = """from ._shared_lib_consumer import load_library_module

load_library_module("libfoo")
"""
NAME = "libfoo__foo.so.1"
LOADER = building.ROOT / "loader" / "src" / "native_lib" / "support" / "shared_lib_manager.py"
CONSUMER = LOADER.with_name("shared_lib_consumer.py")
EXPLAIN = LOADER.with_name("shared_lib_explain.py")
FIXES = LOADER.with_name("shared_lib_fixes.py")
WORDINGS = LOADER.with_name("shared_lib_wordings.py")
_AARCH64, _X86_64 = 183, 62


def make_wheel(
    folder: Path,
    distribution: str,
    files: Mapping[str, bytes | str],
    *,
    version: str = "1.0.0",
    tag: str = LINUX,
    requires: Iterable[str] = (),
) -> Path:
    """Make a wheel with these files and the metadata that a checker reads."""
    name = distribution.replace("-", "_")
    wheel = folder / f"{name}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    info = f"{name}-{version}.dist-info"
    tags = "".join(f"Tag: {each}\n" for each in sorted(map(str, parse_wheel(wheel.name)[2])))
    metadata = {
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{tags}",
    }
    contents = {
        path: content.encode() if isinstance(content, str) else content
        for path, content in {**files, **metadata}.items()
    }
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/RECORD", record(contents, f"{info}/RECORD"))
    return wheel


def record(files: Mapping[str, bytes], own: str) -> str:
    """Return what RECORD says of files, and of itself at the end."""
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{own},,\n"])


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel as an installer does, with a record of its files."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        names = archive.namelist()
    (info,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    record = "".join(f"{name},,\n" for name in names)
    (folder / info / "RECORD").write_text(record, encoding="utf-8")


def manifest(
    file: str = f"lib/{NAME}",
    runtime_name: str = NAME,
    *,
    anchor: str = "",
    link_file: str = "",
    version: str = "1.0.0",
    distribution: str = "libfoo",
) -> str:
    """Return a provider's `_native_libs.py` with one library."""
    library = {"target": "foo::foo", "file": file, "runtime_name": runtime_name}
    library |= {"anchor": anchor, "probe_symbol": "", "needs": ()}  # type: ignore[dict-item]
    if link_file:
        library["link_files"] = (link_file,)  # type: ignore[assignment]
    return (
        f"FORMAT = 1\nDISTRIBUTION = {distribution!r}\nVERSION = {version!r}\n"
        f"COMPATIBILITY = 'SameMajorVersion'\nREQUIREMENT = '{distribution}>={version},<2'\n"
        f"PACKAGE = 'foo'\nLIBRARIES = {{'foo': {library!r}}}\n"
    )


def requires(version: str = "1.0.0") -> str:
    """Return a consumer's `_native_requires.py`."""
    entry = {
        "provider": "libfoo",
        "distribution": "libfoo",
        "version": version,
        "compatibility": "SameMajorVersion",
        "requirement": "libfoo>=1.0.0,<2",
        "libraries": ("foo",),
    }
    return f"FORMAT = 1\nREQUIRES = ({entry!r},)\n"


@dataclass(frozen=True)
class Elf:
    """Compiles in a folder of its own."""

    folder: Path

    def library(
        self, *options: str, source: str = LIBRARY, soname: str | None = NAME, file: str = NAME
    ) -> bytes:
        """Return a shared library."""
        return building.compile_library(
            source, self.folder / file, "-nostdlib", *options, soname=soname
        ).read_bytes()

    def library_with_rpath(self, path: str) -> bytes:
        """Return one for which the loader looks there: it needs more than what is always loaded."""
        return self.library(f"-Wl,-rpath,{path}", "-Wl,--no-as-needed", "-lm")

    def extension(
        self,
        *options: str,
        source: str = EXTENSION,
        library: str = LIBRARY,
        soname: str = NAME,
    ) -> bytes:
        """Return an extension module that was linked against a library."""
        self.library(source=library, soname=soname, file="against.so")
        against = str(self.folder / "against.so")
        return building.compile_library(
            source, self.folder / "_ext.so", against, "-nostdlib", "-Wl,--no-as-needed", *options
        ).read_bytes()

    def provider(
        self,
        folder: Path,
        library: bytes | None = None,
        *,
        file: str = NAME,
        runtime_name: str = NAME,
        more: Mapping[str, bytes | str] | None = None,
        anchor: str = "",
        link_file: str = "",
        **metadata: str,
    ) -> Path:
        """Return a provider's wheel; it is right unless an argument makes it wrong."""
        version = metadata.get("version", "1.0.0")
        files: dict[str, bytes | str] = {
            "libfoo/__init__.py": "",
            "libfoo/_native_libs.py": manifest(
                *(f"lib/{file}", runtime_name),
                anchor=anchor,
                link_file=link_file,
                version=version,
            ),
            "libfoo/_shared_lib_manager.py": LOADER.read_bytes(),
            "libfoo/_shared_lib_explain.py": EXPLAIN.read_bytes(),
            "libfoo/_shared_lib_fixes.py": FIXES.read_bytes(),
            "libfoo/_shared_lib_wordings.py": WORDINGS.read_bytes(),
            f"libfoo/lib/{file}": self.library() if library is None else library,
            **(more or {}),
        }
        return make_wheel(folder, "libfoo", files, **metadata)

    def consumer(
        self,
        folder: Path,
        extension: bytes | None = None,
        *,
        bound: str = "libfoo>=1.0.0,<2",
        record: bool = True,
        more: Mapping[str, bytes | str] | None = None,
        tag: str = LINUX.replace("py3-none", "cp311-abi3"),
    ) -> Path:
        """Return a consumer's wheel; it is right unless an argument makes it wrong."""
        files: dict[str, bytes | str] = {
            "foo_ext/__init__.py": CALL if record else CALL_BY_NAME,
            "foo_ext/_shared_lib_consumer.py": CONSUMER.read_bytes(),
            "foo_ext/_ext.abi3.so": self.extension() if extension is None else extension,
            **(more or {}),
        }
        if record:
            files["foo_ext/_native_requires.py"] = requires()
        return make_wheel(folder, "foo-ext", files, tag=tag, requires=[bound] if bound else [])


def for_another_processor(elf: bytes) -> bytes:
    """Return an ELF file that says that it is for another architecture."""
    (machine,) = struct.unpack_from("<H", elf, 18)
    other = _X86_64 if machine == _AARCH64 else _AARCH64
    return elf[:18] + struct.pack("<H", other) + elf[20:]


def universal(x86_64: bytes, arm64: bytes) -> bytes:
    """Return a universal Mach-O file of two thin ones."""
    align = 14
    first = 1 << align
    second = first + -(-len(x86_64) // first) * first
    header = struct.pack(">II", 0xCAFEBABE, 2)
    header += struct.pack(">IIIII", 0x01000007, 3, first, len(x86_64), align)
    header += struct.pack(">IIIII", 0x0100000C, 0, second, len(arm64), align)
    return (header.ljust(first, b"\0") + x86_64).ljust(second, b"\0") + arm64
