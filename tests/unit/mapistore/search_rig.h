/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of searches share: an index of random names, what they know to be in it, and a
 * matcher that looks at every URI. */
#ifndef OCS_UNIT_SEARCH_RIG_H
#define OCS_UNIT_SEARCH_RIG_H

#include "mapistore/index_layer.h"
#include "mapistore/index_search.h"
#include "mapistore/search_pattern.h"
#include "mapistore/uri.h"
#include "tests/unit/mapistore/index_rig.h"

#define OBJECTS_MAX 20000

struct search_object {
	uint64_t id;
	bool found, deleted;
	char *uri, *user;
};
extern struct search_object search_objects[OBJECTS_MAX]; /* in the order of their ids */
extern unsigned search_n_objects;
extern const struct ocs_index_template search_templates[2];

unsigned search_pick(unsigned below);
struct search_object *search_object_of(uint64_t id);
const struct ocs_folder_name *search_some_folder(void);
void search_begin(void);
void search_commit(void);
struct ocs_index_folder search_make_folder(const struct ocs_folder_name *name);
uint64_t search_put_message(const struct ocs_index_folder *folder, const char *message_id);
void search_fill(unsigned transactions, unsigned changes);
void search_look_up_all(void);
bool search_naive(const char *pattern, const char *text);
void search_page(const struct ocs_index_query *query, const void *ctx, struct ocs_index_page *page);
unsigned search_all(struct ocs_index_query query);
void search_check_pattern(const char *pattern, const char *user, bool deleted);
void search_some_pattern(char *out, size_t size);
void search_check_many(unsigned n);

#endif
