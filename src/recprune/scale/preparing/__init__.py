"""A raw log becomes a prepared folder, part by part; one stage a file, in the order of `run`."""
