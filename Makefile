# freshet: `make demo` shows it at work, `make check` runs every test. Both install what is missing first.
#
#   make                  build/freshetd and build/freshet
#   make SANITIZER=thread the same under build/thread (address, undefined or thread)
#   make WERROR=1         a warning is an error, as in CI
#   make V=1              show the commands
#   make install          to PREFIX, /usr/local by itself; `make uninstall` takes it away again
#   make deb              Debian packages, in build/deb

VERSION   := 0.1.0
RELEASED  := 2026-11-29
PREFIX    ?= /usr/local
SYSCONFDIR ?= /etc
PYTHON    ?= /usr/bin/python3
CC        := gcc
SANITIZER ?=
WERROR    ?=
V         ?=

BUILD := build$(if $(SANITIZER),/$(SANITIZER))
comma := ,
Q     := $(if $(V),,@)
say    = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

# Debian's package is called libcyaml, and links libyaml itself.
PACKAGES := libcares rdkafka libevent libevent_pthreads ldns jansson libcyaml yaml-0.1 libxxhash libidn2 libseccomp liburcu libcrypto libknot libzscanner libdnssec
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla $(if $(WERROR),-Werror)
SANITIZE := $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CFLAGS   ?= $(if $(SANITIZER),-O1 -g1,-O2 -g)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DFRESHET_VERSION='"$(VERSION)"' -DFRESHET_RELEASED='"$(RELEASED)"' $(WARNINGS) $(CFLAGS) $(SANITIZE) \
             $(CPPFLAGS) -I. $(PKG_CFLAGS) -pthread -MMD -MP
LDLIBS     = $(SANITIZE) $(LDFLAGS) -Wl,--as-needed $(PKG_LIBS) -pthread

# One static library per folder, in the order they may lean on one another.
LAYERS  := cli resolver origin daemon invalidation cache zone dns config
objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
sources  = $(filter-out $(MAINS),$(wildcard $(1)/*.c $(1)/*/*.c))
MAINS   := resolver/daemon/freshetd.c origin/freshet_origin.c cli/main.c cli/manual.c config/options_md.c
LIBS    := $(LAYERS:%=$(BUILD)/lib%.a)
# ThreadSanitizer does not know the threads librdkafka makes; this makes them known.
RUNTIME := $(if $(filter thread,$(SANITIZER)),$(BUILD)/obj/tests/sanitize/threads.o)

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all deps deps-build demo check unit unit-sanitized instructions model integration integration-newest zone-answers fuzz faults soak oom retention portability \
        layers format lint install uninstall deb packages clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/freshetd $(BUILD)/freshet-origin $(BUILD)/freshet $(BUILD)/options-md $(BUILD)/manual/made

# ---- build

$(BUILD)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

define LAYER_RULE
$(BUILD)/lib$(1).a: $(call objects,$(call sources,$(1)))
	$(call say,AR,$$@)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call LAYER_RULE,$(layer))))

$(BUILD)/freshetd: $(BUILD)/obj/resolver/daemon/freshetd.o $(RUNTIME) $(filter-out %/libcli.a %/liborigin.a,$(LIBS))
	$(call say,LINK,$@)
	$(Q)$(CC) $^ $(LDLIBS) -o $@

$(BUILD)/freshet-origin: $(BUILD)/obj/origin/freshet_origin.o $(RUNTIME) $(filter-out %/libcli.a %/libresolver.a,$(LIBS))
	$(call say,LINK,$@)
	$(Q)$(CC) $^ $(LDLIBS) -o $@

$(BUILD)/freshet: $(BUILD)/obj/cli/main.o $(RUNTIME) $(filter-out %/libresolver.a %/liborigin.a,$(LIBS))
	$(call say,LINK,$@)
	$(Q)$(CC) $^ $(LDLIBS) -o $@

$(BUILD)/manual/manual: $(BUILD)/obj/cli/manual.o $(RUNTIME) $(filter-out %/libresolver.a %/liborigin.a,$(LIBS))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $^ $(LDLIBS) -o $@

# Manual pages and completions, from the tables that parse.
$(BUILD)/manual/made: $(BUILD)/manual/manual docs/changeset.schema.json
	$(call say,MAN,$(@D))
	$(Q)rm -rf $(addprefix $(@D)/,man bash zsh fish)
	$(Q)$< $(@D) docs/changeset.schema.json
	@touch $@

$(BUILD)/options-md: $(call objects,config/options_md.c config/options.c config/options_origin.c config/units.c)
	$(call say,LINK,$@)
	$(Q)$(CC) $^ $(LDLIBS) -o $@

config/OPTIONS.md: $(BUILD)/options-md
	$(call say,DOC,$@)
	$(Q)$< > $@

# A change is applied between its lookup and its reply.
$(BUILD)/unit/test_query: LDLIBS += -Wl,--wrap=store_get

# Each allocation fails in its turn.
$(BUILD)/unit/test_store: LDLIBS += $(addprefix -Wl$(comma)--wrap=,malloc calloc aligned_alloc mmap munmap)

$(BUILD)/unit/test_apply: LDLIBS += -Wl,--wrap=malloc

$(BUILD)/unit/test_holders $(BUILD)/unit/test_route: LDLIBS += $(addprefix -Wl$(comma)--wrap=,malloc calloc)

$(BUILD)/unit/test_zone: LDLIBS += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc)

# Brokers that do not answer for a while.
$(BUILD)/unit/test_group: LDLIBS += -Wl,--wrap=kafka_topic_ends

# A client that takes no message.
$(BUILD)/unit/test_outlet: LDLIBS += -Wl,--wrap=envelope_send

# Nobody can be accepted.
$(BUILD)/unit/test_visitors: LDLIBS += -Wl,--wrap=accept4

# What many unit tests have around them, made up.
FAKES := $(call objects,$(wildcard tests/unit/fake/*.c))

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(FAKES) $(RUNTIME) $(LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $^ $(LDLIBS) -lcmocka -o $@

# Programs that tests of the suite run beside freshet's.
HELPERS := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/*.c))

$(BUILD)/tests/%: $(BUILD)/obj/tests/integration/%.o $(RUNTIME) $(LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $^ $(LDLIBS) -o $@

# What the programs of bench/ share; of freshet's own code only freshet_*.c knows (tests/layers.sh).
$(BUILD)/libbench.a: $(call objects,$(wildcard bench/common/*.c))
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

# A program of bench/, with the sources that are its own.
define BENCH_RULE
BENCH_PROGRAMS += $(BUILD)/$(1)
$(BUILD)/$(1): $(call objects,$(2)) $(RUNTIME) $(BUILD)/libbench.a $(LIBS)
endef
bench_program = $(eval $(call BENCH_RULE,$(1),$(2)))
$(foreach one,checker/checker propagation/probe fanout/fanout,$(call bench_program,$(one),$(wildcard bench/$(dir $(one))*.c)))
$(foreach one,apply/flood throughput/echo throughput/authority hit change,$(call bench_program,$(one),bench/$(one).c))
$(foreach one,authority filler churn,$(call bench_program,memory/$(one),$(addprefix bench/memory/,$(one).c names.c)))
$(call bench_program,apply/bench,$(addprefix bench/apply/,main.c inprocess.c collisions.c))
$(call bench_program,throughput/load,$(addprefix bench/throughput/,load.c flow.c questions.c))

$(BENCH_PROGRAMS):
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $^ $(LDLIBS) -lm -o $@

# ---- what a fresh machine needs

deps:
	@tests/deps.sh check

deps-build:
	@tests/deps.sh build

# ---- tests

demo: deps-build
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo.py

# Builds use all cores; what is timed runs alone.
JOBS := -j$(shell nproc)

check: deps
	@$(MAKE) --no-print-directory $(JOBS) layers lint all $(BENCH_PROGRAMS)
	@$(MAKE) --no-print-directory $(JOBS) unit
	@$(MAKE) --no-print-directory $(JOBS) unit-sanitized
	@$(MAKE) --no-print-directory instructions
	@$(MAKE) --no-print-directory model
	@$(MAKE) --no-print-directory $(JOBS) fuzz
	@$(MAKE) --no-print-directory $(JOBS) integration
	@$(MAKE) --no-print-directory integration-newest

unit: $(UNIT_TESTS)
	@tests/run-unit.sh $(UNIT_TESTS)

unit-sanitized:
	@$(MAKE) --no-print-directory SANITIZER=address,undefined unit
	@$(MAKE) --no-print-directory SANITIZER=thread unit

# What a cache hit costs, and a change, counted by callgrind; more than 5 % over bench/*.baseline fails.
instructions: $(BUILD)/hit $(BUILD)/change
	@$(PYTHON) bench/instructions.py $(BUILD)/hit
	@$(PYTHON) bench/instructions.py $(BUILD)/change

# Exhaustive verification of the protocol, and of the mutations it must find.
model:
	@tests/model/run.sh

# The suite runs real programs: of this build, or with SANITIZER= of that one. KAFKA="3.9.2 4.4.0": on each of these
# brokers in its turn; what else it may be says tests/integration/kafka_cluster.py. Three files at a time: mostly they wait.
PYTEST_FLAGS := -q -p no:cacheprovider -n 3 --dist loadfile
integration: all $(HELPERS)
	@for kafka in $(or $(KAFKA),3.9.2); do \
		KAFKA=$$kafka FRESHET_BUILD=$(BUILD) $(PYTHON) -m pytest $(PYTEST_FLAGS) tests/integration $(PYTEST_ARGS) \
			|| exit 1; \
	done

# Random questions to random zones, beside Knot; ZONE_SEED=N repeats a run. `make integration` asks a few thousand.
ZONE_QUESTIONS ?= 200000
zone-answers: all $(HELPERS)
	@FRESHET_BUILD=$(BUILD) ZONE_SEED=$(or $(ZONE_SEED),0) ZONE_QUESTIONS=$(ZONE_QUESTIONS) $(PYTHON) -m pytest -q -p no:cacheprovider \
		tests/integration/test_zone_answers.py $(PYTEST_ARGS)

# The tests that depend on the broker most, on the newest there is.
NEWEST_KAFKA := 4.4.0
STREAM_TESTS := harness invalidation p5_feed transactions
integration-newest: all $(HELPERS)
	@KAFKA=$(NEWEST_KAFKA) FRESHET_BUILD=$(BUILD) $(PYTHON) -m pytest $(PYTEST_FLAGS) \
		$(STREAM_TESTS:%=tests/integration/test_%.py) $(PYTEST_ARGS)

# libFuzzer on sanitizer builds, FUZZ_SECONDS each, from the committed corpora.
FUZZ_SECONDS ?= 15
FUZZ_FLAGS   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1 -g
FUZZ_SOURCES := $(foreach layer,invalidation cache zone dns config,$(call sources,$(layer))) \
    $(addprefix resolver/answer/,chain.c selection.c compose.c) $(addprefix origin/,notify.c endpoints.c) daemon/http_query.c \
    $(addprefix cli/,color.c draft.c json_sets.c name.c nearest.c nsupdate.c options.c text.c words.c)
FUZZ_OBJECTS := $(FUZZ_SOURCES:%.c=build/fuzz/obj/%.o)

build/fuzz/obj/%.o: %.c Makefile
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)clang -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(FUZZ_FLAGS) -I. $(PKG_CFLAGS) -pthread -MMD -MP -c $< -o $@

build/fuzz/fuzz_%: build/fuzz/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJECTS)
	$(call say,LINK,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined $^ $(PKG_LIBS) -pthread -o $@

fuzz: $(FUZZERS:%=build/fuzz/fuzz_%)
	@tests/run-fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

# ---- benches

# Tables on the terminal; JSON, and pages and pictures, in build/NAME/. What is measured, and how, says bench/NAME/run.py.
# NAME_ARGS for a part of it: PROPAGATION_ARGS="push ttl-5".
#
#   checker      how old answers are, and what is wrong with them: freshet for ten minutes, then other caches
#   propagation  how long a change takes to every tier, beside the other ways there are; some minutes
#   capture      real primaries changed by their own means: is every version in the log, and what takes how long; five minutes
#   apply        change sets per second, in one process and through a real Kafka; what one FLUSH takes
#   memory       bytes per answer at a million names, beside other caches, and the memory of a cache under churn
#   throughput   how much a second, and at what cost, beside other servers
#   dump         what a dump of a million answers costs those who ask meanwhile: latency of hits, and memory
#   fanout       one topic, up to 1,000 subscribed caches; then on paper 10,000 and 1,000,000
#   flood        one client against all others: random names, connections, endless requests; beside Unbound
#   zone         a zone of a million records: load, memory, lookups and changes, beside Knot and NSD
#   tolerance    what odd servers, odd networks and odd clients come to, beside other servers; ten minutes
BENCHES      := checker propagation capture apply memory throughput dump fanout flood zone tolerance
CHECKER_ARGS ?= --seconds 600 --peer-seconds 60 two-level peers

# That they see what there is to see: servers and caches with one fault each.
SELFTESTS    := checker propagation throughput

.PHONY: benches $(BENCHES:%=bench-%) $(SELFTESTS:%=bench-%-selftest)

benches:
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory all $(BENCH_PROGRAMS)

$(BENCHES:%=bench-%): bench-%: benches
	@FRESHET_BUILD=$(BUILD) $(PYTHON) bench/$*/run.py $($(shell echo $* | tr a-z A-Z)_ARGS)

$(SELFTESTS:%=bench-%-selftest): bench-%-selftest: benches
	@FRESHET_BUILD=$(BUILD) $(PYTHON) bench/$*/selftest.py

# ---- faults, on three brokers and networks that are cut

# A table on the terminal and in build/faults.json. FAULT_LONG=1: those that last a minute do.
faults:
	@tests/deps.sh faults
	@$(MAKE) --no-print-directory all $(BUILD)/checker/checker
	@FRESHET_BUILD=$(BUILD) $(PYTHON) -m pytest -q -p no:cacheprovider tests/faults $(PYTEST_ARGS)

# A day in five minutes: changes, reloads, outages, floods, sleep, all at once.
SOAK_SECONDS ?= 300
soak:
	@tests/deps.sh faults
	@$(MAKE) --no-print-directory all $(BUILD)/checker/checker $(BUILD)/throughput/load
	@FRESHET_BUILD=$(BUILD) SOAK_SECONDS=$(SOAK_SECONDS) $(PYTHON) -m pytest -q -p no:cacheprovider tests/faults/test_soak.py $(PYTEST_ARGS)

# A log that keeps a minute, and five minutes of changes: whoever starts has the whole zone, as snapshots come in good time.
RETENTION_SECONDS ?= 300
retention: deps
	@$(MAKE) --no-print-directory all
	@FRESHET_BUILD=$(BUILD) RETENTION_SECONDS=$(RETENTION_SECONDS) $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/faults/test_retention.py $(PYTEST_ARGS)

# Without memory, at OOM_STEPS moments of the start and as many of the run.
OOM_STEPS ?= 150
oom: $(BUILD)/freshetd
	@FRESHET_BUILD=$(BUILD) OOM_STEPS=$(OOM_STEPS) $(PYTHON) -m pytest -q -p no:cacheprovider tests/faults/test_oom.py $(PYTEST_ARGS)

# ---- other systems

# Builds, checks and shows it in a chroot of Debian 12 and one of 13: RELEASES="13", STEPS="build unit demo".
portability:
	@STEPS="$(STEPS)" tests/portability.sh $(RELEASES)

# ---- form

layers:
	@tests/layers.sh
	@$(PYTHON) tests/repeats.py
	@$(PYTHON) tests/limits.py

SOURCES_TO_FORMAT := $(shell find $(LAYERS) bench tests -name "*.[ch]")

format:
	$(Q)clang-format -i $(SOURCES_TO_FORMAT)

# Each clang-format has a taste of its own: this is that of Debian 12's.
lint:
	$(Q)case "$$(clang-format --version)" in \
	*"version 14."*) clang-format --dry-run -Werror $(SOURCES_TO_FORMAT) ;; \
	*) echo "lint: left to clang-format 14; this is $$(clang-format --version)" ;; \
	esac

BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS  ?= $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS ?= $(PREFIX)/share/fish/vendor_completions.d

UNITS := $(notdir $(wildcard config/systemd/*))

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/freshet
	install -m 755 $(BUILD)/freshetd $(DESTDIR)$(PREFIX)/sbin/freshetd
	install -m 755 $(BUILD)/freshet-origin $(DESTDIR)$(PREFIX)/sbin/freshet-origin
	install -m 755 $(BUILD)/freshet $(DESTDIR)$(PREFIX)/bin/freshet
	install -m 644 docs/changeset.schema.json $(DESTDIR)$(PREFIX)/share/freshet
	for page in $(BUILD)/manual/man/*; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	for file in $(BUILD)/manual/bash/*; do install -D -m 644 $$file $(DESTDIR)$(BASH_COMPLETIONS)/$${file##*/} || exit 1; done
	for file in $(BUILD)/manual/zsh/*; do install -D -m 644 $$file $(DESTDIR)$(ZSH_COMPLETIONS)/$${file##*/} || exit 1; done
	for file in $(BUILD)/manual/fish/*; do install -D -m 644 $$file $(DESTDIR)$(FISH_COMPLETIONS)/$${file##*/} || exit 1; done
	for page in README.md LICENSE config/OPTIONS.md config/*.yaml docs/* bench/*.svg; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/doc/freshet/$$page || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(SYSCONFDIR)/freshet
	for unit in $(UNITS); do \
		sed 's,/usr/local/,$(PREFIX)/,g; s,/etc/freshet/,$(SYSCONFDIR)/freshet/,g' config/systemd/$$unit \
			> $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; done
	[ -e $(DESTDIR)$(SYSCONFDIR)/freshet/freshet.yaml ] || \
		install -m 644 config/stub.yaml $(DESTDIR)$(SYSCONFDIR)/freshet/freshet.yaml

# What was configured stays.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,sbin/freshetd sbin/freshet-origin bin/freshet $(UNITS:%=lib/systemd/system/%))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/,man1/freshet.1 man1/freshet-*.1 man5/freshet.yaml.5 man5/freshet-changeset.5 man8/freshetd.8 man8/freshet-origin.8)
	rm -f $(foreach program,freshet freshetd freshet-origin,$(DESTDIR)$(BASH_COMPLETIONS)/$(program) $(DESTDIR)$(ZSH_COMPLETIONS)/_$(program) $(DESTDIR)$(FISH_COMPLETIONS)/$(program).fish)
	rm -rf $(DESTDIR)$(PREFIX)/share/freshet $(DESTDIR)$(PREFIX)/share/doc/freshet

# freshet, freshetd and freshet-origin, for this machine's release of Debian; looked at by lintian.
deb:
	@tests/deps.sh package
	@VERSION=$(VERSION) config/packaging/deb.sh

# They are built, installed, upgraded and purged in clean chroots of Debian 12 and 13: RELEASES="13".
packages:
	@tests/packages.sh $(RELEASES)

clean:
	rm -rf build

-include $(shell find build -path build/portability -prune -o -name '*.d' -type f -print 2>/dev/null)
