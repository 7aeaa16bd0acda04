// A model is packed section by section, each made by all threads together, and what was read of the source is released
// after each: so the sections are in one order, and the work needs little memory. Whether they then live in memory or
// in a file is the caller's.
#include "encoder/packed_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"

namespace bgem3 {
namespace {

constexpr const char* kWordEmbeddings = "word_embeddings";
constexpr const char* kPositionEmbeddings = "position_embeddings";
constexpr const char* kSparseHead = "sparse_head";
constexpr const char* kMultiHead = "multi_head";

// Values that a thread widens at a time, and the blocks that are read before their pages are released.
constexpr size_t kBlockValues = size_t{1} << 18;
constexpr size_t kBlocksAtOnce = 16;

// A linear layer as the model stores it.
struct Linear {
  const Tensor& weight;  // [columns, depth]
  const Tensor& bias;    // [columns]
};

WeightType choose_type(Precision precision, bool exact_in_f16) {
  switch (precision) {
    case Precision::f32:
      return exact_in_f16 ? WeightType::f16 : WeightType::f32;
    case Precision::bf16:
      return WeightType::bf16;
    case Precision::int8:
      return WeightType::s8;
  }
  return WeightType::f32;
}

class Packer {
 public:
  using Add = std::function<void(const std::string& name, uint32_t type, AlignedBuffer<std::byte> bytes)>;

  Packer(const Weights& weights, Precision precision, Team& team)
      : weights_(weights), precision_(precision), team_(team) {}

  // All sections but the embedding tables.
  void pack_layers(const Add& add) const {
    add_arrays(add, "token_type_row", {&weights_.token_type_embeddings});
    add_arrays(add, "embedding_norm", {&weights_.embedding_norm_weight, &weights_.embedding_norm_bias});
    for (size_t i = 0; i < weights_.layers.size(); i++) {
      const LayerWeights& layer = weights_.layers[i];
      const auto name = [&](const char* part) { return fmt::format("layer.{}.{}", i, part); };
      add_matrix(add, name("query_key"), {{layer.query_weight, layer.query_bias}, {layer.key_weight, layer.key_bias}});
      add_matrix(add, name("value"), {{layer.value_weight, layer.value_bias}},
                 value_precision(precision_, layer.value_weight.shape[1]));
      add_matrix(add, name("attention_output"), {{layer.attention_output_weight, layer.attention_output_bias}});
      add_arrays(add, name("attention_norm"), {&layer.attention_norm_weight, &layer.attention_norm_bias});
      add_matrix(add, name("intermediate"), {{layer.intermediate_weight, layer.intermediate_bias}});
      add_matrix(add, name("output"), {{layer.output_weight, layer.output_bias}});
      add_arrays(add, name("output_norm"), {&layer.output_norm_weight, &layer.output_norm_bias});
    }
    if (const HeadWeights& head = weights_.sparse_head; head.is_there()) {
      add_arrays(add, kSparseHead, {&head.weight, &head.bias});
    }
    if (const HeadWeights& head = weights_.multi_head; head.is_there()) {
      add_matrix(add, kMultiHead, {{head.weight, head.bias}});
    }
  }

  void write_table(PackedFileWriter& file, const char* name, const Tensor& table) const {
    const bool narrow = look_at(table) && table.dtype == DType::f32;
    file.begin(name, static_cast<uint32_t>(narrow ? DType::f16 : table.dtype));
    if (!narrow) {
      for (size_t done = 0; done < table.bytes.size(); done += kBlockValues) {
        file.write(table.bytes.subspan(done, std::min(kBlockValues, table.bytes.size() - done)));
        release();
      }
    } else {
      std::vector<uint16_t> halves(kBlocksAtOnce * kBlockValues);
      for_each_group(table, [&](size_t first, size_t count) {
        for_each_block(table, first, count, [&](size_t begin, std::span<const float> values) {
          std::transform(values.begin(), values.end(), halves.begin() + static_cast<ptrdiff_t>(begin - first), to_f16);
        });
        file.write(std::as_bytes(std::span(halves).first(count)));
      });
    }
    file.end();
  }

  // Reads every value. Throws if one is not finite; true if half precision holds all of them.
  bool look_at(const Tensor& tensor) const {
    std::atomic<bool> finite = true, exact = true;
    for_each_group(tensor, [&](size_t first, size_t count) {
      for_each_block(tensor, first, count, [&](size_t, std::span<const float> values) {
        if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
          finite = false;
        if (exact && !exact_in_f16(values)) exact = false;
      });
    });
    if (!finite) refuse_non_finite(tensor);
    return exact;
  }

 private:
  void release() const {
    for (const auto& file : weights_.files) file->release_pages();
  }

  // Calls f(first value, count) for parts of a tensor, and releases the source's pages after each.
  template <typename Function>
  void for_each_group(const Tensor& tensor, Function f) const {
    const size_t values = tensor.elements(), group = kBlocksAtOnce * kBlockValues;
    for (size_t first = 0; first < values; first += group) {
      f(first, std::min(group, values - first));
      release();
    }
  }

  // Calls f(first value, widened values) for blocks of a part, on all threads.
  template <typename Function>
  void for_each_block(const Tensor& tensor, size_t first, size_t count, Function f) const {
    team_.parallel_for((count + kBlockValues - 1) / kBlockValues, [&](size_t index, int) {
      const size_t begin = index * kBlockValues;
      std::vector<float> values(std::min(kBlockValues, count - begin));
      convert_to_f32(tensor, first + begin, values);
      f(first + begin, std::span<const float>(values));
    });
  }

  // The tensors' values one after the other, as f32. Of a table only the first row.
  void add_arrays(const Add& add, const std::string& name, std::initializer_list<const Tensor*> tensors) const {
    size_t size = 0;
    for (const Tensor* tensor : tensors) size += tensor->shape.back();
    AlignedBuffer<std::byte> bytes(size * sizeof(float));
    auto* values = reinterpret_cast<float*>(bytes.data());
    for (const Tensor* tensor : tensors) {
      look_at(*tensor);
      convert_to_f32(*tensor, 0, {values, tensor->shape.back()});
      values += tensor->shape.back();
    }
    add(name, static_cast<uint32_t>(WeightType::f32), std::move(bytes));
  }

  // Linear layers of one size as one matrix, each starting with a panel of its own.
  void add_matrix(const Add& add, const std::string& name, const std::vector<Linear>& parts) const {
    add_matrix(add, name, parts, precision_);
  }
  void add_matrix(const Add& add, const std::string& name, const std::vector<Linear>& parts,
                  Precision precision) const {
    const size_t part_rows = parts.front().weight.shape[0], depth = parts.front().weight.shape[1];
    const size_t part_panels = round_up(part_rows, kPanelColumns) / kPanelColumns;
    const size_t columns = parts.size() * part_panels * kPanelColumns;
    bool exact = true;
    std::vector<std::vector<float>> biases;
    for (const Linear& part : parts) {
      exact = look_at(part.weight) && exact;
      look_at(part.bias);
      convert_to_f32(part.bias, 0, biases.emplace_back(part_rows));
    }
    const WeightType type = choose_type(precision, exact);
    AlignedBuffer<std::byte> bytes(packed_bytes(type, columns, depth));
    team_.parallel_for(parts.size() * part_panels, [&](size_t panel, int) {
      const size_t part = panel / part_panels, row = panel % part_panels * kPanelColumns;
      const size_t count = std::min(kPanelColumns, part_rows - row);
      std::vector<float> rows(count * depth);
      convert_to_f32(parts[part].weight, row * depth, rows);
      pack_weights(type, columns, depth, panel * kPanelColumns, {rows.data(), count, depth, depth},
                   std::span(biases[part]).subspan(row, count), bytes.data());
    });
    release();
    add(name, static_cast<uint32_t>(type), std::move(bytes));
  }

  const Weights& weights_;
  const Precision precision_;
  Team& team_;
};

// Reads the sections that Packer makes.
class Unpacker {
 public:
  Unpacker(const ModelConfig& config, Precision precision, const Sections& sections)
      : config_(config), precision_(precision), sections_(sections) {}

  void read_layers(PackedModel& model) const {
    const size_t hidden = config_.hidden, ffn = config_.ffn;
    const size_t hidden_columns = round_up(hidden, kPanelColumns), ffn_columns = round_up(ffn, kPanelColumns);
    model.token_type_row = values("token_type_row", hidden);
    model.embedding_norm = norm("embedding_norm");
    for (size_t i = 0; i < config_.layers; i++) {
      const auto name = [&](const char* part) { return fmt::format("layer.{}.{}", i, part); };
      model.layers.push_back(
          {.query_key = matrix(name("query_key"), 2 * hidden_columns, hidden),
           .value = matrix(name("value"), hidden_columns, hidden, value_precision(precision_, hidden)),
           .attention_output = matrix(name("attention_output"), hidden_columns, hidden),
           .attention_norm = norm(name("attention_norm")),
           .intermediate = matrix(name("intermediate"), ffn_columns, hidden),
           .output = matrix(name("output"), hidden_columns, ffn),
           .output_norm = norm(name("output_norm"))});
    }
    if (sections_.find(kSparseHead)) model.sparse_head = values(kSparseHead, hidden + 1);
    if (sections_.find(kMultiHead)) model.multi_head = matrix(kMultiHead, hidden_columns, hidden);
  }

  EmbeddingTable table(const char* name, size_t rows) const {
    const Section& section = find(name);
    const auto type = static_cast<DType>(section.type);
    const bool known = type == DType::f32 || type == DType::f16 || type == DType::bf16;
    if (!known || section.bytes.size() != rows * config_.hidden * bits_of(type) / 8) refuse(name);
    return EmbeddingTable(sections_.file()->file(), section.offset, type, rows, config_.hidden);
  }

 private:
  const Section& find(const std::string& name) const {
    const Section* section = sections_.find(name);
    if (!section) refuse(name);
    return *section;
  }

  PackedWeights matrix(const std::string& name, size_t columns, size_t depth) const {
    return matrix(name, columns, depth, precision_);
  }
  PackedWeights matrix(const std::string& name, size_t columns, size_t depth, Precision precision) const {
    const Section& section = find(name);
    for (const bool exact_in_f16 : {false, true}) {
      const WeightType type = choose_type(precision, exact_in_f16);
      if (section.type == static_cast<uint32_t>(type) && section.bytes.size() == packed_bytes(type, columns, depth)) {
        return {type, columns, depth, section.bytes.data()};
      }
    }
    refuse(name);
  }

  std::vector<float> values(const std::string& name, size_t count) const {
    const Section& section = find(name);
    if (section.bytes.size() != count * sizeof(float)) refuse(name);
    std::vector<float> values(count);
    std::memcpy(values.data(), section.bytes.data(), section.bytes.size());
    return values;
  }

  NormWeights norm(const std::string& name) const {
    const std::vector<float> both = values(name, 2 * config_.hidden);
    const auto middle = both.begin() + static_cast<ptrdiff_t>(config_.hidden);
    return {{both.begin(), middle}, {middle, both.end()}};
  }

  [[noreturn]] void refuse(const std::string& name) const {
    fail<ModelLoadingError>(ErrorCode::corrupt,
                            "{}: section {} is missing or does not fit the model; delete the file, it is made again",
                            sections_.file() ? sections_.file()->path() : "packed model", name);
  }

  const ModelConfig& config_;
  const Precision precision_;
  const Sections& sections_;
};

PackedModel with_layers(const ModelConfig& config, Precision precision, std::shared_ptr<const Sections> sections) {
  PackedModel model;
  model.config = config;
  model.precision = precision;
  Unpacker(config, precision, *sections).read_layers(model);
  model.sections = std::move(sections);
  return model;
}

// The table where it stands in the model's own file.
EmbeddingTable find_table(const Tensor& table, const Weights& weights) {
  for (const auto& file : weights.files) {
    const std::span<const std::byte> bytes = file->bytes();
    if (table.bytes.data() >= bytes.data() && table.bytes.data() < bytes.data() + bytes.size()) {
      return EmbeddingTable(table, *file);
    }
  }
  BGEM3_CHECK(!"the table is in none of the files");
  return {};
}

}  // namespace

size_t PackedModel::weights_bytes() const {
  size_t bytes = multi_head.columns ? packed_bytes(multi_head.type, multi_head.columns, multi_head.depth) : 0;
  for (const PackedLayer& layer : layers) {
    for (const PackedWeights* weights :
         {&layer.query_key, &layer.value, &layer.attention_output, &layer.intermediate, &layer.output}) {
      bytes += packed_bytes(weights->type, weights->columns, weights->depth);
    }
  }
  return bytes;
}

PackedModel pack_model(const ModelConfig& config, const Weights& weights, Precision precision, Team& team) {
  const Packer packer(weights, precision, team);
  const auto sections = std::make_shared<Sections>();
  packer.pack_layers([&](const std::string& name, uint32_t type, AlignedBuffer<std::byte> bytes) {
    sections->add(name, type, std::move(bytes));
  });
  packer.look_at(weights.word_embeddings);
  packer.look_at(weights.position_embeddings);
  PackedModel model = with_layers(config, precision, sections);
  model.word_embeddings = find_table(weights.word_embeddings, weights);
  model.position_embeddings = find_table(weights.position_embeddings, weights);
  return model;
}

void pack_model(const Weights& weights, Precision precision, Team& team, PackedFileWriter& file) {
  const Packer packer(weights, precision, team);
  packer.pack_layers([&](const std::string& name, uint32_t type, AlignedBuffer<std::byte> bytes) {
    file.add(name, type, {bytes.data(), bytes.size()});
  });
  packer.write_table(file, kWordEmbeddings, weights.word_embeddings);
  packer.write_table(file, kPositionEmbeddings, weights.position_embeddings);
}

PackedModel open_packed_model(const ModelConfig& config, Precision precision,
                              std::shared_ptr<const Sections> sections) {
  BGEM3_CHECK(sections->file());
  const Unpacker unpacker(config, precision, *sections);
  PackedModel model = with_layers(config, precision, sections);
  model.word_embeddings = unpacker.table(kWordEmbeddings, config.vocab);
  model.position_embeddings = unpacker.table(kPositionEmbeddings, config.position_rows);
  return model;
}

}  // namespace bgem3
