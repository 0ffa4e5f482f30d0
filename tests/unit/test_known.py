"""Descriptions of packages that ship libraries and were not made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import building
import pytest
from native_lib.cli import main
from native_lib.known import (
    COMPATIBILITIES,
    KnownError,
    StableAbi,
    is_path_like,
    library_name,
    requirement_of,
)
from native_lib.known import read as reader
from native_lib.known.read import known, read_description
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = """
distributions = ["acme"]
import = "acme"
version = "__version__"
compatibility = "SameMinorVersion"
folder = "acme"
[libraries]
linux = ["acme/lib/libacme*.so"]
[stable-abi]
headers = ["acme/include/stable.h"]
macro = "ACME"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "acme.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('compatibility = "SameMinorVersion"', "compatibility = ", "cannot be read: "),
        ('folder = "acme"', "folders = 1", 'there is no key "folders"; there are distributions,'),
        ('distributions = ["acme"]', "", "it has no key distributions, a list of texts"),
        ('distributions = ["acme"]', "distributions = 1", "distributions is not a list of texts"),
        ('folder = "acme"', "", "it has no key folder, a text"),
        ('folder = "acme"', "folder = 1", "folder is not a text"),
        ('folder = "acme"', 'folder = "/acme"', "folder has '/acme', which is no path below"),
        ('"acme/lib/libacme*.so"', '"../libacme.so"', "libraries.linux has '../libacme.so'"),
        ("linux = ", "solaris = ", 'there is no key "libraries.solaris"; there are linux, darwin,'),
        ('linux = ["acme/lib/libacme*.so"]', "", "it has no libraries: write [libraries]"),
        ('"SameMinorVersion"', '"Same"', "compatibility is 'Same', not one of SameMajorVersion,"),
        ('compatibility = "SameMinorVersion"', "", "compatibility is 'missing', not one of"),
        (
            'import = "acme"',
            'import = "a-b"',
            "import is 'a-b', which is no top-level module's name",
        ),
        ('import = "acme"', "", "version is '__version__', not the name of an attribute of"),
        ('headers = ["acme/include/stable.h"]', "", "it has no key stable-abi.headers, a list"),
        ('macro = "ACME"', "", "it has no key stable-abi.macro, a text"),
        ('macro = "ACME"', "macros = 1", 'there is no key "stable-abi.macros"; there are headers'),
        ("[stable-abi]", "[brings]", "brings is not a list of texts"),
    ],
)
def test_each_mistake_in_a_description_is_one_clear_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    read_description(write(tmp_path, RIGHT))
    assert RIGHT.count(old) == 1
    file = write(tmp_path, RIGHT.replace(old, new))
    with pytest.raises(KnownError) as caught:
        read_description(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("known = 1", "[tool.native-lib]: known is not a list of texts"),
        ('known = ["absent.toml"]', "absent.toml: cannot be read: No such file or directory"),
        ("bounds = 1", "[tool.native-lib]: bounds is not a table such as"),
        ('bounds = { torch = "2.11" }', "the bound of torch is not one such as"),
        ('bounds = { torch = ">=2.11," }', "the bound of torch is not one such as"),
    ],
)
def test_each_mistake_of_a_project_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    table: str,
    message: str,
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.native-lib]\n{table}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["excludes", "--tool", "auditwheel", "packaging"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: ")
    assert str(tmp_path) in line
    assert message in line


def test_projects_own_description_and_bound_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert known("acme") is None
    ours = known("torch")
    assert ours
    assert (ours.module, ours.bound) == ("torch", "")
    write(tmp_path, RIGHT.replace('["acme"]', '["acme", "torch"]'))
    (tmp_path / "pyproject.toml").write_text(
        '[tool.native-lib]\nknown = ["acme.toml"]\nbounds = { Torch = ">=2.11, <3" }\n',
        encoding="utf-8",
    )
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    acme, torch = known("ACME"), known("torch")
    assert acme
    assert torch
    assert (acme.module, acme.bound) == ("acme", "")
    assert (torch.module, torch.bound) == ("acme", ">=2.11,<3")


@pytest.mark.parametrize("compatibility", COMPATIBILITIES)
@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cpu", "26.0.1", "0.3.34.481.3", "13.0"])
def test_bound_admits_what_it_is_computed_from(version: str, compatibility: str) -> None:
    told = Requirement(requirement_of("acme", version, compatibility))
    assert told.specifier.contains(version)
    assert not told.specifier.contains("0.1")


@pytest.mark.parametrize(
    ("compatibility", "bound"),
    [
        ("SameMajorVersion", ">=2.13.0,<3"),
        ("SameMinorVersion", ">=2.13.0,<2.14"),
        ("ExactVersion", ">=2.13.0,<2.13.1"),
        ("SameVersion", "==2.13.0"),
        ("AnyNewerVersion", ">=2.13.0"),
        ("BySoname", ">=2.13.0"),
    ],
)
def test_bound_of_each_rule(compatibility: str, bound: str) -> None:
    assert requirement_of("torch", "2.13.0+cpu", compatibility) == f"torch{bound}"
    assert requirement_of("torch", "2.13.0", compatibility, ">=2") == "torch>=2"


@pytest.mark.parametrize(
    ("leaf", "name"),
    [
        ("libarrow.so.2600", "arrow"),
        ("libarrow.2600.dylib", "arrow"),
        ("arrow.dll", "arrow"),
        ("libc10.dylib", "c10"),
        ("libtorch_cpu.so", "torch_cpu"),
        ("libcudart.so.12", "cudart"),
    ],
)
def test_name_of_a_library(leaf: str, name: str) -> None:
    assert library_name(leaf) == name


def test_star_matches_no_slash() -> None:
    assert is_path_like("nvidia/cu13/lib/libcudart.so.13", "nvidia/*/lib/lib*.so.*")
    assert not is_path_like("nvidia/cu13/lib/stubs/libcuda.so.1", "nvidia/*/lib/lib*.so.*")


def test_functions_that_a_header_promises_to_keep() -> None:
    header = """
    // ACME int not_this(void);
    /* ACME int nor_this(void); */
    #define ACME __attribute__((visibility("default")))
    ACME int acme_one(void);
    ACME AcmeError
    acme_two(const char *name, int64_t *size);
    int acme_three(void);  ACMES int acme_four(void);
    """
    assert StableAbi(("acme.h",), "ACME").names(header) == {"acme_one", "acme_two"}


@pytest.mark.parametrize(
    ("distribution", "platform", "right", "wrong"),
    [
        ("torch", "linux", "torch/lib/libtorch_cpu.so", "torch/lib/libgomp.so.1"),
        ("torch", "linux", "torch/lib/libc10_cuda.so", "torch/lib/libtorchbind_test.so"),
        ("torch", "darwin", "torch/lib/libtorch.dylib", "torch/lib/libomp.dylib"),
        ("torch", "win32", "torch/lib/torch_cpu.dll", "torch/lib/libiomp5md.dll"),
        ("pyarrow", "linux", "pyarrow/libarrow.so.2600", "pyarrow/libarrow_python.so"),
        ("pyarrow", "win32", "pyarrow/arrow.dll", "pyarrow/lib.cp311-win_amd64.pyd"),
        (
            "nvidia-cuda-runtime-cu12",
            "linux",
            "nvidia/cuda_runtime/lib/libcudart.so.12",
            "nvidia/cuda_runtime/lib/libcudart_static.a",
        ),
        (
            "scipy-openblas64",
            "linux",
            "scipy_openblas64/lib/libscipy_openblas64_.so",
            "scipy_openblas64/lib/libgfortran.so.5",
        ),
    ],
)
def test_what_comes_with_native_lib(
    distribution: str, platform: str, right: str, wrong: str
) -> None:
    it = known(distribution)
    assert it
    assert it.chooses(right, platform)
    assert not it.chooses(wrong, platform)
    assert it.folder_of(right) == "/".join(right.split("/")[: it.folder.count("/") + 1])


def test_page_describes_each_key_and_rule() -> None:
    page = (building.ROOT / "docs" / "reference" / "known.md").read_text("utf-8")
    for name in (*reader._KEYS, *COMPATIBILITIES):
        assert f"`{name}`" in page or f"`[{name}]`" in page, name
    folder = building.ROOT / "loader" / "src" / "native_lib" / "known"
    for file in folder.glob("*.toml"):
        assert f"`{file.name}`" in page, file.name
