# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""Fetch the sources that source.toml lists into upstream/, and tell the build what they are."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

RECORD = "native_library_source.json"
# The form of an SPDX expression. Whether SPDX lists its identifiers is not checked.
SPDX_ID = r"\s*(?!(?:AND|OR|WITH)\b)[A-Za-z0-9][A-Za-z0-9.-]*\+?\s*"
SPDX = rf"{SPDX_ID}(?:(?<=\s)(?:AND|OR|WITH)(?=\s){SPDX_ID})*"
KEYS = {
    **dict.fromkeys(("name", "version-file", "version-pattern"), (r".+", "a string")),
    "version": (r"[0-9]+(\.[0-9]+)*", "numbers joined with dots"),
    "post": (r"[0-9]+", "the packaging revision, 0 or more"),
    "license": (SPDX, "an SPDX expression, as in MIT OR Apache-2.0"),
    "purl": (r'pkg:[^\s"\\]+', "a package URL, as in pkg:generic/foo@{version}"),
    "url": (r"[a-z]+://\S+", "an archive's URL"),
    "sha256": (r"([0-9a-fA-F]{64})?", "64 hexadecimal digits"),
}


class SourceError(Exception):
    """The sources cannot be fetched or used; the message says why, and what to do."""


def _project() -> tuple[Path, str]:
    """Return the project's folder, and the command that fetches its sources when run there."""
    script = Path(__file__).absolute()
    for folder in (script.parent, script.parent.parent):
        if (folder / "source.toml").exists():
            return folder, f"python {script.relative_to(folder).as_posix()}"
    return Path.cwd(), "python -m native_lib.support.fetch_source"


def _read(root: Path) -> dict[str, Any]:
    """Read and check source.toml; return it with what each archive's URL and hash stand for."""
    file = root / "source.toml"
    try:
        tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        source: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ImportError, OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from None
    if not isinstance(archives := source.get("archive"), list) or {*map(type, archives)} != {dict}:
        raise SourceError(f"{file} has no [[archive]]")
    for key, (pattern, what) in KEYS.items():
        for table in archives if key in ("url", "sha256") else [source]:
            value, text, before = table.get(key), str(table.get(key)), ""
            while key == "license" and text != before:  # from the innermost parentheses outwards
                text, before = re.sub(rf"\({SPDX}\)", " x ", text), text
            is_right = isinstance(value, int if key == "post" else str)
            if not is_right or not re.fullmatch(pattern, text):
                raise SourceError(f"{file}: {key} must be {what}, not {value!r}")
    for each in archives:
        each["version"], each["listed"] = source["version"], each.pop("sha256").lower()
        each["url"] = each["url"].replace("{version}", each["version"])
        each["name"] = PurePosixPath(each["url"].partition("?")[0]).name
    return source


def fetch(root: Path, *local: Path, unpinned: bool = False) -> list[dict[str, str]]:
    """Fetch into upstream/ what source.toml lists, or raise SourceError or OSError; return what it is.

    A local file stands for the archive with its hash; if ``unpinned``, for the one with its name.
    """
    archives, upstream = _read(root)["archive"], root / "upstream"
    if os.path.lexists(upstream) and not (upstream / RECORD).is_file():
        raise SourceError(f"{upstream} was not made by this command: move it away")
    for file in local:
        _identify(file, str(file), archives, unpinned)
    # In the project's folder, so that moving it to upstream/ is one rename.
    with tempfile.TemporaryDirectory(prefix="upstream.part-", dir=root) as folder:
        new, old, seen = Path(folder, "new"), Path(folder, "old"), dict[str, str]()
        new.mkdir()
        for each in archives:
            if "file" not in each:
                _download(each, folder)
            try:
                _unpack(each["file"], each["url"], new, seen)
            except Exception as error:  # noqa: BLE001 - each kind of damage has its own
                raise SourceError(f"{each['file'].name} cannot be unpacked: {error}") from None
        record = [{k: a[k] for k in ("url", "sha256", "listed", "version")} for a in archives]
        (new / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
        version, listed = facts(root, new)["version"], archives[0]["version"]
        if version != listed:
            print(f"warning: source.toml says {listed}, the sources {version}", file=sys.stderr)
        try:
            if upstream.exists():
                upstream.rename(old)
            new.rename(upstream)
        finally:
            if old.exists() and not upstream.exists():
                old.rename(upstream)
    return record


def _identify(file: Path, said: str, archives: list[dict[str, Any]], unpinned: bool) -> None:
    """Find the archive that a file is, by its hash, and note the file there."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    found = [each for each in archives if each["listed"] == sha256]
    if not found:
        found = [each for each in archives if each["name"] == file.name] or archives
        listed = (f"  listed: {each['listed'] or '(no sha256)'} {each['url']}" for each in found)
        text = "\n".join([f"{said} is not what source.toml lists", f"  file:   {sha256}", *listed])
        if not unpinned or len(found) > 1:
            advice = "If upstream publishes this hash, write it into source.toml."
            raise SourceError(f"{text}\n{advice} --unpinned allows another --archive.")
        print(f"warning: {text}", file=sys.stderr)
        found[0]["url"] = file.name
    found[0].update(file=file, sha256=sha256)


def _download(archive: dict[str, Any], folder: str) -> None:
    """Download an archive, in at most three tries, and check its hash."""
    url, file = archive["url"], Path(tempfile.mkdtemp(dir=folder), archive["name"])
    for wait in (2, 8, 0):
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                file.write_bytes(response.read())
            break
        except Exception as error:  # noqa: BLE001 - http.client's are not OSErrors
            getattr(error, "close", bool)()  # an HTTPError has a connection
            if not wait or getattr(error, "code", 500) < 500:
                text = f"{url} cannot be downloaded: {error}; if you have the file, run:"
                raise SourceError(f"{text} {_project()[1]} --archive FILE") from None
            time.sleep(wait)
    _identify(file, url, [archive], unpinned=False)


def _unpack(file: Path, url: str, into: Path, seen: dict[str, str]) -> None:
    """Unpack an archive, without its one top folder and without links that lead outside."""
    if not hasattr(tarfile, "data_filter"):
        raise ValueError("this requires Python 3.9.18, 3.10.13, 3.11.5 or newer")
    if not tarfile.is_tarfile(file):
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not tar or zip, or it is .tar.zst, which requires Python 3.14")
        # Copied into a tar archive, so that both kinds are unpacked in the same way.
        with zipfile.ZipFile(file) as zipped, tarfile.open(f"{into}.tar", "w") as tar:
            for info in (each for each in zipped.infolist() if not each.is_dir()):
                member = tarfile.TarInfo(info.filename)
                member.size, member.mtime = info.file_size, int(time.time())
                member.mode = info.external_attr >> 16 | 0o644
                tar.addfile(member, zipped.open(info))
        file = Path(f"{into}.tar")
    with tarfile.open(file) as tar:
        paths = {each.name: PurePosixPath(each.name.lstrip("/")).parts for each in tar}
        tops = {paths[each.name][:-1][:1] for each in tar if not each.isdir()}
        start = len(tops.pop()) if len(tops) == 1 else 0
        names = {name: "/".join(path[start:]) for name, path in paths.items()}
        members = [member for member in tar if names[member.name]]
        for member in members.copy():
            member.name = names[member.name]
            if member.islnk():
                member.linkname = names.get(member.linkname, member.linkname)
                if tar.getmember(member.linkname).issym():  # checked by newer Pythons only
                    raise ValueError(f"{member.name} is a hard link to a symbolic link")
            here = f"{member.name} of {url}"
            if not member.isdir() and (there := seen.setdefault(member.name.lower(), here)) != here:
                raise ValueError(f"{there} and {here} are one file on macOS and Windows")
            try:
                tarfile.data_filter(member, str(into))
            except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError) as error:
                print(f"warning: {url}: left out: {error}", file=sys.stderr)
                members.remove(member)
        tar.extractall(into, members, filter="data")


def facts(root: Path, upstream: Path | None = None) -> dict[str, Any]:
    """Return what upstream/ holds, also as a component for an SBOM (CycloneDX); or SourceError."""
    source, upstream = _read(root), upstream or root / "upstream"
    name, version_file = f"{source['name']} {source['version']}", source["version-file"]
    try:
        record = json.loads((upstream / RECORD).read_text(encoding="utf-8"))
        is_pinned = all(each["sha256"] == each["listed"] for each in record)
        origins = [(a["url"], [{"alg": "SHA-256", "content": a["sha256"]}]) for a in record]
        listed = [(each["listed"], each["version"]) for each in record]
    except (OSError, ValueError, TypeError, KeyError):
        listed = []
    if listed != [(each["listed"], each["version"]) for each in source["archive"]]:
        raise SourceError(f"{name} of source.toml is not in {upstream}; run: {_project()[1]}")
    try:
        header = (upstream / version_file).read_text("utf-8", "replace")
        found = [m.groups() or [m[0]] for m in re.finditer(source["version-pattern"], header)]
    except (OSError, re.error) as error:
        raise SourceError(f"version-file or version-pattern of source.toml: {error}") from None
    version = ".".join(part for parts in found for part in parts if part)
    is_version = re.fullmatch(KEYS["version"][0], version)
    if not is_version or (is_pinned and version != source["version"]):
        text = f"source.toml says {name}, and version-pattern finds {version!r} in {version_file}"
        raise SourceError(f"{text}: correct source.toml")
    purl = source["purl"].replace("{version}", version)
    about = {"name": source["name"], "version": version, "purl": purl}
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, **about}
    component["licenses"] = [{"expression": source["license"]}]
    component["externalReferences"] = [
        {"type": "source-distribution", "url": url, "hashes": hashes} for url, hashes in origins
    ]
    if not is_pinned:
        component["properties"] = [{"name": "native-lib:pinned", "value": "false"}]
    wheel = f"{version}.post{source['post']}" if source["post"] else version
    return {**about, "license": source["license"], "wheel_version": wheel, "component": component}


def dynamic_metadata(settings: dict[str, Any], project: dict[str, Any]) -> dict[str, str]:
    """Give the back end the wheel's version and licence; ``settings`` may add the packaging's."""
    root, _ = _project()
    try:
        upstream = facts(root)
    except SourceError as error:
        sys.exit(f"{root.name}: {error}")
    first, second = upstream["license"], settings.get("license", upstream["license"])
    both = " AND ".join(f"({each})" if " OR " in each else each for each in (first, second))
    return {"version": upstream["wheel_version"], "license": first if first == second else both}


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit with 1 if the sources cannot be fetched, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="fetch_source.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--archive", action="append", default=[], type=Path, help="use this file; may be repeated")
    add("--unpinned", action="store_true", help="allow an --archive with another hash")
    add("--facts", action="store_true", help="only print what upstream/ holds, as JSON")
    options = parser.parse_args(arguments)
    try:
        if options.facts:
            print(json.dumps(facts(_project()[0])))
            return
        for each in fetch(_project()[0], *options.archive, unpinned=options.unpinned):
            print(f"upstream/: {each['url']} {each['sha256']}")
    except (SourceError, OSError) as error:
        sys.exit(f"fetch_source.py: {error}")


if __name__ == "__main__":
    main()
