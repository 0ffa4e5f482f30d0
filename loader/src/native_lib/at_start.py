# Written by `native-lib preload`; `native-lib preload --remove` removes it.
"""Opens a provider's libraries when Python starts; whatever happens, Python starts.

The provider is in this file's name: native_lib_preload_libfoo.py opens libfoo's.
"""

import os
import sys

PROVIDER = __name__[len("native_lib_preload_") :]
tried = False


def preload() -> None:
    global tried
    if tried:  # in a virtual environment, .pth files are read twice
        return
    tried = True
    try:
        __import__(PROVIDER)
        sys.modules[PROVIDER].loader.load()
    # Not only Exceptions: SystemExit, KeyboardInterrupt or a Rust panic (PyO3) would end Python's start.
    except BaseException as error:
        if os.environ.get("NATIVE_LIB_DEBUG", "").lower() not in ("", "0", "false", "no", "off"):
            try:
                why = f"{type(error).__name__}: {error}".partition("\n")[0]
                sys.stderr.write(f"native-lib: {PROVIDER} was not opened at start: {why}\n")
            except BaseException:
                pass  # closed, or none; or the error cannot be told
