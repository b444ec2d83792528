// One step of every optimizer, and of averaged weights, on values that lie on a card: the arithmetic of `../rules.rs` and
// `../average.rs`, operation by operation. `cargo xtask ptx` compiles this file to `kernels.ptx`, which is what programs load.
//
// nvcc fuses no multiplication and addition on its own (`-fmad=false`): where the CPU fuses, it says `fmaf` here. Numbers
// below 2^-126 are taken for zero (`-ftz=true`), as they are by the CPU's training threads.
//
// Every kernel takes the number of values, the values, what they follow (a gradient, or the weights that are averaged), then
// its constants and the values kept from step to step; `mod.rs` passes them in this order. It is plain C but for KERNEL and
// the indices of a thread, so that a test compiles it for the CPU.

#ifndef KERNEL
#define KERNEL extern "C" __global__
#endif

// A thread takes every value that lies a whole grid beyond its last, so that any grid covers any number of values.
#define FOR_EACH(i, n)                                                                   \
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x, stride = gridDim.x * (size_t)blockDim.x; i < n; \
         i += stride)

// Adam and AdamW: `decay` is added to the gradient for each unit of the value, `keep` is the share that decoupled decay leaves.
KERNEL void adam(size_t n, float *values, const float *gradient, float rate, float decay, float keep, float beta1,
                 float beta2, float gain1, float gain2, float correction, float epsilon, float *mean, float *square)
{
    FOR_EACH(i, n) {
        float slope = fmaf(decay, values[i], gradient[i]);
        float average = fmaf(beta1, mean[i], gain1 * slope);
        float variance = fmaf(beta2, square[i], gain2 * slope * slope);
        float step = rate * average / fmaf(sqrtf(variance), correction, epsilon);
        values[i] = keep * values[i] - step;
        mean[i] = average;
        square[i] = variance;
    }
}

KERNEL void sgd(size_t n, float *values, const float *gradient, float rate, float decay, float beta, float *momentum)
{
    FOR_EACH(i, n) {
        float velocity = fmaf(beta, momentum[i], fmaf(decay, values[i], gradient[i]));
        values[i] = values[i] - rate * velocity;
        momentum[i] = velocity;
    }
}

KERNEL void adagrad(size_t n, float *values, const float *gradient, float rate, float decay, float epsilon, float *sum)
{
    FOR_EACH(i, n) {
        float slope = fmaf(decay, values[i], gradient[i]);
        float squares = fmaf(slope, slope, sum[i]);
        values[i] = values[i] - rate * slope / (sqrtf(squares) + epsilon);
        sum[i] = squares;
    }
}

// Moves averaged weights towards the weights of the step.
KERNEL void average(size_t n, float *averages, const float *values, float decay, float gain)
{
    FOR_EACH(i, n) {
        averages[i] = decay * averages[i] + gain * values[i];
    }
}
