# The helpers every folder declares its targets with.
include(GNUInstallDirs)

function(dime_compile_options target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  # GCC 12 warns of overlapping copies inside its own std::string (its bug 105651), and takes a source among joined
  # ones for a header, whose unnamed namespaces would be a fault.
  target_compile_options(${target} PRIVATE -Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-subobject-linkage>
                                           -fstack-protector-strong)
  if(DIME_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(DIME_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${DIME_SANITIZE} -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS)
    if(DIME_SANITIZE MATCHES undefined)
      # Both cost more compile time than all others together; a null pointer that is used is found anyway.
      target_compile_options(${target} PUBLIC -fno-sanitize=null,vptr)
    endif()
    target_link_options(${target} PUBLIC -fsanitize=${DIME_SANITIZE})
  endif()
endfunction()

# Several files of a target are compiled as one, which parses what they include once (DIME_UNITY).
function(dime_join_sources target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${DIME_UNITY} UNITY_BUILD_BATCH_SIZE 6)
endfunction()

# dime_library(NAME base SRCS a.cc b.cc [DEPS dime::x absl::y])
# Declares the library dime_<name>, known as dime::<name>. DEPS are public: they are what its headers may include.
function(dime_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(dime_${ARG_NAME} STATIC ${ARG_SRCS})
  add_library(dime::${ARG_NAME} ALIAS dime_${ARG_NAME})
  dime_compile_options(dime_${ARG_NAME})
  dime_join_sources(dime_${ARG_NAME})
  target_link_libraries(dime_${ARG_NAME} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# dime_proto_library(NAME records_proto PROTOS proto/a.proto [DEPS dime::x])
# Compiles messages. Includes name them from the root: "runtime/records/proto/a.pb.h".
function(dime_proto_library)
  cmake_parse_arguments(ARG "" "NAME" "PROTOS;DEPS" ${ARGN})
  set(generated)
  foreach(proto ${ARG_PROTOS})
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${proto})
    string(REGEX REPLACE "\\.proto$" "" stem ${path})
    set(outputs ${PROJECT_BINARY_DIR}/generated/${stem}.pb.cc ${PROJECT_BINARY_DIR}/generated/${stem}.pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/generated
      COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR}
              --cpp_out=${PROJECT_BINARY_DIR}/generated ${PROJECT_SOURCE_DIR}/${path}
      DEPENDS ${PROJECT_SOURCE_DIR}/${path} protobuf::protoc
      VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()
  add_library(dime_${ARG_NAME} STATIC ${generated})
  add_library(dime::${ARG_NAME} ALIAS dime_${ARG_NAME})
  target_include_directories(dime_${ARG_NAME} SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(dime_${ARG_NAME} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(DIME_SANITIZE)
    target_compile_options(dime_${ARG_NAME} PRIVATE -fsanitize=${DIME_SANITIZE})
  endif()
endfunction()

# dime_tests(FOLDER ps [PROGRAM ps_programs] FILES table_test.cc snapshot_test.cc DEPS dime::ps)
# Declares one GoogleTest program of these files, test_<program> (test_<folder> if it has no name), and an entry of ctest for
# each file, ps.table, that runs the file's suites. The entry is a `unit` test of five minutes at most until it is told otherwise.
function(dime_tests)
  cmake_parse_arguments(ARG "" "FOLDER;PROGRAM" "FILES;DEPS" ${ARGN})
  set(program test_${ARG_FOLDER})
  if(ARG_PROGRAM)
    set(program test_${ARG_PROGRAM})
  endif()
  add_executable(${program} ${ARG_FILES})
  dime_compile_options(${program})
  dime_join_sources(${program})
  target_compile_options(${program} PRIVATE $<$<CONFIG:Release>:-O1>)  # What is tested is as fast as ever; the tests need not be.
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${program} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  foreach(file ${ARG_FILES})
    string(REGEX REPLACE "_test\\.cc$" "" stem ${file})
    dime_test_filter(${file} filter)
    add_test(NAME ${ARG_FOLDER}.${stem} COMMAND ${program} --gtest_filter=${filter})
    set_tests_properties(${ARG_FOLDER}.${stem} PROPERTIES LABELS unit TIMEOUT 300)
    set_property(GLOBAL APPEND_STRING PROPERTY DIME_TEST_ENTRIES
      "$<TARGET_FILE:${program}>\t${CMAKE_CURRENT_SOURCE_DIR}/${file}\t${filter}\n")
  endforeach()
endfunction()

# dime_test_filter(table_test.cc filter)
# Sets `filter` to what makes GoogleTest run the suites of this file. Configures anew when the file changes: it may have more then.
function(dime_test_filter file out)
  set(path ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(READ ${path} text)
  string(REGEX MATCHALL "\n(TEST|TEST_F|TEST_P|TYPED_TEST)\\([A-Za-z0-9_]+" tests "${text}")
  list(TRANSFORM tests STRIP)
  set(patterns ${tests})
  list(TRANSFORM patterns REPLACE "^(TEST|TEST_F)\\((.+)" "\\2.*")
  list(TRANSFORM patterns REPLACE "^TEST_P\\((.+)" "\\1.*:*/\\1.*")  # An instantiation may be without a name.
  list(TRANSFORM patterns REPLACE "^TYPED_TEST\\((.+)" "\\1/*.*")
  list(REMOVE_DUPLICATES patterns)
  if(NOT patterns)
    message(FATAL_ERROR "${path} has no line that starts with TEST(, TEST_F(, TEST_P( or TYPED_TEST(: it would never run")
  endif()
  list(JOIN patterns ":" filter)
  set(${out} ${filter} PARENT_SCOPE)

  # Entries of ctest go by suites: one that two files share would run twice, and mix their fixtures.
  list(TRANSFORM tests REPLACE ".*\\(" "")
  list(REMOVE_DUPLICATES tests)
  foreach(suite ${tests})
    get_property(other DIRECTORY PROPERTY DIME_SUITE_${suite})
    if(other)
      message(FATAL_ERROR "${other} and ${path} both have a suite ${suite}: name one otherwise")
    endif()
    set_property(DIRECTORY PROPERTY DIME_SUITE_${suite} ${file})
  endforeach()
endfunction()
