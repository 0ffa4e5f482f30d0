"""An environment variable says where the library is."""

from experiment import COUNT, FOLDER, library, module, program, python, show

ours = library("counter/libcounter.so.1")
for name in ("one", "two"):
    module("site", name, ours)
folder = str(FOLDER / "counter")

show("set before Python starts", python(COUNT, "site", LD_LIBRARY_PATH=folder))
in_python = f"import os; os.environ['LD_LIBRARY_PATH'] = {folder!r}\n{COUNT}"
show("set in Python", python(in_python, "site"))

# Another program, which Python starts: it was linked to release 7, and its RUNPATH says where that is.
theirs = library("system/libcounter.so.1", release=7)
main = '#include <stdio.h>\nint release(void); int main(void) { printf("%d", release()); }'
tool = program(main, "system/tool", theirs, "-Wl,--enable-new-dtags,-rpath,$ORIGIN")
ask = f"import subprocess; subprocess.run([{str(tool)!r}])"
show("a tool that needs release 7 has", python(ask))
show("the same with the variable", python(ask, LD_LIBRARY_PATH=folder))
