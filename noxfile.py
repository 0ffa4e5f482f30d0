"""Every task a person runs; `nox --list` names them."""

import shutil
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = ROOT / "reference-packages"
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
# A script per vendored file's platform: mypy looks at one side of `if sys.platform` at a time.
PLATFORMS = ("linux", "darwin", "win32")

nox.options.sessions = ["lint", "tests"]


def install_group(session: nox.Session, group: str) -> None:
    """Install a dependency group of pyproject.toml, trying again when a download fails."""
    requirements = nox.project.dependency_groups(PROJECT, group)
    session.install("--retries", "10", *requirements)


def native_lib(session: nox.Session, *arguments: str) -> None:
    """Run the `native-lib` command from the sources."""
    source = str(ROOT / "loader" / "src")
    session.run("python", "-m", "native_lib", *arguments, env={"PYTHONPATH": source})


@nox.session
def demo(session: nox.Session) -> None:
    """Generate the default pair in a temporary folder, build and install it, and use it."""
    session.install("--retries", "10", "cookiecutter>=2.7,<3", "build")
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
        install = [python, "-m", "pip", "install", "--quiet"]
        session.run(*install, str(provider), str(consumer), external=True)
        code = "import foo_ext; print('foo_ext.square(3) =', foo_ext.square(3))"
        session.run(python, "-c", code, external=True, env={"NATIVE_LIB_DEBUG": "1"})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest."""
    install_group(session, "tests")
    session.run("pytest", *(session.posargs or ("-n", "auto", "--dist", "worksteal")))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types, and that no vendored copy has drifted."""
    install_group(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("gersemi", "--check", "loader/cmake", *map(str, PACKAGES.glob("*/CMakeLists.txt")))
    for platform in PLATFORMS:
        session.run("mypy", "--platform", platform, "loader", "template/local_extensions.py")
        session.run("mypy", "--platform", platform, "reference-packages/minipng/python")
    session.run("mypy", "tests", "noxfile.py", "reference-packages/regenerate.py")
    native_lib(session, "vendor", "--check", ".")


@nox.session
def vendor(session: nox.Session) -> None:
    """Bring the vendored copies in template/ and reference-packages/ up to date with loader/."""
    native_lib(session, "vendor", ".")


@nox.session
def regenerate(session: nox.Session) -> None:
    """Rewrite what the template owns in the reference packages."""
    session.install("--retries", "10", "cookiecutter>=2.7,<3", "nox")
    session.run("python", "reference-packages/regenerate.py", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build, repair and test the reference packages with cibuildwheel (Linux: docker or podman)."""
    session.install("--retries", "10", "cibuildwheel>=3.2", "pytest", "./loader[tools]")
    session.run("python", "tests/upstream_sources.py")
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "reference-packages/build_wheels.py", str(dist), *session.posargs)
    session.run("native-lib", "check", str(dist))
    session.install("--no-index", "--force-reinstall", "--find-links", str(dist), "minipng")
    tests = [str(folder) for folder in PACKAGES.glob("*/tests")]
    session.run("pytest", "--import-mode=importlib", *tests)
    session.run("python", "-m", "minipng", "--libraries")


@nox.session
def all_combinations(session: nox.Session) -> None:
    """Generate, build, import and test the pair for every combination of the template's options."""
    install_group(session, "tests")
    command = ["pytest", "tests/pair/test_combinations.py", "--all-combinations"]
    session.run(*command, *(session.posargs or ("-n", "auto")))


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure; the result is a table."""
    install_group(session, "tests")
    session.run("python", "tests/benchmarks/run.py", *session.posargs)
