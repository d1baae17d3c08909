/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/index_import.c mapistore/import_text.c mapistore/import_records.c */
/* Fuzz target: an export of an index that is taken into another one. Nothing stays of it, since it
 * is only tried. */
#include <string.h>

#include <talloc.h>

#include "fuzz/folder.h"
#include "mapistore/index_tools.h"

#define TDB_NAME "TDB file\n" /* an OpenChange's, which libtdb reads */

const char *const fuzz_texts[] = {
        "ocsmanager-index\t1\t1\t281000000000000\n"
        "root\t0100000000000001\tanna\n"
        "folder\t0200000000000001\tlive\t7\tanna\tsogo\tanna\tINBOX\n"
        "folder\t0300000000000001\tlive\t-\tanna\tsogo\tanna\tINBOX/a\n"
        "message\t0400000000000001\t0200000000000001\tquiet\t00000000000000aa\t17.eml\n"
        "folder\t0500000000000001\tdeleted\t-\tanna\tsogo\tanna\tOld\n"
        "alias\t0600000000000002\t0400000000000001\n"
        "end\t6\n",
        "ocsmanager-index\t1\t2\t9\nroot\t0100000000000002\ta\nend\t1\n",
        "ocsmanager-index\t1\t1\t1\nfolder\t0200000000000001\tlive\t7\ta\tb\tc\tINBOX\n"
        "folder\t0200000000000001\tsecond\t7\ta\tb\tc\tINBOX\nend\t2\n",
        NULL,
};

static struct ocs_index *make_index(void)
{
	struct ocs_index *index;

	FUZZ_CHECK(ocs_index_open(fuzz_folder(), 1, true, &index, NULL) == 0);
	ocs_index_close(index);
	FUZZ_CHECK(ocs_index_open(fuzz_folder(), 1, false, &index, NULL) == 0);
	return index;
}

static void fault(void *arg, const char *where, const char *what)
{
	FUZZ_CHECK(where[0] != '\0' && what[0] != '\0');
	++*(uint64_t *)arg;
}

static void progress(void *arg, uint64_t records)
{
	(void)arg;
	(void)records;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ocs_index *index;
	uint64_t faults = 0;
	const struct ocs_index_watch watch = {fault, progress, &faults};
	struct ocs_index_source source = {.dry_run = true, .names = {size % 2 != 0, "x.org"}};
	struct ocs_index_imported out;
	struct ocs_error error = {.text = ""};

	if (size >= strlen(TDB_NAME) && memcmp(data, TDB_NAME, strlen(TDB_NAME)) == 0)
		return 0;
	if (index == NULL)
		index = make_index();
	source.path = fuzz_path("import");
	fuzz_write_file(source.path, data, size);
	if (ocs_index_import(index, &source, &watch, &out, &error) != 0) {
		FUZZ_CHECK(error.text[0] != '\0');
		return 0;
	}
	FUZZ_CHECK(out.refused == 0 || faults > 0);
	FUZZ_CHECK(out.refused > 0 || out.counter > 0);
	return 0;
}
