# The commands of this repository; `make help` lists them. Each one does what
# it needs first: `make demo` on a bare machine sets up and builds.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The cuda preset where a GPU and its compiler are, else release.
PRESET ?= $(shell if nvidia-smi -L >/dev/null 2>&1 && \
  { command -v nvcc || test -x /usr/local/cuda/bin/nvcc; } >/dev/null 2>&1; \
  then echo cuda; else echo release; fi)
# Compile jobs: one a core, but a unit that trains takes up to 2 GiB.
JOBS ?= $(shell awk -v cores="$$(nproc)" '/MemAvailable/ \
  {jobs = int($$2 / 2097152); if (jobs > cores) jobs = cores; \
   print jobs < 1 ? 1 : jobs}' /proc/meminfo)
BUILD := build/$(PRESET)
OPERANT := $(BUILD)/cli/operant
# Seconds that set-up and build took, for the demo's report.
PHASES := build/phases

export TORCH_DIR
CMAKE_FLAGS := $(if $(TORCH_DIR),-DTORCH_DIR=$(abspath $(TORCH_DIR)))

# timed NAME,COMMAND: runs COMMAND and notes its seconds.
timed = mkdir -p $(PHASES); start=$$SECONDS; $(2); \
  echo $$((SECONDS - start)) > $(PHASES)/$(1)

# compile TARGET
compile = cmake --preset $(PRESET) $(CMAKE_FLAGS) -Wno-dev \
  --log-level=WARNING >/dev/null; \
  cmake --build $(BUILD) --parallel $(JOBS) --target $(1)

.PHONY: help setup build program demo test bench chaos watch-check watch-costs reward-costs deploy-check lint format oracle clean

help:  ## Show this list
	@echo 'Operant: reinforcement learning of language models, as a service'
	@echo
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
	  while IFS=$$'\t' read -r name text; do \
	    printf '  make %-11s %s\n' "$$name" "$$text"; done
	@echo
	@echo '  PRESET=$(PRESET) (dev, release, asan, tsan, clang, cuda)  JOBS=$(JOBS)'
	@echo '  TORCH_DIR=DIR uses a LibTorch 2.11 of your own'

setup:  ## Install what is missing: Debian packages and LibTorch (idempotent)
	@$(call timed,setup,deploy/setup.sh)

build: setup  ## Compile everything into build/PRESET
	@$(call timed,build,$(call compile,all))

# Without the tests and benchmarks: all that a run needs.
program: setup
	@$(call timed,build,$(call compile,operant))

demo: program  ## Make an unreliable model reliable (QUICK=1: in two minutes)
	@$(OPERANT) demo $(if $(QUICK),--quick) --phases $(PHASES)

test: build  ## Build, then run every test; ends with ctest's summary
	@ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS)

bench: build  ## Run the benchmarks (BENCH=push: those with "push" in the name)
	@shopt -s nullglob; ran=0; \
	for program in $(BUILD)/bench/*$(BENCH)*; do \
	  [ -f "$$program" ] && [ -x "$$program" ] || continue; \
	  echo "== $$program"; "$$program"; ran=1; \
	done; \
	[ $$ran = 1 ] || { echo "no benchmark matches BENCH=$(BENCH)" >&2; exit 64; }

chaos: build  ## Prove that nothing is lost (SECONDS=n SEED=s)
	@tests/chaos/chaos.py --build-dir $(BUILD) \
	  $(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS)) \
	  $(if $(SEED),--seed $(SEED))

watch-check: program  ## Plant faults in real runs: the right alerts fire
	@deploy/setup.sh --watch
	@python3 bench/watch/check.py $(OPERANT)

watch-costs: program  ## Measure what scrapes and TLS cost (quiet machine)
	@python3 bench/watch/costs.py $(OPERANT)

reward-costs: program  ## Measure what a slow reward server costs (quiet machine)
	@python3 bench/reward_latency.py $(OPERANT)

deploy-check: build  ## Try rendered manifests with the schedulers' own tools
	@deploy/setup.sh --deploy
	@/usr/bin/python3 tests/deploy/deploy_check.py $(OPERANT)

lint:  ## Check format (clang-format) and bugs (clang-tidy)
	@deploy/setup.sh --lint
	@deploy/lint.sh $(JOBS)

format:  ## Format the tracked C++ files in place
	@git ls-files '*.h' '*.cc' | xargs clang-format -i

oracle: build  ## Compare with transformers, tokenizers, TRL and NumPy
	@deploy/setup.sh --oracle
	@.deps/oracle/bin/python tests/oracle/run_oracles.py --build-dir $(BUILD)

clean:  ## Remove build/ (keeps .deps/ and runs/)
	@rm -rf build
