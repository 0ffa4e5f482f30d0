"""Tasks for the pair; `nox --list` names them, and the workflows call nothing else."""

import json
import os
import re
import shutil
import time
import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path

import nox

# Folders, and the distributions in them.
PROVIDER = "{{ cookiecutter.provider_name }}"
CONSUMER = "{{ cookiecutter.extension_name }}"
ROLES = {"provider": PROVIDER, "consumer": CONSUMER}
# What the pair is tested on: the consumer's oldest Python, the newest, and those without the GIL.
PYTHONS = ["{{ cookiecutter.python_min }}", "3.15", "3.14t", "3.15t"]
# Where wheels are built, each on a machine of its kind, and what a release must have.
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
NATIVE_LIB = "native-lib-loader[tools]>=0.2,<0.3"
# pytest, and what the consumer requires beside the provider.
TEST_REQUIRES = ["pytest"]
DIST = Path("dist")
# What keeps pip to dist/, whatever the environment tells it.
HERE = ["--isolated", "--no-index", "--find-links", str(DIST)]
# How long a consumer's release waits for the provider's: a run of the workflow, and some more.
PATIENCE = 90 * 60

nox.options.sessions = ["tests"]


def files(distribution: str, pattern: str) -> list[Path]:
    """Return a distribution's files in dist/, for example its `*.whl`."""
    found = DIST.glob(f"{distribution.replace('-', '_')}-{pattern}")
    return sorted(path.resolve() for path in found)


def only(session: nox.Session, distribution: str, pattern: str) -> Path:
    """Return the one such file in dist/."""
    found = files(distribution, pattern)
    if len(found) != 1:
        session.error(f"dist/ has {len(found)} files {distribution} {pattern}, not one")
    return found[0]


def constrained_to(wheel: Path, folder: str) -> str:
    """Return the URL, from a folder of the build's, of constraints that admit this wheel only.

    An index may have another distribution of that name and version. All are URLs because pip would
    split a path with spaces in it.
    """
    url = wheel.as_uri().replace("file://", f"file://{folder}", 1)
    constraints = DIST.resolve() / "constraints.txt"
    constraints.write_text(f"{PROVIDER} @ {url}\n", encoding="utf-8")
    return constraints.as_uri().replace("file://", f"file://{folder}", 1)


def version(session: nox.Session, role: str) -> str:
    """Return the version that the sources of a role have."""
{%- if cookiecutter.library_source == "upstream" %}
    if role == "provider":
        fetch(session)
        return str(json.loads(fetch_source(session, "--facts"))["wheel_version"])
{%- endif %}
    project = nox.project.load_toml(Path(ROLES[role], "pyproject.toml"))["project"]
    if "version" not in project:
        where = f"{ROLES[role]}/pyproject.toml"
        session.error(f"{where} has no version: write it there, or have version() here return it")
    return str(project["version"])
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


def install_and_test(session: nox.Session) -> None:
    """Install both wheels from dist/ alone, and run both projects' tests."""
    session.install(*TEST_REQUIRES)
    # Also where the environment is an old one (nox -r) and the version the same.
    session.install(*HERE, "--only-binary", ":all:", "--force-reinstall", PROVIDER, CONSUMER)
    # Settings of a folder above are not ours.
    settings = ["-c", f"{PROVIDER}/pyproject.toml", "--rootdir=."]
    session.run("pytest", *settings, f"{PROVIDER}/tests", f"{CONSUMER}/tests")


@nox.session
def build(session: nox.Session) -> None:
    """Build both wheels into dist/, the consumer against the provider just built."""
    session.install("build")
    shutil.rmtree(DIST, ignore_errors=True)
{%- if cookiecutter.library_source == "upstream" %}
    fetch(session)
{%- endif %}
    command = ["python", "-m", "build", "--wheel", "--outdir", str(DIST)]
    session.run(*command, PROVIDER)
    constraints = constrained_to(only(session, PROVIDER, "*.whl"), "")
    session.run(*command, CONSUMER, env={"PIP_CONSTRAINT": constraints})


@nox.session(requires=["build"])
def tests(session: nox.Session) -> None:
    """Build both wheels, install them in a fresh environment, and run both projects' tests."""
    install_and_test(session)


@nox.session
def plan(session: nox.Session) -> None:
    """Say what the workflows are to build, test and release; they read it as outputs."""
    versions = {role: version(session, role) for role in ROLES}
    tag = os.environ["GITHUB_REF_NAME"] if os.environ.get("GITHUB_REF_TYPE") == "tag" else ""
    releases = {f"{ROLES[role]}-v{versions[role]}": role for role in ROLES}
    if tag and tag not in releases:
        session.error(f"the tag {tag} releases nothing; the sources are {', '.join(releases)}")
    machines = [{"name": name, "runner": runner} for name, (runner, _) in PLATFORMS.items()]
    # musllinux is tested on Alpine, in a job of its own.
    pairs = [
        {**machine, "python": python}
        for machine in machines
        for python in PYTHONS
        # Windows on ARM has Pythons from 3.11 on.
        if "musl" not in machine["name"] and (machine["name"], python) != ("windows-arm64", "3.10")
    ]
    outputs = {
        **{f"{role}-folder": folder for role, folder in ROLES.items()},
        **{f"{role}-files": f"{name.replace('-', '_')}-*" for role, name in ROLES.items()},
        **{f"{role}-version": number for role, number in versions.items()},
        "release": releases.get(tag, "none"),
        "platforms": json.dumps(machines),
        "pairs": json.dumps(pairs),
        "pythons": json.dumps(PYTHONS),
        "newest": PYTHONS[1],
    }
    lines = "".join(f"{name}={value}\n" for name, value in outputs.items())
    print(lines, end="")
    if "GITHUB_OUTPUT" in os.environ:
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(lines)


@nox.session
def sdists(session: nox.Session) -> None:
    """Build both sdists into dist/."""
    session.install("build")
    for old in [*files(PROVIDER, "*"), *files(CONSUMER, "*")]:
        old.unlink()
{%- if cookiecutter.library_source == "upstream" %}
    fetch(session)
{%- endif %}
    command = ["python", "-m", "build", "--sdist", "--outdir", str(DIST)]
    session.run(*command, PROVIDER)
    # An sdist says nothing of the provider, so making one takes none.
    session.run(*command, CONSUMER, env={"NATIVE_LIB_SYSTEM": "all"})


@nox.session
def wheels(session: nox.Session) -> None:
    """Build, repair and test wheels with cibuildwheel: -- ROLE PLATFORM.

    From the sdist in dist/ into dist/; a consumer's against the provider's wheel that is there.
    """
    role, platform, *more = [*session.posargs, "", ""]
    if role not in ROLES or platform not in PLATFORMS:
        session.error(f"nox -s wheels -- {'|'.join(ROLES)} {'|'.join(PLATFORMS)}")
    # A machine of Linux builds for two C libraries, and a consumer's build needs one provider.
    other = {"manylinux": "musllinux", "musllinux": "manylinux"}.get(platform.partition("-")[0])
    env = {"CIBW_SKIP": f"{skipped(role)} *-{other}*"} if other else {}
    if role == "consumer":
        # In its container, cibuildwheel has this machine's files below /host.
        folder = "/host" if other else ""
        wheel = only(session, PROVIDER, f"*{PLATFORMS[platform][1]}.whl")
        constraints = constrained_to(wheel, folder)
        # `build` reads PIP_CONSTRAINT, and so does the pip that installs what is tested.
        env |= added(platform, f'PIP_CONSTRAINT="$PIP_CONSTRAINT {constraints}"')
        env["CIBW_BUILD_FRONTEND"] = "build"
    session.install("cibuildwheel>=4.3,<5")
    sdist = only(session, ROLES[role], "*.tar.gz")
    session.run("cibuildwheel", str(sdist), "--output-dir", str(DIST), *filter(None, more), env=env)


def skipped(role: str) -> str:
    """Return what cibuildwheel is to skip; CIBW_SKIP replaces what pyproject.toml says."""
    project = nox.project.load_toml(Path(ROLES[role], "pyproject.toml"))
    said = project.get("tool", {}).get("cibuildwheel", {}).get("skip", "")
    return os.environ.get("CIBW_SKIP") or (said if isinstance(said, str) else " ".join(said))


def added(platform: str, assignment: str) -> dict[str, str]:
    """Return what adds a variable, after all others, to those that builds and tests have.

    Alone, the variable of cibuildwheel's would replace what pyproject.toml says.
    """
    family = platform.partition("-")[0]
    system = "linux" if family.endswith("linux") else family
    name = f"CIBW_ENVIRONMENT_{system.upper()}"
    rules, said = (os.environ.get(variable, "") for variable in ("CIBW_INHERIT", name))
    # cibuildwheel takes no rule twice, and no empty one.
    kept = [rule.strip() for rule in rules.split(";")]
    option = f"environment-{system}"
    kept = [rule for rule in kept if rule and rule.partition(":")[0].strip() != option]
    return {
        "CIBW_INHERIT": "; ".join([*kept, f"{option}: append"]),
        name: f"{said} {assignment}".strip(),
    }


@nox.session
def pair(session: nox.Session) -> None:
    """Test the wheels in dist/ as users install them, on the Python that runs nox."""
    install_and_test(session)


@nox.session
def check(session: nox.Session) -> None:
    """Look for what is wrong with the files in dist/, without running them."""
    session.install(NATIVE_LIB, "twine", "abi3audit")
    found = [str(file) for role in ROLES.values() for file in files(role, "*")]
    style = "github" if "GITHUB_ACTIONS" in os.environ else "table"
    session.run("native-lib", "check", "--format", style, *found)
    session.run("twine", "check", "--strict", *found)
    stable = [file for file in found if "-abi3-" in Path(file).name]
    if stable:
        session.run("abi3audit", "--strict", *stable)


@nox.session(venv_backend="none")
def complete(session: nox.Session) -> None:
    """Look whether dist/ has a wheel of both for every platform."""
    missing = [
        f"{distribution} for {name}"
        for distribution in ROLES.values()
        for name, (_, tag) in PLATFORMS.items()
        if not files(distribution, f"*{tag}.whl")
    ]
    if missing:
        session.error(f"no wheel of {', '.join(missing)} in dist/ (PLATFORMS in noxfile.py)")


@nox.session
def abi(session: nox.Session) -> None:
    """Compare the provider in dist/ with its last release, within what that one promised."""
    session.install("pip", NATIVE_LIB)
    sdist = only(session, PROVIDER, "*.tar.gz")
    new = download(session, "new", PROVIDER, "--only-binary", ":all:", *HERE)
    if new is None:
        session.error(f"dist/ has no wheel of {PROVIDER} for this machine")
    earlier = f"{PROVIDER}<{version(session, 'provider')}"
    old = download(session, "old", earlier, "--only-binary", ":all:")
    if old is None:
        session.log(f"there is no release {earlier}: nothing to compare")
        return
    session.run("native-lib", "abi", "--no-types", str(old), str(new))
    # Types are told by debug information, which wheels are not released with.
    released = f"{PROVIDER}=={old.name.split('-')[1]}"
    source = download(session, "sdist", released, "--no-binary", PROVIDER)
    # An old release may not build any more; this one must.
    before = build_for_debugging(session, source, [0, 1]) if source else None
    if before is None:
        session.log(f"types were not compared: {released} cannot be built from its sdist here")
        return
    after = build_for_debugging(session, sdist, [0])
    session.run("native-lib", "abi", str(before), str(after))


def build_for_debugging(session: nox.Session, sdist: Path, success: list[int]) -> Path | None:
    """Build a wheel with debug information; None if that fails and may."""
    folder = Path(session.create_tmp(), "debug", sdist.name)
    shutil.rmtree(folder, ignore_errors=True)
    settings = ["-Cinstall.strip=false", "-Ccmake.build-type=RelWithDebInfo"]
    command = ["python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder)]
    session.run(*command, *settings, str(sdist), success_codes=success)
    return next(folder.glob("*.whl"), None)


@nox.session
def published(session: nox.Session) -> None:
    """Wait until the index has a provider for the consumer in dist/ (-- now: do not wait)."""
    session.install("pip", NATIVE_LIB)
    consumer = download(session, "consumer", CONSUMER, "--only-binary", ":all:", *HERE)
    if consumer is None:
        session.error(f"dist/ has no wheel of {CONSUMER} for this machine")
    requirement = requirement_of(consumer)
    if not requirement:
        session.log(f"{consumer.name} requires no {PROVIDER}")
        return
    until = time.monotonic() + (0 if "now" in session.posargs else PATIENCE)
    provider = None
    while provider is None:
        late = time.monotonic() >= until
        # An index that does not answer may do so in a minute.
        provider = download(session, "provider", requirement, "--only-binary", ":all:", must=late)
        if provider is None and late:
            session.error(f"the index has no {requirement}: release {PROVIDER} first")
        if provider is None:
            time.sleep(60)
    # Of that version, and with all that the consumer calls: this run's provider may have had more.
    session.run("native-lib", "check", str(provider), str(consumer))


def requirement_of(wheel: Path) -> str:
    """Return what a consumer's wheel requires of the provider; empty if it takes the system's."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = BytesHeaderParser().parsebytes(archive.read(metadata)).get_all("Requires-Dist", [])
    name = re.compile(rf"{re.escape(PROVIDER)}(?![\w.-])")
    return next((str(line) for line in lines if name.match(line)), "")


def download(
    session: nox.Session, folder: str, what: str, *options: str, must: bool = True
) -> Path | None:
    """Have pip get a wheel or an sdist into a temporary folder; return None if there is none.

    An index that does not answer is none that lacks it: an error, if it must.
    """
    target = Path(session.create_tmp(), folder)
    shutil.rmtree(target, ignore_errors=True)
    command = ["python", "-m", "pip", "download", "--retries", "3", "--no-cache-dir", "--no-deps"]
    command += ["--dest", str(target)]
    said = str(session.run(*command, *options, what, silent=True, success_codes=[0, 1]))
    found = next(target.glob("*-*"), None)
    if found is None and must and ("No matching distribution" not in said or "Retrying" in said):
        session.error(said)
    return found
