"""Every rule of `native-lib check` finds what breaks it, and nothing in what does not."""

from __future__ import annotations

import io
import platform
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

import building
import lief
import macho_and_pe
import pytest
import wheels
from native_lib.check.binary import Export
from native_lib.check.read_wheel import read_wheel
from native_lib.check.rule import WheelSet
from native_lib.check.rules import RULES
from native_lib.check.run import check

if TYPE_CHECKING:
    from pathlib import Path

    from native_lib.check.report import Report

Case = Callable[[wheels.Elf, "Path", bool], object]
CASES: dict[str, Case] = {}
FOREIGN_CASES: dict[str, Callable[[macho_and_pe.Foreign, Path, bool], object]] = {}


def case(rule: str) -> Callable[[Case], Case]:
    """Register what makes a folder of wheels, broken or not, for a rule."""

    def register(make: Case) -> Case:
        CASES[rule] = make
        return make

    return register


def findings(report: Report, rule: str) -> list[str]:
    assert report.unusable == ()
    return [
        f"{found.wheel}: {found.file}: {found.message}"
        for r, found in report.findings
        if r.id == rule
    ]


def errors(report: Report) -> list[str]:
    return [
        f"{rule.id}: {found}"
        for rule, found in report.findings
        if rule.severity_of(found) == "error"
    ]


# The set ------------------------------------------------------------------------------------------


@case("needed-unanswered")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    soname = "libfoo__other.so.1" if broken else wheels.NAME
    elf.provider(folder)
    elf.consumer(folder, elf.extension(soname=soname))


@case("library-copied")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    name = "libbar-0a1b2c3d.so.1"
    other = wheels.LIBRARY if broken else "int bar(void) { return 1; }\n"
    elf.provider(folder)
    copy = elf.library(soname=name, source=other)
    elf.consumer(folder, more={f"foo_ext.libs/{name}": copy})


@case("requirement-missing")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.consumer(folder, bound="" if broken else "LibFoo~=1.0", record=False)


@case("requirement-bound")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.consumer(folder, bound="libfoo>=1.0.0" if broken else "libfoo>=1.0.0,<2")


@case("provider-version")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder, version="1.0.0")
    elf.consumer(folder, bound="libfoo>=1.0.1,<2" if broken else "libfoo>=1.0.0,<2")


@case("symbol-missing")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(
        folder, elf.library(source="int foo_two(void) { return 2; }\n") if broken else None
    )
    elf.consumer(folder)


@case("symbol-unlinked")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder)
    source = f"int foreign(void) {{ return 1; }}\n{wheels.LIBRARY}"
    bundled = elf.library(soname="libbar-0a1b2c3d.so.1", source="int bar(void) { return 1; }\n")
    extension = elf.extension(
        library=source, soname="libbar-0a1b2c3d.so.1" if broken else wheels.NAME
    )
    elf.consumer(folder, extension, more={"foo_ext.libs/libbar-0a1b2c3d.so.1": bundled})


@case("not-loaded")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder)
    if broken:
        elf.consumer(folder, record=False, more={"foo_ext/__init__.py": ""})
    else:
        elf.consumer(folder)


@case("record-differs")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder)
    by_itself = elf.extension(source="int PyInit__ext(void) { return 1; }\n", soname="libc.so.6")
    elf.consumer(folder, by_itself if broken else None)


@case("provider-platform")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    library = elf.library()
    elf.provider(folder, wheels.for_another_processor(library) if broken else library)
    elf.consumer(folder)


@case("provider-absent")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    if not broken:
        elf.provider(folder)
    elf.consumer(folder)


# Names --------------------------------------------------------------------------------------------


@case("soname-missing")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder, elf.library(soname=None if broken else wheels.NAME))


@case("soname-differs")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder, elf.library(soname="libfoo.so.1" if broken else wheels.NAME))


@case("manifest-differs")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder, runtime_name="libfoo__foo.so.2" if broken else wheels.NAME)


@case("record-missing")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder)
    elf.consumer(folder, more={"foo_ext/__init__.py": wheels.CALL}, record=not broken)


@case("link-file")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    name = "libfoo__foo.so.2" if broken else wheels.NAME
    more = {"libfoo/lib/libfoo.so": f"INPUT({name})\n"}
    elf.provider(folder, more=more, link_file="lib/libfoo.so")


@case("name-taken")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    name = "libz.so.1" if broken else "libfoo.so.1"
    elf.provider(folder, elf.library(soname=name), file=name, runtime_name=name)


@case("library-twice")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    more = {"libfoo/lib/libfoo__foo.so": elf.library()} if broken else {}
    elf.provider(folder, more=more)


# Paths --------------------------------------------------------------------------------------------


@case("own-library-unreached")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    path = "$ORIGIN" if broken else "$ORIGIN/../foo_ext.libs"
    name = "libbar-0a1b2c3d.so.1"
    files = {
        "foo_ext/_ext.abi3.so": elf.extension(f"-Wl,-rpath,{path}", soname=name),
        f"foo_ext.libs/{name}": elf.library(soname=name),
    }
    wheels.make_wheel(folder, "foo-ext", files, tag=wheels.LINUX.replace("py3-none", "cp311-abi3"))


@case("rpath-absolute")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    path = "/build/lib" if broken else "$ORIGIN"
    elf.provider(folder, elf.library_with_rpath(path))


@case("rpath-escapes")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    path = "$ORIGIN/../../../lib" if broken else "$ORIGIN/../../foo_ext.libs"
    elf.provider(folder, elf.library_with_rpath(path))


@case("build-folder")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    prefix = "/tmp/build/prefix" if broken else "${pcfiledir}/../.."
    text = (
        f"prefix={prefix}\nLibs: ${{prefix}}/lib/libfoo__foo.so.1\nURL: https://example.org/a/b\n"
    )
    elf.provider(folder, more={"libfoo/lib/pkgconfig/foo.pc": text})


def test_where_vendors_install_is_no_build_folder(elf: wheels.Elf, tmp_path: Path) -> None:
    text = 'set(ROCM_PATH "/opt/rocm")\nset(CUDA "/usr/local/cuda/lib64")\n'
    elf.provider(tmp_path, more={"libfoo/lib/cmake/foo/fooConfig.cmake": text})
    assert findings(check([tmp_path], read_wheel), "build-folder") == []


# Platform -----------------------------------------------------------------------------------------


def musl(elf: wheels.Elf) -> str:
    """Return what makes a file need musl's libc when it is linked against it."""
    elf.library(soname="libc.so", file="libc.so", source="int puts(void) { return 0; }\n")
    return str(elf.folder / "libc.so")


@case("anchor-missing")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    against = ("-Wl,--no-as-needed", musl(elf))
    library = elf.library(*against)
    anchor = building.compile_library(
        "int anchor;\n",
        elf.folder / "anchor.so",
        *("-nostdlib", *against, str(elf.folder / wheels.NAME), "-Wl,-rpath,$ORIGIN"),
    ).read_bytes()
    name = "lib/libfoo__foo-anchor.so"
    more = {} if broken else {f"libfoo/{name}": anchor}
    elf.provider(folder, library, anchor=name, more=more)


@case("symbols-interposed")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    name = "crc32" if broken else "z_crc32"
    elf.provider(folder, elf.library(source=f"int {name}(void) {{ return 1; }}\n"))


@case("symbols-leaked")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    names = ("inflate", "inflateInit_", "inflateEnd") if broken else ("foo_inflate",)
    source = "".join(f"int {name}(void) {{ return 1; }}\n" for name in names)
    elf.provider(folder, elf.library(source=wheels.LIBRARY + source))


@case("symbols-unique")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    kind = "gnu_unique_object" if broken else "object"
    state = f".globl foo_state\\n.type foo_state, @{kind}\\nfoo_state: .long 0\\n"
    source = f'__asm__(".data\\n{state}.size foo_state, 4\\n.text");\n{wheels.LIBRARY}'
    elf.provider(folder, elf.library(source=source))


@case("bundled-copy")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder)
    name = f"lib{'foo' if broken else 'bar'}-0a1b2c3d.so.1"
    more = {f"other.libs/{name}": elf.library(soname=name)}
    wheels.make_wheel(folder, "other", more, tag=wheels.LINUX)


@case("build-string")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    place = "/home/runner/work/foo/install" if broken else "/etc"
    source = f'const char *foo_certs = "{place}/ssl/certs";\n{wheels.LIBRARY}'
    elf.provider(folder, elf.library(source=source))


@case("extension-exports")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    more = "int more(void) { return 1; }\n" if broken else ""
    elf.consumer(folder, elf.extension(source=wheels.EXTENSION + more))


@case("executable-stack")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder, elf.library(*(["-Wl,-z,execstack"] if broken else [])))


@case("text-relocations")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    section = ".text" if broken else ".data"
    source = f'{wheels.LIBRARY}__asm__(".section {section}\\n.quad foo_one\\n");\n'
    elf.provider(folder, elf.library("-Wl,-z,notext", source=source))


@case("tag-platform")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    elf.provider(folder, tag="py3-none-win_amd64" if broken else wheels.LINUX)


def needing(elf: wheels.Elf, *versions: str, library: str = "libc.so.6") -> bytes:
    """Return a provider's library that needs versions of a system's library."""
    elf.folder.mkdir(parents=True, exist_ok=True)
    script, source, uses = "", "", ""
    for number, version in enumerate(versions):
        script += f"{version} {{ global: used_{number}; }};\n"
        source += f"int used_{number}(void) {{ return 0; }}\n"
        uses += f"int used_{number}(void);\nint use_{number}(void) {{ return used_{number}(); }}\n"
    (elf.folder / "versions").write_text(script, encoding="utf-8")
    versioned = f"-Wl,--version-script={elf.folder / 'versions'}"
    elf.library(versioned, source=source, soname=library, file=library)
    return elf.library(str(elf.folder / library), source=f"{wheels.LIBRARY}{uses}")


@case("tag-versions")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    minor = 33 if broken else 34
    tag = f"py3-none-manylinux_2_{minor}_{platform.machine()}"
    elf.provider(folder, needing(elf, "GLIBC_2.17", "GLIBC_2.34"), tag=tag)


@case("tag-libc")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    more = f".musllinux_1_2_{platform.machine()}" if broken else ""
    tag = f"py3-none-manylinux_2_17_{platform.machine()}{more}"
    elf.provider(folder, needing(elf, "GLIBC_2.17"), tag=tag)


@case("tag-architecture")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    other = "linux_x86_64" if platform.machine() == "aarch64" else "linux_aarch64"
    elf.provider(folder, tag=f"{wheels.LINUX}.{other}" if broken else wheels.LINUX)


@case("tag-python")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    tag = wheels.LINUX.replace("py3-none", "cp311-cp311") if broken else wheels.LINUX
    elf.provider(folder, tag=tag)


@case("loader-differs")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    source = (
        building.ROOT / "loader" / "src" / "native_lib" / "support" / "shared_lib_manager.py"
    ).read_text(encoding="utf-8")
    text = source + ("# changed\n" if broken else "")
    elf.provider(folder, more={"libfoo/_shared_lib_manager.py": text})


@case("sdist-without-upstream")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    names = ["source.toml", "fetch_source.py", *([] if broken else ["upstream/zlib.h"])]
    with tarfile.open(folder / "libfoo-1.0.0.tar.gz", "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"libfoo-1.0.0/{name}"), io.BytesIO())


@case("unreadable")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    content = b"\0asm\1\0\0\0" if broken else b"no library"
    wheels.make_wheel(folder, "foo", {"foo/_foo.so": content})


def _repack(wheel: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Change a wheel's files, or leave some out, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            changed = change(name, content)
            if changed is not None:
                archive.writestr(name, changed)


@case("metadata-missing")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    wheel = elf.provider(folder)
    if broken:
        _repack(wheel, lambda name, content: None if name.endswith("/RECORD") else content)


@case("wheel-record")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    wheel = elf.provider(folder, more={"libfoo/text.py": "a = 1\n"})
    if broken:
        _repack(wheel, lambda name, was: b"a = 2\n" if name.endswith("text.py") else was)


@case("member-twice")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    wheel = elf.provider(folder, more={"libfoo/text.py": "a = 1\n"})
    if broken:
        with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("libfoo/text.py", "a = 1\n")


@case("member-case")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    tag = "py3-none-any" if broken else wheels.LINUX
    wheels.make_wheel(folder, "foo", {"foo/Text.py": "", "foo/text.py": ""}, tag=tag)


@case("wheel-tags")
def _(elf: wheels.Elf, folder: Path, broken: bool) -> None:
    wheel = wheels.make_wheel(folder, "foo", {"foo.py": ""}, tag="py2.py3-none-any")
    if broken:
        wheel.rename(folder / "foo-1.0.0-py3-none-any.whl")


@pytest.mark.parametrize("rule", CASES)
def test_rule(rule: str, elf: wheels.Elf, tmp_path: Path) -> None:
    for broken in (True, False):
        folder = tmp_path / str(broken)
        folder.mkdir()
        CASES[rule](elf, folder, broken)
        report = check([folder], read_wheel)
        found = findings(report, rule)
        assert len(found) == broken, report.findings
        if not broken:
            assert errors(report) == []


# Mach-O and PE ------------------------------------------------------------------------------------


def macos_provider(
    folder: Path, library: bytes, *, file: str = macho_and_pe.DYLIB, tag: str = "macosx_11_0_x86_64"
) -> None:
    files: dict[str, bytes | str] = {
        "libfoo/_native_libs.py": wheels.manifest(f"lib/{file}", f"@rpath/{file}"),
        f"libfoo/lib/{file}": library,
    }
    wheels.make_wheel(folder, "libfoo", files, tag=f"py3-none-{tag}")


def _install_name(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    file = "libfoo__foo.2.dylib" if broken else macho_and_pe.DYLIB
    macos_provider(folder, binaries.macos_x86_64, file=file)


def _dll_name(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    file = "libfoo__foo-2.dll" if broken else macho_and_pe.DLL
    files: dict[str, bytes | str] = {
        "libfoo/_native_libs.py": wheels.manifest(f"lib/{file}", file),
        f"libfoo/lib/{file}": binaries.windows,
    }
    wheels.make_wheel(folder, "libfoo", files, tag="py3-none-win_amd64")


def _unsigned(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    arm64 = binaries.macos_arm64
    if broken:
        parsed = lief.MachO.parse(arm64)
        assert parsed is not None
        (thin,) = parsed
        assert thin.remove_signature()
        thin.write(str(folder / "unsigned"))
        arm64 = (folder / "unsigned").read_bytes()
    macos_provider(
        folder, wheels.universal(binaries.macos_x86_64, arm64), tag="macosx_11_0_universal2"
    )


def _minimum_os(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    macos_provider(
        folder, binaries.macos_x86_64, tag=f"macosx_{'10_9' if broken else '11_0'}_x86_64"
    )


def with_rpath(binary: bytes, path: str, scratch: Path) -> bytes:
    parsed = lief.MachO.parse(binary)
    command = lief.MachO.RPathCommand.create(path)
    assert parsed is not None
    assert command is not None
    (thin,) = parsed
    thin.add(command)
    thin.write(str(scratch))
    return scratch.read_bytes()


def _rpath_idle(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    path = "/build/lib" if broken else "@loader_path"
    macos_provider(folder, with_rpath(binaries.macos_x86_64, path, folder / "changed"))


def _duplicate_rpath(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    library = with_rpath(binaries.macos_x86_64, "@loader_path", folder / "changed")
    again = "@loader_path" if broken else "@loader_path/sub"
    macos_provider(folder, with_rpath(library, again, folder / "changed"))


def _tag_architecture(binaries: macho_and_pe.Foreign, folder: Path, broken: bool) -> None:
    thin, both = (
        binaries.macos_x86_64,
        wheels.universal(binaries.macos_x86_64, binaries.macos_arm64),
    )
    macos_provider(folder, thin if broken else both, tag="macosx_11_0_universal2")


FOREIGN_CASES |= {
    "tag-architecture": _tag_architecture,
    "rpath-idle": _rpath_idle,
    "duplicate-rpath": _duplicate_rpath,
    "install-name": _install_name,
    "dll-name": _dll_name,
    "unsigned": _unsigned,
    "minimum-os": _minimum_os,
}


@pytest.mark.parametrize("rule", FOREIGN_CASES)
def test_rule_of_other_platforms(
    rule: str, foreign_binaries: macho_and_pe.Foreign, tmp_path: Path
) -> None:
    for broken in (True, False):
        folder = tmp_path / str(broken)
        folder.mkdir()
        FOREIGN_CASES[rule](foreign_binaries, folder, broken)
        report = check([folder], read_wheel)
        assert len(findings(report, rule)) == broken, report.findings
        if not broken:
            assert errors(report) == []


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in RULES} == CASES.keys() | FOREIGN_CASES.keys()


def test_a_folder_of_the_machine_where_dyld_looks(
    foreign_binaries: macho_and_pe.Foreign, tmp_path: Path
) -> None:
    extension = with_rpath(foreign_binaries.macos_extension, "/build/lib", tmp_path / "changed")
    files = {"foo_ext/_ext.abi3.so": extension}
    wheels.make_wheel(tmp_path, "foo-ext", files, tag="cp311-abi3-macosx_11_0_x86_64")
    report = check([tmp_path], read_wheel)
    (found,) = findings(report, "rpath-absolute")
    assert "LC_RPATH /build/lib" in found
    assert findings(report, "rpath-idle") == []


@pytest.mark.parametrize(("name", "found"), [("macos_extension", 1), ("windows_extension", 0)])
def test_exports_of_an_extension_module_on_windows_are_nobodys(
    foreign_binaries: macho_and_pe.Foreign, tmp_path: Path, name: str, found: int
) -> None:
    files = {"foo_ext/_ext.so": getattr(foreign_binaries, name)}
    wheel = read_wheel(wheels.make_wheel(tmp_path, "foo-ext", files))
    exports = frozenset({Export("PyInit__ext"), Export("more")})
    binary = replace(wheel.binaries[0], exports=exports)
    (rule,) = (rule for rule in RULES if rule.id == "extension-exports")
    assert len(list(rule.find(WheelSet((replace(wheel, binaries=(binary,)),))))) == found


@pytest.mark.parametrize("broken", [True, False])
def test_set_on_macos_and_windows(
    foreign_binaries: macho_and_pe.Foreign, tmp_path: Path, broken: bool
) -> None:
    macos_provider(tmp_path, foreign_binaries.macos_x86_64)
    _dll_name(foreign_binaries, tmp_path, broken=False)
    bound = "" if broken else "libfoo>=1,<2"
    for name, tag, extension in (
        ("_ext.abi3.so", "macosx_11_0_x86_64", foreign_binaries.macos_extension),
        ("_ext.pyd", "win_amd64", foreign_binaries.windows_extension),
    ):
        wheels.make_wheel(
            *(tmp_path, "foo-ext", {f"foo_ext/{name}": extension}),
            tag=f"cp311-abi3-{tag}",
            requires=[bound] if bound else [],
        )
    report = check([tmp_path], read_wheel)
    assert len(findings(report, "requirement-missing")) == 2 * broken
    if not broken:
        assert errors(report) == []


def test_symbol_missing_on_windows(foreign_binaries: macho_and_pe.Foreign, tmp_path: Path) -> None:
    # The extension module itself, under the library's name, exports nothing that is asked for.
    files: dict[str, bytes | str] = {
        f"libfoo/lib/{macho_and_pe.DLL}": foreign_binaries.windows_extension
    }
    wheels.make_wheel(tmp_path, "libfoo", files, tag="py3-none-win_amd64")
    files = {"foo_ext/_ext.pyd": foreign_binaries.windows_extension}
    wheels.make_wheel(
        tmp_path, "foo-ext", files, tag="cp311-abi3-win_amd64", requires=["libfoo>=1,<2"]
    )
    (found,) = findings(check([tmp_path], read_wheel), "symbol-missing")
    assert f"needs foo_one, which {macho_and_pe.DLL} of libfoo 1.0.0 does not export" in found


# Finer points -------------------------------------------------------------------------------------


def test_copy_under_a_mangled_name(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.provider(tmp_path)
    name = "libfoo__foo-0a1b2c3d.so.1"
    copy = elf.library(soname=name, source="int stripped(void) { return 1; }\n")
    elf.consumer(tmp_path, more={f"foo_ext.libs/{name}": copy})
    (found,) = findings(check([tmp_path], read_wheel), "library-copied")
    assert name in found


def test_copy_whose_provider_is_not_here(elf: wheels.Elf, tmp_path: Path) -> None:
    """The private name says whose it is, whatever repair tools put into it."""
    copy = elf.library()
    elf.consumer(tmp_path, more={"foo_ext.libs/libfoo__foo-1a2b3c4d.so.1": copy})
    (found,) = findings(check([tmp_path], read_wheel), "library-copied")
    assert "has a copy of libfoo__foo.so.1, by its name a library of libfoo" in found
    # With the provider beside it, it is told once, and no other way takes it back.
    elf.provider(tmp_path)
    (found,) = findings(check([tmp_path], read_wheel), "library-copied")
    assert "has a copy of libfoo__foo.so.1, which libfoo provides" in found
    elf.consumer(
        tmp_path, bound="", record=False, more={"foo_ext.libs/libfoo__foo-1a2b3c4d.so.1": copy}
    )
    (found,) = findings(check([tmp_path], read_wheel), "library-copied")
    assert "by its name a library of libfoo" in found


def test_requirements_of_other_systems_do_not_count(elf: wheels.Elf, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "foo_ext/_ext.abi3.so": elf.extension(),
        "foo_ext/_native_requires.py": wheels.requires(),
    }
    lines = ["libfoo; sys_platform == 'win32'", "libfoo>=1.0.0,<2; sys_platform != 'win32'"]
    wheels.make_wheel(tmp_path, "foo-ext", files, requires=lines)
    assert findings(check([tmp_path], read_wheel), "requirement-bound") == []
    wheels.make_wheel(tmp_path, "foo-ext", files, requires=[lines[0].replace("==", "!=")])
    assert len(findings(check([tmp_path], read_wheel), "requirement-bound")) == 1


def test_requirement_that_may_hold_counts(elf: wheels.Elf, tmp_path: Path) -> None:
    """Of its Python a wheel's tags say only the first version."""
    elf.consumer(tmp_path, bound="libfoo>=1.0.0,<2; python_full_version > '3.11.4'")
    assert findings(check([tmp_path], read_wheel), "requirement-missing") == []
    elf.consumer(tmp_path, bound="libfoo>=1.0.0,<2; python_version < '3.11'")
    assert len(findings(check([tmp_path], read_wheel), "requirement-missing")) == 1


def test_loader_that_differs_in_its_indentation(elf: wheels.Elf, tmp_path: Path) -> None:
    text = (
        building.ROOT / "loader" / "src" / "native_lib" / "support" / "shared_lib_manager.py"
    ).read_text("utf-8")
    changed = text.replace("        return", "    return", 1)
    assert changed != text
    elf.provider(tmp_path, more={"libfoo/_shared_lib_manager.py": changed})
    assert len(findings(check([tmp_path], read_wheel), "loader-differs")) == 1
    elf.provider(tmp_path, more={"libfoo/_shared_lib_manager.py": text.replace("\n", "\r\n")})
    assert findings(check([tmp_path], read_wheel), "loader-differs") == []


def test_copy_in_another_wheel_does_not_answer_for_the_provider(
    elf: wheels.Elf, tmp_path: Path
) -> None:
    elf.consumer(tmp_path)
    files: dict[str, bytes | str] = {"other.libs/libfoo__foo-1a2b3c4d.so.1": elf.library()}
    wheels.make_wheel(tmp_path, "other", files)
    report = check([tmp_path], read_wheel)
    assert findings(report, "requirement-missing") == []
    assert len(findings(report, "provider-absent")) == 1
    elf.provider(tmp_path)
    assert findings(check([tmp_path], read_wheel), "provider-absent") == []


def test_probe_symbol_that_is_not_exported(elf: wheels.Elf, tmp_path: Path) -> None:
    text = wheels.manifest().replace("'probe_symbol': ''", "'probe_symbol': 'foo_version'")
    elf.provider(tmp_path, more={"libfoo/_native_libs.py": text})
    (found,) = findings(check([tmp_path], read_wheel), "manifest-differs")
    assert "exports foo_version; it does not" in found


def test_names_of_types_are_no_exports_to_speak_of(elf: wheels.Elf, tmp_path: Path) -> None:
    source = wheels.EXTENSION + "int _ZTI3foo, _ZTS3foo;\n"
    elf.consumer(tmp_path, elf.extension(source=source))
    assert findings(check([tmp_path], read_wheel), "extension-exports") == []


@pytest.mark.parametrize("version", ["FOO_1", "FOO_2"])
def test_symbol_versions(elf: wheels.Elf, tmp_path: Path, version: str) -> None:
    elf.folder.mkdir()

    def script(name: str) -> str:
        path = elf.folder / f"{name}.map"
        path.write_text(f"{name} {{ global: foo_*; local: *; }};\n", encoding="utf-8")
        return f"-Wl,--version-script={path}"

    elf.provider(tmp_path, elf.library(script("FOO_1")))
    elf.library(script(version), file="versioned.so")
    extension = building.compile_library(
        wheels.EXTENSION, elf.folder / "_ext.so", str(elf.folder / "versioned.so"), "-nostdlib"
    ).read_bytes()
    elf.consumer(tmp_path, extension)
    found = findings(check([tmp_path], read_wheel), "symbol-missing")
    assert len(found) == (version != "FOO_1")
    assert all("needs foo_one@FOO_2" in line for line in found)


def test_c_libraries_differ(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.provider(tmp_path, elf.library("-Wl,--no-as-needed", musl(elf), "-Wl,-rpath,$ORIGIN"))
    elf.consumer(tmp_path, elf.extension("-lc"))
    (found,) = findings(check([tmp_path], read_wheel), "provider-platform")
    assert found.endswith("musl")


def test_bound_that_admits_what_is_too_old(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.consumer(tmp_path, bound="libfoo<2")
    (found,) = findings(check([tmp_path], read_wheel), "requirement-bound")
    assert "admits 0.99" in found


def test_bound_of_a_consumer_without_a_record(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.provider(tmp_path)
    elf.consumer(tmp_path, bound="libfoo", record=False)
    (found,) = findings(check([tmp_path], read_wheel), "requirement-bound")
    assert "admits 2" in found


def test_plain_name_of_a_recorded_provider_is_a_note(elf: wheels.Elf, tmp_path: Path) -> None:
    elf.consumer(tmp_path, elf.extension(soname="libfoo.so.1"))
    report = check([tmp_path], read_wheel)
    assert errors(report) == []
    assert len(findings(report, "provider-absent")) == 1


def test_symlink_in_a_wheel(elf: wheels.Elf, tmp_path: Path) -> None:
    wheel = elf.provider(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        link = zipfile.ZipInfo("libfoo/lib/libfoo.so")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, wheels.NAME)
    (found,) = findings(check([tmp_path], read_wheel), "library-twice")
    assert "is a symlink" in found


def test_wheels_of_several_platforms_in_one_folder(
    elf: wheels.Elf, foreign_binaries: macho_and_pe.Foreign, tmp_path: Path
) -> None:
    elf.provider(tmp_path)
    elf.consumer(tmp_path)
    macos_provider(tmp_path, foreign_binaries.macos_arm64, tag="macosx_11_0_arm64")
    assert errors(check([tmp_path], read_wheel)) == []
    (tmp_path / f"libfoo-1.0.0-{wheels.LINUX}.whl").unlink()
    assert len(findings(check([tmp_path], read_wheel), "provider-platform")) == 1
