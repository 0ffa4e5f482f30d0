"""The command line of ``native-lib``."""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from native_lib.bind import BindError
from native_lib.environment import FORMATS, as_text, build_variables
from native_lib.excludes import TOOLS, excludes
from native_lib.known import KnownError
from native_lib.prefix import PrefixError, make_prefix
from native_lib.preload import PreloadError
from native_lib.providers import ProvidersError, installed_providers
from native_lib.support.shared_lib_fixes import pip
from native_lib.vendor import VendorError, apply, changes, still_named

if TYPE_CHECKING:
    from collections.abc import Sequence

# What `vendor` is asked for, and what vendor.py calls it.
_SIDES = {
    "provider": "provider",
    "consumer": "consumer",
    "upstream": "source",
    "archive": "archive",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the command line without the program's name; the process's if None.

    Returns:
        The exit status: 0, 1 for findings, 2 for input that cannot be used.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names come from wheels, and a Windows console may not know their letters.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    # argparse would take what follows -- for further wheels.
    at = given.index("--") if given[:1] == ["repair"] and "--" in given else len(given)
    options = _parser().parse_args(given[:at])
    options.of_tool = given[at + 1 :]
    if "requires_tools" in options and not _has_tools(options.requires_tools):
        return 2
    try:
        status: int = options.run(options)
    except (VendorError, ProvidersError, PrefixError, BindError, PreloadError, KnownError) as error:
        print(f"native-lib: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="native-lib", description="Tools for wheels that share native libraries."
    )
    parser.add_argument("--version", nargs=0, action=_Version, help="print the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "vendor",
        help="put the build support into a project, or bring it up to date",
        description="Bring native-lib/ of every project below PROJECT up to date, restore what is "
        "missing there, and move projects of the old layout (cmake/, _shared_lib_*.py in packages). "
        "The options put files there in the first place.",
    )
    command.add_argument("project", type=Path, metavar="PROJECT", help="a folder of sources")
    for side, what in (
        ("provider", "its wheel ships libraries"),
        ("consumer", "its extension modules use libraries"),
        ("upstream", "it fetches the sources that its source.toml lists"),
        ("archive", "something else than CMake builds its library"),
    ):
        command.add_argument(
            f"--{side}", action="store_true", help=f"PROJECT gets native-lib/: {what}"
        )
    command.add_argument(
        "--loader-only",
        action="store_true",
        help="PROJECT is a Python package, and gets the loader of --provider or --consumer only: for a "
        "build without NativeLibrary.cmake",
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit with 1 if a file has drifted or is missing",
    )
    command.set_defaults(run=_vendor)

    command = commands.add_parser(
        "check",
        help="find faults in wheels of any platform, and between them",
        description="Read wheels of any platform without unpacking them, and report what is wrong "
        "with each, and between providers and consumers.",
    )
    command.add_argument(
        "paths", type=Path, nargs="*", metavar="WHEEL-OR-FOLDER", help="checked together"
    )
    command.add_argument(
        "--installed",
        action="store_true",
        help="check what is installed in the environment of this Python, in place of wheels; names "
        "of distributions in place of WHEEL-OR-FOLDER limit what is reported",
    )
    for name, what in (
        ("select", "run this rule only"),
        ("ignore", "findings of this rule do not count"),
    ):
        command.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="RULE[:PATTERN]",
            help=f"{what}, where the wheel's file name, the file in it or the value matches PATTERN; "
            "can be repeated",
        )
    command.add_argument("--strict", action="store_true", help="warnings fail as errors do")
    command.add_argument(
        "--complete",
        action="store_true",
        help="all that the wheels require is given: what nothing here answers is an error",
    )
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the pyproject.toml whose [tool.native-lib.check] holds (default: the first in this "
        "folder or above it)",
    )
    command.add_argument(
        "--format",
        choices=("table", "json", "github", "sarif"),
        default="table",
        help="a table for people, JSON, annotations for GitHub's workflows, or SARIF for code "
        "scanning (default: table)",
    )
    command.add_argument(
        "--explain", metavar="RULE", help="print why a rule is one, and how to fix what it finds"
    )
    command.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="TAG",
        help="a platform, such as win_amd64 or manylinux*_x86_64, for which each distribution among "
        "the files must have a wheel; can be repeated",
    )
    command.set_defaults(run=_check, requires_tools="check", fail=command.error)

    command = commands.add_parser(
        "doctor",
        help="find faults in the providers and consumers that are installed here",
        description="Look at the environment of this Python: which providers there are, who needs "
        "them, which file provides each need, and what would fail. Nothing is imported, unless "
        "MODULE or --load asks for it.",
    )
    command.add_argument(
        "modules", nargs="*", metavar="MODULE", help="import it, and explain a failure"
    )
    command.add_argument(
        "--load",
        action="store_true",
        help="import every provider and consumer in separate processes, and open the libraries",
    )
    command.add_argument(
        "--format",
        choices=("tree", "json", "svg"),
        default="tree",
        help="a tree for people, JSON, or a picture of who shares what (default: tree)",
    )
    command.set_defaults(run=_doctor, requires_tools="doctor")

    command = commands.add_parser(
        "abi",
        help="report what a provider's new release breaks for consumers of an earlier one",
        usage="%(prog)s [-h] [--no-types] OLD NEW\n       %(prog)s [-h] --last-release FILE...",
        description="Compare a provider's new wheel with an earlier release's, if that one promised "
        "compatibility: exported symbols, and types where both have debug information and abidiff "
        "(Debian: abigail-tools) is installed.",
    )
    command.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="OLD, the earlier release's wheel, and NEW, the one to be released; or with "
        "--last-release all files to be released",
    )
    command.add_argument(
        "--no-types", action="store_true", help="compare names only, not types of what they name"
    )
    command.add_argument(
        "--last-release",
        action="store_true",
        help="have pip get the earlier release from the index; if an sdist is among the files, both "
        "releases' sdists are built with debug information, for the types",
    )
    command.set_defaults(run=_abi, requires_tools="abi", fail=command.error)

    command = commands.add_parser(
        "published",
        help="report whether the index has the providers that a consumer's wheels require",
        description="Have pip get the providers that wheels for this machine require, and check them "
        "together: a consumer must not be published before a provider that has all that it calls.",
    )
    command.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="the files to be released"
    )
    command.set_defaults(run=_published, requires_tools="published")

    command = commands.add_parser(
        "bind",
        help="make wheels that were linked against providers require and load them",
        description="Write wheels that require the providers that they were linked against, and load "
        "their libraries at import. For wheels of any build system and platform.",
    )
    _add_wheels(command)
    command.set_defaults(run=_bind, requires_tools="bind")

    command = commands.add_parser(
        "repair",
        help="run the platform's repair tool without copies of providers' libraries, and bind",
        usage="%(prog)s [-h] -w DEST [--provider PROVIDER]... WHEEL... [-- OPTION...]",
        description="Run auditwheel, delocate or delvewheel, by the wheel's platform, and tell it to "
        "leave out the libraries of the providers that the wheel was linked against. Then bind the "
        "result, and check it. What follows -- goes to the tool.",
    )
    _add_wheels(command)
    command.set_defaults(run=_repair, requires_tools="repair")

    command = commands.add_parser(
        "excludes",
        help="print the arguments that keep providers' libraries out of a repaired wheel",
        description="Print, on one line and quoted for a shell, the arguments that keep the "
        "libraries of installed providers out of a consumer's wheel.",
    )
    _add_providers(command)
    command.add_argument("--tool", choices=TOOLS, required=True, help="what repairs the wheel")
    command.set_defaults(run=_excludes)

    command = commands.add_parser(
        "prefix",
        help="make a folder laid out as every build system expects one, of links to providers",
        description="Make a folder with include, lib and bin, which links to installed providers and "
        "to those that they require, for a build that expects a library there.",
    )
    command.add_argument(
        "out", type=Path, metavar="OUT", help="an empty folder, an earlier prefix, or a new folder"
    )
    _add_providers(command)
    command.set_defaults(run=_prefix)

    command = commands.add_parser(
        "env",
        help="print the variables that show providers to a build",
        description="Make a prefix of installed providers, and of those that they require, in a "
        "cache, and print the variables that show it to a build.",
    )
    _add_providers(command)
    command.add_argument(
        "--format",
        choices=FORMATS,
        default="sh",
        help="for eval in a shell, JSON, or for the later steps of a job on GitHub: into the file "
        "that GITHUB_ENV names, if it is set (default: sh)",
    )
    command.set_defaults(run=_env)

    command = commands.add_parser(
        "preload",
        help="have Python open providers' libraries when it starts",
        description="Write files into the environment of this Python that open the libraries of "
        "providers when it starts, before any program brings another copy.",
    )
    _add_providers(command)
    command.add_argument("--remove", action="store_true", help="remove these files")
    command.set_defaults(run=_preload)
    return parser


def _add_wheels(command: argparse.ArgumentParser) -> None:
    command.add_argument("wheels", type=Path, nargs="+", metavar="WHEEL", help="the wheels")
    command.add_argument(
        *("-w", "--wheel-dir"),
        type=Path,
        required=True,
        metavar="DEST",
        help="the folder that the new wheels go to",
    )
    command.add_argument(
        "--provider",
        action="append",
        default=[],
        metavar="PROVIDER",
        help="the wheel of a provider that is not installed here, as for another platform; or an "
        "installed one with plain names. Can be repeated",
    )


class _Version(argparse.Action):
    """Prints the version; only this imports importlib.metadata, which is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import importlib.metadata

        try:
            version = importlib.metadata.version("native-lib-loader")
        except importlib.metadata.PackageNotFoundError:
            version = "not installed: run from its sources"
        print(f"native-lib {version}")
        parser.exit()


def _has_tools(command: str) -> bool:
    """Tell whether the extra `tools` is installed; say what is missing if not."""
    for name in ("lief", "packaging", "rich"):
        if importlib.util.find_spec(name) is None:
            install = pip('install "native-lib-loader[tools]"')
            print(
                f"native-lib: {command} requires {name}, of the extra `tools`: {install}, or "
                '"./loader[tools]" in a clone of native-lib-template',
                file=sys.stderr,
            )
            return False
    return True


def _vendor_command(options: argparse.Namespace) -> str:
    """Return the command line once more, without --check."""
    sides = [f"--{side}" for side in _SIDES if getattr(options, side)]
    given = ["--loader-only"] if options.loader_only else []
    return _quoted(["native-lib", "vendor", *sides, *given, str(options.project)])


def _quoted(command: list[str]) -> str:
    """Return a command line for this system's shell; cmd does not know single quotes."""
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def _add_providers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "providers", nargs="+", metavar="PROVIDER", help="a distribution that is installed here"
    )


def _check(options: argparse.Namespace) -> int:
    from native_lib.check.choose import ChoiceError
    from native_lib.check.config import read_config
    from native_lib.check.explain import explain
    from native_lib.check.run import run, tell

    if not (options.paths or options.installed or options.explain):
        options.fail("name wheels or folders; or --installed, or --explain RULE")
    if options.installed and options.require:
        options.fail("--require is about wheels, and --installed checks none")
    try:
        if options.explain:
            print(explain(options.explain))
            return 0
        config = read_config(options.config).amended(
            options.select, options.ignore, strict=options.strict, complete=options.complete
        )
        if options.installed:
            from native_lib.check.installed import check_installed

            return tell(check_installed([*map(str, options.paths)], config), options.format, config)
    except ChoiceError as error:
        print(f"native-lib: {error}", file=sys.stderr)
        return 2
    return run(options.paths, options.format, options.require, config)


def _doctor(options: argparse.Namespace) -> int:
    from native_lib.doctor.run import run

    return run(options.modules, options.format, load=options.load)


def _abi(options: argparse.Namespace) -> int:
    if options.last_release:
        from native_lib.released import run_abi

        return run_abi(options.files)
    from native_lib.abi import run

    if len(options.files) != 2:
        options.fail("name two wheels, OLD and NEW; or --last-release and the files to be released")
    old, new = options.files
    return run(old, new, types=not options.no_types)


def _published(options: argparse.Namespace) -> int:
    from native_lib.released import run_published

    return run_published(options.files)


def _bind(options: argparse.Namespace) -> int:
    from native_lib.bind.bind import bind

    for wheel in bind(options.wheels, options.wheel_dir, options.provider):
        print(wheel)
    return 0


def _repair(options: argparse.Namespace) -> int:
    from native_lib.repair import repair

    made = repair(options.wheels, options.wheel_dir, options.provider, options.of_tool)
    for wheel in made:
        print(wheel)
    return 0 if made else 1


def _excludes(options: argparse.Namespace) -> int:
    print(_quoted(excludes(options.providers, options.tool)))
    return 0


def _prefix(options: argparse.Namespace) -> int:
    providers = installed_providers(options.providers)
    make_prefix(options.out, providers)
    told = ", ".join(f"{provider.distribution} {provider.version}" for provider in providers)
    print(f"{options.out}: {told}")
    return 0


def _env(options: argparse.Namespace) -> int:
    try:
        variables = build_variables(installed_providers(options.providers), os.environ)
    except (ProvidersError, PrefixError, KnownError):
        if options.format == "sh":
            print("false")  # so that eval fails, too; of nothing it makes a success
        raise
    text = as_text(variables, options.format)
    file = os.environ.get("GITHUB_ENV") if options.format == "github" else None
    if not file:
        print(text, end="")
        return 0
    try:
        with Path(file).open("a", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except OSError as error:
        raise PrefixError(f"{file}: {error.strerror}") from error
    return 0


def _preload(options: argparse.Namespace) -> int:
    from native_lib.preload import added, removed

    changes = (removed if options.remove else added)(options.providers)
    changes = [change for change in changes if change.word]
    try:
        apply(changes)
    except OSError as error:
        raise PreloadError(f"{error.filename}: {error.strerror}") from None
    for change in changes:
        if change.path.suffix != ".pyc":
            print(f"{'removed' if change.content is None else 'wrote'}: {change.path}")
    if not changes:
        print("nothing to remove" if options.remove else "nothing to write: all is there already")
    return 0


def _vendor(options: argparse.Namespace) -> int:
    try:
        found = changes(
            options.project,
            [side for option, side in _SIDES.items() if getattr(options, option)],
            loader_only=options.loader_only,
        )
        told = [(change, change.word) for change in found if change.word]
        if not options.check:
            apply([change for change, _ in told])
    except OSError as error:
        raise VendorError(f"{error.filename}: {error.strerror}") from None
    for change, what in told:
        done = "removed" if what == "old" else "updated"
        print(f"{what if options.check else done}: {change.path}")
    if options.check:
        if told:
            print(f"to bring them up to date: {_vendor_command(options)}")
        return 1 if told else 0
    for line in still_named(
        options.project, [change.path for change, what in told if what == "old"]
    ):
        print(f"names a file that is now in native-lib/: {line}")
    print(f"{sum(change.content is not None for change in found)} vendored files are up to date")
    return 0
