"""On Windows: the library's folder is added to those that are searched for DLLs.

`python add_dll_directory.py SITE`, where SITE is a folder with the template's pair, installed. Its
extension module is opened here as if it had no loader.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SITE = Path(sys.argv[1])
(MODULE,) = (SITE / "foo_ext").glob("_ext*.pyd")
(LIBRARY,) = (SITE / "libfoo" / "lib").glob("*.dll")
USE = f"""
import ctypes, importlib.util, os
spec = importlib.util.spec_from_file_location("_ext", {str(MODULE)!r})
module = importlib.util.module_from_spec(spec)
kernel = ctypes.WinDLL("kernel32")
kernel.GetModuleHandleW.restype = ctypes.c_void_p
kernel.GetModuleFileNameW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint]
path = ctypes.create_unicode_buffer(9999)
kernel.GetModuleFileNameW(kernel.GetModuleHandleW({LIBRARY.name!r}), path, len(path))
print(module.square(3), "by the file of", os.path.basename(os.path.dirname(path.value)))
"""


def show(what: str, code: str) -> None:
    """Run code, then open the module and say who serves it, in a fresh process."""
    command = [sys.executable, "-c", f"import ctypes, os\n{code}\n{USE}"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False
    )
    print(f"{what + ':':<44} {done.stdout.strip().rpartition(chr(10))[2]}")


def add(folder: Path) -> str:
    """Return code that adds a folder."""
    return f"added = os.add_dll_directory({str(folder)!r})"


with tempfile.TemporaryDirectory() as made:
    other = Path(made, "other", LIBRARY.name)
    other.parent.mkdir()
    shutil.copy(LIBRARY, other)
    show("nothing added", "")
    show("its folder added", add(LIBRARY.parent))
    show("added, and taken away again", f"{add(LIBRARY.parent)}\nadded.close()")
    loaded = f"ctypes.WinDLL({str(other)!r})"
    show("added, but another copy is loaded already", f"{add(LIBRARY.parent)}\n{loaded}")
