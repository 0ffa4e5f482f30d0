"""Tasks for the pair; `nox --list` names them."""

import shutil
from pathlib import Path

import nox

PROVIDER = "{{ cookiecutter.provider_name }}"
CONSUMER = "{{ cookiecutter.extension_name }}"
DIST = Path("dist")
CONSTRAINTS = DIST / "constraints.txt"

nox.options.sessions = ["tests"]


def wheel_of(distribution: str) -> Path:
    """Return the wheel that `build` made."""
    (wheel,) = DIST.glob(f"{distribution.replace('-', '_')}-*.whl")
    return wheel.resolve()


@nox.session
def build(session: nox.Session) -> None:
    """Build both wheels into dist/, the consumer against the provider just built."""
    session.install("build")
    shutil.rmtree(DIST, ignore_errors=True)
{%- if cookiecutter.library_source == "upstream" %}
    if not Path(PROVIDER, "upstream").exists():
        session.run("python", f"{PROVIDER}/fetch_source.py")
{%- endif %}
    command = ["python", "-m", "build", "--wheel", "--outdir", str(DIST)]
    session.run(*command, PROVIDER)
    # This very wheel: an index may have another distribution of that name and version. The file's
    # name is a URL because pip would split a path with spaces in it.
    CONSTRAINTS.write_text(f"{PROVIDER} @ {wheel_of(PROVIDER).as_uri()}\n", encoding="utf-8")
    session.run(*command, CONSUMER, env={"PIP_CONSTRAINT": CONSTRAINTS.resolve().as_uri()})


@nox.session(requires=["build"])
def tests(session: nox.Session) -> None:
    """Install both wheels in a fresh environment and run both projects' tests."""
    session.install("pytest")
    # Also where the environment is an old one (nox -r) and the version the same.
    wheels = [str(wheel_of(PROVIDER)), str(wheel_of(CONSUMER))]
    session.install("--force-reinstall", "--no-deps", *wheels)
    session.run("pytest", "--rootdir=.", f"{PROVIDER}/tests", f"{CONSUMER}/tests", *session.posargs)
