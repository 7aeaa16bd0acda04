// Any bytes as a fingerprint: refused with InvalidInputError, or written and read again to the same, and compared.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bgem3/error.h"
#include "verify/fingerprint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  try {
    const Fingerprint print = parse_fingerprint({reinterpret_cast<const char*>(data), size}, "fingerprint");
    const std::string json = to_json(print);
    if (to_json(parse_fingerprint(json, "written")) != json) std::abort();
    std::vector<Check> all;
    Checks checks(all, "fingerprint");
    compare_files_and_ids(print, print, checks);
    for (const auto& [dtype, texts] : print.by_dtype) compare_outputs(texts, texts, checks);
    for (const Check& check : all) {
      if (check.outcome == Outcome::fail) std::abort();
    }
  } catch (const InvalidInputError&) {
  }
  return 0;
}
