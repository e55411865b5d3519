"""One raw format a file: `read(path, ...) -> Log`."""
