"""Files and their names; knows no job and no photo."""
