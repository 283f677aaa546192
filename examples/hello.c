/* hello.c - the first program: a model continues your words.
   cc -O3 examples/hello.c -o hello -lm
   ./hello demo.1bit "Once upon a time" */
#define ONEBIT_IMPLEMENTATION
#include "../onebit.h"
#include <stdio.h>

static int print(void *user, const char *text, size_t bytes) {
    (void)user;
    return fwrite(text, 1, bytes, stdout) != bytes || fflush(stdout);
}

int main(int argc, char **argv) {
    onebit_model *model = NULL;
    onebit_session *session = NULL;
    onebit_status status = onebit_model_open(&model, argc > 1 ? argv[1] : "demo.1bit", NULL);
    if (status == ONEBIT_OK) status = onebit_session_create(&session, model, NULL, NULL);
    if (status == ONEBIT_OK)
        status = onebit_generate(session, argc > 2 ? argv[2] : "Hello", NULL, print, NULL, NULL);
    if (status != ONEBIT_OK) fprintf(stderr, "hello: %s\n", onebit_error_text());
    else puts("");
    onebit_session_free(session);
    onebit_model_free(model);
    return status != ONEBIT_OK;
}
