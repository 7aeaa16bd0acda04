// The engine: texts in, vectors out. Start at Embedder::open and Embedder::embed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/error.h"
#include "bgem3/model.h"
#include "bgem3/options.h"
#include "bgem3/tokenizer.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// The outputs of one request, in the caller's order.
class EmbedResult {
 public:
  size_t texts() const { return embeddings_.size(); }
  size_t dimensions() const { return dimensions_; }  // of a dense vector, and of each multi-vector

  // [texts, dimensions] f32, rows contiguous; the rows of failed texts are NaN. Empty if it was not asked for. Owned by
  // this object, as all below.
  std::span<const float> dense() const { return dense_; }

  // The multi-vectors of all texts end to end, [multi_offsets().back(), dimensions] f32: those of text i are the rows
  // from multi_offsets()[i] to multi_offsets()[i + 1]. A text that failed has no rows, or rows of NaN. Both are empty
  // if they were not asked for.
  std::span<const float> multi() const { return multi_; }
  std::span<const size_t> multi_offsets() const { return multi_offsets_; }

  const Embedding& operator[](size_t index) const { return embeddings_[index]; }
  std::vector<Embedding>::const_iterator begin() const { return embeddings_.begin(); }
  std::vector<Embedding>::const_iterator end() const { return embeddings_.end(); }

  EmbedResult(EmbedResult&&) = default;
  EmbedResult& operator=(EmbedResult&&) = default;

 private:
  friend class Embedder;
  friend class Request;  // of the library itself, as this one
  friend class WindowedRequest;
  friend class SpanRequest;
  EmbedResult(size_t texts, size_t dimensions, bool dense);

  size_t dimensions_;
  std::vector<float> dense_;
  std::vector<uint32_t> sparse_ids_;  // room for each token; texts begin at their first token's place
  std::vector<float> sparse_weights_;
  std::vector<float> multi_;
  std::vector<size_t> multi_offsets_;
  std::vector<Embedding> embeddings_;  // their spans point into the arrays above
};

// A loaded model. Any number of threads may call the const methods at the same time: they share the model's threads
// evenly, and a short request (128 tokens) goes between the steps of longer ones. A process forked after the first call
// gets an InferenceError from embed().
class Embedder {
 public:
  // Finds, checks and loads a model. Throws ModelLoadingError (files), InvalidInputError (options), ResourceLimitError.
  // Cost: with a packed file, milliseconds, and the weights are read as the first pass needs them; else reads all
  // weights, and writes the packed file for the next time.
  static Embedder open(const OpenOptions& options = {});

  Embedder(Embedder&&) noexcept;
  Embedder& operator=(Embedder&&) noexcept;
  ~Embedder();

  // The outputs of texts, each equal, bit for bit, to what the text gives alone, in any order, with any number of
  // threads and on any instruction set. A text that cannot be embedded (invalid UTF-8, a non-finite result, cancelled)
  // is an error in its own slot. Throws InvalidInputError for options that fit no text, ResourceLimitError if memory
  // runs out or max_memory_bytes does not suffice. Equal texts are computed once. Cost: linear in the tokens, and
  // quadratic in those of a text; memory of one pass a thread.
  EmbedResult embed(std::span<const std::string_view> texts, const EmbedOptions& options = {}) const;
  EmbedResult embed(std::span<const std::string> texts, const EmbedOptions& options = {}) const;
  // One text's dense vector; a failure is thrown (InvalidInputError, InferenceError) instead of returned.
  std::vector<float> embed_one(std::string_view text, const EmbedOptions& options = {}) const;

  // Late chunking: the dense vectors of parts of one document, each with the whole document as its context. The
  // document goes through the model in one pass; a part's vector is the mean of the last hidden states of its tokens,
  // then truncate_dim and normalize as for texts. A token belongs to the parts that hold its first character behind
  // white space; tokens of the template and the prompt belong to none. The bits are the same whatever other parts
  // are asked for.
  //   spans: bytes of the document, in any order, overlapping or not: for example those of TextChunker's chunks.
  // A part without tokens is an error in its own slot. Throws InvalidInputError for a document that is not UTF-8 or has
  // more tokens than the limit, for a span that is empty or not inside of the document, and for options that have no
  // meaning here (outputs other than dense, Pooling::cls, LongText::windows); else as embed(). Cost: that of embedding
  // the document as one text. Source: Günther et al., Late Chunking (2024), arXiv 2409.04701, algorithm 1.
  EmbedResult embed_spans(std::string_view document, std::span<const ByteRange> spans,
                          const EmbedOptions& options = {}) const;

  // A claim on memory that the caller is going to fill (results it keeps, a cache), taken from what max_memory_bytes
  // leaves for requests and given back with the last copy of the pointer, which must not outlive this object. Throws
  // ResourceLimitError that names `what` it is for, what it needs and what is left.
  std::shared_ptr<const void> reserve(size_t bytes, const std::string& what) const;

  const Tokenizer& tokenizer() const;
  const ModelInfo& info() const;  // what open() read and decided; never changes

 private:
  struct Impl;
  explicit Embedder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What Embedder::open would load and decide, without reading the weights. Throws as it does.
ModelInfo describe_model(const OpenOptions& options = {});

// The tokenizer of a model (a folder, or a name in the Hugging Face cache) without its weights. Throws
// ModelLoadingError.
Tokenizer open_tokenizer(const std::string& model);

}  // namespace bgem3
#pragma GCC visibility pop
