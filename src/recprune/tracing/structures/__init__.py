"""One family of operations a file: `operations` and `follow(step)`."""
