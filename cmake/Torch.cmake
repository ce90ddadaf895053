# LibTorch from the PyPI wheel (or any 2.11 folder given by TORCH_DIR).
#
# `operant_torch` carries the include folders with -idirafter: the wheel ships
# old google/protobuf and fmt headers, which must never come before the
# system's.
if(NOT EXISTS "${TORCH_DIR}/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "no LibTorch at TORCH_DIR=${TORCH_DIR}; run `make setup` "
                      "or pass -DTORCH_DIR=FOLDER of a LibTorch 2.11")
endif()
file(STRINGS "${TORCH_DIR}/include/torch/headeronly/version.h" TORCH_VERSION_LINES
     REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX MATCHALL "[0-9]+" TORCH_VERSION_NUMBERS "${TORCH_VERSION_LINES}")
if(TORCH_VERSION_NUMBERS AND NOT "${TORCH_VERSION_NUMBERS}" STREQUAL "2;11")
  message(FATAL_ERROR "LibTorch at ${TORCH_DIR} is version ${TORCH_VERSION_NUMBERS}; Operant needs 2.11")
endif()

get_filename_component(TORCH_PARENT "${TORCH_DIR}" DIRECTORY)
file(GLOB OPERANT_NVIDIA_LIB_DIRS "${TORCH_PARENT}/nvidia/*/lib")

add_library(operant_torch INTERFACE)
target_compile_options(operant_torch INTERFACE
  "SHELL:-idirafter ${TORCH_DIR}/include"
  "SHELL:-idirafter ${TORCH_DIR}/include/torch/csrc/api/include")
target_link_directories(operant_torch INTERFACE "${TORCH_DIR}/lib")
target_link_libraries(operant_torch INTERFACE torch_cpu c10)
target_link_options(operant_torch INTERFACE
  "-Wl,-rpath,${TORCH_DIR}/lib"
  "-Wl,--unresolved-symbols=ignore-in-shared-libs")
foreach(dir IN LISTS OPERANT_NVIDIA_LIB_DIRS)
  target_link_options(operant_torch INTERFACE "-Wl,-rpath,${dir}")
endforeach()

# One precompiled torch/torch.h for every target that trains.
# Written only when it changes: a newer file would build the header again after
# every run of cmake, and with it everything that trains.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/torch_pch.cc"
     CONTENT "// owns the precompiled header\n")
add_library(operant_torch_pch STATIC "${CMAKE_BINARY_DIR}/torch_pch.cc")
target_link_libraries(operant_torch_pch PUBLIC operant_torch)
target_precompile_headers(operant_torch_pch PRIVATE <torch/torch.h>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(operant_torch_pch PRIVATE -fpch-preprocess)
endif()
