/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The bytes of the spool's files: see spool_record.h. Touches only what it is given. */
#include "spool_record.h"

#include <stdio.h>
#include <string.h>

/* Eight hex digits; -1: they are others. */
static int64_t parse_crc(const char *digits)
{
	unsigned crc;

	if (strspn(digits, "0123456789abcdefABCDEF") != 8 || sscanf(digits, "%8x", &crc) != 1)
		return -1;
	return crc;
}

static enum ocs_spool_line parse_record(char *line, size_t size, ocs_spool_crc_fn *crc,
                                        const char **xml_r)
{
	const char *xml = line + OCS_SPOOL_HEAD;

	if (size <= OCS_SPOOL_HEAD || line[OCS_SPOOL_HEAD - 1] != ' ' ||
	    (line[0] != '+' && line[0] != '-') ||
	    parse_crc(line + 1) != (int64_t)crc(xml, size - OCS_SPOOL_HEAD) ||
	    strlen(xml) != size - OCS_SPOOL_HEAD)
		return OCS_SPOOL_LINE_DAMAGED;
	*xml_r = xml;
	return line[0] == '+' ? OCS_SPOOL_LINE_RECORD : OCS_SPOOL_LINE_OTHER;
}

enum ocs_spool_line ocs_spool_line_read(char *text, size_t size, size_t max, ocs_spool_crc_fn *crc,
                                        size_t *taken_r, const char **xml_r)
{
	char *end = memchr(text, '\n', size);

	*taken_r = 0;
	if (end == NULL) {
		/* the end of a file that is being written, or of a writer */
		if (size < max)
			return OCS_SPOOL_LINE_END;
		*taken_r = size;
		return OCS_SPOOL_LINE_OTHER;
	}
	if (end == text) {
		*taken_r = strspn(text, "\n");
		return OCS_SPOOL_LINE_OTHER;
	}
	*taken_r = (size_t)(end - text) + 1;
	*end = '\0';
	return parse_record(text, (size_t)(end - text), crc, xml_r);
}

void ocs_spool_away_parse(const char *text, long long now_msecs, struct ocs_spool_away *away_r)
{
	if (sscanf(text, "away %lld %lld %u\n", &away_r->since_msecs, &away_r->until_msecs,
	           &away_r->backoff_msecs) != 3 ||
	    away_r->since_msecs > now_msecs ||
	    away_r->until_msecs > now_msecs + OCS_SPOOL_AWAY_MAX_MSECS)
		memset(away_r, 0, sizeof(*away_r));
}
