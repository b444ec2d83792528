//! Layers of multi-task ranking models on candle: expert banks, gates, towers, losses, fused operations.
