# One fuzz target: fuzz/<name>.cc defines LLVMFuzzerTestOneInput. With clang it is a libFuzzer program (preset `fuzz`); with any other
# compiler a program that replays files. Either way ctest replays fuzz/corpus/<name>, label `fast`.
#   bgem3_fuzz(safetensors_fuzz LIBRARIES bgem3_model)

function(bgem3_fuzz name)
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  add_executable(${name} ${name}.cc)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${bgem3_compile_options})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name}.corpus COMMAND ${name} -runs=0 ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  else()
    target_sources(${name} PRIVATE replay_main.cc)
    add_test(NAME ${name}.corpus COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  endif()
  set_tests_properties(${name}.corpus PROPERTIES LABELS fast)
endfunction()
