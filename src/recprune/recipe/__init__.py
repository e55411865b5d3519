"""The whole street: the only folder, beside the command line, that knows every stage."""
