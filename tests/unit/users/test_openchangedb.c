/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Users and folders of an openchange.ldb, which libldb makes here as OpenChange does. */
#include "tests/unit/rig.h"

#include <ldb.h>

#include "users/users.h"

#define BASE "CN=First Administrative Group,CN=First Organization,CN=HUB,DC=corp,DC=example"

static const struct ocs_users_backend backends[] = {
        {"dovecot", "imap://{user}@{folder}/{message}"},
        {"sogo", "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"},
};
static struct ocs_users_settings settings;
static struct ocs_usermap *map;
static char reports[8192], seen[1024];

static void setup(void)
{
	rig_make_folder();
	ocs_users_begin();
	settings =
	        (struct ocs_users_settings){.replica_id = 7, .backends = backends, .n_backends = 2};
	reports[0] = '\0';
}

static void teardown(void)
{
	TALLOC_FREE(map);
	rig_remove_folder();
}

static void report(int priority, const char *text, void *arg)
{
	(void)arg;
	snprintf(strchr(reports, '\0'), sizeof(reports) - strlen(reports), "%d %s\n", priority,
	         text);
}

/* The records as LDIF, one after the other. */
static void make_ldb(const char *name, const char *ldif)
{
	struct ldb_context *ldb = ldb_init(NULL, NULL);
	char *url = talloc_asprintf(ldb, "tdb://%s", rig_path(name));
	struct ldb_ldif *record;

	ck_assert_int_eq(ldb_connect(ldb, url, 0, NULL), LDB_SUCCESS);
	while ((record = ldb_ldif_read_string(ldb, &ldif)) != NULL) {
		int ret = ldb_add(ldb, record->msg);

		ck_assert_msg(ret == LDB_SUCCESS, "%s: %s", ldb_dn_get_linearized(record->msg->dn),
		              ldb_errstring(ldb));
	}
	talloc_free(ldb);
}

static int load(void)
{
	TALLOC_FREE(map);
	return ocs_users_load(&settings, NULL, report, NULL, &map, &rig_error);
}

static int load_ldb(const char *ldif)
{
	static char path[300];

	unlink(rig_path("o.ldb"));
	make_ldb("o.ldb", ldif);
	snprintf(path, sizeof(path), "%s", rig_path("o.ldb"));
	settings.openchangedb = path;
	return load();
}

static void each(void *arg, const char *user, uint64_t fid)
{
	(void)arg;
	snprintf(strchr(seen, '\0'), sizeof(seen) - strlen(seen), "%s:%llx ", user,
	         (unsigned long long)fid);
}

static const char *users(const char *backend, const char *user, const char *folder)
{
	seen[0] = '\0';
	ocs_usermap_match(map, backend, user, folder, each, NULL);
	return seen;
}

/* What is in every file of OpenChange's, and one mailbox of each writer. */
#define HEAD                                                                                       \
	"dn: @OPTIONS\ncheckBaseOnSearch: TRUE\n\n"                                                \
	"dn: @INDEXLIST\n@IDXATTR: cn\n\n"                                                         \
	"dn: @ATTRIBUTES\ncn: CASE_INSENSITIVE\ndn: CASE_INSENSITIVE\n\n"                          \
	"dn: @ROOTDSE\ndefaultNamingContext: " BASE                                                \
	"\nrootDomainNamingContext: CN=HUB,DC=corp,DC=example\nvendorName: sample\n\n"             \
	"dn: CN=HUB,DC=corp,DC=example\nobjectClass: top\nobjectClass: server\ncn: HUB\n"          \
	"GlobalCount: 46\nChangeNumber: 17\nReplicaID: 1\n\n"                                      \
	"dn: CN=anna," BASE "\nobjectClass: systemfolder\nobjectClass: container\ncn: anna\n"      \
	"MailboxGUID: 5b1f6c2e-7a40-4c55-9a31-0d2f6c8b1e01\nPidTagFolderId: "                      \
	"3026418949592973313\nSystemIdx: 1\n\n"                                                    \
	"dn: CN=bert," BASE "\nobjectClass: mailbox\nobjectClass: container\ncn: bert\n"           \
	"mailboxguid: 5b1f6c2e-7a40-4c55-9a31-0d2f6c8b1e02\n\n"
#define SUBTREE                                                                                    \
	"dn: CN=3098476543630901249,CN=anna," BASE "\nobjectClass: systemfolder\n"                 \
	"cn: 3098476543630901249\nPidTagFolderId: 3098476543630901249\n"                           \
	"PidTagDisplayName: Top of Information Store\nSystemIdx: 12\n\n"
#define INBOX                                                                                      \
	"dn: CN=3170534137668829185,CN=3098476543630901249,CN=anna," BASE                          \
	"\nobjectClass: systemfolder\ncn: 3170534137668829185\nPidTagFolderId: "                   \
	"3170534137668829185\nPidTagMessageClass: All\nPidTagMessageClass: IPM\n"                  \
	"MAPIStoreURI: sogo://anna:anna@mail/folderINBOX/\nSystemIdx: 13\n\n"

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_mailbox_sees_its_folders_under_their_fids_and_all_of_its_own_store)
{
	ck_assert_ok(load_ldb(
	        HEAD SUBTREE INBOX
	        /* no mailboxDN above, none of the tree here */
	        "dn: CN=42,CN=elsewhere\ncn: 42\nPidTagFolderId: 42\nmailboxDN: CN=anna," BASE
	        "\nMAPIStoreURI: sogo://anna:anna@mail/folderEntw%C3%BCrfe/folderAlt\n\n"
	        /* no mail: no template reads it */
	        "dn: CN=43,CN=anna," BASE "\ncn: 43\nPidTagFolderId: 43\n"
	        "MAPIStoreURI: sogo://anna@calendar/personal/\n\n"
	        /* somebody else's, shown to bert */
	        "dn: CN=44,CN=bert," BASE "\ncn: 44\nPidTagFolderId: 44\n"
	        "MAPIStoreURI: sogo://anna:anna@mail/folderTeam/\n\n"));
	ck_assert_str_eq(reports, "");
	ck_assert_str_eq(users("sogo", "anna", "INBOX"), "anna:2c00000000000001 ");
	ck_assert_str_eq(users("sogo", "anna", "Entw\xc3\xbcrfe/Alt"), "anna:2a ");
	ck_assert_str_eq(users("sogo", "anna", "Other"), "anna:0 ");
	ck_assert_str_eq(users("sogo", "anna", "Team"), "anna:0 bert:2c ");
	/* Of him no folder is known but that: what is reported by his name is his. */
	ck_assert_str_eq(users("dovecot", "bert", "INBOX"), "bert:0 ");
	ck_assert_str_eq(users("sogo", "zoe", "INBOX"), "");
}

/* A line of theirs would cost the libraries the whole file. */
TEST(names_that_a_user_map_cannot_say_are_left_out)
{
	ck_assert_ok(load_ldb(HEAD "dn: CN=45,CN=anna," BASE "\ncn: 45\nPidTagFolderId: 45\n"
	                           "MAPIStoreURI: sogo://a*na:anna@mail/folderTeam/\n\n"
	                           "dn: CN=ab," BASE "\nobjectClass: mailbox\ncn: a=b\n"
	                           "mailboxguid: 5b1f6c2e-7a40-4c55-9a31-0d2f6c8b1e03\n\n"));
	ck_assert_ptr_nonnull(strstr(reports, "its cn holds * or ="));
	ck_assert_ptr_nonnull(strstr(reports, "holds a name that none can be"));
}

TEST(modules_that_are_not_there_are_not_asked_for)
{
	ck_assert_ok(load_ldb(HEAD SUBTREE INBOX "dn: @MODULES\n@LIST: samba_dsdb,absent\n\n"));
	ck_assert_str_eq(users("sogo", "anna", "INBOX"), "anna:2c00000000000001 ");
}

TEST(names_are_one_by_the_rule)
{
	settings.names = (struct ocs_name_rule){true, "example.org"};
	ck_assert_ok(load_ldb(HEAD SUBTREE
	                      "dn: CN=42,CN=anna," BASE "\ncn: 42\nPidTagFolderId: 42\n"
	                      "MAPIStoreURI: sogo://Anna%40example.org:x@mail/folderWork/\n\n"));
	ck_assert_str_eq(users("sogo", "anna", "work"), "anna:2a ");
	ck_assert_str_eq(users("sogo", "anna", "other"), "anna:0 ");
}

TEST(a_record_that_is_wrong_is_left_out_with_its_name_and_the_others_stand)
{
	static const char *const bad[] = {
	        "dn: CN=1,CN=anna," BASE "\nMAPIStoreURI: sogo://anna:anna@mail/folderA/\n\n",
	        "dn: CN=2,CN=anna," BASE
	        "\nPidTagFolderId: 0x2a\nMAPIStoreURI: sogo://anna:anna@mail/folderB/\n\n",
	        "dn: CN=3,CN=anna," BASE
	        "\nPidTagFolderId: 0\nMAPIStoreURI: sogo://anna:anna@mail/folderC/\n\n",
	        "dn: CN=4,CN=anna," BASE "\nPidTagFolderId: 18446744073709551616\n"
	        "MAPIStoreURI: sogo://anna:anna@mail/folderD/\n\n",
	        "dn: CN=5,CN=anna," BASE
	        "\nPidTagFolderId: -1\nMAPIStoreURI: sogo://anna:anna@mail/folderE/\n\n",
	        "dn: CN=6,CN=nobody\nPidTagFolderId: 6\n"
	        "MAPIStoreURI: sogo://anna:anna@mail/folderF/\n\n",
	        "dn: CN=7,CN=anna," BASE "\nPidTagFolderId: 7\nMAPIStoreURI:: c29nbwBh\n\n",
	        "dn: CN=8," BASE "\nMailboxGUID: x\n\n",
	        "dn: CN=9," BASE "\nMailboxGUID: x\ncn:: AWE=\n\n",
	        "dn: CN=10,CN=anna," BASE "\nPidTagFolderId: 18446744073709551615\n"
	        "MAPIStoreURI: sogo://anna:anna@mail/folderG/\n\n",
	};
	char ldif[8192] = HEAD SUBTREE INBOX, where[32];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		strcat(ldif, bad[i]);
	ck_assert_ok(load_ldb(ldif));
	for (size_t i = 1; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(where, sizeof(where), "o.ldb: record 'CN=%zu,", i);
		ck_assert_msg(strstr(reports, where) != NULL, "%s\n%s", bad[i - 1], reports);
	}
	ck_assert_str_eq(users("sogo", "anna", "INBOX"), "anna:2c00000000000001 ");
	ck_assert_str_eq(users("sogo", "anna", "B"), "anna:0 ");
}

TEST(identifiers_of_our_replica_id_are_pointed_out)
{
	settings.replica_id = 1;
	ck_assert_ok(load_ldb(HEAD SUBTREE INBOX));
	ck_assert_ptr_nonnull(strstr(reports, "replica_id"));
}

TEST(beside_a_text_map_that_one_comes_first)
{
	static char path[300];
	FILE *file = fopen(rig_path("map"), "w");

	fputs("sogo\tanna\tINBOX\tanna\t00ab000000000001\nalias\ta\tanna\n", file);
	fclose(file);
	snprintf(path, sizeof(path), "%s", rig_path("map"));
	settings.map = path;
	ck_assert_ok(load_ldb(HEAD SUBTREE INBOX));
	ck_assert_str_eq(users("sogo", "anna", "INBOX"), "anna:ab000000000001 ");
	ck_assert_str_eq(users("sogo", "anna", "Work"), "anna:0 ");
	/* A bad line refuses all. */
	file = fopen(path, "a");
	fputs("bad\n", file);
	fclose(file);
	ck_assert_int_eq(load(), -1);
	ck_assert_ptr_nonnull(strstr(reports, "map:3: "));
	ck_assert_ptr_null(map);
}

TEST(a_database_without_mailboxes_knows_nobody_whatever_aliases_there_are)
{
	static char path[300];
	FILE *file = fopen(rig_path("map"), "w");

	fputs("alias\ta\tanna\n", file);
	fclose(file);
	snprintf(path, sizeof(path), "%s", rig_path("map"));
	settings.map = path;
	ck_assert_ok(load_ldb("dn: @OPTIONS\ncheckBaseOnSearch: TRUE\n\n"));
	ck_assert_str_eq(users("sogo", "anna", "INBOX"), "");
}

TEST(what_is_no_ldb_file_is_refused_by_name)
{
	static char path[300];
	FILE *file = fopen(rig_path("garbage"), "w");

	fputs("garbage", file);
	fclose(file);
	ck_assert_int_eq(mkfifo(rig_path("fifo"), 0600), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"garbage", "fifo", "missing", "."};

		snprintf(path, sizeof(path), "%s", rig_path(names[i]));
		settings.openchangedb = path;
		ck_assert_int_eq(load(), -1);
		ck_assert_ptr_null(map);
		ck_assert_ptr_nonnull(strstr(rig_error.text, names[i]));
	}
	/* Nothing was written. */
	ck_assert_int_ne(access(rig_path("missing"), F_OK), 0);
}

TEST(without_a_source_there_is_no_map)
{
	ck_assert_ok(load());
	ck_assert_ptr_null(map);
}
