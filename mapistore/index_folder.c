/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Folders of the identifier index: a tree of nodes, one record F<node><name> a folder, so that a
 * rename, a deletion or a new uid validity is one record, whatever lies below.
 */
#include "mapistore/index_internal.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

/* FID 64, node 64, series 64, whether there is a uid validity 8, uid validity 32 */
#define FOLDER_SIZE 29
#define NAME_MAX_   1024
#define KEY_MAX     (3 * (NAME_MAX_ + 1) + 1)

struct place {
	const struct ocs_folder_name *whose; /* its folder is not looked at */
	uint64_t top;                        /* the node of these three */
	uint64_t parent_node;
	uint64_t parent_fid;    /* as the user sees it: the root's for a top-level folder */
	uint64_t parent_folder; /* 0 for a top-level folder */
	const char *name;       /* last component */
};

/* A folder's name in keys, where case folds. Returns its length. */
static size_t folded_name(const char *name, char out[NAME_MAX_ + 1])
{
	static const struct ocs_name_rule rule = {.fold = true};

	return strlen(ocs_name_folder_key(&rule, name, out));
}

/* Whether both names are one folder's. */
static bool same_name(const struct ocs_index *index, const char *a, const char *b)
{
	char key_a[NAME_MAX_ + 1], key_b[NAME_MAX_ + 1];

	if (!index->fold)
		return strcmp(a, b) == 0;
	folded_name(a, key_a);
	folded_name(b, key_b);
	return strcmp(key_a, key_b) == 0;
}

static size_t exact_key(uint8_t key[9 + NAME_MAX_], uint64_t node, const char *name)
{
	size_t len = strlen(name);

	key[0] = 'F';
	ocs_put64(key + 1, node);
	memcpy(key + 9, name, len);
	return 9 + len;
}

static size_t folder_key(const struct ocs_index *index, uint8_t key[9 + NAME_MAX_], uint64_t node,
                         const char *name)
{
	char folded[NAME_MAX_ + 1];

	if (index->fold) {
		folded_name(name, folded);
		name = folded;
	}
	return exact_key(key, node, name);
}

static int folder_get(struct ocs_index *index, uint64_t node, const char *name,
                      struct ocs_index_folder *out, struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_], *data;
	size_t len;
	int ret = ocs_index_fetch(index, index, key, folder_key(index, key, node, name), &data,
	                          &len, error);

	/* Made before case was folded: it keeps its identifier while it is named as it was. */
	if (ret == OCS_STORE_MISSING && index->fold)
		ret = ocs_index_fetch(index, index, key, exact_key(key, node, name), &data, &len,
		                      error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (len == FOLDER_SIZE) {
		out->fid = ocs_get64(data);
		out->node = ocs_get64(data + 8);
		out->series = ocs_get64(data + 16);
		out->has_uid_validity = data[24] != 0;
		out->uid_validity = ocs_get32(data + 25);
	} else {
		ret = OCS_STORE_MISSING;
	}
	talloc_free(data);
	return ret;
}

/* What it was called before case was folded, where that is another key. */
static int exact_delete(struct ocs_index *index, uint64_t node, const char *name,
                        struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_];
	char folded[NAME_MAX_ + 1];

	if (!index->fold)
		return OCS_STORE_OK;
	folded_name(name, folded);
	if (strcmp(folded, name) == 0)
		return OCS_STORE_OK;
	return ocs_index_delete(index, key, exact_key(key, node, name), error);
}

static int folder_put(struct ocs_index *index, uint64_t node, const char *name,
                      const struct ocs_index_folder *folder, struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_], data[FOLDER_SIZE];
	size_t key_len = folder_key(index, key, node, name);
	int ret;

	ocs_put64(data, folder->fid);
	ocs_put64(data + 8, folder->node);
	ocs_put64(data + 16, folder->series);
	data[24] = folder->has_uid_validity;
	ocs_put32(data + 25, folder->uid_validity);
	ret = ocs_index_put(index, key, key_len, data, sizeof(data), error);
	return ret == OCS_STORE_OK ? exact_delete(index, node, name, error) : ret;
}

static int folder_remove(struct ocs_index *index, uint64_t node, const char *name,
                         struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_];
	int ret = ocs_index_delete(index, key, folder_key(index, key, node, name), error);

	return ret == OCS_STORE_OK ? exact_delete(index, node, name, error) : ret;
}

static size_t join_names(uint8_t *out, const struct place *place)
{
	const char *parts[] = {place->whose->user, place->whose->backend,
	                       place->whose->backend_user};
	size_t len = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(parts[i]) + 1;

		memcpy(out + len, parts[i], n);
		len += n;
	}
	return len;
}

/* The way back from a FID to its place. The names of user and backend are long and the same for all
 * folders of a mail store, so they stand once, with its top node: also of one that was made before
 * that was so. */
static int folder_name_put(struct ocs_index *index, const struct place *place, uint64_t fid,
                           struct ocs_error *error)
{
	uint8_t data[16 + NAME_MAX_], names[KEY_MAX];
	size_t len = strlen(place->name);

	if (!ocs_index_name_known(index, place->top)) {
		int ret = ocs_index_name_put(index, place->top, OCS_KIND_TOP, names,
		                             join_names(names, place) - 1, error);

		if (ret != OCS_STORE_OK)
			return ret;
	}
	ocs_put64(data, place->parent_folder);
	ocs_put64(data + 8, place->top);
	memcpy(data + 16, place->name, len);
	return ocs_index_name_put(index, fid, OCS_KIND_PLACE, data, 16 + len, error);
}

static int new_ids(struct ocs_index *index, uint64_t *ids, unsigned n, struct ocs_error *error)
{
	int ret = ocs_index_reserve(index, n, &ids[0], error);

	for (unsigned i = 1; i < n; i++)
		ids[i] = ocs_index_id_next(ids[i - 1]);
	return ret;
}

/* A record whose payload is one id, made at first sight: roots (R) and top nodes (N). told: the id
 * to be taken then; 0: a new one. */
static int single_id(struct ocs_index *index, const uint8_t *key, size_t key_len, bool create,
                     uint64_t told, uint64_t *id_r, bool *made_r, struct ocs_error *error)
{
	uint8_t *data, fresh[8];
	size_t len;
	int ret = ocs_index_fetch(index, index, key, key_len, &data, &len, error);

	*made_r = false;
	if (ret == OCS_STORE_OK && len == 8) {
		*id_r = ocs_get64(data);
		talloc_free(data);
		return ret;
	}
	talloc_free(data);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return ret;
	if (!create)
		return OCS_STORE_MISSING;
	*id_r = told;
	if (told == 0)
		ret = new_ids(index, id_r, 1, error);
	else
		ret = OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	*made_r = true;
	ocs_put64(fresh, *id_r);
	return ocs_index_put(index, key, key_len, fresh, sizeof(fresh), error);
}

static int root_fid(struct ocs_index *index, const struct ocs_folder_name *whose, bool create,
                    uint64_t *fid_r, struct ocs_error *error)
{
	const char *user = whose->user;
	uint8_t key[1 + NAME_MAX_];
	size_t len = strlen(user);
	uint64_t told = create ? ocs_index_told_id(index, whose, "") : 0;
	bool made;
	int ret;

	key[0] = 'R';
	memcpy(key + 1, user, len);
	ret = single_id(index, key, 1 + len, create, told, fid_r, &made, error);
	if (ret == OCS_STORE_OK && made)
		ret = ocs_index_name_put(index, *fid_r, OCS_KIND_ROOT, user, len, error);
	return ret;
}

int ocs_index_root_place(struct ocs_index *index, const char *user, uint64_t fid,
                         struct ocs_error *error)
{
	uint8_t key[1 + NAME_MAX_], data[8];
	size_t len = strnlen(user, NAME_MAX_);
	int ret;

	key[0] = 'R';
	memcpy(key + 1, user, len);
	ocs_put64(data, fid);
	ret = ocs_index_put(index, key, 1 + len, data, sizeof(data), error);
	return ret == OCS_STORE_OK ? ocs_index_name_put(index, fid, OCS_KIND_ROOT, user, len, error)
	                           : ret;
}

static int top_node(struct ocs_index *index, const struct place *place, bool create,
                    uint64_t *node_r, struct ocs_error *error)
{
	uint8_t key[KEY_MAX];
	bool made;

	key[0] = 'N';
	return single_id(index, key, 1 + join_names(key + 1, place), create, 0, node_r, &made,
	                 error);
}

/* fid 0: the one that another node has told for that path, or one of its own. */
static int make_folder(struct ocs_index *index, const struct place *place, const char *path,
                       uint64_t fid, struct ocs_index_folder *out, struct ocs_error *error)
{
	uint64_t ids[3], told = fid != 0 ? fid : ocs_index_told_id(index, place->whose, path);
	int ret = fid == 0 ? new_ids(index, ids, 3, error) : new_ids(index, ids + 1, 2, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (told != 0)
		ids[0] = told;
	*out = (struct ocs_index_folder){.fid = ids[0], .node = ids[1], .series = ids[2]};
	ret = folder_put(index, place->parent_node, place->name, out, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_series_put(index, out->series, out->fid, error);
	return ret == OCS_STORE_OK ? folder_name_put(index, place, out->fid, error) : ret;
}

/* The user map's FID wins over the folder's own; both lead back to the folder. */
static int apply_fixed(struct ocs_index *index, const struct place *place, const char *path,
                       bool create, struct ocs_index_folder *folder, struct ocs_error *error)
{
	struct ocs_folder_name name = *place->whose;
	uint64_t fid;

	if (index->fixed == NULL)
		return OCS_STORE_OK;
	name.folder = path;
	fid = index->fixed(index->fixed_arg, &name);
	if (fid == 0)
		return OCS_STORE_OK;
	folder->fid = fid;
	if (!create || ocs_index_name_known(index, fid))
		return OCS_STORE_OK;
	return folder_name_put(index, place, fid, error);
}

/* Walks down to a folder. *place_r is filled up to the last component whether it is there or not.
 */
static int walk(struct ocs_index *index, const struct ocs_folder_name *whose, char *path,
                bool create, bool create_last, struct place *place, struct ocs_index_folder *out,
                struct ocs_error *error)
{
	char *component = path, *slash;
	int ret;

	*place = (struct place){.whose = whose, .name = component};
	ret = root_fid(index, whose, create, &place->parent_fid, error);
	if (ret == OCS_STORE_OK)
		ret = top_node(index, place, create, &place->top, error);
	place->parent_node = place->top;
	while (ret == OCS_STORE_OK) {
		slash = strchr(component, '/');
		if (slash != NULL)
			*slash = '\0'; /* path is now the folder so far */
		place->name = component;
		ret = folder_get(index, place->parent_node, component, out, error);
		if (ret == OCS_STORE_MISSING && (slash == NULL ? create_last : create))
			ret = make_folder(index, place, path, 0, out, error);
		if (ret == OCS_STORE_OK)
			ret = apply_fixed(index, place, path, create, out, error);
		if (slash == NULL)
			break;
		*slash = '/';
		if (ret == OCS_STORE_OK) {
			place->parent_node = out->node;
			place->parent_fid = out->fid;
			place->parent_folder = out->fid;
			component = slash + 1;
		}
	}
	out->parent_fid = place->parent_fid;
	return ret;
}

static int check_names(const struct ocs_folder_name *name, struct ocs_error *error)
{
	if (name->user[0] == '\0' || strlen(name->user) > NAME_MAX_ ||
	    strlen(name->backend) > NAME_MAX_ || strlen(name->backend_user) > NAME_MAX_ ||
	    strlen(name->folder) > NAME_MAX_)
		return ocs_error_set(error,
		                     "a name is longer than %d bytes, or the user name is empty",
		                     NAME_MAX_);
	return 0;
}

int ocs_index_folder(struct ocs_index *index, const struct ocs_folder_name *name, bool create,
                     struct ocs_index_folder *out, struct ocs_error *error)
{
	char path[NAME_MAX_ + 1];
	struct place place;
	int ret;

	memset(out, 0, sizeof(*out));
	ocs_index_refresh(index);
	if (check_names(name, error) != 0)
		return OCS_STORE_ERROR;
	if (name->folder[0] == '\0')
		return root_fid(index, name, create, &out->fid, error);
	strcpy(path, name->folder);
	ret = walk(index, name, path, create, create, &place, out, error);
	/* The map fixed its FID after it was made: who may write completes the way back. */
	if (ret == OCS_STORE_OK && !create && index->fixed != NULL &&
	    !ocs_index_name_known(index, out->fid))
		ret = OCS_STORE_MISSING;
	return ret;
}

int ocs_index_folder_set_uid_validity(struct ocs_index *index, const struct ocs_folder_name *name,
                                      uint32_t uid_validity, struct ocs_index_folder *out,
                                      struct ocs_error *error)
{
	struct ocs_index_folder record;
	char path[NAME_MAX_ + 1];
	struct place place;
	int ret;

	if (check_names(name, error) != 0 || name->folder[0] == '\0')
		return OCS_STORE_ERROR;
	strcpy(path, name->folder);
	ret = walk(index, name, path, true, true, &place, out, error);
	if (ret == OCS_STORE_OK) /* again: out has the FID of the user map */
		ret = folder_get(index, place.parent_node, place.name, &record, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (record.has_uid_validity && record.uid_validity != uid_validity) {
		ret = ocs_index_series_retire(index, record.series, record.fid, error);
		if (ret == OCS_STORE_OK)
			ret = new_ids(index, &record.series, 1, error);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_series_put(index, record.series, record.fid, error);
	}
	record.has_uid_validity = true;
	record.uid_validity = uid_validity;
	if (ret == OCS_STORE_OK)
		ret = folder_put(index, place.parent_node, place.name, &record, error);
	out->series = record.series;
	out->has_uid_validity = true;
	out->uid_validity = uid_validity;
	return ret;
}

int ocs_index_folder_place(struct ocs_index *index, const struct ocs_folder_name *name,
                           uint64_t fid, struct ocs_index_folder *out, struct ocs_error *error)
{
	char path[NAME_MAX_ + 1];
	struct place place;
	int ret;

	if (check_names(name, error) != 0 || name->folder[0] == '\0')
		return OCS_STORE_ERROR;
	strcpy(path, name->folder);
	ret = walk(index, name, path, true, false, &place, out, error);
	if (ret == OCS_STORE_OK) /* it has another one */
		return folder_name_put(index, &place, fid, error);
	return ret == OCS_STORE_MISSING ? make_folder(index, &place, name->folder, fid, out, error)
	                                : ret;
}

static int delete_at(struct ocs_index *index, uint64_t node, const char *name,
                     struct ocs_error *error)
{
	struct ocs_index_folder folder;
	int ret = folder_get(index, node, name, &folder, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_index_name_gone(index, folder.fid, error);
	if (ret != OCS_STORE_OK)
		return ret;
	return folder_remove(index, node, name, error);
}

int ocs_index_folder_delete(struct ocs_index *index, const struct ocs_folder_name *name,
                            struct ocs_error *error)
{
	struct ocs_index_folder as_seen;
	char path[NAME_MAX_ + 1];
	struct place place;
	int ret;

	if (check_names(name, error) != 0 || name->folder[0] == '\0')
		return OCS_STORE_ERROR;
	strcpy(path, name->folder);
	ret = walk(index, name, path, false, false, &place, &as_seen, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	/* The FID of the user map leads back too; delete_at() knows the folder's own only. */
	ret = ocs_index_name_gone(index, as_seen.fid, error);
	if (ret != OCS_STORE_OK)
		return ret;
	return delete_at(index, place.parent_node, place.name, error);
}

int ocs_index_folder_rename(struct ocs_index *index, const struct ocs_folder_name *name,
                            const char *new_folder, struct ocs_index_folder *out,
                            struct ocs_error *error)
{
	const struct ocs_folder_name new_name = {name->user, name->backend, name->backend_user,
	                                         new_folder};
	char old_path[NAME_MAX_ + 1], new_path[NAME_MAX_ + 1];
	struct ocs_index_folder moved, there;
	struct place from, to;
	int ret;

	if (check_names(name, error) != 0 || check_names(&new_name, error) != 0 ||
	    name->folder[0] == '\0' || new_folder[0] == '\0')
		return OCS_STORE_ERROR;
	strcpy(old_path, name->folder);
	strcpy(new_path, new_folder);
	ret = walk(index, name, old_path, true, true, &from, &moved, error);
	if (ret == OCS_STORE_OK) /* again: moved has the FID of the user map */
		ret = folder_get(index, from.parent_node, from.name, &moved, error);
	if (ret == OCS_STORE_OK) {
		ret = walk(index, name, new_path, true, false, &to, &there, error);
		if (ret == OCS_STORE_MISSING)
			ret = OCS_STORE_OK;
	}
	if (ret != OCS_STORE_OK)
		return ret;
	if (from.parent_node == to.parent_node && same_name(index, from.name, to.name)) {
		if (strcmp(from.name, to.name) != 0) { /* it is shown by another one now */
			ret = folder_put(index, to.parent_node, to.name, &moved, error);
			if (ret == OCS_STORE_OK)
				ret = exact_delete(index, from.parent_node, from.name, error);
			if (ret == OCS_STORE_OK)
				ret = folder_name_put(index, &to, moved.fid, error);
		}
		return ret == OCS_STORE_OK ? ocs_index_folder(index, &new_name, true, out, error)
		                           : ret;
	}
	ret = delete_at(index, to.parent_node, to.name, error);
	if (ret == OCS_STORE_OK && strcmp(name->folder, "INBOX") == 0) {
		/* RFC 3501 6.3.5: renaming INBOX moves its messages and leaves it, with its
		 * subfolders, where it is. */
		struct ocs_index_folder fresh;
		uint64_t series = moved.series;

		ret = make_folder(index, &to, new_path, 0, &fresh, error);
		if (ret != OCS_STORE_OK)
			return ret;
		moved.series = fresh.series;
		moved.has_uid_validity = false;
		fresh.series = series;
		ret = ocs_index_series_put(index, fresh.series, fresh.fid, error);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_series_put(index, moved.series, moved.fid, error);
		if (ret == OCS_STORE_OK)
			ret = folder_put(index, to.parent_node, to.name, &fresh, error);
		if (ret == OCS_STORE_OK)
			ret = folder_put(index, from.parent_node, from.name, &moved, error);
	} else if (ret == OCS_STORE_OK) {
		ret = folder_remove(index, from.parent_node, from.name, error);
		if (ret == OCS_STORE_OK)
			ret = folder_put(index, to.parent_node, to.name, &moved, error);
		if (ret == OCS_STORE_OK)
			ret = folder_name_put(index, &to, moved.fid, error);
	}
	if (ret != OCS_STORE_OK)
		return ret;
	return ocs_index_folder(index, &new_name, true, out, error);
}

/* ---- another identifier ---- */

static int root_switch(struct ocs_index *index, const char *user, uint64_t ours, uint64_t theirs,
                       struct ocs_error *error)
{
	const struct ocs_folder_name root = {user, "", "", ""};
	uint8_t key[1 + NAME_MAX_], data[8];
	size_t len = strlen(user);
	uint64_t fid;
	int ret = root_fid(index, &root, false, &fid, error);

	if (ret == OCS_STORE_OK && fid != ours)
		ret = OCS_STORE_MISSING;
	if (ret != OCS_STORE_OK)
		return ret;
	key[0] = 'R';
	memcpy(key + 1, user, len);
	ocs_put64(data, theirs);
	ret = ocs_index_put(index, key, 1 + len, data, sizeof(data), error);
	return ret == OCS_STORE_OK
	               ? ocs_index_name_put(index, theirs, OCS_KIND_ROOT, user, len, error)
	               : ret;
}

int ocs_index_folder_switch(struct ocs_index *index, const struct ocs_folder_name *name,
                            uint64_t ours, uint64_t theirs, struct ocs_error *error)
{
	struct ocs_index_folder folder;
	char path[NAME_MAX_ + 1];
	struct place place;
	int ret;

	if (check_names(name, error) != 0)
		return OCS_STORE_ERROR;
	if (name->folder[0] == '\0') {
		ret = root_switch(index, name->user, ours, theirs, error);
	} else {
		strcpy(path, name->folder);
		ret = walk(index, name, path, false, false, &place, &folder, error);
		if (ret == OCS_STORE_OK) /* again: it has the FID of the user map */
			ret = folder_get(index, place.parent_node, place.name, &folder, error);
		if (ret == OCS_STORE_OK && folder.fid != ours)
			ret = OCS_STORE_MISSING;
		folder.fid = theirs;
		if (ret == OCS_STORE_OK)
			ret = folder_put(index, place.parent_node, place.name, &folder, error);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_series_put(index, folder.series, theirs, error);
		if (ret == OCS_STORE_OK)
			ret = folder_name_put(index, &place, theirs, error);
	}
	return ret == OCS_STORE_OK ? ocs_index_alias(index, ours, theirs, error) : ret;
}

/* ---- users whom nobody knew ---- */

static const char key_unknown[] = {'Q'};

int ocs_index_unknown(struct ocs_index *index, uint64_t *n_r, struct ocs_error *error)
{
	uint8_t *data = NULL;
	size_t len;
	int ret =
	        ocs_index_fetch(index, index, key_unknown, sizeof(key_unknown), &data, &len, error);

	*n_r = ret == OCS_STORE_OK && len == 8 ? ocs_get64(data) : 0;
	talloc_free(data);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

int ocs_index_set_unknown(struct ocs_index *index, uint64_t n, struct ocs_error *error)
{
	uint8_t data[8];

	ocs_put64(data, n);
	return ocs_index_put(index, key_unknown, sizeof(key_unknown), data, sizeof(data), error);
}
