"""bgem3.text_chunking under the specification's name."""

from bgem3.text_chunking import *  # noqa: F403
