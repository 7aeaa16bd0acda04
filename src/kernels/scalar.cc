// The kernels in plain C++: the reference, and what runs where no vector set is present.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/float_mode.h"
#include "kernels/ops.h"

namespace bgem3 {
namespace {
namespace scalar {

constexpr int kTileRows = 4;
constexpr int kTileVectors = 1;
#include "kernels/lanes_scalar.h"
//
#include "kernels/ops_inl.h"

}  // namespace scalar
}  // namespace

constinit const Ops kScalarOps = scalar::make_ops("scalar", false);

}  // namespace bgem3
