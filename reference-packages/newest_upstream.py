"""Have the reference packages wrap upstream's newest releases: rewrites their source.toml.

    python newest_upstream.py

Which releases there are is told by the tags of upstream's repository, pre-releases left out; the archive
is looked for where the present one is. A tag without an archive is passed over. The exit status is 2, and
nothing is rewritten, where upstream cannot be asked. A workflow reads `changed` as an output.

Nobody has looked at a new archive: the hash says what was found now. What changed in it is for a person
to read before the change is merged.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent
HOST = "https://github.com"
TIMEOUT = 60
KEYS = {"version": r'^version = "(.*)"$', "url": r'^url = "(.*)"$', "sha256": r'^sha256 = "(.*)"$'}


class UpstreamError(Exception):
    """Upstream cannot be asked, or a source.toml is not as this script knows it; one line."""


@dataclass(frozen=True)
class Upstream:
    """Where a library is developed, and which of its tags are releases that can replace the present."""

    repository: str
    tags: str


# Another first number, and with libpng and HDF5 another second one, is another ABI: for a person to
# decide.
UPSTREAMS = {
    "zlib": Upstream("madler/zlib", r"refs/tags/v(1(?:\.[0-9]+)+)"),
    "libpng": Upstream("pnggroup/libpng", r"refs/tags/v(1\.6\.[0-9]+)"),
    "sodium": Upstream("jedisct1/libsodium", r"refs/tags/(1\.0\.[0-9]+)-RELEASE"),
    "zmq": Upstream("zeromq/libzmq", r"refs/tags/v(4\.[0-9]+\.[0-9]+)"),
    "hdf5": Upstream("HDFGroup/hdf5", r"refs/tags/hdf5_(1\.14\.[0-9]+)"),
}


def newest(source: Path, upstream: Upstream, host: str) -> tuple[str, str] | None:
    """Return the newest version that is newer than a source.toml's, and the file's new text.

    Raises:
        UpstreamError: this cannot be found out.
    """
    text = source.read_text(encoding="utf-8")
    known = {}
    for key, pattern in KEYS.items():
        found = re.findall(pattern, text, re.MULTILINE)
        if len(found) != 1:
            raise UpstreamError(f"{source} has {len(found)} lines of {key}, not one")
        known[key] = found[0]
    versions = (v for v in _versions(upstream, host) if _number(v) > _number(known["version"]))
    for version in sorted(versions, key=_number, reverse=True):
        url = known["url"].replace(known["version"], version)
        sha256 = _sha256(url)
        if sha256:
            changes = {"version": version, "url": url, "sha256": sha256}
            for key, value in changes.items():
                text = text.replace(f'\n{key} = "{known[key]}"\n', f'\n{key} = "{value}"\n')
            return version, re.sub(r"^post = [0-9]+$", "post = 0", text, flags=re.MULTILINE)
        print(f"{source.parent.name}: {version} has a tag and no {url}: passed over")
    return None


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _versions(upstream: Upstream, host: str) -> list[str]:
    """Return the versions of all tags that are releases."""
    repository = f"{host}/{upstream.repository}"
    try:
        done = subprocess.run(
            ["git", "ls-remote", "--tags", "--refs", repository],
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UpstreamError(f"{repository} cannot be asked for its tags: {error}") from None
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise UpstreamError(f"{repository} cannot be asked for its tags: {said}")
    refs = (line.partition("\t")[2] for line in done.stdout.splitlines())
    versions = [found[1] for ref in refs if (found := re.fullmatch(upstream.tags, ref))]
    if not versions:
        raise UpstreamError(f"{repository} has no tag of a release ({upstream.tags})")
    return versions


def _sha256(url: str) -> str:
    """Return the hash of what is at a URL; empty if there is nothing."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            content = response.read()  # raises if it is shorter than was said
    except urllib.error.HTTPError as error:
        error.close()  # it is the response, too
        if error.code == 404:
            return ""
        raise UpstreamError(f"{url} cannot be downloaded: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamError(f"{url} cannot be downloaded: {error}") from None
    return hashlib.sha256(content).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description="Wrap upstream's newest releases.")
    parser.add_argument("--packages", type=Path, default=ROOT, help="the folder of the packages")
    parser.add_argument("--host", default=HOST, help="where upstream's repositories are")
    options = parser.parse_args(arguments)
    sources = {name: options.packages / name / "source.toml" for name in UPSTREAMS}
    try:
        found = {
            name: newest(source, UPSTREAMS[name], options.host) for name, source in sources.items()
        }
    except UpstreamError as error:
        print(f"newest_upstream.py: {error}", file=sys.stderr)
        return 2
    # All answers are there: from here on nothing is asked.
    for name, answer in found.items():
        if answer:
            part = sources[name].with_suffix(".part")
            part.write_text(answer[1], encoding="utf-8")
            part.replace(sources[name])
        print(f"{name}: {answer[0] if answer else 'nothing newer'}")
    changed = ", ".join(f"{name} {answer[0]}" for name, answer in found.items() if answer)
    if "GITHUB_OUTPUT" in os.environ:
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(f"changed={changed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
