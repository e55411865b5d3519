"""recprune inside other people's tools, one of them a file; each is imported only when its file is."""

__all__: list[str] = []
