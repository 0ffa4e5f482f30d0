"""Archives and finished libraries made into providers for macOS, Windows and musl, and read here."""

from __future__ import annotations

import io
import shutil
import struct
import sys
import zipfile
from typing import TYPE_CHECKING, Callable

import building
import lief
import pytest
from elf import dynamic, exports
from native_lib.support.native_library_archive import Archive, copy
from native_lib.support.native_library_prebuilt import Dll
from platforms import cross
from platforms.test_repair import apples_tools

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or cross.zig() is None, reason="cross-compiles on Linux with zig"
)

HEAD = "cmake_minimum_required(VERSION 3.25)\nproject(x VERSION 1.2.3 LANGUAGES C)\ninclude(NativeLibrary)\n"
PROVIDER = "PROVIDER libfoo COMPATIBILITY SameMajorVersion)\n"
ARCHIVE = f"""{HEAD}
add_library(foo_static STATIC foo.c other.c)
set_target_properties(foo_static PROPERTIES POSITION_INDEPENDENT_CODE ON)
native_library_archive(foo ARCHIVE $<TARGET_FILE:foo_static> EXPORTS foo_*)
native_library_provider(foo {PROVIDER}"""
PREBUILT = f"""{HEAD}
native_library_prebuilt(base FILE {{base}})
native_library_prebuilt(foo FILE {{foo}} NEEDS base)
native_library_provider(base foo {PROVIDER}"""
ALONE = f"{HEAD}\nnative_library_prebuilt(foo FILE {{foo}} IMPLIB foo.lib)\nnative_library_provider(foo {PROVIDER}"
EXPORT = "#ifdef _WIN32\n__declspec(dllexport)\n#endif\n"
SOURCES = {
    "foo.c": "int foo_one(void) { return 1; }\nint inner(void) { return 2; }\n",
    # Nothing asks for this object.
    "other.c": "int foo_other(void) { return 3; }\n",
    "base.c": f"{EXPORT}int base_two(void) {{ return 2; }}\n{EXPORT}int base_data = 5;\n",
    "top.c": f"int base_two(void);\n{EXPORT}int foo_get(void) {{ return base_two(); }}\n",
}
NAMES = {
    "Linux": ("libbase.so.9", "libfoo.so.9"),
    "Darwin": ("libbase.9.dylib", "libfoo.9.dylib"),
    "Windows": ("base.dll", "foo.dll"),
}

Build = Callable[..., "Path"]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Return a function that builds a project for a target, and gives its provider's lib folder."""

    def make(target: cross.Target, lists: str) -> Path:
        project = write(tmp_path)
        (project / "CMakeLists.txt").write_text(lists, encoding="utf-8")
        made = cross.Cross(target, tmp_path / "cross")
        if target.system == "Darwin":
            path = f"{apples_tools(tmp_path / 'apple')}:{building.environment()['PATH']}"
            monkeypatch.setenv("PATH", path)
        tools = [] if (tool := dlltool()) is None else [f"-DCMAKE_DLLTOOL={tool}"]
        made.build(project, "1.2.3", *tools)
        return made.site / "libfoo" / "lib"

    return make


def write(folder: Path) -> Path:
    project = folder / "project"
    (project / "python").mkdir(parents=True, exist_ok=True)
    for name, text in SOURCES.items():
        (project / name).write_text(text, encoding="utf-8")
    return project


def dlltool() -> str | None:
    return shutil.which("llvm-dlltool") or shutil.which("llvm-dlltool-14")


def compile_two(project: Path, target: cross.Target) -> tuple[str, str]:
    """Compile two libraries as a vendor would, of which one needs the other; return their names."""
    names = NAMES[target.system]
    compiler = (str(cross.zig()), "cc", "-target", target.zig, "-s")
    for source, name in zip(("base.c", "top.c"), names):
        options = [f"-Wl,-soname,{name}", "-shared"]
        if target.system == "Darwin":
            options = [
                "-dynamiclib",
                "-install_name",
                f"/opt/vendor/{name}",
                "-Wl,-rpath,/opt/vendor",
            ]
            options.append("-Wl,-headerpad_max_install_names")
        elif target.system == "Windows":
            options = ["-shared", f"-Wl,--out-implib,{name[:-4]}.lib"]
        needs = []
        if source == "top.c":
            needs = ["base.lib" if target.system == "Windows" else names[0]]
        building.run(*compiler, source, *needs, *options, "-o", name, cwd=project)
    return names


@pytest.mark.parametrize(
    "name", ["musl-x86_64", "linux-aarch64", "windows-x86_64", "windows-arm64"]
)
def test_archive_exports_what_is_named(build: Build, name: str) -> None:
    target = cross.TARGETS[name]
    library = build(target, ARCHIVE) / target.file("libfoo__foo", "1")
    if target.system == "Windows":
        assert set(Dll(library).exports()) == {"foo_one", "foo_other"}
        implib = library.with_name("libfoo__foo.lib").read_bytes()
        assert b"__imp_foo_one\0" in implib
        assert b"__imp_inner\0" not in implib
        assert library.name.encode() + b"\0" in implib
        return
    file = lief.ELF.parse(library)
    assert file is not None
    assert {symbol.name for symbol in file.exported_symbols} == {"foo_one", "foo_other"}


def test_archive_on_macos_is_taken_as_a_whole(build: Build) -> None:
    """zig's linker ignores the list of exports; the next test asks another one."""
    target = cross.TARGETS["macos-arm64"]
    library = build(target, ARCHIVE) / target.file("libfoo__foo", "1")
    assert {"_foo_one", "_foo_other"} <= set(exported_by_mach_o(library))


def test_archive_exports_what_is_named_by_macos_linker(tmp_path: Path) -> None:
    """With lld for Apple's, and the options and the list that the build would give it."""
    linker = shutil.which("ld64.lld") or shutil.which("ld64.lld-14")
    if linker is None:
        pytest.skip("requires ld64.lld (Debian: lld-14)")
    project = write(tmp_path)
    zig = str(cross.zig())
    compiler = (zig, "cc", "-target", "aarch64-macos.11.0", "-c")
    for source in ("foo.c", "other.c"):
        building.run(*compiler, source, cwd=project)
    building.run(zig, "ar", "--format=darwin", "rcs", "libfoo.a", "foo.o", "other.o", cwd=project)
    archive = Archive("foo", "Darwin", tmp_path / "b", project / "libfoo.a", ("foo_*",))
    copy(archive)
    options = [*archive.whole_archive, *archive.options]
    words = [word for option in options for word in option.removeprefix("-Wl,").split(",")]
    platform = ("-arch", "arm64", "-platform_version", "macos", "11.0", "11.0")
    library = tmp_path / "libfoo.dylib"
    building.run(linker, "-dylib", *platform, *words, "-o", library)
    assert exported_by_mach_o(library) == ["_foo_one", "_foo_other"]


def exported_by_mach_o(library: Path) -> list[str]:
    parsed = lief.MachO.parse(library)
    assert parsed is not None
    (file,) = parsed
    return sorted(str(symbol.name) for symbol in file.exported_symbols)


@pytest.mark.parametrize("name", ["musl-x86_64", "macos-arm64", "macos-x86_64"])
def test_prebuilt_libraries_get_private_names(build: Build, tmp_path: Path, name: str) -> None:
    target = cross.TARGETS[name]
    base, foo = compile_two(write(tmp_path), target)
    lib = build(target, PREBUILT.format(base=base, foo=foo))
    new = {stem: lib / target.file(f"libfoo__{stem}", "1") for stem in ("base", "foo")}
    if target.is_musl:
        # A search that finds the file by this name gives it one.
        for stem, library in new.items():
            with (lib / f"libfoo__{stem}-anchor.so").open("rb") as file:
                told = dynamic(file)
            assert library.name in told["NEEDED"]
            assert told["RUNPATH"] == ["$ORIGIN"]
        with new["foo"].open("rb") as file:
            told = dynamic(file)
        assert told["SONAME"] == [new["foo"].name]
        assert new["base"].name in told["NEEDED"]
        assert base not in told["NEEDED"]
        return
    parsed = lief.MachO.parse(new["foo"])
    assert parsed is not None
    (mach_o,) = parsed
    needed = [library.name for library in mach_o.libraries]
    assert needed[0] == f"@rpath/{new['foo'].name}"
    assert f"@rpath/{new['base'].name}" in needed
    assert not [
        path for path in (*needed, *(each.path for each in mach_o.rpaths)) if "vendor" in path
    ]
    assert {"_base_data", "_base_two"} <= set(exported_by_mach_o(new["base"]))


def test_prebuilt_dll_gets_an_import_library(build: Build, tmp_path: Path) -> None:
    if dlltool() is None:
        pytest.skip("requires llvm-dlltool (Debian: llvm-14)")
    target = cross.TARGETS["windows-x86_64"]
    project = write(tmp_path)
    compile_two(project, target)
    shutil.copy(project / "base.dll", project / "foo.dll")
    shutil.copy(project / "base.lib", project / "foo.lib")
    lib = build(target, ALONE.format(foo="foo.dll"))
    library = lib / "libfoo__foo-1.dll"
    # Not a byte of it is another: a signature stays valid.
    assert library.read_bytes() == (project / "foo.dll").read_bytes()
    assert Dll(library).exports() == {"base_two": True, "base_data": False}
    # A program that is linked with it asks for the new name.
    (project / "uses.c").write_text("int base_two(void);\nint main(void) { return base_two(); }\n")
    compiler = (str(cross.zig()), "cc", "-target", target.zig)
    building.run(*compiler, "uses.c", lib / "libfoo__foo.lib", "-o", "uses.exe", cwd=project)
    assert library.name in Dll(project / "uses.exe").imports()


def test_dlls_that_need_each_other_are_refused(build: Build, tmp_path: Path) -> None:
    target = cross.TARGETS["windows-x86_64"]
    base, foo = compile_two(write(tmp_path), target)
    with pytest.raises(building.CommandError) as failed:
        build(target, PREBUILT.format(base=base, foo=foo))
    said = " ".join(str(failed.value).split())
    assert (
        "native_library_prebuilt(foo): foo.dll needs base.dll, and only a linker can write" in said
    )
    assert "Traceback" not in said


def test_libsodium_for_windows_exports_what_it_does_on_linux(
    sockets: building.Sockets, tmp_path: Path
) -> None:
    """There its own build is Visual Studio's, so its sources are compiled by CMake."""
    made = cross.Cross(cross.TARGETS["windows-x86_64"], tmp_path)
    made.build(building.ROOT / "reference-packages" / "sodium", "1.0.22")
    lib = made.site / "native_sodium" / "lib"
    ours = set(Dll(lib / "native_sodium__sodium-1.0.dll").exports())
    with zipfile.ZipFile(sockets.sodium) as archive:
        (name,) = (name for name in archive.namelist() if ".so." in name)
        theirs = exports(io.BytesIO(archive.read(name)))
    # zig's start-up code exports a few of its own.
    assert {name for name in ours if name.startswith(("crypto_", "sodium_", "random"))} == theirs
    assert (lib / "sodium.lib").is_file()
    assert (made.site / "native_sodium" / "include" / "sodium" / "version.h").is_file()


def test_dll_is_read_as_others_read_it(tmp_path: Path) -> None:
    target = cross.TARGETS["windows-x86_64"]
    project = write(tmp_path)
    for name in compile_two(project, target):
        ours, theirs = Dll(project / name), lief.PE.parse(project / name)
        assert theirs is not None
        directory = theirs.get_export()
        assert directory is not None
        assert set(ours.exports()) == {str(entry.name) for entry in directory.entries}
        assert ours.imports() == [str(library.name) for library in theirs.imports]
        assert struct.pack("<H", ours.machine) == struct.pack("<H", theirs.header.machine.value)
