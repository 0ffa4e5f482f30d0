"""What the tests share: generate a pair, build wheels, install them in fresh environments, run code."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import upstream_sources
from cookiecutter.main import cookiecutter
from filelock import FileLock
from native_lib.check.read_wheel import read_wheel
from native_lib.check.run import check
from native_lib.cli import main as native_lib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parent.parent
SUPPORT = ROOT / "loader" / "src" / "native_lib" / "support"
# Where generated pairs get `native-lib` from: these very sources, also if git has them committed.
LOADER = f" @ {(ROOT / 'loader').as_uri()}"
# Uses the pair, and shows what comes of it.
SQUARE = "import foo_ext; print(foo_ext.square(3))"
SHOW = """
try:
    import foo_ext
    print(foo_ext.square(3))
except ImportError as error:
    print(type(error).__name__, error, sep="\\n")
"""
# What direct_url.json says, and what pip is to be given to install that again.
ORIGINS = {
    '{"url": "file:///src/libfoo-1.0.0.whl", "archive_info": {}}': "file:///src/libfoo-1.0.0.whl",
    '{"url": "file:///src/libfoo", "dir_info": {}}': "file:///src/libfoo",
    (
        '{"url": "https://example.org/foo.git", "subdirectory": "libfoo", '
        '"vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    ): "git+https://example.org/foo.git@abc#subdirectory=libfoo",
    "{}": "libfoo==1.0.0",
    "[]": "libfoo==1.0.0",
    "no JSON": "libfoo==1.0.0",
    '{"url": "https://example.org/foo.git", "vcs_info": 1}': "libfoo==1.0.0",
}
# What this process was started with must not decide what a test sees.
_OURS = re.compile(
    r"NATIVE_LIB_|PREFER_|GITHUB_|PYTHON|VIRTUAL_ENV|(DY)?LD_|PIP_(FIND|BUILD|CONSTRAINT)"
    r"|UV_(FIND|BUILD)|SKBUILD|CMAKE_ARGS|SOURCE_DATE_EPOCH|CC$|CXX$|COV_"
)

# Copies, not links: a test that damages an installed file must not damage uv's cache.
_UV = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1", "UV_LINK_MODE": "copy"}


class CommandError(AssertionError):
    """A command that had to succeed did not; the message holds what it printed."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would change a build or an import."""
    return {**{k: v for k, v in os.environ.items() if not _OURS.match(k)}, **(extra or {})}


def run(
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fails: bool = False,
    stderr: int = subprocess.STDOUT,
) -> str:
    """Run a command and return all it printed.

    Args:
        command: the program and its arguments.
        env: what to add to `environment`.
        cwd: the folder to run it in.
        fails: whether it must fail, rather than succeed.
        stderr: `subprocess.PIPE` to return what it printed on stdout only.

    Raises:
        CommandError: it did the other.
    """
    done = subprocess.run(
        [str(part) for part in command],
        env=environment(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if (done.returncode != 0) != fails:
        line = " ".join(str(part) for part in command)
        said = done.stdout + (done.stderr or "")
        raise CommandError(f"exit status {done.returncode}: {line}\n{said}")
    return done.stdout


def generate(folder: Path, **answers: str) -> Path:
    """Generate a pair below a folder and return it."""
    return Path(
        cookiecutter(
            str(ROOT),
            no_input=True,
            extra_context={"_loader": LOADER, **answers},
            output_dir=str(folder),
            default_config=True,
        )
    )


def uv(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run uv, which builds and installs many times faster than pip does, never fetching Pythons."""
    return run(
        tool("uv"),
        *arguments,
        env={**_UV, **(env or {})},
    )


def build(
    project: Path,
    out: Path,
    *,
    python: Path | str = sys.executable,
    kind: str = "wheel",
    env: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
    is_right: bool = True,
) -> Path:
    """Build a project in isolation, check it, and return the wheel or sdist.

    Args:
        project: its folder.
        out: where the result goes; wheels that lie there can be build requirements.
        python: the interpreter to build for.
        kind: ``wheel`` or ``sdist``.
        env: what to add to the build's environment.
        settings: scikit-build-core's, as ``name=value``.
        is_right: whether `native-lib check` must find no error in what is then in `out`.
    """
    out.mkdir(parents=True, exist_ok=True)
    before = set(out.iterdir())
    command: list[str | Path] = ["build", f"--{kind}", "--python", python, "--out-dir", out]
    command += ["--find-links", out, *_only(out, project)]
    command += [part for setting in settings for part in ("-C", setting)]
    uv(*command, project, env=env)
    suffix = ".whl" if kind == "wheel" else ".tar.gz"
    (built,) = (path for path in set(out.iterdir()) - before if path.name.endswith(suffix))
    if is_right:
        check_wheels(out)
    return built


def check_wheels(*wheels: Path) -> None:
    """Raise a CommandError if `native-lib check` finds errors in wheels, or folders of them."""
    report = check(wheels, read_wheel)
    errors = [
        (rule.id, found) for rule, found in report.findings if rule.severity_of(found) == "error"
    ]
    if errors or report.unusable:
        raise CommandError(f"native-lib check: {errors} {report.unusable}")


def loader_wheel() -> Path:
    """Return the wheel of native-lib-loader, which is built once for each state of its sources."""
    folder = ROOT / "loader"
    files = [*folder.glob("*.*"), *(folder / "src").rglob("*.*")]
    state = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file() and file.suffix != ".pyc"):
        state.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    out = Path(tempfile.gettempdir(), f"native-lib-loader-{state.hexdigest()[:16]}")
    with FileLock(f"{out}.lock"):
        if not [*out.glob("*.whl")]:
            uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", out, folder)
    (wheel,) = out.glob("*.whl")
    return wheel


def loader_installed() -> Path:
    """Return a folder for PYTHONPATH in which native-lib-loader is installed."""
    wheel = loader_wheel()
    folder = wheel.with_name("installed")
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
    return folder


def requires_loader(project: Path) -> bool:
    """Tell whether a project, or its sdist, has the build support as a requirement."""
    if project.is_file():
        with tarfile.open(project) as archive:
            (name,) = (n for n in archive.getnames() if re.fullmatch(r"[^/]+/pyproject\.toml", n))
            file = archive.extractfile(name)
            text = file.read().decode("utf-8") if file else ""
    else:
        text = (project / "pyproject.toml").read_text(encoding="utf-8")
    return '"native-lib-loader>=' in text


def _only(wheels: Path, project: Path) -> list[str]:
    """Constrain a build to exactly these wheels: an index may have others of the same name."""
    found = [*wheels.glob("*.whl"), *([loader_wheel()] if requires_loader(project) else [])]
    lines = [f"{wheel.name.split('-')[0]} @ {wheel.as_uri()}" for wheel in found]
    constraints = wheels / "constraints.txt"
    constraints.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return ["--build-constraints", str(constraints)]


# Upstream's release, for pairs that wrap one: what the template guesses about it is right.
_UPSTREAM = {
    "include/foo.{header}": (
        '#ifdef __cplusplus\nextern "C"\n#endif\nconst char *foo_version(void);\n'
        '#define FOO_VERSION "1.0.0"\n'
    ),
    "src/foo.{source}": (
        "#include <foo.{header}>\nconst char *foo_version(void) {{ return FOO_VERSION; }}\n"
    ),
    "CMakeLists.txt": (
        "cmake_minimum_required(VERSION 3.15)\nproject(foo VERSION 1.0.0 LANGUAGES {language})\n"
        "add_library(foo SHARED src/foo.{source})\n"
        "target_include_directories(\n"
        "    foo PUBLIC $<BUILD_INTERFACE:${{CMAKE_CURRENT_SOURCE_DIR}}/include>\n)\n"
        "set_target_properties(foo PROPERTIES VERSION 1.0.0 SOVERSION 1)\ninstall(TARGETS foo)\n"
    ),
    "LICENSE": "Do what you want.\n",
}


def upstream_archive(folder: Path, language: str = "c") -> Path:
    """Make the archive of a small upstream library foo 1.0.0."""
    is_c = language == "c"
    words = {"header": "h" if is_c else "hpp", "source": "c" if is_c else "cpp"}
    archive = folder / "foo-1.0.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in _UPSTREAM.items():
            data = text.format(**words, language="C" if is_c else "CXX").encode()
            member = tarfile.TarInfo("foo-1.0.0/" + name.format(**words))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive


def fetch_source(provider: Path, *arguments: str | Path) -> str:
    """Run what gets upstream's sources, vendored or not, and return what it prints."""
    vendored = provider / "native-lib" / "fetch_source.py"
    script = vendored if vendored.exists() else SUPPORT / "fetch_source.py"
    return run(sys.executable, script, *arguments, cwd=provider)


def fetch_upstream(provider: Path, archive: Path) -> None:
    """List an archive in a provider's source.toml, and unpack it there."""
    source = provider / "source.toml"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    text = re.sub(
        r'^sha256 = ".*"$', f'sha256 = "{digest}"', source.read_text("utf-8"), flags=re.MULTILINE
    )
    source.write_text(text.replace('license = ""', 'license = "0BSD"'), encoding="utf-8")
    fetch_source(provider, "--archive", archive)


@dataclass(frozen=True)
class Pair:
    """The generated folder, and the two wheels that were built from it."""

    folder: Path
    provider: Path
    consumer: Path


def build_pair(folder: Path, *, python: Path | str = sys.executable, **answers: str) -> Pair:
    """Generate a pair below a folder and build both wheels."""
    generated = generate(folder, **answers)
    projects = {
        "provider": generated / answers.get("provider_name", "libfoo"),
        "consumer": generated / answers.get("extension_name", "foo-ext"),
    }
    wheels = generated / "dist"
    if answers.get("library_source") == "upstream":
        fetch_upstream(projects["provider"], upstream_archive(folder, answers.get("language", "c")))
    provider = build(projects["provider"], wheels, python=python)
    return Pair(generated, provider, build(projects["consumer"], wheels, python=python))


@dataclass(frozen=True)
class Reference:
    """The reference packages' wheels."""

    zlib: Path
    libpng: Path
    minipng: Path

    @property
    def wheels(self) -> tuple[Path, Path, Path]:
        """All three, each after those that it requires."""
        return self.zlib, self.libpng, self.minipng


@dataclass(frozen=True)
class Sockets:
    """The wheels of the reference packages that other build systems and C++ are in."""

    sodium: Path
    zmq: Path


def build_sockets(folder: Path) -> Sockets:
    """Build native-sodium, and native-zmq against it.

    Raises:
        upstream_sources.SourcesError: upstream's sources cannot be had.
    """
    names = ("sodium", "zmq")
    for name in names:
        upstream_sources.provide(name)
    return Sockets(*(build(ROOT / "reference-packages" / name, folder) for name in names))


def build_hdf5(folder: Path, zlib: Path) -> Path:
    """Build native-hdf5 against native-zlib's wheel, which takes two minutes of processor time.

    Raises:
        upstream_sources.SourcesError: upstream's sources cannot be had.
    """
    upstream_sources.provide("hdf5")
    shutil.copy(zlib, folder)
    return build(ROOT / "reference-packages" / "hdf5", folder)


def build_reference(folder: Path, *, python: Path | str = sys.executable) -> Reference:
    """Build the reference packages, each against the wheels just built.

    Raises:
        upstream_sources.SourcesError: upstream's sources cannot be had.
    """
    for name in ("zlib", "libpng"):
        upstream_sources.provide(name)
    packages = ROOT / "reference-packages"
    return Reference(
        *(build(packages / name, folder, python=python) for name in ("zlib", "libpng", "minipng"))
    )


def edit(file: Path, old: str, new: str) -> None:
    """Replace a part of a file, which must be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text, text
    file.write_text(text.replace(old, new), encoding="utf-8")
    # Python takes bytecode for current when size and second of the source are the same.
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        compiled.unlink()


def record_as_it_is(site_packages: Path, file: Path) -> None:
    """Write an installed file into RECORD as it is: its authors made it so, and it is intact."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode()
    name = file.relative_to(site_packages).as_posix()
    line = f"{name},sha256={digest.rstrip('=')},{file.stat().st_size}"
    for listed in site_packages.glob("*.dist-info/RECORD"):
        text = listed.read_text("utf-8")
        found = re.subn(rf"^{re.escape(name)},.*$", line, text, flags=re.MULTILINE)
        if found[1]:
            listed.write_text(found[0], encoding="utf-8")
            return
    raise AssertionError(f"no RECORD lists {name}")


def require_libfoo(top: Path) -> None:
    """Make the provider libtop a consumer, too: its library calls libfoo's."""
    # What a consumer has, put into a provider: this is what the documentation says to do.
    assert native_lib(["vendor", str(top), "--consumer"]) == 0
    edit(top / "pyproject.toml", "requires-python", 'dynamic = ["dependencies"]\nrequires-python')
    with (top / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[[tool.dynamic-metadata]]\nlibraries = { foo = "libfoo" }\n'
            'provider = { path = "native-lib", module = "native_library_metadata" }\n'
        )
    with (top / "CMakeLists.txt").open("a", encoding="utf-8") as file:
        file.write("native_library_consumer(top LIBRARIES foo::foo DESTINATION libtop)\n")
    (top / "python" / "libtop" / "__init__.py").write_text(
        "from . import _native_libs, _native_requires\n"
        "from ._shared_lib_consumer import load_requirements\n"
        "from ._shared_lib_manager import LibraryLoader\n\n"
        "loader = LibraryLoader.from_manifest(\n"
        "    _native_libs, requires=lambda: load_requirements(_native_requires)\n)\n",
        encoding="utf-8",
    )
    source = top / "src" / "top.c"
    edit(source, "#include <top/top.h>", "#include <foo/foo.h>\n#include <top/top.h>")
    edit(source, "return value * value", "return foo_square(value) + 1")


def build_chain(folder: Path) -> list[Path]:
    """Build three wheels: top-ext requires libtop, and libtop's library requires libfoo's."""
    base = generate(folder / "base")
    above = generate(
        folder / "above", library_name="top", provider_name="libtop", extension_name="top-ext"
    )
    top = above / "libtop"
    require_libfoo(top)
    wheels = folder / "dist"
    return [build(project, wheels) for project in (base / "libfoo", top, above / "top-ext")]


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        scripts = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        return self.folder / scripts

    @property
    def site_packages(self) -> Path:
        """Where distributions are installed in it."""
        return Path(
            run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('platlib'))").strip()
        )

    def run(
        self,
        code: str,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        fails: bool = False,
    ) -> str:
        """Run Python code in a fresh process and return all it printed; see `run`."""
        # -P keeps the current folder out of sys.path but is new in 3.11; -c puts "" first.
        return run(
            *(self.python, "-c", code),
            env={**self.variables, **(env or {})},
            cwd=cwd or self.folder,
            fails=fails,
        )

    def install(self, *what: str | Path) -> None:
        """Install wheels or folders, without looking for what they require.

        Wheels as from an index: as if nobody had written down which files they were.
        """
        uv("pip", "install", "--quiet", "--no-deps", "--python", self.python, *what)
        for file in self.site_packages.glob("*.dist-info/direct_url.json"):
            if "archive_info" in file.read_text(encoding="utf-8"):
                file.unlink()
                record = file.with_name("RECORD")
                lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = (line for line in lines if "/direct_url.json," not in line)
                record.write_text("".join(kept), encoding="utf-8")

    def users_folder(self, env: Mapping[str, str]) -> Path:
        """Where `pip install --user` would install; a virtual environment leaves that alone."""
        return Path(self.run("import site; print(site.getusersitepackages())", env=env).strip())

    def uninstall(self, *names: str) -> None:
        """Remove distributions."""
        uv("pip", "uninstall", "--quiet", "--python", self.python, *names)


def new_environment(
    folder: Path, *wheels: Path | str, python: Path | str = sys.executable
) -> Environment:
    """Make a virtual environment with these wheels and nothing else."""
    uv("venv", "--quiet", "--clear", "--python", python, folder)
    made = Environment(folder)
    # As in most environments; uv's have none, and the errors' fix lines name what there is.
    (made.site_packages / "pip.py").touch()
    if wheels:
        made.install(*wheels)
    return made


# Prints the library files that the operating system has mapped, one a line.
MAPPED = """
def mapped(part):
    with open("/proc/self/maps", errors="surrogateescape") as maps:
        paths = {line.split(None, 5)[5].strip() for line in maps if len(line.split(None, 5)) > 5}
    return sorted(path for path in paths if part in path)
"""


def mapped(environment: Environment, code: str, part: str, **env: str) -> list[str]:
    """Run code, then return the files mapped in that process whose path has a part in it."""
    printed = environment.run(f"{code}\n{MAPPED}\nprint('\\n'.join(mapped({part!r})))", env=env)
    return [line for line in printed.splitlines() if line.startswith("/")]


def compile_library(
    source: str,
    output: Path,
    *options: str,
    soname: str | None = None,
    compiler: str = "cc",
) -> Path:
    """Compile C source to a shared library, as plainly as a test can say it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    file = output.with_suffix(".c")
    file.write_text(source, encoding="utf-8")
    name = [] if soname is None else [f"-Wl,-soname,{soname}"]
    run(compiler, "-shared", "-fPIC", "-o", output, file, *name, *options)
    return output


def without_capabilities() -> list[str]:
    """Return what must stand before a command so that permissions hold for root too."""
    if sys.platform == "win32" or os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write everywhere, and there is no setpriv (util-linux)")
    return [setpriv, "--inh-caps=-all", "--bounding-set=-all"]


def tool(name: str) -> str:
    """Return a program of the environment that runs the tests, or of PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not installed; `nox -s tests` installs it")
    return found
