/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Request bodies into plain data (xml.h): which elements count, and the rules for each value. The
 * document is walked once; all strings of a request lie in one talloc chunk with the request.
 */
#include "xml/xml.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "mapistore/names.h"
#include "xml/xml_common.h"
#include "xml/xml_sax.h"

/* Elements a request may hold apart from notifications, and those of one notification: the known
 * ones and as many again that newer clients may send. */
#define ELEMENTS_BASE             64
#define ELEMENTS_PER_NOTIFICATION 32

#define CATEGORY_SIZE 32 /* of the buffer; longer than every word */

enum field {
	BACKEND,
	USERNAME,
	FOLDER,
	MESSAGE_ID,
	UID_VALIDITY,
	OLD_FOLDER,
	OLD_MESSAGE_ID,
	MESSAGE_CLASS,
	MESSAGE_FLAGS,
	TOTAL,
	UNREAD,
	GUID,
	OLD_BACKEND,
	N_FIELDS,
};

static const char *const field_names[N_FIELDS] = {
        "backend",   "username",     "folder",       "messageID",    "uidValidity",
        "oldFolder", "oldMessageID", "messageClass", "messageFlags", "total",
        "unread",    "guid",         "oldBackend",
};

static enum field field_of(const char *name)
{
	int field = 0;

	while (field < N_FIELDS &&
	       (field_names[field][0] != name[0] || strcmp(field_names[field], name) != 0))
		field++;
	return (enum field)field;
}

struct reader {
	struct ocs_xml_notifications *out;
	size_t max; /* items there is room for */
	bool newmail_only;
	bool token_seen;
	unsigned seen;  /* bits of the fields of the open notification */
	enum field now; /* the field being collected */
	char *ids;      /* room for the ids, OCS_ID_MAX + 1 each */
};

static struct ocs_notification *current(const struct reader *reader)
{
	return &reader->out->items[reader->out->count - 1];
}

/* The first rule that the open notification breaks stands. */
static void refuse_item(const struct reader *reader, const char *name, const char *subject,
                        const char *predicate)
{
	struct ocs_result *result = &reader->out->results[reader->out->count - 1];

	if (result->status == OCS_STATUS_REFUSED)
		return;
	result->status = OCS_STATUS_REFUSED;
	ocs_refuse(&result->refusal, 422, name, "%s %s", subject, predicate);
}

static void refuse_request(struct reader *reader, const char *name, const char *text)
{
	if (!reader->out->refused)
		ocs_refuse(&reader->out->refusal, 422, name, "%s", text);
	reader->out->refused = true;
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 0x7e)
			return false;
	return true;
}

static bool read_number(const char *text, size_t len, uint32_t *out)
{
	uint64_t number = 0;

	if (len == 0 || len > 10)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	if (number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

/* A field whose text names something in the mail store. */
static bool is_name(enum field field)
{
	return field == USERNAME || field == FOLDER || field == MESSAGE_ID || field == OLD_FOLDER ||
	       field == OLD_MESSAGE_ID || field == GUID;
}

/* What is wrong with a text, or NULL. Only where white space counts do DEL and C1 controls: who
 * writes xml:space="preserve" means each character. */
static const char *text_fault(enum field field, const char *text, size_t len, bool exact)
{
	if (len == 0)
		return "is empty";
	if (len > (field == MESSAGE_CLASS ? OCS_CLASS_MAX : OCS_NAME_MAX))
		return "is too long";
	if (!exact && ocs_name_has_control(text))
		return "holds a control character";
	if (field == FOLDER || field == OLD_FOLDER)
		return ocs_folder_fault(text);
	return is_name(field) ? ocs_name_fault(text) : NULL;
}

static bool set_field(struct ocs_notification *item, enum field field, char *text, size_t len)
{
	switch (field) {
	case BACKEND:
		ocs_index_canonical_backend(text);
		item->backend = text;
		return true;
	case USERNAME:
		item->backend_user = text;
		return true;
	case FOLDER:
		ocs_index_canonical_folder(text);
		item->folder = text;
		return true;
	case MESSAGE_ID:
		item->message_id = text;
		return true;
	case OLD_FOLDER:
		ocs_index_canonical_folder(text);
		item->old_folder = text;
		return true;
	case OLD_MESSAGE_ID:
		item->old_message_id = text;
		return true;
	case GUID:
		item->guid = text;
		return true;
	case OLD_BACKEND:
		ocs_index_canonical_backend(text);
		item->old_backend = text;
		return true;
	case MESSAGE_CLASS:
		item->message_class = text;
		return is_ascii(text);
	case MESSAGE_FLAGS:
		return read_number(text, len, &item->message_flags);
	case UID_VALIDITY:
		item->has_uid_validity = read_number(text, len, &item->uid_validity);
		return item->has_uid_validity;
	case TOTAL:
		item->has_total = read_number(text, len, &item->total);
		return item->has_total;
	case UNREAD:
		item->has_unread = read_number(text, len, &item->unread);
		return item->has_unread;
	case N_FIELDS:
		break;
	}
	return false;
}

static void read_category(const struct reader *reader, const struct ocs_xml_attributes *attributes)
{
	char word[CATEGORY_SIZE];
	long len = ocs_xml_attribute_get(attributes, "category", word, sizeof(word) - 1);

	if (len < 0) {
		refuse_item(reader, "MISSING_PARAMETER", "category", "is missing");
		return;
	}
	word[len < CATEGORY_SIZE ? len : CATEGORY_SIZE - 1] = '\0';
	if (len >= CATEGORY_SIZE || strlen(word) != (size_t)len ||
	    ocs_category_from_word(word, &current(reader)->category) != 0)
		refuse_item(reader, "UNKNOWN_CATEGORY", word, "is not a category");
	else if (reader->newmail_only && current(reader)->category != OCS_NEWMAIL)
		refuse_item(reader, "UNKNOWN_CATEGORY", word,
		            "is not accepted here: only newmail is");
}

static void read_id(const struct reader *reader, const struct ocs_xml_attributes *attributes)
{
	char *id = reader->ids + (reader->out->count - 1) * (OCS_ID_MAX + 1);
	char value[OCS_ID_MAX + 64]; /* white space around it does not count, within reason */
	long len = ocs_xml_attribute_get(attributes, "id", value, sizeof(value));
	char *begin = value, *end;

	if (len < 0)
		return;
	end = value + (len < (long)sizeof(value) ? len : (long)sizeof(value));
	while (begin < end && strchr(" \t\r\n", *begin) != NULL)
		begin++;
	while (end > begin && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	if (len <= (long)sizeof(value) && end > begin && end - begin <= OCS_ID_MAX) {
		memcpy(id, begin, (size_t)(end - begin));
		id[end - begin] = '\0';
		if (!ocs_name_has_control(id)) {
			current(reader)->id = id;
			return;
		}
	}
	refuse_item(reader, "INVALID_PARAMETER", "id",
	            "is not 1 to 128 bytes without control characters");
}

static enum ocs_xml_visit start_notification(struct reader *reader,
                                             const struct ocs_xml_attributes *attributes)
{
	struct ocs_result *result;

	if (reader->out->count == reader->max) {
		refuse_request(reader, "BATCH_TOO_LARGE", "too many notifications in one request");
		return OCS_XML_SKIP;
	}
	reader->out->count++;
	*current(reader) = (struct ocs_notification){0};
	result = &reader->out->results[reader->out->count - 1];
	result->status = OCS_STATUS_QUEUED;
	result->queues = 0;
	result->refusal.code = 0;
	reader->seen = 0;
	read_category(reader, attributes);
	read_id(reader, attributes);
	return OCS_XML_ENTER;
}

static enum ocs_xml_visit xml_notifications_start(void *arg, int depth, const char *name,
                                                  const struct ocs_xml_attributes *attributes)
{
	struct reader *reader = arg;

	if (depth == 2) {
		if (strcmp(name, "notification") == 0)
			return start_notification(reader, attributes);
		return strcmp(name, "token") == 0 || strcmp(name, "exceptSession") == 0
		               ? OCS_XML_TEXT
		               : OCS_XML_SKIP;
	}
	reader->now = field_of(name);
	if (reader->now == N_FIELDS)
		return OCS_XML_SKIP;
	if (reader->seen & 1u << reader->now)
		refuse_item(reader, "INVALID_PARAMETER", name, "is given twice");
	reader->seen |= 1u << reader->now;
	return is_name(reader->now) ? OCS_XML_NAME : OCS_XML_TEXT;
}

/* The rules between fields, once all are known: their order is free. */
static void check_notification(const struct reader *reader)
{
	struct ocs_notification *item = current(reader);
	bool moved = item->category == OCS_MOVED || item->category == OCS_COPIED;

	for (int field = BACKEND; field <= FOLDER; field++)
		if (!(reader->seen & 1u << field))
			refuse_item(reader, "MISSING_PARAMETER", field_names[field], "is missing");
	if (item->category == OCS_NEWMAIL && !(reader->seen & 1u << MESSAGE_ID))
		refuse_item(reader, "MISSING_PARAMETER", "messageID", "is missing");
	if (item->category == OCS_SEARCH_COMPLETED)
		item->message_id = NULL;
	if (item->message_id == NULL)
		item->guid = NULL;
	if (!moved) {
		item->old_folder = NULL;
		item->old_message_id = NULL;
		item->old_backend = NULL;
		return;
	}
	if (item->backend != NULL && item->old_backend != NULL &&
	    strcmp(item->backend, item->old_backend) == 0)
		item->old_backend = NULL;
	if (!(reader->seen & 1u << OLD_FOLDER))
		refuse_item(reader, "MISSING_PARAMETER", "oldFolder", "is missing");
	if (item->message_id != NULL && !(reader->seen & 1u << OLD_MESSAGE_ID))
		refuse_item(reader, "MISSING_PARAMETER", "oldMessageID", "is missing");
	if (item->message_id == NULL && item->old_message_id != NULL)
		refuse_item(reader, "MISSING_PARAMETER", "messageID", "is missing");
}

static void xml_notifications_end(void *arg, int depth, const char *name, char *text, size_t len,
                                  bool exact)
{
	struct reader *reader = arg;

	if (depth == 3) {
		const char *fault = text_fault(reader->now, text, len, exact);

		if (fault == NULL && !set_field(current(reader), reader->now, text, len))
			fault = "is not valid";
		if (fault != NULL)
			refuse_item(reader, "INVALID_PARAMETER", field_names[reader->now], fault);
	} else if (text == NULL) {
		check_notification(reader);
	} else if (*name == 'e') {
		/* Where it means nothing it may not harm either. */
		reader->out->except_session = reader->out->except_session != NULL ? "" : text;
	} else {
		if (reader->token_seen)
			refuse_request(reader, "INVALID_PARAMETER", "token is given twice");
		reader->token_seen = true;
		reader->out->token = len == 0 ? NULL : text;
	}
}

/* How many notifications the document holds, or more: names and comments may fool it. */
static size_t count_at_most(const char *data, size_t len, size_t max)
{
	static const char mark[] = "<notification";
	const char *end = data + len;
	size_t count = 0;

	while (len != 0 && count < max &&
	       (data = memchr(data, '<', (size_t)(end - data))) != NULL) {
		if ((size_t)(end - data) >= sizeof(mark) - 1 && data[1] == mark[1])
			count += memcmp(data, mark, sizeof(mark) - 1) == 0;
		data++;
	}
	return count;
}

/* Nothing is read yet. Items and results are filled in as they come. */
static void begin(struct reader *reader)
{
	struct ocs_xml_notifications *out = reader->out;

	memset(out, 0, sizeof(*out));
	out->items = (struct ocs_notification *)(out + 1);
	out->results = (struct ocs_result *)(out->items + reader->max);
	reader->token_seen = false;
}

int ocs_xml_read_notifications(const void *mem_ctx, const char *data, size_t len,
                               unsigned max_batch, bool newmail_only,
                               struct ocs_xml_notifications **out, struct ocs_refusal *refusal)
{
	size_t max = count_at_most(data, len, max_batch);
	size_t items = sizeof(struct ocs_xml_notifications) + max * sizeof(struct ocs_notification);
	size_t ids = items + max * sizeof(struct ocs_result);
	char *chunk = talloc_size(mem_ctx, ids + max * (OCS_ID_MAX + 1) + len + 1);
	struct reader reader = {.max = max, .newmail_only = newmail_only};
	struct ocs_xml_handler handler = {
	        .start = xml_notifications_start,
	        .end = xml_notifications_end,
	        .arg = &reader,
	        .elements_max = ELEMENTS_BASE + ELEMENTS_PER_NOTIFICATION * max_batch,
	};

	if (chunk == NULL)
		return ocs_refuse_memory(refusal);
	reader.out = (struct ocs_xml_notifications *)chunk;
	reader.ids = chunk + ids;
	handler.arena = reader.ids + max * (OCS_ID_MAX + 1);
	begin(&reader);
	if (!ocs_xml_walk_common(data, len, &handler)) {
		begin(&reader);
		if (ocs_xml_walk(data, len, &handler, refusal) != 0) {
			talloc_free(chunk);
			return -1;
		}
	}
	if (reader.out->count == 0)
		refuse_request(&reader, "MISSING_PARAMETER",
		               "there is no notification in the request");
	*out = reader.out;
	return 0;
}

struct auth_reader {
	struct ocs_xml_auth *out;
	char *mechanism; /* room for one: MECHANISM_MAX + 1 */
	bool twice;
};

#define MECHANISM_MAX 20 /* RFC 4422, 3.1 */

static enum ocs_xml_visit xml_auth_start(void *arg, int depth, const char *name,
                                         const struct ocs_xml_attributes *attributes)
{
	struct auth_reader *reader = arg;

	(void)depth;
	if (strcmp(name, "sasl") == 0) {
		long len = ocs_xml_attribute_get(attributes, "mechanism", reader->mechanism,
		                                 MECHANISM_MAX);

		if (len >= 0) {
			/* A name too long to be one is cut to one that no server has. */
			reader->mechanism[len <= MECHANISM_MAX ? len : 0] = '\0';
			reader->out->mechanism = reader->mechanism;
		}
		return OCS_XML_TEXT;
	}
	return strcmp(name, "login") == 0 || strcmp(name, "token") == 0 ? OCS_XML_TEXT
	                                                                : OCS_XML_SKIP;
}

static void xml_auth_end(void *arg, int depth, const char *name, char *text, size_t len, bool exact)
{
	struct auth_reader *reader = arg;
	const char **value = *name == 'l'   ? &reader->out->login
	                     : *name == 't' ? &reader->out->token
	                                    : &reader->out->sasl;

	(void)depth;
	(void)exact;
	if (*value != NULL || (*name == 's' && reader->out->has_sasl))
		reader->twice = true;
	if (*name == 's')
		reader->out->has_sasl = true;
	*value = len == 0 ? NULL : text;
}

int ocs_xml_read_auth(const void *mem_ctx, const char *data, size_t len, struct ocs_xml_auth **out,
                      struct ocs_refusal *refusal)
{
	char *chunk =
	        talloc_size(mem_ctx, sizeof(struct ocs_xml_auth) + MECHANISM_MAX + 1 + len + 1);
	struct auth_reader reader = {.out = (struct ocs_xml_auth *)chunk};
	struct ocs_xml_handler handler = {
	        .start = xml_auth_start,
	        .end = xml_auth_end,
	        .arg = &reader,
	        .elements_max = ELEMENTS_BASE,
	};

	if (chunk == NULL)
		return ocs_refuse_memory(refusal);
	memset(chunk, 0, sizeof(*reader.out));
	reader.mechanism = chunk + sizeof(*reader.out);
	handler.arena = reader.mechanism + MECHANISM_MAX + 1;
	if (ocs_xml_walk(data, len, &handler, refusal) != 0) {
		talloc_free(chunk);
		return -1;
	}
	if (reader.twice) {
		talloc_free(chunk);
		return ocs_refuse(refusal, 422, "INVALID_PARAMETER", "an element is given twice");
	}
	*out = reader.out;
	return 0;
}
