#include "model/pickle.h"

#include <gtest/gtest.h>

#include "model/test_files.h"

namespace bgem3 {
namespace {

using pickle::dictionary;
using pickle::global;
using pickle::number;
using pickle::sizes;
using pickle::storage;
using pickle::tensor;
using pickle::text;
using pickle::whole;

Caught error_of(const std::string& program) {
  return caught([&] { read_state_dict(as_bytes(program), "data.pkl"); });
}

const std::string kStorage = storage("FloatStorage", "0", 6);
const std::string kTensor = tensor(kStorage, 0, {2, 3}, {3, 1});

TEST(Pickle, ReadsADictionaryOfTensors) {
  const auto tensors = read_state_dict(as_bytes(whole(dictionary({{"w", kTensor}}))), "data.pkl");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "w");
  EXPECT_EQ(tensors[0].storage, "0");
  EXPECT_EQ(tensors[0].storage_elements, 6u);
  EXPECT_EQ(tensors[0].elements, 6u);
}

TEST(Pickle, ReadsEveryFormOfNumberAndTheMemo) {
  // K, M, J, LONG1; BINPUT, LONG_BINPUT, BINGET, LONG_BINGET; TUPLE1..3; SETITEM; NEWTRUE.
  const std::string id = "(" + text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") + "M" +
                         little(uint16_t{1000}) + "tQ" + "q\x01";
  const std::string value =
      global("torch._utils", "_rebuild_tensor_v2") + "(" + id + std::string("\x8a\x02\xe7\x03", 4) +  // 999
      std::string("K\x01K\x01\x86r") + little(uint32_t{70000}) + "j" + little(uint32_t{70000}) + "\x88}tR";
  const auto tensors = read_state_dict(as_bytes("\x80\x02}" + text("a") + value + "s."), "data.pkl");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].first, 999u);
  EXPECT_EQ(tensors[0].shape, (std::vector<size_t>{1, 1}));
}

TEST(Pickle, RefusesEveryTruncation) {
  const std::string program = whole(dictionary({{"w", kTensor}, {"v", kTensor}}));
  for (size_t size = 0; size < program.size(); ++size) {
    ASSERT_TRUE(error_of(program.substr(0, size)).thrown) << size;
  }
}

TEST(Pickle, RefusesCode) {
  const std::string attacks[] = {
      global("os", "system") + "(" + text("id") + "tR",
      global("posix", "system") + "(" + text("id") + "tR",
      global("builtins", "eval") + text("1") + "\x85R",
      global("__builtin__", "getattr"),
      global("torch", "load"),
      global("torch.storage", "FloatStorage"),
      global("collections", "Counter"),
      global("torch._utils", "_rebuild_tensor_v2 "),
      global("torch", "DoubleStorage"),
      global(std::string("collections\0os", 14), "OrderedDict"),
  };
  for (const std::string& attack : attacks) {
    const Caught error = error_of(whole(dictionary({{"w", attack}})));
    EXPECT_EQ(error.code, ErrorCode::unsupported) << attack;
    EXPECT_TRUE(error.says("the global \"")) << error.message;
  }
  EXPECT_TRUE(error_of(whole(global("os", "system"))).says("\"os system\""));
}

TEST(Pickle, RefusesEveryOtherOpcode) {
  const std::string known(".(KMJ\x8a\x88\x89Xc)}\x85\x86\x87tqrhjsuQRb");
  for (int opcode = 0; opcode < 256; ++opcode) {
    const char character = static_cast<char>(opcode);
    if (known.find(character) != std::string::npos) continue;
    const Caught error = error_of("\x80\x02" + std::string(1, character) + "xxxxxxxxxxxxxxxx.");
    EXPECT_EQ(error.code, ErrorCode::unsupported) << opcode;
    EXPECT_TRUE(error.says("opcode 0x")) << error.message;
  }
  EXPECT_TRUE(error_of("\x80\x02\x93.").says("(STACK_GLOBAL)"));
  EXPECT_TRUE(error_of("\x80\x04.").says("pickle protocol 4, expected 2"));
  EXPECT_TRUE(error_of("}.").says("expected a pickle of protocol 2"));
}

TEST(Pickle, EveryLieOfTheProgram) {
  struct Case {
    std::string program;
    const char* says;
  };
  const auto with_tensor = [](const std::string& value) { return whole(dictionary({{"w", value}})); };
  const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2");
  const std::string hooks = std::string("\x89)");
  const Case cases[] = {
      {whole(""), "0 values at the end"},
      {whole("}}"), "2 values at the end"},
      {whole("}") + "x", "1 bytes after the end"},
      {whole("K\x01"), "expected a dictionary as the whole content, found a number"},
      {whole(kTensor), "expected a dictionary as the whole content, found a tensor"},
      {whole("h\x05"), "memo 5 was never set"},
      {whole("j" + little(UINT32_MAX)), "memo 4294967295 was never set"},
      {whole("q\x01"), "the stack is empty"},
      {whole("t"), "no mark on the stack"},
      {whole("\x86"), "0 values on the stack, expected 2"},
      {whole("}(R"), "0 values on the stack, expected 2"},
      {whole("}K\x01s"), "the stack is empty"},
      {whole("}(K\x01u"), "a key without a value"},
      {whole(")(K\x01K\x01u"), "expected a dictionary to put items into, found a tuple"},
      {whole("(K\x01K\x01u"), "the stack is empty"},
      {whole("X" + little(UINT32_MAX) + "abc"), "4294967295 bytes run past the end"},
      {whole("\x8a\xff"), "a number of 255 bytes"},
      {whole("c" + std::string(10000, 'a')), "does not end within 256 bytes"},
      {whole("K\x01)R"), "expected a name to call, found a number"},
      {whole(global("torch", "FloatStorage") + ")R"), "a storage type is called as a function"},
      {whole(global("collections", "OrderedDict") + "}R"), "expected a tuple of arguments, found a dictionary"},
      {whole(global("collections", "OrderedDict") + ")\x85R"), "an OrderedDict made of 1 arguments"},
      {whole(rebuild + ")R"), "a tensor made of 0 arguments"},
      {whole(global("torch._utils", "_rebuild_parameter") + "(K\x01K\x01K\x01tR"),
       "expected a tensor of a parameter, found a number"},
      {whole(global("torch._utils", "_rebuild_parameter") + ")R"), "a parameter made of 0 arguments"},
      {whole(")}b"), "expected a dictionary to give attributes to, found a tuple"},
      {whole("})b"), "expected a dictionary of attributes, found a tuple"},
      {whole(kTensor + "}b"), "expected a dictionary to give attributes to, found a tensor"},
      {whole("K\x01Q"), "expected a tuple as persistent id, found a number"},
      {whole(")Q"), "a persistent id of 0 items"},
      {whole("(" + text("module") + global("torch", "FloatStorage") + text("0") + text("cpu") + "K\x01tQ"),
       "kind \"module\""},
      {whole("(" + text("storage") + global("collections", "OrderedDict") + text("0") + text("cpu") + "K\x01tQ"),
       "expected a storage type"},
      {whole("(" + text("storage") + text("FloatStorage") + text("0") + text("cpu") + "K\x01tQ"),
       "expected a name as the type"},
      {with_tensor(tensor(storage("FloatStorage", "0", -1), 0, {1}, {1})), "is -1, expected at least 0"},
      {with_tensor(tensor(kStorage, -1, {1}, {1})), "first element is -1"},
      {with_tensor(tensor(kStorage, 0, {-6}, {1})), "shape is -6"},
      {with_tensor(tensor(kStorage, 0, {6}, {-1})), "strides is -1"},
      {with_tensor(tensor(kStorage, 0, {6}, {})), "with strides []"},
      {with_tensor(tensor(kStorage, 1, {2, 3}, {3, 1})), "leaves its storage of 6 elements"},
      {with_tensor(tensor(kStorage, 0, {2, 3}, {4, 1})), "leaves its storage of 6 elements"},
      {with_tensor(tensor(kStorage, 7, {0}, {1})), "leaves its storage of 6 elements"},
      {with_tensor(tensor(kStorage, 0, {INT32_MAX, INT32_MAX, INT32_MAX}, {0, 0, 0})), "sizes overflow"},
      {with_tensor(tensor(kStorage, 0, {2, 3}, {1, 2})), "is not contiguous"},
      {with_tensor(tensor(kStorage, 0, {2, 3}, {0, 0})), "is not contiguous"},
      {with_tensor(tensor(kStorage, 0, std::vector<int32_t>(65, 1), std::vector<int32_t>(65, 1))),
       "of 65 items, expected at most 64"},
      {with_tensor(tensor("K\x01", 0, {1}, {1})), "expected a storage of a tensor, found a number"},
      {with_tensor("}"), "entry \"w\" is a dictionary, expected a tensor"},
      {with_tensor("q\x01h\x01"), "entry \"w\" is a string, expected a tensor"},
      {whole("}q\x01(" + text("self") + "h\x01u"), "entry \"self\" is a dictionary"},  // a dictionary in itself
      {whole("}(K\x01" + kTensor + "u"), "expected a string as the name of a tensor"},
      {whole(dictionary({{"w", kTensor}, {"w", kTensor}})), "tensor \"w\" is there twice"},
      {whole(dictionary({{"w\n", "K\x01"}})), "entry \"w\\x0a\" is a number"},
      {whole(std::string((1 << 20) + 1, '(')), "a stack deeper than"},
      {whole("(" + std::string((1 << 20) + 1, '}')), "a stack deeper than"},
      {whole(")" + std::string((1 << 20) + 1, '\x85')), "more than 1048576 values"},
      {whole(std::string((16 << 20) + 1, ')')), "expected at most 16777216"},
  };
  for (const Case& c : cases) {
    const Caught error = error_of(c.program);
    EXPECT_TRUE(error.thrown) << c.says;
    EXPECT_TRUE(error.says(c.says)) << error.message << " | " << c.says;
    EXPECT_TRUE(error.message.starts_with("data.pkl: byte ")) << error.message;
  }
}

TEST(Pickle, AcceptsAnyStrideOfADimensionOfOne) {
  EXPECT_FALSE(error_of(whole(dictionary({{"w", tensor(kStorage, 0, {1, 6}, {77, 1})}}))).thrown);
  EXPECT_FALSE(error_of(whole(dictionary({{"w", tensor(kStorage, 6, {0, 6}, {77, 99})}}))).thrown);
}

}  // namespace
}  // namespace bgem3
