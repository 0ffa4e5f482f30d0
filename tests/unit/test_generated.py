"""The generated files are well formed, whatever was answered; nothing is built here."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import building
import headers
import local_extensions
import nox
import pytest
from local_extensions.answers import LONGEST_LIBRARY_NAME, LONGEST_NAME
from native_lib import vendor

Answers = dict[str, str]

LONGEST = "a" * LONGEST_LIBRARY_NAME
LONG_NAMES = {
    "library_name": LONGEST,
    "provider_name": "p" * LONGEST_NAME,
    "extension_name": "e" * LONGEST_NAME,
}
# Every two choices stand together in one of them, and so do the shortest and the longest names with
# each language and each binding.
SAMPLES: dict[str, Answers] = {
    "default": {},
    "cxx": {"language": "cxx", "stable_abi": "no", "mangle": "no"},
    "cython": {"binding": "cython", "stable_abi": "no", "python_min": "3.10"},
    "cython cxx": {"binding": "cython", "language": "cxx", "mangle": "no", **LONG_NAMES},
    "pybind11": {"binding": "pybind11", "stable_abi": "no", "mangle": "no", **LONG_NAMES},
    "pybind11 cxx": {"binding": "pybind11", "language": "cxx", "stable_abi": "no"},
    "nanobind": {"binding": "nanobind", "mangle": "no", "license": "MIT", "ci": "none"},
    "nanobind cxx": {"binding": "nanobind", "language": "cxx", "stable_abi": "no", **LONG_NAMES},
    "short": {"library_name": "x", "provider_name": "zoo", "extension_name": "y"},
    "short cxx": {
        "library_name": "x",
        "provider_name": "y",
        "extension_name": "zoo",
        "language": "cxx",
    },
    "long": {**LONG_NAMES, "license": "Apache-2.0"},
    "long cxx": {**LONG_NAMES, "language": "cxx", "stable_abi": "no"},
    "middle": {"library_name": "quite_a_long_library_name"},
    "upstream": {"library_source": "upstream"},
    "upstream cython": {
        "library_source": "upstream",
        "binding": "cython",
        "language": "cxx",
        "cmake_package": "FOO",
        **LONG_NAMES,
    },
    "upstream pybind11": {
        "library_source": "upstream",
        "binding": "pybind11",
        "stable_abi": "no",
        "mangle": "no",
    },
    "upstream nanobind": {"library_source": "upstream", "binding": "nanobind", "language": "cxx"},
    "package": {"cmake_package": "Foo", "library_name": "foo_bar"},
    "requirement": {"loader": "requirement", "binding": "cython"},
    "requirement upstream": {"loader": "requirement", "library_source": "upstream", "ci": "none"},
}
# What native-lib/ holds. The files of each side that some have are those of vendor.py.
PROVIDERS = vendor.support_files(["provider"])
CONSUMERS = vendor.support_files(["consumer"])


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each sample."""
    base = tmp_path_factory.mktemp("samples")
    return {
        name: building.generate(base / name.replace(" ", "_"), **answers)
        for name, answers in SAMPLES.items()
    }


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest, samples: dict[str, Path]) -> tuple[Answers, Path]:
    """One sample: all its answers, and its folder."""
    return all_answers(SAMPLES[request.param]), samples[request.param]


def all_answers(given: Answers) -> Answers:
    library = given.get("library_name", "foo").replace("_", "-")
    return {
        "library_name": "foo",
        "provider_name": f"lib{library}",
        "extension_name": f"{library}-ext",
        "library_source": "here",
        "cmake_package": given.get("library_name", "foo"),
        "language": "c",
        "binding": "c-api",
        "stable_abi": "yes",
        "python_min": "3.11",
        "license": "BSD-3-Clause",
        "loader": "vendored",
        "ci": "github",
        **given,
    }


def files(*folders: Path, name: str = "*") -> list[Path]:
    """Return the files whose text is the template's, not a vendored copy."""
    found = [path for folder in folders for path in folder.rglob(name)]
    return sorted(path for path in found if path.is_file() and path.parent.name != vendor.FOLDER)


def test_tree(sample: tuple[Answers, Path]) -> None:
    answers, folder = sample
    library, provider, extension = (
        answers[f"{what}_name"] for what in ("library", "provider", "extension")
    )
    libfoo, foo_ext = provider.replace("-", "_"), extension.replace("-", "_")
    header, source = (".h", ".c") if answers["language"] == "c" else (".hpp", ".cpp")
    ext = {"c-api": source, "cython": ".pyx"}.get(answers["binding"], ".cpp")
    if answers["library_source"] == "here":
        sources = {f"include/{library}/{library}{header}", f"src/{library}{source}"}
    else:
        sources = {"source.toml"}
        if answers["loader"] == "vendored":
            sources.add("native-lib/fetch_source.py")
    workflows = {"dependabot.yml", "workflows/ci.yml", "workflows/wheels.yml"}
    each = ("CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml")
    vendored = {
        *(".gitattributes",),
        *(f"{provider}/native-lib/{file}" for file in PROVIDERS),
        *(f"{extension}/native-lib/{file}" for file in CONSUMERS),
    }
    assert {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } == {
        *(".gitignore", "LICENSE", "README.md", "noxfile.py"),
        *(vendored if answers["loader"] == "vendored" else ()),
        *(f".github/{file}" for file in workflows if answers["ci"] == "github"),
        *(f"{provider}/{file}" for file in each),
        f"{provider}/python/{libfoo}/__init__.py",
        f"{provider}/python/{libfoo}/_native_libs.pyi",
        f"{provider}/python/{libfoo}/py.typed",
        *(f"{provider}/{file}" for file in sources),
        f"{provider}/tests/test_{libfoo}_contract.py",
        *(f"{extension}/{file}" for file in each),
        f"{extension}/python/{foo_ext}/__init__.py",
        f"{extension}/python/{foo_ext}/_ext.pyi",
        f"{extension}/python/{foo_ext}/_native_requires.pyi",
        f"{extension}/python/{foo_ext}/py.typed",
        f"{extension}/src/_ext{ext}",
        f"{extension}/tests/test_{foo_ext}.py",
        f"{extension}/tests/test_{foo_ext}_contract.py",
    }
    assert [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())] == []


def test_text(sample: tuple[Answers, Path]) -> None:
    _, folder = sample
    for path in files(folder):
        text = path.read_bytes().decode("utf-8")
        if path.name == "py.typed":
            assert text == ""
            continue
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert "\r" not in text, path
        assert "\t" not in text, path
        assert not re.search(r"[ \t]$", text, re.MULTILINE), path
        assert "\n\n\n\n" not in text, path
        # GitHub's expressions look like the template's, and their files are copied as they are.
        text = text.replace("${{", "") if ".github" in path.parts else text
        assert not re.search(r"\{\{|\{%|%\}|cookiecutter", text), path
        if path.name != "LICENSE":
            assert text[0] not in "\n ", path
        if path.suffix not in {".py", ".pyx"} and path.name != "LICENSE":
            assert "\n\n\n" not in text, path


def test_projects(sample: tuple[Answers, Path]) -> None:
    answers, folder = sample
    provider = nox.project.load_toml(folder / answers["provider_name"] / "pyproject.toml")
    consumer = nox.project.load_toml(folder / answers["extension_name"] / "pyproject.toml")
    assert provider["project"]["name"] == answers["provider_name"]
    assert provider["project"]["requires-python"] == ">=3.9"
    assert provider["tool"]["scikit-build"]["wheel"]["py-api"] == "py3"
    assert provider["project"]["entry-points"]["cmake.root"] == {
        answers["cmake_package"]: answers["provider_name"].replace("-", "_")
    }
    assert consumer["project"]["name"] == answers["extension_name"]
    assert consumer["project"]["requires-python"] == f">={answers['python_min']}"
    assert consumer["project"]["dynamic"] == ["dependencies"]
    (metadata,) = consumer["tool"]["dynamic-metadata"]
    assert metadata["libraries"] == {answers["cmake_package"]: answers["provider_name"]}
    stable = {"nanobind": "cp312"}.get(
        answers["binding"], f"cp{answers['python_min'].replace('.', '')}"
    )
    py_api = consumer["tool"]["scikit-build"]["wheel"].get("py-api")
    assert py_api == (stable if answers["stable_abi"] == "yes" else None)
    binding = {"c-api": []}.get(answers["binding"], [answers["binding"]])
    requires = consumer["build-system"]["requires"]
    loader = ["native-lib-loader>=0.2,<0.3"] if answers["loader"] == "requirement" else []
    assert requires[1 : 1 + len(loader)] == loader
    assert [re.split("[>=]", name)[0] for name in requires if name not in loader] == [
        *("scikit-build-core", *binding)
    ]
    assert provider["build-system"]["requires"][1:] == loader
    hook = metadata["provider"]
    expected = {"path": "native-lib", "module": "native_library_metadata"}
    assert hook == ("native_library" if loader else expected)


def test_owner_can_read_what_runs(samples: dict[str, Path]) -> None:
    """Lines of what is hers to read and to keep."""
    folder = samples["default"]
    workflows = sorted((folder / ".github" / "workflows").iterdir())
    lines = [len(file.read_text("utf-8").splitlines()) for file in workflows]
    assert len((folder / "noxfile.py").read_text("utf-8").splitlines()) <= 170
    assert sum(lines) <= 280


def test_nanobinds_stable_abi_is_explained(samples: dict[str, Path]) -> None:
    text = (samples["nanobind"] / "foo-ext" / "pyproject.toml").read_text("utf-8")
    (comment,) = re.findall(r'((?:^#.*\n)+)wheel\.py-api = "cp312"', text, re.MULTILINE)
    assert "nanobind" in comment
    assert "3.12" in comment


def test_python_style(samples: dict[str, Path]) -> None:
    ruff = (building.tool("ruff"), "--isolated")
    # E402 is not among ruff's defaults any more, and still among other linters'.
    select = "E402,E501,W"
    found = [path for path in files(*samples.values()) if path.suffix in {".py", ".pyi"}]
    assert len(found) > 7 * len(samples)
    for path in found:
        compile(path.read_text("utf-8"), path, "exec")
    building.run(*ruff, "format", "--no-cache", "--line-length", "100", "--diff", *found)
    options = ("--no-cache", "--line-length", "100", "--extend-select", select)
    building.run(*ruff, "check", *options, *found)


@pytest.mark.parametrize("name", ["default", "long cxx"])
def test_types(samples: dict[str, Path], name: str, tmp_path: Path) -> None:
    folder, answers = samples[name], all_answers(SAMPLES[name])
    projects = [folder / answers["provider_name"], folder / answers["extension_name"]]
    sources = [next((project / "python").iterdir()) for project in projects]
    sources += [project / "tests" for project in projects]
    sources += [folder / "noxfile.py", projects[1] / "native-lib" / "native_library_metadata.py"]
    path = os.pathsep.join(str(project / "python") for project in projects)
    building.run(
        building.tool("mypy"),
        # The build puts the loaders into the packages.
        *("--strict", "--config-file", "", "--disable-error-code", "import-not-found"),
        *sources,
        env={"MYPYPATH": path},
        cwd=tmp_path,
    )


@pytest.mark.parametrize("with_definitions", [False, True])
def test_cmake_style(samples: dict[str, Path], tmp_path: Path, with_definitions: bool) -> None:
    # Without the definitions, gersemi leaves the calls of the vendored functions as they are.
    options: list[str | Path] = ["--no-warn-about-unknown-commands"]
    if with_definitions:
        options += ["--definitions", building.SUPPORT]
    found = files(*samples.values(), name="CMakeLists.txt")
    assert len(found) == 2 * len(samples)
    building.run(
        building.tool("gersemi"), "--check", "--diff", *options, "--", *found, cwd=tmp_path
    )


def test_cmake_style_at_every_length(tmp_path: Path) -> None:
    call = local_extensions.cmake_call
    calls = []
    for length in range(1, LONGEST_NAME + 1):
        name = "a" * length
        calls += [
            call("add_library", name, "SHARED", f"src/{name}.cpp"),
            call("native_library_consumer", "_ext", f"LIBRARIES {name}::{name}", "DESTINATION foo"),
            call("target_compile_definitions", name, f'PRIVATE {name}_VERSION="${{VERSION}}"'),
        ]
    file = tmp_path / "CMakeLists.txt"
    file.write_text("\n".join([*calls, ""]), encoding="utf-8")
    building.run(
        building.tool("gersemi"), "--check", "--diff", "--definitions", building.SUPPORT, "--", file
    )


def test_sources_compile_without_a_warning(sample: tuple[Answers, Path], tmp_path: Path) -> None:
    answers, folder = sample
    options = headers.options(answers, folder, tmp_path)
    options += headers.of(Path(sys.executable), answers["binding"])
    sources = files(folder / answers["provider_name"] / "src")
    if answers["binding"] != "cython":
        sources += files(folder / answers["extension_name"] / "src")
    for source in sources:
        headers.compiles(source, *options)


@pytest.mark.parametrize("name", ["default", "cxx"])
def test_header_stands_alone_in_cxx(samples: dict[str, Path], name: str, tmp_path: Path) -> None:
    (tmp_path / "foo").mkdir()
    (tmp_path / "foo" / "export.h").write_text("#define FOO_EXPORT\n", encoding="utf-8")
    (header,) = files(samples[name] / "libfoo" / "include")
    program = tmp_path / "main.cpp"
    text = f"#include <foo/{header.name}>\nint main() {{ return foo_version() == nullptr; }}\n"
    program.write_text(text, encoding="utf-8")
    include = samples[name] / "libfoo" / "include"
    building.run(
        "c++", "-fsyntax-only", "-Wall", "-Werror", f"-I{tmp_path}", f"-I{include}", program
    )


@pytest.mark.parametrize(
    ("compatibility", "version", "bound"),
    [
        ("SameMajorVersion", "1.4.2", ">=1.4.2,<2"),
        ("SameMinorVersion", "1.4.2", ">=1.4.2,<1.5"),
        ("ExactVersion", "1.4.2", "==1.4.2.*"),
        ("SameMajorVersion", "0.0.9", ">=0.0.9,<1"),
        ("SameMinorVersion", "9.99.0", ">=9.99.0,<9.100"),
    ],
)
def test_readme_shows_the_bound(
    tmp_path: Path, compatibility: str, version: str, bound: str
) -> None:
    folder = building.generate(
        tmp_path, provider_name="lib_foo", compatibility=compatibility, library_version=version
    )
    text = (folder / "README.md").read_text("utf-8")
    assert f"\nnative-lib: foo_ext requires lib-foo{bound}, there is {version}\n" in text
    cmake = (folder / "lib_foo" / "CMakeLists.txt").read_text("utf-8")
    assert f"    COMPATIBILITY {compatibility}\n" in cmake


def test_readme_names_files_and_variables_that_exist(sample: tuple[Answers, Path]) -> None:
    answers, folder = sample
    text = (folder / "README.md").read_text("utf-8")
    for path in re.findall(r"`([\w.-]+/[\w./-]*)`", text):
        if not path.startswith(("dist/", "native-lib/")) and not path.endswith("/upstream/"):
            assert (folder / path).exists(), path
    assert f"NATIVE_LIB_{answers['library_name'].upper()}_PATH" in text
    plain = answers.get("mangle") == "no"
    assert (f"PREFER_{answers['library_name'].upper()}_SYSTEM_LIBRARY" in text) == plain


def test_plain_names_take_the_major_version(tmp_path: Path) -> None:
    folder = building.generate(tmp_path, mangle="no", library_version="16.2.1")
    cmake = (folder / "libfoo" / "CMakeLists.txt").read_text("utf-8")
    assert "    PLAIN_NAMES\n    ABI_SUFFIX 16\n" in cmake
    assert "PROBE_SYMBOL" not in cmake


def test_samples_cover_every_two_choices() -> None:
    questions = json.loads((building.ROOT / "template" / "cookiecutter.json").read_text("utf-8"))
    options = ("language", "binding", "stable_abi", "mangle")
    chosen = [{"mangle": "yes", **all_answers(given)} for given in SAMPLES.values()]
    for first in options:
        for second in options[options.index(first) + 1 :]:
            wanted = {(a, b) for a in questions[first] for b in questions[second]}
            got = {(answers[first], answers[second]) for answers in chosen}
            assert wanted - got <= {("pybind11", "yes")}
