"""Where the rules on paths begin and end; no file is made."""

from __future__ import annotations

import pytest
from models import FILE, PROVIDERS_WHEEL, binary, find, wheel
from native_lib.check.binary import Import
from native_lib.check.rule import Finding

# What loaders replace by a folder that moves with the wheel.
ORIGINS = (("ELF", "$ORIGIN"), ("ELF", "${ORIGIN}"), ("Mach-O", "@loader_path"))


# rpath-absolute, rpath-idle -----------------------------------------------------------------------


@pytest.mark.parametrize(("format", "origin"), ORIGINS)
def test_paths_of_the_wheel(format: str, origin: str) -> None:
    """And to the other format's loader they are folders of that name."""
    paths = (origin, f"{origin}/", f"{origin}/lib")
    for of in ("ELF", "Mach-O"):
        ours = wheel("libfoo", binary(runpath=paths, needed=("@rpath/x",), format=of))
        found = find("rpath-absolute", ours)
        assert [f.value for f in found] == (list(paths) if of != format else [])
        for rule in ("rpath-idle", "rpath-escapes"):
            assert find(rule, ours) == []


@pytest.mark.parametrize(
    ("path", "name", "exports", "found"),
    [
        ("libfoo/lib/libfoo.dylib", "", "", 1),
        ("libfoo/lib/foo", "@rpath/foo", "", 1),
        ("foo_ext/_ext.so", "", "", 1),
        ("foo_ext/_ext", "", "PyInit__ext", 1),
        ("libfoo-1.0.0.data/scripts/foo", "", "main", 0),  # is the program itself
    ],
)
def test_folder_of_the_program(path: str, name: str, exports: str, found: int) -> None:
    """Python is in no wheel."""
    of = binary(
        *(path, name),
        format="Mach-O",
        exports=exports,
        needed=("@rpath/x",),
        rpath=("@executable_path/../lib",),
    )
    assert len(find("rpath-absolute", wheel("libfoo", of))) == found


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/build/lib", "/build/lib"),
        ("", "(empty: the current folder)"),
        (".", "."),
        ("lib", "lib"),
        ("../../../lib", "../../../lib"),
        ("/../../../lib", "/../../../lib"),
        ("$ORIGINAL/lib", "$ORIGINAL/lib"),
        ("/x/$ORIGIN", "/x/$ORIGIN"),
        ("$LIB", "$LIB"),
        ("@loader_paths", "@loader_paths"),
        ("@executable_path/../lib", "@executable_path/../lib"),
        ("@rpath", "@rpath"),
    ],
)
@pytest.mark.parametrize("where", ["rpath", "runpath"])
def test_paths_of_the_machine(path: str, said: str, where: str) -> None:
    ours = wheel("libfoo", binary(**{where: ("$ORIGIN", path)}, needed=("libz.so.1",)))
    message = f"RPATH or RUNPATH {said} is a folder of the machine, not of the wheel"
    assert find("rpath-absolute", ours) == [Finding(PROVIDERS_WHEEL, FILE, path, message)]
    assert find("rpath-idle", ours) == []
    assert find("rpath-escapes", ours) == []


@pytest.mark.parametrize(
    ("needed", "rule", "message"),
    [
        ("@rpath/x.dylib", "rpath-absolute", "is a folder of the machine, not of the wheel"),
        (
            "@loader_path/x",
            "rpath-idle",
            "is a folder of the machine; nothing is searched for there",
        ),
    ],
)
def test_paths_that_dyld_looks_in(needed: str, rule: str, message: str) -> None:
    """One file of the wheel that makes it look is enough."""
    ours = wheel(
        "libfoo",
        binary(rpath=("/build/lib",), format="Mach-O"),
        binary("libfoo/other.dylib", needed=("/usr/lib/libz.1.dylib", needed), format="Mach-O"),
    )
    message = f"LC_RPATH /build/lib {message}"
    assert find(rule, ours) == [Finding(PROVIDERS_WHEEL, FILE, "/build/lib", message)]
    (other,) = {"rpath-absolute", "rpath-idle"} - {rule}
    assert find(other, ours) == []


@pytest.mark.parametrize(
    ("path", "needed", "imports", "rule"),
    [
        # shapely's wheels for aarch64 have such an extension module.
        ("foo_ext/_ext.so", "libc.so.6", "", "rpath-idle"),
        ("foo_ext/_ext.so", "libc.so.6.1 ld-linux-x86-64.so.2", "", "rpath-idle"),
        ("foo_ext/_ext.so", "libc.musl-x86_64.so.1", "", "rpath-idle"),
        ("foo_ext/_ext.so", "libc.so", "", "rpath-idle"),
        ("foo_ext/_ext.so", "", "malloc", "rpath-idle"),
        ("foo_ext/_ext.so", "libc.so.6 libm.so.6", "", "rpath-absolute"),
        ("foo_ext/_ext.so", "libcurl.so.4", "", "rpath-absolute"),
        ("foo_ext/_ext.so", "libc.so.6", "dlopen", "rpath-absolute"),  # it looks there, too
        ("foo_ext/bin/foo", "libc.so.6", "", "rpath-absolute"),  # nothing is loaded before
    ],
)
def test_paths_that_elfs_loader_looks_in(path: str, needed: str, imports: str, rule: str) -> None:
    of = binary(
        path,
        needed=tuple(needed.split()),
        imports=frozenset(map(Import, imports.split())),
        runpath=("/build/lib",),
    )
    (found,) = find(rule, wheel("libfoo", of))
    assert found.message.startswith("RPATH or RUNPATH /build/lib is a folder of the machine")
    (other,) = {"rpath-absolute", "rpath-idle"} - {rule}
    assert find(other, wheel("libfoo", of)) == []


# duplicate-rpath ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "paths", "found"),
    [
        ("Mach-O", "@loader_path @loader_path", ["@loader_path"]),
        ("Mach-O", "a b a c b a", ["a", "b"]),
        ("Mach-O", "@loader_path @loader_path/", []),  # dyld compares the text
        ("Mach-O", "", []),
        ("ELF", "$ORIGIN $ORIGIN", []),
    ],
)
def test_search_paths_that_are_there_twice(format: str, paths: str, found: list[str]) -> None:
    """Each is told once."""
    ours = wheel("libfoo", binary(rpath=tuple(paths.split()), format=format))
    assert [f.value for f in find("duplicate-rpath", ours)] == found


def test_search_paths_of_two_architectures() -> None:
    """The halves of a universal file are loaded one at a time."""
    halves = (
        binary(rpath=("@loader_path",), format="Mach-O", architecture=architecture)
        for architecture in ("x86_64", "aarch64")
    )
    assert find("duplicate-rpath", wheel("libfoo", *halves)) == []


def test_search_paths_of_each_file_and_each_half() -> None:
    """Bundled files count, and so does the half that is not the first."""
    for path in ("libfoo/lib/libfoo.dylib", "libfoo/.dylibs/libz.1.dylib", "libfoo/_ext.so"):
        halves = (
            binary(
                path, rpath=("@loader_path",) * times, format="Mach-O", architecture=architecture
            )
            for architecture, times in (("x86_64", 1), ("aarch64", 2))
        )
        assert [f.file for f in find("duplicate-rpath", wheel("libfoo", *halves))] == [path]


# rpath-escapes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "path", "found"),
    [
        ("libfoo/lib/a.so", "/../..", 0),
        ("libfoo/lib/a.so", "/../../../lib", 1),
        ("libfoo/lib/a.so", "/../../foo_ext.libs", 0),
        ("libfoo/lib/a.so", "/sub/../../..", 0),
        ("libfoo/lib/a.so", "/sub/../../../..", 1),
        ("libfoo/lib/a.so", "/../../../site-packages/x", 1),  # of which nobody knows the name
        ("a.so", "", 0),
        ("a.so", "/lib", 0),
        ("a.so", "/..", 1),
        # These two schemes go to site-packages …
        ("libfoo-1.0.0.data/platlib/libfoo/a.so", "/..", 0),
        ("libfoo-1.0.0.data/platlib/libfoo/a.so", "/../..", 1),
        ("libfoo-1.0.0.data/purelib/a.so", "/..", 1),
        # … and the others where only the installer knows.
        ("libfoo-1.0.0.data/scripts/a", "/../lib/x", 0),
        ("libfoo-1.0.0.data/data/lib/a.so", "/../../../..", 0),
        ("libfoo.database/a.so", "/../..", 1),
        ("libfoo/x.data/scripts/a", "/../../../..", 1),
    ],
)
@pytest.mark.parametrize(("format", "origin"), ORIGINS)
def test_paths_that_lead_out(file: str, path: str, found: int, format: str, origin: str) -> None:
    message = f"RPATH {origin}{path} leads out of the folder that the wheel is installed in"
    expected = [Finding(PROVIDERS_WHEEL, file, origin + path, message)] * found
    for where in ("rpath", "runpath"):
        of = {"format": format, "needed": ("@rpath/x",), where: (origin, origin + path)}
        ours = wheel("libfoo", binary(file, **of))
        assert find("rpath-escapes", ours) == expected
        assert find("rpath-absolute", ours) == []


def test_paths_that_lead_out_and_that_dyld_does_not_look_in() -> None:
    """As in pygame-ce 2.5.8."""
    path = "@loader_path/../../../lib"
    of = binary(rpath=("@loader_path/..", path), format="Mach-O", needed=("@loader_path/x",))
    message = f"LC_RPATH {path} is outside of site-packages; nothing is searched for there"
    assert find("rpath-escapes", wheel("libfoo", of)) == []
    assert find("rpath-idle", wheel("libfoo", of)) == [
        Finding(PROVIDERS_WHEEL, FILE, path, message)
    ]


def test_files_of_another_scheme_hide_no_others() -> None:
    script = binary("libfoo-1.0.0.data/scripts/a", rpath=("$ORIGIN/../lib",))
    ours = wheel("libfoo", script, binary("a.so", rpath=("$ORIGIN/..",), needed=("x",)))
    assert [f.file for f in find("rpath-escapes", ours)] == ["a.so"]


# build-folder -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("prefix=/tmp/build", "/tmp/build"),
        ('set(X "/tmp/build/include")', "/tmp/build/include"),
        ("set(X /tmp/build/include)", "/tmp/build/include"),
        ("set(X '/tmp/build/a b')", "/tmp/build/a"),
        ("include;/tmp/build/include;lib", "/tmp/build/include"),
        ("/usr/include;/tmp/build/include", "/tmp/build/include"),
        ("Libs: -L/usr/lib -L/tmp/build/lib", "/tmp/build/lib"),
        ("Libs: -Wl,-rpath,/tmp/build/lib", "/tmp/build/lib"),
        ("Cflags: -I/tmp/build/include", "/tmp/build/include"),
        ("Libs: -lfoo -L/tmp/build/lib", "/tmp/build/lib"),
        ('set(X "-L/tmp/build/lib")', "/tmp/build/lib"),
        ("/~me/build/x", "/~me/build/x"),
        ("/home/me/x", "/home/me/x"),
        ("/usr/local/include", "/usr/local/include"),
        ("/libfoo/x", "/libfoo/x"),
        ("Cflags: -isystem/tmp/build/include", "/tmp/build/include"),
        ("Cflags: -iquote/tmp/build/include", "/tmp/build/include"),
        ('set(X "$<BUILD_INTERFACE:/tmp/build/include>")', "/tmp/build/include"),
        (r'set(X "\$<LINK_ONLY:/tmp/build/libx.a>;y")', "/tmp/build/libx.a"),
        ('set(X "$<$<CONFIG:Debug>:/tmp/build/libx.a>")', "/tmp/build/libx.a"),
        ('set(X "$<LINK_ONLY:C:/build/x.lib>")', "C:/build/x.lib"),
        ('set(X "file:///tmp/build/x")', "/tmp/build/x"),
        ("$<LINK_ONLY:foo::foo>", ""),
        ("$<BUILD_INTERFACE:include/foo/bar>", ""),
        ("URL: file://tmp", ""),
        ('set(X "C:/build/include")', "C:/build/include"),
        (r'set(X "d:\build\include")', r"d:\build\include"),
        # A path of another file or of no machine.
        ("prefix=${pcfiledir}/../..", ""),
        ('set(X "${_IMPORT_PREFIX}/include/foo")', ""),
        ("$ENV{HOME}/build/x", ""),
        ("$<INSTALL_PREFIX>/include/foo", ""),
        ("URL: https://example.org/foo/bar", ""),
        ("URL: https://example.org/x-I/foo/bar", ""),
        ("include/foo/bar", ""),
        ("../foo/bar", ""),
        ("lib*/foo/bar", ""),
        ("a-/foo/bar", ""),
        ("//server/share/x", ""),
        ("set(X /tmp)", ""),  # one part may be anything, as a regular expression
        ("# made in /tmp/build/x", ""),
        ("set(X y) # as in /tmp/build/x", ""),
        ("set(CMAKE_FIND_ROOT_PATH /usr/${TARGET}/)", ""),  # blosc2 4.14.1
        # Of systems and of vendors' installers.
        ("/usr/include/foo", ""),
        ("-I/usr/include/foo", ""),
        ("-L/usr/lib/x86_64-linux-gnu", ""),
        ("/usr/lib64/x", ""),
        ("/System/Library/x", ""),
        ("/lib/x", ""),
        ("/lib64/x", ""),
        ("/opt/rocm/lib", ""),
        ("/opt/intel/oneapi", ""),
        ("/usr/local/cuda/lib64", ""),
        ("/usr/local/cuda-12.4/lib64", ""),
    ],
)
def test_folders_of_the_machine_that_built_it(line: str, found: str) -> None:
    """In whatever line; each file is told once, with the first."""
    name = "libfoo/lib/cmake/foo/foo-config.cmake"
    text = f"# x\nset(Y /usr/lib/x)\n{line}\n"
    message = f"has {found}, a folder of the machine that built it"
    expected = [Finding(PROVIDERS_WHEEL, name, found, message)] if found else []
    for more in ("", line, "set(Z /tmp/later/x)" if found else ""):
        ours = wheel("libfoo", texts={"libfoo/other.pc": "", name: text + more})
        assert find("build-folder", ours) == expected
    assert len(find("build-folder", wheel("libfoo", texts={"a.pc": text, name: text}))) == (
        2 * len(expected)
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("prefix=/build", "/build"),
        (" prefix = /home/ ", "/home"),
        ("prefix=/users", "/users"),
        ("prefix=/usr", ""),  # the system's, as /usr/lib
        ("prefix=/usr/", ""),
        ("sysconfdir=/etc", ""),
        ("localstatedir=/var/", ""),
        ("runstatedir=/run", ""),
        ("prefix=/tmp", ""),
        ("prefix=/etcetera", "/etcetera"),
        ("prefix=/", ""),
        ("exec_prefix=${prefix}", ""),
        ("Name: /build", ""),
        ("Libs: -L/build", ""),
    ],
)
def test_prefixes_of_one_folder(line: str, found: str) -> None:
    """Only pkg-config's files have variables that are folders, and nothing else."""
    texts = {"foo.pc": f"Name: foo\n{line}\n", "cmake/foo-config.cmake": line}
    ours = wheel("libfoo", texts=texts)
    assert [(f.file, f.value) for f in find("build-folder", ours)] == [("foo.pc", found)] * bool(
        found
    )


@pytest.mark.parametrize(
    ("name", "is_of_a_package"),
    [
        ("lib/cmake/foo/fooConfig.cmake", True),
        ("lib/cmake/Foo-1.2/foo-config.cmake", True),
        ("lib/foo/cmake/FooConfig.cmake", True),
        ("lib/cmake/foo/fooTargets-release.cmake", True),
        ("lib/cmake/foo/public/cuda.cmake", True),
        ("lib/cmake/foo/FindCUDNN.cmake", False),  # mlx-metal 0.32.4
        ("lib/cmake/foo/modules/FindBar.cmake", False),
        ("lib/cmake/other/barTargets.cmake", False),
        # cmake 4.4.5
        ("cmake/data/Modules/CMakeDetermineSystem.cmake", False),
        ("cmake/data/Modules/UsePkgConfig.cmake", False),
        ("foo.pc", True),
    ],
)
def test_files_that_builds_against_the_wheel_read(name: str, is_of_a_package: bool) -> None:
    """Modules are written by people: their folders are where something may be."""
    configs = ("lib/cmake/foo/fooConfig.cmake", "lib/cmake/Foo-1.2/foo-config.cmake")
    modules = ("lib/foo/cmake/FooConfig.cmake", "cmake/data/Modules/UsePkgConfig.cmake")
    texts = dict.fromkeys((*configs, *modules), "") | {name: "set(X /opt/homebrew/lib)\n"}
    found = find("build-folder", wheel("libfoo", texts=texts))
    assert [finding.file for finding in found] == [name] * is_of_a_package


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#[[ /tmp/build/x ]]", ""),
        ("#[[\n/tmp/build/x\n]] set(X y)", ""),
        ("#[==[\n]]\n/tmp/build/x\n]==]", ""),
        ("#[[ x ]] set(X /tmp/build/x) #[[ y ]]", "/tmp/build/x"),
        ("#[=[ ]=]\nset(X [[/tmp/build/x]])", "/tmp/build/x"),
    ],
)
def test_bracket_comments(text: str, found: str) -> None:
    ours = wheel("libfoo", texts={"cmake/foo-config.cmake": text})
    assert [f.value.rstrip("]") for f in find("build-folder", ours)] == [found] * bool(found)
