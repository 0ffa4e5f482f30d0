"""native-hdf5: what it exports, how builds find it, and other HDF5s in the same process."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Callable

import building
import elf
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection
from native_lib.check.run import check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and reads ELF files")

PACKAGE = building.ROOT / "reference-packages" / "hdf5"
LIBRARIES = ("native_hdf5__hdf5.so.1.14", "native_hdf5__hdf5_hl.so.1.14")
# What a dataset goes through in the library and in its high-level part, with zlib's filter.
PROGRAM = """
#include <hdf5.h>
#include <hdf5_hl.h>
int main(void)
{
    hsize_t size = 1000;
    unsigned flags = 0;
    int written[1000] = {0, 1, 2}, read[1000];
    hbool_t is_threadsafe = 0;
    hid_t file = H5Fcreate("a.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, &size, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    if (H5Pset_chunk(how, 1, &size) < 0 || H5Pset_deflate(how, 6) < 0) return 1;
    hid_t set = H5Dcreate2(file, "a", H5T_NATIVE_INT, space, H5P_DEFAULT, how, H5P_DEFAULT);
    if (H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, written) < 0) return 2;
    if (H5Dget_storage_size(set) >= sizeof written) return 3;
    if (H5LTread_dataset_int(file, "a", read) < 0 || read[2] != 2) return 4;
    if (H5LTfind_dataset(file, "a") != 1 || H5Fclose(file) < 0) return 5;
    if (H5is_library_threadsafe(&is_threadsafe) < 0 || !is_threadsafe) return 6;
    if (H5Zget_filter_info(H5Z_FILTER_DEFLATE, &flags) < 0 || flags != 3) return 7;
    return 0;
}
"""


@pytest.fixture(scope="session")
def env(
    reference: building.Reference,
    hdf5: Path,
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """An environment with it and with h5py's wheel of PyPI, which bundles another HDF5."""

    def make(folder: Path) -> building.Environment:
        made = building.new_environment(folder / "env", reference.zlib, hdf5)
        building.uv("pip", "install", "--quiet", "--python", made.python, "pytest", "h5py==3.16.0")
        return made

    return once("hdf5_env", make)


@pytest.fixture(scope="session")
def provider(env: building.Environment) -> Path:
    """The folder of the installed package."""
    return env.site_packages / "native_hdf5"


def test_check_finds_nothing(reference: building.Reference, hdf5: Path) -> None:
    report = check([reference.zlib, hdf5])
    assert (report.findings, report.unusable) == ((), ())


def test_repair_leaves_a_library_that_another_of_the_wheel_needs(
    reference: building.Reference, hdf5: Path, tmp_path: Path
) -> None:
    """auditwheel finds no native_hdf5__hdf5.so.1.14 for the high-level library: it has no RPATH."""
    command = (sys.executable, "-m", "native_lib", "repair", "--provider", reference.zlib)
    source = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    building.run(*command, "-w", tmp_path, hdf5, env=source)
    (repaired,) = tmp_path.glob("*.whl")
    assert "-manylinux" in repaired.name
    with zipfile.ZipFile(hdf5) as before, zipfile.ZipFile(repaired) as after:
        names = elf.names(before)
        assert elf.names(after) == names
    for name in names:
        assert elf.dynamic_in_wheel(repaired, name) == elf.dynamic_in_wheel(hdf5, name)


def test_contract_tests_pass(env: building.Environment) -> None:
    options = ("-q", "-p", "no:cacheprovider")
    building.run(env.python, "-m", "pytest", *options, PACKAGE / "tests")


def test_needs_what_is_in_wheels(reference: building.Reference, hdf5: Path) -> None:
    with zipfile.ZipFile(hdf5) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    zlib = reference.zlib.name.split("-")[1]
    assert told.get_all("Requires-Dist") == [f"native-zlib<2,>={zlib}"]
    assert told["License-Expression"] == "BSD-3-Clause"
    library, high_level = (elf.dynamic_in_wheel(hdf5, f"/lib/{name}") for name in LIBRARIES)
    assert library["SONAME"] == [LIBRARIES[0]]
    assert "native_zlib__z.so.1" in library["NEEDED"]
    assert LIBRARIES[0] in high_level["NEEDED"]
    assert not {"RPATH", "RUNPATH"} & (library.keys() | high_level.keys())


def test_no_file_names_the_machine_that_built_it(hdf5: Path) -> None:
    """Upstream writes its whole configuration into the library: H5check, h5py's summary."""
    with zipfile.ZipFile(hdf5) as archive:
        for name in (*elf.names(archive), "native_hdf5/include/H5pubconf.h"):
            text = archive.read(name)
            assert b"SUMMARY OF THE HDF5 CONFIGURATION" in text or LIBRARIES[0] not in name
            for folder in (building.ROOT, Path.home(), Path("/tmp")):
                assert str(folder).encode() + b"/" not in text, (name, folder)


def test_exports_are_what_the_headers_declare(provider: Path) -> None:
    """Of 3,784 that upstream's build exports; plugins look these up by their plain names."""
    # Without the header of this name the marks of what is exported are no macros, and stay.
    options = ("-E", "-P", "-DH5API_ADPT_H", f"-I{provider / 'include'}")
    text = building.run("cc", *options, provider / "include" / "hdf5_hl.h")
    for name, mark, number in ((LIBRARIES[0], "H5_DLL", 1182), (LIBRARIES[1], "H5_HLDLL", 117)):
        declared = set(re.findall(rf"{mark}(?:VAR)? [^;(]*?(\w+)\s*[;(]", text))
        with (provider / "lib" / name).open("rb") as file:
            found = elf.exports(file)
        assert found == declared
        assert len(found) == number
        assert not {each for each in found if "__" in each}  # upstream's internals


def test_calls_inside_stay_inside(provider: Path) -> None:
    """-Bsymbolic-functions: what else a process has of HDF5 does not take the library's own calls."""
    with (provider / "lib" / LIBRARIES[0]).open("rb") as file:
        binary = ELFFile(file)
        symbols = binary.get_section_by_name(".dynsym")
        relocations = binary.get_section_by_name(".rela.plt")
        assert isinstance(symbols, SymbolTableSection)
        assert isinstance(relocations, RelocationSection)
        called = {
            symbols.get_symbol(each["r_info_sym"]).name for each in relocations.iter_relocations()
        }
    assert "z_inflate" in called  # native-zlib's
    assert "inflate" not in called
    assert not {name for name in called if name.startswith("H5")}


# How builds find it -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["c", "c++"])
def test_headers_compile(provider: Path, language: str, tmp_path: Path) -> None:
    """All that the wheel has, the generated ones as well."""
    names = sorted(path.name for path in (provider / "include").glob("*.h"))
    assert {"hdf5.h", "hdf5_hl.h", "H5pubconf.h", "H5version.h", "H5Epubgen.h"} <= {*names}
    code = "#include <hdf5.h>\n#include <hdf5_hl.h>\nint main(void) { return H5_VERS_MAJOR; }\n"
    (tmp_path / "a.c").write_text(code, "utf-8")
    options = ("-x", language, "-Wall", "-Werror", "-fsyntax-only")
    building.run("cc", *options, f"-I{provider / 'include'}", tmp_path / "a.c")


FINDS = {
    "config": ("find_package(HDF5 1.14 CONFIG REQUIRED)", "hdf5::hdf5 hdf5::hdf5_hl"),
    "upstream's config": (
        "find_package(hdf5 CONFIG REQUIRED)",
        "hdf5::hdf5-shared hdf5::hdf5_hl-shared",
    ),
    "FindHDF5": ("find_package(HDF5 1.14 MODULE REQUIRED COMPONENTS C HL)", "hdf5::hdf5_hl"),
    "FindHDF5's variables": (
        "find_package(HDF5 REQUIRED COMPONENTS C HL)\ninclude_directories(${HDF5_INCLUDE_DIRS})",
        "${HDF5_LIBRARIES} ${HDF5_HL_LIBRARIES}",
    ),
    "HDF5_DIR": (
        "find_package(HDF5 CONFIG REQUIRED)",
        "HDF5::HL HDF5::HDF5",
    ),
}


@pytest.mark.parametrize("find", FINDS)
def test_cmake_finds_it(provider: Path, find: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(PROGRAM, "utf-8")
    found, libraries = FINDS[find]
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(a LANGUAGES C)\n{found}\n"
        f"add_executable(a a.c)\ntarget_link_libraries(a PRIVATE {libraries})\n"
        "target_link_options(a PRIVATE LINKER:--allow-shlib-undefined)\n",
        "utf-8",
    )
    roots = [f"-D{name}={provider}" for name in ("HDF5_ROOT", "hdf5_ROOT")]  # as entry points do
    if find == "HDF5_DIR":
        roots = [f"-DHDF5_DIR={provider}/lib/cmake/HDF5"]
    cmake, build = building.tool("cmake"), tmp_path / "build"
    building.run(cmake, "-G", "Ninja", "-S", tmp_path, "-B", build, *roots)
    building.run(cmake, "--build", build)
    assert_runs(build / "a", provider, tmp_path)


@pytest.mark.parametrize("by", ["pkg-config", "-lhdf5"])
def test_compiler_finds_it(provider: Path, by: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(PROGRAM, "utf-8")
    words = [f"-I{provider}/include", f"-L{provider}/lib", "-lhdf5_hl", "-lhdf5"]
    if by == "pkg-config":
        path = {"PKG_CONFIG_PATH": str(provider / "lib" / "pkgconfig")}
        asked = ("--cflags", "--libs", "hdf5 >= 1.14")
        words = building.run(building.tool("pkg-config"), *asked, env=path).split()
    command: list[str | Path] = ["cc", "-o", tmp_path / "a", tmp_path / "a.c", *words]
    building.run(*command, "-Wl,--allow-shlib-undefined")
    assert_runs(tmp_path / "a", provider, tmp_path)


def assert_runs(program: Path, provider: Path, folder: Path) -> None:
    """A program needs the private names, and works with the wheel's libraries."""
    with program.open("rb") as file:
        needed = elf.dynamic(file)["NEEDED"]
    assert {name for name in needed if "hdf5" in name} == {*LIBRARIES}
    # A program has no loader in Python.
    folders = [provider / "lib", provider.with_name("native_zlib") / "lib"]
    path = {"LD_LIBRARY_PATH": ":".join(map(str, folders))}
    building.run(program, cwd=folder, env=path)


# In one process with others -----------------------------------------------------------------------

# The version of the HDF5 that a library opened by ctypes is, and a file written by h5py with its own.
USE = """
import ctypes, os, tempfile
def version(path):
    numbers = [ctypes.c_uint() for _ in range(3)]
    assert ctypes.CDLL(path).H5get_libversion(*map(ctypes.byref, numbers)) == 0
    return ".".join(str(each.value) for each in numbers)
def use_h5py():
    import h5py
    path = os.path.join(tempfile.mkdtemp(), "a.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=list(range(1000)), compression="gzip")
    with h5py.File(path) as file:
        assert file["a"][999] == 999
    return h5py.version.hdf5_version
def use_ours():
    import native_hdf5
    library, high_level = native_hdf5.loader.load()
    assert high_level.origin == library.origin == "wheel"
    path = os.path.join(tempfile.mkdtemp(), "a.h5").encode()
    hdf5 = ctypes.CDLL(library.path)
    hdf5.H5Fcreate.restype = ctypes.c_int64
    file = hdf5.H5Fcreate(path, 2, ctypes.c_int64(0), ctypes.c_int64(0))
    assert file > 0 and hdf5.H5Fclose(ctypes.c_int64(file)) == 0
    return version(library.path)
"""


@pytest.mark.parametrize("order", ["use_ours(), use_h5py()", "use_h5py(), use_ours()"])
def test_beside_a_wheel_that_bundles_one(env: building.Environment, order: str) -> None:
    code = f"{USE}\nassert {{{order}}} == {{'1.14.6', '2.0.0'}}"
    files = [Path(file) for file in building.mapped(env, code, ".so")]
    ours = [file for file in files if file.name in LIBRARIES]
    assert ours == [env.site_packages / "native_hdf5" / "lib" / name for name in LIBRARIES]
    theirs = [file.name for file in files if re.match(r"libhdf5(_hl)?-", file.name)]
    assert len(theirs) == 2


@pytest.fixture(scope="session")
def systems(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """A system's libhdf5: Debian's packages, unpacked."""

    def make(folder: Path) -> Path:
        names = ("libhdf5-103-1", "libsz2", "libaec0")
        building.run("apt-get", "download", *names, cwd=folder)
        for package in folder.glob("*.deb"):
            building.run("dpkg-deb", "-x", package, folder / "root")
        return next((folder / "root" / "usr" / "lib").glob("*/libhdf5_serial.so.103"))

    if not shutil.which("apt-get"):
        pytest.skip("not available: Debian's libhdf5, as this is no Debian")
    try:
        return once("systems_hdf5", make)
    except building.CommandError as error:
        pytest.skip(f"not available: Debian's libhdf5: {error}")


@pytest.mark.parametrize("ours_first", [True, False])
def test_beside_the_systems(env: building.Environment, systems: Path, ours_first: bool) -> None:
    order = ["assert use_ours() == '1.14.6'", f"assert version({str(systems)!r}) == '1.10.8'"]
    code = "\n".join(order if ours_first else [*reversed(order), order[0]])
    path = str(systems.parent)
    files = building.mapped(env, f"{USE}\n{code}", ".so", LD_LIBRARY_PATH=path)
    folder = env.site_packages / "native_hdf5" / "lib"
    assert {file for file in files if "hdf5" in Path(file).name} == {
        *(str(systems.resolve()), *(str(folder / name) for name in LIBRARIES)),
    }


def test_another_one_for_the_whole_process_is_refused(
    env: building.Environment, systems: Path
) -> None:
    """A consumer's calls would go there: the probe symbol says so before they do."""
    code = f"import ctypes; ctypes.CDLL({str(systems)!r}, ctypes.RTLD_GLOBAL)\n{USE}\nuse_ours()"
    said = env.run(code, env={"LD_LIBRARY_PATH": str(systems.parent)}, fails=True)
    assert "LibraryConflictError" in said
    assert str(systems) in said


PLUGIN = """
#include <hdf5.h>
#include <H5PLextern.h>
static size_t same(unsigned flags, size_t n, const unsigned values[], size_t size, size_t *buffer_size,
                   void **buffer)
{
    return size;
}
static const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 300, 1, 1, "same", NULL, NULL, same};
H5PL_type_t H5PLget_plugin_type(void) { return H5PL_TYPE_FILTER; }
const void *H5PLget_plugin_info(void) { return &filter; }
"""


def test_plugins_are_found_in_the_wheels_folder(
    reference: building.Reference, hdf5: Path, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", reference.zlib, hdf5)
    folder = env.site_packages / "native_hdf5"
    code = f"{USE}\nuse_ours()\nimport native_hdf5\nprint('found', ctypes.CDLL(native_hdf5.loader.load()[0].path).H5Zfilter_avail(300))"
    assert env.run(code) == "found 0\n"
    include = f"-I{folder / 'include'}"
    plugin = building.compile_library(PLUGIN, folder / "plugins" / "libsame.so", include)
    assert env.run(code) == "found 1\n"
    assert building.mapped(env, code, "/plugins/") == [str(plugin)]
    # What the user has set stays.
    assert env.run(code, env={"HDF5_PLUGIN_PATH": str(tmp_path)}) == "found 0\n"


# Upstream's own tests -----------------------------------------------------------------------------

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(hdf5s_tests LANGUAGES C)
set(CMAKE_BUILD_TYPE Debug)
find_package(HDF5 CONFIG REQUIRED)
find_package(ZLIB CONFIG REQUIRED)
find_package(Threads REQUIRED)
add_compile_options(-w)
add_library(h5test STATIC h5test.c testframe.c external_common.c internals.c)
target_include_directories(h5test PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
target_link_libraries(h5test PUBLIC hdf5::hdf5_hl hdf5::hdf5 ZLIB::ZLIB Threads::Threads m)
foreach(name IN LISTS TESTS)
    file(GLOB parts ${name}.c ${name}_vlen.c)
    add_executable(${name} ${parts})
    target_link_libraries(${name} PRIVATE h5test)
    # A program has no loader in Python: RPATH, unlike RUNPATH, also serves what libhdf5 needs.
    target_link_options(${name} PRIVATE LINKER:--disable-new-dtags)
endforeach()
"""
# What all tests are linked with calls two functions that the library does not export: one looks into its
# cache, the other one numbers threads.
INTERNALS = """
int H5G__verify_cached_stabs_test(long id) { return 0; }
unsigned long H5TS_thread_id(void) { return 1; }
"""
QUICK = ("test_lite", "dtransform", "ntypes")
# Those that call exported functions only, and end within minutes.
TESTS = (
    *QUICK,
    *("test_table", "test_packet", "test_ds", "test_image", "test_ld", "test_dset_append"),
    *("test_file_image", "app_ref", "chunk_info", "cmpd_dtransform", "cross_read", "dangle"),
    *(
        "direct_chunk",
        "enc_dec_plist",
        "enc_dec_plist_cross_platform",
        "enum",
        "extend",
        "external",
    ),
    *("file_image", "fillval", "filter_fail", "mdset", "mtime", "set_extent", "select_io_dset"),
    *("event_set", "objcopy_ref"),
)


def test_hdf5s_own_tests(
    request: pytest.FixtureRequest, env: building.Environment, provider: Path, tmp_path: Path
) -> None:
    upstream = PACKAGE / "upstream"
    # Copies of the private headers alone: the public ones are the wheel's.
    public = {path.name for path in (provider / "include").iterdir()}
    for pattern in ("src/*.h", "test/*.[ch]", "hl/src/*.h", "hl/test/*.[ch]"):
        for path in upstream.glob(pattern):
            if path.name not in public:
                shutil.copy(path, tmp_path)
    data = dict.fromkeys(TESTS, upstream / "test")
    data |= {name: upstream / "hl" / "test" for name in TESTS if name.startswith("test_")}
    text = f'static const char *config_srcdir = "{upstream / "test"}";\n'
    (tmp_path / "H5srcdir_str.h").write_text(text, "utf-8")
    (tmp_path / "internals.c").write_text(INTERNALS, "utf-8")
    (tmp_path / "CMakeLists.txt").write_text(LISTS, "utf-8")
    is_all = request.config.getoption("--all-of-upstreams-tests")
    names = TESTS if is_all else QUICK
    roots = [
        f"-D{name}_ROOT={env.site_packages}/native_{name.lower()}" for name in ("HDF5", "ZLIB")
    ]
    cmake, build = building.tool("cmake"), tmp_path / "build"
    options = (*roots, f"-DTESTS={';'.join(names)}")
    building.run(cmake, "-G", "Ninja", "-S", tmp_path, "-B", build, *options)
    building.run(cmake, "--build", build)
    for name in names:
        variables = {"srcdir": str(data[name]), "HDF5TestExpress": "3"}
        said = building.run(build / name, cwd=build, env=variables)
        assert "*FAILED*" not in said, said
    said = building.run("ldd", build / names[0])
    for name in (*LIBRARIES, "native_zlib__z.so.1"):
        assert f"{name} => {env.site_packages}" in said
