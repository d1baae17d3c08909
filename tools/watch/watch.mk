# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
# What watches the sources and the running programs beside `make check`; each is slow, and says what it found.
#   make analyze            cppcheck, clang-tidy, gcc -fanalyzer; FILES='base/file.c ...' TOOLS='gcc ...': only these
#   make valgrind           unit tests of what hosts link
#   make check-threads      unit and service tests under ThreadSanitizer
#   make check-plugins      Dovecot and Samba with plugins under AddressSanitizer
#   make coverage           lines that unit, service and live tests run, per module; into doc/reliability.md

.PHONY: analyze valgrind check-threads check-plugins coverage needed-to-watch
needed-to-watch: needed
ifneq ($(DEPS),no)
	@tools/install-packages tools/watch/packages
endif

analyze: needed-to-watch compile_commands.json $(ARCHITECTURE:%=$(BUILD)/see/%/made)
	@$(PYTHON) tools/watch/analyze $(TOOLS:%=-t %) $(FILES)

check-threads: needed
	$(MAKE) WERROR=1 BUILD=build-tsan SANITIZE=thread OPT='-O1 -g1' all tests
	$(PYTHON) tests/run.py --unit --service build-tsan

# Leaks of a plugin in a host that has its own are valgrind's.
check-plugins: needed
	$(MAKE) WERROR=1 BUILD=build-asan-plugin SANITIZE=address,undefined PLUGIN_SANITIZE=1 OPT='-O1 -g1' all tests
	$(PYTHON) tests/run.py --live -k live/test_dovecot -k live/test_samba -k live/test_end_to_end build-asan-plugin

# What is only "possibly" lost is what talloc holds for a process that ended with a handle open: it gives out pointers
# behind a header of its own. Tests whose malloc() can fail have one of their own, which valgrind would replace too.
VALGRIND = valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
    --show-leak-kinds=definite --num-callers=25 --soname-synonyms=somalloc=nouserintercepts --suppressions=$(CURDIR)/tests/valgrind.supp
HOST_MODULES := libocsnotify libocsemsmdb ropnotify mapistore
valgrind: needed-to-watch
	$(MAKE) WERROR=1 BUILD=build all tests
	CK_TIMEOUT_MULTIPLIER=20 $(PYTHON) tests/run.py --unit $(HOST_MODULES:%=-k unit/%/) --under '$(VALGRIND)' build

coverage: needed
	$(MAKE) WERROR=1 BUILD=build-coverage OPT='-O0 -g --coverage' all tests
	@tools/watch/coverage begin build-coverage
	-$(PYTHON) tests/run.py --unit --service --live build-coverage
	@tools/watch/coverage table build-coverage doc/reliability.md
