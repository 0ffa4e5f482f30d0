"""The users install the library, and each wheel only names it."""

from experiment import COUNT, FOLDER, compile_c, library, module, python, show

right = library("same/libcounter.so.1")
for name in ("one", "two"):
    module("site", name, right)
library("newer/libcounter.so.2", soname="libcounter.so.2", release=2)
compile_c("int release(void) { return 0; }", "older/libcounter.so.1", "-Wl,-soname,libcounter.so.1")

# What the loader searches in stands for the folders of the system.
show("nothing is installed", python(COUNT, "site"))
for has in ("newer", "older", "same"):
    said = python(COUNT, "site", LD_LIBRARY_PATH=str(FOLDER / has))
    show(f"the system has the {has} release", said)
