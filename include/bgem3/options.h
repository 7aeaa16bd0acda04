// Options of the two moments: opening a model, and embedding texts. Defaults are the model's own behaviour.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "bgem3/error.h"
#include "bgem3/model.h"
#include "bgem3/tokenizer.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// What becomes of a text with more tokens than the limit.
enum class LongText {
  truncate,  // its first tokens are kept: Embedding::truncated
  // It is computed in windows of the limit, each of which repeats the last eighth of the one before; its dense vector
  // is the mean of theirs, each weighted by its tokens without template and prompt, and scaled to length one again
  // where vectors are normalised: Embedding::windows. Every window begins with the prompt. For the dense output only.
  windows,
};

struct OpenOptions {
  // Affects results.
  std::string model = "BAAI/bge-m3";  // a folder, or "organisation/name[@revision]" in the Hugging Face cache
  // The numbers of the computation: "f32" (the reference), "bf16" or "int8"; also "float32", "bfloat16". Word
  // embeddings, norms, softmax and what goes from layer to layer are f32 in all of them.
  std::string dtype = "f32";

  // Affects speed and memory only: the same text gives the same bits whatever stands here.
  std::string isa = "auto";  // "scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16"; "auto": the last of these that
                             // the machine has
  int threads = 0;         // 0: as many as the process may use cores (affinity, cgroup quota); more are capped to that
  size_t pass_tokens = 0;  // most tokens of one pass over the model, of which each thread computes its own; 0: chosen
                           // by the library. More costs memory (bge-m3: about 45 MB a thousand tokens). A longer text
                           // still runs, as a pass of its own
  // Ceiling for the resident memory of the whole process, what it held before and mapped weights included; 0: none.
  // Planned when the model is opened (docs/architecture.md). A text too long for it is an error in its own slot.
  size_t max_memory_bytes = 0;
  bool packed_cache = true;    // keep the weights, in the order the kernels read, in a file that the next starts map
  std::string cache_dir = "";  // the folder of that file; empty: BGEM3_CACHE_DIR, else XDG_CACHE_HOME/bgem3, else
                               // HOME/.cache/bgem3. It may be deleted at any time
  bool hash_files = false;     // fill ModelFile::sha256, and check every byte of the packed file (reads each once)
};

// One text's outputs and what happened to it. The spans are valid as long as the EmbedResult lives, or during
// on_result; those of outputs that were not asked for are empty.
struct Embedding {
  std::span<const float> dense;  // [dimensions]; all NaN if error is set
  // The sparse output: the ids of the text's tokens that have a weight above 0, in the order of their first such token,
  // and the largest weight of each; both empty if error is set. The ids of <s>, </s>, <pad> and <unk> are never there.
  std::span<const uint32_t> sparse_ids;
  std::span<const float> sparse_weights;
  // The multi-vector output, [tokens - 1, dimensions]: a row for each token but the first, the closing </s> included;
  // empty if error is set.
  std::span<const float> multi;
  size_t tokens = 0;               // of the text, template tokens included, after truncation
  bool truncated = false;          // the text had more tokens than the limit; the first ones were kept
  size_t windows = 1;              // in which it was computed; more than one only with LongText::windows
  size_t replaced_utf8 = 0;        // ill-formed parts replaced by U+FFFD
  std::optional<ErrorCode> error;  // set if this text failed; its neighbours are unharmed
  std::string error_message;       // one line, if error is set
};

struct EmbedOptions {
  // Affects results.
  // Which outputs to compute, all from one pass. More than the dense one costs a few percent of time, and memory:
  // 12 bytes a token for sparse, 4 * dimensions a token for multi. One that the model does not have is an
  // InvalidInputError, see ModelInfo::outputs.
  Outputs outputs = {};
  size_t max_tokens = 0;  // longest text, template tokens included; 0: the model's own limit. More than the
                          // model's limit is an InvalidInputError
  LongText long_text = LongText::truncate;  // what becomes of a text that is longer
  std::optional<Pooling> pooling = {};      // empty: the model's own
  std::optional<bool> normalize = {};  // scale dense and multi-vectors to length one (after truncate_dim); empty: the
                                       // model's own
  std::string prompt = {};             // put in front of every text
  size_t truncate_dim = 0;             // keep the first dimensions of dense and multi-vectors only; 0: all
  SpecialTokensInText special_tokens_in_text = SpecialTokensInText::match;
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;

  // Affects nothing but the order of events. Callbacks run on the calling thread and must not throw.
  std::stop_token stop = {};                                        // texts not yet computed get `cancelled`
  std::function<void(size_t done, size_t total)> on_progress = {};  // after every pass, in texts
  std::function<void()> on_wait = {};  // 20 times a second while a pass takes longer: to look at signals, to stop
  std::function<void(size_t index, const Embedding& embedding)> on_result = {};  // once a text, in the order computed
};

}  // namespace bgem3
#pragma GCC visibility pop
