"""Build for every platform on this one, with zig's compilers and the projects' own CMakeLists.txt.

What comes out is laid out as the wheels lay it out. zig keeps the C libraries that it compiled in its
cache: the first build for a target takes up to a minute and a half, in C++ two more; the next ones
seconds.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import building
import upstream_sources

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Target:
    """A platform to build for: zig's name, CMake's two, and the tag of wheels for it."""

    zig: str
    system: str
    processor: str
    tag: str
    bits: int = 64

    @property
    def is_musl(self) -> bool:
        """Whether its C library is musl."""
        return self.zig.endswith("-musl")

    def file(self, stem: str, abi: str) -> str:
        """Return the design's name of a provider's library file."""
        pattern = {"Linux": "{}.so.{}", "Darwin": "{}.{}.dylib", "Windows": "{}-{}.dll"}
        return pattern[self.system].format(stem, abi)

    def runtime_name(self, stem: str, abi: str) -> str:
        """Return the design's name that consumers record."""
        return ("@rpath/" if self.system == "Darwin" else "") + self.file(stem, abi)

    @property
    def extension(self) -> str:
        """The file of a stable ABI's extension module _ext."""
        return "_ext.pyd" if self.system == "Windows" else "_ext.abi3.so"


TARGETS = {
    "linux-x86_64": Target("x86_64-linux-gnu.2.17", "Linux", "x86_64", "manylinux_2_17_x86_64"),
    "linux-aarch64": Target("aarch64-linux-gnu.2.17", "Linux", "aarch64", "manylinux_2_17_aarch64"),
    "musl-x86_64": Target("x86_64-linux-musl", "Linux", "x86_64", "musllinux_1_2_x86_64"),
    "macos-x86_64": Target("x86_64-macos.11.0", "Darwin", "x86_64", "macosx_11_0_x86_64"),
    "macos-arm64": Target("aarch64-macos.11.0", "Darwin", "arm64", "macosx_11_0_arm64"),
    "windows-x86_64": Target("x86_64-windows-gnu", "Windows", "AMD64", "win_amd64"),
    "windows-arm64": Target("aarch64-windows-gnu", "Windows", "ARM64", "win_arm64"),
}

# Run by qemu (tests/machines/chroot); what holds for every platform is tested on those above.
MACHINES = {
    "linux-armv7l": Target(
        "arm-linux-gnueabihf.2.17", "Linux", "armv7l", "manylinux_2_17_armv7l", bits=32
    ),
    "linux-i686": Target("x86-linux-gnu.2.17", "Linux", "i686", "manylinux_2_17_i686", bits=32),
    "linux-s390x": Target("s390x-linux-gnu.2.17", "Linux", "s390x", "manylinux_2_17_s390x"),
}
ALL = {**TARGETS, **MACHINES}

# What is built for each of the first: the pair in C and in C++, and the reference packages' providers.
WHAT = ("c", "cxx", "reference")
CASES = [(target, what) for what in WHAT for target in TARGETS]

# What the template's extension modules call; for an import library of python3.dll.
PYTHON_FUNCTIONS = (
    "PyErr_Occurred",
    "PyErr_SetString",
    "PyFloat_AsDouble",
    "PyFloat_FromDouble",
    "PyModuleDef_Init",
    "PyUnicode_FromString",
)
PYTHON_DATA = ("PyExc_RuntimeError", "PyExc_ValueError")

# Python's own pyconfig.h is of the machine that runs this; of Windows' the limited API reads so much.
WINDOWS_PYCONFIG = """
#define MS_WINDOWS 1
#define MS_WIN64 1
#define Py_ENABLE_SHARED 1
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_WCHAR_T 2
#define ALIGNOF_SIZE_T 8
#define ALIGNOF_MAX_ALIGN_T 8
#define HAVE_STDINT_H 1
#define HAVE_STDDEF_H 1
typedef long long Py_ssize_t;
#define HAVE_PY_SSIZE_T 1
#define PLATLIBDIR "lib"
"""

# And of Linux' with 32 bits, which differ in these from those of the machine that runs this.
PYCONFIG_OF_32_BITS = "".join(
    f"#undef {name}\n#define {name} 4\n"
    for name in (
        *("SIZEOF_LONG", "SIZEOF_VOID_P", "SIZEOF_SIZE_T", "SIZEOF_UINTPTR_T", "SIZEOF_PTHREAD_T"),
        *("ALIGNOF_LONG", "ALIGNOF_SIZE_T"),
    )
)

# As PEP 517 has it; the providers that the wheel is built against are on PYTHONPATH.
ASK_FOR_METADATA = """
import sys
from scikit_build_core.build import prepare_metadata_for_build_wheel
prepare_metadata_for_build_wheel(sys.argv[1])
"""

CALLS_LIBC = """
extern void abort(void);
__attribute__((used, retain)) static void (*volatile calls)(void) = abort;
"""

# Stripped, as the build back end does with what it installs: Windows' debug records hold paths. And
# everything, CMake's trial programs too: zig compiles a C++ library for what is stripped, which takes a
# minute, and another for what is not.
# zig's linker makes no MH_BUNDLE: a dylib stands in for it, with a name that tells no folder.
COMPILER = """#!/bin/sh
for word; do
  shift
  case "$word" in
    -bundle) set -- "$@" -dynamiclib -install_name @rpath/_ext ;;
    *) set -- "$@" "$word" ;;
  esac
done
exec "{zig}" {command} -target {target} -s "$@"
"""


def zig() -> Path | None:
    """Return zig's program, of the distribution ziglang, or None."""
    found = importlib.util.find_spec("ziglang")
    return Path(found.origin).with_name("zig") if found and found.origin else None


class Cross:
    """A tool chain for one target, and a folder laid out as site-packages for what it builds."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.site = folder / "site-packages"
        self._tools = folder / "tools"
        self._tools.mkdir(parents=True, exist_ok=True)
        self._write_tools()

    def _script(self, name: str, text: str) -> Path:
        script = self._tools / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
        return script

    def _write_tools(self) -> None:
        program = zig()
        lines = [
            f"set(CMAKE_SYSTEM_NAME {self.target.system})",
            f"set(CMAKE_SYSTEM_PROCESSOR {self.target.processor})",
            # The target has the deployment version and brings its own headers.
            'set(CMAKE_OSX_DEPLOYMENT_TARGET "")',
            'set(CMAKE_OSX_SYSROOT "")',
            f'set(CMAKE_SHARED_LINKER_FLAGS_INIT "{self._libc()}")',
            f'set(CMAKE_MODULE_LINKER_FLAGS_INIT "{self._libc()}")',
        ]
        for variable, command in (("C", "cc"), ("CXX", "c++")):
            text = COMPILER.format(zig=program, command=command, target=self.target.zig)
            lines.append(f'set(CMAKE_{variable}_COMPILER "{self._script(command, text)}")')
        for tool in ("ar", "ranlib", "rc"):
            script = self._script(tool, f'#!/bin/sh\nexec "{program}" {tool} "$@"\n')
            variable = "CMAKE_RC_COMPILER" if tool == "rc" else f"CMAKE_{tool.upper()}"
            lines.append(f'set({variable} "{script}")')
        # CMake asks a Mac for its version, and without an answer takes it for one that has no @rpath.
        self._script("apple/sw_vers", "#!/bin/sh\necho 11.0\n")
        (self._tools / "toolchain.cmake").write_text("\n".join([*lines, ""]), encoding="utf-8")

    def _libc(self) -> str:
        """Return what to link where the C library must be needed, whatever else is called.

        NativeLibrary.cmake asks for it with --no-as-needed, since auditwheel tells glibc from musl
        by it. zig takes that option, and needs no C library that nothing calls.
        """
        if self.target.system != "Linux":
            return ""
        made = self._tools / "libc.o"
        source = made.with_suffix(".c")
        source.write_text(CALLS_LIBC, encoding="utf-8")
        compiler = (str(zig()), "cc", "-target", self.target.zig)
        building.run(*compiler, "-fPIC", "-c", "-o", made, source)
        return f"{made} {self._alpines_libc()}" if self.target.is_musl else str(made)

    def _alpines_libc(self) -> Path:
        """Make a library with musl's symbols and the name that Alpine gives it.

        musllinux wheels are built on Alpine, and auditwheel knows musl by that name only. musl takes
        every name that begins with "libc." for itself, so files that need it run everywhere.
        """
        made = self._tools / f"libc.musl-{self.target.processor}.so.1"
        program = zig()
        assert program is not None
        symbols = program.with_name("lib") / "libc" / "musl" / "libc.S"
        defines = ("-DPTR64", f"-DARCH_{self.target.processor}", "-DFAMILY_x86")
        building.run(
            *(program, "cc", "-target", self.target.zig, "-shared", "-nostdlib", *defines),
            *(f"-Wl,-soname,{made.name}", "-o", made, symbols),
        )
        return made

    def build(
        self, project: Path, version: str, *options: str, modules: Sequence[Path] = ()
    ) -> None:
        """Configure, build and install a project, as the build back end would into a wheel."""
        cmake = building.tool("cmake")
        out = self.folder / "build" / project.name
        env = {
            # Where its providers are, to be asked and not to be written into.
            "PYTHONPATH": str(self.site),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{self._tools / 'apple'}{os.pathsep}{os.environ['PATH']}",
        }
        # The build back end finds CMake modules by entry points.
        module_path = ";".join(map(str, (building.SUPPORT, *modules)))
        building.run(
            *(cmake, "-G", "Ninja", "-S", project, "-B", out, "-DCMAKE_BUILD_TYPE=Release"),
            f"-DCMAKE_MODULE_PATH={module_path}",
            f"-DCMAKE_TOOLCHAIN_FILE={self._tools / 'toolchain.cmake'}",
            f"-DCMAKE_MAKE_PROGRAM={building.tool('ninja')}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DSKBUILD_PROJECT_VERSION={version}",
            *options,
            env=env,
        )
        building.run(cmake, "--build", out, env=env)
        building.run(cmake, "--install", out, "--prefix", self.site, env=env)
        shutil.copytree(
            project / "python",
            self.site,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def build_extension(self, project: Path, version: str, abi: str = "3.9") -> None:
        """Build a project with an extension module of the stable ABI."""
        options = [
            "-DSKBUILD_SABI_COMPONENT=Development.SABIModule",
            f"-DSKBUILD_SABI_VERSION={abi}",
            f"-DPython_INCLUDE_DIR={self._python_headers()}",
        ]
        # CMake before 3.26 knows no stable ABI; the build back end brings a FindPython that does.
        find_python = importlib.util.find_spec("scikit_build_core.resources.find_python")
        assert find_python is not None
        assert find_python.origin is not None
        if self.target.system == "Windows":
            library = self._python_import_library()
            options += [f"-DPython_LIBRARY={library}", f"-DPython_SABI_LIBRARY={library}"]
        self.build(project, version, *options, modules=[Path(find_python.origin).parent])

    def _python_headers(self) -> Path:
        headers = self.folder / "python-headers"
        if not headers.exists():
            shutil.copytree(sysconfig.get_path("include"), headers)
            config = headers / "pyconfig.h"
            # Debian's in that folder only includes the one in another.
            shutil.copy(sysconfig.get_config_h_filename(), config)
            if self.target.system == "Windows":
                config.write_text(WINDOWS_PYCONFIG, encoding="utf-8")
            elif self.target.bits == 32:
                config.write_text(config.read_text("utf-8") + PYCONFIG_OF_32_BITS, "utf-8")
        return headers

    def _python_import_library(self) -> Path:
        library = self.folder / "python3.lib"
        definition = library.with_suffix(".def")
        names = [*PYTHON_FUNCTIONS, *(f"{name} DATA" for name in PYTHON_DATA)]
        definition.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *names, ""]), "utf-8")
        machine = {"AMD64": "i386:x86-64", "ARM64": "arm64"}[self.target.processor]
        building.run(str(zig()), "dlltool", "-m", machine, "-d", definition, "-l", library)
        return library


def build_pair(target: Target, folder: Path, language: str = "c", **answers: str) -> Path:
    """Generate a pair and build it for a target; return the folder that holds both packages."""
    cross = Cross(target, folder)
    generated = building.generate(folder, language=language, **answers)
    provider = answers.get("provider_name", "libfoo")
    version = answers.get("library_version", "1.0.0")
    cross.build(generated / provider, version)
    cross.build_extension(generated / answers.get("extension_name", "foo-ext"), version)
    return cross.site


def build_reference(target: Target, folder: Path) -> Path:
    """Build native-zlib and native-libpng for a target; return the folder that holds both.

    Raises:
        upstream_sources.SourcesError: upstream's sources cannot be had.
    """
    cross = Cross(target, folder)
    for name in ("zlib", "libpng"):
        upstream_sources.provide(name)
        project = building.ROOT / "reference-packages" / name
        facts = json.loads(building.fetch_source(project, "--facts"))
        cross.build(project, facts["wheel_version"])
    return cross.site


def projects(site: Path, what: str) -> tuple[Path, ...]:
    """Return the projects that were built into a folder, each after those that it requires."""
    if what == "reference":
        folder, names = building.ROOT / "reference-packages", ("zlib", "libpng")
    else:
        folder, names = site.parent / "foo-wheels", ("libfoo", "foo-ext")
    return tuple(folder / name for name in names)


def pack(project: Path, site: Path, platform: str, out: Path) -> Path:
    """Pack what was built of a project into a wheel.

    The metadata is the build back end's, which asks the providers in the folder; of its tag the
    platform is replaced: the back end takes this machine for the one to build for.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        # Where the providers are, and what the reference packages require to be built.
        folders = os.pathsep.join(map(str, (site, building.loader_installed())))
        env = {"PYTHONPATH": folders, "PYTHONDONTWRITEBYTECODE": "1"}
        building.run(sys.executable, "-c", ASK_FOR_METADATA, work, cwd=project, env=env)
        contents = files(Path(work), Path(work))
    (info,) = {name.partition("/")[0] for name in contents}
    wheel_file = contents[f"{info}/WHEEL"].decode()
    tag = re.search(r"^Tag: (\w+-\w+-)", wheel_file, re.MULTILINE)
    assert tag is not None
    contents[f"{info}/WHEEL"] = re.sub(
        r"^Tag: .*$", f"Tag: {tag[1]}{platform}", wheel_file, flags=re.MULTILINE
    ).encode()
    package = info.partition("-")[0]
    contents.update(files(site / package, site))
    record = [f"{info}/RECORD,,\n"]
    wheel = out / f"{info.removesuffix('.dist-info')}-{tag[1]}{platform}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            record.append(f"{name},sha256={digest.rstrip('=')},{len(content)}\n")
        archive.writestr(f"{info}/RECORD", "".join(record))
    return wheel


def files(folder: Path, root: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, by its path below another."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
