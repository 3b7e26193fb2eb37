# pathcount: `make help` lists the targets.
#
# Objects go to build/VARIANT/obj/. Each variant has its own folder, so that building one does not
# invalidate another: release (the default), address, undefined, thread, coverage (with the address
# sanitizer), fuzzer (only with clang); with CC=clang the name begins with clang-. The programs are in
# build/VARIANT/, those of release in build/.

VERSION := 0.1.0
CC := gcc
PREFIX ?= /usr/local
PORT ?= 9090
V ?= 0
# Runs a program of tests/, which imports tests/harness.
PYTHON := PYTHONPATH=$(CURDIR)/tests /usr/bin/python3

SANITIZER ?=
export SANITIZER
VARIANT := $(if $(filter gcc cc,$(CC)),,$(notdir $(CC))-)$(or $(SANITIZER),release)
O := build/$(VARIANT)/obj
BIN := $(if $(filter release,$(VARIANT)),build,build/$(VARIANT))
PROGRAMS := $(BIN)/counter-svc $(BIN)/render-svc

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 \
	-Wno-format-zero-length -Wno-format-nonliteral -Wundef -Wvla -Wpointer-arith \
	-Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection \
	$(if $(SANITIZER),,-D_FORTIFY_SOURCE=2)
# The options of compiler and linker for each variant.
sanitize_address := -fsanitize=address,undefined
sanitize_undefined := -fsanitize=undefined
sanitize_thread := -fsanitize=thread
sanitize_fuzzer := -fsanitize=fuzzer-no-link,address,undefined
sanitize_coverage := $(sanitize_address) --coverage -fprofile-update=atomic
SANITIZE := $(if $(SANITIZER),$(or $(sanitize_$(SANITIZER)),$(error no SANITIZER=$(SANITIZER))) \
	-fno-sanitize-recover=all -fno-omit-frame-pointer)

CPPFLAGS += -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -DPATHCOUNT_VERSION='"$(VERSION)"' -I. \
	-isystem /usr/include/postgresql $(if $(SANITIZER),-DPATHCOUNT_SANITIZED)
CFLAGS ?= $(if $(filter coverage,$(SANITIZER)),-O1,-O2) -g
ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(HARDENING) $(SANITIZE) $(CFLAGS)
LDFLAGS += -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed $(SANITIZE)
LDLIBS_COMMON := -lh2o-evloop -lssl -lcrypto -lz -lyaml -ljansson -lseccomp -lunistring -lpthread

COMMON_SRC := $(wildcard base/*.c proto/*.c server/*.c server/*/*.c)
COUNTER_SRC := $(wildcard counter-svc/*.c counter-svc/*/*.[cS])
RENDER_SRC := $(wildcard render-svc/*.c render-svc/*/*.[cS])
UNIT_SRC := $(wildcard tests/unit/test_*.c)
SQL := $(wildcard counter-svc/ledger/sql/*.sql counter-svc/ledger/schema/*.sql)
ASSETS := $(wildcard render-svc/assets/*)

objects = $(patsubst %,$(O)/%.o,$(basename $(1)))
COMMON_OBJ := $(call objects,$(COMMON_SRC))

COUNTER_OBJ := $(call objects,$(COUNTER_SRC))
RENDER_OBJ := $(call objects,$(RENDER_SRC))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(UNIT_SRC))

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)')

.PHONY: all
all: $(PROGRAMS) $(if $(filter release,$(VARIANT)),compile_commands.json) ## build both programs (CC=clang, SANITIZER=address|undefined|thread, V=1)

# The programs of any variant by their short names.
.PHONY: counter-svc render-svc
counter-svc: $(BIN)/counter-svc
render-svc: $(BIN)/render-svc

$(BIN)/counter-svc: $(COUNTER_OBJ) $(COMMON_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_COMMON) -lpq

$(BIN)/render-svc: $(RENDER_OBJ) $(COMMON_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_COMMON) -lpcre2-8

# A unit test may use any module of either program, except main().
$(O)/libcommon.a: $(COMMON_OBJ) $(filter-out %/main.o,$(COUNTER_OBJ) $(RENDER_OBJ))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/tests/unit/%: $(O)/tests/unit/%.o $(O)/libcommon.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ -lcmocka $(LDLIBS_COMMON) -lpq -lpcre2-8

# The fuzzers, with CC=clang SANITIZER=fuzzer.
FUZZERS := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# Functions that tests replace: those of the loop, and calls to counter-svc or PostgreSQL.
WRAPPED_LOOP := jitter timer_start_after timer_stop timer_is_waiting worker_defer deferred_cancel
$(O)/tests/fuzz/fuzz_lanes $(addprefix $(O)/tests/unit/,test_lane test_lanes test_reads): WRAPPED := \
	$(WRAPPED_LOOP) counter_call counter_call_cancel
$(O)/tests/unit/test_lane: WRAPPED += batch_sort
$(O)/tests/unit/test_http_client_invariants: WRAPPED := h2o_socket_connect
$(O)/tests/unit/test_counter_client: WRAPPED := $(WRAPPED_LOOP) resolver_start http_call http_call_cancel
$(O)/tests/unit/test_session_invariants: WRAPPED := $(WRAPPED_LOOP) session_open

$(FUZZERS): %: %.o $(O)/libcommon.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS_COMMON) -lmsgpackc -lpq -lpcre2-8

# Libraries that tests preload into a program: failing system calls, an adjustable clock. Without sanitizers.
PRELOADED := $(BIN)/faultlib.so $(BIN)/clock.so

$(PRELOADED): $(BIN)/%.so: tests/faultlib/%.c Makefile
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(if $(SANITIZER),-DPATHCOUNT_SANITIZED) $(WARNINGS) -O2 -g \
		-fPIC -shared -o $@ $<

# The programs of the benchmark, built like the services.
BENCH_PROGRAMS := $(O)/tests/bench/client $(O)/tests/bench/peers/h2o_constant

$(BENCH_PROGRAMS): %: %.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lh2o-evloop -lssl -lcrypto -lpthread

# The benchmark of the messages between the services, in every encoding that was considered.
BENCH_ENCODING := $(O)/tests/bench/encoding

$(BENCH_ENCODING): %: %.o $(O)/libcommon.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lmpack -lmsgpackc $(LDLIBS_COMMON) -lpq -lpcre2-8

.PHONY: fault-programs
fault-programs: $(PRELOADED) $(BENCH_PROGRAMS)

$(O)/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/%.o: %.S Makefile
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -c -o $@ $<

$(O)/counter-svc/ledger/sql.o: $(SQL)
$(O)/render-svc/html/assets_files.o: $(ASSETS)
$(O)/render-svc/public/openapi_file.o: proto/public-api.yml
$(O)/render-svc/public/bots_file.o: render-svc/bots/isbot.txt

-include $(patsubst %.o,%.d,$(COMMON_OBJ) $(COUNTER_OBJ) $(RENDER_OBJ) $(UNIT_TESTS:=.o) \
	$(BENCH_PROGRAMS:=.o) $(BENCH_ENCODING).o $(FUZZERS:=.o))
.SECONDARY:

# The compile command of each C file, for clangd and other tools. Written at each build, and replaced only if
# it has changed.
C_SRC := $(COMMON_SRC) $(filter %.c,$(COUNTER_SRC) $(RENDER_SRC)) $(UNIT_SRC) \
	$(wildcard tests/bench/*.c tests/bench/peers/*.c tests/fuzz/*.c tests/faultlib/*.c)
json_of = $(subst ",\",$(subst \,\\,$(1)))
compile_command = {"directory": "$(CURDIR)", "file": "$(1)",\
	"command": "$(call json_of,$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $(1))"}
comma := ,

.PHONY: compile_commands.json
compile_commands.json:
	@$(shell mkdir -p $(O))$(file >$(O)/$@,[$(call compile_command,$(firstword $(C_SRC))))$(foreach \
		one,$(wordlist 2,$(words $(C_SRC)),$(C_SRC)),$(file >>$(O)/$@,$(comma)$(call \
		compile_command,$(one))))$(file >>$(O)/$@,])cmp -s $(O)/$@ $@ || cp $(O)/$@ $@

# --- running ---

.PHONY: run
run: ## install missing packages, start PostgreSQL and both services (PORT=9090)
	@tools/need build run
	@exec $(MAKE) --no-print-directory -j$$(nproc) all
	@PORT=$(PORT) exec setpriv --pdeathsig TERM tools/run

MAN_PAGES := $(patsubst docs/man/%.in,build/man/%,$(wildcard docs/man/*-svc.8.in))

.PHONY: man
man: $(MAN_PAGES) ## the programs' man pages, from their --help and docs/man/: build/man/

build/man/%.8: docs/man/%.8.in docs/man/service.8.in tools/man $(BIN)/%
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BIN)/$* --help | tools/man -v version=$(VERSION) docs/man/$*.8.in \
		docs/man/service.8.in - >$@.new
	$(Q)mv $@.new $@

.PHONY: install
install: all man ## copy programs and man pages to $(DESTDIR)$(PREFIX)/{bin,share/man}
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man8'
	install -m 755 $(PROGRAMS) '$(DESTDIR)$(PREFIX)/bin'
	install -m 644 $(MAN_PAGES) '$(DESTDIR)$(PREFIX)/share/man/man8'

# --- testing ---

# Only root can create a lab of hosts. For other users its tests are skipped.
ROOT_HERE := $(filter 0,$(shell id -u))

# The purposes of tools/need for each plan.
NEED_TEST := build test page lint $(if $(ROOT_HERE),operation lab)
NEED_TEST_ALL := $(NEED_TEST) model operation security bench $(if $(ROOT_HERE),guests)

.PHONY: check
check: ## before each commit: lint of changed files, unit tests, a few of the pair; 2 minutes
	@tools/need build test lint
	@tests/run check

.PHONY: test
test: ## lint, unit, pair under AddressSanitizer, browser, a short Swarm; 15 minutes (SANITIZER=… for one variant)
	@tools/need $(if $(SANITIZER),build test,$(NEED_TEST))
	@tests/run $(if $(SANITIZER),test-unit test-pair,test)

.PHONY: test-all
test-all: ## every suite, as CI runs it; an hour
	@tools/need $(NEED_TEST_ALL)
	@tests/run test-all

.PHONY: faultlib
faultlib: $(PRELOADED)

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

.PHONY: test-unit
test-unit: ## the unit tests alone
	@tests/run test-unit

.PHONY: test-pair
test-pair: ## the tests of the running pair alone
	@tests/run test-pair

.PHONY: test-coverage
test-coverage: ## both under AddressSanitizer, with line coverage: build/coverage/report/
	@tools/need build test
	@tests/run test-coverage

.PHONY: test-page
test-page: ## the tests of the page in a browser alone; pictures in build/screenshots/
	@tools/need build page
	@tests/run test-page

.PHONY: fuzzers
fuzzers: $(FUZZERS)

.PHONY: test-fuzz
test-fuzz: ## run each fuzzer for 30 s (FUZZ_SECONDS=…)
	@tools/need build lint
	@tests/run test-fuzz

.PHONY: test-operation
test-operation: ## the tests of operators' tools alone: commands, upgrades, monitoring
	@tools/need build test operation
	@tests/run test-operation

.PHONY: test-faults
test-faults: ## inject faults under load, as root; FAULTS=long: hours, FAULTS_SEED=…: repeat a run
	@tools/need build test
	@tests/run test-faults

.PHONY: test-model
test-model: ## search the model of the journal's protocol with spin; a minute
	@tools/need build model
	@tests/run test-model

.PHONY: model
model: ## the same in larger sizes: half an hour, and up to 8 GB of memory
	@tools/need build model
	@/usr/bin/python3 tests/model --large

# The checkers of the page, from npm. No program contains them.
.PHONY: page-checkers
page-checkers: build/npm/installed

build/npm/installed: tests/page/package.json tests/page/package-lock.json
	$(call say,NPM,$@)
	$(Q)mkdir -p $(@D)
	$(Q)cp $^ $(@D)
	$(Q)npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	$(Q)touch $@

.PHONY: test-security
test-security: ## sqlmap, wapiti and slowhttptest against a running pair; two minutes
	@tools/need build test security
	@tests/run test-security

.PHONY: security
security: ## the same, thorough: some hours
	@tools/need build test security
	@THOROUGH=1 tests/run test-security

# --- measuring ---

.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS)

# The release build and the peers.
.PHONY: bench-ready
bench-ready:
	@tools/need build run bench
	@$(MAKE) --no-print-directory -j$$(nproc) SANITIZER= CC=gcc all bench-programs

.PHONY: bench
bench: bench-ready ## measure each performance target: table, Markdown, JSON, chart in build/bench/; 12 minutes
	@$(PYTHON) tests/bench

.PHONY: bench-quick
bench-quick: bench-ready ## the same in a minute: one short round, fewer paths
	@$(PYTHON) tests/bench --quick

.PHONY: bench-profile
bench-profile: bench-ready ## CPU time per page by process and, with perf, by function; half a minute
	@$(PYTHON) tests/bench/cpu_profile.py

.PHONY: bench-overload
bench-overload: bench-ready ## offer four times the maximum load over 2,000 connections; 3 minutes
	@$(PYTHON) tests/bench/overload.py

.PHONY: bench-curve
bench-curve: bench-ready ## compare lanes, workers and fold intervals with the defaults; eight minutes
	@$(PYTHON) tests/bench/curve.py

.PHONY: bench-hops
bench-hops: ## count the source files and functions that one hit runs in each service; half a minute
	@tools/need build test
	@$(PYTHON) tests/bench/hops.py

.PHONY: encoding-program
encoding-program: $(BENCH_ENCODING)

.PHONY: bench-encoding
bench-encoding: ## measure encoding and decoding of the messages between the services; a few seconds
	@tools/need build bench
	@$(MAKE) --no-print-directory -j$$(nproc) SANITIZER= CC=gcc encoding-program
	@build/release/obj/tests/bench/encoding

.PHONY: dashboard-pictures
dashboard-pictures: ## render the dashboard with real data: docs/dashboard*.png; 5 minutes
	@tools/need build run operation pictures
	@$(MAKE) --no-print-directory -j$$(nproc) SANITIZER= CC=gcc all bench-programs
	@$(PYTHON) tests/operation/picture.py

# --- the source ---

.PHONY: update-bots
update-bots: ## update the list of bots' user agents from isbot: render-svc/bots/
	@tools/update-bots

.PHONY: lint
lint: ## clang-format, clang-tidy, cppcheck, direction of includes, shellcheck, yamllint
	@tools/need lint
	@tests/run lint

.PHONY: format
format: ## format all C files with clang-format
	clang-format -i $(C_FILES)

.PHONY: hooks
hooks: ## let git run `make check` before each commit, and check its subject (tools/hooks/)
	git config core.hooksPath tools/hooks

C_FILES = $(shell git ls-files '*.c' '*.h')

include swarm/Makefile.inc

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(filter-out %.d,$(MAKEFILE_LIST)) | expand -t 16
