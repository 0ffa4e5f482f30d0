"""Every binding's module compiles with the oldest and the newest Python's headers, for each stable ABI."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import building
import cpythons
import headers
import pytest
from packaging.version import Version

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="calls cc")

QUESTIONS = json.loads((building.ROOT / "template" / "cookiecutter.json").read_text("utf-8"))
MINIPNG = building.ROOT / "reference-packages" / "minipng"
# The stable ABIs that the template offers, which are also the oldest Pythons of a consumer.
MINIMA = sorted(QUESTIONS["python_min"], key=Version)
LINES = [
    (language, binding) for language in QUESTIONS["language"] for binding in QUESTIONS["binding"]
]
LIMITED = {"pybind11": [], "nanobind": ["3.12"]}


def stable_abis(binding: str, version: str, oldest: str = MINIMA[0]) -> list[str]:
    """Return for which Pythons' stable ABIs a Python may have to build, and "" for its own ABI."""
    offered = LIMITED.get(binding, MINIMA)
    return ["", *(abi for abi in offered if Version(oldest) <= Version(abi) <= Version(version))]


@pytest.mark.parametrize("version", [MINIMA[0], cpythons.NEWEST])
@pytest.mark.parametrize(("language", "binding"), LINES)
def test_module_compiles(language: str, binding: str, version: str, tmp_path: Path) -> None:
    python = cpythons.need(version)
    answers = {"library_name": "foo", "provider_name": "libfoo", "library_source": "here"}
    answers.update(language=language, binding=binding, stable_abi="no")
    folder = building.generate(tmp_path, **answers)
    (source,) = (folder / "foo-ext" / "src").iterdir()
    if binding == "cython":
        pyx, source = source, tmp_path / ("_ext.c" if language == "c" else "_ext.cpp")
        plus = ["--cplus"] if language == "cxx" else []
        building.run(sys.executable, "-m", "cython", "-3", *plus, "--output-file", source, pyx)
    options = headers.options(answers, folder, tmp_path / "include")
    options += headers.of(python, binding)
    for abi in stable_abis(binding, version):
        headers.compiles(source, *options, *headers.limited_api(abi))


@pytest.mark.parametrize("at", ["oldest", "newest"])
def test_minipng_compiles(at: str, tmp_path: Path) -> None:
    includes = tmp_path / "libraries.c"
    includes.write_text(
        "#include <stdio.h>\n#include <png.h>\n#include <zlib.h>\n", encoding="utf-8"
    )
    try:
        headers.compiles(includes)
    except building.CommandError:
        pytest.skip("not available: the headers of libpng and zlib")
    answers = json.loads((MINIPNG / "answers.json").read_text("utf-8"))["cookiecutter"]
    oldest = answers["python_min"]
    version = oldest if at == "oldest" else cpythons.NEWEST
    options = headers.of(cpythons.need(version))
    for abi in stable_abis("c-api", version, oldest):
        source = MINIPNG / "src" / "_ext.c"
        headers.compiles(source, *options, *headers.limited_api(abi), standards=("c11", "c++17"))
