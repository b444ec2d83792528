//! Metrics of multi-task ranking models: exact and streaming AUC, DeLong tests, log loss, calibration.
