"""Every task a person runs; `nox --list` names them, and the workflows call nothing else."""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = ROOT / "reference-packages"
DIST = ROOT / "dist"
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
# mypy looks at one side of `if sys.platform` at a time.
SYSTEMS = ("linux", "darwin", "win32")
# What is published from here, by folder; the reference packages each after those that they require.
PROVIDERS = {"native-zlib": PACKAGES / "zlib", "native-libpng": PACKAGES / "libpng"}
WHEELS = {**PROVIDERS, "minipng": PACKAGES / "minipng"}
DISTRIBUTIONS = {"native-lib-loader": ROOT / "loader", **WHEELS}
# What the reference packages are tested on: minipng's oldest Python, the newest, and those without
# the GIL.
PYTHONS = ["3.11", "3.15", "3.14t", "3.15t"]
# Where their wheels are built, each on a machine of its kind, and what a release must have.
PLATFORMS = {
    "manylinux-x86_64": ("ubuntu-24.04", "manylinux*_x86_64"),
    "manylinux-aarch64": ("ubuntu-24.04-arm", "manylinux*_aarch64"),
    "musllinux-x86_64": ("ubuntu-24.04", "musllinux*_x86_64"),
    "musllinux-aarch64": ("ubuntu-24.04-arm", "musllinux*_aarch64"),
    "macos-x86_64": ("macos-15-intel", "macosx*_x86_64"),
    "macos-arm64": ("macos-15", "macosx*_arm64"),
    "windows-amd64": ("windows-2025", "win_amd64"),
    "windows-arm64": ("windows-11-arm", "win_arm64"),
}
# The one wheel of each that the machine of a release, Linux on x86_64, can install.
TAGS_HERE = ("*-any.whl", "*-none-manylinux*_x86_64.whl", "*-abi3-manylinux*_x86_64.whl")
# The tests that run on machines, C libraries and Pythons that tests/machines makes.
LAB = (
    *("machine_scripts", "machines", "check_machines", "windows"),
    *("musl_for_real", "musl_situations", "free_threaded", "manylinux"),
)
# How long a release waits for another one that it requires: a run of the workflow, and some more.
PATIENCE = 90 * 60

nox.options.sessions = ["lint", "tests"]


def install(session: nox.Session, *what: str) -> None:
    """Install, trying again when a download fails."""
    # No option: uv, which nox can be told to use, has none for it.
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
        session.run(*mypy, "loader", "template/local_extensions.py")
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
    """Rewrite what the template owns in the reference packages."""
    install(session, "cookiecutter>=2.7,<3", "nox")
    session.run("python", "reference-packages/regenerate.py", *session.posargs)


@nox.session
def sdists(session: nox.Session) -> None:
    """Build the sdists of all that is published here, and the loader's wheel, into dist/."""
    # All have one back end and our build support: an environment for each would take minutes.
    install(session, "build", "scikit-build-core>=1.1", "./loader")
    if is_release():
        # Nothing but what source.toml lists.
        for folder in PROVIDERS.values():
            with session.chdir(folder):
                session.run("python", "-m", "native_lib.support.fetch_source")
    else:
        session.run("python", "tests/upstream_sources.py")
    shutil.rmtree(DIST, ignore_errors=True)
    command = ["python", "-m", "build", "--no-isolation", "--outdir", str(DIST)]
    for folder in DISTRIBUTIONS.values():
        # An sdist leaves open whose library is used; so none must be built for it.
        session.run(*command, "--sdist", str(folder), env={"NATIVE_LIB_SYSTEM": "all"})
    session.run(*command, "--wheel", str(ROOT / "loader"))


@nox.session
def wheels(session: nox.Session) -> None:
    """Build, repair and test the reference packages with cibuildwheel (Linux: docker or podman).

    For a PLATFORM (-- manylinux-x86_64) from the sdists in dist/. Without one for this machine, with
    all that comes before and after.
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
    session.install("--no-index", "--force-reinstall", "--find-links", str(DIST), "minipng")
    tests = [str(folder / "tests") for folder in WHEELS.values()]
    session.run("pytest", "--import-mode=importlib", *tests)
    session.run("python", "-m", "minipng", "--libraries")


@nox.session
def check(session: nox.Session) -> None:
    """Look for what is wrong with the files in dist/, without running them."""
    install(session, "./loader[tools]", "twine", "abi3audit")
    found = [str(file) for name in DISTRIBUTIONS for file in files(name, "*")]
    style = "github" if "GITHUB_ACTIONS" in os.environ else "table"
    session.run("native-lib", "check", "--format", style, *found)
    session.run("twine", "check", "--strict", *found)
    session.run("abi3audit", "--strict", *(file for file in found if "-abi3-" in file))


@nox.session(venv_backend="none")
def complete(session: nox.Session) -> None:
    """Look whether dist/ has all that a release must have."""
    missing = [
        f"{distribution} for {name}"
        for distribution in WHEELS
        for name, (_, tag) in PLATFORMS.items()
        if not files(distribution, f"*{tag}.whl")
    ]
    missing += [f"{name} as sdist" for name in DISTRIBUTIONS if not files(name, "*.tar.gz")]
    if missing:
        session.error(f"dist/ lacks {', '.join(missing)}")


@nox.session
def abi(session: nox.Session) -> None:
    """Compare the providers in dist/ with their last releases, within what those promised."""
    install(session, "pip", "./loader[tools]")
    for name, folder in PROVIDERS.items():
        (new,) = files(name, TAGS_HERE[1])
        earlier, there = f"{name}<{version(folder)}", Path(session.create_tmp(), name)
        shutil.rmtree(there, ignore_errors=True)
        command = ["python", "-m", "pip", "download", "--no-cache-dir", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(there), earlier]
        said = str(session.run(*command, silent=True, success_codes=[0, 1]))
        found = list(there.glob("*.whl"))
        if found:
            # Types take both releases' builds with debug information, as a generated pair's `abi`
            # makes them. Of these two, upstreams watch that themselves.
            session.run("native-lib", "abi", "--no-types", str(found[0]), str(new))
        elif "No matching distribution" in said and "Retrying" not in said:
            session.log(f"there is no release {earlier}: nothing to compare")
        else:  # an index that does not answer is none that lacks it
            session.error(said)


@nox.session(venv_backend="none")
def plan(session: nox.Session) -> None:
    """Say what packages.yml is to build, test and release; it reads this as outputs."""
    tag = os.environ["GITHUB_REF_NAME"] if is_release() else ""
    releases = {f"{name}-v{version(folder)}": name for name, folder in DISTRIBUTIONS.items()}
    if tag and tag not in releases:
        session.error(f"the tag {tag} releases nothing; the sources are {', '.join(releases)}")
    machines = [{"name": name, "runner": runner} for name, (runner, _) in PLATFORMS.items()]
    outputs = {
        "release": releases.get(tag, "none"),
        "platforms": json.dumps(machines),
        # musllinux is tested on Alpine, in a job of its own.
        "fresh": json.dumps(
            [m | {"python": p} for m in machines if "musl" not in m["name"] for p in PYTHONS]
        ),
        "newest": PYTHONS[1],
    }
    lines = "".join(f"{name}={value}\n" for name, value in outputs.items())
    print(lines, end="")
    if "GITHUB_OUTPUT" in os.environ:
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(lines)


@nox.session
def published(session: nox.Session) -> None:
    """Wait until the index has what a distribution in dist/ requires (-- minipng; -- minipng now)."""
    install(session, "pip")
    distribution, *words = session.posargs
    (wheel,) = (file for tag in TAGS_HERE for file in files(distribution, tag))
    command = ["python", "-m", "pip", "download", "--no-cache-dir", "--only-binary", ":all:"]
    until = time.monotonic() + (0 if "now" in words else PATIENCE)
    while True:
        try:
            session.run(*command, "--dest", session.create_tmp(), str(wheel))
            return
        except nox.command.CommandFailed:
            if time.monotonic() >= until:
                session.error(f"the index lacks what {wheel.name} requires, see above")
        time.sleep(60)


@nox.session
def newest_upstream(session: nox.Session) -> None:
    """Have the reference packages wrap upstream's newest releases."""
    session.run("python", "reference-packages/newest_upstream.py", *session.posargs)


def is_release() -> bool:
    """Tell whether a workflow runs for a tag."""
    return os.environ.get("GITHUB_REF_TYPE") == "tag"


def files(distribution: str, pattern: str) -> list[Path]:
    """Return a distribution's files in dist/, for example its `*.whl`."""
    return sorted(DIST.glob(f"{distribution.replace('-', '_')}-{pattern}"))


def version(folder: Path) -> str:
    """Return the version that a distribution's sources have."""
    project = nox.project.load_toml(folder / "pyproject.toml")["project"]
    if "version" in project:
        return str(project["version"])
    source = nox.project.load_toml(folder / "source.toml")
    return f"{source['version']}.post{source['post']}" if source["post"] else source["version"]


@nox.session
def all_combinations(session: nox.Session) -> None:
    """Generate, build, import and test the pair for every combination of the template's options."""
    install_group(session, "tests")
    command = ["pytest", "tests/pair/test_combinations.py", "--all-combinations"]
    session.run(*command, *(session.posargs or ("-n", "auto")))


@nox.session
def machines(session: nox.Session) -> None:
    """Run what the lab is for: other machines, other Pythons, musl, Wine (Linux, best as root).

    `nox -s tests` runs it, too, among all else. What is missing is made by tests/machines from Debian's
    packages: on any Debian or Ubuntu, or in a container of one with the right to mount.
    """
    install_group(session, "tests")
    tests = [f"tests/platforms/test_{name}.py" for name in LAB]
    session.run("pytest", *tests, *(session.posargs or ("-n", "auto", "--dist", "worksteal")))


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure; the result is a table."""
    install_group(session, "tests")
    session.run("python", "tests/benchmarks/run.py", *session.posargs)
