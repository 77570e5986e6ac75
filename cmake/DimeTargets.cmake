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

# dime_test(NAME ops.loss SRCS loss_test.cc DEPS dime::ops [LABELS unit])
# Declares a GoogleTest program and its ctest entry. LABELS: unit (default), interop, slow.
function(dime_test)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS;LABELS" ${ARGN})
  string(REPLACE "." "_" target test_${ARG_NAME})
  add_executable(${target} ${ARG_SRCS})
  dime_compile_options(${target})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${ARG_NAME} COMMAND ${target})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  set_tests_properties(${ARG_NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 120)
endfunction()
