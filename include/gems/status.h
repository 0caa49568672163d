// Three outcomes, everywhere: ok; unsupported (the native kernel runs, a counter says so); failed (an error with its text).
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gems_status { GEMS_OK = 0, GEMS_UNSUPPORTED = 1, GEMS_FAILED = 2 } gems_status;

#ifdef __cplusplus
}
#endif
