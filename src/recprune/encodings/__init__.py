"""One way to store a tensor in fewer bytes a file."""
