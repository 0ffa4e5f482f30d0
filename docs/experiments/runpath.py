"""Each extension module says where the library is, seen from its own folder."""

import shutil

from experiment import COUNT, FOLDER, RELEASES, library, module, python, show

shared = library("site/counter/libcounter.so.1")
for name in ("one", "two"):
    module("site", name, shared, "-Wl,-rpath,$ORIGIN/counter")
show("all in one site-packages", python(COUNT, "site"))

(FOLDER / "user").mkdir()
shutil.move(FOLDER / "site/two.so", FOLDER / "user")
show("two is in another folder of sys.path", python("import two; print('fine')", "site", "user"))
show("the same after one was imported", python(COUNT, "site", "user"))

library("user/counter/libcounter.so.1", release=2)
show("that folder has release 2 for two", python(RELEASES, "site", "user"))
