"""native_library_texts.py: what a provider's build checks and writes; nothing is built here."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import building
import pytest
from native_lib.check.compatibility import can_replace
from native_lib.support import (
    native_library_metadata,
    native_library_texts,
    shared_lib_consumer,
    shared_lib_manager,
)
from native_lib.support.native_library_texts import (
    Compatibility,
    Library,
    Program,
    Provider,
    ProviderError,
    Version,
    choose_version,
    cmake_package,
    forwards,
    link_texts,
    manifest,
    names_of,
    pkg_config,
    read_arguments,
    sbom,
)
from native_lib.support.shared_lib_programs import function_name
from packaging import version as packaging_version
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = ["--PROVIDER", "libfoo", "--COMPATIBILITY", "SameMajorVersion", "--VERSION", "1.4.2"]
TARGET = ["--target", "foo", "SHARED_LIBRARY", "name-NOTFOUND", "export_name-NOTFOUND"]


def made(**facts: object) -> Provider:
    given: dict[str, object] = {
        "name": "libfoo",
        "version": Version.parse("1.4.2"),
        "compatibility": "SameMajorVersion",
        "package": "foo",
        "libraries": (Library("foo", "foo", "foo"),),
        **facts,
    }
    return Provider(**given)  # type: ignore[arg-type]


def literals(text: str) -> dict[str, object]:
    return {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
    }


def test_every_reader_and_writer_has_the_same_formats() -> None:
    assert native_library_texts.FORMAT == shared_lib_manager.MANIFEST_FORMAT
    assert native_library_metadata.FORMAT == native_library_texts.FORMAT
    ours = {"provider": "libfoo", "distribution": "libfoo"}
    known = {"provider": "torch", "distribution": "torch", "files": {"c10": "torch/lib/libc10.so"}}
    formats = [
        literals(native_library_metadata.record([*needs], "native-lib").decode())["FORMAT"]
        for needs in ((ours,), (ours, known))
    ]
    assert formats == [native_library_metadata.FORMAT, shared_lib_consumer.REQUIREMENTS_FORMAT]


@pytest.mark.parametrize(
    ("version", "word", "abi", "specifier"),
    [
        ("1.4.2", "SameMajorVersion", "1", ">=1.4.2,<2"),
        ("1.4.2.post3", "SameMajorVersion", "1", ">=1.4.2,<2"),
        ("1.4.2rc1", "SameMinorVersion", "1.4", ">=1.4.2rc1,<1.5"),
        ("1.4.2.dev5", "SameMajorVersion", "1", ">=1.4.2.dev5,<2"),
        ("1.4", "ExactVersion", "1.4.0", "==1.4.0.*"),
        ("2", "SameMinorVersion", "2.0", ">=2,<2.1"),
        ("1.4.2+local.1", "ExactVersion", "1.4.2", "==1.4.2.*"),
        ("1.4.2.post1.dev3", "SameMajorVersion", "1", ">=1.4.2,<2"),
        ("1.4.2.1", "ExactVersion", "1.4.2", "==1.4.2.*,>=1.4.2.1"),
        ("1.4.2rc1", "ExactVersion", "1.4.2", "==1.4.2.*,>=1.4.2rc1"),
        ("2024.08.05", "SameMinorVersion", "2024.8", ">=2024.8.5,<2024.9"),
        ("1.2.3.4.5", "SameMajorVersion", "1", ">=1.2.3.4.5,<2"),
    ],
)
def test_version_and_word_give_suffix_and_bound(
    version: str, word: str, abi: str, specifier: str
) -> None:
    parsed = Version.parse(version)
    assert Compatibility.of(parsed, word) == Compatibility(abi, specifier)
    assert Requirement(f"x{specifier}").specifier.contains(parsed.full, prereleases=True)


@pytest.mark.parametrize("word", ["SameMajorVersion", "SameMinorVersion", "ExactVersion"])
def test_bound_and_checker_agree(word: str) -> None:
    """What the bound admits can replace the version, and what it does not admit cannot."""
    # Not its own pre-releases, which `==1.4.2.*` admits; the check at import does not.
    versions = ("0.9", "1.3.9", "1.4.2", "1.4.2.post1", "1.4.3", "1.5.0", "2.0.0")
    bound = Requirement(f"x{Compatibility.of(Version.parse('1.4.2'), word).specifier}").specifier
    for later in versions:
        parsed = packaging_version.Version(later)
        expected = can_replace(parsed, packaging_version.Version("1.4.2"), word)
        assert bound.contains(later, prereleases=True) == expected, later


@pytest.mark.parametrize(
    ("given", "wheels", "projects", "expected"),
    [
        ("", "", "1.2.3", "1.2.3"),
        ("1.4", "", "1.2.3", "1.4"),
        ("1.4", "1.4.0.post1", "", "1.4.0.post1"),
        ("1.4.2rc1", "1.4.2", "", "1.4.2"),
        ("2024.08.05", "2024.8.5", "", "2024.8.5"),
    ],
)
def test_which_version_counts(given: str, wheels: str, projects: str, expected: str) -> None:
    assert choose_version(given, wheels, projects).full == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the shared library targets first"),
        (["--target", "absent"], "absent is not a target"),
        (
            ["--target", "foo", "STATIC_LIBRARY", "foo", "foo"],
            "foo is a STATIC_LIBRARY; write add_library(foo SHARED ...), or set(BUILD_SHARED_LIBS",
        ),
        ([*TARGET], "PROVIDER is the import name of the Python package"),
        ([*TARGET, "--PROVIDER", "lib__foo"], "not 'lib__foo'"),
        ([*TARGET, *GIVEN, "--NAMES", "a b"], "NAMES 'a b' is not the name of a CMake package"),
        (
            ["--target", "foo", "IMPORTED", "foo", "foo"],
            "foo is imported, not built here: give its file to native_library_prebuilt()",
        ),
        (
            ["--target", "lz4_shared", "--others", "lz4_static (STATIC)", "xx (OBJECT)"],
            "lz4_shared is not a target; the library targets are lz4_static (STATIC), xx (OBJECT)",
        ),
        ([*TARGET, *GIVEN, "--wheel-name=other"], "PROVIDER libfoo and the distribution's name"),
        ([*TARGET, *GIVEN, "--PLAIN_NAMES=TRUE"], "PLAIN_NAMES needs ABI_SUFFIX"),
        ([*TARGET, *GIVEN, "--ABI_SUFFIX", "0"], "ABI_SUFFIX goes with PLAIN_NAMES only"),
        (
            ["--target", "a__b", *TARGET[2:], *GIVEN, "--PLAIN_NAMES=TRUE", "--ABI_SUFFIX", "1"],
            "a__b has two underscores",
        ),
        ([*TARGET, *GIVEN, "--VERSION", "1.x"], "VERSION '1.x' is not a version like 1.4.2"),
        ([*TARGET, *GIVEN, "--VERSION", "1!1"], "VERSION '1!1' is not a version"),
        ([*TARGET, *GIVEN, "--wheel-version=3"], "VERSION 1.4.2 and the wheel's version 3 differ"),
        ([*TARGET, *GIVEN[:4]], "there is no version"),
        ([*TARGET, *GIVEN, "--PROBE_SYMBOL", "a", "b"], "PROBE_SYMBOL names 2 for 1 targets: a, b"),
        ([*TARGET, *GIVEN, "--EXPORT_HEADER", "../a.h"], "EXPORT_HEADER '../a.h' leads out"),
        ([*TARGET, *GIVEN, "--EXPORT_HEADER", "C:/a.h"], "EXPORT_HEADER 'C:/a.h' leads out"),
    ],
)
def test_what_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ProviderError) as refused:
        read_arguments(arguments)
    assert message in str(refused.value)


@pytest.mark.parametrize("word", ["", "AnyNewerVersion"])
def test_word_that_is_none(word: str) -> None:
    with pytest.raises(ProviderError, match=f"or ExactVersion, not '{word}'"):
        _ = made(compatibility=word).requirement


def test_defaults() -> None:
    provider, pc_file = read_arguments([*TARGET, *GIVEN, "--project-description=A; B"])
    assert provider == made(description="A; B", system="")
    assert pc_file == "foo.pc"


@pytest.mark.parametrize(
    ("facts", "file_stem", "runtime_name", "anchor", "probe"),
    [
        ({}, "libfoo__foo", "$<TARGET_FILE_NAME:foo>", "", "foo_version"),
        (
            *({"on_musl": True}, "libfoo__foo", "$<TARGET_FILE_NAME:foo>"),
            *("lib/libfoo__foo-anchor.so", "foo_version"),
        ),
        ({"system": "Darwin"}, "libfoo__foo", "@rpath/$<TARGET_FILE_NAME:foo>", "", ""),
        ({"system": "Windows"}, "libfoo__foo", "$<TARGET_FILE_NAME:foo>", "", ""),
        ({"plain_abi": "16"}, "libfoo", "$<TARGET_FILE_NAME:foo>", "", ""),
        (
            *({"plain_abi": "16", "system": "Windows"}, "foo", "$<TARGET_FILE_NAME:foo>"),
            *("", ""),
        ),
    ],
)
def test_manifest(
    facts: dict[str, object], file_stem: str, runtime_name: str, anchor: str, probe: str
) -> None:
    library = Library("foo", "foo", "FOO", probe_symbol="foo_version")
    provider = made(libraries=(library,), **facts)
    assert provider.file_stem(library) == file_stem
    assert literals(manifest(provider)) == {
        "FORMAT": 1,
        "DISTRIBUTION": "libfoo",
        "VERSION": "1.4.2",
        "COMPATIBILITY": "SameMajorVersion",
        "REQUIREMENT": "libfoo>=1.4.2,<2",
        "PACKAGE": "foo",
        "NAMES": (),
        "LIBRARIES": {
            "foo": {
                "target": "foo::FOO",
                "aliases": (),
                "file": "lib/$<TARGET_FILE_NAME:foo>",
                "runtime_name": runtime_name,
                "link_files": tuple(f"lib/{file}" for file in provider.link_files(library)),
                "anchor": anchor,
                "probe_symbol": probe,
                "needs": (),
            }
        },
    }


def test_libraries_that_need_each_other() -> None:
    foo, bar = Library("foo", "foo", "foo"), Library("bar", "BAR", "bar", ("foo", "foo"))
    found = literals(manifest(made(libraries=(foo, bar))))["LIBRARIES"]
    assert found["BAR"]["needs"] == ("foo",)  # type: ignore[index]
    with pytest.raises(ProviderError, match="name foo before bar, which links to it"):
        manifest(made(libraries=(bar, foo)))


def test_pkg_config_and_cmake_package() -> None:
    provider = made(
        libraries=(Library("foo", "foo", "foo"), Library("bar", "bar", "Bar")),
        dependencies=("ZLIB", "PNG"),
        description="A library",
        system="Windows",
    )
    assert "libraries=${libdir}/$<TARGET_LINKER_FILE_NAME:bar> ${libdir}/$<" in pkg_config(provider)
    assert "\nDescription: A library\nVersion: 1.4.2\nRequires: zlib, png\n" in pkg_config(provider)
    assert "find_dependency(ZLIB CONFIG)\nfind_dependency(PNG CONFIG)" in cmake_package(provider)
    assert 'set(${_native_name}_LIBRARIES "foo::foo;foo::Bar")' in cmake_package(provider)
    file = "${_native_folder}/lib/$<TARGET_LINKER_FILE_NAME:foo>"
    assert f'set(${{_native_name}}_LIBRARY "{file}")' in cmake_package(provider)


@pytest.mark.parametrize(
    ("system", "files"),
    [
        ("Linux", ("libpng16.so", "libpng.so")),
        ("Darwin", ("libpng16.tbd", "libpng.tbd")),
        ("Windows", ("png16.lib", "png.lib")),
    ],
)
def test_names_to_link_by(system: str, files: tuple[str, ...]) -> None:
    png = Library("png_shared", "png16", "PNG", link_names=("png", "png16"))
    provider = made(libraries=(png,), system=system)
    assert provider.link_files(png) == files
    found = literals(manifest(provider))["LIBRARIES"]["png16"]  # type: ignore[index]
    assert found["link_files"] == tuple(f"lib/{file}" for file in files)
    assert pkg_config(provider).endswith("\nLibs: -L${libdir} -lpng16\n")
    script = "INPUT($<TARGET_FILE_NAME:png_shared>)\n"
    expected = {f"{file}.in": script for file in files} if system == "Linux" else {}
    assert link_texts(provider) == expected


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("LINK_NAMES", "a name to link by, like z for -lz"),
        ("ALIASES", "a CMake target's name, like libzmq or SQLite::SQLite3"),
    ],
)
def test_names_of_several_libraries(argument: str, what: str) -> None:
    both = ["foo", "bar"]
    assert names_of("foo", argument, ["f", "foo=g"], ["foo"]) == ("f", "g")
    assert names_of("bar", argument, ["foo=f", "bar=b", "bar=c++"], both) == ("b", "c++")
    for wrong in ("b", "other=b"):
        with pytest.raises(ProviderError, match=f"{argument} '{wrong}' does not say .* foo=b"):
            names_of("bar", argument, [wrong], both)
    for wrong in ("../b", "foo=", "-lfoo b"):
        with pytest.raises(ProviderError, match=f"{argument} '{wrong}' is not {what}"):
            names_of("foo", argument, [wrong], ["foo"])


def test_name_to_link_by_leads_to_one_library() -> None:
    """The second link file would replace the first one."""
    other = [*TARGET[:1], "bar", *TARGET[2:]]
    read_arguments([*GIVEN, *TARGET, *other, "--LINK_NAMES", "foo=f", "bar=b"])
    with pytest.raises(
        ProviderError, match=r"^foo and bar would both have the link file libf\.so: "
    ):
        read_arguments([*GIVEN, *TARGET, *other, "--LINK_NAMES", "foo=f", "bar=f"])


def test_other_names_of_a_package() -> None:
    """As CMake's FindSQLite3 has them, and as find_package() may be written."""
    library = Library("sqlite3", "sqlite3", "sqlite3", aliases=("SQLite::SQLite3",))
    other = Library("extra", "extra", "extra")
    provider = made(package="sqlite3", names=("SQLite3", "x-sqlite"), libraries=(library, other))
    assert provider.aliases(library) == (
        *("SQLite::SQLite3", "SQLite3::sqlite3", "x-sqlite::sqlite3"),
        *("SQLite3::SQLite3", "x-sqlite::x-sqlite"),
    )
    assert provider.aliases(other) == ("SQLite3::extra", "x-sqlite::extra")
    found = literals(manifest(provider))
    assert found["NAMES"] == ("SQLite3", "x-sqlite")
    assert found["LIBRARIES"]["extra"]["aliases"] == provider.aliases(other)  # type: ignore[index]
    # On macOS and Windows the folders sqlite3 and SQLite3 are one.
    assert sorted(forwards(provider)) == [
        *("sqlite3/sqlite3-config-version.cmake", "sqlite3/sqlite3-config.cmake"),
        *("x-sqlite/x-sqlite-config-version.cmake", "x-sqlite/x-sqlite-config.cmake"),
    ]


def test_name_that_is_a_librarys() -> None:
    """A target that the package has already is not made a second time, for another library."""
    first, second = Library("core", "core", "core"), Library("Foo", "Foo", "Foo")
    provider = made(package="core", names=("Foo",), libraries=(first, second))
    assert provider.aliases(first) == ("Foo::core",)
    assert provider.aliases(second) == ("Foo::Foo",)


@pytest.mark.parametrize(
    ("system", "folder", "above"),
    [
        ("Linux", "bin", "$ORIGIN/.."),
        ("Darwin", "bin", "@loader_path/.."),
        ("Windows", "lib", "$ORIGIN/.."),
    ],
)
def test_programs_and_data(system: str, folder: str, above: str) -> None:
    tool = Program("foo_tool", "foo-tool", "tool")
    provider = made(system=system, programs=(tool,), data_env=(("FOO_DATA", 'a "b"'),))
    assert provider.above_programs == above
    found = literals(manifest(provider))
    assert found["PROGRAMS"] == {"foo-tool": f"{folder}/$<TARGET_FILE_NAME:foo_tool>"}
    assert found["DATA_ENV"] == {"FOO_DATA": 'a "b"'}
    assert {"PROGRAMS", "DATA_ENV"}.isdisjoint(literals(manifest(made(system=system))))


@pytest.mark.parametrize(
    ("program", "function"), [("foo", "foo"), ("protoc-gen-x.y", "protoc_gen_x_y"), ("7z", "_7z")]
)
def test_function_of_a_program(program: str, function: str) -> None:
    assert function_name(program) == function
    assert function.isidentifier()


def test_sbom() -> None:
    facts: dict[str, object] = {"component": {"name": "z"}, "purl": "pkg:generic/z@1"}
    name, text = sbom(facts, "Native_Zlib", "1.3.post1")
    assert name == "native-zlib.cdx.json"
    document = json.loads(text)
    assert document["components"] == [{"name": "z"}]
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/native-zlib@1.3.post1"


def test_run_by_cmake_it_is_one_line_or_json(tmp_path: Path) -> None:
    command = [sys.executable, str(building.SUPPORT / "native_library_texts.py"), "provider"]
    said = building.run(*command, tmp_path, *TARGET, *GIVEN, stderr=subprocess.PIPE)
    assert json.loads(said) == {
        "release": "1.4.2",
        "abi": "1",
        "package": "foo",
        "pc_file": "foo.pc",
        "programs": {"folder": "bin", "above": "$ORIGIN/..", "export_names": {}},
        "targets": {
            "foo": {
                "file_stem": "libfoo__foo",
                "export_name": "foo",
                "anchor": "",
                "link_files": "libfoo.so",
            }
        },
    }
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["_native_libs.py.in", "foo.pc.in", "fooConfig.cmake.in", "libfoo.so.in"]
    said = building.run(*command, tmp_path / "other", *GIVEN, fails=True)
    assert said == "native_library_provider: name the shared library targets first\n"
    assert not (tmp_path / "other").exists()
