/* HTTP and HTTPS: one request at a time over a kept connection. The only user of libcurl.
 *
 *     struct ts_http *http;
 *     TS_TRY(ts_http_open(&http, &(struct ts_http_options){"me/1.0", 30}, err));
 *     struct ts_http_answer answer = {0};
 *     status = ts_http_send(http, &(struct ts_http_request){.url = url, .body = take, .user = me}, &answer, err);
 *     ... answer.status, ts_http_header(&answer, "etag", text, sizeof(text)) ...
 *     ts_http_answer_release(&answer);
 *     ts_http_close(http);
 *
 * ts_http_send is 0 when an answer came whole, whatever its status: 404 is no failure here. Redirects are followed, ten at most, never from
 * https to http. A token goes to the scheme, host and port of the request's own address and nowhere else. Certificates are checked against
 * the system's. Proxies are libcurl's matter: it looks at http_proxy, https_proxy, all_proxy and no_proxy.
 *
 * One handle belongs to one thread. The first handle must be opened before other threads start. */
#ifndef TS_CORE_HTTP_H
#define TS_CORE_HTTP_H

#include "core/context.h"
#include "core/status.h"
#include "core/str.h"

struct ts_http;

struct ts_http_options {
	const char *user_agent;
	unsigned timeout; /* seconds to connect in, and seconds of less than 1 KiB/s after which the connection is given up */
};

enum ts_http_fault {
	TS_HTTP_NONE,
	TS_HTTP_UNREACHABLE, /* no address, nobody listens there */
	TS_HTTP_CUT,         /* the connection ended before the answer did */
	TS_HTTP_SLOW,        /* the timeout */
	TS_HTTP_OTHER,       /* another try would end the same way: TLS, a redirect without end, an answer that is no HTTP */
};

struct ts_http_answer {
	int status;               /* 200, 404, ...; 0 = none came */
	struct ts_str url;        /* that answered, after redirects */
	struct ts_str headers;    /* its lines, each NUL-terminated */
	double retry_after;       /* seconds, as the server asks; 0 = it does not */
	enum ts_http_fault fault; /* why ts_http_send failed, when it was the network */
};

struct ts_http_request {
	const char *url;
	const char *token; /* sent as "Authorization: Bearer ..."; NULL = none */
	bool head;         /* HEAD, not GET */
	bool stay;         /* a redirect to another host is not followed: it is the answer */
	uint64_t from;     /* ask for the bytes from here on; a server may ignore it (200, not 206) */
	/* The body of an answer of 200 to 299, in pieces. What it returns other than 0 ends the transfer and is returned. NULL = not wanted. */
	int (*body)(void *user, const struct ts_http_answer *, const void *data, size_t n, struct ts_error *);
	void *user;
	const struct ts_context *context; /* asked whether to stop: TS_ESTOPPED. May be NULL. */
};

int ts_http_open(struct ts_http **, const struct ts_http_options *, struct ts_error *err);
void ts_http_close(struct ts_http *); /* NULL is fine */
/* `answer` is zeroed, or of an earlier call: it is filled anew. TS_EIO with answer->fault set when no whole answer came. */
int ts_http_send(struct ts_http *, const struct ts_http_request *, struct ts_http_answer *answer, struct ts_error *err);
void ts_http_answer_release(struct ts_http_answer *);

/* The value of a header (name in any case) without space around it, cut to `room`; false when the answer has none. */
bool ts_http_header(const struct ts_http_answer *, const char *name, char *value, size_t room);
/* The same as a number; false when it is none. */
bool ts_http_header_number(const struct ts_http_answer *, const char *name, uint64_t *value);
/* The address that answered, for messages: without its query, which may hold a signature, and cut to 199 bytes. */
const char *ts_http_place(const struct ts_http_answer *, char text[200]);
/* Percent-encodes what is not unreserved in an address; `keep` ("/" or "") stays as it is. */
int ts_url_append(struct ts_str *url, const char *text, const char *keep);

#endif
