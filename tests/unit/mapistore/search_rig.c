/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of searches share: see search_rig.h. */
#include "tests/unit/mapistore/search_rig.h"

#define TEMPLATE "sogo://{user}:*@mail/{folder:sogo}/{message}.eml"
#define OTHER    "imap://{user}:secret@mail.example.org/{folder:imap-utf7}/{message}"

const struct ocs_index_template search_templates[2] = {{"sogo", TEMPLATE}, {"imap", OTHER}};

/* ---- what is in the index, as this file knows it ---- */

struct search_object search_objects[OBJECTS_MAX];
unsigned search_n_objects;

unsigned search_pick(unsigned below)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % below);
}

/* They are in the order of their ids. */
struct search_object *search_object_of(uint64_t id)
{
	unsigned low = 0, high = search_n_objects;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (search_objects[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return &search_objects[low];
}

static void know(uint64_t id)
{
	struct search_object *object = search_object_of(id);

	if (object < search_objects + search_n_objects && object->id == id)
		return;
	ck_assert_uint_lt(search_n_objects, OBJECTS_MAX);
	memmove(object + 1, object,
	        (size_t)(search_objects + search_n_objects - object) * sizeof(*object));
	*object = (struct search_object){.id = id};
	search_n_objects++;
}

static const char *word(void)
{
	static const char *const words[] = {"INBOX",           "Sent", "Archive", "Proj", "2024",
	                                    "Entw\xc3\xbcrfe", "a",    "my mail", "A&B",  "re.port",
	                                    "folder",          "x_y"};

	return words[search_pick(sizeof(words) / sizeof(words[0]))];
}

const struct ocs_folder_name *search_some_folder(void)
{
	static char user[32], buser[32], folder[200];
	static struct ocs_folder_name name = {user, NULL, buser, folder};
	unsigned who = search_pick(7), levels = 1 + search_pick(3);

	snprintf(user, sizeof(user), "user%u", who);
	snprintf(buser, sizeof(buser), "%s%u@x", who % 2 != 0 ? "jdoe" : "anna", who);
	name.backend = search_pick(3) == 0 ? "imap" : "sogo";
	strcpy(folder, word());
	while (--levels > 0) {
		strcat(folder, "/");
		strcat(folder, word());
	}
	return &name;
}

static const char *some_message(void)
{
	static char text[64];

	switch (search_pick(3)) {
	case 0:
		snprintf(text, sizeof(text), "%u", search_pick(3000));
		break;
	case 1:
		snprintf(text, sizeof(text), "%08x-%s", search_pick(1u << 31), word());
		break;
	default:
		snprintf(text, sizeof(text), "msg.%u.%s", search_pick(200), word());
	}
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '/' ? '-' : *p;
	return text;
}

void search_begin(void)
{
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
}

void search_commit(void)
{
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

/* (transaction) A folder and its parents. */
struct ocs_index_folder search_make_folder(const struct ocs_folder_name *name)
{
	struct ocs_index_folder folder = {0};
	char path[200];
	struct ocs_folder_name part = {name->user, name->backend, name->backend_user, path};

	for (const char *p = name->folder; p != NULL;) {
		p = strchr(p, '/');
		snprintf(path, sizeof(path), "%.*s",
		         (int)(p != NULL ? p - name->folder : (long)strlen(name->folder)),
		         name->folder);
		ck_assert_ok(ocs_index_folder(index_db, &part, true, &folder, &rig_error));
		know(folder.fid);
		if (p != NULL)
			p++;
	}
	return folder;
}

uint64_t search_put_message(const struct ocs_index_folder *folder, const char *message_id)
{
	struct ocs_index_message message = {.announced = true};

	if (ocs_index_message(index_db, folder->series, message_id, &message, &rig_error) ==
	    OCS_STORE_OK)
		return message.mid;
	ck_assert_ok(ocs_index_reserve(index_db, 1, &message.mid, &rig_error));
	ck_assert_ok(ocs_index_message_put(index_db, folder, message_id, &message, &rig_error));
	know(message.mid);
	return message.mid;
}

/* Some change, in the open transaction. */
static void change(void)
{
	struct ocs_folder_name name = *search_some_folder();
	struct ocs_index_folder folder = search_make_folder(&name);
	char path[200], to[200];

	strcpy(path, name.folder);
	name.folder = path;
	switch (search_pick(60)) {
	case 0:
		ck_assert_ok(ocs_index_folder_delete(index_db, &name, &rig_error));
		break;
	case 1:
		snprintf(to, sizeof(to), "%s/%s", word(), word());
		search_make_folder(
		        &(struct ocs_folder_name){name.user, name.backend, name.backend_user, to});
		/* Not into itself. */
		if (strncmp(to, path, strlen(path)) != 0 && strncmp(path, to, strlen(to)) != 0)
			ck_assert_ok(
			        ocs_index_folder_rename(index_db, &name, to, &folder, &rig_error));
		know(folder.fid);
		break;
	case 2:
		ck_assert_ok(ocs_index_folder_set_uid_validity(index_db, &name, search_pick(3),
		                                               &folder, &rig_error));
		break;
	case 3:
		ck_assert_ok(ocs_index_message_delete(index_db, folder.series, some_message(), 0,
		                                      &rig_error));
		break;
	default:
		for (unsigned i = search_pick(6); i > 0; i--)
			search_put_message(&folder, some_message());
	}
}

void search_fill(unsigned transactions, unsigned changes)
{
	for (unsigned i = 0; i < transactions; i++) {
		search_begin();
		for (unsigned j = 0; j < changes; j++)
			change();
		search_commit();
	}
}

/* ---- the naive matcher ---- */

static const char *uri_of(const void *ctx, uint64_t id, struct ocs_index_name *name)
{
	if (ocs_index_lookup(index_db, ctx, id, name, &rig_error) != OCS_STORE_OK ||
	    name->folder[0] == '\0')
		return NULL;
	for (unsigned i = 0; i < 2; i++) {
		char *template = ocs_uri_show(ctx, search_templates[i].template);

		if (strcmp(name->backend, search_templates[i].backend) == 0)
			return ocs_uri_format(ctx, template, name->backend_user, name->folder,
			                      name->message_id);
	}
	return NULL;
}

/* What is in the index now. */
void search_look_up_all(void)
{
	for (unsigned i = 0; i < search_n_objects; i++) {
		struct search_object *object = &search_objects[i];
		void *ctx = talloc_new(NULL);
		struct ocs_index_name name;
		const char *uri = uri_of(ctx, object->id, &name);

		talloc_free(object->uri);
		talloc_free(object->user);
		object->uri = uri != NULL ? talloc_strdup(NULL, uri) : NULL;
		object->user = uri != NULL ? talloc_strdup(NULL, name.user) : NULL;
		object->deleted = uri != NULL && name.deleted;
		talloc_free(ctx);
	}
}

/* Which beginnings of the text each beginning of the pattern can have: nothing of the one that is
 * tested. */
bool search_naive(const char *pattern, const char *text)
{
	size_t len = strlen(text);
	bool can[600] = {true};

	ck_assert_uint_lt(len, sizeof(can));
	for (; *pattern != '\0'; pattern++) {
		bool before = false;

		for (size_t i = 0; i <= len; i++) {
			bool was = can[i];

			can[i] = *pattern == '*' ? was || (i > 0 && can[i - 1])
			                         : i > 0 && before && text[i - 1] == *pattern;
			before = was;
		}
	}
	return can[len];
}

void search_page(const struct ocs_index_query *query, const void *ctx, struct ocs_index_page *page)
{
	int ret = ocs_index_search(index_db, ctx, query, page, &rig_error);

	ck_assert_msg(ret == OCS_STORE_OK, "%s: %d (%s)", query->pattern, ret, rig_error.text);
}

/* All pages; each hit is marked, and none is twice. Returns how many. */
unsigned search_all(struct ocs_index_query query)
{
	char cursor[OCS_INDEX_CURSOR_SIZE] = "";
	unsigned n = 0;

	query.templates = search_templates;
	query.n_templates = 2;
	for (unsigned i = 0; i < search_n_objects; i++)
		search_objects[i].found = false;
	do {
		void *ctx = talloc_new(NULL);
		struct ocs_index_page page;

		query.cursor = cursor;
		search_page(&query, ctx, &page);
		ck_assert_uint_le(page.n, query.limit);
		for (size_t i = 0; i < page.n; i++, n++) {
			struct search_object *object = search_object_of(page.hits[i].id);

			ck_assert_msg(object < search_objects + search_n_objects &&
			                      object->id == page.hits[i].id,
			              "%s: an identifier of nothing", query.pattern);
			ck_assert_msg(!object->found, "%s: %s twice", query.pattern,
			              index_name_of(object->id));
			object->found = true;
		}
		strcpy(cursor, page.cursor);
		talloc_free(ctx);
	} while (cursor[0] != '\0');
	return n;
}

void search_check_pattern(const char *pattern, const char *user, bool deleted)
{
	struct ocs_index_query query = {.pattern = pattern,
	                                .user = user,
	                                .deleted = deleted,
	                                .limit = 1 + search_pick(200),
	                                .effort = search_pick(4) == 0 ? 1 + search_pick(20) : 0};
	unsigned found = search_all(query), expected = 0;

	for (unsigned i = 0; i < search_n_objects; i++) {
		const struct search_object *object = &search_objects[i];
		bool match = object->uri != NULL && search_naive(pattern, object->uri) &&
		             (deleted || !object->deleted) &&
		             (user == NULL || strcmp(user, object->user) == 0);

		expected += match;
		ck_assert_msg(match == object->found, "'%s' %s %s %s (%s)", pattern,
		              match ? "misses" : "finds", object->uri, index_name_of(object->id),
		              user != NULL ? user : "all");
	}
	ck_assert_uint_eq(found, expected);
}

/* Made of the URI of something, so that it has a chance. */
void search_some_pattern(char *out, size_t size)
{
	const char *uri = NULL;
	size_t len, n = 0, i = 0;

	while (uri == NULL)
		uri = search_objects[search_pick(search_n_objects)].uri;
	len = strlen(uri);
	while (i < len && n + 2 < size) {
		size_t keep = 1 + search_pick(search_pick(3) == 0 ? 30 : 8);

		if (search_pick(3) > 0)
			while (keep-- > 0 && i < len && n + 2 < size)
				out[n++] = uri[i++];
		if (search_pick(3) == 0)
			continue;
		i += search_pick(search_pick(4) == 0 ? 40 : 6);
		if (search_pick(6) == 0)
			i = len;
		if (n == 0 || out[n - 1] != '*')
			out[n++] = '*';
	}
	out[n] = '\0';
}

void search_check_many(unsigned n)
{
	char pattern[400], user[16];

	search_look_up_all();
	for (unsigned i = 0; i < UNIT_SOME_OF(n); i++) {
		search_some_pattern(pattern, sizeof(pattern));
		if (pattern[0] == '\0')
			continue;
		snprintf(user, sizeof(user), "user%u", search_pick(8));
		search_check_pattern(pattern, search_pick(4) == 0 ? user : NULL,
		                     search_pick(2) == 0);
	}
}
