"""torch, pyarrow, NVIDIA's run time and scipy-openblas64 as PyPI has them; `nox -s foreign`."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
import public_wheels
import pytest
from native_lib.check.read_wheel import read_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")

# PyPI's torch for x86_64 is CUDA's, of many times the size; PyTorch's own index has this one.
TORCH = "torch==2.13.0+cpu"
OTHERS = (
    *("pyarrow==26.0.1", "scipy-openblas64==0.3.34.481.3", "nvidia-cuda-runtime==13.5.37"),
    *("torchaudio==2.11.1", "torch_harmonics==0.9.3"),
)
TOOLS = ("setuptools>=77", "packaging>=24.2", "rich>=13.9", "lief>=1.0")
TORCHS = ("filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec")
MODULE = """
#include <Python.h>
{include}
static PyObject *call(PyObject *, PyObject *) {{ return PyLong_FromLongLong({expression}); }}
static PyMethodDef methods[] = {{{{"call", call, METH_NOARGS, NULL}}, {{NULL, NULL, 0, NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "_ext", NULL, 0, methods}};
PyMODINIT_FUNC PyInit__ext(void) {{ return PyModule_Create(&module); }}
"""
PYPROJECT = """
[build-system]
requires = ["setuptools>=77", "native-lib-loader"]
build-backend = "native_lib.build"
[project]
name = "{name}"
version = "1.0"
dynamic = ["dependencies"]
[tool.native-lib]
backend = "setuptools.build_meta"
libraries = {{ it = "{provider}" }}
"""
SETUP = """
from setuptools import Extension, setup
# Not as `libraries`: those that no symbol is taken of would be left out.
link = ["-Wl,--no-as-needed", *("-l" + each for each in {libraries})]
extension = Extension("{name}._ext", ["ext.cpp"], extra_compile_args=["-std=c++20"], extra_link_args=link)
setup(packages=["{name}"], ext_modules=[extension])
"""
FLIGHT = "libarrow_flight.so.2600"


@dataclass(frozen=True)
class Real:
    """An environment with these packages, and where consumers of them are built."""

    env: building.Environment
    folder: Path
    downloads: Path

    def native_lib(self, *arguments: str | Path, fails: bool = False) -> str:
        command = (self.env.python, "-m", "native_lib", *arguments)
        return building.run(*command, env=self.variables, cwd=self.folder, fails=fails)

    @property
    def variables(self) -> dict[str, str]:
        source = str(building.ROOT / "loader" / "src")
        return {"PYTHONPATH": source, "NATIVE_LIB_CACHE": str(self.folder / "cache")}

    def build(
        self, name: str, provider: str, libraries: Sequence[str], include: str, expression: str
    ) -> Path:
        """Build a consumer with pip and the wrapping back end; return its wheel, unpacked as well."""
        project = self.folder / name
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("from ._ext import call\n", encoding="utf-8")
        source = MODULE.format(include=f"#include <{include}>", expression=expression)
        (project / "ext.cpp").write_text(source, encoding="utf-8")
        texts = {"name": name, "provider": provider, "libraries": [*libraries]}
        (project / "pyproject.toml").write_text(PYPROJECT.format(**texts), encoding="utf-8")
        (project / "setup.py").write_text(SETUP.format(**texts), encoding="utf-8")
        pip = (self.env.python, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation")
        out = self.folder / "dist"
        said = building.run(*pip, "-w", out, project, env=self.variables)
        (project / "said.txt").write_text(said, encoding="utf-8")
        (wheel,) = out.glob(f"{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.folder / "site")
        return wheel

    def run(self, code: str, *first: Path, fails: bool = False) -> str:
        path = os.pathsep.join(map(str, (*first, self.folder / "site")))
        command = (self.env.python, "-W", "ignore", "-c", code)
        return building.run(*command, env={"PYTHONPATH": path}, fails=fails)


def skip_unless_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--foreign"):
        pytest.skip("downloads 600 MB, and takes minutes: nox -s foreign")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Real:
    skip_unless_asked(request)
    folder = tmp_path_factory.mktemp("foreign")
    building.run(sys.executable, "-m", "venv", folder / "env")
    env = building.Environment(folder / "env")
    pip = (env.python, "-m", "pip")
    downloads = folder / "downloads"
    for each in (TORCH, *OTHERS):
        try:
            building.run(*pip, "download", "-q", "--no-deps", "-d", downloads, each)
        except building.CommandError as error:
            if each == TORCH:
                pytest.skip(f"pip finds no {TORCH}; name PyTorch's index in PIP_EXTRA_INDEX_URL")
            raise AssertionError(each) from error
    used = [path for path in downloads.iterdir() if not path.name.startswith("torch_")]
    used = [path for path in used if not path.name.startswith("torchaudio")]
    building.run(*pip, "install", "-q", "--no-deps", *used)
    building.run(*pip, "install", "-q", *TOOLS, *TORCHS)
    return Real(env, folder, downloads)


@pytest.fixture(scope="module")
def other_torch(real: Real) -> Path:
    """A folder with a torch that says it is 2.14.1. Its files are 2.13.0's: no symbol is missing."""
    site, folder = real.env.site_packages, real.folder / "other"
    (folder / "torch").mkdir(parents=True)
    for path in (site / "torch").iterdir():
        if path.name not in ("version.py", "__pycache__"):
            (folder / "torch" / path.name).symlink_to(path)
    text = (site / "torch" / "version.py").read_text("utf-8")
    (folder / "torch" / "version.py").write_text(text.replace("2.13.0+cpu", "2.14.1"), "utf-8")
    info = folder / "torch-2.14.1.dist-info"
    shutil.copytree(site / "torch-2.13.0+cpu.dist-info", info)
    text = (info / "METADATA").read_text("utf-8")
    (info / "METADATA").write_text(text.replace("Version: 2.13.0+cpu", "Version: 2.14.1"), "utf-8")
    return folder


def requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return re.findall(r"^Requires-Dist: (.*)$", archive.read(path).decode(), re.MULTILINE)


def test_torch(real: Real, other_torch: Path) -> None:
    device = "c10::Device(c10::DeviceType::CPU, 3).str().size()"
    wheel = real.build("cpp", "torch", ["c10", "torch_cpu"], "c10/core/Device.h", device)
    assert requires(wheel) == ["torch>=2.13.0,<2.14"]
    for order in ("cpp, torch", "torch, cpp"):
        assert real.run(f"import {order}; print(cpp.call(), torch.__version__)") == "5 2.13.0+cpu\n"
    told = "cpp was built against torch 2.13.0+cpu and needs torch>=2.13.0,<2.14, but 2.14.1 is"
    for imports in ("import cpp", "import torch, cpp"):
        assert told in real.run(imports, other_torch, fails=True)


def test_torch_by_its_stable_abi(real: Real, other_torch: Path) -> None:
    include, call = "torch/csrc/inductor/aoti_torch/c/shim.h", "aoti_torch_device_type_cpu()"
    wheel = real.build("stable", "torch", ["torch_cpu"], include, call)
    assert requires(wheel) == ["torch>=2.13.0"]
    code = "import stable, torch; print(stable.call(), torch.__version__)"
    assert real.run(code) == "0 2.13.0+cpu\n"
    assert real.run(code, other_torch) == "0 2.14.1\n"


def test_pyarrow(real: Real) -> None:
    held = "arrow::default_memory_pool()->bytes_allocated()"
    libraries = ["arrow", "arrow_flight"]
    wheel = real.build("arrows", "pyarrow", libraries, "arrow/memory_pool.h", held)
    assert requires(wheel) == ["pyarrow>=26.0.1,<26.1"]
    # One memory pool: the library is one, in either order. The import leaves libarrow_flight.
    use = "held = pyarrow.array([1, 2, 3]); print(arrows.call(), pyarrow.total_allocated_bytes())"
    files = f"; print(open('/proc/self/maps').read().count('/pyarrow/{FLIGHT}') > 0)"
    for order in ("arrows, pyarrow", "pyarrow, arrows"):
        assert real.run(f"import {order}; {use}{files}") == "64 64\nTrue\n"
    older = real.folder / "older"
    pip = (real.env.python, "-m", "pip", "install", "-q", "--no-deps", "--target", older)
    building.run(*pip, "pyarrow==25.0.1")
    said = real.run("import arrows", older, fails=True)
    assert "built against pyarrow 26.0.1 and needs pyarrow>=26.0.1,<26.1, but 25.0.1 is" in said


def test_nvidias_run_time(real: Real) -> None:
    # Its headers include those of further packages.
    include = 'cstdio>\nextern "C" int cudaRuntimeGetVersion(int *);\n#include <cstdlib'
    version = "([] { int version = 0; cudaRuntimeGetVersion(&version); return version / 1000; }())"
    wheel = real.build("cuda", "nvidia-cuda-runtime", ["cudart"], include, version)
    assert requires(wheel) == ["nvidia-cuda-runtime>=13.5.37,<14"]
    assert real.run("import cuda; print(cuda.call())") == "13\n"


def test_scipy_openblas(real: Real) -> None:
    include = 'cstring>\nextern "C" char *scipy_openblas_get_config64_(void);\n#include <cstdio'
    call = 'std::strncmp(scipy_openblas_get_config64_(), "OpenBLAS", 8)'
    wheel = real.build("blas", "scipy-openblas64", ["scipy_openblas64_"], include, call)
    assert requires(wheel) == ["scipy-openblas64==0.3.34.481.3"]
    assert "promise nothing about other versions; the wheel will require scipy-openblas64==" in (
        (real.folder / "blas" / "said.txt").read_text("utf-8")
    )
    assert real.run("import blas; print(blas.call())") == "0\n"


def test_published_wheels_are_right(real: Real) -> None:
    """Of torchaudio, which uses the stable ABI only, and torch_harmonics, which does not."""
    theirs = sorted([*real.downloads.glob("torchaudio-*"), *real.downloads.glob("torch_harm*")])
    alone = real.native_lib("check", *theirs)
    assert "2 files checked: 0 errors" in alone
    torch = next(real.downloads.glob("torch-*"))
    said = real.native_lib("check", *theirs, torch, fails=True)
    rules = set(re.findall(r"^error +([\w-]+) +(\w+)-", said, re.MULTILINE))
    # It is the torch for CPUs that lacks CUDA's libraries, and it is older than 2.14.
    assert rules == {("needed-unanswered", "torchaudio"), ("provider-version", "torch_harmonics")}


@pytest.mark.parametrize(
    ("platform", "theirs"),
    [
        ("macosx_14_0_arm64", "rpath-absolute"),
        ("win_amd64", "needed-unanswered:MSVCP140.dll"),  # of Microsoft's installer
    ],
)
def test_wheels_for_other_systems(
    platform: str, theirs: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """torchvision uses the stable ABI only, and says so by its name: _C_stable."""
    skip_unless_asked(request)
    torch, vision = (
        public_wheels.get(each, platform) for each in ("torch==2.14.1", "torchvision==0.29.1")
    )
    env = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    native_lib = (sys.executable, "-m", "native_lib")
    building.run(*native_lib, "bind", "-w", tmp_path, "--provider", torch, vision, env=env)
    bound = tmp_path / vision.name
    assert requires(bound)[-1] == "torch>=2.14.1"
    said = building.run(*native_lib, "check", "--ignore", theirs, bound, torch, env=env)
    assert "2 files checked: 0 errors" in said
    arrow = public_wheels.get("pyarrow==26.0.1", platform.replace("_14_0_", "_12_0_"))
    (manifest,) = read_wheel(arrow).manifests
    names = {library.name for library in manifest.libraries}
    assert {"arrow", "arrow_flight", "parquet"} <= names
    assert len(manifest.libraries) == 11


def test_doctor_finds_nothing_wrong(real: Real) -> None:
    wheels = [*(real.folder / "dist").glob("*.whl")]
    assert len(wheels) == 5
    real.env.install(*wheels)
    said = real.native_lib("doctor")
    assert not re.findall(r"^(?:error|warning): .*", said, re.MULTILINE)
    assert said.count(": provider") == 4
