/*
 * Predicts the rows of a CSV file, whose first line names the columns, with a bundle:
 *
 *     cc -std=c11 -Icrates/mt-capi/include crates/mt-capi/examples/predict.c -Ltarget/release -lmt_predict -o predict
 *     LD_LIBRARY_PATH=target/release ./predict bundle rows.csv
 *
 * Cells are not quoted; an empty one is missing. In a column of several values these stand as `1;2`.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mt_predict.h"

enum { LINE = 4096, CELLS = 256, ITEMS = 64 };

static void check(mt_status status, const mt_error *error)
{
    if (status != MT_OK) {
        fprintf(stderr, "error %d: %s\n", (int)error->status, error->message);
        exit(1);
    }
}

static const char *task_kind(mt_task_kind kind)
{
    switch (kind) {
    case MT_TASK_BINARY: return "binary";
    case MT_TASK_MULTICLASS: return "multiclass";
    case MT_TASK_REGRESSION: return "regression";
    case MT_TASK_NONE: break;
    }
    return "none";
}

static const char *column_kind(mt_column_kind kind)
{
    switch (kind) {
    case MT_COLUMN_NUMBER: return "number";
    case MT_COLUMN_VALUE: return "value";
    case MT_COLUMN_LIST: return "list";
    case MT_COLUMN_NONE: break;
    }
    return "none";
}

/* Cuts a text at each separator; returns the number of pieces. */
static size_t split(char *text, char separator, char **pieces, size_t most)
{
    size_t count = 0;
    while (text != NULL && count < most) {
        char *end = strchr(text, separator);
        if (end != NULL)
            *end = '\0';
        pieces[count++] = text;
        text = end == NULL ? NULL : end + 1;
    }
    return count;
}

/* The kinds of number that a cell may be. */
typedef struct number {
    bool is_unsigned, is_integer, is_number;
    unsigned long long u;
    long long i;
    double x;
} number;

static number parse(const char *text)
{
    number n = {0};
    char *end;
    errno = 0;
    n.u = strtoull(text, &end, 10);
    n.is_unsigned = *end == '\0' && errno == 0 && text[0] != '-';
    errno = 0;
    n.i = strtoll(text, &end, 10);
    n.is_integer = *end == '\0' && errno == 0;
    n.x = strtod(text, &end);
    n.is_number = *end == '\0';
    return n;
}

static void set_list(mt_rows *rows, size_t column, char *cell, mt_error *error)
{
    char *texts[ITEMS];
    size_t count = split(cell, ';', texts, ITEMS), lengths[ITEMS];
    bool all_unsigned = true, all_integers = true, all_numbers = true;
    uint64_t u[ITEMS];
    int64_t i[ITEMS];
    double x[ITEMS];
    for (size_t k = 0; k < count; k++) {
        number n = parse(texts[k]);
        all_unsigned = all_unsigned && n.is_unsigned;
        all_integers = all_integers && n.is_integer;
        all_numbers = all_numbers && n.is_number;
        u[k] = n.u;
        i[k] = n.i;
        x[k] = n.x;
        lengths[k] = strlen(texts[k]);
    }
    if (all_unsigned)
        check(mt_rows_unsigneds(rows, column, u, count, error), error);
    else if (all_integers)
        check(mt_rows_integers(rows, column, i, count, error), error);
    else if (all_numbers)
        check(mt_rows_numbers(rows, column, x, count, error), error);
    else
        check(mt_rows_texts(rows, column, (const char *const *)texts, lengths, count, error), error);
}

static void set(mt_rows *rows, size_t column, const char *cell, mt_error *error)
{
    number n = parse(cell);
    if (n.is_unsigned)
        check(mt_rows_unsigned(rows, column, n.u, error), error);
    else if (n.is_integer)
        check(mt_rows_integer(rows, column, n.i, error), error);
    else if (n.is_number)
        check(mt_rows_number(rows, column, n.x, error), error);
    else
        check(mt_rows_text(rows, column, cell, strlen(cell), error), error);
}

static void describe(const mt_predictor *predictor)
{
    char version[MT_VERSION_SIZE];
    mt_error error;
    check(mt_predictor_version(predictor, version, sizeof version, &error), &error);
    printf("version %s\n", version);
    for (size_t t = 0; t < mt_predictor_task_count(predictor); t++)
        printf("task %s %s %zu\n", mt_predictor_task_name(predictor, t),
               task_kind(mt_predictor_task_kind(predictor, t)), mt_predictor_task_width(predictor, t));
    for (size_t c = 0; c < mt_predictor_column_count(predictor); c++)
        printf("column %s %s\n", mt_predictor_column_name(predictor, c),
               column_kind(mt_predictor_column_kind(predictor, c)));
}

int main(int argc, char **argv)
{
    mt_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: predict BUNDLE ROWS.csv\n");
        return 2;
    }
    mt_predictor *predictor = mt_predictor_load(argv[1], &error);
    check(error.status, &error);
    describe(predictor);

    FILE *file = fopen(argv[2], "r");
    char line[LINE], *cells[CELLS];
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        fprintf(stderr, "%s: cannot be read\n", argv[2]);
        return 1;
    }
    line[strcspn(line, "\r\n")] = '\0';
    size_t width = split(line, ',', cells, CELLS), columns[CELLS];
    for (size_t c = 0; c < width; c++)
        check(mt_predictor_column(predictor, cells[c], &columns[c], &error), &error);

    mt_rows *rows = mt_rows_new(predictor, &error);
    check(error.status, &error);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        size_t count = split(line, ',', cells, width);
        for (size_t c = 0; c < count; c++) {
            if (cells[c][0] == '\0')
                continue;
            if (mt_predictor_column_kind(predictor, columns[c]) == MT_COLUMN_LIST)
                set_list(rows, columns[c], cells[c], &error);
            else
                set(rows, columns[c], cells[c], &error);
        }
        check(mt_rows_add(rows, &error), &error);
    }
    fclose(file);

    /* A new version of the bundle would be put in place so; here it is the same once more. */
    check(mt_predictor_reload(predictor, argv[1], &error), &error);
    char version[MT_VERSION_SIZE];
    check(mt_rows_version(rows, version, sizeof version, &error), &error);
    size_t outputs = mt_predictor_width(predictor), count = mt_rows_count(rows);
    float *out = malloc(count * outputs * sizeof *out + 1);
    if (out == NULL)
        return 1;
    check(mt_rows_predict(rows, out, count * outputs, &error), &error);
    for (size_t r = 0; r < count; r++) {
        printf("row");
        for (size_t o = 0; o < outputs; o++)
            printf(" %a", (double)out[r * outputs + o]);
        printf("\n");
    }
    check(mt_rows_clear(rows, &error), &error);
    free(out);
    mt_rows_free(rows);
    mt_predictor_free(predictor);
    return 0;
}
