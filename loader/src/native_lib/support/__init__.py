"""What reaches other projects: the loaders, the CMake module, the metadata hooks, the fetch script."""
