/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What Samba sees of the plugin: samba_init_module(), the only symbol it exports, and an endpoint
 * server of two interfaces on TCP.
 */
#include "plugin.h"

#include <string.h>

NTSTATUS samba_init_module(TALLOC_CTX *mem_ctx);

/* In libdcerpc-server-core, but in none of its installed headers. */
const struct dcesrv_critical_sizes *dcerpc_module_version(void);

/* Samba loads what it finds; a plugin made for another Samba would read its structures wrongly. */
static bool fits(void)
{
	const struct dcesrv_critical_sizes ours = {
	        .interface_version = DCERPC_MODULE_VERSION,
	        .sizeof_dcesrv_context = sizeof(struct dcesrv_context),
	        .sizeof_dcesrv_endpoint = sizeof(struct dcesrv_endpoint),
	        .sizeof_dcesrv_endpoint_server = sizeof(struct dcesrv_endpoint_server),
	        .sizeof_dcesrv_interface = sizeof(struct dcesrv_interface),
	        .sizeof_dcesrv_if_list = sizeof(struct dcesrv_if_list),
	        .sizeof_dcesrv_connection = sizeof(struct dcesrv_connection),
	        .sizeof_dcesrv_call_state = sizeof(struct dcesrv_call_state),
	        .sizeof_dcesrv_auth = sizeof(struct dcesrv_auth),
	        .sizeof_dcesrv_handle = sizeof(struct dcesrv_handle),
	};

	return memcmp(dcerpc_module_version(), &ours, sizeof(ours)) == 0;
}

static NTSTATUS module_init_server(struct dcesrv_context *dce_ctx,
                                   const struct dcesrv_endpoint_server *server)
{
	static const struct dcesrv_interface *const interfaces[] = {&ocs_samba_emsmdb,
	                                                            &ocs_samba_async};
	struct ocs_samba_options options;
	char *error;

	(void)server;
	if (!ocs_samba_options_read(dce_ctx, dce_ctx->lp_ctx, &options, &error)) {
		DBG_ERR("%s\n", error);
		talloc_free(error);
		return NT_STATUS_INVALID_PARAMETER;
	}
	ocs_samba_host_configure(&options);
	for (size_t i = 0; i < 2; i++) {
		NTSTATUS status = dcesrv_interface_register(dce_ctx, "ncacn_ip_tcp:", NULL,
		                                            interfaces[i], NULL);

		if (!NT_STATUS_IS_OK(status)) {
			DBG_ERR("%s: cannot be registered\n", interfaces[i]->name);
			return status;
		}
	}
	return NT_STATUS_OK;
}

static NTSTATUS module_shutdown_server(struct dcesrv_context *dce_ctx,
                                       const struct dcesrv_endpoint_server *server)
{
	(void)dce_ctx;
	(void)server;
	ocs_samba_host_close();
	return NT_STATUS_OK;
}

__attribute__((visibility("default"))) NTSTATUS samba_init_module(TALLOC_CTX *mem_ctx)
{
	static const struct dcesrv_endpoint_server server = {
	        .name = "ocsmanager",
	        .init_server = module_init_server,
	        .shutdown_server = module_shutdown_server,
	};

	(void)mem_ctx;
	if (!fits()) {
		DBG_ERR("ocsmanager: built for another version of Samba: rebuild it\n");
		return NT_STATUS_REVISION_MISMATCH;
	}
	return dcerpc_register_ep_server(&server);
}
