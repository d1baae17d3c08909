/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The decompressor. See lz77.h. Pure function over the caller's memory.
 *
 * A stream is groups of a 32-bit mask and up to 32 items, one for each bit from the top: 0 a
 * literal byte, 1 a match. It ends where an item would begin; the bits left over are 1.
 */
#include "libocsemsmdb/lz77.h"

#include "base/bytes.h"

struct stream {
	const uint8_t *in, *end;
	const uint8_t *nibbles; /* the byte whose high half is the next nibble; NULL: none */
};

static bool lz77_take(struct stream *s, size_t n, const uint8_t **p)
{
	if ((size_t)(s->end - s->in) < n)
		return false;
	*p = s->in;
	s->in += n;
	return true;
}

static bool take_nibble(struct stream *s, unsigned *nibble)
{
	if (s->nibbles != NULL) {
		*nibble = *s->nibbles >> 4;
		s->nibbles = NULL;
		return true;
	}
	if (!lz77_take(s, 1, &s->nibbles))
		return false;
	*nibble = *s->nibbles & 0x0f;
	return true;
}

static bool take_match(struct stream *s, size_t *distance, size_t *length)
{
	const uint8_t *p;
	unsigned word, nibble;

	if (!lz77_take(s, 2, &p))
		return false;
	word = ocs_get16(p);
	*distance = (word >> 3) + 1;
	*length = (word & 7) + 3;
	if ((word & 7) < 7)
		return true;
	if (!take_nibble(s, &nibble))
		return false;
	*length = nibble + 10;
	if (nibble < 15)
		return true;
	if (!lz77_take(s, 1, &p))
		return false;
	*length = (size_t)p[0] + 25;
	if (p[0] < 255)
		return true;
	if (!lz77_take(s, 2, &p))
		return false;
	*length = (size_t)ocs_get16(p) + 3;
	return true;
}

bool ocs_lz77_decompress(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
	struct stream s = {.in = in, .end = in + in_len};
	size_t at = 0, distance, length;
	const uint8_t *p;
	uint32_t mask = 0;
	unsigned bits = 0;

	while (s.in < s.end) {
		if (bits == 0) {
			if (!lz77_take(&s, 4, &p))
				return false;
			mask = ocs_get32(p);
			bits = 32;
			continue;
		}
		bits--;
		if ((mask >> bits & 1) == 0) {
			if (at == out_len || !lz77_take(&s, 1, &p))
				return false;
			out[at++] = *p;
			continue;
		}
		if (!take_match(&s, &distance, &length) || distance > at || length > out_len - at)
			return false;
		/* A match may reach into what it writes itself. */
		for (; length > 0; length--, at++)
			out[at] = out[at - distance];
	}
	return at == out_len;
}
