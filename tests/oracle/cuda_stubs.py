#!/usr/bin/env python3
"""Makes PyTorch's CUDA wheel importable on a machine without CUDA's packages.

The wheel from PyPI links to gigabytes of CUDA libraries, none of which runs in
a comparison on the CPU. This writes, for each of them that is missing, a small
shared library of the same name whose functions abort if anything calls them.

    cuda_stubs.py TORCH_FOLDER OUT_FOLDER
    LD_LIBRARY_PATH=OUT_FOLDER python3 -c 'import torch'

Needs readelf and a C compiler.
"""
import collections
import glob
import os
import re
import subprocess
import sys

# Name in front of the versions of each library's symbols, or of the symbols
# themselves where they carry none.
CUDA_LIBRARIES = {
    "libcublas.so.13": "cublas[A-Z]|cublas_",
    "libcublasLt.so.13": "cublasLt",
    "libcudnn.so.9": "cudnn",
    "libcufft.so.12": "cufft",
    "libcufile.so.0": "cuFile",
    "libcurand.so.10": "curand",
    "libcusolver.so.12": "cusolver",
    "libcusparse.so.12": "cusparse(?!Lt)",
    "libcusparseLt.so.0": "cusparseLt",
    "libnccl.so.2": "p?nccl",
    "libnvshmem_host.so.3": "nvshmem",
}


def run(*command):
  return subprocess.run(command, check=True, capture_output=True,
                        text=True).stdout


def undefined_symbols(library):
  """Yields (symbol, version or '') of what `library` needs from others."""
  for line in run("readelf", "--dyn-syms", "-W", library).splitlines():
    columns = line.split()
    if len(columns) < 8 or columns[6] != "UND":
      continue
    name, _, version = columns[7].partition("@")
    yield name, version.lstrip("@")


def owner(symbol):
  matches = [
      library for library, pattern in CUDA_LIBRARIES.items()
      if re.match(pattern, symbol)
  ]
  return max(matches, key=lambda m: len(CUDA_LIBRARIES[m]), default=None)


def write_stub(folder, library, symbols):
  """`symbols`: version -> set of names."""
  source = os.path.join(folder, library + ".c")
  script = os.path.join(folder, library + ".map")
  with open(source, "w") as out:
    out.write("#include <stdlib.h>\n")
    for name in sorted(set().union(*symbols.values(), set())):
      out.write(f"void {name}(void) {{ abort(); }}\n")
  with open(script, "w") as out:
    for version, names in sorted(symbols.items()):
      if version:
        out.write(f"{version} {{ global: {'; '.join(sorted(names))}; }};\n")
  versions = [f"-Wl,--version-script={script}"] if any(symbols) else []
  run("cc", "-shared", "-fPIC", "-O1", "-w", "-fno-builtin", source, *versions,
      f"-Wl,-soname,{library}", "-o", os.path.join(folder, library))
  os.remove(source)
  os.remove(script)


def main():
  torch, out = sys.argv[1:3]
  os.makedirs(out, exist_ok=True)
  stubs = {name: collections.defaultdict(set) for name in CUDA_LIBRARIES}
  for library in glob.glob(os.path.join(torch, "lib", "lib*.so")):
    for symbol, version in undefined_symbols(library):
      if owner(symbol):
        stubs[owner(symbol)][version].add(symbol)
  for library, symbols in stubs.items():
    write_stub(out, library, symbols)
  # The two CUDA libraries that are installed beside the wheel.
  real = os.path.join(torch, "..", "nvidia", "*", "lib", "lib*.so.*")
  for path in glob.glob(real):
    link = os.path.join(out, os.path.basename(path))
    if not os.path.lexists(link):
      os.symlink(os.path.abspath(path), link)


if __name__ == "__main__":
  main()
