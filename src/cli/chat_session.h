/* A conversation with a model: the turns, the settings, and how the next answer is made.
 *
 * - What fails leaves the conversation as it was: the turn that failed is not in it.
 * - An answer that was interrupted stays with what was said so far.
 * - Weights are loaded once; the adapter is applied or not. Keys and values of the turns so far are kept between answers.
 * - An answer depends on the rendered conversation, the settings, the seed and the try, and on nothing else. */
#ifndef TS_CLI_CHAT_SESSION_H
#define TS_CLI_CHAT_SESSION_H

#include "cli/chat_view.h"
#include "cli/session.h"

struct ts_chat_session {
	struct ts_session *session; /* its adapter is the one in use; NULL while it is off */
	struct ts_sampling_options sampling;
	struct ts_chat_view view;
	struct ts_adapter *adapter;     /* the one loaded, in use or not */
	struct ts_str adapter_name;     /* its folder */
	json_t *messages;               /* [system], then user and assistant in turn */
	size_t positions;               /* longest conversation: the model's context, or what the memory holds */
	struct ts_responder *responder; /* NULL: to be opened for the next answer */
	bool announced;                 /* its end-of-turn tokens were said */
	uint64_t attempt;               /* the last answer's try */
	/* the last answer */
	const char *finish;  /* ts_finish_name, or "interrupted" */
	size_t tokens, used; /* generated; conversation with it */
	double seconds;
};

/* The session's options are parsed; opens chat, model and adapter. */
int ts_chat_session_open(struct ts_chat_session *, struct ts_session *);
void ts_chat_session_close(struct ts_chat_session *);

/* The user says `text`; the answer goes to the view. An interrupted answer is an answer; TS_ESTOPPED: there was no token of it yet. */
int ts_chat_session_say(struct ts_chat_session *, const char *text, size_t n);
/* The last answer once more, with the next try. */
int ts_chat_session_retry(struct ts_chat_session *);
/* Drops the last exchange; false when there is none. */
bool ts_chat_session_undo(struct ts_chat_session *);
/* Forgets all turns; the system prompt and the settings stay. */
void ts_chat_session_reset(struct ts_chat_session *);
/* Empty text: none. The turns stay. */
int ts_chat_session_system(struct ts_chat_session *, const char *text, size_t n);
/* Applied or not; TS_ENOTFOUND when none is loaded. */
int ts_chat_session_adapter(struct ts_chat_session *, bool on);
/* Another adapter, applied from now on. */
int ts_chat_session_load_adapter(struct ts_chat_session *, const char *dir);

/* The system prompt or NULL. */
const char *ts_chat_session_system_text(const struct ts_chat_session *);

#endif
