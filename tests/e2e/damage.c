/* For the scripts beside this file: makes a safetensors file lie. Works on the file in place, knows no more of the format than its test
 * needs, and checks nothing.
 *
 *     damage header FILE OLD NEW      the first OLD in the header becomes NEW; the length in front is kept true
 *     damage length FILE N            the length in front says N
 *     damage fill FILE TENSOR VALUE   every number of a BF16 or F32 tensor becomes VALUE ("nan", "inf", "3e38") */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
	const char *path;
	unsigned char *bytes;
	size_t size, header; /* header: its length, as the file says */
};

static void stop(const char *what, const char *name)
{
	fprintf(stderr, "damage: %s: %s\n", what, name);
	exit(1);
}

static struct file load(const char *path)
{
	struct file f = {.path = path};
	FILE *in = fopen(path, "rb");
	if (!in || fseek(in, 0, SEEK_END))
		stop("cannot read", path);
	f.size = (size_t)ftell(in);
	if (fseek(in, 0, SEEK_SET))
		stop("cannot read", path);
	f.bytes = malloc(f.size + 1);
	if (f.size < 8 || !f.bytes || fread(f.bytes, 1, f.size, in) != f.size)
		stop("cannot read", path);
	fclose(in);
	for (int i = 7; i >= 0; i--)
		f.header = f.header << 8 | f.bytes[i];
	return f;
}

static char *find(const struct file *f, const char *text)
{
	char *at = memmem(f->bytes + 8, f->header, text, strlen(text));
	if (!at)
		stop("not in the header", text);
	return at;
}

static void put(FILE *out, const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, out) != n)
		stop("cannot write", "the file");
}

static void put_length(FILE *out, uint64_t n)
{
	for (int i = 0; i < 8; i++, n >>= 8)
		fputc((int)(n & 255), out);
}

static void edit_header(const struct file *f, const char *old, const char *fresh)
{
	const char *at = find(f, old);
	size_t before = (size_t)(at - (const char *)f->bytes) - 8, after = f->header - before - strlen(old);
	FILE *out = fopen(f->path, "wb");
	if (!out)
		stop("cannot write", f->path);
	put_length(out, before + strlen(fresh) + after);
	put(out, f->bytes + 8, before);
	put(out, fresh, strlen(fresh));
	put(out, at + strlen(old), after + f->size - 8 - f->header);
	if (fclose(out))
		stop("cannot write", f->path);
}

static void lie_length(const struct file *f, const char *text)
{
	FILE *out = fopen(f->path, "wb");
	if (!out)
		stop("cannot write", f->path);
	put_length(out, strtoull(text, NULL, 10));
	put(out, f->bytes + 8, f->size - 8);
	if (fclose(out))
		stop("cannot write", f->path);
}

static void fill(const struct file *f, const char *tensor, const char *text)
{
	char name[200];
	size_t from = 0, to = 0;
	union {
		float value;
		uint32_t bits;
	} number = {.value = strtof(text, NULL)};
	snprintf(name, sizeof(name), "\"%s\":{\"dtype\":\"", tensor);
	const char *dtype = find(f, name) + strlen(name), *offsets = strstr(dtype, "\"data_offsets\":[");
	bool wide = !strncmp(dtype, "F32\"", 4);
	if (!wide && strncmp(dtype, "BF16\"", 5))
		stop("neither BF16 nor F32", tensor);
	if (!offsets || sscanf(offsets, "\"data_offsets\":[%zu,%zu]", &from, &to) != 2)
		stop("no offsets", tensor);
	for (unsigned char *p = f->bytes + 8 + f->header + from, *end = f->bytes + 8 + f->header + to; p < end;) {
		for (int shift = wide ? 0 : 16; shift < 32; shift += 8)
			*p++ = (unsigned char)(number.bits >> shift);
	}
	FILE *out = fopen(f->path, "wb");
	if (!out)
		stop("cannot write", f->path);
	put(out, f->bytes, f->size);
	if (fclose(out))
		stop("cannot write", f->path);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		stop("usage", "damage header|length|fill FILE ...");
	struct file f = load(argv[2]);
	if (!strcmp(argv[1], "header") && argc == 5)
		edit_header(&f, argv[3], argv[4]);
	else if (!strcmp(argv[1], "length"))
		lie_length(&f, argv[3]);
	else if (!strcmp(argv[1], "fill") && argc == 5)
		fill(&f, argv[3], argv[4]);
	else
		stop("usage", argv[1]);
	free(f.bytes);
	return 0;
}
