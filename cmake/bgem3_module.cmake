# One folder under src/ is one static library, its unit tests one program beside it.
#   bgem3_module(tokenizer SOURCES a.cc b.cc TESTS a_test.cc DEPENDS base LIBRARIES simdjson::simdjson)

set(bgem3_compile_options -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    # Same bits everywhere: only explicit fused multiply-adds, no fast-math.
    -ffp-contract=off -fno-fast-math -fvisibility=hidden)
if(BGEM3_WERROR)
  list(APPEND bgem3_compile_options -Werror)
endif()
if(BGEM3_SANITIZE)
  list(APPEND bgem3_compile_options -fsanitize=${BGEM3_SANITIZE} -fno-omit-frame-pointer)
  if(BGEM3_SANITIZE MATCHES "undefined")
    list(APPEND bgem3_compile_options -fno-sanitize-recover=undefined)
  endif()
  add_link_options(-fsanitize=${BGEM3_SANITIZE})
endif()

function(bgem3_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;TESTS;DEPENDS;LIBRARIES" ${ARGN})
  add_library(bgem3_${name} STATIC ${arg_SOURCES})
  target_include_directories(bgem3_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                             PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(bgem3_${name} PRIVATE ${bgem3_compile_options})
  list(TRANSFORM arg_DEPENDS PREPEND bgem3_)
  target_link_libraries(bgem3_${name} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_LIBRARIES})
  if(BGEM3_BUILD_TESTS AND arg_TESTS)
    bgem3_test(${name}_test SOURCES ${arg_TESTS} LIBRARIES bgem3_${name} ${arg_LIBRARIES})
  endif()
endfunction()

# A GoogleTest program; each of its tests is one ctest entry, label `fast` unless LABEL says otherwise.
function(bgem3_test name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL fast)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${bgem3_compile_options})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${arg_LABEL})
endfunction()
