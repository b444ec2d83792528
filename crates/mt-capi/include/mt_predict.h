/*
 * mt_predict.h: predictions of a multi-task ranking model, from C and whatever calls C.
 *
 *     mt_error error;
 *     mt_predictor *predictor = mt_predictor_load("bundle", &error);
 *     mt_rows *rows = mt_rows_new(predictor, &error);
 *     mt_rows_unsigned(rows, user, 17, &error);
 *     mt_rows_number(rows, age, 31.5, &error);
 *     mt_rows_add(rows, &error);
 *     mt_rows_predict(rows, out, capacity, &error);
 *     mt_rows_clear(rows, &error);
 *
 * examples/predict.c uses every function.
 *
 * Threads. Any number of threads may use one mt_predictor at once, mt_predictor_reload included. An mt_rows is used by
 * one thread at a time, though not always the same: keep one a thread. Freeing is for when no other call is under way.
 * A predictor may be freed before its rows: they keep what they need.
 *
 * Errors. Every function that can fail takes the caller's mt_error, which may be NULL and need not be initialised, and
 * sets it, also to MT_OK. Those that return a pointer return NULL then, the others a code. There is no other place
 * where an error is kept, so it does not matter which thread looks. No function ends the process or lets an exception
 * or panic out; a NULL for a pointer that is needed is MT_BAD_ARGUMENT.
 *
 * Memory. What mt_rows and predictions need is kept by mt_rows and used again: filling rows and reading predictions
 * allocates nothing in the steady state. The network does: some ten short-lived tensors a call of mt_rows_predict.
 *
 * Parallelism. A prediction of few rows stays on the calling thread. One of many is spread over threads of the library,
 * as many as there are cores or as RAYON_NUM_THREADS says. Set RAYON_NUM_THREADS, to 1 where requests are parallel
 * themselves, and CANDLE_NUM_THREADS=1 in the environment before the process starts: unset, the first costs some
 * microseconds a call.
 *
 * Text is UTF-8 and, unless a length is given, ends in a zero.
 */
#ifndef MT_PREDICT_H
#define MT_PREDICT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What became of a call. */
typedef enum mt_status {
    MT_OK = 0,
    MT_BAD_ARGUMENT = 1,    /* a null pointer, a text that is not UTF-8, a column that is not there */
    MT_BAD_BUNDLE = 2,      /* a bundle that is missing, damaged, or of a newer format */
    MT_OTHER_INTERFACE = 3, /* a bundle with other tasks or columns than the one in whose place it was to be put */
    MT_BAD_ROW = 4,         /* a value that its column cannot have, or a row that is not finished */
    MT_TOO_SMALL = 5,       /* memory of the caller that is too small; the message says what is needed */
    MT_FAILED = 6,          /* a prediction that could not be computed */
    MT_PANIC = 7            /* a mistake in this library; rows are empty after it */
} mt_status;

/* What a task predicts. */
typedef enum mt_task_kind {
    MT_TASK_NONE = 0,       /* no such task */
    MT_TASK_BINARY = 1,     /* the probability of the positive class: 1 number */
    MT_TASK_MULTICLASS = 2, /* the probability of each class: as many numbers */
    MT_TASK_REGRESSION = 3  /* the value: 1 number */
} mt_task_kind;

/* What a column holds. */
typedef enum mt_column_kind {
    MT_COLUMN_NONE = 0,   /* no such column */
    MT_COLUMN_NUMBER = 1, /* a number */
    MT_COLUMN_VALUE = 2,  /* a value that is looked up in a table, or of which an input is computed */
    MT_COLUMN_LIST = 3    /* several such values */
} mt_column_kind;

/* Memory of the caller for an error: the code, and a text that ends in a zero, cut where it is longer. */
typedef struct mt_error {
    mt_status status;
    char message[508];
} mt_error;

/* A loaded bundle, shared by threads. */
typedef struct mt_predictor mt_predictor;

/* Rows to be predicted, of one thread. */
typedef struct mt_rows mt_rows;

/* Bytes of a version with the zero at its end. */
#define MT_VERSION_SIZE 65

/* --- A bundle --- */

/*
 * Loads the bundle (what `mt export` writes) in the folder `path` and checks it: sizes, hashes, and that the rows
 * recorded with it are predicted as they were. NULL on error. The folder must not be changed while the bundle is in
 * use, as its tables are mapped; replace it by a rename. Free the result with mt_predictor_free.
 */
mt_predictor *mt_predictor_load(const char *path, mt_error *error);

/*
 * Loads the bundle in `path` and puts it in the place of the current one, in one step. It must have the same tasks and
 * columns: names, kinds and order (MT_OTHER_INTERFACE), so that indices, names and sizes known to callers stay as they
 * are. On any error the old one stays. Rows begun before are predicted by the bundle that they were begun with, and
 * each mt_rows changes to the new one with its next mt_rows_clear: every prediction is of exactly one bundle. The old
 * one's memory is freed when the last rows have let go of it.
 */
mt_status mt_predictor_reload(const mt_predictor *predictor, const char *path, mt_error *error);

/* Frees a predictor, and the names that were got from it. NULL is allowed. */
void mt_predictor_free(mt_predictor *predictor);

/*
 * Writes what names the current bundle's content to `out`: the SHA-256 of its manifest, which holds those of its other
 * files, in hexadecimal with a zero behind. `capacity` is MT_VERSION_SIZE at least.
 */
mt_status mt_predictor_version(const mt_predictor *predictor, char *out, size_t capacity, mt_error *error);

/* --- What it predicts, and from what; the same after a reload. Indices are from 0. --- */

/* Predictions a row: the sum of all tasks' widths. 0 for NULL, as with the other counts. */
size_t mt_predictor_width(const mt_predictor *predictor);

/* Number of tasks. Behind them stand the heads without a label that a task's prediction is a product of, as binary tasks. */
size_t mt_predictor_task_count(const mt_predictor *predictor);

/* Name of a task, valid until the predictor is freed. NULL if there is no such task. */
const char *mt_predictor_task_name(const mt_predictor *predictor, size_t task);

/* Kind of a task. MT_TASK_NONE if there is no such task. */
mt_task_kind mt_predictor_task_kind(const mt_predictor *predictor, size_t task);

/* Predictions of a task a row: the number of classes, or 1. 0 if there is no such task. */
size_t mt_predictor_task_width(const mt_predictor *predictor, size_t task);

/* Number of columns that the model reads. */
size_t mt_predictor_column_count(const mt_predictor *predictor);

/* Name of a column, valid until the predictor is freed. NULL if there is no such column. */
const char *mt_predictor_column_name(const mt_predictor *predictor, size_t column);

/* Kind of a column. MT_COLUMN_NONE if there is no such column. */
mt_column_kind mt_predictor_column_kind(const mt_predictor *predictor, size_t column);

/* Writes the index of the column called `name` to `*column`: look each up once. The error names the nearest one. */
mt_status mt_predictor_column(const mt_predictor *predictor, const char *name, size_t *column, mt_error *error);

/* --- Rows --- */

/* No rows yet. NULL on error. Free the result with mt_rows_free. */
mt_rows *mt_rows_new(const mt_predictor *predictor, mt_error *error);

/* Frees rows. NULL is allowed. */
void mt_rows_free(mt_rows *rows);

/*
 * Give the row under way the value of a column. A column that gets none is missing, one that gets two is an error of
 * mt_rows_add. Values are copied. What is looked up in a table is compared by its text, as in a training file: the
 * integer 7, the number 7.0 and the text "7" are one value. NaN is missing.
 *
 * mt_rows_text: `length` bytes at `text`, no zero needed; blanks around them do not count, and one that the model's
 * policy lists is missing. For a column of several values they are separated as in a training file. They are compared
 * byte for byte, and need not be UTF-8.
 */
mt_status mt_rows_number(mt_rows *rows, size_t column, double value, mt_error *error);
mt_status mt_rows_integer(mt_rows *rows, size_t column, int64_t value, mt_error *error);
mt_status mt_rows_unsigned(mt_rows *rows, size_t column, uint64_t value, mt_error *error);
mt_status mt_rows_text(mt_rows *rows, size_t column, const char *text, size_t length, mt_error *error);

/*
 * Likewise `count` values of a column of several (MT_COLUMN_LIST). A pointer may be NULL where `count` is 0. Of
 * mt_rows_texts, the text `i` has `lengths[i]` bytes, 1 at least.
 */
mt_status mt_rows_numbers(mt_rows *rows, size_t column, const double *values, size_t count, mt_error *error);
mt_status mt_rows_integers(mt_rows *rows, size_t column, const int64_t *values, size_t count, mt_error *error);
mt_status mt_rows_unsigneds(mt_rows *rows, size_t column, const uint64_t *values, size_t count, mt_error *error);
mt_status mt_rows_texts(mt_rows *rows, size_t column, const char *const *texts, const size_t *lengths, size_t count,
                        mt_error *error);

/*
 * Ends the row under way and adds it to the rows; the next value begins another. On error (MT_BAD_ROW: the message
 * names row, column, what was expected and what was found) it is left out, and the rows are as before it was begun.
 */
mt_status mt_rows_add(mt_rows *rows, mt_error *error);

/* Removes all rows and what was given of the next one. Rows to come are for the bundle that is current now. */
mt_status mt_rows_clear(mt_rows *rows, mt_error *error);

/* Number of rows added. 0 for NULL. */
size_t mt_rows_count(const mt_rows *rows);

/* As mt_predictor_version, of the bundle that predicts these rows. */
mt_status mt_rows_version(const mt_rows *rows, char *out, size_t capacity, mt_error *error);

/*
 * Predicts all rows. Writes mt_rows_count * mt_predictor_width floats to `out`, row by row, in a row task by task, of a
 * task class by class; `capacity` is how many fit (MT_TOO_SMALL: nothing is written). The rows stay: mt_rows_clear
 * removes them.
 */
mt_status mt_rows_predict(mt_rows *rows, float *out, size_t capacity, mt_error *error);

#ifdef __cplusplus
}
#endif

#endif
