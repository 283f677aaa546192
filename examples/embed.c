/* embed.c - a model inside a program that reads no file and uses no stdio.
   cc -O3 examples/embed.c -o embed -lm
   With a model of your own, relative to this file:
   onebit-export --model my.1bit --output m.1bit --emit-c-header my.h
   cc -O3 -DMODEL_HEADER='"../my.h"' examples/embed.c -o embed -lm
   With --emit-incbin my.S the same line takes my.S too, and compiles in no time. */
#define ONEBIT_NO_FILES
#define ONEBIT_NO_STDIO
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"
#include <string.h>
#ifdef _WIN32
#include <io.h>
#define WRITE(text, bytes) _write(1, text, (unsigned)(bytes))
#else
#include <unistd.h>
#define WRITE(text, bytes) write(1, text, bytes)
#endif
#ifndef MODEL_HEADER
#define MODEL_HEADER "embed_model.h" /* four lines of a rhyme, learnt by heart */
#endif
#include MODEL_HEADER

static int print(void *user, const char *text, size_t bytes) {
    (void)user;
    return WRITE(text, bytes) < 0;
}

int main(int argc, char **argv) {
    const char *prompt = argc > 1 ? argv[1] : "The ";
    onebit_generate_options options = onebit_generate_options_default();
    onebit_model *model = NULL;
    onebit_session *session = NULL;
    onebit_status status =
        onebit_model_open_memory(&model, onebit_model_words, ONEBIT_MODEL_BYTES, NULL);
    options.sample.temperature = 0;
    options.sample.max_tokens = 100;
    if (status == ONEBIT_OK) status = onebit_session_create(&session, model, NULL, NULL);
    if (status == ONEBIT_OK) print(NULL, prompt, strlen(prompt));
    if (status == ONEBIT_OK) status = onebit_generate(session, prompt, &options, print, NULL, NULL);
    if (status != ONEBIT_OK) print(NULL, onebit_error_text(), strlen(onebit_error_text()));
    print(NULL, "\n", 1);
    onebit_session_free(session);
    onebit_model_free(model);
    return status != ONEBIT_OK;
}
