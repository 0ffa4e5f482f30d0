"""NativeLibrary.cmake called directly: its messages, its generators, and what its packages give."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import building
import pytest
from cmake_projects import configure, install
from elf import dynamic
from packaging.requirements import Requirement

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and runs ELF files")

LIBRARY = "add_library(foo SHARED foo.c)\n"
CALL = "native_library_provider(foo PROVIDER libfoo COMPATIBILITY SameMajorVersion)"
PROVIDER = LIBRARY + "native_library_provider(foo PROVIDER libfoo COMPATIBILITY "


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ("native_library_provider()", "name the shared library targets first"),
        ("native_library_provider(absent)", "absent is not a target"),
        (
            "add_library(foo STATIC foo.c)\nnative_library_provider(foo)",
            "foo is a STATIC_LIBRARY; write add_library(foo SHARED ...)",
        ),
        (LIBRARY + "native_library_provider(foo)", "PROVIDER is the import name"),
        (LIBRARY + "native_library_provider(foo PROVIDER lib__foo)", "single underscores"),
        (LIBRARY + "native_library_provider(foo PROVIDER lib-foo)", "not 'lib-foo'"),
        (PROVIDER + ")", "COMPATIBILITY is SameMajorVersion, SameMinorVersion or ExactVersion"),
        (PROVIDER + "AnyNewerVersion)", "not 'AnyNewerVersion'"),
        (PROVIDER + "ExactVersion VERSION 1.x)", "VERSION '1.x' is not a version like 1.4.2"),
        (PROVIDER + "ExactVersion VERSION 1!1.0)", "VERSION '1!1.0' is not a version"),
        (PROVIDER + "ExactVersion PLAIN_NAMES)", "PLAIN_NAMES needs ABI_SUFFIX"),
        (
            (
                "add_library(foo__x SHARED foo.c)\n"
                "native_library_provider(foo__x PROVIDER libfoo "
                "COMPATIBILITY ExactVersion PLAIN_NAMES ABI_SUFFIX 3)"
            ),
            "foo__x has two underscores, which only private names have",
        ),
        (PROVIDER + "ExactVersion ABI_SUFFIX 3)", "ABI_SUFFIX goes with PLAIN_NAMES only"),
        (PROVIDER + "ExactVersion PROBE_SYMBOL a b)", "PROBE_SYMBOL names 2 for 1 targets"),
        (PROVIDER + "ExactVersion PROBE)", "PROBE is not a target"),
        (
            PROVIDER + "ExactVersion EXPORT_HEADER foo.h BOGUS 1)",
            "EXPORT_HEADER names 3 for 1 targets: foo.h, BOGUS, 1",
        ),
        (PROVIDER + "ExactVersion EXPORT_HEADER ../foo.h)", "EXPORT_HEADER '../foo.h' leads out"),
        (PROVIDER + "ExactVersion EXPORT_HEADER /tmp/a.h)", "EXPORT_HEADER '/tmp/a.h' leads out"),
        (
            LIBRARY
            + "add_library(bar SHARED foo.c)\ntarget_link_libraries(bar PRIVATE foo)\n"
            + "native_library_provider(bar foo PROVIDER libfoo COMPATIBILITY ExactVersion)",
            "name foo before bar, which links to it",
        ),
        (PROVIDER + "ExactVersion PROGRAMS absent)", "PROGRAMS: absent is not a target"),
        (
            PROVIDER + "ExactVersion PROGRAMS foo)",
            "PROGRAMS: foo is a SHARED_LIBRARY, and not an executable",
        ),
        (
            "add_executable(tool foo.c)\nnative_library_provider(tool)",
            "tool is a program; write PROGRAMS tool",
        ),
        *(
            (
                PROVIDER + f"ExactVersion DATA_ENV {setting})",
                f"DATA_ENV '{setting}' is not <variable>",
            )
            for setting in ("FOO_DATA", "FOO_DATA=", "=share/foo", "1X=share/foo", "FOO-DATA=share")
        ),
        *(
            (PROVIDER + f"ExactVersion DATA_ENV X={path})", f"DATA_ENV 'X={path}' leads out of the")
            for path in ("/usr/share/foo", "../foo", "share/../../foo", "C:/foo")
        ),
        (PROVIDER + "ExactVersion DATA_ENV X=a X=b)", "DATA_ENV names X twice"),
        ("native_library_consumer(absent)", "absent is not a target"),
        (LIBRARY + "native_library_consumer(foo)", "LIBRARIES foo::foo DESTINATION"),
        (
            LIBRARY + "native_library_consumer(foo LIBRARIES foo DESTINATION x)",
            "LIBRARIES requires <package>::<library>, not 'foo'",
        ),
        (
            LIBRARY + "native_library_consumer(foo LIBRARIES baz::baz DESTINATION x)",
            "does not say who provides baz: write baz =",
        ),
        (
            LIBRARY + "native_library_consumer(foo LIBRARIES bar::bar DESTINATION x)",
            "its provider libbar is not installed",
        ),
        *(
            (
                LIBRARY + f"native_library_consumer(foo LIBRARIES bar::bar DESTINATION {folder})",
                f"native_library_consumer: DESTINATION '{folder.strip('[]')}' leads out of the wheel",
            )
            for folder in ("/abs", "C:/abs", "../x", "x/../../y", "x/..", "[[x\\..]]")
        ),
        *(
            (
                LIBRARY
                + "set(SKBUILD_PLATLIB_DIR /w/platlib)\n"
                + f"native_library_consumer(foo LIBRARIES bar::bar DESTINATION {folder})",
                f"native_library_consumer: DESTINATION '{folder}' leads out of the wheel",
            )
            for folder in ("/w/platlib/../x", "/w/platlib2/x", "/w", "../platlib/x")
        ),
    ],
)
def test_bad_input_is_one_clear_message(tmp_path: Path, lists: str, message: str) -> None:
    said = configure(tmp_path / "project", lists, fails=True)
    assert message in said
    assert said.count("CMake Error") == 1
    assert "Traceback" not in said


def test_name_of_the_distribution_must_be_the_providers(tmp_path: Path) -> None:
    lists = PROVIDER + "ExactVersion)"
    said = configure(tmp_path / "project", lists, "-DSKBUILD_PROJECT_NAME=other", fails=True)
    assert "PROVIDER libfoo and the distribution's name other differ" in said


WHEEL = "-DSKBUILD_PROJECT_VERSION_FULL="


@pytest.mark.parametrize(
    ("version", "wheel"), [("3.0.0", "1.0.0"), ("1.4.2", "1.4.2.1"), ("1.4.2rc1", "1.4.3rc1")]
)
def test_version_must_be_the_wheels(tmp_path: Path, version: str, wheel: str) -> None:
    lists = f"{PROVIDER}ExactVersion VERSION {version})"
    said = configure(tmp_path / "project", lists, f"{WHEEL}{wheel}", fails=True)
    assert f"VERSION {version} and the wheel's version {wheel} differ" in said
    assert said.count("CMake Error") == 1


@pytest.mark.parametrize(
    ("version", "wheel", "requirement"),
    [
        ("1.3.2", "1.3.2.post1", "libfoo>=1.3.2,<2"),
        ("1.4", "1.4.0", "libfoo>=1.4.0,<2"),
        ("1.4.2", "1.4.2rc1", "libfoo>=1.4.2rc1,<2"),
        ("1.4.2", "1.4.2.dev5", "libfoo>=1.4.2.dev5,<2"),
        ("1.4.2rc1", "1.4.2+local.1", "libfoo>=1.4.2,<2"),
        ("2024.08.05", "2024.8.5", "libfoo>=2024.8.5,<2025"),
        ("2024.8.5", "2024.08.05", "libfoo>=2024.8.5,<2025"),
        ("1.2.3.4.5", "1.2.3.4.5", "libfoo>=1.2.3.4.5,<2"),
    ],
)
def test_bound_admits_the_wheel(tmp_path: Path, version: str, wheel: str, requirement: str) -> None:
    """A pre-release's or revision's wheel may leave VERSION to CMake, which knows numbers only."""
    folder = tmp_path / "project"
    configure(folder, f"{PROVIDER}SameMajorVersion VERSION {version})", f"{WHEEL}{wheel}")
    assert f'REQUIREMENT = "{requirement}"' in manifest(folder, "")
    assert Requirement(requirement).specifier.contains(wheel, prereleases=True)


def manifest(folder: Path, configuration: str = "Release") -> str:
    path = folder / "build" / "native_library" / configuration / "_native_libs.py"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("version", "word", "requirement", "stem"),
    [
        ("1.4.2", "SameMajorVersion", "libfoo>=1.4.2,<2", "1"),
        ("1.4.2.post3", "SameMajorVersion", "libfoo>=1.4.2,<2", "1"),
        ("1.4.2rc1", "SameMinorVersion", "libfoo>=1.4.2rc1,<1.5", "1.4"),
        ("1.4.2.dev5", "SameMajorVersion", "libfoo>=1.4.2.dev5,<2", "1"),
        ("1.4", "ExactVersion", "libfoo==1.4.0.*", "1.4.0"),
        ("2", "SameMinorVersion", "libfoo>=2,<2.1", "2.0"),
        ("1.4.2+local.1", "ExactVersion", "libfoo==1.4.2.*", "1.4.2"),
        ("1.4.2.post1.dev3", "SameMajorVersion", "libfoo>=1.4.2,<2", "1"),
        ("1.4.2.1", "ExactVersion", "libfoo==1.4.2.*,>=1.4.2.1", "1.4.2"),
        ("1.4.2rc1", "ExactVersion", "libfoo==1.4.2.*,>=1.4.2rc1", "1.4.2"),
    ],
)
def test_version_gives_bound_and_suffix(
    tmp_path: Path, version: str, word: str, requirement: str, stem: str
) -> None:
    folder = tmp_path / "project"
    lists = f"{PROVIDER}{word} VERSION {version})"
    configure(folder, lists, "-DCMAKE_BUILD_TYPE=Release")
    assert f'REQUIREMENT = "{requirement}"' in manifest(folder)
    assert f'"runtime_name": "libfoo__foo.so.{stem}"' in manifest(folder)
    assert f'VERSION = "{version}"' in manifest(folder)


def test_every_configuration_has_its_own_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    lists = LIBRARY + "set_target_properties(foo PROPERTIES DEBUG_POSTFIX d)\n"
    lists += "native_library_provider(foo PROVIDER libfoo COMPATIBILITY ExactVersion)"
    configure(folder, lists, "-G", "Ninja Multi-Config")
    for configuration in ("Release", "Debug"):
        building.run(building.tool("cmake"), "--build", folder / "build", "--config", configuration)
        prefix = folder / configuration
        building.run(
            *(building.tool("cmake"), "--install", folder / "build", "--config", configuration),
            *("--prefix", prefix),
        )
        installed = (prefix / "libfoo" / "_native_libs.py").read_text(encoding="utf-8")
        # The same name in both: a consumer of the one is served by the other.
        assert '"file": "lib/libfoo__foo.so.1.2.3"' in installed
        assert (prefix / "libfoo" / "lib" / "libfoo__foo.so.1.2.3").is_file()


def test_upstreams_version_property_makes_no_symlink(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    lists = LIBRARY + "set_target_properties(foo PROPERTIES VERSION 1.2.3 SOVERSION 7)\n"
    lists += "native_library_provider(foo PROVIDER libfoo COMPATIBILITY SameMajorVersion)"
    configure(folder, lists)
    building.run(building.tool("cmake"), "--build", folder / "build", "--target", "install/strip")
    building.run(building.tool("cmake"), "--install", folder / "build", "--prefix", folder / "out")
    files = sorted(path for path in (folder / "out" / "libfoo" / "lib").iterdir() if path.is_file())
    assert [path.name for path in files] == ["libfoo.so", "libfoo__foo.so.1"]
    assert not any(path.is_symlink() for path in files)


def test_upstreams_output_and_export_names_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    lists = LIBRARY + "set_target_properties(foo PROPERTIES OUTPUT_NAME z EXPORT_NAME ZLIB)\n"
    lists += (
        "native_library_provider(foo PACKAGE ZLIB PROVIDER native_zlib "
        "COMPATIBILITY SameMajorVersion)\nif(NOT TARGET ZLIB::ZLIB)\nmessage(FATAL_ERROR)\nendif()"
    )
    configure(folder, lists, "-DCMAKE_BUILD_TYPE=Release")
    assert '"z": {' in manifest(folder)
    assert '"target": "ZLIB::ZLIB"' in manifest(folder)
    assert '"runtime_name": "native_zlib__z.so.1"' in manifest(folder)


def test_calendar_version_is_written_as_pip_writes_it(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    configure(folder, f"{PROVIDER}SameMinorVersion VERSION 2024.08.05)")
    assert 'REQUIREMENT = "libfoo>=2024.8.5,<2024.9"' in manifest(folder, "")
    assert '"runtime_name": "libfoo__foo.so.2024.8"' in manifest(folder, "")


@pytest.mark.parametrize(
    "upstream",
    [
        "set_target_properties(foo PROPERTIES LIBRARY_OUTPUT_NAME z)",
        "set_target_properties(foo PROPERTIES OUTPUT_NAME_RELEASE z)",
        "set_target_properties(foo PROPERTIES SUFFIX 1.so)",
        "set_target_properties(foo PROPERTIES NO_SONAME ON)",
        "set_target_properties(foo PROPERTIES RELEASE_POSTFIX _r)",
        "set_target_properties(foo PROPERTIES FRAMEWORK ON)",
        "set_target_properties(foo PROPERTIES EXCLUDE_FROM_ALL ON)",
        "add_library(foo::foo ALIAS foo)",
        "set_target_properties(foo PROPERTIES PUBLIC_HEADER foo.h)",
        "target_sources(foo PUBLIC FILE_SET api TYPE HEADERS FILES foo.h)",
        "target_include_directories(foo PUBLIC $<INSTALL_INTERFACE:include>)",
        "target_include_directories(foo PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)",
        # HDF5's.
        'target_include_directories(foo INTERFACE "$<INSTALL_INTERFACE:$<INSTALL_PREFIX>/include>")',
        'target_include_directories(foo INTERFACE "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR};/usr>")',
        "target_sources(foo PRIVATE FILE_SET HEADERS FILES foo.h)",
    ],
)
def test_upstreams_own_settings(tmp_path: Path, upstream: str) -> None:
    """Whatever upstream set for its own installation, name, package and headers are the design's."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "foo.h").write_text("int foo(void);\n", encoding="utf-8")
    (folder / "main.c").write_text("int foo(void);int main(void){return foo();}\n", "utf-8")
    configure(folder, f"{LIBRARY}{upstream}\n{CALL}", "-DCMAKE_BUILD_TYPE=Release")
    building.run(building.tool("cmake"), "--build", folder / "build")
    building.run(building.tool("cmake"), "--install", folder / "build", "--prefix", folder / "out")
    files = sorted(path for path in (folder / "out" / "libfoo" / "lib").iterdir() if path.is_file())
    assert [path.name for path in files] == ["libfoo.so", "libfoo__foo.so.1"]
    with files[1].open("rb") as file:
        assert dynamic(file)["SONAME"] == ["libfoo__foo.so.1"]
    headers = "foo.h" in upstream and "PRIVATE" not in upstream
    assert (folder / "out" / "libfoo" / "include" / "foo.h").exists() == headers
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    (consumer / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(main LANGUAGES C)\n"
        f"find_package(foo CONFIG REQUIRED)\nadd_executable(main {folder}/main.c)\n"
        "target_link_libraries(main PRIVATE foo::foo)\n",
        encoding="utf-8",
    )
    options = ("-G", "Ninja", "-S", consumer, "-B", consumer / "build")
    building.run(building.tool("cmake"), *options, f"-Dfoo_ROOT={folder}/out/libfoo")
    building.run(building.tool("cmake"), "--build", consumer / "build")


@pytest.mark.parametrize("dependencies", ["", "DEPENDENCIES ZLIB PNG"])
def test_what_the_interface_needs(tmp_path: Path, dependencies: str) -> None:
    folder = tmp_path / "project"
    configure(folder, f"{PROVIDER}ExactVersion {dependencies})", "-DCMAKE_BUILD_TYPE=Release")
    generated = folder / "build" / "native_library"
    package = (generated / "Release" / "fooConfig.cmake").read_text(encoding="utf-8")
    pc = (generated / "Release" / "foo.pc").read_text(encoding="utf-8")
    assert ("find_dependency(ZLIB CONFIG)\nfind_dependency(PNG CONFIG)" in package) == bool(
        dependencies
    )
    assert ("\nRequires: zlib, png\n" in pc) == bool(dependencies)
    assert ("Requires" in pc) == bool(dependencies)


@pytest.mark.parametrize(
    "linked", ["foo", "up::foo", "$<BUILD_INTERFACE:foo>", "$<BUILD_INTERFACE:up::foo>"]
)
def test_what_a_library_needs_however_it_is_linked(tmp_path: Path, linked: str) -> None:
    folder = tmp_path / "project"
    lists = f"""{LIBRARY}add_library(up::foo ALIAS foo)
add_library(bar SHARED foo.c)
target_link_libraries(bar PRIVATE {linked})
native_library_provider(foo bar PROVIDER libfoo COMPATIBILITY SameMajorVersion)"""
    configure(folder, lists)
    assert '"needs": ("foo",),' in manifest(folder, "")


@pytest.mark.parametrize(
    "folder",
    [
        *("foo_ext", "foo_ext/", "./foo_ext", ".//foo_ext//"),
        *("/w/platlib/foo_ext", "/w/platlib/./foo_ext/", "/w/platlib//foo_ext"),
    ],
)
def test_a_package_has_one_record_however_its_folder_is_written(
    tmp_path: Path, folder: str
) -> None:
    libfoo, consumer = tmp_path / "libfoo", tmp_path / "consumer"
    lists = LIBRARY + LIBRARY.replace("(foo", "(bar")
    configure(libfoo, lists + CALL.replace("(foo", "(foo bar"), "-DCMAKE_BUILD_TYPE=Release")
    building.run(building.tool("cmake"), "--build", libfoo / "build")
    building.run(building.tool("cmake"), "--install", libfoo / "build", "--prefix", libfoo / "out")
    modules = (("one", "foo::foo", "foo_ext"), ("two", "foo::bar", folder))
    lists = "".join(
        f"add_library({name} MODULE foo.c)\n"
        f"native_library_consumer({name} LIBRARIES {library} DESTINATION {destination})\n"
        for name, library, destination in modules
    )
    env = {"PYTHONPATH": str(libfoo / "out")}
    configure(consumer, lists, "-DSKBUILD_PLATLIB_DIR=/w/platlib", env=env)
    (record,) = (consumer / "build" / "native_library").rglob("_native_requires.py")
    assert "('foo', 'bar')" in record.read_text(encoding="utf-8")


def test_provider_of_a_newer_format_is_one_line(tmp_path: Path) -> None:
    """Its manifest may say anything, so nothing else of it is read."""
    package = tmp_path / "site" / "libfoo"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "_native_libs.py").write_text("FORMAT = 2\n", encoding="utf-8")
    lists = LIBRARY + "native_library_consumer(foo LIBRARIES foo::foo DESTINATION x)"
    env = {"PYTHONPATH": str(tmp_path / "site")}
    said = configure(tmp_path / "project", lists, fails=True, env=env)
    assert (
        f"{package / '_native_libs.py'} has format 2, and this build reads formats up to 1" in said
    )
    assert said.count("CMake Error") == 1
    assert "Traceback" not in said


def test_description_may_hold_what_cmake_splits_at(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    lists = f'{PROVIDER}ExactVersion DESCRIPTION "A; \\"B\\", ${{C}} é")'.replace("${C}", "C")
    configure(folder, lists, "-DCMAKE_BUILD_TYPE=Release")
    pc = (folder / "build" / "native_library" / "Release" / "foo.pc").read_text(encoding="utf-8")
    assert '\nDescription: A; "B", C é\n' in pc


def test_project_without_c_whose_toolchain_file_names_a_c_compiler(tmp_path: Path) -> None:
    folder = building.generate(tmp_path, language="cxx") / "libfoo"
    building.run(
        *(building.tool("cmake"), "-G", "Ninja", "-S", str(folder), "-B", str(folder / "build")),
        *("-DCMAKE_C_COMPILER=cc", "-DSKBUILD_PROJECT_VERSION=1.0.0"),
    )


# What others find in the wheel ------------------------------------------------------------------

PROGRAM = """#include <foo/foo.h>
#include <stdio.h>
int main(void) { printf("%s %g\\n", foo_version(), foo_square(3)); return 0; }
"""


@pytest.fixture
def unpacked(pair: building.Pair, tmp_path: Path) -> Path:
    """The provider's wheel, unpacked where no tool expects it."""
    folder = tmp_path / "path with späces"
    with zipfile.ZipFile(pair.provider) as archive:
        archive.extractall(folder)
    (tmp_path / "main.c").write_text(PROGRAM, encoding="utf-8")
    return folder / "libfoo"


def test_cmake_package_is_relocatable(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(main LANGUAGES C)\n"
        "find_package(foo 1.0 CONFIG REQUIRED)\nadd_executable(main main.c)\n"
        "target_link_libraries(main PRIVATE foo::foo)\n",
        encoding="utf-8",
    )
    build = tmp_path / "build"
    building.run(
        building.tool("cmake"), "-G", "Ninja", "-S", tmp_path, "-B", build, f"-Dfoo_ROOT={unpacked}"
    )
    building.run(building.tool("cmake"), "--build", build)
    assert building.run(build / "main") == "1.0.0 9\n"


def test_cmake_package_knows_what_is_compatible(unpacked: Path, tmp_path: Path) -> None:
    for asked, found in (("0.9", False), ("1.0", True), ("1.1", False), ("2", False)):
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(main LANGUAGES C)\n"
            f"find_package(foo {asked} CONFIG REQUIRED)\n",
            encoding="utf-8",
        )
        options = ("-G", "Ninja", "-S", tmp_path, "-B", tmp_path / f"b{asked}")
        building.run(building.tool("cmake"), *options, f"-Dfoo_ROOT={unpacked}", fails=not found)


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="pkg-config is not installed")
def test_pkg_config_file_is_relocatable(unpacked: Path, tmp_path: Path) -> None:
    env = {"PKG_CONFIG_PATH": str(unpacked / "lib" / "pkgconfig")}
    assert building.run("pkg-config", "--modversion", "foo", env=env) == "1.0.0\n"
    folder = building.run("pkg-config", "--variable=libdir", "foo", env=env).strip()
    assert (Path(folder.replace("\\ ", " ")) / "libfoo__foo.so.1").is_file()
    # The library before the object: --as-needed, which many compilers pass, must not drop it.
    command = 'eval cc -o main -Wl,--as-needed main.c "$(pkg-config --cflags --libs foo)"'
    building.run("bash", "-c", command, env=env, cwd=tmp_path)
    search = {"LD_LIBRARY_PATH": str(unpacked / "lib")}
    assert building.run(tmp_path / "main", env=search) == "1.0.0 9\n"


def test_program_of_libraries_that_need_other_providers(tmp_path: Path) -> None:
    """Each other provider's folder once, and beside the program's own in the build folder, too."""
    project = tmp_path / "project"
    lists = (
        'file(WRITE ${CMAKE_BINARY_DIR}/tool.c "int foo(void); int main(void) { return foo(); }")\n'
        f"{LIBRARY}add_library(bar SHARED foo.c)\n"
        "add_executable(tool ${CMAKE_BINARY_DIR}/tool.c)\ntarget_link_libraries(tool foo)\n"
        "native_library_provider(foo bar PROVIDER libfoo COMPATIBILITY ExactVersion PROGRAMS tool)\n"
        '_native_library_note_provider(foo "/a b/native_one")\n'
        "_native_library_note_provider(foo /c/native_two)\n"
        "_native_library_note_provider(bar /c/native_two)\n"
        "_native_library_note_provider(tool /c/native_three)\n"
    )
    configure(project, lists, "-DCMAKE_BUILD_TYPE=Release")
    building.run(building.tool("cmake"), "--build", project / "build")
    program = project / "build" / "native_library" / "Release" / "bin" / "tool"
    with program.open("rb") as file:
        folders = ("", *(f"../native_{which}/" for which in ("one", "two", "three")))
        assert dynamic(file)["RPATH"] == [":".join(f"$ORIGIN/../{part}lib" for part in folders)]
    assert building.run(program, fails=True) == ""  # foo() returns 1


def test_all_that_is_installed_is_one_component(tmp_path: Path) -> None:
    """For projects that set scikit-build-core's install.components, which installs so."""
    lists = f"""
{LIBRARY}
add_executable(tool foo.c)
set_property(TARGET tool PROPERTY LINK_OPTIONS -Wl,--defsym=main=foo)
native_library_provider(
    foo PROVIDER libfoo COMPATIBILITY SameMajorVersion EXPORT_HEADER foo/export.h
    NAMES Foo other LINK_NAMES f PROGRAMS tool
)
"""
    configure(tmp_path, lists, "-DCMAKE_BUILD_TYPE=Release")
    every = {path.relative_to(tmp_path / "out") for path in install(tmp_path).rglob("*")}
    one = tmp_path / "one"
    command = (building.tool("cmake"), "--install", tmp_path / "build", "--prefix", one)
    building.run(*command, "--component", "native_library")
    assert {path.relative_to(one) for path in one.rglob("*")} == every
    found = {path.name for path in every}
    assert {"libfoo__foo.so.1", "libf.so", "_native_libs.py", "export.h", "tool"} <= found
