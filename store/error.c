/* See error.h. */
#include "store/error.h"

#include <stdarg.h>
#include <stdio.h>

int ocs_error_set(struct ocs_error *error, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return -1;
	va_start(args, format);
	if (vsnprintf(error->text, sizeof(error->text), format, args) < 0)
		error->text[0] = '\0';
	va_end(args);
	return -1;
}
