# CUDA's compiler and runtime, and NCCL: of the wheels that set-up installs
# where a GPU is, else of the CUDA tool kit.
if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(CMAKE_CUDA_COMPILER nvcc HINTS /usr/local/cuda/bin REQUIRED)
endif()
set(CMAKE_CUDA_ARCHITECTURES 80 90)
set(CMAKE_CUDA_STANDARD 17)  # all that CMake 3.25 knows of
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

set(OPERANT_NCCL_WHEEL "${TORCH_PARENT}/nvidia/nccl")
find_path(NCCL_INCLUDE_DIR nccl.h REQUIRED
  HINTS "${OPERANT_NCCL_WHEEL}/include" ${CUDAToolkit_INCLUDE_DIRS})
# The wheel has no libnccl.so without a version.
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 REQUIRED
  HINTS "${OPERANT_NCCL_WHEEL}/lib" "${CUDAToolkit_LIBRARY_DIR}")

add_library(operant_nccl INTERFACE)
target_include_directories(operant_nccl SYSTEM INTERFACE "${NCCL_INCLUDE_DIR}")
target_link_libraries(operant_nccl INTERFACE
  operant_torch c10_cuda "${NCCL_LIBRARY}" CUDA::cudart)
