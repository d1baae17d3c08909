/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Callback addresses as clients send them in EcRRegisterPushNotification, and a push context.
 */
#ifndef OCS_VECTORS_PUSH_H
#define OCS_VECTORS_PUSH_H

/* 192.0.2.10:34567, 16 bytes */
#define SOCKADDR_IN "02008707c000020a0000000000000000"
/* [2001:db8::10]:34567, family 23, 28 bytes */
#define SOCKADDR_IN6_WINDOWS "170087070000000020010db800000000000000000000001000000000"
/* the same in Linux numbering, family 10 */
#define SOCKADDR_IN6_LINUX "0a0087070000000020010db800000000000000000000001000000000"
/* AF_INET in 8 bytes: the size does not match the family */
#define SOCKADDR_SHORT_IN "02008707c000020a"
/* the context that the libmapi client registers, so the payload it expects */
#define UDP_CONTEXT_LIBMAPI "6c69626d61706900"

#endif
