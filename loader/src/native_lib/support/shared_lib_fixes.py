# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""What helps: the command that installs a provider, or a restart of the process.

``..._explain`` imports this file when it has an error to explain; `native-lib doctor` uses it too.
"""

import os
import re
import sys

TYPE_CHECKING = False  # ``typing`` is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

# The process and the disk. -----------------------------------------------------------------------


def restart(loader: "Any") -> str:
    """Say that a provider was replaced on disk since this process imported it, or return "".

    Whatever is wrong then, what is installed now was not tried yet.
    """
    installed = "" if is_frozen() else _installed(loader)
    if installed in ("", loader.version):
        return ""
    return (
        f"restart this process: it has {loader.distribution} {loader.version}, and {installed} was "
        "installed since"
    )


def _installed(loader: "Any") -> str:
    """Return the version that an import would find now."""
    manifest = sys.modules.get(f"{loader.provider}._native_libs")
    file = getattr(manifest, "__file__", None)
    if not file:
        return ""  # written by hand: nobody says which version is which
    try:
        with open(file, encoding="utf-8") as opened:
            found = re.search(r"^VERSION = ['\"](.*)['\"]", opened.read(), re.MULTILINE)
        return found[1] if found else ""
    except OSError:
        pass
    try:
        from importlib.metadata import version

        return version(loader.distribution)
    except _UNKNOWN:
        return ""


def appeared(name: str, there: "Any") -> str:
    """Say that a provider was installed since this process looked for it, or return ""."""
    if is_frozen():
        return ""
    from importlib import invalidate_caches
    from importlib.machinery import PathFinder

    invalidate_caches()
    try:
        spec = PathFinder.find_spec(name)
    except _UNKNOWN:
        return ""
    if spec is None or not spec.has_location or spec.origin == getattr(there, "__file__", None):
        return ""
    return f"restart this process: {spec.origin} was installed since"


# What a freezer does. ------------------------------------------------------------------------------


def is_frozen() -> bool:
    """Tell whether a freezer made this program: pip cannot change it. Nuitka has the second."""
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in globals()


def _freeze(distribution: str, requirement: str) -> str:
    package = re.sub(r"[-_.]+", "_", distribution).lower()
    return (
        f"build this program again where {requirement} is installed, with all files of the package "
        f"{package} (PyInstaller: --collect-all {package}; cx_Freeze: --packages {package}; Nuitka: "
        f"--include-package={package} --include-package-data={package})"
    )


# What pip does. ----------------------------------------------------------------------------------

# importlib.metadata is imported in the functions only: it imports zlib, bz2 and lzma, and then the
# system's libraries have the names libz, libbz2 and liblzma for as long as the process lives.
_UNKNOWN = (AttributeError, ImportError, LookupError, TypeError, ValueError)


def install(distribution: str, requirement: str, option: str = "", in_its_place: str = "") -> str:
    """Say what brings a provider, and what keeps pip from that.

    Args:
        distribution: the provider's.
        requirement: what pip is to install.
        option: makes pip install what has metadata, of which it leaves alone what fits.
        in_its_place: a file that was imported by the provider's name.
    """
    if is_frozen():
        return _freeze(distribution, requirement)
    plain = pip(f'install "{requirement}"')
    shadow = "rename or remove that file; it shadows the provider"
    try:
        from importlib.metadata import distribution as metadata_of

        root = str(metadata_of(distribution).locate_file(""))
        is_replaceable = is_pips(root)
    except _UNKNOWN:
        return f"{shadow}, then: {plain}" if in_its_place else plain
    if in_its_place and not _real(in_its_place).startswith(os.path.join(_real(root), "")):
        return f"{shadow}, which is installed"
    if not is_replaceable:
        return f"remove {root} from sys.path; pip does not install there, then: {plain}"
    return pip(f'install {option} "{requirement}"') if option else plain


def again(distribution: str, version: str) -> str:
    """Say what installs again what was installed (PEP 610), which no index may have."""
    if is_frozen():
        return _freeze(distribution, distribution)
    where = "--force-reinstall --no-deps"
    what = f"{distribution}=={version}" if version else distribution
    try:
        from importlib.metadata import distribution as metadata_of
        from json import loads

        metadata = metadata_of(distribution)
        root = str(metadata.locate_file(""))
        if not is_pips(root):
            where = f'--upgrade --target "{root}" --no-deps'
        record = loads(metadata.read_text("direct_url.json") or "{}")
        url = record["url"]
        if _is_gone(url):
            return pip(f'install {where} "{what}"')
        if "vcs_info" in record:
            url = f"{record['vcs_info']['vcs']}+{url}@{record['vcs_info']['commit_id']}"
        if record.get("subdirectory"):
            url += f"#subdirectory={record['subdirectory']}"
        if record.get("dir_info", {}).get("editable"):
            where += " -e"
        what = url
    except _UNKNOWN:
        pass  # no metadata, or no such record: it was an index's
    return pip(f'install {where} "{what}"')


def build_again(consumer: str, built: str, provider: str, installed: str) -> str:
    """Say how to build a consumer again that was built here, before its provider's new version.

    Args:
        consumer: its import name.
        built: the provider's version that it was built against.
        provider: the provider's distribution.
        installed: its version now.

    Returns:
        The fix; empty if the consumer came from elsewhere, or the provider is older.
    """
    try:
        from importlib.metadata import distribution as metadata_of
        from json import loads

        metadata = metadata_of(consumer.partition(".")[0])
        record = loads(metadata.read_text("direct_url.json") or "{}")
        name = metadata.metadata["Name"]
        is_newer = _numbers(installed) > _numbers(built)
        if is_frozen() or "dir_info" not in record or _is_gone(record["url"]) or not is_newer:
            return ""
    except _UNKNOWN:
        return ""
    # In isolation, it would be built against another copy of the provider, an index's.
    editable = "-e " if record["dir_info"].get("editable") else ""
    options = "--force-reinstall --no-deps --no-build-isolation"
    command = pip(f'install {options} {editable}"{record["url"]}"')
    return (
        f"build {name} again, against {provider} {installed}: in a uv workspace with `uv sync "
        f"--reinstall-package {name}`, else {command}"
    )


def _numbers(version: str) -> "list[int]":
    return [int(part) for part in version.split(".") if part.isdigit()]


def pip(arguments: str) -> str:
    """Return a command of pip's, or what this environment has in its place (uv's have no pip)."""
    # Not importlib.util's: setuptools has a finder that undoes its distutils when it is asked for pip.
    from importlib.machinery import PathFinder
    from shutil import which

    command = f"python -m pip {arguments}"
    if PathFinder.find_spec("pip"):
        return command
    if which("uv") or _is_uvs():
        verb, _, rest = arguments.partition(" ")
        # uv keeps a version that it finds in --target. Its cache may have the damaged file itself,
        # for it links files into environments.
        rest = rest.replace("--upgrade --target", "--reinstall --target")
        rest = rest.replace("--force-reinstall", "--reinstall --no-cache")
        return f'uv pip {verb} --python "{sys.executable}" {rest}'
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        return f"conda install pip, then: {command}"
    if PathFinder.find_spec("ensurepip"):
        return f"python -m ensurepip, then: {command}"
    return f"install pip (this Python has none), then: {command}"


def _is_uvs() -> bool:
    try:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            return re.search(r"^uv *=", file.read(), re.MULTILINE) is not None
    except OSError:
        return False


def is_pips(folder: str) -> bool:
    """Tell whether pip installs into a folder, so that it can replace what is there."""
    from site import ENABLE_USER_SITE, getsitepackages, getusersitepackages

    # A virtual environment's pip leaves the user's folder alone, wherever PYTHONPATH has it.
    users = [getusersitepackages()] if ENABLE_USER_SITE else []
    return _real(folder) in map(_real, (*getsitepackages(), *users))


def _real(path: str) -> str:
    """Return a path as it can be compared; Windows makes no difference between c: and C:."""
    return os.path.normcase(os.path.realpath(path))


def _is_gone(url: str) -> bool:
    """Whether a URL names a file that is gone: conda and Docker remove what they built from."""
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if sys.platform == "win32":  # file:///C:/folder, or file://server/folder
        path = f"//{parts.netloc}{path}" if parts.netloc else path[1:]
    return parts.scheme == "file" and not os.path.exists(path)


def is_as_installed(distribution: str, path: str) -> bool:
    """Tell whether a file is what the installer wrote down in RECORD; False if that is not known."""
    try:
        from base64 import urlsafe_b64encode
        from hashlib import sha256
        from importlib.metadata import distribution as metadata_of

        files = metadata_of(distribution).files or ()
        for each in (each for each in files if each.name == os.path.basename(path)):
            recorded = each.hash
            if recorded and _real(str(each.locate())) == _real(path):
                with open(path, "rb") as file:
                    digest = urlsafe_b64encode(sha256(file.read()).digest()).rstrip(b"=").decode()
                return (recorded.mode, recorded.value) == ("sha256", digest)
    except (OSError, *_UNKNOWN):
        pass
    return False
