// The C interface of bgem3: the engine of embedder.h for C, and for every language that calls C. Start at bgem3_open
// and bgem3_embed.
//
//  - A function that can fail returns a bgem3_status. Unless that is BGEM3_OK, what it would have made is NULL, and
//    bgem3_last_error() says why. No exception leaves a function, and none prints or ends the process.
//  - Strings end with NUL and are UTF-8. Texts have a length instead, so they may contain NUL.
//  - In options zero stands for the default, so `= {sizeof options}` is all defaults, as is NULL in place of the
//    pointer. Later versions add fields at the end: struct_size says which of them the caller knows.
//  - Structs that the library hands out by a pointer to const grow at their end too: use them through the pointer.
//  - Every handle has one function that frees it, which takes NULL too. Handles may be freed in any order.
//  - Any number of threads may use one handle at the same time, but for freeing it.
#ifndef BGEM3_BGEM3_H_
#define BGEM3_BGEM3_H_

#include <stddef.h>
#include <stdint.h>

#include "bgem3/version.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

// ---- Errors ----

// What kind of thing went wrong: bgem3::ErrorCode of error.h. The numbers never change.
typedef enum bgem3_status {
  BGEM3_OK = 0,
  BGEM3_INVALID_INPUT = 1,  // a request, option or text that cannot be served as given; a NULL that must not be
  BGEM3_NOT_FOUND = 2,      // a file, model, revision or name that is not there
  BGEM3_CORRUPT = 3,        // a file whose content contradicts itself or its neighbours
  BGEM3_UNSUPPORTED = 4,    // well-formed, but a component or option that bgem3 does not run
  BGEM3_IO = 5,             // the operating system refused to read or write
  BGEM3_OVERLOADED = 6,     // a limit (memory, size, count) would be exceeded
  BGEM3_CANCELLED = 7,      // on_progress asked to stop before this text was computed
  BGEM3_INTERNAL = 8        // a non-finite value, or a bug in bgem3
} bgem3_status;

// The status as a word, "ok" or as in error.h: "invalid_input". Never NULL; static storage.
const char* bgem3_status_name(bgem3_status status);

// The message of the last function that failed on this thread, one line: what failed, where, expected against found,
// what to do. "" if none has. Never NULL; valid until the next failure on this thread.
const char* bgem3_last_error(void);

// The version of the library in use, BGEM3_VERSION of the one compiled against. Static storage.
const char* bgem3_version(void);

// ---- A model ----

// A loaded model.
typedef struct bgem3_embedder bgem3_embedder;

// OpenOptions of options.h, which says more.
typedef struct bgem3_open_options {
  size_t struct_size;   // sizeof(bgem3_open_options)
  const char* model;    // a folder, or "organisation/name[@revision]" in the Hugging Face cache; NULL: "BAAI/bge-m3"
  const char* dtype;    // "f32", "bf16", "int8"; NULL: "f32"
  const char* isa;      // "scalar", "avx2", ...: the same bits on each; NULL: the fastest
  int threads;          // 0: as many as the process may use cores
  int no_packed_cache;  // not 0: pack the weights into memory, without a file for the next starts
  size_t pass_tokens;   // most tokens of one pass over the model; 0: chosen by the library
  size_t max_memory_bytes;  // ceiling for the resident memory of the whole process; 0: none
  const char* cache_dir;    // folder of the packed weights; NULL: BGEM3_CACHE_DIR, else the user's cache folder
  int hash_files;           // not 0: check every byte of the packed file
} bgem3_open_options;

// Finds, checks and loads a model into *embedder, which the caller frees. Never downloads. Cost: with a packed file
// milliseconds, else all weights are read.
bgem3_status bgem3_open(const bgem3_open_options* options, bgem3_embedder** embedder);

// Gives the memory back. No other thread may use the embedder; its results stay.
void bgem3_embedder_free(bgem3_embedder* embedder);

// Outputs of a model, to be added up. A request for 0 is one for BGEM3_DENSE.
enum {
  BGEM3_DENSE = 1,   // one vector a text
  BGEM3_SPARSE = 2,  // a weight for each token id of a text
  BGEM3_MULTI = 4    // a vector for each token of a text
};

// What bgem3_open read and decided. Owned by the embedder, as its strings, none of which is NULL.
typedef struct bgem3_info {
  const char* name;            // as the caller named it
  const char* folder;          // where its files are
  const char* revision;        // commit of a Hugging Face cache snapshot; "" for a plain folder
  const char* dtype;           // precision of the computation
  const char* isa;             // instruction set in use
  const char* tokenizer;       // "unigram" or "wordpiece"
  const char* default_prompt;  // name of the prompt that the model asks for; "" for none
  size_t dimensions;           // of a vector, unless truncate_dim shortens it
  size_t max_tokens;           // longest text in tokens, template tokens included
  size_t vocab_size;           // one more than the largest token id
  unsigned outputs;            // BGEM3_DENSE and the others that it has
  int threads;                 // in use
} bgem3_info;

// Facts of a loaded model; NULL for NULL. Never changes.
const bgem3_info* bgem3_embedder_info(const bgem3_embedder* embedder);

// The text of a prompt that the model's files name, for bgem3_embed_options; NULL if there is none of that name. Owned
// by the embedder.
const char* bgem3_find_prompt(const bgem3_embedder* embedder, const char* name);

// ---- Texts to vectors ----

// UTF-8 that belongs to whoever made it.
typedef struct bgem3_text {
  const char* data;  // may be NULL if size_bytes is 0
  size_t size_bytes;
} bgem3_text;

// Bytes [begin, end) of a text as the caller passed it.
typedef struct bgem3_byte_range {
  size_t begin;
  size_t end;
} bgem3_byte_range;

// EmbedOptions of options.h, which says more.
typedef struct bgem3_embed_options {
  size_t struct_size;     // sizeof(bgem3_embed_options)
  unsigned outputs;       // what to compute, all from one pass; 0: BGEM3_DENSE
  int normalize;          // scale vectors to length one: 1 yes, -1 no, 0 the model's own
  size_t max_tokens;      // longest text, template tokens included; 0: the model's limit
  size_t truncate_dim;    // keep the first dimensions only; 0: all
  const char* long_text;  // a text with more tokens: "truncate" it, or compute it in "windows" (dense only); NULL:
                          // "truncate"
  const char* pooling;    // "cls" or "mean"; NULL: the model's own
  const char* prompt;     // put in front of every text; NULL: nothing
  const char* special_tokens_in_text;  // what "<s>" in a text becomes: "match" a special token, "escape" characters;
                                       // NULL: "match"
  const char* invalid_utf8;            // "error" in the text's own slot, or "replace" by U+FFFD; NULL: "error"
  // Called on the calling thread after every pass and 20 times a second while one takes longer, with the texts that are
  // done. Other than 0 ends the request: texts not yet computed get BGEM3_CANCELLED. NULL: none. Must not throw.
  int (*on_progress)(void* context, size_t done, size_t total);
  void* context;  // for on_progress; the library only passes it on
} bgem3_embed_options;

// The outputs of one request.
typedef struct bgem3_result bgem3_result;

// One text's outputs and what happened to it. Owned by the result. What was not asked for is NULL and has size 0.
typedef struct bgem3_embedding {
  bgem3_status error;           // other than BGEM3_OK: this text failed; its neighbours are unharmed
  const char* error_message;    // one line; "" without an error
  size_t tokens;                // of the text, template tokens included, after truncation
  int truncated;                // 1: the text had more tokens than the limit; the first ones were kept
  size_t windows;               // in which it was computed; more than 1 only if long_text is "windows"
  size_t replaced_utf8;         // ill-formed parts replaced by U+FFFD
  const float* dense;           // [dimensions]; all NaN if the text failed
  const uint32_t* sparse_ids;   // [sparse_size] token ids, in the order of their first appearance
  const float* sparse_weights;  // [sparse_size], all above 0
  size_t sparse_size;           // 0 if the text failed
  const float* multi;           // [multi_rows, dimensions], a row for each token but the first
  size_t multi_rows;            // 0 if the text failed
} bgem3_embedding;

// The outputs of `count` texts, into *result, which the caller frees: each equal, bit for bit, to what the text gives
// alone. A text that cannot be embedded is an error in its own slot, and the function still returns BGEM3_OK. Texts and
// options are not kept. Cost: linear in the tokens, and quadratic in those of a text.
bgem3_status bgem3_embed(const bgem3_embedder* embedder, const bgem3_text* texts, size_t count,
                         const bgem3_embed_options* options, bgem3_result** result);

// Late chunking: the dense vectors of `count` parts of one document, each with the whole document as its context, into
// *result, which the caller frees. A part without tokens is an error in its own slot. Options that have no meaning here
// are BGEM3_INVALID_INPUT: see Embedder::embed_spans of embedder.h. Cost: that of embedding the document as one text.
bgem3_status bgem3_embed_spans(const bgem3_embedder* embedder, bgem3_text document, const bgem3_byte_range* spans,
                               size_t count, const bgem3_embed_options* options, bgem3_result** result);

// Gives the memory back, and with it all that the functions below gave.
void bgem3_result_free(bgem3_result* result);

// How many texts were asked for; 0 for NULL.
size_t bgem3_result_texts(const bgem3_result* result);

// Of a dense vector, and of each multi-vector; 0 for NULL.
size_t bgem3_result_dimensions(const bgem3_result* result);

// The dense vectors of all texts, [texts, dimensions], rows contiguous in the caller's order; NULL if not asked for.
const float* bgem3_result_dense(const bgem3_result* result);

// The text at an index; NULL if there is none.
const bgem3_embedding* bgem3_result_embedding(const bgem3_result* result, size_t index);

// ---- Texts to tokens ----

// EncodeOptions of tokenizer.h, which says more.
typedef struct bgem3_tokenize_options {
  size_t struct_size;                  // sizeof(bgem3_tokenize_options)
  size_t max_tokens;                   // longest result, template tokens included; 0: no limit
  const char* special_tokens_in_text;  // as in bgem3_embed_options
  const char* invalid_utf8;            // "error" fails the call
  int no_special_tokens;               // not 0: without the model's template around the text
} bgem3_tokenize_options;

// The tokens of one text.
typedef struct bgem3_tokens {
  const uint32_t* ids;              // [size]
  const bgem3_byte_range* offsets;  // [size], one for each id; [0, 0) for template tokens
  size_t size;
  int truncated;         // 1: tokens were dropped to respect max_tokens
  size_t replaced_utf8;  // ill-formed parts replaced by U+FFFD
} bgem3_tokens;

// The tokens of a text, into *tokens, which the caller frees. Cost: linear in the text's size.
bgem3_status bgem3_tokenize(const bgem3_embedder* embedder, bgem3_text text, const bgem3_tokenize_options* options,
                            const bgem3_tokens** tokens);

void bgem3_tokens_free(const bgem3_tokens* tokens);

// The published string of a token id ("▁Hello", "##ing"), into *token: not ended by NUL,
// owned by the embedder. BGEM3_INVALID_INPUT for an id outside the vocabulary.
bgem3_status bgem3_token(const bgem3_embedder* embedder, uint32_t id, bgem3_text* token);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif  // BGEM3_BGEM3_H_
