/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What another node tells of its identifiers, and what it is answered. */
#include "tests/unit/rig.h"

#include "cluster/inbox_internal.h"

#define OLD 0x0100000000000002ULL
#define NEW 0x0200000000000001ULL /* of the other replica id, with a higher counter */

static const struct ocs_notification event = {
        .category = OCS_NEWMAIL,
        .backend = "sogo",
        .backend_user = "jdoe",
        .folder = "INBOX",
        .message_id = "1",
};

static const uint64_t old_folder[] = {OLD, OLD}, new_folder[] = {OLD, NEW};

static struct ocs_ids_list list(uint16_t replica_id, const uint64_t *folder, uint64_t mid)
{
	static struct ocs_ids ids;

	ids = (struct ocs_ids){.user = "jdoe",
	                       .category = OCS_NEWMAIL,
	                       .n_folder = 2,
	                       .folder = folder,
	                       .mid = mid};
	return (struct ocs_ids_list){.replica_id = replica_id, .n = 1, .ids = &ids};
}

/* A request as the inbox makes it of a message that tells this. */
static struct ocs_request *told(const uint64_t *folder, uint64_t mid, bool only)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_inbox_envelope envelope = {.origin = "other", .ids_only = only};
	struct ocs_ids_list theirs = list(1, folder, mid);

	request->count = 1;
	request->items = talloc_memdup(request, &event, sizeof(event));
	envelope.ids.bytes = ocs_ids_encode(request, &theirs, &envelope.ids.len);
	ocs_inbox_read_ids(&envelope, request);
	ck_assert_ptr_nonnull(request->told);
	ck_assert_str_eq(request->told->origin, "other");
	return request;
}

static struct ocs_message *answer(struct ocs_request *request, uint16_t replica_id,
                                  const uint64_t *folder, uint64_t mid)
{
	struct ocs_ids_list ours = list(replica_id, folder, mid);

	ck_assert_int_eq(ocs_ids_add(request, request->known, ours.ids), 0);
	request->known->replica_id = replica_id;
	return ocs_inbox_answer(request, request);
}

TEST(a_node_whose_identifier_does_not_win_is_answered_with_the_one_that_does)
{
	struct ocs_request *request = told(new_folder, OLD, false);
	struct ocs_message *message = answer(request, 2, old_folder, OLD);
	struct ocs_ids_list *ids;

	ck_assert_ptr_nonnull(message);
	ck_assert(message->ids_only);
	ck_assert_uint_eq(message->n_keys, 1);
	ck_assert_str_eq(message->keys[0], "\001other");
	ids = ocs_ids_decode(request, message->ids, message->ids_len);
	ck_assert_ptr_nonnull(ids);
	ck_assert_uint_eq(ids->replica_id, 2);
	ck_assert_uint_eq(ids->ids[0].folder[1], OLD);
	ck_assert_ptr_nonnull(strstr(message->body, "INBOX"));
	talloc_free(request);
}

TEST(one_that_wins_or_is_the_same_is_not_answered)
{
	struct ocs_request *request = told(old_folder, OLD, false);

	ck_assert_ptr_null(answer(request, 2, new_folder, OLD));
	talloc_free(request);
	request = told(old_folder, OLD, false);
	ck_assert_ptr_null(answer(request, 2, old_folder, OLD));
	talloc_free(request);
	/* What is not told does not count. */
	request = told((const uint64_t[]){0, 0}, 0, false);
	ck_assert_ptr_null(answer(request, 2, old_folder, OLD));
	talloc_free(request);
}

TEST(a_mail_alone_is_reason_enough)
{
	struct ocs_request *request = told(old_folder, NEW, false);

	ck_assert_ptr_nonnull(answer(request, 2, old_folder, OLD));
	talloc_free(request);
}

TEST(nobody_answers_an_answer_or_a_node_with_the_same_replica_id)
{
	struct ocs_request *request = told(new_folder, OLD, true);

	ck_assert(request->ids_only);
	ck_assert_ptr_null(answer(request, 2, old_folder, OLD));
	talloc_free(request);
	request = told(new_folder, OLD, false);
	ck_assert_ptr_null(answer(request, 1, old_folder, OLD));
	talloc_free(request);
}

TEST(what_is_no_list_or_has_no_origin_is_not_told)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_inbox_envelope envelope = {.origin = "other",
	                                      .ids = amqp_cstring_bytes("nonsense")};
	struct ocs_ids_list theirs = list(1, old_folder, OLD);

	request->count = 1;
	ocs_inbox_read_ids(&envelope, request);
	ck_assert_ptr_null(request->told);
	envelope.ids.bytes = ocs_ids_encode(request, &theirs, &envelope.ids.len);
	envelope.origin[0] = '\0';
	ocs_inbox_read_ids(&envelope, request);
	ck_assert_ptr_null(request->told);
	/* Old nodes tell nothing. */
	envelope = (struct ocs_inbox_envelope){.origin = "other"};
	ocs_inbox_read_ids(&envelope, request);
	ck_assert_ptr_null(request->told);
	ck_assert_ptr_nonnull(request->known);
	talloc_free(request);
}
