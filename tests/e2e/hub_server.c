/* A small hub for the scripts: it serves folders as the Hugging Face hub serves repositories, and misbehaves as told.
 *
 *     hub_server ROOT [LOG]         ROOT/ORG/NAME/FILE is revision main, ROOT/ORG/NAME@REV/FILE is revision REV
 *
 * Prints "PORT STORE" when it listens: the hub's port, and the port of a second host to which large files (*.safetensors, *.gguf, *.model)
 * are redirected. Every request is a line of LOG: "hub GET /path range=... token=yes|no". The store refuses a request with a token.
 *
 * Faults stand in front of the path, so that HF_ENDPOINT chooses them: http://127.0.0.1:PORT/~FAULT,FAULT/... A fault is
 * NAME=WHERE:NUMBER:TIMES; it concerns requests whose "METHOD /path" holds WHERE (all parts of it, with & between), and of equal ones the
 * first TIMES (0 = all).
 *     status=WHERE:CODE    this status                         later=WHERE:SECONDS  429 with Retry-After
 *     cut=WHERE:BYTES      the body ends after so many bytes   trickle=WHERE:BYTES  ten bytes a second from there on
 *     pace=WHERE:BYTES     BYTES every 50 ms                   longer=WHERE:BYTES   announces so many more
 *     endless=WHERE        announces nothing, never ends       wrong=WHERE          one byte is another one
 *     html=WHERE           a page instead of the answer        page=WHERE           the same, without type and length
 *     norange=WHERE        ranges are ignored                  badrange=WHERE       416 for every range
 *     shift=WHERE          the range that comes is another     loop=WHERE           redirects to itself
 *     elsewhere=WHERE      redirects to a host without address evil=WHERE           the list names ../../evil
 *     gated=WHERE          401 without the token "secret", 403 with another; private=WHERE: 404 with another
 *     silent=WHERE:MS      nothing for so long                 limit=WHERE:SECONDS  429 with RateLimit
 *     noetag=WHERE, nosize=WHERE  without these headers        relative=WHERE       small files are redirected within the host
 *     otherhost=WHERE      redirects to this hub under another name: localhost, on the same port */
#include "core/file.h"
#include "core/json.h"
#include "core/map.h"
#include "core/sha1.h"
#include "core/sha256.h"

#include <dirent.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *root;
static FILE *requests;
static unsigned hub_port, store_port;
static struct ts_map counts[2]; /* of the hub's and the store's thread: fault and request -> how often */

struct request {
	struct MHD_Connection *connection;
	bool store;
	const char *method, *path; /* the path behind the faults */
	char faults[512], line[1024], repo[256];
	const char *token; /* NULL = none */
};

static bool concerns(const char *line, char *where)
{
	for (char *rest, *part = strtok_r(where, "&", &rest); part; part = strtok_r(NULL, "&", &rest))
		if (!strstr(line, part))
			return false;
	return true;
}

/* The number of a fault that concerns this request, or -1. A fault with TIMES counts, so it is asked for once a request. */
static long fault(const struct request *r, const char *name)
{
	char where[256], key[2048], copy[512];
	snprintf(copy, sizeof(copy), "%s", r->faults);
	for (char *rest, *one = strtok_r(copy, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		size_t n = strlen(name);
		long number = 0, times = 0;
		if (strncmp(one, name, n) || one[n] != '=')
			continue;
		snprintf(where, sizeof(where), "%.*s", (int)strcspn(one + n + 1, ":"), one + n + 1);
		sscanf(one + n + 1 + strlen(where), ":%ld:%ld", &number, &times);
		if (!concerns(r->line, where))
			continue;
		if (times) {
			snprintf(key, sizeof(key), "%s %s", one, r->line);
			int64_t *seen = ts_map_get(&counts[r->store], key, strlen(key)), before = seen ? *seen : 0;
			ts_map_put(&counts[r->store], key, strlen(key), before + 1);
			if (before >= times)
				continue;
		}
		return number;
	}
	return -1;
}

static enum MHD_Result send_answer(const struct request *r, unsigned status, struct MHD_Response *answer)
{
	enum MHD_Result done = MHD_queue_response(r->connection, status, answer);
	MHD_destroy_response(answer);
	return done;
}

static struct MHD_Response *text_answer(const char *text, const char *type)
{
	struct MHD_Response *a = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(a, "Content-Type", type);
	return a;
}

static enum MHD_Result send_error(const struct request *r, unsigned status, const char *code)
{
	struct MHD_Response *a = text_answer("{\"error\":\"no\"}", "application/json");
	if (code)
		MHD_add_response_header(a, "X-Error-Code", code);
	MHD_add_response_header(a, "X-Error-Message", "no");
	return send_answer(r, status, a);
}

static enum MHD_Result redirect(const struct request *r, struct MHD_Response *a, const char *to)
{
	MHD_add_response_header(a, "Location", to);
	return send_answer(r, 302, a);
}

/* --- repositories --- */

static void commit_of(const char *repo, char commit[41])
{
	struct ts_sha1 h;
	ts_sha1_init(&h);
	ts_sha1_update(&h, repo, strlen(repo));
	ts_sha1_final(&h, commit);
}

/* The folder of a revision, given by name or by commit, under ROOT; false when there is none. */
static bool find_folder(const char *repo, const char *revision, char folder[512], char commit[41])
{
	struct stat st;
	char org[256], path[512];
	snprintf(folder, 512, "%s%s%s", repo, strcmp(revision, "main") ? "@" : "", strcmp(revision, "main") ? revision : "");
	snprintf(path, sizeof(path), "%s/%s", root, folder);
	commit_of(folder, commit);
	if (!stat(path, &st))
		return true;
	snprintf(org, sizeof(org), "%.*s", (int)strcspn(repo, "/"), repo);
	snprintf(path, sizeof(path), "%s/%s", root, org);
	DIR *d = opendir(path);
	bool found = false;
	for (struct dirent *e; d && !found && (e = readdir(d));) {
		snprintf(folder, 512, "%s/%s", org, e->d_name);
		commit_of(folder, commit);
		size_t n = strlen(repo);
		found = !strncmp(folder, repo, n) && (!folder[n] || folder[n] == '@') && !strcmp(commit, revision);
	}
	if (d)
		closedir(d);
	return found;
}

static bool is_large(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot && (!strcmp(dot, ".safetensors") || !strcmp(dot, ".gguf") || !strcmp(dot, ".model"));
}

static void hash_file(const char *path, const char *name, char hash[65])
{
	struct ts_str text = {0};
	struct ts_sha1 h;
	ts_sha256_file(path, hash, NULL);
	if (is_large(name) || ts_file_read(path, &text, NULL))
		return;
	ts_sha1_init_git(&h, text.len);
	ts_sha1_update(&h, ts_str_c(&text), text.len);
	ts_sha1_final(&h, hash);
	ts_str_release(&text);
}

/* Every file of the folder, as the two lists of the hub have it. */
static void list_files(const char *folder, const char *below, json_t *siblings, json_t *tree)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, below);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		char name[512], file[2048], hash[65];
		struct stat st;
		snprintf(name, sizeof(name), "%s%s%s", below, *below ? "/" : "", e->d_name);
		snprintf(file, sizeof(file), "%s/%s/%s", root, folder, name);
		if (e->d_name[0] == '.' || stat(file, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			list_files(folder, name, siblings, tree);
			continue;
		}
		hash_file(file, name, hash);
		json_array_append_new(siblings, json_pack("{s:s}", "rfilename", name));
		json_t *row = json_pack("{s:s,s:s,s:I,s:s}", "type", "file", "path", name, "size", (json_int_t)st.st_size, "oid",
					is_large(name) ? "0000000000000000000000000000000000000000" : hash);
		if (is_large(name))
			json_object_set_new(row, "lfs",
					    json_pack("{s:s,s:I,s:i}", "oid", hash, "size", (json_int_t)st.st_size, "pointerSize", 130));
		json_array_append_new(tree, row);
	}
	if (d)
		closedir(d);
}

static enum MHD_Result send_json(const struct request *r, json_t *value)
{
	struct ts_str text = {0};
	ts_json_dump(value, &text);
	struct MHD_Response *a = text_answer(ts_str_c(&text), "application/json; charset=utf-8");
	json_decref(value);
	ts_str_release(&text);
	return send_answer(r, 200, a);
}

/* /api/models/ORG/NAME[/revision/REV | /tree/REV] */
static enum MHD_Result api(struct request *r)
{
	char org[100], name[150], what[20] = "revision", revision[200] = "main", folder[512], commit[41];
	if (sscanf(r->path, "/api/models/%99[^/]/%149[^/?]/%19[^/]/%199[^/?]", org, name, what, revision) < 2)
		return send_error(r, 404, "RepoNotFound");
	snprintf(r->repo, sizeof(r->repo), "%s/%s", org, name);
	if (!find_folder(r->repo, "main", folder, commit))
		return send_error(r, r->token ? 404 : 401, "RepoNotFound");
	if (!find_folder(r->repo, revision, folder, commit))
		return send_error(r, 404, "RevisionNotFound");
	json_t *siblings = json_array(), *tree = json_array();
	list_files(folder, "", siblings, tree);
	if (fault(r, "evil") >= 0)
		json_array_append_new(siblings, json_pack("{s:s}", "rfilename", "../../evil"));
	if (!strcmp(what, "tree")) {
		json_decref(siblings);
		return send_json(r, tree);
	}
	json_decref(tree);
	return send_json(r, json_pack("{s:s,s:s,s:s,s:b,s:o}", "id", r->repo, "modelId", r->repo, "sha", commit, "private", 0, "siblings",
				      siblings));
}

/* --- content --- */

struct content {
	FILE *file;
	uint64_t from, end, cut, trickle, pace, wrong;
};

static void rest(long milliseconds)
{
	struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	nanosleep(&t, NULL);
}

static ssize_t give(void *user, uint64_t at, char *out, size_t room)
{
	struct content *c = user;
	uint64_t most = room;
	if (at >= c->end)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (at >= c->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (most > c->cut - at)
		most = c->cut - at;
	if (c->trickle != UINT64_MAX && at >= c->trickle) {
		rest(100);
		most = 1;
	} else if (c->trickle != UINT64_MAX && most > c->trickle - at) {
		most = c->trickle - at;
	}
	if (c->pace) {
		rest(50);
		most = most < c->pace ? most : c->pace;
	}
	if (fseek(c->file, (long)(c->from + at), SEEK_SET))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	size_t n = fread(out, 1, (size_t)most, c->file);
	if (!n)
		memset(out, 'x', n = (size_t)most); /* more than there is */
	if (c->wrong >= c->from + at && c->wrong < c->from + at + n)
		out[c->wrong - c->from - at] ^= 1;
	return (ssize_t)n;
}

static void give_up(void *user)
{
	struct content *c = user;
	(void)fclose(c->file);
	free(c);
}

static uint64_t fault_or(const struct request *r, const char *name, uint64_t otherwise)
{
	long found = fault(r, name);
	return found < 0 ? otherwise : (uint64_t)found;
}

static enum MHD_Result send_content(const struct request *r, const char *path, uint64_t size,
				    struct MHD_Response *(*dress)(struct MHD_Response *, const char *), const char *with)
{
	const char *range = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Range");
	unsigned long long from = 0;
	if (range && fault(r, "badrange") >= 0)
		return send_error(r, 416, NULL);
	bool ranged = range && sscanf(range, "bytes=%llu-", &from) == 1 && fault(r, "norange") < 0;
	if (!ranged)
		from = 0;
	if (ranged && from >= size)
		return send_error(r, 416, NULL);
	struct content *c = calloc(1, sizeof(*c));
	*c = (struct content){
		.file = fopen(path, "rb"), .from = from, .end = UINT64_MAX, .cut = UINT64_MAX, .trickle = UINT64_MAX, .wrong = UINT64_MAX};
	if (strcmp(r->method, "HEAD") != 0) {
		c->cut = fault_or(r, "cut", UINT64_MAX);
		c->trickle = fault_or(r, "trickle", UINT64_MAX);
		c->pace = fault_or(r, "pace", 0);
		if (fault(r, "wrong") >= 0)
			c->wrong = size / 2;
	}
	uint64_t announced = fault(r, "endless") >= 0 ? MHD_SIZE_UNKNOWN : size - from + fault_or(r, "longer", 0);
	struct MHD_Response *a = MHD_create_response_from_callback(announced, 1 << 16, give, c, give_up);
	if (ranged) {
		char text[100];
		bool shift = fault(r, "shift") >= 0;
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", from - shift, (unsigned long long)size - 1, (unsigned long long)size);
		MHD_add_response_header(a, "Content-Range", text);
	}
	MHD_add_response_header(a, "Content-Type", "application/octet-stream");
	return send_answer(r, ranged ? 206 : 200, dress ? dress(a, with) : a);
}

/* "ETAG COMMIT SIZE" of the hub's own answers */
static struct MHD_Response *dress(struct MHD_Response *a, const char *with)
{
	char etag[80], commit[41], size[24], quoted[90];
	sscanf(with, "%79s %40s %23s", etag, commit, size);
	snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
	MHD_add_response_header(a, "X-Repo-Commit", commit);
	if (strcmp(etag, "-")) {
		MHD_add_response_header(a, "X-Linked-Etag", quoted);
		MHD_add_response_header(a, "ETag", quoted);
	}
	if (strcmp(size, "-"))
		MHD_add_response_header(a, "X-Linked-Size", size);
	return a;
}

/* /ORG/NAME/resolve/REV/FILE, or /small/... of a redirect within the host */
static enum MHD_Result resolve(struct request *r, const char *path)
{
	char org[100], name[150], revision[200], file[300], folder[512], commit[41], full[2048], hash[65], with[200], to[2048];
	struct stat st;
	if (sscanf(path, "/%99[^/]/%149[^/]/resolve/%199[^/]/%299[^?]", org, name, revision, file) != 4)
		return send_error(r, 404, "RepoNotFound");
	snprintf(r->repo, sizeof(r->repo), "%s/%s", org, name);
	if (!find_folder(r->repo, revision, folder, commit))
		return send_error(r, 404, "RevisionNotFound");
	snprintf(full, sizeof(full), "%s/%s/%s", root, folder, file);
	if (stat(full, &st) || !S_ISREG(st.st_mode))
		return send_error(r, 404, "EntryNotFound");
	if (r->store)
		return send_content(r, full, (uint64_t)st.st_size, NULL, NULL);
	hash_file(full, file, hash);
	bool nosize = fault(r, "nosize") >= 0;
	snprintf(with, sizeof(with), "%s %s %lld", fault(r, "noetag") >= 0 ? "-" : hash, commit, (long long)st.st_size);
	if (nosize)
		*strrchr(with, ' ') = '\0', strcat(with, " -");
	if (is_large(file)) {
		snprintf(to, sizeof(to), "http://127.0.0.1:%u/~%s%s", store_port, r->faults, path);
		return redirect(r, dress(text_answer("", "text/plain"), with), to);
	}
	if (fault(r, "relative") >= 0 && r->path == path) {
		snprintf(to, sizeof(to), "/small%s", path);
		return redirect(r, dress(text_answer("", "text/plain"), with), to);
	}
	return send_content(r, full, (uint64_t)st.st_size, dress, with);
}

/* --- what stands before every answer --- */

static const char page[] = "<!doctype html><title>Sign in</title><p>Please sign in to this network.\n";

static bool misbehave(struct request *r, enum MHD_Result *done)
{
	long number = fault(r, "silent");
	char text[600];
	if (number > 0)
		rest(number);
	if ((number = fault(r, "status")) >= 0) {
		*done = send_error(r, (unsigned)number, NULL);
	} else if ((number = fault(r, "later")) >= 0) {
		struct MHD_Response *a = text_answer("later", "text/plain");
		snprintf(text, sizeof(text), "%ld", number);
		MHD_add_response_header(a, "Retry-After", text);
		*done = send_answer(r, 429, a);
	} else if ((number = fault(r, "limit")) >= 0) {
		struct MHD_Response *a = text_answer("later", "text/plain");
		snprintf(text, sizeof(text), "\"api\";r=0;t=%ld", number);
		MHD_add_response_header(a, "RateLimit", text);
		*done = send_answer(r, 429, a);
	} else if (fault(r, "html") >= 0) {
		*done = send_answer(r, 200, text_answer(page, "text/html"));
	} else if (fault(r, "page") >= 0) {
		struct content *c = calloc(1, sizeof(*c));
		*c = (struct content){.file = fmemopen((void *)(uintptr_t)page, sizeof(page) - 1, "r"),
				      .end = sizeof(page) - 1,
				      .cut = UINT64_MAX,
				      .trickle = UINT64_MAX,
				      .wrong = UINT64_MAX};
		*done = send_answer(r, 200, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, give, c, give_up));
	} else if (fault(r, "loop") >= 0) {
		snprintf(text, sizeof(text), "/~%s%s", r->faults, r->path);
		*done = redirect(r, text_answer("", "text/plain"), text);
	} else if (fault(r, "otherhost") >= 0) {
		snprintf(text, sizeof(text), "http://localhost:%u%s", hub_port, r->path);
		*done = redirect(r, text_answer("", "text/plain"), text);
	} else if (fault(r, "elsewhere") >= 0) {
		*done = redirect(r, text_answer("", "text/plain"), "https://nowhere.invalid/");
	} else if ((fault(r, "gated") >= 0 || fault(r, "private") >= 0) && !r->store && (!r->token || strcmp(r->token, "secret") != 0)) {
		bool gated = fault(r, "gated") >= 0;
		*done = send_error(r, !r->token ? 401 : gated ? 403 : 404, gated ? "GatedRepo" : "RepoNotFound");
	} else {
		return false;
	}
	return true;
}

static enum MHD_Result answer(void *which, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			      const char *upload, size_t *upload_size, void **state)
{
	static int seen;
	struct request r = {.connection = connection, .store = which != NULL, .method = method, .path = url};
	enum MHD_Result done;
	(void)version, (void)upload;
	*upload_size = 0; /* taken: nothing is uploaded here */
	if (!*state) {    /* the headers alone: libmicrohttpd calls again */
		*state = &seen;
		return MHD_YES;
	}
	if (url[1] == '~') {
		size_t n = strcspn(url + 2, "/");
		snprintf(r.faults, sizeof(r.faults), "%.*s", (int)n, url + 2);
		r.path = url + 2 + n;
	}
	const char *authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
	const char *range = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
	if (authorization)
		r.token = strncmp(authorization, "Bearer ", 7) ? authorization : authorization + 7;
	snprintf(r.line, sizeof(r.line), "%s %s", method, r.path);
	fprintf(requests, "%s %s range=%s token=%s\n", r.store ? "store" : "hub", r.line, range ? range : "-", r.token ? "yes" : "no");
	fflush(requests);
	if (r.store && r.token)
		return send_error(&r, 400, "TokenLeaked");
	if (misbehave(&r, &done))
		return done;
	if (!strncmp(r.path, "/api/", 5))
		return api(&r);
	return resolve(&r, strncmp(r.path, "/small/", 7) ? r.path : r.path + 6);
}

static struct MHD_Daemon *listen_on(void *which, unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, which, MHD_OPTION_SOCK_ADDR,
						&address, MHD_OPTION_END);
	const union MHD_DaemonInfo *info = d ? MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	*port = info ? info->port : 0;
	return d;
}

int main(int argc, char **argv)
{
	sigset_t ends;
	static const struct timespec second = {.tv_sec = 1};
	pid_t parent = getppid();
	if (argc < 2)
		return 2;
	root = argv[1];
	requests = argc > 2 ? fopen(argv[2], "a") : fopen("/dev/null", "a");
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL); /* of the threads to come too */
	struct MHD_Daemon *store = listen_on(&store_port, &store_port), *hub = listen_on(NULL, &hub_port);
	if (!requests || !store || !hub)
		return 1;
	printf("%u %u\n", hub_port, store_port);
	fflush(stdout);
	while (sigtimedwait(&ends, NULL, &second) < 0 && getppid() == parent) /* nobody's server ends */
		continue;
	_exit(0); /* threads may still be trickling */
}
