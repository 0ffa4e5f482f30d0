"""The tasks of this repository; `nox --list` shows them, and the workflows run only these."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = ROOT / "reference-packages"
DIST = ROOT / "dist"
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
# mypy checks one branch of `if sys.platform` at a time.
SYSTEMS = ("linux", "darwin", "win32")
# What is published from here, with its folder; each reference package follows those it requires.
PROVIDERS = {
    f"native-{name}": PACKAGES / name for name in ("zlib", "libpng", "sodium", "zmq", "hdf5")
}
WHEELS = {**PROVIDERS, "minipng": PACKAGES / "minipng"}
DISTRIBUTIONS = {"native-lib-loader": ROOT / "loader", **WHEELS}
# What the reference packages are tested on: minipng's oldest Python, the newest, and those without
# the GIL.
OLDEST, NEWEST, NO_GIL = "3.11", "3.15", ["3.14t", "3.15t"]
# Where their wheels are built, each on its own kind of machine, and the tags a release must have.
PLATFORMS = {
    "manylinux-x86_64": {"runner": "ubuntu-24.04", "tag": "manylinux*_x86_64"},
    "manylinux-aarch64": {"runner": "ubuntu-24.04-arm", "tag": "manylinux*_aarch64"},
    "musllinux-x86_64": {"runner": "ubuntu-24.04", "tag": "musllinux*_x86_64"},
    "musllinux-aarch64": {"runner": "ubuntu-24.04-arm", "tag": "musllinux*_aarch64"},
    "macos-x86_64": {"runner": "macos-15-intel", "tag": "macosx*_x86_64"},
    "macos-arm64": {"runner": "macos-15", "tag": "macosx*_arm64"},
    "windows-amd64": {"runner": "windows-2025", "tag": "win_amd64"},
    "windows-arm64": {"runner": "windows-11-arm", "tag": "win_arm64"},
}
# The tests that use the machines, C libraries and Pythons that tests/machines provides.
LAB = (
    *("machine_scripts", "machines", "check_machines", "windows"),
    *("musl_for_real", "musl_situations", "free_threaded", "manylinux"),
)

nox.options.sessions = ["lint", "tests"]


def install(session: nox.Session, *what: str) -> None:
    """Install, and try again when a download fails."""
    # Not as an option of pip's: nox can be set to use uv, which has no such option.
    session.install(*what, env={"PIP_RETRIES": "10", "UV_HTTP_RETRIES": "10"})


def install_group(session: nox.Session, group: str) -> None:
    """Install a dependency group of pyproject.toml."""
    install(session, *nox.project.dependency_groups(PROJECT, group))


@nox.session
def demo(session: nox.Session) -> None:
    """Generate the default pair in a temporary folder, build and install it, and use it."""
    install(session, "cookiecutter>=2.7,<3", "build")
    with tempfile.TemporaryDirectory() as folder:
        session.run("cookiecutter", str(ROOT), "--no-input", "--default-config", "-o", folder)
        pair = Path(folder, "foo-wheels")
        session.chdir(pair)
        build = ["python", "-m", "build", "--wheel", "--outdir", "dist"]
        session.run(*build, "libfoo")
        (provider,) = (pair / "dist").glob("libfoo-*.whl")
        constraints = pair / "dist" / "constraints.txt"
        constraints.write_text(f"libfoo @ {provider.as_uri()}\n", encoding="utf-8")
        session.run(*build, "foo-ext", env={"PIP_CONSTRAINT": constraints.as_uri()})
        (consumer,) = (pair / "dist").glob("foo_ext-*.whl")
        session.run("python", "-m", "venv", "fresh")
        python = str(pair / "fresh" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        pip = [python, "-m", "pip", "install", "--quiet"]
        session.run(*pip, str(provider), str(consumer), external=True)
        code = "import foo_ext; print('foo_ext.square(3) =', foo_ext.square(3))"
        session.run(python, "-c", code, external=True, env={"NATIVE_LIB_DEBUG": "1"})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest."""
    install_group(session, "tests")
    session.run("pytest", *(session.posargs or ("-n", "auto", "--dist", "worksteal")))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    install_group(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run(
        "gersemi",
        "--check",
        "loader/src/native_lib/support",
        *map(str, PACKAGES.glob("*/CMakeLists.txt")),
    )
    for system in SYSTEMS:
        mypy = ["mypy", "--platform", system]
        session.run(*mypy, "loader", "template/local_extensions")
        session.run(*mypy, "reference-packages/minipng/python")
        session.run(*mypy, *map(str, (ROOT / "tests" / "platforms").glob("test_only_*.py")))
    session.run("mypy", "tests", "noxfile.py", *map(str, PACKAGES.glob("*.py")))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs into docs/_build/, without a warning."""
    install_group(session, "docs")
    session.run("sphinx-build", "-n", "-W", "--keep-going", "docs", "docs/_build")


@nox.session
def regenerate(session: nox.Session) -> None:
    """Rewrite what is generated: the template's part of the reference packages, and a copied page."""
    install(session, "cookiecutter>=2.7,<3", "nox")
    session.run("python", "reference-packages/regenerate.py", *session.posargs)
    # What `native-lib check --explain` prints.
    page = ROOT / "docs" / "reference" / "rules.md"
    shutil.copyfile(page, ROOT / "loader" / "src" / "native_lib" / "check" / "rules.md")


@nox.session
def sdists(session: nox.Session) -> None:
    """Build the sdists of all that is published here, and the loader's wheel, into dist/."""
    # All use one back end and our build support; a new environment for each would take minutes.
    install(session, "build", "scikit-build-core>=1.1", "./loader")
    if is_release():
        # A release uses only what source.toml lists.
        for folder in PROVIDERS.values():
            with session.chdir(folder):
                session.run("python", "-m", "native_lib.support.fetch_source")
    else:
        names = [folder.name for folder in PROVIDERS.values()]
        session.run("python", "tests/upstream_sources.py", *names)
    shutil.rmtree(DIST, ignore_errors=True)
    command = ["python", "-m", "build", "--no-isolation", "--outdir", str(DIST)]
    # This comes first, because the others may be built with it.
    session.run(*command, "--wheel", str(ROOT / "loader"))
    for folder in DISTRIBUTIONS.values():
        # An sdist does not depend on a provider; so its build must not require one.
        session.run(*command, "--sdist", str(folder), env={"NATIVE_LIB_SYSTEM": "all"})


@nox.session
def wheels(session: nox.Session) -> None:
    """Build, repair and test the reference packages with cibuildwheel (Linux: docker or podman).

    With a PLATFORM (-- manylinux-x86_64) it uses the sdists in dist/. Without one it builds for this
    machine, and also runs the sessions before and after.
    """
    chosen, *more = session.posargs or [""]
    if chosen not in ("", *PLATFORMS):
        session.error(f"nox -s wheels -- {'|'.join(PLATFORMS)}")
    if not chosen:
        sdists(session)
        session.notify("check", posargs=[])
        session.notify("installed", posargs=[])
    libc = chosen.partition("-")[0] if "linux" in chosen else "manylinux"
    install(session, "cibuildwheel>=4.3.5,<5")
    command = ["python", "reference-packages/build_wheels.py", str(DIST), libc]
    session.run(*command, *more)


@nox.session
def installed(session: nox.Session) -> None:
    """Test the wheels in dist/ as users install them, on the Python that runs nox."""
    install(session, "pytest")
    session.install("--no-index", "--force-reinstall", "--find-links", str(DIST), *WHEELS)
    tests = [str(folder / "tests") for folder in WHEELS.values()]
    session.run("pytest", "--import-mode=importlib", *tests)
    session.run("python", "-m", "minipng", "--libraries")


@nox.session
def check(session: nox.Session) -> None:
    """Check the files in dist/ (-- complete: also whether any are missing)."""
    install(session, "./loader[tools]", "twine", "abi3audit")
    found = [str(file) for name in DISTRIBUTIONS for file in files(name, "*")]
    style = "github" if "GITHUB_ACTIONS" in os.environ else "table"
    required = [f"--require={at['tag']}" for at in PLATFORMS.values() if session.posargs]
    session.run("native-lib", "check", "--format", style, *required, *found)
    session.run("twine", "check", "--strict", *found)
    session.run("abi3audit", "--strict", *(file for file in found if "-abi3-" in file))


@nox.session
def abi(session: nox.Session) -> None:
    """Check that the providers in dist/ keep the compatibility that their last releases promised."""
    install(session, "pip", "./loader[tools]")
    for name in PROVIDERS:
        # Without the sdists, and so without types: types are for upstreams to check.
        session.run("native-lib", "abi", "--last-release", *files(name, "*.whl"))


@nox.session(venv_backend="none")
def plan(session: nox.Session) -> None:
    """Print what packages.yml reads: where to build, what to test on, and what a tag releases."""
    builds = [{"platform": name, "runner": at["runner"]} for name, at in PLATFORMS.items()]
    fresh = [
        {**build, "python": python}
        for build in builds
        # musllinux is tested on Alpine, which has the newest Python.
        for python in ([NEWEST] if "musl" in build["platform"] else [OLDEST, NEWEST, *NO_GIL])
    ]
    releases = {}
    for distribution in DISTRIBUTIONS:
        for sdist in files(distribution, "*.tar.gz"):
            stem = sdist.name.removesuffix(".tar.gz")
            releases[f"{distribution}-v{stem.split('-')[1]}"] = (
                f"release={distribution}\nfiles={stem}*"
            )
    tag = os.environ["GITHUB_REF_NAME"] if is_release() else ""
    if tag and tag not in releases:
        session.error(f"the tag {tag} releases nothing; dist/ has {', '.join(releases)}")
    print(releases.get(tag, "release=none\nfiles="))
    print(f"builds={json.dumps(builds)}", f"fresh={json.dumps(fresh)}", sep="\n")


@nox.session
def published(session: nox.Session) -> None:
    """Check that the index has what a distribution in dist/ requires: -- minipng."""
    install(session, "pip", "./loader[tools]")
    (distribution,) = session.posargs
    project = nox.project.load_toml(DISTRIBUTIONS[distribution] / "pyproject.toml")
    download = ["python", "-m", "pip", "download", "--no-cache-dir", "--no-deps"]
    for requirement in project["build-system"]["requires"]:
        if requirement.startswith("native-lib-loader"):
            session.run(*download, "--dest", session.create_tmp(), requirement)
    session.run("native-lib", "published", *files(distribution, "*.whl"))


@nox.session
def newest_upstream(session: nox.Session) -> None:
    """Update the reference packages to upstream's newest releases."""
    session.run("python", "reference-packages/newest_upstream.py", *session.posargs)


def is_release() -> bool:
    """Return whether a workflow runs for a tag."""
    return os.environ.get("GITHUB_REF_TYPE") == "tag"


def files(distribution: str, pattern: str) -> list[Path]:
    """Return a distribution's files in dist/, for example its `*.whl`."""
    return sorted(DIST.glob(f"{distribution.replace('-', '_')}-{pattern}"))


@nox.session
def all_combinations(session: nox.Session) -> None:
    """Generate, build, import and test the pair for every combination of the template's options."""
    install_group(session, "tests")
    command = ["pytest", "tests/pair/test_combinations.py", "--all-combinations"]
    session.run(*command, *(session.posargs or ("-n", "auto")))


@nox.session
def upstreams_tests(session: nox.Session) -> None:
    """Run all of libzmq's and HDF5's own tests against their wheels; `nox -s tests` runs a few."""
    install_group(session, "tests")
    tests = [f"tests/reference/test_{name}.py" for name in ("sockets", "hdf5")]
    command = ["pytest", *tests, "--all-of-upstreams-tests"]
    session.run(*command, *(session.posargs or ("-k", "libzmqs_own_tests or hdf5s_own_tests")))


@nox.session
def real_consumers(session: nox.Session) -> None:
    """Build packages of PyPI against providers, and compare their own tests with PyPI's wheels'.

    Linux with libjpeg's headers, some twenty minutes. `nox -s real_consumers -- lz4 PyNaCl` takes
    only those.
    """
    install_group(session, "tests")
    session.run("python", "tests/real_consumers.py", *session.posargs)


@nox.session
def corpus(session: nox.Session) -> None:
    """Check some 330 wheels of PyPI, and compare with tests/corpus/verdicts.toml (Linux).

    Five minutes; it downloads 0.9 GB once. `-- --json FILE` writes all that is found.
    """
    install_group(session, "tests")
    session.run("python", "tests/corpus/run.py", *session.posargs)


@nox.session
def foreign(session: nox.Session) -> None:
    """Build consumers of torch, pyarrow, NVIDIA's run time and scipy-openblas64 (Linux, x86_64).

    torch for CPUs is in PyTorch's own index: name it in PIP_EXTRA_INDEX_URL.
    """
    install_group(session, "tests")
    session.run("pytest", "tests/pair/test_foreign_real.py", "--foreign", *session.posargs)


@nox.session
def hdf5(session: nox.Session) -> None:
    """Build h5py and PyTables on one HDF5, and compare them with PyPI's wheels, which bring two.

    Linux, some fifteen minutes; it prints the figures of docs/explanation/one-hdf5.md.
    """
    install_group(session, "tests")
    test = "tests/reference/test_one_hdf5.py"
    session.run("pytest", test, "--one-hdf5", *(session.posargs or ("-rP",)))


@nox.session
def freezers(session: nox.Session) -> None:
    """Freeze a program with PyInstaller (under Wine, too), cx_Freeze and Nuitka, and run it."""
    install_group(session, "tests")
    tests = ["tests/pair/test_frozen.py", "tests/platforms/test_frozen_windows.py"]
    session.run("pytest", *tests, "--slow-freezers", *session.posargs)


@nox.session
def machines(session: nox.Session) -> None:
    """Run the tests on other machines, other Pythons, musl and Wine (Linux, best as root).

    `nox -s tests` runs them too. tests/machines builds what is missing from Debian's packages: on any
    Debian or Ubuntu, or in a container of one that is allowed to mount.
    """
    install_group(session, "tests")
    tests = [f"tests/platforms/test_{name}.py" for name in LAB]
    session.run("pytest", *tests, *(session.posargs or ("-n", "auto", "--dist", "worksteal")))


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure the loader; the result is a table."""
    install_group(session, "tests")
    session.run("python", "tests/benchmarks/run.py", *session.posargs)
