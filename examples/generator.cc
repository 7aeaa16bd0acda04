// The product class from end to end: chunks in, vectors with metadata out, their quality, what it cost.
//
//   generator_example MODEL [HISTORY.db]
#include "bgem3/generator.h"

#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: generator_example MODEL [HISTORY.db]\n";
    return 2;
  }
  bgem3::EmbeddingConfig config;
  config.model_name = argv[1];
  config.batch_size = 16;
  config.history_path = argc > 2 ? argv[2] : "";

  // Warnings go to standard error; the library itself never prints.
  bgem3::EmbeddingGenerator generator(config, [](const bgem3::Event& event) {
    if (event.level >= bgem3::EventLevel::warning) std::cerr << event.name << ": " << event.message << "\n";
  });

  const std::vector<std::string> texts = {"The tide turns twice a day, because the moon pulls at the sea.",
                                          "Bread is baked from flour, water, yeast and a little salt.",
                                          "A vector stands for the meaning of a text."};
  std::vector<bgem3::ChunkInput> chunks;
  for (const std::string& text : texts) chunks.push_back({.text = text});

  try {
    generator.warm_up_model();
    const bgem3::GeneratedEmbeddings generated = generator.generate_embeddings(chunks);
    for (const bgem3::ChunkEmbedding& chunk : generated.chunks) {
      std::cout << chunk.chunk_id << ": " << chunk.embedding_vector.size() << " dimensions, "
                << chunk.metadata.sequence_length << " tokens" << (chunk.metadata.was_truncated ? " (truncated)" : "")
                << ", quality " << chunk.metadata.quality_score << ", " << chunk.metadata.embedding_hash << "\n";
    }

    const bgem3::QualityReport report = generator.validate_embedding_quality(generated.chunks);
    std::cout << report.total_embeddings << " embeddings, average quality " << report.avg_quality_score << ", "
              << report.outlier_count << " outliers\n";
    for (const std::string& issue : report.processing_issues) std::cout << "  " << issue << "\n";

    const bgem3::ProcessingStats stats = generator.get_processing_stats();
    std::cout << stats.tokens_per_second << " tokens/s, " << stats.avg_time_per_embedding * 1000 << " ms a text, "
              << stats.memory_usage_peak << " GiB at most\n";
  } catch (const bgem3::EmbeddingGenerationError& error) {
    std::cerr << to_string(error.code()) << ": " << error.what() << "\n";
    return 1;
  }
}
