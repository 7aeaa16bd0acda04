// A pickle is a program for a stack machine. The real machine imports names and calls them; this one knows a few names
// as plain data and gives each opcode of a state dictionary the one meaning it has there:
//   GLOBAL         pushes one of the names in kGlobals
//   BINPERSID      turns ("storage", type, key, device, elements) into a storage
//   REDUCE         makes an empty dictionary (OrderedDict), a tensor (_rebuild_tensor_v2) or passes one on
//   (_rebuild_parameter) BUILD          drops the attributes of a dictionary (state dictionaries carry version numbers
//   there)
// Values live in one list and refer to each other by index: no reference counting, no recursion, no cycles to free.
#include "model/pickle.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

#include "base/checked.h"
#include "base/error.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

// A state dictionary of 400 tensors is 50 kB with 6,000 values and a stack 2,000 deep.
constexpr size_t kLongestPickle = 16 << 20;
constexpr size_t kMostValues = 1 << 20;
constexpr size_t kDeepestStack = 1 << 17;
constexpr size_t kLongestGlobal = 256;
constexpr size_t kMostDimensions = 64;  // torch's own limit

enum class Global {
  ordered_dict,
  rebuild_tensor,
  rebuild_parameter,
  float_storage,
  half_storage,
  bfloat16_storage,
  long_storage
};

struct GlobalName {
  std::string_view module;
  std::string_view name;
  Global global;
};

constexpr GlobalName kGlobals[] = {
    {"collections", "OrderedDict", Global::ordered_dict},
    {"torch._utils", "_rebuild_tensor_v2", Global::rebuild_tensor},
    {"torch._utils", "_rebuild_parameter", Global::rebuild_parameter},
    {"torch", "FloatStorage", Global::float_storage},
    {"torch", "HalfStorage", Global::half_storage},
    {"torch", "BFloat16Storage", Global::bfloat16_storage},
    {"torch", "LongStorage", Global::long_storage},
};

// Names of opcodes that the machine does not run but that other pickles have, for messages.
constexpr std::pair<uint8_t, const char*> kForeignOpcodes[] = {
    {'i', "INST"},     {'o', "OBJ"},        {0x81, "NEWOBJ"}, {0x92, "NEWOBJ_EX"}, {0x93, "STACK_GLOBAL"},
    {0x82, "EXT1"},    {0x83, "EXT2"},      {0x84, "EXT4"},   {'P', "PERSID"},     {'N', "NONE"},
    {'G', "BINFLOAT"}, {']', "EMPTY_LIST"}, {'a', "APPEND"},  {'e', "APPENDS"},    {0x8c, "SHORT_BINUNICODE"},
    {0x94, "MEMOIZE"}, {0x95, "FRAME"}};

using Index = uint32_t;  // of a value

struct Tuple {
  std::vector<Index> items;
};
struct Dictionary {
  std::vector<std::pair<Index, Index>> items;
};
struct Storage {
  DType dtype;
  std::string_view key;
  size_t elements;
};
struct TensorView {
  Storage storage;
  size_t first;
  std::vector<size_t> shape;
  size_t elements;
  bool contiguous;
};
using Value = std::variant<bool, int64_t, std::string_view, Global, Tuple, Dictionary, Storage, TensorView>;
constexpr const char* kValueNames[] = {"a boolean", "a number",     "a string",  "a name",
                                       "a tuple",   "a dictionary", "a storage", "a tensor"};

class Machine {
 public:
  Machine(std::span<const std::byte> pickle, std::string_view file)
      : pickle_(reinterpret_cast<const char*>(pickle.data()), pickle.size()), file_(file) {}

  std::vector<PickledTensor> run() {
    if (pickle_.size() > kLongestPickle) corrupt("{} bytes, expected at most {}", pickle_.size(), kLongestPickle);
    if (read<uint8_t>() != 0x80) corrupt("expected a pickle of protocol 2");
    if (const auto protocol = read<uint8_t>(); protocol != 2) unsupported("pickle protocol {}, expected 2", protocol);
    while (step()) {
    }
    if (stack_.size() != 1) corrupt("{} values at the end, expected 1", stack_.size());
    if (at_ != pickle_.size()) corrupt("{} bytes after the end", pickle_.size() - at_);
    return tensors_of(get<Dictionary>(stack_[0], "as the whole content"));
  }

 private:
  // Runs one opcode; false for the last.
  bool step() {
    opcode_at_ = at_;
    const auto opcode = read<uint8_t>();
    switch (opcode) {
      case '.':
        return false;
      case '(':
        marks_.push_back(stack_.size());
        check_depth();
        break;
      case 'K':
        push(int64_t{read<uint8_t>()});
        break;
      case 'M':
        push(int64_t{read<uint16_t>()});
        break;
      case 'J':
        push(int64_t{read<int32_t>()});
        break;
      case 0x8a:
        push(read_long());
        break;
      case 0x88:
        push(true);
        break;
      case 0x89:
        push(false);
        break;
      case 'X':
        push(read_text(read<uint32_t>()));
        break;
      case 'c':
        push(read_global());
        break;
      case ')':
        push(Tuple{});
        break;
      case '}':
        push(Dictionary{});
        break;
      case 0x85:
        make_tuple(1);
        break;
      case 0x86:
        make_tuple(2);
        break;
      case 0x87:
        make_tuple(3);
        break;
      case 't':
        push(Tuple{pop_to_mark()});
        break;
      case 'q':
        memo_[read<uint8_t>()] = top();
        break;
      case 'r':
        memo_[read<uint32_t>()] = top();
        break;
      case 'h':
        push_index(recall(read<uint8_t>()));
        break;
      case 'j':
        push_index(recall(read<uint32_t>()));
        break;
      case 's':
        set_items(pop(2));
        break;
      case 'u':
        set_items(pop_to_mark());
        break;
      case 'Q':
        push(make_storage(pop(1)[0]));
        break;
      case 'R':
        reduce();
        break;
      case 'b':
        build();
        break;
      default:
        refuse_opcode(opcode);
    }
    return true;
  }

  // The program.

  std::string_view read_text(size_t length) {
    if (length > pickle_.size() - at_) corrupt("{} bytes run past the end", length);
    const std::string_view text = pickle_.substr(at_, length);
    at_ += length;
    return text;
  }

  template <typename Number>
  Number read() {
    Number number;
    std::memcpy(&number, read_text(sizeof number).data(), sizeof number);
    return number;
  }

  int64_t read_long() {
    const size_t length = read<uint8_t>();
    if (length > sizeof(int64_t)) corrupt("a number of {} bytes, expected at most 8", length);
    const std::string_view text = read_text(length);
    const bool negative = length > 0 && (static_cast<uint8_t>(text.back()) & 0x80) != 0;
    uint64_t number = negative ? ~uint64_t{0} : 0;
    std::memcpy(&number, text.data(), length);
    return static_cast<int64_t>(number);
  }

  std::string_view read_line() {
    const size_t end = pickle_.substr(at_, kLongestGlobal + 1).find('\n');
    if (end == std::string_view::npos) corrupt("a name that does not end within {} bytes", kLongestGlobal);
    const std::string_view line = read_text(end);
    ++at_;
    return line;
  }

  Global read_global() {
    const std::string_view module = read_line();
    const std::string_view name = read_line();
    for (const GlobalName& known : kGlobals) {
      if (known.module == module && known.name == name) return known.global;
    }
    unsupported(
        "the global {} is not one of a state dictionary's; bgem3 imports and calls nothing that a file names. If you "
        "trust "
        "the file, save its tensors as safetensors",
        quote(fmt::format("{} {}", module, name)));
  }

  [[noreturn]] void refuse_opcode(uint8_t opcode) const {
    const char* name = "unknown";
    for (const auto& [foreign, foreign_name] : kForeignOpcodes) {
      if (foreign == opcode) name = foreign_name;
    }
    unsupported(
        "opcode 0x{:02x} ({}) is not one of a state dictionary's; if you trust the file, save it as safetensors",
        opcode, name);
  }

  // The stack, the values and the memo.

  void push_index(Index index) {
    stack_.push_back(index);
    check_depth();
  }

  void push(Value value) {
    if (values_.size() >= kMostValues) corrupt("more than {} values", kMostValues);
    values_.push_back(std::move(value));
    push_index(static_cast<Index>(values_.size() - 1));
  }

  void check_depth() const {
    if (stack_.size() + marks_.size() > kDeepestStack) corrupt("a stack deeper than {}", kDeepestStack);
  }

  // Values above the innermost mark: only those may be taken.
  size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  Index top() const {
    if (available() < 1) corrupt("the stack is empty");
    return stack_.back();
  }

  std::vector<Index> pop(size_t count) {
    if (available() < count) corrupt("{} values on the stack, expected {}", available(), count);
    std::vector<Index> popped(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return popped;
  }

  std::vector<Index> pop_to_mark() {
    if (marks_.empty()) corrupt("no mark on the stack");
    std::vector<Index> popped = pop(available());
    marks_.pop_back();
    return popped;
  }

  Index recall(uint32_t key) const {
    const auto found = memo_.find(key);
    if (found == memo_.end()) corrupt("memo {} was never set", key);
    return found->second;
  }

  template <typename T>
  T& get(Index index, std::string_view role) {
    if (T* value = std::get_if<T>(&values_[index])) return *value;
    corrupt("expected {} {}, found {}", kValueNames[Value(std::in_place_type<T>).index()], role,
            kValueNames[values_[index].index()]);
  }

  size_t get_size(Index index, std::string_view role) {
    const int64_t number = get<int64_t>(index, role);
    if (number < 0) corrupt("the number {} is {}, expected at least 0", role, number);
    return static_cast<size_t>(number);
  }

  // The items of a tuple. The limit keeps a huge tuple, taken from the memo again and again, from being copied each
  // time.
  std::vector<Index> get_items(Index index, std::string_view role, size_t most) {
    const auto& items = get<Tuple>(index, role).items;
    if (items.size() > most) corrupt("a tuple {} of {} items, expected at most {}", role, items.size(), most);
    return items;
  }

  std::vector<size_t> get_sizes(Index index, std::string_view role) {
    std::vector<size_t> sizes;
    for (const Index item : get_items(index, role, kMostDimensions)) sizes.push_back(get_size(item, role));
    return sizes;
  }

  // The meanings.

  void make_tuple(size_t count) { push(Tuple{pop(count)}); }

  void set_items(const std::vector<Index>& items) {
    if (items.size() % 2 != 0) corrupt("a key without a value");
    auto& dictionary = get<Dictionary>(top(), "to put items into");
    for (size_t i = 0; i < items.size(); i += 2) dictionary.items.emplace_back(items[i], items[i + 1]);
  }

  Storage make_storage(Index id) {
    const std::vector<Index> items = get_items(id, "as persistent id", 5);
    if (items.size() != 5) corrupt("a persistent id of {} items, expected 5", items.size());
    if (const auto kind = get<std::string_view>(items[0], "as the kind of a persistent id"); kind != "storage") {
      unsupported("a persistent id of kind {}, expected \"storage\"", quote(kind));
    }
    Storage storage{};
    switch (get<Global>(items[1], "as the type of a storage")) {
      case Global::float_storage:
        storage.dtype = DType::f32;
        break;
      case Global::half_storage:
        storage.dtype = DType::f16;
        break;
      case Global::bfloat16_storage:
        storage.dtype = DType::bf16;
        break;
      case Global::long_storage:
        storage.dtype = DType::i64;
        break;
      default:
        corrupt("expected a storage type, found a function");
    }
    storage.key = get<std::string_view>(items[2], "as the key of a storage");
    get<std::string_view>(items[3], "as the device of a storage");
    storage.elements = get_size(items[4], "of a storage's elements");
    return storage;
  }

  void reduce() {
    const std::vector<Index> popped = pop(2);
    const Global function = get<Global>(popped[0], "to call");
    const std::vector<Index> arguments = get_items(popped[1], "of arguments", 7);
    switch (function) {
      case Global::ordered_dict:
        if (!arguments.empty()) unsupported("an OrderedDict made of {} arguments, expected none", arguments.size());
        push(Dictionary{});
        break;
      case Global::rebuild_tensor:
        push(make_tensor(arguments));
        break;
      case Global::rebuild_parameter: {
        if (arguments.size() != 3) corrupt("a parameter made of {} arguments, expected 3", arguments.size());
        get<TensorView>(arguments[0], "of a parameter");
        push_index(arguments[0]);
        break;
      }
      default:
        corrupt("a storage type is called as a function");
    }
  }

  // Arguments: storage, first element, shape, strides, requires_grad, hooks and perhaps metadata; the last three have
  // no meaning for reading.
  TensorView make_tensor(const std::vector<Index>& arguments) {
    if (arguments.size() != 6 && arguments.size() != 7)
      corrupt("a tensor made of {} arguments, expected 6 or 7", arguments.size());
    TensorView tensor{};
    tensor.storage = get<Storage>(arguments[0], "of a tensor");
    tensor.first = get_size(arguments[1], "of a tensor's first element");
    tensor.shape = get_sizes(arguments[2], "of a tensor's shape");
    const std::vector<size_t> strides = get_sizes(arguments[3], "of a tensor's strides");
    if (strides.size() != tensor.shape.size()) {
      corrupt("a tensor of shape {} with strides {}", shape_text(tensor.shape), shape_text(strides));
    }
    // Elements, and the last element's place: both must fit. A dimension of size 1 may have any stride.
    std::optional<size_t> elements = 1;
    std::optional<size_t> last = tensor.first;
    tensor.contiguous = true;
    for (size_t i = tensor.shape.size(); i-- > 0 && elements && last;) {
      const size_t size = tensor.shape[i];
      if (size > 1) {
        tensor.contiguous &= strides[i] == *elements;
        const auto step = checked_multiply(size - 1, strides[i]);
        last = step ? checked_add(*last, *step) : std::nullopt;
      }
      elements = checked_multiply(*elements, size);
    }
    if (!elements || !last) {
      corrupt("a tensor of shape {} with strides {} from element {}: sizes overflow", shape_text(tensor.shape),
              shape_text(strides), tensor.first);
    }
    tensor.elements = *elements;
    const bool inside =
        tensor.elements == 0 ? tensor.first <= tensor.storage.elements : *last < tensor.storage.elements;
    if (!inside) {
      corrupt("a tensor of shape {} with strides {} from element {} leaves its storage of {} elements",
              shape_text(tensor.shape), shape_text(strides), tensor.first, tensor.storage.elements);
    }
    if (tensor.elements == 0) tensor.contiguous = true;
    return tensor;
  }

  // Attributes of a dictionary ("_metadata"): must be a dictionary, and are dropped.
  void build() {
    get<Dictionary>(pop(1)[0], "of attributes");
    get<Dictionary>(top(), "to give attributes to");
  }

  std::vector<PickledTensor> tensors_of(const Dictionary& dictionary) {
    std::vector<PickledTensor> tensors;
    std::unordered_set<std::string_view> names;
    for (const auto& [key, value] : dictionary.items) {
      const auto name = get<std::string_view>(key, "as the name of a tensor");
      if (!names.insert(name).second) corrupt("tensor {} is there twice", quote(name));
      const TensorView* tensor = std::get_if<TensorView>(&values_[value]);
      if (!tensor) {
        unsupported("entry {} is {}, expected a tensor; the file is not a plain state dictionary", quote(name),
                    kValueNames[values_[value].index()]);
      }
      if (!tensor->contiguous) {
        unsupported("tensor {} of shape {} is not contiguous; save the model as safetensors", quote(name),
                    shape_text(tensor->shape));
      }
      tensors.push_back({.name = std::string(name),
                         .dtype = tensor->storage.dtype,
                         .storage = std::string(tensor->storage.key),
                         .storage_elements = tensor->storage.elements,
                         .first = tensor->first,
                         .shape = tensor->shape,
                         .elements = tensor->elements});
    }
    return tensors;
  }

  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    refuse(ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    refuse(ErrorCode::unsupported, fmt::format(format, std::forward<Args>(args)...));
  }

  [[noreturn]] void refuse(ErrorCode code, const std::string& reason) const {
    fail<ModelLoadingError>(code, "{}: byte {}: {}", file_, opcode_at_, reason);
  }

  std::string_view pickle_;
  std::string_view file_;
  size_t at_ = 0;
  size_t opcode_at_ = 0;
  std::vector<Value> values_;
  std::vector<Index> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Index> memo_;
};

}  // namespace

std::vector<PickledTensor> read_state_dict(std::span<const std::byte> pickle, std::string_view file) {
  return Machine(pickle, file).run();
}

}  // namespace bgem3
