{%- set loader = loader_source(cookiecutter) -%}
{%- set required = cookiecutter.loader == "requirement" -%}
"""Tasks for the pair; `nox --list` names them, and the workflows call nothing else."""

import json
import os
import shutil
from pathlib import Path

import nox

PROVIDER = "{{ cookiecutter.provider_name }}"
CONSUMER = "{{ cookiecutter.extension_name }}"
# What the pair is tested on: the consumer's oldest Python, the newest, and those without the GIL.
OLDEST, NEWEST, NO_GIL = "{{ cookiecutter.python_min }}", "3.15", ["3.14t", "3.15t"]
# The runner builds a platform's wheels natively; a release needs a wheel with each tag.
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
# The `native-lib` command, from {{ "this machine: CI needs git+URL@COMMIT#subdirectory=loader" if " @ file:" in loader else "the version of the template that made this file" }}.
NATIVE_LIB = {{ toml("native-lib-loader[tools]" ~ loader) }}
TEST_REQUIRES = ["pytest"]  # add what the consumer requires beside the provider
DIST = Path("dist").resolve()
nox.options.sessions = ["tests"]
nox.needs_version = ">=2025.5.1"


def files(distribution: str, pattern: str = "*") -> list[Path]:
    """Return a distribution's files in dist/, for example its `*.whl`."""
    return sorted(DIST.glob(f"{distribution.replace('-', '_')}-{pattern}"))


def only(session: nox.Session, distribution: str, pattern: str) -> Path:
    """Return the one such file in dist/."""
    found = files(distribution, pattern)
    if len(found) != 1:
        session.error(f"dist/ has {len(found)} files {distribution} {pattern}, not one")
    return found[0]


def write_constraints(*wheels: Path, root: str = "") -> str:
    """Write constraints that allow only these wheels; return their URL, as seen below a root."""
    # Else pip may take wheels of the same names from PyPI. URLs, because it splits paths at spaces.
    lines = [f"{wheel.name.split('-')[0]} @ {wheel.as_uri()}\n" for wheel in wheels]
    file = DIST / "constraints.txt"
    file.write_text("".join(lines).replace("file://", f"file://{root}"), encoding="utf-8")
    return file.as_uri().replace("file://", f"file://{root}")
{%- if required %}


def build_support(session: nox.Session) -> Path:
    """Return a wheel of native-lib-loader, which both builds require and no index needs to have."""
    folder = Path(session.create_tmp(), "native-lib-loader").resolve()
    session.install("pip")
    session.run("python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, NATIVE_LIB)
    return next(folder.glob("*.whl"))
{%- endif %}
{%- if cookiecutter.library_source == "upstream" %}


def fetch(session: nox.Session) -> None:
    """Get upstream's sources, if they are not there."""
    if not Path(PROVIDER, "upstream").exists():
        print(fetch_source(session))


def fetch_source(session: nox.Session, *arguments: str) -> str:
    """Run what gets upstream's sources, and return what it prints."""
{%- if cookiecutter.loader == "vendored" %}
    command = ["python", f"{PROVIDER}/native-lib/fetch_source.py", *arguments]
    return str(session.run(*command, silent=True))
{%- else %}
    session.install(NATIVE_LIB)
    with session.chdir(PROVIDER):
        command = ["python", "-m", "native_lib.support.fetch_source", *arguments]
        return str(session.run(*command, silent=True))
{%- endif %}
{%- endif %}


@nox.session
def build(session: nox.Session) -> None:
    """Build both wheels into dist/, the consumer against the provider just built."""
    session.install("build")
    shutil.rmtree(DIST, ignore_errors=True)
{%- if cookiecutter.library_source == "upstream" %}
    fetch(session)
{%- endif %}
{%- if required %}
    DIST.mkdir()
    support = build_support(session)
    env = {"PIP_CONSTRAINT": write_constraints(support)}
{%- endif %}
    session.run("pyproject-build", "--wheel", "--outdir", DIST, PROVIDER{{ ", env=env" if required }})
    env = {"PIP_CONSTRAINT": write_constraints(only(session, PROVIDER, "*.whl"){{ ", support" if required }})}
    session.run("pyproject-build", "--wheel", "--outdir", DIST, CONSUMER, env=env)


@nox.session(requires=["build"])
def tests(session: nox.Session) -> None:
    """Build both wheels, install them in a fresh environment, and run both projects' tests."""
    pair(session)


@nox.session
def pair(session: nox.Session) -> None:
    """Install both wheels from dist/ and nowhere else, and run both projects' tests."""
    session.install(*TEST_REQUIRES)
    # --force-reinstall: for `nox -r`, after a build of the same version.
    source = ["--isolated", "--no-index", "--find-links", str(DIST), "--only-binary", ":all:"]
    session.install(*source, "--force-reinstall", PROVIDER, CONSUMER)
    # Not pytest's settings of a parent folder.
    settings = ["-c", f"{PROVIDER}/pyproject.toml", "--rootdir=."]
    session.run("pytest", *settings, f"{PROVIDER}/tests", f"{CONSUMER}/tests")


@nox.session
def sdists(session: nox.Session) -> None:
    """Build both sdists into dist/."""
    session.install("build")
    shutil.rmtree(DIST, ignore_errors=True)
{%- if cookiecutter.library_source == "upstream" %}
    fetch(session)
{%- endif %}
    # An sdist says nothing of the provider, so making one requires none.
    env = {"NATIVE_LIB_SYSTEM": "all"}
{%- if required %}
    DIST.mkdir()
    env["PIP_CONSTRAINT"] = write_constraints(build_support(session))
{%- endif %}
    for folder in (PROVIDER, CONSUMER):
        session.run("pyproject-build", "--sdist", "--outdir", DIST, folder, env=env)


@nox.session(venv_backend="none")
def plan(session: nox.Session) -> None:
    """Print what the workflows read: where to build, what to test on, and what a tag releases."""
    builds = [{"platform": name, "runner": at["runner"]} for name, at in PLATFORMS.items()]
    pairs = [
        {**build, "python": python}
        for build in builds
        # musllinux is tested on Alpine, which has the newest.
        for python in ([NEWEST] if "musl" in build["platform"] else [OLDEST, NEWEST, *NO_GIL])
{%- if cookiecutter.python_min == "3.10" %}
        # Windows on ARM has Pythons from 3.11 on.
        if (build["platform"], python) != ("windows-arm64", "3.10")
{%- endif %}
    ]
    releases = {}
    for role, distribution in (("provider", PROVIDER), ("consumer", CONSUMER)):
        for sdist in files(distribution, "*.tar.gz"):
            stem = sdist.name.removesuffix(".tar.gz")
            releases[f"{distribution}-v{stem.split('-')[1]}"] = f"release={role}\nfiles={stem}*"
    tag = os.environ["GITHUB_REF_NAME"] if os.environ.get("GITHUB_REF_TYPE") == "tag" else ""
    if tag and tag not in releases:
        session.error(f"the tag {tag} releases nothing; dist/ has {', '.join(releases)}")
    print(f"oldest={OLDEST}\nnewest={NEWEST}", releases.get(tag, "release=none\nfiles="), sep="\n")
    print(f"builds={json.dumps(builds)}", f"pairs={json.dumps(pairs)}", sep="\n")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build, repair, check and test wheels from dist/'s sdists: -- PLATFORM [DISTRIBUTION]."""
    platform, *chosen = session.posargs or [""]
    if platform not in PLATFORMS:
        session.error(f"nox -s wheels -- {'|'.join(PLATFORMS)}")
    session.install("cibuildwheel>=4.3,<5")
    system = "linux" if "linux" in platform else platform.partition("-")[0]
    own = f"CIBW_ENVIRONMENT_{system.upper()}"
    # Build for glibc or for musl, not for both: each needs a provider of its own.
    other = "manylinux" if "musl" in platform else "musllinux"
    # Appended to what pyproject.toml and your own variables say.
    rules = f"before-build: append; environment-{system}: append; skip: append"
    env = {
        "CIBW_BUILD_FRONTEND": "build",  # it reads PIP_CONSTRAINT
        "CIBW_INHERIT": f"{os.environ.get('CIBW_INHERIT', '')}; {rules}".lstrip("; "),
        "CIBW_SKIP": f"{os.environ.get('CIBW_SKIP', '')} *-{other}*",
    }
    # cibuildwheel's container has this machine's files below /host.
    root = "/host" if system == "linux" else ""
{%- if required %}
    admitted = [build_support(session)]
    native_lib = f"native-lib-loader[tools] @ {admitted[0].as_uri()}"
{%- endif %}
    # The consumer's against the very wheel that the provider's gave.
    for distribution in chosen or (PROVIDER, CONSUMER):
        if distribution == CONSUMER:
            provider = only(session, PROVIDER, f"*{PLATFORMS[platform]['tag']}.whl")
            repair = {{ "native_lib" if required else "NATIVE_LIB" }}.replace("file://", f"file://{root}")
            env["CIBW_BEFORE_BUILD"] = f'python -m pip install "{repair}" {PROVIDER}'
{%- if required %}
            admitted.append(provider)
        url = write_constraints(*admitted, root=root)
        env[own] = f'{os.environ.get(own, "")} PIP_CONSTRAINT="$PIP_CONSTRAINT {url}"'
{%- else %}
            url = write_constraints(provider, root=root)
            env[own] = f'{os.environ.get(own, "")} PIP_CONSTRAINT="$PIP_CONSTRAINT {url}"'
{%- endif %}
        sdist = only(session, distribution, "*.tar.gz")
        session.run("cibuildwheel", sdist, "--output-dir", DIST, env=env)


@nox.session
def check(session: nox.Session) -> None:
    """Look for what is wrong with dist/'s files (-- complete: also for what is missing)."""
    session.install(NATIVE_LIB, "twine")
    found = [*files(PROVIDER), *files(CONSUMER)]
    style = "github" if "GITHUB_ACTIONS" in os.environ else "table"
    required = [f"--require={at['tag']}" for at in PLATFORMS.values() if session.posargs]
    session.run("native-lib", "check", "--format", style, *required, *found)
    session.run("twine", "check", "--strict", *found)


@nox.session
def abi(session: nox.Session) -> None:
    """Check that the provider in dist/ keeps what its last release promised."""
    session.install("pip", NATIVE_LIB)
    session.run("native-lib", "abi", "--last-release", *files(PROVIDER))


@nox.session
def published(session: nox.Session) -> None:
    """Check that the index has a provider that the consumer in dist/ can use."""
    session.install("pip", NATIVE_LIB)
    session.run("native-lib", "published", *files(CONSUMER))
