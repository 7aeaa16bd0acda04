#include "failure.h"

namespace bgem3::cli {

int exit_code(const std::exception& error) {
  if (auto* interrupted = dynamic_cast<const Interrupted*>(&error)) return kExitSignal + interrupted->signal();
  if (dynamic_cast<const UsageError*>(&error)) return kExitUsage;
  if (dynamic_cast<const OutputError*>(&error)) return kExitOutput;
  if (dynamic_cast<const ModelLoadingError*>(&error)) return kExitModel;
  // Bad texts come back as values; what the library throws as invalid input is an option that fits no text.
  if (dynamic_cast<const InvalidInputError*>(&error)) return kExitUsage;
  return kExitFailure;
}

}  // namespace bgem3::cli
