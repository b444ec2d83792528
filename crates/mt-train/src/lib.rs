//! Training of multi-task ranking models: objective, optimizers, loop, checkpoints.
