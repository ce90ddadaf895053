# Everything here is a Debian package that deploy/setup.sh installs.
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)

# gRPC's inline headers use symbols of many Abseil libraries; pkg-config names
# them all.
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(PROMETHEUS_CPP REQUIRED IMPORTED_TARGET prometheus-cpp-core)
# Their only flags are macros for Windows, one of which would invalidate the
# precompiled torch/torch.h.
foreach(package GRPCPP UTF8PROC)
  set_property(TARGET PkgConfig::${package} PROPERTY INTERFACE_COMPILE_OPTIONS "")
endforeach()
find_library(CPPHTTPLIB_LIBRARY cpp-httplib REQUIRED)

find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
