"""Each step of the workflows on what it is there to stop, and what it then says."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Callable

import building
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = "manylinux-x86_64"
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}


@pytest.fixture(scope="session")
def loader_wheel(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    return once("loader_wheel", lambda folder: building.build(building.ROOT / "loader", folder))


class Workshop:
    """A generated pair, its dist/ as a job has it, and nox; `native-lib` is built once for all."""

    def __init__(self, pair: building.Pair, folder: Path, loader: Path) -> None:
        self.folder = folder
        self.dist = folder / "dist"
        self.links: list[Path] = []
        ignored = shutil.ignore_patterns("dist", ".nox")
        shutil.copytree(pair.folder, folder, ignore=ignored)
        self.dist.mkdir()
        noxfile = folder / "noxfile.py"
        text = noxfile.read_text("utf-8")
        new = text.replace(building.LOADER, f" @ {loader.as_uri()}")
        assert new != text
        noxfile.write_text(new, encoding="utf-8")

    def put(self, wheel: Path, tag: str = "") -> Path:
        """Copy a wheel to dist/, under another platform's tag if one is given."""
        name = re.sub(r"-linux_\w+\.whl$", f"-{tag}.whl", wheel.name) if tag else wheel.name
        return Path(shutil.copy(wheel, self.dist / name))

    def nox(
        self,
        *arguments: str,
        fails: bool = False,
        env: Mapping[str, str] | None = None,
        stderr: int = subprocess.STDOUT,
    ) -> str:
        links = {"PIP_FIND_LINKS": " ".join(str(folder) for folder in self.links)}
        return building.run(
            *(sys.executable, "-m", "nox", "-s", *arguments),
            cwd=self.folder,
            env={**links, **(env or {})},
            fails=fails,
            stderr=stderr,
        )


@pytest.fixture
def workshop(pair: building.Pair, loader_wheel: Path, tmp_path: Path) -> Workshop:
    return Workshop(pair, tmp_path / "pair", loader_wheel)


# plan ---------------------------------------------------------------------------------------------


def outputs(said: str) -> dict[str, str]:
    """Return what `nox -s plan` printed for the workflows: its standard output has nothing else."""
    lines = said.splitlines()
    assert lines
    assert all(re.match(r"[a-z]+=", line) for line in lines), said
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="session")
def sdists(
    pair: building.Pair, loader_wheel: Path, once: Callable[[str, Callable[[Path], Path]], Path]
) -> Path:
    """A folder with the sdists of the default pair, as `nox -s sdists` makes them."""

    def make(folder: Path) -> Path:
        workshop = Workshop(pair, folder / "pair", loader_wheel)
        workshop.nox("sdists")
        return workshop.dist

    return once("sdists", make)


@pytest.mark.parametrize(
    ("tag", "release", "files"),
    [
        ("libfoo-v1.0.0", "provider", "libfoo-1.0.0*"),
        ("foo-ext-v1.0.0", "consumer", "foo_ext-1.0.0*"),
        ("", "none", ""),
    ],
)
def test_tag_says_what_is_released(
    workshop: Workshop, sdists: Path, tag: str, release: str, files: str
) -> None:
    shutil.copytree(sdists, workshop.dist, dirs_exist_ok=True)
    env = {"GITHUB_REF_TYPE": "tag" if tag else "branch", "GITHUB_REF_NAME": tag or "main"}
    said = outputs(workshop.nox("plan", env=env, stderr=subprocess.PIPE))
    assert said["release"] == release
    assert said["files"] == files
    if files:
        assert len(list(workshop.dist.glob(files))) == 1


def test_tag_of_another_version(workshop: Workshop, sdists: Path) -> None:
    shutil.copytree(sdists, workshop.dist, dirs_exist_ok=True)
    env = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "libfoo-v1.4.0"}
    said = workshop.nox("plan", env=env, fails=True)
    assert "the tag libfoo-v1.4.0 releases nothing; dist/ has libfoo-v1.0.0, foo-ext-v1.0.0" in said


@pytest.mark.parametrize("oldest", ["3.11", "3.10"])
def test_everything_is_built_and_tested(tmp_path: Path, oldest: str) -> None:
    """Each platform; on each the oldest Python, the newest and those without the GIL, or Alpine's."""
    folder = building.generate(tmp_path, python_min=oldest)
    nox = (sys.executable, "-m", "nox", "-s", "plan")
    said = outputs(building.run(*nox, cwd=folder, stderr=subprocess.PIPE))
    assert (said["oldest"], said["newest"]) == (oldest, "3.15")
    runners = {what["platform"]: what["runner"] for what in json.loads(said["builds"])}
    machines = [
        *("manylinux-x86_64", "manylinux-aarch64", "musllinux-x86_64", "musllinux-aarch64"),
        *("macos-x86_64", "macos-arm64", "windows-amd64", "windows-arm64"),
    ]
    assert list(runners) == machines
    pairs = json.loads(said["pairs"])
    assert all(pair["runner"] == runners[pair["platform"]] for pair in pairs)
    tested: dict[str, list[str]] = {}
    for pair in pairs:
        tested.setdefault(pair["platform"], []).append(pair["python"])
    pythons = [oldest, "3.15", "3.14t", "3.15t"]
    expected = {name: ["3.15"] if "musl" in name else pythons for name in machines}
    # Windows on ARM has Pythons from 3.11 on.
    expected["windows-arm64"] = [python for python in pythons if python != "3.10"]
    assert tested == expected


# sdists and pair ----------------------------------------------------------------------------------


def test_a_second_release_at_home(workshop: Workshop) -> None:
    workshop.nox("sdists")
    settings = workshop.folder / "libfoo" / "pyproject.toml"
    settings.write_text(settings.read_text("utf-8").replace('"1.0.0"', '"1.1.0"'), "utf-8")
    workshop.nox("sdists", "-r")
    assert sorted(path.name for path in workshop.dist.glob("*.tar.gz")) == [
        *("foo_ext-1.0.0.tar.gz", "libfoo-1.1.0.tar.gz")
    ]


def test_pair_takes_the_wheels_of_dist_and_no_others(
    workshop: Workshop, pair: building.Pair, index: Path
) -> None:
    workshop.put(pair.provider)
    workshop.put(pair.consumer)
    release(workshop, index, "1.7.0", {})
    said = workshop.nox("pair")
    assert "passed" in said
    python = workshop.folder / ".nox" / "pair" / "bin" / "python"
    code = "import importlib.metadata; print(importlib.metadata.version('libfoo'))"
    assert building.run(python, "-c", code) == "1.0.0\n"


# wheels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["amiga"], ["libfoo", HERE]])
def test_wheels_of_what(workshop: Workshop, arguments: list[str]) -> None:
    said = workshop.nox("wheels", "--", *arguments, fails=True)
    assert "nox -s wheels -- manylinux-x86_64|" in said


def test_wheels_of_a_consumer_without_its_provider(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = re.escape("dist/ has 0 files libfoo *manylinux*_x86_64.whl, not one")
    with pytest.raises(pytest.fail.Exception, match=said):
        started_with(workshop, monkeypatch, HERE, "foo-ext")


@pytest.mark.parametrize("platform", [HERE, "musllinux-x86_64", "macos-arm64", "windows-amd64"])
def test_own_settings_are_kept(
    workshop: Workshop, pair: building.Pair, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """The consumer's, and those of whoever starts it; what is ours comes last."""
    options = pytest.importorskip("cibuildwheel.options", reason="cibuildwheel needs Python 3.11")
    for tag in TAGS:
        workshop.put(pair.provider, tag)
    for name in ("libfoo", "foo_ext"):
        (workshop.dist / f"{name}-1.0.0.tar.gz").touch()
    settings = workshop.folder / "foo-ext" / "pyproject.toml"
    kept = '\n[tool.cibuildwheel]\nskip = "pp*"\nenvironment = { KEPT = "yes" }\n'
    text = settings.read_text("utf-8").replace("\n[tool.cibuildwheel]\n", kept)
    settings.write_text(text, encoding="utf-8")
    system = "linux" if "linux" in platform else platform.partition("-")[0]
    monkeypatch.setenv("CIBW_SKIP", "cp313-*")
    for theirs, rules, expected in (
        ("", "", {}),
        ("THEIRS=1", "", {"THEIRS": "1"}),
        ("THEIRS=1", " ", {"THEIRS": "1"}),
        ("THEIRS=1", "environment: append", {"THEIRS": "1"}),
    ):
        monkeypatch.setenv(f"CIBW_ENVIRONMENT_{system.upper()}", theirs)
        monkeypatch.setenv("CIBW_INHERIT", rules)
        (_, of_provider), (sdist, of_consumer) = started_with(workshop, monkeypatch, platform)
        assert sdist == "foo_ext-1.0.0.tar.gz"
        assert "PIP_CONSTRAINT" not in str(of_provider)
        monkeypatch.chdir(workshop.folder / "foo-ext")
        started = options.CommandLineArguments.defaults()
        computed = options.compute_options(system, started, of_consumer)
        build = computed.build_options(None)
        variables = build.environment.as_dictionary({"PIP_CONSTRAINT": "more.txt"})
        own, ours = variables.pop("PIP_CONSTRAINT").split(" ")
        assert own == "more.txt"
        assert ours.endswith("/dist/constraints.txt")
        assert ours.startswith("file:///host/") == (system == "linux")
        assert variables == {"KEPT": "yes", **expected}
        other = "manylinux" if "musl" in platform else "musllinux"
        assert computed.globals.build_selector.skip_config.split() == [
            "pp*",
            "cp313-*",
            f"*-{other}*",
        ]
        (audit,) = build.audit_command
        assert audit.startswith("abi3audit ")
        # Ours is in the repair: it needs the provider, which is installed before the build.
        assert build.repair_command == "native-lib repair -w {dest_dir} {wheel}"
        assert build.before_build.startswith('python -m pip install "native-lib-loader[tools] @ ')
        assert build.before_build.endswith('" libfoo')


def started_with(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> list[tuple[str, dict[str, str]]]:
    """Return the sdists and environments that `nox -s wheels` gives cibuildwheel, not starting it."""
    given: list[tuple[str, dict[str, str]]] = []

    def run(command: str, sdist: Path, *_: object, env: dict[str, str]) -> None:
        assert command == "cibuildwheel"
        given.append((sdist.name, building.environment(env)))

    session = SimpleNamespace(
        posargs=arguments, install=lambda *_: None, run=run, error=pytest.fail
    )
    # nox keeps what noxfiles name, and warns of names that it has.
    monkeypatch.setattr("nox.registry._REGISTRY", {})
    monkeypatch.chdir(workshop.folder)
    runpy.run_path("noxfile.py")["wheels"](session)
    return given


# check --------------------------------------------------------------------------------------------

TAGS = (
    *("manylinux_2_17_x86_64", "manylinux_2_17_aarch64"),
    *("musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
    *("macosx_11_0_x86_64", "macosx_11_0_arm64", "win_amd64", "win_arm64"),
)
FILES = {
    HERE: "manylinux*_x86_64",
    "musllinux-x86_64": "musllinux*_x86_64",
    "macos-arm64": "macosx*_arm64",
    "windows-amd64": "win_amd64",
}


def test_wheel_missing_for_one_platform(workshop: Workshop, pair: building.Pair) -> None:
    for tag in TAGS:
        workshop.put(pair.provider, tag)
        workshop.put(pair.consumer, tag)
    next(workshop.dist.glob("libfoo-*win_arm64.whl")).unlink()
    next(workshop.dist.glob("foo_ext-*musllinux_1_2_aarch64.whl")).unlink()
    said = workshop.nox("check", "--", "complete", fails=True)
    lines = [line for line in said.splitlines() if "no wheel of" in line]
    assert lines == [
        "native-lib: no wheel of foo-ext for musllinux*_aarch64",
        "native-lib: no wheel of libfoo for win_arm64",
    ]


def test_check(workshop: Workshop, pair: building.Pair) -> None:
    provider, consumer = workshop.put(pair.provider), workshop.put(pair.consumer)
    assert "2 files checked: 0 errors, 0 warnings, 0 notes" in workshop.nox("check")
    # What a repair without the exclusion makes.
    with zipfile.ZipFile(provider) as archive:
        library = archive.read("libfoo/lib/libfoo__foo.so.1")
    with zipfile.ZipFile(consumer, "a") as archive:
        archive.writestr("foo_ext.libs/libfoo__foo-1a2b3c4d.so.1", library)
    said = workshop.nox("check", "-r", env={"GITHUB_ACTIONS": "true"}, fails=True)
    assert "::error title=library-copied::" in said
    assert "has a copy of libfoo__foo.so.1, which libfoo provides" in said


# abi ----------------------------------------------------------------------------------------------

SQUARE = "double foo_square(double value)"


def release(workshop: Workshop, folder: Path, version: str, edit: dict[str, str]) -> None:
    """Build a provider's wheel and sdist of a version, with its C sources changed."""
    project = workshop.folder / "libfoo"
    settings = project / "pyproject.toml"
    text = re.sub(
        r'^version = ".*"', f'version = "{version}"', settings.read_text(), flags=re.MULTILINE
    )
    settings.write_text(text, encoding="utf-8")
    for old, new in edit.items():
        found = [p for p in project.rglob("*.[ch]") if old in p.read_text("utf-8")]
        assert found
        for path in found:
            path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    for kind in ("sdist", "wheel"):
        shutil.rmtree(folder.with_name(f"{folder.name}-{kind}"), ignore_errors=True)
        shutil.copy(
            building.build(project, folder.with_name(f"{folder.name}-{kind}"), kind=kind), folder
        )


@pytest.fixture
def index(workshop: Workshop) -> Path:
    """A folder that stands in for what the index has: libfoo 1.0.0."""
    folder = workshop.folder / "index"
    folder.mkdir()
    release(workshop, folder, "1.0.0", {})
    workshop.links.append(folder)
    return folder


def test_abi_without_an_earlier_release(workshop: Workshop) -> None:
    release(workshop, workshop.dist, "1.0.0", {})
    said = workshop.nox("abi")
    assert "there is no release libfoo<1.0.0: nothing to compare" in said


def test_abi_when_the_index_does_not_answer(workshop: Workshop) -> None:
    """A release is not to pass because nobody could look."""
    release(workshop, workshop.dist, "1.0.0", {})
    workshop.nox("abi")
    said = workshop.nox("abi", "-R", env=NOWHERE, fails=True)
    assert "nothing to compare" not in said
    assert "127.0.0.1" in said


def test_abi_kept(workshop: Workshop, index: Path) -> None:
    release(workshop, workshop.dist, "1.1.0", {})
    assert "libfoo 1.1.0 has all that 1.0.0 has" in workshop.nox("abi")


def test_abi_that_lost_a_function(workshop: Workshop, index: Path) -> None:
    release(workshop, workshop.dist, "1.1.0", {"foo_square": "foo_squared"})
    said = workshop.nox("abi", fails=True)
    assert "libfoo__foo.so.1 no longer exports foo_square" in said
    assert "libfoo 1.1.0 cannot replace 1.0.0" in said


def test_abi_of_a_type_that_no_header_shows(workshop: Workshop, index: Path) -> None:
    """A library may change what its users cannot see: a security fix often does."""
    if shutil.which("abidiff") is None:
        pytest.skip("requires abidiff (Debian: abigail-tools)")
    square = "double foo_square(double value) {"
    hidden = "struct hidden {{ double x; {more} }};\nstruct hidden *foo_hidden(struct hidden *h) {{ return h; }}\n"
    source = workshop.folder / "libfoo" / "src" / "foo.c"
    header = workshop.folder / "libfoo" / "include" / "foo" / "foo.h"
    header.write_text(
        header.read_text("utf-8").replace(
            "FOO_EXPORT double",
            "struct hidden;\nFOO_EXPORT struct hidden *foo_hidden(struct hidden *);\nFOO_EXPORT double",
            1,
        ),
        encoding="utf-8",
    )
    plain = source.read_text("utf-8")
    assert square in plain
    for folder, version, more in ((index, "1.0.1", ""), (workshop.dist, "1.0.2", "long y;")):
        text = plain.replace(square, hidden.format(more=more) + square)
        source.write_text(text, encoding="utf-8")
        release(workshop, folder, version, {})
    said = workshop.nox("abi")
    assert said.count("libfoo 1.0.2 has all that 1.0.1 has") == 2
    assert "types were not compared" not in said


def test_abi_where_the_last_release_does_not_build_any_more(
    workshop: Workshop, index: Path
) -> None:
    (sdist,) = index.glob("libfoo-*.tar.gz")
    folder = workshop.folder / "old"
    folder.mkdir()
    building.run("tar", "-xzf", sdist, "-C", folder)
    source = folder / "libfoo-1.0.0" / "src" / "foo.c"
    source.write_text("#error old\n", encoding="utf-8")
    building.run("tar", "-czf", sdist, "-C", folder, "libfoo-1.0.0")
    release(workshop, workshop.dist, "1.1.0", {})
    said = workshop.nox("abi")
    assert "types were not compared: libfoo==1.0.0 cannot be built from its sdist here" in said


def test_abi_of_types(workshop: Workshop, index: Path) -> None:
    if shutil.which("abidiff") is None:
        pytest.skip("requires abidiff (Debian: abigail-tools)")
    release(workshop, workshop.dist, "1.1.0", {SQUARE: SQUARE.replace("(double", "(float")})
    said = workshop.nox("abi", fails=True)
    assert "parameter 1 of type 'double' changed" in said
    assert "libfoo 1.1.0 cannot replace 1.0.0" in said


# published ----------------------------------------------------------------------------------------


def test_provider_on_the_index_lacks_what_the_consumer_calls(
    workshop: Workshop, pair: building.Pair
) -> None:
    """Its sources have more than the release of the same version: this run's tests saw no fault."""
    index = workshop.folder / "index"
    index.mkdir()
    release(workshop, index, "1.0.0", {"foo_square": "foo_squared"})
    workshop.links.append(index)
    workshop.put(pair.consumer)
    said = workshop.nox("published", fails=True)
    assert "needs foo_square, which libfoo__foo.so.1 of libfoo 1.0.0 does not export" in said


def test_provider_is_not_published(workshop: Workshop, pair: building.Pair) -> None:
    workshop.put(pair.consumer)
    said = workshop.nox("published", fails=True)
    assert "the index has no libfoo<2,>=1.0.0: release libfoo first" in said


def test_provider_is_published(workshop: Workshop, pair: building.Pair, index: Path) -> None:
    workshop.put(pair.consumer)
    said = workshop.nox("published")
    assert "the index has libfoo-1.0.0-py3-none-" in said
    assert "2 files checked: 0 errors" in said


def test_published_when_the_index_does_not_answer(workshop: Workshop, pair: building.Pair) -> None:
    workshop.put(pair.consumer)
    workshop.nox("published", fails=True)
    said = workshop.nox("published", "-R", env=NOWHERE, fails=True)
    assert "release libfoo first" not in said
    assert "pip cannot get libfoo<2,>=1.0.0" in said
