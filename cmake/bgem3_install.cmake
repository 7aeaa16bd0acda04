# The shared library, and what `cmake --install` and CPack put where (docs/install.md).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Every module in one file. It exports what the public headers declare, and nothing of what it links.
add_library(bgem3_shared SHARED)
foreach(target IN LISTS bgem3_targets)
  target_sources(bgem3_shared PRIVATE $<TARGET_OBJECTS:${target}>)
endforeach()
target_link_libraries(bgem3_shared PRIVATE bgem3)
target_link_options(bgem3_shared PRIVATE -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/install/exports.map)
target_include_directories(bgem3_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(bgem3_shared INTERFACE cxx_std_20)
# While the version is 0.x, each minor version has an ABI of its own.
set_target_properties(bgem3_shared PROPERTIES
  OUTPUT_NAME bgem3 EXPORT_NAME bgem3 LINKER_LANGUAGE CXX LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/install/exports.map
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

install(TARGETS bgem3_shared EXPORT bgem3)
# hub.h is the program's own: the library never touches the network.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/bgem3 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} PATTERN hub.h EXCLUDE)

# find_package(bgem3): the library needs no other package, so its targets are the whole of it.
set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/bgem3)
install(EXPORT bgem3 NAMESPACE bgem3:: FILE bgem3-config.cmake DESTINATION ${cmake_folder})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/bgem3-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bgem3-config-version.cmake DESTINATION ${cmake_folder})

# pkg-config, by the place of its file: the prefix may be moved.
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_pkgconfig /${pkgconfig_folder} /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/install/bgem3.pc.in ${CMAKE_CURRENT_BINARY_DIR}/bgem3.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bgem3.pc DESTINATION ${pkgconfig_folder})

set(doc_folder ${CMAKE_INSTALL_DATADIR}/doc/bgem3)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/install/copyright ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${doc_folder})
install(FILES ${PROJECT_SOURCE_DIR}/examples/embed.c ${PROJECT_SOURCE_DIR}/examples/generator.cc
        DESTINATION ${doc_folder}/examples)

if(BGEM3_BUILD_CLI)
  install(TARGETS bgem3_program)

  # The program itself writes its manual page and completions: FILE made by ARGUMENTS, installed as FOLDER/NAME.
  function(bgem3_written_file file folder name)
    set(path ${CMAKE_CURRENT_BINARY_DIR}/${file})
    add_custom_command(OUTPUT ${path} COMMAND bgem3_program ${ARGN} > ${path} DEPENDS bgem3_program VERBATIM)
    set_property(GLOBAL APPEND PROPERTY bgem3_written_files ${path})
    install(FILES ${path} DESTINATION ${folder} RENAME ${name})
  endfunction()
  bgem3_written_file(bgem3.1 ${CMAKE_INSTALL_MANDIR}/man1 bgem3.1 manual)
  bgem3_written_file(bgem3.bash ${CMAKE_INSTALL_DATADIR}/bash-completion/completions bgem3 completion bash)
  bgem3_written_file(bgem3.zsh ${CMAKE_INSTALL_DATADIR}/zsh/site-functions _bgem3 completion zsh)
  bgem3_written_file(bgem3.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d bgem3.fish completion fish)
  get_property(written_files GLOBAL PROPERTY bgem3_written_files)
  add_custom_target(bgem3_written_files ALL DEPENDS ${written_files})
endif()

# `make deb`: the same files as a Debian package, its dependencies read from the binaries.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME bgem3)
set(CPACK_PACKAGE_CONTACT "the bgem3 authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "text embeddings on CPUs: bge-m3 and BERT sentence encoders")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Turns text into the dense, sparse and multi-vector outputs of BAAI/bge-m3, and
into the vectors of BERT sentence encoders, with the same bits everywhere.
The package has the program bgem3, the library with its C and C++ headers, the
manual page and completions for bash, zsh and fish. It has no model.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/install/debian.cmake)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
