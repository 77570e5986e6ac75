# What a user may choose when configuring, with the choice that is made for them.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

option(DIME_DEVELOPER "Build the tests and benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(DIME_WERROR "Turn compiler warnings into errors" OFF)
option(DIME_UNITY "Compile several files as one: a whole build takes a third of the time, one after an edit longer" ON)
option(DIME_FUZZ "Build the fuzz targets, too, which takes clang" OFF)
set(DIME_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize takes them")

foreach(feature CUDA NCCL MPI)
  set(DIME_WITH_${feature} AUTO CACHE STRING "Build the ${feature} plug-in: AUTO, ON or OFF")
  set_property(CACHE DIME_WITH_${feature} PROPERTY STRINGS AUTO ON OFF)
  if(NOT DIME_WITH_${feature} MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "DIME_WITH_${feature} is '${DIME_WITH_${feature}}': use AUTO, ON or OFF")
  endif()
endforeach()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/dime)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib/dime")

# Paths are taken relative to the sources, so that another clone of them finds what this one compiled.
find_program(DIME_CCACHE ccache)
if(DIME_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=true ${DIME_CCACHE})
endif()
