"""bgem3.embedding_generation under the specification's name."""

from bgem3.embedding_generation import *  # noqa: F403
