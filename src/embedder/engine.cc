#include "embedder/engine.h"

#include <algorithm>

#include "base/error.h"
#include "encoder/packed_model.h"

namespace bgem3 {
namespace {

// A larger workspace lives for one pass: making it costs less than a hundredth of that.
constexpr size_t kKeptTokens = 2048;

// Of a request for each text, beside its vector: its Embedding, its place among equal ones, its ids while it waits.
constexpr size_t kBytesOfText = 320;

// FlagEmbedding's: the tokenizer's cls, eos, pad and unk, of which BERT's has no eos.
std::vector<uint32_t> find_sparse_dropped(const Tokenizer& tokenizer) {
  std::vector<uint32_t> ids;
  for (const char* name : tokenizer.kind() == "unigram" ? std::vector{"<s>", "</s>", "<pad>", "<unk>"}
                                                        : std::vector{"[CLS]", "[PAD]", "[UNK]"}) {
    if (const auto id = tokenizer.find_id(name)) ids.push_back(*id);
  }
  return ids;
}

MemoryPlan make_plan(const ModelInfo& info, const OpenOptions& options, Precision precision, size_t held_bytes) {
  return plan_memory({.ceiling_bytes = options.max_memory_bytes,
                      .held_bytes = held_bytes,
                      .threads = info.threads,
                      .max_tokens = info.config.max_tokens,
                      .pass_tokens = options.pass_tokens,
                      .workspace_bytes = [&](size_t tokens, size_t longest, int threads) {
                        return Workspace::bytes(info.config, precision, tokens, longest, threads);
                      }});
}

}  // namespace

Engine::Engine(OpenedModel opened, const OpenOptions& options)
    : tokenizer(std::move(*opened.tokenizer)),
      sparse_dropped(find_sparse_dropped(tokenizer)),
      info(std::move(opened.info)),
      pool(info.threads),
      ops_(ops_for(info.isa)),
      ceiling_bytes_(options.max_memory_bytes),
      precision_(opened.precision),
      encoder_(load_encoder(opened)),
      plan(make_plan(info, options, precision_, held_bytes_)),
      solo_(static_cast<size_t>(info.threads)) {}

Encoder Engine::load_encoder(OpenedModel& opened) {
  const size_t before = resident_bytes();
  std::optional<PackedModel> model;
  pool.run(JobKind::all, [&](Team& team) { model = load_packed_model(opened, tokenizer, info, team); });
  // Weights that are mapped become resident as they are used: they count from the start.
  held_bytes_ = std::max(resident_bytes(), before + model->weights_bytes());
  return Encoder(std::move(*model), ops_);
}

void Engine::compute(JobKind kind, const Batch& batch, const CheckedOptions& options, Team& team,
                     const PassOutputs& out) {
  Place& workspace = kind == JobKind::solo  ? solo_[static_cast<size_t>(team.leader())]
                     : kind == JobKind::all ? all_
                                            : urgent_;
  if (!workspace || !workspace->fits(batch)) {
    const size_t tokens = std::max(batch.tokens(), workspace ? workspace->tokens : 0);
    const size_t longest = std::max(batch.longest(), workspace ? workspace->longest : 0);
    workspace.reset();  // free the old buffers before the new ones are made
    workspace.emplace(info.config, precision_, tokens, longest, team.threads());
  }
  const Outputs& outputs = options.outputs;
  const bool first_rows = options.pooling == Pooling::cls && !outputs.sparse && !outputs.multi && out.spans.empty();
  const View<const float> hidden =
      encoder_.forward(batch, *workspace, team, first_rows ? TokenRows::first : TokenRows::all);
  if (!out.spans.empty()) {
    span_head(hidden, out.spans, options.normalize, ops_, team, out.dense);
  } else if (outputs.dense) {
    dense_head(hidden, batch, options.pooling, options.normalize, ops_, out.dense);
  }
  if (outputs.sparse) encoder_.token_weights(batch, *workspace, team, out.token_weights);
  if (outputs.multi) {
    const View<const float> vectors = encoder_.token_vectors(batch, *workspace, team, options.dimensions);
    multi_head(vectors, batch, options.normalize, ops_, team, out.multi);
  }
  if (workspace->tokens > kKeptTokens) workspace.reset();
}

size_t request_bytes(size_t texts, const CheckedOptions& options) {
  return texts * ((options.outputs.dense ? options.dimensions * sizeof(float) : 0) + kBytesOfText);
}

size_t token_outputs_bytes(size_t tokens, size_t multi_rows, const CheckedOptions& options) {
  size_t bytes = tokens * sizeof(uint32_t);  // ids that wait
  if (options.outputs.sparse) bytes += tokens * (sizeof(uint32_t) + sizeof(float));
  if (options.outputs.multi) bytes += multi_rows * options.dimensions * sizeof(float);
  return bytes;
}

MemoryShare::MemoryShare(Engine& engine, size_t bytes, const std::string& what) : engine_(engine), bytes_(bytes) {
  const size_t most = engine.plan.request_bytes;
  const size_t used = engine.request_bytes_.fetch_add(bytes_);
  if (bytes_ <= most && used <= most - bytes_) return;
  engine.request_bytes_.fetch_sub(bytes_);
  if (bytes_ > most) {
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "{} needs {} bytes; max_memory of {} bytes leaves {}: ask for less at a time, or allow "
                             "more memory",
                             what, bytes_, engine.ceiling_bytes_, most);
  }
  fail<ResourceLimitError>(
      ErrorCode::overloaded,
      "{} needs {} bytes; max_memory of {} bytes leaves {}, of which {} are in use: try again when "
      "other requests have ended",
      what, bytes_, engine.ceiling_bytes_, most, used);
}

MemoryShare::~MemoryShare() { engine_.request_bytes_.fetch_sub(bytes_); }

}  // namespace bgem3
