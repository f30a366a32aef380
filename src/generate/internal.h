/* The engine's own: what its steps (engine.c) and the order of its work (schedule.c) share. */
#ifndef TS_GENERATE_INTERNAL_H
#define TS_GENERATE_INTERNAL_H

#include "core/mem.h"
#include "generate/engine.h"
#include "generate/pages.h"

struct place {
	bool used;
	uint64_t age; /* admission number: the pool's pages go to the oldest first */
	struct ts_request request;
	TS_VEC(int32_t) ids;    /* prompt, then generated */
	struct ts_page_run run; /* the positions whose keys and values are in the pool */
	/* An older place that will compute this one's first `expected` positions; of that age, lest its place be taken meanwhile. */
	const struct place *leader;
	uint64_t leader_age;
	size_t expected;
	/* one step */
	bool ready;      /* not held back for its leader */
	size_t allotted; /* rows that it may have */
	size_t fed;      /* rows that it has */
};

/* Whose last row is wanted. */
struct asking {
	struct place *place;
	uint32_t row;
	int32_t token; /* chosen */
	int status;    /* of choosing */
};

struct engine {
	struct ts_responder responder;
	const struct ts_model *model;
	const struct ts_adapter *adapter;
	struct ts_engine_options options;
	struct ts_engine_stats stats;
	int32_t stop_ids[64];
	size_t max_length, max_pages, max_rows;
	struct ts_workspace *workspace;
	struct ts_kv_pool kv;
	struct ts_pages *pages;
	struct place *places;
	struct place **order; /* used places, oldest first */
	size_t running;
	uint64_t admitted;
	/* one step's batch */
	int32_t *ids;
	uint32_t *positions, *wanted;
	struct ts_segment *segments;
	size_t *lengths;
	struct asking *asking;        /* in the order of `wanted`: those that sample, then those that are probed */
	size_t sampling, probing;     /* how many of each */
	struct ts_sampler **samplers; /* one a thread */
	float *logits, *lse, *picked;
	int32_t *no_targets; /* [batch] all -1: a probe wants only the normaliser */
};

/* schedule.c */
/* A request for a free place: it becomes the youngest. TS_ENOMEM. */
int ts_engine_take(struct engine *, struct place *, struct ts_error *err);
void ts_engine_retire(struct engine *, struct place *);
/* Collects the step's rows, oldest place first; fills `asking`. */
struct ts_batch ts_engine_batch(struct engine *);
/* The rows of the batch are computed. */
void ts_engine_computed(struct engine *);

#endif
