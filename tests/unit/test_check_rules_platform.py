"""Where the rules on platforms and sdists begin and end; no binary is made."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path

import models
import pytest
from models import (
    CONSUMERS_WHEEL,
    EXTENSION,
    FILE,
    NAME,
    PROVIDERS_WHEEL,
    binary,
    find,
    library,
    provider,
    wheel,
)
from native_lib.check import sdist as reading
from native_lib.check.binary import Binary, Export, Import
from native_lib.check.read import read_binary
from native_lib.check.rule import Finding
from native_lib.check.sdist import Sdist, read_sdist
from native_lib.check.system import interpreters_symbols
from native_lib.check.wheel import UnusableError

MUSLLINUX = "py3-none-musllinux_1_2_x86_64"
ANCHOR = "libfoo/lib/anchor.so"


# anchor-missing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "needed", "search", "found"),
    [
        (ANCHOR, (NAME,), {"runpath": ("$ORIGIN",)}, 0),
        (ANCHOR, ("libc.so", NAME), {"runpath": ("/x", "$ORIGIN")}, 0),
        (ANCHOR, (NAME,), {"rpath": ("$ORIGIN",)}, 0),  # musl does not tell them apart
        (ANCHOR, (NAME,), {}, 1),
        (ANCHOR, (NAME,), {"runpath": ("$ORIGIN/..",)}, 1),
        (ANCHOR, ("libc.so",), {"runpath": ("$ORIGIN",)}, 1),
        (ANCHOR, (), {"runpath": ("$ORIGIN",)}, 1),
        ("libfoo/anchor.so", (NAME,), {"runpath": ("$ORIGIN",)}, 1),
        ("libfoo/lib/lib/anchor.so", (NAME,), {"runpath": ("$ORIGIN",)}, 1),
        ("libfoo/anchor.so", (NAME,), {"runpath": ("$ORIGIN/lib",)}, 0),
        ("libfoo/x/anchor.so", (NAME,), {"runpath": ("${ORIGIN}/../lib/",)}, 0),
        ("anchor.so", (NAME,), {"runpath": ("$ORIGIN//libfoo/lib",)}, 0),
        (ANCHOR, (NAME,), {"runpath": ("$ORIGINAL",)}, 1),
        (ANCHOR, (NAME,), {"runpath": ("/x/$ORIGIN",)}, 1),
    ],
)
def test_anchor(
    path: str, needed: tuple[str, ...], search: dict[str, tuple[str, ...]], found: int
) -> None:
    of = binary(FILE, NAME, libc="musl")
    anchor = binary(path, needed=needed, **search)
    theirs = provider(of, anchor, libraries=[library(of, anchor=path)])
    why = f"on musl no consumer finds {NAME}, because no file NEEDs it and finds it by RUNPATH $ORIGIN"
    expected = [Finding(PROVIDERS_WHEEL, FILE, path, f"{path}: {why}")] * found
    assert find("anchor-missing", theirs) == expected
    # The loader opens the one in the manifest, and no other.
    unnamed = provider(of, anchor, libraries=[library(of)])
    expected = [Finding(PROVIDERS_WHEEL, FILE, "no anchor", f"no anchor: {why}")]
    assert find("anchor-missing", unnamed) == expected


@pytest.mark.parametrize(
    ("needed", "runpath", "found"),
    [((NAME,), ("$ORIGIN",), 0), ((NAME,), (), 1), ((), ("$ORIGIN",), 1)],
)
def test_library_that_needs_itself(
    needed: tuple[str, ...], runpath: tuple[str, ...], found: int
) -> None:
    of = binary(FILE, NAME, libc="musl", needed=needed, runpath=runpath)
    assert len(find("anchor-missing", provider(of))) == found


@pytest.mark.parametrize(
    ("tag", "libc", "format", "found"),
    [
        (MUSLLINUX, "musl", "ELF", 1),
        (models.LINUX, "musl", "ELF", 1),
        # A library that uses nothing of its C library (-nostdlib): then the tag tells.
        (MUSLLINUX, "", "ELF", 1),
        (models.LINUX, "", "ELF", 0),
        ("py3-none-manylinux_2_17_x86_64", "", "ELF", 0),
        ("py3-none-linux_x86_64.musllinux_1_2_x86_64", "", "ELF", 1),
        (MUSLLINUX, "glibc", "ELF", 0),  # that is tag-platform
        (models.LINUX, "glibc", "ELF", 0),
        (MUSLLINUX, "", "Mach-O", 0),
        (MUSLLINUX, "musl", "PE", 0),
    ],
)
def test_what_needs_an_anchor(tag: str, libc: str, format: str, found: int) -> None:
    """And what is for something else does not end the search."""
    of = binary(FILE, NAME, libc=libc, format=format)
    dll = binary("libfoo/lib/foo.dll", format="PE")
    theirs = provider(dll, of, tag=tag, libraries=[library(dll), library(of)])
    assert [f.file for f in find("anchor-missing", theirs)] == [FILE] * found


# unsigned, symbols-interposed, extension-exports, executable-stack, text-relocations --------------


@pytest.mark.parametrize(
    ("format", "architecture", "is_signed", "found"),
    [
        ("Mach-O", "aarch64", False, 1),
        ("Mach-O", "aarch64", True, 0),
        ("Mach-O", "x86_64", False, 0),
        ("ELF", "aarch64", False, 0),
        ("PE", "aarch64", False, 0),
    ],
)
def test_unsigned(format: str, architecture: str, is_signed: bool, found: int) -> None:
    of = binary(format=format, architecture=architecture, is_signed=is_signed)
    message = "arm64 without a signature, not even an ad hoc one: macOS refuses to load it"
    expected = [Finding(PROVIDERS_WHEEL, FILE, "arm64", message)] * found
    assert find("unsigned", wheel("libfoo", of)) == expected
    # What an app is made of is signed when the app is built.
    assert find("unsigned", wheel("libfoo", of, tag="cp313-cp313-ios_13_0_arm64_iphoneos")) == []


SOME = [
    ("crc32", "crc32"),
    ("crc32 adler32", "adler32, crc32"),
    ("inflate crc32 adler32", "adler32, crc32, inflate"),
    ("inflate zError crc32 adler32", "adler32, crc32, inflate and 1 more"),
    ("inflate zError crc32 adler32 zlibVersion", "adler32, crc32, inflate and 2 more"),
]


@pytest.mark.parametrize(("exports", "said"), [("z_crc32", ""), *SOME])
def test_symbols_that_an_interpreter_may_hold(exports: str, said: str) -> None:
    of = binary(FILE, NAME, exports=f"{exports} foo_one")
    rest = "which some interpreters have in their global scope: there, calls go to the interpreter's copy"
    value = said.partition(",")[0]
    expected = [Finding(PROVIDERS_WHEEL, FILE, value, f"exports {said}, {rest}")] if said else []
    assert find("symbols-interposed", provider(of)) == expected
    # What no consumer links against answers for nobody.
    assert find("symbols-interposed", wheel("libfoo", of)) == []
    for format in ("Mach-O", "PE"):
        theirs = provider(binary(FILE, NAME, exports=exports, format=format))
        assert find("symbols-interposed", theirs) == []


def test_all_symbols_that_debians_interpreter_brings() -> None:
    """Of its zlib and expat, whatever their versions."""
    folders = [folder for folder in map(Path, ("/lib", "/usr/lib")) if folder.is_dir()]
    for name, least in (("libz.so.1", 80), ("libexpat.so.1", 60)):
        file = next((f for folder in folders for f in sorted(folder.glob(f"*/{name}"))), None)
        if file is None:
            pytest.skip(f"{name} is not where Debian has it")
        (held,) = read_binary(name, file.read_bytes())
        names = {export.name for export in held.own_exports}
        assert len(names) > least
        assert names - interpreters_symbols() == set()


@pytest.mark.parametrize(
    ("exports", "said"),
    [
        ("", ""),
        ("PyInit__other _ZTI3foo _ZTS3foo _init _fini", ""),
        ("PyModExport__ext PyInitU_eckzaa PyModExportU_eckzaa", ""),
        ("_ZTV3foo", "_ZTV3foo"),
        # Cython's, as in h5py 3.16.0, and libstdc++'s, as in triton 3.9.0.
        ("__pyx_module_is_main_h5py__h5f __pyx_wrapperbase_4h5py_3h5f_6FileID_36__iter__", ""),
        ("_ZN11__gnu_debug19_Safe_sequence_base12_M_get_mutexEv _ZNSt6localeC1Ev", ""),
        ("_ZNKSs4sizeEv _ZGVNSt7collateIcE2idE _ZTVSt9exception _ZSt4cout", ""),
        # What others make: seen in contourpy, spglib, protobuf, igraph, av and tokenizers.
        ("__cxa_call_terminate _ZGTtNKSt11logic_error4whatEv _ZZNSt9once_flag1xE1y", ""),
        ("__start_linkarr_upb_AllExts .gomp_critical_user_update __Pyx_ApplyFlag", ""),
        ("PYO3_INTROSPECTION_1_10016967790595706759", ""),
        ("_ZTVN8nanobind12python_errorE _ZNK8nanobind4abi112python_error4whatEv", ""),
        ("_ZN3foo5StartENSt6stringE _ZN4Salt3addEv", "_ZN3foo5StartENSt6stringE, _ZN4Salt3addEv"),
        *SOME,
    ],
)
def test_exports_of_an_extension_module(exports: str, said: str) -> None:
    message = f"exports more than its init function: {said}"
    value = said.partition(",")[0]
    expected = [Finding(CONSUMERS_WHEEL, EXTENSION, value, message)] if said else []
    # Of a library, and on Windows, it is nothing to speak of, and hides none.
    library = binary("foo_ext/libfoo.so", exports="foo_one")
    module = binary("foo_ext/_ext.pyd", exports="PyInit__ext more", format="PE")
    ours = wheel("foo-ext", library, module, _module(exports))
    assert find("extension-exports", ours) == expected


def test_weak_exports_are_not_counted() -> None:
    exports = frozenset({Export("PyInit__ext"), Export("inline_one", is_weak=True)})
    weak = Binary(EXTENSION, "ELF", "x86_64", "", exports=exports)
    assert find("extension-exports", wheel("foo-ext", weak)) == []


def _module(exports: str = "") -> Binary:
    return binary(EXTENSION, exports=f"PyInit__ext {exports}")


@pytest.mark.parametrize(
    ("rule", "field", "value", "message"),
    [
        (
            *("executable-stack", "has_executable_stack", "PT_GNU_STACK"),
            "requires an executable stack, or does not say: glibc 2.41 refuses to load it",
        ),
        (
            *("text-relocations", "has_text_relocations", "DT_TEXTREL"),
            "DT_TEXTREL: the loader writes into its code, so processes cannot share it",
        ),
    ],
)
def test_what_a_file_says_of_itself(rule: str, field: str, value: str, message: str) -> None:
    ours = wheel("libfoo", binary("a.so"), binary("b.so", **{field: True}), binary("c.so"))
    assert find(rule, ours) == [Finding(PROVIDERS_WHEEL, "b.so", value, message)]


# tag-platform -------------------------------------------------------------------------------------

X86_64, AARCH64, I686 = "x86_64", "aarch64", "i686"
OTHERS = (("Mach-O", ""), ("PE", ""))


@pytest.mark.parametrize(
    ("platform", "admitted"),
    [
        ("linux_x86_64", "ELF x86_64 glibc, ELF x86_64 musl"),
        ("manylinux1_x86_64", "ELF x86_64 glibc"),
        ("manylinux2014_aarch64", "ELF aarch64 glibc"),
        ("manylinux_2_17_i686", "ELF i686 glibc"),
        ("musllinux_1_2_x86_64", "ELF x86_64 musl"),
        ("manylinux_2_17_ppc64le", "ELF ppc64le glibc"),
        ("linux_armv7l", "ELF armv7l glibc, ELF armv7l musl"),
        ("macosx_11_0_arm64", "Mach-O aarch64"),
        ("macosx_10_9_x86_64", "Mach-O x86_64"),
        ("macosx_10_6_i386", "Mach-O i686"),
        ("macosx_11_0_universal2", "Mach-O aarch64, Mach-O x86_64"),
        ("macosx_10_6_intel", "Mach-O x86_64, Mach-O i686"),
        ("win_amd64", "PE x86_64"),
        ("win_arm64", "PE aarch64"),
        ("win32", "PE i686"),
        # A wheel for every platform has no binaries; else one tag of several is enough.
        ("any", ""),
        ("any.win32", "PE i686"),
        ("linux_x86_64.win_amd64", "ELF x86_64 glibc, ELF x86_64 musl, PE x86_64"),
        ("manylinux_2_17_x86_64.musllinux_1_2_x86_64", "ELF x86_64 glibc, ELF x86_64 musl"),
        ("manylinux_2_17_aarch64.manylinux2014_aarch64", "ELF aarch64 glibc"),
    ],
)
def test_what_a_tag_admits(platform: str, admitted: str) -> None:
    """Of all formats, architectures and C libraries; a file that does not tell its own fits each."""
    for architecture in (X86_64, AARCH64, I686, "ppc64le", "armv7l"):
        for format, libc in (("ELF", "glibc"), ("ELF", "musl"), ("ELF", ""), *OTHERS):
            one = binary(EXTENSION, format=format, architecture=architecture, libc=libc)
            found = find("tag-platform", wheel("foo-ext", one, tag=f"py3-none-{platform}"))
            fits = any(f"{a} ".startswith(f"{one.platform} ") for a in admitted.split(", "))
            assert [f.value for f in found] == ([] if fits else [one.platform])


def test_what_is_said_of_a_tag() -> None:
    """All of its platforms, in order."""
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in (12, 17, 24, 28, 34)]
    tag = f"py3-none-{'.'.join(reversed(platforms))}"
    ours = wheel("foo-ext", binary(EXTENSION, libc="musl"), tag=tag)
    message = f"is for ELF x86_64 musl, the wheel's tag for {', '.join(platforms)}"
    expected = Finding(ours.path.name, EXTENSION, "ELF x86_64 musl", message)
    assert find("tag-platform", ours) == [expected]


@pytest.mark.parametrize(
    "platform",
    [
        "emscripten_3_1_58_wasm32",
        "ios_13_0_arm64_iphoneos",
        "macosx_10_6_fat",
        "freebsd_14_x86_64",
        "linux_x86_64.ios_13_0_arm64_iphoneos",
    ],
)
def test_tag_that_is_not_known(platform: str) -> None:
    ours = wheel("foo-ext", binary(EXTENSION, architecture=AARCH64), tag=f"py3-none-{platform}")
    assert find("tag-platform", ours) == []
    # Of the next wheel it says nothing.
    assert len(find("tag-platform", ours, wheel("bar", binary(format="PE")))) == 1


def test_architecture_that_is_not_known() -> None:
    """Then the format tells, still."""
    for format, found in (("ELF", 0), ("PE", 1)):
        one = binary(EXTENSION, format=format, architecture="unknown")
        assert len(find("tag-platform", wheel("foo-ext", one))) == found


def test_launchers_for_every_windows() -> None:
    """Installers have them; what is beside them is looked at."""
    launcher = binary("foo_ext/launcher.exe", format="PE", architecture=I686)
    library = binary("foo_ext/foo.dll", format="PE", architecture=I686)
    ours = wheel("foo-ext", launcher, library, tag="py3-none-win_amd64")
    assert [f.file for f in find("tag-platform", ours)] == ["foo_ext/foo.dll"]


@pytest.mark.parametrize(
    ("platform", "files", "found"),
    [
        # One of them is chosen at run time: tkinterdnd2 0.7.0, clr_loader 0.3.1, sounddevice 0.5.6, debugpy 1.8.22.
        ("any", "a/x64/t.so:ELF:x86_64 a/arm/t.so:ELF:aarch64", ""),
        ("any", "a/foo.dll:PE:x86_64 a/foo.dylib:Mach-O:x86_64", ""),
        ("macosx_11_0_arm64", "a/foo.dylib:Mach-O:aarch64 a/foo.dll:PE:i686", ""),
        ("win_amd64", "a/amd64.dll:PE:x86_64 a/x86.dll:PE:i686", ""),
        ("win_amd64", "a/amd64/b.dll:PE:x86_64 a/x86/b.dll:PE:i686", ""),
        # There is nothing to choose.
        ("any", "a/foo.dll:PE:x86_64 a/bar.dll:PE:x86_64", "a/foo.dll a/bar.dll"),
        ("any", "a/foo.dll:PE:x86_64", "a/foo.dll"),
        ("win_amd64", "a/x86.dll:PE:i686 a/arm.dll:PE:aarch64", "a/x86.dll a/arm.dll"),
        ("win_amd64", "a/x86.dll:PE:i686 b/amd64.dll:PE:x86_64", ""),
        ("win_amd64", "a/b/x86.dll:PE:i686 c/d/amd64.dll:PE:x86_64", "a/b/x86.dll"),
        # Python imports an extension module by its name, and the rest may be what it needs.
        ("any", "a/_x.so:ELF:x86_64 a/t.so:ELF:aarch64", "a/_x.so"),
        ("win_amd64", "a/_x.pyd:PE:x86_64 a/x86.dll:PE:i686", "a/x86.dll"),
        ("win_amd64", "a/_x.pyd:PE:i686 a/amd64.dll:PE:x86_64", "a/_x.pyd"),
    ],
)
def test_libraries_for_different_machines(platform: str, files: str, found: str) -> None:
    binaries = []
    for path, format, architecture in (file.split(":") for file in files.split()):
        exports = "PyInit__x" if "_x." in path else ""
        binaries.append(binary(path, format=format, architecture=architecture, exports=exports))
    ours = wheel("foo-ext", *binaries, tag=f"py3-none-{platform}")
    assert [f.file for f in find("tag-platform", ours)] == found.split()


# minimum-os ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "architecture", "least", "floor"),
    [
        ("macosx_10_9_x86_64", X86_64, (10, 9), ""),
        ("macosx_10_9_x86_64", X86_64, (10, 9, 5), ""),  # tags have two numbers
        ("macosx_10_9_x86_64", X86_64, (10, 8), ""),
        ("macosx_10_9_x86_64", X86_64, (10, 13), "10.9"),
        ("macosx_10_13_x86_64", X86_64, (10, 9), ""),  # numbers, not words
        ("macosx_10_9_x86_64", X86_64, (), ""),
        # pip takes a wheel whose one tag fits, so the oldest one counts.
        ("macosx_10_9_x86_64.macosx_11_0_x86_64", X86_64, (11, 0), "10.9"),
        ("macosx_11_0_x86_64.macosx_10_9_x86_64", X86_64, (11, 0), "10.9"),
        ("any.macosx_10_9_x86_64", X86_64, (11, 0), "10.9"),
        # There is no arm64 before 11.0, whatever the tag of a universal wheel says.
        ("macosx_10_9_universal2", AARCH64, (11, 0), ""),
        ("macosx_10_9_universal2", X86_64, (11, 0), "10.9"),
        ("macosx_10_9_universal2", AARCH64, (12, 0), "11.0"),
        ("macosx_10_9_universal2", AARCH64, (11, 1), "11.0"),
        ("macosx_13_0_arm64", AARCH64, (12, 0), ""),
        ("macosx_13_0_arm64", AARCH64, (13, 1), "13.0"),
        ("win_amd64", X86_64, (11, 0), ""),
    ],
)
def test_minimum_os(platform: str, architecture: str, least: tuple[int, ...], floor: str) -> None:
    one = binary(EXTENSION, format="Mach-O", architecture=architecture, minimum_os=least)
    ours = wheel("foo-ext", one, tag=f"py3-none-{platform}")
    said = ".".join(map(str, least[:2]))
    message = f"is for macOS {said} and later, the wheel's tag for {floor} and later"
    expected = [Finding(ours.path.name, EXTENSION, said, message)] if floor else []
    assert find("minimum-os", ours) == expected
    # A wheel for another system before it changes nothing, and neither does one with other files.
    assert find("minimum-os", wheel("bar"), ours) == expected
    elf = binary(EXTENSION, architecture=architecture, minimum_os=least)
    assert find("minimum-os", wheel("foo-ext", elf, tag=f"py3-none-{platform}")) == []


# tag-python ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "tied"),
    [
        ("py3-none", ""),
        ("py2.py3-none", ""),
        ("py311-none", ""),
        ("cp311-cp311", "cp311"),
        ("cp311-abi3", "cp311"),
        ("cp39.py3.cp313.cp310.cp312.cp311-none", "cp310.cp311.cp312.cp313.cp39"),
        ("pp310-pypy310_pp73", "pp310"),
        ("py3.cp311-none", "cp311"),
    ],
)
def test_tag_that_ties_to_a_python(python: str, tied: str) -> None:
    def found(*binaries: Binary) -> list[Finding]:
        return find("tag-python", wheel("foo-ext", *binaries, tag=f"{python}-linux_x86_64"))

    name = f"foo_ext-1.0.0-{python}-linux_x86_64.whl"
    message = f"the tag {tied} ties it to a Python, but nothing in it uses Python"
    expected = [Finding(name, "", tied, message)] if tied else []
    assert found(binary()) == expected
    assert found(binary(), binary("other.so", exports="PyInitial")) == expected
    # Without binaries it may be code for one Python.
    assert found() == []
    # One file that uses Python is enough: a module, and what was built on it or on its library.
    for uses in (
        {"exports": "PyInit__ext"},
        {"imports": frozenset({Import("PyLong_AsLong")})},
        {"imports": frozenset({Import("_Py_Dealloc")})},
        {"needed": ("libc.so.6", "libpython3.11.so.1.0")},
        {"needed": ("python311.dll",)},
        {"needed": ("@rpath/Python.framework/Versions/3.11/Python",)},
    ):
        assert found(binary(), binary("other.so", **uses)) == []


# sdist-without-upstream, and how an sdist is read -------------------------------------------------

SDIST = Path("libfoo-1.0.0.tar.gz")


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        ("source.toml fetch_source.py", [""]),
        ("source.toml fetch_source.py upstream/zlib.h", []),
        ("source.toml fetch_source.py upstream.txt", [""]),
        # What was fetched is written down there, and is no source.
        ("source.toml fetch_source.py upstream/native_library_source.json", [""]),
        ("source.toml fetch_source.py upstream/native_library_source.json upstream/x", []),
        ("source.toml fetch_source.py upstream/x/native_library_source.json", []),
        ("source.toml fetch_source.py src/upstream/zlib.h", [""]),
        ("source.toml", []),  # another tool's
        ("fetch_source.py", []),
        ("source.toml tools/fetch_source.py", []),
        ("my-source.toml my-fetch_source.py fetch_source.py", []),
        ("libfoo/source.toml libfoo/fetch_source.py", ["libfoo/"]),
        ("libfoo/source.toml libfoo/fetch_source.py upstream/zlib.h", ["libfoo/"]),
        ("libfoo/source.toml libfoo/fetch_source.py libfoo/upstream/zlib.h", []),
        # Upstream's own files may have these names.
        ("upstream/source.toml upstream/fetch_source.py", []),
        # One of two, whichever comes first.
        ("a/source.toml a/fetch_source.py a/upstream/x b/source.toml b/fetch_source.py", ["b/"]),
        ("b/source.toml b/fetch_source.py b/upstream/x a/source.toml a/fetch_source.py", ["a/"]),
        ("a/source.toml a/fetch_source.py b/source.toml b/fetch_source.py", ["a/", "b/"]),
        ("a/source.toml b/source.toml b/fetch_source.py", ["b/"]),
        ("b/source.toml a/source.toml a/fetch_source.py", ["a/"]),
        ("source.toml fetch_source.py upstream/source.toml", []),
    ],
)
def test_sdist_without_upstream(files: str, folders: list[str]) -> None:
    sdists = (Sdist(Path("empty.tar.gz"), frozenset()), Sdist(SDIST, frozenset(files.split())))
    expected = [
        Finding(
            *(SDIST.name, f"{folder}source.toml", f"{folder}upstream/"),
            f"has {folder}source.toml and no sources in {folder}upstream/: it cannot be built offline",
        )
        for folder in folders
    ]
    found = find("sdist-without-upstream", sdists=sdists)
    assert sorted(found, key=lambda finding: finding.file) == expected


def _sdist(folder: Path, sizes: dict[str, int]) -> Path:
    """Make an sdist of files of these sizes, which no compression makes smaller."""
    path = folder / SDIST
    with tarfile.open(path, "w:gz") as archive:
        for name, size in sizes.items():
            member = tarfile.TarInfo(f"libfoo-1.0.0/{name}")
            member.size = size
            archive.addfile(member, io.BytesIO(random.Random(name).randbytes(size)))
        for name, kind in (("upstream/sub", tarfile.DIRTYPE), ("upstream/x", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(f"libfoo-1.0.0/{name}")
            member.type, member.linkname = kind, "source.toml"
            archive.addfile(member)
    return path


def test_an_sdist_has_files_only(tmp_path: Path) -> None:
    """A folder that is empty, and a link, are nothing to build from."""
    path = _sdist(tmp_path, {"source.toml": 1, "fetch_source.py": 0})
    sdist = read_sdist(path)
    assert sdist == Sdist(path, frozenset({"source.toml", "fetch_source.py"}))
    assert len(find("sdist-without-upstream", sdists=(sdist,))) == 1


@pytest.mark.parametrize(
    ("limits", "bomb"),
    [
        ({"MAX_FILE": 2000}, ""),
        ({"MAX_FILE": 1999}, "libfoo-1.0.0/b"),
        # With what tar has before each, and up to its next block.
        ({"MAX_TOTAL": 8156 + 4 * 512, "MAX_RATIO": 0}, ""),
        ({"MAX_TOTAL": 8155, "MAX_RATIO": 0}, "libfoo-1.0.0/d"),
        # What is as large packed is no bomb, however large.
        ({"MAX_TOTAL": 0, "MAX_RATIO": 2}, ""),
        ({"MAX_FILES": 10}, ""),
        ({"MAX_FILES": 2}, "libfoo-1.0.0/d"),
    ],
)
def test_archive_bombs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], bomb: str
) -> None:
    path = _sdist(tmp_path, {"a": 1000, "b": 2000, "c": 1500, "d": 1500})
    for name, limit in limits.items():
        monkeypatch.setattr(reading, name, limit)
    if not bomb:
        assert read_sdist(path).files == {"a", "b", "c", "d"}
    else:
        with pytest.raises(UnusableError, match=f"^archive bomb: '{bomb}'$"):
            read_sdist(path)


def _endless(kind: bytes, size: int, **pax: str) -> bytes:
    """Return an archive that begins with a header of a kind, and its size."""
    first = tarfile.TarInfo("x")
    first.type, first.size = kind, size
    packed = io.BytesIO()
    with gzip.open(packed, "wb", compresslevel=1) as archive:
        archive.write(first.tobuf(tarfile.USTAR_FORMAT) + bytes(size))
        second = tarfile.TarInfo("libfoo-1.0.0/a")
        second.pax_headers = pax
        archive.write(second.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_endless(tarfile.XHDTYPE, 1 << 25), "a header of 33554432 bytes"),
        (_endless(tarfile.XGLTYPE, 1 << 25), "a header of 33554432 bytes"),
        (_endless(tarfile.GNUTYPE_LONGNAME, 1 << 25), "a header of 33554432 bytes"),
        (_endless(tarfile.GNUTYPE_SPARSE, 0), "a sparse file"),
        (
            _endless(tarfile.REGTYPE, 0, **{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}),
            "a sparse file",
        ),
    ],
    ids=["pax", "global pax", "long name", "sparse", "sparse by pax"],
)
def test_sdist_that_fills_the_memory(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / SDIST).write_bytes(content)
    with pytest.raises(UnusableError, match=f"^archive bomb: {reason}$"):
        read_sdist(tmp_path / SDIST)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE])
def test_sdist_whose_links_say_the_size_of_what_they_lead_to(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("libfoo-1.0.0/x")
    header.type, header.linkname, header.size = kind, "libfoo-1.0.0/a", 1 << 17
    file = tarfile.TarInfo("libfoo-1.0.0/a")
    content = header.tobuf() + file.tobuf() + bytes(1024)
    (tmp_path / SDIST).write_bytes(gzip.compress(content))
    assert read_sdist(tmp_path / SDIST).files == {"a"}


def test_sdist_whose_headers_never_end(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    (tmp_path / SDIST).write_bytes(gzip.compress(header.tobuf() * 1000))
    with pytest.raises(UnusableError, match="cannot be read"):
        read_sdist(tmp_path / SDIST)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"\[Errno 2\] No such file or directory: .*"),
        (b"no archive", "not a gzip file"),
        (gzip.compress(b"no archive"), "truncated header"),
        (gzip.compress(bytes(1024))[:5], "empty file"),
    ],
    ids=["no file", "no archive", "no tar in it", "cut short"],
)
def test_sdist_that_cannot_be_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / SDIST).write_bytes(content)
    with pytest.raises(UnusableError, match=f"^cannot be read: {reason}$"):
        read_sdist(tmp_path / SDIST)
