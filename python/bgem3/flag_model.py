"""The class BGEM3FlagModel of FlagEmbedding, computed by bgem3: change the import, keep the program."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bgem3.embedder import Embedder, EngineOptions, Output, read_texts, warn
from bgem3.errors import InvalidInputError
from bgem3.hugging_face import find_model
from bgem3.results import EmbedResult
from bgem3.scoring import hybrid_scores, lexical_matching_score, max_sim

if TYPE_CHECKING:
    from typing_extensions import Unpack

Weights = Mapping[str, float]
"""Token id, as a decimal string, to weight."""


class BGEM3FlagModel:
    """The class of this name in FlagEmbedding, over an Embedder: the same arguments, defaults and results.

    docs/python.md has what differs. An argument that bgem3 has no meaning for is an InvalidInputError. Any number of
    threads may call the methods. Pickling takes the options along, not the weights, as with Embedder.
    """

    embedder: Embedder
    """The engine."""

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        normalize_embeddings: bool = True,
        use_fp16: bool = True,
        use_bf16: bool = False,
        query_instruction_for_retrieval: str | None = None,
        query_instruction_format: str = "{}{}",
        devices: Any = None,
        pooling_method: str = "cls",
        trust_remote_code: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        colbert_dim: int = -1,
        batch_size: int = 256,
        query_max_length: int = 512,
        passage_max_length: int = 512,
        return_dense: bool = True,
        return_sparse: bool = False,
        return_colbert_vecs: bool = False,
        truncate_dim: int | None = None,
        *,
        passage_instruction_for_retrieval: str | None = None,
        passage_instruction_format: str = "{}{}",
        **options: Unpack[EngineOptions],
    ) -> None:
        """Finds, checks and loads a model.

        Args:
            model_name_or_path: a folder, or a name in the Hugging Face cache.
            normalize_embeddings: scale dense and multi-vectors to length one.
            use_fp16: accepted, and changes nothing: on a CPU FlagEmbedding computes in float32 too.
            use_bf16: an InvalidInputError if True; `dtype="bf16"` computes in bf16.
            query_instruction_for_retrieval: encode_queries puts it in front of each query, if there is one.
            query_instruction_format: how: instruction and text are its two places.
            devices: None or "cpu", or a list of that one.
            pooling_method: "cls" or "mean", of the dense output.
            trust_remote_code: accepted, and changes nothing: bgem3 runs none of a model's code.
            cache_dir: the folder of the Hugging Face cache; None: as Embedder.
            colbert_dim: -1, or the model's own width.
            batch_size: changes nothing but what compute_score(padded_rows=True) pads.
            query_max_length: longest query in tokens, of encode_queries; a model's smaller limit stays.
            passage_max_length: the same of encode and encode_corpus.
            return_dense, return_sparse, return_colbert_vecs: what the encode methods compute if not told.
            truncate_dim: keep the first dimensions of dense and multi-vectors, before scaling.
            passage_instruction_for_retrieval, passage_instruction_format: the same of encode_corpus.
            options: those of Embedder: dtype, threads, max_memory_bytes and so on, but cache_dir.

        Raises:
            ModelLoadingError, InvalidInputError, ResourceLimitError: as Embedder does.
        """
        if use_bf16:
            raise InvalidInputError('use_bf16: True; pass dtype="bf16" to compute in bf16', "unsupported")
        for device in devices if isinstance(devices, list | tuple) and len(devices) == 1 else [devices]:
            if device is not None and str(device) != "cpu":
                raise InvalidInputError(
                    f"devices: {devices!r}, expected None or 'cpu'; bgem3 computes on CPUs", "unsupported"
                )
        self.embedder = Embedder(find_model(model_name_or_path, cache_dir), **options)
        if colbert_dim not in (-1, self.embedder.dimensions):
            raise InvalidInputError(
                f"colbert_dim: {colbert_dim}, expected -1 or the model's {self.embedder.dimensions}; "
                "truncate_dim makes vectors shorter",
                "unsupported",
            )
        self.normalize_embeddings = normalize_embeddings
        self.query_instruction_for_retrieval = query_instruction_for_retrieval
        self.query_instruction_format = query_instruction_format
        self.passage_instruction_for_retrieval = passage_instruction_for_retrieval
        self.passage_instruction_format = passage_instruction_format
        self.pooling_method = pooling_method
        self.batch_size = batch_size
        self.query_max_length = query_max_length
        self.passage_max_length = passage_max_length
        self.return_dense = return_dense
        self.return_sparse = return_sparse
        self.return_colbert_vecs = return_colbert_vecs
        self.truncate_dim = truncate_dim

    def encode_queries(
        self,
        queries: str | Iterable[str],
        batch_size: int | None = None,
        max_length: int | None = None,
        return_dense: bool | None = None,
        return_sparse: bool | None = None,
        return_colbert_vecs: bool | None = None,
    ) -> dict[str, Any]:
        """encode() with the query's instruction and query_max_length."""
        return self._encode(
            _instruct(queries, self.query_instruction_format, self.query_instruction_for_retrieval),
            self.query_max_length if max_length is None else max_length,
            return_dense,
            return_sparse,
            return_colbert_vecs,
        )

    def encode_corpus(
        self,
        corpus: str | Iterable[str],
        batch_size: int | None = None,
        max_length: int | None = None,
        return_dense: bool | None = None,
        return_sparse: bool | None = None,
        return_colbert_vecs: bool | None = None,
    ) -> dict[str, Any]:
        """encode() with the passage's instruction, if there is one."""
        texts = _instruct(corpus, self.passage_instruction_format, self.passage_instruction_for_retrieval)
        return self.encode(texts, batch_size, max_length, return_dense, return_sparse, return_colbert_vecs)

    def encode(
        self,
        sentences: str | Iterable[str],
        batch_size: int | None = None,
        max_length: int | None = None,
        return_dense: bool | None = None,
        return_sparse: bool | None = None,
        return_colbert_vecs: bool | None = None,
    ) -> dict[str, Any]:
        """The outputs of texts, all from one pass.

        Args:
            sentences: a str, or any iterable of them.
            batch_size: changes nothing: passes are made by tokens, without padding.
            max_length: longest text in tokens; None: passage_max_length.
            return_dense, return_sparse, return_colbert_vecs: None: as the constructor was told.

        Returns:
            "dense_vecs": [texts, dimensions] float32. "lexical_weights": for each text a map from the decimal token id
            to its float32 weight. "colbert_vecs": for each text an array [tokens - 1, dimensions] float32. None what
            was not asked for; of a lone str its own, without a list around.

        Raises:
            InvalidInputError, InferenceError, ResourceLimitError: a text failed, the model has no such output, or as
                Embedder.embed. An EmbeddingWarning tells of texts that were cut to max_length.
        """
        return self._encode(
            sentences,
            self.passage_max_length if max_length is None else max_length,
            return_dense,
            return_sparse,
            return_colbert_vecs,
        )

    def convert_id_to_token(self, lexical_weights: Weights | Sequence[Weights]) -> Any:
        """The same maps keyed by the tokens' text, each id decoded alone; a later id with the same text replaces an
        earlier one, as in FlagEmbedding. One map for one map, or for a list of one."""
        maps = [lexical_weights] if isinstance(lexical_weights, Mapping) else lexical_weights
        result = [
            {self.embedder.decode([int(token)], skip_special_tokens=False): weight for token, weight in weights.items()}
            for weights in maps
        ]
        return result[0] if len(result) == 1 else result

    def compute_lexical_matching_score(
        self, lexical_weights_1: Weights | Sequence[Weights], lexical_weights_2: Weights | Sequence[Weights]
    ) -> Any:
        """The sum of the products of the weights of the keys that both maps have, as a float32; 0 if there is none.

        Of two lists: the matrix [maps 1, maps 2]. A map and a list is an InvalidInputError (a ValueError).
        """
        if isinstance(lexical_weights_1, Mapping) and isinstance(lexical_weights_2, Mapping):
            return _lexical_score(lexical_weights_1, lexical_weights_2)
        if isinstance(lexical_weights_1, Mapping) or isinstance(lexical_weights_2, Mapping):
            raise InvalidInputError(
                "compute_lexical_matching_score: a map and a list, expected two maps or two lists", "invalid_input"
            )
        return np.array([[_lexical_score(one, two) for two in lexical_weights_2] for one in lexical_weights_1])

    def colbert_score(self, q_reps: npt.NDArray[np.float32], p_reps: npt.NDArray[np.float32]) -> Any:
        """The mean over the rows of q_reps of the largest dot product with any row of p_reps.

        A torch tensor without dimensions where torch is installed, as in FlagEmbedding; else a float32.
        """
        score = np.float32(max_sim(q_reps, p_reps))
        try:
            import torch
        except ImportError:
            return score
        return torch.tensor(score)

    def compute_score(
        self,
        sentence_pairs: tuple[str, str] | Sequence[tuple[str, str]],
        batch_size: int | None = None,
        max_query_length: int | None = None,
        max_passage_length: int | None = None,
        weights_for_different_modes: Sequence[float] | None = None,
        *,
        padded_rows: bool = False,
    ) -> Any:
        """The scores of pairs of a query and a passage, and their weighted means. From whole vectors and without
        instructions, as in FlagEmbedding: truncate_dim is of the encode methods.

        Args:
            sentence_pairs: (query, passage), or a list of such pairs.
            batch_size: of padded_rows only.
            max_query_length, max_passage_length: None: query_max_length, passage_max_length.
            weights_for_different_modes: of dense, sparse, colbert; None: 1, 1, 1.
            padded_rows: False: the exact colbert score. True: FlagEmbedding's, where in a batch of batch_size pairs a
                passage shorter than the longest counts as filled up with zero vectors, so that a query token with no
                similar token in it has 0, not its largest similarity below 0.

        Returns:
            "colbert", "sparse", "dense", "sparse+dense", "colbert+sparse+dense": a list of floats each, or a float for
            a lone pair. An empty list for no pairs, as in FlagEmbedding.
        """
        weights = (1.0, 1.0, 1.0) if weights_for_different_modes is None else tuple(weights_for_different_modes)
        if len(weights) != 3:
            raise InvalidInputError(
                f"weights_for_different_modes: {len(weights)} of them, expected 3: of dense, sparse, colbert",
                "invalid_input",
            )
        if len(sentence_pairs) == 0:
            return []
        pairs: Any = [sentence_pairs] if isinstance(sentence_pairs[0], str) else sentence_pairs
        outputs: tuple[Output, ...] = ("dense", "sparse", "multi")
        queries = self._embed([pair[0] for pair in pairs], max_query_length or self.query_max_length, outputs)
        passages = self._embed([pair[1] for pair in pairs], max_passage_length or self.passage_max_length, outputs)
        assert queries.sparse and passages.sparse and queries.multi and passages.multi

        size = (self.batch_size if batch_size is None else batch_size) if padded_rows else len(pairs)
        scores: dict[str, list[float]] = {
            name: [] for name in ("colbert", "sparse", "dense", "sparse+dense", "colbert+sparse+dense")
        }
        for first in range(0, len(pairs), size):
            batch = range(first, min(first + size, len(pairs)))
            rows = max(len(passages.multi[i]) for i in batch) if padded_rows else 0
            for i in batch:
                dense = float(np.float32(np.dot(queries.vectors[i].astype(np.float64), passages.vectors[i])))
                sparse = lexical_matching_score(queries.sparse[i], passages.sparse[i])
                colbert = max_sim(queries.multi[i], passages.multi[i], zero_rows_to=rows)
                means = hybrid_scores(dense, sparse, colbert, weights)
                for name, score in zip(scores, (colbert, sparse, dense, *means), strict=True):
                    scores[name].append(score)
        return {name: values[0] for name, values in scores.items()} if pairs is not sentence_pairs else scores

    def __repr__(self) -> str:
        return f"<BGEM3FlagModel over {self.embedder!r}>"

    def _encode(
        self,
        given: str | Iterable[str],
        max_length: int,
        return_dense: bool | None,
        return_sparse: bool | None,
        return_colbert_vecs: bool | None,
    ) -> dict[str, Any]:
        wanted: dict[Output, bool] = {
            "dense": self.return_dense if return_dense is None else return_dense,
            "sparse": self.return_sparse if return_sparse is None else return_sparse,
            "multi": self.return_colbert_vecs if return_colbert_vecs is None else return_colbert_vecs,
        }
        outputs: dict[str, Any] = dict.fromkeys(("dense_vecs", "lexical_weights", "colbert_vecs"))
        if any(wanted.values()):
            names = tuple(name for name, is_wanted in wanted.items() if is_wanted)
            result = self._embed(given, max_length, names, self.truncate_dim or 0)
            if wanted["dense"]:
                outputs["dense_vecs"] = result.vectors
            if result.sparse is not None:
                outputs["lexical_weights"] = [defaultdict(int, weights) for weights in result.sparse.to_dicts()]
            if result.multi is not None:
                outputs["colbert_vecs"] = [result.multi[i] for i in range(len(result.multi))]
        if isinstance(given, str):
            return {name: None if value is None else value[0] for name, value in outputs.items()}
        return outputs

    def _embed(
        self, texts: str | Iterable[str], max_length: int, outputs: tuple[Output, ...], truncate_dim: int = 0
    ) -> EmbedResult:
        limit = min(max_length, self.embedder.info.config.max_tokens)
        result = self.embedder.embed(
            texts,
            outputs=outputs,
            max_tokens=limit,
            pooling=self.pooling_method,  # type: ignore[arg-type]  # checked in C++
            normalize=self.normalize_embeddings,
            prompt="",
            truncate_dim=truncate_dim,
        )
        for error in result.errors.values():
            raise error
        if result.truncated.any():
            warn(f"{result.truncated.sum()} of {len(result)} texts were cut to {limit} tokens")
        return result


def _instruct(texts: str | Iterable[str], form: str, instruction: str | None) -> str | Iterable[str]:
    if instruction is None:
        return texts
    if isinstance(texts, str):
        return form.format(instruction, texts)
    return [form.format(instruction, text) for text in read_texts(texts)]


def _lexical_score(one: Weights, two: Weights) -> Any:
    products = [float(weight) * float(two[token]) for token, weight in one.items() if token in two]
    return np.float32(math.fsum(products)) if products else 0
