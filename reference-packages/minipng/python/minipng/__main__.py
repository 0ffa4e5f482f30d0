"""The command line: ``python -m minipng FILE...`` and ``python -m minipng --libraries``."""

from __future__ import annotations

import io
import sys

from . import PngError, _libraries, read

USAGE = """usage: python -m minipng FILE...      show the size and the kind of PNG files
       python -m minipng --libraries  show which libpng and which zlib are used here"""
KINDS = {1: "gray", 2: "gray and alpha", 3: "RGB", 4: "RGBA"}


def main(arguments: list[str]) -> int:
    """Do what the arguments say.

    Args:
        arguments: those after the program's name.

    Returns:
        The exit status: 1 for a bad file, or libraries that are not shared as promised; 2 for
        arguments that say nothing.
    """
    if arguments in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if arguments == ["--libraries"]:
        return _show_libraries()
    if not arguments or any(argument.startswith("--") for argument in arguments):
        print(USAGE, file=sys.stderr)
        return 2
    return max([_show(path) for path in arguments])


def _show(path: str) -> int:
    try:
        image = read(path)
    except PngError as error:
        return _complain(str(error))  # it names the file
    except OSError as error:
        return _complain(f"{path}: {error.strerror}")
    except MemoryError:
        return _complain(f"{path}: not enough memory")
    kind = f"{image.bit_depth} bit {KINDS[image.channels]}"
    print(f"{path}: {image.width} x {image.height}, {kind}, {len(image.data)} bytes decoded")
    return 0


def _show_libraries() -> int:
    sharing = _libraries.examine()
    for line in sharing.lines():
        print(line)
    for complaint in sharing.complaints:
        _complain(complaint)
    return 1 if sharing.complaints else 0


def _complain(what: str) -> int:
    print(f"minipng: {what}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    # As stderr does of itself: a file's name may be in no encoding at all, or not in the terminal's.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
