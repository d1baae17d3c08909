# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the service and live tests share: the daemon, the consumer, HTTP clients, listeners.

Nothing here sleeps to be lucky: each wait is for a condition and has a limit.
"""
