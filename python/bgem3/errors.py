"""The errors of bgem3, the same as in C++ (bgem3/error.h). All have one base class and a code."""

from __future__ import annotations


class EmbeddingGenerationError(Exception):
    """Base class of every error that bgem3 raises.

    The message is one line: what failed, where, expected against found, what to do.
    """

    code: str
    """'invalid_input', 'not_found', 'corrupt', 'unsupported', 'io', 'overloaded', 'cancelled' or 'internal'."""
    index: int | None
    """The place of the text that failed, in the caller's order; None if the error is not about one text."""

    def __init__(self, message: str, code: str = "internal", index: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.index = index


class ModelLoadingError(EmbeddingGenerationError):
    """Model or tokenizer files: missing, corrupt, unsupported, or disagreeing with each other."""


class InferenceError(EmbeddingGenerationError):
    """The computation itself failed, for example with a value that is not finite."""


class QualityValidationError(EmbeddingGenerationError):
    """Results that do not meet the quality that the caller asked for."""


class InvalidInputError(EmbeddingGenerationError, ValueError):
    """A request, option or text that cannot be served as given."""


class ResourceLimitError(EmbeddingGenerationError):
    """A stated limit would be exceeded; the message has the limit and what was asked for."""


def error_of_text(index: int, code: str, reason: str) -> EmbeddingGenerationError:
    """The error of one text of several."""
    classes: dict[str, type[EmbeddingGenerationError]] = {
        "invalid_input": InvalidInputError,
        "overloaded": ResourceLimitError,
    }
    return classes.get(code, InferenceError)(f"text {index}: {reason}", code, index)
