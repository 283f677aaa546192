# onebit.h needs no build; this file builds the programs around it and runs its tests.
#
#   make CC=clang CFLAGS=-O2      another compiler, other flags
#   make OPENMP=                  without threads

# One compiler for each processor; -jN on the command line says otherwise.
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)

CFLAGS ?= -O3
WARN = -Wall -Wextra
PREFIX ?= /usr/local
BUILD = build

# -fopenmp, when a program that uses it can be compiled and linked.
OPENMP_PROBE = '\#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n'
OPENMP := $(shell mkdir -p $(BUILD) && printf $(OPENMP_PROBE) >$(BUILD)/probe.c && \
            $(CC) -fopenmp $(BUILD)/probe.c -o $(BUILD)/probe 2>/dev/null && echo -fopenmp)

# On a machine that others use too, waiting threads that spin cost more than they save: measured 20
# times slower training with two threads on two busy cores.
export OMP_WAIT_POLICY ?= passive

EXAMPLES = $(patsubst examples/%.c,$(BUILD)/onebit-%,$(wildcard examples/*.c))
PROGRAMS = $(EXAMPLES) $(BUILD)/onebit-corpus

all: $(PROGRAMS) ## build every example and the corpus program into build/ (the default)
	@if [ -z "$(OPENMP)" ]; then \
	  echo "$(CC) cannot link -fopenmp here, so these programs run on one thread."; fi

# The implementation is compiled once; with ONEBIT_IMPLEMENTED the examples see only declarations.
# "cc examples/NAME.c -lm" does both in one go, and make check proves it.
$(BUILD)/onebit.o: onebit.h $(BUILD)/flags
	$(CC) $(CFLAGS) $(WARN) $(OPENMP) -DONEBIT_IMPLEMENTATION -x c -c onebit.h -o $@

$(BUILD)/onebit-%: examples/%.c $(wildcard examples/*.h) onebit.h $(BUILD)/onebit.o
	$(CC) $(CFLAGS) $(WARN) $(OPENMP) -DONEBIT_IMPLEMENTED $< $(BUILD)/onebit.o -o $@ -lm

# These two look inside the header and bring their own copy, so they need not wait for onebit.o.
# Inspecting is reading, so half the time to compile is worth more than -O3.
$(BUILD)/onebit-inspect: CFLAGS := $(CFLAGS:-O3=-O2)
$(BUILD)/onebit-bench $(BUILD)/onebit-inspect: $(BUILD)/onebit-%: examples/%.c \
    $(wildcard examples/*.h) onebit.h $(BUILD)/flags
	$(CC) $(CFLAGS) $(WARN) $(OPENMP) $< -o $@ -lm

$(BUILD)/onebit-corpus: tools/corpus.c $(BUILD)/flags
	$(CC) $(CFLAGS) $(WARN) $< -o $@ -lm

$(BUILD)/lint: tools/lint.c $(BUILD)/flags
	$(CC) -O1 $(WARN) $< -o $@

$(BUILD)/test-run: $(wildcard tests/*.c tests/*.h) tests/fuzz/fuzz.c onebit.h $(BUILD)/flags
	$(CC) -O1 $(WARN) -Wno-unused-value $(OPENMP) tests/run.c -o $@ -lm

# Rewritten only when the compiler or its flags change, so that everything is then built again.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(CFLAGS) $(WARN) $(OPENMP)' | cmp -s - $@ || \
	  echo '$(CC) $(CFLAGS) $(WARN) $(OPENMP)' >$@

demo: all ## make a corpus, train a ternary model and its float twin, compare, generate (4 minutes)
	@sh tools/demo.sh $(BUILD)

test: all $(BUILD)/test-run ## the tests: unit, GPU kernels on the CPU, programs, corpus (about 5 minutes)
	@sh tests/count.sh --two '$(BUILD)/test-run' 'sh tests/ops.sh $(BUILD)' \
	  'sh tests/cli.sh $(BUILD)' '$(BUILD)/onebit-corpus --check'

check: all $(BUILD)/lint ## the deeper set: sanitizers, crashes, compile matrix, nvcc, lint
	@sh tests/count.sh --two 'sh tests/sanitize.sh $(BUILD)' 'sh tests/matrix.sh' \
	  'sh tests/same.sh $(BUILD)' 'sh tests/nvcc.sh $(BUILD)' 'sh tests/crash.sh $(BUILD) --quick' \
	  'sh tests/lint.sh $(BUILD)'

crash: all ## kill and fail the programs at every system call of a save (needs strace)
	@sh tests/crash.sh $(BUILD)

SECONDS = 60
fuzz: ## fuzz every reader with clang's libFuzzer, SECONDS=60 each
	@sh tests/fuzz/run.sh $(BUILD) $(SECONDS)

seeds: $(BUILD)/flags ## write the first inputs of the fuzz targets anew, when a format has changed
	$(CC) -O1 $(WARN) tests/fuzz/seed.c -o $(BUILD)/seed -lm
	$(BUILD)/seed tests/fuzz/corpus

coverage: ## line and branch coverage of onebit.h by the unit tests, floor by floor
	@sh tools/coverage.sh $(BUILD)

same: ## the same tokens and logits from every compiler, instruction set and machine that is here
	@sh tests/same.sh $(BUILD)

bench: all ## measure this machine and the kernels, a model, training; adds a line to tools/bench/history.jsonl
	@sh tools/bench.sh $(BUILD)

matrix: ## compile with every compiler, standard and flag; header hygiene; symbols
	@sh tests/matrix.sh

lint: $(BUILD)/lint ## measure onebit.h against the limits of its design
	@sh tests/lint.sh $(BUILD)

install: ## copy onebit.h and onebit_cuda.h to $(PREFIX)/include
	mkdir -p '$(DESTDIR)$(PREFIX)/include'
	cp onebit.h onebit_cuda.h '$(DESTDIR)$(PREFIX)/include/'

# "make clean all" in that order.
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

FORCE:
.PHONY: all demo test check crash fuzz seeds coverage same bench matrix lint install clean help FORCE
.DELETE_ON_ERROR:
