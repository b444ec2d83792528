//! Data path of multi-task ranking models: schema, CSV reader, batches, normalisation, splits, synthetic data.
