"""The job store: one SQLite file and the files that it names, with one writer."""
