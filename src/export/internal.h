/* What the files of this folder share. */
#ifndef TS_EXPORT_INTERNAL_H
#define TS_EXPORT_INTERNAL_H

#include "checkpoint/gguf_write.h"
#include "checkpoint/weights.h"
#include "export/export.h"
#include "generate/local.h"
#include "model/adapter.h"

/* --- list.c: the weights of a model, in the order of its layers --- */

struct export_weight {
	char name[96]; /* of the Hugging Face layout */
	int dims;
	size_t shape[2];
	int layer, target; /* of the adapter's pair; target -1: no adapter reaches it */
};

struct export_list {
	TS_VEC(struct export_weight) weights;
};

/* `head`: a head of its own, lm_head. */
int export_list_make(struct export_list *, const struct ts_model_config *, bool head, struct ts_error *err);
void export_list_release(struct export_list *);
/* Numbers in the weight, and in a row of it; a vector is one row. */
size_t export_weight_rows(const struct export_weight *);
size_t export_weight_columns(const struct export_weight *);

/* --- merge.c: a weight with the adapter's change, row by row in f32 --- */

struct export_source {
	struct ts_weights *weights;
	const struct ts_adapter *adapter; /* may be NULL */
	/* of the weight taken last */
	const struct export_weight *weight;
	struct ts_weight_view view;
	struct ts_lora_pair pair;
	bool merged;
};

int export_source_take(struct export_source *, const struct export_weight *, struct ts_error *err);
/* out[columns] */
void export_source_row(const struct export_source *, size_t row, float *out);
/* Nothing more is read of it: its pages may go. */
void export_source_drop(const struct export_source *);

/* --- encode.c: rows of numbers as a type stores them, and how much that changed them --- */

struct export_encoder {
	double error, size; /* sums of squares over one weight: stored - exact, exact */
	double relative;    /* sum over the weights of error / size and of what f32 sums lose, squared: `rounding` of the result */
	size_t beyond;      /* numbers that became infinite */
	char where[96];     /* the first weight that holds one */
	TS_VEC(float) row, back;
	TS_VEC(unsigned char) bytes;
};

/* How a format stores a row. */
struct export_store {
	enum ts_dtype dtype;
	bool blocks; /* Q8_0; the dtype is not looked at */
};

/* What the type means for a tensor: vectors of a GGUF file are F32, rows that Q8_0 cannot hold are F16. */
struct export_store export_store_of(enum ts_export_type, bool gguf, int dims, size_t columns);
size_t export_store_bytes(struct export_store, size_t columns);
/* Room for rows of so many numbers; and forgets what was measured of the weight before. */
int export_encoder_begin(struct export_encoder *, size_t columns, struct ts_error *err);
/* encoder->row -> encoder->bytes */
void export_encoder_row(struct export_encoder *, struct export_store, size_t columns);
/* After the last row: notes what was measured. TS_EMISMATCH, with the weight named, when numbers became infinite and force is not set. */
int export_encoder_end(struct export_encoder *, const char *name, size_t columns, bool force, struct ts_error *err);
void export_encoder_release(struct export_encoder *);

/* --- check.c: the same texts through two models --- */

enum { EXPORT_TEXT_MOST = 64, EXPORT_KEPT_MOST = 16, EXPORT_TEXTS_MOST = 8 };

struct export_text {
	int32_t ids[EXPORT_TEXT_MOST];
	size_t n, kept; /* logits of the last `kept` positions are compared */
	float *logits;  /* expected [kept, vocab] */
};

struct export_check {
	struct export_text texts[EXPORT_TEXTS_MOST];
	size_t count, positions, vocab;
	double spread;
};

/* Texts for the model: seeded random ids, and user turns where `chat` (may be NULL) has a template for them. */
int export_check_choose(struct export_check *, const struct ts_model_config *, const struct ts_chat *chat, struct ts_error *err);
/* What is expected. */
int export_check_record(struct export_check *, const struct ts_model *, const struct ts_adapter *, struct ts_error *err);
int export_check_compare(const struct export_check *, const struct ts_model *, const struct ts_adapter *, struct ts_logit_difference *,
			 struct ts_error *err);
void export_check_release(struct export_check *);

/* --- the whole: what is being written --- */

/* A text file of the result that the source does not have. */
struct export_file {
	const char *name;
	struct ts_str text;
};

struct export
{
	const struct ts_export_options *options;
	struct ts_backend *backend;
	const struct ts_context *context;
	struct ts_export_result *result;
	struct ts_error *err;
	struct ts_model_config config;
	struct ts_weights weights; /* of the source */
	struct ts_model *model;    /* the source, while its logits are computed */
	struct ts_adapter *adapter;
	struct ts_chat *chat; /* may be NULL */
	struct export_list list;
	struct export_encoder encoder;
	struct export_check check;
	bool gguf, began;           /* began: something is there under the name `partial` */
	struct ts_str out, partial; /* the name it gets, and the one it has until then */
	struct ts_str header;       /* of a GGUF file */
	TS_VEC(struct export_file) made;
	uint64_t planned; /* bytes of tensors */
	int total;        /* tensors */
};

/* Writes one weight's rows to the sink; `turned`: in the order of the llama architecture's GGUF files. */
int export_put_weight(struct export *, struct ts_sink *, const struct export_weight *, struct export_store, bool turned);

/* A tensor is written: progress. */
void export_count_tensor(struct export *);

/* folder.c */
int export_folder_write(struct export *);
/* gguf.c, gguf_keys.c, gguf_tokenizer.c. Before anything is computed: the file's header, e->header; what a GGUF file cannot say is refused. */
int export_gguf_prepare(struct export *);
int export_gguf_write(struct export *);
/* The architecture's name in GGUF: "llama" for mistral too. */
const char *export_gguf_architecture(const struct ts_model_config *);
int export_gguf_keys(const struct export *, struct ts_gguf_writer *);
int export_gguf_tokenizer(const struct export *, struct ts_gguf_writer *);
uint32_t export_ggml_type(struct export_store);
/* The tensor of rotary factors, and what RoPE "llama3" divides the i-th frequency by. */
#define EXPORT_FACTORS "rope_freqs.weight"
float export_llama3_factor(const struct ts_model_config *, int i);

/* gguf_lora.c: the header, as export_gguf_prepare; the data; and the adapter's numbers replaced by those of the written file. */
int export_lora_prepare(struct export *);
int export_lora_put(struct export *, struct ts_sink *);
int export_lora_read(struct export *);

/* config.c: the config.json of the result, appended to `out`; and its dtype set in an object. */
int export_config_text(const struct export *, struct ts_str *out);
int export_config_set_dtype(const struct export *, json_t *root);
/* gguf_source.c: the text files of a folder whose source is a GGUF file, into e->made. What they cannot say is refused. */
int export_gguf_source(struct export *);
/* What every card has in its head, and the key that every GGUF file has among its first: what an export left is known by them. */
#define EXPORT_TAG "tags: [thinksafe"
#define EXPORT_KEY "thinksafe.program"
/* card.c: README.md of a folder, or the text beside a GGUF file, appended to `out`. */
int export_card(const struct export *, struct ts_str *out);

#endif
