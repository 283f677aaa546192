/* hello.c - the first program: a model continues your words.
   cc -O3 examples/hello.c -o hello -lm
   ./hello demo.1bit "Once upon a time" */
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"
#include <stdio.h>

static int print(void *file, const char *text, size_t bytes) {
    return fwrite(text, 1, bytes, (FILE *)file) != bytes || fflush((FILE *)file);
}

int main(int argc, char **argv) {
    const char *prompt = argc > 2 ? argv[2] : "Tom went to the ";
    onebit_model *model = NULL;
    onebit_session *session = NULL;
    onebit_status status = onebit_model_open(&model, argc > 1 ? argv[1] : "demo.1bit", NULL);
    if (status == ONEBIT_OK) status = onebit_session_create(&session, model, NULL, NULL);
    if (status == ONEBIT_OK) printf("%s", prompt);
    if (status == ONEBIT_OK) status = onebit_generate(session, prompt, NULL, print, stdout, NULL);
    if (status != ONEBIT_OK) fprintf(stderr, "hello: %s\n", onebit_error_text());
    else puts("");
    onebit_session_free(session);
    onebit_model_free(model);
    return status != ONEBIT_OK;
}
