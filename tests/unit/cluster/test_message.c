/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A notification as it travels: routing keys, the document, the block of the spool. */
#include "tests/unit/rig.h"

#include <sys/mman.h>

#include "cluster/message.h"
#include "xml/xml.h"

static const char *const users[] = {"jdoe", "böb@example.org"};

static struct ocs_notification full(void)
{
	return (struct ocs_notification){
	        .category = OCS_MOVED,
	        .backend = "sogo",
	        .backend_user = "j<d>oe & \"co\"",
	        .folder = "INBOX/Projécts",
	        .message_id = "12.eml",
	        .old_folder = "INBOX",
	        .old_message_id = "11.eml",
	        .message_class = "IPM.Note.Special",
	        .id = "a \"b\" <c>",
	        .has_uid_validity = true,
	        .has_total = true,
	        .has_unread = true,
	        .uid_validity = 4294967295u,
	        .message_flags = 4,
	        .total = 0,
	        .unread = 3,
	};
}

static struct ocs_message *make(void *mem_ctx, const struct ocs_notification *notification,
                                size_t n_users)
{
	struct ocs_message *message =
	        ocs_message_new(mem_ctx, "a-1-1", "tester", 12345, users, n_users, notification);

	ck_assert_ptr_nonnull(message);
	return message;
}

TEST(a_routing_key_is_the_name_or_its_hash)
{
	char key[OCS_MESSAGE_KEY_SIZE], other[OCS_MESSAGE_KEY_SIZE], user[400];

	ocs_message_key("jdoe@example.org", key);
	ck_assert_str_eq(key, "jdoe@example.org");
	memset(user, 'x', sizeof(user));
	user[255] = '\0';
	ocs_message_key(user, key);
	ck_assert_str_eq(key, user);
	user[255] = 'x';
	user[256] = '\0';
	ocs_message_key(user, key);
	ck_assert_uint_eq(strlen(key), 65);
	ck_assert_int_eq(key[0], '~');
	user[255] = 'y';
	ocs_message_key(user, other);
	ck_assert_str_ne(key, other);
}

TEST(the_document_reads_as_what_was_written)
{
	struct ocs_notification in = full();
	struct ocs_xml_notifications *out;
	struct ocs_refusal refusal;
	void *mem_ctx = talloc_new(NULL);
	struct ocs_message *message = make(mem_ctx, &in, 2);
	const struct ocs_notification *got;

	ck_assert_int_eq(ocs_xml_read_notifications(mem_ctx, message->body, message->len, 1, false,
	                                            &out, &refusal),
	                 0);
	ck_assert_uint_eq(out->count, 1);
	ck_assert_int_ne(out->results[0].status, OCS_STATUS_REFUSED);
	got = &out->items[0];
	ck_assert_int_eq(got->category, in.category);
	ck_assert_str_eq(got->backend, in.backend);
	ck_assert_str_eq(got->backend_user, in.backend_user);
	ck_assert_str_eq(got->folder, in.folder);
	ck_assert_str_eq(got->message_id, in.message_id);
	ck_assert_str_eq(got->old_folder, in.old_folder);
	ck_assert_str_eq(got->old_message_id, in.old_message_id);
	ck_assert_str_eq(got->message_class, in.message_class);
	ck_assert_str_eq(got->id, in.id);
	ck_assert(got->has_uid_validity && got->has_total && got->has_unread);
	ck_assert_uint_eq(got->uid_validity, in.uid_validity);
	ck_assert_uint_eq(got->message_flags, in.message_flags);
	ck_assert_uint_eq(got->total, in.total);
	ck_assert_uint_eq(got->unread, in.unread);
	ck_assert_ptr_null(out->token);
	talloc_free(mem_ctx);
}

TEST(what_is_not_known_is_not_written)
{
	struct ocs_notification in = {.category = OCS_MODIFIED,
	                              .backend = "sogo",
	                              .backend_user = "jdoe",
	                              .folder = "INBOX"};
	struct ocs_xml_notifications *out;
	struct ocs_refusal refusal;
	void *mem_ctx = talloc_new(NULL);
	struct ocs_message *message = make(mem_ctx, &in, 1);

	ck_assert_int_eq(ocs_xml_read_notifications(mem_ctx, message->body, message->len, 1, false,
	                                            &out, &refusal),
	                 0);
	ck_assert_ptr_null(out->items[0].message_id);
	ck_assert_ptr_null(out->items[0].id);
	ck_assert(!out->items[0].has_uid_validity && !out->items[0].has_total &&
	          !out->items[0].has_unread);
	talloc_free(mem_ctx);
}

/* Deprecated, but how else would talloc fail. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void limit_memory(const void *mem_ctx, size_t bytes)
{
	ck_assert_int_eq(talloc_set_memlimit(mem_ctx, bytes), 0);
}
#pragma GCC diagnostic pop

TEST(without_memory_a_block_is_not_taken_for_a_broken_one)
{
	struct ocs_notification in = full();
	void *mem_ctx = talloc_new(NULL);
	unsigned failed = 0;
	size_t len;
	uint8_t *data = ocs_message_pack(mem_ctx, make(mem_ctx, &in, 2), &len);

	for (size_t limit = 64;; limit += 64, failed++) {
		void *little = talloc_new(NULL);
		struct ocs_message *got;

		limit_memory(little, limit);
		rig_error = (struct ocs_error){.text = ""};
		got = ocs_message_unpack(little, data, len, &rig_error);
		talloc_free(little);
		if (got != NULL)
			break;
		ck_assert_msg(rig_error.no_memory, "%zu bytes: %s", limit, rig_error.text);
	}
	ck_assert_uint_gt(failed, 5);
	talloc_free(mem_ctx);
}

TEST(a_block_unpacks_to_the_same_message)
{
	struct ocs_notification in = full();

	for (size_t n = 0; n <= 2; n++) {
		void *mem_ctx = talloc_new(NULL);
		struct ocs_message *message = make(mem_ctx, &in, n), *got;
		size_t len;
		uint8_t *data = ocs_message_pack(mem_ctx, message, &len);

		ck_assert_ptr_nonnull(data);
		got = ocs_message_unpack(mem_ctx, data, len, &rig_error);
		ck_assert_msg(got != NULL, "%s", rig_error.text);
		ck_assert_int_eq(got->ingest, n == 0);
		ck_assert_str_eq(got->id, "a-1-1");
		ck_assert_str_eq(got->account, "tester");
		ck_assert_uint_eq(got->accepted_at, 12345);
		ck_assert_uint_eq(got->n_keys, n);
		for (size_t i = 0; i < n; i++)
			ck_assert_str_eq(got->keys[i], users[i]);
		ck_assert_uint_eq(got->len, message->len);
		ck_assert_mem_eq(got->body, message->body, message->len);
		talloc_free(mem_ctx);
	}
}

TEST(a_block_that_is_cut_or_changed_is_refused_or_whole)
{
	struct ocs_notification in = full();
	void *mem_ctx = talloc_new(NULL);
	struct ocs_message *message = make(mem_ctx, &in, 2);
	size_t len;
	uint8_t *data = ocs_message_pack(mem_ctx, message, &len);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut > 0 ? cut : 1); /* for the sanitizer to see the end of */

		memcpy(copy, data, cut);
		ck_assert_ptr_null(ocs_message_unpack(mem_ctx, copy, cut, &rig_error));
		free(copy);
	}
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0xff;
		talloc_free(ocs_message_unpack(mem_ctx, data, len, &rig_error));
		data[i] ^= 0xff;
	}
	talloc_free(mem_ctx);
}

TEST(of_a_block_without_a_body_nothing_is_read_past_its_end)
{
	struct ocs_notification in = full();
	void *mem_ctx = talloc_new(NULL);
	struct ocs_message *message = make(mem_ctx, &in, 1), *got;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len;
	uint8_t *data, *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	ck_assert_int_eq(mprotect(pages + page, page, PROT_NONE), 0);
	message->len = 0;
	data = ocs_message_pack(mem_ctx, message, &len);
	memcpy(pages + page - len, data, len);
	got = ocs_message_unpack(mem_ctx, pages + page - len, len, &rig_error);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(got->len, 0);
	munmap(pages, 2 * page);
	talloc_free(mem_ctx);
}

TEST(what_is_told_along_with_it_and_an_answer_come_back_from_the_spool)
{
	static const uint64_t folder[] = {0x0101, 0x0201};
	const struct ocs_ids_list list = {
	        .replica_id = 7,
	        .n = 1,
	        .ids = &(struct ocs_ids){.user = "jdoe", .n_folder = 2, .folder = folder}};
	struct ocs_notification in = full();
	void *mem_ctx = talloc_new(NULL);
	struct ocs_message *message = make(mem_ctx, &in, 2), *again;
	struct ocs_ids_list *told;
	struct ocs_error error;
	uint8_t *data;
	size_t len;

	ck_assert_int_eq(ocs_message_set_ids(message, &list), 0);
	data = ocs_message_pack(mem_ctx, message, &len);
	again = ocs_message_unpack(mem_ctx, data, len, &error);
	ck_assert_ptr_nonnull(again);
	ck_assert(!again->ids_only);
	told = ocs_ids_decode(mem_ctx, again->ids, again->ids_len);
	ck_assert_ptr_nonnull(told);
	ck_assert_uint_eq(told->replica_id, 7);
	for (size_t n = 0; n < len; n++)
		ck_assert_ptr_null(ocs_message_unpack(mem_ctx, data, n, &error));

	message = ocs_message_new_ids(mem_ctx, "node-b", &in, &list);
	ck_assert_ptr_nonnull(message);
	ck_assert_str_eq(message->keys[0], "\001node-b");
	data = ocs_message_pack(mem_ctx, message, &len);
	again = ocs_message_unpack(mem_ctx, data, len, &error);
	ck_assert_ptr_nonnull(again);
	ck_assert(again->ids_only && !again->ingest);
	ck_assert_ptr_null(ocs_message_new_ids(mem_ctx, "node-b", &in,
	                                       &(struct ocs_ids_list){.replica_id = 7}));
	talloc_free(mem_ctx);
}
