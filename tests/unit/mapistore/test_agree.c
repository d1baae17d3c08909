/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One identifier for one thing on every node: three indexes that tell each other, in any order,
 * with links that are cut and sessions that come and go.
 */
#include "tests/unit/mapistore/index_rig.h"

#include "mapistore/agree.h"

#define NODES  3
#define RUNS   6
#define STEPS  120
#define LEVELS 4

static const char *const folders[] = {"INBOX", "A", "A/B", "A/B/C", "D", "D/E"};
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))
static const char *const messages[] = {NULL, "1", "2"}; /* NULL: the folder itself */
#define MESSAGES (sizeof(messages) / sizeof(messages[0]))
#define THINGS   (FOLDERS * MESSAGES)

static uint32_t state;

static uint32_t draw(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

struct thing {
	const char *folder, *message;
};

static struct thing thing_of(size_t i)
{
	return (struct thing){folders[i % FOLDERS], messages[i / FOLDERS]};
}

/* What a message between nodes carries. */
struct told {
	struct thing thing;
	uint64_t level[LEVELS + 1], mid;
	size_t n;
};

struct node {
	struct ocs_index *index;
	bool session;
	uint64_t heard[THINGS]; /* by the clients of this session */
	uint64_t later[THINGS], later_level[FOLDERS], root_later; /* what was settled on */
	const struct told *told;
};

static struct node nodes[NODES];
/* Every identifier that anybody was told of a thing, and a bit for each node that told it. */
static struct {
	uint64_t id;
	unsigned by;
} ever[THINGS][1024];
static size_t n_ever[THINGS];

static struct ocs_folder_name named(const char *folder)
{
	return (struct ocs_folder_name){"jdoe", "sogo", "john", folder};
}

static void open_node(struct node *node, int i)
{
	char path[RIG_FOLDER_SIZE + 16];

	memset(node, 0, sizeof(*node));
	snprintf(path, sizeof(path), "%s/%d", rig_folder, i);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_ok(ocs_index_open(path, (uint16_t)(i + 1), true, &node->index, &rig_error));
}

static void setup(void)
{
	rig_make_folder();
	for (int i = 0; i < NODES; i++)
		open_node(&nodes[i], i);
}

static void teardown(void)
{
	for (int i = 0; i < NODES; i++)
		ocs_index_close(nodes[i].index);
	rig_remove_folder();
}

static uint64_t told_fn(void *arg, const struct ocs_folder_name *name)
{
	const struct told *told = arg;
	size_t len = strlen(name->folder);

	if (strncmp(told->thing.folder, name->folder, len) != 0)
		return 0;
	return told->level[len == 0 ? 0 : ocs_folder_levels(name->folder)];
}

static void begin(struct node *node)
{
	ck_assert_ok(ocs_index_begin(node->index, &rig_error));
}

static void commit(struct node *node)
{
	ck_assert_ok(ocs_index_commit(node->index, &rig_error));
}

static struct ocs_index_folder folder_at(struct node *node, const char *folder)
{
	struct ocs_index_folder found;

	ck_assert_ok(ocs_index_folder(node->index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "john", folder},
	                              true, &found, &rig_error));
	return found;
}

/* (transaction) The thing, made where it is missing, with what was told if that can be. */
static uint64_t make(struct node *node, struct thing thing, const struct told *told)
{
	struct ocs_index_message message = {0};
	struct ocs_index_folder folder;
	int ret;

	ocs_index_set_told(node->index, told != NULL ? told_fn : NULL, (void *)told);
	folder = folder_at(node, thing.folder);
	ocs_index_set_told(node->index, NULL, NULL);
	if (thing.message == NULL)
		return folder.fid;
	ret = ocs_index_message(node->index, folder.series, thing.message, &message, &rig_error);
	if (ret == OCS_STORE_MISSING) {
		message.announced = true;
		if (told != NULL && told->mid != 0 && ocs_index_is_free(node->index, told->mid))
			message.mid = told->mid;
		else
			ck_assert_ok(ocs_index_reserve(node->index, 1, &message.mid, &rig_error));
		ck_assert_ok(ocs_index_message_put(node->index, &folder, thing.message, &message,
		                                   &rig_error));
	}
	return message.mid;
}

static size_t index_of(const char *folder)
{
	size_t i = 0;

	while (strcmp(folders[i], folder) != 0)
		i++;
	return i;
}

static void note(const struct node *node, size_t i, uint64_t id)
{
	unsigned by = 1u << (node - nodes);
	size_t j = 0;

	while (j < n_ever[i] && ever[i][j].id != id)
		j++;
	ck_assert_uint_lt(j, 1024);
	if (j == n_ever[i])
		ever[i][n_ever[i]++].by = 0;
	ever[i][j].id = id;
	ever[i][j].by |= by;
}

/* A client of the node hears of it. */
static void use(struct node *node, size_t i)
{
	uint64_t id;

	begin(node);
	id = make(node, thing_of(i), NULL);
	commit(node);
	note(node, i, id);
	if (!node->session)
		return;
	ck_assert_msg(node->heard[i] == 0 || node->heard[i] == id, "a client heard two of one");
	node->heard[i] = id;
}

/* What is settled on for each level. */
static uint64_t *later_of(struct node *node, struct thing thing, size_t level)
{
	char path[64];

	if (level == 0)
		return &node->root_later;
	snprintf(path, sizeof(path), "%s", thing.folder);
	for (size_t n = ocs_folder_levels(path); n > level; n--)
		*strrchr(path, '/') = '\0';
	return &node->later_level[index_of(path)];
}

static void tell(struct node *node, size_t i, struct told *out)
{
	struct thing thing = thing_of(i);
	char path[64];

	*out = (struct told){.thing = thing, .n = ocs_folder_levels(thing.folder) + 1};
	begin(node);
	out->mid = make(node, thing, NULL);
	if (thing.message == NULL)
		out->mid = 0;
	else if (node->later[i] != 0)
		out->mid = node->later[i];
	snprintf(path, sizeof(path), "%s", thing.folder);
	for (size_t level = out->n; level-- > 0;) {
		uint64_t later = *later_of(node, thing, level);

		out->level[level] = later != 0 ? later : folder_at(node, path).fid;
		if (strchr(path, '/') != NULL)
			*strrchr(path, '/') = '\0';
		else
			path[0] = '\0';
	}
	commit(node);
}

static void settle(struct node *node, uint64_t ours, uint64_t theirs, uint64_t *later)
{
	enum ocs_index_settled settled = ocs_index_settle(node->index, ours, theirs);

	if (settled == OCS_SETTLED_FREE) {
		ck_assert_ok(ocs_index_alias(node->index, theirs, ours, &rig_error));
		settled = ocs_index_settle(node->index, ours, theirs);
	}
	ck_assert_int_ne(settled, OCS_SETTLED_FREE);
	ck_assert_int_ne(settled, OCS_SETTLED_REFUSED);
	if (settled == OCS_SETTLED_THEIRS && (*later == 0 || ocs_index_wins(theirs, *later)))
		*later = theirs;
}

/* only: it is an answer, of which nothing is made. */
static void hear(struct node *node, size_t i, const struct told *told, bool only)
{
	struct thing thing = thing_of(i);
	char path[64];
	uint64_t id;

	begin(node);
	id = make(node, thing, only ? NULL : told);
	if (thing.message != NULL)
		settle(node, id, told->mid, &node->later[i]);
	snprintf(path, sizeof(path), "%s", thing.folder);
	for (size_t level = told->n; level-- > 0;) {
		settle(node, folder_at(node, path).fid, told->level[level],
		       later_of(node, thing, level));
		if (strchr(path, '/') != NULL)
			*strrchr(path, '/') = '\0';
		else
			path[0] = '\0';
	}
	commit(node);
	use(node, i);
}

static void send_to(struct node *from, struct node *to, size_t i)
{
	struct told told, answer;

	tell(from, i, &told);
	hear(to, i, &told, false);
	tell(to, i, &answer);
	hear(from, i, &answer, true);
}

static void switch_folder(struct node *node, const char *folder, uint64_t *later)
{
	struct ocs_folder_name name = named(folder);

	if (*later == 0)
		return;
	ck_assert_ok(ocs_index_folder_switch(node->index, &name, folder_at(node, folder).fid,
	                                     *later, &rig_error));
	*later = 0;
}

static void end_session(struct node *node)
{
	node->session = false;
	memset(node->heard, 0, sizeof(node->heard));
	begin(node);
	switch_folder(node, "", &node->root_later);
	for (size_t i = 0; i < FOLDERS; i++)
		switch_folder(node, folders[i], &node->later_level[i]);
	for (size_t i = FOLDERS; i < THINGS; i++) {
		struct thing thing = thing_of(i);

		if (node->later[i] == 0)
			continue;
		ck_assert_ok(ocs_index_message_switch(
		        node->index, folder_at(node, thing.folder).series, thing.message,
		        make(node, thing, NULL), node->later[i], &rig_error));
		node->later[i] = 0;
	}
	commit(node);
}

/* What a node told of a thing leads to it there, and on no node to anything else. */
static void look_at_names(void)
{
	for (size_t i = 0; i < THINGS; i++) {
		struct thing thing = thing_of(i);
		char wanted[128];

		snprintf(wanted, sizeof(wanted), "jdoe|sogo|john|%s%s%s", thing.folder,
		         thing.message != NULL ? "|" : "",
		         thing.message != NULL ? thing.message : "");
		for (size_t j = 0; j < n_ever[i]; j++)
			for (int n = 0; n < NODES; n++) {
				index_db = nodes[n].index;
				if ((ever[i][j].by & 1u << n) != 0 ||
				    index_name_of(ever[i][j].id)[0] != '\0')
					ck_assert_str_eq(index_name_of(ever[i][j].id), wanted);
			}
	}
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

LOOP_TEST(in_the_end_all_agree_and_no_client_hears_two_of_one, 0, RUNS)
{
	bool cut[NODES][NODES] = {{false}};

	state = (uint32_t)_i * 7919 + 1;
	memset(n_ever, 0, sizeof(n_ever));
	for (int step = 0; step < STEPS; step++) {
		int a = (int)draw(NODES), b = (a + 1 + (int)draw(NODES - 1)) % NODES;

		switch (draw(8)) {
		case 0:
			if (nodes[a].session)
				end_session(&nodes[a]);
			else
				nodes[a].session = true;
			break;
		case 1:
			cut[a][b] = cut[b][a] = !cut[a][b];
			break;
		case 2:
		case 3:
		case 4:
			use(&nodes[a], draw(THINGS));
			break;
		default:
			if (!cut[a][b])
				send_to(&nodes[a], &nodes[b], draw(THINGS));
		}
	}
	/* The links are whole, each thing is reported once on each node, and everybody goes. */
	for (int round = 0; round < 2; round++)
		for (int a = 0; a < NODES; a++)
			for (size_t i = 0; i < THINGS; i++) {
				send_to(&nodes[a], &nodes[(a + 1) % NODES], i);
				send_to(&nodes[a], &nodes[(a + 2) % NODES], i);
			}
	for (int a = 0; a < NODES; a++)
		end_session(&nodes[a]);
	for (size_t i = 0; i < THINGS; i++) {
		uint64_t ids[NODES];

		for (int a = 0; a < NODES; a++) {
			begin(&nodes[a]);
			ids[a] = make(&nodes[a], thing_of(i), NULL);
			commit(&nodes[a]);
			note(&nodes[a], i, ids[a]);
			ck_assert_uint_eq(ids[a], ids[0]);
		}
	}
	look_at_names();
}

TEST(what_is_told_is_taken_where_there_is_none)
{
	struct told told;

	tell(&nodes[0], index_of("A/B/C"), &told);
	hear(&nodes[1], index_of("A/B/C"), &told, false);
	begin(&nodes[1]);
	ck_assert_uint_eq(folder_at(&nodes[1], "").fid, told.level[0]);
	ck_assert_uint_eq(folder_at(&nodes[1], "A").fid, told.level[1]);
	ck_assert_uint_eq(folder_at(&nodes[1], "A/B").fid, told.level[2]);
	ck_assert_uint_eq(folder_at(&nodes[1], "A/B/C").fid, told.level[3]);
	commit(&nodes[1]);
	ck_assert_uint_eq((uint16_t)told.level[3], 1);
}

TEST(what_names_something_else_is_refused)
{
	struct told told;
	uint64_t ours;

	tell(&nodes[0], index_of("A"), &told);
	hear(&nodes[1], index_of("A"), &told, false);
	begin(&nodes[1]);
	ours = folder_at(&nodes[1], "D").fid;
	ck_assert_int_eq(ocs_index_settle(nodes[1].index, ours, told.level[1]),
	                 OCS_SETTLED_REFUSED);
	/* One of its own that it does not know was never given, or to something else. */
	ck_assert_int_eq(ocs_index_settle(nodes[1].index, ours, ocs_index_id_next(ours)),
	                 OCS_SETTLED_REFUSED);
	ck_assert(!ocs_index_is_free(nodes[1].index, ocs_index_id_next(ocs_index_id_next(ours))));
	ck_assert(!ocs_index_is_free(nodes[1].index, UINT64_MAX));
	told.thing.folder = "D/E";
	told.level[2] = told.level[1];
	told.level[1] = 0;
	ck_assert_uint_ne(make(&nodes[1], told.thing, &told), told.level[2]);
	commit(&nodes[1]);
}

TEST(the_lower_counter_wins_and_of_equal_ones_the_lower_replica_id)
{
	ck_assert(ocs_index_wins(0x0100000000000002, 0x0200000000000001));
	ck_assert(!ocs_index_wins(0x0200000000000001, 0x0100000000000002));
	ck_assert(ocs_index_wins(0x0100000000000001, 0x0100000000000002));
	ck_assert(!ocs_index_wins(0x0100000000000001, 0x0100000000000001));
	/* The last byte of the counter stands first. */
	ck_assert(ocs_index_wins(0xff00000000000001, 0x0001000000000001));
}

TEST(an_alias_follows_renames_and_what_lies_below_it_and_ends_with_it)
{
	struct told told;
	uint64_t ours, child;

	use(&nodes[1], index_of("A/B"));
	tell(&nodes[0], index_of("A"), &told);
	begin(&nodes[1]);
	ours = folder_at(&nodes[1], "A").fid;
	child = folder_at(&nodes[1], "A/B").fid;
	commit(&nodes[1]);
	ck_assert_uint_ne(ours, told.level[1]);
	hear(&nodes[1], index_of("A"), &told, false);
	index_db = nodes[1].index;
	ck_assert_str_eq(index_name_of(told.level[1]), "jdoe|sogo|john|A");
	if (nodes[1].later_level[index_of("A")] == 0)
		nodes[1].later_level[index_of("A")] = told.level[1];
	end_session(&nodes[1]);
	begin(&nodes[1]);
	ck_assert_uint_eq(folder_at(&nodes[1], "A").fid, told.level[1]);
	commit(&nodes[1]);
	ck_assert_str_eq(index_name_of(ours), "jdoe|sogo|john|A");
	index_rename("A", "Z");
	ck_assert_str_eq(index_name_of(ours), "jdoe|sogo|john|Z");
	ck_assert_str_eq(index_name_of(told.level[1]), "jdoe|sogo|john|Z");
	ck_assert_str_eq(index_name_of(child), "jdoe|sogo|john|Z/B");
	index_delete("Z");
	ck_assert_str_eq(index_name_of(ours), "was jdoe|sogo|john|Z");
	ck_assert_str_eq(index_name_of(child), "was jdoe|sogo|john|Z/B");
}
