"""The import paths of the specification. The package itself is bgem3."""
