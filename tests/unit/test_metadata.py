"""native_library_metadata.py: the hooks, and what NativeLibrary.cmake asks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from native_lib.support import native_library_metadata as metadata

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
FORMAT = 1
DISTRIBUTION = "{distribution}"
VERSION = "1.4.2"
COMPATIBILITY = "SameMajorVersion"
REQUIREMENT = "{distribution}>=1.4.2,<2"
PACKAGE = "foo"
LIBRARIES = {{"foo": {{"target": "foo::foo"}}, "extra": {{"target": "foo::extra"}}}}
"""


@pytest.fixture
def providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path with two providers."""
    for name in ("lib_one", "libtwo"):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").touch()
        text = MANIFEST.format(distribution=name.replace("_", "-"))
        (tmp_path / "site" / name / "_native_libs.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delenv("NATIVE_LIB_SYSTEM", raising=False)
    monkeypatch.setattr(metadata, "_state", "wheel")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lib_one", "libtwo")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "site"


SETTINGS = {"libraries": {"foo": "lib-one>=1.2", "FOO2": "lib-one>=1.2", "bar": "libtwo"}}


def test_hooks(providers: Path) -> None:
    assert metadata.get_requires_for_dynamic_metadata(SETTINGS) == ["lib-one>=1.2", "libtwo"]
    bounds = {"dependencies": ["lib-one>=1.4.2,<2", "libtwo>=1.4.2,<2"]}
    assert metadata.dynamic_metadata(SETTINGS, {}) == bounds
    assert metadata.dynamic_wheel(SETTINGS) == {"dependencies": True}


@pytest.mark.parametrize("asked", ["lib-one>=5", "lib-one<1.4.2", "lib-one==1.4.1"])
def test_installed_provider_must_be_what_is_asked_for(
    providers: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """In a build without isolation nothing installs another."""
    settings = {"libraries": {"foo": asked}}
    with pytest.raises(SystemExit) as refused:
        metadata.dynamic_metadata(settings, {})
    said = str(refused.value)
    assert said.startswith(
        f"pyproject.toml asks for {asked}, and lib-one 1.4.2 is installed where "
    )
    assert "\n" not in said
    monkeypatch.setenv("NATIVE_LIB_SYSTEM", "foo")
    assert metadata.dynamic_metadata(settings, {}) == {"dependencies": []}


def test_what_is_no_requirement(providers: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        metadata.dynamic_metadata({"libraries": {"foo": "lib-one>>5"}}, {})
    said = "native_library_metadata: 'lib-one>>5' in pyproject.toml is no requirement."
    assert refused.value.code == said


@pytest.mark.parametrize(
    ("asked", "installed"),
    [
        ("lib-one", "1.4.2rc1"),
        ("lib-one >= 1.4, != 1.4.1", "1.4.2rc1"),
        ("lib-one==1.4.2", "1.4.2+local"),
        ("lib-one~=1.4", "1.9.post1"),
        ("lib-one @ https://example.org/x.whl", "1.4.2"),
    ],
)
def test_what_was_installed_on_purpose_is_taken(
    providers: Path, asked: str, installed: str
) -> None:
    file = providers / "lib_one" / "_native_libs.py"
    text = file.read_text(encoding="utf-8").replace('"1.4.2"', f'"{installed}"')
    file.write_text(text, encoding="utf-8")
    found = metadata.dynamic_metadata({"libraries": {"foo": asked}}, {})
    assert found == {"dependencies": ["lib-one>=1.4.2,<2"]}


def test_sdist_has_no_bounds(providers: Path) -> None:
    metadata.build_state("sdist")
    assert metadata.dynamic_metadata(SETTINGS, {}) == {"dependencies": []}


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("", ["lib-one", "libtwo"]),
        ("foo", ["libtwo"]),
        ("FOO, bar", []),
        ("all", []),
        ("x;bar", ["lib-one"]),
    ],
)
def test_system_libraries_are_not_required(
    providers: Path, monkeypatch: pytest.MonkeyPatch, asked: str, left: list[str]
) -> None:
    monkeypatch.setenv("NATIVE_LIB_SYSTEM", asked)
    settings = {"libraries": {"foo": "lib-one", "bar": "libtwo"}}
    assert metadata.get_requires_for_dynamic_metadata(settings) == left
    assert len(metadata.dynamic_metadata(settings, {})["dependencies"]) == len(left)


@pytest.mark.parametrize(
    "settings", [{}, {"libraries": {}}, {"libraries": ["foo"]}, {"libraries": {"foo": 1}}]
)
def test_no_provider_named(settings: dict[str, object]) -> None:
    with pytest.raises(SystemExit, match=r'libraries = \{ foo = "libfoo" \}'):
        metadata.get_requires_for_dynamic_metadata(settings)


def test_provider_that_is_broken_is_not_taken_for_absent(providers: Path) -> None:
    (providers / "libtwo" / "__init__.py").write_text("import something_absent", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match="something_absent"):
        metadata.dynamic_metadata(SETTINGS, {})


def test_manifest_of_a_newer_format_is_one_line(providers: Path, tmp_path: Path) -> None:
    """It may lack what today's have, so nothing else of it is read."""
    file = providers / "libtwo" / "_native_libs.py"
    file.write_text("FORMAT = 2\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.dynamic-metadata]]\nlibraries = { bar = "libtwo" }\nprovider = "native_library"\n',
        encoding="utf-8",
    )
    for ask in (
        lambda: metadata.dynamic_metadata(SETTINGS, {}),
        lambda: metadata.locate(tmp_path, "bar"),
        lambda: metadata.requirements(tmp_path, ["bar::bar"]),
    ):
        with pytest.raises(SystemExit) as refused:
            ask()
        assert refused.value.code == (
            f"{file} has format 2, and this build reads formats up to 1: update "
            "native_library_metadata.py with `native-lib vendor`, or native-lib-loader in "
            "build-system.requires."
        )


def test_hook_by_its_entry_point(providers: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.dynamic-metadata]]\nlibraries = { bar = "libtwo" }\nprovider = "native_library"\n',
        encoding="utf-8",
    )
    assert metadata.locate(tmp_path, "bar")["folder"] == (providers / "libtwo").as_posix()
    with pytest.raises(SystemExit, match=r'table whose provider is "native_library"\.$'):
        metadata.locate(tmp_path, "baz")


@pytest.mark.parametrize(
    ("destination", "folder"),
    [
        *((written, "foo_ext") for written in ("foo_ext", "foo_ext/", ".//foo_ext//")),
        *((f"/w/platlib/{written}", "foo_ext") for written in ("foo_ext", "./foo_ext/")),
        ("/w/platlib//foo_ext/x", "foo_ext/x"),
        *((written, None) for written in ("/abs", "C:/abs", "../x", "x/../../y", "x/..", "x\\..")),
        *((written, None) for written in ("/w/platlib/../x", "/w/platlib2/x", "/w", "\\x")),
    ],
)
def test_package_folder(destination: str, folder: str | None) -> None:
    if folder is None:
        with pytest.raises(SystemExit, match="leads out of the wheel"):
            metadata.package_folder(destination, "/w/platlib")
    else:
        assert metadata.package_folder(destination, "/w/platlib") == folder


def test_locate_looks_for_pyproject_above_the_cmake_folder(providers: Path, tmp_path: Path) -> None:
    native = tmp_path / "project" / "native"
    native.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text(
        '[[tool.dynamic-metadata]]\nprovider = "another"\n'
        '[[tool.dynamic-metadata]]\nlibraries = { foo = "lib-one" }\n'
        'provider = { path = "cmake", module = "native_library_metadata" }\n',
        encoding="utf-8",
    )
    folder = (providers / "lib_one").as_posix()
    assert metadata.locate(native, "foo") == {
        "source": "provider",
        "folder": folder,
        "names": "foo",
    }
    (need,) = metadata.requirements(native, ["foo::foo", "foo::extra", "foo::foo"])
    assert need["libraries"] == ("foo", "extra")
    assert need["provider"] == "lib_one"
    with pytest.raises(SystemExit, match=r"lib-one has no target foo::absent; it has foo::foo"):
        metadata.requirements(native, ["foo::absent"])


def test_no_pyproject(tmp_path: Path) -> None:
    if any((parent / "pyproject.toml").exists() for parent in tmp_path.parents):
        pytest.skip("a pyproject.toml lies above the temporary folder")
    with pytest.raises(SystemExit, match=r"There is no pyproject\.toml in"):
        metadata.locate(tmp_path, "foo")
