# Functions every room uses. One call per library, program or test; no directory-wide commands, no globs.

# What all our code is compiled with: warnings are errors, includes are rooted at the repository.
add_library(octile_flags INTERFACE)
target_include_directories(octile_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(octile_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror
                       -ffp-contract=off
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # GCC 12 sees overlaps in std::string that are not there
if(OCTILE_SANITIZE)
  target_compile_options(octile_flags INTERFACE -fsanitize=${OCTILE_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # GCC sees some in std::regex then
  target_link_options(octile_flags INTERFACE -fsanitize=${OCTILE_SANITIZE})
endif()

# AVX-512 as every target with VNNI has it, for files that are compiled for it.
set(OCTILE_AVX512 -mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl)

# octile_library(<name> SOURCES ... [DEPS ...])   static, position independent
function(octile_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE octile_flags)
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}")
endfunction()

# octile_program(<name> SOURCES ... [DEPS ...])   lands in <build>/bin
function(octile_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} octile_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# octile_test(<name> LABEL <unit|conformance|golden|architecture|integration> SOURCES ... [DEPS ...])   GoogleTest
# The target `unit-tests` builds those labelled unit.
function(octile_test name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gtest_main octile_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT 300)
  if(arg_LABEL STREQUAL "unit")
    if(NOT TARGET unit-tests)
      add_custom_target(unit-tests)
    endif()
    add_dependencies(unit-tests ${name})
  endif()
endfunction()
