// One check after the other, of the same list. What is wrong with the model becomes a failed check at the place where
// it was noticed; what needs it is then skipped, and the rest goes on.
#include "bgem3/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/cpu.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "bgem3/embedder.h"
#include "bgem3/version.h"
#include "embedder/cache.h"
#include "kernels/precision.h"
#include "model/config.h"
#include "model/messages.h"
#include "model/model_digest.h"
#include "model/model_files.h"
#include "model/verification.h"
#include "verify/checks.h"
#include "verify/fingerprint.h"
#include "verify/published_values.h"
#include "verify/structure.h"
#include "verify/tokenizer_check.h"

namespace bgem3 {
namespace {

constexpr std::string_view kPublishedName = "BAAI/bge-m3";

// A vector of length one, in floats, is about 1e-7 off.
constexpr double kLengthTolerance = 1e-5;

class Verification {
 public:
  explicit Verification(const VerifyOptions& options) : options_(options) {
    if (!options.against.empty()) against_ = parse_fingerprint(options.against, options.against_name);
    for (const std::string& dtype : options.dtypes) add_dtype(to_string(parse_precision(dtype)));
    if (against_ && dtypes_.empty()) {
      for (const auto& [dtype, texts] : against_->by_dtype) add_dtype(to_string(parse_precision(dtype)));
    }
    if (dtypes_.empty()) dtypes_ = {"f32"};
  }

  VerifyReport run() {
    report_.model = options_.open.model;
    if (find_files()) {
      check_files();
      step("reading the weights");
      ThreadPool pool(threads());
      Checks structure(report_.checks, "structure");
      check_structure(files_, pool, structure);
      check_ids();
      prepare_fingerprint();
      for (const std::string& dtype : dtypes_) check_outputs(dtype);
    }
    if (options_.record && report_.passed()) report_.fingerprint = to_json(print_);
    return std::move(report_);
  }

 private:
  void add_dtype(const std::string& dtype) {
    if (against_ && !against_->by_dtype.contains(dtype)) {
      fail<InvalidInputError>(ErrorCode::invalid_input, "{}: has no outputs in {}; record it with bgem3 verify --dtype",
                              options_.against_name, dtype);
    }
    if (std::find(dtypes_.begin(), dtypes_.end(), dtype) == dtypes_.end()) dtypes_.push_back(dtype);
  }

  void step(const std::string& what) const {
    if (options_.on_step) options_.on_step(what);
  }

  int threads() const {
    const int cores = core_budget().cores, wanted = options_.open.threads;
    return wanted > 0 ? std::min(wanted, cores) : cores;
  }

  bool find_files() {
    try {
      files_ = find_model(options_.open.model);
    } catch (const ModelLoadingError& error) {
      Checks(report_.checks, "files").add("model", Outcome::fail, error.what());
      return false;
    }
    report_.folder = files_.folder;
    report_.revision = files_.revision;
    const std::string& name = files_.name;
    const bool named = !files_.revision.empty() && name.substr(0, name.find('@')) == kPublishedName;
    report_.published = named || options_.published;
    return true;
  }

  // Reads every byte, whatever is remembered of the files, and remembers what it found: what is opened next is known by
  // its content of now.
  void check_files() {
    step("hashing the files");
    Checks checks(report_.checks, "files");
    FileHashes hashes(options_.open.packed_cache ? cache_folder_for(options_.open.cache_dir) : "", true);
    size_t recognised = 0;
    for (const ModelFile& file : files_.files) {
      try {
        const FileVerdict verdict = verify_file(files_, file, options_.published, hashes);
        print_.files.push_back({file.name, file.size_bytes, hashes.sha256(file.path)});
        if (verdict.source.empty()) {
          checks.add(file.name, Outcome::skipped, "there is no hash to compare with").found = hashes.sha256(file.path);
          continue;
        }
        Check& check = checks.equal(file.name, verdict.expected, verdict.found);
        check.note = verdict.source == "published" ? "published digest" : "hash of the Hugging Face cache";
        if (check.outcome == Outcome::fail) {
          check.note += "; download the file again";
          files_are_sound_ = false;
        } else if (verdict.source == "published") {
          recognised++;
        }
      } catch (const EmbeddingGenerationError& error) {
        checks.add(file.name, Outcome::fail, error.what());
        files_are_sound_ = false;
      }
    }
    hashes.remember();
    if (recognised == files_.files.size()) report_.published = true;
  }

  void check_ids() {
    step("tokenizing");
    Checks checks(report_.checks, "tokenizer");
    try {
      const Tokenizer tokenizer = Tokenizer::from_file(files_.path("tokenizer.json"));
      checks.add("tokenizer.json", Outcome::pass).found =
          fmt::format("{}, {} tokens", tokenizer.kind(), tokenizer.vocab_size());
      check_tokenizer(tokenizer, report_.published, checks);
      if (wants_fingerprint()) print_.ids = print_ids(tokenizer, longest_text());
    } catch (const ModelLoadingError& error) {
      checks.add("tokenizer.json", Outcome::fail, error.what());
    }
  }

  // In tokens, of those that make the fingerprint.
  size_t longest_text() const {
    try {
      return std::min(read_config(files_).max_tokens, kFingerprintTokens);
    } catch (const ModelLoadingError&) {  // which is a failed check by now
      return kFingerprintTokens;
    }
  }

  bool wants_fingerprint() const { return options_.record || against_; }

  void prepare_fingerprint() {
    if (!wants_fingerprint()) return;
    print_.version = BGEM3_VERSION;
    print_.model = files_.name;
    print_.revision = files_.revision;
    if (!against_) return;
    Checks checks(report_.checks, "fingerprint");
    checks.add("recorded", Outcome::pass,
               fmt::format("by bgem3 {} of {}", quote(against_->version), quote(against_->model)));
    compare_files_and_ids(*against_, print_, checks);
  }

  // Everything that the model computes in one precision.
  void check_outputs(const std::string& dtype) {
    Checks values(report_.checks, "values", dtype), fingerprint(report_.checks, "fingerprint", dtype);
    step(fmt::format("computing in {}", dtype));
    try {
      OpenOptions open = options_.open;
      open.dtype = dtype;
      open.hash_files = false;
      if (!files_are_sound_) {
        // By its folder a model is opened whatever the cache says of its hashes: what it computes is worth knowing. It
        // shall not leave packed weights behind.
        open.model = files_.folder;
        open.packed_cache = false;
      }
      check_packed_file(open);
      const Embedder embedder = Embedder::open(open);
      const Outputs& outputs = embedder.info().outputs;
      const EmbedResult result = embedder.embed(published_texts(), {.outputs = outputs});
      check_vectors(embedder, result, values);
      if (!report_.published) {
        values.add("published values", Outcome::skipped,
                   "known of BAAI/bge-m3 only; --published says that this model is it");
      } else if (!outputs.sparse || !outputs.multi) {
        values.add("published values", Outcome::fail,
                   "the model has no sparse or no multi-vector head, bge-m3 has both");
      } else {
        compare_published_values(measure_published_values(result), dtype, values);
      }
      if (wants_fingerprint()) print_and_compare(embedder, dtype, fingerprint);
    } catch (const InvalidInputError&) {
      throw;
    } catch (const ResourceLimitError&) {
      throw;
    } catch (const EmbeddingGenerationError& error) {
      values.add("outputs", Outcome::fail, error.what());
      if (against_) fingerprint.add("outputs", Outcome::skipped, "the model could not compute them");
    }
  }

  // The weights that are about to be used, if they lie ready: a start trusts them, so here every byte is read.
  void check_packed_file(const OpenOptions& open) {
    if (!open.packed_cache) return;
    const PackedCacheFile packed = describe_model(open).packed;
    if (packed.state != "present" && packed.state != "damaged") return;
    const CacheEntry entry = inspect_cache_file(packed.path, true);
    const bool sound = entry.state == CacheState::current && packed.state == "present";
    Checks(report_.checks, "files", open.dtype)
        .add("packed weights", sound ? Outcome::pass : Outcome::fail, sound ? "every checksum" : entry.note)
        .found = entry.name;
    if (sound) return;
    std::error_code error;  // a file that stays is written over, if a start notices what is wrong with it
    std::filesystem::remove(packed.path, error);
  }

  void check_vectors(const Embedder& embedder, const EmbedResult& result, Checks& checks) {
    size_t failed = 0;
    double worst = 1;
    for (size_t i = 0; i < result.texts(); i++) {
      if (result[i].error) {
        failed++;
        checks.add(fmt::format("outputs of text {}", i + 1), Outcome::fail, result[i].error_message);
        continue;
      }
      double sum = 0;
      for (const float value : result[i].dense) sum += static_cast<double>(value) * static_cast<double>(value);
      if (std::abs(std::sqrt(sum) - 1) > std::abs(worst - 1)) worst = std::sqrt(sum);
    }
    if (failed > 0) return;
    checks.add("outputs", Outcome::pass, "finite").found = fmt::format("of {} texts", result.texts());
    if (embedder.info().config.normalize) checks.near("length of the dense vectors", 1, worst, kLengthTolerance);
    const std::vector<float> alone = embedder.embed_one(published_texts()[0]);
    const bool same = std::memcmp(alone.data(), result[0].dense.data(), alone.size() * sizeof(float)) == 0;
    checks.add("a text alone and among others", same ? Outcome::pass : Outcome::fail,
               same ? "same bits" : "other bits");
  }

  void print_and_compare(const Embedder& embedder, const std::string& dtype, Checks& checks) {
    const ModelInfo& info = embedder.info();
    std::vector<std::string_view> texts;
    for (const FingerprintText& text : fingerprint_texts()) texts.push_back(text.text);
    const EmbedResult result = embedder.embed(texts, {.outputs = info.outputs, .max_tokens = longest_text()});
    std::vector<TextPrint>& prints = print_.by_dtype[dtype];
    prints = print_outputs(result, info.outputs);
    if (against_) compare_outputs(against_->by_dtype.at(dtype), prints, checks);
  }

  const VerifyOptions& options_;
  std::vector<std::string> dtypes_;
  std::optional<Fingerprint> against_;
  VerifyReport report_;
  ModelFiles files_;
  bool files_are_sound_ = true;
  Fingerprint print_;
};

}  // namespace

VerifyReport verify_model(const VerifyOptions& options) { return Verification(options).run(); }

}  // namespace bgem3
