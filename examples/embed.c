// The C interface in one program: opens a model, embeds the texts of its arguments, prints their
// tokens and how similar each is to the first.
//   cc embed.c $(pkg-config --cflags --libs bgem3) -o embed && ./embed MODEL TEXT...
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgem3/bgem3.h"

static int fail(const char* what, bgem3_status status) {
  fprintf(stderr, "%s: %s: %s\n", what, bgem3_status_name(status), bgem3_last_error());
  return EXIT_FAILURE;
}

static double dot(const float* a, const float* b, size_t size) {
  double sum = 0;
  for (size_t i = 0; i < size; i++) sum += (double)a[i] * b[i];
  return sum;
}

// What one text of a result gave.
static void show(const char* text, const bgem3_embedding* first, const bgem3_embedding* embedding, size_t dimensions) {
  if (embedding->error != BGEM3_OK) {
    printf("%s: %s\n", text, embedding->error_message);
    return;
  }
  printf("%.3f  %2zu tokens%s  %s\n", dot(first->dense, embedding->dense, dimensions), embedding->tokens,
         embedding->truncated ? ", truncated" : "", text);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s MODEL TEXT...\n", argv[0]);
    return EXIT_FAILURE;
  }

  const bgem3_open_options open = {.struct_size = sizeof open, .model = argv[1]};
  bgem3_embedder* embedder = NULL;
  bgem3_status status = bgem3_open(&open, &embedder);
  if (status != BGEM3_OK) return fail("cannot open the model", status);
  const bgem3_info* info = bgem3_embedder_info(embedder);
  printf("%zu dimensions, up to %zu tokens a text, %s on %s\n", info->dimensions, info->max_tokens, info->dtype,
         info->isa);

  const size_t count = (size_t)argc - 2;
  bgem3_text* texts = malloc(count * sizeof *texts);
  if (!texts) return EXIT_FAILURE;
  for (size_t i = 0; i < count; i++) {
    texts[i].data = argv[i + 2];
    texts[i].size_bytes = strlen(argv[i + 2]);
  }
  const bgem3_embed_options options = {.struct_size = sizeof options, .normalize = 1};
  bgem3_result* result = NULL;
  status = bgem3_embed(embedder, texts, count, &options, &result);
  if (status == BGEM3_OK) {
    for (size_t i = 0; i < count; i++) {
      show(texts[i].data, bgem3_result_embedding(result, 0), bgem3_result_embedding(result, i), info->dimensions);
    }
  } else {
    fail("cannot embed", status);
  }

  bgem3_result_free(result);
  bgem3_embedder_free(embedder);
  free(texts);
  return status == BGEM3_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
