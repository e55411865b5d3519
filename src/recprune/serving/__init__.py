"""Models in use: lists of everybody in one go, and the HTTP face with its limits."""
