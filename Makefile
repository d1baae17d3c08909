# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
# OCSManager: `make` builds, `make demo` shows, `make check` proves, `make install` installs.
#
# Variables:
#   BUILD                       output folder (build)
#   CC, CPPFLAGS, CFLAGS, LDFLAGS, AR, PKG_CONFIG: as everywhere; what the sources need is added to them
#   OPT                         CFLAGS where none are given (-O2 -g)
#   WERROR=1                    warnings are errors
#   SANITIZE                    address,undefined or thread
#   PLUGIN_SANITIZE=1           that for the Dovecot plugin too; a plain Dovecot can then load it with libasan preloaded only
#   WITH_DOVECOT, WITH_SAMBA, WITH_SYSTEMD: auto (where its headers are), yes or no
#   DESTDIR, PREFIX, LIBDIR, SYSCONFDIR, LOCALSTATEDIR, DOVECOTDIR, SAMBADIR, UNITDIR: where things go
#   INI_GROUP                   group that may read the installed ini; without it, and without DESTDIR, that of [main] user in it
#   DEPS=no                     check, demo and bench install no missing package
#   PART                        parts of `make bench`, separated by commas
#   CYCLES, NOTIFICATIONS, HOURS, SEED, MINUTES, SESSIONS   of `make check-long`
#   TARGET, TIME                targets of `make fuzz` (all), seconds for each
#
# What a file was built with is part of its state: with other flags or paths it is built again.

.DEFAULT_GOAL := all
VERSION       := 0.1.0
SOVERSION     := 0
PREFIX        ?= /usr/local
SYSCONFDIR    ?= /etc
LOCALSTATEDIR ?= /var
LIBDIR        ?= $(PREFIX)/lib
UNITDIR       ?= $(PREFIX)/lib/systemd/system
BUILD         ?= build
PYTHON        ?= /usr/bin/python3
PKG_CONFIG    ?= pkg-config
OBJCOPY       ?= objcopy
WITH_DOVECOT  ?= auto
WITH_SAMBA    ?= auto
WITH_SYSTEMD  ?= auto
# Where Dovecot and Samba look for plugins, whatever our prefix is.
DOVECOTDIR    ?= $(shell sed -n 's/^dovecot_moduledir=//p' /usr/lib/dovecot/dovecot-config 2>/dev/null)
SAMBADIR      ?= $(addsuffix /samba/dcerpc_server,$(shell $(PKG_CONFIG) --variable=libdir dcerpc_server 2>/dev/null))

# All cores, unless told otherwise: an explicit -j of the command line wins.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

ifeq ($(origin CC),default)
CC        := gcc
endif
OPT       ?= -O2 -g
CFLAGS    ?= $(OPT)
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
HARDEN    := -fstack-protector-strong -fstack-clash-protection
LDHARDEN  := -Wl,-z,relro,-z,now -Wl,--as-needed
WERRORS   := $(if $(WERROR),-Werror)
ifdef SANITIZE
HARDEN    += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDHARDEN  += -fsanitize=$(SANITIZE)
else ifeq ($(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),)
# it needs an optimizing compiler
HARDEN    += $(if $(filter -O -O1 -O2 -O3 -Os,$(CFLAGS)),-D_FORTIFY_SOURCE=2)
endif

# ---- what can be left out ----
# HAVE_X is not empty if X is built: WITH_X is yes, or auto and what it needs is here (FOUND_X).
FOUND_DOVECOT := $(wildcard /usr/include/dovecot/config.h)
FOUND_SAMBA   := $(shell $(PKG_CONFIG) --exists dcerpc_server samba-hostconfig tevent 2>/dev/null && echo yes)
FOUND_SYSTEMD := $(shell $(PKG_CONFIG) --exists libsystemd 2>/dev/null && echo yes)
define choose
ifeq ($(filter auto yes no,$(WITH_$(1))),)
$$(error WITH_$(1) is auto, yes or no, not '$(WITH_$(1))')
endif
HAVE_$(1) := $(if $(filter yes,$(WITH_$(1))),yes,$(if $(filter auto,$(WITH_$(1))),$(FOUND_$(1))))
endef
$(foreach x,DOVECOT SAMBA SYSTEMD,$(eval $(call choose,$(x))))

# ---- the architecture: from the bottom up ----
# Each module is a folder. USES_X: whose headers it may include (besides its own), PKG_X: which packages it may
# use. A module is compiled with a folder of links to these modules and nothing else, so that an #include that
# goes the other way does not compile; tests/tree/test_layout.py checks the packages and that there is no circle.
USES_base          :=
PKG_base           := libcap-ng
USES_store         := base
PKG_store          := tdb talloc nettle
USES_mqueue        := base include
PKG_mqueue         := nettle
USES_ropnotify     := base include
PKG_ropnotify      :=
USES_mapistore     := base store mqueue
PKG_mapistore      := tdb talloc
USES_users         := base store mqueue mapistore auth
PKG_users          := ldb talloc ldap
USES_registry      := base store mqueue include
PKG_registry       := tdb talloc nettle
USES_http          := base
PKG_http           := libmicrohttpd gnutls
USES_auth          := base store
PKG_auth           := tdb talloc nettle libgsasl gnutls ldap
USES_notify        := base store mqueue mapistore registry include
PKG_notify         := tdb talloc nettle
USES_xml           := base mqueue mapistore notify
PKG_xml            := libxml-2.0 talloc
USES_cluster       := base store mqueue mapistore registry notify xml
PKG_cluster        := librabbitmq talloc nettle jansson libxml-2.0
USES_config        := base mqueue mapistore http auth cluster
PKG_config         := talloc gnutls
USES_libocsnotify  := base store mqueue ropnotify mapistore registry notify xml include
PKG_libocsnotify   := tdb talloc nettle
USES_libocsemsmdb  := base ropnotify include
PKG_libocsemsmdb   :=
USES_ocsmanager    := base store mqueue mapistore users registry http config auth notify xml cluster
PKG_ocsmanager     := libmicrohttpd talloc tdb jansson $(if $(HAVE_SYSTEMD),libsystemd)
USES_mapihttp      := base http config auth include
PKG_mapihttp       := libmicrohttpd talloc nettle
USES_ocsctl        := base store mqueue mapistore users registry config auth cluster include
PKG_ocsctl         := talloc tdb gnutls libcurl jansson libgsasl librabbitmq libxml-2.0
USES_ocsconsumer   := base mqueue mapistore registry config include
PKG_ocsconsumer    := talloc jansson
USES_plugins/samba := include

# Libraries of ours, each a folder; programs, each a folder too.
MODULES      := base store mqueue ropnotify mapistore auth users registry http notify xml cluster config libocsnotify libocsemsmdb ocsmanager
PROGRAM_DIRS := mapihttp ocsctl ocsconsumer
ARCHITECTURE := $(MODULES) $(PROGRAM_DIRS) plugins/samba

# pkg-config is asked once; packages are missing only before `make deps`.
ALL_PKGS   := $(sort $(foreach m,$(ARCHITECTURE),$(PKG_$(m))))
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(ALL_PKGS) 2>/dev/null)
LIBS       := $(shell $(PKG_CONFIG) --libs $(ALL_PKGS) 2>/dev/null) -lunistring -lcrypt -lrt -lpthread

# Ours first, so that the user's win; but a shared object is -fPIC whatever they say.
# uthash out of memory: an insertion that failed (hh.tbl is NULL then), not an exit.
OWN_CPPFLAGS := -D_GNU_SOURCE -DHASH_NONFATAL_OOM=1 $(if $(HAVE_SYSTEMD),-DHAVE_SYSTEMD) $(PKG_CFLAGS)
OWN_CFLAGS   := -std=gnu11 $(WARN) $(HARDEN) -fvisibility=hidden -MMD -MP
COMPILE       = $(CC) $(call see,$<) $(OWN_CPPFLAGS) $(MORE_CPPFLAGS) $(CPPFLAGS) $(OWN_CFLAGS) $(CFLAGS) $(WERRORS) -fPIC
LINK          = $(CC) $(OWN_CFLAGS) $(CFLAGS) $(LDHARDEN) $(LDFLAGS)
# How recipes begin: the folder is there, and what is done is said. Each is one shell that starts what it must and no more:
# there are hundreds of them.
SAY           = { test -d $(@D) || mkdir -p $(@D); } && echo

# ---- what it was built with ----
# A file that changes when its text does; what depends on it is then built again. `flags` is about all
# objects, `paths` about those that hold a path or the version, `sources` about what libraries are made of.
FORCE:
define stamp
$(BUILD)/$(1): export STAMP = $(2)
$(BUILD)/$(1): FORCE
	@test -d $$(@D) || mkdir -p $$(@D); printf '%s\n' "$$$$STAMP" | cmp -s - $$@ || printf '%s\n' "$$$$STAMP" >$$@
endef
PATHS := -DOCS_LOCALSTATEDIR='"$(LOCALSTATEDIR)"' -DOCS_SYSCONFDIR='"$(SYSCONFDIR)"' -DOCS_VERSION='"$(VERSION)"'
$(eval $(call stamp,flags,$(shell $(CC) -dumpfullversion -dumpversion 2>/dev/null) $(CC) $(OWN_CPPFLAGS) $(CPPFLAGS) $(OWN_CFLAGS) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) $(LIBS)))
$(eval $(call stamp,paths,$(PATHS) $(PREFIX) $(LIBDIR)))
$(eval $(call stamp,sources,$(sort $(wildcard */*.c plugins/*/*.c))))
# -Werror changes no object; but one that was built without it may hide a warning: it is marked, and WERROR=1
# builds it again.
LAX = $(if $(WERROR),{ test ! -e $@.lax || rm $@.lax; },: >$@.lax)
ifdef WERROR
$(patsubst %.lax,%,$(shell find $(BUILD) -name '*.lax' 2>/dev/null)): FORCE
endif

# What a source file sees: the folder of links of its module, whose links are the modules it may use; all of the
# tree for tests, benches and fuzzers.
module_of  = $(patsubst %/,%,$(dir $(1)))
see        = $(if $(filter $(call module_of,$(1)),$(ARCHITECTURE)),$(foreach m,$(call module_of,$(1)),-I$(BUILD)/see/$(m) $(if $(filter include,$(USES_$(m))),-Iinclude)),-I. -Iinclude)
$(eval $(call stamp,uses,$(CURDIR) $(foreach m,$(ARCHITECTURE),$(m): $(USES_$(m));)))
define see_module
$(BUILD)/see/$(1)/made: $(BUILD)/uses
	@rm -rf $$(@D) && mkdir -p $$(@D) && ln -s $(foreach m,$(1) $(filter-out include,$(USES_$(1))),"$(CURDIR)/$(m)") $$(@D) && : >$$@
$(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c)) $(patsubst %.c,$(BUILD)/obj-faults/%.o,$(wildcard $(1)/*.c)): | $(BUILD)/see/$(1)/made
endef
$(foreach m,$(ARCHITECTURE),$(eval $(call see_module,$(m))))

objs     = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))

# What a program links: our libraries from the top of the dependency order to its bottom.
lib       = $(BUILD)/lib/$(1).a
libs      = $(foreach m,$(1),$(call lib,$(m)))
LIB_ALL  := $(call libs,ocsmanager config cluster libocsemsmdb libocsnotify xml notify http registry users auth mapistore ropnotify mqueue store base)

DAEMON_OBJS  := $(BUILD)/obj/ocsmanager/main.o
PROGRAMS     := $(BUILD)/ocsmanager $(BUILD)/ocsctl $(BUILD)/ocsconsumer $(BUILD)/ocsmapihttp
PRODUCTS     := ocsnotify ocsemsmdb
SHARED       := $(PRODUCTS:%=$(BUILD)/lib%.so.$(SOVERSION))
LIBRARIES    := $(foreach p,$(PRODUCTS),$(BUILD)/lib$(p).a $(BUILD)/lib$(p).so $(BUILD)/$(p).pc) $(SHARED)
PLUGIN       := $(BUILD)/lib90_ocsmanager_plugin.so
# Dovecot 2.3 or 2.4 (23, 24): the plugin for one cannot be loaded by the other, and 2.4 learns our
# settings from a module of its own.
DOVECOT_SERIES := $(shell sed -n 's/^.define DOVECOT_ABI_VERSION "2[.]\([0-9]*\).*/2\1/p' /usr/include/dovecot/config.h 2>/dev/null)
PLUGIN_SETTINGS := $(if $(filter 24,$(DOVECOT_SERIES)),$(BUILD)/libocsmanager_settings.so)
SAMBA_PLUGIN := $(BUILD)/ocsmanager_samba.so
# That of the Dovecot plugin needs Dovecot's library.
UNIT_TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out $(if $(HAVE_DOVECOT),,tests/unit/dovecot/%),$(wildcard tests/unit/*/test_*.c)))
BENCHES      := $(patsubst %,$(BUILD)/bench/%,load bare drain latency waits users search crowd storm amqp_bare amqp_drain)

# Objects that only a test or a bench needs are kept all the same.
.SECONDARY:
.PHONY: all tests deps check check-plain check-live check-fast check-long demo demo-outlook demo-cluster bench fuzz install uninstall clean format check-format FORCE
all: $(PROGRAMS) $(LIBRARIES) $(if $(HAVE_DOVECOT),$(PLUGIN) $(PLUGIN_SETTINGS)) $(if $(HAVE_SAMBA),$(SAMBA_PLUGIN)) $(BUILD)/man/made $(if $(HAVE_SYSTEMD),$(BUILD)/ocsmanager.service)

# Unit tests themselves gain nothing from optimization, and were a third of what it costs. Whoever says how to
# optimize, as check does for the sanitizers, says it for them too: so warnings that need it are seen in them as well.
ifeq ($(origin OPT) $(origin CFLAGS) $(findstring _FORTIFY_SOURCE,$(CPPFLAGS)),file file )
$(BUILD)/obj/tests/unit/%.o: private OWN_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(OWN_CFLAGS))
$(BUILD)/obj/tests/unit/%.o: private CFLAGS := $(filter-out -O%,$(CFLAGS))
endif
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@$(SAY) "  CC      $<" && $(COMPILE) -c -o $@ $< && $(LAX)

define module_library
$(BUILD)/lib/$(1).a: $(filter-out $(BUILD)/obj/ocsmanager/main.o,$(call objs,$(1))) $(BUILD)/sources
	@$$(SAY) "  AR      $$@" && rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach m,$(MODULES),$(eval $(call module_library,$(m))))

# Objects with a path or the version in them: their sources name it.
PATHS_SRCS := $(shell grep -lE 'OCS_(LOCALSTATEDIR|SYSCONFDIR|VERSION)' $(wildcard */*.c plugins/*/*.c))
PATHS_OBJS := $(foreach o,obj obj-faults,$(patsubst %.c,$(BUILD)/$(o)/%.o,$(PATHS_SRCS)))
$(PATHS_OBJS): MORE_CPPFLAGS += $(PATHS)
$(PATHS_OBJS): $(BUILD)/paths

# ---- programs ----
$(BUILD)/ocsmanager: $(DAEMON_OBJS) $(LIB_ALL)
$(BUILD)/ocsctl: $(call objs,ocsctl) $(LIB_ALL)
$(BUILD)/ocsconsumer: $(call objs,ocsconsumer) $(LIB_ALL)
$(BUILD)/ocsmapihttp: $(call objs,mapihttp) $(LIB_ALL)
$(PROGRAMS):
	@$(SAY) "  LINK    $@" && $(LINK) -pie -o $@ $^ $(LIBS)

# ---- what hosts link: each library with all it needs, and no name of its insides to be seen ----
HOST_LIBS := $(shell $(PKG_CONFIG) --libs $(PKG_libocsnotify) 2>/dev/null) -lunistring -lrt -lpthread
# Of xml/ that is the writer alone, which needs no package; a library that brought libxml2 would not link.
$(BUILD)/libocsnotify.a: $(call libs,libocsnotify xml registry mapistore ropnotify mqueue store base)
$(BUILD)/libocsemsmdb.a: $(call libs,libocsemsmdb ropnotify base)
$(BUILD)/libocsnotify.a $(BUILD)/libocsemsmdb.a:
	@$(SAY) "  AR      $@" && \
	    rm -f $@ && $(CC) -nostdlib -r -o $@.o -Wl,--whole-archive $< -Wl,--no-whole-archive $(filter-out $<,$^) && \
	    $(OBJCOPY) --localize-hidden $@.o && $(AR) rcs $@ $@.o && rm -f $@.o
$(SHARED): $(BUILD)/lib%.so.$(SOVERSION): $(BUILD)/lib%.a
	@$(SAY) "  LINK    $@" && \
	    $(LINK) -shared -Wl,-soname,$(@F) -Wl,--version-script=lib$*/$*.map -o $@ \
	    -Wl,--whole-archive $< -Wl,--no-whole-archive $(if $(filter ocsnotify,$*),$(HOST_LIBS),-L$(BUILD) -locsnotify)
$(BUILD)/libocsnotify.so.$(SOVERSION): libocsnotify/ocsnotify.map
$(BUILD)/libocsemsmdb.so.$(SOVERSION): libocsemsmdb/ocsemsmdb.map $(BUILD)/libocsnotify.so
$(PRODUCTS:%=$(BUILD)/lib%.so): %: %.$(SOVERSION)
	@ln -sf $(<F) $@
$(BUILD)/ocsnotify.pc: libocsnotify/ocsnotify.pc.in
$(BUILD)/ocsemsmdb.pc: libocsemsmdb/ocsemsmdb.pc.in
$(PRODUCTS:%=$(BUILD)/%.pc): $(BUILD)/paths
	@sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' $(filter %.in,$^) >$@

$(BUILD)/ocsmanager.service: dist/ocsmanager.service $(BUILD)/paths
	@sed -e 's|@sbindir@|$(PREFIX)/sbin|; s|@sysconfdir@|$(SYSCONFDIR)|' $< >$@

# Their manual: a page for each library, function and callback, made from the headers.
PAREN   := \(
HEADERS := $(PRODUCTS:%=include/%.h)
MAN3    := $(sort $(PRODUCTS) $(shell sed -nE 's/^(|[A-Za-z][^$(PAREN)]*[ *])(ocs(notify|emsmdb)_[a-z_]+)$(PAREN).*/\2/p' $(HEADERS)))
$(BUILD)/man/made: $(HEADERS) doc/integration.md tools/man-pages
	@echo "  MAN     $(@D)" && rm -rf $(@D) && $(PYTHON) tools/man-pages $(@D) $(HEADERS) && touch $@

# ---- the Dovecot plugin: Dovecot's headers, of Dovecot nothing to link; under a sanitizer only with PLUGIN_SANITIZE,
# since the program that loads it is not, and must preload the sanitizer then ----
# Of the files named after a version of Dovecot, those of the one installed; the module with the settings
# is compiled alone.
SETTINGS_SRCS := plugins/dovecot/settings_module_24.c plugins/dovecot/settings_24.c
PLUGIN_ALL    := $(filter-out plugins/dovecot/settings_module_24.c,$(wildcard plugins/dovecot/*.c))
PLUGIN_SRCS   := $(filter-out %_23.c %_24.c,$(PLUGIN_ALL)) $(filter %_$(DOVECOT_SERIES).c,$(PLUGIN_ALL))
PLUGIN_CC      = $(CC) -std=gnu11 -DHAVE_CONFIG_H -D_GNU_SOURCE -isystem /usr/include/dovecot $(PATHS) $(CPPFLAGS) \
    $(filter-out -Wformat=2 -Wvla,$(WARN)) -fvisibility=hidden $(if $(PLUGIN_SANITIZE),$(HARDEN),-fstack-protector-strong) \
    $(CFLAGS) $(WERRORS) -fPIC -shared -Wl,-z,relro,-z,now $(LDFLAGS)
$(eval $(call stamp,plugin-flags,$(if $(PLUGIN_SANITIZE),sanitized)))
$(PLUGIN): $(PLUGIN_SRCS) $(wildcard plugins/dovecot/*.h) $(BUILD)/flags $(BUILD)/plugin-flags $(BUILD)/paths $(BUILD)/sources
	$(if $(FOUND_DOVECOT),,$(error WITH_DOVECOT=yes: Dovecot's headers (dovecot-dev) are missing))
	@$(SAY) "  PLUGIN  $@" && $(PLUGIN_CC) -o $@ $(PLUGIN_SRCS) -lexpat -lidn && $(LAX)
$(BUILD)/libocsmanager_settings.so: $(SETTINGS_SRCS) $(wildcard plugins/dovecot/*.h) $(BUILD)/flags $(BUILD)/plugin-flags $(BUILD)/paths
	@$(SAY) "  PLUGIN  $@" && $(PLUGIN_CC) -o $@ $(SETTINGS_SRCS) && $(LAX)

# ---- the Samba plugin: one module that brings our libraries along and exports one symbol ----
SAMBA_PKGS := dcerpc_server samba-hostconfig tevent
SAMBA_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/samba/*.c))
$(SAMBA_OBJS): MORE_CPPFLAGS += $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(SAMBA_PKGS) 2>/dev/null))
$(SAMBA_PLUGIN): $(SAMBA_OBJS) $(BUILD)/libocsemsmdb.a $(BUILD)/libocsnotify.a plugins/samba/plugin.map $(BUILD)/sources
	$(if $(FOUND_SAMBA),,$(error WITH_SAMBA=yes: Samba's headers (samba-dev, libtevent-dev) are missing))
	@$(SAY) "  PLUGIN  $@" && \
	    $(LINK) -shared -Wl,--version-script=plugins/samba/plugin.map \
	    -o $@ $(SAMBA_OBJS) $(BUILD)/libocsemsmdb.a $(BUILD)/libocsnotify.a \
	    $(shell $(PKG_CONFIG) --libs $(SAMBA_PKGS) 2>/dev/null) -ldcerpc-server-core -lsamba-errors $(HOST_LIBS)

# ---- the daemon with kill points, for the tests of sudden death ----
FAULT_OBJS := $(patsubst %.c,$(BUILD)/obj-faults/%.o,$(shell grep -l '^#include "base/fault_point.h"' */*.c))
$(BUILD)/obj-faults/%.o: %.c $(BUILD)/flags
	@$(SAY) "  CC      $< (faults)" && $(COMPILE) -DOCS_TEST_FAULTS -c -o $@ $< && $(LAX)
$(BUILD)/ocsmanager-faults: $(DAEMON_OBJS) $(FAULT_OBJS) $(call libs,ocsmanager config cluster xml notify http registry users auth mapistore mqueue store base)
	@$(SAY) "  LINK    $@" && $(LINK) -pie -o $@ $^ $(LIBS)

# ---- unit tests: each a program of its own; main() and what several of them share are in unit.a ----
UNIT_SHARED := $(wildcard tests/unit/*.c tests/unit/*/*_rig.c)
$(eval $(call stamp,unit-shared,$(UNIT_SHARED)))
$(BUILD)/lib/unit.a: $(UNIT_SHARED:%.c=$(BUILD)/obj/%.o) $(BUILD)/unit-shared
	@$(SAY) "  AR      $@" && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

CHECK_LIBS := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/lib/unit.a $(LIB_ALL)
	@$(SAY) "  LINK    $@" && $(LINK) -o $@ $^ $(LIBS) $(CHECK_LIBS)

# The plugin's spool, with what it needs of Dovecot: that is one library.
DOVECOT_TEST := $(BUILD)/tests/unit/dovecot/test_faults
SPOOL_OBJS   := $(patsubst %,$(BUILD)/obj-dovecot/%.o,spool spool_read spool_record)
$(SPOOL_OBJS): $(BUILD)/obj-dovecot/%.o: plugins/dovecot/%.c $(BUILD)/flags
	@$(SAY) "  CC      $< (for its test)" && $(COMPILE) -c -o $@ $< && $(LAX)
$(SPOOL_OBJS) $(BUILD)/obj/tests/unit/dovecot/test_faults.o: MORE_CPPFLAGS += -DHAVE_CONFIG_H -isystem /usr/include/dovecot
$(DOVECOT_TEST): $(BUILD)/obj/tests/unit/dovecot/test_faults.o $(SPOOL_OBJS) $(BUILD)/lib/unit.a $(call libs,store base)
	@$(SAY) "  LINK    $@" && $(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(CHECK_LIBS) -L/usr/lib/dovecot -Wl,-rpath,/usr/lib/dovecot -ldovecot

# What a failed call leaves: in these tests, and in a daemon, each can be told to fail. Its own object, not in an
# archive, or every program would have it; and its names are the C library's for the other libraries too.
CALLS := $(BUILD)/obj/tests/faults/calls.o
# ASan asks for memory before its own is there.
$(BUILD)/obj/tests/faults/%.o: private OWN_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2 -fsanitize=%,$(OWN_CFLAGS))
FAULT_TESTS := $(filter %/test_memory %/test_faults,$(UNIT_TESTS))
$(FAULT_TESTS): $(CALLS)
$(FAULT_TESTS): private LINK += -rdynamic

# ---- fuzz targets: each runs a corpus and deterministic mutations of it, as a test ----
FUZZ_NAMES := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
FUZZ_TESTS := $(FUZZ_NAMES:%=$(BUILD)/tests/test_fuzz_%)
FUZZERS    := $(FUZZ_NAMES:%=$(BUILD)/fuzz/%)
FUZZ_OBJS  := $(BUILD)/obj/fuzz/fake_notify.o $(patsubst %,$(BUILD)/obj/%.o,mapihttp/body ocsctl/xml plugins/dovecot/spool_record) $(call libs,libocsemsmdb config auth cluster libocsnotify xml http notify registry users mapistore ropnotify mqueue store base)
$(FUZZ_TESTS): $(BUILD)/tests/test_fuzz_%: $(BUILD)/obj/fuzz/fuzz_%.o $(BUILD)/obj/fuzz/driver.o $(FUZZ_OBJS)
	@$(SAY) "  LINK    $@" && $(LINK) -o $@ $^ $(LIBS)
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/obj/fuzz/fuzz_%.o $(FUZZ_OBJS)
	@$(SAY) "  LINK    $@" && $(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS)

# ---- what service tests run beside the daemon ----
TEST_TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(filter-out tests/tools/clock.c,$(wildcard tests/tools/*.c)))
# What is a host of the library links what hosts link.
$(BUILD)/tests/mapi_host: $(BUILD)/libocsnotify.a
$(TEST_TOOLS): $(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o
	@$(SAY) "  LINK    $@" && $(LINK) -o $@ $^ $(if $(filter %.a,$^),$(HOST_LIBS)) $(if $(filter %/filtered,$@),-lseccomp) -lpthread
# What the unit lets the daemon call: for tests/tools/filtered.c. Under it run the daemons of the tests' harness, which
# demo-cluster and bench use too.
FILTER := $(BUILD)/tests/filtered $(BUILD)/tests/syscalls
$(BUILD)/tests/syscalls: tests/tools/syscalls dist/ocsmanager.service
	@$(SAY) "  LIST    $@" && tests/tools/syscalls dist/ocsmanager.service >$@.new && sed 's/^mode [0-9]* //' $@.new >$@.any-mode && mv $@.new $@
# Preloaded; never under a sanitizer, which the program may be.
PRELOADED := $(BUILD)/tests/clock.so $(BUILD)/tests/calls.so
$(BUILD)/tests/clock.so: tests/tools/clock.c
$(BUILD)/tests/calls.so: tests/faults/calls.c tests/faults/calls.h
$(PRELOADED): $(BUILD)/flags
	@$(SAY) "  LINK    $@" && $(CC) -std=gnu11 -D_GNU_SOURCE -I. $(WARN) $(CPPFLAGS) -fvisibility=hidden $(CFLAGS) $(WERRORS) -fPIC -shared $(LDFLAGS) -o $@ $(filter %.c,$^) && $(LAX)
# ---- a client made of Samba's library, for the live tests ----
PEER_PKGS := dcerpc samba-credentials samba-hostconfig tevent talloc ndr
$(BUILD)/tests/samba_peer: tests/live/samba_peer.c $(BUILD)/flags
	@$(SAY) "  LINK    $@" && \
	    $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PEER_PKGS) 2>/dev/null)) \
	    $(CPPFLAGS) $(CFLAGS) $(WERRORS) $(LDFLAGS) -o $@ $< $(shell $(PKG_CONFIG) --libs $(PEER_PKGS) 2>/dev/null) \
	    -ldcerpc-binding -lsamba-errors && $(LAX)
tests: $(UNIT_TESTS) $(FUZZ_TESTS) $(TEST_TOOLS) $(PRELOADED) $(BUILD)/tests/syscalls $(BUILD)/ocsmanager-faults $(if $(HAVE_SAMBA),$(BUILD)/tests/samba_peer)

# ---- bench ----
$(BUILD)/bench/amqp_bare $(BUILD)/bench/amqp_drain: $(BUILD)/obj/bench/amqp.o
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bench/common*.c bench/request.c bench/samples.c)) $(call libs,notify libocsemsmdb libocsnotify xml registry mapistore ropnotify mqueue store base)
	@$(SAY) "  LINK    $@" && $(LINK) -o $@ $^ $(LIBS)

# ---- what people call ----
# Installs what is missing of debian-packages: as root, or by sudo.
deps:
	@tools/install-packages debian-packages

# The same before check and demo, unless DEPS=no.
.PHONY: needed
needed:
ifneq ($(DEPS),no)
	@tools/install-packages debian-packages
endif

check: needed
	$(MAKE) WERROR=1 BUILD=build all tests
	$(MAKE) WERROR=1 BUILD=build-asan SANITIZE=address,undefined OPT='-O1 -g1' all tests
	$(PYTHON) tests/run.py build build-asan

# The same without the sanitizers; what runs beside real servers too, which check runs once, sanitized.
check-plain: needed
	$(MAKE) WERROR=1 BUILD=build all tests
	$(PYTHON) tests/run.py build

# What is left of check-plain after check: real servers, without the sanitizers.
check-live: needed
	$(MAKE) WERROR=1 BUILD=build all tests
	$(PYTHON) tests/run.py --live build

# The same as it is, while working.
check-fast: all tests
	$(PYTHON) tests/run.py $(BUILD)

# Hours: kills under load until there were CYCLES and NOTIFICATIONS, or HOURS have passed; then a crowd of SESSIONS for
# MINUTES. It ends in tables for doc/reliability.md.
CYCLES        ?= 5000
NOTIFICATIONS ?= 1000000
MINUTES       ?= 60
SESSIONS      ?= 10000
check-long: needed
	$(MAKE) WERROR=1 BUILD=$(BUILD) all $(FILTER) $(BUILD)/bench/waits $(BUILD)/bench/storm
	$(PYTHON) tests/long/storm.py --cycles $(CYCLES) --notifications $(NOTIFICATIONS) $(if $(HOURS),--hours $(HOURS)) $(if $(SEED),--seed $(SEED)) $(BUILD)
	$(PYTHON) tests/long/crowd.py --sessions $(SESSIONS) --minutes $(MINUTES) $(BUILD)

demo demo-outlook demo-cluster: needed
	@mkdir -p $(BUILD)
	@$(MAKE) --no-print-directory BUILD=$(BUILD) all $(if $(filter demo-cluster,$@),$(FILTER)) >$(BUILD)/demo.log 2>&1 || { cat $(BUILD)/demo.log; exit 1; }
	@$(PYTHON) demo/$(subst -,_,$@).py $(BUILD)

include tools/watch/watch.mk

# For clangd and other tools that ask how a file is compiled.
compile_commands.json: FORCE
	@$(MAKE) -Bn --no-print-directory all tests $(BENCHES) | tools/compile-commands >$@

# With clang's libFuzzer and llvm's tools (packages clang and llvm): TIME seconds for each target, or for TARGET alone
# (several: between blanks), and what came of it (fuzz/run.py). What it finds and learns stays in build-fuzz.
TIME   ?= 60
TARGET ?= $(FUZZ_NAMES)
.PHONY: build-fuzz fuzz-merge
build-fuzz:
	@$(MAKE) --no-print-directory BUILD=$@ CC=$(if $(findstring clang,$(CC)),'$(CC)',clang) \
	    SANITIZE=fuzzer-no-link,address,undefined OPT='-O1 -g1 -fprofile-instr-generate -fcoverage-mapping' $(TARGET:%=$@/fuzz/%)
fuzz: build-fuzz
	$(PYTHON) fuzz/run.py --seconds $(TIME) $(TARGET)
# The inputs in fuzz/corpus anew, from them and from what was learned.
fuzz-merge: build-fuzz
	$(PYTHON) fuzz/run.py --merge $(TARGET)

# PART=NAME[,NAME...]: only these parts; bench/run.py --help lists them.
bench: needed all $(FILTER) $(BENCHES)
	OCS_BUILD=$(BUILD) $(PYTHON) bench/run.py $(if $(PART),--part '$(PART)')

SOURCES_TO_FORMAT = $(wildcard */*.[ch] plugins/*/*.[ch] tests/*/*.[ch] tests/unit/*/*.[ch])
format:
	clang-format -i $(SOURCES_TO_FORMAT)
# With Debian 12's clang-format; other versions see some things otherwise.
check-format:
	clang-format --dry-run -Werror $(SOURCES_TO_FORMAT)

# ---- installation ----
# A plugin whose folder is not known has no home: its place would be the root of the file system.
HOME_DOVECOT := $(if $(HAVE_DOVECOT),$(strip $(DOVECOTDIR)))
HOME_SAMBA   := $(if $(HAVE_SAMBA),$(strip $(SAMBADIR)))
homeless      = @$(if $(HAVE_$(1)),$(if $(HOME_$(1)),true,echo "$(1)DIR is empty: its plugin is not installed"; test $(WITH_$(1)) = auto),true)
# MODE:FILE:TARGET of all that is installed, and removed by uninstall; the configuration is the admin's.
MANS      := $(wildcard doc/*.[1358])
INSTALLED := \
    755:$(BUILD)/ocsmanager:$(PREFIX)/sbin/ocsmanager \
    755:$(BUILD)/ocsmapihttp:$(PREFIX)/sbin/ocsmapihttp \
    755:$(BUILD)/ocsctl:$(PREFIX)/bin/ocsctl \
    755:$(BUILD)/ocsconsumer:$(PREFIX)/bin/ocsconsumer \
    $(foreach s,$(SHARED),755:$(s):$(LIBDIR)/$(notdir $(s))) \
    $(foreach p,$(PRODUCTS),644:$(BUILD)/lib$(p).a:$(LIBDIR)/lib$(p).a \
        644:$(BUILD)/$(p).pc:$(LIBDIR)/pkgconfig/$(p).pc 644:include/$(p).h:$(PREFIX)/include/$(p).h) \
    $(if $(HOME_DOVECOT),$(foreach m,$(PLUGIN_SETTINGS),644:$(m):$(DOVECOTDIR)/settings/$(notdir $(m)))) \
    $(if $(HOME_DOVECOT),644:$(PLUGIN):$(DOVECOTDIR)/$(notdir $(PLUGIN))) \
    $(if $(HOME_SAMBA),644:$(SAMBA_PLUGIN):$(SAMBADIR)/ocsmanager.so) \
    $(if $(HAVE_SYSTEMD),644:$(BUILD)/ocsmanager.service:$(UNITDIR)/ocsmanager.service \
        644:dist/ocsmanager.sysusers:$(PREFIX)/lib/sysusers.d/ocsmanager.conf) \
    $(foreach e,$(wildcard dist/*.conf),644:$(e):$(PREFIX)/share/doc/ocsmanager/examples/$(notdir $(e))) \
    $(foreach m,$(MAN3),644:$(BUILD)/man/$(m).3:$(PREFIX)/share/man/man3/$(m).3) \
    $(foreach m,$(MANS),644:$(m):$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))

install: all
	$(call homeless,DOVECOT)
	$(call homeless,SAMBA)
	@set -e; for entry in $(INSTALLED); do \
	    mode=$${entry%%:*}; entry=$${entry#*:}; \
	    echo "  INSTALL $(DESTDIR)$${entry#*:}"; \
	    install -D -m $$mode $${entry%%:*} $(DESTDIR)$${entry#*:}; \
	done
	$(foreach s,$(notdir $(SHARED)),ln -sf $(s) $(DESTDIR)$(LIBDIR)/$(basename $(s));)
	install -d $(DESTDIR)$(SYSCONFDIR) $(if $(HOME_DOVECOT),$(DESTDIR)$(LOCALSTATEDIR)/spool/ocsmanager)
	test -e $(DESTDIR)$(SYSCONFDIR)/ocsmanager.ini || install -m 640 $(addprefix -g ,$(INI_GROUP)) ocsmanager.ini $(DESTDIR)$(SYSCONFDIR)/
	$(if $(DESTDIR)$(INI_GROUP),,@tools/ini-group $(SYSCONFDIR)/ocsmanager.ini)

# Leaves the configuration and the registry.
uninstall:
	rm -f $(foreach entry,$(INSTALLED),$(DESTDIR)$(lastword $(subst :, ,$(entry)))) $(PRODUCTS:%=$(DESTDIR)$(LIBDIR)/lib%.so)

clean:
	rm -rf $(BUILD) build build-asan build-asan-plugin build-tsan build-clang build-coverage build-analyze

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
