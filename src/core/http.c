/* Redirects are followed here and not by libcurl, because each hop needs a decision: whether it leaves the host (then no token goes with it,
 * and some callers want to stop) and whether it leaves TLS. */
#include "core/http.h"

#include "core/mem.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HOPS = 10, MOST_HEADER_BYTES = 64 << 10, SLOW_BYTES = 1024 };

struct ts_http {
	CURL *curl;
	struct ts_http_options options;
	char message[CURL_ERROR_SIZE];
	/* of the request under way */
	const struct ts_http_request *request;
	struct ts_http_answer *answer;
	struct ts_error *err;
	int status; /* of a callback that ended the transfer */
};

int ts_http_open(struct ts_http **out, const struct ts_http_options *options, struct ts_error *err)
{
	*out = ts_calloc(1, sizeof(**out));
	if (!*out)
		return ts_fail_memory(err);
	(*out)->options = *options;
	if (!curl_global_init(CURL_GLOBAL_DEFAULT)) { /* it counts how often */
		(*out)->curl = curl_easy_init();
		if ((*out)->curl)
			return 0;
		curl_global_cleanup();
	}
	ts_free(*out);
	*out = NULL;
	return ts_fail(err, TS_EIO, "libcurl cannot be started");
}

void ts_http_close(struct ts_http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_global_cleanup();
	ts_free(h);
}

void ts_http_answer_release(struct ts_http_answer *a)
{
	ts_str_release(&a->url);
	ts_str_release(&a->headers);
	*a = (struct ts_http_answer){0};
}

bool ts_http_header(const struct ts_http_answer *a, const char *name, char *value, size_t room)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < a->headers.len; i += strlen(a->headers.data + i) + 1) {
		const char *line = a->headers.data + i;
		if (strncasecmp(line, name, n) || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		size_t used = strlen(line);
		while (used && isspace((unsigned char)line[used - 1]))
			used--;
		if (used >= room)
			used = room - 1;
		memcpy(value, line, used);
		value[used] = '\0';
		return true;
	}
	return false;
}

bool ts_http_header_number(const struct ts_http_answer *a, const char *name, uint64_t *value)
{
	char text[24], *end;
	if (!ts_http_header(a, name, text, sizeof(text)) || !isdigit((unsigned char)*text) || strlen(text) > 18)
		return false;
	*value = strtoull(text, &end, 10);
	return !*end;
}

const char *ts_http_place(const struct ts_http_answer *a, char text[200])
{
	const char *url = ts_str_c(&a->url);
	snprintf(text, 200, "%.*s", (int)strcspn(url, "?"), url);
	return text;
}

int ts_url_append(struct ts_str *url, const char *text, const char *keep)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = (*p < 128 && isalnum(*p)) || strchr("-._~", *p) || strchr(keep, *p);
		TS_TRY(plain ? ts_str_putc(url, (char)*p) : ts_str_printf(url, "%%%02X", *p));
	}
	return 0;
}

/* --- what libcurl calls --- */

static int end_transfer(struct ts_http *h, int status)
{
	h->status = status;
	return 0;
}

static size_t on_header(char *data, size_t one, size_t n, void *user)
{
	struct ts_http *h = user;
	struct ts_str *headers = &h->answer->headers;
	(void)one;
	if (n >= 5 && !memcmp(data, "HTTP/", 5)) /* a status line: what came before was of an interim answer */
		ts_str_clear(headers);
	size_t length = n;
	while (length && (data[length - 1] == '\n' || data[length - 1] == '\r'))
		length--;
	if (!length || memchr(data, '\0', length))
		return n;
	if (headers->len + length > MOST_HEADER_BYTES)
		return (size_t)end_transfer(
			h, ts_fail(h->err, TS_ELIMIT, "%s: over %d bytes of headers", ts_str_c(&h->answer->url), MOST_HEADER_BYTES));
	if (ts_str_append(headers, data, length) || ts_str_putc(headers, '\0'))
		return (size_t)end_transfer(h, ts_fail_memory(h->err));
	return n;
}

static int read_status(struct ts_http *h)
{
	long code = 0;
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &code);
	return (int)code;
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
	struct ts_http *h = user;
	(void)one;
	h->answer->status = read_status(h);
	if (!h->request->body || h->answer->status < 200 || h->answer->status > 299)
		return n;
	h->status = h->request->body(h->request->user, h->answer, data, n, h->err);
	return h->status ? 0 : n;
}

static int on_progress(void *user, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up)
{
	struct ts_http *h = user;
	(void)total, (void)done, (void)up_total, (void)up;
	return ts_should_stop(h->request->context);
}

/* --- one hop --- */

/* "scheme://host:port", with the scheme's own port where none is written. */
static int origin_of(const char *url, struct ts_str *out)
{
	static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
	CURLU *u = curl_url();
	int status = u ? 0 : TS_ENOMEM;
	if (u && curl_url_set(u, CURLUPART_URL, url, 0))
		status = TS_EINVAL;
	for (size_t i = 0; i < 3 && !status; i++) {
		char *text = NULL;
		status = curl_url_get(u, parts[i], &text, CURLU_DEFAULT_PORT) ? TS_EINVAL : 0;
		for (char *p = text; !status && *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (!status)
			status = ts_str_printf(out, "%s%s", i == 1 ? "://" : i == 2 ? ":" : "", text);
		curl_free(text);
	}
	curl_url_cleanup(u);
	return status;
}

static int set_options(struct ts_http *h, const char *url, struct curl_slist *headers)
{
	CURL *c = h->curl;
	const struct ts_http_request *r = h->request;
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_NOPROGRESS, 0},
		{CURLOPT_NOBODY, r->head},
		{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
		{CURLOPT_CONNECTTIMEOUT, (long)h->options.timeout},
		{CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES},
		{CURLOPT_LOW_SPEED_TIME, (long)h->options.timeout},
		{CURLOPT_BUFFERSIZE, 128 << 10},
	};
	curl_easy_reset(c);
	h->message[0] = '\0';
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (curl_easy_setopt(c, numbers[i].option, numbers[i].value))
			return TS_ENOMEM;
	bool failed = curl_easy_setopt(c, CURLOPT_URL, url) || curl_easy_setopt(c, CURLOPT_USERAGENT, h->options.user_agent) ||
		      curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") || curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->message) ||
		      curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) || curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) ||
		      curl_easy_setopt(c, CURLOPT_HEADERDATA, h) || curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) ||
		      curl_easy_setopt(c, CURLOPT_WRITEDATA, h) || curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) ||
		      curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	return failed ? TS_ENOMEM : 0;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct ts_str line = {0};
	struct curl_slist *longer = ts_str_printf(&line, "%s: %s", name, value) ? NULL : curl_slist_append(*list, line.data);
	ts_str_release(&line);
	if (!longer)
		return TS_ENOMEM;
	*list = longer;
	return 0;
}

static int make_headers(const struct ts_http_request *r, bool with_token, struct curl_slist **list)
{
	struct ts_str value = {0};
	int status = add_header(list, "Accept-Encoding", "identity"); /* a compressed body would have another length and other ranges */
	if (!status && r->from && !(status = ts_str_printf(&value, "bytes=%llu-", (unsigned long long)r->from)))
		status = add_header(list, "Range", value.data);
	ts_str_clear(&value);
	if (!status && with_token && !(status = ts_str_printf(&value, "Bearer %s", r->token)))
		status = add_header(list, "Authorization", value.data);
	ts_str_release(&value);
	return status;
}

static enum ts_http_fault fault_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
		return TS_HTTP_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return TS_HTTP_SLOW;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return TS_HTTP_CUT;
	default:
		return TS_HTTP_OTHER;
	}
}

/* What libcurl says, and what a person can do about it. */
static int fail_transfer(struct ts_http *h, CURLcode code)
{
	const char *said = *h->message ? h->message : curl_easy_strerror(code), *hint = "";
	char place[200];
	h->answer->fault = fault_of(code);
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		hint = "; the server's certificate was not accepted (are the system's there: package ca-certificates? is a proxy between?)";
	else if (code == CURLE_SSL_CONNECT_ERROR)
		hint = "; no TLS connection came about (does the server speak https there?)";
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		hint = "; the host's address was not found (is there a network? is the name right?)";
	else if (h->answer->fault == TS_HTTP_SLOW)
		hint = "; the server is silent or too slow";
	return ts_fail(h->err, TS_EIO, "%s: %s%s", ts_http_place(h->answer, place), said, hint);
}

static int one_hop(struct ts_http *h, bool with_token)
{
	struct curl_slist *headers = NULL;
	curl_off_t wait = 0;
	h->status = 0;
	h->answer->status = 0;
	ts_str_clear(&h->answer->headers);
	int status = make_headers(h->request, with_token, &headers);
	if (!status)
		status = set_options(h, ts_str_c(&h->answer->url), headers);
	if (status) {
		curl_slist_free_all(headers);
		return ts_fail_memory(h->err);
	}
	CURLcode code = curl_easy_perform(h->curl);
	h->answer->status = read_status(h);
	if (!curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &wait))
		h->answer->retry_after = (double)wait;
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (h->status)
		return h->status;
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return ts_fail(h->err, TS_ESTOPPED, "stopped");
	if (code == CURLE_OUT_OF_MEMORY)
		return ts_fail_memory(h->err);
	return code ? fail_transfer(h, code) : 0;
}

/* --- redirects --- */

static int fail_hop(struct ts_http *h, const char *why)
{
	char place[200];
	h->answer->fault = TS_HTTP_OTHER;
	return ts_fail(h->err, TS_EIO, "%s: %s", ts_http_place(h->answer, place), why);
}

/* Where the answer leads, into answer->url; *moved is false when it leads nowhere, or where the request does not want to go. */
static int next_hop(struct ts_http *h, struct ts_str *origin, bool *moved)
{
	char *location = NULL;
	struct ts_str next = {0};
	*moved = false;
	if (h->answer->status < 300 || h->answer->status > 399)
		return 0;
	curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &location); /* made absolute */
	if (!location)
		return 0;
	int status = origin_of(location, &next);
	if (status)
		status = status == TS_ENOMEM ? ts_fail_memory(h->err) : fail_hop(h, "it redirects to an address that is none");
	else if (!strncmp(origin->data, "https:", 6) && strncmp(next.data, "https:", 6))
		status = fail_hop(h, "it redirects from https to http, which is refused");
	else if (!h->request->stay || !strcmp(origin->data, next.data)) {
		struct ts_str was = *origin;
		*origin = next;
		next = was;
		*moved = true;
		ts_str_clear(&h->answer->url);
		if (ts_str_puts(&h->answer->url, location))
			status = ts_fail_memory(h->err);
	}
	ts_str_release(&next);
	return status;
}

static int follow(struct ts_http *h, struct ts_str *origin, struct ts_str *own)
{
	bool moved = true;
	for (int hop = 0; moved; hop++) {
		if (hop > MOST_HOPS)
			return fail_hop(h, "it redirects without end");
		TS_TRY(one_hop(h, h->request->token && !strcmp(origin->data, own->data)));
		TS_TRY(next_hop(h, origin, &moved));
	}
	return 0;
}

int ts_http_send(struct ts_http *h, const struct ts_http_request *r, struct ts_http_answer *answer, struct ts_error *err)
{
	struct ts_str own = {0}, origin = {0};
	h->request = r;
	h->answer = answer;
	h->err = err;
	ts_http_answer_release(answer);
	int status = ts_str_puts(&answer->url, r->url);
	if (!status)
		status = origin_of(r->url, &own);
	if (!status)
		status = ts_str_puts(&origin, ts_str_c(&own));
	if (status == TS_EINVAL)
		status = fail_hop(h, "expected an address such as https://host/path");
	else if (status)
		status = ts_fail_memory(err);
	else
		status = follow(h, &origin, &own);
	ts_str_release(&own);
	ts_str_release(&origin);
	return status;
}
