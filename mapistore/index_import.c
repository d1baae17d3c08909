/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The import of a file into the index: see index_tools.h. Opens the file. */
#include "mapistore/index_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#define TDB_NAME "TDB file\n"

/* Not one that never ends, such as a FIFO that nobody writes to. */
static FILE *open_source(const char *path, struct ocs_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	FILE *file = NULL;

	if (fd < 0) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		ocs_error_set(error, "%s: not a regular file", path);
	else if ((file = fdopen(fd, "r")) == NULL)
		ocs_error_memory(error);
	if (file == NULL)
		close(fd);
	return file;
}

/* By what it begins with. libtdb opens its own by the path. */
static int import_file(struct ocs_import *import)
{
	char start[sizeof(OCS_INDEX_TEXT_NAME)] = "";
	FILE *file = open_source(import->source->path, import->error);
	size_t n;
	int ret;

	if (file == NULL)
		return -1;
	n = fread(start, 1, sizeof(start) - 1, file);
	rewind(file);
	if (n == strlen(OCS_INDEX_TEXT_NAME) && strcmp(start, OCS_INDEX_TEXT_NAME) == 0) {
		ret = ocs_import_text(import, file);
	} else if (strncmp(start, TDB_NAME, strlen(TDB_NAME)) == 0) {
		(void)fclose(file);
		return ocs_import_openchange(import);
	} else {
		ret = ocs_error_set(import->error,
		                    "%s: neither what `ocsctl index export` wrote nor an "
		                    "indexing.tdb of OpenChange",
		                    import->source->path);
	}
	(void)fclose(file);
	return ret;
}

int ocs_index_import(struct ocs_index *index, const struct ocs_index_source *source,
                     const struct ocs_index_watch *watch, struct ocs_index_imported *out,
                     struct ocs_error *error)
{
	struct ocs_import import = {
	        .index = index, .source = source, .watch = watch, .out = out, .error = error};
	int ret;

	*out = (struct ocs_index_imported){.users = 0};
	import.mem_ctx = talloc_new(NULL);
	ret = import.mem_ctx != NULL ? import_file(&import) : ocs_error_memory(error);
	ocs_import_done(&import);
	return ret;
}
