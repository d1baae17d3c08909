# OCSManager: `make` builds, `make demo` shows, `make check` proves, `make install` installs.
#
# Variables: BUILD (output folder), SANITIZE=address,undefined or thread, WERROR=1,
# DESTDIR, PREFIX, SYSCONFDIR, LOCALSTATEDIR.

VERSION       := 0.1.0
SONAME        := libocsnotify.so.0
PREFIX        ?= /usr/local
SYSCONFDIR    ?= /etc
LOCALSTATEDIR ?= /var
LIBDIR        ?= $(PREFIX)/lib
BUILD         ?= build
PYTHON        ?= /usr/bin/python3
# Where Dovecot and Samba look for plugins, whatever our prefix is.
SAMBADIR      ?= /usr/lib/$(shell gcc -print-multiarch)/samba/dcerpc_server
DOVECOTDIR    ?= $(shell sed -n 's/^dovecot_moduledir=//p' /usr/lib/dovecot/dovecot-config 2>/dev/null)

CC        ?= gcc
CSTD      := -std=gnu11
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
OPT       ?= -O2 -g
HARDEN    := -fstack-protector-strong -fstack-clash-protection -fPIC
LDHARDEN  := -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef WERROR
WARN      += -Werror
endif
ifdef SANITIZE
HARDEN    += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDHARDEN  += -fsanitize=$(SANITIZE)
else
HARDEN    += -D_FORTIFY_SOURCE=2
endif

# What each library of ours is made of, and what it needs from the system.
PKG_store      := tdb talloc nettle
PKG_mqueue     := nettle
PKG_mapistore  := tdb talloc
PKG_notify     := tdb talloc nettle
PKG_auth       := tdb talloc nettle libgsasl gnutls
PKG_xml        := libxml-2.0 talloc
PKG_link       := librabbitmq talloc nettle jansson libxml-2.0
PKG_ocsmanager := libcap-ng libmicrohttpd ini_config talloc tdb nettle gnutls libgsasl libsystemd
PKG_tools      := ini_config talloc tdb nettle gnutls libgsasl libcurl jansson

# pkg-config is asked once; packages are missing only before `make deps`.
ALL_PKGS   := $(sort $(PKG_store) $(PKG_mqueue) $(PKG_mapistore) $(PKG_notify) $(PKG_auth) $(PKG_xml) $(PKG_link) $(PKG_ocsmanager) $(PKG_tools))
PKG_CFLAGS := $(shell pkg-config --cflags $(ALL_PKGS) 2>/dev/null)
LIBS       := $(shell pkg-config --libs $(ALL_PKGS) 2>/dev/null) -lcrypt -lrt -lpthread

SYSTEMD   := $(shell pkg-config --exists libsystemd 2>/dev/null && echo -DHAVE_SYSTEMD)
CPPFLAGS  += -D_GNU_SOURCE $(SYSTEMD) -DOCS_LOCALSTATEDIR='"$(LOCALSTATEDIR)"'  -DOCS_VERSION='"$(VERSION)"' -DOCS_SYSCONFDIR='"$(SYSCONFDIR)"' -I. -Inotify $(PKG_CFLAGS)
CFLAGS    += $(CSTD) $(OPT) $(WARN) $(HARDEN) -fvisibility=hidden -MMD -MP

MODULES := store mqueue mapistore notify emsmdb auth xml link ocsmanager
objs     = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))

# What a program links: our libraries from the top of the dependency order to its bottom.
lib       = $(BUILD)/lib$(1).a
LIB_BASE := $(call lib,notify) $(call lib,mapistore) $(call lib,mqueue) $(call lib,store)
LIB_ALL  := $(call lib,ocsmanager) $(call lib,link) $(call lib,xml) $(call lib,auth) $(call lib,emsmdb) $(LIB_BASE)

DAEMON_OBJS  := $(BUILD)/obj/ocsmanager/main.o
CTL_OBJS     := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tools/ocsctl*.c))
CONS_OBJS    := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tools/ocsconsumer*.c))
MAPIHTTP_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tools/ocsmapihttp*.c))
PROGRAMS     := $(BUILD)/ocsmanager $(BUILD)/ocsctl $(BUILD)/ocsconsumer $(BUILD)/ocsmapihttp
LIBRARIES    := $(BUILD)/libocsnotify.a $(BUILD)/$(SONAME) $(BUILD)/libocsnotify.so $(BUILD)/ocsnotify.pc
PLUGIN       := $(BUILD)/lib90_ocsmanager_plugin.so
SAMBA_PLUGIN := $(BUILD)/ocsmanager_samba.so
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
BENCHES      := $(patsubst %,$(BUILD)/bench/%,load bare drain latency waits crowd storm amqp_bare amqp_drain)

# Objects that only a test or a bench needs are kept all the same.
.SECONDARY:
.PHONY: all tests deps check check-fast demo demo-outlook demo-cluster bench install clean format ini
all: $(PROGRAMS) $(LIBRARIES) $(PLUGIN) $(SAMBA_PLUGIN)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

define module_library
$(BUILD)/lib$(1).a: $(filter-out $(BUILD)/obj/ocsmanager/main.o,$(call objs,$(1)))
	@rm -f $$@
	@echo "  AR      $$@"
	@ar rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call module_library,$(m))))

# ---- programs ----
$(BUILD)/ocsmanager: $(DAEMON_OBJS) $(LIB_ALL)
$(BUILD)/ocsctl: $(CTL_OBJS) $(LIB_ALL)
$(BUILD)/ocsconsumer: $(CONS_OBJS) $(LIB_ALL)
$(BUILD)/ocsmapihttp: $(MAPIHTTP_OBJS) $(LIB_ALL)
$(PROGRAMS):
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pie $(LDHARDEN) -o $@ $^ $(LIBS)

# ---- libocsnotify: notify, mqueue, and the identifiers of mapistore ----
DAEMON_ONLY := $(patsubst %,$(BUILD)/obj/notify/%.o,dispatch dispatch_batch dispatch_cache dispatch_fast dispatch_message dispatch_queues dispatch_resolve dispatch_store health janitor recent registrations)
NOTIFY_OBJS := $(filter-out $(DAEMON_ONLY),$(foreach m,store mqueue mapistore notify,$(call objs,$(m))))
NOTIFY_LIBS := $(shell pkg-config --libs tdb talloc nettle 2>/dev/null) -lrt -lpthread
$(BUILD)/libocsnotify.a: $(NOTIFY_OBJS)
	@rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^
$(BUILD)/$(SONAME): $(NOTIFY_OBJS) notify/ocsnotify.map
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -shared -Wl,-soname,$(SONAME) \
	    -Wl,--version-script=notify/ocsnotify.map -o $@ $(NOTIFY_OBJS) $(NOTIFY_LIBS)
$(BUILD)/libocsnotify.so: $(BUILD)/$(SONAME)
	@ln -sf $(SONAME) $@
# Always anew: the prefix may be another one than the last time.
.PHONY: $(BUILD)/ocsnotify.pc
$(BUILD)/ocsnotify.pc: notify/ocsnotify.pc.in
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' $< >$@

# ---- the Dovecot plugin: Dovecot's headers, of Dovecot nothing to link; never under a sanitizer, since the
# program that loads it is not ----
PLUGIN_SRCS := $(wildcard plugins/dovecot/*.c)
$(PLUGIN): $(PLUGIN_SRCS) $(wildcard plugins/dovecot/*.h)
	@mkdir -p $(@D)
	@echo "  PLUGIN  $@"
	@$(CC) -std=gnu11 $(OPT) -fPIC -shared -DHAVE_CONFIG_H -D_GNU_SOURCE -I. $(filter-out -Wformat=2 -Wvla,$(WARN)) \
	    -fstack-protector-strong -fvisibility=hidden -isystem /usr/include/dovecot -Wl,-z,relro,-z,now -o $@ $(PLUGIN_SRCS) -lexpat -lidn

# ---- the Samba plugin: one module that brings our libraries along and exports one symbol ----
SAMBA_PKGS := dcerpc_server samba-hostconfig tevent
SAMBA_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/samba/*.c))
$(SAMBA_OBJS): CPPFLAGS += $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(SAMBA_PKGS) 2>/dev/null))
$(SAMBA_PLUGIN): $(SAMBA_OBJS) $(call lib,emsmdb) $(BUILD)/libocsnotify.a plugins/samba/plugin.map
	@echo "  PLUGIN  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -shared -Wl,--version-script=plugins/samba/plugin.map \
	    -o $@ $(SAMBA_OBJS) $(call lib,emsmdb) $(BUILD)/libocsnotify.a \
	    $(shell pkg-config --libs $(SAMBA_PKGS) 2>/dev/null) -ldcerpc-server-core -lsamba-errors $(NOTIFY_LIBS)

# ---- the daemon with kill points, for the tests of sudden death ----
FAULT_OBJS := $(patsubst $(BUILD)/obj/%,$(BUILD)/obj-faults/%,$(call objs,notify))
$(BUILD)/obj-faults/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $< (faults)"
	@$(CC) $(CPPFLAGS) -DOCS_TEST_FAULTS $(CFLAGS) -c -o $@ $<
$(BUILD)/ocsmanager-faults: $(DAEMON_OBJS) $(call lib,ocsmanager) $(call lib,link) $(call lib,xml) $(call lib,auth) $(FAULT_OBJS) $(call lib,mapistore) $(call lib,mqueue) $(call lib,store)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pie $(LDHARDEN) -o $@ $^ $(LIBS)

# ---- unit tests: each a program of its own ----
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(LIB_ALL)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -o $@ $^ $(LIBS) $(CHECK_LIBS)

# ---- fuzz targets: each runs a corpus and deterministic mutations of it, as a test ----
FUZZ_TESTS := $(patsubst fuzz/fuzz_%.c,$(BUILD)/tests/test_fuzz_%,$(wildcard fuzz/fuzz_*.c))
$(FUZZ_TESTS): $(BUILD)/tests/test_fuzz_%: $(BUILD)/obj/fuzz/fuzz_%.o $(BUILD)/obj/fuzz/driver.o $(BUILD)/obj/fuzz/fake_notify.o $(BUILD)/obj/tools/ocsmapihttp_body.o $(call lib,emsmdb)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -o $@ $^

# ---- what service tests run beside the daemon ----
TEST_TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
$(TEST_TOOLS): $(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -o $@ $^ -lpthread
tests: $(UNIT_TESTS) $(FUZZ_TESTS) $(TEST_TOOLS) $(BUILD)/ocsmanager-faults

# ---- bench ----
$(BUILD)/bench/amqp_bare $(BUILD)/bench/amqp_drain: $(BUILD)/obj/bench/amqp.o
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bench/common*.c bench/request.c bench/samples.c)) $(call lib,emsmdb) $(LIB_BASE)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -o $@ $^ $(LIBS)

# ---- what people call ----
deps:
	@tools/install-packages debian-packages

check: deps
	$(MAKE) WERROR=1 BUILD=build all tests
	$(MAKE) WERROR=1 BUILD=build-asan SANITIZE=address,undefined OPT='-O1 -g' all tests
	$(PYTHON) tests/run.py build build-asan

# The same without the sanitizers and the package check, while working.
check-fast: all tests
	$(PYTHON) tests/run.py $(BUILD)

demo demo-outlook demo-cluster: deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD) all >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@$(PYTHON) tools/$(subst -,_,$@).py $(BUILD)

bench: deps all $(BENCHES)
	OCS_BUILD=$(BUILD) $(PYTHON) bench/run.py

format:
	clang-format -i $(wildcard */*.[ch] plugins/dovecot/*.[ch] tests/*/*.[ch])

MANS := $(wildcard doc/*.[1358])
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(SYSCONFDIR) $(DESTDIR)$(DOVECOTDIR)
	install -m 755 $(BUILD)/ocsmanager $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/ocsctl $(BUILD)/ocsconsumer $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/libocsnotify.a $(DESTDIR)$(LIBDIR)/
	install -m 755 $(BUILD)/$(SONAME) $(DESTDIR)$(LIBDIR)/
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libocsnotify.so
	install -m 644 $(BUILD)/ocsnotify.pc $(DESTDIR)$(LIBDIR)/pkgconfig/
	install -m 644 notify/ocsnotify.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(PLUGIN) $(DESTDIR)$(DOVECOTDIR)/
	install -d $(DESTDIR)$(SAMBADIR)
	install -m 644 $(SAMBA_PLUGIN) $(DESTDIR)$(SAMBADIR)/ocsmanager.so
	install -m 644 $(call lib,emsmdb) $(DESTDIR)$(LIBDIR)/libocsemsmdb.a
	install -m 644 emsmdb/ocsemsmdb.h $(DESTDIR)$(PREFIX)/include/
	install -m 755 $(BUILD)/ocsmapihttp $(DESTDIR)$(PREFIX)/sbin/
	test -e $(DESTDIR)$(SYSCONFDIR)/ocsmanager.ini || install -m 640 ocsmanager.ini $(DESTDIR)$(SYSCONFDIR)/
	for page in $(MANS); do \
	    section=$${page##*.}; \
	    install -d $(DESTDIR)$(PREFIX)/share/man/man$$section && \
	    install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$$section/ || exit 1; \
	done

clean:
	rm -rf build build-asan build-tsan

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
