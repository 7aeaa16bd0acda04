#include "model/embedding_table.h"

#include <array>
#include <utility>

#include "base/checked.h"
#include "base/error.h"

namespace bgem3 {

EmbeddingTable::EmbeddingTable(std::shared_ptr<const OpenFile> file, size_t offset, DType dtype, size_t rows,
                               size_t columns)
    : file_(std::move(file)), offset_(offset), dtype_(dtype), rows_(rows), columns_(columns) {
  const auto elements = checked_multiply(rows, columns);
  const auto bytes = elements ? checked_multiply(*elements, bits_of(dtype) / 8) : std::nullopt;
  const auto end = bytes ? checked_add(offset, *bytes) : std::nullopt;
  if (!end || *end > file_->size()) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: a table of {} rows of {} {} at byte {} runs past the file's end",
                            file_->path(), rows, columns, to_string(dtype), offset);
  }
}

EmbeddingTable::EmbeddingTable(const Tensor& tensor, const MappedFile& file)
    : EmbeddingTable(file.file(), static_cast<size_t>(tensor.bytes.data() - file.bytes().data()), tensor.dtype,
                     tensor.shape.at(0), tensor.shape.at(1)) {}

void EmbeddingTable::read_row(size_t index, std::span<float> out) const {
  BGEM3_CHECK(index < rows_ && out.size() == columns_);
  std::array<std::byte, 4096> block;
  const size_t element_bytes = bits_of(dtype_) / 8;
  size_t offset = offset_ + index * columns_ * element_bytes;
  for (size_t done = 0; done < columns_;) {
    const size_t count = std::min(block.size() / element_bytes, columns_ - done);
    const auto bytes = std::span(block).first(count * element_bytes);
    file_->read_at(offset, bytes);
    convert_to_f32({.name = {}, .dtype = dtype_, .shape = {}, .bytes = bytes, .file = {}}, 0, out.subspan(done, count));
    offset += bytes.size();
    done += count;
  }
}

}  // namespace bgem3
