#include "encoder/heads.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/float_mode.h"

namespace bgem3 {

void dense_head(View<const float> hidden, const Batch& batch, Pooling pooling, bool normalize, const Ops& ops,
                View<float> out) {
  BGEM3_CHECK(hidden.rows == (pooling == Pooling::cls ? batch.texts() : batch.tokens()));
  BGEM3_CHECK(out.rows == batch.texts() && out.columns <= hidden.columns);
  const FloatMode mode;
  for (size_t text = 0; text < batch.texts(); text++) {
    const size_t start = batch.starts[text], tokens = batch.starts[text + 1] - start;
    switch (pooling) {
      case Pooling::cls:
        std::copy_n(hidden.row(text), out.columns, out.row(text));
        break;
      case Pooling::mean:
        ops.mean_rows(hidden.rows_at(start, tokens).columns_at(0, out.columns), out.row(text));
        break;
    }
    if (normalize) ops.normalize_row(out.row(text), out.columns);
  }
}

}  // namespace bgem3
