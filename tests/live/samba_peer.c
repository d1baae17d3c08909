/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A client made of Samba's own library, as a program.
 *
 *     samba_peer PORT CONFIG USER PASSWORD SECURITY
 *
 * SECURITY is what Samba's binding strings take, "spnego,seal". Reads lines `emsmdb OPNUM HEX` or
 * `async OPNUM HEX` and answers each with the response's stub in hex, or with `error TEXT`.
 *
 * Not python3-samba: its connections of interfaces that Samba has no module for end the process,
 * since they have no name of a service to authenticate to.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <core/ntstatus.h>
#include <credentials.h>
#include <dcerpc.h>
#include <param.h>
#include <talloc.h>
#include <tevent.h>
#include <util/data_blob.h>

#define LINE_MAX_BYTES (1 << 20)

static const char *const services[] = {"host"};
static const struct ndr_interface_string_array service_names = {1, services};

static const struct ndr_interface_table interfaces[] = {
        {.name = "emsmdb",
         .syntax_id =
                 {{0xa4f1db00, 0xca47, 0x1067, {0xb3, 0x1f}, {0x00, 0xdd, 0x01, 0x06, 0x62, 0xda}},
                  0x00510000},
         .endpoints = &service_names,
         .authservices = &service_names},
        {.name = "async",
         .syntax_id =
                 {{0x5261574a, 0x4572, 0x206e, {0xb2, 0x68}, {0x6b, 0x19, 0x92, 0x13, 0xb4, 0xe4}},
                  0x00010000},
         .endpoints = &service_names,
         .authservices = &service_names},
};
#define INTERFACES (sizeof(interfaces) / sizeof(*interfaces))

static struct dcerpc_pipe *pipes[INTERFACES];

static void fail(const char *doing, NTSTATUS status)
{
	fprintf(stderr, "samba_peer: %s: 0x%08x\n", doing, NT_STATUS_V(status));
	exit(1);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; -1 if it is no hex. */
static ssize_t from_hex(char *text)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		text[i] = (char)(high << 4 | low);
	}
	return (ssize_t)n;
}

static void call(TALLOC_CTX *mem_ctx, char *line)
{
	char *rest = line, *name = strsep(&rest, " "), *opnum = strsep(&rest, " ");
	uint8_t *out = NULL;
	size_t out_length = 0, i;
	uint32_t out_flags = 0;
	ssize_t length;
	NTSTATUS status;

	for (i = 0; i < INTERFACES && strcmp(interfaces[i].name, name) != 0; i++)
		;
	length = rest == NULL ? -1 : from_hex(rest);
	if (i == INTERFACES || length < 0) {
		puts("error no such call");
		return;
	}
	status = dcerpc_binding_handle_raw_call(
	        pipes[i]->binding_handle, NULL, (uint32_t)strtoul(opnum, NULL, 10), 0,
	        (uint8_t *)rest, (size_t)length, mem_ctx, &out, &out_length, &out_flags);
	if (!NT_STATUS_IS_OK(status)) {
		printf("error 0x%08x\n", NT_STATUS_V(status));
		return;
	}
	for (i = 0; i < out_length; i++)
		printf("%02x", out[i]);
	putchar('\n');
}

int main(int argc, char **argv)
{
	TALLOC_CTX *mem_ctx = talloc_new(NULL);
	struct tevent_context *events = tevent_context_init(mem_ctx);
	struct loadparm_context *lp = loadparm_init(mem_ctx);
	struct cli_credentials *credentials = cli_credentials_init(mem_ctx);
	char *binding, *line = malloc(LINE_MAX_BYTES);
	NTSTATUS status;

	if (argc != 6 || events == NULL || lp == NULL || credentials == NULL || line == NULL)
		return 2;
	status = dcerpc_init();
	if (!NT_STATUS_IS_OK(status))
		fail("dcerpc_init", status);
	if (!lpcfg_load(lp, argv[2]) || !cli_credentials_guess(credentials, lp) ||
	    !cli_credentials_set_username(credentials, argv[3], CRED_SPECIFIED) ||
	    !cli_credentials_set_password(credentials, argv[4], CRED_SPECIFIED) ||
	    !cli_credentials_set_kerberos_state(credentials, CRED_USE_KERBEROS_DISABLED,
	                                        CRED_SPECIFIED)) {
		fputs("samba_peer: configuration or credentials\n", stderr);
		return 1;
	}
	binding = talloc_asprintf(mem_ctx, "ncacn_ip_tcp:127.0.0.1[%s,%s]", argv[1], argv[5]);
	for (size_t i = 0; i < INTERFACES; i++) {
		status = dcerpc_pipe_connect(mem_ctx, &pipes[i], binding, &interfaces[i],
		                             credentials, events, lp);
		if (!NT_STATUS_IS_OK(status))
			fail(interfaces[i].name, status);
	}
	while (fgets(line, LINE_MAX_BYTES, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		call(mem_ctx, line);
		fflush(stdout);
	}
	talloc_free(mem_ctx);
	free(line);
	return 0;
}
