"""The text of the written files: net.h, net.c and net_test.c, of floats and of integers."""

HEADER = """\
/* {about}, written by minprune */
#ifndef {N}_H
#define {N}_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {{
#endif
#define {N}_INPUTS {inputs}
#define {N}_OUTPUTS {outputs}
#define {N}_RAM_BYTES {ram} /* of work, aligned to 8 */

/* These two share one static block of memory: not for two threads, nor for an interrupt */
void {n}_run(const float *x, float *y);
int {n}_predict(const float *x); /* the largest output; of one output, whether it is above 0 */

void {n}_run_in(void *work, const float *x, float *y);
{more}#ifdef __cplusplus
}}
#endif
#endif
"""
HEADER_INTEGERS = """
/* In integers: x to bytes, and the outputs, of which (y - {zero}) * {N}_STEP are the floats */
#define {N}_STEP {step}
void {n}_quantize(const float *x, uint8_t *q);
void {n}_run_q(void *work, const uint8_t *q, {kind} *y);
"""
SOURCE = """\
#include "{n}.h"
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#ifndef {N}_CONST
#define {N}_CONST const /* where constants go: define it with a section of your own */
#endif

{kernels}

{constants}

{run}
static union {{
    unsigned char bytes[{ram}];
    int64_t aligned;
}} {n}_work;

void {n}_run(const float *x, float *y)
{{
    {n}_run_in({n}_work.bytes, x, y);
}}

int {n}_predict(const float *x)
{{
    float y[{N}_OUTPUTS];
    int k, best = 0;
    {n}_run(x, y);
    if ({N}_OUTPUTS == 1) return y[0] > 0.0f;
    for (k = 1; k < {N}_OUTPUTS; k++)
        if (y[k] > y[best]) best = k;
    return best;
}}
"""
RUN_FLOATS = """\
void {n}_run_in(void *work, const float *x, float *y)
{{
    unsigned char *at = work;
{steps}
    (void)at;
}}
"""
RUN_INTEGERS = """\
void {n}_quantize(const float *x, uint8_t *q)
{{
    {quantize}
}}

void {n}_run_q(void *work, const uint8_t *q, {kind} *y)
{{
    unsigned char *at = work;
{steps}
    (void)at;
}}

void {n}_run_in(void *work, const float *x, float *y)
{{
    unsigned char *at = work;
    uint8_t *q = at;
    {kind} *sums = ({kind} *)(void *)(at + {sums});
    {n}_quantize(x, q);
    {n}_run_q(at + {rest}, q, sums);
    {numbers}
}}
"""
TEST = """\
/* Exit code 0 where {n}_run gives the outputs that it has to, within these bounds, and else 1 */
#include "{n}.h"

static const float {n}_inputs[{count}][{N}_INPUTS] = {{{{
{inputs}
}}}};
static const float {n}_outputs[{count}][{N}_OUTPUTS] = {{{{
{outputs}
}}}};
static const float {n}_bounds[{count}][{N}_OUTPUTS] = {{{{
{bounds}
}}}};

int main(void)
{{
    float y[{N}_OUTPUTS];
    int i, k;
    for (i = 0; i < {count}; i++) {{
        {n}_run({n}_inputs[i], y);
        for (k = 0; k < {N}_OUTPUTS; k++) {{
            const float off = y[k] - {n}_outputs[i][k];
            if (!(off <= {n}_bounds[i][k] && -off <= {n}_bounds[i][k])) return 1;
        }}
    }}
    return 0;
}}
"""
