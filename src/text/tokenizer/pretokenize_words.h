/* Hand-written matchers for the split expressions that most byte-level models share. Each returns the length of the first piece
 * of s[0..n), n > 0, valid UTF-8; at the end of s the expression sees the end of its text. */
#ifndef TS_TEXT_TOKENIZER_PRETOKENIZE_WORDS_H
#define TS_TEXT_TOKENIZER_PRETOKENIZE_WORDS_H

#include <stddef.h>

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t ts_words_gpt2(const char *s, size_t n);
/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
size_t ts_words_llama3(const char *s, size_t n);
/* The same with \p{N} alone for numbers. */
size_t ts_words_qwen2(const char *s, size_t n);

#endif
