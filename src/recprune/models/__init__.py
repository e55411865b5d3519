"""One model a file, each a plain nn.Module."""
