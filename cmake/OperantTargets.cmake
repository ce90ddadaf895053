# operant_library(NAME SOURCES a.cc ... DEPS target ... [TORCH])
# A folder's library. Includes are written from the repository's root. TORCH:
# its sources use torch/torch.h (precompiled).
function(operant_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  if(ARG_TORCH)
    operant_use_torch(${name})
  endif()
endfunction()

# operant_test(NAME SOURCES a_test.cc ... DEPS target ... [TORCH]
#              [LABELS unit|integration|gpu] [TIMEOUT seconds])
# One GoogleTest program and one ctest line of the same name.
function(operant_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  if(ARG_TORCH)
    operant_use_torch(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# Gives `name` LibTorch. Only sources that include torch/torch.h load the
# precompiled header: it is hundreds of megabytes, and reading it costs the
# others more than all they compile.
function(operant_use_torch name)
  target_link_libraries(${name} PUBLIC operant_torch)
  target_precompile_headers(${name} REUSE_FROM operant_torch_pch)
  # A program would be compiled with -fPIE, which the header was not; the last
  # flag wins.
  target_compile_options(${name} PRIVATE -fPIC)
  get_target_property(sources ${name} SOURCES)
  foreach(source IN LISTS sources)
    get_filename_component(path "${source}" ABSOLUTE)
    file(STRINGS "${path}" uses REGEX "#include <torch/torch.h>")
    if(uses)
      if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS -fpch-preprocess)
      endif()
    else()
      set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
endfunction()
