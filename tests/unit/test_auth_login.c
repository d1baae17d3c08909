/* The logins as the HTTP service drives them: SSHA, SCRAM-SHA-256, PLAIN, tokens, limits. */
#include <arpa/inet.h>
#include <check.h>
#include <ftw.h>
#include <gsasl.h>
#include <netinet/in.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/codec.h"
#include "auth/scramkeys.h"
#include "auth/ssha.h"

static char folder[] = "/tmp/ocs-auth-XXXXXX", private_folder[64], account_file[64];
static int64_t clock_ms;
static char reported[2048];
static struct ocs_auth_settings settings;
static struct ocs_auth *auth;
static struct ocs_auth_reply reply;

static int64_t now(void *arg, bool wall)
{
	(void)arg;
	return clock_ms + (wall ? 1700000000000 : 0);
}

static void on_report(void *arg, const char *text)
{
	size_t len = strlen(reported);

	(void)arg;
	snprintf(reported + len, sizeof(reported) - len, "%s\n", text);
}

static void write_accounts(const char *text)
{
	FILE *f = fopen(account_file, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(account_file, 0600), 0);
}

static void open_auth(void)
{
	struct ocs_error error = {""};

	ck_assert_msg(ocs_auth_open(&settings, &auth, &error) == 0, "%s", error.text);
}

static void reopen(void)
{
	ocs_auth_close(auth);
	open_auth();
}

static void setup(void)
{
	strcpy(folder, "/tmp/ocs-auth-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(private_folder, sizeof(private_folder), "%s/private", folder);
	snprintf(account_file, sizeof(account_file), "%s/accounts", folder);
	clock_ms = 1000000;
	reported[0] = '\0';
	settings = (struct ocs_auth_settings){
	        .backend = "single",
	        .username = "openchange",
	        .password = "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME", /* test */
	        .private_folder = private_folder,
	        .now = now,
	        .report = on_report,
	};
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	ocs_auth_close(auth);
	auth = NULL;
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct sockaddr *from(const char *address)
{
	static struct sockaddr_in6 in6;
	struct sockaddr_in *in = (void *)&in6;

	memset(&in6, 0, sizeof(in6));
	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		in6.sin6_family = AF_INET6;
	}
	return (void *)&in6;
}

/* What a legacy client computes from the answer of step one. */
static void legacy_answer(const char *name, const char *password, char hex[41])
{
	uint8_t salt[64], t[20], digest[20];
	size_t salt_len, t_len;
	struct ocs_ssha ssha;

	ck_assert_int_eq(ocs_auth_b64_decode(reply.salt, strlen(reply.salt), salt, 64, &salt_len),
	                 0);
	ck_assert_int_eq(
	        ocs_auth_b64_decode(reply.token_salt, strlen(reply.token_salt), t, 20, &t_len), 0);
	ck_assert_uint_eq(t_len, 20);
	ocs_ssha_make(password, salt, salt_len, &ssha);
	ocs_ssha_answer(name, &ssha, t, t_len, digest);
	ocs_auth_hex_encode(hex, digest, 20);
}

static struct ocs_auth_cookies *cookies(void)
{
	static char session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	static struct ocs_auth_cookies c = {session, token};

	strcpy(session, reply.cookie_session);
	strcpy(token, reply.cookie_token);
	return &c;
}

static enum ocs_auth_result ssha(const char *address, const char *name, const char *password)
{
	struct sockaddr *peer = address ? from(address) : NULL;
	char hex[41];
	enum ocs_auth_result result = ocs_auth_ssha_start(auth, peer, name, &reply);

	if (result != OCS_AUTH_OK)
		return result;
	legacy_answer(name, password, hex);
	return ocs_auth_ssha_login(auth, peer, cookies(), hex, &reply);
}

static enum ocs_auth_result plain(const char *address, const char *name, const char *password)
{
	uint8_t bytes[1024] = {0};
	char text[1400];
	size_t n = strlen(name), p = strlen(password);

	memcpy(bytes + 1, name, n);
	memcpy(bytes + 2 + n, password, p);
	ocs_auth_b64_encode(text, bytes, 2 + n + p);
	return ocs_auth_plain(auth, address ? from(address) : NULL, true, text, &reply);
}

/* libgsasl as the client; its second message and the check of ours. */
static Gsasl *client_context;
static Gsasl_session *client;

static void client_begin(const char *name, const char *password, char first[1400])
{
	char *out;
	size_t len;

	ck_assert_int_eq(gsasl_init(&client_context), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(client_context, "SCRAM-SHA-256", &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, name);
	gsasl_property_set(client, GSASL_PASSWORD, password);
	ck_assert_int_eq(gsasl_step(client, NULL, 0, &out, &len), GSASL_NEEDS_MORE);
	ocs_auth_b64_encode(first, out, len);
	gsasl_free(out);
}

static int client_step(const char *in, char next[1400])
{
	uint8_t bytes[1500];
	size_t len, out_len;
	char *out = NULL;

	ck_assert_int_eq(ocs_auth_b64_decode(in, strlen(in), bytes, sizeof(bytes), &len), 0);
	int rc = gsasl_step(client, (char *)bytes, len, &out, &out_len);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		ocs_auth_b64_encode(next, out, out_len);
	gsasl_free(out);
	return rc;
}

static void client_end(void)
{
	gsasl_finish(client);
	gsasl_done(client_context);
}

static enum ocs_auth_result scram(const char *name, const char *password)
{
	char text[1400];
	enum ocs_auth_result result;

	client_begin(name, password, text);
	result = ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", text, &reply);
	if (result == OCS_AUTH_OK) {
		ck_assert_int_eq(client_step(reply.sasl, text), GSASL_NEEDS_MORE);
		result = ocs_auth_scram_login(auth, NULL, cookies(), text, &reply);
		if (result == OCS_AUTH_OK) /* the client checks that we know its password */
			ck_assert_int_eq(client_step(reply.sasl, text), GSASL_OK);
		else
			ck_assert_str_eq(reply.sasl, "");
	}
	client_end();
	return result;
}

static enum ocs_auth_result check(const char *token)
{
	char account[OCS_AUTH_NAME_SIZE];

	return ocs_auth_check_token(auth, token, account);
}

START_TEST(a_legacy_client_logs_in_and_its_token_is_good)
{
	char hex[41], account[OCS_AUTH_NAME_SIZE];

	open_auth();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	ck_assert_str_eq(reply.salt, "AQIDBA==");
	ck_assert_uint_eq(strlen(reply.token_salt), 28);
	ck_assert_uint_eq(reply.ttl, 60);
	ck_assert_uint_eq(strlen(reply.cookie_token), 28);
	ck_assert_uint_eq(strlen(reply.cookie_session), 32);
	legacy_answer("openchange", "test", hex);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, cookies(), hex, &reply), OCS_AUTH_OK);
	ck_assert_uint_eq(reply.ttl, 3600);
	ck_assert_str_eq(reply.account, "openchange");
	ck_assert_int_eq(ocs_auth_check_token(auth, reply.token, account), OCS_AUTH_OK);
	ck_assert_str_eq(account, "openchange");
	ck_assert_str_eq(reported, "");
}
END_TEST

START_TEST(a_plain_password_in_the_ini_works_with_a_warning_and_every_mechanism)
{
	char salt[OCS_AUTH_SALT_SIZE];

	settings.password = "pencil";
	settings.config_file = "/nonexistent/ocsmanager.ini";
	settings.password_line = 17;
	open_auth();
	ck_assert_ptr_nonnull(strstr(reported, "ocsmanager.ini:17: [auth:single]"));
	ck_assert_ptr_nonnull(strstr(reported, "plain text"));
	ck_assert_ptr_null(strstr(reported, "pencil"));
	ck_assert_ptr_eq(strchr(reported, '\n') + 1, reported + strlen(reported));
	ck_assert_int_eq(ssha(NULL, "openchange", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(ssha(NULL, "openchange", "pencol"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(scram("openchange", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(scram("openchange", "pencol"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(plain(NULL, "openchange", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(plain(NULL, "openchange", "pencol"), OCS_AUTH_INVALID_CREDENTIALS);
	/* the made-up salt has 4 bytes and stays over a restart */
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	strcpy(salt, reply.salt);
	ck_assert_uint_eq(strlen(salt), 8);
	reopen();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	ck_assert_str_eq(reply.salt, salt);
}
END_TEST

START_TEST(an_unknown_account_looks_like_a_known_one_and_fails_the_same)
{
	char salt[OCS_AUTH_SALT_SIZE], text[160];

	settings.password = "{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAABAgMEBQYHCA=="; /* 8 bytes of salt */
	open_auth();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "nobody", &reply), OCS_AUTH_OK);
	strcpy(salt, reply.salt);
	ck_assert_uint_eq(strlen(salt), 12);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "somebody", &reply), OCS_AUTH_OK);
	ck_assert_str_ne(reply.salt, salt);
	reopen();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "nobody", &reply), OCS_AUTH_OK);
	ck_assert_str_eq(reply.salt, salt);

	ck_assert_int_eq(ssha(NULL, "nobody", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	strcpy(text, reply.text);
	ck_assert_int_eq(ssha(NULL, "openchange", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(reply.text, text);
	ck_assert_int_eq(scram("nobody", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(reply.text, text);
	ck_assert_int_eq(plain(NULL, "nobody", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(reply.text, text);
}
END_TEST

START_TEST(a_challenge_is_spent_by_its_first_answer)
{
	char hex[41], wrong[41];

	open_auth();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	legacy_answer("openchange", "test", hex);
	memset(wrong, '0', 40);
	wrong[40] = '\0';
	struct ocs_auth_cookies *c = cookies();
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, wrong, &reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(reply.token, "");
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &reply), OCS_AUTH_INVALID_SESSION);

	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	legacy_answer("openchange", "test", hex);
	c = cookies();
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &reply), OCS_AUTH_INVALID_SESSION);
}
END_TEST

START_TEST(a_challenge_ends_with_its_ttl_to_the_millisecond)
{
	char hex[41];

	settings.challenge_ttl = 1;
	open_auth();
	for (int late = 0; late <= 1; late++) {
		ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply),
		                 OCS_AUTH_OK);
		ck_assert_uint_eq(reply.ttl, 1);
		legacy_answer("openchange", "test", hex);
		clock_ms += 999 + late;
		ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, cookies(), hex, &reply),
		                 late ? OCS_AUTH_INVALID_SESSION : OCS_AUTH_OK);
	}
}
END_TEST

START_TEST(both_cookies_are_needed_and_must_belong_together)
{
	char hex[41];
	struct ocs_auth_cookies c, a, b;
	char s1[40], t1[40];

	open_auth();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	strcpy(s1, reply.cookie_session);
	strcpy(t1, reply.cookie_token);
	a = (struct ocs_auth_cookies){s1, t1};
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	legacy_answer("openchange", "test", hex);
	b = *cookies();
	c = (struct ocs_auth_cookies){b.session, NULL};
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &c, hex, &reply),
	                 OCS_AUTH_INVALID_SESSION);
	c = (struct ocs_auth_cookies){NULL, b.token};
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &c, hex, &reply),
	                 OCS_AUTH_INVALID_SESSION);
	c = (struct ocs_auth_cookies){b.session, a.token};
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &c, hex, &reply),
	                 OCS_AUTH_INVALID_SESSION);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, NULL, hex, &reply),
	                 OCS_AUTH_INVALID_SESSION);
	/* none of that was an answer */
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &b, hex, &reply), OCS_AUTH_OK);
}
END_TEST

START_TEST(missing_and_malformed_parameters_are_named)
{
	static const char *const bad[] = {"a b", "a\n", "ä", "a/b", "a:b"};
	char name[130];

	open_auth();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, NULL, &reply), OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "", &reply), OCS_AUTH_MISSING_PARAMETER);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, bad[i], &reply),
		                 OCS_AUTH_INVALID_PARAMETER);
	memset(name, 'x', 129);
	name[129] = '\0';
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, name, &reply), OCS_AUTH_INVALID_PARAMETER);
	name[128] = '\0';
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, name, &reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, cookies(), NULL, &reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "biws", &reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-1", "biws", &reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", "biws", &reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", "%%%", &reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, NULL, &reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, "AAAA", &reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, "YWJj", &reply),
	                 OCS_AUTH_INVALID_PARAMETER);
}
END_TEST

START_TEST(huge_input_is_refused_not_kept)
{
	static char big[65536];

	memset(big, 'A', sizeof(big) - 1);
	open_auth();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, big, &reply), OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", big, &reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, big, &reply), OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(check(big), OCS_AUTH_TOKEN_INVALID);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, cookies(), big, &reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(plain(NULL, "openchange", ""), OCS_AUTH_INVALID_CREDENTIALS);
}
END_TEST

/* RFC 7677, section 3: user, pencil, salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 iterations. */
static void rfc_keys(struct ocs_scram_keys *keys)
{
	*keys = (struct ocs_scram_keys){.iterations = 4096};
	ck_assert_int_eq(ocs_auth_b64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, keys->salt,
	                                     sizeof(keys->salt), &keys->salt_len),
	                 0);
	ck_assert_int_eq(ocs_scram_keys_derive(keys, "pencil"), 0);
}

START_TEST(the_example_of_rfc_7677_verifies_with_our_keys)
{
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	                              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	                              "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	                              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct ocs_scram_keys keys;
	struct hmac_sha256_ctx hmac;
	struct sha256_ctx sha;
	uint8_t mac[32], proof[32], stored[32];
	char text[48];
	size_t len;

	rfc_keys(&keys);
	hmac_sha256_set_key(&hmac, 32, keys.server_key);
	hmac_sha256_update(&hmac, strlen(message), (const uint8_t *)message);
	hmac_sha256_digest(&hmac, 32, mac);
	ocs_auth_b64_encode_standard(text, mac, 32);
	ck_assert_str_eq(text, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

	hmac_sha256_set_key(&hmac, 32, keys.stored_key);
	hmac_sha256_update(&hmac, strlen(message), (const uint8_t *)message);
	hmac_sha256_digest(&hmac, 32, mac);
	ck_assert_int_eq(ocs_auth_b64_decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 44,
	                                     proof, 32, &len),
	                 0);
	for (int i = 0; i < 32; i++)
		proof[i] ^= mac[i];
	sha256_init(&sha);
	sha256_update(&sha, 32, proof);
	sha256_digest(&sha, 32, stored);
	ck_assert_mem_eq(stored, keys.stored_key, 32);
}
END_TEST

START_TEST(a_libgsasl_client_logs_in_with_the_stored_keys_of_rfc_7677)
{
	struct ocs_scram_keys keys;
	char line[400], text[256];

	rfc_keys(&keys);
	ocs_scram_keys_text(&keys, text, sizeof(text));
	snprintf(line, sizeof(line), "user:{SCRAM-SHA-256}%s\n", text);
	write_accounts(line);
	settings.backend = "file";
	settings.file = account_file;
	open_auth();
	ck_assert_int_eq(scram("user", "pencil"), OCS_AUTH_OK);
	ck_assert_uint_eq(reply.ttl, 3600);
	ck_assert_int_eq(check(reply.token), OCS_AUTH_OK);
	ck_assert_int_eq(scram("user", "pencils"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(plain(NULL, "user", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(plain(NULL, "user", "pencils"), OCS_AUTH_INVALID_CREDENTIALS);
	/* the hash cannot serve SSHA: like a wrong password */
	ck_assert_int_eq(ssha(NULL, "user", "pencil"), OCS_AUTH_INVALID_CREDENTIALS);
}
END_TEST

static void server_first(const char *name, char salt[128], char iterations[32])
{
	char first[256], b64[400];
	uint8_t bytes[1024];
	size_t len;

	snprintf(first, sizeof(first), "n,,n=%s,r=abcdefghijkl", name);
	ocs_auth_b64_encode(b64, first, strlen(first));
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", b64, &reply),
	                 OCS_AUTH_OK);
	ck_assert_uint_eq(reply.ttl, 60);
	ck_assert_int_eq(ocs_auth_b64_decode(reply.sasl, strlen(reply.sasl), bytes, 1023, &len), 0);
	bytes[len] = '\0';
	ck_assert_int_eq(
	        sscanf((char *)bytes, "r=abcdefghijkl%*[^,],s=%127[^,],i=%31s", salt, iterations),
	        2);
}

START_TEST(scram_asks_an_unknown_account_the_same_each_time_and_like_a_known_one)
{
	char known[128], a[128], b[128], i1[32], i2[32], line[700], hash[OCS_AUTH_HASH_SIZE];

	ck_assert_int_eq(ocs_auth_make_hash("SCRAM-SHA-256", "pw", hash, NULL), 0);
	snprintf(line, sizeof(line), "user:%s\n", hash);
	write_accounts(line);
	settings.backend = "file";
	settings.file = account_file;
	open_auth();
	server_first("user", known, i1);
	server_first("ghost", a, i2);
	ck_assert_str_eq(i1, i2);
	ck_assert_uint_eq(strlen(a), strlen(known));
	reopen();
	server_first("ghost", b, i2);
	ck_assert_str_eq(a, b);
	server_first("ghast", b, i2);
	ck_assert_str_ne(a, b);
	ck_assert_int_eq(scram("ghost", "pw"), OCS_AUTH_INVALID_CREDENTIALS);
}
END_TEST

START_TEST(scram_refuses_to_act_for_another_and_channel_binding)
{
	static const char *const bad[] = {"n,a=root,n=openchange,r=abc",
	                                  "p=tls-unique,,n=openchange,r=abc", "n,,n=,r=abc",
	                                  "n,,n=a b,r=abc", "n,,n=openchange"};

	settings.password = "pencil";
	open_auth();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char b64[100];

		ocs_auth_b64_encode(b64, bad[i], strlen(bad[i]));
		ck_assert_msg(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", b64, &reply) ==
		                      OCS_AUTH_INVALID_PARAMETER,
		              "%s", bad[i]);
		ck_assert_str_eq(reply.cookie_session, "");
	}
}
END_TEST

START_TEST(a_scram_challenge_is_spent_and_not_answered_by_the_other_mechanism)
{
	char text[1400], hex[41];

	settings.password = "pencil";
	open_auth();
	client_begin("openchange", "pencil", text);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", text, &reply),
	                 OCS_AUTH_OK);
	ck_assert_int_eq(client_step(reply.sasl, text), GSASL_NEEDS_MORE);
	struct ocs_auth_cookies *c = cookies();
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, c, "AAAA", &reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, c, text, &reply),
	                 OCS_AUTH_INVALID_SESSION);
	client_end();

	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &reply), OCS_AUTH_OK);
	legacy_answer("openchange", "pencil", hex);
	c = cookies();
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, c, "AAAA", &reply),
	                 OCS_AUTH_INVALID_SESSION);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &reply), OCS_AUTH_INVALID_SESSION);
}
END_TEST

START_TEST(plain_needs_a_private_line_before_it_is_looked_at)
{
	open_auth();
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, false, "%%%", &reply),
	                 OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, false, NULL, &reply),
	                 OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_str_eq(reply.account, "");
	ck_assert(ocs_auth_is_loopback(NULL));
	ck_assert(ocs_auth_is_loopback(from("127.9.9.9")));
	ck_assert(ocs_auth_is_loopback(from("::1")));
	ck_assert(ocs_auth_is_loopback(from("::ffff:127.0.0.1")));
	ck_assert(!ocs_auth_is_loopback(from("192.0.2.1")));
	ck_assert(!ocs_auth_is_loopback(from("2001:db8::1")));
}
END_TEST

START_TEST(mechanisms_can_be_switched_off)
{
	const char *names[3];

	open_auth();
	ck_assert_uint_eq(ocs_auth_mechanisms(auth, names), 3);
	ck_assert_str_eq(names[0], "SCRAM-SHA-256");
	ck_assert_str_eq(names[1], "SSHA");
	ck_assert_str_eq(names[2], "PLAIN");
	settings.mechanisms = "SCRAM-SHA-256";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, NULL), 0);
	ck_assert_uint_eq(ocs_auth_mechanisms(auth, names), 1);
	ck_assert_int_eq(ssha(NULL, "openchange", "test"), OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_int_eq(plain(NULL, "openchange", "test"), OCS_AUTH_ACCESS_FORBIDDEN);
	settings.mechanisms = "plain ,ssha";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, NULL), 0);
	ck_assert_int_eq(ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(scram("openchange", "test"), OCS_AUTH_ACCESS_FORBIDDEN);
	struct ocs_error error;
	settings.mechanisms = "SSHA, NTLM";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "NTLM"));
	ck_assert_int_eq(ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
}
END_TEST

START_TEST(crypt_hashes_serve_plain_only)
{
	char hash[OCS_AUTH_HASH_SIZE], line[700];

	ck_assert_int_eq(ocs_auth_make_hash("CRYPT", "geheim", hash, NULL), 0);
	ck_assert(strncmp(hash, "$y$", 3) == 0);
	snprintf(line, sizeof(line),
	         "yes:%s\nsix:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnJQu"
	         "esI68OTLiQFdcbYEdFCoEOfaS35inz1\nold:{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME\n",
	         hash);
	write_accounts(line);
	settings.backend = "file";
	settings.file = account_file;
	settings.failed_logins = 100;
	open_auth();
	ck_assert_int_eq(plain(NULL, "yes", "geheim"), OCS_AUTH_OK);
	ck_assert_int_eq(plain(NULL, "yes", "geheime"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(plain(NULL, "six", "Hello world!"), OCS_AUTH_OK);
	ck_assert_int_eq(plain(NULL, "six", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(plain(NULL, "old", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(plain(NULL, "nobody", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(ssha(NULL, "yes", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(scram("yes", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
}
END_TEST

static double cpu_ms(const char *name)
{
	struct timespec a, b;
	double best = 1e9;

	for (int i = 0; i < 5; i++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		ck_assert_int_eq(plain(NULL, name, "wrong"), OCS_AUTH_INVALID_CREDENTIALS);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		double ms =
		        (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		if (ms < best)
			best = ms;
	}
	return best;
}

START_TEST(plain_costs_the_same_for_every_name)
{
	char crypt[OCS_AUTH_HASH_SIZE], scrams[OCS_AUTH_HASH_SIZE], line[1400];

	ck_assert_int_eq(ocs_auth_make_hash("CRYPT", "a", crypt, NULL), 0);
	ck_assert_int_eq(ocs_auth_make_hash("SCRAM-SHA-256", "a", scrams, NULL), 0);
	snprintf(line, sizeof(line), "a:%s\nb:%s\nc:{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME\n",
	         crypt, scrams);
	write_accounts(line);
	settings.backend = "file";
	settings.file = account_file;
	settings.failed_logins = 1000;
	open_auth();
	double a = cpu_ms("a");
	static const char *const others[] = {"b", "c", "nobody"};
	for (int i = 0; i < 3; i++) {
		double other = cpu_ms(others[i]);
		ck_assert_msg(other > a * 0.6 && other < a * 1.6, "a %.2f ms, %s %.2f ms", a,
		              others[i], other);
	}
}
END_TEST

START_TEST(a_token_expires_and_survives_a_restart)
{
	char token[OCS_AUTH_TOKEN_SIZE];

	settings.token_ttl = 1;
	open_auth();
	ck_assert_int_eq(ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
	ck_assert_uint_eq(reply.ttl, 1);
	strcpy(token, reply.token);
	reopen();
	clock_ms += 999;
	ck_assert_int_eq(check(token), OCS_AUTH_OK);
	clock_ms += 1;
	ck_assert_int_eq(check(token), OCS_AUTH_TOKEN_EXPIRED);
	ck_assert_int_eq(ocs_auth_logout(auth, token, &reply), OCS_AUTH_TOKEN_EXPIRED);
}
END_TEST

START_TEST(a_changed_or_removed_account_ends_its_tokens)
{
	char token[OCS_AUTH_TOKEN_SIZE];
	const char *hash = settings.password;

	open_auth();
	ck_assert_int_eq(ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
	strcpy(token, reply.token);
	settings.password = "other";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, NULL), 0);
	ck_assert_int_eq(check(token), OCS_AUTH_TOKEN_INVALID);
	settings.password = hash;
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, NULL), 0);
	ck_assert_int_eq(check(token), OCS_AUTH_OK);
	settings.username = "another";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, NULL), 0);
	ck_assert_int_eq(check(token), OCS_AUTH_TOKEN_INVALID);
}
END_TEST

START_TEST(a_failed_reload_keeps_what_was)
{
	struct ocs_error error;

	open_auth();
	settings.password = "{SSHA}broken";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, &error), -1);
	settings.backend = "ldap";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, &error), -1);
	ck_assert_str_eq(error.text, "auth = ldap is not in this version");
	ck_assert_int_eq(ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
}
END_TEST

START_TEST(the_account_changed_between_the_two_steps_of_scram)
{
	char text[1400];

	settings.password = "pencil";
	open_auth();
	client_begin("openchange", "pencil", text);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", text, &reply),
	                 OCS_AUTH_OK);
	ck_assert_int_eq(client_step(reply.sasl, text), GSASL_NEEDS_MORE);
	settings.password = "feather";
	ck_assert_int_eq(ocs_auth_reload(auth, &settings, NULL), 0);
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, cookies(), text, &reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(reply.sasl, "");
	client_end();
}
END_TEST

START_TEST(ten_failures_of_a_pair_stop_it_alike_for_known_and_unknown)
{
	static const char *const names[] = {"openchange", "nobody"};

	open_auth();
	for (int n = 0; n < 2; n++) {
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(ssha("192.0.2.1", names[n], "x"),
			                 OCS_AUTH_INVALID_CREDENTIALS);
		clock_ms += 1000;
		ck_assert_int_eq(ssha("192.0.2.1", names[n], "test"), OCS_AUTH_TOO_MANY_ATTEMPTS);
		ck_assert_uint_eq(reply.retry_after, 299);
		ck_assert_int_eq(plain("192.0.2.1", names[n], "test"), OCS_AUTH_TOO_MANY_ATTEMPTS);
	}
	/* another address is not concerned, and the wait is true */
	ck_assert_int_eq(ssha("192.0.2.2", "openchange", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(check(reply.token), OCS_AUTH_OK);
	clock_ms += 299000;
	ck_assert_int_eq(ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
}
END_TEST

START_TEST(a_full_table_of_challenges_is_overloaded_until_one_ends)
{
	struct ocs_auth_counts counts;

	settings.pending_challenges = 16;
	open_auth();
	/* an address has an eighth */
	ck_assert_int_eq(ocs_auth_ssha_start(auth, from("192.0.2.1"), "a", &reply), OCS_AUTH_OK);
	clock_ms += 10000;
	ck_assert_int_eq(ocs_auth_ssha_start(auth, from("192.0.2.1"), "a", &reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, from("192.0.2.1"), "a", &reply),
	                 OCS_AUTH_OVERLOADED);
	ck_assert_uint_eq(reply.retry_after, 50);
	ck_assert_str_eq(reply.cookie_session, "");
	ck_assert_str_eq(reply.salt, "");
	ck_assert_int_eq(ocs_auth_ssha_start(auth, from("192.0.2.2"), "a", &reply), OCS_AUTH_OK);
	for (int i = 3; i < 16; i++)
		ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "a", &reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, from("192.0.2.3"), "a", &reply),
	                 OCS_AUTH_OVERLOADED);
	ocs_auth_count(auth, &counts);
	ck_assert_uint_eq(counts.pending_challenges, 16);
	ck_assert_uint_eq(counts.accounts, 1);
	clock_ms += 50000;
	ck_assert_int_eq(ocs_auth_ssha_start(auth, from("192.0.2.3"), "a", &reply), OCS_AUTH_OK);
	clock_ms += 60000;
	ocs_auth_count(auth, &counts);
	ck_assert_uint_eq(counts.pending_challenges, 0);
}
END_TEST

START_TEST(result_names_are_the_protocols)
{
	ck_assert_str_eq(ocs_auth_result_name(OCS_AUTH_TOO_MANY_ATTEMPTS), "TOO_MANY_ATTEMPTS");
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_TOO_MANY_ATTEMPTS), 429);
	ck_assert_str_eq(ocs_auth_result_name(OCS_AUTH_OVERLOADED), "OVERLOADED");
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_OVERLOADED), 503);
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_INVALID_SESSION), 403);
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_MISSING_PARAMETER), 422);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth: logins");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_legacy_client_logs_in_and_its_token_is_good);
	tcase_add_test(tc, a_plain_password_in_the_ini_works_with_a_warning_and_every_mechanism);
	tcase_add_test(tc, an_unknown_account_looks_like_a_known_one_and_fails_the_same);
	tcase_add_test(tc, a_challenge_is_spent_by_its_first_answer);
	tcase_add_test(tc, a_challenge_ends_with_its_ttl_to_the_millisecond);
	tcase_add_test(tc, both_cookies_are_needed_and_must_belong_together);
	tcase_add_test(tc, missing_and_malformed_parameters_are_named);
	tcase_add_test(tc, huge_input_is_refused_not_kept);
	tcase_add_test(tc, the_example_of_rfc_7677_verifies_with_our_keys);
	tcase_add_test(tc, a_libgsasl_client_logs_in_with_the_stored_keys_of_rfc_7677);
	tcase_add_test(tc, scram_asks_an_unknown_account_the_same_each_time_and_like_a_known_one);
	tcase_add_test(tc, scram_refuses_to_act_for_another_and_channel_binding);
	tcase_add_test(tc, a_scram_challenge_is_spent_and_not_answered_by_the_other_mechanism);
	tcase_add_test(tc, plain_needs_a_private_line_before_it_is_looked_at);
	tcase_add_test(tc, mechanisms_can_be_switched_off);
	tcase_add_test(tc, crypt_hashes_serve_plain_only);
	tcase_add_test(tc, plain_costs_the_same_for_every_name);
	tcase_add_test(tc, a_token_expires_and_survives_a_restart);
	tcase_add_test(tc, a_changed_or_removed_account_ends_its_tokens);
	tcase_add_test(tc, a_failed_reload_keeps_what_was);
	tcase_add_test(tc, the_account_changed_between_the_two_steps_of_scram);
	tcase_add_test(tc, ten_failures_of_a_pair_stop_it_alike_for_known_and_unknown);
	tcase_add_test(tc, a_full_table_of_challenges_is_overloaded_until_one_ends);
	tcase_add_test(tc, result_names_are_the_protocols);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
