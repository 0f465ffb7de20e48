"""Make a GPEN from photos: prepare faces, train on them, measure what came of it."""
