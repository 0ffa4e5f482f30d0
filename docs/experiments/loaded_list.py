"""Python opens the library by its path, and the loader finds it in its list of loaded libraries."""

from experiment import COUNT, RELEASES, library, module, python, show

ours = library("counter/libcounter.so.1")
module("site", "one", ours)
module("user", "two", ours)


def after(*files: object) -> str:
    return "".join(f"import ctypes; ctypes.CDLL('{file}')\n" for file in files)


show("nothing opened", python(COUNT, "site", "user"))
show("opened by its path", python(after(ours) + COUNT, "site", "user"))

nameless = library("nameless/libcounter.so.1", soname="")
show("a file without a SONAME", python(after(nameless) + COUNT, "site", "user"))
renamed = library("renamed/anything.so")
show("another file name, the right SONAME", python(after(renamed) + COUNT, "site", "user"))

theirs = library("theirs/libcounter.so.1", release=9)
show("ours first, then another copy", python(after(ours, theirs) + RELEASES, "site", "user"))
show("another copy first, then ours", python(after(theirs, ours) + RELEASES, "site", "user"))
compare = after(theirs) + (
    f"ours = ctypes.CDLL('{ours}')\nnamed = ctypes.CDLL('libcounter.so.1')\n"
    "print('conflict' if ours._handle != named._handle else 'fine')"
)
show("the same, handles compared", python(compare))
