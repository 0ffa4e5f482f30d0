"""The ``native-lib`` command: what a project needs beside the files that it vendors."""
