/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The digest of a mail: see guid.h. Reads the mail's headers, from the cache where they are there.
 */
#include "lib.h"
#include "hex-binary.h"
#include "istream.h"
#include "mail-storage.h"
#include "sha2.h"

#include "guid.h"

#define GUID_BYTES 16
/* of a mail whose headers have no end */
#define HEADERS_MAX (64 * 1024)

static bool add_headers(struct mail *mail, struct sha256_ctx *digest)
{
	static const char *const names[] = {"Message-ID", "Date", "From", "Subject", NULL};
	struct mailbox_header_lookup_ctx *headers = mailbox_header_lookup_init(mail->box, names);
	struct istream *input;
	const unsigned char *data;
	size_t size, i, total = 0;
	bool ok = FALSE;

	if (mail_get_header_stream(mail, headers, &input) == 0) {
		while (total < HEADERS_MAX && i_stream_read_more(input, &data, &size) > 0) {
			/* stores differ in their line ends */
			for (i = 0; i < size; i++)
				if (data[i] != '\r')
					sha256_loop(digest, data + i, 1);
			i_stream_skip(input, size);
			total += size;
		}
		ok = input->stream_errno == 0;
	}
	mailbox_header_lookup_unref(&headers);
	return ok;
}

const char *ocs_guid(struct mail *mail)
{
	unsigned char result[SHA256_RESULTLEN];
	struct sha256_ctx digest;
	time_t received;
	uint64_t seconds;

	if (mail_get_received_date(mail, &received) < 0)
		return NULL;
	sha256_init(&digest);
	seconds = (uint64_t)received;
	sha256_loop(&digest, &seconds, sizeof(seconds));
	if (!add_headers(mail, &digest))
		return NULL;
	sha256_result(&digest, result);
	return binary_to_hex(result, GUID_BYTES);
}
